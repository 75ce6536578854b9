"""Honest check lines: a candidate put into the prompt's equation, worked out step by step.

`6-(4+x)/x=x` at 1 is written `6-(4+1)/1=6-5=1 ok`; a side that is a bare letter or a constant is left out.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from math import isqrt

from practicum.exact.expression import (
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
)

MAX_BITS = 512
"""Largest size of a power that is worked out, numerator and denominator together."""


class NotRationalError(ArithmeticError):
    """A root that is irrational or of a negative number."""


@lru_cache(maxsize=4096)
def _parsed(equation: str) -> Equation:
    return parse_equation(equation)


def check_text(equation: str, variable: str, value: Fraction) -> tuple[str, bool]:
    """The text of a check without its verdict word, and whether the candidate passes.

    The equation may hold no letter but `variable`.
    """
    parsed = _parsed(equation)
    texts: list[str] = []
    results: list[Fraction | None] = []
    for side in (parsed.left, parsed.right):
        try:
            steps, result = _worked_out(side, value)
        except ZeroDivisionError:
            return "divide by 0", False
        results.append(result)
        if not isinstance(side, Name) and _has_letter(side):
            texts.append("=".join(steps))
    good = None not in results and results[0] == results[1]
    return ", ".join(texts), good


def evaluate(node: Expression, value: Fraction) -> Fraction:
    """The exact value of an expression with every letter set to `value`.

    Raises ZeroDivisionError, or NotRationalError where the value is irrational, not real, or a power too
    large to be part of any honest check.
    """
    if isinstance(node, Number):
        return Fraction(node.numerator, node.denominator)
    if isinstance(node, Name):
        return value
    if isinstance(node, Negative):
        return -evaluate(node.inner, value)
    if isinstance(node, Sum):
        return sum((evaluate(term, value) for term in node.terms), Fraction(0))
    if isinstance(node, Product):
        result = Fraction(1)
        for factor in node.factors:
            result *= evaluate(factor, value)
        for divisor in node.divisors:
            result /= evaluate(divisor, value)
        return result
    if isinstance(node, Absolute):
        return abs(evaluate(node.inner, value))
    if isinstance(node, Power):
        base = evaluate(node.base, value)
        if node.denominator == 1 and _bits(base) * abs(node.numerator) <= MAX_BITS:
            return base**node.numerator
        if node.denominator == 2 and node.numerator == 1 and base >= 0:
            top, bottom = isqrt(base.numerator), isqrt(base.denominator)
            if (top * top, bottom * bottom) == (base.numerator, base.denominator):
                return Fraction(top, bottom)
    raise NotRationalError


def _bits(value: Fraction) -> int:
    return value.numerator.bit_length() + value.denominator.bit_length()


def _worked_out(node: Expression, value: Fraction) -> tuple[list[str], Fraction | None]:
    """The texts of one side from substitution to result; the result is None where it is not rational."""
    texts = [_text(node, value)]
    while not _is_plain(node) or isinstance(node, Name):
        try:
            node = _step(node, value)
        except NotRationalError:
            return texts, None
        text = _text(node, value)
        if text != texts[-1]:
            texts.append(text)
    result = evaluate(node, value)
    if str(result) != texts[-1]:
        texts.append(str(result))
    return texts, result


def _is_plain(node: Expression) -> bool:
    return isinstance(node, Number) or (isinstance(node, Negative) and isinstance(node.inner, Number))


def _has_root(node: Expression) -> bool:
    if isinstance(node, Absolute):
        return True
    if isinstance(node, Power):
        return node.denominator != 1 or _has_root(node.base)
    if isinstance(node, Negative):
        return _has_root(node.inner)
    if isinstance(node, Sum):
        return any(_has_root(term) for term in node.terms)
    if isinstance(node, Product):
        return any(_has_root(part) for part in node.factors + node.divisors)
    return False


def _has_letter(node: Expression) -> bool:
    if isinstance(node, Negative | Absolute):
        return _has_letter(node.inner)
    if isinstance(node, Sum):
        return any(_has_letter(term) for term in node.terms)
    if isinstance(node, Product):
        return any(_has_letter(part) for part in node.factors + node.divisors)
    return _has_letter(node.base) if isinstance(node, Power) else isinstance(node, Name)


def _plain(value: Fraction) -> Number:
    return Number(value.numerator, value.denominator)


def _step(node: Expression, value: Fraction) -> Expression:
    """One written step: terms become numbers first, then their sum; under a root the inside comes first."""
    if isinstance(node, Negative) and not _has_root(node):
        inner = _step(node.inner, value)
        return Negative(inner) if inner != node.inner else _plain(evaluate(node, value))
    if isinstance(node, Sum) and not all(_is_plain(term) for term in node.terms):
        return Sum(tuple(_term(term, value) for term in node.terms))
    if isinstance(node, Product) and not all(_is_plain(part) for part in node.factors + node.divisors):
        factors, divisors = (
            tuple(_term(part, value) for part in parts) for parts in (node.factors, node.divisors)
        )
        return Product(factors, divisors)
    if isinstance(node, Negative):
        return Negative(_step(node.inner, value))
    if isinstance(node, Power) and node.denominator != 1 and not _is_plain(node.base):
        return Power(_term(node.base, value), node.numerator, node.denominator)
    if isinstance(node, Absolute) and not _is_plain(node.inner):
        return Absolute(_term(node.inner, value))
    return _plain(evaluate(node, value))


def _term(node: Expression, value: Fraction) -> Expression:
    """A part of a larger expression: worked out at once, unless a root in it needs a step of its own."""
    if isinstance(node, Negative):
        inner = _term(node.inner, value)
        return Negative(inner)
    return _step(node, value) if _has_root(node) else _plain(evaluate(node, value))


def _text(node: Expression, value: Fraction) -> str:
    """The expression with `value` in place of every letter."""
    if isinstance(node, Number):
        return str(Fraction(node.numerator, node.denominator))
    if isinstance(node, Name):
        return str(value)
    if isinstance(node, Negative):
        inner = _text(node.inner, value)
        single = isinstance(node.inner, Name | Number) and not inner.startswith("-")
        return f"-{inner if single else _operand(node.inner, value)}"
    if isinstance(node, Sum):
        return _sum_text(node, value)
    if isinstance(node, Product):
        return _product_text(node, value)
    if isinstance(node, Absolute):
        return f"|{_text(node.inner, value)}|"
    if isinstance(node, Power) and node.denominator == 1:
        return f"{_operand(node.base, value)}^{node.numerator}"
    if isinstance(node, Power):
        return f"sqrt({_text(node.base, value)})"
    raise NotRationalError


def _sum_text(node: Sum, value: Fraction) -> str:
    text = _text(node.terms[0], value)
    for term in node.terms[1:]:
        part = _text(term, value)
        if isinstance(term, Name):
            text += "+" + _operand(term, value)
        else:
            text += part if part.startswith("-") else "+" + part
    return text


def _product_text(node: Product, value: Fraction) -> str:
    text = ""
    for factor in node.factors:
        part = _operand(factor, value)
        text += part if not text or part.startswith(("(", "s", "|")) else "*" + part
    return "/".join([text, *(_operand(divisor, value) for divisor in node.divisors)])


def _operand(node: Expression, value: Fraction) -> str:
    """The text of a factor, divisor or base, in brackets where it is more than one number or root."""
    text = _text(node, value)
    single = isinstance(node, Power | Absolute | Product) or (
        isinstance(node, Name | Number) and "/" not in text
    )
    return text if single and not text.startswith("-") else f"({text})"
