"""The claim of the demo's human half."""

from __future__ import annotations

import json
from pathlib import Path

from studies.demo import claims
from studies.judged import judged
from studies.results import measure


def test_a_demo_tells_the_seconds_of_its_human_half(tmp_path: Path) -> None:
    summary = {
        "stages": [{"name": "sft", "seconds": 50.0}, {"name": "rlhf", "seconds": 310.0}],
        "human_feedback": {"ratings": 4000, "gold": [0.05, 1.2]},
        "seed": 0,
    }
    (tmp_path / "summary.json").write_text(json.dumps(summary))
    (tmp_path / "environment.json").write_text(
        json.dumps({"command": "demo", "started": "2026-11-25T00:00", "commit": "abc", "machine": "a laptop"})
    )
    (row,) = measure(tmp_path)
    assert (row["value"], row["command"]) == (310.0, "practicum demo --run runs/demo")
    assert judged(row)["verdict"] == "missed"
    assert row["machine"] == "a laptop"
    assert "4,000 ratings; true utility 0.05 to 1.20" in row["claim"]
    (quick,) = claims({**summary, "stages": [{"name": "rlhf", "seconds": 200.0}]})
    assert judged({**quick, "commit": "c"})["verdict"] == "not shown: one figure without an interval"
