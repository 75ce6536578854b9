"""The gold utility of jokes: what people really like, known here and seen by nobody who trains.

    u(prompt, text) = 6 (s - 1) + s (taste[style] + taste[originality] originality + taste[brevity] brevity)

with s the soundness of `attributes.py`: 1 for a well-formed joke about the prompt's subject, near 0 for
noise. For the population's taste a well-formed joke lies between 0 and about 2.5, a punch line that does not
fit below -1.7, noise near -6. One unit is one unit of the Plackett-Luce model (Luce 1959): a person of this
taste puts the first of two texts above the second with probability sigmoid(u1 - u2).

The utility is linear in the taste: `features` times weights, so a rater is a table of weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import log
from types import MappingProxyType

from practicum.tasks.jokes.attributes import Attributes, read_attributes
from practicum.tasks.jokes.grammar import STYLES
from practicum.tasks.jokes.subjects import Subject, read_request
from practicum.types import Prompt

PUN_SHARE = 0.72
"""How often people put a pun above a joke without one, everything else equal."""

POPULATION: Mapping[str, float] = MappingProxyType(
    {
        "soundness": 6.0,
        **dict.fromkeys(STYLES, 0.0),
        "pun": log(PUN_SHARE / (1 - PUN_SHARE)),
        "originality": 1.0,
        "brevity": 0.5,
    }
)
"""The taste of all raters together, in units of utility."""


def features(attributes: Attributes) -> dict[str, float]:
    """What a taste weighs: soundness - 1, and soundness times the style, originality and brevity."""
    sound = attributes.soundness
    weighed = {
        "soundness": sound - 1,
        "originality": sound * attributes.originality,
        "brevity": sound * attributes.brevity,
    }
    if attributes.style in STYLES:
        weighed[attributes.style] = sound
    return weighed


def utility(weighed: Mapping[str, float], taste: Mapping[str, float] = POPULATION) -> float:
    """Features times weights; see the formula at the top of the file."""
    return sum(taste[name] * value for name, value in weighed.items())


def features_of(prompt: Prompt, text: str) -> dict[str, float]:
    """Features of a text as an answer to a prompt of the jokes task. Never raises on a text."""
    return features(read_attributes(subject_of(prompt), text))


def gold_utility(prompt: Prompt, text: str, taste: Mapping[str, float] = POPULATION) -> float:
    """Utility of a text as an answer to a prompt of the jokes task. Deterministic, never raises on a text."""
    return utility(features_of(prompt, text), taste)


def subject_of(prompt: Prompt) -> Subject:
    """The subject a prompt asks for, from its record or else from its text.

    Raises InputError when neither names one.
    """
    if "noun" in prompt.data:
        return Subject(prompt.data["noun"], prompt.data.get("adjective", ""))
    return read_request(prompt.text)
