"""The claims of studies.rlhf say met only when their numbers do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from studies.rlhf import claims

Ruled = Callable[[list[dict[str, Any]]], dict[str, dict[str, Any]]]


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


def test_a_share_of_the_ceiling_is_met_when_its_interval_is(ruled: Ruled) -> None:
    good = ruled(
        claims({"seeds": {str(number): seed(0.68 + 0.01 * (number % 2), 0.94) for number in range(4)}})
    )
    assert good["rlhf-reward-model-share-of-ceiling"]["met"]
    assert good["rlhf-reward-model-share-of-ceiling"]["value"] == pytest.approx(100 * 0.685 / 0.7)
    assert not good["rlhf-one-reward-model-share-of-ceiling"]["met"]
    assert good["rlhf-reward-model-share-of-truth"]["per_seed"]["1"] == pytest.approx(100)
    assert good["rlhf-gain-share"]["met"]
    assert good["rlhf-dollars-share"]["value"] == pytest.approx(2.5)
    assert good["rlhf-dollars-share"]["met"]
    assert good["rlhf-pairs-over-fit"]["value"] == pytest.approx(70)
    assert "After one epoch, by seed: 20, 20, 20, 20." in good["rlhf-pairs-over-fit"]["note"]
    bad = ruled(claims({"seeds": {"0": seed(0.69, 0.95), "1": seed(0.60, 0.5)}}))
    assert not bad["rlhf-reward-model-share-of-ceiling"]["met"]
    assert not bad["rlhf-gain-share"]["met"]
    assert "not a ceiling" in bad["rlhf-gain-share"]["note"]
