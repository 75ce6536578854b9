"""CISPO: a token that moved too far keeps its gradient; only its weight is bounded.

loss -stop_gradient(min(ratio, 1 + clip_high)) * A * log p, the mean over all tokens; A as in GRPO; no lower
bound and no KL. Source: MiniMax 2025 (MiniMax-M1, 2506.13585, eq. 4 and 5). The paper does not give its
bound; ratios up to 5 are those of Khatri et al. 2025 (ScaleRL, 2510.13786), which TRL's documentation names.
"""

from practicum.rollout.collect import ScoredRollout
from practicum.training.algorithms.algorithm import Algorithm, Experience, Signals, group_credit
from practicum.training.objectives import cispo_loss


def credit(batch: ScoredRollout, signals: Signals, config: None) -> Experience:
    """Give every token GRPO's advantage of its completion."""
    return group_credit(batch, signals, "group_standardised")


ALGORITHM = Algorithm(
    "cispo",
    needs=frozenset(),
    fewest=2,
    credit=credit,
    loss=cispo_loss,
    clip_low=None,
    clip_high=4.0,
    changes="bounds a token's weight (ratio up to 5) and never drops its gradient",
    source="MiniMax 2025, 2506.13585",
)
