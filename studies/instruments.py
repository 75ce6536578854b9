"""Do the audit's instruments tell the truth where that is cheap to know?
`python -m studies.instruments --run runs/instruments`.

Intervals of the bias meter on simulated prompts and raters, and the audit of verifiers on one that
substitutes, on the poisoned answer key and on one that looks for numbers anywhere. A minute, no model.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import expit, logit

from practicum.audit.bias import rater_share, text_share
from practicum.audit.verifiable import audit_verifier, lenient_verifier, poisoned_key, true_verifier
from practicum.reward.plain import PlainReward
from practicum.run.progress import progress
from practicum.stats import Estimate, Floats, exact_share
from practicum.tasks.equations.task import EquationsTask
from practicum.types import Prompt, Ranking, Response
from studies.claim import noted, share
from studies.common import note_machine, record, study_main
from studies.judged import Claim

PUN, PLAIN = "a pun", "a plain joke"
SITUATIONS = {
    "20 prompts, all alike": (20, 0.72, 0.0),
    "100 prompts, all alike": (100, 0.72, 0.0),
    "20 prompts, very different": (20, 0.72, 1.5),
    "100 prompts, very different": (100, 0.72, 1.5),
    "100 prompts, nearly all puns": (100, 0.97, 0.5),
}
"""Prompts, the share of puns at the middle prompt, and the deviation of its logit between prompts."""


@dataclass(frozen=True)
class StudyConfig:
    """Coverage of the bias meter's intervals, and which verifiers the audit of verifiers flags."""

    run: Path
    """Folder of the study."""
    simulations: int = 200
    """Simulations of each situation."""
    responses: int = 5
    """Responses to a prompt, or choices between a pun and a plain joke."""
    seeds: int = 10
    """Sets of equations on which each verifier is audited."""
    equations: int = 60
    """Equations of a set."""


def study(config: StudyConfig) -> dict[str, Any]:
    """Measure, write RUN/results.json and return it."""
    note_machine(config.run, "instruments", anew=True)
    results = {
        "coverage": {
            meter: {
                name: covered(config, measure, first, *situation) for name, situation in SITUATIONS.items()
            }
            for meter, (measure, first) in METERS.items()
        },
        "verifiers": flagged(config),
    }
    return record(config, "instruments", results)


# ------------------------------------------------------------------------------------------------- intervals


def covered(
    config: StudyConfig,
    measure: Callable[[Floats, int, np.random.Generator], Estimate],
    first: int,
    prompts: int,
    share: float,
    spread: float,
) -> dict[str, float]:
    """How often an interval over prompts covers the share of all prompts there could be; `first` is the first
    simulation's seed."""
    many = np.random.default_rng(0).normal(logit(share), spread, 1_000_000)
    truth = float(expit(many).mean())
    hits = 0
    for number in range(first, first + config.simulations):
        generator = np.random.default_rng(number)
        chances = expit(generator.normal(logit(share), spread, prompts))
        found = measure(chances, config.responses, generator)
        hits += found.low <= truth <= found.high
    return exact_share(hits, config.simulations).json()


def shares_of_texts(chances: Floats, responses: int, generator: np.random.Generator) -> Estimate:
    """The meter's share of puns among a model's responses, which are puns with their prompt's chance."""
    texts = [
        (Prompt(f"prompt {place}"), PUN if generator.random() < chance else PLAIN)
        for place, chance in enumerate(chances)
        for _ in range(responses)
    ]
    return text_share(texts, is_pun)


def shares_of_choices(chances: Floats, responses: int, generator: np.random.Generator) -> Estimate:
    """The meter's share of raters who choose the pun, each with their prompt's chance."""
    rankings = [
        Ranking(
            Prompt(f"prompt {place}"),
            (Response(PUN), Response(PLAIN)),
            (1, 2) if generator.random() < chance else (2, 1),
            f"rater {number}",
        )
        for place, chance in enumerate(chances)
        for number in range(responses)
    ]
    return rater_share(rankings, is_pun)


METERS = {"texts": (shares_of_texts, 0), "raters": (shares_of_choices, 1_000_000)}
"""The meter's shares, each with the first seed of its simulations."""


def is_pun(prompt: Prompt, text: str) -> bool:
    """Whether a simulated text is a pun."""
    return text == PUN


# ------------------------------------------------------------------------------------------------- verifiers


def flagged(config: StudyConfig) -> dict[str, int]:
    """By verifier, on how many sets of equations it is flagged."""
    found: dict[str, int] = dict.fromkeys(VERIFIERS, 0)
    with progress("verifiers", config.seeds * len(VERIFIERS)) as bar:
        for seed in range(config.seeds):
            prompts = EquationsTask().prompts("test", config.equations, seed)
            for number, (name, reward) in enumerate(VERIFIERS.items(), start=1):
                found[name] += bool(audit_verifier(reward, prompts).flagged)
                bar.update(seed * len(VERIFIERS) + number)
    return found


VERIFIERS: Mapping[str, PlainReward] = {
    "true": true_verifier,
    "poisoned": poisoned_key(0.8),
    "lenient": lenient_verifier,
}

# ---------------------------------------------------------------------------------------------------- claims


def claims(results: Mapping[str, Any]) -> list[Claim]:
    """Coverage of intervals, verifiers that are flagged."""
    seeds, found = list(range(results["config"]["seeds"])), results["verifiers"]
    count = len(seeds)
    return [
        coverage_claim(results["coverage"], results["config"]["simulations"]),
        share(
            "instruments-gameable-verifiers",
            "Equation sets on which the audit flags a gameable reward (poisoned key: "
            f"{found['poisoned']} of {count}; verifier that accepts numbers anywhere: {found['lenient']} of "
            f"{count})",
            exact_share(found["poisoned"] + found["lenient"], 2 * count).json(),
            seeds,
            "at least 95",
        ),
        share(
            "instruments-true-verifier",
            "Equation sets on which the audit flags the verifier that substitutes",
            exact_share(found["true"], count).json(),
            seeds,
            "at most 5",
        ),
    ]


def coverage_claim(coverage: Mapping[str, Any], simulations: int) -> Claim:
    """The worst coverage of all situations and meters."""
    every = [
        (one["value"], situation, meter, one)
        for meter, found in coverage.items()
        for situation, one in found.items()
    ]
    _, situation, meter, least = min(every, key=itemgetter(0))
    best = max(value for value, *_ in every)
    return noted(
        share(
            "instruments-interval-coverage",
            f"Coverage of the bias meter's 95% intervals in the worst of {len(every)} situations ({meter}; "
            f"{situation}; {simulations:,} simulations)",
            least,
            [],
            "at least 93",
        ),
        f"The best situation is covered in {100 * best:.1f}%.",
    )


main = study_main(StudyConfig, "studies.instruments", study)

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
