"""Which KL estimator pulls the right way, by exact enumeration of every sample a small policy can draw.

`in the loss`: E[d k / d theta] with samples held fixed. `in the reward`: the policy gradient of the reward
-k, that is E[k * d log p / d theta]. Both are computed with the functions that training uses.
"""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from practicum.guard.controllers import KLEstimator
from practicum.training.objectives import clipped_policy_loss, kl_estimate

VOCABULARY = 5
ESTIMATORS: tuple[KLEstimator, ...] = ("k1", "k2", "k3")


def logits(*shape: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


THETA, REFERENCE = logits(VOCABULARY, seed=0), logits(VOCABULARY, seed=1).log_softmax(-1)


def gradient(loss: Tensor, *parameters: Tensor) -> Tensor:
    parts = torch.autograd.grad(
        loss, parameters, retain_graph=True, allow_unused=True, materialize_grads=True
    )
    return torch.cat([part.flatten() for part in parts])


def kl_gradients() -> tuple[Tensor, Tensor]:
    """Gradients of KL(policy || reference) and of KL(reference || policy)."""
    theta = THETA.clone().requires_grad_(True)
    policy = theta.log_softmax(-1)
    forward = (policy.exp() * (policy - REFERENCE)).sum()
    reverse = (REFERENCE.exp() * (REFERENCE - policy)).sum()
    return gradient(forward, theta), gradient(reverse, theta)


def in_the_loss(estimator: KLEstimator) -> Tensor:
    theta = THETA.clone().requires_grad_(True)
    policy = theta.log_softmax(-1)
    chance = policy.detach().exp()
    return gradient((chance * kl_estimate(policy, REFERENCE, estimator)).sum(), theta)


def in_the_reward(estimator: KLEstimator) -> Tensor:
    theta = THETA.clone().requires_grad_(True)
    policy = theta.log_softmax(-1)
    sampled = policy.detach()
    advantages = -kl_estimate(sampled, REFERENCE, estimator)
    loss, _ = clipped_policy_loss(policy, sampled, advantages, 0.2, 0.28)
    return gradient((sampled.exp() * loss).sum(), theta)


def same(first: Tensor, second: Tensor) -> bool:
    return bool(torch.allclose(first, second, atol=1e-10))


def test_as_values_k1_and_k3_are_unbiased_and_k2_is_not() -> None:
    policy = THETA.log_softmax(-1)
    exact = float((policy.exp() * (policy - REFERENCE)).sum())
    k1, k2, k3 = (
        float((policy.exp() * kl_estimate(policy, REFERENCE, estimator)).sum()) for estimator in ESTIMATORS
    )
    assert k1 == pytest.approx(exact, abs=1e-12)
    assert k3 == pytest.approx(exact, abs=1e-12)
    assert abs(k2 - exact) > 0.1 * exact
    assert (kl_estimate(policy, REFERENCE, "k1") < 0).any()
    assert (kl_estimate(policy, REFERENCE, "k2") >= 0).all()
    assert (kl_estimate(policy, REFERENCE, "k3") >= 0).all()


def test_exactly_two_placements_have_the_gradient_of_the_kl() -> None:
    kl, _ = kl_gradients()
    assert kl.norm() > 0.1
    right = {
        (estimator, place)
        for estimator in ESTIMATORS
        for place, found in (("loss", in_the_loss(estimator)), ("reward", in_the_reward(estimator)))
        if same(found, kl)
    }
    assert right == {("k1", "reward"), ("k2", "loss")}


def test_k1_in_the_loss_does_nothing_in_expectation() -> None:
    assert same(in_the_loss("k1"), torch.zeros(VOCABULARY, dtype=torch.float64))


def test_k3_in_the_loss_pulls_as_the_reverse_kl() -> None:
    kl, reverse = kl_gradients()
    assert same(in_the_loss("k3"), reverse)
    assert torch.cosine_similarity(reverse, kl, dim=0) < 0.99


def test_k3_in_the_reward_pulls_as_the_difference_of_the_two_kls() -> None:
    kl, reverse = kl_gradients()
    assert same(in_the_reward("k3"), kl - reverse)


def test_k2_in_the_reward_pulls_as_its_own_mean_less_the_kl() -> None:
    """The score-function half of d E[k2]; the other half, d k2 on fixed samples, is the KL's gradient."""
    kl, _ = kl_gradients()
    theta = THETA.clone().requires_grad_(True)
    policy = theta.log_softmax(-1)
    mean_of_k2 = gradient((policy.exp() * kl_estimate(policy, REFERENCE, "k2")).sum(), theta)
    assert same(in_the_reward("k2"), mean_of_k2 - kl)
    assert not same(in_the_reward("k2"), kl)


@pytest.mark.parametrize("estimator", ["k2", "k3"])
def test_close_to_the_reference_the_estimators_agree_where_it_matters(estimator: KLEstimator) -> None:
    """k2 and k3 in the loss differ in second order only, so a policy that hardly moved hides the bias."""

    def gap(size: float) -> float:
        start = REFERENCE + size * logits(VOCABULARY, seed=5)
        theta = start.clone().requires_grad_(True)
        policy = theta.log_softmax(-1)
        chance = policy.detach().exp()
        exact = gradient((policy.exp() * (policy - REFERENCE)).sum(), theta)
        found = gradient((chance * kl_estimate(policy, REFERENCE, estimator)).sum(), theta)
        return float((found - exact).norm() / exact.norm())

    assert gap(1e-3) < 1e-2
    assert (gap(3.0) > 0.1) == (estimator == "k3")


# Two tokens: the KL of whole sequences, where the first token also decides which second ones are met.


class TwoTokens:
    """Logits of the first token [V] and of the second given the first [V, V], and all V * V sequences."""

    def __init__(self, width: int = 3) -> None:
        self.parameters = [
            logits(width, seed=2).requires_grad_(True),
            logits(width, width, seed=3).requires_grad_(True),
        ]
        self.reference = [
            logits(width, seed=6).log_softmax(-1),
            (3 * logits(width, width, seed=7)).log_softmax(-1),
        ]
        pairs = torch.tensor(list(itertools.product(range(width), range(width))))
        self.policy_BT = self.gather([part.log_softmax(-1) for part in self.parameters], pairs)
        self.reference_BT = self.gather(self.reference, pairs)
        self.chance_B = self.policy_BT.detach().sum(1).exp()

    @staticmethod
    def gather(logprobs: list[Tensor], pairs: Tensor) -> Tensor:
        return torch.stack([logprobs[0][pairs[:, 0]], logprobs[1][pairs[:, 0], pairs[:, 1]]], dim=1)

    def kl_gradient(self) -> Tensor:
        whole = self.policy_BT.sum(1)
        return gradient((whole.exp() * (whole - self.reference_BT.sum(1))).sum(), *self.parameters)

    def in_the_reward(self, estimator: KLEstimator, credit: str) -> Tensor:
        sampled_BT = self.policy_BT.detach()
        penalty_BT = kl_estimate(sampled_BT, self.reference_BT, estimator)
        credited_BT = {
            "whole sequence": penalty_BT.sum(1, keepdim=True).expand_as(penalty_BT),
            "from here on": penalty_BT.flip(1).cumsum(1).flip(1),
            "this token": penalty_BT,
        }[credit]
        loss_BT, _ = clipped_policy_loss(self.policy_BT, sampled_BT, -credited_BT, 0.2, 0.28)
        return gradient((self.chance_B[:, None] * loss_BT).sum(), *self.parameters)

    def in_the_loss(self, estimator: KLEstimator) -> Tensor:
        penalty_BT = kl_estimate(self.policy_BT, self.reference_BT, estimator)
        return gradient((self.chance_B[:, None] * penalty_BT).sum(), *self.parameters)

    def fixed_prefix_gradient(self) -> Tensor:
        """Sum of each position's own KL gradient, as if the policy could not choose its prefixes."""
        first, second = (part.log_softmax(-1) for part in self.parameters)
        own = (first.exp() * (first - self.reference[0])).sum()
        later = (second.exp() * (second - self.reference[1])).sum(1)
        return gradient(own + (first.detach().exp() * later).sum(), *self.parameters)


def test_on_sequences_k1_in_the_reward_is_right_when_a_token_answers_for_what_follows() -> None:
    model = TwoTokens()
    kl = model.kl_gradient()
    assert same(model.in_the_reward("k1", "whole sequence"), kl)  # GRPO: subtracted from the row's reward
    assert same(model.in_the_reward("k1", "from here on"), kl)  # PPO: per token, discount 1 and lambda 1


def test_on_sequences_a_token_that_answers_for_itself_alone_misses_the_future() -> None:
    model = TwoTokens()
    myopic = model.in_the_reward("k1", "this token")
    assert same(myopic, model.fixed_prefix_gradient())
    assert not torch.allclose(myopic, model.kl_gradient(), rtol=0.1)


def test_on_sequences_k2_in_the_loss_is_right_for_each_prefix_but_blind_to_their_choice() -> None:
    model = TwoTokens()
    assert same(model.in_the_loss("k2"), model.fixed_prefix_gradient())
    assert not torch.allclose(model.in_the_loss("k2"), model.kl_gradient(), rtol=0.1)
    # The last token has no future, so there it is exact.
    last = model.in_the_loss("k2")[3:]
    assert same(last, model.kl_gradient()[3:])


def test_on_sequences_k1_in_the_loss_still_does_nothing() -> None:
    assert TwoTokens().in_the_loss("k1").abs().max() < 1e-12
