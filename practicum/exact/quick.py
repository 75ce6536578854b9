r"""The common cases, judged in a fraction of the time: short equations of degree 2, lists of numbers.

The verdict is the very one that `verifier.py` reaches by its general way; a property test compares the two.
Whatever is not in one of the plain forms below gives None, and the general way takes over. All arithmetic is
exact, in integers:

- a side of the equation is (A + B s) / D with integer polynomials A, B, D and at most one letter s for one
  square root (s^2 = P) or one absolute value (s = |U|, s^2 = U^2), and then D is a constant;
- without s the solutions are the real roots of the numerator at which no divisor is zero; with s they are
  the roots of A^2 - B^2 s^2 at which A and B s have opposite signs, and at which s is real.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, NamedTuple, TypeAlias

from flint import fmpz_poly

from practicum.exact import bounds
from practicum.exact.algebra import number_text, show_polynomial
from practicum.exact.answers import with_signs
from practicum.exact.expression import parse_equation, parse_expression
from practicum.exact.quadratic import Quadratic, equal, quadratic, real_roots, sign_at
from practicum.exact.reals import show
from practicum.exact.verdict import (
    Outcome,
    Verdict,
    why_all_fail,
    why_fails,
    why_missing,
    why_no_root,
    why_solutions,
    why_undefined,
    zero_denominator,
)

MAX_CHARACTERS = 100
"""Longest equation or answer that is read here. With the next three, no limit of the general way is near."""
MAX_DEPTH = 8
MAX_DEGREE = 8
MAX_BITS = 256
MAX_MEMBERS = 8
LONGEST_NUMBER = 12

Polynomial: TypeAlias = Any
"""fmpz_poly (python-flint ships no types)."""

_ZERO, _ONE, _X = fmpz_poly([]), fmpz_poly([1]), fmpz_poly([0, 1])


class Given(NamedTuple):
    """The distinct numbers of an answer with their texts, none for "no real solutions"; the label before
    them, "" without one.
    """

    members: list[tuple[str, Quadratic]]
    label: str = ""


class Side(NamedTuple):
    """The value (plain + letter * s) / divisor; `letter` is None where s does not occur."""

    plain: Polynomial
    letter: Polynomial | None
    divisor: Polynomial


class Divisor(NamedTuple):
    """A divisor that holds the unknown: its numerator, and its text."""

    polynomial: Polynomial
    text: str


Sides: TypeAlias = "tuple[str, str] | str | None"
"""Both sides at a number in words, or why one has no value, or None: the general way must see to it."""


@dataclass(frozen=True)
class Solved:
    """An equation all of whose candidates are quadratic numbers. `roots` and `rejected` ascend.

    `sides` puts a number into the equation.
    """

    name: str
    polynomial: Polynomial
    roots: tuple[Quadratic, ...]
    rejected: tuple[Quadratic, ...]
    texts: tuple[str, ...]
    sides: Callable[[Quadratic], Sides]


class _OtherForm(Exception):  # noqa: N818 - no error: the general way takes over
    pass


def judge(solved: Solved, given: Given) -> Verdict | None:
    """The verdict on numbers as the set of real solutions, or None when the general way must give reasons."""
    extraneous = []
    remaining = list(range(len(solved.roots)))
    for text, number in given.members:
        place = next((place for place in remaining if equal(number, solved.roots[place])), None)
        if place is None:
            extraneous.append((text, number))
        else:
            remaining.remove(place)
    truth = why_solutions(solved.texts) if solved.roots else _why_none(solved)
    if truth is None:
        return None
    if not extraneous and not remaining:
        return Verdict(Outcome.CORRECT, truth, solutions=solved.texts)
    reasons = []
    for text, number in extraneous[:3]:
        reason = _why_extraneous(solved, text, number)
        if reason is None:
            return None
        reasons.append(reason)
    missing = tuple(solved.texts[place] for place in remaining)
    if missing:
        reasons.append(why_missing(missing))
    if not solved.roots:
        reasons.append(truth)
    return Verdict(
        Outcome.WRONG, "; ".join(reasons), missing, tuple(text for text, _ in extraneous), solved.texts
    )


def _why_none(solved: Solved) -> str | None:
    """Why there is no solution, or None."""
    if solved.polynomial.degree() < 1:
        return None
    reduced = show_polynomial(solved.polynomial, solved.name)
    if not solved.rejected:
        is_quadratic = solved.polynomial.degree() == 2
        return why_no_root(reduced, str(solved.polynomial.discriminant()) if is_quadratic else None)
    reasons = [_why_fails(solved, number_text(root), root) for root in solved.rejected[:3]]
    return None if None in reasons else why_all_fail(reduced, [reason for reason in reasons if reason])


def _why_extraneous(solved: Solved, text: str, number: Quadratic) -> str | None:
    """Both sides at a number that is no solution, or None."""
    # Close to a solution, "an approximation is no exact solution" may be the better reason.
    for root in solved.roots:
        if abs(number.approximate() - root.approximate()) <= 0.004 * max(abs(root.approximate()), 1e-3):
            return None
    return _why_fails(solved, text, number)


def _why_fails(solved: Solved, text: str, number: Quadratic) -> str | None:
    sides = solved.sides(number)
    if sides is None:
        return None
    if isinstance(sides, str):
        return why_undefined(solved.name, text, sides)
    is_candidate = any(equal(number, root) for root in solved.rejected)
    return why_fails(solved.name, text, is_candidate, *sides)


# -- equations ---------------------------------------------------------------------------------------------


@lru_cache(maxsize=8192)
def solve(equation: str) -> Solved | None:
    """Read and solve an equation; None when it is not one of the plain forms, or no equation at all."""
    if not _PLAIN.fullmatch(equation) or (equation.endswith(")") and _NUMBERED.search(equation)):
        return None
    reader = _Reader(_TOKENS.findall(equation))
    try:
        left = reader.sum()
        reader.take("=")
        right = reader.sum()
        reader.take("")
        return _solved(reader, left, right, equation)
    except _OtherForm:
        return None


_PLAIN = re.compile(rf"[0-9a-z+\-*/^()=| ]{{3,{MAX_CHARACTERS}}}")
_NUMBERED = re.compile(r" +\([0-9]+\)\Z")
"""A bracket after a gap at the end: the general way refuses it where it may be the equation's number."""
_TOKENS = re.compile(r"[0-9]+|[a-z]+|\*\*|[-+*/^()=|]")


class _Reader:
    """Recursive descent from tokens straight to polynomials; _OtherForm at anything out of the ordinary."""

    def __init__(self, tokens: list[str]) -> None:
        self.tokens = [*tokens, ""]
        self.index = 0
        self.depth = 0
        self.name = ""
        self.in_bars = False
        self.divisors: list[Divisor] = []
        self.inside: Polynomial | None = None
        self.square: Polynomial | None = None
        self.is_root = False

    def take(self, token: str) -> None:
        if self.tokens[self.index] != token:
            raise _OtherForm
        self.index += 1

    def sum(self) -> Side:
        total = self.product()
        while (token := self.tokens[self.index]) in ("+", "-"):
            self.index += 1
            total = _add(total, self.product(), -1 if token == "-" else 1)
        return total

    def product(self) -> Side:
        total = self.unary()
        while True:
            token = self.tokens[self.index]
            if token == "*":
                self.index += 1
                total = self.times(total, self.unary())
            elif token == "/":
                self.index += 1
                start = self.index
                divisor = self.unary()
                total = self.over(total, divisor, "".join(self.tokens[start : self.index]))
            elif token == "(" or token.isalpha() or (token == "|" and not self.in_bars):
                total = self.times(total, self.power())
            else:
                return total

    def unary(self) -> Side:
        negative = False
        while (token := self.tokens[self.index]) in ("+", "-"):
            negative ^= token == "-"
            self.index += 1
        inner = self.power()
        if not negative:
            return inner
        return Side(-inner.plain, None if inner.letter is None else -inner.letter, inner.divisor)

    def power(self) -> Side:
        base = self.atom()
        if self.tokens[self.index] not in ("^", "**"):
            return base
        exponent = self.tokens[self.index + 1]
        if exponent not in ("2", "3", "4") or self.tokens[self.index + 2] in ("^", "**"):
            raise _OtherForm
        self.index += 2
        result = base
        for _ in range(int(exponent) - 1):
            result = self.times(result, base)
        return result

    def atom(self) -> Side:
        token = self.tokens[self.index]
        self.index += 1
        if token.isdigit():
            if len(token) > LONGEST_NUMBER or (token[0] == "0" and token != "0"):
                raise _OtherForm
            return Side(fmpz_poly([int(token)]), None, _ONE)
        if token == "(":
            return self.bracketed(")")
        if token == "|" and not self.in_bars:
            self.in_bars = True
            inner = self.bracketed("|")
            self.in_bars = False
            return self.new_letter(inner, is_root=False)
        if token == "sqrt":
            self.take("(")
            return self.new_letter(self.bracketed(")"), is_root=True)
        if len(token) == 1 and token.isalpha() and self.name in ("", token):
            self.name = token
            return Side(_X, None, _ONE)
        raise _OtherForm

    def bracketed(self, closing: str) -> Side:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise _OtherForm
        inner = self.sum()
        self.depth -= 1
        self.take(closing)
        return inner

    def new_letter(self, inner: Side, is_root: bool) -> Side:
        """sqrt(N/d) is s/d with s^2 = N d; |N/d| is s/d with s = |N|; for a constant d > 0."""
        plain, letter, divisor = inner
        is_plain = letter is None and plain.degree() > 0 and divisor.degree() == 0 and divisor[0] > 0
        if self.square is not None or not is_plain:
            raise _OtherForm
        self.is_root = is_root
        self.inside = plain * divisor if is_root else plain
        self.square = self.inside if is_root else plain * plain
        return Side(_ZERO, _ONE, divisor)

    def times(self, left: Side, right: Side) -> Side:
        plain = left.plain * right.plain
        letter = None
        if left.letter is not None or right.letter is not None:
            one, other = left.letter or _ZERO, right.letter or _ZERO
            plain += one * other * self.square
            letter = left.plain * other + one * right.plain
        return _checked(Side(plain, letter, _product(left.divisor, right.divisor)))

    def over(self, left: Side, right: Side, text: str) -> Side:
        if right.letter is not None or not right.plain:
            raise _OtherForm
        if right.plain.degree() > 0:
            self.divisors.append(Divisor(right.plain, text))
        if right.divisor is not _ONE:
            left = self.times(left, Side(right.divisor, None, _ONE))
        return _checked(Side(left.plain, left.letter, _product(left.divisor, right.plain)))


def _sign_at(polynomial: Polynomial, at: Quadratic) -> int:
    return sign_at([int(coefficient) for coefficient in polynomial.coeffs()], at)


def _product(left: Polynomial, right: Polynomial) -> Polynomial:
    return right if left is _ONE else left if right is _ONE else left * right


def _checked(side: Side) -> Side:
    for polynomial in side:
        if polynomial is not None and (
            polynomial.degree() > MAX_DEGREE or polynomial.height_bits() > MAX_BITS
        ):
            raise _OtherForm
    return side


def _add(left: Side, right: Side, sign: int) -> Side:
    """left + sign * right."""
    one, other, divisor = left.letter, right.letter, left.divisor
    plain, added = left.plain, right.plain
    if divisor != right.divisor:
        plain, added = plain * right.divisor, added * divisor
        one = one and one * right.divisor
        other = other and other * divisor
        divisor = _product(divisor, right.divisor)
    if sign < 0:
        added, other = -added, other and -other
    letter = one if other is None else other if one is None else one + other
    total = Side(plain + added, letter, divisor)
    return total if divisor is _ONE else _checked(total)


def _solved(reader: _Reader, left: Side, right: Side, equation: str) -> Solved:
    plain, letter, divisor = _add(left, right, -1)
    if letter is None:
        common = plain.gcd(divisor) if divisor.degree() > 0 else _ONE
        polynomial = plain // common if common.degree() > 0 else plain
    elif reader.divisors or not letter:
        raise _OtherForm
    else:
        polynomial = plain * plain - letter * letter * reader.square
    if polynomial.degree() not in (1, 2):
        raise _OtherForm
    polynomial = polynomial // (polynomial.content() * (1 if polynomial.leading_coefficient() > 0 else -1))
    if polynomial.height_bits() > MAX_BITS:
        raise _OtherForm
    kept: list[Quadratic] = []
    rejected: list[Quadratic] = []
    for root in real_roots([int(coefficient) for coefficient in polynomial.coeffs()]):
        if letter is None:
            holds = all(_sign_at(divisor.polynomial, root) for divisor in reader.divisors)
        else:
            signs = _sign_at(plain, root), _sign_at(letter, root)
            holds = signs[0] * signs[1] <= 0
            if reader.is_root and signs == (0, 0):
                holds = _sign_at(reader.inside, root) >= 0
        (kept if holds else rejected).append(root)
    return Solved(
        reader.name,
        polynomial,
        tuple(kept),
        tuple(rejected),
        tuple(number_text(root) for root in kept),
        partial(_sides, reader, left, right, equation),
    )


# -- explaining --------------------------------------------------------------------------------------------


def _sides(reader: _Reader, left: Side, right: Side, equation: str, number: Quadratic) -> Sides:
    """None where several denominators are zero (the general way names the first it meets), and under a root
    of a negative number.
    """
    if number.times:
        return bounds.sides(parse_equation(equation), reader.name, number)
    zero = [divisor for divisor in reader.divisors if _sign_at(divisor.polynomial, number) == 0]
    if len({divisor.text for divisor in zero}) > 1:
        return None
    if zero:
        return zero_denominator(show(parse_expression(zero[0].text)))
    values = _side_at(reader, left, number), _side_at(reader, right, number)
    return None if values[0] is None or values[1] is None else (values[0].text(), values[1].text())


def _side_at(reader: _Reader, side: Side, number: Quadratic) -> Quadratic | None:
    whole, divisor = number.whole, number.divisor
    over, over_scale = _at(side.plain, whole, divisor)
    under, under_scale = _at(side.divisor, whole, divisor)
    times, inside = 0, 0
    if side.letter is not None:
        times, times_scale = _at(side.letter, whole, divisor)
        inside, scale = _at(reader.inside, whole, divisor)
        # sqrt(i/s) is sqrt(i s)/s, and |i/s| is sqrt(i i)/s.
        inside *= scale if reader.is_root else inside
        if inside < 0:
            return None
        over, times = over * times_scale * scale, times * over_scale
        over_scale *= times_scale * scale
    return quadratic(over * under_scale, times * under_scale, inside, under * over_scale)


def _at(polynomial: Polynomial, whole: int, divisor: int) -> tuple[int, int]:
    """(numerator, positive denominator) of a polynomial at whole / divisor."""
    total, scale = 0, 1
    for power, coefficient in enumerate(reversed(polynomial.coeffs())):
        scale *= divisor if power else 1
        total = total * whole + int(coefficient) * scale
    return total, scale


# -- answers -----------------------------------------------------------------------------------------------

_NONE = frozenset(
    text
    for ending in ("", ".")
    for text in (
        *(f"no real {word}{ending}" for word in ("solutions", "solution", "roots")),
        *(f"no {word}{ending}" for word in ("solutions", "solution")),
        *(f"{word}{ending}" for word in ("none", r"\emptyset", "∅")),
    )
)
_NUMBER = rf"(?:0|[1-9][0-9]{{0,{LONGEST_NUMBER - 1}}})"
_RATIONAL = re.compile(rf"(-?)(?:({_NUMBER})(?:/({_NUMBER}))?|\\frac\{{({_NUMBER})\}}\{{({_NUMBER})\}})")
# whole, sign, times, radicand (one of two): 2-3sqrt(5), +-sqrt(5), 2+\sqrt{5}
_SURD = rf"(?:(-?{_NUMBER})(?=[+-]))?(\+-|[+-]?)({_NUMBER}?)(?:sqrt\(({_NUMBER})\)|\\sqrt\{{({_NUMBER})\}})"
_SURD_FORMS = (
    re.compile(rf"{_SURD}(?:/({_NUMBER}))?"),
    re.compile(rf"\({_SURD}\)/({_NUMBER})"),
    re.compile(rf"\\frac\{{{_SURD}\}}\{{({_NUMBER})\}}"),
)
_LABEL = re.compile(r"[a-z] ?= ?")
_SEPARATOR = re.compile(r", ?| or | and ")
_MAY_BE_THOUSANDS = re.compile(r"[0-9],[0-9]{3}(?![0-9])")


def read_answer(text: str) -> Given | None:
    """What an answer lists; None when it is not written in one of the plain forms."""
    if len(text) > MAX_CHARACTERS:
        return None
    text = text.strip(" \t\r\n*`\"'")
    if text.startswith(r"\boxed{") and text.endswith("}"):
        text = text[7:-1].strip(" \t\r\n*`\"'")
    text = text.strip("$")
    if text in _NONE:
        return Given([])
    in_braces = text.endswith("}") and text.startswith(("{", r"\{"))
    if in_braces:
        escaped = text[0] != "{"
        if escaped != (text[-2] == "\\") or " or " in text or " and " in text:
            return None
        text = text[2:-2] if escaped else text[1:-1]
    elif text.endswith("."):
        text = text[:-1]
    if _MAY_BE_THOUSANDS.search(text):
        return None
    parts = _SEPARATOR.split(text)
    if len(parts) > MAX_MEMBERS:
        return None
    members: list[tuple[str, Quadratic]] = []
    name = ""
    for part in parts:
        label = _LABEL.match(part)
        if label is not None:
            if name not in ("", part[0]):
                return None
            name = part[0]
            part = part[label.end() :]
        numbers = _read_rational(part) or _read_surd(part)
        if numbers is None:
            return None
        for sign, number in zip((1, -1), numbers, strict=False):
            if not any(equal(number, other) for _, other in members):
                members.append((with_signs(part, (sign,)) if len(numbers) > 1 else part, number))
    return Given(members, name)


def _read_rational(text: str) -> list[Quadratic] | None:
    match = _RATIONAL.fullmatch(text)
    if match is None:
        return None
    sign, top, bottom, latex_top, latex_bottom = match.groups()
    divisor = int(bottom or latex_bottom or 1)
    return [quadratic(int(sign + (top or latex_top)), 0, 0, divisor)] if divisor else None


def _read_surd(text: str) -> list[Quadratic] | None:
    """One irrational number, or two with +-."""
    for form in _SURD_FORMS:
        match = form.fullmatch(text)
        if match is not None:
            return _surd(*match.groups(), only_root_divided=form is _SURD_FORMS[0])
    return None


def _surd(
    whole: str | None,
    sign: str,
    times: str,
    radicand: str | None,
    latex_radicand: str | None,
    divisor: str | None,
    *,
    only_root_divided: bool,
) -> list[Quadratic] | None:
    under = int(divisor or 1)
    if not under:
        return None
    first = int(whole or 0) * (under if only_root_divided else 1)
    size = int(times or 1)
    signs = (1, -1) if sign == "+-" else (-1,) if sign == "-" else (1,)
    numbers = [quadratic(first, one * size, int(radicand or latex_radicand or 0), under) for one in signs]
    return numbers if all(number.times for number in numbers) else None
