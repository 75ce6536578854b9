"""A user's reward function: every signature, every way to fail, and what a failure costs. Real processes."""

from __future__ import annotations

import ast
import asyncio
import functools
import importlib.util
import inspect
import json
import logging
import math
import os
import re
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from practicum.cli import main
from practicum.data.config import DataConfig
from practicum.errors import InputError
from practicum.reward.bad import BadFunction
from practicum.reward.config import FunctionsConfig, function_names
from practicum.reward.controls import with_control
from practicum.reward.function import FunctionReward, not_json, tell_progress
from practicum.reward.parts import RewardConfig
from practicum.reward.worker import understood
from practicum.tasks.table import load_table
from practicum.types import Prompt, Score

Make = Callable[..., FunctionReward]
# What a completion tells the functions below to do; the number after the word is paid otherwise.
ACT = """
import ctypes, os, sys, time, math
CALLS = 0

class Odd:
    def __float__(self):
        raise RuntimeError("odd")

def act(text):
    word, _, number = text.partition(" ")
    if word == "raise": raise ValueError("no such thing")
    if word == "interrupt": raise KeyboardInterrupt
    if word == "quit": sys.exit(0)
    if word == "exit": os._exit(0)
    if word == "kill": os.kill(os.getpid(), 9)
    if word == "segfault": ctypes.string_at(0)
    if word == "hang":
        while True: pass
    if word == "sleep": time.sleep(60)
    if word == "deep": return act(text)
    if word == "fork" and os.fork() == 0: return 1.0
    if word == "print": print("x" * 3000)
    values = {"nan": math.nan, "inf": math.inf, "huge": 10**400, "text": "1", "list": [1.0], "complex": 1j,
              "odd": Odd(), "bytes": b"1", "large": 1e16}
    return values[word] if word in values else float(number)

def batched(prompts, completions, **columns):
    return [act(one) for one in completions]

def plain(prompt, completion, row):
    return act(completion)

async def waiting(prompt, completion, row):
    return act(completion)

def compute_score(data_source, solution_str, ground_truth, extra_info=None):
    return {"score": act(solution_str)}

def nothing(prompt, completion, row):
    return None if completion == "none" else act(completion)

def counted(completions):
    global CALLS
    CALLS += 1
    return [float(CALLS)] * len(completions)
"""
CHEAP = [
    "raise",
    "interrupt",
    "quit",
    "deep",
    "nan",
    "inf",
    "huge",
    "text",
    "list",
    "complex",
    "odd",
    "bytes",
]
COSTLY = ["exit", "kill", "segfault"]
FUNCTIONS = ["batched", "plain", "waiting", "compute_score"]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("own") / "acts.py"
    path.write_text(ACT)
    return path


@pytest.fixture(scope="module")
def make() -> Iterator[Make]:
    """Makes rewards, and ends their processes."""
    made: list[FunctionReward] = []

    def reward(*functions: str, **changes: Any) -> FunctionReward:
        made.append(FunctionReward(FunctionsConfig(functions=functions, **{"max_failures": 1.0, **changes})))
        return made[-1]

    yield reward
    for one in made:
        one.close()
        assert all(worker.process is None for function in one.functions for worker in function.workers)


def paid(reward: FunctionReward, texts: list[str], **data: Any) -> list[float]:
    return [score.value for score in reward.score([Prompt("p", data)] * len(texts), texts)]


def children() -> set[int]:
    """Processes whose parent this one is."""
    found = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return set(map(int, found))


# --------------------------------------------------------------------------------------------- failures


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("word", [*COSTLY, "raise", "quit", "fork"])
def test_a_failure_costs_its_own_sample_only(make: Make, file: Path, function: str, word: str) -> None:
    reward = make(f"{file}:{function}", on_error=-2.0)
    texts = ["pay 1", "pay 2", word, "pay 3", "print 4", word, "pay 5"]
    scores = reward.score([Prompt("p")] * len(texts), texts)
    wanted = [1.0, 2.0, -2.0, 3.0, 4.0, -2.0, 5.0]
    if word == "fork":  # `fork` without a number is a ValueError of the parent; the child answers nobody
        assert all("ValueError" in scores[place].reason for place in (2, 5))
    assert [score.value for score in scores] == wanted
    assert [score.parts[f"failed/{function}"] for score in scores] == [0, 0, 1, 0, 0, 1, 0]
    assert all(bool(score.reason) == (score.value == -2.0) for score in scores)
    assert paid(reward, ["pay 7"]) == [7.0], "it goes on afterwards"


@pytest.mark.parametrize("function", ["batched", "plain", "waiting"])
def test_a_hang_is_killed_at_the_time_limit(
    make: Make, file: Path, function: str, capfd: pytest.CaptureFixture[str]
) -> None:
    reward = make(f"{file}:{function}", time_limit=0.3)
    assert paid(reward, ["pay 1", "hang", "pay 2"]) == [1.0, 0.0, 2.0]
    told = capfd.readouterr().err
    assert "time limit" in told
    assert "acts.py" in told, "the stack where it hung"


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.one_of(st.sampled_from(CHEAP), st.integers(-9, 9)), min_size=1, max_size=12), st.data())
def test_whatever_fails_the_others_keep_their_places(
    make: Make, file: Path, whats: list[str | int], data: st.DataObject
) -> None:
    function = data.draw(st.sampled_from(FUNCTIONS), label="function")
    reward = _kept(make, f"{file}:{function}")
    texts = [what if isinstance(what, str) else f"pay {what}" for what in whats]
    assert paid(reward, texts) == [-7.0 if isinstance(what, str) else what for what in whats]


KEPT: dict[str, FunctionReward] = {}


def _kept(make: Make, name: str) -> FunctionReward:
    if name not in KEPT:
        KEPT[name] = make(name, on_error=-7.0)
    return KEPT[name]


@pytest.mark.parametrize(
    "body",
    [
        "return [1.0] * (len(completions) - 1)",
        "return [1.0] * (len(completions) + 1)",
        "return []",
        "return None",
        "return 'a' * len(completions)",
        "return {'score': 1.0}",
        "return iter(())",
        "pass",
    ],
)
def test_a_wrong_count_or_type_costs_every_sample_it_was_asked_for(
    make: Make, tmp_path: Path, body: str, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "own.py"
    path.write_text(f"def score(completions):\n    {body} if len(completions) != 1 or True else 0\n")
    if body == "pass":
        path.write_text("def score(completions):\n    pass\n")
    reward = make(f"{path}:score", on_error=None)
    scores = reward.score([Prompt("p")] * 3, ["a", "b", "c"])
    said = capfd.readouterr().err
    failed = [score.parts["failed/score"] for score in scores]
    # A function that returns one number less or more is right where it is asked for a single row, or never.
    assert failed == [1.0] * 3, said
    assert "completions" in said


def test_one_row_that_a_function_drops_costs_that_row(make: Make, tmp_path: Path) -> None:
    path = tmp_path / "own.py"
    path.write_text("def score(completions):\n    return [float(one) for one in completions if one != 'x']\n")
    assert paid(make(f"{path}:score", on_error=-1.0), ["1", "x", "3"]) == [1.0, -1.0, 3.0]


def test_a_failure_is_shown_once_with_its_traceback_and_counted(
    make: Make, file: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    reward = make(f"{file}:plain")
    paid(reward, ["raise", "pay 1", "raise", "raise"])
    reward.close()
    told = capfd.readouterr().err
    assert told.count("Traceback") == 1
    assert told.count("ValueError: no such thing") == 2, "in the line and in the traceback"
    assert "failed on 3 of 4 samples (3 x ValueError)" in told
    assert "worker.py" not in told


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.booleans(), min_size=1, max_size=60), st.sampled_from([0.0, 0.2, 0.5, 0.9, 1.0]))
@example(fails=[False] * 18 + [True, False], most=0.0)
def test_too_many_failures_stop_the_run_with_the_reason(
    make: Make, file: Path, fails: list[bool], most: float
) -> None:
    reward = _kept_with(make, f"{file}:plain", most)
    reward.functions[0].recent.clear()
    texts = ["raise" if one else "pay 1" for one in fails]
    counts = [sum(fails[:end]) for end in range(1, len(fails) + 1)]
    stops = any(count > most * end for end, count in enumerate(counts, 1) if end >= 20)
    stops |= counts[-1] == len(fails) and most < 1
    if stops:
        with pytest.raises(
            InputError, match=r"reward plain: \d+ of its last \d+ samples failed.*no such thing"
        ):
            paid(reward, texts)
    else:
        assert len(paid(reward, texts)) == len(texts)


def _kept_with(make: Make, name: str, most: float) -> FunctionReward:
    key = f"{name} {most}"
    if key not in KEPT:
        KEPT[key] = make(name, max_failures=most)
    return KEPT[key]


def test_what_a_function_prints_is_no_part_of_the_protocol_nor_of_stdout(
    make: Make, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "loud.py"
    path.write_text(
        "import os, sys\ndef score(prompt, completion):\n"
        "    print('{\"rows\": 3}' * 1000); os.write(1, b'\\0' * 100_000); sys.stdout.close()\n"
        "    return 2\n"
    )
    assert paid(make(f"{path}:score"), ["a", "b"])[0] == 2.0
    assert capfd.readouterr().out == ""


# ------------------------------------------------------------------------------------------- processes


def test_no_process_is_left_by_a_run_that_stops_or_is_closed(file: Path) -> None:
    before = children()
    config = FunctionsConfig(functions=(f"{file}:plain", f"{file}:batched"), max_failures=0.0, time_limit=0.3)
    reward = FunctionReward(config)
    with pytest.raises(InputError, match="failed"):
        paid(reward, ["hang"])
    reward.close()
    assert children() == before
    assert len(paid(reward, ["pay 1"])) == 1, "they start again when they are asked"
    del reward
    assert children() == before, "and end with what owns them"


def test_a_function_that_leaves_children_behind_takes_them_along(make: Make, tmp_path: Path) -> None:
    path, noted = tmp_path / "leaves.py", tmp_path / "pids"
    path.write_text(
        "import subprocess, os\ndef score(prompt, completion):\n"
        f"    child = subprocess.Popen(['sleep', '100']); open({str(noted)!r}, 'w').write(str(child.pid))\n"
        "    os._exit(1)\n"
    )
    assert paid(make(f"{path}:score"), ["a"]) == [0.0]
    last = time.monotonic() + 10
    while _lives(int(noted.read_text())) and time.monotonic() < last:
        time.sleep(0.02)
    assert not _lives(int(noted.read_text()))


LEAVES = """
import os, pathlib, subprocess, sys, time
def score(completion):
    note = "import os, pathlib; pathlib.Path(" + repr({noted!r}) + ").open('a').write(str(os.getpid()) + ' ')"
    sleeps = note + "; import time; time.sleep(1000)"
    subprocess.Popen([sys.executable, "-c", sleeps], start_new_session=True)
    subprocess.run(["sh", "-c", 'setsid "$0" -c "$1" & ', sys.executable, sleeps])
    while len(pathlib.Path({noted!r}).read_text().split() if os.path.exists({noted!r}) else "") < 2:
        time.sleep(0.01)
    if completion == "exit": os._exit(3)
    while completion == "hang": time.sleep(1)
    return 1.0
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc and PR_SET_CHILD_SUBREAPER")
@pytest.mark.parametrize("word", ["return", "exit", "hang"])
def test_what_a_function_starts_in_sessions_of_its_own_ends_with_it(
    make: Make, tmp_path: Path, word: str
) -> None:
    noted = tmp_path / "pids"
    (tmp_path / "leaves.py").write_text(LEAVES.format(noted=str(noted)))
    reward = make(f"{tmp_path}/leaves.py:score", time_limit=20.0 if word != "hang" else 5.0)
    assert paid(reward, [word]) == [float(word == "return")]
    reward.close()
    last = time.monotonic() + 10
    while any(map(_lives, map(int, noted.read_text().split()))) and time.monotonic() < last:
        time.sleep(0.02)
    assert [pid for pid in map(int, noted.read_text().split()) if _lives(pid)] == []


def _lives(pid: int) -> bool:
    """Whether a process runs; one that has ended but that init has not taken yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc and PR_SET_PDEATHSIG")
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGKILL])
def test_ctrl_c_and_kill_9_leave_no_worker(tmp_path: Path, ending: signal.Signals) -> None:
    path, noted = tmp_path / "hangs.py", tmp_path / "called"
    path.write_text(
        "import pathlib, time\ndef score(prompt, completion):\n"
        "    import subprocess; child = subprocess.Popen(['sleep', '1000'], start_new_session=True)\n"
        f"    pathlib.Path({str(noted)!r}).write_text(str(child.pid))\n    time.sleep(1000)\n"
    )
    script = textwrap.dedent(
        f"""
        import signal
        # A shell starts its background jobs with interrupts ignored, and Python leaves it so.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        from practicum.reward.config import FunctionsConfig
        from practicum.reward.function import FunctionReward
        from practicum.types import Prompt
        reward = FunctionReward(FunctionsConfig(functions=({f"{path}:score"!r},), time_limit=100))
        print(reward.functions[0].workers[0].process.pid, flush=True)
        reward.score([Prompt("p")], ["text"])
        """
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    worker = int(process.stdout.readline())
    limit = time.monotonic() + 60
    # Python loses an interrupt that comes during an import, and the first call imports.
    while not (noted.exists() and noted.read_text()) and time.monotonic() < limit:
        time.sleep(0.01)
    child = int(noted.read_text())
    assert _lives(worker)
    assert _lives(child)
    process.send_signal(ending)
    process.communicate(timeout=60)
    assert process.returncode != 0
    limit = time.monotonic() + 10
    while (_lives(worker) or _lives(child)) and time.monotonic() < limit:
        time.sleep(0.01)
    assert not _lives(worker)
    assert not _lives(child)


def test_a_state_lasts_and_a_pure_function_is_asked_once_for_equal_samples(make: Make, file: Path) -> None:
    reward = make(f"{file}:counted")
    assert [paid(reward, ["a"]), paid(reward, ["a"])] == [[1.0], [2.0]]
    pure = make(f"{file}:counted", pure=("counted",))
    assert [paid(pure, ["a", "b", "a"]), paid(pure, ["b", "a"]), paid(pure, ["c", "b"])] == [
        [1.0, 1.0, 1.0], [1.0, 1.0], [2.0, 1.0],
    ]  # fmt: skip
    assert paid(pure, ["a"], other="column") == [3.0], "another row is another sample"


@pytest.mark.parametrize("function", ["plain", "batched"])
def test_several_workers_keep_the_order(make: Make, file: Path, function: str) -> None:
    reward = make(f"{file}:{function}", pure=("all",), workers=3)
    texts = [f"pay {number}" for number in range(40)]
    assert paid(reward, texts) == list(map(float, range(40)))


# ------------------------------------------------------------------------------------------- signatures


ARGUMENTS = {
    "trl": ["completions"],
    "verl": ["solution_str"],
    "verl_batched": ["solution_strs"],
    "plain": ["completion"],
}
OTHERS = ["prompts", "prompt", "answer", "row", "data_source", "ground_truth", "extra_info", "label"]


@settings(max_examples=200)
@given(st.sampled_from(sorted(ARGUMENTS)), st.lists(st.sampled_from(OTHERS), unique=True), st.data())
def test_a_signature_is_known_by_its_names_in_any_order(
    kind: str, others: list[str], data: st.DataObject
) -> None:
    names = data.draw(st.permutations([*ARGUMENTS[kind], *others]))
    defaults = data.draw(st.integers(0, len(names)))
    words = [f"{name}=None" if place >= defaults else name for place, name in enumerate(names)]
    words += data.draw(st.sampled_from([[], ["**more"]]))
    namespace: dict[str, Any] = {}
    prefix = data.draw(st.sampled_from(["", "async "]))
    exec(f"{prefix}def score({', '.join(words)}): pass", namespace)
    found = understood(namespace["score"])
    assert (found.kind, found.names, found.open) == (kind, tuple(names), "**more" in words)
    assert found.is_async == bool(prefix)


class Judging:
    """A reward that is an object."""

    def __call__(self, completions: list[str], **columns: Any) -> list[float]:
        return [0.0]


@pytest.mark.parametrize(
    ("function", "kind"),
    [
        (lambda **columns: 0, "trl"),
        (lambda a, b: 0, "plain"),
        (lambda p, c, r: 0, "plain"),
        (lambda p, c, r=None: 0, "plain"),
        (Judging(), "trl"),
        (lambda text: 0, None),
        (lambda: 0, None),
        (lambda a, b, c, d: 0, None),
        (Judging, None),
        (3, None),
    ],
)
def test_functions_without_known_names(function: Any, kind: str | None) -> None:
    if kind:
        assert understood(function).kind == kind
    else:
        with pytest.raises(BadFunction):
            understood(function)


IN_ORDER = [
    ["prompt", "question", "user_query", "problems", "p", "_"],
    ["response", "output_text", "predict_str", "hypothesis", "c"],
    ["row", "example", "extra_info", "r"],
]
GOLDS = [
    "gold",
    "ground_truth",
    "reference",
    "label",
    "expected",
    "target",
    "solution",
    "answer",
    "correct_answer",
]


def of_names(names: list[str]) -> Any:
    """A function with these parameters."""
    namespace: dict[str, Any] = {}
    exec(f"def score({', '.join(names)}): pass", namespace)
    return namespace["score"]


@settings(max_examples=200)
@given(*[st.sampled_from(names) for names in IN_ORDER], st.booleans(), st.integers(0, 2), st.data())
def test_parameters_are_taken_in_order_only_where_their_names_say_so(
    prompt: str, completion: str, row: str, short: bool, place: int, data: st.DataObject
) -> None:
    names = [prompt, completion] if short else [prompt, completion, row]
    assert understood(of_names(names)).places == tuple(names)
    names[min(place, len(names) - 1)] = data.draw(st.sampled_from([*GOLDS, "student", "other"]))
    with pytest.raises(BadFunction, match="call them prompt and completion"):
        understood(of_names(names))
    if len({prompt, completion}) == 2 and len(prompt) > 1:
        with pytest.raises(BadFunction, match="call them prompt and completion"):
            understood(of_names([completion, prompt]))


@pytest.mark.parametrize(
    "names",
    [
        "predict_str ground_truth", "pred gold", "hypothesis reference", "model_answer correct_answer",
        "response_str ground_truth", "text label", "student_answer ground_truth", "response prompt",
        "generated_text reference", "predicted expected", "text question", "output question row",
        "question response answer", "sample item", "x answer",
    ],
)  # fmt: skip
def test_parameters_whose_names_do_not_fit_their_places_are_refused(names: str) -> None:
    with pytest.raises(BadFunction, match="call them prompt and completion") as found:
        understood(of_names(names.split()))
    assert "\n" not in str(found.value)


def test_a_wrapper_that_hides_its_parameters_is_refused_at_the_start() -> None:
    def wrapper(*positional: Any, **named: Any) -> float:
        return 1.0

    with pytest.raises(BadFunction, match=r"functools\.wraps"):
        understood(wrapper)
    assert understood(functools.wraps(of_names(["completions"]))(wrapper)).kind == "trl"


def test_a_column_s_name_for_what_is_passed_in_order_is_refused(make: Make, tmp_path: Path) -> None:
    path = tmp_path / "named.py"
    path.write_text("def of(problem, text): return 1\ndef asked(question, reply): return 1\n")
    prompt = Prompt("p", {"row": {"question": "p", "text": "7"}})
    with pytest.raises(InputError, match="its parameter 'text' is a column of the data"):
        make(f"{path}:of").check(prompt)
    make(f"{path}:asked").check(prompt)
    make(f"{path}:of").check(Prompt("p", {"row": {"question": "p"}}))


SEEN = """
import json
def trl(prompts, completions, answer, **more):
    more.pop("log_extra"); more.pop("log_metric")
    state = more.pop("trainer_state")
    print("SEEN", json.dumps([prompts, completions, answer, more, state.global_step]))
    return [0.0] * len(prompts)
def strict(completions, level):
    print("SEEN", json.dumps([completions, level])); return [0.0] * len(completions)
def plain(prompt, completion, row):
    print("SEEN", json.dumps([prompt, completion, row])); return 0
def column(completion, level):
    print("SEEN", json.dumps([completion, level])); return 0
def compute_score(data_source, solution_str, ground_truth, extra_info):
    print("SEEN", json.dumps([data_source, solution_str, ground_truth, extra_info])); return 0
"""
CHAT = ({"role": "system", "content": "s"}, {"role": "user", "content": "u"})
VERL_ROW = {"data_source": "d", "reward_model": {"ground_truth": "g"}, "extra_info": {"i": 1}}
ROW = {"prompt": "as read", "level": 2, "answer": "A"}


@pytest.mark.parametrize(
    ("function", "prompt", "seen"),
    [
        ("trl", Prompt("p", {"row": ROW}), [["p"], ["c"], ["A"], {"level": [2], "completion_ids": [[5]]}, 4]),
        (
            "trl",
            Prompt("p", {"row": ROW}, CHAT),
            [[list(CHAT)], [[{"role": "assistant", "content": "c"}]], ["A"],
             {"level": [2], "completion_ids": [[5]]}, 4],
        ),
        ("strict", Prompt("p", {"level": 3}), [["c"], [3]]),
        ("plain", Prompt("p", {"row": {"x": 1}, "answer": "7"}), ["p", "c", {"x": 1, "answer": "7"}]),
        ("plain", Prompt("p", {"row": {}}, CHAT), [list(CHAT), "c", {}]),
        ("column", Prompt("p", {"row": ROW}), ["c", 2]),
        ("compute_score", Prompt("p", {"row": ROW}), ["", "c", "A", ROW]),
        ("plain", Prompt("p", {"row": ROW}), ["p", "c", ROW]),
        (
            "compute_score",
            Prompt("p", {"row": VERL_ROW}),
            ["d", "c", "g", {"i": 1}],
        ),
    ],
)  # fmt: skip
def test_a_function_sees_what_its_signature_promises(
    make: Make, tmp_path: Path, function: str, prompt: Prompt, seen: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "seen.py"
    path.write_text(SEEN)
    reward = make(f"{path}:{function}")
    tell_progress(reward, 4, 10)
    reward.score_tokens([prompt], ["c"], [[5]])
    line = next(line for line in capfd.readouterr().err.splitlines() if line.startswith("SEEN"))
    assert json.loads(line[5:]) == seen


WORKED = "She has 16 - 7 = 9, and 9 * 2 = 18.\n#### 1,018"


@pytest.mark.parametrize("column", ["answer", "gold", "ground_truth", "target", "solution"])
def test_rewards_get_the_final_answer_whatever_its_column_is_called(
    make: Make, tmp_path: Path, column: str, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "rows.jsonl").write_text(json.dumps({"question": "How much?", column: WORKED}) + "\n")
    (tmp_path / "seen.py").write_text(SEEN)
    data = DataConfig(file=tmp_path / "rows.jsonl", answer=column)
    prompts = load_table(data, "examination").prompts("test", 1, 0)
    for function, place in (("trl", 2), ("compute_score", 2), ("plain", 2)):
        reward = make(f"{tmp_path}/seen.py:{function}")
        reward.check(prompts[0])
        capfd.readouterr()
        reward.score_tokens(prompts, ["c"], [[5]])
        line = next(line for line in capfd.readouterr().err.splitlines() if line.startswith("SEEN"))
        seen = json.loads(line[5:])[place]
        if function == "plain":
            assert seen[column] == WORKED, "the row is as it was read"
        else:
            assert seen == (["1018"] if function == "trl" else "1018")
    example = Path(__file__).parents[2] / "examples" / "my_reward.py"
    for name in (f"{example}:right", f"{example}:compute_score", "exact_match:#### *(.*)", "math"):
        scores = make(name).score(prompts * 2, ["so\n#### 1018", "so\n#### 18"])
        assert [one.value for one in scores] == [1.0, 0.0], name


def test_a_column_that_is_missing_is_refused_at_the_start(make: Make, tmp_path: Path) -> None:
    path = tmp_path / "seen.py"
    path.write_text(SEEN)
    with pytest.raises(
        InputError,
        match=r"asks for 'level', which is no column of the data; besides the prompt it has: answer",
    ):
        make(f"{path}:strict").check(Prompt("p", {"row": {"answer": 1}}))
    make(f"{path}:strict").check(Prompt("p", {"row": {"level": 1}}))
    path.write_text("def named(completion, ground_truth): return float(completion == ground_truth)\n")
    prompt = Prompt("p", {"row": {"answer": "so\n#### 7"}, "answer": "7"})
    make(f"{path}:named").check(prompt)
    assert [one.value for one in make(f"{path}:named").score([prompt], ["7"])] == [1.0]


no_json = st.one_of(
    st.sets(st.integers(), min_size=1), st.binary(), st.complex_numbers(), st.fractions(), st.dates(),
    st.builds(object), st.just({1: 2, "a": 3}), st.just({(1, 2): 3}),
)  # fmt: skip
plain_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text("aé", max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=2), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=60)
@given(
    st.dictionaries(st.text("ab", max_size=2), plain_json, max_size=3),
    no_json,
    st.lists(st.sampled_from(["row", "list"]), max_size=3),
)
def test_a_value_that_is_no_json_is_named_by_its_field(
    data: dict[str, Any], value: Any, around: list[str]
) -> None:
    assert not_json(data, "data") == ""
    path, inner = "", value
    for one in around:
        inner, path = ({one: inner}, f".{one}{path}") if one == "row" else ([0, inner], f"[1]{path}")
    assert not_json({**data, "field": inner}, "data").startswith(f"data.field{path} ")


def test_a_prompt_that_cannot_be_sent_is_refused_in_one_line(make: Make, file: Path) -> None:
    circle: list[Any] = []
    circle.append(circle)
    for reward in (make(f"{file}:plain"), make(f"{file}:batched", pure=("all",)), make("exact_match")):
        for value, words in (({1}, "is a set"), (circle, "holds itself")):
            bad = Prompt("p", {"answer": "1", "roots": value})
            chat = Prompt("p", {"answer": "1"}, ({"role": "user", "content": "p", "roots": value},))
            for prompt, field in ((bad, "data.roots"), (chat, r"messages(\[0\]\.roots)?")):
                with pytest.raises(InputError, match=f"{field} {words}"):
                    reward.check(prompt)
                with pytest.raises(InputError, match=words):
                    reward.score([Prompt("p", {"answer": "1"}), prompt], ["x 1", "x 1"])
        assert paid(reward, ["x 1"], answer="x 1") == [1.0]


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(*[st.one_of(st.none(), st.floats(-4, 4, width=16))] * 2), min_size=1, max_size=6),
    st.lists(st.floats(-2, 2, width=16), min_size=2, max_size=2),
)
def test_trl_pays_the_same(
    make: Make, tmp_path_factory: pytest.TempPathFactory, rewards: list[tuple[Any, Any]], weights: list[float]
) -> None:
    """Against TRL's own trainer: which arguments a function gets, what None means, and the weighted sum."""
    path = ROOMS.setdefault("trl", tmp_path_factory.mktemp("trl") / "two.py")
    path.write_text(
        "def one(completions, first, **kw): return first\n"
        "async def two(prompts, completions, second, completion_ids, **kw): return second\n"
    )
    namespace: dict[str, Any] = {}
    exec(path.read_text(), namespace)
    inputs = [{"prompt": "p", "first": one, "second": two} for one, two in rewards]
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    functions = [namespace["one"], namespace["two"]]
    trainer = SimpleNamespace(
        accelerator=SimpleNamespace(device="cpu"), reward_funcs=functions, state=None, async_loop=loop,
        reward_processing_classes=[None] * 2, reward_func_names=["one", "two"], environments=None,
        _log_completion_extra=None, _log_metric=None,
    )  # fmt: skip
    ids = [[1]] * len(rewards)
    table = calculation_of_trl()(trainer, inputs, ["p"] * len(rewards), ["c"] * len(rewards), ids)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
    wanted = (table.double() * torch.tensor(weights)).nansum(1)
    reward = make(f"{path}:one", f"{path}:two", weights=dict(zip(("one", "two"), weights, strict=True)))
    prompts = [Prompt("p", {"row": row}) for row in inputs]
    scores = reward.score_tokens(prompts, ["c"] * len(rewards), ids)
    assert [score.value for score in scores] == pytest.approx(wanted.tolist(), abs=1e-6)
    for score, (one, two) in zip(scores, rewards, strict=True):
        assert ("one" in score.parts, "two" in score.parts) == (one is not None, two is not None)
    reward.close()


ROOMS: dict[str, Path] = {}


def calculation_of_trl() -> Callable[..., torch.Tensor]:
    """TRL's own function without the trainer around it, whose import takes longer than all tests here."""
    found = importlib.util.find_spec("trl")
    assert found is not None
    assert found.submodule_search_locations
    path = Path(found.submodule_search_locations[0]) / "trainer" / "grpo_trainer.py"
    [trainer] = [
        node
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef) and node.name == "GRPOTrainer"
    ]
    body = [node for node in trainer.body if getattr(node, "name", "") == "_calculate_rewards"]
    namespace: dict[str, Any] = {
        "torch": torch,
        "nn": torch.nn,
        "asyncio": asyncio,
        "gather": lambda table: table,
        "profiling_context": lambda *_: nullcontext(),
        "profiling_decorator": lambda function: function,
        "is_async_callable": inspect.iscoroutinefunction,
        "logger": logging.getLogger(),
    }
    # `super()` in it is for models as rewards, and has no class here.
    source = ast.unparse(ast.Module(body, [])).replace("super()", "self")
    exec(source, namespace)
    calculation: Callable[..., torch.Tensor] = namespace["_calculate_rewards"]
    return calculation


# ------------------------------------------------------------------------------------------ what it pays


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("True", 1.0),
        ("np.float32(0.5)", 0.5),
        ("np.int64(3)", 3.0),
        ("np.bool_(True)", 1.0),
        ("np.array(0.25)", 0.25),
        ("torch.tensor(0.5)", 0.5),
        ("torch.tensor([2.0])", 2.0),
        ("torch.tensor(True)", 1.0),
        ("Fraction(1, 4)", 0.25),
        ("Decimal('0.5')", 0.5),
    ],
)
def test_numbers_of_any_library_are_rewards(value: str, number: float) -> None:
    from decimal import Decimal
    from fractions import Fraction

    from practicum.reward.worker import number as read

    names = {"np": np, "torch": torch, "Fraction": Fraction, "Decimal": Decimal}
    assert read(eval(value, names)) == number


def test_arrays_are_lists_of_rewards(make: Make, tmp_path: Path) -> None:
    path = tmp_path / "arrays.py"
    path.write_text(
        "import numpy as np\ndef a(completions): return np.arange(len(completions))\n"
        "def b(completions): return (x for x in range(len(completions)))\n"
    )
    assert paid(make(f"{path}:a", f"{path}:b"), ["x", "y", "z"]) == [0.0, 2.0, 4.0]


names = st.sampled_from(["a", "b", "c"])
values = st.floats(-8, 8, width=16)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(names, values, min_size=1),
    st.dictionaries(names, values),
    st.one_of(st.none(), values),
    values,
)
def test_parts_add_up_by_their_weights(
    make: Make,
    tmp_path_factory: pytest.TempPathFactory,
    parts: dict[str, float],
    inner: dict[str, float],
    outer: float | None,
    task: float,
) -> None:
    path = ROOMS.setdefault("parts", tmp_path_factory.mktemp("parts") / "parts.py")
    path.write_text("def score(completion, parts): return parts\n")
    if "parts" not in KEPT:
        KEPT["parts"] = make(f"{path}:score")
    reward = KEPT["parts"]
    weights = {f"score.{name}": weight for name, weight in inner.items()} | {"task": task}
    weights |= {} if outer is None else {"score": outer}
    reward.config = FunctionsConfig(functions=(f"{path}:score",), weights=weights)
    reward.judge = Half()
    score = reward.score([Prompt("p", {"parts": parts})], ["x"])[0]
    total = sum(value * inner.get(name, 1.0) for name, value in parts.items())
    assert score.value == pytest.approx((1.0 if outer is None else outer) * total + 0.5 * task)
    assert score.parts["score"] == pytest.approx(total)
    assert {name: score.parts[f"score.{name}"] for name in parts} == parts
    assert (score.parts["task"], score.solved) == (0.5, True)


class Half:
    """A task that pays everything a half."""

    name = "half"

    def score(self, prompts: Any, texts: Any) -> list[Score]:
        return [Score(0.5, solved=True) for _ in texts]


def test_verls_dict_and_a_score_say_more_than_a_number(make: Make, tmp_path: Path) -> None:
    path = tmp_path / "more.py"
    path.write_text(
        "from practicum.types import Score\n"
        "def compute_score(solution_str, ground_truth):\n"
        "    return {'score': 0.5, 'acc': solution_str == 'b', 'pred': 'text', 'steps': 3}\n"
        "def own(prompt, completion, row):\n"
        "    return Score(1.5, solved=False, outcome='wrong', reason='because', parts={'x': 2.0})\n"
        "def logs(completions, log_metric, log_extra):\n"
        "    log_metric('mean', 3); log_extra('each', [4, 5]); return [0, 0]\n"
    )
    one, two = make(f"{path}:compute_score").score([Prompt("p")] * 2, ["a", "b"])
    assert (one.value, one.solved, two.solved) == (0.5, False, True)
    assert one.parts == {"compute_score": 0.5, "compute_score.acc": 0.0, "compute_score.steps": 3.0,
                         "failed/compute_score": 0.0}  # fmt: skip
    score = make(f"{path}:own").score([Prompt("p")], ["a"])[0]
    assert (score.value, score.solved, score.outcome, score.reason) == (1.5, False, "wrong", "because")
    assert score.parts["own.x"] == 2.0
    scores = make(f"{path}:logs").score([Prompt("p")] * 2, ["a", "b"])
    assert [(one.parts["logs.mean"], one.parts["logs.each"]) for one in scores] == [(3.0, 4.0), (3.0, 5.0)]


def test_what_is_logged_and_is_no_number_is_left_out_and_said_once(
    make: Make, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "logs.py"
    path.write_text(
        "import numpy as np\ndef logs(completions, log_metric, log_extra):\n"
        "    log_metric('a', float('nan')); log_metric('b', 'text'); log_metric('c', np.float32(0.5))\n"
        "    log_extra('d', [np.int64(3), float('inf')]); log_extra('e', completions)\n"
        "    return [1.0] * len(completions)\n"
    )
    reward = make(f"{path}:logs")
    for _ in range(2):
        one, two = reward.score([Prompt("p")] * 2, ["x", "y"])
        assert (one.value, two.value) == (1.0, 1.0)
        assert one.parts == {"logs": 1.0, "logs.c": 0.5, "logs.d": 3.0, "failed/logs": 0.0}
        assert two.parts == {"logs": 1.0, "logs.c": 0.5, "failed/logs": 0.0}
    told = capfd.readouterr().err
    for name in ("log_metric a", "log_metric b", "log_extra d", "log_extra e"):
        assert told.count(f"practicum: {name}: ") == 1


def test_weights_of_parts_that_are_not_paid_are_refused_or_told(
    make: Make, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "weighed.py"
    path.write_text(
        "def verl(solution_str): return {'score': 1.0, 'acc': 1}\n"
        "def logs(completions, log_metric):\n    log_metric('m', 1.0)\n    return [1.0] * len(completions)\n"
        "def parts(completion): return {'a': 1.0}\n"
    )
    for name in ("verl.acc", "verl.absent", "logs.m"):
        function = name.partition(".")[0]
        with pytest.raises(InputError, match=f"reward.weights.{name}: {function} returns a number"):
            paid(make(f"{path}:{function}", weights={name: 5.0}), ["x"])
    reward = make(f"{path}:parts", weights={"parts.a": 2.0, "parts.absent": 5.0})
    assert [paid(reward, ["x"]), paid(reward, ["x"])] == [[2.0], [2.0]]
    assert capfd.readouterr().err.count("reward.weights.parts.absent: parts has returned no such part") == 1


@pytest.mark.parametrize("put", ["None", "object()", "open('/dev/full', 'w')"])
def test_whatever_stands_for_stdout_costs_no_answer(make: Make, tmp_path: Path, put: str) -> None:
    path = tmp_path / "own.py"
    path.write_text(f"import sys\ndef score(completion):\n    sys.stdout = {put}\n    return 2.0\n")
    reward = make(f"{path}:score")
    assert [paid(reward, ["a", "b"]), paid(reward, ["c"])] == [[2.0, 2.0], [2.0]]
    assert reward.failed() == {"score": 0}


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ("ValueError('first\\nsecond')", r"ValueError: first second \(own.py, line 2\)"),
        ("ValueError('\\n')", r"ValueError: \(own.py, line 2\)"),
        ("SyntaxError('no')", r"SyntaxError: no \(own.py, line 2\)"),
        ("KeyError('a')", r"KeyError: 'a' \(own.py, line 2\)"),
    ],
)
def test_an_exception_is_told_by_its_kind_and_all_that_it_says(
    make: Make, tmp_path: Path, error: str, words: str
) -> None:
    path = tmp_path / "own.py"
    path.write_text(f"def score(completion):\n    raise {error}\n")
    assert re.fullmatch(f"score: {words}", make(f"{path}:score").score([Prompt("p")], ["a"])[0].reason)


# ------------------------------------------------------------------------------------------------ settings


def test_functions_are_named_apart() -> None:
    assert function_names(("a.py:score", "b.py:score", "c.d:other")) == ("a.score", "b.score", "other")
    assert function_names(("a.py:length", "length", "format:x", "format:y")) == (
        "a.length", "length", "format1", "format2",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"functions": ("own.py",)}, "name a function of the file"),
        ({"functions": ("nonsense",)}, "expected FILE.py:function"),
        ({"functions": ("a b:c",)}, "neither a file"),
        ({"functions": ("a.py:f", "a.py:f")}, "listed 2 times"),
        ({"functions": ("x/a.py:f", "y/a.py:f")}, "would be called a.f"),
        ({"functions": ("a.py:f",), "weights": {"g": 1.0}}, "unknown part 'g'"),
        ({"functions": ("a.py:f",), "pure": ("g",)}, "unknown function 'g'"),
        ({"functions": ("a.py:f",), "time_limit": 0.0}, "time_limit"),
        ({"functions": ("a.py:f",), "max_failures": 1.5}, "max_failures"),
    ],
)
def test_settings_that_make_no_sense_are_refused(changes: dict[str, Any], words: str) -> None:
    for kind in (FunctionsConfig, RewardConfig):
        with pytest.raises(InputError, match=words):
            kind(**changes)


@pytest.mark.parametrize(
    ("source", "function", "words"),
    [
        ("def f(x): pass", "f", "expected .prompts, completions"),
        ("def f(completions): pass", "g", "has no function 'g'; it has f"),
        ("1 / 0", "f", r"ZeroDivisionError: division by zero \(own.py, line 1\)"),
        ("def f(:", "f", r"SyntaxError: .*\(own.py, line 1\)"),
        ("\n\nimport broken_neighbour", "f", r"SyntaxError: .*\(broken_neighbour.py, line 2\)"),
        ("import sys; sys.exit(0)", "f", "SystemExit"),
        ("import os; os._exit(0)", "f", "ended its process"),
        ("import nonsense_that_is_not_there", "f", "ModuleNotFoundError"),
        ("f = 3", "f", "is a int, not a function"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_line(
    tmp_path: Path, source: str, function: str, words: str
) -> None:
    path = tmp_path / "own.py"
    path.write_text(source)
    (tmp_path / "broken_neighbour.py").write_text("x = 1\ndef f(:\n")
    before = children()
    with pytest.raises(InputError, match=words) as found:
        FunctionReward(FunctionsConfig(functions=(f"{path}:{function}",)))
    assert "\n" not in str(found.value)
    assert str(found.value).startswith(f"reward {path}:{function}: ")
    assert children() == before
    with pytest.raises(InputError, match="there is no file"):
        FunctionReward(FunctionsConfig(functions=(f"{tmp_path}/other.py:f",)))


def test_a_file_may_import_its_neighbours_and_be_called_like_a_module_of_python(
    make: Make, tmp_path: Path
) -> None:
    (tmp_path / "neighbour.py").write_text("VALUE = 4.0\n")
    (tmp_path / "json.py").write_text("from neighbour import VALUE\ndef f(completion): return VALUE\n")
    assert paid(make(f"{tmp_path}/json.py:f"), ["a"]) == [4.0]


# ------------------------------------------------------------------------------------------------ a run


SMALL = [
    "--prompts_per_step=4", "--group_size=2", "--sampling.max_new_tokens=8", "--loop.threads=1",
    "--dtype=float32", "--sampling.dtype=float32", "--loop.checkpoint_every=1",
]  # fmt: skip
OWN = """
import os
def letters(completions, **columns):
    return [len(set(one)) / 8 for one in completions]
def fails(prompt, completion, row):
    if len(completion) % 2: os._exit(1)
    return {"short": -len(completion), "any": bool(completion)}
"""
# The run ends in its second step, after one checkpoint, as where its reward becomes useless.
STOPS = """
def letters(completions, trainer_state, **columns):
    if trainer_state.global_step:
        os._exit(1)
    return [len(set(one)) / 8 for one in completions]
"""


def run_rows(folder: Path) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{key: one for key, one in row.items() if not key.endswith("seconds")} for row in rows]


def test_a_run_practises_against_functions_and_resumes_bit_for_bit(
    untrained_model: Path, tmp_path: Path
) -> None:
    path = tmp_path / "own.py"
    path.write_text(OWN)
    words = [
        "rl",
        "--model",
        str(untrained_model),
        "--reward",
        f"{path}:letters",
        "--reward",
        f"{path}:fails",
    ]
    words += ["--reward", "length", "--reward.weights.length", "-0.5", "--reward.max_failures", "0.3", *SMALL]
    # Enough samples of a step that it is stopped within the one in which the function dies.
    words += ["--prompts_per_step=12"]
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    before = children()
    assert main([*words, "--loop.steps=3", "--run", str(whole)]) == 0
    rows = run_rows(whole)
    wanted = {
        "reward/letters",
        "reward/fails",
        "reward/length",
        "reward/failed/fails",
        "reward/task",
        "solved",
    }
    assert wanted <= rows[0].keys()
    stopped = tmp_path / "own.py"
    stopped.write_text(OWN + STOPS)
    assert main([*words, "--loop.steps=3", "--run", str(broken)]) == 2
    path.write_text(OWN)
    assert main(["rl", "--run", str(broken), "--resume"]) == 0
    assert run_rows(broken) == rows
    assert children() == before
    sample = json.loads((whole / "samples.jsonl").read_text().splitlines()[0])
    assert {"letters", "fails", "length"} <= sample["parts"].keys()


def test_a_run_whose_function_always_fails_stops_with_the_reason(
    untrained_model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "own.py"
    path.write_text("def score(completions, **columns):\n    return [one.nonsense for one in completions]\n")
    words = ["rl", "--model", str(untrained_model), "--reward", f"{path}:score", *SMALL, "--loop.steps=2"]
    assert main([*words, "--run", str(tmp_path / "run")]) == 2
    last = capfd.readouterr().err.splitlines()[-1]
    assert "samples failed" in last
    assert "AttributeError: 'str' object has no attribute 'nonsense' (own.py, line 2)" in last


def test_an_examination_is_judged_by_functions(
    untrained_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "own.py").write_text(OWN)
    (tmp_path / "rows.jsonl").write_text('{"prompt": "a", "answer": "1"}\n{"prompt": "b", "answer": "2"}\n')
    words = ["eval", "--model", str(untrained_model), "--data", str(tmp_path / "rows.jsonl"), "--json"]
    words += ["--reward", f"{tmp_path}/own.py:letters", "--sampling.max_new_tokens=8", "--threads=1"]
    assert main(words) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["reward"]["mean"] == found["reward"]["parts"]["letters"] > 0
    assert found["reward"]["parts"]["failed/letters"] == 0.0


def test_a_control_replaces_functions_too(make: Make, file: Path) -> None:
    reward = with_control(make(f"{file}:plain"), "random", 0)
    scores = reward.score([Prompt("p")] * 8, [f"pay {number}" for number in range(8)])
    assert {score.value for score in scores} == {0.0, 1.0}
    assert [score.parts["true"] for score in scores] == list(map(float, range(8)))
    assert not math.isnan(scores[0].value)
