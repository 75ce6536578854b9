"""DAPO: clip-higher, a loss of tokens, only prompts that teach something, a soft price on long answers.

A as in GRPO, of rewards less the overlong penalty; clip 0.2 below and 0.28 above; the mean over all tokens;
no KL. Prompts whose answers were all paid the same are dropped and others are sampled in their place, until
the batch is full. Source: Yu et al. 2025 (2503.14476, eq. 8 to 13). The paper samples as often as it takes;
here `dapo.most_rounds` bounds it in a step, and `dapo.most_completions` in a run, for comparisons at one
budget. The paper's overlong filtering (section 3.4), which leaves cut answers out of the loss, is not here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from torch import Tensor

from practicum.ranges import NonNegativeFloat, NonNegativeInt, PositiveInt, Ranged, Share
from practicum.rollout.collect import ScoredRollout
from practicum.training.algorithms.algorithm import Algorithm, Experience, Signals, group_credit
from practicum.training.objectives import soft_overlong_penalty, untied


@dataclass(frozen=True)
class DapoConfig(Ranged, section="dapo"):
    """How DAPO fills its batch and prices length."""

    overlong_share: Share = 0.2
    """The last share of sampling.max_new_tokens, over which the price of length rises from 0 to its most; 0
    for no price (4,096 of 20,480 in the paper)."""
    overlong_price: NonNegativeFloat = 0.5
    """The most that length costs. The paper takes 1 off rewards of -1 and 1, half of what is between right
    and wrong; 0.5 is that of rewards from 0 to 1."""
    most_rounds: PositiveInt = 5
    """Times that prompts are sampled in a step, at most, until enough of them have answers that differ."""
    most_completions: NonNegativeInt = 0
    """Completions sampled in the whole run, at most: it ends before a step that would go beyond, whatever
    steps are left. 0 for no limit."""

    def without_effect(self) -> Mapping[str, str]:
        """Of share and price the other one, where one of them is 0."""
        if not self.overlong_share:
            return {"overlong_price": "no length is overlong (dapo.overlong_share 0)"}
        return (
            {} if self.overlong_price else {"overlong_share": "length costs nothing (dapo.overlong_price 0)"}
        )


def keep(batch: ScoredRollout, config: DapoConfig) -> Tensor:
    """The rows of prompts whose answers were not all paid the same, bool [B]."""
    return untied(batch.reward_B, batch.rollout.group_B)


def credit(batch: ScoredRollout, signals: Signals, config: DapoConfig) -> Experience:
    """Give every token GRPO's advantage of its completion, length priced."""
    buffer = round(config.overlong_share * signals.longest)
    if buffer:
        lengths_B = batch.rollout.mask_BT.sum(1)
        penalty_B = soft_overlong_penalty(lengths_B, signals.longest, buffer)
        batch = replace(batch, reward_B=batch.reward_B + config.overlong_price * penalty_B)
    return group_credit(batch, signals, "group_standardised")


ALGORITHM = Algorithm(
    "dapo",
    needs=frozenset(),
    fewest=2,
    credit=credit,
    keep=keep,
    most_rounds=lambda config: int(config.most_rounds),
    most_completions=lambda config: int(config.most_completions),
    changes="GRPO's advantage less a price on overlong answers; tied prompts replaced; upper clip 0.28",
    costs="samples up to dapo.most_rounds times as much",
    source="Yu et al. 2025, 2503.14476",
)
