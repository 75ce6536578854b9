"""Progress on stderr: a live bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import math
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

QUIET_SECONDS = 10.0


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
        self.show(completed, f"{rate:.3g}/s" if rate else "", _clock(left), self.words)


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
    with rich.Progress(*columns, console=console) as bar:
        task = bar.add_task(description, total=total, rate="", left=_clock(math.nan), words="")

        def show(completed: int, rate: str, left: str, words: str) -> None:
            bar.update(task, completed=completed, rate=rate, left=left, words=words)

        yield Progress(total, show)


@contextlib.contextmanager
def _plain_lines(description: str, total: int, quiet_seconds: float) -> Iterator[Progress]:
    started = said = time.monotonic()
    unsaid = ""

    def show(completed: int, rate: str, left: str, words: str) -> None:
        nonlocal said, unsaid
        elapsed = f"elapsed {_clock(time.monotonic() - started)}"
        unsaid = " ".join(f"{description} {completed}/{total} {rate} {elapsed} left {left} {words}".split())
        if time.monotonic() - said >= quiet_seconds:
            print(unsaid, file=sys.stderr, flush=True)
            said, unsaid = time.monotonic(), ""

    try:
        yield Progress(total, show)
    finally:
        if unsaid:
            print(unsaid, file=sys.stderr, flush=True)


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _clock(seconds: float) -> str:
    if not math.isfinite(seconds):
        return "-:--"
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
