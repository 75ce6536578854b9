"""`practicum apply ads`: which item to show whom, learnt from a log, judged by what visitors of another
half click."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from practicum.applications.ads import rival, sessions
from practicum.applications.ads.click_model import Fitted, fit
from practicum.applications.ads.columns import DataConfig
from practicum.applications.ads.controls import Control, Plant, planted, shuffled
from practicum.applications.ads.data import Log, read_log
from practicum.applications.ads.environment import Clicks, SessionConfig
from practicum.applications.ads.estimators import effective_size, ips
from practicum.applications.ads.experiment import ExperimentConfig, plan, verdict
from practicum.applications.ads.generator import GeneratorConfig, generate
from practicum.applications.ads.judge import judge, lifts, on_policy, simulated_test
from practicum.applications.ads.page import importance, outcome_of, segments, test_path
from practicum.applications.ads.policies import (
    Policy,
    click_model,
    linucb,
    logging,
    popularity,
    ppo,
    random_policy,
    thompson,
)
from practicum.applications.agent import AgentConfig, AgentSettings
from practicum.applications.results import Outcome, Table, published
from practicum.config import completed
from practicum.errors import InputError
from practicum.files import atomic_write, read_json, to_json
from practicum.ranges import Common, Count, Ranged, Seed
from practicum.run.progress import doing, progress

LEARNER = "ppo"
TESTED = ("logging", "popularity")
"""What the learner is tested against."""
LIFTS = (0.05, 0.1, 0.23, 0.5)
"""The lifts that --plan counts visitors for."""
DONE = "result.json"
UNPLANNED = (
    *("seeds", "control", "rival", "sessions", "session", "agent", "session_agent"),
    *(f"experiment.{name}" for name in ("smallest", "visitors", "look_every")),
)
"""Settings that --plan makes no use of."""
ONLY_PLANNED = dict.fromkeys(("experiment.power", "experiment.rate"), "it is for --plan, which is not given")
"""Settings that only --plan makes use of, and why not otherwise."""


@dataclass(frozen=True)
class Config(Ranged):
    """Learn from a log which item to show whom, and judge it on the half that nothing learnt from.

    practicum apply ads
    practicum apply ads --data random_men.csv.gz bts_men.csv.gz
    practicum apply ads --plan --experiment.rate 0.005
    """

    data: DataConfig = field(default_factory=DataConfig)
    """The log; without a file one is made up, whose truth is known."""
    seeds: Common[Count] = 5
    """Repetitions: another split of the log, or another made-up world, and another agent each."""
    seed: Common[Seed] = 0
    """The first seed; the next ones count on."""
    control: Common[Control] = "none"
    """positive: a taste is planted that must be found; null: clicks are shuffled, so that nothing is
    there."""
    plan: Common[bool] = False
    """Only say how many visitors an A/B test needs."""
    rival: rival.Kind | None = "mtr"
    """The kind of vowpalwabbit's learner; none leaves the rival out. mtr was the best on seeds 100 to 103."""
    sessions: bool = True
    """Also whole sessions, in which visitors tire of a category."""
    made_up: GeneratorConfig = field(default_factory=GeneratorConfig)
    """The made-up log."""
    session: SessionConfig = field(default_factory=SessionConfig)
    """How visitors tire."""
    experiment: ExperimentConfig = field(default_factory=ExperimentConfig)
    """The A/B test."""
    agent: AgentSettings = field(
        default_factory=lambda: AgentSettings(
            iterations=40, learning_rate=1e-2, entropy_weight=0.02, hidden=(64,)
        )
    )
    """How PPO learns which item to show."""
    session_agent: AgentSettings = field(
        default_factory=lambda: AgentSettings(iterations=120, learning_rate=2e-3)
    )
    """How PPO learns to lead a session."""

    def without_effect(self) -> Mapping[str, str]:
        """Settings that others leave without an effect."""
        found: dict[str, str] = {}
        if self.data.file:
            found["made_up"] = "the log is that of --data"
        else:
            found |= self.data_without_effect()
        if not self.sessions:
            found |= dict.fromkeys(("session", "session_agent"), "there are no sessions: give --sessions")
        return found | (self.plan_without_effect() if self.plan else ONLY_PLANNED)

    def plan_without_effect(self) -> dict[str, str]:
        """What a plan, which trains and tests nothing, makes no use of."""
        found = dict.fromkeys(UNPLANNED, "--plan only counts visitors")
        if self.experiment.rate:
            found |= dict.fromkeys(
                ("data", "made_up", "seed"), "--plan takes the click rate of --experiment.rate"
            )
        elif self.data.file:
            found["seed"] = "--plan takes the click rate of the log"
        return found

    def data_without_effect(self) -> dict[str, str]:
        """What is said of a log's columns, where there is no log."""
        return {f"data.{name}": why for name, why in self.data.without_effect().items()}


def apply(config: Config, folder: Path) -> Outcome:
    """Learn and judge with each seed, and say what was reached."""
    if config.plan:
        return planned(config)
    log = read_log(config.data) if config.data.file else None
    found = []
    with progress("apply ads", config.seeds) as bar:
        bar.update(0)
        for number in range(config.seeds):
            found.append(seed_result(config, config.seed + number, log, folder))
            bar.update(number + 1)
    return outcome_of(found, made_up=log is None, control=config.control, notes=log.notes if log else ())


def seed_result(config: Config, seed: int, log: Log | None, folder: Path) -> dict[str, Any]:
    """What one seed finds; a seed that was finished before is read from its folder."""
    place = folder / f"seed-{seed}"
    if (place / DONE).exists():
        stored: dict[str, Any] = read_json(place / DONE, "remove it: the seed is computed again")
        return stored
    with doing(f"seed {seed} learns"):
        found = one_seed(config, seed, log, place)
    place.mkdir(parents=True, exist_ok=True)
    atomic_write(place / DONE, to_json(found) + "\n")
    return found


def one_seed(config: Config, seed: int, log: Log | None, place: Path) -> dict[str, Any]:
    """Split, learn, judge, test: everything of one seed."""
    log, truth = world(config, seed, log)
    learning, held = log.halves(seed)
    for half in (learning, held):
        if not half.clicks:
            raise InputError(f"one half of the log has no click (seed {seed}): a larger log is needed")
    learned, judging = fit(learning), fit(held)
    policies = learn(config, learning, learned, seed, place)
    judged = judge(policies, held, learned, judging, known(truth), seed)
    found: dict[str, Any] = {
        "seed": seed,
        "rows": [len(learning), len(held)],
        "clicks": [learning.clicks, held.clicks],
        "on_policy": ips(on_policy(held)).json(),
        "policies": {
            name: {
                "model": one.rate.json(),
                "off_policy": {key: value.json() for key, value in one.off_policy.items()},
                "effective": effective_size(one.evidence.weight_N),
                "true": one.true,
            }
            for name, one in judged.items()
        },
        "lifts": {name: lifts(judged, LEARNER, name, held) for name in policies if name != LEARNER},
        "tests": tests(config, policies, held, judging, seed),
        "segments": segments(policies, held, judging.mean if truth is None else known(truth) or judging.mean),
        "features": importance(policies[LEARNER], held, seed),
    }
    if isinstance(truth, Plant):
        found["planted"] = plant_found(truth, policies, held)
    if config.sessions:
        found["sessions"] = session_result(
            config, learned, judging, policies, held, known(truth), seed, place
        )
    return found


def world(config: Config, seed: int, log: Log | None) -> tuple[Log, Clicks | None]:
    """The log of a seed, with its control, and what is known of the truth."""
    truth: Clicks | None = None
    if log is None:
        log, truth = generate(config.made_up, seed)
    if config.control == "positive":
        return planted(log, truth, seed)
    return shuffled(log, seed) if config.control == "null" else (log, truth)


def known(truth: Clicks | None) -> Clicks | None:
    """The truth, where it is known of all visitors and not only of those with the planted taste."""
    return None if isinstance(truth, Plant) and truth.clicks is None else truth


def learn(config: Config, log: Log, fitted: Fitted, seed: int, place: Path) -> dict[str, Policy]:
    """The policies that learn from a half of the log, the baselines first."""
    policies: dict[str, Policy] = {
        "random": random_policy(log),
        "logging": logging(log),
        "popularity": popularity(log),
        "linucb": linucb(log),
        "thompson": thompson(fitted, seed),
    }
    if config.rival is not None:
        policies["vowpalwabbit"] = rival.learn(log, config.rival, seed)
    policies["click model"] = click_model(fitted)
    policies[LEARNER] = ppo(
        fitted, completed(AgentConfig, config.agent, seed=seed), place / LEARNER, resume=True
    )
    return policies


def tests(
    config: Config, policies: Mapping[str, Policy], held: Log, judging: Fitted, seed: int
) -> dict[str, Any]:
    """Simulated A/B tests of the learner against what is done in practice."""
    found = {}
    for name in TESTED:
        path, lift = simulated_test(
            policies, held, judging, (LEARNER, name), config.experiment, seed, config.control == "null"
        )
        found[name] = {
            **verdict(config.experiment, path).json(),
            "lift_there": lift,
            "path": test_path(config.experiment, path),
        }
    return found


def plant_found(plant: Plant, policies: Mapping[str, Policy], held: Log) -> dict[str, Any]:
    """How often each policy shows the planted item to the visitors who click it."""
    members = held.contexts.take(np.flatnonzero(plant.members(held.contexts)))
    return {
        "feature": held.features[plant.feature],
        "item": held.items.names[plant.item],
        "shown": {
            name: float(policy.probabilities(members)[:, plant.item].mean())
            for name, policy in policies.items()
        },
    }


def session_result(
    config: Config,
    learned: Fitted,
    judging: Fitted,
    policies: Mapping[str, Policy],
    held: Log,
    truth: Clicks | None,
    seed: int,
    place: Path,
) -> dict[str, Any]:
    """Whole sessions, in the truth where it is known, else on ten click models of the half that judges."""
    settings = completed(AgentConfig, config.session_agent, seed=seed)
    agent = sessions.train(learned, config.session, settings, place / "sessions")
    random = np.random.default_rng([seed, 59])
    worlds: list[Clicks] = [truth] if truth is not None else [judging.draw(random) for _ in range(10)]
    return sessions.played(learned, agent, policies["popularity"], held, worlds, config.session, seed)


def planned(config: Config) -> Outcome:
    """How many visitors a test needs, looked at once or after every visitor."""
    rate = config.experiment.rate
    if not rate:
        log = read_log(config.data) if config.data.file else generate(config.made_up, config.seed)[0]
        rate = log.clicks / len(log)
    rows = plan(config.experiment, rate, LIFTS)
    power, level = config.experiment.power, config.experiment.level
    goal = next(row for row in rows if row["lift"] == 0.23)
    headline = (
        f"At a click rate of {100 * rate:.3g}% a test that may be looked at any time finds a lift of 23% "
        f"within "
        f"{goal['with_power']:,} visitors in {power:.0%} of all cases, with at most {level:.0%} false "
        f"positives; "
        f"a test that is looked at once needs {goal['once']:,}."
    )
    table = Table(
        ("lift", "visitors, one look", "any time: median", f"any time: {power:.0%} of tests"),
        [[f"{row['lift']:+.0%}", row["once"], row["median"], row["with_power"]] for row in rows],
        f"Visitors in all, {config.experiment.share:.0%} of them with the new policy.",
    )
    return Outcome(headline, table, {"rate": rate, "level": level, "power": power, "plan": rows})


run = published("ads", apply)
