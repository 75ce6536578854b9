"""The one place that finds a task by its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
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

    def without_effect(self) -> Mapping[str, str]:
        """The sections of tasks that are not chosen."""
        chosen = READ_BY.get(self.name, ())
        idle = {
            section: f"the task is {self.name}: drop it, or choose --task {section}"
            for section in READ_BY
            if section not in chosen
        }
        if self.name == "explanations":
            only = "explanations asks for solutions of equations without parameters: drop it"
            idle |= dict.fromkeys(("equations.ask_sum", "equations.parametric"), only)
        return idle


READ_BY: Mapping[str, tuple[str, ...]] = {
    "equations": ("equations",),
    "jokes": ("jokes",),
    "explanations": ("explanations", "equations"),
}
"""Which sections of settings a task reads."""

TASKS: Mapping[str, Callable[[TaskConfig], WorkedTask]] = {
    "equations": lambda config: EquationsTask(config.equations),
    "jokes": lambda config: JokesTask(config.jokes),
    "explanations": lambda config: _explanations(config),
}
"""Every task with a textbook by its name; a new one is a line here, and its settings a field above."""


def without_effect(task: TaskConfig, data: DataConfig, use: Use) -> dict[str, str]:
    """Of the sections `task` and `data`, what has no effect beside the other or for this use of rows."""
    idle: dict[str, str] = {"data.label": "only preferences have labels: drop it"}
    if data.file is None and task.name not in ASKED:
        idle |= {"data": f"the task {task.name} makes its own prompts: give --data FILE in its place"}
    elif data.file is not None and task.name not in ASKED:
        idle |= {"task": f"--data {data.file} brings rows in the place of a task: drop one of them"}
    if use != "imitation":
        only = "only sft imitates what rows show: drop it"
        idle |= {"data.completion": only, "data.turns": only}
    return idle


def load_task_on(config: TaskConfig, data: DataConfig, use: Use) -> Task:
    """The task that `config` names, or the rows of a user's file, where there is one, as a task.

    Raises InputError for both together, unless the task is made for files, and for settings of the task that
    would change nothing.
    """
    if config.name in ASKED:
        _check_settings_used(config)
        return load_math_task(config.name, config.format, data, use)
    if data.file is None:
        return find_task(config)
    if config.name != TaskConfig.name:
        raise InputError(
            f"--task {config.name} makes its own prompts and --data {data.file} brings others: drop one"
        )
    # The default name may have been given or not; settings that are not the default were.
    given = [
        one.name for one in fields(config) if getattr(config, one.name) != getattr(TaskConfig(), one.name)
    ]
    if given:
        raise InputError(
            f"task.{given[0]}: --data {data.file} brings rows in the place of a task, which has no settings: "
            "drop it, or drop --data"
        )
    return load_table(data, use)


def find_task(config: TaskConfig) -> Task:
    """The task `config` names, whatever it is able to do.

    Raises InputError for an unknown name, and for a class of the user's whose file has changed since a run
    began.
    """
    name = config.name
    _check_settings_used(config)
    if name in TASKS:
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


def _check_settings_used(config: TaskConfig) -> None:
    """Raise InputError for settings that the task has no use for; a class of the user's checks its own."""
    name, key = config.name, next(iter(config.settings), "")
    if key and name in TASKS:
        raise InputError(f"task.settings.{key}: {name} has its own section: --task.{name}.{key}")
    if key and name in ASKED:
        raise InputError(f"task.settings.{key}: {name} has no settings of its own: drop it")
    procedural = name.startswith(PREFIX)
    if config.partial and not procedural:
        raise InputError(f"task.partial: {name} pays no partial scores, only reasoning_gym does: drop it")
    if config.format != FormatConfig() and not procedural and name not in ASKED:
        raise InputError(
            f"task.format: {name} asks in its own words; a format is for reasoning_gym, {', '.join(ASKED)}: "
            "drop it"
        )


def _explanations(config: TaskConfig) -> ExplanationsTask:
    if config.equations.ask_sum or config.equations.parametric:
        raise InputError(
            "task.equations: ask_sum and parametric are for the task equations; explanations asks for "
            "solutions of equations without parameters: leave both at 0"
        )
    return ExplanationsTask(config.explanations, config.equations)
