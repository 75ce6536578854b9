"""The study of autoscaling: it runs on small traces, goes on where it stopped, and makes its claims."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from practicum.applications.agent import AgentSettings
from practicum.applications.cloud.chance import ForecasterConfig
from practicum.applications.cloud.data import DataConfig
from practicum.applications.cloud.experiment import CloudSettings, Config
from practicum.applications.cloud.fleet import FleetConfig
from practicum.config import load
from practicum.errors import InputError
from studies import cloud

ROOT = Path(__file__).parents[2]
SMALL = CloudSettings(
    data=DataConfig(episode_minutes=120),
    fleet=FleetConfig(largest=30, peak_instances=8),
    practice_minutes=60,
    trials=3,
    violations=0.2,
    forecaster=ForecasterConfig(steps=20, batch=64, width=8),
    agent=AgentSettings(iterations=1, environments=2, horizon=8, minibatches=2),
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two traces of counts and two logs of tokens."""
    folder = tmp_path_factory.mktemp("data")
    generator = np.random.default_rng(0)
    start = np.datetime64("2024-01-01T00:00:00")
    for name, step, rows in ((cloud.NASA, 60, 900), (cloud.UNSEEN["load balancer"], 300, 60)):
        counts = generator.poisson(40 * (2 + np.sin(np.arange(rows) / 40)))
        lines = [f"{start + np.timedelta64(step * at, 's')},{count}" for at, count in enumerate(counts)]
        write(folder / name, ["timestamp,requests", *lines])
    for kind in ("conversation", "code"):
        lines = [f"{start + np.timedelta64(4 * at, 's')},{100 + at % 7},{at % 90}" for at in range(600)]
        write(
            folder / cloud.UNSEEN[f"language model, {kind}"],
            ["TIMESTAMP,ContextTokens,GeneratedTokens", *lines],
        )
    return folder


def write(path: Path, lines: list[str]) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


def test_the_study_runs_goes_on_and_makes_its_claims(data: Path, tmp_path: Path) -> None:
    config = cloud.StudyConfig(data, tmp_path, seeds=(10, 11), controls=("none", "null"), cloud=SMALL)
    results = cloud.study(config)
    assert set(results["parts"]["none"]["unseen_workloads"]) == set(cloud.UNSEEN)
    again = cloud.study(config)
    assert again["parts"] == results["parts"]
    # Whatever such short practice reached, claims are made of figures that are there.
    shown = copy.deepcopy(results)
    found = {"mean": 0.1, "ci95": [0.05, 0.15], "seeds": [0.08, 0.12]}
    for part in shown["parts"].values():
        for key in ("savings_at_equal_violations", "savings_at_equal_violations_and_slow_requests"):
            part[key] = dict.fromkeys(part[key], found)
        part["gain_over_unsteered_rule"] = found
    claims = {claim["id"]: claim for claim in cloud.claims(shown)}
    assert claims["cloud-cost-reduction"]["value"] == pytest.approx(10)
    assert claims["cloud-cost-reduction"]["per_seed"] == {"10": 8.0, "11": 12.0}
    assert {"cloud-null-control", "cloud-cost-below-calibrated-rule"} <= claims.keys()


def test_seeds_that_are_not_in_a_row_are_told(data: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="numbers in a row"):
        cloud.study(cloud.StudyConfig(data, tmp_path, seeds=(1, 3), cloud=SMALL))


def test_the_recipe_is_the_commands_own_settings() -> None:
    assert load(Config, ROOT / "recipes" / "cloud" / "cloud.toml", []) == replace(Config(), seeds=5)
