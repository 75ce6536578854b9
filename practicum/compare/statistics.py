"""Statistics of few runs: interquartile mean, stratified bootstrap, probability of improvement, paired tests.

The first three are those of Agarwal et al. 2021 (Deep Reinforcement Learning at the Edge of the Statistical
Precipice, 2108.13264) and of its library rliable. Suffixes: R runs (seeds), T tasks, C clusters
(problems), D draws of a bootstrap.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from practicum.quantiles import students_t_above, students_t_tail
from practicum.stats import Estimate, Floats

DRAWS = 2000
"""Samples that a bootstrap draws."""
Statistic = Callable[[Floats], Floats]
"""Scores [..., R, T] -> a figure for each of the leading places."""


def interquartile_mean(scores: Floats) -> Floats:
    """Mean of the middle half of the last two axes together, float64 [...].

    A quarter of the scores, rounded down, is left out at either end, as by scipy's trim_mean(0.25).
    """
    flat = np.sort(scores.reshape(*scores.shape[:-2], -1), axis=-1)
    cut = flat.shape[-1] // 4
    middle: Floats = flat[..., cut : flat.shape[-1] - cut].mean(-1)
    return middle


def drawn_runs(
    scores_RT: Floats, draws: int, generator: np.random.Generator, *, together: bool = False
) -> Floats:
    """Scores with the runs redrawn, apart in every task (the strata), float64 [draws, R, T].

    `together` redraws whole runs, for columns that are not tasks but places of one curve.
    """
    runs, tasks = scores_RT.shape
    index = generator.integers(0, runs, (draws, runs, 1 if together else tasks))
    return np.asarray(scores_RT[index, np.arange(tasks)])


def stratified_bootstrap(
    scores_RT: Floats,
    statistic: Statistic = interquartile_mean,
    *,
    draws: int = DRAWS,
    seed: int = 0,
    level: float = 0.95,
) -> Estimate:
    """A figure of all runs with its percentile interval over redrawn runs, the tasks being the strata."""
    drawn = statistic(drawn_runs(scores_RT, draws, np.random.default_rng(seed)))
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(float(statistic(scores_RT)), float(low), float(high), scores_RT.shape[0])


@dataclass(frozen=True)
class Band:
    """A curve with its interval at every place, each float64 [T]."""

    value_T: Floats
    low_T: Floats
    high_T: Floats


def curve_band(scores_RT: Floats, *, draws: int = DRAWS, seed: int = 0, level: float = 0.95) -> Band:
    """Interquartile mean over runs at every place of a curve, with the interval of redrawn runs."""

    def middle(scores: Floats) -> Floats:
        return interquartile_mean(np.moveaxis(scores, -1, 0)[..., None])

    drawn = middle(drawn_runs(scores_RT, draws, np.random.default_rng(seed), together=True))
    low_T, high_T = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=-1)
    return Band(middle(scores_RT), low_T, high_T)


# ------------------------------------------------------------------------------- runs asked the same problems


@dataclass(frozen=True)
class Answers:
    """What the runs of a recipe scored on the same problems, in the same order.

    sums_RC: scores of each run added up over the prompts of each problem; sizes_C: prompts of each problem;
    strata_C: number of the kind of each problem, from 0.
    """

    sums_RC: Floats
    sizes_C: Floats
    strata_C: NDArray[np.int64]

    @property
    def run_means(self) -> Floats:
        """Mean score of each run, float64 [R]."""
        return np.asarray(self.sums_RC.sum(1) / self.sizes_C.sum())


def middle_of_answers(
    answers: Answers, *, draws: int = DRAWS, seed: int = 0, level: float = 0.95
) -> Estimate:
    """Interquartile mean over runs of their mean scores, with its interval over runs and problems.

    Runs are redrawn, and so are problems, the same for all runs, within each kind (the strata): the
    bootstrap of two crossed samples (Owen 2007, The pigeonhole bootstrap).
    """
    generator = np.random.default_rng(seed)
    runs = answers.sums_RC.shape[0]
    count_DC = _redrawn(answers.strata_C, draws, generator)
    means_DR = (count_DC @ answers.sums_RC.T) / (count_DC @ answers.sizes_C)[:, None]
    index_DR = generator.integers(0, runs, (draws, runs))
    drawn = interquartile_mean(np.take_along_axis(means_DR, index_DR, 1)[..., None])
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(float(interquartile_mean(answers.run_means[:, None])), float(low), float(high), runs)


def _redrawn(strata_C: NDArray[np.int64], draws: int, generator: np.random.Generator) -> Floats:
    """How often each problem is drawn, as many of each kind as there are, float64 [D, C]."""
    count_DC = np.zeros((draws, len(strata_C)))
    for kind in np.unique(strata_C):
        places = np.flatnonzero(strata_C == kind)
        count_DC[:, places] = generator.multinomial(len(places), np.full(len(places), 1 / len(places)), draws)
    return count_DC


@dataclass(frozen=True)
class Difference:
    """One mean less another, its 95% interval, and p of there being none; nothing of the two for one run."""

    value: float
    low: float | None
    high: float | None
    p: float | None


def paired_difference(one: Answers, other: Answers, level: float = 0.95) -> Difference:
    """Mean score of one recipe less another's, the same seeds and the same problems paired.

    Runs and problems are both samples: the claim is about other seeds and other problems. The variance of the
    mean difference is that of two crossed random factors (Clark 1973), and t has the degrees of freedom of
    the smaller sample, which is the runs. Satterthwaite's would be more, and with few runs find too much: of
    pairs that do not differ up to 13% at 5% with two runs, and seven times too many at the small p that many
    pairs ask for with five. A sign test of five runs could not come below p = 1/16, and a bootstrap of five
    draws from four fifths of their variance.
    """
    sizes_C = one.sizes_C
    runs, problems = one.sums_RC.shape
    total = float(sizes_C.sum())
    gap_RC = one.sums_RC - other.sums_RC
    value = float(gap_RC.sum() / (runs * total))
    if runs < 2 or problems < 2:
        return Difference(value, None, None, None)
    # Scaled, so that the mean over problems is the mean over prompts, and less its own mean.
    rest_RC = (gap_RC - value * sizes_C) * problems / total
    variance, freedom = crossed_variance(rest_RC), min(runs, problems) - 1
    if variance == 0:
        return Difference(value, value, value, 1.0 if value == 0 else 0.0)
    error = float(np.sqrt(variance))
    reach = students_t_above((1 - level) / 2, freedom) * error
    p = 2 * students_t_tail(abs(value) / error, freedom)
    return Difference(value, value - reach, value + reach, p)


def crossed_variance(values_RC: Floats) -> float:
    """Variance of the mean of values by two crossed random factors, one a cell.

    (MS runs + MS problems - MS rest) / (R C), and never less than what either factor says alone.
    """
    runs, problems = values_RC.shape
    mean = values_RC.mean()
    by_run_R, by_problem_C = values_RC.mean(1) - mean, values_RC.mean(0) - mean
    rest_RC = values_RC - mean - by_run_R[:, None] - by_problem_C
    of_runs = problems * float((by_run_R**2).sum()) / (runs - 1)
    of_problems = runs * float((by_problem_C**2).sum()) / (problems - 1)
    rest = float((rest_RC**2).sum()) / ((runs - 1) * (problems - 1))
    return float(max(of_runs, of_problems, of_runs + of_problems - rest) / (runs * problems))


def probability_of_improvement(
    one_R: Floats, other_R: Floats, *, draws: int = DRAWS, seed: int = 0, level: float = 0.95
) -> Estimate:
    """Chance that a run of one recipe scores above a run of another, ties counting half.

    Mann and Whitney's U over all pairs of runs, as rliable has it, with the interval of redrawn runs.
    """
    above = (one_R[:, None] > other_R) + 0.5 * (one_R[:, None] == other_R)
    generator = np.random.default_rng(seed)
    first = generator.integers(0, len(one_R), (draws, len(one_R)))
    second = generator.integers(0, len(other_R), (draws, len(other_R)))
    drawn = above[first[:, :, None], second[:, None, :]].mean((1, 2))
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(float(above.mean()), float(low), float(high), len(one_R))
