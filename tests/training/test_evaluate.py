from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from practicum.errors import InputError
from practicum.rollout.sampler import SamplingConfig
from practicum.stats import exact_share
from practicum.training.evaluate import EvalConfig, examine, pass_at_k


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
    sampling=SamplingConfig(max_new_tokens=4, dtype="float32"),
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
    for changes in ({"count": 0}, {"samples": -1}):
        with pytest.raises(InputError, match=next(iter(changes))):
            examine(trainee.decoder, trainee.tokenizer, letter_task, replace(CONFIG, **changes))
