"""`practicum play` through pipes and through a terminal: what a person types is answered, judged, chosen."""

from __future__ import annotations

import io
import json
import math
import os
import pty
import select
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from practicum.api import Policy
from practicum.cli import main
from practicum.model.checkpoint import save_model
from practicum.model.policy import load_policy
from practicum.model.tokenizer import Chat, set_chat
from practicum.tasks.equations.task import EquationsConfig, EquationsTask
from practicum.types import Prompt

SHORT = "--sampling.max_new_tokens=6"
TEMPLATE = (
    "{% for message in messages %}{{ message.role[0] }}: {{ message.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}a: {% endif %}"
)


@pytest.fixture(scope="module")
def chatting(untrained_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The untrained model with a chat template."""
    policy, tokenizer = load_policy(untrained_model)
    set_chat(tokenizer, Chat(TEMPLATE))
    folder = tmp_path_factory.mktemp("chatting")
    save_model(policy, tokenizer, folder)
    return folder


def play(monkeypatch: Any, capsys: Any, typed: str, *flags: str) -> tuple[dict[str, Any], str]:
    """Play with what is piped in; the JSON and what a person reads."""
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
    capsys.readouterr()
    assert main(["play", *flags, "--json"]) == 0
    found = capsys.readouterr()
    return json.loads(found.out), found.err


def test_a_conversation_is_read_through_the_template_turn_after_turn(
    chatting: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--model", str(chatting), SHORT, "--system", "Be brief."]
    found, _ = play(monkeypatch, capsys, "hello\nand now?\n", *flags)
    roles = [one["role"] for one in found["messages"]]
    assert roles == ["system", "user", "assistant", "user", "assistant"]
    assert [one["content"] for one in found["messages"]][:4:3] == ["Be brief.", "and now?"]
    # What a sampler says to the same text.
    policy = Policy.load(chatting)
    set_chat(policy.tokenizer, None)
    asked = f"s: Be brief.\nu: hello\na: {found['messages'][2]['content']}\nu: and now?\na: "
    again = policy.sample([asked], max_new_tokens=6, temperature=0.0)[0][0]
    assert found["messages"][4]["content"] == again
    fresh, _ = play(monkeypatch, capsys, "hello\n/new\nand now?\n/quit\nnever\n", *flags)
    assert [one["content"] for one in fresh["messages"]][:2] == ["Be brief.", "and now?"]
    assert [one["prompt"] for one in fresh["turns"]] == ["hello", "and now?"]


def test_a_full_conversation_is_told_and_a_new_one_begins(
    chatting: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found, read = play(monkeypatch, capsys, f"{'1' * 600}\nhi\n", "--model", str(chatting), SHORT)
    assert "the model takes 511 and has no room to answer; /new begins anew" in read
    assert [one["prompt"] for one in found["turns"]] == ["hi"]


def test_functions_judge_what_a_model_says_in_a_chat(
    chatting: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pay.py").write_text("def pay(prompt, completion): return len(prompt)")
    flags = ["--model", str(chatting), SHORT, "--reward", f"{tmp_path / 'pay.py'}:pay"]
    found, read = play(monkeypatch, capsys, "hello\nagain\n", *flags)
    # As in practice, a function is given a chat as its messages.
    assert [one["reward"] for one in found["turns"]] == [1, 3]
    assert "=> paid 3" in read


def test_an_equation_is_asked_in_the_tasks_words_and_judged(
    untrained_model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    typed = "x + 1 = 2\nno equation\nsum: x^2 = 4\n\nnever\n"
    found, read = play(monkeypatch, capsys, typed, "--model", str(untrained_model), SHORT)
    assert [one["prompt"] for one in found["turns"]] == ["solve: x+1=2\n", "sum: x^2=4\n"]
    assert all(one["reward"] == 0 and one["outcome"] for one in found["turns"])
    assert "=> paid 0, " in read
    assert "equation 'no equation'" in read


# ------------------------------------------------------------------------------------------- be the policy

TASK = EquationsTask(EquationsConfig())


@given(st.lists(st.text(alphabet="answer: x=123,\\$none", max_size=20), max_size=3))
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_person_is_paid_what_a_model_would_be(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], answers: list[str]
) -> None:
    answers = [answer.strip() or "0" for answer in answers]
    typed = "".join(f"{answer}\n\n" for answer in answers)
    found, _ = play(monkeypatch, capsys, typed, "--human")
    assert [one["completion"] for one in found["answers"]] == answers
    for one in found["answers"]:
        prompt = TASK.read(one["prompt"])
        score = TASK.score([prompt], [one["completion"]])[0]
        assert (one["reward"], one["solved"]) == (score.value, score.solved)
    rewards = [one["reward"] for one in found["answers"]]
    assert found["mean_reward"] == (sum(rewards) / len(rewards) if rewards else None)


def test_gold_answers_are_shown_and_right_and_enter_asks_for_another(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found, read = play(monkeypatch, capsys, "/gold\n\n\nfirst line\nsecond line\n\n/quit\n", "--human")
    assert "=> paid 1, correct" in read
    assert [one["completion"] for one in found["answers"]] == ["first line\nsecond line"]
    prompts = [line for line in read.splitlines() if line.startswith(("solve: ", "sum: "))]
    assert len(prompts) == len(set(prompts)) == 4
    assert prompts[2] == found["answers"][0]["prompt"].strip()


def test_rows_of_ones_own_are_asked_and_paid_by_functions_with_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{"question": f"{n} + 1 =", "answer": str(n + 1)} for n in range(3)]
    (tmp_path / "f.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "pay.py").write_text(
        "def right(prompt, completion, row): return float(completion == row['answer'])\n"
        "def short(prompt, completion): return 0.5\n"
    )
    pay = [f"{tmp_path / 'pay.py'}:{name}" for name in ("right", "short")]
    flags = ["--human", "--data", str(tmp_path / "f.jsonl"), "--reward", *pay]
    found, read = play(monkeypatch, capsys, "1\n\n1\n\n1\n\n1\n\n", *flags)
    asked = [one["prompt"] for one in found["answers"]]
    assert set(asked[:3]) == {row["question"] for row in rows}
    assert asked[3] == asked[0]
    for one in found["answers"]:
        right = float(one["prompt"] == "0 + 1 =")
        paid = {name: value for name, value in one["parts"].items() if not name.startswith("failed/")}
        assert paid == {"right": right, "short": 0.5}
    assert "parts: " in read


TALKING = """
from practicum.types import Prompt, Score


class Twice:
    name = "twice"

    def prompts(self, split, count, seed):
        return [Prompt("say a, then b") for _ in range(count)]

    def reply(self, prompt, turns):
        return "and now?" if len(turns) == 1 else None

    def score(self, prompts, texts):
        turns = [prompt.data.get("turns", []) for prompt in prompts]
        return [Score(float(one[::2] == ["a", "b"])) for one in turns]
"""


def test_a_task_that_replies_goes_on_with_a_person(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "own.py").write_text(TALKING)
    flags = ["--human", "--task", f"{tmp_path / 'own.py'}:Twice"]
    found, read = play(monkeypatch, capsys, "a\n\nb\n\nb\n\na\n\n", *flags)
    assert [one["reward"] for one in found["answers"]] == [1.0, 0.0]
    assert found["answers"][0]["turns"] == ["a", "and now?", "b"]
    assert read.count("twice> and now?") == 2


# --------------------------------------------------------------------------------------------- token by token


def test_every_token_is_chosen_over_the_likeliest_and_scored_as_the_learner_would(
    untrained_model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--model", str(untrained_model), SHORT, "--step", "--chat", "on", "--sampling.dtype", "float32"]
    greedy, _ = play(monkeypatch, capsys, "12\n\n\n\n\n\n\n", *flags)
    to_the_end, _ = play(monkeypatch, capsys, "12\ne\n", *flags)
    assert greedy == to_the_end
    other, read = play(monkeypatch, capsys, "12\n2\n\nb\n3\nx\n9\n\nq\n", *flags, "--alternatives", "4")
    assert len(other["tokens"]) == 3
    assert other["tokens"][0]["probability"] <= greedy["tokens"][0]["probability"]
    assert read.count("expected a number from 1 to 4, Enter, s, b, e or q") == 2
    assert "all others" in read
    shares = [float(line.split("%")[0].split()[-1]) for line in read.splitlines() if "%  " in line]
    assert len(shares) == 8 * 5
    for start in range(0, len(shares), 5):
        assert sum(shares[start : start + 5]) == pytest.approx(100, abs=0.05)
        assert shares[start : start + 4] == sorted(shares[start : start + 4], reverse=True)
    scored = Policy.load(untrained_model).logprobs(["12"], [other["completion"]], ended=False)[0]
    if len(scored) == len(other["tokens"]):
        found = [math.log(one["probability"]) for one in other["tokens"]]
        assert found == pytest.approx(scored, abs=1e-3)


def test_a_stepped_answer_is_judged_by_the_task_that_worded_it(
    untrained_model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--model", str(untrained_model), SHORT, "--step", "--task", "equations"]
    found, read = play(monkeypatch, capsys, "x = 2\ns\nq\n", *flags)
    assert found["prompt"] == "solve: x=2\n"
    assert len(found["tokens"]) == 1
    assert "=> paid 0" in read
    score = TASK.score([TASK.read("x = 2")], [found["completion"]])[0]
    assert found["outcome"] == score.outcome
    nothing, _ = play(monkeypatch, capsys, "", *flags)
    assert nothing == {}


def test_a_prompt_that_cannot_be_read_is_asked_for_again_on_a_terminal(
    untrained_model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(io, "StringIO", Terminal)
    flags = ["--model", str(untrained_model), SHORT, "--step"]
    found, read = play(monkeypatch, capsys, "x = \n2x = 6\ne\n", *flags)
    assert "practicum: equation" in read
    assert found["prompt"] == "solve: 2x=6\n"


def test_the_answer_of_a_row_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "rows.jsonl").write_text('{"prompt": "2+2?", "answer": "4"}\n')
    (tmp_path / "pay.py").write_text("def pay(prompt, completion):\n    return 1.0\n")
    flags = ["--data", str(tmp_path / "rows.jsonl"), "--reward", f"{tmp_path / 'pay.py'}:pay"]
    assert "the row's answer: 4" in play(monkeypatch, capsys, "/gold\n", "--human", *flags)[1]
    flags += ["--data.answer", "none"]
    assert "rows.jsonl shows no right answers" in play(monkeypatch, capsys, "/gold\n", "--human", *flags)[1]


def test_lines_of_a_file_from_windows_are_lines(
    untrained_model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    human, _ = play(monkeypatch, capsys, "answer: 1\r\n\r\n/quit\r\n", "--human")
    assert [one["completion"] for one in human["answers"]] == ["answer: 1"]
    model = ["--model", str(untrained_model), SHORT]
    assert len(play(monkeypatch, capsys, "x = 2\r\n\r\nx = 3\r\n", *model)[0]["turns"]) == 1


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ([], "nobody to play with: give --model, or be the policy with --human"),
        (["--human", "--model", "x"], "with --human you are the policy: drop --model"),
        (["--human", "--step"], "--step shows what a model would say: drop --human"),
        (["--human", "--sampling.top_k", "4"], "--sampling.top_k has no effect"),
        (["--model", "MODEL", "--alternatives", "4"], "--alternatives has no effect: tokens are chosen with"),
        (["--model", "MODEL", "--split", "train"], "--split has no effect: rows and splits are asked with"),
        (["--model", "MODEL", "--system", "x"], "--system needs a conversation through a chat template"),
        (["--human", "--run", "x"], "practicum play writes no run folder"),
        (["--human", "--data", "DATA"], "rows do not judge answers: give --reward"),
    ],
)
def test_what_does_not_go_together_is_told_in_one_line(
    flags: list[str],
    said: str,
    untrained_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "f.jsonl").write_text('{"question": "1 + 1 =", "answer": "2"}\n')
    places = {"MODEL": str(untrained_model), "DATA": str(tmp_path / "f.jsonl")}
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    assert main(["play", *(places.get(flag, flag) for flag in flags)]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("errors", ["strict", "surrogateescape"])
@pytest.mark.parametrize("kind", ["--human", "--model", "--step"])
def test_bytes_that_are_no_text_are_told_in_one_line_whatever_the_locale(
    kind: str,
    errors: str,
    untrained_model: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    model = ["--model", str(untrained_model), SHORT, "--chat", "on"]
    flags = {"--human": ["--human"], "--model": model, "--step": [*model, "--step"]}[kind]
    typed = io.TextIOWrapper(io.BytesIO(b"ab\xff\n\n"), encoding="utf-8", errors=errors)
    monkeypatch.setattr(sys, "stdin", typed)
    assert main(["play", *flags]) == 2
    assert "practicum: error: stdin: a line is not valid UTF-8 text" in capsys.readouterr().err


# ------------------------------------------------------------------------------------------------ a terminal

IN_A_TERMINAL = """
import sys
from pathlib import Path
from practicum import demo
from practicum.cli import main

demo.try_it(demo.DemoConfig(), Path(sys.argv[1]))
sys.exit(main(["play", "--human", "--task", "equations"]))
"""


def talk(process: subprocess.Popen[bytes], terminal: int, turns: list[tuple[str, str]]) -> str:
    """Type each text once what is waited for can be read; all that was on the screen."""
    screen, seen = "", 0
    for awaited, typed in [*turns, ("", "")]:
        while not (awaited and awaited in screen[seen:]):
            if not select.select([terminal], [], [], 300)[0]:
                pytest.fail(f"waited for {awaited!r} after {screen!r}")
            try:
                data = os.read(terminal, 4096)
            except OSError:  # the other side has closed
                data = b""
            if not data:
                assert not awaited, screen
                process.wait()
                return screen
            screen += data.decode(errors="replace")
        seen = screen.index(awaited, seen) + len(awaited)
        os.write(terminal, typed.encode())
    return screen


def test_a_terminal_has_the_end_of_the_demo_and_a_game(untrained_model: Path, tmp_path: Path) -> None:
    shutil.copytree(untrained_model, tmp_path / "rl")
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", IN_A_TERMINAL, str(tmp_path)]
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, close_fds=True)
    os.close(theirs)
    turns = [
        ("Your turn: what should it solve? (Enter ends)", ""),
        ("equations> ", "x + 1 = 2\n"),
        ("=> paid ", ""),
        ("equations> ", "\n"),
        ("you> ", "none\n"),
        ("... ", "\n"),
        ("=> paid ", ""),
        ("you> ", "\x04"),
    ]
    try:
        screen = talk(process, ours, turns)
    finally:
        process.kill()
        os.close(ours)
    assert process.wait() == 0, screen
    assert "1 answer, paid " in screen


def test_prompts_read_back_are_those_of_the_task() -> None:
    """What the property above relies on."""
    prompt = TASK.read("x + 1 = 2")
    assert TASK.read(prompt.text).text == Prompt(prompt.text).text
