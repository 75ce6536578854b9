"""The one rule for claims, worked out again on figures drawn at random."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from practicum.errors import InputError
from studies.judged import Target, judged, met, target_of, verdict_of

NUMBERS = st.floats(-1000, 1000).map(lambda value: round(value, 3))


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("at least 95", [95, 100], [94.9]),
        ("at most 5", [5, -1], [5.1]),
        ("above 0", [0.1], [0, -1]),
        ("below 10", [9.9], [10, 11]),
        ("25 to 60", [25, 60], [24.9, 60.1]),
        ("at least -10 (points below our own)", [-10], [-10.1]),
        ("44.6 to 54.6 (5 points about the forecast)", [50], [40]),
    ],
)
def test_a_target_means_what_it_says(text: str, inside: list[float], outside: list[float]) -> None:
    target = target_of(text)
    assert all(target.holds(value) for value in inside)
    assert not any(target.holds(value) for value in outside)


@pytest.mark.parametrize("text", ["", "95", "interval above 0", "at least", "rises in every seed", "5 to"])
def test_a_target_outside_the_grammar_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"target .* expected"):
        target_of(text)


@given(NUMBERS, NUMBERS, NUMBERS, st.sampled_from(["at least", "at most", "above", "below"]), NUMBERS)
def test_the_interval_decides(one: float, two: float, three: float, word: str, bound: float) -> None:
    low, value, high = sorted((one, two, three))
    target = target_of(f"{word} {bound}")
    row = {"target": f"{word} {bound}", "value": value, "interval": [low, high], "commit": "c"}
    found = judged(row)
    sides = {
        "at least": low >= bound,
        "at most": high <= bound,
        "above": low > bound,
        "below": high < bound,
    }
    assert found["met"] == met(value, [low, high], target) == sides[word]
    assert (found["verdict"] == "missed") == (not target.holds(value))
    # A wider interval never makes a claim met, and no interval or an edited tree leaves none met.
    assert met(value, [low - 1, high + 1], target) <= found["met"]
    assert not judged({**row, "interval": None})["met"]
    assert not judged({**row, "commit": "c+changes"})["met"]
    assert verdict_of(judged(row)) == found["verdict"]


def test_a_range_is_met_only_inside_both_ends() -> None:
    assert met(50, [30, 60], Target(25, 60))
    assert not met(50, [20, 60], Target(25, 60))
    assert not met(50, [30, 61], Target(25, 60))
