"""`practicum compare`: plan, run, and say what differs.

DIR/config.toml, environment.json     as in any run's folder
DIR/plan.json, DIR/NAME/recipe.toml   what is compared (plan.py)
DIR/NAME/seed-K                       a run's folder, with its examination and answers
DIR/NAME/seed-K.log                   what that run wrote to its terminal
DIR/summary.json, DIR/report.html     what was found
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from practicum.compare.checks import checked
from practicum.compare.config import CompareConfig
from practicum.compare.page import write
from practicum.compare.plan import expanded, grown, make_plan, read_plan, write_plan
from practicum.compare.pool import jobs_of, run_all
from practicum.compare.results import results
from practicum.compare.table import print_table
from practicum.model.checkpoint import weight_count
from practicum.model.device import chosen_device
from practicum.run.folder import Run

SOME_FAILED = 1


def run(config: CompareConfig, run_path: Path, *, resume: bool = False) -> dict[str, Any]:
    """Make every run that is not done, write summary.json and report.html, and return the summary.

    `exit_code` in it is 1 where a run failed. Raises InputError for recipes that do not fit, before anything
    is written, and where every run failed.
    """
    config.require_runs()
    at_a_time, threads = shared_cores(config)
    begun = read_plan(run_path) if resume and (run_path / "plan.json").exists() else None
    plan = grown(begun, config, threads) if begun else make_plan(config, threads)
    if plan is not begun:
        weight_count(config.model)
        plan = checked(plan)
    # Recipes are read once, when they are planned; their runs read what they name each time.
    reads = [*(member.config for member in plan.members), plan.examination]
    folder = Run.open(run_path, config, "compare", resume=resume, reads=reads)
    if plan is not begun:
        write_plan(plan, run_path)
    failed = run_all(run_path, jobs_of(plan, config.seeds), at_a_time)
    summary = results(run_path, plan, config, failed)
    folder.finish(summary)
    page = write(summary, run_path)
    print_table(summary)
    return {**summary, "report": str(page), "exit_code": SOME_FAILED if failed else 0}


def shared_cores(config: CompareConfig) -> tuple[int, int]:
    """(runs at a time, CPU threads of each): together no more than the cores that this process may use."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    runs = len(expanded(config.recipes)[0]) * len(config.seeds)
    elsewhere = chosen_device(device_of(config)).type != "cpu"
    at_a_time = config.jobs or (1 if elsewhere else min(cores, runs))
    return at_a_time, max(1, cores // at_a_time)


def device_of(config: CompareConfig) -> str:
    """The device that the settings for all recipes name."""
    words = list(config.settings)
    for place, word in enumerate(words):
        name, equals, value = word.partition("=")
        if name == "--device":
            return value if equals else "".join(words[place + 1 : place + 2])
    return "auto"
