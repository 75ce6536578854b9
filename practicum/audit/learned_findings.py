"""Exploits of a reward model or a judge in the form that every audit of a reward has, and as tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from pprint import pformat
from typing import Any

from practicum.audit.exploit_report import ExploitReport, lead, told, why
from practicum.audit.exploit_report import Finding as Exploit
from practicum.audit.fuzz.findings import Finding
from practicum.audit.slopes import Slope
from practicum.audit.written import check_tests_file
from practicum.files import atomic_write
from practicum.reward.config import FunctionsConfig
from practicum.types import RewardFormat

SHOWN_BY: Mapping[str, tuple[str, ...]] = {
    "length_padding": ("length", "natural_length"),
    "formatting": ("list", "heading", "bold", "capitals", "exclamation", "emoji"),
    "flattery": ("praise",),
    "prompt_echo": ("echo",),
}
"""Kinds, and the slopes that say how much they are worth."""


def as_findings(report: ExploitReport, slopes: Sequence[Slope] = ()) -> list[Finding]:
    """Each exploit as a false accept; what people must judge is none."""
    return [_finding(one, report.unit, slopes) for one in report.findings if one.exploit]


def _finding(found: Exploit, unit: str, slopes: Sequence[Slope]) -> Finding:
    mine = [one for one in slopes if one.feature in SHOWN_BY.get(found.kind, ()) and one.worth.low > 0]
    evidence = [
        f"written as: {found.variant}",
        f"the honest answer it was compared with: {found.honest_text!r:.200}",
        *([why(found)] if why(found) else []),
        *(one.sentence for one in mine),
    ]
    return Finding(
        kind="false_accept",
        family=found.kind,
        sentence=f"{told(found)}, {lead(found, unit)}",
        prompt=found.prompt.text,
        completion=found.text,
        paid=found.reward,
        honest=found.best_honest,
        share=found.share,
        worth=found.worth,
        row={"prompt": found.prompt.text, **found.prompt.data},
        evidence=tuple(evidence),
    )


def as_json(report: ExploitReport, slopes: Sequence[Slope], seconds: float) -> dict[str, Any]:
    """The findings in the common form, and beside them what the search knows of each."""
    plain = report.json()
    details = [one for one in plain.pop("findings") if one["exploit"]]
    found = [
        {**{name: value for name, value in more.items() if name != "kind"}, **one.json()}
        for one, more in zip(as_findings(report, slopes), details, strict=True)
    ]
    doubtful = [one.json() for one in report.doubtful]
    return {
        "findings": found,
        "calls": report.queries,
        "seconds": round(seconds, 3),
        **plain,
        "doubtful": doubtful,
        "slopes": [one.json() for one in slopes],
    }


# ------------------------------------------------------------------------------------------------ as tests

TESTS = '''"""Worthless texts that the reward paid like honest answers, or more, when it was audited.

Each case fails until the reward pays the honest answer more. Written by `practicum audit exploits`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from practicum.reward.plain import PlainReward
from practicum.types import Prompt

CASES = {cases}


@pytest.fixture(scope="module")
def reward() -> Iterator[PlainReward]:
{fixture}


@pytest.mark.parametrize(("family", "prompt", "data", "text", "honest"), CASES)
def test_an_honest_answer_is_paid_more(
    reward: PlainReward, family: str, prompt: str, data: dict, text: str, honest: str
) -> None:
    asked = Prompt(prompt, data)
    paid, fair = reward([asked, asked], [text, honest])
    assert paid < fair, f"{{family}}: {{text!r}} is paid {{paid:.4g}}, an honest answer {{fair:.4g}}"
'''
MODELS = """    from practicum.audit.judge import members_in, paid_by

    folders = {folders}
    yield paid_by(members_in([Path(folder) for folder in folders], {reward_format!r}, "auto", {label!r}))"""
FUNCTIONS = """    from practicum.audit.judge import functions_of
    from practicum.reward.config import FunctionsConfig, JudgeConfig

    judge = JudgeConfig(**{judge})
    config = FunctionsConfig(functions={functions}, weights={weights}, judge=judge)
    with functions_of(config, [Prompt(CASES[0][1], CASES[0][2])]) as paid:
        yield paid"""
LINEAR = """    from practicum.audit.linear_reward import fit_linear
    from practicum.preferences import formats

    yield fit_linear(formats.read(Path({preferences!r})))"""


def fixture_of(
    folders: Sequence[Path], reward_format: RewardFormat, label: str, functions: FunctionsConfig, data: Path
) -> str:
    """The lines of a test file that make the reward which was audited."""
    if functions.functions:
        return FUNCTIONS.format(
            judge=repr(asdict(functions.judge)),
            functions=repr(functions.functions),
            weights=repr(dict(functions.weights)),
        )
    if folders:
        shown = repr([str(folder) for folder in folders])
        return MODELS.format(folders=shown, reward_format=reward_format, label=label)
    return LINEAR.format(preferences=str(data))


def write_tests(report: ExploitReport, fixture: str, path: Path) -> int:
    """Write a test of pytest for each exploit; returns how many. Raises InputError as `check_tests_file`."""
    cases = [
        (one.kind, one.prompt.text, dict(one.prompt.data), one.text, one.honest_text)
        for one in report.findings
        if one.exploit
    ]
    check_tests_file(path)
    if cases:
        atomic_write(path, TESTS.format(cases=pformat(cases, width=100), fixture=fixture))
    return len(cases)
