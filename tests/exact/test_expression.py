"""The parser: precedence, spellings, and that everything over a limit is refused by name."""

from __future__ import annotations

import contextlib

import pytest
from flint import fmpq
from hypothesis import given
from hypothesis import strategies as st

from practicum.errors import InputError
from practicum.exact.expression import (
    MAX_CHARACTERS,
    MAX_DEPTH,
    Equation,
    LimitError,
    Name,
    Number,
    ParseError,
    Product,
    parse_equation,
    parse_expression,
)
from practicum.exact.reals import evaluate, rational, show

HALF = rational(fmpq(3, 2))


def value(text: str) -> fmpq:
    """The value with every letter replaced by 3/2."""
    result = evaluate(parse_expression(text), dict.fromkeys(("x", "y", "theta", "x_1", "e", "foo"), HALF))
    assert result.rational is not None
    return result.rational


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2x", "3"), ("2(x+1)", "5"), ("(x-1)(x+1)", "5/4"), ("x(x-1)", "3/4"), ("-x^2", "-9/4"), ("(-x)^2",
        "9/4"),
        ("2^3^2", "512"), ("2**3", "8"), ("x²", "9/4"), ("x⁻¹", "2/3"), ("x^-1", "2/3"), ("x^{2}", "9/4"),
        ("1/2x", "3/4"),
        ("1/2/3", "1/6"), ("2-3-4", "-5"), ("2--3", "5"), ("2+-3", "-1"), ("2*-3", "-6"), ("--x", "3/2"),
        ("+x", "3/2"),
        ("0.25", "1/4"), (".5", "1/2"), ("1.5x", "9/4"), ("½x", "3/4"), (r"\frac{1}{2}", "1/2"),
        (r"\dfrac12", "1/2"),
        (r"\frac1{4}", "1/4"), (r"\frac{x}{3}", "1/2"), (r"\frac x3", "1/2"), (r"2\cdot3", "6"),
        (r"2\times 3", "6"),
        ("6÷4", "3/2"), ("2·3×4", "24"), ("5−2", "3"), ("5–2", "3"), ("√4", "2"), ("√(4)", "2"), ("sqrt 4",
        "2"),
        ("sqrt4x", "3"), ("√9+16", "19"), (r"\sqrt{9}", "3"), (r"\sqrt[3]{8}", "2"), ("cbrt(-8)", "-2"),
        ("∛27", "3"),
        ("∜16", "2"), ("8^(1/3)", "2"), ("(-8)^(2/3)", "4"), ("4^{0.5}", "2"), ("4^(-1/2)", "1/2"), ("|x-2|",
        "1/2"),
        ("abs(x-2)", "1/2"), ("||x-2|-1|", "1/2"), ("2|x-2|", "1"), ("|x-2||x-3|", "3/4"),
        (r"\left|x-2\right|", "1/2"),
        (r"\left(x+1\right)\left(x-1\right)", "5/4"), ("[x+1]*2", "5"), ("{x+1}{2}", "5"), ("θ+1", "5/2"),
        (r"\theta", "3/2"),
        ("x_1", "3/2"), ("x₁", "3/2"), ("x_{1}", "3/2"), ("2foo", "3"), ("xy", "9/4"), ("2xsqrt(4)", "6"),
        ("sqrtx^0", "1"),
        ("$x$", "3/2"), (r"\(x\)", "3/2"), (r"x\,y", "9/4"), ("sqrt(2)*sqrt(0)", "0"), ("2{3}", "6"),
    ],
)  # fmt: skip
def test_values(text: str, expected: str) -> None:
    numerator, _, denominator = expected.partition("/")
    assert value(text) == fmpq(int(numerator), int(denominator or 1))


def test_equation_lists_its_names_in_order() -> None:
    assert parse_equation("a - (a+x)/x = x").names == ("a", "x")
    assert parse_equation("1 = 2") == Equation(Number(1), Number(2), ())
    assert parse_equation("x y = 1").left == Product((Name("x"), Name("y")))
    assert parse_equation("x = 3.") == Equation(Name("x"), Number(3), ("x",))


@pytest.mark.parametrize(
    "text",
    ["", "+", "2 +", "(1", "1)", "|1", "2^", "x2", "1e3", "1 2", "2 1/2", r"2\frac{1}{2}", "2½", "2^x", "x!",
    "5%", "\x00",
     "\ud800", "١", r"\sin x", "007", "_1", "sqrt", r"\frac{1}", "1..2", "x''", "@", "{1, 2}", "a = b", "😀",
     "2^sqrt(2)",
     "2^(1/0)", "0^0^0 1"],
)  # fmt: skip
def test_refused_as_unparseable(text: str) -> None:
    with pytest.raises(ParseError):
        parse_expression(text)


@pytest.mark.parametrize(
    "text",
    ["1" * (MAX_CHARACTERS + 1), "1" * 61, "(" * (MAX_DEPTH + 1) + "1" + ")" * (MAX_DEPTH + 1), "x^1000",
    "x^(1/13)",
     "10^{10^{10}}", "9^{9^{9^9}}", "sqrt " * 25 + "2",
     "-(" * 30 + "1" + ")" * 30, "1/(" * 30 + "1" + ")" * 30, "2" + "^2" * 40,
     r"\frac{1}{" * 30 + "1" + "}" * 30, "|" * 30 + "x", r"\sqrt[99]{2}"],
)  # fmt: skip
def test_refused_over_a_limit(text: str) -> None:
    with pytest.raises(LimitError):
        parse_expression(text)


def test_errors_point_into_the_text() -> None:
    with pytest.raises(ParseError, match="'@' at position 5"):
        parse_expression("x + @")
    with pytest.raises(ParseError, match="position 7"):
        parse_expression("x + (1] + 2")
    with pytest.raises(ParseError, match="inequality"):
        parse_equation("x > 2")
    with pytest.raises(ParseError, match="has 2"):
        parse_equation("x = 1 = 2")


expressions = st.recursive(
    st.sampled_from(["x", "1", "2", "7", "0.5"]),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from("+-*/"), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        inner.map(lambda t: f"-({t})"),
        inner.map(lambda t: f"|{t}|"),
        st.tuples(inner, st.sampled_from("23")).map(lambda t: f"({t[0]})^{t[1]}"),
    ),
    max_leaves=8,
)


@given(expressions)
def test_shown_text_reads_back_as_the_same_value(text: str) -> None:
    try:
        once = value(text)
    except (ArithmeticError, InputError):
        return
    assert value(show(parse_expression(text))) == once


@given(st.text(max_size=300))
def test_any_text_is_read_or_refused(text: str) -> None:
    for read in (parse_expression, parse_equation):
        with contextlib.suppress(InputError):
            read(text)
