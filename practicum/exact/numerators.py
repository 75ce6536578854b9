"""An expression as one fraction, so that equations are compared by what is above the line."""

from __future__ import annotations

from fractions import Fraction

from practicum.exact import balls
from practicum.exact.maths_trees import Apply, Number, Tree, walk

MAX_PARTS = 400
"""Most parts of a numerator."""


def numerator(tree: Tree) -> Tree | None:
    """The numerator of a sum of fractions over one denominator, None with more than MAX_PARTS parts."""
    found = _over(tree)
    return None if found is None or sum(1 for _ in walk(found[0])) > MAX_PARTS else found[0]


def _over(tree: Tree) -> tuple[Tree, Tree] | None:
    if not isinstance(tree, Apply) or tree.operation not in ("+", "neg", "*", "/", "^"):
        return tree, Number(Fraction(1))
    inner = [_over(one) for one in tree.arguments]
    known = [one for one in inner if one is not None]
    if len(known) < len(inner):
        return None
    if tree.operation == "neg":
        return Apply("neg", (known[0][0],)), known[0][1]
    if tree.operation == "*":
        return _times(known[0][0], known[1][0]), _times(known[0][1], known[1][1])
    if tree.operation == "/":
        return _times(known[0][0], known[1][1]), _times(known[0][1], known[1][0])
    if tree.operation == "^":
        exponent = balls.exact(tree.arguments[1])
        if exponent is None or exponent.denominator != 1:
            return tree, Number(Fraction(1))
        top, bottom = known[0] if exponent >= 0 else (known[0][1], known[0][0])
        power = Number(abs(exponent))
        return Apply("^", (top, power)), Apply("^", (bottom, power))
    top, bottom = known[0]
    for over, below in known[1:]:
        if below == bottom:
            top = Apply("+", (top, over))
        else:
            top = Apply("+", (_times(top, below), _times(over, bottom)))
            bottom = _times(bottom, below)
        if sum(1 for _ in walk(top)) > MAX_PARTS:
            return None
    return top, bottom


def _times(left: Tree, right: Tree) -> Tree:
    one = Number(Fraction(1))
    return right if left == one else left if right == one else Apply("*", (left, right))
