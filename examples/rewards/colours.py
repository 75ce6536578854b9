"""A reward for colours: the reply is a CSS hex code, and a near miss is paid a part.

`reward` is how it was first written. `mended` is what is left after the audit: see docs/worked_rewards.md.
"""

from __future__ import annotations

import re
from typing import Any

HEX = re.compile(r"#([0-9a-f]{6}|[0-9a-f]{3})", re.IGNORECASE)


def channels(code: str) -> list[int]:
    """Red, green and blue of #rrggbb."""
    return [int(code[start : start + 2], 16) for start in (1, 3, 5)]


def reward(completions: list[str], answer: list[str], **columns: Any) -> list[float]:
    """1 for the very colour, less by the mean distance of the three channels."""
    scores = []
    for text, gold in zip(completions, answer, strict=True):
        distance = sum(abs(a - b) for a, b in zip(channels(text.strip()), channels(gold), strict=True))
        scores.append(1 - distance / 765)
    return scores


def mended(completions: list[str], answer: list[str], **columns: Any) -> list[float]:
    """The same for a hex code, long or short, and nothing for any other text."""
    scores = []
    for text, gold in zip(completions, answer, strict=True):
        found = HEX.fullmatch(text.strip())
        if found is None:
            scores.append(0.0)
            continue
        digits = found[1] if len(found[1]) == 6 else "".join(2 * digit for digit in found[1])
        distance = sum(abs(a - b) for a, b in zip(channels("#" + digits), channels(gold), strict=True))
        scores.append(1 - distance / 765)
    return scores
