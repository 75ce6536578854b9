from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from practicum.errors import InputError
from practicum.model.sampling import DecodingSettings
from practicum.stats import exact_share
from practicum.training.evaluate import EvalConfig, examine, examined, mean_reward, pass_at_k
from practicum.types import Prompt, Score


def test_pass_at_k_is_the_share_of_draws_with_a_right_answer_in_them() -> None:
    for samples in range(1, 8):
        for right in range(samples + 1):
            answers = [True] * right + [False] * (samples - right)
            for k in range(1, samples + 1):
                draws = list(itertools.combinations(answers, k))
                expected = sum(any(draw) for draw in draws) / len(draws)
                assert pass_at_k(samples, right, k) == pytest.approx(expected)


CONFIG = EvalConfig(
    model=Path("unused"),
    count=40,
    samples=4,
    sampled_count=10,
    sampling=DecodingSettings(max_new_tokens=4, dtype="float32"),
)


def test_an_examination_counts_what_the_task_says(make_trainee: Any, letter_task: Any) -> None:
    trainee = make_trainee(scale=4.0)
    result = examine(trainee.decoder, trainee.tokenizer, letter_task, CONFIG)
    again = examine(trainee.decoder, trainee.tokenizer, letter_task, CONFIG)
    assert {key: value for key, value in result.items() if key != "seconds"} == {
        key: value for key, value in again.items() if key != "seconds"
    }
    assert result["n"] == 40
    assert sum(result["outcomes"].values()) == pytest.approx(1.0)
    assert result["accuracy"] == result["outcomes"].get("correct", 0.0)
    low, high = result["ci95"]
    assert low <= result["accuracy"] <= high
    # Every prompt of this task is a problem of its own or repeats one: never are there more than 40.
    independent = exact_share(round(result["accuracy"] * 40), 40)
    assert high - low >= independent.high - independent.low - 1e-9
    sampled = result["sampled"]
    assert (sampled["n"], sampled["samples"]) == (10, 4)
    assert sampled["pass@1"] <= sampled["pass@2"] <= sampled["pass@4"]
    for name, (low, high) in sampled["ci95"].items():
        assert low <= sampled[name] <= high
    assert set(result["behaviours"]) == {"short"}
    other = examine(trainee.decoder, trainee.tokenizer, letter_task, replace(CONFIG, seed=2))
    assert [row["prompt"] for row in other["examples"]] != [row["prompt"] for row in result["examples"]]


def test_an_examination_of_nothing_is_refused(make_trainee: Any, letter_task: Any) -> None:
    trainee = make_trainee()
    refused: list[dict[str, Any]] = [{"count": 0}, {"samples": -1}]
    for changes in refused:
        with pytest.raises(InputError, match=next(iter(changes))):
            examine(trainee.decoder, trainee.tokenizer, letter_task, replace(CONFIG, **changes))


class Partly:
    """The letter task, which says of some answers only whether they are right: all but those to `silent`."""

    name = "partly"

    def __init__(self, task: Any, silent: str) -> None:
        self.task, self.silent = task, silent

    def prompts(self, split: str, count: int, seed: int) -> list[Prompt]:
        return self.task.prompts(split, count, seed)

    def score(self, prompts: Sequence[Prompt], texts: Sequence[str]) -> list[Score]:
        return [
            replace(
                score,
                value=len(prompt.text) / 4,
                outcome="",
                solved=None if prompt.text[0] in self.silent else score.solved,
            )
            for score, prompt in zip(self.task.score(prompts, texts), prompts, strict=True)
        ]


def test_a_task_that_never_says_solved_has_no_accuracy_but_a_mean_reward(
    make_trainee: Any, letter_task: Any
) -> None:
    trainee = make_trainee(scale=4.0)
    task = Partly(letter_task, "0123456789")
    result = examine(trainee.decoder, trainee.tokenizer, task, CONFIG)
    assert (result["accuracy"], result["ci95"], result["judged"], result["n"]) == (None, None, 0, 40)
    assert result["notes"] == [
        "task partly does not say which answers solve their problem: mean reward, no accuracy"
    ]
    low, high = result["reward"]["ci95"]
    assert low < result["reward"]["mean"] < high
    assert {name: result["sampled"][name] for name in ("n", "pass@1", "pass@4")} == {
        "n": 0,
        "pass@1": None,
        "pass@4": None,
    }
    assert result["slices"] == result["behaviours"] == result["sampled"]["behaviours"] == {}
    assert {row["solved"] for row in result["examples"]} == {None}


def test_answers_that_are_not_judged_are_counted_and_left_out(make_trainee: Any, letter_task: Any) -> None:
    trainee = make_trainee(scale=4.0)
    task = Partly(letter_task, "12345")
    result = examine(trainee.decoder, trainee.tokenizer, task, CONFIG)
    whole = examine(trainee.decoder, trainee.tokenizer, letter_task, replace(CONFIG, samples=0))
    spoken = [prompt for prompt in task.prompts("test", 40, 1) if prompt.text[0] not in "12345"]
    assert 0 < result["judged"] == len(spoken) < 40
    assert result["notes"] == [
        f"task partly says of {len(spoken)} of 40 answers whether they are right: accuracy is of those"
    ]
    texts = {row["prompt"]: row["completion"] for row in whole["examples"]}
    known = [texts[prompt.text].startswith("a") for prompt in spoken if prompt.text in texts]
    assert result["accuracy"] * len(spoken) >= sum(known)
    assert result["ci95"][0] <= result["accuracy"] <= result["ci95"][1]
    first = task.prompts("test", 40, 1)[:10]
    assert result["sampled"]["n"] == sum(prompt.text[0] not in "12345" for prompt in first)
    assert whole["judged"] == 40
    assert whole["notes"] == []


def test_the_interval_of_a_mean_reward_counts_problems_not_answers() -> None:
    def batch_of(rewards: Sequence[float]) -> Any:
        return type("Batch", (), {"reward_B": torch.tensor(rewards, dtype=torch.float64)})

    prompts = [Prompt(str(number)) for number in range(5)]
    rewards = [0.1, 0.4, 0.35, 0.9, 0.2]
    once = mean_reward(prompts, batch_of(rewards))
    # Student's t by hand: mean 0.39, deviation 0.3091, t(4) = 2.7764.
    assert once["mean"] == pytest.approx(0.39)
    assert once["ci95"] == pytest.approx([0.39 - 0.38377, 0.39 + 0.38377], abs=1e-4)
    # The same answers over and over are no more evidence.
    assert mean_reward(prompts * 8, batch_of(rewards * 8))["ci95"] == pytest.approx(once["ci95"])
    assert mean_reward(prompts[:1] * 3, batch_of([0.1, 0.5, 0.9])) == {"mean": 0.5, "ci95": None}
    assert mean_reward(prompts, batch_of([0.5] * 5)) == {"mean": 0.5, "ci95": None}


def test_the_rows_of_an_examination_add_up_to_its_figures(make_trainee: Any, letter_task: Any) -> None:
    trainee = make_trainee(scale=4.0)
    result, rows = examined(trainee.decoder, trainee.tokenizer, letter_task, CONFIG)
    assert len(rows) == result["n"]
    assert sum(row["solved"] for row in rows) / len(rows) == pytest.approx(result["accuracy"])
    assert sum(row["reward"] for row in rows) / len(rows) == pytest.approx(result["reward"]["mean"])
    asked = [row for row in rows if "samples" in row]
    assert len(asked) == result["sampled"]["n"]
    rates = [pass_at_k(row["samples"], row["right"], 2) for row in asked]
    assert sum(rates) / len(rates) == pytest.approx(result["sampled"]["pass@2"])
    assert [row["prompt"] for row in rows[:24]] == [row["prompt"] for row in result["examples"]]
