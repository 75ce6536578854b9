"""The sum of the real solutions of an equation with one letter parameter, as a fraction of polynomials in it.

Example: a - (a+x)/x = x becomes x^2 + (1-a)x + a = 0, x != 0. Its two roots are real where a^2 - 6a + 1 >= 0
and their sum is then a - 1. Convention: a root counts once, so a factor that is repeated for every value of
the parameter is summed once; at the single values where two roots meet (here a = 3 ± 2 sqrt(2)) the sum of
the distinct solutions is that one root, and the fraction is not meant to hold there.
"""

from __future__ import annotations

from dataclasses import dataclass

from flint import fmpq, fmpz_mpoly, fmpz_poly

from practicum.errors import InputError
from practicum.exact import algebra, reals
from practicum.exact.algebra import Fractions, Root, real_roots, univariate
from practicum.exact.expression import (
    Absolute,
    Equation,
    Expression,
    LimitError,
    Name,
    Negative,
    Number,
    ParseError,
    Power,
    Product,
    Sum,
)
from practicum.exact.reals import Real, UndefinedError, show

_X, _A = algebra.generator("x"), algebra.generator("a")


_SAMPLES = tuple(
    fmpq(over, under)
    for over, under in (
        *((-20, 1), (-5, 2), (-1, 1), (-1, 3), (1, 7), (1, 2), (4, 5)),
        *((7, 6), (3, 2), (2, 1), (7, 2), (31, 3), (57, 1)),
    )
)
MAX_ROOTED_DEGREE = 8
"""Highest degree in either letter of an equation with roots and a parameter, after elimination."""
MAX_ROOTED_BITS = 40
"""Most bits of its coefficients: it is solved once for each of the values above."""


@dataclass(frozen=True)
class Branch:
    """One solution that is a root of `factor` in the unknown, with its exact values at some parameter
    values.
    """

    factor: fmpz_mpoly
    values: tuple[tuple[fmpq, Real], ...]


@dataclass(frozen=True)
class ParametricSum:
    """The sum numerator/denominator in the parameter, or the one solution on a `branch` (equations with
    roots).

    All three are None when no value of the parameter gives a real solution. `text` is the sum as a person
    would write it; `conditions` says where it holds and where it does not.
    """

    unknown: str
    parameter: str
    numerator: fmpz_mpoly | None
    denominator: fmpz_mpoly | None
    text: str
    conditions: str
    branch: Branch | None = None


def sum_of_solutions(equation: Equation, unknown: str, parameter: str) -> ParametricSum:
    """Sum the real solutions of an equation of degree <= 2 in the unknown (after clearing and factoring).

    Raises InputError for a factor of higher degree, an identity, and several solutions of an equation with
    roots.
    """
    difference = Sum((equation.left, Negative(equation.right)))
    if algebra.has_letters(difference):
        return _sum_with_roots(equation, difference, unknown, parameter)
    fractions = Fractions({unknown: _X, parameter: _A}, _X**0)
    try:
        numerator, _ = fractions.convert(difference)
    except algebra.NeverDefinedError:
        return ParametricSum(
            unknown, parameter, None, None, "no real solutions", "a denominator is always zero"
        )
    if numerator == 0:
        raise InputError("every number solves this equation: its solutions have no sum")
    total, under = _X * 0, _X**0
    notes: list[str] = []
    found = False
    quadratics = 0
    for factor in _factors(numerator):
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
        return ParametricSum(
            unknown, parameter, None, None, text, f"for no {parameter} is there a real solution"
        )
    common = total.gcd(under)
    total, under = total // common, under // common
    text = _show_fraction(total, under, parameter)
    return ParametricSum(unknown, parameter, total, under, text, "; ".join(dict.fromkeys(notes)))


def _factors(polynomial: fmpz_mpoly) -> list[fmpz_mpoly]:
    try:
        return [factor for factor, _ in polynomial.factor()[1]]
    except OverflowError as error:  # python-flint 0.9 orders factors by coefficients read as C longs
        raise LimitError("with a parameter, coefficients must stay below 2^63") from error


def equals_sum(solved: ParametricSum, answer: Expression) -> bool:
    """Whether an answer is the same function of the parameter; exact. Raises ParseError, LimitError."""
    if solved.branch is not None:
        return _is_on_branch(solved, solved.branch, answer)
    fractions = Fractions({solved.parameter: _A}, _X**0)
    try:
        numerator, denominator = fractions.convert(answer)
    except KeyError as error:
        raise ParseError(
            f"the sum may hold no letter but {solved.parameter}, found {error.args[0]}"
        ) from error
    except algebra.NeverDefinedError:
        return False
    assert solved.numerator is not None
    difference = fractions.times(numerator, solved.denominator) - fractions.times(
        solved.numerator, denominator
    )
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
    boundaries = algebra.ascending(real_roots(discriminant, parameter))
    real = [discriminant(algebra.sample(boundaries, rank)) > 0 for rank in range(len(boundaries) + 1)]
    if not any(real):
        return None
    if all(real):
        return f"real for every {parameter}"
    shown = algebra.show_polynomial(discriminant // abs(discriminant.content()), parameter)
    meet = " or ".join(f"{parameter} = {root.text}" for root in boundaries)
    where = (
        f"{shown} >= 0, that is {_ranges(real, boundaries, parameter)}"
        if shown != parameter
        else f"{shown} >= 0"
    )
    return f"real solutions exist where {where}; a double root counts once ({meet})"


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
            notes.append(
                f"at {parameter} = {root.text} a root is outside the domain (the denominator {shown} is zero)"
            )
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
    top = top if top.removeprefix("-").isalnum() else f"({top})"
    return f"{top}/{bottom}" if bottom.isalnum() else f"{top}/({bottom})"


def _sum_with_roots(
    equation: Equation, difference: Expression, unknown: str, parameter: str
) -> ParametricSum:
    """The one real solution of an equation with roots or absolute values, such as sqrt(a - sqrt(a+x)) = x.

    The norm of the equation has a factor whose root the solution is; which root, and that there is no other
    solution, is seen by solving exactly at fixed values of the parameter.
    """
    fractions = Fractions({unknown: _X, parameter: _A}, _X**0)
    try:
        numerator, _ = fractions.convert(difference)
    except algebra.NeverDefinedError:
        return ParametricSum(
            unknown, parameter, None, None, "no real solutions", "a denominator is always zero"
        )
    norm = fractions.eliminate(numerator)
    if norm == 0:
        raise InputError("infinitely many numbers may solve this equation: its solutions have no sum")
    if max(norm.degrees()) > MAX_ROOTED_DEGREE or algebra.height_bits(norm) > MAX_ROOTED_BITS:
        raise LimitError("an equation with roots and a parameter must be smaller")
    values: list[tuple[fmpq, Real]] = []
    for sample in _SAMPLES:
        number = Number(int(sample.p), int(sample.q))
        found = algebra.solve_equation(_substitute(equation, parameter, number), unknown)
        if found.pieces is not None or len(found.roots) > 1:
            raise InputError(
                f"with a parameter and roots only one solution is summed; {parameter} = {sample} has more"
            )
        values.extend((sample, root.value) for root in found.roots)
    if not values:
        raise InputError("with a parameter and roots, a real solution must exist for some parameter tried")
    for factor in _factors(norm):
        coefficients = _coefficients(factor)
        if len(coefficients) in (2, 3) and all(_vanishes(factor, sample, value) for sample, value in values):
            text = _branch_text(coefficients, values, parameter)
            shown = ", ".join(str(sample) for sample, _ in values)
            conditions = (
                f"checked exactly at {parameter} = {shown}; no real solution at the other values tried"
            )
            return ParametricSum(
                unknown, parameter, None, None, text, conditions, Branch(factor, tuple(values))
            )
    raise InputError("with a parameter and roots, the solution must have degree at most 2 throughout")


def _substitute(equation: Equation, parameter: str, number: Number) -> Equation:
    def replaced(part: Expression) -> Expression:
        if isinstance(part, Name):
            return number if part.text == parameter else part
        if isinstance(part, Sum):
            return Sum(tuple(replaced(term) for term in part.terms))
        if isinstance(part, Product):
            return Product(tuple(map(replaced, part.factors)), tuple(map(replaced, part.divisors)))
        if isinstance(part, Power):
            return Power(replaced(part.base), part.numerator, part.denominator)
        if isinstance(part, Negative):
            return Negative(replaced(part.inner))
        if isinstance(part, Absolute):
            return Absolute(replaced(part.inner))
        return part

    names = tuple(name for name in equation.names if name != parameter)
    return Equation(replaced(equation.left), replaced(equation.right), names)


def _at(polynomial: fmpz_mpoly, sample: fmpq) -> Real:
    return reals.rational(fmpq(1) * univariate(polynomial, "a")(sample) if polynomial != 0 else fmpq(0))


def _vanishes(factor: fmpz_mpoly, sample: fmpq, value: Real) -> bool:
    terms = [
        reals.multiply((_at(coefficient, sample), *([value] * power)))
        for power, coefficient in enumerate(_coefficients(factor))
    ]
    return reals.add(terms).sign() == 0


def _branch_text(coefficients: list[fmpz_mpoly], values: list[tuple[fmpq, Real]], parameter: str) -> str:
    if len(coefficients) == 2:
        return _show_fraction(-coefficients[0], coefficients[1], parameter)
    c, b, a = (univariate(coefficient, "a") for coefficient in coefficients)
    sample, value = values[-1]
    above = reals.add((value, reals.rational(fmpq(1) * b(sample) / (2 * a(sample)))))
    sign = "+" if above.sign() * (1 if a(sample) > 0 else -1) >= 0 else "-"
    surd = f"sqrt({algebra.show_polynomial(b * b - 4 * a * c, parameter)})"
    top = f"{algebra.show_polynomial(-b, parameter)} {sign} {surd}" if b != 0 else f"{sign.strip('+')}{surd}"
    bottom = algebra.show_polynomial(2 * a, parameter)
    return f"({top})/{bottom}" if bottom.isdigit() else f"({top})/({bottom})"


def _is_on_branch(solved: ParametricSum, branch: Branch, answer: Expression) -> bool:
    """Whether an answer is the solution: a root of the factor identically, and the right one at every sample.

    Two different roots of the factor meet at finitely many values only, so this proves equality on every
    interval of the parameter that holds a sample and no critical value.
    """
    for sample, value in branch.values:
        try:
            given = reals.evaluate(answer, {solved.parameter: reals.rational(sample)})
        except UndefinedError:
            return False
        except reals.UnknownNameError as error:
            raise ParseError(
                f"the sum may hold no letter but {solved.parameter}, found {error.name}"
            ) from error
        if reals.subtract(given, value).sign() != 0:
            return False
    fractions = Fractions({solved.parameter: _A}, _X**0)
    over, under = fractions.convert(answer)
    return bool(_homogeneous_value(fractions, _coefficients(branch.factor), over, under) == 0)


def _homogeneous_value(
    fractions: Fractions, coefficients: list[fmpz_mpoly], over: fmpz_mpoly, under: fmpz_mpoly
) -> fmpz_mpoly:
    """The sum of coefficient * over^power * under^(degree - power), reduced."""
    total = _X * 0
    degree = len(coefficients) - 1
    for power, coefficient in enumerate(coefficients):
        term = coefficient
        for factor in [over] * power + [under] * (degree - power):
            term = fractions.times(term, factor)
        total += term
    return fractions.reduce(total)
