r"""Judge an answer against a gold answer: numbers, sets of numbers, expressions, words.

A gold answer says what form a right answer has, so an answer must have that form: a number must be written
as a number ("9*2" is the question again, not its answer), an expression must have the gold's terms and
factors in any order ("2x + 3x" is not "5x"). Only one answer may be given: "17 or 18" is none.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction
from typing import TypeAlias

from practicum.errors import InputError
from practicum.exact.expression import (
    MAX_CHARACTERS,
    Expression,
    LimitError,
    Name,
    Negative,
    Number,
    ParseError,
    Power,
    Product,
    Sum,
    parse_expression,
)
from practicum.exact.gold_lists import NumberList, is_same_list, read_list
from practicum.exact.gold_numbers import read_number
from practicum.exact.verdict import Outcome, Verdict

_LABEL = re.compile(r"^\s*(?:[A-Za-z]\w{0,9}(?:\([a-z]\))?)\s*=\s*(?=\S)")
_MARKS = re.compile(r"\*\*|__|`|\\\(|\\\)|\\\[|\\\]|\\left|\\right|\\,|\\!|\\;")

Form: TypeAlias = tuple[object, ...]
Factor: TypeAlias = tuple[Form, Fraction]
"""A base and its exponent."""


def judge_gold(gold: str, answer: str) -> Verdict:
    """Whether an answer is the gold answer.

    The gold answer says how: by value where it is a number (with units and a label around it) or a list of
    numbers (by name, in the order of a tuple, else in any order), by terms and factors where it is an
    expression, else by its words.
    Raises InputError for an empty gold answer; never for an answer.
    """
    gold = plain_answer(gold)
    if not gold:
        raise InputError("the gold answer is empty: give what a right answer says")
    if len(answer) > MAX_CHARACTERS:
        return _refused(f"the answer has over {MAX_CHARACTERS} characters", Outcome.OVER_LIMITS)
    text = plain_answer(answer)
    if not text:
        return _refused("the answer is empty")
    if text == gold:
        return Verdict(Outcome.CORRECT, f"{gold}: the gold answer")
    for kind, read in _READERS:
        try:
            wanted = read(gold)
        except InputError:
            continue
        try:
            given = read(text)
        except LimitError as error:
            return _refused(str(error), Outcome.OVER_LIMITS)
        except InputError as error:
            return _refused(f"expected {kind}: {error}")
        if _is_same(wanted, given):
            return Verdict(Outcome.CORRECT, f"{text}: equals the gold answer {gold}")
        return Verdict(Outcome.WRONG, f"{text} is not {gold}")
    if _words(text) == _words(gold):
        return Verdict(Outcome.CORRECT, f"{gold}: the gold answer")
    return Verdict(Outcome.WRONG, f"{text!r:.60} is not {gold!r:.60}")


def _is_same(gold: object, given: object) -> bool:
    if isinstance(gold, NumberList) and isinstance(given, NumberList):
        return is_same_list(gold, given)
    return gold == given


def plain_answer(text: str) -> str:
    """An answer without what surrounds it: bold marks, dollar signs of mathematics, a full stop."""
    text = _MARKS.sub(lambda found: "**" if found[0] == "**" and _is_power(found) else "", text).strip()
    text = re.sub(r"\\(?:text|mathrm)\s*\{([^{}]*)\}", r"\1", text).replace(r"\$", "$").replace(r"\%", "%")
    if len(text) > 2 and text.startswith("$") and text.endswith("$"):
        text = text.strip("$").strip()
    return text[:-1].rstrip() if text.endswith(".") else text


def _is_power(found: re.Match[str]) -> bool:
    """Whether two stars stand between operands, and are no bold mark."""
    before, after = found.string[: found.start()].rstrip(), found.string[found.end() :].lstrip()
    return (
        bool(before)
        and bool(after)
        and (before[-1].isalnum() or before[-1] in ")]")
        and (after[0].isdigit() or after[0] in "(-")
    )


def _expression(text: str) -> Form:
    """An expression's terms and factors, in no order; numbers are taken together within a product alone."""
    expression = parse_expression(_LABEL.sub("", text))
    if isinstance(expression, Name):
        raise ParseError("a name alone is a word")
    return _form(expression)


def _form(expression: Expression) -> Form:
    if isinstance(expression, Sum):
        return ("sum", _sorted(_form(term) for term in expression.terms))
    coefficient, factors = _factors(expression)
    return ("product", coefficient, _sorted(factors))


def _factors(expression: Expression) -> tuple[Fraction, list[Factor]]:
    """A product as its number and its other factors (base, numerator and denominator of the exponent)."""
    if isinstance(expression, Number):
        return Fraction(expression.numerator, expression.denominator), []
    if isinstance(expression, Negative):
        coefficient, factors = _factors(expression.inner)
        return -coefficient, factors
    if isinstance(expression, Product):
        coefficient, factors = Fraction(1), list[Factor]()
        for part in expression.factors:
            number, more = _factors(part)
            coefficient, factors = coefficient * number, factors + more
        for part in expression.divisors:
            number, more = _factors(part)
            if not number:
                raise ParseError("it divides by zero")
            coefficient /= number
            factors += [(base, -power) for base, power in more]
        return coefficient, factors
    if isinstance(expression, Power) and (abs(expression.numerator), expression.denominator) == (1, 1):
        coefficient, factors = _factors(expression.base)
        if expression.numerator == 1:
            return coefficient, factors
        if not coefficient:
            raise ParseError("it divides by zero")
        return 1 / coefficient, [(base, -power) for base, power in factors]
    if isinstance(expression, Power):
        return Fraction(1), [(_form(expression.base), Fraction(expression.numerator, expression.denominator))]
    if isinstance(expression, Name):
        return Fraction(1), [(("name", expression.text), Fraction(1))]
    if isinstance(expression, Sum):
        return Fraction(1), [(_form(expression), Fraction(1))]
    return Fraction(1), [((repr(expression),), Fraction(1))]


def _sorted(forms: object) -> tuple[Form, ...]:
    return tuple(sorted(forms, key=repr))  # type: ignore[call-overload]


def _words(text: str) -> str:
    """A text of words as it is compared: case, blanks and brackets around it do not count."""
    return " ".join(text.casefold().strip("()[]{}\"' ").split())


def _refused(reason: str, outcome: Outcome = Outcome.UNPARSEABLE) -> Verdict:
    return Verdict(outcome, reason)


_READERS: tuple[tuple[str, Callable[[str], object]], ...] = (
    ("a number", read_number),
    ("a list of numbers", read_list),
    ("an expression", _expression),
)
