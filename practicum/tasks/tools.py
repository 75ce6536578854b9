"""Tools that a policy may call in its text: `<calc>2*(3+4)</calc>` is answered with the exact value.

`WithCalculator` gives any task the tool: a turn that ends with a call is answered, any other is the answer.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from practicum.data.chats import reworded
from practicum.errors import InputError
from practicum.exact.expression import constant, parse_expression
from practicum.tasks.python import PythonTask
from practicum.types import Prompt, Score

_CALL = re.compile(r"<calc>(.*?)</calc>\s*$", re.DOTALL)
HINT = "You may calculate: end a turn with <calc>2*(3+4)</calc>.\n"
LONGEST_RESULT = 200


def calculate(text: str) -> str:
    """The exact value of arithmetic, or what is wrong with it; read by the exact parser, never run.

    Fractions, powers and brackets; the limits are the parser's.
    """
    try:
        value = constant(parse_expression(text.strip()))
    except InputError as error:
        return f"error: {' '.join(str(error).split()):.100}"
    if value is None:
        return "error: no number: only arithmetic of numbers is calculated"
    try:
        shown = str(value)
    except ValueError:
        # Python refuses to write numbers of over 4300 digits.
        shown = "0" * (LONGEST_RESULT + 1)
    return shown if len(shown) <= LONGEST_RESULT else "error: the number is too long"


def call_in(turn: str) -> str | None:
    """The calculation that a turn ends with; None where it ends with none."""
    found = _CALL.search(turn)
    return found[1].rpartition("<calc>")[2] if found else None


class WithCalculator:
    """A task whose policy may calculate. Prompts say so; the last turn is judged by the task itself.

    The task may be plain: prompts may be texts, scores numbers or true and false. It judges its own prompts,
    without the hint.
    """

    reply_role = "user"

    def __init__(self, task: Any, hint: str = HINT) -> None:
        name = getattr(task, "name", type(task).__name__)
        self.task, self.hint = PythonTask(task, name), hint
        self.name = f"{name} with a calculator"

    def __getattr__(self, name: str) -> Any:
        if name == "task" or name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.task, name)

    def prompts(self, split: str, count: int, seed: int) -> list[Prompt]:
        """The task's prompts with the hint before them, in a chat before its last question."""
        return [
            reworded(prompt, lambda question: self.hint + question)
            for prompt in self.task.prompts(split, count, seed)
        ]

    def score(self, prompts: Sequence[Prompt], texts: Sequence[str]) -> list[Score]:
        """The task's scores of the last turns; one that is a call left unanswered is no answer."""
        own = [reworded(prompt, lambda question: question.removeprefix(self.hint)) for prompt in prompts]
        scores = self.task.score(own, texts)
        return [
            Score(0.0, False, False, "unparseable", "a calculation is no answer") if call_in(text) else score
            for score, text in zip(scores, texts, strict=True)
        ]

    def reply(self, prompt: Prompt, turns: Sequence[str]) -> str | None:
        """The value of the calculation that the last turn ends with; None where it calls for none."""
        call = call_in(turns[-1])
        return None if call is None else f"<result>{calculate(call)}</result>\n"
