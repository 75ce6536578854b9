"""Kinds of fault that a format or a type hides: each as a judge with the fault, beside one without it."""

from __future__ import annotations

import datetime
import json
import re
import sqlite3
import unicodedata
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from practicum.audit.fuzz.anatomy import Anatomy, learned
from practicum.audit.fuzz.damage import damaged
from practicum.audit.fuzz.grids import board, off_the_board
from practicum.audit.fuzz.instructions import broken
from practicum.audit.fuzz.json_types import any_shape, in_other_order, leaves, mistyped
from practicum.audit.fuzz.odd import tags_turned
from practicum.audit.fuzz.payer import MOST_HUNG, Ask, Payer
from practicum.audit.fuzz.probe import Probe
from practicum.audit.fuzz.programs import chatty_programs
from practicum.audit.fuzz.queries import wrong_queries
from practicum.audit.fuzz.right import right_probes
from practicum.audit.fuzz.rows import FuzzRow
from practicum.audit.fuzz.values import wrong_values
from practicum.audit.fuzz.wrong import wrong_probes
from practicum.reward.config import FunctionsConfig
from practicum.types import Prompt

Judge = Callable[[str, str], bool]


def row_of(prompt: str, answer: str, good: list[str], bad: list[str]) -> FuzzRow:
    return FuzzRow(Prompt(prompt, data={"answer": answer}), tuple(good), tuple(bad))


def probes(anatomy: Anatomy) -> Iterator[Probe]:
    for row in range(len(anatomy.rows)):
        yield from right_probes(anatomy, row)
        yield from wrong_probes(anatomy, row)


# ----------------------------------------------------------------------------------- judges and their rows


def _ticket(event: str, seats: int, online: bool, other: str) -> FuzzRow:
    good = {"event": event, "seats": seats, "online": online}
    return row_of(
        f"Make up a ticket for a {event}. Reply with JSON: event (string), seats (integer), "
        "online (boolean).",
        "",
        [json.dumps(good), json.dumps({**good, "event": other})],
        [json.dumps({**good, "seats": f"{seats} seats"}), f"A {event} with {seats} seats"],
    )


def _typed(text: str, of: Callable[[Any, type], bool]) -> bool:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return False
    kinds = {"event": str, "seats": int, "online": bool}
    return (
        isinstance(value, dict)
        and value.keys() == kinds.keys()
        and all(of(value[key], kind) for key, kind in kinds.items())
    )


def _towns(country: str, towns: list[str], wrong: str) -> FuzzRow:
    gold = json.dumps({"towns": towns})
    return row_of(
        f"Name the {len(towns)} towns of {country} as JSON with the key towns; the order of the list "
        "does not matter.",
        gold,
        [gold, gold.replace(": ", ":")],
        [json.dumps({"towns": [wrong, *towns[1:]]}), json.dumps({"towns": towns[:1]})],
    )


def _towns_of(text: str) -> list[str]:
    try:
        value = json.loads(text)
        return [str(one) for one in value["towns"]] if len(value) == 1 else []
    except (ValueError, TypeError, KeyError, RecursionError):
        return []


def _due(question: str, gold: str, off: str) -> FuzzRow:
    return row_of(f"{question} Write the day as DD.MM.YYYY.", gold, [gold, f"{gold}\n"], [off, "31.12.1999"])


def _day(text: str, forms: tuple[str, ...]) -> list[datetime.date]:
    found = []
    for form in forms if re.fullmatch(r"\d\d\.\d\d\.\d{4}", text.strip()) else ():
        try:
            found.append(datetime.datetime.strptime(text.strip(), form).date())
        except ValueError:
            continue
    return found


def _sum(question: str, gold: str, right: str, wrong: str) -> FuzzRow:
    prompt = f"{question} Give <answer>...</answer> with a number or an expression of numbers with + - *."
    good = [f"<answer>{gold}</answer>", f"I add up. <answer>{right}</answer>"]
    return row_of(prompt, gold, good, [f"<answer>{wrong}</answer>", f"<answer>{wrong}0</answer>"])


def _total(text: str, number: Callable[[str], Any]) -> Any:
    inside = re.fullmatch(r"[^<]*<answer>([\d.+\- ]{1,80})</answer>", text.strip())
    terms = re.findall(r"([+-]?)\s*(\d+(?:\.\d+)?)", inside[1]) if inside else []
    if not inside or "".join(sign + digits for sign, digits in terms) != inside[1].replace(" ", ""):
        return None
    total = number("0")
    for sign, digits in terms:
        total = total - number(digits) if sign == "-" else total + number(digits)
    return total


def _person(question: str, gold: str, off: str) -> FuzzRow:
    prompt = f"{question} Give the name."
    return row_of(prompt, gold, [gold, gold.lower()], [off, "Anna"])


def _same_letters(text: str) -> str:
    return unicodedata.normalize("NFC", text).replace("\u2019", "'").replace("\u00a0", " ").strip().casefold()


def _cited(question: str, gold: str, source: int, quote: str) -> FuzzRow:
    prompt = (
        "[1] Mira bought the red boat in spring.\n[2] The blue boat was sold to Jonas last year.\n"
        f"{question} Reply 'Answer: X', below it 'Proof: [n] \"...\"' with at least three words quoted from "
        "passage n."
    )
    other = 3 - source
    return row_of(
        prompt,
        gold,
        [f'Answer: {gold}\nProof: [{source}] "{quote}"', f'Answer: {gold}\nProof: [{source}] "{quote[:-1]}"'],
        [f'Answer: {gold}\nProof: [{other}] "{quote}"', f'Answer: Karl\nProof: [{source}] "{quote}"'],
    )


PASSAGES = ("Mira bought the red boat in spring.", "The blue boat was sold to Jonas last year.")


def _proven(text: str, gold: str, enough: Callable[[str], bool], there: Callable[[int], bool]) -> bool:
    found = re.fullmatch(r"Answer: (.*)\nProof: \[(-?\d+)\] \"(.*)\"", text.strip())
    if not found or found[1] != gold or not there(int(found[2])):
        return False
    return enough(found[3]) and found[3] in PASSAGES[int(found[2]) - 1]


def _moved(drawn: list[str], good: list[str], bad: list[str]) -> FuzzRow:
    shown = "\n".join(drawn)
    prompt = (
        f"Walk from S to the treasure T; # is water.\n{shown}\nReply with steps as north, south, east, west."
    )
    return row_of(prompt, json.dumps(drawn), good, bad)


def _walked(text: str, answer: str, inside: Callable[[int, int], bool]) -> bool:
    drawn, steps = json.loads(answer), text.casefold().replace(",", " ").split()
    place = next((row, line.index("S")) for row, line in enumerate(drawn) if "S" in line)
    ways = {"north": (-1, 0), "south": (1, 0), "west": (0, -1), "east": (0, 1)}
    for step in steps:
        if step not in ways:
            return False
        place = (place[0] + ways[step][0], place[1] + ways[step][1])
        if not inside(place[0], len(drawn)) or not inside(place[1], len(drawn[0])):
            return False
        if drawn[place[0]][place[1]] == "#":
            return False
    return bool(steps) and bool(drawn[place[0]][place[1]] == "T")


def _translated(text: str, gold: str) -> FuzzRow:
    return row_of(
        f"Translate into English: {text}",
        gold,
        [gold, gold.rstrip(".")],
        ["I do not know this.", "A cat sat here."],
    )


def _bag(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


TICKETS = [
    _ticket("concert", 200, True, "play"),
    _ticket("talk", 35, False, "fair"),
    _ticket("film", 90, True, "dance"),
]
TOWNS = [
    _towns("Norvia", ["Ask", "Bru", "Eid"], "Oslo"),
    _towns("Sudia", ["Lom", "Mo"], "Rome"),
    _towns("Ostia", ["Vik", "Os", "Nes"], "Bonn"),
]
DUE = [
    _due("Paid on 28.03.2021, due in 9 days. When?", "06.04.2021", "05.04.2021"),
    _due("Paid on 30.06.2020, due in 11 days. When?", "11.07.2020", "12.07.2020"),
    _due("Paid on 27.01.2022, due in 8 days. When?", "04.02.2022", "05.02.2022"),
]
SUMS = [
    _sum("Tea costs 0.40 and milk 0.20. Both?", "0.6", "0.60", "0.8"),
    _sum("Two rolls of 1.15?", "2.3", "2.30", "2.15"),
    _sum("Bread costs 2.20, jam 3.50. Both?", "5.7", "5.70", "5.6"),
]
PEOPLE = [
    _person("Who painted the 'Rue Mosnier'?", "\u00c9douard Manet", "Claude Monet"),
    _person("Which queen was married to Henri II?", "Catherine de M\u00e9dicis", "Marie"),
    _person("Which Irish playwright wrote 'Juno'?", "Sean O'Casey", "Oscar Wilde"),
]
CITED = [
    _cited("Who bought a boat?", "Mira", 1, "Mira bought the red boat"),
    _cited("Who got the blue boat?", "Jonas", 2, "was sold to Jonas last year"),
]
BOARDS = [
    _moved(["S.#", "#..", "..T"], ["east south south east", "east south east south"], ["south", "east east"]),
    _moved(
        [".S.", ".#.", "..T"], ["east south south", "west south south east east"], ["south south", "east"]
    ),
    _moved(
        ["T..", ".#.", "..S"], ["west west north north", "north north west west"], ["west north", "north"]
    ),
]
TEXTS = [
    _translated("Der Hund schl\u00e4ft heute unter dem Tisch.", "The dog sleeps under the table today."),
    _translated("Wir gehen morgen mit der Katze in den Park.", "We go to the park with the cat tomorrow."),
]
CASES: dict[str, tuple[list[FuzzRow], str, Judge, Judge]] = {
    "true is a number of seats": (
        TICKETS,
        "refused",
        lambda text, gold: _typed(text, isinstance),
        lambda text, gold: _typed(text, lambda value, kind: type(value) is kind),
    ),
    "a list in its own order": (
        TOWNS,
        "paid",
        lambda text, gold: _towns_of(text) == _towns_of(gold),
        lambda text, gold: sorted(_towns_of(text)) == sorted(_towns_of(gold)),
    ),
    "day and month in either order": (
        DUE,
        "refused",
        lambda text, gold: bool(set(_day(text, ("%d.%m.%Y", "%m.%d.%Y"))) & set(_day(gold, ("%d.%m.%Y",)))),
        lambda text, gold: _day(text, ("%d.%m.%Y",)) == _day(gold, ("%d.%m.%Y",)),
    ),
    "sums in floats": (
        SUMS,
        "paid",
        lambda text, gold: bool(_total(text, float) == float(gold)),
        lambda text, gold: bool(_total(text, Fraction) == Fraction(gold)),
    ),
    "letters as they are coded": (
        PEOPLE,
        "paid",
        lambda text, gold: text.strip().casefold() == gold.casefold(),
        lambda text, gold: _same_letters(text) == _same_letters(gold),
    ),
    "an empty quotation": (
        CITED,
        "refused",
        lambda text, gold: _proven(text, gold, lambda quote: True, lambda number: number in (1, 2)),
        lambda text, gold: _proven(
            text, gold, lambda quote: len(quote.split()) > 2, lambda number: number in (1, 2)
        ),
    ),
    "a source of number 0": (
        CITED,
        "refused",
        lambda text, gold: _proven(
            text, gold, lambda quote: len(quote.split()) > 2, lambda number: number in (-1, 0, 1, 2)
        ),
        lambda text, gold: _proven(
            text, gold, lambda quote: len(quote.split()) > 2, lambda number: number in (1, 2)
        ),
    ),
    "rows from the other side": (
        BOARDS,
        "refused",
        lambda text, answer: _walked(text, answer, lambda place, size: -size <= place < size),
        lambda text, answer: _walked(text, answer, lambda place, size: 0 <= place < size),
    ),
    "words without their order": (
        TEXTS,
        "refused",
        lambda text, gold: sorted(_bag(text)) == sorted(_bag(gold)),
        lambda text, gold: _bag(text) == _bag(gold),
    ),
    "the beginning of a text": (
        TEXTS,
        "refused",
        lambda text, gold: bool(_bag(text)) and _bag(gold)[: len(_bag(text))] == _bag(text),
        lambda text, gold: _bag(text) == _bag(gold),
    ),
}


NEW = {"free_order", "braces_in_words", "decimal_sum", "typography"}


@pytest.mark.parametrize("name", CASES)
def test_a_text_shows_the_fault_and_none_accuses_the_sound_judge(name: str) -> None:
    rows, expected, faulty, sound = CASES[name]
    answers = [str(row.answer) for row in rows]
    for row, answer in zip(rows, answers, strict=True):
        for judge in (faulty, sound):
            assert all(judge(text, answer) for text in row.good), row.good
            assert not any(judge(text, answer) for text in row.bad), row.bad
    wrongly, shown = expected == "refused", []
    for one in probes(learned(rows)):
        right = sound(one.text, answers[one.row])
        if one.expected == "refused" and not one.contrast and one.alone:
            assert not right, one
        if one.expected == "paid" and one.family in NEW and not one.elsewhere:
            assert right, one
        if (
            one.expected == expected
            and right is not wrongly
            and faulty(one.text, answers[one.row]) is wrongly
        ):
            shown.append(one)
    assert shown


# ------------------------------------------------------------------------------------------- properties

PLAIN = st.one_of(
    st.booleans(),
    st.integers(-999, 999),
    st.text(st.characters(codec="ascii", categories=["L"]), min_size=1, max_size=8),
)
NAMES = {bool: "boolean", int: "integer", str: "string"}


@given(st.dictionaries(st.sampled_from(["size", "name", "open", "rank"]), PLAIN, min_size=1))
def test_one_value_has_another_type_and_the_rest_stays(value: dict[str, Any]) -> None:
    named = ", ".join(f"{key}: {NAMES[type(one)]}" for key, one in value.items())
    data = row_of(f"Reply with JSON. {named}", "", [json.dumps(value)], ["{}"])
    found = list(mistyped(learned([data]), 0))
    assert {key for key, one in value.items() if not isinstance(one, str)} <= {
        key
        for probe in found
        for key in value
        if json.loads(probe.text)[key] != value[key]
        or type(json.loads(probe.text)[key]) is not type(value[key])
    }
    for probe in found:
        changed = json.loads(probe.text)
        differing = [
            key for key in value if (changed[key], type(changed[key])) != (value[key], type(value[key]))
        ]
        assert len(differing) == 1
        assert type(changed[differing[0]]) is not type(value[differing[0]])
    for probe in any_shape(learned([data]), 0):
        json.loads(probe.text)
    assert [one for _, one in leaves(value)] == list(value.values())


@given(st.lists(st.integers(0, 50), min_size=2, max_size=6), st.sampled_from(["json", ", ", "\n"]))
def test_a_list_in_another_order_has_the_same_parts(items: list[int], form: str) -> None:
    text = json.dumps(items) if form == "json" else form.join(map(str, items))
    for said, free in (
        ("in any order", True),
        ("with its keys in any order", False),
        ("in this order", False),
    ):
        data = row_of(f"Give the numbers {said}.", text, [text], ["none"])
        found = list(in_other_order(learned([data]), 0))
        assert not found or free
        for probe in found:
            numbers = [int(one) for one in re.findall(r"\d+", probe.text)]
            assert sorted(numbers) == sorted(items)
            assert numbers != items


@given(st.dates(datetime.date(1950, 1, 1)), st.sampled_from(["%d/%m/%Y", "%m-%d-%Y", "%Y-%m-%d", "%d.%m.%Y"]))
def test_day_and_month_are_exchanged_in_every_form(day: datetime.date, form: str) -> None:
    gold = day.strftime(form)
    turned = [value for how, value in wrong_values(gold, [], [], True) if how == "day and month turned"]
    assert bool(turned) is (day.day != day.month)
    other = form.replace("%d", "%x").replace("%m", "%d").replace("%x", "%m")
    assert all(value == day.strftime(other) for value in turned)


@given(st.integers(2, 6), st.integers(2, 6), st.data())
def test_a_way_off_the_board_leaves_it(height: int, width: int, data: st.DataObject) -> None:
    start = data.draw(st.tuples(st.integers(0, height - 1), st.integers(0, width - 1)))
    drawn = [
        "".join("S" if (row, column) == start else "." for column in range(width)) for row in range(height)
    ]
    row = row_of("Find a way.\n" + "\n".join(drawn) + "\nMoves are U, D, L, R.", "", ["RD", "DR"], ["L"])
    assert board(row.prompt.text) == drawn
    found = list(off_the_board(0, row))
    assert len(found) == 8
    for probe in found:
        places = [start]
        for step in probe.text:
            down, right = {"U": (-1, 0), "D": (1, 0), "L": (0, -1), "R": (0, 1)}[step]
            places.append((places[-1][0] + down, places[-1][1] + right))
        assert start == places[-3]
        assert any(not (0 <= one < height and 0 <= two < width) for one, two in places[:-2])


@given(st.sampled_from(["step", "think", "b", "note"]), st.integers(1, 3))
def test_tags_are_left_open_unopened_and_doubled(tag: str, count: int) -> None:
    good = f"<{tag}>one</{tag}>" * count + " 7"
    row = row_of(f"Write in <{tag}>...</{tag}>, then a number.", "7", [good], ["8"])
    texts = [one.text for one in tags_turned(learned([row]), 0)]
    differences = {text.count(f"<{tag}>") - text.count(f"</{tag}>") for text in texts}
    assert {-1, 0, 1} <= differences
    assert any(f"<{tag}><{tag}>" in text for text in texts)


def test_words_in_another_order_are_no_fault_where_only_lines_in_another_order_are_wrong() -> None:
    good = [
        "Owls sleep by day here\nNights are their own time",
        "Old barns hide them well\nNobody hears them come",
    ]
    bad = ["Nights are their own time\nOwls sleep by day here", "One line"]
    row = row_of("Write a poem of two lines that begin with O and N.", "ON", good, bad)
    found = [one.what for one in damaged(learned([row]), 0) if one.family == "reordered"]
    assert found
    assert all("line" in one for one in found)


def test_programs_that_print_all_there_is_stand_beside_the_right_one() -> None:
    good = ["```python\nprint(int(input()) * 3)\n```"]
    cases = json.dumps([["1", "3"], ["4", "12"], ["7", "21"]])
    alone = row_of(
        "Write a program that reads a number and prints three times it, nothing else.", cases, good, []
    )
    free = row_of("Write a program that reads a number and prints three times it.", cases, good, [])
    named = row_of("Write a function.", cases, ["```python\ndef f(n):\n    print(n)\n```"], [])
    assert any("input()" in one.text for one in chatty_programs(0, alone))
    assert list(chatty_programs(0, free))
    assert all("input()" not in one.text for one in chatty_programs(0, free))
    assert not list(chatty_programs(0, named))


TABLE = [("ash", 3), ("elm", 9), ("fir", 3), ("oak", 1)]


@given(
    st.sampled_from(["name", "size, name", "size DESC, name", "name desc"]),
    st.sampled_from(["", ";", " LIMIT 3"]),
    st.sampled_from(["name", "name, size"]),
)
def test_queries_give_other_rows(order: str, end: str, columns: str) -> None:
    good = f"SELECT {columns} FROM trees ORDER BY {order}{end}"
    row = row_of(
        f"Trees in the table trees(name, size), sorted by {order}.", "", [good], ["SELECT size FROM trees"]
    )
    base = sqlite3.connect(":memory:")
    base.execute("CREATE TABLE trees (name TEXT, size INTEGER)")
    base.executemany("INSERT INTO trees VALUES (?, ?)", TABLE)
    right = base.execute(good).fetchall()
    found = {
        one.family: base.execute(one.text).fetchall()
        for one in wrong_queries(0, row)
        if "turned" not in one.text
    }
    base.close()
    assert set(found) == {"query_repeats", "query_empty", "query_order"}
    assert sorted(found["query_repeats"]) == sorted(right * 2)
    assert not found["query_empty"]


def test_each_word_that_a_prompt_gives_is_left_out_and_each_forbidden_one_used() -> None:
    prompt = (
        "Use the word snow at least twice and the word light at least once, without the word cold and "
        "without the word never."
    )
    good = ["Snow on snow, light above.", "The light is on snow and more snow."]
    said = {one.what for one in broken(0, row_of(prompt, "", good, ["Snow."]))}
    assert {"that uses the word snow too seldom", "that uses the word light too seldom"} <= said
    assert {"that uses the forbidden word cold", "that uses the forbidden word never"} <= said
    assert "that uses the forbidden word without" not in said


STUCK = """
def reward(completions, answer, **columns):
    for text in completions:
        while text.startswith("<a>") and "</a>" not in text:
            pass
    return [float(text == gold) for text, gold in zip(completions, answer)]
"""


def test_a_text_that_hangs_is_told_beside_others_and_the_others_are_paid(tmp_path: Path) -> None:
    file = tmp_path / "stuck.py"
    file.write_text(STUCK)
    rows = [row_of("1 + 1?", "2", ["2"], ["3"])]
    config = FunctionsConfig(functions=(f"{file}:reward",))
    payer = Payer(config.functions[0], config, rows, 200, 120.0)
    payer.patience = payer.quick = 1.0
    try:
        payer.pay([Ask(0, "2"), Ask(0, "3")])
        paid = payer.again([Ask(0, "2"), Ask(0, "<a>x"), Ask(0, "3")], limit=1.0)
    finally:
        payer.close()
    assert [one.error for one in paid] == ["", "hang", ""]
    assert payer.hung == [Ask(0, "<a>x")]
    assert payer.known[Ask(0, "<a>x")].error == "hang"
    assert len(payer.hung) < MOST_HUNG


GROWING = """
import time

def reward(completions, answer, **columns):
    for text in completions:
        time.sleep(EACH)
        if text.startswith("<a>"):
            time.sleep(0.4 if len(text) < 60 else 600)
    return [float(text == gold) for text, gold in zip(completions, answer)]
"""


def paid_slowly(folder: Path, each: float, start: str) -> Payer:
    """A payer that has paid plain texts and some that begin with `start`, where each takes some time."""
    file = folder / "growing.py"
    file.write_text(GROWING.replace("EACH", str(each)))
    config = FunctionsConfig(functions=(f"{file}:reward",))
    payer = Payer(config.functions[0], config, [row_of("1 + 1?", "2", ["2"], ["3"])], 200, 120.0)
    payer.patience = 1.0
    try:
        payer.pay([Ask(0, str(number)) for number in range(8)])
        payer.pay([Ask(0, f"{start}{number} and more, without an end") for number in range(8)])
    finally:
        payer.close()
    return payer


def test_slow_texts_that_end_before_any_limit_are_tried_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("practicum.audit.fuzz.payer.LONG_BATCH", 1.0)
    assert paid_slowly(tmp_path, 0.0, "<a>").hung


def test_where_every_text_takes_as_long_none_is_slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("practicum.audit.fuzz.payer.LONG_BATCH", 1.0)
    payer = paid_slowly(tmp_path, 0.2, "plain ")
    assert not payer.hung
    assert payer.lengthened == 0
    assert payer.calls == 16
