"""What is declared as a dependency is imported, and what is imported is declared, each in its own part."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
OURS = {"practicum", "scripts", "studies", "tests"}
# Modules whose name is not their distribution's.
DISTRIBUTIONS = {
    "flint": "python-flint",
    "argon2": "argon2-cffi",
    "markdown_it": "markdown-it-py",
    "universal": "universal-portfolios",
    "sklearn": "scikit-learn",
    "mlflow": "mlflow-skinny",
}
# Where the packages of an extra may be imported; the base may be imported everywhere, and dev in tests/.
SCOPES = {
    "web": ["practicum/preferences/app", "practicum/report/dashboard"],
    "postgresql": ["practicum/preferences/database.py"],
    "data": ["practicum/data", "practicum/preferences/formats.py"],
    "tasks": ["practicum/tasks/reasoning_gym.py"],
    "sentiment": ["practicum/audit/attributes.py"],
    "peft": ["practicum/model/peft_adapters.py"],
    "gguf": ["practicum/model/gguf.py", "practicum/model/gguf_writer.py"],
    "tensorboard": ["practicum/loggers/tensorboard.py"],
    "trackio": ["practicum/loggers/trackio.py"],
    "wandb": ["practicum/loggers/wandb.py"],
    "mlflow": ["practicum/loggers/mlflow.py"],
    "smollm2": ["practicum/model/gguf.py"],
    "bench": ["practicum/bench", "studies"],
    "applications": ["practicum/applications"],
    "rivals": ["practicum/applications/ads/rival.py"],
    "docs": [],
    "dev": ["tests"],
}
# Packages that another one or a command loads by name, and the words that ask for them: (file, words).
LOADED_BY_NAME = {
    "tensorboard": ("practicum/loggers/tensorboard.py", "torch.utils.tensorboard"),
    "psycopg": ("practicum/preferences/database.py", "postgresql+psycopg"),
    "python-multipart": ("practicum/preferences/app", ".form("),
    "mkdocs-material": ("mkdocs.yml", "name: material"),
    "pytest-xdist": ("Makefile", "pytest -n auto"),
    "box2d": ("studies/agent.py", "LunarLander"),
    "pygame": ("studies/agent.py", "LunarLander"),
    "ruff": ("Makefile", "/ruff check"),
    "mypy": ("Makefile", "/mypy"),
}
# The weights of SmolLM2: `make` installs that package beside dev, without what it depends on.
WITHOUT_DEPENDENCIES = re.compile(r"--no-deps (.+)$", re.MULTILINE)
LOADERS = {"import_module", "importorskip", "find_spec"}


def names(lines: list[str]) -> set[str]:
    """Distributions that requirements name, those of our own extras included."""
    found = set()
    for requirement in map(Requirement, lines):
        if requirement.name == "practicum":
            for extra in requirement.extras:
                found |= names(EXTRAS[extra])
        else:
            found.add(canonicalize_name(requirement.name))
    return found


EXTRAS: dict[str, list[str]] = PROJECT["project"]["optional-dependencies"]
BASE = names(PROJECT["project"]["dependencies"])


def files(*places: str) -> list[Path]:
    """The Python files of folders and single files, by their paths in the repository."""
    found = [path for place in places for path in ((ROOT / place).rglob("*.py") if place else ())]
    return sorted(found + [ROOT / place for place in places if place.endswith(".py")])


@cache
def third_party(path: Path) -> frozenset[str]:
    """Distributions that a file imports, also inside functions and by name."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    tops = {module.split(".")[0] for module in modules_of(tree)} - OURS - sys.stdlib_module_names - {""}
    return frozenset(canonicalize_name(DISTRIBUTIONS.get(top, top)) for top in tops)


def modules_of(tree: ast.AST) -> Iterator[str]:
    """Full names of the modules that a tree imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func
            name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
            if name in LOADERS:
                yield str(node.args[0].value)


def imported_in(*places: str) -> set[str]:
    return set().union(*(third_party(path) for path in files(*places)))


def inside(path: Path, places: list[str]) -> bool:
    return any(path == ROOT / place or ROOT / place in path.parents for place in places)


def asked_for_by_name(package: str) -> bool:
    place, words = LOADED_BY_NAME.get(package, ("", ""))
    path = ROOT / place
    texts = path.rglob("*.py") if path.is_dir() else [path]
    return bool(words) and any(words in text.read_text(encoding="utf-8") for text in texts)


@pytest.mark.parametrize(
    "path",
    files("practicum", "studies", "tests", "examples", "scripts"),
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_what_is_imported_is_declared(path: Path) -> None:
    allowed = set(BASE)
    for extra, places in SCOPES.items():
        allowed |= names(EXTRAS[extra]) if inside(path, places) else set()
    if inside(path, ["tests"]):
        makefile = (ROOT / "Makefile").read_text()
        allowed |= {canonicalize_name(name) for name in WITHOUT_DEPENDENCIES.findall(makefile)}
    assert third_party(path) <= allowed, sorted(third_party(path) - allowed)


def test_every_dependency_of_the_base_is_imported_outside_the_extras() -> None:
    special = [place for places in SCOPES.values() for place in places]
    used = set().union(*(third_party(path) for path in files("practicum") if not inside(path, special)))
    unused = BASE - used
    assert not unused, f"no module of practicum/ imports {sorted(unused)}: drop them, or add them to an extra"


@pytest.mark.parametrize("extra", EXTRAS)
def test_every_dependency_of_an_extra_is_imported_where_the_extra_is_for(extra: str) -> None:
    own = [line for line in EXTRAS[extra] if Requirement(line).name != "practicum"]
    unused = names(own) - imported_in(*SCOPES[extra])
    idle = sorted(package for package in unused if not asked_for_by_name(package))
    assert not idle, f"nothing in {SCOPES[extra]} imports {idle}"


def test_package_data_names_files_that_exist() -> None:
    for pattern in PROJECT["tool"]["setuptools"]["package-data"]["practicum"]:
        assert any(path.is_file() for path in (ROOT / "practicum").glob(pattern)), pattern


def test_every_extra_that_is_named_exists() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "recipes").glob("*/README.md")]
    for path in [*pages, *files("practicum", "studies"), ROOT / "Makefile", ROOT / "constraints.txt"]:
        text = path.read_text(encoding="utf-8")
        for listed in re.findall(r"(?:practicum|'\.)\[([a-z0-9,]+)\]", text):
            assert set(listed.split(",")) <= EXTRAS.keys(), f"{path}: {listed}"


# ---------------------------------------------------------------------------------------------- constraints


def installed() -> dict[str, list[Requirement]]:
    """What each installed distribution needs."""
    return {
        canonicalize_name(found.metadata["Name"]): [Requirement(line) for line in found.requires or ()]
        for found in importlib.metadata.distributions()
    }


def needed(lines: list[str], needs: dict[str, list[Requirement]]) -> set[str]:
    """Distributions that requirements need on this machine, and what those need, as far as it is known."""
    seen: set[tuple[str, str]] = set()
    waiting = [Requirement(line) for line in lines]
    while waiting:
        requirement = waiting.pop()
        for extra in ("", *requirement.extras):
            key = (canonicalize_name(requirement.name), extra)
            if key not in seen:
                seen.add(key)
                waiting += [
                    other
                    for other in needs.get(key[0], [])
                    if other.marker is None or other.marker.evaluate({"extra": extra})
                ]
    return {name for name, _ in seen}


def pins() -> set[str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return {canonicalize_name(Requirement(line).name) for line in lines if line and line[0] != "#"}


def declared(*left_out: str) -> list[str]:
    """Requirements of the base and the extras that hold on this machine."""
    lines = [*PROJECT["project"]["dependencies"]]
    lines += [line for extra, own in EXTRAS.items() if extra not in left_out for line in own]
    found = [line for line in lines if Requirement(line).name != "practicum"]
    return [line for line in found if (marker := Requirement(line).marker) is None or marker.evaluate()]


def test_whatever_make_installs_is_pinned() -> None:
    assert needed(declared("smollm2"), installed()) <= pins()


def test_a_pin_is_of_something_needed() -> None:
    """As far as this machine can tell: what is not installed says nothing of what it needs."""
    needs = installed()
    assert pins() & needs.keys() <= needed(declared(), needs)
