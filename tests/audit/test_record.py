"""The record of the warning signals as a command: runs in, sentences, thresholds and a page out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from practicum import cli
from practicum.audit.record import records, signals_of
from practicum.config import load
from practicum.errors import InputError
from practicum.training.rl import RlConfig


def rows(
    seed: int, warns_at: int | None = None, turns_at: int = 30, steps: int = 40
) -> list[dict[str, float]]:
    """A run whose repetition rises from a step on, and whose true reward turns at another."""
    generator = np.random.default_rng(seed)
    made = []
    for step in range(40):
        risen = warns_at is not None and step >= warns_at
        made.append(
            {
                "step": step + 1,
                "repetition": 0.1 + 0.01 * generator.normal() + 0.1 * risen,
                "entropy": 2.0 + 0.1 * generator.normal(),
                "reward/gold": -abs(step - turns_at) + 0.01 * generator.normal(),
            }
        )
    return made


def written(path: Path, run: list[dict[str, float]]) -> str:
    path.mkdir()
    (path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in run))
    return str(path)


def test_a_signal_that_warns_early_is_told_from_one_that_does_not() -> None:
    clean = [rows(seed) for seed in range(20)]
    found = {one.signal: one for one in records(clean, [rows(99, 15)] * 4, [30] * 4)}
    assert found.keys() == {"repetition", "entropy"}
    assert found["repetition"].early_rate == 1.0
    assert 5 <= (found["repetition"].lead_steps or 0) <= 15
    assert found["entropy"].early_rate == 0.0


def test_the_command_writes_thresholds_that_practice_reads(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clean = [written(tmp_path / f"clean-{seed}", rows(seed)) for seed in range(20)]
    gamed = [written(tmp_path / f"gamed-{seed}", rows(seed, 15)) for seed in range(50, 53)]
    toml = tmp_path / "guard.toml"
    words = [
        "--clean",
        *clean,
        "--gamed",
        *gamed,
        "--thresholds",
        str(toml),
        "--report",
        str(tmp_path / "page"),
    ]
    assert cli.main(["audit", "detectors", *words]) == 0
    printed = capsys.readouterr().out
    assert "repetition warned by the onset in 100% of gamed runs" in printed
    assert "entropy does not warn early" in printed
    assert "Do the warning signs warn in time?" in (tmp_path / "page" / "audit.html").read_text()
    guard = load(RlConfig, toml, ["--model", "x"]).guard
    assert guard.thresholds.keys() == {"repetition", "entropy"}
    assert guard.votes == 2


@pytest.mark.parametrize(
    ("given", "word"),
    [
        (["--clean", "{few}"], "19 or more"),
        (["--clean", "{clean}", "--gamed", "{clean}", "--gold", "reward/people"], "--gold"),
        (["--clean", "{clean}", "--report", "page"], "needs --gamed"),
        (["--clean", "absent"], "absent"),
        (["--clean", "{clean}", "--gamed", "{empty}"], "holds no steps"),
        (["--clean", "{clean}", "--false_alarms", "0"], "false_alarms is 0"),
    ],
)
def test_runs_that_say_too_little_are_refused(
    given: list[str], word: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clean = [written(tmp_path / f"clean-{seed}", rows(seed)) for seed in range(19)]
    lists = {"{few}": clean[:3], "{clean}": clean, "{empty}": [written(tmp_path / "empty", [])]}
    words = [one for word in given for one in lists.get(word, [word])]
    assert cli.main(["audit", "detectors", *words]) == 2
    error = capsys.readouterr().err
    assert word in error
    assert error.count("\n") == 1


def test_runs_without_a_signal_in_common_are_refused() -> None:
    with pytest.raises(InputError, match="share no signal"):
        records([[{"step": 1}]] * 19, [[{"step": 1}]], [0])


def test_a_signal_that_a_row_lacks_is_left_out() -> None:
    (run,) = signals_of([[{"kl": 0.1, "entropy": 2.0}, {"kl": 0.2}]])
    assert run.keys() == {"kl"}
