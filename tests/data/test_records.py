"""Any JSON row is read or refused in one line: the row readers on rows that nobody would write."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from practicum.data.columns import find_columns
from practicum.data.config import DataConfig
from practicum.data.names import USUAL
from practicum.data.preferences import label_of, ranking_of
from practicum.data.records import final_answer, record_of
from practicum.data.rows import Row
from practicum.errors import InputError
from practicum.tasks.table import load_table
from practicum.types import Demonstration

VALUES = st.one_of(
    *(st.none(), st.booleans(), st.integers(), st.floats(), st.sampled_from(["", " ", "a", "7", "\ud800"])),
    st.sampled_from(["\n\nHuman: a\n\nAssistant: b", "[{", '[{"role": "user", "content": "x"}]', "[{}]"]),
)
ROLES = st.sampled_from(["system", "user", "assistant", "tool", "human", "gpt", "judge"])
MESSAGES = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            **{"role": ROLES | VALUES, "content": st.just("x") | VALUES, "from": ROLES, "value": VALUES},
            **{"tool_calls": VALUES, "text": VALUES, "rank": VALUES, "score": VALUES},
        },
    )
    | st.fixed_dictionaries({"role": ROLES, "content": st.just("x")})
    | VALUES,
    max_size=4,
)
JSON = st.recursive(
    VALUES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=4,
)
NAMES = [name for names in USUAL.values() for name in names]
NAMES += ["responses", "ranks", "scores", "rater", "id", "prompt_id", "ranking_id", "score_chosen", "context"]
ROWS = st.dictionaries(st.sampled_from(NAMES), VALUES | MESSAGES | JSON, min_size=1, max_size=6)
CHATS = st.fixed_dictionaries(
    {"messages": MESSAGES},
    optional={
        **{"system": st.just("hi") | VALUES, "prompt": MESSAGES, "completion": MESSAGES},
        **{"chosen": MESSAGES, "rejected": MESSAGES, "tools": JSON},
    },
)


def refusal(reader: Callable[..., Any], *given: Any) -> str:
    """What the reader refuses what it is given with; empty where it reads it."""
    try:
        reader(*given)
    except InputError as error:
        return str(error)
    return ""


def as_read(reader: Callable[[Row], Any], row: Row) -> None:
    said = refusal(reader, row)
    assert not said or said.startswith("f.jsonl:7: ")
    assert "\n" not in said


@settings(max_examples=500, deadline=None)
@given(ROWS | CHATS, st.sampled_from(["last", "all"]))
def test_any_row_is_read_or_refused_by_its_number(values: dict[str, Any], turns: str) -> None:
    row = Row("f.jsonl:7", values)
    columns = find_columns([row], DataConfig())
    as_read(lambda row: ranking_of(row, columns), row)
    if columns.prompt or columns.messages or (columns.chosen and columns.rejected):
        as_read(lambda row: record_of(row, columns, turns), row)
    if columns.label and columns.completion:
        as_read(lambda row: label_of(row, columns), row)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(ROWS | CHATS, min_size=1, max_size=3), st.sampled_from(["practice", "imitation"]))
def test_any_file_is_read_or_refused_in_one_line(tmp_path: Path, rows: list[Any], use: Any) -> None:
    path = tmp_path / "f.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    said = refusal(lambda: load_table(DataConfig(path), use).lessons())
    assert not said or "f.jsonl" in said
    assert "\n" not in said


@pytest.mark.parametrize("turns", ["last", "all"])
def test_an_assistant_alone_asks_for_nothing(turns: str) -> None:
    row = Row("f.jsonl:7", {"messages": [{"role": "assistant", "content": "x"}], "system": "hi"})
    with pytest.raises(InputError, match=r"f\.jsonl:7: messages: expected messages before the assistant's"):
        record_of(row, find_columns([row], DataConfig()), turns)


def shown(values: dict[str, Any], turns: str = "last", **named: Any) -> list[Demonstration]:
    row = Row("f.jsonl:7", values)
    return list(
        record_of(row, find_columns([row], DataConfig(Path("f"), **named)), turns, shows=True).demonstrations
    )


def said(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        *(
            ("6 x 12 = 72\n#### 72", "72"),
            ("x #### 5 \n", "5"),
            ("#### 1,234,567", "1234567"),
            ("#### $1,234", "$1234"),
        ),
        *(("#### 3,5", "3,5"), ("#### (1,2)", "(1,2)"), ("#### (1,200)", "(1,200)"), ("#### A", "A")),
        *(
            (text, text)
            for text in ("#### Remark\nIt is 7", "a##### 5", "####", "1,234", "See \\boxed{5}\n\n#### Why\nx")
        ),
    ],
)
def test_only_a_last_line_is_marked_as_gsm8k_marks_answers(text: str, answer: str) -> None:
    assert final_answer(text) == answer


TURNS = [said("user", "q"), said("assistant", "a"), said("user", "q2"), said("assistant", "b")]


def test_every_answer_of_a_completion_is_imitated_after_all_before_it() -> None:
    found = shown({"prompt": TURNS[:1], "completion": TURNS[1:]})
    assert [one.completion for one in found] == ["a", "b"]
    assert [list(one.prompt.messages) for one in found] == [[], TURNS[:3]]
    calls = [{"function": {"name": "f", "arguments": '{"x": 1}'}}]
    called = {"role": "assistant", "content": None, "tool_calls": calls}
    found = shown({"prompt": "q", "completion": [called, said("tool", "3"), said("assistant", "b")]})
    assert [(one.completion, bool(one.message)) for one in found] == [("", True), ("b", False)]
    assert found[0].message["tool_calls"][0]["function"]["arguments"] == {"x": 1}
    assert [one["role"] for one in found[1].prompt.messages] == ["user", "assistant", "tool"]


@pytest.mark.parametrize("prompt", ["q", "q2", TURNS[:1], TURNS[:3]])
def test_a_completion_that_holds_the_chat_is_read_as_that_chat(prompt: Any) -> None:
    row = {"prompt": prompt, "chosen": TURNS, "rejected": TURNS[:2]}
    for turns, answers in (("last", ["b"]), ("all", ["a", "b"])):
        found = shown(row, turns, completion="chosen")
        assert [one.completion for one in found] == answers
        assert list(found[-1].prompt.messages) == TURNS[:3]


def test_a_chat_and_a_completion_that_differ_are_not_chosen_between() -> None:
    row = {"instruction": "q", "response": "a", "conversations": TURNS}
    assert [one.completion for one in shown(row, "all")] == ["a", "b"]
    other = row | {"response": "c"}
    with pytest.raises(
        InputError, match=r"f\.jsonl:7: response: shows another answer than conversations: give"
    ):
        shown(other)
    assert [one.completion for one in shown(other, completion="response")] == ["c"]
    assert [one.completion for one in shown(other, messages="conversations")][-1:] == ["b"]


def test_a_named_chat_is_the_prompt_whatever_else_is_called_prompt() -> None:
    row = Row("f.jsonl:7", {"prompt": "other", "dialogue": TURNS})
    columns = find_columns([row], DataConfig(Path("f"), messages="dialogue"))
    assert list(record_of(row, columns).prompt.messages) == TURNS[:3]


@pytest.mark.parametrize(
    "text", ['[{"name": "Ann"}]', '[{"id": 1}, {"role": 2}] or', "[]", "[1]", "[{'a': 1}]"]
)
def test_json_that_holds_no_messages_is_text(text: str) -> None:
    [found] = shown({"prompt": text, "completion": text})
    assert (found.prompt.text, found.completion, found.message) == (text, text, {})


@pytest.mark.parametrize("role", ["prompt", "completion", "messages"])
def test_a_chat_that_python_printed_is_refused_with_the_remedy(role: str) -> None:
    row = {"prompt": "p", "completion": "c"} | {role: str(TURNS)}
    with pytest.raises(
        InputError, match=rf"f\.jsonl:7: {role}: .* as Python prints it, .*: write the file as JSONL"
    ):
        shown(row)


@pytest.mark.parametrize("chat", [TURNS, [said("prompter", "q"), said("function_call", '{"name": "f"}')]])
def test_messages_that_datasets_keeps_as_json_text_are_read(chat: list[Any]) -> None:
    tools = [{"type": "function", "function": {"name": "f"}}]
    whole = {"messages": chat, "tools": tools}
    text = {name: [json.dumps(one) for one in some] for name, some in whole.items()}
    for one, other in zip(shown(whole), shown(text), strict=True):
        assert (one.prompt.messages, one.completion, one.message) == (
            other.prompt.messages,
            other.completion,
            other.message,
        )
        assert other.prompt.data["tools"] == tools


def test_what_is_left_out_or_not_read_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def table(name: str, *rows: Any, use: Any = "imitation", **named: Any) -> str:
        (tmp_path / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
        load_table(DataConfig(tmp_path / name, **named), use)
        return capsys.readouterr().err

    asked = {"messages": TURNS[:1]}
    told = table("f.jsonl", {"messages": TURNS}, asked, asked)
    assert (
        f"2 of 3 rows have no answer to imitate, or an empty one (the first is {tmp_path}/f.jsonl:2)" in told
    )
    told = table("f.jsonl", {"instruction": "q", "output": "a"}, {"instruction": "q", "output": " "})
    assert "1 of 2 rows have no answer to imitate" in told
    told = table("f.jsonl", {"question": "q", "choices": ["a"], "answer": 0}, use="practice")
    assert "f.jsonl: not read, and perhaps part of the question: choices; texts are joined" in told
    told = table("g.jsonl", {"problem": "q", "answer": "1"}, use="practice", test=tmp_path / "f.jsonl")
    assert "f.jsonl: 1 rows; prompt = question, answer = answer" in told
    with pytest.raises(InputError, match=r"data\.turns all: column 'completion' holds texts"):
        table("f.jsonl", {"prompt": "q", "completion": "a"}, turns="all")
    late = [{"prompt": "q", "reward_model": {"ground_truth": truth}} for truth in (None, "1")]
    with pytest.raises(InputError, match=r"f\.jsonl:1: column 'reward_model.ground_truth' is empty"):
        table("f.jsonl", *late, use="practice")
