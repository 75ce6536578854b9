"""Practice and reward models of a model that is not our decoder: the same code, through `Policy` alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer
from torch import nn

from practicum.errors import InputError
from practicum.guard.controllers import KLConfig
from practicum.model.heads import RewardHead, ValueHead
from practicum.model.sampling import SamplingConfig
from practicum.model.scorer import make_scorer
from practicum.preferences.rankings import by_prompt
from practicum.reward.model import Calibration, RewardModel, save_reward_model
from practicum.training.iteration import practise
from practicum.training.loop import LoopConfig, Trainee
from practicum.training.optimizer import Optimizer, OptimizerConfig, Together
from practicum.training.reward_model import RewardModelConfig, learn
from practicum.training.rl import RlConfig
from practicum.training.update import UpdateConfig
from practicum.types import Prompt, Ranking, Response
from tests.foreign import KINDS, foreign_policy
from tests.tiny import parts_of

STEADY = OptimizerConfig("adamw", 1e-2, warmup_steps=0)


def trainee_of(kind: str, tokenizer: Tokenizer, value: bool = False) -> Trainee:
    policy = foreign_policy(kind, tokenizer.get_vocab_size(), scale=3.0)
    heads = nn.ModuleDict({"value": ValueHead(32, 0)} if value else {})
    return Trainee(policy, tokenizer, heads, Optimizer(Together(policy=policy, heads=heads), STEADY, 100))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("algorithm", ["grpo", "ppo"])
def test_a_foreign_policy_practises(
    kind: str, algorithm: Any, tokenizer: Tokenizer, letter_task: Any, tmp_path: Path
) -> None:
    config = RlConfig(
        Path("unused"),
        algorithm=algorithm,
        prompts_per_step=8,
        group_size=4,
        sampling=SamplingConfig(max_new_tokens=3, dtype="float32", top_k=30),
        update=UpdateConfig(
            entropy_weight=0.01, kl=KLConfig(weight=0.01), minibatches=2, micro_batch_tokens=100
        ),
        loop=LoopConfig(steps=1),
        dtype="float32",
    )
    trainee = trainee_of(kind, tokenizer, value=algorithm == "ppo")
    reference = foreign_policy(kind, tokenizer.get_vocab_size(), scale=3.0)
    parts = parts_of(trainee, letter_task, config, reference)
    before = [part.detach().clone() for _, part in trainee.decoder.named_parameters()]
    metrics = practise(parts, trainee, config, 0).metrics
    assert metrics["ratio_error"] < 1e-3, "sampler and scorer agree about what was drawn"
    assert abs(metrics["kl_completion"]) < 1e-3, "the reference is the same model"
    after = [part for _, part in trainee.decoder.named_parameters()]
    assert any(not torch.equal(one, other) for one, other in zip(before, after, strict=True))
    assert all(bool(part.isfinite().all()) for part in after)

    trainee.decoder.save(tmp_path)
    other = trainee_of(kind, tokenizer, value=algorithm == "ppo")
    other.restore(tmp_path, trainee.tensors())
    again = practise(parts_of(other, letter_task, config, reference), other, config, 1).metrics
    metrics = practise(parts, trainee, config, 1).metrics
    for name in again:
        if not name.endswith("seconds"):
            assert again[name] == pytest.approx(metrics[name], nan_ok=True), name


@pytest.mark.parametrize("kind", KINDS)
def test_a_foreign_policy_learns_to_score(kind: str, tokenizer: Tokenizer, tmp_path: Path) -> None:
    policy = foreign_policy(kind, tokenizer.get_vocab_size())
    head = RewardHead(32, 1, 0)
    optimizer = Optimizer(Together(model=policy, head=head), STEADY, 40)
    rankings = [
        Ranking(Prompt(f"{number}:"), (Response("aa"), Response("bb")), (1, 2), rater="one")
        for number in range(8)
    ]
    config = RewardModelConfig(Path(), ("unused",), dtype="float32", threads=1, micro_batch_tokens=30)
    items = by_prompt(rankings)
    losses = []
    for step in range(12):
        losses.append(learn(policy, tokenizer, head, items, config, torch.float32)["loss"])
        optimizer.step(step)
    assert losses[-1] < losses[0] / 2
    model = RewardModel(policy, tokenizer, head, Calibration((0.0,)), make_scorer(policy, torch.float32))
    better, worse = model.rewards(["3:", "3:"], ["aa", "bb"])[:, 0].tolist()
    assert better > worse
    with pytest.raises(InputError, match="ForeignPolicy is not"):
        save_reward_model(policy, tokenizer, head, Calibration((0.0,)), tmp_path / "model")
    assert not (tmp_path / "model").exists()
