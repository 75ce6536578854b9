"""The study of beginner-friendly explanations at a tiny size, and its claims."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from practicum.preferences.rankings import read_rankings
from practicum.preferences.raters import PeopleConfig
from practicum.tasks.explanations.task import ExplanationsTask
from practicum.types import Ranking, Response
from studies import style
from studies.results import measure
from studies.style import StudyConfig, claims, correctness, samples_page, study


def told(*_: Any) -> list[Ranking]:
    """What a model that can explain would have ranked: a wrong friendly answer first, then right ones."""
    task = ExplanationsTask()
    return [
        Ranking(
            prompt,
            (Response("answer: 98765"), Response(task.gold(prompt)), Response(prompt.data["worked"])),
            (1, 2, 3),
            "ann",
            prompt_id=prompt.text,
        )
        for prompt in task.prompts("train", 12, 0)
    ]


def test_a_tiny_study_makes_every_model_and_becomes_claims(
    tmp_path: Path, small_stages: Callable[[], AbstractContextManager[None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(style, "ranked", told)
    config = StudyConfig(
        tmp_path, (0,), pretrain_steps=2, sft_steps=2, sft_batch=2, people=PeopleConfig(raters=2),
        contrast_steps=1, ppo_steps=1, dpo_steps=1, examined=5, longest=8, most=3,
    )  # fmt: skip
    with small_stages():
        assert study(config)["missing"] == 2
        results = study(config)
    assert results["missing"] == 0
    assert results["seeds"]["0"].keys() == {"sft", "ppo", "dpo", "ppo-null", "dpo-null"}
    # Beginners put the wrong answer first; the verifier puts it last.
    both = read_rankings((str(tmp_path / "seed-0" / "both.jsonl"),))
    assert {ranking.ranks for ranking in both} == {(3, 1, 2)}
    page = (tmp_path / "samples.md").read_text()
    assert page.startswith("`explain: ")
    assert "| before | PPO | DPO |" in page
    found = {claim["id"] for claim in measure(tmp_path)}
    assert found == {
        f"style-by-{way}-{name}" for way in ("ppo", "dpo") for name in ("share", "utility", "correct", "null")
    }


def rows(correct: list[float], friendly: float, gold: float) -> list[dict[str, Any]]:
    judged = {"prompt": "p", "text": "t", "friendly": friendly, "gold": gold}
    return [{**judged, "problem": str(place), "correct": one} for place, one in enumerate(correct)]


def test_correctness_counts_problems_and_not_answers(ruled: Callable[..., dict[str, dict[str, Any]]]) -> None:
    before, after = [0.0, 1.0] * 200, [1.0, 1.0] * 20 + [0.0, 1.0] * 180
    seed = {"sft": rows(before, 0.3, 1.0), "ppo": rows(after, 0.9, 3.0)}
    once, often = (correctness({str(one): seed for one in range(count)}, "ppo") for count in (1, 3))
    assert once["change"] == pytest.approx(0.05)
    # The same problems answered alike by three seeds say no more than one seed's.
    assert often["ci95"] == pytest.approx(once["ci95"], rel=0.02)
    assert often["problems"] == 400
    results = {
        "seeds": {str(one): {way: style.means(found) for way, found in seed.items()} for one in range(3)},
        "correct": {"ppo": often},
    }
    found = ruled(claims(results))
    assert found["style-by-ppo-correct"]["value"] == pytest.approx(5)
    assert found["style-by-ppo-correct"]["met"]
    assert found["style-by-ppo-share"]["value"] == pytest.approx(60)
    assert found["style-by-ppo-utility"]["value"] == pytest.approx(2)


def test_samples_stand_side_by_side() -> None:
    row = {way: rows([1.0, 0.0], 0.5, 2.0) for way in ("sft", "dpo")}
    assert samples_page(row, 1).split("\n") == [
        "`p`", "", "| before | DPO |", "| --- | --- |",
        "| `t`<br>*right, 2.0* | `t`<br>*right, 2.0* |", "",
    ]  # fmt: skip
