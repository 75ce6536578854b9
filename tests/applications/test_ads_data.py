"""Logs: Open Bandit's files and one's own are read alike; what is wrong is named by file, row and column."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from practicum.applications.ads.columns import DataConfig
from practicum.applications.ads.data import Log, read_log
from practicum.applications.ads.generator import GeneratorConfig, generate
from practicum.errors import InputError

REAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "open_bandit"
needs_data = pytest.mark.skipif(not REAL.is_dir(), reason="no ../shared/data beside the repository")

NAMES = ["timestamp", "item_id", "position", "click", "propensity_score", "user_feature_0", "age"]
Rows = list[list[str]]


def rows(count: int = 200) -> Rows:
    """A small log in Open Bandit's format."""
    random = np.random.default_rng(0)
    return [
        [
            f"2019-11-24 {row % 24:02d}:00:03.9+00:00",
            str(random.integers(4)),
            str(1 + row % 3),
            str(int(row % 10 == 0)),
            "0.25",
            "ab"[row % 2],
            f"{random.normal():.3f}",
        ]
        for row in range(count)
    ]


def write(path: Path, table: Rows, names: list[str] = NAMES) -> Path:
    text = "\n".join([",".join(names), *(",".join(row) for row in table)]) + "\n"
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def test_a_log_is_read_gzipped_or_not(tmp_path: Path) -> None:
    plain, packed = (
        read_log(DataConfig(file=(write(tmp_path / name, rows()),))) for name in ("log.csv", "log.csv.gz")
    )
    for log in (plain, packed):
        assert len(log) == 200
        assert log.clicks == 20
        assert log.items.names == ("0", "1", "2", "3")
        assert log.features == (
            *("position = 1", "position = 2", "position = 3"),
            *("night", "morning", "afternoon", "evening"),
            *("user_feature_0 = a", "user_feature_0 = b", "age"),
        )
        assert log.contexts.features_NF[:, -1].std() == pytest.approx(1)
        assert log.notes == ()
    assert (plain.contexts.features_NF == packed.contexts.features_NF).all()


def test_columns_of_other_names_are_mapped(tmp_path: Path) -> None:
    other = ["when", "banner", "slot_no", "bought", "share", "segment", "age"]
    path = write(tmp_path / "own.csv", rows(), other)
    own = read_log(
        DataConfig(
            file=(path,),
            action="banner",
            click="bought",
            propensity="share",
            position="slot_no",
            time="when",
        )
    )
    known = read_log(DataConfig(file=(write(tmp_path / "log.csv", rows()),)))
    assert (own.contexts.features_NF == known.contexts.features_NF).all()
    assert (own.action_N == known.action_N).all()
    chosen = read_log(
        DataConfig(
            file=(path,),
            action="banner",
            click="bought",
            propensity="share",
            position="none",
            time="none",
            context=("segment",),
        )
    )
    assert chosen.features == ("segment = a", "segment = b")


WRONG = {
    "propensity_score": ["", "0", "-0.1", "1.5", "nan", "inf", "a half"],
    "click": ["", "yes", "-1", "2", "nan"],
    "position": [""],
    "item_id": [""],
    "timestamp": ["", "yesterday", "24.11.2019"],
}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_wrong_cell_is_named_by_file_row_and_column(tmp_path: Path, data: st.DataObject) -> None:
    column = data.draw(st.sampled_from(sorted(WRONG)))
    value = data.draw(st.sampled_from(WRONG[column]))
    row = data.draw(st.integers(0, 199))
    table = rows()
    table[row][NAMES.index(column)] = value
    path = write(tmp_path / "log.csv", table)
    with pytest.raises(InputError, match=rf"log\.csv:{row + 2}: column {column}") as caught:
        read_log(DataConfig(file=(path,)))
    assert "\n" not in str(caught.value)


def without(name: str) -> tuple[Rows, list[str]]:
    place = NAMES.index(name)
    return [row[:place] + row[place + 1 :] for row in rows()], [one for one in NAMES if one != name]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: without("propensity_score"), r":1: no column of the probability.* --data\.propensity"),
        (lambda: without("click"), r":1: no column of the click; name it with --data\.click"),
        (lambda: ([*rows()[:5], ["1", "2"], *rows()], NAMES), r":7: 2 cells, the line of names has 7"),
        (lambda: (rows(), [*NAMES[:-1], "click"]), r":1: the column 'click' stands there twice"),
        (lambda: (rows(20), NAMES), r"20 rows; a log needs at least 100"),
        (lambda: ([], NAMES), r"expected a line of column names and rows below it"),
        (lambda: ([[*row[:3], "0", *row[4:]] for row in rows()], NAMES), r"no click in the column click"),
        (
            lambda: ([[row[0], "7", *row[2:]] for row in rows()], NAMES),
            r"only one item in the column item_id",
        ),
    ],
)
def test_a_wrong_file_is_named(
    tmp_path: Path, make: Callable[[], tuple[Rows, list[str]]], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        read_log(DataConfig(file=(write(tmp_path / "log.csv", *make()),)))


def test_files_that_are_no_csv_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.csv: cannot be read: No such file"):
        read_log(DataConfig(file=(tmp_path / "none.csv",)))
    damaged = write(tmp_path / "log.csv.gz", rows())
    damaged.write_bytes(damaged.read_bytes()[:200])
    with pytest.raises(InputError, match=r"log\.csv\.gz: the gzip file is damaged"):
        read_log(DataConfig(file=(damaged,)))
    (tmp_path / "latin.csv").write_bytes(b"click\n\xff\n")
    with pytest.raises(InputError, match=r"latin\.csv: no UTF-8 text"):
        read_log(DataConfig(file=(tmp_path / "latin.csv",)))


def test_an_item_that_the_file_of_items_lacks_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "log.csv", rows())
    items = tmp_path / "items.csv"
    items.write_text("item_id,category\n0,a\n1,b\n2,a\n")
    row = next(number for number, cells in enumerate(rows()) if cells[1] == "3")
    with pytest.raises(InputError, match=rf"log\.csv:{row + 2}: column item_id: '3' is none of the items of"):
        read_log(DataConfig(file=(path,), items=items))
    items.write_text("item_id,category\n0,a\n1,b\n2,a\n3,b\n3,a\n")
    with pytest.raises(InputError, match=r"items\.csv:6: column item_id: item '3' stands there twice"):
        read_log(DataConfig(file=(path,), items=items))
    items.write_text("item_id,category\n0,a\n1,b\n2,a\n3,b\n")
    assert read_log(DataConfig(file=(path,), items=items)).items.category_A.tolist() == [0, 1, 0, 1]


def test_a_tiny_propensity_is_told_and_kept(tmp_path: Path) -> None:
    table = rows()
    table[41][NAMES.index("propensity_score")] = "1e-06"
    log = read_log(DataConfig(file=(write(tmp_path / "log.csv", table),)))
    assert log.propensity_N.min() == 1e-6
    assert len(log.notes) == 1
    for words in ("log.csv:43", "propensity 1e-06", "250,000", "Nothing is clipped"):
        assert words in log.notes[0]


def test_two_campaigns_are_one_log_and_must_have_the_same_columns(tmp_path: Path) -> None:
    one, two = (write(tmp_path / f"{name}.csv", rows()) for name in ("one", "two"))
    log = read_log(DataConfig(file=(one, two)))
    assert len(log) == 400
    assert log.campaign_N.sum() == 200
    write(two, rows(), [*NAMES[:-1], "height"])
    with pytest.raises(InputError, match=r"two\.csv:1: its columns are not those of .*one\.csv"):
        read_log(DataConfig(file=(one, two)))


def test_names_are_left_out_of_the_context_and_that_is_told(tmp_path: Path) -> None:
    table = [[*row, f"visitor {number}"] for number, row in enumerate(rows())]
    path = write(tmp_path / "log.csv", table, [*NAMES, "visitor"])
    log = read_log(DataConfig(file=(path,)))
    assert not any(name.startswith("visitor") for name in log.features)
    assert "column visitor is left out: 200 different texts" in log.notes[0]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000))
def test_halves_are_disjoint_and_whole(seed: int) -> None:
    log = small_log()
    one, other = log.halves(seed)
    assert len(one) + len(other) == len(log)
    assert one.clicks + other.clicks == log.clicks
    rows_of = [set(map(tuple, half.contexts.features_NF[:, -1:].tolist())) for half in (one, other)]
    assert rows_of[0] | rows_of[1] == set(map(tuple, log.contexts.features_NF[:, -1:].tolist()))


def small_log() -> Log:
    return generate(GeneratorConfig(rows=400, items=4, categories=2, rate=0.1), 3)[0]


def test_a_made_up_log_has_its_propensities_and_its_truth() -> None:
    config = GeneratorConfig(rows=6000, items=6, rate=0.05)
    log, truth = generate(config, 1)
    again, _ = generate(config, 1)
    assert (log.click_N == again.click_N).all()
    assert (log.action_N != generate(config, 2)[0].action_N).any()
    even = log.take(np.flatnonzero(log.campaign_N == 0))
    assert even.propensity_N == pytest.approx(1 / 6)
    assert truth.probabilities(even.contexts).mean() == pytest.approx(0.05, rel=0.1)
    # Weighted by their propensities, the rows of both campaigns have each item as often.
    for campaign in (0, 1):
        rows_N = np.flatnonzero(log.campaign_N == campaign)
        shown = np.bincount(log.action_N[rows_N], 1 / log.propensity_N[rows_N], minlength=6) / len(rows_N)
        assert shown == pytest.approx(1.0, abs=0.5)
    # Clicks come as often as the truth says of the items that were shown.
    expected = truth.probabilities(log.contexts)[np.arange(len(log)), log.action_N].sum()
    assert log.clicks == pytest.approx(expected, abs=4 * expected**0.5)


@needs_data
def test_open_bandits_logs_are_read() -> None:
    log = read_log(DataConfig(file=(REAL / "bts_women.csv.gz",), items=REAL / "item_context_women.csv"))
    assert len(log) == 10_000
    assert log.clicks == 46
    assert len(log.items) == 46
    assert "propensity 1e-06" in log.notes[0]
    assert "21,739" in log.notes[0]


@needs_data
@pytest.mark.slow
def test_the_on_policy_truth_lies_in_the_other_campaigns_estimate() -> None:
    """Men: what the even campaign says of the other one's choice of items, and back, by place."""
    from studies.ads import cross_estimates

    for name in ("men", "women"):
        for row in cross_estimates(REAL, name, seed=0):
            for found in row["estimates"].values():
                assert found["low"] <= row["truth"]["high"], (name, row["target"])
                assert row["truth"]["low"] <= found["high"], (name, row["target"])
