"""What jokes are about: nouns with their pronouns, adjectives, and the split a subject belongs to."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

from practicum.errors import InputError

SPLITS = MappingProxyType({"train": 0.80, "validation": 0.05, "test": 0.15})
REQUEST = "tell a joke about "
MAX_CHARACTERS = 40
"""Longest subject a person may ask for."""

_ANIMALS = """
pelican walrus penguin badger beaver hedgehog parrot camel llama giraffe otter raccoon turtle lobster moose
goose hamster ferret gorilla kangaroo koala panda flamingo heron seagull pigeon rooster donkey zebra rhino
crocodile iguana lizard salmon octopus jellyfish squid crab snail beetle moth wasp mole weasel lemur ostrich
"""
_WOMEN = "pirate doctor baroness farmer detective astronaut florist poet nurse captain"
_MEN = "wizard plumber king chemist tailor butler sailor painter uncle magician"
_OBJECTS = """
robot teapot umbrella sock toaster suitcase cactus snowman scarecrow statue kite broom bucket pillow carrot
turnip pumpkin lantern trumpet violin drum wheelbarrow doorbell mailbox
"""
_ADJECTIVES = """
tired young clever tall round purple famous brave gloomy dusty fancy local modern noble plain rusty secret
silent stubborn sunny tiny wise
"""
ADJECTIVES = tuple(_ADJECTIVES.split())

CATEGORY = MappingProxyType(
    dict.fromkeys(_ANIMALS.split(), "animal")
    | dict.fromkeys((*_WOMEN.split(), *_MEN.split()), "person")
    | dict.fromkeys(_OBJECTS.split(), "object")
)
_PRONOUN = dict.fromkeys(_WOMEN.split(), "she") | dict.fromkeys(_MEN.split(), "he")
PRONOUNS = MappingProxyType(
    {"it": ("it", "its", "itself"), "she": ("she", "her", "herself"), "he": ("he", "his", "himself")}
)
"""Pronoun -> (subject, possessive, reflexive)."""


@dataclass(frozen=True)
class Subject:
    """A noun with an adjective before it, or none: `tired pelican`."""

    noun: str
    adjective: str = ""

    @property
    def phrase(self) -> str:
        """Adjective and noun."""
        return f"{self.adjective} {self.noun}".strip()

    @property
    def pronoun(self) -> str:
        """`it`, `she` or `he`; `it` for a noun of a person's own choice."""
        return _PRONOUN.get(self.noun, "it")

    @property
    def category(self) -> str:
        """`animal`, `person`, `object`, or `other` for a noun of a person's own choice."""
        return CATEGORY.get(self.noun, "other")


def with_article(phrase: str) -> str:
    """`a pelican`, `an otter`."""
    return f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}"


def read_subject(phrase: str) -> Subject:
    """A subject from its words: the last one is the noun, those before it the adjective.

    Raises InputError when the phrase is empty, too long, or no plain words.
    """
    words = phrase.lower().split()
    plain = all(word.isascii() and word.replace("-", "").isalpha() for word in words)
    if not words or len(phrase) > MAX_CHARACTERS or not plain:
        raise InputError(
            f"subject {phrase[:60]!r}: expected a few plain words of at most {MAX_CHARACTERS} letters, "
            "as in `tired pelican`"
        )
    return Subject(words[-1], " ".join(words[:-1]))


def read_request(text: str) -> Subject:
    """The subject of `tell a joke about a tired pelican.`, or of `a tired pelican` alone.

    Raises InputError when it names none.
    """
    phrase = text.strip().lower().removeprefix(REQUEST).strip(" .\n")
    for article in ("a ", "an ", "the "):
        phrase = phrase.removeprefix(article)
    return read_subject(phrase)


@lru_cache(maxsize=8192)
def split_of(phrase: str) -> str:
    """`train`, `validation` or `test`: a SHA-256 bucket of the phrase, the same on every machine.

    Bare nouns are always train, so that no word of a held-out prompt is new, only the combination.
    """
    if " " not in phrase:
        return "train"
    bucket = int.from_bytes(hashlib.sha256(f"joke {phrase}".encode()).digest()[:8], "big") / 2**64
    if bucket < SPLITS["train"]:
        return "train"
    return "validation" if bucket < SPLITS["train"] + SPLITS["validation"] else "test"


@lru_cache(maxsize=4)
def subjects(split: str) -> tuple[Subject, ...]:
    """Every subject of a split, in a fixed order. Raises InputError for an unknown split."""
    if split not in SPLITS:
        raise InputError(f"split: expected one of {', '.join(SPLITS)}, got {split!r}")
    every = (Subject(noun, adjective) for noun in CATEGORY for adjective in ("", *ADJECTIVES))
    return tuple(subject for subject in every if split_of(subject.phrase) == split)
