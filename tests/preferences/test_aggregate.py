from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import check_grad
from scipy.stats import kendalltau, spearmanr

from practicum.errors import InputError
from practicum.preferences.aggregate import _loss_and_gradient, consensus
from practicum.preferences.comparisons import comparisons
from practicum.types import Prompt, Ranking, Response
from tests.preferences.crowd import crowd


def test_the_gradient_is_that_of_the_loss() -> None:
    rankings, _ = crowd([1.0, 0.5, 0.0], prompts=4, responses=3, overlap=2)
    pairwise = comparisons(rankings)
    parameters = np.random.default_rng(0).normal(size=len(pairwise.responses) + 2 * len(pairwise.raters))
    error = check_grad(
        lambda at: _loss_and_gradient(at, pairwise)[0],
        lambda at: _loss_and_gradient(at, pairwise)[1],
        parameters,
    )
    assert error < 1e-4


def test_scores_follow_the_truth_better_than_an_average_of_ranks() -> None:
    # A third of the raters are noise or contrary: an average listens to them, the model does not.
    rankings, truth = crowd([2.0] * 6 + [0.0] * 2 + [-2.0], prompts=200, responses=4, overlap=4, seed=1)
    fitted = consensus(rankings)
    average: dict[tuple[str, str], float] = dict.fromkeys(truth, 0.0)
    for ranking in rankings:
        for response, rank in zip(ranking.responses, ranking.ranks, strict=True):
            average[ranking.prompt_id, response.id] -= rank
    names = list(truth)

    def within_prompts(scores: dict[tuple[str, str], float]) -> float:
        return float(
            np.nanmean(
                [
                    kendalltau([truth[f"p{p}", r] for r in "0123"], [scores[f"p{p}", r] for r in "0123"])[0]
                    for p in range(200)
                ]
            )
        )

    assert set(fitted.scores) == set(names)
    assert within_prompts(dict(fitted.scores)) > within_prompts(average) + 0.05
    assert all(error > 0 for error in fitted.errors.values())


def test_reliability_follows_the_raters_sharpness() -> None:
    sharpness = [3.0, 2.5, 2.0, 1.5, 1.0, 0.5, 0.0, -1.5]
    rankings, _ = crowd(sharpness, prompts=300, overlap=4, seed=2)
    found = {quality.rater: quality for quality in consensus(rankings).raters}
    estimated = [found[f"rater {index}"].reliability for index in range(8)]
    assert spearmanr(sharpness, estimated)[0] > 0.9
    assert abs(found["rater 6"].reliability) < 0.3
    assert found["rater 7"].reliability < -0.3
    assert np.mean(estimated) == pytest.approx(1.0)


def test_position_bias_is_measured_per_rater() -> None:
    pull = [0.0, 0.0, 0.0, 0.0, 2.0, -2.0]
    rankings, _ = crowd([1.5] * 6, pull=pull, prompts=300, overlap=3, seed=3)
    found = {quality.rater: quality for quality in consensus(rankings).raters}
    for index, true in enumerate(pull):
        quality = found[f"rater {index}"]
        assert quality.position == pytest.approx(true, abs=4 * quality.position_error + 0.1 * abs(true))


@pytest.mark.parametrize("seed", range(3))
def test_spammers_are_found_and_honest_raters_are_not(seed: int) -> None:
    sharpness = [1.5] * 16 + [0.0] * 4
    rankings, _ = crowd(sharpness, prompts=250, responses=5, overlap=4, seed=seed)
    flagged = set(consensus(rankings).spammers())
    spammers = {f"rater {index}" for index in range(16, 20)}
    assert len(flagged & spammers) >= 3, "recall"
    assert len(flagged - spammers) == 0, "precision"


def test_one_who_follows_the_order_shown_is_a_spammer_too() -> None:
    rankings, _ = crowd([1.5] * 9 + [0.0], pull=[0.0] * 9 + [8.0], prompts=200, overlap=4)
    fitted = consensus(rankings)
    assert fitted.spammers() == ["rater 9"]
    assert next(quality for quality in fitted.raters if quality.rater == "rater 9").position > 2


def test_a_crowd_of_noise_convicts_nobody() -> None:
    rankings, _ = crowd([0.0] * 8, prompts=200, overlap=4)
    assert consensus(rankings).spammers() == []


def test_few_rankings_convict_nobody() -> None:
    rankings, _ = crowd([2.0, 2.0, 0.0], prompts=3, overlap=3)
    assert {quality.verdict for quality in consensus(rankings).raters} == {"too few rankings"}
    alone, _ = crowd([1.0], prompts=20, overlap=1)
    [only] = consensus(alone).raters
    assert (only.verdict, only.agreement, only.rankings) == ("too few rankings", None, 20)


def test_ties_pull_scores_together() -> None:
    responses = tuple(Response(letter, letter) for letter in "abc")
    # Both orders are shown equally often, or the pull of position would explain a part.
    rankings = [
        *(Ranking(Prompt("p"), responses, (1, 1, 2), f"r{number}") for number in range(4)),
        *(Ranking(Prompt("p"), responses[::-1], (2, 1, 1), f"r{number}") for number in range(4)),
    ]
    scores = consensus(rankings).scores
    assert scores["p", "a"] == pytest.approx(scores["p", "b"], abs=1e-3)
    assert scores["p", "a"] > scores["p", "c"] + 1


def test_no_rankings_are_told() -> None:
    with pytest.raises(InputError, match="there are none"):
        consensus([])


def test_precision_and_recall_in_a_crowd_of_uneven_raters() -> None:
    # Honest raters from keen to nearly careless, four who answer at random, two who follow the screen.
    right = wrong = missed = 0
    for seed in range(10):
        sharpness = [*np.exp(np.random.default_rng(seed).normal(0.2, 0.4, size=24)), *[0.0] * 6]
        pull = [0.0] * 28 + [8.0] * 2
        rankings, _ = crowd(sharpness, pull=pull, prompts=300, responses=5, overlap=5, seed=seed)
        flagged = set(consensus(rankings).spammers())
        spammers = {f"rater {index}" for index in range(24, 30)}
        right += len(flagged & spammers)
        wrong += len(flagged - spammers)
        missed += len(spammers - flagged)
    assert right / (right + wrong) > 0.95, "precision"
    assert right / (right + missed) > 0.95, "recall"
