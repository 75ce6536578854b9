"""Every algorithm's loss and credit against its paper's formula, written out answer by answer."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from math import comb
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer
from torch import Tensor

from practicum import cli
from practicum.config import settings_without_effect
from practicum.errors import InputError
from practicum.guard.controllers import KLConfig, KLPenalty
from practicum.guard.counted import WatchConfig
from practicum.guard.observer import Adjustments
from practicum.model.sampling import SamplingConfig
from practicum.rollout.collect import ScoredRollout, joined, rows_of, to_rollout
from practicum.rollout.sampler import Completion
from practicum.training.algorithms import ALGORITHMS, Name
from practicum.training.algorithms.algorithm import Signals
from practicum.training.algorithms.dapo import DapoConfig
from practicum.training.algorithms.gfpo import GfpoConfig
from practicum.training.algorithms.ppo import PpoConfig
from practicum.training.iteration import gathered, practise
from practicum.training.objectives import (
    best_of_groups,
    kl_estimate,
    max_rl_advantages,
    soft_overlong_penalty,
    token_weights,
    untied,
)
from practicum.training.preference_losses import LOSSES
from practicum.training.rl import RlConfig, bounds_of_nothing
from practicum.training.update import Step, UpdateConfig, _one_update, token_losses
from practicum.types import Prompt, Score
from tests.tiny import LetterTask, parts_of, tiny_trainee
from tests.training import test_update as cut_up

LONGEST = 9


def made_up(rewards: Sequence[float], lengths: Sequence[int], group: int, seed: int = 0) -> ScoredRollout:
    """Answers of given lengths with rewards, `group` to a prompt, by a policy that is not asked."""
    generator = torch.Generator().manual_seed(seed)
    completions = [Completion([5] * n, [0.0] * n, n < LONGEST) for n in lengths]
    group_B = torch.arange(len(rewards)) // group
    rollout = to_rollout([[3]] * (len(rewards) // group), group_B, completions, ["x" * n for n in lengths])
    logprobs_BT = -torch.rand(rollout.mask_BT.shape, generator=generator) - 0.5
    return ScoredRollout(
        replace(rollout, logprobs_BT=logprobs_BT * rollout.mask_BT),
        [Prompt("p")] * len(rewards),
        [Score(value, value > 0.5) for value in rewards],
        torch.tensor(rewards, dtype=torch.float64),
        torch.tensor([n < LONGEST for n in lengths]),
    )


def places(mask_BT: Tensor) -> tuple[Tensor, Tensor]:
    """Rows and positions of the tokens, row after row."""
    row, position = mask_BT.nonzero(as_tuple=True)
    return row, position


def batch_of(seed: int = 0) -> ScoredRollout:
    """Three prompts by four answers; one group is tied."""
    rewards = [1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    return made_up(rewards, [3, 9, 5, 7, 2, 8, 9, 4, 6, 6, 1, 2], 4, seed)


def shaken(batch: ScoredRollout, size: float, seed: int = 1) -> Tensor:
    """The log-probabilities after some updates, [B, T]."""
    noise = torch.randn(batch.rollout.mask_BT.shape, generator=torch.Generator().manual_seed(seed))
    return (batch.rollout.logprobs_BT + size * noise) * batch.rollout.mask_BT


def gradient(name: str, batch: ScoredRollout, now_BT: Tensor, **more: Any) -> tuple[float, Tensor]:
    """(loss, its gradient by the log-probabilities [B, T]) as training computes them."""
    algorithm = ALGORITHMS[name]
    kl = more.get("kl", algorithm.kl)
    reference_BT = more.get("reference_BT")
    own = algorithm.settings(RlConfig(Path("m"), reference=Path("m")))
    experience = algorithm.credit(batch, Signals(kl, reference_BT, None, LONGEST), own)
    rollout = experience.rollout
    step = Step(UpdateConfig(), SamplingConfig(max_new_tokens=LONGEST), torch.float32, kl, algorithm)
    order = places(rollout.mask_BT)
    weights_BT = token_weights(rollout.mask_BT, rollout.group_B, step.aggregation, LONGEST)
    leaf_BT = now_BT.clone().requires_grad_()
    losses, _ = token_losses(leaf_BT[order], experience, order, step)
    loss = (losses * weights_BT[order]).sum()
    if reference_BT is not None and kl.placement == "loss":
        penalty = kl_estimate(leaf_BT[order], reference_BT[order], kl.estimator)
        loss = loss + kl.beta * (penalty * weights_BT[order]).sum()
    loss.backward()
    assert leaf_BT.grad is not None
    return loss.item(), leaf_BT.grad


# ------------------------------------------------------------------------------ the papers, answer by answer


def deviation(values: Sequence[float]) -> float:
    mean = sum(values) / len(values)
    return math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1))


def groups_of(batch: ScoredRollout) -> Iterator[list[int]]:
    rows = batch.rollout.group_B.tolist()
    for group in sorted(set(rows)):
        yield [row for row, own in enumerate(rows) if own == group]


def by_group(batch: ScoredRollout, rule: Callable[[float, list[float]], float]) -> list[float]:
    """Each answer's advantage from its reward and those of its group, itself among them."""
    found = [0.0] * len(batch.scores)
    for rows in groups_of(batch):
        rewards = [float(batch.reward_B[row]) for row in rows]
        for row, reward in zip(rows, rewards, strict=True):
            found[row] = rule(reward, rewards)
    return found


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def grpo_rule(reward: float, others: list[float]) -> float:
    return (reward - mean(others)) / (deviation(others) + 1e-4)


def paper_advantages(name: str, batch: ScoredRollout) -> list[float]:
    if name == "reinforce":
        return batch.reward_B.tolist()
    if name == "rloo":
        return by_group(batch, lambda r, all_: r - (sum(all_) - r) / (len(all_) - 1))
    if name == "dr_grpo":
        return by_group(batch, lambda r, all_: r - mean(all_))
    if name == "max_rl":
        return by_group(batch, lambda r, all_: (r - mean(all_)) / mean(all_) if mean(all_) else 0.0)
    if name in ("reinforce_pp", "reinforce_pp_baseline"):
        plain = batch.reward_B.tolist()
        if name == "reinforce_pp_baseline":
            plain = by_group(batch, lambda r, all_: r - mean(all_))
        lengths = batch.rollout.mask_BT.sum(1).tolist()
        every = [value for value, n in zip(plain, lengths, strict=True) for _ in range(n)]
        spread = math.sqrt(mean([(value - mean(every)) ** 2 for value in every]))
        return [(value - mean(every)) / spread for value in plain]
    return by_group(batch, grpo_rule)


def clipped(ratio: Tensor, advantage: float, low: float, high: float) -> Tensor:
    return -torch.minimum(ratio * advantage, ratio.clamp(1 - low, 1 + high) * advantage)


def paper_answer(name: str, now: Tensor, old: Tensor, advantage: float) -> Tensor:
    """Losses of one answer's tokens, float64."""
    ratio = (now - old).exp()
    if name in ("reinforce", "rloo"):
        return -advantage * now
    if name == "gspo":
        whole = ((now - old).sum() / len(now)).exp()
        return clipped(whole, advantage, 3e-4, 4e-4).expand(len(now))
    if name == "cispo":
        return -ratio.detach().clamp(max=5.0) * advantage * now
    if name == "sapo":
        tau = 1.0 if advantage > 0 else 1.05
        return -(4 / tau) / (1 + (-tau * (ratio - 1)).exp()) * advantage
    high = 0.28 if name in ("group", "dapo") else 0.2
    return clipped(ratio, advantage, 0.2, high)


def paper_mean(name: str, answers: list[Tensor]) -> Tensor:
    """The loss of a batch from its answers' token losses."""
    if name in ("group", "dapo", "cispo"):
        return torch.cat(answers).mean()
    if name == "dr_grpo":
        return torch.stack([answer.sum() for answer in answers]).sum() / (len(answers) * LONGEST)
    if name in ("reinforce", "rloo", "max_rl"):
        return torch.stack([answer.sum() for answer in answers]).mean()
    return torch.stack([answer.mean() for answer in answers]).mean()


PAPERS = (
    *("group", "reinforce", "rloo", "reinforce_pp", "reinforce_pp_baseline", "grpo", "dr_grpo"),
    *("gspo", "cispo", "sapo", "max_rl"),
)


@pytest.mark.parametrize("size", [0.0, 0.001, 0.3, 2.0])
@pytest.mark.parametrize("name", PAPERS)
def test_loss_and_gradient_are_those_of_the_paper(name: str, size: float) -> None:
    batch = batch_of()
    now_BT, mask_BT = shaken(batch, size), batch.rollout.mask_BT
    reference_BT = shaken(batch, 0.2, seed=5) if name == "grpo" else None
    leaf_BT = now_BT.double().requires_grad_()
    advantages = paper_advantages(name, batch)
    answers = []
    for row, advantage in enumerate(advantages):
        here = mask_BT[row]
        now, old = leaf_BT[row][here], batch.rollout.logprobs_BT[row][here].double()
        losses = paper_answer(name, now, old, advantage)
        if reference_BT is not None:
            apart = reference_BT[row][here].double() - now
            losses = losses + 0.04 * (apart.exp() - apart - 1)
        answers.append(losses)
    expected = paper_mean(name, answers)
    expected.backward()
    loss, found_BT = gradient(name, batch, now_BT, reference_BT=reference_BT)
    assert loss == pytest.approx(expected.item(), abs=2e-5, rel=2e-5)
    assert leaf_BT.grad is not None
    torch.testing.assert_close(found_BT.double(), leaf_BT.grad, atol=2e-6, rtol=2e-4)


@pytest.mark.parametrize("name", [name for name in PAPERS if name not in ("max_rl",)])
def test_a_kl_in_the_reward_is_taken_off_before_answers_are_compared(name: str) -> None:
    batch = batch_of()
    reference_BT = shaken(batch, 0.3, seed=4)
    penalty_B = ((batch.rollout.logprobs_BT - reference_BT) * batch.rollout.mask_BT).sum(1)
    kl = KLPenalty(0.1, "k1", "reward")
    found = ALGORITHMS[name].credit(batch, Signals(kl, reference_BT), SETTINGS.get(name))
    if name == "reinforce_pp":
        # The KL to come is charged token by token, so the first token bears all of it.
        plain = batch.reward_B - 0.1 * penalty_B.double()
        last_B = batch.rollout.mask_BT.sum(1) - 1
        rows = torch.arange(len(last_B))
        last_kl = (batch.rollout.logprobs_BT - reference_BT)[rows, last_B].double()
        gap = found.advantages_BT[rows, 0] - found.advantages_BT[rows, last_B]
        scale = gap[0] / (plain - (batch.reward_B - 0.1 * last_kl))[0]
        torch.testing.assert_close(
            gap.double(), scale * (plain - (batch.reward_B - 0.1 * last_kl)), atol=1e-5, rtol=1e-4
        )
        return
    charged = replace(batch, reward_B=batch.reward_B - 0.1 * penalty_B.double())
    if name in STANDARDISED:
        # The penalty is compared within the group, and not divided by the deviation.
        penalties = by_group(replace(batch, reward_B=penalty_B), lambda r, all_: r - mean(all_))
        advantages = [
            plain - 0.1 * penalty
            for plain, penalty in zip(paper_advantages(name, batch), penalties, strict=True)
        ]
    else:
        advantages = paper_advantages(name, charged)
    expected = torch.tensor(advantages)[:, None] * batch.rollout.mask_BT
    torch.testing.assert_close(found.advantages_BT.double(), expected.double(), atol=1e-4, rtol=1e-4)


STANDARDISED = ("group", "grpo", "gspo", "cispo", "sapo")
SETTINGS = {name: one.settings(RlConfig(Path("m"))) for name, one in ALGORITHMS.items()}


@pytest.mark.parametrize("name", [*STANDARDISED, "rloo", "dr_grpo", "dapo", "gfpo", "reinforce"])
@given(beta=st.floats(1e-6, 1.0))
@settings(max_examples=20, deadline=None)
def test_what_a_kl_in_the_reward_pushes_is_proportional_to_its_weight(name: str, beta: float) -> None:
    """Also where all answers to a prompt were paid the same, as in the last group of this batch."""
    batch = batch_of()
    reference_BT = shaken(batch, 0.3, seed=4)

    def advantages(weight: float) -> Tensor:
        signals = Signals(KLPenalty(weight, "k1", "reward"), reference_BT, None, LONGEST)
        return ALGORITHMS[name].credit(batch, signals, SETTINGS.get(name)).advantages_BT.double()

    plain = advantages(0.0)
    assert torch.allclose(
        (advantages(beta) - plain) / beta, advantages(1.0) - plain, rtol=1e-3, atol=2e-6 / beta
    )


def test_max_rl_has_the_gradient_of_the_first_terms_of_log_p() -> None:
    """d/dp of sum over k < G of -(1 - p)^k / k is the sum of (1 - p)^k over k < G - 1, by every outcome."""
    for count in (2, 3, 5, 8):
        p = Fraction(1, 5)
        expected = sum((1 - p) ** k for k in range(count - 1))
        found = Fraction(0)
        for right in range(count + 1):
            chance = comb(count, right) * p**right * (1 - p) ** (count - right)
            rewards = torch.tensor([1.0] * right + [0.0] * (count - right))
            advantages = max_rl_advantages(rewards, torch.zeros(count, dtype=torch.int64)).tolist()
            # A right answer's score has the mean (dp) / p, a wrong one's -(dp) / (1 - p).
            for reward, advantage in zip(rewards.tolist(), advantages, strict=True):
                score = 1 / p if reward else -1 / (1 - p)
                found += chance * Fraction(advantage).limit_denominator(1000) * score / count
        assert found == expected


def test_max_rl_takes_no_fines() -> None:
    batch = batch_of()
    with pytest.raises(InputError, match="an answer was paid -1"):
        ALGORITHMS["max_rl"].credit(replace(batch, reward_B=batch.reward_B - 1), Signals(KLPenalty()), None)


@pytest.mark.parametrize(
    ("length", "penalty"), [(1, 0.0), (15, 0.0), (16, -0.2), (18, -0.6), (19, -0.8), (20, -1.0)]
)
def test_the_price_of_length_is_that_of_dapos_table(length: int, penalty: float) -> None:
    found = soft_overlong_penalty(torch.tensor([length]), longest=20, buffer=5)
    assert float(found) == pytest.approx(penalty)


def test_dapo_prices_length_before_it_compares_and_keeps_what_differed_before() -> None:
    batch = made_up([1, 1, 1, 1, 0, 0, 1, 0], [9, 3, 8, 2, 9, 2, 3, 2], 4)
    config = DapoConfig(overlong_share=0.25)
    kept = ALGORITHMS["dapo"].keep(batch, config)  # type: ignore[misc]
    assert kept.tolist() == [False] * 4 + [True] * 4
    found = ALGORITHMS["dapo"].credit(batch, Signals(KLPenalty(), None, None, LONGEST), config)
    # Of 9 tokens the last 2 are priced: 9 costs a half of what a right answer gains, 8 a quarter, 7 nothing.
    expected = by_group(replace(batch, reward_B=torch.tensor([0.5, 1, 0.75, 1, -0.5, 0, 1, 0])), grpo_rule)
    torch.testing.assert_close(found.advantages_BT[:, 0], torch.tensor(expected), atol=1e-5, rtol=1e-5)
    # As the paper pays, from -1 to 1, with a price of up to 1.
    paid = by_group(replace(batch, reward_B=torch.tensor([0.0, 1, 0.5, 1, -2, -1, 1, -1])), grpo_rule)
    torch.testing.assert_close(found.advantages_BT[:, 0], torch.tensor(paid), atol=1e-3, rtol=1e-3)
    free = ALGORITHMS["dapo"].credit(batch, Signals(KLPenalty(), None, None, LONGEST), DapoConfig(0.0))
    assert not free.advantages_BT[:4].any()


def test_gfpo_keeps_the_shortest_or_the_most_efficient() -> None:
    batch = made_up([1, 0, 1, 1, 0, 1, 0, 0], [4, 1, 2, 9, 3, 9, 5, 4], 4)
    keep = ALGORITHMS["gfpo"].keep
    assert keep is not None
    assert keep(batch, GfpoConfig(2)).tolist() == [False, True, True, False, True, False, False, True]
    assert keep(batch, GfpoConfig(2, "efficiency")).tolist() == [
        True,
        False,
        True,
        False,
        True,
        True,
        False,
        False,
    ]
    kept = rows_of(batch, keep(batch, GfpoConfig(2)))
    found = ALGORITHMS["gfpo"].credit(kept, Signals(KLPenalty()), GfpoConfig(2))
    expected = by_group(kept, grpo_rule)
    torch.testing.assert_close(found.advantages_BT[:, 0], torch.tensor(expected), atol=1e-5, rtol=1e-5)


def test_expert_iteration_imitates_right_answers_and_else_the_best_paid() -> None:
    batch = made_up([1, 0, 1, 1, 1, 1, 0.3, 0.1, 0, 0, 0, 0], [4] * 12, 4)
    keep, untold = ALGORITHMS["expert_iteration"].keep, [Score(one.value) for one in batch.scores]
    assert keep is not None
    assert keep(batch, None).tolist() == [True, False, True, True, True, True, *[False] * 6]
    unjudged = replace(batch, scores=untold)
    assert keep(unjudged, None).tolist() == [True, False, True, True, True, True, *[False] * 6]
    tied = made_up([0.4] * 4, [4] * 4, 4)
    assert not keep(replace(tied, scores=[Score(0.4)] * 4), None).any()
    # Its loss is that of worked problems: the mean negative log-likelihood of the tokens that are kept.
    kept = rows_of(batch, keep(batch, None))
    loss, _ = gradient("expert_iteration", kept, kept.rollout.logprobs_BT)
    assert loss == pytest.approx(-float(kept.rollout.logprobs_BT[kept.rollout.mask_BT].mean()))


def test_online_dpo_has_the_gradient_of_dpos_loss_on_best_and_worst() -> None:
    batch = made_up([0.2, 0.9, 0.1, 0.5, 1, 1, 1, 1, 3, 1, 2, 3], [3, 9, 5, 7, 2, 8, 9, 4, 6, 6, 1, 2], 4)
    reference_BT = shaken(batch, 0.5)
    keep = ALGORITHMS["online_dpo"].keep
    assert keep is not None
    keep_B = keep(batch, SETTINGS["online_dpo"])
    assert keep_B.nonzero().squeeze(1).tolist() == [1, 2, 8, 9]
    leaf_BT = batch.rollout.logprobs_BT.double().requires_grad_()
    ahead_B = ((leaf_BT - reference_BT.double()) * batch.rollout.mask_BT).sum(1)
    pairs = [(1, 2), (8, 9)]
    loss = -torch.stack(
        [torch.nn.functional.logsigmoid(0.1 * (ahead_B[best] - ahead_B[worst])) for best, worst in pairs]
    ).mean()
    loss.backward()
    kept = rows_of(batch, keep_B)
    _, found_BT = gradient("online_dpo", kept, kept.rollout.logprobs_BT, reference_BT=reference_BT[keep_B])
    assert leaf_BT.grad is not None
    torch.testing.assert_close(found_BT.double(), leaf_BT.grad[keep_B], atol=1e-7, rtol=1e-5)


def test_distillation_has_the_gradient_of_the_reverse_kl_in_expectation() -> None:
    """Over every token of a vocabulary, each weighted with its probability, and exactly."""
    generator = torch.Generator().manual_seed(0)
    logits, teacher = (torch.randn(6, generator=generator, dtype=torch.float64) for _ in range(2))
    leaf = logits.clone().requires_grad_()
    student, wise = leaf.log_softmax(0), teacher.log_softmax(0)
    (student.exp() * (student - wise)).sum().backward()
    total = torch.zeros(6, dtype=torch.float64)
    for token in range(6):
        own = logits.clone().requires_grad_()
        now = own.log_softmax(0)[token].float()[None, None]
        batch = made_up([0.0], [1], 1)
        batch = replace(batch, rollout=replace(batch.rollout, logprobs_BT=now.detach()))
        experience = ALGORITHMS["distill"].credit(
            batch, Signals(KLPenalty(), wise[token].float()[None, None]), None
        )
        place = places(batch.rollout.mask_BT)
        step = Step(UpdateConfig(), SamplingConfig(), torch.float32, None, ALGORITHMS["distill"])
        losses, _ = token_losses(now[place], experience, place, step)
        losses.sum().backward()
        assert own.grad is not None
        total += logits.softmax(0)[token] * own.grad
    assert leaf.grad is not None
    torch.testing.assert_close(total, leaf.grad, atol=1e-6, rtol=1e-5)


def test_a_ratio_of_the_whole_answer_knows_where_answers_end() -> None:
    batch = batch_of()
    now_BT = shaken(batch, 0.01)
    _, whole_BT = gradient("gspo", batch, now_BT)
    for row in range(len(batch.scores)):
        here = batch.rollout.mask_BT[row]
        assert len(set(whole_BT[row][here].tolist())) == 1


# ------------------------------------------------------------------------------------------ rows and rounds


@given(sizes=st.lists(st.integers(1, 4), min_size=1, max_size=4), seed=st.integers(0, 99), data=st.data())
@settings(max_examples=30, deadline=None)
def test_joining_and_choosing_rows_lose_nothing(sizes: list[int], seed: int, data: st.DataObject) -> None:
    batches = []
    for index, size in enumerate(sizes):
        lengths = data.draw(st.lists(st.integers(1, LONGEST), min_size=2 * size, max_size=2 * size))
        batches.append(made_up([float(n) for n in lengths], lengths, 2, seed + index))
    whole = joined(batches)
    start = 0
    for batch in batches:
        rows = torch.zeros(len(whole.scores), dtype=torch.bool)
        rows[start : start + len(batch.scores)] = True
        again = rows_of(whole, rows)
        width = batch.rollout.mask_BT.shape[1]
        assert torch.equal(again.rollout.mask_BT[:, :width], batch.rollout.mask_BT)
        assert not again.rollout.mask_BT[:, width:].any()
        assert torch.equal(again.rollout.logprobs_BT[:, :width], batch.rollout.logprobs_BT)
        assert torch.equal(again.rollout.group_B, batch.rollout.group_B)
        assert torch.equal(again.reward_B, batch.reward_B)
        start += len(batch.scores)
    keep_B = torch.tensor(data.draw(st.lists(st.booleans(), min_size=start, max_size=start)))
    if keep_B.any():
        groups = rows_of(whole, keep_B).rollout.group_B
        assert sorted(set(groups.tolist())) == list(range(int(groups.max()) + 1))


@given(rewards=st.lists(st.floats(-1e6, 1e6, width=32), min_size=6, max_size=6), count=st.integers(1, 3))
@settings(max_examples=50, deadline=None)
def test_the_best_of_a_group_are_the_largest(rewards: list[float], count: int) -> None:
    group_B, values_B = torch.tensor([0, 0, 0, 1, 1, 1]), torch.tensor(rewards, dtype=torch.float64)
    keep_B = best_of_groups(values_B, group_B, count)
    for rows in ([0, 1, 2], [3, 4, 5]):
        kept = [rewards[row] for row in rows if keep_B[row]]
        assert sorted(kept, reverse=True) == sorted((rewards[row] for row in rows), reverse=True)[:count]
        assert bool(untied(values_B, group_B)[rows[0]]) == (len({rewards[row] for row in rows}) > 1)


def tiny(tokenizer: Tokenizer, name: str, **more: Any) -> tuple[Any, Any, RlConfig]:
    config = RlConfig(
        Path("m"),
        algorithm=name,  # type: ignore[arg-type]
        prompts_per_step=4,
        group_size=6,
        reference=Path("m"),
        sampling=SamplingConfig(max_new_tokens=4, dtype="float32"),
        dtype="float32",
        **more,
    )
    trainee = tiny_trainee(tokenizer, value=name == "ppo")
    reference = tiny_trainee(tokenizer, seed=3).decoder if config.measures_kl else None
    return trainee, parts_of(trainee, LetterTask(), config, reference), config


class EvenTask(LetterTask):
    """Every other prompt pays nothing, whatever the answer; the rest pay for every other answer."""

    def prompts(self, split: str, count: int, seed: int) -> list[Prompt]:
        return [Prompt("12:" if index % 2 else "123:") for index in range(count)]

    def score(self, prompts: Sequence[Prompt], texts: Sequence[str]) -> list[Score]:
        return [
            Score(float(index % 2 == 0 and len(prompt.text) % 2 == 0), None)
            for index, prompt in enumerate(prompts)
        ]


def test_dapo_samples_again_until_enough_prompts_teach(tokenizer: Tokenizer) -> None:
    trainee, parts, config = tiny(tokenizer, "dapo", dapo=DapoConfig(most_rounds=20))
    parts = replace(parts, task=EvenTask(), reward=EvenTask())
    parts.sampler.load(trainee.decoder, 0)
    batch, kept = gathered(parts, trainee, config, 0, Adjustments())
    assert kept is not None
    assert int(kept.rollout.group_B.max()) + 1 == config.prompts_per_step
    assert untied(kept.reward_B, kept.rollout.group_B).all()
    assert len(kept.scores) == 4 * 6
    assert len(batch.scores) > len(kept.scores)
    assert len(batch.scores) % (4 * 6) == 0
    again, same = gathered(parts, trainee, config, 0, Adjustments())
    assert same is not None
    assert again.rollout.texts == batch.rollout.texts
    twice, _ = gathered(parts, trainee, config, 0, Adjustments(rounds=2))
    assert len(twice.scores) == min(2 * 4 * 6, len(batch.scores))
    few = replace(config, dapo=DapoConfig(most_rounds=1))
    once, fewer = gathered(parts, trainee, few, 0, Adjustments())
    assert len(once.scores) == 4 * 6
    assert fewer is not None
    assert len(fewer.scores) < 4 * 6


class SameTask(LetterTask):
    """Pays everything the same."""

    def score(self, prompts: Sequence[Prompt], texts: Sequence[str]) -> list[Score]:
        return [Score(0.0, False) for _ in texts]


@pytest.mark.parametrize("name", ["dapo", "expert_iteration", "online_dpo"])
def test_a_step_of_which_nothing_is_kept_teaches_nothing(name: str, tokenizer: Tokenizer) -> None:
    trainee, parts, config = tiny(tokenizer, name)
    parts = replace(parts, task=SameTask(), reward=SameTask())
    before = [part.detach().clone() for part in trainee.decoder.parameters()]
    metrics = practise(parts, trainee, config, 0).metrics
    assert metrics["kept"] == 0
    assert metrics["gradient_norm"] == 0
    assert all(torch.equal(one, two) for one, two in zip(before, trainee.decoder.parameters(), strict=True))


@pytest.mark.parametrize("name", ALGORITHMS)
def test_every_algorithm_makes_a_step(name: str, tokenizer: Tokenizer) -> None:
    trainee, parts, config = tiny(tokenizer, name)
    parts = replace(parts, task=EvenTask(), reward=EvenTask())
    result = practise(parts, trainee, config, 0)
    assert result.metrics["gradient_norm"] > 0
    assert result.metrics["ratio_error"] < 1e-3
    assert ("kept" in result.metrics) == (ALGORITHMS[name].keep is not None)
    assert len(result.samples) == len(result.prompts)


# --------------------------------------------------------------------- a sampler that is not the learner


def test_importance_weights_are_truncated_and_the_gap_is_logged(tokenizer: Tokenizer) -> None:
    trainee, parts, config = tiny(tokenizer, "group", update=UpdateConfig(importance_cap=1.1))

    class Stale:
        """A sampler with weights of another version."""

        def __init__(self, own: Any) -> None:
            self.own, self.other = own, tiny_trainee(tokenizer, seed=8).decoder

        def load(self, policy: Any, version: int) -> None:
            self.own.load(self.other, version)

        def sample(self, *given: Any, **more: Any) -> Any:
            return self.own.sample(*given, **more)

    parts = replace(parts, task=EvenTask(), reward=EvenTask(), sampler=Stale(parts.sampler))
    metrics = practise(parts, trainee, config, 0).metrics
    assert metrics["sampling/sampling_logp_difference/mean"] > 1e-3
    assert metrics["sampling/importance_sampling_ratio/max"] == pytest.approx(1.1)
    assert 0 < metrics["sampling/truncated"] < 1
    # Before the update the learner's ratio to itself is 1, however far the sampler is.
    assert metrics["ratio_error"] < 1e-3
    uncorrected = practise(parts, trainee, replace(config, update=UpdateConfig()), 0).metrics
    assert uncorrected["ratio_error"] > 0.01
    assert not any(name.startswith("sampling/") for name in uncorrected)
    # Gspo's bounds are closer than any rounding, so it always compares the learner with itself.
    parts = replace(parts, algorithm=ALGORITHMS["gspo"])
    whole = practise(parts, trainee, replace(config, algorithm="gspo", update=UpdateConfig()), 0).metrics
    assert whole["sampling/sampling_logp_difference/mean"] > 1e-3
    assert "sampling/truncated" not in whole
    assert whole["ratio_error"] < 1e-4
    assert whole["clip_fraction"] == 0


def test_a_tokens_loss_is_weighed_by_the_truncated_ratio() -> None:
    batch = batch_of()
    algorithm = ALGORITHMS["group"]
    experience = algorithm.credit(batch, Signals(KLPenalty()), SETTINGS["group"])
    order = places(batch.rollout.mask_BT)
    gap_BT = shaken(batch, 0.6) - batch.rollout.logprobs_BT
    step = Step(UpdateConfig(importance_cap=1.5), SamplingConfig(), torch.float32, None, algorithm)
    plain, _ = token_losses(batch.rollout.logprobs_BT[order], experience, order, step)
    found, _ = token_losses(
        batch.rollout.logprobs_BT[order], replace(experience, sampler_gap_BT=gap_BT), order, step
    )
    expected = [
        float(loss) * min(math.exp(float(gap)), 1.5) for loss, gap in zip(plain, gap_BT[order], strict=True)
    ]
    torch.testing.assert_close(found, torch.tensor(expected), atol=1e-6, rtol=1e-5)


# ------------------------------------------------------------------------------------------------ settings


def test_the_names_of_the_setting_are_those_of_the_table() -> None:
    assert get_args(Name) == tuple(ALGORITHMS)
    for one in ALGORITHMS.values():
        assert one.changes, one.name
        assert one.source, one.name


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"algorithm": "distill"}, "give its model with --reference"),
        ({"algorithm": "gfpo", "group_size": 4}, "gfpo.keep is 4; of group_size 4"),
        ({"algorithm": "online_dpo", "update": UpdateConfig(minibatches=2)}, "one update a batch"),
        ({"algorithm": "max_rl", "update": UpdateConfig(kl=KLConfig(0.1))}, "use --update.kl.placement loss"),
        ({"algorithm": "online_dpo", "update": UpdateConfig(kl=KLConfig(0.1))}, "drop --update.kl.weight"),
        ({"algorithm": "rloo", "group_size": 1}, "needs at least 2 answers"),
        ({"algorithm": "online_dpo", "reward_model": (Path("r"),)}, "guard.action is hold"),
    ],
)
def test_what_an_algorithm_is_not_defined_for_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        RlConfig(Path("m"), **given)


def test_grpo_brings_its_kl_unless_another_is_given() -> None:
    assert RlConfig(Path("m"), algorithm="grpo").kl == KLPenalty(0.04, "k3", "loss")
    own = RlConfig(Path("m"), algorithm="grpo", update=UpdateConfig(kl=KLConfig(0.0)))
    assert own.kl.beta == 0
    assert not own.measures_kl
    assert not RlConfig(Path("m")).measures_kl


@pytest.mark.parametrize("name", ALGORITHMS)
@pytest.mark.parametrize("weight", [None, 0.2])
@pytest.mark.parametrize("estimator", [None, "k2"])
@pytest.mark.parametrize("placement", [None, "loss"])
def test_what_is_given_of_a_kl_changes_that_alone(
    name: Name, weight: float | None, estimator: Any, placement: Any
) -> None:
    """A weight of one's own for grpo leaves its KL k3 in the loss."""
    own = ALGORITHMS[name].kl
    given = KLConfig(weight, estimator, placement)
    expected = KLPenalty(
        own.beta if weight is None else weight, estimator or own.estimator, placement or own.placement
    )
    if expected.beta and expected.placement not in ALGORITHMS[name].pulls:
        with pytest.raises(InputError, match=f"{name} has no place for a KL in the {expected.placement}"):
            RlConfig(Path("m"), algorithm=name, reference=Path("t"), update=UpdateConfig(kl=given))
        return
    config = RlConfig(Path("m"), algorithm=name, reference=Path("t"), update=UpdateConfig(kl=given))
    assert config.kl == expected
    assert Step(config.update, config.sampling, torch.float32, None, ALGORITHMS[name]).kl == expected


@pytest.mark.parametrize(
    ("name", "update", "said"),
    [
        ("group", UpdateConfig(clip_high=0.1), "update.clip_high: nothing reaches the bound"),
        ("gspo", UpdateConfig(clip_low=0.1, clip_high=0.1), "update.clip_low and update.clip_high: "),
        ("ppo", UpdateConfig(), "ppo.value_clip: "),
        ("grpo", UpdateConfig(), None),
    ],
)
def test_a_bound_that_one_update_a_batch_cannot_reach_is_told(
    name: Name, update: UpdateConfig, said: str | None
) -> None:
    config = RlConfig(Path("m"), algorithm=name, update=update, ppo=PpoConfig(value_clip=0.1))
    told = bounds_of_nothing(config)
    assert said in told if said and told else told == said
    again = replace(config, update=replace(config.update, minibatches=2))
    assert bounds_of_nothing(again) is None


@pytest.mark.parametrize("name", ALGORITHMS)
@pytest.mark.parametrize("paid", [(), (Path("r"),)])
def test_how_a_kl_is_estimated_is_told_where_none_pulls(name: Name, paid: tuple[Path, ...]) -> None:
    guard = WatchConfig(action="stop")
    reference = Path("t")
    plain = RlConfig(Path("m"), algorithm=name, reward_model=paid, guard=guard, reference=reference)
    keys = {"update.kl.estimator", "update.kl.placement"}
    # What grpo has of its own can be changed in part.
    assert bool(keys & set(settings_without_effect(plain))) == (not ALGORITHMS[name].kl.beta)
    pulls = ALGORITHMS[name].pulls
    if pulls:
        weighted = replace(plain, update=UpdateConfig(kl=KLConfig(0.1, placement=pulls[0])))
        assert not keys & set(settings_without_effect(weighted))
        held = replace(
            plain,
            guard=replace(guard, action="hold", rewards="any"),
            update=UpdateConfig(kl=KLConfig(0.0, placement=pulls[0])),
        )
        assert not keys & set(settings_without_effect(held))


def test_the_table_has_every_algorithm_and_every_loss(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["algorithms", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["algorithms"]
    assert [row["name"] for row in rows] == [*ALGORITHMS, *LOSSES]
    page = (Path(__file__).parents[2] / "docs" / "algorithms.md").read_text(encoding="utf-8")
    recipes = Path(__file__).parents[2] / "recipes"
    for row in rows:
        assert row["changes"]
        assert row["source"]
        assert f"`{row['name']}`" in page
        (number, *_) = [*re.findall(r"\d{4}\.\d{5}", row["source"]), "Williams 1992"]
        assert number in page
        offline = row["flag"] == "dpo --loss" or row["name"] in ("group", "ppo")
        assert offline or (recipes / "algorithms" / f"{row['name']}.toml").exists()
    assert cli.main(["algorithms", "--names", "dapo", "kto"]) == 0
    shown = capsys.readouterr().out
    assert "dapo" in shown
    assert "kto" in shown
    assert "rloo" not in shown
    assert cli.main(["algorithms", "--names", "dappo"]) == 2
    assert "did you mean" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["gspo", "cispo", "sapo", "rloo"])
def test_how_a_batch_is_cut_up_changes_nothing(name: str, make_trainee: Callable[..., Any]) -> None:
    trainee = make_trainee()
    batch = cut_up.made_up_batch(trainee)
    algorithm = ALGORITHMS[name]
    experience = algorithm.credit(batch, Signals(algorithm.kl), SETTINGS[name])
    found = []
    for tokens in (4000, 40):
        clip = {"clip_low": 0.5, "clip_high": 0.5} if name == "gspo" else {}
        update = UpdateConfig(micro_batch_tokens=tokens, **clip)  # type: ignore[arg-type]
        step = Step(update, cut_up.SAMPLING, torch.float32, None, algorithm)
        _one_update(trainee, experience, range(len(batch.scores)), step)
        found.append(cut_up.gradients(trainee))
    cut_up.assert_same_gradient(found[1], found[0])
