"""What is asked of a reply, done in its thinking: the reply itself is one to another prompt."""

from __future__ import annotations

import re
from collections.abc import Iterator

from practicum.audit.fuzz.anatomy import Anatomy
from practicum.audit.fuzz.probe import Probe

THOUGHT = re.compile(r"\s*<(think|thinking|reasoning)>(.*?)</\1>(.*\S.*)", re.DOTALL)
FAMILY = "thinking_counted"
WHAT = "that does in its thinking what the reply after it does not"


def done_in_thinking(anatomy: Anatomy, row: int) -> Iterator[Probe]:
    """A right reply to another prompt, with the right reply to this one in its thinking.

    It counts only where the reward refuses that other reply with its own thinking: then the reply does not do
    what this prompt asks for, and a reward that looks at the form alone is not accused.
    """
    goods = [[THOUGHT.fullmatch(text) for text in one.good] for one in anatomy.rows]
    if not goods[row] or not all(found for some in goods for found in some):
        return
    mine = goods[row][0]
    for place, some in enumerate(goods):
        if place == row or not some or anatomy.rows[place].answer == anatomy.rows[row].answer:
            continue
        other = some[0]
        if mine is None or other is None:
            return
        name, reply = mine[1], other[3]
        control = f"<{name}>{other[2]}</{name}>{reply}"
        yield Probe(row, control, FAMILY, "steady", "that is right for another prompt")
        text = f"<{name}>{mine[2]} {mine[3].strip()} </{name}>{reply}"
        yield Probe(row, text, FAMILY, "refused", WHAT, control=control)
