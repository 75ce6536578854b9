"""On a device other than the CPU no tensor stays behind, and the numbers are the CPU's."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils import backend_registration

from practicum import cli, demo
from practicum.audit import bias, distortion, gaming, rank_table, whole
from practicum.audit.lab import LabConfig
from practicum.demo import DemoConfig
from practicum.errors import InputError
from practicum.model.decoder import compute_dtype
from practicum.model.device import chosen_device, described
from practicum.preferences.app.collect import CollectConfig
from practicum.training import pretrain, reward_model, rl, rlhf, sft
from practicum.training.evaluate import EvalConfig
from practicum.training.sample_command import SampleConfig
from scripts import gpu_check

ROOT = Path(__file__).parents[1]
COMPUTING = (
    *(pretrain.PretrainConfig, sft.SftConfig, rl.RlConfig, reward_model.RewardModelConfig, rlhf.RlhfConfig),
    *(EvalConfig, SampleConfig, CollectConfig, DemoConfig, LabConfig, whole.AuditConfig),
    *(bias.Config, distortion.Config, gaming.Config, rank_table.Config),
)
"""The settings of every command that loads a model."""


def on_the_fake_device(marked: str) -> None:
    """Run the file of commands in a process of its own, which must know the device from its start."""
    environment = {**os.environ, "PRACTICUM_NATIVE": "0", "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "-m", marked]
    found = subprocess.run(
        [*command, "tests/on_fake_device.py"], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert found.returncode == 0, found.stdout[-8000:] + found.stderr[-2000:]


needs_registration = pytest.mark.skipif(
    not hasattr(backend_registration, "_setup_privateuseone_for_python_backend"),
    reason="this PyTorch knows no devices written in Python",
)


@needs_registration
def test_every_stage_computes_on_a_device_that_refuses_to_mix_tensors() -> None:
    on_the_fake_device("not slow")


@needs_registration
@pytest.mark.slow
def test_the_whole_loop_and_the_whole_audit_do_too() -> None:
    on_the_fake_device("slow")


@pytest.mark.parametrize("config", COMPUTING, ids=lambda one: f"{one.__module__}.{one.__name__}")
def test_every_command_that_loads_a_model_takes_a_device(config: Any) -> None:
    (field,) = [one for one in dataclasses.fields(config) if one.name == "device"]
    assert field.default == "auto"


def test_a_demo_hands_its_device_to_all_of_its_stages(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen = {}

    def kept(name: str) -> Any:
        def stage(config: Any, *_: Any, **__: Any) -> None:
            seen[name] = config.device
            raise InterruptedError

        return stage

    for module in (pretrain, sft, rl, rlhf):
        monkeypatch.setattr(module, "train", kept(module.__name__))
    monkeypatch.setattr(whole, "audit", kept("audit"))
    monkeypatch.setattr(demo, "evaluate", kept("evaluate"))
    config = replace(DemoConfig(), device="cuda:7")
    for number, call in enumerate(
        (demo._pretrain, demo._sft, demo._rl, demo._learn_jokes, demo._rlhf, demo._audit, demo.examine)
    ):
        arguments: list[Any] = [config, tmp_path / str(number)]
        if call in (demo._pretrain, demo._sft, demo._rl):
            arguments.append(False)
        with pytest.raises(InterruptedError):
            call(*arguments)  # type: ignore[operator]
    assert len(seen) == 6
    assert set(seen.values()) == {"cuda:7"}


NAMES = st.from_regex(r"(cuda|mps|cpu|xpu|meta|gpu)(:-?[0-9]{0,12})?", fullmatch=True)


@given(st.one_of(st.text(max_size=12), NAMES))
def test_a_device_is_there_or_refused_in_one_line(name: str) -> None:
    said = ""
    device = torch.device("cpu")
    try:
        device = chosen_device(name)
    except InputError as error:
        said = str(error)
    assert "\n" not in said
    assert (repr(name) in said) == bool(said)
    assert torch.zeros(2, device=device).device == device
    assert described(device).startswith(str(device))


@pytest.mark.parametrize("name", ["cuda:256", "cuda:65536", "cuda:4294967296"])
def test_a_number_is_not_taken_for_another(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch's own parser keeps eight bits of it."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(InputError, match=r"there is only cuda:0 to cuda:1"):
        chosen_device(name)
    assert chosen_device("cuda:1") == torch.device("cuda", 1)
    assert chosen_device("cuda") == chosen_device("auto") == torch.device("cuda", 0)


def test_auto_is_the_fastest_that_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.mps, "is_available", lambda: True)
    monkeypatch.setattr(torch.mps, "device_count", lambda: 1)
    assert chosen_device("auto") == torch.device("mps", 0)
    monkeypatch.setattr(torch.mps, "is_available", lambda: False)
    assert chosen_device("auto") == torch.device("cpu")


@pytest.mark.parametrize("hardware", [True, False])
def test_auto_dtype_is_bfloat16_where_a_card_has_it(hardware: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: hardware)
    expected = torch.bfloat16 if hardware else torch.float32
    assert compute_dtype("auto", torch.device("cuda", 0)) == expected
    assert compute_dtype("auto", torch.device("mps", 0)) == torch.float32
    assert compute_dtype("float32", torch.device("cuda", 0)) == torch.float32


def test_a_device_that_is_not_there_leaves_no_folder(
    untrained_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["sft", "--model", str(untrained_model), "--run", str(tmp_path / "run"), "--device", "gpu"]
    assert cli.main(command) == 2
    said = capsys.readouterr().err
    assert re.fullmatch(r"practicum: error: device is 'gpu'; expected auto, cpu, cuda, cuda:N or mps\n", said)
    assert not (tmp_path / "run").exists()


def test_the_check_of_a_device_runs_on_the_cpu(tmp_path: Path) -> None:
    """What it measures is this machine's affair; that every check runs to its end and is recorded is not."""
    out = tmp_path / "check.json"
    command = [str(ROOT / "scripts" / "gpu_check.sh"), "--device", "cpu", "--quick", "--out", str(out)]
    environment = {**os.environ, "PYTHON": sys.executable, "OMP_NUM_THREADS": "1"}
    found = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout + found.stderr[-2000:]
    record = json.loads(out.read_text(encoding="utf-8"))
    assert record["passed"] is True
    assert [one["name"] for one in record["checks"]] == list(gpu_check.CHECKS)
    assert len(re.findall(r"^pass  ", found.stdout, re.MULTILINE)) == len(gpu_check.CHECKS)


def test_a_check_that_fails_is_told_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(place: gpu_check.Place) -> gpu_check.Found:
        raise RuntimeError("out of memory\nand a trace")

    monkeypatch.setattr(
        gpu_check, "CHECKS", {"one": broken, "two": lambda _: gpu_check.Found(True, "fine", {})}
    )
    assert gpu_check.main(["--device", "cpu", "--quick", "--out", str(tmp_path / "out.json")]) == 1
    said = capsys.readouterr().out
    assert "FAIL  one            RuntimeError: out of memory  (" in said
    assert "pass  two            fine  (" in said
    assert "1 of 2 checks pass" in said
    assert json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))["passed"] is False
    assert gpu_check.main(["--device", "gpu"]) == 2
