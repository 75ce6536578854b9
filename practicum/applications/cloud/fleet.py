"""A fleet of equal instances minute by minute: start-up, draining, spot interruptions, queue, latency, cost.

Many fleets, the lanes, go in step, each with its own load and its own wanted size. Suffixes: L lanes, N sizes
of a fleet from 0, U levels of utilisation, T minutes, S minutes of starting up or draining.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from practicum.applications.cloud.prices import Instance, find_instance
from practicum.applications.cloud.queueing import QUANTILE, latency_tail, most_load
from practicum.errors import InputError
from practicum.ranges import (
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Range,
    Ranged,
    Share,
)

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
MINUTE = 60.0
LEVELS = 1000
"""Steps of the table of latencies over utilisation."""


@dataclass(frozen=True)
class FleetConfig(Ranged):
    """The service, its objective, and how instances come, go and cost."""

    instance: str = "c6i.large"
    """Type of instance."""
    prices: Path | None = None
    """CSV of prices (instance_type, vcpu, ondemand_usd_h); none takes the built-in table."""
    service_seconds: PositiveFloat = 0.2
    """Mean time that a request keeps one virtual processor busy."""
    slo_seconds: PositiveFloat = 1.0
    """The objective: 95% of a minute's requests are answered within this time."""
    timeout_seconds: PositiveFloat = 30.0
    """Requests that would wait longer are lost."""
    startup_minutes: Annotated[int, Range(at_least=1, at_most=60)] = 3
    """From the order of an instance to its first request; it is paid for."""
    drain_minutes: NonNegativeInt = 1
    """How long an instance that leaves finishes what it has; it is paid for."""
    smallest: PositiveInt = 2
    """Least instances that any policy may want."""
    largest: Annotated[int, Range(at_least=2, at_most=500)] = 60
    """Most instances that any policy may want."""
    peak_instances: PositiveFloat = 20.0
    """Requests are scaled so that the 99.9th percentile of the learning part needs so many instances."""
    scale: NonNegativeFloat = 0.0
    """Factor on the trace's requests; 0 finds the one that `peak_instances` asks for."""
    spot_share: Share = 0.5
    """Part of the fleet that is bought on the spot market."""
    spot_price: Share = 0.35
    """Price of a spot instance against an on-demand one."""
    interruptions_per_hour: Share = 0.01
    """Chance that a spot instance is taken back within an hour. The group orders another at once."""


@dataclass(frozen=True)
class Plant:
    """What follows from the settings: dollars an instance-minute, tables of latency and of needs.

    slow_NU: share of requests slower than the objective, by size and utilisation (0 to 1 in LEVELS steps);
    most_N: the most requests a minute at which a fleet of each size keeps the objective.
    """

    config: FleetConfig
    instance: Instance
    dollars: float
    hazard: float
    slow_NU: Floats
    most_N: Floats

    def capacity(self, running: NDArray[np.int64] | int) -> Floats:
        """Requests a minute that instances can serve at most."""
        return np.asarray(running) * (self.instance.vcpu * MINUTE / self.config.service_seconds)

    def need(self, requests: Floats | float) -> Integers:
        """Instances that keep the objective at so many requests a minute, within the least and the most."""
        found = np.searchsorted(self.most_N, requests)
        return np.clip(found, self.config.smallest, self.config.largest)


def make_plant(config: FleetConfig) -> Plant:
    """Tables for a fleet. Raises InputError where an objective can never be kept, or for an unknown type."""
    instance = find_instance(config.instance, config.prices)
    if config.largest < config.smallest:
        raise InputError(
            f"fleet.largest: expected at least fleet.smallest ({config.smallest}), got {config.largest}"
        )
    if most_load(instance.vcpu, config.slo_seconds, config.service_seconds) <= 0:
        least = -np.log(1 - QUANTILE) * config.service_seconds
        raise InputError(
            f"fleet.slo_seconds: the service alone takes over {config.slo_seconds:g} s for 1 request in 20: "
            f"expected more than {least:.3g} s at this service_seconds"
        )
    utilisation = np.arange(LEVELS + 1) / LEVELS
    slow_NU, most_N = np.ones((config.largest + 1, LEVELS + 1)), np.zeros(config.largest + 1)
    for size in range(1, config.largest + 1):
        servers = size * instance.vcpu
        slow_NU[size] = latency_tail(
            servers, servers * utilisation, config.slo_seconds, config.service_seconds
        )
        most_N[size] = most_load(servers, config.slo_seconds, config.service_seconds)
    spot = config.spot_share
    dollars = instance.dollars_per_hour * (1 - spot + spot * config.spot_price) / 60
    hazard = spot * (1 - (1 - config.interruptions_per_hour) ** (1 / 60))
    return Plant(config, instance, dollars, hazard, slow_NU, most_N * MINUTE / config.service_seconds)


def interruptions(plant: Plant, minutes: int, seed: int) -> Integers:
    """How many of the first n instances are taken back in each minute [T, N]; the same for every policy."""
    draws = np.random.default_rng([seed, 90_210]).random((minutes, plant.config.largest), dtype=np.float32)
    taken = np.cumsum(draws < plant.hazard, axis=1, dtype=np.int64)
    return np.concatenate([np.zeros((minutes, 1), dtype=np.int64), taken], axis=1)


@dataclass
class Fleets:
    """The lanes' state at the start of a minute."""

    running_L: Integers
    starting_LS: Integers
    """By minutes still to wait: column 0 is in service in the next minute."""
    draining_LS: Integers
    backlog_L: Floats

    @property
    def on_the_way(self) -> Integers:
        """Instances on their way."""
        total: Integers = self.starting_LS.sum(1)
        return total

    @property
    def ordered(self) -> Integers:
        """Instances in service or on their way: what the group counts as its size."""
        return self.running_L + self.on_the_way


@dataclass(frozen=True)
class Minute:
    """What a minute brought, per lane: counts, shares and dollars."""

    served_L: Floats
    lost_L: Floats
    slow_L: Floats
    """Share of the minute's requests that were slower than the objective or lost; 0 without requests."""
    violated_L: NDArray[np.bool_]
    """Whether the 95th percentile of latency was above the objective."""
    utilisation_L: Floats
    """Requests that came against what the instances in service can do; may exceed 1."""
    running_L: Integers
    paid_L: Integers
    """Instances paid for: starting, in service, draining."""
    dollars_L: Floats


def new_fleets(plant: Plant, running_L: Integers) -> Fleets:
    """Fleets of so many instances in service, none on the way, no request waiting."""
    lanes, config = len(running_L), plant.config
    return Fleets(
        np.clip(running_L, config.smallest, config.largest).astype(np.int64),
        np.zeros((lanes, config.startup_minutes), dtype=np.int64),
        np.zeros((lanes, config.drain_minutes), dtype=np.int64),
        np.zeros(lanes),
    )


def advance(
    plant: Plant, fleets: Fleets, wanted_L: Integers, requests_L: Floats, taken_LN: Integers
) -> Minute:
    """One minute: order or release instances so that `wanted` are there or on their way, then serve.

    Changes `fleets`. taken_LN: how many of the first n instances the market takes back (`interruptions`).
    """
    lanes = np.arange(len(wanted_L))
    lost_L = taken_LN[lanes, fleets.running_L]
    fleets.running_L = fleets.running_L - lost_L
    wanted_L = np.clip(wanted_L, plant.config.smallest, plant.config.largest)
    change_L = wanted_L - fleets.ordered
    fleets.starting_LS[:, -1] += np.maximum(change_L, 0)
    surplus_L = np.maximum(-change_L, 0)
    # What was ordered last is cancelled first; instances in service come last.
    for column in range(fleets.starting_LS.shape[1] - 1, -1, -1):
        cancelled_L = np.minimum(surplus_L, fleets.starting_LS[:, column])
        fleets.starting_LS[:, column] -= cancelled_L
        surplus_L = surplus_L - cancelled_L
    fleets.running_L = fleets.running_L - surplus_L
    if fleets.draining_LS.shape[1]:
        fleets.draining_LS[:, -1] += surplus_L
    paid_L = fleets.ordered + fleets.draining_LS.sum(1)
    minute = serve(plant, fleets, requests_L, paid_L)
    fleets.running_L = fleets.running_L + fleets.starting_LS[:, 0]
    fleets.starting_LS = _shifted(fleets.starting_LS)
    fleets.draining_LS = _shifted(fleets.draining_LS)
    return minute


def _shifted(counts_LS: Integers) -> Integers:
    moved = np.zeros_like(counts_LS)
    moved[:, :-1] = counts_LS[:, 1:]
    return moved


def serve(plant: Plant, fleets: Fleets, requests_L: Floats, paid_L: Integers) -> Minute:
    """The queue for a minute: M/M/c below saturation, a fluid above it, whose backlog stays.

    While a backlog stands, a request waits for all before it; it is slow when that wait and the mean service
    exceed the objective. The wait changes evenly over the minute.
    """
    config = plant.config
    capacity_L = plant.capacity(fleets.running_L)
    before_L = fleets.backlog_L
    at_hand_L = before_L + requests_L
    served_L = np.minimum(at_hand_L, capacity_L)
    most_waiting_L = capacity_L * (config.timeout_seconds / MINUTE)
    lost_L = np.maximum(at_hand_L - served_L - most_waiting_L, 0.0)
    fleets.backlog_L = at_hand_L - served_L - lost_L
    per_second_L = np.maximum(capacity_L, 1e-9) / MINUTE
    late_L = _share_above(
        before_L / per_second_L,
        (before_L + requests_L - capacity_L) / per_second_L,
        config.slo_seconds - config.service_seconds,
    )
    utilisation_L = requests_L / np.maximum(capacity_L, 1e-9)
    level_L = np.minimum(utilisation_L, 0.999) * LEVELS
    below_L = level_L.astype(np.int64)
    low_L, high_L = plant.slow_NU[fleets.running_L, below_L], plant.slow_NU[fleets.running_L, below_L + 1]
    queueing_L = low_L + (level_L - below_L) * (high_L - low_L)
    slow_L = np.where(fleets.running_L == 0, 1.0, late_L + (1 - late_L) * queueing_L)
    slow_L = np.where(requests_L > 0, slow_L, 0.0)
    return Minute(
        served_L,
        lost_L,
        slow_L,
        slow_L > 1 - QUANTILE,
        utilisation_L,
        fleets.running_L,
        paid_L,
        np.asarray(paid_L * plant.dollars, dtype=np.float64),
    )


def _share_above(start_L: Floats, end_L: Floats, limit: float) -> Floats:
    """Share of a minute in which a wait that goes in a straight line from start to end is above `limit`."""
    high, low = np.maximum(start_L, end_L), np.minimum(start_L, end_L)
    share = np.where(low > limit, 1.0, (high - limit) / np.maximum(high - low, 1e-12))
    return np.where(high > limit, np.clip(share, 0.0, 1.0), 0.0)
