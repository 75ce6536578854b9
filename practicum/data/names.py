"""The names that columns usually have, by which rows are read where no setting names a column."""

from __future__ import annotations

from collections.abc import Mapping

USUAL: Mapping[str, tuple[str, ...]] = {
    "prompt": ("prompt", "question", "problem", "instruction", "query", "input"),
    "messages": ("messages", "conversations", "conversation", "dialogue", "dialog", "chat"),
    "system": ("system", "system_prompt"),
    "tools": ("tools", "functions"),
    "answer": (
        *("answer", "final_answer", "ground_truth", "reward_model.ground_truth", "gold", "gold_answer"),
        *("target", "expected_answer", "expected", "reference_answer", "reference", "solution"),
    ),
    "completion": ("completion", "response", "output", "demonstration"),
    "solution": ("solution", "answer"),
    "chosen": ("chosen", "chosen_response", "preferred"),
    "rejected": ("rejected", "rejected_response", "dispreferred"),
    "label": ("label", "desirable"),
}
"""The field's names for each role, the likeliest first; capitals do not matter."""
TOGETHER = (
    ("body", "question"),
    ("instruction", "input"),
    ("instruction", "context"),
    ("context", "question"),
)
"""Columns that are one prompt only together: SVAMP, Alpaca, Dolly, reading comprehension."""
QUESTION_PARTS = (
    *USUAL["prompt"],
    *("context", "passage", "paragraph", "article", "document", "story", "choices", "options"),
    *("history", "post"),
)
"""Columns that are likely to be part of the question: what is not read of them is told."""
