"""Many raters at once: nobody waits long, no ranking is lost or doubled, not even by kill -9."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from practicum.preferences.app.collect import PASSWORD_VARIABLE
from practicum.preferences.app.desk import Desk
from practicum.preferences.app.security import load_keys
from practicum.preferences.app.site import Site
from practicum.preferences.store import Store
from tests.preferences.app.live import PASSWORD, PROJECT, free_port, jokes

SERVE = (
    "import sys; from practicum.config import load; "
    "from practicum.preferences.app.collect import CollectConfig, collect; "
    "collect(load(CollectConfig, None, sys.argv[1:]))"
)


@dataclass
class Crowd:
    """What raters saw: seconds of every request, and the answers that acknowledged a ranking."""

    seconds: list[float] = field(default_factory=list)
    acknowledged: dict[tuple[str, int], int] = field(default_factory=dict)
    repeats_that_differed: int = 0
    server_is_gone: bool = False


@contextmanager
def server(folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """`practicum collect` in a process of its own, ready for requests."""
    settings = {
        "database": folder / "r.db",
        "project": PROJECT,
        "port": port,
        "requests_per_minute": 1_000_000,
    }
    flags = [f"--{name}={value}" for name, value in settings.items()]
    environment = os.environ | {PASSWORD_VARIABLE: PASSWORD, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE, *flags], env=environment, stderr=subprocess.DEVNULL
    )
    try:
        for _ in range(600):
            assert process.poll() is None
            try:
                httpx.get(f"http://127.0.0.1:{port}/")
                break
            except httpx.TransportError:
                time.sleep(0.05)
        yield process
    finally:
        process.kill()
        process.wait()


def project(folder: Path, port: int, raters: int, prompts: int, overlap: int) -> dict[str, str]:
    """Make the project; returns the raters' tokens."""
    with Store.open(folder / "r.db") as store:
        made = store.create_project(PROJECT, overlap=overlap)
        store.add_prompts(PROJECT, jokes(prompts))
        names = [f"rater {number}" for number in range(raters)]
        for name in names:
            store.add_rater(PROJECT, name)
        keys, _ = load_keys(folder / "r.db.keys.json", PASSWORD)
        desk = Desk(store, made)
        site = Site(desk, keys, f"http://127.0.0.1:{port}")
        desk.close()
        return {name: site.link(name, 1).rpartition("/")[2] for name in names}


async def rate(
    client: httpx.AsyncClient, name: str, token: str, crowd: Crowd, pause: float, deadline: float, seed: str
) -> None:
    """One rater: ask, think, submit, now and then twice, until nothing is left or the time is up."""
    headers = {"Authorization": f"Bearer {token}"}
    order = random.Random(seed)

    async def ask(method: str, path: str, body: object = None) -> httpx.Response:
        while True:
            started = time.perf_counter()
            try:
                response = await client.request(method, path, json=body, headers=headers)
            except httpx.TransportError:
                if crowd.server_is_gone or time.time() > deadline:
                    raise
                await asyncio.sleep(0.05)
                continue
            crowd.seconds.append(time.perf_counter() - started)
            assert response.status_code == 200, response.text
            return response

    await asyncio.sleep(pause * order.random())
    while time.time() < deadline:
        task = (await ask("POST", "/lease")).json()
        if task is None:
            return
        await asyncio.sleep(pause * (0.5 + order.random()))
        body = {
            "turn": task["turn"],
            "places": [order.randint(1, 5) for _ in task["responses"]],
            "seconds": 1.0,
        }
        path = f"/assignments/{task['id']}/ranking"
        number = (await ask("PUT", path, body)).json()["ranking"]
        crowd.acknowledged[name, task["id"]] = number
        if order.random() < 0.1:
            crowd.repeats_that_differed += (await ask("PUT", path, body)).json()["ranking"] != number


async def everyone(
    crowd: Crowd, port: int, tokens: dict[str, str], pause: float, seconds: float, seed: str = ""
) -> None:
    """All raters at once, until nothing is left for them or `seconds` are over."""
    deadline = time.time() + seconds
    base, limits = f"http://127.0.0.1:{port}/api/v1", httpx.Limits(max_connections=len(tokens))
    async with httpx.AsyncClient(base_url=base, timeout=30, limits=limits) as client:
        people = [
            rate(client, name, token, crowd, pause, deadline, f"{name} {seed}")
            for name, token in tokens.items()
        ]
        results = await asyncio.gather(*people, return_exceptions=True)
    for result in results:
        assert result is None or isinstance(result, httpx.TransportError), result


def check(folder: Path, crowd: Crowd, overlap: int) -> None:
    """Every acknowledged ranking is there once, nobody got a place twice, and the ledger agrees."""
    with Store.open(folder / "r.db", create=False) as store:
        rankings = store.rankings(PROJECT)
        assert len(rankings) >= len(crowd.acknowledged) > 0
        assert len({(ranking.rater, ranking.prompt_id) for ranking in rankings}) == len(rankings)
        assert max(Counter(ranking.prompt_id for ranking in rankings).values()) <= overlap
        for (name, assignment), number in crowd.acknowledged.items():
            assert store.assignment(PROJECT, name, assignment).ranking_id == number
            assert len(store.history(PROJECT, name, assignment)) == 1
        earned = [payment.ranking_id for payment in store.payments(PROJECT)]
        assert len(earned) == len(set(earned)) == len(rankings)
    assert crowd.repeats_that_differed == 0


def percentile(seconds: list[float], share: float) -> float:
    return sorted(seconds)[min(int(share * len(seconds)), len(seconds) - 1)]


def test_five_raters_lose_and_double_nothing(tmp_path: Path) -> None:
    port, crowd = free_port(), Crowd()
    tokens = project(tmp_path, port, raters=5, prompts=20, overlap=3)
    with server(tmp_path, port):
        asyncio.run(everyone(crowd, port, tokens, pause=0.0, seconds=60))
    assert len(crowd.acknowledged) == 60
    check(tmp_path, crowd, overlap=3)


def test_what_was_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    kill_during_load(tmp_path, kills=1, between=25)


@pytest.mark.slow
def test_a_thousand_rankings_survive_twenty_kills(tmp_path: Path) -> None:
    kill_during_load(tmp_path, kills=20, between=50)


def kill_during_load(folder: Path, kills: int, between: int) -> None:
    """Kill the server each time `between` more rankings are acknowledged, others being under way."""
    port, crowd = free_port(), Crowd()
    tokens = project(folder, port, raters=8, prompts=kills * between, overlap=2)
    for number in range(1, kills + 1):
        with server(folder, port) as process:
            asyncio.run(kill_after(process, number * between, crowd, port, tokens))
    assert len(crowd.acknowledged) >= kills * between
    check(folder, crowd, overlap=2)


async def kill_after(
    process: subprocess.Popen[bytes], count: int, crowd: Crowd, port: int, tokens: dict[str, str]
) -> None:
    crowd.server_is_gone = False
    running = asyncio.create_task(everyone(crowd, port, tokens, 0.0, 60, seed=str(count)))
    while len(crowd.acknowledged) < count and not running.done():
        await asyncio.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    crowd.server_is_gone = True
    await running


@pytest.mark.slow
def test_fifty_raters_wait_less_than_a_fifth_of_a_second(tmp_path: Path) -> None:
    """Each thinks 2 s on average, at least ten times faster than people read five responses."""
    port, crowd = free_port(), Crowd()
    tokens = project(tmp_path, port, raters=50, prompts=1000, overlap=2)
    with server(tmp_path, port):
        asyncio.run(everyone(crowd, port, tokens, pause=2.0, seconds=20))
    found = {share: 1000 * percentile(crowd.seconds, share) for share in (0.5, 0.95, 0.99)}
    print(f"{len(crowd.seconds)} requests, {len(crowd.acknowledged)} rankings, milliseconds {found}")
    check(tmp_path, crowd, overlap=2)
    assert found[0.99] < 200
