"""A curriculum opens levels by success, draws what is open, and can draw every earlier iteration again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from practicum.data.config import DataConfig
from practicum.errors import InputError
from practicum.guard.observer import Paid, StepResult
from practicum.run.folder import Run
from practicum.tasks.equations.task import EquationsConfig, EquationsTask
from practicum.tasks.jokes.task import JokesTask
from practicum.tasks.registry import TaskConfig, find_task
from practicum.tasks.table import load_table
from practicum.tasks.task import graded
from practicum.training.curriculum import Curriculum, CurriculumConfig, make_curriculum
from practicum.types import Prompt, Score

CHAINS = str(Path(__file__).parents[2] / "recipes" / "curriculum" / "chains.py") + ":Chains"


class Graded:
    """Levels a, b, c, ...; a prompt's text begins with its level."""

    name = "graded"

    def __init__(self, count: int = 4) -> None:
        self.levels = [chr(ord("a") + place) for place in range(count)]

    def prompts(self, split: str, count: int, seed: int) -> list[Prompt]:
        return self.prompts_at(self.levels[0], split, count, seed)

    def prompts_at(self, level: str, split: str, count: int, seed: int) -> list[Prompt]:
        return [Prompt(f"{level} {seed} {place}") for place in range(count)]

    def score(self, prompts: Sequence[Prompt], texts: Sequence[str]) -> list[Score]:
        return [Score(0.0, solved=False) for _ in texts]


def curriculum_of(prompts: int = 6, group: int = 2, levels: int = 4, **changes: Any) -> Curriculum:
    config = CurriculumConfig(order="success", **changes)
    found = make_curriculum(config, Graded(levels), prompts, group)
    assert found is not None
    return found


def step(curriculum: Curriculum, number: int, right: set[str], rounds: int = 1) -> dict[str, float]:
    """An iteration in which exactly the answers at some levels are right."""
    paid = [
        Paid(prompt, "", 0.0, prompt.text[0] in right)
        for _ in range(rounds)
        for prompt in curriculum.prompts(number, 7)
        for _ in range(curriculum.group_size)
    ]
    return dict(curriculum.after(number, StepResult({}, paid=paid)).metrics)


@given(
    prompts=st.integers(1, 9),
    group=st.integers(1, 3),
    levels=st.integers(2, 5),
    newest=st.floats(0.05, 1.0),
    known=st.lists(st.booleans(), min_size=1, max_size=12),
    rounds=st.integers(1, 3),
)
def test_levels_open_one_by_one_where_the_newest_is_known_and_nothing_else_counts(
    prompts: int, group: int, levels: int, newest: float, known: list[bool], rounds: int
) -> None:
    curriculum = curriculum_of(prompts, group, levels, newest=newest)
    open_levels, drawn = 1, []
    for number, knows in enumerate(known, start=1):
        asked = curriculum.prompts(number, 7)
        drawn.append(asked)
        names = curriculum.task.levels[:open_levels]
        assert len(asked) == prompts
        assert {one.text[0] for one in asked} <= set(names)
        assert asked[0].text[0] == names[-1]
        # All easier levels are known in any case: only the newest decides.
        metrics = step(curriculum, number, set(names if knows else names[:-1]), rounds)
        assert metrics == {"curriculum/levels": open_levels, "curriculum/solved": float(knows)}
        open_levels = min(levels, open_levels + knows)
    # What was asked before can be drawn again, also by one that took the state over.
    other = curriculum_of(prompts, group, levels, newest=newest)
    other.restore(json.loads(json.dumps(curriculum.state())), Run(Path()))
    for number, asked in enumerate(drawn, start=1):
        assert curriculum.prompts(number, 7) == other.prompts(number, 7) == asked
    assert curriculum.conclude(Run(Path()))["curriculum"]["levels"] == open_levels


def test_a_reward_that_does_not_say_what_is_solved_is_refused() -> None:
    with pytest.raises(InputError, match="does not say which answers solve"):
        curriculum_of().after(1, StepResult({}, paid=[Paid(Prompt("a"), "", 1.0)] * 12))


def test_tasks_without_levels_or_with_too_few_are_refused() -> None:
    config = CurriculumConfig(order="success")
    with pytest.raises(InputError, match="task jokes has no prompts_at"):
        make_curriculum(config, JokesTask(), 4, 2)
    with pytest.raises(InputError, match="has 1 levels, so that no other would open"):
        make_curriculum(config, EquationsTask(), 4, 2)
    assert make_curriculum(CurriculumConfig(), JokesTask(), 4, 2) is None


def test_equations_are_graded_by_their_level() -> None:
    task = EquationsTask(EquationsConfig(levels={"3": 1.0, "2": 0.0, "1": 2.0}))
    assert task.levels == ["1", "3"]
    for level in task.levels:
        found = task.prompts_at(level, "train", 20, 3)
        assert {prompt.data["level"] for prompt in found} == {int(level)}


def test_chains_are_right_only_with_every_step() -> None:
    task: Any = find_task(TaskConfig(CHAINS))
    assert graded(task).levels[0] == "2"
    held_out = {prompt.text for prompt in task.prompts("test", 300, 1)}
    assert not held_out & {prompt.text for prompt in task.prompts("train", 300, 1)}
    prompt = task.prompts_at("5", "test", 1, 0)[0]
    gold = task.gold(prompt)
    attacks = [gold.splitlines()[-1], "\n".join(gold.splitlines()[1:]), gold + "\nanswer: 3", ""]
    scores = task.score([prompt] * 5, [gold, *attacks])
    assert [score.value for score in scores] == [1.0, 0.0, 0.0, 0.0, 0.0]
    taught = [len(one.prompt.data["terms"]) for one in task.demonstrations(4000, 0)]
    assert max(taught) <= 12
    assert 0 < sum(terms > 8 for terms in taught) < 100, "long ones are rare"


def test_rows_of_a_file_are_graded_by_their_column_level(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    rows = [
        {"prompt": f"p{level}.{place}", "level": level} for level in (10, 2, "hard") for place in range(3)
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    task = load_table(DataConfig(file=file), "practice")
    assert task.levels == ["2", "10", "hard"]
    assert {one.text for one in task.prompts_at("10", "train", 6, 0)} == {"p10.0", "p10.1", "p10.2"}
    file.write_text('{"prompt": "a", "level": 1}\n{"prompt": "b"}\n')
    with pytest.raises(InputError, match=r"rows\.jsonl:2: no column `level`"):
        make_curriculum(
            CurriculumConfig(order="success"), load_table(DataConfig(file=file), "practice"), 4, 2
        )
