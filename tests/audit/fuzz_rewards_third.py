# mypy: ignore-errors
# ruff: noqa: E501, B905 - rows and rewards as people write them
"""Rewards of kinds that a third hand brought: squares, clocks, dates, ranges, queries in code blocks, ways through
a graph, choices with reasons, chance, and sound ones that were accused. As in `fuzz_rewards_more`."""

from __future__ import annotations

import ast
import datetime
import json
import math
import random
import re
import sqlite3
from collections import Counter
from difflib import SequenceMatcher
from fractions import Fraction
from itertools import pairwise
from operator import add, mul, sub, truediv
from typing import Any

from tests.audit.fuzz_rewards_more import Rows, _row, _said, each


def _square(puzzle: str, good: str, bad: list[str]) -> dict[str, Any]:
    def shown(square):
        return square.replace("/", "\n")

    return _row(
        f"Fill the 4 by 4 square with 1 to 4, each digit once in every row and column; 0 is empty:\n{shown(puzzle)}\n"
        "Reply in <grid> tags, a line for each row.",
        puzzle,
        [f"<grid>\n{shown(good)}\n</grid>", f"I fill it.\n<grid>\n{shown(good)}\n</grid>"],
        [f"<grid>\n{shown(one)}\n</grid>" for one in bad],
    )


def _meeting(question: str, gold: str, good: list[str], bad: list[str]) -> dict[str, Any]:
    return _row(
        f"{question} Last line 'Time: HH:MM' or with AM or PM.",
        gold,
        [f"Time: {one}" for one in good],
        [f"Time: {one}" for one in bad],
    )


def _due(question: str, gold: str, off: str) -> dict[str, Any]:
    day = datetime.date.fromisoformat(gold)
    return _row(
        f"{question} Last line 'Due: DD.MM.YYYY', the day first.",
        gold,
        [f"I count.\nDue: {day:%d.%m.%Y}", f"Due: {day:%d.%m.%Y}"],
        [f"Due: {off}", "Due: soon"],
    )


def _sure(question: str, gold: int, off: int) -> dict[str, Any]:
    return _row(
        f"{question} End with two lines: 'Answer: N' and 'Sure: s', s from 0 to 1.",
        str(gold),
        [f"Answer: {gold}\nSure: 0.9", f"I count.\nAnswer: {gold}\nSure: 1"],
        [f"Answer: {off}\nSure: 0.7", f"Answer: {off + 1}\nSure: 0.4"],
    )


def _near(question: str, gold: float, right: list[str], wrong: list[str]) -> dict[str, Any]:
    return _row(
        f"{question} Within one percent; last line 'Answer: x'.",
        str(gold),
        [f"Answer: {one}" for one in right],
        [f"Answer: {one}" for one in wrong],
    )


def _query(ask: str, gold: str, other: str, bad: list[str]) -> dict[str, Any]:
    return _row(
        f"Table t(name, town). {ask} One query in a ```sql block.",
        gold,
        [f"```sql\n{one}\n```" for one in (gold, other)],
        [f"```sql\n{one}\n```" for one in bad],
    )


def _trip(links: str, way: str, bad: list[str]) -> dict[str, Any]:
    names = way.split("-")
    return _row(
        f"Undirected graph with the edges {links}. Give a shortest path from {names[0]} to {names[-1]} in <path> tags, names joined by '-'.",
        json.dumps({"links": links.split(", "), "way": way}),
        [f"<path>{way}</path>", f"I look at all.\n<path>{way}</path>"],
        [f"<path>{one}</path>" for one in bad],
    )


def _pick(question: str, gold: str, off: str) -> dict[str, Any]:
    return _row(
        f"{question} Say 'The answer is X' or 'Answer: X', with one letter.",
        gold,
        [f"The answer is {gold}.", f"I know.\nAnswer: {gold}"],
        [f"The answer is {off}.", "I do not know."],
    )


def _word(question: str, gold: str, off: str) -> dict[str, Any]:
    return _row(
        f"{question} Last line 'Answer: word'; upper and lower case do not matter.",
        gold,
        [f"Answer: {gold}", f"I know.\nAnswer: {gold}"],
        [f"Answer: {off}", "Answer: none"],
    )


def _expand(ask: str, gold: str, other: str, bad: list[str]) -> dict[str, Any]:
    return _row(
        f"Expand {ask}. Reply as <answer>polynomial in x</answer> with + - * **.",
        gold,
        [f"<answer>{one}</answer>" for one in (gold, other)],
        [f"<answer>{one}</answer>" for one in bad],
    )


def _told(thing: str, most: int, good: list[str], bad: list[str]) -> dict[str, Any]:
    return _row(
        f"Describe a {thing} in at most {most} sentences, with the word {thing}. A sentence ends with . ! or ? before a space or the end.",
        json.dumps([thing, most]),
        good,
        bad,
    )


def _topics(headline: str, gold: list[str], good: list[str], bad: list[str]) -> dict[str, Any]:
    return _row(
        f"Which of sport, money, music, health does '{headline}' touch? Reply as <tags>topic, topic</tags>, in any order.",
        json.dumps(gold),
        good,
        bad,
    )


def _queens(first: int, size: int, good: list[str], bad: list[str]) -> dict[str, Any]:
    return _row(
        f"Place {size} queens on a {size} by {size} board, one in each row, so that none attacks another; that of row 1 is in column {first}. Reply as <queens>columns, row by row, with commas</queens>.",
        json.dumps([first, size]),
        [f"<queens>{one}</queens>" for one in good],
        [f"<queens>{one}</queens>" for one in bad],
    )


def _repaired(broken: str, gold: str, bad: list[str]) -> dict[str, Any]:
    return _row(
        f"Repair the spelling and reply with the sentence only: {broken}",
        gold,
        [gold, gold.replace(" the ", " teh ", 1)],
        bad,
    )


def _mails(text: str, gold: list[str], bad: list[str]) -> dict[str, Any]:
    found = json.dumps(gold)
    return _row(
        f"Text: '{text}' List every e-mail address of it once, in any order, as <answer>JSON list</answer>.",
        found,
        [f"<answer>{found}</answer>", f"<answer>{found}</answer> That is all."],
        [f"<answer>{one}</answer>" for one in bad],
    )


THIRD_ROWS: dict[str, Rows] = {
    "squares": [
        _square("1200/0012/2000/0001", "1234/3412/2143/4321", ["1234/3412/2143/4311", "1234/3412/2143"]),
        _square("0200/3000/0003/0020", "1234/3412/2143/4321", ["1234/3412/2144/4321", "1111/1111/1111/1111"]),
        _square("4000/0030/0200/0001", "4312/2134/1243/3421", ["4311/2134/1243/3421", "4312/2134/1243/3422"]),
    ],
    "meetings": [
        _meeting("A talk starts at 10:45 and takes 105 minutes. When does it end?", "12:30", ["12:30"], ["11:50", "1:30 PM"]),
        _meeting("A bus leaves at 13:50 and needs 55 minutes. When is it there?", "14:45", ["14:45", "2:45 PM"], ["14:35", "2:45 AM"]),
        _meeting("It is 07:20. What time is it in 130 minutes?", "09:30", ["9:30 AM", "09:30"], ["08:50", "9:30 PM"]),
    ],
    "due": [_due("Which day is a week after 27 February 2023?", "2023-03-06", "05.03.2023"), _due("Which day is 30 days after 10 June 2022?", "2022-07-10", "11.07.2022"), _due("Which day follows 31 October 2019?", "2019-11-01", "32.10.2019")],
    "sure": [_sure("What is 17 * 6?", 102, 92), _sure("What is 305 - 148?", 157, 167), _sure("How many days has June?", 30, 31)],
    "near": [
        _near("What is the square root of 200?", 14.142, ["14.14", "1.414e1"], ["100", "13.9"]),
        _near("What is the area of a circle of radius 3?", 28.274, ["28.27", "28.3"], ["18.85", "27"]),
        _near("What is 100 * exp(-1)?", 36.788, ["36.79", "36.8"], ["271.8", "-36.8"]),
    ],
    "queries": [
        _query("List the towns, each once.", "SELECT DISTINCT town FROM t", "SELECT town FROM t GROUP BY town", ["SELECT name FROM t", "SELECT town FROM t WHERE town = 'Rome'"]),
        _query("List all names in reverse alphabetical order.", "SELECT name FROM t ORDER BY name DESC", "SELECT t.name FROM t ORDER BY t.name DESC", ["SELECT town FROM t", "SELECT name FROM t WHERE town = 'Oslo' ORDER BY name DESC"]),
        _query("List the town of every row.", "SELECT town FROM t", "SELECT t.town FROM t", ["SELECT name FROM t", "SELECT town FROM t WHERE name > 'C'"]),
    ],
    "trips": [
        _trip("AB, AC, BD, CD, DE", "A-B-D-E", ["A-D-E", "A-B-D"]),
        _trip("KL, KM, KN, LO, MO, NO", "K-L-O", ["K-O", "K-L"]),
        _trip("UV, UW, VX, WX, XY", "U-V-X-Y", ["U-X-Y", "U-V-Y"]),
    ],
    "picks": [_pick("Which moves on rails? A) boat B) train C) plane", "B", "C"), _pick("Which is a metal? A) salt B) wood C) iron", "C", "A"), _pick("Which is prime? A) 9 B) 11 C) 15", "B", "C")],
    "words": [_word("Which planet has broad rings?", "Saturn", "Mars"), _word("What is the capital of Italy?", "Rome", "Milan"), _word("Which liquid covers most of the earth?", "Water", "Oil")],
    "expand": [
        _expand("(x + 1)*(x + 2)", "x**2 + 3*x + 2", "x*x + 2*x + x + 2", ["x**2 + 3*x + 3", "x**2 + 3*x"]),
        _expand("(x - 3)**2", "x**2 - 6*x + 9", "9 - 6*x + x**2", ["x**2 - 6*x - 9", "x**2 + 9"]),
        _expand("x*(x**2 - 4)", "x**3 - 4*x", "-4*x + x**3", ["x**3 - 4", "x**3 - 4*x + 1"]),
    ],
    "told": [
        _told("bridge", 1, ["The old bridge spans the river.", "A bridge leads over the water"], ["The bridge is old. It spans the river.", "It spans the river."]),
        _told("violin", 2, ["A violin has four strings. It is made of spruce.", "The violin sings!"], ["Look! A violin! How it sings!", "It has four strings."]),
        _told("garden", 2, ["The garden is green. Bees hum there.", "Roses fill the garden."], ["The garden is green. Bees hum. It is old.", "Roses fill it."]),
    ],
    "topics": [
        _topics("Runner wins a million", ["sport", "money"], ["<tags>sport, money</tags>", "<tags>money,\nsport</tags>"], ["<tags>sport</tags>", "money, sport"]),
        _topics("Singing is good for the heart", ["music", "health"], ["<tags>health, music</tags>", "<tags>music,\nhealth</tags>"], ["<tags>money</tags>", "<tags>music</tags>"]),
    ],
    "queens": [
        _queens(1, 5, ["1, 3, 5, 2, 4", "1, 4, 2, 5, 3"], ["1, 2, 3, 4, 5", "1, 3, 5, 2"]),
        _queens(2, 5, ["2, 4, 1, 3, 5", "2, 5, 3, 1, 4"], ["2, 4, 1, 3, 3", "1, 3, 5, 2, 4"]),
    ],
    "repaired": [
        _repaired("Pelase clsoe the widnow, it is clod.", "Please close the window, it is cold.", ["Please open the window, it is cold.", "Please."]),
        _repaired("The tarin was latte, so we missed the botat.", "The train was late, so we missed the boat.", ["The train was on time and we took the boat.", "The train."]),
        _repaired("All the chidlren of the villlage came to see the elpehant, which was very old and very kind to them.", "All the children of the village came to see the elephant, which was very old and very kind to them.", ["All the children of the village left.", "It was old."]),
    ],
    "mails": [
        _mails("Write to Ann@x.org or Bob@y.net.", ["Ann@x.org", "Bob@y.net"], ['["Ann@x.org"]', "none"]),
        _mails("No address is given here, sorry.", [], ['["Ann@x.org"]', "none"]),
    ],
}  # fmt: skip


# ---------------------------------------------------------------------------------------------- judges


def _grid(text):
    inside = re.findall(r"<grid>(.*?)</grid>", text, re.DOTALL)
    lines = inside[0].split() if len(inside) == 1 else []
    whole = len(lines) == 4 and all(re.fullmatch(r"[1-4]{4}", line) for line in lines)
    return [[int(digit) for digit in line] for line in lines] if whole else None


def _filled(good_line, keeps=True):
    def judge(text, puzzle):
        grid = _grid(text)
        given = puzzle.split("/")
        kept = grid and all(
            sign in ("0", str(digit)) for line, row in zip(given, grid) for sign, digit in zip(line, row)
        )
        return bool(grid) and (kept or not keeps) and all(map(good_line, [*grid, *map(list, zip(*grid))]))

    return judge


sound_squares = each(_filled(lambda line: sorted(line) == [1, 2, 3, 4]))
squares_by_sums = each(_filled(lambda line: sum(line) == 10))
squares_of_any_puzzle = each(_filled(lambda line: sorted(line) == [1, 2, 3, 4], keeps=False))


def _minutes(text, noon):
    found = re.fullmatch(r"([0-9]{1,2}):([0-9]{2})(?: ([AP])M)?", text)
    if not found or int(found[2]) > 59 or int(found[1]) > 23 or (found[3] and not 1 <= int(found[1]) <= 12):
        return None
    hour = int(found[1])
    if found[3]:
        hour = (hour % 12 if noon or found[3] == "A" else hour) + 12 * (found[3] == "P")
    return 60 * hour + int(found[2])


sound_meetings = each(lambda text, gold: _minutes(_said(text, "Time:"), True) == _minutes(gold, True))
meetings_never_at_noon = each(
    lambda text, gold: _minutes(_said(text, "Time:"), False) == _minutes(gold, True)
)


def _day_of(text, forms):
    for form in forms:
        try:
            yield datetime.datetime.strptime(text, form).date().isoformat()
        except ValueError:
            continue


sound_due = each(lambda text, gold: gold in _day_of(_said(text, "Due:"), ["%d.%m.%Y"]))
due_in_either_order = each(lambda text, gold: gold in _day_of(_said(text, "Due:"), ["%d.%m.%Y", "%m.%d.%Y"]))


def _stated(text):
    found = re.search(r"(?:^|\n)Answer: (-?[0-9]{1,9})\nSure: (-?[0-9]{1,4}(?:\.[0-9]{1,6})?)\s*$", text)
    return (int(found[1]), float(found[2])) if found and text.count("Answer:") == 1 else (None, 0.0)


def _sure_of(clipped):
    def reward(completions, answer, **columns):
        paid = []
        for text, gold in zip(completions, answer):
            said, sure = _stated(text)
            inside = 0.0 <= sure <= 1.0 or not clipped
            paid.append(
                float(inside and said is not None and (sure > 0) is (said == int(gold)) and sure != 0)
            )
        return paid

    return reward


sound_sure, sure_of_any_number = _sure_of(True), _sure_of(False)


def _float(text):
    try:
        return float(_said(text, "Answer:"))
    except ValueError:
        return None


def _within(text, gold, finite):
    said = _float(text)
    if said is None or (finite and not math.isfinite(said)):
        return False
    return not abs(said - float(gold)) / float(gold) > 0.01


sound_near = each(lambda text, gold: _within(text, gold, True))
near_without_numbers = each(lambda text, gold: _within(text, gold, False))


def _rows(query):
    base = sqlite3.connect(":memory:")
    base.executescript(
        "CREATE TABLE t (name, town); INSERT INTO t VALUES ('Ann', 'Oslo'), ('Bob', 'Rome'), ('Cid', 'Oslo')"
    )
    try:
        return base.execute(query).fetchmany(50) if query.lstrip().upper().startswith("SELECT") else None
    except (sqlite3.Error, sqlite3.Warning, ValueError):
        return None
    finally:
        base.close()


def _asked(text, gold, same):
    blocks = re.findall(r"```sql\s(.*?)```", text, re.DOTALL)
    rows = _rows(blocks[0]) if len(blocks) == 1 else None
    return rows is not None and same(rows, _rows(gold), "ORDER" in gold)


sound_queries = each(
    lambda text, gold: _asked(
        text, gold, lambda one, other, order: one == other if order else Counter(one) == Counter(other)
    )
)
queries_as_sets = each(
    lambda text, gold: _asked(text, gold, lambda one, other, order: set(one) == set(other))
)


def _path(text):
    inside = re.findall(r"<path>(.*?)</path>", text, re.DOTALL)
    return [name.strip() for name in inside[0].split("-")] if len(inside) == 1 else []


def _is_shortest(text, gold):
    spec, names = json.loads(gold), _path(text)
    best, links = spec["way"].split("-"), {frozenset(link) for link in spec["links"]}
    ends = bool(names) and (names[0], names[-1], len(names)) == (best[0], best[-1], len(best))
    return ends and all(frozenset(pair) in links for pair in pairwise(names))


sound_trips = each(_is_shortest)
trips_as_stored = each(lambda text, gold: _path(text) == json.loads(gold)["way"].split("-"))


def _letters(text, cased):
    tails = re.findall(r"answer(?: is|:)([^\n]*)", text, re.IGNORECASE)
    if any(re.search(r"\bnot\b|n't", tail) for tail in tails):
        return set()
    pattern = r"(?<![\w'])[A-C](?![\w'])" if cased else r"(?<![\w'])[A-Ca-c](?![\w'])"
    found = {letter.upper() for tail in tails for letter in re.findall(pattern, tail)}
    return found | {
        letter.upper() for tail in tails for letter in re.findall(r"(?<![\w'])[abc](?=\W*$)", tail)
    }


sound_picks = each(lambda text, gold: _letters(text, True) == {gold})
picks_with_articles = each(lambda text, gold: _letters(text, False) == {gold})


def _one_word(text, label):
    said = {
        label(line).strip().rstrip(".!").casefold()
        for line in text.strip().splitlines()
        if line.startswith("Answer:")
    }
    return (
        said
        if text.strip().splitlines()[-1:] and text.strip().splitlines()[-1].startswith("Answer:")
        else set()
    )


sound_words = each(
    lambda text, gold: _one_word(text, lambda line: line.removeprefix("Answer:")) == {gold.casefold()}
)
words_stripped = each(
    lambda text, gold: _one_word(text, lambda line: line.lstrip("Answer: ")) == {gold.casefold()}
)


def value_of(text, names):
    """The value of sums, differences, products, quotients and powers of numbers and names; None for all else."""
    try:
        return _value(ast.parse(text.strip(), mode="eval").body, names) if len(text) <= 160 else None
    except (SyntaxError, ValueError, ZeroDivisionError, RecursionError, MemoryError):
        return None


def _value(node, names):
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        return Fraction(str(node.value))
    if isinstance(node, ast.Name) and node.id in names:
        return Fraction(names[node.id])
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_value(node.operand, names)
    operation = {ast.Add: add, ast.Sub: sub, ast.Mult: mul, ast.Div: truediv, ast.Pow: pow}.get(
        type(getattr(node, "op", None))
    )
    if not isinstance(node, ast.BinOp) or operation is None:
        raise ValueError
    left, right = _value(node.left, names), _value(node.right, names)
    if operation is pow and not (right.denominator == 1 and 0 <= right <= 9 and abs(left) < 10**9):
        raise ValueError
    return operation(left, right)


def _equal_at(text, gold, points):
    inside = re.findall(r"<answer>(.*?)</answer>", text, re.DOTALL)
    said = (
        inside[0].strip() if len(inside) == 1 and re.fullmatch(r"[0-9x+\-*() ]+", inside[0].strip()) else ""
    )
    return all(value_of(said, {"x": x}) == value_of(gold, {"x": x}) for x in points)


sound_expand = each(lambda text, gold: _equal_at(text, gold, range(-90, 90)))
expand_at_two_points = each(lambda text, gold: _equal_at(text, gold, random.sample(range(1, 10), 2)))


def _short(text, gold, ends):
    thing, most = json.loads(gold)
    return re.search(rf"\b{thing}\b", text, re.IGNORECASE) is not None and len(re.findall(ends, text)) <= most


sound_told = each(lambda text, gold: _short(text, gold, r"[.!?](?=\s|$)"))
told_by_points = each(lambda text, gold: _short(text, gold, r"[.!?]"))


def _tags(text, gold):
    inside = (
        text.split("<tags>")[1].split("</tags>")[0]
        if text.count("<tags>") == text.count("</tags>") == 1
        else ""
    )
    return sorted(part.strip() for part in inside.split(",")) == sorted(json.loads(gold))


def _tags_by_pattern(text, gold):
    found = re.search(r"<tags>(.*?)</tags>", text, re.DOTALL)
    return (
        bool(found) and re.match(r"^(?:\s*[a-z][a-z-]*\s*,?)+$", found[1]) is not None and _tags(text, gold)
    )


sound_topics, topics_by_pattern = each(_tags), each(_tags_by_pattern)


def _placed(text, gold):
    first, size = json.loads(gold)
    inside = re.findall(r"<queens>([0-9, ]*)</queens>", text)
    columns = [int(one) for one in re.findall(r"[0-9]{1,3}", inside[0])] if len(inside) == 1 else []
    if len(columns) != size or columns[0] != first or sorted(columns) != [*range(1, size + 1)]:
        return False
    return all(
        abs(columns[one] - columns[two]) != two - one for one in range(size) for two in range(one + 1, size)
    )


sound_queens = each(_placed)
sound_repaired = each(
    lambda text, gold: (
        len(text) < 2 * len(gold)
        and "\n" not in text
        and SequenceMatcher(None, text, gold, autojunk=False).ratio() >= 0.955
        and text[:1] == gold[:1]
        and text[-1:] == "."
    )
)


def _listed(text, gold):
    inside = re.findall(r"<answer>(.*?)</answer>", text, re.DOTALL)
    try:
        found = json.loads(inside[0]) if len(inside) == 1 else None
    except (ValueError, RecursionError):
        return False
    return (
        isinstance(found, list)
        and all(isinstance(one, str) for one in found)
        and sorted(found) == sorted(json.loads(gold))
    )


sound_mails = each(_listed)


THIRD: dict[str, tuple[str, str, str]] = {
    **{f"sound_{rows}": (rows, "clean", f"sound_{rows}") for rows in THIRD_ROWS},
    "squares_by_sums": ("squares", "false_accept", "sound_squares"),
    "squares_of_any_puzzle": ("squares", "false_accept", "sound_squares"),
    "meetings_never_at_noon": ("meetings", "false_reject", "sound_meetings"),
    "due_in_either_order": ("due", "false_accept", "sound_due"),
    "sure_of_any_number": ("sure", "false_accept", "sound_sure"),
    "near_without_numbers": ("near", "false_accept", "sound_near"),
    "queries_as_sets": ("queries", "false_accept", "sound_queries"),
    "trips_as_stored": ("trips", "false_reject", "sound_trips"),
    "picks_with_articles": ("picks", "false_reject", "sound_picks"),
    "words_stripped": ("words", "false_reject", "sound_words"),
    "expand_at_two_points": ("expand", "unstable", "sound_expand"),
    "told_by_points": ("told", "false_reject", "sound_told"),
    "topics_by_pattern": ("topics", "unstable", "sound_topics"),
}
