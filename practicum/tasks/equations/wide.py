"""Linear equations of the forms and sizes of exercise collections: many digits, several terms on either side.

`4217x-38=104`, `251-97k=-7024`, `-148100=3704d-26049+14997`, `22x-32=0`. The forms are what the pages of
DeepMind's mathematics dataset and of reasoning-gym describe; no problem of theirs is used. The solution is
known before the equation is written, and worked out in columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from random import Random

from practicum.tasks.equations.columns import (
    best_trial,
    difference_columns,
    product_columns,
    reduced_text,
    signed_columns,
)
from practicum.tasks.equations.notation import primitive, sum_of
from practicum.tasks.equations.pen import Habits, Pen
from practicum.tasks.equations.problems import Problem, canonical_form, numeric_problem
from practicum.tasks.equations.steps import quotient_text

LETTERS = "xxxxxxxxxxxxyyyyzzzttnnabcdfghjkmpqrsuvw"
SHAPES = (
    *("xc|c",) * 10,
    *("x|c",) * 3,
    *("cx|c",) * 4,
    *("c|xc", "c|x", "xc|", "xc|", "cx|", "x|xc", "xc|x", "xc|xc", "xc|xc"),
    *("", "", "", "", "", ""),
)
"""What stands on either side, x a term with the unknown, c a number; an empty text is drawn term by term."""
FRACTIONS = ("xc|", "xc|", "cx|", "x|c", "xc|c")
MOST_CHARACTERS = 185
"""Longest solution, in characters of mathematics, that is still asked for."""

Term = tuple[int, int, int]
"""Side (0 left, 1 right), power of the unknown (0 or 1), and the number."""


def wide(level: int, kind: str, ask: str, random: Random) -> Problem | None:
    """Level 1: numbers of two digits, hardly more; levels 2, 3: up to 4 and 7 digits before the unknown."""
    for _ in range(100):
        factor, root = _whole(level, random) if kind == "integer" else _fraction(random)
        shape = random.choice(SHAPES) or _shape(random)
        if kind == "integer" and random.random() < 0.05:
            root, shape = Fraction(0), random.choice(("x|", "xc|c"))
        elif kind != "integer":
            shape = random.choice(FRACTIONS)
            if root.denominator == 1:
                continue
        factor *= random.choice((-1, 1, 1))
        terms = _terms(shape, factor, int(root * factor), random, 2 if level == 1 else 5)
        if terms and _length(terms, level) <= MOST_CHARACTERS:
            return _problem(level, kind, ask, terms, root, random.choice(LETTERS))
    return None


def _whole(level: int, random: Random) -> tuple[int, Fraction]:
    """A number in front of the unknown and a whole root."""
    sign = random.choice((-1, 1, 1))
    if level == 1:
        factor = random.randint(2, 12)
        return factor, Fraction(sign * random.randint(1, 240 // factor))
    sizes = random.choices((1, 2, 3, 4), (1, 5, 3, 3))[0] if level == 2 else random.randint(2, 7)
    return _of_size(sizes, random), Fraction(sign * _of_size(random.choice((1, 2, 2, 2, 2, 2)), random))


def _fraction(random: Random) -> tuple[int, Fraction]:
    """A number in front of the unknown and a root with it below the line."""
    factor, top = _of_size(random.choice((1, 2, 2, 2, 2, 3)), random), _of_size(2, random)
    return factor, Fraction(random.choice((-1, 1)) * top, factor)


def _of_size(digits: int, random: Random) -> int:
    return random.randint(10 ** (digits - 1), 10**digits - 1)


def _shape(random: Random) -> str:
    """Four terms, or five, in any order on either side."""
    terms = random.choice(("xcc", "xxc", "xxc", "xxcc", "xxcc", "xccc"))
    letters = random.sample(terms, len(terms))
    bar = random.randint(1, len(letters) - 1)
    return "".join([*letters[:bar], "|", *letters[bar:]])


def _terms(shape: str, factor: int, total: int, random: Random, digits: int) -> tuple[Term, ...]:
    """Terms of a shape with `factor` times the unknown equal to `total`; none where a term would be 0."""
    left, _, right = shape.partition("|")
    places = [(0, mark) for mark in left] + [(1, mark) for mark in right]
    factors = _parts(factor, sum(mark == "x" for _, mark in places), random, digits)
    constants = _parts(total, sum(mark == "c" for _, mark in places), random, digits)
    if 0 in factors or 0 in constants or (total and not constants):
        return ()
    terms = []
    for side, mark in places:
        value = factors.pop() if mark == "x" else constants.pop()
        # Terms with the unknown count on the left, numbers on the right.
        terms.append((side, int(mark == "x"), value if (mark == "x") == (side == 0) else -value))
    return tuple(terms)


def _parts(total: int, count: int, random: Random, digits: int) -> list[int]:
    """`count` numbers that add up to `total`, all but one of at most `digits` digits, in any order."""
    if count == 0:
        return []
    size = max(len(str(abs(total))), 1)
    drawn = [
        random.choice((-1, 1)) * _of_size(random.randint(1, min(size + 1, digits)), random)
        for _ in range(count - 1)
    ]
    parts = [*drawn, total - sum(drawn)]
    return random.sample(parts, count)


def _problem(level: int, kind: str, ask: str, terms: tuple[Term, ...], root: Fraction, x: str) -> Problem:
    reduced = primitive((root.denominator, -root.numerator))
    numbers = tuple(value for term in terms for value in term)
    return numeric_problem(
        "wide",
        level,
        kind,
        ask,
        equation_text(terms, x),
        x,
        canonical_form(reduced),
        (root,),
        numbers,
        0,
        reduced,
    )


def terms_of(problem: Problem) -> tuple[Term, ...]:
    """The terms that `wide` wrote down."""
    numbers = [int(number) for number in problem.numbers]
    return tuple(zip(numbers[::3], numbers[1::3], numbers[2::3], strict=True))


def equation_text(terms: Sequence[Term], x: str) -> str:
    """Both sides as they stand."""
    sides = ([(value, x * power) for place, power, value in terms if place == side] for side in (0, 1))
    return "=".join(map(sum_of, sides))


def moved_text(factors: Sequence[int], constants: Sequence[int], x: str) -> str:
    """The unknown on the left, numbers on the right."""
    left, right = sum_of((value, x) for value in factors), sum_of((value, "") for value in constants)
    return f"{left}={right}"


def moved_terms(terms: Sequence[Term], pen: Pen) -> tuple[list[int], list[int]]:
    """Factors of the unknown and numbers after moving, those that stay first; a slip loses a sign."""
    factors = [value for side, power, value in terms if power == 1 and side == 0]
    factors += [int(pen.moved(-value)) for side, power, value in terms if power == 1 and side == 1]
    constants = [value for side, power, value in terms if power == 0 and side == 1]
    constants += [int(pen.moved(-value)) for side, power, value in terms if power == 0 and side == 0]
    return factors, constants


def _length(terms: tuple[Term, ...], level: int) -> int:
    pen = Pen(Habits.perfect(), Random(0))
    wide_root(terms, "x", pen, in_columns=level > 1)
    return sum(len(line) - line.find(" ") for line in pen.lines)


def wide_root(terms: tuple[Term, ...], x: str, pen: Pen, in_columns: bool) -> Fraction:
    """Solve in writing: `move`, `collect`, `divide`; with many digits, `add` in columns and long division."""
    factors, constants = moved_terms(terms, pen)
    if sum(factors) == 0:
        factors = moved_terms(terms, Pen(Habits.perfect(), pen.random))[0]
    moved = moved_text(factors, constants, x)
    if moved != equation_text(terms, x):
        pen.write("move", moved)
    if in_columns:
        factor, total = _added(factors, pen), int(pen.number(_added(constants, pen)))
    else:
        factor, total = sum(factors), int(pen.number(sum(constants)))
    if len(factors) > 1 or len(constants) > 1:
        middle = f"={sum_of((value, '') for value in constants)}" if len(constants) > 1 else ""
        text = moved_text((factor,), (total,), x)
        pen.write("collect", text if in_columns else f"{sum_of([(factor, x)])}{middle}={total}")
    if factor == 1:
        return Fraction(total)
    if in_columns:
        return divided(total, factor, pen)
    pen.write("divide", small_quotient(total, factor))
    return Fraction(total, factor)


def small_quotient(top: int, bottom: int) -> str:
    """A quotient of numbers of few digits: `84/6=10+24/6=10+4=14`, `32/(-22)=-32/22=-16/11`, `0/19=0`."""
    value = Fraction(top, bottom)
    if value.denominator == 1:
        return quotient_text(top, bottom)
    text = reduced_text(abs(top), abs(bottom), "-" if value < 0 else "")
    return text if bottom > 0 else f"{top}/({bottom})={text}"


def _added(values: Sequence[int], pen: Pen) -> int:
    total = values[0] if values else 0
    for value in values[1:]:
        pen.write("add", signed_columns(total, value))
        total += value
    return total


def divided(total: int, factor: int, pen: Pen) -> Fraction:
    """A quotient in writing: the sign, then trial after trial what is left, then the parts added up."""
    root = Fraction(total, factor)
    sign, rest, divisor = "-" if root < 0 else "", abs(total), abs(factor)
    quotient = f"{rest}/{divisor}"
    if rest == 0 or divisor == 1:
        pen.write("divide", f"{quotient}={sign}{rest}")
        return root
    pen.write("divide", f"-({quotient})" if sign else quotient)
    parts = []
    while rest >= divisor:
        trial = best_trial(rest, divisor)
        times = trial.times
        if pen.does(pen.habits.trial_slip):
            times += pen.random.choice((-1, 1))
        if not 1 <= times <= 9:
            times = trial.times
        product = divisor * times * trial.place
        text = product_columns(divisor, times, trial.place)
        pen.write("times", f"{text} no" if product > rest else text)
        if product > rest:
            continue
        parts.append(times * trial.place)
        if rest != product:
            pen.write("left", difference_columns(rest, product))
        rest -= product
    if rest:
        text = reduced_text(abs(total), divisor, sign)
        if "=" in text:
            pen.write("reduce", text)
        return root
    both = "+".join(map(str, parts))
    if len(parts) == 1:
        pen.write("whole", f"{sign}{both}")
    else:
        pen.write("whole", f"-({both})={root}" if sign else f"{both}={root}")
    return root
