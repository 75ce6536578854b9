"""A reward for word problems: most of it for the right number, a little for working shown.

`reward` is how it was first written, `once_mended` what the first audit left, `mended` what the second
one left: see docs/worked_rewards.md.
"""

from __future__ import annotations

import re
from typing import Any

NUMBER = re.compile(r"-?\d+")
LAST_LINE = re.compile(r"Answer: (-?\d+)\.?")


def reward(completions: list[str], answer: list[str], **columns: Any) -> list[float]:
    """0.8 if the gold number is in the reply, 0.2 if the reply has more than one line."""
    scores = []
    for text, gold in zip(completions, answer, strict=True):
        right = gold in NUMBER.findall(text)
        shown = len(text.strip().splitlines()) > 1
        scores.append(0.8 * right + 0.2 * shown)
    return scores


def once_mended(completions: list[str], answer: list[str], **columns: Any) -> list[float]:
    """The last line is the answer, no other line states one, and working counts only if it is right."""
    scores = []
    for text, gold in zip(completions, answer, strict=True):
        lines = [line.strip() for line in text.strip().splitlines()]
        stated = {line for line in lines if "Answer:" in line}
        last = LAST_LINE.fullmatch(lines[-1]) if lines else None
        right = last is not None and len(stated) == 1 and int(last[1]) == int(gold)
        scores.append((0.8 + 0.2 * (len(lines) > 1)) * right)
    return scores


def mended(completions: list[str], answer: list[str], **columns: Any) -> list[float]:
    """The same; Python turns no more than 4,300 digits into a number, so a long one is not asked."""
    short = [text if not re.search(r"\d{50}", text) else "" for text in completions]
    return once_mended(short, answer)
