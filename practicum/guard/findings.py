"""What an audit found in a reward, read from its JSON, and whether a text is such a finding again.

A finding was made on one prompt. On another it is the same text with that prompt's own answer, and its own
prompt, in the places of the first one's; or nearly so.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from practicum.errors import InputError
from practicum.files import read_json
from practicum.guard.stated import gold_of

ANSWER, ASKED = "\ue000", "\ue001"
"""Stand for the row's own answer and its prompt."""
PIECE = 5
"""Characters of the pieces by which texts are compared."""
CONTAINED = 0.8
"""Share of a finding's pieces that a text near it has."""
NO_LONGER = 1.5
"""Such a text has at most so many times the finding's length: a long answer may hold a short finding."""


@dataclass(frozen=True)
class Found:
    """A text that was paid and is worthless: its family, what it exploits, and its template."""

    family: str
    sentence: str
    template: str

    def holds(self, prompt: str, text: str, row: Mapping[str, Any]) -> bool:
        """Whether a text is this finding again, or near it."""
        return self.near(template(prompt, text, row))

    def near(self, text: str) -> bool:
        """The same for a text that is a template already."""
        if text == self.template:
            return True
        if not self._pieces or len(text) > NO_LONGER * len(self.template):
            return False
        there = sum(piece in text for piece in self._pieces)
        return there >= CONTAINED * len(self._pieces)

    @cached_property
    def _pieces(self) -> tuple[str, ...]:
        """Runs of characters; none of a short text, to which only the same is near."""
        if len(self.template) < 4 * PIECE:
            return ()
        return tuple(self.template[at : at + PIECE] for at in range(len(self.template) - PIECE + 1))


def template(prompt: str, text: str, row: Mapping[str, Any]) -> str:
    """A text as it is compared: case, blanks and numbers' signs aside, its own answer and prompt as marks."""
    said, asked = normal(text), normal(prompt)
    if len(asked) >= 4 * PIECE:
        said = said.replace(asked, ASKED)
    answer = normal(gold_of(row) or "")
    if answer:
        said = re.sub(rf"(?<!\w){re.escape(answer)}(?!\w)", ANSWER, said)
    return said


def normal(text: str) -> str:
    """A text in lower case, compatible characters as one, with single blanks."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def read_findings(path: Path) -> tuple[Found, ...]:
    """The false accepts of what `practicum audit exploits --json` prints; other kinds are no texts to count.

    Raises InputError naming the file and the field.
    """
    advice = "give what `practicum audit exploits --reward ... --json` printed"
    whole = read_json(path, advice)
    findings = whole.get("findings") if isinstance(whole, Mapping) else None
    if not isinstance(findings, list):
        raise InputError(f"{path}: expected an object with a list `findings`: {advice}")
    return tuple(
        one for number, found in enumerate(findings) if (one := _found(found, f"{path}: findings[{number}]"))
    )


def _found(found: Any, origin: str) -> Found | None:
    if not isinstance(found, Mapping):
        raise InputError(f"{origin}: expected an object")
    for name in ("kind", "prompt", "completion"):
        if not isinstance(found.get(name), str):
            raise InputError(f"{origin}: {name}: expected a text")
    if found["kind"] != "false_accept":
        return None
    row = found.get("row")
    columns = row if isinstance(row, Mapping) else {}
    said = template(found["prompt"], found["completion"], columns)
    return Found(str(found.get("family") or "found"), str(found.get("sentence") or ""), said)


def near(findings: Sequence[Found], prompt: str, text: str, row: Mapping[str, Any]) -> tuple[str, ...]:
    """The families of the findings that a text is near, each once."""
    if not findings:
        return ()
    said = template(prompt, text, row)
    return tuple(dict.fromkeys(one.family for one in findings if one.near(said)))
