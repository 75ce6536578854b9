"""Claims about proxies outside of language."""

from __future__ import annotations

from typing import Any

import pytest

from studies.proxies import claims, command_of


def game(promised: float, true: float, kept: float) -> dict[str, Any]:
    def side(value: float) -> dict[str, Any]:
        return {"mean": value, "seeds": [value - 0.01, value + 0.01]}

    return {
        "seeds": [{"seed": 0}, {"seed": 1}],
        "moments": {
            "last": {"proxy": side(promised), "gold": side(true), "iteration": 60.0},
            "guard": {"gold": side(kept), "iteration": 12.0},
        },
    }


def test_claims_are_the_gap_and_what_the_guard_keeps() -> None:
    results = {"ads": game(1.0, 0.7, 0.7), "portfolio": game(1.0, -0.03, 0.0)}
    found = {one["id"]: one for one in claims(results)}
    assert found["proxies-portfolio-gap"]["value"] == pytest.approx(103)
    assert found["proxies-portfolio-guard"]["value"] == pytest.approx(3)
    assert found["proxies-ads-guard"]["value"] == pytest.approx(0)
    assert "--seeds 2" in command_of(results)
