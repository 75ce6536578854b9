"""math-verify as a rival: gold in LaTeX, answers as LaTeX or plain expressions, its own time limits kept."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from math_verify import parse, verify

# A time-out is one of its verdicts; its report of each would be in the way.
logging.getLogger("math_verify").setLevel(logging.CRITICAL)


def read_golds(golds: Sequence[str]) -> None:
    """Parse the gold answers once, before the clock starts: in practice a problem's gold is kept."""
    for gold in golds:
        _gold(gold)


def judge(gold: str, answer: str) -> bool:
    """Parse the answer with the defaults (LaTeX, then expressions; 5 s) and compare, gold first."""
    return bool(verify(_gold(gold), parse(answer)))


@lru_cache(maxsize=4096)
def _gold(text: str) -> Any:
    return parse(text)
