"""Where the time of a training step goes: spans around its parts, a table, and a trace to open in Perfetto.

`span` costs one comparison while nothing is being profiled. Spans may nest, and may run on several threads:

- within a thread, time belongs to the innermost span that is open;
- while spans are open on several threads, each gets an equal share of the wall time that passes;
- wall time with no span open anywhere is `other`.

So the parts of a step always add up to its wall time.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

PARTS = ("sample", "verify", "reference", "forward", "backward", "optimizer", "other")


@dataclass(frozen=True)
class Span:
    """One stretch of work: its part, the thread it ran on, and perf_counter seconds."""

    part: str
    thread: int
    start: float
    end: float


@dataclass
class Profile:
    """What was recorded: spans of all threads (in the order they ended) and whole steps."""

    spans: list[Span] = field(default_factory=list)
    steps: list[Span] = field(default_factory=list)
    _started: float = 0.0

    def begin(self) -> None:
        """Record everything from here on, on any thread, as one step; a step not ended is forgotten."""
        global _recording
        _recording, self._started = self, time.perf_counter()

    def end(self) -> None:
        """The step is over."""
        global _recording
        _recording = None
        self.steps.append(Span("step", threading.get_ident(), self._started, time.perf_counter()))

    def seconds(self) -> dict[str, float]:
        """Mean wall seconds of each of PARTS a step; they add up to the mean step.

        The first step is left out when there are more: it builds kernels and warms caches.
        """
        measured = self.steps[1:] or self.steps
        totals = dict.fromkeys(PARTS, 0.0)
        for step in measured:
            inside = [span for span in self.spans if step.start <= span.start and span.end <= step.end]
            for part, seconds in apportion(inside, step.start, step.end).items():
                totals[part] += seconds / len(measured)
        return totals

    def table(self) -> str:
        """The parts in milliseconds and per cent of the step, one a line, and their sum."""
        seconds = self.seconds()
        whole = sum(seconds.values())
        steps = max(len(self.steps) - 1, 1)
        lines = [f"where a step's time goes (wall time, mean of {steps} {'step' if steps == 1 else 'steps'})"]
        for part, value in [*seconds.items(), ("step", whole)]:
            lines.append(f"  {part:<10} {1000 * value:10.1f} ms {100 * value / whole:6.1f} %")
        return "\n".join(lines)

    def trace(self) -> str:
        """The spans as Chrome trace events (JSON), which Perfetto and chrome://tracing open."""
        threads = list(dict.fromkeys(span.thread for span in (*self.steps, *self.spans)))
        origin = min((span.start for span in self.steps), default=0.0)
        process = os.getpid()
        events: list[dict[str, Any]] = [
            {"name": "thread_name", "ph": "M", "pid": process, "tid": number, "args": {"name": name}}
            for number, name in enumerate(f"thread {number}" for number in range(len(threads)))
        ]
        named = [(f"step {number}", span) for number, span in enumerate(self.steps, start=1)]
        for name, span in named + [(span.part, span) for span in self.spans]:
            events.append(
                {
                    "name": name,
                    "cat": span.part,
                    "ph": "X",
                    "ts": 1e6 * (span.start - origin),
                    "dur": 1e6 * (span.end - span.start),
                    "pid": process,
                    "tid": threads.index(span.thread),
                }
            )
        return json.dumps({"traceEvents": events, "displayTimeUnit": "ms"})


_recording: Profile | None = None


@contextmanager
def span(part: str) -> Iterator[None]:
    """Count the body, or a decorated function, as `part` (one of PARTS but `other`) of the step."""
    profile = _recording
    if profile is None:
        yield
        return
    start = time.perf_counter()
    try:
        yield
    finally:
        profile.spans.append(Span(part, threading.get_ident(), start, time.perf_counter()))


def apportion(spans: Sequence[Span], start: float, end: float) -> dict[str, float]:
    """Wall seconds of each of PARTS between `start` and `end`, by the rules at the top of this file."""
    totals = dict.fromkeys(PARTS, 0.0)
    changes: list[tuple[float, int, Span]] = []
    for one in spans:
        changes += [(one.start, 1, one), (one.end, 0, one)]
    # At equal times what ends goes first, and of what begins the longer, which holds the other.
    changes.sort(key=lambda change: (change[0], change[1], -change[2].end))
    changes.append((end, 1, Span("other", 0, end, end)))
    open_spans: dict[int, list[Span]] = {}
    last = start
    for moment, begins, one in changes:
        innermost = [stack[-1].part for stack in open_spans.values() if stack]
        for part in innermost or ["other"]:
            totals[part] += (moment - last) / max(len(innermost), 1)
        last = moment
        stack = open_spans.setdefault(one.thread, [])
        if begins:
            stack.append(one)
        else:
            stack.remove(one)
    return totals
