"""What a prompt allows in plain words: right replies in ways that it allows, and the prompt without them.

A prompt that says "you may box it more than once" has ruled that in, so a reward that refuses it is wrong,
whatever the rest of its form is.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from typing import Any

from practicum.audit.fuzz.anatomy import Anatomy
from practicum.audit.fuzz.damage import UNORDERED
from practicum.audit.fuzz.json_types import at, leaves, put, replies
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
_FREE_LINES = re.compile(
    r"\b(?:blank|empty) lines?\b"
    r"(?![^.;]{0,60}\b(?:ends?|beginning|before|after|must|not be|one|single)\b)[^.;]{0,40}"
    r"\b(?:anywhere|as many as|any number|(?:do not|don't) (?:matter|count)"
    r"|(?:is|are) (?:ignored|free|fine|allowed|welcome|not counted))\b",
    re.IGNORECASE,
)
"""How a prompt allows empty lines between any two lines."""
_FREE_CASE = re.compile(
    r"\b(?:case|capitali[sz]ation|capitals?|capital letters|upper ?case|lower ?case)\b[^.;]{0,30}"
    r"\b(?:(?:do|does) not matter|(?:doesn't|don't) matter|makes? no difference"
    r"|(?:is|are) (?:free|ignored|(?:all )?the same|not (?:judged|graded|checked)))\b"
    r"|\bcase[- ]insensitive",
    re.IGNORECASE,
)
"""How a prompt says that capitals and small letters are the same."""
_SHOWN_WORK = re.compile(
    r"\b(?:may|can|allowed to|free to)\b(?![^;]{0,40}\bnot\b)[^;]{0,100}?"
    r"(?<![\d.])\d+ ?\+ ?\d+ ?= ?\d+",
    re.IGNORECASE,
)
"""How a prompt shows that an answer may be written as the end of a sum."""
LAST_NUMBER = re.compile(
    r"\blast number\b[^.;]{0,60}\b(?:taken|counts|is (?:read|used|graded|judged|the answer))\b", re.IGNORECASE
)
_ENDS = re.compile(r"\b(?:nothing|no words?|alone|ends? with|at the (?:very )?end)\b", re.IGNORECASE)
"""How a prompt says which number is the answer, and that nothing may stand behind it."""
_CENTS = re.compile(
    r"(?<![\d.])(?P<short>\d+\.\d)(?!\d)[^.;\d]{1,12}(?P=short)0(?!\d)|\busual ways? (?:to|of) writ",
    re.IGNORECASE,
)
"""How a prompt shows that 12.5 and 12.50 are one amount."""
_SIGNATURE = re.compile(r"\b[A-Za-z_]\w{0,60}\([^()]{0,300}\)")
"""A function as Python declares it, with values for parameters that are left out."""
_NO_DEFAULTS = re.compile(
    r"\b(?:leave out|omit|only|just|without|do not|don't|never)\b[^.;]{0,50}"
    r"\b(?:defaults?|need\w*|required|necessary|given|asked|ask\w*|named|mentioned|stated)\b",
    re.IGNORECASE,
)
"""How a prompt may forbid arguments that say the default."""
_PUNCTUATION = re.compile(
    r"(?<!without )\bpunctuation (?:marks? )?"
    r"(?:is (?:free|ignored|up to you)|does not (?:matter|count)|is not (?:counted|graded|checked))\b",
    re.IGNORECASE,
)
"""How a prompt says that marks beside words do not count."""
_ATTRIBUTES = re.compile(
    r"\battributes?\b[^.;]{0,40}\border\b|\border\b[^.;]{0,40}\battributes?\b", re.IGNORECASE
)
_ELEMENT = re.compile(r"<[\w:.-]+((?:\s+[\w:.-]+\s*=\s*(?:\"[^\"<]*\"|'[^'<]*')){2,})\s*/?>")
"""The opening tag of an element with several attributes."""
_MARKDOWN = re.compile(
    r"\bmarkdown\b[^.;]{0,30}\b(?:if you (?:like|want|wish)|(?:is|are) (?:fine|allowed|welcome|ok\w*))\b"
    r"|\b(?:may|can|free to|allowed to)\b(?![^.;]{0,30}\b(?:not|no|never)\b)[^.;]{0,30}\b(?:markdown|bold)\b",
    re.IGNORECASE,
)
"""How a prompt allows emphasis."""


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
    for what, text, base in (
        *_repeated(anatomy, row),
        *_gaps(prompt, data.good),
        *_amounts(anatomy, row),
        *_defaults(prompt, data.good),
        *_emphasised(anatomy, row),
        *_punctuated(anatomy, row),
        *_attributes(prompt, data.good),
        *_cased(anatomy, row),
        *_worked(anatomy, row),
        *_behind(anatomy, row),
    ):
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
    for good in goods[:2] if _FREE_LINES.search(prompt) else ():
        wider = re.sub(r"\n\s*\n|\n", "\n\n\n", good.strip("\n"))
        if "\n" in wider:
            yield "with empty lines between its lines, as the prompt allows", wider, good


def _cased(anatomy: Anatomy, row: int) -> Iterator[tuple[str, str, str]]:
    """The answer in small letters and in capitals, where the prompt says that they are the same."""
    if anatomy.task != "answer" or not _FREE_CASE.search(anatomy.rows[row].prompt.text):
        return
    for slot in anatomy.good_slots(row)[:2]:
        written = slot.value.strip()
        if re.fullmatch(r"[A-Za-z ,]{2,}", written):
            for what, changed in (("small letters", written.lower()), ("capitals", written.upper())):
                yield f"in {what}, as the prompt allows", slot.filled(changed), slot.text


def _behind(anatomy: Anatomy, row: int) -> Iterator[tuple[str, str, str]]:
    """Words with a comma behind the last number, where the prompt says that the last number is the answer."""
    prompt = anatomy.rows[row].prompt.text
    if LAST_NUMBER.search(prompt) and not _ENDS.search(prompt):
        for good in anatomy.rows[row].good[:2]:
            what = "with words and a comma behind the number, as the prompt allows"
            yield what, f"{good} That is all, I think.", good


def _worked(anatomy: Anatomy, row: int) -> Iterator[tuple[str, str, str]]:
    """The answer as the end of a sum, where the prompt shows that it may be."""
    form = anatomy.form
    if anatomy.task != "answer" or form.closed or not _SHOWN_WORK.search(anatomy.rows[row].prompt.text):
        return
    for slot in anatomy.good_slots(row)[:2]:
        written = slot.value.strip()
        if re.fullmatch(r"[2-9]|[1-9]\d{1,14}", written):
            text = slot.filled(f"{int(written) - 1} + 1 = {written}")
            yield "with its arithmetic before it, as the prompt allows", text, slot.text


def _amounts(anatomy: Anatomy, row: int) -> Iterator[tuple[str, str, str]]:
    """Amounts with two decimals, where the prompt shows that they are the same."""
    if anatomy.task != "answer" or not _CENTS.search(anatomy.rows[row].prompt.text):
        return
    for slot in anatomy.good_slots(row)[:2]:
        written = slot.value.strip()
        if re.fullmatch(r"\d{1,6}(?:\.\d)?", written):
            what = "with two decimals, as the prompt allows"
            yield what, slot.filled(f"{float(written):.2f}"), slot.text


def _defaults(prompt: str, goods: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """JSON calls with an argument more that says the default of the prompt's signature."""
    if _NO_DEFAULTS.search(prompt):
        return
    for signature in _SIGNATURE.finditer(prompt):
        names, values = _declared(signature[0])
        for good in goods[:2]:
            for reply in replies([good]):
                for path in sorted({path[:-1] for path, _ in leaves(reply.value) if path}):
                    given = at(reply.value, path)
                    # What has a parameter's name only is an object of arguments.
                    if isinstance(given, dict) and given and set(given) <= set(names):
                        left = {name: value for name, value in values.items() if name not in given}
                        for name, value in left.items():
                            full = reply.of(put(reply.value, path, {**given, name: value}))
                            yield f"with the default of {name} written out", full, good


def _declared(signature: str) -> tuple[list[str], dict[str, Any]]:
    """The parameters' names and the plain defaults of a Python signature; empty where it is none."""
    try:
        function = ast.parse(f"def {signature}: ...").body[0]
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return [], {}
    assert isinstance(function, ast.FunctionDef)
    plain = [*function.args.posonlyargs, *function.args.args]
    defaults = function.args.defaults
    pairs = [
        *zip(plain[len(plain) - len(defaults) :], defaults, strict=True),
        *zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True),
    ]
    every = [*plain, *function.args.kwonlyargs]
    if not all(one.annotation for one in every):
        # A call that is shown as an example has no types.
        return [], {}
    return [one.arg for one in every], {
        one.arg: value.value
        for one, value in pairs
        if isinstance(value, ast.Constant) and isinstance(value.value, (str, int, float, bool))
    }


def _emphasised(anatomy: Anatomy, row: int) -> Iterator[tuple[str, str, str]]:
    """The line of the answer in bold, where the prompt allows Markdown."""
    form = anatomy.form
    if not form.named or form.closed or not _MARKDOWN.search(anatomy.rows[row].prompt.text):
        return
    for slot in anatomy.good_slots(row)[:2]:
        start = slot.text.rfind("\n", 0, slot.start) + 1
        end = slot.text.find("\n", slot.end)
        line = slot.text[start : end if end >= 0 else len(slot.text)]
        if line.startswith(form.before.strip()) and "*" not in line:
            text = slot.text[:start] + f"**{line}**" + slot.text[start + len(line) :]
            yield "with its answer's line in bold, as the prompt allows", text, slot.text


def _punctuated(anatomy: Anatomy, row: int) -> Iterator[tuple[str, str, str]]:
    """Marks behind and around the words that a prompt names, where it says that punctuation is free."""
    data = anatomy.rows[row]
    if not _PUNCTUATION.search(data.prompt.text):
        return
    for good in data.good[:2]:
        for found in list(re.finditer(r"(?<!\S)[^\W\d_]{3,}(?=\s)", good)):
            if re.search(rf"(?<!\w){re.escape(found[0])}(?!\w)", data.prompt.text, re.IGNORECASE):
                head, tail = good[: found.start()], good[found.end() :]
                for what, word in (("a comma", f"{found[0]},"), ("quotes", f'"{found[0]}"')):
                    yield f"with {what} at one of its words, as punctuation is free", head + word + tail, good


def _attributes(prompt: str, goods: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """An element with its attributes turned around, where the prompt says that their order is free."""
    clauses = re.split(r"[.;:\n](?=\s|$)", prompt)
    if not any(_ATTRIBUTES.search(one) and (_FREE.search(one) or UNORDERED.search(one)) for one in clauses):
        return
    for good in goods[:2]:
        for found in _ELEMENT.finditer(good):
            start, end = found.span(1)
            attributes = re.findall(r"[\w:.-]+\s*=\s*(?:\"[^\"<]*\"|'[^'<]*')", found[1])
            turned = "".join(f" {one}" for one in attributes[::-1])
            text = good[:start] + turned + good[end:]
            yield "with its attributes in another order, as the prompt allows", text, good
