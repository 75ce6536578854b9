"""Intervals and tests that several audits share, each with its source."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from practicum.errors import InputError
from practicum.stats import Estimate, Floats, Integers, clustered_share, exact_share

__all__ = ["Estimate", "Floats", "Integers", "bootstrap", "clustered_share", "exact_share", "holm"]
BOOTSTRAPS = 1000


def bootstrap(
    statistic: Callable[[Integers], float], count: int, seed: int = 0, level: float = 0.95
) -> Estimate:
    """`statistic` of all of `count` things with a percentile interval over redrawn ones (Efron 1979).

    `statistic` takes int64 indices; a value that is not finite is left out of the quantiles.
    """
    if count < 2:
        raise InputError(f"an interval needs at least 2 prompts, got {count}: give more prompts")
    generator = np.random.default_rng(seed)
    drawn = np.array([statistic(generator.integers(0, count, count)) for _ in range(BOOTSTRAPS)])
    drawn = drawn[np.isfinite(drawn)]
    value = statistic(np.arange(count))
    if not len(drawn):
        return Estimate(value, float("-inf"), float("inf"), count)
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(value, float(low), float(high), count)


def holm(p_values: Sequence[float]) -> Floats:
    """Adjusted p-values: those at most a are rejected with family-wise error at most a (Holm 1979)."""
    values = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    scaled = np.minimum(1.0, values[order] * (len(values) - np.arange(len(values))))
    adjusted = np.empty_like(values)
    adjusted[order] = np.maximum.accumulate(scaled)
    return adjusted
