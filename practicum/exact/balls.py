"""Values of elementary expressions as complex balls: numbers that enclose the true value, at any precision.

Two values whose balls do not touch differ; that is proved. Two values are called equal when their balls touch
at a precision beyond what the text can spell, so that no approximation that fits into an answer is taken for
the number itself. python-flint's precision belongs to the process, so every evaluation holds one lock.
Sources: Johansson 2017, Arb (1611.02831).
"""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Mapping
from fractions import Fraction
from typing import Any, TypeAlias

from flint import acb, arb, ctx, fmpq

from practicum.exact.expression import LimitError
from practicum.exact.maths_trees import LOG_BASE, Apply, Number, Symbol, Tree

Ball: TypeAlias = Any
"""flint.acb (python-flint ships no types)."""
Point: TypeAlias = Mapping[str, Fraction]

FIRST_BITS = 192
MOST_BITS = 12_000
"""Bits of precision to tell two numbers apart; what needs more is over the limit."""
MAX_CONSTANT_BITS = 20_000
"""Bits of a rational number that is kept exactly."""
_LOCK = threading.Lock()


def _new_lock() -> None:
    global _LOCK  # a child of fork() cannot know whether its parent held it
    _LOCK = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_new_lock)


class NoValueError(ArithmeticError):
    """The expression has no value here: a division by zero, the logarithm of zero, a word."""


def exact(tree: Tree, point: Point | None = None) -> Fraction | None:
    """The value of a tree of rational numbers, None where it is none or is too long to be kept.

    Raises NoValueError for a division by zero.
    """
    if isinstance(tree, Number):
        return tree.value
    if isinstance(tree, Symbol):
        return None if point is None else point.get(tree.name)
    if not isinstance(tree, Apply) or tree.operation not in _EXACT:
        return None
    values = [exact(one, point) for one in tree.arguments]
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return None
    if sum(_bits(value) for value in known) > MAX_CONSTANT_BITS:
        return None
    return _exact_value(tree.operation, known)


_EXACT = frozenset(
    ("+", "*", "/", "neg", "^", "!", "abs", "binom", "%", "floor", "ceil", "gcd", "lcm", "min", "max", "mod")
)


def _bits(value: Fraction) -> int:
    return value.numerator.bit_length() + value.denominator.bit_length()


def _exact_value(operation: str, values: list[Fraction]) -> Fraction | None:
    first = values[0]
    if operation == "+":
        return sum(values, Fraction(0))
    if operation == "*":
        return first * values[1]
    if operation in ("/", "mod"):
        if not values[1]:
            raise NoValueError("it divides by zero")
        return first / values[1] if operation == "/" else first % values[1]
    if operation == "^":
        return _exact_power(first, values[1])
    if operation in ("neg", "abs"):
        return -first if operation == "neg" else abs(first)
    if operation == "%":
        return first / 100
    if operation in ("floor", "ceil"):
        return Fraction(math.floor(first) if operation == "floor" else math.ceil(first))
    if operation in ("min", "max"):
        return min(values) if operation == "min" else max(values)
    whole = [int(value) for value in values]
    if any(value.denominator != 1 for value in values):
        return None
    if operation in ("gcd", "lcm"):
        return Fraction(math.gcd(*whole) if operation == "gcd" else math.lcm(*whole))
    if min(whole) < 0 or max(whole) > 1500:
        return None
    return Fraction(math.factorial(whole[0]) if operation == "!" else math.comb(whole[0], whole[1]))


def _exact_power(base: Fraction, exponent: Fraction) -> Fraction | None:
    if exponent.denominator != 1 or _bits(base) * min(abs(int(exponent)), 10**9) > 2 * MAX_CONSTANT_BITS:
        if base in (0, 1) and exponent > 0:
            return base
        return None
    if not base and exponent <= 0:
        raise NoValueError("zero to the power of zero or less")
    return Fraction(base ** int(exponent))


class _Evaluation:
    """One evaluation at one point; `size` is how many bits its numbers are long or far from one."""

    def __init__(self, point: Point, common_log: bool) -> None:
        self.point, self.common_log, self.size = point, common_log, 0

    def value(self, tree: Tree) -> Ball:
        rational = exact(tree, self.point)
        if rational is not None:
            self.size += _bits(rational)
            return acb(fmpq(rational.numerator, rational.denominator))
        if isinstance(tree, Symbol):
            return self._symbol(tree.name)
        if not isinstance(tree, Apply):
            raise NoValueError("it is no number")
        found = self._apply(tree.operation, [self.value(one) for one in tree.arguments])
        if not found.is_finite():
            raise NoValueError("it has no value, or none within the limits")
        self.size += _magnitude(found)
        return found

    def _symbol(self, name: str) -> Ball:
        if name == "pi":
            return acb.pi()
        if name == "e":
            return acb(1).exp()
        if name == "i":
            return acb(0, 1)
        if name == LOG_BASE:
            return acb(10) if self.common_log else acb(1).exp()
        raise NoValueError(f"{name} is no number")

    def _apply(self, operation: str, values: list[Ball]) -> Ball:
        first = values[0]
        if operation == "+":
            return sum(values[1:], first)
        if operation == "*":
            return first * values[1]
        if operation == "/":
            return _quotient(first, values[1])
        if operation == "neg":
            return -first
        if operation == "%":
            return first / 100
        if operation == "°":
            return first * acb.pi() / 180
        if operation == "^":
            return _power(first, values[1])
        if operation == "root":
            return _root(first, values[1])
        if operation == "log":
            return _quotient(_logarithm(first), _logarithm(values[1]))
        if operation == "ln":
            return _logarithm(first)
        if operation in ("!", "binom"):
            return _factorial(operation, values)
        if operation in _PLAIN:
            return getattr(first, _PLAIN[operation])()
        if operation == "acot":
            return _quotient(acb(1), first).atan()
        if operation in ("floor", "ceil", "sgn", "min", "max") and _is_real(first):
            return _stepwise(operation, values)
        if operation in ("Re", "Im"):
            return acb(first.real if operation == "Re" else first.imag)
        raise NoValueError(f"{operation} is not evaluated")


_PLAIN = {
    "sin": "sin", "cos": "cos", "tan": "tan", "cot": "cot", "sec": "sec", "csc": "csc", "asin": "asin",
    "acos": "acos",
    "atan": "atan", "sinh": "sinh", "cosh": "cosh", "tanh": "tanh", "coth": "coth", "asinh": "asinh",
    "acosh": "acosh",
    "atanh": "atanh", "exp": "exp", "abs": "real_abs",
}  # fmt: skip


def _is_real(value: Ball) -> bool:
    return bool(value.imag.contains(0)) and float(value.imag.rad()) < 1e-30


def _magnitude(value: Ball) -> int:
    """The bits between the size of a value and one."""
    if value.contains(0):
        return 0
    top = value.abs_upper()
    log = float(top.log()) / math.log(2)
    return int(abs(log)) + 1 if math.isfinite(log) else MOST_BITS


def _quotient(over: Ball, below: Ball) -> Ball:
    if below.contains(0):
        raise NoValueError("it divides by zero")
    return over / below


def _logarithm(value: Ball) -> Ball:
    if value.contains(0):
        raise NoValueError("the logarithm of zero")
    return acb(value.real.log()) if value.imag == 0 and value.real > 0 else value.log()


def _power(base: Ball, exponent: Ball) -> Ball:
    if _magnitude(exponent) > 40 and abs(exponent).mid() > 1:
        raise LimitError("a power is over the limit")
    if base.contains(0):
        if base == 0 and exponent.real > 0:
            return acb(0)
        whole = exponent.unique_fmpz()
        if whole is None or not 0 < int(whole) < 10_000:
            raise NoValueError("a power of zero")
        return base ** int(whole)
    return base**exponent


def _root(radicand: Ball, index: Ball) -> Ball:
    """The real root where there is one, else the principal one."""
    whole = index.unique_fmpz()
    if whole is None or not 1 < int(whole) < 1000:
        return _power(radicand, _quotient(acb(1), index))
    number = int(whole)
    if radicand == 0:
        return acb(0)
    if radicand.imag == 0 and radicand.real >= 0:
        return acb(radicand.real.root(number))
    if radicand.imag == 0 and radicand.real < 0 and number % 2:
        return -acb((-radicand.real).root(number))
    return radicand.root(number)


def _factorial(operation: str, values: list[Ball]) -> Ball:
    if any(_magnitude(value) > 14 for value in values):
        raise LimitError("a factorial over the limit")
    top = values[0]
    if top.real < 0 and operation == "!":
        raise NoValueError("the factorial of a negative number")
    if operation == "!":
        return (top + 1).gamma()
    return (top + 1).gamma() * (values[1] + 1).rgamma() * (top - values[1] + 1).rgamma()


def _stepwise(operation: str, values: list[Ball]) -> Ball:
    reals = [value.real for value in values]
    if operation in ("min", "max"):
        found = reals[0]
        for value in reals[1:]:
            found = found.min(value) if operation == "min" else found.max(value)
        return acb(found)
    if operation == "sgn":
        if reals[0].contains(0) and reals[0] != 0:
            raise NoValueError("a sign that is not known")
        return acb(reals[0].sgn())
    step = reals[0].floor() if operation == "floor" else reals[0].ceil()
    if step.rad() > 0:
        raise NoValueError("a step that is not known")
    return acb(step)


def evaluated(tree: Tree, point: Point, bits: int, common_log: bool) -> tuple[Ball, int]:
    """The ball of a tree at a point and the bits that its numbers need. Raises NoValueError, LimitError."""
    with _LOCK:
        kept = ctx.prec
        ctx.prec = bits
        try:
            evaluation = _Evaluation(point, common_log)
            return evaluation.value(tree), evaluation.size
        finally:
            ctx.prec = kept


def differ(left: Tree, right: Tree, point: Point, common_log: bool = False) -> bool | None:
    """Whether two trees have different values at a point; None where only one is real there, so that the
    point says nothing. Raises NoValueError where one has no value, LimitError where it takes too long.
    """
    first, second = exact(left, point), exact(right, point)
    if first is not None and second is not None:
        return first != second
    bits, size = FIRST_BITS, 0
    needed = 96 + 4 * (_length(left) + _length(right))
    while True:
        one, size_one = evaluated(left, point, bits, common_log)
        other, size_other = evaluated(right, point, bits, common_log)
        size = max(size, needed + size_one + size_other)
        if bits == FIRST_BITS and _is_real(one) != _is_real(other):
            return None
        if not one.overlaps(other):
            return True
        if bits >= size:
            with _LOCK:
                ctx.prec = bits
                distance = abs(one - other).abs_upper() if isinstance(one, arb) else (one - other).abs_upper()
                ctx.prec = 53
                close = distance == 0 or distance < arb(2) ** (-bits // 3)
            if not close:
                raise LimitError("two numbers that are too close to be told apart")
            return False
        if size > MOST_BITS:
            raise LimitError("two numbers that are too close to be told apart")
        bits = min(MOST_BITS, max(size, 2 * bits))


def is_real_at(tree: Tree, point: Point, common_log: bool = False) -> bool:
    """Whether a tree's value at a point is a real number."""
    return _is_real(evaluated(tree, point, FIRST_BITS, common_log)[0])


def order(left: Tree, right: Tree) -> int:
    """-1, 0 or 1: how two real constants compare. Raises NoValueError for others."""
    if left == right:
        return 0
    for infinite, sign in ((left, 1), (right, -1)):
        if infinite == Symbol("∞"):
            return sign
        if infinite == Apply("neg", (Symbol("∞"),)):
            return -sign
    if not differ(left, right, {}):
        return 0
    for bits in (FIRST_BITS, MOST_BITS):
        one, other = (evaluated(tree, {}, bits, False)[0] for tree in (left, right))
        if not _is_real(one) or not _is_real(other):
            raise NoValueError("a complex number has no order")
        if one.real < other.real:
            return -1
        if one.real > other.real:
            return 1
    raise LimitError("two numbers that are too close to be told apart")


def _length(tree: Tree) -> int:
    """About how many characters a tree takes."""
    waiting, length = [tree], 0
    while waiting:
        one = waiting.pop()
        length += 2
        if isinstance(one, Number):
            length += _bits(one.value) // 4
        elif isinstance(one, Apply):
            waiting += one.arguments
    return length
