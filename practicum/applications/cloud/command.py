"""`practicum apply cloud`: autoscaling by a learner that steers a tuned rule, against the rules alone."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from practicum.applications.cloud.baselines import FAMILIES, STEERED
from practicum.applications.cloud.chance import Forecaster, fit_forecaster, foreseen
from practicum.applications.cloud.data import Split, load_trace, read_trace
from practicum.applications.cloud.environment import Learned
from practicum.applications.cloud.experiment import (
    Config,
    Learner,
    Unseen,
    learner_minutes,
    learning_requests,
    make_steering,
    play,
    scaled_world,
    split_of,
    train_learner,
    transferred,
    tune_rules,
    unseen_world,
    unsteered_trials,
)
from practicum.applications.cloud.fleet import make_plant
from practicum.applications.cloud.page import figures_of, weights_table
from practicum.applications.cloud.prices import SOURCE
from practicum.applications.cloud.simulate import Episodes, Policy, World
from practicum.applications.cloud.simulate import run as simulate
from practicum.applications.cloud.tuning import (
    PARTS,
    Trial,
    by_setting,
    cheapest_within,
    picked,
    simulated_minutes,
)
from practicum.applications.results import Outcome, Table, published
from practicum.run.progress import doing
from practicum.stats import bootstrap, student_mean

LEARNED = "learner"
AGAINST = ("target tracking", "calibrated rule", "predictive", STEERED)


@dataclass(frozen=True)
class Findings:
    """All that an experiment gave.

    fronts: every rule's settings that no other beats; chosen: the one picked of each; unsteered: the steered
    rule alone at every step of caution; unseen: figures of each policy on the unseen workload; forecaster:
    what tells the chances that the steered rule and the learner read.
    """

    config: Config
    world: World
    scale: float
    split: Split
    fronts: Mapping[str, Sequence[Trial]]
    chosen: Mapping[str, Trial]
    unsteered: Sequence[Trial]
    learners: Sequence[Learner]
    unseen: Mapping[str, Any]
    forecaster: Forecaster


def experiment(config: Config, folder: Path) -> Findings:
    """Tune, train, choose and count. Raises InputError for data that cannot be read or split."""
    trace = load_trace(config.data, config.seed)
    plant, split = make_plant(config.fleet), split_of(config, trace)
    for note in trace.notes:
        print(f"practicum: {trace.name}: {note}", file=sys.stderr)
    other = unseen_world(config, plant, unseen_trace(config))
    minutes = config.data.episode_minutes
    world, scale = scaled_world(plant, trace, learning_requests(trace, split, minutes), config.seed)
    with doing("the forecaster is fitted"):
        forecaster = fit_forecaster(config.forecaster, world, split.train, minutes, config.seed)
        world = foreseen(forecaster, world)
    with doing("the rules are tuned"):
        fronts = tune_rules(config, world, split)
        chosen = {name: picked(trials, config.violations) for name, trials in fronts.items()}
        rule = chosen[STEERED].setting
        steering, practice = make_steering(config, world, split, rule)
        unsteered = unsteered_trials(config, steering, split)
    learners = [
        train_learner(config, steering, practice, split, seed, folder / f"seed-{seed}")
        for seed in range(config.seed, config.seed + config.seeds)
    ]
    with doing("the unseen workload is played"):
        other = replace(other, world=foreseen(forecaster, other.world))
        unseen = on_unseen(config, other, chosen, learners)
    return Findings(config, world, scale, split, fronts, chosen, unsteered, learners, unseen, forecaster)


def unseen_trace(config: Config) -> Any:
    """The workload that nothing is tuned on: a file, or a week of the generator with more crowds."""
    if config.unseen is not None:
        return read_trace(
            config.unseen, config.data.time, config.data.requests, config.data.generated_token_weight
        )
    days = 7 * -(-config.data.episode_minutes // (7 * 1440)) if config.data.episode_minutes > 1440 else 7
    crowds = replace(
        config.data.generator, days=days, mean=250.0, day_swing=0.4, flash_crowds_per_week=4.0, noise=0.15
    )
    return replace(
        load_trace(replace(config.data, file=None, generator=crowds), config.seed + 999), name="crowded week"
    )


def on_unseen(
    config: Config, other: Unseen, chosen: Mapping[str, Trial], learners: Sequence[Learner]
) -> dict[str, Any]:
    """Figures of every policy on the unseen workload, all settings as they were chosen on the known one."""
    found: dict[str, Any] = {}
    for name, trial in chosen.items():
        lanes = {key: np.full(len(other.starts), value) for key, value in trial.setting.items()}
        policy: Policy = FAMILIES[name].make(lanes)
        found[name] = simulate(other.world, policy, other.starts, other.minutes).figures()
    rule, rows, saved = chosen[STEERED].setting, [], []
    for learner in learners:
        steering = transferred(config, other.world, rule, learner.steering)
        prices = steering.prices_P
        dial = by_setting(play(learner.agent, steering, prices, other.starts, other.minutes), len(prices))
        rows.append(dial[int(np.argmin(np.abs(prices - learner.chosen.setting["price"])))].figures())
        trials = [Trial({}, {"test": one}) for one in dial]
        saved.append({name: saving(trials, found[name]) for name in AGAINST})
    found[LEARNED] = mean_figures(rows)
    return {
        "name": other.world.name,
        "figures": found,
        "learner_seeds": rows,
        "savings_at_equal_violations": {name: [one[name] for one in saved] for name in AGAINST},
    }


# ---------------------------------------------------------------------------------------------------- figures


def mean_figures(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The mean of each figure over seeds."""
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def saving(trials: Sequence[Trial], other: Mapping[str, float], *both: str) -> float | None:
    """Share by which the cheapest setting with no more violations than `other` costs less on the test part.

    both: further figures that must not be above the other's. None where no setting keeps to them.
    """
    bounds = {name: other[name] for name in ("violations", *both)}
    best = cheapest_within(trials, "test", **bounds)
    return None if best is None else 1 - best.figures("test")["dollars_per_day"] / other["dollars_per_day"]


def over_seeds(values: Sequence[float | None]) -> dict[str, Any] | None:
    """Mean of the seeds with Student's 95% interval; None where a seed has no value."""
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return None
    found = student_mean(known)
    return {
        "mean": found.value,
        "ci95": [found.low, found.high] if found.n > 1 else None,
        "interval": "95% interval of the mean, Student's t over seeds",
        "seeds": known,
    }


def over_days(learner: Episodes, other: Episodes) -> list[float]:
    """95% bootstrap interval over the reported days, drawn in pairs, of the share that the learner saves."""

    def share(days: Any) -> float:
        return 1 - float(learner.dollars_L[days].sum()) / float(other.dollars_L[days].sum())

    if len(other.dollars_L) < 2:
        return [share(np.arange(1))] * 2
    found = bootstrap(share, len(other.dollars_L))
    return [found.low, found.high]


def gain_over_rule(learner: Learner, unsteered: Sequence[Trial]) -> float:
    """Share that steering saves against the same rule unsteered, at the violations of the learner as set."""
    figures = sorted(
        (trial.figures("test")["violations"], trial.figures("test")["dollars_per_day"]) for trial in unsteered
    )
    mine = learner.chosen.figures("test")
    cost = np.interp(mine["violations"], [one for one, _ in figures], [dollars for _, dollars in figures])
    return float(1 - mine["dollars_per_day"] / cost)


def numbers(found: Findings) -> dict[str, Any]:
    """Everything as plain numbers."""
    config, split, minutes = found.config, found.split, found.config.data.episode_minutes
    tests = {name: trial.figures("test") for name, trial in found.chosen.items()}
    savings, both, days = {}, {}, {}
    for name, figures in tests.items():
        savings[name] = over_seeds([saving(one.trials, figures) for one in found.learners])
        both[name] = over_seeds([saving(one.trials, figures, "slow_requests") for one in found.learners])
        best = cheapest_within(found.learners[0].trials, "test", violations=figures["violations"])
        if best is not None:
            days[name] = over_days(best.parts["test"], found.chosen[name].parts["test"])
    practised = learner_minutes(config)
    tuning = simulated_minutes(split, minutes, config.trials)
    return {
        "workload": found.world.name,
        "control": config.control,
        "scale": found.scale,
        "price_source": SOURCE if config.fleet.prices is None else str(config.fleet.prices),
        "dollars_per_instance_hour": found.world.plant.dollars * 60,
        "episodes": {part: len(getattr(split, part)) for part in PARTS},
        "objective": {
            "slo_seconds": config.fleet.slo_seconds,
            "quantile": 0.95,
            "violated_minutes": config.violations,
        },
        "budget_minutes": {
            STEERED: tuning,
            LEARNED: tuning + practised,
            **{name: tuning + practised for name in FAMILIES if name != STEERED},
        },
        "policies": {
            name: {
                "setting": dict(trial.setting),
                "known": trial.figures("train", "validation"),
                "test": tests[name],
            }
            for name, trial in found.chosen.items()
        },
        LEARNED: [
            {
                "seed": one.seed,
                "setting": dict(one.chosen.setting),
                "known": one.chosen.figures("train", "validation"),
                "test": one.chosen.figures("test"),
                "gain_over_unsteered_rule": gain_over_rule(one, found.unsteered),
                "dial": [trial.figures("test") for trial in one.trials],
            }
            for one in found.learners
        ],
        "savings_at_equal_violations": savings,
        "savings_at_equal_violations_and_slow_requests": both,
        "savings_ci95_over_days_first_seed": days,
        "gain_over_unsteered_rule": over_seeds(
            [gain_over_rule(one, found.unsteered) for one in found.learners]
        ),
        "unsteered": [{**trial.setting, **trial.figures("test")} for trial in found.unsteered],
        "fronts": {
            name: [{**trial.setting, **trial.figures("test")} for trial in trials]
            for name, trials in found.fronts.items()
        },
        "unseen": found.unseen,
    }


# ------------------------------------------------------------------------------------------------------ words


def headline(data: Mapping[str, Any]) -> str:
    """The figure reached, good or bad, as one sentence."""
    savings = data["savings_at_equal_violations"]
    tracking, calibrated = savings["target tracking"], savings["calibrated rule"]
    gain = data["gain_over_unsteered_rule"]
    start = {
        "none": "",
        "positive": "Positive control (the learner sees the coming load): ",
        "null": "Null control (the learner's rewards are shuffled): ",
    }[data["control"]]
    if tracking is None:
        return f"{start}No setting of the learner keeps the violations of tuned target tracking."
    ends = tracking["ci95"]
    interval = (
        f" ({100 * ends[0]:.1f}% to {100 * ends[1]:.1f}%, t over {len(tracking['seeds'])} seeds)"
        if ends
        else ""
    )
    beside = "" if calibrated is None else f", {_less(calibrated['mean'])} than the calibrated rule"
    return (
        f"{start}At no more violated minutes, the learner costs {_less(tracking['mean'])} than tuned target "
        f"tracking{interval}{beside}, and {_less(gain['mean'])} than the {STEERED} rule that it steers."
    )


def _less(share: float) -> str:
    return f"{abs(100 * share):.1f}% {'less' if share >= 0 else 'more'}"


def main_table(data: Mapping[str, Any]) -> Table:
    """Policies on the reported days, as chosen before them, and what the learner saves."""
    rows: list[list[str | float | int | None]] = []
    learner = mean_figures([one["test"] for one in data[LEARNED]])
    for name, figures in [*((n, p["test"]) for n, p in data["policies"].items()), (LEARNED, learner)]:
        saved = data["savings_at_equal_violations"].get(name)
        rows.append(
            [
                name,
                figures["dollars_per_day"],
                100 * figures["violations"],
                100 * figures["slow_requests"],
                figures["instances"],
                100 * figures["slack"],
                None if saved is None else 100 * saved["mean"],
            ]
        )
    columns = (
        "policy",
        "$ a day",
        "violated %",
        "slow requests %",
        "instances",
        "slack %",
        "learner saves %",
    )
    caption = (
        "The reported days, every policy as it was chosen on the days before. The last column: what the "
        "learner saves when its dial is set to no more violated minutes than the policy has on these days."
    )
    return Table(columns, rows, caption)


def unseen_table(data: Mapping[str, Any]) -> Table:
    """The same policies on the unseen workload."""
    saved = data["unseen"]["savings_at_equal_violations"]
    rows: list[list[str | float | int | None]] = []
    for name, figures in data["unseen"]["figures"].items():
        mean = over_seeds(saved[name]) if name in saved else None
        rows.append(
            [
                name,
                figures["dollars_per_day"],
                100 * figures["violations"],
                100 * figures["slow_requests"],
                figures["instances"],
                None if mean is None else 100 * mean["mean"],
            ]
        )
    columns = ("policy", "$ a day", "violated %", "slow requests %", "instances", "learner saves %")
    return Table(columns, rows, f"A workload never seen ({data['unseen']['name']}), all settings unchanged.")


def notes(data: Mapping[str, Any]) -> list[str]:
    """What a reader should know beside the tables."""
    minutes, episodes = data["budget_minutes"], data["episodes"]
    both = data["savings_at_equal_violations_and_slow_requests"]["target tracking"]
    found = [
        f"The objective: 95% of a minute's requests within {data['objective']['slo_seconds']:g} s, in all "
        f"but {100 * data['objective']['violated_minutes']:g}% of the minutes. {episodes['train']} stretches "
        f"to learn from, {episodes['validation']} to choose on, {episodes['test']} reported, in this order.",
        f"Tuning simulated {minutes['target tracking']:,} minutes of the learning part for each rule, and as "
        f"many for the learner: {minutes[STEERED]:,} to tune the rule it steers, the rest to practise.",
        "Where also the share of slow requests must not be above target tracking's, "
        + (
            f"the learner costs {_less(both['mean'])}."
            if both
            else "no setting of the learner's dial can be compared."
        ),
        f"Prices: {data['price_source']}; with the fleet's part on the spot market an instance costs "
        f"{data['dollars_per_instance_hour']:.4f} dollars an hour.",
    ]
    return found


def apply(config: Config, folder: Path) -> Outcome:
    """The experiment with its table, figures and all numbers."""
    found = experiment(config, folder)
    data = numbers(found)
    first = found.learners[0]
    policies: dict[str, Any] = {
        name: FAMILIES[name].make(
            {key: np.array([value]) for key, value in found.chosen[name].setting.items()}
        )
        for name in ("target tracking", "calibrated rule")
    }
    learned = Learned(first.agent, first.steering, np.array([first.chosen.setting["price"]]), record=True)
    minutes = config.data.episode_minutes
    figures = figures_of(found.world, found.split, minutes, learned, policies, data)
    more = [unseen_table(data), weights_table(learned)]
    return Outcome(headline(data), main_table(data), data, figures, more, notes(data))


run = published("cloud", apply)
