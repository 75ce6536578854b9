r"""Judge any mathematical answer against a gold answer, by what both say and not by how they are written.

An answer is a number, an expression, an equation, a list, a point, a set, an interval, a matrix, the letter
of a choice or a word, in LaTeX or plain, or a text that gives one (`final_answer.py`). What is equal to what
is stated in docs/verifier.md. A text that cannot be read is paid nothing and told as unreadable.
"""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache
from math import gcd

from practicum.errors import InputError
from practicum.exact.chemistry import formula_of
from practicum.exact.dates import read_clock, read_date
from practicum.exact.equivalence import same
from practicum.exact.expression import LimitError, ParseError
from practicum.exact.extraction import BOX, end_of_box, without_boxes
from practicum.exact.final_answer import MAX_TEXT, final_answers, has_doubt
from practicum.exact.gold_layout import plain_layout, without_bold, without_remarks
from practicum.exact.gold_numbers import NO_CENTS, read_number
from practicum.exact.gold_words import (
    SAID_IN_WORDS,
    TEXT,
    YES_OR_NO,
    all_but,
    meaning_of,
    mixed_measure,
    names_a_measure,
    plain_words,
    said_at_last,
    spelled_value,
    yes_or_no,
)
from practicum.exact.maths_reader import read_answer
from practicum.exact.maths_trees import Apply, Number, Quantity, Symbol, Tree, Words, names, walk
from practicum.exact.measures import measure
from practicum.exact.spelled import spelled_number
from practicum.exact.verdict import Outcome, Verdict
from practicum.exact.word_labels import belong_otherwise

MAX_ANSWER = 2000
"""Characters of an answer that are read as mathematics."""

_STYLE = re.compile(
    r"\\(?:left|right|displaystyle|textstyle|limits|[,;:! ]|[bB]igg?[lr]?|q?quad|mathstrut)(?![A-Za-z])|[$~]"
)
_GAP = re.compile(r"(?<!\w)\s+|\s+(?!\w)|(?<=\s)\s+")
_FRACTION = re.compile(r"\\[dtc]frac(?![A-Za-z])")
_MARKS = re.compile(r"(?<!\w)__|__(?!\w)|`+|\\\(|\\\)|\\\[|\\\]")
_STARRED = re.compile(r"\A([*_])(?!\1|\s)((?:(?!\1).)+)(?<!\s)\1(?=[.。]?\Z)")
"""A whole answer in one pair of stars or underscores, with none of the same in it."""
_CHOICE = re.compile(
    r"(?:(?:the )?(?:correct |right |best )?(?:option|choice|answer|statement"
    r"|вариант|opci[oó]n|opção|variante|antwort)(?: choice)?(?: is)?:?\s*)?"
    r"(?P<open>[(\[]?)(?P<letter>[A-Ja-j])(?P<mark>[)\].:]*)(?:\s+(?P<rest>\S.*))?",
    re.DOTALL | re.IGNORECASE,
)
_GOLD_CHOICE = re.compile(r"\(?(?P<letter>[A-J])\)?[.:)]?(?:\s+(?P<rest>\S.*))?", re.DOTALL)
_SEVERAL_CHOICES = re.compile(r"(?:\([A-J]\)|[A-J])(?:\s*(?:,|;|&|\band\b)+\s*(?:\([A-J]\)|[A-J]))+")
_GLUED_UNIT = re.compile(r"(?<=\d)(?=[mgshlLWVJNKA]\Z)")
"""Before one letter behind a number, which is a unit where the gold answer has one: "2.5h"."""
_TWO_NUMBERS = re.compile(r"[-−]?\d+(?:\.\d+)?\s+[-−]\d+(?:\.\d+)?")
"""A number and a negative one: "0 -2" is no difference as it is written."""
_ORDINALS = {
    "zeroth": 0, "first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7,
    "eighth": 8, "ninth": 9, "tenth": 10,
}  # fmt: skip
_SOME_WORDS = re.compile(r"[^\W\d_]+(?:[ '’-][^\W\d_]+)*")


def judge_answer(gold: str, answer: str, question: str = "") -> Verdict:
    """Whether an answer, or the answer that a text gives, is the gold answer.

    Where the `question` is given, an answer that only repeats a part of it ("9*2" for 18) is not paid.
    Raises InputError for a gold answer that is empty; never for an answer.
    """
    return _judged(gold, answer, question, False)


def judge_completion(gold: str, completion: str, question: str = "") -> Verdict:
    """Whether the answer of a whole solution is the gold answer; without a mark it is on the last line."""
    return _judged(gold, completion, question, True)


def _judged(gold: str, answer: str, question: str, is_solution: bool) -> Verdict:
    wanted = gold_answer(gold)
    if not answer.strip():
        return Verdict(Outcome.UNPARSEABLE, "the answer is empty")
    if _canonical(answer[:MAX_TEXT]) == _canonical(wanted) and len(answer) <= MAX_TEXT:
        return Verdict(Outcome.CORRECT, f"{_short(wanted)}: the gold answer")
    try:
        readings = final_answers(plain_layout(answer), _say_the_same, is_solution)
    except LimitError as error:
        return Verdict(Outcome.OVER_LIMITS, str(error))
    except ParseError as error:
        return Verdict(Outcome.UNPARSEABLE, str(error))
    verdict = Verdict(Outcome.UNPARSEABLE, "it gives no answer")
    for place, text in enumerate(readings):
        found = _judge_text(wanted, text, question)
        if found.outcome is not Outcome.UNPARSEABLE:
            return found
        verdict = verdict if place else found
    return verdict


def gold_answer(gold: str) -> str:
    r"""The answer that a gold answer names: behind ####, in its last boxes, or all of it.

    Raises InputError where it is empty.
    """
    text = gold.strip()
    marked = re.search(r"####(?!#)\s*(.+?)\s*\Z", text, re.DOTALL) if "####" in text else None
    if marked:
        text = marked[1]
    elif BOX.search(text):
        found = list(BOX.finditer(text))
        end = end_of_box(text, found[-1].end())
        if end is not None:
            text = without_boxes(text[found[-1].start() : end])
    text = tidy(text)
    if not text:
        raise InputError("the gold answer is empty: give what a right answer says")
    return text


def is_readable(gold: str) -> bool:
    """Whether answers can be judged against a gold answer by more than its spelling. Raises InputError."""
    text = gold_answer(gold)
    if len(text) > MAX_ANSWER:
        return False
    is_words = re.fullmatch(r"[^\W\d_]+(?:[ '’-][^\W\d_]+){0,5}", _bare(text)) is not None
    return is_words or _GOLD_CHOICE.fullmatch(_bare(text)) is not None or bool(_gold_trees(text))


def tidy(text: str) -> str:
    """An answer without marks of emphasis, quotes and a full stop at its end."""
    text = _MARKS.sub(lambda found: " " if found[0].startswith("\\") else "", without_bold(text)).strip()
    text = _STARRED.sub(r"\2", text)
    text = re.sub(r"\A[\s\"'“”]+(?=\S)|(?<=\S)[\s\"“”✓✔✅]+\Z", "", text).strip()
    text = re.sub(r"(?<!\\)\\\Z", "", text).rstrip()  # what is left of a LaTeX space
    if text.endswith((".", "。")) and not text.endswith(".."):
        text = text[:-1].rstrip()
    return text[:-2].rstrip() + "$" if text.endswith(".$") else text


def _canonical(text: str) -> str:
    """A text as it is compared with another: without spaces and marks of style."""
    text = TEXT.sub(r"\1", _FRACTION.sub(r"\\frac", tidy(text))).replace(r"\%", "%")
    return _GAP.sub("", _STYLE.sub(" ", text)).strip().rstrip(".")


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."


def _say_the_same(one: str, other: str) -> bool:
    """Whether two answers of one text agree."""
    if _canonical(one) == _canonical(other):
        return True
    try:
        return _judge_text(gold_answer(other), one, "").outcome is Outcome.CORRECT
    except InputError:
        return not one.strip()


def _judge_text(gold: str, text: str, question: str) -> Verdict:
    text = NO_CENTS.sub("", without_remarks(tidy(text)))
    if not text:
        return Verdict(Outcome.UNPARSEABLE, "the answer is empty")
    if len(text) > MAX_ANSWER:
        return Verdict(Outcome.OVER_LIMITS, f"the answer has over {MAX_ANSWER} characters")
    if _canonical(text) == _canonical(gold):
        return Verdict(Outcome.CORRECT, f"{_short(gold)}: the gold answer")
    chosen = _judge_choice(gold, text)
    if chosen is not None:
        return chosen
    if (formula := formula_of(gold)) and formula_of(text) == formula:
        return _right(gold, text)
    said = _judge_words(gold, text)
    if said is not None:
        return said
    try:
        return _judge_maths(gold, text, question)
    except LimitError as error:
        return Verdict(Outcome.OVER_LIMITS, str(error))


def _right(gold: str, text: str) -> Verdict:
    return Verdict(Outcome.CORRECT, f"{_short(text)}: equals the gold answer {_short(gold)}")


def _wrong(gold: str, text: str) -> Verdict:
    return Verdict(Outcome.WRONG, f"{_short(text)} is not {_short(gold)}")


# -- letters of a choice -----------------------------------------------------------------------------------


def _bare(text: str) -> str:
    return tidy(TEXT.sub(r"\1", text).replace("$", "").replace(r"\ ", " ").replace("\\,", " ").strip())


def _judge_choice(gold: str, text: str) -> Verdict | None:
    """The verdict on the letters of a multiple choice; None where the gold answer is none."""
    several = _SEVERAL_CHOICES.fullmatch(_bare(gold))
    if several is not None and re.search(r"\bor\b", text):
        return _wrong(gold, text)
    if several is not None:
        given = _SEVERAL_CHOICES.fullmatch(_bare(text)) or re.fullmatch(r"[A-J]{2,}", _bare(text))
        if given is None:
            return None
        letters = [sorted(re.findall(r"[A-J]", one[0])) for one in (several, given)]
        return _right(gold, text) if letters[0] == letters[1] else _wrong(gold, text)
    wanted = _GOLD_CHOICE.fullmatch(_bare(gold))
    if wanted is None or (wanted["rest"] and not re.match(r"\([A-J]\)|[A-J][.):]", _bare(gold))):
        return None
    found = _CHOICE.fullmatch(_bare(text))
    if found is None:
        return None if wanted["rest"] else Verdict(Outcome.UNPARSEABLE, "it names no letter of the choice")
    rest = re.sub(r"(?i)\bnone of (?:these|the above|the others?)\b", "", found["rest"] or "")
    if rest and (not found["mark"] or has_doubt(rest) or re.search(r"(?<![^\W_])\(?[A-J]\)(?!\w)", rest)):
        return Verdict(Outcome.UNPARSEABLE, "more stands beside the letter of the choice")
    if found["letter"].upper() != wanted["letter"]:
        return _wrong(gold, text)
    if found["letter"].islower() and not (found["open"] or found["mark"] or len(_bare(text)) == 1):
        return None
    if rest and wanted["rest"] and not _say_the_same(rest, wanted["rest"]):
        return _wrong(gold, text)
    return _right(gold, text)


# -- words -------------------------------------------------------------------------------------------------


def _judge_words(gold: str, text: str) -> Verdict | None:
    """The verdict on words, None where the gold answer is mathematics and the answer not its words."""
    date = read_date(_bare(gold))
    if date is not None:
        return _right(gold, text) if read_date(_bare(text)) == date else _wrong(gold, text)
    if read_clock(_bare(gold)) is not None and read_clock(_bare(gold)) == read_clock(_bare(text)):
        return _right(gold, text)
    wanted, given = meaning_of(gold), meaning_of(text)
    if wanted == given and (wanted in SAID_IN_WORDS or _SOME_WORDS.fullmatch(wanted)):
        return _right(gold, text)
    if _SOME_WORDS.fullmatch(wanted) and wanted not in YES_OR_NO and said_at_last(given) == wanted:
        return _right(gold, text)
    if wanted in YES_OR_NO:
        said = yes_or_no(given)
        if not said:
            return Verdict(Outcome.UNPARSEABLE, f"expected {wanted}")
        return _right(gold, text) if said == wanted else _wrong(gold, text)
    if wanted in SAID_IN_WORDS:
        return None if re.search(r"[0-9\\{}()∞<>ℝℤ]", text) else _wrong(gold, text)
    if (
        not re.fullmatch(r"[^\W\d_]{2,}(?:[ '’-][^\W\d_]+)*", wanted)
        or "$" in gold
        or "\\" in TEXT.sub("", gold)
    ):
        return None
    if (
        len(wanted) == 2
        and gold.isalpha()
        and wanted not in ("no", "on", "in", "up", "go", "so", "us", "we", "it")
    ):
        return None
    if spelled_number(wanted) is not None or names_a_measure(wanted) or wanted == "infinity":
        return None
    return _wrong(gold, text)


# -- mathematics -------------------------------------------------------------------------------------------


def _judge_maths(gold: str, text: str, question: str) -> Verdict:
    if _TWO_NUMBERS.fullmatch(text):
        return Verdict(Outcome.UNPARSEABLE, "it gives two numbers")
    golds = _gold_trees(gold)
    if any(isinstance(one, Quantity) for one in golds):
        text = _GLUED_UNIT.sub(" ", text)
    givens = _trees(text)
    if (
        not givens
        and (number := _number(text)) is not None
        and _number(gold) == number
        and _units_agree(gold, text)
    ):
        return _right(gold, text)
    if not givens:
        return Verdict(Outcome.UNPARSEABLE, f"it cannot be read: {_why_unreadable(text)}")
    for wanted in golds:
        for given in givens:
            if same(wanted, given):
                if belong_otherwise(gold, text):
                    return _wrong(gold, text)
                if question and _repeats(question, text, gold, given):
                    return Verdict(Outcome.UNPARSEABLE, "it is a part of the question, not its answer")
                return _right(gold, text)
    return _wrong(gold, text)


def _trees(text: str) -> tuple[Tree, ...]:
    """The readings of an answer: a comma may mark thousands, decimals or a list; a letter a choice."""
    texts = [(text, True)]
    if re.search(r"\d,\d{3}", text):
        texts.append((text, False))
    if re.fullmatch(r"\$?[-+−]?\d+,\d+\$?", text) and not re.search(r",\d{3}\b", text):
        texts.append((text.replace(",", "."), True))
    chosen = re.match(r"(?:\\(?:text|mathrm|textbf)\s*\{)?\(?[A-J][.):]\}?[\s\\~]*(?=[^\s.,)])", text)
    if chosen and chosen.end() < len(text) and not has_doubt(text):
        texts.append((text[chosen.end() :], True))
    found: list[Tree] = []
    over: LimitError | None = None
    for one, thousands in texts:
        try:
            found.append(read_answer(one, thousands))
        except LimitError as error:
            over = error
        except ParseError:
            continue
    meaning = meaning_of(text)
    words = plain_words(text)
    said = (spelled_value(words), all_but(words), mixed_measure(words))
    found = [tree for tree in said if tree is not None] + found
    if meaning in ("∅", "ℝ", "ℤ"):
        found.append(Symbol(meaning))
    if meaning in _ORDINALS:
        found.append(Apply("th", (Number(Fraction(_ORDINALS[meaning])),)))
    found = [tree for tree in found if not isinstance(tree, Words) and not _is_prose(tree)]
    if over is not None and not found:
        raise over
    return tuple(found)


def _is_prose(tree: Tree) -> bool:
    """Whether a member of a list is a sentence."""
    return any(isinstance(one, Words) and one.text.count(" ") > 0 for one in walk(tree))


@lru_cache(maxsize=4096)
def _gold_trees(text: str) -> tuple[Tree, ...]:
    try:
        return _trees(text)
    except LimitError:
        return ()


def _why_unreadable(text: str) -> str:
    try:
        tree = read_answer(text)
    except (ParseError, LimitError) as error:
        return str(error)
    return f"{_short(text)!r} is no mathematics" if isinstance(tree, Words) else "no rule reads it"


def _number(text: str) -> object:
    """The number that a sentence names by the rules for plain numbers; None where it names none."""
    try:
        return read_number(text)
    except InputError:
        return None


def _units_agree(gold: str, text: str) -> bool:
    units = [
        measure(found[1]) if (found := re.search(r"\d\s*([^\W\d_][\w/^ ]*|%|°)\W*\Z", one)) else None
        for one in (gold, text)
    ]
    return units[0] is None or units[1] is None or units[0] == units[1]


def _repeats(question: str, text: str, gold: str, given: Tree) -> bool:
    """Whether an answer that is not written as the gold answer is a part of the question."""
    if not any(isinstance(one, Apply) and one.operation not in ("neg", "°", "%") for one in walk(given)):
        return False
    is_fraction = _is_fraction(given) and not names(given)
    if isinstance(given, Quantity) or (is_fraction and not _is_unreduced(given)):
        return False
    written = re.sub(r"[*·×\\]|cdot|times", "", _canonical(text).rpartition("=")[2])
    asked = re.sub(r"[*·×\\]|cdot|times", "", _canonical(question))
    return (
        len(_canonical(text)) > 2
        and written in asked
        and written not in re.sub(r"[*·×\\]|cdot|times", "", _canonical(gold))
    )


def _is_fraction(tree: Tree) -> bool:
    return (
        isinstance(tree, Apply)
        and tree.operation == "/"
        and not any(isinstance(one, Apply) for one in tree.arguments)
    )


def _is_unreduced(tree: Tree) -> bool:
    """Whether a fraction of two whole numbers has a common factor."""
    if not isinstance(tree, Apply):
        return False
    parts = [one.value for one in tree.arguments if isinstance(one, Number)]
    return (
        len(parts) == 2
        and all(one.denominator == 1 for one in parts)
        and gcd(parts[0].numerator, parts[1].numerator) != 1
    )
