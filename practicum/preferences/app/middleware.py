"""What every request passes through: the path it comes below, a limit on its size, the answer's headers."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LARGEST_BODY = 64 * 1024
TOO_LARGE = f"Too large: at most {LARGEST_BODY // 1024} KiB are taken."
# A name has at most 253. Seconds would go by over the letters of a very long one, and nobody be answered.
LONGEST_HOST = 300
UNKNOWN_HOST = "This app is not at that address: use the one it was started with (--public_url)."


class Guard:
    """Refuses bodies over LARGEST_BODY bytes (413), whatever their Content-Length says; sets headers."""

    def __init__(self, app: ASGIApp, headers: Mapping[str, str]) -> None:
        self._app, self._headers = app, headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        read = 0

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        async def receive_limited() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > LARGEST_BODY:
                raise HTTPException(413, TOO_LARGE)
            return message

        length = Headers(scope=scope).get("content-length", "0")
        if length.isdigit() and int(length) <= LARGEST_BODY:
            await self._app(scope, receive_limited, send_with_headers)
        else:
            await _refuse(send_with_headers, 413, TOO_LARGE)


class KnownHosts:
    """Refuses requests for a host that is not one of `names` (400): a page of another name is not ours."""

    def __init__(self, app: ASGIApp, names: Collection[str]) -> None:
        self._app, self._names = app, frozenset(names)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on, or refuse it."""
        if scope["type"] != "http" or host_name(Headers(scope=scope).get("host", "")) in self._names:
            await self._app(scope, receive, send)
        else:
            await _refuse(send, 400, UNKNOWN_HOST)


def host_name(host: str) -> str | None:
    """The name in a Host header or URL, as browsers send it: lower case, no port, no brackets, ASCII."""
    if len(host) > LONGEST_HOST:
        return None
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name if name.isascii() else name.encode("idna").decode("ascii")
    except ValueError:
        return None


class Below:
    """Serves an app below a path, whether the server in front has stripped it from requests or not.

    A slash at the end of an address makes no difference, and HEAD is a GET whose body the server leaves out.
    """

    def __init__(self, app: ASGIApp, base: str) -> None:
        self._app, self._base = app, base

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on, its path made whole."""
        if scope["type"] == "http":
            path = scope["path"]
            if path != self._base and not path.startswith(f"{self._base}/"):
                path = self._base + path
            whole = path.rstrip("/") if len(path.rstrip("/")) > len(self._base) else f"{self._base}/"
            method = "GET" if scope["method"] == "HEAD" else scope["method"]
            address = {"path": whole, "raw_path": quote(whole).encode(), "root_path": self._base}
            scope = {**scope, **address, "method": method}
        await self._app(scope, receive, send)


async def _refuse(send: Send, status: int, why: str) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": f"{why}\n".encode()})
