"""Request traces: a user's CSV, token logs of a language model, or the built-in generator; split by time.

A trace is a number of requests for every minute. Suffixes: T minutes of the trace, R rows of a file.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from practicum.applications.cloud.generator import GeneratorConfig, generate
from practicum.errors import InputError
from practicum.ranges import Common, PositiveFloat, PositiveInt, Ranged

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
MINUTE = 60
DAY = 1440
WARM_UP = 8
"""Minutes before the first of the episodes that are shorter than a day: policies look back so far."""
SHORT_GAP = 60
"""Minutes of missing rows that are filled by a straight line; days with a longer gap are left out."""
FEWEST, MOST = 1e-6, 1e12
"""Least and greatest requests of a row that are not 0; beyond them a product no longer fits a float."""
LONGEST = 20_000_000
"""Minutes of the longest trace."""
USUAL_TIME = ("timestamp", "time", "datetime", "date")
USUAL_REQUESTS = ("requests", "request_count", "count", "invocations", "hits", "value")
OFFSET = re.compile(r"\d[+-]\d\d:\d\d$")
CONTEXT, GENERATED = "contexttokens", "generatedtokens"


@dataclass(frozen=True)
class DataConfig(Ranged):
    """Where the requests come from."""

    file: Common[Path | None] = None
    """CSV with a time and a number of requests in each row; none takes the built-in generator."""
    time: str = ""
    """Column of the time; empty looks for a usual name."""
    requests: str = ""
    """Column of the requests; empty looks for a usual name. Each row of a language model's log (with
    ContextTokens and GeneratedTokens) is a request, as heavy as its tokens."""
    generated_token_weight: PositiveFloat = 10.0
    """How many context tokens weigh as much as one generated token, which a model writes one by one."""
    episode_minutes: PositiveInt = DAY
    """Length of the stretches that a trace is cut into, split and counted by."""
    generator: GeneratorConfig = field(default_factory=GeneratorConfig)


@dataclass(frozen=True)
class Trace:
    """Requests of every minute [T], whether the file had it [T], the first minute, notes for people."""

    name: str
    requests_T: Floats
    known_T: Flags
    first: np.datetime64
    notes: tuple[str, ...] = ()

    @property
    def minute_of_day(self) -> int:
        """The first minute's place in its day, from 0."""
        return int((self.first - self.first.astype("datetime64[D]")) / np.timedelta64(1, "m"))


def load_trace(config: DataConfig, seed: int) -> Trace:
    """The trace that the settings name. Raises InputError naming row and column."""
    if config.file is None:
        return Trace(
            "built-in generator",
            requests := generate(config.generator, seed),
            np.ones(len(requests), dtype=bool),
            np.datetime64("2024-01-01T00:00", "m"),
        )
    return read_trace(config.file, config.time, config.requests, config.generated_token_weight)


def read_trace(path: Path, time: str = "", requests: str = "", generated_weight: float = 10.0) -> Trace:
    """The trace of a CSV file. Rows may be seconds, minutes or longer apart, or single requests.

    Raises InputError, which names row and column, for a time or number that cannot be read, a negative
    number, and times out of order.
    """
    header, rows = _read_rows(path)
    lower = [name.strip().lower() for name in header]
    time_at = _column(path, header, time, USUAL_TIME, "time")
    token_log = not requests and CONTEXT in lower and GENERATED in lower
    seconds_R = _times(path, rows, time_at, header[time_at], repeats=token_log)
    minutes = (seconds_R[-1] - seconds_R[0]) / MINUTE
    if minutes > LONGEST:
        raise InputError(
            f"{path}: {minutes:,.0f} minutes from first to last row: expected at most {LONGEST:,}"
        )
    if token_log:
        context_R = _numbers(path, rows, lower.index(CONTEXT), header[lower.index(CONTEXT)])
        written_R = _numbers(path, rows, lower.index(GENERATED), header[lower.index(GENERATED)])
        weight_R = context_R + generated_weight * written_R
        mean = float(weight_R.mean())
        note = f"{len(rows):,} single requests, weighed by their tokens (mean {mean:,.0f})"
        return replace(_binned(path, seconds_R, weight_R / max(mean, 1e-9)), notes=(note,))
    requests_at = _column(path, header, requests, USUAL_REQUESTS, "requests")
    numbers_R = _numbers(path, rows, requests_at, header[requests_at])
    return _spread(path, seconds_R, numbers_R)


# ------------------------------------------------------------------------------------------------------ cells


def _read_rows(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The header, and (row number as a spreadsheet counts, cells) of each row that is not blank."""
    try:
        with open(path, newline="", encoding="utf-8-sig") as stream:
            reader = csv.reader(stream)
            header = next(reader, [])
            rows = [(number, row) for number, row in enumerate(reader, start=2) if any(map(str.strip, row))]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read: {error}") from error
    if len(rows) < 2:
        raise InputError(f"{path}: expected a header and at least two rows, got {len(rows)} rows")
    for number, row in rows:
        if len(row) != len(header):
            raise InputError(
                f"{path}: row {number}: expected {len(header)} cells as in the header, got {len(row)}"
            )
    return header, rows


def _column(path: Path, header: Sequence[str], given: str, usual: Sequence[str], role: str) -> int:
    lower = [name.strip().lower() for name in header]
    for name in [given.lower()] if given else usual:
        if name in lower:
            return lower.index(name)
    wanted = repr(given) if given else f"for the {role}: expected {', '.join(usual)}"
    raise InputError(
        f"{path}: no column {wanted}; it has {', '.join(header)}: name yours with --data.{role} NAME"
    )


def _numbers(path: Path, rows: Sequence[tuple[int, list[str]]], at: int, column: str) -> Floats:
    values = np.empty(len(rows))
    for place, (number, row) in enumerate(rows):
        try:
            values[place] = float(row[at])
        except ValueError:
            values[place] = math.nan
        value = values[place]
        if not (value == 0 or FEWEST <= value <= MOST):
            what = "requests cannot be negative" if value < 0 else "expected a number"
            if value > 0:
                what += f" of 0 or from {FEWEST:g} to {MOST:g}"
            raise InputError(f"{path}: row {number}, column {column!r}: {what}, got {row[at]!r}")
    return values


def _times(path: Path, rows: Sequence[tuple[int, list[str]]], at: int, column: str, repeats: bool) -> Floats:
    """Seconds since 1970 of each row; `repeats` lets several rows have one time."""
    seconds = np.empty(len(rows))
    for place, (number, row) in enumerate(rows):
        where = f"{path}: row {number}, column {column!r}"
        seconds[place] = _seconds(where, row[at].strip())
        if place and seconds[place] < seconds[place - 1]:
            raise InputError(
                f"{where}: {row[at]} is earlier than the row above it ({rows[place - 1][1][at]}): "
                "sort the rows by time"
            )
        if place and seconds[place] == seconds[place - 1] and not repeats:
            raise InputError(f"{where}: {row[at]} is the time of the row above too: keep one row a time")
    return seconds


def _seconds(where: str, cell: str) -> float:
    """Seconds since 1970 of a date and time (also with an offset from UTC), or of that number itself."""
    try:
        value = float(cell)
    except ValueError:
        value = _dated(cell)
    else:
        # Milliseconds, as JavaScript counts them, are told by their size.
        value = value / 1000 if value > 1e11 else value if value >= 1e8 else math.nan
    if not (math.isfinite(value) and abs(value) < 1e11):
        raise InputError(
            f"{where}: expected a date and time as 2024-05-31 23:59:00, or seconds since 1970, got {cell!r}"
        )
    return value


def _dated(cell: str) -> float:
    try:
        if OFFSET.search(cell):
            return datetime.fromisoformat(cell).timestamp()
        found = np.datetime64(cell.removesuffix("Z"), "ms")
    except ValueError:
        return math.nan
    return math.nan if np.isnat(found) else float(found.astype(np.int64)) / 1000


# ---------------------------------------------------------------------------------------------------- minutes


def _binned(path: Path, seconds_R: Floats, weight_R: Floats) -> Trace:
    """Events summed by the minute; the first and the last minute, which are cut, are left out."""
    minute_R = np.floor(seconds_R / MINUTE).astype(np.int64)
    sums: Floats = np.bincount(minute_R - minute_R[0], weight_R).astype(np.float64)
    whole = sums[1:-1] if len(sums) > 3 else sums
    first = np.datetime64(int(minute_R[0]) + (len(sums) > 3), "m")
    return Trace(path.stem, whole, np.ones(len(whole), dtype=bool), first)


def _spread(path: Path, seconds_R: Floats, requests_R: Floats) -> Trace:
    """Counts at regular times, brought to minutes: shorter steps are summed, longer ones spread evenly."""
    apart = np.diff(seconds_R)
    step = float(np.median(apart))
    notes: list[str] = []
    if step < MINUTE:
        return _with_gaps(_binned(path, seconds_R, requests_R), seconds_R, step, notes)
    minutes = max(1, round(step / MINUTE))
    if minutes > 1:
        notes.append(f"rows are {minutes} minutes apart: each count is spread evenly over its minutes")
    start_R = np.floor(seconds_R / MINUTE).astype(np.int64)
    start_R -= start_R[0]
    size = int(start_R[-1]) + minutes
    requests_T, known_T = np.zeros(size), np.zeros(size, dtype=bool)
    for offset in range(minutes):
        requests_T[start_R + offset], known_T[start_R + offset] = requests_R / minutes, True
    first = np.datetime64(int(np.floor(seconds_R[0] / MINUTE)), "m")
    return _filled(Trace(path.stem, requests_T, known_T, first), notes)


def _with_gaps(trace: Trace, seconds_R: Floats, step: float, notes: list[str]) -> Trace:
    """A trace of summed seconds: minutes between two rows far apart were not recorded."""
    known_T = np.ones(len(trace.requests_T), dtype=bool)
    start = float(trace.first.astype(np.int64))
    for place in np.flatnonzero(np.diff(seconds_R) > max(MINUTE, 3 * step)):
        low, high = seconds_R[place] / MINUTE - start, seconds_R[place + 1] / MINUTE - start
        known_T[max(0, math.floor(low) + 1) : max(0, math.floor(high))] = False
    return _filled(replace(trace, known_T=known_T), notes)


def _filled(trace: Trace, notes: list[str]) -> Trace:
    """Missing minutes filled by a straight line; `known_T` stays False in gaps that are too long for that."""
    missing = ~trace.known_T
    if not missing.any():
        return replace(trace, notes=tuple(notes))
    minutes = np.arange(len(missing))
    filled = np.interp(minutes, minutes[trace.known_T], trace.requests_T[trace.known_T])
    edges = np.flatnonzero(np.diff(np.concatenate([[0], missing.astype(np.int8), [0]])))
    known_T, longest, long_gaps = trace.known_T.copy(), 0, 0
    for low, high in zip(edges[::2], edges[1::2], strict=True):
        longest, long_gaps = max(longest, int(high - low)), long_gaps + (high - low > SHORT_GAP)
        if high - low <= SHORT_GAP:
            known_T[low:high] = True
    notes.append(
        f"{int(missing.sum()):,} minutes are missing in {len(edges) // 2} "
        f"{'gap' if len(edges) == 2 else 'gaps'} (longest {longest:,}): filled by a straight line"
        + "; stretches that meet a gap of over an hour are left out"
        * bool(long_gaps)
    )
    return replace(trace, requests_T=filled, known_T=known_T, notes=tuple(notes))


# -------------------------------------------------------------------------------------------------- the split


@dataclass(frozen=True)
class Split:
    """First minutes of the episodes to learn from, to choose on, and to report, in this order of time."""

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]


def split_by_time(trace: Trace, minutes: int) -> Split:
    """60% of the whole episodes, then 20%, then 20%. Raises InputError for fewer than five of them.

    An episode begins where its first day does (or at the trace's first minute, for shorter ones), and has no
    minute in a gap of over an hour.
    """
    starts = episode_starts(trace, minutes)
    if len(starts) < 5:
        raise InputError(
            f"{trace.name}: {len(starts)} whole stretches of {minutes} minutes: expected at least 5; "
            "give a longer file, or set --data.episode_minutes lower"
        )
    validation = max(1, round(len(starts) * 0.2))
    cuts = [len(starts) - 2 * validation, len(starts) - validation]
    return Split(*np.split(starts, cuts))


def episode_starts(trace: Trace, minutes: int) -> NDArray[np.int64]:
    """First minutes of the whole episodes of a trace."""
    offset = -trace.minute_of_day % DAY if minutes % DAY == 0 else WARM_UP
    starts = np.arange(offset, len(trace.requests_T) - minutes + 1, minutes, dtype=np.int64)
    missing = np.concatenate([[0], np.cumsum(~trace.known_T)])
    kept: NDArray[np.int64] = starts[missing[starts + minutes] == missing[starts]]
    return kept
