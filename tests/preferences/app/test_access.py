"""Who may do what: every route, asked by everybody, with two projects side by side in one database.

The worst case on purpose: both projects have one file of keys, raters of the same name, and the browser sends
the other project's cookies under this project's names too. A route that is not in the table fails the test.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute, Mount, Route
from starlette.testclient import TestClient

from practicum.preferences.app.collect import app_of
from practicum.preferences.app.desk import Desk
from practicum.preferences.app.security import Keys, Role
from practicum.preferences.app.site import Site
from practicum.preferences.records import Assignment
from practicum.preferences.store import Store
from tests.preferences.app.live import PASSWORD, everything, jokes

ROLES = ("nobody", "rater", "other rater", "closed rater", "owner", "other owner")

# Who gets in; everybody else is told to sign in, or that they may not.
EVERYBODY = frozenset(ROLES)
TABLE: dict[tuple[str, str], frozenset[str]] = {
    ("GET", "/"): EVERYBODY,
    ("GET", "/join/{token}"): frozenset({"rater", "closed rater"}),
    ("GET", "/rate"): frozenset({"rater"}),
    ("POST", "/rate/submit"): frozenset({"rater"}),
    ("POST", "/rate/skip"): frozenset({"rater"}),
    ("POST", "/rate/undo"): frozenset({"rater"}),
    ("POST", "/rate/leave"): frozenset({"rater", "closed rater"}),
    ("GET", "/owner"): EVERYBODY,
    ("GET", "/owner/login"): EVERYBODY,
    ("POST", "/owner/login"): EVERYBODY,
    ("POST", "/owner/logout"): frozenset({"owner"}),
    ("POST", "/owner/links"): frozenset({"owner"}),
    ("POST", "/owner/raters"): frozenset({"owner"}),
    ("GET", "/owner/export/{name}"): frozenset({"owner"}),
    ("GET", "/api/v1/me"): frozenset({"rater", "closed rater"}),
    ("POST", "/api/v1/lease"): frozenset({"rater"}),
    ("PUT", "/api/v1/assignments/{assignment}/ranking"): frozenset({"rater"}),
    ("POST", "/api/v1/assignments/{assignment}/skip"): frozenset({"rater"}),
    ("POST", "/api/v1/undo"): frozenset({"rater"}),
    ("GET", "/api/v1/openapi.json"): EVERYBODY,
}


@dataclass
class Town:
    """Two projects in one store; `ann` and `closed` are raters of both, and have ranked and hold a prompt."""

    store: Store
    sites: dict[str, Site]
    apps: dict[str, FastAPI]
    ranked: dict[tuple[str, str], Assignment]
    held: dict[tuple[str, str], Assignment]


@pytest.fixture
def town(place: str, keys: Keys) -> Iterator[Town]:
    """The town, once on each kind of database."""
    with built(place, keys) as found:
        yield found


@pytest.fixture
def small_town(tmp_path: Path, keys: Keys) -> Iterator[Town]:
    """The town on SQLite."""
    with built(str(tmp_path / "rankings.db"), keys) as found:
        yield found


@contextmanager
def built(place: str, keys: Keys) -> Iterator[Town]:
    with Store.open(place) as store:
        sites, apps = {}, {}
        ranked: dict[tuple[str, str], Assignment] = {}
        held: dict[tuple[str, str], Assignment] = {}
        for name in ("this", "other"):
            project = store.create_project(name, overlap=3, prompts=jokes(4, 3))
            sites[name] = Site(Desk(store, project), keys, "http://testserver", 100_000)
            apps[name] = app_of(sites[name])
            for rater in ("ann", "closed"):
                sites[name].link(rater, 1)
                first = store.lease(name, rater)
                assert first is not None
                store.submit(name, rater, first.id, [[one.id] for one in first.responses])
                second = store.lease(name, rater)
                assert second is not None
                ranked[name, rater], held[name, rater] = first, second
            store.set_active(name, "closed", False)
        yield Town(store, sites, apps, ranked, held)
        for site in sites.values():
            site.desk.close()


def visit(town: Town, role: str) -> TestClient:
    """A browser at this project's app, with what `role` can lay hands on."""
    project = "other" if role.startswith("other") else "this"
    name = "closed" if role == "closed rater" else "ann"
    client = TestClient(town.apps["this"], raise_server_exceptions=False, follow_redirects=False)
    if role == "nobody":
        return client
    site = town.sites[project]
    home = TestClient(town.apps[project], follow_redirects=False)
    if role.endswith("owner"):
        token = re.search(r'name="form_token" value="(\w+)"', home.get("/owner/login").text)
        assert token is not None
        home.post("/owner/login", data={"password": PASSWORD, "form_token": token[1]})
    else:
        link = site.standing_link(name)
        assert link is not None
        home.get(link)
        client.headers["Authorization"] = f"Bearer {link.rpartition('/')[2]}"
    roles: tuple[Role, ...] = ("session", "owner", "visitor", "device")
    for kind in roles:
        cookie = home.cookies.get(site.tokens.cookie_name(kind))
        if cookie:
            client.cookies.set(site.tokens.cookie_name(kind), cookie)
            client.cookies.set(town.sites["this"].tokens.cookie_name(kind), cookie)
    return client


def form_token(town: Town, client: TestClient, kind: Role) -> str:
    """The token that a form of this browser's session carries, forged as well as its own keys allow."""
    for site in town.sites.values():
        cookie = client.cookies.get(town.sites["this"].tokens.cookie_name(kind))
        if cookie:
            try:
                return site.tokens.form_token(site.tokens.read(kind, cookie))
            except ValueError:
                continue
    return ""


def request(town: Town, client: TestClient, role: str, method: str, path: str) -> Any:
    """A good request for a route: it would succeed for one who may."""
    project = "other" if role.startswith("other") else "this"
    name = "closed" if role == "closed rater" else "ann"
    held, ranked = town.held[project, name], town.ranked[project, name]
    kind: Role = "owner" if path.startswith("/owner") else "session"
    if path == "/owner/login":
        kind = "visitor"
        if method == "POST":
            client.get("/owner/login")
    form: dict[str, str] = {"form_token": form_token(town, client, kind)}
    form |= {"assignment": str(held.id), "turn": "0", "shown_at": "1", "reason": "no", "once": "x"}
    form |= {f"place-{place}": "1" for place in range(3)} | {"unsafe-0": "on"}
    form |= {"names": "Eve", "days": "3", "rater": "ann", "active": "no", "password": PASSWORD}
    bodies: dict[str, Any] = {
        "/api/v1/assignments/{assignment}/ranking": {
            "turn": 0,
            "places": [1, 2, 3],
            "flags": [{"position": 0, "kind": "unsafe"}],
        },
        "/api/v1/assignments/{assignment}/skip": {"reason": "no"},
    }
    link = town.sites[project].standing_link(name) or ""
    token = "forged" if role in ("nobody", "owner", "other owner") else link.rpartition("/")[2]
    number = held.id if method == "PUT" or "skip" in path else ranked.id
    address = path.format(token=token, name="rankings.jsonl", assignment=number)
    if path in bodies:
        return client.request(method, address, json=bodies[path])
    if method in ("POST", "PUT", "PATCH") and not path.startswith("/api/"):
        return client.request(method, address, data=form)
    return client.request(method, address)


def routes(app: FastAPI) -> set[tuple[str, str]]:
    """(method, path) of every route, however deep it is mounted."""
    found: set[tuple[str, str]] = set()

    def walk(items: list[BaseRoute], prefix: str) -> None:
        for route in items:
            if isinstance(route, Mount):
                if route.name != "static":
                    walk(list(route.routes), prefix + route.path)
            elif isinstance(route, (APIRoute, Route)):
                found.update((method, prefix + route.path) for method in (route.methods or set()) - {"HEAD"})
            else:
                original: Any = getattr(route, "original_router", None)
                assert original is not None, f"a kind of route this test does not know: {route!r}"
                walk(list(original.routes), prefix)

    walk(list(app.routes), "")
    return found


def test_every_route_is_in_the_table(town: Town) -> None:
    assert routes(town.apps["this"]) == set(TABLE)


@pytest.mark.parametrize("role", ROLES)
def test_nobody_gets_in_where_they_may_not(town: Town, role: str) -> None:
    client = visit(town, role)
    for (method, path), allowed in TABLE.items():
        if role in allowed:
            continue
        before = everything(town.store)
        answer = request(town, client, role, method, path)
        where = f"{role}: {method} {path}: {answer.status_code} {answer.text[:200]}"
        assert answer.status_code in (401, 403), where
        assert "joke" not in answer.text, where
        assert everything(town.store) == before, where


@pytest.mark.parametrize(
    ("method", "path", "role"),
    [(method, path, role) for (method, path), allowed in TABLE.items() for role in sorted(allowed)],
)
def test_who_may_gets_in_and_the_other_project_feels_nothing(
    small_town: Town, method: str, path: str, role: str
) -> None:
    client = visit(small_town, role)
    before = small_town.store.rankings("other"), small_town.store.payments("other")
    answer = request(small_town, client, role, method, path)
    where = f"{role}: {method} {path}: {answer.status_code} {answer.text[:200]}"
    assert answer.status_code in (200, 204, 303), where
    assert (small_town.store.rankings("other"), small_town.store.payments("other")) == before, where
    if path == "/owner":
        assert answer.status_code == (200 if role == "owner" else 303), where


def test_an_assignment_of_another_project_is_as_good_as_none(town: Town) -> None:
    """The same name, a good link of this project, and the number of the other project's assignment."""
    client = visit(town, "rater")
    before = everything(town.store)
    for assignment in (town.held["other", "ann"], town.ranked["other", "ann"]):
        body = {"turn": 0, "places": [1, 2, 3], "flags": [{"position": 0, "kind": "unsafe"}]}
        path = f"/api/v1/assignments/{assignment.id}"
        assert client.put(f"{path}/ranking", json=body).status_code == 422
        assert client.post(f"{path}/skip", json={"reason": "no"}).status_code == 422
        form = {"form_token": form_token(town, client, "session"), "assignment": str(assignment.id)}
        form |= {"turn": "0", "shown_at": "1", "reason": "no"} | {f"place-{place}": "1" for place in range(3)}
        assert client.post("/rate/submit", data=form).status_code == 422
        assert client.post("/rate/skip", data=form).status_code == 422
    assert everything(town.store) == before


def test_two_projects_on_one_host_do_not_sign_each_other_out(small_town: Town) -> None:
    """One browser, one host: a rater of one project, a rater of the other, and the owner of both."""
    kept: dict[str, str] = {}

    def ask(name: str, method: str, path: str, **data: str) -> Any:
        client = TestClient(small_town.apps[name], cookies=kept)
        answer = client.request(method, path, data=data or None)
        kept.update(client.cookies.items())
        return answer

    for name, site in small_town.sites.items():
        assert ask(name, "GET", site.standing_link("ann") or "").status_code == 200
        token = re.search(r'name="form_token" value="(\w+)"', ask(name, "GET", "/owner/login").text)
        assert token is not None
        page = ask(name, "POST", "/owner/login", password=PASSWORD, form_token=token[1])
        assert page.status_code == 200
    for name in small_town.sites:
        assert "Put these responses in order" in ask(name, "GET", "/rate").text
        assert "How the ranking goes" in ask(name, "GET", "/owner").text
