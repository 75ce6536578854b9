"""Worker processes from the parent's side: start, call within a time limit, kill, start again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from practicum.errors import InputError

ROOT = Path(__file__).parents[2]
START = (
    "import sys; sys.path[0] = sys.argv[1]; from practicum.reward.worker import main; "
    "main(*map(int, sys.argv[2:]))"
)
LONGEST_START = 300.0
"""Seconds that importing the file of a function may take."""
LONGEST_STACK = 4000
GRACE = 0.3
"""Seconds that a call has beyond its limit, in which the worker writes where it hangs."""


@dataclass(frozen=True)
class Call:
    """One question to a worker: `rows` are the places, in the caller's order, that it is about."""

    rows: tuple[int, ...]
    request: Mapping[str, Any]
    limit: float


class Worker:
    """One process with one function. It starts when it is first needed, and again after it was killed."""

    def __init__(self, setup: Mapping[str, Any], name: str) -> None:
        self.setup, self.name = setup, name
        self.process: subprocess.Popen[bytes] | None = None
        self.stack = ""
        self.signature: dict[str, Any] = {}

    def start(self) -> None:
        """Start the process and load the function. Raises InputError, in one line, where that fails."""
        if self.process is not None:
            return
        requests_read, requests_write = os.pipe()
        replies_read, replies_write = os.pipe()
        self._crash = tempfile.TemporaryFile()  # noqa: SIM115 - closed by kill
        theirs = (requests_read, replies_write, self._crash.fileno())
        self.process = subprocess.Popen(
            [sys.executable, "-c", START, str(ROOT), *map(str, theirs)],
            stdin=subprocess.DEVNULL,
            stdout=2,
            pass_fds=theirs,
            start_new_session=True,
            # Sets of texts have the same order in every worker, and so in a run that is resumed.
            env={"PYTHONHASHSEED": "0", **os.environ},
        )
        os.close(requests_read)
        os.close(replies_write)
        self._requests = Connection(requests_write, readable=False)
        self._replies = Connection(replies_read, writable=False)
        self._pidfd = os.pidfd_open(self.process.pid) if hasattr(os, "pidfd_open") else None
        self._send({**self.setup, "stack_after": LONGEST_START})
        reply = self.reply() if wait(self.sentinels(), LONGEST_START + GRACE) else self.died("time limit")
        if "error" in reply:
            self.kill()
            if reply.get("traceback"):
                print(reply["traceback"], file=sys.stderr)
            raise InputError(f"reward {self.name}: {reply['words']}")
        self.signature = reply

    def ask(self, call: Call) -> None:
        """Send a call; a process that ended while it was idle is started again first."""
        request = {**call.request, "stack_after": call.limit}
        for _ in range(2):
            self.start()
            try:
                self._send(request)
                return
            except OSError:
                self.kill()
        raise InputError(f"reward {self.name}: its process ends as soon as it is started")

    def sentinels(self) -> list[Any]:
        """What becomes readable when the worker has answered or ended."""
        return [self._replies] if self._pidfd is None else [self._replies, self._pidfd]

    def reply(self) -> dict[str, Any]:
        """The answer that is there, or how the process ended."""
        try:
            if self._replies.poll():
                found: dict[str, Any] = json.loads(self._replies.recv_bytes())
                return found
        except (EOFError, OSError, ValueError):
            pass
        return self.died("")

    def died(self, error: str) -> dict[str, Any]:
        """Kill what is left of the process and say how it ended; `error` is the kind where it is known."""
        if error:
            words = "took longer than the time limit, and was killed"
        elif self._pidfd is not None:
            # Its pipe is closed before it has ended; a kill now would hide why.
            wait([self._pidfd], GRACE)
        code = self.kill()
        if not error:
            name = signal.Signals(-code).name if code < 0 else ""
            error = name or f"exit code {code}"
            words = f"killed its process ({error})" if name else f"ended its process ({error})"
        return {"error": error, "words": words, "traceback": self.stack}

    def kill(self) -> int:
        """End the process with all that it started, wait for it, and return its exit code; keep its stack."""
        if self.process is None:
            return 0
        end_below(self.process.pid)
        # Its leader is not waited for yet, so its number cannot be another's.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        code = self.process.wait()
        self._crash.seek(0)
        self.stack = self._crash.read(LONGEST_STACK).decode(errors="replace").strip()
        self._crash.close()
        self._requests.close()
        self._replies.close()
        if self._pidfd is not None:
            os.close(self._pidfd)
        self.process = None
        return code

    def _send(self, request: Mapping[str, Any]) -> None:
        self._requests.send_bytes(json.dumps(request).encode())


def end_below(pid: int) -> None:
    """Kill all that a process has started, whatever its session (Linux; elsewhere its group has to do)."""
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            for child in map(int, children.read_text().split()):
                with suppress(OSError):  # stopped first, so that it starts no more meanwhile
                    os.kill(child, signal.SIGSTOP)
                end_below(child)
                with suppress(OSError):
                    os.kill(child, signal.SIGKILL)


@dataclass
class Queue:
    """The calls that wait for a group of workers with the same function; calls may be added at any time."""

    workers: Sequence[Worker]
    calls: deque[Call] = field(default_factory=deque)


def answers(queues: Sequence[Queue]) -> Iterator[tuple[int, Call, dict[str, Any]]]:
    """(number of the queue, call, reply) as the workers answer; which comes first is up to them.

    A worker that hangs or dies answers by how it ended. Where the caller stops early, or is interrupted,
    workers that are at a call are killed.
    """
    busy: dict[Worker, tuple[int, Call, float]] = {}
    try:
        while True:
            for number, queue in enumerate(queues):
                for worker in queue.workers:
                    if queue.calls and worker not in busy:
                        call = queue.calls.popleft()
                        # Before it is asked: an interrupt in between would leave its answer to the next call.
                        busy[worker] = number, call, 0.0
                        worker.ask(call)
                        busy[worker] = number, call, time.monotonic() + call.limit + GRACE
            if not busy:
                return
            soonest = min(deadline for _, _, deadline in busy.values())
            ready = set(
                wait(
                    [one for worker in busy for one in worker.sentinels()], max(0, soonest - time.monotonic())
                )
            )
            for worker, (number, call, deadline) in list(busy.items()):
                if ready.intersection(worker.sentinels()):
                    reply = worker.reply()
                elif time.monotonic() >= deadline:
                    reply = worker.died("time limit")
                else:
                    continue
                del busy[worker]
                yield number, call, reply
    finally:
        for worker in busy:
            worker.kill()
