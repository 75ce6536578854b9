"""Imports point down only, and the command line starts light."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "practicum"

# A module may import from its own layer and from lower ones, in the order of the house's design.
LAYERS = {
    "errors": 0,
    "hints": 0,
    "ranges": 1,
    "types": 1,
    "config": 1,
    "quantiles": 1,
    "stats": 1,
    "files": 1,
    "loading": 1,
    "threads": 1,
    "templates": 1,
    "data": 2,
    "exact": 2,
    "run": 2,
    "tasks": 3,
    "model": 3,
    "rollout": 4,
    "preferences": 5,
    "guard": 5,
    "loggers": 6,
    "reward": 6,
    "training": 7,
    "play": 7,
    "audit": 8,
    "report": 8,
    "applications": 8,
    "cluster": 8,
    "bench": 9,
    "compare": 9,
    "demo": 9,
    "api": 10,
    "starters": 9,
    "cli": 10,
    "__main__": 11,
}
# The web app is a reader like the report: training knows the rankings, not how they were collected.
FORBIDDEN = {
    "training": {"preferences.app"},
    "reward": {"preferences.app"},
    "model": {"tasks"},
    "tasks": {"model"},
}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def imported(path: Path) -> Iterator[tuple[int, str]]:
    """(line, absolute module name) of every import in a file, also of those inside functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: write imports absolutely"
            assert node.module is not None
            yield node.lineno, node.module


def part_of(module: str) -> str:
    return [*module.split("."), ""][1]


def test_every_module_has_a_layer() -> None:
    parts = {path.relative_to(PACKAGE).with_suffix("").parts[0] for path in modules()} - {"__init__"}
    assert parts <= LAYERS.keys()


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down(path: Path) -> None:
    part = path.relative_to(PACKAGE).with_suffix("").parts[0]
    for line, module in imported(path):
        other = part_of(module)
        if module.split(".")[0] != "practicum" or part == "__init__" or not other:
            continue
        assert LAYERS[other] <= LAYERS[part], f"{path}:{line}: {part} may not import {other}"
        for refused in FORBIDDEN.get(part, ()):
            inside = f"{module}.".startswith(f"practicum.{refused}.")
            assert not inside, f"{path}:{line}: {part} may not import {module}"


def test_no_modules_import_each_other() -> None:
    """Directly or round about, also inside functions; a policy's formats alone are written in its terms.

    `Policy.save` is a method of the decoder, and what it writes is defined in terms of the decoder.
    """
    formats = {("practicum.model.decoder", "practicum.model.checkpoint")}
    formats |= {
        ("practicum.model.policy", f"practicum.model.{name}")
        for name in ("checkpoint", "huggingface", "lora")
    }
    # What the package offers by name, for type checkers; at run time it is loaded when asked for.
    formats.add(("practicum", "practicum.api"))
    paths = {name_of(path): path for path in modules()}
    graph = {
        name: {
            other
            for other in modules_named(path)
            if other in paths and other != name and (name, other) not in formats
        }
        for name, path in paths.items()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"a circle of imports: {' <- '.join(error.args[1])}")


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")


def modules_named(path: Path) -> Iterator[str]:
    """The modules a file imports, those that it imports from a package included."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            submodules = [f"{node.module}.{alias.name}" for alias in node.names]
            inside = [
                name
                for name in submodules
                if (PACKAGE.parent / name.replace(".", "/")).is_dir()
                or (PACKAGE.parent / f"{name.replace('.', '/')}.py").is_file()
            ]
            yield from inside or [str(node.module)]


@pytest.mark.parametrize(
    "path",
    sorted([*(PACKAGE / "tasks").rglob("*.py"), *(PACKAGE / "exact").rglob("*.py")]),
    ids=lambda path: path.stem,
)
def test_tasks_know_no_tensor(path: Path) -> None:
    heavy = {"torch", "transformers", "tokenizers", "safetensors", "numpy", "scipy"}
    for line, module in imported(path):
        assert module.split(".")[0] not in heavy, f"{path}:{line}: a task may not import {module}"


# Code that a model wrote is what this reward is about: it runs in a process of its own, with limits. The
# tests of the row, which the user gives, run beside it.
EXECUTES = {"reward/sandbox.py", "reward/programs.py"}


def test_no_module_evaluates_text_or_unpickles() -> None:
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                if called == "exec" and path.relative_to(PACKAGE).as_posix() in EXECUTES:
                    continue
                assert called not in {
                    "eval",
                    "exec",
                    "sympify",
                    "sympy.sympify",
                    "torch.load",
                    "torch.save",
                }, f"{path}:{node.lineno}: {called}"
        assert "pickle" not in {module for _, module in imported(path)}, path


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["verify", "--help"], ["trian"]])
def test_the_command_line_starts_without_heavy_libraries(arguments: list[str]) -> None:
    program = (
        "import sys, practicum.cli; practicum.cli.main(sys.argv[1:]); "
        "print([name for name in ('torch', 'ray', 'transformers', 'numpy') if name in sys.modules])"
    )
    process = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True
    )
    assert process.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("module", ["practicum.config", "practicum.run.folder", "practicum.cli"])
def test_settings_and_run_folders_need_no_torch(module: str) -> None:
    program = f"import sys, {module}; print('torch' in sys.modules)"
    process = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert process.stdout == "False\n"
