r"""Judge an answer against a gold answer: numbers, sets of numbers, expressions, words.

A gold answer says what form a right answer has, so an answer must have that form: a number must be written
as a number ("9*2" is the question again, not its answer), an expression must have the gold's terms and
factors in any order ("2x + 3x" is not "5x"). Only one answer may be given: "17 or 18" is none.
"""

from __future__ import annotations

import re
from collections import Counter
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
    constant,
    parse_expression,
    word_set,
)
from practicum.exact.verdict import Outcome, Verdict

_DIGITS = r"(?:\d{1,3}(?:,\d{3})+(?![\d,])|\d+)(?:\.\d+)?|\.\d+"
_SIGN = r"[-−–+]?[ ]?"
_NUMBER = re.compile(
    rf"(?P<sign>{_SIGN})(?:[$€£¥][ ]?)?(?:\\[dt]?frac\{{(?P<over>\d+)\}}\{{(?P<below>\d+)\}}"
    rf"|(?P<number>{_DIGITS})(?:[ ]?/[ ]?(?P<divisor>\d+))?)"
)
_UNIT = re.compile(r"[^\W\d_]+(?:['’.-][^\W\d_]+)*|[$€£¥%°/().]|\s+|[²³]")
_NEGATIVE_WORDS = word_set("""not no never isn't isn’t or without wrong incorrect unknown either except than
    minus plus times about approximately roughly between over under least most""")
_NUMBER_WORDS = word_set("""zero one two three four five six seven eight nine ten eleven twelve half
    dozen hundred thousand million billion trillion hundreds thousands millions billions""")
_LETTERS = frozenset("mgshlLdWVJNCFKa")
"""Single letters that may stand beside a number: units, and an article."""
_LABEL = re.compile(r"^\s*(?:[A-Za-z]\w{0,9}(?:\([a-z]\))?)\s*=\s*(?=\S)")
_SEPARATOR = re.compile(r"\s*(?:,\s*(?:and\s+|or\s+)?|;\s*|\band\s+|\bor\s+)\s*", re.IGNORECASE)
_MARKS = re.compile(r"\*\*|__|`|\\\(|\\\)|\\\[|\\\]|\\left|\\right|\\,|\\!|\\;")

Form: TypeAlias = tuple[object, ...]
Factor: TypeAlias = tuple[Form, Fraction]
"""A base and its exponent."""


def judge_gold(gold: str, answer: str) -> Verdict:
    """Whether an answer is the gold answer.

    The gold answer says how: by value where it is a number or a list of numbers (in any order, with units and
    currency signs around one of them), by terms and factors where it is an expression, else by its words.
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
        if given == wanted:
            return Verdict(Outcome.CORRECT, f"{text}: equals the gold answer {gold}")
        return Verdict(Outcome.WRONG, f"{text} is not {gold}")
    if _words(text) == _words(gold):
        return Verdict(Outcome.CORRECT, f"{gold}: the gold answer")
    return Verdict(Outcome.WRONG, f"{text!r:.60} is not {gold!r:.60}")


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


def read_number(text: str) -> Fraction:
    """The one number that a text names, with its unit or its label: "$1,800.50", "x = 3/4", "18 eggs a day".

    Raises ParseError when there is no number, more than one, or anything that could take it back.
    """
    text = plain_answer(text)
    worked, equals, last = text.rpartition("=")
    value = _single_number(last)
    if equals and _value_of(worked.strip()) not in (None, value):
        raise ParseError(f"{worked.strip()!r:.40} is not {last.strip()!r:.20}")
    return value


def _single_number(text: str) -> Fraction:
    found = list(_NUMBER.finditer(text))
    if len(found) != 1:
        raise ParseError(f"{text.strip()!r:.40} names {len(found) or 'no'} number{'s' * (len(found) > 1)}")
    match = found[0]
    around = f"{text[: match.start()]} {text[match.end() :]}"
    rest = _UNIT.sub("", around)
    if rest or (
        match.end() < len(text) and text[match.end()] == "/" and text[match.end() + 1 :][:1].isdigit()
    ):
        raise ParseError(f"{rest!r:.20} is no part of a number and its unit")
    words = re.findall(r"[^\W\d_]+(?:['’][^\W\d_]+)*", around)
    for word in words:
        unclear = word.lower() in _NEGATIVE_WORDS or word.lower() in _NUMBER_WORDS
        if unclear or (len(word) == 1 and word not in _LETTERS):
            raise ParseError(f"{word!r} beside a number leaves open which one is meant")
    if match["sign"].strip() and _is_operator(text, match):
        raise ParseError(f"{match['sign'].strip()!r} may be a sum's")
    if match["number"] is None:
        value = _fraction(match["over"], match["below"])
    else:
        value = _fraction(match["number"].replace(",", ""), match["divisor"] or "1")
    return -value if match["sign"].strip() in ("-", "−", "–") and match["sign"] else value


def _is_operator(text: str, match: re.Match[str]) -> bool:
    """Whether the sign before a number has a left side: "y + 1", "(a)-1", and not "it is -1"."""
    before = text[: match.start()]
    apart = before[-1:].isspace() and not match["sign"].endswith(" ")
    return (
        bool(before.strip()) and not (apart and before.rstrip()[-1].isalpha()) and before[-1] not in "($€£¥:"
    )


def _fraction(over: str, below: str) -> Fraction:
    if len(over) + len(below) > MAX_CHARACTERS // 10:
        raise LimitError("a number is over the limit of 100 digits")
    if not int(below):
        raise ParseError("a fraction divides by zero")
    value = Fraction(over) / int(below)
    if "." not in over and value.denominator != int(below):
        raise ParseError(f"{over}/{below} is not in lowest terms")
    return value


def _value_of(worked: str) -> Fraction | None:
    """The value of what stands before an equals sign; None for a name, ParseError for anything else."""
    expression = parse_expression(worked.rpartition("=")[2].replace("$", ""))
    if isinstance(expression, Name):
        return None
    value = constant(expression)
    if value is None:
        raise ParseError(f"{worked!r:.40} is no name and no number")
    return value


def _numbers(text: str) -> Counter[Fraction]:
    """A list of two or more numbers, each with its label, as a set without order."""
    inner = text.strip("{}[]() ")
    parts = _SEPARATOR.split(inner)
    if len(parts) < 2:
        raise ParseError("one number is no list")
    return Counter(_labelled_number(part) for part in parts)


def _labelled_number(text: str) -> Fraction:
    bare = _LABEL.sub("", text).strip()
    value = re.fullmatch(_NUMBER, bare)
    if value is None:
        raise ParseError(f"{bare!r:.40} is no number")
    return _single_number(bare)


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
    ("a list of numbers", _numbers),
    ("an expression", _expression),
)
