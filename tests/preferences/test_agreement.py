from __future__ import annotations

from itertools import combinations, permutations

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import rankdata

from practicum.errors import InputError
from practicum.preferences import agreement
from practicum.preferences.agreement import (
    disagreements,
    human_ceiling,
    kendall_w,
    krippendorff_alpha,
    pairwise_agreement,
)
from practicum.preferences.comparisons import comparisons
from practicum.types import Prompt, Ranking, Response
from tests.preferences.crowd import crowd


def ranked(*rows: tuple[int, ...], prompt: str = "p") -> list[Ranking]:
    """One ranking per row of ranks, each by a rater of its own, of the responses a, b, c, ..."""
    return [
        Ranking(
            Prompt(prompt),
            tuple(Response(letter, letter) for letter in "abcdefgh"[: len(row)]),
            row,
            f"r{number}",
        )
        for number, row in enumerate(rows)
    ]


def brute_force_alpha(rankings: list[Ranking]) -> float:
    """1 - observed / expected disagreement, straight from the definition with the ordinal distance."""
    units: dict[tuple[str, str], list[float]] = {}
    for ranking in rankings:
        for response, rank in zip(ranking.responses, rankdata(ranking.ranks), strict=True):
            units.setdefault((ranking.prompt.text, response.text), []).append(float(rank))
    pairable = [values for values in units.values() if len(values) > 1]
    everything = [value for values in pairable for value in values]
    number = {value: everything.count(value) for value in everything}

    def distance(first: float, second: float) -> float:
        low, high = min(first, second), max(first, second)
        between = sum(count for value, count in number.items() if low <= value <= high)
        return float(between - (number[first] + number[second]) / 2) ** 2

    observed = sum(
        distance(first, second) / (len(values) - 1)
        for values in pairable
        for first, second in permutations(values, 2)
    ) / len(everything)
    expected = sum(distance(first, second) for first, second in permutations(everything, 2)) / (
        len(everything) * (len(everything) - 1)
    )
    return 1 - observed / expected


def test_alpha_is_its_definition() -> None:
    rankings, _ = crowd([1.0] * 6, prompts=12, responses=4, overlap=3)
    tied = [*rankings, *ranked((1, 2, 2, 3), (1, 1, 2, 3), (2, 1, 3, 3))]
    for given in (rankings, tied):
        assert krippendorff_alpha(given) == pytest.approx(brute_force_alpha(given), abs=1e-12)


def test_alpha_is_one_for_the_same_order_and_about_zero_for_chance() -> None:
    assert krippendorff_alpha(ranked((1, 2, 3), (1, 2, 3))) == 1.0
    chance, _ = crowd([0.0] * 10, prompts=400, overlap=3)
    assert abs(krippendorff_alpha(chance)) < 0.05


def test_kendalls_w_by_hand() -> None:
    # Rank sums 4, 7, 8, 11 around 7.5: S = 25; W = 12 x 25 / (9 x 60).
    assert kendall_w(ranked((1, 2, 3, 4), (2, 1, 3, 4), (1, 4, 2, 3)))["p"] == pytest.approx(300 / 540)
    assert kendall_w(ranked((1, 2, 3), (1, 2, 3)))["p"] == 1.0
    assert kendall_w(ranked((1, 2, 3), (3, 2, 1)))["p"] == 0.0


def test_kendalls_w_with_ties_is_one_for_the_same_tied_order() -> None:
    assert kendall_w(ranked((1, 2, 2, 3), (1, 2, 2, 3)))["p"] == pytest.approx(1.0)
    both = kendall_w([*ranked((1, 1), (1, 1)), *ranked((1, 2), (1, 2), prompt="q")])
    assert both == {"q": pytest.approx(1.0)}


def test_agreement_counts_pairs_of_raters() -> None:
    # a > b > c, a > b > c, b > a > c: the pair ab has 1 of 3 alike, ac and bc 3 of 3.
    measured = pairwise_agreement(ranked((1, 2, 3), (1, 2, 3), (2, 1, 3)))
    assert measured.share == pytest.approx(7 / 9)
    assert (measured.pairs, measured.prompts) == (3, 1)


def test_ties_are_no_opinion() -> None:
    assert pairwise_agreement(ranked((1, 1, 2), (1, 2, 3))).share == 1.0
    with pytest.raises(InputError, match="two raters or more"):
        pairwise_agreement(ranked((1, 1), (1, 1)))


@pytest.mark.parametrize("sharpness", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("overlap", [2, 5])
def test_the_ceiling_is_that_of_a_model_that_knows_the_truth(sharpness: float, overlap: int) -> None:
    rankings, truth = crowd([sharpness] * 12, prompts=700, responses=4, overlap=overlap, seed=overlap)
    best = np.mean(
        [
            expit(sharpness * abs(truth[f"p{prompt}", first] - truth[f"p{prompt}", second]))
            for prompt in range(700)
            for first, second in combinations("0123", 2)
        ]
    )
    ceiling = human_ceiling(rankings)
    assert ceiling.low <= best <= ceiling.high
    assert ceiling.at_least - 0.02 <= best <= ceiling.at_most + 0.02
    assert ceiling.high - ceiling.low < (0.15 if overlap == 5 else 0.2)
    if overlap == 2:
        # Two raters a pair tell how often people agree, and not how far they differ from pair to pair.
        assert ceiling.accuracy is None
        assert "cannot be known from 2 raters a pair" in ceiling.note
    else:
        assert ceiling.accuracy == pytest.approx(best, abs=0.02)
        assert ceiling.note == ""


POPULATIONS = {
    "half sure, half undecided": ([0.95, 0.5], [0.5, 0.5]),
    "all at chance": ([0.5], [1.0]),
    "nearly all sure": ([0.97], [1.0]),
    "some agree wholly, the rest lean": ([1.0, 0.6], [0.3, 0.7]),
    "all differences": (list((np.arange(200) + 0.5) / 200), [1 / 200] * 200),
}


@pytest.mark.parametrize("overlap", [2, 3, 5])
@pytest.mark.parametrize("name", POPULATIONS)
def test_with_few_raters_the_interval_covers_the_truth_whatever_its_shape(name: str, overlap: int) -> None:
    """95% means at most 3 misses in 20 here: 4 or more have a probability below 2%."""
    shares, weights = map(np.array, POPULATIONS[name])
    truth, missed = float(np.maximum(shares, 1 - shares) @ weights), 0
    for seed in range(20):
        generator = np.random.default_rng(seed)
        share = generator.choice(shares, size=300, p=weights)
        wins = generator.binomial(overlap, share).astype(np.float64)
        votes = agreement._Votes(np.repeat(np.arange(100), 3), np.full(300, float(overlap)), wins)
        low, high = agreement._certainty_bounds(votes)
        missed += not (1 + low) / 2 - 1e-9 <= truth <= (1 + high) / 2 + 1e-9
    assert missed <= 3


@pytest.mark.parametrize("overlap", [2, 3])
def test_two_or_three_raters_say_that_the_ceiling_cannot_be_known(overlap: int) -> None:
    found = human_ceiling(voted(np.tile([0.95, 0.5], 300), overlap))
    assert found.accuracy is None
    assert found.low <= 0.725 <= found.high
    assert f"{found.low:.1%} and {found.high:.1%}" in found.note


def test_where_people_nearly_always_agree_two_raters_are_enough() -> None:
    found = human_ceiling(voted(np.full(2000, 0.98), 2))
    assert found.accuracy == pytest.approx(0.98, abs=0.02)
    assert found.low <= 0.98 <= found.high < 1
    alike = human_ceiling(voted(np.full(40, 1.0), 2))
    assert (alike.high, alike.low < 0.99) == (1.0, True), "forty pairs that agree do not prove certainty"


def voted(shares: np.ndarray, overlap: int) -> list[Ranking]:
    """Rankings of a pair a prompt by `overlap` raters each, of whom these shares put the first text first."""
    generator = np.random.default_rng(0)
    return [
        Ranking(
            Prompt(f"p{pair}"),
            (Response("a", "a"), Response("b", "b")),
            (1, 2) if vote else (2, 1),
            f"r{rater}",
        )
        for pair, share in enumerate(shares)
        for rater, vote in enumerate(generator.random(overlap) < share)
    ]


@pytest.mark.parametrize(("sure", "of_how_many"), [(0.91, 0.35), (0.95, 0.5), (0.98, 0.3)])
def test_where_people_are_sure_of_some_pairs_and_undecided_about_others_votes_correct_the_beta(
    sure: float, of_how_many: float
) -> None:
    shares = np.where(np.random.default_rng(1).random(4000) < of_how_many, sure, 0.5)
    rankings, truth = voted(shares, 5), float(shares.mean())
    votes = agreement._votes(comparisons(rankings), "")
    found = agreement._likeliest(votes)
    beta = agreement._likeliest(votes, steps=0)
    # Five votes a pair cannot tell all of it, and what they cannot tell stays as the Beta has it: too high.
    assert truth - 0.005 < found < truth + 0.6 * (beta - truth)
    assert beta > truth + 0.05


def test_counting_majorities_would_flatter_the_ceiling() -> None:
    chance, _ = crowd([0.0] * 6, prompts=500, overlap=3)
    # Three coin tosses have a majority of 3/4 on average; nobody can predict a coin better than 1/2.
    assert agreement._likeliest(agreement._votes(comparisons(chance), "")) < 0.56
    assert human_ceiling(chance).high < 0.6


def test_the_bounds_hold_the_published_example() -> None:
    # Raters who agree on 72.6% of pairs, everyone with the same noise: a perfect model is right on 83.6%.
    rankings = voted(np.full(4000, 0.8362), 2)
    assert human_ceiling(rankings).at_most == pytest.approx(0.836, abs=0.012)


def test_the_most_disputed_prompts_come_first() -> None:
    rankings = [
        *ranked((1, 2, 3), (1, 2, 3), prompt="clear"),
        *ranked((1, 2, 3), (3, 2, 1), prompt="disputed"),
        *ranked((1, 2, 3), (1, 3, 2), prompt="half"),
        *ranked((1, 2, 3), prompt="alone"),
    ]
    found = disagreements(rankings, 2)
    assert found == [("disputed", 1.0), ("half", pytest.approx(1 / 3))]


@pytest.mark.parametrize(
    "measure", [krippendorff_alpha, kendall_w, pairwise_agreement, human_ceiling, disagreements]
)
def test_too_few_raters_are_told(measure: object) -> None:
    for rankings in ([], ranked((1, 2, 3)), [*ranked((1, 2)), *ranked((1, 2), prompt="q")]):
        with pytest.raises(InputError, match="two raters or more have ranked: set the project's overlap"):
            measure(rankings)  # type: ignore[operator]
