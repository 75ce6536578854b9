"""The sum of the real solutions of an equation with one letter parameter, as a fraction of polynomials in it.

Example: a - (a+x)/x = x becomes x^2 + (1-a)x + a = 0, x != 0. Its two roots are real where a^2 - 6a + 1 >= 0 and
their sum is then a - 1. Convention: a root counts once, so a factor that is repeated for every value of the parameter
is summed once; at the single values where two roots meet (here a = 3 ± 2 sqrt(2)) the sum of the distinct solutions
is that one root, and the fraction is not meant to hold there.
"""

from __future__ import annotations

from dataclasses import dataclass

from flint import fmpz_mpoly, fmpz_poly

from practicum.errors import InputError
from practicum.tasks.equations import algebra
from practicum.tasks.equations.algebra import Fractions, Root, real_roots, univariate
from practicum.tasks.equations.expression import Equation, Expression, Negative, ParseError, Sum
from practicum.tasks.equations.reals import show

_X, _A = algebra.generator("x"), algebra.generator("a")


@dataclass(frozen=True)
class ParametricSum:
    """The sum numerator/denominator in the parameter; both None when no value gives a real solution.

    `text` is the sum as a person would write it; `conditions` says where it holds and where it does not.
    """

    unknown: str
    parameter: str
    numerator: fmpz_mpoly | None
    denominator: fmpz_mpoly | None
    text: str
    conditions: str


def sum_of_solutions(equation: Equation, unknown: str, parameter: str) -> ParametricSum:
    """Sum the real solutions of a rational equation of degree <= 2 in the unknown (after factoring).

    Raises InputError for roots or absolute values, a factor of higher degree, or an identity.
    """
    difference = Sum((equation.left, Negative(equation.right)))
    if algebra.has_letters(difference):
        raise InputError("an equation with a parameter may hold no roots and no absolute values")
    fractions = Fractions({unknown: _X, parameter: _A}, _X**0)
    try:
        numerator, _ = fractions.convert(difference)
    except algebra.NeverDefinedError:
        return ParametricSum(unknown, parameter, None, None, "no real solutions", "a denominator is always zero")
    if numerator == 0:
        raise InputError("every number solves this equation: its solutions have no sum")
    total, under = _X * 0, _X**0
    notes: list[str] = []
    found = False
    quadratics = 0
    for factor, _ in numerator.factor()[1]:
        coefficients = _coefficients(factor)
        if len(coefficients) == 1 or any(_divides(factor, divisor) for divisor, _ in fractions.divisors):
            continue
        if len(coefficients) > 3:
            raise InputError("with a parameter, only equations of degree at most 2 in the unknown are summed")
        if len(coefficients) == 3:
            where = _where_real(coefficients, parameter)
            if where is None:
                continue
            quadratics += 1
            notes.append(where)
        found = True
        total, under = total * coefficients[-1] - coefficients[-2] * under, under * coefficients[-1]
        notes.extend(_exceptions(factor, coefficients, fractions, unknown, parameter))
    if quadratics > 1:
        raise InputError("with a parameter, only one quadratic factor is summed")
    if not found:
        text = "no real solutions"
        return ParametricSum(unknown, parameter, None, None, text, f"for no {parameter} is there a real solution")
    common = total.gcd(under)
    total, under = total // common, under // common
    text = _show_fraction(total, under, parameter)
    return ParametricSum(unknown, parameter, total, under, text, "; ".join(dict.fromkeys(notes)))


def equals_sum(solved: ParametricSum, answer: Expression) -> bool:
    """Whether an answer is the same function of the parameter; exact. Raises ParseError, LimitError."""
    fractions = Fractions({solved.parameter: _A}, _X**0)
    try:
        numerator, denominator = fractions.convert(answer)
    except KeyError as error:
        raise ParseError(f"the sum may hold no letter but {solved.parameter}, found {error.args[0]}") from error
    except algebra.NeverDefinedError:
        return False
    assert solved.numerator is not None
    difference = fractions.times(numerator, solved.denominator) - fractions.times(solved.numerator, denominator)
    return bool(fractions.reduce(difference) == 0)


def _coefficients(factor: fmpz_mpoly) -> list[fmpz_mpoly]:
    """Coefficients of powers of the unknown, constant first, each a polynomial in the parameter."""
    place = algebra.CONTEXT.variable_to_index("x")
    coefficients = [_X * 0] * (int(factor.degrees()[place]) + 1)
    for exponents, coefficient in factor.to_dict().items():
        power = int(exponents[place])
        rest = tuple(0 if index == place else exponent for index, exponent in enumerate(exponents))
        coefficients[power] += algebra.CONTEXT.from_dict({rest: coefficient})
    return coefficients


def _divides(factor: fmpz_mpoly, divisor: fmpz_mpoly) -> bool:
    return bool(divisor % factor == 0) if factor != 0 else False


def _where_real(coefficients: list[fmpz_mpoly], parameter: str) -> str | None:
    """Where the discriminant is not negative, in words; None when no interval of the parameter has that."""
    c, b, a = coefficients
    discriminant = univariate(b * b - 4 * a * c, "a")
    boundaries = algebra.ascending([root for root in real_roots(discriminant, parameter)])
    real = [discriminant(algebra.sample(boundaries, rank)) > 0 for rank in range(len(boundaries) + 1)]
    if not any(real):
        return None
    if all(real):
        return f"real for every {parameter}"
    shown = algebra.show_polynomial(discriminant // abs(discriminant.content()), parameter)
    meet = " or ".join(f"{parameter} = {root.text}" for root in boundaries)
    return (
        f"real solutions exist where {shown} >= 0, that is {_ranges(real, boundaries, parameter)}; "
        f"a double root counts once ({meet})"
    )


def _ranges(real: list[bool], boundaries: tuple[Root, ...], parameter: str) -> str:
    parts = []
    for rank, holds in enumerate(real):
        if not holds:
            continue
        low = boundaries[rank - 1].text if rank else None
        high = boundaries[rank].text if rank < len(boundaries) else None
        if low is None:
            parts.append(f"{parameter} <= {high}")
        elif high is None:
            parts.append(f"{parameter} >= {low}")
        else:
            parts.append(f"{low} <= {parameter} <= {high}")
    return " or ".join(parts)


def _exceptions(
    factor: fmpz_mpoly, coefficients: list[fmpz_mpoly], fractions: Fractions, unknown: str, parameter: str
) -> list[str]:
    """Values of the parameter at which a root leaves the domain or a solution disappears."""
    notes = []
    for divisor, text in fractions.divisors:
        if _coefficients(divisor)[1:]:
            meeting = univariate(factor.resultant(divisor, "x"), "a")
        else:
            meeting = univariate(divisor, "a")
        for root in _finite_roots(meeting, parameter):
            shown = show(text)
            notes.append(f"at {parameter} = {root.text} a root is outside the domain (the denominator {shown} is zero)")
    for root in _finite_roots(univariate(coefficients[-1], "a"), parameter):
        notes.append(f"at {parameter} = {root.text} the degree in {unknown} falls")
    return notes


def _finite_roots(polynomial: fmpz_poly, parameter: str) -> list[Root]:
    return [] if polynomial == 0 else real_roots(polynomial, parameter)


def _show_fraction(numerator: fmpz_mpoly, denominator: fmpz_mpoly, parameter: str) -> str:
    over, under = univariate(numerator, "a"), univariate(denominator, "a")
    if under.leading_coefficient() < 0:
        over, under = -over, -under
    top = algebra.show_polynomial(over, parameter)
    if under == 1:
        return top
    bottom = algebra.show_polynomial(under, parameter)
    top = f"({top})" if over.degree() > 0 else top
    return f"{top}/{bottom}" if bottom.isalnum() else f"{top}/({bottom})"
