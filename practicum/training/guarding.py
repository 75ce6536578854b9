"""The guard beside a run against reward models: what it is shown each step, and what its alarm does.

It reads the row of metrics and the samples that are logged anyway, never the true reward, and keeps no state
of its own on disk: a resumed run shows it the logged rows again. The rules are in `guard/guard.py`.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from practicum.files import atomic_write, read_json, read_rows, to_json
from practicum.guard.guard import Decision, Guard, GuardConfig, samples_by_step
from practicum.guard.signals import rank_correlation, tail_index
from practicum.rollout.collect import ScoredRollout
from practicum.run.folder import Run
from practicum.training.loop import StepResult
from practicum.types import Prompt

FEWEST_FOR_TAIL = 20
"""Rewards that the tail index needs."""


def warning_signals(batch: ScoredRollout) -> dict[str, float]:
    """`tail_index` of the reward models' rewards; with several members `proxy_reference_correlation`.

    That is Spearman's correlation of the first member with the mean of the others, a second opinion.
    """
    parts = [score.parts for score in batch.scores]
    signals = {}
    if len(parts) >= FEWEST_FOR_TAIL:
        signals["tail_index"] = tail_index(np.array([one["reward_model"] for one in parts]))
    names = [name for name in parts[0] if name.startswith("member_")]
    if names and len(parts) > 2:
        members_MB = np.array([[one[name] for one in parts] for name in names])
        signals["proxy_reference_correlation"] = rank_correlation(members_MB[0], members_MB[1:].mean(0))
    return signals


class Watch:
    """The guard beside one run and what it last decided, as both were at the run's newest checkpoint."""

    def __init__(self, config: GuardConfig, run: Run, checkpoint_every: int) -> None:
        self.guard, self.run = Guard(config, checkpoint_every), run
        self.decision: Decision | None = None
        metrics, samples = run.path / "metrics.jsonl", run.path / "samples.jsonl"
        if metrics.exists():
            by_step = samples_by_step(samples) if samples.exists() else {}
            for row in read_rows(metrics):
                step = int(row["step"])
                self.decision = self.guard.observe(step, row, by_step.get(step, ()))

    @property
    def alarm(self) -> Decision | None:
        """The decision that ends the run, if there was one."""
        return self.decision if self.decision and self.decision.action != "go_on" else None

    def see(self, step: int, result: StepResult) -> StepResult:
        """The step's result with the guard's own time in it, ending the run where the guard alarms."""
        started = time.perf_counter()
        self.decision = self.guard.observe(step, result.metrics, result.samples)
        spent = result.metrics.get("guard_seconds", 0.0) + time.perf_counter() - started
        metrics = {**result.metrics, "guard_seconds": spent}
        return replace(result, metrics=metrics, ends=self.alarm is not None)


def act(decision: Decision, run: Run, prompts: Sequence[Prompt], last: dict[str, Any]) -> dict[str, Any]:
    """Do what the guard decided; return the figures of the run's result, the trusted step's if it went back.

    roll_back: the checkpoints after the trusted one are taken back, so that the newest is to be trusted.
    ask: RUN/ask.jsonl gets the step's `prompts`, those of the worst samples first. Says it on stderr.
    """
    say(decision)
    if decision.action == "ask":
        known = {prompt.text: prompt for prompt in prompts}
        first = {text: known[text] for text in decision.prompts}
        rows = [{"prompt": one.text, "data": dict(one.data)} for one in {**first, **known}.values()]
        atomic_write(run.path / "ask.jsonl", "".join(to_json(row) + "\n" for row in rows))
    if decision.action != "roll_back":
        return last
    assert decision.to_step is not None
    run.distrust(decision.to_step)
    trusted = run.latest()
    assert trusted is not None
    totals = {name: last[name] for name in ("total_seconds", "total_tokens")}
    return {"step": decision.to_step, **trusted.state["metrics"], **totals}


def say(decision: Decision) -> None:
    """Print the guard's sentence and its three worst samples on stderr."""
    print(f"practicum: guard: {decision.sentence}", file=sys.stderr)
    for sample in decision.samples:
        print(f"  reward {sample['reward']:.2f}: {sample['completion']!r:.100}", file=sys.stderr)


def hold(decision: Decision, run: Run) -> None:
    """Go back to the trusted checkpoint, from which a resumed run goes on held near the reference.

    What was logged is copied to RUN/untrusted, and RUN/held.json, written last, says that the run is held.
    """
    assert decision.to_step is not None
    say(decision)
    run.distrust(decision.to_step)
    (run.path / "untrusted").mkdir(exist_ok=True)
    for name in ("metrics.jsonl", "samples.jsonl"):
        shutil.copyfile(run.path / name, run.path / "untrusted" / name)
    atomic_write(run.path / "held.json", to_json(decision.json(), indent=2) + "\n")


def held_since(run_folder: Path) -> dict[str, Any] | None:
    """The decision after which a run is held near its reference, None when it is not."""
    path = run_folder / "held.json"
    if not path.exists():
        return None
    decision: dict[str, Any] = read_json(path, "restore it, or choose another --run")
    return decision


def ended_by_guard(run: Run) -> dict[str, Any] | None:
    """The summary of a run that its guard has ended, else None."""
    path = run.path / "summary.json"
    if not path.exists():
        return None
    summary: dict[str, Any] = read_json(path, "remove it: resuming writes another")
    return summary if summary.get("guard", {}).get("action", "go_on") != "go_on" else None


def asked_prompts(run_folder: Path) -> list[Prompt]:
    """The prompts that a run's guard wants people to rank, the most urgent first; often none."""
    path = run_folder / "ask.jsonl"
    return [Prompt(row["prompt"], row["data"]) for row in read_rows(path)] if path.exists() else []
