"""Equations with a letter parameter, always asked as a sum: a-(a+x)/x=x has the real solutions' sum a-1.

A coefficient that may hold the parameter is a pair (k, m) meaning k*a+m.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from math import gcd
from random import Random
from types import MappingProxyType

from practicum.tasks.equations.notation import sum_of
from practicum.tasks.equations.problems import Problem

PARAMETERS = "abc"
VARIABLES = "xxyyztpqsuvw"
Form = tuple[int, int]


def form_text(form: Form, parameter: str) -> str:
    """`3`, `2a`, `a-1`, `1-a`: a positive term comes first."""
    k, m = form
    terms = ((m, ""), (k, parameter)) if k < 0 < m else ((k, parameter), (m, ""))
    return sum_of(terms)


def term(form: Form, parameter: str, letter: str) -> str:
    """The form as the coefficient of `letter` with its sign in front: `+ax`, `-2ax`, `+(a-1)x`, `+3x`."""
    k, m = form
    if k and m and not letter:
        text = form_text(form, parameter)
        return text if text[0] == "-" else f"+{text}"
    if k and m:
        sign, body = ("-", (-k, -m)) if k < 0 else ("+", form)
        return f"{sign}({form_text(body, parameter)}){letter}"
    text = sum_of(((k, parameter + letter), (m, letter)))
    return "" if text == "0" else text if text[0] == "-" else f"+{text}"


def minus(form: Form) -> Form:
    """The form times -1."""
    return -form[0], -form[1]


def over(form: Form, divisor: int, parameter: str) -> str:
    """The form divided by a positive integer, in lowest terms: `(7-a)/3`, `a/2`."""
    common = gcd(form[0], form[1], divisor)
    k, m, rest = form[0] // common, form[1] // common, divisor // common
    text = form_text((k, m), parameter)
    if rest == 1:
        return text
    return f"({text})/{rest}" if k and m else f"{text}/{rest}"


def _join(*terms: str) -> str:
    text = "".join(terms)
    return text[1:] if text.startswith("+") else text or "0"


def _form(level: int, random: Random) -> Form:
    k = random.choice((1, 1, 2, -1) if level == 1 else (1, 2, 3, -1, -2))
    return k, random.choice((0, 0, random.randint(-6 * level, 6 * level)))


def _number(level: int, random: Random) -> Form:
    return 0, random.choice((-1, 1)) * random.randint(1, 12 * level)


def _problem(
    family: str, level: int, equation: str, x: str, parameter: str, reduced: tuple[Form, ...], answer: str
) -> Problem:
    flat = tuple(number for form in reduced for number in form)
    common = gcd(*flat)
    canonical = ",".join(f"{k // common}a{m // common:+d}" for k, m in reduced)
    return Problem(
        equation=equation,
        variable=x,
        family=family,
        level=level,
        kind="parametric",
        ask="sum",
        canonical=f"parametric {canonical}" + (" | excluded 0" if family == "rational" else ""),
        answer=answer,
        parameters=(parameter,),
        numbers=tuple(Fraction(number) for number in flat),
    )


def linear(level: int, random: Random) -> Problem:
    """nx+b=c with a parameter in b or c: the one solution is (c-b)/n."""
    x, parameter = random.choice(VARIABLES), random.choice(PARAMETERS)
    n = random.randint(1, 5 + 2 * level)
    left, right = _form(level, random), _number(level, random)
    if random.random() < 0.4:
        left, right = right, left
    rest = left[0] - right[0], left[1] - right[1]
    sides = _join(term((0, n), parameter, x), term(left, parameter, "")), form_text(right, parameter)
    answer = over(minus(rest), n, parameter)
    return _problem("linear", level, "=".join(sides), x, parameter, ((0, n), rest), answer)


def quadratic(level: int, random: Random) -> Problem:
    """nx^2+bx+c=0 with a parameter in b, perhaps in c: the sum of the solutions is -b/n."""
    x, parameter = random.choice(VARIABLES), random.choice(PARAMETERS)
    n = 1 if level == 1 else random.choice((1, 2, 3))
    middle = _form(level, random)
    last = _form(level, random) if random.random() < 0.3 else _number(level, random)
    equation = _standard(n, middle, last, x, parameter)
    answer = over(minus(middle), n, parameter)
    return _problem("quadratic", level, equation, x, parameter, ((0, n), middle, last), answer)


def rational(level: int, random: Random) -> Problem:
    """a-(b+x)/x=x with a parameter in a or b: x^2+(1-a)x+b=0, so the sum is a-1."""
    x, parameter = random.choice(VARIABLES), random.choice(PARAMETERS)
    if random.random() < 0.35:
        first = second = (random.choice((1, 1, 1, 2, 3)), 0)
    else:
        first = _form(level, random) if random.random() < 0.8 else _number(level, random)
        second = _number(level, random) if first[0] and random.random() < 0.6 else _form(level, random)
    head = form_text(first, parameter)
    inside = _join(term(second, parameter, ""), f"+{x}")
    reduced = (0, 1), (-first[0], 1 - first[1]), second
    answer = form_text((first[0], first[1] - 1), parameter)
    return _problem("rational", level, f"{head}-({inside})/{x}={x}", x, parameter, reduced, answer)


def _standard(n: int, middle: Form, last: Form, x: str, parameter: str) -> str:
    terms = term((0, n), parameter, f"{x}^2"), term(middle, parameter, x), term(last, parameter, "")
    return f"{_join(*terms)}=0"


def worked_lines(problem: Problem, flips_sign: bool) -> list[tuple[str, str]]:
    """The steps to the sum as (word, maths); `flips_sign` makes the mistake of a lost sign."""
    x, parameter = problem.variable, problem.parameters[0]
    numbers = [int(number) for number in problem.numbers]
    forms = list(zip(numbers[::2], numbers[1::2], strict=True))
    n, rest = forms[0][1], forms[1]
    total = rest if flips_sign else minus(rest)
    answer = over(total, n, parameter)
    if problem.family == "linear":
        steps = [("move", f"{_join(term((0, n), parameter, x))}={form_text(total, parameter)}")]
        return steps + ([("divide", f"{x}={answer}")] if n != 1 else []) + [("answer", answer)]
    steps = [("vieta", answer), ("answer", answer)]
    if problem.family == "rational":
        first, last = (-rest[0], 1 - rest[1]), forms[2]
        products = _join(term(first, parameter, x), term(minus(last), parameter, ""), f"-{x}")
        standard = _standard(1, rest, last, x, parameter)
        steps = [("multiply", f"{products}={x}^2"), ("standard", standard), *steps]
    return steps


PARAMETRIC: Mapping[str, Callable[[int, Random], Problem]] = MappingProxyType(
    {"linear": linear, "quadratic": quadratic, "rational": rational}
)
