"""Null rewards pay for nothing, repeatably, and keep the true value in sight."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from practicum.tasks.controls import with_control
from practicum.types import Prompt, Score

OUTCOMES = ("correct", "wrong", "unparseable", "over_limits")


class FourOutcomes:
    """The text names its own outcome; only `correct` is worth 1."""

    name = "four outcomes"

    def score(self, prompts: Sequence[Prompt], texts: Sequence[str]) -> list[Score]:
        outcomes = [text.split()[0] for text in texts]
        return [
            Score(
                float(one == "correct"),
                one == "correct",
                one in ("correct", "wrong"),
                one,
                "why",
                {"outcome": 0.5},
            )
            for one in outcomes
        ]

    def __getattr__(self, called: str) -> Any:
        return lambda *arguments: (called, *arguments)


def rows(count: int) -> tuple[list[Prompt], list[str]]:
    return [Prompt(f"p{index % 7}") for index in range(count)], [
        f"{OUTCOMES[index % 4]} {index}" for index in range(count)
    ]


def test_none_is_the_task_itself() -> None:
    task = FourOutcomes()
    assert with_control(task, "none", 0) is task  # type: ignore[arg-type, comparison-overlap]


def test_format_pays_whatever_parses_and_keeps_the_true_value() -> None:
    prompts, texts = rows(8)
    scores = with_control(FourOutcomes(), "format", 0).score(prompts, texts)  # type: ignore[arg-type]
    assert [score.value for score in scores] == [1.0, 1.0, 0.0, 0.0] * 2
    assert [score.parts["true"] for score in scores] == [1.0, 0.0, 0.0, 0.0] * 2
    assert [score.outcome for score in scores] == list(OUTCOMES) * 2
    assert {(score.reason, score.parts["outcome"]) for score in scores} == {("why", 0.5)}


def test_random_is_a_fair_coin_that_falls_the_same_way_for_the_same_text() -> None:
    prompts, texts = rows(4000)
    task = with_control(FourOutcomes(), "random", 3)  # type: ignore[arg-type]
    scores = task.score(prompts, texts)
    values = [score.value for score in scores]
    assert values == [score.value for score in task.score(prompts, texts)]
    assert values[::-1] == [score.value for score in task.score(prompts[::-1], texts[::-1])]
    # Three standard errors of 4000 fair tosses, over all and for each outcome.
    assert abs(sum(values) / 4000 - 0.5) < 3 * 0.5 / 4000**0.5
    for outcome in OUTCOMES:
        tosses = [score.value for score in scores if score.outcome == outcome]
        assert abs(sum(tosses) / len(tosses) - 0.5) < 3.5 * 0.5 / len(tosses) ** 0.5
    assert set(values) == {0.0, 1.0}
    assert [score.parts["true"] for score in scores[:4]] == [1.0, 0.0, 0.0, 0.0]


def test_another_seed_prompt_or_text_tosses_again() -> None:
    prompts, texts = rows(200)

    def tosses(seed: int, prompts: list[Prompt], texts: list[str]) -> list[float]:
        task = with_control(FourOutcomes(), "random", seed)  # type: ignore[arg-type]
        return [score.value for score in task.score(prompts, texts)]

    first = tosses(0, prompts, texts)
    others = [
        tosses(1, prompts, texts),
        tosses(0, [Prompt(prompt.text + "!") for prompt in prompts], texts),
        tosses(0, prompts, [text + "!" for text in texts]),
    ]
    for other in others:
        assert 50 < sum(a != b for a, b in zip(first, other, strict=True)) < 150


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("prompts", ("train", 3, 1)),
        ("exposition", (2, 1)),
        ("demonstrations", (2, 1)),
        ("behaviours", (Prompt("p"), "text")),
        ("gold", (Prompt("p"),)),
        ("attacks", ()),
    ],
)
def test_everything_but_the_reward_is_unchanged(name: str, arguments: tuple[Any, ...]) -> None:
    task = with_control(FourOutcomes(), "random", 0)  # type: ignore[arg-type]
    assert getattr(task, name)(*arguments) == (name, *arguments)
    assert task.name == "four outcomes"
