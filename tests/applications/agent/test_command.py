"""`practicum apply agent`, from the command line to the page."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from practicum import cli
from practicum.applications.agent.command import maker_of, mean_interval, random_returns
from practicum.errors import InputError

ROOT = Path(__file__).parents[3]
SMALL = ["--agent.iterations=2", "--agent.horizon=16", "--agent.environments=2", "--episodes=3"]
OWN = """
import gymnasium
import numpy as np
from gymnasium import spaces


class Own(gymnasium.Env):
    observation_space = spaces.Box(0, 9, (2,), np.float32)
    action_space = spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        return np.zeros(2, np.float32), {}

    def step(self, action):
        self.steps += 1
        return np.zeros(2, np.float32), float(action), False, self.steps == 5, {}


def three():
    return 3


number = 3
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "own.py"
    path.write_text(OWN, encoding="utf-8")
    return path


def test_an_environment_of_ones_own_from_command_to_page(
    own: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    words = ["apply", "agent", f"--environment={own}:Own", "--seeds=2", *SMALL, f"--run={run}"]
    assert cli.main(words) == 0
    printed = capsys.readouterr().out
    assert re.search(r"^random actions +\S", printed, re.MULTILINE)
    headline = json.loads((run / "results.json").read_text())["headline"]
    assert headline in printed
    assert "95% t interval" in headline
    page = (run / "report.html").read_text(encoding="utf-8")
    assert headline in page.replace("&#39;", "'")
    for place in ("http:", "https:", "src="):
        assert place not in page.replace("http://www.w3.org/2000/svg", "")
    rows = [json.loads(line) for line in (run / "seed-1" / "metrics.jsonl").read_text().splitlines()]
    explained = set(re.findall(r"^\| `([^`]+)` \|", (ROOT / "docs" / "metrics.md").read_text(), re.MULTILINE))
    assert {name for row in rows for name in row} <= explained
    # A finished run is told again, not computed again; one object on stdout.
    assert cli.main([*words, "--resume", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["headline"] == headline
    assert len(told["return"]["seeds"]) == 2


def test_what_is_no_environment_is_told_in_one_line_and_leaves_nothing(
    own: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    for given, told in [
        ("NoSuch-v0", "--environment NoSuch-v0: Environment `NoSuch` doesn't exist"),
        (f"{own}:Missing", "the file has no Missing"),
        (f"{own}:three", "three makes int, not a gymnasium.Env"),
        (f"{own}:number", "number is int, no class or function"),
        (f"{own.with_name('none.py')}:Own", "none.py: no such file"),
    ]:
        assert cli.main(["apply", "agent", f"--environment={given}", *SMALL, f"--run={run}"]) == 2
        error = capsys.readouterr().err.splitlines()[-1]
        assert error.startswith("practicum: error: ")
        assert told in error
        assert not run.exists()


def test_a_file_that_fails_is_told_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "bad.py"
    path.write_text("import nothing_of_this_name\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"bad\.py:1 \(.*bad\.py\): ModuleNotFoundError"):
        maker_of(f"{path}:Own")
    path.write_text("class Own:\n    def __init__(self):\n        raise KeyError('a')\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"bad\.py:3 \(.*:Own\): KeyError: 'a'"):
        maker_of(f"{path}:Own")


def test_random_returns_and_intervals(own: Path) -> None:
    make = maker_of(f"{own}:Own")
    returns = random_returns(make, 400, 0)
    assert returns.min() >= 0
    assert returns.max() <= 5
    low, high = mean_interval(returns)
    assert low < 2.5 < high
    assert mean_interval([3.0]) == (3.0, 3.0)
    assert (random_returns(make, 5, 1) == random_returns(make, 5, 1)).all()
    assert np.isfinite(returns).all()


def test_the_command_says_what_to_install_where_gymnasium_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import importlib

    real = importlib.import_module

    def without(name: str, package: str | None = None) -> object:
        if name.startswith("practicum.applications."):
            raise ModuleNotFoundError("No module named 'gymnasium'", name="gymnasium")
        return real(name, package)

    monkeypatch.setattr(importlib, "import_module", without)
    assert cli.main(["apply", "agent", "--environment=CartPole-v1"]) == 2
    told = capsys.readouterr().err.splitlines()[-1]
    assert told.endswith(
        "practicum apply agent needs gymnasium, which is not installed: pip install 'practicum[applications]'"
    )
