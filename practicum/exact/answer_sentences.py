"""The sentences of an answer: none, every number but some, named solutions, sums, rejections."""

from __future__ import annotations

from functools import partial

from practicum.exact import phrases
from practicum.exact.answer_maths import MathsReader
from practicum.exact.answer_reader import PAUSES, RELATIONS, SUM_LABELS
from practicum.exact.claims import Range, Value
from practicum.exact.expression import Number, ParseError


class SentenceReader(MathsReader):
    """The sentences of an answer: none, every number but some, named solutions, sums, rejections."""

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
        at_start = start == 0 or self.tokens[start - 1].kind in (":", "=", *PAUSES)
        if self.words[max(0, start - 2) : start] == ["i", "found"]:
            raise ParseError("to have found none is not to say that there is none")
        if self.say(phrases.NO_SOLUTION) or (at_start and self.say(phrases.NOTHING_THERE)):
            if self.narrow:
                raise ParseError("it says that there are none of one kind only")
            self.answer.says_none = True
            self.open_equation = ""
            while self.say(phrases.OF):
                pass
            self.take("∅")
            self.tried(self._such_that)
            return True
        if self.take("∅") or (self.kind() in ("{", "[") and self._is_empty_pair()):
            self.answer.says_none = True
            self.open_equation = ""
            return True
        self.index = start
        return False

    def equation_without(self) -> bool:
        """ "x^2 = -1 has no real solutions" as the last claim; the equation may name no number itself."""
        if self.answer.values or self.answer.premises or self.beside_numbers:
            return False
        if not self._open_equation() or self.next.text not in ("has", "have"):
            return False
        if not self.none():
            return False
        end = self.index + (self.kind() in (",", "."))
        return self.tokens[end].kind == "end" or phrases.BECAUSE.match(self.words, end) > 0

    def _open_equation(self) -> bool:
        """ "x^2 = -1": an equation that names no number itself, as "x = 3" does."""
        begin = self.index
        one = self.value()
        bare, left = self.index == begin + 1, self._holds_unknown(begin, self.index)
        if not self.take("="):
            return False
        begin = self.index
        other = self.value()
        bare_right, right = self.index == begin + 1, self._holds_unknown(begin, self.index)
        names_number = (bare and not right) or (bare_right and right and not left)
        if names_number or not (left or right):
            return False
        self.answer.solved.append((one, other))
        return True

    def equation_before(self) -> bool:
        """ "solving 2x = 4 gives", "for x^2 = 4,", "the equation 2x = 4 has": what it has comes after."""
        if not self.say(phrases.BEFORE_EQUATIONS) or not self._open_equation():
            return False
        counts = self.next.text in phrases.HAVING
        if not (self.say(phrases.BEHIND_EQUATIONS) or self.take(",", ":")):
            return False
        return not (counts and self.counts_nothing_named())

    def counts_nothing_named(self) -> bool:
        """ "has exactly 2", which may be how many; "2 and 3" and "1/2" are which."""
        start = self.index
        self.say(phrases.DETERMINERS)
        alone = self.kind() == "number" or self.next.text in phrases.NUMBERS
        behind = self.tokens[self.index + 1] if alone else self.next
        alone = alone and behind.kind in ("end", "word", ".", ";", "\n") and behind.text not in ("and", "or")
        self.index = start
        named = self.noun_phrase() is not None
        self.index = start
        return alone and not named

    def _such_that(self) -> bool:
        """ "no real x such that x^2 = -1"."""
        self.take("name")
        if not self.say(phrases.SUCH_THAT):
            return False
        start = self.index
        self.value()
        bare = self.index == start + 1
        if not self._holds_unknown(start, self.index) or not self.take("="):
            return False
        start = self.index
        self.value()
        names_number = bare and not self._holds_unknown(start, self.index)
        return not names_number and self.kind() in ("end", ")", *PAUSES)

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
            and self.kind(1) in (*RELATIONS, "≠")
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
        said = set(self.words[start : self.index])
        self.names_all = bool(said & phrases.ONE_OF_A_KIND) and self.words[self.index - 1] in phrases.SINGULAR
        if count > 1 and said & phrases.COINCIDING:
            count = 1
        while self.say(phrases.OF) or self.tried(self._of_equation):
            pass
        return count

    def _of_equation(self) -> bool:
        """ "of x^2 - 4x + 3 = 0", "that satisfies 2x = 4"; "2x = 4" behind "to the equation"."""
        if not self.say(phrases.OF_THAT) and self.words[self.index - 1 : self.index] != ["equation"]:
            return False
        self.say(phrases.OF)
        if not self._open_equation():
            return False
        self.say(phrases.TRUE)
        return True

    def named(self) -> bool:
        """ "the solutions are 1 and 3", "two solutions: x = 1, x = 3", "there are two real solutions"."""
        start = self.index
        count = self.noun_phrase()
        if count is None:
            return False
        if self.words[start] in ("each", "any"):
            return False
        if self.names_all and not count and {"single", "unique"} & set(self.words[start : self.index]):
            self.answer.counts.append(1)
        if count:
            self.answer.counts.append(count)
        if self.index - start == 1 and self.words[start] in ("number", "numbers", "x") and not self.take(":"):
            return False
        self.say(phrases.COPULAS) or self.take(":", "=", ",", "∈")
        self.take(":")
        self.say(phrases.COPULAS)
        if self.kind() in ("end", ")", *PAUSES):
            return self.kind() != "end" or bool(count)
        if self.tokens[self.index - 1].kind == "," and count == 0 and not self.names_all:
            return False
        while self.lead():
            pass
        self.joined_by = "," if self.joined_by not in ("but",) else "but"
        self.group = len(self.answer.values)
        return any(
            self.tried(rule)
            for rule in (self.none, self.every, self.about, self.comparison, self.item, self.named)
        )

    def part(self) -> bool:
        """ "the first solution is x = 1", "the other is 3", "larger root: 3": all of them must be named."""
        start = self.index
        if self.say(phrases.PART_NOUNS) and self.kind() == "number" and self.kind(1) in (":", "="):
            if self.next.text not in ("1", "2", "3", "4"):
                return False
            which = ("first", "second", "third", "fourth")[int(self.next.text) - 1]
            self.index += 1
        else:
            self.index = start
            if not self.say(phrases.PART_OF_ALL):
                return False
            which = next(word for word in self.words[start : self.index] if word in phrases.PARTS_OF_ALL)
        while self.say(phrases.OF):
            pass
        if not (self.words[self.index - 1] == "is" or self.say(phrases.COPULAS) or self.take(":", "=")):
            return False
        before = len(self.answer.values)
        self.joined_by = ","
        if not self.item() or len(self.answer.values) != before + 1:
            return False
        self.answer.parts.append((which, self.answer.values[-1]))
        return True

    def candidates(self) -> bool:
        """ "candidates: 2, 9": they claim nothing, but limit what may be claimed."""
        if self.answer.values or not self.say(phrases.CANDIDATES):
            return False
        while self.say(phrases.OF):
            pass
        self.say(phrases.COPULAS) or self.take(":", "=")
        while True:
            if (self.kind(), self.kind(1)) == ("name", "=") and self._is_label(self.next.text):
                self.index += 2
            self.answer.candidates.append(self.value())
            start = self.index
            joined = self.take(",") | self.say(phrases.AND) | self.say(phrases.OR)
            if not joined or not self.tried(partial(self._begins_value, ("=",))):
                self.index = start
                return True

    def accepted(self) -> bool:
        """ "valid: 9", "accept x = 9"."""
        if self.answer.values or not self.say(phrases.ACCEPTS):
            return False
        by_verb = self.words[self.index - 1] in phrases.ACCEPTING or self.words[self.index - 1] == "only"
        if not (self.take(":") or by_verb):
            return False
        self.joined_by = ","
        return self.tried(self.none) or self.item()

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
        if self._numbers_a_part():
            return False
        if self.is_sum and len(self.answer.values) > 1 and self.tried(self._adds_up):
            return True
        if self.kind() == ":" and (
            phrases.HOLDS.match(self.words, start + 1) or phrases.FAILS.match(self.words, start + 1)
        ):
            self.index = start = start + 1
        if self.next.kind == "word" and self.tried(self._multiplicity):
            return True
        if phrases.FAILS.match(self.words, start) > phrases.HOLDS.match(self.words, start):
            if not self.answer.values:
                return False
            self._verdict()
            return self.index > start
        if self.say(phrases.HOLDS):
            about_numbers = set(self.words[start : self.index]) & phrases.OF_NUMBERS
            return self.kind() not in (":", "=") and not (self.answer.says_none and about_numbers)
        start = self.index
        if self.say(phrases.WHICH_IS) and self.tried(self._sign):
            self.answer.conditions.append(self.answer.ranges.pop())
            return True
        self.index = start
        # "(the only real root)"; "(possible value)" is a doubt
        copula = (self.next.text in ("is", "are", "as") and self.take("word")) or self.is_note
        count = self.noun_phrase() if copula else None
        said = self.words[start : self.index]
        if "possible" in said and "only" not in said:
            return False
        if count is not None:
            if count:
                self.answer.counts.append(count)
            return True
        self.index = start
        return False

    def _numbers_a_part(self) -> bool:
        """Whether "Root 2:" is next, which begins a statement and says nothing of the one before."""
        count = phrases.PART_NOUNS.match(self.words, self.index)
        return count > 0 and self.kind(count) == "number" and self.kind(count + 1) in (":", "=")

    def _adds_up(self) -> bool:
        """ "1 and 3 sum to 4": what was named are the solutions, and the number is their sum."""
        return bool(phrases.SUM_NOUNS.match(self.words, self.index)) and self.sum_statement()

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

    def rejected_candidate(self) -> bool:
        """ "the candidate x = 4 is rejected", "the other value, x = -1, fails"."""
        if not self.say(phrases.ONE_CANDIDATE):
            return False
        self.take(",", ":")
        if self.kind() == "name" and self._is_label(self.next.text):
            self.index += 1
            if not self.take("="):
                return False
        value = self.value()
        self.take(",")
        if not self.say(phrases.FAILS):
            return False
        self.answer.rejected.append(value)
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
        elif self.kind() == "name" and self.next.text in SUM_LABELS and self.kind(1) in ("=", ":"):
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
