"""What a solution does, found by parsing its steps: a keyword without true mathematics does not count.

domain_check     before any solving step, a line excludes a zero of a denominator of the prompt's equation, or
                 states that a radicand, or what equals a root or an absolute value, is not negative
factoring        a product of factors set to 0 that really is the reduced polynomial, up to a constant
factoring_wrong  a product of factors set to 0 that is not
formula          the discriminant of the reduced polynomial, rightly worked out
verification     a claimed candidate put into the prompt's equation (or a pair of surds multiplied), with true
                 arithmetic and a verdict that follows from it
correction       after a verification failed, the final answer no longer holds that candidate
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import lru_cache
from math import isnan
from typing import Any

from practicum.exact.expression import (
    Absolute,
    Equation,
    Expression,
    Negative,
    Number,
    Power,
    Product,
    Sum,
    parse_equation,
)
from practicum.tasks.equations.checks import NotRationalError, evaluate
from practicum.tasks.equations.reading import (
    Polynomial,
    approximate,
    coefficients,
    expression_of,
    letters_in,
    monic,
    nearly_equal,
    rational_value,
    real_value,
    walk,
)

NAMES = ("domain_check", "factoring", "factoring_wrong", "formula", "verification", "correction")
MAX_LINES = 64
"""Lines of a completion that are read; worked solutions have about ten."""
MAX_CHARACTERS = 200
"""Longest line that is read."""

_FACTORS = re.compile(r"[^=!<>:]*\)[^=!<>:]*=0|[a-z]\([^=!<>:]*\)=0")
_CHECK = re.compile(r"check (\S+): (.*) (ok|no)")
_SURD_PAIR = re.compile(r"\(?(-?[0-9]{0,6})\+-([0-9]{0,6})sqrt\(([0-9]{1,6})\)\)?(?:/([0-9]{1,6}))?")


def behaviours_of(data: Mapping[str, Any], text: str) -> dict[str, bool]:
    """Behaviours of one completion, every name of NAMES a key; `data` is the record of an equations prompt.

    Never raises on any text.
    """
    found = dict.fromkeys(NAMES, False)
    equation, variable = data["equation"], data["variable"]
    targets = _targets(tuple(data["reduced"]), equation)
    solving = False
    lines = text.split("\n", MAX_LINES)[:MAX_LINES]
    failed: list[str] = []
    for index, line in enumerate(lines):
        if len(line) > MAX_CHARACTERS:
            continue
        word, _, maths = line.partition(": ")
        if not solving and ("!=" in maths or ">=" in maths):
            found["domain_check"] |= _states_domain(equation, variable, maths)
        solving = solving or _is_step(maths)
        if maths.endswith("=0") and _FACTORS.fullmatch(maths):
            verdict = _factoring(maths, variable, targets)
            if verdict is not None:
                found["factoring" if verdict else "factoring_wrong"] = True
        elif word == "discriminant":
            found["formula"] |= _states_discriminant(maths, targets)
        elif word.startswith("check"):
            outcome = _verifies(equation, variable, targets, line, lines[:index])
            found["verification"] |= outcome is not None
            if outcome is False:
                failed.append(word.removeprefix("check "))
    if failed and len(lines) > 1 and lines[-1].startswith("answer: "):
        found["correction"] = not any(_holds(lines[-1], lines, candidate) for candidate in failed)
    return found


def _is_step(maths: str) -> bool:
    return "=" in maths.replace("!=", "").replace(">=", "")


def _holds(answer: str, lines: Sequence[str], candidate: str) -> bool:
    """Whether the final answer still holds a candidate that failed."""
    members = answer.removeprefix("answer: ").split(", ")
    if candidate != "product":
        return candidate in members
    claimed = next((line for line in lines if line.startswith("roots: ") and "+-" in line), "")
    return claimed.removeprefix("roots: ") in members


# --- polynomials and domains -------------------------------------------------------------------------


@lru_cache(maxsize=8192)
def _targets(reduced: tuple[int, ...], equation: str) -> tuple[Polynomial, ...]:
    """Monic quadratics a solution may factor: the reduced one, or what a cancelled factor leaves of it."""
    polynomial = monic(tuple(Fraction(value) for value in reversed(reduced)))
    if len(polynomial) != 4:
        return (polynomial,) if len(polynomial) == 3 else ()
    found = []
    for divisor in _divisors(equation):
        if len(divisor) == 2:
            root = -divisor[0] / divisor[1]
            second = polynomial[2] + root
            found.append((polynomial[1] + root * second, second, Fraction(1)))
    return tuple(found)


@lru_cache(maxsize=8192)
def _parsed(equation: str) -> Equation:
    return parse_equation(equation)


@lru_cache(maxsize=8192)
def _divisors(equation: str) -> tuple[Polynomial, ...]:
    """The denominators of an equation that are polynomials in its unknown."""
    parsed = _parsed(equation)
    found = []
    for side in (parsed.left, parsed.right):
        for node in walk(side):
            for divisor in node.divisors if isinstance(node, Product) else ():
                letters = letters_in(divisor)
                polynomial = coefficients(divisor, min(letters)) if len(letters) == 1 else None
                if polynomial is not None:
                    found.append(polynomial)
    return tuple(found)


@lru_cache(maxsize=8192)
def _conditions(equation: str, variable: str) -> tuple[Polynomial, ...]:
    """Polynomials that must not be negative: radicands, and what equals a root or an absolute value."""
    parsed = _parsed(equation)
    found = []
    for side in (parsed.left, parsed.right):
        for node in walk(side):
            if isinstance(node, Power) and node.denominator == 2:
                found.append(coefficients(node.base, variable))
    terms = [*_terms(parsed.left, 1), *_terms(parsed.right, -1)]
    roots = [(sign, term) for sign, term in terms if _is_root(term)]
    if len(roots) == 1:
        sign, root = roots[0]
        others = (Negative(term) if other == sign else term for other, term in terms if term is not root)
        found.append(coefficients(Sum((Number(0), *others)), variable))
    return tuple(polynomial for polynomial in found if polynomial is not None)


def _terms(node: Expression, sign: int) -> list[tuple[int, Expression]]:
    if isinstance(node, Negative):
        return _terms(node.inner, -sign)
    if isinstance(node, Sum):
        return [pair for term in node.terms for pair in _terms(term, sign)]
    return [(sign, node)]


def _is_root(node: Expression) -> bool:
    return isinstance(node, Absolute) or (isinstance(node, Power) and node.denominator == 2)


@lru_cache(maxsize=65536)
def _states_domain(equation: str, variable: str, maths: str) -> bool:
    """Whether every statement `x!=0` or `x+1>=0` of the line belongs to the equation."""
    return all(_states_one(equation, variable, statement) for statement in maths.split(", "))


def _states_one(equation: str, variable: str, statement: str) -> bool:
    left, sign, right = statement.partition("!=" if "!=" in statement else ">=")
    difference = expression_of(f"{left}-({right})") if sign else None
    polynomial = coefficients(difference, variable) if difference is not None else None
    if polynomial is None or len(monic(polynomial)) < 2:
        return False
    if sign == ">=":
        return any(_same_sign(polynomial, condition) for condition in _conditions(equation, variable))
    roots = monic(polynomial)
    return len(roots) == 2 and any(
        sum(value * (-roots[0]) ** power for power, value in enumerate(divisor)) == 0
        for divisor in _divisors(equation)
    )


def _same_sign(left: Polynomial, right: Polynomial) -> bool:
    """Whether one polynomial is a positive multiple of the other."""
    first, second = monic(left), monic(right)
    return bool(first) and first == second and (left[len(first) - 1] > 0) == (right[len(first) - 1] > 0)


# --- steps -------------------------------------------------------------------------------------------


@lru_cache(maxsize=65536)
def _factoring(maths: str, variable: str, targets: tuple[Polynomial, ...]) -> bool | None:
    """Whether a product set to 0 is one of the target polynomials; None where it is no product of factors."""
    node = expression_of(maths.removesuffix("=0"))
    if isinstance(node, Power) and node.denominator == 1 and node.numerator == 2:
        node = Product((node.base, node.base))
    if not isinstance(node, Product) or node.divisors:
        return None
    factors = [factor for factor in node.factors if variable in letters_in(factor)]
    if len(factors) < 2:
        return None
    polynomial = coefficients(node, variable)
    return polynomial is not None and monic(polynomial) in targets


@lru_cache(maxsize=65536)
def _states_discriminant(maths: str, targets: tuple[Polynomial, ...]) -> bool:
    """Whether a true chain of constants ends in the discriminant of a target, up to a square factor."""
    value = _chain_value(maths)
    if value is None:
        return False
    for constant, middle, _ in targets:
        discriminant = middle * middle - 4 * constant
        # Written for a*x^2+..., the discriminant is a^2 times that of the monic polynomial.
        scale = value / discriminant if discriminant else Fraction(1 if value == 0 else -1)
        roots = _root(scale)
        if roots is not None and roots != 0:
            return True
    return False


def _root(value: Fraction) -> Fraction | None:
    try:
        return evaluate(Power(Number(value.numerator, value.denominator), 1, 2), Fraction(0))
    except NotRationalError:
        return None


def _chain_value(maths: str) -> Fraction | None:
    """The common value of `a=b=c`, each a constant expression, one step at least; None if one is false."""
    values = [rational_value(part) for part in maths.split("=")]
    if len(values) < 2 or None in values or len(set(values)) > 1:
        return None
    return values[0]


def _verifies(
    equation: str, variable: str, targets: tuple[Polynomial, ...], line: str, before: Sequence[str]
) -> bool | None:
    """The outcome of a check line, True or False; None where it is no honest check of a claimed candidate."""
    match = _CHECK.fullmatch(line)
    if match is None:
        return None
    label, maths, verdict = match.groups()
    says = verdict == "ok"
    if label == "product":
        true = _product_check(maths, targets, before)
    else:
        candidate = rational_value(label)
        if candidate is None or not any(candidate in _claims(earlier, variable) for earlier in before):
            return None
        true = _substitution(equation, candidate, label, maths)
    return says if true is says else None


@lru_cache(maxsize=65536)
def _claims(line: str, variable: str) -> frozenset[Fraction]:
    """Candidates a line claims: `roots: 1, 4`, or the end of `divide: 6/2=3` or `x=6/2=3`."""
    word, _, maths = line.partition(": ")
    claims = word in ("roots", "divide") or maths.startswith(f"{variable}=")
    if len(line) > MAX_CHARACTERS or not claims:
        return frozenset()
    values = (rational_value(item.rpartition("=")[2]) for item in maths.split(", "))
    return frozenset(value for value in values if value is not None)


@lru_cache(maxsize=65536)
def _substitution(equation: str, candidate: Fraction, label: str, maths: str) -> bool | None:
    """Whether the candidate solves the equation, if the line shows it by true arithmetic; else None."""
    parsed = _parsed(equation)
    try:
        values = [approximate(side, float(candidate)) for side in (parsed.left, parsed.right)]
    except ZeroDivisionError:
        return False if maths == "divide by 0" else None
    true = not any(map(isnan, values)) and nearly_equal(*values)
    shown = False
    for chain in maths.split(", "):
        first, _, _ = chain.partition("=")
        if label.lstrip("-") not in first or not re.search(r"[-+*/^(|]", first.lstrip("-")):
            continue
        steps = [real_value(step) for step in chain.split("=")]
        if not all(nearly_equal(steps[0], step) for step in steps[1:]):
            return None
        if not any(nearly_equal(steps[0], value) for value in values):
            return None
        shown = True
    return true if shown else None


def _product_check(maths: str, targets: tuple[Polynomial, ...], before: Sequence[str]) -> bool | None:
    """Whether a claimed pair of surds has the product of the roots, if the line rightly multiplies it."""
    value = _chain_value(maths)
    pair = next((line for line in reversed(before) if line.startswith("roots: ") and "+-" in line), "")
    match = _SURD_PAIR.fullmatch(pair.removeprefix("roots: "))
    if value is None or match is None:
        return None
    whole, times, inside, divisor = (
        int(text) if text not in ("", "-", None) else default
        for text, default in zip(match.groups(), (0, 1, 0, 1), strict=True)
    )
    squares = f"{whole**2}-{times**2 * inside}"
    if maths.partition("=")[0] != (squares if divisor == 1 else f"({squares})/{divisor**2}"):
        return None
    return any(value == target[0] for target in targets)
