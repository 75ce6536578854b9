"""A program of tests, what it holds and how it is run: asserts, functions, classes of unittest and pytest."""

from __future__ import annotations

import ast
import asyncio
import inspect
import sys
import unittest
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from types import CodeType, ModuleType, SimpleNamespace
from typing import Any

from practicum.reward.bad import BadReward

NAME = "_tests_of_a_row"
"""What the program has as its `__name__`; it is a module of that name while it runs."""
MODULES = frozenset(
    ("abc", "array", "asyncio", "bisect", "calendar", "cmath", "collections", "collections.abc", "contextlib",
     "copy", "csv", "dataclasses", "datetime", "decimal", "enum", "fractions", "functools", "hashlib",
     "heapq", "inspect", "io", "itertools", "json", "math", "numbers", "numpy", "operator", "os", "os.path",
     "pathlib", "random", "re", "statistics", "string", "struct", "sys", "textwrap", "time", "typing",
     "unittest", "unittest.mock", "uuid")
)  # fmt: skip
"""Modules whose import does nothing else: the only ones that tests find without importing them."""
SHORT = {"np": "numpy"}
CALLS = ("raises", "fail")
"""Functions that fail a test, beside those whose name begins with assert."""


@dataclass(frozen=True)
class Program:
    """Tests, compiled; the names they use themselves, whether they check something outside functions, and
    the modules that they use by their names, which no name of the code's may stand for.
    """

    code: CodeType
    used: frozenset[str]
    asserts: bool
    modules: Mapping[str, ModuleType]


def read_program(text: str) -> Program:
    """The program of a text. Raises BadReward where it is no Python, holds no test, or needs pytest."""
    try:
        tree = ast.parse(text)
        code = compile(tree, "tests", "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        raise BadReward(f"python_tests: the tests are no Python: {error}") from None
    if any(isinstance(node, ast.Attribute) and node.attr == "fixture" for node in ast.walk(tree)):
        raise BadReward(
            "python_tests: the tests have fixtures of pytest, which are not run: use setup_method"
        )
    nodes, used = executed(tree)
    asserts = any(isinstance(node, (ast.Assert, ast.Raise)) or _fails(node) for node in nodes)
    functions = [
        node.name for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    ]
    if not asserts and not any(name == "check" or name.startswith("test") for name in functions):
        raise nothing_run()
    return Program(code, used, asserts, modules_in(tree))


def modules_in(tree: ast.Module) -> dict[str, ModuleType]:
    """The modules of which a program uses something (`math.isclose`), whether it imports them or not."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            name = SHORT.get(node.value.id, node.value.id)
            if name in MODULES and hasattr(import_module(name), node.attr):
                found[node.value.id] = import_module(name)
    return found


def nothing_run() -> BadReward:
    """What is said of tests that every code would pass."""
    return BadReward(
        "python_tests: the tests run nothing: expected an assert, a function test_..., check(candidate), "
        "or a class Test... with methods test_..."
    )


def executed(tree: ast.Module) -> tuple[list[ast.AST], frozenset[str]]:
    """The nodes that run with the program, and the names in them; functions run if their names are used."""
    used: frozenset[str] = frozenset()
    while True:
        nodes = list(_executed(tree, used))
        found = {node.id for node in nodes if isinstance(node, ast.Name)}
        found |= {node.attr for node in nodes if isinstance(node, ast.Attribute)}
        if found == used:
            return nodes, used
        used = frozenset(found)


def _executed(node: ast.AST, used: frozenset[str]) -> Iterator[ast.AST]:
    yield node
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name not in used:
        return
    inner = list(ast.iter_child_nodes(node))
    if isinstance(node, ast.If) and "__main__" in ast.unparse(node.test):
        inner = list(node.orelse)
    for one in inner:
        yield from _executed(one, used)


def _fails(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call):
        return False
    name = getattr(node.func, "attr", getattr(node.func, "id", ""))
    return name.lower().lstrip("_").startswith("assert") or name in CALLS


def run_program(program: Program, given: Mapping[str, Any], entry_point: Any) -> None:
    """Run all tests of a program on the names that the code defines.

    Raises what the first test that fails raises, and BadReward where no test was run.
    """
    given = {**given, **program.modules}
    with module_of(given) as module:
        namespace = vars(module)
        before = set(namespace)
        exec(program.code, namespace)
        own = {
            name: value
            for name, value in namespace.items()
            if name not in before or value is not given.get(name)
        }
        with prepared(SimpleNamespace(**own), "module", module):
            ran = sum(run_functions(program, own)) + run_cases(own) + sum(map(run_class, pytest_classes(own)))
        ran += run_check(program, own, given, entry_point)
    if not ran and not program.asserts:
        raise nothing_run()


@contextmanager
def module_of(given: Mapping[str, Any]) -> Iterator[ModuleType]:
    """A module in which tests run; unittest.main() does nothing there, as all tests are run anyway."""
    module = ModuleType(NAME)
    vars(module).update({**given, "__name__": NAME})
    main = unittest.main
    sys.modules[NAME] = module
    unittest.main = lambda *positional, **named: None  # type: ignore[assignment]
    try:
        yield module
    finally:
        unittest.main = main
        del sys.modules[NAME]


@contextmanager
def prepared(holder: Any, scope: str, subject: Any) -> Iterator[None]:
    """pytest's setup_SCOPE before, and its teardown_SCOPE after."""
    _prepare(holder, f"setup_{scope}", subject)
    try:
        yield
    finally:
        _prepare(holder, f"teardown_{scope}", subject)


def _prepare(holder: Any, name: str, subject: Any) -> None:
    function = getattr(holder, name, None)
    if function is not None:
        function(*[subject][: len(inspect.signature(function).parameters)])


def run_functions(program: Program, own: Mapping[str, Any]) -> Iterator[int]:
    """Run the functions test..., one after the other; how many were run by each."""
    for name, function in own.items():
        if not name.startswith("test") or not inspect.isfunction(function) or function.__module__ != NAME:
            continue
        if needs(function) and name in program.used:
            continue  # the program calls it with what it needs
        with prepared(SimpleNamespace(**own), "function", function):
            yield run_one(function)


def run_one(function: Callable[[], Any]) -> int:
    """Run a test; 0 where it skips itself. Raises BadReward for one that wants arguments."""
    name = getattr(function, "__name__", "test")
    if needs(function):
        raise BadReward(
            f"python_tests: {name} has parameters: fixtures and parametrize of pytest are not run"
        )
    try:
        found = function()
        if inspect.iscoroutine(found):
            asyncio.run(found)
    except BaseException as error:
        # By their modules too: an exception of the code's may have such a name.
        kinds = {(kind.__module__, kind.__name__) for kind in type(error).__mro__}
        if {("unittest.case", "SkipTest"), ("_pytest.outcomes", "Skipped")} & kinds:
            return 0
        raise
    if inspect.isgenerator(found) or inspect.isasyncgen(found):
        raise BadReward(f"python_tests: {name} yields, so calling it runs nothing")
    return 1


def needs(function: Callable[..., Any]) -> bool:
    """Whether a function has parameters that a call must give."""
    parameters = inspect.signature(function, follow_wrapped=False).parameters.values()
    return any(
        one.default is one.empty and one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)
        for one in parameters
    )


def pytest_classes(own: Mapping[str, Any]) -> list[type]:
    """The classes Test... that are none of unittest's."""
    return [kind for name, kind in own.items() if name.startswith("Test") and _is_own(kind)
            and not issubclass(kind, unittest.TestCase)]  # fmt: skip


def _is_own(kind: Any) -> bool:
    return isinstance(kind, type) and kind.__module__ == NAME


def run_class(kind: type) -> int:
    """Run the methods test... of a class as pytest does, each on a new instance; how many were run."""
    names = [name for name in dir(kind) if name.startswith("test") and callable(getattr(kind, name))]
    if names and any("__init__" in vars(one) for one in kind.__mro__[:-1]):
        raise BadReward(
            f"python_tests: the class {kind.__name__} has __init__: pytest would run none of its tests"
        )
    ran = 0
    with prepared(kind, "class", kind):
        for name in names:
            instance = kind()
            method = getattr(instance, name)
            with prepared(instance, "method", method):
                ran += run_one(method)
    return ran


class Result(unittest.TestResult):
    """Stops at the first failure, and keeps its exception."""

    first: BaseException | None = None

    def fail(self, error: BaseException) -> None:
        """Take note of a failure."""
        self.first = self.first or error
        self.stop()

    def addError(self, test: Any, err: Any) -> None:  # noqa: N802 - unittest's name
        """A test raised what is no failed assert."""
        self.fail(err[1])

    def addFailure(self, test: Any, err: Any) -> None:  # noqa: N802
        """An assert of a test failed."""
        self.fail(err[1])

    def addSubTest(self, test: Any, subtest: Any, err: Any) -> None:  # noqa: N802
        """A part of a test ended."""
        if err is not None:
            self.fail(err[1])

    def addUnexpectedSuccess(self, test: Any) -> None:  # noqa: N802
        """A test passed that must fail."""
        self.fail(AssertionError(f"{test} was to fail"))


def run_cases(own: Mapping[str, Any]) -> int:
    """Run the classes of unittest with all that it does around them; how many tests were run."""
    kinds = [kind for kind in own.values() if _is_own(kind) and issubclass(kind, unittest.TestCase)]
    result = Result()
    unittest.TestSuite(map(unittest.defaultTestLoader.loadTestsFromTestCase, kinds)).run(result)
    if result.first is not None:
        raise result.first
    return result.testsRun - len(result.skipped)


def run_check(program: Program, own: Mapping[str, Any], given: Mapping[str, Any], entry_point: Any) -> int:
    """Run HumanEval's check(candidate), where there is one that the program does not call itself."""
    check = own.get("check")
    if not inspect.isfunction(check) or (not entry_point and "check" in program.used):
        return int("check" in own)
    if not entry_point:
        raise BadReward("python_tests: the tests define check(candidate): name it in a column 'entry_point'")
    # A name, or an expression of the row's such as Solution().add.
    namespace = dict(given)
    exec(compile(f"candidate = {entry_point}", "entry_point", "exec", dont_inherit=True), namespace)
    check(namespace["candidate"])
    return 1
