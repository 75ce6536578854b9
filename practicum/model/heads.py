"""Heads that read a policy's final hidden states."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from practicum.model.policy import Policy


class ValueHead(nn.Module):
    """Expected return from each position: a two-layer network on hidden states, 0 everywhere at the start."""

    def __init__(self, hidden_size: int, seed: int) -> None:
        super().__init__()
        self.inner = nn.Linear(hidden_size, hidden_size)
        self.outer = nn.Linear(hidden_size, 1)
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            self.inner.weight.normal_(0.0, hidden_size**-0.5, generator=generator)
            for parameter in (self.inner.bias, self.outer.weight, self.outer.bias):
                parameter.zero_()

    def forward(self, hidden: Tensor) -> Tensor:
        """float32 [..., D] -> float32 [...]."""
        value: Tensor = self.outer(torch.tanh(self.inner(hidden))).squeeze(-1)
        return value


class RewardHead(nn.Module):
    """Scores of a text from the hidden state of its last token: `members` linear maps without a bias.

    The weights start normal with standard deviation 1 / sqrt(D + 1) ("The N+ Implementation Details of RLHF
    with PPO", 2403.17031, detail on the reward head).
    """

    def __init__(self, hidden_size: int, members: int, seed: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(members, hidden_size))
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            self.weight.normal_(0.0, (hidden_size + 1) ** -0.5, generator=generator)

    def forward(self, hidden: Tensor) -> Tensor:
        """float32 [..., D] -> float32 [..., members]."""
        return hidden @ self.weight.t()


class Critic(nn.Module):
    """A value network of its own: a decoder and a linear head, which share nothing with the policy.

    Raises TypeError for a decoder that is no `nn.Module`: its weights would not be kept with the heads.
    """

    def __init__(self, decoder: Policy, weight_D: Tensor, bias: float) -> None:
        super().__init__()
        if not isinstance(decoder, nn.Module):
            raise TypeError(f"{type(decoder).__name__} is no nn.Module, so a critic cannot hold its weights")
        self.decoder = decoder
        self.head = LinearValue(weight_D, bias)


class LinearValue(nn.Module):
    """A linear value from given weights, as those of a reward model."""

    def __init__(self, weight_D: Tensor, bias: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight_D.detach().clone())
        self.bias = nn.Parameter(torch.tensor(bias, device=weight_D.device))

    def forward(self, hidden: Tensor) -> Tensor:
        """float32 [..., D] -> float32 [...]."""
        return hidden @ self.weight + self.bias
