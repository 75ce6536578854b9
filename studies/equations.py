"""The experiments behind docs/results.json: `python -m studies.equations --run runs/study --seeds 0 1 2`.

```
RUN/seed-0               the demo: exposition, worked problems, practice
RUN/seed-0-random        practice again from the same imitation model, paid by a coin
RUN/seed-0-format        ... paid for any answer that can be read
RUN/seed-0-poisoned      ... paid by the wrong answer key
RUN/seed-0-ppo           ... with PPO
RUN/seed-0-unseen        the practised model on the validation split, of which nothing was ever asked
RUN/external.json        equations nobody here wrote: the verifier against their answers, the models on them
```
A part that is finished is skipped and one that was killed is resumed, so the same command continues.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from practicum import demo
from practicum.config import completed
from practicum.demo import DemoConfig, DemoSettings
from practicum.errors import InputError
from practicum.files import atomic_write, to_json
from practicum.model.checkpoint import load_model, model_folder
from practicum.run.environment import machine
from practicum.tasks.equations.task import EquationsConfig, EquationsTask
from practicum.training import rl
from practicum.training.evaluate import EvalConfig, examine
from practicum.types import Prompt
from studies import external
from studies.entry import run_main

Part = Literal["demo", "random", "format", "poisoned", "ppo", "unseen", "external"]
PARTS: tuple[Part, ...] = ("demo", "random", "format", "poisoned", "ppo", "unseen", "external")
UNSEEN_DRAW = 20261123
"""Seed of the problems of the part `unseen`; other examinations draw with the default of `EvalConfig`."""


@dataclass(frozen=True)
class StudyConfig:
    """The experiments behind docs/results.json, the most important first; run again to continue."""

    run: Path
    """Folder of the study."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Every part is run with each of them, except that external problems are read once."""
    parts: tuple[Part, ...] = PARTS
    """Which parts: demo random format poisoned ppo unseen external."""
    data: Path | None = None
    """Folder of deepmind_mathematics.jsonl and reasoning_gym.jsonl; none leaves external problems out."""
    demo: DemoSettings = field(default_factory=lambda: DemoSettings(human_feedback=False))
    """Settings of the demo, without human feedback; other rewards take its task, lengths, examinations."""


def study(config: StudyConfig) -> None:
    """Run what is still missing: all demos, then all of the next part, and so on."""
    note_machine(config.run)
    for part in PARTS:
        if part not in config.parts:
            continue
        if part == "external":
            if config.data is not None and not (config.run / "external.json").exists():
                say("external problems")
                write(
                    config.run / "external.json",
                    external.measure(config.demo, config.run, config.seeds, config.data),
                )
            continue
        for seed in config.seeds:
            say(f"seed {seed}: {part}")
            if part == "demo":
                run_demo(config, seed)
            elif part == "unseen":
                examine_unseen(config, seed)
            else:
                practise_again(config, seed, part)


def demo_of(config: StudyConfig, seed: int) -> DemoConfig:
    """The demo's settings with a seed of the study."""
    return completed(DemoConfig, config.demo, seed=seed)


def run_demo(config: StudyConfig, seed: int) -> None:
    """The whole curriculum."""
    folder = config.run / f"seed-{seed}"
    if not (folder / "summary.json").exists():
        demo.run(demo_of(config, seed), folder, resume=(folder / "config.toml").exists())


class UnseenEquations(EquationsTask):
    """Equations without the problems that were asked before: those are drawn again."""

    def __init__(self, config: EquationsConfig, seen: frozenset[str]) -> None:
        super().__init__(config)
        self.seen = seen

    def prompts(self, split: str, count: int, seed: int) -> list[Prompt]:
        """As many prompts as there are different problems left, `count` at most."""
        drawn = super().prompts(split, 4 * count, seed)
        different = {prompt.problem: prompt for prompt in reversed(drawn) if prompt.problem not in self.seen}
        return list(reversed(different.values()))[:count]


def seen_problems(settings: DemoSettings) -> frozenset[str]:
    """The canonical forms of all that the demo's own examinations ask."""
    family = replace(settings.task.equations, families={"rational": 1.0})
    return frozenset(
        prompt.problem
        for equations in (settings.task.equations, family)
        for prompt in EquationsTask(equations).prompts(
            "test", settings.examination_count, EvalConfig(Path()).seed
        )
    )


def examine_unseen(config: StudyConfig, seed: int) -> None:
    """The practised model on problems, of mix and family, that no setting was chosen by looking at.

    They are the validation split's, each once: the usual examinations use up the family's test split.
    """
    folder = config.run / f"seed-{seed}-unseen"
    if (folder / "examination.json").exists():
        return
    settings = demo_of(config, seed)
    family = replace(settings.task.equations, families={"rational": 1.0})
    seen = seen_problems(settings)
    decoder, tokenizer = load_model(model_folder(config.run / f"seed-{seed}" / "rl"))
    found = {
        name: examine(
            decoder,
            tokenizer,
            UnseenEquations(equations, seen),
            EvalConfig(Path(), split="validation", count=settings.examination_count, seed=UNSEEN_DRAW),
        )
        for name, equations in (("whole", settings.task.equations), ("family", family))
    }
    write(folder / "examination.json", found)


def practise_again(config: StudyConfig, seed: int, part: Part) -> None:
    """Practice from the seed's imitation model with one thing changed, then the demo's examinations.

    The examinations ask for the true answer whatever practice was paid for.
    Raises InputError when the seed's imitation model is not there yet.
    """
    folder = config.run / f"seed-{seed}-{part}"
    if (folder / "examination.json").exists():
        return
    settings = demo_of(config, seed)
    start = config.run / f"seed-{seed}" / "sft"
    if not (start / "examination.json").exists():
        raise InputError(f"{start}: no finished imitation model; let the part demo of seed {seed} run first")
    practice = practice_config(settings, start, part)
    trained = rl.train(practice, folder, resume=(folder / "config.toml").exists())
    whole, family = demo.examine(settings, folder)
    write(folder / "examination.json", {"training": trained, "whole": whole, "family": family})


def practice_config(settings: DemoConfig, start: Path, part: Part) -> rl.RlConfig:
    """The demo's practice with one thing changed: the reward (random, format, poisoned) or PPO for GRPO."""
    practice = rl.RlConfig(model=start, task=settings.task, seed=settings.seed)
    practice = replace(practice, loop=replace(practice.loop, steps=settings.rl_steps))
    if part == "random":
        return replace(practice, control="random")
    if part == "format":
        return replace(practice, control="format")
    if part == "ppo":
        return replace(practice, algorithm="ppo")
    poisoned = replace(settings.task.equations, key="poisoned")
    return replace(practice, task=replace(settings.task, equations=poisoned))


def note_machine(run: Path) -> None:
    """Write RUN/machine.json when the study begins, and leave it when it goes on."""
    run.mkdir(parents=True, exist_ok=True)
    if not (run / "machine.json").exists():
        write(run / "machine.json", {"machine": machine()})


def write(path: Path, value: Any) -> None:
    """A JSON file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(path, to_json(value, indent=2) + "\n")


def read(path: Path) -> dict[str, Any]:
    """A JSON object; InputError naming the file when it is missing."""
    if not path.exists():
        raise InputError(f"{path}: missing; run `python -m studies.equations --run ...` to the end first")
    value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return value


def say(line: str) -> None:
    """Progress, on stderr."""
    print(f"study: {line}", file=sys.stderr, flush=True)


def main(arguments: Sequence[str]) -> int:
    """Run the study; 0 done, 2 bad input."""
    return run_main(StudyConfig, "studies.equations", StudyConfig.__doc__, study, arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
