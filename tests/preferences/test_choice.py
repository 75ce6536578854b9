from itertools import combinations, permutations
from math import exp, log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.stats import multivariate_normal, norm

from practicum.errors import InputError
from practicum.preferences.choice import (
    NOISE_SPREAD,
    fit,
    log_probability,
    pair_probability,
    perceived,
    strict_orders,
)

MODELS = ("plackett-luce", "thurstone")
utilities = st.lists(st.floats(-3, 3), min_size=2, max_size=4)


def strict(order):
    return [(item,) for item in order]


@pytest.mark.parametrize("model", MODELS)
@settings(max_examples=25, deadline=None)
@given(values=utilities)
def test_all_strict_orders_together_are_certain(model, values):
    values = np.array(values)
    total = sum(
        exp(log_probability(strict(order), values, model)) for order in permutations(range(len(values)))
    )
    assert total == pytest.approx(1, abs=1e-6)


@given(values=utilities)
def test_plackett_luce_picks_the_best_again_and_again(values):
    expected, rest = 0.0, list(values)
    while len(rest) > 1:
        expected += rest[0] - log(sum(exp(value) for value in rest))
        rest.pop(0)
    assert log_probability(strict(range(len(values))), np.array(values), "plackett-luce") == pytest.approx(
        expected
    )


@settings(max_examples=12, deadline=None)
@given(values=st.lists(st.floats(-2, 2), min_size=3, max_size=4))
def test_thurstone_orders_match_the_multivariate_normal(values):
    size = len(values)
    differences = np.eye(size)[:-1] - np.eye(size)[1:]
    reference = multivariate_normal(
        -differences @ values, NOISE_SPREAD**2 * differences @ differences.T, seed=0, abseps=1e-8, releps=1e-8
    ).cdf(np.zeros(size - 1))
    assert exp(log_probability(strict(range(size)), np.array(values), "thurstone")) == pytest.approx(
        reference, abs=2e-5
    )


@pytest.mark.parametrize("model", MODELS)
@given(difference=st.floats(-4, 4))
def test_orders_of_two_are_the_pair_probability(model, difference):
    order = exp(log_probability([(0,), (1,)], np.array([difference, 0.0]), model))
    assert order == pytest.approx(float(pair_probability(difference, model)), abs=1e-8)


def test_pair_probabilities_are_the_textbook_ones():
    assert pair_probability(log(0.72 / 0.28), "plackett-luce") == pytest.approx(0.72)
    assert pair_probability(1.0, "thurstone") == pytest.approx(norm.cdf(1 / (np.sqrt(2) * NOISE_SPREAD)))
    # One unit means nearly the same in both models, which is what NOISE_SPREAD is for.
    gap = pair_probability(np.linspace(-4, 4, 81), "plackett-luce") - pair_probability(
        np.linspace(-4, 4, 81), "thurstone"
    )
    assert np.abs(gap).max() < 0.023


@pytest.mark.parametrize("model", MODELS)
def test_a_tie_is_the_sum_of_the_orders_it_leaves_open(model):
    values = np.array([0.3, -0.2, 1.0, 0.1])
    tied = exp(log_probability([(2, 0), (1, 3)], values, model))
    assert tied == pytest.approx(
        sum(
            exp(log_probability(strict(order), values, model))
            for order in ((2, 0, 1, 3), (0, 2, 1, 3), (2, 0, 3, 1), (0, 2, 3, 1))
        )
    )
    assert log_probability([(0, 1, 2, 3)], values, model) == pytest.approx(0, abs=1e-6)
    assert len(list(strict_orders([(0, 1, 2), (3,)]))) == 6


@pytest.mark.parametrize("model", MODELS)
def test_samples_occur_as_often_as_the_model_says(model):
    values = np.array([0.8, 0.0, -0.5])
    generator = np.random.default_rng(1)
    drawn = np.argsort(-np.stack([perceived(values, model, generator) for _ in range(20_000)]), axis=1)
    for order in permutations(range(3)):
        share = float((drawn == order).all(axis=1).mean())
        assert share == pytest.approx(exp(log_probability(strict(order), values, model)), abs=0.012)


@pytest.mark.parametrize("model", MODELS)
def test_more_noise_is_less_difference(model):
    values = np.array([1.0, 0.0, -1.0])
    assert log_probability(strict((0, 1, 2)), values, model, scale=2.0) == pytest.approx(
        log_probability(strict((0, 1, 2)), values / 2, model)
    )


@pytest.mark.parametrize("model", MODELS)
def test_the_fit_is_the_maximum_found_by_brute_force(model):
    generator = np.random.default_rng(3)
    truth = np.array([0.7, 0.1, -0.8])
    rankings = [strict(np.argsort(-perceived(truth, model, generator))) for _ in range(60)]
    rankings += [[(0, 1), (2,)], [(1,), (0, 2)]]
    distinct = [
        next(item for item in rankings if str(item) == text) for text in {str(one) for one in rankings}
    ]
    times = [sum(str(item) == str(one) for item in rankings) for one in distinct]

    def loss(free):
        values = np.array([free[0], free[1], -free[0] - free[1]])
        return -sum(
            count * log_probability(tiers, values, model)
            for count, tiers in zip(times, distinct, strict=True)
        )

    brute = minimize(loss, np.zeros(2), method="Nelder-Mead", options={"xatol": 1e-6, "fatol": 1e-9}).x
    assert fit(rankings, 3, model)[:2] == pytest.approx(brute, abs=1e-4)


@pytest.mark.parametrize("model", MODELS)
def test_the_fit_recovers_the_truth_from_overlapping_parts(model):
    generator = np.random.default_rng(4)
    truth = np.linspace(-1.2, 1.2, 7)
    rankings = []
    for chosen in list(combinations(range(7), 4)) * 30:
        noisy = perceived(truth[list(chosen)], model, generator)
        rankings.append(strict(np.array(chosen)[np.argsort(-noisy)]))
    assert fit(rankings, 7, model) == pytest.approx(truth, abs=0.2)


def test_a_ridge_keeps_a_constant_winner_finite_and_the_unranked_at_zero():
    found = fit([[(0,), (1,)]] * 5, 3, "plackett-luce", ridge=0.1)
    assert 0 < found[0] < 10
    assert found[2] == 0


@pytest.mark.parametrize(
    ("tiers", "said"),
    [
        ([(0,)], "at least two"),
        ([(0,), ()], "none empty"),
        ([(0,), (0,)], "distinct"),
        ([(0,), (9,)], "from 0 to 2"),
    ],
)
def test_bad_rankings_are_refused_by_number(tiers, said):
    with pytest.raises(InputError, match=f"ranking 1: .*{said}"):
        fit([[(0,), (1,)], tiers], 3, "plackett-luce")
    with pytest.raises(InputError, match="more than 5040 orders"):
        fit([[tuple(range(8))]], 8, "plackett-luce")
    with pytest.raises(InputError, match="no rankings"):
        fit([], 3, "plackett-luce")
