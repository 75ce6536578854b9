"""Side by side with TRL on the same model, rows, reward, seeds and samples: `python -m studies.beside_trl`.

A small model of our own has read sums in words, not enough to know them. From there both sides

    sft                imitate the same worked sums, the same number of updates and rows in each
    grpo, dr_grpo,     practise the same sums from one imitation model, paid by one function of TRL's
    dapo_loss, gspo,   signature; where the loss has a ratio, two updates a batch, so that it leaves 1
    cispo, rloo
    dpo, kto           learn from the same pairs of a right and a wrong answer, or from each as a label
    reward_model       learn a reward from the same pairs

with AdamW at the same rate and schedule, one thread each, one after the other. The same examination reads
both models, which are Hugging Face folders. dapo_loss is DAPO's loss and clip without its resampling, which
TRL has not.

```
RUN/base, RUN/taught                       the model that reads; the same after some worked sums
RUN/PART/seed-0/{ours,trl}                 what each side made of it
RUN/PART/seed-0/found.json                 held-out result and seconds of training of both
RUN/results.json
```
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, Literal

import torch

from practicum.data.config import DataConfig
from practicum.files import atomic_write
from practicum.loading import load_file
from practicum.model.sampling import DecodingSettings, SamplingConfig
from practicum.preferences.rankings import by_prompt, read_rankings
from practicum.reward.accuracy import pair_accuracy
from practicum.reward.config import FunctionsConfig
from practicum.reward.model import load_reward_model
from practicum.reward.parts import RewardConfig
from practicum.training import dpo, reward_model, rl, sft
from practicum.training.algorithms import Name
from practicum.training.evaluate import EvalConfig, evaluate
from practicum.training.loop import LoopConfig
from practicum.training.optimizer import OptimizerConfig
from practicum.training.update import UpdateConfig
from studies.claim import PERCENT, over_seeds
from studies.common import finished, note_machine, read, record, say, study_main, write
from studies.judged import Claim
from studies.reading import ReadingConfig, ReadingSettings, read_texts

Practised = Literal["grpo", "dr_grpo", "dapo_loss", "gspo", "cispo", "rloo"]
Part = Literal["sft", "grpo", "dr_grpo", "dapo_loss", "gspo", "cispo", "rloo", "dpo", "kto", "reward_model"]
Side = Literal["ours", "trl"]
SIDES: tuple[Side, ...] = ("ours", "trl")
REWARD = Path(__file__).parents[1] / "examples" / "my_reward.py"
NEW_TOKENS = 24
TWICE = UpdateConfig(epochs=2)
PRACTICE: Mapping[Practised, tuple[Name, UpdateConfig, Mapping[str, Any]]] = {
    "grpo": ("grpo", TWICE, {"loss_type": "grpo", "beta": 0.04}),
    "dr_grpo": ("dr_grpo", TWICE, {"loss_type": "dr_grpo", "scale_rewards": "none"}),
    "dapo_loss": (
        "group",
        replace(TWICE, clip_low=0.2, clip_high=0.28, aggregation="token_mean"),
        {"loss_type": "dapo", "epsilon_high": 0.28},
    ),
    "gspo": (
        "gspo",
        TWICE,
        {
            "loss_type": "grpo",
            "importance_sampling_level": "sequence",
            "epsilon": 3e-4,
            "epsilon_high": 4e-4,
        },
    ),
    "cispo": ("cispo", TWICE, {"loss_type": "cispo", "epsilon_high": 5.0}),
    "rloo": ("rloo", UpdateConfig(), {}),
}
"""Our name and settings, and TRL's. A KL of 0 and a clip of 0.2 are the default of both sides;
TRL's bound of cispo is the ratio itself, ours what it exceeds 1 by."""
COUNTS = {"texts": 3000, "lessons": 1500, "train": 1500, "test": 400}
"""Rows of each file, all of different sums."""


@dataclass(frozen=True)
class StudyConfig:
    """SFT, GRPO and reward model, ours and TRL's, on the same rows."""

    run: Path
    """Folder of the study."""
    parts: tuple[Part, ...] = ("sft", *PRACTICE, "dpo", "kto", "reward_model")
    """What is compared."""
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    """Seeds of both sides."""
    reading: ReadingSettings = field(
        default_factory=lambda: ReadingSettings(loop=LoopConfig(steps=600, checkpoint_every=600, threads=1))
    )
    """How the small model reads."""
    steps: int = 100
    """Updates of SFT and on preferences, and batches of practice."""
    epochs: int = 4
    """Times that a reward model reads the pairs."""
    batch: int = 32
    """Rows of an update of SFT and pairs of one on preferences."""
    prompts_per_step: int = 16
    """Prompts of a batch of practice."""
    group_size: int = 8
    """Completions of a prompt."""
    optimizer: OptimizerConfig = field(
        default_factory=lambda: OptimizerConfig(
            "adamw", 1e-3, warmup_steps=10, final_share=0.1, weight_decay=0.0, beta2=0.95
        )
    )
    """The optimizer of all; practice takes a third of the rate, dpo and kto a tenth."""


def study(config: StudyConfig) -> dict[str, Any]:
    """Train all, write RUN/results.json and return it."""
    note_machine(config.run, "beside_trl")
    if not (config.run / "pairs.jsonl").exists():
        write_rows(config.run)
    texts = [row["prompt"] + row["completion"] for row in rows_of(config.run / "texts.jsonl")]
    reading = ReadingConfig(**vars(config.reading), seed=100)
    finished(config.run / "base", partial(read_texts, texts, reading))
    taught = imitation(config, config.run / "base", 100, config.steps // 2)
    finished(config.run / "taught", partial(sft.train, taught))
    found: dict[str, Any] = {
        "before": {
            "base": judged(config, config.run / "base"),
            "taught": judged(config, config.run / "taught"),
        }
    }
    for part in config.parts:
        found[part] = {str(seed): compared(config, part, seed) for seed in config.seeds}
    return record(config, "beside_trl", {"parts": found})


def compared(config: StudyConfig, part: Part, seed: int) -> dict[str, Any]:
    """Both sides of one part and seed: `{side: {"result", "seconds"}}`, kept in found.json."""
    folder = config.run / part / f"seed-{seed}"
    if not (folder / "found.json").exists():
        say(f"{part}, seed {seed}")
        seconds = both_sides(config, part, folder, seed)
        examine = pairs_right if part == "reward_model" else judged
        write(
            folder / "found.json",
            {side: {"result": examine(config, folder / side), "seconds": seconds[side]} for side in SIDES},
        )
    return read(folder / "found.json")


# ------------------------------------------------------------------------------------------------ both sides


def both_sides(config: StudyConfig, part: Part, folder: Path, seed: int) -> dict[Side, float]:
    """Train both sides of a part; seconds of each."""
    if part == "sft":
        return both_sft(config, folder, seed)
    if part == "reward_model":
        return both_reward_models(config, folder, seed)
    if part == "dpo" or part == "kto":
        return both_preferences(config, part, folder, seed)
    return both_practised(config, part, folder, seed)


def both_sft(config: StudyConfig, folder: Path, seed: int) -> dict[Side, float]:
    """Imitation; seconds of each side."""
    from studies.trl_trainers import train_sft

    start = config.run / "base"
    ours = finished(folder / "ours", partial(sft.train, imitation(config, start, seed, config.steps)))
    rows = rows_of(config.run / "lessons.jsonl")
    seconds = train_sft(lesson(config, start, folder / "trl", rows, seed))
    return {"ours": ours["total_seconds"], "trl": seconds}


def imitation(config: StudyConfig, start: Path, seed: int, steps: int) -> sft.SftConfig:
    """Our settings of imitation."""
    return sft.SftConfig(
        model=start,
        data=DataConfig(file=config.run / "lessons.jsonl"),
        batch_demonstrations=config.batch,
        textbook_passages=0,
        optimizer=config.optimizer,
        loop=LoopConfig(steps=steps, checkpoint_every=1000, threads=1),
        seed=seed,
    )


def both_practised(config: StudyConfig, part: Practised, folder: Path, seed: int) -> dict[Side, float]:
    """Practice; seconds of each side."""
    from studies.trl_trainers import Sampled, train_grpo, train_rloo

    start, optimizer = config.run / "taught", slower(config.optimizer, 3)
    algorithm, update, theirs = PRACTICE[part]
    ours = rl.RlConfig(
        model=start,
        data=DataConfig(file=config.run / "train.jsonl"),
        reward=RewardConfig(functions=(f"{REWARD}:right",)),
        algorithm=algorithm,
        prompts_per_step=config.prompts_per_step,
        group_size=config.group_size,
        sampling=SamplingConfig(max_new_tokens=NEW_TOKENS),
        update=update,
        optimizer=optimizer,
        loop=LoopConfig(steps=config.steps, checkpoint_every=1000, threads=1),
        seed=seed,
    )
    summary = finished(folder / "ours", partial(rl.train, ours))
    both = replace(
        config,
        # TRL counts updates, we count batches.
        optimizer=replace(optimizer, warmup_steps=update.epochs * optimizer.warmup_steps),
        steps=update.epochs * config.steps,
        batch=config.prompts_per_step * config.group_size,
    )
    given = lesson(both, start, folder / "trl", rows_of(config.run / "train.jsonl"), seed)
    sampled = Sampled(config.group_size, NEW_TOKENS, update.epochs)
    train = train_rloo if part == "rloo" else train_grpo
    seconds = train(given, load_file(REWARD).right, sampled, theirs)
    return {"ours": summary["total_seconds"], "trl": seconds}


def both_preferences(
    config: StudyConfig, part: Literal["dpo", "kto"], folder: Path, seed: int
) -> dict[Side, float]:
    """Learning from pairs or labels without a reward model; seconds of each side."""
    from studies.trl_trainers import train_dpo, train_kto

    start, optimizer = config.run / "taught", slower(config.optimizer, 10)
    name, batch = ("pairs", config.batch) if part == "dpo" else ("labels", 2 * config.batch)
    ours = dpo.DpoConfig(
        model=start,
        loss=part,
        data=DataConfig(file=config.run / f"{name}.jsonl"),
        batch_pairs=batch,
        held_out=0.0,
        optimizer=optimizer,
        loop=LoopConfig(steps=config.steps, checkpoint_every=1000, threads=1),
        seed=seed,
    )
    summary = finished(folder / "ours", partial(dpo.train, ours))
    both = replace(config, optimizer=optimizer, batch=batch)
    train = train_dpo if part == "dpo" else train_kto
    seconds = train(lesson(both, start, folder / "trl", rows_of(config.run / f"{name}.jsonl"), seed))
    return {"ours": summary["total_seconds"], "trl": seconds}


def slower(optimizer: OptimizerConfig, times: int) -> OptimizerConfig:
    """The same optimizer at a part of its rate."""
    return replace(optimizer, learning_rate=optimizer.learning_rate / times)


def both_reward_models(config: StudyConfig, folder: Path, seed: int) -> dict[Side, float]:
    """Two reward models; seconds of each side."""
    from studies.trl_trainers import train_reward_model

    rows = rows_of(config.run / "pairs.jsonl")
    ours = reward_model.RewardModelConfig(
        model=config.run / "base",
        preferences=(str(config.run / "pairs.jsonl"),),
        batching="pairs",
        batch_prompts=config.batch,
        epochs=config.epochs,
        held_out=0.0,
        optimizer=config.optimizer,
        threads=1,
        seed=seed,
    )
    summary = finished(folder / "ours", partial(reward_model.train, ours))
    given = replace(config, steps=config.epochs * -(-len(rows) // config.batch))
    seconds = train_reward_model(lesson(given, config.run / "base", folder / "trl", rows, seed))
    return {"ours": summary["total_seconds"], "trl": seconds}


def lesson(config: StudyConfig, start: Path, output: Path, rows: list[dict[str, Any]], seed: int) -> Any:
    """What TRL is given."""
    from practicum.model.checkpoint import model_folder
    from studies.trl_trainers import Lesson

    return Lesson(model_folder(start), output, rows, config.steps, config.batch, config.optimizer, seed)


# --------------------------------------------------------------------------------------------- examinations


def judged(config: StudyConfig, folder: Path) -> float:
    """Share of held-out sums that greedy answers get right, by the function that pays."""
    found = evaluate(
        EvalConfig(
            model=folder,
            data=DataConfig(file=config.run / "test.jsonl"),
            reward=FunctionsConfig(functions=(f"{REWARD}:right",)),
            count=COUNTS["test"],
            sampling=DecodingSettings(max_new_tokens=NEW_TOKENS),
            threads=1,
        )
    )
    return float(found["reward"]["mean"])


def pairs_right(config: StudyConfig, folder: Path) -> float:
    """Share of held-out pairs that a reward model orders right."""
    model = load_reward_model(folder, torch.float32)
    rankings = read_rankings((str(config.run / "test_pairs.jsonl"),))
    return pair_accuracy(model, by_prompt(rankings))[0]


# ------------------------------------------------------------------------------------------------- the rows


def write_rows(run: Path) -> None:
    """All files of the study: sums in words, each sum in one file only."""
    random = Random("sums in words")
    sums = [(a, b, sign) for a in range(1, 100) for b in range(1, 100) for sign in ("+", "-")]
    random.shuffle(sums)
    place = 0
    for name, count in COUNTS.items():
        rows = [row_of(*one) for one in sums[place : place + count]]
        place += count
        write_file(run / f"{name}.jsonl", rows)
    pairs = [pair_of(random, row) for row in rows_of(run / "train.jsonl")]
    write_file(run / "test_pairs.jsonl", [pair_of(random, row) for row in rows_of(run / "test.jsonl")])
    labels = [
        {"prompt": row["prompt"], "completion": row[side], "label": side == "chosen"}
        for row in pairs
        for side in ("chosen", "rejected")
    ]
    write_file(run / "labels.jsonl", labels)
    write_file(run / "pairs.jsonl", pairs)


def row_of(a: int, b: int, sign: str) -> dict[str, str]:
    """A sum in words, its worked solution and the answer."""
    value = a + b if sign == "+" else a - b
    word = "plus" if sign == "+" else "minus"
    return {
        "prompt": f"What is {a} {word} {b}?",
        "completion": f" {a} {sign} {b} = {value}",
        "answer": str(value),
    }


def pair_of(random: Random, row: Mapping[str, str]) -> dict[str, str]:
    """The right solution and one that is off by 1 to 30."""
    worked, _, value = row["completion"].rpartition(" ")
    off = int(value) + random.choice((-1, 1)) * random.randint(1, 30)
    return {"prompt": row["prompt"], "chosen": row["completion"], "rejected": f"{worked} {off}"}


def write_file(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Rows as JSON lines."""
    atomic_write(path, "".join(json.dumps(row) + "\n" for row in rows))


def rows_of(path: Path) -> list[dict[str, Any]]:
    """The rows of a file of this study."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


# ----------------------------------------------------------------------------------------------- the claims


def claims(results: Mapping[str, Any]) -> list[Claim]:
    """By how much our results differ from TRL's, and how many times its time ours takes."""
    rows: list[Claim] = []
    for part, found in results["parts"].items():
        if part == "before":
            continue

        def of(side: Side, what: str, found: Mapping[str, Any] = found) -> dict[int, float]:
            return {int(seed): one[side][what] for seed, one in found.items()}

        ours, theirs = of("ours", "result"), of("trl", "result")
        name = part.replace("_", "-")
        rows += [
            over_seeds(
                f"beside-trl-{name}-result",
                f"{part}: our held-out result less TRL's from the same weights, rows and updates "
                f"(ours {mean_of(ours):.1f}%, TRL's {mean_of(theirs):.1f}%)",
                {seed: 100 * (ours[seed] - theirs[seed]) for seed in ours},
                "above -3",
                "percentage points",
            ),
            over_seeds(
                f"beside-trl-{name}-time",
                f"{part}: our training time as a share of TRL's, one thread each",
                {seed: 100 * of("ours", "seconds")[seed] / of("trl", "seconds")[seed] for seed in ours},
                "below 100",
                PERCENT,
            ),
        ]
    return rows


def mean_of(values: Mapping[int, float]) -> float:
    """In percent."""
    return 100 * sum(values.values()) / len(values)


main: Callable[..., int] = study_main(StudyConfig, "studies.beside_trl", study)

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
