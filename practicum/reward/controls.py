"""Null rewards: the same task, paying for something that is not the truth, to show what a gain is worth."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from practicum.errors import InputError
from practicum.reward.plain import Reward
from practicum.stats import Floats
from practicum.tasks.task import Task
from practicum.types import Prompt, Score

Control = Literal["none", "random", "format"]


def with_control(task: Task, control: Control, seed: int) -> Task:
    """The task itself for `none`, else the task paying a null reward.

    `random` pays a coin that depends on prompt and text; `format` pays every readable answer, right or wrong.
    Scoring with `format` raises InputError where the task does not say which answers are readable.
    """
    return task if control == "none" else _Controlled(task, control, seed)


def check_control(task: Task, control: Control) -> None:
    """Raise InputError for `format` with a task that does not say which answers are readable.

    `task` is one from `with_control`; it is tried on one empty answer.
    """
    if control == "format":
        task.score(task.prompts("train", 1, 0), [""])


class _Controlled:
    """A task whose rewards are replaced; outcomes and the true value stay visible in the scores.

    Everything but the reward is the task's own.
    """

    def __init__(self, task: Task, control: Control, seed: int) -> None:
        self.task, self.control, self.seed = task, control, seed
        self.name = task.name

    def __getattr__(self, name: str) -> Any:
        return getattr(self.task, name)

    def prompts(self, split: str, count: int, seed: int) -> list[Prompt]:
        """The task's prompts."""
        return self.task.prompts(split, count, seed)

    def score(self, prompts: Sequence[Prompt], texts: Sequence[str]) -> list[Score]:
        """The task's scores with the value replaced and the true one kept as the part `true`."""
        scores = self.task.score(prompts, texts)
        return [
            replace(
                score, value=self._value(score, prompt.text, text), parts={**score.parts, "true": score.value}
            )
            for score, prompt, text in zip(scores, prompts, texts, strict=True)
        ]

    def _value(self, score: Score, prompt: str, text: str) -> float:
        if self.control == "format":
            if score.readable is None:
                raise InputError(
                    f"control format pays every readable answer, and task {self.name} does not say of "
                    f"{text!r:.60} whether it is one: set Score.readable, or use --control random"
                )
            return float(score.readable)
        digest = hashlib.sha256(f"{self.seed}\n{prompt}\n{text}".encode()).digest()
        return float(digest[0] % 2)


def length_only(scale: float = 100.0) -> Reward:
    """A reward that counts characters, `scale` of them worth 1."""
    if not scale > 0:
        raise InputError(f"scale: expected above 0, got {scale}")

    def reward(prompts: Sequence[Prompt], texts: Sequence[str]) -> Floats:
        return np.array([len(text) / scale for text in texts])

    return reward
