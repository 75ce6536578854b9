"""Moves on a board that the prompt draws: right ways with steps off the board before them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from practicum.audit.fuzz.probe import Probe
from practicum.audit.fuzz.rows import FuzzRow

MOVES = (
    (("U", "D"), ("L", "R")),
    (("N", "S"), ("W", "E")),
    (("up", "down"), ("left", "right")),
    (("north", "south"), ("west", "east")),
)
"""Words for a step and the one back: over the first or last row, and over the first or last column."""
ALLOWED = re.compile(
    r"\b(?:wrap\w*|torus|toroid\w*|other side|re-?enter\w*|come in again|ignored?)\b", re.IGNORECASE
)
"""How prompts say that a step off the board is none, or comes in again on the other side."""


def board(prompt: str) -> list[str]:
    """The lines of the largest board that a prompt draws: lines of one length, of signs without words."""
    best: list[str] = []
    lines: list[str] = []
    for line in (*prompt.splitlines(), ""):
        plain = line.strip().replace(" ", "")
        drawn = len(plain) > 1 and not re.search(r"[a-z]{3}|[A-Z]{3}", plain)
        if drawn and (not lines or len(plain) == len(lines[0])):
            lines.append(plain)
            continue
        best, lines = max(best, lines, key=len), [plain] if drawn else []
    return best if len(best) > 1 else []


def off_the_board(row: int, data: FuzzRow) -> Iterator[Probe]:
    """Right ways after as many steps as lead off the board, and back: no way on the board."""
    drawn = board(data.prompt.text)
    if not drawn or ALLOWED.search(data.prompt.text):
        return
    for text in data.good[:2]:
        words = re.findall(r"[A-Za-z]+", text)
        for axes in MOVES:
            known = [word for axis in axes for word in axis]
            letters = list(text.strip()) if len(words) == 1 and len(known[0]) == 1 else words
            if letters and all(one.casefold() in {word.casefold() for word in known} for one in letters):
                yield from _off(row, text, drawn, axes, letters)
                break


def _off(
    row: int, text: str, drawn: list[str], axes: tuple[tuple[str, str], ...], letters: list[str]
) -> Iterator[Probe]:
    place = _start(drawn)
    heights = (len(drawn), len(drawn[0]))
    first = letters[0]
    start = text.index(first)
    gap = text[start + len(first) : text.index(letters[1], start + len(first))] if len(letters) > 1 else " "
    for axis, (size, steps) in enumerate(zip(heights, axes, strict=True)):
        for side, step in enumerate(steps):
            # To the edge and one more; from anywhere, where no start is marked.
            count = size if place is None else (place[axis] + 1 if side == 0 else size - place[axis])
            way = [_like(first, one) for one in [step] * count + [steps[1 - side]] * count]
            changed = text[:start] + gap.join(way) + gap + text[start:]
            yield Probe(row, changed, "off_the_board", "refused", "whose way leaves the board and comes back")


def _like(shown: str, word: str) -> str:
    """A word in the case of another."""
    return word.upper() if shown.isupper() else word.capitalize() if shown[0].isupper() else word.lower()


def _start(drawn: list[str]) -> tuple[int, int] | None:
    """Row and column of the only S, or @, of a board."""
    places = [
        (row, column) for row, line in enumerate(drawn) for column, sign in enumerate(line) if sign in "S@"
    ]
    return places[0] if len(places) == 1 else None
