"""Curves of bounded size, against all values at once."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from practicum.report.dashboard import series
from practicum.report.dashboard.lines import finite
from practicum.report.dashboard.series import BUCKETS, Curve, Series, Shelf, preview, spread

VALUES = st.one_of(
    st.floats(-1e6, 1e6), st.integers(-(10**400), 10**400), st.none(), st.booleans(), st.text(max_size=3)
)


def known(rows: list[dict[str, Any]], name: str) -> list[float]:
    return [value for row in rows if not math.isnan(value := number(row.get(name)))]


def number(value: object) -> float:
    return finite(value) if isinstance(value, (int, float)) else math.nan


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.dictionaries(st.sampled_from(["a", "b", "step"]), VALUES, max_size=3), max_size=90),
    buckets=st.sampled_from([2, 4, 16]),
    chunk=st.integers(1, 7),
    cut=st.floats(0, 1),
)
def test_curves_keep_the_extremes_and_the_mean_however_they_are_read(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[dict[str, Any]],
    buckets: int,
    chunk: int,
    cut: float,
) -> None:
    path = tmp_path_factory.getbasetemp() / "series.jsonl"
    lines = [json.dumps(row) + "\n" for row in rows]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(series, "BUCKETS", buckets)
        patch.setattr(series, "CHUNK", chunk)
        # First a part, with half a line behind it, then all: as a page sees a run that goes on.
        first = int(cut * len(lines))
        path.write_text("".join(lines[:first]) + '{"a": 12')
        kept = fresh(path, buckets)
        assert kept.extend(60)
        assert kept.rows == first
        path.write_text("".join(lines))
        assert kept.extend(60)
        once = fresh(path, buckets)
        assert once.extend(60)
        assert once.rows == kept.rows == len(rows)
        for name in ("a", "b"):
            here, there = kept.curve(name), once.curve(name)
            for one, other in zip(here.json().values(), there.json().values(), strict=True):
                assert one == other
            values = known(rows, name)
            assert len(here.steps) <= buckets
            if values:
                assert np.nanmin(here.low) == min(values)
                assert np.nanmax(here.high) == max(values)
                assert (here.low <= here.mean + 1e-6 * abs(here.mean) + 1e-9)[np.isfinite(here.mean)].all()


def fresh(path: Path, buckets: int) -> Series:
    """A series whose arrays have as many buckets as is patched."""
    empty = np.empty((0, buckets))
    counts = np.zeros((0, buckets), dtype=np.int64)
    return Series(
        path, _steps=np.full((2, buckets), np.nan), _low=empty, _high=empty, _sum=empty, _count=counts
    )


def rows_to(path: Path, count: int, first: int = 1) -> None:
    path.write_text(
        "".join(json.dumps({"step": step, "a": step}) + "\n" for step in range(first, count + first))
    )


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    sizes = []
    for count in (BUCKETS, 9 * BUCKETS):
        rows_to(path, count)
        one = Series(path)
        assert one.extend(60)
        sizes.append(sum(array.nbytes for array in (one._steps, one._low, one._high, one._sum, one._count)))
        curve = one.curve("a")
        assert len(curve.steps) <= BUCKETS
        assert curve.low[0] == 1
        assert curve.high[-1] == count
    assert sizes[0] == sizes[1]


def test_a_file_that_was_cut_or_written_anew_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    rows_to(path, 50)
    one = Series(path)
    assert one.extend(60)
    rows_to(path, 20)
    assert one.extend(60)
    assert (one.rows, one.curve("a").high.max()) == (20, 20)
    rows_to(path, 90, first=7)
    assert one.extend(60)
    assert (one.rows, one.curve("a").low.min()) == (90, 7)
    path.unlink()
    assert one.extend(60)
    assert one.rows == 0


def test_reading_takes_no_longer_than_it_may(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    rows_to(path, 4000)
    one = Series(path)
    assert not one.extend(0)
    assert 0 < one.rows < 4000
    assert 0 < one.read_share < 1
    while not one.extend(0):
        pass
    assert one.rows == 4000


def test_the_shelf_keeps_what_was_asked_for_last(tmp_path: Path) -> None:
    shelf = Shelf(most=2)
    first = shelf.series(tmp_path / "1")
    shelf.series(tmp_path / "2")
    assert shelf.series(tmp_path / "1") is first
    shelf.series(tmp_path / "3")
    assert shelf.series(tmp_path / "1") is first


def test_a_first_look_goes_through_the_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    rows_to(path, 3000)
    curve = preview(path, ["a", "absent"], 50)["a"]
    assert (curve.steps[0], curve.steps[-1]) == (1, 3000)
    assert 40 <= len(curve.steps) <= 51
    assert not curve.exact
    assert preview(path, ["absent"], 50)["absent"].json()["steps"] == []


def test_repeats_become_a_mean_with_the_lowest_and_the_highest() -> None:
    def curve(steps: list[float], values: list[float]) -> Curve:
        mean = np.array(values)
        return Curve(np.array(steps), mean, mean, mean)

    found = spread([curve([1, 2, 3], [0, 1, 2]), curve([1, 3, 5], [2, 4, 6]), curve([], [])])
    assert found.steps.tolist() == [1, 2, 3]
    assert found.mean.tolist() == [1, 2, 3]
    assert (found.low.tolist(), found.high.tolist()) == ([0, 1, 2], [2, 3, 4])
    assert spread([]).json()["steps"] == []
