"""How numbers, polynomials and surds are written in prompts, solutions and the textbook: without spaces.

Problems, worked solutions and textbook share these few functions, so that the model meets one notation only.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import gcd, isqrt, sqrt
from typing import TypeAlias


@dataclass(frozen=True)
class Surd:
    """The irrational number (whole + times * sqrt(radicand)) / divisor, in lowest terms.

    `radicand` > 1 is square-free, `times` is not 0, `divisor` > 0. `surd()` builds one from any integers.
    """

    whole: int
    times: int
    radicand: int
    divisor: int

    def __float__(self) -> float:
        return (self.whole + self.times * sqrt(self.radicand)) / self.divisor

    @property
    def text(self) -> str:
        """For example `2-sqrt(3)`, `(1+2sqrt(5))/3`, `-sqrt(2)/2`."""
        sign = "-" if self.times < 0 else "+"
        return _surd_text(self.whole, sign, abs(self.times), self.radicand, self.divisor)

    @property
    def pair_text(self) -> str:
        """This number and its conjugate at once: `2+-sqrt(3)`, `(1+-2sqrt(5))/3`, `+-sqrt(2)/2`."""
        return _surd_text(self.whole, "+-", abs(self.times), self.radicand, self.divisor)


Number: TypeAlias = Fraction | Surd


def _surd_text(whole: int, sign: str, times: int, radicand: int, divisor: int) -> str:
    root = f"{'' if times == 1 else times}sqrt({radicand})"
    if whole == 0:
        return f"{'' if sign == '+' else sign}{root}" + (f"/{divisor}" if divisor != 1 else "")
    body = f"{whole}{sign}{root}"
    return body if divisor == 1 else f"({body})/{divisor}"


@lru_cache(maxsize=65536)
def simplify_root(number: int) -> tuple[int, int]:
    """Write sqrt(number) as k*sqrt(m) with m square-free: 20 -> (2, 5), 49 -> (7, 1). `number` >= 0."""
    if number == 0:
        return 0, 1
    times, rest = 1, number
    for factor in range(2, isqrt(number) + 1):
        while rest % (factor * factor) == 0:
            rest //= factor * factor
            times *= factor
    return times, rest


def surd(whole: int, times: int, radicand: int, divisor: int) -> Number:
    """(whole + times * sqrt(radicand)) / divisor in lowest terms; a Fraction where the root comes out."""
    outside, inside = simplify_root(radicand)
    times *= outside
    if inside == 1 or times == 0:
        return Fraction(whole + (times if inside == 1 else 0), divisor)
    common = gcd(whole, times, divisor) * (1 if divisor > 0 else -1)
    return Surd(whole // common, times // common, inside, divisor // common)


def quadratic_roots(a: int, b: int, c: int) -> tuple[Number, ...]:
    """Distinct real roots of ax^2+bx+c, ascending. `a` is not 0."""
    discriminant = b * b - 4 * a * c
    if discriminant < 0:
        return ()
    if discriminant == 0:
        return (Fraction(-b, 2 * a),)
    sign = 1 if a > 0 else -1
    return surd(-b, -sign, discriminant, 2 * a), surd(-b, sign, discriminant, 2 * a)


def number_text(number: Number | int) -> str:
    """`3`, `-2/5` or a surd."""
    return number.text if isinstance(number, Surd) else str(number)


def solutions_text(numbers: Iterable[Number]) -> str:
    """An answer as people write it: `1, 4`, `2+-sqrt(3)` or `no real solutions`."""
    numbers = tuple(numbers)
    if not numbers:
        return "no real solutions"
    first = numbers[0]
    if len(numbers) == 2 and isinstance(first, Surd):
        return first.pair_text
    return ", ".join(number_text(number) for number in numbers)


def sum_of(terms: Iterable[tuple[Fraction | int, str]]) -> str:
    """Signed terms joined: [(3, 'y'), (-3, ''), (-1, 'y')] -> `3y-3-y`; zero terms vanish, no terms give `0`.

    A fraction times a letter is written `5x/2`.
    """
    text = ""
    for factor, letter in terms:
        if factor == 0:
            continue
        sign = "-" if factor < 0 else ("+" if text else "")
        top, bottom = abs(factor.numerator), factor.denominator
        head = str(top) if top != 1 or not letter else ""
        text += f"{sign}{head}{letter}" + (f"/{bottom}" if bottom != 1 else "")
    return text or "0"


def polynomial(coefficients: Iterable[Fraction | int], letter: str) -> str:
    """Coefficients from the highest power down: (1, -2, 3) -> `y^2-2y+3`."""
    coefficients = tuple(coefficients)
    top = len(coefficients) - 1
    powers = [letter + f"^{top - i}" if top - i > 1 else letter * (top - i) for i in range(top + 1)]
    return sum_of(zip(coefficients, powers, strict=True))


def signed(number: Fraction | int) -> str:
    """A number as the right operand of a product: negative ones and fractions in brackets."""
    return f"({number})" if number < 0 or number.denominator != 1 else str(number)


def primitive(coefficients: Iterable[Fraction | int]) -> tuple[int, ...]:
    """The same polynomial up to a factor, with coprime integer coefficients and a positive leading one."""
    values = tuple(coefficients)
    scale = 1
    for value in values:
        scale = scale * value.denominator // gcd(scale, value.denominator)
    integers = [int(value * scale) for value in values]
    common = gcd(*integers) or 1
    leading = next((value for value in integers if value), 1)
    if leading < 0:
        common = -common
    return tuple(value // common for value in integers)
