"""`practicum audit exploits --reward FILE.py:function --data FILE`: can this reward be trusted?"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from practicum.audit.fuzz.findings import Finding
from practicum.audit.fuzz.fuzz import Fuzzed, fuzz
from practicum.audit.fuzz.honest import sampler_of, with_honest
from practicum.audit.fuzz.page import section
from practicum.audit.fuzz.payer import TIME_LIMIT, Ask, Payer
from practicum.audit.fuzz.regression import write_tests
from practicum.audit.fuzz.rows import Chosen, FuzzRow, as_chats, read_fuzz_rows
from practicum.audit.instruments import GUARD_STOPS, Instrument
from practicum.audit.written import check_tests_file, tell_written
from practicum.data.config import DataConfig
from practicum.errors import InputError
from practicum.ranges import Common, Count, PositiveFloat, Ranged, Seed
from practicum.report.sections import Section
from practicum.reward.config import FunctionsConfig, source_of
from practicum.run.progress import progress

TASKS = {
    "answer": "answers",
    "expression": "arithmetic expressions",
    "code": "programs",
    "form": "form alone",
    "open": "instructions",
}
"""Kinds of tasks, after 'a task of'."""


@dataclass(frozen=True)
class Config(Ranged):
    """Fuzz a reward function: what it pays that is worthless, refuses that is right, or cannot judge.

    practicum audit exploits --reward reward.py:reward --data rows.jsonl
    practicum audit exploits --reward r.py:reward --data r.jsonl --report out
    """

    reward: FunctionsConfig = field(default_factory=FunctionsConfig)
    """The function, FILE.py:NAME."""
    data: DataConfig = field(default_factory=DataConfig)
    """Rows with a prompt, an answer and, where there are some, `good` and `bad`: lists of honest texts."""
    budget: Common[Count] = 2000
    """Most calls: replies judged."""
    seconds: Common[PositiveFloat] = 45.0
    """Most seconds."""
    policy: Common[Path | None] = None
    """A model folder: honest replies are sampled from it where the rows have none."""
    write_tests: Common[Path | None] = None
    """File to write the findings to, as pytest cases. It stays as it is where nothing is found."""
    report: Common[Path | None] = None
    """Folder to write audit.html and audit.json to."""
    seed: Common[Seed] = 0
    """Fixes the choice of rows and the order of questions."""

    def without_effect(self) -> Mapping[str, str]:
        """What training does with rewards and rows, and an examination of one function does not."""
        one = "one function is examined by itself, whatever it fails on: drop it"
        rows = "all rows are examined, none is held out: drop it"
        unread = "an examination reads prompts, answers, good and bad: drop it"
        own = any(not source_of(text).ready for text in self.reward.functions)
        limit = f"a call of a function has {TIME_LIMIT:g} s here: drop it"
        return (
            ({"reward.time_limit": limit} if own else {})
            | {f"reward.{name}": one for name in ("weights", "on_error", "max_failures", "pure", "workers")}
            | {f"data.{name}": rows for name in ("test", "test_share", "validation_share")}
            | {f"data.{name}": unread for name in ("completion", "label", "turns", "longest_prompt")}
        )


@dataclass(frozen=True)
class Result:
    """What was found, on which rows, and at what cost."""

    config: Config
    chosen: Chosen
    fuzzed: Fuzzed
    calls: int
    seconds: float

    @property
    def findings(self) -> Sequence[Finding]:
        """The findings."""
        return self.fuzzed.findings


def run(config: Config) -> Result:
    """Fuzz the function. Raises InputError for settings, rows or a function that cannot be used."""
    if len(config.reward.functions) != 1:
        raise InputError("--reward: give one function, FILE.py:NAME")
    check_tests_file(config.write_tests)
    started = time.monotonic()
    chosen = read_fuzz_rows(config.data, config.seed)
    print(f"practicum: {chosen.source}: {chosen.total} rows; {chosen.columns}", file=sys.stderr)
    settings = replace(config.reward, max_failures=1.0)
    with progress("fuzzing", config.budget) as bar:
        payer = Payer(
            config.reward.functions[0], settings, chosen.rows, config.budget, config.seconds, bar.update
        )
        try:
            payer.check()
            payer.rows = as_it_reads(payer)
            asked: list[str] = []
            sampler = sampler_of(config.policy, config.seed, asked.append) if config.policy else None
            payer.rows = with_honest(payer, sampler)
            fuzzed = fuzz(payer, config.seed)
            if config.policy and not asked:
                fuzzed.notes.append(f"{config.policy} was not sampled: honest replies were known without it")
        finally:
            payer.close()
    return Result(config, chosen, fuzzed, payer.calls, time.monotonic() - started)


def as_it_reads(payer: Payer) -> Sequence[FuzzRow]:
    """The rows with prompts as the function reads them: a single message of a chat as such, or as its text.

    TRL passes messages; training here passes a lone user's message as a text.
    """
    rows, chats = payer.rows, as_chats(payer.rows)
    if chats == tuple(rows):
        return rows
    payer.rows = chats
    failed = payer.again([Ask(0, (rows[0].good or ("x",))[0])], 1)[0].error
    return rows if failed else chats


def lines(result: Result) -> list[str]:
    """The findings in plain sentences."""
    if not result.findings:
        return [f"Nothing found in {result.calls} calls. That does not prove that there is nothing."]
    found = []
    for one in result.findings:
        honest = "" if one.honest is None else f", honest {one.honest:g}"
        paid = one.sentence.rstrip(".") if one.paid is None else f"{one.sentence} paid {one.paid:g}{honest}"
        found.append(f"{one.kind}: {paid}: {one.completion!r:.100}")
    return found


def as_json(result: Result) -> dict[str, Any]:
    """The contract's fields; exit code 3 where something was found."""
    values: dict[str, Any] = {
        "findings": [one.json() for one in result.findings],
        "calls": result.calls,
        "seconds": round(result.seconds, 2),
        "notes": list(result.fuzzed.notes),
    }
    if result.findings:
        values["exit_code"] = GUARD_STOPS
    return values


def write(result: Result) -> None:
    """Write the pytest cases where a file is named for them."""
    if result.config.write_tests is not None:
        count = write_tests(result.findings, result.config.reward.functions[0], result.config.write_tests)
        tell_written(count, result.config.write_tests)


def page(result: Result) -> tuple[str, list[Section]]:
    """The function, and the section."""
    values = {key: value for key, value in as_json(result).items() if key != "exit_code"}
    anatomy, chosen = result.fuzzed.anatomy, result.chosen
    rows = f"{len(anatomy.rows)} of {chosen.total} rows of {chosen.source}"
    read = f"{rows}, read as a task of {TASKS[anatomy.task]}"
    return result.config.reward.functions[0], [section(result.findings, values, [read, *result.fuzzed.notes])]


audit = Instrument(run, lines, as_json, page, write)
