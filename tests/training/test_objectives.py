"""Every formula against a slow, literal second way to compute it."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from practicum.training.objectives import (
    AdvantageKind,
    Aggregation,
    clipped_policy_loss,
    clipped_value_loss,
    generalised_advantages,
    group_advantages,
    masked_mean,
    token_weights,
    warmup_cosine,
    whiten,
)


def ragged(rows: int, width: int, seed: int) -> tuple[torch.Generator, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(1, width + 1, (rows,), generator=generator)
    return generator, torch.arange(width) < lengths[:, None]


def brute_force_advantage(
    rewards: list[float], values: list[float], discount: float, gae_lambda: float, start: int
) -> float:
    """The lambda-weighted mean of n-step advantages, the definition that GAE's recursion shortens."""
    length = len(rewards)
    n_step = []
    for n in range(1, length - start + 1):
        total = sum(discount**k * rewards[start + k] for k in range(n))
        bootstrap = discount**n * values[start + n] if start + n < length else 0.0
        n_step.append(total + bootstrap - values[start])
    weights = [(1 - gae_lambda) * gae_lambda ** (n - 1) for n in range(1, len(n_step))]
    return (
        sum(w * a for w, a in zip(weights, n_step, strict=False))
        + gae_lambda ** (len(n_step) - 1) * n_step[-1]
    )


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 5), st.integers(1, 9), st.integers(0, 99), st.floats(0, 1), st.floats(0, 1))
def test_generalised_advantages_are_the_weighted_n_step_advantages(
    rows: int, width: int, seed: int, discount: float, gae_lambda: float
) -> None:
    generator, mask = ragged(rows, width, seed)
    rewards, values = (torch.randn(rows, width, generator=generator) for _ in range(2))
    # What stands on padding must not matter, whatever it is.
    advantages, returns = generalised_advantages(rewards, values, mask, discount, gae_lambda)
    for row in range(rows):
        length = int(mask[row].sum())
        expected = [
            brute_force_advantage(
                rewards[row, :length].tolist(), values[row, :length].tolist(), discount, gae_lambda, start
            )
            for start in range(length)
        ]
        assert advantages[row, :length].tolist() == pytest.approx(expected, abs=1e-4)
        assert torch.allclose(returns[row, :length], advantages[row, :length] + values[row, :length])
        assert advantages[row, length:].eq(0).all()
        assert returns[row, length:].eq(0).all()


def test_with_lambda_one_the_return_is_the_discounted_sum_and_with_zero_one_step_ahead() -> None:
    rewards, values = torch.tensor([[0.0, 0.0, 1.0]]), torch.tensor([[0.5, 0.6, 0.7]])
    mask = torch.ones(1, 3, dtype=torch.bool)
    _, returns = generalised_advantages(rewards, values, mask, 0.9, 1.0)
    assert returns[0].tolist() == pytest.approx([0.81, 0.9, 1.0])
    advantages, _ = generalised_advantages(rewards, values, mask, 0.9, 0.0)
    assert advantages[0].tolist() == pytest.approx([0.9 * 0.6 - 0.5, 0.9 * 0.7 - 0.6, 1 - 0.7])


def numpy_advantages(rewards: np.ndarray, kind: AdvantageKind) -> np.ndarray:
    if len(rewards) == 1:
        return np.zeros(1)
    if kind == "leave_one_out":
        return np.array([rewards[i] - np.delete(rewards, i).mean() for i in range(len(rewards))])
    centred = rewards - rewards.mean()
    return centred if kind == "group_mean" else centred / (rewards.std(ddof=1) + 1e-4)


@pytest.mark.parametrize("kind", ["group_mean", "group_standardised", "leave_one_out"])
@settings(max_examples=30, deadline=None)
@given(sizes=st.lists(st.integers(1, 6), min_size=1, max_size=6), seed=st.integers(0, 99))
def test_group_advantages_are_those_of_each_group_alone(
    kind: AdvantageKind, sizes: list[int], seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    group_B = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    group_B = group_B[torch.randperm(len(group_B), generator=generator)]
    rewards_B = torch.randn(len(group_B), generator=generator)
    found = group_advantages(rewards_B, group_B, kind)
    for group in range(len(sizes)):
        members = group_B == group
        expected = numpy_advantages(rewards_B[members].double().numpy(), kind)
        assert found[members].numpy() == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("kind", ["group_mean", "group_standardised", "leave_one_out"])
def test_tied_groups_have_no_advantage_and_a_constant_bonus_changes_nothing(kind: AdvantageKind) -> None:
    group_B = torch.tensor([0, 0, 0, 1, 1, 1])
    rewards_B = torch.tensor([1.0, 1.0, 1.0, 0.0, 1.0, 1.0])
    advantages = group_advantages(rewards_B, group_B, kind)
    assert advantages[:3].eq(0).all()
    assert advantages[3] < 0 < advantages[4]
    assert torch.allclose(group_advantages(rewards_B + 2, group_B, kind), advantages, atol=1e-5)


ADVANTAGES: tuple[AdvantageKind, ...] = ("group_mean", "group_standardised", "leave_one_out")
DTYPES = st.sampled_from([torch.float32, torch.float64])


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(ADVANTAGES),
    DTYPES,
    st.lists(st.tuples(st.floats(-1e15, 1e15), st.integers(1, 40)), min_size=1, max_size=5),
)
def test_equal_rewards_of_any_value_and_number_have_no_advantage_at_all(
    kind: AdvantageKind, dtype: torch.dtype, groups: list[tuple[float, int]]
) -> None:
    rewards_B = torch.tensor([value for value, size in groups for _ in range(size)], dtype=dtype)
    group_B = torch.tensor([number for number, (_, size) in enumerate(groups) for _ in range(size)])
    order = torch.randperm(len(group_B), generator=torch.Generator().manual_seed(len(group_B)))
    found = group_advantages(rewards_B[order], group_B[order], kind)
    assert found.dtype == torch.float32
    assert found.eq(0).all()


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(ADVANTAGES),
    st.lists(st.integers(-4000, 4000), min_size=2, max_size=12),
    st.integers(-(10**6), 10**6),
    st.floats(-1e6, 1e6),
)
def test_a_constant_added_to_all_rewards_of_a_group_changes_no_advantage(
    kind: AdvantageKind, steps: list[int], exact: int, any_value: float
) -> None:
    rewards_B = torch.tensor(steps, dtype=torch.float64) / 64
    group_B = torch.zeros(len(steps), dtype=torch.int64)
    advantages = group_advantages(rewards_B, group_B, kind)
    # These sums are exact, so the result must be the same to the bit.
    assert torch.equal(group_advantages(rewards_B + exact, group_B, kind), advantages)
    # Here the sum is rounded itself, to about 1e-10, which standardising can multiply by 1e4.
    assert torch.allclose(group_advantages(rewards_B + any_value, group_B, kind), advantages, atol=1e-5)


def test_huge_and_tiny_rewards_are_compared_as_any_others() -> None:
    group_B = torch.zeros(4, dtype=torch.int64)
    rewards_B = torch.tensor([0.0, 1.0, 1.0, 0.0])
    expected = group_advantages(rewards_B * 1e4, group_B, "group_standardised")
    assert torch.allclose(group_advantages(rewards_B * 1e30, group_B, "group_standardised"), expected)
    assert group_advantages(rewards_B * 1e-30, group_B, "group_mean").abs().max() == pytest.approx(5e-31)


@settings(max_examples=40, deadline=None)
@given(st.floats(-1e15, 1e15), st.integers(1, 9), st.integers(1, 9), DTYPES)
def test_equal_values_have_no_deviation_when_whitened(
    value: float, rows: int, width: int, dtype: torch.dtype
) -> None:
    _, mask = ragged(rows, width, rows * 10 + width)
    values = torch.where(mask, torch.tensor(value, dtype=dtype), torch.tensor(float("nan"), dtype=dtype))
    assert whiten(values, mask).eq(0).all()
    assert torch.equal(whiten(values, mask, shift_mean=False)[mask], values[mask])


def test_the_clipped_policy_loss_and_its_gradient_by_cases() -> None:
    ratios = torch.tensor([0.5, 0.5, 0.9, 0.9, 1.2, 1.2, 1.5, 1.5])
    advantages = torch.tensor([1.0, -1.0] * 4)
    old = torch.full((8,), -2.0)
    logprobs = (old + ratios.log()).requires_grad_(True)
    loss, clipped = clipped_policy_loss(logprobs, old, advantages, 0.2, 0.28)
    # Only a ratio that has already moved the way its advantage pulls is clipped.
    expected = [-0.5, 0.8, -0.9, 0.9, -1.2, 1.2, -1.28, 1.5]
    binds = [False, True, False, False, False, False, True, False]
    assert loss.tolist() == pytest.approx(expected)
    assert clipped.bool().tolist() == binds
    loss.sum().backward()
    gradient = [
        0.0 if bound else -a * r
        for a, r, bound in zip(advantages.tolist(), ratios.tolist(), binds, strict=True)
    ]
    assert logprobs.grad is not None
    assert logprobs.grad.tolist() == pytest.approx(gradient)


@settings(max_examples=50, deadline=None)
@given(st.floats(-3, 3), st.floats(-3, 0), st.floats(-2, 2), st.floats(0.01, 0.5), st.floats(0.01, 0.5))
def test_the_clipped_policy_loss_against_its_formula(
    step: float, old: float, advantage: float, low: float, high: float
) -> None:
    ratio = math.exp(step)
    expected = -min(ratio * advantage, min(max(ratio, 1 - low), 1 + high) * advantage)
    loss, _ = clipped_policy_loss(
        torch.tensor([old + step]).double(),
        torch.tensor([old]).double(),
        torch.tensor([advantage]),
        low,
        high,
    )
    assert float(loss) == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_on_the_first_update_the_gradient_is_the_plain_policy_gradient() -> None:
    old = torch.tensor([-1.0, -2.0])
    advantages = torch.tensor([2.0, -3.0])
    logprobs = old.clone().requires_grad_(True)
    clipped_policy_loss(logprobs, old, advantages, 0.2, 0.28)[0].sum().backward()
    assert logprobs.grad is not None
    assert torch.allclose(logprobs.grad, -advantages)


@settings(max_examples=50, deadline=None)
@given(st.floats(-2, 2), st.floats(-2, 2), st.floats(-2, 2), st.floats(0.01, 0.5))
def test_the_clipped_value_loss_against_its_formula(
    value: float, old: float, target: float, clip: float
) -> None:
    values = torch.tensor([value], dtype=torch.float64, requires_grad=True)
    loss = clipped_value_loss(values, torch.tensor([old]).double(), torch.tensor([target]).double(), clip)
    kept = min(max(value, old - clip), old + clip)
    plain, moved = (value - target) ** 2, (kept - target) ** 2
    assert loss.tolist() == pytest.approx([0.5 * max(plain, moved)], abs=1e-5)
    loss.sum().backward()
    assert values.grad is not None
    if plain > moved + 1e-6:
        assert float(values.grad) == pytest.approx(value - target, abs=1e-5)
    elif moved > plain + 1e-6 and abs(value - old) > clip + 1e-6:
        assert float(values.grad) == 0.0  # beyond the clip and still the worse of the two: no pull


def test_masked_mean_and_whitening_see_the_mask_only() -> None:
    generator, mask = ragged(5, 7, 1)
    values = torch.randn(5, 7, generator=generator) * 3 + 2
    inside = values[mask].double().numpy()
    assert float(masked_mean(values, mask)) == pytest.approx(inside.mean(), abs=1e-5)
    expected = (inside - inside.mean()) / inside.std()
    assert whiten(values, mask)[mask].numpy() == pytest.approx(expected, abs=1e-4)
    kept = whiten(values, mask, shift_mean=False)
    assert kept[mask].numpy() == pytest.approx(expected + inside.mean(), abs=1e-4)
    for result in (whiten(values, mask), kept):
        assert result[~mask].eq(0).all()
    elsewhere = torch.where(mask, values, torch.full_like(values, 1e6))
    assert torch.equal(whiten(elsewhere, mask)[mask], whiten(values, mask)[mask])


def test_nothing_to_average_gives_zero_and_equal_values_whiten_to_zero() -> None:
    nothing = torch.zeros(2, 3, dtype=torch.bool)
    assert float(masked_mean(torch.ones(2, 3), nothing)) == 0.0
    assert whiten(torch.full((2, 3), 5.0), ~nothing).eq(0).all()
    assert torch.isfinite(whiten(torch.ones(2, 3), nothing)).all()


KINDS: tuple[Aggregation, ...] = ("token_mean", "sequence_mean", "constant")


@pytest.mark.parametrize("kind", KINDS)
def test_token_weights_do_not_change_with_padding_or_row_order(kind: Aggregation) -> None:
    _, mask = ragged(6, 8, 3)
    group_B = torch.arange(6) // 2
    weights = token_weights(mask, group_B, kind, 20)
    padded = torch.cat([mask, torch.zeros(6, 5, dtype=torch.bool)], dim=1)
    assert torch.equal(token_weights(padded, group_B, kind, 20)[:, :8], weights)
    assert token_weights(padded, group_B, kind, 20)[:, 8:].eq(0).all()
    order = torch.tensor([3, 1, 5, 0, 2, 4])
    assert torch.allclose(token_weights(mask[order], group_B[order], kind, 20), weights[order])
    assert weights[~mask].eq(0).all()


def test_token_weights_mean_what_they_say() -> None:
    mask = torch.tensor([[True, False, False, False], [True, True, True, False]])
    group_B = torch.tensor([0, 0])
    token, sequence, constant = (token_weights(mask, group_B, kind, 10) for kind in KINDS)
    assert token[mask].tolist() == pytest.approx([0.25] * 4)
    assert sequence.sum(1).tolist() == pytest.approx([0.5, 0.5])
    assert sequence[1, :3].tolist() == pytest.approx([1 / 6] * 3)
    assert constant[mask].tolist() == pytest.approx([1 / 20] * 4)


def test_the_learning_rate_warms_up_and_ends_at_its_final_share() -> None:
    factors = [warmup_cosine(step, 100, 10, 0.1) for step in range(101)]
    assert factors[:10] == pytest.approx([(step + 1) / 10 for step in range(10)])
    assert factors[10] == 1.0
    assert factors[55] == pytest.approx(0.55)
    assert factors[100] == pytest.approx(0.1)
    assert all(a > b for a, b in itertools.pairwise(factors[10:]))
    assert all(0 < factor <= 1 for factor in factors)
    assert warmup_cosine(0, 1, 0, 0.1) == 1.0
    assert warmup_cosine(3, 3, 5, 0.1) == pytest.approx(0.8)
