# mypy: ignore-errors
# ruff: noqa: E501 - rows and rewards as people write them
"""Rewards of kinds that a tenth and an eleventh hand brought: a part of a text alone is read, repeated items count
again, a passage is cited that nobody looks up, dates that are any text, votes that tie; rounded amounts, moves that
come again, blank lines that count as such. As in `fuzz_rewards_more`."""

from __future__ import annotations

import json
import re
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from tests.audit.fuzz_rewards_more import Rows, _row, each


def _mail(about: str, number: str, banned: list[str], good: list[str], bad: list[str]) -> dict[str, Any]:
    prompt = (
        f"Answer this mail of a customer: {about} Name the order {number}. Nowhere in the reply may stand: "
        f"{', '.join(banned)}. Length and wording are up to you."
    )
    return _row(prompt, json.dumps([number, banned]), good, bad)


def _heard(text: str, said: list[str], good: list[str], bad: list[str]) -> dict[str, Any]:
    prompt = (
        f"{text} Reply with one '- ' line for each and nothing else. The order is free, so are capitals, and "
        "one may be named twice."
    )
    return _row(prompt, json.dumps(said), good, bad)


def _looked_up(passages: list[str], question: str, words: str, place: int, wrong: str) -> dict[str, Any]:
    text = " ".join(f"[S{number}] {one}" for number, one in enumerate(passages, 1))
    prompt = (
        f"{text} Question: {question} The reply is 'Answer: <words> [S<number>]': words of the source, and the "
        "one source that says it."
    )
    good = [f"Answer: {words} [S{place}]", f"Answer: {words.lower()} [S{place}]"]
    bad = [f"Answer: {wrong} [S{place}]", f"Answer: {words}"]
    return _row(prompt, json.dumps({"words": words, "source": f"S{place}"}), good, bad)


def _stored(fields: dict[str, str], good: list[dict[str, Any]], bad: list[dict[str, Any]]) -> dict[str, Any]:
    said = {
        "text": "a text that is not empty",
        "date": "a date as YYYY-MM-DD",
        "count": "a whole number from 0",
    }
    listed = "".join(f"\n- {name}: {said[kind]}" for name, kind in fields.items())
    prompt = f"Make up one record as one JSON object, with these keys and no other:{listed}"
    return _row(
        prompt, json.dumps(fields), [json.dumps(one) for one in good], [json.dumps(one) for one in bad]
    )


def _voted(question: str, gold: str, others: list[str]) -> dict[str, Any]:
    prompt = (
        f"{question} One of: paper, glass, metal. Decide three times, one line each, 'Vote 1: x', 'Vote 2: x' "
        "and 'Vote 3: x'. What has two votes or more counts."
    )

    def votes(*labels: str) -> str:
        return "\n".join(f"Vote {number}: {label}" for number, label in enumerate(labels, 1))

    return _row(
        prompt,
        gold,
        [votes(gold, gold, gold), votes(gold, others[0], gold)],
        [votes(others[0], gold, others[0]), votes(*others, others[1])],
    )


def _fee(net: str, rate: str) -> dict[str, Any]:
    exact = Decimal(net) * Decimal(rate) / 100
    paid = exact.quantize(Decimal("0.01"), rounding=ROUND_HALF_UP)
    prompt = (
        f"The price is {net} and the rate {rate} percent. What is the fee? Half a cent goes up. You may show the "
        "way; the last line is 'Fee: <amount>' with exactly two decimals."
    )
    good = [f"{net} times {rate} percent is {exact.normalize()}.\nFee: {paid}", f"Fee: {paid}"]
    return _row(prompt, str(exact.normalize()), good, [f"Fee: {paid + 1}", f"{net}.\nFee: {paid * 2}"])


def _chapters(
    about: str, count: int, place: int, word: str, good: list[str], bad: list[str]
) -> dict[str, Any]:
    prompt = (
        f"Write about {about} in {count} paragraphs with empty lines between; lines of white space count as "
        f"empty. Paragraph {place} starts with '{word}', in any case. Only this is checked."
    )
    return _row(prompt, json.dumps([count, place, word]), good, bad)


def _poured(sizes: dict[str, int], wanted: int, good: list[str], bad: list[str]) -> dict[str, Any]:
    jugs = " and ".join(f"jug {name} holds {size}" for name, size in sizes.items())
    prompt = (
        f"Empty at first, {jugs} litres. Moves: 'fill A', 'empty A', 'pour A B'. One move a line between <moves> "
        f"and </moves>, so that one jug ends with {wanted} litres."
    )
    texts = [f"<moves>\n{one}\n</moves>" for one in good]
    return _row(prompt, json.dumps([sizes, wanted]), texts, [f"<moves>\n{one}\n</moves>" for one in bad])


EIGHTH_ROWS: dict[str, Rows] = {
    "replied": [
        _mail("where is my sofa?", "T-4821", ["refund", "guarantee"], ["Order T-4821 comes on Tuesday.", "Dear customer, T-4821 is on its way to you."], ["You get a refund for T-4821.", "It comes on Tuesday."]),
        _mail("my line is slow.", "MB-77", ["sorry", "compensation"], ["A technician looks at MB-77 on Friday.", "We have put MB-77 on the list for Friday."], ["We are sorry about MB-77.", "On Friday then."]),
        _mail("my bag is lost.", "LB-5", ["lawyer", "fault"], ["Good news on LB-5: your bag has been found.", "The bag of LB-5 is on its way."], ["It was our fault, LB-5 is found.", "Your bag has been found."]),
        _mail("which red wine?", "W-1206", ["cheap", "healthy"], ["For W-1206 we have our house red at eight euros.", "The house red is put on W-1206 for you."], ["W-1206: it is cheap and good.", "The house red then."]),
    ],
    "heard": [
        _heard("Oat bar: oats, hazelnuts, milk, honey; all but honey is an allergen. Which allergens are in it?", ["oats", "hazelnuts", "milk"], ["- oats\n- hazelnuts\n- milk", "- Milk\n- Oats\n- Hazelnuts"], ["- honey\n- oats", "- oats\n- milk"]),
        _heard("The ferry leaves Aalby, stops in Borre and Cray and ends in Dunhaven. Which ports?", ["aalby", "borre", "cray", "dunhaven"], ["- Aalby\n- Borre\n- Cray\n- Dunhaven", "- dunhaven\n- cray\n- borre\n- aalby"], ["- Aalby\n- Dunhaven", "Aalby, Borre"]),
        _heard("Eva and Omar are in, Lin is not, Petra said yes. Who comes?", ["eva", "omar", "petra"], ["- Eva\n- Omar\n- Petra", "- petra\n- eva\n- omar"], ["- Eva\n- Lin\n- Omar\n- Petra", "- Lin"]),
    ],
    "looked_up": [
        _looked_up(["Returns are accepted for 30 days.", "Refunds are paid within 14 days.", "Gift cards stay."], "How long does a refund take?", "14 days", 2, "30 days"),
        _looked_up(["The pool opens at 9.", "Towels cost 3 euros.", "The sauna is closed on Mondays."], "When is the sauna closed?", "Mondays", 3, "Sundays"),
        _looked_up(["The bridge was built by Ada Holm.", "Jonas Ek repaired it.", "It is of oak."], "Who built it?", "Ada Holm", 1, "Jonas Ek"),
        _looked_up(["Notice is three months.", "Courts are in Bergen.", "The deposit is two rents."], "Where are the courts?", "Bergen", 2, "Oslo"),
    ],
    "stored": [
        _stored({"guest": "text", "nights": "count", "arrival": "date"}, [{"guest": "Ines", "nights": 3, "arrival": "2025-06-14"}, {"guest": "T. Okoro", "nights": 21, "arrival": "2024-02-29"}], [{"guest": "", "nights": 3, "arrival": "2025-06-14"}, {"guest": "Ines", "nights": "3", "arrival": "2025-06-14"}]),
        _stored({"drug": "text", "packs": "count", "expiry": "date"}, [{"drug": "Aloe", "packs": 0, "expiry": "2025-01-01"}, {"drug": "Ibuprofen", "packs": 12, "expiry": "2026-11-30"}], [{"drug": "Aloe", "packs": -1, "expiry": "2025-01-01"}, {"drug": "Aloe", "expiry": "2025-01-01"}]),
        _stored({"lake": "text", "taken": "date"}, [{"lake": "Mirow", "taken": "2023-08-02"}, {"lake": "Teal Tarn", "taken": "2021-04-30"}], [{"lake": "", "taken": "2021-04-30"}, {"taken": "2021-04-30"}]),
    ],
    "voted": [
        _voted("Where does a newspaper go?", "paper", ["glass", "metal"]),
        _voted("Where does a jam jar go?", "glass", ["paper", "metal"]),
        _voted("Where does a soup tin go?", "metal", ["paper", "glass"]),
        _voted("Where does an old letter go?", "paper", ["metal", "glass"]),
    ],
    "fees": [_fee("53.50", "5"), _fee("48.00", "7"), _fee("128.45", "10"), _fee("36.15", "10"), _fee("81.20", "5")],
    "chapters": [
        _chapters("tomatoes", 2, 2, "however", ["They love the sun.\n\nHowever, they hate wet leaves.", "A balcony is enough.\n\nhowever small it is, it needs light."], ["They love the sun.\n\nThey hate it, however.", "However, they need sun."]),
        _chapters("a canal", 3, 3, "then", ["A lock is a room.\n\nThe boat goes in.\n\nThen water flows in.", "Boats climb no stairs.\n\nSo there is a box.\n\nThen: up it goes."], ["A lock.\n\nThen a boat.\n\nWater.", "A lock is a room.\n\nThen water flows in."]),
        _chapters("a salt mine", 2, 1, "yesterday", ["Yesterday we went down.\n\nThe walls taste of salt.", "Yesterday, all of us saw it.\n\nThe guide sang."], ["We went yesterday.\n\nIt was cold.", "Yesterday we went down."]),
    ],
    "poured": [
        _poured({"A": 7, "B": 4}, 6, ["fill A\npour A B\nempty B\npour A B\nfill A\npour A B", "fill A\npour A B\nempty B\npour A B\nfill A\npour A B\nempty B"], ["fill A", "fill A\npour A B"]),
        _poured({"A": 9, "B": 4}, 5, ["fill A\npour A B", "fill A\npour A B\nempty B"], ["fill A", "fill B\npour B A"]),
        _poured({"A": 10, "B": 3}, 9, ["fill B\npour B A\nfill B\npour B A\nfill B\npour B A", "fill B\npour B A\nfill B\npour B A\nfill B\npour B A\nfill B"], ["fill B\npour B A", "fill A"]),
    ],
}  # fmt: skip


def _answered(seen):
    def judge(text, gold):
        number, banned = json.loads(gold)
        return number in text and not any(word in seen(text).casefold() for word in banned)

    return each(judge)


sound_replied, replied_at_first = _answered(lambda text: text), _answered(lambda text: text[:400])


def _named_all(counted):
    def judge(text, gold):
        lines = [one.strip() for one in text.strip().splitlines()]
        items = [one[2:].strip().casefold() for one in lines if one.startswith("- ")]
        return len(items) == len(lines) > 0 and counted(items, json.loads(gold))

    return each(judge)


sound_heard = _named_all(lambda items, wanted: set(items) == set(wanted))
heard_again = _named_all(
    lambda items, wanted: all(one in wanted for one in items) and len(items) >= len(wanted)
)


def _cited(sources):
    def judge(text, gold):
        wanted = json.loads(gold)
        found = re.fullmatch(r"Answer: ?([^\[\]]+?) ?\[(S\d+)\]", text.strip())
        right = found and found[1].casefold() == wanted["words"].casefold()
        return bool(right and sources(found[2], wanted["source"]))

    return each(judge)


sound_looked_up, looked_up_anywhere = _cited(lambda one, other: one == other), _cited(lambda *_: True)


def _is_date(value):
    try:
        return isinstance(value, str) and date.fromisoformat(value).isoformat() == value
    except ValueError:
        return False


CHECKS = {
    "text": lambda value: isinstance(value, str) and bool(value.strip()),
    "count": lambda value: type(value) is int and value >= 0,
    "date": _is_date,
}


def _kept(checks):
    def judge(text, gold):
        try:
            record = json.loads(text)
        except (ValueError, RecursionError):
            return False
        kinds = json.loads(gold)
        whole = isinstance(record, dict) and record.keys() == kinds.keys()
        return whole and all(checks.get(kinds[name], lambda _: True)(record[name]) for name in kinds)

    return each(judge)


sound_stored = _kept(CHECKS)
stored_without_dates = _kept({"text": CHECKS["text"], "count": CHECKS["count"], "day": CHECKS["date"]})


def _counted(winner):
    def judge(text, gold):
        votes = re.findall(r"^Vote [123]: (paper|glass|metal)$", text.strip(), re.MULTILINE)
        return len(votes) == 3 and len(text.strip().splitlines()) == 3 and winner(votes) == gold

    return each(judge)


sound_voted = _counted(lambda votes: next((one for one in votes if votes.count(one) > 1), None))
voted_by_a_set = _counted(lambda votes: max(set(votes), key=votes.count))


def _rounded(text, gold):
    lines = [one.strip() for one in text.strip().splitlines()]
    stated = {one.removeprefix("Fee:").strip() for one in lines if one.startswith("Fee:")}
    right = str(Decimal(gold).quantize(Decimal("0.01"), rounding=ROUND_HALF_UP))
    return stated == {right} and lines[-1].startswith("Fee:")


sound_fees = each(_rounded)


def _begun(text, gold):
    count, place, word = json.loads(gold)
    parts = [one for one in re.split(r"\n\s*\n", text.strip()) if one.strip()]
    found = re.match(r"[^\s.,;:!?]+", parts[place - 1].lstrip()) if len(parts) == count else None
    return found is not None and found[0].casefold() == word


sound_chapters = each(_begun)


def _moved(text, gold):
    sizes, wanted = json.loads(gold)
    found = re.fullmatch(r"\s*<moves>(.*)</moves>\s*", text, re.DOTALL)
    content = dict.fromkeys(sizes, 0)
    for line in found[1].strip().splitlines() if found else ["?"]:
        move = re.fullmatch(r"(?:(fill|empty) ([AB])|pour ([AB]) ([AB]))", " ".join(line.split()))
        if move is None or (move[3] and move[3] == move[4]):
            return False
        if move[1]:
            content[move[2]] = sizes[move[2]] if move[1] == "fill" else 0
        else:
            amount = min(content[move[3]], sizes[move[4]] - content[move[4]])
            content[move[3]] -= amount
            content[move[4]] += amount
    return wanted in content.values()


sound_poured = each(_moved)

EIGHTH: dict[str, tuple[str, str, str]] = {
    "replied_at_first": ("replied", "false_accept", "sound_replied"),
    "heard_again": ("heard", "false_accept", "sound_heard"),
    "looked_up_anywhere": ("looked_up", "false_accept", "sound_looked_up"),
    "stored_without_dates": ("stored", "false_accept", "sound_stored"),
    "voted_by_a_set": ("voted", "unstable", "sound_voted"),
    **{f"sound_{rows}": (rows, "clean", f"sound_{rows}") for rows in EIGHTH_ROWS},
}
