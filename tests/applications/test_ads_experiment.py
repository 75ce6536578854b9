"""Sequential tests: their martingale is one, their interval inverts it, few tests of equals find a
difference."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from practicum.applications.ads.experiment import (
    ExperimentConfig,
    coin,
    confidence,
    evidence,
    false_positives,
    fixed_size,
    observed,
    plan,
    run_test,
    sequential_sizes,
    verdict,
)
from practicum.errors import InputError

CONFIG = ExperimentConfig()


@settings(max_examples=40, deadline=None)
@given(st.floats(0.1, 0.9), st.floats(-0.5, 2.0), st.integers(1, 8))
def test_the_martingale_has_mean_one_at_the_true_lift(share: float, lift: float, clicks: int) -> None:
    """Enumerated: over all sequences of clicks, the mean of the mixture against the true coin is 1."""
    config = replace(CONFIG, share=share)
    chance = coin(config, lift)
    mean = 0.0
    for flips in product((0, 1), repeat=clicks):
        new = sum(flips)
        probability = chance**new * (1 - chance) ** (clicks - new)
        mean += probability * float(np.exp(evidence(config, new, clicks - new, lift)))
    assert mean == pytest.approx(1.0)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 3000), st.integers(0, 3000), st.floats(0.1, 0.9))
def test_the_interval_holds_just_the_lifts_that_are_not_refused(new: int, old: int, share: float) -> None:
    config = replace(CONFIG, share=share)
    low, high = confidence(config, new, old)
    bound = -np.log(config.level)
    assert -1 <= low <= high
    if new and old:
        assert low <= observed(config, new, old) <= high
    for end, inward in ((low, 1.001), (high, 1 / 1.001)):
        if -1 < end < 1e6:
            assert float(evidence(config, new, old, end)) == pytest.approx(bound, abs=1e-3)
            inside = (1 + end) * inward - 1
            if low <= inside <= high:
                assert float(evidence(config, new, old, inside)) <= bound + 1e-6


def test_few_tests_of_a_policy_against_itself_find_a_difference() -> None:
    for share, rate in ((0.5, 0.004), (0.2, 0.05)):
        config = replace(CONFIG, share=share, visitors=200_000)
        assert false_positives(config, rate, 200, seed=3) <= 12


def test_the_season_does_not_matter_where_both_rates_rise_and_fall_together() -> None:
    """Given a click, the coin is the same at any rate; so is the share of false positives."""
    random = np.random.default_rng(4)
    found = 0
    for _ in range(150):
        rate = 0.02 * (1 + 0.9 * np.sin(np.arange(200) / 7))
        new = np.cumsum(random.binomial(500, rate))
        old = np.cumsum(random.binomial(500, rate))
        found += bool((evidence(CONFIG, new, old, 0.0) >= -np.log(CONFIG.level)).any())
    assert found <= 10


def test_a_test_stops_when_it_has_won_lost_or_found_too_little() -> None:
    random = np.random.default_rng(0)
    for new, old, ended in ((0.03, 0.02, "won"), (0.01, 0.02, "too small"), (0.02, 0.02, "too small")):
        found = verdict(CONFIG, run_test(CONFIG, new, old, random))
        assert found.ended == ended
        assert found.visitors < CONFIG.visitors
    # What is worth having may be so small that it is as soon excluded that there is no loss.
    tiny = replace(CONFIG, smallest=1e-9)
    assert verdict(tiny, run_test(tiny, 0.01, 0.02, random)).ended == "lost"
    short = replace(CONFIG, visitors=2000)
    assert verdict(short, run_test(short, 0.0201, 0.02, random)).ended == "undecided"
    blank = verdict(short, run_test(short, 0.0, 0.0, random))
    assert (blank.low, blank.high) == (-1.0, float("inf"))


def test_the_interval_is_valid_at_every_look_together() -> None:
    random = np.random.default_rng(9)
    missed = 0
    for _ in range(200):
        new = np.cumsum(random.binomial(500, 0.024, 100))
        old = np.cumsum(random.binomial(500, 0.02, 100))
        missed += bool((evidence(CONFIG, new, old, 0.2) >= -np.log(CONFIG.level)).any())
    assert missed <= 10


def test_the_planner_counts_as_the_textbook_does() -> None:
    """Fleiss (1981): 5% against 7.5%, two-sided 5%, power 80%: 1,471 a side, give or take its rounding."""
    assert fixed_size(CONFIG, 0.05, 0.5) / 2 == pytest.approx(1471, abs=2)
    rows = plan(CONFIG, 0.02, (0.1, 0.23))
    assert rows[0]["once"] > rows[1]["once"]
    for row in rows:
        assert row["median"] <= row["with_power"] <= 4 * row["once"]
    with pytest.raises(InputError, match="no share between 0 and 1"):
        fixed_size(CONFIG, 0.9, 0.5)


def test_the_planned_visitors_give_the_power() -> None:
    _, wanted = sequential_sizes(CONFIG, 0.02, 0.5)
    config = replace(CONFIG, visitors=wanted, smallest=1e-6)
    random = np.random.default_rng(1)
    won = sum(verdict(config, run_test(config, 0.03, 0.02, random)).ended == "won" for _ in range(150))
    assert won / 150 == pytest.approx(config.power, abs=0.08)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 3000), st.integers(1, 3000), st.integers(0, 5))
def test_a_test_has_at_most_its_visitors(visitors: int, look_every: int, seed: int) -> None:
    if look_every > visitors:
        with pytest.raises(InputError, match=r"look_every is .* more than"):
            replace(CONFIG, visitors=visitors, look_every=look_every)
        return
    config = replace(CONFIG, visitors=visitors, look_every=look_every)
    path = run_test(config, 0.4, 0.4, np.random.default_rng(seed))
    assert path.visitors_L[-1] <= visitors
    assert path.stopped or path.visitors_L[-1] > visitors - look_every
