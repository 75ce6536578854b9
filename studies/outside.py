"""Equations nobody here wrote, met by a model taught long numbers: `python -m studies.outside --data DIR`.

```
RUN/seed-0/pretrain, sft, rl    the recipe recipes/outside-equations
RUN/seed-0/examination.json     the practised model on our own test problems and on those from outside
RUN/results.json                what all finished seeds reached
```
A hash of its text puts every equation from outside into one of two halves. Wrong solutions of the
*development* half may be read by who works on the recipe; figures are those of the *held-out*
half. An equation that training drew by chance is in neither. A stage that is finished is skipped and one that
was killed is resumed.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

from practicum.config import completed, load
from practicum.demo import DemoSettings
from practicum.model.policy import load_policy
from practicum.model.sampling import SamplingConfig
from practicum.rollout.collect import collect
from practicum.rollout.samplers import make_sampler
from practicum.tasks.equations.external import read_external
from practicum.tasks.equations.long_linear import canonical_terms
from practicum.tasks.registry import TaskConfig, load_task
from practicum.tasks.task import Task
from practicum.training import pretrain, rl, sft
from practicum.training.evaluate import EvalConfig, examine
from practicum.training.loop import sampling_seed, step_seed
from practicum.types import Prompt
from studies.claim import by_seed, change_claim, noted, percent_bounds
from studies.common import finished, note_machine, read, record, run_main, say, write
from studies.external import FILES, accuracy_of, familiar_prompts
from studies.judged import Claim

RECIPE = Path(__file__).parents[1] / "recipes" / "outside-equations"
HALVES = ("development", "held_out")
FORMATS = {
    "demo": "in the demo's format",
    "family": "in the format of the family",
}
"""Which equations from outside: those in a format that the demo trains, and those that this recipe does."""


@dataclass(frozen=True)
class StudyConfig:
    """A model of the recipe for equations from outside; run again to continue."""

    data: Path
    """Folder of deepmind_mathematics.jsonl and reasoning_gym.jsonl."""
    run: Path = Path("runs/outside")
    """Folder of the study."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Seeds of the recipe."""
    count: int = 1000
    """Our own test problems."""


@dataclass(frozen=True)
class Stages:
    """The three stages of one seed, as the recipe has them."""

    pretrain: pretrain.PretrainConfig
    sft: sft.SftConfig
    rl: rl.RlConfig


def study(config: StudyConfig) -> dict[str, Any]:
    """Run what is still missing and write RUN/results.json."""
    note_machine(config.run, "outside")
    seeds = {}
    for seed in config.seeds:
        folder = config.run / f"seed-{seed}"
        stages = stages_of(folder, seed)
        seconds = {}
        for name, train in (("pretrain", pretrain.train), ("sft", sft.train), ("rl", rl.train)):
            say(f"seed {seed}: {name}")
            stage = partial(train, getattr(stages, name))
            seconds[name] = finished(folder / name, stage)["total_seconds"]
        if not (folder / "examination.json").exists():
            say(f"seed {seed}: examination")
            write(folder / "examination.json", examination(config, stages, folder / "rl"))
        seeds[str(seed)] = {"seconds": seconds, **read(folder / "examination.json")}
    return record(config, "outside", {"seeds": seeds})


def stages_of(folder: Path, seed: int) -> Stages:
    """The recipe's settings with their folders and a seed."""
    return Stages(
        load(pretrain.PretrainConfig, RECIPE / "pretrain.toml", [f"--seed={seed}"]),
        load(sft.SftConfig, RECIPE / "sft.toml", [f"--seed={seed}", f"--model={folder / 'pretrain'}"]),
        load(rl.RlConfig, RECIPE / "rl.toml", [f"--seed={seed}", f"--model={folder / 'sft'}"]),
    )


def examination(config: StudyConfig, stages: Stages, model: Path) -> dict[str, Any]:
    """Greedy accuracy on our own test problems, and on both halves of each list from outside."""
    own = load(EvalConfig, RECIPE / "eval.toml", [f"--model={model}", f"--count={config.count}"])
    task = load_task(own.task)
    policy, tokenizer = load_policy(model)
    found: dict[str, Any] = {"own": examine(policy, tokenizer, task, own)}
    sampler = make_sampler(policy, completed(SamplingConfig, own.sampling, temperature=0.0))
    met = drawn(stages)
    found["drawn"] = {}
    for name, prompts in outside_prompts(own.task, config.data).items():
        new = [prompt for prompt in prompts if prompt.problem not in met]
        found["drawn"][name] = len(prompts) - len(new)
        for half in HALVES:
            asked = [prompt for prompt in new if half_of(prompt.text) == half]
            if asked:
                texts = collect(sampler, tokenizer, task, asked, 1, sampling_seed(0, "greedy")).rollout.texts
                right = [bool(score.solved) for score in task.score(asked, texts)]
                found[f"{name}/{half}"] = accuracy_of(right, asked)
    return found


def outside_prompts(task: TaskConfig, data: Path) -> dict[str, list[Prompt]]:
    """By format, the linear equations from outside, each named by its canonical form in our family."""
    problems = [problem for name in FILES for problem in read_external(data / name)]
    settings = {"demo": DemoSettings(), "family": DemoSettings(task=task)}
    return {
        name: [
            replace(prompt, data={**prompt.data, "canonical": canonical_terms(prompt.data["equation"])})
            for prompt in familiar_prompts(settings[name], problems)[0]
        ]
        for name in FORMATS
    }


def half_of(text: str) -> str:
    """The half that a prompt from outside belongs to, by the first byte of its SHA-256 digest."""
    return HALVES[hashlib.sha256(text.encode()).digest()[0] % 2]


def drawn(stages: Stages) -> frozenset[str]:
    """The canonical forms of all problems that were worked or practised; the textbook has no equations."""
    task: Any = load_task(stages.sft.task)
    worked, practised = stages.sft, stages.rl
    names = {
        one.prompt.problem
        for index in range(worked.loop.steps)
        for one in task.demonstrations(
            worked.batch_demonstrations, step_seed(worked.seed, "demonstrations", index)
        )
    }
    asking: Task = load_task(practised.task)
    for index in range(practised.loop.steps):
        seed = step_seed(practised.seed, "prompts", index)
        names |= {one.problem for one in asking.prompts("train", practised.prompts_per_step, seed)}
    return frozenset(names)


# ---------------------------------------------------------------------------------------------------- claims


def claims(results: Mapping[str, Any]) -> list[Claim]:
    """How far equations from outside fall behind our own test problems, by format."""
    seeds = by_seed(results["seeds"])
    minutes = fmean(sum(row["seconds"].values()) for row in seeds.values()) / 60
    made = []
    for name, words in FORMATS.items():
        rows = {seed: row[f"{name}/held_out"] for seed, row in seeds.items() if f"{name}/held_out" in row}
        if rows:
            made.append({**claim_of(name, words, seeds, rows), "minutes": minutes})
    return made


def claim_of(name: str, words: str, seeds: Mapping[int, Any], rows: Mapping[int, Mapping[str, Any]]) -> Claim:
    """Accuracy on the held-out half in one format, minus on our own test problems."""
    own = {seed: 100 * seeds[seed]["own"]["accuracy"] for seed in rows}
    found = change_claim(
        f"outside-equations-{name}",
        f"Accuracy on held-out linear equations from outside {words}, minus on our own test problems",
        own,
        {seed: 100 * row["accuracy"] for seed, row in rows.items()},
    )
    return {
        **noted(found, "The other half, by a hash of the text, was looked at while the recipe was made."),
        "target": "at least -10",
        "sides": ["our own", "from outside"],
        "n": next(iter(rows.values()))["n"],
        "after_ci95": percent_bounds(rows),
    }


def main(arguments: Sequence[str]) -> int:
    """Run the study; 0 done, 2 bad input."""
    return run_main(StudyConfig, "studies.outside", StudyConfig.__doc__, study, arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
