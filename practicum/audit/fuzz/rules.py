"""Rules that a prompt states and all honest right replies keep, broken one at a time.

A rule is inferred from the right replies, as Daikon infers invariants from runs: a word of the prompt that
all have, the number of parts, parts that differ, parts that follow each other in the prompt. A reply that
breaks one counts only where the reward refuses what breaks most of the others: one rule is not checked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from practicum.audit.fuzz.anatomy import Anatomy, Slot, marked
from practicum.audit.fuzz.damage import ITEM, LINE, STEP, STOP_WORD, split
from practicum.audit.fuzz.instructions import BEGINS, NUMBERS
from practicum.audit.fuzz.probe import Probe
from practicum.audit.fuzz.values import json_of, number_of

FAMILY = "rule_unchecked"
ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")
NAMES = re.compile(
    r"\b(?:mention\w*|includ\w+|contain\w*|us(?:e|es|ing)|featur\w+|nam(?:es|ing)|stat(?:e|es|ing)"
    r"|refer\w* to|with (?:the|both|all))\b([^.;:!?\n]*)",
    re.IGNORECASE,
)
"""How prompts list what a reply must have in it."""
FACT = re.compile(
    r"[\"'\u201c]([\w' -]{2,40})[\"'\u201d]|\b(\d+(?:[:.,/-]\d+)*)\b|(?<=[a-z,] )([A-Z][\w'-]+)"
)
"""What is a fact wherever a prompt has it: a quoted text, a number, a name within a sentence."""
KINDS_OF_FACT = 4
LONGEST_PROMPT = 4000
"""Letters of a prompt that are looked through for facts."""
FORM_ALONE = re.compile(
    r"\bonly the (?:form|format|length|layout) (?:is|counts|matters)\b"
    r"|\b(?:content|topic|subject|meaning|wording|everything else|the rest)\b"
    r"[^.;]{0,20}\b(?:free|up to you|does not matter|is not (?:graded|checked|judged))",
    re.IGNORECASE,
)
"""How prompts say that what a reply is about does not count."""
JOINED = re.compile(
    r"\b(?:joined|separated|linked) (?:by|with) (?:an? )?[\"'\u2018\u201c]([^\w\s]{1,2})[\"'\u2019\u201d]"
)
DIFFERENT = re.compile(
    r"\b(?:different|distinct|unique|(?<!counts )(?<!count )once|no (?:duplicate|repeat)\w*"
    r"|(?:not|never|without) repeat\w*"
    r"|no two)\b",
    re.IGNORECASE,
)
ALL_OF = re.compile(
    r"\b(?:all|each|every|once|order\w*|arrang\w*|rearrang\w*|permut\w*|sort\w*|rank\w*|visit\w*)\b",
    re.IGNORECASE,
)
COUNTED = re.compile(r"\b(\d{1,3}|[a-z]+)\b(?=(?: [\w-]+){0,2}? \w+s\b)", re.IGNORECASE)
"""A word that may say how many there are of what follows."""
ONE_BY_ONE = re.compile(
    r"\b(?:once|arrang\w*|rearrang\w*|permut\w*|sort\w*|rank\w*|visit\w*|plan(?:s|ned|ning)?|schedul\w*|route|path|tour)\b",
    re.IGNORECASE,
)
"""How prompts say that no part is to be given twice; sets of answers may not mind."""
ALLOWED = re.compile(r"\b(?:of|from|among|only|using|use|these|following|between)\b", re.IGNORECASE)
COMES = re.compile(
    r"\b(?:after|before|needs?|requires?|depends?|until|first|precedes?|follows?|earlier|later)\b",
    re.IGNORECASE,
)
WAY = re.compile(
    r"\b(?:ways?|paths?|routes?|walks?|tours?|ladders?|chains?|moves?|steps?|at a time)\b", re.IGNORECASE
)
"""How prompts ask for what leads from one thing to another."""
AT_LEAST = re.compile(r"\b(?:at least|or more|minimum|no fewer|no less)\b", re.IGNORECASE)
AT_MOST = re.compile(r"\b(?:at most|up to|no more|or fewer|or less|maximum)\b", re.IGNORECASE)
SORTED = re.compile(
    r"\b(?:sort|ascend|descend|alphabetical|order(?:ed)? by|increas|decreas)\w*", re.IGNORECASE
)
FIRST_WORD = re.compile(r"\b(?:first word|(?:start|begin|open)\w*)\b", re.IGNORECASE)
LAST_WORD = re.compile(r"\b(?:last word|final word|(?:end|finish|clos)(?:s|es|ing|ed)?)\b", re.IGNORECASE)
SPACED = re.compile(
    r"\b(?:separated (?:by|with)|with) (?:an? |single |one )*(?:spaces?|blanks?)\b|\bspace-sep", re.IGNORECASE
)
SPACE = re.compile(r" +")
PREFIX = re.compile(r"[ \t]*(?:(?:[-*+\u2022]|\d+[.):])[ \t]+)?")
FILLER = "thing"


@dataclass(frozen=True)
class Parts:
    """A right reply as a list: the values of its parts, with what stands before and after each.

    head, tail: what stands before and after the list.
    """

    values: tuple[str, ...]
    before: tuple[str, ...]
    after: tuple[str, ...]
    gap: str
    head: str = ""
    tail: str = ""

    def written(self, values: Sequence[str]) -> str:
        """The reply with these values, numbered on where its parts are numbered."""
        lines = []
        for place, value in enumerate(values):
            known = min(place, len(self.before) - 1)
            head = self.before[known] if known == place else re.sub(r"\d+", str(place + 1), self.before[-1])
            last = place == len(values) - 1
            tail = self.after[-1] if last else self.after[min(place, len(self.after) - 2)]
            lines.append(f"{head}{value}{tail}")
        return self.head + self.gap.join(lines) + self.tail


def unchecked_rules(anatomy: Anatomy, row: int) -> Iterator[Probe]:
    """Right replies to a row that break one rule each; none that a row shows to be right."""
    data = anatomy.rows[row]
    if anatomy.task not in ("open", "answer", "form"):
        return
    known = {" ".join(text.split()) for text in data.good}
    for what, text in _all(anatomy, row):
        if " ".join(text.split()) not in known and not anatomy.allowed(row, text):
            yield Probe(row, text, FAMILY, "refused", what, contrast=True)


def _all(anatomy: Anatomy, row: int) -> Iterator[tuple[str, str]]:
    data = anatomy.rows[row]
    # The values of JSON are tried one by one where the gold answer has them.
    if anatomy.task == "open" and not any(json_of(text) is not None for text in data.good):
        yield from _unnamed(anatomy, row)
        yield from _other_ends(data.prompt.text, data.good)
    lists = parts_of(anatomy, row)
    for parts in lists[:2]:
        for what, values in _broken(anatomy, row, parts, lists):
            if tuple(values) != parts.values and values:
                yield what, parts.written(values)


# ------------------------------------------------------------------------------------------------- words


def _unnamed(anatomy: Anatomy, row: int) -> Iterator[tuple[str, str]]:
    """Without one of the words, names and numbers that the prompt gives and all right replies have."""
    data = anatomy.rows[row]
    if FORM_ALONE.search(data.prompt.text):
        return
    for place, word in enumerate(named(anatomy, row)[: len(ORDINALS)]):
        what = f"without the {ORDINALS[place]} thing that its prompt names"
        for text in data.good[:2]:
            yield what, _replaced(text, word, FILLER)
        if re.search(r"\d", word):
            turned = re.sub(r"\d", lambda one: str((int(one[0]) + 1) % 10), word)
            yield f"{what}, but another number", _replaced(data.good[0], word, turned)


def named(anatomy: Anatomy, row: int) -> list[str]:
    """What a prompt lists or states as a fact, and all right replies to it have, in the prompt's order. What
    those to all rows have is their form; a kind of fact that few rows have is no demand of the task."""
    found = dict[int, str]()
    for kind in range(KINDS_OF_FACT):
        facts = [_facts(anatomy, place, kind) for place in range(len(anatomy.rows))]
        if kind == 0 or 2 * sum(map(bool, facts)) > len(facts):
            found |= facts[row]
    kept: dict[str, str] = {}
    for _, name in sorted(found.items()):
        kept.setdefault(name.casefold(), name)
    return list(kept.values())


def _facts(anatomy: Anatomy, row: int, kind: int) -> dict[int, str]:
    """What is listed (kind 0), quoted, a number or a name (1 to 3), by its place in the prompt: if all right
    replies to the row have it and those to other rows do not."""
    data = anatomy.rows[row]
    prompt, found = data.prompt.text[:LONGEST_PROMPT], dict[int, str]()
    if kind == 0:
        for listed in NAMES.finditer(prompt):
            for word in re.finditer(r"[^\W\d_]{3,}", listed[1]):
                found[listed.start(1) + word.start()] = word[0]
    else:
        found = {fact.start(): fact[kind] for fact in FACT.finditer(prompt) if fact[kind]}
    texts = [text for one in anatomy.rows for text in one.good]
    return {
        place: name
        for place, name in found.items()
        if data.good
        and all(_has(one, name) for one in data.good)
        and not (len(anatomy.rows) > 1 and all(_has(text, name) for text in texts))
        and not STOP_WORD.fullmatch(name.casefold())
    }


def _has(text: str, word: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text, re.IGNORECASE) is not None


def _replaced(text: str, word: str, other: str) -> str:
    return re.sub(rf"(?<!\w){re.escape(word)}(?!\w)", other, text, flags=re.IGNORECASE)


def _other_ends(prompt: str, goods: Sequence[str]) -> Iterator[tuple[str, str]]:
    """With another first or last word than the prompt wants."""
    ends = [re.findall(r"[\w'-]+", text) for text in goods]
    if not ends or not all(len(one) > 2 for one in ends):
        return
    for place, pattern, what in ((0, FIRST_WORD, "first"), (-1, LAST_WORD, "last")):
        word = ends[0][place]
        if all(one[place] == word for one in ends) and _has(prompt, word) and pattern.search(prompt):
            start = goods[0].index(word) if place == 0 else goods[0].rindex(word)
            other = FILLER.capitalize() if word[0].isupper() else FILLER
            yield f"with another {what} word", goods[0][:start] + other + goods[0][start + len(word) :]


# ------------------------------------------------------------------------------------------------- lists


def parts_of(anatomy: Anatomy, row: int) -> list[Parts]:
    """The right replies to a row as lists; none where one of any row is no list of the same kind."""
    spaced = all(SPACED.search(one.prompt.text) for one in anatomy.rows)
    slot_of = _labelled if _one_label(anatomy) else _tagged
    marks = {found[1] if found else "" for one in anatomy.rows for found in [JOINED.search(one.prompt.text)]}
    mark = marks.pop() if len(marks) == 1 else ""
    joined = [re.compile(rf"\s*{re.escape(mark)}\s*")] if mark else []
    for pattern in (LINE, STEP, ITEM, *joined, *([SPACE] if spaced else [])):
        lists = [[_parts(slot_of(text), pattern) for text in one.good] for one in anatomy.rows]
        if all(one is not None for some in lists for one in some) and lists[row]:
            found = [one for one in lists[row] if one is not None]
            labels = [re.match(r"[^\W_]+ ?:", value) for one in found for value in one.values]
            # Lines with labels are a form, and no list.
            return [] if pattern is LINE and all(labels) else found
    return []


def _tagged(text: str) -> Slot:
    """Where the list stands: in the last tags of a reply, else all of it."""
    slot = marked(text)
    inside = slot is not None and re.match(r"\s*(?:</|\})", text[slot.end :])
    return slot if slot is not None and inside else Slot(text, 0, len(text))


def _labelled(text: str) -> Slot:
    """Where the list stands: behind the label of the last line."""
    return marked(text) or Slot(text, 0, len(text))


def _one_label(anatomy: Anatomy) -> bool:
    """Whether the last lines of all right replies begin with one label, as "List:", with no tags about."""
    labels = set()
    for text in (text for row in anatomy.rows for text in row.good):
        slot = marked(text)
        line = text[: slot.start].rpartition("\n")[2].strip() if slot else ""
        labels.add(line if re.fullmatch(r"[A-Za-z][\w ]*:", line) else "")
    return len(labels) == 1 and "" not in labels


def _parts(slot: Slot, pattern: re.Pattern[str]) -> Parts | None:
    text = slot.text
    parts, gaps = split(slot.value.strip(), pattern)
    if (
        len(parts) < 2
        or len(set(gaps)) > 1
        or (pattern is not LINE and any(len(one.split()) > 4 for one in parts))
    ):
        return None
    heads = [match[0] for one in parts for match in [PREFIX.match(one)] if match]
    bare = [one[len(head) :] for one, head in zip(parts, heads, strict=True)]
    values = [one.rstrip(" .,;") for one in bare]
    if not all(values):
        return None
    tails = [one[len(value) :] for one, value in zip(bare, values, strict=True)]
    return Parts(tuple(values), tuple(heads), tuple(tails), gaps[0], text[: slot.start], text[slot.end :])


def _broken(
    anatomy: Anatomy, row: int, mine: Parts, lists: Sequence[Parts]
) -> Iterator[tuple[str, list[str]]]:
    """The parts of a right reply that break one rule which all right replies to the row keep."""
    prompt = anatomy.rows[row].prompt.text
    values, every = list(mine.values), [one.values for one in lists]
    yield from _miscounted(prompt, values, every, _fresh(anatomy, row, values))
    if DIFFERENT.search(prompt) and all(len({*map(str.casefold, one)}) == len(one) for one in every):
        yield "with one part in the place of another", [*values[:-1], values[0]]
        yield "with one part in the place of another", [*values[:1], values[0], *values[2:]]
        yield from _same_sum_twice(values)
        if len(values) > 2:
            to_and_fro = [values[place % 2] for place in range(len(values))]
            yield "that goes to and fro between its first two parts", to_and_fro
    same = {tuple(sorted(map(str.casefold, one))) for one in every}
    gold = anatomy.rows[row].gold or json.dumps(anatomy.rows[row].answer, ensure_ascii=False)
    listed = all(_has(gold, value) for value in values)
    if listed and len(same) == 1 and len(every) > 1 and len(set(values)) > 2:
        yield "that says one of its parts again and again", [values[0]] * len(values)
        yield "that says two of its parts again and again", [values[0], values[-1]] * len(values)
    known = all(_has(prompt, value) for one in every for value in one)
    if known:
        yield from _unlinked(prompt, values, every)
        if ALLOWED.search(prompt):
            yield "with a part that its prompt does not give", [*values[:-1], _foreign(values[-1])]
            yield "with a part that its prompt does not give", [values[0], _foreign(values[1]), *values[2:]]
        several = len(every) > 1 or anatomy.task == "answer"
        if len(same) == 1 and several and (ALL_OF.search(prompt) or len(set(every)) > 1):
            yield from _incomplete(values)
            if ONE_BY_ONE.search(prompt):
                yield "with one of its parts twice", [*values, values[-1]]
                yield "with one of its parts twice", [values[0], *values]
        yield from _too_early(prompt, values, every)
        if len({(one[0], one[-1]) for one in every}) == 1 and len(values) > 2:
            yield "without its first part", values[1:]
            yield "without its last part", values[:-1]
    elif WAY.search(prompt) and all(len(one) > 2 for one in every):
        # A move that may come again, as right replies show, may do so in vain.
        again = any(len(set(one)) < len(one) for one in every)
        ends = {(one[0], one[-1]) for one in every}
        if len(ends) == 1 and all(_has(prompt, end) for end in ends.pop()):
            inner = len(values) // 2
            yield "with nothing between its ends", [values[0], values[-1]]
            yield "with a part between its ends left out", [*values[:inner], *values[inner + 1 :]]
            yield "without its first part", values[1:]
            yield "without its last part", values[:-1]
            if not again:
                yield "with a part between its ends twice", _twice(values, inner)
            yield "with a part that fits nowhere", [*values[:inner], "zebra", *values[inner + 1 :]]
    yield from _other_letters(prompt, values, every)
    if SORTED.search(prompt) and all(_in_order(one) for one in every):
        yield "with its parts in another order", [values[1], values[0], *values[2:]]
        yield "with its parts in another order", values[::-1]


def _fresh(anatomy: Anatomy, row: int, values: Sequence[str]) -> str:
    """One more part: of another right reply to the row, or to another row."""
    order = [row, *(place for place in range(len(anatomy.rows)) if place != row)]
    for place in order:
        for parts in parts_of(anatomy, place):
            for value in parts.values:
                if value not in values:
                    return value
    return values[0]


def _miscounted(
    prompt: str, values: list[str], every: Sequence[Sequence[str]], more: str
) -> Iterator[tuple[str, list[str]]]:
    """One part too few and one too many, where the prompt says how many; numbers also of the same sum."""
    count = len(values)
    stated = {NUMBERS.get(found[1].casefold(), found[1]) for found in COUNTED.finditer(prompt)}
    if count < 2 or any(len(one) != count for one in every) or not {count, str(count)} & stated:
        return
    if not AT_MOST.search(prompt):
        yield "with one part too few", [*values[: count // 2], *values[count // 2 + 1 :]]
        yield "with one part too few", values[:-1]
    if not AT_LEAST.search(prompt):
        yield "with one part too many", [*values, more]
    numbers = _whole(values)
    usual = {number for one in every for number in _whole(one) or []}
    if not numbers or len({sum(_whole(one) or []) for one in every}) != 1:
        return
    for place, number in enumerate(numbers):
        half = next((one for one in sorted(usual, reverse=True) if number - one in usual), None)
        if half is not None and not AT_LEAST.search(prompt):
            split_up = [*numbers[:place], half, number - half, *numbers[place + 1 :]]
            yield "with one part too many, of the same sum", list(map(str, split_up))
    for place, (one, other) in enumerate(pairwise(numbers)):
        if one + other in usual and not AT_MOST.search(prompt):
            joined = [*numbers[:place], one + other, *numbers[place + 2 :]]
            yield "with one part too few, of the same sum", list(map(str, joined))


def _whole(values: Sequence[str]) -> list[int]:
    """The values as whole numbers; none where one is not."""
    found = [number_of(value) for value in values]
    whole = [int(one) for one in found if one is not None and one.denominator == 1]
    return whole if len(whole) == len(values) else []


def _same_sum_twice(values: list[str]) -> Iterator[tuple[str, list[str]]]:
    """Two different numbers made equal, with the same sum."""
    numbers = _whole(values)
    for place, (one, other) in enumerate(pairwise(numbers)):
        if one != other and (one + other) % 2 == 0:
            mean = (one + other) // 2
            changed = [*numbers[:place], mean, mean, *numbers[place + 2 :]]
            yield "with one part twice, of the same sum", list(map(str, changed))
            return


def _incomplete(values: list[str]) -> Iterator[tuple[str, list[str]]]:
    """All parts are wanted: one left out, or another in its place."""
    middle = len(values) // 2
    yield "without one of its parts", [*values[:middle], *values[middle + 1 :]]
    yield "without one of its parts", values[:-1]
    yield "without one of its parts", values[1:]
    yield "with one part in the place of another", [*values[:-1], values[0]]
    yield "with one part in the place of another", [values[-1], *values[1:]]


def _unlinked(
    prompt: str, values: list[str], every: Sequence[Sequence[str]]
) -> Iterator[tuple[str, list[str]]]:
    """Parts that follow each other in the prompt wherever they do in a right reply: ones that do not."""

    def linked(one: str, other: str) -> bool:
        between = r"(?:\W{1,4}|\W+(?:to|and|with)\W+)"
        return any(
            re.search(rf"(?<!\w){re.escape(first)}{between}{re.escape(second)}(?!\w)", prompt, re.IGNORECASE)
            for first, second in ((one, other), (other, one))
        )

    if len(values) < 3 or not all(linked(*pair) for one in every for pair in pairwise(one)):
        return
    inner = range(1, len(values) - 1)
    without = [[*values[:place], *values[place + 1 :]] for place in inner]
    exchanged = [_exchanged(values, place, place + 1) for place in inner if place + 2 < len(values)]
    for what, changes in (
        ("with a part between its ends left out", without),
        ("with two parts between its ends exchanged", exchanged),
        ("with nothing between its ends", [[values[0], values[-1]]]),
        ("with a part between its ends twice", [_twice(values, place) for place in inner]),
    ):
        for changed in changes:
            if not all(linked(*pair) for pair in pairwise(changed)):
                yield what, changed
                break


def _too_early(
    prompt: str, values: list[str], every: Sequence[Sequence[str]]
) -> Iterator[tuple[str, list[str]]]:
    """Two parts exchanged of which a clause of the prompt says which comes first, as all right replies do."""
    clauses = [one for one in re.split(r"[.;:\n]", prompt) if COMES.search(one)]
    found = 0
    for place, one in enumerate(values):
        for later in range(place + 1, len(values)):
            other = values[later]
            said = any(_has(clause, one) and _has(clause, other) for clause in clauses)
            if said and all(_precedes(one, other, some) for some in every) and found < len(ORDINALS):
                what = f"with the {ORDINALS[found]} two parts exchanged whose order its prompt gives"
                yield what, _exchanged(values, place, later)
                found += 1


def _precedes(one: str, other: str, values: Sequence[str]) -> bool:
    return one in values and other in values and values.index(one) < values.index(other)


def _twice(values: Sequence[str], place: int) -> list[str]:
    return [*values[: place + 1], *values[place:]]


def _exchanged(values: Sequence[str], place: int, other: int) -> list[str]:
    changed = list(values)
    changed[place], changed[other] = values[other], values[place]
    return changed


def _foreign(value: str) -> str:
    number = number_of(value)
    return "zebra" if number is None or number.denominator != 1 else str(int(number) + 1)


def _other_letters(
    prompt: str, values: list[str], every: Sequence[Sequence[str]]
) -> Iterator[tuple[str, list[str]]]:
    """Another first letter of one part, where those spell a word of the prompt or are one that it names; a
    letter more, where it says how many each has."""
    firsts = {"".join(value[0] for value in one).casefold() for one in every}
    word = firsts.pop() if len(firsts) == 1 else ""
    named = BEGINS.search(prompt)
    same = named and all(value[:1].casefold() == named[1].casefold() for one in every for value in one)
    if (len(word) > 1 and _has(prompt, word)) or same:
        for place, value in enumerate(values[: len(ORDINALS)]):
            letter = "z" if value[0].casefold() != "z" else "b"
            changed = (letter.upper() if value[0].isupper() else letter) + value[1:]
            what = f"whose {ORDINALS[place]} part begins with another letter"
            yield what, [*values[:place], changed, *values[place + 1 :]]
    sizes = {len(value) for one in every for value in one}
    letters = re.search(r"\b(\d+|\w+)[- ]letters?\b", prompt)
    if letters and {str(NUMBERS.get(letters[1].casefold(), letters[1]))} == set(map(str, sizes)):
        longer = [f"{value}s" for value in values]
        yield "with a part that is a letter too long", [longer[0], *values[1:]]
        yield "with a part that is a letter too long", [*values[:-1], longer[-1]]


def _in_order(values: Sequence[str]) -> bool:
    numbers = _whole(values)
    keys: list[int] | list[str] = numbers or [value.casefold() for value in values]
    rising = all(one <= other for one, other in pairwise(keys))  # type: ignore[operator]
    return (rising or all(one >= other for one, other in pairwise(keys))) and len(set(keys)) > 1  # type: ignore[operator]
