"""Null rewards pay for nothing, repeatably, and keep the true value in sight."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from practicum.errors import InputError
from practicum.reward.controls import check_control, with_control
from practicum.tasks.equations.task import EquationsConfig
from practicum.tasks.jokes.task import JokesConfig
from practicum.tasks.registry import TaskConfig, load_task
from practicum.tasks.task import WorkedTask
from practicum.types import Demonstration, Prompt, Score

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
    assert with_control(task, "none", 0) is task


def test_format_pays_whatever_parses_and_keeps_the_true_value() -> None:
    prompts, texts = rows(8)
    scores = with_control(FourOutcomes(), "format", 0).score(prompts, texts)
    assert [score.value for score in scores] == [1.0, 1.0, 0.0, 0.0] * 2
    assert [score.parts["true"] for score in scores] == [1.0, 0.0, 0.0, 0.0] * 2
    assert [score.outcome for score in scores] == list(OUTCOMES) * 2
    assert {(score.reason, score.parts["outcome"]) for score in scores} == {("why", 0.5)}


def test_random_is_a_fair_coin_that_falls_the_same_way_for_the_same_text() -> None:
    prompts, texts = rows(4000)
    task = with_control(FourOutcomes(), "random", 3)
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
        task = with_control(FourOutcomes(), "random", seed)
        return [score.value for score in task.score(prompts, texts)]

    first = tosses(0, prompts, texts)
    others = [
        tosses(1, prompts, texts),
        tosses(0, [Prompt(prompt.text + "!") for prompt in prompts], texts),
        tosses(0, prompts, [text + "!" for text in texts]),
    ]
    for other in others:
        assert 50 < sum(a != b for a, b in zip(first, other, strict=True)) < 150


def test_a_control_is_called_what_the_reward_is_called() -> None:
    assert with_control(FourOutcomes(), "random", 0).name == "four outcomes"


# ------------------------------------------------------------------------ the tasks that come with Practicum

TASKS = {
    "equations": TaskConfig("equations"),
    "equations, poisoned key": TaskConfig("equations", equations=EquationsConfig(key="poisoned")),
    "jokes": TaskConfig("jokes"),
    "jokes, gold": TaskConfig("jokes", jokes=JokesConfig(reward="gold")),
    "explanations": TaskConfig("explanations"),
}


@lru_cache
def examples(name: str) -> tuple[WorkedTask, list[Demonstration]]:
    task = load_task(TASKS[name])
    return task, task.demonstrations(300, 0)


def spoiled(text: str, way: int, random: Random) -> str:
    """A text cut short, mixed up, said twice, or with a character in the wrong place."""
    place = random.randrange(len(text) + 1)
    return [
        text,
        text[:place],
        " ".join(random.sample(text.split(" "), len(text.split(" ")))),
        text + text,
        text[:place] + random.choice("0aZ.?=\n ") + text[place:],
        "",
    ][way]


@pytest.mark.parametrize("name", TASKS)
@settings(max_examples=60, deadline=None)
@given(first=st.integers(0, 299), second=st.integers(0, 299), way=st.integers(0, 5), seed=st.integers(0, 99))
def test_the_format_control_depends_on_being_readable_only(
    name: str, first: int, second: int, way: int, seed: int
) -> None:
    """Whatever the text: two readable answers are paid alike, right or wrong, and so are two that are not."""
    task, known = examples(name)
    prompts = [known[first].prompt, known[second].prompt]
    texts = [spoiled(known[place].completion, way, Random(seed)) for place in (first, first)]
    scores = with_control(task, "format", seed).score(prompts, texts)
    true = task.score(prompts, texts)
    assert [score.value for score in scores] == [float(bool(score.readable)) for score in true]
    assert [score.parts["true"] for score in scores] == [score.value for score in true]
    assert [(score.solved, score.outcome) for score in scores] == [(one.solved, one.outcome) for one in true]


@pytest.mark.parametrize("name", TASKS)
def test_the_format_control_is_not_the_true_reward(name: str) -> None:
    """On 300 worked problems, and on each answer to the next problem, readable and wrong."""
    task, known = examples(name)
    prompts, texts = [one.prompt for one in known], [one.completion for one in known]
    for written in (texts, texts[1:] + texts[:1]):
        true = task.score(prompts, written)
        paid = with_control(task, "format", 0).score(prompts, written)
        differ = sum(one.value != two.value for one, two in zip(true, paid, strict=True))
        assert differ > 30
        wrong = [two.value for one, two in zip(true, paid, strict=True) if not one.solved]
        assert sum(wrong) / len(wrong) > 0.7


@pytest.mark.parametrize("name", TASKS)
def test_every_task_says_what_is_solved_and_what_is_readable(name: str) -> None:
    task, known = examples(name)
    prompt = known[0].prompt
    check_control(with_control(task, "format", 0), "format", prompt)
    gold, nothing = task.score([prompt, prompt], [task.gold(prompt), ""])
    assert (gold.solved, gold.readable) == (True, True)
    assert (nothing.solved, nothing.readable) == (False, False)


class OnlyValues(FourOutcomes):
    """A task that pays and says nothing more."""

    name = "only values"

    def prompts(self, split: str, count: int, seed: int) -> list[Prompt]:
        return [Prompt("p")] * count

    def score(self, prompts: Sequence[Prompt], texts: Sequence[str]) -> list[Score]:
        return [Score(0.5) for _ in texts]


def test_a_task_that_does_not_say_what_is_readable_has_no_format_control() -> None:
    task = OnlyValues()
    for control in ("none", "random"):
        check_control(with_control(task, control, 0), control, Prompt("p"))
    controlled = with_control(task, "format", 0)
    with pytest.raises(InputError, match=r"task only values does not say .* use --control random"):
        check_control(controlled, "format", Prompt("p"))
    with pytest.raises(InputError, match="control format"):
        controlled.score([Prompt("p")], ["text"])
