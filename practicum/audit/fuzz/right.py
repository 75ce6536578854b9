"""Right texts written another way: what a sound reward pays as it pays the honest right ones.

Only rewritings that no task forbids, or that honest right texts to these rows show: white space around a
text, more reasoning where reasoning is free, the gold answer itself in the form that is paid, spellings that
other rows' right answers have.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from practicum.audit.fuzz.aliases import other_names
from practicum.audit.fuzz.anatomy import LIMITS, Anatomy, Slot
from practicum.audit.fuzz.json_types import among_words, in_other_order
from practicum.audit.fuzz.limits import at_the_limit
from practicum.audit.fuzz.permitted import permitted
from practicum.audit.fuzz.probe import Probe
from practicum.audit.fuzz.programs import right_programs
from practicum.audit.fuzz.rewritten import rewritten
from practicum.audit.fuzz.values import holds, number_of
from practicum.audit.fuzz.ways import other_way_round, other_ways

STRICT = re.compile(
    r"\b(?:exact\w*|precise\w*|verbatim|strict\w*|raw|bare|unchanged|as is|preserv\w*|byte\w*|character\w*"
    r"|white ?-?spaces?|spaces?|spacing|blanks?|tabs?|newlines?|line ?-?breaks?|indent\w*|trailing|leading"
    r"|padd\w*|columns?|nothing (?:else|more|before|after|around|but)|no other|without any\w*"
    r"|copy|repeat|echo|reproduce|transcribe)\b",
    re.IGNORECASE,
)
"""How prompts say, or may mean, that white space and the like matter."""
SIGN_BEFORE = re.compile(r"[$€£¥#\w]\Z")
"""A sign that belongs to the answer behind it."""
LINES = re.compile(r"\blines?\b", re.IGNORECASE)
"""How prompts speak of the lines of a reply, whose ends may then be meant."""
SENTENCES = re.compile(r"\bsentences?\b", re.IGNORECASE)
NO_OTHER_STOPS = re.compile(
    r"\b(?:no|without) (?:other |more |further )?(?:full stops?|periods|dots|digits|numbers)\b", re.IGNORECASE
)
"""How prompts rule a decimal out."""
PLAIN = "I look at what is asked and go through it with care."
LONG = " ".join([PLAIN, "Then I look at it once more, so that nothing is missed."] * 14)
REMARK = "I went through it once more and also worked backwards, and it comes out the same each time."


def right_probes(anatomy: Anatomy, row: int) -> list[Probe]:
    """All rewritings for a row that a sound reward pays, what is likeliest to be refused first."""
    data = anatomy.rows[row]
    found: list[Probe] = [
        Probe(row, text, "right_answer", "paid", "an honest right answer") for text in data.good
    ]
    found += permitted(anatomy, row)
    found += _spaced(anatomy, row)
    if anatomy.task == "code":
        found += right_programs(row, data)
    if anatomy.task in ("answer", "expression"):
        found += _gold_itself(anatomy, row)
        found += _reasoned(anatomy, row)
        found += _spelled(anatomy, row)
        found += _repeated(anatomy, row)
        found += _explained(anatomy, row)
        found += _marked_before(anatomy, row)
    if anatomy.task in ("answer", "expression", "form"):
        found += _inside_tags(anatomy, row)
    if anatomy.task == "open":
        found += _with_decimal(anatomy, row)
    if anatomy.task in ("open", "form"):
        found += at_the_limit(row, data)
    found += other_names(anatomy, row)
    found += other_ways(anatomy, row)
    found += other_way_round(anatomy, row)
    found += rewritten(anatomy, row)
    if anatomy.task != "code":
        found += in_other_order(anatomy, row)
        found += among_words(anatomy, row)
    unique = {one.text: one for one in reversed(found)}
    return list(reversed(unique.values()))


def _paid(row: int, text: str, family: str, what: str, base: str, elsewhere: bool = False) -> Probe:
    return Probe(row, text, family, "paid", what, base=base, elsewhere=elsewhere)


def space_matters(anatomy: Anatomy) -> bool:
    """Whether white space is part of what is asked for: an answer or a reply begins or ends with some, or has
    runs of it within a line. Not where right replies to a row differ in it alone."""
    texts = [text for row in anatomy.rows for text in row.good]
    golds = [row.answer for row in anatomy.rows if isinstance(row.answer, str)]
    if any(gold != gold.strip() or re.search(r"\S(?:  +|\t)\S", gold) for gold in golds):
        return True
    own = [text for text in texts if "```" not in text and not text.lstrip().startswith(("{", "["))]
    if any(re.search(r"\S(?:  +|\t)\S", text) for text in own):
        return True
    free = any(len({text.strip() for text in row.good}) < len(row.good) for row in anatomy.rows)
    ends = [text.rstrip("\n") if blocks(anatomy) else text for text in own]
    return not free and any(text != text.strip() for text in ends)


def blocks(anatomy: Anatomy) -> bool:
    """Whether right replies are blocks in tags from end to end, whose marks say where they end."""
    texts = [text.strip() for row in anatomy.rows for text in row.good]
    return bool(texts) and all(re.match(r"<\w+>", text) and re.search(r"</\w+>$", text) for text in texts)


def strict(anatomy: Anatomy, row: int) -> bool:
    """Whether a prompt may mean a reply letter by letter, so that only an inconsistent reward is at fault."""
    return bool(STRICT.search(anatomy.rows[row].prompt.text)) or space_matters(anatomy)


def _spaced(anatomy: Anatomy, row: int) -> Iterator[Probe]:
    # A strict reward is sound where a prompt may mean it; one that is strict only at times is not.
    careful = strict(anatomy, row) or anatomy.task == "open"
    if anatomy.task == "open" and strict(anatomy, row):
        return
    for text in anatomy.rows[row].good[:2]:
        bare = text.strip()
        for what, changed in (
            ("and ends with a line break", f"{bare}\n"),
            ("and ends with two line breaks", f"{bare}\n\n"),
            ("and ends without a line break", bare),
            ("and ends with a space", f"{bare} "),
            ("and begins with a line break", f"\n{text}"),
        ):
            if changed != text:
                yield _paid(row, changed, "white_space", f"that is right {what}", text, careful)
        if "\n" in bare and anatomy.task != "code":
            windows = text.replace("\n", "\r\n")
            shown = careful or LINES.search(anatomy.rows[row].prompt.text) is not None
            yield _paid(row, windows, "line_ends", "that is right, with Windows line ends", text, shown)
    if blocks(anatomy) and not strict(anatomy, row):
        yield from _between_blocks(anatomy, row)


MARKS = re.compile(r"^\s*(</?\w+>|[\w ]{1,30}:|[-*#]+)", re.MULTILINE)


def by_lines(anatomy: Anatomy, row: int) -> bool:
    """Whether a prompt shows the form of a reply line by line: marks of the reply begin lines of it."""
    data = anatomy.rows[row]
    marks = MARKS.findall(data.prompt.text.partition("\n")[2])
    return len(marks) > 1 and all(mark in text for mark in marks for text in data.good[:1])


def _between_blocks(anatomy: Anatomy, row: int) -> Iterator[Probe]:
    """Other white space between the blocks of a reply, where the prompt does not show it line by line."""
    if by_lines(anatomy, row):
        return
    for text in anatomy.rows[row].good[:2]:
        for what, gap in (
            ("with its blocks on lines of their own", "\n"),
            ("with an empty line between its blocks", "\n\n"),
            ("with a space between its blocks", " "),
            ("with nothing between its blocks", ""),
        ):
            changed = re.sub(r"(</\w+>)\s*(?=<\w+>)", rf"\1{gap}", text)
            if changed != text:
                yield _paid(row, changed, "block_layout", f"that is right, {what}", text, not gap)


def _gold_itself(anatomy: Anatomy, row: int) -> Iterator[Probe]:
    """The gold answer, letter by letter, in place of an honest right answer."""
    gold = anatomy.rows[row].gold
    if anatomy.task != "answer" or not gold:
        return
    for slot in anatomy.good_slots(row)[:2]:
        yield _paid(
            row, slot.filled(gold), "gold_itself", "that gives the gold answer letter by letter", slot.text
        )


def _reasoned(anatomy: Anatomy, row: int) -> Iterator[Probe]:
    """More text before and after the answer. What a little of is paid must be paid where there is more."""
    prompt, gold = anatomy.rows[row].prompt.text, anatomy.rows[row].gold
    if not anatomy.form.named or LIMITS.search(prompt):
        return
    plain = _plain_leads(anatomy, row)
    for slot in (plain or anatomy.good_slots(row))[:2]:
        little = f"{PLAIN}\n{slot.text}"
        if anatomy.free and plain:
            yield _paid(row, little, "reasoning", "that is right, with a sentence before", slot.text)
        else:
            yield Probe(row, little, "reasoning", "steady", "that is right, with a sentence before")
        for what, lead in (
            ("long", LONG),
            ("many lines of", "\n".join([PLAIN] * 20)),
            ("several paragraphs of", "\n\n".join([PLAIN] * 4)),
        ):
            said = f"that is right, with {what} reasoning"
            yield _paid(row, f"{lead}\n{slot.text}", "long_reasoning", said, little)
        other = next((one for one in anatomy.others(row) if not holds(one, gold)), "")
        if (
            other
            and number_of(gold) is not None
            and any(re.search(r"\d", anatomy.lead(one)) for one in anatomy.slots.values())
        ):
            text = f"I first count {other} of them and 3 more.\n{slot.text}"
            yield _paid(row, text, "reasoning", "that is right, with numbers in its reasoning", little)
        short = f"{slot.text}\nI am sure of it."
        yield Probe(row, short, "remark", "steady", "that is right, with a remark after it")
        # What takes a lone comma for a number finds one here.
        text, said = f"{slot.text}\nIn all, I am sure.", "that is right, with a comma in the remark after it"
        yield _paid(row, text, "long_remark", said, short)
        for count in (4, 9):
            text = f"{slot.text}\n{' '.join([REMARK] * count)}"
            yield _paid(row, text, "long_remark", "that is right, with a long remark after it", short)


def _explained(anatomy: Anatomy, row: int) -> Iterator[Probe]:
    """A letter of a choice with its reason: where one is paid, the same with an article must be."""
    if anatomy.form.closed:
        return
    for slot in _plain_leads(anatomy, row)[:2] if anatomy.free else ():
        if re.fullmatch(r"[A-Za-z]", slot.value.strip()):
            rest = slot.text[len(anatomy.lead(slot)) :].lstrip()
            plain = f"This one fits best.\n{rest}"
            yield Probe(row, plain, "explained", "steady", "that is right, with its reason before")
            said = "that is right, with an article in its reason"
            # As many words, and no more letters: a limit of either refuses both or none.
            yield _paid(row, f"A look shows it.\n{rest}", "explained", said, plain)
    for slot in anatomy.good_slots(row)[:2]:
        head, tail = slot.text[: slot.end], slot.text[slot.end :]
        if re.fullmatch(r"[A-Za-z]", slot.value.strip()) and re.fullmatch(r"[.\s]*", tail):
            plain = f"{head}, because it fits best."
            yield Probe(row, plain, "explained", "steady", "that is right, with its reason")
            said = "that is right, with an article in its reason"
            yield _paid(row, f"{head}, because it is a good fit.", "explained", said, plain)


def _with_decimal(anatomy: Anatomy, row: int) -> Iterator[Probe]:
    """A decimal where a whole number is paid, in prompts that count sentences: its point ends none."""
    prompt = anatomy.rows[row].prompt.text
    if not SENTENCES.search(prompt) or NO_OTHER_STOPS.search(prompt):
        return
    for text in anatomy.rows[row].good[:2]:
        end = re.search(r"[.!?]?\s*\Z", text)
        head, tail = (text[: end.start()], text[end.start() :]) if end else (text, "")
        plain = f"{head} of about 2 metres{tail}"
        yield Probe(row, plain, "decimal_point", "steady", "that is right, with a whole number more")
        said = "that is right, with a decimal in a sentence"
        yield _paid(row, f"{head} of about 2.5 metres{tail}", "decimal_point", said, plain)


def _plain_leads(anatomy: Anatomy, row: int) -> list[Slot]:
    """Right texts whose reasoning stands outside of tags, so that it can be longer."""
    slots = anatomy.reasons(row)
    first = {text.split()[0] for one in anatomy.rows for text in one.good if text.strip()}
    if len(first) == 1 and first <= set(re.findall(r"\S+", anatomy.rows[row].prompt.text)):
        # What all begin with, as the prompt says, must stay there.
        return []
    return [
        slot
        for slot in slots
        if "<" not in anatomy.lead(slot) and not anatomy.lead(slot).lstrip().startswith("{")
    ]


def _inside_tags(anatomy: Anatomy, row: int) -> Iterator[Probe]:
    """Other contents of a block of reasoning: over several lines, longer, with signs and numbers."""
    for text in anatomy.rows[row].good[:2]:
        for found in re.finditer(
            r"<(think|thinking|reasoning|thought|scratchpad|analysis|rationale|explanation|work)>(.*?)</\1>",
            text,
            re.DOTALL,
        ):
            start, end = found.span(2)
            for what, inner in (
                ("over several lines", f"\nFirst I look at it.\nThen I think.\n{found[2].strip()}\n"),
                ("that is long", f"{found[2].strip()} {LONG}"),
                ("with an empty line", f"{found[2].strip()}\n\nSo it is."),
                (
                    "with signs and numbers",
                    f"{found[2].strip()} (12.5 * 4 = 50; 100% sure, isn't it? Yes: #1.)",
                ),
            ):
                if "long" in what and LIMITS.search(anatomy.rows[row].prompt.text):
                    continue
                filled = text[:start] + inner + text[end:]
                yield _paid(row, filled, "reasoning_block", f"that is right, with reasoning {what}", text)
    if anatomy.form.tagged and anatomy.task == "answer":
        for slot in anatomy.good_slots(row)[:1]:
            if SIGN_BEFORE.search(slot.text[: slot.start]):
                continue
            yield _paid(
                row,
                slot.filled(f"\n{slot.value.strip()}\n"),
                "space_in_form",
                "that is right, with line breaks in the form",
                slot.text,
            )


def _spelled(anatomy: Anatomy, row: int) -> Iterator[Probe]:
    """Spellings of the answer that right answers to other rows show."""
    gold, known, form = anatomy.rows[row].gold, anatomy.spellings, anatomy.form
    if anatomy.task != "answer":
        return
    value = number_of(gold)
    for slot in anatomy.good_slots(row)[:1]:
        written = slot.value.strip()
        if form.closed and form.named and not SIGN_BEFORE.search(slot.text[: slot.start]):
            yield _paid(
                row,
                slot.filled(f" {written} "),
                "space_in_form",
                "that is right, with spaces in the form",
                slot.text,
            )
        if "case" in known and written.isascii() and re.fullmatch(r"[A-Za-z ]{2,}", written):
            for changed in (written.lower(), written.capitalize()):
                yield _paid(
                    row,
                    slot.filled(changed),
                    "case",
                    "that is right, in other letters of upper or lower case",
                    slot.text,
                )
        yield from _layout(row, slot)
        if value is None:
            continue
        if "commas" in known and value.denominator == 1 and abs(value) >= 1000:
            yield _paid(
                row,
                slot.filled(f"{value.numerator:,}"),
                "commas",
                "that is right, with commas between thousands",
                slot.text,
            )
            yield _paid(
                row,
                slot.filled(str(value.numerator)),
                "commas",
                "that is right, without commas between thousands",
                slot.text,
            )
        if "number" in known and "/" in gold:
            yield _paid(
                row,
                slot.filled(f"{value.numerator * 2}/{value.denominator * 2}"),
                "equal_number",
                "that is right, as an equal fraction",
                slot.text,
            )


def _layout(row: int, slot: Slot) -> Iterator[Probe]:
    """LaTeX that changes the layout alone: where one such command is paid, the others must be."""
    written = slot.value.strip()
    if "\\left" in written or not re.fullmatch(r"[\[(].*[\])]", written) or "," not in written:
        return
    thin = slot.filled(written.replace(",", ",\\,", 1))
    yield Probe(row, thin, "layout", "steady", "that is right, with a thin space")
    sized = slot.filled(f"\\left{written[:-1]}\\right{written[-1]}")
    yield _paid(row, sized, "layout", "that is right, with LaTeX's \\left and \\right", thin)


def _repeated(anatomy: Anatomy, row: int) -> Iterator[Probe]:
    """The right answer given twice, in a form of which a text may hold several."""
    form = anatomy.form
    if (
        not form.named
        or form.tagged
        or anatomy.task != "answer"
        or LIMITS.search(anatomy.rows[row].prompt.text)
    ):
        return
    if not re.search(r"boxed|####", form.before):
        return
    for slot in anatomy.good_slots(row)[:1]:
        yield _paid(
            row,
            f"{slot.text}\n{form.of(slot.value.strip())}",
            "answer_repeated",
            "that gives the right answer twice",
            slot.text,
        )


def _marked_before(anatomy: Anatomy, row: int) -> Iterator[Probe]:
    """Reasoning that mentions a heading the prompt asks for, before the heading itself."""
    goods = anatomy.rows[row].good
    heads = headings(anatomy)
    if not heads or not anatomy.free:
        return
    for head in heads:
        if head not in anatomy.rows[row].prompt.text:
            continue
        for text in goods[:2]:
            if text.count(head) == 1 and not anatomy.form.values(text.partition(head)[0]):
                said = f"I must think first and then write {head} with the answer.\n{text}"
                yield _paid(
                    row, said, "mark_mentioned", f"that is right and mentions {head} before it uses it", text
                )


def headings(anatomy: Anatomy) -> list[str]:
    """Marks in all right texts and in the prompts, before the answer's own form and without a value."""
    before = anatomy.form.before
    texts = [text for row in anatomy.rows for text in row.good]
    if not texts or not before:
        return []
    found = set(
        re.findall(
            r"#{2,4} ?[A-Za-z]\w+(?: [A-Z]\w+)?:?|\*\*[A-Z]\w+(?: \w+)?:?\*\*|\[[A-Z]{3,}\]|-{3,}|={3,}",
            texts[0],
        )
    )
    return [
        one
        for one in sorted(found)
        if all(one in text for text in texts)
        and before not in one
        and one not in before
        and all(re.search(re.escape(one) + r"\s*" + re.escape(before), text) for text in texts)
    ]
