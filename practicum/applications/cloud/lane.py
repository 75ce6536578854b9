"""One fleet in plain Python numbers: the same minute as `fleet.advance`, many times faster for a single lane.

A test drives both through the same minutes and compares every figure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from practicum.applications.cloud.fleet import LEVELS, MINUTE, Plant
from practicum.applications.cloud.queueing import QUANTILE


class Passed(NamedTuple):
    """What a minute brought: requests, shares, dollars; see `fleet.Minute`."""

    served: float
    lost: float
    slow: float
    violated: bool
    utilisation: float
    running: int
    paid: int
    dollars: float


class Lane:
    """One fleet and its tables as lists."""

    def __init__(self, plant: Plant) -> None:
        config = plant.config
        self.smallest, self.largest = config.smallest, config.largest
        self.startup, self.drain = config.startup_minutes, config.drain_minutes
        self.capacity = float(plant.capacity(1))
        self.patience = config.timeout_seconds / MINUTE
        self.limit = config.slo_seconds - config.service_seconds
        self.dollars = plant.dollars
        self.slow = plant.slow_NU.tolist()
        self.reset(self.smallest)

    def reset(self, running: int) -> None:
        """A new fleet of so many instances in service."""
        self.running = min(max(running, self.smallest), self.largest)
        self.starting = [0] * self.startup
        self.draining = [0] * self.drain
        self.backlog = 0.0

    @property
    def ordered(self) -> int:
        """Instances in service or on their way."""
        return self.running + sum(self.starting)

    def advance(self, wanted: int, requests: float, taken: Sequence[int] | None = None) -> Passed:
        """One minute; see `fleet.advance`. taken: None where the market takes nothing back."""
        if taken is not None:
            self.running -= int(taken[self.running])
        starting = self.starting
        change = min(max(wanted, self.smallest), self.largest) - self.ordered
        if change >= 0:
            starting[-1] += change
        else:
            surplus = -change
            for column in range(len(starting) - 1, -1, -1):
                cancelled = min(surplus, starting[column])
                starting[column] -= cancelled
                surplus -= cancelled
            self.running -= surplus
            if self.draining:
                self.draining[-1] += surplus
        paid = self.ordered + sum(self.draining)
        passed = self._serve(requests, paid)
        self.running += starting.pop(0)
        starting.append(0)
        if self.draining:
            self.draining.pop(0)
            self.draining.append(0)
        return passed

    def _serve(self, requests: float, paid: int) -> Passed:
        running, before = self.running, self.backlog
        capacity = running * self.capacity
        at_hand = before + requests
        served = min(at_hand, capacity)
        lost = max(at_hand - served - capacity * self.patience, 0.0)
        self.backlog = at_hand - served - lost
        utilisation = requests / max(capacity, 1e-9)
        slow = 0.0
        if requests > 0:
            slow = self._slow(before, before + requests - capacity, capacity, utilisation) if running else 1.0
        violated = slow > 1 - QUANTILE
        return Passed(served, lost, slow, violated, utilisation, running, paid, paid * self.dollars)

    def _slow(self, before: float, after: float, capacity: float, utilisation: float) -> float:
        late = 0.0
        if before > 0 or after > 0:
            per_second = capacity / MINUTE
            start, end = before / per_second, after / per_second
            low, high = min(start, end), max(start, end)
            if high > self.limit:
                share = (high - self.limit) / max(high - low, 1e-12)
                late = 1.0 if low > self.limit else min(max(share, 0.0), 1.0)
        level = min(utilisation, 0.999) * LEVELS
        below = int(level)
        row = self.slow[self.running]
        queueing: float = row[below] + (level - below) * (row[below + 1] - row[below])
        return late + (1 - late) * queueing
