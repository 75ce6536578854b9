"""The guard beside real runs: it goes back when a reward is gamed, is silent when not, survives kill -9."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

import pytest
from tokenizers import Tokenizer

from practicum.errors import InputError
from practicum.guard.asked import asked_prompts
from practicum.guard.controllers import KLConfig
from practicum.guard.counted import WatchConfig
from practicum.model.checkpoint import model_folder, save_model
from practicum.model.sampling import SamplingConfig
from practicum.preferences import formats
from practicum.run.folder import Run
from practicum.training import reward_model, rl, sft
from practicum.training.loop import LoopConfig
from practicum.training.optimizer import OptimizerConfig
from practicum.training.reward_model import RewardModelConfig
from practicum.training.rl import RlConfig
from practicum.training.update import UpdateConfig
from practicum.types import Demonstration, Prompt, Ranking, Response, Score
from tests.tiny import ONE_LAYER, tiny_decoder

LETTERS = "abcdefgh"
WATCHED = {"length": 40.0, "repetition": 40.0, "entropy": 40.0}
GUARD = WatchConfig("roll_back", thresholds=WATCHED, baseline=4, kl_budget=6.0)
HELD = WatchConfig("hold", thresholds={}, votes=1, kl_budget=1.0)


class WordTask:
    """Say a word of a few letters. The gold part says nothing and must not be looked at."""

    name = "words"
    vocabulary_size = 0

    def prompts(self, split: str, count: int, seed: int) -> list[Prompt]:
        random = Random(f"{split} {seed}")
        return [Prompt(f"{random.randrange(1000)}:", {"place": place}) for place in range(count)]

    def score(self, prompts: Sequence[Prompt], texts: Sequence[str]) -> list[Score]:
        return [Score(1.0, True, True, "correct", parts={"gold": -float(len(text))}) for text in texts]

    def exposition(self, count: int, seed: int) -> list[str]:
        return []

    def demonstrations(self, count: int, seed: int) -> list[Demonstration]:
        random = Random(seed)
        return [
            Demonstration(prompt, "".join(random.choices(LETTERS, k=random.randint(4, 7))))
            for prompt in self.prompts("train", count, seed)
        ]

    def behaviours(self, prompt: Prompt, text: str) -> dict[str, bool]:
        return {}


def practise(config: RlConfig, folder: Path, *, resume: bool = False) -> dict[str, Any]:
    return rl.train(config, folder, resume=resume, parts=rl.build(config, task=WordTask()))


@pytest.fixture(scope="module")
def speller(tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A policy that has learned to say words of a few letters."""
    folder = tmp_path_factory.mktemp("speller")
    save_model(tiny_decoder(tokenizer, **ONE_LAYER), tokenizer, folder / "model")
    loop = LoopConfig(steps=80, threads=1)
    settings = sft.SftConfig(
        folder / "model", batch_demonstrations=32, textbook_passages=0, loop=loop, dtype="float32"
    )
    sft.train(settings, folder / "sft", task=WordTask())
    return folder / "sft"


@pytest.fixture(scope="module")
def gamed_reward(speller: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reward model of raters who put whatever repeats a letter first: longer and duller is better."""
    folder, random = tmp_path_factory.mktemp("reward"), Random(0)
    rankings = []
    for shown in WordTask().demonstrations(150, 1):
        texts = list(dict.fromkeys([shown.completion, "a" * random.randint(2, 12)]))
        paid = sorted({text.count("aa") for text in texts}, reverse=True)
        ranks = tuple(paid.index(text.count("aa")) + 1 for text in texts)
        rankings.append(Ranking(shown.prompt, tuple(map(Response, texts)), ranks))
    formats.write(folder / "rankings.jsonl", rankings)
    settings = RewardModelConfig(speller, (str(folder / "rankings.jsonl"),), epochs=4, threads=1)
    assert reward_model.train(replace(settings, dtype="float32"), folder / "run")["accuracy"] > 0.9
    return folder / "run"


def held_settings(speller: Path, reward: Path) -> RlConfig:
    """A run whose policy moves slowly enough to be held."""
    slow = OptimizerConfig(algorithm="adamw", learning_rate=2e-4, warmup_steps=2, weight_decay=0.0)
    loop = LoopConfig(steps=60, checkpoint_every=4, threads=1)
    update = UpdateConfig(kl=KLConfig(weight=0.3))
    return settings(speller, reward, guard=HELD, optimizer=slow, loop=loop, update=update)


def settings(speller: Path, reward: Path, **changes: Any) -> RlConfig:
    config = RlConfig(
        speller,
        reward_model=(reward,),
        prompts_per_step=8,
        group_size=8,
        sampling=SamplingConfig(max_new_tokens=16, dtype="float32"),
        optimizer=OptimizerConfig(algorithm="adamw", learning_rate=1e-3, warmup_steps=2, weight_decay=0.0),
        guard=GUARD,
        loop=LoopConfig(steps=40, checkpoint_every=4, threads=1),
        dtype="float32",
        seed=1,
    )
    return replace(config, **changes)


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def without_times(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if not key.endswith("seconds")}


@pytest.fixture(scope="module")
def gamed(speller: Path, gamed_reward: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that games its reward."""
    folder = tmp_path_factory.mktemp("gamed") / "run"
    practise(settings(speller, gamed_reward), folder)
    return folder


def test_a_gamed_run_ends_early_and_its_result_is_the_trusted_checkpoint(gamed: Path) -> None:
    summary = json.loads((gamed / "summary.json").read_text())
    decision = summary["guard"]
    assert decision["action"] == "roll_back"
    assert decision["to_step"] < decision["step"] < 40
    assert decision["sentence"].startswith(f"Step {decision['step']}: ")
    assert f"go back to step {decision['to_step']}" in decision["sentence"]
    assert len(decision["samples"]) == 3
    assert all(sample["step"] == decision["step"] for sample in decision["samples"])
    # What later stages and a person take from the run is the trusted checkpoint, and the figures are its.
    assert model_folder(gamed).name == f"step-{decision['to_step']:06d}"
    logged = rows(gamed / "metrics.jsonl")
    assert [row["step"] for row in logged] == list(range(1, decision["step"] + 1))
    assert summary["step"] == decision["to_step"]
    if decision["to_step"]:
        assert summary["reward"] == logged[decision["to_step"] - 1]["reward"]
    assert len(list((gamed / "checkpoints").iterdir())) <= 2
    # The last untrusted one stays to be looked at.
    assert [folder.name for folder in (gamed / "untrusted").iterdir()] == [f"step-{decision['step']:06d}"]
    assert model_folder(gamed / "untrusted" / f"step-{decision['step']:06d}")


def test_the_alarm_is_said_with_its_worst_samples(
    speller: Path, gamed_reward: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    summary = practise(settings(speller, gamed_reward, guard=replace(GUARD, action="stop")), tmp_path / "run")
    said = capsys.readouterr().err
    decision = summary["guard"]
    assert f"practicum: guard: {decision['sentence']}" in said
    assert all(repr(sample["completion"])[:50] in said for sample in decision["samples"])
    assert decision["action"] == "stop"
    assert model_folder(tmp_path / "run").name == f"step-{decision['step']:06d}"
    assert summary["step"] == decision["step"] < 40


def test_a_run_without_alarm_goes_to_its_end_and_keeps_two_checkpoints(
    speller: Path, gamed_reward: Path, tmp_path: Path
) -> None:
    """The same reward, but the policy hardly moves."""
    slow = OptimizerConfig(algorithm="adamw", learning_rate=1e-6, warmup_steps=2, weight_decay=0.0)
    config = settings(speller, gamed_reward, optimizer=slow, guard=replace(GUARD, baseline=10))
    summary = practise(config, tmp_path / "run")
    assert summary["guard"]["action"] == "go_on"
    assert max(summary["guard"]["readings"].values()) < 1
    assert summary["step"] == 40
    names = sorted(folder.name for folder in (tmp_path / "run" / "checkpoints").iterdir())
    assert names == ["step-000036", "step-000040"]
    assert not (tmp_path / "run" / "untrusted").exists()
    logged = rows(tmp_path / "run" / "metrics.jsonl")
    for row in logged:
        assert {"kl", "entropy", "completion_tokens", "repetition", "tail_index"} <= row.keys()
    assert all(row["guard_seconds"] > 0 for row in logged)
    # Medians: on a busy machine a step now and then waits for its turn, wherever it is.
    assert median(row["guard_seconds"] for row in logged) <= 0.05 * median(row["seconds"] for row in logged)


def test_turned_off_it_ends_nothing_and_says_nothing(
    speller: Path, gamed_reward: Path, gamed: Path, tmp_path: Path
) -> None:
    loop = LoopConfig(steps=40, checkpoint_every=20, threads=1)
    config = settings(speller, gamed_reward, guard=WatchConfig(action="off"), loop=loop)
    summary = practise(config, tmp_path / "run")
    assert summary["step"] == 40
    assert "guard" not in summary
    # The guard only watches: up to its alarm the guarded run was the same run.
    seen = [without_times(row) for row in rows(gamed / "metrics.jsonl")]
    assert seen == [without_times(row) for row in rows(tmp_path / "run" / "metrics.jsonl")][: len(seen)]


@pytest.fixture(scope="module")
def held(speller: Path, gamed_reward: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the same run under a guard that holds it."""
    folder = tmp_path_factory.mktemp("held") / "run"
    practise(held_settings(speller, gamed_reward), folder)
    return folder


def test_resuming_a_held_run_that_is_over_changes_nothing(
    speller: Path, gamed_reward: Path, held: Path
) -> None:
    before = {path: path.read_bytes() for path in held.rglob("*") if path.is_file()}
    practise(held_settings(speller, gamed_reward), held, resume=True)
    assert {path: path.read_bytes() for path in held.rglob("*") if path.is_file()} == before


def test_a_held_run_goes_on_from_the_trusted_checkpoint_near_the_reference(
    speller: Path, gamed_reward: Path, held: Path, tmp_path: Path
) -> None:
    config = held_settings(speller, gamed_reward)
    free = replace(config, guard=WatchConfig(action="off"), loop=replace(config.loop, checkpoint_every=60))
    practise(free, tmp_path / "run")

    summary = json.loads((held / "summary.json").read_text())
    decision = summary["guard"]
    assert decision == summary["held"]
    assert decision["action"] == "hold"
    assert decision["to_step"] < decision["step"] < 60
    assert decision["sentence"].endswith("and continue with the KL pinned at 0.25 nats.")
    # It goes on to the end, and what the alarm was about stays to be looked at.
    assert summary["step"] == 60
    assert model_folder(held).name == "step-000060"
    logged, before = rows(held / "metrics.jsonl"), rows(held / "untrusted" / "metrics.jsonl")
    assert [row["step"] for row in logged] == list(range(1, 61))
    assert [without_times(row) for row in before] == [
        without_times(row) for row in rows(tmp_path / "run" / "metrics.jsonl")[: decision["step"]]
    ]
    trusted = decision["to_step"]
    assert logged[:trusted] == before[:trusted]
    assert all(row["kl_weight"] == 0.3 for row in logged[:trusted])
    assert len({row["kl_weight"] for row in logged[trusted:]}) > 10
    assert max(row["kl_completion"] for row in logged) < before[-1]["kl_completion"]


class Killed(BaseException):
    """In place of kill -9: nothing after it runs."""


def killed_in(method: str, config: RlConfig, folder: Path) -> None:
    """Train until the run's method is called, and die there."""

    def die(*arguments: Any) -> None:
        raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Run, method, die)
        with pytest.raises(Killed):
            practise(config, folder)


@pytest.mark.parametrize("method", ["distrust", "finish", "cut_logs"])
def test_a_run_killed_while_it_is_held_ends_the_same(
    method: str, speller: Path, gamed_reward: Path, held: Path, tmp_path: Path
) -> None:
    config = held_settings(speller, gamed_reward)
    killed_in(method, config, tmp_path / "run")
    ends_like(held, practise(config, tmp_path / "run", resume=True), tmp_path / "run")


def test_a_run_killed_after_it_was_held_ends_the_same(
    speller: Path, gamed_reward: Path, held: Path, tmp_path: Path
) -> None:
    config = held_settings(speller, gamed_reward)
    log = Run.log

    def log_and_die(run: Run, row: Any) -> None:
        log(run, row)
        if row["step"] == 59 and (run.path / "held.json").exists():
            raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Run, "log", log_and_die)
        with pytest.raises(Killed):
            practise(config, tmp_path / "run")
    ends_like(held, practise(config, tmp_path / "run", resume=True), tmp_path / "run")


def test_several_members_give_a_second_opinion(speller: Path, gamed_reward: Path, tmp_path: Path) -> None:
    config = settings(speller, gamed_reward, loop=LoopConfig(steps=1, threads=1))
    practise(replace(config, reward_model=(gamed_reward, gamed_reward)), tmp_path / "run")
    row = rows(tmp_path / "run" / "metrics.jsonl")[0]
    assert row["proxy_reference_correlation"] == pytest.approx(1.0)
    assert row["reward/member_1"] == row["reward/member_2"]


@pytest.mark.parametrize("before_alarm", [1, 6])
def test_a_run_killed_before_the_alarm_ends_the_same(
    before_alarm: int, speller: Path, gamed_reward: Path, gamed: Path, tmp_path: Path
) -> None:
    last = json.loads((gamed / "summary.json").read_text())["guard"]["step"] - before_alarm
    config = settings(speller, gamed_reward)
    log = Run.log

    def log_and_die(run: Run, row: Any) -> None:
        log(run, row)
        if row["step"] == last:
            raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Run, "log", log_and_die)
        with pytest.raises(Killed):
            practise(config, tmp_path / "run")
    assert not (tmp_path / "run" / "summary.json").exists()
    ends_like(gamed, practise(config, tmp_path / "run", resume=True), tmp_path / "run")


@pytest.mark.parametrize("method", ["distrust", "finish"])
def test_a_run_killed_while_it_goes_back_ends_the_same(
    method: str, speller: Path, gamed_reward: Path, gamed: Path, tmp_path: Path
) -> None:
    config = settings(speller, gamed_reward)
    killed_in(method, config, tmp_path / "run")
    ends_like(gamed, practise(config, tmp_path / "run", resume=True), tmp_path / "run")


def test_resuming_a_run_that_the_guard_ended_changes_nothing(
    speller: Path, gamed_reward: Path, gamed: Path
) -> None:
    before = {path: path.read_bytes() for path in gamed.rglob("*") if path.is_file()}
    practise(settings(speller, gamed_reward), gamed, resume=True)
    assert {path: path.read_bytes() for path in gamed.rglob("*") if path.is_file()} == before


def ends_like(expected: Path, summary: dict[str, Any], found: Path) -> None:
    """Summary, logs and the resulting model of two runs agree in all but times."""
    assert without_times(summary) == without_times(json.loads((expected / "summary.json").read_text()))
    logs = [[without_times(row) for row in rows(run / "metrics.jsonl")] for run in (expected, found)]
    assert logs[0] == logs[1]
    assert rows(expected / "samples.jsonl") == rows(found / "samples.jsonl")
    models = [model_folder(run) / "model.safetensors" for run in (expected, found)]
    assert models[0].parent.name == models[1].parent.name
    assert models[0].read_bytes() == models[1].read_bytes()


def test_a_run_the_guard_ended_is_not_continued_under_other_rules(
    speller: Path, gamed_reward: Path, gamed: Path
) -> None:
    config = settings(speller, gamed_reward, guard=WatchConfig(action="off"))
    with pytest.raises(InputError, match=r"was started with guard\.action = 'roll_back'"):
        practise(config, gamed, resume=True)


def test_asking_writes_the_prompts_to_rank_the_worst_first(
    speller: Path, gamed_reward: Path, tmp_path: Path
) -> None:
    config = settings(speller, gamed_reward, guard=replace(GUARD, action="ask"))
    summary = practise(config, tmp_path / "run")
    decision = summary["guard"]
    assert decision["action"] == "ask"
    asked = asked_prompts(tmp_path / "run")
    assert [prompt.text for prompt in asked][: len(decision["prompts"])] == decision["prompts"]
    assert len(asked) > len(decision["prompts"])
    assert all("place" in prompt.data for prompt in asked)
    assert model_folder(tmp_path / "run").name == f"step-{decision['step']:06d}"


def test_taking_back_checkpoints_that_are_not_there_changes_nothing(tmp_path: Path) -> None:
    run = Run.open(tmp_path / "run", GUARD, "test")
    run.distrust(0)
    assert run.latest() is None
