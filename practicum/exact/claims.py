"""What an answer claims, still unevaluated: numbers, ranges, none, all, and what it says beside them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from practicum.exact.expression import Expression

MAX_MEMBERS = 32
"""Most members of a list, each ± counted twice."""


@dataclass(frozen=True)
class Value:
    """One member: one or more forms that must all be equal (6/2 = 3), with the text it was read from."""

    forms: tuple[Expression, ...]
    choices: int
    text: str


@dataclass(frozen=True)
class Range:
    """An interval; None for an infinite end."""

    low: Expression | None
    low_closed: bool
    high: Expression | None
    high_closed: bool


@dataclass
class Answer:
    """What an answer says, still unevaluated. Several statements together may contradict each other.

    values, ranges, exclusions: what is claimed ("x ≠ 2" excludes). rejected: numbers said to be no solutions.
    after_rejected: numbers with what was rejected before them. conditions: ranges that hold for every member
    ("x = 9 for x >= 5"). remarks: ranges that do so if they hold all members, and are claimed if not
    ("9, x >= 5"; "-5, x >= 0"). estimates: decimals given for exact members. beside_none: numbers named as a
    reason why there are none (complex ones). count: how many solutions the answer says there are. premises:
    numbers named before "so", to be named again behind it. overlap: what two ranges joined by a comma share.
    sums: numbers that are called the sum. candidates: numbers of which the members are some. equalities:
    relations between constants, in checks and reasons, which must be true. named_again: numbers that a check
    is about. listings: "2 ± 1" with the "1, 3" it is set equal to. parts: "the first solution is", "the other
    is", with their numbers; they must be complete. sides: values of the left and the right side, which must
    be equal. solved: the two sides of equations that the answer says it solves; a member must solve each.
    """

    values: list[Value] = field(default_factory=list)
    ranges: list[Range] = field(default_factory=list)
    exclusions: list[Value] = field(default_factory=list)
    rejected: list[Value] = field(default_factory=list)
    conditions: list[Range] = field(default_factory=list)
    remarks: list[Range] = field(default_factory=list)
    estimates: list[Value] = field(default_factory=list)
    beside_none: list[Value] = field(default_factory=list)
    sums: list[Value] = field(default_factory=list)
    premises: list[Value] = field(default_factory=list)
    candidates: list[Value] = field(default_factory=list)
    equalities: list[tuple[Value, str, Value]] = field(default_factory=list)
    named_again: list[Value] = field(default_factory=list)
    listings: list[tuple[Value, list[Value]]] = field(default_factory=list)
    after_rejected: list[tuple[Value, tuple[Value, ...]]] = field(default_factory=list)
    sides: list[Value] = field(default_factory=list)
    parts: list[tuple[str, Value]] = field(default_factory=list)
    solved: list[tuple[Value, Value]] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    overlap: Range | None = None
    says_none: bool = False
    says_all: bool = False

    def take_remarks(self, other: Answer) -> None:
        """Add what a part of the text says beside its claims, to be judged with the rest."""
        self.candidates += other.candidates
        self.equalities += other.equalities
        self.named_again += other.named_again
        self.listings += other.listings
        self.parts += other.parts
        self.sides += other.sides
        self.solved += other.solved
        self.after_rejected += other.after_rejected

    @property
    def is_blank(self) -> bool:
        """Whether nothing is claimed."""
        claimed = (
            self.values or self.premises or self.ranges or self.exclusions or self.estimates or self.sums
        )
        return not (claimed or self.says_none or self.says_all)


_CHOICE = re.compile(r"\\pm|\\mp|\+/-|\+-|-\+|[±∓]")


def with_signs(text: str, signs: tuple[int, ...]) -> str:
    """The text of one member of "2 ± sqrt(3)": "2 + sqrt(3)" or "2 - sqrt(3)"."""
    if not signs:
        return text
    pending = list(signs)

    def choose(match: re.Match[str]) -> str:
        flipped = match.group() in ("\\mp", "∓", "-+")
        sign = (pending.pop(0) if pending and not flipped else signs[0]) * (-1 if flipped else 1)
        return "-" if sign < 0 else "" if match.start() == 0 else "+"

    return _CHOICE.sub(choose, text)
