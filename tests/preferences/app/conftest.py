"""Keys that are quick to check (argon2 is slow on purpose) and one browser for all tests."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from argon2 import PasswordHasher

from practicum.preferences.app.security import Keys
from tests.preferences.app.live import PASSWORD


@pytest.fixture(scope="session")
def keys() -> Keys:
    """Keys whose password is quick to check: the hash says how much work it takes."""
    return Keys("the secret of all tests", PasswordHasher(time_cost=1, memory_cost=64).hash(PASSWORD))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Debian's Chromium, headless; closed after the module: its event loop keeps others from running."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no Chromium: apt-get install chromium")
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield opened
        opened.close()
