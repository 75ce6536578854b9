"""Metrics of runs as curves of bounded size: each file is read once, in pieces, and only what is new later.

A curve is at most BUCKETS buckets of neighbouring rows with their lowest, mean and highest value. Once all
buckets are full, neighbours are joined: a run of a hundred rows and one of a million take the same memory.
"""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from practicum.report.dashboard.lines import Row, finite, forward, row_of, size_of, spread_rows, step_of

Floats = npt.NDArray[np.float64]
BUCKETS = 512
CHUNK = 512
"""Rows that are read at a time."""
MOST_METRICS = 400
PREVIEWED = 300
"""Rows of a first look at a long file."""
TAIL = 128
"""Bytes before the place that was read up to, by which a file that was cut and written anew is known."""


@dataclass(frozen=True)
class Curve:
    """One metric over the steps. `exact` is False for a first look, whose three values are equal."""

    steps: Floats
    low: Floats
    mean: Floats
    high: Floats
    exact: bool = True

    def json(self) -> dict[str, Any]:
        """Lists for the page, five significant digits, without the buckets that lack the metric."""
        known = np.isfinite(self.mean) & np.isfinite(self.steps)
        columns = {
            name: [short(value) for value in getattr(self, name)[known].tolist()]
            for name in ("steps", "low", "mean", "high")
        }
        return columns | {"exact": self.exact}


NOTHING = Curve(np.empty(0), np.empty(0), np.empty(0), np.empty(0))


def short(value: float) -> float:
    """Five significant digits of a number; whole numbers stay whole."""
    return int(value) if value == int(value) and abs(value) < 1e15 else float(f"{value:.5g}")


@dataclass
class Series:
    """All metrics of one metrics.jsonl, as far as it was read: `offset` bytes, `rows` rows."""

    path: Path
    offset: int = 0
    rows: int = 0
    bad_lines: int = 0
    width: int = 1
    names: dict[str, int] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _tail: bytes = b""
    _steps: Floats = field(default_factory=lambda: np.full((2, BUCKETS), np.nan), repr=False)
    _low: Floats = field(default_factory=lambda: np.empty((0, BUCKETS)), repr=False)
    _high: Floats = field(default_factory=lambda: np.empty((0, BUCKETS)), repr=False)
    _sum: Floats = field(default_factory=lambda: np.empty((0, BUCKETS)), repr=False)
    _count: npt.NDArray[np.int64] = field(
        default_factory=lambda: np.zeros((0, BUCKETS), dtype=np.int64), repr=False
    )

    @property
    def read_share(self) -> float:
        """How much of the file has been read, 0 to 1."""
        size = size_of(self.path)
        return min(1.0, self.offset / size) if size else 1.0

    def extend(self, seconds: float) -> bool:
        """Read on for at most about `seconds`; True when nothing whole is left. One thread reads."""
        if not self.lock.acquire(timeout=seconds):
            return False
        try:
            if self._was_rewritten():
                self._forget()
            return self._read(time.monotonic() + seconds)
        finally:
            self.lock.release()

    def curve(self, name: str) -> Curve:
        """One metric, empty where no row has it."""
        with self.lock:
            used = -(-self.rows // self.width)
            place = self.names.get(name)
            if place is None or not used:
                return NOTHING
            count = self._count[place, :used]
            with np.errstate(invalid="ignore"):
                mean = np.where(count > 0, self._sum[place, :used] / np.maximum(count, 1), np.nan)
            steps = self._steps[:, :used].mean(0)
            steps = np.floor(steps) if self.width > 1 else steps
            return Curve(steps, self._low[place, :used].copy(), mean, self._high[place, :used].copy())

    def told(self) -> list[str]:
        """Metrics that some row read so far has a number for; rare ones are among them."""
        with self.lock:
            return [name for name, place in self.names.items() if self._count[place].any()]

    @property
    def full(self) -> bool:
        """Whether there may be more metrics than are kept."""
        return len(self.names) >= MOST_METRICS

    def _was_rewritten(self) -> bool:
        """Whether the file is no longer the one that was read: shorter, or other text at the same place."""
        if not self.offset:
            return False
        try:
            with open(self.path, "rb") as stream:
                stream.seek(self.offset - len(self._tail))
                return stream.read(len(self._tail)) != self._tail
        except OSError:
            return True

    def _forget(self) -> None:
        self.offset = self.rows = self.bad_lines = 0
        self.width, self._tail = 1, b""
        self.names.clear()
        self._steps[:] = np.nan
        self._low, self._high, self._sum = (np.empty((0, BUCKETS)) for _ in range(3))
        self._count = np.zeros((0, BUCKETS), dtype=np.int64)

    def _read(self, deadline: float) -> bool:
        rows: list[Row] = []
        for offset, line in forward(self.path, self.offset):
            row = row_of(line)
            if row is None:
                self.bad_lines += bool(line.strip())
            else:
                rows.append(row)
            self.offset = offset + len(line) + 1
            self._tail = (line[-TAIL:] + b"\n")[-TAIL:]
            if len(rows) == CHUNK:
                self._add(rows)
                rows = []
                if time.monotonic() > deadline:
                    return False
        self._add(rows)
        return True

    def _add(self, rows: Sequence[Row]) -> None:
        if not rows:
            return
        values, steps = self._columns(rows)
        while self.rows + len(rows) > BUCKETS * self.width:
            self._join_neighbours()
        buckets = (self.rows + np.arange(len(rows))) // self.width
        starts = np.flatnonzero(np.r_[True, np.diff(buckets) > 0])
        into = buckets[starts]
        self._low[:, into] = np.fmin(self._low[:, into], np.fmin.reduceat(values, starts, axis=1))
        self._high[:, into] = np.fmax(self._high[:, into], np.fmax.reduceat(values, starts, axis=1))
        there = np.isfinite(values)
        self._sum[:, into] += np.add.reduceat(np.where(there, values, 0.0), starts, axis=1)
        self._count[:, into] += np.add.reduceat(there.astype(np.int64), starts, axis=1)
        self._steps[0, into] = np.fmin(self._steps[0, into], np.fmin.reduceat(steps, starts))
        self._steps[1, into] = np.fmax(self._steps[1, into], np.fmax.reduceat(steps, starts))
        self.rows += len(rows)

    def _columns(self, rows: Sequence[Row]) -> tuple[Floats, Floats]:
        """Values [metrics, rows], NaN where there is none, and the steps; new metrics get their place."""
        triples = [
            (place, number, value)
            for number, row in enumerate(rows)
            for name, value in row.items()
            if isinstance(value, (int, float)) and (place := self._place(name)) is not None
        ]
        more = len(self.names) - len(self._low)
        if more:
            unknown = np.full((more, BUCKETS), np.nan)
            self._low, self._high = np.vstack([self._low, unknown]), np.vstack([self._high, unknown])
            self._sum = np.vstack([self._sum, np.zeros((more, BUCKETS))])
            self._count = np.vstack([self._count, np.zeros((more, BUCKETS), dtype=np.int64)])
        values = np.full((len(self.names), len(rows)), np.nan)
        for place, number, value in triples:
            values[place, number] = finite(value)
        steps = [step_of(row) for row in rows]
        known = [
            step if math.isfinite(step) else float(self.rows + number + 1)
            for number, step in enumerate(steps)
        ]
        return values, np.array(known)

    def _place(self, name: str) -> int | None:
        if name == "step":
            return None
        place = self.names.get(name)
        if place is None and len(self.names) < MOST_METRICS:
            place = self.names[name] = len(self.names)
        return place

    def _join_neighbours(self) -> None:
        half = BUCKETS // 2
        pairs = [array.reshape(len(array), half, 2) for array in (self._low, self._high, self._sum)]
        joined = (np.fmin.reduce(pairs[0], 2), np.fmax.reduce(pairs[1], 2), pairs[2].sum(2))
        for array, values, empty in zip(
            (self._low, self._high, self._sum), joined, (np.nan, np.nan, 0.0), strict=True
        ):
            array[:, :half], array[:, half:] = values, empty
        counts = self._count.reshape(len(self._count), half, 2).sum(2)
        self._count[:, :half], self._count[:, half:] = counts, 0
        steps = self._steps.reshape(2, half, 2)
        self._steps[0, :half], self._steps[1, :half] = (
            np.fmin.reduce(steps[0], 1),
            np.fmax.reduce(steps[1], 1),
        )
        self._steps[:, half:] = np.nan
        self.width *= 2


class Shelf:
    """The series of the files that were asked for last, at most `most` of them."""

    def __init__(self, most: int = 40) -> None:
        self._most, self._kept = most, OrderedDict[Path, Series]()
        self._lock = threading.Lock()

    def series(self, path: Path) -> Series:
        """The series of a metrics.jsonl, as far as it was read before."""
        with self._lock:
            found = self._kept.pop(path, None) or Series(path)
            self._kept[path] = found
            if len(self._kept) > self._most:
                self._kept.popitem(last=False)
            return found


def preview(path: Path, names: Sequence[str], count: int = PREVIEWED) -> dict[str, Curve]:
    """A first look at metrics: rows at even distances through the file."""
    rows = spread_rows(path, count)
    steps = np.array([step if math.isfinite(step := step_of(row)) else np.nan for row in rows])
    found = {}
    for name in names:
        values = np.array(
            [finite(value) if isinstance(value := row.get(name), (int, float)) else np.nan for row in rows]
        )
        found[name] = Curve(steps, values, values, values, exact=False)
    return found


def spread(curves: Sequence[Curve]) -> Curve:
    """Repeats with other seeds as one curve: their mean, and the lowest and the highest of their means.

    Over the steps that all of them have come to; each is interpolated between its own steps.
    """
    told = [curve for curve in (_known(curve) for curve in curves) if len(curve.steps)]
    if not told:
        return NOTHING
    first, last = max(curve.steps[0] for curve in told), min(curve.steps[-1] for curve in told)
    longest = max(told, key=lambda curve: len(curve.steps)).steps
    steps = longest[(longest >= first) & (longest <= last)]
    means = np.stack([np.interp(steps, curve.steps, curve.mean) for curve in told])
    exact = all(curve.exact for curve in told)
    return Curve(steps, means.min(0), means.mean(0), means.max(0), exact)


def _known(curve: Curve) -> Curve:
    known = np.isfinite(curve.mean) & np.isfinite(curve.steps)
    order = np.argsort(curve.steps[known], kind="stable")
    steps, low, mean, high = (
        array[known][order] for array in (curve.steps, curve.low, curve.mean, curve.high)
    )
    return Curve(steps, low, mean, high, curve.exact)
