"""A rater over HTTP: the same steps as in the browser, through the app's JSON API."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import httpx

from practicum.errors import InputError
from practicum.preferences.raters import Gold, SimulatedRater, rank
from practicum.types import Prompt

TIMEOUT_SECONDS = 30.0
ATTEMPTS = 5


@dataclass(frozen=True)
class Task:
    """A prompt and its responses in the order shown; `turn` goes back with the ranking."""

    id: int
    turn: int
    prompt: str
    responses: tuple[str, ...]


class AppRater:
    """One rater of a running app, known by their personal link; use as a context manager.

    Requests are repeated when the connection breaks or the app asks to wait: rankings sent twice count
    once. Methods raise InputError, with what the app says, when it refuses.
    """

    def __init__(self, link: str, transport: httpx.BaseTransport | None = None) -> None:
        base, separator, token = link.partition("/join/")
        if not separator or not token:
            raise InputError(f"link {link!r}: expected http://.../join/...")
        self._http = httpx.Client(
            base_url=f"{base}/api/v1",
            headers={"Authorization": f"Bearer {token}"},
            timeout=TIMEOUT_SECONDS,
            transport=transport,
        )

    def __enter__(self) -> AppRater:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def me(self) -> dict[str, Any]:
        """Name, project, price and progress, as `GET /me` tells."""
        found: dict[str, Any] = self._ask("GET", "/me").json()
        return found

    def lease(self) -> Task | None:
        """The prompt this rater holds, or the next one; None when nothing is left for them now."""
        return _task(self._ask("POST", "/lease").json())

    def submit(
        self,
        task: Task,
        places: list[int],
        flags: list[tuple[int, str]] | None = None,
        seconds: float | None = None,
    ) -> int:
        """Save a ranking: a place for each response, 1 is best, equal places tie. Returns its number."""
        marks = None if flags is None else [{"position": place, "kind": kind} for place, kind in flags]
        body = {"turn": task.turn, "places": places, "flags": marks, "seconds": seconds}
        number: int = self._ask("PUT", f"/assignments/{task.id}/ranking", body).json()["ranking"]
        return number

    def skip(self, task: Task, reason: str) -> None:
        """Hand a prompt back unranked."""
        self._ask("POST", f"/assignments/{task.id}/skip", {"reason": reason})

    def undo(self) -> Task | None:
        """Take back the last ranking or skip; its prompt is to be ranked again."""
        return _task(self._ask("POST", "/undo", once=secrets.token_urlsafe(12)).json())

    def _ask(
        self, method: str, path: str, body: dict[str, Any] | None = None, once: str = ""
    ) -> httpx.Response:
        headers = {"Idempotency-Key": once} if once else {}
        for attempt in range(1, ATTEMPTS + 1):
            try:
                response = self._http.request(method, path, json=body, headers=headers)
            except httpx.TransportError as error:
                if attempt == ATTEMPTS:
                    raise InputError(f"{self._http.base_url}: cannot be reached ({error})") from error
                time.sleep(0.1 * 2**attempt)
                continue
            if response.status_code not in (429, 503) or attempt == ATTEMPTS:
                break
            time.sleep(float(response.headers.get("retry-after", "1")))
        if response.is_error:
            raise InputError(f"{method} {path}: {response.status_code}: {_detail(response)}")
        return response


def _detail(response: httpx.Response) -> str:
    try:
        return str(response.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return response.text[:200]


def _task(record: dict[str, Any] | None) -> Task | None:
    if record is None:
        return None
    return Task(record["id"], record["turn"], record["prompt"], tuple(record["responses"]))


def work(
    app: AppRater, rater: SimulatedRater, gold: Gold, read: Callable[[str], Prompt], most: int = 0
) -> int:
    """A simulated rater ranks over HTTP until nothing is left, or `most` times; returns the rankings made.

    `read` makes a prompt of its text, as the task's own `read` does: the app tells raters no more than that.
    """
    made, done = 0, int(app.me()["progress"]["done"])
    while (not most or made < most) and (task := app.lease()) is not None:
        judgement = rank(rater, read(task.prompt), task.responses, gold, done + made)
        places = {position: place for place, tier in enumerate(judgement.tiers, 1) for position in tier}
        app.submit(
            task,
            [places[position] for position in range(len(task.responses))],
            list(judgement.flags),
            judgement.seconds,
        )
        made += 1
    return made
