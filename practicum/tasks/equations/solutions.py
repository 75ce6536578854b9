"""Worked solutions as people write them: right strategies, wrong strategies and slips, in chosen proportions.

Mistakes are choices made at one word (conclude `negative` or carry on, write `domain:` or not) and rarer
slips that then propagate consistently, so every number follows by one small step from what is already
written. Check lines are always honest.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from math import lcm
from random import Random

from practicum.tasks.equations.checks import check_text
from practicum.tasks.equations.families import cancelled_sides, quadratic_sides, rational_multiplied
from practicum.tasks.equations.long_linear import work_out
from practicum.tasks.equations.notation import Number, Surd, number_text, polynomial, solutions_text, sum_of
from practicum.tasks.equations.parameters import worked_lines
from practicum.tasks.equations.pen import Habits, Pen
from practicum.tasks.equations.problems import Problem, sum_text
from practicum.tasks.equations.steps import (
    Quadratic,
    linear_root,
    quadratic_candidates,
    vieta_check,
    write_sum,
)

__all__ = ["MAX_TOKENS", "Habits", "solve_by_hand", "token_count"]

MAX_TOKENS = 200
_TOKENS = re.compile(r"[a-z]{2,}: | ?[a-z]{2,}|[\s\S]")


def solve_by_hand(problem: Problem, habits: Habits, random: Random, max_tokens: int = MAX_TOKENS) -> str:
    """A completion for `problem`: lines `word: maths`, the last one `answer: ...`, no newline at the end.

    Texts over `max_tokens` are written anew, at last without checks; at 150 only the longest problems
    (radicals of level 3) still exceed it, but some others lose their checks.
    """
    for attempt in range(6):
        pen = Pen(habits if attempt < 4 else replace(habits, verification=0.0), random)
        if problem.kind == "parametric":
            _parametric(problem, pen)
        else:
            _SOLVE[problem.family](problem, pen)
        text = "\n".join(pen.lines)
        if token_count(text) <= max_tokens:
            break
    return text


def token_count(text: str) -> int:
    """Tokens of a solution for a tokenizer with one token per word and per character of mathematics."""
    return len(_TOKENS.findall(text))


def _parametric(problem: Problem, pen: Pen) -> None:
    if problem.family == "rational" and pen.does(pen.habits.domain_check):
        pen.write("domain", f"{problem.variable}!=0")
    for word, maths in worked_lines(problem, flips_sign=pen.does(pen.habits.formula_slip)):
        pen.write(word, maths)


def _knows_domain(problem: Problem, text: str, pen: Pen) -> bool:
    """Decide whether the domain is minded, and write it down; who starts again minds it anyway."""
    if pen.started_again:
        return True
    if pen.does(pen.habits.domain_check):
        pen.write("domain", text)
        return True
    return False


# --- the families ------------------------------------------------------------------------------------


def _linear(problem: Problem, pen: Pen) -> None:
    a, b, c, d = problem.numbers
    x = problem.variable
    if problem.level == 2:
        b = pen.number(a * b)
        pen.write("expand", f"{polynomial((a, b), x)}={polynomial((c, d), x)}")
    scale = lcm(*(number.denominator for number in (a, b, c, d)))
    a, b, c, d = a * scale, b * scale, c * scale, d * scale
    if scale != 1:
        pen.write("multiply", f"{polynomial((a, b), x)}={polynomial((c, d), x)}")
    root = linear_root((a, b, c, d), x, pen)
    _conclude(problem, pen, (root,), knows_domain=False)


def _quadratic(problem: Problem, pen: Pen) -> None:
    a, b, c = problem.reduced
    x, layout = problem.variable, problem.layout
    if problem.numbers[0] != a:
        left, right = quadratic_sides((a, b, c), layout)
        pen.write("multiply", f"{polynomial(left, x)}={polynomial(right, x)}")
    if layout > 0:
        b, c = int(pen.moved(b)) if layout == 2 else b, int(pen.moved(c))
        pen.write("standard", f"{polynomial((a, b, c), x)}=0")
    _from_standard(problem, pen, (a, b, c), knows_domain=False)


def _rational(problem: Problem, pen: Pen) -> None:
    x = problem.variable
    a, b = problem.numbers
    k, middle, last = problem.reduced
    knows_domain = _knows_domain(problem, f"{x}!=0", pen)
    pen.write("multiply", rational_multiplied(a * k, b * k, k, x, problem.layout))
    written = k, int(pen.number(pen.moved(middle))), int(pen.moved(last))
    pen.write("standard", f"{polynomial(written, x)}=0")
    _from_standard(problem, pen, written, knows_domain)


def _cancelled(problem: Problem, pen: Pen) -> None:
    x = problem.variable
    first, second, third, last = problem.numbers[2:]
    knows_domain = _knows_domain(problem, f"{x}!={problem.excluded[0]}", pen)
    if problem.layout == 0:
        pen.write("factor", "=".join(cancelled_sides(problem.numbers, x, 1)))
    if problem.layout == 2:
        pen.write("cancel", f"{polynomial((first, second, third), x)}=0")
        _from_standard(problem, pen, (int(first), int(second), int(third)), knows_domain)
        return
    pen.write("cancel", f"{polynomial((first, second), x)}={polynomial((third, last), x)}")
    root = linear_root((first, second, third, last), x, pen)
    _conclude(problem, pen, (root,), knows_domain)


def _radical(problem: Problem, pen: Pen) -> None:
    x = problem.variable
    a, b, c = problem.numbers
    knows_domain = _knows_domain(problem, f"{polynomial((1, c), x)}>=0", pen)
    if problem.layout == 1:
        pen.write("isolate", f"sqrt({polynomial((a, b), x)})={polynomial((1, c), x)}")
    pen.write("squared", f"{polynomial((a, b), x)}={polynomial((1, 2 * c, c * c), x)}")
    k, middle, last = problem.reduced
    if k != 1:
        pen.write("multiply", f"{polynomial((k * a, k * b), x)}={polynomial((k, 2 * k * c, k * c * c), x)}")
    written = k, int(pen.number(pen.moved(middle))), int(pen.moved(last))
    pen.write("standard", f"{polynomial(written, x)}=0")
    _from_standard(problem, pen, written, knows_domain)


def _nested(problem: Problem, pen: Pen) -> None:
    x = problem.variable
    y = "z" if x == "y" else "y"
    a, c = problem.numbers
    knows_domain = _knows_domain(problem, f"{x}>=0", pen)
    pen.write("let", f"{y}=sqrt({sum_of(((a, ''), (c, x)))})")
    # x^2=a-cy and y^2=a+cx are subtracted; then y+x is cancelled, which is 0 only for a=0.
    pen.write("subtract", f"{y}^2-{x}^2={sum_of(((c, x), (c, y)))}")
    pen.write("divide", f"{y}={x}+{c}")
    pen.write("squared", f"{sum_of(((a, ''), (c, x)))}={polynomial((1, 2 * c, c * c), x)}")
    k, middle, last = problem.reduced
    if k != 1:
        left, right = sum_of(((k * a, ""), (k * c, x))), polynomial((k, 2 * k * c, k * c * c), x)
        pen.write("multiply", f"{left}={right}")
    written = k, int(pen.moved(middle)), int(pen.number(pen.moved(last)))
    pen.write("standard", f"{polynomial(written, x)}=0")
    _from_standard(problem, pen, written, knows_domain)


def _absolute(problem: Problem, pen: Pen) -> None:
    x = problem.variable
    a, b, c, d = problem.numbers
    knows_domain = c != 0 and _knows_domain(problem, f"{polynomial((c, d), x)}>=0", pen)
    scale = lcm(*(number.denominator for number in problem.numbers))
    if scale != 1:
        a, b, c, d = a * scale, b * scale, c * scale, d * scale
        pen.write("multiply", f"|{polynomial((a, b), x)}|={polynomial((c, d), x)}")
    if c == 0 and d < 0 and pen.does(pen.habits.conclude_negative):
        pen.write("negative")
        _give_answer(problem, pen, ())
        return
    pen.write("plus", f"{polynomial((a, b), x)}={polynomial((c, d), x)}")
    candidates = {linear_root((a, b, c, d), x, pen)}
    if (c or d) and pen.does(pen.habits.both_cases):
        pen.write("minus", f"{polynomial((a, b), x)}={polynomial((-c, -d), x)}")
        candidates.add(linear_root((a, b, -c, -d), x, pen))
        if len(candidates) == 2:
            pen.write("roots", solutions_text(sorted(candidates)))
    _conclude(problem, pen, tuple(sorted(candidates)), knows_domain)


# --- from candidates to the answer -------------------------------------------------------------------


def _from_standard(problem: Problem, pen: Pen, written: Quadratic, knows_domain: bool) -> None:
    """From the written quadratic to the answer."""
    if problem.ask == "sum" and not pen.does(pen.habits.careful_sum):
        total = str(Fraction(-written[1], written[0]))
        pen.write("vieta", total)
        pen.write("answer", total)
        return
    candidates = quadratic_candidates(written, problem.variable, pen)
    _conclude(problem, pen, candidates, knows_domain, written)


def _conclude(
    problem: Problem,
    pen: Pen,
    candidates: tuple[Number, ...],
    knows_domain: bool,
    written: Quadratic | None = None,
) -> None:
    """Reject what lies outside the domain, check what is left, and answer; start again if a check fails."""
    if knows_domain:
        candidates = _inside(problem, pen, candidates)
    if candidates and pen.does(pen.habits.verification):
        if isinstance(candidates[0], Surd):
            good = written is None or vieta_check(written, candidates[0], pen)
        else:
            candidates, good = _checked(problem, pen, candidates)
        if not good:
            pen.start_again()
            _SOLVE[problem.family](problem, pen)
            return
    _give_answer(problem, pen, candidates)


def _inside(problem: Problem, pen: Pen, candidates: tuple[Number, ...]) -> tuple[Number, ...]:
    """The candidates inside the domain; the others are rejected in writing."""
    kept = []
    for candidate in candidates:
        outside = problem.outside(candidate)
        if isinstance(candidate, Fraction) and problem.condition and not pen.started_again:
            side = polynomial(problem.condition, "x")
            if side != "x":
                text, _ = check_text(f"{side}=0", "x", candidate)
                pen.write(f"at {candidate}", f"{text} {'no' if outside else 'ok'}")
        for point in problem.excluded:
            # Whether a root is 0 is seen at once; whether it is another excluded point is worked out.
            if isinstance(candidate, Fraction) and point != 0 and point.denominator == 1:
                text, _ = check_text(f"{polynomial((1, -point), 'x')}=0", "x", candidate)
                pen.write(f"at {candidate}", f"{text} {'no' if candidate == point else 'ok'}")
        if outside:
            pen.write("reject", number_text(candidate))
        else:
            kept.append(candidate)
    return tuple(kept)


def _checked(problem: Problem, pen: Pen, candidates: tuple[Number, ...]) -> tuple[tuple[Number, ...], bool]:
    """Put rational candidates into the equation; False after the first that fails inside the domain."""
    kept: list[Number] = []
    for candidate in candidates:
        assert isinstance(candidate, Fraction)
        text, good = check_text(problem.equation, problem.variable, candidate)
        pen.write(f"check {candidate}", f"{text} {'ok' if good else 'no'}")
        if good:
            kept.append(candidate)
        elif problem.outside(candidate):
            pen.write("reject", str(candidate))
        else:
            return (), False
    return tuple(kept), True


def _give_answer(problem: Problem, pen: Pen, candidates: tuple[Number, ...]) -> None:
    if problem.ask == "solve" or not candidates:
        pen.write("answer", solutions_text(candidates))
    elif len(candidates) == 2:
        pen.write("answer", str(write_sum(candidates[0], candidates[1], pen)))
    elif problem.kind == "double" and not pen.does(pen.habits.double_once):
        pen.write("answer", str(write_sum(candidates[0], candidates[0], pen)))
    else:
        pen.write("answer", sum_text(candidates))


_SOLVE: dict[str, Callable[[Problem, Pen], None]] = {
    "linear": _linear,
    "quadratic": _quadratic,
    "rational": _rational,
    "cancelled": _cancelled,
    "radical": _radical,
    "nested": _nested,
    "absolute": _absolute,
    "long_linear": work_out,
}
