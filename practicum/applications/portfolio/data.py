"""Daily prices: those that ship with skfolio, or a person's own file, checked row by row.

A table has a date column and one column of prices for each asset (CSV, TSV, Parquet or JSONL, gzipped or
not). A table without dates is read when its date column is "none"; its rows are then numbered from 1.
"""

from __future__ import annotations

import hashlib
import importlib.resources
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from practicum.data.rows import Row, read_rows
from practicum.errors import InputError

Floats = NDArray[np.float64]
NO_DATES = "none"
FEWEST_ASSETS = 2
SMALLEST_PRICE, LARGEST_PRICE = 1e-12, 1e24
"""The ratio of any two lies well within what a float holds."""
LARGEST_JUMP = 1000.0
"""Times a price may rise or fall by in a day. What is beyond is a slip, and would be most of every return."""
BLANK = ("", "nan", "na", "n/a", "null", "none", "-")
DAY = re.compile(r"(\d{4}-\d{2}-\d{2})(?:[T ].*)?")
"""A day, and perhaps a time, which is left out: these are closing prices."""


@dataclass(frozen=True)
class Prices:
    """Closing prices of several assets on the same days.

    dates: T texts, `YYYY-MM-DD` in order, or row numbers where the table has none; prices_TN: positive.
    """

    dates: tuple[str, ...]
    names: tuple[str, ...]
    prices_TN: Floats
    source: str

    @property
    def relatives(self) -> Floats:
        """What one unit of money in each asset becomes by the next day; T - 1 rows."""
        return self.prices_TN[1:] / self.prices_TN[:-1]

    @property
    def digest(self) -> str:
        """Twelve hexadecimal digits that name these very prices."""
        text = "\n".join([*self.dates, *self.names]).encode()
        return hashlib.sha256(text + np.ascontiguousarray(self.prices_TN).tobytes()).hexdigest()[:12]


def bundled_prices() -> Prices:
    """20 names of the S&P 500 from 1990-01-02 to 2022-12-28, as skfolio ships them.

    Raises InputError when skfolio is not installed.
    """
    try:
        packed = importlib.resources.files("skfolio.datasets.data").joinpath("sp500_dataset.csv.gz")
        with importlib.resources.as_file(packed) as path:
            found = read_prices(path)
    except (ModuleNotFoundError, FileNotFoundError) as error:
        raise InputError(
            "the default prices come with skfolio, which is not installed: "
            "pip install 'practicum[applications]', or give your own with --data FILE"
        ) from error
    return Prices(found.dates, found.names, found.prices_TN, "skfolio's S&P 500 names")


def read_prices(path: Path, *, date_column: str = "date", assets: Sequence[str] = ()) -> Prices:
    """The prices in a file; `assets` names the columns wanted, none means all but the date.

    Raises InputError that names the file, and the row and column of what is wrong.
    """
    rows = read_rows(path, "prices")
    header = list(rows[0].values)
    dated = _date_column(header, date_column, path)
    names = _asset_columns(header, dated, assets, path)
    days = [str(number) for number in range(1, len(rows) + 1)]
    if dated is not None:
        days = [_day(row, dated) for row in rows]
        for before, day, row in zip(days, days[1:], rows[1:], strict=False):
            _check_order(before, day, row, dated)
    prices = np.array([[_price(row, name) for name in names] for row in rows], dtype=np.float64)
    _check_jumps(prices, rows, names)
    return Prices(tuple(days), tuple(names), prices, path.name)


def _date_column(header: Sequence[str], wanted: str, path: Path) -> str | None:
    if wanted.lower() == NO_DATES:
        return None
    found = [name for name in header if name.strip().lower() == wanted.lower()]
    if len(found) == 1:
        return found[0]
    problem = "no column is" if not found else "two columns are"
    raise InputError(
        f"{path}: {problem} named {wanted!r} (there are {_listed(header)}); name the dates with "
        f"--date_column, which is {NO_DATES} for a table without dates"
    )


def _asset_columns(header: Sequence[str], dated: str | None, assets: Sequence[str], path: Path) -> list[str]:
    for name in assets:
        if name not in header:
            raise InputError(f"{path}: no column {name!r} for an asset (there are {_listed(header)})")
        if name == dated or list(assets).count(name) > 1:
            raise InputError(f"assets: {name!r} is the date column or comes twice; name each asset once")
    names = list(assets) or [name for name in header if name != dated]
    if len(names) < FEWEST_ASSETS:
        told = f"a single asset, {names[0]}" if names else "no asset"
        raise InputError(
            f"{path}: {told}; weights need at least {FEWEST_ASSETS} columns of prices beside the date"
        )
    return names


def _listed(header: Sequence[str]) -> str:
    shown = ", ".join(header[:8])
    return shown if len(header) <= 8 else f"{shown} and {len(header) - 8} more"


def _day(row: Row, name: str) -> str:
    text = str(row.values.get(name, "")).strip()
    match = DAY.fullmatch(text)
    try:
        return date.fromisoformat(match.group(1) if match else text[:0]).isoformat()
    except ValueError as error:
        raise InputError(
            f"{row.origin}, column {name}: {text!r} is no date; write it as YYYY-MM-DD"
        ) from error


def _check_order(before: str, day: str, row: Row, name: str) -> None:
    if day == before:
        raise InputError(f"{row.origin}, column {name}: {day} comes twice; keep one row a day")
    if day < before:
        raise InputError(
            f"{row.origin}, column {name}: {day} follows {before}; sort the rows by date, oldest first"
        )


def _check_jumps(prices_TN: Floats, rows: Sequence[Row], names: Sequence[str]) -> None:
    jumps_TN = np.abs(np.diff(np.log(prices_TN), axis=0)) > math.log(LARGEST_JUMP) + 1e-9
    if jumps_TN.any():
        day, place = (int(index) for index in np.argwhere(jumps_TN)[0])
        raise InputError(
            f"{rows[day + 1].origin}, column {names[place]}: the price goes from {prices_TN[day, place]:g} "
            f"to {prices_TN[day + 1, place]:g} in a day, more than {LARGEST_JUMP:g} times: correct the slip, "
            "adjust for the split, or leave out the asset"
        )


def _price(row: Row, name: str) -> float:
    cell = row.values.get(name)
    text = "" if cell is None else str(cell).strip()
    place = f"{row.origin}, column {name}"
    if text.lower() in BLANK:
        raise InputError(
            f"{place}: no price; every day needs every price: fill the gap, or leave out the row or the asset"
        )
    try:
        value = float(text)
    except ValueError as error:
        raise InputError(f"{place}: {text!r} is no number; expected a price") from error
    if not value > 0:
        raise InputError(f"{place}: the price {text} is not positive; expected prices, not returns")
    if not (math.isfinite(value) and SMALLEST_PRICE <= value <= LARGEST_PRICE):
        raise InputError(
            f"{place}: the price {text} is out of range; expected {SMALLEST_PRICE:g} to {LARGEST_PRICE:g}"
        )
    return value
