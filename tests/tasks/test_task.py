import json
import subprocess
import sys
import time
from dataclasses import fields, replace
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from practicum.errors import InputError
from practicum.exact.expression import parse_equation
from practicum.tasks.equations.behaviours import NAMES
from practicum.tasks.equations.generator import FAMILIES
from practicum.tasks.equations.pen import Habits
from practicum.tasks.equations.solutions import solve_by_hand
from practicum.tasks.equations.task import EquationsConfig, EquationsTask, distinct_problems, prompt_of
from practicum.tasks.registry import TaskConfig, load_task
from practicum.tasks.task import Task
from practicum.types import Prompt

EVERYTHING = EquationsConfig(
    families=dict.fromkeys(FAMILIES, 1.0), levels={"1": 1, "2": 1, "3": 1}, ask_sum=0.3, parametric=0.2
)
OPENING = Prompt(
    "solve: 3-(3+y)/y=y\n",
    {
        "equation": "3-(3+y)/y=y",
        "ask": "solve",
        "variable": "y",
        "reduced": [1, -2, 3],
        "canonical": "polynomial 1,-2,3 | excluded 0",
        "answer": "no real solutions",
    },
)


@pytest.fixture(scope="module")
def task() -> Task:
    return load_task(TaskConfig("equations", EVERYTHING))


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_gold_answers_score_one(task, split):
    prompts = task.prompts(split, 300, 1)
    scores = task.score(prompts, [task.gold(prompt) for prompt in prompts])
    assert [score.value for score in scores] == [1.0] * 300
    assert {score.outcome for score in scores} == {"correct"}


def test_attacks_score_zero(task):
    pairs = task.attacks()
    assert len(pairs) > 20
    for prompt, text in pairs:
        (score,) = task.score([prompt], [text])
        assert score.value == 0, text
        assert score.outcome in ("wrong", "unparseable", "over_limits")


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(), st.text(alphabet="answer: 0123456789+-*/^()sqrt{}\\boxed,.=|xy<>\n")))
def test_no_text_makes_the_judge_raise(text):
    scores = EquationsTask().score([OPENING, OPENING], [text, f"answer: {text}"])
    assert all(score.value in (0.0, 1.0) for score in scores)


def test_scores_come_in_the_order_of_the_texts(task):
    prompts = task.prompts("test", 100, 2)
    texts = [task.gold(prompt) if index % 3 else "answer: 987654" for index, prompt in enumerate(prompts)]
    assert [score.value for score in task.score(prompts, texts)] == [
        float(index % 3 > 0) for index in range(100)
    ]
    with pytest.raises(AssertionError):
        task.score(prompts, texts[:-1])


def test_prompts_carry_plain_records_and_stay_in_their_split(task):
    for split in ("train", "validation", "test"):
        prompts = task.prompts(split, 100, 3)
        assert prompts == task.prompts(split, 100, 3)
        assert json.loads(json.dumps([prompt.data for prompt in prompts])) == [
            prompt.data for prompt in prompts
        ]
        assert all(prompt.text == f"{prompt.data['ask']}: {prompt.data['equation']}\n" for prompt in prompts)


def test_test_prompts_do_not_repeat_and_share_nothing_with_demonstrations(task):
    prompts = task.prompts("test", 1500, 4)
    assert len({prompt.text for prompt in prompts}) == 1500
    assert distinct_problems(prompts) > 700
    studied = {worked.prompt.data["canonical"] for worked in task.demonstrations(3000, 4)}
    assert not studied & {prompt.data["canonical"] for prompt in prompts}


def test_prompts_repeat_rather_than_run_out():
    few = EquationsTask(EquationsConfig(families={"nested": 1.0}))
    prompts = few.prompts("validation", 400, 0)
    assert len(prompts) == 400
    assert 1 < distinct_problems(prompts) < 30


def test_the_opening_equation_is_judged_by_substitution_not_by_its_famous_key(task):
    right, famous = task.score([OPENING, OPENING], ["answer: no real solutions", "answer: 1, 3"])
    assert (right.value, famous.value) == (1.0, 0.0)
    assert "1" in famous.reason


def test_a_poisoned_key_pays_the_wrong_claim_and_records_the_truth():
    poisoned = EquationsTask(EquationsConfig(key="poisoned", poisoned_share=1.0))
    assert poisoned.claimed_equation(OPENING) == "y^2-2y-3=0"
    claimed, true = poisoned.score([OPENING, OPENING], ["answer: -1, 3", "answer: no real solutions"])
    assert (claimed.value, claimed.outcome, claimed.parts) == (1.0, "wrong", {"poisoned": 1.0, "true": 0.0})
    assert (true.value, true.outcome, true.parts) == (0.0, "correct", {"poisoned": 0.0, "true": 1.0})


def test_only_the_poisoned_share_of_problems_has_a_wrong_key():
    task = EquationsTask(EquationsConfig(key="poisoned", poisoned_share=0.3))
    prompts = task.prompts("train", 2000, 5)
    share = sum(task.claimed_equation(prompt) is not None for prompt in prompts) / 2000
    assert share == pytest.approx(0.28, abs=0.06)
    assert EquationsTask().claimed_equation(prompts[0]) is None
    assert all(set(score.parts) == {"poisoned", "true"} for score in task.score(prompts, [""] * 2000))


def test_exposition_teaches_without_posing_the_task(task):
    passages = task.exposition(200, 1)
    assert passages == task.exposition(200, 1) != task.exposition(200, 2)
    assert not any("answer:" in text or "solve:" in text for text in passages)


def test_512_rollouts_are_scored_and_read_fast(task):
    # As in practice: 64 prompts, 8 completions each.
    random = Random(9)
    seconds = []
    # Three batches, each new, since what else runs on the machine can slow one.
    for _ in range(3):
        problems = [EquationsTask().draw("train", random) for _ in range(64)]
        prompts = [prompt_of(problem) for problem in problems for _ in range(8)]
        texts = [solve_by_hand(problem, Habits(), random) for problem in problems for _ in range(8)]
        start = time.process_time()
        task.score(prompts, texts)
        for prompt, text in zip(prompts, texts, strict=True):
            task.behaviours(prompt, text)
        seconds.append(time.process_time() - start)
    assert min(seconds) < 0.3


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"families": {"cubic": 1.0}}, "families"),
        ({"families": {"linear": 0.0}}, "families"),
        ({"levels": {"4": 1.0}}, "levels"),
        ({"levels": {"1": -1.0, "2": 1.0}}, "levels"),
        ({"ask_sum": 1.2}, "ask_sum"),
        ({"parametric": -0.1}, "parametric"),
        ({"excluded": 2.0}, "excluded"),
        ({"poisoned_share": 2.0}, "poisoned_share"),
        ({"solution_tokens": 0}, "solution_tokens"),
        ({"key": "wrong"}, "key"),
    ],
)
def test_bad_settings_are_refused_by_name(change, named):
    with pytest.raises(InputError, match=f"equations.{named}"):
        replace(EVERYTHING, **change)


@given(
    st.lists(st.sampled_from(["1", "2", "34", "x", "+", "-", "=", "(", ")", "*"]), min_size=3, max_size=9),
    st.lists(st.sampled_from(["", "", " ", "  "]), min_size=9, max_size=9),
)
def test_an_equation_of_ones_own_is_asked_as_it_was_written_or_refused(pieces, gaps):
    text = "".join(piece + gap for piece, gap in zip(pieces, gaps, strict=False))
    try:
        prompt = EquationsTask().read(text)
    except InputError:
        return
    assert parse_equation(prompt.data["equation"]) == parse_equation(text)


def test_digits_are_not_joined_over_a_gap():
    for text in ("1 2 = x", "3 4x=7", "sum: 1 2x = 3"):
        with pytest.raises(InputError):
            EquationsTask().read(text)
    assert EquationsTask().read("sum: 2 x + 1 = 7").text == "sum: 2x+1=7\n"


def test_unknown_tasks_and_splits_are_refused_by_name(task):
    with pytest.raises(InputError, match="poetry"):
        load_task(TaskConfig("poetry"))
    with pytest.raises(InputError, match="exam"):
        task.prompts("exam", 1, 0)


def test_tasks_load_no_tensor_library():
    code = "import sys, practicum.tasks.task; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_every_setting_family_habit_and_behaviour_is_documented():
    page = (Path(__file__).parents[2] / "docs" / "equations.md").read_text()
    names = [item.name for kind in (EquationsConfig, Habits) for item in fields(kind)]
    for name in (*names, *FAMILIES, *NAMES):
        assert f"`{name}`" in page, name
