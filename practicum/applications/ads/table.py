"""A CSV file as columns, whose errors name the file, the row and the column."""

from __future__ import annotations

import csv
import gzip
import io
import math
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from practicum.errors import InputError

GZIP = b"\x1f\x8b"


@dataclass(frozen=True)
class Table:
    """Columns of texts by name. Row 0 is line 2 of the file, after the names."""

    path: str
    columns: dict[str, list[str]]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    @property
    def names(self) -> list[str]:
        """The names of the columns, in their order."""
        return list(self.columns)

    def place(self, row: int, column: str) -> str:
        """Where a cell is, for an error line."""
        return f"{self.path}:{row + 2}: column {column}"

    def texts(self, column: str) -> list[str]:
        """The cells of a column, none of which is empty. Raises InputError for an empty one."""
        cells = self.columns[column]
        for row, cell in enumerate(cells):
            if not cell:
                raise InputError(f"{self.place(row, column)}: empty; fill it, or leave the row out")
        return cells

    def numbers(self, column: str, low: float, high: float, *, above: bool = False) -> NDArray[np.float64]:
        """The numbers of a column, each from `low` to `high`, with `above` greater than `low`.

        Raises InputError for an empty cell, what is no number, and what lies outside.
        """
        cells = self.columns[column]
        values = np.array([as_number(cell) for cell in cells])
        inside = (values > low if above else values >= low) & (values <= high)
        if not inside.all():
            row = int(np.argmin(inside))
            got = f"got {cells[row]!r}" if cells[row] else "the cell is empty"
            bounds = f"above {low:g} and at most {high:g}" if above else f"from {low:g} to {high:g}"
            raise InputError(f"{self.place(row, column)}: expected a number {bounds}, {got}")
        return values


def as_number(cell: str) -> float:
    """The number in a cell, NaN for anything that is none or not finite."""
    try:
        value = float(cell)
    except ValueError:
        return math.nan
    return value if math.isfinite(value) else math.nan


def read_table(path: Path) -> Table:
    """The table in a CSV file, gzipped or not. Raises InputError naming the file and the line."""
    try:
        data = path.read_bytes()
        text = (gzip.decompress(data) if data.startswith(GZIP) else data).decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (EOFError, zlib.error) as error:
        raise InputError(f"{path}: the gzip file is damaged ({error}): fetch it again") from error
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: no UTF-8 text (byte {error.start + 1}): write it as CSV in UTF-8"
        ) from error
    return parse_table(str(path), text)


def parse_table(path: str, text: str) -> Table:
    """The table of a CSV text; `path` is for error lines. Raises InputError naming the line."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        rows = [row for row in reader if row]
    except csv.Error as error:
        raise InputError(f"{path}:{reader.line_num}: no CSV ({error})") from error
    if len(rows) < 2:
        raise InputError(f"{path}: expected a line of column names and rows below it, got {len(rows)} lines")
    names = [name.strip() for name in rows[0]]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise InputError(f"{path}:1: the column {name!r} stands there twice")
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(names):
            raise InputError(f"{path}:{number}: {len(row)} cells, the line of names has {len(names)}")
    cells = zip(*rows[1:], strict=True)
    return Table(
        path, {name: [cell.strip() for cell in column] for name, column in zip(names, cells, strict=True)}
    )
