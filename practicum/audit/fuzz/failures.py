"""Findings of instability: failures, hangs, batches that fail, and texts that are not paid alike twice."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from practicum.audit.fuzz.findings import Finding
from practicum.audit.fuzz.payer import HANG, Ask, BudgetSpent, Payer
from practicum.audit.fuzz.steady import Unsteady


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
