from __future__ import annotations

import numpy as np
import pytest

from practicum.audit import detectors
from practicum.audit.detectors import first_alarm, onset, record, roc
from practicum.errors import InputError
from practicum.guard.signals import calibrate, cusum


def walk(seed: int, steps: int = 120, turn: int | None = None, slope: float = 0.3) -> np.ndarray:
    values = np.random.default_rng(seed).normal(size=steps)
    if turn is not None:
        values[turn:] += slope * np.arange(steps - turn)
    return values


def test_a_calibrated_threshold_keeps_the_false_alarm_rate_on_new_runs() -> None:
    rates = []
    for trial in range(20):
        clean = [cusum(walk(1000 * trial + seed), +1) for seed in range(40)]
        threshold = calibrate(clean, 0.1)
        new = [cusum(walk(1000 * trial + 500 + seed), +1) for seed in range(40)]
        rates.append(np.mean([first_alarm(run, threshold) is not None for run in new]))
    assert np.mean(rates) <= 0.12


def test_a_signal_that_moves_before_the_onset_has_a_lead_and_one_that_moves_after_says_so() -> None:
    clean = [walk(seed) for seed in range(40)]
    onsets = [80] * 20
    early = record("repetition", clean, [walk(100 + seed, turn=50) for seed in range(20)], onsets)
    late = record("repetition", clean, [walk(200 + seed, turn=90) for seed in range(20)], onsets)
    assert early.early_rate == 1.0
    assert early.lead_steps is not None
    assert 5 < early.lead_steps < 30
    assert early.area > 0.95
    assert early.false_alarm_rate <= 0.1
    assert "warned by the onset in 100%" in early.sentence()
    assert late.detection_rate > 0.9
    assert late.early_rate <= 0.15
    assert late.lead_steps is not None
    assert late.lead_steps < 0
    assert abs(late.area - 0.5) < 0.25
    assert "does not warn early" in late.sentence()


def test_direction_matters_and_unknown_signals_are_refused() -> None:
    clean = [walk(seed) for seed in range(20)]
    falling = [-walk(300 + seed, turn=40) for seed in range(10)]
    assert record("entropy", clean, falling, [70] * 10).early_rate == 1.0
    assert record("repetition", clean, falling, [70] * 10).detection_rate < 0.3
    assert record("length", clean, falling, [70] * 10).early_rate == 1.0
    with pytest.raises(InputError, match="signal 'mood': expected one of"):
        record("mood", clean, falling, [70] * 10)
    with pytest.raises(InputError, match="10 gamed runs and 1 onsets"):
        record("entropy", clean, falling, [70])


def test_roc_and_its_area_by_hand() -> None:
    clean, gamed = np.array([1.0, 2.0]), np.array([2.0, 3.0])
    assert detectors.area_under_roc(clean, gamed) == pytest.approx((1 + 1 + 0.5 + 1) / 4)
    assert roc(clean, gamed) == ((0.0, 0.0), (0.0, 0.5), (0.5, 1.0), (1.0, 1.0))


def test_the_onset_is_where_the_true_reward_turns() -> None:
    gold = np.concatenate([np.linspace(0, 1, 40), np.linspace(1, -1, 60)])
    noisy = gold + np.random.default_rng(0).normal(0, 0.05, 100)
    assert abs(onset(noisy, 9) - 40) <= 4
    assert onset(np.arange(10.0)) == 9
