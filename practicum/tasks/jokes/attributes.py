"""What a text is, read from the text alone: style, coherence, relevance, repetition, originality, length.

Exact on everything the grammar writes; on any other text (a model's, a person's, noise) each attribute is
graded by how much of a joke of the grammar can be found in it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

from practicum.tasks.jokes.grammar import MASK, Closing, Opening, Tables, tables, word_pairs
from practicum.tasks.jokes.subjects import ADJECTIVES, CATEGORY, Subject, with_article

MAX_CHARACTERS = 1000
"""Longest text that is read; what lies behind it counts as one part no joke has."""
BRIEF, LONG = 40, 160
"""Characters at which brevity is 1 and 0."""
NONE = "none"
"""The style of a text that shows none."""

_SENTENCE = re.compile(r"(?<=[.?!]) ")
_ADJECTIVES = frozenset(ADJECTIVES)
_FOLLOWS = {
    "asked": {"pun": "pun", "plain": "question"},
    "told": {"pun": "pun", "plain": "story"},
    "measured": {"consequence": "one_liner"},
    "walked": {"reply": "story"},
    "absurd": {"act": "absurd"},
}
"""Form of the opening -> form of the closing -> style."""


@dataclass(frozen=True)
class Attributes:
    """All that is known of a text as an answer to a prompt; shares lie between 0 and 1.

    style: one of the grammar's styles, or `none`. coherence: share of a well-formed joke's structure that is
    there, 1 exactly for the grammar's texts. relevance: 1 when it is about the prompt's subject, 0.7 when
    only the noun agrees, else 0. repeated_words: share of words or word triples that come again. originality:
    distance from the textbook's commonest fillings, 0 for what was not recognised. brevity: 1 up to 40
    characters, 0 from 160 on. finished: it ends as a sentence ends. subject: the words it is about.
    """

    style: str
    coherence: float
    relevance: float
    repeated_words: float
    originality: float
    brevity: float
    finished: bool
    characters: int
    words: int
    subject: str

    @property
    def soundness(self) -> float:
        """Coherent, on topic, finished and not repetitive, in one number from 0 to 1.

        coherence (1/4 + 3/4 relevance) (1 - repeated_words), halved when unfinished.
        """
        ended = 1.0 if self.finished else 0.5
        return self.coherence * (0.25 + 0.75 * self.relevance) * (1 - self.repeated_words) * ended

    def json(self) -> dict[str, Any]:
        """Plain values, soundness among them."""
        return {**asdict(self), "soundness": self.soundness}


def read_attributes(subject: Subject, text: str) -> Attributes:
    """Attributes of any text as a joke about `subject`. Never raises; case and spacing do not matter."""
    words = text[:MAX_CHARACTERS].lower().replace(MASK, "#").split()
    line = " ".join(words)
    about, masked = _mask(subject, line, words)
    parts = _parts(masked)
    if len(text) > MAX_CHARACTERS:
        parts.append(text[MAX_CHARACTERS : MAX_CHARACTERS + 80])
    style, coherence, originality = _structure(parts, tables(about.pronoun))
    return Attributes(
        style=style,
        coherence=coherence,
        relevance=_relevance(subject, about),
        repeated_words=_repeated_words(masked.split()),
        originality=originality,
        brevity=min(1.0, max(0.0, (LONG - len(text)) / (LONG - BRIEF))),
        finished=line.endswith((".", "?", "!")),
        characters=len(text),
        words=len(words),
        subject=about.phrase,
    )


# ------------------------------------------------------------------------------------------ the subject


_NOBODY = Subject("")


def _mask(subject: Subject, line: str, words: Sequence[str]) -> tuple[Subject, str]:
    """Whom a text is about, and the text with that subject masked."""
    about = _about(subject, line, words)
    if about is _NOBODY:
        return about, line
    right = with_article(about.phrase).partition(" ")[0]

    def mask(found: re.Match[str]) -> str:
        # A wrong article stays visible as `an`, which no part of the grammar has before a masked subject.
        article = found[1]
        return MASK if article is None else f"{'a' if article == right else 'an'} {MASK}"

    return about, _mentions(about.phrase).sub(mask, line)


def _about(subject: Subject, line: str, words: Sequence[str]) -> Subject:
    """The prompt's subject when it is mentioned, else its noun, else the first known noun, else nobody."""
    if _mentions(subject.phrase).search(line):
        return subject
    plain = [word.strip(".,:;!?\"'") for word in words]
    noun = subject.noun if subject.noun in plain else next((word for word in plain if word in CATEGORY), "")
    if not noun:
        return _NOBODY
    before = plain[plain.index(noun) - 1] if plain.index(noun) else ""
    return Subject(noun, before if before in _ADJECTIVES else "")


def _relevance(asked: Subject, about: Subject) -> float:
    if about.noun != asked.noun:
        return 0.0
    return 1.0 if about.adjective == asked.adjective else 0.7


@lru_cache(maxsize=8192)
def _mentions(phrase: str) -> re.Pattern[str]:
    """A phrase as whole words, with the article before it, if any, as group 1."""
    return re.compile(rf"(?:\b(an?) )?\b{re.escape(phrase)}\b")


# -------------------------------------------------------------------------------------------- structure


def _parts(masked: str) -> list[str]:
    """A text taken apart where the grammar puts jokes together."""
    sentences = _SENTENCE.split(masked)
    if len(sentences) > 1:
        return sentences
    for joint in (" that ", " and "):
        head, found, tail = masked.partition(joint)
        if found:
            return [head + joint.rstrip(), tail]
    return [masked]


def _structure(parts: Sequence[str], table: Tables) -> tuple[str, float, float]:
    """(style, coherence, originality).

    Coherence is half the mean over the parts expected (or found, if more) of 1 for a part of the grammar in
    its place, else half the share of its word pairs that the grammar has; plus a half when all parts are
    there and fit together.
    """
    opening = table.openings.get(parts[0])
    closings = [table.closings.get(part, ()) for part in parts[1:]]
    expected = 3 if opening is not None and opening.form == "walked" else 2
    found = [opening is not None, *(bool(options) for options in closings)]
    credit = sum(
        1.0 if known else 0.5 * _familiar(part, table) for part, known in zip(parts, found, strict=True)
    )
    share = credit / max(expected, len(parts))
    style, fitting = _fit(opening, closings)
    whole = style != NONE and all(found) and len(parts) == expected
    rare = (*(opening.originality if opening else ()), *(one for item in fitting for one in item.originality))
    originality = sum(rare) / len(rare) * share if rare else 0.0
    if style == NONE:
        style = _guess(closings)
    return style, 1.0 if whole else 0.5 * share, originality


def _fit(opening: Opening | None, closings: Sequence[tuple[Closing, ...]]) -> tuple[str, tuple[Closing, ...]]:
    """Style and closings of the first reading in which every part belongs to the opening."""
    if opening is None or not closings:
        return NONE, ()
    follows = _FOLLOWS[opening.form]
    for closing in closings[0]:
        apart = opening.form == "absurd"
        if closing.form in follows and (closing.key == opening.key) != apart:
            if opening.form != "walked":
                return follows[closing.form], (closing,)
            for ending in closings[1] if len(closings) > 1 else ():
                if ending.form == "ending":
                    return follows[closing.form], (closing, ending)
    return NONE, ()


_CLOSES: Mapping[str, str] = {
    "pun": "pun",
    "plain": "question",
    "consequence": "one_liner",
    "reply": "story",
    "act": "absurd",
}


def _guess(closings: Sequence[tuple[Closing, ...]]) -> str:
    """The style that a misplaced punch line would have; `none` when there is none."""
    for options in closings:
        for closing in options:
            if closing.form in _CLOSES:
                return _CLOSES[closing.form]
    return NONE


def _familiar(part: str, table: Tables) -> float:
    """Share of a part's neighbouring words that the grammar, too, puts side by side."""
    pairs = word_pairs(part)
    return sum(pair in table.bigrams for pair in pairs) / len(pairs) if pairs else 0.0


def _repeated_words(words: Sequence[str]) -> float:
    """The largest of: share of repeated word triples, of doubled words, and of a word's share beyond 0.35."""
    if len(words) < 2:
        return 0.0
    triples = list(zip(words, words[1:], words[2:], strict=False))
    again = 1 - len(set(triples)) / len(triples) if triples else 0.0
    doubled = sum(first == second for first, second in pairwise(words)) / (len(words) - 1)
    commonest = max(Counter(words).values())
    return max(again, doubled, (commonest / len(words) - 0.35) / 0.65 if commonest > 3 else 0.0)
