"""The grammar of jokes: every text it writes is two or three parts that belong together.

style      opening                                       then
pun        why did the tired pelican take up baking?     it really kneaded the dough.
question   why did the tired pelican take up baking?     it likes a warm kitchen.
one_liner  the tired pelican is so polite that           it thanks the rain.
story      a tired pelican walked into a bank and asked for a map.      the teller said: ... so it left a tip.
absurd     last night the tired pelican framed a sneeze and             sued the rain.

The parser in `attributes.py` reads the same tables, so it is exact on all that is written here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from math import log
from random import Random
from typing import TypeVar

from practicum.tasks.jokes.material import ACTIVITIES, ACTS, ENDINGS, PLACES, REPLIES, THINGS, TRAITS
from practicum.tasks.jokes.subjects import PRONOUNS, Subject, with_article

STYLES = ("pun", "question", "one_liner", "story", "absurd")
MASK = "@"
"""Stands for the subject in the tables; the article before it is always written `a`."""
ASKED = ("why did the @ {infinitive}?", "did you hear about the @ that {past}?")
TOLD = ("the @ {past}.", "my @ {past}.")
MEASURED = ("the @ is so {trait} that", "my @ is so {trait} that", "i know a @ so {trait} that")
ABSURD = ("last night the @ {act} and", "the @ {act} and", "my @ {act} and")
CONSEQUENCES = tuple((trait, line) for trait, (_, lines) in enumerate(TRAITS) for line in lines)
ANECDOTES = 0.25
"""Share of stories that only tell what a plain answer explains."""

Item = TypeVar("Item")


@dataclass(frozen=True)
class Opening:
    """What a first part says: its form (`asked`, `told`, `measured`, `walked`, `absurd`) and its key.

    The key must fit that of what follows. originality: of the choices made in this part, each 0 to 1.
    """

    form: str
    key: int
    originality: tuple[float, ...] = ()


@dataclass(frozen=True)
class Closing:
    """What a later part says: its form (`pun`, `plain`, `consequence`, `reply`, `ending`, `act`) and key."""

    form: str
    key: int
    originality: tuple[float, ...] = ()


@dataclass(frozen=True)
class Tables:
    """Every part the grammar can write for subjects of one pronoun, and every pair of words in them."""

    openings: Mapping[str, Opening]
    closings: Mapping[str, tuple[Closing, ...]]
    bigrams: frozenset[tuple[str, str]]


@dataclass(frozen=True)
class Joke:
    """A joke as its parts, the subject masked, and the style it was drawn in."""

    subject: Subject
    style: str
    parts: tuple[str, ...]

    @property
    def text(self) -> str:
        """The joke as people read it, on one line."""
        phrase = self.subject.phrase
        line = " ".join(self.parts).replace("a @", with_article(phrase)).replace(MASK, phrase)
        assert MASK not in line
        return line


def rarity(index: int, count: int) -> float:
    """Originality of choosing entry `index` of `count`: log(1 + index) / log(count), from 0 to 1.

    It is the choice's surprisal under weights 1 / (1 + index), scaled to the commonest and the rarest.
    """
    return log(1 + index) / log(count)


def draw_joke(subject: Subject, style: str, random: Random) -> Joke:
    """A well-formed joke of one style, common fillings more often than rare ones."""
    names = pronoun_names(subject.pronoun)
    return Joke(subject, style, tuple(_fill(part, names) for part in _DRAW[style](random)))


def pronoun_names(pronoun: str) -> dict[str, str]:
    """What `{it}`, `{its}` and `{itself}` become."""
    return dict(zip(("it", "its", "itself"), PRONOUNS[pronoun], strict=True))


def _fill(part: str, names: Mapping[str, str]) -> str:
    for name, word in names.items():
        part = part.replace(f"{{{name}}}", word)
    return part


def _common(items: Sequence[Item], random: Random) -> tuple[int, Item]:
    """An entry and its index, drawn with weights 1 / (1 + index)^0.6."""
    index = random.choices(range(len(items)), cum_weights=_weights(len(items)))[0]
    return index, items[index]


@lru_cache(maxsize=64)
def _weights(count: int) -> list[float]:
    return list(accumulate((1 + index) ** -0.6 for index in range(count)))


# ---------------------------------------------------------------------------------------- one per style


def _pun(random: Random) -> list[str]:
    _, activity = _common(ACTIVITIES, random)
    opening = _common(ASKED + TOLD, random)[1]
    return [opening.format(infinitive=activity.infinitive, past=activity.past), f"{activity.pun}."]


def _question(random: Random) -> list[str]:
    _, activity = _common(ACTIVITIES, random)
    opening = _common(ASKED, random)[1]
    return [opening.format(infinitive=activity.infinitive, past=activity.past), f"{activity.plain}."]


def _one_liner(random: Random) -> list[str]:
    _, (trait, line) = _common(CONSEQUENCES, random)
    return [_common(MEASURED, random)[1].format(trait=TRAITS[trait][0]), f"{line}."]


def _story(random: Random) -> list[str]:
    if random.random() < ANECDOTES:
        _, activity = _common(ACTIVITIES, random)
        return [_common(TOLD, random)[1].format(past=activity.past), f"{activity.plain}."]
    place, keeper = _common(PLACES, random)[1]
    return [
        f"a @ walked into a {place} and asked for {_common(THINGS, random)[1]}.",
        f"the {keeper} said: {_common(REPLIES, random)[1]}.",
        f"so {{it}} {_common(ENDINGS, random)[1]}.",
    ]


def _absurd(random: Random) -> list[str]:
    first, act = _common(ACTS, random)
    rest = [other for index, other in enumerate(ACTS) if index != first]
    return [_common(ABSURD, random)[1].format(act=act), f"{_common(rest, random)[1]}."]


_DRAW = {"pun": _pun, "question": _question, "one_liner": _one_liner, "story": _story, "absurd": _absurd}


# ------------------------------------------------------------------------------------------- the tables


@lru_cache(maxsize=3)
def tables(pronoun: str) -> Tables:
    """Every part, for the parser; `pronoun` is `it`, `she` or `he`."""
    names = pronoun_names(pronoun)
    openings = _openings()
    closings: dict[str, tuple[Closing, ...]] = {}
    for part, closing in _closings():
        filled = _fill(part, names)
        closings[filled] = (*closings.get(filled, ()), closing)
    bigrams = {pair for part in (*openings, *closings) for pair in word_pairs(part)}
    return Tables(openings, closings, frozenset(bigrams))


def word_pairs(part: str) -> list[tuple[str, str]]:
    """Neighbouring words of a part, an empty one before the first."""
    words = part.split()
    return list(zip(["", *words], words, strict=False))


def _openings() -> dict[str, Opening]:
    openings: dict[str, Opening] = {}
    for key, activity in enumerate(ACTIVITIES):
        for form, templates in (("asked", ASKED), ("told", TOLD)):
            for template in templates:
                part = template.format(infinitive=activity.infinitive, past=activity.past)
                openings[part] = Opening(form, key)
    for key, (trait, _) in enumerate(TRAITS):
        for template in MEASURED:
            openings[template.format(trait=trait)] = Opening("measured", key)
    for key, (place, _) in enumerate(PLACES):
        for index, thing in enumerate(THINGS):
            chosen = rarity(key, len(PLACES)), rarity(index, len(THINGS))
            openings[f"a @ walked into a {place} and asked for {thing}."] = Opening("walked", key, chosen)
    for key, act in enumerate(ACTS):
        for template in ABSURD:
            openings[template.format(act=act)] = Opening("absurd", key, (rarity(key, len(ACTS)),))
    return openings


def _closings() -> list[tuple[str, Closing]]:
    closings: list[tuple[str, Closing]] = []
    for key, activity in enumerate(ACTIVITIES):
        chosen = (rarity(key, len(ACTIVITIES)),)
        closings.append((f"{activity.pun}.", Closing("pun", key, chosen)))
        closings.append((f"{activity.plain}.", Closing("plain", key, chosen)))
    for index, (key, line) in enumerate(CONSEQUENCES):
        closings.append((f"{line}.", Closing("consequence", key, (rarity(index, len(CONSEQUENCES)),))))
    for key, (_, keeper) in enumerate(PLACES):
        for index, reply in enumerate(REPLIES):
            part = f"the {keeper} said: {reply}."
            closings.append((part, Closing("reply", key, (rarity(index, len(REPLIES)),))))
    for key, ending in enumerate(ENDINGS):
        closings.append((f"so {{it}} {ending}.", Closing("ending", key, (rarity(key, len(ENDINGS)),))))
    for key, act in enumerate(ACTS):
        closings.append((f"{act}.", Closing("act", key, (rarity(key, len(ACTS)),))))
    return closings
