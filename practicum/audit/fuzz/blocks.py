"""Replies of one block in tags, as a tool call is, with another block beside it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from practicum.audit.fuzz.anatomy import Anatomy
from practicum.audit.fuzz.probe import Probe, refused

BLOCK = re.compile(r"<([A-Za-z][\w-]*)>(?:(?!</?\1>).)+</\1>", re.DOTALL)
EXACTLY_ONE = re.compile(
    r"\b(?:(?:exactly|only|just|precisely) (?:one|1)|a single|one single)((?: [\w-]+){1,3})", re.I
)
NOT_ONE = re.compile(r"\b(?:at least|or|than) (?:one|more|once)\b|\beach\b", re.IGNORECASE)


def blocks_beside(anatomy: Anatomy, row: int) -> Iterator[Probe]:
    """A right reply of one block in tags with a wrong block of the same tags, where the prompt wants one."""
    data = anatomy.rows[row]
    for good in data.good[:2]:
        blocks = [*BLOCK.finditer(good)]
        if len(blocks) != 1 or not _wants_one(data.prompt.text, blocks[0][1]):
            continue
        wrong = [found[0] for bad in data.bad for found in BLOCK.finditer(bad) if found[1] == blocks[0][1]]
        what = "that has a wrong block beside the right one, where the prompt wants one"
        others = [one for one in dict.fromkeys(wrong) if one not in good]
        for one in others[:2]:
            yield refused(row, f"{good}\n{one}", "contradiction", what, alone=False)
            yield refused(row, f"{one}\n{good}", "contradiction", what, alone=False)


AT_LEAST_ONCE = re.compile(
    r"\bat least (?:once|one|1|two|2)\b|\bmust (?:use|call|contain|have|show)\b", re.IGNORECASE
)


def blocks_missing(anatomy: Anatomy, row: int) -> Iterator[Probe]:
    """A right reply without its blocks in tags, where the prompt shows one, wants one at least and gets some
    in all right replies: an example in the prompt is none in the reply."""
    data = anatomy.rows[row]
    goods = [good for one in anatomy.rows for good in one.good]
    for tag in dict.fromkeys(found[1] for found in BLOCK.finditer(data.prompt.text)):
        whole = re.compile(rf"<{tag}>(?:(?!</?{tag}>).)+</{tag}>", re.DOTALL)
        if not AT_LEAST_ONCE.search(data.prompt.text) or not all(map(whole.search, goods)):
            continue
        for good in data.good[:2]:
            without = whole.sub("", good).strip()
            if without and without not in data.good:
                what = f"without the <{tag}> that the prompt wants"
                yield refused(row, without, "block_missing", what, alone=False)


def _wants_one(prompt: str, tag: str) -> bool:
    """Whether a prompt asks for exactly one of what the words of a tag name: "one call" for tool_call."""
    words = {*re.split(r"[-_]", tag.casefold()), "block", "element", "object"}
    return any(
        words & set(re.findall(r"[a-z]+", found[1].casefold())) and not NOT_ONE.search(sentence)
        for sentence in re.split(r"(?<=[.!?])\s|\n", prompt)
        for found in EXACTLY_ONE.finditer(sentence)
    )
