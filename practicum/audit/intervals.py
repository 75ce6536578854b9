"""Intervals and tests that several audits share, each with its source."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta
from scipy.stats import t as student

from practicum.audit.rewards import Floats
from practicum.errors import InputError

Integers = NDArray[np.int64]
BOOTSTRAPS = 1000


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95% interval; `n` is how many independent things it rests on."""

    value: float
    low: float
    high: float
    n: int

    def json(self) -> dict[str, float]:
        """Plain values."""
        return {"value": self.value, "low": self.low, "high": self.high, "n": self.n}


def exact_share(successes: int, trials: int, level: float = 0.95) -> Estimate:
    """A share with its exact binomial interval (Clopper & Pearson 1934): covers at least `level`, always.

    Raises InputError for no trials.
    """
    if trials < 1:
        raise InputError("a share needs at least one trial, got 0")
    tail = (1 - level) / 2
    low = 0.0 if successes == 0 else float(beta.ppf(tail, successes, trials - successes + 1))
    high = 1.0 if successes == trials else float(beta.isf(tail, successes + 1, trials - successes))
    return Estimate(successes / trials, low, high, trials)


def clustered_share(hits_N: Floats, cluster_N: Integers, level: float = 0.95) -> Estimate:
    """A share of N things that come in clusters (responses of one prompt), with its interval.

    The exact binomial interval at the effective sample size p(1 - p) / variance between clusters, corrected
    for few clusters by t quantiles (Korn & Graubard 1998, Survey Methodology 24). A bootstrap over clusters
    covered a share of 97% in only 90 of 100 simulations, and none of its kind has an interval at 100%.
    hits_N: 0, 1 or shares between; cluster_N: numbers of the clusters. `n` is the number of clusters.
    Raises InputError for fewer than two clusters.
    """
    _, cluster = np.unique(cluster_N, return_inverse=True)
    sizes_C = np.bincount(cluster).astype(np.float64)
    sums_C = np.bincount(cluster, hits_N)
    clusters, things = len(sizes_C), float(len(cluster))
    if clusters < 2:
        raise InputError(f"an interval needs at least 2 prompts, got {clusters}: give more prompts")
    share = float(sums_C.sum() / things)
    variance = clusters / (clusters - 1) * float(((sums_C - share * sizes_C) ** 2).sum()) / things**2
    tail = (1 - level) / 2
    # All alike: nothing tells how far responses to one prompt agree, so each prompt counts once.
    effective = share * (1 - share) / variance if variance > 0 else float(clusters)
    effective *= float(student.isf(tail, things - 1) / student.isf(tail, clusters - 1)) ** 2
    effective = max(1.0, min(effective, things))
    hits = share * effective
    low = 0.0 if share == 0 else float(beta.ppf(tail, hits, effective - hits + 1))
    high = 1.0 if share == 1 else float(beta.isf(tail, hits + 1, effective - hits))
    return Estimate(share, low, high, clusters)


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
