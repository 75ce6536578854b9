from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from practicum.errors import InputError
from practicum.guard.guard import Decision, Guard, GuardConfig, calibrated, replay, worst_samples
from practicum.guard.signals import DIRECTIONS, LEAST_SPREAD, cusum, repeated_triples
from practicum.reward.parts import repetition

SAMPLES = [
    {"prompt": "p1", "completion": "a fine joke about a duck.", "reward": 1.0},
    {"prompt": "p2", "completion": "pelican pelican pelican the the the!", "reward": 5.0},
    {"prompt": "p3", "completion": "the the the the the the", "reward": 4.0},
    {"prompt": "p4", "completion": "ha ha ha ha ha", "reward": 0.1},
    {"prompt": "p5", "completion": "ha ha ha", "reward": 4.5},
    {"prompt": "p6", "completion": "another fine joke.", "reward": 0.9},
]
CONFIG = GuardConfig(
    "roll_back", thresholds={"repetition": 20.0, "ensemble_disagreement": 20.0}, kl_budget=6.0
)


def row(step: int, turn: int = 60, seed: int = 0) -> dict[str, Any]:
    generator = np.random.default_rng([seed, step])
    gone = max(0, step - turn)
    return {
        "step": step,
        "repetition": 0.02 + 0.01 * generator.normal() + 0.02 * gone,
        "reward/disagreement": 0.5 + 0.05 * generator.normal() + 0.05 * gone,
        "completion_tokens": 20 + generator.normal(),
        "entropy": 2.0 + 0.1 * generator.normal(),
        "kl": 0.001 * step,
        "kl_completion": 0.02 * step,
    }


def run(config: GuardConfig, steps: int = 120, every: int = 10, **settings: int) -> Decision:
    guard = Guard(config, every)
    for step in range(1, steps + 1):
        decision = guard.observe(step, row(step, **settings), SAMPLES)
        if decision.action != "go_on":
            break
    return decision


def test_a_run_that_goes_wrong_is_rolled_back_to_before_it_did() -> None:
    decision = run(CONFIG)
    assert decision.action == "roll_back"
    assert 60 < decision.step <= 75
    assert decision.to_step is not None
    assert decision.to_step % 10 == 0
    assert 40 <= decision.to_step <= 60
    assert decision.sentence.startswith(f"Step {decision.step}: ")
    assert "repetition rose from 0.0" in decision.sentence
    assert "ensemble disagreement rose" in decision.sentence
    assert decision.sentence.count(".") == decision.sentence.count("0.") + 1 or decision.sentence.endswith(
        "trusted."
    )
    json.dumps(decision.json())


def test_the_worst_samples_are_well_paid_and_show_the_alarm() -> None:
    decision = run(CONFIG)
    assert [sample["prompt"] for sample in decision.samples] == ["p3", "p2", "p5"] or {
        sample["prompt"] for sample in decision.samples
    } == {"p2", "p3", "p5"}


def test_a_calm_run_goes_on() -> None:
    for seed in range(5):
        decision = run(CONFIG, turn=10_000, seed=seed)
        assert decision.action == "go_on"
        assert max(decision.readings.values()) <= 1


def test_one_signal_alone_is_not_enough_for_two_votes() -> None:
    guard = Guard(CONFIG)
    for step in range(1, 200):
        calm = row(step, turn=10_000)
        calm["repetition"] = row(step)["repetition"]
        assert guard.observe(step, calm).action == "go_on"


@pytest.mark.parametrize(("action", "words"), [("stop", "stop here"), ("ask", "ask people to rank answers")])
def test_other_actions(action: Any, words: str) -> None:
    decision = run(GuardConfig(action=action, thresholds=CONFIG.thresholds))
    assert decision.action == action
    assert words in decision.sentence
    assert bool(decision.prompts) == (action == "ask")


def test_with_no_checkpoint_to_trust_it_goes_back_to_the_beginning() -> None:
    decision = run(CONFIG, every=1000)
    assert (decision.action, decision.to_step) == ("roll_back", 0)
    assert "go back to step 0, the starting model" in decision.sentence


def test_off_never_alarms() -> None:
    assert run(GuardConfig(action="off", thresholds=CONFIG.thresholds, kl_budget=0.0)).action == "go_on"


def test_the_kl_budget_needs_no_vote_and_goes_back_to_where_it_was_near() -> None:
    decision = run(GuardConfig("roll_back", kl_budget=1.0), turn=10_000, every=1)
    assert decision.step == 51
    assert "KL to the reference reached 1.02 nats a completion, over its budget of 1" in decision.sentence
    # A quarter of the budget is reached in step 12, whose samples are those of checkpoint 11.
    assert (decision.action, decision.to_step) == ("roll_back", 11)
    assert run(GuardConfig("roll_back", kl_budget=1.0), turn=10_000).to_step == 10
    assert run(GuardConfig("roll_back", kl_budget=None), turn=10_000).action == "go_on"


def test_missing_and_unfinite_values_are_passed_over() -> None:
    guard = Guard(CONFIG)
    for step in range(1, 40):
        seen = row(step)
        if step % 3 == 0:
            seen["repetition"] = None
        if step % 4 == 0:
            del seen["reward/disagreement"]
        if step % 5 == 0:
            seen["repetition"] = float("nan")
        assert guard.observe(step, seen).action == "go_on"


def test_the_guards_sums_are_the_detectors_cusum() -> None:
    rows = [row(step, turn=40) for step in range(1, 81)]
    config = GuardConfig(thresholds={"repetition": 1e9, "entropy": 1e9, "length": 1e9}, votes=3)
    guard = Guard(config)
    readings = [guard.observe(each["step"], each).readings for each in rows]
    for name, column in (
        ("repetition", "repetition"),
        ("entropy", "entropy"),
        ("length", "completion_tokens"),
    ):
        direct = cusum(np.array([each[column] for each in rows]), DIRECTIONS[name])
        assert [one[name] * 1e9 for one in readings] == pytest.approx(direct.tolist(), abs=1e-6)


def test_steps_must_rise_and_settings_make_sense() -> None:
    guard = Guard()
    guard.observe(3, {})
    with pytest.raises(InputError, match="step 3 after step 3"):
        guard.observe(3, {})
    with pytest.raises(InputError, match="unknown signal 'mood'"):
        GuardConfig(thresholds={"mood": 1.0})
    with pytest.raises(InputError, match="votes: expected 1 to 1"):
        GuardConfig(thresholds={"kl": 1.0}, votes=2)


def test_calibration_on_clean_runs_keeps_false_alarms_low_and_still_sees() -> None:
    def signals(seed: int, turn: int = 10_000) -> dict[str, np.ndarray]:
        rows = [row(step, turn, seed) for step in range(1, 121)]
        return {
            "repetition": np.array([each["repetition"] for each in rows]),
            "ensemble_disagreement": np.array([each["reward/disagreement"] for each in rows]),
            "entropy": np.array([each["entropy"] for each in rows]),
        }

    config = calibrated(GuardConfig("roll_back"), [signals(seed) for seed in range(30)])
    assert set(config.thresholds) == {"repetition", "ensemble_disagreement", "entropy"}
    alarms = [run(config, turn=10_000, seed=seed).action != "go_on" for seed in range(100, 120)]
    assert sum(alarms) <= 3
    assert run(config, seed=200).action == "roll_back"
    with pytest.raises(InputError, match="give 19 or more"):
        calibrated(GuardConfig(), [signals(0)])
    with pytest.raises(InputError, match="share no signal"):
        calibrated(GuardConfig(), [{}] * 20)


def test_a_recorded_run_is_replayed(tmp_path: Path) -> None:
    metrics, samples = tmp_path / "metrics.jsonl", tmp_path / "samples.jsonl"
    metrics.write_text("".join(json.dumps(row(step)) + "\n" for step in range(1, 121)))
    samples.write_text(
        "".join(json.dumps({**sample, "step": step}) + "\n" for step in range(1, 121) for sample in SAMPLES)
    )
    decision, rows = replay(CONFIG, metrics, samples, 10)
    live = run(CONFIG)
    assert (decision.action, decision.step, decision.to_step) == (live.action, live.step, live.to_step)
    assert rows == live.step
    assert len(decision.samples) == 3
    (tmp_path / "other.jsonl").write_text('{"step": 1, "loss": 2.0}\n')
    with pytest.raises(InputError, match="has none of the watched signals"):
        replay(CONFIG, tmp_path / "other.jsonl")
    (tmp_path / "bad.jsonl").write_text('{"step": 1}\n{oops\n')
    with pytest.raises(InputError, match=r"bad\.jsonl:2: no JSON object"):
        replay(CONFIG, tmp_path / "bad.jsonl")


def test_a_step_of_the_guard_costs_less_than_two_milliseconds() -> None:
    guard = Guard(GuardConfig(thresholds=dict.fromkeys(DIRECTIONS, 1e9)))
    started = time.process_time()
    for step in range(1, 201):
        guard.observe(step, row(step, turn=10_000), SAMPLES)
    assert (time.process_time() - started) / 200 < 0.002


@given(st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=20), min_size=4, max_size=12))
@settings(max_examples=50, deadline=None)
def test_the_sample_that_explains_repetition_is_the_one_that_raised_the_metric(rows: list[list[int]]) -> None:
    """Paid alike, the worst comes first by the very quantity of which the logged metric is the mean."""
    longest = max(map(len, rows))
    ids = torch.tensor([[*one, *[0] * (longest - len(one))] for one in rows])
    mask = torch.tensor([[True] * len(one) + [False] * (longest - len(one)) for one in rows])
    each = [repeated_triples(one) for one in rows]
    assert repetition(ids, mask) == pytest.approx(sum(each) / len(each))
    samples = [
        {
            "prompt": "p",
            "completion": "ha ha ha ha" if share == 0 else "fine",
            "reward": 1.0,
            "repetition": share,
        }
        for share in each
    ]
    paid = samples[: max(3, (len(samples) + 1) // 2)]
    assert worst_samples(samples, ["repetition"])[0]["repetition"] == max(one["repetition"] for one in paid)
    texts = [{"completion": " ".join(map(str, one)), "reward": 1.0} for one in rows]
    found = worst_samples(texts, ["repetition"])[0]["completion"].split()
    assert repeated_triples(found) == max(each[: len(paid)])


@given(
    signal=st.sampled_from(["ensemble_disagreement", "length", "repetition", "proxy_reference_correlation"]),
    level=st.sampled_from([0.0, 0.5]),
    jump=st.floats(1e-9, 1e-3),
)
@settings(max_examples=60, deadline=None)
def test_a_reading_against_first_steps_that_are_alike_is_no_alarm(
    signal: str, level: float, jump: float
) -> None:
    """Ten equal steps, then ten that differ by next to nothing: not 2,104 thresholds."""
    guard = Guard(GuardConfig(votes=1))
    for step in range(1, 11):
        guard.observe(step, {signal: level})
    for step in range(11, 21):
        decision = guard.observe(step, {signal: level + jump})
        assert decision.action == "go_on"
    assert decision.readings.get(signal, 0.0) <= 1
    assert set(decision.untold) | set(decision.readings) == set(guard.config.thresholds)
    without_unit = level == 0 and signal == "ensemble_disagreement"
    assert ("was constant" in decision.untold.get(signal, "")) == without_unit


def test_a_reference_that_never_repeats_does_not_hide_a_policy_that_does() -> None:
    guard = Guard(GuardConfig(votes=1))
    for step in range(1, 11):
        guard.observe(step, {"repetition": 0.0})
    readings = [guard.observe(step, {"repetition": 0.6}).readings["repetition"] for step in range(11, 21)]
    assert readings[-1] > 1


@given(st.lists(st.floats(0, 1), min_size=12, max_size=30), st.sampled_from(sorted(DIRECTIONS)))
@settings(max_examples=60, deadline=None)
def test_the_guard_and_its_calibration_measure_alike(values: list[float], signal: str) -> None:
    """The guard's sums are those of the arithmetic that sets its thresholds, floors included."""
    guard = Guard(GuardConfig(thresholds={signal: 1e12}, votes=1, kl_budget=None))
    for step, value in enumerate(values, start=1):
        decision = guard.observe(step, {signal: value})
    expected = cusum(np.array(values), DIRECTIONS[signal], least=LEAST_SPREAD.get(signal, 0.0))[-1]
    assert decision.readings.get(signal, 0.0) * 1e12 == pytest.approx(expected, rel=1e-6, abs=1e-6)
