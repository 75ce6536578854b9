"""Every procedural dataset loads, asks, pays its own answer and nothing that names everything."""

from __future__ import annotations

import ast
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from practicum.errors import InputError
from practicum.tasks.format import FORMS, HASHES, TAGS, Form, FormatConfig, Place
from practicum.tasks.reasoning_gym import (
    FORMULAS,
    FUNCTIONS,
    LITERALS,
    WITHOUT_GOLD,
    ReasoningGymTask,
    dataset_names,
    mixture,
    refused,
)
from practicum.tasks.registry import TaskConfig, find_task

NAMES = [name for name in dataset_names() if name != "composite"]
SPRAY = " ".join(str(number) for number in range(1000))


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", NAMES)
def test_every_dataset_asks_and_pays_its_own_answer_alone(name: str) -> None:
    """boxnet and rush_hour come without answers of their own; composite is what mixtures are for."""
    task = ReasoningGymTask(name)
    prompt = task.prompts("train", 1, 0)[0]
    assert prompt.text.startswith(prompt.data["question"])
    assert "<answer>" in prompt.text
    if name in WITHOUT_GOLD:
        with pytest.raises(InputError, match="without answers"):
            task.gold(prompt)
    else:
        score = task.score([prompt], [f"<think>{SPRAY}</think>so {task.gold(prompt)}"])[0]
        assert (score.value, score.solved) == (1.0, True), score
    attacks = ["", "<answer></answer>", SPRAY, f"<answer>{SPRAY}</answer>", "x", "<think>", prompt.text]
    scores = task.score([prompt] * len(attacks), attacks)
    assert [score.value for score in scores] == [0.0] * len(attacks)
    assert all(0 <= score.parts["partial"] <= 1 for score in scores)
    # A new object, as after resuming, asks the same.
    assert ReasoningGymTask(name).prompts("train", 1, 0) == [prompt]
    for place, form in FORMS.items():
        task.config = FormatConfig(answer=place)
        [asked] = task.prompts("train", 1, 0)
        assert asked == replace(prompt, text=f"{prompt.data['question']}\n{form.words}\n")
        if name not in WITHOUT_GOLD:
            assert task.score([asked], [task.gold(asked)])[0].value == 1.0, (place, task.gold(asked))


def test_every_place_has_a_form() -> None:
    assert {*FORMS, "auto"} == {*get_args(Place)}


ANSWERS = st.text("ab 12*_-+=(),.\n", min_size=1).map(
    lambda text: "\n".join(line.strip() for line in text.split("\n") if line.strip())
)


@given(ANSWERS.filter(bool), st.sampled_from(get_args(Place)), st.sampled_from([TAGS, HASHES]), st.booleans())
def test_what_an_obedient_model_writes_is_what_is_read(
    answer: str, place: Place, own: Form, thought: bool
) -> None:
    config = FormatConfig(answer=place)
    before = "<think>Answer: 5 \\boxed{6}</think>\n" if thought else ""
    assert config.read(before + config.gold(answer, own), len(answer.splitlines())) == answer


@pytest.mark.parametrize("spec", ["simple_equations", "leg_counting*3+chain_sum*0.5", "spell_backward"])
def test_splits_share_no_question_and_calls_repeat_none(spec: str) -> None:
    task = ReasoningGymTask(spec)
    seen = {}
    for split in ("train", "validation", "test"):
        prompts = [prompt for seed in range(3) for prompt in task.prompts(split, 60, seed)]
        seen[split] = {prompt.data["question"] for prompt in prompts}
        assert len({prompt.text for prompt in task.prompts(split, 60, 7)}) == 60
    assert not seen["train"] & seen["validation"]
    assert not (seen["train"] | seen["validation"]) & seen["test"]
    assert task.prompts("test", 5, 1) == task.prompts("test", 5, 1) != task.prompts("test", 5, 2)


def test_few_questions_stay_in_their_splits() -> None:
    """14 questions in all: some come again in a call, none in another split."""
    task = ReasoningGymTask("leg_counting", {"max_animals": "1", "min_animals": "1", "max_instances": "2"})
    seen = [
        {prompt.data["question"] for prompt in task.prompts(split, 200, 0)}
        for split in ("train", "validation", "test")
    ]
    assert all(seen)
    assert sum(map(len, seen)) == len(set.union(*seen))


def test_a_mixture_asks_by_its_weights() -> None:
    task = find_task(TaskConfig("reasoning_gym:leg_counting*3+chain_sum"))
    counts = Counter(prompt.data["dataset"] for prompt in task.prompts("train", 400, 0))
    assert 0.68 < counts["leg_counting"] / 400 < 0.82
    assert set(mixture("all")) == set(NAMES)


def test_settings_are_typed_and_partial_scores_are_paid_on_request() -> None:
    task = ReasoningGymTask("chain_sum", {"min_terms": "5", "max_terms": "5"})
    question = task.prompts("train", 1, 0)[0].data["question"]
    assert question.count(" + ") + question.count(" - ") == 4
    generous = ReasoningGymTask("leg_counting", partial=True)
    prompt = generous.prompts("train", 1, 0)[0]
    text = f"<answer>{prompt.data['answer']} legs</answer>"
    assert 0 < generous.score([prompt], [text])[0].value < 1
    assert ReasoningGymTask("leg_counting").score([prompt], [text])[0].value == 0


@pytest.mark.parametrize(
    ("spec", "given", "said"),
    [
        ("leg_countin", {}, "did you mean leg_counting"),
        ("leg_counting*0", {}, "above 0"),
        ("leg_counting*", {}, "NAME\\*WEIGHT"),
        ("leg_counting+leg_counting", {}, "named twice"),
        ("composite", {}, "no dataset"),
        ("", {}, "NAME"),
        ("leg_counting", {"max_animal": "3"}, "did you mean max_animals"),
        ("leg_counting", {"max_animals": "0"}, "task.settings"),
        ("leg_counting+chain_sum", {"max_animals": "3"}, "NAME.KEY"),
    ],
)
def test_bad_names_and_settings_are_told_in_one_line(spec: str, given: dict[str, str], said: str) -> None:
    with pytest.raises(InputError, match=said) as error:
        ReasoningGymTask(spec, given)
    assert "\n" not in str(error.value)


PROGRAMS = (
    "__import__('os').system('touch {file}')",
    "[open('{file}', 'w') for _ in '1']",
    "().__class__.__bases__[0].__subclasses__()",
    "9**9**9**9",
    "(9**99)**99**9",
    "open('{file}', 'w')",
    "exp(exp(__import__('os').system('touch {file}')))",
    "1e999999999",
)


@pytest.mark.parametrize("name", [*LITERALS, *FORMULAS, "coin_flip"])
def test_no_answer_is_run_as_a_program(name: str, tmp_path: Path) -> None:
    task, file = ReasoningGymTask(name), tmp_path / "run"
    prompt = task.prompts("train", 1, 0)[0]
    texts = [f"<answer>{program.format(file=file)}</answer>" for program in PROGRAMS]
    assert [score.value for score in task.score([prompt] * len(texts), texts)] == [0.0] * len(texts)
    assert not file.exists()


@settings(max_examples=300, deadline=None)
@given(st.text("x0123456789+-*/()[]{}.,'_ abe", max_size=40), st.sampled_from([*LITERALS, *FORMULAS]))
def test_what_a_judge_may_run_calls_no_method_and_makes_no_large_number(answer: str, name: str) -> None:
    if refused(name, answer):
        return
    try:
        tree = ast.parse(answer.strip(), mode="eval")
    except (SyntaxError, ValueError):
        return
    nodes = list(ast.walk(tree))
    assert not any(isinstance(node, (ast.Attribute, ast.Subscript, ast.GeneratorExp)) for node in nodes)
    called = {
        node.func.id for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert called <= FUNCTIONS
    assert sum(isinstance(node, ast.Pow) for node in nodes) == 0 or name in FORMULAS


# ------------------------------------------------------------------------------------ where answers stand


@pytest.mark.parametrize(
    ("completion", "lines", "answer"),
    [
        (" 13", 1, "13"),
        ("first\n13\n", 1, "13"),
        ("1 2\n3 4", 2, "1 2\n3 4"),
        ("<think>1</think><answer> 13 </answer> yes", 1, "13"),
        ("<answer>1</answer> no, <answer>13</answer>", 1, "13"),
        ("<answer>13", 1, "13"),
        ("so \\boxed{\\frac{1}{2}}.", 1, "\\frac{1}{2}"),
        ("Answer: 13\nbye", 1, "13"),
        ("**Answer:** 13", 1, "13"),
        ("work\n#### 13", 1, "13"),
        ("<think>13", 1, None),
        ("<think>a</think>\nthe answer is 13", 1, "13"),
        ("", 1, None),
    ],
)
def test_one_answer_is_read(completion: str, lines: int, answer: str | None) -> None:
    assert FormatConfig().read(completion, lines) == answer


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 50), min_size=2, max_size=30), st.integers(0, 50))
def test_naming_many_in_tags_is_worth_one_guess(numbers: list[int], gold: int) -> None:
    text = "".join(f"<answer>{number}</answer>" for number in numbers)
    assert FormatConfig().read(text) == str(numbers[-1])


def test_a_place_and_a_prompt_of_ones_own() -> None:
    config = FormatConfig(prompt="Q: {question} A:", answer="boxed")
    assert config.ask("1 + {x}?") == "Q: 1 + {x}? A:"
    assert config.read("<answer>3</answer>") is None
    with pytest.raises(InputError, match="question"):
        FormatConfig(prompt="Q:")
