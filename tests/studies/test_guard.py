"""The study of the guard: checkpoints it examines, what it makes of the figures, and a tiny whole run."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from practicum.training.loop import LoopConfig
from studies import exploits, guard
from studies.guard import StudyConfig, checkpoints, claims, study, summary


def test_checkpoints_are_close_where_the_true_utility_turns() -> None:
    assert checkpoints(250, 5)[:13] == [5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60, 70]
    assert checkpoints(250, 5)[-1] == 250
    assert checkpoints(65, 5)[-2:] == [60, 65]


def examined(best: float, alarm: int | None) -> dict[str, object]:
    kl = [0.0, 0.1, 0.3, 0.6, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0]
    # d (a - b d) with its peak at d = 1.
    gold = [best * (2 * one**0.5 - one) for one in kl]
    rows = [
        {"step": 5 * place, "gold": worth, "kl": one, "proxy": one}
        for place, (one, worth) in enumerate(zip(kl, gold, strict=True))
    ]
    return {"curve": rows, "best": best, "guarded": best, "alarm": alarm}


def test_alarms_are_counted() -> None:
    found = summary({30: examined(1.0, 12), 31: examined(2.0, None)})
    assert found["stopped"]["value"] == 0.5
    assert found["by_seed"]["30"]["proxy"] == [0.0, 8.0]
    assert "curve" not in found["by_seed"]["30"]


def test_a_tiny_study_runs_to_its_results_and_continues(
    tmp_path: Path, small_stages: Callable[[], AbstractContextManager[None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    small = exploits.StudyConfig(tmp_path, steps=4)
    first = exploits.first_model

    def small_model(config: exploits.StudyConfig) -> Path:
        with small_stages():
            return first(replace(config, steps=small.steps))

    monkeypatch.setattr(exploits, "first_model", small_model)
    config = StudyConfig(tmp_path, seeds=1, clean=2, rankings=8, examined=8, gamed_steps=8)
    practice = replace(
        config.practice,
        prompts_per_step=2,
        sampling=replace(config.practice.sampling, max_new_tokens=8),
        loop=LoopConfig(steps=2, checkpoint_every=1, threads=1),
    )
    config = replace(config, practice=practice)
    results = study(config)
    row = results["by_seed"]["30"]
    assert {"best", "guarded", "unguarded", "least", "rolled_back", "stopped"} <= row.keys()
    assert row["best"] >= max(row["unguarded"], row["rolled_back"])
    stored = json.loads((tmp_path / "results.json").read_text())
    assert stored["config"]["first_seed"] == 30
    assert stored["study"] == "guard"
    assert claims(stored)
    assert stored["false_alarms"]["n"] == 2
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "seed-30").rglob("*")}
    study(config)
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "seed-30").rglob("*")}


def test_it_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    assert guard.main(["--help"]) == 0
    assert "--seeds" in capsys.readouterr().out


Ruled = Callable[[list[dict[str, Any]]], dict[str, dict[str, Any]]]


def test_the_guard_is_judged_by_alarms_and_by_what_its_runs_end_at(ruled: Ruled) -> None:
    ends = {
        "best": 1.0,
        "rolled_back": 0.9,
        "stopped": 0.1,
        "least": -1.0,
        "plain": 0.3,
        "start": 0.2,
        "proxy": [0.0, 2.0],
    }
    by_seed = {
        str(seed): {**ends, "guarded": guarded, "unguarded": -3.0}
        for seed, guarded in ((30, 1.2), (31, 0.95), (32, 0.5))
    }
    late = {"early_rate": 1 / 3, "detection_rate": 1.0, "area": 0.2}
    results = {
        "false_alarms": {"value": 0.0, "low": 0.0, "high": 0.04, "n": 80},
        "bases": 3,
        "stopped": {"value": 2 / 3, "low": 0.1, "high": 0.99, "n": 3},
        "by_seed": by_seed,
        "signals": {"kl": late, "tail_index": {**late, "early_rate": 0.0, "detection_rate": 0.0}},
        "config": {
            "first_seed": 30,
            "clean": 20,
            "practice": {"loop": {"steps": 80}},
            "gamed_steps": 250,
            "gamed_rate": 2e-4,
        },
    }
    found = ruled(claims(results))
    assert found["guard-false-alarms"]["met"]
    assert not found["guard-stops-gaming"]["met"]
    assert found["guard-unguarded-loss"]["value"] == 4.0
    assert found["guard-unguarded-reward"]["per_seed"]["31"] == 2.0
    assert found["guard-kept"]["value"] == pytest.approx(200 / 3)
    assert not found["guard-kept"]["met"]
    assert found["guard-above-least"]["met"]
    assert (
        "plain PPO with the default KL weight and as many steps (3 base models)"
        in (found["guard-above-plain"]["claim"])
    )
    assert not found["guard-above-rolled-back"]["met"]
    assert found["guard-above-rolled-back"]["per_seed"] == pytest.approx({"30": 0.3, "31": 0.05, "32": -0.4})
    assert found["guard-signals-early"]["value"] == pytest.approx(100 / 3)
    assert not found["guard-signals-early"]["met"]
    assert "the best of 2 single signals (kl)" in found["guard-signals-early"]["claim"]
    assert found["guard-signals-early"]["note"].endswith("at any time: kl 100%, tail index 0%.")
