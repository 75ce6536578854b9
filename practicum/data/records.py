"""Rows as what training reads of them: prompts with their gold answers, and demonstrations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from practicum.data.cells import as_written
from practicum.data.chats import Message, checked_text, is_chat, messages_of, prompt_of, split_reply
from practicum.data.columns import Columns, tools_of, value_of
from practicum.data.preferences import asked_in_pair
from practicum.data.rows import Row
from practicum.errors import InputError
from practicum.types import Demonstration, Prompt

BEYOND_TEXT = {"tool_calls", "reasoning_content", "thinking"}
"""Fields of a message that only a chat template can write."""
FINAL_ANSWER = "####"
"""What precedes the final answer in GSM8K."""


@dataclass(frozen=True)
class Record:
    """A row as a prompt, and what it demonstrates (nothing where it only asks)."""

    prompt: Prompt
    demonstrations: tuple[Demonstration, ...]
    origin: str
    split: str


def record_of(
    row: Row, columns: Columns, turns: str = "last", *, answered: bool = True, shows: bool = False
) -> Record:
    """A row read by its columns; `answered` says that a column of answers must hold one in every row,
    `shows` that every row must have something to imitate.

    Raises InputError that names the row and the column.
    """
    data = _data(row, columns, answered)
    chat = _column_chat(row, columns.messages)
    if columns.prompt:
        whole = len(columns.prompt) == 1 and is_chat(value_of(row.values, columns.prompt[0]))
        prompt = prompt_of(_asked(row, columns), data, row.origin, keeps_chat=whole)
    elif chat:
        before, _ = split_reply(chat)
        origin = f"{row.origin}: {columns.messages}"
        prompt = prompt_of(_with_system(before, row, columns), data, origin, keeps_chat=True)
    elif columns.chosen:
        prompt = replace(asked_in_pair(row, columns), data=data)
    else:
        raise InputError(f"{row.origin}: column {columns.messages!r} is empty: expected messages")
    shown = _demonstrations(row, columns, prompt, chat, turns) if shows or _shows_text(row, columns) else []
    return Record(prompt, tuple(shown), row.origin, row.split)


def _shows_text(row: Row, columns: Columns) -> bool:
    """Whether what a row shows can be imitated: not an answer that is a list, or true or false."""
    if columns.completion or columns.messages or not columns.solution:
        return True
    value = value_of(row.values, columns.solution)
    return isinstance(value, (str, int, float)) and not isinstance(value, bool)


def _data(row: Row, columns: Columns, answered: bool) -> dict[str, Any]:
    """What rewards and templates read besides the text: the row, the gold answer, tools."""
    data: dict[str, Any] = {"row": dict(row.values)}
    if columns.answer:
        value = value_of(row.values, columns.answer)
        empty = value is None or value == ""
        if empty and answered:
            raise InputError(
                f"{row.origin}: column {columns.answer!r} is empty: leave the row out, or give "
                "--data.answer none where rewards need no answer"
            )
        if not empty:
            data["answer"] = final_answer(value)
    if tools := tools_of(row, columns):
        data["tools"] = tools
    return data


def final_answer(value: Any) -> Any:
    """The gold answer: what follows `####`, thousands without commas (GSM8K), or the value as it stands."""
    if isinstance(value, str) and FINAL_ANSWER in value:
        return value.rpartition(FINAL_ANSWER)[2].strip().replace(",", "")
    return value


def _asked(row: Row, columns: Columns) -> tuple[Message, ...]:
    """The messages of the prompt's column or columns."""
    values = [value_of(row.values, name) for name in columns.prompt]
    if len(values) == 1 and is_chat(values[0]):
        return _with_system(messages_of(values[0], f"{row.origin}: {columns.prompt[0]}"), row, columns)
    texts = []
    for name, value in zip(columns.prompt, values, strict=True):
        if value is None and len(values) > 1:
            continue
        texts.append(text_of(value, f"{row.origin}: {name}"))
    text = "\n".join(text for text in texts if text)
    if not text.strip():
        raise InputError(f"{row.origin}: {' + '.join(columns.prompt)}: the prompt is empty")
    return _with_system(({"role": "user", "content": text},), row, columns)


def text_of(value: Any, origin: str) -> str:
    """A cell as text: numbers as people write them. Raises InputError for what is neither."""
    if isinstance(value, str):
        return checked_text(value, origin)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value:
        said = "nothing" if value is None else f"{value!r:.60}"
        raise InputError(f"{origin}: expected a text, got {said}")
    return as_written(value)


def _with_system(messages: tuple[Message, ...], row: Row, columns: Columns) -> tuple[Message, ...]:
    value = value_of(row.values, columns.system) if columns.system else None
    # A prompt of no messages stays one: a system message alone asks for nothing.
    if not value or not messages or messages[0]["role"] == "system":
        return messages
    return ({"role": "system", "content": text_of(value, f"{row.origin}: {columns.system}")}, *messages)


def _column_chat(row: Row, name: str) -> tuple[Message, ...]:
    value = value_of(row.values, name) if name else None
    return messages_of(value, f"{row.origin}: {name}") if value else ()


# ------------------------------------------------------------------------------------------ demonstrations


def _demonstrations(
    row: Row, columns: Columns, prompt: Prompt, chat: Sequence[Message], turns: str
) -> list[Demonstration]:
    """What a row shows: its completion, else its chat's replies, else its solution or answer."""
    if columns.completion:
        name, value = columns.completion, value_of(row.values, columns.completion)
        if is_chat(value):
            reply = split_reply(messages_of(value, f"{row.origin}: {name}"))[1]
            if reply is None:
                raise InputError(f"{row.origin}: {name}: expected the assistant's message at the end")
            return [_demonstration(prompt, reply)]
        return [Demonstration(prompt, text_of(value, f"{row.origin}: {name}"))]
    if chat:
        return _replies(row, columns, prompt.data, chat, turns)
    if columns.solution:
        value = value_of(row.values, columns.solution)
        return [Demonstration(prompt, text_of(value, f"{row.origin}: {columns.solution}"))]
    return []


def _replies(
    row: Row, columns: Columns, data: Mapping[str, Any], chat: Sequence[Message], turns: str
) -> list[Demonstration]:
    """The assistant's last message, or all of them, each after everything before it."""
    replies = [place for place, message in enumerate(chat) if message["role"] == "assistant" and place]
    origin = f"{row.origin}: {columns.messages}"
    found = []
    for place in replies if turns == "all" else replies[-1:]:
        before = _with_system(tuple(chat[:place]), row, columns)
        if before[-1]["role"] == "assistant":
            raise InputError(f"{origin}[{place}]: two messages of the assistant follow each other")
        found.append(_demonstration(prompt_of(before, data, origin), chat[place]))
    return found


def _demonstration(prompt: Prompt, reply: Message) -> Demonstration:
    """A reply as its text, or, where it holds what only a chat template can write, as its message."""
    return Demonstration(prompt, str(reply["content"]), reply if reply.keys() & BEYOND_TEXT else {})
