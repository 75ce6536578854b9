"""The claims of `practicum audit overoptimization` say met only when their numbers do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from studies.overoptimization import claims

Ruled = Callable[[list[dict[str, Any]]], dict[str, dict[str, Any]]]


def test_curves_are_judged_by_their_fit_and_by_what_they_foresee(ruled: Ruled) -> None:
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
    found = ruled(claims(results))
    assert not found["overoptimization-ppo-quadratic-held-out-r2"]["met"]
    # Above its target, yet a single figure; and a share whose interval reaches below its target.
    shown = found["overoptimization-ppo-logarithm-held-out-r2"]["verdict"]
    assert shown == "not shown: one figure without an interval"
    shown = found["overoptimization-best-of-n-quadratic-foreseen"]["verdict"]
    assert shown == "not shown: the interval reaches past the target"
    assert found["overoptimization-best-of-n-quadratic-foreseen"]["seeds"] == [40, 41]
    assert "beyond the end in 1 of 2" in found["overoptimization-ppo-quadratic-foreseen"]["note"]
    assert "the first 50% of d" in found["overoptimization-ppo-quadratic-foreseen"]["claim"]
    assert "no peak" in found["overoptimization-best-of-n-logarithm-held-out-r2"]["claim"]
    assert "best of 1 to 64" in found["overoptimization-best-of-n-logarithm-held-out-r2"]["claim"]
    assert not found["overoptimization-ppo-without-gold"]["met"]
