"""Every numeric setting of every command has a range, and nothing outside it is a traceback."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import io
import math
import os
import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, get_args, get_origin

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from practicum import cli, config
from practicum.bench.command import BENCHES, settings_of
from practicum.errors import InputError
from practicum.ranges import LARGEST_FLOAT, LARGEST_INTEGER, Range, Ranged, range_of
from practicum.training.loop import LoopConfig
from practicum.training.update import UpdateConfig

# Commands that read no config class of their own, or several that are listed below.
WITHOUT_SETTINGS = {"verify", "report", "preferences", "audit", "bench", "audit overoptimization"}
BY_NAME = {
    "audit": ("practicum.audit.whole", "AuditConfig"),
    "audit overoptimization": ("practicum.audit.lab", "LabConfig"),
    "audit overoptimization --metrics x": ("practicum.audit.command", "OveroptimizationConfig"),
}


def commands() -> Iterator[tuple[str, type[Any]]]:
    """Each command that takes settings, as it is typed, and the class of its settings."""
    calls: dict[str, Callable[..., int]] = {name: command.call for name, command in cli.COMMANDS.items()}
    for group, members in cli.GROUPS.items():
        calls |= {f"{group} {word}": call for word, call in members.items()}
    for name, call in calls.items():
        if name in WITHOUT_SETTINGS:
            continue
        assert isinstance(call, partial), f"{name}: say in this test where its settings are"
        assert call.func in (cli._train, cli._compute), name
        _, module, class_name, *_ = call.args
        yield name, getattr(importlib.import_module(module), class_name)
    for name, (module, class_name) in BY_NAME.items():
        yield name, getattr(importlib.import_module(module), class_name)
    for name, entry in BENCHES.items():
        yield f"bench {name}", settings_of(entry)


COMMANDS = dict(commands())
IN_FILES = {name: found for name, found in COMMANDS.items() if not name.startswith("bench")}


def holds_number(annotation: Any) -> bool:
    return annotation in (int, float) or any(map(holds_number, get_args(annotation)))


def numbers(config_class: type[Any]) -> dict[str, Any]:
    """Dotted key -> annotation of every setting that is a number, or a table or list of them."""
    return {key: kind for key, kind in config._leaves(config_class).items() if holds_number(kind)}


def numeric(annotation: Any) -> tuple[type, Range]:
    """Kind and range of a number, or of what a table or list holds."""
    limits = range_of(annotation)
    inner = config._inner(annotation)
    if limits is not None:
        return inner, limits
    (member,) = {one for one in get_args(inner) if range_of(one) is not None}
    return numeric(member)


def settings_with_ranges(config_class: type[Any]) -> Iterator[tuple[str, type, Range]]:
    """Dotted key, as it is typed, kind and range of every number."""
    for key, annotation in numbers(config_class).items():
        yield (f"{key}.length" if config._is_table(annotation) else key), *numeric(annotation)


def beyond(kind: type, limits: Range) -> list[str]:
    """Texts of values that are no number, not finite, or outside a range, some of them only just."""
    step = (
        (lambda value, way: value + way)
        if kind is int
        else (lambda value, way: math.nextafter(value, way * math.inf))
    )
    candidates = [-1, 0, 10**30, -(10**30), LARGEST_INTEGER + 1 if kind is int else LARGEST_FLOAT * 10]
    candidates += [step(limits.at_least, -1)] if limits.at_least is not None else []
    candidates += [step(limits.at_most, 1)] if limits.at_most is not None else []
    candidates += [bound for bound in (limits.above, limits.below) if bound is not None]
    outside = [repr(kind(value)) for value in candidates if not limits.admits(kind(value))]
    return [*dict.fromkeys(outside), "nan", "inf", "-inf", "1" + "0" * 400, "-1" + "0" * 400]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_number_has_a_range(command: str) -> None:
    for key, annotation in numbers(COMMANDS[command]).items():
        assert range_of(annotation) or any(map(range_of, get_args(config._inner(annotation)))), (
            f"{command} --{key}: give it a range (practicum/ranges.py)"
        )


def classes(config_class: type[Any]) -> Iterator[type[Any]]:
    yield config_class
    for annotation in config._fields(config_class).values():
        if config._is_section(annotation):
            yield from classes(annotation)


def refusal(arguments: list[str], name: str, folder: Path) -> None:
    """Run a command in the process; it must end with code 2, one line that names the setting, and no file."""
    printed, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(errors):
        code = cli.main(arguments)
    told = errors.getvalue()
    assert (code, printed.getvalue(), told.count("\n")) == (2, "", 1), (arguments, told)
    assert told.startswith("practicum: error: "), told
    assert re.search(rf"(--|: ){re.escape(name)}( is |: )", told), told
    assert len(told) < 400, told
    assert os.listdir(folder) == [], told


@pytest.mark.parametrize("command", COMMANDS)
def test_a_flag_out_of_range_is_one_line(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for key, kind, limits in settings_with_ranges(COMMANDS[command]):
        for text in [*beyond(kind, limits), "text", "1.5" if kind is int else "0x1", "1" * 5000]:
            refusal([*command.split(), f"--{key}", text], key, tmp_path)


@pytest.mark.parametrize("command", IN_FILES)
def test_a_file_out_of_range_is_one_line(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    monkeypatch.chdir(folder)
    file = tmp_path / "settings.toml"
    for key, kind, limits in settings_with_ranges(COMMANDS[command]):
        for text in [*beyond(kind, limits), '"text"', "true", "[1]", "1979-05-27", "0x" + "f" * 5000]:
            if command.endswith("--metrics x") and text.startswith("0x"):
                continue
            file.write_text(f"{key} = {text}\n", encoding="utf-8")
            refusal([*command.split(), "--config", str(file)], key, folder)
