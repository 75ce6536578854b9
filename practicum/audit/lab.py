"""The over-optimisation lab: from a known true utility to the curves of Gao et al. in one command.

```
RUN/pretrain, RUN/sft       the policy it begins with: a small model that tells jokes (unless one is given)
RUN/seed-0/                 one round of `practicum rlhf`: simulated people rank the policy's answers, reward
                            models learn from the rankings, PPO against them without KL and without guard
RUN/seed-0/curves.json      KL, reward and true utility at its checkpoints, and of the best of n answers
RUN/results.json            what was fitted to all of it
RUN/audit.html, audit.json  the same in pictures
```
(Gao, Schulman & Hilton 2022, 2210.10760: a gold reward labels, a proxy learns, and both are watched.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from math import inf
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from practicum.audit import overoptimization
from practicum.audit.judge import judge_in
from practicum.audit.overoptimization import (
    FEWEST_POINTS,
    FORMS,
    Form,
    GoldCurve,
    bands,
    best_of_n_curve,
    observed_peak,
    predict_peak,
)
from practicum.errors import InputError
from practicum.files import atomic_write, read_json, to_json
from practicum.guard.controllers import KLConfig
from practicum.guard.counted import WatchConfig
from practicum.guard.guard import GuardConfig
from practicum.model.checkpoint import model_folder
from practicum.model.device import chosen_device, described
from practicum.model.policy import load_policy
from practicum.model.sampling import SamplingConfig
from practicum.preferences.raters import GOLDS, true_utilities
from practicum.ranges import (
    MOST_HELD,
    Common,
    Count,
    OpenShare,
    PositiveInt,
    Range,
    Ranged,
    Rate,
    Seed,
    Threads,
)
from practicum.report.sections import Section, write
from practicum.rollout.collect import collect
from practicum.rollout.samplers import make_sampler
from practicum.run.folder import Run
from practicum.run.progress import progress
from practicum.stats import Floats, exact_share
from practicum.tasks.registry import TaskConfig, load_task
from practicum.training import pretrain, rlhf, sft
from practicum.training.loop import LoopConfig, sampling_seed, set_threads
from practicum.training.rlhf import RlhfConfig
from practicum.types import Prompt

TASK = TaskConfig("jokes")
WITHIN = 0.2
"""How far from the peak, as a share of its sqrt(KL), a forecast of it may lie."""
BEST_OF = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
"""The n of the best of n, as far as there are answers; all the answers are the last."""
SMOOTHED = 5
"""Neighbouring checkpoints whose mean true utility says where the peak is."""


@dataclass(frozen=True)
class LabConfig(Ranged):
    """Over-optimise on purpose, where the truth is known: rankings, reward models, best of n, PPO, curves.

    practicum audit overoptimization --run runs/lab --seeds 1
    """

    model: Common[Path | None] = None
    """A policy that tells jokes (a model folder, or a run's folder). None: a small one is made."""
    model_steps: PositiveInt = 200
    """Steps of each of its two stages."""
    seeds: Common[Count] = 3
    """Repeats, each with its own raters, reward models and practice."""
    rankings: Common[Annotated[int, Range(at_least=20, at_most=MOST_HELD)]] = 300
    """Prompts whose answers are ranked, once each."""
    members: Common[Annotated[int, Range(at_least=1, at_most=1000)]] = 2
    """Reward models of each seed, averaged."""
    steps: Common[Count] = 120
    """Steps of PPO, two updates each."""
    learning_rate: Common[Rate] = 2e-4
    """Its learning rate."""
    checkpoint_every: PositiveInt = 2
    """Steps between checkpoints. All of the first half are examined, then every fourth."""
    examined: Annotated[int, Range(at_least=2, at_most=MOST_HELD)] = 2048
    """Held-out prompts on which a checkpoint's reward and true utility are measured, one answer each."""
    best_of: Annotated[int, Range(at_least=8, at_most=100_000)] = 64
    """Answers of the policy to a prompt, the most that n can be."""
    best_of_prompts: Annotated[int, Range(at_least=2, at_most=MOST_HELD)] = 100
    """Held-out prompts for the best of n."""
    first: OpenShare = 0.5
    """Share of a run's way, in sqrt(KL), from which its peak is predicted."""
    threads: Common[Threads] = 0
    """CPU threads of matrix products; 0 takes one per core."""
    device: Common[str] = "auto"
    """auto, cpu, cuda, cuda:N or mps. auto is the first CUDA device, else Apple's mps, else the CPU."""
    seed: Common[Seed] = 0
    """The first of the seeds."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(examined_steps(self)) < FEWEST_POINTS:
            raise InputError(
                f"steps is {self.steps} with a checkpoint every {self.checkpoint_every}: a curve needs "
                f"{FEWEST_POINTS} checkpoints"
            )


def lab(config: LabConfig, run_path: Path, *, resume: bool = False) -> dict[str, Any]:
    """Run the experiment, write results.json and the pages, and return the summary: what was fitted."""
    given = model_folder(config.model) if config.model else None
    device = described(chosen_device(config.device))
    run = Run.open(run_path, config, "overoptimization", resume=resume, device=device)
    set_threads(config.threads)
    first = given or model_folder(
        first_model(run_path, config.model_steps, config.threads, device=config.device)
    )
    seeds = range(config.seed, config.seed + config.seeds)
    found = {seed: one_seed(config, run_path, first, seed) for seed in seeds}
    results: dict[str, Any] = {
        "seeds": found,
        "best_of": config.best_of,
        "steps": config.steps,
        "settings": settings_of(config),
    }
    sections = []
    for way in ("rl", "best_of_n"):
        curves = [one[way] for one in found.values()]
        results[way] = {form: fitted(curves, form, config.first) for form in FORMS}
        sections.append(section(way, curves, results[way]))
    results["foreseen_without_gold"] = without_gold(results["rl"]["best_of_n"]["observed"])
    atomic_write(run_path / "results.json", to_json(results, 2) + "\n")
    page, _ = write(
        sections, f"{config.rankings} rankings by simulated people, {config.seeds} seeds", run_path
    )
    for one in sections:
        print(f"{one.title} {one.sentence}")
    print(f"report: {page}")
    summary = {"stage": "overoptimization", "rl": results["rl"], "best_of_n": results["best_of_n"]}
    run.finish(summary)
    return summary


def settings_of(config: LabConfig) -> dict[str, Any]:
    """The settings that are not as they come, without the model: what a reader must give to repeat it."""
    plain = LabConfig()
    return {
        one.name: getattr(config, one.name)
        for one in fields(config)
        if one.name not in ("model", "threads", "device")
        and getattr(config, one.name) != getattr(plain, one.name)
    }


def first_model(folder: Path, steps: int, threads: int, seed: int = 0, device: str = "auto") -> Path:
    """A small model that has read about jokes and learned to tell them, made in the folder when missing."""
    loop = LoopConfig(steps, threads=threads)
    read, told = folder / "pretrain", folder / "sft"
    if not (read / "summary.json").exists():
        pretrain.train(
            pretrain.PretrainConfig(task=TASK, loop=loop, device=device, seed=seed),
            read,
            resume=(read / "config.toml").exists(),
        )
    if not (told / "summary.json").exists():
        telling = sft.SftConfig(read, task=TASK, loop=loop, device=device, seed=seed)
        sft.train(telling, told, resume=(told / "config.toml").exists())
    return told


def one_seed(config: LabConfig, run: Path, first: Path, seed: int) -> dict[str, Any]:
    """Both curves of a seed, as in its curves.json: lists of kl, proxy and gold, gained since the start."""
    folder = run / f"seed-{seed}"
    done, practice = folder / "curves.json", folder / "round-1" / "practice"
    if done.exists():
        Run(practice).prune(2)
        curves: dict[str, Any] = read_json(done, "remove it to have it made again")
        return curves
    round_of = round_config(config, first, seed)
    if not (folder / "summary.json").exists():
        rlhf.train(round_of, folder, resume=(folder / "config.toml").exists())
    models = [folder / "round-1" / f"reward-model-{one + 1}" for one in range(config.members)]
    folders = [first] + [
        practice / "checkpoints" / f"step-{step:06d}" for step in examined_steps(config) if step
    ]
    rows = []
    with progress(f"seed {seed}: examining checkpoints", len(folders)) as bar:
        for place, policy in enumerate(folders, start=1):
            rows.append(rlhf.examination(round_of, policy, first, models))
            bar.update(place, gold=rows[-1]["gold"])
    curves = {
        "rl": {
            "step": examined_steps(config),
            # The first is the reference itself, whose KL is 0 whatever rounding makes of it.
            "kl": [0.0] + [max(0.0, row["kl"]) for row in rows[1:]],
            "proxy": [row["proxy"] - rows[0]["proxy"] for row in rows],
            "gold": [row["gold"] - rows[0]["gold"] for row in rows],
            "gold_error": [row["gold_error"] for row in rows],
        },
        "best_of_n": best_of_n(config, first, models, seed),
    }
    atomic_write(done, to_json(curves, 2) + "\n")
    Run(practice).prune(2)
    return curves


def round_config(config: LabConfig, first: Path, seed: int) -> RlhfConfig:
    """One round of human feedback with nothing that holds the policy back."""
    base = RlhfConfig(first, task=TASK)
    practice = replace(
        base.practice,
        prompts_per_step=16,
        group_size=4,
        sampling=SamplingConfig(max_new_tokens=80),
        update=replace(base.practice.update, kl=KLConfig()),
        guard=WatchConfig(action="off"),
        optimizer=replace(base.practice.optimizer, learning_rate=config.learning_rate),
        loop=LoopConfig(
            config.steps,
            checkpoint_every=config.checkpoint_every,
            keep_checkpoints=config.steps,
            threads=config.threads,
        ),
    )
    return replace(
        base,
        rounds=1,
        prompts=config.rankings,
        members=config.members,
        reward_model=replace(base.reward_model, held_out=0.0),
        practice=practice,
        examined=config.examined,
        device=config.device,
        seed=seed,
    )


def examined_steps(config: LabConfig) -> list[int]:
    """Step 0 and the steps whose checkpoints are examined: closely where true utility turns, then thinly, and
    the last."""
    saved = list(range(config.checkpoint_every, config.steps + 1, config.checkpoint_every))
    half = len(saved) // 2
    return [0, *saved[:half], *saved[half:-1:4], *saved[-1:]]


def best_of_n(config: LabConfig, first: Path, models: Sequence[Path], seed: int) -> dict[str, Any]:
    """KL, reward and true utility gained by the best of 1, 2, 3, 4, 6 ... answers of the policy."""
    prompts, texts, gold_QN = answered(first, config.best_of_prompts, config.best_of, seed, config.device)
    judge = judge_in(models, device=config.device)
    proxy_QN: Floats = judge(prompts, texts).reshape(gold_QN.shape)
    ns = [*(n for n in BEST_OF if n < config.best_of), config.best_of]
    kl, proxy, true = best_of_n_curve(list(proxy_QN), list(gold_QN), ns)
    return {"n": ns, "kl": kl.tolist(), "proxy": proxy.tolist(), "gold": true.tolist()}


def answered(
    policy: Path, count: int, each: int, seed: int, device: str = "auto"
) -> tuple[list[Prompt], list[str], Floats]:
    """A policy's answers to held-out prompts, `each` to a prompt: prompts and texts by answer, and people's
    true utility of each, float64 [prompts, each]."""
    writer, tokenizer = load_policy(policy, chosen_device(device))
    task, gold = load_task(TASK), GOLDS[TASK.name]
    asked = task.prompts("validation", count, seed)
    sampler = make_sampler(writer, SamplingConfig(max_new_tokens=80))
    batch = collect(sampler, tokenizer, task, asked, each, sampling_seed(seed, "lab", "best of n"))
    worth = true_utilities(gold, batch.prompts, batch.rollout.texts)
    return list(batch.prompts), batch.rollout.texts, np.array(worth).reshape(len(asked), each)


# ---------------------------------------------------------------------------------------------- what it says


def fitted(curves: Sequence[dict[str, Any]], form: Form, first: float) -> dict[str, Any]:
    """The fit of one form to all seeds' curves, and each seed's peak foreseen from the first part of its way.

    That part ends where the curve first was `first` as far, in sqrt(KL), as it ever came. `foreseen` is the
    share of seeds whose forecast lies WITHIN of the peak of the smoothed true utility, with its interval.
    Where that was still rising at the end (`unreached`), the peak lies beyond, and so must the forecast.
    """
    points = [(np.array(one["kl"]), np.array(one["gold"])) for one in curves]
    fit = bands(points, form)
    predicted, observed, unreached, hits = [], [], 0, 0
    for kl, gold in points:
        place, at = observed_peak(kl, gold, SMOOTHED)
        peak, said = float(np.sqrt(at)), forecast_of(kl, gold, form, first)
        rising = place == len(kl) - 1
        unreached += rising
        hits += said >= (1 - WITHIN) * peak if rising else abs(said - peak) <= WITHIN * peak
        observed.append(peak)
        predicted.append(said)
    return {
        **fit.fit.__dict__,
        "peak_distance": fit.fit.peak_distance,
        "peak_distance_ci95": list(fit.peak_distance),
        "predicted": predicted,
        "observed": observed,
        "unreached": unreached,
        "foreseen": exact_share(hits, len(points)).json(),
    }


def forecast_of(kl_P: Floats, gold_P: Floats, form: Form, first: float) -> float:
    """sqrt(KL) of the peak as the first part of a run foresees it; infinite where that has not moved."""
    beyond = np.flatnonzero(kl_P > first**2 * kl_P.max())
    seen = max(FEWEST_POINTS, int(beyond[0]) if len(beyond) else len(kl_P))
    if np.ptp(kl_P[:seen]) <= 0:
        return inf
    return predict_peak(kl_P[:seen], gold_P[:seen], form, 1.0)[0]


def without_gold(observed: Sequence[float]) -> dict[str, float]:
    """Share of runs whose peak, in sqrt(KL), lies WITHIN of where the guard stops trusting the reward, which
    it says from the KL alone."""
    said = GuardConfig().held_kl ** 0.5
    return exact_share(sum(abs(said - peak) <= WITHIN * peak for peak in observed), len(observed)).json()


def section(way: str, curves: Sequence[dict[str, Any]], found: dict[str, Any]) -> Section:
    """One way's page: points of all seeds and the fit of the form that explains held-out points better."""
    form: Form = max(FORMS, key=lambda one: found[one]["held_out_r2"] or 0.0)
    points = [(np.array(one["kl"]), np.array(one["gold"])) for one in curves]
    kl, gold, proxy = (
        np.concatenate([np.array(one[name]) for one in curves]) for name in ("kl", "gold", "proxy")
    )
    made = overoptimization.section(GoldCurve(bands(points, form), kl, gold, proxy))
    titles = {
        "rl": "When does more training hurt?",
        "best_of_n": "When does choosing among more answers hurt?",
    }
    rows = [
        *made.rows,
        ("form", {"rl": "d(a - b log d)", "best_of_n": "d(a - b d)"}[form], ""),
        (
            "peaks foreseen from the first part",
            f"{found[form]['foreseen']['value']:.0%}",
            f"of {len(curves)}",
        ),
    ]
    return replace(made, name=f"overoptimization_{way}", title=titles[way], rows=rows)
