"""A short examination of a reward function before practice: what it overpays, in one line.

`practicum rl` and its --dry-run make it with `guard.fuzz` calls; `practicum audit exploits` is the long one.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from practicum.audit.fuzz.findings import Finding
from practicum.audit.fuzz.fuzz import fuzz
from practicum.audit.fuzz.honest import with_honest
from practicum.audit.fuzz.payer import BudgetSpent, Payer
from practicum.audit.fuzz.rows import read_fuzz_rows
from practicum.data.config import DataConfig
from practicum.data.rows import read_once
from practicum.errors import InputError
from practicum.reward.config import FunctionsConfig, source_of

SECONDS = 5.0
"""Most seconds of all functions together."""
ROWS = 2
"""Rows looked at: few, so that many texts can be tried on each."""
SHOWN = 60


@dataclass(frozen=True)
class FirstLook:
    """What was found: how bad, a sentence, and what to do (empty where it is fine)."""

    severity: Literal["ok", "warn"]
    sentence: str
    remedy: str = ""


def first_look(reward: FunctionsConfig, data: DataConfig, budget: int, seed: int = 0) -> list[FirstLook]:
    """A look at each function of the user's own, with `budget` calls in all; none where none is to be made.

    Ready-made functions are not asked, nor any where rows come from standard input or a pipe, read once.
    """
    own = [text for text in reward.functions if not source_of(text).ready]
    if not budget or not own or data.file is None or read_once(data.file):
        return []
    return [_look(text, reward, data, max(1, budget // len(own)), SECONDS / len(own), seed) for text in own]


def _look(
    text: str, reward: FunctionsConfig, data: DataConfig, budget: int, seconds: float, seed: int
) -> FirstLook:
    settings = FunctionsConfig(
        functions=(text,), time_limit=min(reward.time_limit, seconds), max_failures=1.0
    )
    name = settings.names[0]
    command = f"practicum audit exploits --reward {shlex.quote(text)} --data {shlex.quote(str(data.file))}"
    try:
        payer = Payer(text, settings, read_fuzz_rows(data, seed, ROWS).rows, budget, seconds)
        try:
            payer.check()
            payer.rows = with_honest(payer, None)
            found = fuzz(payer, seed).findings
        finally:
            payer.close()
    except BudgetSpent:
        late = payer.seconds_left <= 0
        words = f"{payer.calls} calls took {seconds:g} s" if late else f"{budget} calls are too few"
        return FirstLook("ok", f"reward {name} was not examined: {words}", f"`{command}` takes longer")
    except InputError as error:
        why = str(error).removeprefix(f"reward {text}: ")
        return FirstLook("ok", f"reward {name} was not examined: {why}")
    if not found:
        return FirstLook("ok", f"a short examination of reward {name} found nothing in {payer.calls} calls")
    sentence = f"reward {name}, in {payer.calls} calls: {_told(found)}"
    return FirstLook("warn", sentence, f"mend it; `{command}` looks further")


def _told(findings: Sequence[Finding]) -> str:
    """The finding worth most in words, with its text, and how many more there are."""
    first = max(findings, key=lambda one: (one.kind == "false_accept", one.worth))
    more = f"; and {len(findings) - 1} more" if len(findings) > 1 else ""
    return f"{first.sentence.rstrip('.')} ({first.completion!r:.{SHOWN}}){more}"
