"""`practicum sample`: typed prompts, a task's words, and the rows of a file, judged where somebody judges."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from practicum.cli import main
from practicum.config import load
from practicum.model.policy import load_policy
from practicum.model.tokenizer import Chat, set_chat
from practicum.tasks.registry import load_task_on
from practicum.training.evaluate import EvalConfig
from practicum.training.sample_command import SampleConfig, asked

PAY = """
def pay(prompt, completion, row):
    return {"long": len(completion) / 100, "number": float(row["number"])}
"""
SHORT = ["--sampling.max_new_tokens=6", "--device=cpu"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows of twenty numbers, and a reward that reads a column."""
    folder = tmp_path_factory.mktemp("rows")
    rows = [{"question": f"What is {n} + 1?", "answer": str(n + 1), "number": n} for n in range(20)]
    (folder / "f.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows[:3]))
    (folder / "pay.py").write_text(PAY)
    return folder


def sampled(capsys: pytest.CaptureFixture[str], model: Path, *flags: str) -> dict[str, Any]:
    capsys.readouterr()
    assert main(["sample", f"--model={model}", *SHORT, *flags, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 99),
    rows=st.integers(1, 30),
    which=st.sampled_from([[], ["--data.test_share=0.5"], ["--data.test=test.jsonl"], ["--task=gsm8k"]]),
)
def test_the_prompts_are_those_of_an_examination(
    untrained_model: Path, folder: Path, seed: int, rows: int, which: list[str]
) -> None:
    policy, tokenizer = load_policy(untrained_model)
    which = [flag.replace("test.jsonl", str(folder / "test.jsonl")) for flag in which]
    given = [f"--model={untrained_model}", f"--data={folder / 'f.jsonl'}", f"--seed={seed}", *which]
    config = load(SampleConfig, None, [*given, f"--rows={rows}"])
    _, prompts = asked(config, tokenizer, policy.spec.max_positions)
    examined = load(EvalConfig, None, [*given, f"--count={rows}"])
    task = load_task_on(examined.task, examined.data, "examination")
    assert prompts == task.prompts("test", rows, seed)


def test_rows_are_judged_by_functions_where_they_are_given(
    untrained_model: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = f"--data={folder / 'f.jsonl'}"
    plain = sampled(capsys, untrained_model, data, "--rows=3", "--count=2", "--sampling.temperature=1")
    assert plain["completions"] == [row["completion"] for row in plain["samples"]]
    assert [row["prompt"] for row in plain["samples"][::2]] == [
        row["prompt"] for row in plain["samples"][1::2]
    ]
    assert len(plain["samples"]) == 6
    assert all(row.keys() == {"prompt", "completion", "finished", "logprob"} for row in plain["samples"])
    pay = f"--reward={folder / 'pay.py'}:pay"
    paid = sampled(capsys, untrained_model, data, "--rows=3", "--count=2", "--sampling.temperature=1", pay)
    assert paid["completions"] == plain["completions"]
    for row in paid["samples"]:
        number = int(row["prompt"].split()[2])
        assert row["parts"]["pay.number"] == number
        assert row["reward"] == pytest.approx(number + len(row["completion"]) / 100)
    assert main(["sample", f"--model={untrained_model}", *SHORT, data, "--rows=1", pay]) == 0
    out = capsys.readouterr().out
    assert "What is " in out
    assert "=> reward " in out
    gold = sampled(capsys, untrained_model, data, "--rows=2", "--task=gsm8k")
    assert all(row["solved"] is False and row["reason"] for row in gold["samples"])


@pytest.mark.parametrize("chat", [[], ["--chat=on"]], ids=["worded", "as they stand"])
def test_typed_prompts_may_be_judged_too(
    chat: list[str], untrained_model: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "typed.py").write_text("def pay(prompt, completion): return len(prompt)")
    pay = f"--reward={folder / 'typed.py'}:pay"
    found = sampled(capsys, untrained_model, "--prompt", "x=1", "x+1=2", pay, *chat)
    (worded, _) = [len(row["prompt"]) for row in found["samples"]]
    assert [row["parts"]["pay"] for row in found["samples"]] == [
        len(row["prompt"]) for row in found["samples"]
    ]
    assert (worded == len("x=1")) == bool(chat)


@pytest.mark.parametrize(
    ("flags", "template", "task"),
    [
        ([], False, "equations"),
        ([], True, ""),
        (["--task=jokes"], False, "jokes"),
        (["--task=jokes"], True, "jokes"),
        (["--chat=off"], True, "equations"),
        (["--chat=off", "--task=jokes"], True, "jokes"),
        (["--chat=on"], False, ""),
        (["--task.equations.ask_sum=0.5"], True, "equations"),
    ],
)
def test_a_task_that_is_named_words_the_prompt_and_what_was_chosen_is_said(
    flags: list[str],
    template: bool,
    task: str,
    untrained_model: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    policy, tokenizer = load_policy(untrained_model)
    set_chat(tokenizer, Chat("{{ messages[0].content }}") if template else None)
    text = "a cat" if task == "jokes" else "x = 1"
    config = load(SampleConfig, None, [f"--model={untrained_model}", f"--prompt={text}", *flags])
    by, prompts = asked(config, tokenizer, policy.spec.max_positions)
    assert (by.name, prompts[0].text == text) == (task or "--prompt", not task)
    said = capsys.readouterr().err
    if config.chat != "auto":
        assert said == ""
    else:
        assert (f"in the words of the task {task}" if task else "as they stand") in said


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--data=f.jsonl", "--prompt", "x=1"], "--prompt has no effect: --data f.jsonl brings the prompts"),
        (["--data=f.jsonl", "--chat=on"], "--chat has no effect: --data f.jsonl brings the prompts"),
        (["--rows=3"], "--rows has no effect: prompts are typed: give --data FILE"),
        (["--data.prompt=question"], "--data.prompt has no effect"),
        (["--data=f.jsonl", "--task=equations"], "--task has no effect: --data f.jsonl brings rows"),
        (["--chat=on", "--task=jokes"], "--task has no effect: --chat on asks no task"),
        (["--reward.weights.task=2"], "--reward.weights.task has no effect: no function pays"),
    ],
)
def test_what_would_be_ignored_is_refused(
    flags: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sample", "--model=m", *flags]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert words in error
