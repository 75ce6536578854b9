"""Worked answers that sampling would cut are told before practice begins."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from practicum import cli
from practicum.model.sampling import SamplingConfig
from practicum.model.tokenizer import encode_batch
from practicum.tasks.equations.task import EquationsConfig, EquationsTask
from practicum.training.answer_room import LOOKED_AT, MOST_CUT, no_room, shown_answers
from practicum.training.loop import LoopConfig
from practicum.training.rl import RlConfig, train
from tests.training.test_dead import Pays


def test_the_limit_that_is_told_is_the_longest_worked_answer_with_its_end(tokenizer: Tokenizer) -> None:
    task = EquationsTask(EquationsConfig(families={"absolute": 1.0}))
    lengths = sorted(len(ids) + 1 for ids in encode_batch(tokenizer, shown_answers(task, LOOKED_AT, 3)))
    allowed = lengths[len(lengths) - 1 - int(MOST_CUT * len(lengths))]
    assert no_room(task, tokenizer, lengths[-1], 3) is None
    assert no_room(task, tokenizer, allowed, 3) is None
    told = no_room(task, tokenizer, allowed - 1, 3)
    assert told is not None
    assert f"({allowed - 1})" in told
    assert told.endswith(f"the longest has {lengths[-1]} tokens")
    assert "64 of 64" in str(no_room(task, tokenizer, 1, 3))


def test_practice_says_it_of_rows_too_and_once(
    untrained_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{"prompt": f"say {n}", "completion": "x" * (40 if n % 2 else 4)} for n in range(40)]
    data, reward = tmp_path / "rows.jsonl", tmp_path / "pays.py"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    reward.write_text("def letters(completion):\n    return float(len(set(completion)))\n", encoding="utf-8")
    words = ["rl", "--model", str(untrained_model), "--data", str(data), "--reward", f"{reward}:letters"]
    words += ["--prompts_per_step", "2", "--group_size", "2", "--sampling.max_new_tokens", "8"]
    words += ["--loop.steps", "2", "--loop.threads", "1", "--loop.allow_dead"]
    assert cli.main([*words, "--run", str(tmp_path / "run")]) == 0
    told = [line for line in capsys.readouterr().err.splitlines() if "longer than sampling" in line]
    assert len(told) == 1
    assert "(8)" in told[0]


def test_a_task_that_shows_no_answers_is_left_alone(
    untrained_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], tokenizer: Tokenizer
) -> None:
    task = Pays(lambda prompt, text: len(set(text)))
    assert shown_answers(task, 5, 0) == []  # type: ignore[arg-type]
    assert no_room(task, tokenizer, 1, 0) is None  # type: ignore[arg-type]
    config = RlConfig(
        model=untrained_model,
        prompts_per_step=2,
        group_size=2,
        sampling=SamplingConfig(max_new_tokens=4),
        loop=LoopConfig(steps=1, threads=1),
    )
    train(replace(config, seed=5), tmp_path / "run")
    assert "longer than sampling.max_new_tokens (4)" in capsys.readouterr().err
