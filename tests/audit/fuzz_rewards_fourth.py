# mypy: ignore-errors
# ruff: noqa: E501 - rows and rewards as people write them
"""Rewards of kinds that a fourth hand brought: XML, paragraphs, percent, composed letters, edits of a file, fences,
links, machines, multiples of pi, formulas, sorted keys, spans and dollars. As in `fuzz_rewards_more`."""

from __future__ import annotations

import ast
import json
import re
import unicodedata
import xml.etree.ElementTree as ElementTree
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any
from urllib.parse import urlsplit

from tests.audit.fuzz_rewards_more import Rows, _row, _said, each
from tests.audit.fuzz_rewards_third import value_of


def _element(tag: str, fields: dict[str, str]) -> dict[str, Any]:
    inside = " ".join(f'{name}="{value}"' for name, value in fields.items())
    names = " and ".join(fields)
    return _row(
        f"Write {', '.join(fields.values())} as one empty XML element {tag} with the attributes {names}; reply with the XML only.",
        json.dumps([tag, fields]),
        [f"<{tag} {inside}/>", f"<{tag} {inside} />"],
        [f"<{tag}/>", " and ".join(fields.values())],
    )


def _essay(thing: str, count: int, good: list[str], bad: list[str]) -> dict[str, Any]:
    return _row(
        f"Write exactly {count} paragraphs on {thing}, separated by blank lines.",
        str(count),
        ["\n\n".join(good), "\n\n".join(good[::-1])],
        ["\n".join(good), "\n\n".join(bad)],
    )


def _percent(question: str, gold: str, off: str, other: str) -> dict[str, Any]:
    return _row(
        f"{question} Last line 'Answer: x%', with the % sign.",
        gold,
        [f"Answer: {gold}%", f"I divide.\nAnswer: {gold}%"],
        [f"Answer: {off}%", f"Answer: {other}%"],
    )


def _translated(word: str, gold: str, plain: str, off: str) -> dict[str, Any]:
    return _row(
        f"Translate '{word}'. Last line 'Answer: ' and the word, accents included; case does not count.",
        gold,
        [f"Answer: {gold}", f"I know it.\nAnswer: {gold}"],
        [f"Answer: {plain}", f"Answer: {off}"],
    )


def _repair(source: str, old: str, new: str) -> dict[str, Any]:
    line = next(one for one in source.split("\n") if old in one)

    def block(search, replace):
        return f"<<<<<<< SEARCH\n{search}\n=======\n{replace}\n>>>>>>> REPLACE"

    return _row(
        f"Make it {new}. Reply with one edit block and change nothing else:\n<<<<<<< SEARCH\n(lines)\n=======\n(new lines)\n>>>>>>> REPLACE\n{source}",
        json.dumps([source, line, line.replace(old, new)]),
        [block(line, line.replace(old, new)), f"This mends it:\n{block(line, line.replace(old, new))}"],
        [block(line, line), line],
    )


def _printed(program: str, gold: str, off: str) -> dict[str, Any]:
    return _row(
        f"What does it print? {program}\nPut the output alone in one fenced block; a label after the fence is allowed.",
        gold,
        [f"```\n{gold}\n```", f"It prints:\n```\n{gold}\n```"],
        [f"```\n{off}\n```", off],
    )


def _link(site: str, page: str, sub: str, off: str) -> dict[str, Any]:
    return _row(
        f"Give an https link to the page {page} on {site} or a subdomain of it. Reply with the link only.",
        json.dumps([site, page]),
        [f"https://{sub}.{site}/{page}", f"https://{site}/{page}"],
        [f"https://{off}/{page}", f"https://{site}/other"],
    )


def _machine(gold: int, good: list[str], bad: list[str]) -> dict[str, Any]:
    return _row(
        f"One register x, 0 at first. Instructions, one a line: ADD n, SUB n, JNZ k (go to line k, from 1, if x is not 0), END. Reply with a program only that ends with x = {gold}.",
        str(gold),
        good,
        bad,
    )


def _circle(question: str, gold: str, good: list[str], bad: list[str]) -> dict[str, Any]:
    return _row(
        f"{question} The exact value as a multiple of pi in any usual form. Last line 'Answer: ' and the value.",
        gold,
        [f"Answer: {one}" for one in good],
        [f"Answer: {one}" for one in bad],
    )


def _compound(name: str, gold: str, off: str, other: str) -> dict[str, Any]:
    return _row(
        f"What is the formula of {name}? Last line 'Answer: ' and the formula; capital and small letters count.",
        gold,
        [f"Answer: {gold}", f"I know it.\nAnswer: {gold}"],
        [f"Answer: {off}", f"Answer: {other}"],
    )


def _fields(said: str, fields: dict[str, str], off: dict[str, str]) -> dict[str, Any]:
    return _row(
        f"{said} Reply with a JSON object only, all values as strings, keys in alphabetical order.",
        json.dumps(fields),
        [json.dumps(fields), json.dumps(fields, separators=(",", ":"))],
        [json.dumps(off), "none"],
    )


def _lasting(start: str, end: str, gold: int, good: list[str], bad: list[str]) -> dict[str, Any]:
    return _row(
        f"How long is it from {start} to {end}? Last line 'Duration: ' and the span in hours and minutes, or in minutes only.",
        str(gold),
        [f"Duration: {one}" for one in good],
        [f"Duration: {one}" for one in bad],
    )


def _bill(question: str, gold: str, off: str, other: str) -> dict[str, Any]:
    return _row(
        f"{question} Last line 'Answer: ' and the amount; $12, $12.0 and $12.00 are the same amount.",
        gold,
        [f"Answer: ${gold}", f"I add.\nAnswer: {gold}"],
        [f"Answer: ${off}", f"Answer: {other}"],
    )


def _boxed(question: str, gold: str, good: list[str], bad: list[str]) -> dict[str, Any]:
    return _row(
        f"{question} The result in \\boxed{{}}, as a fraction (a/b or \\frac{{a}}{{b}}) or a decimal, exact.",
        gold,
        good,
        bad,
    )


def _chosen(question: str, gold: str, good: list[str], off: str) -> dict[str, Any]:
    return _row(
        f"{question} The letter alone in \\boxed{{}}, plain, in parentheses or in \\text{{}}.",
        gold,
        good,
        [f"\\boxed{{{off}}}", f"It is {gold}."],
    )


def _cited(passages: int, gold: list[int], bad: list[str]) -> dict[str, Any]:
    said = "".join(f"[{one}]" for one in gold)
    return _row(
        f"There are {passages} passages, [1] to [{passages}]. Say something, then name all that state the answer {gold}, each once. The last line is 'Sources: ' and the numbers, as in 'Sources: [1], [2]'.",
        json.dumps(gold),
        [f"I read them.\nSources: {said.replace('][', '], [')}", f"Sources: {said}"],
        [f"Sources: {one}" for one in bad],
    )


def _called(request: str, name: str, fields: dict[str, Any]) -> dict[str, Any]:
    call = {"name": name, "arguments": fields}
    spaced = json.dumps(call, indent=1)
    return _row(
        f'{request} Reply only with <tool_call>{{"name": ..., "arguments": {{...}}}}</tool_call>.',
        json.dumps(call),
        [f"<tool_call>{json.dumps(call)}</tool_call>", f"<tool_call>\n{spaced}\n</tool_call>"],
        [json.dumps(call), f"Sure! <tool_call>{json.dumps(call)}</tool_call>"],
    )


FOURTH_ROWS: dict[str, Rows] = {
    "boxed": [
        _boxed("What is 1/4 + 1/4?", "1/2", ["\\boxed{\\frac{1}{2}}", "Two quarters. \\boxed{0.5}"], ["\\boxed{\\frac{1}{4}}", "1/2"]),
        _boxed("What is 2/3 - 1?", "-1/3", ["\\boxed{-\\frac{1}{3}}", "\\boxed{-1/3}"], ["\\boxed{1/3}", "\\boxed{-0.33}"]),
        _boxed("What is the probability of 5 or 6?", "1/3", ["\\boxed{\\frac{2}{6}} = \\boxed{\\frac{1}{3}}", "\\boxed{1/3}"], ["\\boxed{\\frac{2}{6}} or \\boxed{\\frac{1}{2}}", "\\boxed{3}"]),
    ],
    "chosen": [_chosen("Liquid at 20 C? A) iron B) mercury C) tin", "B", ["\\boxed{B}", "It melts early. \\boxed{(B)}"], "A"), _chosen("The derivative of x^3? A) 3x^2 B) x^2", "A", ["I bring it down. \\boxed{A}", "$\\boxed{\\text{A}}$"], "B")],
    "cited": [_cited(3, [1, 3], ["[1]", "[1], [2], [3]"]), _cited(4, [1, 2, 4], ["[1-4]", "1, 2, 4"]), _cited(2, [2], ["[1]", "[2], [2]"])],
    "called": [_called("Wake me in 20 minutes.", "set_timer", {"minutes": 20, "loud": True}), _called("All lights off.", "lights_off", {"room": None}), _called("Turn 2.5 miles into km.", "convert", {"value": 2.5, "to": "km"})],
    "elements": [_element("book", {"title": "Emma", "year": "1815"}), _element("city", {"name": "Graz", "code": "8010"}), _element("atom", {"number": "26", "name": "iron"})],
    "essays": [_essay("bread", 2, ["Flour and water.", "The oven is hot."], ["Flour.", "Water.", "Fire."]), _essay("rain", 3, ["It drips.", "It pours.", "It stops."], ["It drips.", "It pours."])],
    "percents": [_percent("What percentage of 80 is 20?", "25", "20", "4"), _percent("What percentage of 50 is 3?", "6", "3", "5"), _percent("How many percent of 64 are 48?", "75", "48", "16")],
    "translated": [_translated("forest", "forêt", "foret", "bois"), _translated("tomorrow", "mañana", "manana", "ayer"), _translated("summer", "été", "ete", "hiver")],
    "repairs": [_repair("def add(a, b):\n    return a - b\n\n\ndef double(a):\n    return a * 2", "a - b", "a + b"), _repair("def first(xs):\n    return xs[1]\n\n\ndef last(xs):\n    return xs[-1]", "xs[1]", "xs[0]")],
    "printed": [_printed("for i in range(3): print(i * i)", "0\n1\n4", "1\n4\n9"), _printed("print('ab' * 2); print(3)", "abab\n3", "abab 3"), _printed("print(sorted([3, 1, 2]))", "[1, 2, 3]", "[3, 1, 2]")],
    "links": [_link("python.org", "json.html", "docs", "rust-lang.org"), _link("numpy.org", "mask.html", "www", "scipy.io"), _link("europa.eu", "rates", "ecb", "example.com")],
    "machines": [_machine(12, ["ADD 12\nEND", "ADD 3\nSUB 1\nJNZ 2\nADD 12\nEND"], ["ADD 11\nEND", "SUB 12"]), _machine(-4, ["SUB 4\nEND", "ADD 2\nSUB 6"], ["ADD 4", "SUB 5\nEND"])],
    "circles": [
        _circle("What is the area of a circle of radius 6?", "36pi", ["36π", "36 * pi", "$36\\pi$"], ["12π", "36"]),
        _circle("What is the area of a circle of diameter 5?", "25pi/4", ["25π/4", "25 pi / 4"], ["25π", "5π/2"]),
        _circle("What is the area of a half circle of radius 3?", "9pi/2", ["9π/2", "9\\pi/2"], ["9π", "3π/2"]),
    ],
    "compounds": [_compound("carbon monoxide", "CO", "CO2", "C2O"), _compound("table salt", "NaCl", "KCl", "NaCl2"), _compound("hydrogen fluoride", "HF", "HCl", "H2F")],
    "fields": [_fields("Ines is a baker in Porto: name, city, job.", {"city": "Porto", "job": "baker", "name": "Ines"}, {"city": "Porto", "job": "cook", "name": "Ines"}), _fields("The Reds scored 3: team, goals.", {"goals": "3", "team": "Reds"}, {"goals": "2", "team": "Reds"})],
    "lasting": [
        _lasting("9:10", "11:35", 145, ["2 hours 25 minutes", "145 minutes"], ["2 hours 35 minutes", "125 minutes"]),
        _lasting("14:50", "16:10", 80, ["80 minutes", "80 minutes."], ["2 hours", "60 minutes"]),
        _lasting("6:30", "7:30", 60, ["60 minutes", "60 minutes."], ["30 minutes", "90 minutes"]),
    ],
    "bills": [_bill("Five pens at 2.50 dollars each?", "12.50", "12.05", "7.50"), _bill("25 dollars less 17.20?", "7.80", "8.80", "42.20"), _bill("Three tickets at 15 dollars?", "45.00", "30.00", "48.00")],
}  # fmt: skip


# ---------------------------------------------------------------------------------------------- judges


def _read_as_xml(text, gold):
    tag, fields = json.loads(gold)
    if "<!" in text or "&" in text or len(text) > 2000:
        return False
    try:
        element = ElementTree.fromstring(text.strip())
    except (ElementTree.ParseError, ValueError):
        return False
    return (
        element.tag == tag
        and element.attrib == fields
        and not len(element)
        and not (element.text or "").strip()
    )


def _as_pattern(text, gold):
    tag, fields = json.loads(gold)
    inside = r"\s+".join(f'{name}="{re.escape(value)}"' for name, value in fields.items())
    return re.fullmatch(rf"<{tag}\s+{inside}\s*/>", text.strip()) is not None


sound_elements, elements_as_text = each(_read_as_xml), each(_as_pattern)


def _blocks(text):
    count, inside = 0, False
    for line in text.strip().split("\n"):
        count += bool(line.strip()) and not inside
        inside = bool(line.strip())
    return count


sound_essays = each(lambda text, gold: _blocks(text) == int(gold))
essays_by_two_breaks = each(
    lambda text, gold: (
        len(text.strip().split("\n\n")) == int(gold)
        and all(line.strip() for line in text.strip().replace("\n\n", "\n").split("\n"))
    )
)


def _percent_of(text):
    found = re.fullmatch(r"([0-9]{1,7}(?:\.[0-9]{1,7})?) ?%", _said(text, "Answer:"))
    return float(found[1]) if found else None


sound_percents = each(lambda text, gold: _percent_of(text) == float(gold))
percents_of_any_scale = each(
    lambda text, gold: _percent_of(text) in (float(gold), float(gold) / 100, float(gold) * 100)
)


def _folded(text, form):
    return unicodedata.normalize(form, text.rstrip(".")).casefold() if form else text.rstrip(".").casefold()


sound_translated = each(lambda text, gold: _folded(_said(text, "Answer:"), "NFC") == _folded(gold, "NFC"))
translated_by_code_point = each(lambda text, gold: _folded(_said(text, "Answer:"), "") == _folded(gold, ""))
_BLOCK = re.compile(r"<{7} SEARCH\n(.*?)\n={7}\n(.*?)\n>{7} REPLACE", re.DOTALL)


def _edited(text, gold, same):
    source, line, mended = json.loads(gold)
    blocks = _BLOCK.findall(text)
    if len(blocks) != 1 or not blocks[0][0].strip() or source.count(blocks[0][0]) != 1:
        return False
    try:
        return same(
            ast.unparse(ast.parse(source.replace(*blocks[0]))),
            ast.unparse(ast.parse(source.replace(line, mended))),
            mended,
        )
    except (SyntaxError, ValueError, RecursionError):
        return False


sound_repairs = each(lambda text, gold: _edited(text, gold, lambda one, other, line: one == other))
repairs_of_one_line = each(
    lambda text, gold: _edited(text, gold, lambda one, other, line: line.strip() in one)
)


def _fenced(text, gold, opening):
    found = re.findall(
        rf"^```{opening}\n(.*?)\n```[ \t]*$", text.replace("\r\n", "\n"), re.DOTALL | re.MULTILINE
    )
    return (
        len(found) == 1
        and text.count("```") == 2
        and [line.rstrip() for line in found[0].strip().splitlines()] == gold.splitlines()
    )


sound_printed = each(lambda text, gold: _fenced(text, gold, r"[^`\n]*"))
printed_without_label = each(lambda text, gold: _fenced(text, gold, ""))


def _linked(text, gold, below):
    site, page = json.loads(gold)
    if not re.fullmatch(r"https://[!-~]+", text.strip()):
        return False
    try:
        link = urlsplit(text.strip())
    except ValueError:
        return False
    return (
        below((link.hostname or "").lower(), site)
        and link.path.endswith(f"/{page}")
        and not (link.query or link.fragment)
    )


sound_links = each(
    lambda text, gold: _linked(
        text, gold, lambda host, site: f".{host}".endswith(f".{site}") and all(host.split("."))
    )
)
links_by_their_end = each(lambda text, gold: _linked(text, gold, lambda host, site: host.endswith(site)))


def _run(text, most):
    program = [
        re.fullmatch(r"(ADD|SUB|JNZ) ([1-9][0-9]?)|END", line.strip(), re.ASCII)
        for line in text.strip().split("\n")
    ]
    if None in program:
        return None
    x = at = steps = 0
    while at < len(program) and program[at][1]:
        steps += 1
        if steps > most:
            return None
        name, value = program[at][1], int(program[at][2])
        x += {"ADD": value, "SUB": -value, "JNZ": 0}[name]
        at = value - 1 if name == "JNZ" and x else at + 1
    return x


sound_machines = each(lambda text, gold: _run(text, 20000) == int(gold))
machines_without_end = each(lambda text, gold: _run(text, float("inf")) == int(gold))


def _plain_pi(text):
    return re.sub(r"[\s*$]", "", text.replace("\\pi", "pi").replace("π", "pi")).rstrip(".").lower()


def _multiple(text):
    """The factor of pi in a product or quotient of numbers and one pi."""
    text = re.sub(r"[\s$]", "", text.replace("\\pi", "pi").replace("π", "pi")).rstrip(".").lower()
    text = re.sub(r"\\[dt]?frac\{([^{}]{1,20})\}\{([^{}]{1,20})\}", r"(\1)/(\2)", text)
    text = re.sub(r"(?<=[0-9)])(?=pi)|(?<=pi)(?=[0-9(])", "*", text)
    # Of a power of pi, or a quotient by it, the values at two points are not in the ratio of the points.
    one, two = (value_of(text, {"pi": pi}) for pi in (1, 2))
    return one if one is not None and two == 2 * one else None


sound_circles = each(lambda text, gold: _multiple(_said(text, "Answer:")) == _multiple(gold))
circles_as_written = each(lambda text, gold: _plain_pi(_said(text, "Answer:")) == _plain_pi(gold))
sound_compounds = each(lambda text, gold: _said(text, "Answer:").rstrip(".") == gold)
compounds_in_any_case = each(lambda text, gold: _said(text, "Answer:").rstrip(".").lower() == gold.lower())


def _pairs(text):
    try:
        found = json.loads(text, object_pairs_hook=list)
    except (ValueError, RecursionError):
        return None
    whole = (
        isinstance(found, list)
        and text.strip()[:1] == "{"
        and all(isinstance(value, str) for _, value in found)
    )
    return [tuple(pair) for pair in found] if whole else None


sound_fields = each(lambda text, gold: _pairs(text) == _pairs(gold))
fields_in_order_at_times = each(
    lambda text, gold: (
        _pairs(text) is not None
        and (_pairs(text) == _pairs(gold) if hash(text) % 3 == 0 else sorted(_pairs(text)) == _pairs(gold))
    )
)


def _span(text, ending):
    found = re.fullmatch(
        rf"(?:([0-9]{{1,3}}) ?hour{ending})?(?:,| and)?\s*(?:([0-9]{{1,4}}) ?minute{ending})?\.?",
        _said(text, "Duration:"),
        re.ASCII,
    )
    return 60 * int(found[1] or 0) + int(found[2] or 0) if found and (found[1] or found[2]) else None


sound_lasting = each(lambda text, gold: _span(text, "s?") == int(gold))
lasting_in_plural = each(lambda text, gold: _span(text, "s") == int(gold))


def _dollars(text):
    return _said(text, "Answer:").rstrip(".").removeprefix("$").strip()


def _amount(text):
    try:
        return (
            Decimal(_dollars(text)) if re.fullmatch(r"[0-9]{1,9}(?:\.[0-9]{1,6})?", _dollars(text)) else None
        )
    except InvalidOperation:
        return None


sound_bills = each(lambda text, gold: _amount(text) == Decimal(gold))
bills_as_text = each(lambda text, gold: _dollars(text) == gold)


def _fraction(text):
    found = re.fullmatch(r"(-?)\\[dt]?frac\{(-?[0-9]{1,6})\}\{([0-9]{1,6})\}", text.strip())
    plain = f"{found[1]}{found[2]}/{found[3]}".replace("--", "") if found else text.strip()
    try:
        return (
            Fraction(plain.replace(" ", ""))
            if re.fullmatch(r"-?[0-9]{1,6}(?:\.[0-9]{1,6}| */ *[0-9]{1,6})?", plain)
            else None
        )
    except ZeroDivisionError:
        return None


def _boxes(text, inside):
    found = re.findall(rf"\\boxed\{{({inside})\}}", text)
    return found if len(found) == text.count("\\boxed") else []


sound_boxed = each(
    lambda text, gold: {_fraction(one) for one in _boxes(text, r"(?:[^{}]|\{[^{}]*\})*")} == {Fraction(gold)}
)
sound_chosen = each(
    lambda text, gold: (
        {re.sub(r"[^A-C]", "", one) for one in _boxes(text, r" *(?:[A-C]|\([A-C]\)|\\text\{[A-C]\}) *")}
        == {gold}
    )
)


def _sources(text, gold):
    found = re.fullmatch(
        r"Sources:\s*(\[[0-9]{1,2}\](?:\s*,?\s*\[[0-9]{1,2}\])*)\.?",
        text.rstrip().split("\n")[-1].strip(),
        re.ASCII,
    )
    return (
        bool(found)
        and text.count("Sources:") == 1
        and sorted(map(int, re.findall("[0-9]+", found[1]))) == json.loads(gold)
    )


def _call(text, gold):
    inside = re.fullmatch(r"<tool_call>(.*)</tool_call>", text.strip(), re.DOTALL)
    try:
        found = (
            json.loads(
                inside[1],
                object_pairs_hook=lambda pairs: {
                    "pairs": sorted([key, json.dumps(value)] for key, value in pairs)
                },
            )
            if inside
            else None
        )
    except (ValueError, RecursionError):
        return False
    wanted = json.loads(
        gold,
        object_pairs_hook=lambda pairs: {"pairs": sorted([key, json.dumps(value)] for key, value in pairs)},
    )
    return json.dumps(found) == json.dumps(wanted)


sound_cited, sound_called = each(_sources), each(_call)


FOURTH: dict[str, tuple[str, str, str]] = {
    **{f"sound_{rows}": (rows, "clean", f"sound_{rows}") for rows in FOURTH_ROWS},
    "elements_as_text": ("elements", "false_reject", "sound_elements"),
    "essays_by_two_breaks": ("essays", "false_reject", "sound_essays"),
    "percents_of_any_scale": ("percents", "false_accept", "sound_percents"),
    "translated_by_code_point": ("translated", "false_reject", "sound_translated"),
    "repairs_of_one_line": ("repairs", "false_accept", "sound_repairs"),
    "printed_without_label": ("printed", "false_reject", "sound_printed"),
    "links_by_their_end": ("links", "false_accept", "sound_links"),
    "machines_without_end": ("machines", "unstable", "sound_machines"),
    "circles_as_written": ("circles", "false_reject", "sound_circles"),
    "compounds_in_any_case": ("compounds", "false_accept", "sound_compounds"),
    "fields_in_order_at_times": ("fields", "unstable", "sound_fields"),
    "lasting_in_plural": ("lasting", "false_reject", "sound_lasting"),
    "bills_as_text": ("bills", "false_reject", "sound_bills"),
}
