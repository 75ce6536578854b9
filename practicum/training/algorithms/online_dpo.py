"""Online DPO: of the answers to a prompt, the best paid is preferred to the worst, and DPO learns from it.

loss -log sigmoid(beta ((l_best - ref_best) - (l_worst - ref_worst))), l the log-probability of an answer.
Its gradient is that of -A log p with A = +-beta sigmoid(-beta (...)), which is how it is computed: exact for
the one update a batch that is made. Prompts whose answers are all paid the same are left out. Sources: Guo et
al. 2024 (2402.04792), where a model judges two answers; DPO: Rafailov et al. 2023 (2305.18290, eq. 7).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from practicum.ranges import PositiveFloat, Ranged
from practicum.rollout.collect import ScoredRollout
from practicum.training.algorithms.algorithm import Algorithm, Experience, Signals, credited
from practicum.training.objectives import best_of_groups, reinforce_loss, untied


@dataclass(frozen=True)
class OnlineDpoConfig(Ranged, section="online_dpo"):
    """How hard pairs pull."""

    beta: PositiveFloat = 0.1
    """DPO's beta: how dear it is to leave the reference."""


def keep(batch: ScoredRollout, config: OnlineDpoConfig) -> Tensor:
    """The best-paid and the worst-paid answer of each prompt whose rewards differ, bool [B]."""
    reward_B, group_B = batch.reward_B, batch.rollout.group_B
    ends_B = best_of_groups(reward_B, group_B, 1) | best_of_groups(-reward_B, group_B, 1)
    return ends_B & untied(reward_B, group_B)


def credit(batch: ScoredRollout, signals: Signals, config: OnlineDpoConfig) -> Experience:
    """Give a pair's tokens +-2 beta sigmoid(-beta margin); 2, for the mean is over answers, not pairs."""
    rollout, reference_logprobs_BT = batch.rollout, signals.reference_logprobs_BT
    assert reference_logprobs_BT is not None
    ahead_B = ((rollout.logprobs_BT - reference_logprobs_BT) * rollout.mask_BT).sum(1)
    advantage_B = torch.zeros_like(ahead_B)
    for group in range(int(rollout.group_B.max()) + 1):
        rows = (rollout.group_B == group).nonzero().squeeze(1)
        best, worst = rows[batch.reward_B[rows].argmax()], rows[batch.reward_B[rows].argmin()]
        pull = 2 * config.beta * torch.sigmoid(-config.beta * (ahead_B[best] - ahead_B[worst]))
        advantage_B[best], advantage_B[worst] = pull, -pull
    return credited(batch, signals, advantage_B[:, None] * rollout.mask_BT)


ALGORITHM = Algorithm(
    "online_dpo",
    needs=frozenset({"reference"}),
    fewest=2,
    credit=credit,
    loss=reinforce_loss,
    aggregation="sequence_sum",
    clip_low=None,
    clip_high=None,
    pulls=(),
    keep=keep,
    changes="the best answer of a group against the worst, by DPO's loss",
    costs="a forward pass of the reference",
    source="Guo et al. 2024, 2402.04792",
)
