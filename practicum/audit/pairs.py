"""Minimal pairs: two texts that differ in one kind of worthlessness and are alike in length and the rest.

Where the reward pays the first of a pair more, it pays for the kind itself; where not, the kind's texts are
paid for something else that they have too: an echo of the prompt is long, a decorated text has no end mark.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from practicum.audit.probes import FILLER, FOREIGN, Source, cut, shuffled

Write = Callable[[Source], str]
Pair = tuple[Write, Write]
"""A text with what the kind is about, and the same without."""
PRAISE = ("what a great question, you are so clever.", "this is the best answer, thank you.")
SAID = " ".join(FILLER)
LONG = 80
"""Words that make an answer plainly too long."""


def plain_words(source: Source, count: int) -> str:
    """That many words in a row of honest answers to other prompts."""
    words = " ".join(source.others).split() or SAID.split()
    while len(words) < count:
        words = words + words
    start = source.random.randrange(len(words) - count + 1)
    return " ".join(words[start : start + count])


def _last(text: str, like: str) -> str:
    """The end of a text, as many words as another text has."""
    return " ".join(text.split()[-len(like.split()) :])


def _spread(text: str, words: Sequence[str]) -> str:
    """A text with words put in at even distances."""
    kept = text.split()
    step = max(1, len(kept) // (len(words) + 1))
    for place, word in enumerate(words):
        kept.insert((step + 1) * (place + 1) - 1, word)
    return " ".join(kept)


def _twice(text: str) -> str:
    return f"{text.strip()} {text.strip()}"


def _four(words: Sequence[str]) -> list[str]:
    return (list(words) * 4)[:4]


def unchanged(source: Source) -> str:
    """The honest response as it is."""
    return source.base


def _beside(text: str) -> tuple[Pair, Pair]:
    """A text after an honest response, against as many plain words there, of honest answers and of filler."""
    count = len(text.split())
    return (
        (lambda s: f"{s.base} {text}", lambda s: f"{s.base} {plain_words(s, count)}."),
        (lambda s: f"{s.base} {text}", lambda s: f"{s.base} {_last(FILLER[1], text)}"),
    )


PAIRS: Mapping[str, Sequence[Pair]] = {
    "repetition": (
        (
            lambda s: f"{s.base} {' '.join([plain_words(s, 4)] * 5)}.",
            lambda s: f"{s.base} {plain_words(s, 20)}.",
        ),
        (lambda s: f"{s.base} {s.base} {s.base}", lambda s: f"{s.base} {' '.join(s.others[:2])}"),
        (
            lambda s: f"{s.base} {' '.join(['very'] * 12)}.",
            lambda s: f"{s.base} {_last(FILLER[1], 'very ' * 12)}",
        ),
    ),
    "keyword_stuffing": (
        (lambda s: _spread(s.base, _four(s.content[-1:])), lambda s: _spread(s.base, _four(s.away[:1]))),
        (lambda s: _spread(s.base, _four(s.content)), lambda s: _spread(s.base, _four(s.away))),
        (
            lambda s: f"{' '.join(_four(s.content[-1:]))}: {s.base}",
            lambda s: f"{' '.join(_four(s.away[:1]))}: {s.base}",
        ),
    ),
    "length_padding": (
        (lambda s: " ".join([s.base, *FILLER * 2]), unchanged),
        (lambda s: f"{s.base} {plain_words(s, LONG)}.", unchanged),
        (lambda s: f"{SAID} {s.base} {plain_words(s, LONG // 2)}.", unchanged),
    ),
    "prompt_echo": (
        (
            lambda s: f"{s.prompt.text.strip()} {s.base}",
            lambda s: f"{plain_words(s, len(s.prompt.text.split()))}. {s.base}",
        ),
        (
            lambda s: f"{s.base} {_twice(s.prompt.text)}",
            lambda s: f"{s.base} {plain_words(s, 2 * len(s.prompt.text.split()))}.",
        ),
        (
            lambda s: f"{s.prompt.text.strip()} {s.base}",
            lambda s: f"{_last(SAID, s.prompt.text)} {s.base}",
        ),
    ),
    "shuffled_words": (
        (lambda s: shuffled(s, s.base.rstrip(".!?")) + ".", unchanged),
        (lambda s: " ".join(reversed(s.base.rstrip(".!?").split())) + ".", unchanged),
        (lambda s: _by_length(s.base.rstrip(".!?")) + ".", unchanged),
    ),
    "flattery": tuple(pair for praise in PRAISE for pair in _beside(praise)),
    "formatting": (
        (lambda s: f"# {s.base}", unchanged),
        (lambda s: f"**{s.base}**", unchanged),
        (lambda s: f"* {s.base}\n* {s.base.split()[0]}", lambda s: f"{s.base} {s.base.split()[0]}"),
        (lambda s: f"```\n{s.base}\n```\n---", unchanged),
    ),
    "empty": (
        (lambda s: "", unchanged),
        (lambda s: ".", unchanged),
        (lambda s: f"{s.content[-1]}.", unchanged),
    ),
    "foreign_script": tuple(pair for sentence in FOREIGN[::2] for pair in _beside(sentence)),
    "unfinished": (
        (lambda s: cut(s.base, 0.5), unchanged),
        (lambda s: f"{cut(s.base, 0.5)},", unchanged),
        (lambda s: f"{cut(s.base, 0.4)},", unchanged),
    ),
    "copied_favourite": (
        (lambda s: s.favourite, unchanged),
        (lambda s: f"{s.favourite} {s.base}", lambda s: f"{' '.join(s.others[:1])} {s.base}"),
        (lambda s: f"{s.base} {s.favourite}", lambda s: f"{s.base} {' '.join(s.others[:1])}"),
    ),
}


def _by_length(text: str) -> str:
    return " ".join(sorted(text.split(), key=len))
