"""Our AdamW is PyTorch's, its state comes back, and no compiler is loaded for it."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from practicum.training.optimizer import Optimizer, OptimizerConfig

NORM = 1e9
"""Gradients are not clipped."""


def module(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 3), nn.LayerNorm(3), nn.Linear(3, 2, bias=False))


def with_gradients(model: nn.Module, seed: int, without: int) -> None:
    """Random gradients for all parameters but one."""
    torch.manual_seed(seed)
    for place, part in enumerate(model.parameters()):
        part.grad = None if place == without else torch.randn_like(part)


@settings(max_examples=20)
@given(
    st.integers(0, 1000), st.floats(0, 0.5), st.floats(0.5, 0.99), st.floats(0.5, 0.999), st.integers(-1, 4)
)
def test_it_is_that_of_pytorch(seed: int, decay: float, beta1: float, beta2: float, without: int) -> None:
    ours, theirs = module(seed), module(seed)
    config = OptimizerConfig("adamw", 1e-2, 0, 1.0, decay, beta1=beta1, beta2=beta2, max_gradient_norm=NORM)
    optimizer = Optimizer(ours, config, 8)
    expected = torch.optim.AdamW(
        [
            {"params": [one for one in theirs.parameters() if one.dim() >= 2], "weight_decay": decay},
            {"params": [one for one in theirs.parameters() if one.dim() < 2], "weight_decay": 0.0},
        ],
        lr=1e-2,
        betas=(beta1, beta2),
    )
    for step in range(6):
        for model in (ours, theirs):
            with_gradients(model, seed + step, without if step < 3 else -1)
        assert optimizer.step(step)["learning_rate"] == 1e-2
        expected.step()
        if step == 3:
            # As after a crash: another optimizer goes on from what was saved.
            saved = {name: tensor.clone() for name, tensor in optimizer.tensors().items()}
            optimizer = Optimizer(ours, config, 8)
            optimizer.restore(saved)
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-7)


def test_a_gradient_that_is_not_finite_changes_nothing() -> None:
    model = module(0)
    before = [part.detach().clone() for part in model.parameters()]
    optimizer = Optimizer(model, OptimizerConfig("adamw"), 8)
    with_gradients(model, 0, -1)
    gradient = next(model.parameters()).grad
    assert gradient is not None
    gradient[0, 0] = float("nan")
    with pytest.raises(ValueError, match="gradient norm is nan"):
        optimizer.step(0)
    assert all(torch.equal(one, other) for one, other in zip(before, model.parameters(), strict=True))
    assert optimizer.tensors() == {}


def test_a_step_loads_no_compiler() -> None:
    code = (
        "import sys, torch\n"
        "from practicum.training.optimizer import Optimizer, OptimizerConfig\n"
        "model = torch.nn.Linear(2, 2)\n"
        "optimizer = Optimizer(model, OptimizerConfig(), 2)\n"
        "model(torch.ones(1, 2)).sum().backward()\n"
        "optimizer.step(0)\n"
        "print('torch._dynamo' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
