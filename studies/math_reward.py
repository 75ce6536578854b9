"""Judging answers against gold answers: ours against math-verify, who is wrong and how long it takes.

The cases are judged by hand (`tests/exact/data/gold_cases.jsonl`): right and wrong answers of each kind.
With a folder of GSM8K, SVAMP and DeepMind's files also each gold answer in other styles, and changed.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from practicum.exact.gold_answers import gold_answer, judge_answer
from studies.claim import census, single
from studies.common import note_machine, record, study_main
from studies.judged import Claim

RIVAL = "math-verify"
CASES = Path(__file__).parents[1] / "tests" / "exact" / "data" / "gold_cases.jsonl"
MOST_SHOWN = 20


@dataclass(frozen=True)
class StudyConfig:
    """Ours against math-verify on gold answers: who is wrong, and how long it takes."""

    data: Path | None = None
    """Folder with gsm8k_test.jsonl, svamp.json and deepmind_mathematics.jsonl; none: the collection alone."""
    run: Path | None = None
    """Folder of the study; none: nothing is written."""
    count: int = 150
    """Gold answers of real data."""
    alone: bool = False
    """Leave math-verify out."""


class Case(NamedTuple):
    """An answer with its verdict by hand."""

    kind: str
    gold: str
    answer: str
    right: bool


def by_hand() -> Iterator[Case]:
    """The collection."""
    for line in CASES.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        for right in (True, False):
            for answer in row["right" if right else "wrong"]:
                yield Case(row["kind"], row["gold"], answer, right)


def from_data(folder: Path, count: int) -> Iterator[Case]:
    """Gold answers of real data in other words, and one more than them, which is wrong."""
    golds = [("deepmind", row["answer"]) for row in _rows(folder / "deepmind_mathematics.jsonl")]
    golds += [("gsm8k", row["answer"]) for row in _rows(folder / "gsm8k_test.jsonl")]
    golds += [
        ("svamp", str(row["Answer"]))
        for row in json.loads((folder / "svamp.json").read_text(encoding="utf-8"))
    ]
    for name, gold in golds[:: max(1, len(golds) // count)]:
        bare = gold_answer(gold)
        for answer in (bare, rf"So the answer is $\boxed{{{bare}}}$.", f"The answer is {bare}."):
            yield Case(name, gold, answer, True)
        for answer in (f"{bare} + 1", f"{bare} or 77777", r"\boxed{77777}"):
            yield Case(name, gold, answer, False)


def _rows(file: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def ours(case: Case) -> bool:
    """Our verdict."""
    return judge_answer(case.gold, case.answer).verdict == "correct"


def rival() -> Callable[[Case], bool]:
    """math-verify with its defaults; a gold answer without a mark of LaTeX gets one, as its README asks."""
    from math_verify import parse, verify

    logging.getLogger("math_verify").setLevel(logging.CRITICAL)

    def judge(case: Case) -> bool:
        gold = gold_answer(case.gold)
        golds = [parse(gold if "$" in gold else f"${gold}$"), parse(gold)]
        written = [case.answer] if "$" in case.answer else [case.answer, f"${case.answer}$"]
        said = [bool(verify(one, parse(answer))) for answer in written for one in golds]
        return case.right if case.right in said else not case.right

    return judge


def compared(cases: list[Case], judges: dict[str, Callable[[Case], bool]]) -> dict[str, Any]:
    """False accepts, false rejects and milliseconds of each judge, with what ours got wrong."""
    found: dict[str, Any] = {"cases": len(cases), "right": sum(case.right for case in cases)}
    for name, judge in judges.items():
        times, wrong, kinds = [], [], Counter[str]()
        judge(cases[0])
        for case in cases:
            started = time.perf_counter()
            said = judge(case)
            times.append(1000 * (time.perf_counter() - started))
            if said != case.right:
                wrong.append((said, case))
                kinds[case.kind] += 1
        found[name] = {
            "false_accepts": sum(said for said, _ in wrong),
            "false_rejects": sum(not said for said, _ in wrong),
            "median_ms": round(sorted(times)[len(times) // 2], 3),
            "mean_ms": round(sum(times) / len(times), 3),
            "slowest_ms": round(max(times), 1),
            "wrong_by_kind": dict(kinds.most_common()),
        }
        if name == "ours":
            found["misjudged"] = [list(case) for _, case in wrong[:MOST_SHOWN]]
    return found


def study(config: StudyConfig) -> dict[str, Any]:
    """Judge all cases with both and say who is wrong; RUN/results.json holds the same."""
    if config.run is not None:
        note_machine(config.run, "math_reward", anew=True)
    judges: dict[str, Callable[[Case], bool]] = {"ours": ours}
    if not config.alone:
        judges[RIVAL] = rival()
    result: dict[str, Any] = {"by_hand": compared(list(by_hand()), judges)}
    if config.data:
        result["real_data"] = compared(list(from_data(config.data, config.count)), judges)
    return result if config.run is None else record(config, "math_reward", result)


def claims(results: Mapping[str, Any]) -> list[Claim]:
    """Wrong verdicts of both in each direction; a census of the cases, which ours was built on."""
    told = {
        "by_hand": "the collection judged by hand, on which our judge was built",
        "real_data": "gold answers of real data in other words",
    }
    rows: list[Claim] = []
    for name, text in told.items():
        if name not in results:
            continue
        found, ours_of = results[name], results[name]["ours"]
        theirs = found.get(RIVAL)
        for kind in ("false_accepts", "false_rejects"):
            beside = f"; {RIVAL} has {theirs[kind]}" if theirs else ""
            words = f"{kind.replace('_', ' ')} among {found['cases']} answers: {text}{beside}"
            identity = f"math-reward-{name}-{kind}".replace("_", "-")
            rows.append(census(single(identity, words, float(ours_of[kind]), "answers", "at most 0")))
        slowest = f"slowest verdict, milliseconds: {text}"
        identity = f"math-reward-{name}-slowest".replace("_", "-")
        rows.append(census(single(identity, slowest, float(ours_of["slowest_ms"]), "ms", "at most 50")))
    return rows


main = study_main(StudyConfig, "studies.math_reward", study)

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
