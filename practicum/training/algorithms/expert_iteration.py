"""Expert iteration (rejection sampling): imitate the model's own right answers, as in worked problems.

Kept are answers that solve their problem; where the task does not say which do, the best-paid answers to a
prompt, unless all are paid alike. The loss is their negative log-likelihood, the mean over tokens. Sources:
Anthony et al. 2017 (1705.08439); Zelikman et al. 2022 (STaR, 2203.14465); best of K: Dong et al. 2023 (RAFT,
2304.06767). STaR imitates from the first model again in each round; here, as in RAFT, training goes on.
"""

from __future__ import annotations

import torch
from torch import Tensor

from practicum.rollout.collect import ScoredRollout
from practicum.training.algorithms.algorithm import Algorithm, Experience, Signals, credited
from practicum.training.objectives import reinforce_loss, untied


def keep(batch: ScoredRollout, config: None) -> Tensor:
    """The rows that are imitated, bool [B]."""
    groups = int(batch.rollout.group_B.max()) + 1
    reward_B, group_B = batch.reward_B, batch.rollout.group_B
    most = reward_B.new_full((groups,), -torch.inf).scatter_reduce_(0, group_B, reward_B, "amax")
    best_B = (reward_B == most[group_B]) & untied(reward_B, group_B)
    solved = [score.solved for score in batch.scores]
    return torch.tensor(
        [bool(best) if one is None else one for one, best in zip(solved, best_B, strict=True)]
    )


def credit(batch: ScoredRollout, signals: Signals, config: None) -> Experience:
    """Give every token of what was kept the advantage 1."""
    return credited(batch, signals, batch.rollout.mask_BT.float())


ALGORITHM = Algorithm(
    "expert_iteration",
    needs=frozenset(),
    fewest=1,
    credit=credit,
    loss=reinforce_loss,
    clip_low=None,
    clip_high=None,
    pulls=("loss",),
    keep=keep,
    changes="imitates its right answers (or the best paid); wrong ones teach nothing",
    source="Anthony et al. 2017, 1705.08439; Dong et al. 2023, 2304.06767",
)
