"""The browser of samples, against reading all of them; colours and differences."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from practicum.report.dashboard import samples
from practicum.report.dashboard.samples import Filter, at, coloured, difference, find, sample


def steps_of(row: dict[str, Any]) -> int:
    return int(row["step"])


ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "step": st.integers(0, 9),
            "reward": st.one_of(st.floats(-2, 2), st.none()),
            "outcome": st.sampled_from(["correct", "wrong", ""]),
            "completion": st.sampled_from(["yes", "NO", "maybe not"]),
        }
    ),
    max_size=40,
).map(lambda rows: sorted(rows, key=steps_of))
BOUND = st.one_of(st.none(), st.integers(0, 9).map(float))
FILTERS = st.builds(
    Filter,
    step_from=BOUND,
    step_to=BOUND,
    reward_from=st.one_of(st.none(), st.floats(-2, 2)),
    outcome=st.sampled_from(["", "correct", "not solved"]),
    text=st.sampled_from(["", "no", "y"]),
    oldest_first=st.booleans(),
)


@settings(max_examples=80, deadline=None)
@given(rows=ROWS, wanted=FILTERS, size=st.integers(1, 5), hurried=st.booleans())
def test_pages_hold_every_sample_that_fits_once_and_in_order(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[dict[str, Any]],
    wanted: Filter,
    size: int,
    hurried: bool,
) -> None:
    path = tmp_path_factory.getbasetemp() / "samples.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows) + '{"step": 9, "half')
    fits = [row for row in rows if wanted.fits(row)]
    found, cursor = list[samples.Sample](), None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(samples, "PAGE", size)
        for _ in range(len(rows) + 2):
            page = find(path, wanted, cursor, seconds=-1 if hurried else 60)
            assert len(page.samples) <= size
            assert 0 <= page.searched <= 1
            found += page.samples
            cursor = page.cursor
            if cursor is None:
                break
    assert cursor is None
    expected = fits if wanted.oldest_first else fits[::-1]
    assert [(one.step, one.reward, one.completion) for one in found] == [
        (row["step"], row["reward"], row["completion"]) for row in expected
    ]
    for one in found:
        assert at(path, one.offset) == one
        assert at(path, one.offset + 1) is None


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
FIELDS = ("step", "prompt", "completion", "reward", "advantage", "outcome", "solved", "reason", "turns")
MORE = ("completion_tokens", "parts", "known", "tokens", "other")


@settings(max_examples=60, deadline=None)
@given(row=st.dictionaries(st.sampled_from([*FIELDS, *MORE]), JSON, max_size=8), wanted=FILTERS)
def test_any_row_can_be_shown(row: dict[str, Any], wanted: Filter) -> None:
    wanted.fits(row)
    one = sample(0, row)
    for measure in samples.MEASURES:
        coloured(one, measure)
    one.completion.encode("utf-8")


@given(values=st.lists(st.one_of(st.none(), st.floats(-80, 5)), min_size=1, max_size=9))
def test_colours_follow_the_values(values: list[float | None]) -> None:
    words = [f"w{place}" for place in range(len(values))]
    row = {"tokens": {"text": words, "logprob": values, "kl": values}}
    one = sample(0, row)
    tokens = coloured(one, "logprob")
    assert [token.text for token in tokens] == words
    numbered = [
        (value, token.shade) for value, token in zip(values, tokens, strict=True) if value is not None
    ]
    for value, shade in numbered:
        assert all(other <= shade for lower, other in numbered if lower > value)
    for told, token in zip(values, coloured(one, "kl"), strict=True):
        if told is None:
            assert token.shade == "none"
        elif token.shade != "p0":
            assert token.shade[0] == ("u" if told > 0 else "d")
    assert coloured(one, "advantage") == []


@settings(max_examples=80, deadline=None)
@given(first=st.text("ab \n.", max_size=30), second=st.text("ab \n.", max_size=30))
def test_a_difference_holds_both_texts_whole(first: str, second: str) -> None:
    sides = difference(first, second)
    assert ["".join(piece.text for piece in side) for side in sides] == [first, second]
    same = ["".join(piece.text for piece in side if piece.same) for side in sides]
    assert same[0] == same[1]
    if first == second:
        assert all(piece.same for piece in sides[0])


@settings(max_examples=80, deadline=None)
@given(first=st.lists(st.sampled_from("abc")), second=st.lists(st.sampled_from("abc")))
def test_as_much_is_common_as_can_be(first: list[str], second: list[str]) -> None:
    longest = [[0] * (len(second) + 1) for _ in range(len(first) + 1)]
    for row, one in enumerate(first):
        for column, other in enumerate(second):
            best = max(longest[row][column + 1], longest[row + 1][column])
            longest[row + 1][column + 1] = longest[row][column] + 1 if one == other else best
    sides = difference("\n".join(first), "\n".join(second))
    same = "".join(piece.text for piece in sides[0] if piece.same)
    assert len(same.replace("\n", "")) <= longest[-1][-1]
    assert len(samples._common_words(first, second)) == longest[-1][-1]


def test_answers_that_repeat_themselves_are_compared_at_once() -> None:
    started = time.process_time()
    difference("word , " * 3000, "x word " * 3000)
    assert time.process_time() - started < 2


def test_a_conversation_is_compared_in_all_its_turns() -> None:
    def said(word: str) -> str:
        turns = [{"from": "policy", "text": word}, {"from": "task", "text": "no"}]
        return samples.whole_text(sample(0, {"completion": "yes", "turns": [*turns, {"text": "yes"}]}))

    sides = difference(said("left"), said("right"))
    assert [[piece.text.strip() for piece in side if not piece.same] for side in sides] == [
        ["left"],
        ["right"],
    ]


def test_probabilities_never_leave_their_range() -> None:
    assert samples.probability(3.0) == 1
    assert 0 <= samples.probability(-math.inf) < 1e-300


def test_a_sample_that_is_not_there(tmp_path: Path) -> None:
    assert at(tmp_path / "absent", 0) is None
    assert find(tmp_path / "absent", Filter()).samples == []
