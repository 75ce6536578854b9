"""What a logger is to a run: a place that takes rows of numbers, each in a file of its own beside this one.

Such a file has one function, `open_sink(about, key, after) -> Sink`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

PROJECT = "practicum"
"""What runs are filed under where the library's own environment variable names nothing else."""


@dataclass(frozen=True)
class About:
    """A run as a logger files it: `name` for people, its folder, and its settings by dotted key.

    `runs` is the folder that holds it, or, of a part of a run, the whole.
    """

    name: str
    folder: Path
    runs: Path
    settings: Mapping[str, Any]


class Sink(Protocol):
    """Takes the rows of one run. Every call comes from one thread, and may raise whatever its library does.

    `key` is what the logger knows the run by: given again, the run goes on there. `where` tells a person
    where to look.
    """

    key: str
    where: str

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Take the row of a step, under the names of `names.logged_names`; all values are finite."""
        ...

    def go_back(self, step: int) -> None:
        """The steps after `step` are void; they will come again."""
        ...

    def close(self) -> None:
        """Send what is left to send; no further row comes."""
        ...
