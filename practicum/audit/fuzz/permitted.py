"""What a prompt allows in plain words: right replies in ways that it allows, and the prompt without them.

A prompt that says "you may box it more than once" has ruled that in, so a reward that refuses it is wrong,
whatever the rest of its form is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from practicum.audit.fuzz.anatomy import Anatomy
from practicum.audit.fuzz.probe import Probe

_FREE = re.compile(
    r"\b(?:(?:does|do) not matter|(?:doesn't|don't) matter|need not|needn't|with or without|either way"
    r"|optional)\b",
    re.IGNORECASE,
)
"""How a clause says that something is free, with or without a "not"."""
_ALLOWS = re.compile(r"\b(?:may|might|allowed to|free to)\b")
"""How a clause allows something; May is a month."""
_FORBIDS = re.compile(
    r"\b(?:not|no|nothing|never|without|cannot|must|should|needs? to|has to|have to|exactly|only|at most"
    r"|at least|up to|no more than|fewer than|less than)\b|n't\b",
    re.IGNORECASE,
)
"""How a clause demands, forbids or limits, whatever else it allows."""
_BOTH_CASES = re.compile(
    r"\b(?:upper|lower)(?:[- ]?case)?(?: or |/| and )(?:upper|lower)[- ]?case\b", re.IGNORECASE
)
_CLAUSE = re.compile(r"[^.;:,()\n]+")
_REPEATS = re.compile(
    r"\b(?:may|can|allowed to|free to)\b[^.;]{0,60}\b(?:more than once|several times|twice|as often as)\b"
    r"|\b(?:more than once|several times)\b[^.;]{0,40}\b(?:must|have to|should|need to)\b[^.;]{0,40}"
    r"\b(?:same|equal|agree)\b",
    re.IGNORECASE,
)
_NOT_AGAIN = re.compile(
    r"\b(?:may|can|must|should|do|does|is|are) ?(?:not|never)\b|\b(?:cannot|never)\b|n't\b"
    r"|\bonly (?:one|the (?:first|last)) (?:box|pair|tag|answer)",
    re.IGNORECASE,
)
"""How a sentence that speaks of more than once forbids it."""
_EMPTY_LINES = re.compile(
    r"\b(?:one or more|any number of|at least one|several) (?:blank|empty) lines?\b", re.IGNORECASE
)
_CENTS = re.compile(
    r"(?<![\d.])(?P<short>\d+\.\d)(?!\d)[^.;\d]{1,12}(?P=short)0(?!\d)|\busual ways? (?:to|of) writ",
    re.IGNORECASE,
)
"""How a prompt shows that 12.5 and 12.50 are one amount."""


def demands(prompt: str) -> str:
    """The prompt without the clauses that only allow something: "a line may end with a full stop"."""

    def kept(found: re.Match[str]) -> str:
        clause = _FREE.sub(" ", found[0])
        says_free = clause != found[0] or _ALLOWS.search(clause)
        return " " if says_free and not _FORBIDS.search(clause) else found[0]

    return _CLAUSE.sub(kept, _BOTH_CASES.sub(" ", prompt))


def permitted(anatomy: Anatomy, row: int) -> Iterator[Probe]:
    """Right replies in a way that the prompt allows by name."""
    data = anatomy.rows[row]
    prompt = data.prompt.text
    for what, text, base in (*_repeated(anatomy, row), *_gaps(prompt, data.good), *_amounts(anatomy, row)):
        if text not in data.bad:
            yield Probe(row, text, "allowed_form", "paid", f"that is right, {what}", base=base)


def _repeated(anatomy: Anatomy, row: int) -> Iterator[tuple[str, str, str]]:
    """The answer in its marks once more, where the prompt allows it."""
    form = anatomy.form
    sentences = re.split(r"(?<=[.!?])\s", anatomy.rows[row].prompt.text)
    allowed = any(_REPEATS.search(one) and not _NOT_AGAIN.search(one) for one in sentences)
    if not form.named or anatomy.task != "answer" or not allowed:
        return
    for slot in anatomy.good_slots(row)[:2]:
        start = slot.text[: slot.start].rfind(form.before)
        end = slot.text.find(form.after, slot.end) + len(form.after) if form.closed else slot.end
        marked = slot.text[start:end]
        if start >= 0 and end >= slot.end:
            what = "with its answer given twice, as the prompt allows"
            yield what, f"{slot.text}\n{marked}", slot.text


def _gaps(prompt: str, goods: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """More empty lines between paragraphs, where the prompt allows any number of them."""
    for good in goods[:2] if _EMPTY_LINES.search(prompt) else ():
        wider = re.sub(r"\n\s*\n", "\n\n\n\n", good.strip("\n"))
        if wider != good:
            yield "with more empty lines between its paragraphs, as the prompt allows", wider, good


def _amounts(anatomy: Anatomy, row: int) -> Iterator[tuple[str, str, str]]:
    """Amounts with two decimals, where the prompt shows that they are the same."""
    if anatomy.task != "answer" or not _CENTS.search(anatomy.rows[row].prompt.text):
        return
    for slot in anatomy.good_slots(row)[:2]:
        written = slot.value.strip()
        if re.fullmatch(r"\d{1,6}(?:\.\d)?", written):
            what = "with two decimals, as the prompt allows"
            yield what, slot.filled(f"{float(written):.2f}"), slot.text
