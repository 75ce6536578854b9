"""The page's pictures with their words: title, caption, and a description for those who do not see them."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from practicum.report import figures, words
from practicum.report.figures import Estimate, practice_metric, stage_curves
from practicum.report.results import stage_rows
from practicum.report.runs import Json, ReportedRun

WORTH_A_PICTURE = 0.1
"""A kind of exploit whose share never came so far has no curve."""


def figure(svg: str, caption: str, title: str = "") -> Json:
    """A picture with its words, for the template."""
    return {"svg": Markup(svg), "title": title, "caption": caption}


def hero_figures(run: ReportedRun, runs: Sequence[ReportedRun]) -> list[Json]:
    """The pictures of the first screen: the learning curve, and accuracy after each stage."""
    shown = []
    main = "rl" if "rl" in run.stages else next(reversed(run.stages))
    metric = practice_metric(runs) if main == "rl" else "loss"
    curves = stage_curves(runs, main, metric)
    if curves:
        # Drawn twice: letters that fit a wide screen are too small on a phone. The style sheet shows one.
        svg = "".join(
            f'<div class="{screen}">{metric_chart(f"hero-{screen}", metric, curves, main, size)}</div>'
            for screen, size in (("for-desk", figures.WIDE), ("for-phone", figures.SMALL))
        )
        caption = f"{words.meaning(metric).text} {curve_note(curves)}"
        shown.append(figure(svg, caption, f"The learning curve: {meaning_title(metric)}"))
    rows = [row for row in stage_rows(run) if row["accuracy"] is not None]
    if rows:
        labels = [str(words.STAGE_TITLES.get(row["name"], row["name"])) for row in rows]
        lines: dict[str, list[Estimate | None]] = {
            "all problems": [(row["accuracy"], row["ci95"]) for row in rows]
        }
        if any(row["family"] is not None for row in rows):
            lines[words.METRICS["family_accuracy"].title] = [
                None if row["family"] is None else (row["family"], row["family_ci95"]) for row in rows
            ]
        told = ", ".join(
            f"{label} {words.percent(row['accuracy'])}" for label, row in zip(labels, rows, strict=True)
        )
        svg = figures.stage_chart(
            "hero-stages", labels, lines, description=f"Accuracy after each stage: {told}"
        )
        note = "Accuracy on held-out problems; bars are 95% intervals."
        shown.append(figure(svg, note, "The examination after each stage"))
    return shown


def curve_figures(runs: Sequence[ReportedRun]) -> list[Json]:
    """Loss of exposition and worked problems; reward and outcomes of practice."""
    shown = []
    for stage in runs[0].stages:
        for metric in (
            ("loss", "reward") if stage != "rl" else dict.fromkeys(("reward", practice_metric(runs)))
        ):
            curves = stage_curves(runs, stage, metric)
            if not curves or (metric != "reward" and curves == stage_curves(runs, stage, "reward")):
                continue
            svg = metric_chart(f"curve-{stage}", metric, curves, stage)
            title = f"{words.STAGE_TITLES.get(stage, stage)}: {meaning_title(metric)}"
            shown.append(figure(svg, f"{words.meaning(metric).text} {curve_note(curves)}", title))
    practice = runs[0].stages.get("rl")
    if practice is not None:
        shown += [metric_figure(runs, "rl", name, "part") for name in practice.names(words.PART)]
    if practice is not None and practice.names("outcome/"):
        series = {name.partition("/")[2]: practice.series(name) for name in practice.names("outcome/")}
        ends = ", ".join(
            f"{words.meaning(f'outcome/{key}').title} {words.percent(rows[-1][1])}"
            for key, rows in series.items()
        )
        svg = figures.outcome_chart(
            "curve-outcomes", series, description=f"Outcomes of the last iteration: {ends}"
        )
        note = f"What became of the answers of each iteration, in {runs[0].label}. At the end: {ends}."
        shown.append(figure(svg, note, "Practice: outcomes"))
    return shown


def behaviour_figures(runs: Sequence[ReportedRun]) -> list[Json]:
    """Each behaviour's share over the iterations of practice."""
    practice = runs[0].stages.get("rl")
    return (
        [metric_figure(runs, "rl", name, "behaviour") for name in practice.names("behaviour/")]
        if practice
        else []
    )


def health_figures(runs: Sequence[ReportedRun]) -> list[Json]:
    """Signs of a healthy practice; for a single other stage those it has."""
    stage = "rl" if "rl" in runs[0].stages else next(reversed(runs[0].stages))
    shown = []
    exploits = [name for name in runs[0].stages[stage].names(words.EXPLOIT) if _matters(runs[0], stage, name)]
    for name in (*words.HEALTH, *exploits):
        values = [value for _, value in runs[0].stages[stage].series(name)]
        # Without a reference model the distance to it is logged as 0 throughout, which tells nothing.
        if values and (name != "kl" or any(values)):
            shown.append(metric_figure(runs, stage, name, "health"))
    return shown


def _matters(run: ReportedRun, stage: str, metric: str) -> bool:
    """Whether a share was ever high enough for a picture of its own."""
    return max((value for _, value in run.stages[stage].series(metric)), default=0.0) >= WORTH_A_PICTURE


def metric_figure(runs: Sequence[ReportedRun], stage: str, metric: str, kind: str) -> Json:
    """A small chart of one metric, its meaning below."""
    curves = stage_curves(runs, stage, metric)
    svg = metric_chart(kind, metric, curves, stage)
    title = meaning_title(metric)
    return figure(svg, words.meaning(metric).text, title[:1].upper() + title[1:])


def seed_equation(run: ReportedRun) -> Json | None:
    """The opening equation's verdict as the run recorded it, and the picture of its two sides."""
    stored = run.summary.get("seed_equation")
    if not isinstance(stored, dict):
        return None
    svg = figures.seed_equation_chart(
        "seed-equation",
        description="The left side 3 - (3+y)/y and the right side y as curves that never meet; "
        "at y = 1 the left side is -1, at y = 3 it is 1.",
    )
    caption = (
        "The two sides never meet: no real y solves the equation. Dotted: how far the claimed answers miss."
    )
    return {key: str(stored.get(key, "")) for key in ("equation", "claimed", "verdict", "reason")} | {
        "figure": figure(svg, caption)
    }


def metric_chart(
    name: str,
    metric: str,
    curves: Sequence[figures.Curve],
    stage: str,
    size: tuple[float, float] = figures.SMALL,
) -> str:
    """The SVG of one metric over one stage."""
    return figures.line_chart(
        f"{name}-{metric.replace('/', '-')}",
        curves,
        description=curve_description(metric, curves),
        y_label=meaning_title(metric),
        x_label=x_label(stage),
        share=words.meaning(metric).share,
        size=size,
    )


def meaning_title(metric: str) -> str:
    """A metric's name for people."""
    return words.meaning(metric).title


def x_label(stage: str) -> str:
    """What a step of this stage is called."""
    return "iteration of practice" if stage == "rl" else "update"


def curve_description(metric: str, curves: Sequence[figures.Curve]) -> str:
    """The picture in words, for those who do not see it: where each line starts and ends."""
    parts = []
    for curve in curves:
        steps, values = figures.spread(curve.repeats, 1)
        if steps:
            first, last = (words.metric_value(metric, sum(row) / len(row)) for row in (values[0], values[-1]))
            parts.append(f"{curve.label}: {first} at step {steps[0]}, {last} at step {steps[-1]}")
    return f"Line chart of {meaning_title(metric)}. " + "; ".join(parts)


def curve_note(curves: Sequence[figures.Curve]) -> str:
    """How to read the lines: moving average, band."""
    longest = max((len(points) for curve in curves for points in curve.repeats), default=0)
    window = figures.smoothing_window(longest)
    notes = [f"Bold: moving average over {window} steps."] if window > 1 else []
    seeds = max((len(curve.repeats) for curve in curves), default=0)
    if seeds > 1:
        notes.append(f"Line: mean of {seeds} seeds; band: from the lowest to the highest seed.")
    elif window > 1:
        notes.append("Faint: the single values.")
    return " ".join(notes)
