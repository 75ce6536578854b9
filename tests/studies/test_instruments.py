"""The study of the audit's instruments, small, and what its claims say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from practicum.stats import Estimate
from studies import instruments
from studies.instruments import StudyConfig, covered
from studies.results import measure


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
    claims = {row["id"]: row for row in measure(run)}
    assert claims["instruments-true-verifier"]["value"] == 0
    assert claims["instruments-gameable-verifiers"]["value"] == 100
    assert 80 <= claims["instruments-interval-coverage"]["value"] <= 100
    assert claims["instruments-true-verifier"]["command"] == (
        "python -m studies.instruments --simulations 20 --seeds 2 --equations 12 --run runs/instruments"
    )


def test_it_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    assert instruments.main(["--help"]) == 0
    assert "--simulations" in capsys.readouterr().out
