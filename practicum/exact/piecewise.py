"""Functions by cases: the same where they have the same value on every part of the line."""

from __future__ import annotations

from collections.abc import Callable
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
    if not (is_piecewise(gold) and is_piecewise(given)):
        return False
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
    size = 2 * len(points) + 1
    cells = [[True] * size if one.condition == OTHERWISE else next(held) for one in pieces]
    (letter,) = letters
    for cell in range(size):
        values = []
        for side, first in ((golds, 0), (givens, len(golds))):
            taken = (one.value for place, one in enumerate(side, first) if cells[place][cell])
            values.append(next(taken, None))
        if cell % 2:
            point = points[cell // 2]
            values = [None if one is None else replaced(one, letter, point) for one in values]
        one, other = values
        if (one is None) != (other is None):
            return False
        if one is not None and other is not None and not same(one, other):
            return False
    return True


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
