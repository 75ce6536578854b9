"""A reward that is no finite number is told with its name, the prompt and the text."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from practicum.errors import InputError
from practicum.rollout.scores import LARGEST, checked_reward, checked_scores
from practicum.types import Prompt, Score

NUMBERS = [
    0.7,
    3,
    True,
    False,
    np.float32(0.5),
    np.int64(2),
    np.bool_(True),
    torch.tensor(1.5),
    Fraction(1, 4),
]
NO_NUMBERS = [
    float("nan"),
    float("inf"),
    -math.inf,
    None,
    "1.0",
    b"1",
    [1.0],
    {},
    1j,
    np.float32("nan"),
    torch.tensor(float("inf")),
    torch.tensor([1.0, 2.0]),
    10**400,
    1e30,
    -1e30,
]


@pytest.mark.parametrize("value", NUMBERS, ids=repr)
def test_numbers_of_any_library_become_floats(value: Any) -> None:
    score = Score(value, True, True, "correct", "why", {"style": value})
    (checked,) = checked_scores("mine", [Prompt("p")], ["t"], [score])
    assert type(checked.value) is type(checked.parts["style"]) is float
    assert checked.value == checked.parts["style"] == float(value)
    assert (checked.solved, checked.outcome, checked.reason) == (True, "correct", "why")


@pytest.mark.parametrize("value", NO_NUMBERS, ids=lambda value: f"{value!r:.20}")
@pytest.mark.parametrize("part", [None, "style"])
def test_anything_else_names_the_reward_the_prompt_and_the_text(value: Any, part: str | None) -> None:
    good = Score(1.0, parts={"style": 0.5})
    bad = Score(1.0, parts={"style": value}) if part else Score(value)
    with pytest.raises(InputError) as caught:
        checked_scores("mine", [Prompt("two plus\n two?")] * 2, ["four", "five " * 99], [good, bad])
    message = str(caught.value)
    name = "reward mine, part style:" if part else "reward mine:"
    assert message.startswith(
        f"{name} expected a finite number of at most 1e+15 in size, got {value!r:.60}"[:90]
    )
    assert "'two plus\\n two?'" in message
    assert "'five five" in message
    assert "\n" not in message
    assert len(message) < 500


@given(st.floats())
def test_exactly_the_finite_numbers_up_to_the_largest_pass(value: float) -> None:
    if math.isfinite(value) and abs(value) <= LARGEST:
        assert checked_reward("r", value, "p", "t") == value
    else:
        with pytest.raises(InputError, match=r"^reward r: "):
            checked_reward("r", value, "p", "t")


def test_what_is_no_score_is_told() -> None:
    with pytest.raises(InputError, match=r"reward mine: expected a Score, got 0\.5 for the text 't' to"):
        checked_scores("mine", [Prompt("p")], ["t"], [0.5])  # type: ignore[list-item]


class Spoiled:
    """Pays 1, but spoils the reward of the third answer."""

    name = "spoiled"

    def __init__(self, spoil: Callable[[Score], Score]) -> None:
        self.spoil = spoil

    def score(self, prompts: Sequence[Prompt], texts: Sequence[str]) -> list[Score]:
        scores = [Score(1.0, parts={"style": 1.0}) for _ in texts]
        scores[2] = self.spoil(scores[2])
        return scores
