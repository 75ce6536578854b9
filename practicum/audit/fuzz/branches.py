"""A search led by what of the reward's code runs, as AFL's: texts that reach new code are changed further.

Words of the reward's code are put beside and between values in the place of an answer. One that reaches
instructions which no text before it did is kept, and its values are exchanged for wrong and odd ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from practicum.audit.fuzz.anatomy import Anatomy, Slot, arithmetic
from practicum.audit.fuzz.patterns import examples
from practicum.audit.fuzz.payer import Ask, Payer
from practicum.audit.fuzz.probe import Probe
from practicum.audit.fuzz.values import differ, holds, number_of

FAMILY = "branch"
SHARE = 0.1
"""Share of the calls that it may take."""
FEWEST = 1000
"""Calls below which a search is too short for it."""
SLOWEST = 0.05
"""Share of the seconds that the first texts may take; where they take more, watching is too slow."""
MOST_WORDS = 16
LONGEST = 30
ODD = ("x", "", "0", "\u00b2", "-1", "9" * 400)
"""What stands in the place of a value to see whether it is judged."""
WHAT = "whose wrong answer is in a form that the reward's own code reads"


def branch_probes(payer: Payer, anatomy: Anatomy, constants: Sequence[str | int | float]) -> list[Probe]:
    """The texts that were asked: worthless ones, and ones that must be judged. Raises BudgetSpent."""
    slots = sorted(anatomy.good_slots(0), key=lambda one: len(one.text))
    if anatomy.task != "answer" or not slots or payer.budget < FEWEST:
        return []
    last = payer.calls + int(payer.budget * SHARE)
    slot, value = slots[0], slots[0].value
    known, before = frozenset[str](), payer.seconds_left
    for text in (*anatomy.rows[0].good[:2], *anatomy.rows[0].bad[:2], "", slot.filled(""), slot.filled("x")):
        known |= payer.reached(Ask(0, text))
    if before - payer.seconds_left > SLOWEST * payer.seconds:
        return []
    asked: list[Probe] = []
    for word in words_of_code(constants, anatomy):
        for form in ("{word}{value}", "{value}{word}", "{value}{word}{value}"):
            if payer.calls >= last:
                return asked
            text = slot.filled(form.format(word=word, value=value))
            new = payer.reached(Ask(0, text)) - known
            asked.append(Probe(0, text, "odd_text", "steady", "an odd text"))
            if new:
                known |= new
                asked += list(_changed(anatomy, slot, word, form))[: max(0, last - payer.calls)]
    payer.pay([Ask(one.row, one.text) for one in asked])
    return asked


def words_of_code(constants: Sequence[str | int | float], anatomy: Anatomy) -> list[str]:
    """Short texts of the code as they are, with their spaces, and of what its patterns match; none of those
    that stand in right replies."""
    shown = "\n".join(text for row in anatomy.rows for text in row.good)
    found: dict[str, None] = {}
    for one in constants:
        if isinstance(one, str) and 0 < len(one) <= LONGEST:
            for part in (one, *(examples(one) if any(sign in one for sign in "\\[(*+?") else ())):
                if part.strip() and not part.strip().isdigit() and part.strip() not in shown:
                    found[part] = None
    return list(found)[:MOST_WORDS]


def _changed(anatomy: Anatomy, slot: Slot, word: str, form: str) -> Iterator[Probe]:
    """The text with wrong values, and with odd ones, in the place of the right one."""
    gold = anatomy.rows[0].gold
    right = number_of(gold)
    for first, second in _wrong(anatomy):
        text = form.replace("{value}", first, 1).replace("{value}", second, 1).replace("{word}", word)
        if differ(text, gold) and not holds(text, gold) and arithmetic(text) != right:
            yield Probe(0, slot.filled(text), FAMILY, "refused", WHAT)
    for odd in ODD:
        text = form.replace("{value}", odd).replace("{word}", word)
        yield Probe(0, slot.filled(text), "odd_text", "steady", "an odd text")


def _wrong(anatomy: Anatomy) -> list[tuple[str, str]]:
    """Pairs of wrong numbers: equal ones, and ones on both sides of the right one; none for other answers,
    which a word may turn into the right one."""
    number = number_of(anatomy.rows[0].gold)
    if number is None:
        return []
    whole = int(number)
    wrong = [one for one in (*anatomy.wrong(0)[:2], *anatomy.others(0)[:1]) if number_of(one) is not None]
    return [*((one, one) for one in (*wrong, str(whole * 3 + 7))), (str(whole - 9), str(whole + 9))]
