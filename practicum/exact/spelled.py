"""Numbers in English words: "twenty-one", "three hundred and five", "two thirds", "two and a half"."""

from __future__ import annotations

import re
from fractions import Fraction

from practicum.exact.maths_trees import Number
from practicum.exact.phrases import NUMBERS, PARTS

_UNDER_TWENTY = {
    **NUMBERS, "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16, "seventeen": 17, "eighteen": 18,
    "nineteen": 19,
}  # fmt: skip
_TENS = {
    "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80,
    "ninety": 90,
}  # fmt: skip
MAX_WORDS = 16
"""Most words of a number."""
SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
NUMBER_WORDS = frozenset([*_UNDER_TWENTY, *_TENS, *SCALES, "hundred"])


def spelled_number(text: str) -> Number | None:
    """The number that words spell, None where they spell none."""
    words = re.sub(r"[-,]", " ", text.strip().lower()).split()
    if not 0 < len(words) <= MAX_WORDS or not all(word.isalpha() for word in words):
        return None
    sign = 1
    if words[0] in ("minus", "negative"):
        sign, words = -1, words[1:]
    if "and" in words and words[-1] in PARTS and words[words.index("and") - 1] in _UNDER_TWENTY | _TENS:
        place = words.index("and")
        whole, part = _whole(words[:place]), spelled_number(" ".join(words[place + 1 :]))
        if whole is None or part is None or not 0 < part.value < 1:
            return None
        return Number(sign * (whole + part.value))
    if words == ["half"]:
        return Number(Fraction(sign, 2))
    if words[:1] == ["hundred"] or (words and words[0] in SCALES):  # "a million"
        words = ["one", *words]
    if len(words) > 1 and words[-1] in PARTS:
        top = 1 if words[:-1] in (["a"], ["one"]) else _whole(words[:-1])
        return None if top is None else Number(Fraction(sign * top, PARTS[words[-1]]))
    whole = _whole(words)
    return None if whole is None else Number(Fraction(sign * whole))


def _whole(words: list[str]) -> int | None:
    total, group, last = 0, 0, 10**15
    before = ""
    for word in words:
        if (
            word in _UNDER_TWENTY
            and before not in _UNDER_TWENTY
            and (before not in _TENS or 0 < _UNDER_TWENTY[word] < 10)
        ):
            group += _UNDER_TWENTY[word]
        elif word in _TENS and before not in _UNDER_TWENTY and before not in _TENS:
            group += _TENS[word]
        elif word == "hundred" and before in _UNDER_TWENTY and 0 < group < 10:
            group *= 100
        elif word in SCALES and group and SCALES[word] < last:
            total, last, group = total + group * SCALES[word], SCALES[word], 0
        elif word == "and" and before in ("hundred", *SCALES):
            pass
        else:
            return None
        before = word
    return total + group if words and before != "and" else None
