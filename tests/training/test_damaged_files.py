"""Every file of a run removed, emptied, cut and overwritten in turn: one line that names it, exit code 2."""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from practicum.cli import main
from practicum.errors import InputError
from practicum.model.heads import RewardHead
from practicum.model.tokenizer import train_tokenizer
from practicum.reward.model import Calibration, load_reward_model, save_reward_model

# Files are read before anything is computed.
pytestmark = pytest.mark.one_way

COMMON = shlex.split("--loop.steps 2 --loop.checkpoint_every 1 --loop.threads 1 --dtype float32")
RL = shlex.split(
    "rl --control random --prompts_per_step 2 --group_size 2 --sampling.max_new_tokens 6 --algorithm ppo "
    "--sampling.dtype float32 --samples_per_step 2 --optimizer.warmup_steps 1 --lora.rank 2"
)
SFT = shlex.split("sft --batch_demonstrations 2 --textbook_passages 1 --optimizer.warmup_steps 1")
DAMAGES: dict[str, Callable[[Path], object]] = {
    "removed": Path.unlink,
    "emptied": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "overwritten": lambda path: path.write_bytes(b"\xff" * path.stat().st_size),
}
# Without them a run resumes as it would with them: they tell what was, and nothing is read from them.
NEEDLESS = {("environment.json", "removed")}
# What nothing is read from when a run goes on.
UNREAD = {"summary.json", "checkpoints/step-000001"}


@pytest.fixture(scope="module")
def runs(untrained_model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A finished run of each stage."""
    folder = tmp_path_factory.mktemp("runs")
    for name, stage in (("rl", RL), ("sft", SFT)):
        assert main([*stage, *COMMON, "--model", str(untrained_model), "--run", str(folder / name)]) == 0
    return {name: folder / name for name in ("rl", "sft")}


def files_of(folder: Path) -> list[str]:
    found = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    return sorted(name for name in found if not any(name.startswith(unread) for unread in UNREAD))


def contents(folder: Path) -> dict[Path, bytes]:
    """What a run may not lose; environment.json records that somebody tried."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "environment.json"]
    return {path: path.read_bytes() for path in files}


def complaint(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, list[str]]:
    """The exit code, and the lines on stderr that are a complaint."""
    code = main(arguments)
    return code, [line for line in capsys.readouterr().err.splitlines() if "error" in line]


@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize("stage", ["rl", "sft"])
def test_a_run_with_a_damaged_file_is_not_resumed_and_the_file_is_named(
    stage: str, how: str, runs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = files_of(runs[stage])
    assert {"config.toml", "metrics.jsonl", "samples.jsonl", "environment.json"} <= set(names)
    last = {name.partition("step-000002/")[2] for name in names}
    assert {"trainer.safetensors", "trainer.json", "model.safetensors", "generation_config.json"} <= last
    assert stage == "sft" or {"adapter/adapter_config.json", "adapter/adapter_model.safetensors"} <= last
    for number, name in enumerate(names):
        copy = tmp_path / str(number)
        shutil.copytree(runs[stage], copy)
        DAMAGES[how](copy / name)
        before = contents(copy)
        code, lines = complaint([stage, "--run", str(copy), "--resume"], capsys)
        if (name, how) in NEEDLESS:
            assert code == 0
            continue
        assert (code, len(lines)) == (2, 1), f"{name} {how}: {lines}"
        assert name.rpartition("/")[2] in lines[0], f"{name} {how}: {lines}"
        assert str(copy) in lines[0]
        assert contents(copy) == before, f"{name} {how}: something was written"


@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize(
    "command",
    ["sample --sampling.max_new_tokens 4 --prompt x=1", "eval --count 2 --sampling.max_new_tokens 4"],
)
def test_a_model_with_a_damaged_file_is_not_used_and_the_file_is_named(
    command: str, how: str, runs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [name for name in files_of(runs["rl"]) if "/step-000002/" in name]
    for number, name in enumerate(names):
        copy = tmp_path / str(number)
        shutil.copytree(runs["rl"], copy)
        DAMAGES[how](copy / name)
        code, lines = complaint(
            [*command.split(), "--sampling.max_new_tokens", "4", "--model", str(copy)], capsys
        )
        if name.endswith("trainer.safetensors") or (name.endswith("trainer.json") and how == "removed"):
            assert code == 0
            continue
        assert (code, len(lines)) == (2, 1), f"{name} {how}: {lines}"
        assert name.rpartition("/")[2] in lines[0], f"{name} {how}: {lines}"


def test_a_run_falls_back_on_an_earlier_checkpoint_as_the_line_says(
    runs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "run"
    shutil.copytree(runs["rl"], copy)
    newest = copy / "checkpoints" / "step-000002"
    (newest / "trainer.safetensors").unlink()
    code, lines = complaint(["rl", "--run", str(copy), "--resume"], capsys)
    assert code == 2
    assert "remove its folder to fall back on an earlier checkpoint" in lines[0]
    shutil.rmtree(newest)
    assert main(["rl", "--run", str(copy), "--resume"]) == 0
    for file in ("model.safetensors", "trainer.safetensors", "adapter/adapter_model.safetensors"):
        parts = [folder / "checkpoints" / "step-000002" / file for folder in (runs["rl"], copy)]
        assert parts[0].read_bytes() == parts[1].read_bytes()


@pytest.mark.parametrize(
    "content", ["{}", "[]", '{"step": "two"}', '{"step": 2, "log_bytes": {}, "state": {}}']
)
def test_a_record_without_its_fields_is_named(
    content: str, runs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(runs["sft"], tmp_path / "run")
    (tmp_path / "run" / "checkpoints" / "step-000002" / "trainer.json").write_text(content)
    code, lines = complaint(["sft", "--run", str(tmp_path / "run"), "--resume"], capsys)
    assert (code, len(lines)) == (2, 1)
    assert "trainer.json" in lines[0]


def test_tensors_of_another_run_are_named(
    runs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(runs["sft"], tmp_path / "run")
    target = tmp_path / "run" / "checkpoints" / "step-000002"
    shutil.copy(runs["rl"] / "checkpoints" / "step-000002" / "trainer.safetensors", target)
    record = json.loads((target / "trainer.json").read_text())
    del record["files"]["trainer.safetensors"]
    (target / "trainer.json").write_text(json.dumps(record))
    code, lines = complaint(["sft", "--run", str(tmp_path / "run"), "--resume"], capsys)
    assert (code, len(lines)) == (2, 1)
    assert "trainer.safetensors: optimizer." in lines[0]


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_reward_model_is_named(
    how: str, make_trainee: Callable[..., object], untrained_model: Path, tmp_path: Path
) -> None:
    from practicum.model.checkpoint import load_model

    decoder, _ = load_model(untrained_model)
    tokenizer = train_tokenizer(["solve answer domain"], 120)
    head = RewardHead(decoder.config.hidden_size, 3, 0)
    save_reward_model(decoder, tokenizer, head, Calibration((0.0,) * 3), tmp_path / "whole")
    for name in ("config.json", "model.safetensors", "heads.safetensors", "tokenizer.json"):
        copy = tmp_path / name
        shutil.copytree(tmp_path / "whole", copy)
        DAMAGES[how](copy / name)
        with pytest.raises(InputError, match=name.partition(".")[0]) as caught:
            load_reward_model(copy, torch.float32)
        assert "\n" not in str(caught.value)


def test_a_resume_with_other_arithmetic_is_told_once_and_goes_on(
    untrained_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from practicum.model.native import load

    def told(*arguments: str) -> list[str]:
        assert main(["sft", "--run", str(tmp_path / "run"), *arguments]) == 0
        return [line for line in capsys.readouterr().err.splitlines() if "arithmetic" in line]

    def back_to(step: int) -> None:
        for folder in (tmp_path / "run" / "checkpoints").iterdir():
            if int(folder.name[5:]) > step:
                shutil.rmtree(folder)

    start = [*SFT[1:], "--loop.steps", "3", "--loop.checkpoint_every", "1", "--loop.keep_checkpoints", "3"]
    assert told(*start, "--model", str(untrained_model), "--dtype", "float32") == []
    back_to(2)
    assert told("--resume") == []
    back_to(2)
    monkeypatch.setenv("PRACTICUM_NATIVE", "0")
    load.cache_clear()
    kernels = json.loads((tmp_path / "run" / "environment.json").read_text())["arithmetic"]["kernels"]
    # Where no kernels can be built nothing has changed.
    expected = ["kernels True -> False"] if kernels else []
    found = told("--resume")
    assert len(found) == len(expected)
    assert all(words in line for words, line in zip(expected, found, strict=True))
    before, threads = torch.get_num_threads(), torch.get_num_threads() + 1
    back_to(2)
    torch.set_num_threads(threads)
    found = told("--resume")
    torch.set_num_threads(before)
    assert len(found) == 1
    assert f"threads {before} -> {threads}" in found[0]
    load.cache_clear()
