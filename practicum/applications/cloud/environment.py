"""The learner's environment: every few minutes it moves the caution of a tuned rule up or down.

The rule reads the load only, never the fleet, so what it wants at each caution is one series over the trace.
The learner sees how the load moves, how the fleet stands, and the price of a violated minute, which is drawn
anew for every episode: one agent learns the whole front between cost and violations, and the price is the
dial that is set on the validation days. The reward counts from what the unsteered rule would have cost on the
very same minutes, so that what the load does to both cancels; no decision changes that.

Suffixes: Z steps of caution, P prices, T minutes, F numbers observed, L lanes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from scipy.special import logit

from practicum.applications.agent import Agent
from practicum.applications.cloud.baselines import worth_it
from practicum.applications.cloud.fleet import Floats, Integers
from practicum.applications.cloud.lane import Lane
from practicum.applications.cloud.simulate import View, World, first_size

OFFSETS = (-16, -8, 0, 8, 16)
"""By how many steps of caution each action moves the rule from where the price alone would set it."""
FLEET_NAMES = (
    "instances in service",
    "instances ordered",
    "requests waiting",
    "utilisation",
    "slow requests",
    "price of a violation",
)


@dataclass(frozen=True)
class Steering:
    """What the learner steers and sees.

    menu_ZT: sizes that the rule wants at each step of caution; prices_P: prices of a violated minute,
    ascending, and steps_P the rule's caution at each; features_TF, names: what is observed of the load and of
    the chances; minutes: time between two choices.
    """

    world: World
    menu_ZT: NDArray[np.int16]
    prices_P: Floats
    steps_P: Integers
    features_TF: NDArray[np.float32]
    names: tuple[str, ...]
    minutes: int

    def step_for(self, price: Any) -> Any:
        """The unsteered rule's caution at a price, or at prices [L]."""
        between = np.sqrt(self.prices_P[1:] * self.prices_P[:-1])
        return self.steps_P[np.searchsorted(between, price)]

    def steered(self, action: Any, price: Any) -> Any:
        """The step of caution that an action means at a price."""
        step = self.step_for(price) + np.asarray(OFFSETS)[action]
        return np.clip(step, 0, len(self.menu_ZT) - 1)


def load_features(world: World) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """What the learner sees of the load at each minute [T, F], as ratios that know no scale, with names."""
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
        "error of an hour": known.deviation[60] / base,
        "daily profile": np.log(known.seasonal),
        "time of day, sine": np.sin(angle),
        "time of day, cosine": np.cos(angle),
        "size of the load": np.log(size),
        "room below the next size": (plant.most_N[size] - base) / base,
    }
    return np.stack(list(columns.values()), 1).astype(np.float32), tuple(columns)


def chance_features(world: World, price: float) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """What the forecaster tells [T, 4]: logits of a violation with the rule's size and around it, with names.

    The rule's size is the one that is worth its cost at `price`; its logarithm over the present level's need
    comes last.
    """
    chances_TN, plant = world.known_chances, world.plant
    size_T = worth_it(plant, chances_TN, np.full(len(chances_TN), price))
    rows, columns = np.arange(len(size_T)), []
    for more in (-1, 0, 1):
        chance_T = chances_TN[rows, np.clip(size_T + more, 0, chances_TN.shape[1] - 1)]
        columns.append(logit(np.clip(chance_T, 1e-4, 1 - 1e-4)))
    columns.append(np.log(size_T / plant.need(world.known.level[15])))
    names = (
        "chance with one fewer",
        "chance with the rule's size",
        "chance with one more",
        "size of the rule",
    )
    return np.stack(columns, 1).astype(np.float32), names


def leaked(world: World, ahead: int) -> NDArray[np.float32]:
    """The positive control's feature [T, 1]: the greatest load of the coming minutes, from the future."""
    highest = world.requests_T.copy()
    for step in range(1, ahead):
        highest[:-step] = np.maximum(highest[:-step], world.requests_T[step:])
    floor = 0.05 * float(world.plant.capacity(1))
    ratio: NDArray[np.float32] = np.log((highest + floor) / (world.known.level[15] + floor)).astype(
        np.float32
    )
    return ratio[:, None]


@dataclass(frozen=True)
class Practice:
    """Where the learner practises.

    starts: first minutes of the learning days, each `day` minutes long; an episode is `episode` minutes from
    anywhere in one. dollars: the usual fleet's cost of a minute, the unit of reward and price. dollars_ZT,
    violated_ZT: what the unsteered rule has cost, and violated, before each minute of its day. shuffled: the
    null control, where a choice is paid what another moment's choice earned.
    """

    starts: Integers
    day: int
    episode: int
    dollars: float
    dollars_ZT: Floats
    violated_ZT: Floats
    shuffled: bool = False


class Autoscaling(gymnasium.Env[NDArray[np.float32], np.int64]):
    """Steer the rule, which sizes the fleet for the next minutes; see the module for the reward."""

    def __init__(self, steering: Steering, practice: Practice, seed: int = 0) -> None:
        self.steering, self.practice = steering, practice
        world = steering.world
        self.lane = Lane(world.plant)
        size = steering.features_TF.shape[1] + len(FLEET_NAMES)
        self.observation_space = spaces.Box(-np.inf, np.inf, (size,), np.float32)
        self.action_space = spaces.Discrete(len(OFFSETS))
        self.past: list[float] = []
        self.price, self.at, self.end = 1.0, 0, 0
        self.unsteered = 0
        self._first_seed: int | None = seed

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Begin an episode somewhere in the learning days, at a price drawn on the logarithmic scale."""
        super().reset(seed=self._first_seed if seed is None else seed)
        self._first_seed = None
        practice, prices_P = self.practice, self.steering.prices_P
        start = practice.starts[self.np_random.integers(len(practice.starts))]
        self.at = int(start) + int(self.np_random.integers(practice.day - practice.episode + 1))
        self.end = self.at + practice.episode
        self.price = float(np.exp(self.np_random.uniform(*np.log(prices_P[[0, -1]]))))
        self.unsteered = int(self.steering.step_for(self.price))
        self.lane.reset(int(first_size(self.steering.world, np.array([self.at]))[0]))
        self.utilisation, self.late = 0.0, 0.0
        self.past.clear()
        return self._observation(), {}

    def step(self, action: Any) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Let the steered rule size the fleet until the next choice."""
        steering, world = self.steering, self.steering.world
        begin, until = self.at, min(self.at + steering.minutes, self.end)
        wanted = steering.menu_ZT[steering.steered(int(action), self.price), begin:until].tolist()
        requests = world.requests_T[begin:until].tolist()
        dollars, violated = 0.0, 0
        if not requests:
            raise gymnasium.error.ResetNeeded("the episode is over: reset before another step")
        for at, size, load in zip(range(begin, until), wanted, requests, strict=True):
            passed = self.lane.advance(size, load, world.taken.get(at))
            dollars += passed.dollars
            violated += passed.violated
        self.utilisation, self.late, self.at = passed.utilisation, float(passed.slow), until
        reward = self._reward(begin, dollars, violated)
        if self.practice.shuffled:
            self.past.append(reward)
            reward = self.past[int(self.np_random.integers(len(self.past)))]
        told = {"dollars": dollars, "violated": violated, "minutes": len(wanted)}
        return self._observation(), reward, False, until >= self.end, told

    def _reward(self, begin: int, dollars: float, violated: int) -> float:
        """What was saved against the unsteered rule, violations at their price; of one size at all prices."""
        practice, step = self.practice, self.unsteered
        of_rule = practice.dollars_ZT[step, self.at] - practice.dollars_ZT[step, begin]
        violated_of_rule = practice.violated_ZT[step, self.at] - practice.violated_ZT[step, begin]
        more = (dollars - float(of_rule)) / practice.dollars + self.price * (
            violated - float(violated_of_rule)
        )
        return -more / (1 + 0.02 * self.price)

    def _observation(self) -> NDArray[np.float32]:
        at, lane = min(self.at, len(self.steering.features_TF) - 1), self.lane
        base = float(self.steering.world.known.level[15][at])
        standing = (lane.running, lane.ordered, lane.backlog)
        fleet = fleet_features(standing, base, self.utilisation, self.late, lane.capacity, self.price)
        return np.concatenate([self.steering.features_TF[at], np.asarray(fleet, dtype=np.float32)])


def fleet_features(
    standing: tuple[Any, Any, Any], base: Any, utilisation: Any, late: Any, capacity: float, price: Any
) -> tuple[Any, ...]:
    """How a fleet (in service, ordered, requests waiting) stands, or many lanes of them, as ratios."""
    running, ordered, backlog = standing
    need = base / capacity + 0.05
    return (
        np.log(np.maximum(running, 0.5) / need),
        np.log(np.maximum(ordered, 0.5) / need),
        np.minimum(backlog / (capacity * np.maximum(running, 1)), 1.0),
        np.minimum(utilisation, 2.0),
        late,
        np.log(price),
    )


@dataclass
class Learned:
    """The trained agent as a policy of many lanes, each with its own price of a violation."""

    agent: Agent
    steering: Steering
    price_L: Floats
    record: bool = False
    """Whether to keep what was seen and chosen, for `seen` and `chosen`."""
    seen: list[NDArray[np.float32]] = field(default_factory=list)
    chosen: list[Integers] = field(default_factory=list)
    choice_L: Integers = field(init=False)
    minute: int = field(init=False)

    def start(self, lanes: int) -> None:
        """See Policy."""
        self.choice_L, self.minute = np.full(lanes, OFFSETS.index(0)), 0

    def wanted(self, view: View) -> Integers:
        """See Policy."""
        if self.minute % self.steering.minutes == 0:
            rows = self.observations(view)
            self.choice_L = self.agent.act(rows)
            if self.record:
                self.seen.append(rows)
                self.chosen.append(self.choice_L)
        self.minute += 1
        step_L = self.steering.steered(self.choice_L, self.price_L)
        found: Integers = self.steering.menu_ZT[step_L, view.at_L].astype(np.int64)
        return found

    def observations(self, view: View) -> NDArray[np.float32]:
        """What the agent sees [L, F]: the same numbers as Autoscaling shows."""
        fleets, last, lanes = view.fleets, view.last, len(view.at_L)
        fleet = fleet_features(
            (fleets.running_L, fleets.ordered, fleets.backlog_L),
            view.known(view.world.known.level[15]),
            np.zeros(lanes) if last is None else last.utilisation_L,
            np.zeros(lanes) if last is None else last.slow_L,
            float(view.world.plant.capacity(1)),
            self.price_L,
        )
        rows = [self.steering.features_TF[view.at_L], np.stack(fleet, 1).astype(np.float32)]
        return np.concatenate(rows, 1)


@dataclass
class Unsteered:
    """The rule alone, at a step of caution per lane."""

    menu_ZT: NDArray[np.int16]
    step_L: Integers

    def start(self, lanes: int) -> None:
        """See Policy."""

    def wanted(self, view: View) -> Integers:
        """See Policy."""
        found: Integers = self.menu_ZT[self.step_L, view.at_L].astype(np.int64)
        return found
