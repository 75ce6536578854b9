"""The project's own files agree with each other."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

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


@pytest.mark.parametrize(
    "name", ["Makefile", "constraints.txt", ".ci/run", "pyproject.toml", "CONTRIBUTING.md"]
)
def test_project_files_name_no_place_of_one_machine(name: str) -> None:
    text = (ROOT / name).read_text()
    for word in ("/home/", "/root/", "/work/", "/opt/", "index-url", "pypi.org"):
        assert word not in text.replace("PIP_EXTRA_INDEX_URL", ""), f"{name}: {word}"
