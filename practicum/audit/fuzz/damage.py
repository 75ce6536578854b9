"""Honest replies, or the values in them, damaged: a part left out, cut off, doubled, in another order.

Damage makes a reply wrong for certain only where the rows or the prompt say so. A part that is left out
counts where it takes a word with it that the gold answer has, or that all right replies to the row share;
what else is done to a reply counts where an honest wrong reply shows it, or where the prompt speaks of it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import reduce

from practicum.audit.fuzz.anatomy import Anatomy, core_of
from practicum.audit.fuzz.probe import Probe
from practicum.audit.fuzz.rows import FuzzRow
from practicum.audit.fuzz.values import is_formula, json_of, number_of

LINE = re.compile(r"\n+")
STEP = re.compile(r"\s*(?:->|=>|→|\||;)\s*")
ITEM = re.compile(r",\s*")
SEPARATORS = (
    ("line", LINE),
    ("step", STEP),
    ("sentence", re.compile(r"(?<=[.!?])\s+")),
    ("item", ITEM),
    ("clause", re.compile(r"\s+(?=(?:AND|OR|FROM|WHERE|HAVING|LIMIT|JOIN|ORDER BY|GROUP BY)\b)")),
    ("phrase", re.compile(r"\s+(?=(?:and|or|but|then|when|if|unless|because|except)\b)")),
    ("word", re.compile(r"\s+")),
)
"""What parts of a reply stand between, the largest parts first."""
STRICT = re.compile(r"\b(?:line|step|item|clause)s?\b")
"""Parts that are meant one by one. Those of prose are not: what is left may mean the same."""
LONGEST_ITEM = 4
"""Words that an item of a list has at most; what is longer between commas is prose."""
LONGEST = 4000
MOST_PARTS = 60
ORDERED = re.compile(
    r"\border (?:matters|counts|is important)|\bin (?:(?:the|this|that|their|its) )?(?:\w+ )?order\b(?! to)"
    r"|\border(?:ed)? by\b"
    r"|\b(?:sort|rank|chronolog|alphabetical|ascend|descend|sequence|first to last)\w*",
    re.IGNORECASE,
)
UNORDERED = re.compile(
    r"\b(?:any|either|whatever|whichever|no particular|no fixed) order\b"
    r"|\border\b(?: of [^.;]{0,40}?)? (?:(?:does|is|need) not|(?:does|is|need)n't|never|is (?:free|up to you"
    r"|irrelevant))"
    r"|\b(?:regardless|irrespective|independent(?:ly)?) of (?:the |their |its )?order\b|\bunordered\b",
    re.IGNORECASE,
)
VALID = re.compile(
    r"\b(?:valid|well-formed|balanced|json|xml|html|yaml|brackets?|parenthes[ei]s|tags?)\b", re.I
)
ONCE = re.compile(
    r"\b(?:once|unique|distinct|no (?:duplicate|repeat)\w*|without (?:duplicate|repeat)\w*)\b", re.I
)
STOP_WORD = re.compile(
    "an?|and|any|are|as|at|be|but|by|for|from|has|have|he|her|his|if|in|into|is|its?|of|on|or|our|she|so"
    "|some|that|the|their|them|then|there|these|they|this|those|to|use|was|we|were|which|who|will|with"
    "|words?|you|your"
)
"""Words that a reply can lose without another meaning."""
ROWS = re.compile(r"\b(?:rows|records|tables?|quer(?:y|ies)|SELECT)\b")
"""How prompts ask for what a table gives, where a row that comes twice is another result."""
IN_PLACE = ("with one item for all", "with an item in the place of another")
SWAPPED, SMALL, CAPITALS = "in other letters of upper or lower case", "in lower case", "in capitals"
LOWERED, RAISED = "capitals lost", "capitals added"
CASES = {
    SWAPPED: {"letter_case", LOWERED, RAISED},
    SMALL: {"letter_case", LOWERED},
    CAPITALS: {"letter_case", RAISED},
}
"""The ways in which honest wrong replies may differ in case alone, by what they say to be wrong."""
PAIRS = {")": "(", "]": "[", "}": "{", ">": "<"}
Words = Counter[str]


def damaged(anatomy: Anatomy, row: int) -> Iterator[Probe]:
    """Damaged replies to a row that are wrong for certain."""
    if anatomy.task in ("code", "expression"):
        return
    data = anatomy.rows[row]
    # Rows of an open task may each have rules of their own.
    shown = kinds_shown((data,) if anatomy.task == "open" else anatomy.rows)
    needed, by_gold = needed_words(anatomy, row)
    for text, before, after in _wholes(anatomy, row):
        for kind, what, changed in _damages(text):
            whole = f"{before}{changed}{after}"
            lost = bool(needed - words(whole))
            if kind in ("left_out", "cut_off"):
                # Prose of one meaning shares words by accident; whole lines are meant.
                sure = lost and (by_gold or (kind == "left_out" and _shared_line(data, text, changed)))
                # Items of one's own may come twice; those that the gold answer lists may not.
                sure = sure and (what not in IN_PLACE or not words(text) - words(data.gold))
            elif kind == "reordered" and _free_order(data):
                sure = False
            elif (
                kind in ("reordered", "doubled") and core_of(whole) == core_of(f"{before}{text}{after}") != ""
            ):
                # The answer itself is as it was.
                sure = False
            elif kind == "reordered":
                # Words in another order may be as right in a text of one's own.
                free = anatomy.task == "open" and "word" in what and not _ordered(data)
                sure = (_order_shown(shown, what) and not free) or (
                    anatomy.task == "answer" and "word" not in what and _ordered(data)
                )
            elif kind == "not_closed":
                sure = kind in shown or bool(VALID.search(data.prompt.text) and _all_closed(data))
            elif kind == "doubled":
                prompt = data.prompt.text
                once = "word" not in what and (
                    ONCE.search(prompt) or ("line" in what and ROWS.search(prompt))
                )
                sure = kind in shown or bool(anatomy.task == "answer" and once)
            elif kind == "letter_case":
                # That a text of one's own may lose no capitals says nothing of more of them.
                sure = bool(shown & CASES[what if anatomy.task == "open" else SWAPPED])
            else:
                sure = kind in shown
            if sure and not _right_anyway(anatomy, row, whole, changed):
                parts = kind in ("left_out", "cut_off")
                proven = (
                    (by_gold and STRICT.search(what) is not None)
                    if parts
                    else kind != "reordered" or _ordered(data)
                )
                yield Probe(row, whole, kind, "refused", what, contrast=not proven)


def _right_anyway(anatomy: Anatomy, row: int, whole: str, changed: str) -> bool:
    """Whether the damaged text is an honest right reply, or says what one says."""
    plain = sorted(words(whole).elements())
    alike = any(
        plain == sorted(words(good).elements()) and good.split() == whole.split()
        for good in anatomy.rows[row].good
    )
    return alike or (anatomy.task == "answer" and anatomy.allowed(row, changed))


def words(text: str) -> Words:
    """Words and numbers of a text, without case."""
    return Counter(re.findall(r"\d+(?:\.\d+)?|[^\W\d_]+", text.casefold()))


def needed_words(anatomy: Anatomy, row: int) -> tuple[Words, bool]:
    """Words that every right reply to a row needs, and whether its gold answer says so; none where nothing
    says it. What all right replies to all rows share is their form."""
    data = anatomy.rows[row]
    own = reduce(lambda one, other: one & other, map(words, data.good)) if data.good else Words()
    gold = words(data.gold)
    by_gold = bool(gold) and not gold - own and not anatomy.alternatives
    if not by_gold and len(set(data.good)) < 2:
        return Words(), False
    rows = [text for one in anatomy.rows for text in one.good]
    form = reduce(lambda one, other: one & other, map(words, rows)) if len(anatomy.rows) > 1 else Words()
    needed = (gold if by_gold else own) - form
    return Words({word: count for word, count in needed.items() if not STOP_WORD.fullmatch(word)}), by_gold


def _wholes(anatomy: Anatomy, row: int) -> Iterator[tuple[str, str, str]]:
    """What is damaged, with what stands before and after it: the value of an answer, else the whole reply."""
    if anatomy.task == "answer":
        for slot in sorted(anatomy.good_slots(row), key=lambda one: len(one.text))[:1]:
            # The terms of a formula have no order.
            if number_of(slot.value) is None and not is_formula(slot.value.strip()):
                yield slot.value, slot.text[: slot.start], slot.text[slot.end :]
        return
    for text in anatomy.rows[row].good[:2]:
        if len(text) <= LONGEST:
            yield text, "", ""


def _damages(text: str) -> Iterator[tuple[str, str, str]]:
    """(kind, what in words, the damaged text)."""
    seen = {text}
    for kind, what, changed in _all(text):
        if changed.strip() and changed not in seen:
            seen.add(changed)
            yield kind, what, changed


def _all(text: str) -> Iterator[tuple[str, str, str]]:
    structured = json_of(text) is not None
    for name, separator in SEPARATORS:
        parts, gaps = split(text, separator)
        if not 2 <= len(parts) <= MOST_PARTS or structured:
            continue
        if name == "item" and any(len(part.split()) > LONGEST_ITEM for part in parts):
            continue
        # The middle first: what a reward checks is often the beginning or the end.
        for place in dict.fromkeys((len(parts) // 2, 1, len(parts) - 2, len(parts) - 1, 0)):
            yield "left_out", f"with {_a(name)} left out", without(parts, gaps, place)
        if name == "item" and len(set(parts)) > 1:
            yield "left_out", IN_PLACE[0], join([parts[0]] * len(parts), gaps)
            yield "left_out", IN_PLACE[1], join([*parts[:-1], parts[0]], gaps)
        yield (
            "cut_off",
            f"that is cut off after half of its {name}s",
            join(parts[: -(-len(parts) // 2)], gaps),
        )
        yield "reordered", f"with its {name}s turned", join(parts[::-1], gaps)
        yield "reordered", f"with two {name}s exchanged", join([parts[1], parts[0], *parts[2:]], gaps)
        yield "doubled", f"with {_a(name)} doubled", join([*parts, parts[-1]], [*gaps, gaps[-1]])
    # A cut within a word may leave its short form.
    whole = [*re.finditer(r"\S+", text)]
    if len(whole) > 3:
        yield "cut_off", "that is cut off", text[: whole[len(whole) * 2 // 3].start()].rstrip()
    yield "letter_case", SWAPPED, text.swapcase()
    yield "letter_case", SMALL, text.lower()
    yield "letter_case", CAPITALS, text.upper()
    for closing, opening in PAIRS.items():
        if text.count(closing) == text.count(opening) > 0:
            cut = text.rindex(closing)
            yield "not_closed", f"without its last {closing!r}", text[:cut] + text[cut + 1 :]
            cut = text.index(opening)
            yield "not_closed", f"without its first {opening!r}", text[:cut] + text[cut + 1 :]


def _a(name: str) -> str:
    return f"an {name}" if name == "item" else f"a {name}"


def split(text: str, separator: re.Pattern[str]) -> tuple[list[str], list[str]]:
    """The parts of a text and what stands between them."""
    parts, gaps, start = [], [], 0
    for found in separator.finditer(text):
        if text[start : found.start()].strip():
            parts.append(text[start : found.start()])
            gaps.append(found[0])
            start = found.end()
    if text[start:].strip():
        parts.append(text[start:])
    return parts, gaps


def join(parts: Sequence[str], gaps: Sequence[str]) -> str:
    """Parts with what stands between them."""
    between = [*gaps[: len(parts) - 1], ""]
    return "".join(f"{part}{gap}" for part, gap in zip(parts, between, strict=False))


def without(parts: Sequence[str], gaps: Sequence[str], place: int) -> str:
    """The parts but one."""
    kept = [*parts[:place], *parts[place + 1 :]]
    return join(kept, [*gaps[:place], *gaps[place + 1 :]] if place < len(gaps) else gaps)


def without_named_labels(row: int, data: FuzzRow) -> Iterator[Probe]:
    """Right replies without a labelled line, as `Price: 3`, whose label the prompt names and all have."""
    for text in data.good[:1]:
        lines = text.split("\n")
        for place, line in enumerate(lines):
            label = re.match(r"\W*([A-Za-z][\w ]{1,30}):", line)
            if not label or len(lines) < 2 or label[1].casefold() not in data.prompt.text.casefold():
                continue
            if all(re.search(rf"^\W*{re.escape(label[1])}:", good, re.MULTILINE) for good in data.good):
                shorter = "\n".join([*lines[:place], *lines[place + 1 :]])
                what = "without a labelled line that the prompt names"
                yield Probe(row, shorter, "label_missing", "refused", what, alone=False)


def _shared_line(data: FuzzRow, text: str, changed: str) -> bool:
    """Whether what is left out are whole lines that all right replies have."""
    lines = {one.strip() for one in text.splitlines()} - {one.strip() for one in changed.splitlines()}
    return changed.count("\n") < text.count("\n") and all(
        line in {one.strip() for one in good.splitlines()} for good in data.good for line in lines
    )


def _ordered(data: FuzzRow) -> bool:
    """Whether a prompt says that order matters."""
    prompt = data.prompt.text
    return bool(ORDERED.search(prompt)) and not UNORDERED.search(prompt)


def _free_order(data: FuzzRow) -> bool:
    """Whether right replies to a row are the same words in orders that differ, so that some order is free."""
    said = {tuple(re.findall(r"\w+", text.casefold())) for text in data.good}
    return len(said) > len({tuple(sorted(one)) for one in said})


def _all_closed(data: FuzzRow) -> bool:
    return all(text.count(one) == text.count(other) for text in data.good for one, other in PAIRS.items())


def kinds_shown(rows: Sequence[FuzzRow]) -> set[str]:
    """Kinds of damage that make honest wrong replies of right ones."""
    return {
        kind
        for row in rows
        for bad in row.bad
        for good in row.good
        for kind in [_kind_between(good, bad)]
        if kind and not any(_plain(bad) == _plain(one) for other in rows for one in other.good)
    }


def _permuted(good: str, bad: str, separator: re.Pattern[str]) -> bool:
    """Whether two texts have the same parts, more than one, in different orders."""
    one, other = (
        [" ".join(re.findall(r"\w+", part.casefold())) for part in split(text, separator)[0]]
        for text in (good, bad)
    )
    return len(one) > 1 and one != other and sorted(one) == sorted(other)


def _order_shown(shown: set[str], what: str) -> bool:
    """Whether an honest wrong reply has parts of this name, or smaller ones, in another order: that lines in
    another order are wrong says nothing of the words in a line."""
    names = [name for name, _ in SEPARATORS]
    least = next((place for place, name in enumerate(names) if f"{name}s " in what), len(names))
    return any(f"{name}s reordered" in shown for name in names[least:])


def _case_between(good: str, bad: str) -> str:
    """Which of CASES tells two texts apart that differ in case alone."""
    differ = [(one, other) for one, other in zip(good, bad, strict=False) if one != other]
    lost, added = any(one.isupper() for one, _ in differ), any(other.isupper() for _, other in differ)
    return "letter_case" if lost == added else LOWERED if lost else RAISED


def _plain(text: str) -> str:
    return " ".join(text.split())


def _kind_between(good: str, bad: str) -> str:
    """How a wrong reply differs from a right one, where damage explains it."""
    right, wrong = words(good), words(bad)
    if not wrong or _plain(good) == _plain(bad):
        return ""
    if right == wrong:
        if good.casefold() == bad.casefold():
            return _case_between(good, bad)
        closed = all(bad.count(one) == bad.count(other) for one, other in PAIRS.items())
        ordered = re.findall(r"\w+", good.casefold()) == re.findall(r"\w+", bad.casefold())
        if ordered:
            return "" if closed else "not_closed"
        # Else the change is within words, as of 0-1 to 1-0.
        return next((f"{name}s reordered" for name, gap in SEPARATORS if _permuted(good, bad, gap)), "")
    if not wrong - right:
        return "cut_off" if good.casefold().startswith(bad.casefold()) else "left_out"
    doubled = not right - wrong and set(wrong) == set(right)
    return "doubled" if doubled else ""
