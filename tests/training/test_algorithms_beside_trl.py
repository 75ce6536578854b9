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
from practicum.training.preference_losses import (
    LOSSES,
    Answers,
    Weights,
    kto_baseline,
    kto_loss,
    log_odds,
    simpo_loss,
)
from tests.training.test_algorithms import LONGEST, SETTINGS, batch_of, gradient, shaken

pytest.importorskip("trl")
os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")
from trl.experimental.cpo.cpo_trainer import CPOTrainer
from trl.experimental.orpo.orpo_trainer import ORPOTrainer
from trl.trainer.dpo_trainer import DPOTrainer
from trl.trainer.grpo_trainer import GRPOTrainer
from trl.trainer.kto_trainer import KTOTrainer

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


class Whole:
    """A model for TRL's trainers: one token an answer, whose log-probability is that of the whole answer.

    TRL adds the log-probabilities of an answer's tokens before any of these losses, so this leaves the loss.
    `mismatched_N` are those of the answers to other prompts, which KTO's trainer asks for without a gradient.
    """

    def __init__(self, logprob_N: Tensor, mismatched_N: Tensor | None = None) -> None:
        self.logprob_N, self.mismatched_N, self.training = logprob_N, mismatched_N, True

    def __call__(self, *, input_ids: Tensor, labels: Tensor, **more: Any) -> Any:
        mismatched = self.mismatched_N is not None and bool((input_ids == MISMATCHED).all())
        row_N = self.mismatched_N if mismatched else self.logprob_N
        assert row_N is not None
        width = input_ids.shape[1] - 1
        log_probs = torch.cat([torch.zeros(len(row_N), width - 1), row_N[:, None]], 1)
        rest = torch.zeros(len(row_N), width)
        return SimpleNamespace(log_probs=log_probs, entropy=rest, mean_logits=rest, is_top1=rest.bool())


MISMATCHED = 7
WIDTH = 12


def completion_mask(length_N: Tensor) -> Tensor:
    """int64 [N, WIDTH]: the last `length` places of each row."""
    return (torch.arange(WIDTH) >= WIDTH - length_N[:, None]).long()


def preference_trainer(beta: float, **more: Any) -> Any:
    """As much of a trainer of preferences as its loss reads."""
    gather = SimpleNamespace(
        device=torch.device("cpu"), gather=lambda value: value, gather_for_metrics=lambda value: value
    )
    return SimpleNamespace(
        accelerator=gather,
        aux_loss_enabled=False,
        beta=beta,
        precompute_ref_logps=True,
        _metrics=defaultdict(lambda: defaultdict(list)),
        _total_train_tokens=0,
        _tp_size=1,
        **more,
    )


def with_reference(read: Answers, seed: int) -> Answers:
    """The answers with a reference near the policy."""
    generator = torch.Generator().manual_seed(seed)
    return Answers(read.logprob, read.logprob + torch.randn(12, generator=generator) * 3, read.length)


@pytest.mark.parametrize("beta", [0.05, 1.0])
@pytest.mark.parametrize(("name", "theirs"), [("dpo", "sigmoid"), ("ipo", "ipo")])
def test_the_loss_of_pairs_has_the_value_and_gradient_of_trls_trainer(
    name: str, theirs: str, beta: float
) -> None:
    chosen, rejected = with_reference(answers(0), 2), with_reference(answers(1), 3)
    now_N = torch.cat([chosen.logprob, rejected.logprob]).requires_grad_()
    pair = LOSSES[name].pair
    assert pair is not None
    ours = pair(
        Answers(now_N[:12], chosen.reference, chosen.length),
        Answers(now_N[12:], rejected.reference, rejected.length),
        Weights(beta, per_token=True),
    ).mean()
    (found_N,) = torch.autograd.grad(ours, now_N)
    mask = completion_mask(torch.cat([chosen.length, rejected.length]))
    stub = preference_trainer(
        beta,
        ld_alpha=None,
        f_divergence_type="reverse_kl",
        loss_types=[theirs],
        loss_weights=[1.0],
        use_weighting=False,
        label_smoothing=0.0,
    )
    stub.model = Whole(now_N)
    inputs = {
        "input_ids": torch.ones_like(mask),
        "attention_mask": torch.ones_like(mask),
        "completion_mask": mask,
        "ref_chosen_logps": chosen.reference,
        "ref_rejected_logps": rejected.reference,
    }
    loss = DPOTrainer._compute_loss(stub, stub.model, inputs, return_outputs=False)
    (their_N,) = torch.autograd.grad(loss, now_N)
    torch.testing.assert_close(ours, loss)
    torch.testing.assert_close(found_N, their_N)


@pytest.mark.parametrize("shift", [-8.0, 8.0])
@pytest.mark.parametrize(("desirable", "undesirable"), [(1.0, 1.0), (1.33, 0.5)])
def test_ktos_loss_and_baseline_have_the_value_and_gradient_of_trls_trainer(
    desirable: float, undesirable: float, shift: float
) -> None:
    read, mismatched = with_reference(answers(0), 2), with_reference(answers(1), 3)
    # Shifted, so that the estimate of the KL is once above 0 and once held at 0.
    mismatched = Answers(mismatched.logprob, mismatched.reference - shift, mismatched.length)
    good_N = torch.arange(12) % 3 == 0
    now_N = read.logprob.clone().requires_grad_()
    baseline = kto_baseline(mismatched)
    assert bool(baseline > 0) == (shift > 0)
    weights = Weights(0.3, desirable=desirable, undesirable=undesirable)
    ours = kto_loss(Answers(now_N, read.reference, read.length), good_N, baseline, weights).mean()
    (found_N,) = torch.autograd.grad(ours, now_N)
    stub = preference_trainer(
        0.3, calculate_KL=True, loss_type="kto", desirable_weight=desirable, undesirable_weight=undesirable
    )
    stub.model = Whole(now_N, mismatched.logprob)
    stub._compute_kl_logps = lambda model, batch: KTOTrainer._compute_kl_logps(stub, model, batch)
    mask = completion_mask(read.length)
    inputs = {
        "input_ids": torch.ones_like(mask),
        "attention_mask": torch.ones_like(mask),
        "completion_mask": mask,
        "KL_input_ids": torch.full_like(mask, MISMATCHED),
        "KL_attention_mask": torch.ones_like(mask),
        "KL_completion_mask": mask,
        "label": good_N,
        "ref_logps": read.reference,
        "ref_KL_logps": mismatched.reference,
    }
    loss = KTOTrainer._compute_loss(stub, stub.model, inputs, return_outputs=False)
    (their_N,) = torch.autograd.grad(loss, now_N)
    torch.testing.assert_close(ours, loss)
    torch.testing.assert_close(found_N, their_N)
