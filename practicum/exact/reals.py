"""Exact real numbers: rationals, roots, quotients and real roots of polynomials, with an exact sign.

A number is a small tree. Its sign is found by interval arithmetic at growing precision; that a number is
exactly zero is proved by a separation bound. Every tree E stands for U/L with algebraic integers U and L,
where u and l bound the absolute values of all their conjugates (kept as base-2 logarithms):

    integer n     u = |n|               l = 1
    E1 + E2       u = u1 l2 + l1 u2     l = l1 l2
    E1 * E2       u = u1 u2             l = l1 l2
    E1 / E2       u = u1 l2             l = l1 u2
    E1 ** (1/k)   u = (u1 l1^(k-1))^(1/k)   l = l1

If E is not zero then |E| >= 1 / (l * u^(D-1)), where D is the product of the degrees of the distinct roots in
the tree, because the norm of U is a nonzero integer. Source: Burnikel, Funke, Mehlhorn, Schirra, Schmitt, "A
separation bound for real algebraic expressions", ESA 2001. No floating-point number takes part in any
decision, and nothing here touches global state, so any thread may use any number.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from flint import fmpq, fmpz, fmpz_poly

from practicum.exact.expression import (
    Absolute,
    Expression,
    LimitError,
    Name,
    Negative,
    Number,
    ParseError,
    PlusMinus,
    Power,
    Product,
    Sum,
)
from practicum.exact.verdict import even_root, zero_denominator

MAX_BITS = 4000
"""Most bits in numerator plus denominator of a number, whether rational (exact) or not (bound)."""
MAX_SEPARATION_BITS = 5000
"""Most bits of precision that a proof of equality may need."""

_ZERO = fmpz(0)


class UndefinedError(ArithmeticError):
    """An expression has no real value: a division by zero, 0^0, or an even root of a negative number."""


class UnknownNameError(ParseError):
    """A name without a value stands in an expression that should be a number."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is not a number")
        self.name = name


class Real:
    """An exact real number; immutable in value (enclosures are remembered)."""

    __slots__ = ("_interval", "degrees", "kind", "log_l", "log_u", "number", "parts", "polynomial")

    def __init__(self, kind: str, parts: tuple[Real, ...], log_u: int, log_l: int) -> None:
        if log_u + log_l > MAX_BITS:
            raise LimitError(f"a number of over {MAX_BITS} bits")
        self.kind = kind
        self.parts = parts
        self.log_u = log_u
        self.log_l = log_l
        self.number: Any = None  # the rational value, exponent, root index, or finest interval
        self.polynomial: Any = None
        self._interval: tuple[int, fmpz, fmpz] = (0, _ZERO, _ZERO)
        self.degrees: frozenset[tuple[object, int]] = (
            parts[0].degrees if len(parts) == 1 else frozenset().union(*(part.degrees for part in parts))
        )

    @property
    def rational(self) -> fmpq | None:
        """The value as a fraction when the tree is a rational constant, else None."""
        return self.number if self.kind == "rational" else None

    def enclosure(self, bits: int) -> tuple[fmpz, fmpz] | None:
        """Integers (low, high) with low <= value * 2**bits <= high; None when a divisor may still be zero."""
        interval = self._interval
        if interval[0] == bits:
            return interval[1], interval[2]
        found = _ENCLOSE[self.kind](self, bits)
        if found is not None:
            self._interval = (bits, *found)
        return found

    def sign(self) -> int:
        """-1, 0 or 1, exactly. Raises LimitError when a proof of zero needs over MAX_SEPARATION_BITS bits."""
        if self.kind == "rational":
            return _sign(self.number.p)
        bits = 64
        separation = -1
        while True:
            interval = self.enclosure(bits)
            if interval is not None:
                low, high = interval
                if low > 0:
                    return 1
                if high < 0:
                    return -1
                if separation < 0:
                    separation = self._separation()
                if max(-low, high).bit_length() <= bits - separation:
                    return 0
            elif bits > 4 * MAX_SEPARATION_BITS:
                raise LimitError("a division by a number too close to zero")
            if separation >= 0 and bits >= 256:
                bits = max(2 * bits, separation + 64)
            else:
                bits *= 4

    def _separation(self) -> int:
        """Bits b with |value| >= 2**-b unless the value is zero."""
        degree = 1
        for _, one_degree in self.degrees:
            degree *= one_degree
        bits = self.log_l + (degree - 1) * self.log_u
        if bits > MAX_SEPARATION_BITS or degree > 4096:
            raise LimitError("too many or too large roots to compare exactly")
        return bits + 1

    def approximate(self) -> float:
        """A float near the value (infinite when too large for one), for messages only."""
        bits = 64
        while (interval := self.enclosure(bits)) is None:
            bits *= 2
        try:
            return int(interval[0] + interval[1]) / (1 << (bits + 1))
        except OverflowError:
            return math.inf if interval[1] > 0 else -math.inf


def _sign(value: fmpz) -> int:
    return int(value > 0) - int(value < 0)


def _log2_ceiling(value: fmpz) -> int:
    """The least b >= 0 with |value| <= 2**b."""
    magnitude = abs(int(value))
    return (magnitude - 1).bit_length() if magnitude > 1 else 0


# -- building ----------------------------------------------------------------------------------------------


def rational(value: fmpq) -> Real:
    """A rational number. Raises LimitError over MAX_BITS bits."""
    log_u, log_l = _log2_ceiling(value.p), _log2_ceiling(value.q)
    result = Real("rational", (), log_u, log_l)
    result.number = value
    return result


def add(terms: Sequence[Real]) -> Real:
    """The sum; rational terms are added up at once."""
    constant = fmpq(0)
    others = []
    for term in terms:
        if term.kind == "rational":
            constant += term.number
        else:
            others.append(term)
    if constant or not others:
        others.append(rational(constant))
    if len(others) == 1:
        return others[0]
    log_l = sum(term.log_l for term in others)
    log_u = max(term.log_u + log_l - term.log_l for term in others) + (len(others) - 1).bit_length()
    return Real("sum", tuple(others), log_u, log_l)


def multiply(factors: Sequence[Real]) -> Real:
    """The product; rational factors are multiplied at once."""
    constant = fmpq(1)
    others = []
    for factor in factors:
        if factor.kind == "rational":
            constant *= factor.number
        else:
            others.append(factor)
    if not constant:
        return rational(constant)
    if constant != 1 or not others:
        others.append(rational(constant))
    if len(others) == 1:
        return others[0]
    return Real(
        "product", tuple(others), sum(part.log_u for part in others), sum(part.log_l for part in others)
    )


def divide(numerator: Real, divisor: Real) -> Real:
    """The quotient; raises UndefinedError when `divisor` is exactly zero."""
    if divisor.sign() == 0:
        raise UndefinedError("division by zero")
    if divisor.kind == "rational":
        return multiply((numerator, rational(1 / divisor.number)))
    return Real(
        "quotient", (numerator, divisor), numerator.log_u + divisor.log_l, numerator.log_l + divisor.log_u
    )


def power(base: Real, exponent: int) -> Real:
    """An integer power; raises UndefinedError for a zero base with an exponent that is not positive."""
    if exponent <= 0 and base.sign() == 0:
        raise UndefinedError("0^0 is undefined" if exponent == 0 else "division by zero")
    if exponent == 0:
        return rational(fmpq(1))
    if exponent < 0:
        return divide(rational(fmpq(1)), power(base, -exponent))
    if exponent == 1:
        return base
    if base.kind == "rational":
        if (base.log_u + base.log_l) * exponent > MAX_BITS:
            raise LimitError(f"a power of over {MAX_BITS} bits")
        return rational(base.number**exponent)
    result = Real("power", (base,), base.log_u * exponent, base.log_l * exponent)
    result.number = exponent
    return result


def root(radicand: Real, index: int) -> Real:
    """The real root of the given index; raises UndefinedError for an even root of a negative number."""
    sign = radicand.sign()
    if sign == 0:
        return rational(fmpq(0))
    if sign < 0:
        if index % 2 == 0:
            raise UndefinedError("an even root of a negative number is not real")
        return multiply((rational(fmpq(-1)), root(multiply((rational(fmpq(-1)), radicand)), index)))
    if radicand.kind == "rational":
        return _rational_root(radicand.number, index)
    log_u = -((-(radicand.log_u + (index - 1) * radicand.log_l)) // index)
    result = Real("root", (radicand,), log_u, radicand.log_l)
    result.number = index
    result.degrees = radicand.degrees | {((index, radicand), index)}
    return result


def _rational_root(value: fmpq, index: int) -> Real:
    """The root of a positive rational as m/q times the root of an integer without small index-th powers."""
    if (_log2_ceiling(value.p) + _log2_ceiling(value.q)) * index > MAX_BITS:
        raise LimitError(f"a root of a number of over {MAX_BITS // index} bits")
    outside, inside = extract_powers(value.p * value.q ** (index - 1), index)
    if inside == 1:
        return rational(fmpq(outside, value.q))
    result = Real("root", (rational(fmpq(inside)),), -(-_log2_ceiling(inside) // index), 0)
    result.number = index
    result.degrees = frozenset((((index, int(inside)), index),))
    return multiply((rational(fmpq(outside, value.q)), result))


def extract_powers(value: fmpz, index: int) -> tuple[fmpz, fmpz]:
    """(m, n) with value = m**index * n, for a positive integer; n is free of index-th powers of small
    primes.
    """
    exact = value.root(index)
    if exact**index == value:
        return exact, fmpz(1)
    outside = fmpz(1)
    if value.bit_length() <= 64:
        for prime, count in value.factor():
            outside *= prime ** (int(count) // index)
    else:
        rest = value
        for prime in _SMALL_PRIMES:
            while rest % prime**index == 0:
                rest //= prime**index
                outside *= prime
    return outside, value // outside**index


_SMALL_PRIMES = (
    2,
    3,
    5,
    7,
    11,
    13,
    17,
    19,
    23,
    29,
    31,
    37,
    41,
    43,
    47,
    53,
    59,
    61,
    67,
    71,
    73,
    79,
    83,
    89,
    97,
)


def absolute(value: Real) -> Real:
    """The absolute value."""
    return negate(value) if value.sign() < 0 else value


def negate(value: Real) -> Real:
    """Minus the value."""
    return multiply((rational(fmpq(-1)), value))


def subtract(left: Real, right: Real) -> Real:
    """left - right."""
    return add((left, negate(right)))


def polynomial_value(polynomial: fmpz_poly, at: Real) -> Real:
    """The value of an integer polynomial at a number."""
    if at.kind == "rational":
        return rational(fmpq(1) * polynomial(at.number))
    degree = polynomial.degree()
    if degree < 1:
        return rational(fmpq(polynomial[0]))
    log_norm = polynomial.height_bits() + (degree + 1).bit_length()
    log_l = degree * at.log_l
    result = Real("polynomial", (at,), log_norm + degree * max(at.log_u, at.log_l), log_l)
    result.polynomial = polynomial
    return result


def algebraic(polynomial: fmpz_poly, low: fmpz, high: fmpz, bits: int) -> Real:
    """The only real root of an irreducible integer polynomial of degree >= 2 between low and high /
    2**bits.
    """
    leading = _log2_ceiling(polynomial.leading_coefficient())
    result = Real("algebraic", (), leading + root_bound_log2(polynomial), leading)
    result.polynomial = polynomial
    result._interval = (bits, low, high)
    result.number = (bits, low, high)
    result.degrees = frozenset(((result, polynomial.degree()),))
    return result


def isolating_interval(value: Real) -> tuple[int, fmpz, fmpz]:
    """(bits, low, high) with low / 2**bits < root < high / 2**bits and no other real root of its
    polynomial.
    """
    interval: tuple[int, fmpz, fmpz] = value.number
    return interval


def root_bound_log2(polynomial: fmpz_poly) -> int:
    """b >= 0 such that every complex root is smaller than 2**b (Fujiwara 1916, rounded up)."""
    degree = polynomial.degree()
    leading_bits = int(polynomial.leading_coefficient()).bit_length()
    bound = 0
    for below in range(1, degree + 1):
        coefficient = int(polynomial[degree - below])
        if coefficient:
            ratio_bits = coefficient.bit_length() - leading_bits + 1
            bound = max(bound, -(-ratio_bits // below))
    return bound + 1


# -- enclosing ---------------------------------------------------------------------------------------------

_Interval = tuple[fmpz, fmpz]


def _enclose_rational(node: Real, bits: int) -> _Interval:
    scaled = node.number.p << bits
    low = scaled // node.number.q
    return low, low if low * node.number.q == scaled else low + 1


def _enclose_sum(node: Real, bits: int) -> _Interval | None:
    low = high = _ZERO
    for part in node.parts:
        interval = part.enclosure(bits)
        if interval is None:
            return None
        low += interval[0]
        high += interval[1]
    return low, high


def _times(left: _Interval, right: _Interval, bits: int) -> _Interval:
    products = (left[0] * right[0], left[0] * right[1], left[1] * right[0], left[1] * right[1])
    return min(products) >> bits, -((-max(products)) >> bits)


def _enclose_product(node: Real, bits: int) -> _Interval | None:
    result: _Interval | None = None
    for part in node.parts:
        interval = part.enclosure(bits)
        if interval is None:
            return None
        result = interval if result is None else _times(result, interval, bits)
    return result


def _enclose_quotient(node: Real, bits: int) -> _Interval | None:
    over, under = node.parts[0].enclosure(bits), node.parts[1].enclosure(bits)
    if over is None or under is None or under[0] <= 0 <= under[1]:
        return None
    if under[1] < 0:
        over, under = (-over[1], -over[0]), (-under[1], -under[0])
    low = (over[0] << bits) // (under[1] if over[0] >= 0 else under[0])
    high = -((-over[1] << bits) // (under[0] if over[1] >= 0 else under[1]))
    return low, high


def _enclose_power(node: Real, bits: int) -> _Interval | None:
    base = node.parts[0].enclosure(bits)
    if base is None:
        return None
    exponent = int(node.number)
    result: _Interval | None = None
    while exponent:
        if exponent & 1:
            result = base if result is None else _times(result, base, bits)
        exponent >>= 1
        if exponent:
            base = _times(base, base, bits)
    return result


def _enclose_root(node: Real, bits: int) -> _Interval | None:
    radicand = node.parts[0].enclosure(bits)
    if radicand is None:
        return None
    index = int(node.number)
    shift = bits * (index - 1)
    low = (radicand[0] << shift).root(index) if radicand[0] > 0 else _ZERO
    return low, (max(radicand[1], _ZERO) << shift).root(index) + 1


def _enclose_polynomial(node: Real, bits: int) -> _Interval | None:
    at = node.parts[0].enclosure(bits)
    if at is None:
        return None
    coefficients = node.polynomial.coeffs()
    result = (coefficients[-1] << bits, coefficients[-1] << bits)
    for coefficient in reversed(coefficients[:-1]):
        low, high = _times(result, at, bits)
        shifted = coefficient << bits
        result = (low + shifted, high + shifted)
    return result


def _enclose_algebraic(node: Real, bits: int) -> _Interval:
    finest: tuple[int, fmpz, fmpz] = node.number
    if finest[0] < bits:
        finest = refine_root(node.polynomial, *finest, bits)
        node.number = finest
    shift = finest[0] - bits
    return finest[1] >> shift, -((-finest[2]) >> shift)


_ENCLOSE = {
    "rational": _enclose_rational,
    "sum": _enclose_sum,
    "product": _enclose_product,
    "quotient": _enclose_quotient,
    "power": _enclose_power,
    "root": _enclose_root,
    "polynomial": _enclose_polynomial,
    "algebraic": _enclose_algebraic,
}


def refine_root(
    polynomial: fmpz_poly, bits: int, low: fmpz, high: fmpz, wanted: int
) -> tuple[int, fmpz, fmpz]:
    """Narrow an interval with one sign change to one unit at 2**-wanted; returns (bits, low, high).

    Quadratic interval refinement: a secant guess in a finer grid, kept when the sign change proves it, else a
    bisection (Abbott, "Quadratic interval refinement for real roots", 2006).
    """
    bits, low, high = _narrow(polynomial, bits, low, high)
    at_low, at_high = _scaled_value(polynomial, low, bits), _scaled_value(polynomial, high, bits)
    degree = polynomial.degree()
    step = 2
    while bits < wanted or high - low > 1:
        finer = step - ((high - low).bit_length() - 1)
        if finer > 0:
            bits, low, high = bits + finer, low << finer, high << finer
            at_low, at_high = at_low << (degree * finer), at_high << (degree * finer)
        cell = (high - low) >> step
        # The share of the secant needs no more bits than there are cells.
        drop = max((at_low - at_high).bit_length() - step - 64, 0)
        guess = low + cell * (((at_low >> drop) << step) // ((at_low - at_high) >> drop))
        at_guess = _scaled_value(polynomial, guess, bits)
        at_next = _scaled_value(polynomial, guess + cell, bits)
        if _sign(at_guess) * _sign(at_next) < 0 and low <= guess and guess + cell <= high:
            low, high, at_low, at_high = guess, guess + cell, at_guess, at_next
            step = min(2 * step, max(wanted - bits, 2))
            continue
        step = max(step // 2, 1)
        middle = (low + high) >> 1
        at_middle = _scaled_value(polynomial, middle, bits)
        if _sign(at_low) * _sign(at_middle) < 0:
            high, at_high = middle, at_middle
        else:
            low, at_low = middle, at_middle
    return bits, low, high


def _narrow(polynomial: fmpz_poly, bits: int, low: fmpz, high: fmpz) -> tuple[int, fmpz, fmpz]:
    """Bring the ends of an interval within a factor of about four, bisecting their exponents."""
    mirror = -1 if high <= 0 else 1
    near, far = (-high, -low) if mirror < 0 else (low, high)
    at_far = _sign(_scaled_value(polynomial, mirror * far, bits))
    while far.bit_length() - near.bit_length() > 2 or near == 0:
        if far.bit_length() <= 4:  # the root is nearer to zero than the grid is fine
            shift = max(bits, 16)
            near, far, bits = near << shift, far << shift, bits + shift
        middle = fmpz(1) << ((near.bit_length() + far.bit_length()) // 2)
        if _sign(_scaled_value(polynomial, mirror * middle, bits)) == at_far:
            far = middle
        else:
            near = middle
    return (bits, -far, -near) if mirror < 0 else (bits, near, far)


def _scaled_value(polynomial: fmpz_poly, at: fmpz, bits: int) -> fmpz:
    """polynomial(at / 2**bits) * 2**(bits * degree), an integer."""
    coefficients = polynomial.coeffs()
    value = coefficients[-1]
    shift = 0
    for coefficient in reversed(coefficients[:-1]):
        shift += bits
        value = value * at + (coefficient << shift)
    return value


# -- evaluating --------------------------------------------------------------------------------------------


def evaluate(
    expression: Expression,
    values: Mapping[str, Real],
    signs: tuple[int, ...] = (),
    memo: dict[Expression, Real] | None = None,
) -> Real:
    """The exact value of an expression, names taken from `values`, the ± number k from signs[k].

    Equal subexpressions become one tree (through `memo`), which keeps separation bounds small. Raises
    UndefinedError when there is no real value, UnknownNameError for a name without one, LimitError over a
    limit.
    """
    if isinstance(expression, Number):
        return rational(fmpq(expression.numerator, expression.denominator))
    if isinstance(expression, Name):
        if expression.text not in values:
            raise UnknownNameError(expression.text)
        return values[expression.text]
    if memo is None:
        memo = {}
    known = memo.get(expression)
    if known is None:
        known = memo[expression] = _evaluate_compound(expression, values, signs, memo)
    return known


def _evaluate_compound(
    expression: Expression, values: Mapping[str, Real], signs: tuple[int, ...], memo: dict[Expression, Real]
) -> Real:
    if isinstance(expression, Negative):
        return negate(evaluate(expression.inner, values, signs, memo))
    if isinstance(expression, Sum):
        return add([evaluate(term, values, signs, memo) for term in expression.terms])
    if isinstance(expression, Product):
        result = multiply([evaluate(factor, values, signs, memo) for factor in expression.factors])
        for divisor in expression.divisors:
            value = evaluate(divisor, values, signs, memo)
            if value.sign() == 0:
                raise UndefinedError(zero_denominator(show(divisor)))
            result = divide(result, value)
        return result
    if isinstance(expression, Power):
        return _evaluate_power(expression, evaluate(expression.base, values, signs, memo))
    if isinstance(expression, Absolute):
        return absolute(evaluate(expression.inner, values, signs, memo))
    if isinstance(expression, PlusMinus):
        sign = -signs[expression.choice] if expression.flipped else signs[expression.choice]
        inner = evaluate(expression.inner, values, signs, memo)
        return inner if sign > 0 else negate(inner)
    raise AssertionError(f"no rule for {type(expression).__name__}")


def _evaluate_power(expression: Power, base: Real) -> Real:
    sign = base.sign()
    if sign == 0 and expression.numerator <= 0:
        if expression.numerator == 0:
            raise UndefinedError("0^0 is undefined")
        raise UndefinedError(zero_denominator(show(expression.base)))
    if sign < 0 and expression.denominator % 2 == 0:
        raise UndefinedError(even_root(show(expression.base)))
    return power(root(base, expression.denominator), expression.numerator)


def show(expression: Expression) -> str:
    """Write an expression as plain text that the parser reads back as the same value."""
    if isinstance(expression, Number):
        if expression.denominator == 1:
            return str(expression.numerator)
        return f"({expression.numerator}/{expression.denominator})"
    if isinstance(expression, Name):
        return expression.text
    if isinstance(expression, Negative):
        return f"-{_show_operand(expression.inner)}"
    if isinstance(expression, Sum):
        text = " + ".join(show(term) for term in expression.terms)
        return text.replace("+ -", "- ")
    if isinstance(expression, Product):
        text = "*".join(_show_operand(factor) for factor in expression.factors)
        return text + "".join(f"/{_show_divisor(divisor)}" for divisor in expression.divisors)
    if isinstance(expression, Power):
        if expression.numerator == 1 and expression.denominator in (2, 3):
            return f"{'sqrt' if expression.denominator == 2 else 'cbrt'}({show(expression.base)})"
        exponent = f"{expression.numerator}"
        if expression.denominator > 1:
            exponent = f"({exponent}/{expression.denominator})"
        elif expression.numerator < 0:
            exponent = f"({exponent})"
        base = show(expression.base)
        return f"{base if isinstance(expression.base, Name) else f'({base})'}^{exponent}"
    if isinstance(expression, Absolute):
        return f"|{show(expression.inner)}|"
    return f"±{_show_operand(expression.inner)}"


def _show_operand(expression: Expression) -> str:
    text = show(expression)
    return f"({text})" if isinstance(expression, Sum | Negative | PlusMinus) else text


def _show_divisor(expression: Expression) -> str:
    text = show(expression)
    return f"({text})" if isinstance(expression, Sum | Negative | PlusMinus | Product) else text
