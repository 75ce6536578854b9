"""Null rewards: the same task, paying for something that is not the truth, to show what a gain is worth."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from practicum.tasks.task import Task
from practicum.types import Demonstration, Prompt, Score

Control = Literal["none", "random", "format"]


def with_control(task: Task, control: Control, seed: int) -> Task:
    """The task itself for `none`, else the task paying a null reward."""
    return task if control == "none" else _Controlled(task, control, seed)


class _Controlled:
    """A task whose rewards are replaced; outcomes and the true value stay visible in the scores."""

    def __init__(self, task: Task, control: Control, seed: int) -> None:
        self.task, self.control, self.seed = task, control, seed
        self.name = task.name

    @property
    def vocabulary_size(self) -> int:
        """Unchanged."""
        return self.task.vocabulary_size

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
            return float(score.outcome in ("correct", "wrong"))
        digest = hashlib.sha256(f"{self.seed}\n{prompt}\n{text}".encode()).digest()
        return float(digest[0] % 2)

    def prompts(self, split: str, count: int, seed: int) -> list[Prompt]:
        """Unchanged."""
        return self.task.prompts(split, count, seed)

    def exposition(self, count: int, seed: int) -> list[str]:
        """Unchanged."""
        return self.task.exposition(count, seed)

    def demonstrations(self, count: int, seed: int) -> list[Demonstration]:
        """Unchanged."""
        return self.task.demonstrations(count, seed)

    def behaviours(self, prompt: Prompt, text: str) -> dict[str, bool]:
        """Unchanged."""
        return self.task.behaviours(prompt, text)

    def read(self, text: str) -> Prompt:
        """Unchanged."""
        return self.task.read(text)

    def gold(self, prompt: Prompt) -> str:
        """Unchanged."""
        return self.task.gold(prompt)

    def attacks(self) -> list[tuple[Prompt, str]]:
        """Unchanged."""
        return self.task.attacks()
