"""What an application found: one honest sentence, a table, figures, and all numbers; shown and written alike.

An application's command module has a `Config` and `apply(config, folder) -> Outcome`, and ends with
`run = published("ads", apply)`: that is the command, with its run folder, results.json and report.html.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from practicum.applications.page import shown, write_page
from practicum.errors import InputError
from practicum.files import atomic_write, read_json, to_json
from practicum.run.folder import LOCK, Run

Config = TypeVar("Config")
RESULTS = "results.json"


@dataclass(frozen=True)
class Table:
    """Rows of cells, the first of each its name; a number is shown with four figures."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str | float | int | None]]
    caption: str = ""


@dataclass(frozen=True)
class Panel:
    """One chart of a figure: lines by name, each with a value (None: no value) for every x of the figure.

    share: values are shown in per cent. bands: low and high by the name of a line. stepped: values hold until
    the next one.
    """

    title: str
    lines: Mapping[str, Sequence[float | None]]
    bands: Mapping[str, tuple[Sequence[float | None], Sequence[float | None]]] = field(default_factory=dict)
    share: bool = False
    stepped: bool = False


@dataclass(frozen=True)
class Figure:
    """An interactive picture: panels over one axis, whose values are read off by pointing.

    x: numbers, or labels as dates, ascending. notes: what is said beside the values at each x, as what a
    policy did there and why; empty or one for each x. Lines of one name have one colour in all panels.
    """

    title: str
    caption: str
    x: Sequence[float | str]
    panels: Sequence[Panel]
    x_label: str = ""
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Outcome:
    """What an application found.

    headline: the figure reached, good or bad, as one sentence. table: policy against baselines. data: all
    numbers, as --json prints them. more: further tables for the page. notes: sentences for the page.
    """

    headline: str
    table: Table
    data: Mapping[str, Any]
    figures: Sequence[Figure] = ()
    more: Sequence[Table] = ()
    notes: Sequence[str] = ()


def published(name: str, apply: Callable[[Any, Path], Outcome]) -> Callable[..., dict[str, Any]]:
    """The command of an application: `run(config, folder, resume=False) -> what --json prints`.

    The folder is new, or continued with `resume`; `apply` gets it open and locked, and keeps in folders below
    it what it trains (`train_agent(..., resume=True)` continues there, or begins). A finished run is not
    computed again. Prints table and headline, writes results.json, report.html and summary.json.
    """

    def run(config: object, folder: Path, *, resume: bool = False) -> dict[str, Any]:
        opened = Run.open(folder, config, f"apply {name}", resume=resume)
        stored = folder / RESULTS
        if resume and stored.is_file() and (folder / "summary.json").is_file():
            found: dict[str, Any] = read_json(stored, "remove it: resuming writes another")
            print(found["headline"])
            return found
        try:
            outcome = apply(config, folder)
        except InputError:
            _leave_no_trace(folder)
            raise
        found = {"headline": outcome.headline, **outcome.data}
        atomic_write(stored, to_json(found, indent=2) + "\n")
        page = write_page(name, outcome, folder)
        opened.finish({"headline": outcome.headline})
        print("\n".join(lines(outcome.table)))
        print(f"\n{outcome.headline}\n\nreport: {page}")
        return found

    return run


def _leave_no_trace(folder: Path) -> None:
    """Remove a run's folder in which nothing was done yet, as where the data could not be read."""
    if not {path.name for path in folder.iterdir()} - {"config.toml", "environment.json", LOCK}:
        shutil.rmtree(folder)


def lines(table: Table) -> list[str]:
    """A table as plain text, numbers to the right."""
    cells = [list(map(str, table.columns)), *([shown(cell) for cell in row] for row in table.rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    text = [
        "  ".join(
            cell.ljust(width) if place == 0 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    ]
    return [text[0], "-" * (sum(widths) + 2 * (len(widths) - 1)), *text[1:]]
