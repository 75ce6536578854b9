"""Progress on stderr: a live bar on a terminal, plain lines elsewhere, and no long silence in between.

A command runs within `never_silent`; `doing` says what it does at the moment, which is told once nothing else
has been said for SILENT_SECONDS.
"""

from __future__ import annotations

import contextlib
import math
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

QUIET_SECONDS = 10.0
SILENT_SECONDS = 2.0
"""Longest silence of a command on stderr at first; later it may grow to QUIET_SECONDS, in a log at once."""

_said = 0.0
_doing: list[str | Callable[[], str]] = []


@contextlib.contextmanager
def doing(text: str | Callable[[], str]) -> Iterator[None]:
    """Within this, a silent command says `text`; an empty one means that something else is in sight."""
    _doing.append(text)
    try:
        yield
    finally:
        _doing.remove(text)


@contextlib.contextmanager
def never_silent(text: str, seconds: float = SILENT_SECONDS) -> Iterator[None]:
    """Say what is being done whenever nothing was said for `seconds`.

    That holds on a terminal, where somebody waits; in long runs a line comes less often. In a log it holds
    for the first line about each thing that is done; from line to line the silence then doubles, up to
    QUIET_SECONDS.
    """
    global _said
    over, started = threading.Event(), time.monotonic()
    _said = started
    waits: dict[object, float] = {}

    def watch() -> None:
        global _said
        while not over.wait(seconds / 20):
            now = time.monotonic()
            what = _doing[-1] if _doing else ""
            longest = waits.get(what, seconds)
            if sys.stderr.isatty():
                # A line each time would drown a long run.
                longest = min(max(seconds, (now - started) / 60), max(seconds, QUIET_SECONDS))
            words = what() if callable(what) else what
            # Imports and compilers hold the interpreter for moments: a line comes rather too early.
            if now - _said >= 0.75 * longest and words:
                print(f"practicum: {words}, {now - started:.0f} s", file=sys.stderr, flush=True)
                _said = now
                waits[what] = min(2 * longest, max(seconds, QUIET_SECONDS))

    thread = threading.Thread(target=watch, daemon=True, name="practicum-progress")
    with doing(text):
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


@dataclass
class Progress:
    """Reports the way to `total` steps through `show(completed, rate, time left, extra values)`."""

    total: int
    show: Callable[[int, str, str, str], None]
    first: tuple[int, float] | None = None
    words: str = ""

    def update(self, completed: int, **extra: object) -> None:
        """Say that `completed` of `total` steps are made; extra values are shown as `loss=1.23`.

        The first call marks the start: a resumed run calls it with the steps made before.
        """
        now = time.monotonic()
        start, since = self.first = self.first or (completed, now)
        self.words = " ".join(f"{key}={_short(value)}" for key, value in extra.items()) or self.words
        rate = (completed - start) / max(now - since, 1e-9)
        left = (self.total - completed) / rate if rate else math.nan
        self.show(completed, _rate(rate), _clock(left), self.words)


@contextlib.contextmanager
def progress(description: str, total: int, quiet_seconds: float = QUIET_SECONDS) -> Iterator[Progress]:
    """Show a task's progress on stderr: steps, rate, elapsed, time left, extra values.

    On a terminal it is a live bar, elsewhere a plain line at most every `quiet_seconds` and one at the end.
    """
    from rich.console import Console

    console = Console(stderr=True)
    live = console.is_terminal
    shown = (
        _live_bar(console, description, total) if live else _plain_lines(description, total, quiet_seconds)
    )
    with shown as bar:
        yield bar


@contextlib.contextmanager
def _live_bar(console: Console, description: str, total: int) -> Iterator[Progress]:
    from rich import progress as rich

    columns = (
        rich.TextColumn("{task.description}", markup=False),
        rich.BarColumn(bar_width=24),
        rich.MofNCompleteColumn(),
        rich.TextColumn("{task.fields[rate]}"),
        rich.TimeElapsedColumn(),
        rich.TextColumn("left {task.fields[left]}"),
        rich.TextColumn("{task.fields[words]}", markup=False),
    )
    with doing(""), rich.Progress(*columns, console=console) as bar:
        task = bar.add_task(description, total=total, rate="", left=_clock(math.nan), words="")

        def show(completed: int, rate: str, left: str, words: str) -> None:
            bar.update(task, completed=completed, rate=rate, left=left, words=words)

        yield Progress(total, show)


@contextlib.contextmanager
def _plain_lines(description: str, total: int, quiet_seconds: float) -> Iterator[Progress]:
    started = said = time.monotonic()
    unsaid, line = "", f"{description} 0/{total}"

    def show(completed: int, rate: str, left: str, words: str) -> None:
        global _said
        nonlocal said, unsaid, line
        elapsed = f"elapsed {_clock(time.monotonic() - started)}"
        unsaid = " ".join(f"{description} {completed}/{total} {rate} {elapsed} left {left} {words}".split())
        line = unsaid
        if time.monotonic() - said >= quiet_seconds:
            print(unsaid, file=sys.stderr, flush=True)
            said, unsaid = time.monotonic(), ""
            _said = said

    try:
        with doing(lambda: line):
            yield Progress(total, show)
    finally:
        if unsaid:
            print(unsaid, file=sys.stderr, flush=True)


def _rate(per_second: float) -> str:
    """Three figures, and all of them for a whole number: 0.125/s, 12.5/s, 3,490/s; empty for none."""
    if not per_second:
        return ""
    return f"{per_second:,.0f}/s" if per_second >= 100 else f"{per_second:.3g}/s"


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _clock(seconds: float) -> str:
    if not math.isfinite(seconds):
        return "-:--"
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
