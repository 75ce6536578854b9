"""One backtester for every strategy: what weights chosen at a close earn until the next, net of costs.

Row t of a table of targets is decided at the close of day t and held from then to the close of day t + 1. In
between weights drift with prices; a row of NaN trades nothing. Whatever the weights leave over is cash, which
earns nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
BASIS_POINT = 1e-4
PEAK_DAYS = 252
"""The drawdown limit looks back so many days for its peak, so that a long loss does not end all trading."""


@dataclass(frozen=True)
class Backtest:
    """What happened. returns_T: net of costs, as shares of wealth; weights_TN: held over each day;
    turnover_T: shares of wealth bought plus sold at each day's start."""

    returns_T: Floats
    weights_TN: Floats
    turnover_T: Floats

    @property
    def wealth(self) -> Floats:
        """Wealth after each day, of 1 at the start."""
        return np.asarray(np.cumprod(1 + self.returns_T))


def backtest(
    relatives_TN: Floats, targets_TN: Floats, cost: float = 0.0, drawdown_limit: float = 1.0
) -> Backtest:
    """Trade to the targets and hold.

    relatives_TN: price tomorrow over price today, row t from close t to close t + 1; targets_TN: weights of
    at least 0 that sum to at most 1, or NaN throughout for a day without trade. `cost` is a share of what is
    bought and of what is sold, first purchase included. Below a `drawdown_limit` of 1 the targets are scaled
    by 1 - drawdown / limit, measured from the last year's peak (after Grossman & Zhou 1993): money leaves as
    losses come near the limit. Between trades a loss may still go past it.
    """
    days, assets = relatives_TN.shape
    returns, turnover = np.zeros(days), np.zeros(days)
    weights = np.zeros((days, assets))
    held = np.zeros(assets)
    wealth = np.ones(days + 1)
    for day in range(days):
        target = targets_TN[day]
        if not np.isnan(target[0]):
            if drawdown_limit < 1:
                target = target * exposure(wealth[: day + 1], drawdown_limit)
            turnover[day] = np.abs(target - held).sum()
            held = target
        weights[day] = held
        growth = 1 + held @ (relatives_TN[day] - 1)
        returns[day] = growth * (1 - cost * turnover[day]) - 1
        held = held * relatives_TN[day] / growth
        wealth[day + 1] = wealth[day] * (1 + returns[day])
    return Backtest(returns, weights, turnover)


def exposure(wealth: Floats, limit: float) -> float:
    """The share of wealth that may be invested, by how far it stands below the last year's peak."""
    drawdown = 1 - float(wealth[-1] / wealth[-PEAK_DAYS:].max())
    return max(0.0, 1 - drawdown / limit)


def drawdown(returns_T: Floats) -> Floats:
    """How far wealth stands below its highest point so far, day by day, as a share from 0 to 1."""
    wealth = np.cumprod(1 + returns_T)
    return 1 - wealth / np.maximum(np.maximum.accumulate(wealth), 1.0)
