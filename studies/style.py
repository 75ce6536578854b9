"""Make explanations beginner-friendly without making them wrong: `python -m studies.style --run runs/style`.

```
RUN/pretrain, RUN/sft            a small model that explains how equations are solved
RUN/seed-0/rankings.jsonl        simulated beginners' rankings; they cannot tell what is right
RUN/seed-0/both.jsonl            the same rankings with the verifier beside them: what is wrong comes last
RUN/seed-0/reward_model          learns from the beginners' rankings
RUN/seed-0/ppo                   PPO paid by the verifier and that reward model
RUN/seed-0/dpo                   DPO on the rankings that are judged by both
RUN/seed-0/*-null                the same with shuffled rankings: the verifier alone says something
RUN/seed-0/NAME.json             what a model writes to held-out problems, and how it is judged
RUN/samples.md, RUN/results.json samples side by side; shares, utilities and differences over seeds
```
A file that is there is not made again, so the same command continues; `--most 2` makes two and stops.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

from practicum.files import atomic_write
from practicum.guard.controllers import KLConfig
from practicum.guard.counted import WatchConfig
from practicum.model.checkpoint import model_folder
from practicum.model.sampling import SamplingConfig
from practicum.preferences import formats
from practicum.preferences.controls import shuffled_labels
from practicum.preferences.rankings import read_rankings
from practicum.preferences.raters import PeopleConfig
from practicum.preferences.verified import verified
from practicum.reward.parts import RewardConfig
from practicum.stats import clustered_error
from practicum.tasks.explanations.task import ExplanationsConfig, ExplanationsTask
from practicum.tasks.registry import TaskConfig
from practicum.training import dpo, pretrain, reward_model, rl, sft
from practicum.training.loop import LoopConfig, set_threads
from practicum.training.reward_model import RewardModelConfig
from practicum.training.rl import RlConfig
from practicum.training.update import UpdateConfig
from studies.asked import ranked, sampled
from studies.claim import PERCENT, POINTS, beyond, by_seed, by_text, noted, over_seeds
from studies.common import finished, note_machine, read, record, say, study_main, write
from studies.judged import Claim

WAYS = ("ppo", "dpo")
TITLES: Mapping[str, str] = {"sft": "before", "ppo": "PPO", "dpo": "DPO"}
CLUSTERED = "95% interval, normal, clustered by problem over all seeds"
TASK = TaskConfig("explanations", explanations=ExplanationsConfig(reward="correct"))


@dataclass(frozen=True)
class StudyConfig:
    """Beginner-friendly explanations by PPO and by DPO, verifier and people's preferences together.

    On seed 100, which is not reported, these weights raised style and right answers alike, and DPO
    over-fitted at twice this learning rate. Nothing else was tuned.
    """

    run: Path
    """Folder of the study."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Rankings, reward models, PPO and DPO anew with each of them."""
    pretrain_steps: int = 500
    """Steps of reading."""
    sft_steps: int = 600
    """Steps of imitating worked explanations."""
    sft_batch: int = 32
    """Explanations of a step."""
    rankings: int = 400
    """Explanations of so many equations are ranked, once each."""
    responses: int = 5
    """Explanations in a ranking."""
    people: PeopleConfig = field(default_factory=PeopleConfig)
    """Who the beginners are."""
    contrast_steps: int = 100
    """Updates of reward models on spoiled explanations."""
    verifier_weight: float = 4.0
    """What a right answer is worth in PPO, in units of the reward model, which weighs 1."""
    kl: float = 0.05
    """Weight of the KL to the first model, in PPO."""
    ppo_steps: int = 30
    """Steps of PPO, 128 samples each."""
    ppo_rate: float = 1.5e-4
    """Learning rate of PPO."""
    dpo_steps: int = 120
    """Updates of DPO, 32 pairs each."""
    dpo_rate: float = 5e-5
    """Learning rate of DPO."""
    dpo_beta: float = 0.1
    """Beta of DPO."""
    null: bool = True
    """Also run everything on shuffled rankings."""
    examined: int = 2000
    """Held-out problems, each answered once by every model."""
    temperature: float = 1.0
    """Of those answers. At 0 the first model hides how people write: the likeliest words of each step are
    nearly always the friendly ones, as the others are told in three ways."""
    longest: int = 256
    """Most tokens of an explanation."""
    threads: int = 1
    """CPU threads."""
    most: int = 0
    """Models examined in this call; 0: all."""


def study(config: StudyConfig) -> dict[str, Any]:
    """Make what is missing, write RUN/results.json and RUN/samples.md, and return the results."""
    note_machine(config.run, "style")
    set_threads(config.threads)
    first = first_model(config)
    ways = [*WAYS, *(f"{way}-null" for way in WAYS if config.null)]
    wanted = [(seed, way) for seed in config.seeds for way in ("sft", *ways)]
    missing = [one for one in wanted if not file_of(config, *one).exists()]
    for seed, way in missing[: config.most or None]:
        examine(config, first, seed, way)
    rows = {
        str(seed): {
            way: read(file_of(config, seed, way))["rows"]
            for way in ("sft", *ways)
            if file_of(config, seed, way).exists()
        }
        for seed in config.seeds
    }
    results = {
        "seeds": {seed: {way: means(one) for way, one in row.items()} for seed, row in rows.items()},
        "correct": {way: correctness(rows, way) for way in ways if all(way in row for row in rows.values())},
        "missing": len(wanted) - sum(len(row) for row in rows.values()),
    }
    if all("sft" in row for row in rows.values()):
        atomic_write(config.run / "samples.md", samples_page(rows[str(config.seeds[0])]))
    return record(config, "style", results)


def file_of(config: StudyConfig, seed: int, way: str) -> Path:
    """What a model of a seed wrote, and how it is judged."""
    return config.run / f"seed-{seed}" / f"{way}.json"


# ---------------------------------------------------------------------------------------------- the training


def first_model(config: StudyConfig) -> Path:
    """A model that has read about equations and learned to explain them, made when missing."""
    read_about, told = config.run / "pretrain", config.run / "sft"
    reading = pretrain.PretrainConfig(task=TASK, loop=loop_of(config, config.pretrain_steps))
    finished(read_about, partial(pretrain.train, reading))
    telling = sft.SftConfig(
        read_about,
        task=TASK,
        batch_demonstrations=config.sft_batch,
        loop=loop_of(config, config.sft_steps),
    )
    finished(told, partial(sft.train, telling))
    return model_folder(told)


def loop_of(config: StudyConfig, steps: int) -> LoopConfig:
    """So many steps, that lose at most fifty when they are broken off."""
    return LoopConfig(steps, checkpoint_every=50, keep_checkpoints=1, threads=config.threads)


def sampling_of(config: StudyConfig, temperature: float = 1.0) -> SamplingConfig:
    """How explanations are drawn."""
    return SamplingConfig(temperature=temperature, max_new_tokens=config.longest)


def model_of(config: StudyConfig, first: Path, seed: int, way: str) -> Path:
    """The model of one way, made when missing."""
    if way == "sft":
        return first
    folder = config.run / f"seed-{seed}" / way
    train = ppo_of if way.startswith("ppo") else dpo_of
    train(config, first, seed, way.endswith("-null"))
    return model_folder(folder)


def rankings_of(config: StudyConfig, first: Path, seed: int, null: bool, judged: bool) -> Path:
    """The file of beginners' rankings, shuffled for the control; `judged` by the verifier too."""
    folder, task = config.run / f"seed-{seed}", ExplanationsTask()
    path = folder / "rankings.jsonl"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        said = ranked(
            task, first, config.rankings, config.responses, config.people, seed, sampling_of(config)
        )
        formats.write(path, said)
    name = {True: "both", False: "rankings"}[judged] + ("-null" if null else "")
    asked = folder / f"{name}.jsonl"
    if not asked.exists():
        said = read_rankings((str(path),))
        said = shuffled_labels(said, seed) if null else said
        formats.write(asked, verified(said, task) if judged else said)
    return asked


def ppo_of(config: StudyConfig, first: Path, seed: int, null: bool) -> None:
    """PPO paid by the verifier and by a reward model of the beginners' rankings."""
    folder, end = config.run / f"seed-{seed}", "-null" if null else ""
    rankings = rankings_of(config, first, seed, null, judged=False)
    plain = RewardModelConfig(config.run / "pretrain", (str(rankings),))
    learning = replace(plain, contrast_steps=config.contrast_steps, threads=config.threads, seed=seed)
    finished(folder / f"reward_model{end}", partial(reward_model.train, learning))
    practice = RlConfig(first)
    settings = replace(
        practice,
        algorithm="ppo",
        task=TASK,
        reward_model=(folder / f"reward_model{end}",),
        reward=RewardConfig(weights={"reward_model": 1.0, "task": config.verifier_weight}),
        prompts_per_step=16,
        update=UpdateConfig(minibatches=2, kl=KLConfig(weight=config.kl)),
        optimizer=replace(practice.optimizer, learning_rate=config.ppo_rate),
        sampling=sampling_of(config),
        loop=replace(loop_of(config, config.ppo_steps), checkpoint_every=10),
        guard=WatchConfig(action="off"),
        seed=seed,
    )
    finished(folder / f"ppo{end}", partial(rl.train, settings))


def dpo_of(config: StudyConfig, first: Path, seed: int, null: bool) -> None:
    """DPO on the rankings that verifier and beginners judge together."""
    rankings = rankings_of(config, first, seed, null, judged=True)
    plain = dpo.DpoConfig(first)
    settings = replace(
        plain,
        preferences=(str(rankings),),
        beta=config.dpo_beta,
        optimizer=replace(plain.optimizer, learning_rate=config.dpo_rate),
        loop=loop_of(config, config.dpo_steps),
        seed=seed,
    )
    finished(config.run / f"seed-{seed}" / ("dpo-null" if null else "dpo"), partial(dpo.train, settings))


# ---------------------------------------------------------------------------------------------- what it gave


def examine(config: StudyConfig, first: Path, seed: int, way: str) -> None:
    """Write what a model says to every held-out problem, with correctness, style and true utility."""
    task, model = ExplanationsTask(), model_of(config, first, seed, way)
    # The same problems for all seeds: the interval counts each once, however many models answered it.
    prompts = task.prompts("test", config.examined, 0)
    texts = [group[0] for group in sampled(model, prompts, 1, seed, sampling_of(config, config.temperature))]
    rows = [
        {
            "problem": prompt.problem,
            "prompt": prompt.text,
            "text": text,
            "correct": score.parts["correct"],
            "gold": score.parts["gold"],
            "friendly": float(task.behaviours(prompt, text)["gives_reasons"]),
        }
        for prompt, text, score in zip(prompts, texts, task.score(prompts, texts), strict=True)
    ]
    write(file_of(config, seed, way), {"way": way, "seed": seed, "rows": rows})
    found = means(rows)
    say(f"seed {seed} {way}: " + ", ".join(f"{name} {value:.3f}" for name, value in found.items()))


def means(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Share of right answers, share in which most steps say why, and mean true utility."""
    return {name: fmean(row[name] for row in rows) for name in ("correct", "friendly", "gold")}


def correctness(rows: Mapping[str, Mapping[str, Any]], way: str) -> dict[str, Any]:
    """Change in right answers since the first model, over all seeds, with its interval by problems."""
    changes, problems = [], []
    for row in rows.values():
        for before, after in zip(row["sft"], row[way], strict=True):
            changes.append(after["correct"] - before["correct"])
            problems.append(before["problem"])
    half = 1.96 * clustered_error(changes, problems)
    mean = fmean(changes)
    return {"change": mean, "ci95": [mean - half, mean + half], "problems": len(set(problems))}


def samples_page(row: Mapping[str, Sequence[Mapping[str, Any]]], count: int = 4) -> str:
    """The first problems of the test split with what the models of one seed say, side by side."""
    ways = [way for way in ("sft", *WAYS) if way in row]
    lines = []
    for place in range(min(count, len(row["sft"]))):
        lines += [f"`{row['sft'][place]['prompt'].strip()}`", ""]
        lines += ["| " + " | ".join(TITLES[way] for way in ways) + " |", "|" + " --- |" * len(ways)]
        cells = []
        for way in ways:
            one = row[way][place]
            said = "<br>".join(f"`{line}`" for line in one["text"].strip().split("\n"))
            cells.append(f"{said}<br>*{'right' if one['correct'] else 'wrong'}, {one['gold']:.1f}*")
        lines += ["| " + " | ".join(cells) + " |", ""]
    return "\n".join(lines)


# -------------------------------------------------------------------------------------------------- claims


def claims(results: Mapping[str, Any]) -> list[Claim]:
    """Of each way: style and true utility up, correctness kept, and more than with shuffled rankings."""
    seeds = by_seed(results["seeds"])
    return [one for way in WAYS if way in results["correct"] for one in way_claims(results, seeds, way)]


def way_claims(results: Mapping[str, Any], seeds: Mapping[int, Any], way: str) -> list[Claim]:
    """The claims of one way."""

    def of(name: str, which: str, times: float = 1.0) -> dict[int, float]:
        return {seed: times * row[which][name] for seed, row in seeds.items()}

    before, after = of("friendly", "sft", 100), of("friendly", way, 100)
    kept = results["correct"][way]
    own = {seed: 100 * (row[way]["correct"] - row["sft"]["correct"]) for seed, row in seeds.items()}
    title = TITLES[way]
    found = [
        noted(
            over_seeds(
                f"style-by-{way}-share",
                f"Explanations: rise of the share in which most steps say why, by {title}",
                {seed: after[seed] - before[seed] for seed in seeds},
                "above 0",
                POINTS,
            ),
            f"From {fmean(before.values()):.1f}{PERCENT} to {fmean(after.values()):.1f}{PERCENT}.",
        ),
        beyond(
            f"style-by-{way}-utility",
            f"Explanations: beginners' true utility gained by {title}",
            of("gold", way),
            of("gold", "sft"),
        ),
        noted(
            {
                "id": f"style-by-{way}-correct",
                "claim": f"Explanations: change in right answers by {title}",
                "value": 100 * kept["change"],
                "unit": POINTS,
                "interval": [100 * bound for bound in kept["ci95"]],
                "interval_kind": CLUSTERED,
                "target": "at least -1 (correctness stays within a point)",
                "seeds": list(seeds),
                "per_seed": by_text(own),
                "n": kept["problems"],
            },
            f"One sampled answer to each of the same prompts by every model, {kept['problems']:,} problems.",
        ),
    ]
    if f"{way}-null" in results["correct"]:
        null = results["correct"][f"{way}-null"]["change"]
        found.append(
            noted(
                beyond(
                    f"style-by-{way}-null",
                    f"Explanations: beginners' true utility after {title} on rankings minus after {title} on "
                    "shuffled ones",
                    of("gold", way),
                    of("gold", f"{way}-null"),
                ),
                f"With shuffled rankings right answers change by {100 * null:+.1f} points.",
            )
        )
    return found


main = study_main(StudyConfig, "studies.style", study)

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
