"""Equations drawn at random by family, level and kind of root, from one split."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from types import MappingProxyType

from practicum.errors import InputError
from practicum.tasks.equations.families import cancelled, linear, quadratic, rational
from practicum.tasks.equations.long_linear import long_linear
from practicum.tasks.equations.parameters import PARAMETRIC
from practicum.tasks.equations.problems import SPLITS, Problem, split_of
from practicum.tasks.equations.radicals import absolute, nested, radical

Draw = Callable[[int, str, str, Random], Problem | None]

FAMILIES: Mapping[str, Draw] = MappingProxyType(
    {
        "linear": linear,
        "quadratic": quadratic,
        "rational": rational,
        "cancelled": cancelled,
        "radical": radical,
        "nested": nested,
        "absolute": absolute,
        "long_linear": long_linear,
    }
)

LEVELS = (1, 2, 3)
ASKS = ("solve", "sum")

# Shares of the kinds of root within a family; a kind that a level does not have is drawn again.
KINDS: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        "linear": {"integer": 0.6, "rational": 0.4},
        "quadratic": {"integer": 0.30, "rational": 0.10, "irrational": 0.30, "none": 0.25, "double": 0.05},
        "rational": {"integer": 0.27, "irrational": 0.38, "none": 0.26, "excluded": 0.06, "double": 0.03},
        "cancelled": {"integer": 0.5, "extraneous": 0.25, "irrational": 0.15, "rational": 0.1},
        "radical": {"integer": 0.2, "rational": 0.1, "extraneous": 0.35, "irrational": 0.25, "none": 0.1},
        "nested": {"integer": 0.4, "rational": 0.1, "irrational": 0.3, "none": 0.2},
        "absolute": {"integer": 0.4, "rational": 0.1, "extraneous": 0.35, "none": 0.15},
        "long_linear": {"integer": 0.83, "zero": 0.05, "rational": 0.12},
    }
)


def draw(
    family: str,
    level: int,
    ask: str,
    random: Random,
    split: str | None = None,
    parametric: float = 0.0,
    kinds: Mapping[str, float] | None = None,
) -> Problem:
    """One problem of a family and level, from `split` if one is given; `kinds` overrides the shares of KINDS.

    `parametric` is the share (0 to 1) of equations with a letter parameter where the family has them (linear,
    quadratic, rational); those are always asked as a sum. Raises InputError for an unknown family, level,
    ask or split.
    """
    for field, value, known in (("family", family, FAMILIES), ("level", level, LEVELS), ("ask", ask, ASKS)):
        if value not in known:
            raise InputError(f"{field}: unknown value {value!r}, choose from {', '.join(map(str, known))}")
    if split is not None and split not in SPLITS:
        raise InputError(f"split: unknown value {split!r}, choose from {', '.join(SPLITS)}")
    while True:
        # A kind may have few canonical forms, perhaps none in a small split: then another kind gets its turn.
        with_parameter = family in PARAMETRIC and random.random() < parametric
        kind = _choose(kinds or KINDS[family], random)
        for _ in range(60):
            if with_parameter:
                problem: Problem | None = PARAMETRIC[family](level, random)
            else:
                problem = FAMILIES[family](level, kind, ask, random)
            if problem is None:
                break
            if split is None or split_of(problem.canonical) == split:
                return problem


def _choose(shares: Mapping[str, float], random: Random) -> str:
    point = random.random() * sum(shares.values())
    for name, share in shares.items():
        point -= share
        if point < 0:
            return name
    return name
