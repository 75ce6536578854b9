"""Rows as what training reads of them: prompts with their gold answers, and demonstrations."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from practicum.data.asked import answer_text, asked_at, asked_of, chat_of_row, text_of, with_system
from practicum.data.chats import (
    Message,
    beyond_text,
    is_chat,
    messages_of,
    prompt_of,
    split_reply,
    whole_chat,
)
from practicum.data.columns import Columns, tools_of, value_of
from practicum.data.preferences import asked_in_pair
from practicum.data.rows import Row
from practicum.errors import InputError
from practicum.types import Demonstration, Prompt

FINAL_ANSWER = "####"
"""How GSM8K begins the last line of a solution, the answer behind it. Above other lines it is a heading."""
THOUSANDS = re.compile(r"[^\d,(\[{]*\d{1,3}(?:,\d{3})+(?:\.\d+)?[^\d,)\]}]*")
"""One number with commas between its thousands, and what may stand around it, as in `$1,234 a year`."""


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
    chat = chat_of_row(row, columns)
    asked = asked_of(row, columns)
    if asked:
        whole = len(columns.prompt) == 1 and is_chat(value_of(row.values, columns.prompt[0]))
        prompt = prompt_of(asked, data, asked_at(row, columns), keeps_chat=whole)
    elif chat:
        asked = with_system(split_reply(chat)[0], row, columns)
        prompt = prompt_of(asked, data, asked_at(row, columns), keeps_chat=True)
    elif columns.chosen:
        prompt = replace(asked_in_pair(row, columns), data=data)
        asked = prompt.messages or ({"role": "user", "content": prompt.text},)
    else:
        raise InputError(f"{row.origin}: column {columns.messages!r} is empty: expected messages")
    shown: list[Demonstration] = []
    if shows and columns.completion and _chat_shows(row, columns, chat):
        columns = replace(columns, completion="")
    if shows or _shows_text(row, columns):
        shown = _demonstrations(row, columns, prompt, asked, chat, turns)
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
    """The gold answer: behind `####` on the last line, thousands without commas (GSM8K), or the value as it
    stands."""
    if not isinstance(value, str):
        return value
    before, mark, final = value.rstrip().rpartition("\n")[2].rpartition(FINAL_ANSWER)
    final = final.strip()
    if not mark or not final or not (before == "" or before[-1].isspace()):
        return value
    return final.replace(",", "") if THOUSANDS.fullmatch(final) else final


# ------------------------------------------------------------------------------------------ demonstrations


def _demonstrations(
    row: Row,
    columns: Columns,
    prompt: Prompt,
    asked: Sequence[Message],
    chat: Sequence[Message],
    turns: str,
) -> list[Demonstration]:
    """What a row shows: its completion, else its chat's replies, else its solution or answer."""
    if columns.completion:
        name, value = columns.completion, value_of(row.values, columns.completion)
        origin = f"{row.origin}: {name}"
        if not is_chat(value):
            return [Demonstration(prompt, answer_text(text_of(value, origin), row, columns))]
        said = messages_of(value, origin)
        whole = with_system(whole_chat(asked, said, origin), row, columns)
        if whole[-1]["role"] != "assistant":
            raise InputError(f"{origin}: expected the assistant's message at the end")
        # A completion of several messages is imitated whole; a chat that holds the prompt too, by its turns.
        if len(whole) == len(asked) + len(said):
            return _replies(whole, range(len(asked), len(whole)), prompt.data, origin, "all")
        return _replies(whole, range(1, len(whole)), prompt.data, origin, turns)
    if chat:
        whole, origin = with_system(tuple(chat), row, columns), f"{row.origin}: {columns.messages}"
        # What the assistant says before anybody asked answers nothing.
        places = range(len(whole) - len(chat) + 1, len(whole))
        return _replies(whole, places, prompt.data, origin, turns)
    if columns.solution:
        value = value_of(row.values, columns.solution)
        return [Demonstration(prompt, text_of(value, f"{row.origin}: {columns.solution}"))]
    return []


def _chat_shows(row: Row, columns: Columns, chat: Sequence[Message]) -> bool:
    """Whether a chat is imitated in place of a completion that nobody named: it is, or holds that text too.

    Raises InputError where the two show different answers.
    """
    reply = split_reply(chat)[1]
    value = value_of(row.values, columns.completion)
    if reply is None or "completion" in columns.named:
        return False
    if "messages" in columns.named:
        return True
    origin = f"{row.origin}: {columns.completion}"
    said = [one["content"] for one in messages_of(value, origin)][-1:] if is_chat(value) else [value]
    replies = [str(one["content"]).strip() for one in chat if one["role"] == "assistant"]
    if all(one is None or str(one).strip() in ("", *replies) for one in said):
        return True
    raise InputError(
        f"{origin}: shows another answer than {columns.messages}: give --data.completion none, or "
        "--data.messages none, for the one that is not to be imitated"
    )


def _replies(
    chat: Sequence[Message], places: Sequence[int], data: Mapping[str, Any], origin: str, turns: str
) -> list[Demonstration]:
    """The assistant's last message among some places, or all of them, each after everything before it."""
    replies = [place for place in places if chat[place]["role"] == "assistant"]
    found = []
    for place in replies if turns == "all" else replies[-1:]:
        before = chat[:place]
        if before[-1]["role"] == "assistant":
            raise InputError(f"{origin}[{place}]: two messages of the assistant follow each other")
        prompt = prompt_of(before, data, origin)
        found.append(Demonstration(prompt, str(chat[place]["content"]), beyond_text(chat[place])))
    return found
