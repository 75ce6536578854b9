"""What watchers found about runs, in plain words: the guard, the count, the audit, the doctor, damaged files.

Read from the files that they write; nothing is computed anew but the signs of a run that stands still.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from practicum.report.dashboard.lines import Row, backward, row_of
from practicum.report.dashboard.samples import Sample, sample
from practicum.report.dashboard.small import small_json
from practicum.report.runs import dig, number
from practicum.training.dead import STEPS, signs_of_death

Severity = Literal["stop", "warn", "ok"]
AUDITS = ("audit.json", "audit/audit.json")
"""Where a run may have its audit."""
MOST_FILES = 200
MOST_READ = 1 << 24
"""Bytes of a checkpoint's record: the count keeps its looks at the truth there."""
MOST_SAMPLES = 6
ACTIONS = {
    "hold": "The run went back to the last step that could be trusted, and goes on with the KL held.",
    "roll_back": "The run went back to the last step that could be trusted, and ended there.",
    "stop": "The run was ended.",
    "ask": "The run was ended, and the prompts that people should rank first are in ask.jsonl.",
}
NEEDED, MOST_NAMED = ("reward", "loss"), 6
"""Metrics that every row has which has them at all; names in one sentence."""
VERDICTS: Mapping[str, Severity] = {"bad": "stop", "open": "warn", "good": "ok"}


@dataclass(frozen=True)
class Finding:
    """One thing that was found. `kind` is one that the sample browser can filter by, often empty."""

    source: str
    severity: Severity
    sentence: str
    remedy: str = ""
    step: int | None = None
    kind: str = ""
    samples: Sequence[Sample] = field(default_factory=tuple)


def findings_of(folder: Path, problems: Sequence[str] = (), over: bool = False) -> list[Finding]:
    """All that is known about the run in a folder, the worst first; `problems` are those of its files.

    Of a run that is `over` it is also told that nothing stood still.
    """
    summary = small_json(folder / "summary.json", [], needed=False)
    held = small_json(folder / "held.json", [], needed=False)
    found = [Finding("files", "stop", problem, _mend(problem)) for problem in problems]
    found += _guard(held, summary)
    found += _counted(_counted_so_far(folder, summary) or summary.get("known"))
    found += _last_steps(folder, over and "warnings" in summary and not summary["warnings"])
    for name in AUDITS:
        found += _audit(small_json(folder / name, [], needed=False))
    return sorted(found, key=lambda one: ("stop", "warn", "ok").index(one.severity))


def _mend(problem: str) -> str:
    if "cut" in problem and "jsonl" in problem:
        return "--resume continues the run from its newest checkpoint and mends the file"
    return ""


def _guard(held: Mapping[str, Any], summary: Mapping[str, Any]) -> Iterator[Finding]:
    last = summary.get("guard")
    last = last if isinstance(last, dict) else {}
    told = [one for one in (held, last) if one and dig(one, "action") not in (None, "go_on")]
    # A run that was held once says so in both files.
    alike = len(told) == 2 and told[0].get("sentence") == told[1].get("sentence")
    for one in told[: 1 if alike else 2]:
        action = str(one.get("action"))
        yield Finding(
            "guard",
            "warn" if action == "hold" else "stop",
            str(one.get("sentence") or "The guard raised an alarm."),
            ACTIONS.get(action, ""),
            _step(one),
            samples=_samples(one.get("samples")),
        )
    if last and not told:
        yield Finding("guard", "ok", str(last.get("sentence") or "The guard saw nothing unusual."))


def _counted(known: object) -> Iterator[Finding]:
    if not isinstance(known, dict):
        return
    ended = known.get("action") in ("stop", "ask")
    told = known.get("told")
    told = told if isinstance(told, dict) else {}
    for sentence, (kind, step) in _paired(known.get("sentences"), told):
        yield Finding(
            "count of exploits",
            "stop" if ended else "warn",
            str(sentence),
            ACTIONS.get(str(known.get("action")), "") if ended else "",
            None if number(step) is None else int(step),
            str(kind).removeprefix("found:"),
            _samples(known.get("samples")),
        )
    if not known.get("sentences"):
        yield Finding(
            "count of exploits", "ok", "No kind of exploit is frequent among the well-paid answers."
        )


def _counted_so_far(folder: Path, summary: Mapping[str, Any]) -> object:
    """What the count has told, as the newest checkpoint keeps it, where the run went on since its summary."""
    try:
        names = [one for one in os.listdir(folder / "checkpoints") if re.fullmatch(r"step-\d{6,}", one)]
    except OSError:
        return None
    newest = max(names, key=lambda name: int(name[5:]), default="")
    if not newest or (summary and int(newest[5:]) <= (number(summary.get("step")) or math.inf)):
        return None
    record = small_json(folder / "checkpoints" / newest / "trainer.json", [], needed=False, largest=MOST_READ)
    known = dig(record, "state", "observers", "known")
    return known if isinstance(known, dict) and known.get("sentences") else None


def _paired(sentences: object, told: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, Any]]]:
    """Each sentence with the kind and step that it is about, as they were told one after another."""
    kinds = list(told.items())
    for place, sentence in enumerate(sentences if isinstance(sentences, list) else []):
        yield str(sentence), kinds[place] if place < len(kinds) else ("", None)


def _last_steps(folder: Path, quiet: bool) -> Iterator[Finding]:
    """What the last rows show; `quiet` says that the run's own watcher saw nothing."""
    lines = islice(backward(folder / "metrics.jsonl"), STEPS)
    rows = [row for _, line in lines if (row := row_of(line)) and number(row.get("step")) is not None]
    found = [*_no_numbers(rows), *_standing_still(rows[::-1])]
    yield from found
    if quiet and not found:
        yield Finding("doctor", "ok", "Nothing stood still in the last steps.")


def _no_numbers(newest_first: Sequence[Row]) -> Iterator[Finding]:
    """Values that are NaN or infinite: a curve cannot draw them, so it only ends."""
    if not newest_first:
        return
    row = newest_first[0]
    lost = [name for name, value in row.items() if isinstance(value, float) and not math.isfinite(value)]
    # Our own runs write null in their place, which other metrics have for what was not measured.
    lost += [name for name in NEEDED if name in row and row[name] is None]
    if lost:
        more = f" and {len(lost) - MOST_NAMED} more" if len(lost) > MOST_NAMED else ""
        sentence = f"No numbers any more (NaN or infinite): {', '.join(lost[:MOST_NAMED])}{more}"
        remedy = "What was trained since is worth nothing: go back, with a lower learning rate."
        yield Finding("doctor", "stop", sentence, remedy, _step(row))


def _standing_still(rows: Sequence[Row]) -> Iterator[Finding]:
    if len(rows) == STEPS:
        for sentence in signs_of_death(rows).values():
            yield Finding("doctor", "warn", sentence, "practicum rl --dry-run says what may be done")


def _audit(found: Mapping[str, Any]) -> Iterator[Finding]:
    if not isinstance(found.get("subject"), str):
        return
    for name, section in found.items():
        severity = VERDICTS.get(str(dig(section, "verdict")))
        if severity and isinstance(section.get("sentence"), str):
            yield Finding(f"audit, {name.replace('_', ' ')}", severity, section["sentence"])


@dataclass(frozen=True)
class FoundFile:
    """A file of findings that a command printed with --json: a dry run, an audit, a fuzzed reward."""

    name: str
    title: str
    findings: Sequence[Finding]


def found_files(root: Path) -> list[FoundFile]:
    """What --dry-run --json, audit --json and audit exploits --json printed into files directly in `root`."""
    try:
        with os.scandir(root) as entries:
            paths = sorted(Path(one.path) for one in entries if one.name.endswith(".json") and one.is_file())
    except OSError:
        return []
    shown = []
    for path in paths[:MOST_FILES]:
        found = small_json(path, [], needed=False)
        if found.get("dry_run") is True:
            shown.append(FoundFile(path.name, "dry run", list(_doctor(found))))
        elif isinstance(found.get("findings"), list) and "calls" in found:
            shown.append(FoundFile(path.name, "examination of a reward", list(_fuzzed(found))))
        elif audited := list(_audit(found)):
            shown.append(FoundFile(path.name, "audit", audited))
    return shown


def _doctor(found: Mapping[str, Any]) -> Iterator[Finding]:
    for one in found.get("findings") or ():
        severity = dig(one, "severity")
        if severity in ("ok", "warn", "stop"):
            yield Finding(
                "doctor", severity, str(one.get("sentence", "")), "" if severity == "ok" else _remedy(one)
            )


def _remedy(one: Mapping[str, Any]) -> str:
    return str(one.get("remedy") or "")


def _fuzzed(found: Mapping[str, Any]) -> Iterator[Finding]:
    for one in found["findings"]:
        if isinstance(one, dict) and isinstance(one.get("sentence"), str):
            severity: Severity = "stop" if one.get("kind") == "false_accept" else "warn"
            row = {
                "prompt": one.get("prompt"),
                "completion": one.get("completion"),
                "reward": one.get("paid"),
            }
            yield Finding("audit, exploits", severity, one["sentence"], samples=_samples([row]))
    if not found["findings"]:
        yield Finding("audit, exploits", "ok", f"Nothing was found in {found.get('calls')} calls.")


def _samples(rows: object) -> list[Sample]:
    shown = rows if isinstance(rows, list) else []
    return [sample(-1, row) for row in shown[:MOST_SAMPLES] if isinstance(row, dict)]


def _step(one: Mapping[str, Any]) -> int | None:
    found = number(one.get("step"))
    return None if found is None else int(found)
