"""GRPO as published: answers to one prompt compete, and a KL to the reference is part of the loss.

A_i = (r_i - mean(r)) / std(r) within the group; the clipped loss is averaged over the tokens of an answer,
then over answers; the KL is k3, in the loss, with weight 0.04. Source: Shao et al. 2024 (DeepSeekMath,
2402.03300, eq. 3 and 4, section 4.1.2). The paper names no clip bound; 0.2 is PPO's. TRL's GRPOTrainer has
other defaults: no KL, and the mean over all tokens, which here is `group`.
"""

from __future__ import annotations

from dataclasses import dataclass

from practicum.guard.controllers import KLPenalty
from practicum.rollout.collect import ScoredRollout
from practicum.training.algorithms.algorithm import Algorithm, Experience, Signals, group_credit
from practicum.training.objectives import AdvantageKind


@dataclass(frozen=True)
class GrpoConfig:
    """How a group's rewards become advantages."""

    advantage: AdvantageKind = "group_standardised"
    """group_mean, group_standardised (GRPO) or leave_one_out (RLOO)."""


def credit(batch: ScoredRollout, signals: Signals, config: GrpoConfig) -> Experience:
    """Give every token of a completion the completion's advantage within its group."""
    return group_credit(batch, signals, config.advantage)


ALGORITHM = Algorithm(
    "grpo",
    needs=frozenset(),
    fewest=2,
    credit=credit,
    aggregation="sequence_mean",
    clip_high=0.2,
    kl=KLPenalty(0.04, "k3", "loss"),
    changes="(reward - mean) / deviation of the group; answers weigh alike; KL (k3, 0.04) in the loss",
    costs="a forward pass of the reference",
    source="Shao et al. 2024, 2402.03300",
)
