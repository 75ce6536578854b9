"""Between which numbers the value of an expression lies: most candidates fail by far, and this proves it.

A value is a fraction, exact, for as long as nothing irrational takes part, and else an interval whose ends
are integers over 2**64. Every operation on intervals rounds the low end down and the high end up in integer
arithmetic, so the true value never leaves them; no floating-point number takes part in a decision. What the
interval cannot decide raises UndecidedError, and `reals.py` decides it exactly.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import isqrt
from typing import NamedTuple, TypeAlias

from flint import fmpq

from practicum.exact.expression import (
    Absolute,
    Equation,
    Expression,
    Name,
    Negative,
    Number,
    Power,
    Product,
    Sum,
)
from practicum.exact.quadratic import Quadratic
from practicum.exact.reals import UndefinedError, show
from practicum.exact.verdict import even_root, zero_denominator

BITS = 64
MAX_BITS = 1000
"""Larger fractions and ends of intervals are left to `reals.py`, and so are powers above MAX_POWER."""
MAX_POWER = 8
SHOWN_MARGIN = 1 << 20
"""How far the ends of an interval are moved out, in units of 2**-64, before a decimal of it is trusted."""


class UndecidedError(ArithmeticError):
    """The interval does not tell whether the expression is defined, or the expression is of another kind."""


class Interval(NamedTuple):
    """low / 2**64 <= value <= high / 2**64."""

    low: int
    high: int


Bound: TypeAlias = "fmpq | Interval"


def sides(equation: Equation, unknown: str, at: Quadratic) -> tuple[str, str] | str | None:
    """Both sides at a number as messages show them, or why one has no value; None where bounds do not tell.

    The words are those of `reals.evaluate`, which goes through an expression in the same order.
    """
    try:
        left, right = (bound(side, unknown, at) for side in (equation.left, equation.right))
        return _text(left), _text(right)
    except UndefinedError as error:
        return str(error)
    except UndecidedError:
        return None


def bound(expression: Expression, unknown: str | None, at: Quadratic) -> Bound:
    """The value of an expression at a number: a fraction or an interval.

    It is a fraction where `reals.evaluate` gives one. Raises UndefinedError when there is certainly no real
    value, and UndecidedError.
    """
    if not at.times:
        return _bound(expression, unknown, fmpq(at.whole, at.divisor))
    # `scaled` is less than 2 from the value.
    near = at.scaled()
    return _bound(expression, unknown, Interval(near - 2, near + 2))


def differ(left: Bound, right: Bound) -> bool:
    """Whether two values certainly differ."""
    if isinstance(left, Interval) or isinstance(right, Interval):
        one, other = _interval(left), _interval(right)
        return one.high < other.low or other.high < one.low
    return bool(left != right)


def _text(value: Bound) -> str:
    """A value for messages; raises UndecidedError where six digits of it are not certain."""
    if not isinstance(value, Interval):
        return Quadratic(int(value.p), 0, 0, int(value.q)).text()
    if max(-value.low, value.high).bit_length() > MAX_BITS:
        raise UndecidedError
    text = f"{(value.low - SHOWN_MARGIN) / (1 << BITS):.6g}"
    if text != f"{(value.high + SHOWN_MARGIN) / (1 << BITS):.6g}":
        raise UndecidedError
    return f"about {text}"


def _bound(expression: Expression, unknown: str | None, at: Bound) -> Bound:
    if isinstance(expression, Number):
        return fmpq(expression.numerator, expression.denominator)
    if isinstance(expression, Name):
        if expression.text != unknown:
            raise UndecidedError
        return at
    if isinstance(expression, Negative):
        return _negative(_bound(expression.inner, unknown, at))
    if isinstance(expression, Sum):
        return _sum(_bound(term, unknown, at) for term in expression.terms)
    if isinstance(expression, Product):
        result = _product(_bound(factor, unknown, at) for factor in expression.factors)
        for divisor in expression.divisors:
            value = _bound(divisor, unknown, at)
            if not isinstance(value, Interval) and not value:
                raise UndefinedError(zero_denominator(show(divisor)))
            result = _quotient(result, value)
        return result
    if isinstance(expression, Power):
        return _power(expression, _bound(expression.base, unknown, at))
    if isinstance(expression, Absolute):
        value = _bound(expression.inner, unknown, at)
        if not isinstance(value, Interval):
            return abs(value)
        return Interval(max(0, value.low, -value.high), max(-value.low, value.high))
    raise UndecidedError


def _interval(value: Bound) -> Interval:
    """The interval itself, or the narrowest one around a fraction."""
    if isinstance(value, Interval):
        return value
    scaled, divisor = int(value.p) << BITS, int(value.q)
    return Interval(scaled // divisor, -(-scaled // divisor))


def _negative(value: Bound) -> Bound:
    return Interval(-value.high, -value.low) if isinstance(value, Interval) else -value


def _sum(values: Iterable[Bound]) -> Bound:
    low = high = 0
    constant = fmpq(0)
    is_constant = True
    for value in values:
        if isinstance(value, Interval):
            low, high, is_constant = low + value.low, high + value.high, False
        else:
            constant += value
    if is_constant:
        return constant
    fraction = _interval(constant)
    return Interval(low + fraction.low, high + fraction.high)


def _product(values: Iterable[Bound]) -> Bound:
    constant = fmpq(1)
    result: Interval | None = None
    for value in values:
        if not isinstance(value, Interval):
            constant *= value
        else:
            result = value if result is None else _times(result, value)
    if not constant or result is None:
        return constant
    return result if constant == 1 else _scaled(result, int(constant.p), int(constant.q))


def _times(left: Interval, right: Interval) -> Interval:
    if left.high.bit_length() + right.high.bit_length() > MAX_BITS:
        raise UndecidedError
    products = (left.low * right.low, left.low * right.high, left.high * right.low, left.high * right.high)
    return Interval(min(products) >> BITS, -(-max(products) >> BITS))


def _scaled(value: Interval, numerator: int, denominator: int) -> Interval:
    """The interval times a fraction with a positive denominator."""
    ends = value.low * numerator, value.high * numerator
    return Interval(min(ends) // denominator, -(-max(ends) // denominator))


def _quotient(value: Bound, divisor: Bound) -> Bound:
    if not isinstance(divisor, Interval):
        return _product((value, 1 / divisor))
    if divisor.low <= 0 <= divisor.high:
        raise UndecidedError
    over = _interval(value)
    if divisor.high < 0:
        over, divisor = Interval(-over.high, -over.low), Interval(-divisor.high, -divisor.low)
    low = (over.low << BITS) // (divisor.high if over.low >= 0 else divisor.low)
    high = -((-over.high << BITS) // (divisor.low if over.high >= 0 else divisor.high))
    return Interval(low, high)


def _power(expression: Power, base: Bound) -> Bound:
    if expression.denominator == 2:
        if (base.high if isinstance(base, Interval) else base) < 0:
            raise UndefinedError(even_root(show(expression.base)))
        base = _square_root(base)
    elif expression.denominator != 1:
        raise UndecidedError
    if not 1 <= expression.numerator <= MAX_POWER:
        raise UndecidedError
    if not isinstance(base, Interval):
        if (base.p.bit_length() + base.q.bit_length()) * expression.numerator > MAX_BITS:
            raise UndecidedError
        return base**expression.numerator
    result = base
    for _ in range(expression.numerator - 1):
        result = _times(result, base)
    return result


def _square_root(value: Bound) -> Bound:
    """The root of what is not certainly negative."""
    if isinstance(value, Interval):
        if value.low < 0:
            raise UndecidedError
        return Interval(isqrt(value.low << BITS), isqrt(value.high << BITS) + 1)
    # The fraction is in lowest terms, so it is a square only where both of its parts are.
    over, under = int(value.p), int(value.q)
    top, bottom = isqrt(over), isqrt(under)
    if top * top == over and bottom * bottom == under:
        return fmpq(top, bottom)
    near = isqrt((over << 2 * BITS) // under)
    return Interval(near, near + 1)
