"""The one place that finds a task by its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import cast

from practicum.config import nearest
from practicum.data.config import DataConfig
from practicum.errors import InputError
from practicum.ranges import Common
from practicum.tasks.equations.task import EquationsConfig, EquationsTask
from practicum.tasks.explanations.task import ExplanationsConfig, ExplanationsTask
from practicum.tasks.format import FormatConfig
from practicum.tasks.jokes.task import JokesConfig, JokesTask
from practicum.tasks.math import ASKED, load_math_task
from practicum.tasks.python import digest_of, load_python_task
from practicum.tasks.reasoning_gym import PREFIX, ReasoningGymTask
from practicum.tasks.table import Use, load_table
from practicum.tasks.task import Proves, Reads, Shows, Task, Teaches, WorkedTask, check_able


@dataclass(frozen=True)
class TaskConfig:
    """Which task to learn, and its settings."""

    name: Common[str] = "equations"
    """equations, jokes or explanations, or FILE.py:Class. Also module:Class, reasoning_gym:NAME, mixtures
    (reasoning_gym:A*2+B, reasoning_gym:all), and gsm8k, svamp or deepmind_mathematics on --data FILE."""
    equations: EquationsConfig = field(default_factory=EquationsConfig)
    jokes: JokesConfig = field(default_factory=JokesConfig)
    explanations: ExplanationsConfig = field(default_factory=ExplanationsConfig)
    settings: Mapping[str, str] = field(default_factory=dict)
    """Settings of a class of your own (fields of its `Config`) or of a dataset of reasoning_gym."""
    partial: bool = False
    """Pay the partial scores of reasoning_gym too; otherwise only a whole solution is paid."""
    digest: str = ""
    """Beginning of the SHA-256 of your task's file; a run fills it in, so that resuming finds changes."""
    format: FormatConfig = field(default_factory=FormatConfig)
    """How reasoning_gym, gsm8k, svamp and deepmind_mathematics ask, and where they read answers."""


TASKS: Mapping[str, Callable[[TaskConfig], WorkedTask]] = {
    "equations": lambda config: EquationsTask(config.equations),
    "jokes": lambda config: JokesTask(config.jokes),
    "explanations": lambda config: _explanations(config),
}
"""Every task with a textbook by its name; a new one is a line here, and its settings a field above."""


def load_task_on(config: TaskConfig, data: DataConfig, use: Use) -> Task:
    """The task that `config` names, or the rows of a user's file, where there is one, as a task.

    Raises InputError for both together, unless the task is made for files.
    """
    if config.name in ASKED:
        return load_math_task(config.name, config.format, data, use)
    if data.file is None:
        return find_task(config)
    if config.name != TaskConfig.name:
        raise InputError(
            f"--task {config.name} makes its own prompts and --data {data.file} brings others: drop one"
        )
    return load_table(data, use)


def find_task(config: TaskConfig) -> Task:
    """The task `config` names, whatever it is able to do.

    Raises InputError for an unknown name, and for a class of the user's whose file has changed since a run
    began.
    """
    name = config.name
    if name in TASKS:
        _check_no_settings(config)
        return TASKS[name](config)
    if name in ASKED:
        raise InputError(f"task.name: {name} reads a file: use it with --data FILE in rl, sft or eval")
    if name == PREFIX[:-1]:
        raise InputError(
            "task.name: reasoning_gym has many datasets: name one, as reasoning_gym:leg_counting"
        )
    if name.startswith(PREFIX):
        return ReasoningGymTask(
            name.removeprefix(PREFIX), config.settings, config.format, partial=config.partial
        )
    if ":" in name:
        _check_digest(config)
        return load_python_task(name, config.settings)
    if name.endswith(".py"):
        raise InputError(f"task.name: {name} is a file: name its class too, as {name}:MyTask")
    known = [*TASKS, *ASKED]
    raise InputError(
        f"task.name: unknown task {name!r}{nearest(name, known)}; choose {', '.join(known)}, "
        "reasoning_gym:NAME or FILE.py:Class"
    )


def load_task(config: TaskConfig) -> WorkedTask:
    """As `find_task`, a task with everything; InputError names what it lacks."""
    task = find_task(config)
    check_able(task, "this command", Teaches, Shows, Reads, Proves)
    return cast(WorkedTask, task)


def stamped(config: TaskConfig) -> TaskConfig:
    """The settings with the digest of the task's file, as a run keeps them."""
    own = ":" in config.name and not config.name.startswith(PREFIX)
    return replace(config, digest=digest_of(config.name)) if own and not config.digest else config


def _check_digest(config: TaskConfig) -> None:
    if config.digest and (now := digest_of(config.name)) != config.digest:
        raise InputError(
            f"task {config.name}: its file has changed since the run began (it was {config.digest}, now "
            f"{now or 'missing'}): put it back, or begin another --run with --task.digest ''"
        )


def _check_no_settings(config: TaskConfig) -> None:
    if config.settings:
        key = next(iter(config.settings))
        raise InputError(
            f"task.settings.{key}: {config.name} has its own section: --task.{config.name}.{key}"
        )


def _explanations(config: TaskConfig) -> ExplanationsTask:
    if config.equations.ask_sum or config.equations.parametric:
        raise InputError(
            "task.equations: ask_sum and parametric are for the task equations; explanations asks for "
            "solutions of equations without parameters: leave both at 0"
        )
    return ExplanationsTask(config.explanations, config.equations)
