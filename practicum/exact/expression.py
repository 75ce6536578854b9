r"""Read mathematics as people and models write it: text -> tokens -> a small frozen syntax tree, within
limits.

Nothing here evaluates text with Python or SymPy. Every input, however long or nested, is refused by a limit
before it can cost time: characters first, then nesting, digits, exponents. The grammar, in words:

    equation  sum = sum
    sum       product joined by + - (and, in answers, ± ∓)
    product   unary joined by * / or by nothing (2x, 2(x+1), (x-1)(x-3)); all of one precedence, left to right
    unary     signs, then power                          -x^2 is -(x^2)
    power     atom, then ^ or ** or a superscript        right to left; the exponent is a rational constant
    atom      number, name, (sum), [sum], {sum}, |sum|, sqrt, cbrt, abs, \frac
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from practicum.errors import InputError
from practicum.exact.characters import plain_characters

MAX_CHARACTERS = 1000
"""Longest equation or answer that is read at all."""
MAX_DEPTH = 24
"""Deepest nesting of brackets, roots, fractions and exponents."""
MAX_DIGITS = 60
"""Most digits in one number, before and after the point together."""
MAX_EXPONENT = 200
"""Largest numerator of an exponent."""
MAX_ROOT = 12
"""Largest root index, that is, denominator of an exponent."""
MAX_CHOICES = 4
"""Most ± signs in one expression: each doubles the number of values."""


class ParseError(InputError):
    """The text is not mathematics this grammar knows; the message says where and why."""


class LimitError(InputError):
    """The text may be fine mathematics, but it is over a stated limit of length, size or work."""


@dataclass(frozen=True)
class Number:
    """A rational constant; `denominator` is positive (0.25 is read as 25/100, not reduced)."""

    numerator: int
    denominator: int = 1


@dataclass(frozen=True)
class Name:
    """A letter, a Greek letter, a word of three or more letters, each with an optional subscript."""

    text: str


@dataclass(frozen=True)
class Negative:
    """Minus `inner`."""

    inner: Expression


@dataclass(frozen=True)
class Sum:
    """The sum of two or more terms."""

    terms: tuple[Expression, ...]


@dataclass(frozen=True)
class Product:
    """The product of `factors` over the product of `divisors`; every divisor must be nonzero."""

    factors: tuple[Expression, ...]
    divisors: tuple[Expression, ...] = ()


@dataclass(frozen=True)
class Power:
    """`base` to the power numerator/denominator in lowest terms; a denominator of n means the real n-th
    root.
    """

    base: Expression
    numerator: int
    denominator: int = 1


@dataclass(frozen=True)
class Absolute:
    """The absolute value of `inner`."""

    inner: Expression


@dataclass(frozen=True)
class PlusMinus:
    """The ± number `choice` of an answer before `inner`; `flipped` for ∓, which takes the other sign."""

    choice: int
    flipped: bool
    inner: Expression


Expression = Number | Name | Negative | Sum | Product | Power | Absolute | PlusMinus


@dataclass(frozen=True)
class Equation:
    """Two sides and the distinct names in them, in order of appearance."""

    left: Expression
    right: Expression
    names: tuple[str, ...]


class Token(NamedTuple):
    """One token: its kind, its text (canonical), where it began, and whether a gap is before it."""

    kind: str
    text: str
    position: int
    spaced: bool = False


_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻", "0123456789+-")
SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
VULGAR = {
    "½": (1, 2), "⅓": (1, 3), "⅔": (2, 3), "¼": (1, 4), "¾": (3, 4), "⅕": (1, 5), "⅖": (2, 5), "⅗": (3, 5),
    "⅘": (4, 5), "⅙": (1, 6), "⅚": (5, 6), "⅐": (1, 7), "⅛": (1, 8), "⅜": (3, 8), "⅝": (5, 8), "⅞": (7, 8),
    "⅑": (1, 9), "⅒": (1, 10),
}  # fmt: skip


def word_set(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


GREEK = word_set(
    """alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi rho
    sigma tau upsilon phi varphi chi psi omega pi"""
)
_GREEK_NAMES = """alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho
    sigma sigma tau upsilon phi chi psi omega theta phi epsilon Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi
    Omega"""
GREEK_LETTERS = dict(zip("αβγδεζηθικλμνξοπρςστυφχψωϑϕϵΓΔΘΛΞΠΣΦΨΩ", _GREEK_NAMES.split(), strict=True))
FUNCTIONS = frozenset(("sqrt", "cbrt", "abs"))
# No letter of any equation, so that log(x) is not l*o*g*x nor a parameter called log.
FOREIGN_FUNCTION = re.compile(
    r"(?:(?:arc|ar|a)?(?:sin|cos|tan|cot|sec|csc|cosec|sinus|cosinus|tg|ctg)h?|log|ln|lg|lb|exp|floor|ceil|ceiling|round|"
    r"sgn|sign|min|max|gcd|lcm|mod|det|lim|sum|prod|gamma(?=\()|erf|fact|factorial)[0-9]*[xyz]?",
    re.IGNORECASE,
)

# Alternatives begin with different characters and repeat single classes only: time is linear in the text.
_TOKEN = re.compile(
    r"""
    (?P<newline>\n)
  | (?P<space>[^\S\n]+|[$]|~(?![0-9.]))
  | (?P<number>[0-9]+(?:\.[0-9]+)?|\.[0-9]+)
  | (?P<letters>[A-Za-z]+)
  | (?P<greek>[α-ωϑϕϵΓΔΘΛΞΠΣΦΨΩ])
  | (?P<subscript>_(?:\{[A-Za-z0-9,\ ]{1,12}\}|[A-Za-z0-9])|[₀-₉]+)
  | (?P<superscript>[⁺⁻]?[⁰¹²³⁴-⁹]+)
  | (?P<vulgar>[½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅐⅛⅜⅝⅞⅑⅒])
  | (?P<command>\\(?:[A-Za-z]+|[^A-Za-z]))
  | (?P<operator>\*\*|\+/-|\+-|-\+|!=|<=|>=|:=|==|=>|->|[-+*/^=(){}\[\]|,;:<>.&≠≤≥≈≃±∓√∛∜∅ℝ∞∈∪∖∨∧⇒→⦗⦘])
    """,
    re.VERBOSE,
)
_TEXT_COMMAND = re.compile(
    r"\\(?:text|textrm|textbf|textit|mathrm|mathbf|mathit|operatorname|mbox)\s*\{([^{}]*)\}"
)

_SIDED = (
    (r"\left|", "⦗     "),
    (r"\right|", "⦘      "),
    (r"\left.", " "),
    (r"\right.", " "),
    (r"\mathbb{R}", "ℝ"),
    (r"\mathbb R", "ℝ"),
)

_IGNORED_COMMANDS = word_set(
    """, ; : ! > ( ) [ ] $ quad qquad left right big Big bigg Bigg bigl bigr Bigl Bigr displaystyle
    textstyle limits mathrm mathbf text textrm mathit boxed"""
) | {" ", "\n"}
_OPERATOR_COMMANDS = {
    "cdot": "*", "times": "*", "ast": "*", "div": "/", "pm": "±", "mp": "∓", "emptyset": "∅",
    "varnothing": "∅",
    "{": "{", "}": "}", "lbrace": "{", "rbrace": "}", "lvert": "|(", "rvert": "|)", "vert": "|", "mid": "|",
    "|": "|",
    "in": "∈", "le": "≤", "leq": "≤", "leqslant": "≤", "ge": "≥", "geq": "≥", "geqslant": "≥", "lt": "<",
    "gt": ">",
    "ne": "≠", "neq": "≠", "approx": "≈", "infty": "∞", "cup": "∪", "setminus": "∖", "backslash": "∖",
    "lor": ",", "vee": ",", "land": ",", "wedge": ",", "\\": ",", "colon": ":", "R": "ℝ", "Reals": "ℝ",
    "frac": "frac", "dfrac": "frac", "tfrac": "frac", "cfrac": "frac", "sqrt": "sqrt", "and": ",",
}  # fmt: skip
_OPERATOR_SPELLINGS = {
    "**": "^", "<=": "≤", ">=": "≥", "!=": "≠", "√": "sqrt", "∛": "cbrt", "∜": "root4", ":=": "=", "==": "=",
    "≃": "≈",
    "∨": ",", "∧": ",", "&": ",", "=>": "⇒", "->": "⇒", "→": "⇒", "⦗": "|(", "⦘": "|)",
}  # fmt: skip
_FUNCTION_TOKENS = frozenset(("sqrt", "cbrt", "root4", "abs", "frac"))


def tokenize(text: str) -> list[Token]:
    """Split an equation or an expression into tokens.

    Raises ParseError for a character that has no place in mathematics, LimitError for over-long text or
    numbers.
    """
    if len(text) > MAX_CHARACTERS:
        raise LimitError(f"the text has {len(text):,} characters, over the limit of {MAX_CHARACTERS:,}")
    text = plain_characters(text)
    if "\\" in text:
        for command, plain in _SIDED:
            text = text.replace(command, plain)
        text = _TEXT_COMMAND.sub(r" \1 ", text)
    tokens: list[Token] = []
    position, spaced = 0, False
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise ParseError(f"unexpected character {text[position]!r} at position {position + 1}")
        kind, found = match.lastgroup, match.group()
        before = len(tokens)
        if kind == "number":
            _append_number(tokens, found, position)
        elif kind == "letters":
            _append_letters(tokens, found, position, text[match.end() :])
        elif kind == "operator":
            _append_operator(tokens, found, position)
        elif kind == "command":
            append_command(tokens, found[1:], position)
        elif kind == "greek":
            tokens.append(Token("name", GREEK_LETTERS[found], position))
        elif kind == "subscript":
            _append_subscript(tokens, found, position)
        elif kind in ("superscript", "vulgar"):
            tokens.append(Token(kind, found, position))
        position = match.end()
        if spaced and len(tokens) > before:
            tokens[before] = tokens[before]._replace(spaced=True)
        spaced = len(tokens) == before
    return tokens


def _append_number(tokens: list[Token], found: str, position: int) -> None:
    if len(found) > MAX_DIGITS:
        raise LimitError(f"a number of {len(found):,} digits is over the limit of {MAX_DIGITS}")
    if len(found) > 1 and found[0] == "0" and found[1] != ".":
        raise ParseError(f"the number {found} at position {position + 1} begins with a zero")
    if tokens and tokens[-1].kind == "name" and tokens[-1].position + len(tokens[-1].text) == position:
        if len(tokens) > 1 and tokens[-2].kind == "frac":  # \\frac x3
            tokens.append(Token("number", found, position))
            return
        raise ParseError(
            f"{tokens[-1].text}{found} is ambiguous: write {tokens[-1].text}_{found}, "
            f"{tokens[-1].text}*{found} or {tokens[-1].text}^{found}"
        )
    tokens.append(Token("number", found, position))


def _append_letters(tokens: list[Token], found: str, position: int, after: str) -> None:
    lower = found.lower()
    if lower in FUNCTIONS:
        tokens.append(Token(lower, lower, position))
    elif lower[-4:] in ("sqrt", "cbrt") and len(found) <= 6:
        tokens.extend(Token("name", letter, position) for letter in found[:-4])
        tokens.append(Token(lower[-4:], lower[-4:], position))
    elif lower[:4] in ("sqrt", "cbrt") and len(found) == 5:
        tokens.append(Token(lower[:4], lower[:4], position))
        tokens.append(Token("name", found[4], position + 4))
    elif lower in ("oo", "inf", "infinity"):
        tokens.append(Token("∞", "∞", position))
    elif _is_function(found, after):
        raise ParseError(
            f"{found} at position {position + 1} is a function: only roots (sqrt, cbrt) and abs are read"
        )
    elif len(found) == 2 and lower not in GREEK:
        tokens.append(Token("name", found[0], position))
        tokens.append(Token("name", found[1], position + 1))
    else:
        tokens.append(Token("name", found, position))


def _is_function(found: str, after: str) -> bool:
    """Whether letters name a function: a known one, a word before a bracket, or f(x), g(y)."""
    if FOREIGN_FUNCTION.fullmatch(found) or (found.lower() in ("re", "im") and after[:1] == "("):
        return True
    if after[:1] != "(" or found.lower() in GREEK:
        return False
    return len(found) > 2 or (found in "fghFGH" and re.match(r"\([^()]*[A-Za-z]", after) is not None)


def _append_operator(tokens: list[Token], found: str, position: int) -> None:
    if found in ("+-", "-+"):
        tokens.append(Token(found[0], found[0], position))
        tokens.append(Token(found[1], found[1], position + 1))
        return
    if found == "+/-":
        tokens.append(Token("±", found, position))
        return
    spelled = _OPERATOR_SPELLINGS.get(found, found)
    tokens.append(Token(spelled, found, position))


def append_command(tokens: list[Token], name: str, position: int) -> None:
    """Append what a LaTeX command (its name without the backslash) stands for; nothing for one of style."""
    if name in _IGNORED_COMMANDS:
        return
    if name in _OPERATOR_COMMANDS:
        spelled = _OPERATOR_COMMANDS[name]
        tokens.append(Token(spelled, "\\" + name, position))
    elif name.lower() in GREEK:
        tokens.append(Token("name", name, position))
    elif name in FUNCTIONS:
        tokens.append(Token(name, name, position))
    else:
        raise ParseError(f"unknown command \\{name} at position {position + 1}")


def _append_subscript(tokens: list[Token], found: str, position: int) -> None:
    if not tokens or tokens[-1].kind != "name":
        raise ParseError(f"a subscript at position {position + 1} follows no name")
    digits = found.lstrip("_").strip("{}").replace(" ", "").translate(SUBSCRIPTS)
    last = tokens.pop()
    tokens.append(Token("name", f"{last.text}_{digits}", last.position))


def parse_equation(text: str) -> Equation:
    """Read one equation in at most two names, such as "3 - (3+y)/y = y".

    Raises ParseError when it is no equation (none or several "=", an inequality, a stray token) and
    LimitError when it is over a limit.
    """
    tokens = tokenize(text)
    while tokens and tokens[-1].kind in (".", ",", ";"):
        tokens.pop()
    _refuse_number_of_equation(tokens)
    signs = [index for index, token in enumerate(tokens) if token.kind == "="]
    for token in tokens:
        if token.kind in ("<", ">", "≤", "≥", "≠", "≈"):
            raise ParseError(f"an inequality ({token.text}) is no equation: write left = right")
        if token.kind in ("±", "∓"):
            raise ParseError(f"{token.text} stands for two equations: write them one by one")
    if len(signs) != 1:
        raise ParseError(f"an equation has one '=', this text has {len(signs)}: write left = right")
    left = parse_tokens(tokens[: signs[0]])
    right = parse_tokens(tokens[signs[0] + 1 :])
    return Equation(left, right, tuple(dict.fromkeys(token.text for token in tokens if token.kind == "name")))


def _refuse_number_of_equation(tokens: list[Token]) -> None:
    """ "x = 3 (2)" may be equation 2 or a product."""
    if len(tokens) < 4 or tokens[-4].kind == "=":
        return
    opening, inside, closing = tokens[-3:]
    if opening.kind == "(" and opening.spaced and inside.kind == "number" and closing.kind == ")":
        before = tokens[-4].kind in ("number", "name", ")", "}", "superscript", "vulgar")
        if before and "=" in (token.kind for token in tokens[:-3]):
            raise ParseError(
                f"({inside.text}) at the end may number the equation or be a factor: leave it out or write *"
            )


def parse_expression(text: str) -> Expression:
    """Read one expression, such as "(5 + sqrt(13))/2"; raises ParseError or LimitError."""
    return parse_tokens(tokenize(text))


def parse_tokens(tokens: list[Token]) -> Expression:
    """Read one expression from all of `tokens`; raises ParseError or LimitError."""
    parser = Parser(tokens)
    expression = parser.sum()
    parser.expect_end()
    return expression


class Parser:
    """Recursive descent over a list of tokens from `start` on, no deeper than MAX_DEPTH brackets.

    In an answer a bracket after a gap ends the expression: it holds a note.
    """

    def __init__(self, tokens: list[Token], start: int = 0, is_answer: bool = False) -> None:
        after = tokens[-1].position + len(tokens[-1].text) if tokens else 0
        self._tokens = [*tokens, Token("end", "end of the text", after)]
        self._index = start
        self._is_answer = is_answer
        self._brackets = 0
        self._depth = 0
        self._open_bars = 0
        self.choices = 0

    @property
    def next(self) -> Token:
        """The token that is not read yet; of kind "end" at the end."""
        return self._tokens[self._index]

    @property
    def position(self) -> int:
        """How many tokens are read."""
        return self._index

    def expect_end(self) -> None:
        """Raise ParseError unless every token is read."""
        if self.next.kind != "end":
            raise self._unexpected()

    def sum(self) -> Expression:
        """Read a sum, as far as it goes."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise LimitError(f"nested deeper than {MAX_DEPTH} levels")
        terms = [self._product()]
        while (kind := self.next.kind) in ("+", "-", "±", "∓"):
            self._index += 1
            term = self._product()
            if kind == "-":
                term = Negative(term)
            elif kind != "+":
                term = self._choice(kind, term)
            terms.append(term)
        total = terms[0] if len(terms) == 1 else Sum(tuple(terms))
        if self.next.kind == "over":  # 1 \\over 2 divides all that stands before by all behind
            self._index += 1
            total = Product((total,), (self.sum(),))
        self._depth -= 1
        return total

    def _product(self) -> Expression:
        factors = [self._unary()]
        divisors: list[Expression] = []
        while True:
            kind = self.next.kind
            if kind == "*":
                self._index += 1
                factors.append(self._unary())
            elif kind == "/":
                self._index += 1
                divisors.append(self._unary())
            elif self._begins_note():
                break
            elif kind in _ATOM_STARTS or (kind == "|" and not self._open_bars):
                self._refuse_mixed_number()
                factors.append(self._power())
            else:
                break
        if len(factors) == 1 and not divisors:
            return factors[0]
        return Product(tuple(factors), tuple(divisors))

    def _begins_note(self) -> bool:
        return self._is_answer and not self._brackets and self.next.spaced and self.next.kind in _CLOSING

    def _refuse_mixed_number(self) -> None:
        if self._tokens[self._index - 1].kind != "number":
            return
        following = [token.kind for token in self._tokens[self._index : self._index + 7]]
        is_fraction = following[:2] == ["frac", "number"] or following == _FRACTION_OF_NUMBERS
        if is_fraction or following[0] == "vulgar":
            raise ParseError("a number next to a fraction is ambiguous: write 5/2, 2 + 1/2 or 2*(1/2)")

    def _unary(self) -> Expression:
        negative = False
        while (kind := self.next.kind) in ("+", "-"):
            negative ^= kind == "-"
            self._index += 1
        if kind in ("±", "∓"):
            self._index += 1
            if self.next.kind == "-":  # ±-2
                negative = not negative
                self._index += 1
            inner = self._choice(kind, self._power())
        else:
            inner = self._power()
        return Negative(inner) if negative else inner

    def _choice(self, kind: str, inner: Expression) -> Expression:
        """± opens a choice of its own; ∓ takes the sign opposite to the latest ±."""
        if kind == "±" or self.choices == 0:
            self.choices += 1
            if self.choices > MAX_CHOICES:
                raise LimitError(f"more than {MAX_CHOICES} signs ±")
        return PlusMinus(self.choices - 1, kind == "∓", inner)

    def _power(self) -> Expression:
        base = self._atom()
        exponent = Fraction(1)
        if self.next.kind == "superscript":
            exponent = Fraction(int(self._take().translate(_SUPERSCRIPTS)))
        elif self.next.kind == "^":
            self._index += 1
            exponent = self._exponent()
        if exponent == 1:
            return base
        if abs(exponent.numerator) > MAX_EXPONENT or exponent.denominator > MAX_ROOT:
            raise LimitError(f"an exponent is over the limit of {MAX_EXPONENT} (roots: index {MAX_ROOT})")
        return Power(base, exponent.numerator, exponent.denominator)

    def _exponent(self) -> Fraction:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise LimitError(f"nested deeper than {MAX_DEPTH} levels")
        value = constant(self._unary())
        self._depth -= 1
        if value is None:
            raise ParseError("an exponent must be a rational constant")
        return value

    def _atom(self) -> Expression:
        token = self.next
        kind = token.kind
        if kind == "number":
            self._index += 1
            return _number(token.text)
        if kind == "name":
            self._index += 1
            return Name(token.text)
        if kind in _CLOSING:
            return self._group()
        if kind in ("|", "|("):
            return self._absolute()
        if kind in ("sqrt", "cbrt", "root4"):
            return self._root()
        if kind == "frac":
            self._index += 1
            numerator = self._latex_argument()
            return Product((numerator,), (self._latex_argument(),))
        if kind == "vulgar":
            return Number(*VULGAR[self._take()])
        if kind == "fraction":
            return _fraction(self._take())
        if kind == "abs":
            self._index += 1
            return Absolute(self._group())
        raise self._unexpected()

    def _group(self) -> Expression:
        """Read ( sum ), [ sum ] or { sum }."""
        closing = _CLOSING.get(self.next.kind)
        if closing is None:
            raise self._unexpected()
        self._index += 1
        bars, self._open_bars = self._open_bars, 0
        self._brackets += 1
        inner = self.sum()
        self._brackets -= 1
        self._open_bars = bars
        if self.next.kind != closing:
            raise self._unexpected(f"'{closing}'")
        self._index += 1
        return inner

    def _absolute(self) -> Expression:
        sided = self._tokens[self._index].kind == "|("
        self._index += 1
        bars, self._open_bars = self._open_bars, 0 if sided else self._open_bars + 1
        inner = self.sum()
        self._open_bars = bars
        if self.next.kind not in ("|", "|)"):
            raise self._unexpected("a closing '|'")
        self._index += 1
        return Absolute(inner)

    def _root(self) -> Expression:
        index = {"sqrt": 2, "cbrt": 3, "root4": 4}[self.next.kind]
        self._index += 1
        ahead = [token.kind for token in self._tokens[self._index : self._index + 4]]
        if ahead[:3] == ["[", "number", "]"] and ahead[3:] != ["end"] and ahead[3] in _ROOT_ARGUMENTS:
            text = self._tokens[self._index + 1].text
            if not text.isdigit() or not 2 <= int(text) <= MAX_ROOT:
                raise LimitError(f"a root of index {text}: only 2 to {MAX_ROOT} are read")
            index = int(text)
            self._index += 3
        if self.next.kind not in _ROOT_ARGUMENTS:
            raise self._unexpected("what the root is taken of")
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise LimitError(f"nested deeper than {MAX_DEPTH} levels")
        radicand = self._atom()
        self._depth -= 1
        return Power(radicand, 1, index)

    def _latex_argument(self) -> Expression:
        """Read what follows \\frac: a group in braces, a letter, or one digit (so that \\frac12 is a
        half).
        """
        token = self.next
        if token.kind == "number" and token.text.isdigit():
            if len(token.text) == 1:
                self._index += 1
            else:
                self._tokens[self._index] = Token("number", token.text[1:], token.position + 1)
            return Number(int(token.text[0]))
        if token.kind == "name":
            self._index += 1
            return Name(token.text)
        return self._group()

    def _take(self) -> str:
        token = self.next
        self._index += 1
        return token.text

    def _unexpected(self, wanted: str = "") -> ParseError:
        token = self.next
        found = token.text if token.kind == "end" else f"{token.text!r} at position {token.position + 1}"
        return ParseError(f"expected {wanted}, found {found}" if wanted else f"unexpected {found}")


_CLOSING = {"(": ")", "[": "]", "{": "}"}
_FRACTION_OF_NUMBERS = ["frac", "{", "number", "}", "{", "number", "}"]
_ATOM_STARTS = frozenset(
    ("name", "(", "[", "{", "sqrt", "cbrt", "root4", "frac", "abs", "vulgar", "fraction", "|(")
)
_ROOT_ARGUMENTS = _ATOM_STARTS | {"number", "|"}


def _number(text: str) -> Number:
    whole, point, decimals = text.partition(".")
    return Number(int(whole + decimals), 10 ** len(decimals)) if point else Number(int(text))


def _fraction(text: str) -> Number:
    """1e3, or a repeating decimal: 0.1(6) is 16 - 1 over 90."""
    if "(" not in text:
        value = Fraction(text)
        return Number(value.numerator, value.denominator)
    head, _, repeated = text.rstrip(")").partition("(")
    whole, _, fixed = head.partition(".")
    below = (10 ** len(repeated) - 1) * 10 ** len(fixed)
    over = int(whole + fixed + repeated) - int((whole + fixed) or 0)
    return Number(over, below)


def constant(expression: Expression) -> Fraction | None:
    """The value of a rational constant; None when there is a name, a root or a ± in it.

    Raises ParseError for a division by zero and LimitError for a power of over a thousand bits.
    """
    if isinstance(expression, Number):
        return Fraction(expression.numerator, expression.denominator)
    if isinstance(expression, Negative):
        inner = constant(expression.inner)
        return None if inner is None else -inner
    if isinstance(expression, Power) and expression.denominator == 1:
        base = constant(expression.base)
        if base is None:
            return None
        bits = max(base.numerator.bit_length(), base.denominator.bit_length())
        if bits * abs(expression.numerator) > 1000:
            raise LimitError("an exponent is itself a power over the limit")
        if not base and expression.numerator <= 0:
            raise ParseError("an exponent divides by zero")
        return base**expression.numerator
    if isinstance(expression, Sum):
        terms = [constant(term) for term in expression.terms]
        return None if None in terms else sum((term for term in terms if term is not None), Fraction(0))
    if isinstance(expression, Product):
        return _constant_product(expression)
    return None


def _constant_product(expression: Product) -> Fraction | None:
    value = Fraction(1)
    for factor in expression.factors:
        factor_value = constant(factor)
        if factor_value is None:
            return None
        value *= factor_value
    for divisor in expression.divisors:
        divisor_value = constant(divisor)
        if divisor_value is None:
            return None
        if not divisor_value:
            raise ParseError("an exponent divides by zero")
        value /= divisor_value
    return value
