"""The one small loop under every stage: step, log, checkpoint, resume.

A stage gives a `step(index)` that makes one optimizer update and returns its metrics. All of a step's
randomness comes from `step_seed(seed, index)`, so the loop needs to store no random state: weights, optimizer
moments and the step number are a checkpoint, and resuming continues bit for bit on the same machine.
"""

from __future__ import annotations

import hashlib
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from practicum.errors import InputError
from practicum.model.checkpoint import save_model
from practicum.model.decoder import compute_dtype
from practicum.model.native import load
from practicum.model.policy import Policy
from practicum.ranges import PositiveInt, Ranged, Threads
from practicum.rollout.sampler import scattered
from practicum.run.folder import EARLIER, Run
from practicum.run.progress import progress
from practicum.training.dead import STEPS, signs_of_death
from practicum.training.optimizer import Optimizer


@dataclass(frozen=True)
class StepResult:
    """What one update reports: a metrics row, `tokens` (read by the model) in it, and a few samples.

    `ends` is True when the run is to end with this step.
    """

    metrics: dict[str, float]
    samples: list[dict[str, Any]] = field(default_factory=list)
    ends: bool = False


@dataclass(frozen=True)
class LoopConfig(Ranged, section="loop"):
    """How long a stage runs and what it writes."""

    steps: PositiveInt = 100
    """Optimizer updates (practice: iterations of sample, score, update)."""
    checkpoint_every: PositiveInt = 50
    """Updates between checkpoints; the last update always writes one."""
    keep_checkpoints: PositiveInt = 2
    """Older checkpoints are removed."""
    threads: Threads = 0
    """CPU threads of matrix products; 0 takes one per core."""


@dataclass(frozen=True)
class Trainee:
    """What a stage trains: the policy, its tokenizer, any further heads, and their common optimizer."""

    decoder: Policy
    tokenizer: Tokenizer
    heads: nn.ModuleDict
    optimizer: Optimizer

    def tensors(self) -> dict[str, Tensor]:
        """What a checkpoint holds besides the model folder."""
        heads = {f"heads.{name}": value.detach() for name, value in self.heads.state_dict().items()}
        return heads | self.optimizer.tensors()

    def restore(self, folder: Path, tensors: Mapping[str, Tensor]) -> None:
        """Take weights and optimizer state from a checkpoint, in place; InputError where they do not fit."""
        for name, own in self.tensors().items():
            stored = tensors.get(name)
            if stored is None or stored.shape != own.shape:
                found = "missing" if stored is None else f"of shape {list(stored.shape)}"
                raise InputError(
                    f"{folder / 'trainer.safetensors'}: {name} is {found}, not {list(own.shape)}; {EARLIER}"
                )
        self.decoder.restore(folder)
        self.heads.load_state_dict({name: tensors[f"heads.{name}"] for name in self.heads.state_dict()})
        self.optimizer.restore(tensors)


def step_seed(seed: int, *parts: int | str) -> int:
    """A 62-bit seed that depends on the run's seed and on where it is used; equal input, equal seed."""
    text = ":".join(str(part) for part in (seed, *parts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 2


def sampling_seed(seed: int, *parts: int | str) -> int:
    """The seed of `Sampler.sample` at one place of a run, from `step_seed`."""
    return scattered(step_seed(seed, *parts))


def generator_for(seed: int, *parts: int | str) -> torch.Generator:
    """A CPU random generator seeded by `step_seed`."""
    return torch.Generator().manual_seed(step_seed(seed, *parts))


def set_threads(threads: int) -> None:
    """Use `threads` CPU threads for matrix products; 0 leaves one per core."""
    if threads > 0:
        torch.set_num_threads(threads)


def arithmetic() -> dict[str, Any]:
    """What the last bits of results depend on besides seed and settings."""
    return {
        "threads": torch.get_num_threads(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "bfloat16": compute_dtype("auto") == torch.bfloat16,
        "kernels": load("train") is not None,
        "torch": torch.__version__,
    }


def run_steps(
    run: Run,
    config: LoopConfig,
    trainee: Trainee,
    step: Callable[[int], StepResult],
    shown: tuple[str, ...],
    keep_start: bool = False,
) -> dict[str, Any]:
    """Make the updates that are still to do, and return the last row of metrics with the seconds it all took
    and `warnings`: what stood still in the last steps, a sentence each.

    `shown` names the metrics on the progress bar; with `keep_start` the untrained model is checkpoint 0. What
    stands still for some steps is told on stderr at once, and again at the end.
    """

    def save(step: int, metrics: dict[str, Any]) -> None:
        run.save(
            step,
            lambda folder: save_model(trainee.decoder, trainee.tokenizer, folder),
            trainee.tensors(),
            {"metrics": metrics},
        )

    checkpoint = run.latest()
    first, seconds, tokens = 0, 0.0, 0
    last: dict[str, Any] = {}
    recent: deque[Mapping[str, Any]] = deque(run.rows(STEPS), STEPS)
    told: set[str] = set()
    if checkpoint:
        trainee.restore(checkpoint.path, checkpoint.tensors())
        first = checkpoint.step
        if "metrics" not in checkpoint.state:
            raise InputError(f"{checkpoint.path / 'trainer.json'}: has no metrics; {EARLIER}")
        last = checkpoint.state["metrics"]
        seconds, tokens = last.get("total_seconds", 0.0), last.get("total_tokens", 0)
    elif keep_start:
        save(0, {})
    changed = run.note_arithmetic(arithmetic())
    if 0 < first < config.steps and changed:
        changes = ", ".join(f"{name} {before} -> {now}" for name, (before, now) in changed.items())
        print(
            f"practicum: {run.path} goes on with other arithmetic ({changes}): its numbers will not be, bit "
            "for bit, those of an unbroken run",
            file=sys.stderr,
        )
    with progress(run.path.name, config.steps) as bar:
        bar.update(first)
        for index in range(first, config.steps):
            started = time.perf_counter()
            result = step(index)
            elapsed = time.perf_counter() - started
            seconds, tokens = seconds + elapsed, tokens + int(result.metrics["tokens"])
            totals = {"seconds": elapsed, "total_seconds": seconds, "total_tokens": tokens}
            last = {"step": index + 1, **result.metrics, **totals}
            run.log(last)
            run.log_samples(result.samples)
            recent.append(last)
            if len(recent) == STEPS and index + 1 < config.steps:
                signs = signs_of_death(recent)
                _warn(sentence for name, sentence in signs.items() if name not in told)
                told |= signs.keys()
            bar.update(index + 1, **{name: last[name] for name in shown})
            if (index + 1) % config.checkpoint_every == 0 or index + 1 == config.steps or result.ends:
                save(index + 1, last)
            if result.ends:
                break
    warnings = list(signs_of_death(recent).values())
    _warn(warnings)
    return {**last, "warnings": warnings}


def _warn(sentences: Iterable[str]) -> None:
    for sentence in sentences:
        print(f"practicum: warning: {sentence}", file=sys.stderr)
