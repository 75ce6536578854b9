"""What a reward refuses at the end of a short text, behind much other text: some look at a part alone.

A judge is shown the first thousand letters, a search goes over the last three hundred. It counts only where
the reward refuses the same without the text between, on all rows: that text cannot be what makes it right.
"""

from __future__ import annotations

from collections.abc import Iterator

from practicum.audit.fuzz.anatomy import Anatomy
from practicum.audit.fuzz.probe import Probe

FAMILY = "behind_long_text"
IDLE = "Thank you for reading this far; the rest of it is here so that nothing is left unsaid. "
LENGTHS = (14, 70)
"""Times that it is said: about 1,200 and 6,000 letters."""
MOST = 2


def behind_long_text(anatomy: Anatomy, row: int) -> Iterator[Probe]:
    """A right reply and a wrong one to a row, in either order, with much text between them."""
    data = anatomy.rows[row]
    if anatomy.task == "code" or not data.good:
        return
    good = min(data.good, key=len)
    for bad in data.bad[:MOST]:
        for what, first, last in (
            ("that is right, with a wrong reply after much text", good, bad),
            ("that is wrong, with a right reply after much text", bad, good),
        ):
            control = f"{first}\n{last}"
            yield Probe(row, control, FAMILY, "steady", "of a right reply and a wrong one")
            for times in LENGTHS:
                text = f"{first}\n{(IDLE * times).strip()}\n{last}"
                yield Probe(row, text, FAMILY, "refused", what, alone=False, control=control)
