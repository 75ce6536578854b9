"""Chains of sums and differences, graded by their length: `--task recipes/curriculum/chains.py:Chains`.

    work out: 7+8-6
    7+8=15
    15-6=9
    answer: 9

Worked problems are mostly short, and a few are long. Each step is as easy in a long chain as in a short one;
what is new in a long one is to find the next term and to know when to stop.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from practicum.types import Demonstration, Prompt, Score

MOST = 20
"""No running total is above this, or below 0."""
ANSWER = re.compile(r"^answer: (\d+)$", re.MULTILINE)


@dataclass(frozen=True)
class ChainsConfig:
    """Which chains are taught, and which are asked."""

    taught: int = 12
    """Terms of the longest chain that worked problems show; the shortest has 2."""
    rarer: float = 0.5
    """How much rarer than chains of one length those with a term more are among worked problems."""
    shortest: int = 2
    """Terms of the shortest chain that is asked."""
    longest: int = 16
    """Terms of the longest chain that is asked."""


class Chains:
    """Chains of 2 terms or more; their length is their level."""

    Config = ChainsConfig
    name = "chains"
    vocabulary_size = 128

    def __init__(self, config: ChainsConfig) -> None:
        self.config = config
        self.levels = [str(terms) for terms in range(config.shortest, config.longest + 1)]

    def prompts(self, split: str, count: int, seed: int) -> list[Prompt]:
        """Chains of all lengths, each as often as any other."""
        random = Random(f"chains {split} {seed}")
        return [_prompt(split, int(random.choice(self.levels)), random) for _ in range(count)]

    def prompts_at(self, level: str, split: str, count: int, seed: int) -> list[Prompt]:
        """Chains of one length."""
        random = Random(f"chains {split} {seed} {level}")
        return [_prompt(split, int(level), random) for _ in range(count)]

    def score(self, prompts: Sequence[Prompt], texts: Sequence[str]) -> list[Score]:
        """1 for the right number after the right steps."""
        return [_score(prompt, text) for prompt, text in zip(prompts, texts, strict=True)]

    def exposition(self, count: int, seed: int) -> list[str]:
        """Sums and differences of two numbers, a few in a passage."""
        random = Random(f"facts {seed}")
        return [" ".join(f"{_fact(random)}." for _ in range(16)) for _ in range(count)]

    def demonstrations(self, count: int, seed: int) -> list[Demonstration]:
        """Short chains, worked step by step."""
        random = Random(f"worked {seed}")
        lengths = range(2, self.config.taught + 1)
        shares = [self.config.rarer**terms for terms in lengths]
        drawn = random.choices(lengths, shares, k=count)
        asked = [_prompt("train", terms, random) for terms in drawn]
        return [Demonstration(prompt, worked(prompt)) for prompt in asked]

    def gold(self, prompt: Prompt) -> str:
        """The worked solution."""
        return worked(prompt)


def worked(prompt: Prompt) -> str:
    """A chain worked out from left to right, a line a step."""
    first, *rest = prompt.data["terms"]
    total, lines = int(first), []
    for term in rest:
        lines.append(f"{total}{term}={total + int(term)}")
        total += int(term)
    return "\n".join([*lines, f"answer: {total}"])


def _prompt(split: str, terms: int, random: Random) -> Prompt:
    """A chain of a split, which the hash of its terms decides: a quarter are held out."""
    while True:
        chain = [str(random.randint(1, 9))]
        total = int(chain[0])
        while len(chain) < terms:
            step = random.choice([step for step in range(-9, 10) if step and 0 <= total + step <= MOST])
            chain.append(f"{step:+d}")
            total += step
        text = "".join(chain)
        if (hashlib.sha256(text.encode()).digest()[0] < 64) == (split != "train"):
            return Prompt(f"work out: {text}\n", {"terms": chain, "answer": str(total), "level": str(terms)})


def _fact(random: Random) -> str:
    total = random.randint(0, MOST)
    step = random.choice([step for step in range(-9, 10) if step and 0 <= total + step <= MOST])
    return f"{total}{step:+d}={total + step}"


def _score(prompt: Prompt, text: str) -> Score:
    """1 for the right number after steps that are all right and all there; a lucky guess has no steps."""
    found = ANSWER.search(text)
    if not found:
        return Score(0.0, False, False, "unparseable", "no line `answer:`")
    if found[1] != prompt.data["answer"]:
        return Score(0.0, False, True, "wrong", f"it is {prompt.data['answer']}")
    right = text.strip() == worked(prompt)
    return Score(float(right), right, True, "correct" if right else "guessed")
