"""The textbook read before any worked problem: short prose about equations, mixed with true identities.

The arithmetic is written exactly as worked solutions write it, so that a small model can learn it here; there
is no `solve:` prompt and no `answer:` line, so that it cannot learn the task here. Polynomials and equations
come from the train split only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction
from functools import lru_cache
from math import isqrt
from random import Random

from practicum.tasks.equations.checks import check_text
from practicum.tasks.equations.families import (
    VARIABLES,
    bracket,
    rational_equation,
    rational_multiplied,
)
from practicum.tasks.equations.notation import (
    polynomial,
    simplify_root,
    solutions_text,
    sum_of,
    surd,
)
from practicum.tasks.equations.problems import canonical_form, split_of
from practicum.tasks.equations.steps import divided_text

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
    "an absolute value gives two cases, plus and minus.",
    "a factor that cancels still excludes its point.",
    "the sum of the roots is the middle number with the other sign.",
    "the product of the roots is the last number.",
    "only real roots count in a sum, and a double root counts once.",
)
Piece = Callable[[Random, str], str]


def passage(random: Random, families: Iterable[str] = ("linear", "quadratic", "rational")) -> str:
    """One passage of 100 to 250 characters: a sentence or two and several identities.

    `families` decides which identities occur besides the common ones.
    """
    deck = _deck(frozenset(families))
    x = random.choice(VARIABLES)
    text = random.choice(PROSE)
    while len(text) < 150:
        piece = random.choice(PROSE) if random.random() < 0.1 else random.choice(deck)(random, x) + "."
        if len(text) + len(piece) + 1 > 250:
            break
        text += " " + piece
    return text


# --- what is drawn from the train split --------------------------------------------------------------


def _train_quadratic(random: Random) -> tuple[int, int]:
    """(b, c) of a polynomial x^2+bx+c of the train split."""
    while True:
        b, c = random.randint(-12, 12), random.randint(-46, 46)
        # Without a constant, and with a double root: rare by chance, and each a trap of its own.
        rare = random.random()
        if rare < 0.12:
            c = 0
        elif rare < 0.2:
            b = 2 * random.randint(-6, 6)
            c = b * b // 4
        if split_of(canonical_form((1, b, c))) == "train":
            return b, c


def _train_roots(random: Random, largest_product: int = 46) -> tuple[int, int]:
    """Two integer roots, ascending, whose monic polynomial belongs to the train split."""
    while True:
        first, second = random.randint(-13, 13), random.randint(-13, 13)
        small = abs(first * second) <= largest_product and abs(first + second) <= 12
        if small and split_of(canonical_form((1, -first - second, first * second))) == "train":
            return min(first, second), max(first, second)


def _factors(first: int, second: int, x: str) -> str:
    texts = [bracket((1, -root), x) for root in (first, second)]
    return "".join(sorted(texts, key=lambda text: text != x))


# --- numbers -----------------------------------------------------------------------------------------


def _square(random: Random, x: str) -> str:
    n = random.randint(0, 20)
    return random.choice((f"{n}^2={n * n}", f"{n * n}={n}^2", f"sqrt({n * n})={n}"))


def _difference(random: Random, x: str) -> str:
    first, second = random.randint(0, 12) ** 2, 4 * random.randint(0, 46)
    if random.random() < 0.35:
        return f"{first}+{second}={first + second}"
    if random.random() < 0.1:
        second = random.choice((0, first))
    return f"{first}-{second}={first - second}"


def _small_sum(random: Random, x: str) -> str:
    largest = random.choice((8, 8, 25))
    first, second = random.randint(-60, 60), random.choice((-1, 1)) * random.randint(1, largest)
    return f"{first}{second:+d}={first + second}"


def _times(random: Random, x: str) -> str:
    first, second = random.choice((4, 4, random.randint(2, 9))), random.randint(0, 46)
    return f"{first}*{second}={first * second}"


def _divide(random: Random, x: str) -> str:
    divisor = random.choice((2, 2, 3, 4, 5, 6, 7, 8, 9, 10))
    number = random.randint(-16, 16) * divisor if random.random() < 0.6 else random.randint(-80, 80)
    quotient, value = f"{number}/{divisor}", str(Fraction(number, divisor))
    if random.random() < 0.5:
        # Under the word a solution writes: quotients that are no root of any training problem are met here.
        return f"divide: {quotient}" + (f"={value}" if value != quotient else "")
    return f"{quotient} is not a whole number" if quotient == value else f"{quotient}={value}"


def _sign(random: Random, x: str) -> str:
    number = random.randint(-60, 60)
    return f"{number} is {'negative' if number < 0 else 'not negative'}"


def _is_square(random: Random, x: str) -> str:
    number = random.randint(1, 18) ** 2 if random.random() < 0.5 else random.randint(2, 330)
    root = isqrt(number)
    return f"{number} is a square, {root}^2" if root * root == number else f"{number} is not a square"


def _simplify(random: Random, x: str) -> str:
    number = random.randint(2, 9) ** 2 * random.choice((2, 3, 5, 6, 7))
    if random.random() < 0.6:
        number = random.randint(2, 330)
    times, inside = simplify_root(number)
    if inside == 1:
        return f"sqrt({number})={times}"
    return f"sqrt({number}) stays" if times == 1 else f"sqrt({number})={times}sqrt({inside})"


# --- quadratics --------------------------------------------------------------------------------------


def _half_sum(random: Random, x: str) -> str:
    gap = random.randint(1, 18)
    return divided_text(2 * random.randint(-6, 5) + gap % 2, gap, 2)


def _formula(random: Random, x: str) -> str:
    """The steps of the quadratic formula, for a discriminant that is positive."""
    b, c = _train_quadratic(random)
    discriminant = b * b - 4 * c
    if discriminant <= 0:
        return _discriminant(random, x)
    root, head = isqrt(discriminant), str(-b) if b else ""
    if root * root == discriminant:
        body = f"({head}+-{root})/2" if b else f"+-{root}/2"
        return f"{body} gives {divided_text(-b, root, 2)}"
    times, inside = simplify_root(discriminant)
    part = f"{'' if times == 1 else times}sqrt({inside})"
    body = f"({head}+-{part})/2" if b else f"+-{part}/2"
    result = solutions_text((surd(-b, -times, inside, 2), surd(-b, times, inside, 2)))
    return f"{body}={result}" if body != result else f"{body} stays"


def _product_of_surds(random: Random, x: str) -> str:
    b, c = _train_quadratic(random)
    discriminant = b * b - 4 * c
    if discriminant <= 0 or isqrt(discriminant) ** 2 == discriminant:
        return _difference(random, x)
    if b % 2 == 0:
        return f"{b * b // 4}{-discriminant // 4:+d}={c}"
    return f"({b * b}-{discriminant})/4={c}"


def _expand(random: Random, x: str) -> str:
    first, second = _train_roots(random)
    product = polynomial((1, -first - second, first * second), x)
    text = _factors(first, second, x)
    return f"{text}={product}" if random.random() < 0.35 else f"{product}={text}"


def _numbers(random: Random, x: str) -> str:
    first, second = _train_roots(random)
    gap = f"{(second - first) ** 2}={second - first}^2"
    texts = divided_text(first + second, second - first, 2)
    return f"numbers with sum {first + second} and product {first * second}: {gap}, {texts}"


def _zero_product(random: Random, x: str) -> str:
    first, second = _train_roots(random)
    roots = solutions_text(Fraction(root) for root in sorted({first, second}))
    return f"{_factors(first, second, x)}=0 has roots {roots}"


def _discriminant(random: Random, x: str) -> str:
    b, c = _train_quadratic(random)
    value = b * b - 4 * c
    tail = f"-{4 * c}" if c >= 0 else f"+{-4 * c}"
    return f"{polynomial((1, b, c), x)} has discriminant {b * b}{tail}={value}"


def _vieta(random: Random, x: str) -> str:
    b, c = _train_quadratic(random)
    text = polynomial((1, b, c), x)
    if b * b < 4 * c:
        return f"{text} starts with {x}^2 and ends with {c}"
    return f"the product of the roots of {text} is {c}, the sum is {-b}"


def _to_standard(random: Random, x: str) -> str:
    b, c = _train_quadratic(random)
    text = polynomial((1, b, c), x)
    if random.random() < 0.5:
        return f"{x}^2={polynomial((-b, -c), x)} gives {text}=0"
    return f"{polynomial((1, b, 0), x)}={-c} gives {text}=0"


# --- the other families ------------------------------------------------------------------------------


def _clear(random: Random, x: str) -> str:
    """One of the first two steps of the rational family."""
    b, c = _train_quadratic(random)
    layout = random.choice((0, 0, 0, 1, 2, 3, 4))
    multiplied = rational_multiplied(Fraction(1 - b), Fraction(c), 1, x, layout)
    if random.random() < 0.5:
        return f"{rational_equation(1 - b, c, x, layout)} times {x} is {multiplied}"
    return f"{multiplied} gives {polynomial((1, b, c), x)}=0"


def _collect(random: Random, x: str) -> str:
    a, b = random.randint(-13, 13), random.randint(-46, 46)
    return f"{sum_of(((a, x), (-b, ''), (-1, x)))}={sum_of(((a - 1, x), (-b, '')))}"


def _substitute(random: Random, x: str) -> str:
    """A number put into an equation of the rational family: one of its roots, or a divisor of b."""
    first, second = _train_roots(random)
    value = first or second
    if value == 0:
        return _small_sum(random, x)
    equation = rational_equation(first + second + 1, first * second, x, random.choice((0, 0, 0, 1, 2, 3, 4)))
    return f"{equation} at {value}: {check_text(equation, x, Fraction(value))[0]}"


def _move(random: Random, x: str) -> str:
    a, b, c, d = (random.randint(low, high) for low, high in ((1, 6), (-12, 12), (-4, 4), (-50, 50)))
    if b == 0 or a == c or split_of(canonical_form((a - c, b - d))) != "train":
        return _small_sum(random, x)
    before = f"{polynomial((a, b), x)}={polynomial((c, d), x)}"
    return f"{before} gives {sum_of(((a, x), (-c, x)))}={sum_of(((d, ''), (-b, '')))}"


def _like_terms(random: Random, x: str) -> str:
    a, c = random.randint(1, 16), random.choice((-1, 1)) * random.randint(1, 9)
    return f"{sum_of(((a, x), (c, x)))}={sum_of(((a + c, x),))}"


def _bracket_times(random: Random, x: str) -> str:
    a, b = random.randint(2, 9), random.randint(-20, 20) or 1
    return f"{a}({polynomial((1, b), x)})={polynomial((a, a * b), x)}"


def _cancel(random: Random, x: str) -> str:
    first, second = _train_roots(random)
    left, right = bracket((1, -first), x), bracket((1, -second), x)
    return f"{left}{right}/{left} is {polynomial((1, -second), x)} but {x}!={first}"


def _square_of_sum(random: Random, x: str) -> str:
    c = random.choice((-1, 1)) * random.randint(1, 9)
    return f"({polynomial((1, c), x)})^2={polynomial((1, 2 * c, c * c), x)}"


def _root_value(random: Random, x: str) -> str:
    a, value, root = random.randint(1, 6), random.randint(-9, 12), random.randint(0, 10)
    equation = f"sqrt({polynomial((a, root * root - a * value), x)})={x}"
    return f"{equation.partition('=')[0]} at {value}: {check_text(equation, x, Fraction(value))[0]}"


def _absolute_value(random: Random, x: str) -> str:
    number = random.randint(-30, 30)
    if random.random() < 0.5:
        return f"|{number}|={abs(number)}"
    right = polynomial((random.choice((1, -1)), random.randint(-12, 12) or 1), x)
    return f"{right} at {number}: {check_text(f'{right}=0', x, Fraction(number))[0]}"


def _opposite(random: Random, x: str) -> str:
    a, b = random.choice((-1, 1)) * random.randint(1, 6), random.randint(-20, 20)
    return f"-({polynomial((a, b), x)})={polynomial((-a, -b), x)}"


def _difference_of_squares(random: Random, x: str) -> str:
    y = "z" if x == "y" else "y"
    c = random.randint(1, 5)
    right = sum_of(((c, x), (c, y)))
    return random.choice((f"{y}^2-{x}^2=({y}-{x})({y}+{x})", f"{y}^2-{x}^2={right} gives {y}={x}+{c}"))


_COMMON: dict[Piece, int] = {_square: 4, _small_sum: 50, _times: 5, _divide: 16, _sign: 3}
_QUADRATIC: dict[Piece, int] = {
    _difference: 64,
    _is_square: 6,
    _simplify: 7,
    _half_sum: 26,
    _formula: 14,
    _product_of_surds: 8,
    _expand: 14,
    _numbers: 14,
    _zero_product: 4,
    _discriminant: 6,
    _vieta: 4,
}
_BY_FAMILY: dict[str, dict[Piece, int]] = {
    "linear": {_divide: 36, _move: 18, _like_terms: 12, _bracket_times: 1},
    "quadratic": {**_QUADRATIC, _to_standard: 6},
    "rational": {**_QUADRATIC, _clear: 14, _collect: 4, _substitute: 22},
    "cancelled": {**_QUADRATIC, _cancel: 14, _move: 18, _expand: 14},
    "radical": {**_QUADRATIC, _square_of_sum: 8, _root_value: 8},
    "nested": {**_QUADRATIC, _square_of_sum: 6, _root_value: 8, _difference_of_squares: 8},
    "absolute": {_move: 10, _like_terms: 8, _absolute_value: 14, _opposite: 8},
    # Its drill has passages of its own, see `long_linear.drills`.
    "long_linear": {},
}


@lru_cache(maxsize=64)
def _deck(families: frozenset[str]) -> tuple[Piece, ...]:
    """The pieces for some families, each as often as its weight says."""
    weights = dict(_COMMON)
    for family in sorted(families):
        weights.update(_BY_FAMILY[family])
    return tuple(piece for piece, weight in weights.items() for _ in range(weight))
