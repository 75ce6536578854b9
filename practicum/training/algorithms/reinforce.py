"""REINFORCE: an answer is made likelier in proportion to its reward; nothing is subtracted.

The loss is -r_i log p(answer i), the mean over answers. Source: Williams 1992 (Machine Learning 8)
with a baseline of 0. It is unbiased, and noisier than all that follow: compare `rloo`.
"""

from __future__ import annotations

from practicum.rollout.collect import ScoredRollout
from practicum.training.algorithms.algorithm import Algorithm, Experience, Signals, credited, reward_penalty
from practicum.training.objectives import reinforce_loss


def credit(batch: ScoredRollout, signals: Signals, config: None) -> Experience:
    """Give every token its completion's reward."""
    penalty_B = reward_penalty(batch, signals)
    reward_B = batch.reward_B if penalty_B is None else batch.reward_B - penalty_B
    return credited(batch, signals, reward_B.float()[:, None] * batch.rollout.mask_BT)


ALGORITHM = Algorithm(
    "reinforce",
    needs=frozenset(),
    fewest=1,
    credit=credit,
    loss=reinforce_loss,
    aggregation="sequence_sum",
    clip_low=None,
    clip_high=None,
    changes="the reward as it is: no baseline, no ratio, no clip",
    source="Williams 1992",
)
