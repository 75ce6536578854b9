"""Config files: TOML read and written, checked against a config class."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tomli_w

from practicum.config.classes import fields_of, head_of, is_optional, is_section, names_of
from practicum.config.flags import advice_on
from practicum.config.values import NONE, converted, means_none, plain_value
from practicum.errors import InputError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a TOML file. Raises InputError naming file and line when it is missing or malformed."""
    try:
        return parse_toml(path.read_bytes().decode("utf-8"), str(path))
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not valid TOML: it must be UTF-8 text ({error.reason})") from error
    except OSError as error:
        raise InputError(f"{path}: cannot read the config file: {error.strerror}") from error


def parse_toml(text: str, origin: str) -> dict[str, Any]:
    """The tables of a TOML text. Raises InputError naming `origin` and the line when it is malformed."""
    try:
        tables: dict[str, Any] = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        # A whole number of thousands of digits is a plain ValueError, tables in tables without end the other.
        raise InputError(f"{origin}: not valid TOML: {error}") from error
    return tables


def to_toml(config: object) -> str:
    """The complete config as TOML text, from which `load` returns an equal config.

    Paths are written as the user gave them. Raises InputError for a text "none" in an optional field, which
    TOML could not tell from None.
    """
    return tomli_w.dumps(_plain(config))


def _plain(config: Any) -> dict[str, Any]:
    """A config as nested dicts of the values TOML knows."""
    table: dict[str, Any] = {}
    for name, annotation in fields_of(type(config)).items():
        value = getattr(config, name)
        if is_optional(annotation):
            if value is None:
                table[name] = NONE
                continue
            if means_none(annotation, str(value)):
                raise InputError(
                    f'{name}: the text "{NONE}" stands for no value and cannot be a value itself'
                )
        table[name] = _plain(value) if dataclasses.is_dataclass(value) else plain_value(value)
    return table


def flatten(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested tables as one dict from dotted keys to values; an empty table stays as a value."""
    flat: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, Mapping) and value:
            flat.update(flatten(value, f"{prefix}{key}."))
        else:
            flat[prefix + key] = value
    return flat


def checked_table(config_class: type[Any], table: Mapping[str, Any], origin: str) -> dict[str, Any]:
    """The table with every value of its field's type. Raises InputError naming origin and key."""
    known = names_of(config_class)

    def check(section: type[Any], part: Mapping[str, Any], prefix: str) -> dict[str, Any]:
        fields, checked = fields_of(section), {}
        for name, value in part.items():
            key = prefix + name
            if name not in fields:
                raise InputError(f"{origin}: unknown key {key!r}{advice_on(key, known)}")
            if is_section(fields[name]) and isinstance(value, str) and (head := head_of(fields[name])):
                checked[name] = check(fields[name], {head: value}, f"{key}.")
            elif is_section(fields[name]) and isinstance(value, Mapping):
                checked[name] = check(fields[name], value, f"{key}.")
            else:
                checked[name] = converted(fields[name], value, f"{origin}: {key}")
        return checked

    return check(config_class, table, "")


def holds(table: Any, path: Sequence[str]) -> bool:
    """Whether a nested table has a value, or a table, under these keys."""
    if not path:
        return True
    return isinstance(table, Mapping) and path[0] in table and holds(table[path[0]], path[1:])
