"""Training against exact solutions, ends of episodes, and resuming bit for bit."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st
from stable_baselines3.common.buffers import RolloutBuffer

from practicum.applications.agent import AgentConfig, evaluate_agent, train_agent
from practicum.applications.agent.environments import Copies
from practicum.applications.agent.train import Learner
from practicum.errors import InputError
from practicum.guard.observer import Adjustments, Quiet, StepResult, Verdict
from practicum.training.objectives import generalised_advantages
from tests.applications.agent.worlds import BANDITS, GOAL, WEIGHTS, Bandit, Broken, Restless, Tabular, Walk

TINY = AgentConfig(iterations=3, environments=2, horizon=8, epochs=2, minibatches=2, hidden=(8,))


@settings(max_examples=40, deadline=None)
@given(data=st.data(), length=st.integers(1, 12), seed=st.integers(0, 1000))
def test_credit_of_a_row_of_episodes_is_that_of_each_episode_alone(
    data: st.DataObject, length: int, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    rewards, values, beyond = torch.randn(3, 1, length, generator=generator)
    ends = torch.tensor([data.draw(st.lists(st.booleans(), min_size=length, max_size=length))])
    ends[0, -1] = True
    everywhere = torch.ones(1, length, dtype=torch.bool)
    found = generalised_advantages(rewards, values, everywhere, 0.9, 0.8, (ends, beyond))
    start = 0
    for end in ends[0].nonzero()[:, 0].tolist():
        piece = slice(start, end + 1)
        # What follows the cut is worth as much as if it had been paid at once.
        paid = rewards[:, piece].clone()
        paid[0, -1] += 0.9 * beyond[0, end]
        alone = generalised_advantages(paid, values[:, piece], everywhere[:, piece], 0.9, 0.8)
        for whole, part in zip(found, alone, strict=True):
            torch.testing.assert_close(whole[:, piece], part)
        start = end + 1


@settings(max_examples=25, deadline=None)
@given(length=st.integers(1, 20), seed=st.integers(0, 1000), gae_lambda=st.sampled_from([0.0, 0.7, 1.0]))
def test_credit_is_that_of_stable_baselines3(length: int, seed: int, gae_lambda: float) -> None:
    """Its buffer, whose episodes all end in terminal states but for what follows the last step."""
    generator = np.random.default_rng(seed)
    buffer = RolloutBuffer(
        length, spaces.Box(-1, 1, (1,)), spaces.Discrete(2), "cpu", gae_lambda, gamma=0.9, n_envs=3
    )
    rewards, values = generator.normal(size=(2, length, 3)).astype(np.float32)
    starts = generator.random((length + 1, 3)) < 0.3
    for step in range(length):
        chances = (torch.from_numpy(values[step]), torch.zeros(3))
        buffer.add(np.zeros((3, 1)), np.zeros(3), rewards[step], starts[step], *chances)
    last = torch.from_numpy(generator.normal(size=3).astype(np.float32))
    buffer.compute_returns_and_advantage(last, starts[-1])
    ends = torch.from_numpy(starts[1:].T.copy())
    beyond = torch.zeros(3, length)
    beyond[:, -1] = torch.where(ends[:, -1], 0.0, last)
    ends[:, -1] = True
    everywhere = torch.ones(3, length, dtype=torch.bool)
    rows = [torch.from_numpy(one.T.copy()) for one in (rewards, values)]
    advantages, returns = generalised_advantages(
        rows[0], rows[1], everywhere, 0.9, gae_lambda, (ends, beyond)
    )
    np.testing.assert_allclose(advantages.T, buffer.advantages, atol=1e-4)
    np.testing.assert_allclose(returns.T, buffer.returns, atol=1e-4)


@pytest.mark.parametrize("terminal", [True, False])
def test_an_episode_that_is_cut_off_goes_on_in_its_value_and_one_that_ends_does_not(terminal: bool) -> None:
    learner = Learner(replace(TINY, horizon=12, normalise_observations=False), lambda seed: Walk(5, terminal))
    learner.copies.reset()
    batch = learner._practise(np.random.default_rng(0))
    ended = [4, 9, 11]
    assert batch.ends_BT.nonzero()[:, 1].tolist() == ended * 2
    shown = torch.full((1, 2), 5.0)
    with torch.no_grad():
        last, open_end = (learner.agent.network(one)[1] for one in (shown, torch.full((1, 2), 2.0)))
    expected = [0.0, 0.0, float(open_end)] if terminal else [float(last), float(last), float(open_end)]
    assert batch.beyond_BT[0, ended].tolist() == pytest.approx(expected)
    # After each end the next step is seen from the new episode's start.
    assert batch.rows.view(2, 12, 2)[0, :, 0].tolist() == [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1]
    assert learner.copies.finished() == [(0, 5.0, 5), (1, 5.0, 5)] * 2


def test_the_policy_of_a_small_mdp_is_the_best_one(tmp_path: Path) -> None:
    config = AgentConfig(
        iterations=25, environments=8, horizon=64, learning_rate=0.015, discount=0.9, hidden=(32,)
    )
    agent = train_agent(config, lambda seed: Tabular(), tmp_path / "run")
    values, worth = Tabular().best(0.9)
    gaps = np.sort(worth, 1)
    assert (gaps[:, -1] - gaps[:, -2] > 0.05).all(), "an MDP with clear answers"
    assert agent.act(np.arange(4)).tolist() == worth.argmax(1).tolist()
    assert np.abs(agent.values(np.arange(4)) - values).max() < 0.15 * np.ptp(worth) + 0.1


@pytest.mark.parametrize("kind", BANDITS)
def test_a_bandits_best_action_is_found(kind: str, tmp_path: Path) -> None:
    space, pay = BANDITS[kind]
    config = AgentConfig(
        iterations=60 if kind == "unbounded" else 30,
        environments=16,
        horizon=16,
        learning_rate=0.03,
        hidden=(8,),
        scale_rewards=True,
        # The goal lies four deviations away: without a bonus the deviation shrinks before the mean is there.
        entropy_weight=0.1 if kind == "unbounded" else 0.0,
    )
    agent = train_agent(config, lambda seed: Bandit(space, pay), tmp_path / "run")
    found = agent.act(np.zeros((1, 1)))[0]
    if kind == "discrete":
        assert found == 4
    elif kind == "multi_discrete":
        assert found.tolist() == [3, 1]
    elif kind == "simplex":
        np.testing.assert_allclose(found, WEIGHTS, atol=0.05)
    else:
        np.testing.assert_allclose(found, GOAL, atol=0.1)


def rows_of(folder: Path) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in row.items() if "seconds" not in key} for row in rows]


def files_of(folder: Path) -> dict[str, bytes]:
    newest = sorted((folder / "checkpoints").glob("step-*"))[-1]
    names = ("agent.json", "model.safetensors", "trainer.safetensors")
    return {"step": newest.name.encode(), **{name: (newest / name).read_bytes() for name in names}}


CHILD = """
import sys, time
from pathlib import Path
from practicum.applications.agent import AgentConfig, train_agent
from tests.applications.agent.test_train import RESUMED
from tests.applications.agent.worlds import Tabular

class Slow(Tabular):
    def step(self, action):
        time.sleep(0.001)
        return super().step(action)

train_agent(RESUMED, lambda seed: Slow(), Path(sys.argv[1]))
"""
RESUMED = replace(TINY, iterations=40, checkpoint_every=4, scale_rewards=True, horizon=16)


def test_a_run_that_was_killed_goes_on_bit_for_bit(tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    train_agent(RESUMED, lambda seed: Tabular(), whole)
    root = str(Path(__file__).parents[3])
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(broken)], env={**os.environ, "PYTHONPATH": root}, cwd=root
    )
    try:
        while not list((broken / "checkpoints").glob("step-*")):
            assert child.poll() is None, "the child ended before it could be killed"
            time.sleep(0.02)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    assert not (broken / "summary.json").exists()
    train_agent(RESUMED, lambda seed: Tabular(), broken, resume=True)
    assert rows_of(whole) == rows_of(broken)
    assert files_of(whole) == files_of(broken)


def test_a_finished_run_is_loaded_and_a_missing_one_begun(tmp_path: Path) -> None:
    first = train_agent(TINY, lambda seed: Walk(), tmp_path / "run", resume=True)
    before = files_of(tmp_path / "run")
    again = train_agent(TINY, lambda seed: Walk(), tmp_path / "run", resume=True)
    assert files_of(tmp_path / "run") == before
    assert (first.network.vector == again.network.vector).all()
    with pytest.raises(InputError, match="is not empty: pass --resume"):
        train_agent(TINY, lambda seed: Walk(), tmp_path / "run")
    with pytest.raises(InputError, match="was started with iterations = 3, now it is 5"):
        train_agent(replace(TINY, iterations=5), lambda seed: Walk(), tmp_path / "run", resume=True)


def test_an_environment_that_does_not_repeat_itself_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train_agent(replace(TINY, horizon=7), lambda seed: Restless(), tmp_path / "run")
    assert "repeat itself" not in capsys.readouterr().err
    train_agent(replace(TINY, horizon=7), lambda seed: Restless(), tmp_path / "run", resume=True)
    assert "the environment does not repeat itself from the same seed" in capsys.readouterr().err


def test_what_is_not_finite_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"not finite \(copy 0, step 2 of the iteration\)"):
        train_agent(TINY, lambda seed: Broken(), tmp_path / "run")


def test_a_wrong_shape_is_named() -> None:
    world = Walk()
    world.shape = (3,)
    copies = Copies(lambda seed: world, 1, 0)
    with pytest.raises(InputError, match=r"shows shape \[3\] where its observation space says \[2, 1\]"):
        copies.reset()


class Stops(Quiet):
    """Ends a run after its second step."""

    name = "stops"

    def after(self, step: int, result: StepResult) -> Verdict:
        return Verdict(ends=step == 2)

    def conclude(self, run: Any) -> dict[str, Any]:
        return {"stopped": True}


class Pulls(Quiet):
    """Asks for what an agent has not: a KL to a reference."""

    name = "pulls"

    def before(self, step: int) -> Adjustments:
        return Adjustments(kl_weight=0.1)


def test_observers_watch_an_agent_as_they_watch_a_language_model(tmp_path: Path) -> None:
    train_agent(TINY, lambda seed: Walk(), tmp_path / "run", observers=[Stops()])
    assert [row["step"] for row in rows_of(tmp_path / "run")] == [1, 2]
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["stopped"] is True
    with pytest.raises(InputError, match="cannot be adjusted"):
        train_agent(TINY, lambda seed: Walk(), tmp_path / "other", observers=[Pulls()])


def test_every_episode_counts_alike_in_an_evaluation(tmp_path: Path) -> None:
    agent = train_agent(TINY, lambda seed: Walk(), tmp_path / "run")
    lengths = iter([2, 30, 2, 2, 2, 2, 2, 2])
    returns = evaluate_agent(agent, lambda seed: Walk(next(lengths)), 16, 0)
    assert sorted(returns) == [2.0] * 14 + [30.0] * 2


def test_scaled_rewards_have_returns_of_deviation_one() -> None:
    learner = Learner(replace(TINY, horizon=2000, scale_rewards=True), lambda seed: Walk())
    rewards = 50 * np.random.default_rng(0).normal(size=(2000, 2))
    scaled = learner._scaled(rewards, np.zeros((2000, 2), bool))
    running, found = np.zeros(2), []
    for step in scaled.T:
        running = 0.99 * running + step
        found.append(running)
    assert np.std(found) == pytest.approx(1, rel=0.01)


def test_too_many_minibatches_are_named() -> None:
    with pytest.raises(InputError, match=r"agent\.minibatches is 20, but an iteration has only 16 steps"):
        replace(TINY, minibatches=20)
