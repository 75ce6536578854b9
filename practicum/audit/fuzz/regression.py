"""Findings as pytest cases: what the written files call, and the writing of them.

A case fails while its fault is there and passes once it is mended. The reward runs as in the audit: in a
process of its own, within limits.
"""

from __future__ import annotations

import json
import os
import pprint
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from practicum.audit.fuzz.findings import Finding
from practicum.audit.fuzz.payer import HANG, Ask, Paid, Payer
from practicum.audit.fuzz.rows import FuzzRow, as_chats
from practicum.audit.written import check_tests_file
from practicum.data.columns import find_columns
from practicum.data.config import DataConfig
from practicum.data.records import record_of
from practicum.data.rows import Row
from practicum.files import atomic_write
from practicum.reward.config import FunctionsConfig, source_of

REPEATS = 30
HASH_SEEDS = tuple(str(seed) for seed in range(12))
UNLIMITED = 10**9


def pay(reward: str, row: Mapping[str, Any], completion: str) -> float:
    """What a reward pays a completion to a row. Raises AssertionError where it pays no number."""
    with _payer(reward, row) as payer:
        return _number(payer.again([Ask(0, completion)], 1)[0])


def check_judged(reward: str, row: Mapping[str, Any], completion: str) -> None:
    """Raise AssertionError where a reward crashes, hangs, or gives no number or several."""
    with _payer(reward, row) as payer:
        _number(payer.again([Ask(0, completion)], 1, limit=HANG)[0])


def check_steady(reward: str, row: Mapping[str, Any], completion: str, others: Sequence[str] = ()) -> None:
    """Raise AssertionError where a reward does not always pay a completion the same.

    It is asked alone again and again, in processes with other hash seeds, and in batches with itself and
    with `others`.
    """
    ask = Ask(0, completion)
    with _payer(reward, row) as payer:
        found = payer.again([ask] * REPEATS, 1)
        payer.fresh()
        found += payer.again([ask] * REPEATS, REPEATS)
        batch = [*(Ask(0, text) for text in others), ask]
        found.append(payer.again(batch, len(batch))[-1])
        for seed in HASH_SEEDS:
            found += payer.again([ask], 1, seed)
            payer.fresh(seed)
        values = {_number(one) for one in found}
        assert len(values) == 1, f"the same completion is paid {sorted(values)}"
        assert not payer.only_together, "a batch fails although each of its completions is judged alone"


def _number(paid: Paid) -> float:
    assert not paid.error, f"the reward {paid.words}" if paid.error != "crash" else paid.words
    assert paid.value is not None, "the reward pays nothing, not even 0"
    return paid.value


@contextmanager
def _payer(reward: str, row: Mapping[str, Any]) -> Iterator[Payer]:
    given = Row("row", dict(row))
    columns = find_columns([given], DataConfig())
    prompt = record_of(given, columns, "last", answered=False).prompt
    settings = FunctionsConfig(functions=(reward,), max_failures=1.0)
    payer = Payer(reward, settings, as_chats([FuzzRow(prompt)]), UNLIMITED, UNLIMITED)
    try:
        yield payer
    finally:
        payer.close()


# ------------------------------------------------------------------------------------------- writing


def write_tests(findings: Sequence[Finding], reward: str, path: Path) -> int:
    """Write a pytest file with a case for each finding, and return how many; without one nothing is written.

    So the tests of an earlier audit stay when the reward is mended. Raises InputError as `check_tests_file`.
    """
    check_tests_file(path)
    if findings:
        atomic_write(path, written_tests(findings, reward, path.parent))
    return len(findings)


def written_tests(findings: Sequence[Finding], reward: str, folder: Path) -> str:
    """The text of a pytest file that stands in `folder`."""
    source = source_of(reward)
    if source.file:
        place = os.path.relpath(Path(source.file).resolve(), folder.resolve())
        name = json.dumps(f":{source.function}")
        where = f"str(Path(__file__).resolve().parent / {json.dumps(place)}) + {name}"
    else:
        where = json.dumps(reward)
    names = sorted({_called(one) for one in findings} | {"pay"}) if findings else []
    head = [
        f'"""Faults that `practicum audit exploits` found in {source.short}.',
        "",
        "A test fails while its fault is there.",
        '"""',
        "",
        "from pathlib import Path" if source.file else "",
        "",
        f"from practicum.audit.fuzz.regression import {', '.join(names)}" if names else "",
        "",
        f"REWARD = {where}",
    ]
    cases = [_case(one, number) for number, one in enumerate(findings, start=1)]
    return "\n".join(head) + "\n" + "".join(f"\n\n{case}" for case in cases)


def _called(finding: Finding) -> str:
    if finding.kind != "unstable":
        return "pay"
    return "check_judged" if finding.family in ("crash", "hang", "count", "value") else "check_steady"


def _case(finding: Finding, number: int) -> str:
    name = re.sub(r"\W+", "_", f"{finding.kind}_{finding.family}_{number}").strip("_")
    row = pprint.pformat(dict(finding.row), width=100, sort_dicts=False)
    lines = [f"def test_{name}() -> None:", f"    # {_one_line(finding.sentence)}"]
    lines += [f"    row = {_indented(row)}", f"    completion = {finding.completion!r}"]
    called = _called(finding)
    if called != "pay":
        lines.append(f"    {called}(REWARD, row, completion)")
    elif finding.kind == "false_accept":
        honest = repr(finding.honest) if finding.against is None else f"pay(REWARD, row, {finding.against!r})"
        lines.append(f"    assert pay(REWARD, row, completion) < {honest}")
    else:
        wrong = repr(finding.paid) if finding.against is None else f"pay(REWARD, row, {finding.against!r})"
        lines.append(f"    assert pay(REWARD, row, completion) > {wrong}")
    return "\n".join(lines) + "\n"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _indented(text: str) -> str:
    return text.replace("\n", "\n    ")
