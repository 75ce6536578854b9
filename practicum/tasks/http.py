"""An environment behind HTTP as a task: another process, in any language, asks, replies and scores.

The server answers POST requests with JSON bodies:

    POST /reset   {"split": "train", "count": 8, "seed": 3}      -> {"prompts": [{"text": "...", "data": {}}]}
    POST /reply   {"prompt": {"text", "data"}, "turns": ["..."]} -> {"reply": "..."} or {"reply": null}
    POST /score   {"prompts": [{"text", "data"}], "texts": ["..."], "turns": [["..."]]}
                                                                 -> {"scores": [{"value": 1, "solved": true}]}

`/reset` must give equal prompts for equal bodies, and splits that share no problem: a resumed run asks again.
`/reply` holds nothing between calls: the turns are all there is. A single-turn environment answers /reply
with {"reply": null}. A score may also be a plain number.
"""

from __future__ import annotations

import http.client
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from practicum.errors import InputError
from practicum.ranges import PositiveFloat, PositiveInt, Ranged
from practicum.types import Prompt, Score

MOST_BYTES = 64 << 20


@dataclass(frozen=True)
class HttpConfig(Ranged, section="task.settings"):
    """Where the environment is, and how long to wait."""

    url: str
    """http://host:port, with a path in front of /reset, /reply and /score where it has one."""
    timeout: PositiveFloat = 30.0
    """Seconds that one request may take."""
    tries: PositiveInt = 3
    """Times a request is made while the server cannot be reached or answers with a 5xx status."""
    name: str = "http"
    """What messages and reports call it."""


class HttpTask:
    """A task whose prompts, replies and scores come from a server: `--task practicum.tasks.http:HttpTask`."""

    Config = HttpConfig

    def __init__(self, config: HttpConfig) -> None:
        self.config, self.name = config, config.name
        parts = urlsplit(config.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InputError(f"url {config.url!r}: expected http://host:port")
        self.parts = parts

    def prompts(self, split: str, count: int, seed: int) -> list[Prompt]:
        """What /reset gives."""
        found = self._list("/reset", {"split": split, "count": count, "seed": seed}, "prompts", count)
        return [self._prompt(one, place) for place, one in enumerate(found)]

    def reply(self, prompt: Prompt, turns: Sequence[str]) -> str | None:
        """What /reply says."""
        answer = self._post("/reply", {"prompt": _plain(prompt), "turns": list(turns)})
        reply = answer.get("reply", 0)
        if reply is not None and not isinstance(reply, str):
            raise self._bad("/reply", f"reply: expected a text or null, got {reply!r:.60}")
        return reply

    def score(self, prompts: Sequence[Prompt], texts: Sequence[str]) -> list[Score]:
        """What /score says, one a text."""
        turns = [prompt.data.get("turns", [text]) for prompt, text in zip(prompts, texts, strict=True)]
        body = {"prompts": [_plain(one) for one in prompts], "texts": list(texts), "turns": turns}
        found = self._list("/score", body, "scores", len(texts))
        return [self._score(one, place) for place, one in enumerate(found)]

    def _prompt(self, found: Any, place: int) -> Prompt:
        if isinstance(found, str):
            return Prompt(found)
        text = found.get("text") if isinstance(found, dict) else None
        data = found.get("data", {}) if isinstance(found, dict) else None
        if not isinstance(text, str) or not text or not isinstance(data, dict):
            raise self._bad("/reset", f'prompts[{place}]: expected {{"text", "data"}}, got {found!r:.60}')
        return Prompt(text, data)

    def _score(self, found: Any, place: int) -> Score:
        record = found if isinstance(found, dict) else {"value": found}
        value, solved = record.get("value"), record.get("solved")
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            raise self._bad("/score", f"scores[{place}]: value: expected a finite number, got {value!r:.40}")
        if solved is not None and not isinstance(solved, bool):
            raise self._bad("/score", f"scores[{place}]: solved: expected true, false or null")
        outcome, reason = (str(record.get(name) or "") for name in ("outcome", "reason"))
        return Score(float(value), solved, None, outcome, reason)

    def _list(self, path: str, body: Mapping[str, Any], name: str, count: int) -> list[Any]:
        found = self._post(path, body).get(name)
        if not isinstance(found, list) or len(found) != count:
            said = f"{len(found)} of them" if isinstance(found, list) else repr(found)[:40]
            raise self._bad(path, f"{name}: expected a list of {count}, got {said}")
        return found

    def _post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """The object that the server answers with."""
        failed = ""
        for _ in range(self.config.tries):
            try:
                status, data = self._request(path, json.dumps(body).encode())
            except (OSError, http.client.HTTPException) as error:
                failed = f"{type(error).__name__}: {error}"
                continue
            if status >= 500:
                failed = f"status {status}: {_shown(data)}"
            elif status != 200:
                raise self._bad(path, f"status {status}: {_shown(data)}")
            else:
                return self._object(path, data)
        raise self._bad(
            path, f"no answer in {self.config.tries} tries of {self.config.timeout:g} s: {failed}"
        )

    def _request(self, path: str, body: bytes) -> tuple[int, bytes]:
        kind = http.client.HTTPSConnection if self.parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(str(self.parts.hostname), self.parts.port, timeout=self.config.timeout)
        try:
            headers = {"Content-Type": "application/json"}
            connection.request("POST", self.parts.path.rstrip("/") + path, body, headers)
            response = connection.getresponse()
            return response.status, response.read(MOST_BYTES)
        finally:
            connection.close()

    def _object(self, path: str, data: bytes) -> dict[str, Any]:
        try:
            found = json.loads(data)
        except ValueError as error:
            raise self._bad(path, f"no JSON: {_shown(data)}") from error
        if not isinstance(found, dict):
            raise self._bad(path, f"expected a JSON object, got {_shown(data)}")
        return found

    def _bad(self, path: str, said: str) -> InputError:
        return InputError(f"task {self.name}: {self.config.url}{path}: {' '.join(said.split())}")


def _plain(prompt: Prompt) -> dict[str, Any]:
    return {
        "text": prompt.text,
        "data": {name: value for name, value in prompt.data.items() if name != "turns"},
    }


def _shown(data: bytes) -> str:
    return repr(data[:80].decode("utf-8", "replace"))
