"""Answers to a row that are wrong for certain, to stand in the place of the right one."""

from __future__ import annotations

import re

from practicum.audit.fuzz.anatomy import Anatomy
from practicum.audit.fuzz.values import DATE, number_of, wrong_dates, wrong_values

EXACT_WORDS = re.compile(
    r"\b(about|approximately|roughly|round|significant|estimate|decimal|nearest|percent)", re.IGNORECASE
)


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
    found = wrong_values(gold, anatomy.others(row), anatomy.wrong(row), exact, percent)
    for slot in anatomy.good_slots(row):
        written = slot.value.strip()
        # Day and month are told apart by the form that the reply writes them in.
        found += [one for one in wrong_dates(written) if written != gold and DATE.fullmatch(written)]
    return [(how, value) for how, value in found if not anatomy.allowed(row, value)]
