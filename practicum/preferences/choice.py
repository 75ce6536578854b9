"""How people order things: the Plackett-Luce and Thurstone models, their likelihoods, samples and fits.

Both are random-utility models: a person adds noise to each item's utility and sorts. Gumbel noise gives
Plackett-Luce (Luce 1959; Plackett 1975; the equivalence is Yellott 1977), normal noise of equal spread
Thurstone's case V (Thurstone 1927). NOISE_SPREAD makes the two comparable: one unit of utility then means
nearly the same in both.

A ranking is given as tiers of items, best tier first. A tie says that the order within a tier was not told
apart, so its probability is the sum over all strict orders that agree with the tiers.

Dimensions: N items, R strict orders, K places of an order, G grid points.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import permutations, product
from math import factorial, pi, prod, sqrt
from typing import Literal, TypeAlias

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, ndtr

from practicum.errors import InputError
from practicum.stats import Floats, Integers

Model: TypeAlias = Literal["plackett-luce", "thurstone"]
Tiers: TypeAlias = Sequence[Sequence[int]]

NOISE_SPREAD = pi / sqrt(6)
"""Standard deviation of a standard Gumbel variable, and so of Thurstone's normal noise."""
MAX_ORDERS = 5040
"""Most strict orders one ranking with ties may stand for: a tier of seven."""
GRID_POINTS = 601
GRID_REACH = 8.0
"""Standard deviations beyond the extreme utilities that the grid of integration covers."""
CHUNK = 256
"""Orders integrated at once, which bounds memory."""


# ------------------------------------------------------------------------------------ probabilities, samples


def pair_probability(difference: float | Floats, model: Model, scale: float = 1.0) -> Floats:
    """P(first above second) for a difference of utilities, elementwise; `scale` multiplies the noise.

    sigmoid(d / scale) (Bradley & Terry 1952) or Phi(d / (scale NOISE_SPREAD sqrt 2)) (Thurstone 1927).
    """
    standard = np.asarray(difference, dtype=np.float64) / scale
    if model == "plackett-luce":
        return np.asarray(expit(standard))
    return np.asarray(ndtr(standard / (NOISE_SPREAD * sqrt(2))))


def perceived(
    utilities_N: Floats, model: Model, generator: np.random.Generator, scale: float = 1.0
) -> Floats:
    """Utilities with one draw of the model's noise: sorted downwards they are a sample of the model."""
    if model == "plackett-luce":
        return utilities_N + scale * generator.gumbel(size=utilities_N.shape)
    return utilities_N + scale * generator.normal(0.0, NOISE_SPREAD, utilities_N.shape)


def log_probability(tiers: Tiers, utilities_N: Floats, model: Model, scale: float = 1.0) -> float:
    """Log-probability of a ranking; the items it does not name play no part. See `fit` for the errors."""
    (group,) = _groups([tiers], len(utilities_N))
    value, _ = _group_likelihood(group, np.asarray(utilities_N, dtype=np.float64) / scale, model)
    return float(value.sum())


# -------------------------------------------------------------------------------------------------- fitting


def fit(rankings: Sequence[Tiers], items: int, model: Model, ridge: float = 0.0) -> Floats:
    """Utilities [N] of greatest likelihood, mean 0, from rankings of any of the items.

    `ridge` adds ridge/2 sum u^2 to the negative log-likelihood: without it an item that always wins has no
    finite utility (Ford 1957). Items never ranked get 0. Raises InputError for a tier that is empty, an
    unknown item, an item named twice, fewer than two items, or more ties than MAX_ORDERS orders.
    """
    groups = _groups(rankings, items)
    if not groups:
        raise InputError("no rankings to fit utilities to: expected at least one")

    def loss(utilities_N: Floats) -> tuple[float, Floats]:
        total, gradient_N = ridge / 2 * float(utilities_N @ utilities_N), ridge * utilities_N
        for group in groups:
            values, part_N = _group_likelihood(group, utilities_N, model)
            total -= float(values.sum())
            gradient_N = gradient_N - part_N
        return total / len(rankings), gradient_N / len(rankings)

    found = minimize(
        loss, np.zeros(items), jac=True, method="L-BFGS-B", options={"gtol": 1e-9, "ftol": 1e-14}
    )
    utilities_N: Floats = found.x
    ranked = np.unique(np.concatenate([group.items_RK.ravel() for group in groups]))
    utilities_N[ranked] -= utilities_N[ranked].mean()
    return utilities_N


@dataclass(frozen=True)
class _Group:
    """The strict orders [R, K] of all rankings of K items; `starts` is where each ranking's orders begin."""

    items_RK: Integers
    starts: Integers


def strict_orders(tiers: Tiers) -> Iterable[tuple[int, ...]]:
    """Every strict order that agrees with the tiers."""
    for choice in product(*(permutations(tier) for tier in tiers)):
        yield tuple(item for tier in choice for item in tier)


def _groups(rankings: Sequence[Tiers], items: int) -> list[_Group]:
    """Rankings as strict orders, those of equal length together."""
    by_length: dict[int, list[Tiers]] = {}
    for index, tiers in enumerate(rankings):
        named = [item for tier in tiers for item in tier]
        if not all(len(tier) for tier in tiers) or len(named) < 2:
            raise InputError(f"ranking {index}: expected tiers of at least two items, none empty: {tiers!r}")
        if len(set(named)) < len(named) or not all(0 <= item < items for item in named):
            raise InputError(f"ranking {index}: expected distinct items from 0 to {items - 1}: {tiers!r}")
        if prod(factorial(len(tier)) for tier in tiers) > MAX_ORDERS:
            raise InputError(
                f"ranking {index}: its ties allow more than {MAX_ORDERS} orders: split the tiers"
            )
        by_length.setdefault(len(named), []).append(tiers)
    return [_group(members) for members in by_length.values()]


def _group(members: Sequence[Tiers]) -> _Group:
    orders = [list(strict_orders(tiers)) for tiers in members]
    counts = [len(each) for each in orders]
    flat = [order for each in orders for order in each]
    return _Group(np.array(flat, dtype=np.int64), np.concatenate([[0], np.cumsum(counts)[:-1]]))


def _group_likelihood(group: _Group, utilities_N: Floats, model: Model) -> tuple[Floats, Floats]:
    """Log-probability of each ranking of a group, and the gradient [N] of their sum."""
    evaluate = _plackett_luce if model == "plackett-luce" else _thurstone
    values_R, slopes_RK = evaluate(utilities_N[group.items_RK])
    # A ranking's probability is the sum of its orders', so each order counts by its share of that sum.
    totals = np.logaddexp.reduceat(values_R, group.starts)
    counts = np.diff(np.append(group.starts, len(values_R)))
    share_R = np.exp(values_R - np.repeat(totals, counts))
    gradient_N = np.zeros_like(utilities_N)
    np.add.at(gradient_N, group.items_RK, share_R[:, None] * slopes_RK)
    return totals, gradient_N


def _plackett_luce(utilities_RK: Floats) -> tuple[Floats, Floats]:
    """Log-probabilities [R] of strict orders, best first, and their slopes [R, K].

    log P = sum_k (u_k - log sum_{j >= k} exp u_j). Source: Plackett 1975.
    """
    rest_RK = np.logaddexp.accumulate(utilities_RK[:, ::-1], axis=1)[:, ::-1]
    chosen_RKK = np.exp(utilities_RK[:, None, :] - rest_RK[:, :, None])
    still_there_KK = np.triu(np.ones((utilities_RK.shape[1],) * 2))
    slopes_RK = 1.0 - (chosen_RKK * still_there_KK).sum(axis=1)
    return (utilities_RK - rest_RK).sum(axis=1), slopes_RK


def _thurstone(utilities_RK: Floats) -> tuple[Floats, Floats]:
    """As `_plackett_luce`, for independent normal noise of spread NOISE_SPREAD, in chunks."""
    chunks = [
        _ordered_normals(utilities_RK[start : start + CHUNK]) for start in range(0, len(utilities_RK), CHUNK)
    ]
    return np.concatenate([one[0] for one in chunks]), np.concatenate([one[1] for one in chunks])


def _ordered_normals(utilities_RK: Floats) -> tuple[Floats, Floats]:
    """log P(X_1 > X_2 > ... > X_K) for X_k normal around u_k, and its slopes, by nested integrals on a grid.

    B_k(x) = P(X_k > ... > X_K, X_k <= x) = integral to x of f_k B_{k+1}, and A_k(x) = P(X_1 > ... > X_k,
    X_k >= x) = integral from x of f_k A_{k-1}; then dP/du_k = integral of f_k' A_{k-1} B_{k+1}.
    """
    low, high = utilities_RK.min() - GRID_REACH * NOISE_SPREAD, utilities_RK.max() + GRID_REACH * NOISE_SPREAD
    grid_G, step = np.linspace(low, high, GRID_POINTS, retstep=True)
    standard_RKG = (grid_G - utilities_RK[:, :, None]) / NOISE_SPREAD
    density_RKG = np.exp(-(standard_RKG**2) / 2) / (NOISE_SPREAD * sqrt(2 * pi))
    rows, places = utilities_RK.shape
    below_RG, above_RG = np.ones((rows, GRID_POINTS)), np.ones((rows, GRID_POINTS))
    below, above = [below_RG], [above_RG]
    for place in range(places - 1, 0, -1):
        below_RG = _running_integral(density_RKG[:, place] * below_RG, float(step))
        below.append(below_RG)
        other = density_RKG[:, places - 1 - place] * above_RG
        above_RG = _running_integral(other[:, ::-1], float(step))[:, ::-1]
        above.append(above_RG)
    slopes_RK = np.empty_like(utilities_RK)
    for place in range(places):
        weight_RG = density_RKG[:, place] * above[place] * below[places - 1 - place]
        slopes_RK[:, place] = (weight_RG * standard_RKG[:, place]).sum(axis=1) * step / NOISE_SPREAD
        if place == 0:
            probability_R = weight_RG.sum(axis=1) * step
    safe_R = np.maximum(probability_R, 1e-300)
    return np.log(safe_R), slopes_RK / safe_R[:, None]


def _running_integral(values_RG: Floats, step: float) -> Floats:
    """Integral from the first grid point to each: the trapezoid rule with its first end correction."""
    running_RG = np.zeros_like(values_RG)
    np.cumsum((values_RG[:, 1:] + values_RG[:, :-1]) * (step / 2), axis=1, out=running_RG[:, 1:])
    slope_RG = np.gradient(values_RG, step, axis=1)
    corrected: Floats = running_RG - step**2 / 12 * (slope_RG - slope_RG[:, :1])
    return corrected
