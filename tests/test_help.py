"""Help pages: short by default, complete on demand, and what they show is what the parser reads."""

from __future__ import annotations

import importlib
import pkgutil
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import studies
from practicum import cli, config
from practicum.bench.command import BENCHES
from practicum.config.classes import common_of, inner_of, leaves_of, required_of, short_key
from practicum.config.files import checked_table
from practicum.config.flags import found_setting, joined_flags
from practicum.config.help import examples_of, spelling_of
from practicum.errors import InputError
from practicum.ranges import Common, PositiveInt, Range, Ranged, is_common, range_of, unmarked
from tests.test_ranges import COMMANDS

TWO_SCREENS = 60
COLUMNS = 100
TYPED = [
    [],
    *([name] for name in cli.COMMANDS),
    *([group, word] for group, words in cli.GROUPS.items() for word in words),
    ["audit", "overoptimization", "--metrics", "x"],
    *(["bench", name] for name in BENCHES),
]
STUDIES = {
    f"python -m studies.{module.name}": found
    for module in pkgutil.iter_modules(studies.__path__)
    if (found := getattr(importlib.import_module(f"studies.{module.name}"), "StudyConfig", None))
}
EVERY_CLASS = COMMANDS | STUDIES
EVERY_SETTING = [(name, key) for name, found in EVERY_CLASS.items() for key in leaves_of(found)]


def page(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    assert cli.main(list(words)) == 0
    output = capsys.readouterr()
    assert output.err == ""
    return output.out.splitlines()


@pytest.mark.parametrize("typed", TYPED, ids=" ".join)
def test_a_help_page_fits_on_two_screens(
    typed: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(COLUMNS))
    for word in ("--help", "-h"):
        lines = page(capsys, *typed, word)
        assert 1 <= len(lines) <= TWO_SCREENS
    if typed[:1] != ["verify"]:
        assert max(map(len, lines)) <= COLUMNS


@pytest.mark.parametrize("name", EVERY_CLASS)
def test_help_all_shows_every_setting_and_the_short_page_says_how_many(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(COLUMNS))
    config_class = EVERY_CLASS[name]
    leaves = leaves_of(config_class)
    short = config.help_text(config_class, name, "What it does.", everything=False)
    whole = config.help_text(config_class, name, "What it does.")
    if name in cli.COMMANDS or name.startswith(("audit", "preferences")):
        whole = "\n".join(page(capsys, *name.split(), "--help", "all"))
    flags = set(re.findall(r"^  --([\w.]+)", whole, re.MULTILINE))
    assert {flag.removesuffix(".NAME") for flag in flags} >= set(leaves)
    if "settings that most people change" in short:
        assert short.count("\n") < whole.count("\n")
        assert f"`--help all` shows all {len(leaves)} settings" in short
        assert all(f"--{short_key(key)} " in short for key in required_of(config_class))


@pytest.mark.parametrize("name", EVERY_CLASS)
def test_the_flags_of_the_short_page_are_read(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(COLUMNS))
    config_class = EVERY_CLASS[name]
    short = config.help_text(config_class, name, "What it does.", everything=False)
    flags = [flag.removesuffix(".NAME") for flag in re.findall(r"^  --([\w.]+)", short, re.MULTILINE)]
    assert flags
    for flag in flags:
        path, _, _ = found_setting(config_class, flag)
        assert ".".join(path).startswith(flag)


def examples() -> list[tuple[str, str]]:
    found = []
    for name, config_class in COMMANDS.items():
        found += [(name, line.strip()) for line in examples_of(config_class)[2:]]
    return found


def test_the_examples_are_of_their_command_and_its_settings() -> None:
    assert {name for name, _ in examples()} >= {"demo", "pretrain", "sft", "rl", "rlhf", "eval", "sample"}
    for name, line in examples():
        assert len(line) <= 78, line
        program, *words = shlex.split(line)
        command = name.partition(" --")[0].split()
        assert [program, *words[: len(command)]] == ["practicum", *command]
        config.load(COMMANDS[name], None, cli._read_arguments(words[len(command) :]).settings)


# ------------------------------------------------------------------ shown is read, in flags and files


WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=8).filter(
    lambda text: not text.startswith("--") and text.lower() != "none"
)


@dataclass(frozen=True)
class Typed:
    """A value as flags spell it, and as TOML holds it."""

    words: list[str]
    value: Any


def values_of(shown: str, annotation: Any) -> st.SearchStrategy[Typed]:
    """Anything that a help page's form admits, as `[PATH ...]`, `FLOAT FLOAT` or `{auto,on,off}|none`."""
    if shown.endswith("|none"):
        return st.one_of(st.just(Typed(["none"], "none")), values_of(shown[:-5], annotation))
    inner = inner_of(annotation)
    if shown.startswith("["):
        one = values_of(shown[1:].removesuffix(" ...]"), get_args(inner)[0])
        return st.lists(one, max_size=3).map(in_a_row)
    if shown.startswith("{"):
        choices = shown.strip("{}").split(",")
        known = {str(choice): choice for choice in get_args(inner)} | {"none": "none"}
        return st.sampled_from(choices).map(lambda word: Typed([word], known[word]))
    if " " in shown:
        kinds = zip(shown.split(), get_args(inner), strict=True)
        return st.tuples(*(values_of(kind, one) for kind, one in kinds)).map(in_a_row)
    if shown == "true|false":
        return st.booleans().map(lambda value: Typed([str(value).lower()], value))
    if shown in ("INT", "FLOAT"):
        limits = range_of(annotation) or Range()
        low = limits.at_least if limits.at_least is not None else limits.above
        high = limits.at_most if limits.at_most is not None else limits.below
        numbers = (
            st.integers(None if low is None else int(low), None if high is None else int(high))
            if shown == "INT"
            else st.floats(low, high, allow_nan=False, allow_infinity=False)
        )
        return numbers.filter(limits.admits).map(lambda number: Typed([repr(number)], number))
    if shown == "NAME":
        return st.sampled_from(get_args(inner)).map(lambda word: Typed([word], word))
    assert shown in ("TEXT", "PATH"), shown
    return WORDS.map(lambda text: Typed([text], text))


def in_a_row(several: Any) -> Typed:
    return Typed([word for one in several for word in one.words], [one.value for one in several])


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_every_form_that_help_shows_is_read_alike_in_flags_and_files(data: st.DataObject) -> None:
    name, key = data.draw(st.sampled_from(EVERY_SETTING))
    config_class = EVERY_CLASS[name]
    annotation = leaves_of(config_class)[key]
    spelling = spelling_of(key, annotation)
    flag, _, shown = spelling.partition(" ")
    value: Any
    if shown.startswith("--"):
        word = data.draw(st.sampled_from([flag.rstrip(","), shown]))
        typed, value = [word], word != shown
    elif flag.endswith(".NAME"):
        entry = data.draw(st.from_regex(r"[a-z]\w{0,8}", fullmatch=True))
        one = data.draw(values_of(shown, get_args(inner_of(annotation))[1]))
        typed, value = [flag.replace("NAME", entry), *one.words], {entry: one.value}
    else:
        one = data.draw(values_of(shown, annotation))
        typed, value = [flag, *one.words], one.value
    ((path, read),) = joined_flags(config_class, typed)
    table: Any = value
    for part in reversed(key.split(".")):
        table = {part: table}
    from_file = checked_table(config_class, table, "file")
    for part in path:
        from_file = from_file[part]
    assert from_file == read
    if len(typed) == 2:
        assert joined_flags(config_class, [f"{typed[0]}={typed[1]}"]) == [(path, read)]


@pytest.mark.parametrize("name", EVERY_CLASS)
def test_a_section_with_a_name_is_set_by_it_in_flags_and_files(name: str) -> None:
    config_class = EVERY_CLASS[name]
    for key in leaves_of(config_class):
        section, _, last = key.rpartition(".")
        if last != "name" or "." in section:
            continue
        assert joined_flags(config_class, [f"--{section}", "jokes"]) == [([section, "name"], "jokes")]
        assert checked_table(config_class, {section: "jokes"}, "file") == {section: {"name": "jokes"}}


def test_help_is_asked_in_three_ways_and_all_of_it_in_three() -> None:
    for words, rest, asked in (
        (["--model", "m", "--help"], ["--model", "m"], "common"),
        (["-h"], [], "common"),
        (["--help", "all", "--json"], ["--json"], "all"),
        (["-h", "all"], [], "all"),
        (["--help=all"], [], "all"),
        (["--help", "--help", "all"], [], "all"),
        (["all"], ["all"], ""),
        ([], [], ""),
    ):
        assert config.asked_help(words) == (rest, asked)


# ------------------------------------------------------------------------------------------------ the mark


@dataclass(frozen=True)
class Marked(Ranged):
    """A class of marked and plain fields."""

    steps: Common[PositiveInt] = 3
    """Steps. And more about them."""
    folder: Common[Path | None] = None
    rate: Common[PositiveInt | None] = None
    plain: PositiveInt = 1


def test_a_mark_changes_neither_type_nor_range() -> None:
    assert common_of(Marked) == {"steps", "folder", "rate"}
    assert unmarked(Common[PositiveInt]) == PositiveInt
    assert unmarked(PositiveInt) == PositiveInt
    assert is_common(Common[Path])
    assert not is_common(PositiveInt)
    assert config.load(Marked, None, ["--rate", "none", "--folder", "a"]) == Marked(folder=Path("a"))
    for field in ("steps", "rate", "plain"):
        with pytest.raises(InputError, match=rf"{field} is 0; it must be at least 1"):
            config.load(Marked, None, [f"--{field}", "0"])
        with pytest.raises(InputError, match=rf"{field} is 0; it must be at least 1"):
            Marked(**{field: 0})  # type: ignore[arg-type]
