"""The truth beside a reward: a function of the user's own that judges and does not pay, or the verifier."""

from __future__ import annotations

from collections.abc import Sequence

from practicum.errors import InputError
from practicum.guard.truth import Truth, verifier_for
from practicum.reward.config import FunctionsConfig
from practicum.reward.function import FunctionReward
from practicum.tasks.table import TableTask
from practicum.tasks.task import Task
from practicum.types import Prompt

LOOKED_AT = 64
"""Prompts whose right answers say whether the verifier can be the truth."""


class FunctionTruth:
    """A function as the truth, in a process of its own; None for answers on which it fails."""

    def __init__(self, text: str, time_limit: float) -> None:
        config = FunctionsConfig(functions=(text,), on_error=None, time_limit=time_limit)
        self.reward = FunctionReward(config)
        self.name = config.names[0]

    def __call__(self, prompts: Sequence[Prompt], texts: Sequence[str]) -> list[float | None]:
        """What the function says of each answer. Raises InputError for a number outside 0 to 1."""
        found = [score.parts.get(self.name) for score in self.reward.score(prompts, texts)]
        for value in found:
            if value is not None and not 0 <= value <= 1:
                raise InputError(f"guard.truth: {self.name} says {value:g}, expected 0 (wrong) to 1")
        return found

    def close(self) -> None:
        """End its process."""
        self.reward.close()


def truth_for(text: str, task: Task, time_limit: float) -> Truth | None:
    """What `guard.truth` names: a function, none, or (auto) the verifier for rows whose answers are numbers.

    Raises InputError for a function that cannot be loaded, or asks for a column that the rows have not.
    """
    if text == "none":
        return None
    if text == "auto":
        return verifier_for(task.prompts("train", LOOKED_AT, 0)) if isinstance(task, TableTask) else None
    try:
        truth = FunctionTruth(text, time_limit)
        try:
            truth.reward.check(task.prompts("train", 1, 0)[0])
        except BaseException:
            truth.close()
            raise
    except InputError as error:
        raise InputError(f"guard.truth: {error}") from error
    return truth
