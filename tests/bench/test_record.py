"""What the page of speeds says is what was recorded."""

from __future__ import annotations

import json
import math
import shutil
from datetime import date
from pathlib import Path

import pytest

from practicum.bench import accuracy, ppo, practice, reward_model, sampling, smollm2, training, verifier
from practicum.bench.command import BENCHES
from practicum.errors import InputError
from studies.bench import (
    BLOCK,
    PARTS,
    ROOT,
    TARGETS,
    BenchStudyConfig,
    Goal,
    claims,
    fill,
    main,
    read_record,
    write_all,
)
from studies.judged import judged
from studies.origins import with_origin
from studies.results import Results, ResultsConfig, read_claims, results_page, with_speed
from studies.results import write_all as write_results

ROW = {
    "case": "3M, batch 32",
    "ours": 10.0,
    "rival": 5.0,
    "rival_name": "them | us",
    "unit": "tokens/s",
    "ratio": 2.0,
    "ratio_min": 0.9,
    "ratio_max": 2.5,
    "limit_share": 0.25,
    "memory_ours_mb": 1.0,
    "memory_rival_mb": None,
}
RESULT = {
    "name": "sampler",
    "rows": [ROW, {**ROW, "case": "alone", "rival": None, "rival_name": None, "ratio": None}],
    "threads": 1,
    "pairs": 5,
    "quick": False,
    "machine": "a machine",
    "date": "2026-01-01",
    "commit": "abc",
    "command": "practicum bench sampler",
    "versions": {"torch": "2"},
}


def test_the_page_agrees_with_the_record() -> None:
    text = (ROOT / "docs" / "bench.md").read_text(encoding="utf-8")
    assert text == fill(text, read_record(ROOT / "docs" / "bench.json")), "run `python -m studies.bench`"
    assert sorted(found["name"] for found in BLOCK.finditer(text)) == sorted(PARTS)
    assert {part.name for part in PARTS.values()} == set(BENCHES)


def test_recorded_results_are_whole() -> None:
    for key, result in read_record(ROOT / "docs" / "bench.json").items():
        assert (result["name"], result["threads"]) == (PARTS[key].name, PARTS[key].threads)
        assert not result["quick"]
        assert result["pairs"] >= 5
        date.fromisoformat(result["date"])
        for row in result["rows"]:
            assert row["ours"] is None or math.isfinite(row["ours"])


def test_a_block_shows_the_record_and_filling_twice_changes_nothing() -> None:
    text = (
        "before\n<!-- bench: sampler -->\n<!-- end bench -->\n<!-- bench: sft -->\nold\n<!-- end bench -->\n"
    )
    filled = fill(text, {"sampler": RESULT})
    assert "| 3M, batch 32 | 10 | 5 | tokens/s | 2.00 | 0.90 to 2.50 | 25.0% | 1 | – |" in filled
    assert "Not recorded yet: `practicum bench sft`." in filled
    assert "old" not in filled
    assert fill(filled, {"sampler": RESULT}) == filled


GOALS = (
    Goal("sampler", "3M, batch 32", 3),
    Goal("sampler", "3M, batch 32", 20, "limit"),
    Goal("sampler", "3M, batch 32", 0.5, "time"),
    Goal("sampler", "3M, batch 32", 40, "memory"),
    Goal("sampler", "3M, batch 64", 1),
    Goal("sft", "3M, batch 32", 1),
)


def test_a_goal_whose_row_was_recorded_is_a_claim_and_a_miss_says_so() -> None:
    found = {one["id"]: judged(one) for one in claims({"sampler": RESULT}, GOALS)}
    # The rival's memory was not measured, and there is no row or bench for the others.
    assert list(found) == [f"bench-sampler-3m-batch-32{tail}" for tail in ("", "-limit", "-time")]
    ratio, limit, time = found.values()
    assert (ratio["value"], ratio["interval"], ratio["met"]) == (2, [0.9, 2.5], False)
    assert ratio["target"] == "at least 3"
    assert (limit["value"], limit["unit"], limit["interval"]) == (25, "%", None)
    assert limit["verdict"] == "not shown: one figure without an interval"
    assert (time["value"], time["target"]) == (0.5, "at most 0.5")
    assert time["verdict"] == "not shown: the interval reaches past the target"
    assert time["interval"] == pytest.approx([0.4, 1 / 0.9])
    with_memory = {**RESULT, "rows": [{**ROW, "memory_rival_mb": 2.0}]}
    (memory,) = claims({"sampler": with_memory}, GOALS[3:4])
    assert (memory["value"], judged(memory)["verdict"]) == (50, "missed")
    assert claims({}) == []


def test_every_goal_is_about_a_row_that_its_bench_has() -> None:
    """A case renamed in a bench would otherwise lose its claim silently."""
    products = [f"{case.text}, matrix products alone" for case in training.CASES]
    summaries = ("median", "mean", "slowest")
    cases = {
        "sampler": [case.text for case in sampling.CASES],
        "grpo-step": [case.text for case in practice.CASES],
        "ppo-step": [
            practice.CASES[0].text,
            ppo.trl_text(practice.CASES[0]),
            ppo.four_models_text(practice.CASES[0]),
        ],
        "reward-model": [case.text for case in reward_model.CASES],
        "sft": [training.Case("10M").text, training.real_lengths_text("10M", 32 * 256)],
        "training": [*products, *(f"{case.text}, operations" for case in training.CASES)],
        "time-to-accuracy": [accuracy.seconds_text(0.95)],
        "verifier": [f"{verifier.ANSWERS} different answers, {name}" for name in summaries]
        + [f"{len(verifier.BOMBS)} bombs, slowest"],
        "smollm2": [case.text for case in smollm2.SAMPLING],
        "lora": [case.text for case in smollm2.TRAINING],
    }
    for goal in TARGETS:
        assert goal.case in cases[PARTS[goal.part].name], goal
    assert len({goal.id for goal in TARGETS}) == len(TARGETS)


def test_results_take_the_speed_anew_and_group_it(tmp_path: Path) -> None:
    row = {**ROW, "case": TARGETS[0].case, "at_least": True}
    record = {"sampler": {**RESULT, "rows": [row]}}
    other = judged(with_origin({**claims(record)[0], "id": "other", "claim": "Another"}))
    stale = {**other, "id": "bench-of-yesterday"}
    found = with_speed(Results([stale, other], []), record)
    assert [one["id"] for one in found.claims] == ["other", TARGETS[0].id]
    assert [(one["id"], one["reason"]) for one in found.superseded] == [
        ("bench-of-yesterday", "no longer recorded")
    ]
    assert with_speed(Results([other], []), {}) == Results([other], [])
    page = results_page(found)
    general, _, speed = page.partition("## Speed")
    assert "| Another |" in general
    assert "3M, batch 32, fixed 128 tokens, 1 thread: times better than" not in general
    assert "| over 2 times | 0.9 to 2.5 (pairs) | at least 2.5 | **missed** |" in speed

    docs = tmp_path / "docs"
    docs.mkdir()
    for path in (tmp_path / "README.md", docs / "poisoned_key.md"):
        path.write_text("no block\n", encoding="utf-8")
    (docs / "bench.json").write_text(json.dumps(record), encoding="utf-8")
    write_results(ResultsConfig(), tmp_path)
    assert [one["id"] for one in read_claims(docs / "results.json")] == [TARGETS[0].id]


def test_recording_writes_the_result_and_keeps_the_others(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    shutil.copy(ROOT / "docs" / "bench.md", docs / "bench.md")
    (docs / "bench.json").write_text(json.dumps({"sampler": RESULT}), encoding="utf-8")
    write_all(BenchStudyConfig(), tmp_path)
    page = (docs / "bench.md").read_text(encoding="utf-8")
    assert "| 3M, batch 32 | 10 |" in page
    assert "Not recorded yet: `practicum bench scaling`." in page
    with pytest.raises(InputError, match="typo"):
        write_all(BenchStudyConfig(record=True, names=("typo",)), tmp_path)
    assert read_record(docs / "bench.json") == {"sampler": RESULT}


def test_a_record_does_not_count_as_a_change_of_the_tree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    shutil.copy(ROOT / "docs" / "bench.md", docs / "bench.md")
    commits = iter(["abc", "abc+changes", "abc+changes"])
    monkeypatch.setattr("studies.bench.source_commit", lambda: next(commits))
    monkeypatch.setattr(
        "studies.bench.run", lambda name, settings: {**RESULT, "name": name, "commit": next(commits)}
    )
    write_all(BenchStudyConfig(record=True, names=("sampler", "sft")), tmp_path)
    assert {result["commit"] for result in read_record(docs / "bench.json").values()} == {"abc"}


def test_bad_settings_end_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--recrod"]) == 2
    assert "--record" in capsys.readouterr().err
