"""One `Problem`: an equation, its exact solutions, its canonical form and the split that form belongs to."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from types import MappingProxyType

from practicum.tasks.equations.notation import Number, Surd, number_text, primitive, solutions_text

SPLITS = MappingProxyType({"train": 0.48, "validation": 0.08, "test": 0.44})


@dataclass(frozen=True)
class Problem:
    """One equation and everything known about it.

    `roots` are the distinct real solutions, ascending, and `answer` the right answer to `ask` (`solve` or
    `sum`). `reduced` holds the integer coefficients, highest power first, that remain after clearing
    fractions and roots (empty for absolute values and letter parameters). Outside the domain are the
    `excluded` points and, with a `condition` (k, c), all points where kx+c is negative. `numbers` and
    `layout` are the family's own numbers and the way they are written down, which `solve_by_hand` reads.
    With a letter parameter `roots` is empty and `answer` the sum in that letter.
    """

    equation: str
    variable: str
    family: str
    level: int
    kind: str
    ask: str
    canonical: str
    answer: str
    parameters: tuple[str, ...] = ()
    roots: tuple[Number, ...] = ()
    reduced: tuple[int, ...] = ()
    excluded: tuple[Fraction, ...] = ()
    condition: tuple[Fraction, Fraction] | None = None
    numbers: tuple[Fraction, ...] = ()
    layout: int = 0

    @property
    def text(self) -> str:
        """The prompt as the policy reads it."""
        return f"{self.ask}: {self.equation}\n"

    @property
    def solutions(self) -> tuple[str, ...]:
        """The real solutions as exact texts, ascending."""
        return tuple(number_text(root) for root in self.roots)

    def outside(self, candidate: Number) -> bool:
        """Whether a candidate lies outside the domain, so that it must be rejected."""
        if candidate in self.excluded:
            return True
        return self.condition is not None and not not_negative(candidate, *self.condition)


def not_negative(root: Number, k: Fraction, c: Fraction) -> bool:
    """Whether k*root+c >= 0. An irrational root is never equal, and floats tell such small numbers apart."""
    if isinstance(root, Fraction):
        return k * root + c >= 0
    return float(k) * float(root) + float(c) > 0


def number_kind(roots: tuple[Number, ...]) -> str:
    """`integer`, `rational` or `irrational`, by the worst of some roots."""
    if not all(isinstance(root, Fraction) for root in roots):
        return "irrational"
    whole = all(isinstance(root, Fraction) and root.denominator == 1 for root in roots)
    return "integer" if whole else "rational"


def numeric_problem(
    family: str,
    level: int,
    kind: str,
    ask: str,
    equation: str,
    variable: str,
    canonical: str,
    roots: tuple[Number, ...],
    numbers: tuple[Fraction | int, ...],
    layout: int,
    reduced: tuple[int, ...] = (),
    excluded: tuple[Fraction, ...] = (),
    condition: tuple[Fraction, Fraction] | None = None,
) -> Problem:
    """A problem without letter parameters; its answer follows from its roots."""
    return Problem(
        equation=equation,
        variable=variable,
        family=family,
        level=level,
        kind=kind,
        ask=ask,
        canonical=canonical,
        answer=sum_text(roots) if ask == "sum" else solutions_text(roots),
        roots=roots,
        reduced=reduced,
        excluded=excluded,
        condition=condition,
        numbers=tuple(Fraction(number) for number in numbers),
        layout=layout,
    )


def sum_text(roots: tuple[Number, ...]) -> str:
    """The sum of distinct real solutions as an answer; two surds are conjugates and add up to a fraction."""
    if not roots:
        return "no real solutions"
    first = roots[0]
    if isinstance(first, Surd):
        return first.text if len(roots) == 1 else str(Fraction(2 * first.whole, first.divisor))
    return str(sum(root for root in roots if isinstance(root, Fraction)))


def canonical_form(reduced: tuple[int, ...], rest: str = "") -> str:
    """The canonical form of an equation that reduces to a polynomial.

    Renaming the unknown, moving terms across and scaling leave it unchanged. `rest` tells apart what reduces
    to the same polynomial: the excluded points, or the numbers under a root.
    """
    kernel = f"polynomial {','.join(map(str, primitive(reduced)))}"
    return f"{kernel} | {rest}" if rest else kernel


@lru_cache(maxsize=65536)
def split_of(canonical: str) -> str:
    """`train`, `validation` or `test`: a SHA-256 bucket of the canonical form, the same on every machine.

    Only the part before ` | ` enters, so a polynomial that a test problem reduces to is met in no training
    problem of any family.
    """
    kernel = canonical.partition(" | ")[0]
    bucket = int.from_bytes(hashlib.sha256(kernel.encode()).digest()[:8], "big") / 2**64
    if bucket < SPLITS["train"]:
        return "train"
    return "validation" if bucket < SPLITS["train"] + SPLITS["validation"] else "test"
