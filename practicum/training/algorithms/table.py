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

COLUMNS = ("command", "changes", "needs", "costs", "source")


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
    rows = [_practice(one) for one in ALGORITHMS.values()] + [_offline(one) for one in LOSSES.values()]
    rows = [row for row in rows if not config.names or row["name"] in config.names]
    shown = Table(*COLUMNS, box=None, pad_edge=False, show_lines=False, padding=(0, 2, 1, 0))
    for row in rows:
        shown.add_row(*(", ".join(row[name]) if name == "needs" else row[name] for name in COLUMNS))
    Console(highlight=False, markup=False).print(shown)
    return {"algorithms": rows}


def _practice(one: Algorithm) -> dict[str, Any]:
    """One algorithm of `practicum rl`."""
    reference = one.kl.beta > 0 and "reference" not in one.needs
    answers = [f"{one.fewest} answers a prompt"] if one.fewest > 1 else []
    bounds = {"low": one.clip_low, "high": one.clip_high}
    return {
        "name": one.name,
        "command": f"rl --algorithm {one.name}",
        "changes": one.changes,
        "needs": [*answers, *sorted(one.needs), *(["reference"] if reference else [])],
        "costs": one.costs or "nothing more",
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
        "command": f"dpo --loss {one.name}",
        "changes": one.changes,
        "needs": ["labels or pairs" if one.unpaired else "pairs", *(["reference"] if one.reference else [])],
        "costs": "the reference reads every answer once" if one.reference else "nothing more",
        "source": one.source,
        "beta": one.beta,
        "samples": False,
    }
