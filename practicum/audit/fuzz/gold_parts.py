"""One value of a gold answer of several, changed in a reply that has them all: a passage, a unit, a place."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from practicum.audit.fuzz.anatomy import Anatomy
from practicum.audit.fuzz.probe import Probe
from practicum.audit.fuzz.rows import FuzzRow
from practicum.audit.fuzz.values import json_of

FAMILY = "gold_part_changed"
MOST = 3
"""Other values that are tried for each."""


def changed_parts(anatomy: Anatomy, row: int) -> Iterator[Probe]:
    """Right replies to a row with another value where all of them have one that the gold answer gives.

    The value must stand once in each right reply to each row that has it, or it may be there by chance.
    """
    every = [_parts(one) for one in anatomy.rows]
    data = anatomy.rows[row]
    for place, (key, value) in enumerate(every[row].items()):
        if not all(
            _once(one, found[key]) for one, found in zip(anatomy.rows, every, strict=True) if key in found
        ):
            continue
        others = [found[key] for found in every if key in found and found[key].casefold() != value.casefold()]
        counted = re.sub(r"\d+", lambda one: str(int(one[0][:15]) + 1), value)
        far = re.sub(r"\d+", "99", value)
        new = [counted, far, *others] if counted != value else others
        for other in list(dict.fromkeys(new))[:MOST]:
            for text in data.good[:1]:
                changed = _replaced(text, value, other)
                if not any(_has(good, other) and not _has(good, value) for good in data.good):
                    what = f"with another value for the {place + 1}. part of its gold answer"
                    yield Probe(row, changed, FAMILY, "refused", what, alone=False)


def _parts(data: FuzzRow) -> dict[str, str]:
    """Key -> value of a gold answer that is an object of plain values, where no reply is JSON itself."""
    gold = data.answer if isinstance(data.answer, dict) else json_of(data.gold)
    if not isinstance(gold, Mapping) or any(json_of(text) is not None for text in data.good):
        return {}
    found: dict[str, Any] = {key: one for key, one in gold.items() if isinstance(one, (str, int, float))}
    return {key: str(one) for key, one in found.items() if not isinstance(one, bool) and str(one).strip()}


def _once(data: FuzzRow, value: str) -> bool:
    return all(len(_pattern(value).findall(text)) == 1 for text in data.good)


def _has(text: str, value: str) -> bool:
    return _pattern(value).search(text) is not None


def _replaced(text: str, value: str, other: str) -> str:
    return _pattern(value).sub(lambda _: other, text)


def _pattern(value: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w.]){re.escape(value)}(?!\w|\.\d)", re.IGNORECASE)
