"""The samples of a run, page by page: found by filters, read by byte offsets, never all at once."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

from practicum.files import to_json
from practicum.report.dashboard.lines import (
    Line,
    Row,
    backward,
    first_from,
    forward,
    row_of,
    size_of,
    step_of,
)
from practicum.report.runs import number

PAGE = 20
SECONDS = 0.5
"""How long one request searches before it answers with what it has found."""
LONGEST_TEXT = 20_000
Measure = Literal["logprob", "advantage", "kl"]
MEASURES: Mapping[str, str] = {
    "logprob": "log-probability",
    "advantage": "advantage",
    "kl": "KL to the reference",
}


@dataclass(frozen=True)
class Filter:
    """Which samples to show: all conditions that are given must hold. `prompt` is a whole prompt."""

    step_from: float | None = None
    step_to: float | None = None
    reward_from: float | None = None
    reward_to: float | None = None
    outcome: str = ""
    known: str = ""
    text: str = ""
    prompt: str = ""
    oldest_first: bool = False

    def fits(self, row: Row) -> bool:
        """Whether a row meets every condition."""
        reward = number(row.get("reward"))
        bounds = (
            (step_of(row), self.step_from, self.step_to),
            (reward, self.reward_from, self.reward_to),
        )
        for value, low, high in bounds:
            if low is None and high is None:
                continue
            if value is None or (low is not None and value < low) or (high is not None and value > high):
                return False
        if self.outcome and self.outcome != outcome_of(row):
            return False
        if self.known and self.known not in _list(row.get("known")):
            return False
        if self.prompt and row.get("prompt") != self.prompt:
            return False
        return not self.text or self.text.lower() in _searched(row)


@dataclass(frozen=True)
class Sample:
    """One row, ready to be shown. `offset` is its place in the file, by which it can be asked for again."""

    offset: int
    step: int | None
    prompt: str
    completion: str
    reward: float | None
    advantage: float | None
    outcome: str
    reason: str
    tokens: int | None
    parts: Sequence[tuple[str, float]]
    known: Sequence[str]
    turns: Sequence[tuple[str, str]]
    spoken: Mapping[str, Any]
    other: str
    cut: bool


@dataclass(frozen=True)
class Page:
    """Samples found. `cursor` is where the search goes on, None at the end; `searched` of the part to search.

    `hurried` says that time was up before the page was full.
    """

    samples: Sequence[Sample]
    cursor: int | None
    searched: float
    hurried: bool


def find(path: Path, wanted: Filter, cursor: int | None = None, seconds: float = SECONDS) -> Page:
    """A page of the samples that fit, from the cursor of the page before; steps must not fall in the file."""
    start = 0 if wanted.step_from is None else first_from(path, wanted.step_from)
    end = size_of(path)
    if wanted.step_to is not None:
        # The first row beyond: a step need not be a whole number.
        end = first_from(path, float(f"{wanted.step_to:.17g}") + 1e-9)
    place = cursor
    deadline, found = time.monotonic() + seconds, list[Sample]()
    for count, (offset, line) in enumerate(_lines(path, wanted, start, end, cursor), 1):
        place = offset + len(line) + 1 if wanted.oldest_first else offset
        row = row_of(line)
        if row is not None and wanted.fits(row):
            found.append(sample(offset, row))
            if len(found) == PAGE:
                break
        if count % 64 == 0 and time.monotonic() > deadline:
            return Page(found, place, _share(wanted, start, end, place), True)
    else:
        return Page(found, None, 1.0, False)
    over = place >= end if wanted.oldest_first else place <= start
    return Page(found, None if over else place, _share(wanted, start, end, place), False)


def _lines(path: Path, wanted: Filter, start: int, end: int, cursor: int | None) -> Iterator[Line]:
    if wanted.oldest_first:
        return forward(path, start if cursor is None else min(max(cursor, start), end), end)
    return backward(path, end if cursor is None else min(cursor, end), start)


def _share(wanted: Filter, start: int, end: int, place: int) -> float:
    done = place - start if wanted.oldest_first else end - place
    return min(1.0, done / (end - start)) if end > start else 1.0


def at(path: Path, offset: int) -> Sample | None:
    """The sample whose line begins at an offset, None where none does."""
    if not 0 <= offset < size_of(path):
        return None
    if offset:
        with open(path, "rb") as stream:
            stream.seek(offset - 1)
            if stream.read(1) != b"\n":
                return None
    found = next(forward(path, offset), None)
    row = None if found is None else row_of(found[1])
    return None if row is None else sample(offset, row)


def sample(offset: int, row: Row) -> Sample:
    """A row of samples.jsonl as it is shown; whatever has no field of its own is in `other`, as JSON."""
    shown = {name: row.get(name) for name in ("step", "reward", "advantage", "completion_tokens")}
    numbers = {name: number(value) for name, value in shown.items()}
    prompt, completion = _words(row.get("prompt")), _words(row.get("completion"))
    parts = row.get("parts")
    named = parts.items() if isinstance(parts, dict) else ()
    rest = {name: value for name, value in row.items() if name not in SHOWN}
    other = to_json(rest) if rest else ""
    turns = [
        (_words(turn.get("from")), _words(turn.get("text")))
        for turn in _list(row.get("turns"))
        if isinstance(turn, dict)
    ]
    said = sum(len(text) for _, text in turns)
    return Sample(
        offset=offset,
        step=None if numbers["step"] is None else int(numbers["step"]),
        prompt=prompt[:LONGEST_TEXT],
        completion=completion[:LONGEST_TEXT],
        reward=numbers["reward"],
        advantage=numbers["advantage"],
        outcome=outcome_of(row),
        reason=_words(row.get("reason"))[:2000],
        tokens=None if numbers["completion_tokens"] is None else int(numbers["completion_tokens"]),
        parts=[(str(name), value) for name, one in named if (value := number(one)) is not None],
        known=[str(name) for name in _list(row.get("known"))],
        turns=[(speaker, text[:LONGEST_TEXT]) for speaker, text in turns],
        spoken=_spoken(row.get("tokens")),
        other=other[:LONGEST_TEXT],
        cut=max(len(prompt), len(completion), len(other), said) > LONGEST_TEXT,
    )


SHOWN = (
    "step", "prompt", "completion", "reward", "advantage", "outcome", "solved", "reason", "completion_tokens",
    "repetition", "parts", "known", "turns", "tokens",
)  # fmt: skip


def outcome_of(row: Row) -> str:
    """What became of an answer: the task's own word, else whether it was solved."""
    word = row.get("outcome")
    if isinstance(word, str) and word:
        return word
    solved = row.get("solved")
    return ("solved" if solved else "not solved") if isinstance(solved, bool) else ""


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _words(value: object) -> str:
    """A text as it may be shown: half characters, which JSON can hold and no page can, are replaced."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else to_json(value)
    return text.encode("utf-8", "replace").decode()


def _searched(row: Row) -> str:
    turns = [_words(turn.get("text")) for turn in _list(row.get("turns")) if isinstance(turn, dict)]
    texts = [_words(row.get(name)) for name in ("prompt", "completion", "reason")]
    return "\n".join([*texts, *turns]).lower()


# ---------------------------------------------------------------------------------------------- token colours


def _spoken(value: object) -> Mapping[str, Any]:
    """The tokens of a row with their values, as `--samples_tokens` records them; empty where they are not."""
    if not isinstance(value, dict) or not isinstance(value.get("text"), list):
        return {}
    texts = [_words(text) for text in value["text"][:LONGEST_TEXT]]
    columns = {name: value[name] for name in MEASURES if isinstance(value.get(name), list)}
    told = {name: [number(one) for one in column] for name, column in columns.items()}
    return {"text": texts} | {name: column for name, column in told.items() if len(column) >= len(texts)}


@dataclass(frozen=True)
class Token:
    """A token as it is coloured: its text, a class of the style sheet, and its value in words."""

    text: str
    shade: str
    said: str


def coloured(one: Sample, measure: str) -> list[Token]:
    """The tokens of a sample with a shade each; none where the row does not have this measure.

    Log-probabilities are shaded by the token's probability, the less likely the darker. Advantages and KL
    are shaded by their share of the largest in the sample: one colour above 0, the other below.
    """
    values = one.spoken.get(measure)
    if values is None:
        return []
    largest = max((abs(value) for value in values if value is not None), default=0.0)
    return [
        Token(text, _shade(value, measure, largest), _said(value, measure))
        for text, value in zip(one.spoken["text"], values, strict=False)
    ]


PROBABILITIES = (0.9, 0.6, 0.3, 0.1, 0.03)
"""Bounds between the shades of log-probabilities."""


def _shade(value: float | None, measure: str, largest: float) -> str:
    if value is None:
        return "none"
    if measure == "logprob":
        return f"p{sum(probability(value) < bound for bound in PROBABILITIES)}"
    level = round(4 * abs(value) / largest) if largest else 0
    return "p0" if not level else f"{'u' if value > 0 else 'd'}{level}"


def _said(value: float | None, measure: str) -> str:
    if value is None:
        return "not recorded"
    if measure == "logprob":
        return f"probability {probability(value):.3g}, log {value:.3g}"
    return f"{MEASURES[measure]} {value:+.3g}"


def probability(logprob: float) -> float:
    """e to a log-probability, 1 at most."""
    return math.exp(min(0.0, max(logprob, -700.0)))


# -------------------------------------------------------------------------------------------------- two texts


@dataclass(frozen=True)
class Piece:
    """A part of a text, and whether it is in the other one too."""

    text: str
    same: bool


def whole_text(one: Sample) -> str:
    """All that was said in a sample: its completion or, of a conversation, every turn with its speaker."""
    said = "\n\n".join(f"{speaker}:\n{text}" for speaker, text in one.turns)
    return (said or one.completion)[:LONGEST_TEXT]


def difference(first: str, second: str) -> tuple[list[Piece], list[Piece]]:
    """Two texts in pieces that are in both, or in one alone; compared word by word."""
    words = _split(first), _split(second)
    alike = _common_words(*words)
    return (
        _in_pieces(words[0], {place for place, _ in alike}),
        _in_pieces(words[1], {place for _, place in alike}),
    )


def _common_words(first: Sequence[str], second: Sequence[str]) -> list[tuple[int, int]]:
    """Places of a longest common subsequence, the last first.

    As bits of whole numbers (Hyyrö 2004, "Bit-parallel LCS-length computation revisited"): thousands of
    words take a few hundredths of a second even where all are equal, as in the answers of a policy that
    repeats itself.
    """
    everywhere = (1 << len(first)) - 1
    where: dict[str, int] = {}
    for place, word in enumerate(first):
        where[word] = where.get(word, 0) | 1 << place
    # Bit i of table[j]: the i-th word of the first text adds nothing to what is common to j words.
    table = [everywhere]
    for word in second:
        ahead = table[-1]
        met = ahead & where.get(word, 0)
        table.append(((ahead + met) | (ahead - met)) & everywhere)
    alike = []
    row, column = len(second), len(first)
    while row and column:
        if table[row] >> (column - 1) & 1:
            column -= 1
        elif not table[row - 1] >> (column - 1) & 1:
            row -= 1
        else:
            row, column = row - 1, column - 1
            alike.append((column, row))
    return alike


def _in_pieces(words: Sequence[str], alike: Container[int]) -> list[Piece]:
    """Neighbouring words that are alike in both texts, or are not, as one piece each."""
    runs = groupby(range(len(words)), lambda place: place in alike)
    return [Piece("".join(words[place] for place in places), same) for same, places in runs]


def _split(text: str) -> list[str]:
    """Words with the space before them, and line breaks; joined, they are the text."""
    return re.findall(r"[^\S\n]*(?:\w+|[^\w\s]|\n)|[^\S\n]+", text)
