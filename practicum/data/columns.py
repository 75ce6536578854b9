"""Which column is what: names that were given, or else the field's usual ones, told in one line."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from practicum.data.chats import opened
from practicum.data.config import DataConfig
from practicum.data.names import QUESTION_PARTS, TOGETHER, USUAL
from practicum.data.rows import Row
from practicum.errors import InputError

NONE = "none"


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
    named: frozenset[str] = frozenset()
    """The roles whose columns the settings name, which win over columns that were found."""

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

    A named column of chats is the prompt too, whatever the other columns are called. Raises InputError for a
    named column that no row has.
    """
    names = list(dict.fromkeys(name for row in rows for name in row.values))
    found: dict[str, Any] = {}
    for role in USUAL:
        given = getattr(config, role, "")
        if role == "prompt":
            found["prompt"] = _named_prompt(given, rows, names) if given else _usual_prompt(names)
        elif given:
            found[role] = "" if given == NONE else _known(given, rows, names, role)
        else:
            found[role] = _usual(role, rows, names)
    named = frozenset(role for role in USUAL if getattr(config, role, ""))
    if "messages" in named and found["messages"] and "prompt" not in named:
        found["prompt"] = ()
    return Columns(**found, named=named)


def unread_parts(rows: Sequence[Row], columns: Columns) -> list[str]:
    """Columns that look like a part of the question and are none of those that are read."""
    read = {*columns.prompt, *(getattr(columns, role) for role in USUAL if role != "prompt")}
    names = dict.fromkeys(name for row in rows for name, value in row.values.items() if value)
    return [name for name in names if name.lower() in QUESTION_PARTS and name not in read]


def tell_unread(name: str, rows: Sequence[Row], columns: Columns) -> None:
    """Say on stderr what of a file called `name` looks like a part of the question and is not read."""
    unread = unread_parts(rows, columns) if columns.prompt and "prompt" not in columns.named else []
    if unread:
        print(
            f"practicum: {name}: not read, and perhaps part of the question: {', '.join(unread)}; texts are "
            f"joined to it by --data.prompt {' '.join([*columns.prompt, unread[0]])}",
            file=sys.stderr,
        )


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
    return [opened(tool) for tool in tools]


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
        if "." in name and any(value_of(row.values, name) is not None for row in rows):
            return name
    return ""
