"""The process in which code that a model wrote runs: started as a script, it imports nothing of Practicum.

Tests do not run here. They run in the harness (`reward/python_tests.py`), which asks this process to call
functions and gets plain values back; objects stay here, and the harness holds their numbers. So nothing that
the code does to its own process (exit, print, patch, an `__eq__` that is always true) reaches a verdict.

Messages are a length of four bytes and JSON. What this process sends is not trusted.
"""

from __future__ import annotations

import builtins
import io
import json
import operator
import os
import re
import struct
import sys
from collections import Counter, OrderedDict, defaultdict, deque, namedtuple
from collections.abc import Callable, Iterator
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from types import CoroutineType
from typing import Any, BinaryIO

LARGEST_MESSAGE = 64_000_000
EXACT_INTEGER = 2**53
CLONE_NEW = 0x10000000 | 0x20000000 | 0x40000000 | 0x08000000  # user, process, network, IPC namespaces
COMPARED = ("eq", "ne", "lt", "le", "gt", "ge")
OPERATORS = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and_", "or_", "xor")
SPECIAL: dict[str, Callable[..., Any]] = {
    **{name: getattr(operator, name) for name in (*COMPARED, *OPERATORS)},
    **{f"r{name}": lambda one, other, name=name: getattr(operator, name)(other, one) for name in OPERATORS},
    **{name: getattr(operator, name) for name in ("neg", "pos", "invert", "getitem", "setitem", "delitem")},
    **{kind.__name__: kind for kind in (bool, str, int, float)},
    **{one.__name__: one for one in (abs, repr, hash, len, iter, next)},
    "instancecheck": lambda kind, one: isinstance(one, kind),
    "subclasscheck": lambda kind, one: issubclass(one, kind),
    "has_contains": lambda one: hasattr(type(one), "__contains__"),
    "enter": lambda one: type(one).__enter__(one),
    "exit": lambda one, *error: type(one).__exit__(one, *error),
}
"""What either side may do with an object of the other's beside calling it and its attributes."""
KINDS = {kind.__name__: kind for kind in vars(builtins).values() if isinstance(kind, type)}
TOO_WIDE = (BaseException, Exception, AssertionError)
"""Classes that never come from the code by a name: `except` with one would hide a failed assert."""
VIEWS: dict[str, Callable[[Any], Any]] = {
    "keys": lambda items: dict(items).keys(),
    "items": lambda items: dict(items).items(),
    "values": lambda items: dict(enumerate(items)).values(),
}
MOST_PRINTED = 1_000_000
SET_DEATH_SIGNAL, KILL = 1, 9


class Channel:
    """Messages out and in."""

    def __init__(self, reader: BinaryIO, writer: BinaryIO) -> None:
        self.reader, self.writer = reader, writer

    def send(self, message: dict[str, Any]) -> None:
        """One message."""
        data = json.dumps(message).encode()
        self.writer.write(struct.pack(">I", len(data)) + data)
        self.writer.flush()

    def receive(self) -> dict[str, Any]:
        """One message. Raises EOFError where the other end has gone."""
        head = self.reader.read(4)
        if len(head) < 4:
            raise EOFError
        (size,) = struct.unpack(">I", head)
        if size > LARGEST_MESSAGE:
            raise EOFError
        data = self.reader.read(size)
        if len(data) < size:
            raise EOFError
        found: dict[str, Any] = json.loads(data)
        return found


class Shared:
    """The lists and the like of one call in the order in which they are met: both sides number them alike."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self.places: dict[int, int] = {}
        self.complete = False

    def add(self, value: Any) -> None:
        """Number a value."""
        self.places[id(value)] = len(self.values)
        self.values.append(value)


class Codec:
    """Values as JSON and back. Subclasses travel as their plain base; `mine` packs what is not plain, and
    `theirs` unpacks it. What changes in place and is passed in a call keeps its identity (`Shared`).
    """

    def __init__(self) -> None:
        self.named: dict[tuple[str, tuple[str, ...]], type] = {}

    def mine(self, value: Any) -> Any:
        """What stands for an object that is not plain."""
        raise NotImplementedError

    def theirs(self, kind: str, inner: Any) -> Any:
        """The object for which that stands."""
        raise NotImplementedError

    def within_limits(self) -> None:
        """Called for each item that is hashed; raises where unpacking takes too long."""

    def packed(self, value: Any, shared: Shared | None = None) -> Any:
        """A value as JSON."""
        if value is None or isinstance(value, (bool, str)) or type(value) is float:
            return str.__str__(value) if isinstance(value, str) else value
        if is_numpy(value):
            if isinstance(value, sys.modules["numpy"].generic):
                return {"t": "numpy", "v": [value.dtype.str, None, value.tobytes().hex()]}
        elif isinstance(value, float):
            return float.__float__(value)
        elif isinstance(value, int):
            value = int(value)
            return value if abs(value) <= EXACT_INTEGER else {"t": "int", "v": hex(value)}
        if isinstance(value, (list, set, dict, bytearray, deque)) or is_numpy(value):
            return self._container(value, shared)
        if isinstance(value, (tuple, frozenset)):
            items = [self.packed(one, shared) for one in value]
            fields = getattr(type(value), "_fields", None)
            if isinstance(value, tuple) and isinstance(fields, tuple) and len(fields) == len(items):
                self.named.setdefault((type(value).__name__, fields), type(value))
                return {"t": "named", "v": [type(value).__name__, list(fields), items]}
            return {"t": "tuple" if isinstance(value, tuple) else "frozenset", "v": items}
        return self._atom(value, shared)

    def _container(self, value: Any, shared: Shared | None) -> Any:
        if shared is not None:
            if id(value) in shared.places:
                return {"t": "same", "v": shared.places[id(value)]}
            if not shared.complete:
                shared.add(value)
        kinds = (Counter, defaultdict, OrderedDict, dict, list, set, bytearray, deque)
        kind = next((one.__name__ for one in kinds if isinstance(value, one)), "numpy")
        more = {}
        if kind == "numpy":
            return {"t": kind, "v": [value.dtype.str, list(value.shape), self.content(value)]}
        if kind == "defaultdict":
            more["made"] = self.packed(value.default_factory, shared)
        if kind == "deque":
            more["most"] = value.maxlen
        return {"t": kind, "v": self.content(value, shared), **more}

    def content(self, value: Any, shared: Shared | None = None) -> Any:
        """What a list or the like holds, as JSON."""
        if isinstance(value, bytearray) or is_numpy(value):
            return (bytes(value) if isinstance(value, bytearray) else value.tobytes()).hex()
        if isinstance(value, dict):
            return [[self.packed(key, shared), self.packed(one, shared)] for key, one in value.items()]
        return [self.packed(one, shared) for one in value]

    def _atom(self, value: Any, shared: Shared | None) -> Any:
        if isinstance(value, bytes):
            return {"t": "bytes", "v": value.hex()}
        if isinstance(value, complex):
            return {"t": "complex", "v": [value.real, value.imag]}
        if isinstance(value, Fraction):
            return {"t": "Fraction", "v": [hex(value.numerator), hex(value.denominator)]}
        if isinstance(value, Decimal):
            return {"t": "Decimal", "v": str(value)}
        if isinstance(value, range):
            return {"t": "range", "v": [hex(one) for one in (value.start, value.stop, value.step)]}
        if isinstance(value, timedelta):
            return {"t": "timedelta", "v": [value.days, value.seconds, value.microseconds]}
        if isinstance(value, (datetime, time)) and type(value.tzinfo) in (type(None), timezone):
            kind = "datetime" if isinstance(value, datetime) else "time"
            return {"t": kind, "v": [value.isoformat(), value.fold]}
        if isinstance(value, date) and not isinstance(value, datetime):
            return {"t": "date", "v": value.isoformat()}
        for name in VIEWS:
            if type(value) is type(getattr({}, name)()):
                items = value if name != "keys" else [(key, None) for key in value]
                return {"t": name, "v": [self.packed(one, shared) for one in items]}
        if isinstance(value, type) and KINDS.get(value.__name__) is value and value not in TOO_WIDE:
            return {"t": "type", "v": value.__name__}
        return self.mine(value)

    def unpacked(self, value: Any, shared: Shared | None = None) -> Any:
        """The value that `packed` packed. Raises ValueError and the like for what is none."""
        if not isinstance(value, dict):
            if value is None or isinstance(value, (bool, str, int, float)):
                return value
            raise ValueError("no packed value")
        kind: str = value["t"]
        inner: Any = value.get("v")
        if kind == "same" and shared is not None:
            return shared.values[inner]
        if kind in ("list", "set", "dict", "bytearray", "deque", "Counter", "defaultdict", "OrderedDict"):
            made = self._empty(kind, value)
            if shared is not None and not shared.complete:
                shared.add(made)
            self.refill(made, inner, shared)
            return made
        if kind == "numpy":
            array = numpy_of(*inner)
            if shared is not None and not shared.complete and inner[1] is not None:
                shared.add(array)
            return array
        if kind in ("tuple", "frozenset", "named"):
            items = [self.unpacked(one, shared) for one in (inner[2] if kind == "named" else inner)]
            if kind == "named":
                return self._named(inner[0], tuple(inner[1]))(*items)
            return tuple(items) if kind == "tuple" else frozenset(self._each(items))
        if kind in VIEWS:
            return VIEWS[kind](self._each([self.unpacked(one, shared) for one in inner]))
        return atom(kind, inner) if kind in ATOMS else self.theirs(kind, inner)

    def _empty(self, kind: str, value: dict[str, Any]) -> Any:
        if kind == "defaultdict":
            return defaultdict(self.unpacked(value["made"]))
        if kind == "deque":
            return deque(maxlen=value["most"])
        return {"Counter": Counter, "OrderedDict": OrderedDict, **KINDS}[kind]()

    def _each(self, items: Any) -> Iterator[Any]:
        for one in items:
            self.within_limits()
            yield one

    def _named(self, name: str, fields: tuple[str, ...]) -> type:
        if (name, fields) not in self.named:
            self.named[name, fields] = namedtuple(name, fields)
        return self.named[name, fields]

    def refill(self, value: Any, inner: Any, shared: Shared | None = None) -> None:
        """Give a list or the like what it is to hold instead."""
        if is_numpy(value):
            value[...] = numpy_of(value.dtype.str, list(value.shape), inner)
        elif isinstance(value, bytearray):
            value[:] = bytes.fromhex(inner)
        elif isinstance(value, dict):
            pairs = [(self.unpacked(key, shared), self.unpacked(one, shared)) for key, one in inner]
            dict.clear(value)
            for key, one in self._each(pairs):
                dict.__setitem__(value, key, one)
        else:
            items = [self.unpacked(one, shared) for one in inner]
            value.clear()
            (value.update if isinstance(value, set) else value.extend)(self._each(items))


ATOMS = {
    "int",
    "bytes",
    "complex",
    "Fraction",
    "Decimal",
    "range",
    "timedelta",
    "datetime",
    "time",
    "date",
    "type",
}


def atom(kind: str, inner: Any) -> Any:
    """A value that holds no others."""
    if kind == "int":
        return int(inner, 16)
    if kind == "bytes":
        return bytes.fromhex(inner)
    if kind == "complex":
        return complex(*inner)
    if kind == "Fraction":
        return Fraction(int(inner[0], 16), int(inner[1], 16))
    if kind == "Decimal":
        return Decimal(inner)
    if kind == "range":
        return range(*(int(one, 16) for one in inner))
    if kind == "timedelta":
        return timedelta(*inner)
    if kind == "date":
        return date.fromisoformat(inner)
    if kind == "type":
        return KINDS[inner]
    moment: type[datetime] | type[time] = datetime if kind == "datetime" else time
    return moment.fromisoformat(inner[0]).replace(fold=inner[1])


def is_numpy(value: Any) -> bool:
    """Whether a value is a number or an array of numbers of NumPy's; nothing is imported for that."""
    numpy = sys.modules.get("numpy")
    kinds = () if numpy is None else (numpy.generic, numpy.ndarray)
    return isinstance(value, kinds) and value.dtype.kind in "biufc"


def numpy_of(kind: str, shape: list[int] | None, data: str) -> Any:
    """An array of numbers, or a number where it has no shape. Raises ValueError for anything else."""
    import numpy

    if not re.fullmatch(r"[<>|=][biufc]\d+", kind):
        raise ValueError(f"{kind} is no number")
    # A truth value must be 0 or 1, whatever the bytes are.
    found = numpy.frombuffer(bytes.fromhex(data), "u1" if kind[1] == "b" else kind)
    found = (found != 0 if kind[1] == "b" else found).reshape(shape or ()).copy()
    return found[()] if shape is None else found


class Sandbox(Codec):
    """The code's side: its objects by number, and what the harness asks to do with them."""

    def __init__(self, channel: Channel) -> None:
        super().__init__()
        self.channel = channel
        self.objects: list[Any] = []
        self.numbers: dict[int, int] = {}
        self.callbacks: dict[int, Callback] = {}
        self.namespace: dict[str, Any] = {"__name__": "solution", "__builtins__": builtins}
        self.printed = sys.stdout = io.StringIO()
        self.loop: Any = None

    def serve(self) -> None:
        """Answer until the harness goes."""
        while True:
            self.channel.send(self.reply(self.channel.receive()))

    def reply(self, asked: dict[str, Any]) -> dict[str, Any]:
        """What came of one request, a value or an exception, and what was printed meanwhile."""
        shared = Shared()
        try:
            given = self.unpacked(asked.get("given"), shared)
            shared.complete = True
            before = [self.content(one, shared) for one in shared.values]
            try:
                reply = self.do(asked["do"], asked, given, shared)
            except BaseException as error:
                reply = {"error": self.error(error)}
            after = [self.content(one, shared) for one in shared.values]
            reply["changed"] = [
                None if one == other else other for one, other in zip(before, after, strict=True)
            ]
        except BaseException as error:
            reply = {"error": self.error(error)}
        reply["printed"] = self.printed.getvalue()[:MOST_PRINTED]
        self.printed.seek(0)
        self.printed.truncate()
        return reply

    def do(self, what: str, asked: dict[str, Any], given: Any, shared: Shared) -> dict[str, Any]:
        """Carry out a request."""
        if what == "run":
            exec(compile(given, "solution", "exec", dont_inherit=True), self.namespace)
            # Test code does not see names with underscores; modules it imports itself.
            names = {name: value for name, value in self.namespace.items() if not name.startswith("__")}
            kinds = {name: value.__name__ for name, value in names.items() if type(value) is type(sys)}
            rest = {name: value for name, value in names.items() if name not in kinds}
            return {"value": self.packed(rest), "modules": kinds}
        target = self.objects[asked["of"]]
        if what == "get":
            value: Any = getattr(target, given)
        elif what == "set":
            setattr(target, *given)
            value = None
        elif what == "call":
            positional, named = given
            value = target(*positional, **dict(named))
        else:
            value = SPECIAL[what](target, *given)
        if isinstance(value, CoroutineType):
            return {"coroutine": self.awaited(value, shared), "value": None}
        return {"value": self.packed(value, shared)}

    def awaited(self, coroutine: Any, shared: Shared) -> dict[str, Any]:
        """What a coroutine comes to; it is run at once, and the tests wait for what is there already."""
        import asyncio  # for code that needs it alone: it takes longer to import than all else here

        self.loop = self.loop or asyncio.new_event_loop()
        try:
            return {"value": self.packed(self.loop.run_until_complete(coroutine), shared)}
        except Exception as error:
            return {"error": self.error(error)}

    def error(self, error: BaseException) -> Any:
        """An exception: its class, arguments and text, and its number where its class is not Python's."""
        given = getattr(error, "_given", None)
        if isinstance(given, int):
            return {"t": "raised", "v": {"given": given}}
        kind = self.kind(type(error))
        try:
            text, arguments = str(error)[:1000], self.packed(error.args)
        except BaseException:
            text, arguments = "", self.packed(())
        number = -1
        if not isinstance(kind, str):
            error.__traceback__ = None  # its frames would be kept as long as it is
            number = self.number(error)
        return {"t": "raised", "v": {"kind": kind, "args": arguments, "text": text, "of": number}}

    def kind(self, kind: type) -> Any:
        """A class of exceptions: Python's own by name, another with its number, name and bases."""
        if KINDS.get(kind.__name__) is kind:
            return kind.__name__
        bases = [self.kind(base) for base in kind.__bases__ if issubclass(base, BaseException)]
        return [self.number(kind), str(kind.__module__), kind.__name__, bases]

    def number(self, value: Any) -> int:
        """The number of an object, one for each. It is kept, so no other gets its id."""
        number = self.numbers.setdefault(id(value), len(self.objects))
        if number == len(self.objects):
            self.objects.append(value)
        return number

    def mine(self, value: Any) -> Any:
        """An object of this process, or one of the harness's that goes back."""
        if isinstance(value, Callback):
            return {"t": "yours", "v": object.__getattribute__(value, "_number")}
        if isinstance(value, BaseException):
            return self.error(value)
        if isinstance(value, type) and issubclass(value, BaseException) and value not in TOO_WIDE:
            return {"t": "error", "v": self.kind(value)}
        return {"t": "ref", "v": self.number(value)}

    def packed(self, value: Any, shared: Shared | None = None) -> Any:
        """As a `Codec` packs; an array without numbers stays here, as it is equal to everything at once."""
        if is_numpy(value) and not value.size:
            return self.mine(value)
        return super().packed(value, shared)

    def theirs(self, kind: str, inner: Any) -> Any:
        """What the harness sent that is not plain."""
        if kind == "yours":
            return self.objects[inner]
        if kind == "Pattern":
            return re.compile(self.unpacked(inner[0]), inner[1])
        if kind == "Path":
            from pathlib import Path

            return Path(inner)
        made = {"ref": Callback, "iterator": Iterated, "own": Theirs}[kind]
        return self.callbacks.setdefault(inner, made(self, inner))


class Callback:
    """A function of the tests', such as a key that a test passes."""

    __slots__ = ("_number", "_sandbox")

    def __init__(self, sandbox: Sandbox, number: int) -> None:
        object.__setattr__(self, "_sandbox", sandbox)
        object.__setattr__(self, "_number", number)

    def __call__(self, *positional: Any, **named: Any) -> Any:
        """What the test's function returns; the tests may ask for more meanwhile."""
        return _ask(self, "call", (positional, tuple(named.items())))


class Iterated(Callback):
    """An iterator of the tests'."""

    __slots__ = ()

    def __iter__(self) -> Any:
        return self

    def __next__(self) -> Any:
        return _ask(self, "next", ())


class Theirs(Callback):
    """An object of a class of the tests'."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        return _ask(self, "get", name)

    def __setattr__(self, name: str, value: Any) -> None:
        _ask(self, "set", (name, value))


def _ask(callback: Callback, what: str, given: Any) -> Any:
    sandbox: Sandbox = object.__getattribute__(callback, "_sandbox")
    number = object.__getattribute__(callback, "_number")
    sandbox.channel.send({"callback": number, "what": what, "given": sandbox.packed(given)})
    while True:
        answer = sandbox.channel.receive()
        if "do" not in answer:
            break
        sandbox.channel.send(sandbox.reply(answer))
    if "error" not in answer:
        return sandbox.unpacked(answer["value"])
    if answer["error"] is None:
        raise sandbox.objects[answer["of"]]
    error = KINDS[answer["error"]](answer["text"])
    if answer["error"] != "StopIteration":
        error._given = answer["of"]
    raise error


def _special(name: str) -> Callable[..., Any]:
    return lambda self, *arguments: _ask(self, name, arguments)


for _name in SPECIAL:
    if _name not in ("instancecheck", "subclasscheck", "has_contains", "enter", "exit"):
        setattr(Theirs, f"__{_name.rstrip('_')}__", _special(_name))


def isolate() -> bool:
    """Leave the network and the processes of the machine behind (Linux); whether that was possible.

    The code runs in a child, the first process of its own namespace: with it, all that it started ends.
    """
    if sys.platform != "linux":
        return False
    import ctypes

    library = ctypes.CDLL(None, use_errno=True)
    if library.unshare(CLONE_NEW) != 0:
        return False
    child = os.fork()
    if child:
        os.close(0)
        _, status = os.waitpid(child, 0)
        os._exit(os.waitstatus_to_exitcode(status) & 255)
    library.prctl(SET_DEATH_SIGNAL, KILL)
    return True


def limit(seconds: int, memory: int) -> None:
    """Limits that the code cannot raise again."""
    import resource

    for name, most in (
        ("RLIMIT_CPU", seconds),
        ("RLIMIT_AS", memory),
        ("RLIMIT_FSIZE", 16_000_000),
        ("RLIMIT_NOFILE", 64),
        ("RLIMIT_NPROC", 512),
        ("RLIMIT_CORE", 0),
    ):
        number = getattr(resource, name, None)
        if number is not None:
            _, hard = resource.getrlimit(number)
            value = most if hard == resource.RLIM_INFINITY else min(most, hard)
            resource.setrlimit(number, (value, value))


def main(read_fd: int, write_fd: int, seconds: int, memory: int) -> None:
    """Isolate, limit, then serve the harness."""
    isolated = isolate()
    limit(seconds, memory)
    os.set_inheritable(read_fd, False)
    os.set_inheritable(write_fd, False)
    channel = Channel(os.fdopen(read_fd, "rb"), os.fdopen(write_fd, "wb"))
    channel.send({"isolated": isolated})
    try:
        Sandbox(channel).serve()
    except (EOFError, OSError):
        os._exit(0)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:5]))
