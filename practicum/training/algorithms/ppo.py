"""PPO: a value head predicts the reward to come, and a token is as good as it beats that prediction.

The outcome reward arrives at the last token the policy chose (its end-of-sequence token, or the cut); the
KL penalty, when it is in the reward, at every token. Source: Schulman et al. 2017 (1707.06347); Ouyang et
al. 2022 (InstructGPT, 2203.02155, eq. 2) for the per-token KL. The paper clips at 0.2 on both sides; the
default here is wider above (`--update.clip_high 0.2` is the paper's).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch

from practicum.ranges import NonNegativeFloat, Ranged, Share
from practicum.rollout.collect import ScoredRollout
from practicum.training.algorithms.algorithm import Algorithm, Experience, Signals
from practicum.training.objectives import generalised_advantages, kl_estimate, whiten


@dataclass(frozen=True)
class PpoConfig(Ranged, section="ppo"):
    """How values and rewards become advantages, and how the value head is trained."""

    discount: Share = 1.0
    """Discount factor gamma per token."""
    gae_lambda: Share = 1.0
    """Lambda of GAE. 1 is the Monte-Carlo return minus the value; lower relies more on the value head."""
    value_weight: NonNegativeFloat = 0.5
    """Weight of the value loss, whose gradient reaches the shared backbone; the loss is divided by the
    variance of the returns where that exceeds 1."""
    value_clip: NonNegativeFloat = 0.2
    """PPO value clipping range, around the old value."""
    whiten_advantages: bool = True
    """Zero mean and unit variance over the batch's tokens."""
    whiten_rewards: bool = False
    """Unit variance of the tokens' rewards, including KL, with their mean kept; this also rescales the KL
    weight."""
    potential: str = ""
    """FILE.py:function of a prompt and the lines written so far, to how promising they are: potential-based
    shaping (Ng, Harada & Russell 1999), which pays progress and leaves the best policy the best."""
    critic: Literal["head", "reward_model"] = "head"
    """head predicts values from the policy's hidden states; reward_model is a separate network that starts as
    a copy of the (first) reward model."""

    def without_effect(self) -> Mapping[str, str]:
        """How values may move, where they learn nothing."""
        return {} if self.value_weight else {"value_clip": "values learn nothing (ppo.value_weight 0)"}


def credit(batch: ScoredRollout, signals: Signals, config: PpoConfig) -> Experience:
    """Give every token its generalised advantage under the values of the sampling policy."""
    rollout, kl = batch.rollout, signals.kl
    reference_logprobs_BT, values_BT = signals.reference_logprobs_BT, signals.values_BT
    assert values_BT is not None
    mask_BT = rollout.mask_BT
    # In float64, so that a constant added to every reward is not rounded into their differences.
    rewards_BT = torch.zeros_like(rollout.logprobs_BT, dtype=torch.float64)
    last_B = (mask_BT * torch.arange(1, mask_BT.shape[1] + 1)).argmax(1)
    rewards_BT[torch.arange(len(last_B)), last_B] = batch.reward_B.double()
    if batch.shaped_BT is not None:
        rewards_BT = rewards_BT + batch.shaped_BT
    if reference_logprobs_BT is not None and kl.placement == "reward":
        penalty_BT = kl_estimate(rollout.logprobs_BT, reference_logprobs_BT, kl.estimator)
        rewards_BT = rewards_BT - kl.beta * penalty_BT * mask_BT
    if config.whiten_rewards:
        rewards_BT = whiten(rewards_BT, mask_BT, shift_mean=False)
    advantages_BT, returns_BT = generalised_advantages(
        rewards_BT, values_BT, mask_BT, config.discount, config.gae_lambda
    )
    if config.whiten_advantages:
        advantages_BT = whiten(advantages_BT, mask_BT)
    everything_B = torch.ones(len(last_B), dtype=torch.bool)
    return Experience(
        rollout,
        advantages_BT.float(),
        everything_B,
        reference_logprobs_BT,
        values_BT,
        returns_BT.float(),
    )


ALGORITHM = Algorithm(
    "ppo",
    needs=frozenset({"values"}),
    fewest=1,
    credit=credit,
    changes="each token against a learned value of what is to come (GAE); upper clip 0.28",
    costs="a value head, or a critic as large as the reward model, that learns too",
    source="Schulman et al. 2017, 1707.06347",
)
