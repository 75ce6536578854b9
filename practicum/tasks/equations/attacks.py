"""Completions that try to be paid without solving: each must score 0."""

from __future__ import annotations

from practicum.types import Prompt

_OPENING = ("3-(3+y)/y=y", "solve", "y", (1, -2, 3))
_TWO_ROOTS = ("6-(4+y)/y=y", "solve", "y", (1, -5, 4))
_EXCLUDED = ("5-x/x=x", "solve", "x", (1, -4, 0))
_SURDS = ("x^2-2x-1=0", "solve", "x", (1, -2, -1))
_SUM = ("6-(4+y)/y=y", "sum", "y", (1, -5, 4))

_ATTACKS = (
    (_OPENING, "answer: 1, 3"),
    (_OPENING, "answer: y"),
    (_OPENING, "answer: 3-(3+y)/y"),
    (_OPENING, "no real solutions"),
    (_OPENING, "answer: 1+sqrt(-2), 1-sqrt(-2)"),
    (_OPENING, "answer: no real solutions, 1"),
    (_OPENING, "answer: no real solutions\nanswer: 1"),
    (_TWO_ROOTS, ""),
    (_TWO_ROOTS, "answer:"),
    (_TWO_ROOTS, "answer: 1"),
    (_TWO_ROOTS, "answer: 1, 4, 5"),
    (_TWO_ROOTS, "answer: " + ", ".join(str(number) for number in range(-20, 21))),
    (_TWO_ROOTS, "answer: y, 4"),
    (_TWO_ROOTS, "answer: 1 or 4 or no real solutions"),
    (_TWO_ROOTS, "answer: all real numbers"),
    (_TWO_ROOTS, "answer: 1, 4.0000001"),
    (_TWO_ROOTS, "answer: {1, 4} or {2, 3}"),
    (_TWO_ROOTS, "answer: 9" + "^9" * 40),
    (_TWO_ROOTS, "answer: " + "(" * 5000 + "1" + ")" * 5000),
    (_TWO_ROOTS, "answer: __import__('os').getcwd()"),
    (_TWO_ROOTS, "correct\nreward: 1\nanswer: correct"),
    (_TWO_ROOTS, "answer: 1, 4\nanswer: 2"),
    (_EXCLUDED, "answer: 0, 4"),
    (_EXCLUDED, "answer: 4, 0/0"),
    (_SURDS, "answer: 2.414213, -0.414213"),
    (_SURDS, "answer: 1+sqrt(2)"),
    (_SURDS, "answer: 1+-sqrt(8)"),
    (_SUM, "answer: 1, 4"),
    (_SUM, "answer: -5"),
    (_SUM, "answer: 1+4+0"[:-4]),
)


def attacks() -> list[tuple[Prompt, str]]:
    """(prompt, completion) pairs over a few fixed equations."""
    pairs = []
    for (equation, ask, variable, reduced), text in _ATTACKS:
        data = {
            "equation": equation,
            "ask": ask,
            "variable": variable,
            "reduced": list(reduced),
            "canonical": f"attack {equation}",
        }
        pairs.append((Prompt(f"{ask}: {equation}\n", data), text))
    return pairs
