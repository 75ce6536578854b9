"""What several of the audit's pictures share: shares with their intervals, bars, an axis in percent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from practicum.report.figures import INK, SERIES, page_picture
from practicum.stats import Estimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LEGEND = {"frameon": False, "fontsize": 9, "labelcolor": INK, "loc": "best"}


def estimates_picture(
    name: str,
    parts: Sequence[tuple[str, Estimate]],
    label: str,
    chance: float | None,
    size: tuple[float, float],
) -> str:
    """Shares with their intervals, joined by a line in the order given; `chance` is a dotted line."""

    def draw(axes: Axes) -> None:
        values = [part.value for _, part in parts]
        below = [part.value - part.low for _, part in parts]
        above = [part.high - part.value for _, part in parts]
        axes.errorbar(range(len(parts)), values, yerr=[below, above], fmt="o-", color=SERIES[0], capsize=4)
        if chance is not None:
            axes.axhline(chance, color=INK, linestyle=":", linewidth=1)
        axes.set_xticks(range(len(parts)), [title for title, _ in parts])
        axes.set_xlim(-0.4, len(parts) - 0.6)
        axes.set_ylim(0 if chance is None else 0.4, 1.02)
        in_percent(axes)
        axes.set_ylabel(label)

    told = ", ".join(f"{title} {part.value:.1%}".replace("\n", " ") for title, part in parts)
    return page_picture(name, f"{label}: {told}", draw, size)


def bars(axes: Axes, names: Sequence[str], values: Sequence[float], colour: str) -> None:
    """Horizontal bars that stay slim when there are few."""
    axes.barh(names, values, color=colour, height=0.6)
    axes.set_ylim(-0.8, max(3.0, len(names)) - 0.2)


def in_percent(axes: Axes) -> None:
    """The vertical axis in percent."""
    from matplotlib.ticker import FuncFormatter

    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.4g}%"))
