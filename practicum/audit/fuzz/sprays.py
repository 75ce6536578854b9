"""Replies that give many different answers, the right one among them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from practicum.audit.fuzz.anatomy import Anatomy
from practicum.audit.fuzz.damage import UNORDERED
from practicum.audit.fuzz.probe import Probe, refused
from practicum.audit.fuzz.values import items_of, number_of
from practicum.audit.fuzz.wrong_answers import wrong_answers


def sprays(anatomy: Anatomy, row: int) -> Iterator[Probe]:
    """Many different answers, the right one among them."""
    form, gold = anatomy.form, anatomy.rows[row].gold
    if anatomy.task != "answer":
        return
    several = list(dict.fromkeys([*anatomy.wrong(row)[:2], gold, *anatomy.others(row)[:5]]))
    if len(several) < 3:
        several += [value for _, value in wrong_answers(anatomy, row)][:3]
    what = "that gives many different answers"
    slots = sorted(anatomy.good_slots(row), key=lambda slot: len(slot.text))
    if not slots:
        return
    if form.named:
        yield refused(row, "\n".join(map(form.of, several)), "answer_spray", what)
        start = slots[0].text[: slots[0].start].rfind(form.before)
        end = slots[0].end + (len(form.after) if form.closed else 0)
        sprayed = slots[0].text[:start] + " ".join(map(form.of, several)) + slots[0].text[end:]
        yield refused(row, sprayed, "answer_spray", what)
    if form.closed or anatomy.short:
        for joint in (", ", " ", " or "):
            yield refused(row, slots[0].filled(joint.join(several)), "answer_spray", what)
    if not form.named:
        yield refused(row, "\n".join(several), "answer_spray", what)
        for good in anatomy.rows[row].good[:1]:
            yield refused(row, "\n".join([*anatomy.rows[row].bad, good, *several]), "answer_spray", what)
    if anatomy.short and re.search(
        r"\b(only|just|nothing else|nothing but)\b", anatomy.rows[row].prompt.text, re.IGNORECASE
    ):
        again = "that repeats the answer many times where the prompt asks for the answer only"
        yield refused(row, " ".join([gold] * 40), "repetition", again)
        yield refused(row, "\n".join([gold] * 40), "repetition", again)
    if re.fullmatch(r"[A-Ea-e]", gold):
        yield refused(row, "A B C D E", "answer_spray", what)
        yield refused(row, "A, B, C, D", "answer_spray", what)
        yield refused(row, "A, B, C or D: all of them, (A) (B) (C) (D)", "answer_spray", what)
    parts = items_of(gold)
    ordered = not UNORDERED.search(anatomy.rows[row].prompt.text) and re.search(
        r"\b(order|sort\w*|rank\w*|ascending|descending|sequence|alphabetical\w*|first to last)\b",
        anatomy.rows[row].prompt.text,
        re.IGNORECASE,
    )
    placed = gold[:1] == "(" and re.search(
        r"\b(?:coordinates?|points?|vectors?|intervals?|ordered pairs?)\b|\(x, ?y(?:, ?z)?\)",
        anatomy.rows[row].prompt.text,
        re.IGNORECASE,
    )
    if len(parts) > 1 and parts != parts[::-1] and (ordered or placed) and gold.count(",") == len(parts) - 1:
        opened, closed = (gold[0], gold[-1]) if gold[0] in "[({" else ("", "")
        turned = opened + ", ".join(reversed(parts)) + closed
        yield refused(row, slots[0].filled(turned), "order_unchecked", "with the parts in the wrong order")
    value = number_of(gold)
    if value is not None and value.denominator == 1:
        first = max(0, abs(value.numerator) - 15)
        numbers = [str(one) for one in range(first, first + 31)]
        if value < 0:
            numbers = [f"-{one}" for one in numbers]
        listed = " ".join(numbers)
        if form.named:
            yield (
                refused(row, slots[0].filled(anatomy.wrong(row)[0]) + "\n" + listed, "number_list", what)
                if anatomy.wrong(row)
                else refused(row, listed, "number_list", what)
            )
        yield refused(row, listed, "number_list", what)
