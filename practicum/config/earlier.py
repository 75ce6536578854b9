"""Files of runs that an earlier version wrote: what it had, what is new since, and what is gone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from practicum.config.classes import is_table, leaves_of, names_of
from practicum.config.files import flatten, holds
from practicum.config.flags import advice_on
from practicum.errors import InputError

SHOWN_KEYS = 5


def without_withdrawn(
    config_class: type[Any], table: Mapping[str, Any]
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """A file's table without the keys that the class has withdrawn, and the keys that were left out.

    `withdrawn` of a class are dotted keys that its complete files once held and that never had an effect. A
    file that lacks one of them was not written by such a version: it stays as it is, and what it holds of
    them is unknown.
    """
    withdrawn: tuple[str, ...] = getattr(config_class, "withdrawn", ())
    kept: Mapping[str, Any] = table
    for key in withdrawn:
        path = key.split(".")
        if not holds(table, path):
            return dict(table), ()
        kept = _without(kept, path)
    return dict(kept), withdrawn


def _without(table: Mapping[str, Any], path: Sequence[str]) -> dict[str, Any]:
    """A copy of a nested table without the key at `path`."""
    kept = {name: value for name, value in table.items() if name != path[0]}
    return kept if len(path) == 1 else {**kept, path[0]: _without(table[path[0]], path[1:])}


def is_record(config_class: type[Any], table: Mapping[str, Any]) -> bool:
    """Whether a file was written by a run: such a file is complete, and what people write is short."""
    leaves = leaves_of(config_class)
    held = [key for key in leaves if holds(table, key.split("."))]
    return len(held) > len(leaves) / 2


def check_none_gone(config_class: type[Any], table: Mapping[str, Any], origin: str) -> None:
    """Raise InputError for the settings of a run's file that this version has not, or no longer has."""
    leaves = leaves_of(config_class)
    known = {".".join(key.split(".")[:size]) for key in leaves for size in range(1, key.count(".") + 2)}
    tables = [key for key, annotation in leaves.items() if is_table(annotation)]
    gone = [
        key
        for key in flatten(table)
        if key not in known and not key.startswith(tuple(f"{one}." for one in tables))
    ]
    if gone:
        advice = advice_on(gone[0], names_of(config_class)) if len(gone) == 1 else ""
        raise InputError(
            f"{origin}: unknown key {', '.join(map(repr, gone[:SHOWN_KEYS]))}"
            f"{' and more' if len(gone) > SHOWN_KEYS else ''}{advice}: the file is of a version that had it; "
            "use that version, or take the line out to go on without it"
        )


def values_before(config_class: type[Any], from_file: Mapping[str, Any]) -> dict[str, Any]:
    """What settings that a run's file lacks were in its time, where that is not their default."""
    before: Mapping[str, Any] = getattr(config_class, "before", {})
    return {key: value for key, value in before.items() if not holds(from_file, key.split("."))}
