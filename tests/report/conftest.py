"""A demo run for the report to read: real stages of a very small model, examined by the demo itself."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from practicum import demo
from practicum.files import atomic_write, to_json
from practicum.model.sampling import DecodingSettings, SamplingConfig
from practicum.run.folder import Run
from practicum.training import pretrain, rl, sft
from practicum.training.evaluate import EvalConfig, evaluate
from practicum.training.loop import LoopConfig

SHORT = SamplingConfig(max_new_tokens=24)


@pytest.fixture(scope="session")
def demo_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stages trained small, each with its examination; the demo finds them done, sums up and reports."""
    path = tmp_path_factory.mktemp("report") / "demo"
    config = demo.DemoConfig(pretrain_steps=4, sft_steps=4, rl_steps=6, human_feedback=False)
    Run.open(path, config, "demo")
    shape = pretrain.ModelShape(
        hidden_size=16, intermediate_size=32, layers=1, heads=2, key_value_heads=1, head_dim=8
    )
    loop = LoopConfig(steps=4, threads=1)
    trained = {
        "pretrain": pretrain.train(
            pretrain.PretrainConfig(model=shape, batch_rows=4, loop=loop), path / "pretrain"
        ),
        "sft": sft.train(
            sft.SftConfig(model=path / "pretrain", batch_demonstrations=4, loop=loop), path / "sft"
        ),
        "rl": rl.train(practice_config(path), path / "rl"),
    }
    for name, summary in trained.items():
        whole = EvalConfig(
            model=path / name,
            count=8,
            samples=2,
            sampled_count=4,
            sampling=DecodingSettings(max_new_tokens=24),
            threads=1,
        )
        only = replace(whole.task, equations=replace(whole.task.equations, families={"rational": 1.0}))
        found = {
            "training": summary,
            "whole": evaluate(whole),
            "family": evaluate(replace(whole, task=only, samples=0)),
            "seconds": 2 * summary["total_seconds"],
        }
        atomic_write(path / name / "examination.json", to_json(found))
    demo.run(config, path, resume=True)
    return path


def practice_config(path: Path, **settings: Any) -> rl.RlConfig:
    """Practice of the demo at `path`, small."""
    return rl.RlConfig(
        model=path / "sft",
        prompts_per_step=4,
        group_size=2,
        sampling=SHORT,
        loop=LoopConfig(steps=6, threads=1, allow_dead=True),
        **settings,
    )


@pytest.fixture(scope="session")
def control_run(demo_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's practice again, paid at random; a single stage's folder."""
    path = tmp_path_factory.mktemp("control") / "random"
    rl.train(practice_config(demo_run, control="random"), path)
    return path


@pytest.fixture
def copy_of_demo(demo_run: Path, tmp_path: Path) -> Callable[[str], Path]:
    """Copies of the demo that a test may change."""

    def copy(name: str) -> Path:
        return Path(shutil.copytree(demo_run, tmp_path / name))

    return copy
