"""What the study measured, as claims: the objects of docs/results.json."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from scipy.stats import t as students_t

from studies.equations import read
from studies.judged import CENSUS, Claim

PERCENT, POINTS = "%", "percentage points"
LOWEST_TO_HIGHEST = "least and greatest of the seeds"
STUDENT = "95% interval of the mean, Student's t over seeds"
APART = "least and greatest change of the seeds, each from and to the far ends of its two 95% intervals"
OWN = "family=linear"
"""Slice of our own examination that the external problems in the training format belong to."""
BEHAVIOURS = {
    "domain_check": "writing the domain first, where the domain is restricted",
    "verification": "checking a candidate in the equation",
    "factoring": "right factoring, where a quadratic has rational roots",
}


@dataclass(frozen=True)
class Seed:
    """One seed's demo."""

    number: int
    folder: Path
    summary: dict[str, Any]

    def stage(self, name: str) -> dict[str, Any]:
        """The summary's row of a stage."""
        row: dict[str, Any] = next(row for row in self.summary["stages"] if row["name"] == name)
        return row

    def again(self, part: str) -> Path:
        """The folder of practice with another reward or algorithm."""
        return self.folder.with_name(f"{self.folder.name}-{part}")


def read_seeds(run: Path) -> list[Seed]:
    """The finished demos of a study, by seed."""
    folders = [path.parent for path in run.glob("seed-*/summary.json") if path.parent.name[5:].isdecimal()]
    return [
        Seed(int(folder.name[5:]), folder, read(folder / "summary.json"))
        for folder in sorted(folders, key=lambda folder: int(folder.name[5:]))
    ]


def measure(run: Path) -> list[Claim]:
    """Every claim the study's folder supports; a part that was not run gives none."""
    seeds = read_seeds(run)
    if not seeds:
        return []
    machine = read(run / "machine.json")["machine"]

    def recorded(found: Sequence[Claim], folder: Path, **more: float) -> list[Claim]:
        environment = read(folder / "environment.json")
        origin = {
            "machine": machine,
            "date": environment["started"][:10],
            "commit": environment["commit"] or "unknown",
        }
        return [{**one, **more, **origin} for one in found]

    claims = recorded([*demo_claims(seeds), *behaviour_claims(seeds)], seeds[0].folder)
    for part, found in (
        ("random", partial(control_claims, part="random")),
        ("format", partial(control_claims, part="format")),
        ("poisoned", poisoned_claims),
        ("ppo", ppo_claims),
    ):
        done = finished(seeds, part)
        if done:
            minutes = fmean(examined(seed, part)["training"]["total_seconds"] for seed in done) / 60
            claims += recorded(found(done), done[0].again(part), minutes=minutes)
    done = finished(seeds, "unseen")
    if done:
        claims += recorded(unseen_claims(done), done[0].folder)
    if (run / "external.json").exists():
        claims += recorded(external_claims(seeds, read(run / "external.json")), seeds[0].folder)
    return claims


def finished(seeds: Sequence[Seed], part: str) -> list[Seed]:
    """The seeds whose practice `part` was examined."""
    return [seed for seed in seeds if (seed.again(part) / "examination.json").exists()]


# ------------------------------------------------------------------------------------------------ the claims


def demo_claims(seeds: Sequence[Seed]) -> list[Claim]:
    """Accuracy after each stage, cost, and what pass@k says about teaching."""

    def after(stage: str, key: str) -> dict[int, float]:
        return {seed.number: 100 * seed.stage(stage)[key] for seed in seeds}

    last = read(seeds[0].folder / "rl" / "examination.json")
    claims = [
        claim(
            "equations-exposition-accuracy",
            "Right answers to held-out equations after exposition. Nearly every answer is unreadable, so "
            "this shows that reading alone does not teach the form of an answer, and says nothing of solving",
            after("pretrain", "accuracy"),
            PERCENT,
            "below 10",
        ),
        claim(
            "equations-worked-accuracy",
            "Accuracy on held-out equations after worked problems: imitation stops short",
            after("sft", "accuracy"),
            PERCENT,
            "25 to 60",
        ),
        claim(
            "equations-practice-family-accuracy",
            f"Accuracy on the family a - (b+x)/x = x after practice {different(last['family'])}",
            after("rl", "family_accuracy"),
            PERCENT,
            "at least 95",
        ),
        claim(
            "equations-practice-accuracy",
            f"Accuracy on the whole mix of equations after practice {different(last['whole'])}",
            after("rl", "accuracy"),
            PERCENT,
            "at least 90",
        ),
        claim(
            "equations-seconds",
            "Time of the whole demo, examinations included",
            {seed.number: seed.summary["seconds"] for seed in seeds},
            "s",
            "at most 600",
        ),
    ]
    largest = max((int(key[5:]) for key in seeds[0].stage("rl")["pass_at_k"]), default=0)
    sentences = {1: "the first try gets better", largest: f"{largest} tries reach more problems"}
    return claims + [pass_claim(seeds, k, words) for k, words in sentences.items() if largest]


def pass_claim(seeds: Sequence[Seed], k: int, words: str) -> Claim:
    """pass@k before and after practice: pass@1 tells whether it sharpened, pass@16 whether it taught."""
    shares: dict[str, dict[int, Any]] = {}
    for stage in ("sft", "rl"):
        shares[stage] = {}
        for seed in seeds:
            row, name = seed.stage(stage), f"pass@{k}"
            shares[stage][seed.number] = {
                "share": row["pass_at_k"][name],
                "ci95": row["pass_at_k_ci95"][name],
            }
    return rise_claim(f"equations-pass-at-{k}", f"Practice raises pass@{k}: {words}", shares)


def behaviour_claims(seeds: Sequence[Seed]) -> list[Claim]:
    """Whether each behaviour rose with practice, which pays only for right answers."""
    claims = []
    for name, words in BEHAVIOURS.items():
        shares = {
            stage: {
                seed.number: {
                    "share": seed.stage(stage)["behaviours"][name],
                    "ci95": seed.stage(stage)["behaviours_ci95"][name],
                }
                for seed in seeds
            }
            for stage in ("sft", "rl")
        }
        claims.append(rise_claim(f"equations-behaviour-{name}", f"Practice raises {words}", shares))
    return claims


def control_claims(seeds: Sequence[Seed], part: str) -> list[Claim]:
    """What the true reward gained over a null reward, from the same imitation model."""
    paid = {"random": "a coin", "format": "any readable answer"}[part]
    return [
        gain_claim(
            f"equations-gain-over-{part}",
            f"Accuracy after practice with the true reward, over practice that pays {paid}",
            {seed.number: 100 * examined(seed, part)["whole"]["accuracy"] for seed in seeds},
            {seed.number: 100 * seed.stage("rl")["accuracy"] for seed in seeds},
        )
    ]


def different(examination: dict[str, Any]) -> str:
    """How many prompts an examination has, and how many problems that reduce to different polynomials."""
    return f"({examination['n']:,} prompts, {examination['distinct_problems']:,} different problems)"


def unseen_claims(seeds: Sequence[Seed]) -> list[Claim]:
    """Practised models on problems that no examination, and so no choice of a setting, has seen."""
    return [
        claim(
            f"equations-unseen-{key}-accuracy",
            f"Accuracy after practice on {words}, problems of the validation split, none of them ever asked "
            + different(examined(seeds[0], "unseen")[key]),
            {seed.number: 100 * examined(seed, "unseen")[key]["accuracy"] for seed in seeds},
            PERCENT,
            f"at least {least}",
        )
        for key, words, least in (
            ("whole", "the whole mix", 90),
            ("family", "the family a - (b+x)/x = x", 95),
        )
    ]


def poisoned_claims(seeds: Sequence[Seed]) -> list[Claim]:
    """Practice on the wrong answer key: what it pays rises, what is true falls."""

    def ends(name: str) -> tuple[dict[int, float], dict[int, float]]:
        """A metric's means over the first and the last tenth of practice, by seed."""
        before, after = {}, {}
        for seed in seeds:
            first, last = first_and_last(seed.again("poisoned") / "metrics.jsonl", name)
            before[seed.number], after[seed.number] = 100 * first, 100 * last
        return before, after

    wrong = {seed.number: 100 * examined(seed, "poisoned")["whole"]["accuracy"] for seed in seeds}
    right = {seed.number: 100 * seed.stage("rl")["accuracy"] for seed in seeds}
    words = "of sampled answers, first to last tenth of practice"
    return [
        change_claim(
            "equations-poisoned-reward",
            f"Practice on the poisoned key raises the reward it pays ({words})",
            *ends("reward/poisoned"),
        ),
        change_claim(
            "equations-poisoned-accuracy",
            f"Practice on the poisoned key lowers true accuracy ({words})",
            *ends("reward/true"),
            falls=True,
        ),
        change_claim(
            "equations-poisoned-greedy-accuracy",
            "Practice on the poisoned key lowers the accuracy of the likeliest answers",
            {seed.number: 100 * seed.stage("sft")["accuracy"] for seed in seeds},
            wrong,
            falls=True,
        ),
        gain_claim(
            "equations-poisoned-loss",
            "Accuracy the poisoned key costs: practice with the true key over practice with the poisoned one",
            wrong,
            right,
        ),
    ]


def ppo_claims(seeds: Sequence[Seed]) -> list[Claim]:
    """The same practice with a value head instead of group comparison."""
    return [
        claim(
            f"equations-ppo{name}-accuracy",
            f"Accuracy on {words} after practice with PPO",
            {seed.number: 100 * examined(seed, "ppo")[key]["accuracy"] for seed in seeds},
            PERCENT,
            f"at least {least}",
        )
        for name, words, key, least in (
            ("-family", "the family a - (b+x)/x = x", "family", 95),
            ("", "the whole mix of equations", "whole", 90),
        )
    ]


def external_claims(seeds: Sequence[Seed], external: Mapping[str, Any]) -> list[Claim]:
    """The verifier against answers nobody here wrote, and the model on equations nobody here wrote."""
    modules = external["agreement"].values()
    total = {key: sum(row[key] for row in modules) for key in ("exact", "rounded", "disagree")}
    count = sum(total.values())
    share = 100 * (count - total["disagree"]) / count
    claims = [
        {
            **claim(
                "verifier-external-agreement",
                f"All {count:,} answers of DeepMind's mathematics dataset and reasoning-gym in our files "
                "that the verifier agrees with, rounded decimals counted where they round its exact root",
                {0: share},
                PERCENT,
                "at least 100",
            ),
            "interval": [share, share],
            "interval_kind": CENSUS,
            "seeds": [],
            "command": "make study DATA=FOLDER",
            "counts": {**total, "by_module": external["agreement"]},
        }
    ]
    for part, words in (("range", "format and range"), ("format", "format, numbers of any size")):
        models = external["models"]
        rows = {seed.number: models.get(str(seed.number), {}).get(part) for seed in seeds}
        known = {number: row for number, row in rows.items() if row}
        if not known:
            continue
        own = {
            seed.number: 100
            * read(seed.folder / "rl" / "examination.json")["whole"]["slices"][OWN]["accuracy"]
            for seed in seeds
            if seed.number in known
        }
        reached = {number: 100 * row["accuracy"] for number, row in known.items()}
        claims.append(
            {
                **change_claim(
                    f"equations-external-{part}",
                    f"Accuracy on linear equations from outside, in the training {words}, above that on "
                    "our own",
                    own,
                    reached,
                ),
                "target": "at least -10",
                "command": command(own, data=True),
                "sides": ["our own", "from outside"],
                "n": next(iter(known.values()))["n"],
                "after_ci95": _percent_bounds(known),
            }
        )
    return claims


# --------------------------------------------------------------------------------------------------- pieces


def claim(name: str, text: str, per_seed: Mapping[int, float], unit: str, target: str) -> Claim:
    """A claim with the mean over seeds and their range, none for one seed; `judged` says if it is met."""
    values = list(per_seed.values())
    return {
        "id": name,
        "claim": text,
        "value": fmean(values),
        "unit": unit,
        "interval": [min(values), max(values)] if len(values) > 1 else None,
        "interval_kind": LOWEST_TO_HIGHEST if len(values) > 1 else None,
        "target": target,
        "seeds": list(per_seed),
        "per_seed": {str(seed): value for seed, value in per_seed.items()},
        "command": command(per_seed),
    }


def change_claim(
    name: str, text: str, before: Mapping[int, float], after: Mapping[int, float], *, falls: bool = False
) -> Claim:
    """A change in percentage points, with what it was before and after."""
    changes = {seed: after[seed] - before[seed] for seed in after}
    found = claim(name, text, changes, POINTS, f"{'below' if falls else 'above'} 0")
    return {**found, "before": _texts(before), "after": _texts(after)}


def rise_claim(name: str, text: str, shares: Mapping[str, Mapping[int, Mapping[str, Any]]]) -> Claim:
    """A share, with its 95% interval, before (`sft`) and after (`rl`) practice.

    Its interval lies above 0 only when the two intervals of every seed are apart.
    """
    before, after = (
        {seed: 100 * row["share"] for seed, row in shares[stage].items()} for stage in ("sft", "rl")
    )
    pairs = [(shares["sft"][seed]["ci95"], row["ci95"]) for seed, row in shares["rl"].items()]
    return {
        **change_claim(name, text, before, after),
        "interval": [
            100 * min(late[0] - early[1] for early, late in pairs),
            100 * max(late[1] - early[0] for early, late in pairs),
        ],
        "interval_kind": APART,
        "before_ci95": _percent_bounds(shares["sft"]),
        "after_ci95": _percent_bounds(shares["rl"]),
    }


def gain_claim(name: str, text: str, control: Mapping[int, float], true: Mapping[int, float]) -> Claim:
    """A paired difference with the interval of its mean."""
    found = change_claim(name, text, control, true)
    bounds = student_interval(list(found["per_seed"].values()))
    return {
        **found,
        "interval": bounds,
        "interval_kind": STUDENT if bounds else None,
        "sides": ["control", "true reward"],
    }


def student_interval(values: Sequence[float]) -> list[float] | None:
    """95% interval of the mean of a few values (Student 1908); None for fewer than two."""
    if len(values) < 2:
        return None
    half = float(students_t.ppf(0.975, len(values) - 1)) * stdev(values) / len(values) ** 0.5
    return [fmean(values) - half, fmean(values) + half]


def command(seeds: Mapping[int, Any], *, data: bool = False) -> str:
    """The command that measures it again; `data` where it needs the folder of external problems."""
    return f"make study SEEDS='{' '.join(map(str, seeds))}'" + (" DATA=FOLDER" if data else "")


def examined(seed: Seed, part: str) -> dict[str, Any]:
    """The examination after practice with another reward or algorithm."""
    return read(seed.again(part) / "examination.json")


def first_and_last(metrics: Path, name: str) -> tuple[float, float]:
    """Means of a metric over the first and over the last tenth of a run."""
    rows = [json.loads(line) for line in metrics.read_text(encoding="utf-8").splitlines()]
    tenth = max(1, len(rows) // 10)
    return fmean(row[name] for row in rows[:tenth]), fmean(row[name] for row in rows[-tenth:])


def _texts(values: Mapping[int, float]) -> dict[str, float]:
    return {str(seed): value for seed, value in values.items()}


def _percent_bounds(rows: Mapping[int, Mapping[str, Any]]) -> dict[str, list[float]]:
    return {str(seed): [100 * bound for bound in row["ci95"]] for seed, row in rows.items()}
