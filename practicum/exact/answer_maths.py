"""The mathematics of an answer: numbers with their labels, sets, intervals, inequalities."""

from __future__ import annotations

from functools import partial
from typing import TypeVar

from practicum.exact import phrases
from practicum.exact.answer_reader import EQUALS, PAUSES, RELATIONS, SET_LABELS, STOPS, TokenReader
from practicum.exact.answer_tokens import closing_bracket
from practicum.exact.claims import MAX_MEMBERS, Range, Value
from practicum.exact.expression import (
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
)

_Reader = TypeVar("_Reader", bound="MathsReader")


class MathsReader(TokenReader):
    """The mathematics of an answer: numbers with their labels, sets, intervals, inequalities."""

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
        return base in folded or (sets and base in SET_LABELS)

    def labels(self) -> bool:
        """Read "x =", "x_1 = x_2 =", "x_1,2 =", "x is", "|x| ="."""
        found = False
        while self.kind() == "name" and self._is_label(self.next.text, sets=self.kind(2) in ("{", "\\")):
            start = self.index
            self.index += 1
            if self._second_index(self.tokens[start].text):
                self.index += 2
            if self.kind() in EQUALS or self.kind() == ":":
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
            if choices and self.tried(partial(self._listing, Value(tuple(forms), choices, first.text))):
                break
            if (
                self.kind(1) == "name"
                and self._is_label(self.tokens[self.index + 1].text)
                and (self.kind(2) in ("end", "word", ")", *PAUSES))
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
        if phrases.OR.match(self.words, self.index + (self.kind() == ",")):
            self.tried(self.as_decimal)
        self._verdict()
        return True

    def as_decimal(self) -> bool:
        """ ", or 0.375 as a decimal" behind an exact number."""
        self.take(",")
        if not self.say(phrases.OR):
            return False
        self.answer.estimates.append(self.value())
        return self.say(phrases.AS_DECIMAL)

    def _listing(self, named: Value) -> bool:
        """ "= 1, 3" behind "2 ± 1": what a ± names, one by one; each such list must be the same numbers."""
        found = False
        while self.take("="):
            members: list[Value] = []
            if self.kind() == "{":
                inner = self._part(closing_bracket(self.tokens, self.index) or self.index)
                self._listed(members)
                found = inner.kind() != "end"
            else:
                self._listed(members, ())
            if len(members) < 2 and not found:
                return False
            if any(value.choices for value in members) or self.kind() in ("±", "∓", "|"):
                return False
            self.answer.listings.append((named, members))
            found = True
        return found

    def _names_behind(self) -> bool:
        return self.kind(1) == "name" and self._is_label(self.tokens[self.index + 1].text)

    def _add(self, value: Value) -> None:
        if len(self.answer.values) >= MAX_MEMBERS:
            raise LimitError(f"a list of over {MAX_MEMBERS} members")
        if self.joined_by == "but":
            raise ParseError("'but' before a number leaves open whether it is one more")
        if self.answer.exclusions and not self.labelled and self.joined_by == ",":
            raise ParseError("name what is excluded last")
        if self.open_equation and self.joined_by not in ("so", *STOPS):
            raise ParseError(f"what follows {self.open_equation}? write 'so' or a new line")
        self.answer.values.append(value)
        if self.answer.rejected:
            self.answer.after_rejected.append((value, tuple(self.answer.rejected)))
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
            elif not (self.tried(self._bracketed_labels) or self._interval()):
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
        if end is None or self.tokens[end].kind != {"{": "}", "[": "]"}[self.kind()]:
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
        self.answer.take_remarks(inner.answer)
        self.answer.says_none |= inner.answer.is_blank
        self.index = end + 1
        return True

    def _bracketed_labels(self) -> bool:
        """[x = 1, x = 3], [{x: 1}, {x: 3}]: a list, since labels stand in no interval."""
        labelled = self.kind(1) == "name" and self.kind(2) in ("=", ":")
        return self.kind() == "[" and (self.kind(1) == "{" or labelled) and self._set()

    def _part(self: _Reader, end: int) -> _Reader:
        """A reader of what stands between the bracket that is next and its partner at `end`."""
        inner = [
            token._replace(spaced=False) if place == 0 else token
            for place, token in enumerate(self.tokens[self.index + 1 : end])
        ]
        return type(self)(inner, self.names, self.parametric, self.is_sum)

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
        self.answer.take_remarks(said)
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
        inner = type(self)(self.tokens[self.index : place], self.names, self.parametric)
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

    def comparison(self) -> bool:
        """ "x > 2", "0 <= x < 3", "x ≠ 0", "x is at least 2", "x ∉ {1, 3}"."""
        if self.kind() == "≠":
            self.index += 1
            self._exclude()
            return True
        if self.kind() == "name" and self._is_label(self.next.text):
            behind = self.kind(1)
            if behind == "word" and self.tried(self._signed):
                return self._remark_or_claim()
            if behind in ("≠", "∉"):
                self.index += 2
                self._exclude()
                return True
            if behind == "⇒" and self.tokens[self.index + 1].text == "=>":
                self.index += 2
                self._bounded("≥", self.value().forms[0])
                return self.kind() in ("end", ")", *PAUSES) and self._remark_or_claim()
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

    def _signed(self) -> bool:
        """ "x is nonnegative", "x must be a positive number"."""
        self.index += 1
        self.say(phrases.COPULAS)
        return self._sign()

    def _sign(self) -> bool:
        """ "nonnegative", "a positive number"."""
        for relation, table in phrases.SIGN_OF.items():
            if self.say(table):
                self._bounded(relation, Number(0))
                return self.kind() in ("end", ")", *PAUSES)
        return False

    def _words_of_size(self) -> bool:
        return any(table.match(self.words, self.index) for table in phrases.MORE_THAN.values())

    def _exclude(self) -> None:
        if self.answer.exclusions and self.joined_by == "or":
            raise ParseError("x ≠ 1 or x ≠ 3 excludes nothing: write 'and'")
        # "x = 2 or x = -2, but x ≠ 2" takes back a number that was named.
        taken_back = self.joined_by == "but" and bool(self.answer.values)
        # Behind "x ≠ 0", "x = 1" claims a number and does not exclude one more.
        self._listed(self.answer.rejected if taken_back else self.answer.exclusions, ("≠",))
        if self.kind() in ("=", "≠", *RELATIONS):
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
            if self.kind() not in RELATIONS:
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

    def _bounded(self, relation: str, bound: Expression) -> None:
        closed = relation in ("≤", "≥")
        low, high = (None, bound) if relation in ("<", "≤") else (bound, None)
        self.answer.ranges.append(Range(low, closed and low is not None, high, closed and high is not None))

    def _listed(self, target: list[Value], labels: tuple[str, ...] = ("=", "≠")) -> bool:
        """Numbers joined by commas, or, and; each may have a label ("x =" or "x ≠"); perhaps in braces."""
        braces = self.kind() == "{" and closing_bracket(self.tokens, self.index)
        if braces:
            self.index += 1
        while True:
            while self.kind() == "name" and self._is_label(self.next.text) and self.kind(1) in labels:
                self.index += 2
            target.append(self.value())
            if len(target) > MAX_MEMBERS:
                raise LimitError(f"a list of over {MAX_MEMBERS} members")
            start = self.index
            joined = self.take(",", ";")
            joined = self.say(phrases.AND) or (self.say(phrases.OR) or joined)
            if not joined or not self.tried(partial(self._begins_value, labels)):
                self.index = start
                break
        if braces and not self.take("}"):
            raise self.unexpected()
        return True

    def _begins_value(self, labels: tuple[str, ...]) -> bool:
        """Whether a number is next, with one of these labels or none; reads nothing."""
        start = self.index
        if self.kind() == "name" and self._is_label(self.next.text) and self.kind(1) in labels:
            self.index += 2
        self.value()
        fits = self.kind() not in (*RELATIONS, "≠", "=", "≈")
        self.index = start
        return fits

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
        if self.next.kind in RELATIONS:
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
        elif self.joined_by in ("so", *STOPS) and len(ranges) > 1:
            raise ParseError("join ranges with 'or' or ∪")
        self.open_equation = ""
        return True


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
