"""A command is never silent for long, says what it does, and leaves the word to a bar that is in sight."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from practicum.model import native
from practicum.run import progress as progress_of
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


class Clock:
    """Time that goes on only while somebody waits, and a thread that waits in it, so that nothing is slow."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


def lines_told(
    monkeypatch: pytest.MonkeyPatch, terminal: bool, steps: list[tuple[str, float]]
) -> list[tuple[float, str]]:
    """When a command says what, in seconds, whose steps have names and lengths."""
    clock, told, ends = Clock(), [], []
    end = 0.0
    for name, length in steps:
        ends.append((end := end + length, name))

    class Stderr:
        def isatty(self) -> bool:
            return terminal

        def write(self, text: str) -> None:
            if text.strip():
                told.append((clock.now, text.split(": ")[1].rpartition(", ")[0]))

        def flush(self) -> None:
            pass

    class Over(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            assert timeout is not None
            clock.now += timeout
            names = [name for until, name in ends if clock.now < until]
            progress_of._doing[:] = names[:1]
            return not names

    class Now(threading.Thread):
        def start(self) -> None:
            self.run()

        def join(self, timeout: float | None = None) -> None:
            pass

    monkeypatch.setattr("sys.stderr", Stderr())
    monkeypatch.setattr(progress_of, "time", clock)
    monkeypatch.setattr("threading.Event", Over)
    monkeypatch.setattr("threading.Thread", Now)
    with contextlib.suppress(ValueError), never_silent("first"):
        pass
    progress_of._doing.clear()
    return told


STEPS = st.lists(st.tuples(st.sampled_from("abc"), st.floats(0.5, 200)), min_size=1, max_size=5)


@settings(max_examples=40, deadline=None)
@given(steps=STEPS, terminal=st.booleans())
@example(steps=[("a", 1.0), ("a", 1.0), ("a", 3.0)], terminal=False)
def test_silence_is_short_at_first_and_a_log_is_not_flooded(
    steps: list[tuple[str, float]], terminal: bool
) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        told = lines_told(monkeypatch, terminal, steps)
    whole = sum(length for _, length in steps)
    times = [0.0, *(time for time, _ in told), whole]
    silences = [later - earlier for earlier, later in pairwise(times)]
    assert max(silences) <= 10
    if terminal:
        assert all(later - earlier <= 2 for earlier, later in pairwise(times) if later <= 120)
        return
    # Nobody waits: each thing is told soon after it begins, and then at growing distances.
    start = 0.0
    for name, length in steps:
        of_it = [time for time, words in told if words == name]
        if length > 2 and not any(time < start for time in of_it):
            assert of_it
            assert of_it[0] - start <= 2
        start += length
    assert len(told) <= 4 * len({name for name, _ in steps}) + whole / 7


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
