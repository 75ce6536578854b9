"""Slips people make when they tell a joke."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random

from practicum.tasks.jokes.grammar import Joke, draw_joke
from practicum.tasks.jokes.subjects import subjects


def spoiled(joke: Joke, random: Random) -> str:
    """The joke told with one slip."""
    return random.choice(_SLIPS)(joke, random)


def _stops(joke: Joke, random: Random) -> str:
    """Never gets to the end."""
    words = joke.text.split()
    return " ".join(words[: random.randrange(len(words) // 2, len(words))])


def _mixes_up(joke: Joke, random: Random) -> str:
    """Ends with the punch line of another joke."""
    other = draw_joke(joke.subject, joke.style, random)
    return replace(joke, parts=(*joke.parts[:-1], other.parts[-1])).text


def _other_subject(joke: Joke, random: Random) -> str:
    """Tells it about somebody else."""
    others = subjects("train")
    return draw_joke(random.choice(others), joke.style, random).text


def _repeats(joke: Joke, random: Random) -> str:
    """Says the last part twice."""
    return replace(joke, parts=(*joke.parts, joke.parts[-1])).text


_SLIPS: tuple[Callable[[Joke, Random], str], ...] = (_stops, _mixes_up, _other_subject, _repeats)
