"""One table of instruments, one place that prints: every instrument measures in silence."""

from __future__ import annotations

import ast
import importlib
from dataclasses import dataclass, is_dataclass
from pathlib import Path
from typing import Any

import pytest

from practicum import cli
from practicum.audit.instruments import INSTRUMENTS, Instrument
from practicum.report.sections import Section

FOLDER = Path(cli.__file__).parent / "audit"


@pytest.mark.parametrize("name", INSTRUMENTS)
def test_every_instrument_has_settings_and_can_be_asked(name: str) -> None:
    module = importlib.import_module(INSTRUMENTS[name])
    assert isinstance(module.audit, Instrument)
    assert is_dataclass(module.Config)
    assert module.audit.run is module.run
    # A setting `report` without a page would be ignored in silence.
    assert ("report" in module.Config.__dataclass_fields__) == (module.audit.page is not None)
    assert list(cli.AUDIT) == list(INSTRUMENTS)


def test_only_the_class_of_instruments_and_the_lab_print() -> None:
    printing = {
        path.stem
        for path in FOLDER.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) == "print"
        and not any(keyword.arg == "file" for keyword in node.keywords)
    }
    assert printing == {"instruments", "lab"}


@dataclass(frozen=True)
class Settings:
    report: Path | None = None


def test_what_is_printed_written_and_returned(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    order: list[str] = []

    def run(config: Settings) -> str:
        order.append("run")
        return "<b>found</b>"

    def page(result: str) -> tuple[str, list[Section]]:
        return "the reward of run 7", [Section("one", "Is it so?", "good", result, {"figure": 1})]

    def write(result: str) -> None:
        order.append("write")
        assert "second" in capsys.readouterr().out, "what was found is told before files may fail"

    def values(result: str) -> dict[str, Any]:
        return {"found": result, "exit_code": 3}

    audit = Instrument(run, lambda result: ["first", "second"], values, page, write)
    assert audit(Settings()) == {"found": "<b>found</b>", "exit_code": 3}
    assert not list(tmp_path.iterdir())
    told = audit(Settings(tmp_path / "audit"))
    assert order == ["run", "write"] * 2
    assert told["report"] == str(tmp_path / "audit" / "audit.html")
    assert capsys.readouterr().out == f"report: {told['report']}\n"
    assert "&lt;b&gt;found" in (tmp_path / "audit" / "audit.html").read_text()
