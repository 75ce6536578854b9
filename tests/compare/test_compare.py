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
from pathlib import Path
from typing import Any

import pytest

from practicum import cli
from practicum.compare.pool import Job, run_all

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
    assert cli.main(["compare", "--run", str(whole), "--resume", "--seeds", "0", "5"]) == 2
    assert "was started with seeds" in capsys.readouterr().err
    assert cli.main(command(whole, untrained_model, *WORDS)) == 2
    assert "is not empty" in capsys.readouterr().err


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
    run = tmp_path / "none"
    for words, told in (
        (["nothing", "--seeds", "0"], "there is no 'nothing'"),
        (["grpo"], "no seeds"),
        (["--seeds", "0"], "nothing to compare"),
    ):
        assert cli.main(command(run, untrained_model, *words)) == 2
        error = capsys.readouterr().err.splitlines()[-1]
        assert told in error
    assert cli.main(command(run, tmp_path / "nowhere", "grpo", "--seeds", "0")) == 2
    assert not run.exists()


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
