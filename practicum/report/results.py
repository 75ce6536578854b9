"""What a run reached, as tables: stages, teaching or sharpening, seeds and controls, behaviours, slices.

Every function answers None, or an empty list, where the run's files do not hold what it needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from practicum.report import words
from practicum.report.figures import practice_metric
from practicum.report.runs import Json, ReportedRun, dig, interval, number


def stage_rows(run: ReportedRun, others: Sequence[ReportedRun] = ()) -> list[Json]:
    """The table of stages of a demo: accuracy, seed family, pass@k, each None where it was not measured.

    `seeds` holds the accuracies of this run and of the other seeds paid with the same reward.
    """
    if not run.whole:
        return []
    rows = []
    for stored in run.summary["stages"]:
        # Human feedback is about jokes: it has a section of its own and no place among equations.
        if stored["name"] == "rlhf" and "human_feedback" in run.summary:
            continue
        whole = examination(run, stored["name"], "whole")
        sampled = pass_rates(whole) or pass_rates({"sampled": stored.get("pass_at_k")})
        repeats = [run, *(other for other in others if other.control == run.control)]
        reached = (number(dig(examination(one, stored["name"], "whole"), "accuracy")) for one in repeats)
        rows.append(
            {
                "name": stored["name"],
                "seeds": [accuracy for accuracy in reached if accuracy is not None],
                "accuracy": number(stored.get("accuracy")),
                "ci95": interval(stored.get("ci95")),
                "reward": number(dig(stored, "reward", "mean")),
                "reward_ci95": interval(dig(stored, "reward", "ci95")),
                "n": number(stored.get("n")),
                "family": number(stored.get("family_accuracy")),
                "family_ci95": interval(stored.get("family_ci95")),
                "first": sampled.get(1),
                "many": sampled.get(max(sampled, default=0)),
                "k": max(sampled, default=0),
                "sampled_n": number(dig(whole, "sampled", "n")),
                "iterations": number(stored.get("iterations")),
                "seconds": number(stored.get("seconds")),
            }
        )
    return rows


def feedback(run: ReportedRun) -> Json | None:
    """What human feedback cost and bought, as rows (measure, before, after), and what its audit says."""
    found = run.summary.get("human_feedback")
    if not isinstance(found, dict):
        return None
    rows = [
        (title, *found[name])
        for name, title in (("proxy", "reward by the model of people"), ("gold", "people's true utility"))
    ]
    shares = [
        (title, *found[name])
        for name, title in (("correct", "well-formed jokes"), ("puns", "puns among them"))
    ]
    return {
        "rows": rows,
        "shares": shares,
        "accuracy": dig(found, "reward_model", "accuracy"),
        "ci95": interval(dig(found, "reward_model", "ci95")),
        "ceiling": number(dig(found, "reward_model", "ceiling", "accuracy")),
        "ceiling_between": interval([dig(found, "reward_model", "ceiling", end) for end in ("low", "high")]),
        "ece": number(dig(found, "reward_model", "ece")),
        "ece_floor": number(dig(found, "reward_model", "ece_floor")),
        "ratings": found["ratings"],
        "dollars": found["dollars"],
        "kl": found["kl_completion"],
        "audit": found["audit"],
        "audit_report": found["audit_report"],
    }


def headline(run: ReportedRun) -> str | None:
    """What practice did to accuracy, in one sentence."""
    rows = {row["name"]: row for row in stage_rows(run)}
    before, after = rows.get("sft"), rows.get("rl")
    if before is None or after is None or before["accuracy"] is None or after["accuracy"] is None:
        return None
    numbers = (
        f"from {words.percent(before['accuracy'])} to {words.percent(after['accuracy'])} of held-out problems"
    )
    return {
        "rose": f"Practice raised accuracy {numbers}; the 95% intervals do not overlap.",
        "fell": f"Practice lowered accuracy {numbers}; the 95% intervals do not overlap.",
    }.get(
        words.change(before["ci95"], after["ci95"]),
        f"Practice moved accuracy {numbers}; the 95% intervals overlap, so this may be chance.",
    )


def teaching(run: ReportedRun) -> Json | None:
    """pass@1 and pass@k before and after practice, and whether practice taught or only sharpened."""
    before, after = examination(run, "sft", "whole"), examination(run, "rl", "whole")
    rates_before, rates_after = pass_rates(before), pass_rates(after)
    common = sorted(set(rates_before) & set(rates_after))
    if len(common) < 2:
        return None
    k = common[-1]
    stored = [
        dig(examined, "sampled", "ci95", f"pass@{key}") for examined in (before, after) for key in (1, k)
    ]
    bounds = [found for found in map(interval, stored) if found is not None]
    if len(bounds) < len(stored):
        return None
    verdict = words.teaching_verdict(*bounds)
    return {
        "k": k,
        "verdict": verdict,
        "sentence": words.teaching_sentence(verdict, k, rates_before[k] > 0.95),
        "rows": [
            ("before practice", rates_before[1], bounds[0], rates_before[k], bounds[1]),
            ("after practice", rates_after[1], bounds[2], rates_after[k], bounds[3]),
        ],
        "n": number(dig(after, "sampled", "n")),
    }


def pass_rates(examined: Any) -> dict[int, float]:
    """pass@k of an examination by k."""
    found = {}
    for key, value in (dig(examined, "sampled") or {}).items():
        name, _, k = key.partition("@")
        share = number(value)
        if name == "pass" and k.isdecimal() and share is not None:
            found[int(k)] = share
    return found


def examination(run: ReportedRun, stage: str, part: str) -> Any:
    """`whole` or `family` of a stage's examination; None when the run has none."""
    return dig(run.stages[stage].examination, part) if stage in run.stages else None


def comparison(runs: Sequence[ReportedRun]) -> Json | None:
    """Every run's gain from practice, and what the true reward gained over each control.

    The gain is the share of right answers in the last tenth of practice minus that in the first tenth, which
    every practice run has; where the run was examined, accuracy before and after practice stands beside it.
    """
    metric = practice_metric(runs)
    rows, gains = [], dict[str, list[float]]()
    for run in runs:
        points = run.stages["rl"].series(metric) if "rl" in run.stages else []
        if not points:
            continue
        tenth = max(1, len(points) // 10)
        first = sum(value for _, value in points[:tenth]) / tenth
        last = sum(value for _, value in points[-tenth:]) / tenth
        gains.setdefault(run.control, []).append(last - first)
        rows.append(
            {
                "label": run.label,
                "seed": run.seed,
                "control": run.control,
                "first": first,
                "last": last,
                "gain": last - first,
                "before": number(dig(examination(run, "sft", "whole"), "accuracy")),
                "after": number(dig(examination(run, "rl", "whole"), "accuracy")),
            }
        )
    if not rows:
        return None
    groups = [
        {
            "control": control,
            "runs": len(values),
            "mean": sum(values) / len(values),
            "low": min(values),
            "high": max(values),
            "over": sum(gains["none"]) / len(gains["none"]) - sum(values) / len(values)
            if control != "none" and "none" in gains
            else None,
        }
        for control, values in gains.items()
    ]
    return {"rows": rows, "groups": groups, "metric": words.meaning(metric).title, "tenth": tenth}


def behaviour_rows(run: ReportedRun, runs: Sequence[ReportedRun]) -> Json | None:
    """Each behaviour's share after each stage with its interval, and whether practice made it rise."""
    stages = [
        name for name in run.stages if isinstance(dig(examination(run, name, "whole"), "behaviours"), dict)
    ]
    if not stages:
        return None
    names = list(examination(run, stages[-1], "whole")["behaviours"])
    rows = []
    for name in names:
        cells = [behaviour_of(run, stage, name) for stage in stages]
        before, after = behaviour_of(run, "sft", name), behaviour_of(run, "rl", name)
        repeats = [
            one for one in runs if one.control == run.control and behaviour_of(one, "rl", name)[0] is not None
        ]
        rose = [
            one
            for one in repeats
            if words.change(behaviour_of(one, "sft", name)[1], behaviour_of(one, "rl", name)[1]) == "rose"
        ]
        rows.append(
            {
                "metric": f"behaviour/{name}",
                "cells": cells,
                "change": words.change(before[1], after[1]),
                "before": before,
                "after": after,
                "rose": len(rose),
                "repeats": len(repeats),
            }
        )
    return {"stages": stages, "rows": rows}


def behaviour_of(run: ReportedRun, stage: str, name: str) -> tuple[float | None, tuple[float, float] | None]:
    """A behaviour's share and interval in the greedy examination of a stage."""
    found = dig(examination(run, stage, "whole"), "behaviours", name)
    return number(dig(found, "share")), interval(dig(found, "ci95"))


def slice_groups(run: ReportedRun) -> Json | None:
    """Accuracy by the problems' labels after each stage; a label with one value only tells nothing."""
    parts = (("whole", ""), ("family", f" within {words.METRICS['family_accuracy'].title}"))
    stages = [name for name in run.stages if isinstance(dig(examination(run, name, "whole"), "slices"), dict)]
    groups = []
    for part, where in parts:
        found: dict[str, dict[str, list[Any]]] = {}
        for place, stage in enumerate(stages):
            for key, cell in (dig(examination(run, stage, part), "slices") or {}).items():
                label, _, value = key.partition("=")
                cells = found.setdefault(label, {}).setdefault(value, [None] * len(stages))
                cells[place] = {
                    "accuracy": number(dig(cell, "accuracy")),
                    "ci95": interval(dig(cell, "ci95")),
                    "n": number(dig(cell, "n")),
                }
        groups += [slice_group(label, where, stages, rows) for label, rows in found.items() if len(rows) > 1]
    return {"stages": stages, "groups": groups} if groups else None


def slice_group(label: str, where: str, stages: Sequence[str], found: dict[str, list[Any]]) -> Json:
    """One heat table, and which of its rows practice clearly raised."""
    rows = {words.SLICE_TITLES.get(f"{label}={value}", value): cells for value, cells in found.items()}
    rose, measured = [], "sft" in stages and "rl" in stages
    for title, cells in rows.items():
        before, after = (
            dig(cells[stages.index(name)], "ci95") if measured else None for name in ("sft", "rl")
        )
        if words.change(before, after) == "rose":
            rose.append(title)
    return {
        "label": f"by {words.SLICE_TITLES.get(label, label)}{where}",
        "rows": rows,
        "rose": rose,
        "measured": measured,
    }
