"""Judging answers against gold answers: ours against math-verify, who is wrong and how long it takes.

The cases are judged by hand (`tests/exact/data/gold_cases.jsonl`): right and wrong answers of each kind.
With a folder of GSM8K, SVAMP and DeepMind's files also each gold answer in other styles, and changed.
"""

from __future__ import annotations

import argparse
import json
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from practicum.exact.gold_answers import gold_answer, judge_answer

CASES = Path(__file__).parents[1] / "tests" / "exact" / "data" / "gold_cases.jsonl"
MOST_SHOWN = 20


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


def compared(cases: list[Case], judges: dict[str, Callable[[Case], bool]]) -> dict[str, object]:
    """False accepts, false rejects and milliseconds of each judge, with what ours got wrong."""
    found: dict[str, object] = {"cases": len(cases), "right": sum(case.right for case in cases)}
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


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder with gsm8k_test.jsonl, svamp.json and the like")
    parser.add_argument("--count", type=int, default=150, help="gold answers of real data")
    parser.add_argument("--alone", action="store_true", help="without math-verify")
    options = parser.parse_args()
    judges: dict[str, Callable[[Case], bool]] = {"ours": ours}
    if not options.alone:
        judges["math-verify"] = rival()
    result = {"by_hand": compared(list(by_hand()), judges)}
    if options.data:
        result["real_data"] = compared(list(from_data(options.data, options.count)), judges)
    print(json.dumps(result, ensure_ascii=False, indent=1))


if __name__ == "__main__":
    main()
