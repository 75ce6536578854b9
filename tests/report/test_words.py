"""Plain language: numbers the way people read them, and verdicts that claim no more than the intervals do."""

from __future__ import annotations

import pytest

from practicum.report import words


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ((0.1, 0.2), (0.3, 0.4), "rose"),
        ((0.3, 0.4), (0.1, 0.2), "fell"),
        ((0.1, 0.3), (0.2, 0.4), "did not clearly change"),
        ((0.1, 0.2), (0.2, 0.3), "did not clearly change"),
        (None, (0.2, 0.3), "not measured"),
    ],
)
def test_a_change_needs_intervals_that_are_apart(before: object, after: object, expected: str) -> None:
    assert words.change(before, after) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("first_before", "many_before", "first_after", "many_after", "expected"),
    [
        ((0.1, 0.2), (0.4, 0.5), (0.3, 0.4), (0.6, 0.7), "taught"),
        ((0.1, 0.2), (0.4, 0.5), (0.3, 0.4), (0.45, 0.55), "sharpened"),
        ((0.1, 0.2), (0.4, 0.5), (0.3, 0.35), (0.3, 0.39), "narrowed"),
        ((0.1, 0.2), (0.4, 0.5), (0.15, 0.25), (0.4, 0.5), "unclear"),
    ],
)
def test_teaching_is_told_from_sharpening_by_reach(
    first_before: words.Bounds,
    many_before: words.Bounds,
    first_after: words.Bounds,
    many_after: words.Bounds,
    expected: str,
) -> None:
    assert words.teaching_verdict(first_before, many_before, first_after, many_after) == expected


def test_an_easy_examination_is_named_as_unable_to_show_teaching() -> None:
    assert "too easy" in words.teaching_sentence("sharpened", 16, True)
    assert "too easy" not in words.teaching_sentence("sharpened", 16, False)
    assert "too easy" not in words.teaching_sentence("taught", 16, True)


def test_numbers_are_written_for_people() -> None:
    assert words.percent(0.41265) == "41.3%"
    assert words.percent(None) == "–"
    assert words.percent_interval((0.382, 0.444)) == "38.2–44.4%"
    assert words.points(-0.021) == "−2.1"
    assert words.whole(12345.0) == "12,345"
    assert [words.duration(seconds) for seconds in (0.5, 48, 372, 360, 7500)] == [
        "0.5 s",
        "48 s",
        "6 min 12 s",
        "6 min",
        "2 h 5 min",
    ]
    assert [words.short(value) for value in (0.0, 1.2345, 1.2e-5, 2345.6)] == [
        "0",
        "1.23",
        "1.2·10^−5",
        "2,346",
    ]


@pytest.mark.parametrize(
    ("stage", "config", "said"),
    [
        ("rl", {}, "An exact verifier says"),
        ("rl", {"task": {"name": "jokes"}}, "the task jokes judges them"),
        ("rl", {"reward": {"functions": ["mine.py:score"]}}, "is paid for them by mine.py:score."),
        ("rl", {"reward_model": ["a", "b"], "reward": {"functions": ["length"]}}, "by a and b and length."),
        ("rl", {"reward_model": ["a"], "control": "random"}, "a coin toss decides"),
        ("sft", {}, "worked solutions"),
        ("sft", {"data": {"file": "rows.jsonl"}}, "the completions in rows.jsonl"),
        ("reward_model", {}, "One stage of training."),
    ],
)
def test_a_lone_stage_is_described_by_what_pays_and_what_it_reads(
    stage: str, config: dict[str, object], said: str
) -> None:
    found = words.lone_meaning(stage, config)
    assert said in found
    assert ("verifier" in found) == (said == "An exact verifier says")
