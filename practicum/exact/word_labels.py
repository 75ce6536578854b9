"""Numbers that belong to words: "3 boys and 5 girls", "Tom has 3, Ann has 5", "max 3, min 5"."""

from __future__ import annotations

import re
from fractions import Fraction

from practicum.exact.expression import word_set

_STYLED = re.compile(r"\\(?:text|textbf|mathrm|operatorname)\s*\{([^{}]*)\}")
_PART = re.compile(r"\s*(?:[;\n]|,(?!\d{3}(?!\d))|\band\b|\bbut\b|\bwhile\b|&)\s*", re.IGNORECASE)
_NUMBER = re.compile(r"[-−]?\d[\d,]*(?:\.\d+)?(?:/\d+)?")
_WORD = re.compile(r"[^\W\d_]{2,}")
_PLAIN = word_set(
    """the an is are was were has have had there there's of for in on at to so thus with gets get needs need
    equals equal answer value values number numbers or it they he she we left then both its their his her"""
)
"""Words that tell no number from another."""


def numbers_by_word(text: str) -> dict[frozenset[str], Fraction] | None:
    """The words of each part of a list, but for those that several parts have, and the part's one number.

    None where a part has no number, several, or no word of its own, and for fewer than two parts.
    """
    parts = [one for one in _PART.split(_STYLED.sub(r" \1 ", text).replace("$", " ")) if one.strip()]
    if len(parts) < 2 or re.search(r"\\|[\[\](){}^]", "".join(parts).replace(r"\,", "").replace("\\$", "")):
        return None
    numbers = [_NUMBER.findall(one) for one in parts]
    words = [_told(one) for one in parts]
    if any(len(one) != 1 for one in numbers):
        return None
    own = [frozenset(one - set().union(*(other for other in words if other is not one))) for one in words]
    if not all(own):
        return None
    try:
        values = [Fraction(one[0].replace(",", "").replace("−", "-")) for one in numbers]
    except (ValueError, ZeroDivisionError):
        return None
    return dict(zip(own, values, strict=True))


def _told(part: str) -> set[str]:
    """The words of a part that tell something, in the singular."""
    words = {word.casefold() for word in _WORD.findall(part)} - _PLAIN
    return {word.removesuffix("s") for word in words}


def belong_otherwise(gold: str, text: str) -> bool:
    """Whether an answer gives a number of a gold list to another word of it: 5 boys and 3 girls."""
    wanted, given = numbers_by_word(gold), numbers_by_word(text)
    if wanted is None or given is None:
        return False
    for said, number in given.items():
        meant = [one for one in wanted if one & said]
        others = [value for one, value in wanted.items() if one not in meant]
        if len(meant) == 1 and wanted[meant[0]] != number and number in others:
            return True
    return False
