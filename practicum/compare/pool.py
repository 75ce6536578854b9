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

from practicum.compare.member import EXAMINATION, log_of, run_folder
from practicum.compare.plan import START, Plan
from practicum.files import read_json
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

    def done(self, folder: Path) -> bool:
        """Whether it is trained and examined."""
        return (self.place(folder) / EXAMINATION).exists()


@dataclass
class Worker:
    """A process that makes one run after another, and the run that it is at."""

    process: subprocess.Popen[bytes]
    job: Job | None = None

    def begin(self, job: Job) -> None:
        """Have it make a run."""
        assert self.process.stdin is not None
        # One that has just died says so when it is looked at.
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(f"{job.name} {job.seed}\n".encode())
            self.process.stdin.flush()
        self.job = job


@dataclass
class Pool:
    """The processes at work, and what failed with its last words."""

    folder: Path
    failed: dict[str, str] = field(default_factory=dict)
    workers: list[Worker] = field(default_factory=list)

    @property
    def working(self) -> list[Worker]:
        """Those that are at a run."""
        return [worker for worker in self.workers if worker.job is not None]


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
                _idle_worker(pool, job.threads).begin(job)
            _look(pool, jobs, bar)
            time.sleep(LOOK_SECONDS)
    return pool.failed


@contextlib.contextmanager
def _ended(pool: Pool) -> Iterator[None]:
    """Within this processes are at work; after it none is."""
    try:
        yield
    finally:
        for worker in pool.workers:
            worker.process.kill()
            worker.process.wait()


def _idle_worker(pool: Pool, threads: int) -> Worker:
    """One that has made its run, else a new one. It holds a pipe from us, by whose end it knows that we are
    gone, and takes no Ctrl-C meant for us."""
    for worker in pool.workers:
        if worker.job is None:
            return worker
    worker = Worker(
        subprocess.Popen(
            [sys.executable, "-m", "practicum.compare.member", str(pool.folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            env=os.environ | {"OMP_NUM_THREADS": str(threads)},
            start_new_session=True,
        )
    )
    pool.workers.append(worker)
    return worker


def _look(pool: Pool, jobs: Sequence[Job], bar: Progress) -> None:
    """Tell what has ended, and how far all are."""
    for worker in pool.working:
        job, code = worker.job, worker.process.poll()
        assert job is not None
        if job.done(pool.folder):
            ended = sum(one.done(pool.folder) for one in jobs)
            line = f"{job.title}: {_found(job.place(pool.folder))} ({ended} of {len(jobs)})"
        elif code is not None:
            pool.failed[job.title] = _last_words(log_of(pool.folder, job.name, job.seed), code)
            line = f"{job.title} failed: {pool.failed[job.title]}"
        else:
            continue
        worker.job = None
        print(f"practicum: {line}", file=sys.stderr, flush=True)
    pool.workers = [worker for worker in pool.workers if worker.process.poll() is None]
    made = sum(_steps_made(pool, job) for job in jobs)
    at_work = [worker.job.title.replace(" seed ", "/") for worker in pool.working if worker.job]
    bar.update(made, at_work=",".join(at_work) or "none")


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


def _last_words(log: Path, code: int) -> str:
    """The last line that a run wrote, and where the rest is."""
    text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    lines = [line for line in text.splitlines() if line.strip()]
    said = lines[-1].removeprefix("practicum: error: ") if lines else f"exit code {code}"
    # Who was killed, as for want of memory, had no last words of its own.
    return f"ended by signal {-code} after: {said} ({log})" if code < 0 else f"{said} ({log})"
