"""Keys that are quick to check: argon2 is slow on purpose."""

from __future__ import annotations

import pytest
from argon2 import PasswordHasher

from practicum.preferences.app.security import Keys
from tests.preferences.app.live import PASSWORD


@pytest.fixture(scope="session")
def keys() -> Keys:
    """Keys whose password is quick to check: the hash says how much work it takes."""
    return Keys("the secret of all tests", PasswordHasher(time_cost=1, memory_cost=64).hash(PASSWORD))
