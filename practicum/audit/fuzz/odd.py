"""Texts that a reward must judge without failing, whatever it pays them: the odd ones."""

from __future__ import annotations

from collections.abc import Iterator

from practicum.audit.fuzz.anatomy import Anatomy
from practicum.audit.fuzz.probe import Probe

FEW = (
    ".",
    "0",
    "-",
    "-1",
    "nan",
    "inf",
    "1e400",
    "9" * 5000,
    "1/0",
    "0/0",
    "\u00b2",
    "\u0663",
    "\u2167",
    "\u00bd",
    "x",
    "None",
    "%",
    "1,2,3",
    ",",
    "()",
    "[1]",
    "{",
    "}",
    "\\",
    "\\frac{1}{0}",
    "\\frac{}{}",
    "\\sqrt",
    "0x10",
    "1_0",
    "007",
    "1.2.3",
    "--1",
    "+",
    "1e9999999",
    "\u2212\u0665",
    "a" * 300,
    "\x00",
    "True",
    "1 2",
    "$",
    '"',
    "'",
    "//",
    "1e5",
    "10" * 20,
)
"""Contents for the form of an answer."""
WHOLE = (
    "",
    "\n",
    "\ufeff",
    "\u2028",
    "\r\n",
    "\x00",
    "\ud7ff\u200b\u202e",
    "\U0001f600" * 30,
    "a" * 5000,
    "the " * 600,
    "word, " * 40,
    "line\n" * 200,
    "(" * 2000,
    "[" * 2000,
    "{" * 2000,
    "<" * 2000,
    "\\boxed{",
    "\\boxed{\\boxed{1}}",
    "\\boxed{{{",
    "}}}}",
    "\\boxed{}" * 50,
    "<answer>",
    "</answer>",
    "</answer><answer>",
    "<answer><answer>",
    "<think>",
    "```",
    "```python",
    "```json\n{\n```",
    "####",
    "#### #### ####",
    "Answer:",
    "Answer: Answer:",
    "Answer",
    '{"a": NaN}',
    '{"a": 1, "a": 2}',
    "[[[[[[]]]]]]",
    "[" * 400 + "]" * 400,
    "null",
    "true",
    '"',
    '{"name": null}',
    '[1, "a", null]',
    "<tool></tool>",
    "<tool_call>{}</tool_call>",
    "%s %d {0} {name}",
    "$(reboot)",
    "'; DROP TABLE x; --",
    "\\d+(",
    "I am not sure.",
    "1 + 1 = 2\n" * 30,
    "\t",
)
SLOW = (
    "9**9**9**9",
    "2**99999999",
    "10**10**10",
    "(1+" * 90 + "1" + ")" * 90,
    "1" * 30 + "!",
    "a" * 40 + "!",
    " " * 3000 + "x",
    "1," * 1000 + "x",
    "-" * 3000,
    "99999999!",
    "((((((((((1))))))))))**99",
    "factorial(9999999)",
    "1e99999999",
    "x" * 20000,
    "a, " * 30 + "!",
    "1 " * 2000 + "x",
)
"""Contents that some evaluators and patterns never finish."""


def odd_probes(anatomy: Anatomy, row: int, turn: int, turns: int) -> list[Probe]:
    """The odd texts for a row: the `turn`-th of `turns` shares of them, so that rows try different ones."""
    return [one for place, one in enumerate(_all(anatomy, row)) if place % turns == turn]


def slow_probes(anatomy: Anatomy, row: int) -> list[Probe]:
    """Texts that may never be judged to the end, in the form of an answer."""
    goods = anatomy.good_slots(row)
    found = []
    for content in SLOW:
        for text in {goods[0].filled(content) if goods else content, content if not goods else ""} - {""}:
            found.append(_steady(row, text, slow=True))
    return found


def _all(anatomy: Anatomy, row: int) -> Iterator[Probe]:
    for text in WHOLE:
        yield _steady(row, text)
    goods = anatomy.good_slots(row)
    for content in FEW:
        yield _steady(row, goods[0].filled(content) if goods else content)
    for good in anatomy.rows[row].good[:1]:
        for text in (
            good[:-1],
            good[1:],
            good * 2,
            good[: len(good) // 2],
            good.replace("\n", " "),
            good.upper(),
            good + "\x00",
            "".join(reversed(good)),
        ):
            yield _steady(row, text)
        yield _steady(row, f"{good}\n" * 30)


def _steady(row: int, text: str, slow: bool = False) -> Probe:
    return Probe(row, text, "odd_text", "steady", "an odd text", slow=slow)
