"""The forecaster of violations: its labels are the fleet's own, its chances fall with size, it learns."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from practicum.applications.cloud.baselines import FAMILIES, Newsvendor, worth_it
from practicum.applications.cloud.chance import (
    Forecaster,
    ForecasterConfig,
    chances,
    fit_forecaster,
    foreseen,
    signs,
    violated_by_size,
)
from practicum.applications.cloud.fleet import FleetConfig, Plant, advance, make_plant, new_fleets
from practicum.applications.cloud.simulate import World, make_world, run_recorded

SHORT = ForecasterConfig(steps=30, batch=64, width=8)
DAYS = np.array([1440, 2880])


@functools.cache
def plant() -> Plant:
    return make_plant(FleetConfig(largest=30))


def requests_of(seed: int, days: int = 4) -> np.ndarray:
    generator = np.random.default_rng(seed)
    minutes = np.arange(days * 1440)
    rate = 60 * (1.3 - np.cos(2 * np.pi * minutes / 1440))
    bursts = np.where(generator.random(len(minutes)) < 0.03, 2.0, 1.0)
    return 50.0 * generator.poisson(rate * bursts)


@functools.cache
def world_of(seed: int = 0) -> World:
    return make_world(plant(), requests_of(seed), 0, seed)


@functools.cache
def fitted() -> Forecaster:
    return fit_forecaster(SHORT, world_of(), DAYS, 1440, 0)


@given(st.lists(st.floats(0, 30_000), min_size=1, max_size=30))
@settings(max_examples=40, deadline=None)
def test_the_labels_are_what_fleets_of_constant_size_meet(requests: list[float]) -> None:
    sizes = np.arange(2, 31)
    fleets, none = new_fleets(plant(), sizes), np.zeros((len(sizes), 31), dtype=np.int64)
    found_TN = violated_by_size(plant(), np.array(requests))
    for load, found_N in zip(requests, found_TN, strict=True):
        minute = advance(plant(), fleets, sizes, np.full(len(sizes), load), none)
        assert (minute.violated_L == found_N[2:]).all()


@given(st.integers(0, 1000), st.floats(0.0, 50.0))
@settings(max_examples=6, deadline=None)
def test_chances_are_chances_and_fall_with_the_size_at_any_load(seed: int, factor: float) -> None:
    world = make_world(plant(), factor * requests_of(seed, 1), 0, seed)
    found_TN = chances(fitted(), world)
    assert found_TN.shape == (1440, 31)
    assert np.isfinite(found_TN).all()
    assert (found_TN >= 0).all()
    assert (found_TN <= 1).all()
    assert (np.diff(found_TN, axis=1) <= 1e-6).all()
    assert np.isfinite(signs(world)).all()


def test_what_comes_after_the_learning_days_changes_no_weight() -> None:
    changed_T = world_of().requests_T.copy()
    changed_T[DAYS[-1] + 1440 :] *= 3
    other = fit_forecaster(SHORT, make_world(plant(), changed_T, 0, 0), DAYS, 1440, 0)
    for name, value in fitted().network.state_dict().items():
        assert torch.equal(value, other.network.state_dict()[name])
    assert (fitted().mean_F == other.mean_F).all()


def test_fitting_leaves_the_random_numbers_of_others_alone() -> None:
    before = torch.random.get_rng_state()
    fit_forecaster(SHORT, world_of(), DAYS, 1440, 5)
    assert torch.equal(before, torch.random.get_rng_state())


def test_it_learns_how_often_a_size_violates_on_days_that_it_has_not_seen() -> None:
    config, world = ForecasterConfig(steps=300, batch=256, width=32), world_of(1)
    learned = fit_forecaster(config, world, DAYS[:1], 1440, 0)
    violated_TN, later = violated_by_size(plant(), world.requests_T)[3:], slice(2880, 5700)

    def surprise(chances_TN: np.ndarray) -> float:
        chances_TN = np.clip(chances_TN, 1e-3, 1 - 1e-3)
        return float(-np.log(np.where(violated_TN[later], chances_TN, 1 - chances_TN))[:, 2:].mean())

    # Against how often each size violates in a day, which knows nothing of the load.
    assert surprise(chances(learned, world)[later]) < 0.7 * surprise(violated_TN[1440:2880].mean(0))


@given(st.integers(0, 1000), st.floats(1, 1000))
@settings(max_examples=30, deadline=None)
def test_the_size_that_is_worth_it_costs_least(seed: int, price: float) -> None:
    falling_LN = -np.sort(-np.random.default_rng(seed).random((5, 31), dtype=np.float32), axis=1)
    found_L = worth_it(plant(), falling_LN, np.full(5, price))
    cost_LN = np.arange(31) + price * falling_LN.astype(np.float64)
    assert (found_L >= 2).all()
    least_L = cost_LN[:, 2:].min(1)
    assert cost_LN[np.arange(5), found_L] == pytest.approx(least_L, abs=1e-3)


@given(st.integers(0, 1000))
@settings(max_examples=5, deadline=None)
def test_the_rule_orders_what_is_worth_it_and_keeps_no_more_than_its_patience_allows(seed: int) -> None:
    world = foreseen(fitted(), world_of())
    setting = FAMILIES["newsvendor"].draw(np.random.default_rng(seed), 3, 30)
    wanted_LM = run_recorded(world, Newsvendor(setting), np.full(3, 1440), 300)[1].wanted_LM
    for lane in range(3):
        chances_TN = world.known_chances[1440:1740]
        price = float(setting["price"][lane])
        least_M = worth_it(plant(), chances_TN, np.full(300, price))
        most_M = worth_it(plant(), chances_TN, np.full(300, price * float(setting["patience"][lane])))
        assert (wanted_LM[lane] >= least_M).all()
        assert (wanted_LM[lane] <= np.maximum(least_M, most_M)).all()


def test_a_world_without_a_forecaster_says_so() -> None:
    with pytest.raises(ValueError, match="foreseen"):
        _ = world_of().known_chances
