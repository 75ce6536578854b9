"""A reward as the audits see it: a plain function from prompts and texts to numbers, checked and counted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from practicum.errors import InputError
from practicum.stats import Floats
from practicum.types import Prompt

PlainReward: TypeAlias = Callable[[Sequence[Prompt], Sequence[str]], Floats]
"""Prompts and texts, equally many, to one finite number each: a reward model, a verifier, any function."""


class BudgetSpent(Exception):  # noqa: N818 - it ends a search, it is no error
    """The reward would be asked more often than allowed."""


def checked(
    reward: PlainReward, prompts: Sequence[Prompt], texts: Sequence[str], name: str = "reward"
) -> Floats:
    """What the reward says, float64 [N].

    Raises InputError naming the shape or the first text at fault when it does not return N finite numbers.
    """
    if len(prompts) != len(texts):
        raise InputError(f"{name}: {len(prompts)} prompts but {len(texts)} texts: give one prompt per text")
    if not texts:
        return np.zeros(0)
    given = np.asarray(reward(prompts, texts))
    if given.shape != (len(texts),):
        raise InputError(
            f"{name}: returned shape {given.shape} for {len(texts)} texts: return shape ({len(texts)},), "
            "one number per text"
        )
    if given.dtype.kind not in "fiub":
        raise InputError(f"{name}: returned {given.dtype} values: return numbers")
    values: Floats = given.astype(np.float64)
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        raise InputError(
            f"{name}: text {bad[0] + 1} of {len(texts)} scored {values[bad[0]]}: return a finite number for "
            f"{texts[bad[0]]!r:.60}"
        )
    return values


class Examined:
    """A reward with a memory and a budget: a text asked twice costs one query."""

    def __init__(self, reward: PlainReward, budget: int, name: str = "reward") -> None:
        if budget < 1:
            raise InputError(f"budget: expected at least 1 query, got {budget}")
        self.reward, self.budget, self.name = reward, budget, name
        self.queries = 0
        self._known: dict[tuple[str, str], float] = {}

    @property
    def left(self) -> int:
        """Queries still allowed."""
        return self.budget - self.queries

    def __call__(self, prompts: Sequence[Prompt], texts: Sequence[str]) -> Floats:
        """Scores, float64 [N]; asks only what is new. Raises BudgetSpent before it would ask too much."""
        new: dict[tuple[str, str], Prompt] = {}
        for prompt, text in zip(prompts, texts, strict=True):
            if (prompt.text, text) not in self._known:
                new.setdefault((prompt.text, text), prompt)
        if len(new) > self.left:
            raise BudgetSpent
        self.queries += len(new)
        values = checked(self.reward, list(new.values()), [text for _, text in new], self.name)
        self._known |= dict(zip(new, values.tolist(), strict=True))
        return np.array([self._known[prompt.text, text] for prompt, text in zip(prompts, texts, strict=True)])
