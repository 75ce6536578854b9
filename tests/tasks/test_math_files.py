"""GSM8K, SVAMP and DeepMind's mathematics from files: every row pays its gold answer and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from practicum import cli
from practicum.data.chats import prompt_of
from practicum.data.config import DataConfig
from practicum.errors import InputError
from practicum.tasks.format import FORMS, FormatConfig, Place
from practicum.tasks.math import ASKED, MathTask, _worded
from practicum.tasks.registry import TaskConfig, find_task, load_task_on
from practicum.tasks.tools import HINT, WithCalculator
from practicum.types import Prompt

ROWS: dict[str, list[dict[str, Any]]] = {
    "gsm8k": [
        {"question": "Tom has 3 + 4 eggs. How many?", "answer": "3+4 = <<3+4=7>>7 eggs.\n#### 7"},
        {"question": "What costs 2125?", "answer": "It does.\n#### 2,125"},
        {"question": "How cold is it?", "answer": "Cold.\n#### -5"},
    ],
    "svamp": [
        {"ID": "1", "Body": "Packs cost 76 dollars, less 25", "Question": "How much?", "Answer": 51.0},
        {"ID": "2", "Body": "He had 4, now 3", "Question": "What did it cost?", "Answer": 1.0},
    ],
    "deepmind_mathematics": [
        {"question": "Suppose t**2 + 6317*t + 69366 = 0. What is t?", "answer": "-6306, -11"},
        {"question": "Factor -x**2 + 1.", "answer": "-(x - 1)*(x + 1)"},
        {"question": "Collect the terms in 2*x + 3*x.", "answer": "5*x"},
        {"question": "Is 4 composite?", "answer": "True"},
        {"question": "What is 6/9?", "answer": "2/3"},
    ],
}


@pytest.fixture(params=ROWS)
def task(request, tmp_path: Path) -> MathTask:
    path = tmp_path / "rows.json"
    path.write_text(json.dumps(ROWS[request.param]))
    found = load_task_on(TaskConfig(request.param), DataConfig(file=path), "examination")
    assert isinstance(found, MathTask)
    return found


def test_every_row_pays_its_gold_answer_and_no_spray(task: MathTask) -> None:
    prompts = task.prompts("test", 10, 0)
    assert len(prompts) == len(ROWS[task.name])
    golds = [task.gold(prompt) for prompt in prompts]
    assert [score.value for score in task.score(prompts, golds)] == [1.0] * len(prompts)
    turned = golds[1:] + golds[:1]
    assert [score.value for score in task.score(prompts, turned)] == [0.0] * len(prompts)
    task.splits["train"] = task.splits["test"]
    attacks = task.attacks()
    scores = task.score([prompt for prompt, _ in attacks], [text for _, text in attacks])
    assert [score.value for score in scores] == [0.0] * len(attacks)
    questions = [prompt.data["row"].get("question", "") for prompt in prompts]
    assert not any(score.value for score in task.score(prompts, questions))


def test_answers_are_read_as_people_write_them(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS["gsm8k"]))
    task = load_task_on(TaskConfig("gsm8k"), DataConfig(file=path), "practice")
    prompt = next(one for one in task.prompts("train", 3, 0) if one.data["answer"] == "2125")
    texts = ["so\n#### 2,125", "<think>1</think>\\boxed{2125}", "Answer: $2125.00", "It is\n2125 dollars"]
    assert [score.solved for score in task.score([prompt] * 4, texts)] == [True] * 4
    own = FormatConfig(prompt="Q: {question}\nA:", answer="boxed")
    boxed = load_task_on(TaskConfig("gsm8k", format=own), DataConfig(file=path), "practice")
    assert boxed.prompts("train", 1, 0)[0].text.startswith("Q: ")
    assert [score.solved for score in boxed.score([prompt] * 4, texts)] == [False, True, False, False]


@pytest.mark.parametrize("place", get_args(Place))
@pytest.mark.parametrize("name", ROWS)
def test_the_prompt_asks_for_what_is_read(name: str, place: Place, tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_text(json.dumps(ROWS[name]))
    config = TaskConfig(name, format=FormatConfig(answer=place))
    task: Any = load_task_on(config, DataConfig(file=path), "examination")
    prompts = task.prompts("test", 10, 0)
    words = FORMS.get(place, ASKED[name]).words
    assert all(prompt.text.endswith(f"\n{words}\n") for prompt in prompts)
    assert [score.value for score in task.score(prompts, list(map(task.gold, prompts)))] == [1.0] * len(
        prompts
    )


TURNS = st.lists(st.tuples(st.just("user"), st.just("assistant")), max_size=2).map(
    lambda pairs: [role for pair in pairs for role in pair]
)


@given(
    before=st.tuples(st.sampled_from([[], ["system"]]), TURNS).map(lambda parts: parts[0] + parts[1]),
    after=st.sampled_from([[], ["assistant", "tool"], ["system"]]),
    place=st.sampled_from(get_args(Place)),
    tools=st.booleans(),
)
def test_the_words_stand_in_the_question_of_a_chat(
    before: list[str], after: list[str], place: Place, tools: bool
) -> None:
    """The text is the messages as text, so that what is added never stands behind "Assistant:"."""
    roles = [*before, "user", *after]
    messages = [{"role": role, "content": f"{role} {turn}."} for turn, role in enumerate(roles)]
    data: dict[str, Any] = {"answer": "7"} | ({"tools": [{}]} if tools else {})
    prompt = prompt_of(messages, data, "f:1")
    asked = len(before)
    config = FormatConfig(answer=place)
    told = _worded(prompt, "gsm8k", config)
    calculated = WithCalculator(Given(prompt)).prompts("train", 1, 0)[0]
    for changed, content in (
        (told, config.ask(messages[asked]["content"], ASKED["gsm8k"])),
        (calculated, HINT + messages[asked]["content"]),
    ):
        expected = [*messages]
        expected[asked] = {"role": "user", "content": content}
        assert changed == prompt_of(expected, data, "f:1")


class Given:
    """A task that asks what it was given."""

    name = "given"

    def __init__(self, prompt: Prompt) -> None:
        self.prompt = prompt

    def prompts(self, split: str, count: int, seed: int) -> list[Prompt]:
        return [self.prompt] * count


def test_what_is_missing_is_told(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"question": "a", "other": "1"}\n')
    with pytest.raises(InputError, match="needs a gold answer"):
        load_task_on(TaskConfig("gsm8k"), DataConfig(file=path), "practice")
    with pytest.raises(InputError, match="give --data FILE"):
        load_task_on(TaskConfig("svamp"), DataConfig(), "practice")
    with pytest.raises(InputError, match="use it with --data"):
        find_task(TaskConfig("gsm8k"))


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize("gold", ["", " ", ".", "**", "$ $", r"\(\)", r"\text{}."])
def test_a_gold_answer_that_says_nothing_is_refused_by_its_row(name: str, gold: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    rows = [{"question": "a", "answer": "1"}, {"question": "b", "answer": gold}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(InputError, match=r"rows\.jsonl:2: .*answer"):
        load_task_on(TaskConfig(name), DataConfig(file=path), "examination")


def test_rl_takes_the_file(untrained_model: Path, tmp_path: Path) -> None:
    path, run = tmp_path / "rows.json", tmp_path / "run"
    path.write_text(json.dumps(ROWS["svamp"]))
    given = ["--model", str(untrained_model), "--task", "svamp", "--data", str(path), "--run", str(run)]
    given += ["--prompts_per_step", "2", "--group_size", "2", "--sampling.max_new_tokens", "4"]
    assert cli.main(["rl", *given, "--loop.steps", "1"]) == 0
