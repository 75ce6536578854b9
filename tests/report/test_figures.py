"""Pictures: what is drawn is what was measured, and the README's picture comes from the same code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from practicum.errors import InputError
from practicum.report.figures import (
    Curve,
    line_chart,
    moving_average,
    spread,
    stage_curves,
    write_learning_curve,
)
from practicum.report.runs import read_run

values = st.lists(st.floats(-10, 10), min_size=1, max_size=40)


@given(values, st.sampled_from([1, 3, 5, 9]))
def test_a_moving_average_stays_within_the_values_and_keeps_lines_straight(
    row: list[float], window: int
) -> None:
    averaged = moving_average(row, window)
    assert len(averaged) == len(row)
    assert min(row) - 1e-9 <= min(averaged) <= max(averaged) <= max(row) + 1e-9
    line = [2.0 * step for step in range(len(row))]
    assert moving_average(line, window) == pytest.approx(line)


def test_the_spread_covers_the_steps_all_repeats_have() -> None:
    steps, rows = spread([[(1, 0.0), (2, 1.0), (3, 2.0)], [(2, 5.0), (3, 4.0)]], 1)
    assert steps == [2, 3]
    assert rows == [(1.0, 5.0), (2.0, 4.0)]


def test_a_band_is_drawn_for_several_seeds_only() -> None:
    one = Curve("true", [[(step, 0.1 * step) for step in range(5)]])
    two = Curve("true", [*one.repeats, [(step, 0.2 * step) for step in range(5)]])
    words: dict[str, Any] = {"description": "d", "y_label": "y", "x_label": "x"}
    assert "FillBetween" not in line_chart("a", [one], **words)
    assert "FillBetween" in line_chart("a", [two], **words)


def test_pictures_follow_the_pages_colours() -> None:
    svg = line_chart("a", [Curve("c", [[(1, 0.5), (2, 0.7)]])], description="d", y_label="y", x_label="x")
    assert "var(--series-0)" in svg
    assert "#2563b0" not in svg


def test_the_curve_shows_the_logged_numbers(demo_run: Path) -> None:
    run = read_run(demo_run)
    (curve,) = stage_curves([run], "rl", "reward")
    assert list(curve.repeats[0]) == [(int(row["step"]), row["reward"]) for row in run.stages["rl"].metrics]


@pytest.mark.parametrize(("suffix", "start"), [("svg", b"<?xml"), ("png", b"\x89PNG")])
def test_the_readmes_picture(demo_run: Path, tmp_path: Path, suffix: str, start: bytes) -> None:
    target = tmp_path / "pictures" / f"curve.{suffix}"
    assert write_learning_curve([demo_run], target) == target
    assert target.read_bytes().startswith(start)


def test_the_readmes_picture_refuses_what_it_cannot_draw(demo_run: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"\.svg or \.png"):
        write_learning_curve([demo_run], tmp_path / "curve.gif")
    with pytest.raises(InputError, match="at least one run"):
        write_learning_curve([], tmp_path / "curve.svg")
