"""Whether the length limit of sampling leaves room for the answers that the task itself shows."""

from __future__ import annotations

from collections.abc import Sequence

from tokenizers import Tokenizer

from practicum.model.tokenizer import encode_batch
from practicum.tasks.table import TableTask
from practicum.tasks.task import Task

LOOKED_AT = 64
"""Worked answers that are measured."""
MOST_CUT = 0.02
"""Share of them that may be longer than the limit before a word is said."""


def no_room(task: Task, tokenizer: Tokenizer, limit: int, seed: int) -> str | None:
    """A sentence where more than MOST_CUT of the task's worked answers have more than `limit` tokens.

    Practice cannot be paid for what is cut before its end. None where the task shows no answers, or where
    they fit, the end of sequence counted.
    """
    lengths = [len(ids) + 1 for ids in encode_batch(tokenizer, shown_answers(task, LOOKED_AT, seed))]
    longer = sum(length > limit for length in lengths)
    if longer <= MOST_CUT * len(lengths):
        return None
    return (
        f"{longer} of {len(lengths)} worked answers of {task.name} are longer than sampling.max_new_tokens "
        f"({limit}): answers like them are cut and not paid; the longest has {max(lengths)} tokens"
    )


def shown_answers(task: Task, count: int, seed: int) -> Sequence[str]:
    """Up to `count` completions that the task would have a model imitate; none where it shows none."""
    if isinstance(task, TableTask):
        held = (one for record in task.splits["train"] for one in record.demonstrations)
        return [one.completion for one, _ in zip(held, range(count), strict=False)]
    if not hasattr(task, "demonstrations"):
        return []
    return [one.completion for one in task.demonstrations(count, seed)]
