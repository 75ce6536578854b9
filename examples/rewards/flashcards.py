"""A reward for vocabulary cards: the reply is the word on the back of the card, or another that is as good.

`reward` is how it was first written. `mended` is what is left after the audit: see docs/worked_rewards.md.
"""

from __future__ import annotations

from typing import Any


def reward(completions: list[str], answer: list[str], also: list[list[str]], **columns: Any) -> list[float]:
    """1 if a word of the card starts with the reply: a learner may shorten."""
    scores = []
    for text, gold, others in zip(completions, answer, also, strict=True):
        said = text.strip().rstrip(".").lower()
        scores.append(float(any(word.startswith(said) for word in [gold, *others])))
    return scores


def mended(completions: list[str], answer: list[str], also: list[list[str]], **columns: Any) -> list[float]:
    """1 if the reply is a word of the card; case and a full stop are free."""
    scores = []
    for text, gold, others in zip(completions, answer, also, strict=True):
        said = text.strip().rstrip(".").lower()
        scores.append(float(said in {gold, *others}))
    return scores
