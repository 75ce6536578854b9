"""Who writes a solution: a writer's habits, and the pen that carries them out line by line."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from random import Random

from practicum.ranges import Ranged, Share


@dataclass(frozen=True)
class Habits(Ranged, section="habits"):
    """How often a writer does what, each a rate from 0 to 1.

    Good habits. domain_check: write the domain first and reject what lies outside it. factor_when_square:
    factor, rather than use the formula, when the discriminant is a square. conclude_negative: stop at a
    negative discriminant. halve_surd: divide the root, too, by the denominator. both_cases: treat both signs
    of an absolute value. careful_sum: find the roots before adding them up. double_once: count a double root
    once. verification: check the candidates at the end, and start again when a check fails.
    Bad habits. guess_factoring: factor before looking at the discriminant, and force it. formula_slip: lose
    the denominator or the sign of -b. arithmetic_slip and sign_slip: a wrong number or sign, per step.
    """

    domain_check: Share = 0.35
    guess_factoring: Share = 0.25
    factor_when_square: Share = 0.4
    formula_slip: Share = 0.4
    conclude_negative: Share = 0.4
    halve_surd: Share = 0.35
    both_cases: Share = 0.45
    careful_sum: Share = 0.45
    double_once: Share = 0.5
    verification: Share = 0.35
    arithmetic_slip: Share = 0.01
    sign_slip: Share = 0.02

    @classmethod
    def perfect(cls) -> Habits:
        """A writer without mistakes; where two ways are both right, both occur."""
        return cls(
            domain_check=1.0,
            guess_factoring=0.0,
            factor_when_square=0.5,
            formula_slip=0.0,
            conclude_negative=1.0,
            halve_surd=1.0,
            both_cases=1.0,
            careful_sum=1.0,
            double_once=1.0,
            verification=0.5,
            arithmetic_slip=0.0,
            sign_slip=0.0,
        )


_CONCLUSIONS = ("roots", "reject", "add", "answer")
_CAREFUL = replace(Habits.perfect(), verification=0.0, factor_when_square=1.0)


class Pen:
    """The lines written so far, and chance decisions by the writer's habits."""

    def __init__(self, habits: Habits, random: Random) -> None:
        self.habits = habits
        self.random = random
        self.lines: list[str] = []
        self.started_again = False

    def write(self, word: str, maths: str = "") -> None:
        """Add the line `word: maths`."""
        line = f"{word}: {maths}" if maths else word
        # Whoever starts again copies no step that already stands on the page.
        if not (self.started_again and line in self.lines and word not in _CONCLUSIONS):
            self.lines.append(line)

    def start_again(self) -> None:
        """From here on everything is right."""
        self.write("again")
        self.habits, self.started_again = _CAREFUL, True

    def does(self, rate: float) -> bool:
        """True with probability `rate`."""
        return self.random.random() < rate

    def number(self, value: Fraction | int) -> Fraction:
        """The value, or now and then (arithmetic_slip) a near miss."""
        if self.random.random() < self.habits.arithmetic_slip:
            return Fraction(value + self.random.choice((-2, -1, -1, 1, 1, 2)))
        return Fraction(value)

    def moved(self, value: Fraction | int) -> Fraction:
        """The value of a term after a step, or now and then (sign_slip) with the wrong sign."""
        return Fraction(-value if self.random.random() < self.habits.sign_slip else value)
