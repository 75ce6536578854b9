"""The study of bias: a tiny whole run, what it writes, and that it continues."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from practicum.audit.lab import first_model
from practicum.errors import InputError
from practicum.model.checkpoint import load_model, model_folder
from practicum.model.sampling import SamplingConfig
from practicum.types import Prompt
from studies import bias
from studies.bias import StudyConfig, claims, study
from studies.planted import jokes


def told_by_the_grammar(
    config: StudyConfig, folder: Path, prompts: Sequence[Prompt], each: int, seed: int
) -> list[tuple[Prompt, str]]:
    """Sound jokes of every style, which a model of two steps cannot tell yet; it must be there, though."""
    load_model(folder)
    random = Random(seed)
    return [(prompt, text) for prompt in prompts for text in jokes(prompt, each, random)]


def test_a_tiny_study_runs_to_its_results_and_continues(
    tmp_path: Path, small_stages: Callable[[], AbstractContextManager[None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    with small_stages():
        told = first_model(tmp_path / "first", 2, 1)
    monkeypatch.setattr(bias, "answers", told_by_the_grammar)
    config = StudyConfig(
        told,
        tmp_path / "first" / "pretrain",
        tmp_path / "study",
        seeds=(3,),
        betas=(1.0, 0.5),
        steps=(2, 2),
        unguarded_steps=4,
        prompts=30,
        examined=32,
    )
    practice = replace(
        config.practice,
        prompts_per_step=2,
        group_size=2,
        sampling=SamplingConfig(max_new_tokens=16),
        loop=replace(config.practice.loop, allow_dead=True),
    )
    quick = replace(config.reward_model, contrast_steps=2, epochs=1)
    config = replace(config, practice=practice, reward_model=quick)
    (tmp_path / "study").mkdir()
    results = study(config)
    one = results["seeds"]["3"]
    assert [row["beta"] for row in one["rows"]] == [1.0, 0.5]
    assert one["unguarded"]["best"]["gold"] == max(one["unguarded"]["gold"])
    assert len(one["unguarded"]["gold"]) == 4
    assert 0 < one["paid"] < 1
    assert json.loads((tmp_path / "study" / "results.json").read_text()) == results
    with pytest.raises(InputError, match="expected one for each"):
        replace(config, betas=(1.0,))
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "study" / "seed-3").rglob("*")}
    study(config)
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "study" / "seed-3").rglob("*")}


def test_texts_that_are_no_jokes_leave_no_share_of_puns(tmp_path: Path) -> None:
    told = model_folder(first_model(tmp_path / "first", 2, 1))
    config = StudyConfig(told, told, tmp_path, examined=8)
    found = bias.shares(config, told)
    assert found["correct"] == 0
    assert found["puns"] is None


Ruled = Callable[[list[dict[str, Any]]], dict[str, dict[str, Any]]]


def test_the_share_of_puns_is_met_near_its_forecast_only(ruled: Ruled) -> None:
    def rows(puns: float) -> dict[str, Any]:
        return {
            "raters": 0.72,
            "rows": [
                {
                    "beta": 1.0,
                    "puns": puns,
                    "puns_of_all": puns,
                    "gold": 0.5,
                    "forecast": 0.9,
                    "forecast_of_reward": 0.70,
                },
                {
                    "beta": 0.5,
                    "puns": 0.95,
                    "puns_of_all": 0.9,
                    "gold": 0.9,
                    "forecast": 0.9,
                    "forecast_of_reward": 0.86,
                },
            ],
        }

    unguarded = {"best": {"gold": 0.8}, "end": {"gold": -4.0, "puns_of_all": 0.99}}
    near, far, ended, share, kept, same = ruled(
        claims(
            {
                "before": {"puns": 0.4, "correct": 0.8, "gold": 0.1},
                "unguarded_steps": 80,
                "seeds": {
                    "0": rows(0.72) | {"remedy": {"puns_of_all": 0.74, "gold": 0.84}, "unguarded": unguarded},
                    "1": rows(0.66) | {"remedy": {"puns_of_all": 0.70, "gold": 0.80}, "unguarded": unguarded},
                },
            }
        )
    ).values()
    assert near["met"]
    assert near["per_seed"] == pytest.approx({"0": 2.0, "1": 4.0})
    assert "from its forecast (69.0% vs. 70.0%; reference 40%)" in near["claim"]
    assert "what people prefer would forecast 90.0%" in near["note"]
    assert "One base model for all seeds" in near["note"]
    assert not far["met"]
    assert ended["value"] == pytest.approx(99)
    assert "after 80 steps without KL" in ended["claim"]
    assert "0.80 at best, -4.00 at the end" in ended["claim"]
    assert share["met"]
    assert share["value"] == pytest.approx(72)
    assert kept["per_seed"]["0"] == pytest.approx(100 * 0.74 / 0.7)
    assert not kept["met"], "two seeds say little of a mean"
    assert same["per_seed"]["0"] == pytest.approx(100 * 0.74 / 0.8)
    assert not same["met"], "one seed keeps less than 90%"
