"""The agent's two networks, policy and value, side by side in one vector of weights.

Calls cost a small network more than arithmetic does. So both networks go through each layer in one call, an
update of the vector is a handful of calls, and numpy, whose calls are the cheapest, sees the same memory: an
agent acts by numpy and learns by torch. Suffixes: B rows, N observed numbers, O outputs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from practicum.errors import InputError

Array = NDArray[Any]
POLICY, VALUE = 0, 1


class Network:
    """Two perceptrons with tanh between their layers, and `free` numbers that do not depend on observations.

    A layer's weights [2, in, out] are those of the policy and of the value network, whose last layer uses the
    first of its outputs only. They are orthogonal at first, with gain sqrt(2), 0.01 for the policy's last
    layer and 1 for the value's; biases are 0 (Huang et al. 2022, "The 37 Implementation Details of PPO",
    detail 2).
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        hidden: Sequence[int],
        free: Sequence[float],
        generator: torch.Generator,
    ) -> None:
        shapes: dict[str, tuple[int, ...]] = {}
        for layer, (rows, columns) in enumerate(pairwise([inputs, *hidden, outputs])):
            shapes[f"{layer}.weight"] = (2, rows, columns)
            shapes[f"{layer}.bias"] = (2, 1, columns)
        shapes["free"] = (len(free),)
        self.vector = torch.zeros(sum(math.prod(shape) for shape in shapes.values()))
        self.gradient = torch.zeros_like(self.vector)
        self.named: dict[str, Tensor] = {}
        start = 0
        for name, shape in shapes.items():
            end = start + math.prod(shape)
            view = self.vector[start:end].view(shape).requires_grad_()
            view.grad = self.gradient[start:end].view(shape)
            self.named[name], start = view, end
        self.free = self.named["free"]
        self.layers = [
            (self.named[f"{layer}.weight"], self.named[f"{layer}.bias"]) for layer in range(len(hidden) + 1)
        ]
        self._first_weights(free, generator)
        self._acting = [
            (weight.detach()[POLICY].numpy(), bias.detach()[POLICY, 0].numpy())
            for weight, bias in self.layers
        ]
        self.free_numpy: Array = self.free.detach().numpy()

    @torch.no_grad()
    def _first_weights(self, free: Sequence[float], generator: torch.Generator) -> None:
        self.free.copy_(torch.tensor(free))
        for weight, _ in self.layers[:-1]:
            for network in (POLICY, VALUE):
                nn.init.orthogonal_(weight[network], math.sqrt(2), generator=generator)
        last = self.layers[-1][0]
        nn.init.orthogonal_(last[POLICY], 0.01, generator=generator)
        nn.init.orthogonal_(last[VALUE, :, :1], 1.0, generator=generator)

    def named_parameters(self) -> Iterator[tuple[str, Tensor]]:
        """Parameters by name, views of `vector`."""
        yield from self.named.items()

    def __call__(self, rows_BN: Tensor) -> tuple[Tensor, Tensor]:
        """The policy's outputs, float32 [B, O], and the values of states, float32 [B]."""
        both = rows_BN.expand(2, *rows_BN.shape)
        for weight, bias in self.layers[:-1]:
            both = torch.baddbmm(bias, both, weight).tanh()
        weight, bias = self.layers[-1]
        both = torch.baddbmm(bias, both, weight)
        return both[POLICY], both[VALUE, :, 0]

    def act(self, rows_BN: Array) -> Array:
        """The policy's outputs by numpy, float32 [B, O]."""
        for weight, bias in self._acting[:-1]:
            rows_BN = np.tanh(rows_BN @ weight + bias)
        weight, bias = self._acting[-1]
        outputs: Array = rows_BN @ weight + bias
        return outputs

    @torch.no_grad()
    def load(self, tensors: Mapping[str, Tensor], path: str) -> None:
        """Take weights by name; InputError, naming the file, where they do not fit."""
        for name, part in self.named.items():
            stored = tensors.get(name)
            if stored is None or stored.shape != part.shape:
                found = "missing" if stored is None else f"of shape {list(stored.shape)}"
                raise InputError(f"{path}: {name} is {found}, not {list(part.shape)}")
            part.copy_(stored)


class Adam:
    """Adam (Kingma & Ba 2015, 1412.6980) on one vector, its gradient clipped to a norm."""

    def __init__(self, vector: Tensor, gradient: Tensor, most: float) -> None:
        self.vector, self.gradient, self.most = vector, gradient, most
        self.first, self.second = torch.zeros_like(vector), torch.zeros_like(vector)
        self.steps = 0

    @torch.no_grad()
    def step(self, rate: float, decays: tuple[float, float] = (0.9, 0.999), epsilon: float = 1e-5) -> float:
        """Update the vector; the gradient's norm before it was clipped."""
        norm = float(self.gradient.norm())
        if norm > self.most:
            self.gradient.mul_(self.most / (norm + 1e-6))
        self.steps += 1
        self.first.lerp_(self.gradient, 1 - decays[0])
        self.second.mul_(decays[1]).addcmul_(self.gradient, self.gradient, value=1 - decays[1])
        unbiased = math.sqrt(1 - decays[1] ** self.steps)
        scale = (self.second.sqrt()).div_(unbiased).add_(epsilon)
        self.vector.addcdiv_(self.first, scale, value=-rate / (1 - decays[0] ** self.steps))
        return norm

    def tensors(self) -> dict[str, Tensor]:
        """Its state, for a checkpoint."""
        return {"adam.first": self.first, "adam.second": self.second, "adam.steps": torch.tensor(self.steps)}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Take back what `tensors` gave."""
        self.first.copy_(tensors["adam.first"])
        self.second.copy_(tensors["adam.second"])
        self.steps = int(tensors["adam.steps"])
