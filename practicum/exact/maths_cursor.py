"""A place among the tokens of an answer, with the limits on how deep and how often rules may try."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from practicum.exact.expression import LimitError, ParseError
from practicum.exact.maths_tokens import Part
from practicum.exact.maths_trees import Tree

MAX_DEPTH = 30
MAX_TRIES = 400
_END = Part("end", "the end")
_Result = TypeVar("_Result")


class Cursor:
    """Takes tokens one by one; a rule that fails may be undone."""

    def __init__(self, parts: list[Part]) -> None:
        while parts and parts[-1].kind in (".", "gap", "\n", "!") and _may_end(parts):
            parts = parts[:-1]
        while parts and parts[0].kind in ("gap", "\n", "⇒"):
            parts = parts[1:]
        self.parts = [*parts, _END, _END, _END]
        self.index = self.depth = self.bars = self.steps = 0
        self.letters_are_units = False

    @property
    def next(self) -> Part:
        """The token to be read."""
        return self.parts[self.index]

    def kind(self, ahead: int = 0) -> str:
        """The kind of a token ahead."""
        place = self.index + ahead
        return self.parts[place].kind if place < len(self.parts) else "end"

    def take(self, *kinds: str) -> bool:
        """Take the next token if it is of one of these kinds."""
        if self.next.kind in kinds:
            self.index += 1
            return True
        return False

    def expect(self, *kinds: str) -> None:
        """Take a token of one of these kinds. Raises ParseError."""
        if not self.take(*kinds):
            raise ParseError(f"expected {kinds[0]!r}, found {self.next.text!r}")

    def put(self, part: Part) -> None:
        """Another token in place of the next; a rule that fails leaves no trace of it."""
        self.parts = [*self.parts[: self.index], part, *self.parts[self.index + 1 :]]

    def tried(self, rule: Callable[[], _Result]) -> _Result | None:
        """What a rule reads, or None with everything as it was."""
        parts, index, depth, bars = self.parts, self.index, self.depth, self.bars
        self.steps += 1
        if self.steps > MAX_TRIES:
            raise LimitError("the answer can be read in too many ways")
        try:
            return rule()
        except ParseError:
            self.parts, self.index, self.depth, self.bars = parts, index, depth, bars
            return None

    def nested(self, rule: Callable[[], Tree]) -> Tree:
        """What a rule reads one level deeper."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise LimitError(f"nested deeper than {MAX_DEPTH} levels")
        bars, self.bars = self.bars, 0
        found = rule()
        self.depth, self.bars = self.depth - 1, bars
        return found


def _may_end(parts: list[Part]) -> bool:
    """Whether a last sign is punctuation: a "!" behind a number is a factorial."""
    if parts[-1].kind != "!":
        return True
    return len(parts) > 1 and parts[-2].kind == "word"
