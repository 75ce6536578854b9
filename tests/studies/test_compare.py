"""The study of algorithms side by side: what it chooses, what it claims, and a tiny whole run."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from practicum.config import read_toml
from studies.compare import StudyConfig, best_rates, claims, study, written

Judged = Callable[[list[dict[str, Any]]], dict[str, dict[str, Any]]]


def found_at(**scores: float) -> dict[str, Any]:
    return {"members": [{"name": name, "final": {"value": value}} for name, value in scores.items()]}


def test_each_recipe_has_the_rate_that_it_did_best_with_and_the_lower_of_equals() -> None:
    choices = {
        3e-4: found_at(rloo=0.5, grpo=0.8),
        1e-4: found_at(rloo=0.5, grpo=0.2),
        3e-5: found_at(rloo=0.4),
    }
    assert best_rates(["grpo", "rloo"], choices) == {"grpo": 3e-4, "rloo": 1e-4}


def test_recipes_say_their_name_and_rate_and_kto_reads_as_many_answers(tmp_path: Path) -> None:
    (grpo,) = written(tmp_path, {"grpo": 3e-4}, "equations")
    kto, _ = written(tmp_path, {"kto": 1e-4, "dpo": 1e-4}, "jokes")
    assert read_toml(Path(grpo)) == {"algorithm": "grpo", "optimizer": {"learning_rate": 3e-4}}
    assert read_toml(Path(kto)) == {"loss": "kto", "batch_pairs": 64, "optimizer": {"learning_rate": 1e-4}}


def gap(value: float, reach: float, verdict: str) -> dict[str, Any]:
    return {"difference": value, "low": value - reach, "high": value + reach, "verdict": verdict}


def test_claims_are_gains_and_differences_to_the_default(ruled: Judged) -> None:
    members = [
        {"name": name, "seeds": [0, 1, 2], "gain": gap(value, 0.1, "above"), "ending": {"share": 0.125}}
        for name, value in (("group", 0.3), ("dr_grpo", 0.35), ("rloo", 0.05))
    ]
    pairs = [
        {"first": "group", "second": "dr_grpo", "seeds": [0, 1, 2], **gap(-0.01, 0.01, "noise")},
        {"first": "rloo", "second": "group", "seeds": [0, 1, 2], **gap(-0.25, 0.1, "second")},
        {"first": "dr_grpo", "second": "rloo", "seeds": [0, 1, 2], **gap(0.3, 0.1, "first")},
    ]
    rates = {"group": 1e-4, "dr_grpo": 1e-4, "rloo": 3e-4}
    start = {"ending": {"share": 0.5}}
    found = {"samples": 512, "members": members, "pairs": pairs, "rates": rates, "start": start}
    made = ruled(claims({"compared": {"equations": found}}))
    assert {one.removeprefix("compare-equations-") for one in made} == {
        "gain-group", "gain-dr-grpo", "beside-dr-grpo", "gain-rloo", "beside-rloo",
    }  # fmt: skip
    alike, apart = made["compare-equations-beside-dr-grpo"], made["compare-equations-beside-rloo"]
    assert alike["value"] == pytest.approx(1)
    assert alike["interval"] == pytest.approx([0, 2])
    assert (alike["met"], apart["verdict"]) == (True, "missed")
    assert "noise" in alike["note"]
    assert made["compare-equations-gain-group"]["met"]
    assert (
        "12% of its greedy answers alike, the first model 50%" in made["compare-equations-gain-group"]["note"]
    )
    assert made["compare-equations-gain-rloo"]["verdict"].startswith("not shown")


def test_a_tiny_study_runs_to_its_results_and_continues(
    tmp_path: Path, small_stages: Callable[[], AbstractContextManager[None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("studies.compare.RATES", {"jokes": (1e-4,)})
    monkeypatch.setattr("studies.compare.RECIPES", {"jokes": ["dpo", "kto"]})
    config = StudyConfig(
        tmp_path,
        ("jokes",),
        seeds=1,
        examined=6,
        pass_samples=0,
        read_steps=4,
        taught_steps=4,
        rankings=20,
        pair_steps=2,
        settings=("--sampling.max_new_tokens=16",),
    )
    with small_stages():
        results = study(config)
    found = results["compared"]["jokes"]
    assert {row["name"] for row in found["members"]} == {"dpo", "kto"}
    assert found["failed"] == {}
    assert found["measure"] == "reward"
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "jokes").rglob("*")}
    assert study(config)["compared"] == results["compared"]
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "jokes").rglob("*")}
