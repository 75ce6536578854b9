"""A user's rows as a task: what is asked, what is demonstrated, and which rows are kept for examination."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from practicum.config import load
from practicum.data.config import DataConfig
from practicum.data.names import USUAL
from practicum.errors import InputError
from practicum.model.tokenizer import train_tokenizer
from practicum.rollout.fitting import fitted
from practicum.tasks.math import ASKED
from practicum.tasks.registry import TASKS, TaskConfig, load_task_on
from practicum.tasks.table import TableTask, drawn, load_table

SHARED = Path(__file__).parents[3] / "shared" / "data" / "math"


def said(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def lines(path: Path, rows: Sequence[Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def questions(*numbers: int) -> list[dict[str, str]]:
    return [{"question": f"What is {number} + 1?", "answer": str(number + 1)} for number in numbers]


CHAT = [
    said("system", "Be brief."),
    said("user", "a"),
    said("assistant", "A"),
    said("user", "b"),
    said("assistant", "B"),
]


@pytest.mark.parametrize(
    ("row", "text", "answer", "completion"),
    [
        (
            {"question": "q", "answer": "so it is 1,234\n#### 1,234"},
            "q",
            "1234",
            "so it is 1,234\n#### 1,234",
        ),
        ({"problem": "q", "solution": "s", "answer": "1"}, "q", "1", "s"),
        ({"problem": "q", "solution": "s"}, "q", "s", "s"),
        ({"Body": "b.", "Question": "q?", "Answer": 51.0, "Equation": "x"}, "b.\nq?", 51.0, "51"),
        ({"instruction": "i", "input": "", "output": "o"}, "i", None, "o"),
        ({"instruction": "i", "input": "j", "output": "o"}, "i\nj", None, "o"),
        ({"instruction": "i", "context": "c", "response": "r"}, "i\nc", None, "r"),
        ({"prompt": "p", "completion": "c"}, "p", None, "c"),
        ({"prompt": [said("user", "p")], "completion": [said("assistant", "c")]}, "p", None, "c"),
        ({"prompt": [said("user", "p")], "reward_model": {"ground_truth": "7"}}, "p", "7", None),
        ({"messages": [said("user", "p"), said("assistant", "c")]}, "p", None, "c"),
        ({"conversations": [{"from": "human", "value": "p"}, {"from": "gpt", "value": "c"}]}, "p", None, "c"),
    ],
)
def test_usual_columns_are_found(
    tmp_path: Path, row: dict[str, Any], text: str, answer: Any, completion: str | None
) -> None:
    task = load_table(DataConfig(lines(tmp_path / "f.jsonl", [row])), "practice")
    [prompt] = task.prompts("train", 1, 0)
    # Where the data hold a chat, so do the prompts, of one message too: rewards expect it there.
    is_chat = any(isinstance(value, list) for value in row.values())
    assert (prompt.text, prompt.messages) == (text, (said("user", text),) if is_chat else ())
    assert prompt.data["row"] == row
    assert prompt.data.get("answer") == answer
    if completion is None:
        with pytest.raises(InputError, match="nothing to imitate"):
            task.lessons()
    else:
        assert [one.completion for one in task.lessons()] == [completion]


@pytest.mark.parametrize("answer", [["a", "b"], True, {"a": 1}])
def test_an_answer_of_any_type_reaches_rewards_and_is_not_imitated(tmp_path: Path, answer: Any) -> None:
    path = lines(tmp_path / "f.jsonl", [{"question": "q", "answer": answer}])
    for column, known in (("", answer), ("none", None)):
        [prompt] = load_table(DataConfig(path, answer=column), "practice").prompts("train", 1, 0)
        assert prompt.data.get("answer") == known
        assert prompt.data["row"] == {"question": "q", "answer": answer}
    with pytest.raises(InputError, match=r"f.jsonl:1: answer: expected a text"):
        load_table(DataConfig(path), "imitation")


@pytest.mark.parametrize(("turns", "asked"), [("last", [4]), ("all", [2, 4])])
def test_the_assistant_s_turns_are_learned(tmp_path: Path, turns: Any, asked: list[int]) -> None:
    path = lines(tmp_path / "f.jsonl", [{"messages": CHAT}])
    task = load_table(DataConfig(path, turns=turns), "imitation")
    lessons = task.lessons()
    assert [one.completion for one in lessons] == [CHAT[place]["content"] for place in asked]
    assert [list(one.prompt.messages) for one in lessons] == [CHAT[:place] for place in asked]


def test_a_system_message_and_tools_stand_in_columns_of_their_own(tmp_path: Path) -> None:
    tools = [{"type": "function", "function": {"name": "add", "parameters": {}}}]
    rows = [
        {"system": "Be brief.", "prompt": "p", "tools": tools},
        {"system": "", "prompt": "q", "tools": None},
    ]
    first, second = load_table(DataConfig(lines(tmp_path / "f.jsonl", rows)), "practice").splits["train"]
    assert list(first.prompt.messages) == [said("system", "Be brief."), said("user", "p")]
    assert first.prompt.data["tools"] == tools
    assert (second.prompt.text, second.prompt.messages) == ("q", ())
    assert "tools" not in second.prompt.data


def test_names_that_are_given_win_and_columns_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = lines(tmp_path / "f.jsonl", [{"prompt": "p", "other": "o", "gold": "1", "answer": "2"}])
    task = load_table(DataConfig(path, prompt=("other",), answer="gold"), "practice")
    [prompt] = task.prompts("train", 1, 0)
    assert (prompt.text, prompt.data["answer"]) == ("o", "1")
    assert capsys.readouterr().err == "practicum: f.jsonl: 1 rows; prompt = other, answer = gold\n"
    task = load_table(DataConfig(path, answer="none"), "practice")
    assert "answer" not in task.prompts("train", 1, 0)[0].data


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([{"prompt": "p", "answer": "1"}, {"prompt": "q"}], "f.jsonl:2: column 'answer' is empty"),
        ([{"prompt": "p"}, {"prompt": " "}], "f.jsonl:2: prompt: the prompt is empty"),
        ([{"prompt": "p"}, {"other": 1}], "f.jsonl:2: prompt: expected a text, got nothing"),
        ([{"prompt": "p"}, {"prompt": {"a": 1}}], "f.jsonl:2: prompt: expected a text, got {'a': 1}"),
        ([{"prompt": "p"}, {"prompt": "\ud800"}], "f.jsonl:2: prompt: character 1 is half of a surrogate"),
        (
            [{"prompt": [said("user", "p"), said("assistant", "a")]}],
            "f.jsonl:1: prompt: expected a message of user",
        ),
        ([{"messages": CHAT}, {"messages": [*CHAT[:1], 3]}], "f.jsonl:2: messages[1]: expected a message"),
        ([{"messages": CHAT}, {"messages": None}], "f.jsonl:2: column 'messages' is empty"),
        ([{"prompt": "p", "tools": 3}], "f.jsonl:1: tools: expected a list of tools, got 3"),
        ([{"text": "p", "label": 3}], "f.jsonl: no column of prompts among text, label"),
    ],
)
def test_the_first_bad_row_is_named(tmp_path: Path, rows: list[Any], words: str) -> None:
    path = lines(tmp_path / "f.jsonl", rows)
    with pytest.raises(InputError) as caught:
        load_table(DataConfig(path), "practice")
    assert words in str(caught.value)
    assert str(caught.value).startswith(str(path))


on_disk = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@on_disk
@given(
    numbers=st.lists(st.integers(0, 60), min_size=1, max_size=60),
    test_share=st.floats(0, 0.5),
    validation_share=st.floats(0, 0.4),
)
def test_splits_are_disjoint_and_the_same_wherever_a_prompt_stands(
    tmp_path: Path, numbers: list[int], test_share: float, validation_share: float
) -> None:
    shares: dict[str, Any] = {"test_share": test_share, "validation_share": validation_share}
    path = lines(tmp_path / "f.jsonl", questions(*numbers))
    task = load_table(DataConfig(path, **shares), "practice")
    other = load_table(DataConfig(lines(path, questions(*reversed(numbers), 61)), **shares), "examination")
    found = {split: {record.prompt.text for record in records} for split, records in task.splits.items()}
    assert sum(map(len, task.splits.values())) == len(numbers)
    assert not found["train"] & found["test"]
    assert not found["train"] & found["validation"]
    assert not found["validation"] & found["test"]
    if test_share or validation_share:
        for split in found:
            assert found[split] <= {record.prompt.text for record in other.splits[split]}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"test": Path("0.1")}, r"data\.test is a file; a share of the prompts is --data\.test_share 0\.1"),
        ({"test": Path("t"), "test_share": 0.1}, r"drop data\.test_share"),
        ({"test_share": 0.5, "validation_share": 0.5}, "leave nothing to learn from"),
        ({"file": None, "test": Path("t")}, r"data\.test is the test split of --data FILE"),
    ],
)
def test_settings_that_contradict_each_other_are_told(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        DataConfig(**{"file": Path("f"), **settings})


def test_a_share_is_about_as_large_as_stated(tmp_path: Path) -> None:
    path = lines(tmp_path / "f.jsonl", questions(*range(2000)))
    splits = load_table(DataConfig(path, test_share=0.2, validation_share=0.1), "practice").splits
    assert 0.17 < len(splits["test"]) / 2000 < 0.23
    assert 0.08 < len(splits["validation"]) / 2000 < 0.12


def test_a_file_for_the_test_is_its_test_split_and_shared_prompts_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, test = (
        lines(tmp_path / "f.jsonl", questions(1, 2, 3)),
        lines(tmp_path / "t.jsonl", questions(3, 4)),
    )
    task = load_table(DataConfig(path, test), "practice")
    assert [len(task.splits[split]) for split in ("train", "validation", "test")] == [3, 0, 2]
    assert "f.jsonl: 1 of 2 prompts of the test split are in the train split too" in capsys.readouterr().err
    with pytest.raises(InputError, match=r"no rows in the validation split; give --data\.validation_share"):
        task.prompts("validation", 1, 0)


NAMED = st.sets(st.sampled_from(["train", "validation", "test", "other"]), min_size=1)


@on_disk
@given(
    files=NAMED,
    test=st.sampled_from(["", "file", "share"]),
    validation=st.booleans(),
    use=st.sampled_from(["practice", "imitation", "examination"]),
)
def test_a_folder_is_divided_as_its_files_and_the_settings_say(
    tmp_path: Path, files: set[str], test: str, validation: bool, use: Any
) -> None:
    """Every row is in one split, no row leaves a split that its file names, and every setting has its effect
    or is refused by its name."""
    shutil.rmtree(tmp_path / "set", ignore_errors=True)
    (tmp_path / "set").mkdir()
    own = {name: {100 * place + n for n in range(40)} for place, name in enumerate(sorted(files))}
    for name, numbers in own.items():
        lines(tmp_path / "set" / f"{name}.jsonl", questions(*numbers))
    given_file = lines(tmp_path / "given.jsonl", questions(999))
    config = DataConfig(
        tmp_path / "set",
        given_file if test == "file" else None,
        test_share=0.4 * (test == "share"),
        validation_share=0.4 * validation,
    )
    refused = {"test": "test", "test_share": "test", "validation_share": "validation"}
    dividing = [name for name, split in refused.items() if getattr(config, name)]
    divided = files & {"train", "other"}
    bad = [name for name in dividing if refused[name] in files or (name.endswith("share") and not divided)]
    if bad:
        with pytest.raises(InputError, match=rf"^data\.({'|'.join(bad)}): .*set has "):
            load_table(config, use)
        return
    splits = {
        split: {int(record.prompt.text.split()[2]) for record in records}
        for split, records in load_table(config, use).splits.items()
    }
    assert sum(map(len, splits.values())) == 40 * len(files) + (test == "file")
    for name in files - divided:
        assert own[name] == splits[name]
    if test == "file":
        assert splits["test"] == {999}
    for name in dividing:
        assert splits[refused[name]]
    if not dividing and files != {"other"}:
        assert splits["train"] == set().union(*(own[name] for name in divided))


@pytest.mark.parametrize("split", ["test", "validation"])
def test_the_advice_on_a_split_without_rows_works(tmp_path: Path, split: Any) -> None:
    path = lines(tmp_path / "train.jsonl", questions(*range(100)))
    with pytest.raises(InputError, match=rf"no rows in the {split} split; .*--data\.{split}_share 0\.1"):
        load_table(DataConfig(tmp_path), "practice").prompts(split, 1, 0)
    shares: dict[str, Any] = {f"{split}_share": 0.1}
    assert load_table(DataConfig(tmp_path, **shares), "practice").prompts(split, 1, 0)
    with pytest.raises(InputError, match=r"data\.test: .* has train rows too"):
        load_table(DataConfig(path, tmp_path), "practice")


def test_an_examination_takes_all_rows_once(tmp_path: Path) -> None:
    path = lines(tmp_path / "f.jsonl", questions(*range(7)))
    task = load_table(DataConfig(path), "examination")
    assert sorted(prompt.text for prompt in task.prompts("test", 1000, 1)) == sorted(
        row["question"] for row in questions(*range(7))
    )
    assert len(task.prompts("test", 3, 1)) == 3


@given(size=st.integers(1, 9), start=st.integers(0, 40), count=st.integers(0, 30), seed=st.integers(0, 3))
def test_no_row_comes_again_before_all_have_come(size: int, start: int, count: int, seed: int) -> None:
    items = list(range(size))
    whole = drawn(items, 0, start + count, seed)
    assert drawn(items, start, count, seed) == whole[start:]
    for turn in range((start + count) // size):
        assert sorted(whole[turn * size : (turn + 1) * size]) == items


def test_prompts_that_are_too_long_are_counted_and_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tokenizer = train_tokenizer(["abc"], 110)
    rows = [{"prompt": "x" * size} for size in (3, 20, 10, 21, 19)]
    task = load_table(DataConfig(lines(tmp_path / "f.jsonl", rows)), "practice")
    capsys.readouterr()

    def lengths(left: TableTask) -> list[int]:
        return [len(record.prompt.text) for record in left.splits["train"]]

    assert lengths(fitted(task, tokenizer, 21)) == [3, 20, 10, 19]
    told = capsys.readouterr().err
    assert "1 of 5 prompts of the train split have more than 20 tokens (the first is " in told
    assert "f.jsonl:4 with 21): left out" in told
    assert lengths(fitted(task, tokenizer, 64, 10)) == [3, 10]
    assert lengths(fitted(task, tokenizer, 64)) == [3, 20, 10, 21, 19]
    with pytest.raises(InputError, match=r"5 of 5 prompts .* none is left"):
        fitted(task, tokenizer, 3)


@pytest.mark.parametrize("name", USUAL["answer"])
@pytest.mark.parametrize("empty", [None, "", "absent"])
def test_imitation_needs_no_gold_answer(tmp_path: Path, name: str, empty: str | None) -> None:
    chat = {"messages": CHAT}
    rows: list[dict[str, Any]] = [chat if empty == "absent" else chat | {name: empty}, chat | {name: "7"}]
    if "." in name:
        outer, inner = name.split(".")
        rows = [chat | {outer: {inner: "7"}}, chat | {outer: None}]
    config = DataConfig(lines(tmp_path / "f.jsonl", rows))
    assert len(load_table(config, "imitation").lessons()) == 2
    with pytest.raises(InputError, match=r"column '.*' is empty"):
        load_table(config, "practice")
    with pytest.raises(InputError, match=r"column '.*' is empty"):
        load_table(replace(config, answer=name), "imitation")


OWN = """class Own:
    def prompts(self, split, count, seed): return ["p"] * count
    def score(self, prompts, texts): return [0.0] * len(texts)
"""


@pytest.mark.parametrize("name", [*TASKS, *ASKED, "rows", "own.py:Own", "reasoning_gym:chain_sum"])
@pytest.mark.parametrize("flag", ["settings.max_terms=3", "partial=true", "format.answer=boxed"])
def test_a_setting_of_a_task_is_used_or_refused(tmp_path: Path, name: str, flag: str) -> None:
    if name.startswith("reasoning_gym:"):
        pytest.importorskip("reasoning_gym")
    (tmp_path / "own.py").write_text(OWN)
    spec = {"rows": TaskConfig.name, "own.py:Own": f"{tmp_path}/own.py:Own"}.get(name, name)
    takes_file = name in ASKED or name == "rows"
    data = DataConfig(lines(tmp_path / "f.jsonl", questions(1, 2)) if takes_file else None)
    config = load(TaskConfig, None, [f"--name={spec}", f"--{flag}"])
    setting = flag.partition(".")[0].partition("=")[0]
    used: dict[str, tuple[str, ...]] = {
        "settings": ("reasoning_gym:",),
        "partial": ("reasoning_gym:",),
    }
    used["format"] = ("reasoning_gym:", *ASKED)
    if name.startswith(used[setting]):
        assert load_task_on(config, data, "practice").prompts("train", 2, 0)
        return
    with pytest.raises(InputError, match=rf"^task\.{setting}") as caught:
        load_task_on(config, data, "practice")
    assert "\n" not in str(caught.value)


def test_a_task_of_its_own_prompts_takes_no_data(tmp_path: Path) -> None:
    path = lines(tmp_path / "f.jsonl", questions(1))
    with pytest.raises(InputError, match=r"--task jokes makes its own prompts and --data .*: drop one"):
        load_task_on(TaskConfig("jokes"), DataConfig(path), "practice")


@pytest.mark.parametrize(
    ("name", "rows", "told"),
    [
        ("gsm8k_test.jsonl", 1319, "prompt = question, answer = answer"),
        ("gsm8k_train_first1000.jsonl", 1000, "prompt = question, answer = answer"),
        ("svamp.json", 1000, "prompt = Body + Question, answer = Answer"),
        ("deepmind_mathematics.jsonl", 1500, "prompt = question, answer = answer"),
        ("reasoning_gym.jsonl", 750, "prompt = question, answer = answer"),
    ],
)
def test_published_sets_are_read_as_they_are(
    name: str, rows: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if not (SHARED / name).is_file():
        pytest.skip(f"the data set {name} is not on this machine")
    task = load_table(DataConfig(SHARED / name), "examination")
    assert capsys.readouterr().err.startswith(f"practicum: {name}: {rows} rows; {told}\n")
    prompts = task.prompts("test", 10_000, 0)
    assert len(prompts) == rows
    if name.startswith("gsm8k"):
        assert all(float(prompt.data["answer"]).is_integer() for prompt in prompts)
