"""Learning rates and batches that go by the model: told, saved, and never in place of what somebody gave."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from practicum.config import load, to_toml
from practicum.model.checkpoint import load_model, weight_count
from practicum.training.defaults import BATCHES, LARGE, MEDIUM, RATES, defaults_for
from practicum.training.reward_model import RewardModelConfig
from practicum.training.rl import RlConfig
from practicum.training.rlhf import RlhfConfig
from practicum.training.sft import SftConfig

CLASSES: dict[str, Any] = {"sft": SftConfig, "rl": RlConfig, "reward-model": RewardModelConfig}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders whose weights are as many as those of a small, a medium and a large model, on disk a few kB."""
    folder = tmp_path_factory.mktemp("models")
    found = {}
    for name, count in (("small", MEDIUM - 1), ("medium", MEDIUM), ("large", LARGE)):
        found[name] = folder / name
        found[name].mkdir()
        (found[name] / "config.json").write_text("{}")
        header = json.dumps({"w": {"dtype": "U8", "shape": [count], "data_offsets": [0, count]}}).encode()
        with open(found[name] / "model.safetensors", "wb") as stream:
            stream.write(len(header).to_bytes(8, "little") + header)
            # Nothing is written between here and the end: the file takes no room on the disk.
            stream.truncate(8 + len(header) + count)
    return found


def test_weights_are_counted_without_reading_them(untrained_model: Path, tmp_path: Path) -> None:
    decoder, _ = load_model(untrained_model)
    assert weight_count(untrained_model) == sum(part.numel() for _, part in decoder.named_parameters())
    (tmp_path / "config.json").write_text("{}")
    for number in (1, 2):
        save_file({"a": torch.zeros(3, 4)}, tmp_path / f"model-0000{number}-of-00002.safetensors")
    save_file({"moment": torch.zeros(99)}, tmp_path / "trainer.safetensors")
    assert weight_count(tmp_path) == 24


@settings(max_examples=60, deadline=None)
@given(
    stage=st.sampled_from(sorted(CLASSES)),
    size=st.sampled_from(["small", "medium", "large"]),
    rank=st.sampled_from([0, 8]),
    own=st.sets(st.sampled_from(["optimizer.algorithm=muon", "optimizer.learning_rate=0.003", "batch"])),
    in_file=st.booleans(),
)
def test_what_is_not_given_goes_by_the_model(
    models: dict[str, Path], stage: Any, size: str, rank: int, own: set[str], in_file: bool
) -> None:
    batch = next(iter(BATCHES[stage]), "batch_prompts")
    given = dict(one.replace("batch", f"{batch}=5").split("=") for one in own)
    file = models[size] / "mine.toml"
    lines = [f"{key} = {value if value[0].isdigit() else repr(value)}" for key, value in given.items()]
    file.write_text("\n".join(lines))
    flags = [] if in_file else [f"--{key}={value}" for key, value in given.items()]
    needed = [f"--model={models[size]}", f"--lora.rank={rank}"]
    found = load(CLASSES[stage], file if in_file else None, [*needed, *flags])
    plain = CLASSES[stage](model=models[size])
    trained = "adapters" if rank else "all weights"
    rate = RATES[stage][trained][size == "large"] if size != "small" else plain.optimizer.learning_rate
    assert found.optimizer.learning_rate == float(given.get("optimizer.learning_rate", rate))
    usual = plain.optimizer.algorithm if size == "small" else "adamw"
    assert found.optimizer.algorithm == given.get("optimizer.algorithm", usual)
    wanted = getattr(plain, batch) if size == "small" else BATCHES[stage].get(batch, getattr(plain, batch))
    assert getattr(found, batch) == int(given.get(batch, wanted))
    # A run's own file keeps what the run had, whatever the defaults are by then.
    saved = models[size] / "saved.toml"
    saved.write_text(to_toml(found))
    assert load(CLASSES[stage], saved) == found


def test_the_choice_is_one_line(models: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    load(SftConfig, None, [f"--model={models['medium']}"])
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    for words in ("20M weights, and all weights are trained", "--optimizer.learning_rate 0.0001", "adamw"):
        assert words in told
    load(SftConfig, None, [f"--model={models['small']}"])
    load(SftConfig, None, ["--model=nowhere"])
    assert capsys.readouterr().err == ""


def test_the_loop_of_feedback_goes_by_both_models(models: dict[str, Path]) -> None:
    flags = [f"--model={models['large']}", f"--reward_start={models['medium']}", "--practice.lora.rank=4"]
    loop = load(RlhfConfig, None, flags)
    assert loop.practice.optimizer.learning_rate == RATES["rl"]["adapters"][1]
    assert loop.reward_model.optimizer.learning_rate == RATES["reward-model"]["all weights"][0]


def test_larger_models_get_no_higher_rates_and_adapters_higher_ones() -> None:
    for rates in RATES.values():
        for medium, large in rates.values():
            assert medium > large
        assert all(one > other for one, other in zip(rates["adapters"], rates["all weights"], strict=True))
    assert defaults_for("sft", Path("nowhere"), 0) == ("", {})
