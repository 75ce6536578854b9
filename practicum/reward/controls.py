"""Null rewards: the same task, paying for something that is not the truth, to show what a gain is worth."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from practicum.errors import InputError
from practicum.reward.plain import PlainReward
from practicum.stats import Floats
from practicum.types import Prompt, ReadsTokens, Reward, Score

Control = Literal["none", "random", "format"]


def with_control(reward: Reward, control: Control, seed: int) -> Reward:
    """The reward itself for `none`, else a null reward in its place.

    `random` pays a coin that depends on prompt and text; `format` pays every readable answer, right or wrong.
    Scoring with `format` raises InputError where the reward does not say which answers are readable.
    """
    return reward if control == "none" else _Controlled(reward, control, seed)


def check_control(reward: Reward, control: Control, prompt: Prompt) -> None:
    """Raise InputError for `format` where the reward does not say which answers are readable.

    `reward` is one from `with_control`; it is tried on one empty answer to `prompt`.
    """
    if control == "format":
        reward.score([prompt], [""])


@dataclass(frozen=True)
class _Controlled:
    """A reward that is replaced; outcomes and the true value stay visible in the scores."""

    true: Reward
    control: Control
    seed: int

    @property
    def name(self) -> str:
        """The true reward's."""
        return self.true.name

    def score(self, prompts: Sequence[Prompt], texts: Sequence[str]) -> list[Score]:
        """The true scores with the value replaced and the true one kept as the part `true`."""
        return self._replaced(self.true.score(prompts, texts), prompts, texts)

    def score_tokens(
        self, prompts: Sequence[Prompt], texts: Sequence[str], ids: Sequence[Sequence[int]]
    ) -> list[Score]:
        """As `score`, for a true reward that sees tokens too."""
        if not isinstance(self.true, ReadsTokens):
            return self.score(prompts, texts)
        return self._replaced(self.true.score_tokens(prompts, texts, ids), prompts, texts)

    def _replaced(
        self, scores: Sequence[Score], prompts: Sequence[Prompt], texts: Sequence[str]
    ) -> list[Score]:
        return [
            replace(
                score, value=self._value(score, prompt.text, text), parts={**score.parts, "true": score.value}
            )
            for score, prompt, text in zip(scores, prompts, texts, strict=True)
        ]

    def close(self) -> None:
        """End the processes of the true reward, where it has some."""
        getattr(self.true, "close", lambda: None)()

    def _value(self, score: Score, prompt: str, text: str) -> float:
        if self.control == "format":
            if score.readable is None:
                raise InputError(
                    f"control format pays every readable answer, and task {self.name} does not say of "
                    f"{text!r:.60} whether it is one: set Score.readable, or use --control random"
                )
            return float(score.readable)
        digest = hashlib.sha256(f"{self.seed}\n{prompt}\n{text}".encode()).digest()
        return float(digest[0] % 2)


def length_only(scale: float = 100.0) -> PlainReward:
    """A reward that counts characters, `scale` of them worth 1."""
    if not scale > 0:
        raise InputError(f"scale: expected above 0, got {scale}")

    def reward(prompts: Sequence[Prompt], texts: Sequence[str]) -> Floats:
        return np.array([len(text) / scale for text in texts])

    return reward
