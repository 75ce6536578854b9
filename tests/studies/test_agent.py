"""The comparison with stable-baselines3, tried small, and its claims."""

from __future__ import annotations

from pathlib import Path

import pytest

from studies.agent import SETTINGS, StudyConfig, claims, study


def test_a_small_comparison_runs_and_is_not_repeated(tmp_path: Path) -> None:
    config = StudyConfig(tmp_path, ("CartPole-v1",), seeds=1, episodes=2, share=0.003)
    first = study(config)
    assert study(config)["agents"] == first["agents"]
    for side in ("ours", "sb3"):
        assert set(first["agents"]["CartPole-v1"]["0"][side]) == {"return", "seconds", "cpu_seconds"}
    assert [one["id"] for one in claims(first)] == ["agent-cartpole-return", "agent-cartpole-speed"]


@pytest.mark.parametrize("name", SETTINGS)
def test_minibatches_are_those_of_the_published_settings(name: str) -> None:
    shared = SETTINGS[name]
    size = {"CartPole-v1": 256, "Pendulum-v1": 64, "LunarLander-v3": 64}[name]
    assert shared.environments * shared.horizon == shared.minibatches * size


def test_claims_are_differences_and_ratios_by_seed() -> None:
    seeds = {
        str(seed): {
            "ours": {"return": 490.0 + seed, "seconds": 10.0},
            "sb3": {"return": 495.0, "seconds": 25.0},
        }
        for seed in range(3)
    }
    more, faster = claims({"agents": {"CartPole-v1": seeds}})
    assert more["value"] == pytest.approx(-4)
    assert more["target"] == "at least -25"
    assert faster["value"] == pytest.approx(2.5)
    assert faster["per_seed"] == {"0": 2.5, "1": 2.5, "2": 2.5}
