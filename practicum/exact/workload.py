"""How much work an equation and an answer may be to judge, estimated from their parsed size, not timed."""

from __future__ import annotations

from math import prod

from practicum.exact.answers import Answer
from practicum.exact.expression import (
    Absolute,
    Equation,
    Expression,
    Name,
    Negative,
    Number,
    PlusMinus,
    Power,
    Product,
    Sum,
)

HEAVY = 16
"""Estimates from here on are worth a process of their own: most of them take over 2 ms."""


def equation_work(equation: Equation) -> int:
    """Degree times the number of sign choices that eliminating the roots and absolute values multiplies."""
    sides = _degree_and_choices(equation.left), _degree_and_choices(equation.right)
    return max(1, max(degree for degree, _ in sides)) * prod(choices for _, choices in sides)


def answer_work(answer: Answer) -> int:
    """The sign choices of each member's roots, summed: proofs of equality need precision that grows so."""
    forms = [form for value in (*answer.values, *answer.exclusions) for form in value.forms]
    ends = [end for one in answer.ranges for end in (one.low, one.high) if end is not None]
    return sum(_degree_and_choices(form)[1] for form in (*forms, *ends))


def _degree_and_choices(expression: Expression) -> tuple[int, int]:
    """Degree of the polynomials on the way (fractions are brought to one denominator), and root signs."""
    if isinstance(expression, Number | Name):
        return int(isinstance(expression, Name)), 1
    if isinstance(expression, Negative):
        return _degree_and_choices(expression.inner)
    if isinstance(expression, Absolute | PlusMinus):
        degree, choices = _degree_and_choices(expression.inner)
        return degree, 2 * choices
    if isinstance(expression, Power):
        degree, choices = _degree_and_choices(expression.base)
        return degree * abs(expression.numerator), choices * expression.denominator
    parts = expression.terms if isinstance(expression, Sum) else (*expression.factors, *expression.divisors)
    measured = [_degree_and_choices(part) for part in parts]
    multiplies = isinstance(expression, Product) or any(_divides(part) for part in parts)
    degrees = [degree for degree, _ in measured]
    return sum(degrees) if multiplies else max(degrees), prod(choices for _, choices in measured)


def _divides(term: Expression) -> bool:
    term = term.inner if isinstance(term, Negative) else term
    return isinstance(term, Product) and bool(term.divisors)
