"""How many ratings by people does each way of learning from them need for the same gain?
`python -m studies.human_efficiency --run runs/human_efficiency`.

```
RUN/pretrain, RUN/sft                    the small jokes model, as in studies.exploits
RUN/rankings-0.jsonl                     simulated people's rankings of its answers; few are the first of them
RUN/reward_model-5000-0/                 a reward model of the first 5,000 ratings, of seed 0
RUN/rlhf-5000-0/, RUN/dpo-5000-0/, ...   one cell: METHOD-RATINGS-SEED, with found.json when it is done
RUN/rlhf-null-5000-0/                    the same with nothing to learn: shuffled rankings, random ratings
RUN/curve.png, RUN/results.json          the curves, and how many ratings each needs for the gain of another
```
A rating is one answer judged by one person: placed in a ranking of five, or rated alone. Every cell begins
with the same model, and its gain is the true utility of sampled answers to held-out prompts, above that of
the answers of that model. A cell that has its found.json is skipped, so the same command continues;
`--most 3` makes three cells and stops.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, Literal

import numpy as np
import torch

from practicum.audit import lab
from practicum.audit.judge import judge_in
from practicum.errors import InputError
from practicum.files import atomic_write, to_json
from practicum.guard.controllers import KLConfig
from practicum.guard.counted import WatchConfig
from practicum.model.checkpoint import model_folder
from practicum.model.sampling import SamplingConfig
from practicum.preferences import formats
from practicum.preferences.rankings import read_rankings
from practicum.preferences.raters import GOLDS, PeopleConfig, true_utilities
from practicum.reward.people import RatedByPeople
from practicum.tasks.jokes.task import JokesTask
from practicum.tasks.registry import TaskConfig
from practicum.training import dpo, reward_model, rl
from practicum.training.loop import LoopConfig, sampling_seed, set_threads
from practicum.training.reward_model import RewardModelConfig
from practicum.training.rl import RlConfig
from practicum.training.update import UpdateConfig
from practicum.types import Prompt
from studies.asked import ranked, sampled
from studies.claim import beyond, noted
from studies.common import finished, note_machine, read, record, say, study_main, write
from studies.judged import Claim

Method = Literal["rlhf", "dpo", "best_of_n", "naive"]
RANKED: tuple[Method, ...] = ("rlhf", "dpo", "best_of_n")
"""The methods that learn from rankings."""
TITLES: Mapping[str, str] = {
    "rlhf": "RLHF",
    "dpo": "DPO",
    "best_of_n": "best of n",
    "naive": "naive RL",
}
BOOTSTRAP = "95% interval, bootstrap over seeds"
DRAWS = 2000
GROUP = 2
"""Samples of each prompt of a step; PPO needs no comparison of them, and more prompts tell more."""


@dataclass(frozen=True)
class StudyConfig:
    """Gain in people's true utility against ratings and dollars: RLHF, DPO, best of n and naive RL.

    The learning rates were chosen on seed 100, which is not reported: 5e-4 and not 1.5e-4 for PPO on either
    reward; of 2e-5, 5e-5, 1e-4 and 3e-4 for DPO with 5,000 ratings, and with 20,000 of the first two. Steps,
    batches and n were set beforehand and not tuned.
    """

    run: Path
    """Folder of the study."""
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    """Rankings, raters, reward models and practice anew with each of them."""
    methods: tuple[Method, ...] = (*RANKED, "naive")
    """Which curves are drawn."""
    ratings: tuple[int, ...] = (500, 2000, 5000, 20_000)
    """Ratings of the methods that learn from rankings."""
    naive_ratings: tuple[int, ...] = (500, 2000, 5000, 10_000, 30_000, 100_000)
    """Ratings of naive RL, as many as it samples."""
    compared: int = 5000
    """Ratings of rankings at which the ratio is named: 1,000 rankings of five."""
    null: int = 2000
    """Ratings of the controls that have nothing to learn; 0 runs none."""
    responses: int = 5
    """Answers in a ranking."""
    price: float = 0.10
    """Dollars for a rating; the other price is as many dollars for a ranking, however long."""
    examined: int = 4
    """Sampled answers to each held-out prompt."""
    best_of: int = 16
    """Answers of which the reward model's favourite is taken."""
    people: PeopleConfig = field(default_factory=lambda: PeopleConfig(fatigue=0.0))
    """Who the raters are. They do not tire, since 40 people would after 100,000 texts."""
    model_steps: int = 200
    """Steps of each of the two stages of the first model."""
    contrast_steps: int = 100
    """Updates of reward models on spoiled answers, which cost no ratings."""
    ppo_steps: int = 40
    """Steps of PPO against a reward model, 256 samples each, which cost no ratings."""
    ppo_rate: float = 5e-4
    """Learning rate of PPO against a reward model."""
    dpo_passes: float = 2.0
    """Passes of DPO over all pairs of the rankings."""
    dpo_rates: Mapping[str, float] = field(
        default_factory=lambda: {"2000": 1e-4, "5000": 5e-5, "20000": 2e-5}
    )
    """Learning rates of DPO, each up to so many ratings; beyond them the last."""
    naive_batch: int = 50
    """Samples of a step of naive RL, as long as there are `naive_steps` steps or fewer."""
    naive_steps: int = 200
    """Most steps of naive RL; with more ratings, steps are larger."""
    naive_rate: float = 5e-4
    """Learning rate of naive RL."""
    longest: int = 64
    """Most tokens of an answer; a joke has about twenty."""
    kl: float = 0.1
    """Weight of the KL to the first model, of PPO and of naive RL."""
    threads: int = 1
    """CPU threads."""
    most: int = 0
    """Cells made in this call; 0: all that are missing."""

    def __post_init__(self) -> None:
        """Raise InputError for rates of DPO whose names are no numbers of ratings."""
        if not self.dpo_rates or not all(limit.isdecimal() for limit in self.dpo_rates):
            names = ", ".join(self.dpo_rates) or "none"
            raise InputError(f"dpo_rates: expected numbers of ratings, such as 5000, as names; got {names}")


@dataclass(frozen=True)
class Cell:
    """One point of a curve: a method, its ratings and a seed; `null` has nothing to learn."""

    method: Method
    ratings: int
    seed: int
    null: bool = False

    @property
    def label(self) -> str:
        """The method, with what it learns."""
        return f"{self.method}-null" if self.null else self.method

    @property
    def name(self) -> str:
        """Of its folder."""
        return f"{self.label}-{self.ratings}-{self.seed}"


def study(config: StudyConfig) -> dict[str, Any]:
    """Make what is missing, write RUN/results.json and RUN/curve.png, and return the results."""
    note_machine(config.run, "human_efficiency")
    set_threads(config.threads)
    first = model_folder(lab.first_model(config.run, config.model_steps, config.threads))
    wanted = cells_of(config)
    missing = [cell for cell in wanted if not found_of(config, cell).exists()]
    for cell in missing[: config.most or None]:
        gained = one_cell(config, first, cell)
        say(f"{cell.name}: true utility {gained['gain']:+.2f}")
    found = [read(found_of(config, cell)) for cell in wanted if found_of(config, cell).exists()]
    results = {
        "cells": found,
        "missing": len(wanted) - len(found),
        "responses": config.responses,
        "price": config.price,
        "compared": config.compared,
    }
    results["needed"] = needed_table(results)
    if found:
        draw(results, config.run / "curve.png")
    return record(config, "human_efficiency", results)


def cells_of(config: StudyConfig) -> list[Cell]:
    """All points of all curves, cheap ones first, so that one seed after another is whole."""
    cells = []
    for seed in config.seeds:
        for method in config.methods:
            counts = config.naive_ratings if method == "naive" else config.ratings
            cells += [Cell(method, count, seed) for count in counts]
            if config.null:
                cells.append(Cell(method, config.null, seed, null=True))
    return cells


def found_of(config: StudyConfig, cell: Cell) -> Path:
    """The file that says that a cell is done."""
    return config.run / cell.name / "found.json"


def one_cell(config: StudyConfig, first: Path, cell: Cell) -> dict[str, Any]:
    """Run a cell and write what it gained."""
    if cell.method == "best_of_n":
        before, after = best_answers(config, first, cell)
        samples: list[dict[str, Any]] = []
    else:
        trained = MAKERS[cell.method](config, first, cell)
        before = first_worth(config, first, cell.seed)
        after, samples = examined(config, model_folder(trained), cell.seed)
    gain = fmean(after) - fmean(before)
    found = {
        "method": cell.method,
        "ratings": cell.ratings,
        "seed": cell.seed,
        "null": cell.null,
        "before": fmean(before),
        "after": fmean(after),
        "gain": gain,
        "samples": samples,
    }
    write(found_of(config, cell), found)
    return found


# ------------------------------------------------------------------------------------------ what people say


def rankings_of(config: StudyConfig, first: Path, cell: Cell) -> Path:
    """A file of the first rankings of a seed, as many as the cell's ratings pay for; made when missing."""
    path = config.run / f"rankings-{cell.seed}.jsonl"
    if not path.exists():
        most = max(*config.ratings, config.null) // config.responses
        sampling, people = sampling_of(config), config.people
        said = ranked(JokesTask(), first, most, config.responses, people, cell.seed, sampling)
        formats.write(path, said)
    some = config.run / f"rankings-{cell.seed}-{cell.ratings}.jsonl"
    if not some.exists():
        formats.write(some, read_rankings((str(path),))[: cell.ratings // config.responses])
    return some


def sampling_of(config: StudyConfig) -> SamplingConfig:
    """How answers are drawn, to learn from and to be examined."""
    return SamplingConfig(max_new_tokens=config.longest)


# ------------------------------------------------------------------------------------------ the four methods


def reward_model_of(config: StudyConfig, first: Path, cell: Cell) -> Path:
    """The reward model of a cell's rankings, which RLHF and best of n share; made when missing."""
    plain = RewardModelConfig(config.run / "pretrain", (str(rankings_of(config, first, cell)),))
    settings = replace(
        plain,
        held_out=0.0,
        epochs=3,
        contrast_steps=config.contrast_steps,
        optimizer=replace(plain.optimizer, weight_decay=0.1),
        control="shuffled-labels" if cell.null else "none",
        threads=config.threads,
        seed=cell.seed,
    )
    kind = "reward_model-null" if cell.null else "reward_model"
    folder = config.run / f"{kind}-{cell.ratings}-{cell.seed}"
    finished(folder, partial(reward_model.train, settings))
    return folder


def practice(config: StudyConfig, first: Path, cell: Cell) -> RlConfig:
    """PPO of 256 samples a step, two updates each, pulled towards the first model."""
    plain = RlConfig(first)
    return replace(
        plain,
        algorithm="ppo",
        prompts_per_step=256 // GROUP,
        group_size=GROUP,
        task=TaskConfig("jokes"),
        sampling=sampling_of(config),
        update=UpdateConfig(minibatches=2, kl=KLConfig(weight=config.kl)),
        optimizer=replace(plain.optimizer, learning_rate=config.ppo_rate),
        loop=LoopConfig(config.ppo_steps, checkpoint_every=25, keep_checkpoints=1, threads=config.threads),
        guard=WatchConfig(action="off"),
        seed=cell.seed,
    )


def rlhf_of(config: StudyConfig, first: Path, cell: Cell) -> Path:
    """PPO against the reward model of the rankings."""
    models = (reward_model_of(config, first, cell),)
    folder = config.run / cell.name
    finished(folder, partial(rl.train, replace(practice(config, first, cell), reward_model=models)))
    return folder


def naive_of(config: StudyConfig, first: Path, cell: Cell) -> Path:
    """PPO paid by one person's rating of each sample, as many samples as ratings."""
    plain = practice(config, first, cell)
    batch = naive_batch(config, cell.ratings)
    settings = replace(
        plain,
        prompts_per_step=batch // GROUP,
        loop=replace(plain.loop, steps=max(1, cell.ratings // batch)),
        optimizer=replace(plain.optimizer, learning_rate=config.naive_rate),
    )
    # Nobody reads: every rater is a spammer, half of whom say anything and half always the same.
    people = replace(config.people, spammers=1.0) if cell.null else config.people
    reward = RatedByPeople(JokesTask(), people, cell.seed)
    folder = config.run / cell.name

    def train(path: Path, *, resume: bool = False) -> dict[str, Any]:
        return rl.train(settings, path, resume=resume, parts=rl.build(settings, reward=reward))

    finished(folder, train)
    return folder


def naive_batch(config: StudyConfig, ratings: int) -> int:
    """Samples of a step: `naive_batch`, and with many ratings as many more as keep to `naive_steps`."""
    least = max(config.naive_batch, ratings // config.naive_steps)
    return GROUP * round(least / GROUP)


def dpo_of(config: StudyConfig, first: Path, cell: Cell) -> Path:
    """DPO on all pairs of the same rankings."""
    plain = dpo.DpoConfig(first)
    pairs = cell.ratings // config.responses * (config.responses * (config.responses - 1) // 2)
    steps = max(1, round(config.dpo_passes * pairs / plain.batch_pairs))
    settings = replace(
        plain,
        preferences=(str(rankings_of(config, first, cell)),),
        control="shuffled-labels" if cell.null else "none",
        held_out=0.0,
        optimizer=replace(plain.optimizer, learning_rate=dpo_rate(config, cell.ratings)),
        loop=LoopConfig(steps, checkpoint_every=50, keep_checkpoints=1, threads=config.threads),
        seed=cell.seed,
    )
    folder = config.run / cell.name
    finished(folder, partial(dpo.train, settings))
    return folder


def dpo_rate(config: StudyConfig, ratings: int) -> float:
    """The learning rate for so many ratings: with more of them there are more updates, each to be smaller."""
    limits = sorted(config.dpo_rates, key=int)
    return config.dpo_rates[next((one for one in limits if ratings <= int(one)), limits[-1])]


MAKERS = {"rlhf": rlhf_of, "dpo": dpo_of, "naive": naive_of}
"""The methods that train a policy."""


# ---------------------------------------------------------------------------------------------- what it gave


def held_out() -> list[Prompt]:
    """Every subject of the test split, once."""
    asked = JokesTask().prompts("test", 2000, 0)
    return list({prompt.text: prompt for prompt in asked}.values())


def first_worth(config: StudyConfig, first: Path, seed: int) -> list[float]:
    """True utility of the first model's answers, examined once a seed."""
    path = config.run / f"before-{seed}.json"
    if not path.exists():
        worth, samples = examined(config, first, seed)
        write(path, {"worth": worth, "samples": samples})
    found: list[float] = read(path)["worth"]
    return found


def examined(config: StudyConfig, model: Path, seed: int) -> tuple[list[float], list[dict[str, Any]]]:
    """True utility of a model's answers to each held-out prompt, and some of these answers."""
    prompts = held_out()
    groups = sampled(model, prompts, config.examined, sampling_seed(seed, "examined"), sampling_of(config))
    worth = [worth_of(prompt, texts) for prompt, texts in zip(prompts, groups, strict=True)]
    samples = [
        {"prompt": prompt.text, "text": texts[0], "utility": utilities[0]}
        for prompt, texts, utilities in zip(prompts[:8], groups, worth, strict=False)
    ]
    return [fmean(one) for one in worth], samples


def worth_of(prompt: Prompt, texts: Sequence[str]) -> list[float]:
    """What people in truth make of some answers to a prompt."""
    return true_utilities(GOLDS["jokes"], [prompt] * len(texts), texts)


def best_answers(config: StudyConfig, first: Path, cell: Cell) -> tuple[list[float], list[float]]:
    """True utility per held-out prompt of all the first model's answers, and of those it is best to give.

    There are as many best ones as `best_of` goes into the answers of a prompt, which seeds do not share.
    """
    prompts, count = held_out(), 2 * config.best_of
    path = config.run / f"answers-{cell.seed}.json"
    if not path.exists():
        groups = sampled(first, prompts, count, sampling_seed(cell.seed, "best of n"), sampling_of(config))
        atomic_write(path, to_json(groups) + "\n")
    groups = json.loads(path.read_text(encoding="utf-8"))
    flat = [text for group in groups for text in group]
    with torch.no_grad():
        reward = judge_in([reward_model_of(config, first, cell)])
        proxy_N = reward([prompt for prompt in prompts for _ in range(count)], flat)
    proxy_QKN = proxy_N.reshape(len(prompts), -1, config.best_of)
    worth = np.array([worth_of(prompt, texts) for prompt, texts in zip(prompts, groups, strict=True)])
    worth_QKN = worth.reshape(proxy_QKN.shape)
    best_QK = np.take_along_axis(worth_QKN, proxy_QKN.argmax(2)[..., None], 2)[..., 0]
    return worth.mean(1).tolist(), best_QK.mean(1).tolist()


# --------------------------------------------------------------------------------- ratings for the same gain

Curve = dict[int, dict[int, float]]
"""Ratings -> seed -> gain, with the same seeds at each."""


def curves_of(results: Mapping[str, Any]) -> dict[str, Curve]:
    """Of each method the gains of those seeds of which all points are there."""
    points: dict[str, Curve] = {}
    for cell in results["cells"]:
        if not cell["null"]:
            seeds = points.setdefault(cell["method"], {}).setdefault(cell["ratings"], {})
            seeds[cell["seed"]] = cell["gain"]
    for name, curve in points.items():
        whole = set.intersection(*(set(seeds) for seeds in curve.values()))
        points[name] = {
            ratings: {seed: seeds[seed] for seed in sorted(whole)} for ratings, seeds in sorted(curve.items())
        }
    return points


def means_of(curve: Curve, seeds: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """(log of ratings, greatest mean gain with so many or fewer) over some seeds, which may repeat."""
    mean = [fmean(of_seed[seed] for seed in seeds) for of_seed in curve.values()]
    return np.log(np.array(list(curve), dtype=np.float64)), np.maximum.accumulate(mean)


def needed(curve: Curve, seeds: Sequence[int], gain: float) -> float | None:
    """Ratings for a gain, interpolated on the log of ratings; the fewest measured where even they suffice.

    None where the most measured do not.
    """
    logs, means = means_of(curve, seeds)
    if gain > means[-1]:
        return None
    place = int(np.argmax(means >= gain))
    if place == 0:
        return float(np.exp(logs[0]))
    share = (gain - means[place - 1]) / (means[place] - means[place - 1])
    return float(np.exp(logs[place - 1] + share * (logs[place] - logs[place - 1])))


def ratio(naive: Curve, method: Curve, seeds: Sequence[int], ratings: int) -> tuple[float, bool]:
    """(how many times as many ratings naive RL needs for the gain of a method with `ratings`, reached).

    Where naive RL never reaches that gain, it is what the most that were measured make.
    """
    _, means = means_of(method, seeds)
    gain = float(means[list(method).index(ratings)])
    own = needed(method, seeds, gain)
    other = needed(naive, seeds, gain)
    assert own is not None
    return (max(naive) if other is None else other) / own, other is not None


def bootstrapped(naive: Curve, method: Curve, ratings: int) -> dict[str, Any]:
    """The ratio with its interval over seeds, drawn anew with their gains by both ways.

    `fewer_may_do`: the fewest ratings of naive RL that were measured gain as much, so the ratio is a bound
    from above.
    """
    seeds = sorted(set(next(iter(naive.values()))) & set(next(iter(method.values()))))
    value, reached = ratio(naive, method, seeds, ratings)
    found: dict[str, Any] = {"ratings": ratings, "ratio": value, "reached": reached, "seeds": seeds}
    found["fewer_may_do"] = float(means_of(method, seeds)[1][list(method).index(ratings)]) <= float(
        means_of(naive, seeds)[1][0]
    )
    if len(seeds) > 1:
        generator = np.random.default_rng(0)
        drawn = [
            ratio(naive, method, generator.choice(seeds, len(seeds)).tolist(), ratings) for _ in range(DRAWS)
        ]
        found["ci95"] = np.quantile([one for one, _ in drawn], (0.025, 0.975)).tolist()
        found["draws_reached"] = fmean(float(reached) for _, reached in drawn)
    return found


def needed_table(results: Mapping[str, Any]) -> dict[str, Any]:
    """Of each method that learns from rankings the ratio at each number of ratings, and where it ends.

    `passed_at`: the fewest ratings at which naive RL gains more than the method ever does, None for never.
    """
    curves = curves_of(results)
    naive = curves.get("naive", {})
    table: dict[str, Any] = {}
    for method in RANKED:
        curve = curves.get(method, {})
        both = set(next(iter(naive.values()), {})) & set(next(iter(curve.values()), {}))
        if both:
            seeds = sorted(both)
            most = float(means_of(curve, seeds)[1][-1])
            table[method] = {
                "ratios": [bootstrapped(naive, curve, count) for count in curve],
                "most": most,
                "passed_at": needed(naive, seeds, most),
            }
    return table


def draw(results: Mapping[str, Any], path: Path) -> None:
    """The curves as a picture: gain against ratings, and against dollars at both prices."""
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 3, figsize=(11, 3.6), sharey=True)
    size, price = results["responses"], results["price"]
    for name, curve in curves_of(results).items():
        counts = np.array(list(curve), dtype=np.float64)
        of_seeds = [list(one.values()) for one in curve.values()]
        mean = np.array([fmean(values) for values in of_seeds])
        deviation = np.array([stdev(values) if len(values) > 1 else 0.0 for values in of_seeds])
        in_rankings = 1 if name == "naive" else size
        for axis, bought in zip(axes, (counts, counts * price, counts / in_rankings * price), strict=True):
            axis.plot(bought, mean, marker="o", markersize=3, label=TITLES[name])
            axis.fill_between(bought, mean - deviation, mean + deviation, alpha=0.15)
    titles = ("ratings", f"dollars, ${price:.2f} a rating", f"dollars, ${price:.2f} a ranking")
    for axis, title in zip(axes, titles, strict=True):
        axis.set_xscale("log")
        axis.set_xlabel(title)
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("gain in true utility")
    axes[0].legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


# -------------------------------------------------------------------------------------------------- claims


def claims(results: Mapping[str, Any]) -> list[Claim]:
    """The ratio at equal gain at both prices, where it ends, and what is gained with nothing to learn."""
    found = [one for method, row in results["needed"].items() for one in ratio_claims(results, method, row)]
    curves = curves_of(results)
    naive = curves.get("naive")
    for method in RANKED:
        if naive and method in results["needed"]:
            found.append(passed_claim(method, naive, curves[method], results["needed"][method]))
    return [*found, *null_claims(results, curves)]


def ratio_claims(results: Mapping[str, Any], method: str, row: Mapping[str, Any]) -> list[Claim]:
    """At the number of ratings that was named beforehand, by ratings and by rankings paid as one."""
    at = next(one for one in row["ratios"] if one["ratings"] == results["compared"])
    size, price = results["responses"], results["price"]
    every = "; ".join(f"{one['ratings']:,}: {one['ratio']:.3g}{bound_of(one)}" for one in row["ratios"])
    prices = (
        ("ratings", 1, f"dollars at ${price:.2f} a rating, and ratings"),
        ("rankings", size, f"dollars at ${price:.2f} a ranking of {size}"),
    )
    return [
        noted(
            {
                "id": f"human-efficiency-{method.replace('_', '-')}-{name}",
                "claim": f"Jokes: {words}, of naive RL for the gain that {TITLES[method]} has from "
                f"{at['ratings']:,} ratings, as a multiple of those",
                "value": at["ratio"] * times,
                "unit": "times",
                "interval": [times * bound for bound in at["ci95"]] if "ci95" in at else None,
                "interval_kind": BOOTSTRAP if "ci95" in at else None,
                "target": "at least 1000 (the text's 1M annotations reduced to 1K)",
                "seeds": at["seeds"],
            },
            f"By ratings of {TITLES[method]}, in ratings: {every}.",
        )
        for name, times, words in prices
    ]


def bound_of(row: Mapping[str, Any]) -> str:
    """Whether a ratio is only a bound, in words."""
    if not row["reached"]:
        return " or more"
    return " or less" if row.get("fewer_may_do") else ""


def passed_claim(method: str, naive: Curve, curve: Curve, row: Mapping[str, Any]) -> Claim:
    """What the longest naive run gains beyond the best that a method reaches: where the ratio ends."""
    top = max(curve, key=lambda count: fmean(curve[count].values()))
    longest = max(naive)
    passed = row["passed_at"]
    where = f"after {passed:,.0f} ratings" if passed else "nowhere"
    both = sorted(set(curve[top]) & set(naive[longest]))
    return noted(
        beyond(
            f"human-efficiency-{method.replace('_', '-')}-passed",
            f"Jokes: true-utility gain of naive RL with {longest:,} ratings minus the most that "
            f"{TITLES[method]} gains (with {top:,})",
            {seed: naive[longest][seed] for seed in both},
            {seed: curve[top][seed] for seed in both},
        ),
        f"Naive RL passes all that {TITLES[method]} reaches {where}.",
    )


def null_claims(results: Mapping[str, Any], curves: Mapping[str, Curve]) -> list[Claim]:
    """By how much each method gains more than the same with nothing to learn."""
    found = []
    for method, curve in curves.items():
        null = {
            (cell["ratings"], cell["seed"]): cell["gain"]
            for cell in results["cells"]
            if cell["null"] and cell["method"] == method
        }
        both = {(count, seed) for count, seeds in curve.items() for seed in seeds} & set(null)
        if not both:
            continue
        (count,) = {count for count, _ in both}
        what = "raters who do not read" if method == "naive" else "shuffled rankings"
        by = {seed: null[count, seed] for _, seed in sorted(both)}
        found.append(
            noted(
                beyond(
                    f"human-efficiency-{method.replace('_', '-')}-null",
                    f"Jokes: true-utility gain of {TITLES[method]} from {count:,} ratings minus with {what} "
                    f"({fmean(by.values()):+.2f})",
                    {seed: curve[count][seed] for seed in by},
                    by,
                ),
                f"With {what}, by seed: {', '.join(f'{value:+.2f}' for value in by.values())}.",
            )
        )
    return found


main = study_main(StudyConfig, "studies.human_efficiency", study)

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
