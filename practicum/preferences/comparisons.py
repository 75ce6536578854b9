"""Rankings as flat arrays of pairwise comparisons, the form that agreement and aggregation compute on.

Suffixes of arrays: C comparisons (one pair of responses by one rater), N responses, R raters.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from practicum.stats import Floats, Integers
from practicum.types import Ranking


@dataclass(frozen=True)
class Comparisons:
    """Every pair of every ranking, ties included; `first_C` < `second_C` always, so pairs can be matched.

    `prompts`, `raters` and `responses` ((prompt, response) names) are what the indices count. vote_C: +1
    the first is better, -1 the second, 0 a tie. shown_C: how much earlier the first was shown, in [-1, 1]
    (1: first place against last). weight_C: 2/k for a ranking of k responses, which thus counts as k - 1
    comparisons, as many as order k things.
    """

    prompts: tuple[str, ...]
    raters: tuple[str, ...]
    responses: tuple[tuple[str, str], ...]
    prompt_C: Integers
    rater_C: Integers
    first_C: Integers
    second_C: Integers
    vote_C: Floats
    shown_C: Floats
    weight_C: Floats

    def pair_numbers(self) -> Integers:
        """A number per comparison for its pair of responses, 0, 1, ..., equal for all who compared it."""
        _, pair_C = np.unique(self.first_C * len(self.responses) + self.second_C, return_inverse=True)
        return np.asarray(pair_C, dtype=np.int64)


def names(ranking: Ranking) -> tuple[str, tuple[str, ...]]:
    """How a ranking's prompt and responses are called: their ids, or their texts where they have none."""
    return (
        ranking.prompt_id or ranking.prompt.text,
        tuple(response.id or response.text for response in ranking.responses),
    )


def raters_of(rankings: Sequence[Ranking]) -> list[str]:
    """Who made each ranking. Anonymous votes on one prompt are of different people: anonymous-1, -2, ..."""
    votes: Counter[str] = Counter()
    found = []
    for ranking in rankings:
        votes[names(ranking)[0]] += not ranking.rater
        found.append(ranking.rater or f"anonymous-{votes[names(ranking)[0]]}")
    return found


def count(index: Integers, weights: Floats, length: int = 0) -> Floats:
    """The sum of `weights` at each index 0, 1, ..., at least `length` of them, float64."""
    return np.bincount(index, weights, length).astype(np.float64)


def comparisons(rankings: Iterable[Ranking]) -> Comparisons:
    """The comparisons of rankings, in their order."""
    prompts: dict[str, int] = {}
    raters: dict[str, int] = {}
    responses: dict[tuple[str, str], int] = {}
    columns: list[tuple[Integers, Integers, Floats, Floats]] = []
    owners: list[tuple[int, int, int]] = []
    given = list(rankings)
    for ranking, rater in zip(given, raters_of(given), strict=True):
        prompt, shown = names(ranking)
        index = np.array([responses.setdefault((prompt, name), len(responses)) for name in shown])
        left, right = np.triu_indices(len(shown), 1)
        swap = index[left] > index[right]
        left, right = np.where(swap, right, left), np.where(swap, left, right)
        ranks = np.array(ranking.ranks)
        columns.append(
            (
                index[left],
                index[right],
                np.sign(ranks[right] - ranks[left]).astype(np.float64),
                (right - left) / (len(shown) - 1),
            )
        )
        owners.append(
            (
                prompts.setdefault(prompt, len(prompts)),
                raters.setdefault(rater, len(raters)),
                len(shown),
            )
        )
    sizes = [len(column[0]) for column in columns]
    prompt_C, rater_C, size_C = np.repeat(np.array(owners, dtype=np.int64).reshape(-1, 3), sizes, axis=0).T
    first_C, second_C, vote_C, shown_C = (
        np.concatenate(parts) if parts else np.zeros(0)
        for parts in (zip(*columns, strict=True) if columns else ((), (), (), ()))
    )
    return Comparisons(
        prompts=tuple(prompts),
        raters=tuple(raters),
        responses=tuple(responses),
        prompt_C=prompt_C,
        rater_C=rater_C,
        first_C=first_C.astype(np.int64),
        second_C=second_C.astype(np.int64),
        vote_C=vote_C,
        shown_C=shown_C,
        weight_C=2.0 / np.maximum(size_C, 1),
    )
