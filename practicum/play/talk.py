"""Talk to a model: a conversation through its chat template, or problems that a task words and judges."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, cast

from practicum.errors import InputError
from practicum.play.paid import judge, told
from practicum.play.speaker import Speaker
from practicum.play.terminal import ask, printable
from practicum.tasks.task import Reads, Task
from practicum.types import Prompt, Reward

Paid = Callable[[Prompt, str], dict[str, Any]]
"""Tells a person what an answer is paid, and returns it; empty where nobody judges."""


def converse(speaker: Speaker, system: str, paid: Paid) -> dict[str, Any]:
    """A conversation until the input ends; returns its messages and what the answers were paid."""
    print(
        "practicum: talk to the model; /new begins anew, /quit ends, Ctrl-C cuts an answer", file=sys.stderr
    )
    turns: list[dict[str, Any]] = []
    beginning = [{"role": "system", "content": system}] if system else []
    messages: list[dict[str, str]] = list(beginning)
    while (text := ask("you> ")) is not None and text.strip() != "/quit":
        if text.strip() == "/new":
            messages = list(beginning)
            continue
        if not text.strip():
            continue
        asked = [*messages, {"role": "user", "content": text}]
        try:
            ids = speaker.conversation(asked)
        except InputError as error:
            print(f"practicum: {printable(str(error))}; /new begins anew", file=sys.stderr)
            continue
        answer, _ = speaker.say(ids)
        messages = [*asked, {"role": "assistant", "content": answer}]
        found = paid(Prompt(text, {}, tuple(asked)), answer)
        turns.append({"prompt": text, "completion": answer, **found})
    return {"messages": messages, "turns": turns}


def complete(speaker: Speaker, paid: Paid) -> dict[str, Any]:
    """Texts as they stand, each one completed by a model without a chat template."""
    print("practicum: the model goes on from each line that you type; /quit ends", file=sys.stderr)
    turns = []
    while (text := ask("you> ")) is not None and text.strip() != "/quit":
        if not text:
            continue
        try:
            answer = _answer(speaker, Prompt(text))
        except InputError as error:
            print(f"practicum: {printable(str(error))}", file=sys.stderr)
            continue
        turns.append({"prompt": text, "completion": answer, **paid(Prompt(text), answer)})
    return {"turns": turns}


def solve(speaker: Speaker, task: Task, reward: Reward, words: str = "you> ") -> dict[str, Any]:
    """A person's own problems in the task's words, each answered and judged, until an empty line."""
    turns: list[dict[str, Any]] = []
    while (text := ask(words)) and text.strip() != "/quit":
        try:
            prompt = cast(Reads, task).read(text)
            answer = _answer(speaker, prompt)
        except InputError as error:
            print(f"practicum: {printable(str(error))}", file=sys.stderr)
            continue
        paid = judge(task, reward, prompt, [answer])
        print(printable("\n".join(told(paid))))
        turns.append({"prompt": prompt.text, "completion": answer, **paid})
    return {"turns": turns}


def _answer(speaker: Speaker, prompt: Prompt) -> str:
    text, _ = speaker.say(speaker.prompt(prompt))
    return text
