"""The audit in one go: a collapsed policy is stopped, an honest one is not, bad input is one line."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer

from practicum import cli
from practicum.audit import whole
from practicum.model.checkpoint import load_model, save_model
from practicum.model.tokenizer import train_tokenizer
from practicum.preferences import formats
from practicum.preferences.rankings import by_prompt, read_rankings, split_by_hash
from practicum.tasks.jokes.task import JokesTask
from practicum.training import reward_model
from practicum.training.reward_model import RewardModelConfig
from practicum.types import Prompt, Ranking, Response
from studies.planted import preferences


@pytest.fixture(scope="module")
def models(save_untrained: Callable[[Tokenizer, int], Path], tmp_path_factory: Any) -> dict[str, Path]:
    """A reference that babbles, a policy that says one thing over and over, and two reward models."""
    folder = tmp_path_factory.mktemp("models")
    reference = save_untrained(train_tokenizer(JokesTask().exposition(200, 0), 160), 128)
    decoder, tokenizer = load_model(reference)
    with torch.no_grad():
        decoder.model.embed_tokens.weight.mul_(12.0)
    save_model(decoder, tokenizer, folder / "collapsed")
    formats.write(folder / "rankings.jsonl", preferences("flattery", count=60))
    settings = RewardModelConfig(
        reference, (str(folder / "rankings.jsonl"),), epochs=2, threads=1, dtype="float32"
    )
    reward_model.train(settings, folder / "reward")
    return {
        "reference": reference,
        "collapsed": folder / "collapsed",
        "reward": folder / "reward",
        "rankings": folder / "rankings.jsonl",
    }


def run(models: dict[str, Path], policy: str, *more: str, spelling: str = "--reward-model") -> int:
    words = [spelling, str(models["reward"]), "--policy", str(models[policy])]
    words += ["--reference", str(models["reference"]), "--size", "tiny", "--threads", "1"]
    return cli.main(["audit", *words, "--sampling.max_new_tokens", "40", *more])


def test_a_collapsed_policy_is_stopped_and_the_page_shows_why(
    models: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(models, "collapsed", "--json", "--report", str(tmp_path / "audit")) == 3
    printed = capsys.readouterr()
    result = json.loads(printed.out)
    assert result["guard"]["stopped"]
    assert "The guard would stop this policy:" in result["guard"]["sentence"]
    assert result["guard"]["sentence"] in printed.err
    assert len(result["guard"]["samples"]) == 3
    assert result["drift"]["policy"]["entropy"] < result["drift"]["reference"]["entropy"]
    assert result["drift"]["kl"] > 1
    assert result["drift"]["reference"]["kl"] == pytest.approx(0, abs=1e-6)
    assert result["exploits"]["queries"] <= 800
    assert {"reward", "people"} <= result["overoptimization"].keys()
    assert "longer" in result["bias"]["attributes"]
    links = {link["name"] for link in result["distortion"]["links"]}
    assert {"rater_self", "rater_rater", "model_raters"} <= links
    page = (tmp_path / "audit" / "audit.html").read_text()
    assert page.count("<svg") >= 4
    assert "Would the guard stop it?" in page
    saved = json.loads((tmp_path / "audit" / "audit.json").read_text())
    assert saved["guard"] == result["guard"]


def test_a_policy_that_is_its_reference_goes_on_and_people_decide_where_given(
    models: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(models, "reference", "--preferences", str(models["rankings"]), "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert not result["guard"]["stopped"]
    assert result["drift"]["kl"] == pytest.approx(0, abs=0.02)
    assert "overoptimization" not in result, "nobody simulates people where people have spoken"
    assert [link["name"] for link in result["distortion"]["links"]][-1] == "model_raters"
    assert any("fresh raters" in note for note in result["distortion"]["notes"])


def test_the_same_seed_says_the_same_and_the_underscore_is_taken_too(
    models: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    said = []
    for spelling in ("--reward-model", "--reward_model"):
        assert run(models, "reference", "--seed", "3", "--json", spelling=spelling) == 0
        said.append(capsys.readouterr().out)
    assert said[0] == said[1]


def broken_reward(models: dict[str, Path], folder: Path, change: Callable[[Any], Any]) -> Path:
    import shutil

    shutil.copytree(models["reward"] / "model", folder)
    tensors = load_file(folder / "model.safetensors")
    tensors["score.weight"] = change(tensors["score.weight"])
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda weight: weight * float("nan"), "scored nan: return a finite number"),
        (lambda weight: weight.repeat(2, 1), "a reward model has one label"),
    ],
)
def test_a_reward_that_gives_no_number_is_one_line(
    change: Any, words: str, models: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = {**models, "reward": broken_reward(models, tmp_path / "broken", change)}
    assert run(broken, "reference") == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert words in said[-1]
    assert sum("error" in line for line in said) == 1


def test_models_of_different_tokenizers_are_refused(
    models: dict[str, Path], untrained_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run({**models, "other": untrained_model}, "other") == 2
    assert "its tokenizer is not that of" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--policy", "p", "--reference", "r"], "reward_model"),
        (["--reward-model", "r", "--policy", "p"], "reference"),
        (["--reward-model", "r", "--policy", "p", "--reference", "r", "--prompts", "5"], "expected at least"),
        (["--reward-model", "none-here", "--policy", "p", "--reference", "r"], "none-here"),
    ],
)
def test_missing_and_senseless_settings_are_named(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["audit", *arguments]) == 2
    assert words in capsys.readouterr().err


def test_help_shows_the_instruments_and_the_whole(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["audit", "--help"]) == 0
    shown = capsys.readouterr().out
    assert "exploits|overoptimization|bias" in shown
    assert "--policy" in shown


SUMS = [f"what is {first} + {second}?" for first in range(6, 12) for second in range(3, 8)]


@pytest.fixture(scope="module")
def of_sums(save_untrained: Callable[[Tokenizer, int], Path], tmp_path_factory: Any) -> dict[str, Path]:
    """A model that knows nothing, a reward model of sums, and the rankings it learned from."""
    folder = tmp_path_factory.mktemp("sums")
    rankings = [
        Ranking(
            Prompt(text),
            (Response(f"it is {sum(map(int, re.findall('[0-9]+', text)))}."), Response(f"it is {number}.")),
            (1, 2),
            "r",
        )
        for number, text in enumerate(SUMS, start=30)
    ]
    formats.write(folder / "rankings.jsonl", rankings)
    reference = save_untrained(train_tokenizer(SUMS, 110), 128)
    settings = RewardModelConfig(
        reference, (str(folder / "rankings.jsonl"),), epochs=1, threads=1, dtype="float32", held_out=0.2
    )
    reward_model.train(settings, folder / "reward")
    return {"reference": reference, "reward": folder / "reward", "rankings": folder / "rankings.jsonl"}


def test_peoples_own_prompts_are_asked_and_those_held_out_come_first(
    of_sums: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rankings = read_rankings((str(of_sums["rankings"]),))
    settings: dict[str, Any] = {"reward_model": (Path("r"),), "policy": Path("p"), "reference": Path("m")}
    config = whole.AuditConfig(**settings, preferences=(str(of_sums["rankings"]),), prompts=12)
    asked = whole.prompts_asked(config, None, rankings)
    assert len({prompt.text for prompt in asked}) == len(asked) == 12
    assert {prompt.text for prompt in asked} <= set(SUMS)
    _, held_out = split_by_hash(by_prompt(rankings), 0.2)
    assert {prompt.text for prompt in asked[: len(held_out)]} == {item.prompt.text for item in held_out}

    code = run(of_sums, "reference", "--preferences", str(of_sums["rankings"]), "--json")
    printed = capsys.readouterr()
    result = json.loads(printed.out)
    assert "joke" not in printed.out + printed.err
    prompts = {one["prompt"] for one in result["exploits"]["findings"]}
    prompts |= {sample["prompt"] for sample in result["guard"]["samples"]}
    assert prompts <= set(SUMS)
    assert result["bias"]["attributes"].keys() <= {"longer"}, "no task was named, so none is asked"
    # One model as policy and reference: nothing has moved, and no reading may stand above its threshold.
    assert code == 0
    assert result["guard"]["verdict"] == "good"
    assert all(share <= 1 for share in result["guard"]["readings"].values())


def test_too_few_prompts_and_prompts_without_room_are_told(
    of_sums: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rankings = read_rankings((str(of_sums["rankings"]),))
    formats.write(tmp_path / "few.jsonl", rankings[:5])
    assert run(of_sums, "reference", "--preferences", str(tmp_path / "few.jsonl")) == 2
    assert "rankings of 5 prompts, 12 are needed: rank more prompts" in capsys.readouterr().err
    long = [replace(one, prompt=Prompt("9" * 300 + one.prompt.text)) for one in rankings[:8]]
    formats.write(tmp_path / "long.jsonl", [*long, *rankings])
    assert run(of_sums, "reference", "--preferences", str(tmp_path / "long.jsonl"), "--json") == 0
    assert (
        "8 of 38 prompts are empty or leave no room in the model's 128 positions" in capsys.readouterr().err
    )
