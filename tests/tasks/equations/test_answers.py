"""Answers as people and models write them: no wrong one is paid, the right ones are read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from practicum.errors import InputError
from practicum.tasks.equations.verifier import verify, verify_completion

DATA = Path(__file__).parent / "data"
FILES = ("verifier_answers.jsonl", "more_answers.jsonl")


def rows(name: str) -> Iterator[dict[str, Any]]:
    for line in (DATA / name).read_text(encoding="utf-8").splitlines():
        yield json.loads(line)


def judged(row: dict[str, Any]) -> str:
    """ "correct", "wrong" or "input_error"."""
    judge = verify_completion if "completion" in row else verify
    try:
        text = row["completion"] if "completion" in row else row["answer"]
        return judge(row["equation"], text, row.get("ask", "solve")).verdict
    except InputError:
        return "input_error"


@pytest.mark.parametrize("name", FILES)
def test_no_wrong_answer_is_paid(name: str) -> None:
    wrong = [row for row in rows(name) if row["verdict"] != "correct"]
    assert len(wrong) > 50
    assert [row for row in wrong if judged(row) == "correct"] == []
    assert [row for row in wrong if row["verdict"] == "input_error" and judged(row) != "input_error"] == []


@pytest.mark.parametrize("name", FILES)
def test_right_answers_are_read(name: str) -> None:
    right = [row for row in rows(name) if row["verdict"] == "correct"]
    lost = [row for row in right if judged(row) != "correct"]
    assert len(lost) <= 0.01 * len(right), lost
