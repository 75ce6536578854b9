"""The study of SmolLM2 on two tasks: its generated questions and its claims."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import pytest

from practicum.exact.gold import judge_gold
from practicum.exact.verdict import Outcome
from studies.real_model import claims, word_problem, worth, write_questions


@pytest.mark.parametrize(
    ("written", "value"), [("3 + 4", 7), ("12 - 5", 7), ("4 * 6", 24), ("2 * 9 + 3", 21), ("8 + 5 - 2", 11)]
)
def test_a_written_sum_is_worth_what_it_says(written: str, value: int) -> None:
    """Products bind tighter, and sums go from left to right."""
    assert worth(written) == value


def test_worked_solutions_end_in_an_answer_that_the_verifier_accepts() -> None:
    """The last line is the gold answer, and the line above is a true statement."""
    random = Random(0)
    for _ in range(200):
        question, worked = word_problem(random)
        first, last = worked.split("\n")
        sum_of, _, value = first.partition(" = ")
        assert last == f"#### {value}"
        assert judge_gold(value, str(worth(sum_of))).outcome is Outcome.CORRECT
        assert question.endswith("?")


def test_no_question_of_the_test_is_in_the_training_file(tmp_path: Path) -> None:
    """The splits share no question, and none has one twice."""
    write_questions(tmp_path)
    train, test = (
        [json.loads(line)["question"] for line in (tmp_path / f"{split}.jsonl").read_text().splitlines()]
        for split in ("train", "test")
    )
    assert len(set(train)) == len(train)
    assert len(set(test)) == len(test)
    assert not set(train) & set(test)


def test_gains_are_counted_from_the_worked_problems() -> None:
    """One claim for the true reward and one for the reward by chance."""
    one = {"accuracy": 0.7, "seconds": 300.0}
    found = {
        "sft": {"accuracy": 0.5, "seconds": 60.0},
        "true": {"0": one, "1": {**one, "accuracy": 0.8}},
        "random": {"0": {**one, "accuracy": 0.5}, "1": {**one, "accuracy": 0.45}},
    }
    true, random = claims({"parts": {"chain_sum": found}})
    assert true["value"] == pytest.approx(25)
    assert random["value"] == pytest.approx(-2.5)
    assert true["id"] == "real-model-chain-sum-true"
