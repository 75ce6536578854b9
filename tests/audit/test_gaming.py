from __future__ import annotations

from pathlib import Path

import pytest

from practicum.audit import gaming
from practicum.errors import InputError
from practicum.preferences import formats
from studies.planted import preferences


def test_exploits_on_preferences_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "preferences.jsonl"
    formats.write(path, preferences("flattery", count=120))
    negatives = tmp_path / "negatives.jsonl"
    config = gaming.Config(path, negatives=negatives, prompts=30, queries=1200, report=tmp_path / "audit")
    result = gaming.audit(config)
    assert result["kinds"]
    assert result["queries"] <= 1200
    told = capsys.readouterr().out
    assert all(f"{kind.replace('_', ' ')}: the reward pays" in told for kind in result["kinds"])
    assert len(formats.read(negatives)) == result["negatives"]
    assert (tmp_path / "audit" / "audit.html").exists()
    formats.write(path, preferences(count=5))
    with pytest.raises(InputError, match="12 are needed: rank more prompts"):
        gaming.audit(config)
