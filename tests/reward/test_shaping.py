"""Shaping by a potential pays progress and changes no best policy: a small MDP is solved both ways."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from practicum.errors import InputError
from practicum.guard.controllers import KLPenalty
from practicum.model.tokenizer import encode_batch
from practicum.reward.shaping import load_potential, shaped_tokens, shaping, shaping_rewards
from practicum.rollout.collect import ScoredRollout, to_rollout
from practicum.rollout.sampler import Completion
from practicum.training import rl
from practicum.training.algorithms import ppo
from practicum.training.algorithms.algorithm import Signals
from practicum.types import Prompt, Score

STATES, ACTIONS = 6, 3


def best(chance_SAS: np.ndarray, reward_SAS: np.ndarray, discount: float) -> np.ndarray:
    """Optimal action values [S, A] by policy iteration; the last state is terminal and worth 0.

    Each policy is evaluated by solving its linear equations, so there is no error of iteration.
    """
    policy = np.zeros(STATES, dtype=int)
    expected_SA = (chance_SAS * reward_SAS).sum(2)
    while True:
        chosen = chance_SAS[np.arange(STATES), policy][: STATES - 1, : STATES - 1]
        paid = expected_SA[np.arange(STATES), policy][: STATES - 1]
        value = np.append(np.linalg.solve(np.eye(STATES - 1) - discount * chosen, paid), 0.0)
        action_value_SA = expected_SA + discount * chance_SAS @ value
        better = action_value_SA.argmax(1)
        improved = action_value_SA.max(1) > action_value_SA[np.arange(STATES), policy] + 1e-12
        if not improved[: STATES - 1].any():
            return action_value_SA
        policy = np.where(improved, better, policy)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.1, 0.99), st.floats(0.1, 100))
def test_the_best_policy_of_an_mdp_does_not_change(seed: int, discount: float, scale: float) -> None:
    """Q*(s, a) of the shaped MDP is Q*(s, a) - potential(s), exactly as the theorem says."""
    random = np.random.default_rng(seed)
    chance_SAS = random.dirichlet(np.ones(STATES), (STATES, ACTIONS))
    reward_SAS = random.normal(size=(STATES, ACTIONS, STATES))
    reward_SAS[-1] = 0
    potential_S = np.append(scale * random.normal(size=STATES - 1), 0.0)
    paid_SS = np.array(
        [[shaping(before, after, discount) for after in potential_S] for before in potential_S]
    )
    plain = best(chance_SAS, reward_SAS, discount)[:-1]
    shaped = best(chance_SAS, reward_SAS + paid_SS[:, None, :], discount)[:-1]
    np.testing.assert_allclose(shaped, plain - potential_S[:-1, None], atol=1e-8 * scale)
    top = np.sort(plain, axis=1)
    clear = top[:, -1] - top[:, -2] > 1e-6 * scale
    assert (shaped.argmax(1) == plain.argmax(1))[clear].all()


def test_a_payment_that_is_no_potentials_does_change_it() -> None:
    """The control: paying progress without taking it back makes going in circles the best policy."""
    chance_SAS = np.zeros((STATES, ACTIONS, STATES))
    chance_SAS[:, :, -1] = 1.0
    chance_SAS[0, 1], chance_SAS[1, 1] = np.eye(STATES)[1], np.eye(STATES)[0]
    reward_SAS = np.zeros((STATES, ACTIONS, STATES))
    reward_SAS[0, 0, -1] = 1.0
    bonus_SAS = reward_SAS.copy()
    bonus_SAS[0, 1, 1] += 0.5
    potential_S = np.array([0.0, 0.5, 0, 0, 0, 0])
    paid_SS = 0.9 * potential_S[None, :] - potential_S[:, None]
    assert best(chance_SAS, reward_SAS, 0.9)[0].argmax() == 0
    assert best(chance_SAS, bonus_SAS, 0.9)[0].argmax() == 1
    assert best(chance_SAS, reward_SAS + paid_SS[:, None, :], 0.9)[0].argmax() == 0


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(-100, 100), min_size=1, max_size=30), st.floats(0, 1))
def test_an_episode_is_paid_minus_its_first_potential(found: list[float], discount: float) -> None:
    paid = shaping_rewards(found, discount)
    total = sum(discount**place * one for place, one in enumerate(paid))
    assert total == pytest.approx(-found[0], abs=1e-9 * (1 + max(map(abs, found))))


def batch_of(tokenizer: Tokenizer, texts: list[str]) -> ScoredRollout:
    ids = [[*one, 1] for one in encode_batch(tokenizer, texts)]
    completions = [Completion(one, [-1.0] * len(one), True) for one in ids]
    rollout = to_rollout([[5]] * len(ids), torch.arange(len(ids)), completions, texts)
    rewards = torch.arange(len(ids), dtype=torch.float64)
    prompts = [Prompt(f"{row}:") for row in range(len(ids))]
    finished = torch.ones(len(ids), dtype=torch.bool)
    return ScoredRollout(rollout, prompts, [Score(0.0)] * len(ids), rewards, finished)


def lines(prompt: Prompt, text: str) -> float:
    assert not text or text.endswith("\n")
    return float(text.count("\n"))


def test_tokens_are_paid_where_lines_end(tokenizer: Tokenizer) -> None:
    batch = batch_of(tokenizer, ["a\nbc\nd", "xyz"])
    shaped_BT = shaped_tokens(batch, tokenizer, lines)
    assert shaped_BT[0].tolist() == [0, 1, 0, 0, 1, 0, -2]
    assert not shaped_BT[1].any()
    assert shaped_BT.sum(1).tolist() == [0, 0]


def test_returns_fall_by_the_potential_and_advantages_of_a_true_critic_stay(tokenizer: Tokenizer) -> None:
    batch = batch_of(tokenizer, ["a\nbc\nd", "xyz\n"])
    config = ppo.PpoConfig(whiten_advantages=False)
    values_BT = torch.randn(batch.rollout.mask_BT.shape) * batch.rollout.mask_BT
    signals = Signals(KLPenalty(), None, values_BT)
    plain = ppo.credit(batch, signals, config)
    shaped_BT = shaped_tokens(batch, tokenizer, lines)
    potential_BT = -shaped_BT.flip(1).cumsum(1).flip(1)
    batch = ScoredRollout(**{**vars(batch), "shaped_BT": shaped_BT})
    shaped = ppo.credit(batch, Signals(KLPenalty(), None, values_BT - potential_BT.float()), config)
    assert plain.returns_BT is not None
    assert shaped.returns_BT is not None
    torch.testing.assert_close(shaped.returns_BT, plain.returns_BT - potential_BT.float())
    torch.testing.assert_close(shaped.advantages_BT, plain.advantages_BT)


def test_potentials_come_from_a_file_and_bad_ones_are_told(tokenizer: Tokenizer, tmp_path: Path) -> None:
    file = tmp_path / "own.py"
    file.write_text(
        "def good(prompt, text):\n    return 2\n\ndef bad(prompt, text):\n    return float('nan')\n"
    )
    batch = batch_of(tokenizer, ["a"])
    assert shaped_tokens(batch, tokenizer, load_potential(f"{file}:good")).tolist() == [[0.0, -2.0]]
    with pytest.raises(InputError, match="potential: expected a finite number"):
        shaped_tokens(batch, tokenizer, load_potential(f"{file}:bad"))
    for spec, said in ((f"{file}:none", "FILE.py:function"), ("own", "FILE.py"), ("no.py:f", "no such file")):
        with pytest.raises(InputError, match=said):
            load_potential(spec)
    with pytest.raises(InputError, match="use --algorithm ppo"):
        rl.RlConfig(model=tmp_path, ppo=ppo.PpoConfig(potential=f"{file}:good"))
