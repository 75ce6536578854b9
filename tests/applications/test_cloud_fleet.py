"""The fleet: no request and no dollar is lost, one lane equals many, and nobody sees what comes."""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from practicum.applications.cloud.baselines import FAMILIES, Newsvendor
from practicum.applications.cloud.chance import Forecaster, ForecasterConfig, fit_forecaster, foreseen
from practicum.applications.cloud.environment import Unsteered, chance_features, load_features
from practicum.applications.cloud.experiment import CAUTIONS, menu_of
from practicum.applications.cloud.fleet import (
    FleetConfig,
    Plant,
    advance,
    interruptions,
    make_plant,
    new_fleets,
)
from practicum.applications.cloud.forecast import known_series
from practicum.applications.cloud.lane import Lane
from practicum.applications.cloud.queueing import latency_quantile
from practicum.applications.cloud.simulate import World, make_world, run, run_recorded
from practicum.errors import InputError

OFTEN = FleetConfig(
    largest=20, interruptions_per_hour=0.9, spot_share=1.0, startup_minutes=2, drain_minutes=2
)


@functools.cache
def plant_of(config: FleetConfig) -> Plant:
    return make_plant(config)


@functools.cache
def world_of(seed: int = 0, days: int = 3) -> World:
    generator = np.random.default_rng(seed)
    minutes = np.arange(days * 1440)
    rate = 3000 * (1.3 - np.cos(2 * np.pi * minutes / 1440)) * np.exp(generator.normal(0, 0.15, len(minutes)))
    return make_world(plant_of(FleetConfig(largest=40)), rate, 0, seed)


@functools.cache
def forecaster() -> Forecaster:
    return fit_forecaster(ForecasterConfig(steps=20, batch=64, width=8), world_of(), np.array([0]), 1440, 0)


@functools.cache
def foreseen_world() -> World:
    return foreseen(forecaster(), world_of())


def changed_from(at: int, factor: float) -> World:
    """The world with all requests from a minute on changed."""
    world = world_of()
    changed_T = world.requests_T.copy()
    changed_T[at:] *= factor
    changed = replace(world, requests_T=changed_T, known=known_series(changed_T, 3))
    return foreseen(forecaster(), changed)


minute = st.tuples(st.integers(0, 25), st.floats(0, 20_000))


@given(st.lists(minute, min_size=1, max_size=40), st.integers(0, 3), st.sampled_from([FleetConfig(), OFTEN]))
@settings(max_examples=60, deadline=None)
def test_requests_and_dollars_are_conserved_and_one_lane_equals_many(
    minutes: list[tuple[int, float]], seed: int, config: FleetConfig
) -> None:
    plant = plant_of(config)
    taken_TN = interruptions(plant, len(minutes), seed)
    fleets, lane = new_fleets(plant, np.array([5, 9])), Lane(plant)
    lane.reset(9)
    for place, (wanted, requests) in enumerate(minutes):
        before = fleets.backlog_L.copy()
        taken_LN = np.stack([taken_TN[place]] * 2)
        found = advance(plant, fleets, np.array([3, wanted]), np.array([500.0, requests]), taken_LN)
        came = before + np.array([500.0, requests])
        assert found.served_L + found.lost_L + fleets.backlog_L == pytest.approx(came)
        assert found.dollars_L == pytest.approx(found.paid_L * plant.dollars)
        assert (found.served_L <= plant.capacity(found.running_L) + 1e-9).all()
        assert (found.slow_L >= 0).all()
        assert (found.slow_L <= 1).all()
        alone = lane.advance(wanted, requests, taken_TN[place])
        many = (found.served_L, found.lost_L, found.slow_L, found.violated_L, found.utilisation_L)
        assert alone[:5] == pytest.approx([float(one[1]) for one in many])
        assert alone[5:] == pytest.approx([found.running_L[1], found.paid_L[1], found.dollars_L[1]])
        assert lane.ordered == fleets.ordered[1]


def test_an_instance_serves_after_its_start_up_and_is_paid_from_its_order_to_the_end_of_draining() -> None:
    plant = plant_of(FleetConfig(interruptions_per_hour=0.0, startup_minutes=3, drain_minutes=2))
    lane = Lane(plant)
    seen = [lane.advance(wanted, 10.0) for wanted in (5, 5, 5, 5, 2, 2, 2)]
    assert [one.running for one in seen] == [2, 2, 2, 5, 2, 2, 2]
    assert [one.paid for one in seen] == [5, 5, 5, 5, 5, 5, 2]


@given(st.integers(2, 30), st.floats(0.0, 0.97))
@settings(deadline=None)
def test_a_minute_is_violated_where_the_quantile_of_the_queue_is_above_the_objective(
    size: int, share: float
) -> None:
    plant = plant_of(FleetConfig(interruptions_per_hour=0.0))
    requests = share * float(plant.capacity(size))
    fleets, nothing = new_fleets(plant, np.array([size])), np.zeros((1, plant.config.largest + 1), dtype=int)
    found = advance(plant, fleets, np.array([size]), np.array([requests]), nothing)
    quantile = float(latency_quantile(size * 2, share * size * 2, plant.config.service_seconds))
    if abs(quantile - plant.config.slo_seconds) > 0.02 and requests:
        assert bool(found.violated_L[0]) == (quantile > plant.config.slo_seconds)
    assert bool(found.violated_L[0]) == bool(plant.need(requests) > size) or quantile > 0.9


def test_more_instances_are_never_slower_and_the_need_grows_with_the_load() -> None:
    plant = plant_of(FleetConfig())
    loads = np.linspace(0, 30_000, 400)
    assert (np.diff(plant.need(loads)) >= 0).all()
    assert (np.diff(plant.most_N) > 0).all() or plant.most_N[1] == 0
    lanes = new_fleets(plant, np.arange(2, 42))
    nothing = np.zeros((40, plant.config.largest + 1), dtype=int)
    slow = advance(plant, lanes, np.arange(2, 42), np.full(40, 9_000.0), nothing).slow_L
    assert (np.diff(slow) <= 1e-12).all()


def test_the_bill_is_the_integral_of_the_instances() -> None:
    world = foreseen_world()
    policy = Newsvendor({k: np.array([v] * 2) for k, v in RULE.items()})
    totals, line = run_recorded(world, policy, np.array([0, 1440]), 1440)
    assert totals.dollars_L == pytest.approx(line.paid_LM.sum(1) * world.plant.dollars)
    assert totals.violated_L.tolist() == line.violated_LM.sum(1).tolist()
    assert (line.paid_LM >= line.running_LM).all()


RULE = {"price": 40.0, "patience": 2.5}


@pytest.mark.parametrize("name", FAMILIES)
@given(at=st.integers(20, 300), factor=st.floats(0.0, 5.0))
@settings(max_examples=5, deadline=None)
def test_what_comes_later_changes_no_decision_before(name: str, at: int, factor: float) -> None:
    world, changed = foreseen_world(), changed_from(at, factor)
    setting = FAMILIES[name].draw(np.random.default_rng(at), 3, 40)
    decisions = [
        run_recorded(one, FAMILIES[name].make(setting), np.zeros(3, dtype=np.int64), at + 1)[1].wanted_LM
        for one in (world, changed)
    ]
    # The decision for minute `at` itself is made before its requests are known.
    assert (decisions[0] == decisions[1]).all()


@given(at=st.integers(1, 4300), factor=st.floats(0.0, 5.0))
@settings(max_examples=15, deadline=None)
def test_what_the_learner_sees_and_steers_knows_nothing_of_later(at: int, factor: float) -> None:
    world, changed = foreseen_world(), changed_from(at, factor)
    for one, other in (
        (load_features(world)[0], load_features(changed)[0]),
        (world.known_chances, changed.known_chances),
        (chance_features(world, 40.0)[0], chance_features(changed, 40.0)[0]),
        (menu_of(world, RULE).T, menu_of(changed, RULE).T),
    ):
        assert (one[: at + 1] == other[: at + 1]).all()


def test_the_menu_is_the_tuned_rule_at_its_own_caution() -> None:
    world, start = foreseen_world(), np.array([1440])
    rule = RULE | {"price": float(CAUTIONS[6])}
    alone = run_recorded(world, Newsvendor({k: np.array([v]) for k, v in rule.items()}), start, 1440)[1]
    menu = run_recorded(world, Unsteered(menu_of(world, rule), np.array([6])), start, 1440)[1]
    # The rule's memory begins with the episode, the menu's with the trace: once they agree, they stay so.
    same_M = (alone.wanted_LM == menu.wanted_LM)[0]
    assert same_M.any()
    assert same_M[same_M.argmax() :].all()


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"slo_seconds": 0.3}, "fleet.slo_seconds"),
        ({"smallest": 9, "largest": 5}, "fleet.largest"),
        ({"instance": "z9.huge"}, "z9.huge"),
    ],
)
def test_a_fleet_that_cannot_be_is_told(config: dict[str, object], told: str) -> None:
    with pytest.raises(InputError, match=told):
        make_plant(FleetConfig(**config))  # type: ignore[arg-type]


def test_a_simulation_takes_little_time_for_many_lanes() -> None:
    world = world_of()
    totals = run(world, FAMILIES["static peak"].make({"size": np.full(200, 20.0)}), np.zeros(200, int), 60)
    assert totals.figures()["instances"] == pytest.approx(20, abs=0.5)
