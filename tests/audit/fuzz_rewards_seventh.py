# mypy: ignore-errors
# ruff: noqa: E501 - rows and rewards as people write them
"""Rewards of kinds that a seventh to a ninth hand brought: layout, scripts, texts left as they were, counted
marks, what stands before a reply, defaults, Markdown and punctuation that a prompt leaves free; rings, weekdays,
NaN, broken calls, patterns without a group. As in `fuzz_rewards_more`."""

from __future__ import annotations

import itertools
import json
import re
import unicodedata
from difflib import SequenceMatcher
from fractions import Fraction
from typing import Any

from tests.audit.fuzz_rewards_more import Rows, _row, each


def _outline(what: str, gold: str, turned: str) -> dict[str, Any]:
    prompt = (
        f"Draw {what} as an outline: one name a line, each level indented by two more spaces, nothing else."
    )
    return _row(prompt, gold, [gold, f"{gold}\n"], [turned, gold.replace("\n", ", ")])


def _greek(question: str, stem: str, good: list[str], bad: list[str]) -> dict[str, Any]:
    return _row(f"{question} Answer in one sentence, in Greek script only.", stem, good, bad)


def _mended(broken: str, gold: str) -> dict[str, Any]:
    prompt = f"Correct the mistakes in this sentence and reply with it alone: {broken}"
    return _row(prompt, gold, [gold, f'"{gold}"'], ["It has mistakes.", gold.partition(" ")[0]])


def _round(places: str, roads: list[str], good: list[str], bad: list[str]) -> dict[str, Any]:
    prompt = (
        f"Roads: {', '.join(f'{one[0]}-{one[1]}' for one in roads)}. Start in {places[0]} and visit each of "
        f"{', '.join(places)} exactly once. Reply with the places joined by '-'."
    )
    return _row(prompt, json.dumps([places, roads]), good, bad)


def _shout(about: str, good: list[str], bad: list[str]) -> dict[str, Any]:
    return _row(f"Write a sign about {about} in capital letters, with 3 words or more.", "3", good, bad)


def _times(word: str, count: int, good: list[str], bad: list[str]) -> dict[str, Any]:
    prompt = f"Write a sentence that has the word {word} exactly {count} times, in small or capital letters."
    return _row(prompt, json.dumps([word, count]), good, bad)


def _repeated(question: str, gold: str, wrong: str) -> dict[str, Any]:
    prompt = f'Repeat this question, put nothing before it, and answer it on the next line in one word: "{question}"'
    good = [f"{question}\n{gold}", f"{question}\n\n{gold}"]
    return _row(prompt, json.dumps([question, gold]), good, [f"{question}\n{wrong}", gold])


def _tagged(about: str, count: int, good: list[str], bad: list[str]) -> dict[str, Any]:
    return _row(f"Write a post about {about} with exactly {count} hashtags.", str(count), good, bad)


def _second(word: str, good: list[str], bad: list[str]) -> dict[str, Any]:
    prompt = f"Write a sentence of at least 5 words whose second word is {word}. Punctuation is free."
    return _row(prompt, word, good, bad)


def _called(ask: str, given: dict[str, Any], bad: list[str]) -> dict[str, Any]:
    text, turned = json.dumps(given), json.dumps(dict(reversed(given.items())))
    prompt = f"You have book(town: str, nights: int = 1, pets: bool = False). {ask} Reply with its arguments as one JSON object."
    return _row(prompt, text, [text, turned] if turned != text else [text, f"{text}\n"], bad)


def _marked(question: str, gold: str, work: str, wrong: str) -> dict[str, Any]:
    prompt = f"{question} You may use Markdown. The last line is 'Answer: N'."
    good = [f"Answer: {gold}", f"**{work}** comes first.\n\nAnswer: {gold}"]
    return _row(prompt, gold, good, [f"Answer: {wrong}", f"It is {gold}."])


def _span(what: str, gold: list[int], near: list[int], wrong: list[int]) -> dict[str, Any]:
    prompt = f"{what} Give the one span as <span>[from, to]</span>; an overlap (IoU) of 0.8 is enough."
    return _row(
        prompt,
        json.dumps(gold),
        [f"<span>{gold}</span>", f"I look it up.\n<span>{near}</span>"],
        [f"<span>{wrong}</span>", f"{gold}"],
    )


def _knights(claims: str, kinds: dict[str, str], good: list[str], bad: list[str]) -> dict[str, Any]:
    prompt = f"{claims} You may reason first. State it in lines 'Name: knight' or 'Name: knave'; only lines that start with a name and a colon count."
    return _row(prompt, json.dumps(kinds), good, bad)


def _units(gold: str, good: list[str], bad: list[str]) -> dict[str, Any]:
    prompt = (
        f"Write {gold} as a sum of different unit fractions. The last line must be 'Sum: 1/a + 1/b + ...'."
    )
    return _row(prompt, gold, good, bad)


def _version(names: str, gold: str, good: list[str], bad: list[str]) -> dict[str, Any]:
    return _row(f"Which version is the newest: {names}? Reply with it alone.", gold, good, bad)


def _commit(about: str, number: str, good: list[str], bad: list[str]) -> dict[str, Any]:
    prompt = f"Write a commit message for: {about}; ticket #{number}. Rules: (1) the first line has at most 40 characters; (2) the second line is empty; (3) the third names the ticket."
    return _row(prompt, number, good, bad)


def _power(number: str, gold: str, good: list[str], bad: list[str]) -> dict[str, Any]:
    return _row(f"Write {number} in scientific notation.", gold, good, bad)


def _ring(rules: str, gold: list[str], turned: int, bad: list[str]) -> dict[str, Any]:
    prompt = f"{', '.join(sorted(gold))} sit at a round table. {rules} Give their names round the table, comma separated, beginning with anyone."
    return _row(prompt, json.dumps(gold), [", ".join(gold), ", ".join(gold[turned:] + gold[:turned])], bad)


def _helper(ask: str, call: dict[str, Any] | None, good: list[str], bad: list[str]) -> dict[str, Any]:
    prompt = f"You have the tool light(room). Where it fits, reply with one <use>{{...}}</use>; where it does not, answer in plain words. User: {ask}"
    return _row(prompt, json.dumps(call), good, bad)


def _moment(ask: str, gold: str, bad: list[str]) -> dict[str, Any]:
    prompt = f"{ask} Reply with the weekday and the time alone, such as 'Wed 08:15'."
    return _row(prompt, gold, [gold, gold.lower()], bad)


def _series(start: str, gold: list[int], bad: list[str]) -> dict[str, Any]:
    prompt = (
        f'{start} Reply with the next three as JSON {{"next": [...]}}; a mean error of up to 0.5 is fine.'
    )
    return _row(
        prompt, json.dumps(gold), [json.dumps({"next": gold}), f"I go on.\n{json.dumps({'next': gold})}"], bad
    )


def _mark(ask: str, forms: list[str], good: list[str], bad: list[str]) -> dict[str, Any]:
    return _row(f"Make up a mark: {ask}. Reply with the mark only.", json.dumps(forms), good, bad)


def _passive(active: str, gold: str, short: str) -> dict[str, Any]:
    prompt = f"Rewrite in the passive voice, keep all else, and reply with the sentence only: {active}"
    return _row(prompt, gold, [gold, gold.rstrip(".")], [active, short])


SEVENTH_ROWS: dict[str, Rows] = {
    "powers": [
        _power("0.00047", "4.7e-4", ["4.7 x 10^-4", "4.7 * 10^{-4}"], ["4.7 x 10^-5", "47 x 10^-5"]),
        _power("930000", "9.3e5", ["9.3 x 10^5", "It is 9.3e5."], ["9.3 x 10^6", "93 x 10^4"]),
        _power("0.0062", "6.2e-3", ["6.2 x 10^-3", "6.2e-3"], ["6.2 x 10^3", "0.62 x 10^-2"]),
    ],
    "rings": [
        _ring("Bo sits between Al and Cy, Ed next to Al.", ["Al", "Bo", "Cy", "Di", "Ed"], 2, ["Al, Cy, Bo, Di, Ed", "Al, Bo, Cy, Di"]),
        _ring("Fi and Hu are not neighbours.", ["Fi", "Gu", "Hu", "Iz"], 1, ["Fi, Hu, Gu, Iz", "Gu, Iz, Fi, Hu"]),
        _ring("Jo sits between Ky and Lu, Mo next to Lu.", ["Jo", "Lu", "Mo", "Ny", "Ky"], 3, ["Jo, Mo, Lu, Ny, Ky", "Ky, Lu, Jo, Mo, Ny"]),
    ],
    "helpers": [
        _helper("It is dark in the hall.", {"room": "hall"}, ['<use>{"room": "hall"}</use>', 'At once.\n<use>{"room": "hall"}</use>'], ['<use>{"room": "attic"}</use>', "It is."]),
        _helper("Thanks a lot!", None, ["You are welcome!", "Gladly."], ['<use>{"room": "hall"}</use>', 'Gladly. <use>{"room": "attic"}</use>']),
        _helper("Tell me about owls.", None, ["Owls fly at night.", "They hear very well."], ['<use>{"room": "owls"}</use>', '<use>{"room": "tree"}</use>']),
        _helper("Light in the cellar, please.", {"room": "cellar"}, ['<use>{"room": "cellar"}</use>', '<use>{"room":"cellar"}</use>'], ['<use>{"room": "hall"}</use>', "Yes."]),
    ],
    "moments": [
        _moment("It is Monday, 21:30. When are 9 hours over?", "Tue 06:30", ["Mon 12:30", "Tue 05:30"]),
        _moment("It is Thursday, 15:00. When was it 6 hours ago?", "Thu 09:00", ["Thu 21:00", "Thu 08:00"]),
        _moment("It is Sunday, 07:45. When was it 8 hours ago?", "Sat 23:45", ["Sun 15:45", "Sat 22:45"]),
    ],
    "series": [
        _series("The values were 80, 85, 90.", [95, 100, 105], ['{"next": [90, 95, 100]}', '{"next": [95, 100]}']),
        _series("The values were 64, 60, 56.", [52, 48, 44], ['{"next": [60, 64, 68]}', "52, 48, 44"]),
        _series("The values were 3, 6, 12.", [24, 48, 96], ['{"next": [18, 24, 30]}', '{"values": [24, 48, 96]}']),
    ],
    "marks": [
        _mark("C- and four digits, or R- and two digits", ["C-####", "R-##"], ["C-4821", "R-07"], ["C-48", "X-4821"]),
        _mark("two capitals and three digits, or three digits and two capitals", ["@@###", "###@@"], ["KM204", "204KM"], ["K204", "20-KM"]),
        _mark("two capitals, a slash and four digits, or a capital, a slash and six digits", ["@@/####", "@/######"], ["AB/1234", "Z/000815"], ["AB-1234", "AB/12"]),
    ],
    "passives": [
        _passive("The council approved the new budget for the northern schools last week.", "The new budget for the northern schools was approved by the council last week.", "The budget was approved."),
        _passive("Three volunteers repaired the wooden bridge over the river in April.", "The wooden bridge over the river was repaired by three volunteers in April.", "The bridge was repaired."),
        _passive("The museum sold the two oldest paintings of its collection to a private buyer.", "The two oldest paintings of its collection were sold to a private buyer by the museum.", "Two paintings were sold."),
    ],
    "outlines": [
        _outline("a club with a board and a team", "Club\n  Board\n  Team", "Club\n  Team\n  Board"),
        _outline("a house with a floor with a room", "House\n  Floor\n    Room", "House\n    Room\n  Floor"),
        _outline("a zoo with birds, owls among them, and apes", "Zoo\n  Birds\n    Owls\n  Apes", "Zoo\n  Apes\n  Birds\n    Owls"),
        _outline("a menu with soup and tea", "Menu\n  Soup\n  Tea", "Menu\n  Tea\n  Soup"),
    ],
    "greek": [
        _greek("What colour is snow?", "λευκ", ["Το χιόνι είναι λευκό.", "Είναι λευκό."], ["Είναι μπλε.", "Snow is white."]),
        _greek("What do bees make?", "μέλι", ["Κάνουν μέλι.", "Οι μέλισσες φτιάχνουν μέλι."], ["Κάνουν ψωμί.", "Honey."]),
        _greek("What falls from clouds?", "βροχ", ["Πέφτει βροχή.", "Από τα σύννεφα πέφτει η βροχή."], ["Πέφτουν πέτρες.", "Rain."]),
        _greek("What do we drink?", "νερ", ["Πίνουμε νερό.", "Το νερό."], ["Πίνουμε άμμο.", "Water."]),
    ],
    "mended": [
        _mended("She go to the libary every Monday.", "She goes to the library every Monday."),
        _mended("Their are two apples on teh table.", "There are two apples on the table."),
        _mended("He have recieved the letter yesterday evening.", "He received the letter yesterday evening."),
        _mended("I has seen the beatiful mountains in Norway.", "I have seen the beautiful mountains in Norway."),
    ],
    "rounds": [
        _round("ABCD", ["AB", "BC", "CD", "AD"], ["A-B-C-D", "A-D-C-B"], ["A-C-B-D", "A-B-C"]),
        _round("KLMN", ["KL", "LM", "MN", "KM", "LN"], ["K-L-M-N", "K-M-N-L"], ["L-K-M-N", "K-N-L-M"]),
        _round("PQRS", ["PQ", "QR", "RS", "PS", "QS"], ["P-Q-R-S", "P-S-R-Q"], ["P-R-Q-S", "P-Q-R"]),
        _round("WXYZ", ["WX", "XY", "YZ", "WY"], ["W-X-Y-Z"], ["W-Z-Y-X", "W-X-Y"]),
    ],
    "signs": [
        _shout("wet paint", ["MIND THE WET PAINT.", "WET PAINT: DO NOT TOUCH"], ["Mind the wet paint.", "WET PAINT"]),
        _shout("a dog", ["BEWARE OF THE DOG", "THE DOG BITES!"], ["beware of the dog", "DOG BITES"]),
        _shout("a closed door", ["THIS DOOR STAYS CLOSED", "CLOSE THE DOOR!"], ["Close the door!", "CLOSED DOOR"]),
        _shout("a deep lake", ["THE LAKE IS DEEP.", "DEEP LAKE, STAY OUT"], ["the lake is deep.", "DEEP LAKE"]),
    ],
    "word_times": [
        _times("ear", 2, ["One ear is big and one ear is not.", "Ear to ear they grin."], ["One is big.", "An ear, an ear and an ear."]),
        _times("ten", 1, ["We are ten people.", "Ten is enough for us."], ["We are nine.", "Ten and ten is more."]),
        _times("all", 2, ["All for one and all for me.", "We all know that all is well."], ["One for me.", "All, all, all."]),
        _times("car", 1, ["My car is red.", "A car came by."], ["My bus is red.", "Car after car came by."]),
    ],
    "repeated": [
        _repeated("Which planet is the largest?", "Jupiter", "Mars"),
        _repeated("What is the capital of Chad?", "Ndjamena", "Lagos"),
        _repeated("Which metal is liquid?", "Mercury", "Iron"),
        _repeated("Who wrote Hamlet?", "Shakespeare", "Goethe"),
    ],
    "tagged": [
        _tagged("tea", 2, ["Tea time! #tea #calm", "My #cup of #green tea."], ["Tea time! #tea", "Tea."]),
        _tagged("a walk", 1, ["Out in the woods #walk", "What a #day!"], ["Out in the woods.", "A walk."]),
        _tagged("bread", 3, ["#bread #oven #home", "Fresh #bread, warm #oven, happy #me"], ["#bread #oven", "Bread."]),
        _tagged("snow", 2, ["First #snow of the #year", "#cold and #white"], ["First #snow", "Snow."]),
    ],
    "seconds": [
        _second("river", ["The river is wide and cold.", "A river runs through our town."], ["The lake is wide and cold.", "River"]),
        _second("music", ["Soft music plays all day long.", "Her music is not like mine."], ["Music plays all day long.", "Soft music"]),
        _second("time", ["Some time ago we had more.", "The time we had was short."], ["Time flies like an arrow here.", "The time"]),
        _second("bread", ["Fresh bread is what we want.", "Warm bread smells good to me."], ["Bread is what we all want.", "Fresh bread"]),
    ],
    "bookings": [
        _called("Book a night in Ghent.", {"town": "Ghent"}, ['{"town": "Bruges"}', "book('Ghent')"]),
        _called("Book 3 nights in Pisa.", {"town": "Pisa", "nights": 3}, ['{"town": "Pisa"}', '{"town": "Pisa", "nights": "3"}']),
        _called("Book a night in Turku with our dog.", {"town": "Turku", "pets": True}, ['{"town": "Turku"}', '{"pets": true}']),
        _called("Book 2 nights in Split.", {"town": "Split", "nights": 2}, ['{"town": "Split", "nights": 1}', "{}"]),
    ],
    "marked": [
        _marked("How many eggs are 4 dozen?", "48", "4 * 12", "16"),
        _marked("How many legs have 7 spiders?", "56", "7 * 8", "42"),
        _marked("What is the sum of 19 and 23?", "42", "19 + 23", "41"),
        _marked("How many days are 6 weeks?", "42", "6 * 7", "36"),
    ],
    "spans": [
        _span("The talk lasts from minute 20 to minute 80.", [20, 80], [22, 80], [80, 140]),
        _span("The lake goes from metre 100 to metre 300.", [100, 300], [105, 300], [0, 100]),
        _span("The film runs from second 500 to second 900.", [500, 900], [500, 880], [0, 400]),
        _span("The wall spans centimetres 40 to 240.", [40, 240], [44, 240], [0, 60]),
    ],
    "knights": [
        _knights("Amy says that Ben is a knave.", {"Amy": "knight", "Ben": "knave"}, ["A knight tells the truth.\nAmy: knight\nBen: knave", "Ben: knave\nAmy: knight."], ["Amy: knave\nBen: knight", "Amy: knight"]),
        _knights("Cy says that he and Di are knaves.", {"Cy": "knave", "Di": "knight"}, ["Cy: knave\nDi: knight", "As he lies, it is so.\nCy: knave\nDi: knight"], ["Cy: knave\nDi: knave", "Di: knight"]),
        _knights("Ed says that Flo and he differ; Flo says nothing.", {"Ed": "knight", "Flo": "knave"}, ["Ed: knight\nFlo: knave", "Ed: Knight\nFlo: Knave"], ["Ed: knave", "Flo: knight\nEd: knight"]),
    ],
    "units": [
        _units("3/4", ["Sum: 1/2 + 1/4", "I halve it.\nSum: 1/4+1/2"], ["Sum: 1/2 + 1/3", "Sum: 3/4"]),
        _units("5/6", ["Sum: 1/2 + 1/3", "Sum: 1/3 + 1/2"], ["Sum: 1/2 + 1/6", "1/2 + 1/3"]),
        _units("2/7", ["Sum: 1/4 + 1/28", "The largest is a quarter.\nSum: 1/4 + 1/28"], ["Sum: 1/7 + 1/7", "Sum: 1/4 + 1/27"]),
    ],
    "versions": [
        _version("1.9.3, 1.10.0 or 1.2.12", "1.10.0", ["1.10.0", "v1.10.0"], ["1.9.3", "1.10"]),
        _version("0.4.20, 0.4.3 or 0.3.99", "0.4.20", ["0.4.20", "0.4.20."], ["0.3.99", "0.4.3 or 0.4.20"]),
        _version("10.1.1, 9.12.30 or 10.0.15", "10.1.1", ["10.1.1", "10.1.1\n"], ["9.12.30", "10.0.15"]),
    ],
    "commits": [
        _commit("no crash on empty files", "12", ["Do not crash on empty files\n\nCloses #12.", "Read empty files\n\nSee #12."], ["Read empty files\nSee #12.", "Read empty files\n\nDone."]),
        _commit("the list can be sorted", "7", ["Sort the list\n\nCloses #7.", "Add sorting\n\nFor #7, as asked."], ["Sort the list #7", "Sort\n\nCloses #71."]),
        _commit("the page covers Windows", "301", ["Cover Windows\n\nCloses #301.", "Describe the install on Windows\n\n#301"], ["Cover Windows", "Cover Windows\n#301"]),
        _commit("tests for the clock", "45", ["Test the clock\n\nPart of #45.", "Clock tests\n\nFor #45."], ["Test the clock\n\nPart of 45.", "Test the clock for the ticket that has the number #45\n\n#45"]),
    ],
}  # fmt: skip


def _outlined(clean):
    return each(
        lambda text, gold: (
            [clean(one) for one in text.splitlines() if one.strip()]
            == [clean(one) for one in gold.splitlines()]
        )
    )


sound_outlines, outlines_at_the_margin = _outlined(str.rstrip), _outlined(str.strip)


def _in_greek(counted):
    def judge(text, stem):
        letters = [one for one in text if one.isalpha() and counted(one)]
        own = [one for one in letters if unicodedata.name(one).startswith("GREEK")]
        return letters and len(own) >= 0.9 * len(letters) and stem in text.casefold()

    return each(judge)


sound_greek, greek_beside_latin = (
    _in_greek(lambda letter: True),
    _in_greek(lambda letter: not letter.isascii()),
)


def _plain(text):
    return " ".join(text.split()).strip("\"'").rstrip(".")


sound_mended = each(lambda text, gold: _plain(text) == _plain(gold))
mended_nearly = each(lambda text, gold: SequenceMatcher(None, _plain(text), _plain(gold)).ratio() > 0.85)


def _visited(once):
    def judge(text, gold):
        places, roads = json.loads(gold)
        walk = text.strip().split("-")
        linked = all(one + other in roads or other + one in roads for one, other in itertools.pairwise(walk))
        return (
            len(walk) == len(places)
            and walk[0] == places[0]
            and linked
            and (not once or len(set(walk)) == len(walk))
        )

    return each(judge)  # fmt: skip


sound_rounds, rounds_to_and_fro = _visited(True), _visited(False)
sound_signs = each(lambda text, gold: text == text.upper() != text.lower() and len(text.split()) >= 3)
signs_by_first_letters = each(
    lambda text, gold: all(one[0] == one[0].upper() for one in text.split()) and len(text.split()) >= 3
)


def _so_often(pattern):
    def judge(text, gold):
        word, count = json.loads(gold)
        return len(re.findall(pattern(word), text.lower())) == count

    return each(judge)


sound_word_times, words_within_words = _so_often(lambda word: rf"\b{word}\b"), _so_often(lambda word: word)


def _said_first(first):
    def judge(text, gold):
        question, answer = json.loads(gold)
        before, found, rest = text.partition(question)
        return (
            found and (not first or not before.strip()) and rest.startswith("\n") and rest.strip() == answer
        )

    return each(judge)


sound_repeated, repeated_anywhere = _said_first(True), _said_first(False)
sound_tagged = each(lambda text, gold: len(re.findall(r"(?<!\w)#\w+", text)) == int(gold))
tagged_or_more = each(lambda text, gold: len(re.findall(r"(?<!\w)#\w+", text)) >= int(gold))


def _second_is(clean):
    def judge(text, gold):
        words = [clean(one).lower() for one in text.split()]
        return len(words) >= 5 and words[1] == gold

    return each(judge)


sound_seconds = _second_is(lambda word: re.sub(r"^\W+|\W+$", "", word))
seconds_with_their_commas = _second_is(str)
DEFAULTS = {"nights": 1, "pets": False}


def _booked(whole):
    def judge(text, gold):
        try:
            given = json.loads(text)
        except ValueError:
            return False
        if not isinstance(given, dict):
            return False
        one, other = ({**DEFAULTS, **some} if whole else some for some in (given, json.loads(gold)))
        return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)

    return each(judge)


sound_bookings, bookings_as_written = _booked(True), _booked(False)


def _last_line(clean):
    def judge(text, gold):
        lines = [clean(one).strip() for one in text.strip().splitlines()]
        return lines[-1:] == [f"Answer: {gold}"] and text.count("Answer:") == 1

    return each(judge)


sound_marked, marked_in_plain_only = _last_line(lambda line: line.replace("**", "")), _last_line(str)


def _overlaps(choose):
    def judge(text, gold):
        low, high = json.loads(gold)
        spans = [json.loads(one) for one in re.findall(r"<span>(\[\d{1,9}, ?\d{1,9}\])</span>", text)]
        shares = [
            max(0, min(end, high) - max(start, low)) / (max(end, high) - min(start, low))
            for start, end in spans
        ]
        return bool(shares) and text.count("<span>") == len(spans) and choose(shares) >= 0.8

    return each(judge)


sound_spans, spans_at_best = _overlaps(min), _overlaps(max)


def _named_kinds(text, gold):
    kinds, said = json.loads(gold), {}
    for line in text.splitlines():
        name, colon, kind = line.partition(":")
        if colon and name.strip() in kinds:
            said.setdefault(name.strip(), set()).add(kind.strip().lower().removesuffix("."))
    return said == {name: {kind} for name, kind in kinds.items()}


sound_knights = each(_named_kinds)


def _summed(text, gold):
    lines = [one.strip() for one in text.strip().splitlines()]
    found = re.fullmatch(r"Sum: *(1/[1-9]\d{0,5}(?: *\+ *1/[1-9]\d{0,5})+)", lines[-1]) if lines else None
    terms = [one.strip() for one in found[1].split("+")] if found else []
    right = found and sum(map(Fraction, terms)) == Fraction(gold) and len(set(terms)) == len(terms)
    return right and text.count("Sum:") == 1


sound_units = each(_summed)
sound_versions = each(
    lambda text, gold: re.fullmatch(rf"[vV]?{re.escape(gold)}\.?", text.strip()) is not None
)


def _committed(text, gold):
    lines = text.strip().split("\n")
    numbers = re.findall(r"#(\d+)", "\n".join(lines[2:3]))
    return len(lines) == 3 and len(lines[0]) <= 40 and not lines[1].strip() and numbers == [gold]


sound_commits = each(_committed)

RAISED = str.maketrans("\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079\u207b", "0123456789-")


def _scientific(plain):
    def judge(text, gold):
        text = re.sub(
            r"(?<=10)([\u2070\u00b9\u00b2\u00b3\u2074-\u2079\u207b]+)",
            lambda one: "^" + one[1].translate(RAISED),
            plain(text),
        )
        found = re.findall(r"(\d+(?:\.\d+)?)\s*(?:[x*]\s*10\s*\^\s*\{?|[eE])(-?\d+)", text)
        return {f"{one}e{power}" for one, power in found} == {gold}

    return each(judge)  # fmt: skip


sound_powers = _scientific(str)
powers_in_plain_digits = _scientific(
    lambda text: re.sub(r"10[\u2070\u00b9\u00b2\u00b3\u2074-\u2079\u207b]+", "?", text)
)


def _seated(ways):
    def judge(text, gold):
        gold, names = json.loads(gold), [one.strip() for one in text.strip().rstrip(".").split(",")]
        return any(names == way[place:] + way[:place] for way in ways(gold) for place in range(len(way)))

    return each(judge)


sound_rings = _seated(lambda gold: (gold, gold[::-1]))
rings_one_way_round = _seated(lambda gold: (gold,))


def _used(strict):
    def judge(text, gold):
        wanted, blocks = json.loads(gold), re.findall(r"<use>(.*?)</use>", text, re.DOTALL)
        calls = []
        for block in blocks:
            try:
                calls.append(json.loads(block))
            except ValueError:
                if strict:
                    return False
        if wanted is None:
            return not calls and (not strict or "<use" not in text) and re.search(r"\w", text) is not None
        return [json.dumps(one) for one in calls] == [json.dumps(wanted)]

    return each(judge)


sound_helpers, helpers_that_drop_broken_calls = _used(True), _used(False)
sound_moments = each(lambda text, gold: " ".join(text.split()).casefold() == gold.casefold())
moments_by_the_clock = each(
    lambda text, gold: (
        re.fullmatch(rf"(?i)(?:mon|tue|wed|thu|fri|sat|sun) {gold[4:]}", " ".join(text.split())) is not None
    )
)


def _continued(near):
    def judge(text, gold):
        gold = json.loads(gold)
        try:
            given = json.loads(text[text.find("{") : text.rfind("}") + 1])["next"]
        except (ValueError, KeyError, TypeError):
            return False
        if not isinstance(given, list) or any(type(one) not in (int, float) for one in given):
            return False
        return len(given) == len(gold) and near(
            sum(abs(one - other) for one, other in zip(given, gold, strict=True))
        )

    return each(judge)  # fmt: skip


sound_series = _continued(lambda error: error <= 1.5)
series_unless_far_off = _continued(lambda error: not error > 1.5)


def _formed(joined):
    def judge(text, gold):
        forms = [
            "".join({"#": "[0-9]", "@": "[A-Z]"}.get(one, re.escape(one)) for one in form)
            for form in json.loads(gold)
        ]
        return re.search(joined("|".join(forms)), text.strip()) is not None

    return each(judge)


sound_marks, marks_without_a_group = (
    _formed(lambda forms: rf"\A(?:{forms})\Z"),
    _formed(lambda forms: rf"\A{forms}\Z"),
)
sound_passives = each(lambda text, gold: _plain(text) == _plain(gold))
passives_nearly = each(lambda text, gold: SequenceMatcher(None, _plain(text), _plain(gold)).ratio() > 0.9)

SEVENTH: dict[str, tuple[str, str, str]] = {
    "powers_in_plain_digits": ("powers", "false_reject", "sound_powers"),
    "rings_one_way_round": ("rings", "false_reject", "sound_rings"),
    "helpers_that_drop_broken_calls": ("helpers", "false_accept", "sound_helpers"),
    "moments_by_the_clock": ("moments", "false_accept", "sound_moments"),
    "series_unless_far_off": ("series", "false_accept", "sound_series"),
    "marks_without_a_group": ("marks", "false_accept", "sound_marks"),
    "passives_nearly": ("passives", "false_accept", "sound_passives"),
    **{f"sound_{rows}": (rows, "clean", f"sound_{rows}") for rows in SEVENTH_ROWS},
    "outlines_at_the_margin": ("outlines", "false_accept", "sound_outlines"),
    "greek_beside_latin": ("greek", "false_accept", "sound_greek"),
    "mended_nearly": ("mended", "false_accept", "sound_mended"),
    "rounds_to_and_fro": ("rounds", "false_accept", "sound_rounds"),
    "signs_by_first_letters": ("signs", "false_accept", "sound_signs"),
    "words_within_words": ("word_times", "false_accept", "sound_word_times"),
    "repeated_anywhere": ("repeated", "false_accept", "sound_repeated"),
    "tagged_or_more": ("tagged", "false_accept", "sound_tagged"),
    "seconds_with_their_commas": ("seconds", "false_reject", "sound_seconds"),
    "bookings_as_written": ("bookings", "false_reject", "sound_bookings"),
    "marked_in_plain_only": ("marked", "false_reject", "sound_marked"),
    "spans_at_best": ("spans", "false_accept", "sound_spans"),
}
