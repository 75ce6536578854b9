r"""What a text states as its final answer: in tags, boxes, behind `####`, `Answer:` or "the answer is".

Looser than the verifier's reading (`exact/extraction.py`), for any kind of answer: it is to tell texts apart,
not to judge them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

ANSWER_TAGS = ("answer", "final_answer", "solution", "output", "result", "response")
THINKING_TAGS = ("think", "thinking", "thought", "reasoning", "scratchpad")
GOLD_COLUMNS = ("answer", "gold", "ground_truth", "solution", "target", "label")
_TAG = re.compile(rf"<({'|'.join(ANSWER_TAGS)})>(.*?)</\1>", re.IGNORECASE | re.DOTALL)
_BOX = re.compile(r"\\(?:boxed|fbox)\s*\{")
_HASHES = re.compile(r"^[ \t]*####[ \t]*(?P<said>.*)$", re.MULTILINE)
_LINE = re.compile(
    r"^[ \t>*_#-]*(?:(?:the|my|so|thus|final)[ \t]+)*(?:answer|a)[ \t*_]*:[ \t*_]*(?P<said>.*)$",
    re.MULTILINE | re.IGNORECASE,
)
_SENTENCE = re.compile(
    r"\b(?:answer|result)[ \t]+(?:is|are)(?:[ \t]*:)?[ \t]*(?P<said>[^\n]*?)(?=[.;!?](?:\s|$)|,\s|\n|$)",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"[-+]?\d[\d,]*(?:\.\d+)?(?:/\d+)?")


@dataclass(frozen=True)
class Stated:
    """One place where a text says its final answer: how it is marked, and what stands there."""

    mark: str
    said: str


@lru_cache(maxsize=4096)
def stated(text: str) -> tuple[Stated, ...]:
    """Every place where a text states a final answer, mark by mark; an open box states nothing."""
    found = [Stated("tag", one[2]) for one in _TAG.finditer(text)]
    found += [Stated("box", one) for one in _boxes(text)]
    found += [Stated("hashes", one["said"]) for one in _HASHES.finditer(text)]
    found += [Stated("line", one["said"]) for one in _LINE.finditer(text)]
    found += [Stated("sentence", one["said"]) for one in _SENTENCE.finditer(text)]
    return tuple(found)


def _boxes(text: str) -> list[str]:
    starts = [start.end() for start in _BOX.finditer(text)]
    ends = [closing_brace(text, start) for start in starts]
    return [text[start:end] for start, end in zip(starts, ends, strict=True) if end is not None]


def closing_brace(text: str, start: int) -> int | None:
    """Where the brace that was opened just before `start` is closed; None where it never is."""
    depth = 1
    for place in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if not depth:
            return place
    return None


@lru_cache(maxsize=4096)
def plain(said: str) -> str:
    """An answer as it is compared with others: without marks, case, articles, units of money and commas.

    An answer of a few words with one number in it is that number.
    """
    inner = _boxes(said)
    if inner:
        said = inner[-1]
    text = unicodedata.normalize("NFKC", re.sub(r"</?\w+>", " ", said)).casefold()
    text = re.sub(r"\\(?:text|mathrm|left|right)\b|[$*_`\"'\\{}]", "", text)
    text = re.sub(r"(?<=\d),(?=\d{3})", "", text).strip(" \t\n.:;,!?()[]")
    numbers = _NUMBER.findall(text)
    words = text.split()
    if len(numbers) == 1 and len(words) <= 4 and not re.search(r"[=<>^+*/]|\bnot\b", text):
        return _number(numbers[0])
    return " ".join(word for word in words if word not in ("a", "an", "the"))


def _number(text: str) -> str:
    text = text.lstrip("+").replace(",", "")
    if "." in text and "/" not in text:
        text = text.rstrip("0").rstrip(".")
    return text or "0"


def gold_of(row: Mapping[str, Any]) -> str | None:
    """The right answer of a row, by the usual names of its column; None where there is no plain one."""
    for name in GOLD_COLUMNS:
        value = row.get(name)
        if isinstance(value, (str, int, float)) and not isinstance(value, bool) and str(value).strip():
            return _last_stated(str(value))
    return None


@lru_cache(maxsize=4096)
def _last_stated(gold: str) -> str:
    """The answer of a column that holds a whole solution, out of every mark; a plain answer as it is."""
    while found := [one.said for one in stated(gold) if one.mark != "sentence" and one.said.strip()]:
        gold = found[-1].strip()
    return gold


def words_and_numbers(text: str) -> list[str]:
    """Lower-case words and numbers of a text, in order; a decimal number is one."""
    return re.findall(r"\d+(?:[.,]\d+)*|[^\W\d_]+(?:['’][^\W\d_]+)?", text.casefold())
