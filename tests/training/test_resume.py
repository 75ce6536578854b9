"""A real run is killed at a random moment and continued; every byte must be as if nothing had happened."""

from __future__ import annotations

import json
import random
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from practicum.cli import main

STEPS, EVERY = 12, 3
COMMON = shlex.split(
    f"--loop.steps {STEPS} --loop.checkpoint_every {EVERY} --loop.threads 1 --seed 5 --dtype float32 "
    "--optimizer.warmup_steps 2"
)
PRETRAIN = shlex.split(
    "--model.hidden_size 32 --model.intermediate_size 48 --model.layers 2 --model.heads 4 "
    "--model.key_value_heads 2 --model.head_dim 8 --model.max_positions 256 --vocabulary_size 160 "
    "--sequence_length 48 --batch_rows 4"
)
# A coin as reward gives every group a gradient, whatever so small a model writes.
RL = shlex.split(
    "--control random --prompts_per_step 4 --group_size 4 --sampling.max_new_tokens 10 "
    "--sampling.dtype float32 --samples_per_step 2"
)
KL = shlex.split("--update.kl.weight 0.05 --update.kl.estimator k2 --update.kl.placement loss")
PPO = shlex.split("--algorithm ppo --update.minibatches 2 --optimizer.algorithm adamw")
STAGES = {
    "pretrain": ["pretrain", *PRETRAIN],
    "sft": ["sft", "--batch_demonstrations", "6", "--optimizer.algorithm", "adamw"],
    "grpo": ["rl", *RL, *KL],
    "ppo": ["rl", *RL, *PPO],
    "curriculum": [
        "rl",
        *RL,
        *shlex.split("--task.equations.levels.2 1 --curriculum.order success --curriculum.advance 0"),
    ],
    "bfloat16": ["rl", *RL, *PPO, "--loop.checkpoint_dtype", "bfloat16"],
}


@pytest.fixture(scope="module")
def beginner(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("beginner") / "run"
    assert main([*STAGES["pretrain"], *COMMON, "--run", str(folder)]) == 0
    return folder


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def without_times(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if not key.endswith("seconds")}


def kill_after(arguments: list[str], folder: Path, row: int, delay: float) -> None:
    """Start a run of its own process and end it without warning soon after its metrics row number `row`."""
    process = subprocess.Popen(
        [sys.executable, "-m", "practicum", *arguments, "--run", str(folder)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        metrics = folder / "metrics.jsonl"
        while not metrics.exists() or metrics.read_bytes().count(b"\n") < row:
            assert process.poll() is None, "the run ended before it could be killed"
            time.sleep(0.0005)
        time.sleep(delay)
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("stage", STAGES)
def test_a_killed_run_continues_bit_for_bit(stage: str, beginner: Path, tmp_path: Path) -> None:
    arguments = [*STAGES[stage], *COMMON]
    if stage != "pretrain":
        arguments += ["--model", str(beginner)]
    unbroken, broken = tmp_path / "unbroken", tmp_path / "broken"
    assert main([*arguments, "--run", str(unbroken)]) == 0
    chance = random.Random(f"kill {stage}")
    row, delay = chance.randint(1, STEPS - 3), chance.uniform(0, 0.02)
    kill_after(arguments, broken, row, delay)
    reached = len(rows(broken / "metrics.jsonl"))
    print(f"{stage}: killed {delay:.4f} s after row {row}, with {reached} rows written")
    assert not (broken / "summary.json").exists()

    assert main([*arguments, "--run", str(broken), "--resume"]) == 0

    expected, found = rows(unbroken / "metrics.jsonl"), rows(broken / "metrics.jsonl")
    assert [line["step"] for line in found] == list(range(1, STEPS + 1))
    assert [without_times(line) for line in found] == [without_times(line) for line in expected]
    assert any(line["gradient_norm"] > 1e-4 for line in expected[-EVERY:])
    assert rows(broken / "samples.jsonl") == rows(unbroken / "samples.jsonl")
    names = sorted(folder.name for folder in (unbroken / "checkpoints").iterdir())
    assert sorted(folder.name for folder in (broken / "checkpoints").iterdir()) == names
    assert names[-1] == f"step-{STEPS:06d}"
    for name in names:
        for file in ("model.safetensors", "trainer.safetensors", "tokenizer.json", "config.json"):
            parts = [folder / "checkpoints" / name / file for folder in (unbroken, broken)]
            assert parts[0].read_bytes() == parts[1].read_bytes(), f"{name}/{file}"
    moments = (unbroken / "checkpoints" / names[-1] / "trainer.safetensors").read_bytes()
    assert len(moments) > 10000
    summaries = [json.loads((folder / "summary.json").read_text()) for folder in (unbroken, broken)]
    assert without_times(summaries[0]) == without_times(summaries[1])


def test_resuming_a_finished_run_changes_nothing(beginner: Path) -> None:
    before = {path: path.read_bytes() for path in beginner.rglob("*.safetensors")}
    metrics = (beginner / "metrics.jsonl").read_bytes()
    assert main([*STAGES["pretrain"], *COMMON, "--run", str(beginner), "--resume"]) == 0
    assert {path: path.read_bytes() for path in beginner.rglob("*.safetensors")} == before
    assert (beginner / "metrics.jsonl").read_bytes() == metrics


def test_the_optimizers_moments_are_part_of_what_is_resumed(beginner: Path) -> None:
    from safetensors.torch import load_file

    from practicum.model.checkpoint import load_model, model_folder

    folder = model_folder(beginner)
    stored = load_file(folder / "trainer.safetensors")
    decoder, _ = load_model(folder)
    for name, _ in decoder.named_parameters():
        kinds = {key.split(".")[1] for key in stored if key.endswith(f".{name}")}
        muon = name.startswith("model.layers.") and "proj" in name
        assert kinds == ({"momentum_buffer"} if muon else {"step", "exp_avg", "exp_avg_sq"}), name


@pytest.mark.one_way
@pytest.mark.parametrize("stage", sorted(STAGES))
def test_more_steps_continue_a_finished_run_as_one_that_was_begun_with_them(
    stage: str, beginner: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [*STAGES[stage], *COMMON, "--optimizer.final_share", "1"]
    if stage != "pretrain":
        command += ["--model", str(beginner)]
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert main([*command, "--run", str(whole)]) == 0
    assert main([*command, "--run", str(parts), "--loop.steps", "4"]) == 0
    capsys.readouterr()
    for steps in ("7", "12"):
        assert main([STAGES[stage][0], "--run", str(parts), "--resume", "--loop.steps", steps]) == 0
        said = capsys.readouterr().err
        assert f"goes on to {steps} steps instead of" in said
        assert "learning rate" not in said
    for name in ("metrics.jsonl", "samples.jsonl"):
        if (whole / name).exists():
            assert [without_times(row) for row in rows(whole / name)] == [
                without_times(row) for row in rows(parts / name)
            ]
    last = f"checkpoints/step-{STEPS:06d}/model.safetensors"
    assert (whole / last).read_bytes() == (parts / last).read_bytes()
    assert (whole / "config.toml").read_text() == (parts / "config.toml").read_text()
    record = json.loads((parts / "environment.json").read_text())
    assert [one["changed"] for one in record["resumed"]] == [{"loop.steps": [4, 7]}, {"loop.steps": [7, 12]}]


def test_a_rate_that_falls_is_told_where_a_run_is_extended_and_fewer_steps_are_refused(
    beginner: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["sft", "--model", str(beginner), *STAGES["sft"][1:], *COMMON, "--run", str(tmp_path / "run")]
    assert main([*command, "--loop.steps", "4"]) == 0
    again = ["sft", "--run", str(tmp_path / "run"), "--resume"]
    assert main([*again, "--loop.steps", "8"]) == 0
    said = capsys.readouterr().err
    assert "goes on to 8 steps instead of 4. Its learning rate falls with the steps" in said
    assert "no run that was begun with 8" in said
    for change in (("--loop.steps", "6"), ("--seed", "6")):
        assert main([*again, *change]) == 2
        assert f"was started with {change[0][2:]} = " in capsys.readouterr().err
    # While it warms up, the rate is that of any run.
    warming = [*command[:-1], str(tmp_path / "warming"), "--optimizer.warmup_steps", "9"]
    assert main([*warming, "--loop.steps", "4"]) == 0
    assert main(["sft", "--run", str(tmp_path / "warming"), "--resume", "--loop.steps", "8"]) == 0
    assert "learning rate" not in capsys.readouterr().err
    # As it stands, the run is over: nothing more is done and nothing is said.
    assert main(again) == 0
    assert "goes on to" not in capsys.readouterr().err


def test_a_folder_that_holds_a_run_is_named_before_what_else_is_missing(
    beginner: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(path.name for path in beginner.iterdir())
    for command in (["rl"], ["sft", "--model", str(beginner)], ["pretrain"]):
        assert main([*command, "--run", str(beginner)]) == 2
        assert "is not empty: pass --resume to continue it, or another --run" in capsys.readouterr().err
    assert sorted(path.name for path in beginner.iterdir()) == before


def test_a_run_that_another_command_began_is_named(
    beginner: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in ("rl", "compare"):
        assert main([command, "--run", str(beginner), "--resume"]) == 2
        assert f"{beginner} holds a run of pretrain: practicum pretrain --run" in capsys.readouterr().err
