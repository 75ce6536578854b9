"""How far people agree, and therefore how well any model could do.

All functions take current rankings (`Store.rankings`, `formats.read`) and need prompts that two raters or
more have ranked; without them they raise InputError that says so.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import betainc, betaln
from scipy.stats import binom, rankdata

from practicum.errors import InputError
from practicum.preferences.comparisons import Comparisons, Floats, Integers, comparisons, count, names
from practicum.types import Ranking

BOOTSTRAPS = 1000
CERTAINTIES = 50
"""Cells of the majority's share when the ceiling is fitted."""
EM_STEPS = 300


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

    low, high: 95% interval, bootstrap over prompts. `at_least` and `at_most` hold whatever the shape of
    people's differences: they follow from the pairwise agreement alone.
    """

    accuracy: float
    low: float
    high: float
    at_least: float
    at_most: float
    pairs: int
    prompts: int


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


def human_ceiling(rankings: Sequence[Ranking], seed: int = 0) -> Ceiling:
    """The accuracy of a model that knows, for each pair, what most people prefer; see `Ceiling`.

    If a share p of people prefers one of a pair, the best guess about one of them is right with probability
    max(p, 1 - p). How p varies from pair to pair is fitted to the votes by maximum likelihood: first as a
    symmetric Beta(a, a) (which of the two stands first is arbitrary; beta-binomial, Skellam 1948), and from
    there freely on a grid by EM (Laird 1978), as far as the votes tell: two a pair leave the Beta as it is,
    five correct half or more of its error where people are sure of some pairs and undecided about others;
    the rest errs on the high side. Counting each pair's majority instead would be too high: a few votes make
    chance majorities.
    The bounds: two raters agree with probability q = E[p^2 + (1 - p)^2], hence, with d = |2p - 1|,
    E d^2 = 2q - 1 and E d^2 <= E d <= sqrt(E d^2), so the ceiling lies in [q, (1 + sqrt(2q - 1)) / 2].
    Raises InputError when no pair has two raters.
    """
    votes = _votes(comparisons(rankings), "the human ceiling")
    kinds, kind_V = np.unique(
        np.stack([votes.ordered, np.minimum(votes.wins, votes.ordered - votes.wins)]),
        axis=1,
        return_inverse=True,
    )
    ordered_K, wins_K = kinds
    counts_PK = np.zeros((votes.prompt.max() + 1, kinds.shape[1]))
    np.add.at(counts_PK, (votes.prompt, kind_V.reshape(-1)), 1.0)
    counts_PK = counts_PK[counts_PK.sum(axis=1) > 0]

    found = _mean_certainty(counts_PK.sum(axis=0)[None], ordered_K, wins_K)[0]
    draws = _resamples(len(counts_PK), seed) @ counts_PK
    low, high = np.quantile(_mean_certainty(draws, ordered_K, wins_K), [0.025, 0.975])
    alike_P, total_P = votes.alike_and_total()
    share = float(alike_P.sum() / total_P.sum())
    return Ceiling(
        accuracy=float(found),
        low=float(min(low, found)),
        high=float(max(high, found)),
        at_least=max(share, 0.5),
        at_most=(1 + max(2 * share - 1, 0.0) ** 0.5) / 2,
        pairs=len(votes.ordered),
        prompts=len(counts_PK),
    )


def _mean_certainty(counts_BK: Floats, ordered_K: Integers, wins_K: Integers) -> Floats:
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
    for _ in range(EM_STEPS):
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
