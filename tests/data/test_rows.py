"""One reader of rows: every format gives the same values, and a bad row is named by file and number."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from practicum.data import rows as reading
from practicum.data.rows import read_rows
from practicum.errors import InputError

on_disk = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
# Of the characters of category C, texts of Parquet and JSON hold all but surrogates.
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12)
messages = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant"]), "content": texts}),
    min_size=1,
    max_size=3,
)
tables = st.lists(
    st.fixed_dictionaries(
        {
            "prompt": texts,
            "answer": st.integers(-(2**40), 2**40),
            "score": st.none() | st.floats(-1e6, 1e6),
            "right": st.booleans(),
            "messages": messages,
        }
    ),
    min_size=1,
    max_size=5,
)
Rows = Sequence[Mapping[str, Any]]


def as_jsonl(rows: Rows) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def as_json(rows: Rows) -> bytes:
    return json.dumps(list(rows), indent=1).encode()


def as_parquet(rows: Rows) -> bytes:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    sink = pyarrow.BufferOutputStream()
    parquet.write_table(pyarrow.Table.from_pylist(list(rows)), sink)
    return bytes(sink.getvalue().to_pybytes())


def as_csv(rows: Rows, delimiter: str = ",") -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


FORMATS: Mapping[str, Callable[[Rows], bytes]] = {
    "r.jsonl": as_jsonl,
    "r.ndjson": as_jsonl,
    "lines.json": as_jsonl,
    "r.json": as_json,
    "held.json": lambda rows: b'{"version": 1, "data": ' + as_json(rows) + b"}",
    "marked.jsonl": lambda rows: b"\xef\xbb\xbf" + as_jsonl(rows),
    "r.parquet": as_parquet,
    "r.jsonl.gz": lambda rows: gzip.compress(as_jsonl(rows)),
    "r.json.gz": lambda rows: gzip.compress(as_json(rows)),
    "noending": as_jsonl,
}


def values(path: Path) -> list[dict[str, Any]]:
    return [dict(row.values) for row in read_rows(path)]


@on_disk
@given(rows=tables)
def test_every_format_gives_back_the_same_rows(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    for name, write in FORMATS.items():
        (tmp_path / name).write_bytes(write(rows))
        assert values(tmp_path / name) == rows, name


@on_disk
@given(rows=st.lists(st.fixed_dictionaries({"prompt": texts, "answer": texts}), min_size=1, max_size=5))
def test_tables_of_text_are_alike_as_csv_and_tsv(tmp_path: Path, rows: list[dict[str, str]]) -> None:
    written = {"r.csv": as_csv(rows), "r.tsv": as_csv(rows, "\t"), "r.jsonl": as_jsonl(rows)}
    for name, content in written.items():
        (tmp_path / name).write_bytes(content)
        assert values(tmp_path / name) == rows, name


@pytest.mark.parametrize(("sign", "name"), [(";", "semicolons"), ("\t", "tabs"), ("|", "vertical bars")])
def test_other_separators_than_commas_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], sign: str, name: str
) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(
        sign.join(["prompt", " answer", '" "']) + "\n" + sign.join(["What, then?", "4", "x"]) + "\n"
    )
    assert values(path) == [{"prompt": "What, then?", "answer": "4", " ": "x"}]
    assert f"rows.csv: its columns are separated by {name}" in capsys.readouterr().err


arguments = st.dictionaries(
    st.sampled_from(["city", "a", "b"]), st.integers(-9, 9) | texts, min_size=1, max_size=2
)


@on_disk
@given(calls=st.lists(arguments, min_size=1, max_size=4))
def test_what_arrow_puts_into_messages_and_tools_is_taken_out(
    tmp_path: Path, calls: list[dict[str, Any]]
) -> None:
    """A column of Arrow has every field of all its rows, null where a row has none."""
    kinds = {name: {type(call[name]) for call in calls if name in call} for name in ("city", "a", "b")}
    # A column of Arrow has one type a field.
    calls = [
        {name: str(value) if len(kinds[name]) > 1 else value for name, value in call.items()}
        for call in calls
    ]
    rows = [
        {
            "messages": [
                {"role": "user", "content": "q"},
                {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": call}}]},
            ],
            "tools": [{"type": "function", "function": {"name": "f", "parameters": {"properties": call}}}],
            "score": None,
        }
        for call in calls
    ]
    (tmp_path / "r.parquet").write_bytes(as_parquet(rows))
    found = values(tmp_path / "r.parquet")
    assert [row["tools"] for row in found] == [row["tools"] for row in rows]
    assert [row["messages"] for row in found] == [row["messages"] for row in rows]
    assert [row["score"] for row in found] == [None] * len(rows)
    kept = [{"messages": [{"role": "user", "content": None, "arguments": {"a": None}}]}]
    (tmp_path / "r.jsonl").write_bytes(as_jsonl(kept))
    assert values(tmp_path / "r.jsonl") == kept, "a null that somebody wrote stays"


def test_standard_input_is_read_by_its_content(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"prompt": "a", "answer": "1"}, {"prompt": "b", "answer": "2"}]
    for write in (as_jsonl, as_json, as_csv, as_parquet):
        reading._standard_input.cache_clear()
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(write(rows))))
        found = read_rows(Path("-"))
        assert [dict(row.values) for row in found] == rows
        assert found[0].origin.startswith("stdin:")
    reading._standard_input.cache_clear()


@pytest.mark.parametrize("again", [1, 2])
def test_a_pipe_is_read_once_and_kept(again: int) -> None:
    """As with the shell's `--data <(command)`: whoever asks a second time gets the same rows, not none."""
    out, into = os.pipe()
    os.write(into, b'{"a": 1}\n' * again)
    os.close(into)
    path = Path(f"/dev/fd/{out}")
    try:
        found = read_rows(path)
        assert len(found) == again
        assert read_rows(path) == found
    finally:
        os.close(out)


@pytest.mark.parametrize("splits", [False, True])
def test_a_saved_folder_of_datasets_is_read(tmp_path: Path, splits: bool) -> None:
    datasets = pytest.importorskip("datasets")
    rows = [{"prompt": f"p{n}", "messages": [{"role": "user", "content": "x"}]} for n in range(5)]
    whole = datasets.Dataset.from_list(rows)
    saved = datasets.DatasetDict({"train": whole, "test": whole.select([0, 1])}) if splits else whole
    saved.save_to_disk(str(tmp_path / "set"))
    found = read_rows(tmp_path / "set")
    assert [dict(row.values) for row in found[:5]] == rows
    assert [row.split for row in found] == (["train"] * 5 + ["test"] * 2 if splits else [""] * 5)


@pytest.mark.parametrize("name", ["dataset_info.json", "dataset_infos.json", "meta.json", "._rows.jsonl"])
@pytest.mark.parametrize("data", ["train.json", "data/test.jsonl", "rows.csv"])
def test_what_describes_a_folder_is_no_row_of_it(tmp_path: Path, name: str, data: str) -> None:
    for folder in (tmp_path, tmp_path / "data"):
        folder.mkdir(exist_ok=True)
        (folder / name).write_text('{"description": "", "features": {"prompt": {"dtype": "string"}}}')
    with pytest.raises(InputError, match="no data file in it"):
        read_rows(tmp_path)
    (tmp_path / data).write_bytes((as_csv if data.endswith("csv") else as_jsonl)([{"prompt": "a"}]))
    assert values(tmp_path) == [{"prompt": "a"}]


def test_a_folder_of_files_has_the_splits_that_they_name(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train-00000-of-00001.parquet").write_bytes(as_parquet([{"prompt": "a"}]))
    (tmp_path / "data" / "test-00000-of-00001.parquet").write_bytes(as_parquet([{"prompt": "b"}]))
    (tmp_path / "README.md").write_text("no rows")
    assert [(row.split, row.values["prompt"]) for row in read_rows(tmp_path)] == [
        ("test", "b"),
        ("train", "a"),
    ]


def write_all(folder: Path, names: Sequence[str]) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(as_jsonl([{"prompt": name}]))


@pytest.mark.parametrize(
    ("name", "split"),
    [
        *(("eval.jsonl", "test"), ("training.jsonl", "train"), ("testing.jsonl", "test")),
        *(("test_run/train.jsonl", "train"), ("test/rows.jsonl", "test"), ("test_run/rows.jsonl", "")),
        *(("test/train/a.jsonl", "train"), ("latest.jsonl", "")),
    ],
)
def test_a_files_own_name_says_its_split_before_its_folders_do(tmp_path: Path, name: str, split: str) -> None:
    write_all(tmp_path, [name])
    [row] = read_rows(tmp_path)
    assert row.split == split
    assert reading.files_by_split(tmp_path, [row]) == f"{split or 'no split named'}: {name}"


@pytest.mark.parametrize(
    ("names", "first", "second"),
    [
        (["main/train-0.jsonl", "socratic/train-0.jsonl"], "main/train-0.jsonl", "socratic/train-0.jsonl"),
        (["train_sft.jsonl", "test.jsonl", "train_prefs.jsonl"], "train_prefs.jsonl", "train_sft.jsonl"),
    ],
)
def test_files_of_several_sets_are_not_mixed(
    tmp_path: Path, names: list[str], first: str, second: str
) -> None:
    write_all(tmp_path, names)
    with pytest.raises(InputError, match=f"{first} and {second} are train rows of different sets: name the"):
        read_rows(tmp_path)


def test_pieces_of_one_split_are_one_set(tmp_path: Path) -> None:
    names = [
        "data/train-00000-of-00003-a09b74b3ef9c3b56.jsonl",
        "data/train-00001-of-00003-0cd3ff21beadfe12.jsonl",
        "data/train-00000-of-00002.jsonl",
        "data/train-00001-of-00002.jsonl",
        "train_part3.jsonl",
        "a.jsonl",
    ]
    write_all(tmp_path, [*names, ".cache/b.jsonl", "b.jsonl"])
    assert sorted(row.values["prompt"] for row in read_rows(tmp_path)) == sorted([*names, "b.jsonl"])


def test_an_object_of_json_is_a_row_unless_it_only_holds_rows(tmp_path: Path) -> None:
    path, rows = tmp_path / "r.json", [{"question": "a"}, {"question": "b"}]
    for held, found in (
        ({"question": "q", "examples": rows}, [("", {"question": "q", "examples": rows})]),
        ({"version": "1", "data": rows}, [("", row) for row in rows]),
        ({"train": rows[:1], "test": rows[1:]}, [("train", rows[0]), ("test", rows[1])]),
    ):
        path.write_text(json.dumps(held))
        assert [(row.split, row.values) for row in read_rows(path)] == found
    assert [row.origin for row in read_rows(path)] == [f"{path}: train row 1", f"{path}: test row 1"]
    path.write_text(json.dumps({"data": rows, "rows": rows}))
    with pytest.raises(InputError, match=r"r\.json: holds rows under data and rows: leave the array"):
        read_rows(path)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("r.jsonl", b'{"a": 1}\n\n{"a": \n', "r.jsonl:3: no JSON object"),
        ("r.jsonl", b'{"a": 1}\n[1]\n', "r.jsonl:2: expected a JSON object, got list"),
        ("r.jsonl", b'{"a": 1}\n{"a": "\xff"}\n', "r.jsonl:2: no UTF-8 text"),
        ("r.json", b'{"a": 1}\n{"a": \n', "r.json:2: no JSON object"),
        ("r.json", b'[{"a": 1}, 2]', "r.json: row 2: expected an object, got int"),
        ("r.json", b'[{"a": 1},', "r.json: no JSON"),
        ("r.json", b"[" * 100_000, "r.json: no JSON"),
        ("r.json", b"3", "r.json: expected an array of objects, got int"),
        ("r.csv", b"a,b\n1,2\n1\n", "r.csv:3: expected 2 cells as in the header, got 1"),
        ("r.csv", b'a,b\n"1\n\n",2\n1,2,3\n', "r.csv:5: expected 2 cells as in the header, got 3"),
        ("r.csv", b'a,b\n"1,2\n', "r.csv:2: no CSV row"),
        ("r.csv", b"a,a\n1,2\n", "r.csv:1: the header names column 'a' more than once"),
        ("r.csv", b"a,b\n1,2\n\xff,2\n", "r.csv:3: no UTF-8 text"),
        ("r.parquet", b"text", "r.parquet: not a Parquet file"),
        ("r.jsonl.gz", b"\x1f\x8btext", "r.jsonl.gz: damaged gzip file"),
        ("r.jsonl", b"\n", "r.jsonl: holds no rows"),
        ("r.csv", b"a,b\n", "r.csv: holds no rows"),
        ("r.xlsx", b"PK\x03", "r.xlsx: no format of rows that is known here"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_rows(tmp_path / name)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_files_and_empty_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.jsonl: cannot be read: No such file"):
        read_rows(tmp_path / "none.jsonl")
    with pytest.raises(InputError, match="no folder of `datasets`, and no data file in it"):
        read_rows(tmp_path)


@on_disk
@given(rows=tables, place=st.integers(0, 4), broken=st.sampled_from(["{", "[1]", "null", '"x"', "nothing"]))
def test_the_first_bad_line_is_named(
    tmp_path: Path, rows: list[dict[str, Any]], place: int, broken: str
) -> None:
    lines = [json.dumps(row) for row in rows]
    place = min(place, len(lines))
    lines.insert(place, broken)
    (tmp_path / "r.jsonl").write_text("\n".join(lines) + "\n{again broken\n")
    with pytest.raises(InputError) as caught:
        read_rows(tmp_path / "r.jsonl")
    assert str(caught.value).startswith(f"{tmp_path / 'r.jsonl'}:{place + 1}: ")
