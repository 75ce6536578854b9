"""How a figure becomes a claim: a mean over seeds, a change, a share, or a single figure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean, stdev
from typing import Any

from scipy.stats import t as student

from studies.judged import CENSUS, Claim

PERCENT, POINTS, UNITS = "%", "percentage points", "units"
LOWEST_TO_HIGHEST = "least and greatest of the seeds"
STUDENT = "95% interval of the mean, Student's t over seeds"
EXACT = "95% interval, exact (Clopper and Pearson)"
APART = "least and greatest change of the seeds, each from and to the far ends of its two 95% intervals"


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
        "per_seed": by_text(per_seed),
    }


def over_seeds(
    name: str, text: str, per_seed: Mapping[int, float], target: str, unit: str = PERCENT
) -> Claim:
    """A mean over seeds with its 95% interval; none of one seed."""
    found = claim(name, text, per_seed, unit, target)
    bounds = student_interval(list(per_seed.values()))
    return found if bounds is None else {**found, "interval": bounds, "interval_kind": STUDENT}


def beyond(name: str, text: str, one: Mapping[int, float], other: Mapping[int, float]) -> Claim:
    """By how many units of utility or reward one exceeds the other, seed by seed; wanted above 0."""
    return over_seeds(name, text, {seed: one[seed] - other[seed] for seed in one}, "above 0", UNITS)


def change_claim(
    name: str, text: str, before: Mapping[int, float], after: Mapping[int, float], *, falls: bool = False
) -> Claim:
    """A change in percentage points, with what it was before and after."""
    changes = {seed: after[seed] - before[seed] for seed in after}
    found = claim(name, text, changes, POINTS, f"{'below' if falls else 'above'} 0")
    return {**found, "before": by_text(before), "after": by_text(after)}


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
        "before_ci95": percent_bounds(shares["sft"]),
        "after_ci95": percent_bounds(shares["rl"]),
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


def share(name: str, text: str, found: Mapping[str, float], seeds: Iterable[int], target: str) -> Claim:
    """A share of runs or models with its exact 95% interval, in per cent."""
    value, low, high = (100 * found[key] for key in ("value", "low", "high"))
    return {
        "id": name,
        "claim": text,
        "value": value,
        "unit": PERCENT,
        "interval": [low, high],
        "interval_kind": EXACT,
        "target": target,
        "seeds": list(seeds),
        "n": int(found["n"]),
    }


def single(name: str, text: str, value: float, unit: str, target: str) -> Claim:
    """One figure without an interval, which shows nothing by itself; its seeds are added by the caller."""
    return {
        "id": name,
        "claim": text,
        "value": value,
        "unit": unit,
        "interval": None,
        "interval_kind": None,
        "target": target,
        "seeds": [],
    }


def census(found: Claim) -> Claim:
    """The claim as one that counts everything it is about."""
    return {**found, "interval": [found["value"]] * 2, "interval_kind": CENSUS}


def noted(found: Claim, note: str) -> Claim:
    """The claim with what a reader of its details should also know."""
    return {**found, "note": note}


def student_interval(values: Sequence[float]) -> list[float] | None:
    """95% interval of the mean of a few values (Student 1908); None for fewer than two."""
    if len(values) < 2:
        return None
    half = float(student.ppf(0.975, len(values) - 1)) * stdev(values) / len(values) ** 0.5
    return [fmean(values) - half, fmean(values) + half]


def by_text(values: Mapping[int, float]) -> dict[str, float]:
    """Values by seed, with the seeds as the keys JSON has."""
    return {str(seed): value for seed, value in values.items()}


def percent_bounds(rows: Mapping[int, Mapping[str, Any]]) -> dict[str, list[float]]:
    """The 95% intervals of some seeds' shares, in per cent."""
    return {str(seed): [100 * bound for bound in row["ci95"]] for seed, row in rows.items()}


def by_seed(rows: Mapping[str, Any]) -> dict[int, Any]:
    """Rows by the seed as a number, from a JSON object."""
    return {int(seed): row for seed, row in rows.items()}


def peak_text(peak: float | None) -> str:
    """Where a fitted curve has its peak, in words."""
    return "no peak" if peak is None or peak > 100 else f"peak at d = {peak:.2f}"


def counted(count: int, word: str) -> str:
    """A number with its noun: 1 seed, 3 seeds."""
    return f"{count:,} {word}{'' if count == 1 else 's'}"
