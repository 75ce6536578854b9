"""The textbook read before any worked problem: short prose about equations, mixed with true identities.

The arithmetic is written exactly as worked solutions write it, so that a small model can learn it here; there
is no `solve:` prompt and no `answer:` line, so that it cannot learn the task here. Polynomials and equations
come from the train split only.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import isqrt
from random import Random

from practicum.tasks.equations.families import VARIABLES, rational_equation
from practicum.tasks.equations.problems import canonical_form, split_of
from practicum.tasks.equations.notation import polynomial, simplify_root, solutions_text, sum_of, surd
from practicum.tasks.equations.notation import quadratic_roots, signed

PROSE = (
    "an equation says that two sides are equal.",
    "a root makes both sides equal.",
    "to solve an equation is to find all its real roots.",
    "what is done to one side must be done to the other side.",
    "a term moved to the other side changes its sign.",
    "we may not divide by 0, so a denominator is never 0.",
    "write the domain first: the points where a denominator is 0 are excluded.",
    "a root outside the domain is rejected.",
    "multiply both sides by the denominator to clear it.",
    "in standard form one side is 0.",
    "a product is 0 when one of its factors is 0.",
    "if the discriminant is negative there are no real roots.",
    "if the discriminant is 0 there is one double root.",
    "if the discriminant is a square the roots are rational and we can factor.",
    "if the discriminant is not a square the roots are irrational.",
    "the formula takes the negative of the middle number and divides all by 2.",
    "both terms of the formula are divided, the square root too.",
    "always check a root in the first equation.",
    "when a check fails, look for the slip and start again.",
    "a square root is never negative.",
    "after squaring both sides, check each root, some may be false.",
    "an absolute value is never negative.",
    "an absolute value gives two cases, one for each sign.",
    "a factor that cancels still excludes its point.",
    "the sum of the roots is the middle number with the other sign.",
    "the product of the roots is the last number.",
    "only real roots count in a sum, and a double root counts once.",
)


def _train_quadratic(random: Random, largest_sum: int = 13, largest_product: int = 36) -> tuple[int, int]:
    """(b, c) of a polynomial x^2+bx+c of the train split."""
    while True:
        b, c = random.randint(-largest_sum, largest_sum), random.randint(-largest_product, largest_product)
        if split_of(canonical_form((1, b, c))) == "train":
            return b, c


def _train_roots(random: Random) -> tuple[int, int]:
    """Two integer roots, ascending, whose monic polynomial belongs to the train split."""
    while True:
        first, second = random.randint(-12, 12), random.randint(-12, 12)
        polynomial_key = canonical_form((1, -first - second, first * second))
        if abs(first * second) <= 60 and split_of(polynomial_key) == "train":
            return min(first, second), max(first, second)


def _factors(first: int, second: int, x: str) -> str:
    low, high = (x if root == 0 else f"({polynomial((1, -root), x)})" for root in (first, second))
    return f"{high}{low}" if second == 0 and first != 0 else f"{low}{high}"


def _square(random: Random, x: str) -> str:
    n = random.randint(0, 20)
    return random.choice((f"{n}^2={n * n}", f"{n * n}={n}^2", f"sqrt({n * n})={n}"))


def _difference(random: Random, x: str) -> str:
    first, second = random.randint(0, 14) ** 2, 4 * random.randint(0, 40)
    if random.random() < 0.3:
        return f"{first}+{second}={first + second}"
    return f"{first}-{second}={first - second}"


def _small_sum(random: Random, x: str) -> str:
    first, second = random.randint(-40, 40), random.randint(1, 40)
    if random.random() < 0.5:
        second = -second
    return f"{first}{second:+d}={first + second}"


def _times(random: Random, x: str) -> str:
    first, second = random.choice((4, 4, random.randint(2, 12))), random.randint(0, 40)
    return f"{first}*{second}={first * second}"


def _divide(random: Random, x: str) -> str:
    divisor = random.choice((2, 2, 2, random.randint(3, 12)))
    number = random.randint(-30, 30) * random.choice((1, divisor))
    value = Fraction(number, divisor)
    if str(value) == f"{number}/{divisor}":
        return f"{number}/{divisor} is not a whole number"
    return f"{number}/{divisor}={value}"


def _half_sum(random: Random, x: str) -> str:
    first, second = _train_roots(random)
    total, gap = first + second, second - first
    return f"({total}-{gap})/2={2 * first}/2={first}, ({total}+{gap})/2={2 * second}/2={second}"


def _simplify(random: Random, x: str) -> str:
    while True:
        number = random.randint(2, 250) if random.random() < 0.4 else random.randint(2, 9) ** 2 * random.randint(2, 7)
        times, inside = simplify_root(number)
        if inside == 1:
            continue
        if times == 1:
            return f"sqrt({number}) stays"
        return f"sqrt({number})={times}sqrt({inside})"


def _halve_surd(random: Random, x: str) -> str:
    b, c = _train_quadratic(random)
    discriminant = b * b - 4 * c
    if discriminant <= 0 or isqrt(discriminant) ** 2 == discriminant:
        return _simplify(random, x)
    times, inside = simplify_root(discriminant)
    root = f"{'' if times == 1 else times}sqrt({inside})"
    result = solutions_text((surd(-b, -times, inside, 2), surd(-b, times, inside, 2)))
    body = f"({-b}+-{root})/2" if b else f"+-{root}/2"
    return f"{body}={result}" if body != result else f"{body} stays"


def _expand(random: Random, x: str) -> str:
    first, second = _train_roots(random)
    product = polynomial((1, -first - second, first * second), x)
    text = _factors(first, second, x)
    return random.choice((f"{text}={product}", f"{product}={text}", f"{product}={text}"))


def _numbers(random: Random, x: str) -> str:
    first, second = _train_roots(random)
    return f"numbers with sum {first + second} and product {first * second}: {first}, {second}"


def _zero_product(random: Random, x: str) -> str:
    first, second = _train_roots(random)
    return f"{_factors(first, second, x)}=0 has roots {solutions_text(sorted({Fraction(first), Fraction(second)}))}"


def _discriminant(random: Random, x: str) -> str:
    b, c = _train_quadratic(random)
    value = b * b - 4 * c
    tail = f"-{4 * c}" if c >= 0 else f"+{-4 * c}"
    return f"{polynomial((1, b, c), x)} has discriminant {b * b}{tail}={value}"


def _sign(random: Random, x: str) -> str:
    number = random.randint(-60, 60)
    return f"{number} is {'negative' if number < 0 else 'not negative'}"


def _is_square(random: Random, x: str) -> str:
    number = random.randint(1, 15) ** 2 if random.random() < 0.5 else random.randint(2, 220)
    root = isqrt(number)
    return f"{number} is a square, {root}^2" if root * root == number else f"{number} is not a square"


def _collect(random: Random, x: str) -> str:
    a, b = random.randint(-12, 12), random.randint(-36, 36)
    terms = sum_of(((a, x), (-b, ""), (-1, x)))
    return f"{terms}={sum_of(((a - 1, x), (-b, '')))}"


def _clear(random: Random, x: str) -> str:
    """The rational family's first steps, for equations of the train split, without the rest."""
    b, c = _train_quadratic(random, 12, 36)
    a, layout = Fraction(1 - b), random.choice((0, 0, 0, 1, 2, 3, 4))
    left = f"{rational_equation(a, Fraction(c), x, 0)} times {x} is {sum_of(((a, x), (-c, ''), (-1, x)))}={x}^2"
    if random.random() < 0.5:
        return left
    return f"{sum_of(((a, x), (-c, ''), (-1, x)))}={x}^2 gives {polynomial((1, b, c), x)}=0"


def _move(random: Random, x: str) -> str:
    a, b, c, d = random.randint(1, 9), random.randint(-20, 20), random.randint(-6, 6), random.randint(-40, 40)
    if b == 0 or a == c or split_of(canonical_form((a - c, b - d))) != "train":
        return _small_sum(random, x)
    before = f"{polynomial((a, b), x)}={polynomial((c, d), x)}"
    return f"{before} gives {sum_of(((a, x), (-c, x)))}={sum_of(((d, ''), (-b, '')))}"


def _substitute(random: Random, x: str) -> str:
    a, root = random.randint(-12, 12), random.choice((-6, -5, -4, -3, -2, -1, 1, 2, 3, 4, 5, 6))
    quotient = random.randint(-9, 9)
    b = quotient * root - root
    inside = f"{b}{root:+d}"
    return f"{a}-({inside})/{signed(root)}={a}-{signed(quotient)}={a - quotient}"


def _roots_of(random: Random, x: str) -> str:
    b, c = _train_quadratic(random)
    roots = quadratic_roots(1, b, c)
    total = f"the sum of the roots of {polynomial((1, b, c), x)} is {-b}"
    return total if len(roots) == 2 else f"{polynomial((1, b, c), x)} starts with {x}^2 and ends with {c}"


_IDENTITIES: tuple[tuple[Callable[[Random, str], str], int], ...] = (
    (_square, 6),
    (_difference, 12),
    (_small_sum, 8),
    (_times, 6),
    (_divide, 5),
    (_half_sum, 8),
    (_simplify, 8),
    (_halve_surd, 10),
    (_expand, 12),
    (_numbers, 5),
    (_zero_product, 5),
    (_discriminant, 14),
    (_sign, 4),
    (_is_square, 8),
    (_collect, 5),
    (_clear, 12),
    (_move, 6),
    (_substitute, 6),
    (_roots_of, 3),
)
_DECK = tuple(function for function, weight in _IDENTITIES for _ in range(weight))


def passage(random: Random) -> str:
    """One passage of 100 to 250 characters: a sentence or two and several identities."""
    x = random.choice(VARIABLES)
    text = random.choice(PROSE)
    while len(text) < 150:
        if random.random() < 0.1:
            piece = random.choice(PROSE)
        else:
            piece = random.choice(_DECK)(random, x) + "."
        if len(text) + len(piece) + 1 > 250:
            break
        text += " " + piece
    return text
