import re

from hypothesis import given
from hypothesis import strategies as st

from practicum.tasks.equations.columns import (
    best_trial,
    difference_columns,
    product_columns,
    reduced_text,
    signed_columns,
    sum_columns,
)
from practicum.tasks.equations.steps import quotient_text, surd_text
from tests.tasks.equations.test_textbook import sides_agree

numbers = st.integers(0, 10**7)


def columns_of(text):
    """The sides before and behind the columns, and the digits that stay, units first."""
    sides, _, rest = text.partition(":")
    columns, _, result = rest.partition("=")
    assert columns[::3] == "abcdefghij"[: len(columns) // 3]
    for number in re.findall(r"(?:[a-z]\d)+", sides):
        assert number[::2] == "jihgfedcba"[-len(number) // 2 :]
    return re.sub("[a-z]", "", sides), columns[2::3], columns[1::3], result


@given(numbers, numbers)
def test_columns_hold_the_digits_of_the_result(one, other):
    large, small = max(one, other), min(one, other)
    for text, expected in (
        (sum_columns(large, small), large + small),
        (difference_columns(large, small), large - small),
    ):
        sides, digits, carries, result = columns_of(text)
        assert eval(sides) == int(result) == expected
        top = carries[-1] if "+" in sides else "0"
        assert int(top + digits[::-1]) == expected
        assert len(digits) == len(str(large))


@given(st.integers(1, 10**7), st.integers(1, 9), st.sampled_from([1, 10, 100]))
def test_a_product_is_found_column_by_column(number, times, place):
    sides, digits, carries, result = columns_of(product_columns(number, times, place))
    assert eval(sides) == int(result) == number * times * place
    assert int(carries[-1] + digits[::-1]) * place == number * times * place


@given(st.integers(-(10**6), 10**6), st.integers(-(10**6), 10**6))
def test_signed_sums_are_written_with_the_larger_first(one, other):
    sides, _, _, result = columns_of(signed_columns(one, other))
    assert eval(sides) == int(result) == one + other


@given(st.integers(1, 10**6), st.integers(1, 10**4))
def test_the_best_trial_is_the_largest_that_fits(rest, divisor):
    if rest < divisor:
        return
    trial = best_trial(rest, divisor)
    assert 1 <= trial.times <= 9
    assert divisor * trial.times * trial.place <= rest < divisor * (trial.times + 1) * trial.place


@given(st.integers(1, 999), st.integers(1, 999), st.sampled_from(["", "-"]))
def test_fractions_quotients_and_roots_are_reduced_in_true_steps(top, bottom, sign):
    from fractions import Fraction

    for text, value in (
        (reduced_text(top, bottom, sign), Fraction(int(f"{sign}{top}"), bottom)),
        (quotient_text(int(f"{sign}{top * bottom}"), bottom), Fraction(int(f"{sign}{top}"))),
    ):
        first, *others = text.split("=")
        assert all(sides_agree(first, other) for other in others)
        assert text.split("=")[-1] == str(value) or not others
    text = surd_text(top * top * 2)
    first, *others = text.split("=")
    assert all(sides_agree(first, other) for other in others)
    assert others == [] or others[-1] == f"{top}sqrt(2)"
