from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from studies.judged import judged
from studies.origins import with_origin

ORIGIN = {"command": "python", "machine": "m", "date": "2026-01-02", "commit": "c"}


@pytest.fixture
def ruled() -> Callable[[Iterable[dict[str, Any]]], dict[str, dict[str, Any]]]:
    """Claims, as if they had an origin, -> the same as judged, by id."""

    def by_id(claims: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
        return {row["id"]: judged(with_origin({**ORIGIN, **row})) for row in claims}

    return by_id
