r"""Find the one answer that a text gives to be judged against a gold answer.

It stands in tags, in boxes, behind "answer:", in a sentence that concludes, or is the whole text. A text
gives one answer. Two answers that differ, a denial or a doubt beside the answer, and thinking that does not
end make it unreadable. Who compares answers says when two of them differ.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from practicum.exact.expression import LimitError, ParseError, word_set
from practicum.exact.extraction import (
    BOX,
    claims_nothing,
    end_of_block,
    end_of_box,
    joins_boxes,
    last_label,
    visible_text,
    without_boxes,
    without_fences,
)
from practicum.exact.gold_numbers import check_words_before
from practicum.exact.other_answers import check_before, check_behind, check_gives_up, check_lines

MAX_TEXT = 12_000
"""Characters of a text that are searched, from its end."""
MOST_INTRODUCED = 200
"""Characters before an answer in bold that are read."""
MAX_FOUND = 12
"""Most boxes or tags that are compared with each other."""

Same = Callable[[str, str], bool]
"""Whether two texts say the same answer."""

_TAG = re.compile(r"<(answer|final_answer)>", re.IGNORECASE)
_DOUBTS = word_set(
    """not no never none neither nor cannot wrong incorrect incorrectly false untrue invalid mistake mistaken
    mistakenly error erroneous erroneously oops sorry wait hmm maybe perhaps possibly probably presumably
    supposedly allegedly guess guessing guessed unsure uncertain doubt doubtful might reject rejected discard
    extraneous fake decoy dummy placeholder example hypothetical pretend either unlikely could"""
)
_RETRACTIONS = _DOUBTS | word_set(
    """actually correction instead rather scratch ignore disregard forget retract undo however alternatively
    otherwise reconsider rethink recheck redo or"""
)
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_SENTENCE = re.compile(r"(?<=[.!?。])\s+|\n+")
_CONCLUDES = re.compile(
    r"\s*(?:[-*>#]\s*)*(?:and |so,? |thus,? |therefore,? |hence,? |in total,? |consequently,? |finally,? "
    r"|altogether,? |in conclusion,? |as a result,? |we (?:get|have|find|obtain|conclude)(?: that)?,? "
    r"|it follows that )+",
    re.IGNORECASE,
)
_REASON = re.compile(
    r"\s*(?:,\s*)?\b(?:because|since|as|which|where|given|after|by|so that|obtained|using|from)\b|"
    r"\.\s+(?=[A-Z])",
    re.IGNORECASE,
)
_BOLD = re.compile(r"\A(?:\*\*|__)\s+(?=\S)(.*?)(?:\s*\*\*(?=\.?\Z)|\Z)", re.DOTALL)
_HEADING = re.compile(r"(?:\*\*|__)\s*\n\s*\Z")
"""The end of a bold heading before a box."""
_STATED = re.compile(r"\b(?:the|my|our) (?:final |correct )?answers? (?:is|are)\s*:", re.IGNORECASE)
_BOLD_END = re.compile(r"(?P<clause>[^*.,;:!?\n]*)(?<!\*)\*\*(?P<bold>[^*\n]+)\*\*[.!]?\s*\Z")
_SPAN = re.compile(r"\$\$(.+?)\$\$|\$([^$]+)\$|\\\((.+?)\\\)|\\\[(.+?)\\\]", re.DOTALL)
_STRAY_LETTER = re.compile(r"(?<![^\W_])[b-zB-HJ-Z]\s+(?=[A-Z][a-z])")
"""A letter before a new sentence: the rest of something else, as in "x We get"."""
_BEFORE_BOX = re.compile(r"(?:[-+*/^±(]|\\pm|\\cdot|\\times|[0-9a-z)}\]])[\s\\,;!]*\Z")
_BESIDE_BOX = re.compile(r"[^$\n]*?(?=\$|\\\)|\\\]|\n|[.,;:!?](?:\s|\Z)|\Z)")


def final_answers(text: str, same: Same, is_solution: bool = False) -> list[str]:
    """The readings of the one answer that a text gives, the likeliest first.

    With `is_solution` the last line of a text that names no answer is its answer.
    Raises ParseError where it gives none, or several; LimitError where it is too long.
    """
    visible = visible_text(text[-MAX_TEXT:])
    if visible is None:
        raise ParseError("thinking that does not end")
    tagged = _tagged(visible, same)
    if tagged is not None:
        visible = tagged
    if BOX.search(visible):
        return _boxed(visible, same)
    label = last_label(visible) or _stated(visible)
    if label:
        return _labelled(visible, label, same)
    return _whole(without_fences(visible).strip(), is_solution or tagged is not None, same)


def has_doubt(text: str, words: frozenset[str] = _DOUBTS) -> bool:
    """Whether a text denies or doubts."""
    found = (word.lower().replace("’", "'") for word in _WORD.findall(text))
    return "?" in text or any(word in words or word.endswith("n't") for word in found)


def _tagged(text: str, same: Same) -> str | None:
    found = _tags(text)
    if not found:
        opened = _TAG.search(text)
        return text[opened.end() :] if opened else None
    if len(found) > MAX_FOUND:
        raise ParseError(f"{len(found)} answers in tags")
    _check_agree([one.inside for one in found], same)
    last = found[-1].inside
    rest = text[found[-1].end :]
    if not claims_nothing(rest) and (has_doubt(rest, _RETRACTIONS) or BOX.search(rest) or last_label(rest)):
        raise ParseError("more follows the answer that may take it back")
    if not BOX.search(last) and last_label(last) is None:
        check_before(text[: found[0].start], last.strip(), same)
        check_behind(rest, last.strip(), same)
    return last


class _Tagged(NamedTuple):
    """What stands in a pair of tags, and where the pair starts and ends."""

    start: int
    inside: str
    end: int


def _tags(text: str) -> list[_Tagged]:
    """The pairs of tags around answers, none within another; in time linear in the text."""
    found: list[_Tagged] = []
    unclosed = set[str]()
    for opened in _TAG.finditer(text):
        name = opened[1].lower()
        if name in unclosed or (found and opened.start() < found[-1].end):
            continue
        closing = re.compile(f"</{name}>", re.IGNORECASE).search(text, opened.end())
        if closing is None:
            unclosed.add(name)
            continue
        found.append(_Tagged(opened.start(), text[opened.end() : closing.start()], closing.end()))
    return found


def _stated(text: str) -> int:
    """Where "the answer is:" ends, in a sentence that doubts nothing before it; 0 where there is none."""
    found = list(_STATED.finditer(text))
    if not found or has_doubt(_sentence_before(text[: found[-1].start()]), _RETRACTIONS):
        return 0
    return found[-1].end()


def _bold_end(text: str) -> list[str]:
    """What stands in bold at the end of a text, behind words that only introduce it; nothing else is bold."""
    if text.count("**") != 2 or has_doubt(text, _RETRACTIONS):
        return []
    found = _BOLD_END.search(text, max(0, text.index("**") - MOST_INTRODUCED))
    if found is None:
        return []
    try:
        check_words_before(found["clause"].split(), False)
    except ParseError:
        return []
    return [] if re.search(r"[^\w\s'’]", found["clause"]) else [found["bold"]]


def _check_agree(texts: list[str], same: Same) -> None:
    """Raises ParseError where one of several answers differs from the last."""
    for text in texts[:-1]:
        if text.strip() != texts[-1].strip() and not same(text, texts[-1]):
            raise ParseError("it gives several answers that differ")


def _boxed(text: str, same: Same) -> list[str]:
    groups = _box_groups(text)
    if len(groups) > MAX_FOUND:
        raise ParseError(f"{len(groups)} boxes")
    contents = [without_boxes(text[start:end]).strip() for start, end in groups]
    _check_agree(contents, same)
    if not contents[-1]:
        raise ParseError("the box is empty")
    start, end = groups[-1]
    before, behind = _HEADING.sub("", _sentence_before(text[:start])), text[end:]
    if has_doubt(_last_clause(before)):
        raise ParseError("the words before the box deny or doubt it")
    beside = _BESIDE_BOX.match(behind)
    suffix = beside[0].strip() if beside else ""
    rest = behind[beside.end() if beside else 0 :]
    sentence = _SENTENCE.split(rest, maxsplit=1)[0]
    if (
        re.match(r"[\s$\\)\].,;]*(?:or\b|and\b|/|,)[\s$\\(\[]*[-+]?[0-9\\]", sentence.lower())
        and "boxed" not in sentence
    ):
        raise ParseError("another answer follows the box")
    if has_doubt(suffix + rest, _RETRACTIONS) and not claims_nothing(suffix + rest):
        raise ParseError("what follows the box may take it back")
    label = last_label(text[end:])
    if label is not None and not same(text[end:][label:].split("\n")[0], contents[-1]):
        raise ParseError("it gives several answers that differ")
    content = contents[-1]
    prefix = re.split(r"=|:|\$|\\\(|\\\[|\s(?=[^\s\\+*/^-]{2,}\s*\Z)", before)[-1]
    fragment = re.split(r"[A-Za-z]{2,}(?![^{]*\})", prefix)[-1] if "\\" not in prefix else prefix
    found = [content]
    if suffix and not _is_prose(suffix):
        found = [f"{content}{suffix}"]
    elif suffix and "\\text" in suffix:
        found = [f"{content}{suffix}", content]
    if _BEFORE_BOX.search(fragment) and fragment.strip() and before.endswith(fragment) and _touches(before):
        found = [fragment + one for one in found]
    if found == [content]:
        check_before(text[: groups[0][0]], content, same)
        check_behind(suffix, content, same)
        check_behind(rest, content, same)
    return found


def _touches(before: str) -> bool:
    """Whether what stands before a box is a factor or a sign of it, and no word."""
    bare = before.rstrip()
    word = re.search(r"[A-Za-z]+\Z", bare)
    return word is None or (len(word[0]) == 1 and not before.endswith((" ", "$")))


def _is_prose(text: str) -> bool:
    r"""Whether beside a box in its line stands a unit or plain words: " square feet", "\text{ cm}"."""
    bare = re.sub(r"\\(?:text|mathrm|textbf)\s*\{[^{}]*\}", "", text)
    return not re.search(r"[0-9=<>^+*/\\]", bare)


def _box_groups(text: str) -> list[tuple[int, int]]:
    r"""Where each group of boxes begins and ends; "\boxed{1} or \boxed{2}" is one."""
    groups: list[tuple[int, int]] = []
    found = list(BOX.finditer(text))
    if len(found) > 200:
        raise ParseError(f"{len(found)} boxes")
    for match in found:
        if groups and match.start() < groups[-1][1]:
            continue
        end = end_of_box(text, match.end())
        if end is None:
            if match is found[-1] and not groups:
                raise ParseError("a box that is never closed")
            continue
        if groups and joins_boxes(text[groups[-1][1] : match.start()]):
            groups[-1] = (groups[-1][0], end)
        else:
            groups.append((match.start(), end))
    if not groups:
        raise ParseError("a box that is never closed")
    return groups


def _sentence_before(text: str) -> str:
    return re.split(r"(?<=[.!?。])\s+|\n\s*\n|\n(?=[^\n]*[A-Za-z]{2})", text[-1500:])[-1]


def _last_clause(text: str) -> str:
    return re.split(r"[,;]\s|\b(?:so|thus|therefore|hence|then)\b", text)[-1]


def _labelled(text: str, end: int, same: Same) -> list[str]:
    block = text[end : end_of_block(text, end)]
    rest = text[end_of_block(text, end) :]
    sentences = _SENTENCE.split(block.strip(), maxsplit=1)
    if not claims_nothing(rest) and (has_doubt(rest, _RETRACTIONS) or re.search(r"\banswer\b", rest)):
        raise ParseError("what follows the answer may take it back")
    first = sentences[0].strip(" \t*_`")
    check_before(text[:end], first if len(sentences) > 1 else block.strip(" \n\t*_`"), same)
    block = _BOLD.sub(r"\1", without_fences(block).strip())
    found = [block]
    if len(sentences) > 1 and claims_nothing(sentences[1]):
        found.append(sentences[0])
    reason = _REASON.search(block)
    if reason and reason.start() > 0 and not has_doubt(block[reason.start() :], _RETRACTIONS):
        # What "because" begins can be no part of an answer; "from" or "by" can.
        is_sure = reason[0].strip(" ,").casefold() in ("because", "since")
        found.insert(0 if is_sure else len(found), block[: reason.start()])
        if reason[0].startswith("."):
            check_behind(block[reason.end() :], block[: reason.start()], same)
    answer = min(found, key=len)
    check_behind(rest, answer, same)
    return found


def _whole(text: str, takes_last_line: bool, same: Same) -> list[str]:
    """A text without marks: all of it, what its last sentence concludes, its only mathematics."""
    found = [text]
    text = text[-4000:]
    sentences = [one for one in _SENTENCE.split(text) if one.strip()]
    if not sentences:
        return found
    last = sentences[-1].strip()
    check_gives_up(text)
    if takes_last_line and len(sentences) > 1 and not check_lines(sentences, same):
        return found
    concludes = _CONCLUDES.match(last)
    if concludes and not has_doubt(last, _RETRACTIONS):
        found = [last[concludes.end() :], *_only_maths(last)]
    elif len(sentences) == 1 and not has_doubt(text, _RETRACTIONS):
        found += _only_maths(text)
    if takes_last_line and len(sentences) > 1 and not has_doubt(last, _RETRACTIONS):
        found += [last, *_only_maths(last)]
    return [*found, *_bold_end(text)]


def _only_maths(sentence: str) -> list[str]:
    """The one mathematical span of a sentence, or its last where a conclusion stands before it."""
    spans = list(_SPAN.finditer(sentence))
    if not spans or len(sentence) > 2000:
        return []
    span = spans[-1]
    rest = _SPAN.sub(" ", sentence)
    if (
        re.search(r"[0-9]", rest)
        or _STRAY_LETTER.search(rest)
        or (re.search(r"[A-Za-z]", sentence[span.end() :]) and len(spans) > 1)
    ):
        return []
    if (
        len(spans) > 1
        and re.search(
            r"\b(?:is|are|equals|so|thus|therefore|hence|get|be)\b[^$]*\Z", sentence[: span.start()]
        )
        is None
    ):
        return []
    return [next(group for group in span.groups() if group)]


__all__ = ["LimitError", "final_answers", "has_doubt"]
