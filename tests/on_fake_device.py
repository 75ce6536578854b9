"""Every command on the fake device, beside the same command on the CPU. `test_device.py` runs this file in a
process of its own, without kernels, so that both compute with the same PyTorch code and numbers are equal."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer

from practicum import cli
from practicum.model.policy import load_policy
from practicum.preferences.app.prompts import answered
from practicum.preferences.records import NewPrompt
from practicum.tasks.registry import TaskConfig, load_task
from practicum.types import Prompt
from scripts import gpu_check
from tests.fake_device import Fake, register, watched

register()
torch.set_num_threads(1)

LOOP = ["--loop.steps=2", "--loop.checkpoint_every=1", "--loop.threads=1", "--dtype=float32"]
SHAPE = "--model.layers=1 --model.hidden_size=32 --model.intermediate_size=32 --model.heads=2 "
SHAPE += "--model.key_value_heads=1 --model.head_dim=16 --batch_rows=2"
DRAWN = ["--sampling.max_new_tokens=6", "--sampling.dtype=float32"]
PRACTICE = ["--prompts_per_step=4", "--group_size=2", *DRAWN, *LOOP, "--task=jokes"]
FIT = ["--epochs=1", "--held_out=0.4", "--dtype=float32", "--threads=1", "--heads=2"]
DEVICES = ("cpu", "fake")


def run(words: list[Any], device: str) -> None:
    """Run a command on a device, which does all matrix products where it is the fake one."""
    arguments = [*map(str, words), f"--device={device}", "--json"]
    if device == "fake":
        with watched():
            code = cli.main(arguments)
    else:
        code = cli.main(arguments)
    assert code in (0, 3)


def rows(folder: Path) -> list[dict[str, Any]]:
    """The metrics of a run, without its times."""
    lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [
        {name: value for name, value in json.loads(line).items() if not name.endswith("seconds")}
        for line in lines
    ]


def tensors(folder: Path) -> dict[str, torch.Tensor]:
    """Every tensor of a run's checkpoints and of its reward model."""
    return {
        f"{path.relative_to(folder)} {name}": tensor
        for path in sorted(folder.rglob("*.safetensors"))
        for name, tensor in load_file(path).items()
    }


def check_alike(one: Path, other: Path) -> None:
    """Two runs have the same metrics, samples and weights."""
    assert len(rows(one)) == len(rows(other)) > 0
    for row, same in zip(rows(one), rows(other), strict=True):
        assert row.keys() == same.keys()
        for name, value in row.items():
            assert value == pytest.approx(same[name], rel=1e-4, abs=1e-6, nan_ok=True), name
    if (one / "samples.jsonl").exists():
        texts = [
            [json.loads(line)["completion"] for line in (folder / "samples.jsonl").read_text().splitlines()]
            for folder in (one, other)
        ]
        assert texts[0] == texts[1]
    found, same_tensors = tensors(one), tensors(other)
    assert found
    assert found.keys() == same_tensors.keys()
    for name, tensor in found.items():
        torch.testing.assert_close(tensor, same_tensors[name], rtol=1e-4, atol=1e-5, msg=name)


def on_both(words: list[Any], folder: Path, name: str) -> Path:
    """Run a command that fills a folder on both devices, check that they agree, and return the device's."""
    for device in DEVICES:
        run([*words, f"--run={folder / f'{name}-{device}'}"], device)
    check_alike(folder / f"{name}-fake", folder / f"{name}-cpu")
    record = json.loads((folder / f"{name}-fake" / "environment.json").read_text(encoding="utf-8"))
    assert record["device"] == record.get("arithmetic", {}).get("device", "fake:0") == "fake:0"
    return folder / f"{name}-fake"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("device")


@pytest.fixture(scope="module")
def first(folder: Path) -> Path:
    """A model that has read a little about jokes."""
    return on_both(["pretrain", *SHAPE.split(), *LOOP, "--task=jokes"], folder, "pretrain")


@pytest.fixture(scope="module")
def writer(save_untrained: Callable[[Tokenizer, int], Path], tokenizer: Tokenizer) -> Path:
    """A model of so few tokens that many of its answers come to an end."""
    return save_untrained(tokenizer, 256)


@pytest.fixture(scope="module")
def rankings(folder: Path) -> Path:
    path = folder / "rankings.jsonl"
    with path.open("w", encoding="utf-8") as stream:
        for number in range(60):
            prompt = load_task(TaskConfig("jokes")).prompts("train", 1, number)[0]
            ranks = [1, 3, 2] if number % 3 else [3, 1, 2]
            texts = [f"a joke {number}", "no", f"why {number % 7}?"]
            row = {"prompt": prompt.text, "responses": [{"text": text} for text in texts], "ranks": ranks}
            stream.write(json.dumps({**row, "data": prompt.data, "rater": f"r{number % 3}"}) + "\n")
    return path


@pytest.fixture(scope="module")
def judge(first: Path, rankings: Path, folder: Path) -> Path:
    words = ["reward-model", f"--model={first}", f"--preferences={rankings}", *FIT]
    return on_both([*words, "--length_control=regress"], folder, "judge")


def test_a_policy_and_all_that_is_made_of_it_are_on_the_device(first: Path) -> None:
    policy, _ = load_policy(first, "fake")
    assert policy.device == torch.device("fake:0")
    assert all(isinstance(part, Fake) for _, part in policy.named_parameters())


@pytest.mark.parametrize(
    "extra", [["--lora.rank=2", "--optimizer.algorithm=adamw"], ["--optimizer.algorithm=muon"]]
)
def test_sft(first: Path, folder: Path, extra: list[str]) -> None:
    words = ["sft", f"--model={first}", "--batch_demonstrations=4", *LOOP, "--task=jokes", *extra]
    on_both(words, folder, f"sft{extra[0][2]}")


@pytest.mark.parametrize(
    ("name", "extra"),
    [
        ("plain", ["--update.kl.weight=0.1", "--update.minibatches=2"]),
        (
            "cut",
            [
                "--sampling.top_k=20",
                "--sampling.top_p=0.9",
                "--update.kl.weight=0.1",
                "--update.entropy_weight=0.01",
            ],
        ),
        ("adapters", ["--lora.rank=2", "--update.micro_batch_tokens=64", "--update.kl.weight=0.1"]),
        ("values", ["--algorithm=ppo", "--update.epochs=2"]),
    ],
)
def test_rl(first: Path, folder: Path, name: str, extra: list[str]) -> None:
    on_both(["rl", f"--model={first}", *PRACTICE, *extra], folder, name)


@pytest.mark.parametrize("critic", ["head", "reward_model"])
def test_ppo_against_a_reward_model(first: Path, judge: Path, folder: Path, critic: str) -> None:
    words = ["rl", f"--model={first}", f"--reward_model={judge}", "--algorithm=ppo", f"--ppo.critic={critic}"]
    on_both([*words, *PRACTICE, "--update.kl.weight=0.1", "--loop.steps=3"], folder, f"ppo-{critic}")


def test_the_mean_of_reward_models(judge: Path, rankings: Path, folder: Path) -> None:
    for device in DEVICES:
        words = ["reward-model", "--average", judge, judge, f"--preferences={rankings}", "--held_out=0.4"]
        run([*words, "--dtype=float32", f"--run={folder / f'mean-{device}'}"], device)
    found, same = tensors(folder / "mean-fake"), tensors(folder / "mean-cpu")
    for name, tensor in found.items():
        torch.testing.assert_close(tensor, same[name], msg=name)


@pytest.mark.slow
def test_the_whole_loop(writer: Path, folder: Path) -> None:
    words = "--rounds=1 --prompts=12 --responses=5 --examined=3 --people.raters=2 --reward_model.epochs=1 "
    words += "--reward_model.held_out=0.4 --reward_model.dtype=float32 --practice.dtype=float32 "
    words += "--practice.prompts_per_step=4 --practice.group_size=2 --practice.sampling.max_new_tokens=40 "
    words += "--practice.sampling.dtype=float32 --practice.loop.steps=1 --practice.loop.threads=1 --members=2"
    found = []
    for device in DEVICES:
        run(["rlhf", f"--model={writer}", *words.split(), f"--run={folder / f'loop-{device}'}"], device)
        summary = json.loads((folder / f"loop-{device}" / "summary.json").read_text(encoding="utf-8"))
        found.append({**summary["before"], **{f"after {key}": one for key, one in summary["after"].items()}})
    assert found[1] == pytest.approx(found[0], rel=1e-4, abs=1e-5, nan_ok=True)


@pytest.mark.parametrize(("before", "after"), [("fake", "cpu"), ("cpu", "fake")])
def test_a_run_goes_on_on_another_device(
    first: Path, folder: Path, capsys: pytest.CaptureFixture[str], before: str, after: str
) -> None:
    words = ["rl", f"--model={first}", *PRACTICE, "--algorithm=ppo", "--loop.keep_checkpoints=9"]
    whole, broken = folder / f"whole-{before}", folder / f"broken-{before}"
    run([*words, f"--run={whole}"], before)
    run([*words, f"--run={broken}"], before)
    for path in sorted((broken / "checkpoints" / "step-000002").iterdir()):
        path.unlink()
    (broken / "checkpoints" / "step-000002").rmdir()
    capsys.readouterr()
    run(["rl", f"--run={broken}", "--resume"], after)
    said = capsys.readouterr().err
    names = {"cpu": "cpu", "fake": "fake:0"}
    assert f"device {names[before]} -> {names[after]}" in said
    assert f"practicum: device {names[after]}" in said
    check_alike(broken, whole)
    stored = (broken / "config.toml").read_text(encoding="utf-8")
    assert f'device = "{before}"' in stored, "the settings are those the run was started with"


def results_of(words: list[Any], capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    found = []
    for device in DEVICES:
        capsys.readouterr()
        run(words, device)
        said = capsys.readouterr()
        assert ("practicum: device fake:0" in said.err) == (device == "fake")
        found.append(json.loads(said.out))
    return found


def test_eval(first: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        "eval",
        f"--model={first}",
        "--task=jokes",
        "--count=6",
        "--samples=2",
        "--sampled_count=3",
        *DRAWN,
    ]
    here, there = results_of(words, capsys)
    here.pop("seconds"), there.pop("seconds")
    assert here == there


def test_sample(first: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["sample", f"--model={first}", "--task=jokes", "--prompt", "one", "--count=3"]
    here, there = results_of([*words, "--sampling.temperature=1", *DRAWN], capsys)
    assert [one["completion"] for one in here["samples"]] == [one["completion"] for one in there["samples"]]


@pytest.mark.slow
def test_the_whole_audit(first: Path, judge: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        "audit",
        f"--reward_model={judge}",
        f"--policy={folder / 'pretrain-fake'}",
        f"--reference={first}",
    ]
    words += ["--size=tiny", "--prompts=20", "--answers=2", "--queries=400", "--threads=1", *DRAWN]
    here, there = results_of(words, capsys)
    assert here.keys() == there.keys()
    for name, section in here.items():
        if isinstance(section, dict):
            assert section["verdict"] == there[name]["verdict"]


@pytest.mark.parametrize("instrument", ["bias", "distortion", "exploits", "rank-table"])
def test_an_instrument_of_reward_models(
    instrument: str, judge: Path, rankings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    extra = {
        "exploits": ["--queries=300", "--prompts=12"],
        "bias": ["--attribute=longer:1", "--target=0.5"],
    }.get(instrument, [])
    words = ["audit", instrument, f"--reward_model={judge}", f"--preferences={rankings}", *extra]
    results_of(words, capsys)


def test_responses_for_people_to_rank(first: Path) -> None:
    prompts = [NewPrompt(Prompt("one"), ()), NewPrompt(Prompt("two"), ())]
    with watched():
        made, _ = answered(prompts, first, 2, 1.0, 6, 0, "fake")
    assert made == answered(prompts, first, 2, 1.0, 6, 0, "cpu")[0]


@pytest.mark.slow
def test_the_checks_of_a_gpu(tmp_path: Path) -> None:
    place = gpu_check.Place(torch.device("fake:0"), tmp_path, gpu_check.QUICK)
    gpu_check.make_model(tmp_path / "start", 64, 1)
    for name in ("parity", "sft", "grpo", "ppo", "resume"):
        with watched() if name not in ("parity", "sft") else nullcontext():
            found = gpu_check.CHECKS[name](place)
        assert found.passed, f"{name}: {found.words}"
