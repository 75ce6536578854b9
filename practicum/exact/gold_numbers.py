"""Read the one number that an answer names, with nothing beside it but units, plain words and labels.

Every word is accounted for: a hedge, a denial, a function and a word that changes a value ("twice 5",
"18 squared") make an answer unreadable. What surrounds the number may say what is counted, and no more.
"""

from __future__ import annotations

import re
from fractions import Fraction

from practicum.exact.expression import (
    FOREIGN_FUNCTION,
    FUNCTIONS,
    GREEK,
    MAX_CHARACTERS,
    LimitError,
    Name,
    ParseError,
    constant,
    parse_expression,
    word_set,
)
from practicum.exact.phrases import HEDGES_AND_RETRACTIONS, PARTS
from practicum.exact.spelled import NUMBER_WORDS

_DIGITS = r"(?:\d{1,3}(?:,\d{3})+(?![\d,])|\d+)(?:\.\d+)?|\.\d+"
NUMBER = re.compile(
    rf"(?P<sign>[-−–+]?[ ]?)(?:[$€£¥][ ]?)?(?:\\[dt]?frac\{{(?P<over>\d+)\}}\{{(?P<below>\d+)\}}"
    rf"|(?P<number>{_DIGITS})(?:[ ]?/[ ]?(?P<divisor>\d+))?)"
)
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_BESIDE = re.compile(
    r"[^\W\d_]+(?:['’.-][^\W\d_]+)*['’]?|[$€£¥%°().]|(?<=[^\W\d_])[²³]|(?<!^)\s*/\s*(?=[^\W\d_])|\s+"
)
_LABEL = re.compile(r"[^\W\d_]+(?:(?: |['’-])[^\W\d_]+)*(?:_?\{?\d+\}?)?(?: ?\([$€£¥%]\))?")
_CURRENCY = re.compile(
    r"(?<![^\W_])(?:(?:US|CA|AU|NZ|HK|[ACRS])(?=\$)|(?:USD|EUR|GBP|CAD|AUD|CHF|INR|JPY|Rs\.?)(?=[ ]?\d))"
)
_NEGATIVE = re.compile(
    r"(?P<before>(?:^|\b(?:is|are|was|were|be|equals|answer|get|got|to))\s*)"
    r"(?:negative|minus)\s+(?=[$€£¥]?[.\d])",
    re.IGNORECASE,
)
_AGE = re.compile(r"(?<=\d)(?P<unit>[ -](?:years?|months?|weeks?|days?|hours?|minutes?))[ -]old\b")

NO_CENTS = re.compile(r"\s+and\s+(?:no|zero|0)\s+cents\b", re.IGNORECASE)

_LETTERS = frozenset("mgshlLdWVJNCFM")
"""Single letters that may stand behind a number as units."""
_DOUBTS = HEDGES_AND_RETRACTIONS - {"only"} | word_set(
    """or either than over under least most circa ca close near ish odd something counting called up bit
    beyond below above upper lower bound bounded maximum minimum max infinity inf"""
)
_QUANTITIES = NUMBER_WORDS | word_set(
    """hundreds thousands millions billions trillions tens dozen dozens score gross lakh lakhs crore crores
    half halves tenth tenths hundredth hundredths thousandth thousandths millionth millionths mil mn bn tn
    permille ppm basis"""
)
_CHANGES = (
    FUNCTIONS
    | GREEK
    | word_set(
        """negative minus plus times twice thrice double doubled doubles triple tripled triples quadruple
        quadrupled quintuple fold squared cubed factorial reciprocal inverse inverted additive multiplicative
        conjugate complement logarithm sine cosine tangent cotangent secant cosecant exponential absolute
        modulus modulo ceiling rounded power powers exponent exponents raised add added adding adds subtract
        subtracted subtracting subtracts multiply multiplied multiplying multiplies divide divided dividing
        divides increased decreased choose less fewer short binary octal hexadecimal base derivative
        integral"""
    )
)
_REFUSED = _DOUBTS | _QUANTITIES | _CHANGES
"""Words that take a number back, are another one, or make another one of it."""
_ORDINALS = word_set("st nd rd th")
_SHORT_UNITS = word_set("sec min fact")
"""Units (and "in fact") that are names of functions too."""
_POWERS = word_set("square root cube cubic")
"""Words that change a value unless a unit or "is" follows them: "18 square feet", "the root is 5"."""
_RESULTS = word_set("sum difference product quotient ratio")
"""Names of results: "the sum is 5" names a number, and "sum of 5" makes another one."""
_COUNTED = word_set("second question change mistakes errors claims")
"""Words of doubt that are plain nouns when they are counted or named: "3 mistakes", "her change is $5"."""
_IS = word_set("is are was were equals equal be becomes comes gives makes")
_DATES = word_set(
    """january february march april may june july august september october november december jan feb mar apr
    jun jul aug sep sept oct nov dec monday tuesday wednesday thursday friday saturday sunday"""
)
_RELATIVE = word_set("per by from after before until till past within into versus vs")
"""Words before a number that make it a part of something else: "by 5" is a difference."""


def read_number(text: str) -> Fraction:
    """The one number that a text names, with its unit or its label: "$1,800.50", "x = 3/4", "18 eggs a day".

    Of "2 + 3 = 5" each part must be the number; a part of plain words is its label ("total cost = 5").
    Raises ParseError when there is no number, more than one, or anything that could take it back.
    """
    *before, last = re.split(r"([=:])", text)
    value = single_number(last)
    for place in range(0, len(before), 2):
        part, sign = before[place].strip(), before[place + 1]
        if part or place:
            _check_part(part, sign, value)
    return value


def _check_part(part: str, sign: str, value: Fraction) -> None:
    """Raises ParseError unless what stands before "=" or ":" is a label or, before "=", has the value."""
    if _LABEL.fullmatch(part):
        words = _words(part)
        _check_words([*words, "is"])
        several = len(words) > 1 or words[0] in _RESULTS | _POWERS or sign == ":"
        if several and sum(len(word) == 1 and word != "a" for word in words) < 2:
            return
    if sign == ":":
        raise ParseError(f"{part!r:.40} is no label")
    expression = parse_expression(part.replace("$", ""))
    if not isinstance(expression, Name) and constant(expression) != value:
        raise ParseError(f"{part!r:.40} is no name and not {value}")


def single_number(text: str) -> Fraction:
    """The number of a text without labels. Raises ParseError as `read_number` does."""
    text = NO_CENTS.sub("", text)
    text = _AGE.sub(lambda found: f" {found['unit'][1:]}", _CURRENCY.sub("", text.strip()))
    text = _NEGATIVE.sub(r"\g<before>-", text)
    found = list(NUMBER.finditer(text))
    if len(found) != 1:
        raise ParseError(f"{text!r:.40} names {len(found) or 'no'} number{'s' * (len(found) > 1)}")
    match = found[0]
    sign = match["sign"].strip()
    before, after = text[: match.start() if sign else match.end("sign")], text[match.end() :]
    _check_marks(before, after)
    _check_before(before)
    _check_after(after)
    if sign and _is_operator(before, match["sign"]):
        raise ParseError(f"{sign!r} may be a sum's")
    if match["number"] is None:
        value = _fraction(match["over"], match["below"])
    else:
        value = _fraction(match["number"].replace(",", ""), match["divisor"] or "1")
    return -value if sign in ("-", "−", "–") and sign else value


def check_words_before(words: list[str], is_label: bool) -> None:
    """Raises ParseError unless words before a value only introduce it; `is_label`: "=" or ":" follows."""
    words = [word.lower() for word in words]
    _check_words([*words, "is"] if is_label else words)
    for word in words:
        single = len(word) == 1 and word not in ("a", "i")
        if single or word in _DATES or (word == words[-1] and word in _RELATIVE):
            raise _unclear(word)


def check_words_after(text: str) -> None:
    """Raises ParseError unless the words behind a value are its unit, or plain."""
    _check_after(f" {text}")


def _check_marks(before: str, after: str) -> None:
    """Raises ParseError for marks that are no unit's, and for what touches the number as a factor does."""
    rest = _BESIDE.sub("", before) + _BESIDE.sub("", f"0{after}")[1:]
    if rest or before.rstrip(" (")[-1:] in tuple("/%°²³"):
        raise ParseError(f"{rest or before!r:.20} is no part of a number and its unit")
    if re.search(r"[^\W_]\(*$", before) or after.startswith("("):
        raise ParseError("a word or a bracket touches the number: it may be a function or a product")


def _check_before(text: str) -> None:
    """Raises ParseError unless only plain words stand before the number."""
    words = _words(re.sub(r"\bI\b(?= )", "", text))
    _check_words(words)
    for word in words:
        if (len(word) == 1 and word != "a") or (word == words[-1] and word in _RELATIVE):
            raise _unclear(word)


def _check_words(words: list[str]) -> None:
    """Raises ParseError for a word before a number that takes it back or makes another one of it."""
    for place, word in enumerate(words):
        rest = words[place + 1 :]
        named = bool(rest) and rest[0] in _IS
        if word in _COUNTED | _POWERS and (place == 0 or len(words[place - 1]) > 1):
            refused = not named and not (word == "square" and rest[:1] == ["root"])
        elif word in _RESULTS:
            refused = not _IS & set(rest)
        elif word == "would":  # "she would earn 18"
            refused = not rest or len(rest[0]) == 1 or rest[0] in _REFUSED
        elif word in PARTS:
            refused = word in _QUANTITIES or not rest or rest[0] == "of"
        else:
            refused = word in _REFUSED | _COUNTED | _POWERS or _is_function(word)
        if refused:
            raise _unclear(word)


def _check_after(text: str) -> None:
    """Raises ParseError unless only units and plain words stand behind the number."""
    words = _words(text)
    for place, word in enumerate(words):
        ends = place + 1 == len(words)
        if place == 0 and word in _COUNTED and text[:1].isspace():
            continue
        if word == "squared" and place and words[place - 1] not in _REFUSED:
            continue  # 18 meters squared
        refused = word in _REFUSED | _ORDINALS or word in PARTS or _is_function(word)
        if refused or (ends and word in _POWERS | {"per"}) or (word == "a" and (ends or text[:1] == "a")):
            raise _unclear(word)
    for letter in re.findall(r"(?<![^\W_])[^\W\d_](?![^\W_])(?!['’])", text):
        if letter not in _LETTERS | {"a"}:
            raise _unclear(letter)


def _is_function(word: str) -> bool:
    return FOREIGN_FUNCTION.fullmatch(word) is not None and word not in _SHORT_UNITS


def _words(text: str) -> list[str]:
    return [word.lower().replace("’", "'") for word in _WORD.findall(text)]


def _unclear(word: str) -> ParseError:
    return ParseError(f"{word!r} beside a number leaves open which one is meant")


def _is_operator(before: str, sign: str) -> bool:
    """Whether the sign behind a text has a left side: "y + 1", "(a)-1", and not "it is -1"."""
    if not before.strip():
        return False
    apart = before[-1:].isspace() and not sign.endswith(" ")
    return not (apart and before.rstrip()[-1].isalpha()) and before[-1] not in "($€£¥"


def _fraction(over: str, below: str) -> Fraction:
    if len(over) + len(below) > MAX_CHARACTERS // 10:
        raise LimitError("a number is over the limit of 100 digits")
    if not int(below):
        raise ParseError("a fraction divides by zero")
    value = Fraction(over) / int(below)
    if "." not in over and value.denominator != int(below):
        raise ParseError(f"{over}/{below} is not in lowest terms")
    return value
