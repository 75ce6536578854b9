"""The rules that a policy must beat: fixed weights, risk and mean-variance, and strategies of the literature.

Every rule is `rule(relatives_TN, days) -> targets_TN`. Row t is decided at the close of day t from the rows
before t alone: row t itself is what happens next. `days` are those on which it may trade; other rows are NaN.
Two rules, named so, know the future and serve as limits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

Floats = NDArray[np.float64]
Rule = Callable[[Floats, Sequence[int]], Floats]
LOOKBACK = 504
"""Days from which risk and means are estimated: two years."""
FEWEST_DAYS = 60
"""With fewer days behind it an estimate is not made, and weights stay equal."""
YEAR, MONTH = 252, 21


def equal_weight(relatives_TN: Floats, days: Sequence[int]) -> Floats:
    """The same share of wealth in every asset: 1/N (DeMiguel, Garlappi & Uppal 2009)."""
    assets = relatives_TN.shape[1]
    return _on_days(relatives_TN, days, lambda past: np.full(assets, 1 / assets))


def buy_and_hold(relatives_TN: Floats, days: Sequence[int]) -> Floats:
    """Equal shares on the first day, and no trade after it."""
    return equal_weight(relatives_TN, days[:1])


def inverse_volatility(relatives_TN: Floats, days: Sequence[int]) -> Floats:
    """Shares in proportion to one over the standard deviation of the last two years."""

    def weigh(past: Floats) -> Floats:
        spread = past[-LOOKBACK:].std(0, ddof=1)
        share = 1 / np.maximum(spread, 1e-8)
        return np.asarray(share / share.sum())

    return _estimated(relatives_TN, days, weigh)


def minimum_variance(relatives_TN: Floats, days: Sequence[int]) -> Floats:
    """Long-only weights of least variance over the last two years, by skfolio.

    Assets whose returns did not vary have no variance: they share everything.
    """

    def weigh(past: Floats) -> Floats:
        moving_N = _moving(past)
        if not moving_N.all():
            return np.asarray(~moving_N / (~moving_N).sum())
        return _skfolio(past, "MINIMIZE_RISK")

    return _estimated(relatives_TN, days, weigh)


def mean_variance(relatives_TN: Floats, days: Sequence[int]) -> Floats:
    """Long-only weights of the highest ratio of mean to deviation over the last two years, by skfolio.

    An asset whose returns did not vary gets nothing, as cash would; where none varied, weights are equal.
    """
    assets = relatives_TN.shape[1]

    def weigh(past: Floats) -> Floats:
        moving_N = _moving(past)
        if not moving_N.any():
            return np.full(assets, 1 / assets)
        weights = np.zeros(assets)
        weights[moving_N] = _skfolio(past[:, moving_N], "MAXIMIZE_RATIO")
        return weights

    return _estimated(relatives_TN, days, weigh)


def momentum(relatives_TN: Floats, days: Sequence[int]) -> Floats:
    """Equal shares of the best third by the return of the last year without its last month (Jegadeesh &
    Titman 1993): what a person would try before training anything."""
    assets = relatives_TN.shape[1]
    chosen = max(1, round(assets / 3))

    def weigh(past: Floats) -> Floats:
        growth = np.log(past[-YEAR:-MONTH]).sum(0)
        weights = np.zeros(assets)
        weights[np.argsort(-growth, kind="stable")[:chosen]] = 1 / chosen
        return weights

    return _estimated(relatives_TN, days, weigh)


def _moving(past: Floats) -> NDArray[np.bool_]:
    """Which assets' returns varied over the last two years; skfolio refuses a variance below 1e-15."""
    return np.asarray(past[-LOOKBACK:].var(0, ddof=1) > 2e-15)


def _skfolio(past: Floats, objective: str) -> Floats:
    from skfolio.optimization import MeanRisk, ObjectiveFunction

    returns = past[-LOOKBACK:] - 1
    if objective == "MAXIMIZE_RATIO" and returns.mean(0).max() <= 0:
        # No asset has earned anything: there is no such ratio to raise, and least risk is what is left.
        objective = "MINIMIZE_RISK"
    model = MeanRisk(objective_function=ObjectiveFunction[objective])
    weights = np.maximum(np.asarray(model.fit(returns).weights_, dtype=np.float64), 0)
    return np.asarray(weights / weights.sum())


def _estimated(relatives_TN: Floats, days: Sequence[int], weigh: Callable[[Floats], Floats]) -> Floats:
    assets = relatives_TN.shape[1]
    return _on_days(
        relatives_TN,
        days,
        lambda past: weigh(past) if len(past) >= FEWEST_DAYS else np.full(assets, 1 / assets),
    )


def _on_days(relatives_TN: Floats, days: Sequence[int], weigh: Callable[[Floats], Floats]) -> Floats:
    targets = np.full(relatives_TN.shape, np.nan)
    for day in days:
        targets[day] = weigh(relatives_TN[:day])
    return targets


# ---------------------------------------------------------------------------- online portfolio selection


def exponentiated_gradient(relatives_TN: Floats, days: Sequence[int], rate: float = 0.05) -> Floats:
    """Weights that grow with what each asset did for the portfolio (Helmbold et al. 1998)."""

    def update(weights: Floats, seen: Floats) -> Floats:
        raised = weights * np.exp(rate * seen[-1] / (weights @ seen[-1]))
        return np.asarray(raised / raised.sum())

    return _online(relatives_TN, days, update)


def mean_reversion(relatives_TN: Floats, days: Sequence[int], threshold: float = 0.5) -> Floats:
    """PAMR: weights that move away from what has just risen (Li, Zhao, Hoi & Gopalkrishnan 2012)."""

    def update(weights: Floats, seen: Floats) -> Floats:
        apart = seen[-1] - seen[-1].mean()
        size = float(apart @ apart)
        step = max(0.0, float(weights @ seen[-1]) - threshold) / size if size > 0 else 0.0
        return onto_simplex(weights - step * apart)

    return _online(relatives_TN, days, update)


def universal(relatives_TN: Floats, days: Sequence[int], points: int = 10_000, seed: int = 0) -> Floats:
    """Cover's (1991) universal portfolio: the mean of all constant portfolios, each by its wealth, over
    points drawn evenly from the simplex."""
    assets = relatives_TN.shape[1]
    portfolios_PN = np.random.default_rng(seed).dirichlet(np.ones(assets), points)
    wealth_P = np.ones(points)

    def update(weights: Floats, seen: Floats) -> Floats:
        wealth_P[:] *= portfolios_PN @ seen[-1]
        wealth_P[:] /= wealth_P.max()
        return np.asarray((wealth_P @ portfolios_PN) / wealth_P.sum())

    return _online(relatives_TN, days, update)


def _online(relatives_TN: Floats, days: Sequence[int], update: Callable[[Floats, Floats], Floats]) -> Floats:
    """Weights that are equal on the first day and updated by each day that has passed since."""
    assets = relatives_TN.shape[1]
    targets = np.full(relatives_TN.shape, np.nan)
    weights = np.full(assets, 1 / assets)
    first, trading = days[0], set(days)
    for day in range(first, days[-1] + 1):
        if day > first:
            weights = update(weights, relatives_TN[first:day])
        if day in trading:
            targets[day] = weights
    return targets


def onto_simplex(point_N: Floats) -> Floats:
    """The nearest weights of at least 0 that sum to 1 (Duchi et al. 2008)."""
    # Far from the simplex the sums would lose the last digits; a shift of all changes nothing.
    point_N = point_N - point_N.max()
    ordered = np.sort(point_N)[::-1]
    excess = (np.cumsum(ordered) - 1) / np.arange(1, len(point_N) + 1)
    kept = np.flatnonzero(ordered > excess)[-1]
    return np.asarray(np.maximum(point_N - excess[kept], 0))


# ------------------------------------------------------------------------------------ with hindsight


def best_asset(relatives_TN: Floats, days: Sequence[int]) -> Floats:
    """All wealth in the asset that will have grown most: knows the future."""
    assets = relatives_TN.shape[1]
    best = int(np.log(relatives_TN[days[0] :]).sum(0).argmax())
    return _on_days(relatives_TN, days[:1], lambda past: np.eye(assets)[best])


def best_constant(relatives_TN: Floats, days: Sequence[int]) -> Floats:
    """The constant weights that would have grown most, rebalanced every day: knows the future."""
    weights = best_constant_weights(relatives_TN[days[0] :])
    return _on_days(relatives_TN, days, lambda past: weights)


def best_constant_weights(relatives_TN: Floats) -> Floats:
    """Constant weights of the greatest log wealth: concave, so one search finds them."""
    assets = relatives_TN.shape[1]

    def loss(weights: Floats) -> tuple[float, Floats]:
        growth = relatives_TN @ weights
        return -float(np.log(growth).mean()), -(relatives_TN / growth[:, None]).mean(0)

    found = minimize(
        loss,
        np.full(assets, 1 / assets),
        jac=True,
        method="SLSQP",
        bounds=[(0, 1)] * assets,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1, "jac": lambda w: np.ones(assets)},
        options={"maxiter": 500, "ftol": 1e-14},
    )
    weights = np.maximum(found.x, 0)
    return np.asarray(weights / weights.sum())
