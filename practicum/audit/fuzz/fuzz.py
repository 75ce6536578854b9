"""The fuzzer: pay honest texts, learn how answers are written, try what should be refused, paid and judged.

A text counts as paid where it gets at least what the least paid honest right text to its prompt gets, and as
refused where it gets at most what honest wrong texts get. What lies between is told nobody.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from practicum.audit.fuzz.anatomy import Anatomy, learned
from practicum.audit.fuzz.branches import branch_probes
from practicum.audit.fuzz.decided import accepted, no_difference, refused
from practicum.audit.fuzz.dictionary import own_words
from practicum.audit.fuzz.failures import failures, together, unsteady_findings
from practicum.audit.fuzz.findings import Finding
from practicum.audit.fuzz.json_types import any_shape
from practicum.audit.fuzz.levels import Levels, is_paid, levels_of
from practicum.audit.fuzz.odd import SEVERAL, numbers_turned, odd_probes, slow_probes, tags_turned
from practicum.audit.fuzz.payer import HANG, QUICK, Ask, BudgetSpent, Payer
from practicum.audit.fuzz.probe import Probe
from practicum.audit.fuzz.right import right_probes
from practicum.audit.fuzz.steady import (
    Unsteady,
    crossed,
    diagnosed,
    moved,
    moved_at_any_length,
    moved_by_hash,
    repeated,
)
from practicum.audit.fuzz.wrong import wrong_probes
from practicum.errors import InputError

FIRST_SHARE = 0.6
"""Share of the budget for texts that were not asked before; the rest asks again, confirms and shrinks."""
MOST_SLOW = 2
BY_CHANCE = "equal_at_half_the_points"
"""Family of texts that a reward pays now and then which draws the points it compares at."""
MOST_BY_CHANCE = 9
"""Of these, how many are asked again and again."""
MOST_SHAKY = 6
"""Texts seen to be paid differently that are asked for the cause of it."""


@dataclass
class Fuzzed:
    """What came of it; `notes` say in words what was examined and what could not be."""

    anatomy: Anatomy
    levels: Levels
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def fuzz(payer: Payer, seed: int = 0) -> Fuzzed:
    """Examine a reward on the payer's rows. Raises InputError where it fails on every honest text, and where
    the budget does not last until these are paid.
    """
    rows = payer.rows
    honest = [Ask(place, text) for place, row in enumerate(rows) for text in (*row.good, *row.bad)]
    paid = payer.pay(honest)
    if all(one.error for one in paid):
        raise InputError(f"reward {payer.function.text}: it fails on every honest text: {paid[0].words}")
    levels = levels_of(payer)
    found = Fuzzed(learned(rows), levels)
    payer.patience = 2 * HANG if found.anatomy.task == "code" else HANG
    unsteady: list[Unsteady] = []
    tried: list[Probe] = []
    payer.reserve(min(80, payer.budget // 20), 0.2)
    try:
        mixed = crossed(payer)
        unsteady += [cause for one in mixed[:1] for cause in [diagnosed(payer, one, batched=True)] if cause]
        shaky = repeated(payer, [one for one in honest if one.text in rows[one.row].good][:3])
        shaky += moved(payer, honest, seed, 2 * len(honest))
        unsteady += _causes(payer, shaky)
        tried = _own_words(payer, found.anatomy, levels)
        tried += branch_probes(payer, found.anatomy, payer.constants())
        tried += _first_pass(payer, found.anatomy)
        asks = [Ask(one.row, one.text) for one in tried if not one.slow]
        shaky = repeated(
            payer, [Ask(one.row, one.text) for one in tried if one.family == BY_CHANCE][:MOST_BY_CHANCE]
        )
        shaky += moved(payer, asks, seed, max(0, int(payer.left * 0.62)))
        shaky += moved_by_hash(payer, [*honest[:8], *_spread(tried, 44)])
        unsteady += _causes(payer, [one for one in shaky if one not in {two.ask for two in unsteady}])
        _slow_pass(payer, found.anatomy, tried)
        if not unsteady:
            unsteady += _causes(payer, moved_at_any_length(payer, asks, payer.left // 2))
    except BudgetSpent:
        found.notes.append("the budget ended before all texts were tried")
    payer.reserve(0, 0.0)
    if payer.seconds_left < payer.seconds * 0.35:
        found.notes.append(f"the time limit of {payer.seconds:g} s may have ended the search early")
    moving = {one.ask for one in unsteady}
    found.findings += unsteady_findings(payer, unsteady)
    found.findings += failures(payer)
    found.findings += together(payer)
    if levels.apart:
        found.findings += accepted(payer, levels, tried, moving)
        found.findings += refused(payer, levels, tried, moving)
    else:
        found.findings += no_difference(payer, levels, honest)
    return found


# --------------------------------------------------------------------------------------------- asking


def _first_pass(payer: Payer, anatomy: Anatomy) -> list[Probe]:
    """Pay the probes of all rows, the likeliest of each family first; those that were paid for."""
    count = len(payer.rows)
    room = int(payer.budget * FIRST_SHARE) - payer.calls
    lists = [[*right_probes(anatomy, row), *wrong_probes(anatomy, row)] for row in range(count)]
    turns = 1 if sum(map(len, lists)) + 170 * count <= room else 2 if count > 3 else 1
    turns = count if sum(map(len, lists)) + 85 * count > room else turns
    odd = [odd_probes(anatomy, row, row % turns, turns) for row in range(count)]
    # Replies to all rows have the same numbers, mostly: each row takes its share.
    turned = [
        [
            probe
            for make in (tags_turned, any_shape, numbers_turned)
            for probe in make(anatomy, row)[row::count]
        ]
        for row in range(count)
    ]
    order = _in_turn([*map(_by_family, lists), *odd, *turned])
    tried = [one for one in order if not one.slow][:room]
    batch = 16 if anatomy.task == "code" else 64
    done: list[Probe] = []
    for start in range(0, len(tried), batch):
        some = tried[start : start + batch]
        if payer.seconds_left < payer.seconds * 0.35:
            break
        payer.pay([Ask(one.row, one.text) for one in some], 1 if _fragile(payer) else batch)
        done += some
    return done


def _own_words(payer: Payer, anatomy: Anatomy, levels: Levels) -> list[Probe]:
    """Probes of words of the reward's own code that are paid where they cannot be right."""
    if not levels.apart:
        return []

    def paid(one: Probe) -> bool:
        return is_paid(levels, one, payer.known[Ask(one.row, one.text)])

    return own_words(payer, anatomy, paid, payer.constants())


def _fragile(payer: Payer) -> bool:
    """Whether texts have failed, so that a batch of many would be halved again and again; those that hang are
    told one by one anyway."""
    return sum(one.error not in ("", "hang", "unasked") for one in payer.known.values()) > 1


def _by_family(probes: Sequence[Probe]) -> list[Probe]:
    """The first of each family, then the second of each, and so on."""
    seen: Counter[str] = Counter()
    ranked = []
    for place, one in enumerate(probes):
        ranked.append((seen[one.family], place, one))
        seen[one.family] += 1
    return [one for *_, one in sorted(ranked, key=lambda item: item[:2])]


def _in_turn(lists: Sequence[Sequence[Probe]]) -> list[Probe]:
    """One of each list, then the next of each."""
    order = []
    for place in range(max(map(len, lists), default=0)):
        order += [some[place] for some in lists if place < len(some)]
    return order


OF_SEVERAL = {SEVERAL, "contradiction", "answer_spray", "mentioned_answer", "answer_repeated"}


def _spread(tried: Sequence[Probe], most: int) -> list[Ask]:
    """Some texts of every family, half of them with several answers, of which a set's order may choose."""
    quick = [one for one in tried if not one.slow]
    several = _by_family([one for one in quick if one.family in OF_SEVERAL])[: most // 2]
    others = _by_family([one for one in quick if one.family not in OF_SEVERAL])[: most - len(several)]
    return [Ask(one.row, one.text) for one in (*several, *others)]


def _causes(payer: Payer, shaky: Sequence[Ask]) -> list[Unsteady]:
    """Why texts are not paid the same, for two of them; what changes by chance may not do so when it is asked
    again, so that more may have to be tried."""
    found: list[Unsteady] = []
    for one in list(dict.fromkeys(shaky))[:MOST_SHAKY]:
        cause = diagnosed(payer, one) if len(found) < 2 else None
        if cause is not None:
            found.append(cause)
    return found


def _slow_pass(payer: Payer, anatomy: Anatomy, tried: list[Probe]) -> None:
    """Texts that may never be judged to the end, one by one."""
    code = anatomy.task == "code"
    slow = [one for one in wrong_probes(anatomy, 0) if one.slow] + ([] if code else slow_probes(anatomy, 0))
    hangs = 0
    for one in slow:
        ask = Ask(one.row, one.text)
        limit = 2 * HANG if code else QUICK
        if hangs >= MOST_SLOW or payer.seconds_left < HANG + limit or payer.left < 4:
            return
        paid = payer.again([ask], 1, "0", limit)[0]
        if paid.error == "hang" and not code:
            paid = payer.again([ask], 1, "0", HANG)[0]
        payer.known[ask] = paid
        hangs += paid.error == "hang"
        tried.append(one)
