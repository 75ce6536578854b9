"""Read finished run folders for a report: a whole demo, or one stage alone. Nothing is written here.

A file that is missing or damaged is an InputError naming it. Keys inside the files are optional: `dig`,
`number` and `interval` answer None for what is absent, and the page then leaves that part out.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from practicum import files
from practicum.config import flatten, read_toml
from practicum.errors import InputError

STAGES = ("pretrain", "sft", "rl")
# What changes speed, memory or bookkeeping but not what is learned, and what tells repeats apart.
MAY_DIFFER = (
    "seed",
    "control",
    "model",
    "samples_per_step",
    "samples_tokens",
    "sampling.slots",
    "threads",
    "micro_batch_tokens",
    "checkpoint_every",
    "keep_checkpoints",
)

Point = tuple[int, float]
Json = dict[str, Any]


@dataclass(frozen=True)
class StageRun:
    """One stage's run folder. `examination` is empty for a stage that ran outside a demo."""

    name: str
    path: Path
    config: dict[str, Any]
    environment: dict[str, Any]
    metrics: list[dict[str, Any]]
    samples: list[dict[str, Any]]
    summary: dict[str, Any]
    examination: dict[str, Any]

    def series(self, metric: str) -> list[Point]:
        """(step, value) of a metric over the run, without the steps where it is absent or not finite.

        An outcome that no completion of a step had is absent from its row, and counts as 0.
        """
        points = []
        for row in self.metrics:
            value = number(row.get(metric))
            if (
                value is None
                and metric.startswith("outcome/")
                and any(key.startswith("outcome/") for key in row)
            ):
                value = 0.0
            if value is not None:
                points.append((int(row["step"]), value))
        return points

    def names(self, prefix: str) -> list[str]:
        """The metrics of the run that start with `prefix`, in the order they first appear."""
        found = (key for row in self.metrics for key in row if key.startswith(prefix))
        return list(dict.fromkeys(found))


@dataclass(frozen=True)
class ReportedRun:
    """A demo with its stages, or (`whole` False) a single stage presented as the only one."""

    path: Path
    whole: bool
    config: dict[str, Any]
    environment: dict[str, Any]
    summary: dict[str, Any]
    stages: dict[str, StageRun]

    @property
    def seed(self) -> int | None:
        """The seed that fixes the run."""
        seed = self.config.get("seed")
        return seed if isinstance(seed, int) else None

    @property
    def control(self) -> str:
        """`none`, or the null reward that practice was paid with."""
        return str(self.config.get("control", "none"))

    @property
    def label(self) -> str:
        """The folder's name, for tables and legends."""
        return self.path.resolve().name


def read_run(path: Path) -> ReportedRun:
    """Read a demo's folder or a single stage's. Raises InputError naming the missing or damaged file."""
    path = Path(path)
    if not path.is_dir():
        raise InputError(f"{path}: no such run folder; give the --run of a training command")
    inside = [name for name in STAGES if (path / name).is_dir()]
    if not inside:
        stage = _read_stage(path)
        return ReportedRun(path, False, stage.config, stage.environment, stage.summary, {stage.name: stage})
    summary = read_object(path / "summary.json", f"finish it with: practicum demo --run {path} --resume")
    if not isinstance(summary.get("stages"), list):
        raise InputError(f"{path / 'summary.json'}: expected a list `stages`, as `practicum demo` writes it")
    if not all(isinstance(row, dict) and isinstance(row.get("name"), str) for row in summary["stages"]):
        raise InputError(f"{path / 'summary.json'}: expected every entry of `stages` to have a `name`")
    stages = {name: _read_stage(path / name, name) for name in inside}
    environment = read_object(path / "environment.json")
    return ReportedRun(path, True, read_toml(path / "config.toml"), environment, summary, stages)


def _read_stage(path: Path, name: str = "") -> StageRun:
    """A stage's folder; `name` is given for the stages of a demo, which have an examination."""
    environment = read_object(path / "environment.json", "give the --run of a finished training command")
    if environment.get("command") == "compare":
        raise InputError(
            f"{path} is a comparison: practicum compare --run {path} --resume writes its page, "
            f"{path / 'report.html'}; give its runs, as {path}/NAME/seed-0"
        )
    summary = read_object(path / "summary.json") if name or (path / "summary.json").exists() else {}
    metrics = read_rows(path / "metrics.jsonl")
    for line, row in enumerate(metrics, 1):
        if number(row.get("step")) is None:
            raise InputError(f"{path / 'metrics.jsonl'}:{line}: expected a number `step`")
    return StageRun(
        name=name or str(summary.get("stage") or environment.get("command") or "stage"),
        path=path,
        config=read_toml(path / "config.toml"),
        environment=environment,
        metrics=metrics,
        samples=read_rows(path / "samples.jsonl"),
        summary=summary,
        examination=read_object(path / "examination.json") if name else {},
    )


def read_object(path: Path, advice: str = "") -> dict[str, Any]:
    """The JSON object of a file; InputError naming the file otherwise, with `advice` when it is missing."""
    if not path.exists():
        raise InputError(f"{path}: missing" + (f"; {advice}" if advice else ""))
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot read it as JSON ({error}); run the command again") from error
    if not isinstance(value, dict):
        raise InputError(f"{path}: expected a JSON object, found {type(value).__name__}")
    return value


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The objects of a JSONL file; InputError naming file and line otherwise."""
    if not path.exists():
        raise InputError(f"{path}: missing; give the --run of a finished training command")
    return files.read_rows(path, "cut it there, or repair it with --resume")


def check_same_recipe(run: ReportedRun, others: Sequence[ReportedRun]) -> None:
    """Runs drawn together must repeat one recipe: only the seed or the control may differ.

    Raises InputError naming the first setting that differs, or a run given twice (equal seed and control:
    it would narrow the spread without being new evidence).
    """
    seen = {(run.seed, run.control): run.path}
    for other in others:
        for name, stage in other.stages.items():
            if name in run.stages:
                _check_same_settings(run.stages[name], stage)
        if (other.seed, other.control) in seen:
            raise InputError(
                f"{other.path}: same seed {other.seed} and control {other.control!r} as "
                f"{seen[other.seed, other.control]}; a repeat of one seed says nothing about the spread"
            )
        seen[other.seed, other.control] = other.path
        if not set(run.stages) & set(other.stages):
            raise InputError(f"{other.path}: holds {', '.join(other.stages)}, not {', '.join(run.stages)}")


def _check_same_settings(ours: StageRun, theirs: StageRun) -> None:
    here, there = flatten(ours.config), flatten(theirs.config)
    for key in sorted({*here, *there}):
        if key in MAY_DIFFER or key.rpartition(".")[2] in MAY_DIFFER:
            continue
        if here.get(key) != there.get(key):
            raise InputError(
                f"{theirs.path / 'config.toml'}: {key} = {there.get(key)!r}, but {here.get(key)!r} in "
                f"{ours.path}; runs on one page may differ only in seed and control"
            )


def dig(value: Any, *keys: str) -> Any:
    """The value under nested keys, None where one is absent."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def number(value: Any) -> float | None:
    """A finite number, or None."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        found = float(value)
    except OverflowError:
        # A whole number of JSON may be larger than any float.
        return None
    return found if math.isfinite(found) else None


def interval(value: Any) -> tuple[float, float] | None:
    """[low, high] as a pair, or None."""
    if not isinstance(value, list) or len(value) != 2:
        return None
    low, high = number(value[0]), number(value[1])
    return None if low is None or high is None else (low, high)
