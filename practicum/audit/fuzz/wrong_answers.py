"""Answers to a row that are wrong for certain, to stand in the place of the right one."""

from __future__ import annotations

import re
from fractions import Fraction

from practicum.audit.fuzz.anatomy import Anatomy
from practicum.audit.fuzz.rows import FuzzRow
from practicum.audit.fuzz.values import DATE, holds, number_of, wrong_dates, wrong_values

EXACT_WORDS = re.compile(
    r"\b(about|approximately|roughly|round|significant|estimate|decimal|nearest|percent|overlap|toleran|iou\b"
    r"|within \d|(?:is|are) enough\b|close (?:to|enough))|±",
    re.IGNORECASE,
)

NEAR = Fraction(1, 5)
"""How far from the right number a tolerance may reach, as a share of it."""


def wrong_answers(anatomy: Anatomy, row: int) -> list[tuple[str, str]]:
    """Wrong answers to a row, with how each was made."""
    prompt, gold = anatomy.rows[row].prompt.text, anatomy.rows[row].gold
    numbers = [number_of(one.gold) for one in anatomy.rows if number_of(one.gold) is not None]
    exact = all(one is not None and one.denominator == 1 for one in numbers) and not EXACT_WORDS.search(
        prompt
    )
    percent = (
        "%" in prompt or "percent" in prompt.casefold() or any("%" in text for text in anatomy.rows[row].good)
    )
    if any(re.match(r"\s?%", slot.text[slot.end :]) for slot in anatomy.good_slots(row)):
        # The sign stays behind the value: 0.25% is not 25%.
        percent = False
    known = [value for value in anatomy.wrong(row) if exact or not _may_be_near(anatomy.rows[row], value)]
    found = wrong_values(gold, anatomy.others(row), known, exact, percent)
    if EXACT_WORDS.search(prompt):
        # What is next to the right answer may be right enough.
        far = re.sub(r"\d+", lambda one: str(2 * int(one[0][:15]) + 7), gold)
        found = [("far off", far) if how == "numbers changed" else (how, value) for how, value in found]
    for slot in anatomy.good_slots(row):
        written = slot.value.strip()
        # Day and month are told apart by the form that the reply writes them in.
        found += [one for one in wrong_dates(written) if written != gold and DATE.fullmatch(written)]
    return [(how, value) for how, value in found if not anatomy.allowed(row, value)]


def _may_be_near(data: FuzzRow, value: str) -> bool:
    """Whether a value stands in wrong replies beside the right one only, and is near it: it may be within the
    prompt's tolerance, and the reply wrong for naming two."""
    gold, given = number_of(data.gold), number_of(value)
    if gold is None or given is None or abs(given - gold) > abs(gold) * NEAR:
        return False
    return all(holds(text, data.gold) for text in data.bad if value in text)
