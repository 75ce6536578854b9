r"""What is taken from around an answer before it is read: bold, JSON, doubled backslashes, bullets, notes.

Nothing here decides what an answer is worth; each rule leaves a text as it is where it could mean two things.
"""

from __future__ import annotations

import json
import re
from fractions import Fraction

from practicum.exact.expression import word_set

_STARS = re.compile(r"\*\*")
_CHOICE_BEFORE = re.compile(r"\([A-Ja-j]\)\Z")
_ONE_BACKSLASH = re.compile(r"(?<!\\)\\(?![\\\s])")
_TWO_BACKSLASHES = re.compile(r"(?<!\\)\\\\(?=[A-Za-z])")
_FENCE = re.compile(r"\A\s*```[A-Za-z]*[ \t]*\n(.*)\n[ \t]*```\s*\Z", re.DOTALL)
_ANSWER_KEYS = frozenset(("answer", "final_answer", "result"))
_OTHER_KEYS = word_set("reasoning thought thoughts explanation steps work solution confidence")
"""Keys that may stand beside an answer without another answer in them."""
_BULLETS = re.compile(r"(?P<head>:[ \t]*\**)\n+(?P<items>(?:[ \t]*[-*•–][ \t]+\S[^\n]*(?:\n+|\Z)){2,})\Z")
_BULLET = re.compile(r"^[ \t]*[-*•–][ \t]+", re.MULTILINE)
_NOTE = re.compile(
    r"\s\((?:(?:with )?multiplicity (?:of )?\d+|(?:a )?(?:double|repeated|triple) (?:root|solution|zero)"
    r"|\$?(?:[a-z]\s*=\s*)?(?P<rejected>[-−]?[\d./]+)\$? (?:is|was) (?:extraneous|rejected|discarded"
    r"|not valid|invalid|not a solution|outside the domain|not in the domain))\)(?=\.?\s*\Z)"
)
_BLANKS = re.compile(r"[ \t]{3,}")
_LETTER = r"\$?(?P<{0}>[a-z])\$?"
_ANY_INTEGER = re.compile(
    rf",?\s+\(?(?:where|with|for)\s+(?:(?:all|any|every|each)\s+integers?\s+{_LETTER.format('after')}"
    rf"|{_LETTER.format('before')}\s+(?:is\s+)?(?:an?\s+|any\s+)(?:arbitrary\s+)?integer)\)?(?=\.?\s*\Z)"
)
_FUNCTION = re.compile(r"[A-Za-z]\([a-z]\)\s*(?:=|\\equiv)")
_ANY_REAL = re.compile(
    r",?\s+(?:for|where)\s+(?:all|any|every|each)\s+(?:real\s+(?:numbers?\s+)?\$?[a-z]\$?"
    r"|\$?[a-z]\s*(?:\\in|∈)\s*(?:\\mathbb\{R\}|\\R|ℝ|R)\$?)(?=\.?\s*\Z)"
)
_INTEGRAL = re.compile(r"\A\$?\s*\\int(?![a-z])[^=]*=\s*")


def without_bold(text: str) -> str:
    """The text without ** of emphasis; two stars between operands are a power: "(x-1)**2"."""
    pieces: list[str] = []
    last = 0
    for found in _STARS.finditer(text):
        before, after = text[found.start() - 1 : found.start()], text[found.end() : found.end() + 1]
        touches = bool(re.match(r"[\w)\]}]", before)) and not _CHOICE_BEFORE.search(
            text[: found.start()][-3:]
        )
        is_power = touches and re.match(r"[\d(\-−]|[A-Za-z](?![A-Za-z])", text[found.end() :])
        spaced = before.isspace() and after.isspace()
        if spaced or is_power:
            continue
        pieces.append(text[last : found.start()])
        last = found.end()
    return "".join([*pieces, text[last:]])


def plain_layout(text: str) -> str:
    r"""An answer as it was meant: backslashes that JSON doubled, the answer of a JSON object, bullets."""
    text = _BLANKS.sub("  ", text)
    if _TWO_BACKSLASHES.search(text) and not _ONE_BACKSLASH.search(text.replace("\\\\", "")):
        text = text.replace("\\\\", "\\")
    text = _of_json(text)
    found = _BULLETS.search(text)
    if found is not None:
        items = [one.strip() for one in _BULLET.split(found["items"]) if one.strip()]
        text = f"{text[: found.start()]}{found['head']} {', '.join(items)}"
    return text


def _of_json(text: str) -> str:
    """The answer of a text that is a JSON object with one key for it, else the text."""
    fenced = _FENCE.match(text)
    bare = (fenced[1] if fenced else text).strip()
    if not (bare.startswith("{") and bare.endswith("}") and '"' in bare):
        return text
    try:
        pairs = json.loads(bare, parse_int=str, parse_float=str, object_pairs_hook=list)
    except (ValueError, RecursionError):
        return text
    keys = [key.casefold().replace(" ", "_") for key, _ in pairs]
    values = [value for key, (_, value) in zip(keys, pairs, strict=True) if key in _ANSWER_KEYS]
    if len(values) != 1 or len(set(keys)) < len(keys) or not set(keys) <= _ANSWER_KEYS | _OTHER_KEYS:
        return text
    return values[0] if isinstance(values[0], str) else text


def without_remarks(text: str) -> str:
    r"""An answer without what only explains it at its end: "(double root)", "(x = 2 is extraneous)", "for all
    real x" behind a function, "where n is an integer" as n ∈ ℤ, "\int ... dx =" before an integral's value.
    """
    note = _NOTE.search(text)
    if note is not None and not (note["rejected"] and _may_name(text[: note.start()], note["rejected"])):
        text = text[: note.start()]
    text = _ANY_INTEGER.sub(_as_condition, text)
    if _FUNCTION.search(text):
        text = _ANY_REAL.sub("", text)
    return _INTEGRAL.sub("$" if text.startswith("$") else "", text)


def _as_condition(found: re.Match[str]) -> str:
    """n ∈ ℤ for "where n is an integer", where the text before has an n."""
    letter = found["after"] or found["before"]
    before = re.sub(r"\\[A-Za-z]+|[A-Za-z]{3,}", " ", found.string[: found.start()])
    return rf", {letter} ∈ ℤ" if letter in before else found[0]


def _may_name(text: str, rejected: str) -> bool:
    """Whether an answer may name a number that its note rejects: as it is written, or otherwise."""
    if re.search(r"[\\^√]|sqrt|[a-z]{4}", text):
        return True
    try:
        numbers = [Fraction(one.replace(",", "")) for one in re.findall(r"\d[\d,]*(?:\.\d+|/\d+)?", text)]
        return Fraction(rejected.strip("-−")) in numbers
    except (ValueError, ZeroDivisionError):
        return True
