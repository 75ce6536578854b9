"""The study of ratings for the same gain at a tiny size; its ratios on curves that are known."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from practicum.errors import InputError
from practicum.preferences.raters import PeopleConfig
from studies import human_efficiency
from studies.human_efficiency import StudyConfig, claims, dpo_rate, naive_batch, needed, needed_table, study
from studies.results import copy_picture, measure

COUNTS = (100, 1000, 10_000, 100_000)


def test_a_tiny_study_makes_every_cell_once(
    tmp_path: Path, small_stages: Callable[[], AbstractContextManager[None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    every = human_efficiency.held_out()
    monkeypatch.setattr(human_efficiency, "held_out", lambda: every[:6])
    config = StudyConfig(
        tmp_path, (0,), ratings=(20,), naive_ratings=(16, 32), null=20, compared=20, examined=1, best_of=2,
        people=PeopleConfig(raters=2), model_steps=2, contrast_steps=1, ppo_steps=1,
        naive_batch=16, longest=8, most=5,
    )  # fmt: skip
    with small_stages():
        assert study(config)["missing"] == 4
        results = study(config)
    assert results["missing"] == 0
    cells = {(cell["method"], cell["ratings"], cell["null"]): cell for cell in results["cells"]}
    assert len(cells) == 9
    assert {cell["before"] for cell in cells.values() if cell["method"] != "best_of_n"} == {
        cells["dpo", 20, False]["before"]
    }
    assert len(cells["rlhf", 20, False]["samples"]) == 6
    steps = json.loads((tmp_path / "naive-32-0" / "summary.json").read_text())
    assert steps["step"] == 2
    assert (tmp_path / "curve.png").stat().st_size > 1000
    copy_picture(tmp_path, tmp_path / "house")
    picture = tmp_path / "house" / "docs" / "images" / "human_efficiency.png"
    assert picture.read_bytes() == (tmp_path / "curve.png").read_bytes()
    found = {claim["id"]: claim for claim in measure(tmp_path)}
    assert len(found) == 3 * 3 + 3
    dollars = found["human-efficiency-dpo-rankings"]["value"]
    assert dollars == pytest.approx(5 * found["human-efficiency-dpo-ratings"]["value"])


def cell(method: str, ratings: int, seed: int, gain: float, null: bool = False) -> dict[str, Any]:
    return {"method": method, "ratings": ratings, "seed": seed, "null": null, "gain": gain}


def results_of(naive: Callable[[int], float], method: Callable[[int], float]) -> dict[str, Any]:
    """Two curves with a little noise over three seeds."""
    cells = [
        cell(name, count, seed, curve(count) + 0.01 * (seed - 1))
        for name, curve in (("naive", naive), ("dpo", method))
        for count in COUNTS
        for seed in range(3)
    ]
    cells += [cell("dpo", 1000, seed, 0.0, null=True) for seed in range(3)]
    results: dict[str, Any] = {"cells": cells, "responses": 5, "price": 0.1, "compared": 1000}
    return {**results, "needed": needed_table(results)}


def test_the_ratio_is_that_of_the_curves(ruled: Callable[..., dict[str, dict[str, Any]]]) -> None:
    # A tenth of the ratings do, up to a gain that naive RL passes.
    rises = {100: 1.0, 1000: 2.0, 10_000: 3.0, 100_000: 4.0}
    quick = {100: 2.0, 1000: 3.0, 10_000: 3.5, 100_000: 3.5}
    results = results_of(rises.__getitem__, quick.__getitem__)
    row = results["needed"]["dpo"]
    assert [one["ratio"] for one in row["ratios"][:2]] == pytest.approx([10, 10])
    assert row["ratios"][2]["ratio"] == pytest.approx(10**0.5)
    assert row["passed_at"] == pytest.approx(10**4.5)
    found = ruled(claims(results))
    at = found["human-efficiency-dpo-ratings"]
    assert at["value"] == pytest.approx(10)
    assert at["interval"][0] <= at["value"] <= at["interval"][1]
    assert at["verdict"] == "missed"
    assert found["human-efficiency-dpo-rankings"]["value"] == pytest.approx(50)
    assert found["human-efficiency-dpo-passed"]["value"] == pytest.approx(0.5)
    assert found["human-efficiency-dpo-null"]["value"] == pytest.approx(3.0)


def test_what_naive_rl_never_reaches_is_told_as_a_bound() -> None:
    rises = {100: 0.0, 1000: 0.1, 10_000: 0.2, 100_000: 0.3}
    results = results_of(rises.__getitem__, lambda count: 1.0 + count / 1e6)
    row = results["needed"]["dpo"]
    assert not row["ratios"][1]["reached"]
    assert row["ratios"][1]["ratio"] == pytest.approx(100)
    assert row["passed_at"] is None
    assert "1,000: 100 or more" in claims(results)[0]["note"]


def test_what_the_fewest_naive_ratings_gain_is_told_as_a_bound() -> None:
    slow = {100: 0.0, 1000: 0.5, 10_000: 1.5, 100_000: 2.0}
    results = results_of(lambda count: 1.0 + count / 1e6, slow.__getitem__)
    assert "in ratings: 100: 1 or less; 1,000: 0.1 or less;" in claims(results)[0]["note"]


@given(st.lists(st.floats(-2, 2), min_size=4, max_size=4), st.floats(-2, 2), st.floats(-2, 2))
@settings(max_examples=100, deadline=None)
def test_more_gain_never_needs_fewer_ratings(gains: list[float], one: float, other: float) -> None:
    curve = {count: {0: gain} for count, gain in zip(COUNTS, gains, strict=True)}
    less, more = (needed(curve, [0], gain) for gain in sorted((one, other)))
    assert more is None or (less is not None and less <= more)
    for count, gain in zip(COUNTS, gains, strict=True):
        there = needed(curve, [0], gain)
        assert there is not None
        assert there <= count * (1 + 1e-9)


def test_dpo_has_the_rate_of_its_number_of_ratings() -> None:
    config = StudyConfig(Path("x"), dpo_rates={"20000": 3.0, "500": 1.0, "2000": 2.0})
    assert [dpo_rate(config, count) for count in (20, 500, 501, 2000, 2001, 99_999)] == [1, 1, 2, 2, 3, 3]


@pytest.mark.parametrize("rates", [{}, {"many": 1e-4}, {"-5": 1e-4}, {"500": 1e-4, "": 1e-4}])
def test_rates_for_no_number_of_ratings_are_refused(rates: dict[str, float]) -> None:
    with pytest.raises(InputError, match="dpo_rates: expected numbers of ratings"):
        StudyConfig(Path("x"), dpo_rates=rates)


def test_naive_steps_use_all_ratings() -> None:
    config = StudyConfig(Path("x"))
    for ratings in config.naive_ratings:
        batch = naive_batch(config, ratings)
        assert batch * (ratings // batch) == ratings
