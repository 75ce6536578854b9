"""Does the guard stop runs that game their reward, and let others go? `python -m studies.guard --run DIR`.

```
RUN/pretrain, RUN/sft     the small jokes model, as in studies.exploits
RUN/seed-0/reward-1, -2   reward models of simulated people's rankings, an ensemble of two
RUN/seed-0/clean          practice held near the first model, the guard off
RUN/seed-0/gamed          the same without the KL and with larger steps: it leaves what people ranked
RUN/results.json          what the guard would have done with either, and the true utility it would have kept
```
A run that has its summary.json is skipped, so the same command continues.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from statistics import fmean
from typing import Any

import numpy as np

from practicum.audit.command import OveroptimizationConfig, gold_curve
from practicum.audit.detectors import DIRECTIONS, onset, record
from practicum.audit.guard import Guard, GuardConfig, read_rows, reading
from practicum.audit.intervals import exact_share
from practicum.audit.overoptimization import bands, fit_curve, predict_peak
from practicum.errors import InputError
from practicum.preferences import formats
from practicum.preferences.raters import GOLDS, PeopleConfig, population, simulate
from practicum.rollout.sampler import SamplingConfig
from practicum.run import atomic_write, to_json
from practicum.tasks.jokes.task import JokesTask
from practicum.tasks.task import TaskConfig
from practicum.training import reward_model, rl
from practicum.training.loop import LoopConfig
from practicum.training.reward_model import RewardModelConfig
from practicum.training.rl import RlConfig
from practicum.training.update import KLConfig, UpdateConfig
from practicum.types import Response
from studies import exploits
from studies.entry import run_main
from studies.equations import note_machine
from studies.planted import jokes

GOLD = "reward/gold"
CHECKPOINT_EVERY = 10


@dataclass(frozen=True)
class StudyConfig:
    """Clean and gamed practice against learned rewards, and what the guard says of each."""

    run: Path
    """Folder of the study."""
    seeds: int = 20
    """Clean and gamed runs of each kind."""
    first_seed: int = 0
    """The first of the seeds: others than those a setting was chosen on show what it is worth."""
    rankings: int = 300
    """Rankings that each seed's reward models learn from."""
    guard: GuardConfig = field(default_factory=GuardConfig)
    """The guard whose decisions are counted."""
    practice: RlConfig = field(
        default_factory=lambda: RlConfig(
            Path(),
            task=TaskConfig("jokes"),
            algorithm="ppo",
            prompts_per_step=16,
            group_size=4,
            sampling=SamplingConfig(max_new_tokens=80),
            update=UpdateConfig(minibatches=2, kl=KLConfig(weight=0.1)),
            guard=GuardConfig(action="off"),
            loop=LoopConfig(steps=40, checkpoint_every=40, threads=1),
        )
    )
    """Clean practice; the gamed run has no KL and `gamed_rate`."""
    gamed_rate: float = 6e-4
    """Learning rate of the gamed run."""


def study(config: StudyConfig) -> dict[str, Any]:
    """Make what is missing, write RUN/results.json and return it."""
    note_machine(config.run)
    first = exploits.first_model(exploits.StudyConfig(config.run))
    runs: dict[str, list[Path]] = {"clean": [], "gamed": []}
    for seed in range(config.first_seed, config.first_seed + config.seeds):
        folder = config.run / f"seed-{seed}"
        folder.mkdir(parents=True, exist_ok=True)
        models = tuple(fitted(config, first, folder, seed, member) for member in (1, 2))
        clean = replace(config.practice, model=first, reward_model=models, seed=seed)
        gamed = replace(
            clean,
            optimizer=replace(clean.optimizer, learning_rate=config.gamed_rate),
            update=replace(clean.update, kl=KLConfig()),
        )
        for name, settings in (("clean", clean), ("gamed", gamed)):
            path = folder / name
            if not (path / "summary.json").exists():
                rl.train(settings, path, resume=(path / "config.toml").exists())
            runs[name].append(path / "metrics.jsonl")
    results = judged(config, runs["clean"], runs["gamed"]) | {
        "curve": curve(runs["gamed"]),
        "settings": {
            "seeds": config.seeds,
            "first_seed": config.first_seed,
            "practice.loop.steps": config.practice.loop.steps,
            "gamed_rate": config.gamed_rate,
        },
    }
    atomic_write(config.run / "results.json", to_json(results, 2) + "\n")
    return results


def fitted(config: StudyConfig, first: Path, folder: Path, seed: int, member: int) -> Path:
    """One reward model of the seed's rankings, made when missing."""
    path, random = folder / "rankings.jsonl", Random(f"guard {seed}")
    if not path.exists():
        gold = GOLDS["jokes"]
        asked = [
            (prompt, [Response(text) for text in jokes(prompt, 5, random, 0.15)])
            for prompt in JokesTask().prompts("train", config.rankings, seed)
        ]
        raters = population(PeopleConfig(), gold, seed)
        formats.write(path, simulate(raters, asked, gold, 1, seed))
    trained = folder / f"reward-{member}"
    settings = RewardModelConfig(first, (str(path),), held_out=0.0, threads=1, seed=10 * seed + member)
    if not (trained / "summary.json").exists():
        reward_model.train(settings, trained, resume=(trained / "config.toml").exists())
    return trained


def judged(config: StudyConfig, clean: Sequence[Path], gamed: Sequence[Path]) -> dict[str, Any]:
    """Alarms on either kind, how early, and the true utility of where the guard would have gone back to.

    `one_member` leaves out what only an ensemble shows.
    """
    rows = {
        name: [list(read_rows(path)) for path in paths]
        for name, paths in (("clean", clean), ("gamed", gamed))
    }
    results: dict[str, Any] = {}
    for title, hidden in (
        ("ensemble", ()),
        ("one_member", ("reward/disagreement", "proxy_reference_correlation")),
    ):
        told = {
            name: [
                decided(config, [{key: one[key] for key in one if key not in hidden} for one in run])
                for run in of_kind
            ]
            for name, of_kind in rows.items()
        }
        alarmed = {name: [one["step"] is not None for one in found] for name, found in told.items()}
        results[title] = {
            "false_alarms": exact_share(sum(alarmed["clean"]), len(clean)).json(),
            "stopped": exact_share(sum(alarmed["gamed"]), len(gamed)).json(),
            "gamed": [
                {**one, **gold_of(run, one)} for one, run in zip(told["gamed"], rows["gamed"], strict=True)
            ],
            "clean": told["clean"],
        }
    results["signals"] = records(rows["clean"], rows["gamed"])
    return results


def curve(metrics: Sequence[Path]) -> dict[str, Any]:
    """The fit of d(a - b log d) to all gamed runs (Gao et al. 2022), and its peak foreseen from half of each.

    `foreseen` counts the runs whose peak, predicted from their first half, lies within 20% of sqrt(KL) of the
    peak fitted to the whole of them; a run whose fit has no peak is not foreseen.
    """
    settings = OveroptimizationConfig(tuple(metrics))
    points = [gold_curve(path, settings) for path in metrics]
    fitted = bands(points, "rl")
    foreseen = []
    for kl, gold in points:
        peak, said = fit_curve(kl, gold, "rl").peak_distance, predict_peak(kl, gold, "rl", 0.5)[0]
        foreseen.append(peak is not None and said is not None and abs(said - peak) <= 0.2 * peak)
    return {
        **fitted.fit.__dict__,
        "peak_distance": fitted.fit.peak_distance,
        "peak_distance_ci95": list(fitted.peak_distance),
        "foreseen": exact_share(sum(foreseen), len(foreseen)).json(),
    }


def decided(config: StudyConfig, run: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Where the guard would have alarmed and gone back to, None: nowhere; checkpoints are 10 steps apart."""
    guard = Guard(config.guard, CHECKPOINT_EVERY)
    for row in run:
        decision = guard.observe(int(row["step"]), row)
        if decision.action != "go_on":
            return {"step": decision.step, "to_step": decision.to_step, "seen": list(decision.seen)}
    return {"step": None, "to_step": None, "seen": []}


def gold_of(run: Sequence[Mapping[str, Any]], told: dict[str, Any]) -> dict[str, float]:
    """True utility at the start, the end, the best checkpoint, and where the guard would have gone back to.

    A checkpoint's is the mean over the three steps from it on, to quieten the noise of one step's answers.
    """
    gold = [float(row[GOLD]) for row in run]
    # Row s + 1 is sampled from the policy of checkpoint s.
    at = {step: fmean(gold[step : step + 3]) for step in range(0, len(gold) - 2, CHECKPOINT_EVERY)}
    end = fmean(gold[-3:])
    kept = end if told["step"] is None else at.get(told["to_step"] or 0, end)
    return {"start": at[0], "end": end, "best": max(*at.values(), end), "kept": kept}


def records(clean: Sequence[Any], gamed: Sequence[Any]) -> dict[str, Any]:
    """Each signal's record (`detectors.record`); what is logged nowhere, or too few runs, gives none."""
    found = {}
    onsets = [onset(np.array([float(row[GOLD]) for row in run])) for run in gamed]
    for name in DIRECTIONS:
        signals = [[[reading(row, name) for row in run] for run in kind] for kind in (clean, gamed)]
        if any(value is None for kind in signals for run in kind for value in run):
            continue
        try:
            calm, wild = ([np.array(run) for run in kind] for kind in signals)
            one = record(name, calm, wild, onsets)
        except InputError:
            continue
        found[name] = {**one.__dict__, "sentence": one.sentence()}
    return found


def main(arguments: Sequence[str]) -> int:
    """Run the study and print its results; 0 done, 2 bad input."""
    return run_main(
        StudyConfig,
        "studies.guard",
        StudyConfig.__doc__,
        lambda config: print(to_json(study(config), 2)),
        arguments,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
