"""The audit's pictures, as SVG text in the report's style."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np

from practicum.audit.bias import Meter, Outcome, forecast
from practicum.audit.budget import LabelCurve
from practicum.audit.detectors import Record
from practicum.audit.distortion import LINKS, Link
from practicum.audit.exploits import ExploitReport
from practicum.audit.overoptimization import Bands
from practicum.report.figures import INK, SERIES, SMALL, WIDE, page_picture
from practicum.stats import Estimate, Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BETAS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
LEGEND = {"frameon": False, "fontsize": 9, "labelcolor": INK, "loc": "best"}


def exploits_picture(report: ExploitReport) -> str:
    """A bar for each exploited direction: by how much its texts lead honest ones."""
    best: dict[str, float] = {}
    for finding in report.findings:
        if finding.exploit and finding.pay is None:
            best[finding.kind] = max(best.get(finding.kind, finding.margin), finding.margin)
    names = sorted(best, key=lambda kind: best[kind])

    def draw(axes: Axes) -> None:
        _bars(axes, [name.replace("_", " ") for name in names], [best[name] for name in names], SERIES[1])
        axes.axvline(0, color=INK, linewidth=0.8)
        axes.set_xlabel("lead over honest answers (standard deviations)")

    told = ", ".join(f"{name} {best[name]:+.1f}" for name in reversed(names)) or "none"
    return page_picture("audit-exploits", f"Exploited directions and their lead: {told}", draw, SMALL)


def overoptimization_picture(
    bands: Bands, kl_P: Floats, gold_P: Floats, proxy_P: Floats | None = None, predicted: float | None = None
) -> str:
    """True reward against sqrt(KL): points, fit, band and peak; the proxy beside it where it is known."""

    def draw(axes: Axes) -> None:
        distance = np.sqrt(bands.kl_G)
        axes.fill_between(distance, bands.low_G, bands.high_G, color=SERIES[0], alpha=0.2, linewidth=0)
        axes.plot(distance, bands.middle_G, color=SERIES[0], label="true reward, fitted")
        axes.plot(np.sqrt(kl_P), gold_P, ".", color=SERIES[0], markersize=4, label="true reward")
        if proxy_P is not None:
            axes.plot(np.sqrt(kl_P), proxy_P, ".", color=SERIES[1], markersize=4, label="proxy reward")
        if bands.fit.peak_distance <= float(distance.max()):
            axes.axvline(bands.fit.peak_distance, color=INK, linestyle="--", linewidth=1, label="peak")
        if predicted is not None and predicted <= float(distance.max()):
            axes.axvline(predicted, color=SERIES[2], linestyle=":", linewidth=1.6, label="peak, predicted")
        axes.set_xlabel("distance from the reference (square root of KL, nats)")
        axes.set_ylabel("reward gained")
        axes.legend(**LEGEND)

    description = (
        f"True reward against the square root of KL; fitted peak at {bands.fit.peak_distance:.2f}, "
        f"gain there {float(bands.middle_G.max()):.2f}"
    )
    return page_picture("audit-overoptimization", description, draw, WIDE)


def forecast_picture(
    rater_share: float,
    reference_share: float,
    measured: Sequence[tuple[float, Estimate]] = (),
    beta: float | None = None,
) -> str:
    """The forecast share against beta, with measured shares and their intervals."""

    def draw(axes: Axes) -> None:
        grid = np.geomspace(0.05, 5, 120)
        axes.plot(
            grid,
            [forecast(rater_share, reference_share, one) for one in grid],
            color=SERIES[0],
            label="forecast",
        )
        axes.axhline(rater_share, color=SERIES[2], linestyle="--", linewidth=1, label="raters")
        axes.axhline(reference_share, color=SERIES[4], linestyle=":", linewidth=1, label="reference")
        for place, (at, share) in enumerate(measured):
            error = [[share.value - share.low], [share.high - share.value]]
            label = "measured" if place == 0 else None
            axes.errorbar([at], [share.value], yerr=error, fmt="o", color=SERIES[1], capsize=3, label=label)
        if beta is not None:
            axes.axvline(beta, color=INK, linewidth=0.8)
        axes.set_xscale("log")
        axes.set_xticks(BETAS, [f"{one:g}" for one in BETAS])
        axes.set_xticks([], minor=True)
        axes.set_ylim(0, 1.02)
        _percent(axes)
        axes.set_xlabel("weight of the KL penalty (beta)")
        axes.set_ylabel("share of the favoured style")
        axes.legend(**LEGEND)

    told = ", ".join(
        f"{forecast(rater_share, reference_share, one):.1%} at beta {one}" for one in (1, 0.5, 0.2)
    )
    return page_picture("audit-forecast", f"Forecast share against beta: {told}", draw, SMALL)


def meter_picture(found: Meter) -> str:
    """Shares of an attribute in the reference, the raters' choices and the policy."""
    parts = [("reference", found.reference), ("raters' choices", found.raters), ("policy", found.policy)]
    return _points_picture("audit-meter", parts, f"share of {found.attribute}", None, SMALL)


def distortion_picture(links: Sequence[Link]) -> str:
    """Agreement link by link: where the line falls, the message is lost."""
    parts = [(fill(LINKS[link.name], 20), link.accuracy) for link in links]
    return _points_picture("audit-distortion", parts, "pairs ordered alike", 0.5, WIDE)


def rewards_picture(reference_B: Floats, policy_B: Floats) -> str:
    """How rewards are spread over the reference's answers and over the policy's."""

    def draw(axes: Axes) -> None:
        edges = np.histogram_bin_edges(np.concatenate([reference_B, policy_B]), 30).tolist()
        for values, name, colour in ((reference_B, "reference", SERIES[0]), (policy_B, "policy", SERIES[1])):
            axes.hist(values, edges, color=colour, alpha=0.5, label=name)
        axes.set_xlabel("reward of an answer")
        axes.set_ylabel("answers")
        axes.legend(**LEGEND)

    told = f"mean {reference_B.mean():.2f} of the reference, {policy_B.mean():.2f} of the policy"
    return page_picture("audit-rewards", f"Rewards of answers: {told}", draw, SMALL)


def opinion_picture(reward: Estimate, people: Estimate) -> str:
    """How often the policy's answer is called the better one, by the reward and by people."""
    parts = [("the reward", reward), ("people", people)]
    return _points_picture("audit-opinion", parts, "policy's answer is better", None, SMALL)


def attributes_picture(meters: Sequence[Meter]) -> str:
    """The share of each attribute in the reference's and in the policy's answers."""

    def draw(axes: Axes) -> None:
        places = np.arange(len(meters))[::-1]
        for offset, name, colour in ((0.2, "reference", SERIES[0]), (-0.2, "policy", SERIES[1])):
            values = [getattr(one, name).value for one in meters]
            axes.barh(places + offset, values, height=0.38, color=colour, label=name)
        axes.set_yticks(places, [one.attribute.replace("_", " ") for one in meters])
        axes.set_xlim(0, 1.02)
        axes.set_xlabel("share of answers")
        axes.legend(**LEGEND)

    told = ", ".join(f"{one.attribute} {one.reference.value:.0%} to {one.policy.value:.0%}" for one in meters)
    return page_picture("audit-attributes", f"Shares before and after: {told}", draw, SMALL)


def _points_picture(
    name: str,
    parts: Sequence[tuple[str, Estimate]],
    label: str,
    chance: float | None,
    size: tuple[float, float],
) -> str:
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
        _percent(axes)
        axes.set_ylabel(label)

    told = ", ".join(f"{title} {part.value:.1%}".replace("\n", " ") for title, part in parts)
    return page_picture(name, f"{label}: {told}", draw, size)


def _bars(axes: Axes, names: Sequence[str], values: Sequence[float], colour: str) -> None:
    """Horizontal bars that stay slim when there are few."""
    axes.barh(names, values, color=colour, height=0.6)
    axes.set_ylim(-0.8, max(3.0, len(names)) - 0.2)


def _percent(axes: Axes) -> None:
    from matplotlib.ticker import FuncFormatter

    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.4g}%"))


def budget_picture(curves: Sequence[LabelCurve]) -> str:
    """Gold reached against rankings used, one line a strategy."""

    def draw(axes: Axes) -> None:
        for curve, colour in zip(curves, SERIES, strict=False):
            axes.plot(curve.rankings, curve.gold, color=colour, label=curve.strategy)
        axes.set_xlabel("rankings")
        axes.set_ylabel("share of the best")
        axes.legend(**LEGEND)

    told = ", ".join(f"{curve.strategy} {curve.gold[-1]:.3f} after {curve.rankings[-1]}" for curve in curves)
    return page_picture("audit-budget", f"Gold reached: {told}", draw, SMALL)


def remedies_picture(outcomes: Sequence[Outcome], target: float) -> str:
    """What each remedy keeps of the reward when it brings the share to the target."""

    def draw(axes: Axes) -> None:
        names = [outcome.remedy.replace("_", " ") for outcome in outcomes][::-1]
        _bars(axes, names, [outcome.gain for outcome in outcomes][::-1], SERIES[2])
        axes.set_xlabel(f"reward gain kept at a share of {target:.0%} (1: all)")

    told = ", ".join(f"{outcome.remedy} {outcome.gain:.0%}" for outcome in outcomes)
    return page_picture("audit-remedies", f"Reward gain kept: {told}", draw, SMALL)


def roc_picture(records: Sequence[Record]) -> str:
    """Detection against false alarms up to the onset, one line a signal."""

    def draw(axes: Axes) -> None:
        # Colours come round a second time with dashes: there are more signals than colours.
        looks = [(colour, dash) for dash in ("-", "--") for colour in SERIES]
        for record, (colour, dash) in zip(records, looks, strict=False):
            axes.step(
                *zip(*record.roc, strict=True),
                where="post",
                color=colour,
                linestyle=dash,
                label=record.signal.replace("_", " "),
            )
        axes.plot([0, 1], [0, 1], color=INK, linestyle=":", linewidth=1)
        axes.set_xlabel("false alarms on clean runs")
        axes.set_ylabel("alarms by the onset")
        axes.legend(**LEGEND)

    told = ", ".join(f"{record.signal} {record.area:.2f}" for record in records)
    return page_picture("audit-roc", f"Area under the ROC up to the onset: {told}", draw, WIDE)
