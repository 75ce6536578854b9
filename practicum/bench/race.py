"""What both sides of a race to accuracy share: the clock, the prompts, and how far a side came."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from practicum.model.policy import Policy
from practicum.tasks.task import Task
from practicum.training.loop import step_seed
from practicum.training.rl import RlConfig
from practicum.types import Prompt


@dataclass(frozen=True)
class Reached:
    """How far one side came: seconds of practice, updates, the last examination; was it enough?"""

    seconds: float
    updates: int
    accuracy: float
    enough: bool


class Stopwatch:
    """Counts seconds while it is not paused."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.started = time.perf_counter()

    def pause(self) -> None:
        """Stop counting."""
        self.seconds += time.perf_counter() - self.started

    def resume(self) -> None:
        """Count on."""
        self.started = time.perf_counter()


Examine = Callable[[Policy], float]
"""Share of the held-out problems that a decoder answers rightly."""


def prompts_of(config: RlConfig, task: Task) -> list[Prompt]:
    """The training prompts of all iterations of `practicum rl`, in order."""
    return [
        prompt
        for index in range(config.loop.steps)
        for prompt in task.prompts("train", config.prompts_per_step, step_seed(config.seed, "prompts", index))
    ]
