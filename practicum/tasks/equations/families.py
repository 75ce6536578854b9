"""Families with polynomials and fractions: (level, kind, ask, random) -> a problem, or None if there is none.

Problems are built from their solution side, so the exact solutions are known without solving anything.
Level 1 has small integers, level 2 larger ones and more forms, level 3 rational coefficients. The ranges
are so wide that a thousand test prompts of the default mix, or of `rational`, are a thousand problems.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from functools import lru_cache
from math import isqrt
from random import Random

from practicum.tasks.equations.notation import Number, polynomial, primitive, quadratic_roots, sum_of
from practicum.tasks.equations.problems import Problem, canonical_form, numeric_problem

VARIABLES = "xxxxyyyzztn"


# --- linear ------------------------------------------------------------------------------------------


def linear(level: int, kind: str, ask: str, random: Random) -> Problem | None:
    """ax+b=c and ax+b=cx+d; level 2 with brackets, a(x+b)=cx+d; level 3 with fractions, x/2+1/3=5/6."""
    size = (12, 20, 12)[level - 1]
    slope = (4, 6, 6)[level - 1]
    layout = random.randrange(2)
    for _ in range(100):
        c = Fraction(random.randint(-slope, slope)) if layout else Fraction(0)
        if level == 3:
            bottom, other = random.choice((2, 3, 4, 5)), random.choice((2, 3, 4, 6))
            a, b = Fraction(random.choice((1, 2, 3, 5)), bottom), Fraction(random.randint(-9, 9), other)
            d = Fraction(random.randint(-9, 9), bottom)
        else:
            a, b = Fraction(random.randint(2, 6 if level == 1 else 9)), Fraction(random.randint(-size, size))
            d = Fraction(random.randint(-2 * size, 2 * size))
        constant = a * b if level == 2 else b
        if kind == "integer":
            d = (a - c) * random.randint(-2 * size, 2 * size) + constant
        if a == c or bool(c) != bool(layout) or (level == 2 and b == 0) or abs(d) > 99:
            continue
        if a == 1 and b == c == 0:
            continue
        root = (d - constant) / (a - c)
        if (root.denominator == 1) == (kind == "integer"):
            return _linear_problem(level, kind, ask, (a, b, c, d), root, random.choice(VARIABLES))
    return None


def _linear_problem(
    level: int, kind: str, ask: str, numbers: tuple[Fraction, ...], root: Fraction, x: str
) -> Problem:
    a, b, c, d = numbers
    left = f"{a}({polynomial((1, b), x)})" if level == 2 else polynomial((a, b), x)
    reduced = primitive((root.denominator, -root.numerator))
    equation = f"{left}={polynomial((c, d), x)}"
    return numeric_problem(
        "linear", level, kind, ask, equation, x, canonical_form(reduced), (root,), numbers, 0, reduced
    )


# --- quadratic and rational --------------------------------------------------------------------------


def _kind_of(a: int, b: int, c: int) -> str:
    discriminant = b * b - 4 * a * c
    if discriminant <= 0:
        return "none" if discriminant else "double"
    root = isqrt(discriminant)
    if root * root != discriminant:
        return "irrational"
    return "integer" if (root - b) % (2 * a) == 0 == (root + b) % (2 * a) else "rational"


@lru_cache(maxsize=16)
def _quadratics(family: str, level: int) -> Mapping[str, tuple[tuple[int, int, int], ...]]:
    """All reduced quadratics (a, b, c) a family may use at a level, by kind of root."""
    largest_b, largest_c = ((12, 46), (24, 90), (15, 30))[level - 1]
    leading = {"quadratic": ((1,), (1, 2, 3), (1, 2, 3)), "rational": ((1,), (1,), (2, 3))}[family][level - 1]
    table: dict[str, list[tuple[int, int, int]]] = {}
    for a in leading:
        for b in range(-largest_b, largest_b + 1):
            for c in range(-largest_c, largest_c + 1):
                if primitive((a, b, c)) == (a, b, c):
                    kind = "excluded" if family == "rational" and c == 0 else _kind_of(a, b, c)
                    table.setdefault(kind, []).append((a, b, c))
    return {kind: tuple(rows) for kind, rows in table.items()}


def quadratic(level: int, kind: str, ask: str, random: Random) -> Problem | None:
    """x^2+bx+c=0, x^2+bx=c, x^2=bx+c; level 2 with a leading coefficient; level 3 with fractions."""
    rows = _quadratics("quadratic", level).get(kind)
    if rows is None:
        return None
    x = random.choice(VARIABLES)
    reduced = random.choice(rows)
    divisor = random.choice((2, 3, 4, 5, 6)) if level == 3 else 1
    numbers = tuple(Fraction(number, divisor) for number in reduced)
    layout = random.choice((0, 0, 1, 2))
    left, right = quadratic_sides(numbers, layout)
    equation = f"{polynomial(left, x)}={polynomial(right, x)}"
    roots = quadratic_roots(*reduced)
    return numeric_problem(
        "quadratic", level, kind, ask, equation, x, canonical_form(reduced), roots, numbers, layout, reduced
    )


Side = tuple[Fraction | int, ...]


def quadratic_sides(numbers: Side, layout: int) -> tuple[Side, Side]:
    """The coefficients on either side: layout 0 all on the left, 1 constant moved, 2 only the square left."""
    a, b, c = numbers
    return (((a, b, c), (0,)), ((a, b, 0), (-c,)), ((a, 0, 0), (-b, -c)))[layout]


def rational(level: int, kind: str, ask: str, random: Random) -> Problem | None:
    """a-(b+x)/x=x with x!=0, which reduces to x^2+(1-a)x+b=0; for b=0 the root 0 is excluded."""
    if level == 3 and kind == "integer":
        kind = "rational"
    rows = _quadratics("rational", level).get(kind)
    if rows is None:
        return None
    x = random.choice(VARIABLES)
    reduced = random.choice(rows)
    a, b = 1 - Fraction(reduced[1], reduced[0]), Fraction(reduced[2], reduced[0])
    layout = random.choice((0, 0, 0, 1, 2, 3, 4))
    roots = tuple(root for root in quadratic_roots(*reduced) if root != 0)
    canonical = canonical_form(reduced, "excluded 0")
    equation = rational_equation(a, b, x, layout)
    return numeric_problem(
        "rational", level, kind, ask, equation, x, canonical, roots, (a, b), layout, reduced, (Fraction(0),)
    )


def rational_equation(a: Fraction | int, b: Fraction | int, x: str, layout: int) -> str:
    """a-(b+x)/x=x and its rearrangements: layouts 0 to 4."""
    tail = sum_of(((1, x), (b, "")))
    head = f"{b}+{x}" if b > 0 else tail
    quotient, reordered = (f"({head})/{x}", f"({tail})/{x}") if b else (f"{x}/{x}", f"{x}/{x}")
    before = str(a) if a else ""
    return (
        f"{before}-{quotient}={x}",
        f"{quotient}={before}-{x}",
        f"{x}={before}-{reordered}",
        f"{before}-{x}={reordered}",
        f"{x}+{quotient}={a}",
    )[layout]


def rational_multiplied(a: Fraction, b: Fraction, k: int, x: str, layout: int) -> str:
    """Both sides of a-(b+x)/x=x times kx, not yet collected; `a` and `b` are given times k."""
    square = f"{x}^2"
    sides = (
        (((a, x), (-b, ""), (-k, x)), ((k, square),)),
        (((b, ""), (k, x)), ((a, x), (-k, square))),
        (((k, square),), ((a, x), (-k, x), (-b, ""))),
        (((a, x), (-k, square)), ((k, x), (b, ""))),
        (((k, square), (b, ""), (k, x)), ((a, x),)),
    )[layout]
    return "=".join(sum_of(side) for side in sides)


# --- cancelled factors -------------------------------------------------------------------------------


def cancelled(level: int, kind: str, ask: str, random: Random) -> Problem | None:
    """(x-r)(x-s)/(x-r)=kx+d: the factor x-r cancels, yet r stays excluded.

    Kinds integer and rational keep their root, extraneous has the root r, irrational has a quadratic factor:
    (x-r)(x^2+px+q)/(x-r)=0. Level 2 has terms in x on the right, level 3 a factor like 2x-3.
    """
    if kind == "irrational":
        return _cancelled_quadratic(level, ask, random)
    size = (10, 15, 9)[level - 1]
    for _ in range(100):
        u = random.choice((2, 3)) if level == 3 else 1
        r, s = random.randint(-size, size), random.randint(-size, size)
        k = random.choice((-2, -1, 2, 3)) if level == 2 or kind == "rational" else 0
        if level == 3 and kind == "extraneous":
            k = random.choice((1 - u, 1 + u))
        d = random.randint(-24, 24)
        point = Fraction(r, u)
        if kind == "extraneous":
            wanted = (1 - k) * point - s
            if wanted.denominator != 1 or abs(wanted) > 24:
                continue
            d = int(wanted)
        root = Fraction(d + s, 1 - k)
        if (root == point) != (kind == "extraneous") or primitive((u, -r)) != (u, -r) or r == s == 0:
            continue
        if kind != "extraneous" and (root.denominator == 1) != (kind == "integer"):
            continue
        roots = () if root == point else (root,)
        numbers = (u, -r, 1, -s, k, d)
        full = (u * (1 - k), -u * (s + d) - r * (1 - k), r * (s + d))
        return _cancelled_problem(level, kind, ask, random, numbers, primitive(full), roots, point)
    return None


def _cancelled_quadratic(level: int, ask: str, random: Random) -> Problem | None:
    rows = _quadratics("quadratic", 1)["irrational"]
    a, b, c = random.choice(rows)
    r = random.randint(-9, 9)
    u = random.choice((2, 3)) if level == 3 else 1
    if primitive((u, -r)) != (u, -r) or (level == 1 and abs(b) > 6) or r == 0:
        return _cancelled_quadratic(level, ask, random)
    full = (u, u * b - r, u * c - r * b, -r * c)
    numbers = (u, -r, a, b, c, 0)
    roots = quadratic_roots(a, b, c)
    return _cancelled_problem(level, "irrational", ask, random, numbers, full, roots, Fraction(r, u))


def _cancelled_problem(
    level: int,
    kind: str,
    ask: str,
    random: Random,
    numbers: tuple[int, ...],
    full: tuple[int, ...],
    roots: tuple[Number, ...],
    point: Fraction,
) -> Problem:
    x = random.choice(VARIABLES)
    layout = 2 if kind == "irrational" else random.randrange(2)
    left, right = cancelled_sides(tuple(Fraction(number) for number in numbers), x, layout)
    canonical = canonical_form(full, f"excluded {point}")
    equation = f"{left}={right}"
    return numeric_problem(
        "cancelled", level, kind, ask, equation, x, canonical, roots, numbers, layout, full, (point,)
    )


def bracket(coefficients: tuple[Fraction | int, ...], x: str) -> str:
    """A factor of a product: `(x-3)`, or a bare `x`."""
    text = polynomial(coefficients, x)
    return text if text == x else f"({text})"


def cancelled_sides(numbers: tuple[Fraction, ...], x: str, layout: int) -> tuple[str, str]:
    """Layout 0 multiplies the numerator out, 1 keeps its two factors, 2 has a quadratic factor."""
    u, m, first, second, third, last = numbers
    if layout == 2:
        return f"{bracket((u, m), x)}{bracket((first, second, third), x)}/{bracket((u, m), x)}", "0"
    top = f"({polynomial((u, u * second + m, m * second), x)})"
    if layout == 1:
        top = bracket((u, m), x) + bracket((first, second), x)
    return f"{top}/{bracket((u, m), x)}", polynomial((third, last), x)
