"""The comparison on a terminal: the recipes from best to worst, then which pairs the test decides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from practicum.compare.results import NOISE, ONE_SEED

WIDTH = 110
"""Where nothing says how wide the terminal is."""
BESIDE = 3
"""The place of the column that says how recipes stand beside one of them."""
Json = Mapping[str, Any]


def print_table(summary: Json) -> None:
    """Print the table of recipes and the sentences below it on stdout."""
    console = Console(highlight=False, markup=False)
    console = console if console.is_terminal else Console(highlight=False, markup=False, width=WIDTH)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    heads = headings(summary)
    for place, name in enumerate(heads):
        table.add_column(name, justify="left" if place in (0, BESIDE) else "right")
    for row in summary["members"]:
        table.add_row(*cells(summary, row))
    console.print(table)
    for line in sentences(summary):
        console.print(line, soft_wrap=True)


def beside(summary: Json) -> str:
    """What the recipes are seen beside."""
    return summary["against"] or "the best"


def headings(summary: Json) -> list[str]:
    """Heads of the columns."""
    power = highest_power(summary)
    first = [
        "recipe",
        f"{summary['measure']} (IQM)",
        "95% interval",
        f"beside {beside(summary)}",
        "over the start",
    ]
    return [*first, *([power] if power else []), "completions", "tokens", "seconds"]


def cells(summary: Json, row: Json) -> list[str]:
    """One recipe's cells."""
    say = figure_of(summary)
    final, gain, cost = row["final"], row.get("gain"), row["cost"]
    power, runs = highest_power(summary), len(row["seeds"])
    return [
        row["name"],
        say(final["value"]),
        f"{say(final['low'])} to {say(final['high'])}",
        row["beside"] + ("" if runs == len(summary["seeds"]) else f", {runs} runs"),
        "-" if gain is None else f"{signed(summary, gain['difference'])}{mark(gain['verdict'])}",
        *([_power(row, power)] if power else []),
        f"{cost['completions']:,.0f}" if row["command"] == "rl" else "none",
        thousands(cost["tokens"]),
        f"{cost['seconds']:,.0f}",
    ]


def sentences(summary: Json) -> list[str]:
    """What a reader of the table must know, a line each."""
    lines = [decided(summary)]
    if summary["start"] is not None:
        lines.append(f"The model that all began with: {figure_of(summary)(summary['start']['value'])}.")
    lines.append(
        f"Seconds and tokens are of the training of one run, on average; {summary['problems']} problems, "
        f"{len(summary['seeds'])} seeds. ~ marks a change over the start that may be noise."
    )
    lines += [f"Note: {note}." for note in summary["notes"]]
    lines += [f"FAILED: {title}: {words}" for title, words in summary["failed"].items()]
    return lines


def decided(summary: Json) -> str:
    """How many pairs the test decides."""
    pairs = summary["pairs"]
    if not pairs and len(summary["members"]) == 1:
        return "One recipe: there is nothing to compare it with."
    if not pairs:
        return "No two recipes that are to be compared have a run of the same seed: nothing is tested."
    untested = sum(pair["verdict"] == ONE_SEED for pair in pairs)
    if untested == len(pairs):
        return "One seed: nothing tells a difference between recipes from one between seeds."
    clear = sum(pair["verdict"] in ("first", "second") for pair in pairs)
    word = "pair" if len(pairs) == 1 else "pairs"
    return (
        f"The paired test decides {clear} of {len(pairs)} {word} of recipes (5%, Holm); a difference that it "
        "does not decide may be noise."
    )


def figure_of(summary: Json) -> Any:
    """How a score is written: in per cent, or as a number."""
    return (
        (lambda value: f"{value:.1%}") if summary["measure"] == "accuracy" else (lambda value: f"{value:.3g}")
    )


def signed(summary: Json, value: float) -> str:
    """A difference with its sign, in percentage points or in units of reward."""
    return f"{100 * value:+.1f} pp" if summary["measure"] == "accuracy" else f"{value:+.3g}"


def mark(verdict: str) -> str:
    """A mark at a change that no test decides."""
    return " ~" if verdict in (NOISE, ONE_SEED) else ""


def thousands(value: float | None) -> str:
    """A large count, in short."""
    if value is None:
        return "-"
    return (
        f"{value / 1e6:.2f}M" if value >= 1e6 else f"{value / 1e3:.0f}k" if value >= 1e4 else f"{value:,.0f}"
    )


def highest_power(summary: Json) -> str:
    """The largest pass@k that every recipe has; empty where there is none."""
    common = set.intersection(*(set(row["pass_at_k"]) for row in summary["members"]))
    return max(common, key=lambda name: int(name[5:]), default="")


def _power(row: Json, power: str) -> str:
    found = row["pass_at_k"][power]
    return f"{found['value']:.1%}"
