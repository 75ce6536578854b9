"""The study of equations from outside: halves, what was drawn, and a tiny run that becomes claims."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from practicum.model.sampling import SamplingConfig
from practicum.training import pretrain
from practicum.training.loop import LoopConfig
from studies import outside
from studies.outside import HALVES, StudyConfig, drawn, half_of, outside_prompts, stages_of, study
from studies.results import measure

SHAPE = pretrain.ModelShape(
    hidden_size=32, intermediate_size=32, layers=1, heads=2, key_value_heads=1, head_dim=16
)
EQUATIONS = [f"{n}*x + {3 * n + 1} = {8 * n - 1}" for n in range(2, 22)]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The two files, small, with equations of our own in their format."""
    (tmp_path / "deepmind_mathematics.jsonl").write_text("")
    rows = [
        {
            "source": "reasoning_gym",
            "dataset": "simple_equations",
            "question": f"Solve for x: {equation}",
            "answer": "0",
            "metadata": {"equation": equation},
        }
        for equation in [*EQUATIONS, "2*x**2 = 8"]
    ]
    (tmp_path / "reasoning_gym.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def test_outside_equations_are_told_by_format_and_fall_into_two_halves(data: Path) -> None:
    found = outside_prompts(stages_of(data, 0).rl.task, data)
    texts = {prompt.text for prompt in found["family"]}
    assert texts == {f"solve: {equation.replace('*', '').replace(' ', '')}\n" for equation in EQUATIONS}
    assert {prompt.text for prompt in found["demo"]} <= texts
    assert {half_of(text) for text in texts} == set(HALVES)
    assert len({prompt.problem for prompt in found["family"]}) == len(texts)


def test_what_training_drew_is_known(tmp_path: Path) -> None:
    stages = stages_of(tmp_path, 3)
    one = replace(
        stages,
        sft=replace(stages.sft, loop=replace(stages.sft.loop, steps=1), batch_demonstrations=2),
        rl=replace(stages.rl, loop=replace(stages.rl.loop, steps=1), prompts_per_step=3),
    )
    two = replace(one, sft=replace(one.sft, loop=replace(one.sft.loop, steps=2)))
    assert len(drawn(one)) == 5
    assert drawn(one) < drawn(two)
    assert all(name.startswith("terms ") for name in drawn(two))


def test_a_study_runs_continues_and_becomes_claims(
    tmp_path: Path,
    data: Path,
    monkeypatch: pytest.MonkeyPatch,
    ruled: Callable[[list[dict[str, Any]]], dict[str, dict[str, Any]]],
) -> None:
    plain, short = stages_of, LoopConfig(steps=2, threads=1)

    def small(folder: Path, seed: int) -> outside.Stages:
        stages = plain(folder, seed)
        return outside.Stages(
            replace(stages.pretrain, loop=short, batch_rows=2, model=SHAPE),
            replace(stages.sft, loop=short, batch_demonstrations=4),
            replace(
                stages.rl,
                loop=replace(short, allow_dead=True),
                prompts_per_step=2,
                group_size=2,
                sampling=SamplingConfig(max_new_tokens=8),
            ),
        )

    monkeypatch.setattr(outside, "stages_of", small)
    config = StudyConfig(data=data, run=tmp_path / "study", seeds=(0, 1), count=4)
    found = study(config)
    # A finished study trains and examines nothing.
    monkeypatch.setattr(outside, "examination", None)
    for path in config.run.rglob("trainer.safetensors"):
        path.unlink()
    assert study(config) == found
    claims = ruled(measure(config.run))
    family = claims["outside-equations-family"]
    assert family["n"] == sum(
        half_of(f"solve: {e.replace('*', '').replace(' ', '')}\n") == "held_out" for e in EQUATIONS
    )
    assert family["target"] == "at least -10"
    assert (
        family["command"]
        == "python -m studies.outside --data FOLDER --seeds 0 1 --count 4 --run runs/outside"
    )
