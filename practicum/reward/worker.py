"""The process that holds one reward function and calls it: what runs in the child.

The parent (`reward/process.py`) talks to it through two pipes of its own, so that what the function prints
goes to stderr. Requests and replies are JSON.
Nothing heavy is imported here: a worker starts in a tenth of a second.
"""

from __future__ import annotations

import ctypes
import faulthandler
import inspect
import json
import math
import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, Literal

from practicum import loading
from practicum.loading import load_file, load_module, named
from practicum.reward.bad import BadFunction, BadReward
from practicum.reward.constants import constants_of
from practicum.reward.process import end_below
from practicum.reward.reached import reached
from practicum.types import LARGEST_REWARD, Score

Kind = Literal["trl", "verl", "verl_batched", "plain"]
BATCHED = ("trl", "verl_batched")
SIGNATURES: Mapping[Kind, str] = {
    "trl": "TRL's signature (batched)",
    "verl": "verl's compute_score",
    "verl_batched": "verl's compute_score (batched)",
    "plain": "(prompt, completion, row)",
}
VERL = ("data_source", "solution_str", "ground_truth", "extra_info")
PROMPT_WORDS = frozenset(
    ("prompt", "question", "query", "instruction", "problem", "request", "input", "context", "task", "chat")
)
COMPLETION_WORDS = frozenset(
    ("completion", "response", "output", "reply", "generation", "generated", "prediction", "predicted",
     "predict", "pred", "out", "resp", "text", "said", "string", "str", "content", "candidate", "hypothesis")
)  # fmt: skip
ROW_WORDS = frozenset(
    ("row", "data", "record", "example", "item", "sample", "meta", "metadata", "extra", "info", "columns")
)
IN_ORDER = (("prompt", PROMPT_WORDS), ("completion", COMPLETION_WORDS), ("row", ROW_WORDS))
"""Words in the names of parameters that are taken in order; a single letter says nothing, and may stand
anywhere."""
GOLD_WORDS = frozenset(
    ("gold", "golden", "truth", "reference", "ref", "label", "target", "expected", "solution", "answer",
     "correct")
)  # fmt: skip
"""Words that name a right answer, which is passed by its name alone."""
NO_COLUMNS = ("prompt", "completion", "completion_ids")
"""Columns that are passed within `row` alone: by their names go the sample's own prompt and completion."""
GIVEN_BY_TRL = ("completion_ids", "trainer_state", "log_extra", "log_metric")
AT_ONCE = 32
"""Rows of an async function that wait at the same time."""
LONGEST_TRACEBACK = 4000
KILLED_WITH_PARENT = 1  # PR_SET_PDEATHSIG
ADOPTS = 36  # PR_SET_CHILD_SUBREAPER
NOT_LOGGED: set[str] = set()
"""What was said to be left out, so that it is said once."""


@dataclass(frozen=True)
class Function:
    """A function as it is called.

    `names` are the parameters that are passed by name, `open` says that it takes any. `places` are the names
    of those that are passed in order, as prompt, completion, row. `needs` are those without a default.
    """

    call: Callable[..., Any]
    kind: Kind
    names: tuple[str, ...] = ()
    open: bool = False
    places: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    is_async: bool = False


@dataclass
class Logged:
    """What a function logs through TRL's log_metric and log_extra during one call: numbers only."""

    metrics: dict[str, list[float]] = field(default_factory=dict)
    columns: dict[str, list[Any]] = field(default_factory=dict)

    def log_metric(self, name: str, value: float) -> None:
        """A number of the whole call."""
        if (found := self._number(f"log_metric {name}", value)) is not None:
            self.metrics.setdefault(str(name), []).append(found)

    def log_extra(self, column: str, values: Iterable[Any]) -> None:
        """One value a row."""
        self.columns[str(column)] = list(values)

    def parts(self, row: int) -> dict[str, float]:
        """What was logged of one row."""
        found = {name: sum(values) / len(values) for name, values in self.metrics.items()}
        for name, values in self.columns.items():
            value = self._number(f"log_extra {name}", values[row]) if row < len(values) else None
            if value is not None:
                found[name] = value
        return found

    def _number(self, name: str, value: Any) -> float | None:
        """A value as a number; what is none is left out and said once, as the rewards beside it are valid."""
        try:
            return number(value)
        except Exception:
            if name not in NOT_LOGGED:
                NOT_LOGGED.add(name)
                print(
                    f"practicum: {name}: {_shown(value)} is left out: expected a finite number",
                    file=sys.stderr,
                )
            return None


def main(request_fd: int, reply_fd: int, crash_fd: int) -> None:
    """Load the function that the first request names, then answer calls until the parent goes."""
    if sys.platform == "linux":
        _watched((request_fd, reply_fd, crash_fd))
    _live_and_die_with_parent()
    for descriptor in (request_fd, reply_fd, crash_fd):
        os.set_inheritable(descriptor, False)
    requests, replies = Connection(request_fd, writable=False), Connection(reply_fd, readable=False)
    faulthandler.enable(file=crash_fd)
    own, function = os.getpid(), None
    while True:
        try:
            request = json.loads(requests.recv_bytes())
        except (EOFError, OSError):
            os._exit(0)
        # The stack of a hang, for the parent to show; C code that holds the interpreter's lock included.
        faulthandler.dump_traceback_later(request["stack_after"], file=crash_fd)
        try:
            if function is None:
                function = load(request)
                reply: dict[str, Any] = {
                    "kind": function.kind,
                    "needs": function.needs,
                    "names": function.names,
                    "open": function.open,
                    "places": function.places,
                    "is_async": function.is_async,
                    "limit": getattr(function.call, "limit", 0.0),
                }
            elif request.get("constants"):
                reply = {"constants": constants_of(function.call)}
            elif request.get("reached"):
                with reached() as places:
                    reply = {"rows": answer(function, request, _waited_for)}
                reply["reached"] = sorted(places)
            else:
                reply = {"rows": answer(function, request, _waited_for)}
        except BaseException as error:  # sys.exit in a function, and interrupts, cost the call alone
            reply = failure(error)
        faulthandler.cancel_dump_traceback_later()
        if os.getpid() != own:  # a function that forks must not answer twice
            os._exit(0)
        with suppress(Exception):  # the function may have put anything in its place
            sys.stdout.flush()
        replies.send_bytes(json.dumps(reply).encode())


def _waited_for(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """What it returns, in this process's loop."""
    return _loop().run_until_complete(coroutine)


@cache
def _loop() -> Any:
    """The event loop of this process, made where it is first needed: it costs a third of a worker's start."""
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    loop = asyncio.new_event_loop()
    loop.set_default_executor(ThreadPoolExecutor(AT_ONCE))
    return loop


def _watched(descriptors: Sequence[int]) -> None:
    """Go on in a child, while this process waits for it and then ends all that it has started (Linux).

    What a function starts in a session of its own is adopted here when its parent ends, so that it is found.
    """
    system = ctypes.CDLL(None)
    system.prctl(ADOPTS, 1)
    child = os.fork()
    if child == 0:
        return
    for descriptor in descriptors:
        os.close(descriptor)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: _end_all(signal.SIGKILL))
    system.prctl(KILLED_WITH_PARENT, signal.SIGTERM)
    while True:
        with suppress(ChildProcessError):
            ended, status = os.wait()
            if ended == child:
                _end_all(status)


def _end_all(status: int) -> None:
    """End what is below this process, then this process in the way that a status of wait says."""
    end_below(os.getpid())
    if os.WIFSIGNALED(status):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        with suppress(OSError):
            signal.signal(os.WTERMSIG(status), signal.SIG_DFL)
        os.kill(os.getpid(), os.WTERMSIG(status))
    os._exit(os.WEXITSTATUS(status))


def _live_and_die_with_parent() -> None:
    """Ctrl-C is the parent's business, memory that runs out this process's, and no orphan stays (Linux)."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(KILLED_WITH_PARENT, signal.SIGKILL)


def failure(error: BaseException) -> dict[str, str]:
    """An exception as the parent counts and shows it: its kind, and a traceback of the user's own frames."""
    summary = traceback.TracebackException.from_exception(error)
    ours = (__file__, loading.__file__)
    frames = [
        frame for frame in summary.stack if frame.filename not in ours and "<frozen " not in frame.filename
    ]
    summary.stack = traceback.StackSummary.from_list(frames)
    lines = "".join(summary.format())
    if len(lines) > LONGEST_TRACEBACK:
        lines = f"{lines[: LONGEST_TRACEBACK // 2]}\n  ...\n{lines[-LONGEST_TRACEBACK // 2 :]}"
    said = "".join(summary.format_exception_only())
    place = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    if isinstance(error, SyntaxError):
        said = said.strip().splitlines()[-1]
        if Path(error.filename or "").is_file():
            place = f" ({Path(str(error.filename)).name}, line {error.lineno})"
    said = " ".join(said.split())
    said = said if len(said) <= 240 else f"{said[:237]}..."
    own = isinstance(error, (BadFunction, BadReward))
    words = str(error) if own else f"{said}{place}"
    return {"error": type(error).__name__, "words": words[:300], "traceback": "" if own else lines.rstrip()}


# ------------------------------------------------------------------------------- finding and reading it


def load(request: Mapping[str, Any]) -> Function:
    """The function that a request names. Raises BadFunction, or what importing its module raised."""
    found: Any
    if request["ready"]:
        from practicum.reward.ready import ready_made

        found = ready_made(request["ready"], request["argument"], request["options"])
    else:
        module = load_file(Path(request["file"])) if request["file"] else load_module(request["module"])
        try:
            found = named(module, request["function"])
        except AttributeError:
            known = ", ".join(functions_of(module)) or "none"
            raise BadFunction(f"has no function {request['function']!r}; it has {known}") from None
    return understood(found)


def functions_of(module: ModuleType) -> list[str]:
    """The public functions that a module defines."""
    return [
        name
        for name, value in vars(module).items()
        if inspect.isfunction(value) and value.__module__ == module.__name__ and not name.startswith("_")
    ]


def understood(function: Any) -> Function:
    """How a function wants to be called, from the names of its parameters.

    `completions`, or `**` alone, is TRL's; `solution_str` verl's; `completion`, or two or three parameters
    whose names fit this order, (prompt, completion, row). Raises BadFunction for anything else.
    """
    if isinstance(function, type):
        raise BadFunction(f"{function.__name__} is a class: give a function, or an instance of it")
    if not callable(function):
        raise BadFunction(f"is a {type(function).__name__}, not a function")
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        raise BadFunction("has no signature that Python can read: wrap it in a function") from None
    is_async = any(map(inspect.iscoroutinefunction, (function, getattr(function, "__call__", None))))  # noqa: B004
    by_name = [one for one in parameters if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)]
    names = tuple(one.name for one in by_name)
    needs = tuple(one.name for one in by_name if one.default is one.empty)
    is_open = any(one.kind is one.VAR_KEYWORD for one in parameters)
    if any(one.kind is one.POSITIONAL_ONLY and one.default is one.empty for one in parameters):
        names, needs = (), ()
    if is_open and not names and any(one.kind is one.VAR_POSITIONAL for one in parameters):
        raise BadFunction(
            "has the parameters (*args, **kwargs), which hide what it asks for: put functools.wraps on the "
            "wrapper that its decorator returns"
        )
    kind = kind_of(names, is_open)
    if kind:
        return Function(function, kind, names, is_open, (), needs, is_async)
    places = [one for one in parameters if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)]
    asked = [one for one in places if one.default is one.empty] or places[:3]
    if len(asked) == 2 and [one.name for one in places[2:3]] == ["row"]:
        asked = places[:3]
    if len(asked) in (2, 3) and not any(one.kind is one.KEYWORD_ONLY for one in by_name if one.name in needs):
        in_order = tuple(one.name for one in asked)
        check_order(in_order)
        return Function(function, "plain", places=in_order, is_async=is_async)
    if not by_name and any(one.kind is one.VAR_POSITIONAL for one in parameters):
        return Function(function, "plain", places=("prompt", "completion", "row"), is_async=is_async)
    raise BadFunction(
        f"has the parameters ({', '.join(str(one) for one in parameters)}): expected (prompts, completions, "
        "**columns) as in TRL, (data_source, solution_str, ground_truth, extra_info) as in verl, or (prompt, "
        "completion, row)"
    )


def check_order(names: Sequence[str]) -> None:
    """Raise BadFunction where names do not say that they are a prompt, a completion and a row, in order.

    What is taken in a wrong order is paid without complaint: (text, reference) would get the prompt as text.
    """
    for name, (what, called) in zip(names, IN_ORDER, strict=False):
        words = {one for word in name.casefold().split("_") for one in (word, word.removesuffix("s"))}
        if len(name.strip("_")) > 1 and (words & GOLD_WORDS or not words & called):
            order = ", ".join(one for one, _ in IN_ORDER[: len(names)])
            raise BadFunction(
                f"has the parameters ({', '.join(names)}), which would be taken in order, as {order}, but "
                f"{name!r} does not say that it is the {what}: call them prompt and completion, or the "
                "completion solution_str beside ground_truth, and all are passed by name"
            )


def kind_of(names: Sequence[str], is_open: bool) -> Kind | None:
    """Whose signature these parameters are; None where their names do not say."""
    if "completions" in names or (is_open and not names):
        return "trl"
    if "solution_strs" in names:
        return "verl_batched"
    if "solution_str" in names:
        return "verl"
    return "plain" if "completion" in names else None


# --------------------------------------------------------------------------------------------- calling it


Wait = Callable[[Coroutine[Any, Any, Any]], Any]
"""What runs a coroutine to its end and returns what it returns."""


def answer(function: Function, request: Mapping[str, Any], wait: Wait) -> list[Any]:
    """One judgement a row: of one row, of all in one call, or, where it is async, of all side by side."""
    rows, logged = request["rows"], Logged()
    if function.kind in BATCHED:
        given = function.call(**batched_arguments(function, request, logged))
        if inspect.isawaitable(given):
            given = wait(_awaited(given))
        values = listed(given, len(rows))
        return [judged(function, value, logged.parts(row)) for row, value in enumerate(values)]
    if function.is_async:
        return list(wait(_side_by_side(function, request)))
    return [judged(function, _call_one(function, row, wait), {}) for row in rows]


def _call_one(function: Function, row: Mapping[str, Any], wait: Wait) -> Any:
    positional, named = row_arguments(function, row)
    given = function.call(*positional, **named)
    return wait(_awaited(given)) if inspect.isawaitable(given) else given


async def _awaited(given: Any) -> Any:
    """What a coroutine returns, or the exception by which it would end the loop, and all rows with it."""
    try:
        return await given
    except (SystemExit, KeyboardInterrupt) as error:
        return error


async def _side_by_side(function: Function, request: Mapping[str, Any]) -> list[Any]:
    """Rows of an async function, at most `AT_ONCE` at a time, each within the time limit."""
    import asyncio

    places = asyncio.Semaphore(AT_ONCE)

    async def one(row: Mapping[str, Any]) -> Any:
        positional, named = row_arguments(function, row)
        async with places:
            try:
                given = await asyncio.wait_for(
                    _awaited(function.call(*positional, **named)), request["limit"]
                )
            except asyncio.TimeoutError:
                return {"error": "time limit", "words": f"took more than {request['limit']:g} s"}
            except asyncio.CancelledError:
                raise
            except BaseException as error:  # as in a call that is not async
                return failure(error)
        return judged(function, given, {})

    return list(await asyncio.gather(*map(one, request["rows"])))


def batched_arguments(function: Function, request: Mapping[str, Any], logged: Logged) -> dict[str, Any]:
    """The keyword arguments of a batched call: lists, one entry a row."""
    rows = request["rows"]
    if function.kind == "verl_batched":
        plural = {f"{name}s" if name != "extra_info" else "extra_infos": name for name in VERL}
        given: dict[str, Any] = {key: [verl_value(row, name) for row in rows] for key, name in plural.items()}
    else:
        columns = dict.fromkeys(name for row in rows for name in row["row"] if name not in NO_COLUMNS)
        by_name = [{**row["row"], **row["named"]} for row in rows]
        given = {name: [one.get(name) for one in by_name] for name in columns}
        given |= {
            "prompts": [row["prompt"] for row in rows],
            "completions": [row["completion"] for row in rows],
            "completion_ids": [row["ids"] for row in rows],
            "trainer_state": SimpleNamespace(**request["state"]),
            "log_metric": logged.log_metric,
            "log_extra": logged.log_extra,
        }
    return given if function.open else {name: given[name] for name in function.names if name in given}


def row_arguments(function: Function, row: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """The arguments, by position and by name, of a call for one row."""
    text = row["text"]
    if function.kind == "verl":
        given: dict[str, Any] = {name: verl_value(row, name) for name in VERL}
    else:
        if function.places:
            return [row["prompt"], text, row["row"]][: len(function.places)], {}
        given = {**row["row"], **row["named"], "prompt": row["prompt"], "completion": text, "row": row["row"]}
    return [], given if function.open else {name: given[name] for name in function.names if name in given}


def verl_value(row: Mapping[str, Any], name: str) -> Any:
    """One of verl's arguments: its own columns where the row has them, else the answer and the whole row."""
    columns = {**row["row"], **row["named"]}
    if name == "solution_str":
        return row["text"]
    if name == "data_source":
        return columns.get("data_source", "")
    if name == "extra_info":
        return columns.get("extra_info", row["row"])
    style = columns.get("reward_model")
    if isinstance(style, Mapping) and "ground_truth" in style:
        return style["ground_truth"]
    return columns.get("ground_truth", columns.get("answer"))


# ------------------------------------------------------------------------------------ what it returned


def listed(given: Any, count: int) -> list[Any]:
    """The values of a batched call. Raises BadReward for anything but one a row."""
    if isinstance(given, BaseException):
        raise given
    if isinstance(given, (str, bytes, Mapping)) or not isinstance(given, Iterable):
        raise BadReward(f"returned {_shown(given)} for {count} completions: expected a list of {count}")
    values = list(given)
    if len(values) != count:
        raise BadReward(f"returned {len(values)} rewards for {count} completions")
    return values


def judged(function: Function, value: Any, logged: Mapping[str, float]) -> dict[str, Any]:
    """A value as the parent reads it, or the failure it is.

    {"value": number, or None where the function does not judge this row} or {"parts": {...}}, with what else
    it says of the row.
    """
    try:
        return _judged(function, value, logged)
    except BaseException as error:  # a value's own methods, as __float__, are the function's code too
        return failure(error)


def _judged(function: Function, value: Any, logged: Mapping[str, float]) -> dict[str, Any]:
    if isinstance(value, BaseException):
        raise value
    if value is None and function.kind == "trl":
        return {"value": None, "info": dict(logged)}
    if isinstance(value, Score):
        return {
            "value": number(value.value),
            "info": {str(name): number(part) for name, part in value.parts.items()},
            "solved": None if value.solved is None else bool(value.solved),
            "readable": None if value.readable is None else bool(value.readable),
            "outcome": str(value.outcome),
            "reason": str(value.reason),
        }
    if isinstance(value, Mapping) and function.kind.startswith("verl"):
        if "score" not in value:
            raise BadReward(f"returned a dict without 'score': it has {', '.join(map(str, value))}")
        info = {
            str(name): number(part) for name, part in value.items() if name != "score" and _is_number(part)
        }
        solved = bool(value["acc"]) if value.get("acc") in (0, 1) else None
        return {"value": number(value["score"]), "info": info, "solved": solved}
    if isinstance(value, Mapping):
        if not value:
            raise BadReward("returned an empty dict: expected its parts by name")
        return {"parts": {str(name): number(part) for name, part in value.items()}}
    return {"value": number(value), "info": dict(logged)}


def number(value: Any) -> float:
    """A number of any library as a float. Raises BadReward for what is none, not finite or too large."""
    if value is None or isinstance(value, (str, bytes, bytearray, complex)):
        raise BadReward(f"returned {_shown(value)}: expected a number")
    try:
        found = float(value)
    except OverflowError:
        found = math.inf
    except (TypeError, ValueError, RuntimeError):
        raise BadReward(f"returned {_shown(value)}: expected a number") from None
    if not abs(found) <= LARGEST_REWARD:
        raise BadReward(f"returned {found}: expected a finite number of at most {LARGEST_REWARD:g} in size")
    return found


def _is_number(value: Any) -> bool:
    try:
        number(value)
    except BadReward:
        return False
    return True


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
