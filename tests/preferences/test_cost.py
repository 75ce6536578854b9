from __future__ import annotations

import pytest

from practicum.errors import InputError
from practicum.preferences.cost import explain, plan


def test_five_thousand_ratings_for_five_hundred_dollars() -> None:
    planned = plan(1000, 5, 0.10)
    assert (planned.ratings, planned.dollars, planned.rankings, planned.pairs) == (5000, 500.0, 1000, 10_000)
    assert (planned.naive_ratings, planned.naive_dollars, planned.times_cheaper) == (10_000_000, 1e6, 2000.0)
    assert planned.hours == pytest.approx(13.9, abs=0.02)
    assert "5,000 ratings x $0.10 = $500.00" in explain(planned)
    assert "$1,000,000.00, 2,000 times as much" in explain(planned)


def test_overlap_multiplies_everything() -> None:
    planned = plan(100, 4, 0.25, overlap=3, seconds_per_rating=6)
    assert (planned.rankings, planned.ratings, planned.dollars, planned.hours) == (300, 1200, 300.0, 2.0)
    assert planned.dollars_per_hour == 150.0


def test_nothing_to_pay_is_no_error() -> None:
    assert plan(10, 2, 0.0).times_cheaper is None
    assert explain(plan(10, 2, 0.0, seconds_per_rating=0.0))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ((0, 5, 0.1), "--prompts: expected 1 or more, got 0"),
        ((10, 1, 0.1), "--responses: expected 2 or more"),
        ((10, 2, -0.1), "--price: expected 0 or more"),
        ((10, 2, float("nan")), "--price"),
    ],
)
def test_impossible_plans_are_refused(settings: tuple[int, int, float], words: str) -> None:
    with pytest.raises(InputError, match=words):
        plan(*settings)
