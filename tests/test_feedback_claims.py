"""Claims of the studies of human feedback: each says met only when its numbers do."""

from __future__ import annotations

from typing import Any

import pytest

from studies import feedback_claims


def seed(accuracy: float, learned: float) -> dict[str, Any]:
    return {
        "reward_model": {"accuracy": 0.6, "ceiling": {"accuracy": 0.7}},
        "ensemble": {"accuracy": accuracy},
        "truth": 0.69,
        "guard": {"share_of_time": 0.001},
        "gain": {
            "reward_model": learned,
            "gold": 1.0,
            "reward_model_dollars": 50.0,
            "gold_dollars": 2000.0,
        },
        "held_out_loss": {"grouped": [0.60, 0.59], "pairs": [0.62, 0.66]},
    }


def test_a_share_of_the_ceiling_is_met_when_every_seed_meets_it() -> None:
    good = {
        row["id"]: row
        for row in feedback_claims.rlhf({"seed-0": seed(0.69, 0.95), "seed-1": seed(0.68, 0.93)})
    }
    assert good["rlhf-reward-model-share-of-ceiling"]["met"]
    assert good["rlhf-reward-model-share-of-ceiling"]["value"] == pytest.approx(100 * 0.685 / 0.7)
    assert not good["rlhf-one-reward-model-share-of-ceiling"]["met"]
    assert good["rlhf-reward-model-share-of-truth"]["per_seed"]["0"] == pytest.approx(100)
    assert good["rlhf-gain-share"]["met"]
    assert good["rlhf-dollars-share"]["value"] == pytest.approx(2.5)
    assert good["rlhf-dollars-share"]["met"]
    assert good["rlhf-pairs-over-fit"]["value"] == pytest.approx(20)
    bad = {
        row["id"]: row
        for row in feedback_claims.rlhf({"seed-0": seed(0.69, 0.95), "seed-1": seed(0.60, 0.5)})
    }
    assert not bad["rlhf-reward-model-share-of-ceiling"]["met"]
    assert not bad["rlhf-gain-share"]["met"]


def test_the_guard_is_judged_by_false_alarms_stops_and_what_it_saved() -> None:
    exact = {"value": 0.0, "low": 0.0, "high": 0.2}
    gamed = [{"best": 1.0, "end": -3.0, "kept": kept} for kept in (0.9, 0.95, -3.0)]
    results = {
        "ensemble": {
            "false_alarms": exact,
            "stopped": {"value": 2 / 3, "low": 0.1, "high": 0.99},
            "clean": [{}] * 3,
            "gamed": gamed,
        },
        "signals": {},
        "curve": {
            "held_out_r2": 0.4,
            "peak_distance": 0.5,
            "foreseen": {"value": 0.9, "low": 0.5, "high": 1.0},
        },
        "settings": {"seeds": 3, "first_seed": 0, "practice.loop.steps": 40, "gamed_rate": 6e-4},
    }
    claims = {row["id"]: row for row in feedback_claims.guard(results)}
    assert claims["guard-false-alarms"]["met"]
    assert not claims["guard-stops-gaming"]["met"]
    assert claims["guard-unguarded-loss"]["value"] == 4.0
    assert not claims["guard-curve-held-out-r2"]["met"]
    assert claims["guard-peak-foreseen"]["met"]
    assert claims["guard-loss-saved"]["per_seed"] == pytest.approx({"0": 97.5, "1": 98.75, "2": 0.0})
    assert not claims["guard-loss-saved"]["met"]
    assert "2 of 3 seeds" in claims["guard-loss-saved"]["claim"]


def test_the_share_of_puns_is_met_near_its_forecast_only() -> None:
    def rows(puns: float) -> dict[str, Any]:
        return {
            "raters": 0.72,
            "rows": [
                {"beta": 1.0, "puns": puns, "forecast": 0.70},
                {"beta": 0.5, "puns": 0.95, "forecast": 0.86},
            ],
        }

    near, far = feedback_claims.bias(
        {"before": {"puns": 0.4, "correct": 0.8}, "seed-0": rows(0.72), "seed-1": rows(0.66)}
    )
    assert near["met"]
    assert near["value"] == pytest.approx(69.0)
    assert not far["met"]
