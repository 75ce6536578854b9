"""The pictures of a portfolio's page: wealth and losses of strategies, and what the policy held and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from practicum.applications.portfolio.backtest import Backtest, drawdown
from practicum.applications.portfolio.data import Prices
from practicum.applications.portfolio.environment import TradingConfig
from practicum.applications.portfolio.experiment import Finding, Walk, Window
from practicum.applications.portfolio.features import LEAK, SIGNALS
from practicum.applications.results import Figure, Panel

Floats = NDArray[np.float64]
SHOWN_DAYS = 5
"""Every so many days are drawn."""
DRAWN = ("buy and hold", "inverse volatility", "mean-variance (skfolio)", "momentum, best third")
MOST_NAMES = 7


def figures(
    prices: Prices,
    windows: Sequence[Window],
    walks: Sequence[Walk],
    main: Finding,
    rules: Mapping[str, Backtest],
    trading: TradingConfig,
) -> list[Figure]:
    """Wealth with losses, and weights with the loadings that made them."""
    begin, end = windows[0].first, windows[-1].last
    shown = np.arange(0, end - begin, SHOWN_DAYS)
    return [
        wealth_figure(prices, begin, shown, main, rules),
        held_figure(prices, begin, shown, walks, main, trading),
    ]


def wealth_figure(
    prices: Prices, begin: int, shown: NDArray[np.int64], main: Finding, rules: Mapping[str, Backtest]
) -> Figure:
    """Wealth of 1 over time, and how far it stands below its highest point."""
    results = {
        "policy": np.stack([one.returns_T for one in main.policies]),
        "equal weight": np.stack([one.returns_T for one in main.rivals]),
        **{name: rules[name].returns_T[None] for name in DRAWN if name in rules},
    }
    wealth = {name: np.cumprod(1 + returns, 1) for name, returns in results.items()}
    lost = {name: np.stack([-drawdown(row) for row in returns]) for name, returns in results.items()}
    bands = {}
    if len(main.policies) > 1:
        bands["policy"] = (_cells(wealth["policy"].min(0), shown), _cells(wealth["policy"].max(0), shown))
    return Figure(
        "What became of 1",
        f"Net of {main.cost:g} basis points. The policy is the mean of the seeds "
        f"({len(main.policies)}), the band their lowest and highest. Below: the loss since the highest point so far.",
        [prices.dates[begin + int(day) + 1] for day in shown],
        [
            Panel("wealth", {name: _cells(rows.mean(0), shown) for name, rows in wealth.items()}, bands),
            Panel(
                "loss since the highest point",
                {name: _cells(rows.mean(0), shown) for name, rows in lost.items()},
                share=True,
            ),
        ],
        "day",
    )


def held_figure(
    prices: Prices,
    begin: int,
    shown: NDArray[np.int64],
    walks: Sequence[Walk],
    main: Finding,
    trading: TradingConfig,
) -> Figure:
    """The largest weights over time, and the loadings on signals that made them."""
    weights_TN = np.mean([one.weights_TN for one in main.policies], 0)
    largest = np.argsort(-weights_TN.mean(0), kind="stable")[:MOST_NAMES]
    lines = {prices.names[asset]: _cells(weights_TN[:, asset], shown) for asset in largest}
    if len(prices.names) > len(largest):
        lines["all others"] = _cells(1 - weights_TN[:, largest].sum(1), shown)
    panels = [Panel("weight, mean of seeds", lines, share=True)]
    notes = [_most(weights_TN[day], prices.names) for day in shown]
    if trading.action == "tilts":
        names = SIGNALS if walks[0].actions_DA.shape[1] == len(SIGNALS) else (*SIGNALS, LEAK)
        loadings_TA = _loadings(walks)
        panels.append(
            Panel(
                "loading on each signal, mean of seeds",
                {name: _cells(loadings_TA[:, place], shown) for place, name in enumerate(names)},
                stepped=True,
            )
        )
        notes = [f"{note} {_why(loadings_TA[day], names)}" for note, day in zip(notes, shown, strict=True)]
    return Figure(
        "What it held, and why",
        "Weights drift between decisions. A loading above 0 buys what ranks high by that signal, one below 0 "
        "what ranks low; at 0 throughout the weights are equal.",
        [prices.dates[begin + int(day)] for day in shown],
        panels,
        "day",
        notes,
    )


def _loadings(walks: Sequence[Walk]) -> Floats:
    """The loadings in force on each day, mean over the seeds."""
    days = np.arange(len(walks[0].targets_TN))
    found = [
        np.clip(one.actions_DA[np.searchsorted(one.decided, days, side="right") - 1], -1, 1) for one in walks
    ]
    return np.asarray(np.mean(found, 0))


def _most(weights_N: Floats, names: Sequence[str]) -> str:
    order = np.argsort(-weights_N, kind="stable")[:3]
    return "Most: " + ", ".join(f"{names[asset]} {weights_N[asset]:.0%}" for asset in order) + "."


def _why(loadings_A: Floats, names: Sequence[str]) -> str:
    order = np.argsort(-np.abs(loadings_A), kind="stable")[:2]
    told = [
        f"{'high' if loadings_A[one] > 0 else 'low'} {names[one]} ({loadings_A[one]:+.2f})" for one in order
    ]
    return f"It sought {' and '.join(told)}."


def _cells(values: Floats, shown: NDArray[np.int64]) -> list[float | None]:
    return [round(float(values[day]), 4) for day in shown]
