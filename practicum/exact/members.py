"""The members of a list or a set; an expression with ± has two values for each."""

from __future__ import annotations

import itertools

from practicum.exact.expression import LimitError
from practicum.exact.maths_trees import Apply, Group, Symbol, Tree, walk

MAX_SIGNS = 4
"""Most signs ± in one expression."""
MAX_MEMBERS = 128


def members_of(tree: Tree) -> list[Tree]:
    """The members of a list or set, each ± as two; a value is its own only member."""
    if isinstance(tree, Group):
        if tree.opening in ("(", "[", "⟨"):
            return list(tree.members)
        found = [value for member in tree.members for value in values_of(member)]
        if len(found) > MAX_MEMBERS:
            raise LimitError("too many members")
        return found
    return _choices(tree) if tree != Symbol("∅") else []


def values_of(member: Tree) -> list[Tree]:
    """The values of a member of a list, each ± as two; a point or a set within brackets is one value."""
    return [member] if isinstance(member, Group) and member.opening else members_of(member)


def _choices(tree: Tree) -> list[Tree]:
    """The values of an expression with ±: each + and - for every ±; ∓ takes the other sign of the last ±."""
    count = sum(isinstance(one, Apply) and one.operation == "±" for one in walk(tree))
    flipped = any(isinstance(one, Apply) and one.operation == "∓" for one in walk(tree))
    if not count and not flipped:
        return [tree]
    if count > MAX_SIGNS:
        raise LimitError(f"more than {MAX_SIGNS} signs ±")
    if flipped:
        count = 1
    return [_chosen(tree, list(signs), flipped) for signs in itertools.product((1, -1), repeat=count)]


def _chosen(tree: Tree, signs: list[int], linked: bool) -> Tree:
    if not isinstance(tree, Apply):
        return tree
    if tree.operation in ("±", "∓"):
        sign = signs[0] if linked else signs.pop(0)
        inner = _chosen(tree.arguments[0], signs, linked)
        positive = (sign > 0) == (tree.operation == "±")
        return inner if positive else Apply("neg", (inner,))
    return Apply(tree.operation, tuple(_chosen(one, signs, linked) for one in tree.arguments))
