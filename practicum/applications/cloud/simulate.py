"""A policy on stretches of a trace: who decides what each minute, and what it cost.

Suffixes: L lanes (a policy's parameters x episodes), T minutes of the trace, M minutes of an episode.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from practicum.applications.cloud.fleet import (
    Fleets,
    Floats,
    Integers,
    Minute,
    Plant,
    advance,
    interruptions,
    new_fleets,
)
from practicum.applications.cloud.forecast import Known, Number, known_series


@dataclass(frozen=True)
class World:
    """A trace brought to the fleet's scale, what is known of it at each minute, and the market's draws."""

    plant: Plant
    requests_T: Floats
    known: Known
    minute_of_day_T: Integers
    taken_TN: Integers
    name: str = ""
    chances_TN: NDArray[np.float32] | None = None
    """The chance that each size violates the minute at which an instance ordered now would serve."""

    @property
    def known_chances(self) -> NDArray[np.float32]:
        """The chances, in a world that has them (`chance.foreseen`)."""
        if self.chances_TN is None:
            raise ValueError("this world has no forecaster's chances: see chance.foreseen")
        return self.chances_TN

    @cached_property
    def taken(self) -> dict[int, list[int]]:
        """The rows of `taken_TN` in which the market takes anything back."""
        return {int(at): self.taken_TN[at].tolist() for at in np.flatnonzero(self.taken_TN[:, -1])}


def make_world(plant: Plant, requests_T: Floats, minute_of_day: int, seed: int, name: str = "") -> World:
    """The world of requests that are at the fleet's scale already."""
    size = len(requests_T)
    known = known_series(requests_T, plant.config.startup_minutes)
    of_day = (minute_of_day + np.arange(size)) % 1440
    return World(plant, requests_T, known, of_day, interruptions(plant, size, seed), name)


def scale_for(plant: Plant, requests: Floats) -> float:
    """The factor at which the 99.9th percentile of the requests needs `peak_instances`."""
    if plant.config.scale > 0:
        return plant.config.scale
    high = float(np.quantile(requests, 0.999)) or float(requests.max()) or 1.0
    wanted = float(np.interp(plant.config.peak_instances, np.arange(len(plant.most_N)), plant.most_N))
    return wanted / high


@dataclass(frozen=True)
class View:
    """What a policy sees at the start of a minute: nothing of the minute's own requests."""

    world: World
    at_L: Integers
    """The minute's place in the trace; only `known` and the chances may be read at it."""
    fleets: Fleets
    last: Minute | None
    """What the minute before brought; None in the first."""

    def known(self, series_T: NDArray[Number]) -> NDArray[Number]:
        """A series of what is known at this minute, per lane."""
        return series_T[self.at_L]


class Policy(Protocol):
    """Decides how many instances there should be, in service or on the way."""

    def start(self, lanes: int) -> None:
        """Forget everything: new episodes begin."""

    def wanted(self, view: View) -> Integers:
        """The size each lane's fleet should have [L]."""


@dataclass(frozen=True)
class Episodes:
    """Totals of episodes, one entry a lane."""

    dollars_L: Floats
    violated_L: Integers
    """Minutes whose p95 was above the objective."""
    minutes: int
    slow_L: Floats
    """Requests slower than the objective, or lost."""
    lost_L: Floats
    requests_L: Floats
    paid_L: Integers
    """Instance-minutes paid for."""
    used_L: Floats
    """Instance-minutes of work done."""
    orders_L: Integers
    """Instances ordered."""

    def chosen(self, lanes: NDArray[np.int64] | NDArray[np.bool_]) -> Episodes:
        """Only these lanes."""
        rows = {name: value[lanes] for name, value in vars(self).items() if name != "minutes"}
        return replace(self, **rows)

    def figures(self) -> dict[str, float]:
        """All lanes together: dollars a day, shares of violated minutes, slow and lost requests, slack."""
        days = len(self.dollars_L) * self.minutes / 1440
        requests = max(float(self.requests_L.sum()), 1e-9)
        return {
            "dollars_per_day": float(self.dollars_L.sum()) / days,
            "violations": float(self.violated_L.sum()) / (len(self.violated_L) * self.minutes),
            "slow_requests": float(self.slow_L.sum()) / requests,
            "lost_requests": float(self.lost_L.sum()) / requests,
            "instances": float(self.paid_L.sum()) / (len(self.paid_L) * self.minutes),
            "slack": 1 - float(self.used_L.sum()) / max(float(self.paid_L.sum()), 1.0),
            "orders_per_day": float(self.orders_L.sum()) / days,
        }


@dataclass(frozen=True)
class Timeline:
    """Every minute of every lane [L, M]."""

    running_LM: Integers
    paid_LM: Integers
    slow_LM: Floats
    violated_LM: NDArray[np.bool_]
    wanted_LM: Integers


def first_size(world: World, starts_L: Integers) -> Integers:
    """Instances in service as an episode begins, for every policy: a quarter over the recent maximum."""
    return world.plant.need(1.25 * world.known.highest[10][starts_L])


def run(world: World, policy: Policy, starts_L: Integers, minutes: int) -> Episodes:
    """Totals of a policy over episodes that begin at these minutes of the trace."""
    return _run(world, policy, starts_L, minutes, None)


def run_recorded(world: World, policy: Policy, starts_L: Integers, minutes: int) -> tuple[Episodes, Timeline]:
    """As `run`, with every minute."""
    rows: dict[str, list[NDArray[np.generic]]] = {
        name: [] for name in ("running", "paid", "slow", "violated", "wanted")
    }
    totals = _run(world, policy, starts_L, minutes, rows)
    return totals, Timeline(**{f"{name}_LM": np.stack(row, 1) for name, row in rows.items()})


def _run(
    world: World,
    policy: Policy,
    starts_L: Integers,
    minutes: int,
    rows: Mapping[str, list[NDArray[np.generic]]] | None,
) -> Episodes:
    lanes = len(starts_L)
    fleets, last = new_fleets(world.plant, first_size(world, starts_L)), None
    policy.start(lanes)
    sums = {name: np.zeros(lanes) for name in ("dollars", "violated", "slow", "lost", "requests", "paid")}
    used_L, orders_L = np.zeros(lanes), np.zeros(lanes, dtype=np.int64)
    for offset in range(minutes):
        at_L = starts_L + offset
        wanted_L = policy.wanted(View(world, at_L, fleets, last))
        orders_L += np.maximum(wanted_L - fleets.ordered, 0)
        requests_L = world.requests_T[at_L]
        last = advance(world.plant, fleets, wanted_L, requests_L, world.taken_TN[at_L])
        sums["dollars"] += last.dollars_L
        sums["violated"] += last.violated_L
        sums["slow"] += last.slow_L * requests_L
        sums["lost"] += last.lost_L
        sums["requests"] += requests_L
        sums["paid"] += last.paid_L
        used_L += last.served_L / world.plant.capacity(1)
        if rows is not None:
            for name, value in (
                ("running", last.running_L),
                ("paid", last.paid_L),
                ("slow", last.slow_L),
                ("violated", last.violated_L),
                ("wanted", wanted_L),
            ):
                rows[name].append(value.copy())
    return Episodes(
        sums["dollars"],
        sums["violated"].astype(np.int64),
        minutes,
        sums["slow"],
        sums["lost"],
        sums["requests"],
        sums["paid"].astype(np.int64),
        used_L,
        orders_L,
    )
