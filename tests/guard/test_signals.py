"""Signals of the guard against the libraries that define them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from practicum.errors import InputError
from practicum.guard.signals import (
    calibrate,
    cusum,
    length,
    rank_correlation,
    repeated_triples,
    tail_index,
)

# Few different values, so that many are equal, or any values at all.
VALUES = st.one_of(st.integers(-3, 3).map(float), st.floats(-1e6, 1e6))
PAIRS = st.lists(st.tuples(VALUES, VALUES), min_size=3, max_size=60)


@given(PAIRS, st.sampled_from([np.float32, np.float64]))
def test_rank_correlations_are_spearmans(pairs: list[tuple[float, float]], dtype: type[np.floating]) -> None:
    first, second = np.array(pairs, dtype=dtype).T
    assume(np.ptp(first) > 0 and np.ptp(second) > 0)
    assert rank_correlation(first, second) == pytest.approx(spearmanr(first, second).statistic, abs=1e-12)


@given(PAIRS)
def test_ranks_are_what_counting_gives_to_the_last_bit(pairs: list[tuple[float, float]]) -> None:
    first, second = np.array(pairs).T
    assume(np.ptp(first) > 0 and np.ptp(second) > 0)
    # A value's rank: how many are smaller, and the middle of the places of its equals.
    ranks = [
        [(side < value).sum() + ((side == value).sum() + 1) / 2 for value in side] for side in (first, second)
    ]
    assert rank_correlation(first, second) == np.corrcoef(ranks[0], ranks[1])[0, 1]


def test_cusum_by_hand() -> None:
    signal = np.array([0.0, 2.0, 1.0, 3.0, 3.0, -5.0])  # baseline 0, 2: mean 1, deviation sqrt 2
    z = (signal - 1) / np.sqrt(2)
    expected = [0, 0, max(0, z[2] - 0.5)]
    expected.append(expected[-1] + z[3] - 0.5)
    expected.append(expected[-1] + z[4] - 0.5)
    expected.append(max(0.0, expected[-1] + z[5] - 0.5))
    assert cusum(signal, +1, baseline=2).tolist() == pytest.approx(expected)
    assert cusum(-signal, -1, baseline=2).tolist() == pytest.approx(expected)
    assert (cusum(signal, 0, 2) == np.maximum(cusum(signal, 1, 2), cusum(signal, -1, 2))).all()


def test_too_few_clean_runs_cannot_support_the_rate() -> None:
    with pytest.raises(
        InputError, match="10 clean runs cannot support a false-alarm rate of 5%: give 19 or more"
    ):
        calibrate([np.ones(3)] * 10)
    assert calibrate([np.array([float(place)]) for place in range(19)]) == 18.0


def test_tail_index_ranks_tails() -> None:
    generator = np.random.default_rng(0)
    normal, cauchy = generator.normal(size=4000), generator.standard_cauchy(4000)
    pareto = generator.pareto(2.0, 200_000) + 1
    assert tail_index(normal) < 0.4 < 0.8 < tail_index(cauchy) < 1.3
    assert tail_index(pareto, 0.005) == pytest.approx(0.5, abs=0.08)  # the index of a Pareto(a) tail is 1/a
    assert tail_index(np.ones(50)) == 0.0
    with pytest.raises(InputError, match="20 rewards or more, got 5"):
        tail_index(np.ones(5))


def test_small_signals() -> None:
    assert repeated_triples("abcd") == 0.0
    assert repeated_triples(["ha"] * 5) == pytest.approx(2 / 3)
    assert repeated_triples(["ha", "ha"]) == repeated_triples([]) == 0.0
    assert length(["one two", "one two three four"]) == 3.0
    assert rank_correlation(np.array([1, 2, 9]), np.array([0.1, 0.2, 0.3])) == pytest.approx(1)
    assert rank_correlation(np.ones(4), np.arange(4.0)) == 0.0
    with pytest.raises(InputError, match="3 pairs or more"):
        rank_correlation(np.ones(2), np.ones(2))
