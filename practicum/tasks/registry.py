"""The one place that finds a task by its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from practicum.data.config import DataConfig
from practicum.errors import InputError
from practicum.ranges import Common
from practicum.tasks.equations.task import EquationsConfig, EquationsTask
from practicum.tasks.explanations.task import ExplanationsConfig, ExplanationsTask
from practicum.tasks.jokes.task import JokesConfig, JokesTask
from practicum.tasks.table import FILE_TASKS, Use, load_table
from practicum.tasks.task import Task, WorkedTask


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


def load_task_on(config: TaskConfig, data: DataConfig, use: Use) -> Task:
    """The task that `config` names, or the rows of a user's file, where there is one, as a task.

    Raises InputError for both together, unless the task is made for files.
    """
    if data.file is None:
        return load_task(config)
    if config.name in FILE_TASKS:
        return FILE_TASKS[config.name](load_table(data, use))
    if config.name != TaskConfig.name:
        raise InputError(
            f"--task {config.name} makes its own prompts and --data {data.file} brings others: drop one"
        )
    return load_table(data, use)


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
