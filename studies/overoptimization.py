"""What `practicum audit overoptimization` measured, as claims for docs/results.json."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from studies.claim import PERCENT, noted, peak_text, share, single
from studies.judged import Claim

WAYS = {"rl": ("ppo", "PPO without KL"), "best_of_n": ("best-of-n", "best of 1 to {best_of}")}
SHAPES = {"best_of_n": ("quadratic", "d(a - b d)"), "rl": ("logarithm", "d(a - b log d)")}


def command_of(results: Mapping[str, Any]) -> str:
    """The command that repeats it."""
    settings = " ".join(f"--{name} {value:g}" for name, value in results["settings"].items())
    start = "practicum audit overoptimization --model runs/guard/sft"
    return f"{start} {settings} --run runs/overoptimization"


def claims(results: Mapping[str, Any]) -> list[Claim]:
    """How well each form fits, and whether it foresees the peak of true utility."""
    seeds = [int(seed) for seed in results["seeds"]]
    found: list[Claim] = []
    for way, (word, words) in WAYS.items():
        start = f"Jokes, {words.format(**results)}:"
        for form, (shape, formula) in SHAPES.items():
            fit, name = results[way][form], f"overoptimization-{word}-{shape}"
            found.append({**fit_claim(f"{name}-held-out-r2", f"{start} {formula}", fit), "seeds": seeds})
            first = results["settings"].get("first", 0.5)
            text = (
                f"{start} seeds whose true-utility peak {formula} predicts within 20% from the first "
                f"{first:.0%} of d"
            )
            found.append(foreseen_claim(f"{name}-foreseen", text, fit, seeds))
    return [*found, without_gold(results["foreseen_without_gold"], seeds)]


def fit_claim(name: str, text: str, fit: Mapping[str, Any]) -> Claim:
    """R^2 of one form for one way to optimise."""
    return single(
        name,
        f"{text} fitted to true utility over all seeds, held-out R^2, d = sqrt(KL); "
        f"{peak_text(fit['peak_distance'])}",
        100 * (fit["held_out_r2"] or 0.0),
        PERCENT,
        "above 50",
    )


def foreseen_claim(name: str, text: str, fit: Mapping[str, Any], seeds: list[int]) -> Claim:
    """How often one form foresees where true utility peaks."""
    seen, unreached = fit["observed"], fit["unreached"]
    beyond = f"; beyond the end in {unreached} of {len(seen)} seeds" if unreached else ""
    return noted(
        share(name, text, fit["foreseen"], seeds, "at least 80"),
        f"The peaks lie at d = {min(seen):.2f} to {max(seen):.2f}{beyond}.",
    )


def without_gold(found: Mapping[str, float], seeds: list[int]) -> Claim:
    """How often true utility peaks where the guard would stop, which never sees it."""
    return noted(
        share(
            "overoptimization-ppo-without-gold",
            "Jokes: PPO runs without KL whose true utility peaks where the guard stops trusting the reward, "
            "within 20% of sqrt(KL)",
            found,
            seeds,
            "at least 80",
        ),
        "The guard sees the KL and no true utility.",
    )
