"""SAPO: a soft gate in place of the clip, which closes faster where the advantage is negative.

loss -(4 / tau) sigmoid(tau (ratio - 1)) A with tau 1 for A > 0 and 1.05 otherwise, the mean over an answer's
tokens, then over answers; A as in GRPO; no KL. Source: Gao et al. 2025 (2511.20347, eq. 5 and 6).
"""

from practicum.rollout.collect import ScoredRollout
from practicum.training.algorithms.algorithm import Algorithm, Experience, Signals, group_credit
from practicum.training.objectives import sapo_loss


def credit(batch: ScoredRollout, signals: Signals, config: None) -> Experience:
    """Give every token GRPO's advantage of its completion."""
    return group_credit(batch, signals, "group_standardised")


ALGORITHM = Algorithm(
    "sapo",
    needs=frozenset(),
    fewest=2,
    credit=credit,
    loss=sapo_loss,
    aggregation="sequence_mean",
    clip_low=None,
    clip_high=None,
    changes="a sigmoid of the ratio in place of the clip",
    source="Gao et al. 2025, 2511.20347",
)
