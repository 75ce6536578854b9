# mypy: ignore-errors
# ruff: noqa: E501, B905 - rows and rewards as people write them
"""More small rewards: crashes at any number of a reply, forms that are too narrow, rules of which one is not
checked, and sound rewards that are strict or lenient.

`MORE` maps a function's name to its rows, to what it should be called, and to the sound function that judges
what was found: a text that it pays is right.
"""

from __future__ import annotations

import datetime
import json
import re
from itertools import pairwise
from typing import Any

Rows = list[dict[str, Any]]


def _row(prompt: str, answer: Any, good: list[str], bad: list[str]) -> dict[str, Any]:
    return {"prompt": prompt, "answer": answer, "good": good, "bad": bad}


def _arrival(start: str, more: str, end: str, off: str) -> dict[str, Any]:
    return _row(
        f"A train leaves at {start} and takes {more}. When does it arrive? Last line 'Arrival: HH:MM'.",
        end,
        [f"I add {more} to {start}.\nArrival: {end}", f"Arrival: {end}"],
        [f"I take it away.\nArrival: {off}", f"Arrival: {start}"],
    )


def _day(question: str, gold: str, off: str, other: str) -> dict[str, Any]:
    return _row(
        f"{question} Give the date as YYYY-MM-DD.", gold, [gold, f"It was {gold}."], [off, f"It was {other}."]
    )


def _length(question: str, m: int, cm: int) -> dict[str, Any]:
    return _row(
        f"{question} Answer in metres and centimetres.",
        str(100 * m + cm),
        [f"It is {m} m {cm} cm long.", f"{m} m {cm} cm"],
        [f"It is {m + 1} m {cm} cm long.", f"{m} m {cm + 5} cm"],
    )


def _planned(question: str, gold: str, off: str) -> dict[str, Any]:
    return _row(
        f"{question} Respond with a plan and a result:\n<plan>\n...\n</plan>\n<result>\n...\n</result>",
        gold,
        [
            f"<plan>\nOne step after the other.\n</plan>\n<result>\n{gold}\n</result>\n",
            f"<plan>\nI know it.\n</plan>\n<result>\n{gold}\n</result>\n",
        ],
        [f"<plan>\nI guess.\n</plan>\n<result>\n{off}\n</result>\n", f"{gold}\n"],
    )


def _pairs(total: int, mean: int) -> dict[str, Any]:
    return _row(
        f"Four numbers add up to {total}. Write their total and their mean, each with its name before a colon, on two lines.",
        json.dumps({"total": total, "mean": mean}),
        [f"total: {total}\nmean: {mean}", f"Total: {total}\nMean: {mean}"],
        [f"total: {total}\nmean: {mean + 1}", f"mean: {mean}"],
    )


def _open_number(question: str, gold: int, off: int) -> dict[str, Any]:
    return _row(
        f"{question} Explain briefly and finish with the number.",
        str(gold),
        [f"One can look it up. It is {gold}", f"I counted them and came to {gold}"],
        [f"One can look it up. It is {off}", f"I counted them and came to {gold + 3}"],
    )


def _product(a: int, b: int) -> dict[str, Any]:
    gold = a * b
    return _row(f"What is {a} * {b}?", str(gold), [f"{gold}", f" {gold}"], [f"{gold + 10}", f"{a + b}"])


def _mention(thing: str, words: list[str], good: list[str], bad: list[str]) -> dict[str, Any]:
    listed = f"{', '.join(words[:-1])} and {words[-1]}"
    return _row(f"Write one sentence about {thing} that mentions {listed}.", json.dumps(words), good, bad)


def _name_some(count: str, what: str, good: list[list[str]], bad: list[list[str]]) -> dict[str, Any]:
    number = {"three": 3, "four": 4, "five": 5}[count]
    lines = "\n".join
    return _row(
        f"Name {count} different {what}, one per line.",
        json.dumps({"count": number}),
        [lines(one) for one in good],
        [lines(one) for one in bad],
    )


def _route(roads: str, start: str, end: str, good: list[str], bad: list[str]) -> dict[str, Any]:
    return _row(
        f"The roads are {roads}; each may be used in both directions. Give a way from {start} to {end}, as towns with -> between.",
        json.dumps({"roads": roads.split(", "), "start": start, "end": end}),
        good,
        bad,
    )


def _tasks(names: str, needs: dict[str, list[str]], good: list[str], bad: list[str]) -> dict[str, Any]:
    said = "; ".join(f"{one} comes after {' and '.join(more)}" for one, more in needs.items())
    return _row(
        f"Plan these tasks: {names}. {said}. Write all of them, each once, in an order that works, separated by commas.",
        json.dumps({"tasks": names.split(", "), "needs": needs}),
        good,
        bad,
    )


def _result(query: str, rows: list[str], bad: list[list[str]]) -> dict[str, Any]:
    return _row(
        f"A table has these rows: (ann, 3), (bob, 5), (cid, 3), (dee, 9). What does the query return? {query} Write the rows of the result, one a line.",
        json.dumps(rows),
        ["\n".join(rows), "\n".join(rows) + "\n"],
        ["\n".join(one) for one in bad],
    )


def _reminder(who: str, what: str, day: str, clock: str) -> dict[str, Any]:
    return _row(
        f"Write a short reminder to {who}: {what}, {day} at {clock}.",
        json.dumps({"who": who, "day": day, "clock": clock}),
        [
            f"Dear {who}, do not forget: {what} on {day} at {clock}.",
            f"{who}, on {day} at {clock} you have {what}.",
        ],
        [f"Dear {who}, do not forget!", f"{what} on some day."],
    )


def _coins(total: int, count: str, good: list[str], bad: list[str]) -> dict[str, Any]:
    number = {"three": 3, "four": 4, "five": 5}[count]
    return _row(
        f"Pay {total} cents with exactly {count} coins of 5, 10, 20 or 50 cents. Write the coins with commas between.",
        json.dumps({"total": total, "count": number}),
        good,
        bad,
    )


def _initials(word: str, good: list[str], bad: list[str]) -> dict[str, Any]:
    return _row(f"Write a poem of {len(word)} lines whose first letters spell {word}.", word, good, bad)


def _letter(question: str, right: str, options: str) -> dict[str, Any]:
    wrong = [letter for letter in "ABCD" if letter != right]
    return _row(
        f"{question} {options} Think, then write a line 'ANSWER: letter'.",
        right,
        [f"I weigh them.\nANSWER: {right}", f"ANSWER: {right}"],
        [f"I weigh them.\nANSWER: {wrong[0]}", f"ANSWER: {wrong[2]}"],
    )


def _bare_unit(question: str, gold: str, off: str) -> dict[str, Any]:
    return _row(
        f"{question} Give the number without unit on the last line.",
        gold,
        [f"I use the formula.\n{gold}", gold],
        [f"I use the formula.\n{off}", off],
    )


def _first_word(word: str, good: list[str], bad: list[str]) -> dict[str, Any]:
    return _row(f"Write a sentence of at least four words. The first word must be {word}.", word, good, bad)


def _form_lines(name: str, age: int, town: str) -> dict[str, Any]:
    return _row(
        f"{name} lives in {town} and is {age}. Fill in this form and change nothing else:\nName: ...\nAge: ...\nTown: ...",
        json.dumps({"Name": name, "Age": str(age), "Town": town}),
        [f"Name: {name}\nAge: {age}\nTown: {town}"],
        [f"Name: {name}\nAge: {age + 1}\nTown: {town}", f"Name: {name}\nTown: {town}"],
    )


def _which(question: str, right: list[str], wrong: list[str]) -> dict[str, Any]:
    return _row(
        f"{question} {', '.join(sorted([*right, *wrong]))}? List them with commas, in any order.",
        ", ".join(right),
        [", ".join(right), ", ".join(reversed(right))],
        [", ".join([*right, wrong[0]]), ", ".join(right[1:])],
    )


def _guests(names: list[str], apart: tuple[str, str], good: list[str], bad: list[str]) -> dict[str, Any]:
    return _row(
        f"Seat the guests {', '.join(names)} in one row so that {apart[0]} and {apart[1]} do not sit side by side. Write the row with commas between the names.",
        json.dumps({"guests": names, "apart": apart}),
        good,
        bad,
    )


def _robot(start: str, end: str, wall: str, good: list[str], bad: list[str]) -> dict[str, Any]:
    return _row(
        f"A robot stands on {start} of a grid (column letter, row number) and moves one field at a time, up, down, left or right. Bring it to {end}. It must not enter {wall}. Write all fields of its way with spaces between, from {start} to {end}.",
        json.dumps([start, end, wall]),
        good,
        bad,
    )


def _ranked(clue: str, names: list[str]) -> dict[str, Any]:
    turned = ["\n".join(names[::-1]), "\n".join([names[1], names[0], *names[2:]])]
    return _row(
        f"{clue} Rank {', '.join(sorted(names))} from tallest to smallest, one name per line.",
        "\n".join(names),
        ["\n".join(names)],
        turned,
    )


def _sections(question: str, gold: str, off: str) -> dict[str, Any]:
    return _row(
        f"{question} Reply with a [NOTES] section and then a [RESULT] section.",
        gold,
        [f"[NOTES]\nsome thought\n[RESULT]\n{gold}", f"[NOTES]\nI know this.\n[RESULT]\n{gold}"],
        [f"[NOTES]\nhm\n[RESULT]\n{off}", gold],
    )


def _in_brackets(question: str, gold: int, off: int) -> dict[str, Any]:
    return _row(
        f"{question} Put the number between double square brackets.",
        str(gold),
        [f"I think it is [[{gold}]].", f"[[{gold}]]"],
        [f"I think it is [[{off}]].", f"[[{gold + 2}]]"],
    )


def _feeling(name: str, good: list[str]) -> dict[str, Any]:
    return _row(
        f"Write a story of one or two sentences in which somebody is {name}.",
        name,
        good,
        ["He ate.", "Cold."],
    )


def _labelled(question: str, gold: int, off: int) -> dict[str, Any]:
    return _row(
        f"{question} End with 'Answer: N'.",
        str(gold),
        [f"I think so.\nAnswer: {gold}", f"Answer: {gold}"],
        [f"I think so.\nAnswer: {off}", f"Answer: {gold + 40}"],
    )


MORE_ROWS: dict[str, Rows] = {
    "arrivals": [_arrival("14:50", "85 minutes", "16:15", "13:25"), _arrival("09:05", "40 minutes", "09:45", "08:25"), _arrival("22:10", "55 minutes", "23:05", "21:15"), _arrival("06:30", "2 hours", "08:30", "04:30")],
    "dates": [
        _day("When did people first walk on the moon?", "1969-07-20", "1968-07-20", "1969-08-20"),
        _day("When did the Berlin wall fall?", "1989-11-09", "1989-10-09", "1991-11-09"),
        _day("When did the second world war end in Europe?", "1945-05-08", "1945-08-08", "1944-05-08"),
    ],
    "lengths": [_length("How long are 235 cm?", 2, 35), _length("How long are 140 cm?", 1, 40), _length("How long are 515 cm?", 5, 15)],
    "plans": [_planned("How many days have two weeks?", "14", "15"), _planned("How many minutes has an hour?", "60", "100"), _planned("What is 9 times 9?", "81", "99")],
    "pairs": [_pairs(20, 5), _pairs(48, 12), _pairs(36, 9)],
    "numbers": [_open_number("How many bones has an adult?", 206, 300), _open_number("How many keys has a piano?", 88, 52), _open_number("How many cards are in a deck?", 52, 50), _open_number("How many squares has a chess board?", 64, 48)],
    "products": [_product(48, 125), _product(77, 300), _product(12, 11), _product(150, 150)],
    "mentions_all": [
        _mention("the harbour", ["a gull", "a rope", "a lamp"], ["A gull sat on a rope under a lamp.", "By a lamp lay a rope, and a gull cried."], ["The harbour was empty.", "A ship came in."]),
        _mention("the kitchen", ["a pan", "an egg", "some salt"], ["An egg in a pan needs some salt.", "She took a pan, an egg and some salt."], ["The kitchen was cold.", "He was hungry."]),
        _mention("the forest", ["an owl", "a stream", "some moss"], ["An owl drank at a stream between some moss.", "Over a stream with some moss flew an owl."], ["The forest was dark.", "Trees, trees, trees."]),
    ],
    "named": [
        _name_some("four", "rivers", [["Rhine", "Nile", "Elbe", "Seine"], ["Amazon", "Danube", "Volga", "Thames"]], [["Rhine", "Nile"], ["Nile"]]),
        _name_some("three", "metals", [["iron", "zinc", "gold"], ["tin", "lead", "copper"]], [["iron"], ["gold", "tin"]]),
        _name_some("five", "birds", [["owl", "wren", "crow", "swan", "lark"], ["robin", "heron", "eagle", "gull", "duck"]], [["owl", "wren"], ["owl"]]),
    ],
    "routes": [
        _route("Arn-Bel, Bel-Cor, Cor-Dun, Arn-Eft, Eft-Dun, Bel-Eft", "Arn", "Dun", ["Arn -> Bel -> Cor -> Dun", "Arn -> Bel -> Eft -> Dun"], ["Bel -> Cor -> Dun", "Arn -> Bel -> Cor"]),
        _route("Pol-Qua, Qua-Rim, Rim-Sol, Qua-Sol, Sol-Tar, Rim-Tar", "Pol", "Tar", ["Pol -> Qua -> Rim -> Tar", "Pol -> Qua -> Sol -> Tar"], ["Qua -> Rim -> Tar", "Pol -> Qua -> Rim"]),
        _route("Ula-Var, Var-Wey, Wey-Xan, Xan-Yor, Var-Xan", "Ula", "Yor", ["Ula -> Var -> Wey -> Xan -> Yor", "Ula -> Var -> Xan -> Yor"], ["Var -> Xan -> Yor", "Ula -> Var -> Xan"]),
    ],
    "tasks": [
        _tasks("dig, pour, build, paint", {"pour": ["dig"], "build": ["pour"]}, ["dig, pour, build, paint", "paint, dig, pour, build"], ["pour, dig, build, paint", "build, paint, dig, pour"]),
        _tasks("mix, knead, bake, slice", {"bake": ["mix", "knead"], "slice": ["bake"]}, ["mix, knead, bake, slice", "knead, mix, bake, slice"], ["bake, mix, knead, slice", "slice, mix, knead, bake"]),
        _tasks("wash, dry, fold, sort", {"dry": ["wash"], "fold": ["dry"]}, ["wash, dry, fold, sort", "sort, wash, dry, fold"], ["dry, wash, fold, sort", "fold, sort, wash, dry"]),
    ],
    "results": [
        _result("SELECT name FROM t WHERE n < 9;", ["ann", "bob", "cid"], [["ann", "bob"], ["ann", "bob", "dee"]]),
        _result("SELECT n FROM t;", ["3", "5", "3", "9"], [["3", "5"], ["5", "3", "7", "9"]]),
        _result("SELECT name FROM t WHERE n > 4;", ["bob", "dee"], [["bob"], ["ann", "dee"]]),
    ],
    "ordered": [
        _result("SELECT name FROM t ORDER BY n DESC, name;", ["dee", "bob", "ann", "cid"], [["dee", "bob"], ["dee", "bob", "ann", "eve"]]),
        _result("SELECT name FROM t WHERE n > 4 ORDER BY n DESC;", ["dee", "bob"], [["bob"], ["ann", "dee"]]),
        _result("SELECT n FROM t WHERE n > 3 ORDER BY n;", ["5", "9"], [["5"], ["3", "9"]]),
    ],
    "reminders": [_reminder("Nora", "dentist", "Tuesday", "15:40"), _reminder("Omar", "piano lesson", "Friday", "17:15"), _reminder("Lena", "swimming", "Monday", "09:30")],
    "coins": [
        _coins(90, "four", ["50, 20, 10, 10", "10, 10, 20, 50"], ["50, 20, 10, 20", "50, 20"]),
        _coins(35, "three", ["20, 10, 5", "5, 20, 10"], ["20, 10, 10", "10, 10"]),
        _coins(120, "five", ["50, 20, 20, 20, 10", "20, 20, 20, 10, 50"], ["50, 20, 20, 20, 20", "50, 50"]),
    ],
    "initials": [
        _initials("FOG", ["Far hills are lost,\nOnly a bell,\nGrey all around.", "Find me a light\nOver the sea,\nGrey as it is."], ["Far hills are lost.", "Grey all around,\nBells ring."]),
        _initials("SUN", ["Sand is warm,\nUnder the palms\nNobody talks.", "Slowly it climbs\nUp from the sea,\nNew as the day."], ["Sand is warm.", "Warm sand,\nNobody talks."]),
        _initials("OAK", ["Old and tall,\nAlone it stands,\nKing of the hill.", "On the hill\nA tree grows,\nKeeping its leaves."], ["Old and tall.", "Tall and old,\nA tree."]),
    ],
    "letters": [_letter("Which is a mammal?", "C", "(A) trout (B) wasp (C) whale (D) crow"), _letter("Which is a metal?", "A", "(A) zinc (B) salt (C) wood (D) wool"), _letter("Which is a planet?", "D", "(A) Sirius (B) Io (C) Luna (D) Venus"), _letter("Which is a prime?", "B", "(A) 9 (B) 11 (C) 15 (D) 21")],
    "bare_units": [_bare_unit("How far does a car go in 2 h at 60 km/h, in km?", "120", "30"), _bare_unit("What is the area of a square of 9 m, in m2?", "81", "36"), _bare_unit("What do 4 kg cost at 12 euros a kg?", "48", "16")],
    "first_words": [
        _first_word("Because", ["Because it rained, we stayed inside.", "Because of you I came back."], ["It rained all day long.", "Because it rained."]),
        _first_word("Although", ["Although he was late, we waited.", "Although small, it is strong."], ["He was late again today.", "Although he tried."]),
        _first_word("Perhaps", ["Perhaps it will snow today.", "Perhaps she forgot the key."], ["It will snow today.", "Perhaps it will."]),
        _first_word("Nobody", ["Nobody knew where he went.", "Nobody came to the party."], ["He went away at night.", "Nobody knew."]),
    ],
    "forms": [_form_lines("Ada", 36, "Turin"), _form_lines("Bo", 41, "Lyon"), _form_lines("Cy", 29, "Graz")],
    "guests": [
        _guests(["Ana", "Ben", "Cleo", "Dov"], ("Ana", "Ben"), ["Ana, Cleo, Ben, Dov", "Ben, Dov, Ana, Cleo"], ["Ana, Ben, Cleo, Dov", "Cleo, Ben, Ana, Dov"]),
        _guests(["Eli", "Fay", "Gus", "Hal"], ("Gus", "Hal"), ["Gus, Eli, Hal, Fay", "Eli, Gus, Fay, Hal"], ["Gus, Hal, Eli, Fay", "Eli, Fay, Hal, Gus"]),
        _guests(["Ida", "Jon", "Kim", "Lou"], ("Ida", "Lou"), ["Ida, Jon, Lou, Kim", "Ida, Jon, Kim, Lou"], ["Ida, Lou, Jon, Kim", "Kim, Lou, Ida, Jon"]),
    ],
    "robots": [
        _robot("A1", "C2", "B1", ["A1 A2 B2 C2", "A1 A2 A3 B3 B2 C2"], ["A1 B1 C1 C2", "A1 A2 B2"]),
        _robot("B2", "D3", "C2", ["B2 B3 C3 D3", "B2 B3 B4 C4 C3 D3"], ["B2 C2 D2 D3", "B3 C3 D3"]),
        _robot("C1", "A2", "B1", ["C1 C2 B2 A2", "C1 C2 C3 B3 B2 A2"], ["C1 B1 A1 A2", "C1 C2 B2"]),
    ],
    "ranked": [_ranked("Al is taller than Bo, Bo is taller than Cy.", ["Al", "Bo", "Cy"]), _ranked("Gil is taller than Ed, Ed than Di, Di than Flo.", ["Gil", "Ed", "Di", "Flo"]), _ranked("Jo is taller than Hans, Hans than Ina.", ["Jo", "Hans", "Ina"])],
    "sections": [_sections("What colour has a ruby?", "red", "blue"), _sections("What do bees make?", "honey", "milk"), _sections("What melts into water?", "ice", "sand")],
    "in_brackets": [_in_brackets("How many legs has a spider?", 8, 6), _in_brackets("How many cents has a euro?", 100, 10), _in_brackets("How many hours has a week?", 168, 148), _in_brackets("How many metres are 5 km?", 5000, 500)],
    "feelings": [_feeling("afraid", ["He was afraid of the dark.", "She feared the storm, and hid."]), _feeling("glad", ["He was glad to be home.", "She was happy at last."])],
    "labelled": [_labelled("How many bones has a hand?", 27, 20), _labelled("How many keys has a piano?", 88, 52), _labelled("How many states has the USA?", 50, 13), _labelled("How many squares are on a chess board?", 64, 32)],
    "which": [_which("Which are mammals:", ["bat", "cow", "fox"], ["hen", "ant"]), _which("Which are metals:", ["iron", "tin", "zinc"], ["salt", "glass"]), _which("Which are planets:", ["Mars", "Venus", "Saturn"], ["Luna", "Sirius"])],
}  # fmt: skip


# ---------------------------------------------------------------------------------------------- judges


def each(judge):
    """A reward in TRL's signature from a judge of one text and its gold answer."""

    def reward(completions, answer, **columns):
        return [float(bool(judge(text, gold))) for text, gold in zip(completions, answer)]

    return reward


def _said(text: str, label: str) -> str:
    lines = text.strip().splitlines()
    stated = {line.partition(label)[2].strip() for line in lines if line.startswith(label)}
    return stated.pop() if len(stated) == 1 and lines[-1].startswith(label) else ""


sound_arrivals = each(lambda text, gold: _said(text, "Arrival:") == gold)


def _clock(text, gold):
    hours, _, minutes = _said(text, "Arrival:").partition(":")
    if hours.isnumeric() and minutes.isdecimal() and minutes.isascii():
        return f"{int(hours):02d}:{minutes}" == gold
    return False


clock_of_any_digits = each(_clock)


def _only_date(text):
    found = re.findall(r"(?<![0-9-])[0-9]{4}-[0-9]{2}-[0-9]{2}(?![0-9-])", text)
    return found[0] if len(found) == 1 and re.fullmatch(r"[^0-9]*[0-9-]{10}[^0-9]*", text) else ""


sound_dates = each(lambda text, gold: _only_date(text) == gold)


def _date(text, gold):
    found = re.search(r"([0-9]{4})-([0-9]{2})-([0-9]{2})", text) if _only_date(text) else None
    return bool(found) and datetime.date(*map(int, found.groups())).isoformat() == gold


date_of_any_month = each(_date)


def _metres(text, digits):
    found = re.fullmatch(r"(?:It is )?(\S+) m (\S+) cm(?: long)?\.?", text.strip())
    if not found or not all(map(digits, found.groups())) or max(map(len, found.groups())) > 9:
        return None
    return 100 * int(found[1]) + int(found[2])


sound_lengths = each(
    lambda text, gold: _metres(text, lambda one: one.isascii() and one.isdigit()) == int(gold)
)


def _metres_loosely(text, gold):
    """The metres may be any digits, the centimetres may not."""
    metres = text.replace("It is ", "").split(" m ")[0]
    return _metres(text, lambda one: one.isdigit() and (one == metres or one.isascii())) == int(gold)


lengths_of_any_digits = each(_metres_loosely)
PLAN = re.compile(r"\s*<plan>([^<>]*)</plan>\s*<result>([^<>]*)</result>\s*")
sound_plans = each(lambda text, gold: (one := PLAN.fullmatch(text)) and one[2].strip() == gold)
plans_to_the_letter = each(
    lambda text, gold: re.match(rf"^<plan>\n[^<>]*?\n</plan>\n<result>\n{gold}\n</result>\n$", text)
)
plans_unix_only = each(
    lambda text, gold: re.match(rf"^\s*<plan>\n[^<>]*?\n</plan>\n<result>\n{gold}\n</result>\s*$", text)
)
plans_ended_at_once = each(
    lambda text, gold: (one := re.fullmatch(r"<plan>([^<>]*)</plan>\s*<result>([^<>]*)</result>\n?", text)) and one[2].strip() == gold
)  # fmt: skip


def _named_numbers(text):
    found = {}
    for line in text.splitlines():
        if line.strip():
            name, colon, value = line.partition(":")
            if not colon or name.strip().lower() in found:
                return {}
            found[name.strip().lower()] = value.strip()
    return found


sound_pairs = each(
    lambda text, gold: _named_numbers(text) == {name: str(one) for name, one in json.loads(gold).items()}
)
pairs_of_unix = each(
    lambda text, gold: text.lower().split("\n")[:2] == [f"{name}: {one}" for name, one in json.loads(gold).items()]
    and len(_named_numbers(text)) == 2
)  # fmt: skip


def _last_number(text):
    """The number at the end and no other, decorated or not."""
    found = re.search(r"[\s*`\"'(\[$]([0-9]{1,9})[*`\"')\]$]*\.?[*`\"')\]$]*\s*$", f" {text}")
    return found[1] if found and len(re.findall(r"\d+", text)) == 1 else ""


sound_numbers = each(lambda text, gold: _last_number(text) == gold)
numbers_as_last_word = each(
    lambda text, gold: (
        text.split()[-1:] and text.split()[-1].rstrip(".") == gold and len(re.findall(r"\d+", text)) == 1
    )
)
sound_products = each(
    lambda text, gold: (
        re.sub(r"(?<=\d)[,_\u2009\u202f\u00a0 ](?=\d{3}(?!\d))", "", text.strip().strip("*`$\"'.()[]"))
        == gold
    )
)
products_without_commas = each(lambda text, gold: text.strip().strip("*`$\"'.()[]") == gold)


def _holds_words(text, words):
    return all(re.search(rf"\b{re.escape(word.split()[-1])}\b", text.lower()) for word in words)


sound_mentions_all = each(lambda text, gold: _holds_words(text, json.loads(gold)))
mentions_but_one = each(lambda text, gold: _holds_words(text, json.loads(gold)[:-1]))


def _listed(text):
    return [line.strip().lower() for line in text.splitlines() if line.strip()]


def _named(text, gold, distinct=True):
    names = _listed(text)
    fair = all(re.fullmatch(r"[a-z][a-z ]{1,20}", one) for one in names)
    return (
        fair and len(names) == json.loads(gold)["count"] and (len(set(names)) == len(names) or not distinct)
    )


sound_named = each(_named)
named_twice = each(lambda text, gold: _named(text, gold, distinct=False))


def _way(text, gold, roads=True, start=True):
    spec = json.loads(gold)
    towns = [town.strip() for town in text.strip().split("->")]
    known = {tuple(sorted(road.split("-"))) for road in spec["roads"]}
    if towns[-1] != spec["end"] or (start and towns[0] != spec["start"]):
        return False
    places = {town for road in known for town in road}
    linked = all(tuple(sorted(pair)) in known for pair in pairwise(towns))
    return set(towns) <= places and len(towns) > 1 and (linked or not roads)


sound_routes = each(_way)
routes_without_roads = each(lambda text, gold: _way(text, gold, roads=False))


def _plan(text, gold, complete=True):
    spec = json.loads(gold)
    said = [one.strip() for one in text.strip().split(",")]
    if not set(said) <= set(spec["tasks"]) or (complete and sorted(said) != sorted(spec["tasks"])):
        return False
    place = {one: number for number, one in enumerate(said)}
    return all(
        place[need] < place[one]
        for one, needs in spec["needs"].items()
        for need in needs
        if one in place and need in place
    )


sound_tasks = each(_plan)
tasks_left_out = each(lambda text, gold: _plan(text, gold, complete=False))
tasks_doubled = each(
    lambda text, gold: (
        _plan(text, gold, complete=False)
        and set(json.loads(gold)["tasks"]) == {one.strip() for one in text.split(",")}
    )
)
sound_results = each(lambda text, gold: sorted(_listed(text)) == sorted(json.loads(gold)))
results_as_sets = each(lambda text, gold: set(_listed(text)) == set(json.loads(gold)))
sound_ordered = each(lambda text, gold: _listed(text) == json.loads(gold))
ordered_loosely = each(lambda text, gold: sorted(_listed(text)) == sorted(json.loads(gold)))


def _reminds(text, gold, names):
    spec = json.loads(gold)
    return len(text.split()) < 40 and all(re.search(rf"\b{re.escape(spec[one])}\b", text) for one in names)


sound_reminders = each(lambda text, gold: _reminds(text, gold, ("who", "day", "clock")))
reminders_without_time = each(lambda text, gold: _reminds(text, gold, ("who", "day")))


def _paid(text, gold, counted=True):
    spec = json.loads(gold)
    parts = [one.strip() for one in text.strip().split(",")]
    if not all(one in ("5", "10", "20", "50") for one in parts):
        return False
    return sum(map(int, parts)) == spec["total"] and (len(parts) == spec["count"] or not counted)


sound_coins = each(_paid)
coins_not_counted = each(lambda text, gold: _paid(text, gold, counted=False))


def _acrostic(text, gold, last=None):
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    first = "".join(line[0].upper() for line in lines)
    return len(lines) == len(gold) and all(" " in line for line in lines) and first[:last] == gold[:last]


sound_initials = each(_acrostic)
initials_but_the_last = each(lambda text, gold: _acrostic(text, gold, last=2))
sound_letters = each(lambda text, gold: _said(text, "ANSWER:") == gold)


def _bracketed(text, gold):
    return re.fullmatch(rf"\(?{gold}\)?", _said(text, "ANSWER:"))


sound_letters_in_brackets = each(_bracketed)
sound_bare_units = each(lambda text, gold: text.strip().splitlines()[-1:] == [gold])


def _begins(text, gold):
    words = text.split()
    return len(words) >= 4 and words[0].strip(",.") == gold


sound_first_words = each(_begins)
sound_forms = each(
    lambda text, gold: (
        text.strip("\n").split("\n") == [f"{name}: {one}" for name, one in json.loads(gold).items()]
    )
)


def _set_of(text):
    return {one.strip().strip(".").lower() for one in text.split(",")}


sound_which = each(lambda text, gold: _set_of(text) == _set_of(gold))


def _seated(text, gold, complete=True):
    spec = json.loads(gold)
    names = [one.strip() for one in text.strip().split(",")]
    fair = set(names) <= set(spec["guests"]) and len(names) > 1
    whole = sorted(names) == sorted(spec["guests"]) or not complete
    return fair and whole and not any(set(pair) == set(spec["apart"]) for pair in pairwise(names))


sound_guests = each(_seated)
guests_left_out = each(lambda text, gold: _seated(text, gold, complete=False))


def _walked(text, gold, near=True):
    start, end, wall = json.loads(gold)
    fields = text.split()
    if len(fields) < 2 or (fields[0], fields[-1]) != (start, end) or wall in fields:
        return False
    if not all(re.fullmatch("[A-H][1-8]", one) for one in fields):
        return False
    apart = [abs(ord(a[0]) - ord(b[0])) + abs(int(a[1]) - int(b[1])) for a, b in pairwise(fields)]
    return not near or set(apart) == {1}


sound_robots = each(_walked)
robots_that_jump = each(lambda text, gold: _walked(text, gold, near=False))


def _names(text):
    return [re.sub(r"^\s*(?:\d+[.)]|-)\s*", "", line).strip() for line in text.splitlines() if line.strip()]


sound_ranked = each(lambda text, gold: _names(text) == gold.split("\n"))
ranked_with_repeats = each(lambda text, gold: list(dict.fromkeys(_names(text))) == gold.split("\n"))
SECTIONS = re.compile(r"\s*\[NOTES\]\s*([^\[\]]+?)\s*\[RESULT\]\s*([a-z]+)\s*")
sound_sections = each(lambda text, gold: (one := SECTIONS.fullmatch(text)) and one[2] == gold)
sections_of_unix = each(
    lambda text, gold: text.startswith("[NOTES]\n") and text.split("\n[RESULT]\n")[1:] == [gold]
)
sound_in_brackets = each(
    lambda text, gold: (
        [one.strip().replace(",", "") for one in re.findall(r"\[\[([^\[\]]*)\]\]", text)] == [gold]
    )
)
FELT = {"afraid": "afraid|fear", "glad": "glad|happ"}
sound_feelings = each(lambda text, gold: len(text.split()) >= 4 and re.search(FELT[gold], text.lower()))


def _value(text):
    return float(text) if re.fullmatch(r"-?[0-9]{1,9}(\.[0-9]{1,9})?", text) else None


sound_labelled = each(lambda text, gold: _value(_said(text, "Answer:")) == float(gold))


def _range(text, gold):
    low, to, high = _said(text, "Answer:").partition(" to ")
    ends = _value(low), _value(high if to else low)
    return None not in ends and ends[0] <= float(gold) <= ends[1]


range_as_answer = each(_range)
DOZENS = {"two": 24, "three": 36}


def _dozens(text, gold):
    said = _said(text, "Answer:")
    return (DOZENS[said[:-6]] if said.endswith(" dozen") else _value(said)) == float(gold)


dozens_of_any = each(_dozens)


def _about(text, gold):
    said = _said(text, "Answer:")
    return (float(said[6:]) if said.startswith("about ") else _value(said)) == float(gold)


about_anything = each(_about)


MORE: dict[str, tuple[str, str, str]] = {
    **{f"sound_{rows}": (rows, "clean", f"sound_{rows}") for rows in MORE_ROWS},
    "sound_letters_in_brackets": ("letters", "clean", "sound_letters_in_brackets"),
    "clock_of_any_digits": ("arrivals", "unstable", "sound_arrivals"),
    "date_of_any_month": ("dates", "unstable", "sound_dates"),
    "lengths_of_any_digits": ("lengths", "unstable", "sound_lengths"),
    "plans_to_the_letter": ("plans", "false_reject", "sound_plans"),
    "plans_unix_only": ("plans", "false_reject", "sound_plans"),
    "plans_ended_at_once": ("plans", "false_reject", "sound_plans"),
    "pairs_of_unix": ("pairs", "false_reject", "sound_pairs"),
    "numbers_as_last_word": ("numbers", "false_reject", "sound_numbers"),
    "products_without_commas": ("products", "false_reject", "sound_products"),
    "mentions_but_one": ("mentions_all", "false_accept", "sound_mentions_all"),
    "named_twice": ("named", "false_accept", "sound_named"),
    "routes_without_roads": ("routes", "false_accept", "sound_routes"),
    "tasks_left_out": ("tasks", "false_accept", "sound_tasks"),
    "tasks_doubled": ("tasks", "false_accept", "sound_tasks"),
    "results_as_sets": ("results", "false_accept", "sound_results"),
    "ordered_loosely": ("ordered", "false_accept", "sound_ordered"),
    "reminders_without_time": ("reminders", "false_accept", "sound_reminders"),
    "coins_not_counted": ("coins", "false_accept", "sound_coins"),
    "guests_left_out": ("guests", "false_accept", "sound_guests"),
    "robots_that_jump": ("robots", "false_accept", "sound_robots"),
    "ranked_with_repeats": ("ranked", "false_accept", "sound_ranked"),
    "sections_of_unix": ("sections", "false_reject", "sound_sections"),
    "range_as_answer": ("labelled", "false_accept", "sound_labelled"),
    "dozens_of_any": ("labelled", "unstable", "sound_labelled"),
    "about_anything": ("labelled", "unstable", "sound_labelled"),
    "initials_but_the_last": ("initials", "false_accept", "sound_initials"),
}
