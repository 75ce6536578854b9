"""Gold answers with several names: each of them, letter by letter, is right where others are."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from practicum.audit.fuzz.anatomy import Anatomy, Slot, marked
from practicum.audit.fuzz.probe import Probe
from practicum.audit.fuzz.rows import FuzzRow


def other_names(anatomy: Anatomy, row: int) -> Iterator[Probe]:
    """A right reply with another name of the row's list in its place, where right replies to some row show
    that one name of a list is enough."""
    if not any(len(_used(one)) > 1 for one in anatomy.rows):
        return
    data = anatomy.rows[row]
    slots = [
        (text, slot) for text in data.good for slot in [_slot(text)] if _plain(slot.value) in _names(data)
    ]
    for text, slot in slots[:1]:
        for name in _names(data).values():
            what = "that gives a name of the gold list letter by letter"
            yield Probe(row, slot.filled(name), "gold_name", "paid", what, base=text)


def _names(data: FuzzRow) -> dict[str, str]:
    """The names of the gold list by their letters alone; none where the gold answer is no list of names."""
    answer = data.answer
    if isinstance(answer, str):
        try:
            answer = json.loads(answer)
        except (ValueError, RecursionError):
            return {}
    if not isinstance(answer, list) or not all(isinstance(one, str) and one.strip() for one in answer):
        return {}
    return {_plain(one): one for one in reversed(answer)} if len(answer) > 1 else {}


def _used(data: FuzzRow) -> set[str]:
    """The names of the list that right replies to the row give, one each."""
    names = _names(data)
    return {plain for text in data.good for plain in [_plain(_slot(text).value)] if plain in names}


def _slot(text: str) -> Slot:
    return marked(text) or Slot(text, 0, len(text))


def _plain(text: str) -> str:
    return re.sub(r"[\W_]+", "", text).casefold()
