"""From a trace to figures: tune the rules, train the learner, set its dial, count on held-out days."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray

from practicum.applications.agent import Agent, AgentConfig, AgentSettings, train_agent
from practicum.applications.cloud.baselines import FAMILIES, STEERED, worth_it
from practicum.applications.cloud.chance import ForecasterConfig
from practicum.applications.cloud.data import DataConfig, Split, Trace, episode_starts, split_by_time
from practicum.applications.cloud.environment import (
    Autoscaling,
    Learned,
    Practice,
    Steering,
    Unsteered,
    chance_features,
    leaked,
    load_features,
)
from practicum.applications.cloud.fleet import FleetConfig, Floats, Integers, Plant
from practicum.applications.cloud.simulate import Episodes, World, make_world, run, run_recorded, scale_for
from practicum.applications.cloud.tuning import (
    PARTS,
    Trial,
    by_setting,
    picked,
    simulated_minutes,
    summed,
    tuned,
)
from practicum.config import completed
from practicum.errors import InputError
from practicum.ranges import Common, Count, Range, Ranged, Seed

CAUTIONS = np.geomspace(2, 12_000, 79)
"""Steps of the rule's caution: its price of a violated minute, in minutes of an instance."""
PRICES = np.geomspace(3, 200, 41)
"""Prices of a violated minute that the dial has, in minutes of the usual fleet's cost."""
Control = Literal["none", "positive", "null"]
CONTROLS: tuple[Control, ...] = ("none", "positive", "null")


@dataclass(frozen=True)
class CloudSettings(Ranged):
    """The service, the rules and the learner, whoever decides on seeds and controls."""

    data: DataConfig = field(default_factory=DataConfig)
    """Where the requests come from."""
    fleet: FleetConfig = field(default_factory=FleetConfig)
    """The service, its objective, and its instances."""
    violations: Annotated[float, Range(above=0, below=1)] = 0.01
    """Share of minutes whose 95th percentile of latency may miss the objective."""
    trials: Common[Count] = 96
    """Settings that are tried of the steered rule; every other rule also gets the learner's minutes."""
    forecaster: ForecasterConfig = field(default_factory=ForecasterConfig)
    """How the chance of a violation is learned, which the steered rule and the learner read."""
    steer_minutes: Annotated[int, Range(at_least=1, at_most=60)] = 5
    """Minutes between two choices of the learner."""
    practice_minutes: Annotated[int, Range(at_least=1)] = 360
    """Length of an episode of practice."""
    agent: AgentSettings = field(
        default_factory=lambda: AgentSettings(
            iterations=100, environments=16, minibatches=8, discount=0.8, gae_lambda=0.9
        )
    )
    """How each learner learns."""


@dataclass(frozen=True)
class Config(CloudSettings):
    """Autoscaling: a learner steers a rule on learned chances, beside the rules that practitioners tune.

    practicum apply cloud
    practicum apply cloud --data requests.csv --data.requests hits --seeds 5
    """

    unseen: Path | None = None
    """CSV of a workload that nothing was tuned on; none takes another one of the generator."""
    control: Common[Control] = "none"
    """positive: the learner sees the coming load, and must win; null: its rewards are shuffled."""
    seeds: Common[Count] = 3
    """Learners, each from a seed of its own."""
    seed: Common[Seed] = 0
    """Seed of the first learner, and of generator, trials and interruptions."""


@dataclass(frozen=True)
class Learner:
    """A trained learner: the agent, what it steers, and its dial's settings as trials (`price`)."""

    seed: int
    agent: Agent
    steering: Steering
    trials: Sequence[Trial]
    chosen: Trial


def scaled_world(plant: Plant, trace: Trace, learning: Floats, seed: int) -> tuple[World, float]:
    """The trace's world, scaled by its learning part, and the factor."""
    scale = scale_for(plant, learning)
    return make_world(plant, trace.requests_T * scale, trace.minute_of_day, seed, trace.name), scale


def learning_requests(trace: Trace, split: Split, minutes: int) -> Floats:
    """Requests of the learning days."""
    return np.concatenate([trace.requests_T[start : start + minutes] for start in split.train])


def split_of(config: Config, trace: Trace) -> Split:
    """The split by time. Raises InputError where an episode of practice would not fit."""
    if config.practice_minutes > config.data.episode_minutes:
        raise InputError(
            f"practice_minutes: expected at most data.episode_minutes ({config.data.episode_minutes}), "
            f"got {config.practice_minutes}"
        )
    return split_by_time(trace, config.data.episode_minutes)


def learner_minutes(config: Config) -> int:
    """Simulated minutes of one learner's practice."""
    agent = config.agent
    return agent.iterations * agent.environments * agent.horizon * config.steer_minutes


def tune_rules(config: Config, world: World, split: Split) -> dict[str, list[Trial]]:
    """The front of every family's trials. All but the steered rule also get the learner's minutes."""
    minutes = config.data.episode_minutes
    more = -(-learner_minutes(config) // simulated_minutes(split, minutes, 1))
    return {
        name: tuned(
            world,
            split,
            minutes,
            family,
            config.trials + (0 if name == STEERED else more),
            config.violations,
            (config.seed, 4_711, place),
        )
        for place, (name, family) in enumerate(FAMILIES.items())
    }


# ---------------------------------------------------------------------------------------------------- learner


def menu_of(world: World, rule: Mapping[str, float]) -> NDArray[np.int16]:
    """What the steered rule wants at every step of caution, as patient as tuned [Z, T]."""
    chances_TN = world.known_chances

    def sizes(price: float) -> Integers:
        return worth_it(world.plant, chances_TN, np.full(len(chances_TN), price))

    least_ZT = np.stack([sizes(price) for price in CAUTIONS])
    most_ZT = np.stack([sizes(price * rule["patience"]) for price in CAUTIONS])
    menu_TZ, wanted_Z = np.empty(least_ZT.T.shape, dtype=np.int16), least_ZT[:, 0]
    for at, (least_Z, most_Z) in enumerate(zip(least_ZT.T, np.maximum(most_ZT, least_ZT).T, strict=True)):
        menu_TZ[at] = wanted_Z = np.minimum(np.maximum(wanted_Z, least_Z), most_Z)
    return np.ascontiguousarray(menu_TZ.T)


def make_steering(
    config: Config, world: World, split: Split, rule: Mapping[str, float]
) -> tuple[Steering, Practice]:
    """What a learner steers and where it practises: the tuned rule on the learning days."""
    menu_ZT, minutes, starts = menu_of(world, rule), config.data.episode_minutes, split.train
    count, days = len(CAUTIONS), len(split.train)
    policy = Unsteered(menu_ZT, np.repeat(np.arange(count), days))
    episodes, line = run_recorded(world, policy, np.tile(starts, count), minutes)
    size, rows = len(world.requests_T), [slice(step * days, (step + 1) * days) for step in range(count)]
    paid_ZT = np.stack([summed(size, starts, line.paid_LM[row]) for row in rows])
    violated_ZT = np.stack([summed(size, starts, line.violated_LM[row]) for row in rows])
    figures = [one.figures() for one in by_setting(episodes, count)]
    cost_Z = np.array([one["dollars_per_day"] for one in figures]) / 1440
    late_Z = np.array([one["violations"] for one in figures])
    near = int(np.argmin(np.abs(late_Z - config.violations)))
    usual = float(cost_Z[near])
    # The dial's price of a minute of the usual fleet, as the rule's price of a minute of one instance.
    instances = usual / world.plant.dollars
    steps_P = np.abs(np.log(CAUTIONS / (PRICES[:, None] * instances))).argmin(1)
    features_TF, names = seen_load(config, world, rule)
    steering = Steering(world, menu_ZT, PRICES, steps_P, features_TF, names, config.steer_minutes)
    practice = Practice(
        starts,
        minutes,
        config.practice_minutes,
        usual,
        paid_ZT * world.plant.dollars,
        violated_ZT,
        config.control == "null",
    )
    return steering, practice


def seen_load(
    config: Config, world: World, rule: Mapping[str, float]
) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """What the learner sees of the load and of the chances; in the positive control also what comes."""
    loads_TF, of_load = load_features(world)
    chances_TF, of_chances = chance_features(world, rule["price"])
    features_TF, names = np.concatenate([loads_TF, chances_TF], 1), (*of_load, *of_chances)
    if config.control != "positive":
        return features_TF, names
    ahead = config.steer_minutes + world.plant.config.startup_minutes
    return np.concatenate([features_TF, leaked(world, ahead)], 1), (*names, "the load to come")


def transferred(config: Config, world: World, rule: Mapping[str, float], steering: Steering) -> Steering:
    """The same steering over another world: its own load, everything tuned as it was."""
    features_TF, _ = seen_load(config, world, rule)
    return replace(steering, world=world, menu_ZT=menu_of(world, rule), features_TF=features_TF)


def train_learner(
    config: Config, steering: Steering, practice: Practice, split: Split, seed: int, folder: Path
) -> Learner:
    """Train an agent in a folder (or continue it), try its dial, and set it."""
    settings = completed(AgentConfig, config.agent, seed=seed)
    agent = train_agent(settings, lambda copy: Autoscaling(steering, practice, copy), folder, resume=True)
    found = {
        part: by_setting(
            play(agent, steering, PRICES, getattr(split, part), config.data.episode_minutes), len(PRICES)
        )
        for part in PARTS
    }
    trials = [
        Trial({"price": float(price)}, {part: found[part][place] for part in PARTS})
        for place, price in enumerate(PRICES)
    ]
    return Learner(seed, agent, steering, trials, picked(trials, config.violations))


def unsteered_trials(config: Config, steering: Steering, split: Split) -> list[Trial]:
    """The rule that is steered, left alone at every step of caution, on every part."""
    steps, minutes = np.arange(len(CAUTIONS)), config.data.episode_minutes
    found = {}
    for part in PARTS:
        starts = getattr(split, part)
        policy = Unsteered(steering.menu_ZT, np.repeat(steps, len(starts)))
        episodes = run(steering.world, policy, np.tile(starts, len(steps)), minutes)
        found[part] = by_setting(episodes, len(steps))
    return [
        Trial({"price": float(CAUTIONS[step])}, {part: found[part][step] for part in PARTS}) for step in steps
    ]


def play(agent: Agent, steering: Steering, prices: Floats, starts: Integers, minutes: int) -> Episodes:
    """Episodes of the agent at each price (prices x starts)."""
    policy = Learned(agent, steering, np.repeat(prices, len(starts)))
    return run(steering.world, policy, np.tile(starts, len(prices)), minutes)


# ----------------------------------------------------------------------------------------------------- unseen


@dataclass(frozen=True)
class Unseen:
    """A workload that nothing was tuned on: its world and episodes."""

    world: World
    starts: Integers
    minutes: int


def unseen_world(config: Config, plant: Plant, trace: Trace) -> Unseen:
    """The world of a trace that is only played: at its own scale, a day or, of a shorter one, all of it."""
    minutes = min(config.data.episode_minutes, len(trace.requests_T) - 8)
    starts = episode_starts(trace, minutes)
    if minutes < 20 or not len(starts):
        raise InputError(f"{trace.name}: expected at least 28 minutes without a long gap")
    world, _ = scaled_world(plant, trace, trace.requests_T[trace.known_T], config.seed)
    return Unseen(world, starts, minutes)
