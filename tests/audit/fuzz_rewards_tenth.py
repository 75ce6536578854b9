# mypy: ignore-errors
# ruff: noqa: E501 - rows and rewards as people write them
"""Rewards of kinds that a fourteenth hand brought: one of several reference sentences, raised digits in a number,
lines that need a capital at their beginning and may have
more, sums that Python reads with commas and underscores but with no thin spaces. As in `fuzz_rewards_more`."""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from typing import Any

from tests.audit.fuzz_rewards_more import Rows, _row, each


def _board(spanish: str, english: list[str], wrong: list[str]) -> dict[str, Any]:
    prompt = f"Put into English what the sign says, in one sentence and without comment: {spanish}"
    return _row(prompt, json.dumps(english), [english[0], english[-1].rstrip(".").lower()], wrong)


def _counted(question: str, gold: int, wrong: tuple[int, int]) -> dict[str, Any]:
    prompt = f"{question} Answer with a whole number, in digits of any script."
    wide = "".join(chr(0xFF10 + int(one)) for one in str(gold))
    return _row(prompt, str(gold), [str(gold), wide], [str(one) for one in wrong])


def _begun(letters: str, good: list[str], bad: list[str]) -> dict[str, Any]:
    prompt = (
        f"Write {len(letters)} lines of two words or more. They begin, from first to last, with the capital letters "
        f"{', '.join(letters)}."
    )
    return _row(prompt, letters, good, bad)


def _repaid(sum_of: str, gold: int, wrong: tuple[int, int]) -> dict[str, Any]:
    prompt = f"{sum_of} How much is paid back, in euro? End with 'Paid back: x'. Commas in numbers are fine."
    first, second = (f"Paid back: {one}" for one in wrong)
    return _row(prompt, str(gold), [f"Paid back: {gold}", f"In all.\nPaid back: {gold}.00"], [first, second])


TENTH_ROWS: dict[str, Rows] = {
    "boards": [
        _board(
            "El perro muerde al cartero.",
            ["The dog bites the postman.", "The dog bites the mailman."],
            ["A cat sleeps.", "Beware of children."],
        ),
        _board(
            "La tienda vende el pan.",
            ["The shop sells the bread.", "The store sells the bread."],
            ["The shop is closed.", "We buy gold."],
        ),
        _board(
            "El guarda abre la puerta.",
            ["The guard opens the gate.", "The keeper opens the door."],
            ["No entry.", "The gate has two keys."],
        ),
        _board(
            "El barco cruza el lago.",
            ["The boat crosses the lake.", "The ship crosses the lake."],
            ["No swimming.", "A bridge over a river."],
        ),
    ],
    "totalled": [
        _counted("How many days have five weeks?", 35, (34, 12)),
        _counted("How many minutes are nine quarters of an hour?", 135, (45, 136)),
        _counted("How many eggs are seven dozen?", 84, (19, 70)),
        _counted("How many legs have 16 spiders?", 128, (24, 96)),
    ],
    "repaid": [
        _repaid("Ines lends 2000 and 3000.", 5000, (2000, 6000)),
        _repaid("Omar borrows 1200, three times.", 3600, (1200, 2400)),
        _repaid("A loan of 900 costs 85.", 985, (815, 900)),
        _repaid("Twelve instalments of 110 are due.", 1320, (1210, 1300)),
    ],
    "begun": [
        _begun(
            "TO",
            ["Trams pass by\nOften they ring", "Two of us\nOnce upon a time"],
            ["two of us\nonce upon a time", "Two of us"],
        ),
        _begun(
            "AM",
            ["Apples fall down\nMice eat them", "All is well\nMore to come"],
            ["Mice eat them\nApples fall down", "All\nMore"],
        ),
        _begun(
            "SKY",
            ["So it goes\nKeep on walking\nYou will see", "Sun and rain\nKites go up\nYes they do"],
            ["Sun and rain\nKites go up", "rain and sun\nkites go up\nyes they do"],
        ),
        _begun(
            "IN",
            ["If you can\nNever say never", "Ice is cold\nNot so fire"],
            ["ice is cold\nnot so fire", "Ice is cold, Not so fire"],
        ),
    ],
}


def _bag(text):
    return Counter(re.findall(r"[a-z]+", text.lower()))


@each
def boards_in_a_bag(text, gold):
    return any(_bag(text) == _bag(one) for one in json.loads(gold))


@each
def sound_boards(text, gold):
    said = re.findall(r"\w+", text.lower())
    plain = not re.sub(r"[\w\s.]", "", text)
    return plain and any(said == re.findall(r"\w+", one.lower()) for one in json.loads(gold))


def _value(text):
    """What decimal digits of any script say; None for anything else."""
    if not text or not all(unicodedata.decimal(one, None) is not None for one in text):
        return None
    return "".join(str(unicodedata.decimal(one)) for one in text)


@each
def totalled_by_any_digits(text, gold):
    digits = [unicodedata.digit(one, None) for one in text.strip()]
    return None not in digits and "".join(map(str, digits)) == gold


@each
def sound_totalled(text, gold):
    return _value(text.strip()) == gold


@each
def sound_repaid(text, gold):
    marked = [line[10:].strip() for line in text.strip().splitlines() if line.startswith("Paid back:")]
    said = re.fullmatch(r"(\d[\d,_]*)(\.0+)?", marked[0], re.ASCII) if len(marked) == 1 else None
    return (
        bool(said) and re.sub("[,_]", "", said[1]) == gold and "Paid back:" in text.strip().splitlines()[-1]
    )


@each
def sound_begun(text, gold):
    lines = text.strip().splitlines()
    return len(lines) == len(gold) and all(
        line.startswith(letter) and len(line.split()) > 1 for line, letter in zip(lines, gold, strict=True)
    )


TENTH: dict[str, tuple[str, str, str]] = {
    "boards_in_a_bag": ("boards", "false_accept", "sound_boards"),
    "totalled_by_any_digits": ("totalled", "false_accept", "sound_totalled"),
    "sound_boards": ("boards", "clean", "sound_boards"),
    "sound_totalled": ("totalled", "clean", "sound_totalled"),
    "sound_repaid": ("repaid", "clean", "sound_repaid"),
    "sound_begun": ("begun", "clean", "sound_begun"),
}
