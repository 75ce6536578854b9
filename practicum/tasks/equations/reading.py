"""Small parsing helpers for `behaviours.py`: expressions as polynomials, as exact constants, as floats.

They refuse what no worked solution contains (high degrees, large powers) and raise on no text.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache
from math import isclose, isnan, nan, prod, sqrt

from practicum.errors import InputError
from practicum.exact.expression import (
    Absolute,
    Expression,
    Name,
    Negative,
    Number,
    PlusMinus,
    Power,
    Product,
    Sum,
    parse_expression,
)
from practicum.tasks.equations.checks import MAX_BITS, NotRationalError, evaluate

Polynomial = tuple[Fraction, ...]
"""Coefficients, constant first."""
MAX_DEGREE = 6
TOLERANCE = 1e-9


@lru_cache(maxsize=65536)
def expression_of(text: str) -> Expression | None:
    """The parsed expression, or None where the text is none."""
    try:
        return parse_expression(text)
    except InputError:
        return None


@lru_cache(maxsize=65536)
def rational_value(text: str) -> Fraction | None:
    """The exact value of a constant expression, or None."""
    node = expression_of(text)
    if node is None or letters_in(node):
        return None
    try:
        return evaluate(node, Fraction(0))
    except (ZeroDivisionError, NotRationalError):
        return None


def parts_of(node: Expression) -> tuple[Expression, ...]:
    """The immediate parts of an expression; a sign plus-minus is not looked into."""
    if isinstance(node, Negative | Absolute):
        return (node.inner,)
    if isinstance(node, Sum):
        return node.terms
    if isinstance(node, Product):
        return node.factors + node.divisors
    return (node.base,) if isinstance(node, Power) else ()


def walk(node: Expression) -> Iterator[Expression]:
    """The expression and all its parts, outermost first."""
    yield node
    for part in parts_of(node):
        yield from walk(part)


def letters_in(node: Expression) -> set[str]:
    """The letters an expression holds."""
    return {part.text for part in walk(node) if isinstance(part, Name)}


def multiply(left: Polynomial, right: Polynomial) -> Polynomial:
    """The product of two polynomials."""
    product = [Fraction(0)] * (len(left) + len(right) - 1)
    for i, first in enumerate(left):
        for j, second in enumerate(right):
            product[i + j] += first * second
    return tuple(product)


def coefficients(node: Expression, variable: str) -> Polynomial | None:
    """Coefficients, constant first, of a polynomial of degree up to 6; None for anything else."""
    if isinstance(node, Number):
        return (Fraction(node.numerator, node.denominator),)
    if isinstance(node, Name):
        return (Fraction(0), Fraction(1)) if node.text == variable else None
    parts = [coefficients(part, variable) for part in parts_of(node)]
    if any(part is None or len(part) > MAX_DEGREE + 1 or _too_large(part) for part in parts):
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
            if len(result) > MAX_DEGREE + 1:
                return None
            result = multiply(result, factor)
        for divisor in known[len(node.factors) :]:
            if len(divisor) > 1 or divisor[0] == 0:
                return None
            result = tuple(value / divisor[0] for value in result)
        return result if len(result) <= MAX_DEGREE + 1 else None
    if isinstance(node, Power) and node.denominator == 1 and 0 <= node.numerator <= 4:
        result = (Fraction(1),)
        for _ in range(node.numerator):
            result = multiply(result, known[0])
        return result if len(result) <= MAX_DEGREE + 1 else None
    return None


def _too_large(polynomial: Polynomial) -> bool:
    return any(
        value.numerator.bit_length() + value.denominator.bit_length() > MAX_BITS for value in polynomial
    )


def monic(polynomial: Polynomial) -> Polynomial:
    """The polynomial divided by its leading coefficient; empty for the zero polynomial."""
    size = len(polynomial)
    while size and polynomial[size - 1] == 0:
        size -= 1
    return tuple(value / polynomial[size - 1] for value in polynomial[:size])


def approximate(node: Expression, value: float) -> float:
    """The value with every letter set to `value`; nan where it is not real. Raises ZeroDivisionError."""
    if isinstance(node, Number):
        return node.numerator / node.denominator
    if isinstance(node, Name):
        return value
    parts = [approximate(part, value) for part in parts_of(node)]
    if isinstance(node, Negative):
        return -parts[0]
    if isinstance(node, Absolute):
        return abs(parts[0])
    if isinstance(node, Sum):
        return sum(parts)
    if isinstance(node, Product):
        split = len(node.factors)
        if any(abs(divisor) < TOLERANCE for divisor in parts[split:]):
            raise ZeroDivisionError
        return prod(parts[:split]) / prod(parts[split:])
    if isinstance(node, Power) and node.numerator == 1 and node.denominator == 2:
        return sqrt(max(parts[0], 0.0)) if parts[0] > -TOLERANCE else nan
    small = isinstance(node, Power) and node.denominator == 1 and 0 <= node.numerator <= 4
    return parts[0] ** node.numerator if small and abs(parts[0]) < 1e60 else nan  # type: ignore[union-attr]


def nearly_equal(left: float | None, right: float | None) -> bool:
    """Equal up to rounding; two values that are not real count as equal, None equals nothing."""
    if left is None or right is None:
        return False
    return isclose(left, right, rel_tol=TOLERANCE, abs_tol=TOLERANCE) or (isnan(left) and isnan(right))


@lru_cache(maxsize=65536)
def real_value(text: str) -> float | None:
    """The value of a constant expression, nan where it is not real; None for anything else."""
    node = expression_of(text)
    if node is None or letters_in(node) or any(isinstance(part, PlusMinus) for part in walk(node)):
        return None
    try:
        return approximate(node, 0.0)
    except ZeroDivisionError:
        return None
