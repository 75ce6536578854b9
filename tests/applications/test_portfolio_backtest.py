"""The backtester against published results, other people's packages and a plain count by hand."""

from __future__ import annotations

import importlib.resources
import math
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from practicum.applications.portfolio import baselines
from practicum.applications.portfolio.backtest import backtest
from practicum.applications.portfolio.baselines import Floats, Rule
from practicum.applications.portfolio.data import read_prices
from practicum.applications.portfolio.statistics import performance

# Final wealth of 1, as Li & Hoi print it (On-line portfolio selection with moving average reversion, ICML
# 2012, and Online portfolio selection: a survey, ACM Computing Surveys 46(3), 2014), to the digits there.
RULES_PRINTED = ("buy_and_hold", "best_asset", "best_constant", "exponentiated_gradient", "mean_reversion")
PRINTED = {
    "nyse_o": ("14.50", "54.14", "250.60", "27.09", "5.14e15"),
    "nyse_n": ("18.06", "83.51", "120.32", "31.00", "1.25e6"),
    "djia": ("0.76", "1.19", "1.24", "0.81", "0.68"),
    "tse": ("1.61", "6.28", "6.78", "1.59", "264.86"),
    "sp500": ("1.34", "3.78", "4.07", "1.63", "5.09"),
}


def olps(name: str) -> Floats:
    """Price relatives of a standard set, which ships with universal-portfolios."""
    pytest.importorskip("universal")
    path = Path(str(importlib.resources.files("universal") / "data" / f"{name}.csv"))
    prices = read_prices(path, date_column="none").prices_TN
    # The first row of these files is what the first day has made of 1.
    return prices / np.vstack([np.ones(prices.shape[1]), prices[:-1]])


def final_wealth(relatives: Floats, rule: Rule, cost: float = 0.0) -> float:
    return float(backtest(relatives, rule(relatives, range(len(relatives))), cost).wealth[-1])


@pytest.mark.parametrize("market", PRINTED)
def test_published_results_are_reached(market: str) -> None:
    relatives = olps(market)
    for rule, printed in zip(RULES_PRINTED, PRINTED[market], strict=True):
        reached = final_wealth(relatives, getattr(baselines, rule))
        digits = len(printed.partition("e")[0].partition(".")[2])
        unit = 10.0 ** (int(printed.partition("e")[2] or 0) - digits)
        # Half a unit of the last printed digit, and the rounding of sums.
        assert abs(reached - float(printed)) <= 0.5001 * unit, (rule, reached)


def test_the_universal_portfolio_is_near_what_cover_integrates() -> None:
    relatives = olps("nyse_o")[:, [10, 18]]
    # For two assets the integral over the simplex is a mean over one weight.
    shares = (np.arange(2000) + 0.5) / 2000
    wealth = np.exp(np.log(np.outer(relatives[:, 0], shares) + np.outer(relatives[:, 1], 1 - shares)).sum(0))
    assert final_wealth(relatives, partial(baselines.universal, points=2000)) == pytest.approx(
        wealth.mean(), rel=0.03
    )


def test_universal_portfolios_agrees() -> None:
    pytest.importorskip("universal")
    import pandas
    from universal.algos import CRP, EG
    from universal.result import AlgoResult

    relatives = olps("djia")
    frame = pandas.DataFrame(relatives)
    for theirs, rule in ((CRP(), baselines.equal_weight), (EG(0.05), baselines.exponentiated_gradient)):
        weights = theirs.weights(frame, log_progress=False) if isinstance(theirs, EG) else frame * 0 + 1 / 30
        result = AlgoResult(frame, weights)
        assert result.total_wealth == pytest.approx(final_wealth(relatives, rule), rel=1e-9)


def test_skfolio_measures_the_same() -> None:
    skfolio = pytest.importorskip("skfolio")
    generator = np.random.default_rng(3)
    returns = generator.normal(0.0004, 0.01, (900, 4))
    result = backtest(1 + returns, np.full((900, 4), 0.25))
    theirs = skfolio.Portfolio(returns, weights=[0.25] * 4)
    ours = performance(result)
    np.testing.assert_allclose(result.returns_T, theirs.returns, atol=1e-14)
    assert ours.volatility == pytest.approx(theirs.annualized_standard_deviation, rel=1e-9)
    assert ours.sharpe == pytest.approx(theirs.annualized_sharpe_ratio, rel=1e-9)


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_wealth_is_what_exact_bookkeeping_says(data: st.DataObject) -> None:
    """Money in each asset, counted in fractions: what is bought and sold pays, the rest drifts."""
    days, assets = data.draw(st.integers(1, 6)), data.draw(st.integers(2, 4))
    numbers = st.integers(50, 200)
    relatives = [[Fraction(data.draw(numbers), 100) for _ in range(assets)] for _ in range(days)]
    targets: list[list[Fraction] | None] = []
    trades = data.draw(st.lists(st.booleans(), min_size=days, max_size=days))
    for trade in trades:
        parts = [Fraction(data.draw(st.integers(0, 9))) for _ in range(assets + 1)]
        total = sum(parts)
        targets.append([one / total for one in parts[:-1]] if total and trade else None)
    cost = Fraction(data.draw(st.integers(0, 100)), 10_000)
    money, cash = [Fraction(0)] * assets, Fraction(1)
    for row, target in zip(relatives, targets, strict=True):
        wealth = sum(money) + cash
        if target is not None:
            traded = sum(abs(share * wealth - held) for share, held in zip(target, money, strict=True))
            keep = 1 - cost * traded / wealth
            money = [share * wealth * keep for share in target]
            cash = wealth * keep - sum(money)
        money = [held * relative for held, relative in zip(money, row, strict=True)]
    table = np.array(
        [[float("nan")] * assets if row is None else [float(one) for one in row] for row in targets]
    )
    result = backtest(np.array([[float(one) for one in row] for row in relatives]), table, float(cost))
    assert result.wealth[-1] == pytest.approx(float(sum(money) + cash), rel=1e-10)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10_000), st.sampled_from([5.0, 10.0, 25.0]))
def test_costs_only_take(seed: int, points: float) -> None:
    generator = np.random.default_rng(seed)
    relatives = np.exp(generator.normal(0, 0.02, (60, 5)))
    targets = generator.dirichlet(np.ones(5), 60)
    free, dear = backtest(relatives, targets), backtest(relatives, targets, points / 1e4)
    assert (dear.returns_T < free.returns_T).all()
    assert np.allclose(free.turnover_T, dear.turnover_T)


def test_a_drawdown_limit_moves_money_to_cash() -> None:
    falling = np.full((200, 2), 0.99)
    equal = np.full((200, 2), 0.5)
    limited = backtest(falling, equal, drawdown_limit=0.2)
    assert limited.wealth.min() > 0.8
    assert backtest(falling, equal).wealth[-1] == pytest.approx(0.99**200)
    assert math.isclose(limited.weights_TN[0].sum(), 1)
    assert limited.weights_TN[-1].sum() < 0.1


RULES = [
    *(baselines.equal_weight, baselines.buy_and_hold, baselines.inverse_volatility, baselines.momentum),
    *(baselines.exponentiated_gradient, baselines.mean_reversion, baselines.universal),
    *(baselines.minimum_variance, baselines.mean_variance),
]


@pytest.mark.parametrize("rule", RULES)
def test_no_rule_looks_ahead(rule: Rule) -> None:
    """What happens from a day on changes nothing that was decided up to its close."""
    pytest.importorskip("skfolio")
    generator = np.random.default_rng(5)
    relatives = np.exp(generator.normal(0.0003, 0.02, (330, 4)))
    days = range(260, 330, 10)
    before = rule(relatives, days)
    for day in (265, 290, 320):
        other = relatives.copy()
        other[day:] = np.exp(generator.normal(0.01, 0.05, other[day:].shape))
        np.testing.assert_array_equal(rule(other, days)[: day + 1], before[: day + 1])
    chosen = before[~np.isnan(before[:, 0])]
    np.testing.assert_allclose(chosen.sum(1), 1)
    assert (chosen >= 0).all()


def test_minimum_variance_is_the_closed_form_where_no_weight_is_bound() -> None:
    pytest.importorskip("skfolio")
    generator = np.random.default_rng(2)
    spread = np.array([0.01, 0.012, 0.015, 0.02])
    relatives = 1 + generator.normal(0, 1, (504, 4)) * spread
    inverse = np.linalg.inv(np.cov(relatives - 1, rowvar=False))
    closed = inverse.sum(1) / inverse.sum()
    assert (closed > 0).all()
    extended = np.vstack([relatives, np.ones(4)])
    np.testing.assert_allclose(baselines.minimum_variance(extended, [504])[504], closed, atol=2e-4)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=8))
def test_the_projection_is_the_nearest_point(point: list[float]) -> None:
    """Optimality: the point less its projection is constant where weight is kept, and lower elsewhere."""
    found = baselines.onto_simplex(np.array(point))
    assert found.min() >= 0
    assert found.sum() == pytest.approx(1, abs=1e-6)
    gap = np.array(point) - found
    kept = found > 1e-9
    assert np.ptp(gap[kept]) <= 1e-6
    assert (gap[~kept] <= gap[kept].min() + 1e-6).all()
