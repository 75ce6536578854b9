"""The study of ads: it runs on small logs, goes on where it stopped, and makes its claims."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from practicum.applications.ads.command import Config
from practicum.applications.ads.experiment import ExperimentConfig
from practicum.applications.ads.generator import GeneratorConfig
from practicum.applications.agent import AgentSettings
from practicum.errors import InputError
from studies import ads

AGENT = AgentSettings(iterations=1, environments=2, horizon=16, hidden=(8,))
SMALL = Config(
    made_up=GeneratorConfig(rows=600, items=4, categories=2, rate=0.2),
    experiment=ExperimentConfig(visitors=20_000),
    agent=AGENT,
    session_agent=AGENT,
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two campaigns of two departments, and their items."""
    folder = tmp_path_factory.mktemp("data")
    random = np.random.default_rng(0)
    for name in ads.LOGS:
        (folder / f"item_context_{name}.csv").write_text("item_id,kind\n" + "0,a\n1,a\n2,b\n3,b\n")
        for campaign in ("random", "bts"):
            lines = ["item_id,position,click,propensity_score,user_feature_0"]
            for row in range(400):
                lines.append(
                    f"{random.integers(4)},{1 + row % 3},{int(random.random() < 0.2)},0.25,{'xyz'[row % 3]}"
                )
            text = "\n".join(lines) + "\n"
            (folder / f"{campaign}_{name}.csv.gz").write_bytes(gzip.compress(text.encode()))
    return folder


def test_the_study_runs_goes_on_and_makes_its_claims(data: Path, tmp_path: Path) -> None:
    config = ads.StudyConfig(data, tmp_path, seeds=1, simulations=2, tests=3)
    results = ads.study(config, SMALL)
    parts = [f"{log}{control}" for log in ("made-up", *ads.LOGS) for control in ("", "-positive", "-null")]
    assert sorted(results["applied"]) == sorted(parts)
    written = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.json") if path.parent != tmp_path}
    assert ads.study(config, SMALL) == results
    assert all(path.stat().st_mtime_ns == moment for path, moment in written.items())
    claims = {claim["id"]: claim for claim in ads.claims(results)}
    lifts = results["applied"]["men"]["lifts"], results["applied"]["women"]["lifts"]
    mean = 50 * sum(one["logging"]["model"]["value"] for one in lifts)
    assert claims["ads-ctr-lift"]["value"] == pytest.approx(mean)
    assert claims["ads-ctr-lift"]["per_seed"] == {"10": pytest.approx(mean)}
    true = results["applied"]["made-up"]["seeds"]["10"]["lifts"]["popularity"]["true"]
    assert claims["ads-made-up-lift-over-best-seller"]["value"] == pytest.approx(100 * true)
    assert claims["ads-made-up-lift-over-best-seller"]["interval"] is None
    assert claims["ads-null-control-men"]["n"] == 2
    assert claims["ads-interval-coverage-switch"]["n"] == 2
    assert {"ads-session-lift-over-random", "ads-other-campaign", "ads-aa-false-positives"} <= claims.keys()


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        ads.study(ads.StudyConfig(tmp_path / "none", tmp_path / "run"), SMALL)
