"""The optimizer on float32 master weights, its schedule, and its state as named tensors."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal, Protocol

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

from practicum.errors import InputError
from practicum.ranges import (
    Common,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    Ranged,
    Rate,
    Share,
    ShareBelowOne,
)
from practicum.run.profile import span
from practicum.threads import side_by_side
from practicum.training.objectives import warmup_cosine


@dataclass(frozen=True)
class OptimizerConfig(Ranged, section="optimizer"):
    """Muon or AdamW, with linear warm-up and cosine decay."""

    algorithm: Literal["muon", "adamw"] = "muon"
    """muon orthogonalises the momentum of the layers' matrices and uses AdamW for the rest."""
    learning_rate: Common[Rate] = 1e-3
    """Peak learning rate. Muon's steps are scaled to the size AdamW's would have, so one rate serves both.
    sft, rl and reward-model have lower defaults for models of 20M weights and more; a line says which."""
    warmup_steps: NonNegativeInt = 20
    """Steps of linear warm-up."""
    final_share: Share = 0.1
    """Final learning rate as a share of the peak."""
    weight_decay: NonNegativeFloat = 0.01
    """Decoupled weight decay of matrices; norms have none."""
    momentum: ShareBelowOne = 0.95
    """Muon's momentum."""
    beta1: ShareBelowOne = 0.9
    """AdamW's decay of the gradient's running mean."""
    beta2: ShareBelowOne = 0.95
    """AdamW's decay of the squared gradient's running mean."""
    max_gradient_norm: PositiveFloat = 1.0
    """Gradients are clipped to this global norm (Pascanu et al. 2013, 1211.5063)."""

    def without_effect(self) -> Mapping[str, str]:
        """Muon's momentum, where AdamW alone is used."""
        return {} if self.algorithm == "muon" else {"momentum": "adamw has beta1 for it: give that"}


# The layers of a model are numbered, whatever they are called (layers, h, blocks).
IN_A_LAYER = re.compile(r"\.\d+\.")
# Jordan's quintic: each step moves every singular value towards 1, quickest where it is small.
MUON_STEPS, MUON_COEFFICIENTS = 5, (3.4445, -4.775, 2.0315)
EPSILON = 1e-8
"""What AdamW adds to the root of the squared gradient's mean."""


class HasParameters(Protocol):
    """A policy, a head, or any other module."""

    def named_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Parameters by name, each once."""
        ...


class Together:
    """Several things that one optimizer trains; each name leads the names of its parameters."""

    def __init__(self, **parts: HasParameters) -> None:
        self.parts = parts

    def named_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """All parameters, part by part."""
        for part, module in self.parts.items():
            for name, parameter in module.named_parameters():
                yield f"{part}.{name}", parameter


class Optimizer:
    """One optimizer over a module's trainable parameters; `step` clips, sets the scheduled rate and updates.

    Sources: AdamW, Loshchilov & Hutter 2019 (1711.05101); Muon, Jordan et al. 2024
    (kellerjordan.github.io/posts/muon), with the step size of Liu et al. 2025 (2502.16982, eq. 4).
    """

    def __init__(self, module: HasParameters, config: OptimizerConfig, steps: int) -> None:
        self.config, self.steps = config, steps
        self.named = {name: part for name, part in module.named_parameters() if part.requires_grad}
        muon = {
            name: part
            for name, part in sorted(self.named.items())
            if config.algorithm == "muon" and part.dim() == 2 and IN_A_LAYER.search(name)
        }
        self.rest = [name for name in self.named if name not in muon]
        # PyTorch's AdamW as a function: its class takes a second to load a compiler that nothing here uses.
        self.moments: dict[str, dict[str, Tensor]] = {}
        self.momenta = {name: torch.zeros_like(part) for name, part in muon.items()}
        self.device = next(iter(self.named.values())).device
        shares = torch.get_num_threads() if self.device.type == "cpu" else 1
        self.batches = _equal_shapes(muon, shares)

    @span("optimizer")
    def step(self, index: int) -> dict[str, float]:
        """Apply the accumulated gradients as update number `index` (from 0) and clear them.

        Returns `learning_rate` and `gradient_norm` (before clipping). A gradient that is not finite raises
        InputError, before any weight has changed.
        """
        norm = float(nn.utils.clip_grad_norm_(list(self.named.values()), self.config.max_gradient_norm))
        if not norm < float("inf"):
            raise InputError(f"update {index}: the gradient norm is {norm}; lower the learning rate")
        rate = self.config.learning_rate * warmup_cosine(
            index, self.steps, self.config.warmup_steps, self.config.final_share
        )
        side_by_side([partial(self._muon, names, rate) for names in self.batches], self.device)
        matrices = [name for name in self.rest if self.named[name].dim() >= 2]
        self._adamw(matrices, rate, self.config.weight_decay)
        self._adamw([name for name in self.rest if self.named[name].dim() < 2], rate, 0.0)
        for part in self.named.values():
            part.grad = None
        return {"learning_rate": rate, "gradient_norm": norm}

    @torch.no_grad()
    def _muon(self, names: list[str], rate: float) -> None:
        """One step of Muon on matrices of one shape."""
        names = [name for name in names if self.named[name].grad is not None]
        if not names:
            return
        momentum = self.config.momentum
        updates = []
        for name in names:
            gradient, running = self.named[name].grad, self.momenta[name]
            assert gradient is not None
            running.lerp_(gradient, 1 - momentum)
            updates.append(gradient.lerp(running, momentum))
        turned = orthogonalise(torch.stack(updates))
        size = 0.2 * max(turned.shape[1:]) ** 0.5
        for name, update in zip(names, turned, strict=True):
            part = self.named[name]
            part.mul_(1 - rate * self.config.weight_decay).add_(update, alpha=-rate * size)

    @torch.no_grad()
    def _adamw(self, names: list[str], rate: float, weight_decay: float) -> None:
        """One step of AdamW on those of the parameters that have a gradient."""
        names = [name for name in names if self.named[name].grad is not None]
        for name in names:
            if name not in self.moments:
                part = self.named[name]
                mean, square = torch.zeros_like(part), torch.zeros_like(part)
                step = torch.zeros((), dtype=torch.float32, device=part.device)
                self.moments[name] = {"step": step, "exp_avg": mean, "exp_avg_sq": square}
        moments = [self.moments[name] for name in names]
        adamw(
            [self.named[name] for name in names],
            [part.grad for part in map(self.named.__getitem__, names) if part.grad is not None],
            [each["exp_avg"] for each in moments],
            [each["exp_avg_sq"] for each in moments],
            [],
            [each["step"] for each in moments],
            fused=True,
            amsgrad=False,
            beta1=self.config.beta1,
            beta2=self.config.beta2,
            lr=rate,
            weight_decay=weight_decay,
            eps=EPSILON,
            maximize=False,
        )

    def tensors(self) -> dict[str, Tensor]:
        """The whole optimizer state by parameter name, for a checkpoint."""
        moments = {
            f"optimizer.{key}.{name}": value
            for name in self.named
            for key, value in self.moments.get(name, {}).items()
        }
        return moments | {f"optimizer.momentum_buffer.{name}": value for name, value in self.momenta.items()}

    def forget(self) -> None:
        """Stand as a new optimizer does, whose moments begin with its first step."""
        self.moments.clear()
        for part in self.named.values():
            part.grad = None
        for running in self.momenta.values():
            running.zero_()

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Take back what `tensors` gave."""
        for name, running in self.momenta.items():
            running.copy_(tensors[f"optimizer.momentum_buffer.{name}"])
        for name, parameter in self.named.items():
            if f"optimizer.step.{name}" in tensors:
                self.moments[name] = {
                    key: tensors[f"optimizer.{key}.{name}"].to(parameter.device, copy=True)
                    for key in ("step", "exp_avg", "exp_avg_sq")
                }


def orthogonalise(matrices: Tensor) -> Tensor:
    """Matrices float32 [B, R, C] with their singular values brought near 1 (0.7 to 1.2), in bfloat16.

    Newton and Schulz's iteration X <- a X + (b A + c A^2) X with A = X X^T, in Jordan's coefficients (Muon,
    kellerjordan.github.io/posts/muon), on all matrices at a time.
    """
    wide = matrices.shape[1] <= matrices.shape[2]
    values = (matrices if wide else matrices.transpose(1, 2)).bfloat16()
    values = values / values.norm(dim=(1, 2), keepdim=True).clamp_min(1e-7)
    first, second, third = MUON_COEFFICIENTS
    for _ in range(MUON_STEPS):
        gram = torch.bmm(values, values.transpose(1, 2))
        slope = torch.baddbmm(gram, gram, gram, beta=second, alpha=third)
        values = torch.baddbmm(values, slope, values, beta=first)
    return values if wide else values.transpose(1, 2)


def _equal_shapes(parameters: Mapping[str, Tensor], shares: int) -> list[list[str]]:
    """Names in batches of equal shape, each shape shared out evenly between `shares` threads."""
    shapes: dict[torch.Size, list[str]] = {}
    for name, part in parameters.items():
        shapes.setdefault(part.shape, []).append(name)
    pieces = [names[share::shares] for names in shapes.values() for share in range(shares)]
    return [piece for piece in pieces if piece]
