"""The learner's environment, its controls, and the whole command on a few small days."""

from __future__ import annotations

import functools
import json
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from practicum.applications.agent import Agent, AgentSettings
from practicum.applications.agent.spaces import specs_of
from practicum.applications.cloud.chance import ForecasterConfig, fit_forecaster, foreseen
from practicum.applications.cloud.command import apply, headline, over_seeds, saving
from practicum.applications.cloud.data import DataConfig, load_trace
from practicum.applications.cloud.environment import OFFSETS, Autoscaling, Learned, Practice, Steering, leaked
from practicum.applications.cloud.experiment import Config, Control, make_steering, scaled_world, split_of
from practicum.applications.cloud.fleet import FleetConfig, make_plant, new_fleets
from practicum.applications.cloud.generator import GeneratorConfig
from practicum.applications.cloud.simulate import Episodes, View, first_size
from practicum.applications.cloud.tuning import Trial, front, picked
from practicum.cli import main

SMALL = Config(
    data=DataConfig(generator=GeneratorConfig(days=2), episode_minutes=180),
    fleet=FleetConfig(largest=30, peak_instances=8),
    practice_minutes=180,
    trials=2,
    seeds=1,
    forecaster=ForecasterConfig(steps=20, batch=64, width=8),
    agent=AgentSettings(iterations=2, environments=2, horizon=8, minibatches=2),
)
RULE = {"price": 40.0, "patience": 2.5}


@functools.cache
def made(control: Control = "none") -> tuple[Steering, Practice]:
    config = replace(SMALL, control=control)
    trace = load_trace(config.data, 0)
    split = split_of(config, trace)
    world, _ = scaled_world(make_plant(config.fleet), trace, trace.requests_T, 0)
    forecaster = fit_forecaster(config.forecaster, world, split.train, config.data.episode_minutes, 0)
    world = foreseen(forecaster, world)
    return make_steering(config, world, split, RULE)


def test_gymnasium_finds_nothing_wrong() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message=".*(infinity|render|registered|spec).*")
        check_env(Autoscaling(*made()), skip_render_check=True)


def test_leaving_the_rule_alone_earns_nothing() -> None:
    environment = Autoscaling(*made())
    environment.reset(seed=5)
    over = False
    while not over:
        _, reward, _, over, _ = environment.step(OFFSETS.index(0))
        assert reward == pytest.approx(0.0, abs=1e-9)


def test_the_policy_of_many_lanes_sees_what_the_environment_shows() -> None:
    steering, practice = made()
    environment = Autoscaling(steering, practice)
    shown, _ = environment.reset(seed=1)
    policy = Learned(agent_of(environment), steering, np.array([environment.price]))
    start = np.array([environment.at])
    fleets = new_fleets(steering.world.plant, first_size(steering.world, start))
    assert policy.observations(View(steering.world, start, fleets, None))[0] == pytest.approx(shown)


def agent_of(environment: Autoscaling) -> Agent:
    return Agent(*specs_of(environment), (8,), seed=0)


def test_caution_moves_by_the_offset_and_stays_within_the_menu() -> None:
    steering, _ = made()
    prices = steering.prices_P
    assert (np.diff(steering.step_for(prices)) >= 0).all()
    for action, offset in enumerate(OFFSETS):
        wanted = np.clip(steering.step_for(prices) + offset, 0, len(steering.menu_ZT) - 1)
        assert (steering.steered(np.full(len(prices), action), prices) == wanted).all()
    assert (np.diff(steering.menu_ZT, axis=0) >= 0).all()


def test_the_positive_control_sees_the_future_and_the_null_control_is_paid_other_moments() -> None:
    plain, _ = made()
    leaking, _ = made("positive")
    assert leaking.features_TF.shape[1] == plain.features_TF.shape[1] + 1
    world = plain.world
    highest = np.exp(leaked(world, 3)[10, 0]) * (world.known.level[15][10] + 0.05 * world.plant.capacity(1))
    assert float(highest) == pytest.approx(
        world.requests_T[10:13].max() + 0.05 * float(world.plant.capacity(1)), rel=1e-4
    )
    steering, practice = made("null")
    real, shuffled = Autoscaling(plain, made()[1]), Autoscaling(steering, practice)
    rewards: list[list[float]] = [[], []]
    for environment, found in zip((real, shuffled), rewards, strict=True):
        environment.reset(seed=2)
        for step in range(30):
            found.append(float(environment.step(step % len(OFFSETS))[1]))
    assert rewards[0] != rewards[1]
    assert set(np.round(rewards[1], 9)) <= set(np.round(rewards[0], 9))


def trial(dollars: float, violated: int, slow: float = 0.0, **setting: float) -> Trial:
    one = np.array([1.0])
    episodes = Episodes(
        one * dollars, np.array([violated]), 100, one * slow, one * 0, one * 100, one, one, np.array([1])
    )
    return Trial(setting, dict.fromkeys(("train", "validation", "test"), episodes))


def test_the_cheapest_that_keeps_the_objective_is_picked_and_compared_at_no_more_violations() -> None:
    trials = [trial(5, 0), trial(4, 1, slow=9), trial(3, 2), trial(3.5, 3), trial(1, 50)]
    assert picked(trials, 0.02).parts["test"].dollars_L[0] == 3
    assert picked(trials[-1:], 0.02) is trials[-1]
    assert [one.parts["test"].dollars_L[0] for one in front(trials)] == [1, 3, 4, 5]
    other = {
        "violations": 0.01,
        "slow_requests": 0.05,
        "dollars_per_day": trials[0].figures("test")["dollars_per_day"],
    }
    assert saving(trials, other) == pytest.approx(1 - 4 / 5)
    assert saving(trials, other, "slow_requests") == pytest.approx(0.0)
    assert saving(trials[-1:], other) is None


def test_an_interval_needs_every_seed() -> None:
    assert over_seeds([0.1, None]) is None
    found = over_seeds([0.1, 0.2, 0.3])
    assert found is not None
    assert found["mean"] == pytest.approx(0.2)
    assert found["ci95"][0] < 0.1
    one = over_seeds([0.1])
    assert one is not None
    assert one["ci95"] is None


@pytest.mark.parametrize("control", ["none", "positive", "null"])
def test_the_experiment_runs_and_says_which_control_it_is(tmp_path: Path, control: Control) -> None:
    outcome = apply(replace(SMALL, control=control), tmp_path)
    data: Any = json.loads(json.dumps(outcome.data))
    assert set(data["policies"]) == {
        "static peak",
        "target tracking",
        "step scaling",
        "calibrated rule",
        "predictive",
        "newsvendor",
    }
    minutes = data["budget_minutes"]
    assert minutes["target tracking"] == minutes["learner"] > minutes["newsvendor"]
    beginnings: dict[str, tuple[str, ...]] = {
        "none": ("At no more", "No setting"),
        "positive": ("Positive control",),
        "null": ("Null control",),
    }
    assert headline(data).startswith(beginnings[control])
    assert len(outcome.figures) == 2
    assert len(outcome.figures[0].notes) == len(outcome.figures[0].x)
    assert 0 <= data["learner"][0]["test"]["violations"] <= 1


def test_the_command_writes_a_page_and_refuses_bad_rows_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_text("timestamp,requests\n2024-01-01 00:00,5\n2024-01-01 00:01,-5\n")
    assert main(["apply", "cloud", "--data", str(bad), "--run", str(tmp_path / "no")]) == 2
    told = capsys.readouterr().err.strip().splitlines()[-1]
    assert "row 3, column 'requests': requests cannot be negative" in told
    assert not (tmp_path / "no").exists()
    flags = "--trials 2 --seeds 1 --practice_minutes 120 --data.episode_minutes 240 --data.generator.days 2"
    flags += " --forecaster.steps 20 --forecaster.batch 64"
    agent = "--agent.iterations 1 --agent.environments 2 --agent.horizon 8 --agent.minibatches 2"
    run = tmp_path / "run"
    assert main(["apply", "cloud", *flags.split(), *agent.split(), "--run", str(run), "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["control"] == "none"
    assert data["headline"]
    assert "target tracking" in (run / "report.html").read_text(encoding="utf-8")
