"""Code that a model wrote, judged by the row's tests: `python_tests`.

The tests run here, in the worker; the code in a process of its own (`reward/sandbox.py`) with limits on time,
memory and files, in an empty folder, without a network where the system allows that. `reward/harness.py` is
between them.
"""

from __future__ import annotations

import ctypes
import json
import math
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from practicum.reward.bad import BadReward
from practicum.reward.harness import Ended, Harness, Uncarried
from practicum.reward.programs import Program, read_program, run_program
from practicum.reward.sandbox import Channel
from practicum.types import Score

FENCE = re.compile(r"(?P<indent>[ \t]*)(?P<marks>`{3,}(?=[^`]*$)|~{3,})(?P<words>.*)")
"""A line that opens or closes a block. Lists indent blocks, so the opening one may stand anywhere."""
PYTHON = ("py", "python", "python3")
MEMORY = 1 << 30
"""Bytes of address space that the code may use."""
NOT_DUMPABLE = 4  # PR_SET_DUMPABLE
SCRIPT = Path(__file__).with_name("sandbox.py")


def python_tests(argument: str, options: Mapping[str, Any]) -> Callable[..., Score]:
    """1 where the last Python block of a completion (or all of it) passes every test of the column `tests`.

    `tests` is a program with asserts, `test_` functions, classes of unittest or pytest, or `check(candidate)`
    beside a column `entry_point`; or a list of programs. With `python_tests:share` the share of tests that
    pass is paid. The code's own failures are a wrong answer, not a failed reward.
    """
    if argument not in ("", "share"):
        raise ValueError(f"python_tests:{argument}: expected python_tests or python_tests:share")
    seconds = float(options["time_limit"])
    if sys.platform == "linux":
        # What the code may do to processes of its user, it may not to this one.
        ctypes.CDLL(None).prctl(NOT_DUMPABLE, 0)
    # Tests run in the folder of the code: a Python that they start must not import what lies there.
    os.environ["PYTHONSAFEPATH"] = "1"

    def judge(completion: str, row: Mapping[str, Any]) -> Score:
        tests = tests_of(row)
        passed, outcome, reason = run_tests(code_of(completion), tests, row.get("entry_point"), seconds)
        share = passed / len(tests)
        value = share if argument == "share" else float(share == 1)
        return Score(value, share == 1, None, outcome, reason, {"share": share})

    # The code has the whole time limit; the harness stops it, and a call that is stopped is no failure.
    judge.limit = seconds + 10.0  # type: ignore[attr-defined]
    return judge


def code_of(text: str) -> str:
    """The last block that says it is Python, else the last that says nothing, else the whole text."""
    found = blocks(text)
    for languages in (PYTHON, ("",)):
        for language, code in reversed(found):
            if language in languages:
                return code
    return text


def blocks(text: str) -> list[tuple[str, str]]:
    """The fenced blocks of a text in order: the language in small letters, and the code.

    As CommonMark has it: a fence closes a block if it has the same mark, at least as often, and no words; a
    block that is not closed ends with the text.
    """
    found: list[tuple[str, str]] = []
    opening: re.Match[str] | None = None
    for line in re.sub(r"\r\n?", "\n", text).removesuffix("\n").split("\n"):
        fence = FENCE.fullmatch(line)
        if opening is None:
            if fence:
                opening = fence
                found.append(((fence["words"].split() or [""])[0].lower(), ""))
        elif fence and _closes(fence, opening):
            opening = None
        else:
            indent = len(line) - len(line.lstrip(" \t"))
            language, code = found[-1]
            found[-1] = language, f"{code}{line[min(indent, len(opening['indent'])) :]}\n"
    return found


def _closes(fence: re.Match[str], opening: re.Match[str]) -> bool:
    indent, least = (len(one["indent"].expandtabs(4)) for one in (fence, opening))
    near = indent < 4 + (least if least >= 4 else 0)
    return near and not fence["words"].strip() and fence["marks"].startswith(opening["marks"])


def tests_of(row: Mapping[str, Any]) -> list[str]:
    """The tests of a row. Raises BadReward where it has none."""
    tests = row.get("tests", row.get("test_list"))
    if isinstance(tests, str) and tests.lstrip().startswith("["):
        with suppress(ValueError):
            tests = json.loads(tests)
    tests = [tests] if isinstance(tests, str) else tests
    if (
        not isinstance(tests, list)
        or not tests
        or not all(isinstance(one, str) and one.strip() for one in tests)
    ):
        raise BadReward(
            "python_tests: the column 'tests' must hold a program with asserts, or a list of them"
        )
    return tests


def run_tests(code: str, tests: list[str], entry_point: Any, seconds: float) -> tuple[int, str, str]:
    """How many tests pass, the outcome in a word, and what the first failure was."""
    left, passed = [read_program(test) for test in tests], 0
    deadline = time.monotonic() + seconds
    failures: list[tuple[str, str]] = []
    while left and time.monotonic() < deadline:
        # After a test that ended the code's process the others get a new one.
        before = len(left)
        try:
            with harness(code, deadline, seconds) as given:
                while left:
                    failure = _outcome(left.pop(0), given, entry_point)
                    passed += failure is None
                    failures += [failure] if failure else []
        except Ended as error:
            failures.append(("timeout" if time.monotonic() >= deadline else "ended", str(error)))
            if len(left) == before:
                break
        except BadReward:
            raise
        except Exception as error:  # the code itself, before any test
            return 0, "wrong", f"{type(error).__name__}: {error}"[:200]
    return (passed, *failures[0]) if failures else (passed, "correct", "")


def _outcome(test: Program, given: Mapping[str, Any], entry_point: Any) -> tuple[str, str] | None:
    """None for a test that passes, else how it failed; Ended where the code's process did."""
    try:
        run_program(test, given, entry_point)
    except (Ended, BadReward):
        raise
    except Uncarried as error:
        raise BadReward(f"python_tests: {error}") from None
    except SystemExit:
        raise BadReward("python_tests: the tests end their program: leave sys.exit out") from None
    except BaseException as error:  # any exception of a test is its failure; pytest.fail raises no Exception
        return "wrong", f"{type(error).__name__}: {error}"[:200]
    return None


@contextmanager
def harness(code: str, deadline: float, seconds: float) -> Iterator[dict[str, Any]]:
    """The names that the code defines, as the tests see them, while its process lives."""
    with tempfile.TemporaryDirectory(prefix="practicum-") as folder:
        to_read, to_write = os.pipe()
        from_read, from_write = os.pipe()
        settings = (to_read, from_write, math.ceil(seconds) + 1, MEMORY)
        process = subprocess.Popen(
            [sys.executable, "-I", "-B", str(SCRIPT), *map(str, settings)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(to_read, from_write),
            cwd=folder,
            start_new_session=True,
            env={"PATH": os.defpath, "HOME": folder, "TMPDIR": folder, "OMP_NUM_THREADS": "1"},
        )
        os.close(to_read)
        os.close(from_write)
        channel = Channel(os.fdopen(from_read, "rb", buffering=0), os.fdopen(to_write, "wb"))
        before = Path.cwd()
        try:
            found = Harness(channel, deadline).start(code)
            # Files are found by the same names on both sides. No module is: paths of modules are absolute.
            sys.path[:] = [str(Path(place).absolute()) for place in sys.path]
            os.chdir(folder)
            yield found
        finally:
            os.chdir(before)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            channel.reader.close()
            with suppress(OSError):
                channel.writer.close()
