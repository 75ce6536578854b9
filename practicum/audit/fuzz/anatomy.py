"""How right answers to these rows are written, learned from honest texts: where the answer stands and how.

The form of an answer is what stands before it and after it in nearly all honest right texts, as `\\boxed{`
and `}`, `<answer>` and `</answer>`, or `Answer:` and nothing.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Literal

from practicum.audit.fuzz.rows import FuzzRow
from practicum.audit.fuzz.values import (
    DATE,
    NUMBER,
    differ,
    distinct,
    holds,
    items_of,
    json_of,
    number_of,
    readings,
    words_of,
)

Task = Literal["answer", "expression", "code", "form", "open"]
"""answer: the gold answer stands in the text; expression: arithmetic with its value does; code: a program;
form: any answer in the right form is paid; open: anything else, as a text that obeys instructions."""
MOST_SHARE = 0.8
CLOSED = re.compile(r"\\boxed\{((?:[^{}]|\{[^{}]*\})*)\}|<(\w+)>([^<]*)</\2>")
BLOCK = re.compile(r"```[^\n`]*\n.*?```", re.DOTALL)
ASKS_FOR = re.compile(r"\b(?:contain|includ|mention|featur)\w*|\buse the (?:words?|phrase)\b", re.IGNORECASE)
"""How prompts ask for a text with something in it, where more text is no contradiction."""
WRITES = re.compile(
    r"\b(?:write|compose|describe|invent|draft|create|tell)\b[^.?!]{0,60}\b(?:sentences?|stor(?:y|ies)|poems?"
    r"|paragraphs?|texts?|lines|words|limericks?|haikus?|slogans?|headlines?|captions?|tweets?|verses?)\b",
    re.IGNORECASE,
)
"""How prompts ask for a text of one's own, where an answer to be found in it is a condition."""
BALANCED = r"(?:[^{}]|\{(?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*\})*?"
"""What stands between braces, with braces of its own down to three levels."""
ROUNDED = Fraction(1, 100)
"""How far a right reply may be from a gold decimal, as a share of it."""
SMALL = 40
"""Fewest letters of text before an answer that count as reasoning."""
LIMITS = re.compile(
    r"\b(?:\d+|one|two|three|few|fewer|most|under|single|short) "
    r"(?:words?|sentences?|characters?|letters|lines?|tokens)\b"
    r"|\b(?:briefly|brief|short|concise|concisely|at most|only|nothing else|nothing but|just the)\b",
    re.IGNORECASE,
)
"""How prompts limit the length of a reply."""


@dataclass(frozen=True)
class Slot:
    """Where the answer stands in an honest text: [start, end)."""

    text: str
    start: int
    end: int

    @property
    def value(self) -> str:
        """The answer as it is written."""
        return self.text[self.start : self.end]

    def filled(self, value: str) -> str:
        """The text with another answer in its place, and on the other lines that vote for it."""
        head, label = self.text[: self.start], self.text[: self.start].rpartition("\n")[2]
        if re.search(r"\d\W*$", label) and "\n" in head:
            # "Attempt 3: x" stands below "Attempt 2: x".
            line = re.sub(r"\d+", r"\\d+", re.escape(label))
            vote = re.compile(rf"^({line}){re.escape(self.value)}(?=[ \t]*$)", re.MULTILINE)
            head = vote.sub(lambda one: one[1] + value, head)
        return head + value + self.text[self.end :]


@dataclass(frozen=True)
class Form:
    """What stands before and after an answer in honest right texts; both empty where it stands alone."""

    before: str = ""
    after: str = ""
    gap: str = ""

    @property
    def named(self) -> bool:
        """Whether there is anything around the answer."""
        return bool(self.before)

    @property
    def closed(self) -> bool:
        """Whether the answer has an end mark."""
        return bool(self.after)

    @property
    def tagged(self) -> bool:
        """Whether the form is a pair of tags, of which a text may hold only one."""
        return self.before.endswith(">") and self.after.startswith("<")

    def of(self, value: str) -> str:
        """An answer in this form."""
        return f"{self.before}{self.gap}{value}{self.after}"

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """What finds the answers in this form."""
        end = re.escape(self.after) if self.after else r"(?=\n|$)"
        # A brace within the answer, as in "\boxed{\frac{1}{2}}", does not end it.
        inside = BALANCED if self.before.endswith("{") and self.after.startswith("}") else r".*?"
        # All white space belongs to the gap: tried in every length, much of it would take minutes.
        gap = r"\s*(?!\s)"
        return re.compile(
            re.escape(self.before) + rf"{gap}({inside})\s*" + end, re.DOTALL if self.after else 0
        )

    def values(self, text: str) -> list[str]:
        """All answers that a text gives in this form."""
        return [str(one) for one in self.pattern.findall(text)] if self.named else []


@dataclass(frozen=True)
class Anatomy:
    """What was learned about a set of rows."""

    rows: tuple[FuzzRow, ...]
    task: Task
    form: Form
    slots: Mapping[tuple[int, str], Slot]

    @property
    def short(self) -> bool:
        """Whether the answer stands alone: a text is the answer and nothing else."""
        return (
            bool(self.slots)
            and not self.form.named
            and all(slot.value.strip() == slot.text.strip().strip(".") for slot in self.slots.values())
        )

    @cached_property
    def final(self) -> bool:
        """Whether replies carry one final value: in a form, alone, or as the last word of nearly all."""
        if self.form.named or self.short:
            return True
        ends = [not re.search(r"\w", slot.text[slot.end :]) for slot in self.slots.values()]
        return bool(ends) and sum(ends) >= MOST_SHARE * len(ends)

    @cached_property
    def alternatives(self) -> bool:
        """Whether gold answers list alternatives: a right reply to some row gives one part alone."""
        for row in self.rows:
            parts = [part.casefold() for part in items_of(row.gold)]
            said = [text.strip().strip(".").casefold() for text in row.good]
            said += [value.strip().casefold() for text in row.good for value in self.form.values(text)[-1:]]
            if len(parts) > 1 and any(one in parts for one in said):
                return True
        return False

    def allowed(self, row: int, value: str) -> bool:
        """Whether a value is right by what the row shows: as a right reply, or as an alternative."""
        plain = value.strip().casefold()
        shown = {text.strip().casefold() for text in self.rows[row].good}
        shown |= {slot.value.strip().casefold() for slot in self.good_slots(row)}
        if plain in shown:
            return True
        parts = {part.casefold() for part in items_of(self.rows[row].gold)}
        said = {part.casefold() for part in items_of(value)}
        return self.alternatives and bool(said) and said <= parts

    def good_slots(self, row: int) -> list[Slot]:
        """Honest right texts of a row in which the answer was found."""
        return [self.slots[row, text] for text in self.rows[row].good if (row, text) in self.slots]

    def others(self, row: int) -> list[str]:
        """Gold answers of other rows that differ from this row's for certain."""
        gold = self.rows[row].gold
        found = distinct(one.gold for place, one in enumerate(self.rows) if place != row)
        return [one for one in found if differ(one, gold)]

    def wrong(self, row: int) -> list[str]:
        """Wrong answers to a row, as its honest wrong texts give them in the form."""
        gold = self.rows[row].gold
        found = [value for text in self.rows[row].bad for value in self.form.values(text)[-1:]]
        if self.short:
            found = list(self.rows[row].bad)
        return [one for one in dict.fromkeys(found) if one and len(one) < 80 and differ(one, gold)]

    def reasons(self, row: int) -> list[Slot]:
        """Right texts of a row with reasoning before the answer."""
        return [slot for slot in self.good_slots(row) if len(self.lead(slot).strip()) > 0]

    def lead(self, slot: Slot) -> str:
        """What stands before the answer and its form."""
        head = slot.text[: slot.start].rstrip()
        before = self.form.before.rstrip()
        return head[: len(head) - len(before)] if before and head.endswith(before) else head

    @cached_property
    def free(self) -> bool:
        """Whether reasoning before the answer is free: honest right texts have it, of several kinds."""
        leads = {self.lead(slot).strip() for slot in self.slots.values()}
        return len([one for one in leads if re.search(r"[a-z0-9]", one)]) >= 2

    @cached_property
    def spellings(self) -> set[str]:
        """Kinds of equal spellings that honest right answers show: case, period, commas, number, space."""
        found: set[str] = set()
        for (row, _), slot in self.slots.items():
            gold, value = self.rows[row].gold, slot.value.strip()
            if value == gold:
                continue
            if value.casefold() == gold.casefold():
                found.add("case")
            if value.replace(",", "") == gold.replace(",", "") and number_of(gold) is not None:
                found.add("commas")
            elif number_of(gold) is not None and number_of(value) == number_of(gold):
                found.add("number")
            if re.sub(r"\s", "", value) == re.sub(r"\s", "", gold):
                found.add("space")
        return found


def learned(rows: Sequence[FuzzRow]) -> Anatomy:
    """How right answers to these rows are written, and of what kind the task is."""
    goods = [(place, text) for place, row in enumerate(rows) for text in row.good]
    slots: dict[tuple[int, str], Slot] = {}
    if goods and sum(bool(BLOCK.search(text)) for _, text in goods) > MOST_SHARE * len(goods):
        return Anatomy(tuple(rows), "code", Form(), {})
    for place, text in goods:
        slot = _slot_of_gold(text, rows[place].gold)
        if slot is not None:
            slots[place, text] = slot
    # In a form that all keep, the others are the same answer written another way.
    marked_all = all(marked(text) is not None for _, text in goods)
    held = len(slots) >= (0.5 if marked_all else 0.7) * len(goods) and bool(goods)
    if not held or len(distinct(row.gold for row in rows)) < min(2, len(rows)):
        closed = {(place, text): slot for place, text in goods for slot in [marked(text)] if slot}
        if len(closed) >= MOST_SHARE * len(goods) > 0 and _valued(rows, closed):
            return Anatomy(tuple(rows), "expression", _form_of(list(closed.values())), closed)
        return Anatomy(tuple(rows), "open", Form(), {})
    form = _form_of(list(slots.values()))
    if form.named:
        # An answer outside of the form is a mention; inside of it, it is the answer.
        slots = {
            key: found for key in slots for found in [_slot_in(form, key[1], rows[key[0]].gold)] if found
        }
        for place, text in goods:
            if (place, text) not in slots:
                spelled = _any_slot_in(form, text)
                if spelled is not None:
                    slots[place, text] = spelled
    values = [slot.value.strip() for slot in slots.values()]
    if (
        form.named
        and sum(_arithmetic(value) is not None and number_of(value) is None for value in values) >= 2
    ):
        return Anatomy(tuple(rows), "expression", form, slots)
    holding = [holds(text, row.gold) for row in rows for text in row.bad]
    if holding and sum(holding) > len(holding) / 2:
        return Anatomy(tuple(rows), "form", form, slots)
    found = Anatomy(tuple(rows), "answer", form, slots)
    if not found.final and all(ASKS_FOR.search(row.prompt.text) for row in rows):
        return Anatomy(tuple(rows), "open", Form(), {})
    written = all(WRITES.search(row.prompt.text) and "?" not in row.prompt.text for row in rows)
    if written and not form.named and not found.short:
        return Anatomy(tuple(rows), "open", Form(), {})
    return found


def _slot_of_gold(text: str, gold: str) -> Slot | None:
    """The last place where the gold answer stands, as it is or as an equal number or spelling."""
    if not gold or (json_of(gold) is not None and len(gold) > 30):
        return None
    flat, wanted = text.casefold(), gold.casefold()
    places = [one.start() for one in re.finditer(re.escape(wanted), flat)] if len(flat) == len(text) else []
    value, last = number_of(gold), marked(text)
    for start in reversed(places):
        end = start + len(gold)
        if not _inside_word(text, start, end):
            if last is not None and value is not None and end <= last.start:
                # The number of the work, unrounded, stands before the answer, which is rounded.
                return last if _rounds(number_of(last.value), value) else Slot(text, start, end)
            return Slot(text, start, end)
    if value is not None:
        for found in reversed(list(re.finditer(NUMBER, text))):
            if _rounds(number_of(found[0]), value):
                return Slot(text, found.start(), found.end())
    dated = [found for found in DATE.finditer(text) if gold in readings(found[0])]
    if dated:
        return Slot(text, *dated[-1].span())
    if last is not None and _same(last.value, gold):
        return last
    stripped = text.strip()
    if _same(stripped, gold):
        start = text.index(stripped)
        return Slot(text, start, start + len(stripped))
    return None


def _rounds(number: Fraction | None, gold: Fraction) -> bool:
    """Whether a number is the gold one, or is what a right reply makes of a decimal by rounding."""
    if number is None or number == gold:
        return number is not None
    return gold.denominator != 1 and abs(number - gold) <= ROUNDED * abs(gold)


def core_of(text: str) -> str:
    """What a reply gives as its answer by the marks around it: the content of its last tag or box, its code
    block, or its last line behind a label; empty where there are no marks."""
    block = BLOCK.search(text)
    if block:
        return block[0]
    slot = marked(text)
    return "" if slot is None else slot.value


def _same(one: str, other: str) -> bool:
    first, second = ("".join(words_of(text)) for text in (one, other))
    # A sign of times may be left out before pi.
    return first == second or ("pi" in first and first.replace("*", "") == second.replace("*", ""))


def _inside_word(text: str, start: int, end: int) -> bool:
    before, after = text[start - 1 : start], text[end : end + 1]
    if before and (before.isalnum() or before == "_") and text[start].isalnum():
        return True
    if after and (after.isalnum() or after == "_") and text[end - 1].isalnum():
        return True
    if text[start].isdigit() and re.search(r"\d[.,/]$|[-/]$", text[max(0, start - 2) : start]):
        return True
    return text[end - 1].isdigit() and re.match(r"[.,/]\d", text[end:]) is not None


def marked(text: str) -> Slot | None:
    """Where the content of the last box or tag of a text stands, or of its last line after a label."""
    found = list(CLOSED.finditer(text))
    if found:
        group = 1 if found[-1][1] is not None else 3
        start, end = found[-1].span(group)
        return _stripped(text, start, end)
    label = list(re.finditer(r"^[A-Za-z#*][\w #*]{0,24}[:#]+[ ]*(.+)$", text.rstrip(), re.MULTILINE))
    if label and label[-1].end() == len(text.rstrip()):
        return _stripped(text, *label[-1].span(1))
    return None


def _stripped(text: str, start: int, end: int) -> Slot:
    inner = text[start:end]
    left = len(inner) - len(inner.lstrip())
    return Slot(text, start + left, start + max(left, len(inner.rstrip())))


def _form_of(slots: Sequence[Slot]) -> Form:
    """The longest marks that stand around the answer in nearly all texts."""
    heads = [slot.text[: slot.start].rstrip(" \n\t\"'$*") for slot in slots]
    tails = [slot.text[slot.end :].lstrip(" \n\t") for slot in slots]
    before = _shared_end(heads)
    after = _shared_start(tails) if before else ""
    if not before:
        return Form()
    gaps = Counter(
        slot.text[len(head) : slot.start]
        for slot, head in zip(slots, heads, strict=True)
        if head.endswith(before)
    )
    gap = gaps.most_common(1)[0][0]
    return Form(before, after, gap if not gap.strip() else "")


def _shared_end(texts: Sequence[str]) -> str:
    """The longest mark, within a line, that nearly all texts end with; it begins at a word or a sign."""
    ends: Counter[str] = Counter()
    for text in texts:
        line = text.rpartition("\n")[2]
        for size in range(1, min(len(line), 30) + 1):
            part = line[-size:]
            cut = line[-size - 1 : -size] if size < len(line) else ""
            if not (part[0].isalnum() and cut.isalnum()) and not part[0].isspace():
                ends[part] += 1
    kept = [
        part
        for part, count in ends.items()
        if count >= MOST_SHARE * len(texts) and re.search(r"\W|^\w+$", part)
    ]
    best = max(kept, key=len, default="")
    if best.endswith(">") and "<" in best:
        return best[best.rindex("<") :]
    return best if re.search(r"[:#{<>\[(*=|$\"]", best) or len(best) > 3 else ""


def _shared_start(texts: Sequence[str]) -> str:
    starts: Counter[str] = Counter()
    for text in texts:
        line = text.partition("\n")[0]
        for size in range(1, min(len(line), 14) + 1):
            starts[line[:size]] += 1
    kept = [part for part, count in starts.items() if count >= MOST_SHARE * len(texts)]
    best = max(kept, key=len, default="")
    return best if re.match(r"[}\]>)<*|\"']", best) else ""


def _slot_in(form: Form, text: str, gold: str) -> Slot | None:
    """The last answer in the form that is not another than the gold one."""
    for found in reversed(list(form.pattern.finditer(text))):
        start, end = found.span(1)
        inner = _slot_of_gold(text[start:end], gold)
        if inner is not None:
            return Slot(text, start + inner.start, start + inner.end)
    return None


def _any_slot_in(form: Form, text: str) -> Slot | None:
    found = list(form.pattern.finditer(text))
    return Slot(text, *found[-1].span(1)) if found else None


def _valued(rows: Sequence[FuzzRow], slots: Mapping[tuple[int, str], Slot]) -> bool:
    """Whether what stands in the slots is arithmetic with the value of the gold answer."""
    hits = 0
    for (row, _), slot in slots.items():
        value, gold = _arithmetic(slot.value), number_of(rows[row].gold)
        hits += value is not None and (gold is None or value == gold)
    return hits >= MOST_SHARE * len(slots)


def _arithmetic(text: str) -> Fraction | None:
    """The value of an expression of numbers, + - * / ** and brackets; None for anything else, or large."""
    if not re.fullmatch(r"[0-9+\-*/(). ]{1,100}", text.strip()) or DATE.fullmatch(text.strip()):
        return None
    try:
        return _value(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, ValueError, RecursionError, ZeroDivisionError, MemoryError, OverflowError):
        return None


arithmetic = _arithmetic


def _value(node: ast.AST) -> Fraction:
    if isinstance(node, ast.Constant) and type(node.value) is int:
        return Fraction(node.value)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_value(node.operand)
    if not isinstance(node, ast.BinOp):
        raise ValueError
    left, right = _value(node.left), _value(node.right)
    if isinstance(node.op, ast.Add):
        return left + right
    if isinstance(node.op, ast.Sub):
        return left - right
    if isinstance(node.op, ast.Mult):
        return left * right
    if isinstance(node.op, ast.Div):
        return left / right
    if isinstance(node.op, ast.Pow) and right.denominator == 1 and 0 <= right <= 40 and abs(left) < 1000:
        return left**right.numerator
    raise ValueError
