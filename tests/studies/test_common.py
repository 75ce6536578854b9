"""What studies share: where one began is kept, its results name it, and its command repeats it."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from practicum.config import load
from practicum.errors import InputError
from studies import common
from studies.common import command_of, note_machine, origin_of, read, record, settings_of, write


@dataclass(frozen=True)
class Inner:
    """Settings inside settings."""

    rate: float = 0.1
    """A rate."""
    threads: int = 1
    """CPU threads."""


@dataclass(frozen=True)
class Settings:
    """A study's settings."""

    data: Path
    """Folder of data."""
    run: Path
    """Folder of the study."""
    seeds: tuple[int, ...] = (0, 1)
    """Seeds."""
    most: int | None = 3
    """A number or none."""
    quick: bool = False
    """A switch."""
    start: Path = Path("smollm2")
    """A folder with a default."""
    inner: Inner = field(default_factory=Inner)
    """Inner settings."""


def test_the_command_has_what_is_not_the_default_and_no_place_of_one_machine(tmp_path: Path) -> None:
    plain = Settings(tmp_path / "data", tmp_path / "run")
    assert command_of(plain, "guard") == "python -m studies.guard --data FOLDER --run runs/guard"
    other = replace(plain, data=Path("runs/jokes"), seeds=(4,), most=None, inner=Inner(2e-5, threads=7))
    assert settings_of(other) == {"seeds": [4], "most": "none", "inner.rate": 2e-5}
    assert command_of(other, "guard") == (
        "python -m studies.guard --data runs/jokes --seeds 4 --most none --inner.rate 2e-05 --run runs/guard"
    )
    assert "--data FOLDER" in command_of(replace(plain, data=Path("../data")), "guard")


@given(
    st.lists(st.integers(0, 99), min_size=1, max_size=4),
    st.none() | st.integers(-5, 5),
    st.booleans(),
    st.floats(1e-9, 1e9),
)
def test_the_command_repeats_the_settings(
    seeds: list[int], most: int | None, quick: bool, rate: float
) -> None:
    config = Settings(Path("data"), Path("runs/guard"), tuple(seeds), most, quick, inner=Inner(rate))
    words = shlex.split(command_of(config, "guard"))[3:]
    assert load(Settings, None, words) == config


def test_results_name_their_study_and_where_it_began(tmp_path: Path) -> None:
    config = Settings(Path("data"), tmp_path / "run")
    note_machine(config.run, "guard")
    began = read(config.run / "environment.json")
    assert began["command"] == "studies.guard"
    write(config.run / "environment.json", {**began, "started": "2026-01-02T03:04:05", "commit": "c+changes"})
    note_machine(config.run, "guard")
    found = record(config, "guard", {"share": 0.5})
    assert found == json.loads((config.run / "results.json").read_text())
    head = {name: found[name] for name in ("study", "date", "commit", "dirty", "machine", "share")}
    assert head == {
        "study": "guard",
        "date": "2026-01-02",
        "commit": "c",
        "dirty": True,
        "machine": began["machine"],
        "share": 0.5,
    }
    assert found["config"]["inner"] == {"rate": 0.1, "threads": 1}
    note_machine(config.run, "guard", anew=True)
    assert read(config.run / "environment.json")["started"] >= began["started"]


def test_results_name_every_commit_at_which_they_were_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = Settings(Path("data"), tmp_path / "run")
    for commit in ("a", "a", "b", "b", "a", "c+changes"):
        now = {"started": "2026-01-02T03", "commit": commit, "machine": "m", "command": "studies.guard"}
        monkeypatch.setattr(common, "environment", lambda *_, now=now: now)
        note_machine(config.run, "guard")
        found = record(config, "guard", {})
    assert (found["commit"], found["continued_at"], found["dirty"]) == ("a", ["b", "c"], True)
    assert len(read(config.run / "environment.json")["resumed"]) == 2


def test_a_folder_of_an_earlier_version_began_with_its_oldest_run(tmp_path: Path) -> None:
    for name, day in (("seed-1/reward", "2026-01-04"), ("seed-0/reward", "2026-01-03")):
        write(
            tmp_path / name / "environment.json",
            {"started": f"{day}T00:00:00", "commit": name, "machine": "m"},
        )
    note_machine(tmp_path, "guard")
    found = origin_of(read(tmp_path / "environment.json"))
    assert found == {"machine": "m", "date": "2026-01-03", "commit": "seed-0/reward", "dirty": False}


def test_what_is_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"results\.json: missing; run the study to its end first"):
        read(tmp_path / "results.json")
    with pytest.raises(InputError, match="on what machine"):
        origin_of({"started": "2026-01-02", "commit": None})
    resumed = {"started": "2026-01-02", "commit": None, "resumed": [{}, {"machine": "m"}]}
    assert origin_of(resumed)["machine"] == "m"
