"""What the study of a backtest as proxy measures and claims."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from practicum.applications.agent import AgentConfig
from practicum.applications.portfolio.environment import TradingConfig
from practicum.applications.portfolio.experiment import Window
from practicum.applications.portfolio.features import market_of
from studies.backtest_proxy import claims, curve, kl_from_start, summary, trusted

ROWS = [
    {"iteration": 5.0, "kl": 1.0, "proxy": 0.02, "gold": 0.01},
    {"iteration": 10.0, "kl": 2.9, "proxy": 0.05, "gold": 0.03},
    {"iteration": 15.0, "kl": 3.1, "proxy": 0.10, "gold": -0.02},
]


def test_the_distance_is_that_of_gaussians() -> None:
    generator = np.random.default_rng(0)
    means, deviations = generator.normal(0, 1, (7, 3)), generator.uniform(0.2, 2, 3)
    ours = torch.distributions.Normal(torch.tensor(means), torch.tensor(deviations).expand(7, 3))
    start = torch.distributions.Normal(torch.zeros(7, 3), torch.ones(7, 3))
    expected = torch.distributions.kl_divergence(ours, start).sum(1).mean()
    assert kl_from_start(means, deviations) == pytest.approx(float(expected))
    assert kl_from_start(np.zeros((2, 3)), np.ones(3)) == 0


def test_the_guard_trusts_what_lies_within_its_budget() -> None:
    assert trusted(ROWS) == ROWS[1]
    assert trusted(ROWS[:1]) == ROWS[0]
    assert trusted(ROWS[2:]) is None


def test_claims_are_means_over_windows() -> None:
    found = {"backtest_proxy": summary({"0": [ROWS, ROWS], "1": [ROWS, ROWS[2:]]})}
    values = {one["id"]: one["value"] for one in claims(found)}
    assert values["backtest-proxy-promise"] == pytest.approx(10)
    assert values["backtest-proxy-gap"] == pytest.approx(12)
    assert values["backtest-proxy-guard"] == pytest.approx(((3 + 2) + (1.5 + 2)) / 2)


def test_a_curve_is_measured_on_the_way() -> None:
    market = market_of(np.exp(np.random.default_rng(0).normal(0, 0.02, (700, 4))))
    agent = AgentConfig(iterations=4, environments=2, horizon=8, hidden=(8,))
    rows = curve(agent, market, TradingConfig(hold=21), Window(500, 650), 2)
    assert [row["iteration"] for row in rows] == [2, 4]
    assert all(np.isfinite(list(row.values())).all() for row in rows)
    assert rows == curve(agent, market, TradingConfig(hold=21), Window(500, 650), 2)
