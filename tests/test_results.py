"""What README and docs claim is what the study measured, and a missed claim says so."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import date
from pathlib import Path

import pytest

from practicum.demo import DemoConfig
from practicum.tasks.equations.external import ExternalProblem
from studies import equations
from studies.claims import change_claim, claim, gain_claim, measure, student_interval
from studies.equations import StudyConfig, study
from studies.external import compact, is_rounded, shape
from studies.results import (
    PICTURE,
    ResultsConfig,
    fill,
    merge,
    quoting_pages,
    read_claims,
    results_page,
    results_table,
    write_all,
)

ROOT = Path(__file__).parents[1]
KEYS = {
    "id": str,
    "claim": str,
    "value": (int, float),
    "unit": str,
    "interval": (list, type(None)),
    "target": str,
    "seeds": list,
    "command": str,
    "machine": str,
    "date": str,
    "commit": str,
    "met": bool,
}


def check_schema(claims: list[dict[str, object]]) -> None:
    assert len({row["id"] for row in claims}) == len(claims)
    for row in claims:
        for key, kind in KEYS.items():
            assert isinstance(row[key], kind), f"{row['id']}: {key} is {row[key]!r}"
        assert math.isfinite(float(str(row["value"])))
        date.fromisoformat(str(row["date"]))
        if isinstance(row["interval"], list):
            low, high = row["interval"]
            assert low <= float(str(row["value"])) <= high, row["id"]


def test_recorded_results_have_the_schema() -> None:
    check_schema(read_claims(ROOT / "docs" / "results.json"))


def test_pages_agree_with_the_recorded_results() -> None:
    claims = read_claims(ROOT / "docs" / "results.json")
    assert (ROOT / "docs" / "results.md").read_text(encoding="utf-8") == results_page(claims)
    for page in quoting_pages(ROOT):
        text = page.read_text(encoding="utf-8")
        assert text == fill(text, claims), f"{page}: run `python -m studies.results`"


def test_every_block_of_results_names_ids_that_a_study_writes() -> None:
    """A misspelt id would leave a block silently empty."""
    sources = [
        (ROOT / "studies" / f"{name}.py").read_text(encoding="utf-8")
        for name in ("claims", "people_claims", "feedback_claims", "audit_claims")
    ]
    ids = (
        r'f?"((?:equations|verifier|jester|humicroedit|rlhf|guard|exploits|bias|budget|best-of-n|ensembles'
        r"|overoptimization|instruments|headline-exploits)-[a-z0-9-]+)"
    )
    prefixes = {found for source in sources for found in re.findall(ids, source)}
    for page in quoting_pages(ROOT):
        for named in re.findall(r"<!-- results: (.*?) -->", page.read_text(encoding="utf-8")):
            for pattern in named.split():
                start = pattern.rstrip("*")
                assert any(one.startswith(start) or start.startswith(one) for one in prefixes), pattern


def test_the_transcript_in_the_readme_is_of_the_recorded_run() -> None:
    claims = {row["id"]: row for row in read_claims(ROOT / "docs" / "results.json")}
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    transcript = readme.partition("<!-- transcript -->")[2].partition("<!-- end transcript -->")[0]
    for name in ("equations-exposition-accuracy", "equations-worked-accuracy", "equations-practice-accuracy"):
        if name in claims:
            first = next(iter(claims[name]["per_seed"].values()))
            assert f"{first:.1f}%" in transcript, name


def test_a_claim_is_met_only_when_every_seed_meets_it() -> None:
    def at_least_90(value: float) -> bool:
        return value >= 90

    met = claim("a", "A", {0: 91.0, 1: 95.0}, "%", "at least 90", at_least_90)
    missed = claim("b", "B", {0: 89.0, 1: 99.0}, "%", "at least 90", at_least_90)
    assert (met["value"], met["interval"], met["met"]) == (93.0, [91.0, 95.0], True)
    assert (missed["value"], missed["met"]) == (94.0, False)
    common = {"machine": "m", "date": "2026-01-02", "commit": "c"}
    page = results_page([{**met, **common}, {**missed, **common}])
    assert "- **B**: 94% (89 to 99); wanted: at least 90%." in page
    assert "| B | 94% | 89 to 99 | at least 90% | **missed** |" in page
    assert "- **A**" not in page


def test_a_gain_counts_only_when_its_interval_lies_above_zero() -> None:
    clear = gain_claim("a", "A", {0: 40.0, 1: 42.0, 2: 41.0}, {0: 90.0, 1: 91.0, 2: 93.0})
    vague = gain_claim("b", "B", {0: 40.0, 1: 42.0, 2: 41.0}, {0: 50.0, 1: 42.5, 2: 45.0})
    alone = gain_claim("c", "C", {0: 40.0}, {0: 90.0})
    assert clear["met"]
    assert not vague["met"]
    assert vague["value"] > 0
    assert (alone["interval"], alone["met"]) == (None, False)
    # By hand: mean 2, standard deviation 1, t(0.975, 2) = 4.302653; 4.302653 / sqrt(3) = 2.484138.
    assert student_interval([1.0, 2.0, 3.0]) == pytest.approx([-0.484138, 4.484138], abs=1e-6)


def test_a_fall_is_met_only_when_it_falls_in_every_seed() -> None:
    falls = change_claim("a", "A", {0: 40.0, 1: 40.0}, {0: 30.0, 1: 20.0}, falls=True)
    mixed = change_claim("b", "B", {0: 40.0, 1: 40.0}, {0: 30.0, 1: 41.0}, falls=True)
    assert falls["met"]
    assert not mixed["met"]
    assert falls["value"] == -15.0


def test_claims_of_others_stay_when_results_are_written() -> None:
    old = [{"id": "ads-ctr-lift", "value": 1}, {"id": "equations-seconds", "value": 2}]
    new = [{"id": "equations-seconds", "value": 3}, {"id": "new", "value": 4}]
    assert merge(old, new) == [old[0], new[0], new[1]]


def test_a_block_takes_the_claims_it_names_and_nothing_else_changes() -> None:
    row = claim("equations-ppo-accuracy", "PPO", {0: 91.0}, "%", "at least 90", lambda value: value >= 90)
    row |= {"machine": "2 cores", "date": "2026-01-02", "minutes": 3.0}
    text = "before\n<!-- results: equations-ppo* -->\nold\n<!-- end results -->\nafter\n"
    filled = fill(text, [row, {**row, "id": "other", "claim": "unwanted"}])
    note = "Measured 2026-01-02 on 2 cores. Practice took 3.0 minutes a seed."
    assert filled == text.replace("old\n", f"\n{results_table([row])}\n{note}\n\n")
    assert fill(filled, [row]) == filled


def test_external_problems_are_only_rewritten_in_notation() -> None:
    assert compact("3*x**2 - 5*x = -2", "x") == "3x^2-5x=-2"
    assert compact("2*q = 4", "xy") == "2x=4"
    assert shape("solve: 12y+3=5\n") == shape("solve: 7x+31=50\n") == "solve: Nx+N=N\n"
    assert is_rounded(ExternalProblem("x**2 = 2", "-1.4142, 1.4142", "", ""))
    assert not is_rounded(ExternalProblem("x**2 = 2", "-1.4143, 1.4142", "", ""))
    assert not is_rounded(ExternalProblem("x**2 = 2", "no real solutions", "", ""))


def test_a_study_runs_continues_and_becomes_results(
    tmp_path: Path,
    small_stages: Callable[[], AbstractContextManager[None]],
    small_demo: DemoConfig,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = StudyConfig(run=tmp_path / "study", seeds=(0, 1), demo=small_demo)
    with small_stages():
        for part in ("demo", "random"):
            study(StudyConfig(**{**vars(config), "parts": (part,)}))
        (config.run / "seed-1-random" / "examination.json").unlink()
        before = (config.run / "seed-1-random" / "metrics.jsonl").read_bytes()
        study(config)
        assert (config.run / "seed-1-random" / "metrics.jsonl").read_bytes() == before
        # A finished study does nothing, so nothing may be called.
        monkeypatch.setattr(equations.demo, "run", None)
        monkeypatch.setattr(equations.rl, "train", None)
        study(config)
    claims = measure(config.run)
    assert (config.run / "seed-1-fresh" / "examination.json").exists()
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
        "equations-fresh-test-whole-accuracy",
        "equations-fresh-validation-family-accuracy",
        "equations-ppo-family-accuracy",
    } <= names
    assert {row["id"]: row for row in claims}["equations-practice-accuracy"]["met"] is False

    root = tmp_path / "root"
    (root / "docs").mkdir(parents=True)
    (root / "README.md").write_text(
        "<!-- transcript -->\n<!-- end transcript -->\n"
        "<!-- results: equations-seconds -->\n<!-- end results -->\n"
    )
    (root / "docs" / "poisoned_key.md").write_text("no block\n")
    write_all(ResultsConfig(run=config.run), root)
    written = read_claims(root / "docs" / "results.json")
    check_schema(written)
    assert (root / "docs" / "results.md").read_text() == results_page(written)
    readme = (root / "README.md").read_text()
    assert "| Time of the whole demo" in readme
    assert "claimed 1, 3: wrong" in readme
    assert (root / PICTURE).read_bytes().startswith(b"\x89PNG")
    write_all(ResultsConfig(), root)
    assert (root / "README.md").read_text() == readme
