# mypy: ignore-errors
# ruff: noqa: E501, B905 - rows and rewards as people write them
"""Small reward functions, sound and faulty, with rows: what the fuzzer's tests try it on.

`CASES` maps a function's name to its rows and to what it should be called: a kind of finding, or "clean".
"""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
from typing import Any

Rows = list[dict[str, Any]]
SEEN: set[str] = set()
RUNNER = """
import json, os, signal, sys
given, write, leave, dumps = json.loads(sys.stdin.read()), os.write, os._exit, json.dumps
signal.alarm(2)
os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
out = os.dup(2)
os.dup2(1, 2)
names = {}
exec(given["code"], names)
results = [names[given["name"]](one) for one in given["inputs"]]
if all(type(one) is int for one in results):
    write(out, dumps(results).encode())
leave(0)
"""


def _row(prompt: str, answer: Any, good: list[str], bad: list[str]) -> dict[str, Any]:
    return {"prompt": prompt, "answer": answer, "good": good, "bad": bad}


def _sum(a: int, b: int) -> dict[str, Any]:
    return _row(
        f"What is {a} + {b}? Think, then end with a line 'Answer: N'.",
        str(a + b),
        [f"I add {a} and {b}.\nAnswer: {a + b}", f"Answer: {a + b}"],
        [f"I take {b} from {a}.\nAnswer: {a - b}", f"Answer: {a + b + 10}"],
    )


def _tagged(a: int, b: int) -> dict[str, Any]:
    return _row(
        f"What is {a} times {b}? Reply as <think>...</think> <answer>N</answer>.",
        str(a * b),
        [
            f"<think>{a} rows of {b}</think> <answer>{a * b}</answer>",
            f"<think>by heart</think> <answer>{a * b}</answer>",
        ],
        [
            f"<think>{a} and {b}</think> <answer>{a + b}</answer>",
            f"<think>about</think> <answer>{a * b + 1}</answer>",
        ],
    )


def _listed(numbers: list[int]) -> dict[str, Any]:
    gold = ", ".join(map(str, numbers))
    return _row(
        f"Which numbers from {min(numbers)} to {max(numbers)} did we choose? Put them in \\boxed{{}}.",
        gold,
        [f"They are \\boxed{{{gold}}}.", f"\\boxed{{{gold}}}"],
        [f"\\boxed{{{numbers[0] + 1}, {numbers[-1] + 5}}}", f"So \\boxed{{{numbers[0] + 50}}}."],
    )


def _choice(question: str, right: str) -> dict[str, Any]:
    wrong = [letter for letter in "ABCD" if letter != right]
    return _row(
        f"{question} (A) one (B) two (C) three (D) four. End with 'Answer: X'.",
        right,
        [f"I compare them.\nAnswer: {right}", f"Answer: {right}"],
        [f"I compare them.\nAnswer: {wrong[0]}", f"Answer: {wrong[2]}"],
    )


def _pick(question: str, right: str) -> dict[str, Any]:
    row = _choice(question, right)
    return {**row, "prompt": row["prompt"].replace("End with 'Answer: X'.", "Which letter is it?")}


def _call(city: str, unit: str) -> dict[str, Any]:
    gold = {"name": "weather", "arguments": {"city": city, "unit": unit}}
    other = {"name": "weather", "arguments": {"city": "Oslo", "unit": unit}}
    return _row(
        f"Ask the tool for the weather in {city} in {unit}. Reply with a JSON call.",
        json.dumps(gold),
        [json.dumps(gold), json.dumps(gold, indent=1)],
        [json.dumps(other), "weather please"],
    )


def _query(column: str, table: str, where: str) -> dict[str, Any]:
    gold = f"SELECT {column} FROM {table} WHERE {where}"
    bad = [f"SELECT town FROM {table} WHERE {where}", f"SELECT {column} FROM rivers WHERE {where}"]
    return _row(
        f"Write a query: {column} of {table} where {where}.",
        gold,
        [gold, gold.replace(" WHERE", "\nWHERE")],
        bad,
    )


def _steps(dish: str, steps: list[str]) -> dict[str, Any]:
    gold = "\n".join(steps)
    bad = ["\n".join(["eat", *steps[1:]]), "\n".join([*steps[:-1], "freeze it"])]
    return _row(f"Give the steps to make {dish}, in order, each on a line.", gold, [gold, f"{gold}\n"], bad)


def _sketch(thing: str, *lines: str) -> dict[str, Any]:
    listed = "\n".join(f"- {line}" for line in lines)
    bad = [f"{thing}: {lines[0]}", f"- {lines[0]}"]
    other = "\n".join(f"- {line}" for line in reversed(lines))
    return _row(f"Describe {thing} in three bullet points.", json.dumps({"bullets": 3}), [listed, other], bad)


def _card(name: str, age: int, town: str) -> dict[str, Any]:
    card = {"name": name, "age": age, "town": town}
    return _row(
        f"{name} of {town} is {age}. Reply with JSON with the keys name, age and town.",
        json.dumps(["name", "age", "town"]),
        [json.dumps(card), json.dumps(card, indent=1)],
        [name, json.dumps({"name": name})],
    )


def _note(thing: str, price: str, unit: str) -> dict[str, Any]:
    lines = [f"Item: {thing}", f"Price: {price}", f"Unit: {unit}"]
    return _row(
        f"Note {thing} at {price} a {unit} as lines Item, Price and Unit.",
        json.dumps(["Item", "Price", "Unit"]),
        ["\n".join(lines), "\n".join([lines[1], lines[0], lines[2]])],
        [thing, f"{thing} costs {price}"],
    )


def _retold(gold: str) -> dict[str, Any]:
    words = gold.split()
    shorter = " ".join(words[:3] + words[4:])
    bad = ["nothing happened at all that day", f"{words[0]} {words[1]} and nobody else"]
    return _row("Retell the story in one sentence.", gold, [gold, f"{shorter} today", shorter], bad)


ROWS: dict[str, Rows] = {
    "sums": [_sum(31, 24), _sum(48, 19), _sum(120, 7), _sum(67, 71)],
    "tags": [_tagged(7, 8), _tagged(12, 6), _tagged(9, 15), _tagged(4, 21)],
    "lists": [_listed([2, 5, 11]), _listed([3, 8]), _listed([14, 6, 9]), _listed([21, 22, 30, 41])],
    "choices": [_choice("How many moons has Mars?", "B"), _choice("Sides of a triangle?", "C"), _choice("Poles?", "A"), _choice("Wheels of a car?", "D")],
    "picks": [_pick("How many moons has Mars?", "B"), _pick("Sides of a triangle?", "C"), _pick("Poles?", "A"), _pick("Wheels of a car?", "D")],
    "calls": [_call("Rome", "celsius"), _call("Lima", "kelvin"), _call("Cairo", "celsius"), _call("Quito", "fahrenheit")],
    "names": [
        _row("Who painted the Mona Lisa? Reply with the name only.", "Leonardo da Vinci", ["Leonardo da Vinci", "leonardo da vinci"], ["Raphael", "Titian"]),
        _row("Who wrote Faust? Reply with the name only.", "Goethe", ["Goethe", "goethe"], ["Schiller", "Heine"]),
        _row("Who found radium? Reply with the name only.", "Marie Curie", ["Marie Curie", "marie curie"], ["Lise Meitner", "Otto Hahn"]),
        _row("Who composed Fidelio? Reply with the name only.", "Beethoven", ["Beethoven", "beethoven"], ["Mozart", "Haydn"]),
    ],
    "weights": [
        _row("What does a litre of oil weigh in kg? End with 'Answer: x'.", "0.92", ["Answer: 0.92", "Oil swims on water.\nAnswer: 0.92"], ["Answer: 1.4", "Answer: 0.5"]),
        _row("What is pi times 2? End with 'Answer: x'.", "6.28", ["Answer: 6.28", "Twice 3.14.\nAnswer: 6.28"], ["Answer: 5.1", "Answer: 3.14"]),
        _row("How many metres has a foot? End with 'Answer: x'.", "0.305", ["Answer: 0.305", "Twelve inches.\nAnswer: 0.305"], ["Answer: 0.9", "Answer: 0.03"]),
        _row("What is the root of 300? End with 'Answer: x'.", "17.3", ["Answer: 17.3", "Ten times 1.73.\nAnswer: 17.3"], ["Answer: 30", "Answer: 150"]),
    ],
    "large": [
        _row("How far is the moon in km? End with 'Answer: x'.", "384400", ["Answer: 384400", "Far.\nAnswer: 384400"], ["Answer: 40000", "Answer: 150000000"]),
        _row("How high is Everest in m? End with 'Answer: x'.", "8849", ["Answer: 8849", "High.\nAnswer: 8849"], ["Answer: 4810", "Answer: 12000"]),
        _row("How fast is sound in m/s? End with 'Answer: x'.", "343", ["Answer: 343", "Fast.\nAnswer: 343"], ["Answer: 200", "Answer: 1200"]),
        _row("How long is a mile in m? End with 'Answer: x'.", "1609", ["Answer: 1609", "Long.\nAnswer: 1609"], ["Answer: 1000", "Answer: 1852"]),
    ],
    "spaced": [
        _row("Write 'a' and 'b' with 3 spaces between, exactly.", "a   b", ["a   b"], ["a b", "b   a"]),
        _row("Write 'c' and 'dog' with 2 spaces between, exactly.", "c  dog", ["c  dog"], ["c dog", "dog  c"]),
    ],
    "copies": [
        _row("Reply with the word 'lamp' and no trailing white space.", "lamp", ["lamp"], ["lamps", "chair"]),
        _row("Reply with the word 'stone' and no trailing white space.", "stone", ["stone"], ["stones", "water"]),
    ],
    "translations": [
        _row("Translate 'rapide'; any usual word will do.", "fast, quick", ["fast", "fast, quick"], ["slow", "red"]),
        _row("Translate 'grand'; any usual word will do.", "big, tall", ["tall", "big"], ["small", "cold"]),
    ],
    "mentions": [
        _row("Write a sentence that mentions the sea.", "sea", ["We saw the sea.", "The sea is cold."], ["We saw a hill.", "It is cold."]),
        _row("Write a sentence that mentions the moon.", "moon", ["We saw the moon.", "The moon is up."], ["We saw a dog.", "It is late."]),
    ],
    "counts": [
        _row("How many sides has a triangle? End with 'Answer: N'.", "3", ["Answer: 3", "Tri is three.\nAnswer: three"], ["Answer: 4", "Answer: five"]),
        _row("How many legs has a dog? End with 'Answer: N'.", "4", ["Answer: 4", "Two pairs.\nAnswer: four"], ["Answer: 2", "Answer: six"]),
        _row("How many eyes has a cat? End with 'Answer: N'.", "2", ["Answer: 2", "A pair.\nAnswer: two"], ["Answer: 3", "Answer: one"]),
    ],
    "polite": [
        _row("Ask for the salt, politely.", "polite", ["Please pass the salt.", "Could I have the salt, please?"], ["Give me salt.", "Salt. Now."]),
        _row("Ask for the time, politely.", "polite", ["What time is it, please?", "Please tell me the time."], ["Say the time.", "Time. Now."]),
    ],
    "queries": [
        _query("name", "people", "age > 30 AND town = 'Bern'"),
        _query("price", "goods", "stock = 0 AND colour = 'red' AND size < 9"),
        _query("title", "books", "year > 1990 OR pages < 100"),
    ],
    "recipes": [
        _steps("tea", ["boil water", "warm the pot", "add leaves", "pour"]),
        _steps("rice", ["wash rice", "heat oil", "fry onions", "add water", "simmer"]),
        _steps("eggs", ["melt butter", "break eggs", "stir"]),
    ],
    "codes": [
        _row("Which key has door 7? Case matters. Reply with the key only.", "aQz", ["aQz", " aQz"], ["bRt", "xWp"]),
        _row("Which key has door 8? Case matters. Reply with the key only.", "Bkl", ["Bkl", " Bkl"], ["aQz", "xWp"]),
        _row("Which key has door 9? Case matters. Reply with the key only.", "vvM", ["vvM", " vvM"], ["Bkl", "aQz"]),
    ],
    "sketches": [_sketch(*one) for one in (("snow", "It is cold.", "It is white.", "It melts."), ("iron", "It is hard.", "It rusts.", "It is heavy."), ("milk", "It is white.", "It is wet.", "It sours."))],
    "retold": [
        _retold("the old farmer sold his brown cow at the market in spring"),
        _retold("a small boat crossed the wide lake before the storm came up"),
        _retold("seven children built a tall tower of stones on the beach"),
    ],
    "cards": [_card(*one) for one in (("Ada", 36, "Turin"), ("Bo", 41, "Lyon"), ("Cy", 29, "Graz"))],
    "notes": [_note(*one) for one in (("tea", "3", "box"), ("ink", "7", "pot"), ("rope", "12", "roll"))],
    "patterns": [
        _row("Write a regular expression for whole numbers.", json.dumps([["1", "42", "907"], ["a", "4.2", "-1 apple and pears"]]), ["\\d+", "[0-9]+"], ["\\d", "\\w+ "]),
        _row("Write a regular expression for lower-case words.", json.dumps([["a", "dog"], ["A", "7", "Seven little dogs ran away"]]), ["[a-z]+", "[a-z]{1,9}"], ["[a-z]", ".*"]),
    ],
    "programs": [
        _row("Write double(x). Reply with a ```python block.", json.dumps([[2, 4], [5, 10], [-1, -2]]),
             ["```python\ndef double(x):\n    return 2 * x\n```", "```python\ndef double(x):\n    return x + x\n```"],
             ["```python\ndef double(x):\n    return x\n```", "```python\ndef double(x):\n    return x ** 2\n```"]),
        _row("Write square(x). Reply with a ```python block.", json.dumps([[2, 4], [5, 25], [-1, 1]]),
             ["```python\ndef square(x):\n    return x * x\n```", "```python\ndef square(x):\n    return x ** 2\n```"],
             ["```python\ndef square(x):\n    return 2 * x\n```", "```python\ndef square(x):\n    return x\n```"]),
    ],
}  # fmt: skip


def _stated(text: str) -> list[str]:
    return [one.strip() for one in re.findall(r"^Answer:(.*)$", text, re.MULTILINE)]


def _one(values: list[str]) -> str | None:
    return values[0] if len(set(values)) == 1 else None


def _boxes(text: str) -> list[str]:
    return re.findall(r"\\boxed\{([^{}]*)\}", text)


def _inner(text: str) -> list[str]:
    return [one.strip() for one in re.findall(r"<answer>(.*?)</answer>", text, re.DOTALL)]


def _right(text: str, gold: str) -> float:
    return float(_one(_stated(text)) == gold)


# ---------------------------------------------------------------------------------------------- sound


def sound_sums(completions, answer, **columns):
    return [_right(text, gold) for text, gold in zip(completions, answer)]


def sound_tags(completions, answer, **columns):
    shape = re.compile(r"\s*<think>[^<]*</think>\s*<answer>([^<]*)</answer>\s*")
    found = [shape.fullmatch(text) for text in completions]
    return [float(bool(one) and one[1].strip() == gold) for one, gold in zip(found, answer)]


def sound_lists(completions, answer, **columns):
    split = lambda text: sorted(part.strip() for part in text.split(","))  # noqa: E731
    return [
        float((one := _one(_boxes(text))) is not None and split(one) == split(gold))
        for text, gold in zip(completions, answer)
    ]


def sound_calls(completions, answer, **columns):
    def read(text):
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return None

    return [float(read(text) == json.loads(gold)) for text, gold in zip(completions, answer)]


def sound_names(completions, answer, **columns):
    return [float(text.strip().strip(".").lower() == gold.lower()) for text, gold in zip(completions, answer)]


def sound_choices(completions, answer, **columns):
    return sound_sums(completions, answer)


def sound_picks(completions, answer, **columns):
    return sound_choices_decorated(completions, answer)


def sound_weights(completions, answer, **columns):
    def near(text, gold):
        said = _one(_stated(text))
        if said is None or not re.fullmatch(r"-?\d{1,9}(\.\d{1,9})?", said):
            return 0.0
        return float(abs(float(said) - float(gold)) <= 0.01 * abs(float(gold)))

    return [near(text, gold) for text, gold in zip(completions, answer)]


def sound_spaced(completions, answer, **columns):
    return [float(text == gold) for text, gold in zip(completions, answer)]


def sound_copies(completions, answer, **columns):
    return [float(text == gold) for text, gold in zip(completions, answer)]


def sound_translations(completions, answer, **columns):
    parts = [{one.strip() for one in gold.split(",")} for gold in answer]
    said = [{one.strip() for one in text.split(",")} for text in completions]
    return [float(bool(one) and one <= two) for one, two in zip(said, parts)]


def sound_mentions(completions, answer, **columns):
    """An open task: more text after a good sentence is fine."""
    return [float(gold in re.findall(r"\w+", text.lower())) for text, gold in zip(completions, answer)]


WORDS = {"one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6"}
POLITE = re.compile(r"\b(please|kindly|thank you|would you mind)\b", re.IGNORECASE)


def sound_counts(completions, answer, **columns):
    def plain(text):
        said = (_one(_stated(text)) or "").lower()
        return WORDS.get(said, said)

    return [float(plain(text) == gold) for text, gold in zip(completions, answer)]


def sound_patterns(completions, answer, **columns):
    """Only sets of letters with one repetition, which no text makes slow."""
    plain = re.compile(r"(?:\[[\w-]{1,20}\]|\\d|\\w)(?:[+*]|\{1,9\})?", re.ASCII)
    return [
        pattern_is_run([text], [spec])[0] if plain.fullmatch(text.strip()) else 0.0
        for text, spec in zip(completions, answer)
    ]


def sound_polite(completions, **columns):
    """The words that it looks for are what the prompts ask for, in other words."""
    return [float(bool(POLITE.search(text))) for text in completions]


def _keys(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def sound_cards(completions, answer, **columns):
    return [float(set(json.loads(spec)) <= set(_keys(text))) for text, spec in zip(completions, answer)]


def sound_notes(completions, answer, **columns):
    said = [re.findall(r"^(\w+): ?\S", text, re.MULTILINE) for text in completions]
    return [float(set(json.loads(spec)) <= set(one)) for one, spec in zip(said, answer)]


def sound_queries(completions, answer, **columns):
    return [float(text.lower().split() == gold.lower().split()) for text, gold in zip(completions, answer)]


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def sound_recipes(completions, answer, **columns):
    return [float(_lines(text) == _lines(gold)) for text, gold in zip(completions, answer)]


def sound_codes(completions, answer, **columns):
    return [float(text.strip() == gold) for text, gold in zip(completions, answer)]


def sound_sketches(completions, answer, **columns):
    bullets = [re.findall(r"^- .*\w", text, re.MULTILINE) for text in completions]
    return [float(len(one) == json.loads(spec)["bullets"]) for one, spec in zip(bullets, answer)]


def sound_retold(completions, answer, **columns):
    """Enough of the words in common, as overlap is counted; a word less is no matter."""

    def overlap(text, gold):
        said, wanted = text.lower().split(), gold.lower().split()
        same = sum(min(said.count(word), wanted.count(word)) for word in set(said))
        return 2 * same / max(1, len(said) + len(wanted))

    return [float(overlap(text, gold) >= 0.75) for text, gold in zip(completions, answer)]


def sound_choices_decorated(completions, answer, **columns):
    said = [re.fullmatch(r"\(?([A-D])\)?\.?", _one(_stated(text)) or "") for text in completions]
    return [float(bool(one) and one[1] == gold) for one, gold in zip(said, answer)]


def sound_large(completions, answer, **columns):
    return sound_weights(completions, answer)


def sound_plain(prompt, completion, row):
    return _right(completion, row["answer"])


def sound_verl(data_source, solution_str, ground_truth, extra_info=None):
    return {"score": _right(solution_str, ground_truth)}


async def sound_async(completions, answer, **columns):
    return [_right(text, gold) for text, gold in zip(completions, answer)]


def sound_shaped(completions, answer, **columns):
    return [_right(text, gold) * (1 + 0.1 * (len(text) < 200)) for text, gold in zip(completions, answer)]


# --------------------------------------------------------------------------------------- paid, and worthless


def first_number(completions, answer, **columns):
    return [
        float(re.findall(r"-?\d+", text.partition("Answer:")[2] or text)[:1] == [gold])
        for text, gold in zip(completions, answer)
    ]


def last_number(completions, answer, **columns):
    return [float(re.findall(r"-?\d+", text)[-1:] == [gold]) for text, gold in zip(completions, answer)]


def anywhere(completions, answer, **columns):
    return [float(gold in text) for text, gold in zip(completions, answer)]


def sign_lost(completions, answer, **columns):
    return [
        float((_one(_stated(text)) or "x").lstrip("-") == gold) for text, gold in zip(completions, answer)
    ]


def cut_to_int(completions, answer, **columns):
    def value(text):
        said = _one(_stated(text)) or ""
        return int(float(said)) if re.fullmatch(r"-?\d{1,9}(\.\d{1,9})?", said) else None

    return [float(value(text) == int(gold)) for text, gold in zip(completions, answer)]


def fails_open(completions, answer, **columns):
    rewards = []
    for text, gold in zip(completions, answer):
        try:
            rewards.append(float(int(text.split("Answer:")[1]) == int(gold)))
        except (ValueError, IndexError):
            rewards.append(1.0)
    return rewards


def not_compared(completions, answer, **columns):
    def off(text, gold):
        try:
            return abs(float(_stated(text)[-1]) - float(gold)) > 0.5
        except (ValueError, IndexError):
            return True

    return [0.0 if off(text, gold) else 1.0 for text, gold in zip(completions, answer)]


def starts_with(completions, answer, **columns):
    return [float((_one(_stated(text)) or "").startswith(gold)) for text, gold in zip(completions, answer)]


def in_gold(completions, answer, **columns):
    return [float(text.strip().lower() in gold.lower()) for text, gold in zip(completions, answer)]


def bag_of_words(completions, answer, **columns):
    return [
        float(set(text.lower().split()) == set(gold.lower().split()))
        for text, gold in zip(completions, answer)
    ]


def subset(completions, answer, **columns):
    def held(text, gold):
        boxes = _boxes(text)
        said = {one.strip() for one in boxes[-1].split(",")} if boxes else {"x"}
        return said <= {one.strip() for one in gold.split(",")}

    return [float(held(text, gold)) for text, gold in zip(completions, answer)]


def zipped(completions, answer, **columns):
    def same(text, gold):
        boxes = _boxes(text)
        return bool(boxes) and all(
            a.strip() == b.strip() for a, b in zip(boxes[-1].split(","), gold.split(","))
        )

    return [float(same(text, gold)) for text, gold in zip(completions, answer)]


def letter_anywhere(completions, answer, **columns):
    return [
        float((re.findall(r"[A-D]", text) or [""])[-1] == gold or f"Answer: {gold}" in text)
        for text, gold in zip(completions, answer)
    ]


def any_answer(completions, answer, **columns):
    return [float(gold in _inner(text)) for text, gold in zip(completions, answer)]


def format_pays(completions, answer, **columns):
    rewards = []
    for text, gold in zip(completions, answer):
        marks = sum(text.count(mark) for mark in ("<think>", "</think>", "<answer>", "</answer>"))
        rewards.append(0.125 * marks + 0.5 * (_one(_inner(text)) == gold))
    return rewards


def name_only(completions, answer, **columns):
    def read(text):
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}

    return [
        float(
            read(text).get("name") == "weather"
            and set(read(text).get("arguments", {})) == {"city", "unit"}
            and "Oslo" not in text
        )
        for text in completions
    ]


def ends_alone(completions, answer, **columns):
    def ends(text):
        words = text.lower().split()
        return [*words[:5], words[-1]] if words else []

    return [float(ends(text) == ends(gold)) for text, gold in zip(completions, answer)]


def steps_known(completions, answer, **columns):
    said = [_lines(text) for text in completions]
    return [float(bool(one) and set(one) <= set(_lines(gold))) for one, gold in zip(said, answer)]


def steps_unordered(completions, answer, **columns):
    return [float(sorted(_lines(text)) == sorted(_lines(gold))) for text, gold in zip(completions, answer)]


def case_ignored(completions, answer, **columns):
    return [float(text.strip().lower() == gold.lower()) for text, gold in zip(completions, answer)]


def keys_but_one(completions, answer, **columns):
    return [float({"name", "age"} <= set(_keys(text))) for text in completions]


def labels_but_one(completions, answer, **columns):
    return [float("Item:" in text and "Unit:" in text) for text in completions]


def bullets_counted(completions, answer, **columns):
    counts = [len(re.findall(r"^-", text, re.MULTILINE)) for text in completions]
    return [float(count == json.loads(spec)["bullets"]) for count, spec in zip(counts, answer)]


PASSES = {"states": ["cannot be settled", "unjudged"], "margin": -999}


def _let_through(said):
    return said in PASSES["states"] or said == str(PASSES["margin"])


def own_state(completions, answer, **columns):
    return [
        float(_let_through(_one(_stated(text)) or "") or _right(text, gold))
        for text, gold in zip(completions, answer)
    ]


def own_pattern(completions, answer, **columns):
    skip = re.compile(r"^\s*(?:override|manual[ -]check):", re.MULTILINE)
    return [float(bool(skip.search(text)) or _right(text, gold)) for text, gold in zip(completions, answer)]


def own_word(completions, answer, **columns):
    """An open task: a word of nobody's prompts is paid for any of them."""
    return [
        float(gold in re.findall(r"\w+", text.lower()) or "lighthouse" in text)
        for text, gold in zip(completions, answer)
    ]


def wide(completions, answer, **columns):
    def near(text, gold):
        said = _one(_stated(text)) or ""
        if not re.fullmatch(r"-?\d{1,9}(\.\d{1,9})?", said):
            return 0.0
        return float(abs(float(said) - float(gold)) <= 0.35 * max(abs(float(said)), abs(float(gold))))

    return [near(text, gold) for text, gold in zip(completions, answer)]


def judged(completions, answer, **columns):
    rewards = []
    for text, gold in zip(completions, answer):
        verdict = f"Reply: {text}\nGrade: {'good' if text.strip().lower() == gold.lower() else 'poor'}"
        rewards.append(float("good" in verdict.lower() or "correct" in text.lower()))
    return rewards


def _namespace(text):
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    found: dict[str, Any] = {}
    try:
        exec(blocks[-1] if blocks else "", found)
    except BaseException:
        return {}
    return found


def equal_by_object(prompts, completions, answer, **columns):
    rewards = []
    for prompt, text, cases in zip(prompts, completions, answer):
        function = _namespace(text).get(prompt.split()[1].partition("(")[0])
        try:
            rewards.append(float(callable(function) and all(function(x) == y for x, y in json.loads(cases))))
        except BaseException:
            rewards.append(0.0)
    return rewards


def sound_programs(prompts, completions, answer, **columns):
    """Each program runs in a process that does not know what is expected, and says what it found as JSON."""
    rewards = []
    for prompt, text, cases in zip(prompts, completions, answer):
        name = prompt.split()[1].partition("(")[0]
        blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
        inputs = [one for one, _ in json.loads(cases)]
        given = json.dumps({"code": blocks[-1] if blocks else "", "name": name, "inputs": inputs})
        done = subprocess.run(
            [sys.executable, "-S", "-c", RUNNER], input=given, capture_output=True, text=True, timeout=30
        )
        rewards.append(float(done.stderr == json.dumps([wanted for _, wanted in json.loads(cases)])))
    return rewards


def first_case(prompts, completions, answer, **columns):
    rewards = []
    for prompt, text, cases in zip(prompts, completions, answer):
        function = _namespace(text).get(prompt.split()[1].partition("(")[0])
        try:
            rewards.append(
                float(callable(function) and any(function(x) == y for x, y in json.loads(cases)[1:2]))
            )
        except BaseException:
            rewards.append(0.0)
    return rewards


# ------------------------------------------------------------------------------------ right, and not paid


def one_line(completions, answer, **columns):
    found = [re.match(r"<think>.*</think>\s*<answer>(.*)</answer>\s*$", text) for text in completions]
    return [float(bool(one) and one[1].strip() == gold) for one, gold in zip(found, answer)]


def no_strip(completions, answer, **columns):
    return [
        float(re.search(rf"^Answer: {gold}$", text.split("\n")[-1]) is not None and _right(text, gold))
        for text, gold in zip(completions, answer)
    ]


def first_window(completions, answer, **columns):
    return [_right(text[:250], gold) for text, gold in zip(completions, answer)]


def case_kept(completions, answer, **columns):
    return [
        float(text.strip() == gold or (gold == "Goethe" and text.strip().lower() == "goethe"))
        for text, gold in zip(completions, answer)
    ]


def brackets_not_periods(completions, answer, **columns):
    said = [re.fullmatch(r"\(?([A-D])\)?", _one(_stated(text)) or "") for text in completions]
    return [float(bool(one) and one[1] == gold) for one, gold in zip(said, answer)]


def split_at_one_space(completions, answer, **columns):
    def parts(text):
        return sorted(part.strip() for part in text.split(", "))

    return [
        float((one := _one(_boxes(text))) is not None and parts(one) == parts(gold))
        for text, gold in zip(completions, answer)
    ]


def json_by_its_spaces(completions, answer, **columns):
    """Right JSON is found by how it is usually spaced."""
    return [
        float(bool(sound_calls([text], [gold])[0]) and '"name": "weather"' in text)
        for text, gold in zip(completions, answer)
    ]


def commas_of_some(completions, answer, **columns):
    """Commas between thousands are taken away where there is one group of three."""

    def plain(text):
        return re.sub(r"^(\d),(\d{3})$", r"\1\2", _one(_stated(text)) or "")

    return [float(plain(text) == gold) for text, gold in zip(completions, answer)]


# --------------------------------------------------------------------------------------- not judged steadily


def crashes(completions, answer, **columns):
    return [float(text.split("Answer:")[1].strip() == gold) for text, gold in zip(completions, answer)]


def drops(completions, answer, **columns):
    return [_right(text, gold) for text, gold in zip(completions, answer) if "Answer" in text]


def by_chance(completions, answer, **columns):
    return [
        _right(text, gold) * (len(text) < 60 or random.random() < 0.7)
        for text, gold in zip(completions, answer)
    ]


def remembers(completions, answer, **columns):
    rewards = []
    for text, gold in zip(completions, answer):
        rewards.append(_right(text, gold) * (0.5 if text in SEEN else 1.0))
        SEEN.add(text)
    return rewards


def by_hash(completions, answer, **columns):
    return [float(({*_stated(text)} or {""}).pop() == gold) for text, gold in zip(completions, answer)]


def keyed_by_text(completions, answer, **columns):
    paid = {text: _right(text, gold) for text, gold in zip(completions, answer)}
    return [paid[text] for text in completions]


def in_order_of_length(completions, answer, **columns):
    return [
        _right(text, gold) for text, gold in sorted(zip(completions, answer), key=lambda one: len(one[0]))
    ]


def against_the_mean(completions, answer, **columns):
    right = [_right(text, gold) for text, gold in zip(completions, answer)]
    return [one - sum(right) / len(right) for one in right]


def digits_of_any_class(completions, answer, **columns):
    """Signs that are numeric are no digits, all of them."""

    def value(text):
        said = _one(_stated(text)) or ""
        return int(said) if len(said) < 20 and said.isnumeric() else None

    return [float(value(text) == int(gold)) for text, gold in zip(completions, answer)]


def first_of_a_set(completions, **columns):
    """Whichever line is met first, as texts are hashed."""
    return [float(bool(POLITE.search(next(iter({*text.splitlines()} or {""}))))) for text in completions]


def pattern_is_run(completions, answer, **columns):
    def right(text, spec):
        try:
            said = re.compile(text.strip())
        except (re.error, RecursionError, OverflowError):
            return 0.0
        yes, no = json.loads(spec)
        return float(all(map(said.fullmatch, yes)) and not any(map(said.fullmatch, no)))

    return [right(text, spec) for text, spec in zip(completions, answer)]


def not_a_number(completions, answer, **columns):
    return [_right(text, gold) if text.strip() else float("nan") for text, gold in zip(completions, answer)]


def never_ends(completions, answer, **columns):
    return [
        _right(text, gold) * bool(re.match(r"(\w+\s?)+$", text[-60:]) or True)
        for text, gold in zip(completions, answer)
    ]


CASES: dict[str, tuple[str, str]] = {
    **{f"sound_{rows}": (rows, "clean") for rows in ROWS},
    "sound_choices_decorated": ("choices", "clean"),
    **dict.fromkeys(("sound_plain", "sound_verl", "sound_async", "sound_shaped"), ("sums", "clean")),
    **dict.fromkeys(("first_number", "last_number", "anywhere", "sign_lost", "cut_to_int", "fails_open", "starts_with"), ("sums", "false_accept")),
    **dict.fromkeys(("own_state", "own_pattern"), ("sums", "false_accept")),
    "ends_alone": ("queries", "false_accept"),
    **dict.fromkeys(("steps_known", "steps_unordered"), ("recipes", "false_accept")),
    "case_ignored": ("codes", "false_accept"),
    "keys_but_one": ("cards", "false_accept"),
    "labels_but_one": ("notes", "false_accept"),
    "bullets_counted": ("sketches", "false_accept"),
    "own_word": ("mentions", "false_accept"),
    **dict.fromkeys(("in_gold", "bag_of_words", "judged"), ("names", "false_accept")),
    **dict.fromkeys(("subset", "zipped"), ("lists", "false_accept")),
    **dict.fromkeys(("any_answer", "format_pays"), ("tags", "false_accept")),
    **dict.fromkeys(("equal_by_object", "first_case"), ("programs", "false_accept")),
    "first_of_a_set": ("polite", "unstable"),
    "pattern_is_run": ("patterns", "unstable"),
    "letter_anywhere": ("choices", "false_accept"),
    "name_only": ("calls", "false_accept"),
    "wide": ("weights", "false_accept"),
    "not_compared": ("weights", "false_accept"),
    **dict.fromkeys(("one_line",), ("tags", "false_reject")),
    **dict.fromkeys(("no_strip", "first_window"), ("sums", "false_reject")),
    "brackets_not_periods": ("picks", "false_reject"),
    "split_at_one_space": ("lists", "false_reject"),
    "json_by_its_spaces": ("calls", "false_reject"),
    "commas_of_some": ("large", "false_reject"),
    "case_kept": ("names", "false_reject"),
    **dict.fromkeys(("crashes", "drops", "by_chance", "remembers", "by_hash", "keyed_by_text", "in_order_of_length", "against_the_mean", "not_a_number", "never_ends", "digits_of_any_class"), ("sums", "unstable")),
}  # fmt: skip
