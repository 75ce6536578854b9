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
SHAREGPT |= {"function": "tool", "prompter": "user"}
CALL = "function_call"
"""ShareGPT's role of a message that holds, as JSON, the tools that the assistant calls."""
BEYOND_TEXT = {"tool_calls", "reasoning_content", "reasoning", "thinking"}
"""Fields of a message that only a chat template can write."""
PYTHON = re.compile(r"\s*(?:array\()?\[\s*\{\s*'(?:role|from|content|value)'\s*:")
"""How a list of messages begins that Python printed, as `DataFrame.to_csv` writes it."""
TURN = re.compile(r"(?:\A\s*|\n\n)(Human|Assistant): ?")
"""Where a turn of Anthropic's hh-rlhf texts begins."""


def is_chat(value: Any) -> bool:
    """Whether a value holds messages: a list, one message alone, or the text of a list of them.

    Text of a list as Python prints it counts too: `messages_of` says what is wrong with it.
    """
    if isinstance(value, str):
        found = _parsed(value) if value.lstrip().startswith("[") else None
        return _is_messages(found) or PYTHON.match(value) is not None
    if isinstance(value, Mapping):
        return _is_messages([value])
    return isinstance(value, list) and bool(value) and isinstance(opened(value[0]), Mapping)


def _is_messages(found: Any) -> bool:
    """Whether something is a list of objects that all have a role, and so no JSON of another kind."""
    if not isinstance(found, list) or not found:
        return False
    return all(isinstance(item, Mapping) and bool(item.keys() & {"role", "from"}) for item in found)


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def opened(value: Any) -> Any:
    """A JSON object that stands as text, as that object; anything else as it is."""
    found = _parsed(value) if isinstance(value, str) and value.lstrip().startswith("{") else None
    return found if isinstance(found, dict) else value


def messages_of(value: Any, origin: str) -> tuple[Message, ...]:
    """Messages with role and content of a column's value. Raises InputError that begins with `origin`.

    Roles and fields of ShareGPT (from, value; human, gpt) become role and content, a content of several
    text parts one text, arguments of tool calls that are JSON text objects. Other fields of a message (name,
    tool_calls, thinking) stay for the template.
    """
    found = _parsed(value) if isinstance(value, str) else value
    if isinstance(found, Mapping):
        found = [found]
    if isinstance(value, str) and PYTHON.match(value):
        raise InputError(
            f"{origin}: expected messages, got a list as Python prints it, {value!r:.40}: write the file as "
            "JSONL or Parquet (DataFrame.to_json or to_parquet), which keep lists"
        )
    if not isinstance(found, list) or not found:
        raise InputError(f"{origin}: expected a list of messages, got {value!r:.60}")
    return tuple(_message(item, f"{origin}[{index}]") for index, item in enumerate(found))


def _message(item: Any, origin: str) -> Message:
    item = opened(item)
    if not isinstance(item, Mapping):
        raise InputError(f"{origin}: expected a message with role and content, got {item!r:.60}")
    role = item.get("role") or item.get("from")
    if not isinstance(role, str):
        raise InputError(f"{origin}: expected a message with role and content, got {item!r:.60}")
    role = SHAREGPT.get(role.lower(), role.lower())
    kept = {key: value for key, value in item.items() if value is not None and key not in ("from", "value")}
    content = item.get("content") if item.get("content") is not None else item.get("value")
    if role == CALL:
        role, content, kept["tool_calls"] = "assistant", None, _calls_in(content, origin)
    if role not in ROLES:
        raise InputError(
            f"{origin}: unknown role {role!r:.40}; there are {', '.join(ROLES)}, human, gpt and {CALL}"
        )
    if isinstance(kept.get("tool_calls"), list):
        kept["tool_calls"] = [_call(call) for call in kept["tool_calls"]]
    if content is None and kept.get("tool_calls"):
        content = ""
    return {**kept, "role": role, "content": _content(content, origin)}


def _calls_in(content: Any, origin: str) -> list[Any]:
    """The tool calls that a message of the role `function_call` holds as JSON."""
    found = _parsed(content) if isinstance(content, str) else content
    calls = found if isinstance(found, list) else [found]
    if not calls or not all(isinstance(call, Mapping) and "name" in call for call in calls):
        raise InputError(f"{origin}: expected the JSON of a call with its name, got {content!r:.60}")
    return [{"type": "function", "function": call} for call in calls]


def _call(call: Any) -> Any:
    """A tool call as an object whose arguments are one too, where they are JSON text as OpenAI has them."""
    call = opened(call)
    if not isinstance(call, Mapping):
        return call
    if call.get("function") is not None:
        return {**call, "function": _call(call["function"])}
    return {**call, "arguments": opened(call["arguments"])} if "arguments" in call else call


def beyond_text(message: Message) -> Message:
    """The message itself where it holds what only a chat template can write, else nothing."""
    return message if any(message.get(field) for field in BEYOND_TEXT) else {}


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


def asked_in(text: str) -> tuple[Message, ...]:
    """The messages of a prompt that ends where hh-rlhf's answers begin, "\\n\\nAssistant:"; else ()."""
    turns = turns_of(text)
    open_ended = len(turns) > 1 and turns[-1] == {"role": "assistant", "content": ""}
    return turns[:-1] if open_ended else ()


def whole_chat(asked: Sequence[Message], said: Sequence[Message], origin: str) -> tuple[Message, ...]:
    """What was asked and what was said to it as one chat.

    A chat that begins with a message of the user holds the question itself, which is then not repeated:
    all that was asked, or a single question that its user asks somewhere. Raises InputError, which begins
    with `origin`, for a chat that holds another question.
    """
    before, question = _instructed(asked)
    instructed, own = _instructed(said)
    if own and own[0]["role"] != "user":
        return (*(instructed or before), *question, *own)
    same = [_spoken(one) for one in own[: len(question)]] == [_spoken(one) for one in question]
    users = [_spoken(one) for one in own if one["role"] == "user"]
    if same or (len(question) == 1 and _spoken(question[0]) in users):
        return (*(instructed or before), *own)
    if asked and asked[-1]["role"] != "user":
        return (*asked, *said)
    raise InputError(
        f"{origin}: the chat holds another question than the prompt: give --data.prompt none where the chat "
        "holds all of it"
    )


def _instructed(messages: Sequence[Message]) -> tuple[list[Message], list[Message]]:
    """The messages of system or developer at the beginning, and the others."""
    end = next((place for place, one in enumerate(messages) if one["role"] not in ROLES[:2]), len(messages))
    return list(messages[:end]), list(messages[end:])


def _spoken(message: Message) -> tuple[str, str]:
    return str(message["role"]), str(message["content"]).strip()


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
    """A chat as a prompt that stands at `origin`. Raises InputError for one that asks for nothing.

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
    return Prompt(text, data, () if plain and not keeps_chat else tuple(messages), origin)
