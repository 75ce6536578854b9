"""The short examination of a reward before practice: one line, few calls, a sound reward is not accused."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from practicum import cli
from practicum.audit.fuzz.first_look import first_look
from practicum.data.config import DataConfig
from practicum.model.checkpoint import save_model
from practicum.reward.config import FunctionsConfig
from tests.tiny import ONE_LAYER, tiny_decoder

REWARDS = """
def said(text):
    return text.rpartition("Answer:")[2].strip()

def empty_too(completion, answer):
    return float(not completion.strip() or equal(completion, answer))

def equal(completion, answer):
    return float(completion.count("Answer:") == 1 and said(completion) == answer)

def broken(completion):
    raise ValueError("no")

def endless(completion):
    while True:
        pass
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "own.py").write_text(REWARDS, encoding="utf-8")
    rows = [
        {
            "prompt": f"What is {n} + {n}? End with 'Answer: N'.",
            "answer": str(2 * n),
            "good": [f"It is twice {n}.\nAnswer: {2 * n}", f"Answer: {2 * n}"],
            "bad": [f"It is more.\nAnswer: {2 * n + 7}", f"Answer: {n + 90}"],
        }
        for n in (24, 31, 43)
    ]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return tmp_path


def looks(folder: Path, *names: str, budget: int = 300) -> list[tuple[str, str]]:
    reward = FunctionsConfig(functions=tuple(f"{folder / 'own.py'}:{name}" for name in names))
    found = first_look(reward, DataConfig(file=folder / "rows.jsonl"), budget)
    return [(one.severity, one.sentence) for one in found]


def test_a_fault_is_told_in_one_line_and_a_sound_reward_is_not_accused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("practicum.audit.fuzz.first_look.SECONDS", 600.0)
    [(bad, told), (good, calm)] = looks(folder, "empty_too", "equal", budget=600)
    assert (bad, good) == ("warn", "ok")
    assert "is paid like a right one" in told
    assert "\n" not in told
    assert "found nothing" in calm
    for sentence in (told, calm):
        assert int(re.findall(r"in (\d+) calls", sentence)[0]) <= 300


def test_what_cannot_be_examined_is_said_and_stops_nothing(folder: Path) -> None:
    [(severity, sentence)] = looks(folder, "broken")
    assert severity == "ok"
    assert sentence.startswith(
        "reward broken was not examined: it fails on every honest text: ValueError: no"
    )


def test_a_slow_reward_is_told_and_delays_the_run_no_longer_than_it_may(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("practicum.audit.fuzz.first_look.SECONDS", 0.5)
    [(severity, sentence)] = looks(folder, "endless")
    assert severity == "ok"
    assert re.fullmatch(r"reward endless was not examined: \d+ calls took 0\.5 s", sentence)


def test_too_few_calls_are_told(folder: Path) -> None:
    assert looks(folder, "equal", budget=3) == [("ok", "reward equal was not examined: 3 calls are too few")]


def test_nothing_is_asked_of_ready_made_rewards_nor_without_calls(folder: Path) -> None:
    assert looks(folder, "equal", budget=0) == []
    ready = FunctionsConfig(functions=("exact_match",))
    assert first_look(ready, DataConfig(file=folder / "rows.jsonl"), 300) == []
    own = FunctionsConfig(functions=(f"{folder / 'own.py'}:equal",))
    assert first_look(own, DataConfig(file=Path("-")), 300) == []


@pytest.mark.parametrize("fuzz", [300, 0])
def test_the_dry_run_says_what_was_found(
    folder: Path, tokenizer: Tokenizer, capsys: pytest.CaptureFixture[str], fuzz: int
) -> None:
    save_model(tiny_decoder(tokenizer, **ONE_LAYER), tokenizer, folder / "model")
    arguments = f"""rl --model {folder / "model"} --data {folder / "rows.jsonl"} --dry-run --json
        --reward {folder / "own.py"}:empty_too --prompts_per_step 3 --group_size 4
        --sampling.max_new_tokens 8 --guard.fuzz {fuzz}"""
    cli.main(arguments.split())
    found = json.loads(capsys.readouterr().out)["findings"]
    told = [one for one in found if one["name"] == "reward"]
    assert [one["severity"] for one in told] == (["warn"] if fuzz else [])
