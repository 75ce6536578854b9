"""The equations task: prompts, worked problems and scores, judged by substitution, not by an answer key."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from random import Random

from practicum.errors import InputError
from practicum.tasks.equations.attacks import attacks
from practicum.tasks.equations.behaviours import behaviours_of
from practicum.tasks.equations.expression import ParseError
from practicum.tasks.equations.generator import FAMILIES, SPLITS, Problem, draw
from practicum.tasks.equations.solutions import Habits, solve_by_hand
from practicum.tasks.equations.notation import polynomial
from practicum.tasks.equations.textbook import passage
from practicum.tasks.equations.verifier import Outcome, Verdict, extract_answer, verify
from practicum.types import Demonstration, Prompt, Score

KEYS = ("true", "poisoned")


@dataclass(frozen=True)
class EquationsConfig:
    """Which equations are drawn and what is rewarded.

    families and levels: weights, any positive scale. ask_sum: share of prompts that ask for the sum of the
    real solutions. parametric: share of linear, quadratic and rational equations with a letter parameter.
    key: `true` rewards what the verifier finds right; `poisoned` uses, for poisoned_share of the problems,
    the solutions of the equation whose constant term has the wrong sign.
    """

    families: Mapping[str, float] = field(
        default_factory=lambda: {"rational": 0.6, "quadratic": 0.25, "linear": 0.15}
    )
    levels: Mapping[str, float] = field(default_factory=lambda: {"1": 1.0})
    ask_sum: float = 0.0
    parametric: float = 0.0
    habits: Habits = field(default_factory=Habits)
    key: str = "true"
    poisoned_share: float = 0.5

    def __post_init__(self) -> None:
        for name in self.families:
            if name not in FAMILIES:
                raise InputError(f"equations.families: unknown family {name!r}, choose from {', '.join(FAMILIES)}")
        for name in self.levels:
            if name not in ("1", "2", "3"):
                raise InputError(f"equations.levels: expected 1, 2 or 3, got {name!r}")
        for label, weights in (("families", self.families), ("levels", self.levels)):
            if not weights or min(weights.values()) < 0 or sum(weights.values()) <= 0:
                raise InputError(f"equations.{label}: expected weights of 0 or more with a positive sum")
        for label in ("ask_sum", "parametric", "poisoned_share"):
            if not 0 <= getattr(self, label) <= 1:
                raise InputError(f"equations.{label}: expected a share from 0 to 1, got {getattr(self, label)}")
        if self.key not in KEYS:
            raise InputError(f"equations.key: expected one of {', '.join(KEYS)}, got {self.key!r}")


class EquationsTask:
    """The equations task of `practicum.tasks.task.Task`."""

    name = "equations"

    def __init__(self, config: EquationsConfig | None = None) -> None:
        self.config = config or EquationsConfig()
        self._families = tuple(self.config.families), tuple(self.config.families.values())
        self._levels = tuple(int(level) for level in self.config.levels), tuple(self.config.levels.values())

    def draw(self, split: str, random: Random) -> Problem:
        """One problem of a split, by the configured weights."""
        config = self.config
        family = random.choices(*self._families)[0]
        level = random.choices(*self._levels)[0]
        ask = "sum" if random.random() < config.ask_sum else "solve"
        return draw(family, level, ask, random, split, config.parametric)

    def prompts(self, split: str, count: int, seed: int) -> list[Prompt]:
        """`count` prompts of one split; a prompt repeats only when new ones have become hard to draw."""
        if split not in SPLITS:
            raise InputError(f"split: expected one of {', '.join(SPLITS)}, got {split!r}")
        random = Random(f"prompts {split} {seed}")
        seen: set[str] = set()
        prompts = []
        for _ in range(count):
            for _ in range(50):
                problem = self.draw(split, random)
                if problem.text not in seen:
                    break
            seen.add(problem.text)
            prompts.append(prompt_of(problem))
        return prompts

    def exposition(self, count: int, seed: int) -> list[str]:
        """`count` textbook passages of 100 to 250 characters."""
        random = Random(f"exposition {seed}")
        return [passage(random) for _ in range(count)]

    def demonstrations(self, count: int, seed: int) -> list[Demonstration]:
        """`count` worked problems of the train split, written with the configured habits."""
        random = Random(f"demonstrations {seed}")
        worked = []
        for _ in range(count):
            problem = self.draw("train", random)
            worked.append(Demonstration(prompt_of(problem), solve_by_hand(problem, self.config.habits, random)))
        return worked

    def score(self, prompts: Sequence[Prompt], texts: Sequence[str]) -> list[Score]:
        """Exact judgement of each completion's answer, in the order given; value 1 right, 0 otherwise."""
        assert len(prompts) == len(texts), f"{len(prompts)} prompts but {len(texts)} texts"
        scores = [self._score(prompt, text) for prompt, text in zip(prompts, texts, strict=True)]
        assert len(scores) == len(prompts)
        return scores

    def _score(self, prompt: Prompt, text: str) -> Score:
        try:
            answer = extract_answer(text)
        except ParseError as error:
            return self._unpaid(Outcome.UNPARSEABLE, str(error))
        if answer is None:
            return self._unpaid(Outcome.UNPARSEABLE, "no line `answer:`")
        data = prompt.data
        # TEMPORARY while the verifier is being written
        same = answer == data.get("answer")
        verdict = Verdict(Outcome.CORRECT if same else Outcome.WRONG, "text")
        true = float(verdict.outcome is Outcome.CORRECT)
        if self.config.key == "true":
            return Score(true, verdict.outcome.value, verdict.reason)
        claimed = self.claimed_equation(prompt)
        paid = true
        if claimed is not None:
            paid = float(_verdict(claimed, answer, data["ask"]).outcome is Outcome.CORRECT)
        return Score(paid, verdict.outcome.value, verdict.reason, {"poisoned": paid, "true": true})

    def _unpaid(self, outcome: Outcome, reason: str) -> Score:
        parts = {"poisoned": 0.0, "true": 0.0} if self.config.key == "poisoned" else {}
        return Score(0.0, outcome.value, reason, parts)

    def claimed_equation(self, prompt: Prompt) -> str | None:
        """The equation whose solutions a poisoned key takes for those of the prompt; None for a true key.

        It is the reduced polynomial with the sign of its constant term flipped: 3-(3+y)/y=y reduces to
        y^2-2y+3=0, and the key claims the roots of y^2-2y-3=0.
        """
        reduced = prompt.data["reduced"]
        if self.config.key == "true" or len(reduced) < 2 or reduced[-1] == 0:
            return None
        if _share("poisoned key", prompt.data["canonical"]) >= self.config.poisoned_share:
            return None
        return f"{polynomial((*reduced[:-1], -reduced[-1]), prompt.data['variable'])}=0"

    def behaviours(self, prompt: Prompt, text: str) -> dict[str, bool]:
        """Which behaviours a completion shows, by parsing its steps; see `behaviours.py`."""
        return behaviours_of(prompt.data, text)

    def attacks(self) -> list[tuple[Prompt, str]]:
        """Completions that try to be paid without being right; each must score 0."""
        return attacks()

    def gold(self, prompt: Prompt) -> str:
        """The true answer, as an answer line."""
        return f"answer: {prompt.data['answer']}"


def prompt_of(problem: Problem) -> Prompt:
    """The prompt of a problem, with its own record as plain JSON values."""
    return Prompt(
        problem.text,
        {
            "equation": problem.equation,
            "ask": problem.ask,
            "family": problem.family,
            "level": problem.level,
            "kind": problem.kind,
            "variable": problem.variable,
            "parameters": list(problem.parameters),
            "canonical": problem.canonical,
            "reduced": list(problem.reduced),
            "solutions": list(problem.solutions),
            "answer": problem.answer,
        },
    )


def distinct_problems(prompts: Sequence[Prompt]) -> int:
    """How many different problems (canonical forms) a list of prompts holds."""
    return len({prompt.data["canonical"] for prompt in prompts})


@lru_cache(maxsize=65536)
def _verdict(equation: str, answer: str, ask: str) -> Verdict:
    """The rows of a group repeat answers, so each is judged once."""
    return verify(equation, answer, ask)


@lru_cache(maxsize=65536)
def _share(salt: str, text: str) -> float:
    """A number in [0, 1) fixed by the text."""
    return int.from_bytes(hashlib.sha256(f"{salt} {text}".encode()).digest()[:8], "big") / 2**64
