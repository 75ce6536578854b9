"""The whole of `practicum compare` on a tiny model: killed, resumed bit for bit, one run failing."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from practicum import cli
from practicum.compare.arguments import translated
from practicum.compare.checks import checked
from practicum.compare.config import CompareConfig
from practicum.compare.plan import make_plan
from practicum.compare.pool import Job, run_all
from practicum.config import load

SMALL = shlex.split(
    "--prompts_per_step 4 --group_size 2 --sampling.max_new_tokens 8 --loop.allow_dead "
    "--loop.checkpoint_every 1 --examination.count 12 --examination.samples 2 --examination.sampled_count 4"
)
WORDS = ["grpo", "dapo", "--seeds", "0", "1", "--samples", "48", "--jobs", "2"]
"""Runs at a time decide the threads of each, and those the last bits."""


def command(run: Path, model: Path, *words: str) -> list[str]:
    return ["compare", *words, "--run", str(run), "--model", str(model), *SMALL]


def learned(run: Path) -> dict[str, Any]:
    """What runs gave, times aside."""
    found: dict[str, Any] = {}
    for place in sorted(run.glob("*/seed-*/")):
        rows = [json.loads(line) for line in (place / "metrics.jsonl").read_text().splitlines()]
        steps = [{key: value for key, value in row.items() if "seconds" not in key} for row in rows]
        newest = max(place.glob("checkpoints/step-*"))
        answers = (place / "answers.jsonl").read_bytes()
        found[str(place.relative_to(run))] = (steps, (newest / "model.safetensors").read_bytes(), answers)
    return found


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, untrained_model: Path) -> Path:
    """A comparison that nothing disturbed."""
    run = tmp_path_factory.mktemp("compare") / "whole"
    assert cli.main(command(run, untrained_model, *WORDS)) == 0
    return run


def test_a_comparison_is_ordinary_runs_a_summary_and_a_page(
    whole: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    summary = json.loads((whole / "summary.json").read_text())
    assert {row["name"] for row in summary["members"]} == {"grpo", "dapo"}
    for row in summary["members"]:
        assert row["seeds"] == [0, 1]
        assert row["cost"]["completions"] == row["planned_completions"] == summary["samples"] == 48
        assert set(row["pass_at_k"]) == {"pass@1", "pass@2"}
        assert row["curve"]["places"][-1] == 48
    (pair,) = summary["pairs"]
    assert pair["verdict"] == "noise"
    page = (whole / "report.html").read_text(encoding="utf-8")
    assert "grpo" in page
    assert "http" not in page.replace("http-equiv", "")
    assert cli.main(["report", str(whole)]) == 2
    assert f"{whole} is a comparison: practicum compare --run" in capsys.readouterr().err
    # Each run is one that `practicum rl` makes, and can go on with.
    longer = shutil.copytree(whole / "grpo" / "seed-1", whole.parent / "longer")
    assert cli.main(["rl", "--run", str(longer), "--resume", "--loop.steps", "7", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["step"] == 7


def test_killed_at_any_moment_and_resumed_it_gives_the_same(
    whole: Path, tmp_path: Path, untrained_model: Path
) -> None:
    run = tmp_path / "killed"
    words = command(run, untrained_model, *WORDS[:1], *WORDS[2:])
    process = subprocess.Popen(
        [sys.executable, "-m", "practicum", *words],
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    # Somewhere in the midst of a run: it has made a step, and is not yet examined.
    while not any(path.stat().st_size for path in run.glob("*/seed-*/metrics.jsonl")):
        assert process.poll() is None
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (run / "summary.json").exists()
    assert cli.main([*words, "--resume"]) == 0
    assert learned(run) == {place: one for place, one in learned(whole).items() if place.startswith("grpo")}
    # What is done is read again and not made again, with other jobs too.
    before = {path: path.stat().st_mtime_ns for path in run.glob("*/seed-*/answers.jsonl")}
    assert cli.main(["compare", "--run", str(run), "--resume", "--jobs", "3"]) == 0
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_other_settings_do_not_resume(
    whole: Path, untrained_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (whole / "config.toml").read_bytes()
    plan = (whole / "plan.json").read_bytes()
    for words, told in (
        (("--seeds", "0", "5"), "was started with seeds"),
        (
            ("rloo", "grpo"),
            "was started with recipes = ['grpo', 'dapo'], now it is ['rloo', 'grpo']: give those",
        ),
        (("rloo", "grpo", "dapo", "gspo", "algorithms/rloo"), "two are called rloo"),
        (("--samples", "96"), "was started with samples"),
        (("--examination.count", "5"), "was started with examination.count"),
        (("--against", "rloo"), "no recipe is called 'rloo'"),
    ):
        assert cli.main(["compare", "--run", str(whole), "--resume", *words]) == 2
        assert told in capsys.readouterr().err
    assert cli.main(command(whole, untrained_model, *WORDS)) == 2
    assert "is not empty" in capsys.readouterr().err
    assert (whole / "config.toml").read_bytes() == before
    assert (whole / "plan.json").read_bytes() == plan


def test_recipes_are_added_where_a_comparison_is_resumed(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = shutil.copytree(whole, tmp_path / "more")
    monkeypatch.chdir(tmp_path)
    Path("mine.toml").write_text('algorithm = "rloo"\n[optimizer]\nlearning_rate = 1e-3\n')
    before = {path: path.stat().st_mtime_ns for path in run.glob("*/seed-*/answers.jsonl")}
    words = ["mine.toml", "dapo", "grpo", "--jobs", "2"]
    assert cli.main(["compare", *words, "--run", str(run), "--resume", "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert [(row["name"], row["seeds"], row["cost"]["completions"]) for row in summary["members"]] == [
        ("grpo", [0, 1], 48),
        ("dapo", [0, 1], 48),
        ("mine", [0, 1], 48),
    ]
    assert len(summary["pairs"]) == 3
    assert {path: path.stat().st_mtime_ns for path in before} == before
    # It is there from now on, and its file is read no more.
    Path("mine.toml").unlink()
    assert cli.main(["compare", "--run", str(run), "--resume", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["members"] == summary["members"]


@pytest.mark.parametrize("form", [("--reward", "pay.py:right"), ("--reward=pay.py:right",)])
def test_what_the_runs_read_is_told_where_it_has_changed_and_their_recipes_are_not(
    form: Sequence[str], untrained_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """A recipe is read once, when it is planned; what it names is read by each run of it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("practicum.compare.command.run_all", lambda folder, jobs, at_a_time: {})
    monkeypatch.setattr("practicum.compare.command.results", lambda *given: {})
    monkeypatch.setattr("practicum.compare.command.write", lambda *given: Path("report.html"))
    monkeypatch.setattr("practicum.compare.command.print_table", lambda summary: None)
    Path("pay.py").write_text("def right(prompt, completion):\n    return 1.0\n")
    Path("own.py").write_text("def worth(prompt, completion):\n    return 1.0\n")
    Path("mine.toml").write_text('algorithm = "rloo"\n[guard]\ntruth = "own.py:worth"\n')
    words = ["grpo", "mine.toml", "--seeds", "0", "1", "--samples", "16", *form]
    assert cli.main(command(Path("run"), untrained_model, *words)) == 0
    for name, told in (("mine.toml", False), ("pay.py", True), ("own.py", True), ("unnamed.py", False)):
        with Path(name).open("a") as stream:
            stream.write("# edited\n")
        capsys.readouterr()
        assert cli.main(["compare", "--run", "run", "--resume"]) == 0
        said = [line for line in capsys.readouterr().err.splitlines() if "changed" in line]
        assert said == [f"practicum: {name} has changed since run last read it: what is done from here on "
                        "reads it as it is now, and with that the whole is no unbroken run"
                       ] * told  # fmt: skip


def test_seeds_are_added_and_runs_are_read_anew_where_a_comparison_is_resumed(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = shutil.copytree(whole, tmp_path / "more")
    asked: list[str] = []

    def made(folder: Path, jobs: Sequence[Job], at_a_time: int) -> dict[str, str]:
        """The new runs are those of another seed, which are here at once."""
        for job in jobs:
            if not job.done(folder):
                asked.append(job.title)
                shutil.copytree(folder / job.name / "seed-0", job.place(folder))
        return {}

    monkeypatch.setattr("practicum.compare.command.run_all", made)
    words = ["--seeds", "0", "1", "7", "--against", "grpo", "--measure", "reward"]
    assert cli.main(["compare", "--run", str(run), "--resume", *words, "--json"]) == 0
    assert asked == ["grpo seed 7", "dapo seed 7"]
    summary = json.loads(capsys.readouterr().out)
    assert [row["seeds"] for row in summary["members"]] == [[0, 1, 7], [0, 1, 7]]
    assert (summary["measure"], summary["against"]) == ("reward", "grpo")
    # They are there from now on, without being named again.
    assert cli.main(["compare", "--run", str(run), "--resume", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["seeds"] == [0, 1, 7]


def test_a_failing_run_is_told_and_stops_no_other(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = shutil.copytree(whole, tmp_path / "failing")
    (run / "grpo" / "seed-1" / "examination.json").unlink()
    (run / "grpo" / "seed-1" / "summary.json").unlink()
    (run / "dapo" / "seed-0" / "examination.json").unlink()
    newest = max((run / "grpo" / "seed-1" / "checkpoints").glob("step-*"))
    (newest / "model.safetensors").write_bytes(b"damaged")
    assert cli.main(["compare", "--run", str(run), "--resume", "--json"]) == 1
    output = capsys.readouterr()
    summary = json.loads(output.out)
    (words,) = summary["failed"].values()
    assert list(summary["failed"]) == ["grpo seed 1"]
    assert "model.safetensors" in words
    assert "grpo seed 1 failed" in output.err
    assert {row["name"]: row["seeds"] for row in summary["members"]} == {"grpo": [0], "dapo": [0, 1]}
    assert "grpo seed 1" in (run / "report.html").read_text(encoding="utf-8")


def test_nothing_is_written_for_recipes_that_do_not_fit(
    tmp_path: Path, untrained_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, rows = tmp_path / "none", tmp_path / "rows.jsonl"
    rows.write_text('{"prompt": "1:", "chosen": "a", "rejected": "b"}\n', encoding="utf-8")
    own = ["--data", str(rows)]
    os.mkfifo(pipe := tmp_path / "pipe")
    for words, told in (
        # Each run is a process of its own: it would find nothing in them, or wait for ever.
        (["grpo", "--seeds", "0", "--data", "-"], "recipe grpo: data.file is standard input or a pipe"),
        (["grpo", "--seeds", "0", "--data", str(pipe)], "recipe grpo: data.file is standard input or a pipe"),
        (["grpo", "--seeds", "0", *own, "--data.test", str(pipe)], "data.test is standard input or a pipe"),
        (
            ["grpo", "dpo", "--seeds", "0", "--preferences", str(pipe)],
            "recipe dpo: preferences is standard input or a pipe",
        ),
        (["nothing", "--seeds", "0"], "there is no 'nothing'"),
        (["grpo"], "no seeds"),
        (["--seeds", "0"], "nothing to compare"),
        # What only a run would find: it would be one message a run, each after PyTorch was loaded anew.
        (["grpo", "--seeds", "0", *own], "recipe grpo: rows.jsonl: rows do not judge answers"),
        (["grpo", "--seeds", "0", *own, "--reward", str(tmp_path / "no.py:pay")], "no.py"),
        (["grpo", "--seeds", "0", "--data", str(tmp_path / "no.jsonl")], "no.jsonl"),
        (["grpo", "--seeds", "0", "--task", str(tmp_path / "no.py:Task")], "no.py"),
        (["rloo", "grpo", "--seeds", "0", "--reward_model", str(tmp_path / "no")], "recipe rloo: "),
        (["grpo", "dpo", "--seeds", "0", "--preferences", str(tmp_path / "no.jsonl")], "recipe dpo: "),
    ):
        assert cli.main(command(run, untrained_model, *words)) == 2
        error = capsys.readouterr().err.splitlines()[-1]
        assert error.startswith("practicum: error: ")
        assert told in error
        assert not run.exists()
    assert cli.main(command(run, tmp_path / "nowhere", "grpo", "--seeds", "0")) == 2
    assert not run.exists()


def test_an_examination_on_rows_that_runs_learn_from_is_told(tmp_path: Path, untrained_model: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    lines = [
        f'{{"prompt": "{number}", "answer": "1", "chosen": "1", "rejected": "2"}}\n' for number in range(12)
    ]
    rows.write_text("".join(lines), encoding="utf-8")

    def notes(*words: str) -> str:
        given = ["grpo", "dpo", "--data", str(rows), "--task", "gsm8k", *words, "--seeds", "0"]
        flags = translated(["--model", str(untrained_model), *given, *SMALL])
        return " ".join(checked(make_plan(load(CompareConfig, None, flags), 1)).notes)

    assert "12 of the 12 problems of the examination are among the rows that runs learn from" in notes()
    assert "learn from, so" not in notes("--data.test_share", "0.4")


def test_no_process_is_left_when_it_is_interrupted(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = shutil.copytree(whole, tmp_path / "interrupted")
    (run / "grpo" / "seed-0" / "examination.json").unlink()
    begun: list[subprocess.Popen[bytes]] = []

    def noted(*arguments: Any, **options: Any) -> subprocess.Popen[bytes]:
        begun.append(subprocess.Popen(*arguments, **options))
        return begun[-1]

    def interrupted(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("practicum.compare.pool.subprocess", Spied(noted))
    monkeypatch.setattr("practicum.compare.pool.time", Spied(sleep=interrupted))
    with pytest.raises(KeyboardInterrupt):
        run_all(run, [Job("grpo", 0, 6, 1)], 1)
    assert [process.poll() for process in begun] == [-signal.SIGKILL]


class Spied:
    """A module with one of its functions told of."""

    PIPE, DEVNULL = subprocess.PIPE, subprocess.DEVNULL

    def __init__(self, Popen: Any = None, sleep: Any = None) -> None:
        self.Popen, self.sleep = Popen, sleep
