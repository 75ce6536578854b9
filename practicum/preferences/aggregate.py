"""What people agree on, allowing for raters who are careless, contrary, or led by the order shown.

A Bradley-Terry model with raters in it: rater r prefers i to j with probability
sigma(b_r (s_i - s_j) + p_r x_ij), where s are the responses' scores, b_r the rater's reliability (mean 1
over raters; 0 is noise, below 0 contrary) and p_r the pull of the order shown, x_ij in [-1, 1] being how
much earlier i was shown. It is CrowdBT (Chen, Bennett, Collins-Thompson & Horvitz, WSDM 2013) with its
flip probability replaced by an inverse temperature, so that one logistic likelihood also holds the
position term. A tie counts as half a preference each way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from practicum.errors import InputError
from practicum.preferences.comparisons import Comparisons, comparisons, count, raters_of
from practicum.stats import Floats
from practicum.types import Ranking

# Standard deviations of the normal priors: scores wide, raters near the common reliability, no position pull.
SCORE_SPREAD = 2.0
RELIABILITY_SPREAD = 1.0
POSITION_SPREAD = 1.0

# A rater who has shared fewer prompts with others than this is not judged.
FEWEST_SHARED_PROMPTS = 10

Verdict = Literal["fine", "spammer", "too few rankings"]


@dataclass(frozen=True)
class RaterQuality:
    """What the rankings say about one rater.

    `reliability`: 1 is the mean rater, 0 noise, negative contrary; `position`: pull of the order shown in
    log-odds between first and last place, positive for earlier ones; each with its standard error.
    `agreement`: share of pairs ordered as the other raters' majority, None without shared prompts; 0.5 is
    chance. `rankings` and `shared_prompts` say how much that rests on.
    """

    rater: str
    rankings: int
    shared_prompts: int
    reliability: float
    reliability_error: float
    position: float
    position_error: float
    agreement: float | None
    agreement_error: float | None
    verdict: Verdict


@dataclass(frozen=True)
class Consensus:
    """The fitted model. `scores` maps (prompt, response) to its score; they sum to about 0 in a prompt.

    `errors` are the scores' standard errors. `raters` stand in the order of their first ranking.
    """

    scores: Mapping[tuple[str, str], float]
    errors: Mapping[tuple[str, str], float]
    raters: tuple[RaterQuality, ...]

    def spammers(self) -> list[str]:
        """Names of the raters whose verdict is `spammer`."""
        return [quality.rater for quality in self.raters if quality.verdict == "spammer"]


def consensus(rankings: Sequence[Ranking]) -> Consensus:
    """Fit the model to current rankings by maximum a posteriori (L-BFGS), and judge the raters.

    Standard errors come from the diagonal of the log posterior's curvature, other parameters held fixed, so
    they are a little small. Raises InputError without rankings.
    """
    pairwise = comparisons(rankings)
    if not len(pairwise.vote_C):
        raise InputError("consensus needs rankings: there are none")
    responses, raters = len(pairwise.responses), len(pairwise.raters)
    start = np.concatenate([_net_wins(pairwise), np.zeros(2 * raters)])
    best = minimize(_loss_and_gradient, start, args=(pairwise,), jac=True, method="L-BFGS-B")
    score_N, reliability_R, position_R = _unpack(best.x, responses, raters)
    score_errors_N, reliability_errors_R, position_errors_R = _errors(
        score_N, reliability_R, position_R, pairwise
    )
    shared_R, agreement_R, agreement_errors_R = leave_one_out(pairwise, reliability_R)
    verdicts = judge(shared_R, agreement_R, agreement_errors_R)
    rankings_by_rater = Counter(raters_of(rankings))
    return Consensus(
        scores=dict(zip(pairwise.responses, score_N.tolist(), strict=True)),
        errors=dict(zip(pairwise.responses, score_errors_N.tolist(), strict=True)),
        raters=tuple(
            RaterQuality(
                rater=name,
                rankings=rankings_by_rater[name],
                shared_prompts=int(shared_R[index]),
                reliability=float(reliability_R[index]),
                reliability_error=float(reliability_errors_R[index]),
                position=float(position_R[index]),
                position_error=float(position_errors_R[index]),
                agreement=float(agreement_R[index]) if shared_R[index] else None,
                agreement_error=float(agreement_errors_R[index]) if shared_R[index] > 1 else None,
                verdict=verdicts[index],
            )
            for index, name in enumerate(pairwise.raters)
        ),
    )


def _net_wins(pairwise: Comparisons) -> Floats:
    """Starting scores: wins minus losses over comparisons, in [-1, 1]."""
    number = len(pairwise.responses)
    net = np.bincount(pairwise.first_C, pairwise.vote_C, number)
    net -= np.bincount(pairwise.second_C, pairwise.vote_C, number)
    seen = np.bincount(pairwise.first_C, minlength=number) + np.bincount(pairwise.second_C, minlength=number)
    scores: Floats = net / np.maximum(seen, 1)
    return scores


def _unpack(parameters: Floats, responses: int, raters: int) -> tuple[Floats, Floats, Floats]:
    """Scores [N], reliabilities [R] and position pulls [R].

    Reliabilities are held to a mean of 1: their scale and the scores' cannot be told apart.
    """
    score_N, deviation_R, position_R = np.split(parameters, [responses, responses + raters])
    return score_N, 1.0 + deviation_R - deviation_R.mean(), position_R


def _logits(score_N: Floats, reliability_R: Floats, position_R: Floats, pairwise: Comparisons) -> Floats:
    gap_C = score_N[pairwise.first_C] - score_N[pairwise.second_C]
    rater_C = pairwise.rater_C
    logit_C: Floats = reliability_R[rater_C] * gap_C + position_R[rater_C] * pairwise.shown_C
    return logit_C


def _loss_and_gradient(parameters: Floats, pairwise: Comparisons) -> tuple[float, Floats]:
    """The negative log posterior and its gradient."""
    responses, raters = len(pairwise.responses), len(pairwise.raters)
    score_N, reliability_R, position_R = _unpack(parameters, responses, raters)
    logit_C = _logits(score_N, reliability_R, position_R, pairwise)
    preferred_C = (pairwise.vote_C + 1) / 2
    fit = pairwise.weight_C @ (np.logaddexp(0.0, logit_C) - preferred_C * logit_C)
    deviation_R = parameters[responses : responses + raters]
    prior = (
        (score_N**2).sum() / SCORE_SPREAD**2
        + (deviation_R**2).sum() / RELIABILITY_SPREAD**2
        + (position_R**2).sum() / POSITION_SPREAD**2
    ) / 2

    slope_C = pairwise.weight_C * (expit(logit_C) - preferred_C)
    pull_C = slope_C * reliability_R[pairwise.rater_C]
    gap_C = score_N[pairwise.first_C] - score_N[pairwise.second_C]
    score_slope_N = np.bincount(pairwise.first_C, pull_C, responses)
    score_slope_N -= np.bincount(pairwise.second_C, pull_C, responses)
    reliability_slope_R = np.bincount(pairwise.rater_C, slope_C * gap_C, raters)
    gradient = np.concatenate(
        [
            score_slope_N + score_N / SCORE_SPREAD**2,
            reliability_slope_R - reliability_slope_R.mean() + deviation_R / RELIABILITY_SPREAD**2,
            np.bincount(pairwise.rater_C, slope_C * pairwise.shown_C, raters)
            + position_R / POSITION_SPREAD**2,
        ]
    )
    return float(fit + prior), gradient


def _errors(
    score_N: Floats, reliability_R: Floats, position_R: Floats, pairwise: Comparisons
) -> tuple[Floats, Floats, Floats]:
    """Standard errors of scores, reliabilities and position pulls: 1 / sqrt of the diagonal curvature."""
    chance_C = expit(_logits(score_N, reliability_R, position_R, pairwise))
    curve_C = pairwise.weight_C * chance_C * (1 - chance_C)
    gap_C = score_N[pairwise.first_C] - score_N[pairwise.second_C]
    responses, raters = len(score_N), len(reliability_R)
    steep_C = curve_C * reliability_R[pairwise.rater_C] ** 2
    scores = count(pairwise.first_C, steep_C, responses) + count(pairwise.second_C, steep_C, responses)
    reliabilities = count(pairwise.rater_C, curve_C * gap_C**2, raters)
    positions = count(pairwise.rater_C, curve_C * pairwise.shown_C**2, raters)
    return (
        (scores + SCORE_SPREAD**-2) ** -0.5,
        (reliabilities + RELIABILITY_SPREAD**-2) ** -0.5,
        (positions + POSITION_SPREAD**-2) ** -0.5,
    )


# -------------------------------------------------------------------------------------------- judging raters


def leave_one_out(pairwise: Comparisons, reliability_R: Floats) -> tuple[Floats, Floats, Floats]:
    """Each rater against the others' majority, the others weighted by their reliability (0 if contrary).

    Returns per rater [R]: prompts shared with others, share of pairs ordered alike (ties left out; 0.5 where
    nothing is shared), its standard error over prompts (0 below two prompts). The rater's own votes are
    taken out of the majority, so a spammer's expected share is 0.5 whatever the crowd.
    """
    pair_C, raters = pairwise.pair_numbers(), len(pairwise.raters)
    cast_C = np.maximum(reliability_R, 1e-3)[pairwise.rater_C] * pairwise.vote_C
    others_C = np.bincount(pair_C, cast_C)[pair_C] - cast_C
    # Sums of floats leave crumbs where the rater was alone.
    counted_C = (np.abs(others_C) > 1e-9) & (pairwise.vote_C != 0)
    alike_C = (np.sign(others_C) == pairwise.vote_C)[counted_C]
    prompt_C, rater_C = pairwise.prompt_C[counted_C], pairwise.rater_C[counted_C]
    block, block_C = np.unique(rater_C * len(pairwise.prompts) + prompt_C, return_inverse=True)
    share_B = np.bincount(block_C, alike_C) / np.maximum(np.bincount(block_C), 1)
    rater_B = block // len(pairwise.prompts)
    shared_R = np.bincount(rater_B, minlength=raters).astype(np.float64)
    mean_R = np.bincount(rater_B, share_B, raters) / np.maximum(shared_R, 1)
    square_R = np.bincount(rater_B, (share_B - mean_R[rater_B]) ** 2, raters)
    error_R = np.sqrt(square_R / np.maximum(shared_R - 1, 1) / np.maximum(shared_R, 1))
    return shared_R, np.where(shared_R > 0, mean_R, 0.5), error_R


def judge(shared_R: Floats, agreement_R: Floats, error_R: Floats) -> list[Verdict]:
    """A verdict per rater: `spammer` when the agreement with others is nearer to chance than to the crowd's.

    The line is halfway between 0.5 and the median rater's agreement, and a spammer lies below it by a
    standard error or more. It takes for granted that most raters are honest; a crowd that hardly agrees
    (median below 0.55) convicts nobody.
    """
    judged_R = shared_R >= FEWEST_SHARED_PROMPTS
    crowd = float(np.median(agreement_R[judged_R])) if judged_R.any() else 0.5
    line = (0.5 + crowd) / 2
    guilty_R = judged_R & (agreement_R + error_R < line) & (crowd >= 0.55)
    return [
        "too few rankings" if not judged else "spammer" if guilty else "fine"
        for judged, guilty in zip(judged_R, guilty_R, strict=True)
    ]
