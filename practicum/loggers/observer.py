"""The one thin observer behind every logger: each row of metrics.jsonl goes to each of them too.

A logger changes no bit of a run and cannot end it. Where one fails, that is told once and the run goes on;
since metrics.jsonl has every row, the next `--resume` sends all of them to it anew.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

from practicum.config import flatten, parse_toml
from practicum.files import read_rows
from practicum.guard.observer import GO_ON, Quiet, Verdict
from practicum.loggers.channel import Channel
from practicum.loggers.names import logged_names
from practicum.loggers.sink import About, Sink
from practicum.run.folder import Run
from practicum.run.loggers import loggers_of, remember_loggers, remembered_loggers
from practicum.run.progress import doing

OPEN_SECONDS = 120.0
CLOSE_SECONDS = 120.0
"""How long a run waits for a logger, at its beginning and at its end; in between it never does."""


class Logging(Quiet):
    """Sends the rows of one run to one logger, through a thread of its own."""

    def __init__(self, name: str, run: Run, key: str) -> None:
        self.name, self.run, self.failed = name, run, False
        self.sink: Sink | None = None
        self.channel = Channel(name)
        self.last = 0
        self._open(key)

    def logged(self, row: Mapping[str, Any]) -> None:
        """Send a row on."""
        self.last = int(row["step"])
        metrics = logged_names(row)
        self._send(lambda sink: sink.log(int(row["step"]), metrics))

    def restore(self, state: Mapping[str, Any], run: Run) -> Verdict:
        """Where the run has gone back, say so."""
        before = _last_step(run)
        if before < self.last:
            self.last = before
            self._send(lambda sink: sink.go_back(before))
        return GO_ON

    def close(self) -> None:
        """Wait for the last rows to be taken."""
        if self.failed:
            return
        self._send(lambda sink: sink.close())
        with doing(f"{self.name} takes the last rows"), contextlib.redirect_stdout(sys.stderr):
            done = self.channel.close(CLOSE_SECONDS)
        if not done:
            self._fail(f"did not take the last rows within {CLOSE_SECONDS:.0f} s")
        self._check()

    def _open(self, key: str) -> None:
        """Open the sink, and send it the rows that it has not had."""
        rows = read_rows(path) if (path := self.run.path / "metrics.jsonl").exists() else []
        self.last = int(rows[-1]["step"]) if rows else 0
        opened = Event()
        runs = _runs_folder(self.run.path)
        name = self.run.path.resolve().relative_to(runs.resolve()).as_posix()
        about = About(name, self.run.path, runs, _settings(self.run))

        def call() -> None:
            module = importlib.import_module(f"practicum.loggers.{self.name}")
            try:
                self.sink = module.open_sink(about, key, self.last if key else 0)
            finally:
                opened.set()

        with doing(f"opening {self.name}"), contextlib.redirect_stdout(sys.stderr):
            self.channel.send(call)
            in_time = opened.wait(OPEN_SECONDS)
        if self.sink is None:
            if in_time:
                self.channel.close(1.0)
            self._fail(_words(self.channel.error) if in_time else f"no answer in {OPEN_SECONDS:.0f} s")
            return
        self._remember(self.sink.key)
        print(f"practicum: logging to {self.name}: {self.sink.where}", file=sys.stderr)
        for row in [] if key else rows:
            self.logged(row)

    def _send(self, call: Callable[[Sink], None]) -> None:
        self._check()
        if not self.failed and self.sink is not None:
            self.channel.send(partial(call, self.sink))

    def _check(self) -> None:
        if not self.failed and self.channel.error is not None:
            self._fail(_words(self.channel.error))

    def _fail(self, why: str) -> None:
        """Tell it, once, and forget what the logger knows the run by: next time it gets all rows anew."""
        self.failed = True
        self._remember("")
        print(
            f"practicum: {self.name}: {why}; the run goes on without it, and {self.run.path}/metrics.jsonl "
            f"has every row (--resume --log {self.name} sends them)",
            file=sys.stderr,
        )

    def _remember(self, key: str) -> None:
        remember_loggers(self.run.path, {**remembered_loggers(self.run.path), self.name: key})


@contextlib.contextmanager
def logged_run(run: Run) -> Iterator[Sequence[Logging]]:
    """The observers that send a run's rows to its loggers, closed when it is left."""
    observers = [Logging(name, run, key) for name, key in loggers_of(run.path).items()]
    try:
        yield observers
    finally:
        for observer in observers:
            observer.close()


def _runs_folder(path: Path) -> Path:
    """The folder that holds a run, or the whole of which it is a part: a demo's or a loop's."""
    runs = path.parent
    # A round of rlhf is a folder between two runs.
    for parent in list(path.parents)[:3]:
        if (parent / "config.toml").exists():
            runs = parent.parent
    return runs


def _settings(run: Run) -> dict[str, Any]:
    path = run.path / "config.toml"
    return flatten(parse_toml(path.read_text(encoding="utf-8"), str(path))) if path.exists() else {}


def _last_step(run: Run) -> int:
    rows = run.rows(1)
    return int(rows[-1]["step"]) if rows else 0


def _words(error: Exception | None) -> str:
    said = " ".join(str(error).split()) if error is not None else ""
    kind = type(error).__name__
    return f"{kind}: {said[:300]}" if said else kind
