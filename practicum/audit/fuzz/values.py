"""Answers as values: when two differ for certain, and values that differ from a gold answer for certain.

Exact and cautious: what cannot be told apart for certain counts as equal, so that nobody is accused by it.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Sequence
from fractions import Fraction

LONGEST_NUMBER = 40
_NUMBER = re.compile(
    r"[-+\u2212]?(?:(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|\.\d+)(?:[eE][-+]?\d{1,2})?(?:/\d+)?%?"
)
NUMBER = re.compile(r"(?<![\w.])[-\u2212]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:/\d+)?(?!\w|[.,]\d|/\d)")
"""A number as people write it in a text, alone between other words."""
DATE = re.compile(r"(?<!\d)\d\d?([-/.])\d\d?\1\d{4}(?!\d)")
"""A date by its numbers, the year last."""
ARTICLES = {"a", "an", "the"}
OPPOSITES = {
    "yes": "no",
    "true": "false",
    "correct": "incorrect",
    "valid": "invalid",
    "increase": "decrease",
    "positive": "negative",
    "left": "right",
    "up": "down",
    "entailment": "contradiction",
}
OPPOSITES |= {other: one for one, other in OPPOSITES.items()}


SET_OFF = re.compile("[\u2070\u00b9\u00b2\u00b3\u2074-\u2079\u2080-\u2089]")
"""Raised and lowered digits, which a normal form of Unicode makes plain ones."""


def number_of(text: str) -> Fraction | None:
    """A text that is a number and nothing else (commas, a fraction, percent and dollar signs allowed)."""
    if SET_OFF.search(text):
        return None
    bare = unicodedata.normalize("NFKC", text).strip().strip("$").strip().rstrip(".").replace("\u2212", "-")
    frac = re.fullmatch(r"(-?)\\[dt]?frac\{(\d+)\}\{(\d+)\}", bare)
    if frac:
        bare = f"{frac[1]}{frac[2]}/{frac[3]}"
    if len(bare) > LONGEST_NUMBER or not bare.isascii() or not _NUMBER.fullmatch(bare):
        return None
    percent = bare.endswith("%")
    try:
        value = Fraction(bare.rstrip("%").replace(",", ""))
    except (ValueError, ZeroDivisionError):
        return None
    return value / 100 if percent else value


def readings(date: str) -> list[str]:
    """A date by its numbers, year last, as YYYY-MM-DD: day first, and month first."""
    one, other, year = (int(part) for part in re.split(r"[-/.]", date))
    orders = ((other, one), (one, other))
    return [f"{year:04}-{month:02}-{day:02}" for month, day in orders if month <= 12 and day <= 31]


def words_of(text: str) -> list[str]:
    """Words and signs that carry meaning, without case, articles and punctuation at their ends."""
    flat = unicodedata.normalize("NFKC", text).casefold().replace("\u2212", "-").replace("\u03c0", " pi ")
    return [word for word in re.findall(r"[^\W_]+|[-+*/^<>=]", flat) if word not in ARTICLES]


def differ(one: str, other: str) -> bool:
    """Whether two answers differ for certain."""
    first, second = number_of(one), number_of(other)
    if first is not None and second is not None:
        return first != second and first != second * 100 and first * 100 != second
    if first is not None or second is not None:
        loose = re.findall(NUMBER, one), re.findall(NUMBER, other)
        if loose[0] and loose[1]:
            return not {_loose(x) for x in loose[0]} & {_loose(x) for x in loose[1]}
    return sorted(words_of(one)) != sorted(words_of(other)) and "".join(words_of(one)) != "".join(
        words_of(other)
    )


def _loose(text: str) -> Fraction | str:
    found = number_of(text)
    return text if found is None else abs(found)


def holds(text: str, gold: str) -> bool:
    """Whether a text may hold an answer anywhere: as words in a row, as a number, or as letters in a row."""
    if not gold:
        return False
    value = number_of(gold)
    if value is not None:
        numbers = (number_of(one) for one in re.findall(r"[-+]?\d[\d,]*(?:\.\d+)?(?:/\d+)?", text))
        near = {value, abs(value), value * 100, value / 100}
        return any(one is not None and (one in near or abs(one) in near) for one in numbers)
    wanted, there = words_of(gold), words_of(text)
    if len(wanted) == 1 and len(wanted[0]) <= 3:
        return wanted[0] in there
    return bool(wanted) and "".join(wanted) in "".join(there)


def wrong_values(
    gold: str, others: Sequence[str], bad: Sequence[str], exact: bool, percent: bool = False
) -> list[tuple[str, str]]:
    """(what was done to the gold answer, the wrong value), the plainest first; each differs for certain.

    `others` are gold answers of other rows, `bad` wrong answers to this one; `exact` says that a number next
    to the gold answer is wrong too, `percent` that 25 and 0.25 may be one answer.
    """
    found = [("another answer", one) for one in dict.fromkeys([*bad, *others])]
    if number_of(gold) is not None:
        found += _wrong_numbers(gold, exact, percent or "%" in gold)
    else:
        found += _wrong_words(gold, others)
    kept, seen = [], set()
    for how, value in found:
        if value not in seen and (how in SURE or differ(value, gold)):
            kept.append((how, value))
            seen.add(value)
    return kept


SURE = {
    "sign changed",
    "a hundred times",
    "a hundredth",
    "nothing",
    "no number",
    "cut short",
    "letters added",
    "negated",
    "brackets changed",
    "comparison turned",
    "digits added",
    "last digit raised",
    "last digit lowered",
    "order of digits",
    "order of words",
    "one word changed",
    "unit changed",
    "order turned",
    "day and month turned",
    "hours and minutes turned",
    "half a day off",
    "a sign for a point",
    "values exchanged",
    "equal at few points",
    "equal at half the points",
}
"""Changes that make a wrong answer whatever `differ` says."""


RAISED_DIGITS = "\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079"


def _wrong_numbers(gold: str, exact: bool, percent: bool) -> list[tuple[str, str]]:
    value = number_of(gold)
    assert value is not None
    plain = re.sub(r"[^\d./-]", "", gold)
    found: list[tuple[str, str]] = [("no number", "nan"), ("no number", "inf"), ("no number", "-inf")]
    if value:
        found.append(("sign changed", plain[1:] if plain.startswith("-") else f"-{plain}"))
        found += [("zero", "0")]
    whole = value.denominator == 1
    if whole:
        digits = str(abs(value.numerator))
        sign = "-" if value < 0 else ""
        found += [("digits added", f"{sign}{digits}7"), ("digits added", f"{sign}3{digits}")]
        found += [("digits added", f"{sign}{digits}0")] if value else []
        if exact:
            found += [("next number", str(value.numerator + 1)), ("number before", str(value.numerator - 1))]
            found += [("a decimal below", f"{value.numerator - 1}.5")] if value > 0 else []
            found += [("a decimal added", f"{sign}{digits}.5"), ("a decimal added", f"{sign}{digits}.4")]
        if len(digits) > 1:
            found += [
                ("separators added", sign + mark.join((digits[0], digits[1:]))) for mark in (".", "a", "-")
            ]
            found += [
                ("cut short", f"{sign}{digits[0]}"),
                ("cut short", f"{sign}{digits[1:].lstrip('0') or '0'}"),
                # Two raised by five is no twenty-five, but some normal forms of Unicode write it so.
                ("last digit raised", sign + digits[:-1] + RAISED_DIGITS[int(digits[-1])]),
                ("last digit lowered", sign + digits[:-1] + chr(0x2080 + int(digits[-1]))),
            ]
        if len(digits) > 1 and digits[::-1] != digits and digits[-1] != "0":
            found += [("order of digits", sign + digits[::-1])]
    elif re.fullmatch(r"-?\d+\.\d+", gold):
        found += [("point dropped", gold.replace(".", "")), ("a sign for a point", gold.replace(".", "x"))]
        found += _far(value)
    elif "/" in gold:
        top, bottom = value.numerator, value.denominator
        found += [("fraction turned", f"{bottom}/{top}"), ("next number", f"{top + bottom}/{bottom}")]
        found += [("cut short", str(top))] if bottom != 1 else []
    else:
        found += _far(value)
    found += [("far off", _decimal(value * 2)), ("far off", _decimal(value / 2))] if value else []
    found += [("far off", _decimal(value * 10 + 7)), ("far off", "1000000007")]
    if not percent:
        found += (
            [("a hundred times", _decimal(value * 100)), ("a hundredth", _decimal(value / 100))]
            if value
            else []
        )
        for power in (10, 1000) if value else ():
            found += [
                ("another power of ten", _decimal(value * power)),
                ("another power of ten", _decimal(value / power)),
            ]
    return found


def _far(value: Fraction) -> list[tuple[str, str]]:
    """Decimals that no tolerance reaches."""
    found = [("far off", _decimal(value * factor)) for factor in (Fraction(13, 10), Fraction(7, 10))]
    if abs(value) < 10 and abs(value - int(value)) > abs(value) / 4:
        found.append(("cut short", str(int(value))))
    return found


def _decimal(value: Fraction) -> str:
    if value.denominator == 1:
        return str(value.numerator)
    return f"{float(value):.6g}"


def _wrong_words(gold: str, others: Sequence[str]) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    lower = gold.casefold()
    if lower in OPPOSITES:
        found.append(("another answer", OPPOSITES[lower]))
    if re.fullmatch(r"[A-Ea-e]", gold):
        found += [("another answer", letter) for letter in "ABCDE" if letter.casefold() != lower]
    words = gold.split()
    letters = re.fullmatch(r"[^\W\d_][\w' -]*", gold) is not None
    if letters and len(gold) > 2:
        found += [
            ("negated", f"not {gold}"),
            ("letters added", f"{gold}ology"),
            ("letters added", f"un{gold}"),
        ]
        found += [("cut short", gold[0]), ("cut short", gold[: max(2, len(gold) // 2)].strip())]
    plain = [word for word in words if word.casefold() not in ARTICLES]
    if letters and len(plain) > 1:
        found += [("order of words", " ".join(reversed(plain)))] if plain != plain[::-1] else []
        found += [
            ("one word changed", " ".join([*words[:-1], "Smithson"])),
            ("one word changed", " ".join(["Zorgian", *words[1:]])),
        ]
    unit = re.fullmatch(r"(-?\d[\d,.]*) ?([A-Za-z\u00b0\u00b5/^\d]+)", gold)
    if unit and not unit[2][0].isdigit():
        found += [("unit changed", f"{unit[1]} furlongs")]
    found += wrong_dates(gold)
    found += _wrong_signs(gold)
    if letters and len(words) > 1:
        fragment = next(
            (word for word in words if word.casefold() in {"the", "of", "a", "an", "in", "and"}), ""
        )
        found += [("cut short", fragment)] if fragment else []
    for turned, other in (("<", ">"), (">", "<"), ("\\le", "\\ge"), ("\\ge", "\\le")):
        if turned in gold and "\\left" not in gold:
            found.append(("comparison turned", gold.replace(turned, other)))
            break
    if re.fullmatch(r"[\[(].*,.*[\])]", gold.strip()):
        swap = str.maketrans("[]()", "()[]")
        found.append(("brackets changed", gold.translate(swap)))
    if re.search(r"\d", gold):
        changed = re.sub(r"\d+", lambda one: str(int(one[0]) + 1) if len(one[0]) < 15 else "1", gold)
        found.append(("numbers changed", changed))
        last = list(re.finditer(r"\d+", gold))[-1]
        found.append(
            ("numbers changed", f"{gold[: last.start()]}{int(last[0][:15]) + 3}{gold[last.end() :]}")
        )
    parts = items_of(gold)
    if len(parts) > 1:
        inner = gold.strip()
        start, end = (inner[0], inner[-1]) if inner[0] in "[({" and inner[-1] in "])}" else ("", "")
        found.append(("one part left out", start + ", ".join(parts[:-1]) + end))
        found.append(("one part left out", start + ", ".join(parts[1:]) + end))
        found.append(("one part added", start + ", ".join([*parts, _part_like(parts)]) + end))
        found.append(("one part for all", start + ", ".join([parts[0]] * len(parts)) + end))
        found.append(("one part left out", start + parts[0] + end))
        found.append(
            ("many parts added", start + ", ".join([*parts, *(f"zebra{one}" for one in range(20))]) + end)
        )
    return found


LABELLED = re.compile(r"([A-Za-z_]\w*)(\s*[=:]\s*)(-?\d+(?:\.\d+)?)")
FORMULA = re.compile(r"(?=.*[a-z])(?=.*[-+*^\d])[\da-z+\-*^(). ]+")


def is_formula(text: str) -> bool:
    """Whether a text is a polynomial in single letters, with a sign between its terms."""
    letters = re.findall(r"[a-z]+", text)
    return bool(FORMULA.fullmatch(text) and re.search(r"[\w)] ?[-+*^]", text)) and max(map(len, letters)) == 1


HALF_OF_POINTS = ((1, 2, 3, 4, 5), (1, 2, 4, 6, 7, 9), (-8, -5, -3, -1, 2, 4, 6, 9))
"""Half of the whole numbers that points are drawn from, from 1 to 9 or 10 and from -10 to 10."""


def _wrong_signs(gold: str) -> list[tuple[str, str]]:
    """Another sign for a point, as a pattern takes it; labelled values exchanged; and formulas that are equal
    at the first whole numbers only."""
    found: list[tuple[str, str]] = []
    if re.search(r"\w\.\w", gold):
        found.append(("a sign for a point", re.sub(r"(?<=\w)\.(?=\w)", "x", gold)))
    labelled = [*LABELLED.finditer(gold)]
    if len({one[1] for one in labelled}) > 1 and labelled[0][3] != labelled[-1][3]:
        values = iter([one[3] for one in labelled[::-1]])
        found.append(("values exchanged", LABELLED.sub(lambda one: one[1] + one[2] + next(values), gold)))
    letters = set(re.findall(r"[a-z]+", gold))
    if is_formula(gold) and len(letters) == 1:
        name = letters.pop()
        for more in (f"{name}*({name}-1)", f"{name}*({name}-1)*({name}-2)*({name}-3)"):
            found.append(("equal at few points", f"{gold} + {more}"))
        for roots in HALF_OF_POINTS:
            more = "*".join(f"({name}{-root:+d})" for root in roots)
            found.append(("equal at half the points", f"{gold} + {more}"))
    return found


def wrong_dates(gold: str) -> list[tuple[str, str]]:
    """Dates with day and month turned, and times with hours and minutes turned or half a day off."""
    found: list[tuple[str, str]] = []
    date = re.fullmatch(r"(\d{4})([-/.])(\d\d?)\2(\d\d?)", gold)
    if date and date[3] != date[4]:
        found.append(("day and month turned", date[2].join((date[1], date[4], date[3]))))
    date = re.fullmatch(r"(\d\d?)([-/.])(\d\d?)\2(\d{4}|\d\d)", gold)
    if date and date[1] != date[3]:
        found.append(("day and month turned", date[2].join((date[3], date[1], date[4]))))
    time = re.fullmatch(r"(\d\d?):(\d\d)(:\d\d)?", gold)
    if time:
        hours, minutes, rest = int(time[1]), int(time[2]), time[3] or ""
        if hours != minutes and minutes < 24:
            found.append(("hours and minutes turned", f"{time[2]}:{time[1].zfill(2)}{rest}"))
        if hours != 12:
            found.append(("half a day off", f"{(hours + 12) % 24:0{len(time[1])}}:{time[2]}{rest}"))
    day = WEEKDAY.search(gold)
    if day and gold != day[0]:
        alike = WEEKDAYS[7:] if len(day[0]) == 3 else WEEKDAYS[:7]
        others = [one for one in alike if one.casefold() != day[0].casefold()]
        for name in (others[0], others[-1]):
            found.append(("another day of the week", gold[: day.start()] + name + gold[day.end() :]))
    return found


WEEKDAYS = (
    "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday",
    "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun",
)  # fmt: skip
WEEKDAY = re.compile(rf"\b(?:{'|'.join(WEEKDAYS)})\b", re.IGNORECASE)


def items_of(gold: str) -> list[str]:
    """The parts of a list written with commas or semicolons; the text itself where it is none."""
    inner = gold.strip()
    if inner[:1] in "[({" and inner[-1:] in "])}":
        inner = inner[1:-1]
    if re.search(r"[\[\](){}]", inner):
        return [gold]
    return [part.strip() for part in re.split(r"[,;|]| / |\band\b|\bor\b", inner) if part.strip()]


def _part_like(parts: Sequence[str]) -> str:
    numbers = [number_of(part) for part in parts]
    if all(one is not None for one in numbers):
        return _decimal(max(one for one in numbers if one is not None) + 7)
    return '"zebra"' if parts[0].startswith('"') else "zebra"


def json_of(text: str) -> object:
    """The JSON a text holds, None where it is none or a plain number or text."""
    try:
        found: object = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, (dict, list)) else None


def distinct(golds: Iterable[str]) -> list[str]:
    """One of each group of answers that may be equal."""
    kept: list[str] = []
    for gold in golds:
        if gold and all(differ(gold, one) for one in kept):
            kept.append(gold)
    return kept
