"""Reward functions of one's own, in the three signatures that Practicum knows.

practicum rl --model MODEL --data examples/sums.jsonl --reward examples/my_reward.py:right \
    --reward examples/my_reward.py:form --reward.weights.form 0.2
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any


def last_number(text: str) -> str:
    """The last whole number of a text, or nothing."""
    found = re.findall(r"-?\d+", text)
    return found[-1] if found else ""


def right(completions: list[str], answer: list[str], **columns: Any) -> list[float]:
    """TRL's signature: all completions of a step at once, and each column of the data as a list."""
    return [float(last_number(text) == gold) for text, gold in zip(completions, answer, strict=True)]


def form(prompt: str, completion: str, row: Mapping[str, Any]) -> dict[str, float]:
    """One completion at a time; the parts of a dict are added up, and each has a curve of its own."""
    return {"ends": float(completion.rstrip().endswith(".")), "short": -len(completion) / 100}


def compute_score(
    data_source: str, solution_str: str, ground_truth: str, extra_info: Mapping[str, Any]
) -> dict[str, float]:
    """verl's signature: `score` is paid, `acc` says whether the answer is right."""
    correct = float(last_number(solution_str) == ground_truth)
    return {"score": correct, "acc": correct}
