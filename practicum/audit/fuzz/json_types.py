"""JSON replies with values of another type, in other shapes, and right ones among words with brackets."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from practicum.audit.fuzz.anatomy import Anatomy
from practicum.audit.fuzz.damage import UNORDERED
from practicum.audit.fuzz.probe import Probe
from practicum.audit.fuzz.rows import FuzzRow
from practicum.audit.fuzz.values import json_of

BLOCK = re.compile(r"[\[{].*[\]}]", re.DOTALL)
NAMES = {
    "string": "string", "str": "string", "text": "string",
    "integer": "integer", "int": "integer", "whole number": "integer",
    "number": "number", "float": "number", "decimal": "number",
    "boolean": "boolean", "bool": "boolean", "true or false": "boolean", "true/false": "boolean",
    "date": "date", "calendar date": "date", "ISO date": "date",
}  # fmt: skip
"""How prompts and schemas call the types of JSON."""
NULLABLE = re.compile(r"\b(?:null|none|nullable|optional|missing|unknown)\b", re.IGNORECASE)
LENIENT = re.compile(r"\b(?:any type|as (?:text|strings?) or|string or|or (?:a )?string)\b", re.IGNORECASE)
NO_POINT = re.compile(r"\b(?:without|no) (?:an? )?decimal", re.IGNORECASE)
WORDS_AROUND = re.compile(
    r"\b(?:may|can|could|free|allowed|welcome|fine)\b[^.?!]{0,60}\b(?:say|write|add|explain|comment|reason|think"
    r"|text|words?|something|anything|sentences?|prose)\b",
    re.IGNORECASE,
)
"""How prompts allow words around the JSON."""
CONFINED = re.compile(
    r"\b(?:reply|respond|answer|output|return)\b[^.;]{0,50}\b(?:with|in|as)\b[^.;]{0,40}\bJSON\b"
    r"|\b(?:only|nothing else|alone|no other (?:text|words?))\b",
    re.IGNORECASE,
)
"""How prompts want JSON and no words, though right replies may have some."""
KEYS = re.compile(r"\b(?:keys?|fields?|propert\w+|attributes?|members?)\b", re.IGNORECASE)
NO_OTHER_KEYS = re.compile(
    r"\b(?:no (?:other|more|additional|extra)|only|exactly|just) (?:(?:the|these|those|this) )?(?:\w+ )?"
    r"(?:keys?|fields?)\b|\bkeys? (?:\w+ ){0,6}(?:only|and no(?:thing| others?| more))\b",
    re.IGNORECASE,
)
"""How prompts say that a JSON object has no other keys."""
MOST = 24
MOST_WHOLE = 10**15
"""Whole numbers that a float still tells from their neighbours' halves."""
DEEP = 60
Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Reply:
    """An honest right reply with JSON in it: what stands before and after, and the value."""

    before: str
    value: Any
    after: str

    def of(self, value: Any) -> str:
        """The reply with another value."""
        return self.before + json.dumps(value, ensure_ascii=False) + self.after


def replies(texts: Sequence[str]) -> list[Reply]:
    """The texts that hold JSON."""
    found = []
    for text in texts:
        block = BLOCK.search(text)
        value = json_of(block[0]) if block else None
        # A number in brackets is a reference, mostly, and no list.
        listed = isinstance(value, list) and not any(isinstance(one, dict) for one in value)
        if block and value and not (listed and block[0] != text.strip()):
            found.append(Reply(text[: block.start()], value, text[block.end() :]))
    return found


def leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """The plain values inside of a JSON value, with the way to each."""
    if isinstance(value, (dict, list)):
        for key, one in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(one, (*path, key))
    else:
        yield path, value


def put(value: Any, path: Path, new: Any) -> Any:
    """The value with another one at the end of a way."""
    if not path:
        return new
    first, rest = path[0], path[1:]
    if isinstance(value, dict):
        return {key: put(one, rest, new) if key == first else one for key, one in value.items()}
    return [put(one, rest, new) if place == first else one for place, one in enumerate(value)]


def type_of(value: Any) -> str:
    """The type of a plain JSON value."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, (int, float)):
        return "number"
    return "string" if isinstance(value, str) else "null"


def declared_types(data: FuzzRow) -> dict[str, str]:
    """Key -> the type that the prompt, or a schema in the answer column, says its value has."""
    found: dict[str, str] = {}
    spec = data.answer if isinstance(data.answer, dict) else json_of(data.gold)
    for path, value in leaves(spec):
        if isinstance(value, str) and value in NAMES and path:
            name = path[-2] if path[-1] == "type" and len(path) > 1 else path[-1]
            found[str(name)] = NAMES[value]
    keys = {str(path[-1]) for reply in replies(data.good) for path, _ in leaves(reply.value) if path}
    for key in keys:
        said = re.search(
            rf"(?<!\w){re.escape(key)}(?!\w)[\"'`*]*\s*[:(=,]?\s*(?:(?:is|are|must be|should be|as|of type"
            rf"|type|which is|that is)\s+)*[\"'`<]?(?:an?\s+|the\s+|one\s+)?({'|'.join(NAMES)})\b",
            data.prompt.text,
            re.IGNORECASE,
        )
        if said:
            found[key] = NAMES[said[1].casefold()]
    return found


def mistyped(anatomy: Anatomy, row: int) -> Iterator[Probe]:
    """Right JSON with a value of another type that is nearly it, where the prompt or a schema names the type,
    or where the value is the gold answer's and all right replies to all rows give it one type."""
    data = anatomy.rows[row]
    if LENIENT.search(data.prompt.text):
        return
    declared, shown = declared_types(data), _types_shown(anatomy)
    gold = data.answer if isinstance(data.answer, (dict, list)) else json_of(data.gold)
    fixed = {json.dumps(value) for _, value in leaves(gold)} if gold is not None else set()
    found: list[tuple[int, str, str]] = []
    for reply in replies(data.good[:2]):
        for path, value in leaves(reply.value):
            key = str(next((one for one in reversed(path) if isinstance(one, str)), ""))
            kind = declared.get(key, "")
            sure = bool(kind) or (json.dumps(value) in fixed and len(shown.get(key, ())) == 1)
            for rank, (what, new) in enumerate(_near(value, kind, data.prompt.text)):
                if sure:
                    found.append((rank, what, reply.of(put(reply.value, path, new))))
    for what, text in _with_another_key(data):
        yield Probe(row, text, "json_key_added", "refused", what)
    for reply in replies(data.good[:2]):
        # Parts that the gold answer does not have may be free.
        if fixed and fixed <= {json.dumps(value) for _, value in leaves(reply.value)}:
            for what, new in (("null", None), ("a word", "x"), ("an empty list", [])):
                hollow = _hollow(reply.value, new)
                if hollow is not None:
                    said = f"whose JSON has {what} for each of its inner parts"
                    yield Probe(row, reply.of(hollow), "hollow_json", "refused", said)
    # The likeliest confusion of each value first.
    for _, what, text in sorted(found, key=lambda one: one[0])[:MOST]:
        yield Probe(row, text, "json_type", "refused", f"whose JSON has {what}")


def not_finite(row: int, data: FuzzRow) -> Iterator[Probe]:
    """Right JSON with NaN, which no comparison refuses, for all numbers that the gold answer has, or one."""
    gold = data.answer if isinstance(data.answer, (dict, list)) else json_of(data.gold)
    fixed = {json.dumps(value) for _, value in leaves(gold)} if gold is not None else set()
    for reply in replies(data.good[:2]):
        numbers = [
            path
            for path, value in leaves(reply.value)
            if type_of(value) == "number" and json.dumps(value) in fixed
        ]
        if not numbers:
            continue
        for content, name in ((float("nan"), "NaN"), (float("inf"), "Infinity")):
            every = reply.value
            for path in numbers:
                every = put(every, path, content)
            one = put(reply.value, numbers[-1], content)
            for what, value in (("its last number", one), ("all of its numbers", every)):
                said = f"whose JSON has {name} for {what}"
                yield Probe(row, reply.of(value), "non_finite", "refused", said)


def at(value: Any, path: Path) -> Any:
    """What stands at the end of a way."""
    for key in path:
        value = value[key]
    return value


def _hollow(value: Any, new: Any) -> Any:
    """The value with another one for each object with content inside of its objects; None where none is."""
    if isinstance(value, list):
        inner = [_hollow(one, new) for one in value]
        return None if any(one is None for one in inner) or not inner else inner
    if not isinstance(value, dict):
        return None
    if not any(isinstance(one, dict) and one for one in value.values()):
        return None
    return {key: new if isinstance(one, dict) and one else one for key, one in value.items()}


def _with_another_key(data: FuzzRow) -> Iterator[tuple[str, str]]:
    """Right JSON with one key more, where the prompt says that there is none."""
    if NO_OTHER_KEYS.search(data.prompt.text):
        for reply in replies(data.good[:1]):
            if isinstance(reply.value, dict):
                yield (
                    "whose JSON has a key more than the prompt allows",
                    reply.of({**reply.value, "zebra": 1}),
                )
                yield (
                    "whose JSON has a key more than the prompt allows",
                    reply.of({**reply.value, "zebra": "x"}),
                )


def _types_shown(anatomy: Anatomy) -> dict[str, set[str]]:
    shown: dict[str, set[str]] = {}
    for one in anatomy.rows:
        for reply in replies(one.good):
            for path, value in leaves(reply.value):
                key = next((part for part in reversed(path) if isinstance(part, str)), "")
                shown.setdefault(str(key), set()).add(type_of(value))
    return shown


def _near(value: Any, declared: str, prompt: str) -> Iterator[tuple[str, Any]]:
    """(what in words, a value of another type), the likeliest to pass first; a text for a number and the like
    only where the type is `declared`."""
    kind = type_of(value)
    if kind == "number":
        yield "true or false for a number", bool(value)
        if declared:
            yield "a text for a number", str(value)
        if declared == "integer" and abs(value) < MOST_WHOLE:
            yield "a fraction for a whole number", value + 0.5
            if NO_POINT.search(prompt):
                yield "a decimal for a whole number", float(value)
    elif kind == "boolean":
        yield "a number for true or false", int(value)
        if declared:
            yield "a text for true or false", str(value).lower()
    elif kind == "string" and declared == "date":
        yield "a word for a date", "soon"
        if re.fullmatch(r"\d{4}-\d\d-\d\d", value):
            yield "a day that is in no calendar", f"{value[:4]}-02-30"
            yield "a month that is in no calendar", f"{value[:4]}-13-01"
        yield "a number for a text", 7
    elif kind == "string" and (declared or not value.replace(".", "", 1).isdigit()):
        yield "a number for a text", 7
        yield "true for a text", True
    if kind != "null":
        yield "a list for a plain value", [value]
        if not NULLABLE.search(prompt):
            yield "null for a value", None
        yield "an object for a plain value", {}


def any_shape(anatomy: Anatomy, row: int) -> list[Probe]:
    """JSON of every other shape, whole and in the place of each value: a reward must judge it."""
    texts: list[str] = []
    for reply in replies(anatomy.rows[row].good[:1]):
        deep: Any = []
        for _ in range(DEEP):
            deep = [deep]
        wholes: tuple[Any, ...] = (
            None,
            [],
            {},
            7,
            "x",
            True,
            [1, "x", None],
            [[]],
            [{}],
            deep,
            [reply.value],
            {"x": {}},
        )
        texts += [reply.of(one) for one in wholes]
        for new in (None, [], {}, 7, "x", True, 1.5, "", [[1]], {"x": 1}):
            texts += [
                reply.of(put(reply.value, path, new))
                for path, old in list(leaves(reply.value))[:6]
                if type(new) is not type(old)
            ]
        # Half a pair of surrogates: JSON can spell it, and no encoding takes it.
        texts += [
            reply.before + json.dumps(put(reply.value, path, f"{old} \ud83d")) + reply.after
            for path, old in list(leaves(reply.value))[:6]
            if isinstance(old, str)
        ]
    return [Probe(row, text, "odd_text", "steady", "of JSON of another shape") for text in texts]


def in_other_order(anatomy: Anatomy, row: int) -> Iterator[Probe]:
    """Right replies with their list in another order, where the prompt says that its order is free."""
    data = anatomy.rows[row]
    if not free_order(data.prompt.text):
        return
    what = "that is right, with its list in another order"
    for text, reply in zip(data.good[:2], replies(data.good[:2]), strict=False):
        lists = list(_lists(reply.value))
        if len(lists) == 1:
            path, items = lists[0]
            for turned in (items[::-1], [*items[1:], items[0]]):
                if turned != items:
                    changed = reply.of(put(reply.value, path, turned))
                    yield Probe(row, changed, "free_order", "paid", what, base=text)
    if replies(data.good):
        return
    for slot in anatomy.good_slots(row)[:2]:
        value = slot.value
        opened, closed = (
            (value[0], value[-1]) if value[:1] in tuple("[({") and value[-1:] in "])}" else ("", "")
        )
        inner = value[len(opened) : len(value) - len(closed)]
        gap = next((one for one in (",\n", ";\n", "\n", "; ", ";", ", ", ",") if one in inner), "")
        parts = inner.split(gap) if gap else []
        if len(parts) >= 2 and not re.search(r"[\[\](){}]", inner) and all(map(str.strip, parts)):
            for turned in (parts[::-1], [*parts[1:], parts[0]]):
                if turned != parts:
                    filled = slot.filled(opened + gap.join(turned) + closed)
                    yield Probe(row, filled, "free_order", "paid", what, base=slot.text)


def free_order(prompt: str) -> bool:
    """Whether a prompt says that the order of a list does not matter, and not that of keys."""
    clauses = re.split(r"[.;:\n](?=\s|$)", prompt)
    return any(UNORDERED.search(one) and not KEYS.search(one) for one in clauses)


def _lists(value: Any, path: Path = ()) -> Iterator[tuple[Path, list[Any]]]:
    if isinstance(value, list) and len(value) > 1:
        yield path, value
    if isinstance(value, (dict, list)):
        for key, one in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _lists(one, (*path, key))


TAGS = re.compile(r"</?[\w:-]+>|```\w*")
"""Marks around JSON that are no words."""


def among_words(anatomy: Anatomy, row: int) -> Iterator[Probe]:
    """Right JSON among words with brackets of their own, where words are allowed or shown."""
    data = anatomy.rows[row]
    every = [reply for one in anatomy.rows for reply in replies(one.good)]
    allowed = bool(WORDS_AROUND.search(data.prompt.text))
    if not allowed and CONFINED.search(data.prompt.text):
        return
    before = sum(bool(re.search(r"[a-z]{2}", TAGS.sub("", one.before))) for one in every)
    after = sum(bool(re.search(r"[a-z]{2}", TAGS.sub("", one.after))) for one in every)
    for text in data.good[:2]:
        for reply in replies([text]):
            names = ", ".join(reply.value) if isinstance(reply.value, dict) else "name, place"
            said = []
            if before and (allowed or before > 1):
                said += [f"It has the form {{{names}}}.\n{text}", f"I read what is {{given}} first.\n{text}"]
            if after and (allowed or after > 1):
                said += [f"{text}\nEverything in {{braces}} is from the text.", f"{text}\nDone :-}}"]
            for changed in said:
                what = "that is right, with braces in its words"
                yield Probe(row, changed, "braces_in_words", "paid", what, base=text)
