"""The record of the warning signals as a command: runs in, sentences, thresholds and a page out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from practicum import cli
from practicum.audit.record import gaps, records, signals_of, thresholds_from
from practicum.config import load
from practicum.errors import InputError
from practicum.guard.guard import GuardConfig
from practicum.guard.signals import DIRECTIONS, cusum
from practicum.training.rl import RlConfig


def rows(
    seed: int, warns_at: int | None = None, turns_at: int = 30, steps: int = 40
) -> list[dict[str, float]]:
    """A run whose repetition rises from a step on, and whose true reward turns at another."""
    generator = np.random.default_rng(seed)
    made = []
    for step in range(40):
        risen = warns_at is not None and step >= warns_at
        made.append(
            {
                "step": step + 1,
                "repetition": 0.1 + 0.01 * generator.normal() + 0.1 * risen,
                "entropy": 2.0 + 0.1 * generator.normal(),
                "reward/gold": -abs(step - turns_at) + 0.01 * generator.normal(),
            }
        )
    return made


def written(path: Path, run: list[dict[str, float]]) -> str:
    path.mkdir()
    (path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in run))
    return str(path)


def test_a_signal_that_warns_early_is_told_from_one_that_does_not() -> None:
    clean = [rows(seed) for seed in range(20)]
    found = {one.signal: one for one in records(clean, [rows(99, 15)] * 4, [30] * 4)}
    assert found.keys() == {"repetition", "entropy"}
    assert found["repetition"].early_rate == 1.0
    assert 5 <= (found["repetition"].lead_steps or 0) <= 15
    assert found["entropy"].early_rate == 0.0


def test_the_command_writes_thresholds_that_practice_reads(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clean = [written(tmp_path / f"clean-{seed}", rows(seed)) for seed in range(20)]
    gamed = [written(tmp_path / f"gamed-{seed}", rows(seed, 15)) for seed in range(50, 53)]
    toml = tmp_path / "guard.toml"
    words = [
        "--clean",
        *clean,
        "--gamed",
        *gamed,
        "--thresholds",
        str(toml),
        "--report",
        str(tmp_path / "page"),
    ]
    assert cli.main(["audit", "detectors", *words]) == 0
    printed = capsys.readouterr().out
    assert "repetition warned by the onset in 100% of gamed runs" in printed
    assert "entropy does not warn early" in printed
    assert "Do the warning signs warn in time?" in (tmp_path / "page" / "audit.html").read_text()
    guard = load(RlConfig, toml, ["--model", "x", "--reward_model", "y"]).guard
    assert guard.thresholds.keys() == {"repetition", "entropy"}
    assert guard.votes == 2


@pytest.mark.parametrize(
    ("given", "word"),
    [
        (["--clean", "{few}"], "19 or more"),
        (["--clean", "{clean}", "--gamed", "{clean}", "--gold", "reward/people"], "--gold"),
        (["--clean", "{clean}", "--report", "page"], "needs --gamed"),
        (["--clean", "absent"], "absent"),
        (["--clean", "{clean}", "--gamed", "{empty}"], "holds no steps"),
        (["--clean", "{clean}", "--false_alarms", "0"], "false_alarms is 0"),
    ],
)
def test_runs_that_say_too_little_are_refused(
    given: list[str], word: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clean = [written(tmp_path / f"clean-{seed}", rows(seed)) for seed in range(19)]
    lists = {"{few}": clean[:3], "{clean}": clean, "{empty}": [written(tmp_path / "empty", [])]}
    words = [one for word in given for one in lists.get(word, [word])]
    assert cli.main(["audit", "detectors", *words]) == 2
    error = capsys.readouterr().err
    assert word in error
    assert error.count("\n") == 1


def test_runs_without_a_signal_in_common_are_refused() -> None:
    with pytest.raises(InputError, match="share no signal"):
        records([[{"step": 1}]] * 19, [[{"step": 1}]], [0])


def test_a_signal_that_a_run_lacks_is_left_out_and_told() -> None:
    runs: list[list[dict[str, float]]] = [
        [{"kl": 0.1, "entropy": 2.0}, {"kl": 0.2, "entropy": 1.9}],
        [{"kl": 0.1}, {"kl": 0.2}],
    ]
    assert [run.keys() for run in signals_of(runs)] == [{"kl"}, {"kl"}]
    assert gaps(runs, ["a", "b"]) == ["b: has no entropy, so entropy has no record and no threshold"]


NOTHING = st.sampled_from([None, float("nan"), float("inf"), "gone", True])


@given(
    st.sampled_from(["repetition", "entropy"]),
    st.integers(0, 20),
    st.sets(st.integers(0, 39), min_size=1, max_size=5),
    NOTHING,
)
@settings(max_examples=25, deadline=None)
def test_a_metric_without_a_number_costs_its_rows_and_nothing_else(
    signal: str, place: int, steps: set[int], nothing: Any
) -> None:
    """Twenty clean runs and one in which a metric has no number at some steps."""
    whole = [rows(seed) for seed in range(21)]
    broken = [[dict(row) for row in run] for run in whole]
    for step in steps:
        broken[place][step][signal] = nothing
    before, after = (thresholds_from(runs, GuardConfig(), 0.05) for runs in (whole, broken))
    assert after.thresholds.keys() == before.thresholds.keys()
    cleaned, original = signals_of(broken), signals_of(whole)
    for number, (found, expected) in enumerate(zip(cleaned, original, strict=True)):
        for name in expected:
            kept = np.isfinite(found[name])
            lost = set(np.flatnonzero(~kept).tolist())
            assert lost == (steps if (number, name) == (place, signal) else set())
            np.testing.assert_array_equal(found[name][kept], expected[name][kept])
    # The run's statistic is that of its rows with a number, each at its own step.
    direction = DIRECTIONS[signal]
    gapped, values = cleaned[place][signal], original[place][signal]
    left = np.delete(values, sorted(steps))
    np.testing.assert_allclose(cusum(gapped, direction)[np.isfinite(gapped)], cusum(left, direction))
    (told,) = gaps(broken, [f"run-{number}" for number in range(21)])
    assert told.startswith(f"run-{place}: step")
    assert f"{min(steps) + 1}" in told
    assert f"no number for {signal}; {len(steps)} of 40 rows" in told
    other = "entropy" if signal == "repetition" else "repetition"
    records_before = {one.signal: one for one in records(whole, [rows(99, 15)] * 4, [30] * 4)}
    records_after = {one.signal: one for one in records(broken, [rows(99, 15)] * 4, [30] * 4)}
    assert records_after[other] == records_before[other]


def test_the_command_names_a_null_and_keeps_everything_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clean = [written(tmp_path / f"clean-{seed}", rows(seed)) for seed in range(20)]
    odd: Any = rows(77)
    odd[12]["entropy"] = None
    clean.append(written(tmp_path / "odd", odd))
    wild: Any = [rows(seed, 15) for seed in range(50, 53)]
    wild[1][20]["reward/gold"] = float("nan")
    gamed = [written(tmp_path / f"gamed-{seed}", run) for seed, run in enumerate(wild)]
    assert cli.main(["audit", "detectors", "--clean", *clean, "--gamed", *gamed, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["notes"] == [
        f"{tmp_path}/odd: step 13: no number for entropy; 1 of 40 rows left out, for it alone",
        f"{tmp_path}/gamed-1: step 21: no number for reward/gold; 1 of 40 rows left out, for it alone",
    ]
    assert result["thresholds"].keys() == {"repetition", "entropy"}
    assert {one["signal"] for one in result["records"]} == {"repetition", "entropy"}
