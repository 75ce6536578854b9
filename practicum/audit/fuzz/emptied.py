"""Right replies one of whose parts is empty, or says nothing: a quote, the text after a label.

Such a part proves nothing, but a search finds it everywhere: an empty text stands in every text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from practicum.audit.fuzz.anatomy import Anatomy
from practicum.audit.fuzz.probe import Probe
from practicum.audit.fuzz.values import holds, json_of

QUOTES = re.compile(r"([\"\u201c\u00ab\u201e])([^\"\u201c\u201d\u00ab\u00bb\u201e\n]{3,})([\"\u201d\u00bb])")
QUOTED = re.compile(
    r"\b(?:quot\w+|cit\w+|evidence|excerpts?|passages?|verbatim|cop(?:y|ied)|extract\w*|snippets?|spans?|support\w*)\b",
    re.IGNORECASE,
)
"""How prompts ask for a piece of a text."""
OF_WORDS = re.compile(r"\b(?:words|sentences?|phrases?)\b", re.IGNORECASE)
LABELLED = re.compile(r"^([ \t]*\W{0,3}([A-Z][\w ]{1,24}):[ \t]*)(\S.*)$", re.MULTILINE)
VACUOUS = ("", " ", ".")


def emptied(anatomy: Anatomy, row: int) -> Iterator[Probe]:
    """The right replies to a row with a part that the prompt asks for emptied."""
    data = anatomy.rows[row]
    if anatomy.task in ("code", "expression"):
        return
    for text in data.good[:2]:
        if json_of(text) is None:
            yield from _quotes(anatomy, row, text)
            yield from _sources(anatomy, row, text)
            yield from _labels(anatomy, row, text)


def _quotes(anatomy: Anatomy, row: int, text: str) -> Iterator[Probe]:
    """With nothing, a sign, or a letter or word of it, in quotation marks that all right replies have."""
    data = anatomy.rows[row]
    if not QUOTED.search(data.prompt.text):
        return
    if not all(QUOTES.search(good) for one in anatomy.rows for good in one.good):
        return
    for found in [*QUOTES.finditer(text)][-2:]:
        contents = list(VACUOUS)
        if OF_WORDS.search(data.prompt.text) and len(found[2].split()) > 2:
            middle = found[2].split()[1]
            contents += [middle[0], middle, "e"]
        for content in contents:
            changed = text[: found.start(2)] + content + text[found.end(2) :]
            what = (
                "with nothing in its quotation"
                if not content.strip(" .")
                else "with no more than a word quoted"
            )
            yield Probe(row, changed, "empty_part", "refused", what)


NUMBERED = re.compile(r"^\s*\[(\d+)\]", re.MULTILINE)
SOURCE = re.compile(
    r"\b(?:quot\w+|cit\w+|evidence|passages?|sources?|references?|documents?|support\w*|numbers?)\b",
    re.IGNORECASE,
)
CITED = re.compile(r"\[(\d+)\]")


def _sources(anatomy: Anatomy, row: int, text: str) -> Iterator[Probe]:
    """With the number of a source that the prompt does not have, where it numbers its sources as [1]."""
    data = anatomy.rows[row]
    there = {int(one) for one in NUMBERED.findall(data.prompt.text)}
    goods = [good for one in anatomy.rows for good in one.good]
    if not there or not SOURCE.search(data.prompt.text):
        return
    if (
        not all(CITED.search(good) for good in goods)
        or not {int(one) for one in CITED.findall(text)} <= there
    ):
        return
    for number in (0, -1, max(there) + 1, 99, -max(there)):
        if number not in there:
            changed = CITED.sub(f"[{number}]", text)
            yield Probe(row, changed, "no_such_source", "refused", "that cites a source which is not there")
    yield Probe(row, CITED.sub("[]", text), "no_such_source", "refused", "that cites no source")


def _labels(anatomy: Anatomy, row: int, text: str) -> Iterator[Probe]:
    """With nothing after a label that the prompt names and all right replies have."""
    data = anatomy.rows[row]
    prompt = data.prompt.text
    for found in LABELLED.finditer(text):
        label = found[2]
        if f"{label}:" not in prompt or not all(
            f"{label}:" in good for one in anatomy.rows for good in one.good
        ):
            continue
        if f"{label}:" in text[found.end() :]:
            continue  # The last one may be all that counts.
        if re.search(
            rf"{re.escape(label)}[^.]*\b(?:optional|may be empty|or nothing|if any)", prompt, re.IGNORECASE
        ):
            continue
        for content in ("", "-"):
            changed = text[: found.start(3)] + content + text[found.end(3) :]
            lost = data.gold and holds(text, data.gold) and not holds(changed, data.gold)
            what = f"with nothing after {label}"
            yield Probe(row, changed, "empty_part", "refused", what, contrast=not lost)
