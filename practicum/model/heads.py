"""Heads that read a decoder's final hidden states."""

from __future__ import annotations

import torch
from torch import Tensor, nn


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
