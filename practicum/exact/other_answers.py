"""Whether a text that gives an answer gives another one too: behind a label, in a box or tags, or behind it.

Before the answer only marked answers count, because working holds many numbers. Behind it any line that is a
value, and any sentence that gives one, counts unless it checks the answer or says why.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import accumulate

from practicum.exact.expression import ParseError
from practicum.exact.extraction import BOX, claims_nothing, end_of_box, labels, without_boxes

Same = Callable[[str, str], bool]

MOST_MARKED = 12
"""Most labels before an answer that are compared with it, the nearest first."""

_END_OF_VALUE = re.compile(
    r"\n|[.!?。](?:\s|\*|\Z)|</?(?:answer|final_answer)>|\\(?:boxed|fbox)\s*\{", re.IGNORECASE
)
_BEFORE_LABEL = re.compile(
    r"(?:\s|\*|_|\b(?:so|thus|hence|therefore|the|my|our|final|correct),?)+\Z", re.IGNORECASE
)
_UNFINISHED = re.compile(r"(?:[-+*/^=(,:]|\\[a-z]+|\b(?:is|are|in|of|the|or|and|to))\s*\$*\s*\Z|\$\s*\Z")
_COMMAND = re.compile(r"\\[A-Za-z]+")
_WORD = re.compile(r"[^\W\d_]{3,}")
_NUMBER = re.compile(
    r"(?<![\w.^])[-−]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:/\d+)?(?![\w/])"
    r"|(?<=[a-z])\d+(?=\W*\Z)"
)
_SENTENCE = re.compile(r"(?<=[.!?。])\**\s+|\n+")
_WHY = re.compile(
    r"\b(?:because|since|check\w*|verif\w*|prove[sd]?|proof|note|where|from|given|using|explanation|reason\w*|if|when|"
    r"each|every|per)\b",
    re.IGNORECASE,
)
_ALONE = re.compile(r"[(\[{]*(?:[-−]?\d[\d.,/]*|[A-Ja-z]|yes|no|true|false)[)\]}]*", re.IGNORECASE)
"""A line that is a number, a letter, or yes or no, and nothing else but brackets."""
_OPENED = re.compile(r"[{(\[]")
_CLOSED = re.compile(r"[})\]]")
_BLANK = " \t\r\n*_`$.,;:!>#-•"
_GIVES_UP = re.compile(
    r"(?:sorry,? )?i (?:really )?"
    r"(?:(?:do not|don['’]t|can ?not|can['’]t) (?:know|tell|say|solve|answer|help)|"
    r"am (?:not|un)(?: )?(?:sure|certain))(?: (?:it|this|that|you|the answer|with (?:it|this|that)))*[.!]?",
    re.IGNORECASE,
)


def check_before(before: str, answer: str, same: Same) -> None:
    """Raises ParseError where the text before an answer marks another one."""
    for one in _marked(before):
        if _is_answer(one, answer) and not same(one, answer):
            raise ParseError("it gives several answers that differ")
    check_gives_up(before)


def check_behind(rest: str, answer: str, same: Same) -> None:
    """Raises ParseError where a line or sentence behind an answer gives another one."""
    if claims_nothing(rest):
        return
    for one in _marked(rest):
        if _is_answer(one, answer) and not same(one, answer):
            raise ParseError("it gives several answers that differ")
    for sentence in _SENTENCE.split(rest):
        bare = sentence.strip(_BLANK)
        if not bare or bare == answer.strip(_BLANK) or claims_nothing(sentence):
            continue
        value = _value(bare, answer)
        if value is not None and not same(value, answer):
            raise ParseError("another answer follows it")


def check_gives_up(text: str) -> None:
    """Raises ParseError where a whole sentence says that the answer is not known."""
    for sentence in _SENTENCE.split(text[-4000:]):
        if _GIVES_UP.fullmatch(sentence.strip()):
            raise ParseError("it says that it does not know")


def check_lines(lines: list[str], same: Same) -> bool:
    """Whether the last line may be read by itself: not where values before it lie in brackets that it closes,
    for those lines are one answer.

    Raises ParseError where a line before such brackets, or before the last, is another number, letter, or yes
    or no.
    """
    last = lines[-1].strip(_BLANK)
    others = []
    for place, line in enumerate(lines[:-1]):
        bare = line.strip(_BLANK)
        is_value = _ALONE.fullmatch(bare)
        if is_value and bare.casefold() != last.casefold() and not same(line.strip(), lines[-1].strip()):
            others.append(place)
    if others and others[0] < _within_brackets(lines):
        raise ParseError("it gives several answers that differ")
    return not others


def _within_brackets(lines: list[str]) -> int:
    """The first of the lines that lie in brackets which the last line closes; the last line where none do."""
    depths = list(accumulate(len(_OPENED.findall(line)) - len(_CLOSED.findall(line)) for line in lines))
    first = len(lines) - 1
    while depths[-1] == 0 and first > 0 and depths[first - 1] > 0:
        first -= 1
    return first


def _marked(text: str) -> Iterator[str]:
    """What stands in the boxes and tags and behind the labels of a text."""
    for match in list(BOX.finditer(text))[-MOST_MARKED:]:
        end = end_of_box(text, match.end())
        if end is not None:
            yield without_boxes(text[match.start() : end]).strip()
    yield from (one[1] for one in re.finditer(r"<(?:answer|final_answer)>([^<]*)</", text, re.IGNORECASE))
    places = labels(text)[-MOST_MARKED:]
    for number, (_, start) in enumerate(places):
        stop = places[number + 1][0] if number + 1 < len(places) else len(text)
        piece = re.sub(r"\A[\s*_`]+", "", text[start:stop])
        found = _END_OF_VALUE.search(piece)
        at_box = found is not None and found[0].startswith("\\")
        value = piece[: found.start()] if found else piece
        value = _BEFORE_LABEL.sub("", value) if found is None else value
        if at_box and _UNFINISHED.search(value):
            continue
        yield value.strip(" \t*_`")


def _is_answer(one: str, answer: str) -> bool:
    """Whether a marked text is an answer of the kind of another: numbers or mathematics, or a few words."""
    if not one or _UNFINISHED.search(one.rstrip(" $")):
        return False
    plain = _COMMAND.sub(" ", one)
    if not re.search(r"\w", plain):
        return False
    if len(_WORD.findall(plain)) > 2:
        return False
    return bool(re.search(r"\d", plain)) == bool(re.search(r"\d", answer)) or len(plain.split()) == 1


def _value(sentence: str, answer: str) -> str | None:
    """The value that a line or sentence behind an answer gives, None where it gives none."""
    words = _WORD.findall(_COMMAND.sub(" ", sentence))
    has_digit = re.search(r"\d", answer) is not None
    if not words and re.search(r"\w", sentence):
        if re.fullmatch(r"[-+*/=().\d\s×÷·]+", sentence) and "=" in sentence:
            return sentence.rpartition("=")[2].strip()
        return sentence if re.search(r"\d", sentence) or not has_digit or len(sentence) == 1 else None
    if not has_digit:
        return sentence if len(sentence.split()) == 1 and len(answer.split()) == 1 else None
    if _WHY.search(sentence):
        return None
    if "=" in sentence:
        found = _NUMBER.search(sentence.rpartition("=")[2])
        return found[0] if found else None
    numbers = list(dict.fromkeys(_NUMBER.findall(sentence)))
    return numbers[0] if len(numbers) == 1 else None
