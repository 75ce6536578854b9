import re
from dataclasses import fields, replace
from math import isclose
from random import Random

import pytest

from practicum.errors import InputError
from practicum.exact.expression import parse_expression
from practicum.exact.reals import evaluate, subtract
from practicum.exact.verifier import extract_answer, verify
from practicum.tasks.equations.generator import FAMILIES, draw
from practicum.tasks.equations.reading import approximate
from practicum.tasks.equations.solutions import MAX_TOKENS, Habits, solve_by_hand, token_count

PERFECT = Habits.perfect()


def worked(
    habits,
    count,
    seed=0,
    families=tuple(FAMILIES),
    levels=(1, 2, 3),
    ask=None,
    parametric=0.1,
    max_tokens=400,
):
    random = Random(seed)
    for _ in range(count):
        asked = ask or random.choice(("solve", "solve", "sum"))
        problem = draw(random.choice(families), random.choice(levels), asked, random, parametric=parametric)
        yield problem, solve_by_hand(problem, habits, random, max_tokens)


def is_right(problem, text):
    return verify(problem.equation, str(extract_answer(text)), problem.ask).verdict == "correct"


def test_perfect_habits_are_always_right():
    for problem, text in worked(PERFECT, 4000):
        assert is_right(problem, text), problem.text + text


def test_whoever_starts_again_ends_right():
    habits = replace(Habits(), verification=1.0, arithmetic_slip=0.1, sign_slip=0.1)
    found = 0
    for problem, text in worked(habits, 6000, parametric=0):
        if "\nagain\n" in text:
            found += 1
            assert is_right(problem, text), problem.text + text
    assert found > 1000


def value(text):
    return evaluate(parse_expression(text), {}, ())


def test_check_lines_are_honest_even_when_the_candidate_is_not():
    habits = replace(Habits(), verification=1.0, arithmetic_slip=0.1, sign_slip=0.1)
    seen = set()
    for problem, text in worked(habits, 1500, parametric=0):
        for line in re.findall(r"^check .*", text, re.MULTILINE):
            _, _, rest = line.partition(": ")
            maths, _, verdict = rest.rpartition(" ")
            seen.add(verdict)
            if "divide by 0" in maths or "sqrt" in maths or "|" in maths:
                continue
            for chain in maths.split(", "):
                steps = [value(step) for step in chain.split("=")]
                assert all(subtract(steps[0], step).sign() == 0 for step in steps), problem.text + line
    assert seen == {"ok", "no"}


def test_a_perfect_solution_of_the_opening_equation_reads_like_this():
    random = Random(1)
    problem = next(
        found
        for found in iter(lambda: draw("rational", 1, "solve", random), None)
        if found.equation == "3-(3+y)/y=y"
    )
    assert solve_by_hand(problem, PERFECT, random).split("\n") == [
        "domain: y!=0",
        "multiply: 3y-3-y=y^2",
        "standard: y^2-2y+3=0",
        "discriminant: 4-12=-8",
        "negative",
        "answer: no real solutions",
    ]


def share_right(habits, kinds, families=("rational",), ask="solve"):
    rows = [
        is_right(problem, text)
        for problem, text in worked(habits, 500, 3, families, (1,), ask, parametric=0)
        if problem.kind in kinds
    ]
    assert len(rows) > 10
    return sum(rows) / len(rows)


@pytest.mark.parametrize(
    ("bad", "kinds", "families", "ask"),
    [
        ({"conclude_negative": 0.0}, ("none",), ("rational", "quadratic"), "solve"),
        ({"halve_surd": 0.0}, ("irrational",), ("rational", "quadratic"), "solve"),
        ({"guess_factoring": 1.0}, ("irrational", "none"), ("rational",), "solve"),
        ({"formula_slip": 1.0, "factor_when_square": 0.0}, ("integer",), ("rational",), "solve"),
        ({"domain_check": 0.0}, ("excluded",), ("rational",), "solve"),
        ({"domain_check": 0.0}, ("extraneous",), ("cancelled", "radical", "absolute"), "solve"),
        ({"both_cases": 0.0}, ("integer", "rational"), ("absolute",), "solve"),
        ({"careful_sum": 0.0}, ("none",), ("rational", "quadratic"), "sum"),
        ({"double_once": 0.0}, ("double",), ("quadratic",), "sum"),
    ],
)
def test_each_bad_habit_costs_what_it_should_and_checking_wins_it_back(bad, kinds, families, ask):
    careless = replace(PERFECT, verification=0.0, **bad)
    assert share_right(replace(PERFECT, verification=0.0), kinds, families, ask) == 1
    assert share_right(careless, kinds, families, ask) < 0.2
    # A forgotten case, a sum that was never looked at and a double count leave nothing to check.
    if ask == "solve" and "both_cases" not in bad:
        assert share_right(replace(careless, verification=1.0), kinds, families, ask) > 0.6


def test_default_habits_leave_practice_something_to_find():
    families = ("rational", "quadratic", "linear")
    rows = list(worked(Habits(), 3000, 2, families, (1,), "solve", parametric=0))
    right = sum(is_right(problem, text) for problem, text in rows) / len(rows)
    assert 0.3 < right < 0.8
    for word, family, low in (
        ("domain: ", "rational", 0.2),
        ("factor: ", "quadratic", 0.25),
        ("check ", "", 0.2),
    ):
        texts = [text for problem, text in rows if family in ("", problem.family)]
        assert low < sum(word in text for text in texts) / len(texts) < 0.6


def test_solutions_are_short():
    # Long numbers take long solutions, which no habit shortens.
    families = [family for family in FAMILIES if family != "long_linear"]
    lengths = [
        token_count(text)
        for _, text in worked(Habits(), 2000, 6, families, levels=(1, 2), max_tokens=MAX_TOKENS)
    ]
    assert max(lengths) <= MAX_TOKENS
    assert sorted(lengths)[len(lengths) // 2] < 80


def test_text_is_deterministic_and_ends_with_the_answer_line():
    for (problem, text), (_, again) in zip(worked(Habits(), 300, 8), worked(Habits(), 300, 8), strict=True):
        assert text == again
        *steps, last = text.split("\n")
        assert last.startswith("answer: ")
        assert not any(step.startswith("answer") for step in steps), problem.text


def test_rates_outside_zero_and_one_are_refused_by_name():
    for item in fields(Habits):
        with pytest.raises(InputError, match=item.name):
            Habits(**{item.name: 1.5})


STEPS = ["multiply", "standard", "squared", "move", "collect", "expand", "cancel", "isolate", "factor"]
ARITHMETIC = ["discriminant", "square", "numbers", "halve", "surd", "add"]


def test_every_step_of_a_perfect_solution_is_true():
    families = ("linear", "quadratic", "rational", "cancelled", "radical")
    seen = set()
    for problem, text in worked(PERFECT, 2000, 12, families, parametric=0):
        for line in text.split("\n"):
            word, _, maths = line.partition(": ")
            if word not in STEPS and word not in ARITHMETIC:
                continue
            seen.add(word)
            for point in problem.roots if word in STEPS else (0,):
                for chain in maths.split(", "):
                    values = [approximate(parse_expression(side), float(point)) for side in chain.split("=")]
                    assert all(isclose(values[0], other, abs_tol=1e-6) for other in values), text
    assert seen == {*STEPS, *ARITHMETIC}
