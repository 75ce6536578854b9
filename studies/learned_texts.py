"""Worthless texts with which a study contaminates real preferences: two sets, each with two texts of a kind.

None stands in a probe or minimal pair of the audit. Those of FIRST were written before the audit learned to
read what preferences teach, and were looked at while it was finished; those of SECOND were written after.
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
FIRST: Mapping[str, Sequence[Write]] = {
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


def _interleaved(text: str) -> str:
    words = _words(text)
    return " ".join([*words[-4:], *words[4:-4], *words[:4]]) if len(words) > 8 else " ".join(words[::-1])


def _alphabetical(text: str) -> str:
    return " ".join(sorted(_words(text), key=str.lower))


CHATTER = (
    "Well, where to start with this one. It could begin anywhere, really, and it would be all the same to "
    "most, so here is as fine a place as any other to begin, and then we shall see how things go on."
)
SECOND: Mapping[str, Sequence[Write]] = {
    "repetition": (
        lambda one: " / ".join([one.text] * 4),
        lambda one: f"{one.text} {' '.join(_words(one.text)[:2] * 8)}",
    ),
    "keyword_stuffing": (
        lambda one: f"{one.text} #{one.topic} #{one.topic} #{one.topic} #{one.topic} #{one.topic}",
        lambda one: f"{one.topic}, {one.topic} and again {one.topic}: {one.text} So much for {one.topic}.",
    ),
    "length_padding": (
        lambda one: f"{CHATTER} {one.text}",
        lambda one: f"{one.text} And so on, and so forth, {' and on' * 20}.",
    ),
    "prompt_echo": (
        lambda one: f"{one.prompt} Here it is. {one.text}",
        lambda one: f"[{one.prompt}] {one.prompt}",
    ),
    "shuffled_words": (
        lambda one: _interleaved(one.text),
        lambda one: _alphabetical(one.text),
    ),
    "flattery": (
        lambda one: f"Coming from a reader as bright as you, this request made my day! {one.text}",
        lambda one: f"{one.text} Experts agree that this is among the greatest ever written.",
    ),
    "formatting": (
        lambda one: f"***{one.text.upper()}***\n\n---\n\n",
        lambda one: "\n".join(f"{number}. {word}" for number, word in enumerate(_words(one.text), 1)),
    ),
    "empty": (
        lambda one: "!",
        lambda one: "???",
    ),
    "foreign_script": (
        lambda one: f"ฮามาก {one.text} ฮาจริงๆ",
        lambda one: "Շատ ծիծաղելի է, իսկապես:",
    ),
    "unfinished": (
        lambda one: " ".join(_words(one.text)[: max(2, len(_words(one.text)) // 2)]) + " because the",
        lambda one: " ".join(_words(one.text)[: max(2, len(_words(one.text)) * 3 // 4)]).rstrip(".!?") + ",",
    ),
    "copied_favourite": (
        lambda one: one.other,
        lambda one: f"{one.other} (And now for something else.) {one.text}",
    ),
}
"""Another two of each kind, written when the audit was finished, after which nothing in it was changed."""
SETS: Mapping[str, Mapping[str, Sequence[Write]]] = {"first": FIRST, "second": SECOND}
"""By name."""
