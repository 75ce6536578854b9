"""Distinctions that a prompt itself says matter, and right answers that ignore one of them."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Iterator

from practicum.audit.fuzz.anatomy import Anatomy
from practicum.audit.fuzz.probe import Probe
from practicum.audit.fuzz.values import items_of, json_of

MATTER = (
    r"(?:\w+ ){0,2}(?:matters?|counts?(?! as\b)|is significant|are significant|is important|are important)\b"
)
DENIED = re.compile(
    r"\b(?:not|n't|never|ignor\w+|regardless|irrelevant|insensitive|optional|whatever|any)\b", re.I
)
"""What turns a declaration into its opposite, in it or at most `NEAR` letters before, in its sentence."""
SORTED_KEYS = re.compile(
    r"\bkeys?\b[^.;]{0,30}\b(?:alphabetical\w*|sorted|ascending|order of)\b"
    r"|\bsort(?:ed)? (?:by )?(?:the |its )?keys?\b",
    re.I,
)
"""How prompts want the keys of JSON sorted."""
NEAR = 25
LONGEST = 300


def _turned(value: str) -> str:
    parts = items_of(value)
    if len(parts) < 2 or value.count(",") != len(parts) - 1:
        return value
    opened, closed = (value[0], value[-1]) if value[:1] in "[({" else ("", "")
    return opened + ", ".join(reversed(parts)) + closed


def _plain_letters(value: str) -> str:
    flat = unicodedata.normalize("NFD", value)
    return unicodedata.normalize("NFC", "".join(one for one in flat if not unicodedata.combining(one)))


def _once(value: str) -> str:
    parts = items_of(value)
    if len(parts) < 2 or value.count(",") != len(parts) - 1 or len(set(parts)) == len(parts):
        return value
    opened, closed = (value[0], value[-1]) if value[:1] in "[({" else ("", "")
    return opened + ", ".join(dict.fromkeys(parts)) + closed


def _doubled(value: str) -> str:
    parts = items_of(value)
    if len(parts) < 2 or value.count(",") != len(parts) - 1:
        return value
    closed = value[-1] if value[:1] in "[({" else ""
    return f"{value[: len(value) - len(closed)]}, {parts[-1]}{closed}"


def _first_turned(value: str) -> str:
    return value[:1].swapcase() + value[1:]


def _not_lowest(value: str) -> str:
    """Fractions in other than lowest terms."""
    return re.sub(
        r"(\d+)(\s*/\s*|\}\{)(\d+)", lambda one: f"{int(one[1]) * 2}{one[2]}{int(one[3]) * 2}", value
    )


Change = Callable[[str], str]
DECLARATIONS: tuple[tuple[str, str, tuple[Change, ...]], ...] = (
    (
        rf"\bcase[- ]sensitive|\b(?:case|capitali[sz]ation|capitals) {MATTER}"
        r"|\b(?:exact|same|correct|proper|right) (?:letter |upper and lower )?(?:case|capitali[sz]ation)\b"
        rf"|\bupper[- ]?(?:case)? and lower[- ]?case(?: letters)? {MATTER}"
        rf"|\b(?:capital|large|upper) (?:letters )?and (?:small|lower)(?: letters)? {MATTER}",
        "in other letters of upper or lower case",
        (str.swapcase, str.lower, str.upper, _first_turned),
    ),
    (
        rf"\border {MATTER}|\bin (?:the|this|that|their) (?:(?:right|correct|given|same|original) )?order\b"
        r"(?! to)"
        r"|\b(?:sorted|alphabetically|chronologically|ascending|descending)\b",
        "with its parts in another order",
        (_turned,),
    ),
    (
        r"\b(?:with|including|includ\w+|give|state) (?:its |the |their |a |an )?units?\b|"
        rf"\bunits? {MATTER}",
        "without the unit",
        (lambda value: re.sub(r"(?<=\d) ?[A-Za-z\u00b0\u00b5%/^]+[A-Za-z\d/^]*$", "", value),),
    ),
    (
        r"\bleading zeros?\b|\b(?:\w+)[- ]digit (?:code|number|time|pin)\b|\bpadded\b",
        "without the leading zeros",
        (lambda value: re.sub(r"^0+(?=\d)", "", value),),
    ),
    (
        rf"\b(?:accents?|diacritics?|umlauts?) {MATTER}"
        r"|\bwith (?:all )?(?:its |the )?(?:accents?|diacritics?)\b",
        "without the accents",
        (_plain_letters,),
    ),
    (
        rf"\b(?:punctuation|hyphens?|apostrophes?) {MATTER}|\bwith (?:all )?(?:its |the )?punctuation\b",
        "without its punctuation",
        (lambda value: re.sub(r"[^\w\s]", "", value), lambda value: re.sub(r"[^\w\s]", " ", value)),
    ),
    (
        rf"\b(?:spaces?|white ?space|spacing|blanks?|indentation) {MATTER}",
        "with other spaces",
        (lambda value: re.sub(r" +", "", value), lambda value: re.sub(r" +", "  ", value), str.lstrip),
    ),
    (
        rf"\b(?:repeats?|repetitions?|duplicates?|multiplicit\w+) {MATTER}"
        r"|\bwith (?:multiplicity|repetitions?)\b|\bas often as\b",
        "with its repeated parts given once",
        (_once,),
    ),
    (
        r"\b(?:without|no) (?:repeats?|repetitions?|duplicates?)\b|\beach (?:\w+ )?(?:only |exactly )?once\b",
        "with a part given twice",
        (_doubled,),
    ),
    (
        r"\b(?:lowest|simplest) (?:terms|form)\b|\b(?:reduced|simplified) fractions?\b",
        "with a fraction that is not in lowest terms",
        (_not_lowest,),
    ),
    (
        r"\bwith (?:its|the|their) (?:definite |indefinite )?article\b",
        "without the article",
        (lambda value: value.partition(" ")[2] or value,),
    ),
)


def declared(anatomy: Anatomy, row: int) -> Iterator[Probe]:
    """Right replies that ignore a distinction of their prompt; none that a row shows to be right."""
    data = anatomy.rows[row]
    if anatomy.task == "code":
        return
    yield from _keys_in_order(anatomy, row)
    for pattern, what, edits in DECLARATIONS:
        if not _says(data.prompt.text, pattern):
            continue
        for text, before, after in _values(anatomy, row):
            for edit in edits:
                changed = edit(text)
                whole = f"{before}{changed}{after}"
                if changed not in (text, "") and whole not in data.good and not _shown(anatomy, row, changed):
                    yield Probe(
                        row, whole, "declared_ignored", "refused", f"{what}, which its prompt rules out"
                    )


def _keys_in_order(anatomy: Anatomy, row: int) -> Iterator[Probe]:
    """Right JSON with its keys turned, where the prompt wants them sorted."""
    data = anatomy.rows[row]
    if not SORTED_KEYS.search(data.prompt.text):
        return
    what = "with its keys in another order, which its prompt rules out"
    for text in data.good[:2]:
        found = re.search(r"\{.*\}", text, re.DOTALL)
        value = json_of(found[0]) if found else None
        if found is None or not isinstance(value, dict) or len(value) < 2:
            continue
        keys = list(value)
        for order in (keys[::-1], [keys[1], keys[0], *keys[2:]]):
            for spaces in (None, 1):
                written = json.dumps({key: value[key] for key in order}, indent=spaces, ensure_ascii=False)
                changed = text[: found.start()] + written + text[found.end() :]
                yield Probe(row, changed, "keys_unordered", "refused", what)


def _says(prompt: str, pattern: str) -> bool:
    """Whether a sentence of a prompt declares it."""
    sentences = re.split(r"(?<=[.!?;])\s+|\n", prompt)
    return any(
        not DENIED.search(one[max(0, found.start() - NEAR) : found.end()])
        for one in sentences
        for found in re.finditer(pattern, one, re.IGNORECASE)
    )


def _values(anatomy: Anatomy, row: int) -> Iterator[tuple[str, str, str]]:
    """The answer in the shortest right reply, else a short right reply whole."""
    slots = sorted(anatomy.good_slots(row), key=lambda one: len(one.text))
    if slots and anatomy.task == "answer":
        slot = slots[0]
        yield slot.value, slot.text[: slot.start], slot.text[slot.end :]
    elif anatomy.task == "open":
        for text in anatomy.rows[row].good[:1]:
            if len(text) <= LONGEST:
                yield text, "", ""


def _shown(anatomy: Anatomy, row: int, value: str) -> bool:
    """Whether a right reply to the row says just this."""
    said = {slot.value.strip() for slot in anatomy.good_slots(row)}
    return value.strip() in {*said, *(text.strip() for text in anatomy.rows[row].good)}
