"""The agent's two networks, policy and value, whose weights lie in one vector.

One vector makes an optimizer's step a handful of operations, and numpy sees the same memory as torch: an
agent acts by numpy, which costs a small network a tenth of torch's time for a call, and learns by torch.
Suffixes: B rows, N observed numbers, O outputs.
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
Layers = list[tuple[Tensor, Tensor]]


class Network:
    """Two perceptrons with tanh between their layers, and `free` numbers that do not depend on observations.

    Weights are orthogonal at first, with gain sqrt(2), 0.01 for the policy's last layer and 1 for the
    value's; biases are 0 (Huang et al. 2022, "The 37 Implementation Details of PPO", detail 2).
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
        for part, last in (("policy", outputs), ("value", 1)):
            widths = [inputs, *hidden, last]
            for layer, (rows, columns) in enumerate(pairwise(widths)):
                shapes[f"{part}.{layer}.weight"] = (rows, columns)
                shapes[f"{part}.{layer}.bias"] = (columns,)
        if free:
            shapes["policy.free"] = (len(free),)
        self.vector = torch.zeros(sum(math.prod(shape) for shape in shapes.values()))
        self.vector.grad = torch.zeros_like(self.vector)
        self.named: dict[str, Tensor] = {}
        start = 0
        for name, shape in shapes.items():
            end = start + math.prod(shape)
            view = self.vector[start:end].view(shape).requires_grad_()
            view.grad = self.vector.grad[start:end].view(shape)
            self.named[name], start = view, end
        self.depth = len(hidden) + 1
        self._first_weights(free, generator)
        self.policy, self.value = self._layers("policy"), self._layers("value")
        self.free = self.named.get("policy.free", torch.zeros(0))
        self._numpy = [(weight.detach().numpy(), bias.detach().numpy()) for weight, bias in self.policy]
        self.free_numpy: Array = self.free.detach().numpy()

    @torch.no_grad()
    def _first_weights(self, free: Sequence[float], generator: torch.Generator) -> None:
        for name, part in self.named.items():
            kind, layer, *_ = name.split(".")
            if part.dim() == 2:
                last = 0.01 if kind == "policy" else 1.0
                gain = last if int(layer) == self.depth - 1 else math.sqrt(2)
                nn.init.orthogonal_(part, gain, generator=generator)
        if free:
            self.named["policy.free"].copy_(torch.tensor(free))

    def _layers(self, part: str) -> Layers:
        return [
            (self.named[f"{part}.{layer}.weight"], self.named[f"{part}.{layer}.bias"])
            for layer in range(self.depth)
        ]

    def named_parameters(self) -> Iterator[tuple[str, Tensor]]:
        """Parameters by name, views of `vector`."""
        yield from self.named.items()

    def outputs(self, rows_BN: Tensor) -> Tensor:
        """The policy's outputs, float32 [B, O]."""
        return _forward(self.policy, rows_BN)

    def values(self, rows_BN: Tensor) -> Tensor:
        """The values of states, float32 [B]."""
        return _forward(self.value, rows_BN).squeeze(1)

    def act(self, rows_BN: Array) -> Array:
        """The policy's outputs by numpy, float32 [B, O]."""
        for weight, bias in self._numpy[:-1]:
            rows_BN = np.tanh(rows_BN @ weight + bias)
        weight, bias = self._numpy[-1]
        outputs: Array = rows_BN @ weight + bias
        return outputs

    def load(self, tensors: Mapping[str, Tensor], path: str) -> None:
        """Take weights by name; InputError, naming the file, where they do not fit."""
        with torch.no_grad():
            for name, part in self.named.items():
                stored = tensors.get(name)
                if stored is None or stored.shape != part.shape:
                    found = "missing" if stored is None else f"of shape {list(stored.shape)}"
                    raise InputError(f"{path}: {name} is {found}, not {list(part.shape)}")
                part.copy_(stored)


def _forward(layers: Layers, rows: Tensor) -> Tensor:
    for weight, bias in layers[:-1]:
        rows = torch.addmm(bias, rows, weight).tanh()
    weight, bias = layers[-1]
    return torch.addmm(bias, rows, weight)
