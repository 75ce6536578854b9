"""Intervals of shares: exact where answers are independent, and wide enough where they come in clusters."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from practicum.errors import InputError
from practicum.stats import clustered_error, clustered_share, exact_share, share_by_problem
from practicum.tasks.equations.task import EquationsConfig, EquationsTask
from practicum.tasks.jokes.task import JokesTask

SIMULATIONS = 600
LEAST = 0.93


def real_clusters() -> dict[str, list[str]]:
    """The problems of the examinations' own prompts, by name, and some that repeat far more."""
    equations = EquationsTask()
    family = EquationsTask(replace(EquationsConfig(), families={"rational": 1.0}))
    return {
        f"{name}-{split}": [prompt.problem for prompt in task.prompts(split, count, 1)]
        for name, task, splits, count in (
            ("mix", equations, ("test", "validation"), 1000),
            ("family", family, ("test", "validation"), 1000),
            ("pass-at-k", equations, ("test",), 200),
            ("jokes", JokesTask(), ("test", "validation"), 1000),
        )
        for split in splits
    } | {"few-large": [str(number) for number in range(60) for _ in range(max(1, 100 // (number + 1)))]}


CLUSTERS = real_clusters()


def own_shares(share: float, agreement: float, problems: int, generator: np.random.Generator) -> np.ndarray:
    """Each problem's chance of a right answer: mean `share`, and two answers correlated by `agreement`."""
    if agreement == 0:
        return np.full(problems, share)
    if agreement == 1:
        return (generator.random(problems) < share).astype(np.float64)
    scale = (1 - agreement) / agreement
    return generator.beta(share * scale, (1 - share) * scale, problems)


@pytest.mark.parametrize("agreement", [0.0, 0.3, 0.7, 1.0])
@pytest.mark.parametrize("share", [0.05, 0.5, 0.95, 0.98])
@pytest.mark.parametrize("name", CLUSTERS)
def test_an_examination_covers_the_truth_with_its_real_clusters(
    name: str, share: float, agreement: float
) -> None:
    generator = np.random.default_rng(7)
    problems = np.unique(CLUSTERS[name], return_inverse=True)[1]
    names = [str(number) for number in problems]
    covered = 0
    for _ in range(SIMULATIONS):
        own = own_shares(share, agreement, problems.max() + 1, generator)
        hits = (generator.random(len(problems)) < own[problems]).astype(float)
        found = share_by_problem(hits.tolist(), names)
        assert 0 <= found.low <= found.value <= found.high <= 1
        covered += found.low <= share <= found.high
    assert covered / SIMULATIONS >= LEAST


@pytest.mark.parametrize("agreement", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("share", [0.05, 0.5, 0.95])
def test_responses_in_unequal_clusters_are_covered(share: float, agreement: float) -> None:
    generator = np.random.default_rng(7)
    cluster = np.array([int(number) for number in CLUSTERS["few-large"]])
    covered = 0
    for _ in range(SIMULATIONS):
        own = own_shares(share, agreement, 60, generator)
        found = clustered_share((generator.random(len(cluster)) < own[cluster]).astype(float), cluster)
        covered += found.low <= share <= found.high
    assert covered / SIMULATIONS >= LEAST


@given(st.lists(st.booleans(), min_size=1, max_size=60))
def test_different_problems_have_the_exact_interval_or_nearly(hits: list[bool]) -> None:
    found = share_by_problem(hits, [str(number) for number in range(len(hits))])
    exact = exact_share(sum(hits), len(hits))
    assert found.value == exact.value
    assert found.low <= exact.low + 1e-9
    assert found.high >= exact.high - 1e-9
    assert found.high - found.low <= 1.2 * (exact.high - exact.low)


@given(st.lists(st.booleans(), min_size=2, max_size=40), st.integers(2, 12))
def test_asking_every_problem_again_tells_nothing_new(hits: list[bool], times: int) -> None:
    problems = [str(number) for number in range(len(hits))]
    once = share_by_problem(hits, problems)
    again = share_by_problem(hits * times, problems * times)
    assert again.value == pytest.approx(once.value)
    assert again.n == once.n
    assert again.high - again.low >= 0.98 * (once.high - once.low)


@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 5)), min_size=1, max_size=40))
def test_intervals_hold_their_share(answers: list[tuple[float, int]]) -> None:
    found = share_by_problem([hit for hit, _ in answers], [str(problem) for _, problem in answers])
    assert -1e-9 <= found.low <= found.value + 1e-9
    assert found.value - 1e-9 <= found.high <= 1 + 1e-9


def test_one_problem_tells_nearly_nothing_and_none_is_refused() -> None:
    found = share_by_problem([1.0] * 500, ["the same"] * 500)
    assert found.low < 0.05
    with pytest.raises(InputError, match="at least one trial"):
        share_by_problem([], [])


def test_the_error_of_a_mean_counts_clusters() -> None:
    # By hand: means 1, 2, 3 of three clusters of two; their standard deviation 1 over the root of 3.
    values, names = [1.0, 1.0, 2.0, 2.0, 3.0, 3.0], ["a", "a", "b", "b", "c", "c"]
    assert clustered_error(values, names) == pytest.approx(1 / math.sqrt(3))
    assert clustered_error([1.0, 2.0], ["a", "a"]) == math.inf
