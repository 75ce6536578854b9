"""Losses and their gradients beside those that TRL's own code computes on the same numbers."""

from __future__ import annotations

import os
from collections import defaultdict
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from practicum.training.algorithms import ALGORITHMS
from practicum.training.algorithms.algorithm import Signals
from practicum.training.preference_losses import Answers, Weights, log_odds, simpo_loss
from tests.training.test_algorithms import LONGEST, SETTINGS, batch_of, gradient, shaken

pytest.importorskip("trl")
os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")
from trl.experimental.cpo.cpo_trainer import CPOTrainer
from trl.experimental.orpo.orpo_trainer import ORPOTrainer
from trl.trainer.grpo_trainer import GRPOTrainer

# What TRL calls each: its loss_type, the level of its ratio, epsilon, epsilon_high, beta.
NAMES = {
    "grpo": ("grpo", "token", 0.2, 0.2, 0.04),
    "dr_grpo": ("dr_grpo", "token", 0.2, 0.2, 0.0),
    "group": ("dapo", "token", 0.2, 0.28, 0.0),
    "gspo": ("grpo", "sequence", 3e-4, 4e-4, 0.0),
    "cispo": ("cispo", "token", 0.2, 5.0, 0.0),
    "sapo": ("sapo", "token", 0.2, 0.2, 0.0),
}


def trainer(name: str, now_BT: Tensor) -> Any:
    """As much of a GRPOTrainer as its loss reads, on log-probabilities that are given."""
    loss_type, level, low, high, beta = NAMES[name]
    found = SimpleNamespace(
        aux_loss_enabled=False,
        top_entropy_quantile=1.0,
        off_policy_mask_threshold=None,
        importance_sampling_level=level,
        beta=beta,
        loss_type=loss_type,
        epsilon_low=low,
        epsilon_high=high,
        args=SimpleNamespace(
            use_bias_correction_kl=False,
            delta=None,
            sapo_temperature_pos=1.0,
            sapo_temperature_neg=1.05,
            steps_per_generation=1,
        ),
        use_vllm=False,
        vllm_importance_sampling_correction=False,
        model=SimpleNamespace(training=True),
        current_gradient_accumulation_steps=1,
        max_completion_length=LONGEST,
        use_adaptive_entropy=False,
        _entropy_bonus_enabled=False,
        _metrics={"train": defaultdict(list)},
        accelerator=SimpleNamespace(
            num_processes=1,
            gather=lambda value: value,
            reduce=lambda value, reduction: value,
        ),
    )
    found._get_per_token_logps_and_entropies = lambda *given, **more: (
        now_BT,
        torch.zeros_like(now_BT),
        None,
    )
    return found


@pytest.mark.parametrize("size", [0.001, 0.3, 2.0])
@pytest.mark.parametrize("name", NAMES)
def test_the_loss_of_trls_trainer_has_the_same_value_and_gradient(name: str, size: float) -> None:
    batch = batch_of(seed=3)
    now_BT, reference_BT = shaken(batch, size, seed=7), shaken(batch, 0.2, seed=5)
    mask_BT = batch.rollout.mask_BT
    beta = NAMES[name][4]
    loss, found_BT = gradient(name, batch, now_BT, reference_BT=reference_BT if beta else None)
    credit = ALGORITHMS[name].credit(batch, Signals(ALGORITHMS[name].kl), SETTINGS[name])
    theirs_BT = now_BT.clone().requires_grad_()
    inputs = {
        "prompt_ids": batch.rollout.prompt_ids_BP,
        "prompt_mask": torch.ones_like(batch.rollout.prompt_ids_BP),
        "completion_ids": batch.rollout.completion_ids_BT,
        "completion_mask": mask_BT.long(),
        "advantages": credit.advantages_BT[:, 0],
        "old_per_token_logps": batch.rollout.logprobs_BT,
        "ref_per_token_logps": reference_BT,
        "num_items_in_batch": mask_BT.sum().float(),
    }
    stub = trainer(name, theirs_BT)
    their_loss = GRPOTrainer._compute_loss(stub, stub.model, inputs)
    their_loss.backward()
    assert loss == pytest.approx(their_loss.item(), abs=1e-6, rel=1e-5)
    assert theirs_BT.grad is not None
    torch.testing.assert_close(found_BT, theirs_BT.grad, atol=1e-7, rtol=1e-5)


def answers(seed: int) -> Answers:
    generator = torch.Generator().manual_seed(seed)
    length = torch.randint(1, 9, (12,), generator=generator)
    return Answers(-torch.rand(12, generator=generator) * 3 * length - 0.01, torch.zeros(12), length)


def test_simpo_and_the_odds_of_orpo_are_trls() -> None:
    chosen, rejected = answers(0), answers(1)
    device = SimpleNamespace(device=torch.device("cpu"))
    cpo = SimpleNamespace(
        alpha=0.0, loss_type="simpo", simpo_gamma=1.5, beta=2.0, label_smoothing=0.0, accelerator=device
    )
    losses, better, _ = CPOTrainer.cpo_loss(cpo, chosen.mean, rejected.mean)
    torch.testing.assert_close(simpo_loss(chosen, rejected, Weights(2.0, margin=1.5)), losses)
    torch.testing.assert_close(2.0 * chosen.mean, better)
    orpo = SimpleNamespace(beta=0.1, accelerator=device)
    terms = ORPOTrainer.odds_ratio_loss(orpo, chosen.mean, rejected.mean)[0]
    gap = log_odds(chosen.mean) - log_odds(rejected.mean)
    torch.testing.assert_close(0.1 * torch.nn.functional.logsigmoid(gap), terms, atol=1e-6, rtol=1e-4)
