"""Rows in which people compare answers: chosen and rejected, several answers with ranks or scores, labels.

The prompt may stand in a column of its own, in one of chats, or only in what chosen and rejected share (TRL's
implicit prompt), as text or as messages, of a system and of many turns. hh-rlhf's texts of Human and
Assistant are chats. What is compared is one answer with another: chats that differ before their last turn
answer different prompts there.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, TypeAlias

from practicum.data.asked import answer_text, asked_at, asked_of, chat_of_row, with_system
from practicum.data.chats import (
    Message,
    beyond_text,
    checked_text,
    is_chat,
    messages_of,
    prompt_of,
    split_reply,
    turns_of,
    whole_chat,
)
from practicum.data.columns import Columns, has_column, tools_of, unread_parts, value_of
from practicum.data.rows import Row
from practicum.errors import InputError
from practicum.types import Prompt, Ranking, Response

Side: TypeAlias = "str | tuple[Message, ...]"
ANSWERS = ("responses", "completions", "answers", "candidates", "generations")
TEXTS = ("text", "response", "answer", "content", "completion", "output")
RANKS = ("ranks", "rank", "ranking", "rankings")
SCORES = ("scores", "score", "overall_score", "ratings", "rating", "rewards", "reward")
YES = (True, 1, "true", "1", "1.0", "yes", "desirable")
NO = (False, 0, "false", "0", "0.0", "no", "undesirable")
"""What labels say; a column of pandas with a missing label has the others as 1.0 and 0.0."""


class NoPreferenceError(InputError):
    """A well-formed row that prefers nothing: equal answers, equal scores, answers to different prompts."""


@dataclass(frozen=True)
class Labelled:
    """One completion and whether it is desirable: a row of KTO (Ethayarajh et al. 2024, 2402.01306).

    `message` is the completion's where it holds more than a text, as a `Demonstration`'s is.
    """

    prompt: Prompt
    completion: str
    desirable: bool
    message: Message = field(default_factory=dict)


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
    if answers and "ranks" not in values and (columns.prompt or columns.messages):
        return _ranked_list(row, columns, answers)
    if has_column(values, columns.label) and "ranks" not in values:
        raise InputError(
            f"{row.origin}: column {columns.label!r} labels single completions (KTO) and compares none: a "
            "reward model needs chosen and rejected, or several responses with ranks"
        )
    if "responses" not in values and "ranks" not in values:
        raise InputError(
            f"{row.origin}: nothing is compared in columns {', '.join(values)}: call those of two answers "
            "chosen and rejected (dpo and reward-model name them with --data.chosen and --data.rejected), or "
            "write rows with a prompt, responses and ranks"
        )
    listed = [values.get(name) for name in ("responses", "ranks")]
    if all(isinstance(one, list) and len(one) == 1 for one in listed):
        raise NoPreferenceError(f"{row.origin}: responses: expected at least two, got 1")
    return Ranking.from_json({**values, "rater": _optional_text(row, "rater")}, row.origin)


def label_of(row: Row, columns: Columns) -> Labelled:
    """A row of KTO: prompt, completion and a label. Raises InputError that names the row."""
    value = value_of(row.values, columns.label)
    said = value.strip().lower() if isinstance(value, str) else value
    if not isinstance(said, (bool, int, float, str)) or said not in (*YES, *NO):
        raise InputError(f"{row.origin}: {columns.label}: expected true or false, got {value!r:.40}")
    prompt, answer = _labelled_answer(row, columns)
    return Labelled(_with_tools(prompt, row, columns), answer.text, said in YES, answer.message)


def _labelled_answer(row: Row, columns: Columns) -> tuple[Prompt, Response]:
    """The prompt and the completion that a row labels, or those of its chat."""
    origin = f"{row.origin}: {columns.completion or columns.messages}"
    chat = chat_of_row(row, columns)
    asked = asked_of(row, columns) or split_reply(chat)[0]
    if not columns.completion and not chat:
        raise InputError(f"{row.origin}: a label needs a completion: name its column with --data.completion")
    side = _side(row, columns.completion) if columns.completion else chat
    if not asked and (isinstance(side, str) or not any(one["role"] == "user" for one in side)):
        raise InputError(f"{row.origin}: a label needs a column of the prompt: name it with --data.prompt")
    if columns.completion:
        if isinstance(side, str):
            prompt = prompt_of(with_system(asked, row, columns), {}, asked_at(row, columns))
            return prompt, Response(answer_text(side, row, columns))
        if len(side) > 1 and side[0]["role"] == "assistant":
            raise InputError(f"{origin}: expected one message of assistant, got {len(side)} messages")
        chat = whole_chat(asked, side, origin)
    before, reply = split_reply(chat)
    if reply is None:
        raise InputError(f"{origin}: expected the assistant's message at the end")
    return prompt_of(with_system(before, row, columns), {}, origin), _response(reply)


# ------------------------------------------------------------------------------------- chosen and rejected


def asked_in_pair(row: Row, columns: Columns) -> Prompt:
    """The prompt of a row with chosen and rejected, equal or not. Raises InputError as `ranking_of`."""
    return _parts(row, columns).prompt


class Parts(NamedTuple):
    """A pair's prompt and answers; `turns` counts the messages behind answers that differ before the end."""

    prompt: Prompt
    chosen: Response
    rejected: Response
    turns: int = 0


def _pair(row: Row, columns: Columns) -> Ranking:
    prompt, chosen, rejected, turns = _parts(row, columns)
    if turns:
        raise NoPreferenceError(
            f"{row.origin}: {turns} messages follow the answers in which chosen and rejected begin to "
            "differ, so that their last answers are to different prompts"
        )
    if chosen == rejected:
        raise NoPreferenceError(
            f"{row.origin}: chosen and rejected are the same text: leave the row out, it is no preference"
        )
    _check_scores(row)
    rater, name = (_optional_text(row, field) for field in ("rater", "ranking_id"))
    if name and " " not in name:
        texts = json.dumps([chosen.text, rejected.text]).encode()
        name = f"{name} {hashlib.sha256(texts).hexdigest()[:16]}"
    return Ranking(prompt, (chosen, rejected), (1, 2), rater, id=name)


def _parts(row: Row, columns: Columns) -> Parts:
    """The prompt of a pair and its two answers."""
    chosen, rejected = _side(row, columns.chosen), _side(row, columns.rejected or "rejected")
    if isinstance(chosen, str) != isinstance(rejected, str):
        raise InputError(f"{row.origin}: chosen and rejected must both be texts or both be messages")
    if columns.prompt and value_of(row.values, columns.prompt[0]) is None and len(columns.prompt) == 1:
        raise InputError(f"{row.origin}: field {columns.prompt[0]!r} is missing: expected the prompt")
    asked = asked_of(row, columns)
    if not asked and isinstance(chosen, str) and isinstance(rejected, str):
        first, second = turns_of(chosen), turns_of(rejected)
        if first and second:
            chosen, rejected = first, second
    if not asked and not (_holds_question(chosen) and _holds_question(rejected)):
        asked = _asked_beside(row, columns)
    if isinstance(chosen, str) and isinstance(rejected, str):
        if not asked:
            return _of_texts(chosen, rejected, row, columns)
        answers = [Response(answer_text(text, row, columns)) for text in (chosen, rejected)]
        return Parts(prompt_of(asked, {}, asked_at(row, columns)), answers[0], answers[1])
    assert not isinstance(chosen, str)
    assert not isinstance(rejected, str)
    return _of_chats(asked, chosen, rejected, row, columns)


def _asked_beside(row: Row, columns: Columns) -> tuple[Message, ...]:
    """What a row asks: the prompt's column, else its chat without the assistant's last message."""
    return asked_of(row, columns) or with_system(split_reply(chat_of_row(row, columns))[0], row, columns)


def _holds_question(side: Side) -> bool:
    """Whether an answer is a whole chat, which begins with somebody else's message."""
    return not isinstance(side, str) and side[0]["role"] != "assistant"


def _side(row: Row, name: str) -> Side:
    """A column's text or messages."""
    value = value_of(row.values, name)
    if value is None:
        raise InputError(f"{row.origin}: field {name!r} is missing: expected a text or messages")
    if is_chat(value):
        return messages_of(value, f"{row.origin}: {name}")
    if isinstance(value, str):
        return checked_text(value, f"{row.origin}: {name}")
    raise InputError(f"{row.origin}: {name}: expected a text or one message or several, got {value!r:.60}")


def _of_texts(chosen: str, rejected: str, row: Row, columns: Columns) -> Parts:
    """Two texts without what both begin with: TRL's implicit prompt, of whole words.

    A space before the answers is left to them. Raises InputError for two that share no prompt, and beside
    a column that looks like one.
    """
    unread = [] if "prompt" in columns.named else unread_parts([row], columns)
    if unread:
        raise InputError(
            f"{row.origin}: no column is known to be the prompt, and {unread[0]!r} looks like it: name it "
            f"with --data.prompt {unread[0]}, or give --data.prompt none where both answers begin with it"
        )
    shortest = min(len(chosen), len(rejected))
    same = next((place for place in range(shortest) if chosen[place] != rejected[place]), shortest)
    ends = [text[same : same + 1].isalnum() for text in (chosen, rejected)]
    # Answers 3 and 35 begin alike, and "3" is no part of the prompt.
    while same and any(ends) and chosen[same - 1].isalnum() and chosen != rejected:
        same -= 1
    if 0 < same < shortest and chosen[same - 1] == " ":
        same -= 1
    if not chosen[:same].strip():
        raise InputError(
            f"{row.origin}: chosen and rejected begin with no prompt that they share, and no column holds "
            "one: name it with --data.prompt"
        )
    asked = with_system(({"role": "user", "content": chosen[:same]},), row, columns)
    return Parts(
        prompt_of(asked, {}, asked_at(row, columns)), Response(chosen[same:]), Response(rejected[same:])
    )


def _of_chats(
    asked: Sequence[Message],
    chosen: tuple[Message, ...],
    rejected: tuple[Message, ...],
    row: Row,
    columns: Columns,
) -> Parts:
    """Prompt and replies of two chats: what they share, behind the prompt of a column they do not repeat."""
    origin = row.origin
    first, second = (
        with_system(whole_chat(asked, side, f"{origin}: {name}"), row, columns)
        for name, side in (("chosen", chosen), ("rejected", rejected))
    )
    most = min(len(first), len(second)) - 1
    same = next((place for place in range(most) if first[place] != second[place]), most)
    for name, rest in (("chosen", first[same:]), ("rejected", second[same:])):
        if rest[0]["role"] != "assistant":
            kind = NoPreferenceError if same else InputError
            raise kind(
                f"{origin}: {name}: expected a message of assistant where the two begin to differ, got one "
                f"of {rest[0]['role']}: they answer different prompts"
            )
    prompt = prompt_of(first[:same], {}, f"{origin}: chosen")
    turns = len(first) + len(second) - 2 * (same + 1)
    return Parts(prompt, _response(first[same]), _response(second[same]), turns)


def _response(reply: Message) -> Response:
    return Response(str(reply["content"]), message=beyond_text(reply))


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
    value = row.values.get(name)
    if value is None:
        return ""
    # Raters are often numbered; an id of ours never is.
    if name == "rater" and isinstance(value, float) and value.is_integer():
        return str(int(value))  # as pandas writes whole numbers where some are missing
    if name == "rater" and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise InputError(f"{row.origin}: {name}: expected a text, got {value!r:.60}")
    return value


# ----------------------------------------------------------------------------------------- several answers


def _ranked_list(row: Row, columns: Columns, name: str) -> Ranking:
    """Several answers with ranks (1 is best) or scores (more is better), beside them or inside each."""
    values, origin = row.values, row.origin
    answers = values[name]
    if len(answers) < 2:
        raise NoPreferenceError(f"{origin}: {name}: expected at least two answers, got {len(answers)}")
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
    prompt = prompt_of(_asked_beside(row, columns), {}, asked_at(row, columns))
    kept = {key: values[key] for key in ("prompt_id", "id") if isinstance(values.get(key), str)}
    rater = _optional_text(row, "rater")
    record = {"prompt": prompt.text, "responses": responses, "ranks": ranks, "rater": rater, **kept}
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
