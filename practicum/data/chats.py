"""Chats of every usual form as messages: TRL's and OpenAI's, ShareGPT's, and texts of Human and Assistant."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from practicum.errors import InputError
from practicum.types import Prompt

Message: TypeAlias = Mapping[str, Any]
ROLES = ("system", "developer", "user", "assistant", "tool")
SHAREGPT = {
    "human": "user",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bing": "assistant",
    "bard": "assistant",
}
SHAREGPT |= {"model": "assistant", "bot": "assistant", "observation": "tool", "function_response": "tool"}
SHAREGPT |= {"function": "tool"}
TURN = re.compile(r"(?:\A\s*|\n\n)(Human|Assistant): ?")
"""Where a turn of Anthropic's hh-rlhf texts begins."""


def is_chat(value: Any) -> bool:
    """Whether a value holds messages, as a list or as JSON text of one."""
    if isinstance(value, str):
        return value.lstrip().startswith("[{") and isinstance(_parsed(value), list)
    return isinstance(value, list) and bool(value) and isinstance(value[0], Mapping)


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def messages_of(value: Any, origin: str) -> tuple[Message, ...]:
    """Messages with role and content of a column's value. Raises InputError that begins with `origin`.

    Roles and fields of ShareGPT (from, value; human, gpt) become role and content, a content of several
    text parts one text. Other fields of a message (name, tool_calls, thinking) stay for the template.
    """
    value = _parsed(value) if isinstance(value, str) else value
    if not isinstance(value, list) or not value:
        raise InputError(f"{origin}: expected a list of messages, got {value!r:.60}")
    return tuple(_message(item, f"{origin}[{index}]") for index, item in enumerate(value))


def _message(item: Any, origin: str) -> Message:
    if not isinstance(item, Mapping):
        raise InputError(f"{origin}: expected a message with role and content, got {item!r:.60}")
    role = item.get("role") or item.get("from")
    if not isinstance(role, str):
        raise InputError(f"{origin}: expected a message with role and content, got {item!r:.60}")
    role = SHAREGPT.get(role.lower(), role.lower())
    if role not in ROLES:
        raise InputError(f"{origin}: unknown role {role!r:.40}; there are {', '.join(ROLES)}, human and gpt")
    kept = {key: value for key, value in item.items() if value is not None and key not in ("from", "value")}
    content = item.get("content") if item.get("content") is not None else item.get("value")
    if content is None and kept.get("tool_calls"):
        content = ""
    return {**kept, "role": role, "content": _content(content, origin)}


def _content(content: Any, origin: str) -> str:
    """The text of a message, of its parts where there are several."""
    if isinstance(content, str):
        return checked_text(content, f"{origin}: content")
    if isinstance(content, list) and content:
        texts = [part.get("text") if isinstance(part, Mapping) else part for part in content]
        if all(isinstance(text, str) for text in texts):
            return checked_text("".join(map(str, texts)), f"{origin}: content")
        raise InputError(f"{origin}: content: expected text, got parts of another kind: {content!r:.60}")
    raise InputError(f"{origin}: content: expected a text, got {content!r:.60}")


def checked_text(text: str, origin: str) -> str:
    """The text itself. Raises InputError where it holds half of a surrogate pair, which is no text."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InputError(
            f"{origin}: character {error.start + 1} is half of a surrogate pair, which is no text"
        ) from error
    return text


def turns_of(text: str) -> tuple[Message, ...]:
    """The messages of a text as in hh-rlhf, "\\n\\nHuman: ...\\n\\nAssistant: ..."; () for any other text."""
    places = list(TURN.finditer(text))
    if not places or places[0].start() != 0 or places[0][1] != "Human":
        return ()
    ends = [place.start() for place in places[1:]] + [len(text)]
    return tuple(
        {
            "role": "user" if place[1] == "Human" else "assistant",
            "content": text[place.end() : end].strip(),
        }
        for place, end in zip(places, ends, strict=True)
    )


def split_reply(messages: Sequence[Message]) -> tuple[tuple[Message, ...], Message | None]:
    """What comes before the assistant's last message, and that message; None where the last is another's."""
    if messages and messages[-1]["role"] == "assistant":
        return tuple(messages[:-1]), messages[-1]
    return tuple(messages), None


def plain_text(messages: Sequence[Message]) -> str:
    """A chat as one text, for models without a chat template and for people: one message alone as it is.

    Several are written under their roles, up to where the answer begins.
    """
    if len(messages) == 1 and messages[0]["role"] == "user":
        return str(messages[0]["content"])
    turns = [f"{str(message['role']).capitalize()}:\n{message['content']}\n\n" for message in messages]
    return "".join(turns) + "Assistant:\n"


def reworded(prompt: Prompt, change: Callable[[str], str]) -> Prompt:
    """A prompt with its question changed: of a chat, the last message of the user, else the last."""
    if not prompt.messages:
        return replace(prompt, text=change(prompt.text))
    users = [place for place, message in enumerate(prompt.messages) if message["role"] == "user"]
    place = users[-1] if users else len(prompt.messages) - 1
    asked = prompt.messages[place]
    messages = [*prompt.messages]
    messages[place] = {**asked, "content": change(str(asked["content"]))}
    return replace(prompt, text=plain_text(messages), messages=tuple(messages))


def prompt_of(
    messages: Sequence[Message], data: Mapping[str, Any], origin: str, *, keeps_chat: bool = False
) -> Prompt:
    """A chat as a prompt. Raises InputError for one that asks for nothing.

    A single user's message is the text alone, as which every model reads it, unless the data hold a chat:
    rewards then see one too.
    """
    if not messages:
        raise InputError(f"{origin}: expected messages before the assistant's, got none")
    if messages[-1]["role"] == "assistant":
        raise InputError(
            f"{origin}: expected a message of user or system or tool at the end, got one of assistant"
        )
    text = plain_text(messages)
    if not any(str(message["content"]).strip() for message in messages):
        raise InputError(f"{origin}: the prompt is empty")
    plain = len(messages) == 1 and not data.get("tools") and set(messages[0]) == {"role", "content"}
    return Prompt(text, data, () if plain and not keeps_chat else tuple(messages))
