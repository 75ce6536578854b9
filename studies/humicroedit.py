"""Which edited headline is funnier: `python -m studies.humicroedit --data FOLDER --run runs/humicroedit`.

```
RUN/train.jsonl         the official training pairs as rankings, ties left out; some.jsonl: `--pairs` of them
RUN/reading-0           a small model that has read the training headlines; -0 is the seed
RUN/own-0               a reward model from it, on all training pairs
RUN/smollm2-0           a reward model from SmolLM2-135M with LoRA, on some pairs
RUN/trl-0               TRL's RewardTrainer with peft, on the same pairs, from the same weights
RUN/own-0/opinions.json what a model thinks of 20 dev pairs, for people to read
RUN/results.json        accuracy of each on the dev pairs, beside what people themselves reach
```
The data are Humicroedit (Hossain, Krumm & Gamon 2019, NAACL) in the pairs of SemEval-2020 task 7, subtask 2
(Hossain, Krumm, Gamon & Kautz 2020). A model reads the edited headline alone. A part that
is finished is skipped and one that was killed is resumed.
"""

from __future__ import annotations

import csv
import re
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from operator import itemgetter
from pathlib import Path
from random import Random
from statistics import fmean
from typing import Any, Literal

import numpy as np
from scipy.stats import norm

from practicum.config import completed
from practicum.errors import InputError
from practicum.model.checkpoint import load_model, model_folder
from practicum.model.decoder import compute_dtype
from practicum.model.heads import RewardHead
from practicum.model.lora import LoraConfig
from practicum.preferences import formats
from practicum.preferences.rankings import as_pairs, batch_of, by_prompt, read_rankings
from practicum.reward.accuracy import calibration, share_interval
from practicum.reward.model import (
    Calibration,
    RewardModel,
    load_reward_model,
    save_reward_model,
    sequences_of,
)
from practicum.run.folder import Run
from practicum.stats import Floats
from practicum.training import reward_model
from practicum.training.loop import set_threads
from practicum.training.optimizer import OptimizerConfig
from practicum.training.reward_model import RewardModelConfig, RewardModelSettings
from practicum.types import Prompt, Ranking, Response
from studies.claim import PERCENT, POINTS, by_seed, claim, counted, noted
from studies.common import ORIGIN, finished, note_machine, origin_of, read, record, study_main, write
from studies.judged import Claim
from studies.reading import ReadingConfig, ReadingSettings, read_texts

EDIT = re.compile(r"<(.*?)/>")
Part = Literal["own", "smollm2", "trl"]
PROMPT = Prompt("")


@dataclass(frozen=True)
class StudyConfig:
    """Reward models of funnier headlines, from a model of one's own and from SmolLM2, beside TRL."""

    data: Path
    """Folder with task2_train.csv and task2_dev.csv."""
    run: Path
    """Folder of the study."""
    model: Path = Path("smollm2")
    """The model that gets adapters, and that TRL starts from too."""
    seeds: tuple[int, ...] = (0,)
    """Every part is run with each of them."""
    parts: tuple[Part, ...] = ("own", "smollm2", "trl")
    """Which parts; own learns from all pairs, smollm2 and trl from as many as `pairs` says."""
    pairs: int = 2500
    """Training pairs of SmolLM2 and of TRL."""
    reading: ReadingSettings = field(default_factory=ReadingSettings)
    """How the small model reads."""
    own: RewardModelSettings = field(
        default_factory=lambda: RewardModelSettings(
            batching="pairs",
            batch_prompts=32,
            held_out=0.0,
            epochs=2,
            optimizer=OptimizerConfig("adamw", 1e-3, warmup_steps=20, final_share=0.1, weight_decay=0.1),
        )
    )
    """How the small model becomes a reward model; the study decides on model, rankings and seed."""
    smollm2: RewardModelSettings = field(
        default_factory=lambda: RewardModelSettings(
            batching="pairs",
            batch_prompts=32,
            held_out=0.0,
            epochs=1,
            lora=LoraConfig(rank=16),
            micro_batch_tokens=2048,
            optimizer=OptimizerConfig("adamw", 5e-4, warmup_steps=10, final_share=0.1),
        )
    )
    """How SmolLM2 becomes one; TRL gets the same settings."""
    threads: int = 0
    """CPU threads of fitting them; 0 takes one per core."""


@dataclass(frozen=True)
class Edited:
    """Two edits of one headline and what the panels graded them, each grade from 0 to 3."""

    headline: str
    texts: tuple[str, str]
    grades: tuple[tuple[int, ...], tuple[int, ...]]
    label: int
    """1 or 2, the funnier one by the mean grade, or 0 for a tie."""

    @property
    def funnier(self) -> str:
        """The text that the panels found funnier; of a tie the first."""
        return self.texts[max(self.label, 1) - 1]

    @property
    def other(self) -> str:
        """The other text."""
        return self.texts[2 - max(self.label, 1)]


def study(config: StudyConfig) -> dict[str, Any]:
    """Run what is missing, write RUN/results.json and return it; what it said of other parts stays."""
    train, dev = (read_pairs(config.data / f"task2_{split}.csv") for split in ("train", "dev"))
    note_machine(config.run, "humicroedit")
    strict = [pair for pair in train if pair.label]
    some = some_headlines(strict, config.pairs)
    for name, pairs in (("train", strict), ("some", some)):
        if not (config.run / f"{name}.jsonl").exists():
            formats.write(config.run / f"{name}.jsonl", [ranking_of(pair) for pair in pairs])
    file = config.run / "results.json"
    parts: dict[str, Any] = read(file).get("parts", {}) if file.exists() else {}
    known = {
        "people": people(dev),
        "pairs": {"train": len(strict), "some": len(some), "dev": sum(pair.label > 0 for pair in dev)},
    }
    for seed in config.seeds:
        for part in config.parts:
            parts.setdefault(part, {})[str(seed)] = one_part(config, strict, dev, part, seed)
    return record(config, "humicroedit", {**known, "parts": parts})


def one_part(
    config: StudyConfig, train: Sequence[Edited], dev: Sequence[Edited], part: Part, seed: int
) -> dict[str, Any]:
    """Train unless it is done, and examine on the dev pairs."""
    folder = config.run / f"{part}-{seed}"
    if part == "own":
        start = config.run / f"reading-{seed}"
        texts = list(dict.fromkeys(text for pair in train for text in (pair.headline, *pair.texts)))
        finished(start, partial(read_texts, texts, completed(ReadingConfig, config.reading, seed=seed)))
        fitted, file = config.own, config.run / "train.jsonl"
    else:
        start, fitted, file = config.model, config.smollm2, config.run / "some.jsonl"
    settings = completed(
        RewardModelConfig, fitted, model=start, preferences=(str(file),), threads=config.threads, seed=seed
    )
    summary = finished(folder, partial(train_trl if part == "trl" else reward_model.train, settings))
    model = load_reward_model(folder, compute_dtype(settings.dtype))
    found = examined(model, dev)
    write(folder / "opinions.json", opinions(model, dev))
    return found | {
        "seconds": summary["total_seconds"],
        "tokens": summary["total_tokens"],
        **origin_of(read(folder / "environment.json")),
    }


def train_trl(settings: RewardModelConfig, run_path: Path, *, resume: bool = False) -> dict[str, Any]:
    """TRL on the token ids, in the order and from the weights, head included, that ours starts with."""
    from studies.trl_reward import train_pairs

    assert settings.model is not None
    run = Run.open(run_path, settings, "trl", resume=resume)
    set_threads(settings.threads)
    decoder, tokenizer = load_model(model_folder(settings.model))
    head = RewardHead(decoder.config.hidden_size, 1, settings.seed)
    save_reward_model(decoder, tokenizer, head, Calibration((0.0,)), run_path / "start")
    items = as_pairs(by_prompt(read_rankings(settings.preferences)))
    steps = settings.epochs * -(-len(items) // settings.batch_prompts)
    rows = []
    for step in range(steps):
        for item in batch_of(items, settings.batch_prompts, step, settings.seed):
            ranked = sorted(zip(item.orders[0].ranks, item.responses, strict=True), key=itemgetter(0))
            texts = [response.text for _, response in ranked]
            rows.append(sequences_of(decoder, tokenizer, [item.prompt.text] * 2, texts)[0])
    began = time.perf_counter()
    tokens = train_pairs(run_path / "start", rows, run_path / "model", settings, steps)
    summary = {
        "stage": "trl",
        "pairs": len(rows),
        "total_tokens": tokens,
        "total_seconds": time.perf_counter() - began,
    }
    run.finish(summary)
    return summary


def examined(model: RewardModel, pairs: Sequence[Edited]) -> dict[str, Any]:
    """Accuracy on the pairs that are no tie, with its 95% interval (bootstrap over headlines)."""
    strict = [pair for pair in pairs if pair.label]
    advantage = advantages(model, strict)
    right = (advantage > 0).astype(np.float64)
    numbers = {name: number for number, name in enumerate(dict.fromkeys(pair.headline for pair in strict))}
    return {
        "accuracy": float(right.mean()),
        "ci95": share_interval(right, np.array([numbers[pair.headline] for pair in strict])),
        "pairs": len(strict),
        "ece": calibration(advantage)["ece"],
    }


def advantages(model: RewardModel, pairs: Sequence[Edited]) -> Floats:
    """By how many logits the model agrees with the panel about each pair; below 0 it does not."""
    texts = list(dict.fromkeys(text for pair in pairs for text in pair.texts))
    rewards = model.rewards([PROMPT.text] * len(texts), texts).mean(1).tolist()
    of = dict(zip(texts, rewards, strict=True))
    return np.array([of[pair.funnier] - of[pair.other] for pair in pairs])


def opinions(model: RewardModel, pairs: Sequence[Edited], count: int = 20) -> list[dict[str, Any]]:
    """What a model thinks of some pairs, for people to read; drawn once, the same for all models."""
    strict = [pair for pair in pairs if pair.label]
    chosen = Random("headlines to read").sample(strict, min(count, len(strict)))
    return [
        {
            "headline": pair.headline,
            "people prefer": pair.funnier,
            "to": pair.other,
            "model": "agrees" if advantage > 0 else "disagrees",
            "logits": round(abs(advantage), 2),
        }
        for pair, advantage in zip(chosen, advantages(model, chosen).tolist(), strict=True)
    ]


# -------------------------------------------------------------------------------------------------- the data


def read_pairs(path: Path) -> list[Edited]:
    """The pairs of a file. Raises InputError naming the file and line that is not as expected."""
    if not path.is_file():
        raise InputError(f"{path}: no such file; --data is a folder with task2_train.csv and task2_dev.csv")
    with open(path, encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    pairs = []
    for number, row in enumerate(rows):
        try:
            pairs.append(
                Edited(
                    clean(EDIT.sub(r"\1", row["original1"])),
                    (edited(row["original1"], row["edit1"]), edited(row["original2"], row["edit2"])),
                    (
                        grades(row["grades1"], float(row["meanGrade1"])),
                        grades(row["grades2"], float(row["meanGrade2"])),
                    ),
                    ("0", "1", "2").index(row["label"]),
                )
            )
        except (KeyError, ValueError) as error:
            raise InputError(f"{path}:{number + 2}: {error}; expected Humicroedit's columns") from error
    return pairs


def edited(original: str, edit: str) -> str:
    """A headline with the marked words replaced."""
    return clean(EDIT.sub(lambda _: edit, original))


def clean(text: str) -> str:
    """Single spaces, and none at the ends."""
    return " ".join(text.split())


def grades(digits: str, mean: float) -> tuple[int, ...]:
    """A panel's grades, 5 or 10 of them, whose leading zeros a spreadsheet may have dropped.

    Raises ValueError when no such panel has the mean.
    """
    for size in (5, 10):
        found = tuple(int(digit) for digit in digits.zfill(size))
        if len(found) == size and abs(sum(found) / size - mean) < 0.051:
            return found
    raise ValueError(f"grades {digits!r} do not have the mean {mean}")


def ranking_of(pair: Edited) -> Ranking:
    """A pair as a ranking of two edits of the headline."""
    ranks = {0: (1, 1), 1: (1, 2), 2: (2, 1)}[pair.label]
    return Ranking(PROMPT, tuple(Response(text) for text in pair.texts), ranks, "panel")


def some_headlines(pairs: Sequence[Edited], count: int) -> list[Edited]:
    """All pairs of randomly chosen headlines, at least `count` pairs (or all of them)."""
    names = list(dict.fromkeys(pair.headline for pair in pairs))
    Random("some headlines").shuffle(names)
    by_name: dict[str, list[Edited]] = {name: [] for name in names}
    for pair in pairs:
        by_name[pair.headline].append(pair)
    chosen: list[Edited] = []
    for name in names:
        if len(chosen) >= count:
            break
        chosen += by_name[name]
    return chosen


# ---------------------------------------------------------------------------------------- what people reach


def people(pairs: Sequence[Edited]) -> dict[str, float]:
    """What people reach on the pairs that are no tie: `ceiling` and `one_person`.

    `ceiling`: how often the better mean grade is that of the truly funnier text, "truly" meaning by the mean
    over all people who might have graded; a model that knew the truth would be right as often. Grades vary
    within a panel with variance s^2, pooled over texts, so a difference D of means has the error variance
    e = s^2 (1/n1 + 1/n2); what the differences of all pairs, ties included, vary beyond e is the truth's
    variance. With both normal the truth given D is normal with mean r D and variance r e, r the truth's share
    of the variance, and lies on D's side with probability Phi(sqrt(r) |D| / sqrt(e)).

    `one_person`: how often one grader of each text (by turns each) puts them in the order of the others'
    means; equal grades are half right, equal means left out.
    """
    differences = np.array([np.mean(first) - np.mean(second) for first, second in each(pairs)])
    within = np.mean([np.var(panel, ddof=1) for both in each(pairs) for panel in both])
    errors = np.array([within * (1 / len(first) + 1 / len(second)) for first, second in each(pairs)])
    share = max(0.0, 1 - errors.mean() / (differences**2).mean())
    apart = differences != 0
    certain = norm.cdf(share**0.5 * np.abs(differences[apart]) / errors[apart] ** 0.5)
    alone = [right for first, second in each(pairs) for right in one_against_rest(first, second)]
    return {
        "ceiling": float(certain.mean()),
        "one_person": float(np.mean(alone)),
        "truth_share": float(share),
    }


def each(pairs: Sequence[Edited]) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """The panels' grades of each pair."""
    return [pair.grades for pair in pairs]


def one_against_rest(first: Sequence[int], second: Sequence[int]) -> list[float]:
    """1 where a grader of each orders the two as the rest's means do, 0.5 where they grade alike."""
    found = []
    for one in first:
        for other in second:
            rest = (sum(first) - one) / (len(first) - 1) - (sum(second) - other) / (len(second) - 1)
            if abs(rest) > 1e-9:
                found.append((np.sign(one - other) * np.sign(rest) + 1) / 2)
    return found


# ---------------------------------------------------------------------------------------------------- claims

BOOTSTRAP = "95% interval, bootstrap over headlines"
Rows = Mapping[int, Mapping[str, Any]]


def claims(results: Mapping[str, Any]) -> list[Claim]:
    """Claims about each model's accuracy on the dev pairs, each with its part's own origin."""
    people, pairs = results["people"], results["pairs"]
    own, smollm2, trl = (by_seed(results["parts"].get(part, {})) for part in ("own", "smollm2", "trl"))
    found = []
    if smollm2:
        text = (
            "Humicroedit: dev accuracy of a SmolLM2-135M reward model with LoRA "
            f"(one person: {100 * people['one_person']:.1f}%, ceiling: {100 * people['ceiling']:.1f}%)"
        )
        note = f"{pairs['some']:,} training pairs. The ceiling is that of a model that knows the truth."
        one = on_dev("humicroedit-smollm2-accuracy", text, smollm2)
        found.append({**noted(one, note), **of_its_part("smollm2", smollm2)})
    if own:
        text = (
            "Humicroedit: dev accuracy of a reward model from a small model that read the headlines "
            f"({pairs['train']:,} training pairs)"
        )
        found.append({**on_dev("humicroedit-own-accuracy", text, own), **of_its_part("own", own)})
    both = smollm2.keys() & trl.keys()
    if both:
        found.append({**beside_trl(smollm2, trl, pairs["some"]), **of_its_part("trl", trl, sorted(both))})
    return found


def of_its_part(part: Part, rows: Rows, seeds: Sequence[int] = ()) -> dict[str, Any]:
    """Command and origin of a part."""
    seeds = seeds or list(rows)
    words = f"--parts {part} --seeds {' '.join(map(str, seeds))}"
    first = rows[seeds[0]]
    return {
        "command": f"python -m studies.humicroedit --data FOLDER --run runs/humicroedit {words}",
        **{key: first[key] for key in ORIGIN},
    }


def beside_trl(smollm2: Rows, trl: Rows, pairs: int) -> Claim:
    """Ours less TRL's accuracy on the same dev pairs, as if the two samples of pairs were independent."""
    ours, theirs = (fmean(100 * row["accuracy"] for row in rows.values()) for rows in (smollm2, trl))
    # Unpaired: the dev pairs are the same, so a paired interval would be narrower, if anything.
    half = sum(
        (fmean(100 * (row["ci95"][1] - row["ci95"][0]) for row in rows.values()) / 2) ** 2
        for rows in (smollm2, trl)
    )
    seeds = sorted(smollm2.keys() & trl.keys())
    found = claim(
        "humicroedit-beside-trl",
        f"Humicroedit: our dev accuracy minus TRL RewardTrainer's with peft ({ours:.1f}% vs. {theirs:.1f}%), "
        f"same SmolLM2-135M, same {pairs:,} pairs, {counted(len(seeds), 'seed')}",
        dict.fromkeys(seeds, ours - theirs),
        POINTS,
        "at least 0",
    )
    bounds = [ours - theirs - half**0.5, ours - theirs + half**0.5]
    return {**found, "interval": bounds, "interval_kind": f"{BOOTSTRAP}, the two sides unpaired"}


def on_dev(name: str, text: str, rows: Rows) -> Claim:
    """Accuracy on the dev pairs, with the bootstrap intervals of all seeds from end to end."""
    bounds = [[100 * bound for bound in row["ci95"]] for row in rows.values()]
    per_seed = {seed: 100 * row["accuracy"] for seed, row in rows.items()}
    return {
        **claim(name, text, per_seed, PERCENT, "above 50"),
        "interval": [min(low for low, _ in bounds), max(high for _, high in bounds)],
        "interval_kind": BOOTSTRAP + (", least to greatest of the seeds" if len(rows) > 1 else ""),
        "n": next(iter(rows.values()))["pairs"],
    }


main = study_main(StudyConfig, "studies.humicroedit", study)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
