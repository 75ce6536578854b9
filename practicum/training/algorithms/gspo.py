"""GSPO: the importance ratio is that of the whole answer, per token, and it is clipped as one.

s_i = (p_now(answer i) / p_sampled(answer i)) ^ (1 / length); loss -min(s_i A_i, clip(s_i) A_i), the mean over
answers; A_i as in GRPO; clip 3e-4 below and 4e-4 above; no KL. Source: Zheng et al. 2025 (2507.18071, eq. 5
to 7, section 5.1). p_sampled is the learner's own reading before the update: a sampler's, in bfloat16, is
further from it than the bounds allow.
"""

from practicum.rollout.collect import ScoredRollout
from practicum.training.algorithms.algorithm import Algorithm, Experience, Signals, group_credit


def credit(batch: ScoredRollout, signals: Signals, config: None) -> Experience:
    """Give every token GRPO's advantage of its completion."""
    return group_credit(batch, signals, "group_standardised")


ALGORITHM = Algorithm(
    "gspo",
    needs=frozenset(),
    fewest=2,
    credit=credit,
    ratio="sequence",
    aggregation="sequence_mean",
    clip_low=3e-4,
    clip_high=4e-4,
    changes="one ratio for a whole answer, clipped at -3e-4 and +4e-4",
    costs="a forward pass of the policy",
    source="Zheng et al. 2025, 2507.18071",
)
