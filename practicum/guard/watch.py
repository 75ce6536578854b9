"""The guard beside a run against reward models: what it is shown each step, and what its alarm asks for.

It reads the row of metrics and the samples that are logged anyway, never the true reward, and keeps no state
of its own on disk: a resumed run shows it the logged rows again. The rules are in `guard/guard.py`; the
loop carries out what they decide.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from practicum.files import read_json, read_rows
from practicum.guard.asked import write_asked
from practicum.guard.guard import Decision, Guard, GuardConfig, samples_by_step
from practicum.guard.observer import GO_ON, Quiet, StepResult, Verdict
from practicum.guard.signals import rank_correlation, tail_index
from practicum.rollout.collect import ScoredRollout
from practicum.run.folder import Run
from practicum.types import Prompt

FEWEST_FOR_TAIL = 20
"""Rewards that the tail index needs."""


def warning_signals(batch: ScoredRollout) -> dict[str, float]:
    """`tail_index` of the reward models' rewards, or of any other; with several members
    `proxy_reference_correlation`.

    That is Spearman's correlation of the first member with the mean of the others, a second opinion.
    """
    parts = [score.parts for score in batch.scores]
    signals = {}
    if len(parts) >= FEWEST_FOR_TAIL:
        rewards = [
            one.get("reward_model", score.value) for one, score in zip(parts, batch.scores, strict=True)
        ]
        signals["tail_index"] = tail_index(np.array(rewards))
    names = [name for name in parts[0] if name.startswith("member_")]
    if names and len(parts) > 2:
        members_MB = np.array([[one[name] for one in parts] for name in names])
        signals["proxy_reference_correlation"] = rank_correlation(members_MB[0], members_MB[1:].mean(0))
    return signals


class Watch(Quiet):
    """The guard beside one run and what it last decided; `prompts_of` gives the prompts of a step."""

    name = "guard"

    def __init__(
        self, config: GuardConfig, checkpoint_every: int, prompts_of: Callable[[int], Sequence[Prompt]]
    ) -> None:
        self.config, self.checkpoint_every, self.prompts_of = config, checkpoint_every, prompts_of
        self.guard = Guard(config, checkpoint_every)
        self.decision: Decision | None = None
        self.held: dict[str, Any] | None = None

    def after(self, step: int, result: StepResult) -> Verdict:
        """Show the guard the step; the verdict carries the guard's own time."""
        started = time.perf_counter()
        self.decision = self.guard.observe(step, result.metrics, result.samples)
        spent = result.metrics.get("guard_seconds", 0.0) + time.perf_counter() - started
        return replace(self._verdict(), metrics={"guard_seconds": spent})

    def restore(self, state: Mapping[str, Any], run: Run) -> Verdict:
        """Show a new guard what is logged; an alarm in it was raised just before the run was killed."""
        self.guard, self.decision = Guard(self.config, self.checkpoint_every), None
        metrics, samples = run.path / "metrics.jsonl", run.path / "samples.jsonl"
        if metrics.exists():
            by_step = samples_by_step(samples) if samples.exists() else {}
            for row in read_rows(metrics):
                step = int(row["step"])
                self.decision = self.guard.observe(step, row, by_step.get(step, ()))
        return self._verdict()

    def pinned(self, record: Mapping[str, Any]) -> None:
        """A second alarm goes back and ends the run."""
        self.held, self.config = dict(record), replace(self.config, action="roll_back")

    def conclude(self, run: Run) -> dict[str, Any]:
        """The decision; RUN/ask.jsonl gets the alarming step's prompts, those of the worst samples first."""
        alarm = self._alarm()
        if alarm and alarm.action == "ask":
            write_asked(run, self.prompts_of(alarm.step), alarm.prompts)
        decided = {"guard": self.decision.json()} if self.decision else {}
        if self.held:
            decided |= {"held": self.held} if alarm else {"held": self.held, "guard": self.held}
        return decided

    def _alarm(self) -> Decision | None:
        return self.decision if self.decision and self.decision.action != "go_on" else None

    def _verdict(self) -> Verdict:
        alarm = self._alarm()
        if alarm is None:
            return GO_ON
        goes_back = alarm.action in ("roll_back", "hold")
        return Verdict(
            ends=True,
            back_to=alarm.to_step if goes_back else None,
            pin=alarm.json() if alarm.action == "hold" else None,
            said=(
                f"practicum: guard: {alarm.sentence}",
                *(f"  reward {one['reward']:.2f}: {one['completion']!r:.100}" for one in alarm.samples),
            ),
        )


def held_since(run_folder: Path) -> dict[str, Any] | None:
    """The decision after which a run is held near its reference, None when it is not."""
    path = run_folder / "held.json"
    if not path.exists():
        return None
    decision: dict[str, Any] = read_json(path, "restore it, or choose another --run")
    return decision


def ended_by_guard(run: Run) -> dict[str, Any] | None:
    """The summary of a run that its guard, or the count beside it, has ended, else None."""
    path = run.path / "summary.json"
    if not path.exists():
        return None
    summary: dict[str, Any] = read_json(path, "remove it: resuming writes another")
    ended = summary.get("guard", {}).get("action", "go_on") != "go_on"
    return summary if ended or summary.get("known", {}).get("action") in ("stop", "ask") else None
