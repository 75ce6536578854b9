"""The process in which code that a model wrote runs: started as a script, it imports nothing of Practicum.

Tests do not run here. They run in the harness (`reward/python_tests.py`), which asks this process to call
functions and gets plain values back; objects stay here, and the harness holds their numbers. So nothing that
the code does to its own process (exit, print, patch, an `__eq__` that is always true) reaches a verdict.

Messages are a length of four bytes and JSON. What this process sends is not trusted.
"""

from __future__ import annotations

import builtins
import json
import operator
import os
import struct
import sys
from decimal import Decimal
from fractions import Fraction
from typing import Any, BinaryIO

LARGEST_MESSAGE = 64_000_000
EXACT_INTEGER = 2**53
CLONE_NEW = 0x10000000 | 0x20000000 | 0x40000000 | 0x08000000  # user, process, network, IPC namespaces
COMPARED = ("__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__")
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


def packed(value: Any, other: Any) -> Any:
    """A plain value as JSON; `other` packs whatever is none. Subclasses travel as their plain base."""
    if value is None or isinstance(value, (bool, str, float)):
        return value if type(value) in (type(None), bool, str, float) else _base(value)
    if isinstance(value, int):
        value = int(value)
        return value if abs(value) <= EXACT_INTEGER else {"t": "int", "v": hex(value)}
    for kind, name in ((list, "list"), (tuple, "tuple"), (set, "set"), (frozenset, "frozenset")):
        if isinstance(value, kind):
            return {"t": name, "v": [packed(one, other) for one in value]}
    if isinstance(value, dict):
        return {"t": "dict", "v": [[packed(key, other), packed(one, other)] for key, one in value.items()]}
    if isinstance(value, (bytes, bytearray)):
        return {"t": type(value).__name__, "v": value.hex()}
    if isinstance(value, complex):
        return {"t": "complex", "v": [value.real, value.imag]}
    if isinstance(value, Fraction):
        return {"t": "Fraction", "v": [hex(value.numerator), hex(value.denominator)]}
    if isinstance(value, Decimal):
        return {"t": "Decimal", "v": str(value)}
    return other(value)


def _base(value: Any) -> Any:
    return str.__str__(value) if isinstance(value, str) else float.__float__(value)


def unpacked(value: Any, other: Any) -> Any:
    """The value that `packed` packed; `other` unpacks what is not plain. Raises ValueError for neither."""
    if not isinstance(value, dict):
        if value is None or isinstance(value, (bool, str, int, float)):
            return value
        raise ValueError("no packed value")
    kind: str = value["t"]
    inner: Any = value.get("v")
    if kind in ("list", "tuple", "set", "frozenset"):
        made: Any = {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset}[kind]
        return made(unpacked(one, other) for one in inner)
    if kind == "dict":
        return {unpacked(key, other): unpacked(one, other) for key, one in inner}
    if kind == "int":
        return int(inner, 16)
    if kind in ("bytes", "bytearray"):
        return (bytes if kind == "bytes" else bytearray).fromhex(inner)
    if kind == "complex":
        return complex(*inner)
    if kind == "Fraction":
        return Fraction(int(inner[0], 16), int(inner[1], 16))
    if kind == "Decimal":
        return Decimal(inner)
    return other(kind, inner)


class Sandbox:
    """The code's side: its objects by number, and what the harness asks to do with them."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.objects: list[Any] = []
        self.numbers: dict[int, int] = {}
        self.namespace: dict[str, Any] = {"__name__": "solution", "__builtins__": builtins}

    def serve(self) -> None:
        """Answer until the harness goes."""
        while True:
            self.channel.send(self.reply(self.channel.receive()))

    def reply(self, asked: dict[str, Any]) -> dict[str, Any]:
        """What came of one request: a value, or the name and text of an exception."""
        try:
            given = unpacked(asked.get("given"), self.theirs)
            value, extra = self.do(asked["do"], asked, given)
            return {"value": packed(value, self.mine), **extra}
        except BaseException as error:
            names = [one.__name__ for one in type(error).__mro__ if one.__module__ == "builtins"]
            try:
                text = str(error)[:1000]
            except BaseException:
                text = ""
            return {"error": names[0] if names else "Exception", "text": text}

    def do(self, what: str, asked: dict[str, Any], given: Any) -> tuple[Any, dict[str, Any]]:
        """Carry out a request."""
        if what == "run":
            exec(compile(given, "solution", "exec", dont_inherit=True), self.namespace)
            # Test code does not see names with underscores; modules it imports itself.
            names = {name: value for name, value in self.namespace.items() if not name.startswith("__")}
            kinds = {name: value.__name__ for name, value in names.items() if type(value) is type(sys)}
            return {name: value for name, value in names.items() if name not in kinds}, {"modules": kinds}
        target = self.objects[asked["of"]]
        if what == "get":
            return getattr(target, given), {}
        if what == "set":
            setattr(target, *given)
            return None, {}
        if what == "call":
            positional, named = given
            value = target(*positional, **named)
            changed = [
                packed(one, self.mine) if isinstance(one, (list, dict, set, bytearray)) else None
                for one in positional
            ]
            return value, {"changed": changed}
        if what == "special":
            name, arguments = given
            if name in COMPARED:
                return getattr(operator, name)(target, *arguments), {}
            if name in ("bool", "str", "repr", "hash", "isinstance"):
                function: Any = getattr(builtins, name)
                return function(*arguments, target) if name == "isinstance" else function(target), {}
            method = getattr(type(target), name, None)
            if method is None:
                raise TypeError(f"{type(target).__name__!r} object has no {name}")
            return method(target, *arguments), {}
        raise ValueError(what)

    def mine(self, value: Any) -> Any:
        """An object of this process, or one of the harness's that goes back."""
        if isinstance(value, Callback):
            return {"t": "yours", "v": value.number}
        # An object has one number. It is kept, so no other gets its id.
        number = self.numbers.setdefault(id(value), len(self.objects))
        if number == len(self.objects):
            self.objects.append(value)
        return {"t": "ref", "v": number}

    def theirs(self, kind: str, inner: Any) -> Any:
        """A reference that the harness sent."""
        return self.objects[inner] if kind == "yours" else Callback(self, inner)


class Callback:
    """A function of the harness's, such as a key that a test passes."""

    def __init__(self, sandbox: Sandbox, number: int) -> None:
        self.sandbox, self.number = sandbox, number

    def __call__(self, *positional: Any, **named: Any) -> Any:
        """What the test's function returns; the tests may ask for more meanwhile."""
        sandbox = self.sandbox
        sandbox.channel.send({"callback": self.number, "given": packed([positional, named], sandbox.mine)})
        while True:
            answer = sandbox.channel.receive()
            if "do" not in answer:
                break
            sandbox.channel.send(sandbox.reply(answer))
        if "error" in answer:
            raise getattr(builtins, answer["error"], Exception)(answer["text"])
        return unpacked(answer["value"], sandbox.theirs)


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
