"""Families with roots and absolute values: (level, kind, ask, random) -> a problem, or None if there is none.

Squaring, or dropping the bars of an absolute value, may bring in false roots, which a condition excludes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from functools import lru_cache
from random import Random

from practicum.tasks.equations.families import VARIABLES
from practicum.tasks.equations.notation import Number, polynomial, primitive, quadratic_roots, sum_of
from practicum.tasks.equations.problems import (
    Problem,
    canonical_form,
    not_negative,
    number_kind,
    numeric_problem,
)

# --- radicals ----------------------------------------------------------------------------------------


@lru_cache(maxsize=4)
def _radicals(level: int) -> Mapping[str, tuple[tuple[int, int, int], ...]]:
    """Numbers (a, b, c) of sqrt(ax+b)=x+c by kind; at level 3 they stand for sqrt(ax+b/4)=x+c/2."""
    largest_a, largest_b, largest_c = ((6, 36, 6), (10, 60, 9), (6, 48, 7))[level - 1]
    table: dict[str, list[tuple[int, int, int]]] = {}
    for a in range(1, largest_a + 1):
        for b in range(-largest_b, largest_b + 1):
            for c in range(-largest_c, largest_c + 1):
                if level == 3 and c % 2 == 0:
                    continue
                reduced, kept = _radical_roots(*_radical_numbers((a, b, c), level))
                both = quadratic_roots(*reduced)
                if not both:
                    kind = "none"
                elif len(kept) < len(both) and number_kind(both) != "irrational":
                    kind = "extraneous"
                else:
                    kind = number_kind(both)
                table.setdefault(kind, []).append((a, b, c))
    return {kind: tuple(rows) for kind, rows in table.items()}


def _radical_numbers(row: tuple[int, int, int], level: int) -> tuple[Fraction, Fraction, Fraction]:
    a, b, c = row
    return (
        (Fraction(a), Fraction(b, 4), Fraction(c, 2))
        if level == 3
        else (Fraction(a), Fraction(b), Fraction(c))
    )


def _radical_roots(a: Fraction, b: Fraction, c: Fraction) -> tuple[tuple[int, int, int], tuple[Number, ...]]:
    """The reduced quadratic of sqrt(ax+b)=x+c and those of its roots with x+c>=0."""
    p, q, r = primitive((Fraction(1), 2 * c - a, c * c - b))
    kept = tuple(root for root in quadratic_roots(p, q, r) if not_negative(root, Fraction(1), c))
    return (p, q, r), kept


def radical(level: int, kind: str, ask: str, random: Random) -> Problem | None:
    """sqrt(ax+b)=x+c: squaring may bring in a false root, which x+c>=0 excludes."""
    rows = _radicals(level).get(kind)
    if rows is None:
        return None
    x = random.choice(VARIABLES)
    a, b, c = numbers = _radical_numbers(random.choice(rows), level)
    reduced, roots = _radical_roots(a, b, c)
    layout = random.choice((0, 0, 1)) if c else 0
    root_text = f"sqrt({polynomial((a, b), x)})"
    equation = f"{root_text}={polynomial((1, c), x)}"
    if layout == 1:
        equation = f"{x}={sum_of(((1, root_text), (-c, '')))}"
    canonical = canonical_form(reduced, f"radical {a},{b},{c}")
    return numeric_problem(
        "radical",
        level,
        kind,
        ask,
        equation,
        x,
        canonical,
        roots,
        numbers,
        layout,
        reduced,
        (),
        (Fraction(1), c),
    )


@lru_cache(maxsize=4)
def _nested(level: int) -> Mapping[str, tuple[tuple[Fraction, int], ...]]:
    """Numbers (a, c) of sqrt(a-c*sqrt(a+cx))=x by kind; level 3 has quarters."""
    largest_a, largest_c, quarter = ((60, 2, 1), (99, 5, 1), (120, 3, 4))[level - 1]
    table: dict[str, list[tuple[Fraction, int]]] = {}
    for c in range(1, largest_c + 1):
        for numerator in range(-20 * quarter, largest_a + 1):
            a = Fraction(numerator, quarter)
            if a == 0 or (level == 3 and a.denominator == 1):
                continue
            roots = quadratic_roots(*primitive((Fraction(1), Fraction(c), c * c - a)))
            kind = number_kind(roots) if a >= c * c else "none"
            table.setdefault(kind, []).append((a, c))
    return {kind: tuple(rows) for kind, rows in table.items()}


def nested(level: int, kind: str, ask: str, random: Random) -> Problem | None:
    """sqrt(a-c*sqrt(a+cx))=x. With y=sqrt(a+cx) it gives y=x+c, so x^2+cx+c^2-a=0 and x>=0."""
    rows = _nested(level).get(kind)
    if rows is None:
        return None
    x = random.choice(VARIABLES)
    a, c = random.choice(rows)
    p, q, r = primitive((Fraction(1), Fraction(c), c * c - a))
    roots = tuple(root for root in quadratic_roots(p, q, r) if not_negative(root, Fraction(1), Fraction(0)))
    times = "" if c == 1 else str(c)
    body = f"sqrt({a}-{times}sqrt({sum_of(((a, ''), (c, x)))}))"
    layout = random.choice((0, 0, 1))
    equation = f"{body}={x}" if layout == 0 else f"{x}={body}"
    canonical = canonical_form((p, q, r), f"nested {a},{c}")
    condition = Fraction(1), Fraction(0)
    return numeric_problem(
        "nested", level, kind, ask, equation, x, canonical, roots, (a, c), layout, (p, q, r), (), condition
    )


# --- absolute value ----------------------------------------------------------------------------------


def _absolute_numbers(level: int, random: Random) -> Iterator[tuple[Fraction, Fraction, Fraction, Fraction]]:
    for _ in range(300):
        if level == 3:
            bottom = random.choice((2, 3, 4))
            a, b = Fraction(random.choice((1, 2, 3, 5)), bottom), Fraction(random.randint(-9, 9), bottom)
            c, d = Fraction(random.choice((0, 0, 1, -1))), Fraction(random.randint(-9, 12), bottom)
        else:
            sizes = ((1, 2, 3, 4), (1, 2, 3, 4, 5, 6, 7))[level - 1]
            slopes = ((0, 0, 1, -1), (0, 1, -1, 2, -2, 3))[level - 1]
            a, c = Fraction(random.choice(sizes)), Fraction(random.choice(slopes))
            b, d = Fraction(random.randint(-12, 12)), Fraction(random.randint(-12, 20))
        if a != abs(c):
            yield a, b, c, d


def absolute(level: int, kind: str, ask: str, random: Random) -> Problem | None:
    """|ax+b|=cx+d: two cases, each kept only where cx+d>=0."""
    for a, b, c, d in _absolute_numbers(level, random):
        candidates = sorted({(d - b) / (a - c), (-d - b) / (a + c)})
        roots: tuple[Number, ...] = tuple(root for root in candidates if c * root + d >= 0)
        if c == 0 and d < 0:
            found = "none"
        elif len(roots) < len(candidates):
            found = "extraneous"
        else:
            found = number_kind(roots)
        whole = all(candidate.denominator == 1 for candidate in candidates)
        # At level 1 fractions come with the kind that is named after them, not on top of another trap.
        if found != kind or (level == 1 and kind == "extraneous" and not whole):
            continue
        x = random.choice(VARIABLES)
        scaled = primitive((a, b, c, d))
        equation = f"|{polynomial((a, b), x)}|={polynomial((c, d), x)}"
        canonical = f"absolute {','.join(map(str, scaled))}"
        return numeric_problem(
            "absolute", level, kind, ask, equation, x, canonical, roots, (a, b, c, d), 0, (), (), (c, d)
        )
    return None
