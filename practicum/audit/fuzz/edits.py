"""Edits of a file, as search and replace blocks, that also change what they were not asked to change."""

from __future__ import annotations

import re
from collections.abc import Iterator

from practicum.audit.fuzz.probe import Probe
from practicum.audit.fuzz.rows import FuzzRow

BLOCK = re.compile(r"(<{5,7} ?SEARCH[^\n]*\n)(.*?)(\n={5,7}\n)(.*?)(\n>{5,7} ?REPLACE)", re.DOTALL)
NOTHING_ELSE = re.compile(
    r"\b(?:nothing else|only|minimal\w*|smallest|just|(?:do not|don't|without) chang\w+)\b", re.IGNORECASE
)
"""How prompts say that an edit changes what is asked for and no more."""


def greedy_edits(row: int, data: FuzzRow) -> Iterator[Probe]:
    """The first right edit of a row that also deletes the lines behind it, keeps the old line beside the new
    one, or adds a line."""
    for text in data.good[:1]:
        blocks = list(BLOCK.finditer(text))
        if len(blocks) != 1:
            return
        found = blocks[0]
        old, new = found[2], found[4]
        behind = _behind(old, data.prompt.text)
        changes = []
        if behind:
            changes += [("that deletes lines it was not asked to change", f"{old}\n{behind}", new)]
        if NOTHING_ELSE.search(data.prompt.text):
            changes += [("that keeps the old lines beside the new ones", old, f"{old}\n{new}")]
            changes += [("that adds a line it was not asked for", old, f"{new}\nunasked = True")]
        for what, search, replace in changes:
            edit = f"{found[1]}{search}{found[3]}{replace}{found[5]}"
            changed = text[: found.start()] + edit + text[found.end() :]
            yield Probe(row, changed, "edits_more", "refused", what)


def _behind(old: str, prompt: str) -> str:
    """What follows the old lines in the file that the prompt shows, where they stand there once."""
    if not old.strip() or prompt.count(old) != 1:
        return ""
    return prompt.partition(old)[2].strip("\n").partition("```")[0].rstrip()
