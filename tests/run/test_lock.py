"""One process fills a folder: a second one is told who does, and a kill lets go of it."""

from __future__ import annotations

import gc
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from practicum.errors import InputError
from practicum.run.folder import LOCK, Run, announced


@dataclass(frozen=True)
class Config:
    seed: int = 3


ROOT = Path(__file__).parents[2]
HOLD = """
import sys, time
from dataclasses import dataclass
from pathlib import Path
from practicum.run.folder import Run
@dataclass(frozen=True)
class Config:
    seed: int = 3
run = Run.open(Path(sys.argv[1]), Config(), "sft", resume=len(sys.argv) > 2)
print("open", flush=True)
time.sleep(60)
"""


@contextmanager
def held(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that has the folder open, until it is killed without warning."""
    resume = ["--resume"] if (folder / "config.toml").exists() else []
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder), *resume], cwd=ROOT, text=True, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "open\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.mark.parametrize("resume", [True, False])
def test_a_second_process_is_told_who_holds_the_folder_and_a_kill_lets_go(
    tmp_path: Path, resume: bool
) -> None:
    folder = tmp_path / "run"
    with held(folder) as process:
        before = {path.name: path.read_bytes() for path in folder.iterdir()}
        named = rf"run is in use by process {process.pid} on {socket.gethostname()} since \d{{4}}-.*: wait"
        with pytest.raises(InputError, match=named) as caught:
            Run.open(folder, Config(), "sft", resume=resume)
        assert "\n" not in str(caught.value)
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert (folder / LOCK).exists(), "a killed process cannot tidy up"
    Run.open(folder, Config(), "sft", resume=True)
    gc.collect()
    assert not (folder / LOCK).exists()


def test_the_folder_is_free_again_when_the_run_is_over_and_not_before(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    run = Run.open(folder, Config(), "sft")
    # The same process may open it again: a stage that goes on after its guard's alarm does.
    again = Run.open(folder, Config(), "sft", resume=True)
    del run
    gc.collect()
    program = HOLD.replace("time.sleep(60)", "")
    command = [sys.executable, "-c", program, str(folder), "--resume"]
    second = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert f"in use by process {os.getpid()}" in second.stderr
    del again
    gc.collect()
    assert subprocess.run(command, cwd=ROOT, capture_output=True, check=False).returncode == 0


def test_a_forked_child_does_not_hold_the_folder_of_a_killed_parent(tmp_path: Path) -> None:
    program = HOLD.replace(
        'print("open", flush=True)',
        "import os\nif os.fork() == 0:\n    print(os.getpid(), flush=True)\n    time.sleep(60)",
    )
    folder = tmp_path / "run"
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(folder)], cwd=ROOT, text=True, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    child = int(process.stdout.readline())
    try:
        with pytest.raises(InputError, match=f"process {process.pid} "):
            Run.open(folder, Config(), "sft", resume=True)
        process.kill()
        process.wait()
        os.kill(child, 0)  # it lives on
        Run.open(folder, Config(), "sft", resume=True)
    finally:
        process.kill()
        process.wait()
        os.kill(child, 9)
        process.stdout.close()


def test_folders_inside_one_another_have_locks_of_their_own(tmp_path: Path) -> None:
    with held(tmp_path / "rlhf"), held(tmp_path / "rlhf" / "round-1"):
        for folder in ("rlhf", "rlhf/round-1"):
            with pytest.raises(InputError, match="in use by"):
                Run.open(tmp_path / folder, Config(), "sft", resume=True)
        Run.open(tmp_path / "rlhf" / "round-2", Config(), "sft")


def test_a_folder_of_something_else_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="not empty"):
        Run.open(tmp_path, Config(), "sft")
    with pytest.raises(InputError, match="no run to resume"):
        Run.open(tmp_path, Config(), "sft", resume=True)
    assert os.listdir(tmp_path) == ["mine.txt"]


def test_the_folder_is_named_once_it_is_open_and_no_other_within(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with announced(tmp_path / "run"):
        run = Run.open(tmp_path / "run", Config(), "demo")
        Run.open(tmp_path / "run" / "sft", Config(), "sft")
    assert capsys.readouterr().err == f"practicum: run folder {run.path}\n"
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with announced(tmp_path / "full"), pytest.raises(InputError):
        Run.open(tmp_path / "full", Config(), "demo")
    assert capsys.readouterr().err == ""


def test_two_processes_that_start_at_once_do_not_both_begin(tmp_path: Path) -> None:
    program = HOLD.replace("time.sleep(60)", "sys.stdin.read()")
    command = [sys.executable, "-c", program, str(tmp_path / "run")]
    processes = [
        subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for _ in range(3)
    ]
    while sum(process.poll() is not None for process in processes) < 2:
        time.sleep(0.01)
    assert sum(process.poll() is None for process in processes) == 1
    for process in processes:
        out, _ = process.communicate()
        assert (out == b"open\n") == (process.returncode == 0)
