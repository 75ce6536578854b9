from __future__ import annotations

import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from practicum.config import load
from practicum.errors import InputError
from practicum.files import atomic_write
from practicum.run.environment import machine, processor
from practicum.run.folder import Run
from practicum.run.progress import Progress, progress


@dataclass(frozen=True)
class Config:
    steps: int = 4
    learning_rate: float = 0.1
    seed: int = 3


@dataclass(frozen=True)
class Compared:
    seeds: tuple[int, ...] = (0, 1)


@dataclass(frozen=True)
class Applied:
    seeds: int = 5


def write_model(folder: Path) -> None:
    (folder / "model.txt").write_text("weights")


def rows(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def checkpoints(run: Run) -> list[str]:
    return sorted(os.listdir(run.path / "checkpoints"))


def test_open_writes_a_config_that_repeats_the_run_and_the_environment(tmp_path: Path) -> None:
    run = Run.open(tmp_path / "deep" / "run", Config(steps=9), "sft")
    assert load(Config, run.path / "config.toml") == Config(steps=9)
    assert str(tmp_path) not in (run.path / "config.toml").read_text()
    environment = json.loads((run.path / "environment.json").read_text())
    assert environment["torch"] == torch.__version__
    assert (environment["seed"], environment["command"]) == (3, "sft")
    assert {"practicum", "commit", "python", "platform", "cpu_count", "started"} <= environment.keys()


def test_a_folder_in_use_is_not_overwritten(tmp_path: Path) -> None:
    Run.open(tmp_path / "run", Config(), "sft")
    with pytest.raises(InputError, match="--resume"):
        Run.open(tmp_path / "run", Config(), "sft")
    (tmp_path / "empty").mkdir()
    Run.open(tmp_path / "empty", Config(), "sft")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file"):
        Run.open(tmp_path / "file", Config(), "sft")


def test_resume_wants_a_run_with_the_same_config(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no run to resume"):
        Run.open(tmp_path / "run", Config(), "sft", resume=True)
    Run.open(tmp_path / "run", Config(), "sft")
    with pytest.raises(InputError, match=r"learning_rate = 0\.1, now it is 0\.2"):
        Run.open(tmp_path / "run", Config(learning_rate=0.2), "sft", resume=True)
    Run.open(tmp_path / "run", Config(), "sft", resume=True)
    environment = json.loads((tmp_path / "run" / "environment.json").read_text())
    assert len(environment["resumed"]) == 1


def test_seeds_are_added_to_a_list_of_them_and_a_number_of_them_stays(tmp_path: Path) -> None:
    Run.open(tmp_path / "compared", Compared(), "compare")
    for seeds, fits in (((0, 1, 7), True), ((7, 1, 0), True), ((0, 7), False)):
        config, told = Compared(seeds), nullcontext() if fits else pytest.raises(InputError, match="seeds = ")
        with told:
            assert list(Run(tmp_path / "compared").check_config(config)) == ["seeds"]
    Run.open(tmp_path / "applied", Applied(), "apply ads")
    for number in (4, 6):
        with pytest.raises(InputError, match="was started with seeds = 5"):
            Run(tmp_path / "applied").check_config(Applied(number))


def test_a_checkpoint_returns_every_dtype_and_the_state(tmp_path: Path) -> None:
    run = Run.open(tmp_path / "run", Config(), "sft")
    assert run.latest() is None
    whole = torch.arange(12.0).reshape(3, 4)
    tensors = {
        "random": torch.get_rng_state(),
        "moment": torch.randn(3, 2).to(torch.bfloat16),
        "step": torch.tensor(7),
        "transposed": whole.T,
        "row": whole[1],
        "again": whole[1],
        "flags": torch.tensor([True, False]),
        "empty": torch.empty(0, 3),
    }
    path = run.save(7, write_model, tensors, {"order": [3, 1, 2]})
    assert path.name == "step-000007"
    assert (path / "model.txt").read_text() == "weights"
    checkpoint = run.latest()
    assert checkpoint is not None
    assert (checkpoint.step, checkpoint.path, checkpoint.state) == (7, path, {"order": [3, 1, 2]})
    restored = checkpoint.tensors()
    assert restored.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert restored[name].dtype == tensor.dtype
        assert torch.equal(restored[name], tensor)


def test_only_the_newest_checkpoints_stay_and_order_is_by_number(tmp_path: Path) -> None:
    run = Run.open(tmp_path / "run", Config(), "sft", keep=2)
    for step in (9, 999_999, 1_000_000):
        run.save(step, write_model, {}, {})
    assert checkpoints(run) == ["step-1000000", "step-999999"]
    latest = run.latest()
    assert latest is not None
    assert latest.step == 1_000_000


def test_saving_a_step_again_replaces_it(tmp_path: Path) -> None:
    run = Run.open(tmp_path / "run", Config(), "sft")
    run.save(1, write_model, {}, {"try": 1})
    run.save(1, write_model, {}, {"try": 2})
    latest = run.latest()
    assert latest is not None
    assert latest.state == {"try": 2}
    assert checkpoints(run) == ["step-000001"]


def test_resume_cuts_torn_and_later_rows_and_sweeps_half_written_checkpoints(tmp_path: Path) -> None:
    run = Run.open(tmp_path / "run", Config(), "sft")
    run.log({"step": 1, "loss": 0.5})
    run.log_samples([{"step": 1}, {"step": 1}])
    run.save(1, write_model, {}, {})
    run.log({"step": 2, "loss": 0.4})
    with open(run.path / "metrics.jsonl", "a") as stream:
        stream.write('{"step": 3, "lo')
    (run.path / "checkpoints" / ".step-000002.partial").mkdir()
    resumed = Run.open(run.path, Config(), "sft", resume=True)
    assert rows(run.path / "metrics.jsonl") == [{"step": 1, "loss": 0.5}]
    assert len(rows(run.path / "samples.jsonl")) == 2
    assert checkpoints(run) == ["step-000001"]
    resumed.log({"step": 2})
    assert len(rows(run.path / "metrics.jsonl")) == 2


def test_resume_before_the_first_checkpoint_starts_the_logs_anew(tmp_path: Path) -> None:
    run = Run.open(tmp_path / "run", Config(), "sft")
    run.log({"step": 1})
    Run.open(run.path, Config(), "sft", resume=True)
    assert rows(run.path / "metrics.jsonl") == []


def test_a_kill_while_a_step_is_being_replaced_loses_nothing(tmp_path: Path) -> None:
    run = Run.open(tmp_path / "run", Config(), "sft")
    run.save(1, write_model, {}, {"try": 1})
    folder = run.path / "checkpoints"
    os.rename(folder / "step-000001", folder / ".step-000001.replaced")
    latest = run.latest()
    assert latest is not None
    assert latest.state == {"try": 1}


def test_rows_are_strict_json(tmp_path: Path) -> None:
    run = Run.open(tmp_path / "run", Config(), "sft")
    run.log({"loss": math.nan, "peak": math.inf, "reward": torch.tensor(0.5), "text": "√2\n"})
    run.finish({"accuracy": math.nan})
    assert rows(run.path / "metrics.jsonl") == [{"loss": None, "peak": None, "reward": 0.5, "text": "√2\n"}]
    assert json.loads((run.path / "summary.json").read_text()) == {"accuracy": None}


def test_kill_at_any_moment_leaves_a_whole_checkpoint_and_whole_rows(tmp_path: Path) -> None:
    program = textwrap.dedent(
        """
        import sys, torch
        from pathlib import Path
        from tests.run.test_run import Config, Run, write_model
        run = Run.open(Path(sys.argv[1]), Config(), "sft", resume=len(sys.argv) > 2)
        latest = run.latest()
        start = latest.step if latest else 0
        if latest:
            assert latest.tensors()["big"][-1] == start
        print("ready", flush=True)
        for step in range(start + 1, 100000):
            run.log({"step": step})
            run.save(step, write_model, {"big": torch.full((200000,), step)}, {})
            print(step, flush=True)
        """
    )
    root = Path(__file__).parents[2]
    extra: list[str] = []
    # The last one has saved a step, however slow the machine is.
    for pause, steps in ((0.02, 0), (0.05, 0), (0.11, 1)):
        process = subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path / "run"), *extra], stdout=subprocess.PIPE, cwd=root
        )
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        for _ in range(steps):
            assert process.stdout.readline()
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(pause)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        extra = ["resume"]
    run = Run.open(tmp_path / "run", Config(), "sft", resume=True)
    latest = run.latest()
    assert latest is not None
    assert [row["step"] for row in rows(run.path / "metrics.jsonl")] == list(range(1, latest.step + 1))


def test_a_full_disk_is_one_line_and_leaves_nothing_half_written(tmp_path: Path) -> None:
    """A real limit on file size, in a process of its own, stands for the full disk."""
    program = textwrap.dedent(
        """
        import resource, sys, torch
        from pathlib import Path
        from practicum.errors import InputError
        from tests.run.test_run import Config, Run, write_model
        run = Run.open(Path(sys.argv[1]), Config(), "sft")
        run.log({"step": 1})
        run.save(1, write_model, {"big": torch.zeros(10)}, {})
        resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
        def big_model(folder):
            (folder / "model.bin").write_bytes(bytes(5000))
        def attempt(action):
            try:
                action()
            except InputError as error:
                print(error)
            else:
                print("no error")
        attempt(lambda: run.save(2, write_model, {"big": torch.zeros(5000)}, {}))
        attempt(lambda: run.save(2, big_model, {}, {}))
        attempt(lambda: run.log({"step": 2, "text": "x" * 5000}))
        attempt(lambda: run.log_samples([{"text": "x" * 2000}, {"text": "x" * 2000}]))
        attempt(lambda: run.finish({"text": "x" * 5000}))
        """
    )
    process = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "run")],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        check=True,
    )
    lines = process.stdout.splitlines()
    assert len(lines) == 5, process.stdout
    for line, name in zip(
        lines, ["step-000002", "step-000002", "metrics", "samples", "summary"], strict=True
    ):
        assert line.startswith("cannot write ")
        assert name in line
        assert "too large" in line
    run = Run(tmp_path / "run")
    assert checkpoints(run) == ["step-000001"]
    assert rows(run.path / "metrics.jsonl") == [{"step": 1}]
    assert (run.path / "samples.jsonl").read_text() == ""
    assert sorted(os.listdir(run.path)) == [
        "checkpoints",
        "config.toml",
        "environment.json",
        "metrics.jsonl",
        "samples.jsonl",
    ]


def test_an_interrupted_save_leaves_no_trace(tmp_path: Path) -> None:
    run = Run.open(tmp_path / "run", Config(), "sft")

    def interrupted(folder: Path) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run.save(1, interrupted, {}, {})
    assert checkpoints(run) == []


def test_atomic_write_replaces_and_keeps_the_old_file_on_failure(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    atomic_write(path, "old")
    atomic_write(path, b"new")
    assert path.read_bytes() == b"new"
    with pytest.raises(InputError, match="cannot write"):
        atomic_write(tmp_path / "absent" / "page.html", "text")
    assert os.listdir(tmp_path) == ["page.html"]


def test_progress_away_from_a_terminal_is_plain_and_rare(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with progress("practice", 100) as bar:
        bar.update(10)
        for completed in range(11, 31):
            bar.update(completed, loss=0.123456, phase="sampling")
    output = capsys.readouterr()
    assert output.out == ""
    assert len(output.err.splitlines()) == 1
    assert output.err.startswith("practice 30/100 ")
    assert output.err.endswith("loss=0.1235 phase=sampling\n")
    with progress("practice", 3, quiet_seconds=0.0) as bar:
        for completed in range(1, 4):
            bar.update(completed)
    assert len(capsys.readouterr().err.splitlines()) == 3


def test_progress_counts_the_rate_from_where_a_resumed_run_started() -> None:
    shown: list[tuple[int, str, str, str]] = []
    bar = Progress(1000, lambda *values: shown.append(values))
    bar.update(900)
    bar.first = (900, bar.first[1] - 10) if bar.first else None
    bar.update(950)
    completed, rate, left, _ = shown[-1]
    assert (completed, rate, left) == (950, "5/s", "0:10")


def test_a_run_in_a_clone_names_its_commit_and_whether_it_was_edited(tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    root = Path(__file__).parents[2]
    shutil.copytree(root / "practicum", clone / "practicum", ignore=shutil.ignore_patterns("__pycache__"))
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    (clone / ".gitignore").write_text("__pycache__\n")
    for words in (["init", "-q"], ["add", "-A"], [*who, "commit", "-qm", "one"]):
        subprocess.run(["git", *words], cwd=clone, check=True)
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=clone, capture_output=True, text=True, check=True)
    program = "from practicum.run.environment import environment; print(environment('x', None)['commit'])"

    def commit() -> str:
        words = [sys.executable, "-c", program]
        place = {**os.environ, "PYTHONPATH": str(clone)}
        done = subprocess.run(words, cwd=clone, env=place, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    assert commit() == head.stdout.strip()
    (clone / "practicum" / "new.py").write_text("")
    assert commit() == f"{head.stdout.strip()}+changes"


@pytest.mark.skipif(not Path("/proc/cpuinfo").exists(), reason="needs Linux's /proc/cpuinfo")
def test_a_machine_is_named_with_what_it_multiplies_with() -> None:
    flags = re.search(r"(?m)^flags\s*:(.*)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    said = machine()
    assert said.startswith(f"{os.cpu_count()} cores of {processor()}, ")
    for flag, name in (("avx2", "AVX2"), ("avx512_bf16", "AVX-512 BF16"), ("amx_bf16", "AMX")):
        assert (flags is not None and flag in flags[1].split()) == (name in processor().split(", "))
