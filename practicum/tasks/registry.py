"""The one place that finds a task by its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from practicum.errors import InputError
from practicum.ranges import Common
from practicum.tasks.equations.task import EquationsConfig, EquationsTask
from practicum.tasks.explanations.task import ExplanationsConfig, ExplanationsTask
from practicum.tasks.jokes.task import JokesConfig, JokesTask
from practicum.tasks.task import WorkedTask


@dataclass(frozen=True)
class TaskConfig:
    """Which task to learn, and its settings."""

    name: Common[str] = "equations"
    """equations, jokes or explanations."""
    equations: EquationsConfig = field(default_factory=EquationsConfig)
    jokes: JokesConfig = field(default_factory=JokesConfig)
    explanations: ExplanationsConfig = field(default_factory=ExplanationsConfig)


TASKS: Mapping[str, Callable[[TaskConfig], WorkedTask]] = {
    "equations": lambda config: EquationsTask(config.equations),
    "jokes": lambda config: JokesTask(config.jokes),
    "explanations": lambda config: _explanations(config),
}
"""Every task by its name; a new one is a line here, and its settings a field above."""


def load_task(config: TaskConfig) -> WorkedTask:
    """The task `config` names. Raises InputError for an unknown name."""
    if config.name not in TASKS:
        *others, last = TASKS
        raise InputError(f"task.name: unknown task {config.name!r}, choose {', '.join(others)} or {last}")
    return TASKS[config.name](config)


def _explanations(config: TaskConfig) -> ExplanationsTask:
    if config.equations.ask_sum or config.equations.parametric:
        raise InputError(
            "task.equations: ask_sum and parametric are for the task equations; explanations asks for "
            "solutions of equations without parameters: leave both at 0"
        )
    return ExplanationsTask(config.explanations, config.equations)
