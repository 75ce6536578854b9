"""One combination of heads and models, whoever asks: practice, the loop of rounds and every audit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from practicum.audit import rank_table
from practicum.audit.judge import judge_in
from practicum.model.heads import RewardHead
from practicum.model.scorer import make_scorer
from practicum.preferences import formats
from practicum.preferences.rankings import by_prompt
from practicum.reward.accuracy import ensemble_accuracy, pairs_of
from practicum.reward.model import Calibration, RewardModel, save_reward_model
from practicum.reward.parts import RewardConfig, combined, judge_of, member_rewards
from practicum.types import Prompt, Ranking, Response


def constant(make_trainee: Any, rewards: list[float]) -> RewardModel:
    """A model whose heads pay every text these rewards."""
    trainee = make_trainee()
    head = RewardHead(trainee.decoder.config.hidden_size, len(rewards), 0)
    with torch.no_grad():
        head.weight.zero_()
    calibration = Calibration(tuple(-reward for reward in rewards))
    scorer = make_scorer(trainee.decoder, torch.float32)
    return RewardModel(trainee.decoder, trainee.tokenizer, head, calibration, scorer)


@pytest.fixture
def folders(make_trainee: Any, tmp_path: Path) -> list[Path]:
    """Reward models with one head that pays 0 and with three that pay 1."""
    found = []
    for name, rewards in (("one", [0.0]), ("three", [1.0, 1.0, 1.0])):
        model = constant(make_trainee, rewards)
        save_reward_model(model.decoder, model.tokenizer, model.head, model.calibration, tmp_path / name)
        found.append(tmp_path / name)
    return found


def test_every_caller_gives_each_head_the_same_weight(
    folders: list[Path], make_trainee: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    models = [constant(make_trainee, [0.0]), constant(make_trainee, [1.0, 1.0, 1.0])]
    prompts, texts = [Prompt("1:"), Prompt("2:")], ["a", "b"]
    asked = [prompt.text for prompt in prompts]
    assert combined(member_rewards(models, asked, texts), RewardConfig()).tolist() == [0.75, 0.75]
    assert judge_of(models)(prompts, texts).tolist() == [0.75, 0.75]
    assert judge_in(folders)(prompts, texts).tolist() == [0.75, 0.75]
    rankings = [Ranking(Prompt(f"{n}:"), (Response("a"), Response("b")), (1, 2), "r") for n in range(2)]
    formats.write(tmp_path / "rankings.jsonl", rankings)
    table = rank_table.audit(rank_table.Config(tmp_path / "rankings.jsonl", reward_model=tuple(folders)))
    assert {row["model_score"] for row in table["rows"]} == {0.75}


def test_an_ensembles_accuracy_weighs_every_head_alike(make_trainee: Any) -> None:
    generator = torch.Generator().manual_seed(3)
    models = []
    for heads in (1, 3):
        model = constant(make_trainee, [0.0] * heads)
        with torch.no_grad():
            model.head.weight.normal_(generator=generator)
        models.append(model)
    texts = ["a", "bb", "abc", "c", "ca"]
    rankings = [Ranking(Prompt(f"{n}:"), tuple(map(Response, texts)), (1, 2, 3, 4, 5), "r") for n in range(6)]
    judged = by_prompt(rankings)
    asked = [item.prompt for item in judged for _ in item.responses]
    worth = judge_of(models)(asked, [one.text for item in judged for one in item.responses]).reshape(6, 5)
    right = np.mean([row[i] > row[j] for row in worth for i in range(5) for j in range(i + 1, 5)])
    assert ensemble_accuracy(models, judged)["accuracy"] == pytest.approx(right)
    assert len(pairs_of(models[0], judged)) == 60


@given(
    st.lists(st.integers(1, 4), min_size=1, max_size=4),
    st.sampled_from(["mean", "min", "mean_minus_variance"]),
)
@settings(max_examples=15, deadline=None)
def test_the_plain_function_pays_what_practice_pays(sizes: list[int], ensemble: Any) -> None:
    """`combined` of all members, float by float, for every ensemble setting."""

    class Fixed:
        def __init__(self, seed: int, heads: int) -> None:
            self.seed, self.heads, self.calibration = seed, heads, Calibration((0.0,) * heads, 1.0 + seed)

        def rewards(self, prompts: list[str], texts: list[str]) -> torch.Tensor:
            return torch.randn(len(texts), self.heads, generator=torch.Generator().manual_seed(self.seed))

    models: Any = [Fixed(seed, heads) for seed, heads in enumerate(sizes)]
    config = replace(RewardConfig(), ensemble=ensemble, scale=True)
    members = member_rewards(models, ["p"] * 3, ["a", "b", "c"], scale=True)
    assert members.shape == (3, sum(sizes))
    paid = judge_of(models, config)([Prompt("p")] * 3, ["a", "b", "c"])
    np.testing.assert_allclose(paid, combined(members, config).numpy(), atol=1e-6)
