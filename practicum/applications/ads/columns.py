"""Which column of a log is what: names that were given, or else the usual ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from practicum.applications.ads.table import Table
from practicum.errors import InputError
from practicum.ranges import Common, Ranged

USUAL: Mapping[str, tuple[str, ...]] = {
    "action": ("item_id", "action", "arm", "item", "ad", "ad_id", "variant"),
    "click": ("click", "clicked", "reward"),
    "propensity": ("propensity_score", "propensity", "pscore", "probability", "prob"),
    "position": ("position", "slot", "place"),
    "time": ("timestamp", "time", "date"),
}
"""Names by which a column is found, the likeliest first; capitals do not matter."""
NEEDED = {"action": "the item shown", "click": "the click", "propensity": "the probability of showing it"}
AFFINITY = "user-item_affinity_"
NONE = "none"


@dataclass(frozen=True)
class DataConfig(Ranged, section="data"):
    """A log of your own, or Open Bandit's: CSV files, gzipped or not, one a campaign on the same items.

    Columns are found by their usual names; a name given here wins, and `none` turns one off.
    """

    file: Common[tuple[Path, ...]] = ()
    """The files. Without any, a log with a known truth is made up."""
    items: Path | None = None
    """CSV file with a row for each item: its name first, then its features."""
    action: str = ""
    """Column of the item shown. Guessed: item_id, action, arm, item, ad, variant."""
    click: str = ""
    """Column of the click, a number from 0 to 1. Guessed: click, clicked, reward."""
    propensity: str = ""
    """Column of the probability with which the item was chosen. Guessed: propensity_score, propensity, pscore."""
    position: str = ""
    """Column of the place on the page. Guessed: position, slot, place."""
    time: str = ""
    """Column of the date and time, ISO 8601. Guessed: timestamp, time, date."""
    context: tuple[str, ...] = ()
    """Columns of the visitor's features; without names all that are left."""
    affinity: str = AFFINITY
    """How the names of the columns of a visitor's affinity to each item begin; the item's name follows."""

    def without_effect(self) -> Mapping[str, str]:
        """What is said of files, where there are none."""
        if self.file:
            return {}
        others = [field.name for field in fields(self) if field.name != "file"]
        return dict.fromkeys(others, "there is no log: give --data FILE")


@dataclass(frozen=True)
class Named:
    """The column of each role; empty where there is none. `affinities`: item -> column."""

    action: str
    click: str
    propensity: str
    position: str
    time: str
    context: tuple[str, ...]
    affinities: Mapping[str, str]


def columns_of(table: Table, config: DataConfig) -> Named:
    """The columns of a table. Raises InputError for one that is needed, or was named, and is not there."""
    roles = {role: _column(table, role, getattr(config, role)) for role in USUAL}
    for role, words in NEEDED.items():
        if not roles[role]:
            raise InputError(
                f"{table.path}:1: no column of {words}; name it with --data.{role}, the file has "
                f"{_some(table.names)}"
            )
    affinities = {
        name.removeprefix(config.affinity): name
        for name in table.names
        if config.affinity not in ("", NONE) and name.startswith(config.affinity)
    }
    taken = {*roles.values(), *affinities.values()}
    for name in config.context:
        if name != NONE and (name not in table.columns or name in taken):
            why = "is taken by another role" if name in taken else "is none of the file's columns"
            raise InputError(f"{table.path}:1: {name!r} of --data.context {why}: {_some(table.names)}")
    context = config.context or tuple(name for name in table.names if name and name not in taken)
    return Named(**roles, context=tuple(name for name in context if name != NONE), affinities=affinities)


def _column(table: Table, role: str, given: str) -> str:
    if given and given != NONE and given not in table.columns:
        raise InputError(
            f"{table.path}:1: no column {given!r} for --data.{role}, it has {_some(table.names)}"
        )
    if given:
        return "" if given == NONE else given
    lower = {name.lower(): name for name in reversed(table.names)}
    return next((lower[name] for name in USUAL[role] if name in lower), "")


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
