"""What the study of shaping claims from its runs."""

from __future__ import annotations

import pytest

from studies.shaping import claims, first_reached


def test_the_first_iteration_of_a_level_is_that_of_the_running_mean() -> None:
    """None where no window reaches it."""
    solved = [0.0] * 5 + [1.0] * 5
    assert first_reached(solved, 0.6) == 8
    assert first_reached(solved, 1.1) is None


def test_a_level_that_a_run_misses_makes_no_claim() -> None:
    """Saved iterations are counted where both runs of every seed arrive."""
    plain = {
        "0": {"reached": {"0.5": 20, "0.8": None}, "last": 0.7},
        "1": {"reached": {"0.5": 30, "0.8": 90}, "last": 0.8},
    }
    shaped = {
        "0": {"reached": {"0.5": 10, "0.8": 80}, "last": 0.8},
        "1": {"reached": {"0.5": 15, "0.8": 70}, "last": 0.8},
    }
    found = claims({"shaping": {"plain": plain, "shaped": shaped}})
    assert [one["id"] for one in found] == ["shaping-iterations-0-5", "shaping-last"]
    assert found[0]["value"] == pytest.approx(12.5)
    assert found[1]["value"] == pytest.approx(5.0)
