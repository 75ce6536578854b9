"""RLOO: REINFORCE whose baseline is the mean reward of the other answers to the prompt.

A_i = r_i - mean of the others; the loss is -A_i log p(answer i), the mean over answers, without a ratio and
without a clip: the whole answer is one action. A KL, where there is one, is in the reward. Source: Ahmadian
et al. 2024 (2402.14740). TRL's RLOOTrainer clips the ratio of the whole answer besides.
"""

from __future__ import annotations

from practicum.rollout.collect import ScoredRollout
from practicum.training.algorithms.algorithm import Algorithm, Experience, Signals, group_credit
from practicum.training.objectives import reinforce_loss


def credit(batch: ScoredRollout, signals: Signals, config: None) -> Experience:
    """Give every token its completion's reward less the mean of the others'."""
    return group_credit(batch, signals, "leave_one_out")


ALGORITHM = Algorithm(
    "rloo",
    needs=frozenset(),
    fewest=2,
    credit=credit,
    loss=reinforce_loss,
    aggregation="sequence_sum",
    clip_low=None,
    clip_high=None,
    changes="reward - mean of the group's others; no ratio, no clip",
    source="Ahmadian et al. 2024, 2402.14740",
)
