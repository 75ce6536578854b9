"""Rankings as a reward model reads them: by prompt, every response once, however many raters placed it."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

import torch
from torch import Tensor

from practicum.errors import InputError
from practicum.types import Prompt, Ranking, Response


@dataclass(frozen=True)
class Verdict:
    """One ranking of some of a prompt's responses: their places in `Judged.responses`, ranks (1 is best)."""

    places: tuple[int, ...]
    ranks: tuple[int, ...]
    rater: str
    weight: float


@dataclass(frozen=True)
class Judged:
    """A prompt, its different responses, and all that raters said about them."""

    prompt: Prompt
    responses: tuple[Response, ...]
    verdicts: tuple[Verdict, ...]


def by_prompt(rankings: Sequence[Ranking], weights: Mapping[str, float] | None = None) -> list[Judged]:
    """Rankings gathered by the text of their prompt, in order of appearance.

    Responses of equal text are one response. `weights` gives raters' weights (1 where it has none); a rater
    of weight 0 or below is left out.
    """
    gathered: dict[str, list[Ranking]] = defaultdict(list)
    for ranking in rankings:
        gathered[ranking.prompt.text].append(ranking)
    judged = []
    for same in gathered.values():
        responses: dict[str, Response] = {}
        for ranking in same:
            for response in ranking.responses:
                responses.setdefault(response.text, response)
        place = {text: index for index, text in enumerate(responses)}
        verdicts = tuple(
            Verdict(
                tuple(place[response.text] for response in ranking.responses),
                ranking.ranks,
                ranking.rater,
                (weights or {}).get(ranking.rater, 1.0),
            )
            for ranking in same
        )
        verdicts = tuple(verdict for verdict in verdicts if verdict.weight > 0)
        if verdicts:
            judged.append(Judged(same[0].prompt, tuple(responses.values()), verdicts))
    return judged


def split_by_hash(judged: Sequence[Judged], held_out: float) -> tuple[list[Judged], list[Judged]]:
    """(to learn from, held out): a prompt is held out when the hash of its text lies in the lowest share.

    It stays so in every round, run and file. Raises InputError when one side would be empty.
    """

    def lot(item: Judged) -> float:
        digest = hashlib.sha256(item.prompt.text.encode("utf-8", "surrogatepass")).digest()
        return int.from_bytes(digest[:8], "big") / 2**64

    parts = (
        [item for item in judged if lot(item) >= held_out],
        [item for item in judged if lot(item) < held_out],
    )
    if not parts[0] or (held_out > 0 and not parts[1]):
        raise InputError(
            f"held_out {held_out}: of {len(judged)} prompts {len(parts[1])} would be held out and "
            f"{len(parts[0])} be learned from: rank more prompts, or change --held_out"
        )
    return parts


def as_pairs(judged: Sequence[Judged]) -> list[Judged]:
    """Every pair of every ranking as an item of its own, weighing 1 over the ranking's pairs."""
    items = []
    for item in judged:
        for verdict in item.verdicts:
            size = len(verdict.places)
            weight = verdict.weight * 2 / (size * (size - 1))
            items += [
                Judged(
                    item.prompt,
                    (item.responses[verdict.places[first]], item.responses[verdict.places[second]]),
                    (Verdict((0, 1), (verdict.ranks[first], verdict.ranks[second]), verdict.rater, weight),),
                )
                for first in range(size)
                for second in range(first + 1, size)
            ]
    return items


def batch_of(items: Sequence[Judged], size: int, step: int, seed: int) -> list[Judged]:
    """The items of update `step` (from 0): epoch after epoch, each in a new order, its last batch short."""
    batches = -(-len(items) // size)
    epoch, place = divmod(step, batches)
    order = list(range(len(items)))
    Random(f"rankings {seed} {epoch}").shuffle(order)
    return [items[index] for index in order[place * size : (place + 1) * size]]


def padded(items: Sequence[Judged]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """(places_KR, ranks_KR, mask_KR, weight_K) of all rankings of some items, K of them, R the longest.

    `places_KR`, int64, counts through the responses of the items one after another; 0 where masked.
    """
    verdicts: list[tuple[int, Verdict]] = []
    before = 0
    for item in items:
        verdicts += [(before, verdict) for verdict in item.verdicts]
        before += len(item.responses)
    longest = max(len(verdict.places) for _, verdict in verdicts)
    places_KR, ranks_KR = (torch.zeros((len(verdicts), longest), dtype=torch.int64) for _ in range(2))
    mask_KR = torch.zeros((len(verdicts), longest), dtype=torch.bool)
    for row, (offset, verdict) in enumerate(verdicts):
        size = len(verdict.places)
        places_KR[row, :size] = offset + torch.tensor(verdict.places)
        ranks_KR[row, :size] = torch.tensor(verdict.ranks)
        mask_KR[row, :size] = True
    return places_KR, ranks_KR, mask_KR, torch.tensor([verdict.weight for _, verdict in verdicts])
