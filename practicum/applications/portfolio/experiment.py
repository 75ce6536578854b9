"""Walk forward: train on the past, trade the next window, train again; then weigh what came of it.

The days are cut once. The earlier test period serves to choose settings; the final period is for the one
result that is reported. Training for a window ends where the window begins, whatever the period.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from practicum.applications.agent import Agent, AgentConfig, AgentSettings, train_agent
from practicum.applications.portfolio import baselines, statistics
from practicum.applications.portfolio.backtest import BASIS_POINT, Backtest, backtest
from practicum.applications.portfolio.data import Prices
from practicum.applications.portfolio.environment import PortfolioEnvironment, TradingConfig
from practicum.applications.portfolio.features import WARM_UP, Market, market_of
from practicum.config import completed
from practicum.errors import InputError
from practicum.stats import Estimate

Floats = NDArray[np.float64]
Period = Literal["earlier", "final"]
Control = Literal["none", "positive", "null"]
FEWEST_ROWS = 1260
"""Five years of days: a year of signals, a year and more to train on, and both test periods."""
EARLIER_BEGINS, FINAL_BEGINS = 0.4, 0.7
COSTS = (0.0, 5.0, 10.0, 25.0)
"""Basis points at which every result is shown."""
RIVAL = "equal weight"
RULES: Mapping[str, tuple[baselines.Rule, bool]] = {
    RIVAL: (baselines.equal_weight, False),
    "equal weight, daily": (baselines.equal_weight, True),
    "buy and hold": (baselines.buy_and_hold, False),
    "inverse volatility": (baselines.inverse_volatility, False),
    "minimum variance (skfolio)": (baselines.minimum_variance, False),
    "mean-variance (skfolio)": (baselines.mean_variance, False),
    "momentum, best third": (baselines.momentum, False),
    "exponentiated gradient, daily": (baselines.exponentiated_gradient, True),
    "mean reversion (PAMR), daily": (baselines.mean_reversion, True),
    "best constant weights (hindsight)": (baselines.best_constant, True),
}
"""Each rule, and whether it trades every day, as its authors mean it, or on the policy's days."""


@dataclass(frozen=True)
class Window:
    """One step of the walk: trained on closes WARM_UP to `first`, traded from `first` to `last`."""

    first: int
    last: int


def windows_of(days: int, period: Period, count: int) -> list[Window]:
    """The windows of a period of a table with so many returns, of equal length but for rounding."""
    begin, end = round(EARLIER_BEGINS * days), round(FINAL_BEGINS * days)
    if period == "final":
        begin, end = end, days
    edges = np.linspace(begin, end, count + 1).round().astype(int)
    return [Window(int(first), int(last)) for first, last in itertools.pairwise(edges)]


def check_length(prices: Prices) -> None:
    """Raise InputError for fewer rows than walking forward needs."""
    if len(prices.dates) < FEWEST_ROWS:
        raise InputError(
            f"{prices.source}: {len(prices.dates)} rows of prices; training and two test periods need at "
            f"least {FEWEST_ROWS} days (five years)"
        )


def relatives_for(prices: Prices, control: Control, seed: int) -> Floats:
    """The returns to trade on; the null control deals each day's returns to the assets at random.

    Then nothing that was seen tells one asset from another, while equal weight, traded every day, earns the
    same to the last digit.
    """
    relatives = prices.relatives
    if control != "null":
        return relatives
    return np.asarray(np.random.default_rng(seed).permuted(relatives, axis=1))


def market_for(relatives_TN: Floats, control: Control, hold: int) -> Market:
    """Signals of the returns; the positive control's hold the return until the next decision."""
    return market_of(relatives_TN, leak=hold if control == "positive" else 0)


# ------------------------------------------------------------------------------------------- one seed's walk


@dataclass(frozen=True)
class Walk:
    """What one seed's policies chose over a period.

    targets_TN: by day of the period, NaN without trade; actions_DA: by decision, on the days `decided`;
    learned: annual return beyond equal weight on the days of training, by window.
    """

    targets_TN: Floats
    relatives_TN: Floats
    actions_DA: Floats
    decided: list[int]
    learned: list[float]

    def tested(self, cost: float, drawdown_limit: float) -> Backtest:
        """Its backtest at so many basis points."""
        return backtest(self.relatives_TN, self.targets_TN, cost * BASIS_POINT, drawdown_limit)

    def rival(self, cost: float) -> Backtest:
        """Equal weight on the same days and returns."""
        targets = np.full(self.targets_TN.shape, np.nan)
        targets[self.decided] = 1 / self.relatives_TN.shape[1]
        return backtest(self.relatives_TN, targets, cost * BASIS_POINT)


def walk(
    market: Market,
    windows: Sequence[Window],
    trading: TradingConfig,
    settings: AgentSettings,
    seed: int,
    folder: Path,
) -> Walk:
    """Train and trade window after window, in folders below `folder`, which a repeated call goes on with."""
    begin, end = windows[0].first, windows[-1].last
    targets = np.full((end - begin, market.relatives_TN.shape[1]), np.nan)
    actions: list[Floats] = []
    decided: list[int] = []
    learned: list[float] = []
    for number, window in enumerate(windows):
        config = completed(AgentConfig, settings, seed=seed)

        def make(_: int, last: int = window.first) -> PortfolioEnvironment:
            return PortfolioEnvironment(market, trading, WARM_UP, last)

        agent = train_agent(config, make, folder / f"window-{number}", resume=True)
        learned.append(_beyond(agent, market, trading, WARM_UP, window.first))
        for day, target, action in traded(agent, market, trading, window.first, window.last):
            targets[day - begin] = target
            actions.append(action)
            decided.append(day - begin)
    return Walk(targets, market.relatives_TN[begin:end], np.stack(actions), decided, learned)


def traded(
    agent: Agent, market: Market, trading: TradingConfig, first: int, last: int
) -> list[tuple[int, Floats, Floats]]:
    """(day, weights, action) of every decision of an agent that trades once from one close to another."""
    environment = PortfolioEnvironment(market, trading, first, last, whole=True)
    seen, _ = environment.reset(seed=0)
    found = []
    done = False
    while not done:
        day = environment.day
        action = np.asarray(agent.act(seen[None])[0], dtype=np.float64)
        seen, _, _, done, info = environment.step(action)
        found.append((day, info["targets"], action))
    return found


def _beyond(agent: Agent, market: Market, trading: TradingConfig, first: int, last: int) -> float:
    """Annual return beyond equal weight, both net of the costs of training, on some days."""
    relatives = market.relatives_TN[first:last]
    targets = np.full(relatives.shape, np.nan)
    for day, target, _ in traded(agent, market, trading, first, last):
        targets[day - first] = target
    equal = np.where(np.isnan(targets), np.nan, 1 / relatives.shape[1])
    cost = trading.cost * BASIS_POINT
    ours = backtest(relatives, targets, cost, trading.drawdown_limit)
    return statistics.annual_return(ours.returns_T) - statistics.annual_return(
        backtest(relatives, equal, cost).returns_T
    )


# ----------------------------------------------------------------------------------------- all seeds, weighed


@dataclass(frozen=True)
class Finding:
    """What all seeds came to at one cost.

    excess: annual return beyond equal weight, with its 95% interval over blocks of days and seeds; ratio: the
    information ratio, mean over seeds; deflated: the deflated Sharpe ratio of the mean daily excess.
    """

    cost: float
    excess: Estimate
    per_seed: list[float]
    ratio: float
    deflated: float
    policies: list[Backtest]
    rivals: list[Backtest]

    def json(self) -> dict[str, Any]:
        """Plain values, without the days."""
        return {
            "cost_basis_points": self.cost,
            "excess": self.excess.json(),
            "excess_per_seed": self.per_seed,
            "information_ratio": self.ratio,
            "deflated_sharpe_ratio": self.deflated,
            "policy": mean_performance(self.policies),
            "equal_weight": mean_performance(self.rivals),
        }


def weigh(walks: Sequence[Walk], cost: float, drawdown_limit: float, trials: int, spread: float) -> Finding:
    """Backtest every seed's walk at a cost and compare it with equal weight on the same days."""
    policies = [one.tested(cost, drawdown_limit) for one in walks]
    rivals = [one.rival(cost) for one in walks]
    ours = np.stack([one.returns_T for one in policies])
    theirs = np.stack([one.returns_T for one in rivals])
    return Finding(
        cost=cost,
        excess=statistics.excess_interval(ours, theirs),
        per_seed=[
            statistics.annual_return(one) - statistics.annual_return(other)
            for one, other in zip(ours, theirs, strict=True)
        ],
        ratio=float(np.mean([statistics.sharpe(one) for one in ours - theirs])),
        deflated=statistics.deflated_sharpe((ours - theirs).mean(0), trials, spread),
        policies=policies,
        rivals=rivals,
    )


def mean_performance(results: Sequence[Backtest]) -> dict[str, float]:
    """Each figure's mean over the seeds."""
    found = [statistics.performance(one).json() for one in results]
    return {name: float(np.mean([one[name] for one in found])) for name in found[0]}


def rule_results(
    relatives_TN: Floats, windows: Sequence[Window], hold: int, cost: float
) -> dict[str, Backtest]:
    """The backtest of every rule over a period."""
    begin, end = windows[0].first, windows[-1].last
    found = {}
    for name, (rule, daily) in RULES.items():
        days = list(range(begin, end)) if daily else decision_days(windows, hold)
        targets = rule(relatives_TN[:end], days)[begin:]
        found[name] = backtest(relatives_TN[begin:end], targets, cost * BASIS_POINT)
    return found


def decision_days(windows: Sequence[Window], hold: int) -> list[int]:
    """The closes at which a policy decides; each window begins with one."""
    return [day for window in windows for day in range(window.first, window.last, hold)]
