"""Settings of the benches."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from practicum.bench.measure import Side, memory_of
from practicum.errors import InputError
from practicum.ranges import Count, PositiveInt, Range, Ranged, Share

HINT = "install the rivals with: pip install 'practicum[bench]'"
PPO_HINT = (
    "make its environment with: python3 -m venv .venv-ppo && .venv-ppo/bin/pip install trl==1.12.0 "
    "torch==2.13.0 transformers==5.23.0; then add: --trl_python .venv-ppo/bin/python"
)


@dataclass(frozen=True)
class Bench(Ranged):
    """Speed against a named rival and against the machine's limit."""

    threads: Annotated[int, Range(at_least=1, at_most=1024)] = 1
    """CPU threads of both sides."""
    pairs: PositiveInt = 5
    """Runs of each side, made in alternation; a ratio is the median over the pairs."""
    quick: bool = False
    """Tiny sizes and no memory, to see that a bench works; the figures mean nothing."""
    peaks: bool = True
    """Measure each side's peak memory, in processes of their own."""

    @property
    def hint(self) -> str | None:
        """What to do for rows that these settings leave out."""
        return None

    def memory(self, ours: Side, rival: Side | None) -> tuple[float | None, float | None]:
        """Peak memory of both sides in MB, where it is measured; never when quick."""
        return (None, None) if self.quick or not self.peaks else memory_of(ours, rival, self.threads)


@dataclass(frozen=True)
class Ppo(Bench):
    """A step of PPO against a step of our GRPO, and against TRL's PPOTrainer where it is installed."""

    trl_python: Path | None = None
    """Python of an environment with trl 1.12.0, the last with a PPOTrainer; none leaves those rows out."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.trl_python is not None and not self.trl_python.is_file():
            raise InputError(f"trl_python: {self.trl_python} is no file; {PPO_HINT}")

    @property
    def hint(self) -> str | None:
        """How to make the environment."""
        return f"no rows against TRL's PPOTrainer: {PPO_HINT}" if self.trl_python is None else None


@dataclass(frozen=True)
class Race(Bench):
    """Practice from one model of worked problems to a share of right answers, against the rival."""

    model: Path | None = None
    """Where both sides start: a model folder or an sft run's folder; none takes the newest in runs/."""
    target: Share = 0.95
    """Share of held-out problems to be answered rightly, greedily."""
    problems: Count = 500
    """Held-out problems of an examination, the same in all of them; the clock stops for it."""
    examine_every: PositiveInt = 2
    """Updates between examinations."""
    limit_multiple: Annotated[float, Range(at_least=1)] = 5.0
    """The rival is stopped after so many times our seconds; its time is then a lower bound."""


def installed(package: str) -> bool:
    """Whether a rival can be imported."""
    return importlib.util.find_spec(package) is not None
