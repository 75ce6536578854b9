"""What every application shares: the table, the page and what a failed run leaves."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from practicum.applications.page import render
from practicum.applications.results import Figure, Outcome, Panel, Table, lines, published
from practicum.errors import InputError

TABLE = Table(("policy", "reward", "days"), [["ours", 1.23456, 12000], ["none", None, 3]])
CELLS = st.one_of(st.text(max_size=8), st.floats(), st.integers(), st.none())


@dataclass(frozen=True)
class Settings:
    """Settings."""

    seed: int = 0


def outcome(text: str = "Ours wins.") -> Outcome:
    panel = Panel("pay", {"ours": [1.0, None, 3.0], text: [0.5, 0.4, 0.3]}, {"ours": ([0, 0, 0], [4, 4, 4])})
    figure = Figure(text, text, ["2020-01-01", "2020-01-02", text], [panel], "day", [text, "", "b"])
    return Outcome(text, TABLE, {"reward": 1.2}, [figure], [Table(("a",), [[text]])], [text])


def test_a_table_is_aligned() -> None:
    assert lines(TABLE) == [
        "policy  reward    days",
        "----------------------",
        "ours     1.235  12,000",
        "none         -       3",
    ]


@settings(max_examples=30, deadline=None)
@given(text=st.text(max_size=30) | st.sampled_from(["</script><script>alert(1)</script>", "<!--", "\u2028"]))
def test_no_text_of_a_page_becomes_markup_or_script(text: str) -> None:
    page = render("ads", outcome(text), "runs/x")
    scripts = re.findall(r"<script(.*?)>(.*?)</script>", page, re.DOTALL)
    assert [kind for kind, _ in scripts] == [' type="application/json"', ""]
    data = json.loads(scripts[0][1])
    assert data["notes"][0] == text
    assert text in data["panels"][0]["lines"]
    digest = base64.b64encode(hashlib.sha256(scripts[1][1].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in page
    assert "alert(1)</script>" not in page


def test_a_run_writes_its_results_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    calls = []

    def apply(config: Settings, folder: Path) -> Outcome:
        calls.append(folder)
        return outcome()

    run = published("ads", apply)
    assert run(Settings(), tmp_path / "run") == {"headline": "Ours wins.", "reward": 1.2}
    assert run(Settings(), tmp_path / "run", resume=True) == {"headline": "Ours wins.", "reward": 1.2}
    assert len(calls) == 1
    assert "Ours wins." in capsys.readouterr().out
    assert sorted(path.name for path in (tmp_path / "run").iterdir() if path.name[0] != ".") == [
        "config.toml",
        "environment.json",
        "report.html",
        "results.json",
        "summary.json",
    ]


@pytest.mark.parametrize("begun", [True, False])
def test_bad_input_leaves_only_what_was_done(begun: bool, tmp_path: Path) -> None:
    def apply(config: Settings, folder: Path) -> Outcome:
        if begun:
            (folder / "seed-0").mkdir()
        raise InputError("prices.csv:3: no price")

    with pytest.raises(InputError):
        published("ads", apply)(Settings(), tmp_path / "run")
    assert (tmp_path / "run").exists() == begun
