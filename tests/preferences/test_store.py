from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Event

import pytest

from practicum.errors import InputError
from practicum.preferences.records import Answer, Assignment, NewPrompt
from practicum.preferences.store import Store
from practicum.types import Prompt, Ranking, Response


@dataclass
class Clock:
    """A clock that a test moves."""

    now: float = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(place: str, clock: Clock) -> Iterator[Store]:
    with Store.open(place, clock=clock, seed=0) as opened:
        yield opened


def jokes(count: int, responses: int = 3) -> list[NewPrompt]:
    return [
        NewPrompt(
            Prompt(f"joke {number}"),
            tuple(Response(f"answer {number}.{index}", id=f"{number}.{index}") for index in range(responses)),
            id=f"p{number}",
        )
        for number in range(count)
    ]


def begin(store: Store, prompts: int = 3, raters: int = 2, overlap: int = 1, responses: int = 3) -> None:
    store.create_project("jokes", overlap=overlap, price="0.10", lease_seconds=60)
    store.add_prompts("jokes", jokes(prompts, responses))
    for number in range(raters):
        store.add_rater("jokes", f"rater {number}")


def next_for(store: Store, rater: int) -> Assignment:
    leased = store.lease("jokes", f"rater {rater}")
    assert leased is not None
    return leased


def in_order(assignment: Assignment) -> list[list[str]]:
    """The tiers of a ranking from the response of the lowest id to the highest."""
    return [[name] for name in sorted(response.id for response in assignment.responses)]


def test_what_was_ranked_comes_back(store: Store, clock: Clock) -> None:
    begin(store, prompts=1)
    assignment = next_for(store, 0)
    assert assignment.prompt.text == "joke 0"
    assert {response.text for response in assignment.responses} == {"answer 0.0", "answer 0.1", "answer 0.2"}
    store.submit("jokes", "rater 0", assignment.id, [["0.1"], ["0.0", "0.2"]], seconds=4.5)
    [ranking] = store.rankings("jokes")
    by_id = dict(zip((response.id for response in ranking.responses), ranking.ranks, strict=True))
    assert by_id == {"0.1": 1, "0.0": 2, "0.2": 2}
    assert ranking.responses == assignment.responses
    assert (ranking.rater, ranking.prompt_id, ranking.seconds, ranking.time) == (
        "rater 0",
        "p0",
        4.5,
        clock.now,
    )


def test_the_order_shown_varies_and_is_kept(store: Store) -> None:
    begin(store, prompts=60)
    leased = store.lease_many("jokes", "rater 0", 60)
    orders = Counter(
        tuple(int(response.id[-1]) for response in assignment.responses) for assignment in leased
    )
    assert len(orders) == 6
    assert store.assignment("jokes", "rater 0", leased[7].id).responses == leased[7].responses


@pytest.mark.parametrize(
    ("tiers", "words"),
    [
        ([["0.0"], ["0.1"], ["0.9"]], "unknown response id '0.9'"),
        ([["0.0"], ["0.1"]], "response '0.2' is left out"),
        ([["0.0"], ["0.1", "0.0"], ["0.2"]], "response '0.0' is named twice"),
        ([], "is left out"),
    ],
)
def test_a_ranking_that_does_not_fit_is_refused_whole(
    store: Store, tiers: list[list[str]], words: str
) -> None:
    begin(store)
    assignment = next_for(store, 0)
    with pytest.raises(InputError, match=words):
        store.submit("jokes", "rater 0", assignment.id, tiers)
    assert store.rankings("jokes") == []
    assert store.payments("jokes") == []
    assert store.assignment("jokes", "rater 0", assignment.id).state == "open"


def test_a_double_click_is_one_ranking(store: Store) -> None:
    begin(store)
    assignment = next_for(store, 0)
    first = store.submit("jokes", "rater 0", assignment.id, in_order(assignment))
    assert store.submit("jokes", "rater 0", assignment.id, in_order(assignment)) == first
    with pytest.raises(InputError, match=f"correct ranking {first}"):
        store.submit("jokes", "rater 0", assignment.id, in_order(assignment)[::-1])
    assert len(store.rankings("jokes")) == 1
    assert len(store.payments("jokes")) == 1


def test_a_batch_is_kept_whole_or_not_at_all(store: Store) -> None:
    begin(store)
    first, second = store.lease_many("jokes", "rater 0", 2)
    with pytest.raises(InputError, match="unknown"):
        store.submit_many(
            "jokes", "rater 0", [Answer(first.id, in_order(first)), Answer(second.id, [["nothing"]])]
        )
    assert store.rankings("jokes") == []


def test_nobody_sees_another_raters_work(store: Store) -> None:
    begin(store)
    assignment = next_for(store, 0)
    for act in (
        lambda: store.submit("jokes", "rater 1", assignment.id, in_order(assignment)),
        lambda: store.assignment("jokes", "rater 1", assignment.id),
        lambda: store.skip("jokes", "rater 1", assignment.id, "why"),
        lambda: store.flag("jokes", "rater 1", assignment.id, "0.0", "nonsense"),
    ):
        with pytest.raises(InputError, match=f"'rater 1' has no assignment {assignment.id}"):
            act()


def test_two_raters_never_hold_the_same_place(store: Store) -> None:
    begin(store, prompts=2)
    held = {next_for(store, 0).prompt_id, next_for(store, 1).prompt_id}
    assert held == {"p0", "p1"}
    store.add_rater("jokes", "rater 2")
    assert store.lease("jokes", "rater 2") is None


def test_a_reload_shows_the_same_prompt_in_the_same_order(store: Store, clock: Clock) -> None:
    begin(store)
    before = next_for(store, 0)
    clock.now += 30
    after = next_for(store, 0)
    assert (after.id, after.responses) == (before.id, before.responses)
    assert after.expires == clock.now + 60


def test_a_prompt_whose_lease_ran_out_goes_to_another(store: Store, clock: Clock) -> None:
    begin(store, prompts=1)
    late = next_for(store, 0)
    assert store.lease("jokes", "rater 1") is None
    clock.now += 61
    taken = next_for(store, 1)
    assert taken.prompt_id == late.prompt_id
    assert store.lease("jokes", "rater 0") is None, "the place is taken"
    store.submit("jokes", "rater 0", late.id, in_order(late))
    store.submit("jokes", "rater 1", taken.id, in_order(taken))
    assert len(store.rankings("jokes")) == 2, "work that was done late is not lost"


def test_the_same_rater_takes_up_an_expired_lease_again(store: Store, clock: Clock) -> None:
    begin(store, prompts=1)
    before = next_for(store, 0)
    clock.now += 61
    assert next_for(store, 0).id == before.id


def test_overlap_gives_each_prompt_to_that_many_different_raters(store: Store) -> None:
    store.create_project("jokes", overlap=2)
    two, three = jokes(2)
    store.add_prompts("jokes", [two, NewPrompt(three.prompt, three.responses, three.id, overlap=3)])
    for number in range(4):
        store.add_rater("jokes", f"rater {number}")
        for assignment in store.lease_many("jokes", f"rater {number}", 10):
            store.submit("jokes", f"rater {number}", assignment.id, in_order(assignment))
    rankings = store.rankings("jokes")
    assert Counter(ranking.prompt_id for ranking in rankings) == {"p0": 2, "p1": 3}
    assert len({(ranking.prompt_id, ranking.rater) for ranking in rankings}) == 5


def test_begun_prompts_are_finished_first_and_urgent_ones_before_all(store: Store) -> None:
    begin(store, prompts=5, overlap=2)
    [third] = [item for item in store.lease_many("jokes", "rater 0", 5) if item.prompt_id == "p3"]
    store.submit("jokes", "rater 0", third.id, in_order(third))
    assert next_for(store, 1).prompt_id == "p0", "all are begun: leases count"
    urgent = jokes(6)[5]
    store.add_prompts("jokes", [NewPrompt(urgent.prompt, urgent.responses, urgent.id, priority=1.0)])
    store.add_rater("jokes", "rater 2")
    assert next_for(store, 2).prompt_id == "p5"


def test_a_correction_supersedes_and_keeps_what_was(store: Store) -> None:
    begin(store)
    assignment = next_for(store, 0)
    first = store.submit("jokes", "rater 0", assignment.id, in_order(assignment))
    second = store.correct("jokes", "rater 0", first, Answer(assignment.id, in_order(assignment)[::-1]))
    with pytest.raises(InputError, match=f"ranking {first} was corrected or undone"):
        store.correct("jokes", "rater 0", first, Answer(assignment.id, in_order(assignment)))
    [ranking] = store.rankings("jokes")
    assert dict(zip((item.id for item in ranking.responses), ranking.ranks, strict=True))["0.2"] == 1
    history = store.history("jokes", "rater 0", assignment.id)
    assert [(row.id, row.supersedes) for row in history] == [(first, None), (second, first)]
    assert history[0].tiers == (("0.0",), ("0.1",), ("0.2",))
    assert store.rater_progress("jokes", "rater 0").dollars_earned == pytest.approx(0.30)


def test_undo_reopens_the_last_one_and_takes_the_pay_back(store: Store, clock: Clock) -> None:
    begin(store)
    first = next_for(store, 0)
    store.submit("jokes", "rater 0", first.id, in_order(first))
    clock.now += 1
    second = next_for(store, 0)
    store.submit("jokes", "rater 0", second.id, in_order(second))
    clock.now += 1
    undone = store.undo("jokes", "rater 0")
    assert undone is not None
    assert undone.id == second.id
    assert [ranking.prompt_id for ranking in store.rankings("jokes")] == [first.prompt_id]
    assert store.rater_progress("jokes", "rater 0").dollars_owed == pytest.approx(0.30)
    again = next_for(store, 0)
    assert (again.id, again.ranking_id) == (second.id, None)
    store.submit("jokes", "rater 0", again.id, in_order(again)[::-1])
    assert [row.retracted for row in store.history("jokes", "rater 0", again.id)] == [False, True, False]
    assert [line.kind for line in store.payments("jokes")] == ["earned", "earned", "reversed", "earned"]
    undone = store.undo("jokes", "rater 0")
    assert undone is not None
    assert undone.id == second.id
    clock.now += 1
    undone = store.undo("jokes", "rater 0")
    assert undone is not None
    assert undone.id == first.id
    with pytest.raises(InputError, match="nothing to undo"):
        store.undo("jokes", "rater 0")


def test_a_skip_gives_the_place_to_others_for_good(store: Store) -> None:
    begin(store, prompts=1)
    assignment = next_for(store, 0)
    with pytest.raises(InputError, match="reason"):
        store.skip("jokes", "rater 0", assignment.id, " ")
    store.skip("jokes", "rater 0", assignment.id, "not funny in any order")
    assert store.lease("jokes", "rater 0") is None
    assert next_for(store, 1).prompt_id == "p0"
    assert store.skips("jokes") == [("rater 0", "p0", "not funny in any order")]
    with pytest.raises(InputError, match="skipped"):
        store.submit("jokes", "rater 0", assignment.id, in_order(assignment))
    undone = store.undo("jokes", "rater 0")
    assert undone is not None
    assert undone.state == "open"
    store.submit("jokes", "rater 0", assignment.id, in_order(assignment))


def test_flags_come_with_the_ranking_and_can_be_taken_back(store: Store) -> None:
    begin(store)
    assignment = next_for(store, 0)
    name = assignment.responses[1].id
    store.flag("jokes", "rater 0", assignment.id, name, "nonsense")
    store.flag("jokes", "rater 0", assignment.id, name, "unsafe")
    store.flag("jokes", "rater 0", assignment.id, assignment.responses[0].id, "unsafe")
    store.flag("jokes", "rater 0", assignment.id, assignment.responses[0].id, "unsafe", raised=False)
    assert next_for(store, 0).flags == ((name, "nonsense"), (name, "unsafe"))
    store.submit("jokes", "rater 0", assignment.id, in_order(assignment))
    assert store.rankings("jokes")[0].flags == ((), ("nonsense", "unsafe"), ())
    with pytest.raises(InputError, match="flag 'boring': expected nonsense or unsafe"):
        store.flag("jokes", "rater 0", assignment.id, name, "boring")
    with pytest.raises(InputError, match="no response 'x'"):
        store.flag("jokes", "rater 0", assignment.id, "x", "unsafe")


def test_progress_and_cost(store: Store) -> None:
    begin(store, prompts=4, overlap=2, responses=5)
    for seconds, assignment in enumerate(store.lease_many("jokes", "rater 0", 3), start=10):
        store.submit("jokes", "rater 0", assignment.id, in_order(assignment), seconds)
    next_for(store, 1)
    progress = store.progress("jokes")
    assert (progress.prompts, progress.wanted, progress.done, progress.leased) == (4, 8, 3, 1)
    assert (progress.ratings, progress.median_seconds, progress.rankings_per_hour) == (15, 11.0, 3)
    assert (progress.dollars_spent, progress.dollars_to_come) == (1.5, 2.5)
    mine = store.rater_progress("jokes", "rater 0")
    assert (mine.done, mine.available, mine.ratings, mine.dollars_earned) == (3, 1, 15, 1.5)
    assert store.rater_progress("jokes", "rater 1").available == 4


def test_pay_is_booked_once_and_never_beyond_what_is_owed(store: Store) -> None:
    begin(store)
    assignment = next_for(store, 0)
    store.submit("jokes", "rater 0", assignment.id, in_order(assignment))
    store.pay("jokes", "rater 0", "0.30")
    assert store.rater_progress("jokes", "rater 0").dollars_owed == 0
    assert store.rater_progress("jokes", "rater 0").dollars_earned == pytest.approx(0.30)
    assert store.progress("jokes").dollars_spent == pytest.approx(0.30)
    with pytest.raises(InputError, match=r"owed \$0\.00"):
        store.pay("jokes", "rater 0", "0.01")


def test_an_inactive_rater_gets_nothing_more(store: Store) -> None:
    begin(store)
    store.set_active("jokes", "rater 0", False)
    with pytest.raises(InputError, match="no more prompts"):
        store.lease("jokes", "rater 0")
    assert [rater.active for rater in store.raters("jokes")] == [False, True]


@pytest.mark.parametrize(
    ("item", "words"),
    [
        (
            NewPrompt(Prompt("one"), (Response("a"),), "p"),
            "prompt 'p': expected at least two responses, got 1",
        ),
        (
            NewPrompt(Prompt("one"), (Response("a", "x"), Response("b", "x")), "p"),
            "two responses have the id",
        ),
        (NewPrompt(Prompt("one\x00"), (Response("a"), Response("b")), "p"), "zero byte"),
        (NewPrompt(Prompt("one"), (Response("\ud800"), Response("b")), "p"), "half a character"),
        (NewPrompt(Prompt("another"), (Response("a"), Response("b")), "p0"), "'p0' is there already with"),
    ],
)
def test_prompts_that_cannot_be_ranked_are_refused(store: Store, item: NewPrompt, words: str) -> None:
    begin(store)
    with pytest.raises(InputError, match=words):
        store.add_prompts("jokes", [jokes(5)[4], item])
    assert len(store.prompts("jokes")) == 3, "all or none"


def test_everything_known_about_a_response_is_kept(store: Store) -> None:
    store.create_project("jokes")
    responses = (
        Response("a", "1", "model", "step-3", {"temperature": 0.7}, {"style": "pun"}),
        Response("<script>alert('ü')</script>", "2"),
    )
    item = NewPrompt(Prompt("why?", {"topic": "pelicans"}), responses, "p", 3, 0.5)
    assert store.add_prompts("jokes", [item, item]) == ["p", "p"]
    assert store.prompts("jokes") == [item]


def test_equal_texts_are_two_responses(store: Store) -> None:
    store.create_project("jokes")
    [key] = store.add_prompts("jokes", [NewPrompt(Prompt("p"), (Response("same"), Response("same")))])
    first, second = store.prompts("jokes")[0].responses
    assert first.text == second.text
    assert first.id != second.id
    assert store.add_prompts("jokes", [NewPrompt(Prompt("p"), (Response("same"), Response("same")))]) == [key]
    assert len(store.prompts("jokes")[0].responses) == 2


def test_rankings_made_elsewhere_come_in_once(store: Store) -> None:
    store.create_project("jokes")
    given = [
        Ranking(
            Prompt("why?", {"topic": "x"}),
            (Response("b", "b"), Response("a", "a")),
            (1, 2),
            rater=rater,
            prompt_id="p",
            seconds=2.0,
            time=5.0,
            flags=((), ("nonsense",)),
        )
        for rater in ("ann", "bob")
    ]
    assert store.import_rankings("jokes", given) == 2
    assert store.import_rankings("jokes", given) == 0
    assert store.rankings("jokes") == given
    assert store.payments("jokes") == []
    other = Ranking(given[0].prompt, given[0].responses, (2, 1), "ann", "p")
    with pytest.raises(InputError, match="'ann' has another ranking of prompt 'p'"):
        store.import_rankings("jokes", [other])


def test_many_raters_at_once_lose_nothing_and_double_nothing(place: str) -> None:
    with Store.open(place) as store:
        begin(store, prompts=12, raters=8, overlap=3)

        def work(rater: int) -> int:
            done = 0
            while (assignment := store.lease("jokes", f"rater {rater}")) is not None:
                store.submit("jokes", f"rater {rater}", assignment.id, in_order(assignment))
                done += 1
            return done

        with ThreadPoolExecutor(8) as pool:
            done = list(pool.map(work, range(8)))
        rankings = store.rankings("jokes")
        assert sum(done) == len(rankings) == 36
        assert set(Counter(ranking.prompt_id for ranking in rankings).values()) == {3}
        assert len({(ranking.prompt_id, ranking.rater) for ranking in rankings}) == 36
        assert len(store.payments("jokes")) == 36


def test_the_same_things_added_at_once_are_added_once(place: str) -> None:
    with Store.open(place) as store:
        store.create_project("jokes")
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _: store.add_rater("jokes", "ann"), range(8)))
            list(pool.map(lambda _: store.add_prompts("jokes", jokes(2)), range(8)))
            leased = list(pool.map(lambda _: store.lease("jokes", "ann"), range(8)))
            tiers = in_order(next(iter(filter(None, leased))))
            numbers = set(
                pool.map(lambda item: store.submit("jokes", "ann", item.id, tiers), [leased[0]] * 8)
            )
        assert len(store.raters("jokes")) == 1
        assert len(store.prompts("jokes")) == 2
        assert len({item.id for item in leased if item is not None}) == 1
        assert len(numbers) == len(store.rankings("jokes")) == len(store.payments("jokes")) == 1


def test_one_rater_at_two_pages_waits_for_nobody(place: str) -> None:
    with Store.open(place) as store:
        begin(store, prompts=6, raters=1)
        name, ended, refused = "rater 0", Event(), list[str]()

        def submit() -> None:
            while (assignment := store.lease("jokes", name)) is not None:
                store.submit("jokes", name, assignment.id, in_order(assignment))
            ended.set()

        def look() -> None:
            while not ended.is_set():
                store.lease("jokes", name)

        def take_back() -> None:
            for _ in range(5):
                try:
                    store.undo("jokes", name)
                except InputError as error:
                    refused.append(str(error))

        with ThreadPoolExecutor(3) as pool:
            for work in [pool.submit(work) for work in (submit, look, take_back)]:
                work.result()
        assert set(refused) <= {"rater 'rater 0' has nothing to undo"}
        ratings = sum(payment.ratings for payment in store.payments("jokes"))
        assert ratings == 3 * len(store.rankings("jokes"))


@pytest.mark.parametrize("price", ["-1", "nan", "ten", "0.00000001"])
def test_a_price_is_an_amount_of_dollars(store: Store, price: str) -> None:
    with pytest.raises(InputError, match="price: expected"):
        store.create_project("jokes", price=price)


def test_unknown_names_are_told(store: Store) -> None:
    with pytest.raises(InputError, match="no project 'jokes'"):
        store.lease("jokes", "ann")
    begin(store)
    with pytest.raises(InputError, match="project 'jokes' has no rater 'ann'"):
        store.lease("jokes", "ann")
    with pytest.raises(InputError, match="'jokes' exists already"):
        store.create_project("jokes")
