"""What the dashboard answers: never an error of its own, nothing unescaped, no orders from elsewhere."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlencode

import pytest
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st

from practicum import cli
from practicum.preferences.store import Store
from practicum.report.dashboard.discover import Library
from practicum.report.dashboard.series import MOST_METRICS
from practicum.report.dashboard.server import create_app
from practicum.report.dashboard.site import Site
from tests.preferences.app.live import jokes
from tests.report.dashboard.made import EVIL, write_run, write_runs

LOCAL = "http://127.0.0.1"


def client_of(root: Path, writes: bool = True) -> TestClient:
    return TestClient(create_app(Site(Library(root), writes=writes)), LOCAL)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_runs(tmp_path_factory.mktemp("served"))


@pytest.fixture
def client(root: Path) -> Iterator[TestClient]:
    with client_of(root) as client:
        yield client


def paths(root: Path, colours: tuple[str, ...] = ("logprob", "advantage", "kl", "nothing")) -> list[str]:
    """Every page about every run."""
    names = [state.name for state in Library(root).look().states]
    found = ["/", "/table", "/findings", "/rankings", "/compare", "/api/runs"]
    found.append("/?q=seed&status=broken&sort=name&page=9")
    for name in names:
        found += [f"{path}?{urlencode({'run': name})}" for path in ("/run", "/samples", "/delete")]
        for colour in colours:
            query = {"run": name, "colour": colour, "order": "oldest", "text": "a", "step_to": "x"}
            found.append(f"/samples?{urlencode(query)}")
        several = {"run": name, "metric": ["reward", "absent", EVIL], "together": "yes"}
        found.append(f"/api/series?{urlencode(several, doseq=True)}")
        found.append(f"/diff?{urlencode({'run': name, 'at': 0, 'with_run': names[0], 'with_at': 0})}")
    found.append(f"/compare?{urlencode({'run': names}, doseq=True)}")
    together = {"run": names, "together": "yes", "metric": "reward"}
    return [*found, f"/compare?{urlencode(together, doseq=True)}"]


class Tags(HTMLParser):
    """Tags of a page and their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_nothing_of_models_or_files_becomes_markup(client: TestClient, root: Path) -> None:
    seen = ""
    for path in paths(root):
        answer = client.get(path)
        assert answer.status_code in (200, 404), (path, answer.status_code)
        if not answer.headers["content-type"].startswith("text/html"):
            continue
        seen += answer.text
        for tag, attributes in Tags(answer.text).tags:
            assert tag != "img"
            assert tag != "script" or (attributes["src"] or "").startswith("/static/")
            assert not any(name.startswith("on") or name == "style" for name in attributes), (path, tag)
            for name in ("href", "src", "action"):
                assert (attributes.get(name) or "/").startswith(("/", "#")), (path, tag, attributes)
    assert "&lt;img src=x" in seen, "the evil texts are shown, as texts"


def test_headers_let_nothing_else_in(client: TestClient) -> None:
    for path in ("/", "/run?run=absent", "/static/dashboard.js", "/api/runs"):
        headers = client.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
    assert client.get("/", headers={"host": "evil.example"}).status_code == 400
    assert client.get("/static/shared/htmx.min.js").status_code == 200


def token_of(client: TestClient, name: str) -> str:
    found = re.search(r'name="form_token" value="([^"]+)"', client.get("/run", params={"run": name}).text)
    assert found is not None
    return found[1]


def test_tags_and_deletions_come_from_own_pages_only(tmp_path: Path) -> None:
    write_run(tmp_path / "a" / "b", steps=2)
    with client_of(tmp_path) as client:
        token = token_of(client, "a/b")
        tagged = {"run": "a/b", "tags": "keep", "form_token": token}
        removed = {"run": "a/b", "sure": "b", "form_token": token}
        for path, form in (("/tags", tagged), ("/delete", removed)):
            assert client.post(path, data={**form, "form_token": "forged"}).status_code == 403
            assert client.post(path, data=form | {"form_token": ""}).status_code == 403
            assert client.post(path, data=form, headers={"sec-fetch-site": "cross-site"}).status_code == 403
            assert client.post(path, json=form).status_code == 415
            assert client.post(path, data=form, headers={"host": "evil.example"}).status_code == 400
            assert client.get(path, params=form).status_code in (200, 405)
        assert sorted(path.name for path in (tmp_path / "a" / "b").iterdir())[-1] == "summary.json"
        assert client.post("/delete", data={**removed, "sure": "a"}).status_code == 422
        assert client.post("/delete", data={**removed, "run": "../a"}).status_code == 422
        assert client.post("/tags", data={**tagged, "tags": "<b>"}).status_code == 422
        assert client.post("/tags", data=tagged, follow_redirects=False).status_code == 303
        assert "keep" in client.get("/").text
        assert client.post("/delete", data=removed, follow_redirects=False).status_code == 303
        assert not (tmp_path / "a" / "b").exists()


def test_a_dashboard_that_others_reach_only_reads(tmp_path: Path) -> None:
    write_run(tmp_path / "a", steps=2)
    with client_of(tmp_path, writes=False) as client:
        page = client.get("/run?run=a").text
        assert 'action="/tags"' not in page
        assert "/delete" not in page
        site: Site = client.app.state.site
        form = {"run": "a", "sure": "a", "form_token": site.secret}
        assert client.post("/delete", data=form).status_code == 403
    assert (tmp_path / "a").is_dir()


def test_a_table_that_did_not_change_is_not_sent_again(tmp_path: Path) -> None:
    run = write_run(tmp_path / "a", steps=5)
    with client_of(tmp_path) as client:
        seen = re.search(r'data-seen="(\w+)"', client.get("/").text)
        assert seen is not None
        assert client.get("/table", params={"seen": seen[1]}).status_code == 204
        asked = {"run": "a", "metric": "reward"}
        found = client.get("/api/series", params=asked).json()
        assert (found["done"], found["read"], len(found["lines"][0]["steps"])) == (True, 1.0, 5)
        asked["seen"] = found["seen"]
        assert client.get("/api/series", params=asked).status_code == 204
        with open(run / "metrics.jsonl", "a") as stream:
            stream.write(json.dumps({"step": 6, "reward": 3.5}) + "\n")
        assert client.get("/table", params={"seen": seen[1]}).status_code == 200
        assert client.get("/api/series", params=asked).json()["lines"][0]["mean"][-1] == 3.5


def test_rare_metrics_and_the_last_of_very_many_are_drawn(tmp_path: Path) -> None:
    run = write_run(tmp_path / "a", steps=1)
    parts = {f"reward/part{number}": 1.0 for number in range(MOST_METRICS)}
    rows = [{"step": step, "reward": 1.0} for step in range(500)]
    rows[77] |= {"held_out_accuracy": 0.75}
    (run / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with client_of(tmp_path) as client:
        for path in ("/run", "/compare"):
            assert "held_out_accuracy" in client.get(path, params={"run": "a"}).text
        seen = re.search(r'data-seen="(\w+)"', client.get("/standing", params={"run": "a"}).text)
        assert seen is not None
        assert client.get("/standing", params={"run": "a", "seen": seen[1]}).status_code == 204
        (run / "metrics.jsonl").write_text(json.dumps({"step": 1, **parts, "last": 2.5}) + "\n")
        assert client.get("/standing", params={"run": "a", "seen": seen[1]}).status_code == 200
        found = client.get("/api/series", params={"run": "a", "metric": ["reward/part0", "last"]}).json()
    assert [line["mean"] for line in found["lines"]] == [[1], [2.5]]


def test_what_cannot_be_drawn_together_is_told(client: TestClient) -> None:
    for names, told in ((["alarmed", "practice/seed-1"], False), (["alarmed", "empty"], True)):
        page = client.get("/compare", params={"run": names, "together": "yes"}).text
        assert ("No two of these runs differ in the seed alone" in page) is told


def test_a_run_that_is_gone_leaves_the_others_to_compare(client: TestClient) -> None:
    page = client.get("/compare", params={"run": ["alarmed", "<gone>", "cut"]})
    assert (page.status_code, "Compare 2 runs" in page.text) == (200, True)
    assert "Not there any more: &lt;gone&gt;" in page.text


def test_seeds_are_drawn_together(client: TestClient) -> None:
    query = {"run": [f"practice/seed-{seed}" for seed in range(3)], "metric": "reward", "together": "yes"}
    found = client.get("/api/series", params=query).json()["lines"]
    assert [(line["label"], line["seeds"]) for line in found] == [("practice (3 seeds)", 3)]
    columns = (found[0][name] for name in ("low", "mean", "high"))
    assert all(low <= mean <= high for low, mean, high in zip(*columns, strict=True))


def test_rankings_and_their_cost_are_shown(tmp_path: Path) -> None:
    (tmp_path / "other.db").write_bytes(b"no database")
    database = tmp_path / "first" / "loop" / "rankings.sqlite"
    database.parent.mkdir(parents=True)
    with Store.open(database, seed=0) as store:
        store.create_project("pelicans", overlap=2, price="0.10")
        store.add_prompts("pelicans", jokes(3, 4))
    before = database.read_bytes()
    with client_of(tmp_path) as client:
        page = re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", client.get("/rankings").text))
    assert "pelicans" in page
    assert "0 of 6" in page
    assert "$2.40" in page
    assert "first/loop/rankings.sqlite" in page, "each run may have one of this name"
    assert database.read_bytes() == before


# ------------------------------------------------------------------------------------------- damaged folders

NAMES = (
    "config.toml",
    "environment.json",
    "summary.json",
    "metrics.jsonl",
    "samples.jsonl",
    "held.json",
    "tags.json",
    ".lock",
)
HUGE = b"1" + b"0" * 400
DAMAGE = (
    b"[]", b"null", b'{"step": {}}\n', b"{}\n{}\n", b'{"step": 1e999, "reward": NaN}\n', b"\xff\xfe\x00",
    b"[" * 3000, b'{"step": ' + HUGE + b', "reward": ' + HUGE + b"}\n", b"a = [1,\n",
    b'seed = "x"\nloop = 3\ntask = []\n', b"seed = " + HUGE, b'{"tags": 3}', b"process 1 on",
    b'{"guard": 3, "known": {"told": [], "sentences": 4, "samples": [1]}, "warnings": 7, "stage": []}',
    b'{"guard": {"action": "stop", "samples": {"a": 1}, "step": "x"}}',
    b'{"known": {"sentences": [[]], "told": {"a": []}}, "subject": "x", "guard": {"verdict": "bad"}}',
    b'{"prompt": "\\ud800", "completion": {"a": []}, "tokens": {"text": [1], "kl": [{}]}}\n',
)  # fmt: skip
BROKEN = st.one_of(st.just(b""), st.binary(max_size=60), st.sampled_from(DAMAGE))
CHANGE = st.one_of(
    st.tuples(st.just("cut"), st.floats(0, 1)),
    st.just(("gone", None)),
    st.just(("folder", None)),
    st.tuples(st.just("write"), BROKEN),
)


@settings(max_examples=25, deadline=None)
@given(changes=st.dictionaries(st.sampled_from(NAMES), CHANGE, min_size=1, max_size=4))
def test_a_damaged_run_is_told_in_a_line_and_never_breaks_a_page(
    tmp_path_factory: pytest.TempPathFactory, changes: dict[str, tuple[str, object]]
) -> None:
    root = tmp_path_factory.getbasetemp() / "damaged"
    shutil.rmtree(root, ignore_errors=True)
    run = write_run(root / "run", steps=6)
    for name, (what, value) in changes.items():
        path = run / name
        data = path.read_bytes() if path.exists() else b""
        path.unlink(missing_ok=True)
        if what == "folder":
            path.mkdir()
        elif what == "cut":
            assert isinstance(value, float)
            path.write_bytes(data[: int(value * len(data))])
        elif what == "write":
            assert isinstance(value, bytes)
            path.write_bytes(value)
    with client_of(root) as client:
        for page in paths(root, ("kl",)):
            assert client.get(page).status_code in (200, 404, 422), page
    (state,) = Library(root).look().states
    assert all("\n" not in problem and len(problem) < 200 for problem in state.problems)
    if changes.get("config.toml", ("",))[0] == "gone" and state.status != "running":
        assert state.status == "broken"


# ------------------------------------------------------------------------------------------------ the command


def test_runs_are_listed_in_the_terminal(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["dashboard", str(root), "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 8
    assert any(line.startswith("cut ") and line.endswith("its last line is cut") for line in lines)
    assert cli.main(["dashboard", "--runs", str(root), "--list", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["runs"]
    assert {row["name"] for row in found} >= {"alarmed", "empty", "practice/seed-0"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["absent"], "no such folder"),
        (["--host", "::1"], "IPv4"),
        (["--host", "0.0.0.0"], "--names"),
        (["--port", "70000"], "port"),
        (["--list", "--port", "3"], "nothing is served"),
        (["--database", "absent.sqlite"], "no such file"),
        (["--database", __file__], "holds no rankings"),
    ],
)
def test_bad_settings_end_in_one_line(
    root: Path, arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given_path = [] if arguments == ["absent"] else [str(root)]
    assert cli.main(["dashboard", *given_path, *arguments]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert len([line for line in said.splitlines() if "error" in line]) == 1
