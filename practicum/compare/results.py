"""What a comparison found: a reader of its folder, from which table, page and JSON are made.

Suffixes: R runs (seeds), C problems.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from practicum.compare.config import CompareConfig
from practicum.compare.curves import curve_of
from practicum.compare.member import ANSWERS, EXAMINATION, run_folder
from practicum.compare.plan import START, Member, Plan, answers_read, changes_of
from practicum.compare.statistics import (
    Answers,
    Difference,
    middle_of_answers,
    paired_difference,
    probability_of_improvement,
)
from practicum.errors import InputError
from practicum.files import read_json, read_rows
from practicum.stats import holm
from practicum.training.evaluate import LABELS, pass_at_k

Json = dict[str, Any]
Row = Mapping[str, Any]
AGAIN = "remove it to have the run examined again"
ALPHA = 0.05
NOISE = "noise"
ONE_SEED = "one seed"
"""What is said of a difference that the test does not find, and of one that it cannot test."""
MUCH_ALIKE = 0.3
"""Share of answers with one ending from which that is told; the most common of few classes has more."""
LONGEST_ENDING = 60
SENTENCE_ENDS = re.compile(r"(?<=[.?!])\s+|(?<=[。？！])(?=.)")
"""Where a sentence ends and another follows; a full stop without a space behind it may be in a number."""
POWERS = (1, 2, 4, 8, 16, 32, 64, 128)


@dataclass(frozen=True)
class Examined:
    """The rows of a recipe's examined runs by seed, every run asked the same, and what each run cost."""

    member: Member
    rows: Mapping[int, Sequence[Row]]
    costs: Mapping[int, Json]


def results(folder: Path, plan: Plan, config: CompareConfig, failed: Mapping[str, str]) -> Json:
    """The comparison as plain values, for summary.json. Raises InputError where nothing is examined yet."""
    seeds = config.seeds
    start_rows = read_rows(run_folder(folder, START, 0) / ANSWERS) if not failed.get(START) else []
    members = [examined_runs(folder, member, seeds) for member in plan.members]
    present = [one for one in members if one.rows]
    if not present:
        raise InputError(
            f"{folder}: no run was brought to its end: {next(iter(failed.values()), 'resume it')}"
        )
    every = [*([start_rows] if start_rows else []), *(rows for one in present for rows in one.rows.values())]
    measure, score, kept = chosen_measure(config.measure, every)
    notes = list(plan.notes)
    if len(kept) < len(every[0]):
        notes.append(
            f"{len(kept)} of {len(every[0])} problems are judged in every run: the figures are of those"
        )
    scored = {
        one.member.name: {seed: [score(rows[place]) for place in kept] for seed, rows in one.rows.items()}
        for one in present
    }
    shape = [every[0][place] for place in kept]
    whole = {name: answers_of(shape, list(found.values())) for name, found in scored.items()}
    start = answers_of(shape, [[score(start_rows[place]) for place in kept]]) if start_rows else None
    found = [_member_row(one, whole[one.member.name], folder, measure) for one in present]
    if start is not None:
        add_gains(found, whole, start)
    notes += [note for one in present for note in gone_on_with(one)]
    before = common_ending([start_rows]) if start_rows else None
    notes += endings_told(found, before)
    pairs = pairs_of(shape, scored, config.against)
    add_places(found, pairs, config.against)
    return {
        "measure": measure,
        "problems": len(kept),
        "distinct_problems": len({row["problem"] for row in shape}),
        "samples": plan.samples,
        "seeds": list(seeds),
        "against": config.against,
        "start": None if start is None else {"value": float(start.run_means[0]), "ending": before},
        "members": sorted(found, key=lambda row: -row["final"]["value"]),
        "pairs": pairs,
        "failed": dict(failed),
        "notes": notes,
    }


def examined_runs(folder: Path, member: Member, seeds: Sequence[int]) -> Examined:
    """What is there of a member's runs."""
    rows, costs = {}, {}
    for seed in seeds:
        place = run_folder(folder, member.name, seed)
        if (place / EXAMINATION).exists():
            read_json(place / EXAMINATION, AGAIN)
            rows[seed], costs[seed] = read_rows(place / ANSWERS), cost_of(place, member)
    return Examined(member, rows, costs)


def gone_on_with(one: Examined) -> list[str]:
    """What to say of runs that somebody has continued: they are no longer of the budget of the others."""
    longer = [str(seed) for seed, cost in one.costs.items() if cost["steps"] > one.member.steps]
    if not longer:
        return []
    return [
        f"{one.member.name} seed {', '.join(longer)} was continued beyond its {one.member.steps:,} steps: "
        "its costs and its curve go beyond the budget, and so does what was examined after that"
    ]


def cost_of(place: Path, member: Member) -> Json:
    """Seconds, tokens, iterations and completions of one run."""
    metrics = read_rows(place / "metrics.jsonl")
    last = metrics[-1]
    each = 0
    if member.command == "rl":
        each = member.config.prompts_per_step * member.config.group_size
    return {
        "seconds": last["total_seconds"],
        "tokens": last.get("total_tokens"),
        "steps": len(metrics),
        "completions": sum(int(row.get("completions", each)) for row in metrics),
    }


def chosen_measure(
    wanted: str, every: Sequence[Sequence[Row]]
) -> tuple[str, Callable[[Row], float], list[int]]:
    """(accuracy or reward, the score of a row, places of the rows that have one in every run)."""
    problems = [row["problem"] for row in every[0]]
    if any([row["problem"] for row in rows] != problems for rows in every):
        raise InputError("runs were not examined on the same problems: begin again with another --run")
    judged = [
        place for place in range(len(problems)) if all(rows[place]["solved"] is not None for rows in every)
    ]
    if wanted == "accuracy" and not judged:
        raise InputError(
            "measure accuracy: the task does not say which answers are right: use --measure reward"
        )
    if wanted == "reward" or not judged:
        return "reward", lambda row: float(row["reward"]), list(range(len(problems)))
    return "accuracy", lambda row: float(row["solved"]), judged


def answers_of(shape: Sequence[Row], scores: Sequence[Sequence[float]]) -> Answers:
    """Scores of runs, each in the order of the rows in `shape`, added up by problem."""
    _, number = np.unique([row["problem"] for row in shape], return_inverse=True)
    sizes_C = np.bincount(number).astype(np.float64)
    sums_RC = np.stack([np.bincount(number, np.asarray(run, dtype=np.float64)) for run in scores])
    label = next((name for name in LABELS if all(name in row for row in shape)), None)
    kinds = [str(row[label]) if label else "" for row in shape]
    _, kind = np.unique(kinds, return_inverse=True)
    strata_C = np.zeros(len(sizes_C), dtype=np.int64)
    strata_C[number] = kind
    return Answers(sums_RC.astype(np.float64), sizes_C, strata_C)


# --------------------------------------------------------------------------------------------------- members


def _member_row(one: Examined, answers: Answers, folder: Path, measure: str) -> Json:
    """Everything about one recipe by itself."""
    member = one.member
    costs = list(one.costs.values())
    middle = middle_of_answers(answers)
    level = paired_difference(answers, _nothing(answers))
    return {
        "name": member.name,
        "command": member.command,
        "method": member.method,
        "changes": changes_of(member),
        "seeds": list(one.rows),
        "final": middle.json(),
        "mean": {"value": level.value, "low": level.low, "high": level.high},
        "per_seed": dict(zip(map(str, one.rows), answers.run_means.tolist(), strict=True)),
        "pass_at_k": pass_rates(list(one.rows.values())),
        "ending": common_ending(list(one.rows.values())),
        "planned_completions": member.completions,
        "answers_read": answers_read(member) if member.command == "dpo" else None,
        "cost": {name: _mean([cost[name] for cost in costs]) for name in costs[0]},
        "curve": curve_of(folder, member, list(one.rows), measure),
    }


def _nothing(answers: Answers) -> Answers:
    return Answers(np.zeros_like(answers.sums_RC), answers.sizes_C, answers.strata_C)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def pass_rates(runs: Sequence[Sequence[Row]]) -> dict[str, dict[str, float]]:
    """pass@k over runs, with intervals; of the problems whose samples are judged in every run."""
    asked = [
        place
        for place, row in enumerate(runs[0])
        if row.get("samples") and all(rows[place].get("right") is not None for rows in runs)
    ]
    if not asked:
        return {}
    samples = runs[0][asked[0]]["samples"]
    shape = [runs[0][place] for place in asked]
    found = {}
    for k in (power for power in POWERS if power <= samples):
        scores = [[pass_at_k(samples, rows[place]["right"], k) for place in asked] for rows in runs]
        found[f"pass@{k}"] = middle_of_answers(answers_of(shape, scores)).json()
    return found


def common_ending(runs: Sequence[Sequence[Row]]) -> Json:
    """How alike a run's greedy answers end: the share of the commonest last sentence, the mean over runs.

    `text` is that of the run with the largest share: each run may have come to a sentence of its own.
    """
    found = []
    for rows in runs:
        text, count = Counter(last_sentence(str(row["completion"])) for row in rows).most_common(1)[0]
        found.append((count / len(rows), text))
    return {"text": max(found)[1], "share": fmean(share for share, _ in found)}


def last_sentence(text: str) -> str:
    """The last sentence of the last line, which is the whole line where no other ends in it."""
    line = text.strip().rpartition("\n")[2]
    return SENTENCE_ENDS.split(line)[-1]


def endings_told(found: Sequence[Json], before: Json | None) -> list[str]:
    """What to say of recipes whose models answer the same to many problems, which no figure shows.

    `before` is the ending of the model that all began with, which may have done so too; None where unknown.
    """
    beside = f" (the model that all began with {before['share']:.0%})" if before else ""
    return [
        f"{row['name']} ends {row['ending']['share']:.0%} of a run's greedy answers alike{beside}, as in "
        f"{row['ending']['text'][:LONGEST_ENDING]!r}: read its answers.jsonl"
        for row in found
        if row["ending"]["share"] >= MUCH_ALIKE
    ]


def add_gains(found: Sequence[Json], whole: Mapping[str, Answers], start: Answers) -> None:
    """Give each row of `found` its difference to the model that all began with, tested together (Holm)."""
    gaps = []
    for row in found:
        mine = whole[row["name"]]
        same = np.repeat(start.sums_RC, mine.sums_RC.shape[0], 0)
        gaps.append(paired_difference(mine, Answers(same, mine.sizes_C, mine.strata_C)))
    for row, told in zip(found, with_verdicts(gaps), strict=True):
        verdict = told["verdict"]
        row["gain"] = told | {"verdict": {"first": "above", "second": "below"}.get(verdict, verdict)}


# ----------------------------------------------------------------------------------------------------- pairs


def pairs_of(
    shape: Sequence[Row], scored: Mapping[str, Mapping[int, Sequence[float]]], against: str = ""
) -> list[Json]:
    """Every pair of recipes on the seeds that both have: difference, p, and what is to be made of it.

    `against`: only the pairs of this one, which then stands second.
    """
    rows, gaps = [], []
    chosen = list(combinations(scored, 2))
    if against:
        chosen = [(name, against) for name in scored if name != against and against in scored]
    for one, other in chosen:
        seeds = [seed for seed in scored[one] if seed in scored[other]]
        if not seeds:
            continue
        first, second = (answers_of(shape, [scored[name][seed] for seed in seeds]) for name in (one, other))
        gaps.append(paired_difference(first, second))
        better = probability_of_improvement(first.run_means, second.run_means)
        rows.append({"first": one, "second": other, "seeds": seeds, "improvement": better.json()})
    return [row | told for row, told in zip(rows, with_verdicts(gaps), strict=True)]


def with_verdicts(gaps: Sequence[Difference]) -> list[Json]:
    """Differences with p adjusted for their number (Holm 1979), and the verdict: first, second or noise."""
    known = [gap.p for gap in gaps if gap.p is not None]
    adjusted = iter(holm(known).tolist())
    rows = []
    for gap in gaps:
        holm_p = None if gap.p is None else next(adjusted)
        rows.append({**asdict(gap), "holm_p": holm_p, "verdict": verdict_of(gap, holm_p)})
    return [{"difference": row.pop("value"), **row} for row in rows]


def verdict_of(gap: Difference, holm_p: float | None) -> str:
    """first or second where the test decides for one, else noise; one seed is tested by nothing."""
    if holm_p is None:
        return ONE_SEED
    if holm_p > ALPHA or gap.value == 0:
        return NOISE
    return "first" if gap.value > 0 else "second"


def add_places(found: Sequence[Json], pairs: Sequence[Json], against: str = "") -> None:
    """Give each row of `found` its standing beside the best, or beside `against`.

    That is `best` (or `itself`), ahead, behind, noise, or one seed; none where the other has no run.
    """
    best = against or max(found, key=lambda row: row["final"]["value"])["name"]
    for row in found:
        if row["name"] == best:
            row["beside"] = "itself" if against else "best"
            continue
        pair = next((one for one in pairs if {one["first"], one["second"]} == {best, row["name"]}), None)
        said = "none" if pair is None else pair["verdict"]
        if pair is not None and said in ("first", "second"):
            said = "behind" if pair[said] == best else "ahead"
        row["beside"] = said
