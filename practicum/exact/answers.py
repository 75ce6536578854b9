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

from collections.abc import Callable, Collection

from practicum.exact import phrases
from practicum.exact.answer_reader import PAUSES, STOPS
from practicum.exact.answer_remarks import RemarkReader
from practicum.exact.answer_tokens import closing_bracket, tokenize_answer
from practicum.exact.claims import MAX_MEMBERS, Answer, Range, Value, with_signs
from practicum.exact.expression import LimitError, Number, ParseError, Parser
from practicum.exact.extraction import answer_text, extract_answer

__all__ = ["MAX_MEMBERS", "Answer", "Range", "Value", "extract_answer", "parse_answer", "with_signs"]


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


class Reader(RemarkReader):
    """Reads the statements of one answer, by the rules of the classes below it."""

    def read(self) -> Answer:
        """Read all tokens."""
        if self.take("=") and self.kind() == "=":
            raise self.unexpected()
        self.statements("end")
        if self.open_equation:
            raise ParseError("an equation is no answer: name the numbers")
        if not self._names_every_part():
            raise ParseError("it names one of several solutions and not the others")
        if not self.answer.values:
            self.answer.values, self.answer.premises = self.answer.premises, []
        return self.answer

    def _names_every_part(self) -> bool:
        """Whether "first" has its "second", "one" its "other"; what "smaller" says must be true."""
        said = self.answer.parts
        which = [word for word, _ in said]
        if which == ["one"]:
            self.answer.counts.append(1)
            return True
        values = dict(said)
        zero = Value((Number(0),), 0, "0")
        low, high = (
            next((values[word] for word in words if word in values), None)
            for words in (("smaller", "lesser", "negative"), ("larger", "greater", "positive"))
        )
        if low and high and len(said) == 2:
            if "positive" in values and "negative" in values:
                self.answer.equalities += [(low, "<", zero), (zero, "<", high)]
            self.answer.equalities.append((low, "<", high))
            return True
        ordinals = ["first", "second", "third", "fourth"][: len(which)]
        return (
            not which
            or (len(which) > 1 and which == ordinals)
            or (
                len(which) > 1
                and which[0] in ("one", "first")
                and which[-1] in ("other", "another")
                and set(which[1:-1]) <= {"another"}
            )
        )

    def statements(self, closing: str) -> None:
        """Read statements up to a token of this kind."""
        first = True
        while True:
            self.joined_by = self.joint(first)
            if self.next.kind == closing:
                if self.joined_by in ("or", "and", "but", "so", ","):
                    raise self.unexpected()
                return
            if not first and not self.joined_by:
                raise self.unexpected()
            if self.joined_by == "so" and not self._derives_another():
                self._conclude()
            self.statement()
            first = False

    def _derives_another(self) -> bool:
        """Whether "x - 3 = 0 ⇒" adds to what came of an equation before: "x - 1 = 0 ⇒ x = 1; x - 3 = 0 ⇒"."""
        values = len(self.answer.values)
        self.deriving = self.worked == self.derived == values and not self.answer.premises
        return self.deriving and values > 0

    def _conclude(self) -> None:
        self.answer.premises += self.answer.values
        self.answer.values = []
        self.group = 0

    def joint(self, first: bool = False) -> str:
        """Read what joins two statements: "", ",", a stop, or a word; the most binding of several."""
        joint = ""
        while True:
            if self.next.kind in PAUSES:
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
            elif not first and joint in ("", ",") and self._spells_out():
                joint = "so"
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

    def _spells_out(self) -> bool:
        """ "x = 2 ± 1: x = 3, x = 1": the colon behind a ± that all of it is named again."""
        values = self.answer.values
        follows = (self.kind(), self.kind(1), self.kind(2)) == (":", "name", "=")
        return follows and len(values) == 1 and values[0].choices > 0 and self.take(":")

    def statement(self) -> None:
        """Read one statement with what stands before and behind it."""
        if self.joined_by in ("", "so", *STOPS):
            self.group = len(self.answer.values)
        start = self.index
        before = self.index
        while self.lead():
            before = self.index
        self.narrow = False
        if self.next.kind != "word" and self.tried(self.plain_item):
            return
        if self.kind() == "(" and self.tried(self._bracketed):
            self.behind()
            return
        for rule in self._rules():
            if self.tried(rule):
                self.behind()
                return
        if before > start and (self.next.kind in ("end", ")") or self.next.kind in PAUSES):
            if self.joined_by == "or":
                raise self.unexpected()
            return
        self.index = before
        self._raise_limits()
        raise self.unexpected()

    def _bracketed(self) -> bool:
        """ "(x = 1)" in place of "x = 1"."""
        end = closing_bracket(self.tokens, self.index)
        if end is None or self.is_note or (self.kind(1), self.kind(2)) != ("name", "="):
            return False
        inner = self._part(end)
        inner.joined_by = ","
        if not (inner.plain_item() and inner.kind() == "end"):
            return False
        for value in inner.answer.values:
            self._add(value)
        self.labelled = True
        self.index = end + 1
        return True

    def _rules(self) -> list[Callable[[], bool]]:
        """The rules that a statement may follow here, in the order in which they are tried."""
        rules: list[Callable[[], bool]] = []
        if self.is_note:
            rules.append(self.condition)
        if self.next.kind == "(" and self.index and self.tokens[self.index - 1].kind in (".", "\n"):
            rules.append(self.note)
        if self.answer.says_none:
            rules += (self.check, self.explanation, self.none, self.reason_clause)
        if self.next.kind == "word":
            rules += (
                *(self.check, self.explanation, self.only, self.none, self.interval_in_words, self.every),
                *(
                    self.rejection,
                    self.rejected_candidate,
                    self.candidates,
                    self.part,
                    self.accepted,
                    self.about,
                    self.sum_statement,
                    self.named,
                    self.auxiliary,
                    self.comparison,
                ),
                *(self.item, self.equation_without, self.reason_clause, self.affirmation),
                *(self.because, self.working),
            )
            return rules
        if self.next.kind in ("name", "ℝ", "∅", "{", "[") or self.words[self.index] == "0":
            rules += (self.none, self.every)
        if self.next.kind in ("name", "≈"):
            rules.append(self.about)
        rules += (self.sum_statement, self.named, self.auxiliary, self.comparison, self.item)
        rules += (self.equation_without, self.reason_clause, self.affirmation, self.working)
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
        if self.tried(self.equation_before):
            return True
        nothing = phrases.NO_SOLUTION.match(self.words, start)
        every = phrases.EVERY.match(self.words, start)
        if self.say(phrases.LEADS) and self.index - start > max(nothing, every) - 1:
            counts = self.words[start] == "there" or self.words[self.index - 1] in phrases.HAVING
            self.take(":", ",")
            if not (counts and self.counts_nothing_named()):
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

    def _checked(self) -> bool:
        """ "x = 1: 1 - 4 + 3 = 0"."""
        return bool(self.answer.values) and self.take(":") and self._true_constants()

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
            if self.next.kind == ":" and self.tried(self._checked):
                continue
            if self.answer.says_none:
                again = [self.none] if self.take(",", ":", "-") else []
                if not any(self.tried(rule) for rule in (self.because, self.reason, *again)):
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
