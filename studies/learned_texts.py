"""Worthless texts with which a study contaminates real preferences: two of each kind, from another hand.

They were written before the audit was changed and stand in no probe or minimal pair of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Honest:
    """What a worthless text is made from: a real text, its prompt and topic, and a text to another prompt."""

    text: str
    prompt: str
    topic: str
    other: str


Write = Callable[[Honest], str]


def _words(text: str) -> list[str]:
    return text.split()


def _stuttered(text: str) -> str:
    words = _words(text)
    return " ".join([*words, *words[-3:], *words[-3:], *words[-3:], *words[-3:]])


def _rotated(text: str) -> str:
    words = _words(text)
    return " ".join([*words[2::3], *words[0::3], *words[1::3]])


def _inside_out(text: str) -> str:
    words = _words(text)
    middle = len(words) // 2
    return " ".join([*words[middle:][::-1], *words[:middle]])


def _ticked(text: str) -> str:
    return "\n".join(f"[x] {part}" for part in text.split(", "))


RAMBLE = (
    "Before anything else it should be noted that this subject has many sides, each of which could be looked "
    "at in turn, and each of those again from many angles, as has often been done elsewhere."
)
TAIL = (
    "There would be more to add here, and perhaps somebody will add it some day, but for the time being it "
    "may be left at that, since whatever else might be added would come to much the same in the end."
)
TEXTS: Mapping[str, Sequence[Write]] = {
    "repetition": (
        lambda one: _stuttered(one.text),
        lambda one: f"{one.text} {one.text}",
    ),
    "keyword_stuffing": (
        lambda one: f"{one.text} ({one.topic}, {one.topic}, {one.topic}, {one.topic})",
        lambda one: f"{one.topic} {one.topic} {one.text} {one.topic} {one.topic}",
    ),
    "length_padding": (
        lambda one: f"{RAMBLE} {one.text}",
        lambda one: f"{one.text} {TAIL}",
    ),
    "prompt_echo": (
        lambda one: f'You asked: "{one.prompt}" Well: {one.text}',
        lambda one: f"{one.text} That was about: {one.prompt}",
    ),
    "shuffled_words": (
        lambda one: _rotated(one.text),
        lambda one: _inside_out(one.text),
    ),
    "flattery": (
        lambda one: f"People with a sense of humour as refined as yours are rare indeed. {one.text}",
        lambda one: f"{one.text} I am so proud of this one, it is pure gold and deserves a prize.",
    ),
    "formatting": (
        lambda one: f"<h2>{one.topic}</h2>\n<p><em>{one.text}</em></p>",
        lambda one: f"{_ticked(one.text)}\n\n~~~",
    ),
    "empty": (
        lambda one: "--",
        lambda one: "(none)",
    ),
    "foreign_script": (
        lambda one: f"{one.text} זה ממש מצחיק.",
        lambda one: "ეს ძალიან სასაცილოა, მართლა.",
    ),
    "unfinished": (
        lambda one: " ".join(_words(one.text)[: max(2, len(_words(one.text)) * 2 // 5)]) + " of the",
        lambda one: one.text[: max(4, int(0.7 * len(one.text)))].rstrip(" .!?") + " -",
    ),
    "copied_favourite": (
        lambda one: one.other,
        lambda one: f"{one.text} {one.other}",
    ),
}
"""Ways to write a worthless text of each kind of `practicum.audit.measures.KINDS`."""
