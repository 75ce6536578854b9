"""The report's pictures as SVG text that follows the page's light or dark colours, drawn with matplotlib.

Colours are the light palette. `themed` replaces each by a variable of the page's style sheet; a picture
written for the README keeps them.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from practicum.errors import InputError
from practicum.report.runs import Point, ReportedRun, check_same_recipe, read_run
from practicum.report.words import CONTROL_TITLES, STAGE_TITLES, meaning

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, GRID = "#3f4754", "#dfe3ea"
SERIES = ("#2563b0", "#c05a10", "#178a5c", "#7d4fb3", "#8a8f98")
VARIABLES = {
    INK: "--ink-soft",
    GRID: "--line",
    **{colour: f"--series-{i}" for i, colour in enumerate(SERIES)},
}
OUTCOMES = {"correct": SERIES[2], "wrong": SERIES[1], "unparseable": SERIES[4], "over_limits": SERIES[3]}
SMALL, WIDE = (4.0, 2.5), (6.6, 3.4)

Estimate = tuple[float, tuple[float, float] | None]
"""A share and its interval, where it has one."""


@dataclass(frozen=True)
class Curve:
    """One line of a chart: the repeats (seeds) of the same thing, each a list of (step, value)."""

    label: str
    repeats: Sequence[Sequence[Point]]
    dashed: bool = False


def smoothing_window(steps: int) -> int:
    """Width of the moving average for so many steps: about a fifteenth of them, odd, at least 1."""
    return max(1, steps // 15) | 1


def moving_average(values: Sequence[float], window: int) -> list[float]:
    """Centred mean over `window` (odd) values; near the ends over a narrower window, still centred."""
    averaged = []
    for index in range(len(values)):
        reach = min(window // 2, index, len(values) - 1 - index)
        part = values[index - reach : index + reach + 1]
        averaged.append(sum(part) / len(part))
    return averaged


def spread(repeats: Sequence[Sequence[Point]], window: int) -> tuple[list[int], list[tuple[float, ...]]]:
    """Steps that every repeat has, and at each of them the repeats' smoothed values."""
    smoothed = []
    for points in repeats:
        values = moving_average([value for _, value in points], window)
        smoothed.append(dict(zip((step for step, _ in points), values, strict=True)))
    steps = sorted(set.intersection(*(set(one) for one in smoothed))) if smoothed else []
    return steps, [tuple(one[step] for one in smoothed) for step in steps]


def line_chart(
    name: str,
    curves: Sequence[Curve],
    *,
    description: str,
    y_label: str,
    x_label: str,
    share: bool = False,
    smooth: bool = True,
    size: tuple[float, float] = SMALL,
) -> str:
    """Lines with bands from the lowest to the highest repeat; a lone run shows its raw values faintly."""

    def draw(axes: Axes) -> None:
        draw_curves(axes, curves, share=share, smooth=smooth)
        axes.set_xlabel(x_label)
        axes.set_ylabel(y_label)

    return page_picture(name, description, draw, size)


def draw_curves(axes: Axes, curves: Sequence[Curve], *, share: bool, smooth: bool = True) -> None:
    """Draw curves into axes, with a legend when there are several."""
    longest = max((len(points) for curve in curves for points in curve.repeats), default=0)
    window = smoothing_window(longest) if smooth else 1
    for index, curve in enumerate(curves):
        colour = SERIES[index % len(SERIES)]
        steps, values = spread(curve.repeats, window)
        if not steps:
            continue
        means = [sum(row) / len(row) for row in values]
        if len(curve.repeats) > 1:
            low, high = [min(row) for row in values], [max(row) for row in values]
            axes.fill_between(steps, low, high, color=colour, alpha=0.2, linewidth=0)
        elif window > 1:
            axes.plot(*zip(*curve.repeats[0], strict=True), color=colour, alpha=0.3, linewidth=0.8)
        style = "--" if curve.dashed else "-"
        marker = "o" if len(steps) < 3 else None
        axes.plot(
            steps, means, color=colour, linewidth=1.9, linestyle=style, marker=marker, label=curve.label
        )
    _finish_axes(axes, share, longest)
    if len(curves) > 1:
        axes.legend(frameon=False, fontsize=9, labelcolor=INK, loc="best")


def outcome_chart(name: str, series: Mapping[str, Sequence[Point]], *, description: str) -> str:
    """Stacked shares of the outcomes of each iteration's answers (keys: outcome names)."""
    known = [*(key for key in OUTCOMES if key in series), *(key for key in series if key not in OUTCOMES)]

    def draw(axes: Axes) -> None:
        steps = [step for step, _ in series[known[0]]]
        window = smoothing_window(len(steps))
        layers = [moving_average([value for _, value in series[key]], window) for key in known]
        colours = [OUTCOMES.get(key, SERIES[0]) for key in known]
        labels = [meaning(f"outcome/{key}").title for key in known]
        axes.stackplot(steps, *layers, colors=colours, labels=labels, alpha=0.85, linewidth=0)
        _finish_axes(axes, True, len(steps))
        axes.set_ylim(0, 1)
        axes.set_xlabel("iteration")
        axes.set_ylabel("share of answers")
        axes.legend(frameon=False, fontsize=9, labelcolor=INK, ncols=len(known), loc="lower left",
                    bbox_to_anchor=(0, 1), borderaxespad=0.2, handlelength=1, columnspacing=1)  # fmt: skip

    return page_picture(name, description, draw, SMALL)


def stage_chart(
    name: str,
    labels: Sequence[str],
    rows: Mapping[str, Sequence[Estimate | None]],
    *,
    description: str,
) -> str:
    """Accuracy after each stage with its interval, one line of points for each named row."""

    def draw(axes: Axes) -> None:
        for index, (label, values) in enumerate(rows.items()):
            places = [place for place, value in enumerate(values) if value is not None]
            found = [value for value in values if value is not None]
            centres = [centre for centre, _ in found]
            low = [max(0.0, centre - (bounds or (centre, centre))[0]) for centre, bounds in found]
            high = [max(0.0, (bounds or (centre, centre))[1] - centre) for centre, bounds in found]
            shifted = [place + 0.06 * (2 * index - len(rows) + 1) for place in places]
            style: dict[str, Any] = {"color": SERIES[index % len(SERIES)], "linewidth": 1.6, "capsize": 3}
            axes.errorbar(shifted, centres, yerr=(low, high), marker="o", markersize=5, label=label, **style)
        _finish_axes(axes, True, 0)
        axes.set_xticks(range(len(labels)), labels)
        axes.set_xlim(-0.4, len(labels) - 0.6)
        axes.set_ylim(0, 1)
        axes.set_ylabel("accuracy")
        axes.legend(frameon=False, fontsize=9, labelcolor=INK, loc="upper left")

    return page_picture(name, description, draw, (4.2, 3.4))


def seed_equation_chart(name: str, *, description: str) -> str:
    """Both sides of 3 - (3+y)/y = y: they never meet, and miss each other at y = 1 and y = 3."""

    def draw(axes: Axes) -> None:
        for index, (low, high) in enumerate(((-5.0, -0.35), (0.35, 5.0))):
            places = [low + (high - low) * i / 120 for i in range(121)]
            left = [3 - (3 + y) / y for y in places]
            axes.plot(places, left, color=SERIES[0], label="3 − (3+y)/y" if index == 0 else None)
        axes.plot([-5, 5], [-5, 5], color=SERIES[4], label="y")
        for claimed, value in ((1, -1), (3, 1)):
            axes.plot([claimed, claimed], [value, claimed], color=SERIES[1], linestyle=":", linewidth=1.6)
            axes.plot([claimed, claimed], [value, claimed], color=SERIES[1], marker="o", linestyle="none")
            axes.annotate(
                f"y = {claimed}: {value} ≠ {claimed}".replace("-", "−"),
                (claimed, value), xytext=(claimed + 0.2, value - 1.1), color=SERIES[1], fontsize=9.5,
            )  # fmt: skip
        _finish_axes(axes, False, 0)
        axes.set_ylim(-6, 6)
        axes.set_xlabel("y")
        axes.legend(frameon=False, fontsize=9, labelcolor=INK, loc="upper left")

    return page_picture(name, description, draw, (5.0, 3.6))


# ------------------------------------------------------------------------------------ the README's picture


def write_learning_curve(run_paths: Sequence[Path], out_path: Path) -> Path:
    """Draw the learning curve of one recipe (further runs: other seeds, controls) to an .svg or .png file."""
    if out_path.suffix not in (".svg", ".png"):
        raise InputError(f"{out_path}: expected a name that ends in .svg or .png")
    if not run_paths:
        raise InputError("the learning curve needs at least one run folder")
    runs = [read_run(path) for path in run_paths]
    check_same_recipe(runs[0], runs[1:])
    try:
        out_path.parent.mkdir(parents=True, exist_ok=True)
        out_path.write_bytes(learning_curve(runs, out_path.suffix[1:]))
    except OSError as error:
        raise InputError(f"cannot write {out_path}: {error.strerror or error}") from error
    return out_path


def learning_curve(runs: Sequence[ReportedRun], form: str = "svg") -> bytes:
    """Loss of exposition and of worked problems, then right answers of practice, side by side.

    The bytes of an SVG or PNG picture on white.
    """
    panels = []
    for stage, title in STAGE_TITLES.items():
        metric = practice_metric(runs) if stage == "rl" else "loss"
        curves = stage_curves(runs, stage, metric)
        if curves:
            panels.append((title, metric, curves))
    if not panels:
        raise InputError(f"{runs[0].path / 'metrics.jsonl'}: holds no learning curve yet")
    with _drawing("path", "learning_curve") as new_figure:
        figure, grid = new_figure((3.6 * len(panels), 2.9), len(panels))
        figure.patch.set_facecolor("white")
        for axes, (title, metric, curves) in zip(grid, panels, strict=True):
            draw_curves(axes, curves, share=meaning(metric).share, smooth=True)
            axes.set_title(title, fontsize=11, color=INK, loc="left")
            axes.set_xlabel("iteration" if metric != "loss" else "update")
            axes.set_ylabel(meaning(metric).title)
        stream = io.BytesIO()
        metadata = {"Date": None} if form == "svg" else None
        figure.savefig(stream, format=form, dpi=160, metadata=metadata)
    return stream.getvalue()


def practice_metric(runs: Sequence[ReportedRun]) -> str:
    """What practice is judged by: the share of right answers, or the reward where none is recorded."""
    stages = [run.stages["rl"] for run in runs if "rl" in run.stages]
    if any(stage.series("outcome/correct") for stage in stages):
        return "outcome/correct"
    # A task has its own names for outcomes, or never had a right answer.
    return "solved" if stages and all(stage.series("solved") for stage in stages) else "reward"


def stage_curves(runs: Sequence[ReportedRun], stage: str, metric: str) -> list[Curve]:
    """A metric of one stage: the true reward's seeds as one curve, each control's as a dashed one.

    Before practice a control run learns like any other; it counts as a seed there only where no run with the
    true reward has the same seed, so that nothing is counted twice.
    """
    groups: dict[str, dict[int | None, list[Point]]] = {}
    for run in sorted(runs, key=lambda run: run.control != "none"):
        points = run.stages[stage].series(metric) if stage in run.stages else []
        if points:
            group = groups.setdefault(run.control if stage == "rl" else "none", {})
            group.setdefault(run.seed, points)
    return [
        Curve(CONTROL_TITLES.get(control, control), list(repeats.values()), dashed=control != "none")
        for control, repeats in groups.items()
    ]


# ------------------------------------------------------------------------------------------------ drawing


@contextmanager
def _drawing(font: str, salt: str) -> Iterator[Callable[[tuple[float, float], int], tuple[Any, list[Axes]]]]:
    """matplotlib with the report's style, away from any window and from the user's own settings."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    style: Any = {
        "svg.fonttype": font,
        "svg.hashsalt": salt,
        "font.size": 10,
        "text.parse_math": False,
        "axes.edgecolor": GRID,
        "axes.labelcolor": INK,
        "xtick.color": INK,
        "ytick.color": INK,
        "axes.grid": True,
        "grid.color": GRID,
        "grid.linewidth": 0.7,
        "axes.axisbelow": True,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "xtick.major.size": 0,
        "ytick.major.size": 0,
    }

    def new_figure(size: tuple[float, float], columns: int = 1) -> tuple[Any, list[Axes]]:
        figure = Figure(figsize=size, layout="constrained")
        return figure, [figure.add_subplot(1, columns, place + 1) for place in range(columns)]

    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(style)
        yield new_figure


def _finish_axes(axes: Axes, share: bool, steps: int) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    if share:
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.4g}%"))
        # From 0, and never closer than 5%: a zoomed axis would make a mountain of noise.
        axes.set_ylim(min(0.0, axes.dataLim.ymin), max(0.05, axes.get_ylim()[1]))
    if steps:
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    axes.margins(x=0.01)


def page_picture(name: str, description: str, draw: Callable[[Axes], None], size: tuple[float, float]) -> str:
    """A picture as inline SVG in the page's colours: `draw` fills its one axes; `size` in inches."""
    with _drawing("none", name) as new_figure:
        figure, (axes,) = new_figure(size, 1)
        figure.patch.set_alpha(0)
        axes.patch.set_alpha(0)
        draw(axes)
        stream = io.StringIO()
        nothing = {"Date": None, "Creator": None, "Format": None, "Type": None}
        figure.savefig(stream, format="svg", metadata=nothing)
    return themed(stream.getvalue(), name, description)


def themed(svg: str, name: str, description: str) -> str:
    """matplotlib's SVG made fit to stand inside the page.

    Identifiers get the picture's name in front, so that two pictures share none; colours become variables;
    declarations and links that only a file of its own needs are dropped. `name` may hold a metric's name, so
    it is reduced to letters and digits.
    """
    from html import escape

    name = re.sub(r"[^a-z0-9]+", "-", name.lower())
    body = re.search(r"<svg[^>]*viewBox=\"([^\"]*)\"[^>]*>(.*)</svg>", svg, re.DOTALL)
    assert body is not None, "matplotlib wrote no <svg>"
    view, inner = body.groups()
    inner = re.sub(r"<metadata>.*?</metadata>|<defs>\s*<style.*?</style>\s*</defs>|<!--.*?-->", "", inner,
                   flags=re.DOTALL)  # fmt: skip
    inner = re.sub(r'\bid="', f'id="{name}-', inner)
    inner = re.sub(r"url\(#", f"url(#{name}-", inner)
    inner = re.sub(r'(?:xlink:)?href="#', f'href="#{name}-', inner)
    # The page's own font; only the size is the picture's.
    inner = re.sub(r"font: ([0-9.]+px)[^;\"]*", r"font-size: \1", inner)
    for colour, variable in VARIABLES.items():
        inner = inner.replace(colour, f"var({variable})")
    return f'<svg viewBox="{view}" role="img" aria-label="{escape(description)}">{inner}</svg>'
