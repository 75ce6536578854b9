"""The project's own files agree with each other."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.test_imports import modules_named

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]


def test_every_dependency_is_pinned_within_its_range() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = {
        canonicalize_name(pin.name): str(pin.specifier).removeprefix("==")
        for pin in (Requirement(line) for line in lines if line and not line.startswith("#"))
    }
    extras = project["optional-dependencies"]
    own = {
        extra for line in extras["dev"] for extra in Requirement(line).extras if line.startswith("practicum[")
    }
    assert {"web", "postgresql", "data"} <= own
    lines = [line for extra in ("dev", "docs", *sorted(own)) for line in extras[extra]]
    for line in [*project["dependencies"], *lines]:
        needed = Requirement(line)
        if needed.marker is None and needed.name != "practicum":
            assert pins[canonicalize_name(needed.name)] in needed.specifier, line


def test_make_help_lists_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert phony is not None
    for target in phony[1].split():
        assert re.search(rf"^{target}:.*## ", makefile, re.MULTILINE), target


def test_only_what_kernels_cannot_change_is_left_out_of_the_run_without_them() -> None:
    makefile = (ROOT / "Makefile").read_text().replace("\\\n", " ")
    listed = re.search(
        r"^WITHOUT_KERNELS := (.*) \$\(addprefix --ignore=tests/,(.*)\)$", makefile, re.MULTILINE
    )
    assert listed is not None
    assert listed[1].split() == ["tests/model", "tests/rollout", "tests/training"]
    for name in listed[2].split():
        path = ROOT / "tests" / name
        text = path.read_text(encoding="utf-8")
        by_itself = "PRACTICUM_NATIVE" in text or "pytestmark = pytest.mark.skipif" in text
        assert by_itself or not reaches(path, "practicum.model.native"), name


def reaches(path: Path, module: str) -> bool:
    """Whether a file imports a module, directly or round about."""
    # The package loads what it offers by name only when that is asked for.
    seen = {"practicum.api"}
    waiting = [*modules_named(path)]
    while waiting:
        name = waiting.pop()
        found = ROOT / name.replace(".", "/")
        if name not in seen and name.split(".")[0] in ("practicum", "tests"):
            seen.add(name)
            file = found / "__init__.py" if found.is_dir() else found.with_suffix(".py")
            waiting += modules_named(file) if file.is_file() else ()
    return any(f"{name}.".startswith(f"{module}.") for name in seen)


@pytest.mark.parametrize(
    "name", ["Makefile", "constraints.txt", ".ci/run", "pyproject.toml", "CONTRIBUTING.md"]
)
def test_project_files_name_no_place_of_one_machine(name: str) -> None:
    text = (ROOT / name).read_text()
    for word in ("/home/", "/root/", "/work/", "/opt/", "index-url", "pypi.org"):
        assert word not in text.replace("PIP_EXTRA_INDEX_URL", ""), f"{name}: {word}"
