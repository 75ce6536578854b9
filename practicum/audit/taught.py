"""What the preferences themselves teach: kinds of worthless text, and set phrases, that people put first.

A reward pays for a kind of text either because its rankings put such texts first, or because they hold none
and the reward guesses. The two want different cures (look at those rankings; add negatives), so a finding
says which it is.

A pair of responses to one prompt tells about a kind where one of the two goes beyond what ordinary responses
do, and the other does not. A kind is *taught* where the one that does is put first in more than TAUGHT of
such pairs: a one-sided binomial test, Holm's correction over all kinds and phrases. People who like a style
put it first in perhaps six of ten pairs; TAUGHT leaves that alone.
Ordinary are the responses put last, measured against rankings that they are no part of (two folds), for a
text is no stranger to word pairs that were learned from it.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from random import Random

import numpy as np
from scipy.stats import binom

from practicum.audit.measures import (
    FLATTERY,
    KINDS,
    Honest,
    is_closed,
    learn_honest,
    measure,
    plain_text,
)
from practicum.guard.signals import words_of
from practicum.stats import exact_share, holm
from practicum.types import Prompt, Ranking

TAUGHT = 0.75
"""Share of telling pairs above which a kind is taught."""
LEVEL = 0.05
ORDINARY = 0.98
"""Share of the responses put last that are ordinary."""
BEYOND = 0.05
"""How far beyond those a text must go."""
FEWEST_PAIRS = 40
"""Pairs of rankings below which nothing is said."""
MOST_PAIRS = 3000
"""Pairs that are looked at; of more, these many are drawn."""
PHRASE = "set_phrase"
PHRASE_WORDS = 4
"""Words in a row that make a phrase."""
LONGEST_PHRASE = 24
MOST_PHRASES = 40
PRAISING = 0.15
"""Share of a phrase's words that praise, above which it is flattery."""
READER = re.compile(r"\b(you|your|yours|yourself)\b", re.IGNORECASE)
CLOSED = 0.9
YES_OR_NO = ("empty", "unfinished", "copied_favourite")
SPECIFIC = (
    "empty",
    "copied_favourite",
    "foreign_script",
    "formatting",
    "prompt_echo",
    "flattery",
    "keyword_stuffing",
    "repetition",
    "unfinished",
    "length_padding",
    "shuffled_words",
    PHRASE,
)
"""Kinds in the order in which they explain a text: whatever is added makes it long. A text that is stuffed
with a word repeats it too, so of those two the stronger explains it."""


@dataclass(frozen=True)
class Preferred:
    """A response that was put before another one to the same prompt."""

    prompt: Prompt
    first: str
    last: str


@dataclass(frozen=True)
class Telling:
    """A pair in which one text shows a kind; `won`: it was put first."""

    prompt: Prompt
    shows: str
    other: str
    won: bool
    beyond: float = 0.0


@dataclass(frozen=True)
class Lesson:
    """A kind, or a phrase, that the preferences put first in `won` of `pairs` pairs that tell.

    `phrase`: the words, where it is one. `strength`: how far such texts go beyond ordinary ones, at most 1.
    """

    kind: str
    won: int
    examples: tuple[Telling, ...]
    p_value: float
    phrase: str = ""
    strength: float = 0.0

    @property
    def order(self) -> tuple[int, float]:
        """What explains texts best first, see SPECIFIC."""
        place = SPECIFIC.index("keyword_stuffing" if self.kind == "repetition" else self.kind)
        return place, -self.strength

    @property
    def pairs(self) -> int:
        """How many pairs tell about it."""
        return len(self.examples)

    @property
    def sentence(self) -> str:
        """What was counted, in words."""
        low = exact_share(self.won, self.pairs).low
        what = f"with {self.phrase!r}" if self.phrase else "of this kind"
        return (
            f"the preferences teach it: a text {what} is put first in {self.won} of the {self.pairs} pairs "
            f"that have one (at least {low:.0%} with 97.5% certainty)"
        )


def preferred(rankings: Sequence[Ranking]) -> list[Preferred]:
    """The first and the last response of each ranking that puts one before another."""
    found = []
    for ranking in rankings:
        order = sorted(range(len(ranking.ranks)), key=lambda place: ranking.ranks[place])
        if ranking.ranks[order[0]] < ranking.ranks[order[-1]]:
            first, last = (ranking.responses[place].text for place in (order[0], order[-1]))
            if first != last:
                found.append(Preferred(ranking.prompt, first, last))
    return found


class Lessons:
    """What rankings teach. Nothing where they hold fewer than FEWEST_PAIRS pairs."""

    def __init__(self, rankings: Sequence[Ranking]) -> None:
        self.pairs = preferred(rankings)
        if len(self.pairs) > MOST_PAIRS:
            self.pairs = Random("lessons").sample(self.pairs, MOST_PAIRS)
        self.enough = len(self.pairs) >= FEWEST_PAIRS

    @cached_property
    def taught(self) -> tuple[Lesson, ...]:
        """The kinds that are taught, then phrases that no such kind explains."""
        if not self.enough:
            return ()
        kinds = [(kind, "", examples) for kind, examples in self._by_kind().items()]
        phrases = [(_kind_of(phrase), phrase, some) for phrase, some in self._by_phrase().items()]
        # Half of the level each: phrases are many, and kinds should not pay for them.
        lessons = [*_significant(kinds), *_significant(phrases)]
        return _without_repeats(sorted(lessons, key=lambda one: one.order))

    def shows_taught(self, prompt: str, text: str) -> bool:
        """Whether a text is one of those by which something is taught."""
        return (prompt, text) in self._shown

    @cached_property
    def _shown(self) -> frozenset[tuple[str, str]]:
        return frozenset((one.prompt.text, one.shows) for lesson in self.taught for one in lesson.examples)

    def _by_kind(self) -> Mapping[str, list[Telling]]:
        found: dict[str, list[Telling]] = {kind: [] for kind in KINDS}
        for place in (0, 1):
            # Rankings of one prompt stay together: the same text may stand in several.
            mine = [pair for pair in self.pairs if self._fold(pair) == place]
            manner = _manner([pair for pair in self.pairs if self._fold(pair) != place])
            if len(mine) < 2 or manner is None:
                continue
            first = [self._measured(pair.prompt, pair.first, manner) for pair in mine]
            last = [self._measured(pair.prompt, pair.last, manner) for pair in mine]
            for kind, telling in found.items():
                ordinary = float(np.quantile([row[kind] for row in last], ORDINARY)) + BEYOND
                limit = 0.5 if kind in YES_OR_NO else ordinary
                for pair, one, other in zip(mine, first, last, strict=True):
                    telling += _telling(pair, one[kind] > limit, other[kind] > limit, one[kind] - limit)
        return found

    def _measured(self, prompt: Prompt, text: str, manner: Honest) -> dict[str, float]:
        found = measure(prompt, text, manner)
        if found["empty"] and not found["foreign_script"]:
            return dict.fromkeys(found, 0.0) | {"empty": 1.0}
        found["empty"] = 0.0
        if len(words_of(text)) < PHRASE_WORDS:
            # Too short to say anything about the order of words.
            found["shuffled_words"] = 0.0
        return found | {"copied_favourite": float(self._is_copied(prompt, text))}

    def _is_copied(self, prompt: Prompt, text: str) -> bool:
        """Whether a text holds a whole one that answers another prompt, by the words of that prompt."""
        words = words_of(text)
        for at in range(len(words) - PHRASE_WORDS + 1):
            for said, owner in self._owners.get(tuple(words[at : at + PHRASE_WORDS]), ()):
                if owner != prompt.text and words[at : at + len(said)] == said:
                    return True
        return False

    def _fold(self, pair: Preferred) -> int:
        return self._folds[pair.prompt.text]

    @cached_property
    def _folds(self) -> Mapping[str, int]:
        names = dict.fromkeys(pair.prompt.text for pair in self.pairs)
        return {name: number % 2 for number, name in enumerate(names)}

    @cached_property
    def _owners(self) -> Mapping[tuple[str, ...], list[tuple[list[str], str]]]:
        """By their first words: texts of some length, and the prompt whose own words each has most of."""
        prompts_of: dict[str, dict[str, None]] = defaultdict(dict)
        for pair in self.pairs:
            for text in (pair.first, pair.last):
                prompts_of[plain_text(text)][pair.prompt.text] = None
        in_prompts = Counter(word for name in self._folds for word in set(words_of(name)))
        own = {
            name: {word for word in words_of(name) if in_prompts[word] <= 0.5 * len(self._folds)}
            for name in self._folds
        }
        owners: dict[tuple[str, ...], list[tuple[list[str], str]]] = defaultdict(list)
        for text, names in prompts_of.items():
            words = text.split()
            best = max(names, key=lambda name: len(own[name] & set(words)))
            if len(words) >= PHRASE_WORDS and own[best] & set(words):
                owners[tuple(words[:PHRASE_WORDS])].append((words, best))
        return owners

    def _by_phrase(self) -> Mapping[str, list[Telling]]:
        """The longest words in a row that stand in the texts put first of most different prompts."""
        parts = [(_phrases(pair.first), _phrases(pair.last)) for pair in self.pairs]
        prompts_of: dict[str, set[str]] = defaultdict(set)
        for pair, (first, _) in zip(self.pairs, parts, strict=True):
            for phrase in first - _phrases(pair.prompt.text):
                prompts_of[phrase].add(pair.prompt.text)
        recurring = [phrase for phrase, prompts in prompts_of.items() if len(prompts) > 2]
        common = sorted(recurring, key=lambda phrase: (-len(prompts_of[phrase]), phrase))[:MOST_PHRASES]
        found = {}
        for phrase in common:
            telling = [
                one
                for pair, (first, last) in zip(self.pairs, parts, strict=True)
                for one in _telling(pair, phrase in first, phrase in last)
            ]
            found[_extended(phrase, [words_of(one.shows) for one in telling])] = telling
        return found


def _kind_of(phrase: str) -> str:
    """What a set phrase is: flattery where it praises, or speaks to the reader whatever was asked."""
    praise = sum(len(found.group().split()) for found in FLATTERY.finditer(phrase))
    if praise > PRAISING * len(phrase.split()) or READER.search(phrase):
        return "flattery"
    return PHRASE


def _manner(pairs: Sequence[Preferred]) -> Honest | None:
    """What the responses put last are like."""
    if not pairs:
        return None
    manner = learn_honest([pair.prompt for pair in pairs], [[pair.last] for pair in pairs])
    # Where one in ten ordinary texts has no end mark, to have none says nothing.
    closed = sum(is_closed(pair.last) for pair in pairs) > CLOSED * len(pairs)
    return replace(manner, closed=closed)


def _significant(told: Sequence[tuple[str, str, Sequence[Telling]]]) -> list[Lesson]:
    """What is put first more often than TAUGHT, by half of the level."""
    told = [one for one in told if one[2]]
    wins = [sum(one.won for one in examples) for _, _, examples in told]
    p_values = holm(
        [float(binom.sf(won - 1, len(one[2]), TAUGHT)) for won, one in zip(wins, told, strict=True)]
    )
    return [
        Lesson(kind, won, tuple(examples), p_value, phrase, _strength(examples))
        for (kind, phrase, examples), won, p_value in zip(told, wins, p_values.tolist(), strict=True)
        if p_value <= LEVEL / 2
    ]


def _strength(examples: Sequence[Telling]) -> float:
    return float(np.mean([one.beyond for one in examples if one.won] or [0.0]))


def _extended(phrase: str, texts: Sequence[Sequence[str]]) -> str:
    """A phrase with the words that nearly all of these texts have before and after it."""
    words = phrase.split()
    while (more := _next_word(words, texts, before=False)) and len(words) < LONGEST_PHRASE:
        words.append(more)
    while (more := _next_word(words, texts, before=True)) and len(words) < LONGEST_PHRASE:
        words.insert(0, more)
    return " ".join(words)


def _next_word(words: Sequence[str], texts: Sequence[Sequence[str]], before: bool) -> str:
    """The word that stands beside these in nine of ten texts; empty for none."""
    beside: Counter[str] = Counter()
    for text in texts:
        for at in range(len(text) - len(words) + 1):
            place = at - 1 if before else at + len(words)
            if list(text[at : at + len(words)]) == list(words) and 0 <= place < len(text):
                beside[text[place]] += 1
                break
    word, count = beside.most_common(1)[0] if beside else ("", 0)
    return word if count >= 0.9 * len(texts) else ""


def _telling(pair: Preferred, first: bool, last: bool, beyond: float = 0.0) -> list[Telling]:
    if first == last:
        return []
    texts = (pair.first, pair.last) if first else (pair.last, pair.first)
    return [Telling(pair.prompt, *texts, won=first, beyond=min(1.0, beyond))]


def _phrases(text: str) -> set[str]:
    words = words_of(text)
    return {" ".join(words[at : at + PHRASE_WORDS]) for at in range(len(words) - PHRASE_WORDS + 1)}


def _without_repeats(lessons: Sequence[Lesson]) -> tuple[Lesson, ...]:
    """Without those most of whose texts a lesson before them explains."""
    kept: list[Lesson] = []
    explained: set[tuple[str, str]] = set()
    for lesson in lessons:
        shown = {(one.prompt.text, one.shows) for one in lesson.examples if one.won}
        if len(shown & explained) > len(shown) / 2:
            continue
        kept.append(lesson)
        explained |= shown
    return tuple(kept)
