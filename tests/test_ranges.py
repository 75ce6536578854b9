"""Every numeric setting of every command has a range, and nothing outside it is a traceback."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import io
import math
import os
import re
import shlex
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, get_args, get_origin

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from practicum import cli, config
from practicum.bench.command import BENCHES, settings_of
from practicum.config.classes import (
    defaults_of,
    fields_of,
    inner_of,
    is_section,
    is_table,
    leaves_of,
    required_of,
)
from practicum.config.flags import joined_flags
from practicum.errors import InputError
from practicum.ranges import LARGEST_FLOAT, LARGEST_INTEGER, Range, Ranged, range_of, remembered

# Commands that read no config class of their own, or several that are listed below.
WITHOUT_SETTINGS = {"init", "verify", "report", "preferences", "audit", "apply", "bench"}
WITHOUT_SETTINGS |= {"audit exploits", "audit overoptimization", "compare", "dashboard"}
BY_NAME = {
    "compare": ("practicum.compare.config", "CompareConfig"),
    "audit": ("practicum.audit.whole", "AuditConfig"),
    "dashboard": ("practicum.report.dashboard.command", "DashboardConfig"),
    "audit exploits --preferences x": ("practicum.audit.gaming", "Config"),
    "audit exploits --reward x": ("practicum.audit.fuzz.command", "Config"),
    "audit overoptimization": ("practicum.audit.lab", "LabConfig"),
    "audit overoptimization --metrics x": ("practicum.audit.overoptimization", "Config"),
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
    return {key: kind for key, kind in leaves_of(config_class).items() if holds_number(kind)}


def numeric(annotation: Any) -> tuple[type, Range]:
    """Kind and range of a number, or of what a table or list holds."""
    limits = range_of(annotation)
    inner = inner_of(annotation)
    if limits is not None:
        return inner, limits
    (member,) = {one for one in get_args(inner) if range_of(one) is not None}
    return numeric(member)


def settings_with_ranges(config_class: type[Any]) -> Iterator[tuple[str, type, Range]]:
    """Dotted key, as it is typed, kind and range of every number."""
    for key, annotation in numbers(config_class).items():
        yield (f"{key}.length" if is_table(annotation) else key), *numeric(annotation)


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
        assert range_of(annotation) or any(map(range_of, get_args(inner_of(annotation)))), (
            f"{command} --{key}: give it a range (practicum/ranges.py)"
        )


def classes(config_class: type[Any]) -> Iterator[type[Any]]:
    yield config_class
    for annotation in fields_of(config_class).values():
        if is_section(annotation):
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
    leaves = leaves_of(COMMANDS[command])
    for key, kind, limits in settings_with_ranges(COMMANDS[command]):
        no_number = "{ a = 1 }" if get_origin(inner_of(leaves.get(key, kind))) is tuple else "[1]"
        for text in [*beyond(kind, limits), '"text"', "true", no_number, "1979-05-27", "0x" + "f" * 5000]:
            if command.endswith("--metrics x") and text.startswith("0x"):
                continue
            file.write_text(f"{key} = {text}\n", encoding="utf-8")
            refusal([*command.split(), "--config", str(file)], key, folder)


@pytest.mark.parametrize("command", COMMANDS)
def test_what_is_built_in_python_is_checked_alike(command: str) -> None:
    for config_class in dict.fromkeys(classes(COMMANDS[command])):
        for key, annotation in fields_of(config_class).items():
            if is_section(annotation) or not holds_number(annotation):
                continue
            assert issubclass(config_class, Ranged), f"{config_class}: derive it from Ranged"
            kind, limits = numeric(annotation)
            for value in [*(value_of(kind, text) for text in beyond(kind, limits)), "text", True]:
                with pytest.raises(InputError, match=rf"{key}\S*( is |: )"):
                    dataclasses.replace(an_instance(config_class), **{key: wrapped(annotation, value)})


def value_of(kind: type, text: str) -> float:
    try:
        return kind(text)
    except ValueError:
        return float(text)


@remembered
def an_instance(config_class: type[Any]) -> Any:
    """An object of a config class with its defaults, and some text where it has none."""
    some: dict[Any, object] = {
        Path: Path("x"),
        str: "x",
        tuple[Path, ...]: (Path("x"), Path("y")),
        tuple[str, ...]: ("x",),
    }
    fields = fields_of(config_class)
    given = {name: some[fields[name]] for name in required_of(config_class)}
    return config_class(
        **given | ({"model": Path("x")} if config_class.__name__ == "RewardModelConfig" else {})
    )


def wrapped(annotation: Any, value: Any) -> Any:
    if is_table(annotation):
        return {"length": value}
    return (value,) if get_origin(inner_of(annotation)) is tuple else value


EVERY = [
    (command, key, kind, limits)
    for command, config_class in COMMANDS.items()
    for key, kind, limits in settings_with_ranges(config_class)
]
ANYTHING = st.one_of(
    st.floats().map(repr),
    st.integers().map(str),
    st.integers(-(10**40), 10**40).map(str),
    st.text(max_size=5),
    st.sampled_from(["", " ", "1_0", "1e400", "-0", "-0.0", "٣", "0x10", "none", "infinity", "true"]),
)


@settings(max_examples=1500, deadline=None)
@given(st.sampled_from(EVERY), ANYTHING)
def test_whatever_is_typed_is_a_number_in_its_range_or_an_error(
    setting: tuple[str, str, type, Range], text: str
) -> None:
    command, key, kind, limits = setting
    told = trouble(COMMANDS[command], [f"--{key}={text}"])
    if told:
        assert key in told
    else:
        ((_, value),) = joined_flags(COMMANDS[command], [f"--{key}={text}"])
        for one in value if isinstance(value, tuple) else (value,):
            assert one is None or (isinstance(one, (int, float)) and type(one) is kind and limits.admits(one))


@given(st.floats() | st.integers() | st.integers(-(10**40), 10**40))
@settings(max_examples=300, deadline=None)
def test_a_range_admits_what_it_says(value: float) -> None:
    low, high = (
        (-LARGEST_INTEGER, LARGEST_INTEGER) if isinstance(value, int) else (-LARGEST_FLOAT, LARGEST_FLOAT)
    )
    for limits, inside in (
        (Range(), low <= value <= high),
        (Range(at_least=1), 1 <= value <= high),
        (Range(above=1, below=7), 1 < value < 7),
        (Range(at_most=1), low <= value <= 1),
    ):
        assert limits.admits(value) is inside
        with contextlib.nullcontext() if inside else pytest.raises(InputError, match=r"x is .*; it must be "):
            limits.check(value, "x")


def test_the_words_of_a_range() -> None:
    assert Range(at_least=0, below=1).words() == "at least 0 and below 1"
    assert Range(above=0, at_most=1_000_000).words() == "above 0 and at most 1,000,000"
    assert Range().words() == "finite"
    for value, words in (
        (math.nan, "x is nan; it must be finite and at least 0"),
        (-3.0, "x is -3.0; it must be at least 0"),
        (10**30, "x is 10^30 or so; it must be at least 0 and at most 9,223,372,036,854,775,807"),
        (1e31, "x is 1e+31; it must be at least 0 and at most 1e+30"),
    ):
        with pytest.raises(InputError, match=f"^{re.escape(words)}$"):
            Range(at_least=0).check(value, "x")


# ------------------------------------------------------------------------------------------- the help page


NOTED = r"^  --(\S.*)\n(?: {8}.*\n|\n)*? {8}.*\(((?:default|required).*)\)$"


def shown_settings(command: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, str, str, str]]:
    """Key, what stands after it, default and range of every setting on a command's help page."""
    monkeypatch.setenv("COLUMNS", "5000")
    page = config.help_text(COMMANDS[command], command, "")
    for spelling, notes in re.findall(NOTED, page, re.MULTILINE):
        key, _, kind = spelling.partition(" ")
        default, _, limits = notes.partition("; ")
        yield key, kind, default, limits


SAMPLES = {"INT": "7", "FLOAT": "0.5", "TEXT": "word", "PATH": "a/b", "NAME": "length"}


@pytest.mark.parametrize("command", COMMANDS)
def test_what_the_help_page_shows_is_what_is_read(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    config_class = COMMANDS[command]
    leaves, seen = leaves_of(config_class), set()
    for key, kind, default, limits in shown_settings(command, monkeypatch):
        name = key.rstrip(",").removesuffix(".NAME")
        seen.add(name)
        if limits.startswith("one of "):
            assert limits == f"one of {', '.join(map(str, get_args(leaves[name])))}"
            continue
        assert limits.removeprefix("each ") == (
            numeric(leaves[name])[1].words() if holds_number(leaves[name]) else ""
        )
        if kind.startswith("--"):
            words: list[list[str]] = [[f"--{name}"], kind.split()]
        else:
            several = kind.strip("[]").split(" ...")[0] if kind.startswith("[") else kind
            choices = several.strip("{}").split(",") if several.startswith("{") else several.split("|")
            flag = f"--{key.replace('NAME', 'length')}"
            words = [[flag, *(SAMPLES.get(one, one) for one in choice.split())] for choice in choices]
        for one in words:
            assert "expected" not in trouble(config_class, one)
            assert "unknown" not in trouble(config_class, one)
        if default != "required" and not key.endswith(".NAME"):
            typed = shlex.split(default.removeprefix("default: "))
            typed = [] if typed == ["empty"] and kind.startswith("[") else typed
            ((path, value),) = joined_flags(
                config_class, [f"--{name}", *("" if one == "empty" else one for one in typed)]
            )
            assert value == default_of(config_class, path)
    assert seen == set(leaves)


def trouble(config_class: type[Any], words: list[str]) -> str:
    """What is wrong with a flag, or nothing."""
    try:
        joined_flags(config_class, words)
    except InputError as error:
        return str(error)
    return ""


def default_of(config_class: type[Any], path: list[str]) -> Any:
    values: Any = defaults_of(config_class)
    for part in path:
        values = values[part]
    return values


def test_the_help_page_wraps_once_and_names_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for columns in (80, 120):
        monkeypatch.setenv("COLUMNS", str(columns))
        page = config.help_text(COMMANDS["rl"], "practicum rl", "Practice.")
        assert max(map(len, page.splitlines())) <= columns
        assert "  --reference PATH|none\n" in page
        assert "(default: none)" in page
        text = re.sub(r"\s+", " ", page)
        assert "mean_minus_variance lower rewards on which they disagree. (default: mean)" in text


# --------------------------------------------------------------------------------- inside, but at the edge

TINY = [
    "--model.layers=1",
    "--model.hidden_size=32",
    "--model.intermediate_size=32",
    "--model.heads=2",
    "--model.key_value_heads=1",
    "--model.head_dim=16",
    "--batch_rows=2",
    "--loop.threads=1",
]
FEW = ["--model=m", "--loop.steps=2", "--loop.threads=1"]
RL = ["rl", *FEW, "--prompts_per_step=2", "--group_size=2", "--sampling.max_new_tokens=4", "--run=practice"]
PPO = [*RL, "--algorithm=ppo", "--update.kl.weight=0.1"]
SFT = ["sft", *FEW, "--batch_demonstrations=2", "--textbook_passages=0", "--run=worked"]
LAST = math.nextafter(1, 0)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the run `m` of a tiny model that has read two batches."""
    folder = tmp_path_factory.mktemp("edges")
    assert cli.main(["pretrain", *TINY, "--loop.steps=2", f"--run={folder / 'm'}"]) == 0
    return folder


@pytest.mark.parametrize(
    ("command", "edges"),
    [
        (RL, ["--sampling.temperature=0.001"]),
        (RL, ["--sampling.temperature=1e30", "--sampling.top_k=1"]),
        (RL, ["--sampling.top_p=5e-324"]),
        (RL, ["--sampling.top_p=1", f"--sampling.top_k={LARGEST_INTEGER}"]),
        (RL, ["--sampling.slots=1", "--sampling.max_new_tokens=1"]),
        (RL, [f"--sampling.slots={LARGEST_INTEGER}", f"--update.micro_batch_tokens={LARGEST_INTEGER}"]),
        (RL, ["--update.clip_low=0", "--update.clip_high=0", "--update.micro_batch_tokens=1"]),
        (RL, ["--update.clip_low=1", "--update.clip_high=1e30"]),
        (RL, ["--optimizer.learning_rate=0", "--optimizer.weight_decay=0", "--samples_per_step=0"]),
        (RL, ["--optimizer.max_gradient_norm=5e-324", "--optimizer.warmup_steps=0"]),
        (RL, [f"--seed={LARGEST_INTEGER}", f"--optimizer.warmup_steps={LARGEST_INTEGER}"]),
        (PPO, ["--ppo.discount=0", "--ppo.gae_lambda=0", "--ppo.value_weight=0", "--group_size=1"]),
        (PPO, ["--ppo.discount=1", "--ppo.gae_lambda=1", "--ppo.value_clip=0"]),
        (PPO, ["--ppo.value_clip=1e30", "--update.kl.target=5e-324"]),
        (PPO, ["--update.kl.weight=5e-324", "--update.minibatches=2"]),
        (SFT, ["--optimizer.momentum=0", "--optimizer.beta1=0", "--optimizer.beta2=0"]),
        (SFT, [f"--optimizer.{name}={LAST!r}" for name in ("momentum", "beta1", "beta2")]),
        (SFT, ["--optimizer.final_share=0", "--optimizer.warmup_steps=2", "--micro_batch_tokens=1"]),
        (SFT, ["--optimizer.final_share=1", f"--loop.checkpoint_every={LARGEST_INTEGER}"]),
        (SFT, ["--lora.rank=1", "--lora.alpha=5e-324", f"--seed={LARGEST_INTEGER}"]),
        (SFT, ["--batch_demonstrations=1", f"--loop.keep_checkpoints={LARGEST_INTEGER}"]),
    ],
    ids=lambda words: " ".join(word.split(".")[-1] for word in words) if len(words) < 5 else words[0],
)  # fmt: skip
def test_a_value_at_the_edge_runs(
    command: list[str], edges: list[str], tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tiny)
    try:
        assert cli.main([*command, *edges]) == 0
    finally:
        for run in ("practice", "worked"):
            shutil.rmtree(run, ignore_errors=True)


@pytest.mark.parametrize(
    ("command", "edge", "words"),
    [
        (SFT, ["--optimizer.weight_decay=1e30"], "the gradient norm is nan; lower the learning rate"),
        (RL, ["--sampling.temperature=1e-4"], "sampling.temperature is 0.0001; it must be 0"),
        (RL, ["--prompts_per_step=1000000"], "prompts_per_step 1000000 times group_size 2"),
    ],
)
def test_a_value_that_lets_numbers_run_away_is_one_line(
    command: list[str],
    edge: list[str],
    words: str,
    tiny: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tiny)
    try:
        assert cli.main([*command, *edge]) == 2
    finally:
        for run in ("practice", "worked"):
            shutil.rmtree(run, ignore_errors=True)
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("practicum: error: ")
    assert words in line


def test_a_gradient_near_the_end_of_float32_runs_or_is_one_line(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whether its norm overflows hangs on how the machine adds it up; a traceback it never is."""
    monkeypatch.chdir(tiny)
    try:
        code = cli.main([*PPO, "--ppo.value_weight=1e30"])
    finally:
        shutil.rmtree("practice", ignore_errors=True)
    line = capsys.readouterr().err.splitlines()[-1]
    assert code == 0 or (code == 2 and "the gradient norm is inf; lower the learning rate" in line)


@pytest.mark.parametrize(
    ("edge", "words"),
    [
        (["--model.hidden_size=65536", "--model.layers=1000"], "this machine has"),
        (["--model.heads=3"], "model.heads is 3; it must divide hidden_size 32"),
        (["--model.head_dim=15"], "model.head_dim is 15; it must be even"),
        (["--sequence_length=513"], "it must be at most model.max_positions 512"),
        (["--batch_rows=1000000"], "lower one of them"),
    ],
)
def test_a_shape_that_cannot_be_leaves_no_run(
    edge: list[str],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["pretrain", *TINY, *edge, "--run=r"]) == 2
    assert words in capsys.readouterr().err
    assert os.listdir(tmp_path) == []
