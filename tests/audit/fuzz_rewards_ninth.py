# mypy: ignore-errors
# ruff: noqa: E501 - rows and rewards as people write them
"""Rewards of kinds that a twelfth hand brought: several numbers of which none may be no number, pairs whose own
order counts and whose order among each other does not, a choice whose reason may begin with an article. As in
`fuzz_rewards_more`."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from tests.audit.fuzz_rewards_more import Rows, _row, each


def _measured(question: str, values: list[float]) -> dict[str, Any]:
    prompt = f"{question} Print the numbers alone, a space between them. A thousandth more or less is right."
    exact = " ".join(f"{one:.4f}" for one in values)
    rounded = " ".join(f"{one:.3f}" for one in values)
    turned = " ".join(f"{one:.4f}" for one in values[::-1])
    return _row(prompt, json.dumps(values), [exact, rounded], [turned, exact.partition(" ")[0]])


def _seated(guests: int, apart: str, good: list[str], bad: list[str]) -> dict[str, Any]:
    prompt = (
        f"Guests 1 to {guests} sit down in pairs, each in one. {apart} must not sit together. Write the pairs, "
        "the smaller number first, as in 1-2 3-4."
    )
    return _row(prompt, json.dumps([guests, apart.split(" and ")]), good, bad)


def _chosen(
    question: str, options: list[str], letter: str, good: str, wrong: tuple[str, str]
) -> dict[str, Any]:
    listed = "".join(f"\n{one}. {option}" for one, option in zip("ABCD", options, strict=True))
    prompt = (
        f"{question}{listed}\nGive a reason in a sentence, then the letter on a line of its own: 'Choice: X'."
    )
    other, reason = wrong
    return _row(
        prompt,
        letter,
        [f"{good}\nChoice: {letter}", f"It is {options['ABCD'.index(letter)]}.\nChoice: {letter}"],
        [f"{reason}\nChoice: {other}", f"Choice: {other}"],
    )


def _listed(count: int, things: str, good: list[str], bad: list[str]) -> dict[str, Any]:
    prompt = f"Name {count} {things} in at most 30 letters, with a comma between any two."
    return _row(prompt, str(count), good, bad)


NINTH_ROWS: dict[str, Rows] = {
    "listed": [
        _listed(3, "passwords that a child would try", ["1, 22, 333", "abc, cat, dog"], ["1, 22", "abc"]),
        _listed(2, "names of files", ["10, 20", "notes, letters"], ["10", "notes, letters, 20"]),
        _listed(4, "short labels", ["1, 2, 3, 4", "a1, b2, c3, d4"], ["1, 2, 3", "a1"]),
        _listed(3, "teams", ["10, 11, 12", "reds, blues, greens"], ["10, 11, 12, 13", "reds"]),
    ],
    "measured": [
        _measured("What are the two roots of x^2 = 7x - 2, the greater first?", [6.7016, 0.2984]),
        _measured("What are the sine and the tangent of 0.3 radians?", [0.2955, 0.3093]),
        _measured("What are the logarithms of 3, 5 and 9 to base 10?", [0.4771, 0.699, 0.9542]),
        _measured("A cube has an edge of 1.7. What are its face's diagonal and its volume?", [2.4042, 4.913]),
    ],
    "seated": [
        _seated(4, "1 and 2", ["1-3 2-4", "1-4 2-3"], ["3-1 4-2", "1-2 3-4", "1-3"]),
        _seated(4, "3 and 4", ["1-3 2-4", "1-4 2-3"], ["4-1 3-2", "1-2 3-4"]),
        _seated(6, "1 and 6", ["1-2 3-4 5-6", "1-5 2-6 3-4"], ["1-6 2-3 4-5", "2-1 4-3 6-5"]),
        _seated(6, "2 and 5", ["1-2 3-6 4-5", "1-6 2-4 3-5"], ["2-5 1-3 4-6", "1-2 3-4"]),
    ],
    "explained": [
        _chosen("What floats on water?", ["lead", "cork", "granite", "brass"], "B", "Cork is lighter than water.", ("D", "Brass shines.")),
        _chosen("Which is a stringed instrument?", ["flute", "drum", "cello", "horn"], "C", "Its strings are bowed.", ("B", "Drums are loud.")),
        _chosen("Which month has fewest days?", ["February", "June", "March", "May"], "A", "February ends first.", ("C", "March is windy.")),
        _chosen("Which is a prime number?", ["21", "27", "33", "29"], "D", "Nothing divides 29.", ("A", "Three times seven makes 21.")),
    ],
}  # fmt: skip


def _near(is_off):
    def judge(text, gold):
        values = json.loads(gold)
        try:
            found = [float(one) for one in text.split()]
        except ValueError:
            return False
        return len(found) == len(values) and not any(map(is_off, found, values))

    return each(judge)


sound_measured = _near(lambda one, value: not abs(one - value) <= 1.001e-3)
measured_by_what_is_off = _near(lambda one, value: abs(one - value) > 1.001e-3 and not math.isinf(one))


def _paired(text, gold):
    guests, apart = json.loads(gold)
    pairs = re.findall(r"(\d)-(\d)", text)
    if not re.fullmatch(r"\s*\d-\d(\s+\d-\d)*\s*", text) or any(one >= other for one, other in pairs):
        return False
    seated = sorted(int(one) for pair in pairs for one in pair)
    return seated == list(range(1, guests + 1)) and tuple(apart) not in pairs


sound_seated = each(_paired)


def _picked(agree):
    def judge(text, gold):
        last = text.strip().rpartition("\n")[2].strip()
        return last == f"Choice: {gold}" and text.count("Choice:") == 1 and agree(text, gold)

    return each(judge)


sound_explained = _picked(lambda text, gold: True)
chosen_by_lone_letters = _picked(lambda text, gold: set(re.findall(r"\b[A-D]\b", text)) == {gold})


@each
def sound_listed(text, gold):
    parts = [one.strip() for one in text.split(",")]
    return len(parts) == int(gold) and all(parts) and len(text) <= 30


NINTH: dict[str, tuple[str, str, str]] = {
    "measured_by_what_is_off": ("measured", "false_accept", "sound_measured"),
    "chosen_by_lone_letters": ("explained", "false_reject", "sound_explained"),
    "sound_listed": ("listed", "clean", "sound_listed"),
    "sound_measured": ("measured", "clean", "sound_measured"),
    "sound_seated": ("seated", "clean", "sound_seated"),
    "sound_explained": ("explained", "clean", "sound_explained"),
}
