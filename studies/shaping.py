"""What potential-based shaping does to the number of iterations: `python -m studies.shaping --run DIR ...`.

PPO practises equations from one imitation model, with and without the potential of
`examples/equation_potential.py`, on the same seeds:

    python -m studies.shaping --run runs/shaping --model runs/study/seed-0/sft --seeds 0 1 2

RUN/seed-0-plain, RUN/seed-0-shaped   the two runs of practice
RUN/results.json                      iterations to reach each level of solved problems, by seed
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

from practicum.files import read_rows
from practicum.training import rl
from practicum.training.algorithms.ppo import PpoConfig
from practicum.training.loop import LoopConfig
from studies.claim import over_seeds
from studies.common import note_machine, record, study_main
from studies.judged import Claim

POTENTIAL = Path(__file__).parents[1] / "examples" / "equation_potential.py"
WINDOW = 5
"""Iterations over which the share of solved problems is averaged."""


@dataclass(frozen=True)
class StudyConfig:
    """Practice with and without shaping."""

    run: Path
    """Folder of the study."""
    model: Path
    """The imitation model that all runs start from."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Both ways are run with each of them."""
    levels: tuple[float, ...] = (0.5, 0.6, 0.7, 0.8)
    """Shares of solved problems whose first iteration is looked for."""
    prompts_per_step: int = 32
    """Prompts of an iteration."""
    group_size: int = 8
    """Completions of a prompt."""
    loop: LoopConfig = field(default_factory=lambda: LoopConfig(steps=120, checkpoint_every=40))
    """Iterations and checkpoints."""


def study(config: StudyConfig) -> dict[str, Any]:
    """Practise both ways, write RUN/results.json and return it."""
    note_machine(config.run, "shaping", anew=True)
    found: dict[str, dict[str, Any]] = {"plain": {}, "shaped": {}}
    for seed in config.seeds:
        for way, results in found.items():
            folder = config.run / f"seed-{seed}-{way}"
            if not (folder / "summary.json").exists():
                rl.train(practice(config, seed, way), folder, resume=(folder / "config.toml").exists())
            solved = [row["solved"] for row in read_rows(folder / "metrics.jsonl")]
            results[str(seed)] = {
                "reached": {str(level): first_reached(solved, level) for level in config.levels},
                "last": fmean(solved[-WINDOW:]),
            }
    return record(config, "shaping", {"shaping": found})


def practice(config: StudyConfig, seed: int, way: str) -> rl.RlConfig:
    """Settings of one run."""
    return rl.RlConfig(
        model=config.model,
        algorithm="ppo",
        seed=seed,
        prompts_per_step=config.prompts_per_step,
        group_size=config.group_size,
        loop=config.loop,
        ppo=PpoConfig(potential=f"{POTENTIAL}:progress" if way == "shaped" else ""),
    )


def first_reached(solved: Sequence[float], level: float) -> int | None:
    """The first iteration at which the mean of the last WINDOW reaches a level, None where none does."""
    for end in range(WINDOW, len(solved) + 1):
        if fmean(solved[end - WINDOW : end]) >= level:
            return end
    return None


def claims(results: Mapping[str, Any]) -> list[Claim]:
    """How many iterations shaping saves at each level that every run reaches, and where runs end."""
    plain, shaped = results["shaping"]["plain"], results["shaping"]["shaped"]
    rows: list[Claim] = []
    for level in next(iter(plain.values()))["reached"]:
        pairs = {int(seed): (plain[seed]["reached"][level], shaped[seed]["reached"][level]) for seed in plain}
        saved = {seed: float(one - two) for seed, (one, two) in pairs.items() if one and two}
        if len(saved) == len(pairs):
            told = f"iterations that shaping saves until {100 * float(level):.0f}% of problems are solved"
            rows.append(
                over_seeds(
                    f"shaping-iterations-{level.replace('.', '-')}", told, saved, "above 0", "iterations"
                )
            )
    last = {int(seed): 100 * (shaped[seed]["last"] - plain[seed]["last"]) for seed in plain}
    told = "share of problems solved at the end with shaping, less without"
    return [*rows, over_seeds("shaping-last", told, last, "above -2", "percentage points")]


main = study_main(StudyConfig, "studies.shaping", study)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
