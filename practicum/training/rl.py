"""Practice: sample solutions, let the task judge them, and make what paid more likely.

One iteration = prompts -> groups of completions -> scores -> advantages -> update(s) -> one metrics row.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from practicum.errors import InputError
from practicum.model.checkpoint import load_model, model_folder
from practicum.model.decoder import Decoder, compute_dtype
from practicum.model.heads import ValueHead
from practicum.rollout.collect import ScoredRollout, collect
from practicum.rollout.sampler import Sampler, SamplingConfig
from practicum.run import Run
from practicum.tasks.controls import Control, with_control
from practicum.tasks.task import Task, TaskConfig, load_task
from practicum.training import grpo, ppo
from practicum.training.batch import rollout_lengths
from practicum.training.grpo import GrpoConfig
from practicum.training.loop import (
    LoopConfig,
    StepResult,
    Trainee,
    generator_for,
    run_steps,
    set_threads,
    step_seed,
)
from practicum.training.optimizer import Optimizer, OptimizerConfig
from practicum.training.ppo import PpoConfig
from practicum.training.update import Experience, UpdateConfig, score_tokens, update_policy


@dataclass(frozen=True)
class RlConfig:
    """Practice: reinforcement learning against a task's own judgement."""

    model: Path
    """Folder of the model to start from (a model folder, or a run's folder)."""
    task: TaskConfig = field(default_factory=TaskConfig)
    """The task that gives prompts and judges completions."""
    algorithm: Literal["grpo", "ppo"] = "grpo"
    """grpo compares the answers to one prompt; ppo trains a value head."""
    control: Control = "none"
    """A null reward in place of the true one: random pays a coin, format pays any answer that parses."""
    prompts_per_step: int = 32
    """Prompts of one iteration."""
    group_size: int = 8
    """Completions sampled for each prompt."""
    sampling: SamplingConfig = field(default_factory=SamplingConfig)
    """How completions are drawn."""
    update: UpdateConfig = field(default_factory=UpdateConfig)
    """How a batch becomes weight updates."""
    grpo: GrpoConfig = field(default_factory=GrpoConfig)
    """Settings of grpo."""
    ppo: PpoConfig = field(default_factory=PpoConfig)
    """Settings of ppo."""
    optimizer: OptimizerConfig = field(
        default_factory=lambda: OptimizerConfig(
            algorithm="adamw", learning_rate=1.5e-4, warmup_steps=5, final_share=0.2, weight_decay=0.0
        )
    )
    """The optimizer."""
    loop: LoopConfig = field(default_factory=lambda: LoopConfig(steps=120, checkpoint_every=40))
    """Iterations and checkpoints."""
    samples_per_step: int = 8
    """Rows of samples.jsonl an iteration."""
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """Matrix products of the update; master weights are always float32."""
    seed: int = 0
    """Fixes prompts and sampling."""

    def __post_init__(self) -> None:
        fewest = 2 if self.algorithm == "grpo" else 1
        if self.group_size < fewest:
            raise InputError(
                f"group_size is {self.group_size}; {self.algorithm} needs at least {fewest} answers a prompt"
            )
        if self.prompts_per_step < self.update.minibatches:
            raise InputError(
                f"prompts_per_step is {self.prompts_per_step}; each of update.minibatches "
                f"{self.update.minibatches} needs at least one prompt"
            )
        if self.sampling.temperature <= 0:
            raise InputError(
                f"sampling.temperature is {self.sampling.temperature}; practice must try different answers, "
                "so it must be above 0"
            )


def train(config: RlConfig, run_path: Path, *, resume: bool = False) -> dict[str, Any]:
    """Practise and return the summary; the model is the run's newest checkpoint."""
    decoder, tokenizer = load_model(model_folder(config.model))
    task = with_control(load_task(config.task), config.control, config.seed)
    run = Run.open(run_path, config, "rl", resume=resume, keep=config.loop.keep_checkpoints)
    set_threads(config.loop.threads)
    heads = nn.ModuleDict()
    if config.algorithm == "ppo":
        heads["value"] = ValueHead(decoder.config.hidden_size, config.seed)
    updates = config.loop.steps * config.update.epochs * config.update.minibatches
    optimizer = Optimizer(nn.ModuleDict({"policy": decoder, "heads": heads}), config.optimizer, updates)
    trainee = Trainee(decoder, tokenizer, heads, optimizer)
    reference = load_model(model_folder(config.model))[0] if config.update.kl.weight else None

    def step(index: int) -> StepResult:
        return practise(trainee, reference, task, config, index)

    last = run_steps(run, config.loop, trainee, step, ("reward", "completion_tokens"))
    summary = {"stage": "rl", "algorithm": config.algorithm, "control": config.control, **last}
    run.finish(summary)
    return summary


def practise(
    trainee: Trainee, reference: Decoder | None, task: Task, config: RlConfig, index: int
) -> StepResult:
    """One iteration: sample, score, assign credit, update."""
    started = time.perf_counter()
    prompts = task.prompts("train", config.prompts_per_step, step_seed(config.seed, "prompts", index))
    sampler = Sampler(trainee.decoder, config.sampling)
    generator = generator_for(config.seed, "sampling", index)
    first_update = index * config.update.epochs * config.update.minibatches
    batch = collect(sampler, trainee.tokenizer, task, prompts, config.group_size, generator, first_update)
    sampled = time.perf_counter()
    dtype = compute_dtype(config.dtype)
    experience = assign_credit(trainee, reference, batch, config, dtype)
    metrics = update_policy(
        trainee,
        experience,
        config.update,
        config.sampling,
        dtype,
        first_update,
        generator_for(config.seed, "minibatches", index),
        config.ppo.value_weight,
        config.ppo.value_clip,
    )
    metrics |= describe(task, batch)
    metrics["tokens"] = float(sum(rollout_lengths(batch.rollout)))
    metrics["sample_seconds"] = sampled - started
    metrics["update_seconds"] = time.perf_counter() - sampled
    return StepResult(metrics, sample_rows(batch, experience, config.samples_per_step, index))


def assign_credit(
    trainee: Trainee, reference: Decoder | None, batch: ScoredRollout, config: RlConfig, dtype: torch.dtype
) -> Experience:
    """The algorithm's advantages; reference log-probabilities and values are each computed once."""
    micro_batch_tokens = config.update.micro_batch_tokens
    reference_logprobs_BT = None
    if reference is not None:
        reference_logprobs_BT, _ = score_tokens(
            reference, batch.rollout, config.sampling, micro_batch_tokens, dtype
        )
    if config.algorithm == "grpo":
        return grpo.experience(batch, config.grpo, config.update.kl, reference_logprobs_BT)
    value_head = trainee.heads["value"]
    _, values_BT = score_tokens(
        trainee.decoder, batch.rollout, config.sampling, micro_batch_tokens, dtype, value_head
    )
    return ppo.experience(batch, config.ppo, config.update.kl, reference_logprobs_BT, values_BT)


def describe(task: Task, batch: ScoredRollout) -> dict[str, float]:
    """Rewards, outcomes, lengths and behaviours of a batch, each a mean over the rows it applies to."""
    rows = len(batch.scores)
    metrics = {
        "reward": float(batch.reward_B.mean()),
        "reward_std": float(batch.reward_B.std()),
        "completion_tokens": float(batch.rollout.mask_BT.sum(1).float().mean()),
        "truncated": float((~batch.finished_B).float().mean()),
        "groups_tied": _tied_share(batch),
    }
    for outcome, count in Counter(score.outcome for score in batch.scores).items():
        metrics[f"outcome/{outcome}"] = count / rows
    for name in batch.scores[0].parts:
        metrics[f"reward/{name}"] = sum(score.parts[name] for score in batch.scores) / rows
    shown: dict[str, list[bool]] = defaultdict(list)
    for prompt, text in zip(batch.prompts, batch.rollout.texts, strict=True):
        for name, present in task.behaviours(prompt, text).items():
            shown[name].append(present)
    return metrics | {f"behaviour/{name}": sum(flags) / len(flags) for name, flags in shown.items()}


def _tied_share(batch: ScoredRollout) -> float:
    groups = batch.rollout.group_B
    tied = [
        bool((batch.reward_B[groups == group] == batch.reward_B[groups == group][0]).all())
        for group in range(int(groups.max()) + 1)
    ]
    return sum(tied) / len(tied)


def sample_rows(batch: ScoredRollout, experience: Experience, count: int, index: int) -> list[dict[str, Any]]:
    """The first `count` rows spread over the groups, for samples.jsonl."""
    rows = len(batch.scores)
    chosen = range(0, rows, max(1, rows // max(1, count)))
    return [
        {
            "step": index + 1,
            "prompt": batch.prompts[row].text,
            "completion": batch.rollout.texts[row],
            "reward": float(batch.reward_B[row]),
            "advantage": float(experience.advantages_BT[row].sum() / batch.rollout.mask_BT[row].sum()),
            "outcome": batch.scores[row].outcome,
            "reason": batch.scores[row].reason,
        }
        for row in chosen
    ]
