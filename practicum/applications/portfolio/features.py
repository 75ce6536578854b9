"""What a policy may know at a close: signals of each asset, and the state of the market, from past prices.

Each signal is a rank among the assets on that day, from -1 (lowest) to 1 (highest), so that no unit and no
outlier matters. Row t rests on the prices up to the close of day t.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

Floats = NDArray[np.float64]
YEAR, QUARTER, MONTH, WEEK = 252, 63, 21, 5
SIGNALS: tuple[str, ...] = ("momentum", "month", "week", "volatility", "high")
"""momentum: return of the last year without its last month (Jegadeesh & Titman 1993); month and week:
return of the last 21 and 5 days, which tend to turn (Jegadeesh 1990); volatility: standard deviation over 63
days (Ang, Hodrick, Xing & Zhang 2006); high: price by the year's highest (George & Hwang 2004)."""
LEAK = "next return"
"""The positive control's signal: the return until the next decision, which nobody can know."""
MARKET = ("market volatility", "market return", "dispersion")
WARM_UP = YEAR
"""Closes before the first that has all signals."""


@dataclass(frozen=True)
class Market:
    """Signals and returns of N assets at T closes.

    relatives_TN: price at the next close over price at this one; signals_TNK: ranks; payoffs_TK: what each
    signal earned over the last year (mean of rank times excess return, by year); market_TM: as MARKET.
    """

    relatives_TN: Floats
    signals_TNK: Floats
    payoffs_TK: Floats
    market_TM: Floats
    names: tuple[str, ...]

    @property
    def days(self) -> int:
        """Closes that have a next one."""
        return len(self.relatives_TN)


def market_of(relatives_TN: Floats, leak: int = 0) -> Market:
    """The signals at every close; before WARM_UP they are 0. `leak` adds the return of so many days ahead."""
    days, assets = relatives_TN.shape
    logs_TN = np.zeros((days, assets))
    logs_TN[1:] = np.cumsum(np.log(relatives_TN), 0)[:-1]
    raw = _signals(logs_TN)
    names = SIGNALS
    if leak:
        later = np.vstack([logs_TN[1:], logs_TN[-1:] + np.log(relatives_TN[-1:])])
        ahead = np.minimum(np.arange(days) + leak - 1, days - 1)
        raw = np.concatenate([raw, (later[ahead] - logs_TN)[..., None]], -1)
        names = (*SIGNALS, LEAK)
    ranks = (rankdata(raw, axis=1) - 1) / (assets - 1) * 2 - 1
    ranks[:WARM_UP] = 0
    return Market(relatives_TN, ranks, _payoffs(ranks, relatives_TN), _market(relatives_TN), names)


def _signals(logs_TN: Floats) -> Floats:
    """The signals in their own units [T, N, K]."""
    daily = np.diff(logs_TN, axis=0, prepend=logs_TN[:1])
    high = np.stack([logs_TN[max(0, day - YEAR + 1) : day + 1].max(0) for day in range(len(logs_TN))])
    return np.stack(
        [
            _before(logs_TN, MONTH) - _before(logs_TN, YEAR),
            logs_TN - _before(logs_TN, MONTH),
            logs_TN - _before(logs_TN, WEEK),
            _deviation(daily, QUARTER),
            logs_TN - high,
        ],
        -1,
    )


def _before(values_TN: Floats, days: int) -> Floats:
    """The values so many rows earlier; those of the first row where there are none."""
    return values_TN[np.maximum(np.arange(len(values_TN)) - days, 0)]


def _deviation(values: Floats, days: int) -> Floats:
    """Standard deviation over the last `days` rows, this one included."""
    mean = _mean(values, days)
    return np.asarray(np.sqrt(np.maximum(_mean(values**2, days) - mean**2, 0)))


def _mean(values: Floats, days: int) -> Floats:
    """Mean over the last `days` rows, this one included; over fewer at the start."""
    sums = np.cumsum(values, 0)
    sums[days:] = sums[days:] - sums[:-days].copy()
    count = np.minimum(np.arange(len(values)) + 1, days)
    return np.asarray(sums / count.reshape(-1, *[1] * (values.ndim - 1)))


def _payoffs(ranks_TNK: Floats, relatives_TN: Floats) -> Floats:
    excess = relatives_TN - relatives_TN.mean(1, keepdims=True)
    # What row t - 1 earned is known at the close of row t.
    earned = np.zeros((len(relatives_TN), ranks_TNK.shape[2]))
    earned[1:] = np.einsum("tnk,tn->tk", ranks_TNK[:-1], excess[:-1]) / relatives_TN.shape[1]
    return _mean(earned, YEAR) * YEAR


def _market(relatives_TN: Floats) -> Floats:
    returns = np.zeros_like(relatives_TN)
    returns[1:] = relatives_TN[:-1] - 1
    mean = returns.mean(1)
    return np.stack(
        [
            _deviation(mean, QUARTER) * YEAR**0.5,
            _mean(mean, YEAR) * YEAR,
            _mean(returns.std(1), QUARTER) * YEAR**0.5,
        ],
        -1,
    )
