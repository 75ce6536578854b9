"""Functions by cases: the same where they have the same value on every part of the line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from practicum.exact.maths_trees import Apply, Tree, Words, names, replaced
from practicum.exact.realline import NotASetError, cut

Same = Callable[[Tree, Tree], bool]
OTHERWISE = Words("otherwise")


class Piece(NamedTuple):
    """A value and the condition under which it is taken."""

    value: Tree
    condition: Tree


def is_piecewise(tree: Tree) -> bool:
    """Whether a tree is a function by cases."""
    return isinstance(tree, Apply) and tree.operation == "cases"


def same_pieces(gold: Tree, given: Tree, same: Same) -> bool:
    """Whether two functions by cases are one; `same` compares values and conditions.

    Conditions on one letter are compared on the line, others one by one.
    """
    both = _pieces(gold), _pieces(given)
    try:
        return _same_on_the_line(*both, same)
    except NotASetError:
        return _same_one_by_one(*both, same)


def _pieces(tree: Tree) -> list[Piece]:
    assert isinstance(tree, Apply)
    return [Piece(*pair) for pair in zip(tree.arguments[::2], tree.arguments[1::2], strict=True)]


def _same_on_the_line(golds: list[Piece], givens: list[Piece], same: Same) -> bool:
    """Raises NotASetError where a condition is no set of numbers, or where they are about two letters."""
    pieces = [*golds, *givens]
    conditions = [one.condition for one in pieces if one.condition != OTHERWISE]
    letters = {name for one in conditions for name in names(one)}
    if len(letters) != 1:
        raise NotASetError
    points, found = cut(conditions, ["and"] * len(conditions))
    held = iter(found)
    cells = [None if one.condition == OTHERWISE else next(held) for one in pieces]
    (letter,) = letters
    for cell in range(2 * len(points) + 1):
        sides = [_taken(golds, cells[: len(golds)], cell), _taken(givens, cells[len(golds) :], cell)]
        if cell % 2:
            sides = [[replaced(one, letter, points[cell // 2]) for one in side] for side in sides]
        if bool(sides[0]) != bool(sides[1]):
            return False
        # Cases that overlap must agree where they do.
        values = [*sides[0], *sides[1]]
        if not all(same(values[0], one) for one in values[1:]):
            return False
    return True


def _taken(pieces: Sequence[Piece], cells: Sequence[list[bool] | None], cell: int) -> list[Tree]:
    """The values that a function has on a part of the line; those of "otherwise" where no other is taken."""
    rows = list(zip(pieces, cells, strict=True))
    taken = [one.value for one, held in rows if held is not None and held[cell]]
    return taken or [one.value for one, held in rows if held is None]


def _same_one_by_one(golds: list[Piece], givens: list[Piece], same: Same) -> bool:
    left = list(givens)
    for gold in golds:
        found = next(
            (one for one in left if same(gold.value, one.value) and same(gold.condition, one.condition)), None
        )
        if found is None:
            return False
        left.remove(found)
    return not left
