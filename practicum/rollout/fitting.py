"""A user's prompts that a model can take; those that are too long are counted and left out, never cut."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from tokenizers import Tokenizer

from practicum.data.chats import plain_text
from practicum.data.records import Record
from practicum.errors import InputError
from practicum.model.tokenizer import chat_of, encode_prompts
from practicum.tasks.table import TableTask


def fitted(task: TableTask, tokenizer: Tokenizer, max_positions: int, longest_prompt: int = 0) -> TableTask:
    """The task without the rows whose prompts have more tokens than fit, which are told on stderr.

    `longest_prompt` 0 is what the model takes with a token left for the answer. Raises InputError where no
    row of a split is left.
    """
    limit = min(longest_prompt or max_positions, max_positions - 1)
    told_without_template(task, tokenizer)
    splits = {split: _fitting(task, split, tokenizer, limit) for split in task.splits if task.splits[split]}
    return task.with_splits(splits)


def _fitting(task: TableTask, split: str, tokenizer: Tokenizer, limit: int) -> Sequence[Record]:
    records = task.splits[split]
    lengths = [len(ids) for ids in encode_prompts(tokenizer, [record.prompt for record in records])]
    long = [place for place, length in enumerate(lengths) if length > limit]
    if not long:
        return records
    first = long[0]
    told = (
        f"{task.name}: {len(long)} of {len(records)} prompts of the {split} split have more than "
        f"{limit} tokens (the first is {records[first].origin} with {lengths[first]})"
    )
    if len(long) == len(records):
        raise InputError(f"{told}: none is left; give a model with more positions or shorter prompts")
    print(f"practicum: {told}: left out", file=sys.stderr)
    return [record for record, length in zip(records, lengths, strict=True) if length <= limit]


def told_without_template(task: TableTask, tokenizer: Tokenizer) -> None:
    """Say on stderr how chats are read by a model without a chat template."""
    every = [record.prompt.messages for records in task.splits.values() for record in records]
    # A single message of the user is read as it is.
    chats = sum(bool(one) and plain_text(one) != one[0]["content"] for one in every)
    if chats and chat_of(tokenizer) is None:
        print(
            f"practicum: {task.name}: {chats} chats, and the model has no chat template: each message is "
            "written under its role (User:, Assistant:)",
            file=sys.stderr,
        )
