"""What a row asks: the messages of its prompt, from a column of text, of messages or of whole chats."""

from __future__ import annotations

from typing import Any

from practicum.data.cells import as_written
from practicum.data.chats import Message, asked_in, checked_text, is_chat, messages_of
from practicum.data.columns import Columns, value_of
from practicum.data.rows import Row
from practicum.errors import InputError


def asked_of(row: Row, columns: Columns) -> tuple[Message, ...]:
    """The messages of the prompt's column or columns, behind the row's system message; () without a column.

    A text is a user's message; one that ends as hh-rlhf's prompts do is a chat. Raises InputError that names
    the row and the column, for an empty prompt too.
    """
    if not columns.prompt:
        return ()
    values = [value_of(row.values, name) for name in columns.prompt]
    if len(values) == 1 and is_chat(values[0]):
        return with_system(messages_of(values[0], f"{row.origin}: {columns.prompt[0]}"), row, columns)
    texts = []
    for name, value in zip(columns.prompt, values, strict=True):
        if value is None and len(values) > 1:
            continue
        texts.append(text_of(value, f"{row.origin}: {name}"))
    text = "\n".join(text for text in texts if text)
    if not text.strip():
        raise InputError(f"{asked_at(row, columns)}: the prompt is empty")
    return with_system(asked_in(text) or ({"role": "user", "content": text},), row, columns)


def asked_at(row: Row, columns: Columns) -> str:
    """Where a row's prompt stands, which begins a complaint about it."""
    return f"{row.origin}: {' + '.join(columns.prompt) or columns.messages or columns.chosen}"


def chat_of_row(row: Row, columns: Columns) -> tuple[Message, ...]:
    """The messages of the column of whole chats; () where there is none or it is empty."""
    value = value_of(row.values, columns.messages) if columns.messages else None
    return messages_of(value, f"{row.origin}: {columns.messages}") if value else ()


def with_system(messages: tuple[Message, ...], row: Row, columns: Columns) -> tuple[Message, ...]:
    """The messages behind the row's system message, unless they have one of their own."""
    value = value_of(row.values, columns.system) if columns.system else None
    # A prompt of no messages stays one: a system message alone asks for nothing.
    if not value or not messages or messages[0]["role"] == "system":
        return messages
    return ({"role": "system", "content": text_of(value, f"{row.origin}: {columns.system}")}, *messages)


def answer_text(text: str, row: Row, columns: Columns) -> str:
    """An answer's text; without the spaces around it where it goes on a prompt as hh-rlhf has them."""
    value = value_of(row.values, columns.prompt[0]) if len(columns.prompt) == 1 else None
    return text.strip() if isinstance(value, str) and asked_in(value) else text


def text_of(value: Any, origin: str) -> str:
    """A cell as text: numbers as people write them. Raises InputError for what is neither."""
    if isinstance(value, str):
        return checked_text(value, origin)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value:
        said = "nothing" if value is None else f"{value!r:.60}"
        raise InputError(f"{origin}: expected a text, got {said}")
    return as_written(value)
