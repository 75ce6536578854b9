"""Arithmetic in columns, one digit at a time: sums, differences, products with one digit, long division.

Behind a colon stand the columns from the units on, two digits each: what is carried (in a difference:
borrowed) and the digit that stays. `791*30:032723=23730` multiplies 1, 9 and 7 by 3. So every digit written
follows from few digits before it, and numbers of any length need no new skill.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd

PRIMES = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97)


def _digits(number: int, count: int) -> list[int]:
    """The digits of a number that is not negative, units first, filled up with zeros."""
    return [number // 10**place % 10 for place in range(count)]


def sum_columns(first: int, second: int) -> str:
    """`58+67:1512=125`; `first` >= `second` >= 0."""
    carry, columns = 0, ""
    count = len(str(first))
    for one, other in zip(_digits(first, count), _digits(second, count), strict=True):
        total = one + other + carry
        carry = total // 10
        columns += f"{carry}{total % 10}"
    return f"{first}+{second}:{columns}={first + second}"


def difference_columns(first: int, second: int) -> str:
    """`4741-41:00000704=4700`; `first` >= `second` >= 0."""
    borrowed, columns = 0, ""
    count = len(str(first))
    for one, other in zip(_digits(first, count), _digits(second, count), strict=True):
        left = one - other - borrowed
        borrowed = int(left < 0)
        columns += f"{borrowed}{left % 10}"
    return f"{first}-{second}:{columns}={first - second}"


def product_columns(number: int, times: int, place: int = 1) -> str:
    """`791*30:032723=23730` for 791, 3 and 10; `number` > 0, `times` from 1 to 9, `place` a power of ten."""
    carry, columns = 0, ""
    for digit in _digits(number, len(str(number))):
        total = digit * times + carry
        carry = total // 10
        columns += f"{total:02d}"
    return f"{number}*{times * place}:{columns}={number * times * place}"


def signed_columns(first: int, second: int) -> str:
    """The sum of two numbers of any sign, the larger first: 14997, -26049 -> `-(26049-14997):...=-11052`."""
    large, small = sorted((first, second), key=abs, reverse=True)
    same = (large < 0) == (small < 0) or small == 0
    text = (sum_columns if same else difference_columns)(abs(large), abs(small))
    if first + second >= 0:
        return text
    sides, _, rest = text.partition(":")
    columns, _, result = rest.partition("=")
    return f"-({sides}):{columns}=-{result}"


@dataclass(frozen=True)
class Trial:
    """One step of a long division: `times` * `place` is taken from the quotient. times: 1 to 9."""

    times: int
    place: int


def best_trial(rest: int, divisor: int) -> Trial:
    """The largest step that fits; `rest` >= `divisor` > 0."""
    place = 1
    while divisor * place * 10 <= rest:
        place *= 10
    return Trial(rest // (divisor * place), place)


def reduced_text(top: int, bottom: int, sign: str = "") -> str:
    """A fraction reduced prime by prime: `72/48=36/24=18/12=9/6=3/2`. Both are positive."""
    parts = [f"{sign}{top}/{bottom}"]
    for prime in PRIMES:
        while top % prime == bottom % prime == 0:
            top, bottom = top // prime, bottom // prime
            parts.append(f"{sign}{top}/{bottom}")
    common = gcd(top, bottom)
    if common > 1:
        top, bottom = top // common, bottom // common
        parts.append(f"{sign}{top}/{bottom}")
    return "=".join(parts if bottom != 1 else [*parts[:-1], f"{sign}{top}"])
