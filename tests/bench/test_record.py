"""What the page of speeds says is what was recorded."""

from __future__ import annotations

import json
import math
import shutil
from datetime import date
from pathlib import Path

import pytest

from practicum.bench.command import BENCHES
from practicum.errors import InputError
from studies.bench import BLOCK, ROOT, BenchStudyConfig, claims, fill, main, read_record, write_all

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
    assert sorted(found["name"] for found in BLOCK.finditer(text)) == sorted(BENCHES)


def test_recorded_results_are_whole() -> None:
    for name, result in read_record(ROOT / "docs" / "bench.json").items():
        assert result["name"] == name
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


def test_every_compared_row_is_a_claim_and_a_miss_says_so() -> None:
    found = claims({"sampler": RESULT}, {"bench-sampler-3m-batch-32": 3.0})
    assert [one["id"] for one in found] == ["bench-sampler-3m-batch-32"]
    assert found[0]["value"] == 2
    assert found[0]["interval"] == [0.9, 2.5]
    assert not found[0]["met"]
    assert found[0]["target"] == "at least 3"
    assert claims({"sampler": RESULT})[0]["met"]
    assert claims({}) == []


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


def test_bad_settings_end_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--recrod"]) == 2
    assert "--record" in capsys.readouterr().err
