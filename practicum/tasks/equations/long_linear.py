"""Linear equations with long numbers and any arrangement of terms, and their solutions worked in columns.

Off by default. Formats and ranges follow what is public about two generators, not any of their equations:
DeepMind's `algebra__linear_1d` (Saxton et al. 2019; terms split and put on either side, whole roots of one
or two digits) and reasoning-gym's `simple_equations` (roots to 100, numbers that are products of numbers to
100) and `polynomial_equations` (ax+b=0 with sums of a few numbers to 100).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from random import Random

from practicum.tasks.equations.columns import (
    PLACES,
    division_lines,
    hinted,
    joined,
    product_columns,
    quotient_lines,
    read_text,
    sign_line,
    sum_lines,
)
from practicum.tasks.equations.families import VARIABLES
from practicum.tasks.equations.notation import primitive, sum_of
from practicum.tasks.equations.pen import Pen
from practicum.tasks.equations.problems import Problem, numeric_problem

Term = tuple[int, bool]
"""A factor, and whether the unknown stands behind it."""
Sides = tuple[tuple[Term, ...], tuple[Term, ...]]

_TERM = re.compile(r"([+-]?)(\d*)([a-z]?)")
FACTOR_DIGITS = {1: (40, 60, 10), 2: (16, 36, 20, 16, 8, 4), 3: (16, 36, 24, 16, 8)}
"""By level: weights of 1, 2, 3 and more digits of a number beside the unknown."""
CONSTANT_DIGITS = {1: (35, 50, 15), 2: (20, 36, 16, 16, 8, 4), 3: (16, 36, 20, 20, 8)}
"""By level: the same of a number that stands alone."""


# --- problems ----------------------------------------------------------------------------------------


def long_linear(level: int, kind: str, ask: str, random: Random) -> Problem | None:
    """ax+b=cx+d and its arrangements. Level 1 has numbers of few digits, 2 long ones, 3 more terms.

    Kinds: `integer`, `zero` (the root is 0), `rational` (a fraction, of shorter numbers).
    """
    for _ in range(100):
        factor = _factor(level, kind, random)
        if kind == "rational":
            constant = _signed(random.randint(1, 400 if random.random() < 0.9 else 2000), random)
        else:
            constant = factor * (0 if kind == "zero" else _root(random))
        root = Fraction(constant, factor)
        if (root.denominator == 1) == (kind == "rational"):
            continue
        sides = _split(level, kind, factor, constant, random)
        if all(value < 10 ** (len(PLACES) - 2) for value in map(abs, _numbers(sides))):
            return _problem(level, kind, ask, sides, root, random.choice(VARIABLES))
    return None


def _problem(level: int, kind: str, ask: str, sides: Sides, root: Fraction, x: str) -> Problem:
    equation = "=".join(sum_of((value, x if unknown else "") for value, unknown in side) for side in sides)
    return numeric_problem(
        "long_linear",
        level,
        kind,
        ask,
        equation,
        x,
        canonical_terms(equation),
        (root,),
        (),
        0,
        primitive((root.denominator, -root.numerator)),
    )


def _signed(value: int, random: Random) -> int:
    return -value if random.random() < 0.3 else value


def _of_digits(weights: Sequence[int], random: Random) -> int:
    digits = random.choices(range(1, len(weights) + 1), weights)[0]
    return random.randint(10 ** (digits - 1), 10**digits - 1)


def _factor(level: int, kind: str, random: Random) -> int:
    weights = FACTOR_DIGITS[1 if kind == "rational" else level]
    return _signed(_of_digits(weights, random), random)


def _root(random: Random) -> int:
    """A whole root that is not 0, most often to 100."""
    return _signed(random.randint(1, 100 if random.random() < 0.9 else 999), random)


def _split(level: int, kind: str, factor: int, constant: int, random: Random) -> Sides:
    """Terms on two sides that come to factor*x=constant."""
    if level == 3:
        terms = [(value, True) for value in _parts(level, factor, random.randint(1, 3), random)]
        terms += [(-value, False) for value in _parts(level, constant, random.randint(1, 3), random)]
        random.shuffle(terms)
        left: list[Term] = []
        right: list[Term] = []
        for value, unknown in terms:
            if random.random() < 0.5:
                left.append((value, unknown))
            else:
                right.append((-value, unknown))
        return _sides(left, right)
    weights = CONSTANT_DIGITS[level]
    left, right = [(factor, True)], [(constant, False)]
    if random.random() < 0.75:
        # In half of the fractions all stands on the left, as in ax+b=0.
        number = constant if kind == "rational" and random.random() < 0.5 else 0
        number = -number or _signed(_of_digits(weights, random), random)
        left, right = [*left, (number, False)], [(constant + number, False)]
    if random.random() < 0.2:
        number = _signed(_of_digits(FACTOR_DIGITS[1 if kind == "rational" else level], random), random)
        left[0] = (factor + number, True)
        right = [(number, True), *right]
    for side in (left, right):
        if random.random() < 0.25:
            side.reverse()
    return _sides(right, left) if random.random() < 0.12 else _sides(left, right)


def _parts(level: int, value: int, count: int, random: Random) -> list[int]:
    """`count` numbers that add up to `value`."""
    weights = CONSTANT_DIGITS[level]
    rest = [_signed(_of_digits(weights, random), random) for _ in range(count - 1)]
    return [value - sum(rest), *rest]


def _sides(left: Sequence[Term], right: Sequence[Term]) -> Sides:
    return tuple(term for term in left if term[0]), tuple(term for term in right if term[0])


def _numbers(sides: Sides) -> list[int]:
    return [value for side in sides for value, _ in side]


# --- reading -----------------------------------------------------------------------------------------


def sides_of(equation: str) -> Sides:
    """The terms of either side of an equation of this family in one unknown; a 0 is no term."""
    left, right = (
        tuple(
            ((-1 if sign else 1) * int(digits or 1), bool(letter))
            for sign, digits, letter in (
                (match[1] == "-", match[2], match[3]) for match in _TERM.finditer(side) if match[0]
            )
            if digits != "0"
        )
        for side in equation.split("=")
    )
    return left, right


def canonical_terms(equation: str) -> str:
    """The canonical form of this family: the equation up to its arrangement.

    The order of terms, the sides, the sign of the whole equation and the letter of the unknown do not matter.
    Moving a term across does, and so does scaling: `19x=0` and `7x=0` are two problems, as each has other
    numbers to work with. A form up to scaling would be the root, and a test split of roots would hold some of
    them, as 0, out of training as a whole.
    """
    left, right = sides_of(equation)
    forms = []
    for sign in (1, -1):
        texts = [
            " ".join(sorted(f"{sign * value}{'x' * unknown}" for value, unknown in side))
            for side in (left, right)
        ]
        forms.append("=".join(sorted(texts)))
    return f"terms {min(forms)}"


# --- worked in columns -------------------------------------------------------------------------------


def collected_lines(equation: str) -> tuple[list[str], int, int]:
    """The equation read digit by digit, then ax=d collected in writing: (lines, a, d)."""
    left, right = sides_of(equation)
    factors = [value for value, unknown in left if unknown] + [-value for value, unknown in right if unknown]
    constants = [value for value, unknown in right if not unknown]
    constants += [-value for value, unknown in left if not unknown]
    first, factor = sum_lines("left", factors)
    second, constant = sum_lines("right", constants or [0])
    return [f"read: {read_text(equation)}", *first, *second], factor, constant


def work_out(problem: Problem, pen: Pen) -> None:
    """Collect, then divide, in columns; the answer is always right."""
    lines, factor, constant = collected_lines(problem.equation)
    value = Fraction(abs(constant))
    if constant:
        lines.append(sign_line(constant, factor))
    if constant and abs(factor) != 1:
        more, value = quotient_lines(abs(constant), abs(factor), pen.random)
        lines += more
    pen.lines += lines
    pen.write("answer", str(-value if (constant < 0) != (factor < 0) else value))


# --- drill in the textbook ---------------------------------------------------------------------------


def drill(random: Random) -> str:
    """One piece of arithmetic as solutions have it, without an equation: a sum, a product, a division."""
    pick = random.random()
    if pick < 0.03:
        return sign_line(random.choice((-1, 1)), random.choice((-1, 1)))
    if pick < 0.15:
        number = _of_digits((10, 15, 20, 20, 20, 15), random)
        return f"{number} read: {read_text(str(number))} is {hinted(number)}"
    if pick < 0.5:
        terms = [_signed(_of_digits((20, 25, 20, 15, 10, 10), random), random) for _ in range(2)]
        if random.random() < 0.1:
            terms[1] = random.choice((terms[0], -terms[0]))
        return joined(sum_lines(random.choice(("left", "right")), terms)[0])
    if pick < 0.65:
        number, digit = _of_digits((15, 25, 25, 20, 10, 5), random), random.randint(2, 9)
        return f"{hinted(number)} times: {digit},{product_columns(number, digit)}"
    if pick < 0.9:
        bottom = _of_digits((25, 30, 20, 15, 6, 4), random)
        top = bottom * random.randint(1, 100)
        if random.random() < 0.3:
            top += random.randint(1, bottom)
        return joined(division_lines(top, bottom, random)[0])
    top, bottom = random.randint(1, 400), random.randint(2, 100)
    return joined(quotient_lines(top, bottom, random)[0])


def drills(random: Random) -> str:
    """Several pieces of arithmetic, of 100 characters or more, one below the other."""
    text = drill(random)
    while len(text) < 100:
        text += "\n" + drill(random)
    return text
