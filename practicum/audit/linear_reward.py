"""A reward model small enough to train in a second: Bradley-Terry on linear features of a text, in numpy.

It is a real reward model, trained on rankings and fooled like one; studies that need hundreds of reward
models use it. Suffixes: N texts, F features, C comparisons.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from practicum.errors import InputError
from practicum.guard.signals import words_of
from practicum.stats import Floats
from practicum.types import Prompt, Ranking

Featuriser: TypeAlias = Callable[[Prompt, str], Floats]
BUCKETS = 512
SURFACE = 10


def text_features(prompt: Prompt, text: str) -> Floats:
    """Hashed words and word pairs (share of the text) and ten surface measures, float64 [BUCKETS + SURFACE].

    Hashing of features: Weinberger et al. 2009. The surface measures: length and its square root, distinct
    words, overlap with the prompt in words and in pairs, end mark, capitals, marks, other letters, emptiness.
    """
    words = words_of(text)
    asked = set(words_of(prompt.text))
    features = np.zeros(BUCKETS + SURFACE)
    grams = [*words, *(f"{a} {b}" for a, b in pairwise(words))]
    for gram in grams:
        features[zlib.crc32(gram.encode()) % BUCKETS] += 1 / np.sqrt(len(grams))
    letters = max(1, len(text))
    features[BUCKETS:] = (
        len(words) / 20,
        np.sqrt(len(words) / 20),
        len(set(words)) / max(1, len(words)),
        sum(word in asked for word in words) / max(1, len(words)),
        sum(word in asked for word in set(words)) / max(1, len(asked)),
        text.rstrip().endswith((".", "!", "?")),
        sum(letter.isupper() for letter in text) / letters,
        sum(letter in "*#_`|<>[]{}\n" for letter in text) / letters * 5,
        sum(ord(letter) > 127 for letter in text) / letters,
        not words,
    )
    return features


@dataclass(frozen=True)
class LinearReward:
    """Weights on features. Calling it is a `Reward`; `precision_FF` is the curvature at the fit (Laplace)."""

    weights_F: Floats
    featurise: Featuriser
    precision_FF: Floats

    def __call__(self, prompts: Sequence[Prompt], texts: Sequence[str]) -> Floats:
        """Scores, float64 [N]."""
        rows = [self.featurise(prompt, text) for prompt, text in zip(prompts, texts, strict=True)]
        return np.asarray(np.stack(rows) @ self.weights_F) if rows else np.zeros(0)

    def drawn(self, members: int, seed: int) -> list[LinearReward]:
        """An ensemble: draws from the Laplace approximation of the posterior (MacKay 1992)."""
        factor = np.linalg.cholesky(np.linalg.inv(self.precision_FF))
        noise = np.random.default_rng(seed).normal(size=(members, len(self.weights_F)))
        return [
            LinearReward(self.weights_F + factor @ row, self.featurise, self.precision_FF) for row in noise
        ]


def fit_linear(
    rankings: Sequence[Ranking], featurise: Featuriser = text_features, ridge: float = 1.0
) -> LinearReward:
    """Bradley-Terry on all pairs of each ranking, each ranking weighing one; ties count half to each side.

    Raises InputError when there is no ranking.
    """
    if not rankings:
        raise InputError("a reward model needs at least one ranking, got none")
    known: dict[tuple[str, str], Floats] = {}
    gaps, wins, weights = [], [], []
    for ranking in rankings:
        rows = np.stack(
            [
                known.setdefault((ranking.prompt.text, one.text), featurise(ranking.prompt, one.text))
                for one in ranking.responses
            ]
        )
        left, right = np.triu_indices(len(rows), 1)
        ranks = np.array(ranking.ranks)
        gaps.append(rows[left] - rows[right])
        wins.append(0.5 + 0.5 * np.sign(ranks[right] - ranks[left]))
        weights.append(np.full(len(left), 2 / len(rows)))
    return fit_pairs(np.concatenate(gaps), np.concatenate(wins), np.concatenate(weights), featurise, ridge)


def fit_pairs(
    gap_CF: Floats, win_C: Floats, weight_C: Floats, featurise: Featuriser, ridge: float = 1.0
) -> LinearReward:
    """Weights of greatest penalised likelihood; win_C is the share of the first of each pair."""

    def loss(weights_F: Floats) -> tuple[float, Floats]:
        logit_C = gap_CF @ weights_F
        value = (weight_C * (np.logaddexp(0, logit_C) - win_C * logit_C)).sum()
        slope_F = gap_CF.T @ (weight_C * (expit(logit_C) - win_C))
        return float(value + ridge / 2 * weights_F @ weights_F), slope_F + ridge * weights_F

    found = minimize(loss, np.zeros(gap_CF.shape[1]), jac=True, method="L-BFGS-B")
    probability_C = expit(gap_CF @ found.x)
    curvature_C = weight_C * probability_C * (1 - probability_C)
    precision = gap_CF.T @ (curvature_C[:, None] * gap_CF) + ridge * np.eye(gap_CF.shape[1])
    return LinearReward(np.asarray(found.x), featurise, precision)
