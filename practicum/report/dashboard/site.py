"""What all pages share: the site's parts, forms that no other site can send, rendered templates."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from fastapi import Request
from fastapi.responses import HTMLResponse
from markupsafe import Markup
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException

from practicum.report import words
from practicum.report.dashboard.discover import Library, RunState
from practicum.report.dashboard.player import Player
from practicum.report.dashboard.series import Shelf
from practicum.templates import templates

HERE = Path(__file__).parent
STATIC = HERE / "static"
FORM_TYPE = "application/x-www-form-urlencoded"
READ_ONLY = "Others can reach this dashboard, so it only reads: serve it on 127.0.0.1 to tag and delete."
OUT_OF_DATE = "This form is out of date. Go back, reload the page and try again."


@dataclass(frozen=True)
class Site:
    """The parts of a running dashboard. `secret` is what its own forms carry, new at every start.

    Without `writes` nothing can be tagged or deleted: others may reach the page.
    """

    library: Library
    databases: tuple[Path, ...] = ()
    writes: bool = True
    shelf: Shelf = field(default_factory=Shelf)
    player: Player = field(default_factory=Player)
    secret: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)


def site_of(request: Request) -> Site:
    """The site a request came to."""
    site: Site = request.app.state.site
    return site


async def checked_form(request: Request) -> FormData:
    """The fields of a form that a page of this dashboard sent. Raises HTTPException 403 for any other."""
    if not site_of(request).writes:
        raise HTTPException(403, READ_ONLY)
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise HTTPException(403, OUT_OF_DATE)
    if request.headers.get("content-type", FORM_TYPE).partition(";")[0].strip().lower() != FORM_TYPE:
        raise HTTPException(415, f"Forms are sent as {FORM_TYPE}.")
    form = await request.form(max_files=0, max_fields=50)
    token = form.get("form_token", "")
    given = token if isinstance(token, str) else ""
    if not hmac.compare_digest(site_of(request).secret.encode(), given.encode()):
        raise HTTPException(403, OUT_OF_DATE)
    return form


def text_field(form: FormData, name: str) -> str:
    """A field's text, empty when it is missing; lines end in one character, as a policy writes them."""
    value = form.get(name, "")
    # Browsers send two for each.
    return value.replace("\r\n", "\n") if isinstance(value, str) else ""


# ---------------------------------------------------------------------------------------------------- pages


def _version() -> str:
    """Changes with the static files, so that browsers may keep them."""
    digest = hashlib.sha256()
    for path in sorted(STATIC.rglob("*.*")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def address(path: str, **query: Any) -> str:
    """A link of the dashboard; what is None or empty is left out of its query."""
    kept = {name: value for name, value in query.items() if value not in (None, "", ())}
    return f"{path}?{urlencode(kept, doseq=True)}" if kept else path


def spark(state: RunState) -> Markup:
    """A run's curve in small, as SVG; what it says in words is the value beside it."""
    values = state.spark
    if len(values) < 2:
        return Markup("")
    low, high = min(values), max(values)
    height = high - low or 1.0
    points = " ".join(
        f"{place * 96 / (len(values) - 1):.1f},{22 - 20 * (value - low) / height:.1f}"
        for place, value in enumerate(values)
    )
    return Markup(
        f'<svg class="spark" viewBox="0 0 96 24" width="96" height="24" aria-hidden="true">'
        f'<polyline points="{points}"/></svg>'
    )


def day(text: str) -> str:
    """An ISO time as `27 Nov 06:44`; as it stands where it is none."""
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return text[:25]
    return f"{when:%d %b %H:%M}".lstrip("0")


def moment(seconds: float) -> str:
    """Seconds since 1970 as `27 Nov 06:44`, UTC."""
    return f"{datetime.fromtimestamp(seconds, timezone.utc):%d %b %H:%M}".lstrip("0") if seconds else "–"


TEMPLATES = templates(HERE / "templates")
TEMPLATES.filters.update(
    short=words.short,
    whole=words.whole,
    duration=words.duration,
    percent=words.percent,
    day=day,
    moment=moment,
)
TEMPLATES.globals.update(version=_version(), address=address, spark=spark)


def render(request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """Render a page or a part of one."""
    site = site_of(request)
    text = TEMPLATES.get_template(template).render(
        root=site.library.root.resolve().name or "/",
        form_token=site.secret,
        writes=site.writes,
        here=request.url.path,
        **values,
    )
    return HTMLResponse(text.encode("utf-8", "replace"), status)
