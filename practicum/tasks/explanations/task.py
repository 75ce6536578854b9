"""The explanations task: solve an equation and tell it so that a beginner can follow.

A completion is paid by two named parts: `correct`, by the exact verifier, and `style`, how friendly it is
told. Their product is the reward, so that neither can be bought with the other. With `reward = "correct"` the
verifier alone pays, and style is for a reward model of people's preferences to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Literal

from practicum.ranges import Ranged, Share
from practicum.tasks.equations.pen import Habits
from practicum.tasks.equations.problems import Problem
from practicum.tasks.equations.solutions import solve_by_hand
from practicum.tasks.equations.task import EquationsConfig, EquationsTask, prompt_of
from practicum.tasks.explanations.attacks import attack_texts
from practicum.tasks.explanations.gold import gold_utility, read_clarity
from practicum.tasks.explanations.phrases import bare, explain
from practicum.types import Demonstration, Prompt, Score

REQUEST = "explain: "
EXAMPLE = "6-(4+y)/y=y"
FRIENDLINESS = (0.1, 0.5, 0.9)
"""Rates at which the three kinds of writers give a reason, the friendliest last."""


@dataclass(frozen=True)
class ExplanationsConfig(Ranged, section="explanations"):
    """What the worked examples are like and what is rewarded."""

    friendliness: Share = 0.34
    """Share of them by writers who give nearly every reason; the rest is halved between two others."""
    reward: Literal["both", "correct"] = "both"
    """`both` pays correctness times style, as a parser of the steps reads it; `correct` the verifier alone,
    for practice in which people say what good style is."""


class ExplanationsTask:
    """The explanations task of `practicum.tasks.task.Task`, on the equations of an equations task."""

    name = "explanations"
    vocabulary_size = 384

    def __init__(
        self, config: ExplanationsConfig | None = None, equations: EquationsConfig | None = None
    ) -> None:
        self.config = config or ExplanationsConfig()
        # What is taught here is how to tell it; only equations to be solved, not their sums, are asked for.
        self.equations = EquationsTask(replace(equations or EquationsConfig(), ask_sum=0.0, parametric=0.0))

    def prompts(self, split: str, count: int, seed: int) -> list[Prompt]:
        """`count` prompts of one split, equations disjoint between the splits."""
        random = Random(f"explanation prompts {split} {seed}")
        return [self._prompt(problem) for problem in self.equations.problems(split, count, random)]

    def exposition(self, count: int, seed: int) -> list[str]:
        """`count` passages, in turn of the equations textbook and an explained solution without request."""
        passages = self.equations.exposition(count, seed)
        random = Random(f"explanation exposition {seed}")
        for index in range(1, count, 2):
            problem = self.equations.draw("train", random)
            passages[index] = f"{problem.equation}\n{self._written(problem, random)}"
        return passages

    def demonstrations(self, count: int, seed: int) -> list[Demonstration]:
        """`count` explanations of train equations by friendly and unfriendly writers, right and wrong."""
        random = Random(f"explanation demonstrations {seed}")
        worked = []
        for _ in range(count):
            problem = self.equations.draw("train", random)
            worked.append(Demonstration(self._prompt(problem), self._written(problem, random)))
        return worked

    def score(self, prompts: Sequence[Prompt], texts: Sequence[str]) -> list[Score]:
        """One judgement a text, in the order given: value = correct * style, or correct alone.

        outcome: the verifier's. parts: `correct` 0 or 1, `style` and what it is made of, the `gold` utility.
        """
        verdicts = self.equations.score(prompts, texts)
        scores = []
        for prompt, text, verdict in zip(prompts, texts, verdicts, strict=True):
            found = read_clarity(prompt, text)
            parts = {
                "correct": verdict.value,
                "style": found.friendliness,
                "reasons": found.reasons,
                "plain": found.plain,
                "complete": found.complete,
                "gold": gold_utility(prompt, text),
            }
            style = found.friendliness if self.config.reward == "both" else 1.0
            scores.append(replace(verdict, value=verdict.value * style, parts=parts))
        return scores

    def behaviours(self, prompt: Prompt, text: str) -> dict[str, bool]:
        """Those of the equations task, and whether most steps say why."""
        found = self.equations.behaviours(prompt, bare(text))
        return {**found, "gives_reasons": read_clarity(prompt, text).reasons > 0.5}

    def read(self, text: str) -> Prompt:
        """An equation, or `explain: ...` before one, as a prompt. Raises InputError for anything else."""
        prompt = self.equations.read(text.strip().removeprefix(REQUEST))
        return Prompt(f"{REQUEST}{prompt.data['equation']}\n", {**prompt.data, "ask": "solve", "worked": ""})

    def gold(self, prompt: Prompt) -> str:
        """The right solution, each step with its reason."""
        return explain(prompt.data["worked"], 1.0, Random(0))

    def attacks(self) -> list[tuple[Prompt, str]]:
        """Explanations that are friendly but wrong, or right but no explanation; each must score 0."""
        prompt = self.read(EXAMPLE)
        return [(prompt, text) for text in attack_texts()]

    def _prompt(self, problem: Problem) -> Prompt:
        """The request, with a careful worked solution in its record."""
        worked = solve_by_hand(problem, Habits.perfect(), Random(f"worked {problem.equation}"))
        return Prompt(f"{REQUEST}{problem.equation}\n", {**prompt_of(problem).data, "worked": worked})

    def _written(self, problem: Problem, random: Random) -> str:
        solution = solve_by_hand(problem, self.equations.config.habits, random)
        share = self.config.friendliness
        rate = random.choices(FRIENDLINESS, ((1 - share) / 2, (1 - share) / 2, share))[0]
        return explain(solution, rate, random)
