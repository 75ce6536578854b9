"""Every recipe loads strictly and trains, and every example runs."""

from __future__ import annotations

import json
import runpy
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from practicum import demo
from practicum.applications.ads.command import Config as AdsConfig
from practicum.applications.cloud.experiment import Config as CloudConfig
from practicum.applications.portfolio.command import Config as PortfolioConfig
from practicum.config import load
from practicum.demo import DemoConfig
from practicum.errors import InputError
from practicum.guard.controllers import KLConfig
from practicum.model.checkpoint import load_model, model_folder
from practicum.model.lora import TARGETS, LoraConfig
from practicum.model.sampling import SamplingConfig
from practicum.training import algorithms, dpo, pretrain, rl, sft
from practicum.training.dpo import DpoConfig
from practicum.training.evaluate import EvalConfig
from practicum.training.loop import LoopConfig
from practicum.training.pretrain import PretrainConfig
from practicum.training.rl import RlConfig
from practicum.training.rlhf import RlhfConfig
from practicum.training.sft import SftConfig
from practicum.training.update import UpdateConfig

ROOT = Path(__file__).parents[1]
EVERY_RECIPE = sorted((ROOT / "recipes").glob("*/*.toml"))
APPLICATIONS = {"ads.toml": AdsConfig, "cloud.toml": CloudConfig, "portfolio.toml": PortfolioConfig}
"""Recipes of `practicum apply`, which their pages' tests run."""
LOOPS = {"style.toml"}
"""Recipes of `practicum rlhf`, which their pages' tests run."""
OUTSIDE = {
    "pretrain.toml": PretrainConfig,
    "sft.toml": SftConfig,
    "rl.toml": RlConfig,
    "eval.toml": EvalConfig,
}
"""Stages of the recipe outside-equations, which `studies.outside` runs, and their examination."""
RECIPES = [
    recipe
    for recipe in EVERY_RECIPE
    if recipe.name not in {*APPLICATIONS, *LOOPS} and recipe.parent.name != "outside-equations"
]
CONTROLS = {"random.toml", "format.toml", "poisoned.toml"}
ALGORITHMS = {f"{name}.toml" for name in algorithms.ALGORITHMS}
"""What a recipe of an algorithm may be called; that of ppo is the demo's."""
SMALL_PRACTICE = ("--prompts_per_step=4", "--group_size=2", "--sampling.max_new_tokens=8", "--loop.steps=2")


STAGES = {"pretrain.toml": PretrainConfig, "sft.toml": SftConfig, "practice.toml": RlConfig}
"""Recipes of three stages, one after another, each a file."""

SMALL_STAGES: dict[str, tuple[Callable[..., dict[str, Any]], tuple[str, ...]]] = {
    "pretrain.toml": (pretrain.train, ("--batch_rows=2",)),
    "sft.toml": (sft.train, ("--batch_demonstrations=4",)),
    "practice.toml": (rl.train, SMALL_PRACTICE),
}


def is_practice(recipe: Path) -> bool:
    return recipe.name in CONTROLS or (recipe.parent.name == "algorithms" and recipe.name in ALGORITHMS)


def settings(recipe: Path, *flags: str) -> Any:
    if recipe.name in STAGES:
        start = [] if recipe.name == "pretrain.toml" else ["--model=somewhere"]
        return load(STAGES[recipe.name], recipe, [*start, *flags])
    if is_practice(recipe):
        return load(RlConfig, recipe, ["--model=somewhere", *flags])
    if recipe.parent.name == "algorithms":
        return load(DpoConfig, recipe, ["--model=somewhere", *flags])
    return load(DemoConfig, recipe, flags)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_says_what_it_changes(recipe: Path) -> None:
    config = settings(recipe)
    begins = isinstance(config, DemoConfig | PretrainConfig)
    plain = type(config)() if begins else type(config)(Path("somewhere"))
    assert config.seed == 0
    # demo.toml is the demo as it stands, every other recipe changes something.
    assert (config == plain) == (recipe.name == "demo.toml")
    readme = (recipe.parent / "README.md").read_text(encoding="utf-8")
    assert f"--config {recipe.relative_to(ROOT)}" in readme


@pytest.mark.parametrize("name", APPLICATIONS)
def test_a_recipe_of_an_application_is_its_own_settings(name: str) -> None:
    config_class = APPLICATIONS[name]
    recipe = ROOT / "recipes" / name.removesuffix(".toml") / name
    assert load(config_class, recipe) == replace(config_class(), seeds=5)
    readme = (recipe.parent / "README.md").read_text(encoding="utf-8")
    assert f"--config {recipe.relative_to(ROOT)}" in readme


@pytest.mark.parametrize("name", sorted(LOOPS))
def test_a_recipe_of_the_loop_loads(name: str) -> None:
    (recipe,) = (ROOT / "recipes").glob(f"*/{name}")
    config = load(RlhfConfig, recipe, ["--model=somewhere"])
    assert config.task.explanations.reward == "correct"
    assert config.practice.reward.weights == {"reward_model": 1.0, "task": 4.0}
    assert f"--config {recipe.relative_to(ROOT)}" in (recipe.parent / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_recipe_of_a_stage_loads_and_teaches_long_numbers(name: str) -> None:
    recipe = ROOT / "recipes" / "outside-equations" / name
    config: Any = load(OUTSIDE[name], recipe, [] if name == "pretrain.toml" else ["--model=somewhere"])
    assert config.seed == (1 if name == "eval.toml" else 0)
    assert dict(config.task.equations.families) == {"long_linear": 1.0}
    readme = (recipe.parent / "README.md").read_text(encoding="utf-8")
    assert f"--config {recipe.relative_to(ROOT)}" in readme


def test_a_misspelt_key_in_a_recipe_fails(tmp_path: Path) -> None:
    path = tmp_path / "demo.toml"
    recipe = ROOT / "recipes" / "equations-demo" / "demo.toml"
    path.write_text(recipe.read_text(encoding="utf-8") + "\nsead = 1\n")
    with pytest.raises(InputError, match="sead"):
        settings(path)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_trains(
    recipe: Path,
    tmp_path: Path,
    untrained_model: Path,
    small_stages: Callable[[], AbstractContextManager[None]],
    small_demo: DemoConfig,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if recipe.name in STAGES:
        # Their tasks are files of the repository.
        monkeypatch.chdir(ROOT)
        train, small = SMALL_STAGES[recipe.name]
        start = [] if recipe.name == "pretrain.toml" else [f"--model={untrained_model}"]
        flags = [*start, *small, "--loop.threads=1", "--loop.allow_dead", "--loop.steps=2"]
        assert train(load(STAGES[recipe.name], recipe, flags), tmp_path / "run")["step"] == 2
        return
    if recipe.name == "preferences.toml":
        pairs = [{"prompt": f"{n} =", "chosen": f"{n}", "rejected": "no"} for n in range(12)]
        (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(one) + "\n" for one in pairs))
        flags = [f"--model={untrained_model}", f"--data={tmp_path / 'pairs.jsonl'}", "--held_out=0.3"]
        preferences = load(DpoConfig, recipe, [*flags, "--loop.threads=1", "--loop.steps=2"])
        assert dpo.train(preferences, tmp_path / "run")["step"] == 2
        return
    if is_practice(recipe):
        flags = [f"--model={untrained_model}", "--loop.threads=1", "--loop.allow_dead", *SMALL_PRACTICE]
        if recipe.stem == "distill":
            flags.append(f"--reference={untrained_model}")
        if recipe.stem == "gfpo":
            flags.append("--gfpo.keep=2")
        if recipe.stem in ("gfpo", "reinforce_pp"):
            flags.append("--group_size=3")
        summary = rl.train(load(RlConfig, recipe, flags), tmp_path / "run")
        assert summary["step"] == 2
        assert ("reward/true" in summary) == (recipe.name in CONTROLS)
        assert summary["algorithm"] == (recipe.stem if recipe.name not in CONTROLS else "group")
        return
    config = settings(recipe)
    assert isinstance(config, DemoConfig)
    small = ("pretrain_steps", "sft_steps", "rl_steps", "human_feedback")
    steps: dict[str, Any] = {name: getattr(small_demo, name) for name in small}
    with small_stages():
        result = demo.run(
            replace(config, **steps, examination_count=4, sampled_count=2, samples=2), tmp_path / "run"
        )
    assert [stage["iterations"] for stage in result["stages"]] == [2, 2, 2]
    assert result["algorithm"] == ("ppo" if recipe.name == "ppo.toml" else "group")


def test_the_verifier_example_prints_verdicts(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(ROOT / "examples" / "verify_answers.py"), run_name="__main__")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("1, 3: wrong (y = 1 is no solution")
    assert lines[1].startswith("no real solutions: correct")
    assert lines[2] == "x^2 - 5x + 3 = 0 has the solutions (5 - sqrt(13))/2, (5 + sqrt(13))/2"
    assert lines[3].endswith("is a - 1: correct")


def test_the_reward_example_pays_only_right_solutions_and_short_ones_more(
    tmp_path: Path, untrained_model: Path
) -> None:
    example: dict[str, Any] = runpy.run_path(str(ROOT / "examples" / "own_reward.py"))
    task = example["ShortSolutions"]()
    prompt = task.prompts("test", 1, 0)[0]
    right = task.gold(prompt)
    short, long, wrong = task.score([prompt] * 3, [right, "roots: 1\n" * 9 + right, "answer: 99999"])
    assert 0.5 < long.value < short.value <= 1
    assert wrong.value == 0
    last = trained(own_reward_config(untrained_model), tmp_path / "run")
    assert last["step"] == 2
    assert last["reward/right"] == 0.0


def trained(config: RlConfig, run: Path, *, resume: bool = False) -> dict[str, Any]:
    """What the example does at its end, with settings of our own."""
    example: dict[str, Any] = runpy.run_path(str(ROOT / "examples" / "own_reward.py"))
    parts = rl.build(config, task=example["ShortSolutions"](config.task.equations))
    return rl.train(config, run, resume=resume, parts=parts)


def own_reward_config(model: Path, **changes: Any) -> RlConfig:
    config = RlConfig(
        model=model,
        prompts_per_step=4,
        group_size=2,
        sampling=SamplingConfig(max_new_tokens=8),
        loop=LoopConfig(steps=2, threads=1),
    )
    return replace(config, **changes)


@pytest.mark.parametrize(
    ("changes", "shows"),
    [
        ({"update": UpdateConfig(kl=KLConfig(weight=0.5))}, lambda last, _: last["kl_weight"] == 0.5),
        ({"algorithm": "ppo"}, lambda last, _: "explained_variance" in last),
        (
            {"algorithm": "ppo", "update": UpdateConfig(kl=KLConfig(weight=0.5, target=1.0))},
            lambda last, _: last["kl_weight"] not in (0.0, 0.5),
        ),
        (
            {"control": "random"},
            # Eight tokens of nonsense solve nothing, a coin pays some of them.
            lambda last, rows: last["reward/true"] == 0 < sum(row["reward"] for row in rows),
        ),
        ({"control": "format"}, lambda last, _: last["reward"] == last["reward/true"] == 0),
        ({"loop": LoopConfig(steps=3, checkpoint_every=1, threads=1)}, lambda last, _: last["step"] == 3),
    ],
    ids=["kl", "ppo", "adapted kl", "random", "format", "loop"],
)
def test_every_setting_of_practice_acts_on_an_own_reward(
    tmp_path: Path, untrained_model: Path, changes: dict[str, Any], shows: Callable[[Any, Any], bool]
) -> None:
    last = trained(own_reward_config(untrained_model, **changes), tmp_path / "run")
    lines = (tmp_path / "run" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    assert shows(last, [json.loads(line) for line in lines])


def test_adapters_learn_in_place_of_all_weights_on_an_own_reward(
    tmp_path: Path, untrained_model: Path
) -> None:
    config = own_reward_config(untrained_model, lora=LoraConfig(rank=2), control="random")
    trained(config, tmp_path / "run")
    assert (model_folder(tmp_path / "run") / "adapter").is_dir()
    before, after = (
        load_model(folder)[0].state_dict() for folder in (untrained_model, model_folder(tmp_path / "run"))
    )
    changes = {name: after[name] - value for name, value in before.items()}
    adapted = {name for name, change in changes.items() if change.abs().max() > 0}
    assert adapted
    assert all(name.split(".")[-2] in TARGETS for name in adapted)
    assert all(torch.linalg.matrix_rank(changes[name], rtol=1e-3) <= 2 for name in adapted)


def test_an_own_reward_resumes_with_the_task_it_is_given(tmp_path: Path, untrained_model: Path) -> None:
    config = own_reward_config(untrained_model, control="random")
    whole = trained(config, tmp_path / "whole")
    trained(config, tmp_path / "cut")
    shutil.rmtree(tmp_path / "cut" / "checkpoints")
    again = trained(config, tmp_path / "cut", resume=True)
    timeless = {key for key in whole if "seconds" not in key}
    assert {key: whole[key] for key in timeless} == {key: again[key] for key in timeless}
