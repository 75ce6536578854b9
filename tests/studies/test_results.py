"""What README and docs claim is what the study measured, and a missed claim says so."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from practicum import demo
from practicum.demo import DemoConfig
from practicum.tasks.equations.external import ExternalProblem
from practicum.training import rl
from studies.claims import change_claim, claim, gain_claim, measure, rise_claim, student_interval
from studies.equations import StudyConfig, study
from studies.external import compact, is_rounded, shape
from studies.judged import RULE, judged, verdict_of
from studies.origins import with_origin
from studies.results import (
    PICTURE,
    Results,
    ResultsConfig,
    fill,
    merge,
    quoting_pages,
    read_claims,
    read_results,
    results_page,
    results_table,
    write_all,
)

ROOT = Path(__file__).parents[2]
KEYS: dict[str, type | tuple[type, ...]] = {
    "id": str,
    "claim": str,
    "value": (int, float),
    "unit": str,
    "interval": (list, type(None)),
    "interval_kind": str,
    "target": str,
    "target_origin": str,
    "settings_seeds": (list, type(None)),
    "seeds": list,
    "command": str,
    "machine": str,
    "date": str,
    "commit": str,
    "dirty": bool,
    "met": bool,
    "verdict": str,
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
        assert (row["interval"] is None) == (row["interval_kind"] == "none"), row["id"]
        assert "+" not in str(row["commit"]), row["id"]


def recorded() -> Results:
    return read_results(ROOT / "docs" / "results.json")


def test_recorded_results_have_the_schema() -> None:
    check_schema(recorded().claims)


def test_the_rule_stands_at_the_top_and_every_recorded_claim_is_judged_by_it() -> None:
    stored = json.loads((ROOT / "docs" / "results.json").read_text(encoding="utf-8"))
    assert next(iter(stored)) == "rule"
    assert stored["rule"] == RULE
    assert RULE in (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    for row in recorded().claims:
        assert row["verdict"] == verdict_of(row), row["id"]
        assert row["met"] == (row["verdict"] == "met"), row["id"]
        if row["met"]:
            assert not row["dirty"], row["id"]
            assert row["interval"] is not None, row["id"]


def test_what_no_longer_stands_keeps_its_figure_and_says_why() -> None:
    results = recorded()
    ids = {row["id"] for row in results.claims}
    for old in results.superseded:
        assert old["reason"], old["id"]
        assert math.isfinite(float(str(old["value"]))), old["id"]
        assert old["replaced_by"] is None or old["replaced_by"] in ids, old["id"]
    gone = {old["id"] for old in results.superseded}
    assert {"guard-fresh-loss-saved", "guard-fresh-peak-foreseen", "guard-fresh-curve-held-out-r2"} <= gone
    page = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    assert "65.1% (35.9 to 94.2), wanted at least 95%, missed" in page


def test_pages_agree_with_the_recorded_results() -> None:
    results = recorded()
    assert (ROOT / "docs" / "results.md").read_text(encoding="utf-8") == results_page(results)
    for page in quoting_pages(ROOT):
        text = page.read_text(encoding="utf-8")
        assert text == fill(text, results.claims), f"{page}: run `python -m studies.results`"


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


COMMON = {"machine": "m", "date": "2026-01-02", "commit": "c"}


def ruled(row: dict[str, Any]) -> dict[str, Any]:
    return judged(with_origin({**COMMON, **row}))


def test_a_claim_over_seeds_is_met_only_when_every_seed_meets_it() -> None:
    met = ruled(claim("a", "A", {0: 91.0, 1: 95.0}, "%", "at least 90"))
    unsure = ruled(claim("b", "B", {0: 89.0, 1: 99.0}, "%", "at least 90"))
    missed = ruled(claim("c", "C", {0: 70.0, 1: 80.0}, "%", "at least 90"))
    alone = ruled(claim("d", "D", {0: 99.0}, "%", "at least 90"))
    assert (met["value"], met["interval"], met["met"]) == (93.0, [91.0, 95.0], True)
    assert (unsure["value"], unsure["met"]) == (94.0, False)
    assert unsure["verdict"] == "not shown: the interval reaches past the target"
    assert (missed["met"], missed["verdict"]) == (False, "missed")
    assert (alone["interval_kind"], alone["verdict"]) == ("none", "not shown: one figure without an interval")
    page = results_page(Results([met, unsure, missed, alone], []))
    assert "- **C**: 75% (70 to 80 (seeds)); wanted: at least 90%." in page
    assert "- **B**: 94% (89 to 99 (seeds)); wanted: at least 90%; not shown: the interval reaches" in page
    assert "| B | 94% | 89 to 99 (seeds) | at least 90% | **not shown** |" in page
    assert "- **A**" not in page


def test_a_claim_from_an_edited_tree_is_not_counted() -> None:
    edited = ruled({**claim("a", "A", {0: 91.0, 1: 95.0}, "%", "at least 90"), "commit": "c+changes"})
    assert (edited["commit"], edited["dirty"], edited["met"]) == ("c", True, False)
    assert "uncommitted changes" in edited["verdict"]
    assert judged(edited) == edited


def test_a_gain_counts_only_when_its_interval_lies_above_zero() -> None:
    clear = ruled(gain_claim("a", "A", {0: 40.0, 1: 42.0, 2: 41.0}, {0: 90.0, 1: 91.0, 2: 93.0}))
    vague = ruled(gain_claim("b", "B", {0: 40.0, 1: 42.0, 2: 41.0}, {0: 50.0, 1: 42.5, 2: 45.0}))
    alone = ruled(gain_claim("c", "C", {0: 40.0}, {0: 90.0}))
    assert clear["met"]
    assert not vague["met"]
    assert vague["value"] > 0
    assert (alone["interval"], alone["met"]) == (None, False)
    # By hand: mean 2, standard deviation 1, t(0.975, 2) = 4.302653; 4.302653 / sqrt(3) = 2.484138.
    assert student_interval([1.0, 2.0, 3.0]) == pytest.approx([-0.484138, 4.484138], abs=1e-6)


def test_a_fall_is_met_only_when_it_falls_in_every_seed() -> None:
    falls = ruled(change_claim("a", "A", {0: 40.0, 1: 40.0}, {0: 30.0, 1: 20.0}, falls=True))
    mixed = ruled(change_claim("b", "B", {0: 40.0, 1: 40.0}, {0: 30.0, 1: 41.0}, falls=True))
    assert falls["met"]
    assert not mixed["met"]
    assert falls["value"] == -15.0


def test_a_share_rises_only_when_the_intervals_of_every_seed_are_apart() -> None:
    def shares(*after: tuple[float, float, float]) -> dict[str, dict[int, dict[str, Any]]]:
        return {
            "sft": {seed: {"share": 0.5, "ci95": [0.45, 0.55]} for seed in range(len(after))},
            "rl": {seed: {"share": one, "ci95": [low, high]} for seed, (one, low, high) in enumerate(after)},
        }

    apart = ruled(rise_claim("a", "A", shares((0.7, 0.6, 0.8), (0.8, 0.7, 0.9))))
    touching = ruled(rise_claim("b", "B", shares((0.7, 0.54, 0.8), (0.8, 0.7, 0.9))))
    assert apart["interval"] == pytest.approx([5, 45])
    assert apart["met"]
    assert (touching["value"], touching["met"]) == (pytest.approx(25), False)


def test_claims_of_others_stay_and_what_is_measured_again_is_kept_as_it_was() -> None:
    old = [
        ruled(claim("ads-ctr-lift", "Ads", {0: 1.0, 1: 2.0}, "%", "at least 1")),
        ruled(claim("equations-seconds", "Time", {0: 500.0, 1: 700.0}, "s", "at most 600")),
    ]
    new = [
        claim("equations-seconds", "Time", {0: 400.0, 1: 410.0}, "s", "at most 600") | COMMON,
        claim("new", "New", {0: 4.0}, "%", "at least 1") | COMMON,
    ]
    merged = merge(Results(old, []), new)
    assert [row["id"] for row in merged.claims] == ["ads-ctr-lift", "equations-seconds", "new"]
    assert merged.claims[1]["value"] == 405
    (before,) = merged.superseded
    assert (before["id"], before["value"], before["met"]) == ("equations-seconds", 600, False)
    assert before["replaced_by"] == "equations-seconds"
    assert merge(merged, new).superseded == merged.superseded


def test_a_block_takes_the_claims_it_names_and_nothing_else_changes() -> None:
    row = ruled({**claim("equations-ppo-accuracy", "PPO", {0: 91.0}, "%", "at least 90"), "minutes": 3.0})
    text = "before\n<!-- results: equations-ppo* -->\nold\n<!-- end results -->\nafter\n"
    filled = fill(text, [row, {**row, "id": "other", "claim": "unwanted"}])
    note = "Measured 2026-01-02 on m. Practice took 3.0 minutes a seed."
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
    (practised,) = [ruled(row) for row in claims if row["id"] == "equations-practice-accuracy"]
    assert practised["verdict"] == "missed"

    root = tmp_path / "root"
    (root / "docs").mkdir(parents=True)
    (root / "README.md").write_text(
        "<!-- transcript -->\n<!-- end transcript -->\n"
        "<!-- results: equations-seconds -->\n<!-- end results -->\n"
    )
    (root / "docs" / "poisoned_key.md").write_text("no block\n")
    write_all(ResultsConfig(run=config.run), root)
    written = read_results(root / "docs" / "results.json")
    check_schema(written.claims)
    assert (root / "docs" / "results.md").read_text() == results_page(written)
    readme = (root / "README.md").read_text()
    assert "| Time of the whole demo" in readme
    assert "claimed 1, 3: wrong" in readme
    assert (root / PICTURE).read_bytes().startswith(b"\x89PNG")
    write_all(ResultsConfig(), root)
    assert (root / "README.md").read_text() == readme
