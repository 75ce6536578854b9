"""MaxRL: what maximum likelihood of a right answer asks for; rare successes count more.

A_i = (r_i - mean(r)) / mean(r) within the group, 0 where no answer is right; the answer is one action. With G
answers its expectation is the gradient of the first G - 1 terms of log P(right) = -(1 - P) - (1 - P)^2 / 2 -
..., where REINFORCE has that of the first alone (a test computes it). For rewards between 0 and 1. Source:
Tajwar et al. 2026 (2602.02710, the on-policy estimator with its control variate). PPO's clip of 0.2 is ours,
for several updates a batch.
"""

from __future__ import annotations

from torch import Tensor

from practicum.errors import InputError
from practicum.rollout.collect import ScoredRollout
from practicum.training.algorithms.algorithm import Algorithm, Experience, Signals, credited
from practicum.training.objectives import max_rl_advantages


def credit(batch: ScoredRollout, signals: Signals, config: None) -> Experience:
    """Give every token the completion's reward over the group's mean, less 1.

    Raises InputError for a reward below 0, of which no likelihood can be made.
    """
    _check(batch.reward_B)
    advantage_B = max_rl_advantages(batch.reward_B, batch.rollout.group_B)
    return credited(batch, signals, advantage_B[:, None] * batch.rollout.mask_BT)


def _check(reward_B: Tensor) -> None:
    if float(reward_B.min()) < 0:
        raise InputError(
            f"max_rl takes a reward for the share of a right answer, from 0 to 1, and an answer was paid "
            f"{float(reward_B.min()):g}: choose another algorithm, or pay no less than 0"
        )


ALGORITHM = Algorithm(
    "max_rl",
    needs=frozenset(),
    fewest=2,
    credit=credit,
    aggregation="sequence_sum",
    clip_high=0.2,
    pulls=("loss",),
    changes="(reward - mean) / mean of the group: rarely solved prompts count more",
    source="Tajwar et al. 2026, 2602.02710",
)
