"""All runs of a comparison in processes of their own, so many at a time; a failing one stops no other."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from practicum.compare.member import EXAMINATION, run_folder
from practicum.compare.plan import START, Plan
from practicum.files import read_json, writing
from practicum.run.progress import Progress, progress

LOOK_SECONDS = 0.2
"""Between looks at the runs that are at work."""


@dataclass(frozen=True)
class Job:
    """One run: a member with a seed, or the start, which is only examined. `steps`: those it is to make."""

    name: str
    seed: int
    steps: int
    threads: int

    @property
    def title(self) -> str:
        """What a person calls it."""
        return self.name if self.name == START else f"{self.name} seed {self.seed}"

    def place(self, folder: Path) -> Path:
        """Its folder."""
        return run_folder(folder, self.name, self.seed)

    def log(self, folder: Path) -> Path:
        """What it writes to its terminal."""
        return folder / (f"{START}.log" if self.name == START else f"{self.name}/seed-{self.seed}.log")

    def done(self, folder: Path) -> bool:
        """Whether it is trained and examined."""
        return (self.place(folder) / EXAMINATION).exists()


@dataclass
class Pool:
    """What is done, what is at work, and what failed with its last words."""

    folder: Path
    failed: dict[str, str] = field(default_factory=dict)
    working: dict[Job, subprocess.Popen[bytes]] = field(default_factory=dict)


def jobs_of(plan: Plan, seeds: Sequence[int]) -> list[Job]:
    """Every run, one seed of all members after another, so that what is broken off is a comparison too."""
    threads = plan.examination.threads
    runs = [Job(one.name, seed, one.steps, one.config.loop.threads) for seed in seeds for one in plan.members]
    return [Job(START, 0, 0, threads), *runs]


def run_all(folder: Path, jobs: Sequence[Job], at_a_time: int) -> dict[str, str]:
    """Make the runs that are not done; what failed, by its title, with what it said last.

    However this ends, no process of it goes on.
    """
    pool = Pool(folder)
    waiting = [job for job in jobs if not job.done(folder)]
    total = sum(job.steps for job in jobs)
    if len(waiting) < len(jobs):
        print(f"practicum: {len(jobs) - len(waiting)} of {len(jobs)} runs are done", file=sys.stderr)
    with progress("compare", max(total, 1)) as bar, _ended(pool):
        while waiting or pool.working:
            while waiting and len(pool.working) < at_a_time:
                job = waiting.pop(0)
                pool.working[job] = _begin(folder, job)
            _look(pool, jobs, bar)
            time.sleep(LOOK_SECONDS)
    return pool.failed


@contextlib.contextmanager
def _ended(pool: Pool) -> Iterator[None]:
    """Within this processes are at work; after it none is."""
    try:
        yield
    finally:
        for process in pool.working.values():
            process.kill()
            process.wait()


def _begin(folder: Path, job: Job) -> subprocess.Popen[bytes]:
    """Start a run. It holds a pipe from us, by whose end it knows that we are gone, and not our Ctrl-C."""
    log = job.log(folder)
    command = [sys.executable, "-m", "practicum.compare.member", str(folder), job.name, str(job.seed)]
    environment = os.environ | {"OMP_NUM_THREADS": str(job.threads)}
    with writing(log), open(log, "ab") as stream:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=stream,
            stderr=stream,
            env=environment,
            start_new_session=True,
        )


def _look(pool: Pool, jobs: Sequence[Job], bar: Progress) -> None:
    """Tell what has ended, and how far all are."""
    for job, process in list(pool.working.items()):
        if process.poll() is None:
            continue
        del pool.working[job]
        if process.returncode == 0 and job.done(pool.folder):
            ended = sum(one.done(pool.folder) for one in jobs)
            line = f"{job.title}: {_found(job.place(pool.folder))} ({ended} of {len(jobs)})"
        else:
            pool.failed[job.title] = _last_words(pool.folder, job, process.returncode)
            line = f"{job.title} failed: {pool.failed[job.title]}"
        print(f"practicum: {line}", file=sys.stderr, flush=True)
    made = sum(_steps_made(pool, job) for job in jobs)
    bar.update(made, at_work=",".join(job.title.replace(" seed ", "/") for job in pool.working) or "none")


def _steps_made(pool: Pool, job: Job) -> int:
    """Steps in a run's log; all of them for one that is done or failed, with which nothing more happens."""
    if job.done(pool.folder) or job.title in pool.failed:
        return job.steps
    path = job.place(pool.folder) / "metrics.jsonl"
    return min(job.steps, path.read_bytes().count(b"\n")) if path.exists() else 0


def _found(place: Path) -> str:
    """What the examination of a run found, in a few words."""
    found = read_json(place / EXAMINATION, "remove it to have the run examined again")
    if found["accuracy"] is not None:
        return f"accuracy {found['accuracy']:.1%} of {found['judged']}"
    return f"mean reward {found['reward']['mean']:.4g} of {found['n']}"


def _last_words(folder: Path, job: Job, code: int) -> str:
    """The last line that a run wrote, and where the rest is."""
    log = job.log(folder)
    lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    said = lines[-1].removeprefix("practicum: error: ") if lines else f"exit code {code}"
    return f"{said} ({log})"
