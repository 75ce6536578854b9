"""The study of the audit's instruments, small; and what its claims, and those of demo and headlines, say."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from practicum.stats import Estimate
from studies import audit_claims, feedback_claims, instruments, people_claims
from studies.instruments import StudyConfig, covered
from studies.judged import judged


def test_intervals_that_are_too_narrow_are_seen() -> None:
    config = StudyConfig(Path(), simulations=100)

    def narrow(chances: np.ndarray, responses: int, generator: np.random.Generator) -> Estimate:
        one = instruments.shares_of_texts(chances, responses, generator)
        reach = (one.high - one.low) / 8
        return Estimate(one.value, one.value - reach, one.value + reach, one.n)

    honest = covered(config, instruments.shares_of_texts, 0, 40, 0.72, 1.0)
    assert honest["value"] >= 0.9
    assert covered(config, narrow, 0, 40, 0.72, 1.0)["value"] < 0.6


def test_a_small_study_becomes_claims(tmp_path: Path) -> None:
    run = tmp_path / "study"
    words = ["--run", str(run), "--simulations", "20", "--seeds", "2", "--equations", "12"]
    assert instruments.main(words) == 0
    claims = {row["id"]: row for row in people_claims.measure(run)}
    assert claims["instruments-true-verifier"]["value"] == 0
    assert claims["instruments-gameable-verifiers"]["value"] == 100
    assert 80 <= claims["instruments-interval-coverage"]["value"] <= 100
    assert claims["instruments-true-verifier"]["command"] == (
        "python -m studies.instruments --simulations 20 --seeds 2 --equations 12 --run runs/instruments"
    )


def test_the_exploits_of_headlines_are_counted_by_kind() -> None:
    finding = {"text": "!!!", "exploit": True, "margin": 2.0, "share": 1.0}
    (row,) = audit_claims.headline_exploits(
        {
            "headline_exploits": {
                "kinds": ["empty", "copied_favourite"],
                "queries": 1984,
                "findings": [finding, {**finding, "text": "cake", "margin": 5.0}],
            },
            "headlines": 46,
            "seed": 0,
        }
    )
    assert (row["value"], judged({**row, "commit": "c"})["met"]) == (2, True)
    assert "empty, copied favourite" in row["claim"]
    assert '"cake", ahead of every honest edit on 100% of headlines' in row["claim"]


def test_a_demo_tells_the_seconds_of_its_human_half(tmp_path: Path) -> None:
    summary = {
        "stages": [{"name": "sft", "seconds": 50.0}, {"name": "rlhf", "seconds": 310.0}],
        "human_feedback": {"ratings": 4000, "gold": [0.05, 1.2]},
        "seed": 0,
    }
    (tmp_path / "summary.json").write_text(json.dumps(summary))
    (tmp_path / "environment.json").write_text(
        json.dumps({"started": "2026-11-25T00:00", "commit": "abc", "machine": "a laptop"})
    )
    (row,) = people_claims.measure(tmp_path)
    assert (row["value"], row["command"]) == (310.0, "practicum demo --run runs/demo")
    assert judged(row)["verdict"] == "missed"
    assert row["machine"] == "a laptop"
    assert "4,000 ratings; true utility 0.05 to 1.20" in row["claim"]
    (quick,) = feedback_claims.demo({**summary, "stages": [{"name": "rlhf", "seconds": 200.0}]})
    assert judged({**quick, "commit": "c"})["verdict"] == "not shown: one figure without an interval"


def test_it_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    assert instruments.main(["--help"]) == 0
    assert "--simulations" in capsys.readouterr().out
