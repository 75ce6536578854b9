"""Numbers in English words: "twenty-one", "three hundred and five", "two thirds", "third"."""

from __future__ import annotations

import re
from fractions import Fraction

from practicum.exact.maths_trees import Number

_SMALL = dict(
    zip(
        [
            "zero",
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
            "thirteen",
            "fourteen",
            "fifteen",
            "sixteen",
            "seventeen",
            "eighteen",
            "nineteen",
        ],
        range(20),
        strict=True,
    )
)
_TENS = dict(
    zip(
        ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"],
        range(20, 100, 10),
        strict=True,
    )
)
_SCALES = {"thousand": 1000, "million": 10**6, "billion": 10**9}
_PARTS = {
    "half": 2, "halves": 2, "third": 3, "thirds": 3, "quarter": 4, "quarters": 4, "fourth": 4, "fourths": 4,
    "fifth": 5,
    "fifths": 5, "sixth": 6, "sixths": 6, "seventh": 7, "sevenths": 7, "eighth": 8, "eighths": 8, "ninth":
    9, "ninths": 9,
    "tenth": 10, "tenths": 10,
}  # fmt: skip


def spelled_number(text: str) -> Number | None:
    """The number that words spell, None where they spell none."""
    words = re.sub(r"[-,]", " ", text.strip().lower()).split()
    if not 0 < len(words) <= 16 or not all(word.isalpha() for word in words):
        return None
    sign = 1
    if words[0] in ("minus", "negative"):
        sign, words = -1, words[1:]
    if len(words) > 1 and words[-1] in _PARTS:
        top = 1 if words[:-1] in (["a"], ["one"]) else _whole(words[:-1])
        return None if top is None else Number(Fraction(sign * top, _PARTS[words[-1]]))
    whole = _whole(words)
    return None if whole is None else Number(Fraction(sign * whole))


def _whole(words: list[str]) -> int | None:
    total, group, last = 0, 0, 10**12
    before = ""
    for word in words:
        if word in _SMALL and before not in _SMALL and (before not in _TENS or 0 < _SMALL[word] < 10):
            group += _SMALL[word]
        elif word in _TENS and before not in _SMALL and before not in _TENS:
            group += _TENS[word]
        elif word == "hundred" and before in _SMALL and 0 < group < 10:
            group *= 100
        elif word in _SCALES and group and _SCALES[word] < last:
            total, last, group = total + group * _SCALES[word], _SCALES[word], 0
        elif word == "and" and before in ("hundred", *_SCALES):
            pass
        else:
            return None
        before = word
    return total + group if words and before != "and" else None
