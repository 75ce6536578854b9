"""The fuzzer: pay honest texts, learn how answers are written, try what should be refused, paid and judged.

A text counts as paid where it gets at least what the least paid honest right text to its prompt gets, and as
refused where it gets at most what honest wrong texts get. What lies between is told nobody.
"""

from __future__ import annotations

import re
import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from practicum.audit.fuzz.anatomy import Anatomy, learned
from practicum.audit.fuzz.branches import FAMILY as BRANCH
from practicum.audit.fuzz.branches import branch_probes
from practicum.audit.fuzz.dictionary import own_words
from practicum.audit.fuzz.findings import Finding
from practicum.audit.fuzz.json_types import any_shape
from practicum.audit.fuzz.odd import SEVERAL, numbers_turned, odd_probes, slow_probes, tags_turned
from practicum.audit.fuzz.payer import HANG, QUICK, Ask, BudgetSpent, Paid, Payer
from practicum.audit.fuzz.probe import Probe
from practicum.audit.fuzz.right import right_probes
from practicum.audit.fuzz.rules import FAMILY as RULES
from practicum.audit.fuzz.steady import (
    Unsteady,
    crossed,
    diagnosed,
    moved,
    moved_at_any_length,
    moved_by_hash,
    repeated,
)
from practicum.audit.fuzz.values import number_of
from practicum.audit.fuzz.wrong import wrong_probes
from practicum.errors import InputError

CLOSE = 1e-9
FIRST_SHARE = 0.6
"""Share of the budget for texts that were not asked before; the rest asks again, confirms and shrinks."""
CONFIRMED = 4
"""Examples of a family that are asked again in a fresh process before it is reported."""
MOST_SLOW = 2
BY_CHANCE = "equal_at_half_the_points"
"""Family of texts that a reward pays now and then which draws the points it compares at."""
MOST_BY_CHANCE = 9
"""Of these, how many are asked again and again."""
MOST_SHAKY = 6
"""Texts seen to be paid differently that are asked for the cause of it."""
AGAIN = 8
"""Times that an example is asked again where the reward was seen to change its mind."""


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
        found.findings += _no_difference(payer, levels, honest)
    return found


def levels_of(payer: Payer) -> Levels:
    """What honest right and wrong texts are paid, from what is known."""
    good: list[list[float]] = []
    bad: list[list[float]] = []
    for place, row in enumerate(payer.rows):
        good.append(_values(payer, place, row.good))
        bad.append(_values(payer, place, row.bad))
    high = statistics.median([max(one) for one in good if one] or [1.0])
    low = statistics.median([min(one) for one in bad if one] or [0.0])
    middle = (high + low) / 2
    paid_from = []
    for values in good:
        kept = [value for value in values if value > middle]
        paid_from.append(min(kept) if kept else high)
    refused = [value for values in bad for value in values if value < middle]
    return Levels(high, low, tuple(paid_from), max(refused, default=low))


def _values(payer: Payer, row: int, texts: Iterable[str]) -> list[float]:
    known = [payer.known.get(Ask(row, text)) for text in texts]
    return [one.value for one in known if one is not None and one.value is not None]


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
        return _is_paid(levels, one, payer.known[Ask(one.row, one.text)])

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


# -------------------------------------------------------------------------------------------- deciding


def accepted(payer: Payer, levels: Levels, tried: Sequence[Probe], moving: set[Ask]) -> list[Finding]:
    """Worthless texts that are paid like right ones, one finding a family."""

    def fails(one: Probe, paid: Paid) -> bool:
        control = payer.known.get(Ask(one.row, one.control)) if one.control else None
        refused = control is not None and control.value is not None and control.value < levels.middle
        return _is_paid(levels, one, paid) and (refused or not one.control)

    return _grouped(payer, levels, tried, moving, "refused", fails)


def refused(payer: Payer, levels: Levels, tried: Sequence[Probe], moving: set[Ask]) -> list[Finding]:
    """Right texts that are paid like wrong ones, one finding a family."""

    def fails(one: Probe, paid: Paid) -> bool:
        sound = not one.base or _is_right(payer, levels, one.row, one.base)
        return sound and paid.value is not None and paid.value <= levels.refused_to + CLOSE

    return _grouped(payer, levels, tried, moving, "paid", fails)


def _is_right(payer: Payer, levels: Levels, row: int, text: str) -> bool:
    """Whether a text is known to be paid nearer to right ones than to wrong ones."""
    paid = payer.known.get(Ask(row, text))
    return paid is not None and paid.value is not None and paid.value > levels.middle


def _is_paid(levels: Levels, one: Probe, paid: Paid) -> bool:
    return paid.value is not None and paid.value >= levels.paid_from[one.row] - CLOSE


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
        for value in _values(payer, row, data.bad)
        if value >= levels.paid_from[row] - CLOSE
    }
    loose = _lax_on_rules(families, lambda one: fails(one, payer.known[Ask(one.row, one.text)]))
    hits: dict[str, list[Probe]] = {}
    for family, some in families.items():
        failing = [one for one in some if fails(one, payer.known[Ask(one.row, one.text)])]
        failing = _beyond_tolerance(payer, failing) if family in BOTH_SIDES else failing
        # A rewriting of a text that is not paid shows nothing of what the reward tolerates.
        judged = [one for one in some if not one.base or _is_right(payer, levels, one.row, one.base)]
        failing = _inconsistent(judged, failing, lax, loose if family == RULES else None)
        rows, failed = {one.row for one in some}, {one.row for one in failing}
        if not failing or (not all(one.alone for one in failing) and len(failed) < max(2, len(rows))):
            continue
        if family in NEEDS_ANOTHER and failed == rows:
            continue
        hits[family] = _confirmed(payer, failing, fails, bool(moving))
    kept = _leaders({family: some for family, some in hits.items() if some})
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
RARE = {"a_hundredth", "a_hundred_times", "a_decimal_added", "separators_added", "injection", "odd_text"}
"""Families of texts that people and policies seldom write."""
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


COVERS = {
    "wrong_answer": None,
    "empty": {"whitespace", "bare_format", "hedge", "truncated", "prompt_echo", "judge_text", "gibberish"},
    "hedge": {"bare_format", "judge_text", "truncated", "prompt_echo"},
    "contradiction": {"answer_spray"},
    "bare_format": {"judge_text"},
}
"""Family -> families that a fault which pays it explains too, None: all."""


def _leaders(hits: dict[str, list[Probe]]) -> dict[str, list[Probe]]:
    """The families without those that another one explains: it is paid on all rows where they are."""
    rows = {family: {one.row for one in some} for family, some in hits.items()}
    dropped = set()
    for leader, covered in COVERS.items():
        if leader not in hits:
            continue
        for family in hits:
            explained = covered is None or family in covered
            if family != leader and explained and rows[family] <= rows[leader]:
                dropped.add(family)
    return {family: some for family, some in hits.items() if family not in dropped}


WRONG_VALUE = "whose answer is wrong"
"""How probes begin that give another value in the place of the right one."""
SHOWN_BY = (
    ("another_answer", "far_off", "zero", "sign_dropped", "near_miss", "numbers_changed", "cut_short"),
    ("contradiction", "answer_spray", "number_list", "mentioned_answer", BRANCH),
    ("empty", "hedge", "bare_format", "bare_marks", "prompt_echo", "truncated", "injection", "odd_text",
     "whitespace", "gibberish", "own_words", "judge_text"),
    (RULES, "left_out", "cut_off", "reordered", "doubled", "not_closed", "letter_case"),
    ("formatting", "too_long", "too_short", "praise", "step_words", "second_thoughts", "repetition",
     "format_repeated", "field_inflated"),
)  # fmt: skip
"""Families that show one fault where they are paid on the same rows, the clearest first; the first also holds
those of `WRONG_VALUE`, and explains the second."""
MOST_EVIDENCE = 8


def merged(hits: dict[str, list[Probe]]) -> dict[str, list[str]]:
    """Families to report, each with those that show the same fault on the same rows or fewer."""
    rows = {family: {one.row for one in some} for family, some in hits.items()}
    left = sorted(hits, key=lambda family: (-len(rows[family]), _clarity(family)))
    groups: dict[str, list[str]] = {}
    for family in left:
        mine = _fault(family, hits[family])
        leader = next(
            (
                one
                for one in groups
                for its in [_fault(one, hits[one])]
                if mine is not None and rows[family] <= rows[one]
                if its == mine or ((its, mine) == (0, 1) and one not in RARE)
            ),
            None,
        )
        if leader is None:
            groups[family] = []
        else:
            groups[leader].append(family)
    return groups


def _fault(family: str, failing: Sequence[Probe]) -> int | None:
    """Which of `SHOWN_BY` a family belongs to; None where it is a fault of its own."""
    if failing[0].what.startswith(WRONG_VALUE):
        return 0
    return next((place for place, families in enumerate(SHOWN_BY) if family in families), None)


def _clarity(family: str) -> tuple[int, int]:
    """Where a family stands in its list; families of a wrong value that are in none, after those."""
    for place, families in enumerate(SHOWN_BY):
        if family in families:
            return place, families.index(family)
    return (1 if family in RARE else 0), len(SHOWN_BY[0])


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


def _no_difference(payer: Payer, levels: Levels, honest: Sequence[Ask]) -> list[Finding]:
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


def unsteady_findings(payer: Payer, unsteady: Sequence[Unsteady]) -> list[Finding]:
    """One finding for each cause, with the shortest text."""
    found: dict[str, Unsteady] = {}
    for one in sorted(unsteady, key=lambda one: len(one.ask.text)):
        found.setdefault(one.cause, one)
    count = Counter(one.cause for one in unsteady)
    return [
        Finding(
            "unstable",
            cause,
            f"{one.sentence}.",
            payer.rows[one.ask.row].prompt.text,
            one.ask.text,
            one.seen[-1],
            None,
            count[cause] / len(unsteady),
            0.0,
            payer.rows[one.ask.row].columns,
            (f"seen: {', '.join(f'{value:g}' for value in one.seen[:6])}",),
        )
        for cause, one in found.items()
    ]


FAILS = {
    "crash": "The function fails ({words}) on {what}.",
    "hang": "The function does not end within {limit:g} seconds on {what}.",
    "count": "The function {words} on {what}.",
    "value": "The function {words} on {what}.",
}


def failures(payer: Payer) -> list[Finding]:
    """Texts on which the function fails, one finding for each way, shrunk to a small one."""
    asks = list(payer.known)
    by_way: dict[str, list[Ask]] = defaultdict(list)
    for ask in asks:
        if payer.known[ask].error not in ("", "unasked"):
            by_way[payer.known[ask].error].append(ask)
    found = []
    for way, some in by_way.items():
        smallest = next(
            (one for one in sorted(some, key=lambda one: len(one.text))[:3] if _fails_again(payer, one, way)),
            None,
        )
        if smallest is None:
            continue
        if way != "hang":
            smallest = shrunk(payer, smallest, way)
        words = payer.known[smallest].words
        what = "an empty reply" if not smallest.text.strip() else f"{smallest.text!r:.60}"
        found.append(
            Finding(
                "unstable", way, FAILS[way].format(words=words, what=what, limit=HANG),
                payer.rows[smallest.row].prompt.text, smallest.text, None, None,
                len(some) / len(asks), 0.0, payer.rows[smallest.row].columns,
            )
        )  # fmt: skip
    return found


def together(payer: Payer) -> list[Finding]:
    """A batch that fails, again in a fresh process, although none of its texts fails alone."""
    for asks in sorted(payer.only_together, key=len)[:2]:
        paid = payer.together(asks)
        if paid is None or paid.error == "hang":
            continue
        row = payer.rows[asks[0].row]
        sentence = f"The function fails on a batch of replies that it judges one by one: it {paid.words}."
        return [
            Finding(
                "unstable",
                "batch",
                sentence,
                row.prompt.text,
                asks[0].text,
                None,
                None,
                1.0,
                0.0,
                row.columns,
            )
        ]
    return []


def _fails_again(payer: Payer, ask: Ask, way: str) -> bool:
    """Whether it fails the same way in a fresh process; a hang was tried twice already."""
    if way == "hang" or payer.left < 1:
        return True
    payer.fresh()
    try:
        return payer.again([ask], 1)[0].error == way
    except BudgetSpent:
        return True


def shrunk(payer: Payer, ask: Ask, way: str, most: int = 24) -> Ask:
    """A smaller text on which the function fails the same way: pieces are left out while it does."""
    text, size, asked = ask.text, max(1, len(ask.text) // 2), 0
    while size >= 1 and text and asked < most and payer.left > 1:
        start, smaller = 0, False
        while start < len(text) and asked < most and payer.left > 1:
            shorter = text[:start] + text[start + size :]
            asked += 1
            try:
                paid = payer.pay([Ask(ask.row, shorter)], 1)[0]
            except BudgetSpent:
                return Ask(ask.row, text)
            if paid.error == way:
                text, smaller = shorter, True
            else:
                start += size
        size = size if smaller and size > 1 else size // 2
    return Ask(ask.row, text)
