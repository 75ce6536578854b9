"""The comparison as one self-contained page in the report's style."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from practicum.compare.results import NOISE, ONE_SEED
from practicum.compare.table import cells, decided, figure_of, headings, signed
from practicum.files import atomic_write
from practicum.report.figures import INK, SERIES, SMALL, page_picture
from practicum.report.page import TEMPLATES
from practicum.report.plots import in_percent
from practicum.templates import templates

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Json = Mapping[str, Any]
FAINT = SERIES[4]


def write(summary: Json, folder: Path) -> Path:
    """Write DIR/report.html and return its path."""
    path = folder / "report.html"
    atomic_write(path, render(summary, folder.name))
    return path


def render(summary: Json, title: str) -> str:
    """The page as HTML text."""
    environment = templates(TEMPLATES)
    pairs = sorted(summary["pairs"], key=lambda pair: (pair["p"] is None, pair["p"]))
    return environment.get_template("compare.html").render(
        title=title,
        summary=summary,
        headings=headings(summary),
        rows=[cells(summary, row) for row in summary["members"]],
        decided=decided(summary),
        say=figure_of(summary),
        finals=Markup(finals_picture(summary, "wide", 5.2)),
        small_finals=Markup(finals_picture(summary, "small", 3.4)),
        groups=curve_groups(summary),
        pairs=[pair_cells(summary, pair) for pair in pairs],
        alike=in_words(alike_in(summary)),
        changes=[(row["name"], own_changes(row, alike_in(summary))) for row in summary["members"]],
    )


def alike_in(summary: Json) -> dict[str, Any]:
    """What all recipes set alike, other than the defaults."""
    first, *others = (row["changes"] for row in summary["members"])
    return {key: value for key, value in first.items() if all(one.get(key) == value for one in others)}


def own_changes(row: Json, alike: Json) -> str:
    """What a recipe sets other than the defaults of its command and than all of them."""
    return in_words({key: value for key, value in row["changes"].items() if key not in alike}) or "nothing"


def in_words(settings: Json) -> str:
    """Settings as text."""
    return ", ".join(f"{key} {value}" for key, value in settings.items())


def pair_cells(summary: Json, pair: Json) -> list[str]:
    """One pair's cells: the better one first."""
    turned = pair["difference"] < 0
    first, second = (pair["second"], pair["first"]) if turned else (pair["first"], pair["second"])
    sign = -1 if turned else 1
    bounds = "-"
    if pair["low"] is not None:
        low, high = sorted((sign * pair["low"], sign * pair["high"]))
        bounds = f"{signed(summary, low)} to {signed(summary, high)}"
    better = pair["improvement"]["value"]
    chance = 1 - better if turned else better
    verdict = pair["verdict"] if pair["verdict"] in (NOISE, ONE_SEED) else f"{first} is better"
    return [
        f"{first} over {second}",
        signed(summary, abs(pair["difference"])),
        bounds,
        p_words(pair["p"]),
        p_words(pair["holm_p"]),
        f"{chance:.0%}",
        verdict,
    ]


def p_words(p: float | None) -> str:
    """A p-value in short."""
    return "-" if p is None else "<0.001" if p < 0.001 else f"{p:.3f}"


# -------------------------------------------------------------------------------------------------- pictures


def finals_picture(summary: Json, name: str, width: float) -> str:
    """Every recipe's final figure with its interval, its runs as small points, the start as a dotted line."""
    members = list(reversed(summary["members"]))
    say = figure_of(summary)

    def draw(axes: Axes) -> None:
        for place, row in enumerate(members):
            final = row["final"]
            axes.plot([final["low"], final["high"]], [place, place], color=SERIES[0], linewidth=2)
            axes.plot(final["value"], place, "o", color=SERIES[0], markersize=6)
            runs = list(row["per_seed"].values())
            axes.plot(runs, [place + 0.25] * len(runs), "|", color=INK, markersize=5)
        if summary["start"] is not None:
            axes.axvline(summary["start"]["value"], color=INK, linestyle=":", linewidth=1)
        axes.set_yticks(range(len(members)), [row["name"] for row in members])
        axes.set_ylim(-0.6, len(members) - 0.3)
        axes.set_xlabel(summary["measure"])
        axes.grid(axis="y", visible=False)
        if summary["measure"] == "accuracy":
            from matplotlib.ticker import FuncFormatter, MaxNLocator

            axes.xaxis.set_major_locator(MaxNLocator(nbins=4))
            axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.4g}%"))

    told = []
    for row in summary["members"]:
        value, low, high = (say(row["final"][name]) for name in ("value", "low", "high"))
        told.append(f"{row['name']} {value} ({low} to {high})")
    words = f"{summary['measure']} at the end: {', '.join(told)}"
    height = 0.8 + 0.32 * len(members)
    return page_picture(f"finals-{name}", words, draw, (width, max(1.8, height)))


def curve_groups(summary: Json) -> list[dict[str, Any]]:
    """The recipes' curves, one picture each, apart for practice and for preferences."""
    groups = []
    for command, title in (("rl", "practice"), ("dpo", "preferences")):
        rows = [row for row in summary["members"] if row["command"] == command and row["curve"]]
        kinds = dict.fromkeys(row["curve"]["metric"] for row in rows)
        for kind in kinds:
            alike = [row for row in rows if row["curve"]["metric"] == kind]
            drawn = [(row["name"], Markup(curve_picture(row, alike))) for row in alike]
            groups.append({"title": title, "metric": METRICS[kind], "figures": drawn})
    return groups


METRICS = {
    "solved": "share of sampled answers that are right",
    "reward": "mean reward of sampled answers",
    "rewards/accuracies": "share of pairs that the policy ranks as they are ranked",
}


def curve_picture(row: Json, alike: Sequence[Json]) -> str:
    """One recipe's curve with its interval, the others' behind it."""
    curve = row["curve"]
    limits = limits_of(alike)

    def draw(axes: Axes) -> None:
        for other in alike:
            if other is not row:
                axes.plot(
                    other["curve"]["places"], other["curve"]["value"], color=FAINT, linewidth=0.8, alpha=0.6
                )
        axes.fill_between(
            curve["places"], curve["low"], curve["high"], color=SERIES[0], alpha=0.25, linewidth=0
        )
        marker = "o" if len(curve["places"]) < 3 else None
        axes.plot(curve["places"], curve["value"], color=SERIES[0], linewidth=2, marker=marker)
        axes.set_xlabel(curve["x"])
        axes.set_ylim(*limits)
        if curve["metric"] != "reward":
            in_percent(axes)
        _few_ticks(axes)

    ends = " to ".join(f"{curve['value'][place]:.3g}" for place in (0, -1))
    return page_picture(
        f"curve-{row['name']}", f"{row['name']}, {METRICS[curve['metric']]}: {ends}", draw, SMALL
    )


def limits_of(rows: Sequence[Json]) -> tuple[float, float]:
    """Least and greatest value on the axes of curves that are to be compared: the same for all, from 0 up."""
    lows, highs = ([value for row in rows for value in row["curve"][end]] for end in ("low", "high"))
    low, high = min(0.0, *lows), max(0.05, *highs)
    return low - 0.02 * (high - low), high + 0.05 * (high - low)


def _few_ticks(axes: Axes) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
