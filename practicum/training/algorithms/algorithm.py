"""What an algorithm of practice is: how it gives credit to the tokens of a rollout, and the loss it takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from torch import Tensor

from practicum.guard.controllers import KLConfig
from practicum.rollout.collect import ScoredRollout
from practicum.training.objectives import clipped_policy_loss
from practicum.types import Rollout

PolicyLoss: TypeAlias = Callable[[Tensor, Tensor, Tensor, float, float], tuple[Tensor, Tensor]]
"""Log-probabilities now and when sampled, advantages (all [M]), clip_low and clip_high -> the tokens' losses
and which of them were clipped, both [M]."""


@dataclass(frozen=True)
class Experience:
    """A rollout with its credit. Tensors are float32 [B, T], 0 off the rollout's mask.

    values_BT and returns_BT are present when a value head is trained, reference_logprobs_BT when there is a
    reference. `row_matters_B`: bool, False where a row's gradient is known to be zero and it is skipped.
    """

    rollout: Rollout
    advantages_BT: Tensor
    row_matters_B: Tensor
    reference_logprobs_BT: Tensor | None = None
    values_BT: Tensor | None = None
    returns_BT: Tensor | None = None


@dataclass(frozen=True)
class Signals:
    """What credit may rest on besides the rewards.

    kl: the pull to the reference, with the weight of this step. reference_logprobs_BT, values_BT: float32
    [B, T], present where there is a reference, and where the algorithm needs values.
    """

    kl: KLConfig
    reference_logprobs_BT: Tensor | None = None
    values_BT: Tensor | None = None


@dataclass(frozen=True)
class Algorithm:
    """A way to learn from scored rollouts; its settings are the field of `RlConfig` with its name.

    needs: "values" for a value head that is trained beside the policy. fewest: answers to a prompt that it
    must have.
    """

    name: str
    needs: frozenset[Literal["values"]]
    fewest: int
    credit: Callable[[ScoredRollout, Signals, Any], Experience]
    loss: PolicyLoss = clipped_policy_loss
