"""Each way of learning must find what pays, from a policy that knows nothing, in seconds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from practicum.errors import InputError
from practicum.guard.controllers import KLConfig
from practicum.guard.observer import StepResult
from practicum.model.sampling import SamplingConfig
from practicum.reward.controls import with_control
from practicum.training.algorithms.ppo import PpoConfig
from practicum.training.iteration import practise
from practicum.training.loop import LoopConfig
from practicum.training.optimizer import OptimizerConfig
from practicum.training.rl import RlConfig
from practicum.training.sft import imitate
from practicum.training.update import UpdateConfig
from tests.tiny import parts_of

STEPS = 40


def config(algorithm: str, **changes: Any) -> RlConfig:
    settings = RlConfig(
        model=Path("unused"),
        algorithm=algorithm,  # type: ignore[arg-type]
        prompts_per_step=8,
        group_size=16,
        sampling=SamplingConfig(max_new_tokens=2, dtype="float32"),
        ppo=PpoConfig(),
        optimizer=OptimizerConfig(learning_rate=1e-2, warmup_steps=2, weight_decay=0.0),
        dtype="float32",
        seed=4,
    )
    return replace(settings, **changes)


def run(
    make_trainee: Any, task: Any, settings: RlConfig, reference: Any = None, reward: Any = None
) -> list[StepResult]:
    trainee = make_trainee(
        value=settings.algorithm == "ppo", optimizer=settings.optimizer, steps=STEPS, seed=settings.seed
    )
    parts = parts_of(trainee, task, settings, reference)
    parts = replace(parts, reward=reward or task)
    return [practise(parts, trainee, settings, index) for index in range(STEPS)]


@pytest.mark.parametrize(
    ("algorithm", "changes"),
    [
        ("group", {}),
        ("group", {"update": UpdateConfig(epochs=2, minibatches=2, aggregation="constant")}),
        ("ppo", {}),
        ("ppo", {"update": UpdateConfig(epochs=2, minibatches=2)}),
    ],
)
def test_practice_raises_the_reward_from_chance_to_nearly_always(
    make_trainee: Any, letter_task: Any, algorithm: str, changes: dict[str, Any]
) -> None:
    results = run(make_trainee, letter_task, config(algorithm, **changes))
    rewards = [result.metrics["reward"] for result in results]
    assert sum(rewards[:3]) / 3 < 0.1
    assert sum(rewards[-3:]) / 3 > 0.9
    assert max(result.metrics["ratio_error"] for result in results) < 1e-3


def test_a_random_reward_teaches_nothing(make_trainee: Any, letter_task: Any) -> None:
    results = run(make_trainee, letter_task, config("group"), reward=with_control(letter_task, "random", 0))
    assert max(result.metrics["reward/true"] for result in results[-3:]) < 0.5


@pytest.mark.parametrize("kl", [KLConfig(5.0, "k1", "reward"), KLConfig(5.0, "k2", "loss")])
def test_a_strong_pull_to_the_reference_holds_practice_back(
    make_trainee: Any, letter_task: Any, kl: KLConfig
) -> None:
    reference = make_trainee(seed=4).decoder
    held = run(make_trainee, letter_task, config("group", update=UpdateConfig(kl=kl)), reference)
    free = run(
        make_trainee, letter_task, config("group", update=UpdateConfig(kl=replace(kl, weight=0.0))), reference
    )
    assert held[0].metrics["kl"] == pytest.approx(0.0, abs=1e-4)
    assert held[-1].metrics["kl"] < 0.1
    assert held[-1].metrics["reward"] < 0.2
    assert free[-1].metrics["reward"] > 0.9
    assert max(result.metrics.get("kl", 0.0) for result in free) > 1.0


@pytest.mark.parametrize("algorithm", ["muon", "adamw"])
def test_imitation_lowers_the_loss_to_the_entropy_of_the_demonstrations(
    make_trainee: Any, letter_task: Any, algorithm: str
) -> None:
    settings = OptimizerConfig(algorithm=algorithm, learning_rate=1e-2, warmup_steps=2)  # type: ignore[arg-type]
    trainee = make_trainee(optimizer=settings, steps=70)
    losses = []
    for index in range(70):
        demonstrations = letter_task.demonstrations(24, index)
        losses.append(imitate(trainee.decoder, trainee.tokenizer, demonstrations, 256, torch.float32)["loss"])
        trainee.optimizer.step(index)
    assert losses[0] > 4
    assert sum(losses[-5:]) / 5 < 0.3  # the prompt's length decides the letter, so nothing is left to chance


def test_a_step_reports_and_shows_what_happened(make_trainee: Any, letter_task: Any) -> None:
    settings = config("ppo")
    trainee = make_trainee(value=True, optimizer=settings.optimizer)
    result = practise(parts_of(trainee, letter_task, settings), trainee, settings, 3)
    metrics = result.metrics
    assert metrics["outcome/correct"] if metrics["reward"] else "outcome/correct" not in metrics
    assert 1 <= metrics["completion_tokens"] <= 2
    assert 0 <= metrics["truncated"] <= 1
    assert 0 <= metrics["groups_tied"] <= 1
    assert metrics["tokens"] > 8 * 16 * 3
    assert len(result.samples) == settings.samples_per_step
    assert {row["step"] for row in result.samples} == {4}
    assert all(row["reward"] == float(row["completion"].startswith("a")) for row in result.samples)


def test_the_same_step_twice_gives_the_same_weights(make_trainee: Any, letter_task: Any) -> None:
    def weights() -> dict[str, torch.Tensor]:
        trainee = make_trainee()
        practise(parts_of(trainee, letter_task, config("group")), trainee, config("group"), 0)
        practise(parts_of(trainee, letter_task, config("group")), trainee, config("group"), 1)
        return trainee.decoder.state_dict()

    first, second = weights(), weights()
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda: config("group", group_size=1), "group_size is 1"),
        (lambda: config("ppo", group_size=0), "group_size is 0"),
        (lambda: config("group", prompts_per_step=0), "prompts_per_step is 0"),
        (lambda: config("group", update=UpdateConfig(minibatches=9)), "minibatches 9"),
        (lambda: config("group", sampling=SamplingConfig(temperature=0.0)), "sampling.temperature is 0.0"),
        (lambda: UpdateConfig(epochs=0), "update.epochs is 0"),
        (lambda: UpdateConfig(micro_batch_tokens=0), "update.micro_batch_tokens is 0"),
        (lambda: LoopConfig(steps=0), "loop.steps is 0"),
        (lambda: LoopConfig(checkpoint_every=0), "loop.checkpoint_every is 0"),
        (lambda: LoopConfig(keep_checkpoints=0), "loop.keep_checkpoints is 0"),
    ],
)
def test_settings_that_could_never_learn_are_refused(spoil: Callable[[], object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        spoil()


def test_ppo_may_ask_each_prompt_once(make_trainee: Any, letter_task: Any) -> None:
    settings = config("ppo", group_size=1)
    trainee = make_trainee(value=True)
    parts = replace(parts_of(trainee, letter_task, settings), reward=with_control(letter_task, "random", 0))
    result = practise(parts, trainee, settings, 0)
    assert result.metrics["gradient_norm"] > 0
