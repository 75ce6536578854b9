"""Sets of real numbers as unions of points and intervals with exact ends: identities, and answers that name
ranges.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cmp_to_key

from flint import fmpq

from practicum.exact import reals
from practicum.exact.reals import Real


@dataclass(frozen=True)
class Piece:
    """An interval or, with equal closed ends, a point; None is an infinite end."""

    low: Real | None
    low_closed: bool
    high: Real | None
    high_closed: bool


EVERYTHING = Piece(None, False, None, False)


def point(value: Real) -> Piece:
    """The set of one number."""
    return Piece(value, True, value, True)


def compare(left: Real, right: Real) -> int:
    """-1, 0 or 1; exact."""
    if left.kind == "rational" and right.kind == "rational":
        return int(left.number > right.number) - int(left.number < right.number)
    return 0 if left is right else reals.subtract(left, right).sign()


def ordered(values: Sequence[Real]) -> list[Real]:
    """The distinct numbers, ascending."""
    kept: list[Real] = []
    for value in sorted(values, key=cmp_to_key(compare)):
        if not kept or compare(kept[-1], value) != 0:
            kept.append(value)
    return kept


def between(low: Real | None, high: Real | None) -> fmpq:
    """A rational number strictly between two different numbers (None: infinitely far)."""
    if low is None and high is None:
        return fmpq(0)
    bits = 16
    while True:
        below = None if low is None else low.enclosure(bits)
        above = None if high is None else high.enclosure(bits)
        if low is None and above is not None:
            return fmpq((above[0] >> bits) - 1)
        if high is None and below is not None:
            return fmpq((below[1] >> bits) + 2)
        if below is not None and above is not None and below[1] < above[0]:
            return fmpq(below[1] + above[0], 1 << (bits + 1))
        bits *= 2


def cells(pieces: Sequence[Piece], exclusions: Sequence[Real], points: Sequence[Real]) -> list[bool]:
    """Membership in each cell that ascending `points` cut the line into: before, point, between, ..., after.

    Every end of a piece and every exclusion must be among the points.
    """

    def place(value: Real) -> int:
        low, high = 0, len(points) - 1
        while True:
            middle = (low + high) // 2
            order = compare(value, points[middle])
            if order == 0:
                return 2 * middle + 1
            low, high = (low, middle - 1) if order < 0 else (middle + 1, high)

    inside = [False] * (2 * len(points) + 1)
    for piece in pieces:
        first = 0 if piece.low is None else place(piece.low) + (0 if piece.low_closed else 1)
        last = 2 * len(points) if piece.high is None else place(piece.high) - (0 if piece.high_closed else 1)
        for cell in range(first, last + 1):
            inside[cell] = True
    for value in exclusions:
        inside[place(value)] = False
    return inside


def pieces_of(inside: Sequence[bool], points: Sequence[Real]) -> tuple[Piece, ...]:
    """The fewest pieces with the given membership of cells, ascending."""
    pieces = []
    cell = 0
    while cell < len(inside):
        if not inside[cell]:
            cell += 1
            continue
        first = cell
        while cell < len(inside) and inside[cell]:
            cell += 1
        last = cell - 1
        low = None if first == 0 else points[(first - 1) // 2]
        high = None if last == len(inside) - 1 else points[last // 2]
        pieces.append(Piece(low, first % 2 == 1, high, last % 2 == 1))
    return tuple(pieces)


def same_set(left: Sequence[Piece], right: Sequence[Piece], right_exclusions: Sequence[Real] = ()) -> bool:
    """Whether two sets of real numbers are equal, the second without `right_exclusions`; exact."""
    ends = [end for piece in (*left, *right) for end in (piece.low, piece.high) if end is not None]
    points = ordered([*ends, *right_exclusions])
    return cells(left, (), points) == cells(right, right_exclusions, points)


def contains(pieces: Sequence[Piece], value: Real) -> bool:
    """Whether a number is in the set; exact."""
    for piece in pieces:
        above = 1 if piece.low is None else compare(value, piece.low)
        below = -1 if piece.high is None else compare(value, piece.high)
        if (above > 0 or (above == 0 and piece.low_closed)) and (
            below < 0 or (below == 0 and piece.high_closed)
        ):
            return True
    return False
