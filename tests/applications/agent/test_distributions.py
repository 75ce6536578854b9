"""Log-probabilities, entropies and draws against torch.distributions and scipy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import distributions as known

from practicum.applications.agent import Simplex
from practicum.applications.agent.distributions import Categorical, Dirichlet, Gaussian, distribution_of
from practicum.applications.agent.spaces import SMALLEST_WEIGHT, ActionSpec

SEEDS = st.integers(0, 2**31)
ROWS = 5


def outputs_of(width: int, seed: int) -> torch.Tensor:
    return 2 * torch.randn(ROWS, width, generator=torch.Generator().manual_seed(seed))


@settings(max_examples=25, deadline=None)
@given(sizes=st.lists(st.integers(1, 6), min_size=1, max_size=4), seed=SEEDS)
def test_choices(sizes: list[int], seed: int) -> None:
    for single in [True, False][len(sizes) > 1 :]:
        space = spaces.Discrete(sizes[0], start=3) if single else spaces.MultiDiscrete(sizes)
        ours = Categorical(ActionSpec.of(space))
        outputs = outputs_of(sum(sizes), seed)
        raw = ours.sample(outputs.numpy(), np.zeros(0), np.random.default_rng(seed))
        theirs = [known.Categorical(logits=part) for part in outputs.split(sizes, 1)]
        logprobs = sum(one.log_prob(torch.from_numpy(raw[:, i])) for i, one in enumerate(theirs))
        torch.testing.assert_close(ours.logprobs(outputs, torch.zeros(0), torch.from_numpy(raw)), logprobs)
        entropy = sum(one.entropy() for one in theirs)
        torch.testing.assert_close(ours.entropies(outputs, torch.zeros(0)), entropy, atol=1e-5, rtol=1e-4)
        assert all(space.contains(action) for action in ours.actions(raw))
        best = ours.best(outputs.numpy(), np.zeros(0))
        assert (best[:, 0] == outputs[:, : sizes[0]].argmax(1).numpy()).all()


@settings(max_examples=25, deadline=None)
@given(size=st.integers(1, 5), seed=SEEDS, deviation=st.floats(0.05, 4))
def test_gaussians(size: int, seed: int, deviation: float) -> None:
    ours = Gaussian(ActionSpec.of(spaces.Box(-2, 6, (size,))), deviation)
    outputs, free = outputs_of(size, seed), outputs_of(size, seed + 1)[0].clamp(-3, 1.9)
    raw = ours.sample(outputs.numpy(), free.numpy(), np.random.default_rng(seed))
    theirs = known.Independent(known.Normal(outputs, free.exp()), 1)
    drawn = torch.from_numpy(raw)
    torch.testing.assert_close(
        ours.logprobs(outputs, free, drawn), theirs.log_prob(drawn), atol=1e-4, rtol=1e-4
    )
    scaled = known.Independent(known.Normal(outputs * deviation, free.exp() * deviation), 1)
    torch.testing.assert_close(ours.entropies(outputs, free), scaled.entropy(), atol=1e-5, rtol=1e-4)
    inside = ours.actions(raw)
    assert ((inside >= -2) & (inside <= 6)).all()
    # Where the deviation at first is 1, -1 and 1 are the bounds.
    ends = ours.actions(np.array([[-1 / deviation] * size, [1 / deviation] * size]))
    np.testing.assert_allclose(ends, [[-2.0] * size, [6.0] * size])
    np.testing.assert_allclose(ours.actions(np.zeros((1, size))), [[2.0] * size])


def test_an_action_with_one_bound_is_cut_there_and_not_scaled() -> None:
    ours = Gaussian(ActionSpec.of(spaces.Box(np.array([0.0]), np.array([np.inf]))))
    assert ours.actions(np.array([[-3.0], [7.5]])).tolist() == [[0.0], [7.5]]


@settings(max_examples=25, deadline=None)
@given(size=st.integers(2, 6), seed=SEEDS, precision=st.floats(-3, 6))
def test_dirichlets(size: int, seed: int, precision: float) -> None:
    ours = Dirichlet(ActionSpec.of(Simplex(size)))
    outputs, free = outputs_of(size, seed), torch.tensor([precision])
    raw = ours.sample(outputs.numpy(), free.numpy(), np.random.default_rng(seed))
    assert raw.min() >= 0.9 * SMALLEST_WEIGHT
    assert all(Simplex(size).contains(action) for action in ours.actions(raw))
    theirs = known.Dirichlet((free.exp() * outputs.softmax(1) + SMALLEST_WEIGHT).double())
    drawn = torch.from_numpy(raw)
    expected = theirs.log_prob(torch.from_numpy(ours.actions(raw)))
    torch.testing.assert_close(ours.logprobs(outputs, free, drawn).double(), expected, atol=2e-2, rtol=2e-3)
    torch.testing.assert_close(ours.entropies(outputs, free).double(), theirs.entropy(), atol=2e-2, rtol=2e-3)
    np.testing.assert_allclose(ours.best(outputs.numpy(), free.numpy()), outputs.softmax(1), atol=1e-4)


@pytest.mark.parametrize(
    "space", [spaces.Discrete(4), spaces.MultiDiscrete([2, 3]), spaces.Box(-1, 1, (2,)), Simplex(3)], ids=str
)
def test_draws_have_the_entropy_that_is_computed(space: spaces.Space[object]) -> None:
    """The mean of -log p over many draws is the entropy: the sampler draws from what is scored."""
    ours = distribution_of(ActionSpec.of(space))
    outputs = outputs_of(ours.outputs, 1)[:1].expand(40_000, -1)
    free = torch.full((ours.free,), 1.5)
    raw = torch.from_numpy(ours.sample(outputs.numpy(), free.numpy(), np.random.default_rng(0)))
    surprise = -ours.logprobs(outputs, free, raw)
    error = float(surprise.std()) / len(surprise) ** 0.5
    assert abs(float(surprise.mean() - ours.entropies(outputs, free)[0])) < 5 * error + 1e-5


@pytest.mark.parametrize(
    "space", [spaces.MultiDiscrete([2, 3]), spaces.Box(-1, 1, (2,)), Simplex(3)], ids=str
)
def test_gradients_are_those_of_finite_differences(space: spaces.Space[object]) -> None:
    ours = distribution_of(ActionSpec.of(space))
    outputs, free = outputs_of(ours.outputs, 2).double(), torch.full((ours.free,), 0.7).double()
    raw = torch.from_numpy(
        ours.sample(outputs.float().numpy(), free.float().numpy(), np.random.default_rng(0))
    )
    raw = raw if raw.dtype == torch.int64 else raw.double()
    inputs = (outputs.requires_grad_(), free.requires_grad_())
    assert torch.autograd.gradcheck(lambda a, b: ours.logprobs(a, b, raw), inputs)
    assert torch.autograd.gradcheck(ours.entropies, inputs)
