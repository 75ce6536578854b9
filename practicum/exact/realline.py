"""Sets of real numbers as answers write them: intervals, unions, differences, inequalities in one letter."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import cmp_to_key

from practicum.exact.balls import NoValueError, differ, exact, order
from practicum.exact.expression import LimitError
from practicum.exact.maths_trees import Apply, Group, Number, Relation, Symbol, Tree, names, replaced, walk

INFINITE = Symbol("∞")
MINUS_INFINITE = Apply("neg", (INFINITE,))
MAX_ENDS = 48
_ORDERS = frozenset("<>≤≥")
TURNED = {"<": ">", ">": "<", "≤": "≥", "≥": "≤", "=": "=", "≠": "≠"}


class NotASetError(Exception):
    """The tree is no set of real numbers that is read here."""


def is_region(tree: Tree) -> bool:
    """Whether a tree can only be a set on the line: an inequality, a union, ℝ, and no mere list."""
    if isinstance(tree, Relation):
        return bool(set(tree.signs) & (_ORDERS | {"≠", "∈"}))
    if isinstance(tree, Apply):
        return tree.operation in ("∪", "∩", "∖") or (
            tree.operation == "+" and tree.arguments[0] == Symbol("ℝ") and len(tree.arguments) == 2
        )
    if isinstance(tree, Group):
        if not tree.opening:
            return any(is_region(one) for one in tree.members)
        return tree.opening == "{" and any(
            isinstance(one, Apply) and one.operation == "such" for one in tree.members
        )
    return tree == Symbol("ℝ")


def same_region(left: Tree, right: Tree, joints: tuple[str, str]) -> bool:
    """Whether two trees are the same set; a list of ranges is joined as `joints` says: "and" or "or".

    Raises NotASetError where one is none.
    """
    left, right = _without_bars(left), _without_bars(right)
    letters = [_letter(tree) for tree in (left, right)]
    if all(letters) and letters[0] != letters[1]:
        return False
    _, (one, other) = cut([left, right], joints)
    return one == other


def cut(trees: Sequence[Tree], joints: Sequence[str]) -> tuple[list[Tree], list[list[bool]]]:
    """The ends of all sets, in order, and whether each set holds the parts that they cut the line into:
    before the first, the first itself, between it and the second, and so on.

    A list of ranges is joined as its joint says: "and" or "or". Raises NotASetError where a tree is no set.
    """
    trees = [_without_bars(tree) for tree in trees]
    ends: list[Tree] = []
    for tree in trees:
        _collect(tree, ends)
    if len(ends) > MAX_ENDS:
        raise LimitError(f"more than {MAX_ENDS} ends of intervals")
    finite = [end for end in ends if end not in (INFINITE, MINUS_INFINITE)]
    distinct: list[Tree] = []
    try:
        for end in sorted(finite, key=cmp_to_key(order)):
            if not distinct or order(distinct[-1], end):
                distinct.append(end)
        return distinct, [_cells(tree, distinct, joint) for tree, joint in zip(trees, joints, strict=True)]
    except NoValueError:
        raise NotASetError from None


def _without_bars(tree: Tree) -> Tree:
    """ "-2 < x < 2" for "|x| < 2", "x < -2 or x > 2" for "|x| > 2"; any other tree as it is."""
    if not isinstance(tree, Relation) or len(tree.signs) != 1 or tree.signs[0] not in _ORDERS:
        return tree
    (left, right), sign = tree.sides, tree.signs[0]
    if not _has_bars(left):
        left, right, sign = right, left, TURNED[sign]
    if not _has_bars(left) or names(right):
        return tree
    assert isinstance(left, Apply)
    inside, negative = left.arguments[0], Apply("neg", (right,))
    if sign in "<≤":
        return Relation((negative, inside, right), (sign, sign))
    beyond = Relation((inside, negative), (TURNED[sign],)), Relation((inside, right), (sign,))
    return Group("", "", beyond, "or")


def _has_bars(tree: Tree) -> bool:
    return isinstance(tree, Apply) and tree.operation == "abs"


def _letter(tree: Tree) -> str:
    """The letter that a tree is about, if it names one. Raises NotASetError where it is about several."""
    found = {name for one in walk(tree) if isinstance(one, Relation) for name in names(one)}
    if len(found) > 1:
        raise NotASetError
    return found.pop() if found else ""


def _collect(tree: Tree, ends: list[Tree]) -> None:
    """Add the ends of all intervals in a tree."""
    if isinstance(tree, Relation):
        for left, sign, right in zip(tree.sides, tree.signs, tree.sides[1:], strict=False):
            if sign == "∈":
                _collect(right, ends)
            elif sign in TURNED:
                ends.append(end_of_relation(left, sign, right)[0])
            else:
                raise NotASetError
    elif isinstance(tree, Apply) and tree.operation in ("∪", "∩", "∖", "+", "neg", "such"):
        for one in tree.arguments:
            if not (tree.operation == "such" and isinstance(one, Symbol)):
                _collect(one, ends)
    elif isinstance(tree, Group):
        for one in tree.members:
            if _is_set(one):
                _collect(one, ends)
            elif names(one):
                raise NotASetError
            else:
                ends.append(one)
    elif not isinstance(tree, Symbol) or tree.name not in ("ℝ", "∅"):
        raise NotASetError


def _is_set(tree: Tree) -> bool:
    is_such = isinstance(tree, Apply) and tree.operation == "such"
    return isinstance(tree, Relation | Group) or is_such or is_region(tree)


def end_of_relation(left: Tree, sign: str, right: Tree) -> tuple[Tree, str]:
    """Where a relation that is linear in one letter ends, and its sign with the letter on the left."""
    letters = names(left) | names(right)
    if len(letters) != 1:
        raise NotASetError
    name = letters.pop()
    if left == Symbol(name) and not names(right):
        return right, sign
    if right == Symbol(name) and not names(left):
        return left, TURNED[sign]
    difference = Apply("+", (left, Apply("neg", (right,))))
    at = [replaced(difference, name, Number(Fraction(value))) for value in (0, 1, 2, 7)]
    slope = Apply("+", (at[1], Apply("neg", (at[0],))))
    try:
        for value, found in ((2, at[2]), (7, at[3])):
            expected = Apply("+", (at[0], Apply("*", (Number(Fraction(value)), slope))))
            if differ(found, expected, {}) is not False:
                raise NotASetError
        rises = order(slope, Number(Fraction(0)))
    except NoValueError:
        raise NotASetError from None
    if not rises:
        raise NotASetError
    start = exact(at[0]), exact(slope)
    end: Tree = Apply("neg", (Apply("/", (at[0], slope)),))
    if start[0] is not None and start[1] is not None:
        end = Number(-start[0] / start[1])
    return end, sign if rises > 0 else TURNED[sign]


def _place(end: Tree, points: list[Tree]) -> int:
    """The cell of an end among points: -1 and 2n+1 are infinitely far."""
    if end == MINUS_INFINITE:
        return -1
    if end == INFINITE:
        return 2 * len(points) + 1
    return next(2 * place + 1 for place, point in enumerate(points) if order(point, end) == 0)


def _cells(tree: Tree, points: list[Tree], joint: str) -> list[bool]:
    """Membership in each cell that the points cut the line into: before, point, between, ..., after."""
    size = 2 * len(points) + 1
    if isinstance(tree, Relation):
        found = [True] * size
        for left, sign, right in zip(tree.sides, tree.signs, tree.sides[1:], strict=False):
            if sign == "∈":
                inside = _cells(right, points, joint)
            else:
                end, sign = end_of_relation(left, sign, right)
                inside = _half_line(_place(end, points), sign, size)
            found = [one and other for one, other in zip(found, inside, strict=True)]
        return found
    if isinstance(tree, Symbol):
        return [tree.name == "ℝ"] * size
    if isinstance(tree, Apply):
        if tree.operation == "such":
            return _such(tree, points)
        if tree.operation == "neg":
            return _cells(tree.arguments[0], points, joint)
        left_cells, right_cells = (_cells(one, points, joint) for one in tree.arguments)
        pairs = zip(left_cells, right_cells, strict=True)
        if tree.operation == "∪":
            return [one or other for one, other in pairs]
        if tree.operation == "∩":
            return [one and other for one, other in pairs]
        return [one and not other for one, other in pairs]
    if not isinstance(tree, Group):
        raise NotASetError
    return _group_cells(tree, points, joint)


def _such(tree: Apply, points: list[Tree]) -> list[bool]:
    left, right = tree.arguments
    found = _cells(right, points, "and")
    if isinstance(left, Symbol):
        return found
    return [one and other for one, other in zip(found, _cells(left, points, "and"), strict=True)]


def _group_cells(tree: Group, points: list[Tree], joint: str) -> list[bool]:
    size = 2 * len(points) + 1
    if tree.opening in ("(", "[") and len(tree.members) == 2:
        low, high = (_place(end, points) for end in tree.members)
        if low > high or (low == high and (tree.opening, tree.closing) != ("[", "]")):
            raise NotASetError
        first = low if tree.opening == "[" else low + 1
        last = high if tree.closing == "]" else high - 1
        return [first <= cell <= last for cell in range(size)]
    if tree.opening in ("(", "[", "⟨"):
        raise NotASetError
    members = [
        _cells(one, points, joint) if _is_set(one) else [cell == _place(one, points) for cell in range(size)]
        for one in tree.members
    ]
    joined = any if tree.opening or (tree.joint or joint) == "or" else all
    return [joined(cells[place] for cells in members) for place in range(size)]


def _half_line(place: int, sign: str, size: int) -> list[bool]:
    holds = {"<": (-1,), "≤": (-1, 0), ">": (1,), "≥": (0, 1), "=": (0,), "≠": (-1, 1)}[sign]
    return [(cell > place) - (cell < place) in holds for cell in range(size)]
