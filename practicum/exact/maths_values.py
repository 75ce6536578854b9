r"""Read values: sums, products, powers, numbers, letters, functions, roots, brackets and matrices.

    sum        products joined by + - ±
    product    powers joined by * / or by nothing
    atom       number, letter, function, fraction, root, (..), [..), {..}, |..|, ⌊..⌋, ⟨..⟩, matrix

What stands in brackets is read by the rules above values, which `maths_reader.py` adds.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from fractions import Fraction

from practicum.exact.expression import VULGAR, LimitError, ParseError, word_set
from practicum.exact.maths_cursor import MAX_DEPTH, Cursor
from practicum.exact.maths_tokens import Part
from practicum.exact.maths_trees import (
    LOG_BASE,
    Apply,
    Group,
    Matrix,
    Number,
    Quantity,
    Relation,
    Symbol,
    Tree,
    Words,
)

MAX_TERMS = 200
MAX_CELLS = 64
_CLOSES = {
    "(": (")", "]"),
    "[": ("]", ")", "["),
    "{": ("}",),
    "{{": ("}}", "}"),
    "⟨": ("⟩",),
    "]": ("[", "]", ")"),
}
_BEGINS = frozenset(
    ("name", "function", "(", "[", "{", "{{", "root", "cbrt", "frac", "binom", "vulgar", "⌊", "⌈", "begin",
     "∞", "ℝ", "ℤ", "ℕ", "ℚ", "ℂ", "∅", "repeating", "⟨")
)  # fmt: skip
AFTER_INTERVAL = frozenset(("end", ",", ";", "\n", "∪", "∩", "∖", ")", "}", "}}", "and", "or"))
SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ", "0123456789+-n")
SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
_INVERSE = {
    "sin": "asin",
    "cos": "acos",
    "tan": "atan",
    "cot": "acot",
    "sinh": "asinh",
    "cosh": "acosh",
    "tanh": "atanh",
}
_UNIT_LETTERS = frozenset("mgshlLdWVJNCFAKtM")
_BASES = {"two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10}
ORDINALS = word_set("st nd rd th")
_CONDITION_WORDS = word_set("if for when where whenever provided that otherwise else elsewhere all other")
_ELSE = word_set("otherwise else elsewhere")
_DIRECTION = re.compile(
    r"(?<=\w) (?:long|tall|high|wide|deep|away|apart|in (?:all|total|length|height|width))\Z"
)
"""What a sentence says behind a unit, and no part of it."""


class ValueReader(Cursor, ABC):
    """Recursive descent over values."""

    @abstractmethod
    def listing(self, closing: tuple[str, ...]) -> Tree:
        """Statements up to a closing token."""

    @abstractmethod
    def set_expression(self) -> Tree:
        """Sums joined by ∪, ∩, ∖."""

    @abstractmethod
    def relation(self) -> Tree:
        """Sides joined by signs."""

    @abstractmethod
    def unit(self) -> str:
        """The unit behind a value."""

    # -- sums and products -------------------------------------------------------------------------------

    def sum(self) -> Tree:
        """Products joined by + - ± ∓."""
        terms = [self.product()]
        while self.kind() in ("+", "-", "±", "∓"):
            sign = self.next.kind
            self.index += 1
            term = self.product()
            terms.append(term if sign == "+" else Apply("neg" if sign == "-" else sign, (term,)))
            if len(terms) > MAX_TERMS:
                raise LimitError(f"a sum of more than {MAX_TERMS} terms")
        return terms[0] if len(terms) == 1 else Apply("+", tuple(terms))

    def product(self) -> Tree:
        """Powers joined by * / or nothing, left to right."""
        left = self.unary()
        while True:
            if self.take("*"):
                left = Apply("*", (left, self.unary()))
            elif self.kind() == "/" and self.kind(1) not in ("word", "end"):
                self.index += 1
                left = Apply("/", (left, self.unary()))
            elif self._multiplies(left):
                left = Apply("*", (left, self.power()))
            elif self.kind() == "name" and self.next.text == "x" and self._is_times():
                self.index += 1
                left = Apply("*", (left, self.power()))
            elif self.kind() == "mod" and self.kind(-1) != "(":
                self.index += 1
                left = Apply("mod", (left, self.power()))
            else:
                return left

    def _is_times(self) -> bool:
        """ "3 x 10^8"."""
        return self.kind(-1) == "number" and self.kind(1) == "number" and self.parts[self.index + 1].spaced

    def _multiplies(self, left: Tree) -> bool:
        kind, part = self.kind(), self.next
        if part.prose and kind in ("name", "word"):
            return False
        if kind == "name" and part.text == "x" and part.spaced and self._is_times():
            return False
        if kind == "name" and part.text == "U" and isinstance(left, Group):
            return False
        is_unit = kind == "name" and part.spaced and part.text in _UNIT_LETTERS
        if is_unit and self.letters_are_units and _is_number(left):
            return False
        if kind == "(" and part.spaced and _is_number(left) and self._closes_answer():
            return False
        if kind == "[" and self.bars == 0 and isinstance(left, Group):
            return False
        if kind == "[" and self.kind(1) in AFTER_INTERVAL:  # ]0, 2[
            return False
        if kind == "|":
            return self.bars == 0 and self.kind(1) not in ("end",) and self.kind(-1) != "|"
        if kind == "number":
            # A space between two factorials is no more than that; between other numbers it may be a list.
            factorials = self.kind(-1) == self.kind(1) == "!"
            return self.kind(-1) in (")", "}", "!") and (factorials or not part.spaced)
        return kind in _BEGINS

    def _closes_answer(self) -> bool:
        """Whether a bracket that follows a gap ends the answer, so that it may be a note."""
        depth = 0
        for place in range(self.index, len(self.parts)):
            kind = self.parts[place].kind
            depth += (kind == "(") - (kind == ")")
            if depth == 0:
                return self.parts[place + 1].kind in ("end", ",", ";", "\n")
        return False

    def unary(self) -> Tree:
        """Signs, then a power."""
        kind = self.kind()
        if kind in ("+", "-", "±", "∓"):
            self.index += 1
            self.depth += 1
            if self.depth > MAX_DEPTH:
                raise LimitError(f"nested deeper than {MAX_DEPTH} levels")
            self.take("money")
            inner = self.unary()
            self.depth -= 1
            if kind == "+":
                return inner
            return Apply("neg" if kind == "-" else kind, (inner,))
        self.take("money")
        return self.power()

    def power(self) -> Tree:
        """An atom with what follows it: ! ° % _ ^."""
        base = self._postfix(self.atom())
        if self.kind() == "^" and (ordinal := self.tried(lambda: self._ordinal(base))) is not None:
            return ordinal
        if self.take("^"):
            exponent = self.nested(self._exponent)
            if isinstance(base, Apply) and base.operation == "°" and self.kind() == "°":
                return base
            return self._postfix(Apply("^", (base, exponent)))
        if self.kind() == "superscript":
            written = self.next.text.translate(SUPERSCRIPTS)
            self.index += 1
            exponent = Symbol("n") if written == "n" else Number(Fraction(written))
            return self._postfix(Apply("^", (base, exponent)))
        return base

    def _ordinal(self, base: Tree) -> Tree:
        """ "5^{th}"."""
        self.expect("^")
        grouped = self.take("{", "{{")
        written = ""
        while self.kind() in ("word", "name"):
            written += self.next.text
            self.index += 1
        if written not in ORDINALS:
            raise ParseError("no ordinal")
        if grouped:
            self.expect("}", "}}")
        return Apply("th", (base,))

    def _exponent(self) -> Tree:
        if self.kind() == "{{" and self.take("{{"):
            found = self.sum()
            self.expect("}}")
            return found
        return self.unary()

    def _postfix(self, tree: Tree) -> Tree:
        while True:
            if self.kind() == "!" and not self.next.spaced:
                self.index += 1
                tree = Apply("!!" if self.take("!") else "!", (tree,))
            elif self.kind() == "°":
                self.index += 1
                scale = self.next.text if self.kind() in ("name", "word") else ""
                if scale in ("C", "F"):
                    self.index += 1
                    return Quantity(tree, f"°{scale}")
                tree = Apply("°", (tree,))
            elif self.take("%"):
                tree = Apply("%", (tree,))
            elif self.kind() == "_":
                tree = self._subscript(tree)
            elif self.kind() == "'" and isinstance(tree, Symbol) and not self.next.spaced:
                self.index += 1
                tree = Symbol(tree.name + "'")
            else:
                return tree

    def _subscript(self, tree: Tree) -> Tree:
        written = self._subscript_text()
        if isinstance(tree, Symbol):
            return Symbol(f"{tree.name}_{written}")
        if isinstance(tree, Number) and tree.decimals < 0:
            base = int(written) if written.isdigit() and len(written) < 3 else _BASES.get(written.lower(), 0)
            digits = str(tree.value)
            if 2 <= base <= 10 and digits.isdigit() and all(int(digit) < base for digit in digits):
                if len(digits) > 200:
                    raise LimitError("a number of over 200 digits in another base")
                return Number(Fraction(int(digits, base)), -1, base, digits)
        raise ParseError(f"a subscript {written!r} follows no name")

    def _subscript_text(self) -> str:
        text = self.next.text.translate(SUBSCRIPTS)
        self.index += 1
        if text != "_":
            return text
        if self.kind() in ("{", "{{"):
            self.index += 1
            written = ""
            while self.kind() in ("name", "number", "word", ",", "+", "-", "function", "∞", "°"):
                written += self.next.text
                self.index += 1
            self.expect("}", "}}")
            return written
        if self.kind() in ("name", "number", "word"):
            written = self.next.text
            if self.kind() == "number" and len(written) > 1 and self.kind(-2) == "name":
                self.put(Part("number", written[1:]))  # x_12 is x_1 with a factor 2 in LaTeX
                return written if self._join_digits() else written[0]
            self.index += 1
            return written
        raise ParseError("an empty subscript")

    def _join_digits(self) -> bool:
        self.index += 1
        return True

    # -- atoms -------------------------------------------------------------------------------------------

    def atom(self) -> Tree:
        """One number, letter, function or bracket."""
        kind, part = self.kind(), self.next
        if kind == "number":
            self.index += 1
            return self._mixed(_number(part.text))
        if kind == "repeating":
            self.index += 1
            return Number(_repeating(part.text))
        if kind == "vulgar":
            self.index += 1
            return Number(Fraction(*VULGAR[part.text]))
        if kind == "name":
            return self._name()
        if kind == "function":
            return self._function()
        if kind in ("(", "[", "{", "{{", "⟨"):
            return self.nested(self._group)
        if kind in ("root", "cbrt", "frac", "binom", "begin", "|", "⌊", "⌈", "]", "<"):
            rule = {
                "root": self._root, "cbrt": self._root, "frac": self._frac, "binom": self._frac,
                "begin": self._matrix, "|": self._absolute, "⌊": self._floor, "⌈": self._floor,
                "]": self._group, "<": self._angles,
            }[kind]  # fmt: skip
            return self.nested(rule)
        if kind in ("∞", "ℝ", "ℤ", "ℕ", "ℚ", "ℂ", "∅"):
            self.index += 1
            return Symbol(kind)
        raise ParseError(f"unexpected {part.text!r}")

    def _name(self) -> Tree:
        part = self.next
        if part.prose:
            raise ParseError(f"unexpected word {part.text!r}")
        self.index += 1
        after = self.next
        if (
            (
                after.kind == "number"
                and not after.spaced
                and "." not in after.text
                and part.text not in ("e", "i")
            )
            and self.kind(1) not in ("^", "/")
            and len(part.text) == 1
            and len(after.text) < 3
        ):
            self.index += 1
            return Symbol(f"{part.text}_{after.text}")
        return Symbol("i" if part.text == "i" else part.text)

    def _mixed(self, whole: Number) -> Tree:
        """A whole number before a proper fraction is a mixed number."""
        if whole.decimals >= 0 or self.kind(-2) in ("/", "^", "*", ")") or whole.value == 0:
            return whole
        if self.kind() == "vulgar":
            self.index += 1
            return Number(whole.value + Fraction(*VULGAR[self.parts[self.index - 1].text]))
        if self.kind() == "frac":
            fraction = self.tried(self._frac)
            if isinstance(fraction, Apply) and _is_proper(*fraction.arguments):
                top, bottom = fraction.arguments
                if self.kind() in ("name", "^", "(", "root", "function", "{") and not self.next.prose:
                    raise ParseError("a mixed number beside more is ambiguous: write one fraction")
                return Number(whole.value + _value(top) / _value(bottom))
            if fraction is not None:
                return Apply("*", (whole, fraction))
        if self.kind() == "number" and self.next.spaced and self.kind(1) == "/" and self.kind(2) == "number":
            top, bottom = _number(self.next.text), _number(self.parts[self.index + 2].text)
            if _is_proper(top, bottom):
                self.index += 3
                return Number(whole.value + top.value / bottom.value)
        return whole

    def _group(self) -> Tree:
        opening = self.next.kind
        self.index += 1
        if opening in ("{", "{{") and self.take("}", "}}"):
            return Symbol("∅")
        if opening == "(" and self.take(")"):
            raise ParseError("an empty bracket")
        inside = self._inside(opening, _CLOSES[opening])
        closing = self.next.kind
        self.expect(*_CLOSES[opening])
        # ]0, 2[ is (0, 2)
        opening, closing = "(" if opening == "]" else opening, ")" if closing == "[" else closing
        several = isinstance(inside, Group) and not inside.opening
        members = inside.members if isinstance(inside, Group) and several else (inside,)
        if opening in ("{", "{{"):
            if opening == "{" and not several:
                return inside
            return Group("{", "}", members)
        if not several and (opening, closing) in (("(", ")"), ("[", "]")):
            return inside
        if len(members) == 1:
            raise ParseError("brackets that are no pair")
        return Group(opening, closing, members)

    def _inside(self, opening: str, closing: tuple[str, ...]) -> Tree:
        if opening == "{{":
            self.bars = 1
            found = self.tried(self._built_set)
            self.bars = 0
            if found is not None:
                return found
        return self.listing(closing)

    def _built_set(self) -> Tree:
        """ "x | x > 3", "x ∈ ℝ : x ≠ 2"."""
        left = self.set_expression()
        if self.kind() == "∈":
            self.index += 1
            left = Relation((left, self.set_expression()), ("∈",))
        self.expect("|", ":")
        self.bars = 0
        return Apply("such", (left, self.listing(("}}", "}"))))

    def _angles(self) -> Tree:
        """ "<1, 2, 3>" is a vector."""
        self.expect("<")
        members = [self.sum()]
        while self.take(","):
            members.append(self.sum())
        self.expect(">")
        if len(members) < 2:
            raise ParseError("a vector has two or more members")
        return Group("⟨", "⟩", tuple(members))

    def _absolute(self) -> Tree:
        self.expect("|")
        self.bars = 1
        inside = self.sum()
        self.expect("|")
        if isinstance(inside, Group) and inside.opening == "{" and len(inside.members) == 1:
            # "|{-3}|": braces that TeX does not show.
            (inside,) = inside.members
        return Apply("abs", (inside,))

    def _floor(self) -> Tree:
        opening = self.next.kind
        self.index += 1
        inside = self.sum()
        self.expect("⌋" if opening == "⌊" else "⌉")
        return Apply("floor" if opening == "⌊" else "ceil", (inside,))

    def _matrix(self) -> Tree:
        environment = self.next.text
        self.index += 1
        if environment == "cases":
            return self._pieces()
        rows: list[list[Tree]] = [[]]
        while not self.take("end" if self.next.text == environment else "no end"):
            if self.take("\n"):
                if rows[-1]:
                    rows.append([])
            elif self.take("&"):
                pass
            else:
                rows[-1].append(self.set_expression())
                if self.kind() not in ("&", "\n") and self.next.text != environment:
                    raise ParseError(f"unexpected {self.next.text!r} in a matrix")
            if sum(map(len, rows)) > MAX_CELLS:
                raise LimitError(f"more than {MAX_CELLS} cells")
        cells = [tuple(row) for row in rows if row]
        if not cells or len({len(row) for row in cells}) > 1:
            raise ParseError("the rows of a matrix are equally long")
        matrix = Matrix(tuple(cells))
        return Apply("abs", (matrix,)) if environment == "vmatrix" else matrix

    def _pieces(self) -> Tree:
        """The rows of a function by cases: a value and the condition under which it is taken."""
        pieces: list[Tree] = []
        while self.next.text != "cases":
            if self.take("\n"):
                continue
            pieces.append(self.set_expression())
            while self.take(",", ";", "gap", "&"):
                pass
            pieces.append(self._condition())
            if len(pieces) > MAX_CELLS:
                raise LimitError(f"more than {MAX_CELLS} cells")
        self.expect("end")
        if not pieces:
            raise ParseError("a function without cases")
        return Apply("cases", tuple(pieces))

    def _condition(self) -> Tree:
        """Relations up to the end of a row, or its words."""
        words: list[str] = []
        while self.kind() == "word" and self.next.text.lower() in _CONDITION_WORDS:
            words.append(self.next.text.lower())
            self.index += 1
        if "other" in words:
            raise ParseError("'other' beside a condition leaves open which one is meant")
        if words and words[-1] in _ELSE:
            while self.take(".", ",", ";"):
                pass
            if self.kind() not in ("\n", "end"):
                raise ParseError("more follows 'otherwise'")
            return Words("otherwise")
        found = self.tried(self._relations)
        if found is not None:
            return found
        while self.kind() not in ("\n", "end"):
            words.append(self.next.text)
            self.index += 1
        return Words("_".join(words))

    def _relations(self) -> Tree:
        members, joints = [self.relation()], set[str]()
        while self.kind() in (",", "and", "or", "gap", "&"):
            joint = "or" if self.kind() == "or" else "and"
            while self.take(",", "and", "or", "gap", "&"):
                pass
            if self.kind() in ("\n", "end"):
                break
            joints.add(joint)
            members.append(self.relation())
        if self.kind() not in ("\n", "end", ".", ";", ",") or len(joints) > 1:
            raise ParseError("no condition")
        while self.take(".", ";", ","):
            pass
        if not all(isinstance(one, Relation) for one in members):
            raise ParseError("no condition")
        return members[0] if len(members) == 1 else Group("", "", tuple(members), joints.pop())

    def _root(self) -> Tree:
        is_cube = self.next.kind == "cbrt"
        self.index += 1
        index: Tree = Number(Fraction(3 if is_cube else 2))
        if not is_cube and self.take("["):
            index = self.sum()
            self.expect("]")
        return Apply("root", (self._argument(), index))

    def _frac(self) -> Tree:
        kind = self.next.kind
        self.index += 1
        top = self._argument()
        if kind == "frac" and self.kind(-1) != "}" and self.kind() == "/":
            raise ParseError("a fraction with a slash")
        return Apply("/" if kind == "frac" else "binom", (top, self._argument()))

    def _argument(self) -> Tree:
        r"""What a LaTeX command takes: a group, a letter, one digit (\frac12 is a half)."""
        part = self.next
        if (
            part.kind == "number"
            and part.text.isdigit()
            and self.kind(-1) in ("frac", "binom", "}", "number")
        ):
            digit, rest = part.text[0], part.text[1:]
            if rest:
                self.put(Part("number", rest))
            else:
                self.index += 1
            return Number(Fraction(digit))
        if part.kind in ("{", "{{"):
            self.index += 1
            found = self.nested(lambda: self._argument_inside(part.kind))
            return found
        if part.kind == "name" and not part.prose:  # \frac x2 is x over 2, not x_2
            self.index += 1
            return self._postfix(Symbol(part.text))
        return self.nested(self.atom)

    def _argument_inside(self, opening: str) -> Tree:
        self.take("money")
        found = self.sum()
        if self.kind() in ("word",) or self.next.prose:
            unit = self.unit()
            found = measured(found, unit)
        self.expect(*_CLOSES[opening])
        return found

    # -- functions ---------------------------------------------------------------------------------------

    def _function(self) -> Tree:
        name = self.next.text
        self.index += 1
        exponent: Tree | None = None
        base: Tree | None = None
        if self.kind() == "_" and name in ("log", "lg"):
            base = self._log_base()
        elif (
            name == "log" and self.kind() == "number" and not self.next.spaced and self.kind(1) in ("(", "{")
        ):
            base = self.atom()
        if self.kind() == "^" and self.take("^"):
            exponent = self.nested(self._exponent)
        elif self.kind() == "superscript":
            exponent = Number(Fraction(self.next.text.translate(SUPERSCRIPTS).replace("n", "1")))
            self.index += 1
        if name == "sqrt" and self.kind() == "[":
            raise ParseError("a root's index stands behind \\sqrt")
        arguments = self.nested(self._function_argument)
        is_inverse = exponent in (Number(Fraction(-1)), Apply("neg", (Number(Fraction(1)),)))
        if is_inverse and name in _INVERSE:
            name, exponent = _INVERSE[name], None
        found = _applied(name, arguments, base)
        return found if exponent is None else Apply("^", (found, exponent))

    def _log_base(self) -> Tree:
        self.expect("_")
        if self.kind() == "number" and len(self.next.text) > 1 and self.kind(1) not in ("(", "{", "name"):
            digit, rest = self.next.text[0], self.next.text[1:]
            self.put(Part("number", rest, True))
            return Number(Fraction(digit))
        return self.nested(self.atom) if self.kind() != "{{" else self.nested(self._exponent)

    def _function_argument(self) -> Tree:
        if self.kind() in ("(", "[", "{", "{{"):
            opening = self.next.kind
            self.index += 1
            inside = self.listing(_CLOSES[opening])
            self.expect(*_CLOSES[opening])
            return inside
        found = self.unary()
        while self._multiplies(found) and self.kind() not in ("(", "[", "function", "{", "{{", "|", "begin"):
            found = Apply("*", (found, self.power()))
        return found


def _applied(name: str, inside: Tree, base: Tree | None) -> Tree:
    several = isinstance(inside, Group) and not inside.opening
    arguments = inside.members if isinstance(inside, Group) and several else (inside,)
    if name in ("min", "max", "gcd", "lcm"):
        return Apply(name, arguments)
    if name == "binom" and len(arguments) == 2:
        return Apply("binom", arguments)
    if name == "log" and len(arguments) == 2 and base is None:
        return Apply("log", arguments)
    if len(arguments) != 1:
        raise ParseError(f"{name} takes one number")
    one = arguments[0]
    if name == "det":
        return Apply("abs", (one,))
    if name in ("sqrt", "cbrt"):
        return Apply("root", (one, Number(Fraction(2 if name == "sqrt" else 3))))
    if name in ("log", "lg"):
        ten: Tree = Symbol(LOG_BASE) if name == "log" else Number(Fraction(10))
        return Apply("log", (one, base if base is not None else ten))
    if name == "factorial":
        return Apply("!", (one,))
    if name == "cis":
        imaginary = Apply("*", (Symbol("i"), Apply("sin", (one,))))
        return Apply("+", (Apply("cos", (one,)), imaginary))
    return Apply(name, (one,))


def _number(text: str) -> Number:
    if "e" in text.lower():
        return Number(Fraction(text))
    return Number(Fraction(text), len(text.partition(".")[2]) if "." in text else -1)


def _repeating(text: str) -> Fraction:
    head, _, repeated = re.sub(r"[⟪(]", "(", text).rstrip("⟫)").partition("(")
    whole, _, fixed = head.partition(".")
    below = (10 ** len(repeated) - 1) * 10 ** len(fixed)
    return Fraction(int(whole + fixed + repeated) - int((whole + fixed) or 0), below)


def _value(tree: Tree) -> Fraction:
    if not isinstance(tree, Number):
        raise ParseError("no number")
    return tree.value


def _is_proper(top: Tree, bottom: Tree) -> bool:
    return (
        isinstance(top, Number)
        and isinstance(bottom, Number)
        and top.decimals < 0
        and bottom.decimals < 0
        and 0 < top.value < bottom.value
    )


def _is_number(tree: Tree) -> bool:
    """Whether a tree is a number as such: 18, -18, 1/2, 1.5%."""
    if isinstance(tree, Apply) and tree.operation in ("neg", "/", "%"):
        return all(_is_number(one) for one in tree.arguments)
    return isinstance(tree, Number)


def measured(value: Tree, unit: str, money: str = "") -> Tree:
    """A value with the unit behind it, or with the money sign before it. Raises ParseError for two units."""
    unit = _DIRECTION.sub("", unit)
    bare = unit.strip(" .").removeprefix("°").strip()
    if bare.lower() in ("percent", "per cent", "%"):
        return Apply("%", (value,))
    if bare.lower() in ("degrees", "degree", "deg"):
        return Apply("°", (value,))
    if isinstance(value, Quantity) and not money:
        raise ParseError("a value has one unit")
    if money and len(bare) == 1:
        raise ParseError("a letter behind an amount of money may be a million")
    if isinstance(value, Group) and value.opening not in ("(", "⟨", "["):
        raise ParseError("a unit belongs to a value")
    return Quantity(value.value if isinstance(value, Quantity) else value, money or unit)
