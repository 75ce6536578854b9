"""The rater's pages: a link to come in by, one prompt at a time, undo and skip."""

from __future__ import annotations

import functools
import re
import secrets
import time

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response
from markupsafe import Markup
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException

from practicum.errors import InputError
from practicum.preferences.app.desk import StaleError, Submission, View, places_of
from practicum.preferences.app.security import Session, TokenError
from practicum.preferences.app.site import (
    EXPIRED,
    FORGED,
    address,
    check_standing,
    checked_form,
    drop_session,
    end_session,
    go_to,
    limit,
    need_session,
    number_field,
    page,
    session_of,
    set_session,
    site_of,
    text_field,
    whole_field,
)
from practicum.preferences.records import FLAG_KINDS, RaterProgress

router = APIRouter(include_in_schema=False)

SAID = {
    "saved": "Saved.",
    "skipped": "Skipped.",
    "undone": "Taken back. Change it and save it again.",
    "nothing": "There is nothing to undo.",
}
SKIP_REASONS = (
    "I cannot judge this",
    "All responses are equally bad",
    "I do not understand the language",
    "Something is missing or broken",
    "I would rather not read this",
)
UNPLACED = "Give every response a place, then save. Equal places are fine."
LONGEST_REASON = 300
OUT_OF_DATE = "That page was out of date: here is the newest."


@router.get("/")
async def front(request: Request) -> Response:
    """Where somebody without a link lands."""
    try:
        known = await session_of(request, "session")
    except TokenError:
        known = None
    return go_to(request, "/rate") if known else page(request, "front.html")


@router.get("/join/{token}")
async def join(request: Request, token: str) -> Response:
    """A personal link: sign in and go to the first prompt."""
    site = site_of(request)
    try:
        link = site.tokens.read("rater", token)
        await check_standing(request, link)
    except TokenError as error:
        limit(site.stranger_limit, address(request))
        raise HTTPException(410 if error.expired else 403, EXPIRED if error.expired else FORGED) from error
    response = go_to(request, "/rate")
    # A link opened again goes on with the session there is, so that forms on open pages stay good.
    if not await _is_in_by(request, link):
        session = Session("session", link.name, secrets.token_urlsafe(9), link.expires, link.nonce)
        set_session(request, response, "session", site.tokens.sign(session), session.expires)
    return response


async def _is_in_by(request: Request, link: Session) -> bool:
    try:
        session = await session_of(request, "session")
    except TokenError:
        return False
    return session is not None and (session.name, session.link) == (link.name, link.nonce)


@router.get("/rate")
async def rate(request: Request, said: str = "") -> HTMLResponse:
    """The prompt this rater holds, or the next one."""
    session = await need_session(request, "session")
    return await _show(request, session, said)


@router.post("/rate/submit")
async def submit(request: Request) -> Response:
    """Save a ranking and show the next prompt."""
    session = await need_session(request, "session")
    form = await checked_form(request, session)
    places = _places(form)
    if None in places:
        return await _show_again(request, session, form, UNPLACED)
    submission = Submission(
        assignment_id=whole_field(form, "assignment"),
        turn=whole_field(form, "turn"),
        places=tuple(place for place in places if place is not None),
        flags=_flags(form),
        seconds=_seconds(form),
    )
    try:
        await site_of(request).desk.submit(session.name, submission)
    except StaleError as error:
        return await _show(request, session, error=str(error), status=409)
    return await _next(request, session, "saved")


@router.post("/rate/skip")
async def skip(request: Request) -> Response:
    """Hand a prompt back and show the next one."""
    session = await need_session(request, "session")
    form = await checked_form(request, session)
    reason = text_field(form, "other_reason").strip()[:LONGEST_REASON] or text_field(form, "reason")
    if not reason:
        return await _show_again(request, session, form, "Choose a reason, then skip.")
    assignment = whole_field(form, "assignment")
    try:
        await site_of(request).desk.skip(session.name, assignment, reason[:LONGEST_REASON], _flags(form))
    except StaleError as error:
        return await _show(request, session, error=str(error), status=409)
    return await _next(request, session, "skipped")


@router.post("/rate/undo")
async def undo(request: Request) -> Response:
    """Take back the last ranking or skip and show it again."""
    session = await need_session(request, "session")
    form = await checked_form(request, session)
    try:
        await site_of(request).desk.undo(session.name, text_field(form, "once")[:50])
    except InputError as error:
        if error.__cause__ is not None:
            raise
        return await _next(request, session, "nothing")
    return await _next(request, session, "undone")


@router.post("/rate/leave")
async def leave(request: Request) -> Response:
    """End this rater's session on this device; the link stays good."""
    session = await need_session(request, "session")
    await checked_form(request, session)
    await end_session(request, session)
    response = go_to(request, "/")
    drop_session(request, response, "session")
    return response


async def _next(request: Request, session: Session, said: str) -> Response:
    """The next prompt: at once for a script that swaps the page, by redirect for a browser's own form."""
    if request.headers.get("hx-request") == "true":
        return await _show(request, session, said)
    return go_to(request, f"/rate?said={said}")


async def _show(
    request: Request, session: Session, said: str = "", *, error: str = "", status: int = 200
) -> HTMLResponse:
    view = await site_of(request).desk.view(session.name)
    progress = await site_of(request).desk.progress(session.name)
    places = places_of(view.assignment, view.tiers) if view.assignment else []
    flags: set[tuple[int, str]] = set()
    if view.assignment:
        positions = {response.id: position for position, response in enumerate(view.assignment.responses)}
        flags = {(positions[name], kind) for name, kind in view.assignment.flags}
    return _render(request, session, view, progress, places, flags, SAID.get(said, ""), error, status)


async def _show_again(request: Request, session: Session, form: FormData, error: str) -> HTMLResponse:
    """The same prompt with what was entered and what is still to do."""
    view = await site_of(request).desk.view(session.name)
    if view.assignment is None or str(view.assignment.id) != text_field(form, "assignment"):
        return await _show(request, session, error=OUT_OF_DATE, status=409)
    places = _places(form)
    places += [None] * (len(view.assignment.responses) - len(places))
    progress = await site_of(request).desk.progress(session.name)
    return _render(request, session, view, progress, places, set(_flags(form)), "", error, 422)


def _render(
    request: Request,
    session: Session,
    view: View,
    progress: RaterProgress,
    places: list[int | None],
    flags: set[tuple[int, str]],
    said: str,
    error: str,
    status: int,
) -> HTMLResponse:
    return page(
        request,
        "rate.html",
        status,
        session,
        rater=session.name,
        view=view,
        progress=progress,
        places=places,
        flags=flags,
        place_options=place_options,
        flag_kinds=FLAG_KINDS,
        reasons=SKIP_REASONS,
        said=said,
        error=error,
        now=f"{time.time():.1f}",
        once=secrets.token_urlsafe(6),
    )


@functools.lru_cache(maxsize=8)
def _options(count: int) -> tuple[str, ...]:
    return tuple(f'<option value="{place}">{place}</option>' for place in range(1, count + 1))


def place_options(count: int, chosen: int | None) -> Markup:
    """The options of a list of places; a prompt with many responses has such a list at each."""
    options = _options(count)
    if chosen is None or not 1 <= chosen <= count:
        return Markup("".join(options))
    one = f'<option value="{chosen}" selected>{chosen}</option>'
    return Markup("".join((*options[: chosen - 1], one, *options[chosen:])))


def _places(form: FormData) -> list[int | None]:
    """The place chosen for each response, None where none was. Raises HTTPException 422 for no number."""
    places: list[int | None] = []
    while (name := f"place-{len(places)}") in form:
        places.append(whole_field(form, name) if text_field(form, name) else None)
    return places


def _flags(form: FormData) -> frozenset[tuple[int, str]]:
    fields = (name.rpartition("-") for name in form if name.rpartition("-")[0] in FLAG_KINDS)
    return frozenset(
        (int(position), kind) for kind, _, position in fields if re.fullmatch(r"[0-9]{1,6}", position)
    )


def _seconds(form: FormData) -> float | None:
    """Time in front of the page: what the script counted while it was visible, or since it was sent."""
    elapsed = max(time.time() - number_field(form, "shown_at"), 0.0)
    counted = text_field(form, "seconds")
    return round(min(elapsed, max(number_field(form, "seconds"), 0.0)) if counted else elapsed, 1)
