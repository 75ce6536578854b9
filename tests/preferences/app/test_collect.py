"""The command's settings and prompt files: clear complaints, restarts that keep what there is."""

from __future__ import annotations

import csv
import gzip
import json
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from starlette.testclient import TestClient

from practicum.errors import InputError
from practicum.preferences.app.collect import PASSWORD_VARIABLE, CollectConfig, app_of, collect, make_site
from practicum.preferences.app.prompts import read_prompts
from practicum.preferences.app.security import TokenError
from practicum.preferences.store import Store
from tests.preferences.app.live import PASSWORD


def write(path: Path, *records: object) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CollectConfig:
    monkeypatch.setenv(PASSWORD_VARIABLE, PASSWORD)
    prompts = write(
        tmp_path / "prompts.jsonl", {"prompt": "Joke?", "responses": ["a", {"text": "b", "id": "B"}]}
    )
    return CollectConfig(database=str(tmp_path / "r.db"), project="jokes", prompts=prompts)


def test_a_restart_keeps_project_links_and_prompts(
    config: CollectConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    with Store.open(config.database) as store:
        token = make_site(config, store).link("Ada", 1).rpartition("/")[2]
    with Store.open(config.database) as store:
        again = make_site(replace(config, overlap=3), store)
        assert again.tokens.read("rater", token).name == "Ada"
        assert len(store.prompts("jokes")) == 1
        assert store.project("jokes").overlap == again.desk.project.overlap == 3
        assert "overlap of project 'jokes': 3, was 2" in capsys.readouterr().err
        with pytest.raises(InputError, match=r"pays \$0.1 per rating, not \$0.2"):
            make_site(replace(config, price=0.2), store)
        other = make_site(replace(config, project="others"), store)
        with pytest.raises(TokenError):
            other.tokens.read("rater", token)


def test_a_restart_prints_the_links_that_were_sent(config: CollectConfig) -> None:
    with Store.open(config.database) as store:
        site = make_site(config, store)
        link = site.link("Ada", 1)
    with Store.open(config.database) as store:
        site = make_site(config, store)
        assert site.standing_link("Ada") == link
        assert site.standing_link("Ben") is None
        assert site.link("Ada", 1) != link
        site.link("Ada", -1)
        assert site.standing_link("Ada") is None


def test_rules_given_again_apply_and_are_told(
    config: CollectConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    with Store.open(config.database) as store:
        make_site(replace(config, instructions="be kind", lease_minutes=5), store)
        capsys.readouterr()
        kept = make_site(config, store).desk.project
        assert (kept.instructions, kept.lease_seconds) == ("be kind", 300)
        assert "instructions" not in capsys.readouterr().err
        changed = make_site(replace(config, instructions="be strict", lease_minutes=7.5), store).desk.project
        assert (changed.instructions, changed.lease_seconds) == ("be strict", 450)
        assert store.project("jokes") == changed
        said = capsys.readouterr().err
        assert "instructions of project 'jokes': 'be strict', was 'be kind'" in said
        assert "lease_seconds of project 'jokes': 450.0, was 300.0" in said


def test_a_mistyped_project_is_not_made(config: CollectConfig, capsys: pytest.CaptureFixture[str]) -> None:
    with Store.open(config.database) as store:
        with pytest.raises(
            InputError, match=r"'jokes' does not exist; the database has none yet\. Give --prompts"
        ):
            make_site(replace(config, prompts=None), store)
        make_site(config, store)
        make_site(replace(config, project="puns"), store)
        assert "project 'puns' is new; the database has 'jokes'" in capsys.readouterr().err
        with pytest.raises(InputError, match=r"'joke' does not exist; the database has 'jokes', 'puns'"):
            make_site(replace(config, project="joke", prompts=None), store)
        assert [project.name for project in store.projects()] == ["jokes", "puns"]
        store.create_project("empty")
        with pytest.raises(InputError, match="'empty' has no prompts to rank"):
            make_site(replace(config, project="empty", prompts=None), store)


def test_prompts_that_cannot_be_added_make_no_project_and_change_no_rules(
    config: CollectConfig, tmp_path: Path
) -> None:
    bad = write(
        tmp_path / "bad.jsonl",
        {"prompt": "x", "responses": ["a", "b"]},
        {"prompt": "y", "responses": ["a", "b\0"]},
    )
    with Store.open(config.database) as store:
        make_site(config, store)
        for project in ("jokes", "new"):
            with pytest.raises(InputError, match=r"bad\.jsonl:2: .* holds a zero byte"):
                make_site(replace(config, project=project, prompts=bad, overlap=9, instructions="x"), store)
        assert [(found.name, found.overlap, found.instructions) for found in store.projects()] == [
            ("jokes", 2, "")
        ]
        assert len(store.prompts("jokes")) == 1


def test_prompts_that_stand_there_twice_are_told(
    config: CollectConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    twice = write(
        tmp_path / "twice.jsonl",
        {"prompt": "x", "responses": ["a", "b"]},
        {"prompt": "y", "responses": ["a", "b"]},
        {"prompt": "x", "responses": ["b", "c"]},
        {"prompt": "x", "responses": ["a", "b"], "prompt_id": "another"},
    )
    with Store.open(config.database) as store:
        make_site(replace(config, prompts=twice), store)
        said = capsys.readouterr().err
        assert "twice.jsonl:3 has the same prompt as" in said
        assert "twice.jsonl:1: their responses are ranked together" in said
        assert [len(item.responses) for item in store.prompts("jokes")] == [3, 2, 2]


def test_names_of_raters_stand_apart_by_spaces(config: CollectConfig) -> None:
    for given, told in ((("ann,bob",), "ann bob"), (("cy", "ann, bob,"), "ann bob")):
        with pytest.raises(InputError, match=f"raters: .* apart by spaces: --raters {told}"):
            replace(config, raters=given)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("https://h/a?b=c", "plain path"),
        ("https://h/a#b", "plain path"),
        ("https://h/a b", "plain path"),
        ("https://h//a", "plain path"),
        ('https://h/"x', "plain path"),
        ("https://", "expected http"),
        ("https://h:99999", "expected http"),
        ("https://[::1", "expected http"),
        ("https://*", "expected http"),
        ("https://*.example.org", "expected http"),
        ("https://me:secret@h", "expected http"),
        ("studio", "expected http"),
        ("https://h/owner/x", "one of the app's own"),
        ("https://h/api", "one of the app's own"),
    ],
)
def test_an_address_that_links_cannot_begin_with_is_told(config: CollectConfig, url: str, words: str) -> None:
    with pytest.raises(InputError, match=f"public_url: .*{words}"):
        replace(config, public_url=url)


@pytest.mark.parametrize(
    ("settings", "link", "host"),
    [
        ({"host": "::1", "port": 80}, "http://[::1]:80/", "[::1]:80"),
        ({"public_url": "http://[2001:DB8::1]:80"}, "http://[2001:DB8::1]:80/", "[2001:db8::1]:80"),
        (
            {"public_url": "https://B\u00fccher.example"},
            "https://B\u00fccher.example/",
            "xn--bcher-kva.example",
        ),
    ],
)
def test_links_lead_to_an_app_that_answers(
    config: CollectConfig, settings: dict[str, Any], link: str, host: str
) -> None:
    config = replace(config, **settings)
    with Store.open(config.database) as store:
        site = make_site(config, store)
        assert site.link("ann", 1).startswith(f"{link}join/")
        client = TestClient(app_of(site), base_url="http://testserver")
        assert client.get("/", headers={"Host": host}).status_code == 200
        assert client.get("/", headers={"Host": "other.example"}).status_code == 400
        site.desk.close()


def test_port_0_is_a_free_port_and_links_name_it(
    config: CollectConfig, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("uvicorn.Server.run", lambda server: served.append(server.config.port))
    served: list[int] = []
    collect(replace(config, port=0, raters=("ann",)))
    assert served[0] > 0
    assert f"link of ann: http://127.0.0.1:{served[0]}/join/" in capsys.readouterr().err


def test_only_addresses_are_trusted_as_proxies(config: CollectConfig) -> None:
    assert replace(config, trusted_proxy=("10.0.0.7", "10.0.0.0/8", "::1")).trusted_proxy
    for bad in ("*", "proxy.example", "10.0.0.1/8", ""):
        with pytest.raises(InputError, match="trusted_proxy: expected an address or network"):
            replace(config, trusted_proxy=(bad,))


def test_without_a_password_one_is_made_and_told_once(
    config: CollectConfig, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(PASSWORD_VARIABLE)
    with Store.open(config.database) as store:
        make_site(config, store)
        assert "shown this once" in capsys.readouterr().err
        make_site(config, store)
        assert "shown this once" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "p.jsonl:2: no JSON object"),
        ("[1]", "p.jsonl:2: expected a JSON object"),
        ('{"responses": ["a", "b"]}', "p.jsonl:2: field 'prompt' is missing"),
        ('{"prompt": "x", "responses": ["a"]}', "p.jsonl:2: responses: expected at least two"),
        ('{"prompt": "x", "responses": [1, 2]}', r"p.jsonl:2: responses\[0\]"),
        ('{"prompt": "x", "responses": "ab"}', "p.jsonl:2: responses: expected a list"),
        ('{"prompt": "x", "responses": ["a", "b"], "overlap": "2"}', "p.jsonl:2: overlap: expected a number"),
        (
            '{"prompt": "x", "responses": ["a", "b", " a"]}',
            r"p.jsonl:2: responses\[2\] is the same as responses\[0\]",
        ),
        (
            '{"prompt": "x", "responses": ["a", ""]}',
            r"p.jsonl:2: responses\[1\]: expected a text, got nothing",
        ),
        ('{"prompt": " ", "responses": ["a", "b"]}', "p.jsonl:2: prompt: expected a text, got nothing"),
        ('{"prompt": "x", "overlap": 1' + "0" * 400 + "}", "p.jsonl:2: overlap: expected a number"),
        ('{"prompt": "x", "priority": 1e999}', "p.jsonl:2: priority: expected a number"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text('{"prompt": "fine", "responses": ["a", "b"]}\n' + line + "\n")
    with pytest.raises(InputError, match=message):
        read_prompts(path)


@pytest.mark.parametrize("ending", ["jsonl", "json", "csv", "tsv", "jsonl.gz", "parquet"])
def test_prompts_come_in_any_form_of_rows(tmp_path: Path, ending: str) -> None:
    rows: list[dict[str, Any]] = [
        {
            "prompt": 'A "b", c?',
            "responses": ["x\ny", "\u00e9, z"],
            "prompt_id": "7",
            "overlap": 3,
            "priority": 0.5,
        },
        {"prompt": "[1]", "responses": ["1", "true"], "prompt_id": "null", "overlap": None, "priority": None},
    ]
    path = tmp_path / f"p.{ending}"
    if ending == "json":
        path.write_text(json.dumps(rows))
    elif ending == "parquet":
        pytest.importorskip("pyarrow.parquet").write_table(
            pytest.importorskip("pyarrow").Table.from_pylist(rows), path
        )
    elif ending in ("csv", "tsv"):
        with path.open("w", newline="") as stream:
            table = csv.DictWriter(stream, list(rows[0]), delimiter="," if ending == "csv" else "\t")
            table.writeheader()
            table.writerows([row | {"responses": json.dumps(row["responses"])} for row in rows])
    else:
        text = "".join(json.dumps(row) + "\n" for row in rows).encode()
        path.write_bytes(gzip.compress(text) if ending.endswith("gz") else text)
    read = [line.prompt for line in read_prompts(path)]
    assert [
        (one.prompt.text, [answer.text for answer in one.responses], one.id, one.overlap, one.priority)
        for one in read
    ] == [('A "b", c?', ["x\ny", "\u00e9, z"], "7", 3, 0.5), ("[1]", ["1", "true"], "null", None, 0.0)]


def test_a_cell_that_is_no_list_is_named(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    for cell in ("x and y", "{", "7"):
        path.write_text(f'prompt,responses\nfine,"[""a"", ""b""]"\nbad,{cell}\n')
        with pytest.raises(InputError, match=r"p.csv:3: responses: expected a list"):
            read_prompts(path)


def test_prompts_without_responses_need_a_model(config: CollectConfig, tmp_path: Path) -> None:
    bare = replace(config, prompts=write(tmp_path / "bare.jsonl", {"prompt": "Joke?"}))
    with Store.open(config.database) as store, pytest.raises(InputError, match="or a --model"):
        make_site(bare, store)
    (tmp_path / "empty.jsonl").write_text("\n")
    for path in (tmp_path / "missing.jsonl", tmp_path / "empty.jsonl"):
        with pytest.raises(InputError, match=path.name):
            read_prompts(path)


def test_a_model_answers_prompts_without_responses_once(
    config: CollectConfig, tmp_path: Path, untrained_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bare = write(tmp_path / "bare.jsonl", {"prompt": "solve answer"}, {"prompt": "domain"})
    asked = replace(config, prompts=bare, model=untrained_model, responses=3, max_new_tokens=6)
    with Store.open(config.database) as store:
        make_site(asked, store)
        made = store.prompts("jokes")
        make_site(replace(asked, seed=1), store)
        assert store.prompts("jokes") == made
    assert "responses end where --max_new_tokens 6 cut them off" in capsys.readouterr().err
    assert any(one.attributes == {"cut": True} for item in made for one in item.responses)
    for item in made:
        texts = [response.text for response in item.responses]
        assert 2 <= len(texts) == len(set(texts)) <= 3
        assert item.responses[0].model == str(untrained_model)
        assert item.responses[0].sampling["temperature"] == 1.0


def test_settings_that_cannot_be_are_told(config: CollectConfig) -> None:
    for bad in (
        {"responses": 1},
        {"port": 70_000},
        {"lease_minutes": 0.0},
        {"public_url": "ftp://x"},
        {"host": "0.0.0.0"},
    ):
        with pytest.raises(InputError, match=next(iter(bad))):
            replace(config, **bad)
    with Store.open(config.database) as store, pytest.raises(InputError, match="keys"):
        make_site(replace(config, database="postgresql://somewhere/x"), store)


def test_a_database_that_cannot_be_written_is_told_before_the_start(config: CollectConfig) -> None:
    with Store.open(config.database) as store:
        make_site(config, store).desk.close()
        event.listen(store._engine, "connect", lambda raw, _: raw.execute("PRAGMA query_only=ON"))
        store._engine.dispose()
        with pytest.raises(InputError, match="cannot be written"):
            make_site(replace(config, prompts=None), store)


def test_a_port_in_use_is_told(config: CollectConfig) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(InputError, match="choose another --port"):
            collect(replace(config, port=taken.getsockname()[1]))
