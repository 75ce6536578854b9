"""The whole curriculum on one machine: exposition, worked problems, practice, each then examined.

The stages run with their own defaults, so `practicum pretrain`, `sft` and `rl` repeat any of them alone.
Every stage has a run folder of its own inside the demo's; a demo that is killed continues with --resume.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from practicum.run import Run, atomic_write, energy_counter, to_json
from practicum.tasks.controls import Control
from practicum.tasks.equations.verifier import verify
from practicum.tasks.task import TaskConfig
from practicum.training import pretrain, rl, sft
from practicum.training.evaluate import EvalConfig, evaluate

SHOWN_BEHAVIOURS = ("domain_check", "factoring", "verification")
SEED_EQUATION, CLAIMED_ANSWER = "3 - (3+y)/y = y", "1, 3"


@dataclass(frozen=True)
class DemoConfig:
    """The whole curriculum on equations, in minutes."""

    pretrain_steps: int = pretrain.PretrainConfig().loop.steps
    """Updates of exposition."""
    sft_steps: int = sft.SftConfig(Path()).loop.steps
    """Updates on worked problems."""
    rl_steps: int = rl.RlConfig(Path()).loop.steps
    """Iterations of practice."""
    algorithm: Literal["grpo", "ppo"] = "grpo"
    """How practice assigns credit."""
    control: Control = "none"
    """Practise on a null reward instead, to see what the true one is worth."""
    task: TaskConfig = field(default_factory=TaskConfig)
    """The task; every stage and every examination uses it."""
    examination_count: int = 1000
    """Held-out problems of each examination: so many of the whole mix, and so many of the seed family."""
    sampled_count: int = 200
    """Problems of the pass@k estimate."""
    samples: int = 16
    """Completions a problem for pass@k."""
    seed: int = 0
    """Fixes everything."""


def run(config: DemoConfig, run_path: Path, *, resume: bool = False) -> dict[str, Any]:
    """Run or continue the curriculum, write summary.json and report.html, and return the summary."""
    from practicum.report.page import write

    folder = Run.open(run_path, config, "demo", resume=resume)
    before = energy_counter()
    stages = [
        _stage(run_path, name, train, config)
        for name, train in (("pretrain", _pretrain), ("sft", _sft), ("rl", _rl))
    ]
    verdict = verify(SEED_EQUATION, CLAIMED_ANSWER)
    summary = {
        "seconds": sum(stage["seconds"] for stage in stages),
        "stages": stages,
        "seed_equation": {
            "equation": SEED_EQUATION,
            "claimed": CLAIMED_ANSWER,
            "verdict": verdict.verdict,
            "reason": verdict.reason,
        },
        "seed": config.seed,
        "algorithm": config.algorithm,
        "control": config.control,
    }
    after = energy_counter()
    if before is not None and after is not None and after > before and not resume:
        summary["energy_joules"] = after - before
    folder.finish(summary)
    summary["report"] = str(write(run_path))
    print_table(summary)
    return summary


def _stage(
    run_path: Path, name: str, train: Callable[[DemoConfig, Path, bool], dict[str, Any]], config: DemoConfig
) -> dict[str, Any]:
    """Train and examine one stage, or read what it already reached; `seconds` counts both."""
    folder = run_path / name
    result = folder / "examination.json"
    if not result.exists():
        trained = train(config, folder, (folder / "config.toml").exists())
        started = time.perf_counter()
        whole, family = examine(config, folder)
        seconds = trained["total_seconds"] + time.perf_counter() - started
        atomic_write(
            result,
            to_json({"training": trained, "whole": whole, "family": family, "seconds": seconds}) + "\n",
        )
    stored = json.loads(result.read_text(encoding="utf-8"))
    whole, family = stored["whole"], stored["family"]
    return {
        "name": name,
        "accuracy": whole["accuracy"],
        "n": whole["n"],
        "ci95": whole["ci95"],
        "iterations": stored["training"]["step"],
        "seconds": stored["seconds"],
        "behaviours": {behaviour: found["share"] for behaviour, found in whole["behaviours"].items()},
        "behaviours_ci95": {behaviour: found["ci95"] for behaviour, found in whole["behaviours"].items()},
        "family_accuracy": family["accuracy"],
        "family_ci95": family["ci95"],
        "pass_at_k": {k: share for k, share in whole.get("sampled", {}).items() if k.startswith("pass@")},
        "tokens": stored["training"]["total_tokens"],
    }


def examine(config: DemoConfig, folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The examinations of a stage: the whole mix of the task, and the family a - (b+x)/x = x alone."""
    whole = EvalConfig(
        model=folder,
        task=config.task,
        count=config.examination_count,
        samples=config.samples,
        sampled_count=config.sampled_count,
    )
    only = replace(config.task.equations, families={"rational": 1.0})
    family = replace(whole, task=replace(config.task, equations=only), samples=0)
    return evaluate(whole), evaluate(family)


def _pretrain(config: DemoConfig, folder: Path, resume: bool) -> dict[str, Any]:
    stage = pretrain.PretrainConfig(task=config.task, seed=config.seed)
    return pretrain.train(_with_steps(stage, config.pretrain_steps), folder, resume=resume)


def _sft(config: DemoConfig, folder: Path, resume: bool) -> dict[str, Any]:
    stage = sft.SftConfig(model=folder.parent / "pretrain", task=config.task, seed=config.seed)
    return sft.train(_with_steps(stage, config.sft_steps), folder, resume=resume)


def _rl(config: DemoConfig, folder: Path, resume: bool) -> dict[str, Any]:
    stage = rl.RlConfig(
        model=folder.parent / "sft",
        task=config.task,
        seed=config.seed,
        algorithm=config.algorithm,
        control=config.control,
    )
    return rl.train(_with_steps(stage, config.rl_steps), folder, resume=resume)


def _with_steps(stage: Any, steps: int) -> Any:
    return replace(stage, loop=replace(stage.loop, steps=steps))


def print_table(summary: dict[str, Any]) -> None:
    """The table of stages, to the terminal."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title="What each stage taught")
    sampled = list(summary["stages"][0]["pass_at_k"])
    ends = dict.fromkeys([*sampled[:1], *sampled[-1:]])
    for heading in ("stage", "steps", "seconds", "accuracy", "95% interval", "a-(b+x)/x=x", *ends):
        table.add_column(heading, justify="left" if heading == "stage" else "right", no_wrap=True)
    names = [name for name in SHOWN_BEHAVIOURS if name in summary["stages"][0]["behaviours"]]
    for name in names:
        table.add_column(name.replace("_", " "), justify="right")
    for stage in summary["stages"]:
        low, high = stage["ci95"]
        table.add_row(
            stage["name"],
            str(stage["iterations"]),
            f"{stage['seconds']:.0f}",
            f"{stage['accuracy']:.1%}",
            f"{low:.1%} - {high:.1%}",
            f"{stage['family_accuracy']:.1%}",
            *(f"{stage['pass_at_k'][name]:.1%}" for name in ends),
            *(f"{stage['behaviours'][name]:.0%}" for name in names),
        )
    Console(width=150).print(table)
    seed = summary["seed_equation"]
    print(f"{seed['equation']}   claimed {seed['claimed']}: {seed['verdict']} ({seed['reason']})")
    print(f"report: {summary['report']}")
