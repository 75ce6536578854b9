"""What a rater can do, on the store: see the next prompt, place its responses, skip it, take the last back.

A submission names the assignment and its `turn`, the number of the newest row in the assignment's chain of
rankings when the page was made (0: none). A chain has one successor per row, which the database enforces, so
the pair (assignment, turn) is the key that makes a repeated submission safe: after a lost answer, a double
click, a crash or an undo.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

from practicum.errors import InputError
from practicum.preferences.records import (
    FLAG_KINDS,
    Answer,
    Assignment,
    ClosedError,
    Project,
    RaterProgress,
)
from practicum.preferences.store import Store

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

READERS = 4
MOST_KNOWN = 10_000
CLOSED = (
    "You get no more prompts in this project, and what you ranked can no longer be changed. "
    "It is kept as it is; thank you."
)


class StaleError(InputError):
    """The page is not of today: the assignment was ranked, skipped or undone since it was made."""


@dataclass(frozen=True)
class View:
    """What a rater sees: a prompt (None: nothing is left for them now) and its turn.

    `tiers` places the responses as they were before an undo; () where they never were.
    """

    assignment: Assignment | None
    turn: int = 0
    tiers: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class Submission:
    """One answer: `places` runs parallel to the responses as shown, 1 is best, equal places are a tie.

    `flags` holds (position, kind); `seconds` is the time spent, None when unknown.
    """

    assignment_id: int
    turn: int
    places: tuple[int, ...]
    flags: frozenset[tuple[int, str]] | None = None
    seconds: float | None = None


class Desk:
    """A project of a store, with one thread that writes and a few that read.

    One writer keeps SQLite's lock from being fought over; requests wait their turn in a queue instead.
    """

    def __init__(self, store: Store, project: Project) -> None:
        self.store, self.project = store, project
        self._writer = ThreadPoolExecutor(1, "writer")
        self._readers = ThreadPoolExecutor(READERS, "reader")
        # What an assignment shows never changes.
        self._known: OrderedDict[int, Assignment] = OrderedDict()

    async def write(
        self, call: Callable[Arguments, Result], *arguments: Arguments.args, **named: Arguments.kwargs
    ) -> Result:
        """Call in the writer's thread; a closed rater is told so in the app's words."""
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._writer, lambda: call(*arguments, **named))
        except ClosedError as error:
            raise ClosedError(CLOSED) from error

    async def read(
        self, call: Callable[Arguments, Result], *arguments: Arguments.args, **named: Arguments.kwargs
    ) -> Result:
        """Call in a reader's thread."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._readers, lambda: call(*arguments, **named))

    def close(self) -> None:
        """Let what is under way finish, then stop the threads."""
        self._writer.shutdown()
        self._readers.shutdown()

    async def view(self, rater: str) -> View:
        """The prompt a rater holds, or the next one. Raises ClosedError for a rater who gets no more."""
        return await self.read(self._view, rater, await self.lease(rater))

    async def progress(self, rater: str) -> RaterProgress:
        """How far a rater is, and what they earned."""
        return await self.read(self.store.rater_progress, self.project.name, rater)

    async def lease(self, rater: str) -> Assignment | None:
        """The prompt alone; see `view`."""
        assignment = await self.write(self.store.lease, self.project.name, rater)
        if assignment is not None:
            self._known[assignment.id] = assignment
            if len(self._known) > MOST_KNOWN:
                self._known.popitem(last=False)
        return assignment

    async def submit(self, rater: str, submission: Submission) -> int:
        """Record a ranking; returns its number once it is on the disk. See `Store.submit` for the errors."""
        return await self.write(self._submit, rater, submission)

    async def skip(
        self, rater: str, assignment_id: int, reason: str, flags: frozenset[tuple[int, str]] | None = None
    ) -> None:
        """Hand a prompt back unranked; what was flagged stays flagged. Repeated, it does nothing."""
        await self.write(self._skip, rater, assignment_id, reason, flags)

    async def undo(self, rater: str, once: str = "") -> None:
        """Take back a rater's last ranking or skip; asked again with the same `once`, it does nothing."""
        await self.write(self.store.undo, self.project.name, rater, once)

    def _view(self, rater: str, assignment: Assignment | None) -> View:
        if assignment is None:
            return View(None)
        history = self.store.history(self.project.name, rater, assignment.id)
        return View(assignment, history[-1].id, history[-1].tiers) if history else View(assignment)

    def _submit(self, rater: str, submission: Submission) -> int:
        project, number = self.project.name, submission.assignment_id
        self.store.check_active(project, rater)
        known = self._known.get(number)
        if known is None or known.rater != rater:
            known = self.store.assignment(project, rater, number)
        tiers = tiers_of(known, submission.places)
        history = self.store.history(project, rater, number)
        for revision in history:
            if (revision.supersedes or 0) == submission.turn and not revision.retracted:
                if list(map(set, revision.tiers)) == list(map(set, tiers)):
                    return revision.id
                raise StaleError("this prompt was saved already with another order: undo it to change it")
        if submission.turn != (history[-1].id if history else 0):
            raise StaleError("this page is out of date: reload it to see how things stand")
        answer = Answer(number, tiers, submission.seconds, flags_of(known, submission.flags))
        if history and not history[-1].retracted:
            return self.store.correct(project, rater, history[-1].id, answer)
        return self.store.submit_many(project, rater, [answer])[0]

    def _skip(
        self, rater: str, assignment_id: int, reason: str, flags: frozenset[tuple[int, str]] | None
    ) -> None:
        self.store.check_active(self.project.name, rater)
        assignment = self.store.assignment(self.project.name, rater, assignment_id)
        if assignment.state == "done":
            raise StaleError("this prompt was ranked already: undo it to skip it")
        if assignment.state == "open":
            marks = flags_of(assignment, flags)
            self.store.skip(self.project.name, rater, assignment_id, reason, marks)


def flags_of(
    assignment: Assignment, flags: frozenset[tuple[int, str]] | None
) -> list[tuple[str, str]] | None:
    """(response id, kind) of flags on positions as shown; None stays None.

    Raises InputError for a position or kind that is not there.
    """
    if flags is None:
        return None
    for position, kind in flags:
        if kind not in FLAG_KINDS or not 0 <= position < len(assignment.responses):
            raise InputError(f"there is no response {position} to mark as {kind!r}")
    return [(assignment.responses[position].id, kind) for position, kind in flags]


def tiers_of(assignment: Assignment, places: Sequence[int]) -> list[list[str]]:
    """Response ids, best tier first, from places parallel to the responses shown.

    Raises InputError unless there is one place from 1 for each response.
    """
    count = len(assignment.responses)
    if len(places) != count or any(place < 1 for place in places):
        raise InputError(f"expected a place from 1 for each of the {count} responses, got {list(places)}")
    return [
        [response.id for response, place in zip(assignment.responses, places, strict=True) if place == tier]
        for tier in sorted(set(places))
    ]


def places_of(assignment: Assignment, tiers: Sequence[Sequence[str]]) -> list[int | None]:
    """The place of each response shown, None for one that `tiers` does not name."""
    places = {name: place for place, tier in enumerate(tiers, start=1) for name in tier}
    return [places.get(response.id) for response in assignment.responses]
