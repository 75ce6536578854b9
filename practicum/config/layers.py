"""A config from its layers: defaults, the preset of a size, a TOML file, flags."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from practicum.config.classes import defaults_of, fields_of, is_section, leaves_of, required_of, short_key
from practicum.config.earlier import check_none_gone, is_record, values_before, without_withdrawn
from practicum.config.effects import check_effects
from practicum.config.files import checked_table, flatten, holds, read_toml
from practicum.config.flags import joined_flags
from practicum.config.values import plain_value
from practicum.errors import InputError

Config = TypeVar("Config")


def load(config_class: type[Config], toml_path: Path | None, overrides: Sequence[str] = ()) -> Config:
    """Resolve a config from its class, an optional TOML file and command-line flags.

    `overrides` are raw arguments: `--section.field value`, `--section.field=value`, several values for a
    tuple, `--flag` / `--no-flag` for a bool; `-` and `_` mean the same in names; `--task equations` is
    short for `--task.name equations`.
    Raises InputError, naming file or flag, on an unknown key (with the nearest known one), a wrong type, a
    missing required field, malformed TOML, a `--size` that the file's own values would undo, or a setting
    that has no effect beside the others. A run's own complete file may hold such settings.
    """
    config, notes = _resolved(config_class, toml_path, overrides)
    for note in notes:
        print(f"practicum: {note}", file=sys.stderr)
    return config


def stored(config_class: type[Config], path: Path) -> tuple[Config, list[str]]:
    """The config of a run's own file, and the settings and sections that it lacks since they are newer.

    Raises InputError as `load` does, and for a file that was cut short.
    """
    table = read_toml(path)
    sections = [name for name, annotation in fields_of(config_class).items() if is_section(annotation)]
    if not path.read_bytes().endswith(b"\n") or not all(name in table for name in sections[-1:]):
        raise InputError(f"{path}: was cut short: restore it, or choose another --run")
    try:
        config, _ = _resolved(config_class, path, ())
    except InputError as error:
        # What is wrong with the whole stands in this file.
        raise error if str(error).startswith(str(path)) else InputError(f"{path}: {error}") from error
    return config, _together(leaves_of(config_class), lambda key: not holds(table, key.split(".")))


def _resolved(
    config_class: type[Config], toml_path: Path | None, overrides: Sequence[str]
) -> tuple[Config, list[str]]:
    """What `load` returns, and what it has to say of a file of an earlier version."""
    file_table = {} if toml_path is None else read_toml(toml_path)
    file_table, dropped = without_withdrawn(config_class, file_table)
    notes = []
    if dropped:
        found = f"{len(dropped)} settings that had no effect, {dropped[0]} among them, are left out"
        notes.append(f"{toml_path}: written by an earlier version: {found}")
    record = is_record(config_class, file_table)
    if record:
        check_none_gone(config_class, file_table, str(toml_path))
    from_file = checked_table(config_class, file_table, str(toml_path))
    from_flags = joined_flags(config_class, overrides)
    values = defaults_of(config_class)
    _merge(values, _preset(config_class, values, from_file, from_flags, toml_path), config_class)
    before = values_before(config_class, from_file) if record else {}
    for key, value in before.items():
        _set(values, key.split("."), value)
        had = f"which had no {key}: it is {plain_value(value)!r}, as it was then"
        notes.append(f"{toml_path}: written by an earlier version, {had}")
    _merge(values, from_file, config_class)
    for path, value in from_flags:
        _set(values, path, value)
    config = _build(config_class, values)
    if not record:
        chosen = [*(".".join(path) for path, _ in from_flags), *flatten(from_file)]
        notes += _by_model(config, values, chosen)
        config = _build(config_class, values)
    given = {} if record else {key: f"{toml_path}: {key}" for key in flatten(from_file)}
    flags = [".".join(path) for path, _ in from_flags]
    check_effects(config, given | {key: f"--{short_key(key)}" for key in flags})
    return config, notes


def completed(config_class: type[Config], settings: Any, **decided: Any) -> Config:
    """A stage's config from the settings that its owner leaves open and the fields that the owner decides.

    A field cannot be both: that is a TypeError, so no setting is overwritten.
    """
    left_open = {field.name: getattr(settings, field.name) for field in dataclasses.fields(settings)}
    return config_class(**left_open, **decided)


def _by_model(config: Any, values: dict[str, Any], chosen: Sequence[str]) -> list[str]:
    """Set defaults that go by the model, unless they were chosen; what to say of it."""
    told = getattr(type(config), "by_model", None)
    if not callable(told):
        return []
    what, defaults = told(config)
    taken = {key: value for key, value in defaults.items() if key not in chosen}
    for key, value in taken.items():
        _set(values, key.split("."), value)
    words = ", ".join(f"--{key} {value}" for key, value in taken.items())
    return [f"{what}: defaults for its size are {words}"] if taken else []


def _together(leaves: Mapping[str, Any], chosen: Callable[[str], bool]) -> list[str]:
    """The keys that are chosen, those of a section by its name where all of them are."""
    found: dict[str, None] = {}
    for key in filter(chosen, leaves):
        parts = key.split(".")
        starts = [".".join(parts[:size]) for size in range(1, len(parts))]
        whole = (one for one in starts if all(chosen(leaf) for leaf in leaves if leaf.startswith(f"{one}.")))
        found[next(whole, key)] = None
    return list(found)


def _build(config_class: type[Config], values: Mapping[str, Any], prefix: str = "") -> Config:
    arguments: dict[str, Any] = {}
    for name, annotation in fields_of(config_class).items():
        if name in values:
            value = values[name]
            arguments[name] = (
                _build(annotation, value, f"{prefix}{name}.") if is_section(annotation) else value
            )
    required = [name for name in required_of(config_class) if name not in arguments]
    if required:
        raise InputError(
            f"{prefix}{required[0]} is required: pass --{prefix}{required[0]} or set it in a file"
        )
    return config_class(**arguments)


def _set(values: dict[str, Any], path: Sequence[str], value: Any) -> None:
    for part in path[:-1]:
        values = values.setdefault(part, {})
    values[path[-1]] = value


def _merge(values: dict[str, Any], table: Mapping[str, Any], config_class: type[Any]) -> None:
    """Lay a checked table over `values`: sections merge, a `dict` field is replaced as a whole."""
    for name, annotation in fields_of(config_class).items():
        if name not in table:
            continue
        if is_section(annotation):
            _merge(values.setdefault(name, defaults_of(annotation)), table[name], annotation)
        else:
            values[name] = table[name]


def _preset(
    config_class: type[Any],
    defaults: Mapping[str, Any],
    from_file: Mapping[str, Any],
    from_flags: Sequence[tuple[list[str], Any]],
    toml_path: Path | None,
) -> dict[str, Any]:
    """The table of the chosen size; empty for a config class without sizes."""
    sizes: Mapping[str, dict[str, object]] = getattr(sys.modules[config_class.__module__], "SIZES", {})
    if not sizes or "size" not in fields_of(config_class):
        return {}
    flags = {".".join(path): value for path, value in from_flags}
    size = flags.get("size", from_file.get("size", defaults.get("size")))
    table: dict[str, Any] = {}
    for key, value in sizes.get(str(size), {}).items():
        _set(table, key.split("."), value)
    preset = checked_table(config_class, table, f"size {size}")
    in_file = flatten(from_file)
    if "size" in flags and from_file.get("size", size) != size:
        # A file written for one size (a run's complete config.toml) would silently undo the other size.
        for key, value in flatten(preset).items():
            if key in in_file and in_file[key] != value and key not in flags:
                raise InputError(
                    f"--size {size} sets {key} to {value!r}, but {toml_path} (size {from_file['size']}) "
                    f"sets it to {in_file[key]!r}: remove size and {key} from the file, or pass --{key}"
                )
    return preset
