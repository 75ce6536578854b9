"""How many rankings does active asking save? `python -m studies.budget --run runs/budget`.

A linear reward model learns from simulated rankings, asked at random or where they tell most; what the
answers it likes best are worth says what the labels bought. On responses with mostly rare features, as
policies write them, and on the jokes task's own. A minute; RUN/results.json has every curve.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from practicum.audit.budget import (
    STRATEGIES,
    BudgetConfig,
    LabelCurve,
    Pool,
    Strategy,
    jokes_pool,
    label_curve,
    mean_curve,
    savings,
    simulated_pool,
)
from studies.claim import claim, noted
from studies.common import note_machine, record, study_main
from studies.judged import Claim

TASKS = ("features", "jokes")


@dataclass(frozen=True)
class StudyConfig:
    """Random rankings against half as many that are chosen."""

    run: Path
    """Folder of the study."""
    seeds: int = 10
    """Pools, tastes and noise anew with each of them."""
    rankings: int = 1000
    """Rankings asked at random; chosen ones are half as many."""
    prompts: int = 400
    """Prompts that may be asked about, 12 responses each."""


def study(config: StudyConfig) -> dict[str, Any]:
    """Measure every curve, write RUN/results.json and return it."""
    note_machine(config.run, "budget", anew=True)
    results: dict[str, Any] = {"rankings": config.rankings, "budget": {}}
    for task in TASKS:
        curves: dict[Strategy, list[LabelCurve]] = {name: [] for name in STRATEGIES}
        for seed in range(config.seeds):
            pool, test = pools(task, config.prompts, seed)
            for name in STRATEGIES:
                count = config.rankings if name == "random" else config.rankings // 2
                curves[name].append(label_curve(name, pool, test, BudgetConfig(rankings=count, seed=seed)))
        mean = {name: mean_curve(of_seeds) for name, of_seeds in curves.items()}
        results["budget"][task] = {
            "curves": {name: asdict(one) for name, one in mean.items()},
            "level": savings(mean["random"], mean["random"])[0],
            "needed": {name: savings(mean["random"], mean[name])[1] for name in STRATEGIES},
            "needed_by_seed": {
                name: [
                    savings(random, chosen)[1]
                    for random, chosen in zip(curves["random"], curves[name], strict=True)
                ]
                for name in STRATEGIES
            },
        }
    return record(config, "budget", results)


def pools(task: str, prompts: int, seed: int) -> tuple[Pool, Pool]:
    """What may be asked about, and the responses that show what a reward model is worth."""
    if task == "jokes":
        return jokes_pool(prompts, 12, seed), jokes_pool(prompts // 2, 32, seed, "validation")
    return (
        simulated_pool(prompts, 12, 40, seed, taste_seed=seed),
        simulated_pool(prompts // 2, 32, 40, seed + 1000, taste_seed=seed),
    )


POOLS = {
    "features": (
        "budget-features-needed",
        "rare features",
        "The responses mostly have rare features, as those that policies write do.",
    ),
    "jokes": (
        "budget-jokes-needed",
        "jokes",
        "These are the jokes task's own responses; a hundred random rankings reach nearly all of the gain.",
    ),
}
"""Of each pool the id of its claim, its name there, and what the claim notes."""


def claims(results: Mapping[str, Any]) -> list[Claim]:
    """How many chosen rankings do what all the random ones do, seed by seed."""
    return [pool_claim(task, found, results["rankings"]) for task, found in results["budget"].items()]


def pool_claim(task: str, found: Mapping[str, Any], whole: int) -> Claim:
    """The claim of one pool; a seed that never gets there with half of the rankings counts as needing all."""
    name, words, note = POOLS[task]
    half, needed, mean = whole // 2, found["needed_by_seed"]["information"], found["needed"]["information"]
    by_seed = dict(enumerate(whole if count is None else count for count in needed))
    short = sum(count is None for count in needed)
    curve = f"matches after {mean}" if mean else f"does not match within {half}"
    return noted(
        claim(
            name,
            f"Active selection, {words}: rankings that match {whole:,} random ones ({short} of {len(needed)} "
            f"seeds never match within {half} and count as {whole:,})",
            by_seed,
            "rankings",
            f"at most {half}",
        ),
        f"{note} The curve averaged over the seeds {curve}.",
    )


main = study_main(StudyConfig, "studies.budget", study)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
