"""Whether a reward says the same of the same text: alone, in batches, again, and in other processes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from practicum.audit.fuzz.payer import Ask, BudgetSpent, Paid, Payer

CLOSE = 1e-9
REPEATS = 10
LENGTH_REPEATS = 4
HASH_SEEDS = ("1", "2", "3", "4")
ALONE_SHARE = 0.4
CAUSES = {
    "random": "The same reply to the same prompt is paid {low:g} or {high:g} by chance",
    "history": "A reply is paid {first:g} at first and {second:g} when it is judged again",
    "hash_order": "A reply is paid {low:g} or {high:g}, as the process's hash seed falls",
    "batch": "A reply is paid {low:g} or {high:g}, as the other replies of its batch fall",
}


@dataclass(frozen=True)
class Unsteady:
    """A text that is not always paid the same: why, and the rewards seen."""

    ask: Ask
    cause: str
    seen: tuple[float, ...]

    @property
    def sentence(self) -> str:
        """In plain English, without the end."""
        return CAUSES[self.cause].format(
            low=min(self.seen), high=max(self.seen), first=self.seen[0], second=self.seen[-1]
        )


def same(one: Paid, other: Paid) -> bool:
    """Whether two payments are one, or whether one of them was not waited for."""
    if {one.error, other.error} & {"hang", "unasked"}:
        return True
    if one.value is None or other.value is None:
        return one.key == other.key
    return abs(one.value - other.value) <= CLOSE * max(1.0, abs(one.value))


def moved(payer: Payer, asks: Sequence[Ask], seed: int, room: int) -> list[Ask]:
    """Of texts that were asked before, those that are paid otherwise when they are asked again: in the same
    process, then in one with another hash seed, in another order and other batches; at most `room` calls."""
    random = Random(f"again {seed}")
    known = [one for one in asks if one in payer.known]
    found: dict[Ask, None] = {}
    here = random.sample(known, min(len(known), room // 6))
    _compare(payer, here, "0", 1, found)
    there = random.sample(known, min(len(known), max(0, room - len(here))))
    cut = int(len(there) * ALONE_SHARE)
    _compare(payer, there[:cut], "1", 1, found)
    _compare(payer, there[cut:], "1", 16, found)
    return list(found)


def _compare(payer: Payer, asks: Sequence[Ask], seed: str, batch: int, found: dict[Ask, None]) -> None:
    for start in range(0, len(asks), 48):
        some = asks[start : start + 48]
        if len(some) > payer.left:
            return
        for one, paid in zip(some, payer.again(some, batch, seed), strict=True):
            if not same(paid, payer.known[one]):
                found[one] = None


def moved_at_any_length(payer: Payer, asks: Sequence[Ask], room: int) -> list[Ask]:
    """Of texts that were asked before, those that are paid otherwise when they are asked again several times.

    Chance may decide on texts of some lengths alone, of which there may be few: so a text is taken for each
    row and each half-octave of length in words, the rarest lengths first; at most `room` calls.
    """
    by_length: dict[tuple[int, int], list[Ask]] = {}
    for one in asks:
        if one in payer.known:
            words = len(one.text.split())
            by_length.setdefault((one.row, round(2 * math.log2(1 + words))), []).append(one)
    rarest = sorted(by_length.values(), key=len)[: room // LENGTH_REPEATS]
    found: dict[Ask, None] = {}
    for some in rarest:
        if payer.left < LENGTH_REPEATS:
            break
        paid = payer.again(some[-1:] * LENGTH_REPEATS, LENGTH_REPEATS)
        if not all(same(one, payer.known[some[-1]]) for one in paid):
            found[some[-1]] = None
    return list(found)


def moved_by_hash(payer: Payer, asks: Sequence[Ask]) -> list[Ask]:
    """Of texts that were asked before, those that the first other hash seed to pay any otherwise does."""
    found: dict[Ask, None] = {}
    for seed in HASH_SEEDS:
        _compare(payer, asks, seed, 16, found)
        if found:
            # What is left of the budget is for the diagnosis.
            break
    return list(found)


def repeated(payer: Payer, asks: Sequence[Ask]) -> list[Ask]:
    """Texts that are paid differently in one batch of nothing but them, or one after another."""
    found = []
    for one in asks:
        if payer.left < 2 * REPEATS:
            break
        together = payer.again([one] * REPEATS, REPEATS)
        apart = payer.again([one] * (REPEATS // 2), 1)
        if not all(same(paid, payer.known[one]) for paid in [*together, *apart]):
            found.append(one)
    return found


def crossed(payer: Payer) -> list[Ask]:
    """Right texts that are paid otherwise in a batch that holds the same text for other rows."""
    found: list[Ask] = []
    count = len(payer.rows)
    for row in range(min(count, 3)):
        for text in payer.rows[row].good[:1]:
            mine = Ask(row, text)
            others = [Ask(other, text) for other in range(count) if other != row]
            for batch in ([mine, *others], [*others, mine]):
                if len(batch) > payer.left:
                    return found
                paid = payer.again(batch, len(batch))[batch.index(mine)]
                if mine in payer.known and not same(paid, payer.known[mine]):
                    found.append(mine)
    return found


def diagnosed(payer: Payer, ask: Ask, batched: bool = False) -> Unsteady | None:
    """Why a text is not always paid the same; None where it is, in fresh processes. `batched`: the other rows
    of its batch were seen to matter."""
    known = payer.known[ask]
    values = _values(payer, ask, "0", 12)
    again = _values(payer, ask, "0", 6)
    if not values or not again:
        return None
    seen = tuple(dict.fromkeys([*values, *again]))
    if len(seen) > 1:
        steady = len(set(values[1:])) == 1 and values[0] != values[1] and values[0] == again[0]
        grows = values[: len(again)] == again
        if (steady or grows) and _values(payer, ask, "0", len(values)) == values:
            return Unsteady(ask, "history", tuple(dict.fromkeys(values)))
        return Unsteady(ask, "random", seen)
    for hash_seed in HASH_SEEDS:
        others = _values(payer, ask, hash_seed, 1)
        if set(others) - set(seen):
            # A seed that decides does so each time.
            others += _values(payer, ask, hash_seed, 3) + _values(payer, ask, hash_seed, 3)
            cause = "hash_order" if len(set(others)) == 1 else "random"
            return Unsteady(ask, cause, tuple(dict.fromkeys([*seen, *others])))
    if known.value is not None and abs(known.value - seen[0]) > CLOSE:
        return Unsteady(ask, "batch", (seen[0], known.value))
    return _in_batch(payer, ask, seen[0]) if batched else None


def _in_batch(payer: Payer, ask: Ask, alone: float) -> Unsteady | None:
    """The text beside itself for other rows, once more."""
    others = [Ask(other, ask.text) for other in range(len(payer.rows)) if other != ask.row]
    for batch in ([ask, *others], [*others, ask]):
        if len(batch) > payer.left:
            return None
        paid = payer.again(batch, len(batch))[batch.index(ask)]
        if paid.value is not None and abs(paid.value - alone) > CLOSE:
            return Unsteady(ask, "batch", (alone, paid.value))
    return None


def _values(payer: Payer, ask: Ask, seed: str, count: int) -> list[float]:
    """What a text is paid in a fresh process; nothing where the budget is spent."""
    try:
        return [paid.value for paid in _fresh(payer, ask, seed, count) if paid.value is not None]
    except BudgetSpent:
        return []


def _fresh(payer: Payer, ask: Ask, seed: str, count: int) -> list[Paid]:
    payer.fresh(seed)
    return payer.again([ask] * count, 1, seed)
