"""The study of the label budget at a tiny size: every curve, and what `studies.results` makes of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from studies import budget
from studies.budget import claims
from studies.results import measure


def test_it_measures_both_tasks_and_becomes_claims(tmp_path: Path) -> None:
    size = ["--seeds", "2", "--rankings", "40", "--prompts", "12"]
    assert budget.main(["--run", str(tmp_path / "run"), *size]) == 0
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    for task in budget.TASKS:
        found = results["budget"][task]
        assert found["curves"]["random"]["rankings"][-1] == 40
        assert found["curves"]["information"]["rankings"][-1] == 20
        assert len(found["needed_by_seed"]["information"]) == 2
    made = measure(tmp_path / "run")
    assert [claim["id"] for claim in made] == ["budget-features-needed", "budget-jokes-needed"]
    command = "python -m studies.budget --seeds 2 --rankings 40 --prompts 12 --run runs/budget"
    assert all(claim["command"] == command for claim in made)


Ruled = Callable[[list[dict[str, Any]]], dict[str, dict[str, Any]]]


def test_the_label_budget_is_met_where_half_the_rankings_do_in_every_seed(ruled: Ruled) -> None:
    by_seed = {"needed_by_seed": {"information": [300, None]}}
    found: dict[str, Any] = {
        "rankings": 1000,
        "budget": {
            "features": {"needed": {"information": 340}, **by_seed},
            "jokes": {"needed": {"information": None}, **by_seed},
        },
    }
    features, jokes = ruled(claims(found)).values()
    assert (features["value"], features["interval"]) == (650, [300, 1000])
    assert "1 of 2 seeds never match within 500" in features["claim"]
    assert "The curve averaged over the seeds matches after 340." in features["note"]
    assert (features["verdict"], jokes["verdict"]) == ("missed", "missed")
    found["budget"]["features"]["needed_by_seed"]["information"] = [300, 420]
    assert ruled(claims(found))["budget-features-needed"]["met"]
