"""Tools, a game, an environment over HTTP: what they reply, what they pay, how they fail."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from practicum import cli
from practicum.errors import InputError
from practicum.loading import load_file
from practicum.tasks.http import HttpConfig, HttpTask
from practicum.tasks.registry import TaskConfig, find_task
from practicum.tasks.tools import WithCalculator, calculate, call_in
from practicum.types import Prompt, Score
from tests.tiny import LetterTask

ROOT = Path(__file__).parents[2]
WORDLE = f"{ROOT / 'examples' / 'wordle.py'}:Wordle"

# ------------------------------------------------------------------------------------------ calculator


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2*(3+4)", "14"),
        ("1/3 + 1/6", "1/2"),
        ("-2^2", "-4"),
        ("0.1+0.2", "3/10"),
        (" 7 ", "7"),
        ("2(3)", "6"),
    ],
)
def test_arithmetic_is_exact(text: str, value: str) -> None:
    assert calculate(text) == value


@settings(max_examples=200, deadline=None)
@given(
    st.recursive(
        st.integers(0, 99).map(str),
        lambda inner: st.tuples(inner, st.sampled_from("+-*/"), inner).map(lambda one: f"({''.join(one)})"),
        max_leaves=8,
    )
)
def test_the_calculator_agrees_with_pythons_fractions(text: str) -> None:
    """A differential test on formulas that the test itself made."""
    try:
        value: Any = eval(re.sub(r"\d+", lambda found: f"Fraction({found[0]})", text), {"Fraction": Fraction})
    except ZeroDivisionError:
        assert calculate(text).startswith("error")
        return
    assert calculate(text) == str(value)


@pytest.mark.parametrize("text", ["", "x+1", "__import__('os')", "9^9^9^9", "1/0", "sqrt(2)", "2+", "("])
def test_what_is_no_arithmetic_is_told_and_never_run(text: str) -> None:
    found = calculate(text)
    assert found.startswith("error")
    assert "\n" not in found


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=50))
def test_any_text_is_answered(text: str) -> None:
    assert isinstance(calculate(text), str)


def test_a_task_with_a_calculator_answers_calls_and_judges_answers() -> None:
    task = WithCalculator(LetterTask())
    prompt = task.prompts("train", 1, 0)[0]
    assert prompt.text.startswith("You may calculate")
    assert task.reply(prompt, ("so <calc>2*(3+4)</calc>",)) == "<result>14</result>\n"
    assert task.reply(prompt, ("a",)) is None
    assert call_in("<calc>1</calc> and then <calc>2</calc>\n") == "2"
    assert call_in("<calc>1</calc> a") is None
    scores = task.score([prompt] * 2, ["a", "a <calc>1</calc>"])
    assert [score.value for score in scores] == [1.0, 0.0]
    assert task.behaviours(prompt, "a") == {"short": True}


def test_the_page_s_own_class_gets_a_calculator() -> None:
    """The two blocks of docs/tasks.md, run as they stand there."""
    page = (Path(__file__).parents[2] / "docs" / "tasks.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    names: dict[str, Any] = {}
    for block in blocks:
        if "class Sums" in block:
            exec(block, names)
    task = names["SumsWithCalculator"]()
    prompt, other = task.prompts("test", 2, 0)
    assert prompt.text.startswith("You may calculate")
    assert prompt.text.endswith("200+1=")
    scores = task.score([prompt, prompt, other], ["201", "<calc>200+1</calc>", "201"])
    assert [score.value for score in scores] == [1.0, 0.0, 0.0]
    assert [score.solved for score in scores] == [True, False, False]


# ------------------------------------------------------------------------------------------------ game


@pytest.mark.parametrize(
    ("guess", "word", "marks"),
    [
        ("crane", "crane", "GGGGG"),
        ("allot", "llama", "YGY--"),
        ("speed", "erase", "Y-YY-"),
        ("geese", "elect", "-YG--"),
        ("zzzzz", "crane", "-----"),
    ],
)
def test_marks_count_letters_once(guess: str, word: str, marks: str) -> None:
    assert load_file(Path(WORDLE.rpartition(":")[0])).marks(guess, word) == marks


def test_a_game_is_played_to_its_end() -> None:
    task: Any = find_task(TaskConfig(WORDLE, settings={"turns": "3"}))
    splits = [{one.data["word"] for one in task.prompts(name, 200, 0)} for name in ("train", "test")]
    assert not splits[0] & splits[1]
    prompt = Prompt("", {"word": "crane"})
    assert task.reply(prompt, ("react",)) == "YYG-"[:0] + "YYGY-\n"
    assert "five letters" in task.reply(prompt, ("a guess",))
    assert task.reply(prompt, ("crane",)) is None
    assert task.reply(prompt, ("react", "YYGY-\n", "trace", "-GGYG\n", "brace")) is None
    scores = task.score([prompt] * 3, ["crane\n", "brane", "crane crane"])
    assert [(one.value, one.solved) for one in scores] == [(1.0, True), (0.4, False), (0.0, False)]


# ------------------------------------------------------------------------------------------------ HTTP


class Server(BaseHTTPRequestHandler):
    """Counts down: the policy must say `stop` before the turns are over; `mood` says how it misbehaves."""

    mood = ""
    failures = 0

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.mood == "slow":
            time.sleep(1.0)
        if self.mood == "shaky" and type(self).failures < 2:
            type(self).failures += 1
            return self.answer(503, b"busy")
        if self.mood in ("status", "words", "list", "few"):
            status = 404 if self.mood == "status" else 200
            return self.answer(status, {"list": b"[1]", "few": b'{"prompts": []}'}.get(self.mood, b"no such"))
        if self.path == "/env/reset":
            found: Any = {"prompts": [{"text": f"{body['split']} {body['seed']}", "data": {"left": 2}}]}
            found["prompts"] *= body["count"]
        elif self.path == "/env/reply":
            left = body["prompt"]["data"]["left"] - len(body["turns"]) // 2
            found = {"reply": f"{left} left" if left and body["turns"][-1] != "stop" else None}
            found = {"reply": 7} if self.mood == "number" else found
        else:
            found = {
                "scores": [{"value": float(turns[-1] == "stop"), "solved": True} for turns in body["turns"]]
            }
            found = {"scores": [0.5] * len(body["texts"])} if self.mood == "plain" else found
            found = {"scores": [{"value": "much"}]} if self.mood == "text" else found
        self.answer(200, json.dumps(found).encode())

    def answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words: Any) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    Server.mood, Server.failures = "", 0
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/env"
        server.shutdown()


def test_a_real_server_asks_replies_and_scores(url: str) -> None:
    task: Any = find_task(TaskConfig("practicum.tasks.http:HttpTask", settings={"url": url, "name": "count"}))
    assert task.name == "count"
    prompts = task.prompts("test", 2, 5)
    assert prompts == [Prompt("test 5", {"left": 2})] * 2
    assert task.reply(prompts[0], ("go",)) == "2 left"
    assert task.reply(prompts[0], ("go", "2 left", "stop")) is None
    turned = [Prompt("", {"turns": ["go", "2 left", "stop"]}), Prompt("", {})]
    assert task.score(turned, ["stop", "go"]) == [Score(1.0, True), Score(0.0, True)]


def play(task: HttpTask) -> None:
    task.prompts("train", 1, 0)
    task.reply(Prompt("", {"left": 1}), ("a",))
    task.score([Prompt("")], ["a"])


@pytest.mark.parametrize(
    ("mood", "said"),
    [
        ("status", "status 404"),
        ("words", "no JSON"),
        ("list", "expected a JSON object"),
        ("few", "expected a list of 1, got 0"),
        ("slow", "no answer in 1 tries of 0.2 s: TimeoutError"),
        ("number", "expected a text or null"),
        ("text", "expected a finite number"),
    ],
)
def test_a_misbehaving_server_is_told_in_one_line(mood: str, said: str, url: str) -> None:
    task = HttpTask(HttpConfig(url, timeout=0.2, tries=1))
    Server.mood = mood
    with pytest.raises(InputError, match=said) as error:
        play(task)
    assert url in str(error.value)
    assert "\n" not in str(error.value)


def test_a_busy_server_is_asked_again_and_a_missing_one_is_told(url: str) -> None:
    Server.mood = "shaky"
    assert len(HttpTask(HttpConfig(url)).prompts("train", 3, 0)) == 3
    Server.mood = "plain"
    assert HttpTask(HttpConfig(url)).score([Prompt("")], ["a"]) == [Score(0.5)]
    with pytest.raises(InputError, match="ConnectionRefusedError"):
        HttpTask(HttpConfig("http://127.0.0.1:9/x", tries=2)).prompts("train", 1, 0)
    with pytest.raises(InputError, match="expected http://"):
        HttpTask(HttpConfig("localhost:80"))


def test_rl_practises_in_an_environment_over_http(url: str, untrained_model: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    given = ["--model", str(untrained_model), "--task", "practicum.tasks.http:HttpTask", "--run", str(run)]
    given += ["--task.settings.url", url, "--prompts_per_step", "2", "--group_size", "2", "--loop.steps", "1"]
    assert cli.main(["rl", *given, "--sampling.max_new_tokens", "6"]) == 0
    rows = [json.loads(line) for line in (run / "samples.jsonl").read_text().splitlines()]
    assert all(row["turns"][0]["from"] == "policy" for row in rows)
