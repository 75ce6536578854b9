"""What a rater can do: submit once however often it is sent, undo, correct, skip, flag."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from practicum.errors import InputError
from practicum.preferences.app.desk import (
    Desk,
    StaleError,
    Submission,
    View,
    places_of,
    tiers_of,
)
from practicum.preferences.records import Answer, Assignment, ClosedError
from practicum.preferences.store import Store
from practicum.types import Prompt, Response
from tests.preferences.app.live import PROJECT, everything, jokes


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with Store.open(tmp_path / "rankings.db", seed=0) as store:
        project = store.create_project(PROJECT, overlap=1)
        store.add_prompts(PROJECT, jokes(3, 3))
        for name in ("Ada", "Ben"):
            store.add_rater(PROJECT, name)
        found = Desk(store, project)
        yield found
        found.close()


def view(desk: Desk, rater: str = "Ada") -> View:
    return asyncio.run(desk.view(rater))


def submit(desk: Desk, seen: View, places: tuple[int, ...], rater: str = "Ada", **more: object) -> int:
    assert seen.assignment is not None
    return asyncio.run(desk.submit(rater, Submission(seen.assignment.id, seen.turn, places, **more)))  # type: ignore[arg-type]


def test_a_repeated_submission_counts_once(desk: Desk) -> None:
    seen = view(desk)
    first = submit(desk, seen, (2, 1, 3))
    assert submit(desk, seen, (2, 1, 3)) == first
    assert len(desk.store.payments(PROJECT)) == 1
    assert desk.store.rater_progress(PROJECT, "Ada").dollars_earned == pytest.approx(0.30)


def test_the_same_turn_with_another_order_is_refused(desk: Desk) -> None:
    seen = view(desk)
    submit(desk, seen, (2, 1, 3))
    with pytest.raises(StaleError, match="undo it"):
        submit(desk, seen, (1, 2, 3))


def test_a_late_repeat_after_an_undo_does_not_come_back(desk: Desk) -> None:
    seen = view(desk)
    first = submit(desk, seen, (2, 1, 3))
    asyncio.run(desk.undo("Ada"))
    assert submit(desk, seen, (2, 1, 3)) == first
    assert desk.store.rankings(PROJECT) == []
    again = view(desk)
    assert again.assignment is not None
    assert seen.assignment is not None
    assert again.assignment.id == seen.assignment.id
    assert places_of(again.assignment, again.tiers) == [2, 1, 3]
    second = submit(desk, again, (1, 1, 2))
    assert second != first
    (ranking,) = desk.store.rankings(PROJECT)
    assert ranking.ranks == (1, 1, 2)
    assert submit(desk, again, (1, 1, 2)) == second


def test_an_undo_sent_twice_takes_one_back(desk: Desk) -> None:
    for _ in range(2):
        submit(desk, view(desk), (1, 2, 3))
    for _ in range(2):
        asyncio.run(desk.undo("Ada", once="the same page"))
    assert len(desk.store.rankings(PROJECT)) == 1
    asyncio.run(desk.undo("Ada", once="another page"))
    assert desk.store.rankings(PROJECT) == []


def test_the_number_of_the_current_ranking_as_turn_corrects_it(desk: Desk) -> None:
    seen = view(desk)
    first = submit(desk, seen, (2, 1, 3))
    assert seen.assignment is not None
    corrected = Submission(seen.assignment.id, first, (3, 2, 1))
    second = asyncio.run(desk.submit("Ada", corrected))
    assert asyncio.run(desk.submit("Ada", corrected)) == second
    assert [ranking.ranks for ranking in desk.store.rankings(PROJECT)] == [(3, 2, 1)]
    assert desk.store.rater_progress(PROJECT, "Ada").dollars_earned == pytest.approx(0.30)


def test_a_turn_that_never_was_is_refused(desk: Desk) -> None:
    seen = view(desk)
    assert seen.assignment is not None
    with pytest.raises(StaleError, match="out of date"):
        asyncio.run(desk.submit("Ada", Submission(seen.assignment.id, 99, (1, 2, 3))))


def test_another_raters_assignment_is_as_good_as_none(desk: Desk) -> None:
    with pytest.raises(InputError, match="no assignment"):
        submit(desk, view(desk), (1, 2, 3), rater="Ben")


@pytest.mark.parametrize("places", [(1, 2), (1, 2, 3, 4), (0, 1, 2)])
def test_every_response_needs_one_place(desk: Desk, places: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="a place from 1"):
        submit(desk, view(desk), places)
    assert desk.store.rankings(PROJECT) == []


def test_flags_follow_what_was_sent_last(desk: Desk) -> None:
    seen = view(desk)
    submit(desk, seen, (1, 2, 3), flags=frozenset({(0, "nonsense"), (2, "unsafe")}))
    (ranking,) = desk.store.rankings(PROJECT)
    assert ranking.flags == (("nonsense",), (), ("unsafe",))
    asyncio.run(desk.undo("Ada"))
    submit(desk, view(desk), (1, 2, 3), flags=frozenset({(2, "unsafe")}))
    (ranking,) = desk.store.rankings(PROJECT)
    assert ranking.flags == ((), (), ("unsafe",))


def test_a_flag_on_no_response_is_refused_and_nothing_is_saved(desk: Desk) -> None:
    with pytest.raises(InputError, match="no response 7"):
        submit(desk, view(desk), (1, 2, 3), flags=frozenset({(7, "nonsense")}))
    assert desk.store.rankings(PROJECT) == []


def test_a_skip_repeated_is_one_skip_and_a_ranked_prompt_cannot_be_skipped(desk: Desk) -> None:
    seen = view(desk)
    assert seen.assignment is not None
    for _ in range(2):
        asyncio.run(desk.skip("Ada", seen.assignment.id, "cannot judge", frozenset({(1, "unsafe")})))
    assert [reason for _, _, reason in desk.store.skips(PROJECT)] == ["cannot judge"]
    following = view(desk)
    assert following.assignment is not None
    assert following.assignment.id != seen.assignment.id
    submit(desk, following, (1, 2, 3))
    with pytest.raises(StaleError, match="ranked already"):
        asyncio.run(desk.skip("Ada", following.assignment.id, "changed my mind"))


def test_a_closed_rater_changes_nothing(desk: Desk) -> None:
    first = view(desk)
    number = submit(desk, first, (1, 2, 3), flags=frozenset({(0, "unsafe")}))
    held = view(desk)
    assert first.assignment is not None
    assert held.assignment is not None
    desk.store.set_active(PROJECT, "Ada", active=False)
    before = everything(desk.store)
    ranked, open_one = first.assignment.id, held.assignment.id
    marks = frozenset({(1, "nonsense")})
    for act in (
        lambda: submit(desk, first, (1, 2, 3)),
        lambda: submit(desk, held, (1, 2, 3), flags=marks),
        lambda: asyncio.run(desk.submit("Ada", Submission(ranked, number, (3, 2, 1), marks))),
        lambda: asyncio.run(desk.skip("Ada", open_one, "no", marks)),
        lambda: asyncio.run(desk.skip("Ada", ranked, "no", marks)),
        lambda: asyncio.run(desk.undo("Ada")),
        lambda: asyncio.run(desk.undo("Ada", once="a page")),
        lambda: view(desk),
        lambda: desk.store.flag(PROJECT, "Ada", ranked, first.assignment.responses[1].id, "unsafe"),
    ):
        with pytest.raises(ClosedError, match="no more prompts"):
            act()
    assert everything(desk.store) == before
    desk.store.set_active(PROJECT, "Ada", active=True)
    asyncio.run(desk.undo("Ada", once="a page"))
    assert desk.store.rankings(PROJECT) == []


def test_an_undo_is_done_once_even_across_a_restart(tmp_path: Path) -> None:
    place = tmp_path / "rankings.db"
    with Store.open(place) as store:
        project = store.create_project(PROJECT, overlap=1)
        store.add_prompts(PROJECT, jokes(3, 3))
        store.add_rater(PROJECT, "Ada")
        desk = Desk(store, project)
        for _ in range(2):
            submit(desk, view(desk), (1, 2, 3))
        asyncio.run(desk.undo("Ada", once="the same page"))
        desk.close()
    for _ in range(2):
        with Store.open(place) as store:
            desk = Desk(store, store.project(PROJECT))
            asyncio.run(desk.undo("Ada", once="the same page"))
            assert len(store.rankings(PROJECT)) == 1
            assert store.rater_progress(PROJECT, "Ada").dollars_earned == pytest.approx(0.30)
            desk.close()


def test_a_submission_keeps_ranking_and_flags_together(desk: Desk) -> None:
    seen = view(desk)
    assert seen.assignment is not None
    with pytest.raises(InputError, match="no response 9"):
        submit(desk, seen, (1, 2, 3), flags=frozenset({(0, "unsafe"), (9, "unsafe")}))
    answer = Answer(seen.assignment.id, [["nobody"]], None, [(seen.assignment.responses[0].id, "unsafe")])
    with pytest.raises(InputError, match="unknown response"):
        desk.store.submit_many(PROJECT, "Ada", [answer])
    assert desk.store.assignment(PROJECT, "Ada", seen.assignment.id).flags == ()


@given(st.lists(st.integers(1, 6), min_size=2, max_size=8))
def test_places_and_tiers_say_the_same(places: list[int]) -> None:
    responses = tuple(Response("x", id=str(number)) for number in range(len(places)))
    assignment = Assignment(1, "p", "r", "k", Prompt("?"), responses, "open", 0.0)
    dense = places_of(assignment, tiers_of(assignment, places))
    assert dense == [sorted(set(places)).index(place) + 1 for place in places]
