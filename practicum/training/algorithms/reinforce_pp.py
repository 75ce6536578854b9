"""REINFORCE++: advantages are standardised over the whole batch and not within each group.

Global baseline: A_t = r - beta * (KL of this and later tokens, k1), then all tokens of the batch are brought
to mean 0 and deviation 1. Group baseline: r - mean of the group first, then the same. PPO's clipped loss, the
mean over an answer's tokens, then over answers. Source: Hu et al. 2025 (2501.03262, REINFORCE++ and
REINFORCE++ with baseline, eq. 8). A KL is off unless `--update.kl.weight` is given; with the group baseline
it is then k2 in the loss, as in the paper.
"""

from __future__ import annotations

from practicum.guard.controllers import KLPenalty
from practicum.rollout.collect import ScoredRollout
from practicum.training.algorithms.algorithm import Algorithm, Experience, Signals, credited, reward_penalty
from practicum.training.objectives import group_advantages, kl_estimate, whiten


def credit_global(batch: ScoredRollout, signals: Signals, config: None) -> Experience:
    """Give every token the reward less the KL to come, standardised over the batch's tokens."""
    rollout, kl, reference_logprobs_BT = batch.rollout, signals.kl, signals.reference_logprobs_BT
    returns_BT = batch.reward_B.double()[:, None] * rollout.mask_BT
    if reference_logprobs_BT is not None and kl.placement == "reward":
        penalty_BT = kl_estimate(rollout.logprobs_BT, reference_logprobs_BT, kl.estimator) * rollout.mask_BT
        to_come_BT = penalty_BT.double().flip(1).cumsum(1).flip(1)
        returns_BT = (returns_BT - kl.beta * to_come_BT) * rollout.mask_BT
    return credited(batch, signals, whiten(returns_BT, rollout.mask_BT))


def credit_group(batch: ScoredRollout, signals: Signals, config: None) -> Experience:
    """Give every token the reward less the group's mean, standardised over the batch's tokens."""
    rollout, penalty_B = batch.rollout, reward_penalty(batch, signals)
    reward_B = batch.reward_B if penalty_B is None else batch.reward_B - penalty_B
    centred_B = group_advantages(reward_B, rollout.group_B, "group_mean")
    return credited(batch, signals, whiten(centred_B[:, None] * rollout.mask_BT, rollout.mask_BT))


GLOBAL = Algorithm(
    "reinforce_pp",
    needs=frozenset(),
    fewest=1,
    credit=credit_global,
    aggregation="sequence_mean",
    clip_high=0.2,
    changes="rewards standardised over the batch's tokens; no groups needed",
    source="Hu et al. 2025, 2501.03262",
)
GROUP = Algorithm(
    "reinforce_pp_baseline",
    needs=frozenset(),
    fewest=2,
    credit=credit_group,
    aggregation="sequence_mean",
    clip_high=0.2,
    kl=KLPenalty(0.0, "k2", "loss"),
    changes="reward - mean of the group, standardised over the batch's tokens",
    source="Hu et al. 2025, 2501.03262",
)
