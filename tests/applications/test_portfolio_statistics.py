"""Figures, intervals and the deflated Sharpe ratio against worked examples and theory."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from practicum.applications.portfolio import statistics
from practicum.applications.portfolio.backtest import drawdown
from practicum.applications.portfolio.statistics import Floats


def autoregressive(generator: np.random.Generator, count: int, rho: float, rows: int = 1) -> Floats:
    noise = generator.normal(0, 1, (rows, count + 200))
    series = np.zeros_like(noise)
    for time in range(1, count + 200):
        series[:, time] = rho * series[:, time - 1] + noise[:, time]
    return series[:, 200:]


def test_figures_of_a_small_record_by_hand() -> None:
    returns = np.array([0.1, -0.05, 0.0, 0.02])
    growth = 1.1 * 0.95 * 1.02
    assert statistics.annual_return(returns) == pytest.approx(growth ** (252 / 4) - 1)
    mean, deviation = 0.0175, math.sqrt(sum((one - 0.0175) ** 2 for one in returns) / 3)
    assert statistics.volatility(returns) == pytest.approx(deviation * math.sqrt(252))
    assert statistics.sharpe(returns) == pytest.approx(mean / deviation * math.sqrt(252))
    assert statistics.sortino(returns) == pytest.approx(mean / math.sqrt(0.05**2 / 4) * math.sqrt(252))
    np.testing.assert_allclose(drawdown(returns), [0, 0.05, 0.05, 1 - 0.95 * 1.02], atol=1e-12)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(-0.2, 0.2), min_size=2, max_size=40))
def test_the_worst_drawdown_is_the_worst_of_all_pairs(returns: list[float]) -> None:
    wealth = [1.0, *np.cumprod(1 + np.array(returns))]
    worst = max(1 - later / wealth[i] for i in range(len(wealth)) for later in wealth[i:])
    assert drawdown(np.array(returns)).max() == pytest.approx(worst, abs=1e-12)


def test_the_deflated_sharpe_ratio_of_the_paper() -> None:
    """Bailey & Lopez de Prado 2014, numerical example: 0.9004 with 100 trials, 0.9505 with 46."""
    ratio, spread = 2.5 / math.sqrt(250), math.sqrt(1 / 2 / 250)
    assert statistics.expected_best(100, spread) == pytest.approx(0.1132, abs=5e-5)
    for trials, printed in ((100, 0.9004), (46, 0.9505)):
        best = statistics.expected_best(trials, spread)
        found = statistics.probabilistic_sharpe(ratio, best, 1250, -3, 10)
        assert found == pytest.approx(printed, abs=5e-5)


@pytest.mark.parametrize("trials", [2, 10, 50])
def test_the_best_of_many_without_skill_is_near_its_expectation(trials: int) -> None:
    drawn = np.random.default_rng(1).normal(0, 0.3, (40_000, trials)).max(1).mean()
    assert statistics.expected_best(trials, 0.3) == pytest.approx(drawn, abs=0.02)


def test_a_search_lowers_the_deflated_ratio() -> None:
    returns = np.random.default_rng(0).normal(0.0005, 0.01, 2500)
    found = [statistics.deflated_sharpe(returns, trials, 0.3) for trials in (1, 2, 10, 100)]
    assert found == sorted(found, reverse=True)
    assert 0.8 < found[0] <= 1
    assert statistics.deflated_sharpe(np.zeros(10), 5, 0.3) == 0


@pytest.mark.parametrize("rho", [0.3, 0.5, 0.7])
def test_the_block_length_of_an_autoregression_is_near_its_theory(rho: float) -> None:
    """The best length is (2 rho / (1 - rho^2))^(2/3) T^(1/3) (Politis & White 2004, section 3)."""
    series = autoregressive(np.random.default_rng(4), 4000, rho, rows=40)
    best = (2 * rho / (1 - rho**2)) ** (2 / 3) * 4000 ** (1 / 3)
    found = float(np.mean([statistics.block_length(row) for row in series]))
    assert found == pytest.approx(best, rel=0.25)


def test_the_block_length_of_what_has_no_memory_is_short() -> None:
    series = np.random.default_rng(4).normal(0, 1, (40, 2000))
    assert np.mean([statistics.block_length(row) for row in series]) < 4
    assert statistics.block_length(np.zeros(50)) == 1


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 300), st.floats(1, 50), st.integers(0, 1000))
def test_block_indices_are_rows_that_follow_each_other(count: int, length: float, seed: int) -> None:
    drawn = statistics.stationary_indices(count, length, np.random.default_rng(seed))
    assert drawn.shape == (count,)
    assert drawn.min() >= 0
    assert drawn.max() < count


def test_blocks_are_as_long_as_asked() -> None:
    drawn = statistics.stationary_indices(200_000, 8.0, np.random.default_rng(0))
    follows = np.mean((drawn[1:] - drawn[:-1]) % 200_000 == 1)
    assert follows == pytest.approx(1 - 1 / 8, abs=0.005)
    assert np.bincount(drawn // 20_000, minlength=10) == pytest.approx(20_000, rel=0.15)


def test_intervals_of_a_mean_cover_as_often_as_they_say() -> None:
    """Days that resemble their neighbours: blocks cover, single days would not."""
    generator = np.random.default_rng(7)
    series = autoregressive(generator, 400, 0.4, rows=150)
    covered = {}
    for name, length in (("blocks", None), ("days", 1.0)):
        hits = 0
        for number, row in enumerate(series):
            mean_length = statistics.block_length(row) if length is None else length
            found = statistics.bootstrap_interval(
                lambda some: float(some.mean()), row[:, None], mean_length, repeats=100, seed=number
            )
            hits += found.low <= 0 <= found.high
        covered[name] = hits / len(series)
    assert 0.87 <= covered["blocks"] <= 0.99
    assert covered["days"] < covered["blocks"] - 0.05


def test_the_excess_of_seeds_holds_both_their_spread_and_that_of_days() -> None:
    generator = np.random.default_rng(1)
    rival = generator.normal(0.0005, 0.01, 2000)
    alike = np.tile(rival + 0.0001, (5, 1))
    sure = statistics.excess_interval(alike, np.tile(rival, (5, 1)), repeats=300)
    assert sure.low > 0
    assert sure.value == pytest.approx(0.0001 * 252 * 1.13, rel=0.1)
    apart = rival + generator.normal(0, 0.0004, (5, 1))
    unsure = statistics.excess_interval(apart, np.tile(rival, (5, 1)), repeats=300)
    assert unsure.high - unsure.low > 3 * (sure.high - sure.low)
