"""From the texts of a log's columns to numbers: groups as 0 or 1, numbers centred and scaled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from practicum.applications.ads.columns import DataConfig, Named
from practicum.applications.ads.table import Table, as_number
from practicum.errors import InputError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

FEW = 10
"""A column of numbers with at most so many different ones is a column of groups."""
MANY = 50
"""A column of texts with more different ones than this is left out unless it is named."""
RARE = 0.005
"""Groups with a smaller share of the rows are one group, `other`."""
PARTS = ("night", "morning", "afternoon", "evening")
"""The parts of a day, six hours each."""
ANY_AFFINITY = "has an affinity"


def context_features(
    tables: Sequence[Table], found: Named, items: Sequence[str], config: DataConfig
) -> tuple[tuple[Floats, Floats], tuple[str, ...], tuple[str, ...]]:
    """(features [N, F], affinities [N, A]), the features' names, and notes on what was left out or filled in.

    Affinities, counts from 0, are taken as log(1 + count).
    """
    parts: list[tuple[Floats, list[str]]] = []
    notes: list[str] = []
    if found.position:
        cells = [cell for table in tables for cell in table.texts(found.position)]
        parts.append(_groups(found.position, cells))
    if found.time:
        parts.append(_parts_of_day(tables, found.time))
    for name in found.context:
        cells = [cell for table in tables for cell in table.columns[name]]
        numbers = np.array([as_number(cell) for cell in cells])
        different = len(set(cells))
        filled = [cell for cell in cells if cell]
        if different > FEW and not np.isnan([as_number(cell) for cell in filled]).any():
            parts.append(_scaled(name, numbers))
            if len(filled) < len(cells):
                notes.append(f"column {name}: {len(cells) - len(filled)} empty cells are taken as its mean")
        elif different > MANY and name not in config.context:
            notes.append(
                f"column {name} is left out: {different:,} different texts are names rather than groups; "
                f"--data.context {name} keeps its common ones"
            )
        else:
            parts.append(_groups(name, cells))
    affinity_NA = _affinities(tables, found.affinities, items)
    if found.affinities:
        parts.append(((affinity_NA.max(1, keepdims=True) > 0).astype(np.float64), [ANY_AFFINITY]))
    rows = sum(map(len, tables))
    features_NF = np.concatenate([np.zeros((rows, 0)), *(values for values, _ in parts)], axis=1)
    return (features_NF, affinity_NA), tuple(name for _, names in parts for name in names), tuple(notes)


def item_features(items: Table | None, names: Sequence[str]) -> tuple[Floats, Integers]:
    """Features of the items [A, G], and each item's category.

    The category is the group of the column of texts with the fewest groups, two at least; without such a
    column each item is a category of its own.
    """
    parts: list[Floats] = [np.zeros((len(names), 0))]
    category_A = np.arange(len(names))
    fewest = len(names)
    for name in [] if items is None else items.names[1:]:
        cells = items.columns[name]  # type: ignore[union-attr]
        numbers = np.array([as_number(cell) for cell in cells])
        if not np.isnan(numbers).any() and len(set(cells)) > FEW:
            parts.append(_scaled(name, numbers)[0])
            continue
        groups, number = np.unique(np.array(cells), return_inverse=True)
        if 2 <= len(groups) < fewest:
            fewest, category_A = len(groups), number.astype(np.int64)
        if 2 <= len(groups) <= max(2, len(names) // 2):
            parts.append(np.eye(len(groups))[number])
    return np.concatenate(parts, axis=1), category_A


def _affinities(tables: Sequence[Table], columns: Mapping[str, str], items: Sequence[str]) -> Floats:
    affinity_NA = np.zeros((sum(map(len, tables)), len(items)))
    for number, item in enumerate(items):
        if item in columns:
            counts = [table.numbers(columns[item], 0, 1e9) for table in tables]
            affinity_NA[:, number] = np.log1p(np.concatenate(counts))
    return affinity_NA


def _groups(name: str, cells: Sequence[str]) -> tuple[Floats, list[str]]:
    """A column of 0 and 1 for each group; the rare ones and those after the MANY commonest are `other`."""
    counts = Counter(cells).most_common()
    kept = [cell for cell, count in counts[:MANY] if count >= RARE * len(cells)]
    number = {cell: index for index, cell in enumerate(sorted(kept))}
    other = len(kept) if len(kept) < len(counts) else None
    width = len(kept) + (other is not None)
    rows = np.array([number.get(cell, other) for cell in cells], dtype=np.int64)
    # Open Bandit's groups are hashes of 32 characters: 8 tell them apart.
    names = [f"{name} = {cell[:8] or 'empty'}" for cell in sorted(kept)]
    return np.eye(width)[rows], [*names, f"{name} = other"][:width]


def _scaled(name: str, numbers: Floats) -> tuple[Floats, list[str]]:
    """Centred, of standard deviation 1; missing ones at the mean."""
    centre, spread = float(np.nanmean(numbers)), float(np.nanstd(numbers))
    scaled = (np.nan_to_num(numbers, nan=centre) - centre) / (spread or 1.0)
    return scaled[:, None], [name]


def _parts_of_day(tables: Sequence[Table], column: str) -> tuple[Floats, list[str]]:
    """Night, morning, afternoon, evening as 0 or 1."""
    parts = []
    for table in tables:
        for row, cell in enumerate(table.texts(column)):
            try:
                parts.append(datetime.fromisoformat(cell.replace("Z", "+00:00")).hour // 6)
            except ValueError:
                raise InputError(
                    f"{table.place(row, column)}: expected a date and time as 2019-11-24 00:03:13, got "
                    f"{cell!r}; --data.time none leaves the column out"
                ) from None
    return np.eye(4)[np.array(parts)], list(PARTS)
