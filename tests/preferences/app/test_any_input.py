"""Whatever is sent, the app answers with what is wrong with it, never with a 500 or a broken page.

Requests are drawn for every route: values that are nearly right, and values of the kinds that break programs.
"""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_from_bytes, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from practicum.preferences.app.collect import app_of
from practicum.preferences.app.desk import Desk
from practicum.preferences.app.security import Keys, Role
from practicum.preferences.app.site import Site
from practicum.preferences.store import Store
from tests.preferences.app.live import PASSWORD, jokes, serving
from tests.preferences.app.test_access import TABLE

many = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

# Numbers at and beyond what columns, floats and Python's own reader of integers can hold.
EDGES = [
    0,
    1,
    2,
    -1,
    2**31 - 1,
    2**31,
    2**32,
    2**53,
    2**53 + 1,
    2**63 - 1,
    2**63,
    2**64,
    10**30,
    10**308,
    10**400,
]
digits = st.sampled_from(
    [*map(str, EDGES), "9" * 4_300, "9" * 4_400, "1e5", "1e400", "nan", "-inf", "1_0", "٣", "０", "0x1"]
)
words = st.sampled_from(
    [
        "",
        " ",
        "ann",
        "yes",
        "no",
        "on",
        "x" * 101,
        "x" * 5_000,
        "\x00",
        "a\x00b",
        "\ud800",
        "\udfff",
        "\u202e",
        "\ufeff",
        "é",
        "𝄞",
        "../../etc/passwd",
        "%",
        "%00",
        "%zz",
        "' OR 1=1 --",
        "{{7*7}}",
        "<b>",
        "\r\nSet-Cookie: a=b",
        "null",
    ]
)
anything = st.one_of(digits, words, st.text(max_size=20))
values: st.SearchStrategy[Any] = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.sampled_from([*EDGES, 0.5, -0.0, float("nan"), float("inf")]),
        words,
        st.text(max_size=8),
    ),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(words | st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
FIELDS = (
    *(
        "assignment",
        "turn",
        "shown_at",
        "seconds",
        "reason",
        "other_reason",
        "once",
        "names",
        "days",
        "rater",
    ),
    *(
        "active",
        "password",
        "form_token",
        "place-0",
        "place-1",
        "place-2",
        "place-3",
        "nonsense-0",
        "unsafe-2",
    ),
    *("nonsense-", "unsafe-x", f"nonsense-{'9' * 4_400}", "unsafe--1", "nonsense-٣", "place-", "", "\x00"),
)


def plain(text: str) -> bytes:
    """A text as bytes, half characters and all."""
    return text.encode("utf-8", "surrogatepass")


forms = st.dictionaries(st.sampled_from(FIELDS), anything, max_size=8)
bodies = st.one_of(
    values.map(lambda value: json.dumps(value).encode()),
    values.map(lambda value: plain(json.dumps(value, ensure_ascii=False))),
    st.fixed_dictionaries(
        {"turn": values, "places": st.lists(values, max_size=4)},
        optional={"flags": values, "seconds": values, "reason": values, "\ud800": values},
    ).map(lambda value: json.dumps(value).encode()),
    st.sampled_from(
        [b"", b"{", b"\xff\xfe", b"[" * 20_000, b'{"turn":' + b"9" * 5_000 + b"}", b'{"a":1,"a":2}', b"\x00"]
    ),
)


@dataclass
class Door:
    """An app with a rater and an owner inside; `site` knows what their forms would carry."""

    site: Site
    client: TestClient
    link: str

    def token(self, kind: Role) -> str:
        cookie = self.client.cookies.get(self.site.tokens.cookie_name(kind))
        return self.site.tokens.form_token(self.site.tokens.read(kind, cookie)) if cookie else ""


@pytest.fixture
def door(place: str, keys: Keys) -> Iterator[Door]:
    with Store.open(place) as store:
        project = store.create_project("jokes", overlap=1_000, prompts=jokes(3, 3))
        site = Site(Desk(store, project), keys, "http://testserver", 10**9)
        # What is tried here is input, not patience.
        object.__setattr__(site.stranger_limit, "_per_minute", 10**9)
        client = TestClient(app_of(site), raise_server_exceptions=False, follow_redirects=False)
        link = site.link("ann", 1)
        client.get(link)
        token = re.search(r'name="form_token" value="(\w+)"', client.get("/owner/login").text)
        assert token is not None
        client.post("/owner/login", data={"password": PASSWORD, "form_token": token[1]})
        client.get("/owner/login")
        client.headers["Authorization"] = f"Bearer {link.rpartition('/')[2]}"
        yield Door(site, client, link)
        site.desk.close()


@st.composite
def requests(draw: st.DrawFn) -> tuple[str, str, bytes, dict[str, str], bool]:
    """Method, path, body, headers, and whether a form carries the token of its session."""
    method, path = draw(st.sampled_from([one for one in sorted(TABLE) if one[1] != "/owner/logout"]))
    for name in re.findall(r"\{(\w+)\}", path):
        path = path.replace(f"{{{name}}}", quote_from_bytes(plain(draw(anything))) or "x")
    if draw(st.booleans()) and draw(st.booleans()):
        method = draw(st.sampled_from(["HEAD", "OPTIONS", "DELETE", "PATCH", "PUT", "POST", "GET", "TRACE"]))
    if draw(st.booleans()):
        path += (
            "?" + quote_from_bytes(plain(draw(anything))) + "&said=" + quote_from_bytes(plain(draw(anything)))
        )
    headers = draw(
        st.dictionaries(
            st.sampled_from(
                ["Idempotency-Key", "HX-Request", "X-Forwarded-For", "Accept", "If-None-Match", "Range"]
            ),
            st.sampled_from(["", "true", "x" * 60, "\xff", "\x7f", "bytes=0-1", "a, b", "9" * 4_400]),
            max_size=2,
        )
    )
    if path.startswith("/api/"):
        return method, path, draw(bodies), {"Content-Type": "application/json", **headers}, False
    form = draw(forms)
    body = b"&".join(quote(plain(k)).encode() + b"=" + quote(plain(v)).encode() for k, v in form.items())
    kind = draw(
        st.sampled_from(
            ["application/x-www-form-urlencoded"] * 8
            + [
                "application/x-www-form-urlencoded; charset=idna",
                "multipart/form-data",
                "text/plain",
                "",
                "\xff",
            ]
            + [
                f"multipart/form-data; boundary=x; charset={name}"
                for name in ("idna", "undefined", "unicode_escape")
            ]
        )
    )
    if kind.startswith("multipart"):
        body = b'--x\r\nContent-Disposition: form-data; name="reason"\r\n\r\n\\ud800\xff\r\n--x--\r\n'
    return method, path, body, {"Content-Type": kind, **headers}, draw(st.integers(0, 9)) > 0


@many
@given(drawn=requests())
def test_nothing_that_is_sent_breaks_the_app(
    door: Door, drawn: tuple[str, str, bytes, dict[str, str], bool]
) -> None:
    method, path, body, headers, signed = drawn
    if signed and not headers["Content-Type"].startswith("multipart"):
        kind: Role = "session"
        if path.startswith("/owner"):
            kind = "visitor" if path.startswith("/owner/login") else "owner"
        body = f"form_token={door.token(kind)}&".encode() + body
    encoded = {name.encode(): value.encode("latin-1") for name, value in headers.items()}
    answer = door.client.request(method, path, content=body, headers=encoded)
    assert answer.status_code < 500, (answer.status_code, answer.text[:300])
    assert "Traceback" not in answer.text
    answer.content.decode("utf-8")
    if path.startswith("/api/v1/") and answer.is_error and method != "HEAD":
        assert isinstance(answer.json()["detail"], str)


@settings(many, max_examples=50)
@given(body=bodies, number=st.sampled_from(EDGES))
def test_no_ranking_breaks_the_app(door: Door, body: bytes, number: int) -> None:
    held = door.client.post("/api/v1/lease").json()
    for path in (f"{held['id'] if held else 1}/ranking", f"{number}/ranking", f"{number}/skip"):
        method = "POST" if path.endswith("skip") else "PUT"
        answer = door.client.request(
            method, f"/api/v1/assignments/{path}", content=body, headers={"Content-Type": "application/json"}
        )
        assert answer.status_code < 500, (answer.status_code, answer.text[:300])


@pytest.mark.parametrize(
    "lines",
    [
        b"GET /\xff\xfe HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET /join/%ff%00%ed%a0%80 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET /rate HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: \xff=\xfe; =; ;;\r\n\r\n",
        b"GET /api/v1/me HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer \xff\xfe\r\n\r\n",
        b"POST /rate/submit HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
        b"POST /rate/submit HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -1\r\n\r\n",
        b"GET http://[::1/ HTTP/1.1\r\nHost: [::1\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET // HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET /?%ff=%fe&said=%ed%a0%80 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET /static/%2e%2e/%2e%2e/server.py HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET /static/%00 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET /static/" + b"x" * 5_000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    ],
)
def test_raw_bytes_are_answered_in_kind(tmp_path: Path, keys: Keys, lines: bytes) -> None:
    with serving(tmp_path, jokes(1), keys=keys) as live:
        where = urlsplit(live.url)
        with socket.create_connection((str(where.hostname), int(where.port or 0)), timeout=20) as connection:
            connection.sendall(lines.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
            said = b""
            while part := connection.recv(65_536):
                said += part
        assert re.match(rb"HTTP/1\.1 [234]\d\d ", said), said[:300]
