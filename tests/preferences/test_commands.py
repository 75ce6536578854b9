from __future__ import annotations

import json
from pathlib import Path

import pytest

from practicum.config import load
from practicum.errors import InputError
from practicum.preferences import formats
from practicum.preferences.commands import (
    ExportConfig,
    ImportConfig,
    StatsConfig,
    export_file,
    import_file,
    quality,
    stats,
)
from tests.preferences.crowd import crowd


def test_a_plan_reads_nothing_and_shows_the_arithmetic(capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--plan", "--prompts", "1000", "--responses", "5", "--price", "0.10"]
    result = stats(load(StatsConfig, None, flags))
    assert result["ratings"] == 5000
    assert result["dollars"] == 500.0
    assert result["naive_dollars"] == 1_000_000.0
    assert json.loads(json.dumps(result)) == result
    assert "1,000 prompts x 5 responses = 5,000 ratings" in capsys.readouterr().out


def test_rankings_go_in_and_out_and_are_reported_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rankings, _ = crowd([2.0] * 5 + [0.0], prompts=60)
    given = tmp_path / "given.jsonl"
    formats.write(given, rankings)
    database = str(tmp_path / "preferences.sqlite")
    assert import_file(ImportConfig(given, database))["added"] == 180
    assert import_file(ImportConfig(given, database))["added"] == 0
    export_file(ExportConfig(tmp_path / "out.parquet", database))
    kept = formats.read(tmp_path / "out.parquet")
    assert [ranking.ranks for ranking in kept] == [ranking.ranks for ranking in rankings]
    assert export_file(ExportConfig(tmp_path / "trl.jsonl", database, format="trl"))["rows"] == 180 * 6

    capsys.readouterr()
    result = stats(StatsConfig(database))
    shown = capsys.readouterr().out
    assert result["spammers"] == ["rater 5"]
    assert result["progress"]["ratings"] == 720
    assert result["ceiling"]["accuracy"] is None, "three raters a pair do not tell it"
    assert 0.5 < result["ceiling"]["low"] < result["ceiling"]["high"] < 1
    assert "best possible accuracy cannot be known against one rater [" in shown
    assert "4 raters or more a prompt narrow it" in " ".join(shown.split())
    assert "spammer" in shown
    assert stats(StatsConfig(input=given))["krippendorff_alpha"] == result["krippendorff_alpha"]


def test_one_rater_gets_notes_in_place_of_numbers() -> None:
    rankings, _ = crowd([1.0], prompts=5, overlap=1)
    result = quality(rankings)
    assert result["ceiling"] is None
    assert result["krippendorff_alpha"] is None
    assert any("set the project's overlap to 2 or more" in note for note in result["notes"])
    assert len(result["raters"]) == 1


def test_position_bias_of_the_crowd_is_shown_beside_chance() -> None:
    rankings, _ = crowd([0.5] * 4, pull=[3.0] * 4, prompts=100)
    position = quality(rankings)["position"]
    assert position["chance"] == 0.25
    assert position["first_is_best"] > 0.4


def test_a_bad_file_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text('{"prompt": "p"}\n')
    with pytest.raises(InputError, match=r"bad\.jsonl:1: nothing is compared .* call those .* chosen and"):
        import_file(ImportConfig(path, str(tmp_path / "x.sqlite")))
    assert not (tmp_path / "x.sqlite").exists()
    with pytest.raises(InputError, match="no such database"):
        export_file(ExportConfig(tmp_path / "y.jsonl", str(tmp_path / "x.sqlite")))
