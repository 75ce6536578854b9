"""Solve one equation in one unknown over the real numbers, exactly.

Equations without roots and absolute values become one fraction N/D of integer polynomials: the solutions are
the real roots of N at which no divisor of the text is zero. Every square root, n-th root and absolute value
becomes a new letter s with s^n = A (|A| is s with s^2 = A^2); eliminating the letters by norms gives one
polynomial P(x) whose roots include all solutions, and each root is then substituted into the equation as
written and judged by exact arithmetic (see reals.py). So squaring may add candidates but never solutions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, cmp_to_key
from typing import Any, TypeAlias

from flint import Ordering, fmpq, fmpz, fmpz_mpoly, fmpz_mpoly_ctx, fmpz_poly

from practicum.exact import bounds, reals
from practicum.exact.expression import (
    Absolute,
    Equation,
    Expression,
    LimitError,
    Name,
    Negative,
    Number,
    Power,
    Product,
    Sum,
)
from practicum.exact.quadratic import Quadratic, equal, evaluate
from practicum.exact.quadratic import real_roots as quadratic_roots
from practicum.exact.reals import Real, UndefinedError, show
from practicum.exact.realsets import Piece, between, compare, pieces_of

MAX_DEGREE = 32
"""Highest degree of a polynomial that is solved or formed on the way."""
MAX_COEFFICIENT_BITS = 1500
"""Most bits in a coefficient of such a polynomial."""
MAX_TERMS = 600
"""Most terms of a polynomial in several letters (equations with roots or absolute values)."""
MAX_LETTERS = 5
"""Most distinct roots and absolute values in one equation."""
MAX_CHOICES_OF_LETTERS = 36
"""Largest product of their indices (an absolute value counts as 2)."""
MAX_ISOLATION_WORK = 1_000_000
"""Most work to separate the real roots of one polynomial: degree times bits, summed over the bisections."""

Polynomial: TypeAlias = Any
"""fmpz_poly where the unknown is the only letter, else fmpz_mpoly (python-flint ships no types)."""

_LETTERS = [f"s{index}" for index in reversed(range(MAX_LETTERS))]
CONTEXT = fmpz_mpoly_ctx.get((*_LETTERS, "t", "x", "a"), Ordering.lex)
_GENERATORS = dict(zip((*_LETTERS, "t", "x", "a"), CONTEXT.gens(), strict=True))
_X = _GENERATORS["x"]


def generator(name: str) -> fmpz_mpoly:
    """The unknown "x" or the parameter "a" as a polynomial."""
    return _GENERATORS[name]


class NeverDefinedError(ArithmeticError):
    """A divisor is zero for every value of the unknown, so the equation is never defined."""


@dataclass(frozen=True)
class Relation:
    """The letter `name` stands for s with s^index = value; for |A|, index 2 and value A^2."""

    name: str
    index: int
    value: fmpz_mpoly


class Fractions:
    """Turns expressions into fractions (numerator, denominator) of integer polynomials, within limits.

    `divisors` collects the numerators of everything the text divides by, with the text itself.
    """

    def __init__(self, generators: dict[str, Polynomial], one: Polynomial) -> None:
        self.generators = generators
        self.one = one
        self.divisors: list[tuple[Polynomial, Expression]] = []
        self.relations: list[Relation] = []
        self.radicands: list[Polynomial] = []

    def convert(self, expression: Expression) -> tuple[Polynomial, Polynomial]:
        """The fraction equal to `expression` wherever it is defined. Raises LimitError, NeverDefinedError."""
        if isinstance(expression, Number):
            return self.one * expression.numerator, self.one * expression.denominator
        if isinstance(expression, Name):
            return self.generators[expression.text], self.one
        if isinstance(expression, Negative):
            numerator, denominator = self.convert(expression.inner)
            return -numerator, denominator
        if isinstance(expression, Sum):
            return self._sum([self.convert(term) for term in expression.terms])
        if isinstance(expression, Product):
            return self._product(expression)
        if isinstance(expression, Power):
            return self._power(expression)
        if isinstance(expression, Absolute):
            return self._absolute(expression)
        raise AssertionError(f"no rule for {type(expression).__name__}")

    def _sum(self, terms: list[tuple[Polynomial, Polynomial]]) -> tuple[Polynomial, Polynomial]:
        numerator, denominator = terms[0]
        for over, under in terms[1:]:
            if under == denominator:
                numerator = numerator + over
            else:
                numerator = self.times(numerator, under) + self.times(over, denominator)
                denominator = self.times(denominator, under)
        return self._cancel(numerator, denominator)

    def _product(self, expression: Product) -> tuple[Polynomial, Polynomial]:
        numerator, denominator = self.one, self.one
        for factor in expression.factors:
            over, under = self.convert(factor)
            numerator, denominator = self.times(numerator, over), self.times(denominator, under)
        for divisor in expression.divisors:
            over, under = self.convert(divisor)
            self._divide_by(over, divisor)
            numerator, denominator = self.times(numerator, under), self.times(denominator, over)
        return self._cancel(numerator, denominator)

    def _divide_by(self, polynomial: Polynomial, text: Expression) -> None:
        if polynomial == 0:
            raise NeverDefinedError(f"the denominator {show(text)} is always zero")
        if not polynomial.is_constant():
            self.divisors.append((polynomial, text))

    def _power(self, expression: Power) -> tuple[Polynomial, Polynomial]:
        numerator, denominator = self.convert(expression.base)
        if expression.denominator > 1:
            numerator, denominator = self._root(numerator, denominator, expression.denominator)
        exponent = expression.numerator
        if exponent <= 0:
            self._divide_by(numerator, expression.base)
            numerator, denominator = denominator, numerator
        exponent = abs(exponent)
        return self._raise(numerator, exponent), self._raise(denominator, exponent)

    def _raise(self, base: Polynomial, exponent: int) -> Polynomial:
        result = self.one
        while exponent:
            if exponent & 1:
                result = self.times(result, base)
            exponent >>= 1
            if exponent:
                base = self.times(base, base)
        return result

    def times(self, left: Polynomial, right: Polynomial) -> Polynomial:
        """The product, with known powers of the letters reduced; LimitError before it grows too large."""
        if left == 1:
            return right
        if right == 1:
            return left
        if isinstance(left, fmpz_poly):
            if left.degree() + right.degree() > MAX_DEGREE:
                raise LimitError(f"a polynomial of degree over {MAX_DEGREE}")
            if left.height_bits() + right.height_bits() > MAX_COEFFICIENT_BITS:
                raise LimitError(f"a polynomial with coefficients of over {MAX_COEFFICIENT_BITS} bits")
            return left * right
        if len(left) * len(right) > 8 * MAX_TERMS:
            raise LimitError(f"an expression with over {MAX_TERMS} terms")
        return self.reduce(left * right)

    def reduce(self, polynomial: fmpz_mpoly) -> fmpz_mpoly:
        """Replace s^n by its value for every letter, latest letters first; raises LimitError over a limit."""
        for relation in reversed(self.relations):
            letter = _GENERATORS[relation.name]
            polynomial = polynomial % (letter**relation.index - relation.value)
        check_size(polynomial)
        return polynomial

    def _cancel(self, numerator: Polynomial, denominator: Polynomial) -> tuple[Polynomial, Polynomial]:
        if denominator == 1:
            return numerator, denominator
        common = numerator.gcd(denominator)
        if common != 1:
            numerator, denominator = numerator // common, denominator // common
        if not isinstance(denominator, fmpz_poly) or denominator.leading_coefficient() > 0:
            return numerator, denominator
        return -numerator, -denominator

    def _root(
        self, numerator: Polynomial, denominator: Polynomial, index: int
    ) -> tuple[Polynomial, Polynomial]:
        """The root of N/D is s/D with s^n = N D^(n-1)."""
        value = self.times(numerator, self._raise(denominator, index - 1))
        self.radicands.append(value)
        if value.is_constant():
            constant = fmpz(int(value.leading_coefficient())) if value != 0 else fmpz(0)
            if constant >= 0 or index % 2:
                sign = -1 if constant < 0 else 1
                outside, inside = (
                    reals.extract_powers(abs(constant), index) if constant else (fmpz(0), fmpz(1))
                )
                if inside == 1:
                    return self.one * int(sign * outside), denominator
                return self._letter(index, self.one * int(inside)) * int(sign * outside), denominator
        return self._letter(index, value), denominator

    def _absolute(self, expression: Absolute) -> tuple[Polynomial, Polynomial]:
        numerator, denominator = self.convert(expression.inner)
        self.radicands.append(numerator)
        if numerator.is_constant() and denominator.is_constant():
            return (
                (-numerator, denominator) if numerator.leading_coefficient() < 0 else (numerator, denominator)
            )
        return self._letter(2, self.times(numerator, numerator)), denominator

    def _letter(self, index: int, value: fmpz_mpoly) -> fmpz_mpoly:
        for relation in self.relations:
            if relation.index == index and relation.value == value:
                return _GENERATORS[relation.name]
        if len(self.relations) == MAX_LETTERS:
            raise LimitError(f"more than {MAX_LETTERS} different roots and absolute values")
        if math.prod(relation.index for relation in self.relations) * index > MAX_CHOICES_OF_LETTERS:
            raise LimitError("too many different roots of high index")
        name = f"s{len(self.relations)}"
        self.relations.append(Relation(name, index, value))
        return _GENERATORS[name]

    def eliminate(self, polynomial: fmpz_mpoly) -> fmpz_mpoly:
        """The norm: the product of `polynomial` over all choices of the letters, free of them up to a
        factor.
        """
        for relation in reversed(self.relations):
            polynomial = self._norm(self.reduce(polynomial), relation)
            content = polynomial.content() if polynomial != 0 else fmpz(1)
            if content > 1:
                polynomial = polynomial // int(content)
        return polynomial

    def _norm(self, polynomial: fmpz_mpoly, relation: Relation) -> fmpz_mpoly:
        letter = _GENERATORS[relation.name]
        constant_part = polynomial.subs({relation.name: 0})
        if polynomial == constant_part:
            return polynomial
        self._check_norm_size(polynomial, relation)
        if relation.index == 2:
            rest = (polynomial - constant_part) // letter
            return self.times(constant_part, constant_part) - self.times(
                self.times(rest, rest), relation.value
            )
        norm = (letter**relation.index - relation.value).resultant(polynomial, relation.name)
        check_size(norm)
        return norm

    def _check_norm_size(self, polynomial: fmpz_mpoly, relation: Relation) -> None:
        """Refuse a norm whose degree or coefficients may pass the limits, before any work."""
        place, letter = CONTEXT.variable_to_index("x"), CONTEXT.variable_to_index(relation.name)
        times = int(polynomial.degrees()[letter])
        degree = relation.index * int(polynomial.degrees()[place])
        bits = relation.index * height_bits(polynomial)
        if relation.value != 0:
            degree += times * int(relation.value.degrees()[place])
            bits += times * height_bits(relation.value)
        if degree > 2 * MAX_DEGREE or bits > MAX_COEFFICIENT_BITS or relation.index * len(polynomial) > 120:
            raise LimitError("eliminating the roots leads to too large a polynomial")


def height_bits(polynomial: fmpz_mpoly) -> int:
    """Bits of the largest coefficient."""
    return max((abs(int(coefficient)).bit_length() for coefficient in polynomial.coeffs()), default=0)


def check_size(polynomial: fmpz_mpoly) -> None:
    """Raise LimitError when a polynomial in several letters is over the limits."""
    if len(polynomial) > MAX_TERMS:
        raise LimitError(f"an expression with over {MAX_TERMS} terms")
    if polynomial != 0:
        if max(polynomial.degrees()) > MAX_DEGREE:
            raise LimitError(f"a polynomial of degree over {MAX_DEGREE}")
        if height_bits(polynomial) > MAX_COEFFICIENT_BITS:
            raise LimitError(f"a polynomial with coefficients of over {MAX_COEFFICIENT_BITS} bits")


def univariate(polynomial: fmpz_mpoly, name: str = "x") -> fmpz_poly:
    """A polynomial in one letter only, as fmpz_poly."""
    place = CONTEXT.variable_to_index(name)
    coefficients = [fmpz(0)] * (int(polynomial.degrees()[place]) + 1)
    for exponents, coefficient in polynomial.to_dict().items():
        coefficients[int(exponents[place])] = coefficient
    return fmpz_poly(coefficients)


# -- real roots --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Root:
    """A real algebraic number: a root of an irreducible integer polynomial in the letter `name`.

    `number` is the root of a polynomial of degree 1 or 2, `algebraic` that of one of higher degree.
    """

    polynomial: fmpz_poly
    name: str
    number: Quadratic | None = None
    algebraic: Real | None = None

    @cached_property
    def value(self) -> Real:
        """The root as a number of `reals.py`."""
        if self.number is None:
            assert self.algebraic is not None
            return self.algebraic
        whole, times, radicand, divisor = self.number
        rational = reals.rational(fmpq(whole, divisor))
        if not times:
            return rational
        surd = reals.root(reals.rational(fmpq(times * times * radicand, divisor * divisor)), 2)
        return reals.add((rational, surd)) if times > 0 else reals.subtract(rational, surd)

    @cached_property
    def text(self) -> str:
        """What a person would write: "1/2", "2 + sqrt(3)", else a decimal and the polynomial."""
        if self.number is None:
            return _closed_form(self.polynomial, self.value, self.name)
        return number_text(self.number)


def real_roots(polynomial: fmpz_poly, name: str = "x") -> list[Root]:
    """The distinct real roots, in no particular order. Raises LimitError when they lie too close together."""
    roots: list[Root] = []
    for factor, _ in polynomial.factor()[1]:
        degree = factor.degree()
        if degree in (1, 2):
            roots.extend(_quadratic_roots(factor, name))
        elif degree > 2:
            for low, high, bits in isolate(factor):
                roots.append(Root(factor, name, None, reals.algebraic(factor, low, high, bits)))
    return roots


def _quadratic_roots(factor: fmpz_poly, name: str) -> list[Root]:
    positive = factor if factor.leading_coefficient() > 0 else -factor
    coefficients = [int(coefficient) for coefficient in positive.coeffs()]
    return [Root(factor, name, number) for number in quadratic_roots(coefficients)]


def number_text(number: Quadratic) -> str:
    """What a person would write: "1/2", "2 + sqrt(3)", "(5 - sqrt(13))/2"."""
    if not number.times:
        return str(fmpq(number.whole, number.divisor))
    outside, inside = reals.extract_powers(fmpz(number.radicand), 2)
    return surd_text(fmpz(number.whole), number.times * outside, inside, fmpz(number.divisor))


def surd_text(constant: fmpz, factor: fmpz, inside: fmpz, divisor: fmpz) -> str:
    """(constant + factor*sqrt(inside)) / divisor in lowest terms, such as "(5 - sqrt(13))/2" or "2 +
    sqrt(3)".
    """
    common = constant.gcd(factor).gcd(divisor)
    if divisor < 0:
        common = -common
    constant, factor, divisor = constant // common, factor // common, divisor // common
    surd = f"sqrt({inside})" if abs(factor) == 1 else f"{abs(factor)}*sqrt({inside})"
    if constant:
        top = f"{constant} {'-' if factor < 0 else '+'} {surd}"
        return top if divisor == 1 else f"({top})/{divisor}"
    top = f"-{surd}" if factor < 0 else surd
    return top if divisor == 1 else f"{top}/{divisor}"


def _closed_form(factor: fmpz_poly, value: Real, name: str) -> str:
    """A root by radicals where one root sign or two square roots do, else a decimal with the polynomial."""
    degree = factor.degree()
    coefficients = factor.coeffs()
    if not any(coefficients[1:-1]):
        number = fmpq(-coefficients[0], coefficients[-1])
        magnitude = abs(number)
        written = f"cbrt({magnitude})" if degree == 3 else f"({magnitude})^(1/{degree})"
        return written if value.sign() > 0 else f"-{written}"
    if degree == 4 and not coefficients[1] and not coefficients[3]:
        square = reals.multiply((value, value))
        for root in _quadratic_roots(fmpz_poly(coefficients[::2]), name):
            if reals.subtract(square, root.value).sign() == 0:
                return f"{'-' if value.sign() < 0 else ''}sqrt({root.text})"
    return f"{value.approximate():.10g}... (a root of {show_polynomial(factor, name)})"


def show_polynomial(polynomial: fmpz_poly, name: str) -> str:
    """Highest power first, as people write it: "2x^2 - x + 3"."""
    text = ""
    coefficients = polynomial.coeffs()
    for power in range(len(coefficients) - 1, -1, -1):
        coefficient = coefficients[power]
        if not coefficient:
            continue
        letters = "" if power == 0 else name if power == 1 else f"{name}^{power}"
        times = "*" if letters and len(name) > 1 else ""
        size = "" if abs(coefficient) == 1 and letters else f"{abs(coefficient)}{times}"
        sign = ("-" if coefficient < 0 else "") if not text else (" - " if coefficient < 0 else " + ")
        text += f"{sign}{size}{letters}"
    return text or "0"


def isolate(polynomial: fmpz_poly) -> list[tuple[fmpz, fmpz, int]]:
    """Intervals (low, high, bits), low/2^bits < root < high/2^bits, one for each real root.

    `polynomial` is irreducible of degree 3 or more, so no root is rational. Bisection by Descartes' rule of
    signs (Collins & Akritas 1976). Raises LimitError after MAX_ISOLATION_WORK.
    """
    bound = reals.root_bound_log2(polynomial)
    degree = polynomial.degree()
    found: list[tuple[fmpz, fmpz, int]] = []
    work = 0
    for mirrored in (False, True):
        coefficients = polynomial.coeffs()
        if mirrored:
            coefficients = [-value if power % 2 else value for power, value in enumerate(coefficients)]
        scaled = fmpz_poly([value << (bound * power) for power, value in enumerate(coefficients)])
        pending = [(fmpz(0), 0, scaled)]
        while pending:
            low, bits, inside = pending.pop()
            changes = _sign_changes((fmpz_poly(inside.coeffs()[::-1]))(_SHIFT))
            if changes == 1:
                shift = max(bound - bits, 0)
                ends = (low << shift, (low + 1) << shift)
                found.append(
                    (-ends[1], -ends[0], max(bits - bound, 0)) if mirrored else (*ends, max(bits - bound, 0))
                )
            elif changes:
                work += degree * inside.height_bits()
                if work > MAX_ISOLATION_WORK:
                    raise LimitError("real roots too close together")
                half = fmpz_poly([value << (degree - power) for power, value in enumerate(inside.coeffs())])
                pending.append((2 * low, bits + 1, half))
                pending.append((2 * low + 1, bits + 1, half(_SHIFT)))
    return found


_SHIFT = fmpz_poly([1, 1])


def _sign_changes(polynomial: fmpz_poly) -> int:
    changes, last = 0, 0
    for coefficient in polynomial.coeffs():
        sign = (coefficient > 0) - (coefficient < 0)
        if sign and sign == -last:
            changes += 1
        last = sign or last
    return changes


# -- equations ---------------------------------------------------------------------------------------------


def has_letters(expression: Expression) -> bool:
    """Whether there is a root or an absolute value anywhere in the expression."""
    if isinstance(expression, Absolute):
        return True
    if isinstance(expression, Power):
        return expression.denominator > 1 or has_letters(expression.base)
    if isinstance(expression, Negative):
        return has_letters(expression.inner)
    if isinstance(expression, Sum):
        return any(has_letters(term) for term in expression.terms)
    if isinstance(expression, Product):
        return any(has_letters(part) for part in (*expression.factors, *expression.divisors))
    return False


@dataclass(frozen=True)
class Solved:
    """What solving found: finitely many `roots` ascending, or (when `pieces` is not None) points and
    intervals.

    `polynomial` is what clearing divisors, roots and absolute values leads to (None: nothing sensible);
    `rejected` are its real roots that do not satisfy the equation as written. `texts` says the solutions in
    words.
    """

    roots: tuple[Root, ...]
    pieces: tuple[Piece, ...] | None
    polynomial: fmpz_poly | None
    rejected: tuple[Root, ...]
    texts: tuple[str, ...]


def solve_equation(equation: Equation, unknown: str | None) -> Solved:
    """All real solutions of an equation in one unknown (or none). Raises LimitError."""
    difference = Sum((equation.left, Negative(equation.right)))
    letters = has_letters(difference)
    if letters:
        fractions = Fractions({} if unknown is None else {unknown: _X}, _X**0)
    else:
        fractions = Fractions({} if unknown is None else {unknown: fmpz_poly([0, 1])}, fmpz_poly([1]))
    try:
        numerator, _ = fractions.convert(difference)
    except NeverDefinedError:
        return Solved((), None, None, (), ())
    norm = fractions.eliminate(numerator) if letters else numerator
    if norm == 0:
        return _solve_by_cells(equation, unknown, fractions, numerator)
    polynomial = univariate(norm) if letters else norm
    polynomial = polynomial // (polynomial.content() * (1 if polynomial.leading_coefficient() > 0 else -1))
    divisors = [] if fractions.relations else [divisor for divisor, _ in fractions.divisors]
    if letters:
        divisors = [univariate(divisor) for divisor in divisors]
    kept: list[Root] = []
    rejected: list[Root] = []
    for root in real_roots(polynomial, unknown or "x"):
        if fractions.relations:
            holds = _holds_at_root(equation, unknown, root)
        else:
            holds = all(divisor % root.polynomial != 0 for divisor in divisors)
        (kept if holds else rejected).append(root)
    roots = ascending(kept)
    return Solved(roots, None, polynomial, ascending(rejected), tuple(root.text for root in roots))


def _compare_roots(left: Root, right: Root) -> int:
    if left.number is not None and right.number is not None:
        difference = left.number.scaled() - right.number.scaled()
        if abs(difference) > 4:
            return 1 if difference > 0 else -1
    return compare(left.value, right.value)


def ascending(roots: list[Root]) -> tuple[Root, ...]:
    """Distinct real numbers in order."""
    if len(roots) < 2:
        return tuple(roots)
    return tuple(sorted(roots, key=cmp_to_key(_compare_roots)))


def sample(roots: tuple[Root, ...], rank: int) -> fmpq:
    """A rational number between the ascending roots number rank-1 and rank (beyond the ends: outside)."""
    return between(roots[rank - 1].value if rank else None, roots[rank].value if rank < len(roots) else None)


def _holds_at_root(equation: Equation, unknown: str | None, root: Root) -> bool:
    """The same as `holds_at`, sooner at a root of degree 1 or 2: where both sides stay in its field, and
    where bounds prove that they differ or that one of them has no value.
    """
    number = root.number
    if number is None:
        return holds_at(equation, unknown, root.value)
    try:
        left = evaluate(equation.left, unknown, number)
        right = evaluate(equation.right, unknown, number)
        if left is not None and right is not None:
            return equal(left, right)
        if bounds.differ(
            bounds.bound(equation.left, unknown, number), bounds.bound(equation.right, unknown, number)
        ):
            return False
    except UndefinedError:
        return False
    except bounds.UndecidedError:
        pass
    return holds_at(equation, unknown, root.value)


def holds_at(equation: Equation, unknown: str | None, value: Real) -> bool:
    """Whether the equation, as written, is defined and true at a number; exact."""
    values = {} if unknown is None else {unknown: value}
    memo: dict[Expression, Real] = {}
    try:
        left = reals.evaluate(equation.left, values, (), memo)
        right = reals.evaluate(equation.right, values, (), memo)
    except UndefinedError:
        return False
    return reals.subtract(left, right).sign() == 0


def _solve_by_cells(
    equation: Equation, unknown: str | None, fractions: Fractions, numerator: Polynomial
) -> Solved:
    """Solve an equation that holds on whole intervals, such as |x| = x or x/x = 1.

    Between neighbouring critical points (zeros of a divisor, of what a root is taken of, or of a choice of
    signs that is not identically zero) the equation is true everywhere or nowhere, so one sample each
    decides.
    """
    critical = [fmpz_poly([1])]
    for polynomial in (numerator, *fractions.radicands, *(divisor for divisor, _ in fractions.divisors)):
        critical.append(_nonzero_norm(fractions, polynomial))
    polynomial = fmpz_poly([1])
    for factor in critical:
        polynomial = polynomial * (factor // polynomial.gcd(factor))
        if polynomial.degree() > MAX_DEGREE:
            raise LimitError(f"a polynomial of degree over {MAX_DEGREE}")
    roots = ascending(real_roots(polynomial, unknown or "x"))
    points = [root.value for root in roots]
    inside = []
    for rank in range(len(points) + 1):
        inside.append(holds_at(equation, unknown, reals.rational(sample(roots, rank))))
        if rank < len(points):
            inside.append(holds_at(equation, unknown, points[rank]))
    if not any(inside[::2]):
        kept = tuple(root for root, holds in zip(roots, inside[1::2], strict=True) if holds)
        rejected = tuple(root for root, holds in zip(roots, inside[1::2], strict=True) if not holds)
        return Solved(kept, None, None, rejected, tuple(root.text for root in kept))
    pieces = pieces_of(inside, points)
    return Solved((), pieces, None, (), (_describe(inside, roots, pieces),))


def _nonzero_norm(fractions: Fractions, polynomial: Polynomial) -> fmpz_poly:
    """The product of all choices of the letters that are not identically zero, as a polynomial in the
    unknown.

    The norm of t - polynomial is a power of t (the vanishing choices) times the rest; the lowest coefficient
    is it.
    """
    if isinstance(polynomial, fmpz_poly):
        return polynomial if polynomial != 0 else fmpz_poly([1])
    norm = fractions.eliminate(polynomial)
    if norm == 0:
        shifted = fractions.eliminate(_GENERATORS["t"] - polynomial)
        place = CONTEXT.variable_to_index("t")
        lowest = min(exponents[place] for exponents in shifted.to_dict())
        norm = CONTEXT.from_dict(
            {
                tuple(0 if index == place else power for index, power in enumerate(exponents)): coefficient
                for exponents, coefficient in shifted.to_dict().items()
                if exponents[place] == lowest
            }
        )
    return univariate(norm)


def _describe(inside: list[bool], roots: tuple[Root, ...], pieces: tuple[Piece, ...]) -> str:
    if all(inside[::2]):
        holes = [root.text for root, holds in zip(roots, inside[1::2], strict=True) if not holds]
        return "all real numbers" + (f" except {', '.join(holes)}" if holes else "")
    texts = {id(root.value): root.text for root in roots}
    parts = []
    for piece in pieces:
        low = "-oo" if piece.low is None else texts[id(piece.low)]
        high = "oo" if piece.high is None else texts[id(piece.high)]
        if piece.low is not None and piece.low is piece.high:
            parts.append(f"{{{low}}}")
        else:
            parts.append(
                f"{'[' if piece.low_closed else '('}{low}, {high}{']' if piece.high_closed else ')'}"
            )
    return " ∪ ".join(parts)
