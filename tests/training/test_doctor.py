"""A dry run finds the faults that a run has, in a run that has them, and leaves nothing behind."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from practicum import cli
from practicum.errors import InputError
from practicum.guard.observer import StepResult, Verdict
from practicum.model import decoder
from practicum.model.checkpoint import load_model, save_model
from practicum.model.sampling import SamplingConfig
from practicum.model.tokenizer import Chat, encode_prompts, set_chat
from practicum.run.folder import Run
from practicum.training import doctor, loop, pretrain, rl, sft
from practicum.training.loop import LoopConfig, Stage, run_steps
from practicum.training.rl import RlConfig
from practicum.training.trial import Tried, trial
from practicum.types import Demonstration, Prompt
from tests.tiny import LetterTask, tiny_decoder
from tests.training.test_dead import Pays
from tests.training.test_observers import Asking

# What is found hangs on settings and rewards, not on what computes.
pytestmark = pytest.mark.one_way

Pay = Callable[[Prompt, str], Any]


def config_of(model: Path, **changes: Any) -> RlConfig:
    config = RlConfig(
        model=model,
        prompts_per_step=6,
        group_size=6,
        sampling=SamplingConfig(max_new_tokens=12, dtype="float32"),
        loop=LoopConfig(steps=500, threads=1),
        dtype="float32",
    )
    return replace(config, **changes)


def tried(model: Path, folder: Path, pay: Pay, **changes: Any) -> dict[str, Any]:
    def train(config: RlConfig, run: Path) -> dict[str, Any]:
        return rl.train(config, run, parts=rl.build(config, task=Pays(pay)))  # type: ignore[arg-type]

    return doctor.dry_run("rl", train, config_of(model, **changes), folder)


def severities(result: dict[str, Any]) -> dict[str, str]:
    return {found["name"]: found["severity"] for found in result["findings"]}


@pytest.fixture
def talkative(untrained_model: Path, tmp_path: Path) -> Path:
    """A model that ends its completions sooner or later, at lengths that differ."""
    decoder, tokenizer = load_model(untrained_model)
    with torch.no_grad():
        for part in decoder.parameters():
            part.mul_(0.0 if part.dim() == 1 else 1.0)
    save_model(decoder, tokenizer, tmp_path / "talkative")
    return tmp_path / "talkative"


def by_prompt(prompt: Prompt, text: str) -> float:
    return float(len(prompt.text) + ord(prompt.text[-1]))


ONE_TOKEN = SamplingConfig(max_new_tokens=1, dtype="float32")


def mixed(prompt: Prompt, text: str) -> float:
    """No function of length, and different within nearly every group."""
    return float(sum(map(ord, text)) % 7 > 2)


def test_a_run_in_order_is_told_so_with_what_it_takes(talkative: Path, tmp_path: Path) -> None:
    long = SamplingConfig(max_new_tokens=400, dtype="float32")
    result = tried(talkative, tmp_path, mixed, sampling=long)
    assert set(severities(result).values()) == {"ok"}, result["findings"]
    names = {"signal", "groups", "ending", "length", "ratio", "template", "padding", "memory", "disk"}
    assert severities(result).keys() == names
    assert result["verdict"] == "ok"
    assert "exit_code" not in result
    (estimate,) = result["estimates"]
    assert estimate["steps"] == 500
    assert 0 < estimate["seconds_low"] <= estimate["seconds"] <= estimate["seconds_high"]
    assert estimate["tokens"] > 500 * 36
    assert estimate["tokens"] == pytest.approx(estimate["tokens_per_second"] * estimate["seconds"])
    assert result["peak_memory_bytes"] > 1 << 24


@pytest.mark.parametrize(
    ("pay", "changes", "name", "severity", "words"),
    [
        (lambda *_: 0, {}, "signal", "stop", "every completion was paid 0,"),
        (lambda *_: 0.7, {}, "signal", "stop", "every completion was paid 0.7,"),
        (lambda *_: 0.7, {"algorithm": "ppo"}, "signal", "stop", "every completion was paid 0.7,"),
        (by_prompt, {}, "signal", "stop", "all answers to a prompt"),
        (lambda *_: math.nan, {}, "error", "stop", "reward pays"),
        (lambda *_: math.inf, {}, "error", "stop", "reward pays"),
        (lambda *_: None, {}, "error", "stop", "reward pays"),
        (mixed, {"sampling": ONE_TOKEN}, "ending", "warn", "no completion has"),
    ],
)
def test_a_fault_of_the_reward_is_found(
    pay: Pay,
    changes: dict[str, Any],
    name: str,
    severity: str,
    words: str,
    untrained_model: Path,
    tmp_path: Path,
) -> None:
    result = tried(untrained_model, tmp_path, pay, **changes)
    found = {one["name"]: one for one in result["findings"]}[name]
    assert found["severity"] == severity
    assert words in found["sentence"]
    assert found["remedy"]
    assert result["verdict"] == "stop" or severity == "warn"
    assert result.get("exit_code", 0) == (3 if result["verdict"] == "stop" else 0)
    assert all("\n" not in one["sentence"] for one in result["findings"])


@pytest.mark.parametrize(("sign", "words"), [(1, "longer"), (-0.01, "shorter")])
def test_a_reward_that_goes_by_length_is_found(
    sign: float, words: str, talkative: Path, tmp_path: Path
) -> None:
    long = SamplingConfig(max_new_tokens=200, dtype="float32")
    result = tried(talkative, tmp_path, lambda prompt, text: sign * len(text), sampling=long)
    found = {one["name"]: one for one in result["findings"]}["length"]
    assert (found["severity"], words in found["sentence"]) == ("warn", True), found


def test_prompts_that_leave_no_room_are_found(untrained_model: Path, tmp_path: Path) -> None:
    class Long(Pays):
        def prompts(self, split: str, count: int, seed: int) -> list[Prompt]:
            return [Prompt("7 " * 5000)] * count

    def train(config: RlConfig, run: Path) -> dict[str, Any]:
        return rl.train(config, run, parts=rl.build(config, task=Long(mixed)))  # type: ignore[arg-type]

    result = doctor.dry_run("rl", train, config_of(untrained_model), tmp_path)
    assert result["verdict"] == "stop"
    assert any("tokens; the model takes" in one["sentence"] for one in result["findings"])


def test_demonstrations_that_are_too_long_are_counted(untrained_model: Path, tmp_path: Path) -> None:
    class Long(LetterTask):
        def demonstrations(self, count: int, seed: int) -> list[Demonstration]:
            return [Demonstration(Prompt("7 " * (3000 if row % 2 else 1)), "8") for row in range(count)]

    config = sft.SftConfig(untrained_model, batch_demonstrations=8, textbook_passages=0)
    task: Any = Long()
    result = doctor.dry_run("sft", lambda config, run: sft.train(config, run, task=task), config, tmp_path)
    found = {one["name"]: one for one in result["findings"]}["length_limit"]
    assert found["severity"] == "warn"
    assert found["sentence"].startswith("50% of the texts are left out")


def test_a_fault_of_the_settings_is_an_error_as_in_the_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere"):
        doctor.dry_run("rl", rl.train, config_of(tmp_path / "nowhere"), tmp_path)


@pytest.mark.parametrize("seed", range(2))
def test_a_model_that_reads_its_padding_is_found(
    seed: int, tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = tiny_decoder(tokenizer, seed)
    texts = [Prompt("1 2")] * 8, ["3 4 " * length for length in range(1, 9)]
    clean = doctor.padding_difference(policy, tokenizer, *texts)
    assert clean is not None
    assert doctor.check_padding(clean).severity == "ok"
    # One length alone shows nothing, and that is said.
    untold = doctor.padding_difference(policy, tokenizer, [Prompt("1 2")] * 2, ["3 4"] * 2)
    assert untold is None
    assert "too few" in doctor.check_padding(untold).sentence

    class Blurred:
        """Hidden states that have a share of the mean over the row, padding included."""

        def __init__(self, inner: Any) -> None:
            self.inner, self.spec, self.device = inner, inner.spec, inner.device

        def hidden(self, ids_BT: Any, dtype: Any) -> Any:
            hidden = self.inner.hidden(ids_BT, dtype)
            return hidden + 0.1 * hidden.mean(1, keepdim=True)

        def logits(self, hidden: Any, dtype: Any) -> Any:
            return self.inner.logits(hidden, dtype)

    blurred: Any = Blurred(policy)
    found = doctor.check_padding(doctor.padding_difference(blurred, tokenizer, *texts))
    assert (found.severity, bool(found.remedy)) == ("stop", True)


numbers = st.lists(st.floats(-1e3, 1e3, width=32), min_size=20, max_size=40)


@given(numbers, st.floats(0.01, 100), st.floats(-5, 5), st.sampled_from([1, -1]))
def test_a_correlation_is_one_where_one_side_is_the_other_scaled(
    values: list[float], slope: float, shift: float, sign: int
) -> None:
    groups = [str(place % 3) for place in range(len(values))]
    others = [sign * slope * value + shift * ord(group) for value, group in zip(values, groups, strict=True)]
    found = doctor.correlation_within(groups, values, others)
    spread = max(
        max(value for value, one in zip(values, groups, strict=True) if one == group)
        - min(value for value, one in zip(values, groups, strict=True) if one == group)
        for group in set(groups)
    )
    if spread == 0:
        assert found is None
    elif spread > 1:
        assert found == pytest.approx(sign, abs=1e-3)
    assert doctor.correlation_within(groups, values, [1.0] * len(values)) is None
    assert doctor.correlation_within([str(place) for place in range(len(values))], values, others) is None


@given(st.floats(0, 1e9))
def test_times_and_sizes_are_short_and_have_a_unit(value: float) -> None:
    for text in (doctor._time(value), doctor._bytes(value)):
        assert len(text) < 16
        assert " " in text


def test_the_command_prints_findings_and_leaves_no_folder(
    untrained_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    small = ["--prompts_per_step", "2", "--group_size", "2", "--sampling.max_new_tokens", "4"]
    command = ["rl", "--model", str(untrained_model), *small, "--loop.threads", "1", "--dry-run"]
    assert cli.main(command) == 3
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("stop  steps 1 to 3: every completion was paid 0")
    assert lines[1].startswith("      -> ")
    assert cli.main([*command, "--json"]) == 3
    result = json.loads(capsys.readouterr().out)
    assert result["verdict"] == "stop"
    assert list(tmp_path.iterdir()) == []
    for wrong, words in (
        ([*command, "--resume", "--run", "x"], "drop --resume"),
        (["eval", "--dry-run"], "none"),
    ):
        assert cli.main(wrong) == 2
        assert words in capsys.readouterr().err


def test_a_text_that_is_read_from_nothing_has_a_falling_loss(tmp_path: Path) -> None:
    shape = pretrain.ModelShape(32, 32, 1, 2, 1, 16)
    config = pretrain.PretrainConfig(model=shape, batch_rows=4, loop=LoopConfig(steps=40, threads=1))
    result = doctor.dry_run("pretrain", pretrain.train, config, tmp_path)
    assert severities(result) == dict.fromkeys(("gradient", "loss", "memory", "disk"), "ok")
    assert result["estimates"][0]["steps"] == 40


@pytest.mark.parametrize("goes_back", [False, True])
@pytest.mark.parametrize(("steps", "every", "keep"), [(9, 2, 2), (5, 9, 2), (6, 1, 9), (4, 2, 1), (7, 3, 3)])
def test_the_room_asked_for_is_that_of_the_most_checkpoints_there_are_at_a_time(
    steps: int,
    every: int,
    keep: int,
    goes_back: bool,
    make_trainee: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    most, distrust = 0, Run.distrust

    def count() -> None:
        nonlocal most
        most = max(most, len([*tmp_path.glob("run/checkpoints/*"), *tmp_path.glob("run/untrusted/step-*")]))

    def saved(*model: Any) -> None:
        save_model(*model)
        count()

    def counted(self: Run, step: int) -> None:
        distrust(self, step)
        count()

    monkeypatch.setattr(loop, "save_model", saved)
    monkeypatch.setattr(Run, "distrust", counted)
    config = LoopConfig(steps=steps, checkpoint_every=every, keep_checkpoints=keep, threads=1)
    run = Run.open(tmp_path / "run", config, "test", keep=steps + 1 if goes_back else keep)
    last = every * ((steps - 1) // every)
    verdicts = {steps: Verdict(ends=True, back_to=last, pin={"why": "x"})} if goes_back else {}
    stage = Stage(run, config, make_trainee(), (), [Asking("guard", verdicts)], keep_start=goes_back)
    run_steps(stage, lambda index: StepResult({"tokens": 1.0}, []))
    assert most == loop._most_checkpoints(stage)
    assert doctor.check_disk(10, most, 10 * most).severity == "ok"
    assert doctor.check_disk(10, most, 10 * most - 1).severity == "stop"


ROLES = "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}{% endfor %}<assistant>"


@given(st.lists(st.text("abc ", min_size=1, max_size=6).filter(str.strip), min_size=1, max_size=4))
def test_a_chat_is_examined_as_the_model_reads_it(tokenizer: Any, contents: list[str]) -> None:
    own = Tokenizer.from_str(tokenizer.to_str())
    set_chat(own, Chat(ROLES, {}))
    roles = ["system", *["user", "assistant"] * len(contents)]
    messages = tuple(
        {"role": role, "content": text} for role, text in zip(roles, ["be brief", *contents], strict=False)
    )
    prompt = Prompt(" ".join(contents), messages=messages)
    read = own.decode(encode_prompts(own, [prompt])[0], skip_special_tokens=False)
    assert "system" in read
    assert f"{read!r:.160}" in doctor.check_template(own, prompt).sentence


@pytest.mark.parametrize("stage", ["rl", "sft"])
def test_a_stage_shows_the_prompts_of_its_samples(stage: str, untrained_model: Path, tmp_path: Path) -> None:
    chat = Prompt("User: 1", messages=({"role": "user", "content": "1"},))

    class Chats(Pays):
        def prompts(self, split: str, count: int, seed: int) -> list[Prompt]:
            return [chat] * count

        def demonstrations(self, count: int, seed: int) -> list[Demonstration]:
            return [Demonstration(chat, "2")] * count

        def exposition(self, count: int, seed: int) -> list[str]:
            return []

    task: Any = Chats(mixed)
    with trial(2) as shown:
        if stage == "rl":
            config = config_of(untrained_model)
            rl.train(config, tmp_path / "run", parts=rl.build(config, task=task))
        else:
            sft.train(sft.SftConfig(untrained_model, batch_demonstrations=2), tmp_path / "run", task=task)
    (tried_stage,) = shown.stages
    assert len(tried_stage.prompts) == len(tried_stage.samples) > 0
    assert set(map(id, tried_stage.prompts)) == {id(chat)}


@pytest.mark.parametrize(("kind", "severity"), [("mps", "warn"), ("cpu", "ok")])
def test_rounding_is_judged_by_the_dtype_of_the_device(
    kind: str, severity: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoder, "_processor_has_bfloat16", lambda: True)
    monkeypatch.setenv("PRACTICUM_BFLOAT16", "1")
    row = {"step": 1, "reward": 1, "reward_std": 1, "groups_tied": 0, "truncated": 0}
    policy: Any = SimpleNamespace(device=torch.device(kind))
    stage = Tried(tmp_path, policy, None, 9, 2, 3, [{**row, "update_tokens": 1, "ratio_error": 0.05}])  # type: ignore[arg-type]
    config = RlConfig(model=tmp_path)
    found = {one.name: one for one in doctor.examined(stage, config)}
    assert found["ratio"].severity == severity


@given(st.integers(1, 10**12), st.integers(1, 10**12), st.sampled_from(["memory", "gpu_memory"]))
def test_memory_is_warned_about_near_its_limit(peak: int, there: int, name: str) -> None:
    found = doctor.check_memory(peak, there, name)
    assert (found.name, found.severity) == (name, "ok" if peak <= doctor.MOST_MEMORY * there else "warn")
    assert ("GPU" in found.sentence) == (name == "gpu_memory")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA card")
def test_a_cards_memory_is_looked_at(untrained_model: Path, tmp_path: Path) -> None:
    found = {one["name"] for one in tried(untrained_model, tmp_path, mixed, device="cuda")["findings"]}
    assert {"memory", "gpu_memory"} <= found
