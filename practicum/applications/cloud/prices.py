"""What an hour of an instance costs: a small table, or a file of one's own."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from practicum.errors import InputError

SOURCE = "AWS on-demand list prices, us-east-1 (N. Virginia), Linux, as published in 2024"


@dataclass(frozen=True)
class Instance:
    """A type of instance: how many requests it serves at once (virtual processors), dollars an hour."""

    name: str
    vcpu: int
    dollars_per_hour: float


TABLE = tuple(
    Instance(name, vcpu, dollars)
    for name, vcpu, dollars in (
        ("t3.large", 2, 0.0832),
        ("m5.large", 2, 0.096),
        ("m5.xlarge", 4, 0.192),
        ("c5.large", 2, 0.085),
        ("c5.xlarge", 4, 0.17),
        ("r5.large", 2, 0.126),
        ("m6i.large", 2, 0.096),
        ("m6i.xlarge", 4, 0.192),
        ("c6i.large", 2, 0.085),
        ("c6i.xlarge", 4, 0.17),
        ("m6g.large", 2, 0.077),
        ("c6g.large", 2, 0.068),
        ("m7g.large", 2, 0.0816),
        ("c7g.large", 2, 0.0725),
    )
)
COLUMNS = {
    "instance_type": ("instance_type", "instance", "type", "name"),
    "vcpu": ("vcpu", "vcpus", "cores"),
    "price": ("ondemand_usd_h", "price", "usd_per_hour", "dollars_per_hour"),
}


def find_instance(name: str, prices: Path | None = None) -> Instance:
    """The type of that name in the table or the file. Raises InputError that lists what there is."""
    known = read_prices(prices) if prices else TABLE
    for instance in known:
        if instance.name == name:
            return instance
    place = str(prices) if prices else "the built-in table"
    raise InputError(
        f"fleet.instance: {place} has no {name!r}; it has {', '.join(one.name for one in known)}"
    )


def read_prices(path: Path) -> tuple[Instance, ...]:
    """Types of a CSV with columns instance_type, vcpu and ondemand_usd_h (or their usual other names).

    Raises InputError naming row and column.
    """
    try:
        with open(path, newline="", encoding="utf-8-sig") as stream:
            rows = list(csv.reader(stream))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from error
    header = [cell.strip().lower() for cell in rows[0]] if rows else []
    places = {role: _place(path, header, role, names) for role, names in COLUMNS.items()}
    found = [_instance(path, number, row, places) for number, row in enumerate(rows[1:], start=2) if row]
    if not found:
        raise InputError(f"{path}: no rows below the header: give at least one type of instance")
    return tuple(found)


def _place(path: Path, header: Sequence[str], role: str, names: Sequence[str]) -> int:
    for name in names:
        if name in header:
            return header.index(name)
    raise InputError(
        f"{path}: no column for {role}: expected one named {' or '.join(names)}, got {', '.join(header)}"
    )


def _instance(path: Path, number: int, row: Sequence[str], places: dict[str, int]) -> Instance:
    if len(row) <= max(places.values()):
        raise InputError(f"{path}: row {number}: expected {max(places.values()) + 1} cells, got {len(row)}")
    cells = {role: row[place].strip() for role, place in places.items()}
    if not cells["instance_type"]:
        raise InputError(f"{path}: row {number}, column 'instance_type': expected a name, got nothing")
    vcpu = _positive(path, number, "vcpu", cells["vcpu"])
    if vcpu != int(vcpu):
        raise InputError(f"{path}: row {number}, column 'vcpu': expected a whole number, got {cells['vcpu']}")
    return Instance(cells["instance_type"], int(vcpu), _positive(path, number, "price", cells["price"]))


def _positive(path: Path, number: int, column: str, cell: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise InputError(f"{path}: row {number}, column {column!r}: expected a number above 0, got {cell!r}")
    return value
