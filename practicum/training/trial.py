"""A dry run: a stage makes its first few steps as it would, in a folder that goes; what they show is kept."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from practicum.guard.observer import StepResult
from practicum.model.policy import Policy
from practicum.types import Prompt


@dataclass
class Tried:
    """The first steps of one stage.

    `steps` are those that it would make in all, `most` those that it may make now. `rows` and `samples` are
    what it logged, `prompts` those of the samples; `checkpoint_bytes` what one checkpoint takes;
    `most_checkpoints` how many of them the whole run has on the disk at a time.
    """

    path: Path
    policy: Policy
    tokenizer: Tokenizer
    steps: int
    most_checkpoints: int
    most: int
    rows: list[Mapping[str, Any]] = field(default_factory=list)
    samples: list[Mapping[str, Any]] = field(default_factory=list)
    prompts: list[Prompt] = field(default_factory=list)
    checkpoint_bytes: int = 0

    @property
    def name(self) -> str:
        """What the stage is called: the name of its run's folder."""
        return self.path.name

    def note(self, row: Mapping[str, Any], result: StepResult) -> None:
        """Keep what one step logged: its row, and the samples of its result with their prompts."""
        self.rows.append(dict(row))
        self.samples += result.samples
        self.prompts += result.prompts


@dataclass
class Trial:
    """How many steps each stage may make, and what the stages showed, in order."""

    most: int
    stages: list[Tried] = field(default_factory=list)
    started: float = field(default_factory=time.perf_counter)
    loading_seconds: float = 0.0

    def begin(self, stage: Tried) -> None:
        """A stage is about to make its first step."""
        if not self.stages:
            self.loading_seconds = time.perf_counter() - self.started
        self.stages.append(stage)


_trial: ContextVar[Trial | None] = ContextVar("trial", default=None)


@contextmanager
def trial(steps: int) -> Iterator[Trial]:
    """Let every stage that runs within make `steps` steps at most, and keep what they showed."""
    running = Trial(steps)
    token = _trial.set(running)
    try:
        yield running
    finally:
        _trial.reset(token)


def running_trial() -> Trial | None:
    """The dry run that is going on; None in a run that counts."""
    return _trial.get()
