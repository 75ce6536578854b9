from __future__ import annotations

from pathlib import Path

import pytest

from practicum.audit import guard
from practicum.config import load
from tests.audit.rows import jsonl
from tests.guard.test_guard import row


def test_the_guard_stops_with_code_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = jsonl(tmp_path / "bad.jsonl", [row(step) for step in range(1, 121)])
    good = jsonl(tmp_path / "good.jsonl", [row(step, turn=10_000) for step in range(1, 121)])
    assert guard.audit(guard.Config(good))["exit_code"] == 0
    result = guard.audit(load(guard.Config, None, ["--metrics", str(bad), "--guard.action", "stop"]))
    assert (result["exit_code"], result["action"]) == (3, "stop")
    assert f"Step {result['step']}: " in capsys.readouterr().out
