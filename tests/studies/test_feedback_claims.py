"""Claims of the studies of human feedback: each says met only when its numbers do."""

from __future__ import annotations

from typing import Any

import pytest

from studies import audit_claims, feedback_claims
from studies.feedback_claims import over_seeds
from studies.judged import judged


def ruled(claims: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The claims as judged, by id."""
    return {row["id"]: judged({**row, "commit": "c"}) for row in claims}


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


def test_a_share_of_the_ceiling_is_met_when_its_interval_is() -> None:
    good = ruled(
        feedback_claims.rlhf(
            {f"seed-{number}": seed(0.68 + 0.01 * (number % 2), 0.94) for number in range(4)}
        )
    )
    assert good["rlhf-reward-model-share-of-ceiling"]["met"]
    assert good["rlhf-reward-model-share-of-ceiling"]["value"] == pytest.approx(100 * 0.685 / 0.7)
    assert not good["rlhf-one-reward-model-share-of-ceiling"]["met"]
    assert good["rlhf-reward-model-share-of-truth"]["per_seed"]["1"] == pytest.approx(100)
    assert good["rlhf-gain-share"]["met"]
    assert good["rlhf-dollars-share"]["value"] == pytest.approx(2.5)
    assert good["rlhf-dollars-share"]["met"]
    assert good["rlhf-pairs-over-fit"]["value"] == pytest.approx(70)
    assert "after one epoch 20, 20, 20, 20" in good["rlhf-pairs-over-fit"]["claim"]
    bad = ruled(feedback_claims.rlhf({"seed-0": seed(0.69, 0.95), "seed-1": seed(0.60, 0.5)}))
    assert not bad["rlhf-reward-model-share-of-ceiling"]["met"]
    assert not bad["rlhf-gain-share"]["met"]
    assert "no ceiling" in bad["rlhf-gain-share"]["claim"]


def test_the_guard_is_judged_by_alarms_and_by_what_its_runs_end_at() -> None:
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
        "settings": {
            "first_seed": 30,
            "clean": 20,
            "practice.loop.steps": 80,
            "bases": 3,
            "gamed_steps": 250,
            "gamed_rate": 2e-4,
        },
    }
    claims = ruled(audit_claims.guard(results))
    assert claims["guard-false-alarms"]["met"]
    assert not claims["guard-stops-gaming"]["met"]
    assert claims["guard-unguarded-loss"]["value"] == 4.0
    assert claims["guard-unguarded-reward"]["per_seed"]["31"] == 2.0
    assert claims["guard-kept"]["value"] == pytest.approx(200 / 3)
    assert not claims["guard-kept"]["met"]
    assert claims["guard-above-least"]["met"]
    assert (
        "plain PPO with the default KL weight for as many steps (3 base models)"
        in (claims["guard-above-plain"]["claim"])
    )
    assert not claims["guard-above-rolled-back"]["met"]
    assert claims["guard-above-rolled-back"]["per_seed"] == pytest.approx({"30": 0.3, "31": 0.05, "32": -0.4})
    assert claims["guard-signals-early"]["value"] == pytest.approx(100 / 3)
    assert not claims["guard-signals-early"]["met"]
    assert "kl, the best of 2 (at any time: kl 100%, tail index 0%)" in claims["guard-signals-early"]["claim"]


def test_curves_are_judged_by_their_fit_and_by_what_they_foresee() -> None:
    form = {
        "held_out_r2": 0.4,
        "peak_distance": 0.5,
        "observed": [0.4, 0.6],
        "unreached": 1,
        "foreseen": {"value": 0.9, "low": 0.5, "high": 1.0, "n": 2},
    }
    results = {
        "rl": {"best_of_n": form, "rl": {**form, "held_out_r2": 0.6}},
        "best_of_n": {"best_of_n": form, "rl": {**form, "peak_distance": None}},
        "foreseen_without_gold": {"value": 0.5, "low": 0.2, "high": 0.8, "n": 2},
        "seeds": {"40": {}, "41": {}},
        "best_of": 64,
        "settings": {"seed": 40},
    }
    claims = ruled(audit_claims.overoptimization(results))
    assert not claims["overoptimization-ppo-quadratic-held-out-r2"]["met"]
    # Above its target, yet a single figure; and a share whose interval reaches below its target.
    shown = claims["overoptimization-ppo-logarithm-held-out-r2"]["verdict"]
    assert shown == "not shown: one figure without an interval"
    shown = claims["overoptimization-best-of-n-quadratic-foreseen"]["verdict"]
    assert shown == "not shown: the interval reaches past the target"
    assert claims["overoptimization-best-of-n-quadratic-foreseen"]["seeds"] == [40, 41]
    assert "beyond the end in 1 of 2" in claims["overoptimization-ppo-quadratic-foreseen"]["claim"]
    assert "the first 50% of the way" in claims["overoptimization-ppo-quadratic-foreseen"]["claim"]
    assert "turns nowhere" in claims["overoptimization-best-of-n-logarithm-held-out-r2"]["claim"]
    assert "the best of 1 to 64" in claims["overoptimization-best-of-n-logarithm-held-out-r2"]["claim"]
    assert not claims["overoptimization-ppo-without-gold"]["met"]


def test_ensembles_are_compared_seed_by_seed() -> None:
    kinds = {"single": 0.4, "mean": 0.6, "min": 0.5, "mean_minus_variance": 0.6}
    rows = {
        str(seed): {
            "tuned": {**kinds, "mean": 0.5 + 0.01 * seed, "knows_what_it_overpays": 0.1},
            "read": {**kinds, "knows_what_it_overpays": 0.2 + 0.01 * seed},
            "average": 0.3,
        }
        for seed in range(3)
    }
    claims = ruled(audit_claims.ensembles({"ensembles": rows, "members": 4, "answers": 64}))
    assert claims["ensembles-pretraining-seeds"]["per_seed"] == pytest.approx(
        {"0": 0.1, "1": 0.09, "2": 0.08}
    )
    assert claims["ensembles-pretraining-seeds"]["met"]
    assert claims["ensembles-average-above-one"]["value"] == pytest.approx(-0.1)
    assert not claims["ensembles-min"]["met"]
    # One seed below 0 does not undo an interval of the mean above 0, as the page of results says.
    mixed = dict(enumerate((0.5, 0.6, 0.5, 0.6, 0.55, 0.5, 0.6, 0.5, 0.6, -0.02)))
    assert ruled([over_seeds("x", "y", mixed, "above 0")])["x"]["met"]
    assert claims["ensembles-pretraining-seeds-know-what-they-overpay"]["met"]


def test_the_share_of_puns_is_met_near_its_forecast_only() -> None:
    def rows(puns: float) -> dict[str, Any]:
        return {
            "raters": 0.72,
            "rows": [
                {
                    "beta": 1.0,
                    "puns": puns,
                    "puns_of_all": puns,
                    "gold": 0.5,
                    "forecast": 0.9,
                    "forecast_of_reward": 0.70,
                },
                {
                    "beta": 0.5,
                    "puns": 0.95,
                    "puns_of_all": 0.9,
                    "gold": 0.9,
                    "forecast": 0.9,
                    "forecast_of_reward": 0.86,
                },
            ],
        }

    unguarded = {"best": {"gold": 0.8}, "end": {"gold": -4.0, "puns_of_all": 0.99}}
    near, far, ended, share, kept, same = ruled(
        audit_claims.bias(
            {
                "before": {"puns": 0.4, "correct": 0.8, "gold": 0.1},
                "unguarded_steps": 80,
                "seed-0": rows(0.72)
                | {"remedy": {"puns_of_all": 0.74, "gold": 0.84}, "unguarded": unguarded},
                "seed-1": rows(0.66)
                | {"remedy": {"puns_of_all": 0.70, "gold": 0.80}, "unguarded": unguarded},
            }
        )
    ).values()
    assert near["met"]
    assert near["per_seed"] == pytest.approx({"0": 2.0, "1": 4.0})
    assert "forecasts (69.0% and 70.0%; people's own would forecast 90.0%)" in near["claim"]
    assert "one base model for all seeds" in near["claim"]
    assert not far["met"]
    assert ended["value"] == pytest.approx(99)
    assert "after 80 steps without KL" in ended["claim"]
    assert "to 0.80 at the best checkpoint and to -4.00 at the end" in ended["claim"]
    assert share["met"]
    assert share["value"] == pytest.approx(72)
    assert kept["per_seed"]["0"] == pytest.approx(100 * 0.74 / 0.7)
    assert not kept["met"], "two seeds say little of a mean"
    assert same["per_seed"]["0"] == pytest.approx(100 * 0.74 / 0.8)
    assert not same["met"], "one seed keeps less than 90%"


def test_the_label_budget_is_met_where_half_the_rankings_do_in_every_seed() -> None:
    by_seed = {"needed_by_seed": {"information": [300, None]}}
    found: dict[str, Any] = {
        "seeds": 2,
        "rankings": 1000,
        "budget": {
            "features": {"needed": {"information": 340}, **by_seed},
            "jokes": {"needed": {"information": None}, **by_seed},
        },
    }
    features, jokes = ruled(audit_claims.budget(found)).values()
    assert (features["value"], features["interval"]) == (650, [300, 1000])
    assert "1 of 2 seeds do not get there with 500" in features["claim"]
    assert "the curve averaged over the seeds gets there after 340" in features["claim"]
    assert (features["verdict"], jokes["verdict"]) == ("missed", "missed")
    found["budget"]["features"]["needed_by_seed"]["information"] = [300, 420]
    assert ruled(audit_claims.budget(found))["budget-features-needed"]["met"]
