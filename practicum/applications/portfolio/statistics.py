"""What a series of daily returns says, how sure that is, and how much of it the search alone would show."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kurtosis, norm, skew

from practicum.applications.portfolio.backtest import Backtest, drawdown
from practicum.stats import Estimate

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
YEAR = 252
"""Trading days in a year."""
EULER = 0.5772156649015329


@dataclass(frozen=True)
class Performance:
    """A strategy's figures: shares a year (0.12 is 12%), ratios by year, turnover in portfolios a year.

    Ratios take cash to earn nothing. Turnover counts what is bought plus what is sold.
    """

    annual_return: float
    volatility: float
    sharpe: float
    sortino: float
    max_drawdown: float
    turnover: float

    def json(self) -> dict[str, float]:
        """Plain values."""
        return asdict(self)


def performance(result: Backtest) -> Performance:
    """The figures of a backtest of one day or more."""
    returns = result.returns_T
    return Performance(
        annual_return=annual_return(returns),
        volatility=volatility(returns),
        sharpe=sharpe(returns),
        sortino=sortino(returns),
        max_drawdown=float(drawdown(returns).max()),
        turnover=float(result.turnover_T.mean()) * YEAR,
    )


def annual_return(returns_T: Floats) -> float:
    """Geometric mean growth a year."""
    return math.expm1(float(np.log1p(returns_T).mean()) * YEAR)


def volatility(returns_T: Floats) -> float:
    """Standard deviation of daily returns (divided by n - 1), by the square root of a year's days."""
    return float(returns_T.std(ddof=1)) * math.sqrt(YEAR) if len(returns_T) > 1 else 0.0


def sharpe(returns_T: Floats) -> float:
    """Mean over standard deviation, by year (Sharpe 1994); 0 for returns that do not vary."""
    spread = volatility(returns_T)
    return float(returns_T.mean()) * YEAR / spread if spread > 1e-12 else 0.0


def sortino(returns_T: Floats) -> float:
    """Mean over the root mean square of the losses, by year (Sortino & van der Meer 1991)."""
    downside = math.sqrt(float((np.minimum(returns_T, 0) ** 2).mean()) * YEAR)
    return float(returns_T.mean()) * YEAR / downside if downside > 1e-12 else 0.0


# ------------------------------------------------------------------------------------- bootstrap of blocks


def block_length(series_T: Floats) -> float:
    """The stationary bootstrap's mean block length for a series (Politis & White 2004, with the correction
    of Patton, Politis & White 2009); at least 1, at most 3 sqrt(T) or T / 3."""
    values = np.asarray(series_T, dtype=np.float64)
    count = len(values)
    centred = values - values.mean()
    variance = float(centred @ centred) / count
    if variance <= 1e-300:
        return 1.0
    quiet = max(5, math.ceil(math.sqrt(math.log10(count))))
    most = math.ceil(math.sqrt(count)) + quiet
    covariance = np.array(
        [float(centred[: count - lag] @ centred[lag:]) / count for lag in range(min(2 * most, count - 1) + 1)]
    )
    band = _bandwidth(covariance / variance, count, quiet, most)
    lags = np.arange(1, band + 1)
    taper = np.minimum(1.0, 2 * (1 - lags / band))
    spectrum = variance + 2 * float(taper @ covariance[1 : band + 1])
    slope = 2 * float((taper * lags) @ covariance[1 : band + 1])
    if spectrum <= 0:
        return 1.0
    best = (2 * slope**2 / (2 * spectrum**2)) ** (1 / 3) * count ** (1 / 3)
    return float(np.clip(best, 1.0, math.ceil(min(3 * math.sqrt(count), count / 3))))


def _bandwidth(correlation: Floats, count: int, quiet: int, most: int) -> int:
    """Twice the lag after which `quiet` correlations in a row are insignificant."""
    bound = 2 * math.sqrt(math.log10(count) / count)
    small = np.abs(correlation[1:]) < bound
    for lag in range(min(most, len(small) - quiet) + 1):
        if small[lag : lag + quiet].all():
            return min(max(2 * lag, 2), len(correlation) - 1)
    found = np.flatnonzero(~small[:most])
    return min(2 * (int(found[-1]) + 1 if len(found) else 1), len(correlation) - 1)


def stationary_indices(count: int, mean_length: float, generator: np.random.Generator) -> Integers:
    """T indices in blocks of geometric length that wrap round the end (Politis & Romano 1994)."""
    starts = generator.random(count) < 1 / max(mean_length, 1.0)
    starts[0] = True
    origin = generator.integers(count, size=count)
    begin = np.flatnonzero(starts)[np.cumsum(starts) - 1]
    return np.asarray((origin[begin] + np.arange(count) - begin) % count)


def bootstrap_interval(
    statistic: Callable[[Floats], float],
    series_TK: Floats,
    mean_length: float,
    *,
    repeats: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> Estimate:
    """A statistic of T days of K series, with its percentile interval by the stationary bootstrap.

    The K series are drawn together, so that what happens on one day stays on one day. `n` is T.
    """
    generator = np.random.default_rng(seed)
    count = len(series_TK)
    drawn = [statistic(series_TK[stationary_indices(count, mean_length, generator)]) for _ in range(repeats)]
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(statistic(series_TK), float(low), float(high), count)


def excess_interval(
    policies_ST: Floats, rivals_ST: Floats, *, repeats: int = 2000, seed: int = 0, level: float = 0.95
) -> Estimate:
    """Annual return of S seeds' policies less their rivals', mean over seeds, with a 95% interval.

    Each repeat draws days in blocks (stationary bootstrap; the block length is that of the mean daily
    difference) and seeds with replacement. `n` is the number of days.
    """
    generator = np.random.default_rng(seed)
    ours_ST, theirs_ST = np.log1p(policies_ST), np.log1p(rivals_ST)
    seeds, count = ours_ST.shape
    length = block_length((policies_ST - rivals_ST).mean(0))
    drawn = np.empty(repeats)
    for repeat in range(repeats):
        days = stationary_indices(count, length, generator)
        some = generator.integers(seeds, size=seeds)
        drawn[repeat] = _excess(ours_ST[:, days], theirs_ST[:, days])[some].mean()
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(float(_excess(ours_ST, theirs_ST).mean()), float(low), float(high), count)


def _excess(ours_ST: Floats, theirs_ST: Floats) -> Floats:
    return np.asarray(np.expm1(ours_ST.mean(1) * YEAR) - np.expm1(theirs_ST.mean(1) * YEAR))


# ---------------------------------------------------------------------------------- the price of searching


def expected_best(trials: int, spread: float) -> float:
    """The Sharpe ratio that the best of so many trials without skill would show (Bailey & Lopez de Prado
    2014, equation 6). `spread`: standard deviation of the trials' Sharpe ratios, in the result's unit."""
    if trials < 2:
        return 0.0
    first, second = norm.ppf(1 - 1 / trials), norm.ppf(1 - 1 / (trials * math.e))
    return spread * ((1 - EULER) * float(first) + EULER * float(second))


def probabilistic_sharpe(
    ratio: float, benchmark: float, days: int, skewness: float, kurtosis_: float
) -> float:
    """The probability that the true Sharpe ratio lies above a benchmark, both by day (Bailey & Lopez de
    Prado 2012); `kurtosis_` is 3 for a normal distribution."""
    variance = 1 - skewness * ratio + (kurtosis_ - 1) / 4 * ratio**2
    return float(norm.cdf((ratio - benchmark) * math.sqrt(days - 1) / math.sqrt(max(variance, 1e-12))))


def deflated_sharpe(returns_T: Floats, trials: int, spread: float) -> float:
    """The probability that a track record is better than the luck of the best of so many trials (Bailey &
    Lopez de Prado 2014). `spread`: standard deviation of the trials' Sharpe ratios by year."""
    deviation = float(returns_T.std(ddof=1))
    if deviation <= 1e-15:
        return 0.0
    return probabilistic_sharpe(
        float(returns_T.mean()) / deviation,
        expected_best(trials, spread / math.sqrt(YEAR)),
        len(returns_T),
        float(skew(returns_T)),
        float(kurtosis(returns_T, fisher=False)),
    )
