"""The scripts in examples/ and the code in docs/extending.md run, and the loss they show is what they say."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from practicum.errors import InputError
from practicum.model.sampling import SamplingConfig
from practicum.training import rl
from practicum.training.loop import LoopConfig
from practicum.training.objectives import clipped_policy_loss

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
BLOCKS = {
    heading: re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    for heading, text in re.findall(r"^## ([^\n]*)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
}


def load_example(name: str) -> Any:
    """A script of examples/ as a module; its main part does not run."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "examples" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def small_config(model: Path) -> rl.RlConfig:
    return rl.RlConfig(
        model=model,
        prompts_per_step=4,
        group_size=2,
        sampling=SamplingConfig(max_new_tokens=8),
        loop=LoopConfig(steps=2, threads=1),
        dtype="float32",
    )


def test_the_page_has_an_example_of_each_part() -> None:
    with_code = {heading for heading, blocks in BLOCKS.items() if blocks}
    assert with_code == {"A new loss", "A reward of your own", "A task of your own", "An observer"}


@pytest.mark.parametrize("heading", [heading for heading, blocks in BLOCKS.items() if blocks])
def test_the_code_of_the_page_runs(heading: str, untrained_model: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    for block in BLOCKS[heading]:
        exec(block, {"config": small_config(untrained_model), "run": run})
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, 2]


def test_the_loss_of_the_page_is_that_of_the_script() -> None:
    source = (ROOT / "examples" / "own_loss.py").read_text(encoding="utf-8")
    shown = [line.strip() for line in BLOCKS["A new loss"][0].splitlines() if line.startswith("    ")]
    assert shown
    assert all(line in source for line in shown)


def test_a_reward_of_the_scripts_never_pays_a_wrong_solution() -> None:
    task = load_example("own_reward").ShortSolutions()
    prompts = task.prompts("test", 4, 0)
    scores = task.score(prompts, ["answer: 98765.5"] * 4)
    assert [score.value for score in scores] == [0.0] * 4


def test_an_observer_ends_a_run_and_a_part_that_does_not_fit_is_refused(
    untrained_model: Path, tmp_path: Path
) -> None:
    code = BLOCKS["An observer"][0].replace("solved >= 0.95", "solved >= 0")
    exec(code, {"config": small_config(untrained_model), "run": tmp_path / "run"})
    assert len((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()) == 1
    with pytest.raises(InputError, match="at least 2 answers"):
        rl.RlConfig(model=untrained_model, group_size=1)


numbers = st.lists(st.floats(-3, 3, width=32), min_size=1, max_size=8)


@settings(max_examples=100, deadline=None)
@given(numbers, st.data())
def test_cispo_is_the_policy_gradient_with_a_bounded_weight(values: list[float], data: st.DataObject) -> None:
    """Where nothing is clipped its gradient is that of PPO's loss; elsewhere the ratio is at its bound."""
    cispo_loss = load_example("own_loss").cispo_loss
    moved = data.draw(
        st.lists(st.floats(-1, 1, width=32), min_size=len(values), max_size=len(values)), label="log-ratios"
    )
    old = torch.full((len(values),), -1.5)
    advantages = torch.tensor(values)
    gradients = []
    for loss in (cispo_loss, clipped_policy_loss):
        logprobs = (old + torch.tensor(moved)).requires_grad_()
        losses, _ = loss(logprobs, old, advantages, 0.2, 0.28)
        gradients.append(torch.autograd.grad(losses.sum(), logprobs)[0])
    ratio = (logprobs.detach() - old).exp()
    assert torch.allclose(gradients[0], -ratio.clamp(0.8, 1.28) * advantages, atol=1e-5)
    inside = (ratio > 0.8) & (ratio < 1.28)
    assert torch.allclose(gradients[0][inside], gradients[1][inside], atol=1e-5)
