"""Shares of kinds of answers over the steps of a run, and what they exceed beyond chance.

The answers to one prompt are much alike, so a prompt counts as one answer, with the share of its answers that
are of the kind.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from practicum.quantiles import beta_below

BEST = 0.75


def well_paid(rewards: Sequence[float], lowest: float | None) -> list[int]:
    """The rows whose reward is in the best quarter of their step, ties included, and above the least.

    The least is that of the run so far, `lowest`, or of the step. Where only a few of a step are paid more
    than the least, these few are the best.
    """
    if not rewards:
        return []
    least = min([*rewards, *([] if lowest is None else [lowest])])
    above = [reward for reward in rewards if reward > least]
    if not above:
        return []
    bar = max(float(np.quantile(rewards, BEST, method="lower")), min(above))
    return [row for row, reward in enumerate(rewards) if reward >= bar]


def by_prompt(prompts: Sequence[str], kinds: Sequence[Iterable[str]]) -> tuple[int, dict[str, float]]:
    """How many prompts there are, and for each kind the sum over prompts of the share of its answers."""
    answers: dict[str, list[set[str]]] = defaultdict(list)
    for prompt, names in zip(prompts, kinds, strict=True):
        answers[prompt].append(set(names))
    sums: dict[str, float] = defaultdict(float)
    for given in answers.values():
        for names in given:
            for name in names:
                sums[name] += 1 / len(given)
    return len(answers), dict(sums)


@dataclass
class Tally:
    """Steps with their number of prompts and the sums of each kind: the first `length` ones, and the last."""

    length: int
    start: list[tuple[int, Mapping[str, float]]] = field(default_factory=list)
    recent: list[tuple[int, Mapping[str, float]]] = field(default_factory=list)

    def add(self, prompts: int, sums: Mapping[str, float]) -> None:
        """Count a step; one without prompts is none."""
        if not prompts:
            return
        (self.start if len(self.start) < self.length else self.recent).append((prompts, dict(sums)))
        del self.recent[: -self.length]

    def names(self) -> list[str]:
        """The kinds in the steps that are kept, sorted."""
        return sorted({name for _, sums in (*self.start, *self.recent) for name in sums})

    def share(self, name: str) -> float:
        """The share of a kind in the last steps."""
        return _share(self.last, name)

    def usual(self, name: str) -> float:
        """Its share in the first steps."""
        return _share(self.start, name)

    def least(self, name: str, confidence: float) -> float:
        """What its share in the last steps exceeds with this confidence (Clopper & Pearson 1934)."""
        hits, prompts = _sums(self.last, name)
        if hits <= 0:
            return 0.0
        return beta_below(1 - confidence, hits, prompts - hits + 1)

    def risen(self, name: str, confidence: float) -> float:
        """The same where the last steps come after the first ones and the kind is more frequent than then;
        else 0. In the first steps half an answer more counts as of the kind."""
        hits, prompts = _sums(self.start, name)
        least = self.least(name, confidence) if self.recent else 0.0
        return least if least > (hits + 0.5) / (prompts + 1) else 0.0

    @property
    def last(self) -> list[tuple[int, Mapping[str, float]]]:
        """The last `length` steps; before there are that many, all of them."""
        return [*self.start, *self.recent][-self.length :]

    def state(self) -> list[Any]:
        """Plain values for a checkpoint."""
        return [self.length, self.start, self.recent]


def _sums(steps: Sequence[tuple[int, Mapping[str, float]]], name: str) -> tuple[float, float]:
    return sum(sums.get(name, 0.0) for _, sums in steps), float(sum(prompts for prompts, _ in steps))


def _share(steps: Sequence[tuple[int, Mapping[str, float]]], name: str) -> float:
    hits, prompts = _sums(steps, name)
    return hits / prompts if prompts else 0.0
