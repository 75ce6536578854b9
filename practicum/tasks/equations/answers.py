r"""The grammar of answers: every token is read by a rule, or the answer is unreadable.

An answer is a row of statements, joined by commas, lines, "or", "so" and the like. A statement is one of

    claim      "x = 1", "1 or 3", "the solutions are 1 and 3", "{1, 3}", "no real solutions", "all x but 0",
               "x >= 2", "[1, 3]"
    rejection  "x = 2 is extraneous", "reject 2"
    remark     a count, a check, a discriminant, an equation on the way to a claim, a reason, an approximation
               of a number that is named exactly

each with notes in brackets, which are read in the same way. A label is a letter of the equation or a word of
`phrases.py`. What words may stand where, `phrases.py` says; there is no rule that skips a word.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from practicum.tasks.equations import phrases
from practicum.tasks.equations.answer_tokens import closing_bracket, tokenize_answer
from practicum.tasks.equations.expression import (
    Expression,
    LimitError,
    Name,
    Negative,
    Number,
    ParseError,
    Parser,
    PlusMinus,
    Power,
    Product,
    Sum,
    Token,
)
from practicum.tasks.equations.extraction import answer_text, extract_answer
from practicum.tasks.equations.phrases import Phrases

__all__ = ["MAX_MEMBERS", "Answer", "Range", "Value", "extract_answer", "parse_answer", "with_signs"]

MAX_MEMBERS = 32
"""Most members of a list, each ± counted twice."""


@dataclass(frozen=True)
class Value:
    """One member: one or more forms that must all be equal (6/2 = 3), with the text it was read from."""

    forms: tuple[Expression, ...]
    choices: int
    text: str


@dataclass(frozen=True)
class Range:
    """An interval; None for an infinite end."""

    low: Expression | None
    low_closed: bool
    high: Expression | None
    high_closed: bool


@dataclass
class Answer:
    """What an answer says, still unevaluated. Several statements together may contradict each other.

    values, ranges, exclusions: what is claimed ("x ≠ 2" excludes). rejected: numbers said to be no solutions.
    conditions: ranges that hold for every member ("x = 9 for x >= 5"). remarks: ranges that do so if
    they hold all members, and are claimed if not ("9, x >= 5"; "-5, x >= 0"). estimates: decimals given for exact
    members. beside_none: numbers named as a reason why there are none (complex ones). count: how many
    solutions the answer says there are. premises: numbers named before "so", to be named
    again behind it. overlap: what two ranges joined by a comma share. sums: numbers that are
    called the sum.
    """

    values: list[Value] = field(default_factory=list)
    ranges: list[Range] = field(default_factory=list)
    exclusions: list[Value] = field(default_factory=list)
    rejected: list[Value] = field(default_factory=list)
    conditions: list[Range] = field(default_factory=list)
    remarks: list[Range] = field(default_factory=list)
    estimates: list[Value] = field(default_factory=list)
    beside_none: list[Value] = field(default_factory=list)
    sums: list[Value] = field(default_factory=list)
    premises: list[Value] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    overlap: Range | None = None
    says_none: bool = False
    says_all: bool = False

    @property
    def is_blank(self) -> bool:
        """Whether nothing is claimed."""
        claimed = (
            self.values or self.premises or self.ranges or self.exclusions or self.estimates or self.sums
        )
        return not (claimed or self.says_none or self.says_all)


def parse_answer(
    text: str, parametric: bool = False, is_sum: bool = False, names: Collection[str] = ("x",)
) -> Answer:
    """Read an answer to an equation in `names`. With `parametric`, a condition ("for a > 5") is not judged;
    with `is_sum` a label may be a sum of names ("x_1 + x_2 = 4").

    Raises ParseError for anything outside the grammar and LimitError over a limit.
    """
    tokens = tokenize_answer(answer_text(text), frozenset(names))
    answer = Reader(tokens, frozenset(names), parametric, is_sum).read()
    if answer.is_blank:
        raise ParseError("the answer is empty" if not tokens else "the answer names no solutions")
    return answer


_RELATIONS = frozenset(("<", ">", "≤", "≥"))
_TURNED = {"<": ">", ">": "<", "≤": "≥", "≥": "≤"}
_EQUALS = frozenset(("=", "∈", "⇒", "←"))
_PAUSES = frozenset((",", ";", ".", "\n"))
_STOPS = frozenset((";", ".", "\n"))
_SET_LABELS = frozenset(("S", "L", "X", "M", "IL"))
_SUM_LABELS = frozenset(("S", "Sigma", "sigma", "Σ"))
_REMARK_MATHS = frozenset(
    ("=", *_RELATIONS, "≠", "number", "-", "name", "superscript", "^", "+", "*", "sqrt", "∞", "ℝ", "∈", "|")
)
_DISCRIMINANTS = frozenset(("D", "Delta", "delta", "Δ"))


class Reader:
    """Recursive descent over the tokens of one answer; a rule that does not fit leaves no trace."""

    def __init__(
        self, tokens: list[Token], names: frozenset[str], parametric: bool = False, is_sum: bool = False
    ) -> None:
        self.tokens = [*tokens, Token("end", "end of the answer", 0)]
        self.words = [self._word(token, names) for token in self.tokens]
        self.names = names
        self.parametric = parametric
        self.is_sum = is_sum
        self.index = 0
        self.answer = Answer()
        self.joined_by = ""
        self.group = 0  # values from here on were named in one statement
        self.labelled = False  # whether the latest value has a label of its own
        self.open_equation = ""  # an equation that awaits what follows from it
        self.narrow = False  # whether the latest noun was narrowed: "unique solution"
        self.is_note = False
        self.beside_numbers = False

    @staticmethod
    def _word(token: Token, names: frozenset[str]) -> str:
        if token.kind == "word":
            return token.text
        if token.kind == "ℝ":
            return phrases.REALS
        if token.kind == "name" and (token.text in names or token.text.partition("_")[0] in names):
            return phrases.UNKNOWN
        return "0" if token.kind == "number" and token.text == "0" else "\0"

    # -- tokens

    @property
    def next(self) -> Token:
        return self.tokens[self.index]

    def kind(self, ahead: int = 0) -> str:
        place = self.index + ahead
        return self.tokens[place].kind if place < len(self.tokens) else "end"

    def take(self, *kinds: str) -> bool:
        """Read the next token if it is of one of these kinds."""
        if self.next.kind in kinds:
            self.index += 1
            return True
        return False

    def say(self, table: Phrases) -> bool:
        """Read the longest phrase of a table, if one is next."""
        if self.words[self.index][0] == "\0":
            return False
        count = table.match(self.words, self.index)
        self.index += count
        return count > 0

    def unexpected(self) -> ParseError:
        token = self.next
        if token.kind == "end":
            return ParseError("the answer ends too early")
        return ParseError(
            f"unexpected {token.text!r}" if token.kind != "\n" else "unexpected end of the line"
        )

    def tried(self, rule: Callable[[], bool]) -> bool:
        """Whether a rule fits; where it does not, nothing is read and nothing said."""
        index, state = self.index, _copy(self.answer)
        others = self.joined_by, self.group, self.labelled, self.open_equation
        try:
            if rule():
                return True
        except ParseError:
            pass
        self.index, self.answer = index, state
        self.joined_by, self.group, self.labelled, self.open_equation = others
        return False

    # -- statements

    def read(self) -> Answer:
        """Read all tokens."""
        self.statements("end")
        if self.open_equation:
            raise ParseError("an equation is no answer: name the numbers")
        if not self.answer.values:
            self.answer.values, self.answer.premises = self.answer.premises, []
        return self.answer

    def statements(self, closing: str) -> None:
        """Read statements up to a token of this kind."""
        first = True
        while True:
            self.joined_by = self.joint(first)
            if self.next.kind == closing:
                if self.joined_by in ("or", "and", "but", "so"):
                    raise self.unexpected()
                return
            if not first and not self.joined_by:
                raise self.unexpected()
            if self.joined_by == "so":
                self._conclude()
            self.statement()
            first = False

    def _conclude(self) -> None:
        self.answer.premises += self.answer.values
        self.answer.values = []
        self.group = 0

    def joint(self, first: bool = False) -> str:
        """Read what joins two statements: "", ",", a stop, or a word; the most binding of several."""
        joint = ""
        while True:
            if self.next.kind in _PAUSES:
                kind = self.next.kind
                self.index += 1
                if kind == "." and self.next.kind == "number" and not first:
                    raise ParseError("a number behind a full stop may be a list or a decimal")
                joint = kind if joint in ("", ",") else joint
            elif self.say(phrases.SO) or (not first and self.take("⇒")) or (first and self.take("⇒")):
                joint = "so"
            elif not first and joint != "so" and self.say(phrases.OR):
                joint = "or"
            elif not first and joint != "so" and self.say(phrases.AND):
                joint = "and" if joint in ("", ",", "\n") else joint
            elif not first and self.say(phrases.BUT):
                joint = "but"
            elif (
                not first
                and not joint
                and self.kind() == "number"
                and self.kind(1) == ")"
                and self._enumerates()
            ):
                return ","
            elif self.next.kind in ("∪",) and not first:
                self.index += 1
                joint = "or"
            else:
                return joint

    def statement(self) -> None:
        """Read one statement with what stands before and behind it."""
        if self.joined_by in ("", "so", *_STOPS):
            self.group = len(self.answer.values)
        start = self.index
        before = self.index
        while self.lead():
            before = self.index
        self.narrow = False
        if self.next.kind != "word" and self.tried(self.plain_item):
            return
        for rule in self._rules():
            if self.tried(rule):
                self.behind()
                return
        if before > start and (self.next.kind in ("end", ")") or self.next.kind in _PAUSES):
            if self.joined_by == "or":
                raise self.unexpected()
            return
        self.index = before
        self._raise_limits()
        raise self.unexpected()

    def _rules(self) -> list[Callable[[], bool]]:
        """The rules that a statement may follow here, in the order in which they are tried."""
        rules: list[Callable[[], bool]] = []
        if self.is_note:
            rules.append(self.condition)
        if self.answer.says_none:
            rules += (self.check, self.explanation, self.none, self.reason_clause)
        if self.next.kind == "word":
            rules += (
                *(self.check, self.explanation, self.only, self.none, self.interval_in_words, self.every),
                *(
                    self.rejection,
                    self.about,
                    self.sum_statement,
                    self.named,
                    self.auxiliary,
                    self.comparison,
                ),
                *(self.item, self.reason_clause, self.affirmation, self.because, self.working),
            )
            return rules
        if self.next.kind in ("name", "ℝ", "∅", "{", "[") or self.words[self.index] == "0":
            rules += (self.none, self.every)
        if self.next.kind in ("name", "≈"):
            rules.append(self.about)
        rules += (self.sum_statement, self.named, self.auxiliary, self.comparison, self.item)
        rules += (self.reason_clause, self.affirmation, self.working)
        return rules

    def _raise_limits(self) -> None:
        """Where an expression is over a limit, that is why nothing fits."""
        parser = Parser(self.tokens[self.index : -1], is_answer=True)
        try:
            parser.sum()
        except LimitError:
            raise
        except ParseError:
            return

    def lead(self) -> bool:
        """Read words that only introduce a statement."""
        start = self.index
        if self.next.kind not in ("word", "number", "(", "⇒"):
            return False
        if self.say(phrases.CASE) and self.next.kind == "number":
            self.index += 1
            self.take(":", ")")
            return True
        self.index = start
        if self.kind() == "number" and self.kind(1) in (")", ".") and self._enumerates():
            self.index += 2
            return True
        if self.kind() == "(" and self.kind(1) == "number" and self.kind(2) == ")" and self._enumerates(1):
            self.index += 3
            return True
        if self.next.kind not in ("word", "⇒"):
            return False
        nothing = phrases.NO_SOLUTION.match(self.words, start)
        every = phrases.EVERY.match(self.words, start)
        if self.say(phrases.LEADS) and self.index - start > max(nothing, every) - 1:
            self.take(":", ",")
            return True
        self.index = start
        if self.next.kind == "⇒" or self.say(phrases.SO):
            self.take("⇒")
            self.take(",", ":")
            return True
        return False

    def _enumerates(self, ahead: int = 0) -> bool:
        """Whether a number counts list items: 1. and 2. before labels, or before anything on lines."""
        marks = [
            (place, token)
            for place, token in enumerate(self.tokens[:-1])
            if token.kind == "number"
            and self.tokens[place + 1].kind in (")", ".")
            and (
                place - ahead == 0
                or self.tokens[place - ahead - 1].kind in ("\n", ",", ";", ".", ":")
                or self.tokens[place].spaced
            )
        ]
        expected = [str(number) for number in range(1, len(marks) + 1)]
        if [token.text for _, token in marks] != expected or len(marks) < 2:
            return False
        at_lines = all(
            place - ahead == 0 or self.tokens[place - ahead - 1].kind == "\n" for place, _ in marks[1:]
        )
        labelled = all(self.tokens[place + 2].kind == "name" for place, _ in marks)
        return at_lines or labelled

    def behind(self) -> None:
        """Read what may follow a statement directly: notes, affirmations, reasons."""
        while True:
            start = self.index
            if self.next.kind == "(" and self.tried(self.note):
                continue
            if self.next.kind == "[" and self.next.spaced and self.tried(self.footnote):
                continue
            if self.next.kind == "!" and self.tokens[self.index - 1].kind == "word":
                self.index += 1
                continue
            if self.answer.says_none:
                self.take(",", ":", "-")
                if not (self.tried(self.because) or self.tried(self.reason)):
                    self.index = start
                    return
                continue
            if self.answer.is_blank and not self.is_note and not self.answer.rejected:
                return
            if self.tried(self.condition) or self.tried(self.tail):
                continue
            comma = self.take(",")
            if not (self.tried(self.condition) or self.tried(self.because) or self.tried(self.tail)):
                self.index = start
                return
            if not comma and self.index == start:
                return

    # -- claims

    def none(self) -> bool:
        """ "no real solutions", "∅", in words."""
        start = self.index
        whole = phrases.NO_SOLUTION.match(self.words, start)
        if not whole and self.noun_phrase() is not None:
            if not (self.say(phrases.COPULAS) or self.take(":", "=")):
                self.index = start
        elif (
            self.kind() == "name"
            and self._is_label(self.next.text, sets=True)
            and self.kind(1) in ("=", "∈", ":")
        ):
            self.index += 2
            if self.take("∅"):
                self.answer.says_none = True
                self.open_equation = ""
                return True
            if self.kind() != "word":
                self.index = start
        if self.words[start] == "no" and self.kind(1) == ",":
            self.index += 2
        at_start = start == 0 or self.tokens[start - 1].kind in (":", "=", *_PAUSES)
        if self.say(phrases.NO_SOLUTION) or (at_start and self.say(phrases.NOTHING_THERE)):
            if self.narrow:
                raise ParseError("it says that there are none of one kind only")
            self.answer.says_none = True
            self.open_equation = ""
            while self.say(phrases.OF):
                pass
            self.take("∅")
            return True
        if self.take("∅") or (self.kind() in ("{", "[") and self._is_empty_pair()):
            self.answer.says_none = True
            self.open_equation = ""
            return True
        self.index = start
        return False

    def _is_empty_pair(self) -> bool:
        if (self.kind(), self.kind(1)) in (("{", "}"), ("[", "]")):
            self.index += 2
            return True
        return False

    def every(self) -> bool:
        """ "all real numbers", "ℝ", "all x except 0", "x >= 0" in words, with what is left out."""
        start = self.index
        for with_subject in (False, True):
            self.index = start
            if with_subject:
                self._subject_of_every()
            if self._signed_numbers() or self._all_reals():
                self._restrictions()
                self.open_equation = ""
                return True
        self.index = start
        return False

    def _subject_of_every(self) -> None:
        """ "x can be", "x ∈", "the solution set is"."""
        start = self.index
        if self.kind() == "name" and self._is_label(self.next.text, sets=True):
            self.index += 1
            if self.take("=", "∈", ":") or self.say(phrases.COPULAS):
                self.say(phrases.COPULAS)
                return
        elif self.noun_phrase() is not None and (self.say(phrases.COPULAS) or self.take(":", "=", "∈")):
            self.say(phrases.COPULAS)
            return
        self.index = start

    def _all_reals(self) -> bool:
        start = self.index
        if self.take("ℝ"):
            base = self.tokens[start].text.partition("_")
            return self._part_of_reals(base[2])
        if not self.say(phrases.EVERY) or phrases.NOUNS.match(self.words, self.index):
            return False
        self.take("∈") and self.take("ℝ")
        self.answer.says_all = True
        return True

    def _part_of_reals(self, subscript: str) -> bool:
        """ℝ with a mark: ℝ*, ℝ^*, ℝ_{≥0}, ℝ⁺."""
        zero = Number(0)
        kinds = [token.kind for token in self.tokens[self.index : self.index + 6]]
        if subscript:
            raise ParseError("read only ℝ, ℝ* and ℝ with a relation to 0")
        if kinds[:1] == ["*"] or kinds[:2] == ["^", "*"] or kinds[:4] == ["^", "{", "*", "}"]:
            self.index += 1 if kinds[0] == "*" else 2 if kinds[1] == "*" else 4
            self.answer.says_all = True
            self.answer.exclusions.append(Value((zero,), 0, "0"))
            return True
        signs = {"+": Range(zero, False, None, False), "-": Range(None, False, zero, False)}
        mark = self.next.text.translate({0x207A: "+", 0x207B: "-"})
        if kinds[:1] == ["mark"] or (kinds[:1] == ["^"] and kinds[1:2] in (["+"], ["-"])):
            self.index += 1 if kinds[0] == "mark" else 2
            mark = mark if kinds[0] == "mark" else kinds[1]
            self.answer.ranges.append(signs[mark])
            return True
        self.answer.says_all = True
        return True

    def _signed_numbers(self) -> bool:
        """ "all nonzero real numbers", "every positive number", "ℝ_{≥0}"."""
        start = self.index
        if (
            self.kind() == "ℝ"
            and self.kind(1) in (*_RELATIONS, "≠")
            and self.tokens[self.index + 2].text == "0"
        ):
            relation = self.kind(1)
            self.index += 3
            if relation == "≠":
                self.answer.says_all = True
                self.answer.exclusions.append(Value((Number(0),), 0, "0"))
            else:
                self._bounded(relation, Number(0))
            return True
        self.say(phrases.EVERY_START)
        real = self.next.text == "real" and self.take("word")
        sign = phrases.SIGNED.get(self.next.text) if self.next.kind == "word" else None
        if sign is None:
            self.index = start
            return False
        self.index += 1
        noun = self.say(phrases.NUMBER_NOUNS) or bool(real and self.next.kind == "word" and self.take("word"))
        if not noun:
            self.index = start
            return False
        if sign == "≠":
            self.answer.says_all = True
            self.answer.exclusions.append(Value((Number(0),), 0, "0"))
        else:
            self._bounded(sign, Number(0))
        return True

    def _bounded(self, relation: str, bound: Expression) -> None:
        closed = relation in ("≤", "≥")
        low, high = (None, bound) if relation in ("<", "≤") else (bound, None)
        self.answer.ranges.append(Range(low, closed and low is not None, high, closed and high is not None))

    def _restrictions(self) -> None:
        """What narrows "all real numbers": "except 0", "with x ≠ 0", "∖ {0}", "greater than 2"."""
        start = self.index
        self.take(",", ":")
        bracket = self.take("(")
        more = self.index > start
        if self._exceptions() or self.tried(self._narrowed) or (more and self.tried(self._said_again)):
            pass
        else:
            self.index = start
            return
        if bracket and not self.take(")"):
            raise self.unexpected()

    def _said_again(self) -> bool:
        """ "infinitely many solutions: all x ≠ 0"."""
        if self.answer.exclusions or self.answer.ranges:
            return False
        self.answer.says_all = False
        return self.every()

    def _exceptions(self) -> bool:
        start = self.index
        self.say(phrases.CONDITIONS)
        if self.kind() == "name" and self.kind(1) == "≠":
            if not self._is_label(self.next.text):
                raise self.unexpected()
            self.index += 1
        if self.kind() == "name" and self.kind(1) == "∉" and self._is_label(self.next.text):
            self.index += 1
        if self.kind() == "name" and self._is_label(self.next.text) and self.kind(1) == "word":
            self.index += 1
            if not (self.say(phrases.DIFFERS) or self.say(phrases.EXCEPT)):
                self.index = start
                return False
        elif (self.kind() == "-" and self.kind(1) != "{") or not (
            self.say(phrases.EXCEPT) or self.take("∖", "≠", "∉", "-")
        ):
            self.index = start
            return False
        self.take(":")
        while self.say(phrases.CONDITIONS) or self.say(phrases.DETERMINERS) or self.say(phrases.NOUNS):
            pass
        if self.kind() == "name" and self.kind(1) == "≠":
            raise self.unexpected()
        self._listed(self.answer.exclusions)
        while self.kind() in (",", "word") and self.tried(self._further_exclusion):
            pass
        return True

    def _further_exclusion(self) -> bool:
        """ ", x ≠ 2" or "and x ≠ 2" behind the first."""
        if not ((self.take(",") and (self.say(phrases.AND) or True)) or self.say(phrases.AND)):
            return False
        if self.kind() == "name" and self._is_label(self.next.text):
            self.index += 1
        elif self.kind() == "≠":
            pass
        if not self.take("≠"):
            return False
        return self._listed(self.answer.exclusions)

    def _listed(self, target: list[Value]) -> bool:
        """Numbers joined by commas, or, and; each may have a label; perhaps in braces."""
        braces = self.kind() == "{" and closing_bracket(self.tokens, self.index)
        if braces:
            self.index += 1
        while True:
            while self.kind() == "name" and self._is_label(self.next.text) and self.kind(1) in ("=", "≠"):
                self.index += 2
            target.append(self.value())
            if len(target) > MAX_MEMBERS:
                raise LimitError(f"a list of over {MAX_MEMBERS} members")
            start = self.index
            joined = self.take(",", ";")
            joined = self.say(phrases.AND) or (self.say(phrases.OR) or joined)
            if not joined or not self.tried(self._begins_value):
                self.index = start
                break
        if braces and not self.take("}"):
            raise self.unexpected()
        return True

    def _begins_value(self) -> bool:
        """Whether a number is next (with or without label); reads nothing."""
        start = self.index
        if self.kind() == "name" and self._is_label(self.next.text) and self.kind(1) in ("=", "≠"):
            self.index += 2
        self.value()
        fits = self.kind() not in (*_RELATIONS, "≠", "=", "≈")
        self.index = start
        return fits

    def _narrowed(self) -> bool:
        """ "with 1 ≤ x ≤ 3", "x ≥ 0", "in [1, 3]", "greater than 2", "between 1 and 3 inclusive"."""
        if not self.answer.says_all or self.answer.exclusions:
            return False
        self.say(phrases.CONDITIONS)
        self.say(phrases.INTERVALS)
        found = (
            self._interval_union()
            if self.kind() in ("(", "[", "]")
            else self._in_words() or self._relation_chain()
        )
        if not found:
            return False
        self.answer.says_all = False
        return True

    def _in_words(self) -> bool:
        """ "greater than 2", "between 1 and 3 inclusive"."""
        sizes = {
            relation: table.match(self.words, self.index) for relation, table in phrases.MORE_THAN.items()
        }
        relation = max(sizes, key=lambda one: sizes[one])
        if sizes[relation]:
            self.index += sizes[relation]
            self._bounded(relation, self.value().forms[0])
            return True
        if self.next.kind in _RELATIONS:
            relation = self.next.kind
            self.index += 1
            self._bounded(relation, self.value().forms[0])
            return True
        if self.say(phrases.BETWEEN):
            low = self.value().forms[0]
            if not (self.say(phrases.AND) or (self.next.text == "to" and self.take("word"))):
                return False
            high = self.value().forms[0]
            self.take(",")
            bracket = self.take("(")
            if not self.say(phrases.INCLUSIVE) or (bracket and not self.take(")")):
                raise ParseError("'between' leaves open whether the ends belong to it: write 1 <= x <= 3")
            self.answer.ranges.append(Range(low, True, high, True))
            return True
        return False

    # -- numbers, sets, intervals

    def value(self, stop_at_gap: bool = True) -> Value:
        """Read one expression without letters of the equation (but for a parameter)."""
        start = self.index
        parser = Parser(self.tokens[:-1], self.index, stop_at_gap)
        form = parser.sum()
        end = parser.position
        self.index = end
        text = "".join(token.text for token in self.tokens[start:end])
        return Value((_without_zero_imaginary(form),), parser.choices, text)

    def _holds_unknown(self, start: int, end: int) -> bool:
        unknown = {"x"} if self.parametric and "x" in self.names else self.names
        return any(
            token.kind == "name" and (token.text in unknown or token.text.partition("_")[0] in unknown)
            for token in self.tokens[start:end]
        )

    def _is_label(self, text: str, sets: bool = False) -> bool:
        """A letter of the equation, in either case, with or without index; or a name of a solution set."""
        base = text.partition("_")[0]
        if text in self.names or base in self.names:
            return True
        folded = {name.swapcase() for name in self.names if len(name) == 1}
        return base in folded or (sets and base in _SET_LABELS)

    def labels(self) -> bool:
        """Read "x =", "x_1 = x_2 =", "x_1,2 =", "x is", "|x| ="."""
        found = False
        while self.kind() == "name" and self._is_label(self.next.text, sets=self.kind(2) in ("{", "\\")):
            start = self.index
            self.index += 1
            if self._second_index(self.tokens[start].text):
                self.index += 2
            if self.kind() in _EQUALS or self.kind() == ":":
                self.index += 1
                self.say(phrases.COPULAS) if self.next.kind == "word" else None
            elif self.kind() == "word" and self._copula_of_label():
                pass
            else:
                self.index = start
                break
            found = True
        return found

    def _second_index(self, label: str) -> bool:
        """Whether ",2 =" or ", x_2 =" follows x_1."""
        base, has_index, _ = label.partition("_")
        if not has_index or self.kind() != "," or self.kind(2) not in ("=", "∈"):
            return False
        again = self.kind(1) == "name" and self.tokens[self.index + 1].text.partition("_")[0] == base
        return again or self.kind(1) == "number"

    def _copula_of_label(self) -> bool:
        start = self.index
        if self.say(phrases.COPULAS):
            self.take(":")
            return True
        self.index = start
        return False

    def plain_item(self) -> bool:
        """One member with nothing behind it: the usual case, tried first to save time."""
        if self.answer.says_none or self.is_note or self.is_sum or self.parametric:
            return False
        if self.kind() == "{":
            return self._sets() and self.kind() == "end"
        labelled = self.labelled = (
            self.kind(1) == "=" and self.kind() == "name" and self._is_label(self.next.text)
        )
        if labelled:
            self.index += 2
        begin = self.index
        value = self.value()
        if self.kind() not in ("end", ",", ";", "\n") and self.words[self.index] not in ("or", "and"):
            return False
        following = self.tokens[self.index + 1].kind if self.kind() != "end" else "end"
        if following == "word" and self.kind() != "word":
            return False
        if self._holds_unknown(begin, self.index):
            return False
        self._add(value)
        return True

    def item(self) -> bool:
        """One member, or a set, with its label, equal forms, decimals and verdict ("is extraneous")."""
        labelled = self.labelled = self.labels()
        self.say(phrases.INTERVALS)
        if self.kind() in ("{", "(", "[", "]") and self.tried(self._sets):
            self.labelled = labelled
            return True
        if self.kind() == "|" and not labelled and self.tried(self._absolute_label):
            self.labelled = True
            return True
        begin = self.index
        first = self.value()
        if self._holds_unknown(begin, self.index) and not self.parametric:
            return False
        if self.kind() == "≈" and not labelled and self._names_behind():
            self.index += 2
            self.answer.estimates.append(first)
            return True
        forms, choices = list(first.forms), first.choices
        while self.kind() == "=":
            if (
                self.kind(1) == "name"
                and self._is_label(self.tokens[self.index + 1].text)
                and (self.kind(2) in ("end", "word", ")", *_PAUSES))
            ):
                if self.parametric and self.tokens[self.index + 1].text not in ("x", "y"):
                    break
                self.index += 2
                self.labelled = True
                self._add(Value(tuple(forms), choices, first.text))
                return True
            self.index += 1
            place = self.index
            more = self.value()
            if self._holds_unknown(place, self.index) and not self.parametric:
                return False
            forms += more.forms
            choices = max(choices, more.choices)
        self._add(Value(tuple(forms), choices, first.text))
        self._decimals(2**choices)
        self._verdict()
        return True

    def _names_behind(self) -> bool:
        return self.kind(1) == "name" and self._is_label(self.tokens[self.index + 1].text)

    def _add(self, value: Value) -> None:
        if len(self.answer.values) >= MAX_MEMBERS:
            raise LimitError(f"a list of over {MAX_MEMBERS} members")
        if self.joined_by == "but":
            raise ParseError("'but' before a number leaves open whether it is one more")
        if self.answer.exclusions and not self.labelled and self.joined_by == ",":
            raise ParseError("name what is excluded last")
        if self.open_equation and self.joined_by not in ("so", *_STOPS):
            raise ParseError(f"what follows {self.open_equation}? write 'so' or a new line")
        self.answer.values.append(value)
        self.open_equation = ""

    def _absolute_label(self) -> bool:
        """ "|x| = 3" is x = ±3."""
        if not (self.take("|") and self.kind() == "name" and self._is_label(self.next.text)):
            return False
        self.index += 1
        if not (self.take("|") and self.take("=")):
            return False
        value = self.value()
        if value.choices:
            return False
        # The square of the root has no value where the number is negative, and then no x has it as |x|.
        forms = (PlusMinus(0, False, Power(Power(value.forms[0], 1, 2), 2)),)
        self._add(Value(forms, 1, f"±{value.text}"))
        return self.kind() not in ("=", "+", "-")

    def _decimals(self, most: int) -> None:
        """ "≈ 4.30, 0.70" behind an exact number: as many decimals as it names numbers."""
        if self.kind() != "≈":
            return
        self.index += 1
        for count in range(most):
            start = self.index
            if count and not (self.take(",", ";") | self.say(phrases.AND) | self.say(phrases.OR)):
                break
            while count and self.kind() == "name" and self._is_label(self.next.text) and self.kind(1) == "≈":
                self.index += 2
            sign = self.kind() == "-"
            token = self.tokens[self.index + sign]
            if not (token.kind == "number" and ("." in token.text or not count)):
                if count:
                    self.index = start
                    break
                self.answer.estimates.append(self.value())
                break
            self.answer.estimates.append(self.value())

    def _verdict(self) -> None:
        """Take back the latest numbers where the text goes on to say that they are no solutions."""
        start = self.index
        holds = phrases.HOLDS.match(self.words, start)
        fails = phrases.FAILS.match(self.words, start)
        if (
            not fails
            or fails < holds
            or self.kind(fails) in ("name", "number", ":", "-", "(", "{", "=", "sqrt", "frac")
        ):
            return
        self.index += fails
        plural = self.words[start] in ("are", "do", "don't", "make", "were", "aren't", "fail")
        last = self.answer.values
        if plural and self.joined_by in ("or", "and", ",", ""):
            taken = last[self.group :]
            del last[self.group :]
        else:
            if self.joined_by == "or" or (self.joined_by == "and" and not self.labelled):
                raise ParseError("it is not clear which numbers are no solutions")
            taken = [last.pop()]
        self.answer.rejected += taken
        self._reasons_of_failure()

    def _reasons_of_failure(self) -> None:
        """ "rejected, makes the denominator zero", "extraneous since the denominator vanishes"."""
        while True:
            start = self.index
            joined = self.take(",", ":")
            joined = self.say(phrases.AND) or self.say(phrases.SO) or joined
            if not ((joined and self.say(phrases.FAILS)) or self.tried(self.because)):
                self.index = start
                return

    def _sets(self) -> bool:
        """Sets and intervals, joined by ∪ or "or", perhaps without some numbers."""
        found = False
        while True:
            if self.kind() == "{":
                if not (self.tried(self._set_builder) or self.tried(self._set)):
                    return False
            elif not self._interval():
                return False
            found = True
            if self.take("∖") or (self.kind() == "-" and self.kind(1) == "{" and self.take("-")):
                self._listed(self.answer.exclusions)
            if not self.take("∪"):
                break
        return found and self.kind() not in ("^", "/", "*", "+", "-", "=", "superscript", "number", "name")

    def _interval_union(self) -> bool:
        found = False
        while self._interval():
            found = True
            if not self.take("∪"):
                break
        return found

    def _set(self) -> bool:
        """{1, 3}, {x = 1, x = 3}, {{x -> 1}, {x -> 3}}."""
        end = closing_bracket(self.tokens, self.index)
        if end is None:
            return False
        inner = self._part(end)
        inner.joined_by = ","
        while inner.kind() != "end":
            if inner.kind() == "{":
                inner.joined_by = ","
                if not inner._set():
                    return False
            elif not inner.item():
                return False
            if inner.kind() == "end":
                break
            if not (inner.take(",", ";", "\n") | inner.say(phrases.OR) | inner.say(phrases.AND)):
                return False
        if inner.answer.rejected or inner.answer.sums or inner.answer.says_all:
            return False
        if self.answer.exclusions and not self.answer.says_all:
            return False
        for value in inner.answer.values:
            self._add(value)
        self.answer.ranges += inner.answer.ranges
        self.answer.estimates += inner.answer.estimates
        self.answer.says_none |= inner.answer.is_blank
        self.index = end + 1
        return True

    def _part(self, end: int) -> Reader:
        """A reader of what stands between the bracket that is next and its partner at `end`."""
        inner = [
            token._replace(spaced=False) if place == 0 else token
            for place, token in enumerate(self.tokens[self.index + 1 : end])
        ]
        return Reader(inner, self.names, self.parametric, self.is_sum)

    def _set_builder(self) -> bool:
        """{x | x ≠ 0}, {x ∈ ℝ : x >= 0}."""
        end = closing_bracket(self.tokens, self.index)
        if end is None or self.kind(1) != "name" or not self._is_label(self.tokens[self.index + 1].text):
            return False
        inner = self._part(end)
        inner.index += 1
        if inner.take("∈") and not inner.take("ℝ"):
            return False
        if inner.next.text == "real" and inner.take("word"):
            pass
        if not (
            inner.take("|", ":", "|(", "|)") or (inner.next.text == "such" and inner.say(phrases.CONDITIONS))
        ):
            return False
        if (
            inner.kind() == "name"
            and inner.kind(1) == "∈"
            and inner.kind(2) == "ℝ"
            and inner.kind(3) in (",", "word", ";")
        ):
            inner.index += 3
            inner.take(",", ";") or inner.say(phrases.AND)
        inner.statements("end")
        said = inner.answer
        if said.rejected or said.sums or said.estimates or inner.open_equation:
            return False
        for value in said.values:
            self._add(value)
        self.answer.ranges += said.ranges
        self.answer.conditions += said.conditions
        self.answer.exclusions += said.exclusions
        self.answer.says_all |= said.says_all or bool(said.exclusions and not said.ranges and not said.values)
        self.answer.says_none |= said.says_none
        self.index = end + 1
        return True

    def _interval(self) -> bool:
        """[1, 3], (-∞, 0], ]-∞; 0[."""
        start = self.index
        if self.kind() not in ("(", "[", "]"):
            return False
        opening = self.next.kind
        self.index += 1
        low = self._end(negative=True)
        if low is False or not self.take(",", ";"):
            self.index = start
            return False
        high = self._high_end()
        closing = self.next.kind
        if high is False or closing not in (")", "]", "["):
            self.index = start
            return False
        self.index += 1
        if opening == "[" and closing == "[" and low is not None and high is not None and self.kind() == ",":
            raise ParseError("brackets that open and do not close")
        low_closed, high_closed = opening == "[" and low is not None, closing == "]" and high is not None
        self.answer.ranges.append(Range(low, low_closed, high, high_closed))  # type: ignore[arg-type]
        return True

    def _end(self, negative: bool) -> Expression | bool | None:
        """One end of an interval; None for infinity, which must have the right sign; False where none is."""
        sign = self.kind() if self.kind() in ("+", "-") else ""
        if self.kind(1 if sign else 0) == "∞":
            if (sign == "-") != negative:
                raise ParseError("an interval runs from -∞ to ∞")
            self.index += 2 if sign else 1
            return None
        try:
            return self.value(stop_at_gap=False).forms[0]
        except ParseError:
            return False

    def _high_end(self) -> Expression | bool | None:
        """The second end, up to a bracket that may open to the wrong side: ]0, 1[."""
        depth, place = 0, self.index
        while self.tokens[place].kind != "end" and (depth or self.tokens[place].kind not in (")", "]", "[")):
            depth += (self.tokens[place].kind in ("(", "{")) - (self.tokens[place].kind in (")", "}"))
            place += 1
        if self.tokens[place].kind != "[":
            return self._end(negative=False)
        inner = Reader(self.tokens[self.index : place], self.names, self.parametric)
        end = inner._end(negative=False)
        self.index += inner.index
        return end if inner.kind() == "end" else False

    def interval_in_words(self) -> bool:
        """ "the closed interval [1, 3]", "x in [1, 3]", "1 and 3 and everything between"."""
        start = self.index
        if self.say(phrases.EVERYTHING_BETWEEN):
            if len(self.answer.values) - self.group != 2 or any(
                value.choices for value in self.answer.values
            ):
                return False
            low, high = self.answer.values[self.group :]
            del self.answer.values[self.group :]
            self.answer.ranges.append(Range(low.forms[0], True, high.forms[0], True))
            return True
        self.index = start
        return False

    # -- inequalities

    def comparison(self) -> bool:
        """ "x > 2", "0 <= x < 3", "x ≠ 0", "x is at least 2", "x ∉ {1, 3}"."""
        if self.kind() == "≠":
            self.index += 1
            self._exclude()
            return True
        if self.kind() == "name" and self._is_label(self.next.text):
            behind = self.kind(1)
            if behind in ("≠", "∉"):
                self.index += 2
                self._exclude()
                return True
            if behind == "⇒" and self.tokens[self.index + 1].text == "=>":
                self.index += 2
                self._bounded("≥", self.value().forms[0])
                return self.kind() in ("end", ")", *_PAUSES) and self._remark_or_claim()
            if behind == "word":
                self.index += 1
                if self.say(phrases.DIFFERS):
                    self._exclude()
                    return True
                self.say(phrases.COPULAS) if not self._words_of_size() else None
                ranges = len(self.answer.ranges)
                if self._in_words():
                    return len(self.answer.ranges) > ranges and self._remark_or_claim()
                return False
        return self._relation_chain() and self._remark_or_claim()

    def _words_of_size(self) -> bool:
        return any(table.match(self.words, self.index) for table in phrases.MORE_THAN.values())

    def _exclude(self) -> None:
        if self.answer.exclusions and self.joined_by == "or":
            raise ParseError("x ≠ 1 or x ≠ 3 excludes nothing: write 'and'")
        self._listed(self.answer.exclusions)
        if self.kind() in ("=", "≠", *_RELATIONS):
            raise self.unexpected()

    def _relation_chain(self) -> bool:
        """x > 2, 2 < x, 0 <= x < 3: a range of the unknown, or of a parameter."""
        parts: list[Value | str] = []
        relations: list[str] = []
        while True:
            if (
                self.kind() == "name"
                and self._is_label(self.next.text)
                and self.kind(1) not in ("+", "*", "/", "^")
            ):
                parts.append(self.next.text)
                self.index += 1
            elif self._infinite(len(parts) == 0):
                parts.append("∞")
            else:
                begin = self.index
                parts.append(self.value())
                if self._holds_unknown(begin, self.index):
                    return False
            if self.kind() not in _RELATIONS:
                break
            relations.append(self.kind())
            self.index += 1
        labels = [place for place, part in enumerate(parts) if isinstance(part, str) and part != "∞"]
        if not relations or len(labels) != 1 or len(parts) > 3 or self.kind() == "=":
            return False
        place = labels[0]
        if len(parts) == 3 and (place != 1 or (relations[0] in "<≤") != (relations[1] in "<≤")):
            return False
        low: Expression | None = None
        high: Expression | None = None
        low_closed = high_closed = False
        for index, part in enumerate(parts):
            if index == place:
                continue
            relation = relations[min(index, place)]
            is_low = (relation in "<≤") == (index < place)
            bound = None if isinstance(part, str) else part.forms[0]
            closed = relation in "≤≥" and bound is not None
            if is_low:
                low, low_closed = bound, closed
            else:
                high, high_closed = bound, closed
        self.answer.ranges.append(Range(low, low_closed, high, high_closed))
        return True

    def _infinite(self, first: bool) -> bool:
        sign = self.kind() if self.kind() in ("+", "-") else ""
        if self.kind(1 if sign else 0) != "∞":
            return False
        self.index += 2 if sign else 1
        return True

    def _remark_or_claim(self) -> bool:
        """Combine a new range with the claims: "or" adds, "and" narrows, behind a number it is a remark."""
        if self.parametric:
            self.answer.ranges.pop()
            return True
        ranges = self.answer.ranges
        if self.answer.values and self.joined_by in (",", "and"):
            target = self.answer.conditions if self.joined_by == "and" else self.answer.remarks
            target.append(ranges.pop())
            return True
        if self.joined_by == "and" and len(ranges) > 1:
            narrowed = _both(ranges[-2], ranges[-1])
            if narrowed is None:
                raise ParseError("join ranges with 'or' or ∪")
            ranges[-2:] = [narrowed]
        elif self.joined_by == "," and len(ranges) > 1:
            self.answer.overlap = _both(ranges[-2], ranges[-1])
            if self.answer.overlap is None or len(ranges) > 2:
                raise ParseError("join ranges with 'or' or ∪")
        elif self.joined_by in ("so", *_STOPS) and len(ranges) > 1:
            raise ParseError("join ranges with 'or' or ∪")
        self.open_equation = ""
        return True

    # -- sentences

    def noun_phrase(self) -> int | None:
        """Read "the two real solutions of the equation"; how many it says there are, 0 for no number."""
        start, count = self.index, 0
        self.say(phrases.DETERMINERS)
        words = phrases.NUMBERS.get(self.next.text) if self.next.kind == "word" else None
        if words is not None:
            count = words
            self.index += 1
        elif self.kind() == "number" and self.next.text.isdigit() and self.kind(1) == "word":
            count = int(self.next.text)
            self.index += 1
        self.narrow = False
        while self.say(phrases.ADJECTIVES):
            self.narrow = self.narrow or self.words[self.index - 1] in phrases.NARROWING
            self.take(",")
        if not self.say(phrases.NOUNS):
            self.index = start
            return None
        while self.say(phrases.OF) or self.tried(self._of_equation):
            pass
        return count

    def _of_equation(self) -> bool:
        """ "of x^2 - 4x + 3 = 0", "in the set of real numbers"."""
        if self.next.text not in ("of", "to", "for"):
            return False
        self.index += 1
        self.say(phrases.OF)
        start = self.index
        self.value()
        if not self._holds_unknown(start, self.index) or not self.take("="):
            return False
        self.value()
        return True

    def named(self) -> bool:
        """ "the solutions are 1 and 3", "two solutions: x = 1, x = 3", "there are two real solutions"."""
        start = self.index
        count = self.noun_phrase()
        if count is None:
            return False
        if self.words[start] in ("each", "any"):
            return False
        if count:
            self.answer.counts.append(count)
        if self.index - start == 1 and self.words[start] in ("number", "numbers", "x") and not self.take(":"):
            return False
        self.say(phrases.COPULAS) or self.take(":", "=", ",", "∈")
        self.take(":")
        self.say(phrases.COPULAS)
        if self.kind() in ("end", ")", *_PAUSES):
            return self.kind() != "end" or bool(count)
        if self.tokens[self.index - 1].kind == "," and count == 0:
            return False
        while self.lead():
            pass
        self.joined_by = "," if self.joined_by not in ("but",) else "but"
        self.group = len(self.answer.values)
        return any(
            self.tried(rule) for rule in (self.none, self.every, self.about, self.comparison, self.item)
        )

    def only(self) -> bool:
        """ "but only x = 9 works": what was named before were candidates."""
        if not self.say(phrases.ONLY):
            return False
        before = self.answer.values
        self.answer.values = []
        self.joined_by, self.group = "", 0
        if not self.item():
            return False
        while self.kind() in (",", "word") and self.tried(self._next_item):
            pass
        if before:
            if not self.say(phrases.HOLDS):
                self.answer.values = before + self.answer.values
            else:
                self.answer.rejected = self.answer.rejected[:]
        return True

    def _next_item(self) -> bool:
        if not (self.take(",") | self.say(phrases.AND) | self.say(phrases.OR)):
            return False
        return self.item()

    def tail(self) -> bool:
        """ "are the solutions", "works", "with multiplicity 2", behind a claim."""
        start = self.index
        if self.answer.is_blank and not self.is_note:
            return False
        if self.next.kind == "word" and self.tried(self._multiplicity):
            return True
        if phrases.FAILS.match(self.words, start) > phrases.HOLDS.match(self.words, start):
            if not self.answer.values:
                return False
            self._verdict()
            return self.index > start
        if self.say(phrases.HOLDS):
            return True
        start = self.index
        copula = self.next.text in ("is", "are", "as") and self.take("word")
        count = self.noun_phrase() if copula else None
        if count is not None:
            if count:
                self.answer.counts.append(count)
            return True
        self.index = start
        return False

    def _multiplicity(self) -> bool:
        if not self.say(phrases.MULTIPLICITY):
            return False
        self.take(":", "=")
        return self.take("number") or (self.next.text in phrases.NUMBERS and self.take("word"))

    def affirmation(self) -> bool:
        """ "both work", "verified" as a statement of its own."""
        answer = self.answer
        if not (self.is_note or answer.values or answer.says_none or answer.says_all or answer.ranges):
            return False
        if self.is_note:
            return self.tail()
        return self.next.text not in ("double", "real", "exact", "exactly", "only") and self.tail()

    def rejection(self) -> bool:
        """ "reject x = 2", "extraneous root: 2", "not 2"."""
        if not self.say(phrases.REJECTS):
            return False
        self.take(":", "=")
        self.say(phrases.COPULAS)
        self._listed(self.answer.rejected)
        self._reasons_of_failure()
        return True

    def about(self) -> bool:
        """ "approximately 0.33", "x ≈ 0.33": decimals beside an exact number."""
        start = self.index
        for table in (None, phrases.ABOUT):
            self.index = start
            if table and not self.say(table):
                continue
            if self.kind() == "name" and self._is_label(self.next.text):
                self.index += 1
                self.take("=")
            said = self.take("≈") or (bool(table) and self.index > start) or self.say(phrases.ABOUT)
            if said:
                self.take("≈", ":")
                self.answer.estimates.append(self.value())
                while self.kind() in (",", "word") and self.tried(self._further_estimate):
                    pass
                return True
        return False

    def _further_estimate(self) -> bool:
        if not (self.take(",") | self.say(phrases.AND) | self.say(phrases.OR)):
            return False
        if self.kind() == "name" and self._is_label(self.next.text):
            self.index += 1
            if not self.take("≈"):
                return False
        self.take("≈")
        if not any("." in token.text for token in self.tokens[self.index : self.index + 2]):
            return False
        self.answer.estimates.append(self.value())
        return self.kind() not in ("=",)

    def sum_statement(self) -> bool:
        """ "the sum is 4", "x_1 + x_2 = 4", "S = 4", in a question for the sum."""
        if not self.is_sum:
            return False
        start = self.index
        if self.say(phrases.SUM_NOUNS) or self.take("∑"):
            while self.say(phrases.OF) or self.tried(self._of_equation):
                pass
            if self.kind() == "name" and self._is_label(self.next.text):
                self.index += 1
            self.say(phrases.COPULAS) or self.take("=", ":")
        elif self.kind() == "name" and self.next.text in _SUM_LABELS and self.kind(1) in ("=", ":"):
            self.index += 2
        elif not self.tried(self._sum_of_names):
            self.index = start
            return False
        self.say(phrases.COPULAS)
        if self.tried(self.none):
            return True
        value = self.value()
        forms, choices = list(value.forms), value.choices
        while self.take("="):
            more = self.value()
            forms += more.forms
            choices = max(choices, more.choices)
        self.answer.sums.append(Value(tuple(forms), choices, value.text))
        return True

    def _sum_of_names(self) -> bool:
        count = 0
        while self.kind() == "name" and self._is_label(self.next.text):
            self.index += 1
            count += 1
            if not self.take("+"):
                break
        self.answer.counts.append(count)
        return count > 1 and self.take("=")

    # -- notes and remarks

    def note(self) -> bool:
        """(double root), (x = 2 is extraneous), (0.5), (≈ 0.33), (or x = 3), behind a statement."""
        end = closing_bracket(self.tokens, self.index)
        if end is None:
            return False
        inner = self._part(end)
        inner.joined_by, inner.is_note = self.joined_by, True
        inner.beside_numbers = bool(self.answer.values)
        adds = inner.say(phrases.OR) or inner.say(phrases.AND)
        inner.take("=")
        inner.answer.says_none = says_none = self.answer.says_none
        if not adds and self._note_on_last(inner):
            self.index = end + 1
            return True
        inner.statements("end")
        said = inner.answer
        if said.sums or (inner.open_equation and not says_none):
            return False
        if said.values and not adds:
            self._restated(said)
        elif adds:
            for value in said.values:
                self._add(value)
        if said.says_none and not self.answer.says_none and (self.answer.values or self.answer.says_all):
            return False
        self._merge(said)
        self.index = end + 1
        return True

    def _note_on_last(self, inner: Reader) -> bool:
        """A verdict on the number before: (valid), (rejected, makes the denominator zero)."""
        if not self.answer.values or self.answer.says_none:
            return False
        fails = phrases.FAILS.match(inner.words, 0)
        if fails and fails >= phrases.HOLDS.match(inner.words, 0):
            inner.index = fails
            inner._reasons_of_failure()
            if inner.kind() != "end":
                inner.index = 0
                return False
            self.answer.rejected.append(self.answer.values.pop())
            return True
        return False

    def _restated(self, said: Answer) -> None:
        """Numbers in a note say the one before again: they must be equal to it."""
        if self.answer.says_none:
            self.answer.beside_none += said.values
            return
        if len(said.values) != 1 or not (self.answer.values or self.answer.sums):
            raise ParseError("numbers in brackets behind an answer may be part of it or not")
        target = self.answer.values or self.answer.sums
        last, again = target[-1], said.values[0]
        target[-1] = Value((*last.forms, *again.forms), max(last.choices, again.choices), last.text)

    def _merge(self, said: Answer) -> None:
        """What a note says beside numbers."""
        answer = self.answer
        answer.rejected += said.rejected
        answer.estimates += said.estimates
        answer.conditions += said.conditions
        answer.counts += said.counts
        answer.exclusions += said.exclusions
        answer.beside_none += said.beside_none
        if answer.values:
            answer.conditions += said.ranges
        elif answer.says_all and said.ranges:
            raise ParseError("a range in brackets behind 'all' may narrow it or not")
        elif answer.ranges and said.ranges:
            raise ParseError("two ranges may be one said twice or not")
        else:
            answer.ranges += said.ranges
        if said.says_all and answer.values:
            raise ParseError("numbers and all numbers")
        answer.says_all |= said.says_all
        answer.says_none |= said.says_none

    def footnote(self) -> bool:
        """[2] after a gap: the mark of a footnote."""
        if self.kind(1) == "number" and len(self.tokens[self.index + 1].text) < 3 and self.kind(2) == "]":
            self.index += 3
            return self.kind() in ("end", *_PAUSES)
        return False

    def condition(self) -> bool:
        """ "for x >= 5", "where x ≠ 0": must hold for every number named; not judged with a parameter."""
        if not self.say(phrases.CONDITIONS):
            return False
        if self.parametric:
            return self._condition_on_parameter()
        if not (self.answer.values or self.beside_numbers) or self.answer.says_none:
            return False
        if self.kind() == "name" and self.kind(1) == "∈" and self.kind(2) == "ℝ":
            self.index += 3
            return True
        if self.kind() == "name" and self.kind(1) == "≠" and self._is_label(self.next.text):
            self.index += 2
            return self._listed(self.answer.exclusions)
        ranges = self.answer.ranges
        self.answer.ranges = []
        found = self._relation_chain()
        self.answer.conditions += self.answer.ranges
        self.answer.ranges = ranges
        return found

    def _condition_on_parameter(self) -> bool:
        """ "a >= 3 or a < 1", "a ≠ 0"; "a = 6" would be a single value and is no condition."""
        found = False
        while True:
            self.say(phrases.PARAMETER_WORDS)
            start = self.index
            self.value()
            relations = 0
            while self.kind() in (*_RELATIONS, "≠"):
                self.index += 1
                self.value()
                relations += 1
            if not relations:
                self.index = start
                return found
            found = True
            if not (self.take(",") | self.say(phrases.OR) | self.say(phrases.AND)):
                return True

    def because(self) -> bool:
        """ "because the discriminant is 4", "since x ≥ 0", "as x = 2 is extraneous"."""
        if not self.say(phrases.BECAUSE):
            return False
        self.take(":")
        return self.reason()

    def reason(self) -> bool:
        """One or more reason clauses; they claim nothing."""
        found = False
        while True:
            start = self.index
            if found and not (self.take(",") | self.say(phrases.AND) | self.say(phrases.SO) | self.take("⇒")):
                return True
            if not self.tried(self.reason_clause):
                self.index = start
                return found
            found = True

    def reason_clause(self) -> bool:
        """Words about squares, discriminants, denominators, domains; an equation with a verdict."""
        start = self.index
        if self.tried(self._rejected_equation):
            return True
        if self.answer.says_none and self.tried(self._equation_beside_none):
            return True
        grounds = self.answer.says_none or self._behind_because(start)
        if grounds and (self.tried(self._not_equal) or self.tried(self._range_as_reason)):
            return True
        if self.say(phrases.COMPLEX_ROOTS):
            self.answer.counts.append(0)
            return True
        if self.say(phrases.REMARK_SUBJECTS):
            if self.words[self.index - 1] not in phrases.FREE_SUBJECTS and not grounds:
                return False
            if self.words[self.index - 1] in ("complex", "imaginary", "nonreal") and self.tried(
                self._complex_numbers
            ):
                return True
        elif not (grounds and self.tried(self._expression_of_unknown)):
            return False
        while True:
            if self.next.kind == "word" and self.next.text in phrases.REMARK_WORDS:
                self.index += 1
            elif self.kind() in _REMARK_MATHS:
                if not self._remark_maths():
                    return False
            else:
                break
        return True

    def _not_equal(self) -> bool:
        """ "x cannot be 2", "x ≠ 2" as a reason."""
        if not (self.kind() == "name" and self._is_label(self.next.text)):
            return False
        self.index += 1
        return (self.take("≠") or self.say(phrases.DIFFERS)) and self._listed(self.answer.rejected)

    def _range_as_reason(self) -> bool:
        """ "since x ≥ 5": holds for the numbers it is said of."""
        ranges, self.answer.ranges = self.answer.ranges, []
        found = self._relation_chain()
        if self.answer.values or self.beside_numbers:
            self.answer.conditions += self.answer.ranges
        self.answer.ranges = ranges
        return found

    def _expression_of_unknown(self) -> bool:
        """ "x^2" before "cannot be negative", "y^2 - 2y + 3 = 0" before "has discriminant -8"."""
        begin = self.index
        self.value()
        if self.index == begin + 1 and self.kind() in ("=", "≈"):
            return False
        holds = self._holds_unknown(begin, self.index)
        while self.kind() in ("=", *_RELATIONS):
            self.index += 1
            self.value()
        return holds and self.next.kind == "word" and self.next.text in phrases.REMARK_WORDS

    def _complex_numbers(self) -> bool:
        """ "complex: 1 ± i", "complex roots ±i"."""
        if not self.answer.says_none:
            return False
        self.say(phrases.NOUNS)
        self.say(phrases.COPULAS) or self.take(":", "=")
        return self._listed(self.answer.beside_none)

    def _behind_because(self, start: int) -> bool:
        return start > 0 and self.words[start - 1] in phrases.BECAUSE.words

    def _remark_maths(self) -> bool:
        """Numbers and relations within a remark."""
        start = self.index
        if self.kind() in ("=", *_RELATIONS, "≠", "∈"):
            self.index += 1
            if self.take("ℝ"):
                return True
        if self.take("ℝ"):
            return True
        try:
            self.value()
        except ParseError:
            self.index = start
            return False
        return True

    def _rejected_equation(self) -> bool:
        """ "x^2 = -1 is impossible", "x = 3 makes the denominator zero", as a reason."""
        begin = self.index
        first = self.value()
        values = [first]
        relations = []
        while self.kind() in ("=", *_RELATIONS, "≠"):
            relations.append(self.kind())
            self.index += 1
            values.append(self.value())
        if not self.say(phrases.FAILS) and not self.say(phrases.NEVER):
            return False
        if self.joined_by == "or" or (not relations and self._holds_unknown(begin, self.index)):
            return False
        if (
            relations == ["="]
            and begin + 1 < self.index
            and self.tokens[begin].kind == "name"
            and self.tokens[begin + 1].kind == "="
        ):
            if not self._is_label(self.tokens[begin].text):
                return False
            self.answer.rejected.append(values[1])
        elif not relations:
            self.answer.rejected.append(first)
        self._reasons_of_failure()
        return True

    def _equation_beside_none(self) -> bool:
        """ "x^2 = -1", "D = -4 < 0", "x = ±i" behind "no real solutions"."""
        begin = self.index
        values = [self.value()]
        relations = 0
        while self.kind() in ("=", *_RELATIONS, "≠", "⇒"):
            self.index += 1
            relations += 1
            values.append(self.value())
        bare = self.tokens[begin].kind == "name" and self.tokens[begin + 1].kind in ("=", "⇒")
        if not relations:
            if self._holds_unknown(begin, self.index):
                return False
            self.answer.beside_none += values
        elif bare and self.tokens[begin].text not in _DISCRIMINANTS:
            if not self._is_label(self.tokens[begin].text):
                return False
            self.answer.beside_none += values[1:]
        if self.next.kind == "word":
            return self.next.text not in phrases.REMARK_WORDS
        return self.kind() in ("end", ")", *_PAUSES)

    def auxiliary(self) -> bool:
        """ "discriminant = 16", "D = -4 < 0", "domain: x ≥ 5"."""
        letter = (
            self.kind() == "name" and self.next.text in _DISCRIMINANTS and self.next.text not in self.names
        )
        if letter:
            self.index += 1
        elif not self.say(phrases.AUXILIARY):
            return False
        domain = self.words[self.index - 1] == "domain"
        if not (self.kind() in ("=", ":", *_RELATIONS) or self.say(phrases.COPULAS)):
            return (
                self.kind() in ("number",)
                and self.words[self.index - 1] in ("multiplicity", "mult")
                and self.take("number")
            )
        self.take(":", "=")
        count = 0
        while True:
            if self.kind() in ("=", *_RELATIONS, "≠", "≈"):
                self.index += 1
            begin = self.index
            try:
                self.value()
            except ParseError:
                self.index = begin
                break
            count += 1
            if self.kind() not in ("=", *_RELATIONS, "≠", "≈"):
                break
        words = 0
        while self.next.kind == "word" and self.next.text in phrases.REMARK_WORDS:
            self.index += 1
            words += 1
        if domain and self.kind() == "∈":
            return False
        self.take(":")
        return count + words > 0

    def working(self) -> bool:
        """An equation in the unknown on the way to a claim: "(x-1)(x-3) = 0, so x = 1 or x = 3"."""
        begin = self.index
        self.value()
        holds = self._holds_unknown(begin, self.index)
        relations = 0
        while self.take("="):
            place = self.index
            self.value()
            holds |= self._holds_unknown(place, self.index)
            relations += 1
        if not (relations and holds):
            return False
        text = "".join(token.text for token in self.tokens[begin : self.index])
        start = self.index
        if self.kind() in (",", ";", ".", "\n", ":"):
            self.index += 1
        follows = self.tokens[self.index - 1].kind in ("\n", ".", ":") and self.index > start
        joins = (phrases.SO, phrases.OR, phrases.AND)
        follows = (
            follows
            or self.kind() in ("⇒", "∪")
            or any(table.match(self.words, self.index) for table in joins)
        )
        follows = follows or self.index > start
        self.index = start
        if self.kind() == ":":
            self.tokens[start] = self.tokens[start]._replace(kind=",")
        if not (follows or self.answer.says_none):
            return False
        self.open_equation = "" if self.answer.says_none or self.answer.values else text
        return True

    def check(self) -> bool:
        """ "Check: 1 - 4 + 3 = 0 ✓" up to the end of the line."""
        if not self.say(phrases.CHECKS):
            return False
        if not (self.take(":", ",") or self.answer.values or self.answer.says_none):
            return False
        while self.kind() not in ("end", "\n", ")"):
            token = self.next
            if token.kind == "word":
                if token.text not in phrases.CHECK_WORDS.words and token.text not in (
                    "therefore",
                    "thus",
                    "hence",
                    "or",
                ):
                    return False
            elif token.kind == "≠":
                return False
            self.index += 1
        return True

    def explanation(self) -> bool:
        """ "Explanation: ..." of words only from the vocabulary, up to the end of the line."""
        if not (self.say(phrases.EXPLAINS) and self.take(":")):
            return False
        return self.reason()


def _copy(answer: Answer) -> Answer:
    copy = object.__new__(Answer)
    copy.__dict__.update(
        {name: said[:] if said.__class__ is list else said for name, said in answer.__dict__.items()}
    )
    return copy


def _both(one: Range, other: Range) -> Range | None:
    """Two ranges with one finite end each, in opposite directions, as one range; None for others."""
    low = next((side for side in (one, other) if side.low is not None and side.high is None), None)
    high = next((side for side in (one, other) if side.high is not None and side.low is None), None)
    if low is None or high is None:
        return None
    return Range(low.low, low.low_closed, high.high, high.high_closed)


def _without_zero_imaginary(form: Expression) -> Expression:
    """12 + 0i is 12."""
    if isinstance(form, Sum):
        terms = tuple(term for term in form.terms if not _is_zero_imaginary(term))
        return form if len(terms) in (0, len(form.terms)) else terms[0] if len(terms) == 1 else Sum(terms)
    return form


def _is_zero_imaginary(term: Expression) -> bool:
    if isinstance(term, Negative):
        return _is_zero_imaginary(term.inner)
    return (
        isinstance(term, Product)
        and not term.divisors
        and set(term.factors) == {Number(0), Name("i")}
        and len(term.factors) == 2
    )


_CHOICE = re.compile(r"\\pm|\\mp|\+/-|\+-|-\+|[±∓]")


def with_signs(text: str, signs: tuple[int, ...]) -> str:
    """The text of one member of "2 ± sqrt(3)": "2 + sqrt(3)" or "2 - sqrt(3)"."""
    if not signs:
        return text
    pending = list(signs)

    def choose(match: re.Match[str]) -> str:
        flipped = match.group() in ("\\mp", "∓", "-+")
        sign = (pending.pop(0) if pending and not flipped else signs[0]) * (-1 if flipped else 1)
        return "-" if sign < 0 else "" if match.start() == 0 else "+"

    return _CHOICE.sub(choose, text)
