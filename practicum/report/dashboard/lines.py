"""Lines of a JSONL file by their byte offsets, so that no file is ever read as a whole.

A line counts once its newline is there: what follows the last newline is still being written, or was cut.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from practicum.errors import InputError
from practicum.files import json_object

BLOCK = 1 << 16
LONGEST = 1 << 22
"""Bytes of a line; a longer one is no row."""

Row = dict[str, Any]
Line = tuple[int, bytes]
"""The offset at which a line begins, and its bytes without the newline."""


def row_of(line: bytes) -> Row | None:
    """The object that a line holds, None where it holds none."""
    try:
        return json_object(line)
    except InputError:
        return None


def size_of(path: Path) -> int:
    """Bytes of a file; 0 where there is none."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def forward(path: Path, start: int = 0, end: int | None = None) -> Iterator[Line]:
    """Whole lines from the offset `start`, at which one begins, up to `end` or the file's end."""
    try:
        stream = open(path, "rb")  # noqa: SIM115
    except OSError:
        return
    with stream:
        stream.seek(start)
        offset = start
        while end is None or offset < end:
            line = stream.readline(LONGEST)
            if not line.endswith(b"\n"):
                if len(line) < LONGEST:
                    return
                line += _rest_of_line(stream)
                if not line.endswith(b"\n"):
                    return
            yield offset, line[:-1]
            offset = stream.tell()


def _rest_of_line(stream: BinaryIO) -> bytes:
    """Skip what is left of an overlong line; a newline if it has an end, whose text is no row any more."""
    while True:
        piece = stream.readline(LONGEST)
        if piece.endswith(b"\n"):
            return b"\0\n"
        if not piece:
            return b""


def backward(path: Path, end: int | None = None, start: int = 0) -> Iterator[Line]:
    """Whole lines that begin before the offset `end`, the last one first, down to `start`."""
    try:
        stream = open(path, "rb")  # noqa: SIM115
    except OSError:
        return
    with stream:
        place = stream.seek(0, os.SEEK_END) if end is None else min(end, stream.seek(0, os.SEEK_END))
        # Bytes behind `place` of a line whose beginning is not read yet; None until a newline was seen.
        tail: bytes | None = None
        while place > start:
            length = min(BLOCK, place - start)
            place -= length
            stream.seek(place)
            parts = stream.read(length).split(b"\n")
            if len(parts) == 1:
                tail = None if tail is None else (parts[0] + tail)[-LONGEST - 1 :]
                continue
            if tail is not None:
                yield place + length - len(parts[-1]), parts[-1] + tail
            offset = place + length - len(parts[-1])
            for part in reversed(parts[1:-1]):
                offset -= len(part) + 1
                yield offset, part
            tail = parts[0]
        if tail is not None:
            yield start, tail


def last_row(path: Path) -> Row | None:
    """The last whole row of a file, among its last few lines; None where they hold none."""
    for count, (_, line) in enumerate(backward(path)):
        row = row_of(line)
        if row is not None or count == 4:
            return row
    return None


def ends_whole(path: Path) -> bool:
    """Whether a file is empty or ends in a newline."""
    size = size_of(path)
    if not size:
        return True
    try:
        with open(path, "rb") as stream:
            stream.seek(size - 1)
            return stream.read(1) == b"\n"
    except OSError:
        return False


def spread_rows(path: Path, count: int) -> list[Row]:
    """About `count` rows at even distances through a file, the first and the last among them."""
    size, found, seen = size_of(path), list[Row](), -1
    if not size:
        return found
    try:
        stream = open(path, "rb")  # noqa: SIM115
    except OSError:
        return found
    with stream:
        for number in range(count):
            place = size * number // count
            if place <= seen:
                continue
            stream.seek(max(place - 1, 0))
            if place:
                # The line that this place is in the middle of.
                stream.readline(LONGEST)
            line = stream.readline(LONGEST)
            seen = stream.tell() - 1
            row = row_of(line) if line.endswith(b"\n") else None
            if row is not None:
                found.append(row)
    last = last_row(path)
    return found if last is None or (found and found[-1] == last) else [*found, last]


def first_from(path: Path, step: float) -> int:
    """The offset of the first row whose `step` is `step` or more, in a file whose steps never fall."""
    low, high = 0, size_of(path)
    while high - low > BLOCK:
        middle = (low + high) // 2
        found = next(_rows_after(path, middle, high), None)
        if found is None:
            high = middle
        elif step_of(found[1]) < step:
            low = found[0]
        else:
            high = middle
    for offset, line in forward(path, low):
        row = row_of(line)
        if row is not None and step_of(row) >= step:
            return offset
    return size_of(path)


def _rows_after(path: Path, place: int, end: int) -> Iterator[tuple[int, Row]]:
    """Rows whose line begins behind `place`, which may be in the middle of a line."""
    with open(path, "rb") as stream:
        stream.seek(place)
        start = place + len(stream.readline(LONGEST))
    for offset, line in forward(path, start, end):
        row = row_of(line)
        if row is not None and "step" in row:
            yield offset, row


def finite(value: float) -> float:
    """A number as a finite float, NaN for any other: for bool, and whole numbers beyond all floats."""
    if isinstance(value, bool):
        return math.nan
    try:
        number = float(value)
    except OverflowError:
        return math.nan
    return number if math.isfinite(number) else math.nan


def step_of(row: Row) -> float:
    """The step of a row; below all others where it has none."""
    value = row.get("step")
    step = finite(value) if isinstance(value, (int, float)) else math.nan
    return -math.inf if math.isnan(step) else step
