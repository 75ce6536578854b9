"""Proxy and gold of both games, the distance of a policy, and what the guard makes of recorded rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import distributions as known

from practicum import cli
from practicum.applications.ads.generator import GeneratorConfig
from practicum.applications.agent import Agent, Simplex
from practicum.applications.agent.spaces import ActionSpec, ObservationSpec, specs_of
from practicum.applications.overoptimization.command import Config, curve_of, outcome
from practicum.applications.overoptimization.games import Game, ads, portfolio
from practicum.applications.portfolio.data import Prices
from practicum.applications.portfolio.environment import TradingConfig
from practicum.applications.portfolio.experiment import EARLIER_BEGINS, FINAL_BEGINS

ROWS = 1300


def prices(seed: int = 0) -> Prices:
    moves = np.random.default_rng(seed).normal(0.0003, 0.01, (ROWS, 4))
    days = tuple(f"{number:05d}" for number in range(ROWS))
    return Prices(days, ("a", "b", "c", "d"), np.exp(moves.cumsum(0)), "made up")


def untrained(game: Game, seed: int = 0) -> Agent:
    agent = Agent(*specs_of(game.make(0)), (8,), seed=seed)
    with torch.no_grad():
        agent.network.vector.add_(torch.randn(len(agent.network.vector)) * 0.5)
    return agent


TRADING = TradingConfig(action="weights", hold=21)


def test_the_backtest_knows_no_gold_and_gold_no_final_days() -> None:
    before = prices()
    first, last = (round(share * (ROWS - 1)) for share in (EARLIER_BEGINS, FINAL_BEGINS))
    agent = untrained(portfolio(before, TRADING, 0))
    worth = portfolio(before, TRADING, 0).worth(agent)
    for begin, proxy, gold in ((first + 1, True, False), (last + 1, True, True)):
        later = before.prices_TN.copy()
        later[begin:] = prices(1).prices_TN[begin:]
        changed = portfolio(Prices(before.dates, before.names, later, "changed"), TRADING, 0).worth(agent)
        assert (changed.proxy == worth.proxy, changed.gold == worth.gold) == (proxy, gold)
        assert (changed.members_M == worth.members_M).all()


def test_equal_weight_is_worth_nothing_and_showing_evenly_too() -> None:
    game = portfolio(prices(), TRADING, 0)
    agent = Agent(*specs_of(game.make(0)), (8,))
    with torch.no_grad():
        agent.network.vector.zero_()
    worth = game.worth(agent)
    assert [worth.proxy, worth.gold, *worth.members_M] == pytest.approx([0.0] * 7, abs=1e-6)
    game = ads(GeneratorConfig(rows=2000), 3)
    agent = Agent(*specs_of(game.make(0)), (8,))
    with torch.no_grad():
        agent.network.vector.zero_()
    worth = game.worth(agent)
    assert [worth.proxy, worth.gold, *worth.members_M] == pytest.approx([0.0] * 7, abs=1e-6)
    assert agent.distance(game.seen, np.random.default_rng(0)) == pytest.approx(0.0, abs=1e-6)


SPACES = [spaces.Discrete(5), spaces.Box(-1, 1, (3,)), Simplex(4)]


@pytest.mark.parametrize("space", SPACES, ids=str)
def test_the_distance_is_the_divergence_from_the_policy_that_knows_nothing(space: Any) -> None:
    agent = Agent(ObservationSpec((2,)), ActionSpec.of(space), (6,), normalise=False)
    with torch.no_grad():
        agent.network.vector.add_(
            torch.randn(len(agent.network.vector), generator=torch.Generator().manual_seed(1)) * 0.3
        )
    seen = np.random.default_rng(0).normal(size=(20_000, 2))
    outputs = torch.from_numpy(agent.network.act(seen.astype(np.float32)))
    free = agent.network.free.detach()
    pairs: list[Any]
    if isinstance(space, spaces.Discrete):
        pairs = [known.Categorical(logits=one) for one in (outputs, torch.zeros_like(outputs))]
    elif isinstance(space, Simplex):
        pairs = [known.Dirichlet(free.exp() * outputs.softmax(1)), known.Dirichlet(torch.ones_like(outputs))]
    else:
        start = known.Normal(torch.zeros_like(outputs), 1.0)
        pairs = [known.Independent(one, 1) for one in (known.Normal(outputs, free.exp()), start)]
    exact = float(known.kl_divergence(*pairs).mean())
    found = agent.distance(seen, np.random.default_rng(0))
    assert found == pytest.approx(exact, rel=0.05, abs=0.02)


@settings(max_examples=20, deadline=None)
@given(onset=st.integers(15, 40), seed=st.integers(0, 100))
def test_the_guard_goes_back_to_before_second_opinions_part(onset: int, seed: int) -> None:
    noise = np.random.default_rng(seed).normal(0, 0.01, 60)
    rows = [
        {
            "step": step + 1,
            "proxy": 0.01 * step,
            "gold": 0.01 * min(step, onset) - 0.02 * max(0, step - onset),
            "kl_completion": 0.02 * step,
            "ensemble_disagreement": 0.1 + noise[step] + 0.2 * max(0, step - onset),
        }
        for step in range(60)
    ]
    curve = curve_of(rows, Config().guard, seed)
    assert curve.at("gold's best") == onset
    assert onset - 12 <= curve.stopped <= onset + 1
    assert "ensemble disagreement rose" in curve.sentence
    calm = [{**row, "ensemble_disagreement": 0.1 + noise[place]} for place, row in enumerate(rows)]
    assert curve_of(calm, Config().guard, seed).stopped == 59
    found = outcome(
        Config(), {"ads": [curve], "portfolio": [curve]}, {"ads": "clicks", "portfolio": "a year"}
    )
    assert found.data["ads"]["moments"]["guard"]["iteration"] == curve.stopped + 1
    assert len(found.table.rows) == 8
    assert [len(figure.notes) for figure in found.figures] == [60, 60]


def test_the_command_from_prices_to_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = prices()
    lines = ["date,a,b,c,d"]
    start = np.datetime64("2010-01-01")
    for day, row in enumerate(table.prices_TN):
        lines.append(f"{start + day}," + ",".join(f"{one:.6f}" for one in row))
    path = tmp_path / "prices.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    words = ["--seeds=2", "--agent.iterations=2", "--agent.horizon=8", "--made_up.rows=1000"]
    run = tmp_path / "run"
    assert cli.main(["apply", "overoptimization", f"--prices={path}", *words, f"--run={run}", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found) == {"run", "headline", "ads", "portfolio"}
    assert len(found["portfolio"]["moments"]["last"]["gold"]["seeds"]) == 2
    assert (run / "report.html").exists()
    lines[3] = lines[3].replace(",", ",,", 1)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    other = tmp_path / "other"
    assert cli.main(["apply", "overoptimization", f"--prices={path}", *words, f"--run={other}"]) == 2
    told = capsys.readouterr().err.splitlines()[-1]
    assert told.startswith(f"practicum: error: {path}")
    assert not other.exists()
