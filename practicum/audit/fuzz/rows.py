"""The rows a reward is examined on: prompts, gold answers, other columns, honest right and wrong texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from practicum.data.chats import is_chat
from practicum.data.columns import find_columns
from practicum.data.config import DataConfig
from practicum.data.records import record_of
from practicum.data.rows import STDIN, Row, read_rows
from practicum.errors import InputError
from practicum.tasks.table import USED, check_columns
from practicum.types import Prompt

LISTS = ("good", "bad")
MOST_ROWS = 8


@dataclass(frozen=True)
class FuzzRow:
    """One row: its prompt with all columns but `good` and `bad`, which are honest right and wrong texts."""

    prompt: Prompt
    good: tuple[str, ...] = ()
    bad: tuple[str, ...] = ()

    @property
    def answer(self) -> Any:
        """The gold answer, None where the row has none."""
        return self.prompt.data.get("answer")

    @property
    def gold(self) -> str:
        """The gold answer as text; empty where there is none, or where it is no text or number."""
        answer = self.answer
        if isinstance(answer, bool) or not isinstance(answer, (str, int, float)):
            return ""
        if isinstance(answer, float) and answer.is_integer():
            return str(int(answer))
        return str(answer).strip()

    @property
    def columns(self) -> Mapping[str, Any]:
        """All columns the reward sees, by name."""
        return {**self.prompt.data.get("row", {})}


@dataclass(frozen=True)
class Chosen:
    """The rows examined, of how many; `source` is what they were read from, `columns` says which it has."""

    rows: tuple[FuzzRow, ...]
    total: int
    source: str = ""
    columns: str = ""


def read_fuzz_rows(config: DataConfig, seed: int, most: int = MOST_ROWS) -> Chosen:
    """At most `most` rows of a file, with different gold answers as far as there are any.

    Raises InputError that names the row, for lists of anything but texts.
    """
    if config.file is None:
        raise InputError(
            "--data FILE is missing: rows with a prompt, an answer and, where there are some, good and bad"
        )
    rows = read_rows(config.file)
    columns = find_columns(rows, config)
    check_columns(columns, rows, "examination")
    found = []
    for row in rows:
        lists = {name: _texts(row, name) for name in LISTS}
        plain = Row(
            row.origin, {key: value for key, value in row.values.items() if key not in LISTS}, row.split
        )
        prompt = record_of(plain, columns, config.turns, answered=False).prompt
        found.append(FuzzRow(prompt, lists["good"], lists["bad"]))
    name = "stdin" if config.file == STDIN else config.file.name
    given = [name for name in LISTS if any(name in row.values for row in rows)]
    told = ", ".join([columns.told(USED["examination"]), *given])
    return Chosen(tuple(_chosen(found, most, seed)), len(found), name, told)


def _texts(row: Row, name: str) -> tuple[str, ...]:
    given = row.values.get(name)
    if given is None:
        return ()
    if (
        isinstance(given, str)
        or not isinstance(given, Sequence)
        or not all(isinstance(one, str) for one in given)
    ):
        raise InputError(f"{row.origin}: {name}: expected a list of texts, got {given!r:.60}")
    return tuple(dict.fromkeys(given))


def _chosen(rows: Sequence[FuzzRow], most: int, seed: int) -> list[FuzzRow]:
    """All rows where they are few; else those with good and bad first, each gold answer once before twice."""
    if len(rows) <= most:
        return list(rows)
    order = list(rows)
    Random(f"fuzz rows {seed}").shuffle(order)
    order.sort(key=lambda row: -(bool(row.good) + bool(row.bad)))
    seen: dict[str, int] = {}
    ranked = []
    for place, row in enumerate(order):
        key = str(row.answer)
        seen[key] = seen.get(key, 0) + 1
        ranked.append((-(bool(row.good) + bool(row.bad)), seen[key], place, row))
    return [row for *_, row in sorted(ranked, key=lambda one: one[:3])[:most]]


def as_chats(rows: Sequence[FuzzRow]) -> tuple[FuzzRow, ...]:
    """The rows with each prompt whose cell is a list of messages as those messages, a single one too."""
    return tuple(
        replace(row, prompt=replace(row.prompt, messages=tuple(cell)))
        if isinstance(cell, list) and is_chat(cell)
        else row
        for row in rows
        for cell in [row.columns.get("prompt")]
    )


def with_texts(row: FuzzRow, good: Sequence[str], bad: Sequence[str]) -> FuzzRow:
    """The row with these honest texts."""
    return replace(row, good=tuple(dict.fromkeys(good)), bad=tuple(dict.fromkeys(bad)))
