"""Break work off at any moment at which a store writes, as kill -9 does: the transaction never was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, event


class KilledError(BaseException):
    """The process is gone; nothing catches this."""


@contextmanager
def killed_before_commit(number: int) -> Iterator[list[int]]:
    """Raise KilledError in place of the commit of that number, from 0; yields how many there were."""
    seen = [0]

    def on_commit(connection: Connection) -> None:
        if connection.get_execution_options().get("writes"):
            seen[0] += 1
            if seen[0] > number:
                raise KilledError

    event.listen(Engine, "commit", on_commit)
    try:
        yield seen
    finally:
        event.remove(Engine, "commit", on_commit)
