"""The settings of an agent's training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from practicum.errors import InputError
from practicum.ranges import (
    Common,
    Count,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    Range,
    Ranged,
    Rate,
    Seed,
    Share,
    Width,
)


@dataclass(frozen=True)
class AgentSettings(Ranged, section="agent"):
    """How an agent practises in copies of an environment (PPO, Schulman et al. 2017, 1707.06347)."""

    iterations: Common[PositiveInt] = 100
    """Times that the agent acts for `horizon` steps in every copy, and then learns from them."""
    environments: Common[Count] = 8
    """Copies of the environment, each with a seed of its own."""
    horizon: Common[Count] = 128
    """Steps in each copy per iteration."""
    epochs: PositiveInt = 4
    """Passes over the steps of an iteration."""
    minibatches: PositiveInt = 4
    """Weight updates per pass."""
    learning_rate: Common[Rate] = 1e-3
    """Learning rate of Adam, at first."""
    decay: Literal["none", "rate", "rate_and_clip"] = "rate"
    """What falls linearly to 0 over the run: nothing, the learning rate, or the clip range with it."""
    clip: Share = 0.2
    """The importance ratio is clipped to 1 - clip and 1 + clip."""
    value_clip: NonNegativeFloat = 0.0
    """Values are clipped to this range around the old ones; 0 does not clip them."""
    discount: Share = 0.99
    """Discount factor gamma per step."""
    gae_lambda: Share = 0.95
    """Lambda of generalised advantage estimation."""
    entropy_weight: NonNegativeFloat = 0.0
    """Weight of the entropy bonus."""
    value_weight: NonNegativeFloat = 1.0
    """Weight of the value loss, half the squared error (so 1.0 is what other libraries call 0.5)."""
    kl_limit: NonNegativeFloat = 0.0
    """No further pass over an iteration's steps once the KL from the acting policy exceeds it; 0: none."""
    max_gradient_norm: PositiveFloat = 0.5
    """Gradients are clipped to this global norm."""
    hidden: tuple[Width, ...] = (64, 64)
    """Widths of the hidden layers (tanh) of the policy, and of the separate value network."""
    initial_deviation: Annotated[float, Range(above=0, at_most=100)] = 1.0
    """Standard deviation of continuous actions at first, where the range of an action is from -1 to 1."""
    normalise_observations: bool = True
    """Zero mean and unit variance of what has been observed so far; saved with the agent."""
    normalise_advantages: bool = True
    """Zero mean and unit variance over the steps of an iteration."""
    scale_rewards: bool = False
    """Divide rewards by the standard deviation of the discounted return so far."""
    checkpoint_every: PositiveInt = 50
    """Iterations between checkpoints. The last iteration always writes one."""

    def __post_init__(self) -> None:
        super().__post_init__()
        steps = self.environments * self.horizon
        if self.minibatches > steps:
            raise InputError(
                f"agent.minibatches is {self.minibatches}, but an iteration has only {steps} steps "
                "(environments * horizon)"
            )


@dataclass(frozen=True)
class AgentConfig(AgentSettings):
    """One agent's training, with the seed of everything that is random in it."""

    seed: Common[Seed] = 0
    """Seed of weights, actions and environments."""
