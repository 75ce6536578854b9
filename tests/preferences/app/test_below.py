"""The app behind a server that puts it below a path: every address, form and cookie works from there."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from practicum.preferences.app.client import AppRater
from practicum.preferences.app.security import Keys
from tests.preferences.app.live import PASSWORD, PROJECT, Live, free_port, jokes, serving

PATH = "/studio/jokes"
OF_ONE_HOP = ("connection", "content-length", "content-encoding", "transfer-encoding")


class Front(BaseHTTPRequestHandler):
    """A server in front: passes on what is below PATH, with or without it, and nothing else."""

    protocol_version = "HTTP/1.1"
    strips = True
    upstream: httpx.Client

    def do_GET(self) -> None:
        """Pass a request on."""
        if self.path != PATH and not self.path.startswith((f"{PATH}/", f"{PATH}?")):
            self.answer(404, [], b"not below the path")
            return
        path = self.path.removeprefix(PATH) or "/" if self.strips else self.path
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        # The host is the app's own, as most servers in front send it unless told otherwise.
        headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
        got = self.upstream.request(
            self.command,
            path if path.startswith("/") else f"/{path}",
            headers=headers,
            content=body,
        )
        kept = [(k, v) for k, v in got.headers.multi_items() if k not in OF_ONE_HOP]
        self.answer(got.status_code, kept, got.content)

    do_POST = do_PUT = do_GET

    def answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        """Send an answer back."""
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def below(folder: Path, keys: Keys, strips: bool) -> Iterator[Live]:
    """The app and the server in front; its address is the one that people use."""
    port = free_port()
    url = f"http://127.0.0.1:{port}{PATH}"
    with (
        serving(folder, jokes(3, 3), keys=keys, public_url=url) as live,
        httpx.Client(base_url=live.url) as upstream,
    ):
        handler = type("Handler", (Front,), {"strips": strips, "upstream": upstream})
        front = ThreadingHTTPServer(("127.0.0.1", port), handler)
        thread = threading.Thread(target=front.serve_forever)
        thread.start()
        try:
            yield Live(url, live.site, live.store)
        finally:
            front.shutdown()
            thread.join()
            front.server_close()


@pytest.mark.parametrize("strips", [True, False])
def test_every_address_on_every_page_stays_below_the_path(tmp_path: Path, keys: Keys, strips: bool) -> None:
    with below(tmp_path, keys, strips) as live, httpx.Client(follow_redirects=True) as browser:
        link = live.link("Ada")
        assert link.startswith(f"{live.url}/join/")
        came = browser.get(link)
        assert (came.status_code, urlsplit(str(came.url)).path) == (200, f"{PATH}/rate")
        assert {cookie.path for cookie in browser.cookies.jar} == {PATH}
        login = browser.get(f"{live.url}/owner").text
        token = re.search(r'name="form_token" value="(\w+)"', login)
        assert token is not None
        owner = browser.post(f"{live.url}/owner/login", data={"password": PASSWORD, "form_token": token[1]})
        assert urlsplit(str(owner.url)).path == f"{PATH}/owner"
        pages = [came.text, login, owner.text, browser.get(f"{live.url}/nothing").text]
        with httpx.Client(follow_redirects=True) as nobody:
            pages += [nobody.get(live.url).text, nobody.get(f"{live.url}/rate").text]
        for page in pages:
            found = re.findall(r'(?:href|src|action|formaction|hx-get|hx-post)="(/[^"]*)"', page)
            assert found
            assert [one for one in found if not one.startswith(f"{PATH}/") and one != PATH] == []
        for address in {one for page in pages for one in re.findall(r'="(/[^"]*/static/[^"]*)"', page)}:
            assert browser.get(f"{live.url}{address.removeprefix(PATH)}").status_code == 200
        assert len(browser.get(f"{live.url}/owner/export/rankings.jsonl").text) == 0
        missing = browser.get(f"{live.url}/api/v1/nothing")
        assert (missing.status_code, missing.json()) == (404, {"detail": "Not Found"})
        with AppRater(link) as ada:
            task = ada.lease()
            assert task is not None
            ada.submit(task, [1, 2, 3])
        assert len(live.store.rankings(PROJECT)) == 1


@pytest.mark.parametrize("strips", [True, False])
def test_ranking_in_a_browser_below_a_path(browser: Any, tmp_path: Path, keys: Keys, strips: bool) -> None:
    with below(tmp_path, keys, strips) as live:
        context = browser.new_context(viewport={"width": 1100, "height": 1400})
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.goto(live.link("Ada"))
        for key in "123":
            page.keyboard.press(key)
        page.keyboard.press("Enter")
        page.wait_for_selector(".said:text('Saved.')")
        page.wait_for_selector("[data-focus]:focus")
        page.get_by_role("button", name="Undo the last one").click()
        page.wait_for_selector(".said:text('Taken back')")
        page.wait_for_selector("[data-focus]:focus")
        page.get_by_text("Skip this prompt").click()
        page.get_by_label("Or in your own words").fill("too long")
        page.keyboard.press("Enter")
        page.wait_for_selector(".said:text('Skipped.')")
        assert live.store.rankings(PROJECT) == []
        assert [reason for _, _, reason in live.store.skips(PROJECT)] == ["too long"]
        page.get_by_text("Keys and help").click()
        page.get_by_role("button", name="Sign out on this device").click()
        page.wait_for_selector("text=open the personal link you were sent")
        assert urlsplit(page.url).path == f"{PATH}/"
        context.close()
