"""Lines by their offsets, against the same text split as a whole."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from practicum.report.dashboard import lines


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "rows.jsonl"


TEXTS = st.lists(st.binary(max_size=12).map(lambda part: part.replace(b"\r", b"")), max_size=12).map(
    b"\n".join
)


@settings(max_examples=150)
@given(data=TEXTS, block=st.integers(1, 40), share=st.floats(0, 1), count=st.integers(1, 6))
def test_whole_lines_are_found_in_both_directions(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, block: int, share: float, count: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "lines.jsonl"
    path.write_bytes(data)
    whole, offset = [], 0
    for part in data.split(b"\n")[:-1]:
        whole.append((offset, part))
        offset += len(part) + 1
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines, "BLOCK", block)
        assert list(lines.forward(path)) == whole
        assert list(lines.backward(path)) == whole[::-1]
        if whole:
            place = whole[int(share * (len(whole) - 1))][0]
            assert list(lines.forward(path, place)) == [one for one in whole if one[0] >= place]
            assert list(lines.backward(path, end=place)) == [one for one in whole if one[0] < place][::-1]
            assert list(lines.backward(path, start=place)) == [one for one in whole if one[0] >= place][::-1]
        spread = lines.spread_rows(path, count)
        rows = [row for _, line in whole if (row := lines.row_of(line)) is not None]
        assert all(row in rows for row in spread)


@settings(max_examples=60)
@given(
    steps=st.lists(st.integers(0, 30), max_size=60).map(sorted),
    wanted=st.integers(-1, 32),
    block=st.integers(1, 200),
)
def test_a_step_is_found_by_halving(
    tmp_path_factory: pytest.TempPathFactory, steps: list[int], wanted: int, block: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "steps.jsonl"
    rows = [json.dumps({"step": step, "text": "x" * (step % 7)}) + "\n" for step in steps]
    path.write_text("".join(rows))
    place = next((number for number, step in enumerate(steps) if step >= wanted), len(steps))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines, "BLOCK", block)
        assert lines.first_from(path, wanted) == len("".join(rows[:place]))


def test_a_line_longer_than_any_row_is_no_row(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "LONGEST", 32)
    file.write_text(json.dumps({"step": 1, "text": "x" * 200}) + "\n" + json.dumps({"step": 2}) + "\n")
    found = [lines.row_of(line) for _, line in lines.forward(file)]
    assert found == [None, {"step": 2}]


@pytest.mark.parametrize(
    "line", [b"", b"{", b"[1]", b"\xff{}", b"[" * 100_000, b'{"a": 1' + b"0" * 5000 + b"}"]
)
def test_what_is_no_object_is_no_row(line: bytes) -> None:
    assert lines.row_of(line) is None


def test_files_that_are_not_there_have_nothing(file: Path) -> None:
    assert [*lines.forward(file), *lines.backward(file), *lines.spread_rows(file, 3)] == []
    assert lines.last_row(file) is None
    assert lines.ends_whole(file)
