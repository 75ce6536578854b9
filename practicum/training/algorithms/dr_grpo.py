"""Dr. GRPO: GRPO without its two biases, the division by the deviation and that by an answer's length.

A_i = r_i - mean(r) within the group; a token weighs 1 / (answers * sampling.max_new_tokens). No KL. Source:
Liu et al. 2025 (2503.20783, section 3.2).
"""

from __future__ import annotations

from practicum.rollout.collect import ScoredRollout
from practicum.training.algorithms.algorithm import Algorithm, Experience, Signals, group_credit


def credit(batch: ScoredRollout, signals: Signals, config: None) -> Experience:
    """Give every token its completion's reward less the mean of the group."""
    return group_credit(batch, signals, "group_mean")


ALGORITHM = Algorithm(
    "dr_grpo",
    needs=frozenset(),
    fewest=2,
    credit=credit,
    aggregation="constant",
    clip_high=0.2,
    changes="reward - mean of the group; a token's weight does not depend on its answer's length",
    source="Liu et al. 2025, 2503.20783",
)
