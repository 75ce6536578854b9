"""Traces: what is read, how gaps are told and filled, how days are split, and each bad input in one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from practicum.applications.cloud.data import (
    DataConfig,
    Trace,
    episode_starts,
    load_trace,
    read_trace,
    split_by_time,
)
from practicum.applications.cloud.generator import GeneratorConfig, generate
from practicum.applications.cloud.prices import TABLE, find_instance, read_prices
from practicum.errors import InputError

SHARED = Path(__file__).parents[2].parent / "shared" / "data"
START = np.datetime64("2024-03-01T00:00:00")


def written(folder: Path, rows: list[str], header: str = "timestamp,requests") -> Path:
    path = folder / "trace.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def row(second: int, value: object) -> str:
    return f"{START + np.timedelta64(second, 's')},{value}".replace("T", " ")


@given(
    st.lists(st.integers(0, 10**6), min_size=4, max_size=60),
    st.sampled_from([10, 30, 60, 300, 3600]),
)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_a_trace_keeps_every_request(tmp_path: Path, counts: list[int], step: int) -> None:
    trace = read_trace(written(tmp_path, [row(step * at, count) for at, count in enumerate(counts)]))
    if step >= 60:
        assert trace.requests_T.sum() == pytest.approx(sum(counts))
        assert len(trace.requests_T) == len(counts) * step // 60
    assert trace.known_T.all()
    assert trace.first == np.datetime64("2024-03-01T00:00", "m") or step < 60


@given(st.integers(1, 30), st.sampled_from(["-3", "many", "nan", "inf", "", "-0.5"]))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_a_number_that_is_none_is_told_by_row_and_column(tmp_path: Path, at: int, cell: str) -> None:
    rows = [row(60 * place, 7) for place in range(40)]
    rows[at] = row(60 * at, cell)
    with pytest.raises(InputError) as told:
        read_trace(written(tmp_path, rows))
    assert f"row {at + 2}, column 'requests'" in str(told.value)
    assert "\n" not in str(told.value)
    if cell.startswith("-"):
        assert "cannot be negative" in str(told.value)


@given(st.integers(1, 38), st.integers(0, 60))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_times_out_of_order_are_told_by_row_and_column(tmp_path: Path, at: int, back: int) -> None:
    rows = [row(60 * place, 7) for place in range(40)]
    rows[at] = row(60 * (at - 1) - back, 7)
    with pytest.raises(InputError, match=rf"row {at + 2}, column 'timestamp'.*row above"):
        read_trace(written(tmp_path, rows))


@pytest.mark.parametrize(
    ("rows", "header", "told"),
    [
        (["yesterday,3", "today,4"], "timestamp,requests", "row 2, column 'timestamp'.*seconds since 1970"),
        ([row(0, 1)], "timestamp,requests", "at least two rows"),
        ([row(0, 1), row(60, 2)], "when,requests", "no column for the time.*--data.time"),
        ([row(0, 1), row(60, 2)], "timestamp,people", "no column for the requests.*--data.requests"),
        ([row(0, 1), row(60, "2,3")], "timestamp,requests", "row 3: expected 2 cells"),
    ],
)
def test_bad_files_get_one_line(tmp_path: Path, rows: list[str], header: str, told: str) -> None:
    with pytest.raises(InputError, match=told) as error:
        read_trace(written(tmp_path, rows, header))
    assert str(error.value).startswith(str(tmp_path))


def test_a_missing_file_and_a_named_column_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_trace(tmp_path / "none.csv")
    with pytest.raises(InputError, match="no column 'hits'; it has timestamp, requests"):
        read_trace(written(tmp_path, [row(0, 1), row(60, 2)]), requests="hits")


def test_columns_are_mapped_and_seconds_since_1970_are_read(tmp_path: Path) -> None:
    rows = [f"x,{1_700_000_040 + 60 * place},{place}" for place in range(5)]
    trace = read_trace(written(tmp_path, rows, "name,t,n"), time="t", requests="n")
    assert trace.requests_T.tolist() == [0, 1, 2, 3, 4]
    assert trace.first == np.datetime64(1_700_000_040 // 60, "m")


@pytest.mark.parametrize(
    ("cell", "minute"),
    [
        ("2024-03-01T01:00:00Z", 60),
        ("2024-03-01 02:00:00+01:00", 60),
        ("2024-03-01 01:00", 60),
        ("2024-03-01 01:00:00.1234567", 60),
        (str(1_709_251_200 + 3600), 60),
        (str((1_709_251_200 + 3600) * 1000), 60),
    ],
)
def test_times_are_read_as_they_are_usually_written(tmp_path: Path, cell: str, minute: int) -> None:
    trace = read_trace(written(tmp_path, [f"{cell},1", row(60 * (minute + 1), 2)]))
    assert trace.first == START.astype("datetime64[m]") + minute
    assert trace.requests_T.tolist() == [1, 2]


@pytest.mark.parametrize("cell", ["NaT", "nan", "12", "2024-13-01 00:00", "1e300", ""])
def test_a_time_that_is_none_is_told(tmp_path: Path, cell: str) -> None:
    with pytest.raises(InputError, match="row 2, column 'timestamp': expected a date and time"):
        read_trace(written(tmp_path, [f"{cell},1", row(60, 2)]))


def test_a_short_gap_is_filled_and_a_long_one_leaves_its_days_out(tmp_path: Path) -> None:
    missing = {*range(100, 110), *range(3 * 1440, 3 * 1440 + 90)}
    rows = [row(60 * at, at % 7) for at in range(8 * 1440) if at not in missing]
    trace = read_trace(written(tmp_path, rows))
    assert "100 minutes are missing in 2 gaps (longest 90)" in " ".join(trace.notes)
    assert np.allclose(trace.requests_T[99:111], np.linspace(99 % 7, 110 % 7, 12))
    assert episode_starts(trace, 1440).tolist() == [1440 * day for day in (0, 1, 2, 4, 5, 6, 7)]
    split = split_by_time(trace, 1440)
    assert [len(part) for part in (split.train, split.validation, split.test)] == [5, 1, 1]
    assert split.train.max() < split.validation.min() < split.test.min()


def test_too_short_a_trace_says_what_to_do() -> None:
    trace = Trace("short", np.ones(4 * 1440), np.ones(4 * 1440, dtype=bool), START.astype("datetime64[m]"))
    with pytest.raises(InputError, match=r"expected at least 5.*data.episode_minutes"):
        split_by_time(trace, 1440)


def test_a_language_models_log_weighs_requests_by_their_tokens(tmp_path: Path) -> None:
    rows = [
        f"2023-11-16 18:{15 + at // 60:02d}:{at % 60:02d}.5000000,{100 + at},{at % 5}" for at in range(600)
    ]
    trace = read_trace(written(tmp_path, rows, "TIMESTAMP,ContextTokens,GeneratedTokens"))
    assert len(trace.requests_T) == 8
    assert trace.requests_T.mean() == pytest.approx(60, rel=0.05)
    assert (np.diff(trace.requests_T) > 0).all()
    assert "weighed by their tokens" in trace.notes[0]


def test_the_generator_repeats_itself_and_has_its_events() -> None:
    config = GeneratorConfig(days=14)
    requests = generate(config, 3)
    assert (requests == generate(config, 3)).all()
    assert (requests != generate(config, 4)).any()
    quiet = generate(
        GeneratorConfig(days=14, bursts_per_day=0, flash_crowds_per_week=0, outages_per_week=0), 3
    )
    assert requests.max() > 1.5 * quiet.max()
    by_hour = quiet.reshape(14, 24, 60).mean((0, 2))
    assert by_hour.max() > 2.5 * by_hour.min()


@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data is not here")
def test_real_traces_are_read() -> None:
    nasa = load_trace(DataConfig(file=SHARED / "web_traces/nasa_http_requests_per_minute.csv"), 0)
    assert nasa.requests_T[nasa.known_T].sum() == 3_461_565
    assert len(episode_starts(nasa, 1440)) == 58
    balancer = read_trace(SHARED / "nab/elb_request_count_8c0756.csv")
    assert balancer.known_T.all()
    assert "5 minutes apart" in balancer.notes[0]


def test_prices_are_read_and_bad_ones_told(tmp_path: Path) -> None:
    path = tmp_path / "prices.csv"
    path.write_text("instance_type,family,vcpu,ondemand_usd_h\na1.tiny,x,2,0.05\n")
    assert find_instance("a1.tiny", path).dollars_per_hour == 0.05
    assert find_instance("c6i.large") in TABLE
    for line, told in (
        ("a1.tiny,x,2,-1", "row 2, column 'price'.*above 0"),
        ("a1.tiny,x,1.5,1", "row 2, column 'vcpu'.*whole"),
        (",x,1,1", "row 2, column 'instance_type'"),
        ("a1.tiny,x", "row 2: expected 4 cells"),
    ):
        path.write_text(f"instance_type,family,vcpu,ondemand_usd_h\n{line}\n")
        with pytest.raises(InputError, match=told):
            read_prices(path)
