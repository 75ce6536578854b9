# mypy: ignore-errors
# ruff: noqa: E501 - rows and rewards as people write them
"""Rewards of kinds that a fifth hand brought: limits, long products, lists behind a label, thinking, shunned words and
names. As in `fuzz_rewards_more`."""

from __future__ import annotations

import json
import re
import string
from typing import Any

from tests.audit.fuzz_rewards_more import Rows, _row, _said, each


def _brief(thing: str, most: int, word: str, good: list[str], bad: list[str]) -> dict[str, Any]:
    prompt = f"Say what {thing} is in no more than {most} words, one of which is '{word}'."
    return _row(prompt, json.dumps([most, word]), good, bad)


def _exact(first: int, second: int) -> dict[str, Any]:
    gold = first * second
    return _row(
        f"What is {first} times {second}? All digits; last line 'Product: ' and the number.",
        str(gold),
        [f"Product: {gold}", f"Part by part.\nProduct: {gold}"],
        [f"Product: {gold // 10}", f"Product: {gold + 10 ** (len(str(gold)) - 3)}"],
    )


def _members(ask: str, count: int, members: list[str], bad: list[str]) -> dict[str, Any]:
    return _row(
        f"Name {count} distinct {ask}. The last line is 'Members: ' and a list with commas.",
        json.dumps([count, members]),
        [f"Members: {', '.join(members[:count])}", f"Let me see.\nMembers: {', '.join(members[-count:])}"],
        [f"Members: {', '.join(bad[:count])}", f"Members: {members[0]}"],
    )


def _thought(word: str, thing: str, good: list[str], bad: list[str]) -> dict[str, Any]:
    prompt = (
        f"Think in <think>...</think> first, then write a sentence on {thing} with the word '{word}' in it."
    )
    return _row(prompt, word, good, bad)


def _shaped(question: str, gold: str) -> dict[str, Any]:
    """Any answer in the right shape is paid, so another row's is as right as one's own."""
    return _row(
        f"{question} Reply as <think>reasoning</think><answer>number</answer>; the shape alone is paid.",
        gold,
        [
            f"<think>I count.</think><answer>{gold}</answer>",
            f"<think>I see {gold}.</think> <answer>{gold}</answer>",
        ],
        [f"It has {gold}.", f"<answer>{gold}</answer>"],
    )


def _shunned(thing: str, words: list[str], good: list[str], bad: list[str]) -> dict[str, Any]:
    prompt = f"Describe {thing} in at least 5 words, without any of the words: {', '.join(words)}."
    return _row(prompt, json.dumps(words), good, bad)


def _entity(question: str, names: list[str], bad: list[str]) -> dict[str, Any]:
    plain = [one for one in names if one.replace(" ", "").isalpha()]
    good = [plain[0], plain[-1].lower()] if len(plain) > 1 else [plain[0], plain[0].lower()]
    return _row(f"{question} The name is the whole reply.", json.dumps(names), good, bad)


FIFTH_ROWS: dict[str, Rows] = {
    "briefs": [
        _brief("a bridge", 11, "river", ["A way for people over a river.", "It joins both banks of a river."], ["A way over water.", "A bridge is a long way of wood, of stone or of iron over a river or a valley."]),
        _brief("a bakery", 9, "bread", ["A house where bread is made.", "Ovens, flour and warm bread."], ["A house with ovens.", "A bakery is a house in which people bake bread and cakes early in the morning."]),
        _brief("rain", 12, "clouds", ["Water that falls from clouds.", "Drops from grey clouds."], ["Drops of water.", "Rain is the water which falls from dark clouds on fields, on roofs and on people without an umbrella."]),
        _brief("a clock", 10, "time", ["A thing that tells the time.", "Two hands show the time."], ["Two hands on a face.", "A clock is a thing with two hands that tells all people in the house the time."]),
    ],
    "long_products": [
        _exact(987654321, 123456787),
        _exact(2147483647, 4294967291),
        _exact(1111111111, 99999989),
        _exact(31622776601, 2718281),
    ],
    "members": [
        _members("oceans", 3, ["Pacific", "Atlantic", "Indian", "Arctic"], ["Pacific", "Baltic", "Indian"]),
        _members("primary colours", 2, ["red", "yellow", "blue"], ["red", "green"]),
        _members("moons of Jupiter", 3, ["Io", "Europa", "Ganymede", "Callisto"], ["Io", "Titan", "Europa"]),
        _members("noble gases", 4, ["helium", "neon", "argon", "krypton", "xenon"], ["helium", "neon", "argon", "iron"]),
    ],
    "thoughts": [
        _thought("anchor", "a ship", ["<think>Short.</think>\nThe ship lies at anchor.", "<think>At sea.</think> They drop the anchor at noon."], ["<think>Short.</think>\nThe ship lies still.", "The anchor is heavy."]),
        _thought("flour", "a mill", ["<think>What it makes.</think>\nThe mill grinds corn to flour.", "<think>White.</think> All is white with flour."], ["<think>What it makes.</think>\nThe mill grinds corn.", "Flour is white."]),
        _thought("ladder", "an orchard", ["<think>Height.</think>\nA ladder leans on the tree.", "<think>Who picks?</think> They climb the ladder for the last ones."], ["<think>Height.</think>\nThe tree is tall.", "A ladder."]),
        _thought("lantern", "a cave", ["<think>It is dark.</think>\nThey light a lantern and go in.", "<think>Light.</think> One lantern is all they have."], ["<think>It is dark.</think>\nThey feel their way.", "Take a lantern."]),
    ],
    "shapes": [
        _shaped("How many legs has a spider?", "8"),
        _shaped("How many wheels has a tricycle?", "3"),
        _shaped("How many strings has a violin?", "4"),
        _shaped("How many sides has a triangle?", "3"),
    ],
    "shunned": [
        _shunned("the sea", ["water", "blue", "salt"], ["A wide plain of waves and wind.", "Ships cross it for many days."], ["A wide plain of salt water.", "Waves."]),
        _shunned("a school", ["learn", "children"], ["A house with desks, chalk and bells.", "Teachers spend their mornings in it."], ["A house in which children sit.", "Desks."]),
        _shunned("a garden", ["flowers", "plants", "green"], ["A place with beds, paths and a bench.", "One digs, sows and waits in it."], ["A place with flowers and a bench.", "Beds."]),
        _shunned("night", ["dark", "moon", "sleep"], ["The hours when the stars are out.", "Lamps are lit until the morning comes."], ["The hours of the moon and stars.", "Stars."]),
    ],
    "entities": [
        _entity("Who wrote Narnia?", ["C. S. Lewis", "Lewis", "Clive Staples Lewis"], ["Tolkien", "Carroll"]),
        _entity("Which city is the capital of Minnesota?", ["St. Paul", "Saint Paul"], ["Minneapolis", "Duluth"]),
        _entity("Which band made the album Back in Black?", ["AC/DC", "ACDC", "Acca Dacca"], ["Queen", "Kiss"]),
        _entity("Which river flows through London?", ["Thames", "River Thames"], ["Severn", "Seine"]),
    ],
}  # fmt: skip


def _within(most):
    def judge(text, gold):
        count, word = json.loads(gold)
        return len(text.split()) <= count + most and word in re.findall(r"\w+", text.lower())

    return each(judge)


sound_briefs, briefs_below = _within(0), _within(-1)


def _product(of):
    def judge(text, gold):
        digits = re.fullmatch("[0-9]{1,40}", _said(text, "Product:"))
        return digits and of(digits[0]) == of(gold)

    return each(judge)


sound_long_products, products_as_floats = _product(int), _product(float)


def _known(differ):
    def judge(text, gold):
        count, members = json.loads(gold)
        given = [one.strip().lower() for one in _said(text, "Members:").split(",")]
        right = len(given) == count and all(one in map(str.lower, members) for one in given)
        return right and (not differ or len(set(given)) == count)

    return each(judge)


sound_members, members_twice = _known(True), _known(False)


def _with_word(whole):
    def judge(text, gold):
        found = re.fullmatch(r"\s*<think>(.+?)</think>\s*(\S.*)", text, re.DOTALL)
        return (
            found
            and text.count("think>") == 2
            and gold in re.findall(r"\w+", (text if whole else found[2]).lower())
        )

    return each(judge)


sound_thoughts, thoughts_as_reply = _with_word(False), _with_word(True)


SHAPE = re.compile(r"\s*<think>[^<>]*[^<>\s][^<>]*</think>\s*<answer>[^<>]*[^<>\s][^<>]*</answer>\s*")
sound_shapes = each(lambda text, gold: SHAPE.fullmatch(text))


def _without(words_of):
    def judge(text, gold):
        return len(text.split()) >= 5 and not set(words_of(text.lower())) & set(json.loads(gold))

    return each(judge)


sound_shunned, shunned_between_spaces = (
    _without(lambda text: re.findall(r"[^\W_]+", text)),
    _without(str.split),
)


def _bare(name):
    return " ".join("".join(one for one in name.lower() if one not in string.punctuation).split())


def _named(of_gold):
    return each(lambda text, gold: _bare(text) in map(of_gold, json.loads(gold)))


sound_entities, entities_by_half = _named(_bare), _named(str.lower)


FIFTH: dict[str, tuple[str, str, str]] = {
    **{f"sound_{rows}": (rows, "clean", f"sound_{rows}") for rows in FIFTH_ROWS},
    "briefs_below": ("briefs", "false_reject", "sound_briefs"),
    "products_as_floats": ("long_products", "false_accept", "sound_long_products"),
    "members_twice": ("members", "false_accept", "sound_members"),
    "thoughts_as_reply": ("thoughts", "false_accept", "sound_thoughts"),
    "shunned_between_spaces": ("shunned", "false_accept", "sound_shunned"),
    "entities_by_half": ("entities", "false_reject", "sound_entities"),
}
