"""The web app: routes, static files, limits, and errors told in the form they were asked in."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from urllib.parse import urlsplit

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from sqlalchemy.exc import DataError, SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.types import Scope

from practicum.errors import InputError
from practicum.preferences.app import api, owner_pages, rater_pages
from practicum.preferences.app.desk import StaleError
from practicum.preferences.app.middleware import Below, Guard, KnownHosts, host_name
from practicum.preferences.app.security import HEADERS
from practicum.preferences.app.site import STATIC, Site, page, site_of
from practicum.preferences.records import ClosedError

UNAVAILABLE = "This could not be saved just now. Nothing else was lost: try again in a moment."


class KeptStatic(StaticFiles):
    """Static files, which browsers may keep: their addresses change with their content."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The file, with leave to keep it for a year."""
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return response


def create_app(site: Site) -> FastAPI:
    """The app of one project, ready for a server. It closes the site's threads when it is shut down."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        site.desk.close()

    # The usual pages of documentation load scripts from elsewhere; the description itself stays.
    app = FastAPI(
        title="Practicum ranking",
        version="1",
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/v1/openapi.json",
        lifespan=lifespan,
        redirect_slashes=False,
    )
    app.state.site = site
    app.state.figures = owner_pages.Figures()
    app.state.invitations = owner_pages.Invitations()
    app.include_router(rater_pages.router)
    app.include_router(owner_pages.router)
    app.include_router(api.router)
    app.mount("/static", KeptStatic(directory=STATIC), "static")
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(InputError, _on_input_error)
    app.add_middleware(KnownHosts, names=_hosts(site.public_url))
    headers = dict(HEADERS)
    if site.public_url.startswith("https:"):
        headers["Strict-Transport-Security"] = "max-age=31536000"
    app.add_middleware(Guard, headers=headers)
    app.add_middleware(Below, base=site.base)
    return app


def _hosts(public_url: str) -> list[str]:
    """Names the app answers to; a page of another name that leads here is not ours."""
    return [host_name(urlsplit(public_url).netloc) or "127.0.0.1", "127.0.0.1", "localhost", "::1"]


def status_of(error: InputError) -> int:
    """The HTTP status that fits an error of the store."""
    if isinstance(error.__cause__, SQLAlchemyError) and not isinstance(error.__cause__, DataError):
        return HTTPStatus.SERVICE_UNAVAILABLE
    if isinstance(error, ClosedError):
        return HTTPStatus.FORBIDDEN
    return HTTPStatus.CONFLICT if isinstance(error, StaleError) else HTTPStatus.UNPROCESSABLE_ENTITY


async def _on_input_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, InputError)
    status, detail = status_of(error), str(error)
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        # The owner's terminal gets the reason, which may name paths; a rater needs to know what to do.
        print(f"practicum: {detail}", file=sys.stderr, flush=True)
        return _tell(request, status, UNAVAILABLE, {"Retry-After": "5"})
    return _tell(request, status, detail, {})


async def _on_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return _tell(request, HTTPStatus.UNPROCESSABLE_ENTITY, f"{where}: {first['msg']}", {})


async def _on_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _tell(request, error.status_code, str(error.detail), dict(error.headers or {}))


def _tell(request: Request, status: int, detail: str, headers: dict[str, str]) -> Response:
    response: Response
    # Half characters may come in as JSON, and cannot go out again.
    detail = detail.encode("utf-8", "replace").decode()
    if request.url.path.startswith(f"{site_of(request).base}/api/"):
        response = JSONResponse({"detail": detail}, status)
    else:
        response = page(request, "message.html", status, code=status, detail=detail)
    response.headers.update(headers)
    return response
