"""`practicum init` copies what came with the package, and never over a file; the wheel holds it all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from practicum import cli
from practicum.starters import starters

ROOT = Path(__file__).parents[1]
NAMES = sorted(path.name for path in (ROOT / "recipes").iterdir()) + sorted(
    path.stem for path in (ROOT / "examples").glob("*.py")
)


def test_all_recipes_and_examples_are_listed_with_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    assert sorted(starters()) == sorted(NAMES)
    assert cli.main(["init"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(NAMES)
    assert all(len(line.split(maxsplit=1)) == 2 for line in lines)


@pytest.mark.parametrize("name", NAMES)
def test_a_copy_is_whole_names_its_own_folder_and_overwrites_nothing(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["init", name, "mine"]) == 0
    printed = [Path(line) for line in capsys.readouterr().out.splitlines()]
    assert sorted(printed) == sorted(path for path in Path("mine").iterdir())
    source = starters()[name].source
    for path in printed:
        written, original = path.read_text(encoding="utf-8"), (source / path.name).read_text(encoding="utf-8")
        assert f"recipes/{name}/" not in written
        assert len(written.splitlines()) == len(original.splitlines())
        path.write_text("my own")
    assert cli.main(["init", name, "mine"]) == 2
    assert "is there already" in capsys.readouterr().err
    assert {path.read_text() for path in printed} == {"my own"}


def test_what_is_wrong_is_said_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, words in (
        (["equations-dem"], "did you mean equations-demo?"),
        (["nothing"], "`practicum init` lists all"),
        (["own_loss", "a", "b"], "got 'b' as well"),
        (["--force"], "init has no option"),
    ):
        assert cli.main(["init", *arguments]) == 2
        assert words in capsys.readouterr().err


def test_the_build_puts_recipes_and_examples_into_the_package(tmp_path: Path) -> None:
    program = (
        "import sys; sys.argv = ['setup.py', '-q', 'build_py', '--build-lib', sys.argv[1]]; import runpy; "
    )
    program += "runpy.run_path('setup.py', run_name='__main__')"
    process = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], cwd=ROOT, capture_output=True, text=True
    )
    if "No module named 'setuptools'" in process.stderr:
        pytest.skip("setuptools, which builds the wheel, is not installed here")
    assert process.returncode == 0, process.stderr
    for folder in ("recipes", "examples"):
        sources = [path for path in (ROOT / folder).rglob("*") if path.is_file() and path.suffix != ".pyc"]
        for path in sources:
            assert (tmp_path / "practicum" / path.relative_to(ROOT)).read_bytes() == path.read_bytes()
    assert (tmp_path / "practicum" / "py.typed").exists()
