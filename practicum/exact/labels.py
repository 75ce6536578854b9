"""What stands before "=" and only names what follows: x, f(x), AB; and the values that belong to names."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import NamedTuple

from practicum.exact import balls
from practicum.exact.balls import NoValueError
from practicum.exact.maths_trees import Apply, Group, Number, Relation, Symbol, Tree, decimals_of, names, walk
from practicum.exact.members import values_of

Same = Callable[[Tree, Tree], bool]


_UNKNOWNS = frozenset(
    ("x", "y", "z", "t", "r", "s", "w", "m", "k", "n", "u", "v", "lambda", "theta", "alpha")
)
"""Letters whose indexed values are roots, in no order of their own."""


class Labelled(NamedTuple):
    """A label, None where there is none, and what it names."""

    label: Tree | None
    body: Tree


def unlabelled(tree: Tree, same: Same) -> Labelled | None:
    """What a chain of equal sides names, None for an equation or a relation; `same` compares its sides."""
    if not isinstance(tree, Relation):
        return Labelled(None, tree)
    if not set(tree.signs) <= {"=", "≈", "∈"}:
        return None
    sides = list(tree.sides)
    if tree.signs == ("∈",) and _holds_pairs_of(sides[0], sides[1]):
        return Labelled(None, sides[1])
    label = sides.pop(0) if _is_label(sides[0]) and len(sides) > 1 else None
    if label is not None and (function := _derived(label)):
        label = Symbol(f"{function}'")
    if isinstance(label, Symbol) and label.name in ("pi", "e", "i"):
        sides.insert(0, label)
        label = None
    if "≈" in tree.signs:
        sides = _without_estimates(tree, sides)
    if (
        not sides
        or any(names(side) for side in sides[:-1])
        or (label is None and len(sides) > 1 and names(sides[-1]))
    ):
        return None
    if not all(same(side, sides[-1]) for side in sides[:-1]):
        return None
    return Labelled(label, sides[-1])


def _is_label(tree: Tree) -> bool:
    """Whether what stands before "=" only names what follows: x, f(x), AB, p + q, dy/dx."""
    if isinstance(tree, Symbol) or _derived(tree):
        return True
    if isinstance(tree, Apply) and tree.operation in ("°", "abs") and len(names(tree)) > 1:
        return _is_label(tree.arguments[0])
    if not isinstance(tree, Apply) or tree.operation not in ("+", "*"):
        return False
    parts = list(walk(tree))
    letters = [one for one in parts if isinstance(one, Symbol)]
    operations = {one.operation for one in parts if isinstance(one, Apply)}
    return (
        len(parts) < 20
        and operations <= {"+", "*"}
        and 0 < len(letters) == len(set(letters))
        and not any(isinstance(one, Number) for one in parts)
    )


def _holds_pairs_of(tree: Tree, values: Tree) -> bool:
    """Whether two trees are the sides of "(a, b) ∈ {(1, 2)}"."""
    letters = tree.members if isinstance(tree, Group) and tree.opening == "(" else ()
    if len(set(letters)) < max(2, len(letters)) or not all(isinstance(one, Symbol) for one in letters):
        return False
    return (
        isinstance(values, Group)
        and values.opening == "{"
        and all(isinstance(one, Group) and len(one.members) == len(letters) for one in values.members)
    )


def _derived(tree: Tree) -> str:
    """The letter y of dy/dx, "" for any other tree."""
    if not isinstance(tree, Apply) or tree.operation != "/":
        return ""
    letters = [
        one.arguments[1].name
        for one in tree.arguments
        if isinstance(one, Apply) and one.operation == "*" and one.arguments[0] == Symbol("d")
        if isinstance(one.arguments[1], Symbol)
    ]
    return letters[0] if len(letters) == 2 else ""


def _without_estimates(tree: Relation, sides: list[Tree]) -> list[Tree]:
    """The exact sides of "x = 1/3 ≈ 0.33", whose decimals must be near; the decimal where it stands alone."""
    first = tree.signs.index("≈")
    exact_sides = list(tree.sides[: first + 1])
    if exact_sides and exact_sides[0] not in sides:
        exact_sides = exact_sides[1:]
    if not exact_sides:
        return sides
    for estimate in tree.sides[first + 1 :]:
        places = max(0, decimals_of(estimate))
        half = Number(Fraction(1, 10**places))
        distance = Apply("abs", (Apply("+", (exact_sides[-1], Apply("neg", (estimate,)))),))
        try:
            if names(distance) or balls.order(distance, half) > 0:
                return []
        except NoValueError:
            return []
    return exact_sides


def by_name(tree: Tree, same: Same) -> dict[str, list[Tree]] | None:
    """The values of each name of "x = 1, y = 2", "x = 1 or 2" and "(x, y) = (1, 2)"; else None."""
    if isinstance(tree, Relation) and is_tuple_of_names(tree):
        return _by_place(tree.sides[0], tree.sides[1]) if tree.signs == ("=",) else None
    if not isinstance(tree, Group) or tree.opening not in ("", "{"):
        return None
    found: dict[str, list[Tree]] = {}
    name = ""
    for member in tree.members:
        if isinstance(member, Relation):
            labelled = unlabelled(member, same)
            if labelled is None or not isinstance(labelled.label, Symbol):
                return None
            name, value = _without_index(labelled.label.name, tree), labelled.body
        elif not name:
            return None
        else:
            value = member
        found.setdefault(name, []).extend(values_of(value))
    return found or None


def _by_place(names_given: Tree, values: Tree) -> dict[str, list[Tree]] | None:
    """The value of each name of "(x, y) = (1, 2)"."""
    if not isinstance(names_given, Group) or not isinstance(values, Group):
        return None
    letters = [one.name for one in names_given.members if isinstance(one, Symbol)]
    if (values.opening, names_given.opening) != ("(", "(") or not (
        len(letters) == len(names_given.members) == len(values.members)
    ):
        return None
    return {letter: [value] for letter, value in zip(letters, values.members, strict=True)}


def _without_index(name: str, tree: Group) -> str:
    """x for x_1 and x_2, the values of one unknown; a_1 and a_2 are terms, each with its own."""
    if name.partition("_")[0] not in _UNKNOWNS:
        return name
    stems = {
        one.sides[0].name.partition("_")[0]
        for one in tree.members
        if isinstance(one, Relation) and isinstance(one.sides[0], Symbol)
    }
    indexed = all(
        isinstance(one, Relation)
        and isinstance(one.sides[0], Symbol)
        and one.sides[0].name.partition("_")[2].isdigit()
        for one in tree.members
    )
    return name.partition("_")[0] if indexed and len(stems) == 1 else name


def is_tuple_of_names(tree: Tree) -> bool:
    """Whether a tree is "(x, y) = ..."."""
    return isinstance(tree, Relation) and isinstance(tree.sides[0], Group)
