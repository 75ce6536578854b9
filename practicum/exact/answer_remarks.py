"""What an answer says beside its claims: notes in brackets, conditions, reasons, checks, working."""

from __future__ import annotations

from practicum.exact import phrases
from practicum.exact.answer_reader import DISCRIMINANTS, PAUSES, RELATIONS, REMARK_MATHS
from practicum.exact.answer_sentences import SentenceReader
from practicum.exact.answer_tokens import closing_bracket
from practicum.exact.claims import Answer, Value
from practicum.exact.expression import ParseError


class RemarkReader(SentenceReader):
    """What an answer says beside its claims: notes in brackets, conditions, reasons, checks, working."""

    def note(self) -> bool:
        """(double root), (x = 2 is extraneous), (0.5), (≈ 0.33), (or x = 3), behind a statement."""
        end = closing_bracket(self.tokens, self.index)
        if end is None:
            return False
        inner = self._part(end)
        inner.joined_by, inner.is_note = self.joined_by, True
        inner.beside_numbers = bool(self.answer.values)
        if self.answer.values and inner.tried(inner.as_decimal) and inner.kind() == "end":
            self._merge(inner.answer)
            self.index = end + 1
            return True
        adds = inner.say(phrases.OR) or inner.say(phrases.AND)
        restated = inner.take("=")
        if not adds and inner.say(phrases.SO):
            inner.take(",", ":")
        inner.answer.says_none = says_none = self.answer.says_none
        if not adds and self._note_on_last(inner):
            self.index = end + 1
            return True
        if self.answer.values and not adds and not restated and inner._only_true_constants():
            self._merge(inner.answer)
            self.index = end + 1
            return True
        if self.answer.values and not adds and not restated and inner.tried(inner.source):
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

    def source(self) -> bool:
        """ "from x - 1 = 0": the equation that a number came from; it names no number itself."""
        if not self.say(phrases.SOURCES):
            return False
        begin = self.index
        self.value()
        bare, holds = self.index == begin + 1, self._holds_unknown(begin, self.index)
        if bare or not holds or not self.take("="):
            return False
        self.value()
        return self.kind() == "end"

    def _only_true_constants(self) -> bool:
        """Whether it is all relations that must be true: "1·3 = 3, 1 + 3 = 4"."""
        start = self.index
        while self.tried(self._true_constants):
            if self.kind() == "end":
                return True
            if not (self.take(",", ";") | self.say(phrases.AND)):
                break
        self.index, self.answer.equalities = start, []
        return False

    def _note_on_last(self, inner: RemarkReader) -> bool:
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
        if len(said.values) > 1 and self.answer.values and self.answer.values[-1].choices:
            self.answer.listings.append((self.answer.values[-1], said.values))
            return
        if len(said.values) != 1 or not (self.answer.values or self.answer.sums):
            raise ParseError("numbers in brackets behind an answer may be part of it or not")
        target = self.answer.values or self.answer.sums
        last, again = target[-1], said.values[0]
        target[-1] = Value((*last.forms, *again.forms), max(last.choices, again.choices), last.text)

    def _merge(self, said: Answer) -> None:
        """What a note says beside numbers."""
        answer = self.answer
        answer.take_remarks(said)
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
            return self.kind() in ("end", *PAUSES)
        return False

    def condition(self) -> bool:
        """ "for x >= 5", "where x ≠ 0": must hold for every number named; not judged with a parameter."""
        if not self.say(phrases.CONDITIONS):
            return False
        if self.words[self.index - 1] == "domain":
            self.take(":")
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
            while self.kind() in (*RELATIONS, "≠"):
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
        place = (self.is_note or self.answer.exclusions) and self.next.text == "where"
        if not (self.say(phrases.BECAUSE) or (place and self.take("word"))):
            # "with x = -2 rejected as extraneous"
            return self.next.text == "with" and self.take("word") and self.tried(self._rejected_equation)
        self.take(":")
        before, self.reasoning = self.reasoning, True
        try:
            return self.reason()
        finally:
            self.reasoning = before

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
        if self.reasoning and any(
            self.tried(rule) for rule in (self._true_constants, self._unequal_constants, self.auxiliary)
        ):
            return True
        if self.answer.says_none and self.tried(self._complex_ones):
            return True
        if self.say(phrases.OTHER_COMPLEX):
            return self.beside_numbers or bool(self.answer.values)
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
            elif self.kind() in REMARK_MATHS:
                if not self._remark_maths():
                    return False
            else:
                break
        return True

    def _complex_ones(self) -> bool:
        """ "only complex ones", behind "no real solutions", perhaps with the complex numbers."""
        if not self.say(phrases.COMPLEX_ONES):
            return False
        if self.kind() in ("end", ")", *PAUSES):
            return True
        self.take(":")
        return self._listed(self.answer.beside_none) and self.kind() in ("end", ")", *PAUSES)

    def _not_equal(self) -> bool:
        """ "x cannot be 2", "x ≠ 2" as a reason."""
        if not (self.kind() == "name" and self._is_label(self.next.text)):
            return False
        self.index += 1
        return (self.take("≠") or self.say(phrases.DIFFERS)) and self._listed(self.answer.rejected)

    def _range_as_reason(self) -> bool:
        """ "since x ≥ 5": holds for the numbers it is said of."""
        ranges, self.answer.ranges = self.answer.ranges, []
        if self.kind() == "name" and phrases.MUST_BE.match(self.words, self.index + 1):
            self.index += 1 + phrases.MUST_BE.match(self.words, self.index + 1)
            if self.kind() not in RELATIONS:
                return False
            relation = self.next.kind
            self.index += 1
            self._bounded(relation, self.value().forms[0])
            if self.answer.values or self.beside_numbers:
                self.answer.conditions += self.answer.ranges
            self.answer.ranges = ranges
            return True
        signed = self.kind() == "name" and self.kind(1) == "word"
        found = self._signed() if signed else self._relation_chain()
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
        while self.kind() in ("=", *RELATIONS):
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
        before = self.words[start - 1] if start else ""
        return before in phrases.BECAUSE.words or (before == "where" and self.reasoning)

    def _remark_maths(self) -> bool:
        """Numbers and relations within a remark."""
        start = self.index
        if self.kind() in ("=", *RELATIONS, "≠", "∈"):
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
        while self.kind() in ("=", *RELATIONS, "≠"):
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
        while self.kind() in ("=", *RELATIONS, "≠", "⇒"):
            self.index += 1
            relations += 1
            values.append(self.value())
        bare = self.tokens[begin].kind == "name" and self.tokens[begin + 1].kind in ("=", "⇒")
        if not relations:
            if self._holds_unknown(begin, self.index):
                return False
            self.answer.beside_none += values
        elif bare and self.tokens[begin].text not in DISCRIMINANTS:
            if not self._is_label(self.tokens[begin].text):
                return False
            self.answer.beside_none += values[1:]
        if self.next.kind == "word":
            return self.next.text not in phrases.REMARK_WORDS
        return self.kind() in ("end", ")", *PAUSES)

    def auxiliary(self) -> bool:
        """ "discriminant = 16", "D = -4 < 0", "domain: x ≥ 5"."""
        letter = (
            self.kind() == "name" and self.next.text in DISCRIMINANTS and self.next.text not in self.names
        )
        if letter:
            self.index += 1
        elif not self.say(phrases.AUXILIARY):
            return False
        domain = self.words[self.index - 1] == "domain"
        is_side = self.words[self.index - 1] in ("lhs", "rhs")
        if not (self.kind() in ("=", ":", *RELATIONS) or self.say(phrases.COPULAS)):
            return (
                self.kind() in ("number",)
                and self.words[self.index - 1] in ("multiplicity", "mult")
                and self.take("number")
            )
        self.take(":", "=")
        count = 0
        while True:
            if self.kind() in ("=", *RELATIONS, "≠", "≈"):
                self.index += 1
            begin = self.index
            try:
                value = self.value()
            except ParseError:
                self.index = begin
                break
            count += 1
            if is_side and not self._holds_unknown(begin, self.index):
                self.answer.sides.append(value)
            if self.kind() not in ("=", *RELATIONS, "≠", "≈"):
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
        if self.kind() in RELATIONS:  # x^2 = -4 < 0
            self.index += 1
            self.value()
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
        self.worked = len(self.answer.values)
        self.derived = self.worked if self.deriving else self.derived
        return True

    def check(self) -> bool:
        """ "Check: 1 - 4 + 3 = 0 ✓" up to the end of the line."""
        if self.joined_by == "or" or not self.say(phrases.CHECKS):
            return False
        colon = self.take(":", ",")
        if not (colon or self.answer.values or self.answer.says_none):
            return False
        fresh, relations = True, len(self.answer.equalities)
        start = self.index
        while self.kind() not in ("end", "\n", ")"):
            if fresh and self.tried(self._true_relations):
                fresh = False
                continue
            token = self.next
            fresh = token.kind in ("word", ",", ";", ".", ":", "⇒")
            if token.kind == "word":
                if token.text not in phrases.CHECK_WORDS.words and token.text not in (
                    "therefore",
                    "thus",
                    "hence",
                    "or",
                ):
                    return False
            elif token.kind in ("≠", "?", "%", "&"):
                return False
            self.index += 1
        said = any(token.kind == "word" for token in self.tokens[start : self.index])
        return said or len(self.answer.equalities) > relations or (self.index == start and not colon)

    def _true_relations(self) -> bool:
        """ "1 - 4 + 3 = 0", "16 > 0": a chain that must be true; "x = 1" names one of the members."""
        begin = self.index
        parts = [self.value(stop_at_gap=False)]
        unknown = [self._holds_name(begin)]
        label = self.index == begin + 1 and self._is_label(self.tokens[begin].text)
        relations: list[str] = []
        while self.kind() in ("=", *RELATIONS):
            relations.append(self.kind())
            self.index += 1
            place = self.index
            parts.append(self.value(stop_at_gap=False))
            unknown.append(self._holds_name(place))
        concludes = begin and self.words[begin - 1] in ("so", "therefore", "thus", "hence", "or")
        if concludes and not relations and not unknown[0]:
            self.answer.named_again.append(parts[0])
        if label and relations == ["="] and not unknown[1]:
            self.answer.named_again.append(parts[1])
        for place, relation in enumerate(relations):
            if not (unknown[place] or unknown[place + 1]):
                self.answer.equalities.append((parts[place], relation, parts[place + 1]))
        return True

    def _holds_name(self, start: int) -> bool:
        return any(token.kind == "name" for token in self.tokens[start : self.index])

    def _true_constants(self) -> bool:
        """Relations between constants alone, as a reason or a note: "since 1 - 4 + 3 = 0"."""
        before = len(self.answer.equalities)
        found, begin = self._true_relations(), self.index
        is_true = len(self.answer.equalities) > before
        return found and is_true and begin == self.index and self.next.kind in ("end", ")", "word", *PAUSES)

    def _unequal_constants(self) -> bool:
        """ "2 + 6 ≠ 4" as a reason: it must be true, and says nothing of the unknown."""
        begin = self.index
        left = self.value(stop_at_gap=False)
        if not self.take("≠"):
            return False
        right = self.value(stop_at_gap=False)
        self.answer.equalities.append((left, "≠", right))
        return not self._holds_name(begin) and self.next.kind in ("end", ")", *PAUSES)

    def explanation(self) -> bool:
        """ "Explanation: ..." of words only from the vocabulary, up to the end of the line."""
        if not (self.say(phrases.EXPLAINS) and self.take(":")):
            return False
        return self.reason()
