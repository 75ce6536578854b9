"""A backtest as a proxy reward, the days after it as gold: `python -m studies.backtest_proxy --run DIR`.

A policy of `practicum apply portfolio` practises on the past. What it earns there is what it is paid for, as
a language model is paid by a reward model; what it earns on the days that follow is what was meant. Every few
iterations both are measured, with the KL of its actions from where it began, and the guard of the text side
reads that KL. All days are the earlier test days: the final ones stay closed.

RUN/seed-0/window-0.json   the curve of one training
RUN/results.json           curves, peaks, and where the guard would have stopped
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from practicum.applications.agent import Agent, AgentConfig
from practicum.applications.agent.train import Learner
from practicum.applications.portfolio import experiment
from practicum.applications.portfolio.backtest import Floats
from practicum.applications.portfolio.data import bundled_prices
from practicum.applications.portfolio.environment import PortfolioEnvironment, TradingConfig
from practicum.applications.portfolio.experiment import Window
from practicum.applications.portfolio.features import WARM_UP, Market
from practicum.config import completed
from practicum.guard.guard import Guard
from practicum.guard.observer import Adjustments
from practicum.threads import one_thread
from studies.claim import over_seeds
from studies.common import note_machine, read, record, say, study_main, write
from studies.judged import Claim
from studies.portfolio import CANDIDATES, CHOSEN

POINTS = "percentage points a year"
WINDOWS = 3


@dataclass(frozen=True)
class StudyConfig:
    """What a backtest promises while a policy practises on it, and what the days after it pay."""

    run: Path
    """Folder of the study."""
    seeds: tuple[int, ...] = (200, 201, 202, 203, 204)
    """Trainings for each window."""
    iterations: int = 100
    """Iterations of each training."""
    every: int = 5
    """Iterations from one measurement to the next."""


def study(config: StudyConfig) -> dict[str, Any]:
    """Train, measure on the way, replay the guard; return results.json."""
    note_machine(config.run, "backtest_proxy")
    prices = bundled_prices()
    trading, settings = CANDIDATES[CHOSEN]
    market = experiment.market_for(prices.relatives, "none", trading.hold)
    windows = experiment.windows_of(len(prices.dates) - 1, "earlier", WINDOWS)
    curves: dict[str, list[list[dict[str, float]]]] = {}
    for seed in config.seeds:
        curves[str(seed)] = []
        for number, window in enumerate(windows):
            path = config.run / f"seed-{seed}" / f"window-{number}.json"
            if not path.exists():
                say(f"seed {seed}, window {number + 1} of {len(windows)}")
                agent = completed(AgentConfig, replace(settings, iterations=config.iterations), seed=seed)
                write(path, {"rows": curve(agent, market, trading, window, config.every)})
            curves[str(seed)].append(read(path)["rows"])
    return record(config, "backtest_proxy", {"backtest_proxy": {"curves": curves, **summary(curves)}})


def curve(
    config: AgentConfig, market: Market, trading: TradingConfig, window: Window, every: int
) -> list[dict[str, float]]:
    """Proxy, gold (annual returns beyond equal weight, net) and KL (nats an episode) as an agent learns."""
    learner = Learner(config, lambda _: PortfolioEnvironment(market, trading, WARM_UP, window.first))
    rows = []
    with one_thread():
        for index in range(config.iterations):
            learner.step(index, Adjustments())
            if (index + 1) % every == 0:
                rows.append(
                    {"iteration": float(index + 1), **measured(learner.agent, market, trading, window)}
                )
    return rows


def measured(agent: Agent, market: Market, trading: TradingConfig, window: Window) -> dict[str, float]:
    """What the policy of this moment earns on the days it learns from and on those after them."""
    past = experiment.beyond(agent, market, trading, WARM_UP, window.first)
    later = experiment.beyond(agent, market, trading, window.first, window.last)
    means = np.stack([one[2] for one in experiment.traded(agent, market, trading, WARM_UP, window.first)])
    kl = trading.episode * kl_from_start(means, np.exp(agent.network.free_numpy.astype(np.float64)))
    return {"kl": kl, "proxy": past, "gold": later}


def kl_from_start(means_DA: Floats, deviations_A: Floats) -> float:
    """KL of Gaussian actions from standard ones, where training begins; nats, mean of decisions."""
    parts = (deviations_A**2 + means_DA**2 - 1) / 2 - np.log(deviations_A)
    return float(parts.sum(1).mean())


def summary(curves: Mapping[str, Sequence[Sequence[Mapping[str, float]]]]) -> dict[str, Any]:
    """By seed, mean over windows: proxy and gold at the end, gold at its best and where the guard stops."""
    found: dict[str, dict[str, float]] = {}
    for seed, windows in curves.items():
        stops = [trusted(rows) for rows in windows]
        found[seed] = {
            "proxy_end": fmean(rows[-1]["proxy"] for rows in windows),
            "gold_end": fmean(rows[-1]["gold"] for rows in windows),
            "gold_best": fmean(max(row["gold"] for row in rows) for rows in windows),
            "gold_guarded": fmean(row["gold"] if row else 0.0 for row in stops),
            "proxy_guarded": fmean(row["proxy"] if row else 0.0 for row in stops),
            "iterations_guarded": fmean(row["iteration"] if row else 0.0 for row in stops),
        }
    return {"by_seed": found}


def trusted(rows: Sequence[Mapping[str, float]]) -> Mapping[str, float] | None:
    """The last row before the guard's KL budget is exceeded; None where the first row is past it already.

    Without a row the policy is the one that training began with: equal weight.
    """
    guard = Guard()
    last = None
    for step, row in enumerate(rows, start=1):
        if guard.observe(step, {"kl_completion": row["kl"]}).action != "go_on":
            return last
        last = row
    return last


def claims(results: Mapping[str, Any]) -> list[Claim]:
    """The promise, what is left of it, and what stopping by the guard's budget changes."""
    rows = {int(seed): row for seed, row in results["backtest_proxy"]["by_seed"].items()}

    def points(name: str, less: str = "") -> dict[int, float]:
        return {seed: 100 * (row[name] - (row[less] if less else 0.0)) for seed, row in rows.items()}

    beyond = "annual return beyond equal weight"
    return [
        over_seeds(
            "backtest-proxy-promise",
            f"{beyond} on the days a policy practises on, at the end of training",
            points("proxy_end"),
            "above 0",
            POINTS,
        ),
        over_seeds(
            "backtest-proxy-kept", f"{beyond} on the days that follow", points("gold_end"), "above 0", POINTS
        ),
        over_seeds(
            "backtest-proxy-gap",
            f"{beyond} that the backtest promises and the days that follow do not pay",
            points("proxy_end", "gold_end"),
            "above 0",
            POINTS,
        ),
        over_seeds(
            "backtest-proxy-guard",
            f"{beyond} on the days that follow when the guard's KL budget ends training, less without it",
            points("gold_guarded", "gold_end"),
            "above 0",
            POINTS,
        ),
    ]


main = study_main(StudyConfig, "studies.backtest_proxy", study)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
