"""What one iteration of practice may cost, counted, not timed: passes, tokens, copies of weights, memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from practicum.guard.controllers import KLConfig
from practicum.model.native import load
from practicum.model.native.scorer import work
from practicum.model.sampling import SamplingConfig
from practicum.model.scorer import rollout_lengths
from practicum.rollout.native import NativeSampler
from practicum.rollout.sampler import scattered
from practicum.rollout.samplers import make_sampler
from practicum.training.algorithms.algorithm import Experience
from practicum.training.iteration import practise
from practicum.training.loop import LoopConfig
from practicum.training.optimizer import OptimizerConfig
from practicum.training.rl import Parts, RlConfig
from practicum.training.update import UpdateConfig
from practicum.types import Prompt, Score
from tests.tiny import LetterTask, parts_of

needs_kernels = pytest.mark.skipif(load("train") is None or load("decode") is None, reason="no C++ compiler")

STEADY = OptimizerConfig(learning_rate=1e-3)


def config(pull: KLConfig | None = None) -> RlConfig:
    """8 prompts x 4 answers of at most 12 tokens, in micro-batches of 40 tokens."""
    return RlConfig(
        model=Path("unused"),
        prompts_per_step=8,
        group_size=4,
        sampling=SamplingConfig(max_new_tokens=12),
        update=UpdateConfig(micro_batch_tokens=40, kl=pull or KLConfig()),
        loop=LoopConfig(steps=1),
        dtype="float32",
    )


def watched(parts: Parts) -> tuple[Parts, list[Experience]]:
    """The parts with an algorithm that also notes each experience it gives credit in."""
    noted: list[Experience] = []

    def credit(*arguments: Any) -> Experience:
        noted.append(parts.algorithm.credit(*arguments))
        return noted[-1]

    return replace(parts, algorithm=replace(parts.algorithm, credit=credit)), noted


class Pays(LetterTask):
    """Letters, paid as `pay` says, row by row."""

    def __init__(self, pay: Callable[[int], float]) -> None:
        self.pay = pay

    def score(self, prompts: Sequence[Prompt], texts: Sequence[str]) -> list[Score]:
        return [Score(self.pay(row), outcome="made up") for row in range(len(texts))]


def every_other_group_pays(row: int) -> float:
    """Half of the answers to every second prompt, so that half of the groups are tied."""
    return float(row // 4 % 2 and row % 2)


@needs_kernels
def test_one_grpo_iteration_does_no_work_twice(make_trainee: Any) -> None:
    trainee = make_trainee(scale=2.0, optimizer=STEADY)
    parts, experiences = watched(parts_of(trainee, Pays(every_other_group_pays), config()))
    sampler = parts.sampler
    assert isinstance(sampler, NativeSampler)
    before, packs = work.counts.copy(), sampler.packs
    metrics = practise(parts, trainee, config(), 3).metrics
    done = work.counts - before
    (experience,) = experiences
    rollout, kept = experience.rollout, experience.row_matters_B
    lengths = torch.tensor(rollout_lengths(rollout))

    assert kept.tolist() == [bool(row // 4 % 2) for row in range(32)], "tied groups are skipped as a whole"

    # One copy of the weights to sample with, one cast to learn with: one policy version.
    assert sampler.packs - packs == 1
    assert rollout.policy_version == 3
    assert done["weight_casts"] == 1
    # Every token of the groups that are not tied goes in once (a row's last token is only a target), and
    # nothing else does: no padding, no tied groups, no second pass for the old log-probabilities.
    assert done["tokens"] == int((lengths[kept] - 1).sum())
    assert done["targets"] == int(rollout.mask_BT[kept].sum())
    assert metrics["padding_share"] == 0.0
    assert metrics["update_tokens"] == int(lengths[kept].sum())
    fewest = -(-int(lengths[kept].sum()) // 40)
    assert fewest <= done["forward_passes"] <= fewest + 2

    # Each distinct prompt is read once for its group, and 32 rows decode side by side.
    assert sampler.prefill_tokens == int(rollout.prompt_lengths_B[::4].sum())
    assert sampler.decode_steps <= 12


@needs_kernels
def test_a_reference_adds_one_cast_and_one_pass_over_its_rows(make_trainee: Any, letter_task: Any) -> None:
    trainee, reference = make_trainee(scale=2.0, optimizer=STEADY), make_trainee(scale=2.0).decoder
    before = work.counts.copy()
    settings = config(KLConfig(weight=0.1))
    parts, experiences = watched(parts_of(trainee, letter_task, settings, reference))
    practise(parts, trainee, settings, 0)
    done = work.counts - before
    (experience,) = experiences
    lengths = torch.tensor(rollout_lengths(experience.rollout))
    assert done["weight_casts"] == 2
    assert done["tokens"] == int((lengths - 1).sum() + (lengths[experience.row_matters_B] - 1).sum())


@needs_kernels
def test_an_iteration_whose_groups_are_all_tied_runs_no_forward_pass(make_trainee: Any) -> None:
    before = work.counts.copy()
    trainee = make_trainee(optimizer=STEADY)
    practise(parts_of(trainee, Pays(lambda row: 0.0), config()), trainee, config(), 0)
    done = work.counts - before
    assert done["forward_passes"] == done["tokens"] == 0


@needs_kernels
def test_decoding_allocates_nothing_per_step(make_trainee: Any) -> None:
    decoder = make_trainee(scale=2.0).decoder
    # No end-of-sequence token, so that the number of steps is known.
    decoder.config = decoder.config.__class__(**{**vars(decoder.config), "eos_token_id": -1})

    def allocations(new_tokens: int) -> tuple[int, int]:
        sampler: Any = make_sampler(decoder, SamplingConfig(max_new_tokens=new_tokens, dtype="float32"))
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
            sampler.sample([[1, 2, 3], [4, 5]], 8, scattered(0))
        return sum(one.name == "[memory]" for one in recorded.events()), sampler.decode_steps

    allocations(4)
    few, few_steps = allocations(4)
    many, many_steps = allocations(40)
    assert many_steps >= few_steps + 30
    assert many - few <= (many_steps - few_steps) / 8, "a few for each stretch of steps, none for each step"
