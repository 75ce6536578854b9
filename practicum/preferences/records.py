"""What the preference store takes and gives: frozen records, no database in them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from practicum.errors import InputError
from practicum.types import Prompt, Response

FLAG_KINDS = ("nonsense", "unsafe")
MICROS = 1_000_000
MOST_RESPONSES = 500
"""Responses to one prompt, at most: what one form of the ranking page can carry."""


class ClosedError(InputError):
    """The owner has closed this rater, who gets no more prompts and changes nothing any more."""


@dataclass(frozen=True)
class NewPrompt:
    """A prompt to be ranked and its responses, two or more.

    `id` defaults to a digest of the text, so that adding the same prompt twice is one prompt. `overlap` is
    how many raters should rank it (None: the project's number); prompts of higher `priority` come first.
    """

    prompt: Prompt
    responses: tuple[Response, ...]
    id: str = ""
    overlap: int | None = None
    priority: float = 0.0


@dataclass(frozen=True)
class Project:
    """The rules of a project. `price` is in dollars per rating (one response placed)."""

    name: str
    instructions: str
    overlap: int
    price: float
    lease_seconds: float


@dataclass(frozen=True)
class Rater:
    """A rater of a project. `data` is free, as {"simulated": true}; an inactive one is closed.

    Imported votes without a rater have {"anonymous": true}: one name stands for many people.
    """

    name: str
    active: bool = True
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Link:
    """A rater's personal link: `nonce` tells it from earlier ones, which it cancels; `expires` as a time."""

    rater: str
    nonce: str
    expires: float


@dataclass(frozen=True)
class Answer:
    """What a rater says of an assignment: `tiers` of response ids, best first, those in one tier are tied.

    `seconds` is the time spent, None when unknown. `flags` holds every (response id, kind) that is raised
    from now on; None leaves the flags as they are.
    """

    assignment_id: int
    tiers: Sequence[Sequence[str]]
    seconds: float | None = None
    flags: Collection[tuple[str, str]] | None = None


@dataclass(frozen=True)
class Assignment:
    """A prompt leased to a rater until `expires` (seconds since 1970).

    `responses` stand in the order to show, a random one kept with the assignment. `ranking_id` is the
    rater's current ranking of it and `tiers` its response ids best tier first; None and () before one.
    `state` is `open`, `done` or `skipped`; `flags` holds (response id, kind) of what this rater marked.
    """

    id: int
    project: str
    rater: str
    prompt_id: str
    prompt: Prompt
    responses: tuple[Response, ...]
    state: str
    expires: float
    ranking_id: int | None = None
    tiers: tuple[tuple[str, ...], ...] = ()
    flags: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Progress:
    """How far a project is.

    `wanted` is the sum over prompts of their overlap, `done` the current rankings that count towards it,
    `leased` the live leases. `ratings` is responses placed in all current rankings; `dollars_spent` the
    ledger's earnings so far, `dollars_to_come` those of the rankings still wanted. `rankings_per_hour`
    covers the last hour; `median_seconds` is None before any ranking says its seconds.
    """

    prompts: int
    raters: int
    wanted: int
    done: int
    leased: int
    skipped: int
    ratings: int
    dollars_spent: float
    dollars_to_come: float
    rankings_per_hour: int
    median_seconds: float | None


@dataclass(frozen=True)
class RaterProgress:
    """One rater's view: rankings done, prompts still to be had now, dollars earned and not yet paid out."""

    rater: str
    done: int
    available: int
    ratings: int
    dollars_earned: float
    dollars_owed: float


@dataclass(frozen=True)
class Payment:
    """A line of the ledger: `earned`, `reversed` or `paid`; paid and reversed dollars are negative."""

    rater: str
    kind: str
    ratings: int
    dollars: float
    time: float
    ranking_id: int | None


@dataclass(frozen=True)
class Revision:
    """One row of a ranking's history: a submission, a correction (`supersedes`) or an undo (`retracted`)."""

    id: int
    supersedes: int | None
    retracted: bool
    tiers: tuple[tuple[str, ...], ...]
    seconds: float | None
    time: float
