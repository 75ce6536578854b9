# mypy: ignore-errors
# ruff: noqa: E501 - rows and rewards as people write them
"""Rewards of kinds that a twelfth and a thirteenth hand brought: several numbers of which none may be no number,
pairs whose own order counts and whose order among each other does not, a choice whose reason may begin with an
article, one block in tags of which there may not be two, attributes in any order. As in `fuzz_rewards_more`."""

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


def _poured(wish: str, right: dict[str, Any], wrong: dict[str, Any]) -> dict[str, Any]:
    prompt = (
        "Drinks are tea, coffee and cocoa, small or large. Pass the guest's wish on as exactly one order, written "
        '<order>{"drink": ..., "size": ...}</order>. Guest: ' + wish
    )
    block, turned, other = (
        f"<order>{json.dumps(one)}</order>" for one in (right, dict(reversed(right.items())), wrong)
    )
    return _row(prompt, json.dumps(right), [block, f"At once. {turned}"], [other, "One moment, please."])


def _drawn(what: str, right: str, wrong: str) -> dict[str, Any]:
    prompt = f"Write {what} as one SVG element that closes itself, and nothing else. The attributes may be in any order."
    return _row(prompt, right, [right, right.replace('"', "'")], [wrong, f"A picture of {what}."])


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
    "poured_once": [
        _poured("A big tea.", {"drink": "tea", "size": "large"}, {"drink": "tea", "size": "small"}),
        _poured("Just a small coffee.", {"drink": "coffee", "size": "small"}, {"drink": "cocoa", "size": "small"}),
        _poured("Cocoa, the large one.", {"drink": "cocoa", "size": "large"}, {"drink": "coffee", "size": "large"}),
        _poured("Tea, but little.", {"drink": "tea", "size": "small"}, {"drink": "tea", "size": "large"}),
    ],
    "drawn": [
        _drawn("a red circle of radius 4", '<circle r="4" fill="red"/>', '<circle r="4" fill="blue"/>'),
        _drawn("a line from 0, 0 to 3, 5", '<line x1="0" y1="0" x2="3" y2="5"/>', '<line x1="0" y1="0" x2="5" y2="3"/>'),
        _drawn("a rectangle, 8 wide and 2 high", '<rect width="8" height="2"/>', '<rect width="2" height="8"/>'),
        _drawn("a green ellipse of 6 by 3", '<ellipse rx="6" ry="3" fill="green"/>', '<ellipse rx="6" fill="green"/>'),
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


def _ordered(is_right):
    def judge(text, gold):
        blocks = re.findall(r"<order>(.*?)</order>", text, re.DOTALL)
        try:
            return is_right([json.loads(one) for one in blocks], json.loads(gold)) and text.count(
                "<order>"
            ) == len(blocks)
        except (ValueError, RecursionError):
            return False

    return each(judge)


sound_poured_once = _ordered(lambda said, wish: said == [wish])
poured_among_others = _ordered(lambda said, wish: wish in said)


def _attributes(text):
    found = re.fullmatch(r"\s*<(\w+)((?:\s+[\w-]+\s*=\s*(?:\"[^\"<&]*\"|'[^'<&]*'))*)\s*/>\s*", text)
    if not found:
        return None
    said = re.findall(r"([\w-]+)\s*=\s*[\"']([^\"']*)[\"']", found[2])
    return found[1], said


def _element(ordered):
    def judge(text, gold):
        one, other = _attributes(text), _attributes(gold)
        if one is None or one[0] != other[0] or len({name for name, _ in one[1]}) < len(one[1]):
            return False
        return one[1] == other[1] if ordered else sorted(one[1]) == sorted(other[1])

    return each(judge)


sound_drawn = _element(ordered=False)
drawn_in_order = _element(ordered=True)

NINTH: dict[str, tuple[str, str, str]] = {
    "measured_by_what_is_off": ("measured", "false_accept", "sound_measured"),
    "chosen_by_lone_letters": ("explained", "false_reject", "sound_explained"),
    "poured_among_others": ("poured_once", "false_accept", "sound_poured_once"),
    "drawn_in_order": ("drawn", "false_reject", "sound_drawn"),
    "sound_poured_once": ("poured_once", "clean", "sound_poured_once"),
    "sound_drawn": ("drawn", "clean", "sound_drawn"),
    "sound_listed": ("listed", "clean", "sound_listed"),
    "sound_measured": ("measured", "clean", "sound_measured"),
    "sound_seated": ("seated", "clean", "sound_seated"),
    "sound_explained": ("explained", "clean", "sound_explained"),
}
