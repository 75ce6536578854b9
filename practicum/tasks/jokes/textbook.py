"""Exposition: what things are, which words have two readings, and jokes to read."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from practicum.tasks.jokes.grammar import draw_joke
from practicum.tasks.jokes.material import ACTIVITIES, PLACES
from practicum.tasks.jokes.subjects import Subject, with_article

_ABOUT_STYLES = {
    "pun": "a pun plays on a word with two readings",
    "question": "a plain answer can be funny too",
    "one_liner": "a one liner goes one step too far",
    "story": "a story ends in another way than it began",
    "absurd": "an absurd joke does what nobody ever does",
}


def passage(subject: Subject, style: str, random: Random) -> str:
    """Two or three lines: a fact, perhaps a remark on the style, and a joke in it."""
    lines = [random.choice(_FACTS)(subject, random)]
    if random.random() < 0.3:
        lines.append(f"{_ABOUT_STYLES[style]}.")
    return "\n".join([*lines, draw_joke(subject, style, random).text])


def _pun_word(subject: Subject, random: Random) -> str:
    activity = random.choice(ACTIVITIES)
    return f'"{activity.sound}" makes people think of "{activity.sense}".'


def _kind(subject: Subject, random: Random) -> str:
    return f"{with_article(subject.noun)} is {with_article(subject.category)}, so we say {subject.pronoun}."


def _whom(subject: Subject, random: Random) -> str:
    return f"this joke is about {with_article(subject.phrase)}."


def _keeper(subject: Subject, random: Random) -> str:
    place, keeper = random.choice(PLACES)
    return f"at the {place} we meet the {keeper}."


_FACTS: tuple[Callable[[Subject, Random], str], ...] = (_pun_word, _kind, _whom, _whom, _keeper)
