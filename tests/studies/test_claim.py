"""What makes a figure a claim that is met: a gain, a fall, a share that rises."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from studies.claim import change_claim, gain_claim, rise_claim, student_interval

Ruled = Callable[[list[dict[str, Any]]], dict[str, dict[str, Any]]]


def one(ruled: Ruled, claim: dict[str, Any]) -> dict[str, Any]:
    """One claim as judged."""
    return ruled([claim])[claim["id"]]


def test_a_gain_counts_only_when_its_interval_lies_above_zero(ruled: Ruled) -> None:
    clear = one(ruled, gain_claim("a", "A", {0: 40.0, 1: 42.0, 2: 41.0}, {0: 90.0, 1: 91.0, 2: 93.0}))
    vague = one(ruled, gain_claim("b", "B", {0: 40.0, 1: 42.0, 2: 41.0}, {0: 50.0, 1: 42.5, 2: 45.0}))
    alone = one(ruled, gain_claim("c", "C", {0: 40.0}, {0: 90.0}))
    assert clear["met"]
    assert not vague["met"]
    assert vague["value"] > 0
    assert (alone["interval"], alone["met"]) == (None, False)
    # By hand: mean 2, standard deviation 1, t(0.975, 2) = 4.302653; 4.302653 / sqrt(3) = 2.484138.
    assert student_interval([1.0, 2.0, 3.0]) == pytest.approx([-0.484138, 4.484138], abs=1e-6)


def test_a_fall_is_met_only_when_it_falls_in_every_seed(ruled: Ruled) -> None:
    falls = one(ruled, change_claim("a", "A", {0: 40.0, 1: 40.0}, {0: 30.0, 1: 20.0}, falls=True))
    mixed = one(ruled, change_claim("b", "B", {0: 40.0, 1: 40.0}, {0: 30.0, 1: 41.0}, falls=True))
    assert falls["met"]
    assert not mixed["met"]
    assert falls["value"] == -15.0


def test_a_share_rises_only_when_the_intervals_of_every_seed_are_apart(ruled: Ruled) -> None:
    def shares(*after: tuple[float, float, float]) -> dict[str, dict[int, dict[str, Any]]]:
        return {
            "sft": {seed: {"share": 0.5, "ci95": [0.45, 0.55]} for seed in range(len(after))},
            "rl": {seed: {"share": one, "ci95": [low, high]} for seed, (one, low, high) in enumerate(after)},
        }

    apart = one(ruled, rise_claim("a", "A", shares((0.7, 0.6, 0.8), (0.8, 0.7, 0.9))))
    touching = one(ruled, rise_claim("b", "B", shares((0.7, 0.54, 0.8), (0.8, 0.7, 0.9))))
    assert apart["interval"] == pytest.approx([5, 45])
    assert apart["met"]
    assert (touching["value"], touching["met"]) == (pytest.approx(25), False)
