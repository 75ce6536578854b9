"""Arithmetic in columns, one digit at a time: sums, differences, products with one digit, long division.

Behind a colon stand the columns from the units on: the letter of the place, what is carried (in a
difference: borrowed) and the digit that stays. `c7b9a1*30:a03b27c23=23730` multiplies 1, 9 and 7 by 3. So
every digit written follows from few digits before it, and numbers of any length need no new skill. Without
letters for the places a small model does not find the digits that belong together (Zhou et al., "What
algorithms can transformers learn?", 2310.16028, call them index hints).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd

PLACES = "abcdefghijklmnop"
PRIMES = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97)


def _digits(number: int, count: int) -> list[int]:
    """The digits of a number that is not negative, units first, filled up with zeros."""
    return [number // 10**place % 10 for place in range(count)]


def placed(number: int) -> str:
    """A number with a letter before each digit: 791 -> `c7b9a1`."""
    digits = str(number)
    return "".join(PLACES[len(digits) - 1 - index] + digit for index, digit in enumerate(digits))


def sum_columns(first: int, second: int) -> str:
    """`b6a7+b5a8:a15b12=125`; `first` >= `second` >= 0."""
    carry, columns = 0, ""
    count = len(str(first))
    for place, one, other in zip(PLACES, _digits(first, count), _digits(second, count), strict=False):
        total = one + other + carry
        carry = total // 10
        columns += f"{place}{carry}{total % 10}"
    return f"{placed(first)}+{placed(second)}:{columns}={first + second}"


def difference_columns(first: int, second: int) -> str:
    """`d4c7b4a1-b4a1:a00b00c07d04=4700`; `first` >= `second` >= 0."""
    borrowed, columns = 0, ""
    count = len(str(first))
    for place, one, other in zip(PLACES, _digits(first, count), _digits(second, count), strict=False):
        left = one - other - borrowed
        borrowed = int(left < 0)
        columns += f"{place}{borrowed}{left % 10}"
    return f"{placed(first)}-{placed(second)}:{columns}={first - second}"


def product_columns(number: int, times: int, place: int = 1) -> str:
    """`c7b9a1*30:a03b27c23=23730` for 791, 3 and 10; `times` from 1 to 9, `place` a power of ten."""
    carry, columns = 0, ""
    for letter, digit in zip(PLACES, _digits(number, len(str(number))), strict=False):
        total = digit * times + carry
        carry = total // 10
        columns += f"{letter}{total:02d}"
    return f"{placed(number)}*{times * place}:{columns}={number * times * place}"


def signed_columns(first: int, second: int) -> str:
    """The sum of two numbers of any sign, the larger first: 97, -49 -> `b9a7-b4a9:a18b04=48`."""
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
