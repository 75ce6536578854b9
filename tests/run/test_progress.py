"""A command is never silent for long, says what it does, and leaves the word to a bar that is in sight."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from practicum.model import native
from practicum.run.progress import doing, never_silent, progress


def wait_for(heard: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not heard():
        assert time.monotonic() < end, "nothing was said"
        time.sleep(0.01)


def test_what_is_being_done_is_said_again_and_again(capsys: pytest.CaptureFixture[str]) -> None:
    said: list[str] = []

    def heard(words: str, count: int = 1) -> bool:
        said.append(capsys.readouterr().err)
        return "".join(said).count(f"practicum: {words}") >= count

    with never_silent("rl is at work", 0.05):
        wait_for(lambda: heard("rl is at work, ", 2))
        with doing("loading runs/sft"):
            wait_for(lambda: heard("loading runs/sft, ", 2))
        with progress("reading", 7) as bar:
            bar.update(3, loss=0.5)
            wait_for(lambda: heard("reading 3/7", 2))
            assert heard("reading 3/7 elapsed 0:00 left -:-- loss=0.5")
        wait_for(
            lambda: "".join(said).rindex("rl is at work") > "".join(said).rindex("reading") or heard("x")
        )
    assert not [one for one in threading.enumerate() if one.name == "practicum-progress"]


def test_nothing_is_said_over_a_bar_in_sight_and_after_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    with never_silent("at work", 0.02), doing(""):
        time.sleep(0.2)
    time.sleep(0.05)
    assert capsys.readouterr().err == ""


def test_an_error_ends_it_too() -> None:
    with pytest.raises(KeyError), never_silent("at work", 0.02), doing("something"):
        raise KeyError
    assert not [one for one in threading.enumerate() if one.name == "practicum-progress"]


def test_a_missing_compiler_is_told_in_one_line_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    monkeypatch.setenv("PRACTICUM_NATIVE", "1")
    monkeypatch.setattr("sys.platform", "linux")
    native._say_no_compiler.cache_clear()
    try:
        assert [native.load.__wrapped__(name) for name in ("decode", "train")] == [None, None]
        (line,) = capsys.readouterr().err.splitlines()
        assert "no-such-compiler is not found" in line
        assert "install g++" in line
        monkeypatch.setenv("PRACTICUM_NATIVE", "0")
        native._say_no_compiler.cache_clear()
        assert native.load.__wrapped__("decode") is None
        assert capsys.readouterr().err == ""
    finally:
        native._say_no_compiler.cache_clear()
