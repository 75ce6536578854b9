r"""How a question is asked, and where its answer is read in a completion.

A completion gives one answer, so that naming many is worth nothing. It is, in `auto`, the first of these that
there is, always behind the last `</think>`: the last `<answer>...</answer>`, the last `\boxed{...}`, what
follows the last `Answer:` or `####`, else the last line (for a gold answer of several lines: as many lines).
Thinking that does not end holds no answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from practicum.errors import InputError
from practicum.ranges import Ranged

Place = Literal["auto", "tags", "boxed", "label", "last_line", "whole"]
MOST_READ = 100_000
"""Characters of a completion that are read, from its end."""


@dataclass(frozen=True)
class Form:
    """How an answer is asked for, and what it looks like, with {answer} where it stands."""

    words: str
    gold: str


TAGS = Form("Give the final answer in <answer></answer> tags.", "<answer>{answer}</answer>")
HASHES = Form("End with a line of #### and the final number.", "#### {answer}")
FORMS: Mapping[Place, Form] = {
    "tags": TAGS,
    "boxed": Form(r"Give the final answer in \boxed{}.", r"\boxed{{answer}}"),
    "label": Form('End with "Answer:" and the final answer behind it.', "Answer: {answer}"),
    "last_line": Form("Give the final answer at the end, on a line of its own.", "{answer}"),
    "whole": Form("Give the final answer and nothing else.", "{answer}"),
}
"""The form of an answer in each place; in `auto` it is the task's own."""

_THOUGHT = re.compile(r"<(/?)(?:think|thinking|thought|reasoning)>", re.IGNORECASE)
_OPEN, _CLOSED = re.compile(r"<answer>", re.IGNORECASE), re.compile(r"</answer>", re.IGNORECASE)
_LABEL = re.compile(
    r"(?:\banswer\b[ \t]*[*_]{0,2}[ \t]*(?::|=|\bis\b:?)|^[ \t]*####(?!#))[*_]{0,2}",
    re.IGNORECASE | re.MULTILINE,
)
_BOX = re.compile(r"\\boxed\s*\{")


@dataclass(frozen=True)
class FormatConfig(Ranged, section="format"):
    """How questions are asked and where answers are read, in tasks of questions with gold answers."""

    prompt: str = ""
    """The prompt, with {question} where the question stands. Empty: the question, and words that name the
    form of the answer."""
    answer: Place = "auto"
    """Where the answer stands: tags (<answer></answer>), boxed, label (behind the last "Answer:" or "####"),
    last_line, whole, or auto: the first of these that there is. It is always behind </think>."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.prompt and "{question}" not in self.prompt:
            raise InputError("task.format.prompt: expected {question} where the question is to stand")

    def ask(self, question: str, own: Form = TAGS) -> str:
        """The prompt of a question; `own` is the task's form, which `auto` asks for."""
        if self.prompt:
            return self.prompt.replace("{question}", question)
        return f"{question}\n{FORMS.get(self.answer, own).words}\n"

    def gold(self, answer: str, own: Form = TAGS) -> str:
        """A completion that gives an answer in the form that is asked for."""
        return FORMS.get(self.answer, own).gold.replace("{answer}", answer)

    def read(self, completion: str, lines: int = 1) -> str | None:
        """The one answer that a completion gives, None where it gives none; `lines` the gold answer has."""
        text = behind_thinking(completion[-MOST_READ:])
        if text is None:
            return None
        if self.answer != "auto":
            return _READERS[self.answer](text, lines)
        found = (_READERS[place](text, lines) for place in ("tags", "boxed", "label", "last_line"))
        return next((answer for answer in found if answer is not None), None)


def behind_thinking(text: str) -> str | None:
    """What follows the thinking; None where it does not end."""
    marks = list(_THOUGHT.finditer(text))
    if not marks:
        return text
    return text[marks[-1].end() :] if marks[-1][1] else None


def _tags(text: str, lines: int) -> str | None:
    """What stands in the last closed tags; tags that are open to the end count as closed there."""
    opened = list(_OPEN.finditer(text))
    if not opened:
        return None
    inside = text[opened[-1].end() :]
    closed = _CLOSED.search(inside)
    return inside[: closed.start() if closed else len(inside)].strip()


def _boxed(text: str, lines: int) -> str | None:
    boxes = list(_BOX.finditer(text))
    if not boxes:
        return None
    depth, start = 1, boxes[-1].end()
    for place in range(start, len(text)):
        depth += (text[place] == "{") - (text[place] == "}")
        if depth == 0:
            return text[start:place].strip()
    return None


def _label(text: str, lines: int) -> str | None:
    labels = list(_LABEL.finditer(text))
    if not labels:
        return None
    behind = text[labels[-1].end() :].strip()
    return "\n".join(line.rstrip() for line in behind.splitlines()[:lines]) if behind else None


def _last_line(text: str, lines: int) -> str | None:
    written = text.strip().splitlines()
    return "\n".join(line.rstrip() for line in written[-lines:]) if written else None


def _whole(text: str, lines: int) -> str | None:
    return text.strip() or None


_READERS: Mapping[str, Callable[[str, int], str | None]] = {
    "tags": _tags,
    "boxed": _boxed,
    "label": _label,
    "last_line": _last_line,
    "whole": _whole,
}
