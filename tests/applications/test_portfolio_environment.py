"""The environment keeps Gymnasium's contract, pays what the backtester says, and never looks ahead."""

from __future__ import annotations

from typing import Any, Literal

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from practicum.applications.portfolio.backtest import Floats, backtest
from practicum.applications.portfolio.environment import PortfolioEnvironment, TradingConfig, weights_of
from practicum.applications.portfolio.features import LEAK, WARM_UP, Market, market_of

Action = Literal["tilts", "weights"]
ACTIONS: tuple[Action, ...] = ("tilts", "weights")


def random_relatives(seed: int, days: int = 420, assets: int = 4) -> Floats:
    generator = np.random.default_rng(seed)
    return np.asarray(np.exp(generator.normal(0.0004, 0.02, (days, assets))))


def play(market: Market, config: TradingConfig, first: int, last: int, seed: int = 0) -> dict[str, Any]:
    """One way through the days by actions that depend on what is seen."""
    environment = PortfolioEnvironment(market, config, first, last, whole=True)
    seen, _ = environment.reset(seed=seed)
    size = environment.action_space.shape or (0,)
    mix = np.random.default_rng(seed).normal(0, 1, (*size, len(seen)))
    found: dict[str, Any] = {"days": [], "seen": [], "targets": [], "rewards": [], "beyond": []}
    over = False
    while not over:
        found["days"].append(environment.day)
        found["seen"].append(seen)
        raw = mix @ seen
        action = (
            np.exp(raw - raw.max()) / np.exp(raw - raw.max()).sum() if config.action == "weights" else raw
        )
        seen, reward, ended, over, info = environment.step(action)
        assert not ended
        found["targets"].append(info["targets"])
        found["rewards"].append(reward)
        found["beyond"].append(info["beyond"])
    return found


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize(
    "changes", [{}, {"hold": 5, "drawdown_limit": 0.2}, {"names_share": 0.5}, {"blind": True}]
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_gymnasium_finds_no_fault(action: Action, changes: dict[str, Any]) -> None:
    environment: gymnasium.Env[Any, Any] = PortfolioEnvironment(
        market_of(random_relatives(0)), TradingConfig(action=action, **changes), WARM_UP, 420
    )
    check_env(environment, skip_render_check=True)


@settings(deadline=None, max_examples=25)
@given(
    seed=st.integers(0, 1000),
    action=st.sampled_from(ACTIONS),
    hold=st.sampled_from([1, 5, 21]),
    limit=st.sampled_from([1.0, 0.15]),
    change=st.integers(WARM_UP + 1, 400),
)
def test_the_future_changes_nothing_that_was_seen_or_decided(
    seed: int, action: Action, hold: int, limit: float, change: int
) -> None:
    """Other prices after a close: what was seen and chosen up to it stays the same, bit for bit."""
    relatives = random_relatives(seed)
    other = relatives.copy()
    other[change:] = np.exp(np.random.default_rng(seed + 1).normal(0.01, 0.06, other[change:].shape))
    config = TradingConfig(action=action, hold=hold, drawdown_limit=limit)
    before, after = (play(market_of(one), config, WARM_UP, 420, seed) for one in (relatives, other))
    # Row `change` is what happens after the close `change`: that close itself may not know it.
    early = sum(day <= change for day in before["days"])
    assert early > 0
    for name in ("days", "seen", "targets"):
        np.testing.assert_array_equal(before[name][:early], after[name][:early])
    if early < len(before["days"]):
        assert not np.array_equal(before["seen"][-1], after["seen"][-1])


def test_only_the_positive_control_sees_what_comes() -> None:
    relatives = random_relatives(3, 600)
    honest, leaky = market_of(relatives), market_of(relatives, leak=5)
    assert leaky.names[-1] == LEAK
    np.testing.assert_array_equal(leaky.signals_TNK[..., :-1], honest.signals_TNK)
    later = np.stack([relatives[day : day + 5].prod(0) for day in range(WARM_UP, 590)])
    found = leaky.signals_TNK[WARM_UP:590, :, -1]
    assert (np.argsort(found, 1) == np.argsort(later, 1)).all()
    for place in range(honest.signals_TNK.shape[2]):
        mean = spearmanr(honest.signals_TNK[WARM_UP:590, :, place].ravel(), later.ravel()).statistic
        assert abs(mean) < 0.15


@settings(deadline=None, max_examples=25)
@given(
    seed=st.integers(0, 1000),
    hold=st.sampled_from([1, 4, 30]),
    cost=st.sampled_from([0.0, 10.0, 50.0]),
    limit=st.sampled_from([1.0, 0.1]),
)
def test_rewards_are_what_the_backtester_says(seed: int, hold: int, cost: float, limit: float) -> None:
    relatives = random_relatives(seed, 330)
    config = TradingConfig(hold=hold, cost=cost, drawdown_limit=limit)
    found = play(market_of(relatives), config, WARM_UP, 330, seed)
    targets = np.full((330 - WARM_UP, 4), np.nan)
    for day, weights in zip(found["days"], found["targets"], strict=True):
        targets[day - WARM_UP] = weights
    result = backtest(relatives[WARM_UP:], targets, cost / 1e4, limit)
    # Equal weight bought anew, free of cost, at each decision.
    equal = [relatives[day : min(day + hold, 330)].prod(0).mean() for day in found["days"]]
    expected = np.log(result.wealth[-1]) - np.log(equal).sum()
    assert sum(found["beyond"]) == pytest.approx(expected, abs=1e-10)
    assert found["rewards"] == pytest.approx([100 * one for one in found["beyond"]])


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(-3, 3), min_size=5, max_size=5), st.floats(0.1, 10))
def test_tilts_are_weights_that_follow_the_signals(loadings: list[float], strength: float) -> None:
    signals = market_of(random_relatives(1)).signals_TNK[300]
    config = TradingConfig(strength=strength)
    weights = weights_of(np.array(loadings), signals, config)
    assert weights.min() >= 0
    assert weights.sum() == pytest.approx(1)
    scores = signals @ np.clip(loadings, -1, 1)
    assert (np.diff(weights[np.argsort(scores)]) >= -1e-12).all()
    np.testing.assert_allclose(weights_of(np.zeros(5), signals, config), 0.25)


def test_signals_by_hand() -> None:
    relatives = random_relatives(2, 400)
    prices = np.vstack([np.ones(4), np.cumprod(relatives, 0)])
    day = 333
    momentum = prices[day - 21] / prices[day - 252]
    high = prices[day] / prices[day - 251 : day + 1].max(0)
    spread = np.log(relatives[day - 63 : day]).std(0)
    found = market_of(relatives).signals_TNK[day]
    for place, values in ((0, momentum), (1, prices[day] / prices[day - 21]), (3, spread), (4, high)):
        assert (np.argsort(found[:, place]) == np.argsort(values)).all()
    assert np.sort(found[:, 0]) == pytest.approx([-1, -1 / 3, 1 / 3, 1])


def test_too_few_days_hold_no_decision() -> None:
    with pytest.raises(ValueError, match="no decision"):
        PortfolioEnvironment(market_of(random_relatives(0)), TradingConfig(), 300, 310)
