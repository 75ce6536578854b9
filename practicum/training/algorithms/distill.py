"""On-policy distillation: the student writes, and a teacher says of each token how likely it was.

A_t = -(log p_student - log p_teacher) at the sampled token, this token's alone: a sample of the reverse KL
from student to teacher, of which no later token is to blame for an earlier one. The reward plays no part.
`--reference` is the teacher. Sources: Agarwal et al. 2023 (GKD, 2306.13649, reverse KL on the student's own
samples); Gu et al. 2023 (MiniLLM, 2306.08543); as an advantage per token: Lu & Thinking Machines 2025,
"On-Policy Distillation".
"""

from __future__ import annotations

from practicum.rollout.collect import ScoredRollout
from practicum.training.algorithms.algorithm import Algorithm, Experience, Signals, credited
from practicum.training.objectives import importance_loss, kl_estimate


def credit(batch: ScoredRollout, signals: Signals, config: None) -> Experience:
    """Give every token what it is likelier for the teacher, in nats."""
    rollout, teacher_BT = batch.rollout, signals.reference_logprobs_BT
    assert teacher_BT is not None
    return credited(batch, signals, -kl_estimate(rollout.logprobs_BT, teacher_BT, "k1") * rollout.mask_BT)


ALGORITHM = Algorithm(
    "distill",
    needs=frozenset({"reference", "teacher"}),
    fewest=1,
    credit=credit,
    loss=importance_loss,
    clip_low=None,
    clip_high=None,
    pulls=(),
    changes="the teacher's log-probability of each sampled token against the student's; no reward",
    costs="a forward pass of the teacher (--reference), which has the student's tokens",
    source="Agarwal et al. 2023, 2306.13649",
)
