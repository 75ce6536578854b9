"""`practicum algorithms`: one table of what every algorithm changes, needs and costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from practicum.config import nearest
from practicum.errors import InputError
from practicum.ranges import Common, Ranged
from practicum.training.algorithms import ALGORITHMS
from practicum.training.algorithms.algorithm import Algorithm
from practicum.training.preference_losses import LOSSES, PreferenceLoss

WIDTH = 110
"""Of the table where nothing says how wide the terminal is."""


@dataclass(frozen=True)
class AlgorithmsConfig(Ranged):
    """The algorithms: what each changes, needs and costs, with the paper it is named after.

    practicum algorithms
    practicum algorithms --names grpo dr_grpo --json
    """

    names: Common[tuple[str, ...]] = ()
    """Only these; all of them without it."""

    def __post_init__(self) -> None:
        super().__post_init__()
        known = [*ALGORITHMS, *LOSSES]
        for name in self.names:
            if name not in known:
                raise InputError(f"names: there is no algorithm {name!r}{nearest(name, known)}")


def table(config: AlgorithmsConfig) -> dict[str, Any]:
    """Print the table on stdout and return it."""
    practice, offline = map(_practice, ALGORITHMS.values()), map(_offline, LOSSES.values())
    rows = [row for row in (*practice, *offline) if not config.names or row["name"] in config.names]
    console = Console(highlight=False, markup=False)
    console = console if console.is_terminal else Console(highlight=False, markup=False, width=WIDTH)
    for flag in dict.fromkeys(row["flag"] for row in rows):
        shown = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), expand=True)
        shown.add_column(flag, no_wrap=True)
        for name, ratio in (("changes", 10), ("needs", 5), ("costs", 6), ("source", 6)):
            shown.add_column(name, ratio=ratio)
        for row in rows:
            if row["flag"] == flag:
                needs = ", ".join(row["needs"])
                shown.add_row(row["name"], row["changes"], needs, row["costs"], row["source"])
        console.print(shown)
        console.print()
    return {"algorithms": rows}


def _practice(one: Algorithm) -> dict[str, Any]:
    """One algorithm of `practicum rl`."""
    needs = set(one.needs) | ({"reference"} if one.kl.beta else set())
    needs -= {"reference"} if "teacher" in needs else set()
    answers = [f"{one.fewest} answers a prompt"] if one.fewest > 1 else []
    bounds = {"low": one.clip_low, "high": one.clip_high}
    return {
        "name": one.name,
        "flag": "rl --algorithm",
        "changes": one.changes,
        "needs": [*answers, *sorted(needs)],
        "costs": one.costs,
        "source": one.source,
        "aggregation": one.aggregation,
        "ratio": one.ratio,
        "clip": {name: bound for name, bound in bounds.items() if bound is not None},
        "kl": {"weight": one.kl.beta, "estimator": one.kl.estimator, "placement": one.kl.placement}
        if one.kl.beta
        else None,
        "kl_allowed_in": list(one.pulls),
        "samples": True,
    }


def _offline(one: PreferenceLoss) -> dict[str, Any]:
    """One loss of `practicum dpo`."""
    return {
        "name": one.name,
        "flag": "dpo --loss",
        "changes": one.changes,
        "needs": ["labels or pairs" if one.unpaired else "pairs", *(["reference"] if one.reference else [])],
        "costs": "the reference reads every answer once" if one.reference else "",
        "source": one.source,
        "beta": one.beta,
        "samples": False,
    }
