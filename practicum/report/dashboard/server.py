"""The dashboard as a web app: routes, static files, limits, and errors in the form they were asked in."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware

from practicum.errors import InputError
from practicum.preferences.app.middleware import Guard
from practicum.preferences.app.security import HEADERS
from practicum.preferences.app.server import KeptStatic
from practicum.preferences.app.site import STATIC as SHARED
from practicum.report.dashboard import pages, play_page
from practicum.report.dashboard.site import STATIC, Site, render

LOCAL = ("127.0.0.1", "localhost")


def create_app(site: Site, names: tuple[str, ...] = ()) -> FastAPI:
    """The app of a runs folder. It answers to the names of this machine's loopback, and to `names`."""
    app = FastAPI(title="Practicum dashboard", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.site = site
    app.include_router(pages.router)
    app.include_router(play_page.router)
    # htmx comes with the ranking app.
    app.mount("/static/shared", KeptStatic(directory=SHARED / "vendor"), "shared")
    app.mount("/static", KeptStatic(directory=STATIC), "static")
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(InputError, _on_input_error)
    # A page of another name that leads here, as by a name server that lies, is not ours.
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=[*LOCAL, *names], www_redirect=False)
    app.add_middleware(Guard, headers=HEADERS)
    return app


async def _on_input_error(request: Request, error: Exception) -> Response:
    return _tell(request, HTTPStatus.UNPROCESSABLE_ENTITY, str(error))


async def _on_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    return _tell(request, HTTPStatus.UNPROCESSABLE_ENTITY, f"{first['loc'][-1]}: {first['msg']}")


async def _on_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _tell(request, error.status_code, str(error.detail))


def _tell(request: Request, status: int, detail: str) -> Response:
    detail = detail.encode("utf-8", "replace").decode()
    if request.url.path.startswith("/api/"):
        return JSONResponse({"detail": detail}, status)
    return render(request, "message.html", status, code=int(status), detail=detail)
