"""One source of truth per setting: dataclass defaults < `--size` preset < TOML file < `--dotted.key value`.

Every stage has a frozen `Config` dataclass; fields are `bool`, `int`, `float`, `str`, `Path`, `Literal`,
`X | None`, tuples, `dict` or `Mapping[str, X]`, and nested dataclasses. A stage's module may define
`SIZES: dict[str, dict[str, object]]`, which maps each value of the config's field `size` to dotted keys and
their values. TOML has no null, so None is written and read as the text "none", in files and flags alike.

A number's range stands at its field (`practicum.ranges`), and so does the mark of the settings that most
people change, which the short help page shows. Flags, TOML and the help pages all go by one table, the leaves
of the dataclass, so that what a page shows is what is read and errors have the same words everywhere; `dict`
fields take new keys (`--weights.brevity 0.1`), and the name of a section is short for its head: its field
`name`, `file` or `functions`.

A stage inside a stage has a settings class without the fields that its owner decides, which the stage's own
config class extends: `completed` makes the one from the other. Fields that a class had and lost stand in its
`withdrawn`, and new ones whose default changes what a run does in its `before`, so that runs begun before
still resume.

Defaults that go by the model are what the method `by_model` returns: what the model is, and values by dotted
key. A setting that somebody gives has an effect or is refused: the method `without_effect` of a config class
maps the settings and sections that other choices leave without one to the reason.
"""

from __future__ import annotations

import ast
import dataclasses
import difflib
import inspect
import re
import shlex
import shutil
import sys
import textwrap
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import tomli_w

from practicum.errors import InputError
from practicum.hints import hint
from practicum.ranges import as_float, is_common, range_of, remembered, shown, unmarked

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Config = TypeVar("Config")
NONE = "none"
HEADS = ("name", "file", "functions")
"""The field of a section that the section's own name stands for: `--data FILE` is `--data.file FILE`."""
LONGEST_SHOWN = 200
SHOWN_KEYS = 5
MOST_LINES = 50
"""A help page that is longer shows what most people change; `--help all` shows the rest."""
WIDEST_FLAG = 34
"""Columns of a flag on the short help page; beside a wider one there is no room for its text."""


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
    sections = [name for name, annotation in _fields(config_class).items() if _is_section(annotation)]
    if not path.read_bytes().endswith(b"\n") or not all(name in table for name in sections[-1:]):
        raise InputError(f"{path}: was cut short: restore it, or choose another --run")
    try:
        config, _ = _resolved(config_class, path, ())
    except InputError as error:
        # What is wrong with the whole stands in this file.
        raise error if str(error).startswith(str(path)) else InputError(f"{path}: {error}") from error
    return config, _together(_leaves(config_class), lambda key: not _holds(table, key.split(".")))


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
    record = _is_record(config_class, file_table)
    if record:
        _check_none_gone(config_class, file_table, str(toml_path))
    from_file = _check_table(config_class, file_table, str(toml_path))
    from_flags = _joined(config_class, overrides)
    values = _defaults(config_class)
    _merge(values, _preset(config_class, values, from_file, from_flags, toml_path), config_class)
    before = _before(config_class, from_file) if record else {}
    for key, value in before.items():
        _set(values, key.split("."), value)
        had = f"which had no {key}: it is {_plain_value(value)!r}, as it was then"
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
    check_effects(config, given | {key: f"--{_short(key)}" for key in flags})
    return config, notes


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


def flatten(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested tables as one dict from dotted keys to values; an empty table stays as a value."""
    flat: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, Mapping) and value:
            flat.update(flatten(value, f"{prefix}{key}."))
        else:
            flat[prefix + key] = value
    return flat


def completed(config_class: type[Config], settings: Any, **decided: Any) -> Config:
    """A stage's config from the settings that its owner leaves open and the fields that the owner decides.

    A field cannot be both: that is a TypeError, so no setting is overwritten.
    """
    left_open = {field.name: getattr(settings, field.name) for field in dataclasses.fields(settings)}
    return config_class(**left_open, **decided)


def check_effects(config: object, given: Mapping[str, str]) -> None:
    """Raise InputError for a setting that was given and has no effect; `given` maps keys to how they were."""
    idle = settings_without_effect(config)
    for key, name in given.items():
        parts = key.split(".")
        # What a whole section lacks says more than what one of its fields does.
        for place in range(1, len(parts) + 1):
            if why := idle.get(".".join(parts[:place])):
                raise InputError(f"{name} has no effect: {why}")


def settings_without_effect(config: object) -> dict[str, str]:
    """Dotted names of settings and sections that other choices leave without effect, and the reasons."""
    found: dict[str, str] = {}
    for name, annotation in _fields(type(config)).items():
        if _is_section(annotation):
            inner = settings_without_effect(getattr(config, name))
            found |= {f"{name}.{key}": why for key, why in inner.items()}
    told = getattr(type(config), "without_effect", None)
    return found | dict(told(config)) if callable(told) else found


def _is_record(config_class: type[Any], table: Mapping[str, Any]) -> bool:
    """Whether a file was written by a run: such a file is complete, and what people write is short."""
    leaves = _leaves(config_class)
    held = [key for key in leaves if _holds(table, key.split("."))]
    return len(held) > len(leaves) / 2


def _check_none_gone(config_class: type[Any], table: Mapping[str, Any], origin: str) -> None:
    """Raise InputError for the settings of a run's file that this version has not, or no longer has."""
    leaves = _leaves(config_class)
    known = {".".join(key.split(".")[:size]) for key in leaves for size in range(1, key.count(".") + 2)}
    tables = [key for key, annotation in leaves.items() if _is_table(annotation)]
    gone = [
        key
        for key in flatten(table)
        if key not in known and not key.startswith(tuple(f"{one}." for one in tables))
    ]
    if gone:
        advice = _advice(gone[0], _names(config_class)) if len(gone) == 1 else ""
        raise InputError(
            f"{origin}: unknown key {', '.join(map(repr, gone[:SHOWN_KEYS]))}"
            f"{' and more' if len(gone) > SHOWN_KEYS else ''}{advice}: the file is of a version that had it; "
            "use that version, or take the line out to go on without it"
        )


def _before(config_class: type[Any], from_file: Mapping[str, Any]) -> dict[str, Any]:
    """What settings that a run's file lacks were in its time, where that is not their default."""
    before: Mapping[str, Any] = getattr(config_class, "before", {})
    return {key: value for key, value in before.items() if not _holds(from_file, key.split("."))}


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
        if not _holds(table, path):
            return dict(table), ()
        kept = _without(kept, path)
    return dict(kept), withdrawn


def _holds(table: Any, path: Sequence[str]) -> bool:
    if not path:
        return True
    return isinstance(table, Mapping) and path[0] in table and _holds(table[path[0]], path[1:])


def _without(table: Mapping[str, Any], path: Sequence[str]) -> dict[str, Any]:
    """A copy of a nested table without the key at `path`."""
    kept = {name: value for name, value in table.items() if name != path[0]}
    return kept if len(path) == 1 else {**kept, path[0]: _without(table[path[0]], path[1:])}


def help_text(config_class: type[Any], program: str, description: str, *, everything: bool = True) -> str:
    """The `--help` page of a config class, as wide as the terminal.

    With `everything` every setting as it is typed, its docstring, default and range. Without it the same as
    far as it fits on a page, else the settings that are required or marked `Common`, a sentence each (all of
    the class's own where it marks none).
    """
    width = max(40, shutil.get_terminal_size().columns)
    leaves, needed = _leaves(config_class), _required(config_class)
    usage = [f"--{_short(key)} {_kind(leaves[key])}" for key in needed]
    head = _wrapped(" ".join(["usage:", program, *usage, "[--setting value ...]"]), width)
    head += ["", *_wrapped(description, width), *_examples(config_class)]
    page = [*head, *_every_setting(config_class, width)]
    if everything or len(page) <= MOST_LINES or not _common(config_class):
        return "\n".join(page)
    common = _common_settings(config_class, width)
    hint = f"`--help all` shows all {len(leaves)} settings, with their ranges."
    return "\n".join([*head, "", " settings that most people change", *common, "", hint])


def asked_help(arguments: Sequence[str]) -> tuple[list[str], Literal["", "common", "all"]]:
    """The arguments without `--help` or `--help all`, and which of the two there was."""
    rest: list[str] = []
    asked: Literal["", "common", "all"] = ""
    words = list(arguments)
    while words:
        word = words.pop(0)
        if word == "--help=all" or (word in ("-h", "--help") and words[:1] == ["all"]):
            asked, words = "all", words[word != "--help=all" :]
        elif word in ("-h", "--help"):
            asked = asked or "common"
        else:
            rest.append(word)
    return rest, asked


def nearest(name: str, known: Sequence[str], *, flags: bool = False) -> str:
    """`; did you mean x?` for the closest of `known`, or an empty string.

    That is one that the name ends with (`seed` of `practice.seed`), else one with the same last part, else
    one that is close as a whole and in its last part, else one that is close in its last part alone.
    """
    last, ending = _last(name), [key for key in known if name.endswith(f".{key}")]
    same = difflib.get_close_matches(name, [key for key in known if _last(key) == last], n=1, cutoff=0.0)
    whole = [
        key
        for key in difflib.get_close_matches(name, known, n=5, cutoff=0.6)
        if difflib.SequenceMatcher(None, last, _last(key)).ratio() >= 0.6
    ]
    ends = {_last(key): key for key in known}
    alike = [ends[end] for end in difflib.get_close_matches(last, list(ends), n=1, cutoff=0.75)]
    close = [*ending, *same, *whole, *alike]
    return f"; did you mean {'--' if flags else ''}{close[0]}?" if close else ""


def _last(key: str) -> str:
    return key.rpartition(".")[2]


# -------------------------------------------------------------------------------- what a config class holds


@remembered
def _fields(config_class: type[Any]) -> Mapping[str, Any]:
    """Name -> resolved annotation of the fields a caller may set; those by keyword alone come last."""
    hints = get_type_hints(config_class, include_extras=True)
    fields = [field for field in dataclasses.fields(config_class) if field.init]
    return {
        field.name: unmarked(hints[field.name]) for field in sorted(fields, key=lambda one: bool(one.kw_only))
    }


@remembered
def _common(config_class: type[Any], prefix: str = "") -> frozenset[str]:
    """Dotted keys of the fields that are marked as those most people change."""
    hints = get_type_hints(config_class, include_extras=True)
    keys = {f"{prefix}{name}" for name in _fields(config_class) if is_common(hints[name])}
    for name, annotation in _fields(config_class).items():
        if _is_section(annotation):
            keys |= _common(annotation, f"{prefix}{name}.")
    return frozenset(keys)


def _names(config_class: type[Any]) -> list[str]:
    """All that a flag can name: every leaf, and sections that a name stands for."""
    leaves = _leaves(config_class)
    return [*leaves, *(_short(key) for key in leaves if _short(key) != key)]


def _required(config_class: type[Any]) -> list[str]:
    """Names of the fields without a default."""
    return [
        field.name
        for field in dataclasses.fields(config_class)
        if field.init
        and field.default is dataclasses.MISSING
        and field.default_factory is dataclasses.MISSING
    ]


def _inner(annotation: Any) -> Any:
    """`X` of an annotation `X | None`, its range left out; any other annotation unchanged."""
    if get_origin(annotation) in (Union, types.UnionType):
        members = [member for member in get_args(annotation) if member is not type(None)]
        if len(members) == 1:
            return _inner(members[0])
        raise TypeError(f"config fields may be X or X | None, got {annotation}")
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def _is_optional(annotation: Any) -> bool:
    return get_origin(annotation) in (Union, types.UnionType) and type(None) in get_args(annotation)


def _head(section: type[Any]) -> str | None:
    """The field that a section's name stands for, None where it has none."""
    return next((head for head in HEADS if head in _fields(section)), None)


def _is_section(annotation: Any) -> bool:
    """Whether a field is a nested dataclass; an optional one would have no place in a file or help page."""
    if dataclasses.is_dataclass(_inner(annotation)) and _is_optional(annotation):
        raise TypeError(f"a section of a config cannot be optional: {annotation}")
    return dataclasses.is_dataclass(annotation)


def _is_table(annotation: Any) -> bool:
    """Whether a field maps names of the caller's choice to values."""
    return get_origin(_inner(annotation)) in (dict, Mapping)


@remembered
def _leaves(config_class: type[Any], prefix: str = "") -> Mapping[str, Any]:
    """Dotted key -> annotation of all that a flag can set."""
    leaves: dict[str, Any] = {}
    for name, annotation in _fields(config_class).items():
        if _is_section(annotation):
            leaves.update(_leaves(annotation, f"{prefix}{name}."))
        else:
            leaves[prefix + name] = annotation
    return leaves


def _defaults(config_class: type[Any]) -> dict[str, Any]:
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


def _build(config_class: type[Config], values: Mapping[str, Any], prefix: str = "") -> Config:
    arguments: dict[str, Any] = {}
    for name, annotation in _fields(config_class).items():
        if name in values:
            value = values[name]
            arguments[name] = (
                _build(annotation, value, f"{prefix}{name}.") if _is_section(annotation) else value
            )
    required = [name for name in _required(config_class) if name not in arguments]
    if required:
        raise InputError(
            f"{prefix}{required[0]} is required: pass --{prefix}{required[0]} or set it in a file"
        )
    return config_class(**arguments)


# ----------------------------------------------------------------------------------------- layers on layers


def _set(values: dict[str, Any], path: Sequence[str], value: Any) -> None:
    for part in path[:-1]:
        values = values.setdefault(part, {})
    values[path[-1]] = value


def _merge(values: dict[str, Any], table: Mapping[str, Any], config_class: type[Any]) -> None:
    """Lay a checked table over `values`: sections merge, a `dict` field is replaced as a whole."""
    for name, annotation in _fields(config_class).items():
        if name not in table:
            continue
        if _is_section(annotation):
            _merge(values.setdefault(name, _defaults(annotation)), table[name], annotation)
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
    if not sizes or "size" not in _fields(config_class):
        return {}
    flags = {".".join(path): value for path, value in from_flags}
    size = flags.get("size", from_file.get("size", defaults.get("size")))
    table: dict[str, Any] = {}
    for key, value in sizes.get(str(size), {}).items():
        _set(table, key.split("."), value)
    preset = _check_table(config_class, table, f"size {size}")
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


# ----------------------------------------------------------------------------------------- values and types


def _check_table(config_class: type[Any], table: Mapping[str, Any], origin: str) -> dict[str, Any]:
    """The table with every value of its field's type. Raises InputError naming origin and key."""
    known = _names(config_class)

    def check(section: type[Any], part: Mapping[str, Any], prefix: str) -> dict[str, Any]:
        fields, checked = _fields(section), {}
        for name, value in part.items():
            key = prefix + name
            if name not in fields:
                raise InputError(f"{origin}: unknown key {key!r}{_advice(key, known)}")
            if _is_section(fields[name]) and isinstance(value, str) and (head := _head(fields[name])):
                checked[name] = check(fields[name], {head: value}, f"{key}.")
            elif _is_section(fields[name]) and isinstance(value, Mapping):
                checked[name] = check(fields[name], value, f"{key}.")
            else:
                checked[name] = _convert(fields[name], value, f"{origin}: {key}")
        return checked

    return check(config_class, table, "")


def _read_flags(config_class: type[Any], overrides: Sequence[str]) -> Iterator[tuple[list[str], Any]]:
    """(path of the field, typed value) of each flag, in order."""
    position = 0
    while position < len(overrides):
        argument = overrides[position]
        if not argument.startswith("--") or len(argument) < 3:
            raise InputError(f"unexpected argument {argument!r}: settings are written --key value")
        name, equals, text = argument[2:].partition("=")
        words = [text] if equals else []
        position += 1
        while not equals and position < len(overrides) and not overrides[position].startswith("--"):
            words.append(overrides[position])
            position += 1
        path, annotation, negated = _find(config_class, name)
        if negated:
            if words:
                raise InputError(f"--{name} takes no value, got {' '.join(words)!r}")
            words = ["false"]
        yield path, _from_words(annotation, words, f"--{name}")


def _joined(config_class: type[Any], overrides: Sequence[str]) -> list[tuple[list[str], Any]]:
    """The flags in order; a list given in several flags (`--prompt A --prompt B`) is one list."""
    joined: list[tuple[list[str], Any]] = []
    leaves = _leaves(config_class)
    for path, value in _read_flags(config_class, overrides):
        earlier = next((index for index, (known, _) in enumerate(joined) if known == path), None)
        of_any_length = Ellipsis in get_args(_inner(leaves.get(".".join(path))))
        if earlier is not None and of_any_length:
            joined[earlier] = path, joined[earlier][1] + value
        else:
            joined.append((path, value))
    return joined


def _find(config_class: type[Any], name: str) -> tuple[list[str], Any, bool]:
    """Path and annotation of the field behind a flag's name, and whether the flag was `--no-...`."""
    leaves = _leaves(config_class)
    key = name.replace("-", "_")
    if key in leaves:
        return key.split("."), leaves[key], False
    section, _, last = key.rpartition(".")
    positive = f"{section}.{last[3:]}".lstrip(".")
    if last.startswith("no_") and leaves.get(positive) is bool:
        return positive.split("."), bool, True
    for leaf, annotation in leaves.items():
        if _is_table(annotation) and key.startswith(f"{leaf}."):
            return [*leaf.split("."), name[len(leaf) + 1 :]], get_args(_inner(annotation))[1], False
    if any(leaf.startswith(f"{key}.") for leaf in leaves):
        for head in HEADS:
            if f"{key}.{head}" in leaves:
                return [*key.split("."), head], leaves[f"{key}.{head}"], False
        raise InputError(f"--{name} is a section: set one of its fields, as --{name}.field value")
    raise InputError(f"unknown setting --{name}{_advice(key, _names(config_class), flags=True)}")


def _advice(key: str, known: Sequence[str], *, flags: bool = False) -> str:
    """What to write in place of an unknown name: what another trainer's is called here, else the nearest."""
    return hint(key, known, flags=flags) or nearest(key, known, flags=flags)


def _from_words(annotation: Any, words: Sequence[str], origin: str) -> Any:
    """The words after a flag as a value of the field's type."""
    inner = _inner(annotation)
    if len(words) == 1 and _means_none(annotation, words[0]):
        return None
    if _is_table(annotation):
        raise InputError(f"{origin} is a table: set one of its entries, as {origin}.name value")
    if get_origin(inner) is tuple:
        members = get_args(inner)
        kinds = [members[0]] * len(words) if members[-1] is Ellipsis else list(members)
        if len(kinds) != len(words):
            raise InputError(f"{origin}: expected {len(kinds)} values, got {len(words)}")
        return tuple(_from_words(kind, [word], origin) for kind, word in zip(kinds, words, strict=True))
    if inner is bool and not words:
        return True
    if len(words) != 1:
        given = _quoted(" ".join(words)) if words else "nothing"
        raise InputError(f"{origin}: expected {_describe(annotation)}, got {given}")
    return _convert(annotation, _literal(inner, words[0]), origin)


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


def _convert(annotation: Any, value: Any, origin: str) -> Any:
    """`value`, as TOML holds it, as a value of the field's type. Raises InputError naming `origin`."""
    inner = _inner(annotation)
    if _means_none(annotation, value):
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
                _convert(kind, item, f"{origin}[{index}]")
                for index, (kind, item) in enumerate(zip(kinds, value, strict=True))
            )
    if _is_table(annotation) and isinstance(value, Mapping):
        return {key: _convert(get_args(inner)[1], item, f"{origin}.{key}") for key, item in value.items()}
    raise InputError(f"{origin}: expected {_describe(annotation)}, got {_quoted(value)}")


def _quoted(value: Any) -> str:
    """A value of the wrong type for an error line, which stays short whatever was given."""
    try:
        text = shown(value) if isinstance(value, (int, float)) else repr(value)
    except ValueError:
        return "numbers too long to print"
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."


def _means_none(annotation: Any, value: Any) -> bool:
    return _is_optional(annotation) and isinstance(value, str) and value.lower() == NONE


def _describe(annotation: Any) -> str:
    """A type in a person's words, for error lines."""
    inner, suffix = _inner(annotation), f' or "{NONE}"' if _is_optional(annotation) else ""
    kind, members = get_origin(inner), get_args(inner)
    if kind is Literal:
        return "one of " + ", ".join(str(choice) for choice in members) + suffix
    if kind is tuple:
        count = "a list, each" if members[-1] is Ellipsis else f"a list of {len(members)}:"
        items = ", ".join(_describe(item) for item in members if item is not Ellipsis)
        return f"{count} {items}{suffix}"
    if _is_table(annotation):
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


def _plain(config: Any) -> dict[str, Any]:
    """A config as nested dicts of the values TOML knows."""
    table: dict[str, Any] = {}
    for name, annotation in _fields(type(config)).items():
        value = getattr(config, name)
        if _is_optional(annotation):
            if value is None:
                table[name] = NONE
                continue
            if _means_none(annotation, str(value)):
                raise InputError(
                    f'{name}: the text "{NONE}" stands for no value and cannot be a value itself'
                )
        table[name] = _plain(value) if dataclasses.is_dataclass(value) else _plain_value(value)
    return table


def _plain_value(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, tuple):
        return [_plain_value(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _plain_value(item) for key, item in value.items()}
    return value


# ------------------------------------------------------------------------------------------------ help page


def _every_setting(config_class: type[Any], width: int) -> list[str]:
    """All settings by section: as typed, docstring, default, range."""
    lines: list[str] = []
    for name, text, settings in _sections(config_class, _defaults(config_class)):
        if settings or text:
            lines += ["", f" {name} settings" if name else " settings", f" {'-' * (width - 2)}"]
        lines += _wrapped(text, width, "  ")
        for key, annotation, default, words in settings:
            lines.append(f"  {_spelling(key, annotation)}")
            lines += _wrapped(f"{words} ({_notes(annotation, default)})".lstrip(), width, " " * 8)
    return lines


def _common_settings(config_class: type[Any], width: int) -> list[str]:
    """The settings that are required or marked `Common`: flag, first sentence, default."""
    own = set(_fields(config_class))
    chosen = _common(config_class) | set(_required(config_class))
    if not own & _common(config_class):
        # Nobody has chosen among the class's own fields, as in a study: all of them are shown.
        chosen |= own
    rows = [
        (_spelling(_short(key), annotation), f"{_sentence(words)} ({_default_note(default)})".lstrip())
        for _, _, settings in _sections(config_class, _defaults(config_class))
        for key, annotation, default, words in settings
        if key in chosen
    ]
    flags = [len(flag) for flag, _ in rows if len(flag) <= min(WIDEST_FLAG, width // 2)]
    column = max(flags, default=8) + 4
    lines: list[str] = []
    for flag, text in rows:
        wrapped = _wrapped(text, width, " " * column)
        if len(flag) + 4 <= column:
            wrapped[0] = f"  {flag}".ljust(column) + wrapped[0][column:]
        else:
            wrapped.insert(0, f"  {flag}")
        lines += wrapped
    return lines


def _short(key: str) -> str:
    """A setting's key as people type it: a section's name stands for its head."""
    section, _, field = key.rpartition(".")
    return section if section and field in HEADS else key


def _sentence(text: str) -> str:
    """The first sentence of a docstring."""
    return re.split(r"(?<=\.)\s", text, maxsplit=1)[0]


def _examples(config_class: type[Any]) -> list[str]:
    """The commands in a class's docstring, under a line `examples:`; nothing where it has none."""
    text = inspect.cleandoc(config_class.__doc__ or "")
    lines = [line.strip() for line in text.splitlines()[1:] if line.strip().startswith("practicum ")]
    return ["", " examples", *(f"  {line}" for line in lines)] if lines else []


def _sections(
    config_class: type[Any], defaults: Mapping[str, Any], name: str = "", text: str = ""
) -> Iterator[tuple[str, str, list[tuple[str, Any, Any, str]]]]:
    """(dotted name, docstring, its own settings) of a config class and then of the classes nested in it.

    A setting is its dotted key, annotation, default (MISSING where it is required) and docstring.
    """
    fields, texts = _fields(config_class), _docstrings(config_class)
    keys = {field: f"{name}.{field}".lstrip(".") for field in fields}
    nested = {field: inner for field, inner in fields.items() if _is_section(inner)}
    yield (
        name,
        text,
        [
            (keys[field], annotation, defaults.get(field, dataclasses.MISSING), texts.get(field, ""))
            for field, annotation in fields.items()
            if field not in nested
        ],
    )
    for field, inner in nested.items():
        values = defaults.get(field, _defaults(inner))
        yield from _sections(
            inner, values, keys[field], texts.get(field) or inspect.cleandoc(inner.__doc__ or "")
        )


@remembered
def _docstrings(config_class: type[Any]) -> dict[str, str]:
    """The text under each field, of base classes too; a field without one is absent."""
    found: dict[str, str] = {}
    for part in reversed([one for one in config_class.__mro__ if dataclasses.is_dataclass(one)]):
        tree = ast.parse(textwrap.dedent(inspect.getsource(part))).body[0]
        assert isinstance(tree, ast.ClassDef)
        for field, text in zip(tree.body, tree.body[1:], strict=False):
            if (
                isinstance(field, ast.AnnAssign)
                and isinstance(field.target, ast.Name)
                and isinstance(text, ast.Expr)
                and isinstance(text.value, ast.Constant)
            ):
                found[field.target.id] = inspect.cleandoc(str(text.value.value))
    return found


def _wrapped(text: str, width: int, indent: str = "") -> list[str]:
    """Paragraphs, which blank lines part, broken to the width."""
    lines: list[str] = []
    for paragraph in text.split("\n\n"):
        wrapped = textwrap.wrap(
            " ".join(paragraph.split()),
            width,
            initial_indent=indent,
            subsequent_indent=indent,
            break_on_hyphens=False,
            break_long_words=False,
        )
        lines += ["", *wrapped] if lines else wrapped
    return lines


def _spelling(key: str, annotation: Any) -> str:
    """A setting as it is typed: its flag and what stands after it."""
    inner = _inner(annotation)
    if inner is bool:
        section, _, name = key.rpartition(".")
        return f"--{key}, --{f'{section}.no_{name}'.lstrip('.')}"
    if _is_table(annotation):
        return f"--{key}.NAME {_kind(get_args(inner)[1])}"
    return f"--{key} {_kind(annotation)}"


def _kind(annotation: Any) -> str:
    """What stands after a flag; `none` is offered where it is taken."""
    inner = _inner(annotation)
    members = get_args(inner)
    if get_origin(inner) is Literal:
        choices = [str(member) for member in members] + [NONE] * _is_optional(annotation)
        return f"{{{','.join(choices)}}}"
    if get_origin(inner) is tuple:
        kinds = [_kind(member) for member in members if member is not Ellipsis]
        words = f"[{kinds[0]} ...]" if members[-1] is Ellipsis else " ".join(kinds)
    else:
        words = {bool: "true|false", int: "INT", float: "FLOAT", str: "TEXT", Path: "PATH"}[inner]
    return f"{words}|{NONE}" if _is_optional(annotation) else words


def _notes(annotation: Any, default: Any) -> str:
    """Default and range of a setting."""
    notes = [_default_note(default)]
    inner = _inner(annotation)
    if (limits := range_of(annotation)) is not None:
        notes.append(limits.words())
    else:
        found = {limits.words(): None for member in get_args(inner) if (limits := range_of(member))}
        notes += [f"each {words}" for words in found]
    return "; ".join(notes)


def _default_note(default: Any) -> str:
    return "required" if default is dataclasses.MISSING else f"default: {_default_words(default)}"


def _default_words(value: Any) -> str:
    if value is None:
        return NONE
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        text = ", ".join(f"{key} {shown(item)}" for key, item in value.items())
    elif isinstance(value, tuple):
        text = " ".join(shlex.quote(shown(item)) for item in value)
    else:
        text = shown(value)
    return text or "empty"
