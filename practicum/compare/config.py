"""The settings of `practicum compare`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from practicum.errors import InputError
from practicum.ranges import Common, Count, CountOrNone, NonNegativeInt, Ranged, Seed, Threads


@dataclass(frozen=True)
class ExaminationConfig(Ranged, section="examination"):
    """The examination at the end of every run: the same problems for all."""

    split: Literal["validation", "test"] = "test"
    """Split of the held-out problems."""
    count: Common[Count] = 500
    """Problems, each answered greedily."""
    samples: Common[CountOrNone] = 8
    """Completions a problem at temperature 1, for pass@k; 0 skips pass@k."""
    sampled_count: Common[Count] = 100
    """Problems for pass@k."""


@dataclass(frozen=True)
class CompareConfig(Ranged):
    """Recipes side by side: each with every seed, on one task and one budget of samples, and what differs.

    practicum compare --model runs/sft --recipes grpo dr_grpo --seeds 0 1 2
    practicum compare --model runs/sft --recipes all --seeds 0 1 --samples 7680
    """

    model: Path
    """Folder of the model that every run starts from (a model folder, or a run's folder)."""
    recipes: Common[tuple[str, ...]] = ()
    """What is compared, as words of their own or after this flag: TOML files, names of `practicum
    algorithms`, packaged recipes (algorithms/dapo), `all` algorithms of practice, `offline` losses of dpo.
    --resume with those and others adds the others."""
    seeds: Common[tuple[Seed, ...]] = ()
    """Seeds that every recipe runs with; at least two, for there to be a test. --resume with those and others
    adds the others."""
    samples: Common[NonNegativeInt] = 0
    """Completions that every recipe of practice samples; 0: as many as the first one's own settings make."""
    jobs: Common[Threads] = 0
    """Runs at a time, which share the cores; 0: one a core, or one where they compute on another device."""
    measure: Common[Literal["auto", "accuracy", "reward"]] = "auto"
    """What is compared: the share of right greedy answers, or the mean reward of greedy answers. auto is
    accuracy where the task says what is right."""
    against: Common[str] = ""
    """The recipe that the others are tested against; empty tests every pair, which is stricter with each, for
    there are more of them."""
    settings: tuple[str, ...] = ()
    """Settings of rl or dpo for all recipes. They are typed like any other (`--loop.checkpoint_every 10`) and
    kept here."""
    examination: ExaminationConfig = field(default_factory=ExaminationConfig)
    """The examination at the end of every run: the same problems for all."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, values in (("recipes", self.recipes), ("seeds", self.seeds)):
            twice = [value for place, value in enumerate(values) if value in values[:place]]
            if twice:
                raise InputError(f"{name}: {twice[0]} is given twice: drop one of them")

    def require_runs(self) -> None:
        """Raise InputError where no recipe or no seed is given."""
        if not self.recipes:
            raise InputError(
                "nothing to compare: name recipes, practicum compare a.toml grpo rloo --model M --seeds 0 1 2"
            )
        if not self.seeds:
            raise InputError("no seeds: give those that every recipe runs with, --seeds 0 1 2 3 4")
