"""Any JSON row is read or refused in one line: the row readers on rows that nobody would write."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from practicum.data.columns import USUAL, find_columns
from practicum.data.config import DataConfig
from practicum.data.preferences import label_of, ranking_of
from practicum.data.records import record_of
from practicum.data.rows import Row
from practicum.errors import InputError
from practicum.tasks.table import load_table

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
