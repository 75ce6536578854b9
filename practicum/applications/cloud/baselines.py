"""The rules that practitioners use, each with the parameters that tuning may set, on many lanes at once.

Suffixes: L lanes, each with parameters of its own, H minutes of history.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from practicum.applications.cloud.fleet import Integers, Plant
from practicum.applications.cloud.forecast import LEVELS, WINDOWS
from practicum.applications.cloud.simulate import Policy, View

Floats = NDArray[np.float64]
Parameters = Mapping[str, Floats]
OUT_MINUTES, IN_MINUTES = 3, 15
"""Minutes in a row above the target before target tracking scales out, and below it before it scales in."""
IN_SHARE = 0.9
"""Target tracking scales in below this share of its target."""
LONGEST_HOLD = 60


class Held:
    """Instances are released only when no minute of the last `hold` wanted them: hysteresis."""

    def __init__(self, hold_L: Floats, lanes: int) -> None:
        self.hold_L = hold_L.astype(np.int64)
        self.past_HL = np.zeros((int(self.hold_L.max()) + 1, lanes), dtype=np.int64)
        self.minute = 0

    def apply(self, wanted_L: Integers) -> Integers:
        """The greatest of what was wanted now and in the minutes before, per lane."""
        size = len(self.past_HL)
        self.past_HL[self.minute % size] = wanted_L
        ages = (self.minute - np.arange(size)) % size
        self.minute += 1
        found: Integers = np.where(ages[:, None] <= self.hold_L, self.past_HL, 0).max(0)
        return found


@dataclass
class StaticPeak:
    """A fixed number of instances. size: that number."""

    parameters: Parameters

    def start(self, lanes: int) -> None:
        """See Policy."""

    def wanted(self, view: View) -> Integers:
        """See Policy."""
        size: Integers = self.parameters["size"].astype(np.int64)
        return size


@dataclass
class TargetTracking:
    """Target tracking on requests per instance, with the alarms that AWS documents for it.

    Out: three minutes in a row above the target, then at once to the size that meets it. In: fifteen in a row
    below 90% of it and no instance on its way, then to the size that still meets it, rounded up; at most once
    in `cooldown` minutes. target: utilisation from 0 to 1. reads: which load of the alarm's minutes the new
    size must meet, which AWS does not say: 0 the last, 1 their mean, 2 the highest. Tuning picks.
    """

    parameters: Parameters
    above_L: Integers = field(init=False)
    below_L: Integers = field(init=False)
    since_L: Integers = field(init=False)
    past_HL: list[Floats] = field(init=False)

    def start(self, lanes: int) -> None:
        """See Policy."""
        self.above_L, self.below_L = np.zeros(lanes, dtype=np.int64), np.zeros(lanes, dtype=np.int64)
        self.since_L, self.past_HL = np.full(lanes, 10_000), []

    def wanted(self, view: View) -> Integers:
        """See Policy."""
        ordered_L, target_L = view.fleets.ordered, self.parameters["target"]
        self.since_L += 1
        if view.last is None:
            return ordered_L
        used_L = view.last.utilisation_L
        self.past_HL = [*self.past_HL, view.last.running_L * used_L][-IN_MINUTES:]
        self.above_L = np.where(used_L > target_L, self.above_L + 1, 0)
        self.below_L = np.where(used_L < IN_SHARE * target_L, self.below_L + 1, 0)
        more_L, fewer_L = self._meets(OUT_MINUTES), self._meets(IN_MINUTES)
        out_L = (self.above_L >= OUT_MINUTES) & (more_L > ordered_L)
        idle_L = (self.since_L >= self.parameters["cooldown"]) & (view.fleets.on_the_way == 0)
        in_L = (self.below_L >= IN_MINUTES) & idle_L & (fewer_L < ordered_L)
        self.since_L = np.where(in_L, 0, self.since_L)
        return np.where(out_L, more_L, np.where(in_L, fewer_L, ordered_L))

    def _meets(self, minutes: int) -> Integers:
        """The size at which the load of the last minutes, as it is read, uses the target."""
        past_HL = np.stack(self.past_HL[-minutes:])
        reads_L = self.parameters["reads"]
        load_L = np.where(reads_L == 0, past_HL[-1], np.where(reads_L == 1, past_HL.mean(0), past_HL.max(0)))
        size_L: Integers = np.ceil(load_L / self.parameters["target"]).astype(np.int64)
        return size_L


@dataclass
class StepScaling:
    """Step scaling: alarms on utilisation add or remove shares of the fleet, twice as much far off.

    high, low: the alarms' bounds; out_minutes, in_minutes: minutes in a row; add, remove: shares of the
    fleet; cooldown: minutes between two changes in one direction.
    """

    parameters: Parameters
    above_L: Integers = field(init=False)
    below_L: Integers = field(init=False)
    out_since_L: Integers = field(init=False)
    in_since_L: Integers = field(init=False)

    def start(self, lanes: int) -> None:
        """See Policy."""
        self.above_L, self.below_L = np.zeros(lanes, dtype=np.int64), np.zeros(lanes, dtype=np.int64)
        self.out_since_L, self.in_since_L = np.full(lanes, 10_000), np.full(lanes, 10_000)

    def wanted(self, view: View) -> Integers:
        """See Policy."""
        ordered_L, of = view.fleets.ordered, self.parameters
        self.out_since_L += 1
        self.in_since_L += 1
        if view.last is None:
            return ordered_L
        used_L, low_L = view.last.utilisation_L, of["high"] * of["low"]
        self.above_L = np.where(used_L > of["high"], self.above_L + 1, 0)
        self.below_L = np.where(used_L < low_L, self.below_L + 1, 0)
        out_L = (self.above_L >= of["out_minutes"]) & (self.out_since_L >= of["cooldown"])
        in_L = (self.below_L >= of["in_minutes"]) & (self.in_since_L >= of["cooldown"])
        more_L = of["add"] * np.where(used_L > 1.2 * of["high"], 2, 1)
        fewer_L = of["remove"] * np.where(used_L < 0.8 * low_L, 2, 1)
        self.out_since_L, self.in_since_L = (
            np.where(out_L, 0, self.out_since_L),
            np.where(in_L, 0, self.in_since_L),
        )
        change_L = np.where(out_L, np.ceil(more_L * ordered_L), 0) - np.where(
            in_L, np.maximum(1, np.floor(fewer_L * ordered_L)), 0
        )
        wanted: Integers = ordered_L + change_L.astype(np.int64)
        return wanted


@dataclass
class CalibratedRule:
    """The instances that the measured load requires, with calibrated headroom and hysteresis.

    The strongest of RLScale-Bench (arXiv 2605.26418). window: minutes whose greatest load is taken, by place
    in WINDOWS; headroom: factor on it; spare: instances more; hold: minutes before one is released.
    """

    parameters: Parameters
    held: Held = field(init=False)

    def start(self, lanes: int) -> None:
        """See Policy."""
        self.held = Held(self.parameters["hold"], lanes)

    def wanted(self, view: View) -> Integers:
        """See Policy."""
        highest_WL = np.stack([view.known(view.world.known.highest[window]) for window in WINDOWS])
        chosen = self.parameters["window"].astype(np.int64)
        load_L = highest_WL[chosen, np.arange(len(chosen))]
        need_L = view.world.plant.need(self.parameters["headroom"] * load_L)
        return self.held.apply(need_L + self.parameters["spare"].astype(np.int64))


@dataclass
class Predictive:
    """A forecast for when a new instance would be ready, plus headroom for its error, and hysteresis.

    The smoothed load (level: place in LEVELS) times what the daily profile expects; headroom: how many mean
    absolute errors above it; margin: factor; spare: instances more; hold: minutes before one is
    released.
    """

    parameters: Parameters
    held: Held = field(init=False)

    def start(self, lanes: int) -> None:
        """See Policy."""
        self.held = Held(self.parameters["hold"], lanes)

    def wanted(self, view: View) -> Integers:
        """See Policy."""
        chosen = self.parameters["level"].astype(np.int64)
        load_L = expected_load(view, chosen, self.parameters["headroom"]) * self.parameters["margin"]
        need_L = view.world.plant.need(load_L) + self.parameters["spare"].astype(np.int64)
        return self.held.apply(need_L)


def expected_load(view: View, level_L: Integers, headroom_L: Floats) -> Floats:
    """Requests a minute that a forecast expects, so many of its mean absolute errors higher.

    level_L: places in LEVELS. The deseasonalised load is smoothed, the daily profile brings it to the minute
    at which an instance that is ordered now would be ready.
    """
    known, lanes = view.world.known, np.arange(len(level_L))
    levels = np.stack([view.known(known.level[minutes]) for minutes in LEVELS])[level_L, lanes]
    errors = np.stack([view.known(known.deviation[minutes]) for minutes in LEVELS])[level_L, lanes]
    return (levels + headroom_L * errors) * np.maximum(view.known(known.seasonal), 1.0)


@dataclass
class Newsvendor:
    """As many instances as pay for themselves: each more costs a minute and makes a violation less likely.

    The newsvendor's rule (Arrow, Harris and Marschak 1951) on the forecaster's chances. price: what a
    violated minute costs, in minutes of an instance, when instances are ordered; patience: how many times as
    much when they are released, so that what has been ordered stays a while.
    """

    parameters: Parameters
    wanted_L: Integers = field(init=False)

    def start(self, lanes: int) -> None:
        """See Policy."""
        self.wanted_L = np.zeros(lanes, dtype=np.int64)

    def wanted(self, view: View) -> Integers:
        """See Policy."""
        chances_LN = view.known(view.world.known_chances)
        price_L = self.parameters["price"]
        least_L = worth_it(view.world.plant, chances_LN, price_L)
        most_L = worth_it(view.world.plant, chances_LN, price_L * self.parameters["patience"])
        self.wanted_L = np.clip(self.wanted_L, least_L, np.maximum(most_L, least_L))
        return self.wanted_L


def worth_it(plant: Plant, chances_LN: NDArray[np.float32], price_L: Floats) -> Integers:
    """The size at which instances and violations, at their price, cost least together [L]."""
    smallest = plant.config.smallest
    sizes = np.arange(chances_LN.shape[1], dtype=np.float32)
    cost_LN = sizes + price_L.astype(np.float32)[:, None] * chances_LN
    found: Integers = smallest + cost_LN[:, smallest:].argmin(1)
    return found


# ------------------------------------------------------------------------------------------ what tuning tries


@dataclass(frozen=True)
class Family:
    """A kind of policy: how it is made from parameters, and how its parameters are drawn."""

    title: str
    make: Callable[[Parameters], Policy]
    draw: Callable[[np.random.Generator, int, int], dict[str, Floats]]
    """(generator, trials, largest fleet) -> each parameter's values, one a trial."""


def _static(generator: np.random.Generator, trials: int, largest: int) -> dict[str, Floats]:
    return {"size": np.linspace(2, largest, trials).round()}


def _target(generator: np.random.Generator, trials: int, largest: int) -> dict[str, Floats]:
    return {
        "target": generator.uniform(0.2, 1.0, trials),
        "cooldown": generator.choice([0.0, 1.0, 5.0, 15.0], trials),
        "reads": generator.integers(0, 3, trials).astype(float),
    }


def _step(generator: np.random.Generator, trials: int, largest: int) -> dict[str, Floats]:
    return {
        "high": generator.uniform(0.3, 1.0, trials),
        "low": generator.uniform(0.5, 0.95, trials),
        "out_minutes": generator.integers(1, 4, trials).astype(float),
        "in_minutes": generator.choice([1.0, 3.0, 5.0, 10.0, 15.0], trials),
        "add": generator.uniform(0.05, 0.5, trials),
        "remove": generator.uniform(0.02, 0.3, trials),
        "cooldown": generator.choice([0.0, 1.0, 3.0, 5.0], trials),
    }


def _calibrated(generator: np.random.Generator, trials: int, largest: int) -> dict[str, Floats]:
    return {
        "window": generator.integers(0, len(WINDOWS), trials).astype(float),
        "headroom": generator.uniform(0.7, 2.0, trials),
        "spare": generator.integers(0, 3, trials).astype(float),
        "hold": generator.choice([0.0, 2.0, 5.0, 10.0, 15.0, 20.0, 30.0], trials),
    }


def _predictive(generator: np.random.Generator, trials: int, largest: int) -> dict[str, Floats]:
    return {
        "level": generator.integers(0, len(LEVELS), trials).astype(float),
        "headroom": generator.uniform(0.0, 5.0, trials),
        "margin": generator.uniform(0.8, 1.3, trials),
        "spare": generator.integers(0, 3, trials).astype(float),
        "hold": generator.choice([0.0, 2.0, 5.0, 10.0, 15.0, 20.0, 30.0], trials),
    }


def _newsvendor(generator: np.random.Generator, trials: int, largest: int) -> dict[str, Floats]:
    return {
        "price": np.exp(generator.uniform(np.log(10.0), np.log(1000.0), trials)),
        "patience": generator.uniform(1.0, 4.0, trials),
    }


FAMILIES: dict[str, Family] = {
    "static peak": Family("static peak", StaticPeak, _static),
    "target tracking": Family("target tracking", TargetTracking, _target),
    "step scaling": Family("step scaling", StepScaling, _step),
    "calibrated rule": Family("calibrated rule", CalibratedRule, _calibrated),
    "predictive": Family("predictive", Predictive, _predictive),
    "newsvendor": Family("newsvendor", Newsvendor, _newsvendor),
}
STEERED = "newsvendor"
"""The rule that the learner steers."""
