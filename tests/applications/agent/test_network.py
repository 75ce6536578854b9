"""The networks in torch and in numpy, the optimizer against torch's, and an agent's folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from practicum.applications.agent import Agent, Simplex
from practicum.applications.agent.network import Adam, Network
from practicum.applications.agent.normaliser import Normaliser
from practicum.applications.agent.spaces import ActionSpec, ObservationSpec
from practicum.errors import InputError

SHAPES = st.lists(st.integers(1, 9), max_size=3)


def network_of(hidden: list[int], seed: int = 0) -> Network:
    network = Network(3, 4, hidden, [0.5], torch.Generator().manual_seed(seed))
    with torch.no_grad():
        network.vector.add_(torch.randn(len(network.vector), generator=torch.Generator().manual_seed(seed)))
    return network


@settings(max_examples=15, deadline=None)
@given(hidden=SHAPES, seed=st.integers(0, 1000))
def test_numpy_and_two_networks_of_torch_agree_with_it(hidden: list[int], seed: int) -> None:
    network = network_of(hidden, seed)
    rows = torch.randn(6, 3, generator=torch.Generator().manual_seed(seed))
    outputs, values = network(rows)
    np.testing.assert_allclose(network.act(rows.numpy()), outputs.detach(), atol=1e-5)
    for which, found in ((0, outputs), (1, values[:, None])):
        modules: list[nn.Module] = []
        for weight, bias in network.layers:
            linear = nn.Linear(weight.shape[1], weight.shape[2])
            linear.weight.data, linear.bias.data = weight[which].T.detach(), bias[which, 0].detach()
            modules += [linear, nn.Tanh()]
        whole = nn.Sequential(*modules[:-1])
        torch.testing.assert_close(whole(rows)[:, : found.shape[1]], found, atol=1e-5, rtol=1e-4)


def test_first_weights_are_orthogonal_with_the_published_gains() -> None:
    network = Network(8, 4, [8], [], torch.Generator().manual_seed(0))
    (first, _), (last, _) = network.layers
    for which in (0, 1):
        torch.testing.assert_close(first[which].T @ first[which], 2 * torch.eye(8))
    torch.testing.assert_close(last[0].T @ last[0], 1e-4 * torch.eye(4))
    torch.testing.assert_close(last[1, :, 0].norm(), torch.tensor(1.0))


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), most=st.sampled_from([0.1, 1.0, 100.0]))
def test_the_optimizer_is_adam_with_a_clipped_gradient(seed: int, most: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    vector = torch.randn(50, generator=generator)
    theirs = nn.Parameter(vector.clone())
    known = torch.optim.Adam([theirs], 0.01, eps=1e-5)
    ours = Adam(vector, torch.zeros(50), most)
    for _ in range(5):
        gradient = torch.randn(50, generator=generator)
        ours.gradient.copy_(gradient)
        theirs.grad = gradient.clone()
        norm = nn.utils.clip_grad_norm_([theirs], most)
        assert ours.step(0.01) == pytest.approx(float(norm), rel=1e-5)
        known.step()
        torch.testing.assert_close(vector, theirs.detach(), atol=1e-6, rtol=1e-5)


@settings(max_examples=15, deadline=None)
@given(sizes=st.lists(st.integers(1, 30), min_size=1, max_size=6), seed=st.integers(0, 1000))
def test_running_statistics_are_those_of_all_rows(sizes: list[int], seed: int) -> None:
    generator = np.random.default_rng(seed)
    parts = [1e4 + generator.normal(size=(size, 2)) for size in sizes]
    normaliser = Normaliser(2)
    for part in parts:
        normaliser.update(part)
    whole = np.concatenate(parts)
    np.testing.assert_allclose(normaliser.mean, whole.mean(0), rtol=1e-12)
    np.testing.assert_allclose(normaliser.variance, whole.var(0), rtol=1e-6, atol=1e-9)


ACTIONS = [spaces.Discrete(3, start=5), spaces.MultiDiscrete([2, 4]), spaces.Box(-3, 3, (2,)), Simplex(4)]


@pytest.mark.parametrize("space", ACTIONS, ids=str)
@pytest.mark.parametrize("seen", [spaces.Box(-1, 1, (2, 3)), spaces.Discrete(7, start=1)], ids=str)
def test_an_agent_is_what_it_was_before_it_was_saved(
    space: spaces.Space[object], seen: spaces.Space[object], tmp_path: Path
) -> None:
    agent = Agent(ObservationSpec.of(seen), ActionSpec.of(space), (5,), seed=3)
    seen.seed(0)
    observations = np.array([seen.sample() for _ in range(9)])
    agent.normaliser.update(agent.observation.rows(observations))
    agent.save(tmp_path / "agent")
    again = Agent.load(tmp_path / "agent")
    for greedy in (True, False):
        generators = [np.random.default_rng(1), np.random.default_rng(1)]
        actions, others = (
            one.act(observations, greedy=greedy, generator=generator)
            for one, generator in zip((agent, again), generators, strict=True)
        )
        assert (actions == others).all()
        assert all(space.contains(np.asarray(action, space.dtype)) for action in actions)
    assert (agent.values(observations) == again.values(observations)).all()
    if isinstance(space, spaces.Discrete):
        chances = agent.probabilities(observations)
        np.testing.assert_allclose(chances.sum(1), 1)
        assert (chances.argmax(1) + 5 == agent.act(observations)).all()
    else:
        with pytest.raises(InputError, match="only discrete actions have probabilities"):
            agent.probabilities(observations)


def test_what_no_agent_can_read_or_do_is_named() -> None:
    with pytest.raises(InputError, match="action space is MultiBinary"):
        ActionSpec.of(spaces.MultiBinary(3))
    with pytest.raises(InputError, match="observation space is Tuple"):
        ObservationSpec.of(spaces.Tuple([spaces.Discrete(2)]))
    agent = Agent(ObservationSpec((3,)), ActionSpec("discrete", (2,), start=(0,)))
    with pytest.raises(InputError, match=r"observations have shape \[5, 2\]"):
        agent.act(np.zeros((5, 2)))


def test_a_damaged_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"agent\.json: cannot be read"):
        Agent.load(tmp_path)
    Agent(ObservationSpec((3,)), ActionSpec("discrete", (2,), start=(0,))).save(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"no tensors")
    with pytest.raises(InputError, match=r"model\.safetensors: cannot be read"):
        Agent.load(tmp_path)
