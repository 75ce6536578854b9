"""The one gate that every reward passes: a finite number, or an error that says whose it is and for what."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from practicum.errors import InputError
from practicum.types import LARGEST_REWARD, Prompt, Score

LARGEST = LARGEST_REWARD
SHOWN = 80
"""Characters of a prompt or a text that a message shows."""


def checked_scores(
    name: str, prompts: Sequence[Prompt], texts: Sequence[str], scores: Sequence[Score]
) -> list[Score]:
    """The scores with values and parts as floats. `name` says whose they are (a task's, a reward model's).

    Raises InputError that names the reward or its part, the prompt and the text for whatever is no score, and
    for a value or part that is no number, not finite, or larger than `LARGEST`.
    """
    return [
        _checked(name, prompt, text, score)
        for prompt, text, score in zip(prompts, texts, scores, strict=True)
    ]


def checked_reward(name: str, value: Any, prompt: str, text: str) -> float:
    """The value as a float; raises InputError as `checked_scores` does."""
    number = _number(value)
    if number is not None and abs(number) <= LARGEST:
        return number
    raise InputError(
        f"reward {name}: expected a finite number of at most {LARGEST:g} in size, got {_shown(repr(value))} "
        f"for the text {_shown(repr(text))} to the prompt {_shown(repr(prompt))}"
    )


def _checked(name: str, prompt: Prompt, text: str, score: Score) -> Score:
    if not isinstance(score, Score):
        raise InputError(
            f"reward {name}: expected a Score, got {_shown(repr(score))} for the text {_shown(repr(text))} "
            f"to the prompt {_shown(repr(prompt.text))}"
        )
    value = checked_reward(name, score.value, prompt.text, text)
    parts = {
        part: checked_reward(f"{name}, part {part}", number, prompt.text, text)
        for part, number in score.parts.items()
    }
    return replace(score, value=value, parts=parts)


def _number(value: Any) -> float | None:
    """A number of any library (NumPy, PyTorch, fractions) as a float, None for anything else."""
    if isinstance(value, (str, bytes)):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _shown(text: str) -> str:
    return text if len(text) <= SHOWN else text[: SHOWN - 3] + "..."
