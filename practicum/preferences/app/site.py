"""What all pages share: the site's parts, who is asking, checked forms, rendered templates."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException

from practicum.preferences.app.desk import Desk
from practicum.preferences.app.security import Keys, RateLimiter, Role, Session, TokenError, Tokens

HERE = Path(__file__).parent
STATIC = HERE / "static"
MOST_FIELDS = 200
# Who is not known yet may try this often per address: links opened, passwords guessed.
STRANGERS_PER_MINUTE = 30
PASSWORDS_PER_MINUTE = 6


@dataclass(frozen=True)
class Site:
    """The parts of a running app. `public_url` is what people type, without a slash at the end."""

    desk: Desk
    keys: Keys
    public_url: str
    requests_per_minute: int = 240
    rater_limit: RateLimiter = field(init=False)
    stranger_limit: RateLimiter = field(default_factory=lambda: RateLimiter(STRANGERS_PER_MINUTE))
    password_limit: RateLimiter = field(default_factory=lambda: RateLimiter(PASSWORDS_PER_MINUTE))

    def __post_init__(self) -> None:
        object.__setattr__(self, "rater_limit", RateLimiter(self.requests_per_minute))

    @property
    def tokens(self) -> Tokens:
        """What signs and reads this project's links and sessions."""
        return Tokens(self.keys, self.desk.project.name)

    def link(self, rater: str, days: float) -> str:
        """The personal link of a rater, good for `days`."""
        return f"{self.public_url}/join/{self.tokens.issue('rater', rater, days * 86_400)}"


def site_of(request: Request) -> Site:
    """The site a request came to."""
    site: Site = request.app.state.site
    return site


# ------------------------------------------------------------------------------------------- who is asking


def cookie_name(role: Role) -> str:
    """Raters and owner have cookies of their own, so that the owner can try a rater's link."""
    return f"practicum_{role}"


def set_session(request: Request, response: Response, role: Role, token: str, expires: float) -> None:
    """Give the browser a session that scripts cannot read and other sites' forms do not carry."""
    response.set_cookie(
        cookie_name(role),
        token,
        max_age=max(int(expires - time.time()), 0),
        httponly=True,
        # A rater comes by a link in a mail: Strict would hide the fresh cookie from the page it leads to.
        samesite="lax" if role == "rater" else "strict",
        secure=site_of(request).public_url.startswith("https:"),
    )


def session_of(request: Request, role: Role) -> Session | None:
    """The session a request carries, or None. Raises TokenError for one that is over or forged."""
    token = request.cookies.get(cookie_name(role))
    return None if token is None else site_of(request).tokens.read(role, token)


def need_session(request: Request, role: Role) -> Session:
    """The session a request must carry. Raises HTTPException 401 without one."""
    try:
        session = session_of(request, role)
    except TokenError as error:
        message = EXPIRED if error.expired and role == "rater" else SIGNED_OUT[role]
        raise HTTPException(401, message) from error
    if session is None:
        raise HTTPException(401, SIGNED_OUT[role])
    if role == "rater":
        limit(site_of(request).rater_limit, session.name)
    return session


EXPIRED = "This link has expired. Ask whoever sent it to you for a new one; what you ranked is kept."
FORGED = "This link is not valid. Check that it was copied whole, or ask for a new one."
SIGNED_OUT: dict[Role, str] = {
    "rater": "Open the personal link you were sent: it signs you in.",
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
    """Where a request came from, as far as the server can tell."""
    return request.client.host if request.client else "unknown"


async def checked_form(request: Request, session: Session) -> FormData:
    """The fields of a form that this session's own page sent. Raises HTTPException 403 for any other."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise HTTPException(403, SIGNED_OUT["visitor"])
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


# Escaping is on for every template: prompts and responses are whatever a model wrote.
_TEMPLATES = Environment(
    loader=FileSystemLoader(HERE / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)
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
        form_token=site.tokens.form_token(session) if session else "",
        **values,
    )
    return HTMLResponse(text, status)
