"""Steps that several families share: one linear equation, the roots of a quadratic, two roots added up."""

from __future__ import annotations

from fractions import Fraction
from math import isqrt

from practicum.tasks.equations.families import bracket
from practicum.tasks.equations.notation import (
    Number,
    Surd,
    signed,
    simplify_root,
    solutions_text,
    sum_of,
    surd,
)
from practicum.tasks.equations.pen import Pen

Quadratic = tuple[int, int, int]


def linear_root(numbers: tuple[Fraction, ...], x: str, pen: Pen) -> Fraction:
    """Solve ax+b=cx+d in writing: `move`, `collect`, `divide`, as far as each is needed.

    Sum and quotient stand alone before their results, as the textbook drills them, so that a result that no
    training problem has is still arithmetic that was read.
    """
    a, b, c, d = numbers
    left, right = a, d
    if b or c:
        moved_c, moved_b = pen.moved(-c), pen.moved(-b)
        if a + moved_c == 0:
            moved_c = -c
        pen.write("move", f"{sum_of(((a, x), (moved_c, x)))}={sum_of(((d, ''), (moved_b, '')))}")
        left, right = a + moved_c, d + moved_b
        if c or (b and d):
            right = pen.number(right)
            both = f"={sum_of(((d, ''), (moved_b, '')))}" if b and d else ""
            pen.write("collect", f"{sum_of(((left, x),))}{both}={right}")
    root = right / left
    if left != 1:
        quotient = f"{right}/{signed(left)}"
        pen.write("divide", quotient + (f"={root}" if str(root) != quotient else ""))
    return root


def quadratic_candidates(written: Quadratic, x: str, pen: Pen) -> tuple[Number, ...]:
    """Roots of the written ax^2+bx+c=0 as this writer finds them.

    The discriminant comes first and then the choice it calls for; or factoring at once, right or forced.
    """
    if pen.does(pen.habits.guess_factoring):
        return _factor(written, x, pen)
    a, b, c = written
    discriminant = int(pen.number(b * b - 4 * a * c))
    pen.write("discriminant", _discriminant_text(a, b, c, discriminant))
    if discriminant < 0:
        if pen.does(pen.habits.conclude_negative):
            pen.write("negative")
            return ()
        discriminant = -discriminant
    if discriminant == 0:
        root, quotient = Fraction(-b, 2 * a), f"{-b}/{2 * a}"
        pen.write("double", f"{x}={quotient}" + (f"={root}" if str(root) != quotient else ""))
        return (root,)
    root_of_it = isqrt(discriminant)
    if root_of_it**2 != discriminant:
        return _irrational(written, discriminant, x, pen)
    pen.write("square", f"{discriminant}={root_of_it}^2")
    if pen.does(pen.habits.factor_when_square):
        if a == 1 and c:
            # The two numbers with sum b and product c, found from the root of the discriminant.
            pen.write("numbers", divided_text(b, root_of_it, 2))
        return _factor(written, x, pen)
    return _formula(written, root_of_it, x, pen)


def _discriminant_text(a: int, b: int, c: int, discriminant: int) -> str:
    operator = "-" if c >= 0 else "+"
    start = f"{abs(b)}^2{operator}4*{a}*{abs(c)}=" if a != 1 else ""
    return f"{start}{b * b}{operator}{abs(4 * a * c)}={discriminant}"


def _factor(written: Quadratic, x: str, pen: Pen) -> tuple[Number, ...]:
    """Write a product of two factors: the right one, or the nearest one in integers if there is none."""
    factors = sorted(nearest_factoring(*written), key=lambda factor: Fraction(-factor[1], factor[0]))
    texts = sorted((bracket(factor, x) for factor in factors), key=lambda text: text != x)
    pen.write("factor", f"{''.join(texts)}=0")
    low, high = (Fraction(-m, k) for k, m in factors)
    roots = (low, high) if low != high else (low,)
    pen.write("roots", solutions_text(roots))
    return roots


def nearest_factoring(a: int, b: int, c: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """(k, m), (n, r) with kn=a and mr=c such that (kx+m)(nx+r) is ax^2+bx+c, or comes nearest to it in b."""
    best, found = None, ((a, b), (1, 0))
    for k in range(1, a + 1):
        if a % k:
            continue
        n = a // k
        for size in range(1, abs(c) + 1):
            if c % size:
                continue
            for m in (size, -size):
                distance = abs(k * (c // m) + n * m - b)
                if best is None or distance < best:
                    best, found = distance, ((k, m), (n, c // m))
    return found


def _over(whole: int, radical: str, divisor: int) -> str:
    """`(5+-sqrt(9))/2`, or without its number in front, or without its divisor."""
    body = f"{whole or ''}+-{radical}"
    if divisor == 1:
        return body
    return f"({body})/{divisor}" if whole else f"{body}/{divisor}"


def _formula(written: Quadratic, root: int, x: str, pen: Pen) -> tuple[Number, ...]:
    """The quadratic formula where the discriminant is root^2; slips lose the divisor or the sign of -b."""
    whole, divisor = -written[1], 2 * written[0]
    if pen.does(pen.habits.formula_slip):
        if whole and pen.does(0.5):
            whole = -whole
        else:
            divisor = 1
    pen.write("formula", f"{x}={_over(whole, str(root), divisor)}")
    roots = Fraction(whole - root, divisor), Fraction(whole + root, divisor)
    if divisor != 1:
        pen.write("halve" if divisor == 2 else "divide", divided_text(whole, root, divisor))
    pen.write("roots", solutions_text(roots))
    return roots


def divided_text(whole: int, root: int, divisor: int) -> str:
    """Both signs of (whole+-root)/divisor worked out: `(3-11)/2=-8/2=-4, (3+11)/2=14/2=7`."""
    parts = []
    for sign in (-1, 1):
        top = whole + sign * root
        value, quotient = str(Fraction(top, divisor)), f"{top}/{divisor}"
        start = f"({whole}{sign * root:+d})/{divisor}={quotient}" if whole else quotient
        parts.append(start if quotient == value else f"{start}={value}")
    return ", ".join(parts)


def _irrational(written: Quadratic, discriminant: int, x: str, pen: Pen) -> tuple[Number, ...]:
    """The quadratic formula with a surd; people forget to divide it."""
    whole, divisor = -written[1], 2 * written[0]
    pen.write("formula", f"{x}={_over(whole, f'sqrt({discriminant})', divisor)}")
    times, inside = simplify_root(discriminant)
    if times != 1:
        pen.write("surd", f"sqrt({discriminant})={times}sqrt({inside})")
    if not pen.does(pen.habits.halve_surd):
        # The number in front is divided where that comes out whole, and nothing at all where it does not.
        whole, divisor = (whole // divisor if whole % divisor == 0 else whole), 1
    roots = surd(whole, -times, inside, divisor), surd(whole, times, inside, divisor)
    pen.write("roots", solutions_text(roots))
    return roots


def vieta_check(written: Quadratic, root: Surd, pen: Pen) -> bool:
    """Check a conjugate pair by its product, in writing; whether it solves the written polynomial.

    The sum of a pair is never wrong where its product is right, because the slips leave -b as it stands.
    """
    square, other = root.whole**2, root.times**2 * root.radicand
    product = Fraction(square - other, root.divisor**2)
    fits = product == Fraction(written[2], written[0])
    quotient = f"{square}-{other}" if root.divisor == 1 else f"({square}-{other})/{root.divisor**2}"
    pen.write("check product", f"{quotient}={product} {'ok' if fits else 'no'}")
    return fits


def write_sum(first: Number, second: Number, pen: Pen) -> Fraction:
    """Add two roots in writing; two surds are a conjugate pair."""
    if isinstance(first, Surd):
        total = Fraction(2 * first.whole, first.divisor)
        both = f"{first.whole}{first.whole:+d}" if first.whole else "0+0"
        pen.write("add", f"{both}={total}" if first.divisor == 1 else f"({both})/{first.divisor}={total}")
        return total
    assert isinstance(second, Fraction)
    tail = str(second) if second < 0 else f"+{second}"
    pen.write("add", f"{first}{tail}={first + second}")
    return first + second
