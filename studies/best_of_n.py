"""What does the best of n answers gain, by the number of rankings and the size of the reward model?
`python -m studies.best_of_n --run runs/best-of-n`.

```
RUN/pretrain, RUN/sft          the small jokes model, as in studies.exploits
RUN/layers-1                   its lowest layer alone, from which a smaller reward model starts
RUN/seed-0/rankings.jsonl      simulated people's rankings, the first of which every reward model learns from
RUN/seed-0/300-1               a reward model of 300 rankings that starts from one layer; 0: from all layers
RUN/seed-0/curves.json         of each reward model, reward and true utility of the best of n answers
RUN/results.json               all of it, with the fit of d(a - b d)
```
A seed that has its curves.json is skipped, so the same command continues.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from random import Random
from statistics import fmean
from typing import Any

import numpy as np
import torch

from practicum.audit.judge import judge_in
from practicum.audit.lab import answered
from practicum.audit.overoptimization import bands, best_of_n_curve
from practicum.files import atomic_write, to_json
from practicum.model.checkpoint import load_model, model_folder, save_model
from practicum.model.decoder import Decoder
from practicum.preferences import formats
from practicum.preferences.raters import GOLDS, PeopleConfig, population, simulate
from practicum.stats import Floats
from practicum.tasks.jokes.task import JokesTask
from practicum.training import reward_model
from practicum.training.loop import set_threads
from practicum.training.reward_model import RewardModelConfig
from practicum.types import Response
from studies import exploits
from studies.claim import PERCENT, UNITS, beyond, by_seed, over_seeds, peak_text, single
from studies.common import finished, note_machine, record, study_main
from studies.judged import Claim
from studies.planted import jokes


@dataclass(frozen=True)
class StudyConfig:
    """The best of n answers by reward models of few and many rankings, small and less small."""

    run: Path
    """Folder of the study."""
    seeds: int = 10
    """Rankings, reward models and answers anew with each of them."""
    rankings: tuple[int, ...] = (100, 300, 1000)
    """Numbers of rankings, each learned from by a reward model of all layers."""
    layers: int = 1
    """Layers of the smaller reward model, which learns from the middle number of rankings."""
    prompts: int = 100
    """Held-out prompts."""
    answers: int = 64
    """Answers of the policy to each, the most that n can be."""
    threads: int = 1
    """CPU threads."""


def study(config: StudyConfig) -> dict[str, Any]:
    """Make what is missing, write RUN/results.json and return it."""
    note_machine(config.run, "best_of_n")
    set_threads(config.threads)
    first = model_folder(exploits.first_model(exploits.StudyConfig(config.run)))
    lowest = lower_layers(first, config.run / f"layers-{config.layers}", config.layers)
    found = {str(seed): one_seed(config, first, lowest, seed) for seed in range(config.seeds)}
    names = list(next(iter(found.values())))
    results = {
        "best_of_n": found,
        "rankings": list(config.rankings),
        "layers": config.layers,
        "answers": config.answers,
        "fits": {name: fitted([one[name] for one in found.values()]) for name in names},
    }
    return record(config, "best_of_n", results)


def lower_layers(first: Path, folder: Path, layers: int) -> Path:
    """A model of the lowest layers alone, made when missing."""
    if not (folder / "config.json").exists():
        decoder, tokenizer = load_model(first)
        smaller = Decoder(replace(decoder.config, num_hidden_layers=layers))
        stored = decoder.state_dict()
        smaller.load_state_dict({name: stored[name] for name in smaller.state_dict()})
        save_model(smaller, tokenizer, folder)
    return folder


def one_seed(config: StudyConfig, first: Path, lowest: Path, seed: int) -> dict[str, Any]:
    """Each reward model's curve: KL, reward and true utility gained by the best of 1, 2, 4 ... answers."""
    folder = config.run / f"seed-{seed}"
    folder.mkdir(parents=True, exist_ok=True)
    done = folder / "curves.json"
    if done.exists():
        curves: dict[str, Any] = json.loads(done.read_text(encoding="utf-8"))
        return curves
    middle = config.rankings[len(config.rankings) // 2]
    wanted = [(count, 0) for count in config.rankings] + [(middle, config.layers)]
    models = {
        f"{count}-{layers}": taught(config, folder, lowest if layers else first, count, layers, seed)
        for count, layers in wanted
    }
    flat, texts, worth_QN = answered(first, config.prompts, config.answers, seed)
    ns = [2**power for power in range(config.answers.bit_length())]
    curves = {}
    for name, trained in models.items():
        with torch.no_grad():
            proxy_QN: Floats = judge_in([trained])(flat, texts).reshape(worth_QN.shape)
        kl, proxy, true = best_of_n_curve(list(proxy_QN), list(worth_QN), ns)
        curves[name] = {"n": ns, "kl": kl.tolist(), "reward": proxy.tolist(), "gold": true.tolist()}
    atomic_write(done, to_json(curves, 2) + "\n")
    return curves


def taught(config: StudyConfig, folder: Path, start: Path, count: int, layers: int, seed: int) -> Path:
    """A reward model of the first `count` rankings of a seed, made when missing."""
    path = folder / f"rankings-{count}.jsonl"
    if not path.exists():
        random, taste = Random(f"best of n {seed}"), GOLDS["jokes"]
        asked = [
            (prompt, [Response(text) for text in jokes(prompt, 5, random, 0.15)])
            for prompt in JokesTask().prompts("train", max(config.rankings), seed)
        ]
        raters = population(PeopleConfig(), taste, seed)
        formats.write(path, simulate(raters, asked, taste, 1, seed)[:count])
    settings = RewardModelConfig(start, (str(path),), held_out=0.0, threads=config.threads, seed=seed)
    trained = folder / f"{count}-{layers}"
    finished(trained, partial(reward_model.train, settings))
    return trained


def fitted(curves: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The fit of d(a - b d) to a reward model's curves over seeds, with the band of its peak."""
    fit = bands([(np.array(one["kl"]), np.array(one["gold"])) for one in curves], "best_of_n")
    return {
        **fit.fit.__dict__,
        "peak_distance": fit.fit.peak_distance,
        "peak_distance_ci95": list(fit.peak_distance),
    }


def claims(results: Mapping[str, Any]) -> list[Claim]:
    """What rankings and layers are worth, and how well d(a - b d) fits."""
    seeds = by_seed(results["best_of_n"])
    few, middle, many = results["rankings"]
    best, layers = results["answers"], results["layers"]
    gains = {
        name: {seed: row[name]["gold"][-1] for seed, row in seeds.items()}
        for name in next(iter(seeds.values()))
    }
    mean = {name: f"{fmean(of_seeds.values()):.2f}" for name, of_seeds in gains.items()}
    least, usual, most, small = f"{few}-0", f"{middle}-0", f"{many}-0", f"{middle}-{layers}"
    fit = results["fits"][usual]
    curve = single(
        "best-of-n-curve-held-out-r2",
        f"Jokes: held-out R^2 of d(a - b d) for the true utility of best-of-1 to best-of-{best}, "
        f"d = sqrt(KL); {peak_text(fit['peak_distance'])}",
        100 * fit["held_out_r2"],
        PERCENT,
        "above 50",
    )
    return [
        over_seeds(
            "best-of-n-gain",
            f"Jokes: true utility gained by best-of-{best} with a reward model of {middle:,} rankings",
            gains[usual],
            "above 0",
            UNITS,
        ),
        beyond(
            "best-of-n-more-rankings",
            f"Jokes: best-of-{best} gain with {many:,} rankings minus with {few:,} ({mean[most]} vs. "
            f"{mean[least]}; {middle:,} rankings: {mean[usual]})",
            gains[most],
            gains[least],
        ),
        beyond(
            "best-of-n-more-layers",
            f"Jokes: best-of-{best} gain of a reward model with all layers minus with {layers} "
            f"({mean[usual]} vs. {mean[small]}), {middle:,} rankings each",
            gains[usual],
            gains[small],
        ),
        {**curve, "seeds": list(seeds)},
    ]


main = study_main(StudyConfig, "studies.best_of_n", study)

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
