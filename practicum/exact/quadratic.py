"""Numbers (w + t sqrt(k)) / d in integers: fractions and quadratic surds, exactly and without building trees.

Most roots and most answers are such numbers. `evaluate` follows an expression as long as its values stay in
the same field Q(sqrt(k)), which square roots often do where an equation holds: sqrt(4 + 2 sqrt(3)) is
1 + sqrt(3). Elsewhere it gives up, and `reals.py` decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import gcd, isqrt
from typing import NamedTuple

from practicum.exact.expression import Absolute, Expression, Name, Negative, Number, Power, Product, Sum
from practicum.exact.reals import UndefinedError

MAX_BITS = 1000
"""Larger numbers, and powers above MAX_POWER, are left to `reals.py`."""
MAX_POWER = 8
LONGEST_SHOWN = 60
"""Bits of a number from which on a message shows a decimal."""


class Quadratic(NamedTuple):
    """The number (whole + times * sqrt(radicand)) / divisor.

    Integers, divisor > 0; the radicand is no square, or times is 0 and the fraction is in lowest terms.
    """

    whole: int
    times: int
    radicand: int
    divisor: int

    def scaled(self) -> int:
        """The value times 2**64, less than 2 from it."""
        surd = isqrt(self.times**2 * self.radicand << 128) if self.times else 0
        return ((self.whole << 64) + (surd if self.times > 0 else -surd)) // self.divisor

    def approximate(self) -> float:
        """A float near the value, for messages only."""
        return self.scaled() / (1 << 64)

    def text(self) -> str:
        """For messages: a fraction of not too many digits as it is, anything else as a decimal."""
        if self.times or max(abs(self.whole), self.divisor).bit_length() >= LONGEST_SHOWN:
            return f"about {self.approximate():.6g}"
        return str(self.whole) if self.divisor == 1 else f"{self.whole}/{self.divisor}"


def quadratic(whole: int, times: int, radicand: int, divisor: int) -> Quadratic:
    """(whole + times * sqrt(radicand)) / divisor for any integers with divisor != 0 and radicand >= 0."""
    if divisor < 0:
        whole, times, divisor = -whole, -times, -divisor
    root = isqrt(radicand)
    if not times or root * root == radicand:
        whole += times * root
        common = gcd(whole, divisor)
        return Quadratic(whole // common, 0, 0, divisor // common)
    return Quadratic(whole, times, radicand, divisor)


def equal(left: Quadratic, right: Quadratic) -> bool:
    """Whether two numbers are equal: rational parts equal, and square-root parts too (in sign and square)."""
    if not left.times or not right.times:
        return left == right
    return (
        (left.times > 0) == (right.times > 0)
        and left.whole * right.divisor == right.whole * left.divisor
        and left.times**2 * left.radicand * right.divisor**2
        == right.times**2 * right.radicand * left.divisor**2
    )


def sign_of(whole: int, times: int, radicand: int) -> int:
    """The sign of whole + times * sqrt(radicand); the radicand is no square, or `times` is 0."""
    if whole >= 0 and times >= 0:
        return int(whole > 0 or times > 0)
    if whole <= 0 and times <= 0:
        return -1
    return (1 if whole > 0 else -1) * (1 if whole * whole > times * times * radicand else -1)


def sign_at(coefficients: Sequence[int], at: Quadratic) -> int:
    """The sign of an integer polynomial, constant term first, at a number; by Horner's rule."""
    whole = times = 0
    scale = 1
    for coefficient in reversed(coefficients):
        whole, times = (
            whole * at.whole + times * at.times * at.radicand + coefficient * scale,
            whole * at.times + times * at.whole,
        )
        scale *= at.divisor
    return sign_of(whole, times, at.radicand)


def real_roots(coefficients: Sequence[int]) -> list[Quadratic]:
    """Ascending real roots of a polynomial of degree 1 or 2, constant term first, leading coefficient > 0."""
    if len(coefficients) == 2:
        return [quadratic(-coefficients[0], 0, 0, coefficients[1])]
    c, b, a = coefficients
    discriminant = b * b - 4 * a * c
    if discriminant < 0:
        return []
    if discriminant == 0:
        return [quadratic(-b, 0, 0, 2 * a)]
    return [quadratic(-b, sign, discriminant, 2 * a) for sign in (-1, 1)]


# -- evaluating --------------------------------------------------------------------------------------------

_Element = tuple[int, int, int]
"""(u, v, d) stands for (u + v sqrt(k)) / d with d > 0; k is that of the number put in."""


class _OutsideField(Exception):  # noqa: N818 - no error: another way takes over
    pass


def evaluate(expression: Expression, unknown: str | None, at: Quadratic) -> Quadratic | None:
    """The value of an expression at a number; None when a value on the way leaves its field.

    Raises UndefinedError when there is no real value.
    """
    try:
        u, v, d = _evaluate(expression, unknown, at)
    except _OutsideField:
        return None
    return quadratic(u, v, at.radicand, d)


def _evaluate(expression: Expression, unknown: str | None, at: Quadratic) -> _Element:
    if isinstance(expression, Number):
        return expression.numerator, 0, expression.denominator
    if isinstance(expression, Name):
        if expression.text != unknown:
            raise _OutsideField
        return at.whole, at.times, at.divisor
    if isinstance(expression, Negative):
        u, v, d = _evaluate(expression.inner, unknown, at)
        return -u, -v, d
    if isinstance(expression, Sum):
        u, v, d = _evaluate(expression.terms[0], unknown, at)
        for term in expression.terms[1:]:
            u2, v2, d2 = _evaluate(term, unknown, at)
            u, v, d = (u + u2, v + v2, d) if d == d2 else (u * d2 + u2 * d, v * d2 + v2 * d, d * d2)
        return u, v, d
    if isinstance(expression, Product):
        return _product(expression, unknown, at)
    if isinstance(expression, Power):
        return _power(expression, unknown, at)
    if isinstance(expression, Absolute):
        u, v, d = _evaluate(expression.inner, unknown, at)
        return (u, v, d) if sign_of(u, v, at.radicand) >= 0 else (-u, -v, d)
    raise _OutsideField


def _times(left: _Element, right: _Element, radicand: int) -> _Element:
    (u, v, d), (u2, v2, d2) = left, right
    if u.bit_length() + v.bit_length() + d.bit_length() > MAX_BITS:
        raise _OutsideField
    return u * u2 + v * v2 * radicand, u * v2 + v * u2, d * d2


def _inverse(value: _Element, radicand: int) -> _Element:
    """1 / ((u + v sqrt(k)) / d) is d (u - v sqrt(k)) / (u^2 - k v^2)."""
    u, v, d = value
    norm = u * u - radicand * v * v
    if norm == 0:
        raise UndefinedError("a denominator is zero")
    return (d * u, -d * v, norm) if norm > 0 else (-d * u, d * v, -norm)


def _product(expression: Product, unknown: str | None, at: Quadratic) -> _Element:
    result = _evaluate(expression.factors[0], unknown, at)
    for factor in expression.factors[1:]:
        result = _times(result, _evaluate(factor, unknown, at), at.radicand)
    for divisor in expression.divisors:
        inverse = _inverse(_evaluate(divisor, unknown, at), at.radicand)
        result = _times(result, inverse, at.radicand)
    return result


def _power(expression: Power, unknown: str | None, at: Quadratic) -> _Element:
    base = _evaluate(expression.base, unknown, at)
    if expression.denominator == 2:
        base = _square_root(base, at.radicand)
    elif expression.denominator != 1:
        raise _OutsideField
    if not 1 <= expression.numerator <= MAX_POWER:
        raise _OutsideField
    result = base
    for _ in range(expression.numerator - 1):
        result = _times(result, base, at.radicand)
    return result


def _square_root(value: _Element, radicand: int) -> _Element:
    """The root p + q sqrt(k) of U + V sqrt(k) has p^2 + k q^2 = U, 2 p q = V, so U^2 - k V^2 is a square n^2
    and p^2 is (U + n)/2 or (U - n)/2.
    """
    u, v, d = value
    if max(u.bit_length(), v.bit_length(), d.bit_length()) > MAX_BITS:
        raise _OutsideField
    if sign_of(u, v, radicand) < 0:
        raise UndefinedError("an even root of a negative number is not real")
    u, v = u * d, v * d
    norm = u * u - radicand * v * v
    if norm < 0 or isqrt(norm) ** 2 != norm:
        raise _OutsideField
    for twice in (u + isqrt(norm), u - isqrt(norm)):
        double = isqrt(2 * twice) if twice >= 0 else 0
        if double * double != 2 * twice:
            continue
        if double:
            sign = sign_of(double * double, 2 * v, radicand)
            return sign * double * double, sign * 2 * v, 2 * double * d
        if not v and (radicand or not u):  # p is 0, so q^2 = U / k
            root = isqrt(u * radicand)
            if root * root == u * radicand:
                return 0, root, max(radicand, 1) * d
    raise _OutsideField
