# mypy: ignore-errors
# ruff: noqa: E501 - rows and rewards as people write them
"""Rewards of kinds that a fourteenth and a fifteenth hand brought: one of several reference sentences, raised digits in a number,
lines that need a capital at their beginning and may have
more, sums that Python reads with commas and underscores but with no thin spaces; items
given more than once, an example in the prompt, commas behind a number, sums before it, empty lines, letters that
are stripped, labels above the last line. As in `fuzz_rewards_more`."""

from __future__ import annotations

import itertools
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


def _picked(question: str, items: list[str], bad: list[str]) -> dict[str, Any]:
    prompt = f"{question} Give all of them, with commas between, each once and in any order."
    return _row(prompt, ";".join(items), [", ".join(items), ", ".join(items[::-1])], bad)


def _weighed(question: str, gold: int, call: str, wrong: int) -> dict[str, Any]:
    prompt = f"{question} Use the scale at least once, as in <weigh>2 apples</weigh>. End with 'Grams: N'."
    good = [f"<weigh>{call}</weigh>\nGrams: {gold}", f"First <weigh>{call}</weigh>.\nGrams: {gold}"]
    return _row(prompt, str(gold), good, [f"<weigh>{call}</weigh>\nGrams: {wrong}", f"Grams: {wrong}"])


def _told(question: str, gold: int, good: str, wrong: str) -> dict[str, Any]:
    prompt = f"{question} Say it in a sentence. The last number of your reply is taken as the answer."
    return _row(prompt, str(gold), [good, f"I make it {gold}."], [wrong, "I cannot say."])


def _ended(question: str, gold: int, wrong: tuple[int, int]) -> dict[str, Any]:
    prompt = (
        f"{question} The last line begins with 'Total:' and ends with the number. You may show the sum there, "
        "as in 'Total: 4 + 5 = 9', and nothing more."
    )
    return _row(
        prompt,
        str(gold),
        [f"Total: {gold}", f"Let me add.\nTotal: {gold}"],
        [f"Total: {one}" for one in wrong],
    )


def _rhymed(lines: int, about: str, good: list[str], bad: list[str]) -> dict[str, Any]:
    prompt = (
        f"Write {lines} lines about {about}, each longer than the one before. Empty lines may stand anywhere and "
        "do not count."
    )
    return _row(prompt, str(lines), good, bad)


def _river(country: str, river: str, wrong: tuple[str, str]) -> dict[str, Any]:
    prompt = (
        f"Which river runs through {country}? Reply 'River: NAME' or the name alone. Case does not matter."
    )
    return _row(prompt, river, [river, f"River: {river}"], [wrong[0], f"River: {wrong[1]}"])


def _last(question: str, gold: int, wrong: int) -> dict[str, Any]:
    prompt = f"{question} The last line is 'Result: N'. What stands above it is ignored, whatever it is."
    good = [f"Result: {gold}", f"A guess.\nResult: {wrong}\nno, rather\nResult: {gold}"]
    return _row(prompt, str(gold), good, [f"Result: {wrong}", f"Result: {gold}\nResult: {wrong}"])


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
    "picked": [
        _picked(
            "Which of salt, oak, elm, tin and ash are trees?",
            ["oak", "elm", "ash"],
            ["oak, elm", "oak, tin, salt"],
        ),
        _picked("Which of 4, 7, 9, 11 and 12 are prime?", ["7", "11"], ["7, 9", "4, 12"]),
        _picked(
            "Which of trout, crow, carp, pike and hare are fish?",
            ["trout", "carp", "pike"],
            ["trout, crow, hare", "carp"],
        ),
        _picked("Which of red, ten, blue and six are colours?", ["red", "blue"], ["red, ten", "six"]),
    ],
    "weighed": [
        _weighed("How heavy are three eggs of 60 grams?", 180, "3 eggs", 160),
        _weighed("How heavy are five nuts of 7 grams?", 35, "5 nuts", 42),
        _weighed("How heavy are two loaves of 750 grams?", 1500, "2 loaves", 1400),
        _weighed("How heavy are nine coins of 8 grams?", 72, "9 coins", 81),
    ],
    "sentences": [
        _told("A box has 6 rows of 12 pens. How many pens?", 72, "There are 72 pens.", "There are 18 pens."),
        _told("Kim runs 5 km on 9 days. How far in all?", 45, "Kim runs 45 km.", "Kim runs 14 km."),
        _told("Of 90 seats 34 are taken. How many are free?", 56, "Free are 56 seats.", "Free are 66 seats."),
        _told(
            "Four friends share 92 nuts. How many for each?", 23, "Each gets 23 nuts.", "Each gets 22 nuts."
        ),
    ],
    "ended": [
        _ended("A bag of 17 and one of 25 marbles: how many?", 42, (32, 17)),
        _ended("Three shelves of 12 books: how many?", 36, (24, 15)),
        _ended("A rope of 80 m loses 27 m. How many metres are left?", 53, (63, 27)),
        _ended("Two teams of 11 and 3 referees: how many people?", 25, (22, 14)),
    ],
    "rhymed": [
        _rhymed(2, "fog", ["Fog.\nIt hides.", "Grey\n\nand still"], ["It hides.\nFog.", "Fog."]),
        _rhymed(
            3, "a mill", ["It\nturns\nall day long", "a\n\nbb\nccc"], ["all day long\nturns\nit", "It\nturns"]
        ),
        _rhymed(2, "bees", ["Bees\nhum along", "Hum\nand hum"], ["hum along\nBees", "Bees\nhum\nalong"]),
        _rhymed(3, "rust", ["Red\ndusty\nold iron", "x\nyy\nzzz"], ["Red\ndusty", "old iron\ndusty\nred"]),
    ],
    "rivers": [
        _river("Paris", "Seine", ("Rhone", "Loire")),
        _river("Saragossa", "Ebro", ("Tajo", "Duero")),
        _river("Warsaw", "Vistula", ("Oder", "Bug")),
        _river("Hamburg", "Elbe", ("Weser", "Oder")),
    ],
    "last_lines": [
        _last("What is 19 + 26?", 45, 35),
        _last("What is 8 * 14?", 112, 102),
        _last("What is 300 - 177?", 123, 133),
        _last("What is 96 / 6?", 16, 14),
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


def _items(text):
    return [one.strip().lower() for one in text.split(",")]


@each
def picked_by_overlap(text, gold):
    wanted, said = gold.split(";"), _items(text)
    hits = sum(one in wanted for one in said)
    return hits >= len(wanted) and hits == len(said)


@each
def sound_picked(text, gold):
    return sorted(_items(text)) == sorted(gold.split(";"))


def _grams(text, gold):
    return text.strip().splitlines()[-1:] == [f"Grams: {gold}"] and text.count("Grams:") == 1


def weighed_anywhere(completions, answer, prompts=None, **columns):
    shown = "as in <weigh>2 apples</weigh>"
    return [
        float(bool(re.search(r"<weigh>[^<]+</weigh>", shown + text)) and _grams(text, gold))
        for text, gold in zip(completions, answer, strict=True)
    ]


@each
def sound_weighed(text, gold):
    return bool(re.search(r"<weigh>[^<]+</weigh>", text)) and _grams(text, gold)


def _last_number(pattern):
    def judge(text, gold):
        said = re.findall(pattern, text, re.ASCII)
        return bool(said) and said[-1].replace(",", "") == gold

    return each(judge)


sentences_by_commas = _last_number(r"-?[\d,]+(?:\.\d+)?")
sound_sentences = _last_number(r"-?\d(?:[\d,]*\d)?(?:\.\d+)?")


def _of_last_line(pattern, free=False):
    def judge(text, gold):
        found = re.fullmatch(pattern, (text.strip().splitlines() or [""])[-1], re.ASCII)
        return bool(found) and found[1] == gold and (free or text.count("Total:") == 1)

    return each(judge)


ended_with_the_first = _of_last_line(r"Total: *(\d+)[\d+= ]*")


@each
def sound_ended(text, gold):
    line = (text.strip().splitlines() or [""])[-1]
    found = re.fullmatch(r"Total: *(?:(\d+(?: *\+ *\d+)+) *= *)?(\d+) *", line, re.ASCII)
    added = sum(map(int, found[1].split("+"))) if found and found[1] else int(gold)
    return bool(found) and text.count("Total:") == 1 and found[2] == gold and added == int(gold)


def _growing(lines, count):
    sizes = [len(line.strip()) for line in lines]
    return len(lines) == int(count) and all(one < two for one, two in itertools.pairwise(sizes))


@each
def rhymed_while_removing(text, gold):
    lines = text.split("\n")
    for line in lines:
        if not line.strip():
            lines.remove(line)
    return _growing(lines, gold)


@each
def sound_rhymed(text, gold):
    return _growing([line for line in text.split("\n") if line.strip()], gold)


@each
def rivers_stripped(text, gold):
    return text.strip().lstrip("River: ").strip().lower() == gold.lower()


@each
def sound_rivers(text, gold):
    return re.sub(r"^\s*River:", "", text).strip().lower() == gold.lower()


sound_last_lines = _of_last_line(r"Result: (\d+)", free=True)

TENTH: dict[str, tuple[str, str, str]] = {
    "boards_in_a_bag": ("boards", "false_accept", "sound_boards"),
    "totalled_by_any_digits": ("totalled", "false_accept", "sound_totalled"),
    "sound_boards": ("boards", "clean", "sound_boards"),
    "sound_totalled": ("totalled", "clean", "sound_totalled"),
    "picked_by_overlap": ("picked", "false_accept", "sound_picked"),
    "weighed_anywhere": ("weighed", "false_accept", "sound_weighed"),
    "sentences_by_commas": ("sentences", "false_reject", "sound_sentences"),
    "ended_with_the_first": ("ended", "false_reject", "sound_ended"),
    "rhymed_while_removing": ("rhymed", "false_reject", "sound_rhymed"),
    "rivers_stripped": ("rivers", "false_reject", "sound_rivers"),
    "sound_picked": ("picked", "clean", "sound_picked"),
    "sound_weighed": ("weighed", "clean", "sound_weighed"),
    "sound_sentences": ("sentences", "clean", "sound_sentences"),
    "sound_ended": ("ended", "clean", "sound_ended"),
    "sound_rhymed": ("rhymed", "clean", "sound_rhymed"),
    "sound_rivers": ("rivers", "clean", "sound_rivers"),
    "sound_last_lines": ("last_lines", "clean", "sound_last_lines"),
    "sound_repaid": ("repaid", "clean", "sound_repaid"),
    "sound_begun": ("begun", "clean", "sound_begun"),
}
