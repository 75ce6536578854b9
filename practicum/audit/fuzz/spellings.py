"""The same answer spelled another way: case, clocks, spans, multiples of pi, arithmetic, XML, code fences.

What is right by the rules of its notation, as the order of XML's attributes, is sure; other spellings count
where the prompt or other right replies show that they are right.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from practicum.audit.fuzz.anatomy import Anatomy, Slot, arithmetic
from practicum.audit.fuzz.probe import Edit
from practicum.audit.fuzz.programs import BLOCK, is_python

LAYOUT = re.compile(
    r"\b(?:compact|minif\w*|one line|single line|order\w*|sort\w*|indent\w*|exact\w*|spaces?|white ?-?space"
    r"|canonical)\b",
    re.IGNORECASE,
)
"""How prompts speak of the layout of JSON."""
FREE_CASE = re.compile(
    r"\bcase[- ]insensitive(?:ly)?\b|\b(?:upper(?:[- ]?case)? (?:and|or) lower[- ]?case|capitali[sz]ation"
    r"|(?:letter )?case) (?:(?:do|does|is|are) not|(?:do|does|is|are)n't|never) "
    r"(?:matter|count|important|checked)"
    r"|\b(?:letter )?case is free"
    r"|\b(?:ignor\w+|regardless of|in any) (?:(?:the|letter|upper|lower|or|and) )*case\b",
    re.IGNORECASE,
)
"""How prompts say that upper and lower case are one."""
CLOCK = re.compile(r"(\d\d?):(\d\d)(?: ?([AaPp])\.?[Mm]\.?)?")
"""A time of day: hours, minutes, and the letter of AM or PM."""
FREE_FORM = re.compile(
    r"\b(?:any|every|whatever|whichever) (?:(?:usual|common|other|correct|valid|equivalent|equal) )*"
    r"(?:form|way|spelling|notation)s?\b",
    re.IGNORECASE,
)
"""How prompts leave the spelling of an answer to the reply."""
MINUTES = re.compile(r"\s?min(?:ute)?s?\b")
SPAN = re.compile(r"\b\d+ ?h(?:ours?)?\b")
MULTIPLE = re.compile(r"\$?(\d*)\s?\*?\s?(?:\\?pi|\u03c0)(?:\s?/\s?(\d+))?\$?")
"""A number of times pi, and by what it is divided."""
EMPTY_ELEMENT = re.compile(r"<([A-Za-z][\w.-]*)((?:\s+[\w:.-]+=\"[^\"<>&']*\")+)\s*/>")
ATTRIBUTE = re.compile(r"([\w:.-]+)=\"([^\"<>&']*)\"")
XML = re.compile(r"\b(?:XML|attributes?)\b")
BARE_FENCE = re.compile(r"^```[ \t]*\n", re.MULTILINE)
LABELS = re.compile(r"\b(?:labels?|language|info(?:rmation)? string|tag)\b", re.IGNORECASE)
"""How prompts speak of what may stand behind a fence."""
BLANK_LINES = re.compile(r"\bblank lines?\b|\bempty lines?\b|\bparagraphs?\b", re.IGNORECASE)
ONE_BLANK = re.compile(
    r"\b(?:one|single|exactly|two|double|a|an) (?:(?:one|single|two) )?"
    r"(?:blank|empty|newlines?|line ?breaks?)",
    re.IGNORECASE,
)
"""How prompts may mean one blank line and no more."""
Filled = Callable[[str], str]
POWER = re.compile(r"(?<=10)\s?(?:\^|\*\*)\s?(?:\{([-+]?\d+)\}|([-+]?\d+))")
"""A power of ten in plain letters or in LaTeX."""
SCIENTIFIC = re.compile(r"\b(?:scientific notation|standard form|powers? of (?:ten|10))\b", re.IGNORECASE)
RAISED = str.maketrans(
    "0123456789+-", "\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079\u207a\u207b"
)


def spelled_otherwise(anatomy: Anatomy, row: int, text: str) -> Iterator[Edit]:
    """The same reply with its answer, or its marks, spelled another way."""
    prompt = anatomy.rows[row].prompt.text
    yield from _expressions(anatomy, row, text)
    yield from _elements(text, prompt)
    yield from _fences(text, prompt)
    yield from _paragraphs(text, prompt)
    yield from _powers(text, prompt)
    slot = anatomy.slots.get((row, text))
    if slot is not None and anatomy.task == "answer":
        yield from _free_case(slot.filled, slot.value.strip(), prompt)
        yield from _clock(anatomy, slot)
        yield from _spans(anatomy, slot)
        yield from _multiples(slot, prompt)


def _free_case(filled: Filled, value: str, prompt: str) -> Iterator[Edit]:
    """A value in other letters of upper and lower case, where the prompt says that case is free."""
    if FREE_CASE.search(prompt):
        for what, changed in (
            ("in lower case", value.lower()),
            ("in capitals", value.upper()),
            ("with a capital first", value[:1].upper() + value[1:]),
        ):
            if changed != value and changed.casefold() == value.casefold():
                yield Edit("case_declared", f"{what}, where case is free", filled(changed), sure=True)


def _clock(anatomy: Anatomy, slot: Slot) -> Iterator[Edit]:
    """A time of day by twelve hours in place of twenty-four, or the other way round."""
    found = CLOCK.fullmatch(slot.value.strip())
    shown = [CLOCK.fullmatch(one.value.strip()) for one in anatomy.slots.values()]
    halves = {bool(one[3]) for one in shown if one is not None}
    if found is None or len(halves) < 2 or int(found[1]) > 23 or int(found[2]) > 59:
        return
    filled = slot.filled
    hour, minute, half = int(found[1]), found[2], (found[3] or "").casefold()
    if not half:
        part = "AM" if hour < 12 else "PM"
        twelve = f"{hour % 12 or 12}:{minute}"
        yield Edit("clock", "as a time by twelve hours", filled(f"{twelve} {part}"), sure=True)
    elif 1 <= hour <= 12:
        full = hour % 12 + (12 if half == "p" else 0)
        yield Edit("clock", "as a time by twenty-four hours", filled(f"{full:02}:{minute}"), sure=True)


def _spans(anatomy: Anatomy, slot: Slot) -> Iterator[Edit]:
    """Minutes as hours and minutes, where right replies show both: one hour has no plural."""
    unit = MINUTES.match(slot.text, slot.end)
    value = slot.value.strip()
    if (
        unit is None
        or not value.isdigit()
        or not any(SPAN.search(one.text) for one in anatomy.slots.values())
    ):
        return
    hours, minutes = divmod(int(value), 60)
    parts = [
        f"{count} {name}{'' if count == 1 else 's'}"
        for count, name in ((hours, "hour"), (minutes, "minute"))
        if count
    ]
    if hours:
        spelled = slot.text[: slot.start] + " ".join(parts) + slot.text[unit.end() :]
        yield Edit("span", "in hours and minutes", spelled, sure=True)


def _multiples(slot: Slot, prompt: str) -> Iterator[Edit]:
    """A multiple of pi with its factor behind, as a LaTeX fraction, and with its sign as a letter."""
    found = MULTIPLE.fullmatch(slot.value.strip())
    if found is None:
        return
    top, bottom = found[1] or "1", found[2]
    sign = next(one for one in ("\\pi", "pi", "\u03c0") if one in slot.value)
    spelled = [
        ("with pi as its letter", f"{found[1]}\u03c0{'/' + bottom if bottom else ''}"),
        ("with pi as LaTeX", f"${found[1]}\\pi{'/' + bottom if bottom else ''}$"),
        ("with a sign of times before pi", f"{top} * {sign}{' / ' + bottom if bottom else ''}"),
        ("with its factor behind pi", f"{sign} * {top}{' / ' + bottom if bottom else ''}"),
    ]
    if bottom:
        spelled += [
            ("as a LaTeX fraction", f"$\\frac{{{found[1]}\\pi}}{{{bottom}}}$"),
            ("with its factor as a fraction", f"({top}/{bottom}) * {sign}"),
        ]
    for what, changed in spelled:
        if changed != slot.value.strip():
            yield Edit(
                "multiple_of_pi", what, slot.filled(changed), sure=FREE_FORM.search(prompt) is not None
            )


def _expressions(anatomy: Anatomy, row: int, text: str) -> Iterator[Edit]:
    """The same arithmetic with other spaces, in brackets, and with the parts of a sum or product turned."""
    slot = anatomy.slots.get((row, text))
    if slot is None or anatomy.task != "expression" or LAYOUT.search(anatomy.rows[row].prompt.text):
        return
    written = slot.value.strip()
    bare = re.sub(r"\s", "", written)
    parts = re.fullmatch(r"([\d*/() ]+)\+([\d*/() ]+)", written) or re.fullmatch(
        r"([\d() ]+)\*([\d() ]+)", written
    )
    turned = f"{parts[2].strip()} {written[parts.end(1)]} {parts[1].strip()}" if parts else ""
    # A fraction is one number: 1/4 + 1/8 has no sign within its terms.
    fractions = re.fullmatch(r"\d+/\d+(?:[-+]\d+/\d+)+", bare) is not None
    signs = r"(?<=\d)([-+])(?=\d)" if fractions else r"(?<=[\d)])([-+*/]|\*\*)(?=[\d(])"
    for what, changed in (
        ("without spaces in its expression", bare),
        ("with spaces around its signs", re.sub(signs, r" \1 ", bare)),
        ("with its parts turned", turned),
        ("with its expression in brackets", f"({written})"),
    ):
        if changed not in ("", written) and arithmetic(changed) == arithmetic(written) is not None:
            yield Edit(
                "same_expression", what, slot.filled(changed), sure="brackets" not in what, alike=False
            )


def _elements(text: str, prompt: str) -> Iterator[Edit]:
    """An empty XML element with its attributes turned, in single quotes, and with an end tag of its own."""
    found = EMPTY_ELEMENT.search(text)
    if found is None or not XML.search(prompt) or LAYOUT.search(prompt):
        return
    # What the prompt spells out may be meant as it stands.
    sure = f"<{found[1]} " not in prompt
    pairs = ATTRIBUTE.findall(found[2])

    def element(pairs: list[tuple[str, str]], quote: str = '"', end: str = "/>") -> str:
        inside = "".join(f" {name}={quote}{value}{quote}" for name, value in pairs)
        return text[: found.start()] + f"<{found[1]}{inside}{end}" + text[found.end() :]

    if len(pairs) > 1:
        yield Edit("xml", "with its attributes in another order", element(pairs[::-1]), sure=sure)
    yield Edit("xml", "with its attributes in single quotes", element(pairs, "'"), sure=sure)
    yield Edit("xml", "with an end tag of its own", element(pairs, end=f"></{found[1]}>"), alike=False)


def _fences(text: str, prompt: str) -> Iterator[Edit]:
    """A code block with a label behind its fence, where the prompt speaks of one."""
    if text.count("```") != 2:
        return
    block = BLOCK.search(text)
    label = "python" if block and is_python(block[1], block[2]) else "text"
    changed = BARE_FENCE.sub(f"```{label}\n", text, count=1)
    if changed != text:
        sure = LABELS.search(prompt) is not None and not re.search(
            r"\b(?:no|without|bare)\b[^.]{0,20}\blabel", prompt
        )
        yield Edit("fence_label", "with a label behind its fence", changed, sure=sure, alike=False)


def _paragraphs(text: str, prompt: str) -> Iterator[Edit]:
    """Paragraphs with more than one blank line between them, and with a space on it."""
    if not re.search(r"\S\n\n\S", text) or not BLANK_LINES.search(prompt) or ONE_BLANK.search(prompt):
        return
    for what, gap in (
        ("with a space on its blank lines", "\n \n"),
        ("with two blank lines at a time", "\n\n\n"),
    ):
        changed = re.sub(r"(?<=\S)\n\n(?=\S)", gap, text)
        yield Edit("paragraphs", what, changed, sure="blank line" in prompt.casefold(), alike=False)


def _powers(text: str, prompt: str) -> Iterator[Edit]:
    """Powers of ten with raised digits, as they are printed, and with braces around the exponent."""
    found = POWER.search(text)
    spelled = (
        re.search(r"\^|\bcaret\b|\bexactly\b|\bcopy\b|\bpython\b", prompt, re.IGNORECASE) or "**" in text
    )
    if found is None or spelled or re.search(r"[\\{`\"]\s*\w*\s*:|\\", text) or not SCIENTIFIC.search(prompt):
        return
    power = found[1] or found[2]
    for what, written in (
        ("with its exponent in raised digits", power.translate(RAISED)),
        ("with its exponent behind a caret", f"^{power}"),
        ("with its exponent in braces", f"^{{{power}}}"),
    ):
        if written != found[0]:
            sure = "braces" not in what
            yield Edit("power_of_ten", what, text[: found.start()] + written + text[found.end() :], sure=sure)
