"""Settings of the benches."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from practicum.bench.measure import Side, memory_of
from practicum.errors import InputError

HINT = "install the rivals with: pip install 'practicum[bench]'"


@dataclass(frozen=True)
class Bench:
    """Speed against a named rival and against the machine's limit."""

    threads: int = 1
    """CPU threads of both sides."""
    pairs: int = 5
    """Runs of each side, made in alternation; a ratio is the median over the pairs."""
    quick: bool = False
    """Tiny sizes and no memory, to see that a bench works; the figures mean nothing."""
    peaks: bool = True
    """Measure each side's peak memory, in processes of their own."""

    def __post_init__(self) -> None:
        for name in ("threads", "pairs"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}; it must be at least 1")

    def memory(self, ours: Side, rival: Side | None) -> tuple[float | None, float | None]:
        """Peak memory of both sides in MB, where it is measured; never when quick."""
        return (None, None) if self.quick or not self.peaks else memory_of(ours, rival, self.threads)


@dataclass(frozen=True)
class Race(Bench):
    """Practice from one model of worked problems to a share of right answers, against the rival."""

    model: Path | None = None
    """Where both sides start: a model folder or an sft run's folder; none takes the newest in runs/."""
    target: float = 0.95
    """Share of held-out problems to be answered rightly, greedily."""
    problems: int = 500
    """Held-out problems of an examination, the same in all of them; the clock stops for it."""
    examine_every: int = 2
    """Updates between examinations."""
    limit_multiple: float = 5.0
    """The rival is stopped after so many times our seconds; its time is then a lower bound."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("problems", "examine_every"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if not 0 <= self.target <= 1:
            raise InputError(f"target is {self.target}; it is a share, from 0 to 1")
        if self.limit_multiple < 1:
            raise InputError(f"limit_multiple is {self.limit_multiple}; it must be at least 1")


def installed(package: str) -> bool:
    """Whether a rival can be imported."""
    return importlib.util.find_spec(package) is not None
