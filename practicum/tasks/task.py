"""What every task offers to sampling, training and reports, and the one place that finds a task by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, cast

from practicum.errors import InputError
from practicum.types import Demonstration, Prompt, Score


class Task(Protocol):
    """A source of prompts and a judge of completions: all that practice and examinations need.

    What else a task can do is optional, and stands in the protocols below. All texts are deterministic in
    their arguments.
    """

    name: str

    def prompts(self, split: str, count: int, seed: int) -> list[Prompt]:
        """`count` prompts of `train`, `validation` or `test`; the splits share no problem."""
        ...

    def score(self, prompts: Sequence[Prompt], texts: Sequence[str]) -> list[Score]:
        """One score per completion, in the order given. Raises on the task's own bugs, never on a text."""
        ...


class Teaches(Protocol):
    """What `pretrain` and `sft` learn from."""

    name: str

    @property
    def vocabulary_size(self) -> int:
        """Tokens that a tokenizer learned from the textbook should have; only `pretrain` asks."""
        ...

    def exposition(self, count: int, seed: int) -> list[str]:
        """Textbook passages for `pretrain`."""
        ...

    def demonstrations(self, count: int, seed: int) -> list[Demonstration]:
        """Worked problems of the train split for `sft`, right and wrong ones in people's proportions."""
        ...


class Shows(Protocol):
    """What a completion shows besides being right; ask through `behaviours_of`."""

    def behaviours(self, prompt: Prompt, text: str) -> dict[str, bool]:
        """Which behaviours a completion shows, of those its problem calls for, found by parsing its steps."""
        ...


class Reads(Protocol):
    """What `sample` and `play` need."""

    def read(self, text: str) -> Prompt:
        """A person's own text as a prompt of this task. Raises InputError when it cannot be one."""
        ...


class Proves(Protocol):
    """What audits and the task's own tests need."""

    def gold(self, prompt: Prompt) -> str:
        """A completion that must score 1."""
        ...

    def attacks(self) -> list[tuple[Prompt, str]]:
        """Completions that try to be paid without being right; each must score 0."""
        ...


class WorkedTask(Task, Teaches, Shows, Reads, Proves, Protocol):
    """A task with everything, as those that come with Practicum are."""


class Grades(Protocol):
    """What a curriculum needs: problems sorted by how hard they are."""

    @property
    def levels(self) -> Sequence[str]:
        """Names of the levels, the easiest first."""
        ...

    def prompts_at(self, level: str, split: str, count: int, seed: int) -> list[Prompt]:
        """As `Task.prompts`, of one level."""
        ...


class Converses(Protocol):
    """A task of several turns: tools, games, environments."""

    def reply(self, prompt: Prompt, turns: Sequence[str]) -> str | None:
        """What the environment says after the turns so far, None when the conversation is over.

        `turns` begin and end with the policy's: its first text, the environment's reply, its next text, ...
        They are all that a reply may depend on, besides the prompt. In the end `score` gets the policy's last
        turn as the text, and all turns in the prompt's `data["turns"]`. `reply_role`, where the task has it,
        is the role of a reply in a chat template ("user" unless it says "tool" or another).
        """
        ...


NEEDS: Mapping[type, tuple[str, ...]] = {
    Teaches: ("exposition", "demonstrations"),
    Shows: ("behaviours",),
    Reads: ("read",),
    Proves: ("gold", "attacks"),
    Grades: ("prompts_at",),
}
"""The methods of each optional protocol."""


def check_able(task: object, command: str, *abilities: type) -> None:
    """Raise InputError where a task lacks a method that a command needs."""
    missing = [name for one in abilities for name in NEEDS[one] if not callable(getattr(task, name, None))]
    if missing:
        raise InputError(
            f"task {getattr(task, 'name', type(task).__name__)} has no {' and no '.join(missing)}, which "
            f"{command} needs"
        )


def graded(task: Task) -> Grades:
    """The task as one with levels. Raises InputError where it has none."""
    check_able(task, "a curriculum", Grades)
    found = cast(Grades, task)
    if not list(getattr(task, "levels", ())):
        raise InputError(f"task {task.name} has no levels, which a curriculum needs")
    return found


def behaviours_of(task: Task, prompt: Prompt, text: str) -> dict[str, bool]:
    """The behaviours a completion shows; none where the task does not look for any."""
    shown: Callable[[Prompt, str], dict[str, bool]] | None = getattr(task, "behaviours", None)
    return shown(prompt, text) if shown else {}
