"""The over-optimisation lab: one tiny experiment from an empty folder, and curves that are known."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest

from practicum import cli
from practicum.audit.lab import LabConfig, examined_steps, first_model, fitted, forecast_of
from practicum.errors import InputError

SMALL = {
    "model_steps": 4,
    "seeds": 1,
    "rankings": 20,
    "members": 1,
    "steps": 8,
    "checkpoint_every": 1,
    "examined": 8,
    "best_of": 8,
    "best_of_prompts": 4,
    "threads": 1,
}
SmallStages = Callable[[], AbstractContextManager[None]]
TINY = [word for name, value in SMALL.items() for word in (f"--{name}", str(value))]


def test_one_command_goes_from_nothing_to_both_curves(
    tmp_path: Path, small_stages: SmallStages, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "lab"
    with small_stages():
        assert cli.main(["audit", "overoptimization", "--run", str(run), "--json", *TINY]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["run"] == str(run)
    assert {"best_of_n", "rl"} == printed["rl"].keys() == printed["best_of_n"].keys()
    curves = json.loads((run / "seed-0" / "curves.json").read_text())
    assert curves["rl"]["step"] == [0, 1, 2, 3, 4, 5, 8]
    for name in ("kl", "proxy", "gold", "gold_error"):
        assert len(curves["rl"][name]) == 7
    assert max(curves["rl"]["kl"]) > 0
    assert curves["best_of_n"]["n"] == [1, 2, 3, 4, 6, 8]
    assert curves["best_of_n"]["kl"][-1] == pytest.approx(np.log(8) - 7 / 8)
    page = (run / "audit.html").read_text()
    assert "When does more training hurt?" in page
    assert "When does choosing among more answers hurt?" in page
    # A finished part is never made again, and the same folder without --resume is refused.
    before = (run / "seed-0" / "curves.json").stat().st_mtime_ns
    assert cli.main(["audit", "overoptimization", "--run", str(run), "--resume"]) == 0
    assert (run / "seed-0" / "curves.json").stat().st_mtime_ns == before
    assert cli.main(["audit", "overoptimization", "--run", str(run), *TINY]) == 2


def test_a_killed_experiment_goes_on_and_finds_the_same(tmp_path: Path, small_stages: SmallStages) -> None:
    with small_stages():
        told = first_model(tmp_path / "first", 4, 1)
    words = ["audit", "overoptimization", "--model", str(told), *TINY]
    unbroken, broken = tmp_path / "unbroken", tmp_path / "broken"
    assert cli.main([*words, "--run", str(unbroken)]) == 0
    process = subprocess.Popen(
        [sys.executable, "-m", "practicum", *words, "--run", str(broken)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    awaited = broken / "seed-0" / "round-1" / "practice" / "metrics.jsonl"
    try:
        while not awaited.exists() or not awaited.stat().st_size:
            assert process.poll() is None, "it ended before it could be killed"
            time.sleep(0.001)
    finally:
        process.kill()
        process.wait()
    assert not (broken / "results.json").exists()
    assert cli.main(["audit", "overoptimization", "--run", str(broken), "--resume"]) == 0
    found, expected = (json.loads((run / "results.json").read_text()) for run in (broken, unbroken))
    assert found == expected


def test_both_ways_explain_themselves(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["audit", "overoptimization", "--help"]) == 0
    text = capsys.readouterr().out
    assert "--metrics" in text
    assert "--rankings" in text


def test_checkpoints_are_examined_closely_where_true_utility_turns() -> None:
    steps = examined_steps(LabConfig(steps=24, checkpoint_every=2))
    assert steps == [0, 2, 4, 6, 8, 10, 12, 14, 22, 24]


def test_the_peak_of_a_known_curve_is_foreseen_from_its_first_half() -> None:
    distance = np.linspace(0, 4, 40)
    curve = {"kl": list(distance**2), "gold": list(distance * (2 - distance))}
    found = fitted([curve, curve], "best_of_n", 0.5)
    assert found["observed"] == pytest.approx([1.0, 1.0], abs=0.06)
    assert found["predicted"] == pytest.approx([1.0, 1.0], rel=0.01)
    assert found["foreseen"]["value"] == 1.0


def test_a_peak_that_was_not_reached_asks_for_a_forecast_beyond() -> None:
    distance = np.linspace(0, 1.8, 20)
    rising = {"kl": list(distance**2), "gold": list(distance * (1 - 0.2 * distance))}
    found = fitted([rising, rising], "best_of_n", 0.5)
    assert found["unreached"] == 2
    assert found["predicted"] == pytest.approx([2.5, 2.5])
    assert found["foreseen"]["value"] == 1.0
    # Foreseen to turn at 0.5, it rises on: a wrong forecast is a miss.
    turning = np.where(distance < 0.9, distance * (1 - distance), distance)
    wrong = fitted([{"kl": list(distance**2), "gold": list(turning)}] * 2, "best_of_n", 0.5)
    assert wrong["foreseen"]["value"] == 0.0


def test_a_run_that_stands_still_at_first_foresees_nothing() -> None:
    kl, gold = np.array([0.0] * 5 + [1.2, 2.0, 4.0]), np.arange(8.0)
    assert forecast_of(kl, gold, "rl", 0.5) == np.inf


def test_a_model_that_is_missing_leaves_no_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--model", str(tmp_path / "absent"), "--run", str(tmp_path / "run")]
    assert cli.main(["audit", "overoptimization", *words]) == 2
    assert "absent" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_settings_of_recorded_runs_ask_for_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["audit", "overoptimization", "--gold", "reward/gold"]) == 2
    assert "--gold is about recorded runs: give them as --metrics" in capsys.readouterr().err
    assert cli.main(["audit", "overoptimization", "--per-token"]) == 2
    assert "--per_token is about recorded runs" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"rankings": 3}, "rankings"),
        ({"steps": 4}, "checkpoints"),
        ({"seeds": 0}, "seeds"),
        ({"checkpoint_every": 0}, "checkpoint_every"),
        ({"first": 1.0}, "first"),
        ({"learning_rate": -1.0}, "learning_rate"),
    ],
)
def test_an_experiment_too_small_for_a_curve_is_refused(settings: dict[str, float], word: str) -> None:
    with pytest.raises(InputError, match=word):
        LabConfig(**settings)  # type: ignore[arg-type]
