"""The owner's pages: log in, see how it goes, make rater links, close raters out, export."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections import OrderedDict
from collections.abc import Iterator
from typing import TYPE_CHECKING

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response, StreamingResponse
from starlette.exceptions import HTTPException

from practicum.preferences import formats
from practicum.preferences.app.security import (
    DEVICE_SECONDS,
    LONGEST_PASSWORD,
    OWNER_SESSION_SECONDS,
    Role,
    Session,
    TokenError,
    password_matches,
)
from practicum.preferences.app.site import (
    Site,
    address,
    checked_form,
    cookie_session,
    drop_session,
    end_session,
    go_to,
    need_session,
    number_field,
    page,
    session_of,
    set_session,
    site_of,
    text_field,
)
from practicum.types import Ranking

if TYPE_CHECKING:
    from practicum.preferences.app.overview import Overview

router = APIRouter(prefix="/owner", include_in_schema=False)

VISITOR_SECONDS = 3600.0
MOST_LINKS = 200
LONGEST_NAME = 100
MOST_DAYS = 366
MOST_FORMS = 100
# Figures are kept this many times as long as they took, so that a big project leaves time for raters.
KEPT_PER_SECOND = 5.0
KEPT_AT_LEAST = 2.0


class Figures:
    """The overview, computed for one reader at a time and kept for a while."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._known: Overview | None = None
        self._until = 0.0

    async def get(self, site: Site, *, fresh: bool = False) -> Overview:
        """The figures, not older than a few seconds, or than the time it takes to compute them many times."""
        # The statistics load SciPy: a second that a start without the owner need not take.
        from practicum.preferences.app.overview import overview

        async with self._lock:
            started = time.monotonic()
            if self._known is None or fresh or started > self._until:
                self._known = await site.desk.read(overview, site.desk.store, site.desk.project.name)
                took = time.monotonic() - started
                self._until = time.monotonic() + max(KEPT_AT_LEAST, KEPT_PER_SECOND * took)
            return self._known


class Invitations:
    """Makes the links that a form asks for, once: sent again, as by a reload, it shows those that are good.

    New ones would cancel those that the owner has sent out meanwhile. A name that was added to the form, and
    a form with other days, ask for what was not made yet.
    """

    def __init__(self) -> None:
        self._answered: OrderedDict[tuple[str, str, float], set[str]] = OrderedDict()

    def make(self, site: Site, form: tuple[str, str], names: list[str], days: float) -> list[tuple[str, str]]:
        """(name, link) for each name. Call from one thread."""
        before = self._answered.setdefault((*form, days), set())
        standing = {name: link for name in names if name in before and (link := site.standing_link(name))}
        missing = [name for name in names if name not in standing]
        links = standing | dict(site.links(missing, days) if missing else ())
        before.update(names)
        if len(self._answered) > MOST_FORMS:
            self._answered.popitem(last=False)
        return [(name, links[name]) for name in names]


@router.get("/login")
async def login_page(request: Request) -> HTMLResponse:
    """The form that asks for the password."""
    return _login_form(request)


@router.post("/login")
async def login(request: Request) -> Response:
    """Check the password and open a session."""
    site = site_of(request)
    visitor = await need_session(request, "visitor")
    form = await checked_form(request, visitor)
    site.password_limits.count(visitor, address(request), _known(request, "device"))
    if not await site.desk.read(
        password_matches, site.keys, text_field(form, "password")[: LONGEST_PASSWORD + 1]
    ):
        return _login_form(request, 403, "That is not the password.")
    response = go_to(request, "/owner")
    lasting: tuple[tuple[Role, float], ...] = (("owner", OWNER_SESSION_SECONDS), ("device", DEVICE_SECONDS))
    for role, seconds in lasting:
        token = site.tokens.issue(role, "owner", seconds)
        set_session(request, response, role, token, time.time() + seconds)
    drop_session(request, response, "visitor")
    return response


def _known(request: Request, role: Role) -> Session | None:
    """What a cookie says, None for one that says nothing any more."""
    try:
        return cookie_session(request, role)
    except TokenError:
        return None


@router.post("/logout")
async def logout(request: Request) -> Response:
    """End the owner's session, here and wherever its cookie may have got to."""
    session = await need_session(request, "owner")
    await checked_form(request, session)
    await end_session(request, session)
    response = go_to(request, "/owner/login")
    drop_session(request, response, "owner")
    return response


@router.get("")
async def owner(request: Request) -> Response:
    """How the project goes."""
    try:
        session = await session_of(request, "owner")
    except TokenError:
        session = None
    if session is None:
        return go_to(request, "/owner/login")
    return await _show(request, session)


@router.post("/links")
async def make_links(request: Request) -> Response:
    """Add raters by name and show their personal links."""
    session = await need_session(request, "owner")
    form = await checked_form(request, session)
    site = site_of(request)
    names = [name.strip() for name in text_field(form, "names").splitlines() if name.strip()]
    days = number_field(form, "days")
    if not names or len(names) > MOST_LINKS or any(len(name) > LONGEST_NAME for name in names):
        raise HTTPException(
            422, f"Give 1 to {MOST_LINKS} names, one a line, of at most {LONGEST_NAME} letters."
        )
    if not 0 < days <= MOST_DAYS:
        raise HTTPException(422, f"A link can last up to {MOST_DAYS} days.")
    invitations: Invitations = request.app.state.invitations
    form_sent = (session.nonce, text_field(form, "once") or secrets.token_urlsafe(6))
    links = await site.desk.write(invitations.make, site, form_sent, list(dict.fromkeys(names)), days)
    return await _show(request, session, links, fresh=True)


@router.post("/raters")
async def set_active(request: Request) -> Response:
    """Give a rater no more prompts, or prompts again."""
    session = await need_session(request, "owner")
    form = await checked_form(request, session)
    site = site_of(request)
    active = text_field(form, "active") == "yes"
    await site.desk.write(
        site.desk.store.set_active, site.desk.project.name, text_field(form, "rater"), active
    )
    return await _show(request, session, fresh=True)


@router.get("/export/{name}")
async def export(request: Request, name: str) -> Response:
    """The current rankings as a file: rankings.jsonl, or pairs.jsonl in TRL's preference format."""
    await need_session(request, "owner")
    site = site_of(request)
    if name not in ("rankings.jsonl", "pairs.jsonl"):
        raise HTTPException(404, "There is rankings.jsonl and pairs.jsonl.")
    rankings = await site.desk.read(site.desk.store.rankings, site.desk.project.name)
    return StreamingResponse(
        _lines(rankings, name),
        media_type="application/x-ndjson",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _lines(rankings: list[Ranking], name: str) -> Iterator[str]:
    rows = formats.pairs(rankings) if name == "pairs.jsonl" else (ranking.json() for ranking in rankings)
    for row in rows:
        yield json.dumps(row, ensure_ascii=False) + "\n"


def _login_form(request: Request, status: int = 200, error: str = "") -> HTMLResponse:
    tokens = site_of(request).tokens
    # A browser that comes back stays the same visitor, whose tries are counted.
    session = _known(request, "visitor")
    if session is not None:
        return page(request, "login.html", status, session, error=error)
    token = tokens.issue("visitor", "", VISITOR_SECONDS)
    session = tokens.read("visitor", token)
    response = page(request, "login.html", status, session, error=error)
    set_session(request, response, "visitor", token, session.expires)
    return response


async def _show(
    request: Request, session: Session, links: list[tuple[str, str]] | None = None, *, fresh: bool = False
) -> HTMLResponse:
    figures: Figures = request.app.state.figures
    found = await figures.get(site_of(request), fresh=fresh)
    once = secrets.token_urlsafe(6)
    return page(request, "owner.html", 200, session, overview=found, links=links or [], once=once)
