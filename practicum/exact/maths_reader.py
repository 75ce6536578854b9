r"""Read any mathematical answer, in LaTeX or plain, into a tree; what cannot be read whole is unreadable.

    answer     statements joined by , ; lines, "and", "or"
    statement  words that only introduce, then a relation, then a unit
    relation   sets or sums joined by = ≠ < > ≤ ≥ ∈ ≈ ≡
    set        sums joined by ∪ ∩ ∖

Sums and what they are made of are read in `maths_values.py`. Nothing is evaluated here. The size of what is
read is limited by tokens and by nesting.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from practicum.exact.expression import LimitError, ParseError, word_set
from practicum.exact.gold_numbers import check_words_after, check_words_before
from practicum.exact.maths_tokens import tokenize
from practicum.exact.maths_trees import Apply, Group, Quantity, Relation, Symbol, Tree, Words, names
from practicum.exact.maths_values import AFTER_INTERVAL, ORDINALS, SUPERSCRIPTS, ValueReader, measured
from practicum.exact.measures import measure

MAX_TOKENS = 700
MAX_MEMBERS = 64

_RELATIONS = frozenset("=≠<>≤≥∈∉≈≡⊂")
_SEPARATORS = frozenset((",", ";", "\n", "and", "or", "gap", "&"))
_IS = word_set("is equals are was")
_NUMBER_SETS = {"R": "ℝ", "Z": "ℤ", "N": "ℕ", "Q": "ℚ", "C": "ℂ"}


def read_answer(text: str, thousands: bool = True) -> Tree:
    """The tree of an answer. Raises ParseError or LimitError."""
    parts = tokenize(text, thousands)
    if len(parts) > MAX_TOKENS:
        raise LimitError(f"the answer has {len(parts)} parts, over the limit of {MAX_TOKENS}")
    reader = Reader(parts)
    return reader.listing(("end",))


class Reader(ValueReader):
    """Recursive descent over the statements, relations and sets of one answer."""

    # -- statements --------------------------------------------------------------------------------------

    def listing(self, closing: tuple[str, ...]) -> Tree:
        """Statements up to a closing token: one, or a list of several."""
        members: list[Tree] = []
        joints: list[str] = []
        while True:
            members.append(self.statement())
            if len(members) > MAX_MEMBERS:
                raise LimitError(f"more than {MAX_MEMBERS} members")
            if self.take("⇒"):
                if not all(_is_equation(one) for one in members):
                    raise ParseError("what follows an arrow follows from an equation")
                members.clear()
                continue
            joint = ""
            while self.next.kind in _SEPARATORS:
                if joint in ("and", "or") and self.next.kind in ("and", "or"):
                    raise ParseError("and/or leaves the answer open")
                joint = self.next.kind if joint in ("", ",", ";", "\n", "gap", "&") else joint
                self.index += 1
            if self.next.kind in closing and not (joint and self.kind() == "["):
                if joint and joint not in ("\n", "gap"):
                    raise ParseError(f"nothing follows {joint!r}")
                break
            if not joint:
                raise ParseError(f"unexpected {self.next.text!r}")
            joints.append(joint)
        if len(members) == 1:
            return members[0]
        words = {joint for joint in joints if joint in ("and", "or")}
        if len(words) > 1:
            raise ParseError("'and' beside 'or' leaves the answer open")
        return Group("", "", tuple(members), next(iter(words), ""))

    def statement(self) -> Tree:
        """Words that only introduce, a relation, a unit; or words alone."""
        words = self._words()
        if words and self.next.kind in ("end", *_SEPARATORS, ".", "!"):
            self.take(".", "!")
            return Words(" ".join(words))
        named = self.kind() == "name" and self.kind(1) == "word" and self.parts[self.index + 1].text in _IS
        if words:
            check_words_before(words, named or self.next.kind in ("=", ":"))
        if named:  # "the value of x is 5"
            self.index += 2
            if [part.text for part in self.parts[self.index : self.index + 2]] == ["equal", "to"]:
                self.index += 2
        self.take("=", ":")
        found = self.tried(lambda: self._with_unit(True))
        return found if found is not None else self._with_unit(False)

    def _words(self) -> list[str]:
        words: list[str] = []
        start = self.index
        while self.kind() in ("word", "'", "and", "or") or (self.next.prose and self.kind() in ("name", "-")):
            if self.kind() in ("and", "or") and not (words and self.kind(1) == "word"):
                break
            if self.kind() in ("and", "or") and not self._is_all_words():
                break
            text = self.next.text
            if text == "'" and words:
                words[-1] += "'"
            elif words and words[-1].endswith("'") and not self.next.spaced:
                words[-1] += text
            else:
                words.append(text.lower())
            self.index += 1
        if (
            self.kind() == "name"
            and self.next.text in ("a", "A", "I")
            and self.kind(1) in ("word",)
            and self.kind(1)
        ):
            kept = self.index
            self.index += 1
            more = self._words()
            if more:
                return [*words, self.parts[kept].text.lower(), *more]
            self.index = kept
        if not words:
            self.index = start
        return words

    def _is_all_words(self) -> bool:
        """Whether nothing but words follows: "rock and roll"."""
        return all(part.kind in ("word", "and", "or", "end", "'", ".") for part in self.parts[self.index :])

    def _with_unit(self, letters: bool) -> Tree:
        self.letters_are_units = letters
        about = self.take("≈")
        sign = self.next.text
        money = sign if self.take("money") else ""
        tree = self.relation()
        if about:
            tree = Apply("≈", (tree,))
        if money:
            tree = _with_last(tree, lambda value: Quantity(value, money))
        if self.kind() in ("end", "⇒", *_SEPARATORS, *"])}|:") or self.kind() in ("}}", "⟩"):
            return tree
        if self.kind() == "[" and self.kind(1) in AFTER_INTERVAL:
            return tree
        if self.kind() == "(" and self.next.spaced and (noted := self.tried(self._note)) is not None:
            return Relation((tree, noted), ("=",))
        if self.next.text in ORDINALS and not self.next.spaced and self.kind(1) in ("end", *_SEPARATORS):
            self.index += 1
            return Apply("th", (tree,))
        unit = self.unit()
        return _with_last(tree, lambda value: measured(value, unit, money))

    def _note(self) -> Tree:
        """ "1/2 (0.5)": the number again."""
        self.expect("(")
        found = self.relation()
        self.expect(")")
        if self.kind() not in ("end", *_SEPARATORS):
            raise ParseError("more follows a note")
        return found

    def unit(self) -> str:
        """The unit behind a value, and plain words. Raises ParseError for anything else."""
        written: list[str] = []
        while self.kind() not in ("end", "⇒", ",", ";", "\n", "gap", "or", "and", ")", "]", "}", "}}"):
            part = self.next
            power = self.kind(1) if part.kind == "^" else ""
            if part.kind == "word" or (part.kind == "name" and (part.prose or len(part.text) == 1)):
                written.append(" " * bool(written and part.spaced) + part.text)
            elif part.kind == "^" and power in ("number", "{", "{{", "-"):
                self.index += 1
                braces = self.take("{", "{{")
                sign = "-" if self.take("-") else ""
                written.append(f"^{sign}{self.next.text}")
                if braces:
                    self.index += 1
                    if self.kind() not in ("}", "}}"):
                        raise ParseError("a brace that is not closed")
            elif part.kind == "superscript":
                written.append("^" + part.text.translate(SUPERSCRIPTS))
            elif part.kind in ("/", "*", "'", "-", "°") or part.kind == "money":
                written.append(part.text)
            elif part.kind == "." and self.kind(1) in ("end", "word"):
                pass
            else:
                raise ParseError(f"{part.text!r} is no part of a unit")
            self.index += 1
        text = "".join(written)
        if re.fullmatch(r"[a-z]\^-\d", text):
            raise ParseError("a letter to a negative power alone is a letter's")
        if " " not in text or measure(text) is None:  # "meters per second" has no second, "2 second" may
            check_words_after(text)
        return text.lower() if len(text) > 4 else text  # MJ is no mJ

    # -- relations and sets ------------------------------------------------------------------------------

    def relation(self) -> Tree:
        """Sides joined by signs; one side alone is itself."""
        label = self.tried(self._label)
        if label is None and self._names_a_point():
            label = Symbol(self.next.text)
            self.index += 1
            return Relation((label, self.set_expression()), ("=",))
        sides = [label if label is not None else self.set_expression()]
        signs: list[str] = []
        while True:
            kind = self.kind()
            if kind == ":" and isinstance(sides[0], Symbol) and not signs:
                kind = "="
            if kind not in _RELATIONS:
                break
            self.index += 1
            if kind in "<>" and self.kind() == "=":
                self.index += 1
                kind = "≤" if kind == "<" else "≥"
            signs.append(kind)
            sides.append(self.set_expression())
            side = sides[-1]
            if kind == "∈" and isinstance(side, Symbol):
                sides[-1] = Symbol(_NUMBER_SETS.get(side.name, side.name))
            is_rest = isinstance(side, Apply) and side.operation == "mod"
            if kind == "=" and is_rest and len(sides) == 2 and names(sides[0]):  # x = 3 mod 7
                kind = signs[-1] = "≡"
            if kind == "≡":
                self._modulus(sides, signs)
                if signs == ["≡"] and label is not None:  # f(x) ≡ 0
                    signs = ["="]
        return Relation(tuple(sides), tuple(signs)) if signs else sides[0]

    def _label(self) -> Tree:
        """ "f(x) =", "(f o g)(x) =", "f^{-1}(x) =" and "P(A) =": a name for what follows."""
        text = ""
        while self.kind() in ("name", "(", ")", "^", "{", "}", "-", "number", "°", ",", "'", "_", "word"):
            text += self.next.text
            self.index += 1
        if self.kind() not in ("=", "∈", "≡") or not re.fullmatch(
            r"(?:[A-Za-z]\w*(?:_\{?\w+\}?)?'{0,3}(?:\^\{?-1\}?)?|\([a-z]°[a-z]\))\((?:[A-Za-z][\w,]*|-?\d+)\)",
            text,
        ):
            raise ParseError("no label")
        return Symbol(re.sub(r"[{}]", "", text))

    def _names_a_point(self) -> bool:
        """Whether a capital letter touches a pair in brackets: "P(3, 4)"."""
        if self.kind() != "name" or not self.next.text.isupper() or self.kind(1) != "(":
            return False
        if self.parts[self.index + 1].spaced:
            return False
        kinds = [part.kind for part in self.parts[self.index + 2 :]]
        closing = kinds.index(")") if ")" in kinds else 0
        return "," in kinds[:closing] and kinds[closing + 1] in ("end", *_SEPARATORS)

    def _modulus(self, sides: list[Tree], signs: list[str]) -> None:
        last = sides[-1]
        if isinstance(last, Apply) and last.operation == "mod":
            sides[-1:] = last.arguments
            signs.append("mod")
            return
        bracket = self.kind() == "(" and self.kind(1) == "mod"
        if bracket or self.kind() == "mod":
            self.take("(")
            self.expect("mod")
            grouped = self.take("{")
            sides.append(self.sum())
            signs.append("mod")
            if grouped:
                self.expect("}")
            if bracket:
                self.expect(")")

    def set_expression(self) -> Tree:
        """Sums joined by ∪, ∩, ∖; numbers joined by ":"."""
        left = self.sum()
        while True:
            kind = self.kind()
            if kind == "name" and self.next.text == "U" and isinstance(left, Group | Apply | Symbol):
                kind = "∪"
            if kind == "word" and self.next.text == "to" and self.kind(1) == "number":  # "2 to 3" is 2:3
                kind = ":"
            if kind == ":" and self.kind(1) in ("number", "name") and not isinstance(left, Symbol):
                self.index += 1
                left = Apply(":", (left, self.sum()))
                continue
            if kind not in ("∪", "∩", "∖"):
                return left
            self.index += 1
            right = self.sum()
            is_set = isinstance(right, Group | Symbol | Apply)
            left = Apply(kind, (left, right if is_set else Group("{", "}", (right,))))


def _is_equation(tree: Tree) -> bool:
    return isinstance(tree, Relation) and set(tree.signs) <= set("=≤≥<>≠≡")


def _with_last(tree: Tree, change: Callable[[Tree], Tree]) -> Tree:
    """The tree with its last side changed."""
    if isinstance(tree, Relation):
        return Relation((*tree.sides[:-1], change(tree.sides[-1])), tree.signs)
    return change(tree)
