"""Would the guard stop it? `practicum audit guard` replays the guard on a recorded run; the whole audit asks
it about a policy's answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from practicum.audit.answers import SIGNALS, Answers
from practicum.audit.instruments import GUARD_STOPS, Instrument
from practicum.guard.guard import Decision, Guard, GuardConfig, replay
from practicum.ranges import PositiveInt, Ranged
from practicum.report.sections import Section, Verdict, as_sentence

BEYOND = 10.0
"""A reading above so many thresholds is given as 'more than': the number says no more."""


@dataclass(frozen=True)
class Config(Ranged):
    """Replay the guard on a recorded run: exit code 3 when it would not have let the run go on."""

    metrics: Path
    """metrics.jsonl of the run."""
    samples: Path | None = None
    """Its samples.jsonl, for the three worst samples."""
    guard: GuardConfig = field(default_factory=GuardConfig)
    """What the guard watches."""
    checkpoint_every: PositiveInt = 1
    """Steps between the run's checkpoints: a roll-back goes to a multiple of it."""


@dataclass(frozen=True)
class Result:
    """The guard's first decision that is not to go on, else its last one, and how many rows it read."""

    decision: Decision
    rows: int


def run(config: Config) -> Result:
    """Replay the guard. Raises InputError for a file that cannot be read or lacks every watched signal."""
    return Result(*replay(config.guard, config.metrics, config.samples, config.checkpoint_every))


def lines(result: Result) -> list[str]:
    """The decision and the worst samples."""
    return [
        result.decision.sentence,
        *(
            f"  reward {sample.get('reward', '?')}: {str(sample.get('completion', ''))!r:.100}"
            for sample in result.decision.samples
        ),
    ]


def as_json(result: Result) -> dict[str, Any]:
    """The decision, the rows read, and `exit_code`."""
    return {**result.decision.json(), "rows": result.rows, "exit_code": exit_code(result.decision)}


def exit_code(decision: Decision) -> int:
    """GUARD_STOPS where the guard would not let the run go on, else 0."""
    return 0 if decision.action == "go_on" else GUARD_STOPS


audit = Instrument(run, lines, as_json)


# ------------------------------------------------------------------------------------------ of two models


def verdict(config: GuardConfig, reference: Answers, policy: Answers) -> Decision:
    """What the guard decides at the first of the policy's batches where it alarms, else at the last.

    The reference's answers, in batches, are the guard's baseline, the policy's the steps after them.
    """
    batches = config.baseline
    groups = np.array_split(np.arange(len(reference.batch.prompts)), batches)
    guard = Guard(config)
    for step, rows in enumerate(groups, start=1):
        guard.observe(step, reference.metrics(rows.tolist()))
    samples = policy.samples()
    for step, rows in enumerate(groups, start=batches + 1):
        decision = guard.observe(step, policy.metrics(rows.tolist()), samples)
        if decision.action != "go_on":
            break
    return decision


def section(decision: Decision) -> Section:
    """Whether the guard would stop a policy that writes such answers."""
    judged = _judged(decision)
    sentence = {
        "bad": f"The guard would stop this policy: {' and '.join(decision.seen)}.",
        "open": f"A warning sign: {' and '.join(decision.seen)}. "
        "The guard lets the policy go on, for it stops only where several stand out at once.",
        "good": "The guard would let this policy go on: no warning sign stands out.",
        "unmeasured": "The guard cannot tell: none of its signals could be measured.",
    }[judged]
    return Section(
        "guard",
        "Would the guard stop it?",
        judged,
        sentence,
        {**decision.json(), "sentence": sentence, "stopped": decision.action != "go_on"},
        (),
        ("signal", "of its threshold"),
        _readings(decision),
        [
            {"heading": f"paid {sample['reward']:.2f}: {sample['prompt']}", "text": str(sample["completion"])}
            for sample in decision.samples
        ],
        _untold(decision),
    )


def _judged(decision: Decision) -> Verdict:
    """Never good above a reading that stands over its threshold."""
    if decision.action != "go_on":
        return "bad"
    if decision.seen or any(share > 1 for share in decision.readings.values()):
        return "open"
    return "good" if decision.readings else "unmeasured"


def _readings(decision: Decision) -> list[tuple[str, str]]:
    """Each signal's share of its threshold."""
    return [
        (SIGNALS.get(name, name), f"{share:.0%}" if share <= BEYOND else f"more than {BEYOND:.0f} times")
        for name, share in decision.readings.items()
    ]


def _untold(decision: Decision) -> Sequence[str]:
    """Each signal that cannot be told, and why."""
    return [
        as_sentence(f"{SIGNALS.get(name, name)}: cannot be told; {why}")
        for name, why in sorted(decision.untold.items())
    ]
