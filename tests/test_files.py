"""The one reader of JSON lines: whatever stands in a file, rows or one line that names file and line."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from practicum.errors import InputError
from practicum.files import read_jsonl, read_rows

PACKAGE = Path(__file__).parents[1] / "practicum"
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
OBJECTS = st.dictionaries(st.text(), VALUES, max_size=4)
ANY_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@ANY_FOLDER
@given(
    rows=st.lists(OBJECTS, max_size=5),
    plain=st.booleans(),
    ending=st.sampled_from([b"\n", b"\r\n", b"\n\n", b"\n \n"]),
    mark=st.sampled_from([b"", b"\xef\xbb\xbf"]),
    last=st.booleans(),
)
def test_objects_come_back_with_their_lines(
    tmp_path: Path, rows: list[dict[str, object]], plain: bool, ending: bytes, mark: bytes, last: bool
) -> None:
    path = tmp_path / "rows.jsonl"
    lines = [json.dumps(row, ensure_ascii=plain).encode("utf-8", "surrogatepass") for row in rows]
    path.write_bytes(mark + ending.join(lines) + (ending if last else b""))
    found = list(read_jsonl(path))
    step = ending.count(b"\n")
    assert [row for _, row in found] == rows
    assert [number for number, _ in found] == [1 + step * place for place in range(len(rows))]
    assert read_rows(path) == rows


@ANY_FOLDER
@given(
    good=st.integers(0, 3),
    bad=st.one_of(
        st.binary(min_size=1).filter(lambda data: b"\n" not in data and data.strip() != b""),
        VALUES.filter(lambda value: not isinstance(value, dict)).map(
            lambda value: json.dumps(value).encode()
        ),
        st.sampled_from([b"[" * 100_000, b"9" * 5000, b'{"a": "\xff"}', b"{", b'{"a": 1}{"a": 2}']),
    ),
    advice=st.sampled_from(["", "restore it"]),
)
def test_a_bad_line_is_named_in_one_line(tmp_path: Path, good: int, bad: bytes, advice: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"a": 1}\n' * good + bad + b"\n")
    try:
        if isinstance(json.loads(bad.decode("utf-8-sig" if good == 0 else "utf-8")), dict):
            return
    except (ValueError, RecursionError):
        pass
    with pytest.raises(InputError) as caught:
        list(read_jsonl(path, advice=advice))
    said = str(caught.value)
    assert said.startswith(f"{path}:{good + 1}: ")
    assert said.endswith(f"; {advice}" if advice else "")
    assert "\n" not in said


def test_a_file_that_cannot_be_read_and_a_blank_line_that_may_not_be_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.jsonl: cannot be read: No such file"):
        read_rows(tmp_path / "none.jsonl")
    with pytest.raises(InputError, match="cannot be read: Is a directory"):
        read_rows(tmp_path)
    (tmp_path / "a.jsonl").write_bytes(b'{"a": 1}\n\n{"a": 2}\n')
    assert [number for number, _ in read_jsonl(tmp_path / "a.jsonl")] == [1, 3]
    with pytest.raises(InputError, match=r"a\.jsonl:2: no JSON object"):
        list(read_jsonl(tmp_path / "a.jsonl", skip_blank=False))


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.stem)
def test_no_module_reads_lines_of_json_on_its_own(path: Path) -> None:
    if path.name != "files.py":
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"json\.loads\(line\b|map\(json\.loads", text), path
