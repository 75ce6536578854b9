"""What the study of teaching claims, and that its arms differ from practice in one thing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from studies import teaching
from studies.judged import verdict_of
from studies.teaching import ARMS, claims, practice, share_of

ROOT = Path(__file__).parents[2]


def test_problems_count_as_solved_by_any_try() -> None:
    assert share_of([[False, True], [False, False], [True, True], [False, False]]) == 0.5


def test_each_arm_differs_from_practice_in_one_thing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    start = Path("start")
    plain, mixed, random = (practice("lengths", arm, 3, start) for arm in ("curriculum", "mixed", "random"))
    assert plain.curriculum.order == "success"
    assert plain.seed == 3
    assert mixed.curriculum.order == "off"
    assert random.control == "random"
    assert mixed.task == random.task == plain.task
    harmless = practice("checks", "harmless", 3, start).task.equations
    assert harmless.kinds == {"extraneous": 0.0}
    assert harmless.families == practice("checks", "practice", 3, start).task.equations.families


def test_controls_by_imitation_go_on_for_as_long_as_they_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    made: dict[str, Any] = {}
    monkeypatch.setattr(teaching, "finished", lambda folder, train: made.update({folder.name: train.args[0]}))
    for arm in ("sft", "imitation", "longer"):
        teaching.trained(Path("seed"), "lengths", arm, 3)
    steps = made["sft"].loop.steps
    assert [made[arm].loop.steps for arm in ("imitation", "longer")] == [steps, 3 * steps]
    assert made["longer"].seed == made["imitation"].seed != made["sft"].seed


def row_of_lengths(fresh: float) -> dict[str, Any]:
    arms = {arm: {"greedy": 0.1, "fresh": 0.2, "short": 1.0} for arm in ("sft", *ARMS["lengths"])}
    return {"asked": 10, "unsolved": 5, **arms, "curriculum": {"greedy": 0.8, "fresh": fresh, "short": 0.98}}


def test_claims_compare_with_fresh_tries_and_with_every_control() -> None:
    lengths = {"0": row_of_lengths(0.9), "1": row_of_lengths(0.7), "2": {"asked": 10, "unsolved": 0}}
    kept = {"sampled_checks": 0.5, "accuracy": 0.6}
    arms = {
        name: dict(kept)
        for name in ("sft", "random", "sft without false roots", "harmless without false roots")
    }
    checks = {"0": {**arms, "practice": {"sampled_checks": 0.9, "accuracy": 0.8}}}
    found = {one["id"]: one for one in claims({"lengths": lengths, "checks": checks})}
    assert found["teaching-unsolved-greedy"]["value"] == pytest.approx(80)
    assert found["teaching-unsolved-fresh"]["value"] == pytest.approx(60)
    for arm in ("mixed", "random", "imitation", "longer"):
        assert found[f"teaching-unsolved-over-{arm}"]["value"] == pytest.approx(70)
    assert found["teaching-short-kept"]["value"] == pytest.approx(-2)
    assert verdict_of({**found["teaching-short-kept"], "dirty": False}) == "missed"
    assert found["teaching-checks"]["value"] == pytest.approx(40)
    assert found["teaching-checks-over-harmless"]["value"] == pytest.approx(40)
    assert claims({"lengths": {}, "checks": {}}) == []
