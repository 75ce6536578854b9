"""Intervals of shares and of any statistic, and tests over many hypotheses, each with its source."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from practicum.errors import InputError
from practicum.quantiles import beta_above, beta_below, students_t_above

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


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
    share = successes / trials
    return Estimate(share, *_exact_bounds(share, trials, level), trials)


def clustered_share(hits_N: Floats, cluster_N: Integers, level: float = 0.95) -> Estimate:
    """A share of N things that come in clusters (responses to one prompt), with its interval.

    The exact binomial interval at the effective sample size: the smaller of p(1 - p) / variance between
    clusters (Korn & Graubard 1998, Survey Methodology 24) and N / (1 + (m - 1) r), with m the mean cluster
    size that a thing sees and r the correlation within clusters by analysis of variance (Kish 1965). The
    first alone covers too seldom where a few clusters are large and the share is near 0 or 1: those few
    decide it, and are often not drawn. Few clusters are corrected for by t quantiles.
    hits_N: 0, 1 or shares between; cluster_N: numbers of the clusters. `n` is the number of clusters.
    Raises InputError for fewer than two clusters.
    """
    sizes_C, sums_C, cluster = _clusters(hits_N, cluster_N)
    if len(sizes_C) < 2:
        raise InputError(f"an interval needs at least 2 prompts, got {len(sizes_C)}: give more prompts")
    things = float(sizes_C.sum())
    seen = float((sizes_C**2).sum()) / things
    effective = min(
        _between_clusters(sizes_C, sums_C),
        things / (1 + (seen - 1) * _correlation_within(np.asarray(hits_N), sizes_C, sums_C, cluster)),
    )
    return _at_effective_size(sizes_C, sums_C, effective, level)


def share_by_problem(hits_N: Sequence[float], problem_N: Sequence[str], level: float = 0.95) -> Estimate:
    """A share of N answers to problems, some asked more than once, as if a problem's answers were one answer.

    The exact binomial interval at Kish's effective number of problems, (sum of sizes)^2 / sum of squared
    sizes, or at the smaller effective size that the problems' differences show (Korn & Graubard 1998). It
    covers however far the answers to one problem agree, be it wholly, as greedy answers nearly do.
    problem_N: the name of each answer's problem. `n` is the number of problems; one or more are needed.
    Raises InputError for no answers.
    """
    if len(hits_N) == 0:
        raise InputError("a share needs at least one trial, got 0")
    _, numbers = np.unique(np.asarray(problem_N, dtype=object).astype(str), return_inverse=True)
    sizes_C, sums_C, _ = _clusters(np.asarray(hits_N, dtype=np.float64), numbers)
    effective = float(sizes_C.sum()) ** 2 / float((sizes_C**2).sum())
    if len(sizes_C) > 1:
        effective = min(effective, _between_clusters(sizes_C, sums_C))
    return _at_effective_size(sizes_C, sums_C, effective, level)


def student_mean(values_N: Sequence[float], level: float = 0.95) -> Estimate:
    """The mean of N independent values with Student's t interval (Student 1908).

    One value shows no spread: its interval is without limits. Raises InputError for no values.
    """
    exact_N = np.asarray(values_N, dtype=np.float64)
    count = len(exact_N)
    if count == 0:
        raise InputError("a mean needs at least one value, got 0")
    value, reach = float(exact_N.mean()), math.inf
    if count > 1:
        reach = students_t_above((1 - level) / 2, count - 1) * float(exact_N.std(ddof=1)) / math.sqrt(count)
    return Estimate(value, value - reach, value + reach, count)


def clustered_error(values_N: Sequence[float], cluster_N: Sequence[str]) -> float:
    """Standard error of a mean of values that come in named clusters (Cochran 1977, 9A).

    Infinite for one cluster."""
    _, numbers = np.unique(np.asarray(cluster_N, dtype=object).astype(str), return_inverse=True)
    sizes_C, sums_C, _ = _clusters(np.asarray(values_N, dtype=np.float64), numbers)
    return math.sqrt(_variance(sizes_C, sums_C)) if len(sizes_C) > 1 else math.inf


def _clusters(hits_N: Floats, cluster_N: Integers) -> tuple[Floats, Floats, Integers]:
    """Sizes of the clusters, sums of their hits, and each thing's cluster as a number from 0."""
    _, cluster = np.unique(cluster_N, return_inverse=True)
    sizes_C = np.bincount(cluster).astype(np.float64)
    return sizes_C, np.bincount(cluster, hits_N).astype(np.float64), cluster.astype(np.int64)


def _between_clusters(sizes_C: Floats, sums_C: Floats) -> float:
    """Effective sample size p(1 - p) / variance, with the variance between two or more clusters."""
    share, variance = float(sums_C.sum() / sizes_C.sum()), _variance(sizes_C, sums_C)
    # All alike: nothing tells how far the things of a cluster agree, so each cluster counts once.
    return share * (1 - share) / variance if variance > 0 else float(len(sizes_C))


def _variance(sizes_C: Floats, sums_C: Floats) -> float:
    """Variance of the mean of all things, estimated between two or more clusters."""
    clusters, things = len(sizes_C), float(sizes_C.sum())
    mean = float(sums_C.sum()) / things
    return clusters / (clusters - 1) * float(((sums_C - mean * sizes_C) ** 2).sum()) / things**2


def _correlation_within(hits_N: Floats, sizes_C: Floats, sums_C: Floats, cluster_N: Integers) -> float:
    """Correlation of the things of a cluster, from 0 to 1, by one-way analysis of variance (Fisher 1925)."""
    clusters, things = len(sizes_C), float(sizes_C.sum())
    if clusters == things:
        return 1.0
    means_C = sums_C / sizes_C
    between = float((sizes_C * (means_C - sums_C.sum() / things) ** 2).sum()) / (clusters - 1)
    within = float(((hits_N - means_C[cluster_N]) ** 2).sum()) / (things - clusters)
    size = (things - float((sizes_C**2).sum()) / things) / (clusters - 1)
    total = between + (size - 1) * within
    return min(1.0, max(0.0, (between - within) / total)) if total > 0 else 1.0


def _at_effective_size(sizes_C: Floats, sums_C: Floats, effective: float, level: float) -> Estimate:
    things = float(sizes_C.sum())
    independent = things**2 / float((sizes_C**2).sum())
    tail = (1 - level) / 2
    if things > 1:
        few = students_t_above(tail, max(1.0, independent - 1))
        effective *= (students_t_above(tail, things - 1) / few) ** 2
    share = float(sums_C.sum()) / things
    low, high = _exact_bounds(share, max(1.0, min(effective, things)), level)
    return Estimate(share, low, high, len(sizes_C))


def _exact_bounds(share: float, trials: float, level: float) -> tuple[float, float]:
    """Clopper and Pearson's interval of a share of `trials`, which need not be whole."""
    tail, hits = (1 - level) / 2, share * trials
    low = 0.0 if share == 0 else beta_below(tail, hits, trials - hits + 1)
    high = 1.0 if share == 1 else beta_above(tail, hits + 1, trials - hits)
    return low, high


BOOTSTRAPS = 1000
"""Samples that a bootstrap draws."""


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
