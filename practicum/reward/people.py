"""Practice without a reward model: each sample is rated once, by one of many simulated people.

This is what a reward model saves: here people are asked about every sample that is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from practicum.errors import InputError
from practicum.preferences.raters import GOLDS, PeopleConfig, population, rating
from practicum.reward.function import Progress
from practicum.tasks.task import Task
from practicum.types import Prompt, Score


class RatedByPeople:
    """One fresh rating a sample, by raters who take turns. Give it to `rl.build(config, reward=...)`.

    Each call of `score` rates as many texts as the other calls of a run. So who rates, and how often before,
    follows from the step, and a resumed run is paid as if it had not been interrupted. The parts of a score
    are the task's own, which nobody is paid, and `rating`. Raises InputError for a task without simulated
    people.
    """

    def __init__(self, task: Task, people: PeopleConfig, seed: int) -> None:
        if task.name not in GOLDS:
            raise InputError(f"task {task.name!r} has no simulated raters: choose {' or '.join(GOLDS)}")
        self.name = "people"
        self.progress = Progress()
        self._task, self._gold = task, GOLDS[task.name]
        self._raters = population(people, self._gold, seed)

    def score(self, prompts: Sequence[Prompt], texts: Sequence[str]) -> list[Score]:
        """The rating of each text, in units of utility, as the score's value."""
        before, raters = self.progress.global_step * len(texts), self._raters
        scores = []
        for place, score in enumerate(self._task.score(prompts, texts), before):
            done, turn = divmod(place, len(raters))
            prompt, text = prompts[place - before], texts[place - before]
            value = rating(raters[turn], prompt, text, self._gold, done)
            scores.append(replace(score, value=value, parts={**score.parts, "rating": value}))
        return scores
