from __future__ import annotations

import numpy as np
import pytest

from practicum.audit.linear_reward import fit_linear
from practicum.errors import InputError
from practicum.preferences.controls import length_only_labels, length_part, shuffled_labels
from practicum.reward.controls import length_only
from practicum.types import Prompt, Ranking, Response
from studies.planted import gold, honest_set, preferences


def test_shuffled_labels_keep_all_but_the_order() -> None:
    rankings = preferences(count=80)
    shuffled = shuffled_labels(rankings, 1)
    assert shuffled == shuffled_labels(rankings, 1) != shuffled_labels(rankings, 2)
    for before, after in zip(rankings, shuffled, strict=True):
        assert sorted(before.ranks) == sorted(after.ranks)
        assert before.responses == after.responses
    first = np.mean(
        [
            after.ranks[int(np.argmin(before.ranks))] == 1
            for before, after in zip(rankings, shuffled, strict=True)
        ]
    )
    assert first < 0.4


def test_a_model_of_shuffled_labels_knows_nothing() -> None:
    rankings = preferences(count=100)
    prompts, honest = honest_set(20, responses=2)
    asked = [prompt for prompt in prompts for _ in range(4)]
    texts = [text for group in honest for text in (*group, group[0][:15], "no no no")]
    true = gold(asked, texts)
    learned = np.corrcoef(fit_linear(rankings)(asked, texts), true)[0, 1]
    null = [
        np.corrcoef(fit_linear(shuffled_labels(rankings, seed))(asked, texts), true)[0, 1]
        for seed in range(16)
    ]
    assert learned > 0.7
    assert abs(np.mean(null)) < 0.4


def test_length_only() -> None:
    ranking = Ranking(Prompt("p"), (Response("aa"), Response("aaaa"), Response("bb")), (1, 2, 3), "ann")
    assert length_only_labels([ranking])[0].ranks == (2, 1, 2)
    assert length_only(10.0)([Prompt("p")] * 2, ["", "a" * 25]).tolist() == [0.0, 2.5]
    with pytest.raises(InputError, match="scale"):
        length_only(0.0)


def test_a_gain_is_split_into_length_and_the_rest() -> None:
    generator = np.random.default_rng(0)
    group = np.repeat(np.arange(50), 4)
    lengths = generator.normal(20, 4, 200)
    rewards = 0.1 * lengths + generator.normal(size=50)[group]  # prompts differ, which must not count
    longer = generator.normal(30, 4, 200)
    only_length = length_part(rewards, lengths, 0.1 * longer + rewards.mean() - 2.0, longer, list(group))
    assert only_length.slope == pytest.approx(0.1)
    assert abs(only_length.beyond_length) < 0.1
    better = length_part(rewards, lengths, rewards + 3.0, lengths, list(group))
    assert better.beyond_length == pytest.approx(3.0)
    assert better.from_length == pytest.approx(0.0)
    with pytest.raises(InputError, match="equally many"):
        length_part(rewards, lengths[:5], rewards, lengths, list(group))
