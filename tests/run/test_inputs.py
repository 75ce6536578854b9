"""What a run reads, and what is told of it when the run goes on."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from practicum.run import inputs as module
from practicum.run.folder import Run
from practicum.run.inputs import inputs


@dataclass(frozen=True)
class Data:
    file: Path | None = None


@dataclass(frozen=True)
class Config:
    model: Path
    rewards: tuple[Path, ...] = ()
    functions: tuple[str, ...] = ()
    weights: Mapping[str, float] = field(default_factory=dict)
    data: Data = Data()
    word: str = "auto"
    seed: int = 0


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """A config of every way in which files are named, in the working folder."""
    monkeypatch.chdir(tmp_path)
    model = Path("runs/sft/checkpoints/step-000010")
    for folder in (model, Path("scores"), Path("auto")):
        folder.mkdir(parents=True)
        (folder / "model.safetensors").write_bytes(b"w" * 100)
    for name in ("rows.jsonl", "pay.py", "schema.json", "recipe.toml"):
        Path(name).write_text("first\n")
    functions = ("pay.py:right", "json_schema:schema.json", "recipe.toml", "math", "format:.*", "x\n.py:y")
    return Config(Path("runs/sft"), (Path("scores"),), functions, {"right": 1.0}, Data(Path("rows.jsonl")))


def close(run: Run) -> None:
    assert run.lock is not None
    run.lock.release()


def append(name: str) -> Callable[[], object]:
    def write() -> None:
        with Path(name).open("ab") as stream:
            stream.write(b"more\n")

    return write


def a_newer_checkpoint() -> None:
    newer = Path("runs/sft/checkpoints/step-000020")
    newer.mkdir()
    (newer / "model.safetensors").write_bytes(b"v" * 100)


CHANGES: dict[str, tuple[Callable[[], object], str]] = {
    "rows": (append("rows.jsonl"), "rows.jsonl"),
    "function": (append("pay.py"), "pay.py"),
    "argument": (append("schema.json"), "schema.json"),
    "recipe": (append("recipe.toml"), "recipe.toml"),
    "letter": (lambda: Path("pay.py").write_text("fist!\n"), "pay.py"),
    "weights": (append("scores/model.safetensors"), "scores"),
    "file": (lambda: Path("scores/other.json").write_text("{}"), "scores"),
    "renamed": (lambda: Path("scores/model.safetensors").rename("scores/model.bin"), "scores"),
    "checkpoint": (a_newer_checkpoint, "runs/sft"),
}


@pytest.mark.parametrize("kind", CHANGES)
def test_what_has_changed_is_told_once_when_a_run_goes_on(
    kind: str, config: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    change, name = CHANGES[kind]
    close(Run.open(Path("run"), config, "rl"))
    change()
    close(Run.open(Path("run"), config, "rl", resume=True))
    said = capsys.readouterr().err.splitlines()
    assert [line for line in said if "changed" in line] == [
        f"practicum: {name} has changed since run last read it: what is done from here on reads it as it is "
        "now, and with that the whole is no unbroken run"
    ]
    close(Run.open(Path("run"), config, "rl", resume=True))
    assert "changed" not in capsys.readouterr().err
    environment = json.loads(Path("run/environment.json").read_text())
    assert environment["inputs"] == environment["resumed"][0]["inputs"] | {name: environment["inputs"][name]}
    assert environment["inputs"][name] != environment["resumed"][0]["inputs"][name]
    assert environment["resumed"][1]["inputs"] == environment["resumed"][0]["inputs"]


@pytest.mark.parametrize(
    "change",
    [
        append("runs/sft/metrics.jsonl"),
        append("auto/model.safetensors"),
        append("unnamed.py"),
        append("scores/.lock"),
        lambda: Path("rows.jsonl").touch(),
        lambda: Path("rows.jsonl").unlink(),
    ],
)
def test_what_the_run_does_not_read_is_not_told(
    change: Callable[[], object], config: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    close(Run.open(Path("run"), config, "rl"))
    change()
    close(Run.open(Path("run"), config, "rl", resume=True))
    assert "changed" not in capsys.readouterr().err


def test_large_files_are_read_at_both_ends(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ENDS", 10)
    large, whole = Path("rows.jsonl"), b"0123456789abcdefghijABCDEFGHIJ"
    large.write_bytes(whole)
    found = inputs(config)
    for place, told in ((0, True), (9, True), (15, False), (20, True), (29, True)):
        large.write_bytes(whole[:place] + b"?" + whole[place + 1 :])
        assert (inputs(config) != found) == told, place
    for size in range(1, 21):
        large.write_bytes(whole[:size])
        short = inputs(replace(config, data=Data(large)))["rows.jsonl"]
        large.write_bytes(whole[: size - 1] + b"?")
        assert inputs(config)["rows.jsonl"] != short


LONG = "Grade what was asked. Take off points for padding, and give none for an empty answer"


@pytest.mark.parametrize("length", [200, 255, 256, 300, 999, 1000, 1001, 5000])
@pytest.mark.parametrize(
    "unit", [LONG, "Bewerte jede Lösung. ÄÖÜ", "reasoning_gym:a*0.5+b", "a/b.c", "x.py:y"]
)
def test_a_text_of_any_length_is_no_error(unit: str, length: int, config: Config) -> None:
    text = (unit * (length // len(unit) + 1))[:length]
    mine = replace(config, functions=("pay.py:right", text, f"pay.py:{text}"), weights={"right": 1.0})
    assert set(inputs(mine)) == {"pay.py", "rows.jsonl", "runs/sft", "scores"}


@pytest.mark.parametrize("number", [errno.EACCES, errno.ENAMETOOLONG, errno.ELOOP, errno.EIO])
def test_what_cannot_be_looked_at_is_left_out(
    number: int, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.stat

    def stat(path: Any, *arguments: Any, **options: Any) -> os.stat_result:
        if str(path).startswith(("rows", "scores", "pay")):
            raise OSError(number, os.strerror(number))
        return real(path, *arguments, **options)

    monkeypatch.setattr(os, "stat", stat)
    assert set(inputs(config)) == {"schema.json", "recipe.toml", "runs/sft"}


def test_what_is_no_file_is_left_out(config: Config) -> None:
    """A pipe is not waited for, and a link that leads round in a ring to nowhere is none."""
    os.mkfifo("pipe.jsonl")
    Path("round.jsonl").symlink_to("round.jsonl")
    Path("scores/above").symlink_to(Path.cwd())
    os.mkfifo("scores/pipe")
    before = inputs(config)
    for name in ("pipe.jsonl", "round.jsonl", "-"):
        assert inputs(replace(config, data=Data(Path(name)), functions=(name,))).keys() == {
            "runs/sft",
            "scores",
        }
    Path("unnamed.py").write_text("more")
    assert inputs(config) == before


def written(name: str, text: str = "more") -> None:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text(text)


INSIDE: dict[str, tuple[Sequence[str], str, bool]] = {
    "a run in the folder": (["scores/mine/config.toml"], "scores/mine/metrics.jsonl", False),
    "a run below a run": (["scores/mine/config.toml"], "scores/mine/grpo/seed-0/metrics.jsonl", False),
    "a run deep in the folder": (["scores/a/b/config.toml"], "scores/a/b/checkpoints/x.safetensors", False),
    "a folder of rows": ([], "scores/train/rows.arrow", True),
    "a hidden folder": ([], "scores/.cache/train/rows.arrow", False),
    "a copy of a checkpoint": ([], "runs/sft/checkpoints/step-000010-copy/model.safetensors", False),
    "a word of digits": ([], "runs/sft/checkpoints/step-²/model.safetensors", False),
    "the newest checkpoint": ([], "runs/sft/checkpoints/step-000010/config.json", True),
    "of more digits": ([], "runs/sft/checkpoints/step-1000000/model.safetensors", True),
    "a model that has checkpoints": (
        ["scores/config.json", "scores/checkpoints/step-000010/model.safetensors"],
        "scores/model-2.safetensors",
        True,
    ),
}


@pytest.mark.parametrize("kind", INSIDE)
def test_of_a_folder_it_is_what_is_read_of_it(kind: str, config: Config) -> None:
    """As model_folder finds a model, and not the runs that somebody keeps beside it."""
    first, then, told = INSIDE[kind]
    for name in first:
        written(name)
    before = inputs(config)
    written(then)
    assert (inputs(config) != before) == told


@pytest.mark.parametrize(
    "name", [b"caf\xe9.txt", b"\xff", "日本.txt".encode(), b"a b:c.txt", b"line\nbreak", b"train \xe9/x"]
)
def test_a_file_of_any_name_is_read(name: bytes, config: Config) -> None:
    path = Path("scores") / os.fsdecode(name)
    before = inputs(config)["scores"]
    try:
        path.parent.mkdir(exist_ok=True)
        path.write_text("first")
    except OSError:
        pytest.skip("this file system has no such names")
    first = inputs(config)["scores"]
    path.write_text("other")
    assert len({before, first, inputs(config)["scores"]}) == 3


def test_a_run_in_the_folder_of_its_model_is_no_change_of_it(
    config: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Run.open(Path("scores/run"), config, "rl")
    run.log({"step": 1})
    close(run)
    close(Run.open(Path("scores/run"), config, "rl", resume=True))
    assert "changed" not in capsys.readouterr().err


def test_a_folder_of_many_files_is_not_read_whole(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_FILES", 3)
    for number in range(5):
        written(f"scores/{number}/rows.arrow")
    before = inputs(config)
    asked: list[str] = []
    real = os.scandir

    def scandir(path: Any) -> Any:
        asked.append(str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert inputs(config) == before
    assert not [path for path in asked if path.endswith(("/3", "/4"))]
