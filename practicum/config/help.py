"""The help pages of a config class, and how their settings are typed."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
import shlex
import shutil
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from practicum.config.classes import (
    common_of,
    defaults_of,
    fields_of,
    inner_of,
    is_optional,
    is_section,
    is_table,
    leaves_of,
    required_of,
    short_key,
)
from practicum.config.values import NONE
from practicum.ranges import range_of, remembered, shown

MOST_LINES = 50
"""A help page that is longer shows what most people change; `--help all` shows the rest."""
MOST_CHOICES = 8
"""Choices that stand behind a flag; where there are more, the page of all settings lists them below it."""
WIDEST_FLAG = 34
"""Columns of a flag on the short help page; beside a wider one there is no room for its text."""


def help_text(config_class: type[Any], program: str, description: str, *, everything: bool = True) -> str:
    """The `--help` page of a config class, as wide as the terminal.

    With `everything` every setting as it is typed, its docstring, default and range. Without it the same as
    far as it fits on a page, else the settings that are required or marked `Common`, a sentence each (all of
    the class's own where it marks none).
    """
    width = max(40, shutil.get_terminal_size().columns)
    leaves, needed = leaves_of(config_class), required_of(config_class)
    usage = [f"--{short_key(key)} {_kind(leaves[key])}" for key in needed]
    head = _wrapped(" ".join(["usage:", program, *usage, "[--setting value ...]"]), width)
    head += ["", *_wrapped(description, width), *examples_of(config_class)]
    page = [*head, *_every_setting(config_class, width)]
    if everything or len(page) <= MOST_LINES or not common_of(config_class):
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


def _every_setting(config_class: type[Any], width: int) -> list[str]:
    """All settings by section: as typed, docstring, default, range."""
    lines: list[str] = []
    for name, text, settings in _sections(config_class, defaults_of(config_class)):
        if settings or text:
            lines += ["", f" {name} settings" if name else " settings", f" {'-' * (width - 2)}"]
        lines += _wrapped(text, width, "  ")
        for key, annotation, default, words in settings:
            lines.append(f"  {spelling_of(key, annotation)}")
            lines += _wrapped(f"{words} ({_notes(annotation, default)})".lstrip(), width, " " * 8)
    return lines


def _common_settings(config_class: type[Any], width: int) -> list[str]:
    """The settings that are required or marked `Common`: flag, first sentence, default."""
    own = set(fields_of(config_class))
    chosen = common_of(config_class) | set(required_of(config_class))
    if not own & common_of(config_class):
        # Nobody has chosen among the class's own fields, as in a study: all of them are shown.
        chosen |= own
    rows = [
        (spelling_of(short_key(key), annotation), f"{_sentence(words)} ({_default_note(default)})".lstrip())
        for _, _, settings in _sections(config_class, defaults_of(config_class))
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


def _sentence(text: str) -> str:
    """The first sentence of a docstring."""
    return re.split(r"(?<=\.)\s", text, maxsplit=1)[0]


def examples_of(config_class: type[Any]) -> list[str]:
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
    fields, texts = fields_of(config_class), _docstrings(config_class)
    keys = {field: f"{name}.{field}".lstrip(".") for field in fields}
    nested = {field: inner for field, inner in fields.items() if is_section(inner)}
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
        values = defaults.get(field, defaults_of(inner))
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


def spelling_of(key: str, annotation: Any) -> str:
    """A setting as it is typed: its flag and what stands after it."""
    inner = inner_of(annotation)
    if inner is bool:
        section, _, name = key.rpartition(".")
        return f"--{key}, --{f'{section}.no_{name}'.lstrip('.')}"
    if is_table(annotation):
        return f"--{key}.NAME {_kind(get_args(inner)[1])}"
    return f"--{key} {_kind(annotation)}"


def _kind(annotation: Any) -> str:
    """What stands after a flag; `none` is offered where it is taken."""
    inner = inner_of(annotation)
    members = get_args(inner)
    if get_origin(inner) is Literal:
        choices = [str(member) for member in members] + [NONE] * is_optional(annotation)
        return f"{{{','.join(choices)}}}" if len(choices) <= MOST_CHOICES else "NAME"
    if get_origin(inner) is tuple:
        kinds = [_kind(member) for member in members if member is not Ellipsis]
        words = f"[{kinds[0]} ...]" if members[-1] is Ellipsis else " ".join(kinds)
    else:
        words = {bool: "true|false", int: "INT", float: "FLOAT", str: "TEXT", Path: "PATH"}[inner]
    return f"{words}|{NONE}" if is_optional(annotation) else words


def _notes(annotation: Any, default: Any) -> str:
    """Default and range of a setting."""
    notes = [_default_note(default)]
    inner = inner_of(annotation)
    if get_origin(inner) is Literal and len(get_args(inner)) > MOST_CHOICES:
        notes.append(f"one of {', '.join(map(str, get_args(inner)))}")
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
