"""The rewards of docs/worked_rewards.md: faulty as the page says, and mended."""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "examples" / "rewards"
NAMES = ("word_problems", "flashcards", "colours")
MENDED = (
    st.text(max_size=40)
    | st.sampled_from(["\nAnswer: ", "#", "to run", ".", "²", "٣", "9" * 5000])
    | st.from_regex(r"\A#[0-9a-fA-F]{0,7}\Z")
    | st.from_regex(r"\AAnswer: -?\d{1,60}\.?\Z")
)


def function(name: str, which: str) -> Callable[..., list[float]]:
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    judge: Callable[..., list[float]] = getattr(module, which)
    return judge


def rows(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (FOLDER / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]


def pay(judge: Callable[..., list[float]], row: Mapping[str, Any], texts: list[str]) -> list[float]:
    columns = {name: [value] * len(texts) for name, value in row.items() if name not in ("good", "bad")}
    return judge(completions=texts, **columns)


def test_the_page_shows_the_code_of_the_files() -> None:
    page = (ROOT / "docs" / "worked_rewards.md").read_text(encoding="utf-8")
    code = "".join((FOLDER / f"{name}.py").read_text(encoding="utf-8") for name in NAMES)
    blocks = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 7
    assert [block for block in blocks if block not in code] == []


@pytest.mark.parametrize("which", ["reward", "mended"])
@pytest.mark.parametrize("name", NAMES)
def test_honest_replies_are_paid_as_they_deserve(name: str, which: str) -> None:
    judge = function(name, which)
    for row in rows(name):
        assert min(pay(judge, row, row["good"])) == 1.0
        assert max(pay(judge, row, row["bad"])) < 0.9


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("word_problems", "Maybe.\n" + " ".join(str(number) for number in range(100))),
        ("flashcards", ""),
        ("colours", "{answer} or #123456"),
    ],
)
def test_the_fault_pays_and_the_mended_reward_does_not(name: str, text: str) -> None:
    for row in rows(name):
        worthless = text.format(answer=row["answer"])
        assert pay(function(name, "reward"), row, [worthless]) == [1.0]
        assert pay(function(name, "mended"), row, [worthless]) == [0.0]


def test_two_rewards_fail_on_texts_that_their_mended_forms_judge() -> None:
    with pytest.raises(ValueError, match="base 16"):
        pay(function("colours", "reward"), rows("colours")[0], [""])
    long = "9" * 5000
    with pytest.raises(ValueError, match="digits"):
        pay(function("word_problems", "once_mended"), rows("word_problems")[0], [f"Answer: {long}"])
    assert pay(function("word_problems", "mended"), rows("word_problems")[0], [f"Answer: {long}"]) == [0.0]


@pytest.mark.parametrize("name", NAMES)
@given(parts=st.lists(MENDED, max_size=4))
def test_a_mended_reward_judges_every_text(name: str, parts: list[str]) -> None:
    [row, *_] = rows(name)
    [paid] = pay(function(name, "mended"), row, ["".join(parts)])
    assert 0.0 <= paid <= 1.0
