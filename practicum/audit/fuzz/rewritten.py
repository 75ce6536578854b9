"""Honest right replies written another way that keeps their value: layout, separators, decoration, spelling.

A task may rule out any of these, so nearly all count only where the reward pays the same edit of another
right reply, or most edits of the same group. JSON written anew is the same JSON whatever a prompt says, but
for prompts that speak of its layout.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

from practicum.audit.fuzz.anatomy import Anatomy, Slot
from practicum.audit.fuzz.json_types import leaves
from practicum.audit.fuzz.probe import Edit, Probe
from practicum.audit.fuzz.rows import FuzzRow
from practicum.audit.fuzz.spellings import LAYOUT, Filled, spelled_otherwise
from practicum.audit.fuzz.values import json_of, number_of

CASED = re.compile(r"\b(?:case|capital\w*|upper\w*|lower\w*|exact\w*|verbatim)\b", re.IGNORECASE)
BARE = re.compile(
    r"\b(?:only|just|nothing|bare|plain\w*|raw|single|without|no|not|exact\w*|format\w*|digits?|letters?|characters?"
    r"|verbatim|lines?|quot\w*)\b",
    re.IGNORECASE,
)
"""How prompts may rule out signs around a value."""
SEPARATORS = re.compile(
    r"\b(?:commas?|separators?|digits?|format\w*|exact\w*|plain\w*|no|not|without)\b", re.IGNORECASE
)
"""How prompts speak of the digits of a number."""
SEPARATED = (
    ("with commas between thousands", ","),
    ("with thin spaces between thousands", "\u2009"),
    ("with narrow no-break spaces between thousands", "\u202f"),
    ("with underscores between thousands", "_"),
)
LETTER_BY_LETTER = re.compile(
    r"\b(?:exact\w*|verbatim|letter by letter|characters?|byte\w*|unicode|ascii|cop(?:y|ied)|repeat"
    r"|echo|spell\w*|apostrophes?|punctuation|accents?|diacritic\w*|quot\w*)\b",
    re.IGNORECASE,
)
"""How prompts may mean the very characters of a value."""
BY_CODE_POINT = re.compile(
    r"\b(?:exact\w*|verbatim|letter by letter|byte\w*|code ?points?|unicode|ascii|nf[ck]?[cd]|cop(?:y|ied)"
    r"|repeat|echo)\b",
    re.IGNORECASE,
)
"""How prompts may mean the very code points of a value."""
SAME_ZEROS = re.compile(
    r"\d\.0+\b[^;]{0,30}\b(?:are|is) (?:all )?(?:the same|equal|equivalent|one)\b"
    r"|\btrailing zeros? (?:are|is|do|does|may|can)\b",
    re.IGNORECASE,
)
"""How prompts say that zeros behind a decimal point are free."""
SUMS = re.compile(
    r"\b(?:expressions?|formula|sum that|calculation|arithmetic)\b[^.]*\+"
    r"|\+[^.]*\b(?:expressions?|formula)\b",
    re.IGNORECASE,
)
"""How prompts allow an answer that has to be reckoned out."""
SENTENCE = re.compile(r"[^\n]*[^\W\d_]{2,} [^\n]*[^\W\d_]{2,} [^\n]*[.!?]")
"""Three words or more with the sign of their end."""
LABEL = re.compile(r"[^\W\d_]\w*\s?[:=]\Z")
"""A word with its sign at the end of what stands before an answer."""
MOST_TEXTS = 2


def rewritten(anatomy: Anatomy, row: int) -> Iterator[Probe]:
    """The rewritings of the first honest right replies to a row."""
    data = anatomy.rows[row]
    shown = {*data.good, *data.bad}
    for text in data.good[:MOST_TEXTS]:
        edits: tuple[Edit, ...] = ()
        if anatomy.task != "code":
            values = list(_values(anatomy, row, text))
            if json_of(text) is not None:
                # A value of JSON written another way may leave no JSON, or one of another type.
                values = [edit for edit in values if _types(edit.text) == _types(text)]
            edits = (*_json(data, text), *values, *_lines(anatomy, text))
        for edit in (*edits, *spelled_otherwise(anatomy, row, text)):
            if edit.text not in shown:
                yield Probe(
                    row,
                    edit.text,
                    edit.family,
                    "paid",
                    f"that is right, {edit.what}",
                    base=text,
                    elsewhere=not edit.sure,
                    group=edit.family if edit.alike else "",
                    hint=edit.hint,
                )


# ------------------------------------------------------------------------------------------------- JSON


def _json(data: FuzzRow, text: str) -> Iterator[Edit]:
    """The same JSON with other white space, or with its keys in another order."""
    found = re.search(r"([\[{].*[\]}])", text, re.DOTALL)
    if not found or LAYOUT.search(data.prompt.text):
        return
    try:
        value = json.loads(found[1])
    except (ValueError, RecursionError):
        return
    before, after = text[: found.start(1)], text[found.end(1) :]
    for what, written in (
        ("as JSON without spaces", json.dumps(value, separators=(",", ":"), ensure_ascii=False)),
        ("as JSON with usual spaces", json.dumps(value, ensure_ascii=False)),
        ("as JSON with its keys in another order", json.dumps(_turned(value), ensure_ascii=False)),
        ("as JSON over several lines", json.dumps(value, indent=2, ensure_ascii=False)),
    ):
        # Numbers and doubled keys may not survive reading and writing.
        if value and json.loads(written) == value and text.count(":") == written.count(":"):
            sure = isinstance(value, dict) and ("several lines" not in what or "\n" in text)
            yield Edit("json_layout", what, before + written + after, sure=sure)


def _types(text: str) -> list[type]:
    """The types of the plain values of a text that is JSON; none where it is not."""
    return [type(value) for _, value in leaves(json_of(text))]


def _turned(value: object) -> object:
    if isinstance(value, dict):
        return {key: _turned(one) for key, one in reversed(value.items())}
    return [_turned(one) for one in value] if isinstance(value, list) else value


# ------------------------------------------------------------------------------------------------ values


def spelled_out(anatomy: Anatomy, row: int) -> bool:
    """Whether a prompt spells out the label before the answer, so that the rest may be meant literally.

    Words before the label, and its case, are the replies' own.
    """
    before = anatomy.form.before.strip().casefold()
    label = LABEL.search(before)
    return anatomy.form.named and (label[0] if label else before) in anatomy.rows[row].prompt.text.casefold()


def _values(anatomy: Anatomy, row: int, text: str) -> Iterator[Edit]:
    """Another spelling of the value in its place."""
    slot = anatomy.slots.get((row, text))
    if slot is None or anatomy.task != "answer":
        return
    value, prompt, literal = slot.value.strip(), anatomy.rows[row].prompt.text, spelled_out(anatomy, row)
    yield from _sums(anatomy.rows[row], slot)
    if SENTENCE.fullmatch(value):
        # The signs in and around a sentence are its own.
        yield from _typed(slot.filled, value, prompt)
        return
    if anatomy.form.named and re.search(re.escape(anatomy.form.before.strip()) + r"\s*\$[A-Z]{2,}\b", prompt):
        # A template with $LETTER is filled in with the sign left in its place, too.
        yield Edit("template", "as the template of the prompt shows it", slot.filled(f"${value}"), sure=True)
    if number_of(value) is not None:
        usual = not literal and not SEPARATORS.search(prompt)
        for edit in _numbers(slot.filled, value, usual):
            free = edit.family == "zeros" and SAME_ZEROS.search(prompt) is not None
            yield replace(edit, sure=edit.sure or free)
    elif len(value) == 1 and value.isascii() and value.isalpha():
        bare = not re.search(r"(?:\\text\w*\{|[(\[])\Z", slot.text[: slot.start]) and not re.match(
            r"[.)\]]", slot.text[slot.end :]
        )
        for edit in _letters(slot.filled, value, bool(CASED.search(prompt))) if bare else ():
            # A bracket that only closes is usual where the choices are written so.
            shown = re.search(r"(?<![(\w])[A-Z]\)", prompt) is not None
            usual = shown or not edit.what.startswith("with a bracket after")
            yield replace(edit, alike=edit.alike and not literal, hint=not usual)
    else:
        in_line = re.search(r"\blines?\b", prompt, re.IGNORECASE) is not None
        yield from (edit for edit in _lists(slot.filled, value) if not (in_line and "line" in edit.what))
        yield from _formulas(slot.filled, value)
    # What stands in a closed form, as a box, is meant bare.
    yield from _decorated(slot, value, literal or anatomy.form.closed or bool(BARE.search(prompt)))
    if not literal and not value.endswith((".", "!", "?")) and not re.match(r"[.!?]", slot.text[slot.end :]):
        kind = (
            "a whole number" if value.isdigit() else "a number" if number_of(value) is not None else "a word"
        )
        yield Edit("period", f"with a period after {kind}", slot.filled(f"{value}."), alike=False)
    if value.startswith("-") and number_of(value) is not None:
        yield Edit("typography", "with a typographic minus", slot.filled(f"\u2212{value[1:]}"), alike=False)
    yield from _typed(slot.filled, value, prompt)


def _typed(filled: Filled, value: str, prompt: str) -> Iterator[Edit]:
    """The same letters as another keyboard gives them: accents as signs of their own (NFD), curly marks."""
    sure = not LETTER_BY_LETTER.search(prompt)
    # NFC and NFD are one text by Unicode's own rule, whatever a prompt says of accents.
    same = not BY_CODE_POINT.search(prompt)
    split = unicodedata.normalize("NFD", value)
    if split != value and unicodedata.normalize("NFC", value) == value:
        yield Edit(
            "typography", "with its accents as signs of their own", filled(split), sure=same, alike=False
        )
    if re.search(r"\w'\w", value):
        curly = filled(re.sub(r"(?<=\w)'(?=\w)", "\u2019", value))
        yield Edit("typography", "with a curly apostrophe", curly, sure=sure, alike=False)
    if "\u2019" in value:
        straight = filled(value.replace("\u2019", "'"))
        yield Edit("typography", "with a straight apostrophe", straight, sure=sure, alike=False)
    if " " in value.strip():
        hard = filled(value.replace(" ", "\u00a0"))
        yield Edit("typography", "with no-break spaces", hard, alike=False)


def _sums(data: FuzzRow, slot: Slot) -> Iterator[Edit]:
    """Sums of decimals that give the value exactly and not in floats, where the prompt allows expressions."""
    value = number_of(slot.value.strip())
    if value is None or value <= 0 or not SUMS.search(data.prompt.text):
        return
    tenths = value * 10
    if tenths.denominator not in (1, 10) or not re.search(
        r"\d\.\d", f"{slot.value} {data.gold} {data.prompt.text}"
    ):
        return
    parts = [
        (Fraction(first, 10), value - Fraction(first, 10))
        for first in range(1, min(int(tenths), 60))
        if float(Fraction(first, 10)) + float(value - Fraction(first, 10)) != float(value)
    ]
    for first, second in parts[:2]:
        yield Edit(
            "decimal_sum",
            "as a sum of decimals",
            slot.filled(f"{_short(first)} + {_short(second)}"),
            sure=True,
        )
    if re.search(r"[-\u2212]|minus|difference|subtract", data.prompt.text):
        plain = _short(value)
        for more in (Fraction(1, 10), Fraction(3, 10), Fraction(7, 10)):
            if float(value) + float(more) - float(more) != float(value):
                added = f"{plain} + {_short(more)} - {_short(more)}"
                yield Edit("decimal_sum", "as a sum of decimals", slot.filled(added), sure=True)


def _short(value: Fraction) -> str:
    return f"{float(value):.4f}".rstrip("0").rstrip(".")


def _decorated(slot: Slot, value: str, literal: bool) -> Iterator[Edit]:
    """Marks around a value that say nothing. Bold at the end of a line is right wherever a prompt leaves the
    form of the answer to the reply; the others where a reward takes most of them."""
    plain = number_of(value) is not None or (len(value.split()) <= 3 and value.replace(" ", "").isalpha())
    if re.search(r"[(\[*_`\"'$]\Z", slot.text[: slot.start]):
        # What is decorated already would be so twice.
        return
    ends = not re.search(r"[\w%$\u20ac\u00b0]", slot.text[slot.end :].partition("\n")[0])
    for what, spelled in (
        ("in bold", f"**{value}**"),
        ("in dollar signs", f"${value}$"),
        ("in italics", f"*{value}*"),
        ("in backticks", f"`{value}`"),
        ("in quotes", f'"{value}"'),
        ("in brackets", f"({value})"),
    ):
        if spelled.startswith("$") and (number_of(value) is None or not ends):
            continue
        sure = plain and ends and not literal and spelled.startswith("**")
        yield Edit("decoration", what, slot.filled(spelled), alike=not literal, sure=sure)


def _numbers(filled: Filled, value: str, usual: bool) -> Iterator[Edit]:
    """Equal numbers; `usual` says that commas between thousands are as right as none."""
    number = number_of(value)
    if number is None:
        return
    bare = value.removeprefix("-")
    sign = value[: len(value) - len(bare)]
    if re.fullmatch(r"\d+", bare):
        for what, more in (("a decimal of zero", ".0"), ("two decimals of zero", ".00")):
            yield Edit("zeros", f"with {what}", filled(value + more))
        if abs(number) >= 1000:
            for what, mark in SEPARATED:
                written = f"{number.numerator:,}".replace(",", mark)
                # Python reads underscores in numbers of itself, which tells nothing of other marks.
                sure, alike = usual and mark == ",", mark != "_"
                yield Edit("thousands", what, filled(written), alike=alike, sure=sure)
    elif re.fullmatch(r"\d+\.\d+", bare):
        yield Edit("zeros", "with one more zero", filled(f"{value}0"))
        yield Edit("zeros", "with two more zeros", filled(f"{value}00"))
        if re.fullmatch(r"\d+\.0+", bare):
            yield Edit("zeros", "without its decimals of zero", filled(value.partition(".")[0]))
        if value.endswith("0"):
            yield Edit("zeros", "without the last zero", filled(value[:-1].rstrip(".")))
        if bare.startswith("0."):
            yield Edit("zeros", "without the zero before the point", filled(sign + bare[1:]), alike=False)
    elif re.fullmatch(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?", bare):
        yield Edit("thousands", "without commas between thousands", filled(value.replace(",", "")))
    elif re.fullmatch(r"\d+/\d+", bare):
        top, bottom = bare.split("/")
        for what, command in (("a LaTeX", "frac"), ("a large LaTeX", "dfrac"), ("a small LaTeX", "tfrac")):
            spelled = f"{sign}\\{command}{{{top}}}{{{bottom}}}"
            yield Edit("latex_fraction", f"as {what} fraction", filled(spelled))
        yield Edit("fraction", "with spaces around the bar", filled(f"{sign}{top} / {bottom}"), alike=False)
        decimal = f"{float(number):.6f}".rstrip("0")
        if number == number_of(decimal):
            yield Edit("fraction", "as a decimal", filled(decimal), alike=False)


def _letters(filled: Filled, value: str, cased: bool) -> Iterator[Edit]:
    """A choice, decorated; edits of one family are alike."""
    for what, spelled in (
        ("with the letter in brackets", f"({value})"),
        ("with a bracket after the letter", f"{value})"),
        ("with a period after the letter", f"{value}."),
    ):
        yield Edit("choice_brackets", what, filled(spelled))
    for what, spelled in (
        ("with the word option", f"option {value}"),
        ("with the word Option", f"Option {value}"),
        ("with the word choice", f"choice {value}"),
    ):
        yield Edit("choice_word", what, filled(spelled))
    if not cased:
        yield Edit("choice_case", "with the letter in the other case", filled(value.swapcase()), alike=False)


def _lists(filled: Filled, value: str) -> Iterator[Edit]:
    """A list of values with other separators."""
    opened, closed = (value[0], value[-1]) if value[:1] in tuple("[({") and value[-1:] in "])}" else ("", "")
    inner = value[len(opened) : len(value) - len(closed)]
    mark = ";" if ";" in inner else ","
    parts = [part.strip() for part in inner.split(mark)]
    if len(parts) < 2:
        return
    for what, joint in (
        ("without spaces after its commas", mark),
        ("with a space after its commas", f"{mark} "),
        ("with spaces around its commas", f" {mark} "),
        ("with two spaces after its commas", f"{mark}  "),
        ("with line breaks after its commas", f"{mark}\n"),
    ):
        yield Edit("list_spaces", what, filled(opened + joint.join(parts) + closed))
    if not all(re.fullmatch(r"[\w.+/*^'\u00b0%-]+(?: [\w.'-]+)*", part) for part in parts):
        return
    both = f"{mark} ".join(parts[:-1]) + f" and {parts[-1]}"
    for what, spelled in (
        ("with 'and' before the last part", both),
        ("with semicolons" if mark == "," else "with commas", ("; " if mark == "," else ", ").join(parts)),
        ("with each part on a line", "\n".join(parts)),
        ("with bars between its parts", " | ".join(parts)),
    ):
        yield Edit("list_separators", what, filled(opened + spelled + closed), alike=False)


def _formulas(filled: Filled, value: str) -> Iterator[Edit]:
    """LaTeX, units and signs with another layout."""
    for what, command in (("as a large fraction", "\\dfrac"), ("as a small fraction", "\\tfrac")):
        if "\\frac" in value:
            yield Edit("latex", what, filled(value.replace("\\frac", command)), alike=False)
    if "\\" in value or "^" in value:
        yield Edit("latex", "with a thin space before it", filled(f"\\,{value}"), alike=False)
        yield Edit("latex", "in display style", filled(f"\\displaystyle {value}"), alike=False)
    unit = re.fullmatch(r"(-?\d[\d.,/]*)( ?)([A-Za-z\u00b0\u00b5%$\u20ac][\w\u00b0/^]*)", value)
    if unit:
        for what, gap in (
            ("without a space before the unit", ""),
            ("with a space before the unit", " "),
            ("with two spaces before the unit", "  "),
            ("with a no-break space before the unit", "\u00a0"),
        ):
            yield Edit("unit_spaces", what, filled(unit[1] + gap + unit[3]))


# ------------------------------------------------------------------------------------------------- lines


def _lines(anatomy: Anatomy, text: str) -> Iterator[Edit]:
    """The lines of a reply with other white space between them."""
    lines = text.splitlines()
    if len(lines) < 2 or anatomy.task not in ("answer", "expression", "form") or "```" in text:
        return
    for what, changed in (
        ("with empty lines between its lines", "\n\n".join(lines)),
        ("with spaces after its lines", "".join(f"{line}  \n" for line in lines)),
    ):
        yield Edit("line_layout", what, changed, alike=False)
