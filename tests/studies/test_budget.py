"""The study of the label budget at a tiny size: every curve, and what `studies.results` makes of it."""

from __future__ import annotations

import json
from pathlib import Path

from studies import budget
from studies.people_claims import measure


def test_it_measures_both_tasks_and_becomes_claims(tmp_path: Path) -> None:
    size = ["--seeds", "2", "--rankings", "40", "--prompts", "12"]
    assert budget.main(["--run", str(tmp_path / "run"), *size]) == 0
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    for task in budget.TASKS:
        found = results["budget"][task]
        assert found["curves"]["random"]["rankings"][-1] == 40
        assert found["curves"]["information"]["rankings"][-1] == 20
        assert len(found["needed_by_seed"]["information"]) == 2
    claims = measure(tmp_path / "run")
    assert [claim["id"] for claim in claims] == ["budget-features-needed", "budget-jokes-needed"]
    assert all(claim["command"].startswith("python -m studies.budget --seeds 2") for claim in claims)
