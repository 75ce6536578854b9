"""Which column is what: names that were given, or else the field's usual ones, told in one line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from typing import Any

from practicum.data.config import DataConfig
from practicum.data.rows import Row
from practicum.errors import InputError

NONE = "none"
USUAL: Mapping[str, tuple[str, ...]] = {
    "prompt": ("prompt", "question", "problem", "instruction", "query", "input"),
    "messages": ("messages", "conversations", "conversation", "dialogue", "dialog", "chat"),
    "system": ("system", "system_prompt"),
    "tools": ("tools", "functions"),
    "answer": (
        *("answer", "final_answer", "ground_truth", "reward_model.ground_truth", "gold", "gold_answer"),
        *("target", "expected_answer", "expected", "reference_answer", "reference", "solution"),
    ),
    "completion": ("completion", "response", "output", "demonstration"),
    "solution": ("solution", "answer"),
    "chosen": ("chosen", "chosen_response", "preferred"),
    "rejected": ("rejected", "rejected_response", "dispreferred"),
    "label": ("label", "desirable"),
}
"""The field's names for each role, the likeliest first; capitals do not matter."""
TOGETHER = (
    ("body", "question"),
    ("instruction", "input"),
    ("instruction", "context"),
    ("context", "question"),
)
"""Columns that are one prompt only together: SVAMP, Alpaca, Dolly, reading comprehension."""


@dataclass(frozen=True)
class Columns:
    """The name of the column for each role; empty where there is none."""

    prompt: tuple[str, ...] = ()
    messages: str = ""
    system: str = ""
    tools: str = ""
    answer: str = ""
    completion: str = ""
    solution: str = ""
    chosen: str = ""
    rejected: str = ""
    label: str = ""

    def told(self, roles: Iterable[str]) -> str:
        """The roles and their columns in words, those without a column left out."""
        parts = []
        for role in roles:
            name = getattr(self, role)
            if name:
                parts.append(f"{role} = {' + '.join([name] if isinstance(name, str) else name)}")
        return ", ".join(parts)


def find_columns(rows: Sequence[Row], config: DataConfig) -> Columns:
    """The columns that the settings name, and for the other roles those with the usual names.

    Raises InputError for a named column that no row has.
    """
    names = list(dict.fromkeys(name for row in rows for name in row.values))
    found: dict[str, Any] = {}
    for field in fields(Columns):
        given = getattr(config, field.name, "")
        if field.name == "prompt":
            found["prompt"] = _named_prompt(given, rows, names) if given else _usual_prompt(names)
        elif given:
            found[field.name] = "" if given == NONE else _known(given, rows, names, field.name)
        else:
            found[field.name] = _usual(field.name, rows, names)
    return Columns(**found)


def value_of(values: Mapping[str, Any], name: str) -> Any:
    """The value of a column, or of a name with dots inside an object; None where there is none."""
    if name in values:
        return values[name]
    found: Any = values
    for part in name.split("."):
        if not isinstance(found, Mapping):
            return None
        found = found.get(part)
    return found


def has_column(values: Mapping[str, Any], name: str) -> bool:
    """Whether a row has a column, or anything under a name with dots."""
    return bool(name) and (name in values or value_of(values, name) is not None)


def tools_of(row: Row, columns: Columns) -> list[Any]:
    """The tools that a row's chat template shows, [] for none. Raises InputError for anything but a list."""
    tools = value_of(row.values, columns.tools) if columns.tools else None
    if not tools:
        return []
    if isinstance(tools, str):
        with suppress(ValueError):
            tools = json.loads(tools)
    if not isinstance(tools, list):
        raise InputError(f"{row.origin}: {columns.tools}: expected a list of tools, got {tools!r:.60}")
    return tools


def _named_prompt(given: Sequence[str], rows: Sequence[Row], names: Sequence[str]) -> tuple[str, ...]:
    return () if tuple(given) == (NONE,) else tuple(_known(name, rows, names, "prompt") for name in given)


def _known(name: str, rows: Sequence[Row], names: Sequence[str], role: str) -> str:
    if name in names or any(value_of(row.values, name) is not None for row in rows):
        return name
    file = rows[0].origin.rpartition(":")[0]
    raise InputError(f"data.{role}: {file} has no column {name!r}; it has {', '.join(names)}")


def _usual_prompt(names: Sequence[str]) -> tuple[str, ...]:
    lower = {name.lower(): name for name in reversed(names)}
    if "prompt" not in lower:
        for together in TOGETHER:
            if all(name in lower for name in together):
                return tuple(lower[name] for name in together)
    return next(((lower[name],) for name in USUAL["prompt"] if name in lower), ())


def _usual(role: str, rows: Sequence[Row], names: Sequence[str]) -> str:
    lower = {name.lower(): name for name in reversed(names)}
    for name in USUAL[role]:
        if name in lower:
            return lower[name]
        if "." in name and value_of(rows[0].values, name) is not None:
            return name
    return ""
