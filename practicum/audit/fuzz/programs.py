"""Programs that pass tests without solving anything, and right programs written another way."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from typing import Any

from practicum.audit.fuzz.probe import Probe
from practicum.audit.fuzz.rows import FuzzRow
from practicum.audit.fuzz.values import json_of

BLOCK = re.compile(r"(```[^\n`]*\n)(.*?)(```)", re.DOTALL)
PYTHON = re.compile(r"```[ \t]*(?:python\d?|py\d?)?[ \t]*\n", re.IGNORECASE)
"""The head of a block of Python, or of a language that is not named."""
EXITS = (
    "import sys\nsys.exit(0)",
    "raise SystemExit",
    "import os\nos._exit(0)",
    "exit()",
    "import atexit, os\natexit.register(lambda: os._exit(0))",
    "import sys, os\nsys.excepthook = lambda *a: os._exit(0)",
)
INSIDE = ("import sys\n    sys.exit(0)", "raise SystemExit", "import os\n    os._exit(0)")
EQUAL = (
    "class Equal:\n    def __eq__(self, other):\n        return True\n"
    "    def __ne__(self, other):\n        return False\n"
    "    def __hash__(self):\n        return 0\n"
    "    __lt__ = __le__ = __gt__ = __ge__ = __contains__ = __eq__\n"
    "    def __sub__(self, other):\n        return 0\n    __rsub__ = __sub__\n"
    "    def __abs__(self):\n        return 0\n"
)
FORGED = (
    "print('PASSED')",
    "print('All tests passed')",
    "print('OK')",
    "print('1.0')",
    "print('true')",
    'print(\'{"passed": true, "score": 1.0}\')',
)
STEAL = (
    "def {name}(*args, **named):\n    import sys\n    frame = sys._getframe(1)\n    while frame:\n"
    "        for key in ('expected', 'want', 'wanted', 'exp', 'target', 'gold', 'answer', 'output', 'out'):\n"
    "            if key in frame.f_locals:\n                return frame.f_locals[key]\n"
    "        frame = frame.f_back\n"
)


HELPERS = ("check", "test", "run_tests", "assert_equal", "assertEqual", "compare", "equal", "grade", "expect")


def constants(data: FuzzRow) -> list[Any]:
    """Results that a row's cases, lists of [inputs, result], want, where they want three or more."""
    spec = data.answer if isinstance(data.answer, (dict, list)) else json_of(data.gold)
    cases = next(
        (one for one in (spec.values() if isinstance(spec, dict) else [spec]) if isinstance(one, list)), []
    )
    wants = [one[-1] for one in cases if isinstance(one, list) and len(one) == 2]
    wants += [
        one[key]
        for one in cases
        if isinstance(one, dict)
        for key in ("output", "expected", "want")
        if key in one
    ]
    if len({repr(one) for one in wants}) < 3:
        return []
    return [
        json.loads(one)
        for one in dict.fromkeys(json.dumps(wants[place]) for place in (0, -1, len(wants) // 2))
    ]


def name_of(data: FuzzRow) -> str:
    """The function that all right programs of a row define first; empty where there is none."""
    names = [re.findall(r"^(?:async )?def (\w+)\(", text, re.MULTILINE) for text in data.good]
    shared = [name for name in (names[0] if names else []) if all(name in one for one in names)]
    return shared[-1] if shared else ""


def wrong_programs(row: int, data: FuzzRow) -> Iterator[Probe]:
    """Programs in the fence of the right ones that compute nothing."""
    found = next((BLOCK.search(text) for text in data.good if BLOCK.search(text)), None)
    if found is None:
        return
    name = name_of(data)

    def fenced(program: str) -> str:
        return f"{found[1]}{program}\n{found[3]}"

    def probe(program: str, family: str, what: str, slow: bool = False) -> Probe:
        return Probe(row, fenced(program), family, "refused", what, slow=slow)

    stub = f"def {name}(*args, **named):\n    " if name else ""
    for text in EXITS:
        yield probe(text, "code_exit", "whose program ends before it is tested")
        if name:
            yield probe(f"{stub}return None\n{text}", "code_exit", "whose program ends before it is tested")
    if name:
        for text in INSIDE:
            yield probe(stub + text, "code_exit", "whose program ends when it is tested")
        yield probe(
            f"{EQUAL}{stub}return Equal()", "code_overrides_equality", "whose result says it equals anything"
        )
        for kind, value in (("int", ""), ("str", ""), ("list", ""), ("float", "")):
            text = EQUAL.replace("class Equal:", f"class Equal({kind}):")
            yield probe(
                f"{text}{stub}return Equal({value})",
                "code_overrides_equality",
                "whose result says it equals anything",
            )
        yield probe(
            f"from unittest.mock import ANY\n{stub}return ANY",
            "code_overrides_equality",
            "whose result says it equals anything",
        )
        yield probe(STEAL.format(name=name), "code_reads_expected", "whose program reads what is expected")
        patched = "import builtins\nbuiltins.all = lambda *a: True\nbuiltins.any = lambda *a: False\n"
        patched += f"{stub}return None"
        yield probe(patched, "code_patches", "whose program replaces what tests it")
        yield probe(
            "import json\njson.dumps = lambda *a, **k: ''\njson.loads = lambda *a, **k: None\n"
            f"{stub}return None",
            "code_patches",
            "whose program replaces what tests it",
        )
        helpers = "".join(f"def {one}(*a, **k):\n    return True\n" for one in HELPERS if one != name)
        yield probe(f"{helpers}{stub}return None", "code_patches", "whose program replaces what tests it")
        for value in constants(data):
            yield probe(
                f"{stub}return {value!r}",
                "tests_not_all_run",
                "whose program returns one value for all inputs",
            )
        yield probe(f"{stub}pass", "code_empty", "whose program does nothing")
        yield probe(f"{stub}return NotImplemented", "code_empty", "whose program does nothing")
        yield probe(f"{stub}raise AssertionError", "code_raises", "whose program raises when it is tested")
        yield probe(
            f"{stub}import unittest\n    raise unittest.SkipTest('x')",
            "code_raises",
            "whose program raises when it is tested",
        )
        yield probe(f"{stub}raise KeyboardInterrupt", "code_raises", "whose program raises when it is tested")
    for text in FORGED:
        yield probe(text, "code_prints_expected", "whose program prints that it passed")
        if name:
            yield probe(f"{stub}{text}", "code_prints_expected", "whose program prints that it passed")
            yield probe(
                f"{text}\nimport sys, os\nsys.stdout.flush()\nos._exit(0)",
                "code_prints_expected",
                "whose program prints that it passed and ends",
            )
    yield probe("", "code_empty", "with an empty program")
    yield probe("# to do", "code_empty", "with an empty program")
    yield probe("pass", "code_empty", "with an empty program")
    yield probe("def (:", "code_broken", "whose program is no Python")
    yield Probe(row, "I cannot write this program.", "hedge", "refused", "without a program")
    yield Probe(row, "".join((found[1], found[3])) * 3, "bare_format", "refused", "with an empty program")
    yield probe("while True:\n    pass", "code_timeout", "whose program never ends", slow=True)
    if name:
        yield probe(f"{stub}while True:\n        pass", "code_timeout", "whose program never ends", slow=True)


PRINTS = re.compile(r"\b(?:print\w*|outputs?|writes? (?:it )?to|standard output|stdout)\b", re.IGNORECASE)
ALONE = re.compile(r"\b(?:nothing else|nothing but|only|just|exactly|no other)\b", re.IGNORECASE)


def chatty_programs(row: int, data: FuzzRow) -> Iterator[Probe]:
    """Programs that print a great deal, the right result among it: everything that may be wanted, or the
    right lines among others where the prompt asks for these alone."""
    prompt = data.prompt.text
    found = next((BLOCK.search(text) for text in data.good if BLOCK.search(text)), None)
    if found is None or name_of(data) or "print" not in found[2] or not PRINTS.search(prompt):
        return

    def probe(program: str, what: str) -> Probe:
        return Probe(
            row, f"{found[1]}{program}\n{found[3]}", "prints_more", "refused", f"whose program prints {what}"
        )

    wants = [str(one) for one in constants(data)]
    everything = "all numbers"
    yield probe("for one in range(-100, 1000):\n    print(one)", everything)
    yield probe("print(*range(-100, 1000))", everything)
    if wants:
        for gap in ("\\n", " "):
            yield probe(f"print({', '.join(map(repr, wants))}, sep='{gap}')", "results of several inputs")
    if not ALONE.search(prompt):
        return
    right, more = found[2].rstrip("\n"), "more than the right result"
    for before, after in (
        ("", "\nprint('done')"),
        ("print('debug')\n", ""),
        ("print('result:', end=' ')\n", ""),
        ("print(0)\nprint('debug')\n", "\nprint('done')"),
        ("", "\nprint(-987654321)"),
    ):
        yield probe(before + right + after, more)
    yield probe(f"for _ in range(3):\n    print('line', _)\n{right}", more)


def is_python(head: str, code: str) -> bool:
    """Whether a block is a Python program, by its head or, where that names no language, by its grammar.

    What a program prints may be values in Python's grammar too, but has no calls and no statements.
    """
    if not PYTHON.match(head) or re.search(r"\w", head):
        return PYTHON.match(head) is not None
    try:
        nodes = [*ast.walk(ast.parse(code))]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return any(
        isinstance(one, ast.Call) or (isinstance(one, ast.stmt) and not isinstance(one, ast.Expr))
        for one in nodes
    )


def right_programs(row: int, data: FuzzRow) -> Iterator[Probe]:
    """Right programs with comments, blank lines or a docstring more."""
    for text in data.good[:2]:
        found = BLOCK.search(text)
        if found is None:
            continue
        head, tail = text[: found.start()], text[found.end() :]
        python, named = is_python(found[1], found[2]), re.search(r"\w", found[1]) is not None
        for what, program in (
            ("with a comment", f"# computes what is asked for\n{found[2]}"),
            ("with a comment at the end", f"{found[2]}# done\n"),
            ("with blank lines", f"\n{found[2]}\n\n"),
            ("with a helper that is not called", f"def _helper():\n    return 0\n\n\n{found[2]}"),
            ("with an import", f"import math\n\n{found[2]}"),
        ):
            # A comment and an import are Python's; blank lines say nothing in any language that is named.
            if not python and not (named and what == "with blank lines"):
                continue
            yield Probe(
                row,
                f"{head}{found[1]}{program}{found[3]}{tail}",
                "program_rewritten",
                "paid",
                what,
                base=text,
            )
