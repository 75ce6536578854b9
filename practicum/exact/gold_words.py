"""What the words of an answer say: yes or no, none, all, infinitely many, and numbers in words with units."""

from __future__ import annotations

import re
from fractions import Fraction

from practicum.exact.expression import LimitError, ParseError, word_set
from practicum.exact.final_answer import has_doubt
from practicum.exact.gold_numbers import check_words_after, check_words_before
from practicum.exact.maths_reader import read_answer
from practicum.exact.maths_trees import Apply, Group, Number, Quantity, Symbol, Tree
from practicum.exact.maths_values import measured
from practicum.exact.measures import measure
from practicum.exact.spelled import MAX_WORDS, spelled_number

TEXT = re.compile(r"\\(?:text|textbf|textrm|textit|mathrm|mbox|mathbf|operatorname|textsf)\s*\{([^{}]*)\}")
_NOTHING = word_set("none ∅ dne nothing")
_NO_SOLUTION = re.compile(
    r"(?:there (?:is|are|exists?) |it has |has )?(?:no|zero) (?:real |possible |such |valid )?"
    r"(?:solutions?|roots?|answers?|values?|numbers?|integers?|x)(?: exists?)?"
    r"|(?:the )?(?:empty|null) set|(?:it |the limit |limit )?does not exist|undefined"
    r"|(?:the )?(?:equation|system) has no (?:real )?solutions?|there (?:is|are) none"
)
_EVERYTHING = re.compile(
    r"(?:all|any|every|set of(?: all)?) reals?(?: numbers?)?|reals|real numbers|all numbers|ℝ"
    r"|x (?:can be|is) any real number|for all real x"
)
_INTEGERS = re.compile(r"(?:all|any|set of(?: all)?) integers?|integers|ℤ")
_INFINITE = re.compile(
    r"(?:there are )?(?:infinitely many|infinite|(?:an )?infinite number of)(?: real)?(?: solutions?)?"
    r"|infinity solutions"
)
_ALL_BUT = re.compile(r"(?P<all>.+?)(?: x)?,? (?:except(?: for)?|but|other than|excluding) (?P<but>.+)")
_MIXED_MEASURE = re.compile(
    r"(?P<count>\d{1,9}) ?(?P<unit>[a-z]+),?(?: and)? (?P<parts>\d{1,9}(?:\.\d{1,9})?) ?(?P<part>[a-z]+)"
)
_SUBJECT = re.compile(
    r"\A(?:domain|range|image|(?:solution|answer)(?: set)?|set of (?:all )?solutions)"
    r"(?: of [a-z]\([a-z]\))? (?:is|are) "
)
_SENTENCE = re.compile(
    r"(?:final |correct |right )?(?:answer|result|solution|graph|curve|shape|figure|conic|function|sequence"
    r"|series|set|capital|winner|person|city|country) (?:is|was)(?: (?:an?|the|called|named))?"
    r" (?P<said>[^\W\d_][^,.;:]*)"
    r"|(?:it|this|that|(?:the )?(?:day|date|event|meeting|birthday|holiday))"
    r" (?:falls|fell|will fall|lands|happens|is) on(?: (?:an?|the))? (?P<day>[^\W\d_]+day)"
)
"""A sentence whose subject can only be what was asked for; the first article is gone."""
SAID_IN_WORDS = frozenset(("∅", "ℝ", "ℤ", "∞ many"))
YES_OR_NO = word_set("yes no true false")
_CLAUSE = re.compile(
    r"\b(?:it|they|he|she|we|you|this|that|these|those|there|because|since|as"
    r"|is|are|was|were|does|do|did|can|will|has|have|had)\b"
)
"""Words that a clause behind yes or no has, and a second answer has not."""


def plain_words(text: str) -> str:
    """A text of words as it is compared: case, blanks, punctuation and articles do not count."""
    text = re.sub(r"\\[,;! ]|[$\"“”*_`]", " ", TEXT.sub(r" \1 ", text)).casefold().replace("’", "'")
    text = text.replace(r"\emptyset", "∅").replace(r"\varnothing", "∅").replace("doesn't", "does not")
    text = " ".join(text.split()).strip("()[]{}.,;!: ")
    text = re.sub(r"\A(?:it|this|that)(?: is|'s| was| will be) ", "", text)
    return re.sub(r"\A(?:on )?(?:(?:the|a|an) )?(?=[^\W\d_]{2})", "", text)


def meaning_of(text: str) -> str:
    """What words say: one of several ways to say none, all, infinitely many; else the words."""
    words = _SUBJECT.sub("", plain_words(text))
    clauses = [one for one in re.split(r"[;.]\s+", words) if one]
    if len(clauses) == 2 and all(meaning_of(one) == "∅" for one in clauses):
        return "∅"
    if words in _NOTHING or _NO_SOLUTION.fullmatch(words) or text.strip("$ ") in (r"\{\}", "{}"):
        return "∅"
    if _EVERYTHING.fullmatch(words):
        return "ℝ"
    if _INTEGERS.fullmatch(words):
        return "ℤ"
    return "∞ many" if _INFINITE.fullmatch(words) else words


def said_at_last(words: str) -> str:
    """The words that a plain sentence ends in: "graph is an ellipse"; "" for anything else."""
    found = _SENTENCE.fullmatch(words)
    is_plain = not has_doubt(words) and not re.search(r"\b(?:or|and|if|than|like)\b", words)
    return (found["said"] or found["day"]) if found is not None and is_plain else ""


def yes_or_no(words: str) -> str:
    """The yes, no, true or false that words say, "" where they say none or more than a clause about it."""
    first = re.match(r"(?P<said>yes|no|true|false)\b[,.;:!]?(?P<rest>.*)", words, re.DOTALL)
    if first is None:
        return ""
    rest = first["rest"].strip(" .,;:!")
    if first["said"] in ("no", "false"):  # "No, it is not" agrees with itself
        rest = re.sub(r"\b(?:not|no|none|never|cannot)\b|n't\b", " ", rest)
    is_clause = not rest or (_CLAUSE.search(rest) is not None and len(rest.split()) > 1)
    if not is_clause or has_doubt(rest) or re.search(r"\b(?:yes|no|true|or)\b", rest):
        return ""
    return first["said"]


def spelled_value(words: str) -> Tree | None:
    """ "Fifty", "the number is fifty", "fifty percent" as a value; None for anything else."""
    before, _, said = words.rpartition(" is ")
    try:
        check_words_before(before.split(), True)
    except ParseError:
        return None
    return spelled_number(said) or _spelled_quantity(said)


def _spelled_quantity(words: str) -> Tree | None:
    """ "Fifty percent", "two hours": a number in words with a unit; None for anything else."""
    parts = words.split()
    for size in range(min(len(parts) - 1, MAX_WORDS), 0, -1):
        number = spelled_number(" ".join(parts[:size]))
        if number is not None and all(part.isalpha() for part in parts[size:]):
            try:
                unit = re.sub(r"\A(?:of )?(?:a|an|the) ", "", " ".join(parts[size:]))
                check_words_after(unit)
            except ParseError:
                return None
            return measured(number, unit)
    return None


def all_but(words: str) -> Tree | None:
    """ "All real numbers except 0 and 1" as a set; None for anything else."""
    found = _ALL_BUT.fullmatch(words)
    if found is None or not _EVERYTHING.fullmatch(found["all"]):
        return None
    try:
        excepted = read_answer(found["but"])
    except (ParseError, LimitError):
        return None
    excluded = excepted if isinstance(excepted, Group) else Group("{", "}", (excepted,))
    return Apply("∖", (Symbol("ℝ"), Group("{", "}", excluded.members)))


def mixed_measure(words: str) -> Tree | None:
    """ "2 hours 30 minutes" and "5 feet 3 inches" in the first unit; None for anything else."""
    found = _MIXED_MEASURE.fullmatch(words)
    first, second = (measure(found["unit"]), measure(found["part"])) if found else (None, None)
    if found is None or first is None or second is None or first[0] != second[0] or first[1] <= second[1]:
        return None
    value = Fraction(found["count"]) + Fraction(found["parts"]) * second[1] / first[1]
    return Quantity(Number(value), found["unit"])


def names_a_measure(words: str) -> bool:
    """Whether words are a number with a unit of measure: "two hours", not "two apples"."""
    quantity = _spelled_quantity(words)
    is_percent = isinstance(quantity, Apply)
    return is_percent or (isinstance(quantity, Quantity) and measure(quantity.unit) is not None)
