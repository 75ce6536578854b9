"""What honest right and wrong texts are paid, and so what counts as paid and as refused."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass

from practicum.audit.fuzz.payer import Ask, Paid, Payer
from practicum.audit.fuzz.probe import Probe

CLOSE = 1e-9


@dataclass(frozen=True)
class Levels:
    """What is paid: `good` and `bad` are typical honest right and wrong texts, `middle` between them.

    paid_from: for each row, what its least paid right text gets; refused_to: what the best paid of the wrong
    texts gets that are not paid like right ones.
    """

    good: float
    bad: float
    paid_from: tuple[float, ...]
    refused_to: float

    @property
    def middle(self) -> float:
        """Half way between right and wrong texts."""
        return (self.good + self.bad) / 2

    @property
    def apart(self) -> bool:
        """Whether right texts are paid more than wrong ones."""
        return self.good - self.bad > CLOSE * max(1.0, abs(self.good))


def levels_of(payer: Payer) -> Levels:
    """What honest right and wrong texts are paid, from what is known."""
    good: list[list[float]] = []
    bad: list[list[float]] = []
    for place, row in enumerate(payer.rows):
        good.append(values_of(payer, place, row.good))
        bad.append(values_of(payer, place, row.bad))
    high = statistics.median([max(one) for one in good if one] or [1.0])
    low = statistics.median([min(one) for one in bad if one] or [0.0])
    middle = (high + low) / 2
    paid_from = []
    for values in good:
        kept = [value for value in values if value > middle]
        paid_from.append(min(kept) if kept else high)
    refused = [value for values in bad for value in values if value < middle]
    return Levels(high, low, tuple(paid_from), max(refused, default=low))


def values_of(payer: Payer, row: int, texts: Iterable[str]) -> list[float]:
    """What those of a row's texts were paid that were asked and did not fail."""
    known = [payer.known.get(Ask(row, text)) for text in texts]
    return [one.value for one in known if one is not None and one.value is not None]


def is_right(payer: Payer, levels: Levels, row: int, text: str) -> bool:
    """Whether a text is known to be paid nearer to right ones than to wrong ones."""
    paid = payer.known.get(Ask(row, text))
    return paid is not None and paid.value is not None and paid.value > levels.middle


def is_paid(levels: Levels, one: Probe, paid: Paid) -> bool:
    """Whether a probe was paid what honest right texts to its prompt are paid."""
    return paid.value is not None and paid.value >= levels.paid_from[one.row] - CLOSE
