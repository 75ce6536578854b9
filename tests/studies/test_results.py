"""What README and docs claim is what the study measured, and a missed claim says so."""

from __future__ import annotations

import ast
import json
import math
import re
from dataclasses import fields
from datetime import date
from inspect import signature
from pathlib import Path
from typing import Any

import pytest

from practicum.errors import InputError
from studies.claim import claim
from studies.judged import RULE, judged, verdict_of
from studies.origins import with_origin
from studies.results import (
    KINDS,
    STUDIES,
    Results,
    fill,
    is_speed,
    measure,
    merge,
    quoting_pages,
    read_claims,
    read_results,
    results_page,
    results_table,
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


def test_every_recorded_target_has_an_origin_that_is_written_down() -> None:
    """A study that origins.py does not know leaves its targets without one."""
    assert [one["id"] for one in recorded().claims if one["target_origin"] == "not written down"] == []


def test_pages_agree_with_the_recorded_results() -> None:
    results = recorded()
    assert (ROOT / "docs" / "results.md").read_text(encoding="utf-8") == results_page(results)
    for page in quoting_pages(ROOT):
        text = page.read_text(encoding="utf-8")
        assert text == fill(text, results.claims), f"{page}: run `python -m studies.results`"


def test_every_block_of_results_names_ids_that_a_study_writes() -> None:
    """A misspelt id would leave a block silently empty."""
    sources = [
        path.read_text(encoding="utf-8")
        for path in (ROOT / "studies").glob("*.py")
        if path.name != "origins.py"
    ]
    ids = (
        r'f?"((?:equations|verifier|jester|humicroedit|rlhf|guard|exploits|bias|budget|best-of-n|ensembles'
        r"|overoptimization|instruments|headline-exploits|learned-rewards|human|style|beside-trl|teaching|compare)-[a-z0-9-]+)"
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


COMMON = {"command": "python", "machine": "m", "date": "2026-01-02", "commit": "c"}


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


def test_every_recorded_sentence_is_short_and_says_what_was_measured() -> None:
    for row in recorded().claims:
        if not is_speed(row):  # Those name the rival with its settings.
            assert len(row["claim"]) <= 160, row["id"]
            assert not re.search(r"\bthe same (of|as|with|beyond)\b", row["claim"]), row["id"]


def test_a_note_stands_with_the_details_of_its_claim() -> None:
    row = ruled({**claim("a", "A", {0: 91.0}, "%", "at least 90"), "note": "One base model."})
    page = results_page(Results([row], []))
    assert "- note: One base model.\n" in page
    assert "One base model" not in results_table([row])


@pytest.mark.parametrize("name", STUDIES)
def test_every_study_is_a_module_with_config_study_and_claims(name: str) -> None:
    module = STUDIES[name]
    assert module.__name__ == f"studies.{name}"
    assert {"run"} <= {one.name for one in fields(module.StudyConfig)}
    assert callable(module.study)
    assert list(signature(module.claims).parameters) == ["results"]
    assert f'record(config, "{name}", ' in Path(str(module.__file__)).read_text(encoding="utf-8")


def test_a_folder_that_names_no_study_is_refused_in_one_line(tmp_path: Path) -> None:
    for written in ({"seed-0": {"gain": 1}}, {"study": "none of them"}, None):
        if written is not None:
            (tmp_path / "results.json").write_text(json.dumps(written))
        else:
            (tmp_path / "results.json").unlink()
        with pytest.raises(
            InputError, match=r"no results\.json that names its study .* run the study again"
        ) as told:
            measure(tmp_path)
        assert "\n" not in str(told.value)


def test_every_kind_of_interval_of_a_study_has_a_short_name() -> None:
    said = set()
    for path in (Path(__file__).parents[2] / "studies").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            text = node.value if isinstance(node, ast.Constant) else None
            # A docstring is a sentence, a kind is not.
            if isinstance(text, str) and "." not in text and re.match(r"95% i|least (and|to) g|census", text):
                said.add(text)
    assert len(said) > 10
    for text in said:
        assert any(text.startswith(start) for start in KINDS), text
