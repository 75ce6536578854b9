"""Arithmetic with long numbers in columns, written so that a small model can follow it.

Every digit has an index hint before it, the letter of its place: a for the units, b for the tens, and so on,
so 4931 is `d4c9b3a1`. A sum, difference or product goes from the units up, one column a place: the letter,
the digits that meet there, the digit that comes out, and what is carried or borrowed. So each step is either
looking up one digit by its letter or working with digits that stand side by side. Hints are single letters
beside digits, so each is one token.

Hints make columns learnable: Zhou et al. 2023, "What algorithms can transformers learn?" (2310.16028).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from fractions import Fraction
from math import gcd
from random import Random

PLACES = "abcdefghijkl"
"""Letters of the places, units first: no number in a solution has more digits."""
WRONG_GUESS = 0.15
"""Share of a quotient's digits that are first guessed wrong by one, found out, and mended."""

Lines = list[str]


def hinted(number: int) -> str:
    """A number (0 or more) with the letter of its place before each digit, highest first."""
    digits = str(number)
    return "".join(PLACES[len(digits) - 1 - i] + digit for i, digit in enumerate(digits))


def read_text(text: str) -> str:
    """A text with every number's digits counted from the front: 4931x=-20 becomes `a4b9c3d1x=-a2b0`.

    The last letter of a number tells how long it is, which a place needs and a first reading does not know.
    """
    return re.sub(r"\d+", lambda found: "".join(PLACES[i] + digit for i, digit in enumerate(found[0])), text)


def signed_hinted(number: int) -> str:
    """The number with its sign, also where it is not negative."""
    return ("-" if number < 0 else "+") + hinted(abs(number))


def _digit(number: int, place: int) -> int:
    return int(number // 10**place % 10)


def sign_line(top: int, bottom: int) -> str:
    """The sign of top/bottom, worked out before the division: `sign: -/+=-`; neither number is 0."""
    one, other = ("-" if number < 0 else "+" for number in (top, bottom))
    return f"sign: {one}/{other}={'+' if one == other else '-'}"


def sum_columns(first: int, second: int) -> str:
    """first+second, both 0 or more; a last carry has a column of its own."""
    text, carry = "", 0
    for place in range(max(len(str(first)), len(str(second)))):
        one, other = _digit(first, place), _digit(second, place)
        carry, digit = divmod(one + other + carry, 10)
        text += f"{PLACES[place]}{one}{other}{digit}{carry}"
    return text + (f"{PLACES[place + 1]}1" if carry else "")


def difference_columns(first: int, second: int) -> str:
    """first-second, both 0 or more; the last column borrows 1 just where the second is larger."""
    text, borrow = "", 0
    for place in range(max(len(str(first)), len(str(second)))):
        one, other = _digit(first, place), _digit(second, place)
        value = one - other - borrow
        borrow = int(value < 0)
        text += f"{PLACES[place]}{one}{other}{value % 10}{borrow}"
    return text


def product_columns(number: int, digit: int) -> str:
    """number*digit, the number 0 or more; a last carry has a column of its own."""
    text, carry = "", 0
    for place in range(len(str(number))):
        own = _digit(number, place)
        carry, unit = divmod(own * digit + carry, 10)
        text += f"{PLACES[place]}{own}{unit}{carry}"
    return text + (f"{PLACES[place + 1]}{carry}" if carry else "")


def sum_lines(word: str, terms: Sequence[int]) -> tuple[Lines, int]:
    """Signed numbers added up two at a time; (lines, sum).

    Each line `word: ` has a pair. Below it stands how: `plus` for equal signs, else `minus`, or `back` where
    the second number is the larger one and the first is taken from it.
    """
    lines: Lines = []
    total = terms[0]
    if len(terms) == 1:
        return [f"{word}: {signed_hinted(total)}"], total
    for term in terms[1:]:
        lines.append(f"{word}: {signed_hinted(total)}{signed_hinted(term)}")
        first, second, before = abs(total), abs(term), total
        total += term
        if (before < 0) == (term < 0):
            columns = f"plus: {sum_columns(first, second)}"
        elif first >= second:
            columns = f"minus: {difference_columns(first, second)}"
        else:
            columns = f"back: {difference_columns(second, first)}"
        lines.append(f"{columns}={signed_hinted(total)}")
    return lines, total


def division_lines(top: int, bottom: int, random: Random) -> tuple[Lines, int, int]:
    """Long division of `top` (0 or more) by `bottom` (1 or more): (lines, quotient, remainder).

    `down` has the quotient so far, what is left with the next digit brought down, and the quotient's next
    digit. A digit that is not 0 is multiplied and taken away. One guessed wrong shows in a borrow that is
    left over, or in a remainder that is too large, and is written again after `again`.
    """
    lines: Lines = [f"divide: {hinted(top)}/{hinted(bottom)}"]
    digits, quotient = str(top), 0
    start = min(len(str(bottom)), len(digits))
    remainder = int(digits[:start])
    for place in range(start - 1, len(digits)):
        if place >= start:
            remainder = 10 * remainder + int(digits[place])
        right = remainder // bottom
        so_far = f"{quotient}," if place >= start else ""
        guess = _guess(right, random)
        lines.append(f"down: {so_far}{hinted(remainder)}:{guess}")
        if guess != right:
            lines += _taken_away(remainder, bottom, guess)
            lines.append(f"again: {right}")
        if right:
            lines += _taken_away(remainder, bottom, right)
        remainder -= right * bottom
        quotient = 10 * quotient + right
    lines.append(f"gives: {quotient},{hinted(remainder)}")
    return lines, quotient, remainder


def _guess(right: int, random: Random) -> int:
    """The digit, or now and then one beside it; 0 is no guess that anything is worked out for."""
    if random.random() >= WRONG_GUESS:
        return right
    return random.choice([digit for digit in (right - 1, right + 1) if 1 <= digit <= 9])


def _taken_away(remainder: int, bottom: int, digit: int) -> Lines:
    product = bottom * digit
    columns = difference_columns(remainder, product)
    end = f"={hinted(remainder - product)}" if product <= remainder else ""
    return [f"times: {digit},{product_columns(bottom, digit)}", f"minus: {columns}{end}"]


def quotient_lines(top: int, bottom: int, random: Random) -> tuple[Lines, Fraction]:
    """top/bottom (0 or more, 1 or more) as a number: (lines, value).

    Where the division leaves a remainder, Euclid's algorithm goes on from it until that is 0 or 1, and both
    numbers are divided by the common factor if that is not 1.
    """
    lines, _, remainder = division_lines(top, bottom, random)
    if remainder == 0:
        return lines, Fraction(top, bottom)
    larger, smaller = bottom, remainder
    while remainder > 1:
        more, _, remainder = division_lines(larger, smaller, random)
        lines += more
        larger, smaller = smaller, remainder
    common = smaller if remainder else larger
    assert common == gcd(top, bottom)
    lines.append(f"common: {hinted(common)}")
    if common != 1:
        for number in (top, bottom):
            lines += division_lines(number, common, random)[0]
    return lines, Fraction(top, bottom)


def joined(lines: Iterable[str]) -> str:
    """Lines as one text."""
    return "\n".join(lines)
