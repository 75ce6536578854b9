"""Play: a real model answers and is stepped through; a person is paid as the model would be."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from practicum.report.dashboard import player
from practicum.report.dashboard.discover import Library
from practicum.report.dashboard.player import Player
from practicum.report.dashboard.server import create_app
from practicum.report.dashboard.site import Site
from tests.report.dashboard.made import write_run


class Game:
    """The page Play of a run with a model that knows nothing."""

    def __init__(self, client: TestClient, site: Site) -> None:
        self.client, self.site = client, site

    def post(self, path: str, status: int = 200, **fields: str) -> str:
        answer = self.client.post(path, data={"form_token": self.site.secret, **fields})
        assert answer.status_code == status, answer.text
        return answer.text

    def ask(self, do: str, status: int = 200, **fields: str) -> str:
        given = {"run": "a", "task": "equations", "prompt": "2x=6", "temperature": "0", "do": do}
        return self.post("/play/model", status, **given | fields)


@pytest.fixture
def game(tmp_path: Path, untrained_model: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Game]:
    monkeypatch.setattr(player, "MOST_TOKENS", 8)
    run = write_run(tmp_path / "runs" / "a", steps=2)
    shutil.copytree(untrained_model, run / "checkpoints" / "step-000002")
    site = Site(Library(tmp_path / "runs"), player=Player())
    with TestClient(create_app(site), "http://127.0.0.1") as client:
        yield Game(client, site)


def ids_of(page: str) -> list[int]:
    found = re.search(r'name="ids" value="([^"]*)"', page)
    assert found is not None
    return [int(one) for one in found[1].split(",") if one]


def options_of(page: str) -> list[int]:
    return [int(one) for one in re.findall(r'name="token" value="(\d+)"', page)]


def test_a_model_answers_and_is_judged(game: Game) -> None:
    assert game.site.player.speaker is None, "nothing is loaded before it is asked for"
    page = game.ask("answer")
    assert len(ids_of(page)) >= 1
    assert page.count('class="token p') == len(ids_of(page))
    assert "=&gt; paid 0" in page
    speaker = game.site.player.speaker
    assert ids_of(game.ask("answer")) == ids_of(page)
    assert game.site.player.speaker is speaker, "a loaded model is kept"
    assert "=&gt; paid" not in game.ask("answer", task="")


def test_choosing_the_likeliest_tokens_is_the_greedy_answer(game: Game) -> None:
    whole = ids_of(game.ask("answer"))
    page = game.ask("step")
    chosen: list[int] = []
    for _ in range(min(3, len(whole) - 1)):
        assert ids_of(page) == chosen
        likeliest = options_of(page)[0]
        chosen.append(likeliest)
        page = game.ask("", ids=",".join(map(str, chosen[:-1])), token=str(likeliest))
    assert chosen == whole[: len(chosen)]
    back = game.ask("back", ids=",".join(map(str, chosen)))
    assert ids_of(back) == chosen[:-1]
    assert ids_of(game.ask("rest", ids=",".join(map(str, chosen)))) == whole


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"run": "../a"}, "no run"),
        ({"task": "other.py:Task"}, "choose one of equations"),
        ({"prompt": " "}, "type something"),
        ({"prompt": "2x=6=7"}, "equation"),
        ({"temperature": "warm"}, "expected a number"),
        ({"do": "step2", "ids": "999999999"}, "begin anew"),
    ],
)
def test_what_cannot_be_asked_is_told_in_place(game: Game, fields: dict[str, str], words: str) -> None:
    page = game.ask(**{"do": "answer", "status": 422, **fields})  # type: ignore[arg-type]
    assert words in page


def test_people_are_paid_as_models_are(game: Game) -> None:
    first = game.post("/play/yourself", own_task="equations", number="0", do="next")
    assert 'name="number" value="1"' in first
    shown = game.post("/play/yourself", own_task="equations", number="1", do="gold")
    gold = re.search(r"A right answer:</p><pre[^>]*>([^<]*)</pre>", shown)
    assert gold is not None
    paid = game.post("/play/yourself", own_task="equations", number="1", do="pay", text=gold[1])
    assert "=&gt; paid 1" in paid
    unpaid = game.post("/play/yourself", own_task="equations", number="1", do="pay", text="<b>answer</b>")
    assert "=&gt; paid 0" in unpaid
    assert "&lt;b&gt;answer" in unpaid
    game.post("/play/yourself", 422, own_task="__import__", number="1", do="pay", text="x")


def test_only_own_pages_can_play(game: Game) -> None:
    for path in ("/play/model", "/play/yourself"):
        assert game.client.post(path, data={"do": "answer", "run": "a"}).status_code == 403
    assert game.site.player.speaker is None
