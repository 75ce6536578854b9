from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.special import expit

from practicum.audit.forecast import (
    REMEDIES,
    apply_remedy,
    effective_beta,
    forecast,
    learned_share,
    reach,
    remedied_share,
    remedies,
    scaling_warning,
)
from practicum.errors import InputError

SHARES = st.floats(0.02, 0.98)


@pytest.mark.parametrize(("beta", "share"), [(1.0, 0.72), (0.5, 0.8686), (0.2, 0.9912), (0.1, 0.99992)])
def test_the_forecast_of_the_72_per_cent_puns(beta: float, share: float) -> None:
    assert forecast(0.72, 0.5, beta) == pytest.approx(share, abs=5e-5)


@given(SHARES, SHARES, st.floats(0.1, 10))
def test_the_forecast_is_the_optimum_of_reward_minus_beta_kl(
    rater: float, reference: float, beta: float
) -> None:
    reward = np.log(rater / (1 - rater))

    def loss(share: float) -> float:
        kl = share * np.log(share / reference) + (1 - share) * np.log((1 - share) / (1 - reference))
        return -(share * reward - beta * kl)

    best = minimize_scalar(loss, bounds=(1e-12, 1 - 1e-12), method="bounded", options={"xatol": 1e-10})
    found = forecast(rater, reference, beta)
    assert loss(min(max(found, 1e-12), 1 - 1e-12)) <= best.fun + 1e-7


@given(SHARES, SHARES, st.floats(0.1, 10), st.floats(0.1, 10))
def test_dividing_the_reward_is_the_same_as_raising_beta(
    rater: float, reference: float, beta: float, s: float
) -> None:
    divided = expit(np.log(rater / (1 - rater)) / s)
    # Nearer to 0 or 1 a share says too little of its odds in float64.
    if 1e-9 < divided < 1 - 1e-9:
        expected = forecast(float(divided), reference, beta)
        assert forecast(rater, reference, effective_beta(beta, s)) == pytest.approx(expected, abs=1e-6)


def test_rescaling_is_warned_of_in_a_sentence() -> None:
    warning = scaling_warning(0.5, 0.4, 0.72, 0.5)
    assert warning == (
        "Dividing rewards by their deviation 0.4 turns beta 0.5 into 0.2: "
        "the forecast share goes from 86.9% to 99.1%."
    )
    assert scaling_warning(0.5, 1.01, 0.72, 0.5) is None


@pytest.mark.parametrize(
    "arguments", [(1.0, 0.5, 1.0), (0.72, 0.0, 1.0), (0.72, 0.5, 0.0), (0.72, 0.5, np.nan)]
)
def test_impossible_forecasts_are_refused(arguments: tuple[float, float, float]) -> None:
    with pytest.raises(InputError, match="expected"):
        forecast(*arguments)


@given(st.sampled_from(REMEDIES), SHARES, SHARES, st.floats(0.05, 2.0), SHARES)
def test_a_remedy_that_can_reach_the_target_does(
    remedy: str, rater: float, reference: float, beta: float, target: float
) -> None:
    found = reach(remedy, target, rater, reference, beta)
    if found is not None:
        assert found.share == pytest.approx(target, abs=1e-6)
        assert found.kl >= -1e-12


@given(SHARES, SHARES, st.floats(0.05, 2.0), st.floats(0.0, 3.0))
def test_the_entropy_bonus_has_the_optimum_it_claims(
    rater: float, reference: float, beta: float, bonus: float
) -> None:
    reward = np.log(rater / (1 - rater))

    def loss(x: float) -> float:
        kl = x * np.log(x / reference) + (1 - x) * np.log((1 - x) / (1 - reference))
        entropy = -x * np.log(x) - (1 - x) * np.log(1 - x)
        return -(x * reward - beta * kl + bonus * entropy)

    x = min(max(remedied_share("entropy_bonus", bonus, rater, reference, beta), 1e-9), 1 - 1e-9)
    best = minimize_scalar(loss, bounds=(1e-9, 1 - 1e-9), method="bounded", options={"xatol": 1e-11})
    assert loss(x) <= best.fun + 1e-7


def test_the_remedies_for_puns_keep_72_per_cent_and_say_what_they_cost() -> None:
    found = {one.remedy: one for one in remedies(0.72, 0.5, 0.2)}
    assert set(found) == set(REMEDIES)
    assert all(one.share == pytest.approx(0.72) for one in found.values())
    assert found["kl_weight"].setting == pytest.approx(1.0)
    assert found["entropy_bonus"].setting == pytest.approx(0.8)
    # Remedies of style alone keep what the policy gained in quality; timidity in everything does not.
    assert found["mixture"].gain == pytest.approx(found["rater_reweighting"].gain)
    assert found["mixture"].gain > 0.8 > 0.7 > found["kl_weight"].gain
    assert found["mixture"].good == pytest.approx(1 / (1 + np.exp(-10)))
    assert found["kl_weight"].kl < found["mixture"].kl
    unhelped = apply_remedy("kl_weight", 0.2, 0.72, 0.5, 0.2)
    assert unhelped.gain == pytest.approx(1)
    assert found["mixture"].setting == pytest.approx(0.72, abs=0.01)
    for bad in (("kl_weight", 0.0), ("mixture", 1.2), ("prayer", 0.5)):
        with pytest.raises(InputError):
            remedied_share(*bad, 0.72, 0.5, 0.2)


@given(SHARES, SHARES, st.floats(0.1, 2))
def test_the_share_to_learn_is_the_forecast_backwards(target: float, reference: float, beta: float) -> None:
    share = learned_share(target, reference, beta)
    if 0 < share < 1:
        assert forecast(share, reference, beta) == pytest.approx(target, abs=1e-6)
