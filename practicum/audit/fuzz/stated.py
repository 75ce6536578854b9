"""What a prompt states about a whole reply, and honest right replies that break it: indentation, a script,
what stands before it and after it, how many marks it has, and a text that was to be changed.

Each rule is taken only where all honest right replies to the row keep it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from difflib import SequenceMatcher

from practicum.audit.fuzz.instructions import COUNT, number_named
from practicum.audit.fuzz.permitted import demands
from practicum.audit.fuzz.probe import Probe, refused
from practicum.audit.fuzz.rows import FuzzRow

INDENTED = re.compile(
    r"\b(?:indent(?:ed|ation|s)?|outline)\b(?!.*\b(?:JSON|HTML|XML|Python|code)\b)", re.IGNORECASE | re.DOTALL
)
SCRIPTS = (
    "cyrillic", "greek", "hangul", "hiragana", "katakana", "kanji", "hanzi", "hebrew", "arabic", "devanagari",
    "thai", "georgian", "armenian", "russian", "ukrainian", "bulgarian", "japanese", "korean", "chinese",
    "hindi",
)  # fmt: skip
"""Scripts, and languages that have one of their own."""
IN_SCRIPT = re.compile(
    rf"\bin (?:\w+ )?(?:{'|'.join(SCRIPTS)})\b[^.;:]{{0,20}}\bonly\b"
    rf"|\bonly in (?:\w+ )?(?:{'|'.join(SCRIPTS)})\b",
    re.IGNORECASE,
)
MOSTLY = 0.6
"""Share of a reply's letters that are in its script."""
IN_ENGLISH = "In plain English I would say that what was asked for here is simply the following: "
NOTHING_BEFORE = re.compile(
    r"\b(?:nothing|no (?:other )?(?:text|words?|preamble|introduction|comments?)) (?:else )?"
    r"(?:may |must |can )?(?:(?:stand|come|be|appear)s? )?(?:before|in front of)\b"
    r"(?= (?:it|that|this|them|the|your)\b|[.,;])"
    r"|\bwithout (?:any )?preamble\b",
    re.IGNORECASE,
)
NOTHING_AFTER = re.compile(
    r"\b(?:nothing|no (?:other )?(?:text|words?|comments?)) (?:else )?"
    r"(?:may |must |can )?(?:(?:stand|come|be|appear)s? )?(?:after|behind)\b"
    r"(?= (?:it|that|this|them|the|your)\b|[.,;])",
    re.IGNORECASE,
)
CHANGE = re.compile(
    r"\b(?:correct(?! (?:answer|option|choice|letter|order|result))|proofread|fix|mend|repair|translate"
    r"|rewrite|rephrase|paraphrase|reverse|sort|reorder|rearrange|capitali[sz]e|encode|decode|encrypt|decrypt"
    r"|shorten|expand|simplify|convert|anonymi[sz]e|redact)\b",
    re.IGNORECASE,
)
"""How prompts ask for a text of theirs in another form."""
UNLESS = re.compile(
    r"\bif (?:possible|needed|necessary|there (?:is|are) any)\b|\bwhere needed\b", re.IGNORECASE
)
"""How prompts say that there may be nothing to change."""
ORDER = re.compile(r"\b(?:reverse|sort|reorder|rearrange)\b", re.IGNORECASE)
"""How prompts ask for the same parts in another order."""
LONGEST_SOURCE = 1500
"""Letters of a text that was to be changed."""
MARKS = (
    (re.compile(r"\[[^\[\]\n]+\]"), "[another one]", r"\b(?:brackets?|placeholders?)\b"),
    (re.compile(r"<[^<>\n/]+>(?!.*</)"), "<another one>", r"\bplaceholders?\b"),
    (re.compile(r"\{[^{}\n]+\}"), "{another one}", r"\b(?:braces?|placeholders?)\b"),
    (re.compile(r"\*\*[^*\n]+\*\*"), "**another one**", r"\b(?:bold|highlight\w*)\b"),
    (re.compile(r"(?<!\w)#[A-Za-z]\w*"), "#another", r"\bhash ?tags?\b"),
    (re.compile(r"(?<!\w)@[A-Za-z]\w*"), "@another", r"\b(?:mentions?|handles?)\b"),
    (re.compile(r"\?"), "Is it?", r"\bquestions?(?: marks?)?\b"),
    (re.compile(r"!"), "Yes!", r"\bexclamation\b"),
    (re.compile(r"[\U0001F300-\U0001FAFF\u2600-\u27BF]"), "\u2b50\U0001f600", r"\bemojis?\b"),
    (re.compile(r"https?://\S+"), "https://example.org/another", r"\b(?:links?|urls?)\b"),
)
"""What may be counted: how it is written, one more of it, and what prompts call it."""
BLOCK = re.compile(r"<(\w+)>\s*(\{.*?\})\s*</\1>", re.DOTALL)
ALONE = re.compile(
    r"\b(?:reply|respond|answer|output|return|give)\b[^.;]{0,40}\b(?:only|alone|nothing else)\b",
    re.IGNORECASE,
)
"""How prompts want a reply that is nothing else."""
MORE_ALLOWED = re.compile(r"\b(?:suffix|prefix|may)\b", re.IGNORECASE)
CODE_LIKE = re.compile(r"(?=.*\d)(?=.*[A-Za-z/_-])[\w/.:#-]{3,24}")
JUNK = "zq"


def against_the_prompt(row: int, data: FuzzRow) -> Iterator[Probe]:
    """Right replies to a row, each made to break one rule of its prompt."""
    prompt = demands(data.prompt.text)
    for what, text in (
        *_other_indents(prompt, data),
        *_other_script(prompt, data),
        *_around(prompt, data),
        *_counted(prompt, data),
    ):
        if text.strip() not in {good.strip() for good in data.good}:
            yield refused(row, text, "instruction_unchecked", f"that {what}")
    for source in _unchanged(prompt, data):
        # A few slips of many words may be forgiven; that all texts may be left as they were is none of that.
        what = "that repeats the prompt's text as it was"
        yield refused(row, source, "left_as_it_was", what, alone=False)
    for what, text in _other_meaning(prompt, data):
        yield refused(row, text, "other_meaning", f"that says {what}", alone=False)
    for text in _broken_calls(data):
        yield refused(row, text, "broken_block", "with a broken block where none belongs")
    yield from _glued(row, prompt, data)


def _other_indents(prompt: str, data: FuzzRow) -> Iterator[tuple[str, str]]:
    """Lines that all begin at the margin, or equally far from it."""
    indents = [{len(line) - len(line.lstrip()) for line in _lines(text)} for text in data.good]
    if not INDENTED.search(prompt) or not indents or not all(len(one) > 1 for one in indents):
        return
    for text in data.good[:1]:
        for what, gap in (("begins all of its lines at the margin", ""), ("indents all lines alike", "    ")):
            yield what, "\n".join(gap + line.strip() for line in _lines(text))
        # One line too far in is a child of the line before.
        lines = _lines(text)
        deepest = max(range(len(lines)), key=lambda place: len(lines[place]) - len(lines[place].lstrip()))
        moved = [f"    {line}" if place == deepest else line for place, line in enumerate(lines)]
        yield "indents a line too far", "\n".join(moved)


def _lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip()]


def _other_script(prompt: str, data: FuzzRow) -> Iterator[tuple[str, str]]:
    if not IN_SCRIPT.search(prompt):
        return
    for good in data.good[:2]:
        letters = [one for one in good if one.isalpha()]
        own = [one for one in letters if not unicodedata.name(one, "").startswith("LATIN")]
        if len(letters) > 2 and len(own) > MOSTLY * len(letters):
            yield "is in English for the most part", IN_ENGLISH + good
            yield "is in English for the most part", f"{good} {IN_ENGLISH.strip(' :')}."


def _around(prompt: str, data: FuzzRow) -> Iterator[tuple[str, str]]:
    for good in data.good[:1]:
        if NOTHING_BEFORE.search(prompt):
            yield "has words before it", f"Sure, here is what you asked for.\n{good}"
            yield "has words before it", f"Sure: {good}"
        if NOTHING_AFTER.search(prompt):
            yield "has words after it", f"{good.rstrip()}\nI hope that this helps."


def _counted(prompt: str, data: FuzzRow) -> Iterator[tuple[str, str]]:
    """One mark too many or too few, where a prompt says exactly how many there are."""
    for pattern, more, names in MARKS:
        named = re.search(
            rf"\bexactly {COUNT} (?:(?!with |and |or |of )[\w-]+ )?(?:{names})",
            prompt,
            re.IGNORECASE,
        )
        wanted = number_named(named[1]) if named else 0
        if wanted < 1 or not data.good or any(len(pattern.findall(one)) != wanted for one in data.good):
            continue
        for good in data.good[:2]:
            last = [*pattern.finditer(good)][-1]
            yield "has one too many of what is counted", f"{good[: last.end()]} {more}{good[last.end() :]}"
            yield "has one too many of what is counted", f"{good} {more} {more}"
            if len(last[0]) > 1:
                word = re.sub(r"[^\w ]+", " ", last[0]).strip() or "it"
                yield "has one too few of what is counted", good[: last.start()] + word + good[last.end() :]


def _unchanged(prompt: str, data: FuzzRow) -> Iterator[str]:
    """Texts of a prompt that asks for another form of them, where right replies are nearly such a text."""
    if not CHANGE.search(prompt) or UNLESS.search(prompt) or not data.good:
        return
    quoted = [found[1] for found in re.finditer(r"[\"\u201c]([^\"\u201c\u201d\n]{8,400})[\"\u201d]", prompt)]
    parts = [*quoted, prompt.rpartition(": ")[2], *prompt.split("\n")[1:], prompt.partition(": ")[2]]
    known = {_bare(good) for good in data.good} | {_bare(data.gold)}
    for part in dict.fromkeys(one.strip() for one in parts):
        if not 8 <= len(part) <= LONGEST_SOURCE or _bare(part) in known:
            continue
        same = any(sorted(_letters(part)) == sorted(_letters(good)) for good in data.good)
        if all(_alike(part, good) for good in data.good[:2]) and (ORDER.search(prompt) or not same):
            yield part


def _letters(text: str) -> str:
    return re.sub(r"[\s.]", "", text.casefold())


def _bare(text: str) -> str:
    return " ".join(text.split()).strip(" .\"'`\u201c\u201d")


def _alike(one: str, other: str) -> bool:
    """Whether two texts are of about the same length and share most of their letters, in any order."""
    if not 0.5 < (len(one) + 1) / (len(other) + 1) < 2:
        return False
    letters = [sorted(text.casefold().replace(" ", "")) for text in (one, other)]
    return SequenceMatcher(None, letters[0], letters[1], autojunk=False).ratio() > 0.7


def _other_meaning(prompt: str, data: FuzzRow) -> Iterator[tuple[str, str]]:
    """The opposite, or something else in one word, where a text was to be changed in form and the gold answer
    has it word for word."""
    gold = " ".join(re.findall(r"\w+", data.gold.casefold()))
    for good in data.good[:1]:
        words = good.split()
        same = " ".join(re.findall(r"\w+", good.casefold()))
        if not CHANGE.search(prompt) or len(words) < 6 or same not in gold:
            continue
        verb = re.search(r"\b(?:was|were|is|are|will|can|has|have|had)\b", good)
        if verb and " not " not in good:
            yield "the opposite", f"{good[: verb.end()]} not{good[verb.end() :]}"
        longest = max(range(len(words)), key=lambda place: len(words[place].strip(".,")))
        yield "another word", " ".join([*words[:longest], "zebra", *words[longest + 1 :]])


def _broken_calls(data: FuzzRow) -> Iterator[str]:
    """Honest wrong replies whose block of JSON is broken too; the block is what is wrong, as no right reply
    has one."""
    for bad in data.bad[:2]:
        block = BLOCK.search(bad)
        if block is None or any(f"<{block[1]}" in good for good in data.good):
            continue
        inner = block[2]
        bare = re.sub(r"\"(\w+)\":", r"\1:", inner)
        for broken in (inner[:-1], bare, inner.replace('"', "'"), inner.strip("{}")):
            yield bad[: block.start(2)] + broken + bad[block.end(2) :]


def _glued(row: int, prompt: str, data: FuzzRow) -> Iterator[Probe]:
    """A mark or a number with letters glued to one end, where a reply is nothing else. With letters at both
    ends it is as wrong: a reward that pays one and refuses the other looks at one end alone."""
    for good in data.good[:2]:
        code = good.strip()
        if (
            not ALONE.search(prompt)
            or MORE_ALLOWED.search(data.prompt.text)
            or not all(CODE_LIKE.fullmatch(one.strip()) for one in data.good)
        ):
            continue
        for what, text in (("behind", f"{code}{JUNK}"), ("before", f"{JUNK}{code}")):
            said = f"with letters glued {what} it"
            control = f"{JUNK}{code}{JUNK}"
            yield Probe(row, text, "one_end_unchecked", "refused", said, control=control)
            yield Probe(row, control, "odd_text", "steady", "with letters glued around it")
