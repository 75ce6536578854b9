"""Limits that a prompt states with their end: a reply of just that many words, or characters, keeps them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import cycle, islice

from practicum.audit.fuzz.instructions import COUNT, added, number_named
from practicum.audit.fuzz.probe import Probe
from practicum.audit.fuzz.rows import FuzzRow

AT_MOST = re.compile(
    rf"\b(?:at most|no more than|not more than|up to|maximum of|a maximum of) {COUNT} (words|characters)\b",
    re.IGNORECASE,
)
AT_LEAST = re.compile(
    rf"\b(?:at least|no fewer than|no less than|minimum of|a minimum of) {COUNT} words\b", re.IGNORECASE
)
FILLERS = (
    "now",
    "and",
    "then",
    "as",
    "one",
    "may",
    "well",
    "say",
    "by",
    "day",
    "or",
    "night",
    "here",
    "there",
    "near",
    "far",
    "this",
    "way",
    "that",
    "way",
)
MOST = 120
"""Largest number of words, or of characters, that a reply is stretched to."""


def at_the_limit(row: int, data: FuzzRow) -> Iterator[Probe]:
    """Right replies stretched, or cut, to a limit.

    Each counts only where the same reply is paid with one word less, or more: then the limit is at fault.
    """
    prompt = data.prompt.text
    for text in data.good[:2]:
        for found in AT_MOST.finditer(prompt):
            count, name = number_named(found[1]), found[2].casefold()
            sized = _of_words if name == "words" else _of_characters
            if count <= MOST:
                yield from _pair(row, sized(text, count - 1), sized(text, count), f"{name} allowed")
        for found in AT_LEAST.finditer(prompt):
            count = number_named(found[1])
            if 2 < count <= MOST:
                yield from _pair(row, _cut(text, count, 1), _cut(text, count, 0), "words asked for")


def _pair(row: int, within: str, limit: str, name: str) -> Iterator[Probe]:
    if within and limit:
        yield Probe(row, within, "limit_itself", "steady", "that is right and within its limit")
        what = f"that is right and has just the number of {name}"
        yield Probe(row, limit, "limit_itself", "paid", what, base=within)


def _of_words(text: str, count: int) -> str:
    """The text with words added until there are `count`; empty where there are more."""
    missing = count - len(text.split())
    return added(text, " ".join(islice(cycle(FILLERS), missing))) if missing > 0 else ""


def _of_characters(text: str, count: int) -> str:
    """The text with one more word that brings it to `count` characters; empty where there is no room."""
    missing = count - len(text) - 1
    return added(text, "o" * missing) if missing > 0 else ""


def _cut(text: str, count: int, more: int) -> str:
    """The first words of a longer text, `count + more` in all; empty where it is not longer than that."""
    words = text.split()
    if len(words) <= count + 1:
        return ""
    end = re.search(r"[.!?]*$", words[-1])
    kept = [*words[: count - 1], *FILLERS[: 1 + more]]
    return " ".join(kept) + (end[0] if end else "")
