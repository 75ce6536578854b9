"""The part `unseen` of studies.equations asks for no problem that an examination has asked for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from practicum.demo import DemoConfig
from practicum.tasks.equations.task import EquationsTask
from studies.equations import UNSEEN_DRAW, UnseenEquations, seen_problems


@pytest.mark.parametrize("families", [None, {"rational": 1.0}])
def test_unseen_problems_are_new_and_each_is_asked_once(families: dict[str, float] | None) -> None:
    settings = DemoConfig()
    seen = seen_problems(settings)
    equations = settings.task.equations
    chosen = equations if families is None else replace(equations, families=families)
    prompts = UnseenEquations(chosen, seen).prompts("validation", 150, UNSEEN_DRAW)
    problems = [prompt.problem for prompt in prompts]
    assert len(set(problems)) == len(problems) >= 120
    assert not set(problems) & seen
    trained = {prompt.problem for prompt in EquationsTask(chosen).prompts("train", 500, 0)}
    assert not set(problems) & trained
