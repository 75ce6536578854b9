"""GFPO: sample more, learn from the shortest answers only (or from those with most reward a token).

Of each group the `gfpo.keep` best by `gfpo.by` are learned from; A = (r - mean) / deviation, both over those
that were kept. The loss is DAPO's. Source: Shrivastava et al. 2025 (2508.09726, eq. 2). The rest of a group
has no advantage; here it is left out of the mean over tokens too, which the paper divides by the whole
group's tokens: the direction is the same. The paper's KL and entropy terms (0.001 each) are off by default.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from practicum.ranges import PositiveInt, Ranged
from practicum.rollout.collect import ScoredRollout
from practicum.training.algorithms.algorithm import Algorithm, Experience, Signals, group_credit
from practicum.training.objectives import best_of_groups


@dataclass(frozen=True)
class GfpoConfig(Ranged, section="gfpo"):
    """Which answers of a group are learned from."""

    keep: PositiveInt = 4
    """Answers to a prompt that are learned from, at least 2 and fewer than group_size."""
    by: Literal["length", "efficiency"] = "length"
    """length keeps the shortest, efficiency those with the most reward per token."""


def keep(batch: ScoredRollout, config: GfpoConfig) -> Tensor:
    """The rows to learn from, bool [B]."""
    lengths_B = batch.rollout.mask_BT.sum(1).double()
    worth_B = -lengths_B if config.by == "length" else batch.reward_B.double() / lengths_B.clamp_min(1)
    return best_of_groups(worth_B, batch.rollout.group_B, config.keep)


def credit(batch: ScoredRollout, signals: Signals, config: GfpoConfig) -> Experience:
    """Give every token GRPO's advantage of its completion among those that were kept."""
    return group_credit(batch, signals, "group_standardised")


ALGORITHM = Algorithm(
    "gfpo",
    needs=frozenset(),
    fewest=3,
    credit=credit,
    clip_high=0.2,
    keep=keep,
    changes="GRPO's advantage among the shortest (or most efficient) answers of a group",
    costs="larger groups, of which a part is learned from",
    source="Shrivastava et al. 2025, 2508.09726",
)
