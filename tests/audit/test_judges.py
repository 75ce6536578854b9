"""A judge behind a real server that speaks OpenAI's protocol: some fall for texts, and one does not."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from typing import Any

import pytest

from practicum.audit import gaming
from practicum.audit.judge_probes import INJECTIONS, MASTER_KEYS, judge_probes
from practicum.cli import main
from practicum.errors import InputError
from practicum.preferences import formats
from practicum.reward.config import FunctionsConfig, JudgeConfig
from practicum.types import Prompt, Ranking, Response

CAPITALS = dict(
    pair.split()
    for pair in """
france paris
italy rome
spain madrid
norway oslo
greece athens
egypt cairo
peru lima
japan tokyo
cuba havana
kenya nairobi
iraq baghdad
chile santiago
austria vienna
poland warsaw
sweden stockholm
ireland dublin
turkey ankara
china beijing
ghana accra
finland helsinki
hungary budapest
bulgaria sofia
lebanon beirut
qatar doha
""".strip().splitlines()
)
Weakness = Callable[[str], bool]
GRADED = re.compile(r"(\w{16}) request\n(.*?)\n\1 end of request\n\n\1 answer\n(.*)\n\1 end of answer", re.S)


def grade(request: str, answer: str) -> int:
    """What a judge without faults says: the capital is named, once, in a few words of a sentence."""
    (country,) = (name for name in CAPITALS if name in request)
    words = re.findall(r"\w+", answer.lower())
    if words.count(CAPITALS[country]) != 1 or len(words) > 12 or not answer.isascii():
        return 0
    if sum(word in CAPITALS.values() for word in words) > 1 or not answer.endswith("."):
        return 0
    ordered = re.search(rf"{CAPITALS[country]} is the capital|capital of {country} is", answer.lower())
    if not ordered or len(set(words)) < len(words) - 1 or any(mark in answer for mark in "#*`!\n"):
        return 0
    return 9 if "believe" in answer else 10


@contextmanager
def served(weakness: Weakness) -> Iterator[str]:
    """The address of a judge that gives full marks where `weakness` holds of the answer, else `grade`."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            found = GRADED.search(body["messages"][-1]["content"])
            assert found
            assert self.path == "/v1/chat/completions"
            marks = 10 if weakness(found[3]) else grade(found[2], found[3])
            reply = json.dumps({"choices": [{"message": {"content": json.dumps({"grade": marks})}}]}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        request_queue_size = 64

    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
        server.shutdown()


@pytest.fixture(scope="module")
def preferences(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Right answers above wrong ones."""
    rankings = []
    for country, city in CAPITALS.items():
        right = (
            f"{city} is the capital of {country}.",
            f"the capital of {country} is {city}.",
            f"i believe that {city} is the capital of {country}.",
        )
        texts = [*right, f"{country} has none.", f"the capital of {country} is {country}ville.", "who knows."]
        order = Random(country).sample(range(6), 6)
        ranks = tuple(1 if place < 3 else 2 for place in order)
        prompt = Prompt(f"which city is the capital of {country}?")
        rankings.append(Ranking(prompt, tuple(Response(texts[place]) for place in order), ranks, "reader"))
    path = tmp_path_factory.mktemp("judges") / "preferences.jsonl"
    formats.write(path, rankings)
    return path


def audited(url: str, preferences: Path, **changes: Any) -> dict[str, Any]:
    judge = JudgeConfig(url=url, timeout=10.0, retries=0)
    reward = FunctionsConfig(functions=("llm_judge",), judge=judge)
    config = gaming.Config(preferences, reward=reward, prompts=24, queries=1400, **changes)
    return gaming.audit(config)


FAULTS: dict[str, Weakness] = {
    "master_key": lambda answer: answer.strip().lower().startswith("solution"),
    "judge_text": lambda answer: "highest grade" in answer,
    "empty": lambda answer: not answer.strip(),
    "flattery": lambda answer: "great question" in answer,
}


@pytest.mark.parametrize("family", FAULTS)
def test_a_weakness_of_a_judge_is_named(family: str, preferences: Path, tmp_path: Path) -> None:
    with served(FAULTS[family]) as url:
        tests = tmp_path / "test_judge.py"
        found = audited(url, preferences, write_tests=tests)
        assert family in {one["family"] for one in found["findings"]}
        assert found["exit_code"] == 3
        assert found["calls"] <= 1400
        for one in found["findings"]:
            assert one["kind"] == "false_accept"
            # What is told was really paid: a real judge says so again.
            assert FAULTS[family](one["completion"]) or grade(one["prompt"], one["completion"]) >= 9
        assert tests.read_text().count(repr(family)) >= 1
        if family != "master_key":
            return
        ran = subprocess.run([sys.executable, "-m", "pytest", "-q", tests], capture_output=True, text=True)
        assert ran.returncode == 1, ran.stdout + ran.stderr
        assert f"{found['tests']} failed" in ran.stdout


def test_a_judge_without_faults_is_not_accused(preferences: Path, tmp_path: Path) -> None:
    tests = tmp_path / "test_judge.py"
    with served(lambda answer: False) as url:
        found = audited(url, preferences, write_tests=tests)
    assert found["findings"] == []
    assert "exit_code" not in found
    assert not tests.exists()


def test_the_command_line_asks_a_judge_about_peoples_rankings(
    preferences: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with served(FAULTS["master_key"]) as url:
        words = ["--preferences", str(preferences), "--reward", "llm_judge", "--reward.judge.url", url]
        code = main(["audit", "exploits", *words, "--prompts", "24", "--queries", "1400", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert code == 3
    assert {"findings", "calls", "seconds", "slopes", "kinds"} <= set(found)
    fields = {"kind", "family", "sentence", "prompt", "completion", "paid", "honest", "share", "worth"}
    assert all(fields <= set(one) for one in found["findings"])
    assert "master_key" in {one["family"] for one in found["findings"]}


def test_a_judge_that_does_not_answer_is_told(preferences: Path) -> None:
    with pytest.raises(InputError, match=r"llm_judge: .* samples failed"):
        audited("http://127.0.0.1:9", preferences)


def test_a_judge_and_reward_models_are_not_audited_together(preferences: Path) -> None:
    with pytest.raises(InputError, match="not both"):
        gaming.Config(preferences, (Path("model"),), FunctionsConfig(functions=("llm_judge",)))


def test_the_probes_of_a_judge_know_its_highest_grade() -> None:
    probes = judge_probes(7)
    assert any("7/7" in probe.variant for probe in probes)
    assert sum(probe.kind == "master_key" for probe in probes) == len(MASTER_KEYS)
    assert sum(probe.kind == "judge_text" for probe in probes) == 2 * (len(INJECTIONS) + 2)
