"""Controls on rankings and rewards: what a recipe gains when there is nothing, or only length, to learn.

Sources: random rewards raised a benchmark by 21 points (Shao et al. 2025, 2506.10947); a reward for length
alone reproduces most of RLHF's gain (Singhal et al. 2023, 2310.03716).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from practicum.errors import InputError
from practicum.stats import Floats
from practicum.types import Ranking

RankingControl = Literal["none", "shuffled-labels", "length-only"]


def shuffled_labels(rankings: Sequence[Ranking], seed: int = 0) -> list[Ranking]:
    """The same prompts, responses and ties, each ranking's ranks dealt anew at random."""
    generator = np.random.default_rng(seed)
    return [
        replace(ranking, ranks=tuple(int(rank) for rank in generator.permutation(ranking.ranks)), flags=())
        for ranking in rankings
    ]


def length_only_labels(rankings: Sequence[Ranking]) -> list[Ranking]:
    """The same prompts and responses, ranked by their number of characters, the longest first."""
    relabelled = []
    for ranking in rankings:
        lengths = [len(response.text) for response in ranking.responses]
        levels = {length: rank for rank, length in enumerate(sorted(set(lengths), reverse=True), start=1)}
        relabelled.append(replace(ranking, ranks=tuple(levels[length] for length in lengths), flags=()))
    return relabelled


def with_null_labels(rankings: Sequence[Ranking], control: RankingControl, seed: int = 0) -> list[Ranking]:
    """The rankings themselves for `none`, else relabelled."""
    if control == "shuffled-labels":
        return shuffled_labels(rankings, seed)
    return length_only_labels(rankings) if control == "length-only" else list(rankings)


@dataclass(frozen=True)
class LengthPart:
    """A gain in reward taken apart. `slope` is reward per unit of length at equal prompt before training."""

    gain: float
    slope: float
    from_length: float
    beyond_length: float


def length_part(
    before: Floats, before_lengths: Floats, after: Floats, after_lengths: Floats, group: Sequence[int]
) -> LengthPart:
    """How much of a rise in reward the rise in length alone would have brought.

    The slope is the least-squares slope of reward on length within prompts before training (`group`: each
    response's prompt); the part of length is slope x (mean length after - before). Same idea as the
    length-stratified comparison of Singhal et al. 2023, section 3. Raises InputError for unequal lengths.
    """
    if not len(before) == len(before_lengths) == len(group) or len(after) != len(after_lengths):
        raise InputError("length_part: rewards, lengths and groups must be equally many")
    _, inverse = np.unique(np.asarray(group), return_inverse=True)
    sizes = np.bincount(inverse)
    reward = before - (np.bincount(inverse, before) / sizes)[inverse]
    length = before_lengths - (np.bincount(inverse, before_lengths) / sizes)[inverse]
    spread = float(length @ length)
    slope = float(length @ reward) / spread if spread > 0 else 0.0
    gain = float(after.mean() - before.mean())
    part = slope * float(after_lengths.mean() - before_lengths.mean())
    return LengthPart(gain, slope, part, gain - part)
