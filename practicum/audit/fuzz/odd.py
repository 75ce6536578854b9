"""Texts that a reward must judge without failing, whatever it pays them: the odd ones."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from practicum.audit.fuzz.anatomy import Anatomy, Slot, marked
from practicum.audit.fuzz.damage import LONGEST, MOST_PARTS, SEPARATORS, split, without
from practicum.audit.fuzz.probe import Probe
from practicum.audit.fuzz.programs import BLOCK

SEVERAL = "several"
MOST_TIES = 3
"""Family of texts that give more than one reply."""

FEW = (
    ".",
    "0",
    "-",
    "-1",
    "nan",
    "inf",
    "1e400",
    "9" * 5000,
    "1/0",
    "0/0",
    "x",
    "None",
    "%",
    "1,2,3",
    ",",
    "()",
    "[1]",
    "{",
    "}",
    "\\",
    "\\frac{1}{0}",
    "\\frac{}{}",
    "\\sqrt",
    "0x10",
    "1_0",
    "007",
    "1.2.3",
    "--1",
    "+",
    "1e9999999",
    "\u2212\u0665",
    "a" * 300,
    "True",
    "1 2",
    "$",
    '"',
    "'",
    "//",
    "1e5",
    "10" * 20,
)
"""Contents for the form of an answer."""
SIGNS = (
    "\u00b2",  # superscript two: a digit that is no decimal
    "\u0663",  # Arabic-Indic three
    "\u00bd",  # one half: numeric, no digit
    "\u2167",  # Roman eight
    "\x00",
    "\u0301",  # combining accent
    "\uff13",  # full-width three
    "\u2460",  # circled one
    "\u4e09",  # three in Chinese: numeric, a letter
    "\U0001d7db",  # mathematical double-struck three
    "\u200b",  # zero-width space
    "\u2044",  # fraction slash
    "\u0130",  # a letter that grows when its case is changed
    "\ud7ff",
)
"""Signs of unusual classes, for the place of a value and beside it."""
WHOLE = (
    "",
    "\n",
    "\ufeff",
    "\u2028",
    "\r\n",
    "\x00",
    "\ud7ff\u200b\u202e",
    "\U0001f600" * 30,
    "a" * 5000,
    "the " * 600,
    "word, " * 40,
    "line\n" * 200,
    "(" * 2000,
    "[" * 2000,
    "{" * 2000,
    "<" * 2000,
    "\\boxed{",
    "\\boxed{\\boxed{1}}",
    "\\boxed{{{",
    "}}}}",
    "\\boxed{}" * 50,
    "<answer>",
    "</answer>",
    "</answer><answer>",
    "<answer><answer>",
    "<think>",
    "```",
    "```python",
    "```json\n{\n```",
    "####",
    "#### #### ####",
    "Answer:",
    "Answer: Answer:",
    "Answer",
    '{"a": NaN}',
    '{"a": 1, "a": 2}',
    "[[[[[[]]]]]]",
    "[" * 400 + "]" * 400,
    "null",
    "true",
    '"',
    '{"name": null}',
    '[1, "a", null]',
    "<tool></tool>",
    "<tool_call>{}</tool_call>",
    "%s %d {0} {name}",
    "$(reboot)",
    "'; DROP TABLE x; --",
    "\\d+(",
    "I am not sure.",
    "1 + 1 = 2\n" * 30,
    "\t",
)
SLOW = (
    "(a+)+$",
    "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT count(*) FROM t",
    "sum(range(10**10))",
    "[i for i in range(10**10)]",
    "while True: pass",
    "{1..999999999}",
    "1-9999999999",
    "(x+1)^99999",
    "1<<9999999999",
    "C(10000000, 5000000)",
    "aab" * 10000,
    "((a" * 300,
    "<a>" * 3000,
    "\\frac{1}{" * 200,
    "0." + "1" * 20000,
    "9**9**9**9",
    "2**99999999",
    "10**10**10",
    "(1+" * 90 + "1" + ")" * 90,
    "1" * 30 + "!",
    "a" * 40 + "!",
    " " * 3000 + "x",
    "1," * 1000 + "x",
    "-" * 3000,
    "99999999!",
    "((((((((((1))))))))))**99",
    "factorial(9999999)",
    "1e99999999",
    "x" * 20000,
    "a, " * 30 + "!",
    "1 " * 2000 + "x",
)
"""Contents that some evaluators and patterns never finish."""
NUMBERS = re.compile(r"\d+")
FIELDS = 8
"""Numbers of a reply that are tried, one by one."""
IN_FIELD = (
    "\u00b2",  # superscript two: a digit that is no decimal
    "\u2460",  # circled one, the same
    "\u00bd",  # one half: numeric, no digit
    "\u0663",  # Arabic-Indic three: a decimal that is no ASCII
    "\u4e09",  # three in Chinese: numeric, a letter
)
"""Signs of each class that Python calls a digit or a number, for all numbers in a reply."""
INSTRUCTION = re.compile(r"\s*(?:\d+[.:)]?\s+)?[A-Z]{2,6}(?:[ ,]+[\w#-]+){0,3}\s*")
JUMP = re.compile(r"\b(?:J[A-Z]{1,3}|GOTO|GO TO|BR[A-Z]*|B[A-Z]{2}|LOOP|REPEAT|JUMP\w*)\s+(?:\w+,? )?\Z")
"""An instruction that goes to another line, at the end of what stands before its number."""
MOST_LOOPS = 8
OUT_OF_RANGE = ("0", "99", "-1", "1.5", "9" * 5000, "", "x", "1_0", "1e9", "1/0", "None")
"""What a number in a reply is not expected to be."""
OPERATORS = (
    (" and ", " or "),
    (" or ", " and "),
    ("not ", ""),
    ("+", "-"),
    ("<", ">"),
    ("==", "!="),
    ("1", "2"),
)
"""What makes another value of an expression, and leaves it one."""
MANY_BLOCKS = 60
PATTERN = re.compile(r"\\[dwsDWSb]|\[[^\]\s]+\]|\(\?|[\w)\]][+*]\$?\s*$")
"""What a reply has that is a regular expression."""
BACKTRACKING = r"(?:(?:(?:(?:(?:.+)+)+)+)+)+\b\B"
ENDLESS_QUERY = (
    "SELECT * FROM (WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT n FROM t)"
)


def odd_probes(anatomy: Anatomy, row: int, turn: int, turns: int) -> list[Probe]:
    """The odd texts for a row: the `turn`-th of `turns` shares of them, so that rows try different ones."""
    return [one for place, one in enumerate(_all(anatomy, row)) if place % turns == turn]


def slow_probes(anatomy: Anatomy, row: int) -> list[Probe]:
    """Texts that may never be judged to the end, in the form of an answer, or as the code in a reply."""
    goods, texts = _places(anatomy, row), anatomy.rows[row].good
    block = next((found for text in texts for found in [BLOCK.search(text)] if found), None)
    found = [_steady(row, text, slow=True) for text in _right_at_first(anatomy, row)]
    found += [_steady(row, text, slow=True) for text in _blocks_repeated(texts)]
    found += [_steady(place, text, slow=True) for place, text in _turned_back(anatomy)]
    for content in SLOW:
        text = goods[0].filled(content) if goods else content
        found.append(_steady(row, text, slow=True))
        if block and not goods:
            found.append(_steady(row, f"{block[1]}{content}\n{block[3]}", slow=True))
    return found


def _places(anatomy: Anatomy, row: int) -> list[Slot]:
    """Where right replies to a row give the gold answer; else what their marks are around."""
    found = [one for text in anatomy.rows[row].good for one in [marked(text)] if one is not None]
    return anatomy.good_slots(row) or found


def _turned_back(anatomy: Anatomy) -> Iterator[tuple[int, str]]:
    """Programs for a machine of the prompt's own, in capitals line by line, whose numbers lead back to the
    first or second line."""
    count = 0
    for place, data in enumerate(anatomy.rows):
        for text in data.good:
            if not all(INSTRUCTION.fullmatch(line) for line in text.strip().splitlines()):
                continue
            numbers = [*NUMBERS.finditer(text)]
            jumps = [one for one in numbers if JUMP.search(text[: one.start()])] or numbers[-1:]
            for found in jumps[:2]:
                for line in ("1", "2"):
                    if line != found[0] and count < MOST_LOOPS:
                        count += 1
                        yield place, text[: found.start()] + line + text[found.end() :]


def _right_at_first(anatomy: Anatomy, row: int) -> Iterator[str]:
    """Right replies in a language that is run, with more of it that takes very long."""
    for text in anatomy.rows[row].good[:1]:
        if PATTERN.search(text):
            yield f"(?:{text.strip()})|{BACKTRACKING}"
            yield f"(?:{text.strip()})|(?:a|a|aa)+$"
        if re.match(r"\s*(?:SELECT|WITH)\b", text, re.IGNORECASE):
            yield f"{text.strip().rstrip(';')} UNION ALL {ENDLESS_QUERY}"
    for slot in anatomy.good_slots(row)[:1]:
        if re.fullmatch(r"[\d+*/(). -]+", slot.value):
            yield slot.filled(f"{slot.value} + 0*9**9**9**9")
            yield slot.filled(f"{slot.value} + 0*(9**9**9)")


def _blocks_repeated(goods: Sequence[str]) -> Iterator[str]:
    """Right replies whose first block in tags, or first line, comes many times, and whose end is cut off: a
    pattern that repeats what it may split in two ways tries all of them."""
    for good in goods[:2]:
        block = re.search(r"<(\w+)>.*?</\1>\s*", good, re.DOTALL) or re.search(r".+\n", good)
        if block is None:
            continue
        rest = good[block.end() :]
        cut = rest[: rest.rfind("<")] if "<" in rest else rest[: len(rest) // 2]
        for gap in ("", "\n", " "):
            yield (block[0].strip() + gap) * MANY_BLOCKS + cut
        yield (block[0].strip() + "  \n ") * MANY_BLOCKS


def numbers_turned(anatomy: Anatomy, row: int) -> list[Probe]:
    """Right replies with an odd sign, or a number out of range, in the place of each of their numbers in
    turn, the likeliest first."""
    goods = [text for text in anatomy.rows[row].good[:2] if "```" not in text]
    places = [(text, found) for text in goods for found in [*NUMBERS.finditer(text)][-FIELDS:]]
    texts = [
        text[: found.start()] + content + text[found.end() :]
        for sign in IN_FIELD
        for text, found in places
        for content in (sign * len(found[0]), found[0][:-1] + sign)
    ]
    texts += [
        text[: found.start()] + content + text[found.end() :]
        for content in OUT_OF_RANGE
        for text, found in places
    ]
    return [_steady(row, text) for text in dict.fromkeys(texts) if text not in goods]


TAG = re.compile(r"<([A-Za-z][\w-]*)>|\[([A-Z][A-Z_]*)\]")
MOST_TAGS = 4


def tags_turned(anatomy: Anatomy, row: int) -> list[Probe]:
    """Right replies with a tag that is not closed, not opened, doubled or within itself, for every tag of
    the rows' right replies and prompts."""
    shown = [text for one in anatomy.rows for text in (*one.good, one.prompt.text)]
    names = dict.fromkeys(
        (found[0], f"{found[0][0]}/{found[0][1:]}")
        for text in shown
        for found in TAG.finditer(text)
        if f"{found[0][0]}/{found[0][1:]}" in "".join(shown)
    )
    texts: list[str] = []
    for opened, closed in [*names][:MOST_TAGS]:
        good = next((one for one in anatomy.rows[row].good if opened in one), None)
        base = good if good is not None else f"{opened}x{closed}\n{(anatomy.rows[row].good or ('x',))[0]}"
        head, _, rest = base.partition(opened)
        inner, _, tail = rest.partition(closed)
        last, after = base.rpartition(closed)[::2]
        texts += [
            last + after,
            head + opened + inner + tail,
            head + inner + closed + tail,
            f"{base}\n{opened}x",
            f"{head}{opened}{opened}{inner}{closed}{closed}{tail}",
            f"{head}{closed}{inner}{opened}{tail}",
            f"{closed}{base}",
            base[: base.index(opened) + len(opened)],
            base.replace(closed, ""),
            base.replace(opened, ""),
            base.replace(closed, closed.upper() if closed.islower() else closed.lower()),
            base.replace(closed, opened),
            f"{opened}{base}{closed}",
        ]
    texts += _brackets_turned(anatomy.rows[row].good[:1])
    return [_steady(row, text) for text in dict.fromkeys(texts) if text not in anatomy.rows[row].good]


def _brackets_turned(goods: Sequence[str]) -> Iterator[str]:
    """With a bracket, quotation mark or code fence that is not closed, not opened, or turned."""
    for good in goods:
        for opened, closed in (("{", "}"), ("[", "]"), ("(", ")"), ('"', '"'), ("```", "```")):
            first, last = good.find(opened), good.rfind(closed)
            if 0 <= first < last:
                head, inner, tail = good[:first], good[first + len(opened) : last], good[last + len(closed) :]
                yield head + opened + inner + tail
                yield head + inner + closed + tail
                yield head + closed + inner + opened + tail
                yield f"{good}\n{opened}"
                yield head + opened * 2 + inner + closed * 2 + tail


def _all(anatomy: Anatomy, row: int) -> Iterator[Probe]:
    for text in WHOLE:
        yield _steady(row, text)
    goods = _places(anatomy, row)
    for content in FEW:
        yield _steady(row, goods[0].filled(content) if goods else content)
    yield from _with_signs(anatomy, row)
    yield from _several(anatomy, row)
    for good in anatomy.rows[row].good[:1]:
        for text in (
            good[:-1],
            good[1:],
            good * 2,
            good[: len(good) // 2],
            good.replace("\n", " "),
            good.upper(),
            good + "\x00",
            "".join(reversed(good)),
        ):
            yield _steady(row, text)
        yield _steady(row, f"{good}\n" * 30)
        yield from (_steady(row, text) for text in (*_shortened(good), *_signs_turned(good)))


def _shortened(good: str) -> Iterator[str]:
    """A right reply without one of its parts: what is nearly right may hang on chance."""
    if len(good) > LONGEST:
        return
    for name, separator in SEPARATORS:
        parts, gaps = split(good, separator)
        if name in ("line", "item", "phrase", "word") and 2 <= len(parts) <= MOST_PARTS:
            for place in dict.fromkeys((len(parts) - 1, 0, len(parts) // 2)):
                yield without(parts, gaps, place).strip()


def _signs_turned(good: str) -> Iterator[str]:
    """A right reply with one operator, or one digit, turned into another."""
    for sign, other in OPERATORS:
        places = [found.start() for found in re.finditer(re.escape(sign), good)]
        for start in dict.fromkeys((*places[:2], *places[-1:])):
            yield good[:start] + other + good[start + len(sign) :]


def _with_signs(anatomy: Anatomy, row: int) -> Iterator[Probe]:
    """A right reply with an odd sign in place of its value, in it, and after it."""
    goods, texts = anatomy.good_slots(row), anatomy.rows[row].good
    if goods:
        slot = goods[0]
    elif texts:
        last = [*re.finditer(r"\d+", texts[0])] or [*re.finditer(r"\w+", texts[0])]
        slot = Slot(texts[0], *last[-1].span()) if last else Slot(texts[0], 0, len(texts[0]))
    else:
        return
    value = slot.value
    for sign in SIGNS:
        for content in (sign, f"{value}{sign}", f"{value[:1]}{sign}{value[1:]}", f"{sign}{value}"):
            yield _steady(row, slot.filled(content))


def _several(anatomy: Anatomy, row: int) -> Iterator[Probe]:
    """Several replies at once: which of them counts may hang on the order of a set."""
    data = anatomy.rows[row]
    for text in (
        *(f"{good}\n{bad}" for good in data.good[:2] for bad in data.bad[:2]),
        *(f"{bad}\n{good}" for good in data.good[:1] for bad in data.bad[:2]),
        "\n".join([*data.bad, *data.good]),
        ", ".join([*data.bad, *data.good]),
        " ".join(anatomy.rows[(row + 1) % len(anatomy.rows)].good[:1] + data.good[:1]),
    ):
        yield Probe(row, text, SEVERAL, "steady", "of several replies at once")
    for text in _tied(anatomy, row):
        yield Probe(row, text, SEVERAL, "steady", "whose votes are tied")


VOTE = re.compile(r"^(.*?[:=] *)(\S.*?) *$", re.MULTILINE)
"""A line with a label and a value."""


def _tied(anatomy: Anatomy, row: int) -> Iterator[str]:
    """A right reply whose lines vote for one value, as "Attempt 2: x", with a value of its own for each."""
    golds = [one.gold for one in anatomy.rows]
    others = list(dict.fromkeys([*golds[row:], *golds[:row]]))
    for text in anatomy.rows[row].good[:1]:
        votes = [found for found in VOTE.finditer(text) if found[2] in others]
        if len(votes) < 2 or len(others) < len(votes):
            continue
        for turn in range(min(len(votes), MOST_TIES)):
            values = [*others[turn : len(votes)], *others[:turn]]
            changed, end = "", 0
            for found, value in zip(votes, values, strict=False):
                changed += text[end : found.start(2)] + value
                end = found.end(2)
            yield changed + text[end:]


def _steady(row: int, text: str, slow: bool = False) -> Probe:
    return Probe(row, text, "odd_text", "steady", "an odd text", slow=slow)
