"""The optimizer on float32 master weights, its schedule, and its state as named tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from practicum.threads import side_by_side
from practicum.training.objectives import warmup_cosine


@dataclass(frozen=True)
class OptimizerConfig:
    """Muon or AdamW, with linear warm-up and cosine decay."""

    algorithm: Literal["muon", "adamw"] = "muon"
    """muon orthogonalises the momentum of the layers' matrices and leaves the rest to AdamW."""
    learning_rate: float = 1e-3
    """Peak learning rate; Muon's steps are scaled to the size AdamW's would have, so one rate serves both."""
    warmup_steps: int = 20
    """Steps of linear warm-up."""
    final_share: float = 0.1
    """The learning rate ends at this share of its peak."""
    weight_decay: float = 0.01
    """Decoupled decay of matrices; norms have none."""
    momentum: float = 0.95
    """Muon's momentum."""
    beta1: float = 0.9
    """AdamW's decay of the gradient's running mean."""
    beta2: float = 0.95
    """AdamW's decay of the squared gradient's running mean."""
    max_gradient_norm: float = 1.0
    """Gradients are scaled down to this global norm (Pascanu et al. 2013, 1211.5063)."""


class Optimizer:
    """One optimizer over a module's trainable parameters; `step` clips, sets the scheduled rate and updates.

    Sources: AdamW, Loshchilov & Hutter 2019 (1711.05101); Muon, Jordan et al. 2024
    (kellerjordan.github.io/posts/muon), with the step size of Liu et al. 2025 (2502.16982, eq. 4).
    """

    def __init__(self, module: nn.Module, config: OptimizerConfig, steps: int) -> None:
        self.config, self.steps = config, steps
        self.named = {name: part for name, part in module.named_parameters() if part.requires_grad}
        muon = {
            name
            for name, part in self.named.items()
            if config.algorithm == "muon" and part.dim() == 2 and ".layers." in f".{name}"
        }
        rest = [part for name, part in self.named.items() if name not in muon]
        self.parts: list[torch.optim.Optimizer] = [
            torch.optim.AdamW(
                [
                    {
                        "params": [part for part in rest if part.dim() >= 2],
                        "weight_decay": config.weight_decay,
                    },
                    {"params": [part for part in rest if part.dim() < 2], "weight_decay": 0.0},
                ],
                lr=config.learning_rate,
                betas=(config.beta1, config.beta2),
                fused=True,
            )
        ]
        matrices = [self.named[name] for name in sorted(muon)]
        # One for each core: orthogonalising small matrices is many small products, worth doing side by side.
        shares = min(torch.get_num_threads(), len(matrices))
        for share in range(shares):
            self.parts.append(
                torch.optim.Muon(
                    matrices[share::shares],
                    lr=config.learning_rate,
                    weight_decay=config.weight_decay,
                    momentum=config.momentum,
                    adjust_lr_fn="match_rms_adamw",
                )
            )

    def step(self, index: int) -> dict[str, float]:
        """Apply the accumulated gradients as update number `index` (from 0) and clear them.

        Returns `learning_rate` and `gradient_norm` (before clipping). A gradient that is not finite raises
        FloatingPointError, before any weight has changed.
        """
        norm = float(nn.utils.clip_grad_norm_(list(self.named.values()), self.config.max_gradient_norm))
        if not norm < float("inf"):
            raise FloatingPointError(f"update {index}: the gradient norm is {norm}; lower the learning rate")
        rate = self.config.learning_rate * warmup_cosine(
            index, self.steps, self.config.warmup_steps, self.config.final_share
        )
        for part in self.parts:
            for group in part.param_groups:
                group["lr"] = rate
        side_by_side([part.step for part in self.parts])
        for part in self.parts:
            part.zero_grad(set_to_none=True)
        return {"learning_rate": rate, "gradient_norm": norm}

    def tensors(self) -> dict[str, Tensor]:
        """The whole optimizer state by parameter name, for a checkpoint."""
        return {
            f"optimizer.{key}.{name}": value
            for name, parameter in self.named.items()
            for part in self.parts
            for key, value in part.state.get(parameter, {}).items()
        }

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Take back what `tensors` gave."""
        owner = {
            parameter: part
            for part in self.parts
            for group in part.param_groups
            for parameter in group["params"]
        }
        for name, parameter in self.named.items():
            for key in ("step", "exp_avg", "exp_avg_sq", "momentum_buffer"):
                stored = tensors.get(f"optimizer.{key}.{name}")
                if stored is not None:
                    owner[parameter].state[parameter][key] = stored.clone()
