"""Tuning by trials: every family of rules on the same days, with the same minutes of simulation.

What counts is the cost of a policy whose share of violated minutes keeps the objective. A policy is picked on
the learning and validation days; the reported days are only counted, never chosen by. Suffixes: L lanes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from practicum.applications.cloud.baselines import Family, Parameters
from practicum.applications.cloud.data import Split
from practicum.applications.cloud.fleet import Integers
from practicum.applications.cloud.simulate import Episodes, World, run

PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class Trial:
    """One setting of a policy and its episodes on each part."""

    setting: Mapping[str, float]
    parts: Mapping[str, Episodes]

    def figures(self, *parts: str) -> dict[str, float]:
        """Figures of parts taken together."""
        return together([self.parts[part] for part in parts]).figures()


def together(parts: Sequence[Episodes]) -> Episodes:
    """Episodes of one length, joined."""
    names = [name for name in vars(parts[0]) if name != "minutes"]
    joined: dict[str, Any] = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    return Episodes(minutes=parts[0].minutes, **joined)


def trials_of(
    world: World,
    split: Split,
    minutes: int,
    family: Family,
    parameters: Parameters,
    parts: Sequence[str] = PARTS,
) -> list[Trial]:
    """Every setting of a family on these parts."""
    count = len(next(iter(parameters.values())))
    found = {}
    for part in parts:
        starts = getattr(split, part)
        lanes = {name: np.repeat(values, len(starts)) for name, values in parameters.items()}
        episodes = run(world, family.make(lanes), np.tile(starts, count), minutes)
        found[part] = by_setting(episodes, count)
    return [
        Trial(
            {name: float(values[place]) for name, values in parameters.items()},
            {part: found[part][place] for part in parts},
        )
        for place in range(count)
    ]


def tuned(
    world: World,
    split: Split,
    minutes: int,
    family: Family,
    count: int,
    violations: float,
    seed: Sequence[int],
) -> list[Trial]:
    """The front of `count` settings: a third drawn anywhere, the rest in two rounds near the best so far.

    Only settings of the front are counted on the test part.
    """
    generator, largest = np.random.default_rng(seed), world.plant.config.largest
    rounds = [len(part) for part in np.array_split(np.arange(count), 3) if len(part)]
    found: list[Trial] = []
    for trials in rounds:
        drawn: Parameters = family.draw(generator, trials, largest)
        if found:
            drawn = _near(generator, drawn, picked(found, violations).setting)
        found += trials_of(world, split, minutes, family, drawn, PARTS[:2])
    best = front(found)
    settings = {name: np.array([trial.setting[name] for trial in best]) for name in best[0].setting}
    tested = trials_of(world, split, minutes, family, settings, PARTS[2:])
    return [
        replace(trial, parts={**trial.parts, **test.parts}) for trial, test in zip(best, tested, strict=True)
    ]


def _near(generator: np.random.Generator, drawn: Parameters, best: Mapping[str, float]) -> Parameters:
    """Settings near the best: a fractional parameter within some 7% of it, others mostly the same."""
    found = {}
    for name, values in drawn.items():
        if all(float(value).is_integer() for value in values):
            found[name] = np.where(generator.random(len(values)) < 0.75, best[name], values)
        else:
            found[name] = best[name] * np.exp(generator.normal(0.0, 0.07, len(values)))
    return found


def by_setting(episodes: Episodes, count: int) -> list[Episodes]:
    """Lanes (settings x episodes) cut by setting."""
    size = len(episodes.dollars_L) // count
    return [episodes.chosen(np.arange(place * size, (place + 1) * size)) for place in range(count)]


def picked(trials: Sequence[Trial], violations: float) -> Trial:
    """The cheapest on the learning and validation days of those that keep the objective there.

    Where none does, the one that comes nearest.
    """
    figures = [trial.figures("train", "validation") for trial in trials]
    kept = [place for place, found in enumerate(figures) if found["violations"] <= violations]
    if not kept:
        return trials[min(range(len(trials)), key=lambda place: figures[place]["violations"])]
    return trials[min(kept, key=lambda place: figures[place]["dollars_per_day"])]


def front(trials: Sequence[Trial]) -> list[Trial]:
    """Settings that no other beats in cost and violations on the days before the test, cheapest first."""
    figures = [trial.figures("train", "validation") for trial in trials]
    order = sorted(range(len(trials)), key=lambda place: figures[place]["dollars_per_day"])
    kept: list[Trial] = []
    fewest = np.inf
    for place in order:
        if figures[place]["violations"] < fewest:
            fewest = figures[place]["violations"]
            kept.append(trials[place])
    return kept


def cheapest_within(trials: Sequence[Trial], part: str, **bounds: float) -> Trial | None:
    """The cheapest setting whose figures on a part are within the bounds; None where there is none."""
    kept = [
        trial
        for trial in trials
        if all(trial.figures(part)[name] <= bound + 1e-12 for name, bound in bounds.items())
    ]
    return min(kept, key=lambda trial: trial.figures(part)["dollars_per_day"], default=None)


def simulated_minutes(split: Split, minutes: int, trials: int) -> int:
    """Minutes of the learning days that so many trials simulate."""
    return trials * len(split.train) * minutes


def summed(size: int, starts: Integers, values_LM: NDArray[Any]) -> NDArray[np.float64]:
    """What was summed up before each minute of a trace of `size` minutes [T + 1], 0 outside the episodes."""
    found = np.zeros(size + 1)
    for lane, start in enumerate(starts):
        found[start + 1 : start + 1 + values_LM.shape[1]] = values_LM[lane]
    return np.cumsum(found)
