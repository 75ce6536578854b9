"""Prices are read whole or refused in one line that names row and column."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from practicum.applications.portfolio.data import Prices, bundled_prices, read_prices
from practicum.errors import InputError

GOOD = [["date", "A", "B", "C"]] + [
    [f"2020-01-{day:02d}", f"{10 + day}", f"{20 - day / 2}", "5.5"] for day in range(1, 11)
]


def write(path: Path, table: list[list[str]]) -> Path:
    path.write_text("\n".join(",".join(row) for row in table) + "\n", encoding="utf-8")
    return path


def refused(path: Path, table: list[list[str]], **settings: object) -> str:
    with pytest.raises(InputError) as caught:
        read_prices(write(path, table), **settings)  # type: ignore[arg-type]
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    return message


def test_the_bundled_prices_are_read_without_a_network() -> None:
    pytest.importorskip("skfolio")
    prices = bundled_prices()
    assert prices.prices_TN.shape == (8313, 20)
    assert (prices.dates[0], prices.dates[-1]) == ("1990-01-02", "2022-12-28")
    assert prices.names[0] == "AAPL"
    assert prices.relatives.shape == (8312, 20)


def test_a_table_is_read_as_it_stands(tmp_path: Path) -> None:
    prices = read_prices(write(tmp_path / "p.csv", GOOD))
    assert prices.names == ("A", "B", "C")
    assert prices.dates[-1] == "2020-01-10"
    assert prices.prices_TN[0].tolist() == [11, 19.5, 5.5]
    packed = tmp_path / "p.csv.gz"
    packed.write_bytes(gzip.compress((tmp_path / "p.csv").read_bytes()))
    assert read_prices(packed).digest == prices.digest
    some = read_prices(tmp_path / "p.csv", assets=("C", "A"))
    assert some.names == ("C", "A")
    assert some.digest != prices.digest


def test_dates_may_have_another_name_or_be_missing(tmp_path: Path) -> None:
    named = [["Day", *GOOD[0][1:]], *GOOD[1:]]
    assert "no column is named 'date'" in refused(tmp_path / "p.csv", named)
    assert read_prices(tmp_path / "p.csv", date_column="day").dates[0] == "2020-01-01"
    bare = [row[1:] for row in GOOD]
    assert read_prices(write(tmp_path / "b.csv", bare), date_column="none").dates == tuple(
        str(row) for row in range(1, 11)
    )


@settings(deadline=None, max_examples=60)
@given(
    row=st.integers(1, 10),
    column=st.integers(1, 3),
    bad=st.sampled_from(
        ["", " ", "nan", "NA", "0", "-1", "-0.5", "x", "1,5".replace(",", ";"), "inf", "1e300"]
    ),
)
def test_a_bad_price_is_named_by_row_and_column(
    tmp_path_factory: pytest.TempPathFactory, row: int, column: int, bad: str
) -> None:
    table = [list(cells) for cells in GOOD]
    table[row][column] = bad
    message = refused(tmp_path_factory.mktemp("bad") / "p.csv", table)
    assert f":{row + 1}, column {'ABC'[column - 1]}" in message


@settings(deadline=None, max_examples=40)
@given(row=st.integers(1, 10), column=st.integers(1, 3), times=st.floats(1e-9, 1e9))
def test_a_jump_that_no_day_brings_is_named(
    tmp_path_factory: pytest.TempPathFactory, row: int, column: int, times: float
) -> None:
    table = [list(cells) for cells in GOOD]
    table[row][column] = repr(float(table[row][column]) * times)
    path = tmp_path_factory.mktemp("jump") / "p.csv"
    if 1 / 250 < times < 250:
        assert read_prices(write(path, table)).prices_TN.shape == (10, 3)
    elif not 1 / 4000 < times < 4000:
        assert f":{max(row, 2) + 1}, column {'ABC'[column - 1]}" in refused(path, table)


@settings(deadline=None, max_examples=40)
@given(row=st.integers(2, 10), earlier=st.integers(0, 5))
def test_dates_out_of_order_or_doubled_are_named(
    tmp_path_factory: pytest.TempPathFactory, row: int, earlier: int
) -> None:
    table = [list(cells) for cells in GOOD]
    table[row][0] = table[max(1, row - 1 - earlier)][0]
    message = refused(tmp_path_factory.mktemp("order") / "p.csv", table)
    assert f":{row + 1}, column date" in message
    assert ("comes twice" if earlier == 0 or row == 2 else "follows") in message or "twice" in message


@pytest.mark.parametrize("bad", ["01/02/2020", "2020-13-01", "2020-02-30", "", "20200101", "2020-01-0x"])
def test_what_is_no_date_is_named(tmp_path: Path, bad: str) -> None:
    table = [list(cells) for cells in GOOD]
    table[4][0] = bad
    assert ":5, column date" in refused(tmp_path / "p.csv", table)


def test_a_single_asset_is_refused(tmp_path: Path) -> None:
    assert "a single asset, A" in refused(tmp_path / "p.csv", [row[:2] for row in GOOD])
    assert "a single asset, B" in refused(tmp_path / "q.csv", GOOD, assets=("B",))
    assert "no asset" in refused(tmp_path / "r.csv", [row[:1] for row in GOOD])


def test_other_tables_that_are_none(tmp_path: Path) -> None:
    assert "no column 'Z'" in refused(tmp_path / "p.csv", GOOD, assets=("A", "Z"))
    assert "holds no prices" in refused(tmp_path / "p.csv", GOOD[:1])
    assert "more than once" in refused(tmp_path / "p.csv", [["date", "A", "A"], ["2020-01-01", "1", "2"]])
    assert ":3" in refused(tmp_path / "p.csv", [GOOD[0], GOOD[1], GOOD[2][:2]])
    with pytest.raises(InputError, match="cannot be read"):
        read_prices(tmp_path / "missing.csv")


def test_the_digest_names_the_prices() -> None:
    prices = Prices(("1", "2"), ("A", "B"), np.array([[1.0, 2.0], [3.0, 4.0]]), "here")
    other = Prices(("1", "2"), ("A", "B"), np.array([[1.0, 2.0], [3.0, 4.5]]), "here")
    assert prices.digest != other.digest
