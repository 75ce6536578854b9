"""The equations task: prompts, worked problems and scores, judged by substitution, not by an answer key."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from random import Random

from practicum.errors import InputError
from practicum.exact.expression import parse_equation
from practicum.exact.verifier import Outcome, Verdict, extract_answer, verify
from practicum.ranges import NonNegativeFloat, PositiveInt, Ranged, Share
from practicum.tasks.equations.attacks import attacks
from practicum.tasks.equations.behaviours import behaviours_of
from practicum.tasks.equations.generator import FAMILIES, KINDS, draw
from practicum.tasks.equations.long_linear import drills
from practicum.tasks.equations.notation import polynomial
from practicum.tasks.equations.problems import SPLITS, Problem
from practicum.tasks.equations.solutions import MAX_TOKENS, Habits, solve_by_hand
from practicum.tasks.equations.textbook import passage
from practicum.types import Demonstration, Prompt, Score

KEYS = ("true", "poisoned")
MAX_MISSES = 100


@dataclass(frozen=True)
class EquationsConfig(Ranged, section="equations"):
    """Which equations are drawn and what is rewarded.

    families and levels: weights, any positive scale. ask_sum: share of prompts that ask for the sum of the
    real solutions. parametric: share of linear, quadratic and rational equations with a letter parameter.
    excluded: share of rational equations one of whose candidates is excluded by the domain.
    kinds: by kind of root, a factor on how often it is drawn; 0 leaves it out, a kind not named has 1.
    solution_tokens: demonstrations longer than this many tokens are written anew, at last without checks.
    key: `true` rewards what the verifier finds right; `poisoned` uses, for poisoned_share of the problems,
    the solutions of the equation whose constant term has the wrong sign.
    """

    families: Mapping[str, NonNegativeFloat] = field(
        default_factory=lambda: {
            "rational": 0.56,
            "quadratic": 0.16,
            "linear": 0.14,
            "cancelled": 0.14,
        }
    )
    levels: Mapping[str, NonNegativeFloat] = field(default_factory=lambda: {"1": 1.0})
    ask_sum: Share = 0.0
    parametric: Share = 0.0
    excluded: Share = 0.1
    kinds: Mapping[str, NonNegativeFloat] = field(default_factory=dict)
    habits: Habits = field(default_factory=Habits)
    solution_tokens: PositiveInt = MAX_TOKENS
    key: str = "true"
    poisoned_share: Share = 1.0

    def without_effect(self) -> Mapping[str, str]:
        """How much of the key is poisoned, where the true one is used."""
        return {"poisoned_share": "task.equations.key is true: give another"} if self.key == "true" else {}

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in self.families:
            if name not in FAMILIES:
                known = ", ".join(FAMILIES)
                raise InputError(f"equations.families: unknown family {name!r}, choose from {known}")
        for name in self.levels:
            if name not in ("1", "2", "3"):
                raise InputError(f"equations.levels: expected 1, 2 or 3, got {name!r}")
        _check_kinds(self.families, self.kinds)
        for label, weights in (("families", self.families), ("levels", self.levels)):
            if not sum(weights.values()) > 0:
                raise InputError(f"equations.{label}: expected at least one weight above 0")
        if self.key not in KEYS:
            raise InputError(f"equations.key: expected one of {', '.join(KEYS)}, got {self.key!r}")


def _check_kinds(families: Mapping[str, float], kinds: Mapping[str, float]) -> None:
    """Raise InputError for a kind of root that no family has, and for a family of which no kind is left."""
    known = dict.fromkeys(kind for shares in KINDS.values() for kind in shares)
    for kind in kinds:
        if kind not in known:
            raise InputError(f"equations.kinds: unknown kind {kind!r}, choose from {', '.join(known)}")
    for family, weight in families.items():
        if weight and not any(kinds.get(kind, 1.0) for kind in KINDS[family]):
            raise InputError(f"equations.kinds: no kind of {family} is left; leave one above 0")


class EquationsTask:
    """The equations task of `practicum.tasks.task.Task`."""

    name = "equations"
    vocabulary_size = 384

    def __init__(self, config: EquationsConfig | None = None) -> None:
        self.config = config or EquationsConfig()
        self._families = tuple(self.config.families), tuple(self.config.families.values())
        self._levels = tuple(int(level) for level in self.config.levels), tuple(self.config.levels.values())
        self._taught = tuple(family for family, weight in self.config.families.items() if weight > 0)
        self._columns = self.config.families.get("long_linear", 0.0) / sum(self.config.families.values())
        others = {kind: share for kind, share in KINDS["rational"].items() if kind != "excluded"}
        scale = (1 - self.config.excluded) / sum(others.values())
        rational = {kind: share * scale for kind, share in others.items()}
        kinds = {**KINDS, "rational": {**rational, "excluded": self.config.excluded}}
        self._kinds = {
            family: {kind: share * self.config.kinds.get(kind, 1.0) for kind, share in shares.items()}
            for family, shares in kinds.items()
        }

    def draw(self, split: str, random: Random) -> Problem:
        """One problem of a split, by the configured weights."""
        config = self.config
        family = random.choices(*self._families)[0]
        level = random.choices(*self._levels)[0]
        ask = "sum" if random.random() < config.ask_sum else "solve"
        return draw(family, level, ask, random, split, config.parametric, self._kinds[family])

    def prompts(self, split: str, count: int, seed: int) -> list[Prompt]:
        """`count` prompts of one split, as `problems` draws them."""
        return [
            prompt_of(problem) for problem in self.problems(split, count, Random(f"prompts {split} {seed}"))
        ]

    @property
    def levels(self) -> list[str]:
        """The levels with a weight above 0, the easiest first."""
        return sorted(level for level, weight in self.config.levels.items() if weight > 0)

    def prompts_at(self, level: str, split: str, count: int, seed: int) -> list[Prompt]:
        """`count` prompts of one split and one level."""
        only = EquationsTask(replace(self.config, levels={level: 1.0}))
        return only.prompts(split, count, seed)

    def problems(self, split: str, count: int, random: Random) -> list[Problem]:
        """`count` problems of one split.

        A text of the train split, or a problem of the others, repeats only when new ones have become hard to
        draw: an examination of 1,000 prompts asks for 1,000 problems as long as there are so many.
        """
        if split not in SPLITS:
            raise InputError(f"split: expected one of {', '.join(SPLITS)}, got {split!r}")
        seen: set[str] = set()
        problems: list[Problem] = []
        misses = 0
        while len(problems) < count:
            problem = self.draw(split, random)
            name = problem.text if split == "train" else problem.canonical
            misses = misses + 1 if name in seen else 0
            # After that many repeats in a row there is hardly anything new left, and repeats are let in.
            if misses == 0 or misses >= MAX_MISSES:
                seen.add(name)
                problems.append(problem)
        return problems

    def exposition(self, count: int, seed: int) -> list[str]:
        """`count` textbook passages of 100 to 250 characters; drill in columns may be longer."""
        random = Random(f"exposition {seed}")
        return [self._passage(random) for _ in range(count)]

    def _passage(self, random: Random) -> str:
        """Drill in columns for the share of equations with long numbers, else the textbook."""
        # Without such equations chance is not asked, so that the textbook stays the same.
        if self._columns and random.random() < self._columns:
            return drills(random)
        return passage(random, self._taught)

    def demonstrations(self, count: int, seed: int) -> list[Demonstration]:
        """`count` worked problems of the train split, written with the configured habits."""
        random = Random(f"demonstrations {seed}")
        worked = []
        for _ in range(count):
            problem = self.draw("train", random)
            text = solve_by_hand(problem, self.config.habits, random, self.config.solution_tokens)
            worked.append(Demonstration(prompt_of(problem), text))
        return worked

    def score(self, prompts: Sequence[Prompt], texts: Sequence[str]) -> list[Score]:
        """Exact judgement of each completion's answer, in the order given; value 1 right, 0 otherwise."""
        assert len(prompts) == len(texts), f"{len(prompts)} prompts but {len(texts)} texts"
        scores = [self._score(prompt, text) for prompt, text in zip(prompts, texts, strict=True)]
        assert len(scores) == len(prompts)
        return scores

    def _score(self, prompt: Prompt, text: str) -> Score:
        answer = extract_answer(text)
        if answer is None:
            parts = {"poisoned": 0.0, "true": 0.0} if self.config.key == "poisoned" else {}
            return Score(0.0, False, False, Outcome.UNPARSEABLE.value, "no line `answer:`", parts)
        data = prompt.data
        verdict = _verdict(data["equation"], answer, data["ask"])
        true = float(verdict.outcome is Outcome.CORRECT)
        readable = verdict.outcome in (Outcome.CORRECT, Outcome.WRONG)
        judged = Score(true, bool(true), readable, verdict.outcome.value, verdict.reason)
        if self.config.key == "true":
            return judged
        claimed = self.claimed_equation(prompt)
        paid = true
        if claimed is not None:
            paid = float(_verdict(claimed, answer, data["ask"]).outcome is Outcome.CORRECT)
        return replace(judged, value=paid, parts={"poisoned": paid, "true": true})

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
        """Which behaviours a completion shows, of those the problem calls for; see `behaviours.py`.

        A domain check is called for where not every number may be a root, factoring where a quadratic has
        rational roots, the formula where there is a quadratic.
        """
        found = behaviours_of(prompt.data, text)
        data = prompt.data
        quadratic = len(data["reduced"]) == 3
        called_for = {
            "domain_check": data["family"] not in ("linear", "quadratic"),
            "factoring": quadratic and data["kind"] not in ("irrational", "none"),
            "factoring_wrong": quadratic,
            "formula": quadratic,
        }
        return {name: present for name, present in found.items() if called_for.get(name, True)}

    def read(self, text: str) -> Prompt:
        """An equation, or `solve: ...` or `sum: ...` in front of one, as a prompt.

        Raises InputError when it is no equation, or one the verifier cannot judge.
        """
        ask, colon, rest = text.strip().partition(":")
        if not colon or ask not in ("solve", "sum"):
            ask, rest = "solve", text
        verify(rest.strip(), "0", ask)
        equation = "".join(rest.split())
        # Without its spaces the text must say the same: "1 2 = x" is no equation, "12=x" is one.
        if parse_equation(equation) != parse_equation(rest):
            raise InputError(
                f"equation {rest.strip()!r}: reads otherwise without its spaces; write * for a product"
            )
        return Prompt(
            f"{ask}: {equation}\n",
            {
                "equation": equation,
                "ask": ask,
                "family": "own",
                "kind": "own",
                "variable": "x",
                "reduced": [],
            },
        )

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
