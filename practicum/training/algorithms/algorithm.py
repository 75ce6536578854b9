"""What an algorithm of practice is: how it gives credit to the tokens of a rollout, and the loss it takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor

from practicum.guard.controllers import KLPenalty, Placement
from practicum.rollout.collect import ScoredRollout
from practicum.training.objectives import (
    AdvantageKind,
    Aggregation,
    clipped_policy_loss,
    group_advantages,
    kl_estimate,
)
from practicum.types import Rollout

PolicyLoss: TypeAlias = Callable[[Tensor, Tensor, Tensor, float, float], tuple[Tensor, Tensor]]
"""Log-probabilities now and when sampled, advantages (all [M]), clip_low and clip_high -> the tokens' losses
and which of them were clipped, both [M]."""
NO_KL = KLPenalty()


@dataclass(frozen=True)
class Experience:
    """A rollout with its credit. Tensors are float32 [B, T], 0 off the rollout's mask.

    values_BT and returns_BT are present when a value head is trained, reference_logprobs_BT when there is a
    reference. `row_matters_B`: bool, False where a row's gradient is known to be zero and it is skipped.
    sampler_gap_BT: how much likelier the learner finds a token than the sampler did, in nats, where answers
    were scored again by the learner.
    """

    rollout: Rollout
    advantages_BT: Tensor
    row_matters_B: Tensor
    reference_logprobs_BT: Tensor | None = None
    values_BT: Tensor | None = None
    returns_BT: Tensor | None = None
    sampler_gap_BT: Tensor | None = None


@dataclass(frozen=True)
class Signals:
    """What credit may rest on besides the rewards.

    kl: the pull to the reference, with the weight of this step. reference_logprobs_BT, values_BT: float32
    [B, T], present where there is a reference, and where the algorithm needs values. longest: most tokens of
    a completion.
    """

    kl: KLPenalty
    reference_logprobs_BT: Tensor | None = None
    values_BT: Tensor | None = None
    longest: int = 0


@dataclass(frozen=True)
class Algorithm:
    """A way to learn from scored rollouts; its settings are the field of `RlConfig` named `section`.

    needs: "values" for a value head that is trained beside the policy, "reference" for the log-probabilities
    of a model that does not learn, "teacher" for those of a better one. fewest: answers to a prompt that it
    must have. credit: gives every token its advantage. loss: of tokens. ratio: whether the loss reads the
    importance ratio of each token or, at each of its tokens, that of the whole answer. aggregation,
    clip_low, clip_high, kl: what its paper has, where the settings leave it open; no clip_low or clip_high
    where the loss has no such bound. pulls: where a pull to a reference may be. keep: the rows to learn from,
    bool [B]; all without it. most_rounds: times it samples again for prompts whose rows were not kept.
    most_completions: at which number of completions a run ends; 0 where its steps alone say when.
    changes, costs, source: its line in the table.
    """

    name: str
    needs: frozenset[Literal["values", "reference", "teacher"]]
    fewest: int
    credit: Callable[[ScoredRollout, Signals, Any], Experience]
    loss: PolicyLoss = clipped_policy_loss
    ratio: Literal["token", "sequence"] = "token"
    aggregation: Aggregation = "token_mean"
    clip_low: float | None = 0.2
    clip_high: float | None = 0.28
    kl: KLPenalty = NO_KL
    pulls: tuple[Placement, ...] = ("reward", "loss")
    keep: Callable[[ScoredRollout, Any], Tensor] | None = None
    most_rounds: Callable[[Any], int] = lambda settings: 1
    most_completions: Callable[[Any], int] = lambda settings: 0
    section: str = ""
    changes: str = ""
    costs: str = ""
    source: str = ""

    def settings(self, config: object) -> Any:
        """The algorithm's own settings in a config of practice; None where it has none."""
        return getattr(config, self.section or self.name, None)


def group_credit(batch: ScoredRollout, signals: Signals, kind: AdvantageKind) -> Experience:
    """Give every token of a completion the completion's advantage within its group.

    A KL in the reward is taken off the whole completion's reward. Under `group_standardised` it is compared
    within the group and not divided by the deviation: a group whose answers were paid the same would push
    as hard on the noise of its KL as on a reward, whatever beta is.
    """
    group_B, penalty_B = batch.rollout.group_B, reward_penalty(batch, signals)
    if penalty_B is not None and kind != "group_standardised":
        advantage_B = group_advantages(batch.reward_B - penalty_B, group_B, kind)
    else:
        advantage_B = group_advantages(batch.reward_B, group_B, kind)
        if penalty_B is not None:
            advantage_B = advantage_B - group_advantages(penalty_B, group_B, "group_mean")
    return credited(batch, signals, advantage_B[:, None] * batch.rollout.mask_BT)


def reward_penalty(batch: ScoredRollout, signals: Signals) -> Tensor | None:
    """What a KL in the reward takes off each completion, [B]; None where there is none."""
    rollout, kl, reference_logprobs_BT = batch.rollout, signals.kl, signals.reference_logprobs_BT
    if reference_logprobs_BT is None or kl.placement != "reward" or not kl.beta:
        return None
    penalty_BT = kl_estimate(rollout.logprobs_BT, reference_logprobs_BT, kl.estimator) * rollout.mask_BT
    return kl.beta * penalty_BT.sum(1)


def credited(batch: ScoredRollout, signals: Signals, advantages_BT: Tensor) -> Experience:
    """The experience of advantages that are known, 0 off the mask.

    A row without any advantage pulls nowhere, unless another term of the loss acts on it.
    """
    reference_logprobs_BT = signals.reference_logprobs_BT
    matters_B = (advantages_BT != 0).any(1)
    if reference_logprobs_BT is not None and signals.kl.placement == "loss":
        matters_B = torch.ones_like(matters_B)
    return Experience(batch.rollout, advantages_BT.float(), matters_B, reference_logprobs_BT)
