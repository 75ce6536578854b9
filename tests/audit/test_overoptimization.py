from __future__ import annotations

from itertools import combinations
from math import inf, log
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from practicum.audit import overoptimization
from practicum.audit.overoptimization import (
    FORMS,
    Form,
    bands,
    best_of_n_curve,
    best_of_n_kl,
    best_of_n_reward,
    fit_curve,
    observed_peak,
    predict_peak,
)
from practicum.errors import InputError
from tests.audit.rows import jsonl


def curve(form: Form, alpha: float, beta: float, kl: np.ndarray) -> np.ndarray:
    d = np.sqrt(kl)
    turn = d if form == "best_of_n" else np.log(np.maximum(d, 1e-12))
    return d * (alpha - beta * turn)


@pytest.mark.parametrize("form", FORMS)
def test_exact_curves_give_their_coefficients_and_peak(form: Form) -> None:
    kl = np.linspace(0, 64, 40)
    found = fit_curve(kl, curve(form, 1.0, 0.2 if form == "best_of_n" else 0.45, kl), form)
    assert (found.alpha, found.beta) == pytest.approx((1.0, 0.2 if form == "best_of_n" else 0.45))
    assert found.peak_distance == pytest.approx(2.5 if form == "best_of_n" else np.exp(1 / 0.45 - 1))
    assert found.r2 == pytest.approx(1)
    assert found.held_out_r2 == pytest.approx(1)
    slope = (found.at(np.array([found.peak_kl * 1.001])) - found.at(np.array([found.peak_kl * 0.999])))[0]
    assert slope == pytest.approx(0, abs=1e-6)


def test_a_curve_that_never_turns_has_no_peak() -> None:
    kl = np.linspace(0, 9, 12)
    assert fit_curve(kl, 2 * np.sqrt(kl), "best_of_n").peak_distance > 1e6
    assert fit_curve(kl, curve("rl", 1.0, -0.3, kl), "rl").peak_kl == inf
    falling = fit_curve(kl, curve("best_of_n", -1.0, 0.1, kl), "best_of_n")
    assert falling.peak_distance == 0


@pytest.mark.parametrize("form", FORMS)
def test_the_peak_is_foreseen_from_the_first_half_of_a_noisy_run(form: Form) -> None:
    right = 0
    for seed in range(10):
        generator = np.random.default_rng(seed)
        kl = np.sort(generator.uniform(0, 1, 80)) * 50
        beta = 0.25 if form == "best_of_n" else 0.6
        reward = curve(form, 1.5, beta, kl) + generator.normal(0, 0.03, 80)
        truth = 3.0 if form == "best_of_n" else np.exp(1.5 / 0.6 - 1)
        peak, low, high = predict_peak(kl, reward, form)
        right += abs(peak - truth) <= 0.2 * truth
        assert low <= high
    assert right >= 8


@pytest.mark.parametrize("runs", [1, 6])
def test_bands_hold_the_true_curve_and_the_peak(runs: int) -> None:
    kl = np.linspace(0.1, 40, 50)
    held, peaks = 0, 0
    for seed in range(15):
        generator = np.random.default_rng(seed)
        given_runs = [(kl, curve("rl", 1.2, 0.5, kl) + generator.normal(0, 0.1, 50)) for _ in range(runs)]
        found = bands(given_runs, "rl", seed)
        at = len(found.kl_G) // 2
        held += found.low_G[at] <= curve("rl", 1.2, 0.5, found.kl_G[at : at + 1])[0] <= found.high_G[at]
        peaks += found.peak_distance[0] <= np.exp(1.2 / 0.5 - 1) <= found.peak_distance[1]
    # Few runs make bootstrap bands a little too narrow; they are no decoration all the same.
    assert held >= 11
    assert peaks >= 11


def test_best_of_n_kl_by_hand() -> None:
    assert best_of_n_kl(1) == 0
    assert best_of_n_kl(4) == pytest.approx(log(4) - 0.75)
    with pytest.raises(InputError, match="n of at least 1"):
        best_of_n_kl(0.5)


@given(
    st.lists(st.tuples(st.integers(0, 4), st.floats(-5, 5)), min_size=2, max_size=7),
    st.data(),
)
def test_best_of_n_reward_is_the_mean_over_all_subsets(
    pairs: list[tuple[int, float]], data: st.DataObject
) -> None:
    n = data.draw(st.integers(1, len(pairs)))
    proxy, gold = (np.array(values, dtype=np.float64) for values in zip(*pairs, strict=True))
    means = []
    for chosen in combinations(range(len(pairs)), n):
        best = [place for place in chosen if proxy[place] == proxy[list(chosen)].max()]
        # Ties are shared: within a set by its members, over all sets by the tied group's mean.
        means.append(gold[proxy == proxy[best[0]]].mean())
    assert best_of_n_reward(proxy, gold, n) == pytest.approx(float(np.mean(means)), abs=1e-9)


def test_best_of_n_gains_with_an_honest_proxy_and_loses_with_a_gamed_one() -> None:
    generator = np.random.default_rng(0)
    gold = generator.normal(size=(20, 400))
    kl, gain_proxy, gain = best_of_n_curve(list(gold), list(gold), [1, 4, 16, 64])
    assert gain[0] == pytest.approx(0)
    assert (np.diff(gain) > 0).all()
    assert gain_proxy == pytest.approx(gain)
    gamed = gold + np.where(generator.random(gold.shape) < 0.02, 8.0 - 4 * gold, 0.0)
    spoiled = gold - np.where(gamed - gold > 1, 5.0, 0.0)
    fooled = best_of_n_curve(list(gamed), list(spoiled), [1, 4, 16, 64, 256])[2]
    assert fooled.max() > 0 > fooled[-1]
    assert kl.tolist() == pytest.approx([best_of_n_kl(n) for n in (1, 4, 16, 64)])


def test_the_observed_peak_ignores_a_lone_spike() -> None:
    reward = np.array([0, 1, 2, 3, 4, 3.5, 3, 2, 5.5, 0.0])
    assert observed_peak(np.arange(10.0), reward, 1) == (8, 8.0)
    assert observed_peak(np.arange(10.0), reward, 3)[0] == 4


@pytest.mark.parametrize(
    ("kl", "reward", "complaint"),
    [
        ([0, 1, 2], [0, 1, 2], "4 points or more"),
        ([0, 1, 2, 3], [0, 1, np.nan, 2], "point 3 is not finite"),
        ([0, 1, -2, 3], [0, 1, 1, 2], "point 3 has KL -2, below 0"),
        ([1, 1, 1, 1], [0, 1, 1, 2], "the same KL"),
        ([0, 1, 2, 3], [0, 1, 2], "one of each per point"),
    ],
)
def test_bad_points_are_named(kl: list[float], reward: list[float], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        fit_curve(np.array(kl), np.array(reward), "rl")


def test_overoptimization_on_metrics(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = []
    for step in range(80):
        d = 0.08 * step
        gold = d * (1.0 - 0.6 * np.log(d)) if d else 0.0
        rows.append(
            {"step": step, "kl": d * d / 20, "completion_tokens": 20.0, "reward/gold": 3 + gold, "reward": d}
        )
    rows.append({"step": 81, "kl": None, "completion_tokens": 20.0, "reward/gold": 1.0})
    path = jsonl(tmp_path / "metrics.jsonl", rows)
    result = overoptimization.audit(
        overoptimization.Config((path,), kl="kl", per_token=True, report=tmp_path / "audit")
    )
    assert result["peak_distance"] == pytest.approx(np.exp(1 / 0.6 - 1), rel=1e-3)
    assert result["predicted_peak_distance"][0] == pytest.approx(np.exp(1 / 0.6 - 1), rel=0.01)
    assert (tmp_path / "audit" / "audit.html").exists()
    with pytest.raises(InputError, match="0 rows have both 'kl_completion' and 'nothing', 4 are needed"):
        overoptimization.audit(overoptimization.Config((path,), gold="nothing"))
