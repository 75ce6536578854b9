"""Ends connections whose request never comes whole: each takes one of the files a process may have open."""

from __future__ import annotations

import asyncio
import weakref
from typing import Any

from uvicorn.protocols.http.auto import AutoHTTPProtocol

# Time for the head of a request; for its body up to twice as long.
PATIENCE_SECONDS = 20.0


def connection(**settings: Any) -> asyncio.Protocol:
    """The server's end of a new connection, as uvicorn makes it."""
    made: Any = AutoHTTPProtocol
    protocol: asyncio.Protocol = made(**settings)
    _look_later(weakref.ref(protocol), None)
    return protocol


def _look_later(found: weakref.ref[Any], waited_after: object) -> None:
    asyncio.get_running_loop().call_later(PATIENCE_SECONDS, _look, found, waited_after)


def _look(found: weakref.ref[Any], waited_after: object) -> None:
    """End a connection that waits for the rest of the same request as at the last look.

    `waited_after` is the request whose rest, or whose successor, was waited for then; None: the first one's.
    """
    protocol = found()
    if protocol is None or protocol.transport is None or protocol.transport.is_closing():
        return
    request = protocol.cycle
    waits = request is None or request.response_complete or request.more_body
    if waits and request is waited_after:
        protocol.transport.close()
    else:
        _look_later(found, request if waits else found)
