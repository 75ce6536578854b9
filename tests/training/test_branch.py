"""A branch is the run it comes from up to a step, and from there that run with other settings."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from practicum.cli import main
from practicum.errors import InputError
from practicum.run.branch import find_origin
from tests.training.test_resume import COMMON, STAGES, rows, without_times

# A branch goes on as a resumed run does, which is tried both ways.
pytestmark = pytest.mark.one_way

KEPT = ["--loop.keep_checkpoints", "9", "--optimizer.final_share", "1"]


@pytest.fixture(scope="module")
def beginner(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("beginner") / "run"
    assert main([*STAGES["pretrain"], *COMMON, *KEPT, "--run", str(folder)]) == 0
    return folder


def figures(folder: Path) -> list[dict[str, Any]]:
    return [without_times(row) for row in rows(folder / "metrics.jsonl")]


@pytest.mark.parametrize("stage", ["pretrain", "sft", "grpo", "ppo"])
def test_a_branch_without_a_change_goes_on_bit_for_bit_as_the_run(
    stage: str, beginner: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, branch = beginner, tmp_path / "branch"
    if stage != "pretrain":
        run = tmp_path / "run"
        command = [*STAGES[stage], *COMMON, *KEPT, "--model", str(beginner), "--run", str(run)]
        assert main(command) == 0
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    capsys.readouterr()
    assert main([STAGES[stage][0], "--branch", f"{run}@6", "--run", str(branch)]) == 0
    said = capsys.readouterr().err
    assert f"{branch} goes on from step 6 of {run} with the same settings" in said
    assert figures(branch) == figures(run)
    assert rows(branch / "samples.jsonl") == rows(run / "samples.jsonl")
    for name in ("model.safetensors", "trainer.safetensors"):
        last = Path("checkpoints") / "step-000012" / name
        assert (branch / last).read_bytes() == (run / last).read_bytes()
    record = json.loads((branch / "environment.json").read_text())
    assert record["branched_from"] == {"run": str(run.resolve()), "step": 6, "changed": {}}
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def test_dpo_is_extended_and_branched_as_a_run_that_was_begun_so(beginner: Path, tmp_path: Path) -> None:
    pairs = [{"prompt": f"{n}=", "chosen": str(n), "rejected": str(n + 1)} for n in range(40)]
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    command = ["dpo", "--model", str(beginner), "--data", str(tmp_path / "pairs.jsonl"), *COMMON, *KEPT]
    command += ["--batch_pairs", "6"]
    run, longer, branch = (tmp_path / name for name in ("run", "longer", "branch"))
    assert main([*command, "--run", str(run)]) == 0
    assert main([*command, "--run", str(longer), "--loop.steps", "9"]) == 0
    assert main(["dpo", "--run", str(longer), "--resume", "--loop.steps", "12"]) == 0
    assert main(["dpo", "--branch", f"{run}@6", "--run", str(branch)]) == 0
    assert any(row["gradient_norm"] > 1e-4 for row in figures(run)[6:])
    for folder in (longer, branch):
        assert figures(folder) == figures(run)
        for name in ("model.safetensors", "trainer.safetensors"):
            last = Path("checkpoints") / "step-000012" / name
            assert (folder / last).read_bytes() == (run / last).read_bytes()


def test_a_branch_tells_what_has_changed_since_the_run_read_it(
    beginner: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("pay.py", "other.py"):
        Path(name).write_text("def right(prompt, completion):\n    return float(len(completion))\n")
    command = [*STAGES["grpo"], *COMMON, *KEPT, "--model", str(beginner), "--reward", "pay.py:right"]
    assert main([*command, "--run", "run", "--loop.steps", "3"]) == 0

    def told(run: str, name: str, *words: str) -> list[str]:
        capsys.readouterr()
        assert main(["rl", "--branch", run, "--run", name, *words]) == 0
        said = [line for line in capsys.readouterr().err.splitlines() if "has changed since" in line]
        return [line.split()[1] for line in said]

    assert told("run@3", "same", "--loop.steps", "4") == []
    with Path("pay.py").open("a") as stream:
        stream.write("# edited\n")
    assert told("run@3", "other", "--loop.steps", "4", "--reward", "other.py:right") == []
    assert told("run@3", "edited", "--loop.steps", "4") == ["pay.py"]
    # A branch of the branch has read it as it is now.
    assert told("edited@4", "again", "--loop.steps", "5") == []
    assert main(["rl", "--run", "run", "--resume", "--loop.steps", "4"]) == 0
    assert told("run@4", "last", "--loop.steps", "5") == []


def test_a_changed_setting_holds_from_the_branchs_step_on(beginner: Path, tmp_path: Path) -> None:
    branch = tmp_path / "branch"
    changed = ["--optimizer.learning_rate", "0.001", "--loop.steps", "10"]
    assert main(["pretrain", "--branch", f"{beginner}@6", "--run", str(branch), *changed]) == 0
    assert figures(branch)[:6] == figures(beginner)[:6]
    assert len(figures(branch)) == 10
    assert all(row["learning_rate"] == 0.001 for row in figures(branch)[6:])
    record = json.loads((branch / "environment.json").read_text())["branched_from"]["changed"]
    assert record == {"optimizer.learning_rate": [0.01, 0.001], "loop.steps": [12, 10]}
    # It is a run like any other: it is resumed, extended and branched.
    assert main(["pretrain", "--run", str(branch), "--resume", "--loop.steps", "12"]) == 0
    again = tmp_path / "again"
    assert main(["pretrain", "--branch", str(branch), "--run", str(again), "--loop.steps", "14"]) == 0
    assert figures(again)[:12] == figures(branch)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["--branch", "{run}@5"],
            "no checkpoint of step 5 there, only of 3, 6, 9, 12;",
        ),
        (["--branch", "{run}@6", "--loop.steps", "6"], "loop.steps is 6, and the branch begins at step 6"),
        (["--branch", "{run}"], "loop.steps is 12, and the branch begins at step 12: give more --loop.steps"),
        (["--branch", "{run}@6", "--model.layers", "3"], "--model.layers: a branch goes on with the weights"),
        (["--branch", "{run}@6", "--vocabulary_size", "200"], "--vocabulary_size: a branch goes on"),
        (["--branch", "{run}@6", "--resume"], "drop --resume"),
        (["--branch", "{run}@6", "--config", "x.toml"], "drop --config"),
        (["--branch", "{run}@6", "--dry-run"], "--dry-run begins a run and leaves none: drop --branch"),
        (["--branch", "{run}@6", "--optimizer.algorithm", "adamw"], "--optimizer.algorithm: a branch"),
        (["--branch", "nowhere@6"], "nowhere is no run's folder"),
        (["--branch"], "--branch needs a run after it"),
    ],
)
def test_what_no_branch_can_be_is_told_and_leaves_no_folder(
    arguments: list[str], said: str, beginner: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [word.format(run=beginner) for word in arguments]
    assert main(["pretrain", "--run", str(tmp_path / "branch"), *words]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "branch").exists()


def test_a_run_of_another_stage_a_full_folder_and_a_damaged_checkpoint_are_told(
    beginner: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sft", "--branch", f"{beginner}@6", "--run", str(tmp_path / "branch")]) == 2
    assert "a run of pretrain: use practicum pretrain --branch" in capsys.readouterr().err
    assert main(["rlhf", "--branch", f"{beginner}@6"]) == 2
    assert "--branch is for pretrain, sft, rl" in capsys.readouterr().err
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    assert main(["pretrain", "--branch", f"{beginner}@6", "--run", str(tmp_path / "full")]) == 2
    assert "is not empty: choose another --run for the branch" in capsys.readouterr().err
    assert (tmp_path / "full" / "notes.txt").read_text() == "mine"
    damaged = tmp_path / "damaged"
    shutil.copytree(beginner, damaged)
    (damaged / "checkpoints" / "step-000006" / "model.safetensors").write_bytes(b"")
    assert main(["pretrain", "--branch", f"{damaged}@6", "--run", str(tmp_path / "branch")]) == 2
    assert "model.safetensors: not what it was" in capsys.readouterr().err
    assert not (tmp_path / "branch").exists()


def test_a_folder_may_have_an_at_sign_in_its_name(beginner: Path, tmp_path: Path) -> None:
    odd = tmp_path / "me@home"
    odd.symlink_to(beginner)
    assert find_origin(str(odd), "pretrain").step == 12
    assert find_origin(f"{odd}@3", "pretrain").step == 3
    with pytest.raises(InputError, match="no run's folder"):
        find_origin(f"{tmp_path}@3", "pretrain")


def test_what_a_branch_has_besides_begins_there_and_values_are_not_made_up(
    beginner: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, branch = tmp_path / "run", tmp_path / "branch"
    short = ["--loop.steps", "2", "--loop.checkpoint_every", "1"]
    assert main([*STAGES["grpo"], *COMMON, *short, "--model", str(beginner), "--run", str(run)]) == 0
    longer = ["rl", "--branch", f"{run}@1", "--loop.steps", "3", "--run", str(branch)]
    assert main([*longer, "--algorithm", "ppo"]) == 2
    assert "holds no values, which ppo learns: begin a run of its own with --model" in capsys.readouterr().err
    assert not branch.exists()
    assert main([*longer, "--update.kl.target", "0.5"]) == 0
    assert "practicum: kl: begins at step 1, as the run before had none" in capsys.readouterr().err
    # From there on it is kept, and gone on with.
    assert main(["rl", "--run", str(branch), "--resume", "--loop.steps", "4"]) == 0
    assert "begins at step" not in capsys.readouterr().err
