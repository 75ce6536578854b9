"""Ready-made reward functions, by name. They run in worker processes like a user's own.

Each factory takes what stands after the colon (`format:REGEX`) and what the run tells (`max_new_tokens`, the
settings of the judge), and returns a function with one of the known signatures.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from practicum.data.cells import as_written
from practicum.errors import InputError
from practicum.exact.gold_answers import is_readable, judge_completion
from practicum.exact.verdict import Outcome
from practicum.reward.bad import BadFunction, BadReward
from practicum.reward.json_text import fits, parsed, schema_of
from practicum.reward.judge import llm_judge
from practicum.reward.python_tests import python_tests
from practicum.types import Score

GOLD_COLUMNS = ("answer", "solution", "target")
"""Columns that may hold the gold answer of `math`, the first that is there."""
Options = Mapping[str, Any]


def ready_made(name: str, argument: str, options: Options) -> Callable[..., Any]:
    """The function of that name. Raises BadFunction for an argument it does not take."""
    try:
        return FACTORIES[name](argument, options)
    except (ValueError, OSError) as error:
        raise BadFunction(str(error)) from None


def exact_match(argument: str, options: Options) -> Callable[..., float]:
    """1 where the completion is the row's answer; with a regular expression, where what it finds is.

    Spaces at the ends, and how many stand between words, do not count, and a number from a column of
    floats is read as people write it (18.0 is 18). A completion in which the expression
    finds different things is paid 0.
    """
    pattern = _pattern(argument) if argument else None

    def match(completion: str, answer: Any) -> float:
        if answer is None:
            raise BadReward("exact_match: the row has no answer")
        wanted = _words(as_written(answer))
        if pattern is None:
            return float(_words(completion) == wanted)
        found = {_words(one.group(bool(pattern.groups)) or "") for one in pattern.finditer(completion)}
        return float(found == {wanted})

    return match


def format_of(argument: str, options: Options) -> Callable[..., float]:
    """1 where the whole completion, without spaces at its ends, matches the regular expression."""
    if not argument:
        raise ValueError("format needs a regular expression: format:REGEX")
    pattern = _pattern(argument)

    def match(completion: str) -> float:
        return float(pattern.fullmatch(completion.strip()) is not None)

    return match


def length(argument: str, options: Options) -> Callable[..., Any]:
    """Tokens as a share of sampling.max_new_tokens; with LOW-HIGH, 1 for so many words, less beyond them.

    Below LOW the share of LOW that there is, above HIGH the share of the words that would be allowed.
    """
    if not argument:
        longest = int(options["max_new_tokens"])

        def share(completions: list[Any], completion_ids: list[list[int]]) -> list[float]:
            return [len(ids) / longest for ids in completion_ids]

        return share
    found = re.fullmatch(r"(\d+)-(\d+)", argument)
    if not found or not int(found[1]) <= int(found[2]) or not int(found[2]):
        raise ValueError(f"length:{argument}: expected words as LOW-HIGH, such as length:20-80")
    low, high = int(found[1]), int(found[2])

    def within(completion: str) -> float:
        words = len(completion.split())
        return words / low if words < low else high / words if words > high else 1.0

    return within


def json_schema(argument: str, options: Options) -> Callable[..., float]:
    """1 where the completion is JSON that fits the schema: a file's, or that of the column `schema`."""
    if not argument:

        def by_row(completion: str, schema: Any) -> float:
            try:
                wanted = schema_of(schema)
            except ValueError as error:
                raise BadReward(f"json_schema: {error}") from None
            return _fits(wanted, completion)

        return by_row
    try:
        wanted = schema_of(Path(argument).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{argument}: {error}") from None

    def by_file(completion: str) -> float:
        return _fits(wanted, completion)

    return by_file


def math(argument: str, options: Options) -> Callable[..., Score]:
    r"""1 where the completion's answer is the row's gold answer by what both say, in LaTeX or plain.

    The gold answer is the row's `answer`, `solution` or `target`: an answer, or a worked solution that names
    one (#### 42, \boxed{42}). A completion that gives several answers, doubts its own or repeats a part of
    the question is paid 0.
    """
    if argument:
        raise ValueError(f"math:{argument}: math takes nothing behind its name")

    def judge(prompt: Any, completion: str, row: Mapping[str, Any]) -> Score:
        column = next((name for name in GOLD_COLUMNS if row.get(name) not in (None, "")), None)
        if column is None:
            raise BadReward(
                f"math: the row has no gold answer: expected a column {' or '.join(GOLD_COLUMNS)}"
            )
        gold = as_written(row[column])
        try:
            readable = is_readable(gold)
        except InputError:
            readable = False
        if not readable:
            raise BadReward(f"math: the gold answer {gold[-60:]!r} in {column!r} cannot be read as an answer")
        verdict = judge_completion(gold, completion, prompt if isinstance(prompt, str) else "")
        solved = verdict.outcome is Outcome.CORRECT
        is_read = verdict.outcome in (Outcome.CORRECT, Outcome.WRONG)
        return Score(float(solved), solved, is_read, verdict.outcome.value, verdict.reason)

    return judge


def _fits(schema: Any, text: str) -> float:
    try:
        value = parsed(text)
    except ValueError:
        return 0.0
    return float(fits(value, schema, schema))


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text, re.DOTALL)
    except re.error as error:
        raise ValueError(f"{text!r} is no regular expression: {error}") from None


def _words(text: str) -> str:
    return " ".join(text.split())


FACTORIES: Mapping[str, Callable[[str, Options], Callable[..., Any]]] = {
    "exact_match": exact_match,
    "format": format_of,
    "json_schema": json_schema,
    "length": length,
    "llm_judge": llm_judge,
    "math": math,
    "python_tests": python_tests,
}
