"""Bounds hold the value, and what they decide is what exact arithmetic decides."""

from __future__ import annotations

import pytest
from flint import fmpq, fmpz_poly
from hypothesis import given, settings
from hypothesis import strategies as st

from practicum.errors import InputError
from practicum.exact import reals
from practicum.exact.algebra import _holds_at_root, _quadratic_roots, holds_at
from practicum.exact.bounds import BITS, Interval, UndecidedError, bound, differ, sides
from practicum.exact.expression import LimitError, parse_equation, parse_expression
from practicum.exact.quadratic import Quadratic, quadratic
from practicum.exact.reals import Real, UndefinedError

NUMBERS = st.builds(
    quadratic, st.integers(-60, 60), st.integers(-3, 3), st.sampled_from([2, 3, 5, 8]), st.integers(1, 4)
)
SIDES = st.recursive(
    st.sampled_from(["x", "x", "2x", "1", "0", "2", "1/3", "105/4", "7"]),
    lambda inner: st.one_of(
        st.builds("{}{}{}".format, inner, st.sampled_from(["+", "-", "*"]), inner),
        st.builds("({})/({})".format, inner, inner),
        st.builds("({})^{}".format, inner, st.sampled_from("123")),
        st.builds("sqrt({})".format, inner),
        st.builds("sqrt({})".format, inner),
        st.builds("|{}|".format, inner),
        st.builds("-({})".format, inner),
    ),
    max_leaves=6,
)


def tree(number: Quadratic) -> Real:
    """The number as `reals.py` has it, made by parsing its text."""
    whole, times, radicand, divisor = number
    return reals.evaluate(parse_expression(f"({whole}+({times})*sqrt({radicand}))/{divisor}"), {})


@given(SIDES, NUMBERS)
@settings(max_examples=400, deadline=None)
def test_the_value_is_within_its_bounds_and_a_fraction_is_exact(text: str, number: Quadratic) -> None:
    try:
        expression = parse_expression(text)
        value: Real | None = reals.evaluate(expression, {"x": tree(number)})
    except UndefinedError:
        value = None
    except (InputError, LimitError):
        return
    try:
        found = bound(expression, "x", number)
    except UndefinedError:
        assert value is None
    except UndecidedError:
        pass
    else:
        assert value is not None
        scaled = reals.multiply((value, reals.rational(fmpq(1 << BITS))))
        low, high = found if isinstance(found, Interval) else (found * (1 << BITS),) * 2
        for end, sign in ((low, 1), (high, -1)):
            assert sign * reals.subtract(scaled, reals.rational(fmpq(1) * end)).sign() >= 0


@given(SIDES, SIDES, st.integers(-9, 9), st.integers(-9, 9), st.integers(1, 4))
@settings(max_examples=200, deadline=None)
def test_a_candidate_is_kept_or_rejected_as_exact_arithmetic_does(
    left: str, right: str, constant: int, linear: int, leading: int
) -> None:
    try:
        equation = parse_equation(f"{left}={right}")
    except InputError:
        return
    for root in _quadratic_roots(fmpz_poly([constant, linear, leading]), "x"):
        try:
            exact = holds_at(equation, "x", root.value)
        except LimitError:
            continue
        assert _holds_at_root(equation, "x", root) == exact


@pytest.mark.parametrize(
    ("left", "right", "decided"),
    [
        ("sqrt(2)+sqrt(3)", "sqrt(5+2sqrt(6))", False),
        ("sqrt(2)+sqrt(3)", "sqrt(5+2sqrt(6))+1/1000000000000000", True),
        ("sqrt(2)+sqrt(3)", "sqrt(5+2sqrt(6))+1/1000000000000000000000000000000", False),
        ("2", "4/2", False),
        ("1/3", "3333333333333333333/10000000000000000000", True),
    ],
)
def test_only_numbers_apart_are_told_apart(left: str, right: str, decided: bool) -> None:
    found = [bound(parse_expression(text), "x", quadratic(0, 0, 0, 1)) for text in (left, right)]
    assert differ(*found) is decided


@pytest.mark.parametrize(
    ("equation", "number", "said"),
    [
        ("sqrt(x) = x", quadratic(-2, 0, 0, 1), "an even root of x, which is negative, is not real"),
        ("1/(x-2) = sqrt(3)", quadratic(2, 0, 0, 1), "the denominator x - 2 is zero"),
        ("sqrt(x+1) = x", quadratic(1, 0, 0, 1), ("about 1.41421", "1")),
        ("x^2 = 1/2", quadratic(0, 1, 2, 1), ("about 2", "1/2")),
        # It is 0, but six digits of an interval around 0 are not known.
        ("x - sqrt(2) = 1", quadratic(0, 1, 2, 1), None),
    ],
)
def test_sides_in_words(equation: str, number: Quadratic, said: object) -> None:
    assert sides(parse_equation(equation), "x", number) == said
