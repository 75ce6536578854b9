"""What simulated people's rankings buy.

```
python -m studies.rlhf --model runs/jokes --reward_start runs/jokes-pretrain --run runs/rlhf

RUN/seed-0/loop          one round of the loop: people rank, a reward model learns, PPO follows
RUN/seed-0/gold          PPO paid the gold utility itself, as if people rated every sample
RUN/seed-0/grouped       a reward model of one ranking a prompt, all its pairs in one batch, epoch after epoch
RUN/seed-0/pairs         ... on shuffled pairs
RUN/results.json         per seed: gain in gold utility of both, their dollars, accuracy beside the ceiling,
                         held-out loss after each epoch of both batchings, what the guard did and its time
```
A part that is finished is skipped and one that was killed is resumed, so the same command continues.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

import torch

from practicum.config import completed
from practicum.model.checkpoint import model_folder
from practicum.preferences import formats
from practicum.preferences.rankings import by_prompt, read_rankings, split_by_hash
from practicum.reward.accuracy import pairs_of
from practicum.reward.model import load_reward_model
from practicum.tasks.jokes.gold import gold_utility
from practicum.tasks.jokes.task import JokesConfig
from practicum.tasks.registry import TaskConfig
from practicum.training import reward_model, rl, rlhf
from practicum.training.reward_model import RewardModelConfig, RewardModelSettings
from practicum.training.rl import PracticeSettings, RlConfig
from practicum.training.rlhf import RlhfConfig, RlhfSettings
from studies.claim import PERCENT, by_seed, claim, noted, over_seeds
from studies.common import finished, note_machine, record, study_main
from studies.judged import Claim

Part = Literal["gain", "batching"]


def longer(practice: PracticeSettings, steps: int) -> PracticeSettings:
    """The same practice with another number of iterations."""
    return replace(practice, loop=replace(practice.loop, steps=steps))


@dataclass(frozen=True)
class StudyConfig:
    """PPO on a reward model against PPO on the truth, and whole rankings against shuffled pairs."""

    model: Path
    """A model that has learned to tell jokes (a model folder, or a run's folder)."""
    reward_start: Path
    """The model that has read about jokes, from which reward models start."""
    run: Path
    """Folder of the study."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Every part is run with each of them."""
    parts: tuple[Part, ...] = ("gain", "batching")
    """Which parts; batching needs the loop of gain and runs it too."""
    examined: int = 2048
    """Held-out prompts on which what both gained is measured: on 256 chance makes a fifth of the gain."""
    epochs: int = 4
    """Epochs of the comparison of batchings."""
    loop: RlhfSettings = field(
        default_factory=lambda: RlhfSettings(
            rounds=1,
            prompts=1000,
            overlap=5,
            responses=5,
            members=4,
            reward_model=RewardModelSettings(
                contrast_steps=500,
                epochs=3,
                optimizer=replace(RewardModelSettings().optimizer, weight_decay=0.1),
            ),
            practice=longer(RlhfSettings().practice, 80),
        )
    )
    """The loop; the study decides on models and seed."""


def study(config: StudyConfig) -> dict[str, Any]:
    """Run what is missing, write RUN/results.json and return it."""
    note_machine(config.run, "rlhf")
    results = {"seeds": {str(seed): _one_seed(config, seed) for seed in config.seeds}}
    return record(config, "rlhf", results)


def _one_seed(config: StudyConfig, seed: int) -> dict[str, Any]:
    folder = config.run / f"seed-{seed}"
    folder.mkdir(parents=True, exist_ok=True)
    loop = completed(RlhfConfig, config.loop, model=config.model, reward_start=config.reward_start, seed=seed)
    summary = finished(folder / "loop", partial(rlhf.train, loop))
    result: dict[str, Any] = {
        "reward_model": summary["rounds"][0]["reward_models"][0],
        "ensemble": summary["rounds"][0]["ensemble"],
        "truth": truth_accuracy(loop, folder / "loop"),
        "guard": _guard(folder / "loop" / "round-1" / "practice", summary),
    }
    if "gain" in config.parts:
        result["gain"] = _gain(replace(loop, examined=config.examined), folder, summary["dollars"])
    if "batching" in config.parts:
        result["held_out_loss"] = {
            name: _held_out_losses(loop, folder, name, config.epochs) for name in ("grouped", "pairs")
        }
    return result


def truth_accuracy(loop: RlhfConfig, folder: Path) -> float:
    """Share of held-out pairs that people's true utility orders as the rater did, equal ones half right."""
    rankings = read_rankings((str(folder / "preferences.sqlite"),))
    _, held_out = split_by_hash(by_prompt(rankings), loop.reward_model.held_out)
    first = load_reward_model(folder / "round-1" / "reward-model-1", torch.float32)
    right = []
    for pair in pairs_of(first, held_out):
        better, worse = (
            gold_utility(held_out[pair.prompt].prompt, response.text)
            for response in (pair.better, pair.worse)
        )
        right.append(0.5 + 0.5 * ((better > worse) - (better < worse)))
    return fmean(right)


def _guard(practice: Path, summary: dict[str, Any]) -> dict[str, Any]:
    """What the guard of practice did, and its share of the time of a step."""
    text = (practice / "metrics.jsonl").read_text(encoding="utf-8")
    rows = [json.loads(line) for line in text.splitlines()]
    spent, seconds = (sum(row.get(name, 0.0) for row in rows) for name in ("guard_seconds", "seconds"))
    said = summary["rounds"][0].get("guard") or {"action": "off", "sentence": ""}
    return {"action": said["action"], "sentence": said["sentence"], "share_of_time": spent / seconds}


def _gain(loop: RlhfConfig, folder: Path, dollars: float) -> dict[str, Any]:
    """Gold utility gained by the loop and by PPO on the gold utility, with what the labels of each cost."""
    task = TaskConfig("jokes", jokes=JokesConfig(reward="gold"))
    practice = completed(RlConfig, loop.practice, model=loop.model, task=task, seed=loop.seed)
    finished(folder / "gold", partial(rl.train, practice))
    models = [folder / "loop" / "round-1" / f"reward-model-{member + 1}" for member in range(loop.members)]
    first, practised = model_folder(loop.model), folder / "loop" / "round-1" / "practice"
    before, learned, gold = (
        rlhf.examination(loop, model_folder(policy), first, models)["gold"]
        for policy in (loop.model, practised, folder / "gold")
    )
    samples = practice.loop.steps * practice.prompts_per_step * practice.group_size
    learned_gain, gold_gain = learned - before, gold - before
    return {
        "before": before,
        "reward_model": learned_gain,
        "gold": gold_gain,
        "share": learned_gain / gold_gain if gold_gain > 0 else None,
        "reward_model_dollars": dollars,
        "gold_dollars": samples * loop.price,
    }


def _held_out_losses(
    loop: RlhfConfig, folder: Path, batching: Literal["grouped", "pairs"], epochs: int
) -> list[float]:
    """Held-out loss after each epoch, of one ranking a prompt, as few people's as InstructGPT's.

    A batch of single pairs holds as many pairs as one of whole rankings does, so both make as many updates.
    """
    rankings = folder / "one-each.jsonl"
    if not rankings.exists():
        everyone = read_rankings((str(folder / "loop" / "preferences.sqlite"),))
        formats.write(rankings, list({ranking.prompt.text: ranking for ranking in everyone}.values()))
    pairs = loop.responses * (loop.responses - 1) // 2
    fitted = replace(
        loop.reward_model,
        batching=batching,
        batch_prompts=loop.reward_model.batch_prompts * (pairs if batching == "pairs" else 1),
        # Only what people said: spoiled answers beforehand would blur the comparison.
        contrast_steps=0,
        epochs=epochs,
    )
    settings = completed(
        RewardModelConfig,
        fitted,
        model=loop.reward_start,
        preferences=(str(rankings),),
        threads=loop.practice.loop.threads,
        seed=loop.seed,
    )
    path = folder / batching
    finished(path, partial(reward_model.train, settings))
    rows = [json.loads(line) for line in (path / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    return [row["held_out_loss"] for row in rows if "held_out_loss" in row]


def claims(results: Mapping[str, Any]) -> list[Claim]:
    """The reward model beside the ceiling, its gain beside that of the truth, the guard's time, batchings."""
    seeds = by_seed(results["seeds"])
    gains = {seed: row["gain"] for seed, row in seeds.items() if "gain" in row}
    losses = {seed: row["held_out_loss"] for seed, row in seeds.items() if "held_out_loss" in row}
    guard_time = claim(
        "rlhf-guard-share-of-time",
        "The guard's share of the time of PPO against a reward model",
        {seed: 100 * row["guard"]["share_of_time"] for seed, row in seeds.items()},
        PERCENT,
        "at most 5",
    )
    return [
        *accuracy_claims(seeds),
        *(gain_claims(gains) if gains else []),
        guard_time,
        *([batching_claim(losses)] if losses else []),
    ]


def accuracy_claims(seeds: Mapping[int, Mapping[str, Any]]) -> list[Claim]:
    """Accuracy on held-out pairs beside what people, and the truth, reach on them."""
    ensemble = {seed: row["ensemble"]["accuracy"] for seed, row in seeds.items()}
    alone = {seed: row["reward_model"]["accuracy"] for seed, row in seeds.items()}
    human = {seed: row["reward_model"]["ceiling"]["accuracy"] for seed, row in seeds.items()}
    truth = {seed: row["truth"] for seed, row in seeds.items()}

    def of(name: str, text: str, part: Mapping[int, float], whole: Mapping[int, float]) -> Claim:
        shares = {seed: 100 * part[seed] / whole[seed] for seed in part}
        return over_seeds(name, f"Jokes: held-out pair accuracy of {text}", shares, "at least 95")

    return [
        noted(
            of(
                "rlhf-reward-model-share-of-ceiling",
                "the reward model (mean of four) as a share of the human ceiling",
                ensemble,
                human,
            ),
            "1,000 prompts with five answers each, ranked by five people each.",
        ),
        noted(
            of(
                "rlhf-reward-model-share-of-truth",
                "the same reward model as a share of what true utility reaches",
                ensemble,
                truth,
            ),
            "Only of simulated people is the true utility known.",
        ),
        of(
            "rlhf-one-reward-model-share-of-ceiling",
            "one reward model alone as a share of the human ceiling",
            alone,
            human,
        ),
    ]


def gain_claims(gains: Mapping[int, Mapping[str, float]]) -> list[Claim]:
    """What the model of the rankings gains beside the truth, and what either costs."""
    first = next(iter(gains.values()))
    rankings, ratings = first["reward_model_dollars"], first["gold_dollars"]
    return [
        noted(
            over_seeds(
                "rlhf-gain-share",
                "Jokes: true-utility gain of PPO on the reward model as a share of the gain of as many "
                "updates on true utility itself",
                {seed: 100 * row["reward_model"] / row["gold"] for seed, row in gains.items()},
                "at least 90",
            ),
            "The other run is a comparison, not a ceiling: the same KL weight acts differently on a reward "
            "of another scale, and that run has no penalty of 5 for unfinished text.",
        ),
        claim(
            "rlhf-dollars-share",
            f"Jokes: cost of the rankings (${rankings:,.0f} at $0.10 a rating) as a share of rating every "
            f"PPO sample once (${ratings:,.0f})",
            {seed: 100 * row["reward_model_dollars"] / row["gold_dollars"] for seed, row in gains.items()},
            PERCENT,
            "below 100",
        ),
    ]


def batching_claim(losses: Mapping[int, Mapping[str, Sequence[float]]]) -> Claim:
    """Whether shuffled pairs over-fit where whole rankings do not."""

    def above(epoch: int) -> dict[int, float]:
        return {seed: 1000 * (row["pairs"][epoch] - row["grouped"][epoch]) for seed, row in losses.items()}

    once = ", ".join(f"{value:.0f}" for value in above(0).values())
    return noted(
        claim(
            "rlhf-pairs-over-fit",
            "Held-out reward model loss after four epochs on shuffled pairs, minus on whole rankings (x1000, "
            "as many updates)",
            above(-1),
            "thousandths",
            "above 0",
        ),
        "A batch has as many pairs on either side. InstructGPT reports that shuffled pairs over-fit. "
        f"After one epoch, by seed: {once}.",
    )


main = study_main(StudyConfig, "studies.rlhf", study)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
