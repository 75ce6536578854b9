"""Exact numbers and solving: signs that floats get wrong, root isolation, candidates that squaring adds."""

from __future__ import annotations

import math
import random

import pytest
from flint import fmpq, fmpz_poly

from practicum.exact import reals
from practicum.exact.algebra import isolate, real_roots, solve_equation
from practicum.exact.expression import LimitError, parse_equation, parse_expression
from practicum.exact.reals import Real, UndefinedError, evaluate
from practicum.exact.realsets import Piece, contains, point, same_set


def number(text: str) -> Real:
    return evaluate(parse_expression(text), {})


def texts(equation: str) -> tuple[str, ...]:
    parsed = parse_equation(equation)
    return solve_equation(parsed, parsed.names[0] if parsed.names else None).texts


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("sqrt(3+2sqrt(2))", "1+sqrt(2)"),
        ("sqrt(2)+sqrt(3)", "sqrt(5+2sqrt(6))"),
        ("cbrt(2+sqrt(5))+cbrt(2-sqrt(5))", "1"),
        ("cbrt(7+5sqrt(2))", "1+sqrt(2)"),
        ("1/(sqrt(2)-1)", "1+sqrt(2)"),
        ("sqrt(8)", "2sqrt(2)"),
        ("sqrt(1/2)", "sqrt(2)/2"),
        ("((1+sqrt(5))/2)^10", "(123+55sqrt(5))/2"),
        ("cbrt(cbrt(2)-1)", "cbrt(1/9)-cbrt(2/9)+cbrt(4/9)"),
        ("sqrt(16-2sqrt(29)+2sqrt(55-10sqrt(29)))", "sqrt(22+2sqrt(5))-sqrt(11+2sqrt(29))+sqrt(5)"),
        ("|1-sqrt(2)|", "sqrt(2)-1"),
        ("4^(1/4)", "sqrt(2)"),
        ("(-8)^(1/3)", "-2"),
    ],
)
def test_equal_numbers_are_proved_equal(left: str, right: str) -> None:
    assert reals.subtract(number(left), number(right)).sign() == 0


@pytest.mark.parametrize(
    ("smaller", "larger"),
    [
        ("1.4142135623730950488016887242096980785696", "sqrt(2)"),
        ("sqrt(1000001)+sqrt(1000025)+sqrt(1000031)+sqrt(1000084)",
        "sqrt(1000000)+sqrt(1000028)+sqrt(1000030)+sqrt(1000083)+0.1"),
        ("sqrt(10^100)", "sqrt(10^100+1)"),
        ("-cbrt(2)", "-1.25"),
        ("0", "1/10^200"),
    ],
)  # fmt: skip
def test_close_numbers_are_told_apart(smaller: str, larger: str) -> None:
    assert reals.subtract(number(smaller), number(larger)).sign() == -1


@pytest.mark.parametrize(
    "text",
    ["1/0", "0/0", "0^0", "0^-1", "sqrt(-1)", "(-1)^(1/4)", "1/(sqrt(8)-2sqrt(2))", "sqrt(1-sqrt(2))"],
)
def test_undefined_values_raise(text: str) -> None:
    with pytest.raises(UndefinedError):
        number(text)


def test_sums_of_ten_square_roots_are_refused_not_computed() -> None:
    roots = [f"sqrt({prime})" for prime in (2, 3, 5, 7, 11, 13, 17, 19, 23, 29)]
    assert number("+".join(roots)).sign() == 1
    same = reals.subtract(number("+".join(roots)), number("+".join(reversed(roots))))
    with pytest.raises(LimitError):
        same.sign()


def test_isolated_roots_are_the_roots() -> None:
    rng = random.Random(3)
    for _ in range(200):
        polynomial = fmpz_poly([rng.randint(-50, 50) for _ in range(rng.randint(4, 10))] + [7])
        for factor, _ in polynomial.factor()[1]:
            if factor.degree() < 3:
                continue
            found = [reals.algebraic(factor, *interval).approximate() for interval in isolate(factor)]
            real = [float(root.real.mid()) for root, _ in factor.complex_roots() if root.imag == 0]
            assert len(found) == len(real)
            assert all(min(abs(a - b) for b in real) < 1e-9 * max(1, abs(a)) for a in found)


def test_close_roots_are_separated_or_refused() -> None:
    # Mignotte: x^10 - 2(100x - 1)^2 has two roots within 10^-11 of 1/100.
    polynomial = fmpz_poly([0] * 10 + [1]) - 2 * fmpz_poly([-1, 100]) ** 2
    near = [root for root in real_roots(polynomial) if abs(root.value.approximate() - 0.01) < 1e-6]
    assert len(near) == 2
    assert reals.subtract(near[0].value, near[1].value).sign() != 0
    with pytest.raises(LimitError):
        real_roots(fmpz_poly([0] * 30 + [1]) - 2 * fmpz_poly([-1, 10**18]) ** 2)


@pytest.mark.parametrize(
    ("equation", "solutions"),
    [
        ("x^2 = 5x - 3", ("(5 - sqrt(13))/2", "(5 + sqrt(13))/2")),
        ("4x^2 = 8", ("-sqrt(2)", "sqrt(2)")),
        ("12x^2 - 5 = 0", ("-sqrt(15)/6", "sqrt(15)/6")),
        ("-x^2 + 4x - 1 = 0", ("2 - sqrt(3)", "2 + sqrt(3)")),
        ("x^3 = -2", ("-cbrt(2)",)),
        ("x^4 = 10x^2 - 1", ("-sqrt(5 + 2*sqrt(6))", "-sqrt(5 - 2*sqrt(6))", "sqrt(5 - 2*sqrt(6))",
        "sqrt(5 + 2*sqrt(6))")),
        ("sqrt(3 - sqrt(3+x)) = x", ("1",)),
        ("sqrt(x+1) + sqrt(2x+3) = sqrt(3x+7)", ("(-5 + sqrt(19))/4",)),
        ("cbrt(x+1) - cbrt(x-1) = 1", ("-2*sqrt(21)/9", "2*sqrt(21)/9")),
        ("sqrt(x+sqrt(x)) = 3", ("(19 - sqrt(37))/2",)),
        ("|x-1| + |x-3| = 2", ("[1, 3]",)),
        ("|x|/x = -1", ("(-oo, 0)",)),
        ("sqrt(x^2+2x+1) = |x+1|", ("all real numbers",)),
        ("x/(x^2-2) = x/(x^2-2)", ("all real numbers except -sqrt(2), sqrt(2)",)),
        ("sqrt(-x^2) = 0", ("0",)),
        ("(|x|-x)(x+5) = 0", ("{-5} ∪ [0, oo)",)),
        ("1/(x-x) = 1", ()),
        ("sqrt(-1-x^2) = x", ()),
    ],
)  # fmt: skip
def test_solutions(equation: str, solutions: tuple[str, ...]) -> None:
    assert texts(equation) == solutions


def test_roots_of_an_irreducible_cubic_are_named_by_decimal_and_polynomial() -> None:
    (text,) = texts("x^3 = x + 1")
    assert text == "1.324717957... (a root of x^3 - x - 1)"


def test_every_solution_of_random_radical_equations_satisfies_them_in_floats() -> None:
    rng = random.Random(11)
    solved = 0
    for _ in range(300):
        a, b, c, d, e = (rng.randint(-9, 9) for _ in range(5))
        parsed = parse_equation(f"sqrt({a}x+{b}) + |{c}x-{d}| = x+{e}")
        found = solve_equation(parsed, "x")
        for root in found.roots:
            x = root.value.approximate()
            left = math.sqrt(max(a * x + b, 0)) + abs(c * x - d)
            assert left == pytest.approx(x + e, abs=1e-6)
            solved += 1
    assert solved > 50


def test_sets_compare_by_their_numbers() -> None:
    zero, one, root_two = (number(text) for text in ("0", "1", "sqrt(2)"))
    halves = [Piece(None, False, one, True), Piece(one, False, None, False)]
    everything = [Piece(None, False, None, False)]
    assert same_set(halves, everything)
    assert not same_set(halves, everything, [zero])
    assert same_set([Piece(None, False, zero, False), Piece(zero, False, None, False)], everything, [zero])
    assert same_set([point(root_two), point(one)], [point(one), point(number("2/sqrt(2)"))])
    assert contains([Piece(zero, False, root_two, True)], root_two)
    assert not contains([Piece(zero, False, root_two, True)], zero)
    assert reals.rational(fmpq(1, 3)).sign() == 1
