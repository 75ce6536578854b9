"""Logs of shown items with propensities: Open Bandit's files, or anybody's own by the names of their columns.

A log holds, of each row: the context, which item was shown and where, with what probability (the propensity),
and whether it was clicked. Several files are several campaigns on the same items.

```
timestamp,item_id,position,click,propensity_score,user_feature_0,...,user-item_affinity_0,...
2019-11-24 00:03:13,14,3,0,0.0294,cef3390e,...,0.0,...
```
Dimensions: N rows, F features of a context, A items, G features of an item.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from practicum.applications.ads.columns import DataConfig, Named, columns_of
from practicum.applications.ads.encoding import context_features, item_features
from practicum.applications.ads.table import Table, read_table
from practicum.errors import InputError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

HEAVY = 100.0
"""A row that weighs more than this for a policy that shows all items evenly is told of."""
FEWEST_ROWS = 100


@dataclass(frozen=True)
class Contexts:
    """What a policy sees: features of the visitor and the place, and the visitor's affinity to each item."""

    features_NF: Floats
    affinity_NA: Floats

    def __len__(self) -> int:
        return len(self.features_NF)

    def take(self, rows: Integers) -> Contexts:
        """The contexts of some rows."""
        return Contexts(self.features_NF[rows], self.affinity_NA[rows])


@dataclass(frozen=True)
class Catalogue:
    """The items: their names, their features, the category by which visitors tire of them."""

    names: tuple[str, ...]
    features_AG: Floats
    category_A: Integers

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True)
class Log:
    """A logged campaign, or several; `place_N` is the position on the page, from 0."""

    contexts: Contexts
    action_N: Integers
    click_N: Floats
    propensity_N: Floats
    place_N: Integers
    campaign_N: Integers
    items: Catalogue
    features: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.action_N)

    @property
    def clicks(self) -> float:
        """Sum of the clicks."""
        return float(self.click_N.sum())

    def take(self, rows: Integers) -> Log:
        """Some rows, in the order given."""
        return dataclasses.replace(
            self,
            contexts=self.contexts.take(rows),
            **{
                name: getattr(self, name)[rows]
                for name in ("action_N", "click_N", "propensity_N", "place_N", "campaign_N")
            },
        )

    def halves(self, seed: int) -> tuple[Log, Log]:
        """Two random halves: a policy learns from one and is judged on the other."""
        rows = np.random.default_rng([seed, 16]).permutation(len(self))
        return self.take(np.sort(rows[: len(rows) // 2])), self.take(np.sort(rows[len(rows) // 2 :]))


def read_log(config: DataConfig) -> Log:
    """The log in `config.file`, several files as campaigns on the same items.

    Raises InputError that names file, row and column: no propensity, one of 0 or above 1, a click that is no
    number from 0 to 1, an item that the file of items lacks, files whose columns differ.
    """
    tables = [read_table(path) for path in config.file]
    found = columns_of(tables[0], config)
    for table in tables[1:]:
        if columns_of(table, config) != found:
            raise InputError(f"{table.path}:1: its columns are not those of {tables[0].path}")
    return log_of(tables, found, read_table(config.items) if config.items else None, config)


def log_of(tables: Sequence[Table], found: Named, items: Table | None, config: DataConfig) -> Log:
    """A log from tables that are read; the columns are known. Raises InputError as `read_log`."""
    names = _item_names(tables, found, items)
    number = {name: index for index, name in enumerate(names)}
    action_N = np.concatenate([_actions(table, found, number, items) for table in tables])
    contexts, features, notes = context_features(tables, found, names, config)
    if len(action_N) < FEWEST_ROWS:
        raise InputError(f"{tables[0].path}: {len(action_N)} rows; a log needs at least {FEWEST_ROWS}")
    log = Log(
        Contexts(*contexts),
        action_N,
        np.concatenate([table.numbers(found.click, 0, 1) for table in tables]),
        np.concatenate([table.numbers(found.propensity, 0, 1, above=True) for table in tables]),
        _places(tables, found),
        np.repeat(np.arange(len(tables)), [len(table) for table in tables]),
        Catalogue(names, *item_features(items, names)),
        features,
    )
    if not log.clicks:
        raise InputError(f"{tables[0].path}: no click in the column {found.click}: there is nothing to learn")
    if len(names) < 2:
        raise InputError(f"{tables[0].path}: only one item in the column {found.action}: nothing to choose")
    return dataclasses.replace(log, notes=(*notes, *_heavy_rows(tables, log)))


def _item_names(tables: Sequence[Table], found: Named, items: Table | None) -> tuple[str, ...]:
    """Names of the items: those of the file of items, or else those shown, numbers in their order."""
    if items is not None:
        names = items.texts(items.names[0])
        if len(set(names)) < len(names):
            twice = next(row for row, name in enumerate(names) if name in names[:row])
            raise InputError(
                f"{items.place(twice, items.names[0])}: item {names[twice]!r} stands there twice"
            )
        return tuple(names)
    shown = {name for table in tables for name in table.texts(found.action)}
    if not all(map(_is_number, shown)):
        return tuple(sorted(shown))
    # Items that were never shown have a column of affinity all the same.
    return tuple(sorted(shown | set(filter(_is_number, found.affinities)), key=_numbered))


def _is_number(name: str) -> bool:
    return name.isascii() and name.isdigit()


def _numbered(name: str) -> tuple[int, str, str]:
    """Orders whole numbers by size, however long they are."""
    digits = name.lstrip("0")
    return len(digits), digits, name


def _actions(table: Table, found: Named, number: Mapping[str, int], items: Table | None) -> Integers:
    shown = table.texts(found.action)
    for row, name in enumerate(shown):
        if name not in number:
            where = f"the items of {items.path}" if items is not None else "the items"
            raise InputError(f"{table.place(row, found.action)}: {name!r} is none of {where}")
    return np.array([number[name] for name in shown], dtype=np.int64)


def _places(tables: Sequence[Table], found: Named) -> Integers:
    if not found.position:
        return np.zeros(sum(map(len, tables)), dtype=np.int64)
    places = [name for table in tables for name in table.texts(found.position)]
    _, number = np.unique(np.array(places), return_inverse=True)
    return number.astype(np.int64)


def _heavy_rows(tables: Sequence[Table], log: Log) -> tuple[str, ...]:
    """A note on rows so unlikely that an estimate would rest on them; they are kept as they are."""
    weight_N = 1 / (len(log.items) * log.propensity_N)
    heavy = np.flatnonzero(weight_N > HEAVY)
    if not len(heavy):
        return ()
    worst = int(heavy[np.argmax(weight_N[heavy])])
    campaign = int(log.campaign_N[worst])
    row = worst - int(np.sum(log.campaign_N < campaign))
    # Relative to the heaviest, whose square might be too large for a float.
    relative_N = log.propensity_N[worst] / log.propensity_N
    effective = float(relative_N.sum() ** 2 / (relative_N**2).sum())
    return (
        f"{tables[campaign].path}:{row + 2}: propensity {log.propensity_N[worst]:g} "
        f"({len(heavy)} {'row has' if len(heavy) == 1 else 'rows have'} one as small): for a policy that "
        f"shows "
        f"all items evenly this row weighs {weight_N[worst]:,.0f} and the {len(log):,} rows are worth "
        f"{effective:,.0f}. Nothing is clipped: IPS and doubly robust feel it, switch sets such rows aside.",
    )
