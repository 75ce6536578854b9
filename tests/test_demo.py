"""The demo's second half on a very small model: jokes, people's rankings, PPO, audit, and what it reports."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import pytest

from practicum import demo
from practicum.demo import DemoConfig
from practicum.guard.controllers import KLConfig
from practicum.model.sampling import SamplingConfig
from practicum.run.folder import Run
from practicum.training.loop import LoopConfig
from practicum.training.rl import RlConfig
from practicum.training.update import UpdateConfig


def test_human_feedback_and_its_audit_stand_in_summary_and_report(
    tmp_path: Path,
    small_stages: Callable[[], AbstractContextManager[None]],
    small_demo: DemoConfig,
    capsys: pytest.CaptureFixture[str],
) -> None:
    config = replace(
        small_demo,
        human_feedback=True,
        jokes_pretrain_steps=20,
        jokes_sft_steps=20,
        ranked_prompts=40,
        rlhf_steps=3,
    )
    with small_stages():
        summary = demo.run(config, tmp_path / "run")
        kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("*.safetensors")}
        again = demo.run(config, tmp_path / "run", resume=True)
    assert kept == {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("*.safetensors")}
    assert again["stages"] == summary["stages"]
    assert [stage["name"] for stage in summary["stages"]] == ["pretrain", "sft", "rl", "rlhf"]
    stage, feedback = summary["stages"][-1], summary["human_feedback"]
    low, high = stage["ci95"]
    assert low <= stage["accuracy"] <= high
    assert stage["accuracy"] == pytest.approx(feedback["correct"][1])
    assert stage["n"] == 256
    assert stage["iterations"] == 3
    assert set(stage["behaviours"]) == {"domain_check", "factoring", "verification"}
    loop = json.loads((tmp_path / "run" / "rlhf" / "summary.json").read_text())
    assert feedback["ratings"] == loop["ratings"] > 0
    assert feedback["dollars"] == pytest.approx(0.1 * feedback["ratings"])
    assert {"guard", "drift", "exploits", "bias", "distortion"} <= set(feedback["audit"])
    assert (tmp_path / "run" / "audit" / "audit.html").read_text().startswith("<!doctype html>")
    page = (tmp_path / "run" / "report.html").read_text()
    assert feedback["audit"]["guard"]["sentence"] in page
    assert 'href="audit/audit.html"' in page
    printed = capsys.readouterr().out
    assert "human feedback on jokes (3 iterations" in printed
    assert "audit, guard: " in printed


def test_a_stage_that_an_earlier_version_began_goes_on_with_its_settings(
    tmp_path: Path, untrained_model: Path
) -> None:
    """Its file spells out what is now left to the algorithm, under the name that the default then had."""
    begun = RlConfig(
        untrained_model,
        algorithm="grpo",
        prompts_per_step=2,
        group_size=2,
        sampling=SamplingConfig(max_new_tokens=4),
        update=UpdateConfig(clip_low=0.2, clip_high=0.28, aggregation="token_mean", kl=KLConfig(0.0)),
        loop=LoopConfig(steps=1, threads=1),
    )
    Run.open(tmp_path / "rl", begun, "rl")
    last = demo._rl(DemoConfig(algorithm="grpo", rl_steps=9), tmp_path / "rl", True)
    assert last["step"] == 1
    assert "kl" not in last
