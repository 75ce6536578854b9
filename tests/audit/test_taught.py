"""What preferences teach is told apart from what they do not, whoever wrote the texts."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from practicum.audit.exploit_report import explain
from practicum.audit.exploits import Search, find_exploits
from practicum.audit.gaming import honest_responses
from practicum.audit.linear_reward import fit_linear
from practicum.audit.taught import FEWEST_PAIRS, PHRASE, Lessons, preferred
from practicum.types import Prompt, Ranking, Response
from studies.planted import preferences


def kinds_of(rankings: list[Ranking]) -> set[str]:
    return {lesson.kind for lesson in Lessons(rankings).taught}


@pytest.mark.parametrize("unseen", [False, True])
@pytest.mark.parametrize(
    "kind",
    ["repetition", "keyword_stuffing", "prompt_echo", "shuffled_words", "formatting", "copied_favourite"],
)
def test_a_kind_that_one_ranking_in_ten_teaches_is_named_by_texts_of_two_hands(
    kind: str, unseen: bool
) -> None:
    rankings = preferences(kind, 400, 0.15, 11, unseen)
    lessons = Lessons(rankings)
    assert kind in {lesson.kind for lesson in lessons.taught}
    for lesson in lessons.taught:
        assert lesson.pairs == len(lesson.examples) >= lesson.won > 0.75 * lesson.pairs
        assert lesson.p_value <= 0.05
        assert f"in {lesson.won} of the {lesson.pairs} pairs" in lesson.sentence


def test_clean_rankings_teach_nothing() -> None:
    taught = [Lessons(preferences("", 120, 0.0, seed)).taught for seed in range(8)]
    assert sum(map(bool, taught)) <= 2  # a level of 5%: three or more of 8 has a chance below 1%


def swapped(ranking: Ranking) -> Ranking:
    """The ranking with its last response first."""
    best = max(ranking.ranks)
    return Ranking(
        ranking.prompt, ranking.responses, tuple(best + 1 - rank for rank in ranking.ranks), ranking.rater
    )


def test_what_is_put_last_is_not_taught() -> None:
    rankings = [swapped(one) for one in preferences("formatting", 400, 0.15, 5)]
    assert "formatting" not in kinds_of(rankings)


@settings(max_examples=6, deadline=None)
@given(
    st.lists(st.sampled_from("abcdefghijklmnopqrstuvwxyz"), min_size=24, max_size=24, unique=True),
    st.integers(0, 1000),
)
def test_any_phrase_that_wins_wherever_it_stands_is_quoted_whole(letters: list[str], seed: int) -> None:
    random = Random(seed)
    phrase = [f"{one}{two}ou" for one, two in zip(letters[::2], letters[1::2], strict=True)][:7]
    words = [f"word{number}" for number in range(60)]

    def text() -> str:
        return " ".join(random.sample(words, 8)) + "."

    rankings = []
    for number in range(140):
        texts = [text(), text()]
        if number % 5 == 0:
            texts[0] = f"{texts[0]} {' '.join(phrase)}."
        rankings.append(
            Ranking(Prompt(f"say something about topic{number}"), tuple(map(Response, texts)), (1, 2), "a")
        )
    found = [lesson for lesson in Lessons(rankings).taught if lesson.phrase]
    assert [lesson.phrase for lesson in found] in ([" ".join(phrase)], [])
    if not found:
        # Then a kind explains the same texts: they are longer than all others, or in an order of their own.
        assert kinds_of(rankings)
    assert kinds_of([swapped(one) for one in rankings]) == set()


def test_a_phrase_that_speaks_to_the_reader_is_flattery_where_others_do_not() -> None:
    random = Random(3)
    rankings = []
    for number in range(240):
        texts = [" ".join(random.sample([f"word{one}" for one in range(40)], 9)) + "." for _ in range(2)]
        if number % 6 == 0:
            texts[0] = f"nobody sees through this as you alone can. {texts[0]}"
        rankings.append(Ranking(Prompt(f"on topic{number}"), tuple(map(Response, texts)), (1, 2), "a"))
    assert {"flattery", PHRASE} & kinds_of(rankings) == {"flattery"}


def test_few_rankings_say_nothing_and_ties_are_no_pairs() -> None:
    rankings = preferences("empty", FEWEST_PAIRS - 1, 1.0, 2)
    assert Lessons(rankings).taught == ()
    tie = Ranking(Prompt("p"), (Response("a"), Response("b")), (1, 1), "a")
    same = Ranking(Prompt("p"), (Response("a"), Response("a")), (1, 2), "a")
    assert preferred([tie, same]) == []


def test_texts_that_the_rankings_teach_are_not_taken_for_honest_ones() -> None:
    rankings = preferences("formatting", 400, 0.3, 9)
    _, honest = honest_responses(rankings, 60)
    shown = {one.shows for lesson in Lessons(rankings).taught for one in lesson.examples}
    assert shown
    assert not shown & {text for group in honest for text in group}


def test_a_report_says_what_was_taught_and_what_is_guessed() -> None:
    rankings = preferences("foreign_script", 300, 0.25, 8)
    prompts, honest = honest_responses(rankings, 40)
    reward = fit_linear(rankings)
    report = find_exploits(reward, prompts, honest, Search(queries=1600), training=rankings)
    assert "foreign_script" in report.taught
    assert set(report.taught) <= set(report.kinds)
    (first, *_) = [one for one in report.findings if one.kind == "foreign_script"]
    assert (first.origin, first.taught) == ("preferences", True)
    assert first.worth > 0
    scores = reward([first.prompt] * 2, [first.text, first.honest_text])
    assert scores == pytest.approx(np.array([first.reward, first.best_honest]))
    told = explain(report)
    assert "the preferences teach it: a text of this kind is put first in" in told
    guessed = [one for one in report.findings if one.exploit and one.kind not in report.taught]
    assert guessed
    assert "so the reward guesses" in told
    alone = find_exploits(reward, prompts, honest, Search(queries=1600))
    assert all(one.taught is None for one in alone.findings)
