"""What is gamed: an environment that is paid by a proxy, beside the gold that it stands for.

ads        proxy: a click model fitted to few clicks; gold: what visitors of the made-up log truly click
portfolio  proxy: a backtest on the days of training; gold: the days after them, on which nothing was trained
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from practicum.applications.ads.click_model import fit
from practicum.applications.ads.environment import Clicks, Recommend, observations_of
from practicum.applications.ads.generator import GeneratorConfig, generate
from practicum.applications.agent import Agent, Make
from practicum.applications.portfolio.backtest import BASIS_POINT, backtest
from practicum.applications.portfolio.data import Prices
from practicum.applications.portfolio.environment import PortfolioEnvironment, TradingConfig
from practicum.applications.portfolio.experiment import EARLIER_BEGINS, FINAL_BEGINS, check_length, traded
from practicum.applications.portfolio.features import WARM_UP, market_of
from practicum.applications.portfolio.statistics import annual_return

Floats = NDArray[np.float64]
MEMBERS = 5
"""Second opinions on the proxy, for the guard."""


@dataclass(frozen=True)
class Worth:
    """A policy's worth by proxy and gold, in the unit of its game, and by the second opinions [M]."""

    proxy: float
    gold: float
    members_M: Floats


@dataclass(frozen=True)
class Game:
    """An environment paid by the proxy, and what a policy is worth.

    seen: observations, by which the distance of a policy from the first one is measured. unit: what a worth
    is a share of, in words.
    """

    name: str
    unit: str
    make: Make
    worth: Callable[[Agent], Worth]
    seen: NDArray[np.float32]


def ads(config: GeneratorConfig, seed: int) -> Game:
    """Recommendation on a made-up log: worths are lifts of the click rate over showing all items evenly."""
    log, truth = generate(config, seed)
    learning, _ = log.halves(seed)
    fitted = fit(learning)
    random = np.random.default_rng([seed, 71])
    contexts = learning.contexts
    seen = observations_of(contexts)
    worlds: list[Clicks] = [fitted.mean, truth, *(fitted.draw(random) for _ in range(MEMBERS))]
    chances = [one.probabilities(contexts) for one in worlds]

    def worth(agent: Agent) -> Worth:
        share_NA = agent.probabilities(seen)
        proxy, gold, *members = [
            float((share_NA * chance_NA).sum(1).mean() / chance_NA.mean()) - 1 for chance_NA in chances
        ]
        return Worth(proxy, gold, np.array(members))

    return Game(
        "ads", "clicks over showing all evenly", lambda _: Recommend(fitted.mean, contexts), worth, seen
    )


def portfolio(prices: Prices, trading: TradingConfig, seed: int) -> Game:
    """Weights on assets: worths are annual returns beyond equal weight, net of costs.

    Gold days are the earlier test period, on which settings may be chosen; the final one stays closed. The
    second opinions are backtests on equal parts of the days of training.
    """
    check_length(prices)
    market = market_of(prices.relatives)
    first, last = round(EARLIER_BEGINS * market.days), round(FINAL_BEGINS * market.days)
    environment = PortfolioEnvironment(market, trading, WARM_UP, first)
    generator = np.random.default_rng([seed, 72])
    seen = []
    for _ in range(200):
        observed, _ = environment.reset(seed=int(generator.integers(2**31)))
        seen.append(observed)

    def beyond(agent: Agent, begin: int, end: int) -> tuple[Floats, Floats]:
        relatives = market.relatives_TN[begin:end]
        targets = np.full(relatives.shape, np.nan)
        for day, target, _ in traded(agent, market, trading, begin, end):
            targets[day - begin] = target
        equal = np.where(np.isnan(targets), np.nan, 1 / relatives.shape[1])
        cost = trading.cost * BASIS_POINT
        ours, theirs = (backtest(relatives, one, cost).returns_T for one in (targets, equal))
        return ours, theirs

    def worth(agent: Agent) -> Worth:
        trained = beyond(agent, WARM_UP, first)
        parts = zip(*(np.array_split(returns, MEMBERS) for returns in trained), strict=True)
        members = [annual_return(ours) - annual_return(theirs) for ours, theirs in parts]
        proxy, gold = (
            annual_return(ours) - annual_return(theirs)
            for ours, theirs in (trained, beyond(agent, first, last))
        )
        return Worth(proxy, gold, np.array(members))

    def make(_: int) -> PortfolioEnvironment:
        return PortfolioEnvironment(market, trading, WARM_UP, first)

    return Game("portfolio", "a year beyond equal weight", make, worth, np.stack(seen))
