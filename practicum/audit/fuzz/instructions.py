"""Instructions that a prompt gives in plain words, and honest right texts that are made to break one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from practicum.audit.fuzz.permitted import demands
from practicum.audit.fuzz.probe import Probe
from practicum.audit.fuzz.rows import FuzzRow

NO_WORD = "without|the|may|must|can|could|should|is|are|be|that|which|of|in|twice|more|longer|shorter"
QUOTED = rf"(?!(?:{NO_WORD})\b)[\"'\u201c\u2018]?([\w'-]+)[\"'\u201d\u2019]?"
NUMBERS = {
    "one": 1,
    "two": 2,
    "three": 3,
    "four": 4,
    "five": 5,
    "six": 6,
    "seven": 7,
    "eight": 8,
    "nine": 9,
    "ten": 10,
}
COUNT = r"(\d{1,4}|" + "|".join(NUMBERS) + ")"
WORDS = rf"((?:the )?words? (?:{QUOTED}(?:, | and | or |, and |, or )?)+)"
NOT = r"(?:do not|don't|never|without|avoid|must not|not to|no)\b[^.;]{0,30}?"
FORBIDDEN = re.compile(rf"{NOT}\bwords?:? ((?:{QUOTED}(?:,? (?:and|or) |, )?)+)", re.IGNORECASE)
INCLUDED = re.compile(
    rf"(?:contain\w*|includ\w*|use|uses|using|mention\w*|with) (?:all of )?(?:the |both )?"
    rf"(?:words?|keywords?) ((?:{QUOTED}(?:,? and |, )?)+)",
    re.IGNORECASE,
)
OFTEN = re.compile(
    r"\bword [\"'\u201c\u2018]?([\w'-]+?)[\"'\u201d\u2019]? (at least |exactly )(twice|once"
    rf"|(?:\d\d?|{'|'.join(NUMBERS)})(?= times?\b))",
    re.IGNORECASE,
)
LETTER = re.compile(rf"{NOT}\bletter [\"']?([a-zA-Z])\b", re.IGNORECASE)
PHRASE = r"\w* (?:it |the reply |your \w+ )?with (?:the (?:words?|phrase|sentence) )?[\"']([^\"']{2,80})[\"']"
AT_LEAST = re.compile(
    rf"(?:at least|no fewer than|no less than|more than|minimum of) {COUNT} words", re.IGNORECASE
)
AT_MOST = re.compile(
    rf"(?:at most|under|fewer than|less than|no more than|up to|maximum of|within) {COUNT} words",
    re.IGNORECASE,
)
RANGE = re.compile(rf"{COUNT} (?:to|and|-) {COUNT} words", re.IGNORECASE)
EXACTLY = re.compile(rf"(?:exactly|precisely|in) {COUNT} words", re.IGNORECASE)
SENTENCES = re.compile(rf"(?:exactly |in |with |write ){COUNT} sentences", re.IGNORECASE)

ONCE = re.compile(
    r"\b(?:no|never (?:use )?(?:a|any)|not (?:use )?(?:a|any)) words? "
    r"(?:(?:may|must|can|is|be|to|used|appear\w*|occur\w*) )*(?:twice|more than once|again|repeated)\b"
    r"|\b(?:without|not|no) (?:repeat(?:ing|ed)?|reus(?:e|ing)) (?:a |any )?words?\b"
    r"|\b(?:each|every) word (?:\w+ ){0,3}(?:only|at most|exactly) once\b"
    r"|\ball (?:the )?words (?:must |should )?(?:be |are )?(?:different|distinct|unique)\b",
    re.IGNORECASE,
)
"""How prompts say that a word is used once."""
BEGINS = re.compile(
    r"\b(?:start|begin)\w* with (?:the letter |(?:a |an )?(?=[\"'\u2018\u201c])|(?!a [\w(]))"
    r"[\"'\u2018\u201c]?([A-Za-z])\b",
    re.IGNORECASE,
)
"""The letter that a prompt wants first; "start with a name" has none."""
CHARACTERS = re.compile(
    rf"(?:at most|under|fewer than|less than|no more than|up to|maximum of|within) {COUNT} "
    r"(?:characters|letters)\b",
    re.IGNORECASE,
)
PARTS = re.compile(
    rf"(?:(?:at least|at most|up to|no more than|exactly|minimum of|maximum of) )?{COUNT} (?:\w+ )?"
    r"(lines|items|bullets|bullet points|points|steps|paragraphs|verses|stanzas|rows|entries)\b(?: or more)?",
    re.IGNORECASE,
)


def broken(row: int, data: FuzzRow) -> Iterator[Probe]:
    """Right texts that break one instruction which the prompt, or the row's list of constraints, states."""
    for what, text in [*_by_prompt(data), *_by_columns(data)]:
        if text not in data.good:
            yield Probe(row, text, "instruction_unchecked", "refused", f"that {what}")


def _by_prompt(data: FuzzRow) -> Iterator[tuple[str, str]]:
    prompt = demands(data.prompt.text)
    for good in data.good[:2]:
        yield from _by_words(prompt, good, data)
        yield from _by_length(prompt, good)
        yield from _by_shape(prompt, good, data)
        yield from _by_letters(prompt, good)
        yield from _by_count(prompt, good)
        if ONCE.search(data.prompt.text):
            yield from _said_again(good)


def _by_words(prompt: str, good: str, data: FuzzRow) -> Iterator[tuple[str, str]]:
    forbidden = [word for found in FORBIDDEN.finditer(prompt) for word in _listed(found[1])]
    for word in forbidden:
        if not any(re.search(rf"\b{re.escape(word)}\b", one, re.IGNORECASE) for one in data.good):
            yield f"uses the forbidden word {word}", added(good, word)
            yield f"uses the forbidden word {word}", f"{word} {good}"
    for found in INCLUDED.finditer(prompt):
        for word in _listed(found[1]):
            if word not in forbidden and all(word.casefold() in one.casefold() for one in data.good):
                yield (
                    f"leaves out the word {word}",
                    re.sub(re.escape(word), "thing", good, flags=re.IGNORECASE),
                )
    for found in OFTEN.finditer(prompt):
        word, often = found[1], {"once": 1, "twice": 2}.get(found[3].casefold()) or number_named(found[3])
        places = [*re.finditer(rf"\b{re.escape(word)}\b", good, re.IGNORECASE)]
        free = re.search(r"\b(?:any|other|inflected) forms?\b|\bpart of\b", prompt, re.IGNORECASE)
        if 1 <= often <= len(places) and word not in forbidden and not free:
            # A longer word is another one: "art" in "party".
            for other in ("thing", f"{word.lower()}xy", f"un{word.lower()}ed"):
                kept = good
                for place in places[often - 1 :][::-1]:
                    kept = f"{kept[: place.start()]}{other}{kept[place.end() :]}"
                yield f"uses the word {word} too seldom", kept
            if found[2].strip().casefold() == "exactly":
                yield f"uses the word {word} too often", added(added(good, word), f"and {word}")
    for found in LETTER.finditer(prompt):
        if found[1].casefold() not in good.casefold():
            yield f"uses the letter {found[1]}", added(good, found[1].lower() * 2)
    if re.search(r"\b(no|without|avoid|not use( any)?) commas\b", prompt, re.IGNORECASE) and "," not in good:
        yield "uses commas", good.replace(" ", ", ", 2)
    for found in re.finditer(
        rf"(?:end|finish|close){PHRASE}",
        prompt,
        re.IGNORECASE,
    ):
        if found[1] in good:
            yield "does not end as told", f"{good} And so on, further and further."
    for found in re.finditer(
        rf"(?:start|begin){PHRASE}",
        prompt,
        re.IGNORECASE,
    ):
        if good.strip().startswith(found[1]):
            yield "does not begin as told", f"So then, {good}"


def _by_length(prompt: str, good: str) -> Iterator[tuple[str, str]]:
    words = good.split()
    for found in AT_LEAST.finditer(prompt):
        if number_named(found[1]) > 2 and len(words) >= number_named(found[1]):
            yield "has too few words", words[0]
            yield "has too few words", " ".join(words[: max(1, number_named(found[1]) // 2)])
            fewer = (
                number_named(found[1]) - 1 if "than" not in found[0].casefold().split("at least")[0] else 1
            )
            yield "has too few words", " ".join(["so"] * max(1, fewer))
    ranged = RANGE.search(prompt)
    most = [number_named(found[1]) for found in AT_MOST.finditer(prompt)] + (
        [number_named(ranged[2])] if ranged else []
    )
    for count in most:
        if 0 < len(words) <= count:
            yield "has too many words", " ".join(words * (2 * count // len(words) + 2))
    if ranged and number_named(ranged[1]) > 2:
        yield "has too few words", words[0]
    for found in EXACTLY.finditer(prompt):
        if len(words) == number_named(found[1]):
            yield "has too many words", f"{good} {good}"
            yield "has too few words", words[0]
    for found in SENTENCES.finditer(prompt):
        if len(re.findall(r"[.!?](?:\s|$)", good)) == number_named(found[1]):
            yield "has too many sentences", f"{good} {good}"


def _by_letters(prompt: str, good: str) -> Iterator[tuple[str, str]]:
    """Rules for characters: how many, the first and the last, digits."""
    for found in CHARACTERS.finditer(prompt):
        most = number_named(found[1])
        if 0 < len(good) <= most:
            yield "has too many characters", (f"{good} " * (most // len(good) + 2)).strip()
    first = BEGINS.search(prompt)
    if first and good[:1].casefold() == first[1].casefold():
        letter = "z" if first[1].casefold() != "z" else "b"
        yield "begins with another letter", (letter.upper() if good[0].isupper() else letter) + good[1:]
        yield "begins with another letter", f"{letter.upper()}ebras: {good}"
    for name, sign in (
        ("question mark", "?"),
        ("exclamation (?:mark|point)", "!"),
        ("(?:period|full stop)", "."),
    ):
        if re.search(rf"\b(?:end|finish|close)\w* (?:\w+ )?with an? {name}", prompt, re.I) and good.endswith(
            sign
        ):
            yield "ends with another sign", good[:-1]
            yield "ends with another sign", good[:-1] + ("." if sign != "." else "!")
    digits = r"\b(?:no|without(?: any)?|not use(?: any)?) (?:digits|numerals)\b"
    if re.search(digits, prompt, re.IGNORECASE) and not re.search(r"\d", good):
        yield "uses digits", added(good, "7")


def _by_count(prompt: str, good: str) -> Iterator[tuple[str, str]]:
    """Rules for the number of lines, items, steps and paragraphs."""
    for found in PARTS.finditer(prompt):
        count, name = number_named(found[1]), found[2].casefold()
        gap = "\n\n" if name.startswith(("paragraph", "verse", "stanza")) else "\n"
        parts = [part for part in re.split(r"\n\s*\n" if gap == "\n\n" else r"\n+", good) if part.strip()]
        if count < 2 or len(parts) != count:
            continue
        least = re.search(r"\b(?:at least|or more|minimum)\b", found[0], re.IGNORECASE)
        most = re.search(r"\b(?:at most|up to|no more than|maximum)\b", found[0], re.IGNORECASE)
        if not most:
            yield f"has too few {name}", gap.join(parts[:-1])
            yield f"has too few {name}", parts[0]
        if not least:
            yield f"has too many {name}", gap.join([*parts, parts[-1]])
            yield f"has too many {name}", gap.join([*parts, *parts])


def _said_again(good: str) -> Iterator[tuple[str, str]]:
    """Its first sentence, line or word in the place of all others."""
    for gap in ("\n", ". ", "! ", ", ", " "):
        parts = good.strip().rstrip(".!").split(gap)
        if len(parts) > 1 and len(set(parts)) > 1 and all(map(str.strip, parts)):
            end = good.strip()[-1] if good.strip()[-1] in ".!" else ""
            yield "uses a word again", gap.join([parts[0]] * len(parts)) + end
            return


def _by_shape(prompt: str, good: str, data: FuzzRow) -> Iterator[tuple[str, str]]:
    if (
        re.search(r"\blower ?-?case\b|\bno capital", prompt, re.IGNORECASE)
        and good == good.lower() != good.upper()
    ):
        yield "has capitals", good.upper()
        yield "has capitals", good.title()
        yield "has a capital", good[:1].upper() + good[1:]
    if (
        re.search(
            r"\b(upper ?-?case|all caps|capital letters|all capitals|no (?:small|lower ?-?case) letters?)\b",
            prompt,
            re.IGNORECASE,
        )
        and good == good.upper() != good.lower()
    ):
        yield "has no capitals", good.lower()
        yield "has small letters behind the first of each word", good.title()
    if re.search(r"bullet|'- '|list of", prompt, re.IGNORECASE) and re.match(r"\s*[-*] ", good):
        yield "is no list", ", ".join(re.sub(r"^\s*[-*] ", "", line) for line in good.splitlines())
        lines = [line for line in good.splitlines() if line.strip()]
        if re.search(rf"\b{COUNT} \w+", prompt, re.IGNORECASE) and len(lines) > 1:
            counts = {
                number_named(found[1]) for found in re.finditer(rf"\b{COUNT} \w+", prompt, re.IGNORECASE)
            }
            if len(lines) in counts:
                yield "has too few items", lines[0]
                yield "has too many items", "\n".join(lines * 3)
    if (
        re.search(r"quotation marks|in (double )?quotes", prompt, re.IGNORECASE)
        and good.strip()[:1] in "\"'\u201c"
    ):
        yield "is not in quotes", good.strip().strip("\"'\u201c\u201d")
        yield "is not in quotes", good.strip()[1:]
        yield "is not in quotes", good.strip()[:-1]
    tongue = re.search(
        r"\bin (French|German|Spanish|Italian|Portuguese|Dutch|Latin|Russian|Chinese|Japanese)\b", prompt
    )
    if tongue and data.bad:
        yield f"is not in {tongue[1]}", "This sentence is plain English, and so is the rest of it."
    if re.search(r"\bJSON\b", prompt) and _is_json(good):
        yield "is no JSON", good.strip().strip("{}[]")
        yield "is no JSON", good.strip()[:-1]


def _by_columns(data: FuzzRow) -> Iterator[tuple[str, str]]:
    """Words that a column lists under a name that says they are forbidden, or wanted."""
    spec: Any = data.answer
    if isinstance(spec, str):
        try:
            spec = json.loads(spec)
        except ValueError:
            return
    for name, words in _word_lists(spec, ""):
        for good in data.good[:1]:
            if re.search(r"forbid|not_|avoid|exclu|without|never|ban", name):
                for word in words:
                    if not any(word.casefold() in one.casefold() for one in data.good):
                        yield f"uses the forbidden word {word}", added(good, word)
            elif re.search(r"includ|exist|requir|contain|must", name):
                for word in words:
                    if all(word.casefold() in one.casefold() for one in data.good):
                        yield (
                            f"leaves out the word {word}",
                            re.sub(re.escape(word), "thing", good, flags=re.IGNORECASE),
                        )


def _word_lists(spec: Any, name: str) -> Iterator[tuple[str, list[str]]]:
    if isinstance(spec, dict):
        for key, value in spec.items():
            yield from _word_lists(value, f"{name} {key}".casefold())
    elif isinstance(spec, list):
        if spec and all(isinstance(one, str) and re.fullmatch(r"[\w'-]{2,30}", one) for one in spec):
            yield name, spec
        else:
            heads = [one for one in spec if isinstance(one, str)]
            for one in spec:
                if not isinstance(one, str):
                    yield from _word_lists(one, f"{name} {' '.join(heads)}".casefold())


LIST_ENDS = {"and", "or", "the", "in", "with", "but", "to", "at", "exactly", "once"}
"""Words that end a list of words; `and` and `or` join two of it."""
NEXT_CLAUSE = {"avoid", "use", "do", "not", "never", "word", "words"}
"""Words that begin another clause behind a list."""


def _listed(text: str) -> list[str]:
    words = re.findall(r"[\w'-]+", text)
    kept: list[str] = []
    for word in words:
        if word.casefold() in ("and", "or"):
            continue
        if word.casefold() in LIST_ENDS or (kept and word.casefold() in NEXT_CLAUSE):
            break
        kept.append(word.strip("'"))
    return [word for word in kept if word][:4]


def added(good: str, word: str) -> str:
    """A text with one more word, before its last sign."""
    end = re.search(r"[.!?\"']*\s*$", good)
    start = end.start() if end else len(good)
    return f"{good[:start]} {word}{good[start:]}"


def number_named(text: str) -> int:
    """The number that a word or digits say; 0 where they say none."""
    return int(text) if text.isdigit() else NUMBERS.get(text.casefold(), 0)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
