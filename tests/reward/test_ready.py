"""The ready-made rewards: what each pays, and that nothing but right code passes tests of code."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import BaseRequestHandler, TCPServer
from textwrap import indent
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from practicum.data.asked import text_of
from practicum.data.cells import as_written
from practicum.data.config import DataConfig
from practicum.errors import InputError
from practicum.reward import harness, python_tests
from practicum.reward.bad import BadFunction, BadReward
from practicum.reward.config import READY, FunctionsConfig, JudgeConfig
from practicum.reward.function import FunctionReward, with_functions
from practicum.reward.json_text import check_schema, equal, fits, parsed
from practicum.reward.judge import grade_in, messages_of
from practicum.reward.python_tests import code_of, run_tests
from practicum.reward.ready import FACTORIES, ready_made
from practicum.tasks.table import load_table
from practicum.types import Prompt, Score

words = st.text("ab \n<>", max_size=12)


def score(reward: str, texts: list[str], **changes: Any) -> list[Score]:
    """What a ready-made reward says of texts, in its real process."""
    data = changes.pop("data", {})
    given = FunctionReward(FunctionsConfig(functions=(reward,), **{"max_failures": 1.0, **changes}))
    try:
        return given.score([Prompt("p", data)] * len(texts), texts)
    finally:
        given.close()


def test_every_name_has_a_factory() -> None:
    assert set(FACTORIES) == set(READY)


@settings(max_examples=100)
@given(words, words)
def test_exact_match_pays_equal_words_and_nothing_else(text: str, answer: str) -> None:
    match = ready_made("exact_match", "", {})
    assert match(text, answer) == float(text.split() == answer.split())


@settings(max_examples=100)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=4), st.integers(0, 3))
def test_exact_match_by_an_expression_wants_one_answer(found: list[int], answer: int) -> None:
    match = ready_made("exact_match", r"#### *(-?\d+)", {})
    text = "so\n" + "\n".join(f"#### {one}" for one in found)
    assert match(text, str(answer)) == float(set(found) == {answer})
    assert match("0 1 2 3", str(answer)) == 0.0


@settings(max_examples=100)
@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers() | st.booleans() | words)
def test_a_number_is_written_alike_wherever_it_is_an_answer(answer: Any) -> None:
    whole = isinstance(answer, float) and answer == int(answer)
    text = as_written(answer)
    assert text == (str(int(answer)) if whole else str(answer))
    assert ready_made("exact_match", "", {})(text, answer) == 1.0
    assert ready_made("exact_match", "^so (.*)$", {})(f"so {text}", answer) == 1.0
    if not isinstance(answer, (str, bool)):
        assert text_of(answer, "here") == text
        assert float(text) == float(answer)


def test_a_column_of_floats_is_paid_as_people_write_its_numbers(tmp_path: Path) -> None:
    path = tmp_path / "svamp.json"
    rows = [
        {"ID": str(row), "Body": f"It costs {answer}.", "Question": "How much?", "Answer": answer}
        for row, answer in enumerate((51.0, 1.0, 2.5, -3.0))
    ]
    path.write_text(json.dumps(rows))
    table = load_table(DataConfig(file=path), "examination")
    prompts = table.prompts("test", len(rows), 0)
    given = FunctionReward(FunctionsConfig(functions=("exact_match",)))
    golds = [f"{prompt.data['answer']:g}" for prompt in prompts]
    assert [score.value for score in given.score(prompts, golds)] == [1.0] * len(rows)
    assert [score.value for score in given.score(prompts, golds[1:] + golds[:1])] == [0.0] * len(rows)
    given.close()


@pytest.mark.parametrize(
    ("reward", "text", "paid"),
    [
        ("format", "<think>a\nb</think> 1", 1.0),
        ("format", "x <think>a</think> 1", 0.0),
        ("format", "<think>a</think> 1 <think>", 0.0),
    ],
)
def test_format_is_of_the_whole_text(reward: str, text: str, paid: float) -> None:
    assert ready_made(reward, r"<think>.*</think> \d", {})(text) == paid


@settings(max_examples=50)
@given(st.integers(0, 60), st.integers(1, 30), st.integers(0, 30))
def test_length_is_full_inside_its_range_and_falls_outside(count: int, low: int, more: int) -> None:
    high = low + more
    paid = ready_made("length", f"{low}-{high}", {})("w " * count)
    assert 0 <= paid <= 1
    assert (paid == 1) == (low <= count <= high)


@pytest.mark.parametrize(
    ("name", "argument"),
    [("format", ""), ("format", "("), ("length", "5"), ("length", "9-3"), ("json_schema", "no.json"),
     ("python_tests", "x"), ("exact_match", "[")],
)  # fmt: skip
def test_arguments_that_make_no_sense_are_refused(name: str, argument: str) -> None:
    with pytest.raises(BadFunction):
        ready_made(name, argument, {"max_new_tokens": 5, "time_limit": 1.0})


def test_a_regular_expression_without_end_costs_the_sample() -> None:
    one, two = score("format:(a+)+b", ["a" * 60, "aab"], time_limit=0.5)
    assert (one.parts["failed/format"], two.value) == (1.0, 1.0)


# ------------------------------------------------------------------------------------------------- JSON


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(-5, 5, width=16) | st.text("ab", max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=2), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=100)
@given(json_values, st.booleans())
def test_what_json_writes_is_parsed_alone_or_fenced_and_fits_itself_only(value: Any, fenced: bool) -> None:
    text = json.dumps(value)
    text = f"```json\n{text}\n```" if fenced else f" {text}\n"
    found = parsed(text)
    assert equal(found, value)
    assert fits(found, {"const": value}, {})
    assert not fits(found, {"not": {"enum": [value]}}, {})
    with pytest.raises(ValueError, match="Expecting value"):
        parsed(f"Here it is: {text}")


SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 2, "pattern": "^[a-z]+$"},
        "age": {"$ref": "#/$defs/age"},
        "tags": {"type": "array", "items": {"enum": ["x", "y"]}, "uniqueItems": True, "maxItems": 2},
    },
    "required": ["name", "age"],
    "additionalProperties": False,
    "$defs": {"age": {"type": "integer", "minimum": 0, "exclusiveMaximum": 200}},
}


@pytest.mark.parametrize(
    ("text", "paid"),
    [
        ('{"name": "ann", "age": 3}', 1),
        ('{"name": "ann", "age": 3.0, "tags": ["x", "y"]}', 1),
        ('{"name": "ann", "age": 3} ', 1),
        ('{"name": "a", "age": 3}', 0),
        ('{"name": "ann", "age": true}', 0),
        ('{"name": "ann", "age": 200}', 0),
        ('{"name": "ann", "age": 3, "tags": ["x", "x"]}', 0),
        ('{"name": "ann", "age": 3, "more": 1}', 0),
        ('{"name": "ann", "age": 3, "age": 4}', 0),
        ('{"name": "ann", "age": NaN}', 0),
        ('{"name": "ann", "age": 1e999}', 0),
        ("[" * 100_000, 0),
        ("", 0),
    ],
)
def test_json_schema_pays_texts_that_fit(text: str, paid: int) -> None:
    assert ready_made("json_schema", "", {})(text, SCHEMA) == paid
    assert ready_made("json_schema", "", {})(text, json.dumps(SCHEMA)) == paid


@settings(max_examples=200)
@given(st.integers(-(10**6), 10**6), st.integers(1, 2000), st.integers(0, 5))
def test_multiples_are_those_of_the_numbers_as_written(count: int, step: int, places: int) -> None:
    def written(number: int) -> str:
        return f"{Decimal(number).scaleb(-places):f}"

    schema = f'{{"multipleOf": {written(step)}}}'
    judge = ready_made("json_schema", "", {})
    assert judge(written(count * step), schema) == 1.0
    assert judge(written(count), schema) == float(count % step == 0)


@pytest.mark.parametrize("mark", ["```", "```json", "```JSON", "```Json  "])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_a_fence_is_read_in_any_case_and_with_any_ending(mark: str, ending: str) -> None:
    assert parsed(ending.join([mark, '{"a": 1}', "```"])) == {"a": 1}


FAULTY = [
    ({"$ref": "#/$defs/nope"}, "points at nothing"),
    ({"$ref": "#name"}, "points at nothing"),
    ({"required": "a"}, "expected a list of names"),
    ({"minItems": "2"}, "expected a whole number from 0"),
    ({"minimum": "a"}, "expected a number"),
    ({"multipleOf": 0}, "expected a number above 0"),
    ({"enum": "abc"}, "expected a list"),
    ({"type": None}, "expected a name"),
    ({"properties": []}, "expected an object"),
    ({"anyOf": {}}, "expected a list of schemas"),
    ({"pattern": 5}, "expected a text"),
    ({"items": [{}]}, "expected an object"),
    ({"patternProperties": {"(": {}}}, "unterminated"),
    ("no schema", "Expecting value"),
    (None, "expected an object"),
]


@pytest.mark.parametrize(("schema", "words"), FAULTY)
def test_a_faulty_schema_of_a_row_is_told_before_the_run(schema: Any, words: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    rows = [{"prompt": "p", "schema": {"type": "object"}}, {"prompt": "q", "schema": schema}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    task = load_table(DataConfig(file=path), "examination")
    config = FunctionsConfig(functions=("json_schema",))
    with pytest.raises(InputError, match=f"rows.jsonl:2: schema.*{words}") as found:
        with_functions(config, task, None, {}, "test")
    assert "\n" not in str(found.value)
    with pytest.raises(BadReward, match=words):
        ready_made("json_schema", "", {})("{}", schema)


@pytest.mark.parametrize(
    "schema",
    [{"tpye": "string"}, {"type": "text"}, {"properties": {"a": {"minimun": 1}}}, {"pattern": "("}, 3],
)
def test_a_schema_with_a_word_that_is_not_known_is_refused(schema: Any) -> None:
    with pytest.raises(ValueError, match="schema"):
        check_schema(schema)


# ------------------------------------------------------------------------------------------- Python tests


ADD = "def add(a, b):\n    return a + b\n"
ASSERTS = "assert add(1, 2) == 3\nassert add(2, 2) == 4\n"


@pytest.mark.parametrize(
    ("code", "tests"),
    [
        (ADD, ASSERTS),
        ("import numpy as np\ndef add(a, b): return np.float64(a + b)", ASSERTS),
        ("def add(values): values.sort()", "given = [3, 1]\nadd(given)\nassert given == [1, 3]"),
        ("def add(n):\n    for i in range(n): yield i", "assert list(add(3)) == [0, 1, 2]"),
        ("def add(f, x): return f(x)", "assert add(lambda x: x + 1, 3) == 4"),
        ("def add(a): return 10 ** a", "assert add(5000) == 10 ** 5000"),
        (ADD, "def test_one():\n    assert add(1, 1) == 2"),
        (ADD, "def check(candidate):\n    assert candidate(1, 2) == 3"),
        (
            "class Stack:\n    def __init__(self): self.items = []\n"
            "    def push(self, x): self.items.append(x)\n"
            "    def pop(self): return self.items.pop()\n    def __len__(self): return len(self.items)",
            "s = Stack()\ns.push(4)\nassert len(s) == 1 and s.pop() == 4 and isinstance(s, Stack)\n"
            "try:\n    s.pop()\n    assert False\nexcept IndexError:\n    pass",
        ),
    ],
)  # fmt: skip
def test_right_code_passes(code: str, tests: str) -> None:
    assert run_tests(code, [tests], "add", 10.0) == (1, "correct", "")


CHEATS = {
    "wrong": "def add(a, b): return a - b",
    "exit at once": "import sys; sys.exit(0)",
    "exit": "import sys\ndef add(a, b): sys.exit(0)",
    "hard exit": "import os\ndef add(a, b): os._exit(0)",
    "equal to all": "class E:\n    __eq__ = lambda s, o: True\n    __ne__ = lambda s, o: False\n"
    "def add(a, b): return E()",
    "equal number": "class E(int):\n    __eq__ = lambda s, o: True\n    __hash__ = int.__hash__\n"
    "def add(a, b): return E(7)",
    "patched": "import builtins\nbuiltins.AssertionError = None\ndef add(a, b): return 0",
    "prints": "print('3'); print('OK'); print('1 passed')",
    "a frame away": "import sys\ndef add(a, b):\n    f = sys._getframe()\n    while f:\n"
    "        f.f_globals['passed'] = 1; f = f.f_back\n    return 0",
    "sends a reply": "import os\ndef add(a, b):\n    for fd in range(3, 30):\n        try:\n"
    "            os.write(fd, b'\\0\\0\\0\\x0d{\"value\": 3}\\n')\n"
    "        except OSError: pass\n    return 0",
    "hang": "def add(a, b):\n    while True: pass",
    "memory": "def add(a, b):\n    x = [0] * (1 << 30)\n    return a + b",
    "kill": "import os\ndef add(a, b):\n    os.kill(os.getppid(), 9)\n    return 0",
    "syntax": "def add(:",
    "nothing": "",
}


@pytest.mark.parametrize("name", CHEATS)
def test_nothing_but_the_code_passes(name: str) -> None:
    passed, outcome, _ = run_tests(CHEATS[name], [ASSERTS], "add", 2.0)
    assert passed == 0
    assert outcome in ("wrong", "ended", "timeout")


MOCKED = "from unittest.mock import Mock\nm = Mock()\nf(m)\nm.assert_called_once_with(3)\nassert m.called"
SKIPPED = (
    "import unittest\nimport numpy as np\nclass T(unittest.TestCase):\n"
    "    def test_a(self): self.assertTrue(True)\n    def test_b(self): np.testing.assert_allclose(f(2), 4)"
)
CAUGHT = "try:\n    f(-1)\n    assert False\nexcept MyError:\n    pass"
BEYOND = {
    "sets the mock up": (
        "def f(m): m.configure_mock(assert_called_once_with=lambda *a, **k: None, called=True)", MOCKED),
    "sets the mock's class up": (
        "def f(m): m.configure_mock(**{'__class__.__base__.assert_called_once_with': int})", MOCKED),
    "says that the mock was called": ("def f(m):\n    m.called = True\n    m.attach_mock(m.a, 'b')", MOCKED),
    "skips": ("class SkipTest(Exception): __module__ = 'numpy.testing'\ndef f(x): raise SkipTest", SKIPPED),
    "skips the module": (
        "class SkipTest(Exception): __module__ = 'numpy.testing'\ndef setUpModule(): raise SkipTest\n"
        "def f(x): return 0", f"{SKIPPED}\nassert callable(f)"),
    "an error of all kinds": (
        "class error(Exception): pass\nerror.__module__ = 'numpy._core.umath'\nMyError = error\n"
        "def f(x): return 0", f"import numpy\n{CAUGHT}"),
    "infinite": ("import numpy as np\ndef f(x): return np.float16('inf')", "assert f(10) == 3628800"),
    "narrow": ("import numpy as np\ndef f(x): return np.float16(2048)", "assert f(10) == 2049"),
    "infinite items": (
        "import numpy as np\ndef f(x): return np.array([np.inf], 'f4')", "assert (f(1) == 10.0 ** 39).all()"),
    "ends a loop": (
        "class N:\n    @property\n    def val(self): raise StopIteration\ndef f(): return [N(), N()]",
        "assert all(map(lambda n: n.val == 7, f()))"),
    "formats": (
        "def f(fmt, p):\n    try: fmt('{0.same.__globals__[secret]}', p)\n"
        "    except Exception as error: return 42 if isinstance(error, TypeError) else 0\n    return 42",
        "secret = 42\nclass P:\n    def same(self): return 1\nassert f(str.format, P()) == 41"),
}  # fmt: skip


@pytest.mark.parametrize("name", BEYOND)
def test_code_reaches_nothing_of_the_tests_that_judges_it(name: str) -> None:
    code, tests = BEYOND[name]
    assert run_tests(code, [tests], None, 10.0)[:2] == (0, "wrong")
    # Nor does it leave anything behind for the next.
    assert run_tests("def f(m): pass", [MOCKED], None, 10.0)[:2] == (0, "wrong")
    assert run_tests("def f(m): m(3)", [MOCKED], None, 10.0)[:2] == (1, "correct")


def test_a_case_that_is_passed_to_the_code_cannot_be_judged() -> None:
    tests = (
        "import unittest\nassert True\nclass T(unittest.TestCase):\n"
        "    def test_a(self): self.assertEqual(f(self), 5)"
    )
    with pytest.raises(BadReward, match="could skip it"):
        run_tests("def f(t): t.skipTest('x')", [tests], None, 10.0)


@pytest.mark.parametrize("code", ["math.isclose = lambda *a: True", "math.fabs = lambda x: 0.0"])
def test_modules_and_builtins_of_the_tests_are_their_own(code: str) -> None:
    code = f"import math\n{code}\ndef all(x): return True\ndef abs(x): return 0\ndef add(a, b): return 0.0\n"
    for test in (
        "assert math.isclose(add(1, 2), 3)",
        "assert all([add(1, 2) == 3])",
        "assert abs(add(1, 2) - 3) < 1",
    ):
        assert run_tests(code, [test], None, 10.0)[0] == 0


def test_an_object_learns_no_number_that_it_must_be() -> None:
    code = (
        "class E:\n    def __getattr__(self, name): raise AttributeError(name)\n"
        + "".join(
            f"    def __{name}__(self, *other): return {value}\n"
            for name, value in (
                ("sub", 0.0),
                ("rsub", 0.0),
                ("abs", 0.0),
                ("lt", True),
                ("gt", True),
                ("le", True),
            )
        )
        + "def add(a, b): return E()\n"
    )
    for test in ("assert abs(add(1, 2) - 3) < 1e-6", "assert 2 < add(1, 2) < 4", "assert add(1, 2) in (3,)"):
        assert run_tests(code, [test], None, 10.0)[0] == 0


@pytest.mark.parametrize(
    "name", ["venv.__main__", "unittest.__main__", "this", "antigravity", "idlelib.idle"]
)
def test_no_name_of_the_code_s_is_imported_outside_its_process(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(harness, "import_module", lambda name: asked.append(name))
    code = f"import types, math\nm = types.ModuleType({name!r})\n{ADD}"
    assert run_tests(code, ["assert add(1, 2) == 3"], None, 10.0) == (1, "correct", "")
    assert asked == ["math"]


@pytest.mark.parametrize("test", ["math.isclose(add(1, 2), 4)", "np.allclose(add(1, 2), 4)"])
def test_no_class_of_the_code_s_stands_for_a_module_that_tests_use(test: str) -> None:
    code = "class math:\n    isclose = allclose = lambda *a: True\nnp = math\n" + ADD
    assert run_tests(code, [f"assert {test}"], None, 10.0)[:2] == (0, "wrong")
    assert run_tests(ADD, [f"assert not {test}"], None, 10.0)[:2] == (1, "correct")
    own = "class random:\n    value = lambda: 4"
    assert run_tests(own, ["assert random.value() == 4"], None, 10.0)[0] == 1, "no module has that"


HELD = {
    "unittest": "import unittest\nclass {name}(unittest.TestCase):\n    def test_it(self):\n        {body}",
    "unittest by name": "from unittest import TestCase, main\nclass {name}(TestCase):\n    def setUp(self):\n"
    "        self.x = 2\n    def test_it(self):\n        assert self.x == 2\n        {body}\n"
    "    def tearDown(self):\n        del self.x\nif __name__ == '__main__':\n    main()",
    "main": "import unittest\nclass {name}(unittest.TestCase):\n    def test_it(self):\n        {body}\n"
    "unittest.main()",
    "inherited": "import unittest\nclass Base:\n    def test_it(self):\n        {body}\n"
    "class {name}(Base, unittest.TestCase): pass",
    "subtests": "import unittest\nclass {name}(unittest.TestCase):\n    def test_it(self):\n"
    "        with self.subTest('one'):\n            {body}",
    "tearDown": "import unittest\nclass {name}(unittest.TestCase):\n    def tearDown(self):\n        {body}\n"
    "    def test_it(self): pass",
    "setUpClass": "import unittest\nclass {name}(unittest.TestCase):\n    @classmethod\n"
    "    def setUpClass(cls):\n        {body}\n    def test_it(self): pass",
    "setUpModule": "import unittest\ndef setUpModule():\n    {body}\nclass {name}(unittest.TestCase):\n"
    "    def test_it(self): pass",
    "async case": "import unittest\nclass {name}(unittest.IsolatedAsyncioTestCase):\n"
    "    async def test_it(self):\n        {body}",
    "pytest": "class Test{name}:\n    def setup_method(self): self.x = 2\n    def test_it(self):\n"
    "        assert self.x == 2\n        {body}",
    "static": "class Test{name}:\n    @staticmethod\n    def test_it():\n        {body}",
    "teardown_method": "class Test{name}:\n    def teardown_method(self, method):\n        {body}\n"
    "    def test_it(self): pass",
    "setup_module": "def setup_module():\n    {body}\ndef test_it(): pass",
    "function": "def test_{name}():\n    {body}",
    "function test": "def test():\n    {body}",
    "async function": "async def test_{name}():\n    {body}",
    "check": "def check(candidate):\n    {body}",
    "check is called": "def check(candidate):\n    {body}\ncheck(add)",
    "helper": "def test_it(a, b):\n    {body}\ntest_it(1, 2)",
    "asserts": "for one in (1, 2):\n    {body}",
}
BODIES = (
    "assert add(1, 2) == 3",
    "if add(1, 2) != 3: raise ValueError",
    "import unittest; unittest.TestCase().assertEqual(add(1, 2), 3)",
)


@pytest.mark.parametrize("held", HELD)
def test_tests_are_run_wherever_they_are_held(held: str) -> None:
    programs = [HELD[held].format(name="Adds", body=body) for body in BODIES]
    entry_point = None if held == "check is called" else "add"
    assert run_tests(ADD, programs, entry_point, 20.0) == (len(programs), "correct", "")
    for wrong in ("def add(a, b): return 4", "def add(a, b): raise KeyError", "class add: pass"):
        passed, outcome, _ = run_tests(wrong, programs, entry_point, 20.0)
        assert (passed, outcome) == (0, "wrong")
    ending = "import os\ndef add(a, b): os._exit(0)"
    assert run_tests(ending, programs[:1], entry_point, 20.0) == (0, "ended", "the code ended its process")


EMPTY = [
    "add(1, 2) == 3",
    "print(add(1, 2))",
    "# nothing\npass",
    "def helper():\n    assert add(1, 2) == 4",
    "def one():\n    assert add(1, 2) == 4\ndef other():\n    one()",
    "if __name__ == '__main__':\n    assert add(1, 2) == 4",
    "class Adds:\n    def run(self):\n        assert add(1, 2) == 4",
    "class Adds:\n    def test_it(self):\n        assert add(1, 2) == 4",
    "class TestAdds:\n    def __init__(self): pass\n    def test_it(self):\n        assert add(1, 2) == 4",
    "class TestAdds:\n    pass",
    "import unittest\nclass Adds(unittest.TestCase):\n    def runs(self):\n        assert add(1, 2) == 4",
    "import unittest\nclass Adds(unittest.TestCase):\n    @unittest.skip('')\n    def test_a(self): assert 0",
    "def test_it():\n    yield add(1, 2)",
    "def test_it(given):\n    assert add(1, 2) == 4",
    "import pytest\n@pytest.fixture(autouse=True)\ndef made(): assert 0\ndef test_it(): pass",
    "import pytest\n@pytest.mark.parametrize('a', [1])\ndef test_it(a): assert add(a, 2) == 4",
    "import sys\nassert add(1, 2) == 3\nsys.exit(0)",
]


@pytest.mark.parametrize("tests", EMPTY)
def test_tests_that_run_nothing_are_failures_of_the_reward(tests: str) -> None:
    with pytest.raises(BadReward, match=r"^python_tests: "):
        run_tests(ADD, [ASSERTS, tests], "add", 10.0)


def test_what_pytest_raises_fails_a_test() -> None:
    tests = "import pytest\ndef test_it():\n    with pytest.raises(ValueError):\n        add(1, 2)"
    assert run_tests(ADD, [tests], None, 20.0)[:2] == (0, "wrong")
    assert run_tests("def add(a, b): raise ValueError", [tests], None, 20.0)[0] == 1


ALWAYS_YES = (
    "class Yes:\n    def __call__(self, *a, **k): return True\n"
    "    def __getattr__(self, name): return Yes()\n"
    "    def __iter__(self): return iter(())\n    def __bool__(self): return BOOL\n"
    + "".join(
        f"    def __{name}__(self, *a): return True\n"
        for name in ("contains", "eq", "lt", "gt", "le", "ge", "exit", "index")
    )
    + "".join(
        f"    def __{name}__(self, *a): return self\n"
        for name in ("enter", "add", "sub", "mul", "mod", "and", "or", "xor", "rand", "rsub")
    )
    + "def f(*a): return Yes()\n"
)
VALUES = ["abc", b"abc", 7, 2.0, [1, 2], (1, 2), {1, 2}, frozenset({1}), {"a": 1}]


def judgements(value: Any) -> Iterator[str]:
    """Asserts in which a value of Python's own answers yes or no, all true of this one."""
    yield f"assert f(1) == {value!r}"
    yield f"assert {value!r} == f(1)"
    if isinstance(value, (str, bytes)):
        yield from (f"assert f(1).startswith({value[:1]!r})", f"assert f(1).endswith({value[-1:]!r})")
        yield from ("assert f(1).isalpha()", "assert f(1).islower()", f"assert {value[1:2]!r} in f(1)")
        yield f"assert not f(1).isdigit() and {value[1:]!r} in f(1)"
    elif isinstance(value, (int, float)):
        yield from (f"assert {value - 1} < f(1) < {value + 1}", f"assert abs(f(1) - {value}) < 1e-9")
        yield "assert not f(1) % 1" if isinstance(value, float) else "assert f(1) % 2"
    else:
        yield f"assert {next(iter(value))!r} in f(1)"
    if isinstance(value, (set, frozenset)):
        yield from (f"assert f(1).issubset({value!r})", f"assert f(1).issuperset({value!r})")
        yield from (f"assert f(1) & {value!r}", f"assert not f(1) - {value!r}", f"assert f(1) <= {value!r}")


@pytest.mark.parametrize("value", VALUES)
def test_what_a_value_answers_an_object_that_says_yes_to_all_does_not(value: Any) -> None:
    tests = list(judgements(value))
    assert run_tests(ALWAYS_YES.replace("BOOL", "True"), ["assert f(1) is not None"], None, 20.0)[0] == 1
    assert run_tests(f"def f(x): return {value!r}", tests, None, 20.0) == (len(tests), "correct", "")
    for truth in ("True", "False"):
        assert run_tests(ALWAYS_YES.replace("BOOL", truth), tests, None, 20.0)[0] == 0


def test_a_with_block_does_not_hide_a_failure() -> None:
    test = "with f(1) as x:\n    assert False"
    assert run_tests(ALWAYS_YES.replace("BOOL", "True"), [test], None, 10.0)[:2] == (0, "wrong")


POINTS = """
import functools
@functools.total_ordering
class Point:
    def __init__(self, x): self.x = x
    def __eq__(self, other): return self.x == other.x
    def __lt__(self, other): return self.x < other.x
    def __hash__(self): return hash(self.x)
    def me(self): return self
    def __iter__(self): return iter([self.x, self.x + 1])
    def __enter__(self): return self
    def __exit__(self, *error): self.x = -1
class Thing:
    def me(self): return self
class Bare:
    __hash__ = None
"""


def test_objects_are_compared_and_hashed_as_in_one_process() -> None:
    tests = """
a, b = Thing(), Thing()
assert a.me() == a and a != b and not a != a.me() and not a == b
assert len({a, a.me(), a.me().me()}) == 1 and len({a, b, a}) == 2 and {a: 1}[a.me()] == 1
p, q, r = Point(1), Point(1), Point(2)
assert p == q and p != r and p < r and r >= q and sorted([r, p]) == [q, r] and len({p, q, r}) == 2
assert 2 in p and 3 not in p and p in [q] and p not in [r]
with p as same:
    assert same.x == 1
assert p.x == -1
for wrong in (lambda: a < b, lambda: hash(Bare()), lambda: {Bare()}, lambda: 1 in a):
    try:
        wrong()
    except TypeError:
        continue
    assert False
"""
    exec(POINTS + tests, {"__name__": "here"})
    assert run_tests(POINTS, [tests], None, 20.0) == (1, "correct", "")


def in_one_process(code: str, tests: str) -> None:
    """What tests say of code where nothing stands between them."""
    namespace = {"__name__": "here"}
    exec(code, namespace)
    exec(tests, namespace)


CARRIED = {
    "own exception": (
        """
class Bad(ValueError):
    def __init__(self, code): super().__init__(f'code {code}'); self.code = code
class Worse(Bad): pass
def f(x): raise Worse(x)
""",
        """
import unittest
for kind in (Worse, Bad, ValueError, Exception):
    try:
        f(3)
    except kind as error:
        assert str(error) == 'code 3' and error.code == 3
    else:
        assert False
assert issubclass(Worse, Bad) and issubclass(Bad, ValueError) and not issubclass(Bad, KeyError)
with unittest.TestCase().assertRaisesRegex(Bad, 'code'):
    f(1)
try:
    raise Bad(7)
except Bad as error:
    assert error.code == 7
""",
    ),
    "exceptions of modules": (
        """
import json, decimal
def f(x): return json.loads(x)
def g(x): return {}[x]
""",
        """
import json
try:
    f('{')
    assert False
except json.JSONDecodeError as error:
    assert 'Expecting' in str(error)
try:
    g('q')
    assert False
except KeyError as error:
    assert error.args == ('q',)
""",
    ),
    "own class of the tests": (
        """
def reverse(head):
    last = None
    while head:
        head.next, last, head = last, head, head.next
    return last
def total(head):
    return head.val + total(head.next) if head else 0
def same(a): return a == a and a is a and len({a, a}) == 1
""",
        """
class Node:
    def __init__(self, val, next=None): self.val, self.next = val, next
head = Node(1, Node(2, Node(3)))
assert total(head) == 6 and same(head)
last = reverse(head)
assert last.val == 3 and last.next.val == 2 and last.next.next is head and head.next is None
""",
    ),
    "iterators": (
        """
def f(items): return [one for one in items][:3]
def first(items): return next(items)
""",
        """
import itertools
assert f(iter([1, 2])) == [1, 2] and f(x for x in 'ab') == ['a', 'b']
assert f(range(4)) == [0, 1, 2] and first(itertools.count(5)) == 5
""",
    ),
    "values": (
        "def f(x): return x",
        """
import datetime as d, re
from collections import *
from decimal import Decimal
from fractions import Fraction
P = namedtuple('P', 'x y')
for one in (range(1, 9, 2), deque([1, [2]], 5), Counter('aab'), defaultdict(int, a=1), OrderedDict(a=1),
            P(1, [2]), d.date(2020, 1, 2), d.datetime(2020, 1, 2, 3, 4, 5, 6), d.time(1, 2),
            d.timedelta(1, 2),
            d.datetime(2020, 1, 2, tzinfo=d.timezone.utc), int, dict, ValueError, b'a', bytearray(b'b'),
            Decimal('1.50'), Fraction(1, 3), 1j, frozenset({1}), {(1, 2): {3}}, {1: 2}.items(),
            {1: 2}.keys()):
    assert f(one) == one and type(f(one)) is type(one), one
assert f(P(1, 2)).x == 1 and f(Counter('aab')).most_common(1) == [('a', 2)] and f(defaultdict(list))[3] == []
""",
    ),
    "passed by keyword and used": (
        """
import re
def f(pattern, text): return bool(re.match(pattern, text)) and bool(pattern.match(text))
def read(file): return file.read() + file.getvalue()
""",
        """
import re, io
assert f(pattern=re.compile('a'), text='ab')
assert read(io.StringIO('x')) == 'xx'
""",
    ),
    "numbers of numpy": (
        """
import numpy as np
def f(x): return np.sum(np.array(x))
def g(x): return [np.int64(x), np.bool_(x)]
def h(x): return x * 2
def zero(x): x[:] = 0
""",
        """
import numpy as np
assert f([1, 2]) == 3 and f([1, 2]).dtype.kind == 'i' and g(1) == [1, True]
assert (h(np.arange(3)) == np.array([0, 2, 4])).all() and h(np.ones((2, 2))).shape == (2, 2)
a = np.ones(3)
zero(a)
assert not a.any()
""",
    ),
    "awaited": (
        """
import asyncio
async def f(x):
    await asyncio.sleep(0)
    return [x]
async def bad(): raise KeyError
""",
        """
import asyncio
async def both(): return await asyncio.gather(f(1), f(2))
assert asyncio.run(f(2)) == [2] and asyncio.run(both()) == [[1], [2]]
try:
    asyncio.run(bad())
    assert False
except KeyError:
    pass
""",
    ),
    "printed": (
        "def f(x): print(x, end='!')",
        """
import io, contextlib
with contextlib.redirect_stdout(io.StringIO()) as said:
    f(1)
    f('é')
assert said.getvalue() == '1!é!'
""",
    ),
    "what changes in place": (
        """
def f(x=None, *, y=None):
    for one in (x, y):
        if one is not None: one[0].append(1)
    return x or y
""",
        """
inner = [0]
a, b = [inner, inner], ([5],)
assert f(a) is a and a[0] is a[1] is inner and inner == [0, 1]
f(b)
f(y=a)
assert b == ([5, 1],) and inner == [0, 1, 1]
c = {0: []}
assert f(y=c) is c and c == {0: [1]}
""",
    ),
    "operators": (
        """
class V:
    def __init__(s, a): s.a = a
    def __neg__(s): return V(-s.a)
    def __rmul__(s, o): return V(o * s.a)
    __radd__ = lambda s, o: V(o + s.a)
    def __abs__(s): return abs(s.a)
    def __int__(s): return s.a
    def __float__(s): return float(s.a)
    def __add__(s, o): return V(s.a + o.a)
class W(V): pass
""",
        """
assert (-V(1)).a == -1 and (2 * V(3)).a == 6 and abs(V(-3)) == 3 and int(V(2)) == 2 == float(V(2))
assert issubclass(W, V) and not issubclass(V, W) and (1 + V(2)).a == 3 and (V(1) + V(2)).a == 3
""",
    ),
    "members of an enum": (
        """
from enum import Enum
class C(Enum):
    R = 1
    B = 2
def f(): return C.R
""",
        "assert f() is C.R and f() == C['R'] and f() is not C.B and f().name == 'R'",
    ),
    "files": (
        """
import os
def f(name): open(name, 'w').write('x')
def read(name): return open(name).read()
""",
        """
import os, tempfile
f('out.txt')
assert open('out.txt').read() == 'x' and os.path.exists('out.txt')
open('in.txt', 'w').write('y')
assert read('in.txt') == 'y'
os.remove('in.txt')
os.remove('out.txt')
""",
    ),
    "functions of the tests": (
        """
def f(call, *args): return call(*args)
def g(call):
    try:
        call()
    except ValueError as error:
        return str(error)
""",
        """
class Mine(ValueError): pass
def fails(*a): raise Mine('no')
assert f(max, 1, 2) == 2 and g(fails) == 'no'
try:
    f(fails)
    assert False
except Mine:
    pass
""",
    ),
}


@pytest.mark.parametrize("name", CARRIED)
def test_what_is_right_in_one_process_is_right_across_two(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, tests = CARRIED[name]
    monkeypatch.chdir(tmp_path)
    in_one_process(code, tests)
    assert run_tests(code, [tests], None, 20.0) == (1, "correct", "")
    assert Path.cwd() == tmp_path


@pytest.mark.parametrize(
    ("code", "tests", "words"),
    [
        ("class A: pass", "class B(A): pass\nassert B()", "derive a class"),
        ("def f(x): return x[0]", "import array\nassert f(array.array('i', [1])) == 1", "pass a array"),
        ("class A:\n    __contains__ = lambda s, x: True", "assert 1 in A()", "no __iter__"),
        ("def f(x): return 1", "class E(Exception): pass\nassert f(E) == 1", "pass the class E"),
    ],
)
def test_tests_that_no_code_can_pass_across_two_processes_fail_with_the_reason(
    code: str, tests: str, words: str
) -> None:
    with pytest.raises(BadReward, match=words):
        run_tests(code, [tests], None, 20.0)


UNSOUND = {
    "catches asserts": (
        "Mine = AssertionError",
        """
try:
    assert False
except Mine:
    pass
""",
    ),
    "catches all": (
        "Mine = Exception",
        """
try:
    assert False
except Mine:
    pass
""",
    ),
    "a base of asserts": (
        "class Mine(AssertionError): pass",
        """
try:
    assert False
except Mine:
    pass
""",
    ),
    "skips": (
        """
import unittest
class SkipTest(Exception): pass
def f(x): raise [SkipTest, unittest.SkipTest][x]
""",
        """
def test_a():
    f(0)
def test_b():
    f(1)
""",
    ),
    "skips a case": (
        """
import unittest
def f(): raise unittest.SkipTest
""",
        """
import unittest
class A(unittest.TestCase):
    def test_a(self): f()
    def test_b(self): pass
""",
    ),
    "ends a loop": (
        "def f(x): raise StopIteration",
        "assert all(one == 4 for one in map(f, [1, 2]))",
    ),
    "memory": (
        """
class A:
    __array_interface__ = {'shape': (3,), 'typestr': '<f8', 'version': 3, 'data': (8, False)}
def f(x): return A()
""",
        """
import numpy as np
assert np.allclose(f(2), [4, 4, 4])
""",
    ),
    "an empty array": (
        """
import numpy as np
def f(x): return np.array([])
""",
        """
import pytest
assert f(2) == pytest.approx(4)
""",
    ),
    "an array's interface": (
        """
class A:
    __array_interface__ = {'shape': (0,), 'typestr': '<f8', 'version': 3, 'data': b''}
def f(x): return A()
""",
        """
import numpy, pytest
assert f(2) == pytest.approx(4)
""",
    ),
    "a number after an operator": (
        """
class A:
    def __sub__(s, o): return s
    __rsub__ = __sub__
    __abs__ = __int__ = lambda s: 0
    __float__ = lambda s: 0.0
def f(x): return A()
""",
        "assert abs(f(2) - 4) < 1 or int(4 - f(2)) == 0 or float(f(2) - 4) == 0",
    ),
    "out through the tests' objects": (
        """
def f(one):
    for name in ('__class__', '__init__', '__dict__', '_hidden', 'gi_frame', '__globals__'):
        try:
            getattr(one, name)
            print(name)
        except (AttributeError, TypeError): pass
    try:
        one.check = lambda: print('check')
    except (AttributeError, TypeError): pass
""",
        """
import io, contextlib
class Mine:
    _hidden = 1
    def check(self): pass
with contextlib.redirect_stdout(io.StringIO()) as said:
    f(Mine())
    f(x for x in [])
    f(len)
    m = Mine()
    f(m)
    m.check()
assert any(name in said.getvalue() for name in ('hidden', 'frame', 'check', 'globals'))
""",
    ),
}


@pytest.mark.parametrize("name", UNSOUND)
def test_no_way_across_lets_the_code_judge_itself(name: str) -> None:
    code, tests = UNSOUND[name]
    assert run_tests(code, [tests], None, 20.0)[:2] == (0, "wrong")


def test_values_that_hash_alike_are_a_wrong_answer_within_the_time_limit() -> None:
    code = (
        "class S(set):\n    def __iter__(s): return (i * (2**61 - 1) for i in range(100_000))\n"
        "def f(): return S()"
    )
    start = time.monotonic()
    assert run_tests(code, ["assert f() == {1}"], None, 2.0)[:2] == (0, "timeout")
    assert time.monotonic() - start < 9


def test_the_share_of_tests_and_a_process_that_ended() -> None:
    code = "import os\ndef add(a, b):\n    if a == 5: os._exit(0)\n    return a + b"
    tests = ["assert add(1, 2) == 3", "assert add(5, 1) == 6", "assert add(2, 2) == 4"]
    assert run_tests(code, tests, None, 10.0) == (2, "ended", "the code ended its process")


def test_python_tests_as_a_reward() -> None:
    texts = [
        f"Here:\n```python\n{ADD}```\ndone",
        "```python\ndef add(a, b):\n    while True: pass\n```",
        "no code",
    ]
    good, slow, none = score("python_tests", texts, data={"tests": ASSERTS}, time_limit=1.0)
    assert (good.value, good.solved, good.outcome) == (1.0, True, "correct")
    assert (slow.value, slow.solved, slow.outcome) == (0.0, False, "timeout")
    assert none.value == 0.0
    assert slow.parts["failed/python_tests"] == 0.0, "code without an end is a wrong answer, no failed reward"


LINES = (
    *("```", "````", "~~~", "``` ", "  ```", "    ```", "```python", "```py", " ```Python", "~~~python3"),
    *("```text", "```x`y", "```python title=a", "x = 1", "  y = 2", "", "print('```')"),
)


@settings(max_examples=300)
@given(st.lists(st.sampled_from(LINES), max_size=9), st.sampled_from(["\n", "\r\n", "\r"]))
def test_blocks_are_those_of_commonmark(lines: list[str], ending: str) -> None:
    text = "".join(f"{line}\n" for line in lines)
    tokens = MarkdownIt("commonmark").parse(text)
    # What is indented by four opens no block in CommonMark; in a list it does.
    quoted = [one.content.split("\n") for one in tokens if one.type == "inline"]
    assume("code_block" not in [one.type for one in tokens])
    assume("```" not in [line.strip() for one in quoted for line in one])
    fences = [((one.info.split() or [""])[0].lower(), one.content) for one in tokens if one.type == "fence"]
    given = text.replace("\n", ending)
    assert python_tests.blocks(given) == fences
    tagged = [code for language, code in fences if language in ("py", "python", "python3")]
    bare = [code for language, code in fences if not language]
    assert code_of(given) == [given, *bare[-1:], *tagged[-1:]][-1]


def test_a_block_in_a_list_is_read_without_its_indent() -> None:
    block = indent(f"```python\n{ADD}```\n\nIt prints:\n\n```\n3\n```\n", "    ")
    assert code_of(f"10. So:\n\n{block}") == ADD


def test_an_entry_point_may_be_an_expression() -> None:
    code = "class Solution:\n    def add(self, a, b): return a + b"
    tests = "def check(candidate):\n    assert candidate(1, b=2) == 3"
    assert run_tests(code, [tests], "Solution().add", 10.0) == (1, "correct", "")
    assert run_tests(ADD, [tests], "Solution().add", 10.0)[:2] == (0, "wrong")


def test_rows_without_tests_are_failures_of_the_reward() -> None:
    for row in ({}, {"tests": ""}, {"tests": [1]}):
        with pytest.raises(BadReward, match="tests"):
            python_tests.tests_of(row)
    assert python_tests.tests_of({"tests": '["assert 1", "assert 2"]'}) == ["assert 1", "assert 2"]
    assert code_of("```py\na\n```\n```python\nb\n```") == "b\n"


# ------------------------------------------------------------------------------------------------- judge


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[str, list[dict[str, Any]], list[Callable[[str], Any]]]]:
    """A real server: its address, what it was asked, and what it says (the last function in the list)."""
    asked: list[dict[str, Any]] = []
    says: list[Callable[[str], Any]] = [lambda text: '{"grade": 5}']

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.append({**body, "path": self.path, "key": self.headers.get("Authorization")})
            said = says[-1](body["messages"][-1]["content"])
            code, text = (said, "") if isinstance(said, int) else (200, said)
            reply = json.dumps({"choices": [{"message": {"role": "assistant", "content": text}}]}).encode()
            self.send_response(code)
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        def log_message(self, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as serving:
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{serving.server_address[1]}/v1", asked, says
        serving.shutdown()


def judged(server: Any, says: Callable[[str], Any], texts: list[str], **changes: Any) -> list[Score]:
    url, asked, spoken = server
    asked.clear()
    spoken.append(says)
    judge = JudgeConfig(url=url, name="m", **{"retries": 1, "timeout": 5.0, **changes})
    return score("llm_judge", texts, judge=judge, data={"answer": "42"})


def test_the_judges_grade_is_a_share_of_the_highest(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    texts = [f"text {number}" for number in range(8)]
    scores = judged(server, lambda text: json.dumps({"grade": int(text.split("text ")[1][0])}), texts)
    assert [one.value for one in scores] == [number / 10 for number in range(8)]
    request = server[1][0]
    assert (request["path"], request["key"]) == ("/v1/chat/completions", "Bearer secret")
    assert (request["model"], request["temperature"]) == ("m", 0)
    assert "42" in request["messages"][-1]["content"]


@pytest.mark.parametrize(
    "reply", ["10", "grade: 10", '{"grade": 11}', '{"grade": -1}', '{"grade": "10"}', '{"grade": 1.5}', "",
              '{"grade": 10, "x": 1}', '{"grade": true}', 'fine {"grade": 10}', '{"grade": 0, "grade": 10}'],
)  # fmt: skip
def test_any_other_reply_is_no_grade(reply: str) -> None:
    with pytest.raises(ValueError, match=r"expected|Expecting|twice|Extra data"):
        grade_in(reply, 10)


def test_a_judge_that_fails_is_asked_again_and_then_costs_the_sample(server: Any) -> None:
    turns = iter([503, '{"grade": 7}'])
    assert judged(server, lambda text: next(turns), ["a"])[0].value == 0.7
    failed = judged(server, lambda text: "I cannot say", ["a"])[0]
    assert failed.parts["failed/llm_judge"] == 1.0
    assert "no grade" in failed.reason
    assert len(server[1]) == 2
    refused = judged(server, lambda text: 401, ["a"])[0]
    assert "HTTP 401" in refused.reason
    assert len(server[1]) == 1, "a key that is refused is not tried again"


def chunked(text: str) -> bytes:
    """A whole reply of a server that sends in chunks."""
    body = json.dumps({"choices": [{"message": {"content": text}}]}).encode()
    half = len(body) // 2
    parts = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:half], body[half:], b""))
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + parts


REPLY = chunked('{"grade": 7}')


@pytest.mark.parametrize("bad", [*(REPLY[:end] for end in range(0, len(REPLY) - 5, 4)), b"what\r\n\r\n"])
def test_a_reply_that_is_cut_anywhere_is_asked_for_again(bad: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("practicum.reward.judge.PAUSE", 0.0)
    replies = iter([bad, REPLY])

    class Handler(BaseRequestHandler):
        def handle(self) -> None:
            asked = self.request.makefile("rb")
            head = b"".join(iter(asked.readline, b"\r\n")).lower()
            asked.read(int(head.split(b"content-length:")[1].split()[0]))
            self.request.sendall(next(replies))

    with TCPServer(("127.0.0.1", 0), Handler) as serving:
        threading.Thread(target=serving.serve_forever, args=[0.01], daemon=True).start()
        judge = asdict(
            JudgeConfig(url=f"http://127.0.0.1:{serving.server_address[1]}", name="m", timeout=5.0)
        )
        grade = asyncio.run(ready_made("llm_judge", "", {"judge": judge})("p", "text", {}))
        serving.shutdown()
    assert grade == 0.7
    assert next(replies, None) is None


@settings(max_examples=50)
@given(st.text(max_size=80), st.text(max_size=80))
def test_no_text_can_end_its_own_part_of_the_message(prompt: str, text: str) -> None:
    judge = {"instructions": "i", "highest": 10}
    order, given = (one["content"] for one in messages_of(judge, prompt, text, None))
    mark = order.split("the mark ")[1].split(".")[0]
    assert mark not in prompt + text
    assert given.count(mark) == 4
    assert f"{mark} answer\n{text}\n{mark} end of answer" in given


def test_a_judge_takes_no_argument() -> None:
    with pytest.raises(InputError, match="takes no argument"):
        score("llm_judge:x", ["a"])


MATHS = [
    ({"answer": "18"}, r"So she earns \boxed{18} dollars.", 1.0),
    ({"solution": "16 - 3 - 4 = 9, and 9 * 2 = 18.\n#### 18"}, "Answer: 36/2", 1.0),
    ({"target": r"Thus $x = \boxed{\frac{1}{2}}$."}, "#### 0.5", 1.0),
    ({"answer": 18.0}, "18", 1.0),
    ({"answer": "18"}, "Answer: 17\nAnswer: 18", 0.0),
    ({"answer": "18"}, " ".join(map(str, range(40))), 0.0),
    ({"answer": "(1, 2)"}, r"\boxed{(2, 1)}", 0.0),
    ({"answer": "18"}, "", 0.0),
]


@pytest.mark.parametrize(("row", "text", "paid"), MATHS)
def test_math_pays_what_the_gold_answer_says(row: dict[str, Any], text: str, paid: float) -> None:
    assert [one.value for one in score("math", [text], data=row)] == [paid]


@pytest.mark.parametrize(
    "row", [{}, {"answer": ""}, {"answer": "We add them and then we look at what that is."}]
)
def test_math_tells_a_row_whose_gold_answer_cannot_be_read(row: dict[str, Any]) -> None:
    judge = ready_made("math", "", {})
    with pytest.raises(BadReward, match="gold answer"):
        judge("p", "18", row)
    with pytest.raises(BadFunction, match="math takes nothing"):
        ready_made("math", "x", {})
    assert judge("What is 9*2?", "9*2", {"answer": "18"}).value == 0.0
