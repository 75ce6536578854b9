"""Learning curves of a recipe's runs on one grid, with their interquartile mean."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from practicum.compare.member import run_folder
from practicum.compare.plan import Member
from practicum.compare.statistics import curve_band
from practicum.files import read_rows
from practicum.report.figures import moving_average, smoothing_window
from practicum.stats import Floats

MOST_PLACES = 60
"""Of a curve."""


def curve_of(folder: Path, member: Member, seeds: Sequence[int], measure: str) -> dict[str, Any] | None:
    """The curve of a member's runs: what they scored while they learned; None where they tell nothing.

    Practice: the share of sampled answers that are right (or the mean reward) over completions. Preferences:
    the share of pairs that the policy ranks as they are ranked, over updates.
    """
    runs = [read_rows(run_folder(folder, member.name, seed) / "metrics.jsonl") for seed in seeds]
    names = ("solved", "reward") if measure == "accuracy" else ("reward",)
    names = ("rewards/accuracies",) if member.command == "dpo" else names
    metric = next((name for name in names if all(_series(rows, name) for rows in runs)), None)
    if metric is None:
        return None
    each = 1
    if member.command == "rl":
        each = member.config.prompts_per_step * member.config.group_size
    lines = [(_places(rows, each), _series(rows, metric)) for rows in runs]
    grid = _grid([places for places, _ in lines])
    scores_RT = np.stack([_on_grid(grid, *line) for line in lines])
    band = curve_band(scores_RT)
    return {
        "metric": metric,
        "x": "completions" if member.command == "rl" else "updates",
        "places": grid.tolist(),
        "value": band.value_T.tolist(),
        "low": band.low_T.tolist(),
        "high": band.high_T.tolist(),
        "runs": {str(seed): line.tolist() for seed, line in zip(seeds, scores_RT, strict=True)},
    }


def _series(rows: Sequence[dict[str, Any]], name: str) -> list[float]:
    """The metric at every step, empty where a step lacks it."""
    values = [row.get(name) for row in rows]
    return (
        []
        if any(value is None for value in values)
        else [float(value) for value in values if value is not None]
    )


def _places(rows: Sequence[dict[str, Any]], each: int) -> list[float]:
    """Completions, or updates, that had been made at the end of each step."""
    return list(accumulate(float(row.get("completions", each)) for row in rows))


def _grid(places: Sequence[Sequence[float]]) -> Floats:
    """Places that all runs have reached, at most MOST_PLACES of them."""
    first, last = max(one[0] for one in places), min(one[-1] for one in places)
    count = min(MOST_PLACES, max(map(len, places)))
    return np.linspace(first, max(first, last), count)


def _on_grid(grid: Floats, places: Sequence[float], values: Sequence[float]) -> Floats:
    """A run's moving average at the places of the grid, straight lines between its steps."""
    smooth = moving_average(values, smoothing_window(len(values)))
    return np.interp(grid, places, smooth)
