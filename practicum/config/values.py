"""Words of a flag and values of TOML as values of a field's type, and types in a person's words."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from practicum.config.classes import inner_of, is_optional, is_table
from practicum.errors import InputError
from practicum.ranges import as_float, range_of, shown

NONE = "none"
LONGEST_SHOWN = 200


def from_words(annotation: Any, words: Sequence[str], origin: str) -> Any:
    """The words after a flag as a value of the field's type."""
    inner = inner_of(annotation)
    if len(words) == 1 and means_none(annotation, words[0]):
        return None
    if is_table(annotation):
        raise InputError(f"{origin} is a table: set one of its entries, as {origin}.name value")
    if get_origin(inner) is tuple:
        members = get_args(inner)
        kinds = [members[0]] * len(words) if members[-1] is Ellipsis else list(members)
        if len(kinds) != len(words):
            raise InputError(f"{origin}: expected {len(kinds)} values, got {len(words)}")
        return tuple(from_words(kind, [word], origin) for kind, word in zip(kinds, words, strict=True))
    if inner is bool and not words:
        return True
    if len(words) != 1:
        given = quoted(" ".join(words)) if words else "nothing"
        raise InputError(f"{origin}: expected {_describe(annotation)}, got {given}")
    return converted(annotation, _literal(inner, words[0]), origin)


def _literal(inner: Any, word: str) -> Any:
    """A flag's word as the value TOML would hold, or the word itself when it reads as nothing better."""
    if inner is bool:
        return {"true": True, "false": False}.get(word.lower(), word)
    if get_origin(inner) is Literal:
        return next((choice for choice in get_args(inner) if str(choice) == word), word)
    if inner in (int, float):
        try:
            return inner(word)
        except ValueError:
            return word
    return word


def converted(annotation: Any, value: Any, origin: str) -> Any:
    """`value`, as TOML holds it, as a value of the field's type. Raises InputError naming `origin`."""
    inner = inner_of(annotation)
    if means_none(annotation, value):
        return None
    kind = get_origin(inner)
    if inner is Path and isinstance(value, (str, Path)):
        return Path(value)
    if inner in (int, float) and type(value) in (int, inner):
        number = as_float(value) if inner is float else value
        if (limits := range_of(annotation)) is not None:
            limits.check(number, origin)
        return number
    if inner in (bool, str) and type(value) is inner:
        return value
    if kind is Literal:
        for choice in get_args(inner):
            if type(choice) is type(value) and choice == value:
                return value
    if kind is tuple and isinstance(value, (list, tuple)):
        members = get_args(inner)
        kinds = [members[0]] * len(value) if members[-1] is Ellipsis else list(members)
        if len(kinds) == len(value):
            return tuple(
                converted(kind, item, f"{origin}[{index}]")
                for index, (kind, item) in enumerate(zip(kinds, value, strict=True))
            )
    if is_table(annotation) and isinstance(value, Mapping):
        return {key: converted(get_args(inner)[1], item, f"{origin}.{key}") for key, item in value.items()}
    raise InputError(f"{origin}: expected {_describe(annotation)}, got {quoted(value)}")


def quoted(value: Any) -> str:
    """A value of the wrong type for an error line, which stays short whatever was given."""
    try:
        text = shown(value) if isinstance(value, (int, float)) else repr(value)
    except ValueError:
        return "numbers too long to print"
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."


def means_none(annotation: Any, value: Any) -> bool:
    """Whether a field takes None and the value is the text that stands for it."""
    return is_optional(annotation) and isinstance(value, str) and value.lower() == NONE


def _describe(annotation: Any) -> str:
    """A type in a person's words, for error lines."""
    inner, suffix = inner_of(annotation), f' or "{NONE}"' if is_optional(annotation) else ""
    kind, members = get_origin(inner), get_args(inner)
    if kind is Literal:
        return "one of " + ", ".join(str(choice) for choice in members) + suffix
    if kind is tuple:
        count = "a list, each" if members[-1] is Ellipsis else f"a list of {len(members)}:"
        items = ", ".join(_describe(item) for item in members if item is not Ellipsis)
        return f"{count} {items}{suffix}"
    if is_table(annotation):
        return f"a table, each entry {_describe(members[1])}{suffix}"
    if dataclasses.is_dataclass(inner):
        return f"a table{suffix}"
    words = {
        bool: "true or false",
        int: "a whole number",
        float: "a number",
        str: "a text",
        Path: "a path",
    }
    if inner not in words:
        raise TypeError(f"config fields cannot be of type {annotation}")
    return words[inner] + suffix


def plain_value(value: Any) -> Any:
    """A field's value as TOML holds it."""
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, tuple):
        return [plain_value(item) for item in value]
    if isinstance(value, Mapping):
        return {key: plain_value(item) for key, item in value.items()}
    return value
