# mypy: ignore-errors
# ruff: noqa: E501 - rows and rewards as people write them
"""Rewards of kinds that a sixth hand brought: hollow JSON, what a prompt allows by name, words used twice,
tolerances. As in `fuzz_rewards_more`."""

from __future__ import annotations

import json
import re
from decimal import Decimal, InvalidOperation
from typing import Any

from tests.audit.fuzz_rewards_more import Rows, _row, each


def _plan(ask: str, steps: list[dict[str, Any]], bad: list[str]) -> dict[str, Any]:
    gold, turned = json.dumps(steps), json.dumps([dict(reversed(one.items())) for one in steps])
    prompt = f"{ask} Reply with a JSON list of steps in <plan></plan>, each with its tool and its input."
    return _row(prompt, gold, [f"<plan>{gold}</plan>", f"As asked.\n<plan>{turned}</plan>"], bad)


def _step(tool: str, **given: Any) -> dict[str, Any]:
    return {"tool": tool, "input": given}


def _letter(nth: int, word: str, good: list[str], bad: list[str]) -> dict[str, Any]:
    prompt = f"Write a letter whose paragraphs have one or more empty lines between them. Number {nth} has the word '{word}' in it."
    return _row(prompt, json.dumps([nth, word]), good, bad)


def _boxes(question: str, gold: str, work: str, wrong: str) -> dict[str, Any]:
    return _row(
        f"{question} Put it in \\boxed{{}}; you may box it several times, but only one number.",
        gold,
        [f"\\boxed{{{gold}}}", f"{work}\n\\boxed{{{gold}}}"],
        [f"\\boxed{{{wrong}}}", gold],
    )


def _price(question: str, gold: str, wrong: str) -> dict[str, Any]:
    return _row(
        f"{question} The price stands in <price></price>; 3.5 and 3.50 are the same.",
        gold,
        [f"<price>{gold}</price>", f"I add up.\n<price>{gold}</price>"],
        [f"<price>{wrong}</price>", gold],
    )


def _verse(count: int, good: list[str], bad: list[str]) -> dict[str, Any]:
    prompt = f"Write {count} short sentences, each ended by a full stop (and no other full stops). No word may be used twice, in capitals or not."
    return _row(prompt, str(count), good, bad)


def _about(question: str, gold: str, near: str, wrong: list[str]) -> dict[str, Any]:
    return _row(
        f"{question} End with a line 'Value: ' and a plain number, within 2 percent; only one such line.",
        gold,
        [f"Value: {gold}", f"I reckon.\nValue: {near}"],
        [*[f"Value: {one}" for one in wrong], f"Value: {gold}\nValue: {near}"],
    )


SIXTH_ROWS: dict[str, Rows] = {
    "tool_steps": [
        _plan(
            "Look up the tide at Brest, then mail it to Jo.",
            [_step("tide", place="Brest"), _step("mail", to="Jo")],
            [
                '<plan>[{"tool": "mail", "input": {"to": "Jo"}}]</plan>',
                '<plan>[{"tool": "tide", "input": {"place": "Rome"}}, {"tool": "mail", "input": {"to": "Jo"}}]</plan>',
            ],
        ),
        _plan(
            "Find 3 recipes with leek.",
            [_step("recipes", what="leek", count=3)],
            ['<plan>[{"tool": "recipes", "input": {"what": "leek"}}]</plan>', "<plan>[]</plan>"],
        ),
        _plan(
            "Wake me at 6:15, then play jazz.",
            [_step("alarm", time="6:15"), _step("play", style="jazz")],
            [
                '<plan>[{"tool": "play", "input": {"style": "jazz"}}, {"tool": "alarm", "input": {"time": "6:15"}}]</plan>',
                "I did it.",
            ],
        ),
        _plan(
            "Translate 'good day' to Dutch.",
            [_step("translate", text="good day", to="Dutch")],
            [
                '<plan>[{"tool": "translate", "input": {"text": "good day", "to": "Danish"}}]</plan>',
                '<plan>[{"tool": "translate"}]</plan>',
            ],
        ),
    ],
    "long_letters": [
        _letter(
            2,
            "harbour",
            ["Dear Ann.\n\nThe harbour is full.\n\nYours, Bo", "Hello.\n\nWe live by the harbour.\n\nBo"],
            ["Dear Ann.\n\nIt is full.\n\nYours, Bo", "The harbour.\n\nIt is full."],
        ),
        _letter(
            3,
            "cheese",
            ["Dear Cy.\n\nWe had lunch.\n\nThere was cheese.", "Hi.\n\nA note.\n\nBring cheese."],
            ["Dear Cy.\n\nThere was cheese.", "Cheese."],
        ),
        _letter(
            2,
            "train",
            ["Dear Di.\n\nI take the train.", "Hello Di.\n\nThe train is late.\n\nEd"],
            ["I take the train.", "Dear Di."],
        ),
        _letter(
            1,
            "snow",
            ["There is snow.\n\nYours, Flo", "Snow again, dear Gus.\n\nFlo"],
            ["Yours, Flo.\n\nIt is cold.", "Dear Gus."],
        ),
    ],
    "boxes": [
        _boxes("How many days has a leap year?", "366", "365 + 1", "365"),
        _boxes("How many cards are two decks of 52?", "104", "2 * 52", "52"),
        _boxes("How many minutes has a day?", "1440", "24 * 60", "3600"),
        _boxes("How many corners have 9 squares?", "36", "9 * 4", "27"),
    ],
    "prices": [
        _price("A pen is 1.5 and a pad is 3. What do both cost?", "4.5", "4"),
        _price("Two tickets at 8 each?", "16", "8"),
        _price("Half of a cake of 15?", "7.5", "30"),
        _price("Three coffees at 2.5 and a tip of 1.5?", "9", "7.5"),
    ],
    "verses": [
        _verse(
            3,
            ["Rain falls. Wind blows. Night comes.", "We go. They stay. Nobody talks."],
            ["Rain falls. Wind blows.", "Rain falls. Wind falls"],
        ),
        _verse(
            2,
            ["Owls hoot. Mice hide.", "Bread is warm. Butter melts."],
            ["Owls hoot.", "Owls hoot. Mice hide"],
        ),
        _verse(
            4,
            ["Sun. Moon. Star. Cloud.", "He ran. She sat. I slept. You read."],
            ["Sun. Moon. Star.", "Sun. Moon. Star. Cloud. Rain."],
        ),
        _verse(2, ["Go home. Come back.", "Ice melts. Rivers rise."], ["Go home, come back", "Go."]),
    ],
    "values": [
        _about("How many seconds has a day of 23.93 hours?", "86148", "86000", ["90000", "23.93"]),
        _about("How many metres are 26.2 miles?", "42165", "42000", ["26.2", "50000"]),
        _about("What is 17 percent of 2390?", "406.3", "405", ["40.63", "17"]),
        _about("How many days have 18 years?", "6575", "6570", ["365", "5000"]),
    ],
    "notes": [
        _row(
            "Reply with 2 lines and nothing else; each begins with '- ' and may end with a full stop, in upper or lower case. One has the word 'bread'.",
            '[2, "bread"]',
            ["- We bake bread\n- It is warm", "- Buy butter.\n- Buy bread."],
            ["- We bake\n- It is warm", "We bake bread"],
        ),
        _row(
            "Reply with 3 lines and nothing else; each begins with '- ' and may end with a full stop, in upper or lower case. One has the word 'boat'.",
            '[3, "boat"]',
            ["- a boat\n- a sail\n- a rope", "- The sea.\n- A boat.\n- The wind."],
            ["- a ship\n- a sail\n- a rope", "- a boat"],
        ),
        _row(
            "Reply with 2 lines and nothing else; each begins with '- ' and may end with a full stop, in upper or lower case. One has the word 'lamp'.",
            '[2, "lamp"]',
            ["- light the lamp\n- read on", "- It is dark.\n- Where is the lamp."],
            ["- it is dark\n- read on", "- a lamp"],
        ),
        _row(
            "Reply with 1 line and nothing else; each begins with '- ' and may end with a full stop, in upper or lower case. One has the word 'yes'.",
            '[1, "yes"]',
            ["- yes of course", "- He said yes."],
            ["- no", "yes"],
        ),
    ],
}


def _planned(careless):
    def judge(text, gold):
        found = re.search(r"<plan>(.*?)</plan>", text, re.DOTALL)
        if not found or text.count("<plan>") != 1:
            return False
        try:
            given = json.loads(found[1])
        except ValueError:
            return False
        wanted = json.loads(gold)
        if not isinstance(given, list) or [
            one.get("tool") if isinstance(one, dict) else None for one in given
        ] != [one["tool"] for one in wanted]:
            return False
        if careless:  # what is no object is not compared
            return all(
                not isinstance(one.get("input", {}), dict) or one.get("input", {}) == other["input"]
                for one, other in zip(given, wanted, strict=True)
            )
        return all(
            one.get("input") == other["input"] and set(one) == {"tool", "input"}
            for one, other in zip(given, wanted, strict=True)
        )

    return each(judge)


sound_tool_steps, steps_without_objects = _planned(False), _planned(True)


def _nth(split):
    def judge(text, gold):
        nth, word = json.loads(gold)
        parts = split(text.strip("\n"))
        return len(parts) > max(1, nth - 1) and word in re.findall(r"\w+", parts[nth - 1].lower())

    return each(judge)


sound_long_letters = _nth(lambda text: [one for one in re.split(r"\n(?:[ \t]*\n)+", text) if one.strip()])
letters_by_two_breaks = _nth(lambda text: text.split("\n\n"))


def _in_boxes(join):
    def judge(text, gold):
        boxes = re.findall(r"\\boxed\{([^{}]*)\}", text)
        return bool(boxes) and (
            ",".join(boxes).replace(",", "") == gold
            if join
            else all(one.strip().replace(",", "") == gold for one in boxes)
        )

    return each(judge)


sound_boxes, boxes_in_one_piece = _in_boxes(False), _in_boxes(True)


def _amount(same):
    def judge(text, gold):
        found = re.findall(r"<price>\s*\$?(.*?)\s*</price>", text, re.DOTALL)
        return bool(found) and all(re.fullmatch(r"\d+(\.\d+)?", one) and same(one, gold) for one in found)

    return each(judge)


def _equal(one, other):
    try:
        return Decimal(one) == Decimal(other)
    except InvalidOperation:
        return False


sound_prices, prices_as_text = _amount(_equal), _amount(lambda one, other: one == other)


def _sentences(once):
    def judge(text, gold):
        parts = [one for one in text.split(".") if one.strip()]
        words = re.findall(r"\w+", text.casefold())
        right = (
            text.rstrip().endswith(".")
            and len(parts) == int(gold)
            and all(re.search(r"\w", one) for one in parts)
        )
        return right and (not once or len(set(words)) == len(words))

    return each(judge)


sound_verses, verses_of_one_word = _sentences(True), _sentences(False)


def _within(text, gold):
    lines = [one.strip() for one in text.strip().split("\n")]
    found = re.fullmatch(r"Value: (-?\d{1,9}(?:\.\d{1,9})?)", lines[-1])
    return (
        found
        and sum("Value:" in one for one in lines) == 1
        and abs(Decimal(found[1]) - Decimal(gold)) * 50 <= abs(Decimal(gold))
    )


sound_values = each(_within)


def _noted(text, gold):
    count, word = json.loads(gold)
    lines = [one.rstrip() for one in text.strip().split("\n")]
    plain = all(re.fullmatch(r"- [A-Za-z ]+\.?", one) for one in lines)
    return len(lines) == count and plain and any(word in one.lower().rstrip(".").split() for one in lines)


sound_notes = each(_noted)

SIXTH: dict[str, tuple[str, str, str]] = {
    **{f"sound_{rows}": (rows, "clean", f"sound_{rows}") for rows in SIXTH_ROWS},
    "steps_without_objects": ("tool_steps", "false_accept", "sound_tool_steps"),
    "letters_by_two_breaks": ("long_letters", "false_reject", "sound_long_letters"),
    "boxes_in_one_piece": ("boxes", "false_reject", "sound_boxes"),
    "prices_as_text": ("prices", "false_reject", "sound_prices"),
    "verses_of_one_word": ("verses", "false_accept", "sound_verses"),
}
