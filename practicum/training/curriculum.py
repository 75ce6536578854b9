"""A curriculum: practice begins with the easiest level of a task and opens the next when the newest is known.

Source of the idea: Bengio et al. 2009, "Curriculum learning"; levels that are left when they are mastered, in
reinforcement learning: Matiisen et al. 2017 (1707.00183, section 3).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Annotated, Any, Literal

from practicum.errors import InputError
from practicum.guard.observer import Quiet, StepResult, Verdict
from practicum.ranges import Common, PositiveInt, Range, Ranged, Share
from practicum.run.folder import Run
from practicum.tasks.task import Grades, Task, graded
from practicum.types import Prompt


@dataclass(frozen=True)
class CurriculumConfig(Ranged, section="curriculum"):
    """In which order a task's levels are practised, for a task that has levels."""

    order: Common[Literal["off", "success"]] = "off"
    """off draws prompts as the task does; success begins with the easiest level and opens the next one when
    the newest is solved often enough."""
    first: PositiveInt = 1
    """Levels that are open at the beginning, the easiest ones."""
    advance: Share = 0.7
    """Share of an iteration's answers at the newest level that must be right for the next level to open."""
    newest: Annotated[float, Range(above=0, at_most=1)] = 0.5
    """Share of an iteration's prompts from the newest level; the others come from all levels before it."""

    def without_effect(self) -> Mapping[str, str]:
        """How levels open, where all are."""
        if self.order != "off":
            return {}
        why = "there is no curriculum: give --curriculum.order success"
        return dict.fromkeys(("first", "advance", "newest"), why)


class Curriculum(Quiet):
    """Draws the prompts of each iteration from the levels that are open then, and opens them.

    All it has come to is `opened`, the iteration at which each further level opened, so the prompts of any
    earlier iteration can be drawn again.
    """

    name = "curriculum"

    def __init__(
        self, config: CurriculumConfig, task: Grades, prompts_per_step: int, group_size: int
    ) -> None:
        self.config, self.task = config, task
        self.prompts_per_step, self.group_size = prompts_per_step, group_size
        self.opened: list[int] = []

    def levels_at(self, step: int) -> list[str]:
        """The levels that are open in an iteration, the newest last."""
        later = sum(opened <= step for opened in self.opened)
        return list(self.task.levels)[: self.config.first + later]

    def prompts(self, step: int, seed: int) -> list[Prompt]:
        """The prompts of an iteration, those of the newest level first."""
        *earlier, newest = self.levels_at(step)
        count = self._newest_prompts(step)
        others = (
            Counter(Random(f"levels {seed}").choices(earlier, k=self.prompts_per_step - count))
            if earlier
            else {}
        )
        found = self.task.prompts_at(newest, "train", count, seed)
        for level in earlier:
            if others.get(level):
                found = [*found, *self.task.prompts_at(level, "train", others[level], seed)]
        return found

    def _newest_prompts(self, step: int) -> int:
        if len(self.levels_at(step)) == 1:
            return self.prompts_per_step
        return max(1, round(self.config.newest * self.prompts_per_step))

    def after(self, step: int, result: StepResult) -> Verdict:
        """Open the next level for the next iteration where the newest is known."""
        solved = self.solved(step, result)
        levels = len(self.levels_at(step))
        if solved >= self.config.advance and levels < len(self.task.levels):
            self.opened.append(step + 1)
        return Verdict(metrics={"curriculum/levels": levels, "curriculum/solved": solved})

    def solved(self, step: int, result: StepResult) -> float:
        """Share of the answers at the newest level that solve their problem.

        Raises InputError where the reward does not say which do.
        """
        whole, newest = (
            count * self.group_size for count in (self.prompts_per_step, self._newest_prompts(step))
        )
        # An algorithm that samples again has more rounds of prompts in one iteration, in the same order.
        asked = [one.solved for row, one in enumerate(result.paid) if row % whole < newest]
        known = [one for one in asked if one is not None]
        if not known:
            raise InputError(
                "curriculum.order is success, and the reward does not say which answers solve their problem "
                "(Score.solved): pay by a task or function that does, or drop the curriculum"
            )
        return sum(known) / len(known)

    def state(self) -> dict[str, Any]:
        """When each level opened; never empty, so that a checkpoint without a curriculum is noticed."""
        return {"opened": list(self.opened)}

    def restore(self, state: Mapping[str, Any], run: Run) -> Verdict:
        """Take it back."""
        self.opened = [int(step) for step in state["opened"]]
        return Verdict()

    def conclude(self, run: Run) -> dict[str, Any]:
        """Which level is the newest, and when each of the others opened."""
        levels = list(self.task.levels)[: self.config.first + len(self.opened)]
        return {"curriculum": {"newest": levels[-1], "levels": len(levels), "opened": list(self.opened)}}


def make_curriculum(
    config: CurriculumConfig, task: Task, prompts_per_step: int, group_size: int
) -> Curriculum | None:
    """The curriculum that the settings ask for; InputError for a task without levels, or with too few."""
    if config.order == "off":
        return None
    found = graded(task)
    if config.first >= len(found.levels):
        raise InputError(
            f"curriculum.first is {config.first}, and {task.name} has {len(found.levels)} levels, so that no "
            "other would open: lower it"
        )
    return Curriculum(config, found, prompts_per_step, group_size)
