"""How a step of a solution can be put: as a bare keyword, in formal words, in plain words, or with a reason.

`#` stands for the number in `check -8` or `at 5`. Registers, from the least to the most friendly:
keyword   `multiply: 3y-3-y=y^2`
formal    `clearing denominators yields: ...`
plain     `multiply both sides: ...`
reason    `multiply both sides, so that no fraction is left: ...`
"""

from __future__ import annotations

import re
from random import Random
from types import MappingProxyType
from typing import NamedTuple

REGISTERS = ("keyword", "formal", "plain", "reason")
ANSWER = "answer"
MATHS_FREE = frozenset({"negative", "again"})
"""Steps that have no mathematics behind them."""


class Step(NamedTuple):
    """Keyword of a step and register of the words it was put in."""

    keyword: str
    register: str


_ROWS = (
    ("domain", "the domain excludes", "this must hold", "a bottom of 0 is not allowed, so"),
    ("multiply", "clearing denominators yields", "multiply both sides",
     "multiply both sides, so that no fraction is left"),
    ("standard", "in canonical form", "bring all to one side", "we want 0 on one side, so bring all there"),
    ("expand", "by distributivity", "multiply out", "multiply out, so that no bracket is left"),
    ("discriminant", "the discriminant equals", "the number under the root",
     "the number under the root tells how many solutions there are"),
    ("negative", "no real radical exists", "this is below 0",
     "no number times itself is below 0, so nothing fits"),
    ("square", "a perfect square obtains", "this is a square", "this is a square, so the root is easy"),
    ("numbers", "the half sums are", "the two numbers", "half the sum of both gives the two numbers"),
    ("factor", "factorization yields", "write it as a product",
     "a product is easy, as one part of it must be 0"),
    ("formula", "the quadratic formula yields", "use the formula",
     "the formula always works, so put the numbers in"),
    ("halve", "evaluation yields", "work out both", "plus or minus means two cases, so work out both"),
    ("surd", "the radical simplifies to", "make the root simpler",
     "take the square out, so that the root gets simpler"),
    ("double", "the root of multiplicity two is", "there is one solution",
     "the root of 0 is 0, so there is one solution"),
    ("roots", "the candidate set is", "this could be it", "each part can be 0, so this could be it"),
    ("reject", "inadmissible", "leave out", "that is not allowed, so leave out"),
    ("move", "transposition yields", "letters left, numbers right",
     "put letters left but numbers right, to see what is alike"),
    ("collect", "collecting terms yields", "put together", "what is alike can be put together"),
    ("divide", "division yields", "divide both sides",
     "divide by the number in front, to get one letter alone"),
    ("cancel", "cancellation yields", "cancel what is equal", "top but also bottom have it, so cancel it"),
    ("at #", "evaluation at # yields", "look at #", "is # allowed? put it in"),
    ("check #", "substitution of # yields", "try #", "put # back in, to be sure"),
    ("check product", "the product criterion yields", "try the product", "the product tells if we are right"),
    ("again", "the foregoing is retracted", "once more", "something went wrong, so we try once more"),
)  # fmt: skip

_PHRASES = MappingProxyType({row[0]: dict(zip(REGISTERS, row, strict=True)) for row in _ROWS})
_STEPS = MappingProxyType(
    {words: Step(keyword, register) for keyword, row in _PHRASES.items() for register, words in row.items()}
)
_NUMBER = re.compile(r"(?<=[a-z] )-?[0-9]+(?:/[0-9]+)?(?![0-9a-z])")
# At least one digit, and no words but those a step may hold; `yy` is a square written as a product.
_MATHS = re.compile(
    r"(?=[^0-9]*[0-9])"
    r"(?:sqrt|no real solutions|divide by|no|ok|or|(?<![a-z])([a-z])\1?(?![a-z])|[0-9 +\-*/^()=,<>!|])+"
)


def put(line: str, register: str) -> str:
    """A line of a worked solution in other words; lines without known words, and the answer, stay."""
    words, colon, maths = line.partition(": ")
    number = _NUMBER.search(words)
    keyword = _NUMBER.sub("#", words)
    if keyword not in _PHRASES:
        return line
    phrase = _PHRASES[keyword][register]
    return (phrase.replace("#", number[0]) if number else phrase) + colon + maths


def explain(solution: str, friendliness: float, random: Random) -> str:
    """A worked solution in which each step has its reason at the rate `friendliness`, else any register."""
    return "\n".join(
        put(line, "reason" if random.random() < friendliness else random.choice(REGISTERS[:3]))
        for line in solution.split("\n")
    )


def read_step(line: str) -> Step | None:
    """The step a line makes, or None when its words are unknown or its mathematics is missing."""
    words, _, maths = line.partition(": ")
    step = _STEPS.get(words) or _STEPS.get(_NUMBER.sub("#", words))
    if step is None:
        return None
    if step.keyword in MATHS_FREE:
        return step if not maths else None
    return step if _MATHS.fullmatch(maths) else None


def bare(text: str) -> str:
    """An explanation with its known phrases turned back into keywords, as the equations task reads it."""
    lines = []
    for line in text.split("\n"):
        step = read_step(line)
        lines.append(put_back(line, step.keyword) if step else line)
    return "\n".join(lines)


def put_back(line: str, keyword: str) -> str:
    """A line with its words replaced by the keyword they stand for."""
    words, colon, maths = line.partition(": ")
    number = _NUMBER.search(words)
    return (keyword.replace("#", number[0]) if number else keyword) + colon + maths
