"""Numbers that a reply states of itself, as its confidence, outside of the range that the prompt gives."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction

from practicum.audit.fuzz.anatomy import Anatomy
from practicum.audit.fuzz.probe import Probe
from practicum.audit.fuzz.values import number_of

SIGNED = r"-?\d+(?:\.\d+)?"
RANGE = re.compile(
    rf"\b(?:from|between|in|of|,)\s+[\[(]?({SIGNED})\s?(?:to|and|-|\u2013|,|\.\.)\s?({SIGNED})[\])]?(?![\w:/])",
    re.IGNORECASE,
)
FIELD = re.compile(rf"(?m)^([A-Za-z][\w ]{{0,24}})[:=][ \t]*({SIGNED})[ \t]*$")


def out_of_range(anatomy: Anatomy, row: int) -> Iterator[Probe]:
    """Wrong replies whose field, a labelled number on a line of its own, leaves the range that its prompt
    gives: the right replies to all rows have that field, within that range, and not as their answer."""
    data = anatomy.rows[row]
    stated = RANGE.search(data.prompt.text)
    if stated is None:
        return
    low, high = sorted((Fraction(stated[1]), Fraction(stated[2])))
    for label in _fields(anatomy, low, high):
        for text in data.bad[:2]:
            found = next((one for one in FIELD.finditer(text) if one[1] == label), None)
            if found is None:
                continue
            for number in (low - 1, low - 5 * (high - low), high + 1, high + 90 * (high - low)):
                content = f"{float(number):g}"
                changed = text[: found.start(2)] + content + text[found.end(2) :]
                what = "that is wrong, with a number outside of the range that its prompt gives"
                yield Probe(row, changed, "out_of_range", "refused", what, alone=False)


def _fields(anatomy: Anatomy, low: Fraction, high: Fraction) -> list[str]:
    """Labels that every right reply has once, with numbers of the range that are not the gold answers."""
    found: list[dict[str, Fraction | None]] = [
        {one[1]: number_of(one[2]) for one in FIELD.finditer(text)}
        for data in anatomy.rows
        for text in data.good
    ]
    shared = [label for label in (found[0] if found else {}) if all(label in one for one in found)]
    golds = [number_of(data.gold) for data in anatomy.rows for _ in data.good]
    kept = []
    for label in shared:
        values = [one[label] for one in found]
        within = all(value is not None and low <= value <= high for value in values)
        if within and values != golds:
            kept.append(label)
    return kept
