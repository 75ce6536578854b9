"""The quick way of judging gives the very verdicts of the general way, reasons included."""

from __future__ import annotations

from fractions import Fraction
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from practicum.bench.verifier import FORMATS, items, written
from practicum.errors import InputError
from practicum.exact import quick
from practicum.exact.algebra import holds_at
from practicum.exact.expression import parse_equation, parse_expression
from practicum.exact.quadratic import equal, evaluate, quadratic, sign_at
from practicum.exact.reals import UndefinedError
from practicum.exact.reals import evaluate as evaluate_as_tree
from practicum.exact.realsets import compare
from practicum.exact.verifier import solve, verify_in_general
from practicum.exact.verifier import verify as verify_either_way
from practicum.tasks.equations.generator import FAMILIES, draw


def both(equation: str, answer: str) -> tuple[object, object]:
    """What each way says: a verdict, or the message of an InputError."""
    said: list[object] = []
    for judge in (verify_either_way, verify_in_general):
        try:
            said.append(judge(equation, answer))
        except InputError as error:
            said.append(str(error))
    return said[0], said[1]


def test_most_generated_cases_are_judged_quickly_and_all_alike() -> None:
    cases = [item for seed in range(7, 10) for item in items(60, seed)]
    solved = sum(quick.solve(item.equation) is not None for item in cases)
    read = sum(quick.read_answer(item.answer) is not None for item in cases)
    assert solved > 0.8 * len(cases), "linear, quadratic, rational, cancelled, radical, absolute"
    assert read == len(cases)
    for item in cases:
        quickly, generally = both(item.equation, item.answer)
        assert quickly == generally, item


@given(seed=st.integers(0, 2**32), form=st.sampled_from(FORMATS))
@settings(max_examples=100, deadline=None)
def test_answers_of_other_problems_are_judged_alike(seed: int, form: str) -> None:
    random = Random(seed)
    problems = [draw(random.choice(list(FAMILIES)), random.choice((1, 2, 3)), "solve", random) for _ in "12"]
    if not problems[0].parameters:
        numbers = (*problems[1].roots, Fraction(random.randint(-9, 9), random.randint(1, 4)))
        for count in range(len(numbers) + 1):
            quickly, generally = both(problems[0].equation, written(numbers[:count], "x", form))
            assert quickly == generally, problems[0].equation


PLAIN = ["0", "1", "2", "3", "12"]
UNUSUAL = ["007", "x2", "2y", "1.5", "x^(1/2)"]


def sums(*atoms: str) -> st.SearchStrategy[str]:
    """Sides of equations, made of these atoms."""
    return st.recursive(
        st.sampled_from(atoms),
        lambda inner: st.one_of(
            st.builds("{}{}{}".format, inner, st.sampled_from(["+", "-", "*", "/", " - ", ""]), inner),
            st.builds("({})".format, inner),
            st.builds("({}){}{}".format, inner, st.sampled_from(["^", "**"]), st.sampled_from("123")),
            st.builds("sqrt({})".format, inner),
            st.builds("|{}|".format, inner),
            st.builds("-{}".format, inner),
        ),
        max_leaves=5,
    )


NUMBERS = [
    "1", "-1", "0", "1/2", "-3/2", "4/2", "sqrt(2)", "-sqrt(8)/2", "1+-sqrt(2)", "+-sqrt(3)/3", "2-sqrt(3)/2",
    "(1-2sqrt(5))/3", "(2+-sqrt(12))/2", r"\frac{-1+\sqrt{5}}{2}", r"-\frac{1}{2}", "x = 1", "x=-2",
]  # fmt: skip
OTHERS = ["2/0", "sqrt(4)", "3.", "+1", "01", "2 3", "1.5", "y = 0", "", "{1}", "oops"]
SEPARATORS = [", ", ",", " or ", " and "]
FORMS = ["{}", "{}", "{{{}}}", r"\{{{}\}}", r"$\{{{}\}}$", r"\boxed{{{}}}", "${}$", "{}.", "**{}**"]


def answers(numbers: list[str], separators: list[str], forms: list[str]) -> st.SearchStrategy[str]:
    listed = st.builds(
        str.join, st.sampled_from(separators), st.lists(st.sampled_from(numbers), min_size=1, max_size=4)
    )
    return st.builds(str.format, st.sampled_from(forms), listed)


ANSWERS = st.one_of(
    answers(NUMBERS, SEPARATORS, FORMS),
    answers(NUMBERS[:6], SEPARATORS, FORMS),
    answers(NUMBERS + OTHERS, [*SEPARATORS, "; "], [*FORMS, "{{{}", "{{{{{}}}}}"]),
    st.sampled_from(["no real solutions", "none.", r"$\emptyset$", r"\boxed{\emptyset}", "{none}", ""]),
)
SIDES = st.one_of(sums("x", *PLAIN), sums("x", "2x", "x^2"), sums("x", *PLAIN, *UNUSUAL))


@given(left=SIDES, right=SIDES, answer=ANSWERS)
@settings(max_examples=250, deadline=None)
def test_any_text_is_judged_alike(left: str, right: str, answer: str) -> None:
    quickly, generally = both(f"{left}={right}", answer)
    assert quickly == generally, (left, right, answer)


@pytest.mark.parametrize(
    ("equation", "texts"),
    [
        ("3 - (3+y)/y = y", ()),
        ("(x^2-1)/(x-1) = 2", ()),
        ("sqrt(x+7) = x-5", ("9",)),
        ("sqrt(x-2) = x-2", ("2", "3")),
        ("|2x-3| = x+1", ("2/3", "4")),
        ("x^2 = 5x-3", ("(5 - sqrt(13))/2", "(5 + sqrt(13))/2")),
        ("sqrt(x) = -x", ("0",)),
    ],
)
def test_solutions(equation: str, texts: tuple[str, ...]) -> None:
    solved = quick.solve(equation)
    assert solved is not None
    assert solved.texts == texts == solve(equation).texts


integers = st.integers(-30, 30)


@given(integers, integers, integers, st.integers(2, 30), integers.filter(bool), integers.filter(bool))
def test_numbers_and_signs(a: int, b: int, c: int, k: int, t: int, d: int) -> None:
    number, twice = quadratic(a, t, k, d), quadratic(2 * a, t, 4 * k, 2 * d)
    assert equal(number, twice)
    assert not equal(number, quadratic(a + 1, t, k, d))
    value = c + b * number.approximate() + a * number.approximate() ** 2
    if abs(value) > 1e-6:
        assert sign_at([c, b, a], number) == (1 if value > 0 else -1)


@given(SIDES, integers, st.sampled_from([0, 1, -1, 2]), st.sampled_from([2, 3, 5]), st.integers(1, 4))
@settings(max_examples=150, deadline=None)
def test_field_arithmetic_agrees_with_trees(text: str, w: int, t: int, k: int, d: int) -> None:
    try:
        expression = parse_expression(text)
    except InputError:
        return
    number = quadratic(w, t, k, d)
    at = evaluate_as_tree(parse_expression(f"({w}+({t})sqrt({k}))/{d}"), {})
    try:
        found = evaluate(expression, "x", number)
    except UndefinedError:
        with pytest.raises(UndefinedError):
            evaluate_as_tree(expression, {"x": at})
        return
    if found is None:
        return
    whole, times, radicand, divisor = found
    same = evaluate_as_tree(parse_expression(f"(0-({-whole})+({times})sqrt({radicand}))/{divisor}"), {})
    assert compare(same, evaluate_as_tree(expression, {"x": at})) == 0


def test_denested_roots_are_found() -> None:
    expression = parse_expression("sqrt(4+2x)")
    assert evaluate(expression, "x", quadratic(0, 1, 3, 1)) == (4, 4, 3, 4)
    assert evaluate(parse_expression("sqrt(x)"), "x", quadratic(2, 0, 0, 1)) is None
    nested = parse_equation("sqrt(5-sqrt(5+x))=x")
    root = solve("sqrt(5-sqrt(5+x))=x").roots[0]
    assert root.text == "(-1 + sqrt(17))/2"
    assert holds_at(nested, "x", root.value)
