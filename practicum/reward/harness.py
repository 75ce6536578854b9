"""Between the tests, which run here, and the code, which runs in a process of its own (`reward/sandbox.py`).

What crosses over are plain values. An object of the code's stays there, and is equal to no plain value
whatever its `__eq__` says; an object of the tests' stays here. What the code sends is not trusted.
"""

from __future__ import annotations

import builtins
import io
import re
import select
import sys
import time
import unittest
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from pathlib import PurePath
from typing import Any

from practicum.reward.programs import MODULES, NAME
from practicum.reward.sandbox import COMPARED, KINDS, OPERATORS, SPECIAL, TOO_WIDE, Channel, Codec, Shared

ASKED = ("len", "iter", "next", "getitem", "setitem", "delitem", "enter")
ALONE = ("neg", "pos", "invert", "abs", "int", "float")
JUDGING = frozenset(
    name
    for kind in (str, bytes, set, frozenset, int, float)
    for name in dir(kind)
    if name.startswith("is") or name.endswith("with")
)
"""Methods by which Python's own values answer yes or no; an object of the code's would always say yes."""
SERVED = ("__name__", "__qualname__", "__dict__")
"""The names with underscores around them that are asked of an object of the code's: the others are protocols,
by which NumPy and others would take its word, or its memory."""
ENDING = (SystemExit, KeyboardInterrupt, GeneratorExit)
FILES = (io.StringIO, io.BytesIO)
HOOKS = frozenset(
    ("setUpModule", "tearDownModule", "load_tests", "setup_module", "teardown_module", "setup_function",
     "teardown_function")
)  # fmt: skip
"""Names that a runner of tests looks for in their module, where a function of the code's could skip them."""
FAR_REACHING = (getattr, setattr, delattr, vars, eval, exec, compile, open, globals, locals, __import__)
"""Functions of Python's that would do here what the code says."""


class Ended(BaseException):
    """The code's process has ended or has taken too long; no test can catch it by `except Exception`."""


class Uncarried(BaseException):
    """The tests do what cannot be done across two processes: whatever the code is, they cannot judge it."""


class Harness(Codec):
    """This side of the channel: what tests do with the code's objects becomes a request."""

    told = False

    def __init__(self, channel: Channel, deadline: float) -> None:
        super().__init__()
        self.channel, self.deadline = channel, deadline
        self.objects: list[Any] = []
        self.numbers: dict[int, int] = {}
        self.remotes: dict[int, Remote] = {}
        self.errors: dict[int, type[BaseException]] = {}
        self.stdout = sys.stdout

    def start(self, code: str) -> dict[str, Any]:
        """Run the code and return the names it defined, without those of Python's own functions.

        Of the modules that it imports, those in MODULES are imported here anew: the code chooses the names.
        """
        if not self.receive().get("isolated") and not Harness.told:
            Harness.told = True
            print(
                "practicum: python_tests: no namespaces here: the code may use the network", file=sys.stderr
            )
        reply = self.exchange({"do": "run", "given": code})
        if "error" in reply:
            raise self.raised(reply, "run")
        found = {
            name: value
            for name, value in self.unpacked(reply["value"]).items()
            if not hasattr(builtins, name) and not name.startswith("__") and name not in HOOKS
        }
        for name, module in reply.get("modules", {}).items():
            if module in MODULES:
                found[name] = import_module(module)
        return found

    def request(self, what: str, of: int, given: Any) -> Any:
        """Ask; what was passed is changed as the code changed it. Raises what the code raised."""
        shared = Shared()
        message = {"do": what, "of": of, "given": self.packed(given, shared)}
        shared.complete = True
        reply = self.exchange(message)
        for value, changed in zip(shared.values, reply.get("changed") or (), strict=False):
            if changed is not None:
                self.refill(value, changed, shared)
        if "error" in reply:
            raise self.raised(reply, what)
        if "coroutine" in reply:
            return self.awaited(reply["coroutine"], shared)
        return self.unpacked(reply["value"], shared)

    def exchange(self, message: dict[str, Any]) -> dict[str, Any]:
        """Send, answer what the code asks meanwhile, and return the reply that is no question."""
        self.send(message)
        while "callback" in (reply := self.receive()):
            self.send(self.called_back(reply))
        if sys.stdout is not self.stdout:  # the tests read what is printed
            sys.stdout.write(str(reply.get("printed", "")))
        if "error" not in reply and "value" not in reply:
            raise Ended("sent what is no reply")
        return reply

    async def awaited(self, found: Mapping[str, Any], shared: Shared) -> Any:
        """What the code's coroutine came to."""
        if "error" in found:
            raise self.raised(found, "await")
        return self.unpacked(found["value"], shared)

    def called_back(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """What an object of the tests' says to the code."""
        try:
            value = self.answer(self.objects[asked["callback"]], asked["what"], self.unpacked(asked["given"]))
            return {"value": self.packed(value)}
        except Exception as error:  # it goes back to the code that called
            if isinstance(error, RemoteError):
                return {"error": None, "of": error.__dict__["_number"]}
            name = next(one.__name__ for one in type(error).__mro__ if one in KINDS.values())
            return {"error": name, "text": str(error)[:1000], "of": self.number(error)}

    def answer(self, value: Any, what: str, given: Any) -> Any:
        """Call a function of the tests', go on with an iterator, or use an object of a class of theirs.

        Only that: what else the tests hold would lead the code out of its process.
        """
        if what == "call":
            if any(value is one for one in FAR_REACHING) or getattr(value, "__name__", "") in (
                "format",
                "format_map",
            ):
                raise TypeError(f"{value!r:.60} of the tests is not called by the code")
            positional, named = given
            return value(*positional, **dict(named))
        if not is_own(value):
            if what == "next" and isinstance(value, Iterator):
                return next(value)
            raise TypeError(f"{type(value).__name__!r} object of the tests has no {what}")
        if what in ("get", "set"):
            name = given if what == "get" else given[0]
            # A mock has children and is called: what its class has would change the mock, or the class.
            hidden = is_mock(value) and isinstance(name, str) and hasattr(type(value), name)
            if not isinstance(name, str) or name.startswith("_") or hidden:
                raise AttributeError(f"{type(value).__name__!r} object has no attribute {name!r}")
            if what == "get":
                return getattr(value, name)
            if callable(getattr(type(value), name, None)):
                raise AttributeError(f"{name!r} of {type(value).__name__!r} cannot be replaced")
            return setattr(value, name, given[1])
        return SPECIAL[what](value, *given)

    def send(self, message: dict[str, Any]) -> None:
        """One message; Ended where nobody reads it."""
        try:
            self.channel.send(message)
        except OSError:
            raise Ended("the code ended its process") from None

    def receive(self) -> dict[str, Any]:
        """One message before the deadline; Ended where none comes."""
        try:
            found = _Timed(self.channel, self.deadline).receive()
        except (EOFError, ValueError, OSError, RecursionError):
            raise Ended("the code ended its process") from None
        if not isinstance(found, dict):
            raise Ended("sent what is no reply")
        return found

    def within_limits(self) -> None:
        """Ended where values that hash alike would keep this side busy beyond the deadline."""
        if time.monotonic() > self.deadline:
            raise Ended("took longer than the time limit")

    def number(self, value: Any) -> int:
        """The number of an object of the tests'; it is kept, so no other gets its id."""
        number = self.numbers.setdefault(id(value), len(self.objects))
        if number == len(self.objects):
            self.objects.append(value)
        return number

    def mine(self, value: Any) -> Any:
        """What stands for an object: the code's own, or one of the tests'. Raises Uncarried for others."""
        if isinstance(value, Remote):
            return {"t": "yours", "v": object.__getattribute__(value, "_number")}
        if isinstance(value, (RemoteError, ErrorClass)):
            return {"t": "yours", "v": vars(value)["_number"]}
        if isinstance(value, PurePath):
            return {"t": "Path", "v": str(value)}
        if isinstance(value, re.Pattern):
            return {"t": "Pattern", "v": [self.packed(value.pattern), value.flags]}
        is_error = isinstance(value, type) and issubclass(value, BaseException)
        if is_error and value in KINDS.values():
            return {"t": "type", "v": value.__name__}
        if isinstance(value, unittest.TestCase):
            raise Uncarried("the tests pass their own case to the code, which could skip it")
        if is_own(value):
            return {"t": "own", "v": self.number(value)}
        if isinstance(value, Iterator):
            return {"t": "iterator", "v": self.number(value)}
        if callable(value) and not is_error:
            return {"t": "ref", "v": self.number(value)}
        what = f"the class {value.__name__}" if is_error else f"a {type(value).__name__}"
        raise Uncarried(f"the tests pass {what} to the code, which cannot go to its process")

    def theirs(self, kind: str, inner: Any) -> Any:
        """An object that stays with the code, or one of the tests' that comes back."""
        if kind == "ref" and isinstance(inner, int):
            return self.remotes.setdefault(inner, Remote(self, inner))
        if kind == "yours" and isinstance(inner, int) and 0 <= inner < len(self.objects):
            return self.objects[inner]
        if kind == "error" and (found := self.error_class(inner)) not in TOO_WIDE:
            return found
        if kind == "raised":
            return self.error(inner)
        raise Ended("sent what is no value")

    def unpacked(self, value: Any, shared: Shared | None = None) -> Any:
        """As a `Codec` unpacks, without what only this side may send."""
        kind = value["t"] if isinstance(value, dict) else ""
        if (kind == "type" and KINDS.get(value["v"]) in TOO_WIDE) or (kind == "numpy" and not value["v"][2]):
            raise Ended("sent what is no value")
        found = super().unpacked(value, shared)
        return widened(found) if kind == "numpy" else found

    def error_class(self, packed: Any) -> type[BaseException]:
        """A class of exceptions of the code's as one here, which derives from Python's own as it does there.

        One of a module of Python's that the tests may import is that module's.
        """
        if isinstance(packed, str):
            named = KINDS.get(packed, Exception)
            return named if issubclass(named, BaseException) else Exception
        number, module, name, bases = packed
        parents = tuple(map(self.error_class, bases)) or (Exception,)
        if module.partition(".")[0].strip("_") in MODULES_OF_ERRORS and module in sys.modules:
            found = getattr(sys.modules[module], name, None)
            # Some modules hold others' classes, as numpy.testing unittest's SkipTest.
            if isinstance(found, type) and issubclass(found, Exception) and is_carried(found):
                return found
        if number not in self.errors:
            inherits = () if any(issubclass(one, RemoteError) for one in parents) else (RemoteError,)
            names = {"__module__": "solution", "_number": number, "_harness": self}
            made: Any = ErrorClass(str(name), (*inherits, *parents), names)
            self.errors[number] = made
        return self.errors[number]

    def error(self, packed: Mapping[str, Any]) -> BaseException:
        """An exception that the code raised, or one of the tests' that came back through the code."""
        if "given" in packed:
            found = self.objects[packed["given"]]
            return found if isinstance(found, BaseException) else Exception()
        kind, arguments = self.error_class(packed["kind"]), self.unpacked(packed["args"])
        if isinstance(kind, ErrorClass):
            made = kind.__new__(kind, *arguments)
            made.args = arguments
            made.__dict__.update(_number=packed["of"], _text=str(packed["text"]))
            return made
        try:
            return kind(*arguments)
        except TypeError:  # as one whose arguments are not those that it keeps
            made = kind.__new__(kind, *arguments)
            made.args = arguments
            return made

    def raised(self, reply: Mapping[str, Any], what: str) -> BaseException:
        """An exception as the tests get it; Ended for one that ends programs."""
        error = self.unpacked(reply["error"])
        if not isinstance(error, BaseException):
            raise Ended("sent what is no reply")
        if not isinstance(error, Exception) or isinstance(
            error, (SystemExit, KeyboardInterrupt, GeneratorExit)
        ):
            return Ended(f"{type(error).__name__}: {error}")
        if isinstance(error, unittest.SkipTest) or (isinstance(error, StopIteration) and what != "next"):
            # A test would be passed over, or a loop of the tests ended, and with it their asserts.
            return RuntimeError(f"the code raised {type(error).__name__}")
        return error


MODULES_OF_ERRORS = frozenset(name.partition(".")[0] for name in MODULES) - {"unittest"} | {
    "binascii", "concurrent", "configparser", "graphlib", "queue", "socket", "subprocess", "zipfile", "zlib"
}  # fmt: skip


def is_carried(kind: type[Exception]) -> bool:
    """Whether tests may get an exception of a class from the code: not of one that passes over a test, nor of
    one that any `except` of theirs would take."""
    return kind not in TOO_WIDE and not issubclass(kind, unittest.SkipTest)


def is_mock(value: Any) -> bool:
    """Whether a value is one of unittest's mocks; nothing is imported for that."""
    mock = sys.modules.get("unittest.mock")
    return mock is not None and isinstance(value, mock.NonCallableMock)


def widened(value: Any) -> Any:
    """A number or an array of NumPy's as one that is compared as it is: beside a narrow float NumPy narrows
    the other side too, so that an infinite one is equal to every large number."""
    import numpy

    narrow = value.dtype.kind == "f" and value.dtype.itemsize < 8
    if narrow and (value.dtype.itemsize < 4 or not numpy.isfinite(value).all()):
        return value.astype("f8")
    return value


def is_own(value: Any) -> bool:
    """Whether a value is an object of a class of the tests', which the code may use by its public names."""
    if is_mock(value):
        return True
    return isinstance(value, FILES) or (type(value).__module__ == NAME and not isinstance(value, type))


class ErrorClass(type):
    """The class of a class of exceptions of the code's, which is called and asked in the code's process."""

    _number: int
    _harness: Harness

    def __call__(cls, *positional: Any, **named: Any) -> Any:
        """An exception that the tests make of the code's class."""
        return cls._harness.request("call", cls._number, (positional, tuple(named.items())))

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return cls._harness.request("get", cls._number, name)


class RemoteError(Exception):
    """An exception of a class of the code's; its attributes are asked in the code's process."""

    _harness: Harness

    def __str__(self) -> str:
        return str(self.__dict__["_text"])

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name in JUDGING:
            raise AttributeError(name)
        return self._harness.request("get", self.__dict__["_number"], name)


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
        if name.startswith("__") and name.endswith("__") and name not in SERVED:
            raise AttributeError(f"an object of the code's is not asked for {name}")
        return _ask(self, "get", name)

    def __setattr__(self, name: str, value: Any) -> None:
        _ask(self, "set", (name, value))

    def __call__(self, *positional: Any, **named: Any) -> Any:
        """What the code's function returns."""
        return _ask(self, "call", (positional, tuple(named.items())))

    def __bool__(self) -> bool:
        if object.__getattribute__(self, "_made"):
            raise TypeError("what an operator made of an object is neither true nor false: compare it")
        return _ask(self, "bool") is True

    def __str__(self) -> str:
        return str.__str__(_ask(self, "str"))

    def __repr__(self) -> str:
        return str.__str__(_ask(self, "repr"))

    def __instancecheck__(self, value: Any) -> bool:
        return _ask(self, "instancecheck", (value,)) is True

    def __subclasscheck__(self, value: Any) -> bool:
        return _ask(self, "subclasscheck", (value,)) is True

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[type, ...]:
        raise Uncarried("the tests derive a class from one of the code's, which is in another process")

    def __contains__(self, wanted: Any) -> bool:
        # By its items: a __contains__ of the code's would be told what it must hold.
        try:
            items = iter(self)
        except TypeError:
            if _ask(self, "has_contains") is not True:
                raise
            raise Uncarried("the tests ask `in` of an object that has no __iter__") from None
        return any(one is wanted or one == wanted for one in items)

    def __exit__(self, *error: object) -> None:
        # What it returns is not taken: it would pass over the failure of a test.
        _ask(self, "exit", (None, None, None))

    def __hash__(self) -> int:
        return int.__hash__(_ask(self, "hash"))


def _ask(remote: Remote, what: str, given: Any = ()) -> Any:
    harness: Harness = object.__getattribute__(remote, "_harness")
    return harness.request(what, object.__getattribute__(remote, "_number"), given)


def _special(name: str) -> Callable[..., Any]:
    return lambda self, *arguments: _ask(self, name, arguments)


def _alone(name: str) -> Callable[[Remote], Any]:
    """An operator without another value, for an object that has not been told one by an operator before."""

    def method(self: Remote) -> Any:
        value = _ask(self, name)
        if object.__getattribute__(self, "_made") and not isinstance(value, Remote):
            raise TypeError(f"what an operator made of an object has no {name}: compare it")
        return value

    return method


def _compared(name: str) -> Callable[[Remote, Any], Any]:
    """With another object of the code's alone: it must not learn what a plain value has to be."""

    def method(self: Remote, other: Any) -> Any:
        if not isinstance(other, Remote):
            return NotImplemented
        return _ask(self, name, (other,)) is True

    return method


def _operator(name: str) -> Callable[[Remote, Any], Any]:
    """An operator of a class of the code's, which makes another object of the code's."""

    def method(self: Remote, other: Any) -> Any:
        value = _ask(self, name, (other,))
        if not isinstance(value, Remote):
            return NotImplemented
        harness, number = (object.__getattribute__(value, one) for one in ("_harness", "_number"))
        return Remote(harness, number, made=True)

    return method


for _names, _method in (
    (ASKED, _special),
    (ALONE, _alone),
    (COMPARED, _compared),
    ((*OPERATORS, *(f"r{name}" for name in OPERATORS)), _operator),
):
    for _name in _names:
        setattr(Remote, f"__{_name.rstrip('_')}__", _method(_name))
