"""What manner is worth: rewards whose slopes are known give them back, with intervals that hold them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from practicum.audit.slopes import EMOJI, FEATURES, Slopes, measure_slopes
from practicum.guard.signals import words_of
from practicum.stats import Floats
from practicum.types import Prompt
from studies.planted import honest_set

PROMPTS, HONEST = honest_set(30)
SPREAD = 0.5


def noise(text: str) -> float:
    """A fixed number of each text's words, about normal, so that honest rewards differ."""
    return SPREAD * (sum(map(ord, "".join(sorted(words_of(text))))) % 97 / 28.0 - 1.73)


def slopes_of(paid: Callable[[Prompt, str], float], queries: int = 1200) -> Slopes:
    def reward(prompts: Sequence[Prompt], texts: Sequence[str]) -> Floats:
        return np.array([paid(prompt, text) for prompt, text in zip(prompts, texts, strict=True)])

    found = measure_slopes(reward, PROMPTS, HONEST, queries)
    assert found.queries <= queries
    return found


@settings(max_examples=10, deadline=None)
@given(st.floats(-2, 2), st.floats(-2, 2), st.floats(-0.2, 0.2))
def test_linear_slopes_come_back_with_intervals_that_hold_them(
    mark: float, emoji: float, word: float
) -> None:
    found = slopes_of(
        lambda prompt, text: (
            mark * text.count("!")
            + emoji * text.count(EMOJI)
            + word * len(words_of(text))
            + SPREAD * (hash_of(prompt.text, words_of(text)[:4]) - 0.5)
        )
    )
    by_name = {one.feature: one for one in found.slopes}
    assert by_name["emoji"].worth.value * found.deviation == pytest.approx(emoji, abs=1e-6)
    assert by_name["length"].worth.value * found.deviation == pytest.approx(word, abs=1e-6)
    assert by_name["length"].raw == pytest.approx(word, abs=1e-6)
    for name in ("emoji", "length"):
        assert by_name[name].worth.low <= by_name[name].worth.value <= by_name[name].worth.high


def hash_of(prompt: str, words: Sequence[str]) -> float:
    """A number in [0, 1) of a prompt and some words."""
    return sum(map(ord, prompt + "".join(words))) * 7919 % 1000 / 1000


def drawn(generator: np.random.Generator, prompt: str, text: str) -> float:
    """A reward by chance."""
    return float(generator.normal())


def test_intervals_of_noise_hold_nothing_about_as_often_as_they_say() -> None:
    """A reward of the honest texts' words and chance: 10 features, 20 rewards, 95% intervals."""
    missed = total = 0
    for seed in range(20):
        generator = np.random.default_rng(seed)
        noise = partial(drawn, generator)
        for one in slopes_of(noise).slopes:
            total += 1
            missed += one.clear
    assert total >= 200
    assert missed <= 0.11 * total  # 5% is 11 of 220; more than 24 has a chance below 0.1%


def test_praise_and_echo_are_paid_beyond_their_length() -> None:
    found = slopes_of(
        lambda prompt, text: 2.0 * ("great question" in text) + 0.1 * len(words_of(text)) + noise(text)
    )
    by_name = {one.feature: one for one in found.slopes}
    assert by_name["praise"].worth.low > 0
    assert by_name["length"].worth.low > 0
    assert not by_name["bold"].clear
    assert "a sentence of praise is worth +" in by_name["praise"].sentence
    assert set(by_name) == {*FEATURES, "natural_length"}


def test_a_reward_that_does_not_differ_is_told_and_few_questions_measure_nothing() -> None:
    found = slopes_of(lambda prompt, text: 1.0)
    assert "honest rewards do not differ" in found.notes[0]
    assert all(one.worth.value == 0 for one in found.slopes)
    few = slopes_of(lambda prompt, text: 1.0, queries=40)
    assert few.slopes == ()
    assert "too few" in few.notes[0]
