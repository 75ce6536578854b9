"""What the verifier says about an answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum


class Outcome(str, Enum):
    """How a verdict came about; only CORRECT is worth a reward, and each kind can be counted."""

    CORRECT = "correct"
    WRONG = "wrong"
    UNPARSEABLE = "unparseable"
    OVER_LIMITS = "over_limits"


@dataclass(frozen=True)
class Verdict:
    """One judgement. `missing` and `extraneous` are members of the true and of the given set, as text."""

    outcome: Outcome
    reason: str
    missing: tuple[str, ...] = ()
    extraneous: tuple[str, ...] = ()
    solutions: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        """ "correct" or "wrong"; an unparseable answer or one over the limits is wrong."""
        return "correct" if self.outcome is Outcome.CORRECT else "wrong"

    def json(self) -> dict[str, object]:
        """A JSON-ready dictionary: verdict, outcome, reason, missing, extraneous, solutions."""
        return {
            "verdict": self.verdict,
            "outcome": self.outcome.value,
            "reason": self.reason,
            "missing": list(self.missing),
            "extraneous": list(self.extraneous),
            "solutions": list(self.solutions),
        }


def why_solutions(texts: tuple[str, ...]) -> str:
    """Why naming exactly these solutions is right."""
    plural = "it satisfies" if len(texts) == 1 else "all satisfy"
    return f"{', '.join(texts)}: {plural} the equation, and there is no other real solution"


def why_no_root(polynomial: str, discriminant: str | None) -> str:
    """Why an equation that reduces to `polynomial` = 0 has no solution; the discriminant where it has one."""
    detail = "which has no real root"
    if discriminant is not None:
        detail = f"whose discriminant is {discriminant}, below zero"
    return f"no real solutions: it reduces to {polynomial} = 0, {detail}"


def why_all_fail(polynomial: str, reasons: Sequence[str]) -> str:
    """Why an equation has no solution although what it reduces to, `polynomial` = 0, has some."""
    return f"no real solutions: it reduces to {polynomial} = 0, and {'; '.join(reasons)}"


def why_missing(texts: tuple[str, ...]) -> str:
    """That an answer leaves these solutions out."""
    return f"{', '.join(texts)} {'is' if len(texts) == 1 else 'are'} missing"


def why_fails(name: str, text: str, is_candidate: bool, left: str, right: str) -> str:
    """That a number does not solve the equation; a candidate solves what it reduces to."""
    word = "is extraneous" if is_candidate else "is no solution"
    return f"{name} = {text} {word}: left side {left}, right side {right}"


def zero_denominator(text: str) -> str:
    """Why an expression has no value."""
    return f"the denominator {text} is zero"


def even_root(text: str) -> str:
    """Why an expression has no value."""
    return f"an even root of {text}, which is negative, is not real"


def why_undefined(name: str, text: str, reason: str) -> str:
    """That a number is outside an equation's domain."""
    return f"{name} = {text} is extraneous: outside the domain, {reason}"
