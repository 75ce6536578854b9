"""Settings that every bench shares."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass

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

    def __post_init__(self) -> None:
        for name in ("threads", "pairs"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}; it must be at least 1")

    def memory(self, ours: Side, rival: Side | None) -> tuple[float | None, float | None]:
        """Peak memory of both sides in MB; not measured when quick."""
        return (None, None) if self.quick else memory_of(ours, rival, self.threads)


def installed(package: str) -> bool:
    """Whether a rival can be imported."""
    return importlib.util.find_spec(package) is not None
