from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.special import expit

from practicum.audit import bias
from practicum.errors import InputError
from practicum.stats import Estimate
from practicum.types import Prompt, Ranking, Response

SHARES = st.floats(0.02, 0.98)


def is_pun(prompt: Prompt, text: str) -> bool:
    return text.startswith("pun")


def rankings(pun_first: int, other_first: int, rater: str = "ann") -> list[Ranking]:
    made = []
    for index in range(pun_first + other_first):
        shown = (Response("pun a"), Response("story b"))
        ranks = (1, 2) if index < pun_first else (2, 1)
        made.append(Ranking(Prompt(f"{rater} {index}"), shown, ranks, rater))
    return made


@pytest.mark.parametrize(("beta", "share"), [(1.0, 0.72), (0.5, 0.8686), (0.2, 0.9912), (0.1, 0.99992)])
def test_the_forecast_of_the_72_per_cent_puns(beta: float, share: float) -> None:
    assert bias.forecast(0.72, 0.5, beta) == pytest.approx(share, abs=5e-5)


@given(SHARES, SHARES, st.floats(0.1, 10))
def test_the_forecast_is_the_optimum_of_reward_minus_beta_kl(
    rater: float, reference: float, beta: float
) -> None:
    reward = np.log(rater / (1 - rater))

    def loss(share: float) -> float:
        kl = share * np.log(share / reference) + (1 - share) * np.log((1 - share) / (1 - reference))
        return -(share * reward - beta * kl)

    best = minimize_scalar(loss, bounds=(1e-12, 1 - 1e-12), method="bounded", options={"xatol": 1e-10})
    found = bias.forecast(rater, reference, beta)
    assert loss(min(max(found, 1e-12), 1 - 1e-12)) <= best.fun + 1e-7


@given(SHARES, SHARES, st.floats(0.1, 10), st.floats(0.1, 10))
def test_dividing_the_reward_is_the_same_as_raising_beta(
    rater: float, reference: float, beta: float, s: float
) -> None:
    divided = expit(np.log(rater / (1 - rater)) / s)
    # Nearer to 0 or 1 a share says too little of its odds in float64.
    if 1e-9 < divided < 1 - 1e-9:
        expected = bias.forecast(float(divided), reference, beta)
        assert bias.forecast(rater, reference, bias.effective_beta(beta, s)) == pytest.approx(
            expected, abs=1e-6
        )


def test_rescaling_is_warned_of_in_a_sentence() -> None:
    warning = bias.scaling_warning(0.5, 0.4, 0.72, 0.5)
    assert warning == (
        "Dividing rewards by their deviation 0.4 turns beta 0.5 into 0.2: "
        "the forecast share goes from 86.9% to 99.1%."
    )
    assert bias.scaling_warning(0.5, 1.01, 0.72, 0.5) is None


@pytest.mark.parametrize(
    "arguments", [(1.0, 0.5, 1.0), (0.72, 0.0, 1.0), (0.72, 0.5, 0.0), (0.72, 0.5, np.nan)]
)
def test_impossible_forecasts_are_refused(arguments: tuple[float, float, float]) -> None:
    with pytest.raises(InputError, match="expected"):
        bias.forecast(*arguments)


@given(st.sampled_from(bias.REMEDIES), SHARES, SHARES, st.floats(0.05, 2.0), SHARES)
def test_a_remedy_that_can_reach_the_target_does(
    remedy: str, rater: float, reference: float, beta: float, target: float
) -> None:
    found = bias.reach(remedy, target, rater, reference, beta)
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

    x = min(max(bias.remedied_share("entropy_bonus", bonus, rater, reference, beta), 1e-9), 1 - 1e-9)
    best = minimize_scalar(loss, bounds=(1e-9, 1 - 1e-9), method="bounded", options={"xatol": 1e-11})
    assert loss(x) <= best.fun + 1e-7


def test_the_remedies_for_puns_keep_72_per_cent_and_say_what_they_cost() -> None:
    found = {one.remedy: one for one in bias.remedies(0.72, 0.5, 0.2)}
    assert set(found) == set(bias.REMEDIES)
    assert all(one.share == pytest.approx(0.72) for one in found.values())
    assert found["kl_weight"].setting == pytest.approx(1.0)
    assert found["entropy_bonus"].setting == pytest.approx(0.8)
    # Remedies of style alone keep what the policy gained in quality; timidity in everything does not.
    assert found["mixture"].gain == pytest.approx(found["rater_reweighting"].gain)
    assert found["mixture"].gain > 0.8 > 0.7 > found["kl_weight"].gain
    assert found["mixture"].good == pytest.approx(1 / (1 + np.exp(-10)))
    assert found["kl_weight"].kl < found["mixture"].kl
    unhelped = bias.apply_remedy("kl_weight", 0.2, 0.72, 0.5, 0.2)
    assert unhelped.gain == pytest.approx(1)
    assert found["mixture"].setting == pytest.approx(0.72, abs=0.01)
    for bad in (("kl_weight", 0.0), ("mixture", 1.2), ("prayer", 0.5)):
        with pytest.raises(InputError):
            bias.remedied_share(*bad, 0.72, 0.5, 0.2)


def test_raters_choices_are_counted_where_there_is_a_choice() -> None:
    no_choice = Ranking(Prompt("x"), (Response("pun a"), Response("pun b")), (1, 2), "ann")
    tied = Ranking(Prompt("y"), (Response("pun a"), Response("story")), (1, 1), "ann")
    found = bias.rater_share([*rankings(7, 3), no_choice, tied], is_pun)
    assert found.value == pytest.approx((7 + 0.5) / 11)
    assert found.n == 11
    with pytest.raises(InputError, match="0 prompts have a response with and one without"):
        bias.rater_share([no_choice], is_pun)


def test_the_meter_tells_amplification_from_agreement() -> None:
    people = rankings(72, 28)
    half = [(Prompt(str(index)), "pun" if index % 2 else "story") for index in range(200)]
    obedient = [(Prompt(str(index)), "pun" if index % 100 < 72 else "story") for index in range(200)]
    extreme = [(Prompt(str(index)), "pun") for index in range(200)]
    calm = bias.meter("puns", is_pun, people, half, obedient)
    assert calm.amplification == pytest.approx(1, abs=0.01)
    assert calm.measured_beta == pytest.approx(1, abs=0.01)
    wild = bias.meter("puns", is_pun, people, half, extreme)
    assert wild.policy.value == 1
    assert wild.amplification > 50
    assert wild.measured_beta is not None
    assert wild.measured_beta < 0.2
    assert wild.policy.low > calm.policy.high
    against = [(Prompt(str(index)), "pun" if index % 100 < 20 else "story") for index in range(200)]
    assert bias.meter("puns", is_pun, people, half, against).measured_beta is None


def test_the_measured_beta_is_the_beta_of_the_forecast() -> None:
    exact = {name: Estimate(value, value, value, 10**9) for name, value in
             (("reference", 0.3), ("raters", 0.72), ("policy", bias.forecast(0.72, 0.3, 0.4)))}  # fmt: skip
    found = bias.compare("puns", exact["reference"], exact["raters"], exact["policy"])
    assert found.measured_beta == pytest.approx(0.4)


def test_who_carries_a_preference() -> None:
    crowd = [*rankings(5, 5, "ann"), *rankings(5, 5, "bob"), *rankings(30, 0, "fan")]
    found = bias.carriers(crowd, is_pun)
    assert found[0].rater == "fan"
    assert found[0].pull > 0.2
    assert found[0].share > 0.9
    assert {one.rater for one in found} == {"ann", "bob", "fan"}
    with pytest.raises(InputError, match="1 raters had the choice, 2 are needed"):
        bias.carriers(rankings(5, 5), is_pun)


def test_what_a_reward_prefers_is_measured_within_prompts() -> None:
    """It pays 0.8 more for a pun, and much more for everything on one prompt, which is no preference."""
    texts = ("pun 1", "plain", "pun 2")
    asked = [Ranking(Prompt(f"p{number}"), tuple(map(Response, texts)), (1, 2, 3)) for number in range(20)]
    noise = np.random.default_rng(0).normal(0, 0.1, (20, 3))

    def reward(prompts: Sequence[Prompt], texts: Sequence[str]) -> np.ndarray:
        number = int(prompts[0].text[1:])
        return (
            np.array([0.8 * text.startswith("pun") for text in texts]) + noise[number] + 100 * (number == 3)
        )

    found = bias.paid_share(asked, is_pun, reward)
    assert found.value == pytest.approx(expit(0.8), abs=0.02)
    assert found.low < expit(0.8) < found.high
    assert found.n == 20
    with pytest.raises(InputError, match="0 prompts have a response with and one without"):
        bias.paid_share(asked, lambda prompt, text: True, reward)


@given(SHARES, SHARES, st.floats(0.1, 2))
def test_the_share_to_learn_is_the_forecast_backwards(target: float, reference: float, beta: float) -> None:
    share = bias.learned_share(target, reference, beta)
    if 0 < share < 1:
        assert bias.forecast(share, reference, beta) == pytest.approx(target, abs=1e-6)


def test_the_majoritys_weight_brings_the_share_down() -> None:
    """Ann and Bob choose puns 9 times of 10, Cid 2 times of 10: weighted, half of all choices."""
    made = [*rankings(9, 1, "ann"), *rankings(9, 1, "bob"), *rankings(2, 8, "cid")]
    weights = bias.camp_weights(made, is_pun, 0.5)
    assert weights.keys() == {"ann", "bob"}
    weight = weights["ann"]
    assert (weight * 18 + 2) / (weight * 20 + 10) == pytest.approx(0.5)


def test_raters_of_one_mind_cannot_be_weighed() -> None:
    with pytest.raises(InputError, match="of one mind"):
        bias.camp_weights([*rankings(9, 1, "ann"), *rankings(8, 2, "bob")], is_pun, 0.5)
    with pytest.raises(InputError, match=r"between 20\.0% and 90\.0%"):
        bias.camp_weights([*rankings(9, 1, "ann"), *rankings(2, 8, "cid")], is_pun, 0.95)
