"""The instruments of `practicum audit`, and the one place that prints what they found.

An instrument is a module with a `Config` and an `audit`, an Instrument: it measures, and says what it found
as lines, plain values and sections of a page. Only calling it prints anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from rich.table import Table

    from practicum.report.sections import Section

INSTRUMENTS: Mapping[str, str] = {
    "exploits": "practicum.audit.gaming",
    "overoptimization": "practicum.audit.overoptimization",
    "bias": "practicum.audit.bias",
    "distortion": "practicum.audit.distortion",
    "budget": "practicum.audit.budget",
    "guard": "practicum.audit.guard",
    "detectors": "practicum.audit.record",
    "verifier": "practicum.audit.verifiable",
    "rank-table": "practicum.audit.rank_table",
}
"""Name on the command line -> module."""
GUARD_STOPS = 3
"""Exit code when the guard would not let the run go on."""

ConfigT = TypeVar("ConfigT")
ResultT = TypeVar("ResultT")


@dataclass(frozen=True)
class Instrument(Generic[ConfigT, ResultT]):
    """One instrument. Called with its settings it measures, prints, writes, and returns plain values.

    `run` measures and changes nothing. `lines`: what a terminal shows, in order; `as_json`: plain values,
    with `exit_code` where it is not 0; `page`: (what was audited, the sections), for a setting `report`;
    `write` makes the other files that the settings ask for.
    """

    run: Callable[[ConfigT], ResultT]
    lines: Callable[[ResultT], Sequence[str | Table]]
    as_json: Callable[[ResultT], dict[str, Any]]
    page: Callable[[ResultT], tuple[str, Sequence[Section]]] | None = None
    write: Callable[[ResultT], None] | None = None

    def __call__(self, config: ConfigT) -> dict[str, Any]:
        """Measure, print, write; `report` among the values is the path of the page."""
        result = self.run(config)
        for line in self.lines(result):
            show(line)
        values = self.as_json(result)
        if self.write is not None:
            self.write(result)
        folder: Path | None = getattr(config, "report", None)
        if self.page is not None and folder is not None:
            from practicum.report.sections import write

            subject, sections = self.page(result)
            values["report"] = str(write(sections, subject, folder)[0])
            print(f"report: {values['report']}")
        return values


def show(line: str | Table) -> None:
    """Print a line as it is, or a table as wide as the terminal."""
    if isinstance(line, str):
        print(line)
        return
    from rich.console import Console

    Console().print(line)


def named(paths: Sequence[Path]) -> str:
    """What was audited, in words: these files, or the linear reward that stands in where there are none."""
    return ", ".join(map(str, paths)) or "a linear reward model"
