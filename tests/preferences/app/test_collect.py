"""The command's settings and prompt files: clear complaints, restarts that keep what there is."""

from __future__ import annotations

import json
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from practicum.errors import InputError
from practicum.preferences.app.collect import PASSWORD_VARIABLE, CollectConfig, collect, make_site
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
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text('{"prompt": "fine", "responses": ["a", "b"]}\n' + line + "\n")
    with pytest.raises(InputError, match=message):
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
    config: CollectConfig, tmp_path: Path, untrained_model: Path
) -> None:
    bare = write(tmp_path / "bare.jsonl", {"prompt": "solve answer"}, {"prompt": "domain"})
    asked = replace(config, prompts=bare, model=untrained_model, responses=3, max_new_tokens=6)
    with Store.open(config.database) as store:
        make_site(asked, store)
        made = store.prompts("jokes")
        make_site(replace(asked, seed=1), store)
        assert store.prompts("jokes") == made
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
            replace(config, **bad)  # type: ignore[arg-type]
    with Store.open(config.database) as store, pytest.raises(InputError, match="keys"):
        make_site(replace(config, database="postgresql://somewhere/x"), store)


def test_a_port_in_use_is_told(config: CollectConfig) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(InputError, match="choose another --port"):
            collect(replace(config, port=taken.getsockname()[1]))
