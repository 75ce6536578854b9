"""GRPO and its critic-free relatives: an answer is as good as it beats the other answers to its prompt.

Named choices of the family, by `GrpoConfig.advantage` and `UpdateConfig.aggregation`:
GRPO = group_standardised + sequence_mean; Dr. GRPO = group_mean + constant; DAPO = group_standardised +
token_mean + clip_high 0.28; RLOO = leave_one_out + constant.
"""

from __future__ import annotations

from dataclasses import dataclass

from practicum.rollout.collect import ScoredRollout
from practicum.training.algorithms.algorithm import Algorithm, Experience, Signals
from practicum.training.objectives import AdvantageKind, group_advantages, kl_estimate


@dataclass(frozen=True)
class GrpoConfig:
    """How a group's rewards become advantages."""

    advantage: AdvantageKind = "group_standardised"
    """group_mean, group_standardised (GRPO) or leave_one_out (RLOO)."""


def credit(batch: ScoredRollout, signals: Signals, config: GrpoConfig) -> Experience:
    """Give every token of a completion the completion's advantage within its group."""
    rollout, kl, reference_logprobs_BT = batch.rollout, signals.kl, signals.reference_logprobs_BT
    reward_B = batch.reward_B
    if reference_logprobs_BT is not None and kl.placement == "reward":
        penalty_BT = kl_estimate(rollout.logprobs_BT, reference_logprobs_BT, kl.estimator) * rollout.mask_BT
        reward_B = reward_B - kl.weight * penalty_BT.sum(1)
    advantage_B = group_advantages(reward_B, rollout.group_B, config.advantage)
    # A tied group has advantages of exactly 0 and pulls nowhere, unless another term of the loss acts on it.
    matters_B = advantage_B != 0
    if reference_logprobs_BT is not None and kl.placement == "loss":
        matters_B = matters_B | True
    return Experience(rollout, advantage_B[:, None] * rollout.mask_BT, matters_B, reference_logprobs_BT)


ALGORITHM = Algorithm("grpo", needs=frozenset(), fewest=2, credit=credit)
