"""The quantiles that every command needs are scipy.stats'."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta, binomtest, norm, rankdata
from scipy.stats import t as students_t

from practicum import quantiles
from practicum.stats import exact_share

tails = st.floats(1e-6, 1 - 1e-6)
shapes = st.floats(0.1, 1e4)


@given(tails, st.floats(1, 1e5), st.floats(-20, 20))
def test_students_t(tail: float, freedom: float, value: float) -> None:
    expected = students_t.isf(tail, freedom)
    assert quantiles.students_t_above(tail, freedom) == pytest.approx(expected, rel=1e-9, abs=1e-9)
    assert quantiles.students_t_tail(value, freedom) == pytest.approx(
        students_t.sf(value, freedom), rel=1e-9, abs=1e-300
    )


@given(tails, shapes, shapes)
def test_beta(tail: float, first: float, second: float) -> None:
    below, above = (beta.ppf(tail, first, second), beta.isf(tail, first, second))
    assert quantiles.beta_below(tail, first, second) == pytest.approx(below, rel=1e-9, abs=1e-12)
    assert quantiles.beta_above(tail, first, second) == pytest.approx(above, rel=1e-9, abs=1e-12)


@given(tails)
def test_normal(share: float) -> None:
    assert quantiles.normal_below(share) == pytest.approx(norm.ppf(share), rel=1e-12, abs=1e-12)


@given(st.lists(st.integers(-3, 3) | st.floats(-1e6, 1e6), min_size=1, max_size=30))
def test_average_ranks(values: list[float]) -> None:
    assert np.array_equal(quantiles.average_ranks(values), rankdata(values))


@given(st.data(), st.integers(1, 3000))
def test_intervals_of_shares_are_those_of_scipy(data: st.DataObject, trials: int) -> None:
    hits = data.draw(st.integers(0, trials))
    low, high = binomtest(hits, trials).proportion_ci(0.9, method="exact")
    found = exact_share(hits, trials, 0.9)
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-12)


def test_a_command_starts_without_scipys_statistics() -> None:
    code = "import sys, practicum.training.rl, practicum.compare.command; print('scipy.stats' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
