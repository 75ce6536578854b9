from __future__ import annotations

import operator
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from practicum.audit import distortion
from practicum.audit.distortion import kendall_tau, measure_links, worst_link
from practicum.errors import InputError
from practicum.preferences import formats
from practicum.reward.plain import PlainReward
from practicum.types import Prompt, Ranking, Response
from studies.planted import preferences
from tests.preferences.crowd import crowd


def model(truth: dict[tuple[str, str], float], noise: float, seed: int = 0) -> PlainReward:
    known = {f"prompt {prompt[1:]} answer {name}": value for (prompt, name), value in truth.items()}

    def reward(prompts: Sequence[Prompt], texts: Sequence[str]) -> np.ndarray:
        generator = np.random.default_rng(seed)
        values = [known[f"{prompt.text} {text}"] for prompt, text in zip(prompts, texts, strict=True)]
        return np.array(values) + noise * generator.normal(size=len(values))

    return reward


ORDER = st.lists(st.integers(-3, 3).map(float), min_size=2, max_size=8)


@given(
    ORDER.flatmap(
        lambda first: st.tuples(
            st.just(first), st.lists(st.integers(-3, 3).map(float), min_size=len(first), max_size=len(first))
        )
    )
)
def test_tau_counts_pairs_by_hand(orders: tuple[list[float], list[float]]) -> None:
    pairs = list(combinations(zip(*orders, strict=True), 2))
    first, second = ([np.sign(one[side] - other[side]) for one, other in pairs] for side in (0, 1))
    untied = sum(sign != 0 for sign in first) * sum(sign != 0 for sign in second)
    expected = sum(map(operator.mul, first, second)) / untied**0.5 if untied else 0.0
    assert kendall_tau(*map(np.array, orders)) == pytest.approx(expected, abs=1e-12)


def test_the_weakest_link_is_found() -> None:
    rankings, truth = crowd([3.0] * 6, prompts=80, overlap=2)
    fresh, _ = crowd([3.0] * 6, prompts=80, overlap=1)
    again = rankings[:60]  # each of these raters asked a second time, with the same answer
    links, notes = measure_links([*rankings, *again], model(truth, 0.2), fresh)
    assert [link.name for link in links] == ["rater_self", "rater_rater", "model_raters", "model_fresh"]
    assert notes == []
    assert links[0].accuracy.value == 1.0
    assert links[0].lost is None
    assert links[1].lost == pytest.approx(1 - links[1].accuracy.value)
    assert all(link.accuracy.low <= link.accuracy.value <= link.accuracy.high for link in links)
    assert all(link.tau.value == pytest.approx(2 * link.accuracy.value - 1, abs=0.05) for link in links)

    bad, _ = measure_links(rankings, model(truth, 10.0), fresh)
    worst = worst_link(bad)
    assert worst is not None
    assert worst.name == "model_raters"
    assert worst.accuracy.low < 0.6


def test_a_gamed_policy_shows_in_the_last_link_only() -> None:
    rankings, truth = crowd([3.0] * 4, prompts=60, overlap=2)
    fresh, _ = crowd([3.0] * 4, prompts=60, overlap=1, seed=1)
    renamed = [
        Ranking(Prompt(f"new {one.prompt.text}"), one.responses, one.ranks, one.rater, f"n{one.prompt_id}")
        for one in fresh
    ]
    good = model(truth, 0.1)

    def reward(prompts: Sequence[Prompt], texts: Sequence[str]) -> np.ndarray:
        if prompts[0].text.startswith("new"):
            return np.random.default_rng(0).normal(size=len(texts))
        return good(prompts, texts)

    links, _ = measure_links(rankings, reward, renamed)
    worst = worst_link(links)
    assert worst is not None
    assert worst.name == "model_fresh"
    assert abs(worst.accuracy.value - 0.5) < 0.1


def test_what_cannot_be_measured_is_said() -> None:
    rankings, truth = crowd([3.0] * 4, prompts=10, overlap=1)
    links, notes = measure_links(rankings, model(truth, 0.1))
    assert [link.name for link in links] == ["model_raters"]
    assert worst_link(links) is None
    assert len(notes) == 3
    assert "let a second rater rank 2 prompts or more" in notes[1]
    one = Ranking(Prompt("p"), (Response("a"), Response("b")), (1, 2), "ann")
    with pytest.raises(InputError, match="no link can be measured"):
        measure_links([one], lambda prompts, texts: np.zeros(len(texts)))
    with pytest.raises(InputError, match="needs rankings"):
        measure_links([], lambda prompts, texts: np.zeros(len(texts)))
    with pytest.raises(InputError, match="reward model: text 1 of 2 scored nan"):
        measure_links([one], lambda prompts, texts: np.full(len(texts), np.nan))


def test_a_constant_model_is_at_chance() -> None:
    rankings, _ = crowd([3.0] * 4, prompts=20, overlap=2)
    links, _ = measure_links(rankings, lambda prompts, texts: np.zeros(len(texts)))
    assert links[-1].accuracy.value == 0.5
    assert links[-1].tau.value == 0.0


def test_distortion_with_a_model_of_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "preferences.jsonl"
    formats.write(path, preferences(count=100))
    result = distortion.audit(distortion.Config(path, report=tmp_path / "audit"))
    (link,) = result["links"]
    assert link["name"] == "model_raters"
    assert link["accuracy"]["low"] > 0.5
    assert "note: two raters: not measured" in capsys.readouterr().out
