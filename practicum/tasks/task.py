"""What every task offers to sampling, training and reports, and the one place that finds a task by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from practicum.errors import InputError
from practicum.tasks.equations.task import EquationsConfig, EquationsTask
from practicum.tasks.explanations.task import ExplanationsConfig, ExplanationsTask
from practicum.tasks.jokes.task import JokesConfig, JokesTask
from practicum.types import Demonstration, Prompt, Score


class Task(Protocol):
    """A source of prompts and a judge of completions. All texts are deterministic in their arguments."""

    name: str

    @property
    def vocabulary_size(self) -> int:
        """Tokens that a tokenizer learned from the textbook should have; only `pretrain` asks."""
        ...

    def prompts(self, split: str, count: int, seed: int) -> list[Prompt]:
        """`count` prompts of `train`, `validation` or `test`; the splits share no problem."""
        ...

    def score(self, prompts: Sequence[Prompt], texts: Sequence[str]) -> list[Score]:
        """One score per completion, in the order given. Raises on the task's own bugs, never on a text."""
        ...

    def exposition(self, count: int, seed: int) -> list[str]:
        """Textbook passages for `pretrain`."""
        ...

    def demonstrations(self, count: int, seed: int) -> list[Demonstration]:
        """Worked problems of the train split for `sft`, right and wrong ones in people's proportions."""
        ...

    def behaviours(self, prompt: Prompt, text: str) -> dict[str, bool]:
        """Which behaviours a completion shows, of those its problem calls for, found by parsing its steps."""
        ...

    def read(self, text: str) -> Prompt:
        """A person's own text as a prompt of this task. Raises InputError when it cannot be one."""
        ...

    def gold(self, prompt: Prompt) -> str:
        """A completion that must score 1."""
        ...

    def attacks(self) -> list[tuple[Prompt, str]]:
        """Completions that try to be paid without being right; each must score 0."""
        ...


@dataclass(frozen=True)
class TaskConfig:
    """Which task to learn, and its settings."""

    name: str = "equations"
    equations: EquationsConfig = field(default_factory=EquationsConfig)
    jokes: JokesConfig = field(default_factory=JokesConfig)
    explanations: ExplanationsConfig = field(default_factory=ExplanationsConfig)


def load_task(config: TaskConfig) -> Task:
    """The task `config` names. Raises InputError for an unknown name."""
    if config.name == "equations":
        return EquationsTask(config.equations)
    if config.name == "jokes":
        return JokesTask(config.jokes)
    if config.name == "explanations":
        return ExplanationsTask(config.explanations, config.equations)
    raise InputError(f"task.name: unknown task {config.name!r}, choose equations, jokes or explanations")
