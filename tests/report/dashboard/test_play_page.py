"""Play: a real model answers and is stepped through; a person is paid as the model would be."""

from __future__ import annotations

import html
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from practicum.model.checkpoint import save_model
from practicum.model.policy import load_policy
from practicum.model.tokenizer import Chat, set_chat
from practicum.report.dashboard import player
from practicum.report.dashboard.discover import Library
from practicum.report.dashboard.play_page import MOST_TURNS, carried
from practicum.report.dashboard.player import Player
from practicum.report.dashboard.server import create_app
from practicum.report.dashboard.site import Site
from tests.play.test_play import TALKING
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


def said_of(page: str) -> list[str]:
    return [html.unescape(one) for one in re.findall(r'name="said" value="([^"]*)"', page)]


def test_tokens_are_drawn_at_the_temperature_that_is_given(game: Game) -> None:
    cold, hot = (re.findall(r"([0-9.]+)%", game.ask("step", temperature=one)) for one in ("0.2", "5"))
    assert float(cold[0]) > float(hot[0])
    speaker = game.site.player.speaker
    assert speaker is not None
    drawn = game.ask("draw", temperature="5")
    assert len(ids_of(drawn)) == 1
    again = game.site.player.speaker
    assert again is not None
    assert again.policy is speaker.policy, "another temperature loads nothing anew"
    assert len(ids_of(game.ask("rest", temperature="5", ids=str(ids_of(drawn)[0])))) > 1


def test_two_checkpoints_answer_one_prompt_side_by_side(game: Game) -> None:
    run = game.site.library.root / "a" / "checkpoints"
    shutil.copytree(run / "step-000002", run / "step-000001")
    page = game.client.get("/play").text
    assert page.index(">a, step 2<") < page.index('value="a/checkpoints/step-000001">a, step 1<')
    page = game.ask("answer", beside="a/checkpoints/step-000001")
    assert page.count("=&gt; paid 0") == 2
    assert ("Both answer the same" in page, "<del>" in page) == (True, False), "they are the same model"
    shutil.rmtree(run / "step-000001")
    assert "there is no run" in game.ask("answer", 422, beside="a/checkpoints/step-000001")
    (run / "step-000002" / "model.safetensors").unlink()
    game.site.player.speaker = None
    assert "model.safetensors" in game.ask("answer", 422)


def test_a_model_with_a_template_is_talked_to(game: Game) -> None:
    folder = game.site.library.root / "a" / "checkpoints" / "step-000002"
    policy, tokenizer = load_policy(folder)
    set_chat(tokenizer, Chat("{% for one in messages %}{{ one.role }} {{ one.content }}\n{% endfor %}"))
    save_model(policy, tokenizer, folder)
    first = game.ask("answer", task="", prompt="12\r\n3")
    assert said_of(first)[0] == "12\n3"
    turns = said_of(first)
    answer = game.client.post(
        "/play/model",
        data={"form_token": game.site.secret, "run": "a", "prompt": "4", "do": "answer", "said": turns},
    )
    assert said_of(answer.text)[:3] == [*turns, "4"]
    speaker = game.site.player.speaker
    assert speaker is not None
    roles = ("user", "assistant", "user")
    messages = [{"role": role, "content": text} for role, text in zip(roles, (*turns, "4"), strict=True)]
    ids = [token for token, _ in speaker.stepper.stream(speaker.conversation(messages), speaker.generator)]
    assert ids_of(answer.text) == ids


def test_a_long_conversation_still_fits_into_a_form() -> None:
    short = [f"turn {number}" for number in range(6)]
    assert carried(short) == short
    assert carried(short * 20) == (short * 20)[-MOST_TURNS:]
    # Each of these letters is six in a form.
    long = [str(number) + "\u0436" * 1500 for number in range(20)]
    assert carried(long) == long[-2:]
    assert carried(["\u0436" * 9000, "x"]) == []


def test_a_task_that_replies_goes_on_with_a_person(game: Game, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(TALKING)
    task = f"{tmp_path / 'own.py'}:Twice"
    game.site.player.given = (task,)
    page = game.post("/play/yourself", own_task=task, number="1", do="pay", text="a")
    assert said_of(page) == ["a", "and now?"]
    assert "=&gt; paid" not in page
    turns = {"own_task": task, "number": "1", "do": "pay", "said": said_of(page)}
    for text, paid in (("b", "=&gt; paid 1"), ("a", "=&gt; paid 0")):
        assert paid in game.post("/play/yourself", text=text, **turns)  # type: ignore[arg-type]


def test_only_own_pages_can_play(game: Game) -> None:
    for path in ("/play/model", "/play/yourself"):
        assert game.client.post(path, data={"do": "answer", "run": "a"}).status_code == 403
    assert game.site.player.speaker is None
