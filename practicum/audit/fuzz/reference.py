"""Replies that are compared with a reference text: the beginning alone, its words in no order, one word."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from practicum.audit.fuzz.anatomy import Anatomy
from practicum.audit.fuzz.damage import STOP_WORD, words
from practicum.audit.fuzz.probe import Probe

FEWEST, FEWEST_SAID = 6, 4
"""Words of the shortest text that is read as prose; of one that right replies say to the letter."""
ANY_PART = re.compile(
    r"\b(?:briefly|short\w*|summar\w+|key ?words?|any (?:one|part|of)|one of|at least one|list|set|anagram"
    r"|scrambl\w+|unscrambl\w+|shuffl\w+|order)\b",
    re.IGNORECASE,
)
"""How prompts may be content with a part of the reference, or with its words in another order."""


def of_reference(anatomy: Anatomy, row: int) -> Iterator[Probe]:
    """What overlaps with the gold answer of a row and says less, where that answer is a sentence or more and
    all right replies to all rows say nearly all of theirs."""
    data = anatomy.rows[row]
    if anatomy.task in ("code", "expression") or ANY_PART.search(data.prompt.text):
        return
    told = [references(one.gold) for one in anatomy.rows]
    # Where replies may say it otherwise, overlap of words may be what is meant.
    literal = all(
        _said(good) in map(_said, wanted)
        for one, wanted in zip(anatomy.rows, told, strict=True)
        for good in one.good
    )
    fewest = FEWEST_SAID if literal and any(len(wanted) > 1 for wanted in told) else FEWEST
    for one, wanted in zip(anatomy.rows, told, strict=True):
        if not one.good or not all(len(_said(text)) >= fewest and _prose(text) for text in wanted):
            return
        if not all(any(_says(good, text) for text in wanted) for good in one.good):
            return
    for text in (told[row][0], *data.good[:1]):
        parts = text.split()
        for what, kept in (
            ("that ends after half of it", parts[: len(parts) // 2]),
            ("that ends after a few words", parts[: min(3, len(parts) - 1)]),
            ("of one word", parts[:1]),
            ("whose words stand in the order of the alphabet", sorted(parts, key=str.casefold)),
            ("whose words stand in the reverse order", parts[::-1]),
            ("that says its first words again and again", parts[:2] * (len(parts) // 2)),
        ):
            if literal or "order" not in what:
                yield Probe(row, " ".join(kept), "part_of_reference", "refused", what)


def references(gold: str) -> list[str]:
    """The texts of which any is the right answer: those of a list in JSON, else the gold answer alone."""
    try:
        found = json.loads(gold) if gold.lstrip().startswith("[") else None
    except (ValueError, RecursionError):
        found = None
    listed = isinstance(found, list) and len(found) > 1 and all(isinstance(one, str) for one in found)
    return found if listed and found else [gold]


def _says(text: str, wanted: str) -> bool:
    """Whether a text has nearly all words of another."""
    least = words(wanted)
    return sum((least & words(text)).values()) >= 0.8 * sum(least.values())


def _said(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


def _prose(text: str) -> bool:
    """Whether a text is a sentence: words like `the` and `of` among others, and no list."""
    small = [one for one in text.split() if STOP_WORD.fullmatch(one.casefold())]
    return bool(small) and text.count(",") * 3 < len(text.split()) and not re.search(r"[{}\[\]<>=]", text)
