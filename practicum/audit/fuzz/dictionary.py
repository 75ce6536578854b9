"""Texts made of the constants of the reward's own code: a dictionary, as fuzzers of parsers are given one.

One that is paid may be right for its row, so it counts only where it is paid on rows whose answers differ.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence

from practicum.audit.fuzz.anatomy import Anatomy
from practicum.audit.fuzz.patterns import examples
from practicum.audit.fuzz.payer import Ask, Payer
from practicum.audit.fuzz.probe import Probe
from practicum.audit.fuzz.programs import BLOCK, name_of
from practicum.audit.fuzz.values import differ, holds

FAMILY = "own_words"
SHARE = 0.08
"""Share of the calls that it may take."""
MOST = 36
"""Constants tried."""
LONGEST = 60
SPECIAL = re.compile(r"[\\^$*+?|()\[\]{}]")
FILLER = "zebra"
WHAT = {
    "alone": "of nothing but a word of the reward's own code",
    "slot": "whose answer is a word of the reward's own code",
    "after": "that is wrong, followed by a word of the reward's own code",
    "before": "that is wrong, after a word of the reward's own code",
    "printed": "whose program prints a word of the reward's own code",
}


def own_words(
    payer: Payer, anatomy: Anatomy, is_paid: Callable[[Probe], bool], constants: Sequence[str | int | float]
) -> list[Probe]:
    """The probes that are paid on rows whose answers differ, and so are worthless on one of them.

    `is_paid` says it of a probe that was asked. Raises BudgetSpent.
    """
    words = [one for one in candidates(constants, anatomy) if not _in_shape(anatomy, one)]
    if not words:
        return []
    room = min(int(payer.budget * SHARE), payer.left)
    # A text with all words at once may be right where a text of one's own is asked for.
    at_once = [] if anatomy.task == "open" else [" ".join(words)]
    words = [*at_once, *words]
    first = list(_probes(anatomy, 0, words))[: room // 2]
    payer.pay([Ask(one.row, one.text) for one in first])
    lucky = [(word, form) for word, form, one in _labelled(anatomy, words, first) if is_paid(one)]
    found: list[Probe] = []
    for word, form in lucky[: max(1, room // (2 * len(anatomy.rows)))]:
        tried = [
            one
            for row in range(len(anatomy.rows))
            for text in _forms(anatomy, row, word).get(form, ())[:1]
            for one in [_probe(row, text, form)]
        ]
        payer.pay([Ask(one.row, one.text) for one in tried])
        paid = [one for one in tried if is_paid(one)]
        if _wrong_somewhere(anatomy, [one.row for one in paid]) and (
            anatomy.task in ("answer", "expression", "code")
            or not _by_length(payer, anatomy, word, form, is_paid)
        ):
            found += [one for one in paid if not _may_hold(anatomy, one)]
    return found


def _in_shape(anatomy: Anatomy, word: str) -> bool:
    """Whether a word has the tags of a right text, where any content in these is paid."""
    tags = re.findall(r"</?\w+>", word)
    shapes = [re.findall(r"</?\w+>", text) for row in anatomy.rows for text in row.good]
    return anatomy.task == "form" and bool(tags) and tags in shapes


def candidates(constants: Sequence[str | int | float], anatomy: Anatomy) -> list[str]:
    """Texts of the constants, patterns taken apart, those first that stand in no row; at most `MOST`."""
    found: dict[str, None] = {}
    for one in constants:
        if not isinstance(one, str):
            found[f"{one:g}" if isinstance(one, float) else str(one)] = None
            continue
        parts = [one.strip()]
        if SPECIAL.search(one):
            parts = [text.strip() for text in examples(one)]
        for part in parts:
            if 0 < len(part) <= LONGEST and not (len(part) == 1 and not part.isalnum()):
                found[part] = None
    shown = "\n".join(
        text
        for row in anatomy.rows
        for text in (row.prompt.text, *row.good, *row.bad, json.dumps(row.answer))
    ).casefold()
    return sorted(found, key=lambda one: (one.casefold() in shown, one.replace(".", "").isdigit()))[:MOST]


def _labelled(
    anatomy: Anatomy, words: Sequence[str], probes: Sequence[Probe]
) -> Iterator[tuple[str, str, Probe]]:
    """Each probe of the first row with its word and form."""
    asked = {one.text: one for one in probes}
    for word in words:
        for form, texts in _forms(anatomy, 0, word).items():
            for text in texts:
                if text in asked:
                    yield word, form, asked[text]


def _probes(anatomy: Anatomy, row: int, words: Sequence[str]) -> Iterator[Probe]:
    """The texts of a row with each of the words."""
    for word in words:
        for form, texts in _forms(anatomy, row, word).items():
            for text in texts:
                yield _probe(row, text, form)


def _probe(row: int, text: str, form: str) -> Probe:
    return Probe(row, text, FAMILY, "refused", WHAT[form])


def _forms(anatomy: Anatomy, row: int, word: str) -> dict[str, list[str]]:
    """The texts that a word makes: none of an honest right text and none with the right answer in it."""
    data = anatomy.rows[row]
    if anatomy.task == "code":
        return {"printed": _printing(anatomy, row, word)}
    bad = min((text for text in data.bad if not holds(text, data.gold)), key=len, default="")
    forms = {"alone": [word]}
    if bad:
        forms |= {"after": [f"{bad}\n{word}"], "before": [f"{word}\n{bad}"]}
    if anatomy.task == "answer" or (anatomy.task == "expression" and not re.search(r"\d", word)):
        forms["slot"] = [slot.filled(word) for slot in anatomy.good_slots(row)[:1]]
    return {form: [text for text in texts if text not in data.good] for form, texts in forms.items()}


def _printing(anatomy: Anatomy, row: int, word: str) -> list[str]:
    """A program that computes nothing and prints the word."""
    data = anatomy.rows[row]
    block = next((found for text in data.good for found in [BLOCK.search(text)] if found), None)
    if block is None:
        return []
    name = name_of(data)
    stub = f"def {name}(*args, **named):\n    print({word!r})\n" if name else ""
    return [f"{block[1]}{stub}print({word!r})\n{block[3]}"]


def _may_hold(anatomy: Anatomy, probe: Probe) -> bool:
    """Whether the text may hold its row's answer, so that another row's is the clearer example."""
    gold = anatomy.rows[probe.row].gold
    return anatomy.task == "answer" and (holds(probe.text, gold) or anatomy.allowed(probe.row, probe.text))


def _wrong_somewhere(anatomy: Anatomy, rows: Sequence[int]) -> bool:
    """Whether the answers of these rows differ, so that no text is right for all of them."""
    if anatomy.task == "answer":
        golds = [anatomy.rows[row].gold for row in rows]
        return any(differ(one, other) for one in golds for other in golds)
    return len({json.dumps(anatomy.rows[row].answer, sort_keys=True) for row in rows}) > 1


def _by_length(
    payer: Payer, anatomy: Anatomy, word: str, form: str, is_paid: Callable[[Probe], bool]
) -> bool:
    """Whether any other words do as well, or a prompt asks for this one: the word itself is not what pays."""
    texts = [text for row in anatomy.rows for text in (row.prompt.text, json.dumps(row.answer), *row.good)]
    if any(word.casefold() in text.casefold() for text in texts):
        return True
    other = re.sub(r"\w+", FILLER, word)
    same = [_probe(0, text, form) for text in _forms(anatomy, 0, other).get(form, ())[:1]]
    payer.pay([Ask(one.row, one.text) for one in same])
    return any(is_paid(one) for one in same)
