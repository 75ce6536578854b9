"""Over real HTTP: links, sessions, forged forms, limits, headers, forms without a script, export, the API."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from practicum.errors import InputError
from practicum.preferences.app import patience
from practicum.preferences.app.client import AppRater, work
from practicum.preferences.app.middleware import host_name
from practicum.preferences.app.security import Keys
from practicum.preferences.raters import GOLDS, PeopleConfig, population
from practicum.preferences.records import FLAG_KINDS, MOST_RESPONSES, NewPrompt
from practicum.preferences.store import Store
from practicum.tasks.jokes.task import JokesTask
from practicum.types import Ranking, Response
from tests.preferences.app.live import PASSWORD, PROJECT, Live, jokes, prompt, serving

EVIL = ["<script>alert(1)</script>", "</blockquote><img src=x onerror=alert(1)>", "\"'><b>&amp;"]


@pytest.fixture
def live(tmp_path: Path, keys: Keys) -> Iterator[Live]:
    with serving(tmp_path, [prompt(0, EVIL), *jokes(4)[1:]], keys=keys) as found:
        yield found


@pytest.fixture
def rater(live: Live) -> Iterator[httpx.Client]:
    """A browser without a script that has opened Ada's link."""
    with httpx.Client(base_url=live.url, follow_redirects=True) as client:
        assert client.get(live.link("Ada")).status_code == 200
        yield client


def fields(page: str) -> dict[str, str]:
    """The hidden fields of the ranking form."""
    form = page[page.index('<form id="ranking"') :]
    return dict(
        re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', form[: form.index("</form>")])
    )


@pytest.fixture
def owner(live: Live) -> Iterator[httpx.Client]:
    """The owner, logged in."""
    with httpx.Client(base_url=live.url, follow_redirects=True) as client:
        log_in(client)
        yield client


def log_in(client: httpx.Client) -> None:
    token = re.search(r'name="form_token" value="(\w+)"', client.get("/owner/login").text)
    assert token is not None
    page = client.post("/owner/login", data={"password": PASSWORD, "form_token": token[1]})
    assert page.status_code == 200
    assert "How the ranking goes" in page.text


# --------------------------------------------------------------------------------------- links and sessions


def test_expired_and_forged_links_say_so(live: Live) -> None:
    expired = httpx.get(live.link("Ada", days=-1))
    assert expired.status_code == 410
    assert "has expired" in expired.text
    forged = httpx.get(live.link("Ada") + "x")
    assert forged.status_code == 403
    assert "not valid" in forged.text
    assert "set-cookie" not in {*expired.headers, *forged.headers}


def test_pages_need_a_session_and_the_owners_a_password(live: Live, rater: httpx.Client) -> None:
    assert httpx.get(f"{live.url}/rate").status_code == 401
    assert httpx.post(f"{live.url}/rate/submit").status_code == 401
    for path in ("/owner/links", "/owner/raters", "/owner/logout"):
        assert rater.post(path).status_code == 401
    assert rater.get("/owner/export/rankings.jsonl").status_code == 401
    assert "Password" in rater.get("/owner").text


def test_cookies_are_kept_from_scripts_and_other_sites(live: Live, owner: httpx.Client) -> None:
    cookie = httpx.get(live.link("Ada")).headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert owner.cookies.get(live.site.tokens.cookie_name("owner"))
    login = httpx.get(f"{live.url}/owner/login").headers["set-cookie"].lower()
    assert "samesite=strict" in login


def guess(client: httpx.Client, password: str = "guess", **headers: str) -> httpx.Response:
    """Try a password from the login page."""
    token = re.search(r'name="form_token" value="(\w+)"', client.get("/owner/login", headers=headers).text)
    assert token is not None
    form = {"password": password, "form_token": token[1]}
    return client.post("/owner/login", data=form, headers=headers)


def test_wrong_passwords_are_refused_then_slowed(live: Live) -> None:
    with httpx.Client(base_url=live.url) as client:
        answers = [guess(client) for _ in range(12)]
    statuses = [answer.status_code for answer in answers]
    assert statuses[:6] == [403] * 6
    slowed = statuses.index(429)
    assert int(answers[slowed].headers["retry-after"]) >= 1


def test_one_visitors_wrong_passwords_do_not_keep_others_out(live: Live, owner: httpx.Client) -> None:
    with httpx.Client(base_url=live.url) as other:
        assert 429 in [guess(other).status_code for _ in range(12)]
        with httpx.Client(base_url=live.url, follow_redirects=True) as fresh:
            assert guess(fresh, PASSWORD).status_code == 200
        statuses = []
        for number in range(30):
            # A browser that throws its cookies away, and says each time that it is somewhere else.
            other.cookies.clear()
            statuses.append(guess(other, **{"X-Forwarded-For": f"10.0.0.{number}"}).status_code)
    assert 429 in statuses
    # The owner's own browser is known, and nobody's tries count against it.
    assert guess(owner, PASSWORD).status_code == 200


def test_a_known_browser_may_not_guess_for_ever_either(live: Live, owner: httpx.Client) -> None:
    assert 429 in [guess(owner).status_code for _ in range(12)]


def test_only_a_trusted_proxy_is_believed_about_addresses(tmp_path: Path, keys: Keys) -> None:
    with (
        serving(tmp_path, jokes(1), keys=keys, trusted_proxy=("127.0.0.1",)) as live,
        httpx.Client(base_url=live.url) as client,
    ):
        # The last address is what the trusted proxy saw; what stands before it anyone can write.
        statuses = []
        for number in range(30):
            client.cookies.clear()
            headers = {"X-Forwarded-For": f"10.0.0.{number}, 192.0.2.7"}
            statuses.append(guess(client, **headers).status_code)
        assert statuses[:6] == [403] * 6
        assert 429 in statuses
        client.cookies.clear()
        assert guess(client, **{"X-Forwarded-For": "192.0.2.7, 192.0.2.8"}).status_code == 403


def test_logging_out_ends_the_session_wherever_its_cookie_is(live: Live, owner: httpx.Client) -> None:
    stolen = dict(owner.cookies)
    token = re.search(r'name="form_token" value="(\w+)"', owner.get("/owner").text)
    assert token is not None
    with httpx.Client(base_url=live.url, cookies=stolen) as thief:
        assert thief.get("/owner/export/rankings.jsonl").status_code == 200
        owner.post("/owner/logout", data={"form_token": token[1]})
        assert thief.get("/owner/export/rankings.jsonl").status_code == 401
        assert thief.post("/owner/links", data={"form_token": token[1], "names": "Eve", "days": "1"}).is_error
    log_in(owner)


def test_signing_out_ends_a_raters_session_and_not_the_link(live: Live, rater: httpx.Client) -> None:
    stolen = dict(rater.cookies)
    rater.post("/rate/leave", data={"form_token": fields(rater.get("/rate").text)["form_token"]})
    with httpx.Client(base_url=live.url, cookies=stolen) as thief:
        assert thief.get("/rate").status_code == 401
    assert rater.get(live.link("Ada")).status_code == 200


def test_a_new_link_cancels_the_one_before(live: Live, rater: httpx.Client, owner: httpx.Client) -> None:
    old = live.link("Ada")
    with AppRater(old) as app:
        assert app.me()["rater"] == "Ada"
        page = owner.get("/owner").text
        token = re.search(r'name="form_token" value="(\w+)"', page)
        assert token is not None
        made = owner.post("/owner/links", data={"form_token": token[1], "names": "Ada", "days": "3"})
        (new,) = re.findall(r'readonly value="([^"]+)"', made.text)
        with pytest.raises(InputError, match="401: This link has expired, or a newer one"):
            app.me()
    assert rater.get("/rate").status_code == 401
    answer = httpx.get(old)
    assert answer.status_code == 410
    assert "a newer one has taken its place" in answer.text
    assert rater.get(new).status_code == 200
    with AppRater(new) as app:
        assert app.me()["rater"] == "Ada"


def shown(owner: httpx.Client, form: dict[str, str]) -> list[str]:
    """The links that the owner's page shows after a form for them."""
    return re.findall(r'readonly value="([^"]+)"', owner.post("/owner/links", data=form).text)


def test_a_form_for_links_sent_twice_cancels_nothing(live: Live, owner: httpx.Client) -> None:
    form = owner.get("/owner").text.partition("/owner/links")[2]
    sent = dict(re.findall(r'name="(form_token|once)" value="([^"]+)"', form)) | {
        "names": "Ada\nBen",
        "days": "3",
    }
    assert len(sent) == 4
    links = shown(owner, sent)
    assert links == shown(owner, sent) == [live.link("Ada"), live.link("Ben")]
    added = shown(owner, sent | {"names": "Ben\nCy"})
    assert added == [links[1], live.link("Cy")]
    longer = shown(owner, sent | {"days": "9"})
    assert not set(links) & set(longer), "other days were asked for"
    assert not set(longer) & set(shown(owner, sent | {"once": "another form"}))


def test_a_link_opened_again_leaves_open_pages_good(live: Live, rater: httpx.Client) -> None:
    sent = fields(rater.get("/rate").text) | {f"place-{place}": "1" for place in range(3)}
    assert rater.get(live.link("Ada")).status_code == 200
    assert rater.post("/rate/submit", data=sent).status_code == 200
    assert len(live.store.rankings(PROJECT)) == 1


def test_a_refused_list_of_raters_is_refused_whole(live: Live, owner: httpx.Client) -> None:
    token = re.search(r'name="form_token" value="(\w+)"', owner.get("/owner").text)
    assert token is not None
    for bad in ("x" * 101, "half\x00"):
        data = {"form_token": token[1], "names": f"Cy\n{bad}\nDee", "days": "3"}
        assert owner.post("/owner/links", data=data).status_code == 422
    assert live.store.raters(PROJECT) == []


def test_the_most_responses_with_all_marks_can_be_saved(tmp_path: Path, keys: Keys) -> None:
    items = [prompt(0, [f"answer {number}" for number in range(MOST_RESPONSES)])]
    places = list(range(1, MOST_RESPONSES + 1))
    with (
        serving(tmp_path, items, keys=keys) as live,
        httpx.Client(base_url=live.url, follow_redirects=True) as client,
    ):
        form = fields(client.get(live.link("Ada")).text)
        form |= {f"place-{number}": str(place) for number, place in enumerate(places)}
        form |= {f"{kind}-{number}": "on" for number in range(MOST_RESPONSES) for kind in FLAG_KINDS}
        assert client.post("/rate/submit", data=form).status_code == 200
        with AppRater(live.link("Ben")) as ben:
            task = ben.lease()
            assert task is not None
            ben.submit(
                task, places, [(number, kind) for number in range(MOST_RESPONSES) for kind in FLAG_KINDS]
            )
        assert [len(ranking.flags) for ranking in live.store.rankings(PROJECT)] == [MOST_RESPONSES] * 2
        with pytest.raises(InputError, match="at most 500 can be ranked at once"):
            live.store.add_prompts(PROJECT, [prompt(1, [f"answer {number}" for number in range(501)])])


def test_a_form_from_elsewhere_is_refused(live: Live, rater: httpx.Client) -> None:
    good = fields(rater.get("/rate").text) | {f"place-{place}": "1" for place in range(3)}
    without = {name: value for name, value in good.items() if name != "form_token"}
    assert rater.post("/rate/submit", data=without).status_code == 403
    assert rater.post("/rate/submit", data=good | {"form_token": "0" * 64}).status_code == 403
    cross = {"Sec-Fetch-Site": "cross-site"}
    assert rater.post("/rate/submit", data=good, headers=cross).status_code == 403
    for path in ("/rate/undo", "/rate/skip", "/rate/leave"):
        assert rater.post(path, data=without).status_code == 403
    assert live.store.rankings(PROJECT) == []
    assert rater.post("/rate/submit", data=good).status_code == 200
    assert len(live.store.rankings(PROJECT)) == 1


# ------------------------------------------------------------------------------------- headers, sizes, hosts


@pytest.mark.parametrize("path", ["/", "/rate", "/owner/login", "/nothing", "/api/v1/me", "/static/app.js"])
def test_every_answer_carries_the_headers(live: Live, path: str) -> None:
    headers = httpx.get(f"{live.url}{path}").headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert ("immutable" in headers["cache-control"]) == path.startswith("/static")


def test_pages_hold_nothing_the_policy_would_block(rater: httpx.Client) -> None:
    for path in ("/", "/rate", "/owner/login"):
        page = rater.get(path).text
        assert not re.search(
            r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", page.replace("onerror=alert", "")
        )
        assert not re.search(r"(src|href)=\"(https?:)?//", page)


def test_large_bodies_and_other_hosts_are_refused(live: Live, rater: httpx.Client) -> None:
    assert rater.post("/rate/submit", data={"a": "x" * 70_000}).status_code == 413

    def chunks() -> Iterator[bytes]:
        for _ in range(80):
            yield b"x" * 1024

    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    assert rater.post("/rate/submit", content=chunks(), headers=headers).status_code == 413
    token = live.link("Ada").rpartition("/")[2]
    api = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    large = httpx.put(f"{live.url}/api/v1/assignments/1/ranking", content=chunks(), headers=api)
    assert large.status_code == 413
    for host in ("evil.example", "127.0.0.1.evil.example", "[::1", "*", ""):
        answer = httpx.get(live.url, headers={"Host": host})
        assert answer.status_code == 400
    assert httpx.get(live.url, headers={"Host": "[::1]:80"}).status_code == 200


def test_a_very_long_host_takes_no_time() -> None:
    assert host_name("B\u00fccher.example:80") == "xn--bcher-kva.example"
    started = time.process_time()
    for host in ("\u00e9" * 60_000, "\u00e9." * 30_000, f"{'a' * 300}.example"):
        assert host_name(host) is None
    assert time.process_time() - started < 0.5


def test_a_request_that_never_comes_whole_ends(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "PATIENCE_SECONDS", 0.2)
    place = ("127.0.0.1", int(live.url.rpartition(":")[2]))
    head = b"POST /owner/login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n"
    for begun in (b"", b"GET / HT", head, head + b"Content-Type: text/plain\r\n\r\nbegun"):
        with socket.create_connection(place, timeout=10) as half:
            half.sendall(begun)
            while half.recv(4096):
                pass
    with httpx.Client(base_url=live.url) as patient:
        for _ in range(4):
            assert patient.get("/owner/login").status_code == 200
            time.sleep(0.15)


def test_a_head_is_a_get_without_its_body(live: Live, rater: httpx.Client) -> None:
    for path, status in (
        ("/", 303),
        ("/rate", 200),
        ("/owner/login", 200),
        ("/nothing", 404),
        ("/api/v1/me", 401),
    ):
        answer = rater.head(path, follow_redirects=False)
        assert (answer.status_code, answer.content) == (status, b""), path
    assert rater.get("/rate").status_code == 200


def test_a_page_says_who_is_at_it(live: Live, rater: httpx.Client) -> None:
    assert "Ada</bdi>" in rater.get("/rate").text
    assert "<b>Eve</bdi>" not in (page := rater.get(live.link("<b>Eve")).text)
    assert "&lt;b&gt;Eve</bdi>" in page


def test_what_a_model_wrote_is_escaped(rater: httpx.Client) -> None:
    page = rater.get("/rate").text
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page
    assert "<img" not in page


# ------------------------------------------------------------------------------------ forms without a script


def test_a_browser_without_scripts_ranks_skips_and_undoes(live: Live, rater: httpx.Client) -> None:
    first = rater.get("/rate").text
    half = fields(first) | {"place-0": "2", "place-1": "", "place-2": "1", "nonsense-1": "on"}
    again = rater.post("/rate/submit", data=half)
    assert again.status_code == 422
    assert "Give every response a place" in again.text
    assert again.text.count(" selected") == 2
    assert again.text.count(" checked") == 2  # the mark, and the switch of the number keys
    saved = rater.post("/rate/submit", data=fields(again.text) | half | {"place-1": "2"})
    assert saved.status_code == 200
    assert "Saved." in saved.text
    (ranking,) = live.store.rankings(PROJECT)
    assert ranking.ranks == (2, 2, 1)
    assert ranking.flags == ((), ("nonsense",), ())
    assert ranking.seconds is not None
    assert 0 <= ranking.seconds < 30
    assert rater.post("/rate/skip", data=fields(saved.text)).status_code == 422
    reason = fields(saved.text) | {"reason": "I cannot judge this"}
    assert "Skipped." in rater.post("/rate/skip", data=reason).text
    token = {"form_token": fields(saved.text)["form_token"]}
    for once in ("a", "b", "b"):
        undone = rater.post("/rate/undo", data=token | {"once": once}).text
    assert "Taken back." in undone
    assert undone.count(" selected") == 3
    assert live.store.rankings(PROJECT) == []
    assert "nothing to undo" in rater.post("/rate/undo", data=token).text


def test_a_form_sent_twice_or_late_counts_once(live: Live, rater: httpx.Client) -> None:
    sent = fields(rater.get("/rate").text) | {f"place-{place}": str(place + 1) for place in range(3)}
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: rater.post("/rate/submit", data=sent), range(4)))
    assert [answer.status_code for answer in answers] == [200] * 4
    assert len(live.store.rankings(PROJECT)) == 1
    other = rater.post("/rate/submit", data=sent | {"place-0": "3"})
    assert other.status_code == 409
    assert "undo it to change it" in other.text


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"assignment": "999"}, 422),
        ({"assignment": "x"}, 422),
        ({"assignment": "nan"}, 422),
        ({"turn": "5"}, 409),
        ({"place-0": "0"}, 422),
        ({"place-0": "1e400"}, 422),
        ({"shown_at": ""}, 422),
        ({"unsafe-99": "on"}, 422),
    ],
)
def test_fields_that_cannot_be_are_told(
    live: Live, rater: httpx.Client, changes: dict[str, str], status: int
) -> None:
    good = fields(rater.get("/rate").text) | {f"place-{place}": "1" for place in range(3)}
    assert rater.post("/rate/submit", data=good | changes).status_code == status
    assert live.store.rankings(PROJECT) == []


def test_a_closed_rater_is_told(live: Live, rater: httpx.Client) -> None:
    live.store.set_active(PROJECT, "Ada", active=False)
    closed = rater.get("/rate")
    assert closed.status_code == 403
    assert "no more prompts" in closed.text


# ---------------------------------------------------------------------------------------------- the owner


def test_the_owner_makes_links_closes_raters_and_exports(live: Live, owner: httpx.Client) -> None:
    page = owner.get("/owner").text
    token = re.search(r'name="form_token" value="(\w+)"', page)
    assert token is not None
    made = owner.post("/owner/links", data={"form_token": token[1], "names": "Cy\nDee\n", "days": "3"})
    links = re.findall(r'readonly value="([^"]+)"', made.text)
    assert len(links) == 2
    with AppRater(links[0]) as cy:
        task = cy.lease()
        assert task is not None
        cy.submit(task, [1, 2, 2], [(2, "unsafe")], 12.5)
    closing = {"form_token": token[1], "rater": "Dee", "active": "no"}
    assert "Reopen" in owner.post("/owner/raters", data=closing).text
    with AppRater(links[1]) as dee, pytest.raises(InputError, match="403: You get no more prompts"):
        dee.lease()
    lines = owner.get("/owner/export/rankings.jsonl").text.splitlines()
    (ranking,) = [Ranking.from_json(json.loads(line), "export") for line in lines]
    assert ranking.rater == "Cy"
    pairs = [json.loads(line) for line in owner.get("/owner/export/pairs.jsonl").text.splitlines()]
    assert len(pairs) == 2
    assert {"prompt", "chosen", "rejected"} <= pairs[0].keys()
    for bad in ({"names": " "}, {"names": "x" * 101}, {"days": "0"}, {"days": "9999"}, {"days": "x"}):
        data = {"form_token": token[1], "names": "Eve", "days": "3"} | bad
        assert owner.post("/owner/links", data=data).status_code == 422
    assert {rater.name for rater in live.store.raters(PROJECT)} == {"Cy", "Dee"}
    owner.post("/owner/logout", data={"form_token": token[1]})
    assert owner.get("/owner/export/rankings.jsonl").status_code == 401


# ------------------------------------------------------------------------------------------------- the API


def test_the_api_tells_nothing_of_where_responses_come_from(live: Live) -> None:
    with AppRater(live.link("Ada")) as ada:
        task = ada.lease()
        assert task is not None
        assert sorted(task.responses) == sorted(EVIL)
        assert ada.lease() == task
        number = ada.submit(task, [1, 1, 2], seconds=3.0)
        assert ada.submit(task, [1, 1, 2]) == number
        with pytest.raises(InputError, match="409"):
            ada.submit(task, [2, 1, 1])
        assert ada.me()["progress"] == {"done": 1, "available": 3, "dollars_earned": pytest.approx(0.3)}
        undone = ada.undo()
        assert undone is not None
        assert (undone.id, undone.turn > 0) == (task.id, True)
        ada.skip(undone, "cannot judge")
        following = ada.lease()
        assert following is not None
        assert following.id != task.id


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"turn": 0, "places": [1]},
        {"turn": 0, "places": [1, 2, "x"]},
        {"turn": -1, "places": [1, 2, 3]},
        {"turn": 0, "places": [1, 2, 3], "seconds": -1},
        {"turn": 0, "places": [1, 2, 3], "flags": [{"position": 0, "kind": "rude"}]},
        {"turn": 0, "places": [1, 2, 3], "flags": [{"position": 3, "kind": "unsafe"}]},
        {"turn": 0, "places": [1, 2, 3], "rater": "Ben"},
        {"turn": 0, "places": [1, 2, 3, 4]},
        {"turn": 0, "places": [1, 2, 10**30]},
    ],
)
def test_bad_bodies_are_refused(live: Live, body: dict[str, object]) -> None:
    token = live.link("Ada").rpartition("/")[2]
    headers = {"Authorization": f"Bearer {token}"}
    task = httpx.post(f"{live.url}/api/v1/lease", headers=headers).json()
    answer = httpx.put(f"{live.url}/api/v1/assignments/{task['id']}/ranking", json=body, headers=headers)
    assert answer.status_code == 422
    assert isinstance(answer.json()["detail"], str)
    assert live.store.rankings(PROJECT) == []


def test_the_api_needs_the_links_token(live: Live) -> None:
    assert httpx.get(f"{live.url}/api/v1/me").status_code in (401, 403)
    for token in ("x", live.link("Ada", days=-1).rpartition("/")[2]):
        answer = httpx.get(f"{live.url}/api/v1/me", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 401
    with pytest.raises(InputError, match="expected http"):
        AppRater("not a link")


def test_too_many_requests_are_slowed_and_the_client_waits(tmp_path: Path, keys: Keys) -> None:
    with serving(tmp_path, jokes(2), keys=keys, requests_per_minute=30) as live:
        token = live.link("Ada").rpartition("/")[2]
        headers = {"Authorization": f"Bearer {token}"}
        with httpx.Client(base_url=f"{live.url}/api/v1", headers=headers) as client:
            codes = [client.get("/me").status_code for _ in range(40)]
        assert codes[:30] == [200] * 30
        assert 429 in codes[30:]
        with AppRater(live.link("Ada")) as ada:
            assert ada.me()["rater"] == "Ada"


def test_simulated_raters_work_over_http_as_people_do(tmp_path: Path, keys: Keys) -> None:
    task = JokesTask()
    prompts = task.prompts("train", 6, 0)
    written = [
        (*(Response(text.completion) for text in task.demonstrations(3, seed)), Response("kill kill"))
        for seed in range(len(prompts))
    ]
    items = [NewPrompt(one, responses) for one, responses in zip(prompts, written, strict=True)]
    people = population(PeopleConfig(raters=4), GOLDS["jokes"], 0)
    with serving(tmp_path, items, overlap=2, keys=keys) as live:

        def serve(index: int) -> int:
            with AppRater(live.link(people[index].name)) as app:
                return work(app, people[index], GOLDS["jokes"], task.read)

        with ThreadPoolExecutor(4) as pool:
            made = sum(pool.map(serve, range(4)))
        progress = live.store.progress(PROJECT)
        rankings = live.store.rankings(PROJECT)
    assert made == progress.done == progress.wanted == 12
    assert len({(ranking.rater, ranking.prompt_id) for ranking in rankings}) == 12
    assert all(ranking.seconds is not None for ranking in rankings)
    assert any("unsafe" in kinds for ranking in rankings for kinds in ranking.flags)
    with Store.open(tmp_path / "rankings.db", create=False) as store:
        assert len(store.payments(PROJECT)) == 12
