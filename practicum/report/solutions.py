"""What the model wrote: the same held-out problems after every stage, and answers along practice."""

from __future__ import annotations

from collections.abc import Sequence

from practicum.report import words
from practicum.report.runs import Json, ReportedRun, StageRun, dig, number

SOLUTIONS_SHOWN = (("fixed", 3), ("still wrong", 2), ("lost", 1), ("kept", 1), ("not judged", 3))
MAX_CHARACTERS = 900


def chosen_solutions(run: ReportedRun) -> Json | None:
    """The same held-out problems after every stage, chosen for variety: fixed, still wrong, lost, kept.

    Within each kind they are taken at even distances, so that nothing is picked for its beauty.
    """
    stages = [name for name in run.stages if examples(run.stages[name])]
    if not stages:
        return None
    answers = [examples(run.stages[stage]) for stage in stages]
    prompts = [prompt for prompt in answers[-1] if all(prompt in found for found in answers)]
    kinds: dict[str, list[str]] = {}
    for prompt in prompts:
        kinds.setdefault(_kind(stages, [found[prompt] for found in answers]), []).append(prompt)
    chosen = [
        (kind, prompt) for kind, count in SOLUTIONS_SHOWN for prompt in evenly(kinds.get(kind, []), count)
    ]
    return {
        "stages": stages,
        "counts": {kind: len(found) for kind, found in kinds.items()},
        "total": len(prompts),
        "rows": [
            {"kind": kind, "prompt": prompt.strip(), "answers": [found[prompt] for found in answers]}
            for kind, prompt in chosen
        ],
    }


def evenly(items: Sequence[str], count: int) -> list[str]:
    """At most `count` of the items, at even distances, the first one included."""
    taken = min(count, len(items))
    return [items[place * len(items) // taken] for place in range(taken)]


def _kind(stages: Sequence[str], answers: Sequence[Json]) -> str:
    """How a problem fared from before practice (else the first stage) to the last stage."""
    start = answers[stages.index("sft")] if "sft" in stages else answers[0]
    if not (start["judged"] and answers[-1]["judged"]):
        return "not judged"
    was, now = start["right"], answers[-1]["right"]
    return {(False, True): "fixed", (True, False): "lost", (True, True): "kept"}.get(
        (was, now), "still wrong"
    )


def examples(stage: StageRun) -> dict[str, Json]:
    """The shown answers of a stage's examination by prompt."""
    found: dict[str, Json] = {}
    for part in ("whole", "family"):
        for example in dig(stage.examination, part, "examples") or []:
            if isinstance(example, dict) and example.get("prompt"):
                found.setdefault(str(example["prompt"]), written(example))
    return found


def written(row: Json) -> Json:
    """A completion with its judgement, ready to show; very long texts are cut, and say so."""
    text, outcome = spoken(row).rstrip("\n"), str(row.get("outcome", ""))
    hidden = len(text) - MAX_CHARACTERS
    return {
        "prompt": str(row.get("prompt", "")).strip(),
        "text": text if hidden <= 0 else f"{text[:MAX_CHARACTERS]} … ({hidden} more characters)",
        "outcome": words.OUTCOME_TITLES.get(outcome, outcome),
        "right": bool(row.get("solved", outcome == "correct")),
        "judged": row.get("solved", outcome) is not None,
        "reason": "; ".join(filter(None, [str(row.get("reason", "")), looks_like(row)])),
        "reward": number(row.get("reward")),
        "advantage": number(row.get("advantage")),
    }


def looks_like(row: Json) -> str:
    """The kinds of exploiting texts that the count beside the run took a sample for; empty where none."""
    kinds = row.get("known")
    names = [str(name).replace("_", " ") for name in kinds] if isinstance(kinds, list) else []
    return f"looks like {', '.join(name for name in names if ':' not in name)}" if names else ""


def spoken(row: Json) -> str:
    """A completion; a conversation turn by turn, what the task said on lines of its own."""
    turns = row.get("turns")
    if not isinstance(turns, list):
        return str(row.get("completion", ""))
    parts = []
    for turn in turns:
        said = str(dig(turn, "text") or "").rstrip("\n")
        parts.append(f"→ {said}" if dig(turn, "from") == "task" else said)
    return "\n".join(parts)


def practice_texts(run: ReportedRun) -> list[Json]:
    """What was written early, midway and late: the best and the worst paid row of the first such step."""
    stage = run.stages.get("rl") or next(reversed(run.stages.values()))
    steps = sorted({int(row["step"]) for row in stage.samples if number(row.get("step")) is not None})
    if not steps:
        return []
    chosen = dict.fromkeys((steps[0], steps[len(steps) // 2], steps[-1]))
    shown = []
    for step in chosen:
        rows = [written(row) for row in stage.samples if row.get("step") == step]
        rows.sort(key=lambda row: (row["reward"] or 0.0, row["advantage"] or 0.0), reverse=True)
        shown.append({"step": step, "rows": rows[:1] + rows[-1:] if len(rows) > 1 else rows})
    return shown
