"""What a solution does, found by parsing its steps: a keyword without true mathematics behind it does not count.

domain_check     before any solving step, a line excludes a real zero of a denominator of the prompt's equation,
                 or states that a radicand, or what equals a root or an absolute value, is not negative
factoring        a product of factors set to 0 that really is the reduced polynomial, up to a constant
factoring_wrong  a product of factors set to 0 that is not
formula          the discriminant of the reduced polynomial, rightly worked out
verification     a claimed candidate put into the prompt's equation (or a pair of surds multiplied), with true
                 arithmetic and a verdict that follows from it
correction       after a verification failed, the final answer no longer holds that candidate
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Any

from practicum.errors import InputError
from practicum.tasks.equations.checks import MAX_BITS, NotRationalError, evaluate
from practicum.tasks.equations.expression import (
    Absolute,
    Equation,
    Expression,
    Name,
    Negative,
    Number,
    Power,
    Product,
    Sum,
    parse_equation,
    parse_expression,
)

NAMES = ("domain_check", "factoring", "factoring_wrong", "formula", "verification", "correction")
MAX_LINES = 64
"""Lines of a completion that are read; worked solutions have about ten."""

Polynomial = tuple[Fraction, ...]
_FACTORS = re.compile(r"[^=!<>:]*\)[^=!<>:]*=0|[a-z]\([^=!<>:]*\)=0")
_CHECK = re.compile(r"check (\S+): (.*) (ok|no)")
_SURD_PAIR = re.compile(r"\(?(-?\d*)\+-(\d*)sqrt\((\d+)\)\)?(?:/(\d+))?")


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
            outcome = _verifies(equation, targets, line, lines[:index])
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


@lru_cache(maxsize=65536)
def _expression(text: str) -> Expression | None:
    """The parsed expression, or None where the text is none."""
    try:
        return parse_expression(text)
    except InputError:
        return None


@lru_cache(maxsize=65536)
def _value(text: str) -> Fraction | None:
    """The exact value of a constant expression, or None."""
    node = _expression(text)
    if node is None or _letters(node):
        return None
    try:
        return evaluate(node, Fraction(0))
    except (ZeroDivisionError, NotRationalError):
        return None


def _parts(node: Expression) -> tuple[Expression, ...]:
    if isinstance(node, Negative | Absolute):
        return (node.inner,)
    if isinstance(node, Sum):
        return node.terms
    if isinstance(node, Product):
        return node.factors + node.divisors
    return (node.base,) if isinstance(node, Power) else ()


def _walk(node: Expression) -> Iterator[Expression]:
    yield node
    for part in _parts(node):
        yield from _walk(part)


def _letters(node: Expression) -> set[str]:
    return {part.text for part in _walk(node) if isinstance(part, Name)}


def _times(left: Polynomial, right: Polynomial) -> Polynomial:
    product = [Fraction(0)] * (len(left) + len(right) - 1)
    for i, first in enumerate(left):
        for j, second in enumerate(right):
            product[i + j] += first * second
    return tuple(product)


def _coefficients(node: Expression, variable: str) -> Polynomial | None:
    """Coefficients, constant first, of a polynomial of degree up to 6 in `variable`; None for anything else."""
    if isinstance(node, Number):
        return (Fraction(node.numerator, node.denominator),)
    if isinstance(node, Name):
        return (Fraction(0), Fraction(1)) if node.text == variable else None
    parts = [_coefficients(part, variable) for part in _parts(node)]
    if any(part is None or len(part) > 7 or _too_large(part) for part in parts):
        return None
    known = [part for part in parts if part is not None]
    if isinstance(node, Negative):
        return tuple(-value for value in known[0])
    if isinstance(node, Sum):
        size = max(len(part) for part in known)
        return tuple(sum((part[i] for part in known if i < len(part)), Fraction(0)) for i in range(size))
    if isinstance(node, Product):
        result: Polynomial = (Fraction(1),)
        for factor in known[: len(node.factors)]:
            result = _times(result, factor)
        for divisor in known[len(node.factors) :]:
            if len(divisor) > 1 or divisor[0] == 0:
                return None
            result = tuple(value / divisor[0] for value in result)
        return result if len(result) <= 7 else None
    if isinstance(node, Power) and node.denominator == 1 and 0 <= node.numerator <= 4:
        result = (Fraction(1),)
        for _ in range(node.numerator):
            result = _times(result, known[0])
        return result if len(result) <= 7 else None
    return None


def _too_large(polynomial: Polynomial) -> bool:
    return any(
        value.numerator.bit_length() + value.denominator.bit_length() > MAX_BITS for value in polynomial
    )


def _monic(polynomial: Polynomial) -> Polynomial:
    """The polynomial divided by its leading coefficient; empty for the zero polynomial."""
    size = len(polynomial)
    while size and polynomial[size - 1] == 0:
        size -= 1
    return tuple(value / polynomial[size - 1] for value in polynomial[:size])


@lru_cache(maxsize=8192)
def _targets(reduced: tuple[int, ...], equation: str) -> tuple[Polynomial, ...]:
    """Monic quadratics a solution of the equation may factor: the reduced one, or what a cancelled factor leaves."""
    polynomial = _monic(tuple(Fraction(value) for value in reversed(reduced)))
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
        for node in _walk(side):
            for divisor in node.divisors if isinstance(node, Product) else ():
                letters = _letters(divisor)
                polynomial = _coefficients(divisor, min(letters)) if len(letters) == 1 else None
                if polynomial is not None:
                    found.append(polynomial)
    return tuple(found)


@lru_cache(maxsize=8192)
def _conditions(equation: str, variable: str) -> tuple[Polynomial, ...]:
    """Polynomials that must not be negative: radicands, and what equals a root or an absolute value."""
    parsed = _parsed(equation)
    found = []
    for side in (parsed.left, parsed.right):
        for node in _walk(side):
            if isinstance(node, Power) and node.denominator == 2:
                found.append(_coefficients(node.base, variable))
    terms = [*_terms(parsed.left, 1), *_terms(parsed.right, -1)]
    roots = [(sign, term) for sign, term in terms if _is_root(term)]
    if len(roots) == 1:
        sign, root = roots[0]
        others = (Negative(term) if other == sign else term for other, term in terms if term is not root)
        found.append(_coefficients(Sum((Number(0), *others)), variable))
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
    difference = _expression(f"{left}-({right})") if sign else None
    polynomial = _coefficients(difference, variable) if difference is not None else None
    if polynomial is None or len(_monic(polynomial)) < 2:
        return False
    if sign == ">=":
        return any(_same_sign(polynomial, condition) for condition in _conditions(equation, variable))
    roots = _monic(polynomial)
    return len(roots) == 2 and any(
        sum(value * (-roots[0]) ** power for power, value in enumerate(divisor)) == 0
        for divisor in _divisors(equation)
    )


def _same_sign(left: Polynomial, right: Polynomial) -> bool:
    """Whether one polynomial is a positive multiple of the other."""
    first, second = _monic(left), _monic(right)
    return bool(first) and first == second and (left[len(first) - 1] > 0) == (right[len(first) - 1] > 0)


# --- steps -------------------------------------------------------------------------------------------


@lru_cache(maxsize=65536)
def _factoring(maths: str, variable: str, targets: tuple[Polynomial, ...]) -> bool | None:
    """Whether a product set to 0 is one of the target polynomials; None where it is no product of factors."""
    node = _expression(maths.removesuffix("=0"))
    if isinstance(node, Power) and node.denominator == 1 and node.numerator == 2:
        node = Product((node.base, node.base))
    if not isinstance(node, Product) or node.divisors:
        return None
    factors = [factor for factor in node.factors if variable in _letters(factor)]
    if len(factors) < 2:
        return None
    polynomial = _coefficients(node, variable)
    return polynomial is not None and _monic(polynomial) in targets


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
    values = [_value(part) for part in maths.split("=")]
    if len(values) < 2 or None in values or len(set(values)) > 1:
        return None
    return values[0]


def _verifies(
    equation: str, targets: tuple[Polynomial, ...], line: str, before: Sequence[str]
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
        candidate = _value(label)
        if candidate is None or not any(candidate in _claims(earlier) for earlier in before):
            return None
        true = _substitution(equation, candidate, label, maths)
    return says if true is says else None


@lru_cache(maxsize=65536)
def _claims(line: str) -> frozenset[Fraction]:
    """Candidates a line claims: `roots: 1, 4`, or the end of `x=6/2=3`."""
    word, _, maths = line.partition(": ")
    if word == "check" or "+-" in maths or not maths:
        return frozenset()
    values = (_value(item.rpartition("=")[2]) for item in maths.split(", "))
    return frozenset(value for value in values if value is not None)


@lru_cache(maxsize=65536)
def _substitution(equation: str, candidate: Fraction, label: str, maths: str) -> bool | None:
    """Whether the candidate solves the equation, if the line shows it by true arithmetic; else None."""
    parsed = _parsed(equation)
    values: list[Fraction | None] = []
    for side in (parsed.left, parsed.right):
        try:
            values.append(evaluate(side, candidate))
        except NotRationalError:
            values.append(None)
        except ZeroDivisionError:
            return False if maths == "divide by 0" else None
    true = None not in values and values[0] == values[1]
    shown = False
    for chain in maths.split(", "):
        first, _, _ = chain.partition("=")
        if label.lstrip("-") not in first or not re.search(r"[-+*/^(|]", first.lstrip("-")):
            continue
        steps = [_value(step) for step in chain.split("=")]
        if len(set(steps)) > 1 and not (None in values and steps[-1] is None):
            return None
        if steps[0] not in values or (steps[0] is None and "sqrt" not in first):
            return None
        shown = True
    return true if shown else None


def _product_check(
    maths: str, targets: tuple[Polynomial, ...], before: Sequence[str]
) -> bool | None:
    """Whether a claimed pair of surds has the product of the roots, if the line rightly multiplies it."""
    value = _chain_value(maths)
    pair = next((line for line in reversed(before) if line.startswith("roots: ") and "+-" in line), "")
    match = _SURD_PAIR.fullmatch(pair.removeprefix("roots: "))
    if value is None or match is None:
        return None
    whole, times, inside, divisor = (int(text) if text not in ("", "-", None) else default
                                     for text, default in zip(match.groups(), (0, 1, 0, 1), strict=True))
    if divisor == 0 or Fraction(whole**2 - times**2 * inside, divisor**2) != value:
        return None
    return any(value == target[0] for target in targets)
