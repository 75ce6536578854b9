"""The statistics of few runs against hand-worked cases, whole enumerations and scipy."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import mannwhitneyu, trim_mean, ttest_rel
from scipy.stats import t as student

from practicum.compare.statistics import (
    Answers,
    curve_band,
    interquartile_mean,
    middle_of_answers,
    paired_difference,
    probability_of_improvement,
    stratified_bootstrap,
)

SCORES = st.floats(-100, 100).map(lambda value: round(value, 3))
MATRICES = arrays(np.float64, st.tuples(st.integers(1, 9), st.integers(1, 4)), elements=SCORES)


def answers(hits_RC: np.ndarray, sizes: list[int] | None = None) -> Answers:
    problems = hits_RC.shape[1]
    sizes_C = np.array(sizes or [1] * problems, dtype=np.float64)
    return Answers(hits_RC * sizes_C, sizes_C, np.zeros(problems, dtype=np.int64))


# ------------------------------------------------------------------------------ interquartile mean, bootstrap


def test_the_interquartile_mean_by_hand() -> None:
    # Of five a quarter is 1.25, rounded down 1, at either end: the mean of 2, 3 and 10.
    assert interquartile_mean(np.array([[3.0], [1.0], [100.0], [2.0], [10.0]])) == pytest.approx(5.0)
    assert interquartile_mean(np.array([[1.0, 2.0], [3.0, 100.0]])) == pytest.approx(2.5)
    assert interquartile_mean(np.array([[7.0]])) == 7.0


@given(MATRICES)
def test_the_interquartile_mean_is_scipys_trimmed_mean(scores: np.ndarray) -> None:
    assert interquartile_mean(scores) == pytest.approx(trim_mean(scores, 0.25, axis=None), abs=1e-9)
    stacked = np.stack([scores, scores[::-1] + 1])
    assert interquartile_mean(stacked)[1] == pytest.approx(trim_mean(scores + 1, 0.25, axis=None), abs=1e-9)


def test_the_stratified_bootstrap_is_that_of_all_redraws_counted_out() -> None:
    scores_RT = np.array([[0.1, 5.0], [0.4, 7.0], [0.9, 6.0]])
    # Runs are redrawn apart in every task: 27 redraws of the one by 27 of the other, all equally likely.
    redraws = [list(one) for one in product(range(3), repeat=3)]
    exact = [
        trim_mean(np.stack([scores_RT[one, 0], scores_RT[other, 1]], 1), 0.25, axis=None)
        for one in redraws
        for other in redraws
    ]
    found = stratified_bootstrap(scores_RT, draws=40_000)
    assert found.value == pytest.approx(trim_mean(scores_RT, 0.25, axis=None))
    assert [found.low, found.high] == pytest.approx(np.quantile(exact, [0.025, 0.975]), abs=0.03)


@given(MATRICES)
@settings(max_examples=30)
def test_an_interval_lies_within_the_scores(scores: np.ndarray) -> None:
    found = stratified_bootstrap(scores, draws=50)
    assert scores.min() - 1e-9 <= found.low <= found.high <= scores.max() + 1e-9
    band = curve_band(scores, draws=50)
    assert (band.low_T <= band.high_T).all()
    assert band.value_T == pytest.approx(trim_mean(scores, 0.25, axis=0), abs=1e-9)


def test_a_curve_redraws_whole_runs() -> None:
    # Two runs that cross: their middle is level, and so is any redraw's, only because runs stay whole.
    crossing = np.array([[0.0, 1.0], [1.0, 0.0]])
    band = curve_band(crossing, draws=500)
    assert band.value_T == pytest.approx([0.5, 0.5])
    assert band.low_T == pytest.approx([0.0, 0.0])
    assert band.high_T == pytest.approx([1.0, 1.0])


# ------------------------------------------------------------------------------------- pairs, improvement


@given(st.lists(SCORES, min_size=1, max_size=8), st.lists(SCORES, min_size=1, max_size=8))
@settings(max_examples=50)
def test_the_probability_of_improvement_is_mann_and_whitneys(one: list[float], other: list[float]) -> None:
    found = probability_of_improvement(np.array(one), np.array(other), draws=20)
    statistic = mannwhitneyu(one, other).statistic
    assert found.value == pytest.approx(statistic / (len(one) * len(other)))
    turned = probability_of_improvement(np.array(other), np.array(one), draws=20)
    assert found.value + turned.value == pytest.approx(1)


def test_where_runs_alone_differ_the_paired_test_is_students() -> None:
    # Every problem of a run has the same gap, so that runs are all that varies.
    gaps = np.array([0.1, 0.3, 0.2, 0.5])
    one, other = answers(np.repeat(gaps[:, None], 6, 1) + 1), answers(np.ones((4, 6)))
    found = paired_difference(one, other)
    known = ttest_rel(gaps + 1, np.ones(4))
    assert found.value == pytest.approx(gaps.mean())
    assert found.p == pytest.approx(known.pvalue)
    assert [found.low, found.high] == pytest.approx(list(known.confidence_interval(0.95)))


def test_where_problems_alone_differ_their_error_is_students_and_the_freedom_that_of_the_runs() -> None:
    gaps = np.array([0.0, 1.0, 1.0, 0.0, -1.0, 1.0])
    one, other = answers(np.repeat(gaps[None], 3, 0) + 1), answers(np.ones((3, 6)))
    known = ttest_rel(gaps + 1, np.ones(6))
    assert paired_difference(one, other).p == pytest.approx(2 * student.sf(abs(known.statistic), 2))


@given(st.integers(2, 5), st.integers(2, 7), st.data())
@settings(max_examples=50)
def test_a_difference_turns_with_its_sides_and_problems_weigh_by_their_prompts(
    runs: int, problems: int, data: st.DataObject
) -> None:
    hits = [data.draw(arrays(np.float64, (runs, problems), elements=st.floats(0, 1))) for _ in range(2)]
    sizes = data.draw(st.lists(st.integers(1, 3), min_size=problems, max_size=problems))
    one, other = (answers(found, sizes) for found in hits)
    ahead, behind = paired_difference(one, other), paired_difference(other, one)
    weights = np.array(sizes) / sum(sizes)
    assert ahead.value == pytest.approx(((hits[0] - hits[1]) @ weights).mean(), abs=1e-9)
    assert ahead.value == pytest.approx(-behind.value, abs=1e-12)
    assert ahead.p is not None
    assert behind.p == pytest.approx(ahead.p)
    assert 0 <= ahead.p <= 1
    none = paired_difference(one, one)
    assert (none.value, none.p) == (0.0, 1.0)


def test_one_run_decides_nothing() -> None:
    found = paired_difference(answers(np.ones((1, 9))), answers(np.zeros((1, 9))))
    assert (found.value, found.low, found.high, found.p) == (1.0, None, None, None)


@pytest.mark.parametrize("runs", [2, 3, 5])
@pytest.mark.parametrize(("run_spread", "problem_spread"), [(0.0, 0.0), (0.3, 0.0), (1.0, 0.0), (0.3, 2.0)])
def test_recipes_that_do_not_differ_are_called_different_no_more_often_than_said(
    runs: int, run_spread: float, problem_spread: float
) -> None:
    generator = np.random.default_rng(7)
    found, repeats, problems = 0, 600, 40
    for _ in range(repeats):
        gap_RC = generator.normal(0, 1, (runs, problems)) + generator.normal(0, run_spread, (runs, 1))
        gap_RC += generator.normal(0, problem_spread, problems)
        p = paired_difference(answers(gap_RC), answers(np.zeros((runs, problems)))).p
        assert p is not None
        found += p <= 0.05
    # 5%, and three standard errors of so many repeats.
    assert found / repeats < 0.05 + 3 * (0.05 * 0.95 / repeats) ** 0.5


# ---------------------------------------------------------------------------------- runs and problems redrawn


def test_the_final_interval_is_of_runs_where_problems_agree_and_of_problems_where_runs_do() -> None:
    by_run = answers(np.repeat(np.array([[0.0], [0.5], [1.0]]), 40, 1))
    found = middle_of_answers(by_run)
    assert (found.value, found.low, found.high) == pytest.approx((0.5, 0.0, 1.0))
    hits_C = np.repeat([0.0, 1.0], 200)
    by_problem = middle_of_answers(answers(np.repeat(hits_C[None], 5, 0)))
    error = (0.25 / 400) ** 0.5
    assert by_problem.high - by_problem.low == pytest.approx(2 * 1.96 * error, rel=0.1)


def test_kinds_of_problems_are_strata() -> None:
    # All problems of a kind are scored alike, so that redrawing within kinds changes nothing.
    hits_C = np.repeat([0.0, 1.0], 20)
    stratified = Answers(np.repeat(hits_C[None], 5, 0), np.ones(40), hits_C.astype(np.int64))
    found = middle_of_answers(stratified)
    assert (found.low, found.value, found.high) == pytest.approx((0.5, 0.5, 0.5))
