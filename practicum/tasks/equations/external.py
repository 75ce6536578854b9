"""Equations that nobody here wrote: DeepMind's mathematics dataset and reasoning-gym, as JSONL files on disk.

Kept is what is one equation in one unknown: `algebra__linear_1d` and the "roots" questions of
`algebra__polynomial_roots` (its "Factor ..." questions are no equations), `simple_equations` and
`polynomial_equations`. Answers are those of the files. `polynomial_equations` gives decimals rounded to four
places and an empty text where there is no real root; the empty text becomes "no real solutions", the decimals
stay as they are, so that they can be counted as what they are: approximations where the root has more than
four decimals.

Sources: Saxton et al., "Analysing mathematical reasoning abilities of neural models" (2019); reasoning-gym
0.1.25.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from practicum.errors import InputError
from practicum.files import read_jsonl


@dataclass(frozen=True)
class ExternalProblem:
    """One equation, the answer its file gives, and where it is from (`source` with version, `module`)."""

    equation: str
    answer: str
    source: str
    module: str


_QUESTIONS = tuple(
    re.compile(pattern)
    for pattern in (
        r"Solve (?P<equation>[^,]+?)(?: for \w)?\.",
        r"(?:Let|Suppose) (?P<equation>[^,]+?)\. (?:What is|Calculate|Determine|Find|Solve for) \w[.?]",
        r"(?:Determine|Find|Calculate) \w(?: so that|, given that| such that|,? if) (?P<equation>[^,]+?)\.",
        r"What is \w(?: in| if|,? given that) (?P<equation>[^,]+?)\?",
    )
)
EXPECTED = "an object with question and answer"
_DEEPMIND_MODULES = ("algebra__linear_1d", "algebra__polynomial_roots")
_GYM_MODULES = ("simple_equations", "polynomial_equations")


def read_external(path: str | Path) -> list[ExternalProblem]:
    """Read a JSONL file of either source, in order, leaving out what is not one equation in one unknown.

    A byte-order mark before the first line is skipped. Raises InputError naming file and line for a line that
    is no UTF-8, or no JSON object with a question and an answer.
    """
    problems = []
    for number, row in read_jsonl(Path(path), EXPECTED, f"expected {EXPECTED}", skip_blank=False):
        try:
            problem = _read_row(row)
        except (KeyError, TypeError, AttributeError) as error:
            raise InputError(f"{path}:{number}: expected {EXPECTED}") from error
        if problem is not None:
            problems.append(problem)
    return problems


def _read_row(row: dict[str, Any]) -> ExternalProblem | None:
    question, answer = row["question"], row["answer"]
    if row.get("module") in _DEEPMIND_MODULES:
        for pattern in _QUESTIONS:
            match = pattern.fullmatch(question)
            if match and match["equation"].count("=") == 1:
                return ExternalProblem(match["equation"], answer, row["source"], row["module"])
        return None
    if row.get("dataset") in _GYM_MODULES:
        metadata = row["metadata"]
        equation = metadata.get("equation") or f"{metadata['polynomial_expr']} = 0"
        return ExternalProblem(equation, answer or "no real solutions", row["source"], row["dataset"])
    return None
