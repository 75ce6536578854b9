"""A thread of its own for one logger, so that a run neither waits for a server nor ends with one."""

from __future__ import annotations

from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread


class Channel:
    """Makes the calls it is sent, one after another, until one of them fails: then `error` says how.

    A daemon: a call that never returns keeps no process alive.
    """

    def __init__(self, name: str) -> None:
        self.error: Exception | None = None
        self.calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self.thread = Thread(target=self._work, daemon=True, name=f"practicum-{name}")
        self.thread.start()

    def send(self, call: Callable[[], None]) -> None:
        """Have a call made, and go on at once."""
        self.calls.put(call)

    def close(self, seconds: float) -> bool:
        """Wait until all calls are made or one fails, `seconds` at most; whether that is so."""
        self.calls.put(None)
        self.thread.join(seconds)
        return not self.thread.is_alive()

    def _work(self) -> None:
        while (call := self.calls.get()) is not None:
            try:
                call()
            # Whatever goes wrong in a library and on its way to a server, the run does not end with it.
            except Exception as error:
                self.error = error
                return
