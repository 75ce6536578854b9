"""The environments pass Gymnasium's own check and agree with the simulation of all visitors at once."""

from __future__ import annotations

import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from hypothesis import given, settings
from hypothesis import strategies as st

from practicum.applications.ads.data import Catalogue, Contexts
from practicum.applications.ads.environment import (
    Recommend,
    Session,
    SessionConfig,
    Tiredness,
    play,
)
from practicum.applications.ads.generator import GeneratorConfig, generate

LOG, TRUTH = generate(GeneratorConfig(rows=400, items=5, categories=2, rate=0.1), 3)


@pytest.mark.parametrize("pays", ["chance", "click"])
def test_both_pass_gymnasiums_check(pays: str) -> None:
    for environment in (
        Recommend(TRUTH, LOG.contexts, pays),  # type: ignore[arg-type]
        Session(TRUTH, LOG.contexts, LOG.items, SessionConfig(), pays),  # type: ignore[arg-type]
    ):
        with warnings.catch_warnings():
            # That it was not made by gymnasium.make.
            warnings.simplefilter("ignore")
            check_env(environment)


@pytest.mark.parametrize("session", [False, True])
def test_a_seed_repeats_an_episode(session: bool) -> None:
    def episode() -> list[float]:
        made: gymnasium.Env[np.ndarray, np.int64] = (
            Session(TRUTH, LOG.contexts, LOG.items, SessionConfig(), "click")
            if session
            else Recommend(TRUTH, LOG.contexts, "click")
        )
        seen, _ = made.reset(seed=5)
        found = [*seen.tolist()]
        over = False
        while not over:
            seen, reward, over, _, _ = made.step(np.int64(1))
            found += [reward, *seen.tolist()]
        return found

    assert episode() == episode()


def test_a_click_is_paid_as_often_as_its_chance() -> None:
    one = Recommend(TRUTH, LOG.contexts, "click")
    chances, paid = [], []
    for number in range(4000):
        one.reset(seed=number)
        _, reward, over, _, info = one.step(np.int64(number % 5))
        assert over
        chances.append(info["chance"])
        paid.append(reward * one.unit)
    assert set(paid) <= {0.0, 1.0}
    assert np.mean(paid) == pytest.approx(np.mean(chances), abs=4 * np.std(paid) / 4000**0.5)


def test_sessions_one_by_one_and_all_at_once_agree() -> None:
    """A policy that always shows one item, and one that alternates: the same clicks and lengths."""
    config = SessionConfig(items=4)
    made = Session(TRUTH, LOG.contexts, LOG.items, config)
    for policy in ([0, 0, 0, 0], [0, 1, 0, 1]):
        clicks, lengths = [], []
        for number in range(1500):
            made.reset(seed=number)
            total, steps, over = 0.0, 0, False
            while not over:
                _, reward, over, _, _ = made.step(np.int64(policy[steps]))
                total, steps = total + reward * made.unit, steps + 1
            clicks.append(total)
            lengths.append(steps)
        whole = play(
            TRUTH,
            LOG.contexts.take(np.tile(np.arange(len(LOG)), 5)),
            LOG.items,
            config,
            lambda rows, tired, way, policy=policy: np.full(  # type: ignore[misc]
                len(rows), policy[int(way[0] * config.items)]
            ),
            np.random.default_rng(0),
        )
        assert whole.clicks == pytest.approx(np.mean(clicks), rel=0.08)
        assert whole.here_S.sum() == pytest.approx(np.mean(lengths), rel=0.03)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=12), st.floats(0, 1), st.floats(0, 2))
def test_what_was_shown_is_forgotten_by_and_by(items: list[int], forget: float, tire: float) -> None:
    """Against sums of powers, category by category."""
    config = SessionConfig(forget=forget, tire=tire)
    tired = Tiredness.fresh(config, LOG.items, 1)
    leaves = 0.0
    for item in items:
        before = float(tired.shown_NC[0, LOG.items.category_A[item]])
        leaves = float(tired.show(np.array([item]))[0])
        assert leaves == pytest.approx(min(1, config.leave + config.bore * before))
    for category in range(2):
        wanted = sum(
            (1 - forget) ** (len(items) - 1 - place)
            for place, item in enumerate(items)
            if LOG.items.category_A[item] == category
        )
        assert tired.shown_NC[0, category] == pytest.approx(wanted)
    assert tired.lowers()[0] == pytest.approx(tire * tired.shown_NC[0, LOG.items.category_A])


def test_without_tiredness_showing_the_best_again_and_again_is_best() -> None:
    contexts = Contexts(np.ones((50, 1)), np.zeros((50, 2)))
    items = Catalogue(("a", "b"), np.zeros((2, 0)), np.array([0, 1]))

    class Clicks:
        def probabilities(self, given: Contexts) -> np.ndarray:
            return np.tile([0.2, 0.1], (len(given), 1))

    free = SessionConfig(items=4, tire=0, leave=0, bore=0)
    for shown, wanted in ((0, 0.8), (1, 0.4)):
        found = play(
            Clicks(),
            contexts,
            items,
            free,
            lambda rows, tired, way, shown=shown: np.full(len(rows), shown),  # type: ignore[misc]
            np.random.default_rng(0),
        )
        assert found.clicks == pytest.approx(wanted)
        assert found.here_S.tolist() == [1, 1, 1, 1]
        assert found.repeated_S.tolist() == [0, 1, 1, 1]
