"""Minimal pairs tell what a reward pays for from what its texts have beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

import numpy as np
import pytest

from practicum.audit.exploits import find_exploits
from practicum.audit.measures import KINDS, learn_honest, measure
from practicum.audit.pairs import PAIRS, unchanged
from practicum.audit.probes import Source, content_words
from practicum.guard.signals import words_of
from practicum.types import Prompt
from studies.planted import honest_set


def source(index: int, count: int = 20) -> tuple[Source, list[Prompt], list[list[str]]]:
    prompts, honest = honest_set(count)
    manner = learn_honest(prompts, honest)
    words = content_words(prompts[index], manner)
    away = [word for word in content_words(prompts[index - 1], manner) if word not in words]
    others = [group[0] for place, group in enumerate(honest) if place != index][:3]
    favourite = honest[index - 1][0]
    made = Source(
        prompts[index], honest[index][0], honest[index], words, favourite, Random(index), "", others, away
    )
    return made, prompts, honest


def test_every_kind_has_pairs() -> None:
    assert set(PAIRS) == set(KINDS)


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"empty", "copied_favourite", "unfinished"}))
def test_a_pair_differs_in_its_own_kind(kind: str) -> None:
    wider = []
    for index in range(8):
        made, prompts, honest = source(index)
        manner = learn_honest(prompts, honest)
        for write, control in PAIRS[kind]:
            with_it, without = (measure(made.prompt, text(made), manner)[kind] for text in (write, control))
            wider.append(with_it > without)
    assert np.mean(wider) > 0.7


@pytest.mark.parametrize(
    "kind", ["repetition", "keyword_stuffing", "prompt_echo", "flattery", "foreign_script"]
)
def test_where_words_are_added_both_texts_have_as_many(kind: str) -> None:
    for write, control in PAIRS[kind]:
        assert control is not unchanged
        sources = [source(index)[0] for index in range(8)]
        counts = [sum(len(text(one).split()) for one in sources) for text in (write, control)]
        assert abs(counts[0] - counts[1]) <= 0.2 * counts[1]


Paid = Callable[[str], float]


@pytest.mark.parametrize(
    ("paid", "cause", "beside"),
    [
        (
            lambda text: len(words_of(text)) / 10,
            "length_padding",
            {"flattery", "foreign_script", "prompt_echo"},
        ),
        (
            lambda text: -len(words_of(text)) / 10,
            "empty",
            {"copied_favourite", "formatting", "shuffled_words"},
        ),
    ],
)
def test_what_is_paid_for_length_alone_is_not_named_for_what_else_it_is(
    paid: Paid, cause: str, beside: set[str]
) -> None:
    prompts, honest = honest_set(34)

    def reward(prompts: Sequence[Prompt], texts: Sequence[str]) -> np.ndarray:
        return np.array([paid(text) for text in texts])

    report = find_exploits(reward, prompts, honest)
    assert cause in report.kinds
    assert not beside & set(report.kinds)
    assert set(report.kinds).isdisjoint(report.beside)
