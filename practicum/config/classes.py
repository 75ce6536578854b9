"""What a config class holds: its fields, the leaves that a flag can set, what is required, the defaults."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from practicum.ranges import is_common, remembered, unmarked

HEADS = ("name", "file", "functions")
"""The field of a section that the section's own name stands for: `--data FILE` is `--data.file FILE`."""


@remembered
def fields_of(config_class: type[Any]) -> Mapping[str, Any]:
    """Name -> resolved annotation of the fields a caller may set; those by keyword alone come last."""
    hints = get_type_hints(config_class, include_extras=True)
    fields = [field for field in dataclasses.fields(config_class) if field.init]
    return {
        field.name: unmarked(hints[field.name]) for field in sorted(fields, key=lambda one: bool(one.kw_only))
    }


@remembered
def common_of(config_class: type[Any], prefix: str = "") -> frozenset[str]:
    """Dotted keys of the fields that are marked as those most people change."""
    hints = get_type_hints(config_class, include_extras=True)
    keys = {f"{prefix}{name}" for name in fields_of(config_class) if is_common(hints[name])}
    for name, annotation in fields_of(config_class).items():
        if is_section(annotation):
            keys |= common_of(annotation, f"{prefix}{name}.")
    return frozenset(keys)


def names_of(config_class: type[Any]) -> list[str]:
    """All that a flag can name: every leaf, and sections that a name stands for."""
    leaves = leaves_of(config_class)
    return [*leaves, *(short_key(key) for key in leaves if short_key(key) != key)]


def required_of(config_class: type[Any]) -> list[str]:
    """Names of the fields without a default."""
    return [
        field.name
        for field in dataclasses.fields(config_class)
        if field.init
        and field.default is dataclasses.MISSING
        and field.default_factory is dataclasses.MISSING
    ]


def inner_of(annotation: Any) -> Any:
    """`X` of an annotation `X | None`, its range left out; any other annotation unchanged."""
    if get_origin(annotation) in (Union, types.UnionType):
        members = [member for member in get_args(annotation) if member is not type(None)]
        if len(members) == 1:
            return inner_of(members[0])
        raise TypeError(f"config fields may be X or X | None, got {annotation}")
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def is_optional(annotation: Any) -> bool:
    """Whether a field takes None."""
    return get_origin(annotation) in (Union, types.UnionType) and type(None) in get_args(annotation)


def head_of(section: type[Any]) -> str | None:
    """The field that a section's name stands for, None where it has none."""
    return next((head for head in HEADS if head in fields_of(section)), None)


def is_section(annotation: Any) -> bool:
    """Whether a field is a nested dataclass; an optional one would have no place in a file or help page."""
    if dataclasses.is_dataclass(inner_of(annotation)) and is_optional(annotation):
        raise TypeError(f"a section of a config cannot be optional: {annotation}")
    return dataclasses.is_dataclass(annotation)


def is_table(annotation: Any) -> bool:
    """Whether a field maps names of the caller's choice to values."""
    return get_origin(inner_of(annotation)) in (dict, Mapping)


@remembered
def leaves_of(config_class: type[Any], prefix: str = "") -> Mapping[str, Any]:
    """Dotted key -> annotation of all that a flag can set."""
    leaves: dict[str, Any] = {}
    for name, annotation in fields_of(config_class).items():
        if is_section(annotation):
            leaves.update(leaves_of(annotation, f"{prefix}{name}."))
        else:
            leaves[prefix + name] = annotation
    return leaves


def defaults_of(config_class: type[Any]) -> dict[str, Any]:
    """Nested dict of the default values; a required field is absent."""
    values: dict[str, Any] = {}
    for field in dataclasses.fields(config_class):
        if not field.init:
            continue
        if field.default is not dataclasses.MISSING:
            values[field.name] = _open(field.default)
        elif field.default_factory is not dataclasses.MISSING:
            values[field.name] = _open(field.default_factory())
    return values


def _open(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return {
            field.name: _open(getattr(value, field.name)) for field in dataclasses.fields(value) if field.init
        }
    return dict(value) if isinstance(value, Mapping) else value


def short_key(key: str) -> str:
    """A setting's key as people type it: a section's name stands for its head."""
    section, _, field = key.rpartition(".")
    return section if section and field in HEADS else key
