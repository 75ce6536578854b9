"""How far people agree, and therefore how well any model could do.

All functions take current rankings (`Store.rankings`, `formats.read`) and need prompts that two raters or
more have ranked; without them they raise InputError that says so.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linprog
from scipy.special import betainc, betaln
from scipy.special import binom as choose
from scipy.stats import binom, rankdata
from scipy.stats import t as students_t

from practicum.errors import InputError
from practicum.preferences.comparisons import Comparisons, comparisons, count, names
from practicum.stats import BOOTSTRAPS, Floats, Integers, clustered_share
from practicum.types import Ranking

CERTAINTIES = 50
"""Cells of the majority's share when the ceiling is fitted."""
EM_STEPS = 300
"""Steps of expectation and maximisation by which a Beta is corrected where the votes do not fit it."""
ORDERS = (2, 4, 6, 8)
"""Powers of a pair's certainty whose means bound the ceiling; the power is also the votes it needs."""
FEWEST_PAIRS = 20
"""A power's mean is used when so many pairs have the votes."""
KNOWN_WITHIN = 0.05
"""Width of the interval up to which two or three raters a pair tell the ceiling."""


@dataclass(frozen=True)
class Agreement:
    """The share of pairs that two raters of a prompt order alike, of those both order; 0.5 is chance.

    low, high: 95% interval, bootstrap over prompts. `pairs` is the number of pairs two raters or more
    ordered, `prompts` of prompts with such pairs.
    """

    share: float
    low: float
    high: float
    pairs: int
    prompts: int


@dataclass(frozen=True)
class Ceiling:
    """The best pair accuracy that any model could reach against one rater drawn at random.

    low, high: an interval that holds it with 95%, whatever the shape of people's differences. `accuracy` is
    the likeliest value; None where the votes do not tell it, and `note` says why. `at_least` and `at_most`
    follow from the pairwise agreement alone.
    """

    accuracy: float | None
    low: float
    high: float
    at_least: float
    at_most: float
    pairs: int
    prompts: int
    note: str = ""


def krippendorff_alpha(rankings: Sequence[Ranking]) -> float:
    """Krippendorff's alpha, ordinal, of the ranks that responses got: 1 full agreement, 0 chance, down to -1.

    Units are responses, values their ranks within their prompt, ties at the middle rank. Comparable between
    prompts with the same number of responses. Source: Krippendorff, Content Analysis (2004), chapter 11, as
    computed by the package krippendorff. Raises InputError when no response has two raters.
    """
    ranks: dict[tuple[str, str], list[float]] = defaultdict(list)
    for ranking in rankings:
        prompt, responses = names(ranking)
        for response, rank in zip(responses, rankdata(ranking.ranks), strict=True):
            ranks[prompt, response].append(float(rank))
    units = [values for values in ranks.values() if len(values) > 1]
    if not units:
        raise _too_few("Krippendorff's alpha")
    domain = sorted({rank for values in units for rank in values})
    if len(domain) == 1:
        raise InputError(
            "Krippendorff's alpha: every rank is the same (all ties), so nothing can be measured"
        )
    place = {rank: index for index, rank in enumerate(domain)}
    counts = np.zeros((len(units), len(domain)), dtype=np.int64)
    for unit, values in enumerate(units):
        for rank in values:
            counts[unit, place[rank]] += 1
    import krippendorff

    return float(krippendorff.alpha(value_counts=counts, value_domain=domain, level_of_measurement="ordinal"))


def kendall_w(rankings: Sequence[Ranking]) -> dict[str, float]:
    """Kendall's coefficient of concordance of each prompt with two raters or more: 1 the same order, 0 none.

    W = 12 S / (m^2 (k^3 - k) - m T) for m raters and k responses, S the squared deviations of the rank sums
    from their mean, T the sum over raters and groups of t tied responses of t^3 - t. Source: Kendall &
    Babington Smith (1939); ties: Siegel & Castellan, Nonparametric Statistics (1988), section 9.3. Left out
    are prompts that every rater tied throughout, or of which raters ranked different responses.
    Raises InputError when no prompt is left.
    """
    ranks_by_prompt: dict[str, list[Floats]] = defaultdict(list)
    responses_by_prompt: dict[str, set[tuple[str, ...]]] = defaultdict(set)
    for ranking in rankings:
        prompt, responses = names(ranking)
        order = np.argsort(np.array(responses))
        ranks_by_prompt[prompt].append(rankdata(ranking.ranks)[order])
        responses_by_prompt[prompt].add(tuple(sorted(responses)))
    concordance = {}
    for prompt, rows in ranks_by_prompt.items():
        if len(rows) < 2 or len(responses_by_prompt[prompt]) > 1:
            continue
        ranks_RK = np.stack(rows)
        raters, responses_count = ranks_RK.shape
        ties = sum(
            float((sizes**3 - sizes).sum())
            for row in ranks_RK
            for sizes in (np.unique(row, return_counts=True)[1].astype(np.float64),)
        )
        most = raters**2 * (responses_count**3 - responses_count) - raters * ties
        if most > 0:
            sums = ranks_RK.sum(axis=0)
            concordance[prompt] = float(12 * ((sums - sums.mean()) ** 2).sum() / most)
    if not concordance:
        raise _too_few("Kendall's W")
    return concordance


def pairwise_agreement(rankings: Sequence[Ranking], seed: int = 0) -> Agreement:
    """How often two raters order a pair alike, over pairs of raters who both order it; see `Agreement`.

    Each pair of responses counts as its pairs of raters. Raises InputError when no pair has two raters.
    """
    votes = _votes(comparisons(rankings), "agreement")
    alike_P, total_P = votes.alike_and_total()
    draws = _resamples(len(total_P), seed)
    shares = (draws @ alike_P) / (draws @ total_P)
    low, high = np.quantile(shares, [0.025, 0.975])
    return Agreement(
        share=float(alike_P.sum() / total_P.sum()),
        low=float(low),
        high=float(high),
        pairs=len(votes.ordered),
        prompts=len(total_P),
    )


def human_ceiling(rankings: Sequence[Ranking]) -> Ceiling:
    """The accuracy of a model that knows, for each pair, what most people prefer; see `Ceiling`.

    If a share p of people prefers one of a pair, the best guess about one of them is right with probability
    max(p, 1 - p) = (1 + d) / 2, with the certainty d = |2p - 1|. n votes on a pair tell the mean of d^2, d^4
    and so on up to d^n, and nothing else about d: the interval holds every ceiling that fits these means
    within their 95% intervals (t over prompts, Bonferroni over the powers), found by linear programming over
    the distributions of d (as Ignatiadis & Wager 2022, 1902.02774, do). Two or three votes tell d^2 alone:
    E d^2 <= E d <= sqrt(E d^2), so they leave a wide interval and no value, unless people nearly all agree.
    From four votes on `accuracy` is the likeliest value in the interval: p is fitted to the votes by maximum
    likelihood, first as a symmetric Beta(a, a) (which of the two stands first is arbitrary; beta-binomial,
    Skellam 1948), and from there freely on a grid by EM (Laird 1978), as far as the votes tell. Counting each
    pair's majority instead would be too high: a few votes make chance majorities.
    Raises InputError when no pair has two raters.
    """
    votes = _votes(comparisons(rankings), "the human ceiling")
    alike_P, total_P = votes.alike_and_total()
    share = float(alike_P.sum() / total_P.sum())
    low, high = _certainty_bounds(votes)
    low, high = (1 + low) / 2, (1 + min(high, 1.0)) / 2
    accuracy: float | None = None
    note = ""
    told_by = int(np.median(votes.ordered))
    if told_by >= 4 or high - low <= KNOWN_WITHIN:
        accuracy = min(max(_likeliest(votes), low), high)
    else:
        note = (
            f"the human ceiling cannot be known from {told_by} raters a pair: it lies between {low:.1%} and "
            f"{high:.1%}; 4 raters or more a prompt narrow it"
        )
    return Ceiling(
        accuracy=accuracy,
        low=low,
        high=high,
        at_least=max(share, 0.5),
        at_most=(1 + max(2 * share - 1, 0.0) ** 0.5) / 2,
        pairs=len(votes.ordered),
        prompts=len(total_P),
        note=note,
    )


def _certainty_bounds(votes: _Votes) -> tuple[float, float]:
    """Least and greatest mean certainty E d that fit the votes, each between 0 and 1."""
    orders = [
        order
        for order in ORDERS
        if order == 2
        or ((votes.ordered >= order).sum() >= FEWEST_PAIRS and _prompts(votes, order) >= FEWEST_PAIRS)
    ]
    tail = 0.025 / len(orders)
    found = [_power_mean(votes, order, tail) for order in orders]
    low, high = max(found[0][0], 0.0), found[0][1]
    widest = low, high**0.5
    if len(orders) == 1:
        return widest
    certainty_Q = np.linspace(0.0, 1.0, 2 * CERTAINTIES + 1)
    powers = np.stack([certainty_Q**order for order in orders])
    ends = []
    for sign in (1.0, -1.0):
        best = linprog(
            sign * certainty_Q,
            A_ub=np.concatenate([powers, -powers]),
            b_ub=[high for _, high in found] + [-low for low, _ in found],
            A_eq=np.ones((1, len(certainty_Q))),
            b_eq=[1.0],
        )
        # By chance no distribution may fit all the intervals; then the first power alone decides.
        if best.status != 0:
            return widest
        ends.append(sign * float(best.fun))
    return max(ends[0], 0.0), min(ends[1], 1.0)


def _prompts(votes: _Votes, order: int) -> int:
    return len(np.unique(votes.prompt[votes.ordered >= order]))


def _power_mean(votes: _Votes, order: int, tail: float) -> tuple[float, float]:
    """Interval of the mean of d^order over pairs, an error of `tail` on either side, t over prompts.

    Unbiased for each pair: the mean over subsets of `order` votes of the product of their signs.
    """
    enough = votes.ordered >= order
    wins, losses = votes.wins[enough], (votes.ordered - votes.wins)[enough]
    value = sum(
        choose(wins, place) * choose(losses, order - place) * (-1.0) ** (order - place)
        for place in range(order + 1)
    ) / choose(wins + losses, order)
    _, prompt = np.unique(votes.prompt[enough], return_inverse=True)
    prompts, mean = int(prompt.max()) + 1, float(value.mean())
    if prompts < 2:
        return 0.0, 1.0
    error_P = np.bincount(prompt, value - mean)
    error = float(prompts / (prompts - 1) * (error_P**2).sum()) ** 0.5 / len(value)
    if error == 0:
        # All alike: nothing tells how far pairs differ, so each prompt counts once.
        share = clustered_share((1 + value) / 2, prompt, 1 - 2 * tail)
        return 2 * share.low - 1, 2 * share.high - 1
    reach = float(students_t.isf(tail, prompts - 1)) * error
    # The true mean is none below 0, so a mean that chance took there says no more than 0 would.
    mean = min(max(mean, 0.0), 1.0)
    return mean - reach, mean + reach


def _likeliest(votes: _Votes, steps: int = EM_STEPS) -> float:
    """The maximum-likelihood value of the ceiling, see `human_ceiling`."""
    kinds, count_K = np.unique(
        np.stack([votes.ordered, np.minimum(votes.wins, votes.ordered - votes.wins)]),
        axis=1,
        return_counts=True,
    )
    ordered_K, wins_K = kinds
    return float(_mean_certainty(count_K[None].astype(np.float64), ordered_K, wins_K, steps)[0])


def _mean_certainty(
    counts_BK: Floats, ordered_K: Integers, wins_K: Integers, steps: int = EM_STEPS
) -> Floats:
    """E max(p, 1 - p), float64 [B], for B counts of K kinds of pairs, each with its votes and lesser wins."""
    shapes = np.exp(np.linspace(np.log(0.01), np.log(200.0), 600))
    likelihood_KS = betaln(
        wins_K[:, None] + shapes[None], (ordered_K - wins_K)[:, None] + shapes[None]
    ) - betaln(shapes, shapes)
    shape_B = shapes[np.argmax(counts_BK @ likelihood_KS, axis=1)]
    # The share q of the majority, from 1/2 to 1, in cells of equal width: Beta's mass in each to begin with.
    edges = np.linspace(0.5, 1.0, CERTAINTIES + 1)
    share_Q = (edges[1:] + edges[:-1]) / 2
    weight_BQ = np.diff(betainc(shape_B[:, None], shape_B[:, None], edges[None]), axis=1)
    weight_BQ /= weight_BQ.sum(axis=1, keepdims=True)
    chance_KQ = binom.pmf(wins_K[:, None], ordered_K[:, None], share_Q) + binom.pmf(
        (ordered_K - wins_K)[:, None], ordered_K[:, None], share_Q
    )
    for _ in range(steps):
        weight_BQ = weight_BQ * ((counts_BK / (weight_BQ @ chance_KQ.T)) @ chance_KQ)
        weight_BQ /= weight_BQ.sum(axis=1, keepdims=True)
    return np.asarray(weight_BQ @ share_Q)


def disagreements(rankings: Sequence[Ranking], count: int = 10) -> list[tuple[str, float]]:
    """(prompt, share of pairs of raters that order a pair differently), the most disputed first.

    Equal shares: the one with more votes first. Raises InputError when no prompt has two raters.
    """
    pairwise = comparisons(rankings)
    votes = _votes(pairwise, "the prompts people disagree on")
    alike_P, total_P = votes.alike_and_total()
    present = np.unique(votes.prompt)
    order = np.lexsort((-total_P, alike_P / total_P))[:count]
    return [(pairwise.prompts[present[index]], float(1 - alike_P[index] / total_P[index])) for index in order]


# ----------------------------------------------------------------------------------------------- counting


@dataclass(frozen=True)
class _Votes:
    """Per pair of responses that two raters or more ordered: its prompt, orderings, wins of the first."""

    prompt: Integers
    ordered: Floats
    wins: Floats

    def alike_and_total(self) -> tuple[Floats, Floats]:
        """Per prompt with votes: pairs of raters that order a pair alike, and all such pairs of raters."""
        losses = self.ordered - self.wins
        alike = (self.wins * (self.wins - 1) + losses * (losses - 1)) / 2
        total = self.ordered * (self.ordered - 1) / 2
        alike_P, total_P = count(self.prompt, alike), count(self.prompt, total)
        return alike_P[total_P > 0], total_P[total_P > 0]


def _votes(pairwise: Comparisons, what: str) -> _Votes:
    strict = pairwise.vote_C != 0
    if not strict.any():
        raise _too_few(what)
    pair = pairwise.pair_numbers()[strict]
    won = (pairwise.vote_C[strict] > 0).astype(np.float64)
    ordered, wins = count(pair, np.ones(len(pair))), count(pair, won)
    prompt = np.zeros(len(ordered), dtype=np.int64)
    prompt[pair] = pairwise.prompt_C[strict]
    enough = ordered >= 2
    if not enough.any():
        raise _too_few(what)
    return _Votes(prompt[enough], ordered[enough], wins[enough])


def _resamples(prompts: int, seed: int) -> Floats:
    """How often each bootstrap sample draws each prompt, float64 [BOOTSTRAPS, prompts]."""
    return (
        np.random.default_rng(seed)
        .multinomial(prompts, np.full(prompts, 1 / prompts), size=BOOTSTRAPS)
        .astype(np.float64)
    )


def _too_few(what: str) -> InputError:
    return InputError(
        f"{what} needs prompts that two raters or more have ranked: set the project's overlap to 2 or more"
    )
