"""The pictures of the page: the fleets over the reported days, why the learner chose, and the front.

Suffixes: D decisions, F numbers observed, A actions, M minutes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from practicum.applications.agent import Agent
from practicum.applications.cloud.baselines import STEERED
from practicum.applications.cloud.data import Split
from practicum.applications.cloud.environment import FLEET_NAMES, OFFSETS, Learned
from practicum.applications.cloud.experiment import CAUTIONS
from practicum.applications.cloud.fleet import Floats
from practicum.applications.cloud.simulate import Policy, Timeline, World, run_recorded
from practicum.applications.results import Figure, Panel, Table

SHOWN_MINUTES = 2880
"""Longest stretch that a picture shows."""

UNCHANGED = "leaves the rule as it is"


def figures_of(
    world: World,
    split: Split,
    minutes: int,
    learned: Learned,
    others: Mapping[str, Policy],
    data: Mapping[str, Any],
) -> list[Figure]:
    """The fleets over time, and the front between cost and violations."""
    return [over_time(world, split, minutes, learned, others), front_figure(data)]


def over_time(
    world: World, split: Split, minutes: int, learned: Learned, others: Mapping[str, Policy]
) -> Figure:
    """Load, instances, cost and slow requests of the first reported days, minute by minute."""
    start = split.test[:1]
    size = min(SHOWN_MINUTES, len(split.test) * minutes, len(world.requests_T) - int(start[0]))
    lines: dict[str, Timeline] = {"learner": run_recorded(world, learned, start, size)[1]}
    for name, policy in others.items():
        lines[name] = run_recorded(world, policy, start, size)[1]
    span = slice(int(start[0]), int(start[0]) + size)
    load = world.requests_T[span]
    needed = world.plant.need(load)
    first = int(world.minute_of_day_T[span.start])
    labels = [
        f"day {1 + (first + at) // 1440} {(first + at) % 1440 // 60:02d}:{(first + at) % 60:02d}"
        for at in range(size)
    ]
    dollars = world.plant.dollars
    panels = [
        Panel("requests a minute", {"requests": rounded(load)}),
        Panel(
            "instances paid for",
            {
                **{name: line.paid_LM[0].tolist() for name, line in lines.items()},
                "needed, known only afterwards": needed.tolist(),
            },
            stepped=True,
        ),
        Panel(
            "the price of a violation that the learner gives the rule, times its own",
            {"learner": [round(factor_of(OFFSETS[int(action)]), 2) for action in per_minute(learned, size)]},
            stepped=True,
        ),
        Panel(
            "dollars so far",
            {name: rounded(np.cumsum(line.paid_LM[0]) * dollars, 3) for name, line in lines.items()},
        ),
        Panel(
            "slow requests",
            {name: rounded(line.slow_LM[0], 4) for name, line in lines.items()},
            share=True,
        ),
    ]
    return Figure(
        "What each policy did",
        "The first reported days. Below the values: how the learner moved the rule, and the observations "
        "that spoke most for it (how far its choice would move if each were at its mean).",
        labels,
        panels,
        notes=reasons(learned, size),
    )


def reasons(learned: Learned, size: int) -> list[str]:
    """For every minute what the learner had chosen, and the two observations that moved the choice most."""
    seen_DF = np.concatenate(learned.seen)
    chosen = np.concatenate(learned.chosen)
    names = (*learned.steering.names, *FLEET_NAMES)
    moved_DF = influence(learned.agent, seen_DF)
    mean_F, deviation_F = seen_DF.mean(0), seen_DF.std(0) + 1e-9
    said = []
    for row, action, moved in zip(seen_DF, chosen, moved_DF, strict=True):
        offset = OFFSETS[int(action)]
        does = (
            f"multiplies the rule's price of a violation by {factor_of(offset):.2g}" if offset else UNCHANGED
        )
        most = np.argsort(-np.abs(moved))[:2]
        why = ", ".join(
            f"{names[place]} {(row[place] - mean_F[place]) / deviation_F[place]:+.1f} deviations"
            for place in most
        )
        said.append(f"The learner {does}; most weight: {why}.")
    each = learned.steering.minutes
    return [said[at // each] for at in range(size)]


def factor_of(offset: float) -> float:
    """By what an offset multiplies the rule's price of a violation, within the menu."""
    return float((CAUTIONS[1] / CAUTIONS[0]) ** offset)


def per_minute(learned: Learned, size: int) -> NDArray[np.int64]:
    """The action in force at every minute [M]."""
    return np.repeat(np.concatenate(learned.chosen), learned.steering.minutes)[:size]


def influence(agent: Agent, seen_DF: NDArray[np.float32]) -> Floats:
    """How far the expected offset moves, per decision and observation, against that observation's mean."""
    offsets_A = np.asarray(OFFSETS, dtype=np.float64)
    usual_D = agent.probabilities(seen_DF) @ offsets_A
    moved = np.zeros(seen_DF.shape)
    for place in range(seen_DF.shape[1]):
        without_DF = seen_DF.copy()
        without_DF[:, place] = seen_DF[:, place].mean()
        moved[:, place] = usual_D - agent.probabilities(without_DF) @ offsets_A
    return moved


def weights_table(learned: Learned) -> Table:
    """Which observations moved the recorded choices most, in the mean."""
    seen_DF = np.concatenate(learned.seen)
    moved_F = np.abs(influence(learned.agent, seen_DF)).mean(0)
    names = (*learned.steering.names, *FLEET_NAMES)
    rows = [
        [names[place], 100 * (factor_of(float(moved_F[place])) - 1)] for place in np.argsort(-moved_F)[:8]
    ]
    caption = "What moves the first learner's choices on the days shown, each against its mean there."
    return Table(("observation", "moves the price by (%)"), rows, caption)


def front_figure(data: Mapping[str, Any]) -> Figure:
    """Cost over violations on the reported days, every policy by its own settings."""
    curves = {name: rows for name, rows in data["fronts"].items() if name != "static peak"}
    curves[f"{STEERED}, unsteered dial"] = data["unsteered"]
    curves["learner"] = data["learner"][0]["dial"]
    grid = np.round(np.arange(0.05, 5.001, 0.05), 2)
    lines = {name: along(rows, grid / 100) for name, rows in reversed(curves.items())}
    return Figure(
        "Cost against violations",
        "The reported days. A curve is what a policy's settings reach, those that no other of them beat "
        "on the days before; straight between them.",
        grid.tolist(),
        [Panel("dollars a day", lines)],
        "% of minutes violated",
    )


def along(rows: Sequence[Mapping[str, float]], grid: Floats) -> list[float | None]:
    """Least cost at each share of violations, straight between the settings; None outside them."""
    points = sorted((row["violations"], row["dollars_per_day"]) for row in rows)
    shares, costs = np.array([one for one, _ in points]), np.array([dollars for _, dollars in points])
    costs = np.minimum.accumulate(costs)
    values = np.interp(grid, shares, costs)
    inside = (grid >= shares[0]) & (grid <= shares[-1])
    return [round(float(value), 3) if kept else None for value, kept in zip(values, inside, strict=True)]


def rounded(values: Any, digits: int = 1) -> list[float | None]:
    """Numbers short enough for a page."""
    return [round(float(value), digits) for value in values]
