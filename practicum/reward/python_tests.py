"""Code that a model wrote, judged by the row's tests: `python_tests`.

The tests run here, in the worker; the code in a process of its own (`reward/sandbox.py`) with limits on time,
memory and files, in an empty folder, without a network where the system allows that. What crosses over are
plain values, so an object of the code's is equal to no plain value whatever its `__eq__` says.
"""

from __future__ import annotations

import builtins
import ctypes
import json
import math
import os
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from practicum.reward.bad import BadReward
from practicum.reward.programs import MODULES, Program, read_program, run_program
from practicum.reward.sandbox import Channel, packed, unpacked
from practicum.types import Score

FENCE = re.compile(r"(?P<indent>[ \t]*)(?P<marks>`{3,}(?=[^`]*$)|~{3,})(?P<words>.*)")
"""A line that opens or closes a block. Lists indent blocks, so the opening one may stand anywhere."""
PYTHON = ("py", "python", "python3")
MEMORY = 1 << 30
"""Bytes of address space that the code may use."""
NOT_DUMPABLE = 4  # PR_SET_DUMPABLE
SCRIPT = Path(__file__).with_name("sandbox.py")
OPERATORS = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or", "xor")
COMPARED = ("eq", "ne", "lt", "le", "gt", "ge")
ASKED = ("len", "next", "getitem", "setitem", "delitem", "enter")
JUDGING = frozenset(
    name
    for kind in (str, bytes, set, frozenset, int, float)
    for name in dir(kind)
    if name.startswith("is") or name.endswith("with")
)
"""Methods by which Python's own values answer yes or no; an object of the code's would always say yes."""


class Ended(BaseException):
    """The code's process has ended or has taken too long; no test can catch it by `except Exception`."""


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
        try:
            yield Harness(channel, deadline).start(code)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            channel.reader.close()
            with suppress(OSError):
                channel.writer.close()


class Harness:
    """This side of the channel: what tests do with the code's objects becomes a request."""

    told = False

    def __init__(self, channel: Channel, deadline: float) -> None:
        self.channel, self.deadline = channel, deadline
        self.functions: list[Callable[..., Any]] = []

    def start(self, code: str) -> dict[str, Any]:
        """Run the code and return the names it defined, without those of Python's own functions.

        Of the modules that it imports, those in MODULES are imported here anew: the code chooses the names.
        """
        if not self.receive().get("isolated") and not Harness.told:
            Harness.told = True
            print(
                "practicum: python_tests: no namespaces here: the code may use the network", file=sys.stderr
            )
        reply = self.request("run", -1, code)
        found = {
            name: value
            for name, value in unpacked(reply["value"], self.unpack).items()
            if not hasattr(builtins, name) and not name.startswith("__")
        }
        for name, module in reply.get("modules", {}).items():
            if module in MODULES:
                found[name] = import_module(module)
        return found

    def request(self, what: str, of: int, given: Any) -> dict[str, Any]:
        """Ask, answer what the code calls back meanwhile, return the reply. Raises what the code raised."""
        self.send({"do": what, "of": of, "given": packed(given, self.pack)})
        while True:
            reply = self.receive()
            if "callback" not in reply:
                break
            self.send(self.called_back(reply))
        if "error" in reply:
            raise raised(reply)
        if "value" not in reply:
            raise Ended("sent what is no reply")
        return reply

    def called_back(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """What a function of the tests says to the code's call."""
        try:
            positional, named = unpacked(asked["given"], self.unpack)
            value = self.functions[asked["callback"]](*positional, **named)
            return {"value": packed(value, self.pack)}
        except Exception as error:  # it goes back to the code that called
            return {"error": type(error).__name__, "text": str(error)[:1000]}

    def send(self, message: dict[str, Any]) -> None:
        """One message; Ended where nobody reads it."""
        try:
            self.channel.send(message)
        except OSError:
            raise Ended("the code ended its process") from None

    def receive(self) -> dict[str, Any]:
        """One message before the deadline; Ended where none comes."""
        try:
            return _Timed(self.channel, self.deadline).receive()
        except (EOFError, ValueError, OSError, RecursionError):
            raise Ended("the code ended its process") from None

    def pack(self, value: Any) -> Any:
        """A reference to an object: the code's own, or a function of the tests."""
        if isinstance(value, Remote):
            return {"t": "yours", "v": object.__getattribute__(value, "_number")}
        self.functions.append(value)
        return {"t": "ref", "v": len(self.functions) - 1}

    def unpack(self, kind: Any, inner: Any) -> Any:
        """An object that stays with the code, or a function that comes back."""
        if kind == "ref" and isinstance(inner, int):
            return Remote(self, inner)
        if kind == "yours" and isinstance(inner, int) and 0 <= inner < len(self.functions):
            return self.functions[inner]
        raise Ended("sent what is no value")


class _Timed(Channel):
    """A channel of which no read goes beyond a deadline."""

    def __init__(self, channel: Channel, deadline: float) -> None:
        super().__init__(channel.reader, channel.writer)
        self.reader = self  # type: ignore[assignment]
        self.file, self.deadline = channel.reader, deadline

    def read(self, size: int) -> bytes:
        """So many bytes, fewer at the end of the file."""
        data = b""
        while len(data) < size:
            left = self.deadline - time.monotonic()
            if left <= 0 or not select.select([self.file], [], [], left)[0]:
                raise Ended("took longer than the time limit")
            more = self.file.read(min(size - len(data), 1 << 16))
            if not more:
                break
            data += more
        return data


def raised(reply: Mapping[str, Any]) -> BaseException:
    """An exception of the code's, by its nearest built-in class; Ended for one that ends programs."""
    kind = getattr(builtins, str(reply["error"]), Exception)
    if not (isinstance(kind, type) and issubclass(kind, BaseException)):
        kind = Exception
    if not issubclass(kind, Exception):
        return Ended(f"{kind.__name__}: {reply.get('text', '')}")
    try:
        return kind(str(reply.get("text", "")))
    except TypeError:  # as UnicodeDecodeError, which wants five arguments
        return ValueError(f"{kind.__name__}: {reply.get('text', '')}")


class Remote:
    """An object of the code's. It is equal to no plain value, and no operator makes it one."""

    __slots__ = ("_harness", "_made", "_number")

    def __init__(self, harness: Harness, number: int, made: bool = False) -> None:
        object.__setattr__(self, "_harness", harness)
        object.__setattr__(self, "_number", number)
        object.__setattr__(self, "_made", made)

    def __getattr__(self, name: str) -> Any:
        if name in JUDGING:
            raise AttributeError(f"only a value of Python's own types is asked for {name}, no object")
        return _ask(self, "get", name)

    def __setattr__(self, name: str, value: Any) -> None:
        _ask(self, "set", [name, value])

    def __call__(self, *positional: Any, **named: Any) -> Any:
        """What the code's function returns."""
        return _ask(self, "call", [list(positional), named], positional)

    def __bool__(self) -> bool:
        if object.__getattribute__(self, "_made"):
            raise TypeError("what an operator made of an object is neither true nor false: compare it")
        return _ask(self, "special", ["bool", []]) is True

    def __str__(self) -> str:
        return str.__str__(_ask(self, "special", ["str", []]))

    def __repr__(self) -> str:
        return str.__str__(_ask(self, "special", ["repr", []]))

    def __instancecheck__(self, value: Any) -> bool:
        return _ask(self, "special", ["isinstance", [value]]) is True

    def __iter__(self) -> Any:
        return _ask(self, "special", ["__iter__", []])

    def __contains__(self, wanted: Any) -> bool:
        # By its items: a __contains__ of the code's would be told what it must hold.
        return any(one is wanted or one == wanted for one in self)

    def __exit__(self, *error: object) -> None:
        # What it returns is not taken: it would pass over the failure of a test.
        _ask(self, "special", ["__exit__", [None, None, None]])

    def __hash__(self) -> int:
        return int.__hash__(_ask(self, "special", ["hash", []]))


def _ask(remote: Remote, what: str, given: Any, positional: tuple[Any, ...] = ()) -> Any:
    """A request about an object; lists and the like that were passed are changed as the code changed them."""
    harness: Harness = object.__getattribute__(remote, "_harness")
    reply = harness.request(what, object.__getattribute__(remote, "_number"), given)
    for one, changed in zip(positional, reply.get("changed") or (), strict=False):
        if changed is None:
            continue
        new = unpacked(changed, harness.unpack)
        if isinstance(one, (list, bytearray)) and type(new) is type(one):
            one[:] = new
        elif isinstance(one, (dict, set)) and type(new) is type(one):
            one.clear()
            one.update(new)
    return unpacked(reply["value"], harness.unpack)


def _special(name: str) -> Callable[..., Any]:
    def method(self: Remote, *arguments: Any) -> Any:
        return _ask(self, "special", [name, list(arguments)])

    return method


def _compared(name: str) -> Callable[[Remote, Any], Any]:
    """With another object of the code's alone: it must not learn what a plain value has to be."""

    def method(self: Remote, other: Any) -> Any:
        if not isinstance(other, Remote):
            return NotImplemented
        return _ask(self, "special", [name, [other]]) is True

    return method


def _operator(name: str) -> Callable[[Remote, Any], Any]:
    """An operator of a class of the code's, which makes another object of the code's."""

    def method(self: Remote, other: Any) -> Any:
        value = _ask(self, "special", [name, [other]])
        if not isinstance(value, Remote):
            return NotImplemented
        harness, number = (object.__getattribute__(value, one) for one in ("_harness", "_number"))
        return Remote(harness, number, made=True)

    return method


for _name in ASKED:
    setattr(Remote, f"__{_name}__", _special(f"__{_name}__"))
for _name in COMPARED:
    setattr(Remote, f"__{_name}__", _compared(f"__{_name}__"))
for _name in OPERATORS:
    setattr(Remote, f"__{_name}__", _operator(f"__{_name}__"))
