"""The learner's environment: every few minutes it picks which of some tuned rules sizes the fleet.

The rules (the menu) read the load only, never the fleet, so what each wants is one series over the trace. The
learner sees how they disagree, how the load moves, how the fleet stands, and the price of a violation, which
is drawn anew for every episode: one agent learns the whole front between cost and violations, and the price
is the dial that is set on the validation days. Suffixes: K rules, T minutes, F numbers observed, L lanes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from practicum.applications.agent import Agent
from practicum.applications.cloud.fleet import Floats, Integers
from practicum.applications.cloud.lane import Lane
from practicum.applications.cloud.simulate import View, World, first_size

FLEET_FEATURES = 6
"""Numbers of the observation that depend on the fleet and the dial; they come after the load's."""


@dataclass(frozen=True)
class Steering:
    """What the learner steers: the menu's sizes [K, T], what it observes of the load [T, F], and names."""

    world: World
    menu_KT: Integers
    features_TF: NDArray[np.float32]
    names: tuple[str, ...]
    rules: tuple[str, ...]
    minutes: int
    """Minutes between two choices."""


def load_features(world: World, menu_KT: Integers) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """What the learner sees of the load at each minute [T, F], as ratios that know no scale, and their names."""
    known, plant = world.known, world.plant
    floor = 0.05 * float(plant.capacity(1))
    base = known.level[15] + floor
    angle = 2 * np.pi * world.minute_of_day_T / 1440
    size = plant.need(base)
    columns = {
        "load now": np.log((known.last + floor) / base),
        "level over 2 minutes": np.log((known.level[2] + floor) / base),
        "level over 5 minutes": np.log((known.level[5] + floor) / base),
        "level over an hour": np.log((known.level[60] + floor) / base),
        "highest of 5 minutes": np.log((known.highest[5] + floor) / base),
        "highest of 20 minutes": np.log((known.highest[20] + floor) / base),
        "error of 5 minutes": known.deviation[5] / base,
        "error of 15 minutes": known.deviation[15] / base,
        "daily profile": np.log(known.seasonal),
        "time of day, sine": np.sin(angle),
        "time of day, cosine": np.cos(angle),
        "size of the load": np.log(size),
        "room below the next size": (plant.most_N[size] - base) / base,
    }
    for place, wanted_T in enumerate(menu_KT):
        columns[f"rule {place + 1} wants"] = np.log(wanted_T / size)
        columns[f"rule {place + 1} at use"] = np.minimum(base / plant.most_N[wanted_T], 3.0)
    table = np.stack(list(columns.values()), 1).astype(np.float32)
    return table, tuple(columns)


def leaked(world: World, ahead: int) -> tuple[NDArray[np.float32], str]:
    """The positive control's feature: the greatest load of the minutes that the choice is for, from the future."""
    highest = world.requests_T.copy()
    for step in range(1, ahead):
        highest[:-step] = np.maximum(highest[:-step], world.requests_T[step:])
    floor = 0.05 * float(world.plant.capacity(1))
    ratio = np.log((highest + floor) / (world.known.level[15] + floor))
    return ratio.astype(np.float32)[:, None], "the future's highest load"


@dataclass(frozen=True)
class Practice:
    """Where and for how long the learner practises, and what a violated minute may cost it.

    starts: first minutes of the learning days, each `day` minutes long; an episode is `episode` minutes from
    anywhere in them. prices: bounds of the price of a violated minute, in minutes of the usual fleet's cost.
    """

    starts: Integers
    day: int
    episode: int
    prices: tuple[float, float]
    dollars: float
    """What the usual fleet costs in a minute: the unit of the reward."""
    shuffled: bool = False
    """The null control: rewards of an episode come in a random order, from other moments."""


class Autoscaling(gymnasium.Env[NDArray[np.float32], np.int64]):
    """Choose a rule; for the next minutes it sizes the fleet. The reward is minus cost and priced violations."""

    def __init__(self, steering: Steering, practice: Practice, seed: int = 0) -> None:
        self.steering, self.practice = steering, practice
        world = steering.world
        self.lane = Lane(world.plant)
        size = steering.features_TF.shape[1] + FLEET_FEATURES
        self.observation_space = spaces.Box(-np.inf, np.inf, (size,), np.float32)
        self.action_space = spaces.Discrete(len(steering.menu_KT))
        self.first_T = first_size(world, np.arange(len(world.requests_T)))
        self.past: list[float] = []
        self.price = 1.0
        self._seed = seed

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Begin an episode somewhere in the learning days at a price drawn on the logarithmic scale."""
        super().reset(seed=self._seed if seed is None and self._np_random is None else seed)
        practice = self.practice
        start = practice.starts[self.np_random.integers(len(practice.starts))]
        self.at = int(start) + int(self.np_random.integers(practice.day - practice.episode + 1))
        self.end = self.at + practice.episode
        low, high = np.log(practice.prices)
        self.price = float(np.exp(self.np_random.uniform(low, high)))
        self.lane.reset(int(self.first_T[self.at]))
        self.utilisation, self.late = 0.0, 0.0
        return self._observation(), {}

    def step(self, action: Any) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Let the chosen rule size the fleet until the next choice."""
        steering, world = self.steering, self.steering.world
        dollars, violated, minutes = 0.0, 0, min(steering.minutes, self.end - self.at)
        wanted_T = steering.menu_KT[int(action)]
        for at in range(self.at, self.at + minutes):
            passed = self.lane.advance(int(wanted_T[at]), float(world.requests_T[at]), world.taken_TN[at])
            dollars += passed.dollars
            violated += passed.violated
        self.utilisation, self.late = passed.utilisation, float(passed.slow)
        self.at += minutes
        cost = dollars / self.practice.dollars
        reward = -(cost + self.price * violated) / (steering.minutes * (1 + self.price * 0.02))
        if self.practice.shuffled:
            self.past.append(reward)
            reward = self.past[int(self.np_random.integers(len(self.past)))]
        ended = self.at >= self.end
        told = {"dollars": dollars, "violated": violated, "minutes": minutes}
        return self._observation(), reward, False, ended, told

    def _observation(self) -> NDArray[np.float32]:
        at = min(self.at, len(self.steering.features_TF) - 1)
        lane = self.lane
        base = float(self.steering.world.known.level[15][at])
        fleet = fleet_features(
            lane.running, lane.ordered, lane.backlog, base, self.utilisation, self.late, lane.capacity, self.price
        )
        return np.concatenate([self.steering.features_TF[at], np.asarray(fleet, dtype=np.float32)])


def fleet_features(
    running: Any, ordered: Any, backlog: Any, base: Any, utilisation: Any, late: Any, capacity: float, price: Any
) -> tuple[Any, ...]:
    """How the fleet stands, of one or of many lanes: FLEET_FEATURES numbers, as ratios; the price comes last."""
    need = base / capacity + 0.05
    return (
        np.log(np.maximum(running, 0.5) / need),
        np.log(np.maximum(ordered, 0.5) / need),
        np.minimum(backlog / (capacity * np.maximum(running, 1)), 1.0),
        np.minimum(utilisation, 2.0),
        late,
        np.log(price),
    )


FLEET_NAMES = (
    "instances in service",
    "instances ordered",
    "requests waiting",
    "utilisation",
    "slow requests",
    "price of a violation",
)


@dataclass
class Learned:
    """The trained agent as a policy of many lanes; every lane has its own price of a violation."""

    agent: Agent
    steering: Steering
    price_L: Floats
    choice_L: Integers = field(init=False)
    minute: int = field(init=False)

    def start(self, lanes: int) -> None:
        """See Policy."""
        self.choice_L, self.minute = np.zeros(lanes, dtype=np.int64), 0

    def wanted(self, view: View) -> Integers:
        """See Policy."""
        if self.minute % self.steering.minutes == 0:
            self.choice_L = self.agent.act(self.observations(view))
        self.minute += 1
        found: Integers = self.steering.menu_KT[self.choice_L, view.at_L]
        return found

    def observations(self, view: View) -> NDArray[np.float32]:
        """What the agent sees [L, F]; the same numbers as Autoscaling gives."""
        fleets, last = view.fleets, view.last
        lanes = len(view.at_L)
        fleet = fleet_features(
            fleets.running_L,
            fleets.ordered_L,
            fleets.backlog_L,
            view.known(view.world.known.level[15]),
            np.zeros(lanes) if last is None else last.utilisation_L,
            np.zeros(lanes) if last is None else last.slow_L,
            float(view.world.plant.capacity(1)),
            self.price_L,
        )
        rows = [self.steering.features_TF[view.at_L], np.stack(fleet, 1).astype(np.float32)]
        return np.concatenate(rows, 1)
