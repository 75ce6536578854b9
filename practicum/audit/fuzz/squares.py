"""Squares of digits, as in a sudoku, that are wrong and have what a careless check looks at: the sums of rows
and columns, or good rows alone, or all but the digits that were given."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import combinations

from practicum.audit.fuzz.grids import board
from practicum.audit.fuzz.probe import Probe
from practicum.audit.fuzz.rows import FuzzRow

FAMILY = "square_unchecked"
EMPTY = "0._-?"
"""What stands in the empty places of a square in a prompt."""
LINES = re.compile(r"(?:(?:[1-9][ ,|]*){4,9}(?:\n|\Z|(?=<)|(?=`))){4,9}")
Square = list[list[int]]


def wrong_squares(row: int, data: FuzzRow) -> Iterator[Probe]:
    """The first right reply to a row with another square, where its square has each digit once in every row
    and column; none where the prompt gives no square to fill."""
    for text in data.good[:1]:
        found = LINES.search(text)
        square = _read(found[0]) if found else None
        given = board(data.prompt.text)
        if found is None or square is None or not _is_latin(square) or len(given) != len(square):
            return
        if not all(len(line) == len(square) for line in given):
            return
        free = [(y, x) for y, line in enumerate(given) for x, sign in enumerate(line) if sign in EMPTY]
        for what, other in _wrong(square, set(free)):
            changed = text[: found.start()] + _written(found[0], other) + text[found.end() :]
            yield Probe(row, changed, FAMILY, "refused", f"with a square {what}")


def _written(text: str, square: Square) -> str:
    """The square in the place of the one in a text, with what stands between its digits."""
    between = re.split(r"[1-9]", text)
    digits = [str(digit) for line in square for digit in line]
    return "".join(map("".join, zip(between, [*digits, ""], strict=True)))


def _read(text: str) -> Square | None:
    lines = [[int(digit) for digit in re.findall(r"[1-9]", line)] for line in text.splitlines()]
    lines = [line for line in lines if line]
    return lines if all(len(line) == len(lines) for line in lines) else None


def _is_latin(square: Square) -> bool:
    digits = sorted(square[0])
    columns = [list(column) for column in zip(*square, strict=True)]
    return len(set(digits)) == len(digits) and all(sorted(line) == digits for line in (*square, *columns))


def _wrong(square: Square, free: set[tuple[int, int]]) -> Iterator[tuple[str, Square]]:
    size = len(square)
    for (y, x), (v, u) in combinations(sorted(free), 2):
        corners = {(y, x): 1, (y, u): -1, (v, x): -1, (v, u): 1}
        changed = [
            [digit + corners.get((a, b), 0) for b, digit in enumerate(line)] for a, line in enumerate(square)
        ]
        inside = all(1 <= digit <= size for line in changed for digit in line)
        # In two rows of one band and in two columns of one stack, the sums of boxes stay as well.
        band = {4: 2, 6: 2, 9: 3}.get(size, 1)
        if y != v and x != u and y // band == v // band and inside and free >= set(corners):
            yield "that has digits twice and the right sums", changed
            break
    for what, along in (("whose columns have digits twice", 0), ("whose rows have digits twice", 1)):
        pair = next(
            ((one, two) for one, two in combinations(sorted(free), 2) if one[along] == two[along]), None
        )
        if pair is not None:
            (y, x), (v, u) = pair
            changed = [line[:] for line in square]
            changed[y][x], changed[v][u] = square[v][u], square[y][x]
            yield what, changed
    if len(free) < size * size:
        digits = sorted(square[0])
        turned = dict(zip(digits, [*digits[1:], digits[0]], strict=True))
        yield (
            "that changes the digits which the prompt gives",
            [[turned[one] for one in line] for line in square],
        )
