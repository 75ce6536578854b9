"""A task whose scoring shows in the profile."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from practicum.run.profile import span
from practicum.tasks.task import Task
from practicum.types import Prompt, Score


class WatchedTask:
    """A task whose scoring is counted as `verify`; everything else is the task's own."""

    def __init__(self, task: Task) -> None:
        self._task = task

    def __getattr__(self, name: str) -> Any:
        return getattr(self._task, name)

    @span("verify")
    def score(self, prompts: Sequence[Prompt], texts: Sequence[str]) -> list[Score]:
        """The task's scores."""
        return self._task.score(prompts, texts)
