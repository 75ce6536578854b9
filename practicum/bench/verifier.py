"""Judging answers: our exact verifier against math-verify, by time an answer and by who is wrong."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from random import Random
from statistics import fmean, median
from typing import Any

from practicum.bench.measure import Row, cost_row, count_row
from practicum.bench.settings import Bench, installed
from practicum.exact.verifier import verify
from practicum.tasks.equations.generator import FAMILIES, draw
from practicum.tasks.equations.notation import Number, Surd, number_text

RIVAL = "math-verify"
ANSWERS = 200
FORMATS = ("list", "named", "set", "latex", "boxed")


@dataclass(frozen=True)
class Item:
    """An answer to judge: `gold` is the true set in LaTeX, `right` whether the answer is that set."""

    equation: str
    answer: str
    gold: str
    right: bool
    form: str


Judge = Callable[[Item], bool]

BOMBS = (
    "10^(10^10)",
    "9^9^9^9",
    "(" * 3000 + "1" + ")" * 3000,
    "1" * 200_000,
    "+".join(["sqrt(2)"] * 20_000),
    "1/" * 5000 + "1",
    "((((2^64)^64)^64)^64)^64",
    "sqrt(" * 500 + "2" + ")" * 500,
)


def rows(bench: Bench, _: Path) -> tuple[list[Row], list[dict[str, Any]]]:
    """Milliseconds an answer, the slowest, bombs, wrong verdicts; and the answers that were misjudged.

    Every pair judges answers never seen before, so that neither side's caches help. Ours solves each equation
    on the clock; math-verify gets the gold answer, parsed before the clock starts.
    """
    size = 20 if bench.quick else ANSWERS
    judges: dict[str, Judge] = {"ours": judge_ours}
    if installed("math_verify"):
        from practicum.bench.rivals import with_math_verify as math_verify_rival

        judges["rival"] = lambda item: math_verify_rival.judge(item.gold, item.answer)
    times: dict[str, list[list[float]]] = {side: [] for side in judges}
    misjudged: list[dict[str, Any]] = []
    wrong = dict.fromkeys(judges, 0)
    for warm_up in items(8, seed=0):
        for judge_one in judges.values():
            judge_one(warm_up)
    for pair in range(bench.pairs):
        batch = items(size, seed=pair + 1)
        verdicts: dict[str, list[bool]] = {}
        if "rival" in judges:
            math_verify_rival.read_golds([item.gold for item in batch])
        for side, judge_one in judges.items() if pair % 2 == 0 else reversed(judges.items()):
            verdicts[side], milliseconds = timed_verdicts(judge_one, batch)
            times[side].append(milliseconds)
        for side in judges:
            wrong[side] += sum(found != item.right for found, item in zip(verdicts[side], batch, strict=True))
        misjudged += disagreements(batch, verdicts)
    found = [
        summary_row(f"{size} different answers, {name}", times, summary)
        for name, summary in (("median", median), ("mean", fmean), ("slowest", max))
    ]
    bombs = [
        Item("x^2 - 4x + 3 = 0", bomb, r"$\{1, 3\}$", False, "bomb")
        for bomb in BOMBS[:: 4 if bench.quick else 1]
    ]
    bomb_times = {side: [timed_verdicts(judge_one, bombs)[1]] for side, judge_one in judges.items()}
    found.append(summary_row(f"{len(bombs)} bombs, slowest", bomb_times, max))
    judged = size * bench.pairs
    found.append(
        count_row(f"wrong verdicts of {judged}", "verdicts", wrong["ours"], wrong.get("rival"), RIVAL)
    )
    return found, misjudged


def summary_row(
    case: str, times: dict[str, list[list[float]]], summary: Callable[[Sequence[float]], float]
) -> Row:
    """One figure of each pair's milliseconds."""
    sides = [[summary(one) for one in times.get(side, [])] for side in ("ours", "rival")]
    return cost_row(case, "ms an answer", sides[0], sides[1], RIVAL)


def timed_verdicts(judge: Judge, batch: Sequence[Item]) -> tuple[list[bool], list[float]]:
    """Verdicts and milliseconds, answer by answer."""
    verdicts, milliseconds = [], []
    for item in batch:
        started = time.perf_counter()
        verdicts.append(judge(item))
        milliseconds.append(1000 * (time.perf_counter() - started))
    return verdicts, milliseconds


def judge_ours(item: Item) -> bool:
    """Substitution into the equation; the gold answer is not looked at."""
    return verify(item.equation, item.answer).verdict == "correct"


def disagreements(batch: Sequence[Item], verdicts: dict[str, list[bool]]) -> list[dict[str, Any]]:
    """Answers that a side judged wrongly, with what each side said."""
    return [
        {
            "equation": item.equation,
            "answer": item.answer,
            "gold": item.gold,
            "right": item.right,
            "form": item.form,
            "ours": verdicts["ours"][index],
            "rival": verdicts["rival"][index] if "rival" in verdicts else None,
        }
        for index, item in enumerate(batch)
        if any(judged[index] != item.right for judged in verdicts.values())
    ]


# ------------------------------------------------------------------------------------------------ answers


def items(count: int, seed: int) -> list[Item]:
    """`count` answers to different equations: half right, half wrong, in the formats people use."""
    random = Random(f"bench {seed}")
    found: list[Item] = []
    seen: set[str] = set()
    while len(found) < count:
        family = random.choice(list(FAMILIES))
        problem = draw(family, random.choice((1, 2, 3)), "solve", random)
        if problem.parameters or problem.equation in seen:
            continue
        seen.add(problem.equation)
        right = random.random() < 0.5
        given = problem.roots if right else spoiled(problem.roots, random)
        form = random.choice(FORMATS)
        answer = written(given, problem.variable, form)
        found.append(Item(problem.equation, answer, f"${set_latex(problem.roots)}$", right, form))
    return found


def spoiled(roots: Sequence[Number], random: Random) -> tuple[Number, ...]:
    """A different set: a root too few, or one too many that is none of them."""
    if len(roots) > 1 and random.random() < 0.5:
        return tuple(roots[1:])
    extra = Fraction(random.randint(-9, 9), random.choice((1, 1, 2, 3)))
    while extra in roots:
        extra += 1
    return (*roots, extra)


def written(numbers: Sequence[Number], variable: str, form: str) -> str:
    """A set of numbers as a small model would write it, in plain text or in LaTeX."""
    if not numbers:
        return {"latex": r"$\emptyset$", "boxed": r"\boxed{\emptyset}"}.get(form, "no real solutions")
    if form == "latex":
        return f"${set_latex(numbers)}$"
    if form == "boxed":
        return rf"\boxed{{{', '.join(latex(number) for number in numbers)}}}"
    texts = [number_text(number) for number in numbers]
    if form == "named":
        return " or ".join(f"{variable} = {text}" for text in texts)
    return "{" + ", ".join(texts) + "}" if form == "set" else ", ".join(texts)


def set_latex(numbers: Sequence[Number]) -> str:
    r"""`\{1, \frac{1}{2}\}`, or `\emptyset`."""
    members = ", ".join(latex(number) for number in numbers)
    return rf"\{{{members}\}}" if numbers else r"\emptyset"


def latex(number: Number) -> str:
    r"""A number in LaTeX: `-\frac{2}{5}`, `\frac{1+2\sqrt{5}}{3}`."""
    if isinstance(number, Surd):
        factor = "" if abs(number.times) == 1 else str(abs(number.times))
        sign = "-" if number.times < 0 else "+" if number.whole else ""
        top = rf"{number.whole or ''}{sign}{factor}\sqrt{{{number.radicand}}}"
        return top if number.divisor == 1 else rf"\frac{{{top}}}{{{number.divisor}}}"
    if number.denominator == 1:
        return str(number.numerator)
    sign = "-" if number < 0 else ""
    return rf"{sign}\frac{{{abs(number.numerator)}}}{{{number.denominator}}}"
