"""What all pages share: the site's parts, who is asking, checked forms, rendered templates."""

from __future__ import annotations

import hashlib
import ipaddress
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException

from practicum.preferences.app.desk import Desk
from practicum.preferences.app.security import Keys, RateLimiter, Role, Session, TokenError, Tokens
from practicum.preferences.records import FLAG_KINDS, MOST_RESPONSES, Link
from practicum.templates import templates

HERE = Path(__file__).parent
STATIC = HERE / "static"
# A place and a box per kind of flag for each response, and what else the form holds.
MOST_FIELDS = MOST_RESPONSES * (1 + len(FLAG_KINDS)) + 20
# Who is not known yet may open this many bad links per address.
STRANGERS_PER_MINUTE = 30
# Passwords tried, by browser, by address, and by everybody together. The owner's own browser counts apart.
PASSWORDS_PER_MINUTE = 6
PASSWORDS_PER_ADDRESS = 20
PASSWORDS_IN_ALL = 60
FORM_TYPE = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Site:
    """The parts of a running app. `public_url` is what people type, without a slash at the end.

    Its path, if it has one, is what the app lives below: a server in front may strip it or leave it.
    """

    desk: Desk
    keys: Keys
    public_url: str
    requests_per_minute: int = 240
    rater_limit: RateLimiter = field(init=False)
    stranger_limit: RateLimiter = field(default_factory=lambda: RateLimiter(STRANGERS_PER_MINUTE))
    password_limits: PasswordLimits = field(default_factory=lambda: PasswordLimits())

    def __post_init__(self) -> None:
        object.__setattr__(self, "rater_limit", RateLimiter(self.requests_per_minute))

    @property
    def tokens(self) -> Tokens:
        """What signs and reads this project's links and sessions."""
        return Tokens(self.keys, self.desk.project.name)

    @property
    def base(self) -> str:
        """The path that the app lives below: empty, or like /studio."""
        return urlsplit(self.public_url).path.rstrip("/")

    def links(self, raters: Sequence[str], days: float) -> list[tuple[str, str]]:
        """New personal links of raters, good for `days`: all or none. Earlier ones are good no more."""
        made = self.desk.store.invite(self.desk.project.name, raters, days * 86_400)
        return [(link.rater, self._url(link)) for link in made]

    def link(self, rater: str, days: float) -> str:
        """A new personal link of one rater; see `links`."""
        return self.links([rater], days)[0][1]

    def standing_link(self, rater: str) -> str | None:
        """The link of a rater that is good now, None without one."""
        link = self.desk.store.link_of(self.desk.project.name, rater)
        return None if link is None else self._url(link)

    def _url(self, link: Link) -> str:
        token = self.tokens.sign(Session("rater", link.rater, link.nonce, link.expires))
        return f"{self.public_url}/join/{token}"


class PasswordLimits:
    """How often a password may be tried a minute.

    By browser, so that one visitor's tries do not keep another out; by address, since a browser that throws
    its cookie away is another one; and in all, since addresses can be many. A browser that has logged in
    before counts by itself alone: nobody's tries keep the owner out of it.
    """

    def __init__(self) -> None:
        self._browsers = RateLimiter(PASSWORDS_PER_MINUTE)
        self._addresses = RateLimiter(PASSWORDS_PER_ADDRESS)
        self._all = RateLimiter(PASSWORDS_IN_ALL)

    def count(self, visitor: Session, where: str, device: Session | None) -> None:
        """Count a try. Raises HTTPException 429 when there were too many."""
        if device is not None:
            limit(self._browsers, f"device {device.nonce}")
            return
        limit(self._browsers, f"visitor {visitor.nonce}")
        limit(self._addresses, where)
        limit(self._all, "all")


def site_of(request: Request) -> Site:
    """The site a request came to."""
    site: Site = request.app.state.site
    return site


# ------------------------------------------------------------------------------------------- who is asking


def go_to(request: Request, path: str) -> RedirectResponse:
    """Send a browser to another page of the app."""
    return RedirectResponse(site_of(request).base + path, 303)


def set_session(request: Request, response: Response, role: Role, token: str, expires: float) -> None:
    """Give the browser a session that scripts cannot read and other sites' forms do not carry."""
    site = site_of(request)
    response.set_cookie(
        site.tokens.cookie_name(role),
        token,
        max_age=max(int(expires - time.time()), 0),
        path=site.base or "/",
        httponly=True,
        # A rater comes by a link in a mail: Strict would hide the fresh cookie from the page it leads to.
        samesite="lax" if role == "session" else "strict",
        secure=site.public_url.startswith("https:"),
    )


def drop_session(request: Request, response: Response, role: Role) -> None:
    """Take a session's cookie from the browser."""
    site = site_of(request)
    response.delete_cookie(site.tokens.cookie_name(role), path=site.base or "/")


async def end_session(request: Request, session: Session) -> None:
    """Make a session worthless wherever its cookie may have got to."""
    desk = site_of(request).desk
    await desk.write(desk.store.end_session, desk.project.name, session.nonce, session.expires)


def cookie_session(request: Request, role: Role) -> Session | None:
    """What a request's cookie says, whether or not it was revoked. Raises TokenError for a bad one."""
    tokens = site_of(request).tokens
    token = request.cookies.get(tokens.cookie_name(role))
    return None if token is None else tokens.read(role, token)


async def session_of(request: Request, role: Role) -> Session | None:
    """The session a request carries, or None. Raises TokenError for one that is over, forged or revoked."""
    session = cookie_session(request, role)
    if session is not None and role in ("session", "owner"):
        await check_standing(request, session)
    return session


async def check_standing(request: Request, session: Session) -> None:
    """Raise TokenError for a session that was logged out of, or whose link a newer one has cancelled."""
    desk = site_of(request).desk
    rater = session.name if session.role in ("session", "rater") else ""
    link = session.nonce if session.role == "rater" else session.link
    if not await desk.read(desk.store.may_enter, desk.project.name, session.nonce, rater, link):
        raise TokenError(expired=bool(rater))


async def need_session(request: Request, role: Role) -> Session:
    """The session a request must carry. Raises HTTPException 401 without one."""
    try:
        session = await session_of(request, role)
    except TokenError as error:
        message = EXPIRED if error.expired and role == "session" else SIGNED_OUT[role]
        raise HTTPException(401, message) from error
    if session is None:
        raise HTTPException(401, SIGNED_OUT[role])
    if role == "session":
        limit(site_of(request).rater_limit, session.name)
    return session


EXPIRED = (
    "This link has expired, or a newer one has taken its place. Use the newest you were sent, or ask for "
    "one; what you ranked is kept."
)
FORGED = "This link is not valid. Check that it was copied whole, or ask for a new one."
SIGNED_OUT: dict[Role, str] = {
    "session": "Open the personal link you were sent: it signs you in.",
    "owner": "Log in to see this page.",
    "visitor": "This form is out of date. Go back, reload the page and try again.",
}


def limit(limiter: RateLimiter, key: str) -> None:
    """Count a request. Raises HTTPException 429 when there were too many of them."""
    wait = limiter.seconds_to_wait(key)
    if wait:
        raise HTTPException(
            429, "Too many requests: wait a moment, then try again.", {"Retry-After": str(int(wait) + 1)}
        )


def address(request: Request) -> str:
    """Where a request came from, as far as the server can tell; of IPv6 the network, which is one place's."""
    host = request.client.host if request.client else "unknown"
    try:
        parsed = ipaddress.ip_address(host)
    except ValueError:
        return host
    if isinstance(parsed, ipaddress.IPv4Address) or parsed.ipv4_mapped:
        return host
    return str(ipaddress.IPv6Network((parsed.packed, 64), strict=False))


async def checked_form(request: Request, session: Session) -> FormData:
    """The fields of a form that this session's own page sent. Raises HTTPException 403 for any other."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise HTTPException(403, SIGNED_OUT["visitor"])
    # The app's own forms are sent in no other way.
    if request.headers.get("content-type", FORM_TYPE).partition(";")[0].strip().lower() != FORM_TYPE:
        raise HTTPException(415, f"Forms are sent as {FORM_TYPE}.")
    form = await request.form(max_files=0, max_fields=MOST_FIELDS)
    if not site_of(request).tokens.form_token_matches(session, text_field(form, "form_token")):
        raise HTTPException(403, SIGNED_OUT["visitor"])
    return form


def text_field(form: FormData, name: str) -> str:
    """A field's text, empty when it is missing."""
    value = form.get(name, "")
    return value if isinstance(value, str) else ""


def number_field(form: FormData, name: str) -> float:
    """A field's number. Raises HTTPException 422 for anything else."""
    try:
        value = float(text_field(form, name))
    except ValueError as error:
        raise HTTPException(422, f"The field {name} needs a number.") from error
    if not abs(value) < 1e15:
        raise HTTPException(422, f"The field {name} needs a number.")
    return value


def whole_field(form: FormData, name: str) -> int:
    """A field's whole number. Raises HTTPException 422 for anything else."""
    found = re.fullmatch(r"-?[0-9]{1,15}", text_field(form, name).strip())
    if found is None:
        raise HTTPException(422, f"The field {name} needs a whole number.")
    return int(found[0])


# -------------------------------------------------------------------------------------------------- pages


def _version() -> str:
    """Changes with the static files, so that browsers may keep them."""
    digest = hashlib.sha256()
    for path in sorted(STATIC.rglob("*.*")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def minutes(seconds: float | None) -> str:
    """A time in words: 40 s, 3 min, 2.5 h."""
    if seconds is None:
        return "–"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


_TEMPLATES = templates(HERE / "templates")
_TEMPLATES.filters["dollars"] = lambda amount: f"${amount:,.2f}"
_TEMPLATES.filters["minutes"] = minutes
_TEMPLATES.filters["percent"] = lambda share: f"{100 * share:.0f}%"
_TEMPLATES.globals["version"] = _version()


def page(
    request: Request, template: str, status: int = 200, session: Session | None = None, **values: Any
) -> HTMLResponse:
    """Render a page; forms on it get the session's token."""
    site = site_of(request)
    text = _TEMPLATES.get_template(template).render(
        project=site.desk.project,
        base=site.base,
        form_token=site.tokens.form_token(session) if session else "",
        **values,
    )
    return HTMLResponse(text, status)
