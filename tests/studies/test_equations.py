"""The study of equations: unseen problems are new, and a small study runs, continues and becomes results."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from practicum import demo
from practicum.demo import DemoConfig, DemoSettings
from practicum.tasks.equations.task import EquationsTask
from practicum.training import rl
from studies.equations import UNSEEN_DRAW, StudyConfig, UnseenEquations, seen_problems, study
from studies.results import PICTURE, ResultsConfig, measure, read_results, results_page, write_all


@pytest.mark.parametrize("families", [None, {"rational": 1.0}])
def test_unseen_problems_are_new_and_each_is_asked_once(families: dict[str, float] | None) -> None:
    settings = DemoConfig()
    seen = seen_problems(settings)
    whole = settings.task.equations
    chosen = whole if families is None else replace(whole, families=families)
    prompts = UnseenEquations(chosen, seen).prompts("validation", 150, UNSEEN_DRAW)
    problems = [prompt.problem for prompt in prompts]
    assert len(set(problems)) == len(problems) >= 120
    assert not set(problems) & seen
    trained = {prompt.problem for prompt in EquationsTask(chosen).prompts("train", 500, 0)}
    assert not set(problems) & trained


def test_a_study_runs_continues_and_becomes_results(
    tmp_path: Path,
    small_stages: Callable[[], AbstractContextManager[None]],
    small_demo: DemoConfig,
    monkeypatch: pytest.MonkeyPatch,
    ruled: Callable[[list[dict[str, Any]]], dict[str, dict[str, Any]]],
) -> None:
    demo_settings = DemoSettings(
        **{field.name: getattr(small_demo, field.name) for field in fields(DemoSettings)}
    )
    config = StudyConfig(run=tmp_path / "study", seeds=(0, 1), demo=demo_settings)
    with small_stages():
        for part in ("demo", "random"):
            study(StudyConfig(**{**vars(config), "parts": (part,)}))
        (config.run / "seed-1-random" / "examination.json").unlink()
        before = (config.run / "seed-1-random" / "metrics.jsonl").read_bytes()
        study(config)
        assert (config.run / "seed-1-random" / "metrics.jsonl").read_bytes() == before
        # A finished study does nothing, so nothing may be called.
        monkeypatch.setattr(demo, "run", None)
        monkeypatch.setattr(rl, "train", None)
        study(config)
    claims = measure(config.run)
    assert (config.run / "seed-1-unseen" / "examination.json").exists()
    for part in ("", "-random", "-format", "-poisoned", "-ppo"):
        summary = json.loads((config.run / f"seed-1{part}" / "summary.json").read_text())
        assert part or summary["seed"] == 1
    names = {row["id"] for row in claims}
    assert {
        "equations-practice-accuracy",
        "equations-seconds",
        "equations-pass-at-1",
        "equations-behaviour-factoring",
        "equations-gain-over-random",
        "equations-gain-over-format",
        "equations-poisoned-accuracy",
        "equations-poisoned-greedy-accuracy",
        "equations-unseen-whole-accuracy",
        "equations-unseen-family-accuracy",
        "equations-ppo-family-accuracy",
    } <= names
    assert ruled(claims)["equations-practice-accuracy"]["verdict"] == "missed"
    assert all(row["command"] == "make study SEEDS='0 1'" for row in claims)
    assert json.loads((config.run / "results.json").read_text())["study"] == "equations"

    root = tmp_path / "root"
    (root / "docs").mkdir(parents=True)
    (root / "README.md").write_text(
        "<!-- transcript -->\n<!-- end transcript -->\n"
        "<!-- results: equations-seconds -->\n<!-- end results -->\n"
    )
    (root / "docs" / "poisoned_key.md").write_text("no block\n")
    write_all(ResultsConfig(run=config.run), root)
    written = read_results(root / "docs" / "results.json")
    assert (root / "docs" / "results.md").read_text() == results_page(written)
    readme = (root / "README.md").read_text()
    assert "| Time of the whole demo" in readme
    assert "claimed 1, 3: wrong" in readme
    assert (root / PICTURE).read_bytes().startswith(b"\x89PNG")
    write_all(ResultsConfig(), root)
    assert (root / "README.md").read_text() == readme
