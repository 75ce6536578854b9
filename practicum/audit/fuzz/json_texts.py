"""JSON replies with a wrong value, for rows whose gold answer is JSON that the honest right texts repeat."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from practicum.audit.fuzz.probe import Probe
from practicum.audit.fuzz.rows import FuzzRow
from practicum.audit.fuzz.values import json_of

MOST = 12


def changed_json(row: int, data: FuzzRow) -> Iterator[Probe]:
    """Right JSON with one part changed, left out or emptied; nothing where right texts are no such JSON."""
    gold = data.answer if isinstance(data.answer, (dict, list)) else json_of(data.gold)
    if not gold:
        return
    leaves = set(_leaves(gold))
    for text in data.good[:2]:
        block = re.search(r"[\[{].*[\]}]", text, re.DOTALL)
        found = json_of(block[0]) if block else None
        if block is None or found is None or not leaves or not leaves <= set(_leaves(found)):
            continue
        equal = found == gold
        for what, value in list(_changes(found))[: 2 * MOST]:
            # A part that the gold answer does not have may be free.
            if equal or not leaves <= set(_leaves(value)):
                filled = text[: block.start()] + json.dumps(value) + text[block.end() :]
                yield Probe(row, filled, "wrong_json", "refused", f"whose JSON has {what}")
        for empty in ("{}", "[]", "null"):
            if json.loads(empty) != gold:
                filled = text[: block.start()] + empty + text[block.end() :]
                yield Probe(row, filled, "bare_format", "refused", "whose JSON is empty")


def without_named_keys(row: int, data: FuzzRow) -> Iterator[Probe]:
    """Right JSON without a key that the prompt names and all right replies have, or with it misspelt."""
    found = [json_of(text) for text in data.good]
    if not found or not all(isinstance(one, dict) for one in found):
        return
    first = found[0]
    assert isinstance(first, dict)
    for key in first:
        named = re.search(rf"(?<!\w){re.escape(key)}(?!\w)", data.prompt.text) if len(key) > 1 else None
        if named and all(isinstance(one, dict) and key in one for one in found):
            rest = {name: one for name, one in first.items() if name != key}
            renamed = {f"{name}_x" if name == key else name: one for name, one in first.items()}
            for what, value in (("without a key", rest), ("with a misspelt key", renamed)):
                said = f"whose JSON is {what} that the prompt names"
                yield Probe(row, json.dumps(value), "key_missing", "refused", said, alone=False)


def _leaves(value: Any) -> Iterator[str]:
    """The plain values inside of a JSON value, as JSON text."""
    if isinstance(value, dict):
        for one in value.values():
            yield from _leaves(one)
    elif isinstance(value, list):
        for one in value:
            yield from _leaves(one)
    else:
        yield json.dumps(value)


def _changes(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for one, other in pairwise(value):
            if type(value[one]) is type(value[other]) and value[one] != value[other]:
                yield "two values exchanged", {**value, one: value[other], other: value[one]}
        for key in value:
            yield "a part left out", {name: one for name, one in value.items() if name != key}
            for what, changed in _changes(value[key]):
                yield what, {**value, key: changed}
    elif isinstance(value, list):
        if value:
            yield "an item left out", value[:-1]
            yield "an item left out", value[1:]
            yield "an item added", [*value, value[-1] if not isinstance(value[-1], str) else "zebra"]
        for place, one in enumerate(value[:3]):
            for what, changed in _changes(one):
                yield what, [*value[:place], changed, *value[place + 1 :]]
    elif isinstance(value, bool):
        yield "a value turned", not value
    elif isinstance(value, (int, float)):
        yield "a wrong number", value + 7
        yield "a wrong number", -value - 1
    elif isinstance(value, str):
        yield "a wrong word", "zebra"
        yield "an empty word", ""
    elif value is None:
        yield "a wrong value", "zebra"
