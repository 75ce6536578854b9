"""The record of short runs: it is of this code, and a difference cannot hide."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from studies import golden

RECORD = Path(__file__).parent / "golden" / "short_runs.json"


@pytest.mark.slow
def test_short_runs_give_to_the_bit_what_they_gave(capsys: pytest.CaptureFixture[str]) -> None:
    code = golden.main(["--check", str(RECORD)])
    if code == 2:
        pytest.skip(capsys.readouterr().err)
    assert code == 0, capsys.readouterr().out


def test_every_case_is_recorded_and_none_failed_for_its_settings() -> None:
    runs = json.loads(RECORD.read_text(encoding="utf-8"))["runs"]
    assert list(runs) == [case.name for case in golden.CASES]
    assert {result["exit"] for result in runs.values()} <= {0, 3}
    assert all(golden.flat(result) for result in runs.values())


def test_a_record_of_other_arithmetic_is_refused_before_anything_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "record.json"
    path.write_text(json.dumps({"arithmetic": {**golden.arithmetic(), "torch": "0.1"}, "runs": {}}))
    assert golden.main(["--check", str(path)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "torch '0.1'" in error


def test_the_last_bit_a_new_name_and_a_lost_run_are_all_told() -> None:
    before = {
        "rl": {"exit": 0, "figures": {"metrics.jsonl": {"3": {"reward": 0.1, "solved": 1.0}}}},
        "eval": {"exit": 0, "figures": {}},
    }
    assert list(golden.differences(before, copy.deepcopy(before))) == []
    after = {
        "rl": {
            "exit": 0,
            "figures": {"metrics.jsonl": {"3": {"reward": 0.1 + 2**-56, "solved": 1, "new": 2}}},
        }
    }
    assert list(golden.differences(before, after)) == [
        ("rl", "metrics.jsonl reward", "3", "0.1", "0.10000000000000002"),
        ("rl", "metrics.jsonl solved", "3", "1.0", "1"),
        ("rl", "metrics.jsonl new", "3", '"nothing"', "2"),
        ("eval", "exit", "-", "0", '"nothing"'),
    ]


def test_weights_are_compared_with_name_dtype_and_shape_and_kept_state_is_not(tmp_path: Path) -> None:
    weight = torch.arange(6, dtype=torch.float32).view(2, 3)
    state = {"heads.kl.weight": torch.tensor(0.1, dtype=torch.float64)}
    readings = []
    for index, tensors in enumerate(
        [
            {"a": weight, **state},
            {"a": weight},
            {"b": weight},
            {"a": weight.view(3, 2)},
            {"a": weight.view(torch.int32)},
            {"a": torch.nextafter(weight, weight + 1)},
        ]
    ):
        path = tmp_path / f"{index}.safetensors"
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path)
        readings.append(golden.read(path))
    assert readings[0] == readings[1]
    assert all(reading != readings[0] for reading in readings[2:])


def test_what_hangs_on_the_clock_or_on_chance_is_left_out_and_nothing_else() -> None:
    row = {
        "step": 1,
        "seconds": 2.0,
        "guard_seconds": 0.1,
        "loss": None,
        "parts": [{"total_seconds": 1.0, "a": 2, "id": 3}],
    }
    assert dict(golden.leaves(row)) == {
        "step": 1,
        "loss": None,
        "parts.length": 1,
        "parts.0.a": 2,
        "parts.0.id": 3,
    }
