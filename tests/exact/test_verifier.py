"""What the verifier accepts, refuses and says; that it is bounded; that it is the same from threads and
processes.
"""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from practicum.errors import InputError
from practicum.exact import quick, verifier
from practicum.exact.command import command, judge_lines
from practicum.exact.verifier import (
    Outcome,
    count_outcomes,
    extract_answer,
    is_heavy,
    solve,
    verify,
    verify_batch,
)

OPENING = "3 - (3+y)/y = y"
CORRECT, WRONG, UNPARSEABLE, OVER = Outcome.CORRECT, Outcome.WRONG, Outcome.UNPARSEABLE, Outcome.OVER_LIMITS


# -- the opening problem


def test_opening_problem_trusts_no_answer_key() -> None:
    claimed = verify(OPENING, "1, 3")
    assert claimed.verdict == "wrong"
    assert claimed.extraneous == ("1", "3")
    assert "left side -1, right side 1" in claimed.reason
    truth = verify(OPENING, "no real solutions")
    assert truth.verdict == "correct"
    assert "y^2 - 2y + 3 = 0" in truth.reason
    assert "-8" in truth.reason


def test_opening_problem_with_a_parameter() -> None:
    verdict = verify("a - (a+x)/x = x", "a - 1", "sum")
    assert verdict.verdict == "correct"
    for words in (
        "a <= 3 - 2*sqrt(2) or a >= 3 + 2*sqrt(2)",
        "double root counts once",
        "a = 0",
        "outside the domain",
    ):
        assert words in verdict.reason


@pytest.mark.parametrize(
    "answer",
    [
        "a-1",
        "-1+a",
        "(2a-2)/2",
        "x = a - 1",
        "a - 1 for a >= 3+2sqrt(2) or a <= 3-2sqrt(2)",
        "a-1, a > 6",
        "(a^2-1)/(a+1)",
    ],
)
def test_parametric_sum_is_compared_as_a_function(answer: str) -> None:
    assert verify("a - (a+x)/x = x", answer, "sum").outcome is CORRECT


@pytest.mark.parametrize(
    "answer", ["a", "1 - a", "a - 1, a + 1", "3", "a ± 1", "|a - 1|", "no real solutions"]
)
def test_parametric_sum_wrong(answer: str) -> None:
    assert verify("a - (a+x)/x = x", answer, "sum").outcome is WRONG


@pytest.mark.parametrize(
    ("equation", "answer"),
    [
        ("k - (k+y)/y = y", "k - 1"),
        ("x^2 - 2a x + a^2 = 0", "a"),
        ("a x = 1", "1/a"),
        ("x^2 + a^2 + 1 = 0", "no real solutions"),
        ("1/(x-a) + 1/x = 1", "a + 2"),
        ("(x^2-a^2)/(x-a) = 3", "3 - a"),
        ("b + c = 2", "2 - b"),
    ],
)
def test_other_parametric_sums(equation: str, answer: str) -> None:
    assert verify(equation, answer, "sum").outcome is CORRECT


@pytest.mark.parametrize(
    ("equation", "answer", "outcome"),
    [
        ("sqrt(a - sqrt(a+x)) = x", "(sqrt(4a-3) - 1)/2", CORRECT),
        ("sqrt(a - sqrt(a+x)) = x", "sqrt(a - 3/4) - 1/2 for a > 1", CORRECT),
        ("sqrt(a - sqrt(a+x)) = x", "(sqrt(4a-3) + 1)/2", WRONG),
        ("sqrt(a - sqrt(a+x)) = x", "(sqrt(4a+1) + 1)/2", WRONG),
        ("sqrt(a - sqrt(a+x)) = x", "a - 1", WRONG),
        ("sqrt(x+a) = 2", "4 - a", CORRECT),
        ("cbrt(x) = a", "a^3", CORRECT),
    ],
)
def test_parametric_equations_with_roots(equation: str, answer: str, outcome: Outcome) -> None:
    assert verify(equation, answer, "sum").outcome is outcome


def test_parametric_equations_with_several_rooted_solutions_are_refused() -> None:
    with pytest.raises(InputError, match="only one solution"):
        verify("|x| = a", "0", "sum")


# -- answers as they are written


RIGHT_1_3 = [
    "1, 3", "3, 1", "1, 1, 3", "x = 1 or x = 3", "x=1 or 3", "{1, 3}", "x=1,x=3", "X = 1, X = 3",
    r"\boxed{1, 3}",
    r"\boxed{x=1 \text{ or } x=3}", r"Try \boxed{7}. It fails. So \boxed{\{1, 3\}}.", r"\boxed{1} and "
    r"\boxed{3}",
    "The solutions are x = 1 and x = 3.",
    "x ∈ {1, 3}", r"x \in \{1, 3\}", "x_1 = 1, x_2 = 3", "x1=1; x2=3", "x₁ = 1, x₂ = 3", "2 ± 1", "2+-1",
    "2 +/- 1",
    r"2 \pm 1", "x = (4±√4)/2", r"$x=1$ and $x=3$", r"\(1\), \(3\)", "1\n3", "**1, 3**", "Answer: 1, 3",
    "2/2, 6/2 = 3",
    r"\frac{2}{2}, \frac62", "1.0, 3.", "sqrt(1), sqrt(9)", "{1} ∪ {3}", "Therefore, x = 1 or x = 3",
    "1 = x, 3 = x",
    "x = 1, 3 because the discriminant is 4", "roots: 1, 3", "x == 1, x == 3", "x = 1 or x = 3 (both valid)",
]  # fmt: skip


@pytest.mark.parametrize("answer", RIGHT_1_3)
def test_right_answers_in_many_forms(answer: str) -> None:
    verdict = verify("x^2 - 4x + 3 = 0", answer)
    assert verdict.outcome is CORRECT, verdict.reason
    assert verdict.solutions == ("1", "3")


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ("1", WRONG),
        ("1, 2, 3", WRONG),
        ("1 or 3 or 5", WRONG),
        ("-1, -3", WRONG),
        ("[1, 3]", WRONG),
        ("(1, 3)", WRONG),
        ("x > 2", WRONG),
        ("x != 1", WRONG),
        ("all real numbers", WRONG),
        ("no real solutions", WRONG),
        ("1, 3 or no real solutions", WRONG),
        ("1/0, 3", WRONG),
        ("0^0, 3", WRONG),
        ("sqrt(-1), 3", WRONG),
        ("1 + 2i, 3", WRONG),
        ("0.9999999999999999, 3", WRONG),
        ("x = 1 = 3", WRONG),
        ("≈ 1, 3", WRONG),
        ("1, thirteen", UNPARSEABLE),
        ("y = 1, y = 3", UNPARSEABLE),
        (r"first \boxed{7}, then \boxed{\{1, 3\}}.", UNPARSEABLE),
        ("1, x=", UNPARSEABLE),
        ("1 3", UNPARSEABLE),
        ("x ≠ 1, 3, 4 = 4", UNPARSEABLE),
        ("1, 3 are not solutions", UNPARSEABLE),
        ("neither 1 nor 3", UNPARSEABLE),
        ("(x-1)(x-3) = 0", UNPARSEABLE),
        ("x^2 = 1, 3", UNPARSEABLE),
        ("1, 003", UNPARSEABLE),
        ("1, 3!", UNPARSEABLE),
        ("", UNPARSEABLE),
        ("   ", UNPARSEABLE),
        (r"\boxed{1, 3", UNPARSEABLE),
        ("1, 3\x00", UNPARSEABLE),
        ("9" * 200_000, OVER),
        ("(" * 900 + "1" + ")" * 900, OVER),
        ("9^{9^{9^9}}", OVER),
    ],
)
def test_other_answers(answer: str, outcome: Outcome) -> None:
    verdict = verify("x^2 - 4x + 3 = 0", answer)
    assert verdict.outcome is outcome, verdict.reason
    assert verdict.verdict == "wrong"
    assert verdict.reason


@pytest.mark.parametrize(
    "answer",
    [
        "It isn't 12", "not 12", "x != 12", "x is not 12", "never 12", "12 is extraneous", "extraneous: 12",
        "wrong = 12",
        "reject 12", "12 or 13", "12 or none", "maybe 12", "about 12", "~12", "x ≈ 12", "12?", "12%",
        "12 cm", "1 2",
        "12 solutions", "all x except 12", "x >= 12", "12 is wrong", "anything but 12", "x = 12 x",
        "12, two", "11..13",
    ],
)  # fmt: skip
def test_naming_twelve_without_answering_twelve_is_never_correct(answer: str) -> None:
    assert verify("x = 12", answer).outcome is not CORRECT


@pytest.mark.parametrize(
    "answer",
    [
        "no real solutions", "No solution.", "no solutions", "none", "None", "DNE", "∅", r"\emptyset",
        r"\varnothing", "{}",
        r"\{\}", "there are no real solutions", "The equation has no real roots.", "no real roots",
        "the empty set",
        "x ∈ ∅", r"\boxed{\text{no real solutions}}", "no real numbers satisfy the equation",
        "no solution in ℝ",
    ],
)  # fmt: skip
def test_no_solutions_in_many_words(answer: str) -> None:
    assert verify("x^2 + 1 = 0", answer).outcome is CORRECT


@pytest.mark.parametrize(
    "answer",
    [
        "no complex solutions",
        "no integer solutions",
        "no other solutions",
        "no solutions except 1",
        "no",
        "0",
        "±i",
    ],
)
def test_not_quite_no_solutions(answer: str) -> None:
    assert verify("x^2 + 1 = 0", answer).outcome is not CORRECT


@pytest.mark.parametrize(
    ("equation", "answer"),
    [
        ("x = x", "all real numbers"),
        ("0 = 0", "ℝ"),
        ("x = x", r"x \in \mathbb{R}"),
        ("x = x", "(-oo, oo)"),
        ("x = x", r"(-\infty, \infty)"),
        ("x = x", "infinitely many solutions"),
        ("x = x", "every real number"),
        ("x/x = 1", "all x except 0"),
        ("x/x = 1", "all real numbers except x = 0"),
        ("x/x = 1", r"\mathbb{R} \setminus \{0\}"),
        ("x/x = 1", "x ≠ 0"),
        ("x/x = 1", "(-oo, 0) ∪ (0, oo)"),
        ("(x^2-4)/((x-2)(x+2)) = 1", "all real numbers except 2 and -2"),
        ("|x| = x", "x >= 0"),
        ("sqrt(x^2) = -x", "(-∞, 0]"),
        ("|x-1| + |x-3| = 2", "1 <= x <= 3"),
        ("(|x| - x)(x + 5) = 0", "-5 or x >= 0"),
        ("|x|/x = 1", "x > 0"),
    ],
)
def test_infinitely_many_solutions(equation: str, answer: str) -> None:
    verdict = verify(equation, answer)
    assert verdict.outcome is CORRECT, verdict.reason


@pytest.mark.parametrize(
    ("equation", "answer"),
    [
        ("x/x = 1", "all real numbers"),
        ("x/x = 1", "infinitely many solutions"),
        ("x = x", "x ≠ 0"),
        ("x = x", "0, 1, 2"),
        ("x = x", "no real solutions"),
        ("x = x", "all nonzero real numbers"),
        ("|x| = x", "x > 0"),
        ("|x| = x", "all real numbers"),
        ("1 = 2", "all real numbers"),
    ],
)
def test_infinitely_many_solutions_wrong(equation: str, answer: str) -> None:
    assert verify(equation, answer).outcome is WRONG


@pytest.mark.parametrize(
    "name", ["sin", "cos", "tan", "log", "ln", "exp", "floor", "max", "f", "g", "foo", "arctan", "sgn"]
)
@pytest.mark.parametrize("form", ["{}(x) = 1", "2{}(x) = x", "{}(2x+1) = 3"])
@pytest.mark.parametrize("ask", ["solve", "sum"])
def test_functions_are_refused(name: str, form: str, ask: str) -> None:
    with pytest.raises(InputError, match="function"):
        verify(form.format(name), "1", ask)


def test_sums() -> None:
    assert verify("x^2 - 4x + 3 = 0", "4", "sum").outcome is CORRECT
    assert verify("x^2 - 4x + 3 = 0", "1 + 3 = 4", "sum").outcome is CORRECT
    assert verify("x^2 - 4x + 3 = 0", "x_1 + x_2 = 4", "sum").outcome is CORRECT
    assert verify("x^2 - 5x + 3 = 0", "the sum is 5", "sum").outcome is CORRECT
    assert verify("x^2 - 2x + 1 = 0", "2", "sum").outcome is WRONG, "a double root counts once"
    assert verify("x^2 - 2x + 1 = 0", "1", "sum").outcome is CORRECT
    assert verify("x^2 - 4x + 3 = 0", "1, 3", "sum").outcome is WRONG
    assert verify("x^2 - 4x + 3 = 0", "4 or 5", "sum").outcome is WRONG
    assert verify(OPENING, "2", "sum").outcome is WRONG
    assert verify(OPENING, "0", "sum").outcome is WRONG, "no solutions have no sum"
    assert verify(OPENING, "no real solutions", "sum").outcome is CORRECT
    assert verify("sqrt(5 - sqrt(5+x)) = x", "(sqrt(17)-1)/2", "sum").outcome is CORRECT
    with pytest.raises(InputError, match="no sum"):
        verify("x = x", "0", "sum")


# -- families


@pytest.mark.parametrize(
    ("equation", "answer"),
    [
        ("2x + 3 = 7", "2"),
        ("3x = 1", "1/3"),
        ("x/2 = 0.25", "½"),
        ("x^2 - 5x + 3 = 0", "(5 ± sqrt(13))/2"),
        ("x^2 + x - 1 = 0", "(-1+-sqrt(5))/2"),
        ("x^2 = 2", r"\pm\sqrt{2}"),
        ("(x^2-1)/(x-1) = 2", "no real solutions"),
        ("(x^2-4)/(x-2) = 5", "3"),
        ("1/(x-2) = 3/(x-2)", "∅"),
        ("sqrt(x+7) = x - 5", "9"),
        ("√(2x+3) = x", "3"),
        ("sqrt(7 - sqrt(7+x)) = x", "2"),
        ("|2x-3| = x+1", "4, 2/3"),
        ("abs(x) = -1", "none"),
        ("||x|-1| = 2", "±3"),
        ("x^4 - 5x^2 + 6 = 0", "±sqrt(2), ±sqrt(3)"),
        ("x^4 - 10x^2 + 1 = 0", "±sqrt(2)±sqrt(3)"),
        ("x^3 = 2", "cbrt(2)"),
        ("x^3 = 2", "2^{1/3}"),
        ("x^3 = x + 1", "cbrt((9+sqrt(69))/18) + cbrt((9-sqrt(69))/18)"),
        ("sqrt(x+1) + sqrt(x) = 1", "0"),
        (r"\frac{1}{x} + \frac{1}{x+1} = \frac{3}{2}", "1, -2/3"),
        ("x^{-1} = 4", "0.25"),
        ("2*speed + 1 = 7", "speed = 3"),
        ("θ² = 4", "±2"),
        ("x_1 + 1 = 3", "x_1 = 2"),
        ("e^2 = 9", "±3"),
        ("i + 1 = 2", "i = 1"),
        ("x**2 == 4", "-2, 2"),
        ("x^2 - (sqrt(2)+sqrt(3))x + sqrt(6) = 0", "sqrt(2), sqrt(3)"),
        ("x^(2/3) = 4", "±8"),
        ("1 = 2", "no solutions"),
        ("1/0 = x", "no solutions"),
        ("sqrt(x-1) + sqrt(1-x) = x - 1", "1"),
    ],
)
def test_families(equation: str, answer: str) -> None:
    verdict = verify(equation, answer)
    assert verdict.outcome is CORRECT, (verdict.reason, verdict.solutions)


@pytest.mark.parametrize(
    ("equation", "answer", "words"),
    [
        ("(x^2-1)/(x-1) = 2", "1", "outside the domain, the denominator x - 1 is zero"),
        ("sqrt(x+7) = x - 5", "2, 9", "x = 2 is extraneous: left side 3, right side -3"),
        ("3x = 1", "0.333333", "approximation"),
        ("x^2 = 2", "1.41421356, -1.41421356", "approximation"),
        ("x^2 = 4", "2", "-2 is missing"),
        ("x^2 = -2", "±i sqrt(2)", "complex"),
        ("sqrt(x) = 2", "-4", "extraneous: outside the domain"),
    ],
)
def test_reasons_of_wrong_answers(equation: str, answer: str, words: str) -> None:
    verdict = verify(equation, answer)
    assert verdict.outcome is WRONG
    assert words in verdict.reason


def test_solution_texts_are_right_answers() -> None:
    for equation in ("x^4 - 10x^2 + 1 = 0", "6x^2 + x = 1", "3x^2 - 2x = 7", "x^5 = -7", "x^4 - 2x^2 = 5"):
        assert verify(equation, "; ".join(solve(equation).texts)).outcome is CORRECT


def test_several_letters_are_refused_unless_a_sum_is_asked() -> None:
    with pytest.raises(InputError, match="a and x"):
        verify("a x = 1", "1/a")
    with pytest.raises(InputError, match="a, x, b"):
        verify("a x = b", "1/a", "sum")
    with pytest.raises(InputError, match="'solve' or 'sum'"):
        verify("x = 1", "1", "product")


@pytest.mark.parametrize(
    "equation",
    ["", "x", "x = 1 = 2", "x > 1", "x ± 1 = 2", "2^x = 4", "x = ", "x2 = 1", "1e3 = x", "2½ = x", "x^x = 1",
    "x = y = z",
     "x = \x00", "x^1000 = 1", "10^{10^{10}} = x", "(" * 2000 + "x = 1", "sin(x) = 1", "x = 1; y = 2",
     "x = 3 (2)", r"x = 3 \quad (2)"],
)  # fmt: skip
def test_bad_equations_are_input_errors_in_one_line(equation: str) -> None:
    with pytest.raises(InputError) as caught:
        verify(equation, "1")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


# -- answers inside solutions


@pytest.mark.parametrize(
    ("completion", "answer"),
    [
        ("domain: y!=0\nanswer: 1, 4", "1, 4"),
        ("answer: 1\nagain:\nAnswer: no real solutions\nchatter " * 2, "no real solutions"),
        ("**Final answer:** 3", "3"),
        ("Answer:\n\\boxed{3}", "\\boxed{3}"),
        (r"so \boxed{1} and \boxed{\frac{1}{2}} are done", r"so \boxed{1} and \boxed{\frac{1}{2}} are done"),
        ("the roots are 1 and 4", None),
        ("", None),
        ("answer:", ""),
    ],
)
def test_extract_answer(completion: str, answer: str | None) -> None:
    assert extract_answer(completion) == answer


def test_extract_answer_is_quick_on_a_megabyte() -> None:
    for text in ("answer" * 200_000, "answer " * 150_000, "\\boxed{" * 150_000, "answer: " * 125_000):
        assert _best_seconds(lambda text=text: extract_answer(text)) < 0.2


# -- bounded


def _best_seconds(call: object) -> float:
    best = float("inf")
    for _ in range(3):
        start = time.thread_time()
        call()  # type: ignore[operator]
        best = min(best, time.thread_time() - start)
    return best


def _roots(*numbers: int) -> str:
    return "+".join(f"sqrt({number})" for number in numbers)


PRIMES = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29)
NINES = "9" * 60
HARD_EQUATIONS = [
    "+".join(f"sqrt(x+{i})" for i in range(1, 5)) + "=10",
    "*".join(f"(sqrt(x+{i})+1)" for i in range(1, 6)) + "=10",
    "sqrt(x+sqrt(x+sqrt(x+sqrt(x+sqrt(x)))))=3",
    "(x+1)^32=2",
    "x^32-2(99999999x-1)^2=0",
    "x^10-2(999999999999999999999999999999999999x-1)^2=0",
    "*".join(f"(x-{i})" for i in range(1, 33)) + "=1",
    "+".join(f"1/(x-{i})" for i in range(1, 33)) + "=1",
    "+".join(f"|x-{i}|" for i in range(1, 6)) + "=6",
    "|||||x|-1|-1|-1|-1|=1",
    "x^(1/12)+x^(1/11)=1",
    "x^(1/4)+x^(1/3)+x^(1/2)=3",
    _roots(*PRIMES[:5]) + "=x",
    f"x^2+({_roots(*PRIMES[:4])})x+({_roots(*PRIMES[:3])})=0",
    "(sqrt(x)+sqrt(x+1)+sqrt(x+2)+sqrt(x+3))^5=3",
    f"(x^2+{NINES}x+1)^16=2",
    "*".join([NINES] * 14) + "x=1",
    "((((9^200)^200)^200)^200)x=1",
    "1/(" * 23 + "x" + ")" * 23 + "=1",
    "sqrt(" * 23 + "x" + ")" * 23 + "=1",
    "-" * 900 + "x=1",
    "+".join(["1/x"] * 200) + "=1",
    "(x^5-x-1)/(x^7+x+1)+(x^3+x+1)/(x^5+2x+1)=sqrt(x^3+5)",
    "x^16+x+1=sqrt(2)",
    "|x|+|x+1|+|x+2|+|x+3|+|x+4|=|5x+10|",
]
HARD_ANSWERS = [
    _roots(*PRIMES),
    f"{_roots(*PRIMES[:6])}, {_roots(*PRIMES[5::-1])}",
    "+-" * 400 + "1",
    "±1" * 5,
    "±sqrt(2)±sqrt(3)±sqrt(5)±sqrt(7)",
    ",".join(f"sqrt({i}+sqrt(2))" for i in range(2, 33)),
    ",".join(f"cbrt({i})+sqrt(2)" for i in range(2, 33)),
    "(" * 3000 + "1" + ")" * 3000,
    "(" * 20 + "1" + ")" * 20,
    "9" * 200_000,
    "a" * 1_000_000,
    "10^{10^{10}}",
    "9^{9^{9^9}}",
    "*".join(["9^200"] * 100),
    "1/(" * 23 + "2" + ")" * 23,
    "sqrt(" * 23 + "2" + ")" * 23,
    "sqrt(2+" * 8 + "2" + ")" * 8,
    r"\frac{1}{" * 23 + "2" + "}" * 23,
    r"\frac" * 150,
    r"\boxed{" * 10_000,
    "((1+sqrt(2))^200)^200",
    "(1+sqrt(2))^200-(1+sqrt(2))^200",
    "2^(1/12)+3^(1/11)-2^(1/12)-3^(1/11)",
    "1/(sqrt(2)+sqrt(3)-sqrt(5+2sqrt(6)))",
    "sqrt(10^200+1)-sqrt(10^200)",
    "sqrt(" + "9" * 59 + "7)",
    "all x except " + ",".join(["1"] * 100),
    "(-oo,1)U" * 80 + "(1,oo)",
    "no " * 300,
    "\u202e1,3\ud800",
]


@pytest.fixture
def _fresh_caches() -> Iterator[None]:
    yield
    _clear()


def _clear() -> None:
    cached_functions = (verifier._parsed, verifier._solved, verifier._quickly, verifier._parametric)
    for cached in (*cached_functions, quick.solve):
        cached.cache_clear()


def _hard_pairs() -> Iterator[tuple[str, str]]:
    for equation in HARD_EQUATIONS:
        yield equation, "1"
    for equation in ("x=1", "x^4-10x^2+1=0", "x^5-x-1=0", "x/(x^2-2)=x/(x^2-2)", "x^20-x-1=0"):
        for answer in HARD_ANSWERS:
            yield equation, answer


def _judge_afresh(equation: str, answer: str) -> None:
    _clear()
    with contextlib.suppress(InputError):
        verify(equation, answer)


@pytest.mark.usefixtures("_fresh_caches")
def test_no_input_takes_50_milliseconds() -> None:
    slow = {
        (equation[:60], answer[:60]): seconds
        for equation, answer in _hard_pairs()
        if (seconds := _best_seconds(lambda e=equation, a=answer: _judge_afresh(e, a))) >= 0.05
    }
    assert not slow


@pytest.mark.usefixtures("_fresh_caches")
def test_no_input_takes_50_megabytes() -> None:
    tracemalloc.start()
    try:
        for equation, answer in _hard_pairs():
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            _judge_afresh(equation, answer)
            assert tracemalloc.get_traced_memory()[1] - before < 50_000_000, (equation[:60], answer[:60])
    finally:
        tracemalloc.stop()


PIECES = [
    "x", "y", "a", "i", "1", "2", "3", "10", "0.5", "+", "-", "*", "/", "^", "=", "(", ")", "{", "}", "[",
    "]", "|", ",", ";",
    "sqrt", "√", "cbrt", "abs", "\\frac", "\\sqrt", "\\boxed{", "\\left", "\\right", "±", "+-", "∓", "or",
    "and", "no", "real",
    "solutions", "all", "except", "≠", "<", ">=", "≈", "∅", "ℝ", "∞", "∪", "∈", "in", "is", "the", "\n", " ",
    "²", "½", "_1",
    "not", "for", "\\pm", "\\text{", "$", "'", ".", ":", "x_1", "^2", "(1/2)", "oo", "-oo", "(-oo,", "two",
]  # fmt: skip
mathlike = st.lists(st.sampled_from(PIECES), max_size=40).map("".join) | st.lists(
    st.sampled_from(PIECES), max_size=25
).map(" ".join)


@given(answer=mathlike | st.text(max_size=200))
@settings(max_examples=400, deadline=None)
def test_any_answer_gets_a_typed_outcome(answer: str) -> None:
    for equation in ("x^2-4x+3=0", "x/x=1", "x^3=x+1"):
        verdict = verify(equation, answer)
        assert isinstance(verdict.outcome, Outcome)
        assert verdict.reason
        json.dumps(verdict.json())
    assert isinstance(verify("a-(a+x)/x=x", answer, "sum").outcome, Outcome)


@given(left=mathlike, right=mathlike, answer=mathlike)
@settings(max_examples=400, deadline=None)
def test_any_equation_gets_a_verdict_or_an_input_error(left: str, right: str, answer: str) -> None:
    for ask in ("solve", "sum"):
        with contextlib.suppress(InputError):
            verify(f"{left}={right}", answer, ask)


# -- order, threads, processes


ITEMS = [(f"x^2 = {n * n}", f"±{n if n % 3 else n + 1}") for n in range(1, 60)] + [("x = 1", "oops(")] * 3
EXPECTED = [CORRECT if n % 3 else WRONG for n in range(1, 60)] + [UNPARSEABLE] * 3


def test_batch_keeps_order_and_counts() -> None:
    verdicts = verify_batch(ITEMS)
    assert [verdict.outcome for verdict in verdicts] == EXPECTED
    assert count_outcomes(verdicts) == {"correct": 40, "wrong": 19, "unparseable": 3, "over_limits": 0}


def test_any_thread_gives_the_same_verdicts() -> None:
    _clear()
    with ThreadPoolExecutor(8) as pool:
        batches = list(pool.map(lambda _: [v.outcome for v in verify_batch(ITEMS)], range(16)))
    assert all(batch == EXPECTED for batch in batches)
    assert threading.current_thread() is threading.main_thread()


def test_any_process_gives_the_same_verdicts() -> None:
    with ProcessPoolExecutor(2) as pool:
        assert [verdict.outcome for verdict in pool.map(_verify_item, ITEMS)] == EXPECTED


def _verify_item(item: tuple[str, str]) -> verifier.Verdict:
    return verify(*item)


HEAVY_ITEMS = [
    ("sqrt(x+sqrt(x+sqrt(x+sqrt(x))))=3", "1"),
    ("*".join(f"(x-{i})" for i in range(1, 20)) + "=1", "0"),
    ("x^4-10x^2+1=0", "±sqrt(2)±sqrt(3)±sqrt(5)±sqrt(7)"),
]


def test_worker_processes_give_the_same_verdicts_in_order() -> None:
    assert all(is_heavy(*item) for item in HEAVY_ITEMS)
    assert not any(is_heavy(*item) for item in ITEMS)
    mixed = [*ITEMS[:3], HEAVY_ITEMS[0], *ITEMS[3:6], *HEAVY_ITEMS[1:], ITEMS[-1]]
    alone = verify_batch(mixed)
    assert verify_batch(mixed, processes=2) == alone
    with ThreadPoolExecutor(2) as threads:
        assert all(found == alone for found in threads.map(lambda _: verify_batch(mixed, 2), range(4)))
    # Solved only by a worker: too large for this grammar's limits, so the error must cross the processes.
    bad = ("*".join(f"(x-{i})" for i in range(1, 60)) + "=1", "0")
    assert is_heavy(*bad)
    with pytest.raises(InputError, match="over the limits"):
        verify_batch([*mixed, bad], processes=2)


def test_small_equations_are_quick() -> None:
    pairs = [("x^2-5x+6=0", "2, 3"), (OPENING, "1, 3"), ("3x+4=10", "x = 2"), ("sqrt(x+7)=x-5", "9")]
    verify_batch(pairs)

    def hundred() -> None:
        for _ in range(100):
            verify_batch(pairs)

    assert _best_seconds(hundred) / 400 < 0.001, "well under a millisecond; about 0.1 ms on a quiet machine"


# -- command line


def test_command_prints_verdict_and_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert command([OPENING, "1, 3"]) == 1
    assert capsys.readouterr().out.startswith("wrong: y = 1")
    assert command([OPENING, "no real solutions"]) == 0
    assert capsys.readouterr().out.startswith("correct: no real solutions")
    assert command(["-x=3", "-3"]) == 0
    assert command(["x+3=0", "-3", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert printed["verdict"] == "correct"
    assert printed["solutions"] == ["-3"]
    assert command(["--ask", "sum", "a - (a+x)/x = x", "a - 1"]) == 0
    assert command(["--ask=sum", "--", "x^2=4", "0"]) == 0


@pytest.mark.parametrize(
    "arguments",
    [[], ["x=1"], ["x=1", "1", "2"], ["x>1", "1"], ["--frob", "x=1", "1"], ["--ask", "mean", "x=1", "1"],
     ["--ask"], ["--stdin", "x=1"], ["x=x", "1", "--ask", "sum"]],
)  # fmt: skip
def test_bad_usage_is_one_line_and_exit_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert command(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.strip().splitlines()) == 1


def test_command_stdin_keeps_order_and_names_bad_lines() -> None:
    lines = [
        '{"equation": "x=1", "answer": "1"}',
        "oops",
        '{"equation": "x^2=4", "answer": "0", "ask": "sum"}',
        '{"equation": "x>4", "answer": "0"}',
        '{"equation": "x=4"}',
        "[" * 100_000,
        '{"equation": "x=1", "answer": "2"}',
    ]
    program = "import sys, practicum.exact.command as v; sys.exit(v.command(['--stdin']))"
    command_line = [sys.executable, "-c", program]
    result = subprocess.run(command_line, input="\n".join(lines), text=True, capture_output=True)
    printed = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.returncode == 2
    assert len(printed) == len(lines)
    assert [row.get("verdict") for row in printed] == ["correct", None, "correct", None, None, None, "wrong"]
    assert all(f"line {number}" in printed[number - 1]["error"] for number in (2, 4, 5, 6))
    assert "2 correct, 1 wrong, 0 unparseable, 0 over_limits, 4 bad lines" in result.stderr


def judged_lines(lines: bytes) -> tuple[int, list[dict[str, str]]]:
    written = io.BytesIO()
    code = judge_lines(io.BytesIO(lines), written, "solve")
    return code, [json.loads(line) for line in written.getvalue().decode("utf-8").splitlines()]


def test_command_stdin_takes_whole_completions() -> None:
    lines = [
        {"equation": "x^2=4", "completion": "so x is 2 or -2.\nanswer: 2, -2"},
        {"equation": "x^2=4", "completion": "<think>answer: 7</think> \\boxed{\\pm 2}<|im_end|>"},
        {"equation": "x^2=4", "completion": "answer: 2, -2\nWait, that is wrong."},
        {"equation": "x^2=4", "completion": "2, -2"},
        {"equation": "x^2=4", "completion": "The sum is \\boxed{0}.", "ask": "sum"},
        {"equation": "x^2=4", "completion": "answer: 2", "answer": "2, -2"},
    ]
    code, printed = judged_lines("\n".join(map(json.dumps, lines)).encode())
    assert code == 2
    assert [row.get("verdict") for row in printed] == [
        "correct",
        "correct",
        "wrong",
        "wrong",
        "correct",
        None,
    ]
    assert "found both" in printed[-1]["error"]


ITEM = b'{"equation": "x^2=4", "answer": "2, -2"}'
ODD_LINES = [
    b'{"equation": "x^2=4", "answer": "2", "id": ' + b"9" * 5000 + b"}",
    b'{"equation": "x^2=4", "answer": "\xff"}',
    b"\xc3\x28",
    b"",
    b"   ",
    b"\x00",
    b"[" * 5000,
    b"null",
    b'{"equation": 1, "answer": 2}',
    b'{"equation": "x\\ud800=4", "answer": "\\ud800"}',
    b'{"equation": "x=1", "answer": "1", "ask": ["sum"]}',
    b'{"answer": "1"}',
    b"NaN",
]


def test_command_stdin_skips_a_byte_order_mark_and_answers_blank_lines() -> None:
    code, printed = judged_lines(b"\xef\xbb\xbf" + ITEM + b"\n\n" + ITEM)
    assert code == 2
    assert [row.get("verdict") for row in printed] == ["correct", None, "correct"]
    assert printed[1]["error"].startswith("line 2: the line is blank")


@given(st.lists(st.sampled_from([ITEM, *ODD_LINES]) | st.binary(max_size=40), max_size=8))
@settings(max_examples=100, deadline=None)
def test_command_stdin_answers_every_line_whatever_it_holds(lines: list[bytes]) -> None:
    lines = [line.replace(b"\n", b"") for line in lines]
    _, printed = judged_lines(b"".join(line + b"\n" for line in lines))
    assert len(printed) == len(lines)
    for number, (line, row) in enumerate(zip(lines, printed, strict=True), start=1):
        if line == ITEM:
            assert row["verdict"] == "correct"
        elif line in ODD_LINES:
            assert row["error"].startswith(f"line {number}: ")


def test_the_verifier_imports_neither_torch_nor_sympy() -> None:
    program = (
        "import sys, practicum.exact.command\n"
        "assert not {'torch', 'sympy', 'numpy'} & set(sys.modules), 'heavy import'"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
