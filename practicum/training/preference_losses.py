"""Losses that learn from preferences without a reward model: pure functions on log-probabilities of answers.

Each takes the answers of a batch as one struct, chosen and rejected row by row, and returns a loss a row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Answers:
    """Log-probabilities of some answers, float32 [N]: sums over their tokens, now and by the reference.

    `length` int64 [N], tokens of each, at least 1. Without a reference its log-probabilities are 0.
    """

    logprob: Tensor
    reference: Tensor
    length: Tensor

    @property
    def ahead(self) -> Tensor:
        """log (policy / reference) of each answer."""
        return self.logprob - self.reference

    @property
    def mean(self) -> Tensor:
        """Mean log-probability of a token."""
        return self.logprob / self.length


@dataclass(frozen=True)
class Weights:
    """Settings of a loss: beta, margin (simpo), whether ipo divides by lengths, weights of labels (kto)."""

    beta: float
    margin: float = 1.0
    per_token: bool = False
    desirable: float = 1.0
    undesirable: float = 1.0


PairLoss = Callable[[Answers, Answers, Weights], Tensor]


@dataclass(frozen=True)
class PreferenceLoss:
    """A loss of `practicum dpo` by its name.

    pair: of chosen and rejected answers; kto, which is `unpaired`, has none and is `kto_loss`. reference:
    whether it compares with one. beta: what its paper begins with.
    """

    name: str
    pair: PairLoss | None
    reference: bool
    beta: float
    changes: str
    source: str
    unpaired: bool = False


def dpo_loss(chosen: Answers, rejected: Answers, weights: Weights) -> Tensor:
    """-log sigmoid(beta (ahead_chosen - ahead_rejected)), [N]. Source: Rafailov et al. 2023, 2305.18290."""
    return -functional.logsigmoid(weights.beta * (chosen.ahead - rejected.ahead))


def ipo_loss(chosen: Answers, rejected: Answers, weights: Weights) -> Tensor:
    """(ahead_chosen - ahead_rejected - 1 / (2 beta))^2, [N]; beta is the paper's tau.

    Source: Azar et al. 2023, 2310.12036, eq. 17, whose log-ratios are those of whole answers. TRL divides
    each by its length, with the authors' consent as it says: that is `per_token`.
    """
    first, second = chosen.ahead, rejected.ahead
    if weights.per_token:
        first, second = first / chosen.length, second / rejected.length
    return (first - second - 1 / (2 * weights.beta)) ** 2


def simpo_loss(chosen: Answers, rejected: Answers, weights: Weights) -> Tensor:
    """-log sigmoid(beta (mean_chosen - mean_rejected) - margin), [N], without a reference.

    Means are over tokens. Source: Meng et al. 2024, 2405.14734, eq. 6.
    """
    return -functional.logsigmoid(weights.beta * (chosen.mean - rejected.mean) - weights.margin)


def orpo_loss(chosen: Answers, rejected: Answers, weights: Weights) -> Tensor:
    """-mean_chosen - beta log sigmoid(log odds(chosen) - log odds(rejected)), [N], without a reference.

    odds(p) = p / (1 - p) of the geometric mean of the tokens' probabilities; beta is the paper's lambda.
    Source: Hong et al. 2024, 2403.07691, eq. 6 and 7. TRL's first term is a mean over the batch's tokens.
    """
    gap = log_odds(chosen.mean) - log_odds(rejected.mean)
    return -chosen.mean - weights.beta * functional.logsigmoid(gap)


def log_odds(logprob: Tensor) -> Tensor:
    """log (p / (1 - p)) of log p < 0, finite where p rounds to 1."""
    return logprob - torch.log1p(-logprob.clamp_max(-1e-6).exp())


def kto_loss(answers: Answers, desirable: Tensor, baseline: Tensor, weights: Weights) -> Tensor:
    """Weighted 1 - sigmoid(beta (ahead - baseline)) where desirable (bool [N]), else of its opposite; [N].

    `baseline`, a number from 0 up without a gradient, is an estimate of the KL to the reference:
    `kto_baseline`. Source: Ethayarajh et al. 2024, 2402.01306.
    """
    gain = weights.beta * (answers.ahead - baseline)
    worth = torch.where(desirable, torch.sigmoid(gain), torch.sigmoid(-gain))
    return torch.where(desirable, weights.desirable, weights.undesirable) * (1 - worth)


def kto_baseline(mismatched: Answers) -> Tensor:
    """max(0, mean of `ahead`) over answers to other prompts, a number. Source: 2402.01306, section 4.1."""
    return mismatched.ahead.mean().clamp_min(0).detach()


LOSSES: dict[str, PreferenceLoss] = {
    one.name: one
    for one in (
        PreferenceLoss(
            "dpo",
            dpo_loss,
            reference=True,
            beta=0.1,
            changes="a reward model that is the policy itself: the log-ratio to the reference",
            source="Rafailov et al. 2023, 2305.18290",
        ),
        PreferenceLoss(
            "ipo",
            ipo_loss,
            reference=True,
            beta=0.1,
            changes="a squared distance to a fixed gap, so that clear preferences do not run away",
            source="Azar et al. 2023, 2310.12036",
        ),
        PreferenceLoss(
            "kto",
            None,
            reference=True,
            beta=0.1,
            changes="single answers, each good or bad, against an estimate of the KL",
            source="Ethayarajh et al. 2024, 2402.01306",
            unpaired=True,
        ),
        PreferenceLoss(
            "simpo",
            simpo_loss,
            reference=False,
            beta=2.0,
            changes="mean log-probabilities with a margin; no reference",
            source="Meng et al. 2024, 2405.14734",
        ),
        PreferenceLoss(
            "orpo",
            orpo_loss,
            reference=False,
            beta=0.1,
            changes="imitation of the chosen answer plus the odds against the rejected one; no reference",
            source="Hong et al. 2024, 2403.07691",
        ),
    )
}
"""The losses by name."""
