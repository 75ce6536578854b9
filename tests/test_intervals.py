from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta

from practicum.errors import InputError
from practicum.stats import bootstrap, clustered_share, exact_share, holm


@given(st.integers(1, 3000).flatmap(lambda trials: st.tuples(st.integers(0, trials), st.just(trials))))
def test_exact_shares_agree_with_the_quantiles_of_beta_distributions(share: tuple[int, int]) -> None:
    successes, trials = share
    found = exact_share(successes, trials)
    low = beta.ppf(0.025, successes, trials - successes + 1) if successes else 0.0
    high = beta.isf(0.025, successes + 1, trials - successes) if successes < trials else 1.0
    assert (found.value, found.n) == (successes / trials, trials)
    assert (found.low, found.high) == pytest.approx((low, high), rel=1e-9, abs=1e-11)


@pytest.mark.parametrize("share", [0.72, 0.97])
@pytest.mark.parametrize("spread", [0.0, 1.0])
def test_the_interval_of_a_share_covers_the_truth_in_93_of_100_simulations(
    share: float, spread: float
) -> None:
    generator = np.random.default_rng(7)
    # The population's share when prompts differ: the mean of their own shares.
    population = 1 / (1 + np.exp(-(np.log(share / (1 - share)) + spread * generator.normal(size=200_000))))
    covered = 0
    for _ in range(200):
        own = generator.choice(population, 40)
        hits = (generator.random((40, 5)) < own[:, None]).astype(np.float64)
        found = clustered_share(hits.ravel(), np.repeat(np.arange(40), 5))
        assert 0 <= found.low <= found.value <= found.high <= 1
        covered += found.low <= population.mean() <= found.high
    assert covered >= 186


def test_a_share_of_one_still_has_an_interval() -> None:
    found = clustered_share(np.ones(30), np.arange(30))
    assert found.value == found.high == 1.0
    assert 0.8 < found.low < 0.99


def test_an_interval_over_one_prompt_is_refused() -> None:
    with pytest.raises(InputError, match="needs at least 2 prompts, got 1"):
        clustered_share(np.ones(5), np.zeros(5, dtype=np.int64))
    with pytest.raises(InputError, match="at least 2 prompts"):
        bootstrap(lambda drawn: 0.0, 1)


def test_a_bootstrap_interval_shrinks_with_more_data() -> None:
    values = np.random.default_rng(1).normal(size=400)
    wide, narrow = (bootstrap(lambda drawn: float(values[drawn].mean()), count) for count in (40, 400))
    assert narrow.high - narrow.low < 0.5 * (wide.high - wide.low)
    assert narrow.low < values.mean() < narrow.high


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]).tolist() == pytest.approx([0.03, 0.06, 0.06])
