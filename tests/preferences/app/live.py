"""A running app for tests: a real server on a free port, in a thread of this process."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from sqlalchemy import select

from practicum.preferences.app.collect import server_config
from practicum.preferences.app.desk import Desk
from practicum.preferences.app.security import Keys, load_keys
from practicum.preferences.app.site import Site
from practicum.preferences.records import NewPrompt
from practicum.preferences.schema import Base
from practicum.preferences.store import Store
from practicum.types import Prompt, Response

PASSWORD = "correct horse battery"
PROJECT = "pelicans"


@dataclass(frozen=True)
class Live:
    """A server's address, its store and site."""

    url: str
    site: Site
    store: Store

    def link(self, rater: str, days: float = 1.0) -> str:
        """A rater's link: the one that is good, or a new one."""
        return (days > 0 and self.site.standing_link(rater)) or self.site.link(rater, days)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def prompt(number: int, texts: Sequence[str]) -> NewPrompt:
    return NewPrompt(Prompt(f"Tell joke {number}."), tuple(Response(text) for text in texts), f"p{number}")


def jokes(count: int, responses: int = 5) -> list[NewPrompt]:
    return [
        prompt(number, [f"joke {number}.{index}" for index in range(responses)]) for number in range(count)
    ]


def everything(store: Store) -> dict[str, list[str]]:
    """All rows of a store, to see that nothing has changed."""
    with store._engine.connect() as connection:
        return {
            table.name: [str(row) for row in connection.execute(select(table).order_by(table.c.id))]
            for table in Base.metadata.sorted_tables
        }


@contextmanager
def serving(
    folder: Path,
    prompts: Sequence[NewPrompt],
    *,
    overlap: int = 2,
    keys: Keys | None = None,
    lease_seconds: float = 900.0,
    requests_per_minute: int = 100_000,
    public_url: str = "",
    trusted_proxy: tuple[str, ...] = (),
) -> Iterator[Live]:
    """Serve a fresh project until the block ends. `public_url` is where a server in front answers."""
    store = Store.open(folder / "rankings.db", seed=0)
    project = store.create_project(PROJECT, overlap=overlap, price="0.10", lease_seconds=lease_seconds)
    store.add_prompts(PROJECT, prompts)
    keys = keys or load_keys(folder / "keys.json", PASSWORD)[0]
    port = free_port()
    here = f"http://127.0.0.1:{port}"
    site = Site(Desk(store, project), keys, public_url or here, requests_per_minute)
    server = uvicorn.Server(server_config(site, "127.0.0.1", port, trusted_proxy))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        yield Live(here, site, store)
    finally:
        server.should_exit = True
        thread.join()
        store.close()
