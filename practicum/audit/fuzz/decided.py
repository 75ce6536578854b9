"""Findings from what the probes were paid: worthless texts that are paid, right ones that are refused."""

from __future__ import annotations

import re
import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence

from practicum.audit.fuzz.findings import Finding
from practicum.audit.fuzz.levels import CLOSE, Levels, is_paid, is_right, values_of
from practicum.audit.fuzz.merged import RARE, leaders, merged
from practicum.audit.fuzz.payer import Ask, BudgetSpent, Paid, Payer
from practicum.audit.fuzz.probe import Probe
from practicum.audit.fuzz.rules import FAMILY as RULES
from practicum.audit.fuzz.values import number_of

CONFIRMED = 4
"""Examples of a family that are asked again in a fresh process before it is reported."""
AGAIN = 8
"""Times that an example is asked again where the reward was seen to change its mind."""
MOST_EVIDENCE = 8


def accepted(payer: Payer, levels: Levels, tried: Sequence[Probe], moving: set[Ask]) -> list[Finding]:
    """Worthless texts that are paid like right ones, one finding a family."""

    def fails(one: Probe, paid: Paid) -> bool:
        control = payer.known.get(Ask(one.row, one.control)) if one.control else None
        refused = control is not None and control.value is not None and control.value < levels.middle
        return is_paid(levels, one, paid) and (refused or not one.control)

    return _grouped(payer, levels, tried, moving, "refused", fails)


def refused(payer: Payer, levels: Levels, tried: Sequence[Probe], moving: set[Ask]) -> list[Finding]:
    """Right texts that are paid like wrong ones, one finding a family."""

    def fails(one: Probe, paid: Paid) -> bool:
        sound = not one.base or is_right(payer, levels, one.row, one.base)
        return sound and paid.value is not None and paid.value <= levels.refused_to + CLOSE

    return _grouped(payer, levels, tried, moving, "paid", fails)


def _grouped(
    payer: Payer,
    levels: Levels,
    tried: Sequence[Probe],
    moving: set[Ask],
    expected: str,
    fails: Callable[[Probe, Paid], bool],
) -> list[Finding]:
    payer.fresh()
    families: dict[str, list[Probe]] = defaultdict(list)
    for one in tried:
        ask = Ask(one.row, one.text)
        if one.expected == expected and ask in payer.known and ask not in moving:
            families[one.family].append(one)
    lax = {
        row
        for row, data in enumerate(payer.rows)
        for value in values_of(payer, row, data.bad)
        if value >= levels.paid_from[row] - CLOSE
    }
    loose = _lax_on_rules(families, lambda one: fails(one, payer.known[Ask(one.row, one.text)]))
    hits: dict[str, list[Probe]] = {}
    for family, some in families.items():
        failing = [one for one in some if fails(one, payer.known[Ask(one.row, one.text)])]
        failing = _beyond_tolerance(payer, failing) if family in BOTH_SIDES else failing
        # A rewriting of a text that is not paid shows nothing of what the reward tolerates.
        judged = [one for one in some if not one.base or is_right(payer, levels, one.row, one.base)]
        failing = _inconsistent(judged, failing, lax, loose if family == RULES else None)
        rows, failed = {one.row for one in some}, {one.row for one in failing}
        if not failing or (not all(one.alone for one in failing) and len(failed) < max(2, len(rows))):
            continue
        if family in NEEDS_ANOTHER and failed == rows:
            continue
        hits[family] = _confirmed(payer, failing, fails, bool(moving))
    kept = leaders({family: some for family, some in hits.items() if some})
    found = [
        _finding(payer, levels, kept[family], families[family], [kept[one][0] for one in others])
        for family, others in merged(kept).items()
    ]
    # The commonest first; of equals, those a policy is likelier to write.
    return sorted(found, key=lambda one: (-one.share, one.family in RARE, len(one.completion)))


def _lax_on_rules(families: Mapping[str, Sequence[Probe]], fails: Callable[[Probe], bool]) -> bool:
    """Whether a reward pays what breaks most of the rules that were broken one at a time."""
    broken = [one for family in BREAK_RULES for one in families.get(family, ())]
    unchecked = {(one.family, one.what) for one in broken if fails(one)}
    return len(unchecked) > MOST_PAID * len({(one.family, one.what) for one in broken})


def _inconsistent(
    tried: Sequence[Probe], failing: Sequence[Probe], lax: set[int], loose: bool | None = None
) -> list[Probe]:
    """The examples without those that count only where the reward tolerates, or refuses, the like, and does
    not. Rows where wrong texts are paid as well, `lax`, show nothing of what it tolerates. `loose` says
    whether it pays most of the like, where that is known already."""
    doubtful = [one for one in tried if one.contrast]
    lenient = sum(one.contrast for one in failing) > MOST_PAID * len(doubtful) if loose is None else loose
    failing = [one for one in failing if not (one.contrast and lenient)]
    failed = {(one.row, one.text) for one in failing}
    tolerated = {
        one.what
        for one in tried
        if (one.row, one.text) not in failed and one.base != one.text and one.row not in lax
    }
    kept = []
    for one in failing:
        alike = {
            other.what
            for other in tried
            if one.group and other.group == one.group and (not other.hint or other.what in tolerated)
        }
        most = len(alike & tolerated) >= max(2, len(alike) / 2)
        if not one.elsewhere or one.what in tolerated or (most and not one.hint):
            kept.append(one)
    return kept


MOST_PAID = 0.6
"""Largest share of damaged texts that a reward pays which is no matter of its leniency."""
BREAK_RULES = (RULES, "instruction_unchecked", "key_missing", "label_missing")
"""Families of replies that break one rule of their prompt each."""
BOTH_SIDES = {
    "near_miss": ("next number", "number before"),
    "a_decimal_added": ("decimal added", "decimal below"),
}
"""Families of numbers next to the gold one, with what stands above and below it."""
SMALL_NUMBER = 20
"""Numbers up to this differ from the next by more than any sensible tolerance."""
FLOAT_INTEGERS = 2**53
"""Whole numbers beyond this are one float with their neighbours: no tolerance that anyone chose."""
TO_THE_DIGIT = re.compile(r"\b(?:exact\w*|(?:all|every|each) digits?|no rounding)\b", re.IGNORECASE)
"""How prompts rule a tolerance out."""


def _beyond_tolerance(payer: Payer, failing: Sequence[Probe]) -> list[Probe]:
    """The examples without those of rows where both sides of a large gold number are paid: a tolerance."""
    sides = BOTH_SIDES[failing[0].family] if failing else ()
    kept = []
    for one in failing:
        gold = number_of(payer.rows[one.row].gold)
        there = " ".join(other.what for other in failing if other.row == one.row)
        meant = gold is not None and SMALL_NUMBER < abs(gold) <= FLOAT_INTEGERS
        meant = meant and not TO_THE_DIGIT.search(payer.rows[one.row].prompt.text)
        if not meant or not all(side in there for side in sides):
            kept.append(one)
    return kept


NEEDS_ANOTHER = {"gold_itself", "case", "commas", "equal_number", "space_in_form", "answer_repeated"}
"""Rewritings that count only where other rows show that they are right: those that are paid there."""


def _confirmed(
    payer: Payer, failing: Sequence[Probe], fails: Callable[[Probe, Paid], bool], shaky: bool
) -> list[Probe]:
    """The shortest examples that fail again when they are asked alone, several times for a shaky reward."""
    shortest = sorted(failing, key=lambda one: (len(one.text), one.row))
    checked = []
    for one in shortest[:CONFIRMED]:
        if payer.left < 1:
            checked.append(one)
            continue
        times = min(AGAIN if shaky else 1, payer.left)
        try:
            again = payer.again([Ask(one.row, one.text)] * times, 1)
        except BudgetSpent:
            again = []
        if all(fails(one, paid) for paid in again):
            checked.append(one)
    return [*checked, *(one for one in shortest[CONFIRMED:] if checked)]


def _finding(
    payer: Payer,
    levels: Levels,
    failing: Sequence[Probe],
    tried: Sequence[Probe],
    others: Sequence[Probe],
) -> Finding:
    """The family's commonest text as its example, how often it fails, and what it is worth; `others` are
    examples of families that show the same fault."""
    common = Counter(one.what for one in failing).most_common(1)[0][0]
    example = next(one for one in failing if one.what == common)
    rows = {one.row for one in tried if one.what == common}
    failed = {one.row for one in failing if one.what == common}
    paid = payer.known[Ask(example.row, example.text)].value
    best: dict[int, float] = {}
    for one in tried:
        value = payer.known[Ask(one.row, one.text)].value
        if value is not None:
            best[one.row] = max(best.get(one.row, value), value)
    accept = example.expected == "refused"
    times = f"on {len(failed)} of {len(rows)} prompts"
    said = _said(example)
    sentence = f"{said[0].upper()}{said[1:]} is paid like a {'right' if accept else 'wrong'} one, {times}."
    honest = levels.paid_from[example.row]
    worth = (
        statistics.fmean(value - levels.paid_from[row] for row, value in best.items())
        if best and accept
        else 0.0
    )
    return Finding(
        "false_accept" if accept else "false_reject",
        example.family,
        sentence,
        payer.rows[example.row].prompt.text,
        example.text,
        paid,
        honest,
        len(failed) / max(1, len(rows)),
        worth,
        payer.rows[example.row].columns,
        (
            *(f"also: {one.text!r:.120}" for one in failing[1:4] if one.text != example.text),
            *(f"also {_said(one)}: {one.text!r:.80}" for one in others[:MOST_EVIDENCE]),
        ),
        _against(payer, levels, example),
    )


def _said(probe: Probe) -> str:
    """The text in words."""
    return probe.what if re.match(r"an? ", probe.what) else f"a reply {probe.what}"


def _against(payer: Payer, levels: Levels, example: Probe) -> str | None:
    """The honest text to the same prompt that the example must be paid less, or more, than."""
    row = payer.rows[example.row]
    accept = example.expected == "refused"
    known = [
        (paid.value, text)
        for text in (row.good if accept else row.bad)
        for paid in [payer.known.get(Ask(example.row, text))]
        if paid is not None and paid.value is not None and text != example.text
    ]
    kept = [one for one in known if (one[0] > levels.middle) is accept]
    return (min(kept) if accept else max(kept))[1] if kept else None


def no_difference(payer: Payer, levels: Levels, honest: Sequence[Ask]) -> list[Finding]:
    """One finding where honest wrong texts are paid like right ones, or right ones like wrong ones."""
    nothing = levels.good <= 0
    for ask in honest:
        row = payer.rows[ask.row]
        wanted = row.good if nothing else row.bad
        paid = payer.known[ask].value
        if ask.text in wanted and paid is not None:
            kind = "false_reject" if nothing else "false_accept"
            words = (
                "Right answers are paid like wrong ones"
                if nothing
                else "Wrong answers are paid like right ones"
            )
            return [
                Finding(
                    "false_reject" if nothing else "false_accept",
                    "right_answer" if kind == "false_reject" else "wrong_answer",
                    f"{words}, on nearly all of {len(payer.rows)} prompts.",
                    row.prompt.text, ask.text, paid, levels.good, 1.0, 0.0, row.columns,
                )
            ]  # fmt: skip
    return []
