"""Rows in which people compare answers: chosen and rejected, several answers with ranks or scores, labels.

The prompt may stand in a column of its own or only in what chosen and rejected share (TRL's implicit prompt),
as text or as messages, of a system and of many turns. hh-rlhf's texts of Human and Assistant are chats.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from practicum.data.chats import (
    Message,
    checked_text,
    is_chat,
    messages_of,
    plain_text,
    prompt_of,
    turns_of,
)
from practicum.data.columns import Columns, has_column, tools_of, value_of
from practicum.data.rows import Row
from practicum.errors import InputError
from practicum.types import Prompt, Ranking, Response

Side: TypeAlias = "str | tuple[Message, ...]"
ANSWERS = ("responses", "completions", "answers", "candidates", "generations")
TEXTS = ("text", "response", "answer", "content", "completion", "output")
RANKS = ("ranks", "rank", "ranking", "rankings")
SCORES = ("scores", "score", "overall_score", "ratings", "rating", "rewards", "reward")
YES, NO = (True, 1, "true", "1", "yes", "desirable"), (False, 0, "false", "0", "no", "undesirable")


class NoPreferenceError(InputError):
    """A well-formed row that prefers nothing: equal answers, equal scores, answers to different prompts."""


@dataclass(frozen=True)
class Labelled:
    """One completion and whether it is desirable: a row of KTO (Ethayarajh et al. 2024, 2402.01306)."""

    prompt: Prompt
    completion: str
    desirable: bool


def ranking_of(row: Row, columns: Columns) -> Ranking:
    """A row of any form as a ranking. Raises InputError that names the row and what is wrong with it."""
    found = _ranking_of(row, columns)
    return replace(found, prompt=_with_tools(found.prompt, row, columns))


def _with_tools(prompt: Prompt, row: Row, columns: Columns) -> Prompt:
    """The prompt with the tools of the row, as a chat, which the template renders with them."""
    tools = tools_of(row, columns)
    if not tools:
        return prompt
    messages = prompt.messages or ({"role": "user", "content": prompt.text},)
    return replace(prompt, data={**prompt.data, "tools": tools}, messages=messages)


def _ranking_of(row: Row, columns: Columns) -> Ranking:
    values = row.values
    if has_column(values, columns.chosen):
        return _pair(row, columns)
    answers = next((name for name in ANSWERS if isinstance(values.get(name), list)), "")
    if answers and "ranks" not in values and columns.prompt:
        return _ranked_list(row, columns, answers)
    if has_column(values, columns.label) and "ranks" not in values:
        raise InputError(
            f"{row.origin}: column {columns.label!r} labels single completions (KTO) and compares none: a "
            "reward model needs chosen and rejected, or several responses with ranks"
        )
    return Ranking.from_json(dict(values), row.origin)


def label_of(row: Row, columns: Columns) -> Labelled:
    """A row of KTO: prompt, completion and a label. Raises InputError that names the row."""
    value = value_of(row.values, columns.label)
    said = value.strip().lower() if isinstance(value, str) else value
    if not isinstance(said, (bool, int, str)) or said not in (*YES, *NO):
        raise InputError(f"{row.origin}: {columns.label}: expected true or false, got {value!r:.40}")
    prompt = _asked(row, columns)
    if prompt is None:
        raise InputError(f"{row.origin}: a label needs a column of the prompt: name it with --data.prompt")
    side = _side(row, columns.completion)
    prompt = _with_tools(prompt, row, columns)
    return Labelled(prompt, side if isinstance(side, str) else _continuation(side), said in YES)


# ------------------------------------------------------------------------------------- chosen and rejected


def asked_in_pair(row: Row, columns: Columns) -> Prompt:
    """The prompt of a row with chosen and rejected, equal or not. Raises InputError as `ranking_of`."""
    return _parts(row, columns)[0]


def _pair(row: Row, columns: Columns) -> Ranking:
    prompt, chosen, rejected = _parts(row, columns)
    if chosen == rejected:
        raise NoPreferenceError(
            f"{row.origin}: chosen and rejected are the same text: leave the row out, it is no preference"
        )
    _check_scores(row)
    rater, name = (_optional_text(row, field) for field in ("rater", "ranking_id"))
    if name and " " not in name:
        name = f"{name} {hashlib.sha256(json.dumps([chosen, rejected]).encode()).hexdigest()[:16]}"
    return Ranking(prompt, (Response(chosen), Response(rejected)), (1, 2), rater, id=name)


def _parts(row: Row, columns: Columns) -> tuple[Prompt, str, str]:
    """The prompt of a pair and its two answers."""
    origin = row.origin
    chosen, rejected = _side(row, columns.chosen), _side(row, columns.rejected or "rejected")
    if isinstance(chosen, str) != isinstance(rejected, str):
        raise InputError(f"{origin}: chosen and rejected must both be texts or both be messages")
    prompt = _asked(row, columns)
    if prompt is None and isinstance(chosen, str) and isinstance(rejected, str):
        first, second = turns_of(chosen), turns_of(rejected)
        if first and second:
            chosen, rejected = first, second
    if isinstance(chosen, str) and isinstance(rejected, str):
        return _of_texts(prompt, chosen, rejected, origin)
    assert not isinstance(chosen, str)
    assert not isinstance(rejected, str)
    return _of_chats(prompt, chosen, rejected, origin)


def _side(row: Row, name: str) -> Side:
    """A column's text or messages."""
    value = value_of(row.values, name)
    if value is None:
        raise InputError(f"{row.origin}: field {name!r} is missing: preferences have chosen and rejected")
    if is_chat(value):
        return messages_of(value, f"{row.origin}: {name}")
    if isinstance(value, str):
        return checked_text(value, f"{row.origin}: {name}")
    raise InputError(f"{row.origin}: {name}: expected a text or one message or several, got {value!r:.60}")


def _asked(row: Row, columns: Columns) -> Prompt | None:
    """The prompt of its own column, with the system message of another; None where there is no column."""
    if not columns.prompt:
        return None
    if len(columns.prompt) == 1:
        name = columns.prompt[0]
        if value_of(row.values, name) is None:
            raise InputError(f"{row.origin}: field {name!r} is missing: expected the prompt")
        side = _side(row, name)
    else:
        parts = [_side(row, name) for name in columns.prompt if value_of(row.values, name) is not None]
        side = "\n".join(part for part in parts if isinstance(part, str) and part)
    system = value_of(row.values, columns.system) if columns.system else None
    if isinstance(side, str):
        if not system:
            return Prompt(side)
        side = ({"role": "user", "content": side},)
    if system and side[0]["role"] != "system":
        side = ({"role": "system", "content": str(system)}, *side)
    return prompt_of(side, {}, f"{row.origin}: {columns.prompt[0]}")


def _of_texts(prompt: Prompt | None, chosen: str, rejected: str, origin: str) -> tuple[Prompt, str, str]:
    """Two texts as they are, or without what both begin with: TRL's implicit prompt.

    A space before the answers is left to them. Raises InputError for two that share no prompt.
    """
    if prompt is not None:
        return prompt, chosen, rejected
    shortest = min(len(chosen), len(rejected))
    same = next((place for place in range(shortest) if chosen[place] != rejected[place]), shortest)
    if 0 < same < shortest and chosen[same - 1] == " ":
        same -= 1
    if not chosen[:same].strip():
        raise InputError(
            f"{origin}: chosen and rejected begin with no prompt that they share, and no column holds "
            "one: name it with --data.prompt"
        )
    return Prompt(chosen[:same]), chosen[same:], rejected[same:]


def _of_chats(
    prompt: Prompt | None, chosen: tuple[Message, ...], rejected: tuple[Message, ...], origin: str
) -> tuple[Prompt, str, str]:
    """Prompt and replies of two chats: what they share, behind the prompt of a column they do not repeat."""
    most = min(len(chosen), len(rejected)) - 1
    same = next((place for place in range(most) if chosen[place] != rejected[place]), most)
    shared = list(chosen[:same])
    if prompt is not None:
        own = prompt.messages or ({"role": "user", "content": prompt.text},)
        # A prompt beside whole chats repeats what they hold; before replies alone it is the prompt.
        repeats = any(message["role"] == "user" for message in shared)
        if not repeats or (prompt.messages and tuple(shared[: len(own)]) != own):
            shared = [*own, *shared]
    for name, rest in (("chosen", chosen[same:]), ("rejected", rejected[same:])):
        if rest[0]["role"] != "assistant":
            kind = NoPreferenceError if same else InputError
            raise kind(
                f"{origin}: {name}: expected a message of assistant where the two begin to differ, got one "
                f"of {rest[0]['role']}: they answer different prompts"
            )
    return (
        prompt_of(shared, {}, f"{origin}: chosen"),
        _continuation(chosen[same:]),
        _continuation(rejected[same:]),
    )


def _continuation(messages: Sequence[Message]) -> str:
    """The reply, and where turns follow it, these under their roles."""
    first, *others = messages
    if not others:
        return str(first["content"])
    return f"{first['content']}\n\n{plain_text(others).removesuffix('Assistant:' + chr(10)).rstrip()}"


def _check_scores(row: Row) -> None:
    """Raise InputError for a row whose own scores do not put `chosen` first."""
    better, worse = row.values.get("score_chosen"), row.values.get("score_rejected")
    if isinstance(better, (int, float)) and isinstance(worse, (int, float)) and not better > worse:
        said = "the same as" if better == worse else "not above"
        kind = NoPreferenceError if better == worse else InputError
        raise kind(
            f"{row.origin}: score_chosen {better} is {said} score_rejected {worse}: leave the row out, "
            "or take the scores out if the order is meant"
        )


def _optional_text(row: Row, name: str) -> str:
    value = row.values.get(name) or ""
    if not isinstance(value, str):
        raise InputError(f"{row.origin}: {name}: expected a text, got {value!r:.60}")
    return value


# ----------------------------------------------------------------------------------------- several answers


def _ranked_list(row: Row, columns: Columns, name: str) -> Ranking:
    """Several answers with ranks (1 is best) or scores (more is better), beside them or inside each."""
    values, origin = row.values, row.origin
    answers = values[name]
    ranks = _numbers(values, answers, RANKS)
    if ranks is None:
        scores = _numbers(values, answers, SCORES)
        if scores is None:
            raise InputError(
                f"{origin}: field 'ranks' is missing: expected a list of ranks or scores beside {name}, "
                "or one of them in each"
            )
        ranks = [-score if _is_number(score) else score for score in scores]
    responses = [
        _answer(item, f"{origin}: {name}[{index}]") if isinstance(item, Mapping) else item
        for index, item in enumerate(answers)
    ]
    prompt = _asked(row, columns)
    assert prompt is not None
    kept = {key: values[key] for key in ("rater", "prompt_id", "id") if isinstance(values.get(key), str)}
    record = {"prompt": prompt.text, "responses": responses, "ranks": ranks, **kept}
    return replace(Ranking.from_json(record, origin), prompt=prompt)


def _numbers(values: Mapping[str, Any], answers: Sequence[Any], names: Sequence[str]) -> list[Any] | None:
    """The list of a column of one of these names, or what every answer holds under one of them."""
    for name in names:
        if isinstance(values.get(name), list):
            return list(values[name])
    for name in names:
        if all(isinstance(item, Mapping) and item.get(name) is not None for item in answers):
            return [_number(item[name]) for item in answers]
    return None


def _number(value: Any) -> Any:
    """A number that may be written as text."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _answer(item: Mapping[str, Any], origin: str) -> dict[str, Any]:
    for name in TEXTS:
        if isinstance(item.get(name), str):
            kept = {key: item[key] for key in ("id", "model") if isinstance(item.get(key), str)}
            return {"text": checked_text(item[name], origin), **kept}
    raise InputError(f"{origin}: expected a text under one of {', '.join(TEXTS)}")
