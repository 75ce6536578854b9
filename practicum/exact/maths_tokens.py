r"""Split any mathematical answer, in LaTeX or plain, into tokens: words, letters, numbers, signs.

Letters side by side are a product in mathematics ("$ab$", "\frac{ab}{2}") and a word in prose and in \text.
A dollar sign is a mark of mathematics where it has its partner, and money where a number stands behind it.
Every step is linear in the text.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from practicum.exact.characters import LATEX_REPEATING, LATEX_THOUSANDS, plain_characters
from practicum.exact.expression import GREEK, GREEK_LETTERS, VULGAR, LimitError, ParseError, word_set
from practicum.exact.spelled import SCALES

MAX_TEXT = 2000
"""Longest answer that is read."""
MAX_DIGITS = 400
"""Most digits in one number."""


class Part(NamedTuple):
    """One token: its kind, its text, whether a gap is before it, whether it stands in prose."""

    kind: str
    text: str
    spaced: bool = False
    prose: bool = False


FUNCTIONS = word_set(
    """sin cos cis tan cot sec csc arcsin arccos arctan arccot asin acos atan sinh cosh tanh coth arcsinh
    arccosh arctanh asinh acosh atanh ln log lg exp sqrt cbrt abs floor ceil ceiling min max gcd lcm det sgn
    sign factorial binom Re Im"""
)
_SAME_FUNCTION = {
    "arcsin": "asin", "arccos": "acos", "arctan": "atan", "arccot": "acot", "arcsinh": "asinh", "tg": "tan",
    "arccosh": "acosh", "arctanh": "atanh", "ceiling": "ceil", "sign": "sgn", "ctg": "cot", "cosec": "csc",
    "operatorname": "", "dbinom": "binom", "tbinom": "binom",
}  # fmt: skip
_SAME_LETTER = {
    "varphi": "phi", "varepsilon": "epsilon", "vartheta": "theta", "varrho": "rho", "varsigma": "sigma",
}  # fmt: skip
_COMMANDS = {
    "cdot": "*", "times": "*", "ast": "*", "div": "/", "pm": "±", "mp": "∓", "emptyset": "∅",
    "varnothing": "∅", "lvert": "|", "rvert": "|", "vert": "|", "mid": "|", "|": "|", "lVert": "|",
    "rVert": "|", "Vert": "|", "in": "∈", "isin": "∈", "notin": "∉", "le": "≤", "leq": "≤",
    "leqslant": "≤", "ge": "≥", "geq": "≥", "geqslant": "≥", "lt": "<", "gt": ">", "ne": "≠", "neq": "≠",
    "approx": "≈", "sim": "≈", "simeq": "≈", "infty": "∞", "cup": "∪", "bigcup": "∪", "cap": "∩",
    "setminus": "∖", "backslash": "∖", "smallsetminus": "∖", "lor": "or", "vee": "or", "land": "and",
    "wedge": "and", "\\": "\n", "newline": "\n", "colon": ":", "R": "ℝ", "Reals": "ℝ", "frac": "frac",
    "dfrac": "frac", "tfrac": "frac", "cfrac": "frac", "nicefrac": "frac", "sfrac": "frac", "sqrt": "root",
    "lfloor": "⌊", "rfloor": "⌋", "lceil": "⌈", "rceil": "⌉", "langle": "⟨", "rangle": "⟩", "circ": "°",
    "degree": "°", "degrees": "°", "equiv": "≡", "cong": "≡", "to": "⇒", "implies": "⇒", "Rightarrow": "⇒",
    "Longrightarrow": "⇒", "rightarrow": "⇒", "longrightarrow": "⇒", "iff": "⇒", "Leftrightarrow": "⇒",
    "therefore": "⇒", "lbrace": "{{", "rbrace": "}}", "{": "{{", "}": "}}", "lbrack": "[", "rbrack": "]",
    "ldots": "...", "dots": "...", "cdots": "...", "vdots": "...", "ddots": "...", "prime": "'", "%": "%",
    "quad": "gap", "qquad": "gap", "$": "money", "pounds": "money", "euro": "money", "binom": "binom",
    "dbinom": "binom", "tbinom": "binom", "bmod": "mod", "pmod": "mod", "mod": "mod", "Z": "ℤ", "N": "ℕ",
    "Q": "ℚ", "C": "ℂ", "imath": "i", "subset": "⊂", "subseteq": "⊂",
}  # fmt: skip
_MONEY = {"$": "$", "pounds": "£", "euro": "€"}
_SIGNS = {
    "×": "*", "÷": "/", "−": "-", "**": "^", "<=": "≤", ">=": "≥", "!=": "≠", "=<": "≤", "√": "root",
    "∛": "cbrt", ":=": "=", "==": "=", "+/-": "±", "+-": "±", "-+": "∓", "->": "⇒", "=>": "⇒", "→": "⇒",
    "∨": "or", "∧": "and", "€": "money", "£": "money", "¥": "money", "₹": "money", "º": "°", "′": "'",
    "&&": "and", "||": "or", "∴": "⇒", "≅": "≡",
}  # fmt: skip
_IGNORED = word_set(
    """, ; : ! > ( ) [ ] left right big Big bigg Bigg bigl bigr Bigl Bigr biggl biggr Biggl Biggr displaystyle
    textstyle scriptstyle limits nolimits bf it rm em sf tt bfseries large Large small tiny normalsize
    mathstrut strut boxed fbox hfill noindent nonumber thinspace medspace enspace checkmark blacksquare
    square qed Box bold boldmath cal relax par angle triangle measuredangle"""
) | {" ", "/", "\n", "-"}
_SCALES = {"hundred": 100, **SCALES}
_INFINITY = word_set("oo inf infinity Infinity infty")
_BLACKBOARD = {"R": "ℝ", "Z": "ℤ", "N": "ℕ", "Q": "ℚ", "C": "ℂ"}

_PROSE = re.compile(
    r"\\(?:text|textrm|textbf|textit|textsf|texttt|textnormal|textsc|mbox|hbox)\s*\{([^{}]*)\}"
)
_ROMAN = re.compile(
    r"\\(?:mathrm|rm|operatorname\*?|mathop|mathsf|mathtt)\s*\{((?:[^{}]|(?<=\^)\{-?\d\})*)\}"
)
_STYLED = re.compile(
    r"\\(?:mathbf|mathit|mathnormal|boldsymbol|bm|underline|uline|emph|ensuremath|displaystyle|pmb|vec"
    r"|overrightarrow|mathscr|mathcal|underbrace|overbrace|mathord|boxed|fbox|cancel|mathbin|mathrel"
    r"|widehat|overarc|wideparen)\s*\{([^{}]*)\}"
)
_BARE_STYLE = re.compile(
    r"\\(?:mathbf|mathrm|mathit|mathsf|boldsymbol|bm|textbf|text)\s+([A-Za-z0-9])(?![A-Za-z])"
)
_BLACK = re.compile(r"\\(?:mathbb|mathds|Bbb)\s*(?:\{([A-Z])\}|([A-Z]))")
_DROPPED = re.compile(
    r"\\(?:color|textcolor|definecolor)\s*\{[^{}]*\}"
    r"|\\(?:tag|label|hspace|vspace|phantom|vphantom|hphantom)\*?\s*\{[^{}]*\}"
)
_BAR = re.compile(r"\\(overline|bar|hat|tilde|dot|ddot)\s*(?:\{\s*([A-Za-z]|[A-Z]{2,3})\s*\}|\s([A-Za-z])\b)")
_OVER = re.compile(r"\{([^{}]*)\\(over|choose)(?![a-z])([^{}]*)\}")
_MARKED = re.compile(r"((?:[0-9]\u0305)+)")
_SPACED_THOUSANDS = re.compile(
    r"(?<![\w.,)/^-])[1-9][0-9]{0,2}(?:[\u00a0\u2009\u202f'][0-9]{3})+(?![\w/])"
    r"|(?<![\w.,)/^])[1-9][0-9]{0,2}(?: [0-9]{3})+(?:\.[0-9]+)?(?![\w/ ])"
)
_ALIGNED = re.compile(r"&\s*(?=[=<>≤≥≠]|\\(?:leq?|geq?|neq?|lt|gt|approx|equiv)(?![A-Za-z]))")
_FUSED = re.compile(r"\\(cdot|times|div|pm|mp|le|ge|leq|geq|ne|neq|in|cup|cap|pi)(?=[0-9])")
_DEGREES = re.compile(r"\^\s*(?:\{\s*\\circ\s*\}|\\circ(?![a-z])|\{\s*[°º]\s*\}|°|\s*o\b(?=\s*[CF]?\s*\Z))")
_ENVIRONMENT = re.compile(r"\\(begin|end)\s*\{\s*([a-zA-Z]+)\*?\s*\}(?:\s*\{[lcr| @{}]*\})?")
_HALF_DAY = re.compile(r"(?<=[\d ])([apAP])\.\s?[mM]\.?(?![\w.])")
_ZERO_COMMA = re.compile(r"(?<![0-9.,])0\{,\}(?=[0-9])")
_DECIMAL_COMMA = re.compile(r"(?<=[0-9])\{,\}(?=[0-9]{1,2}(?![0-9])|[0-9]{4,})")
_BASE_WORDS = {
    word: str(base)
    for base, word in enumerate(("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"), 2)
}
_IN_BASE = re.compile(
    rf"(?<![\w.,/^-])([0-9]{{1,200}})\s+\(?(?:in\s+)?base[\s-]+([0-9]{{1,2}}|{'|'.join(_BASE_WORDS)})(?!\w)\)?",
    re.IGNORECASE,
)
_CASES = word_set("cases dcases rcases")
_CONDITION = re.compile(r"(?<!\\)&|\\q?quad|\b(?:if|for|when|otherwise|else)\b")
_ORDER = re.compile(r"[<>≤≥]|\\(?:leq?|geq?|lt|gt|leqslant|geqslant)(?![A-Za-z])")
_MATRICES = word_set("matrix pmatrix bmatrix Bmatrix vmatrix Vmatrix smallmatrix array")

_TOKEN = re.compile(
    r"""
    (?P<newline>\n)
  | (?P<space>[^\S\n]+|~)
  | (?P<thousands>[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?(?![0-9]|,[0-9]))
  | (?P<repeating>[0-9]*\.[0-9]*⟪[0-9]+⟫|[0-9]+\.[0-9]*\([0-9]+\)(?![\w(^!]))
  | (?P<scientific>[0-9]+(?:\.[0-9]+)?[eE][+-]?[0-9]+(?![0-9A-Za-z]))
  | (?P<number>[0-9]+\.[0-9]+|\.[0-9]+|[0-9]+)
  | (?P<letters>[A-Za-z]+)
  | (?P<greek>[α-ωϑϕϵΓΔΘΛΞΠΣΦΨΩ])
  | (?P<sub>_|[₀-₉]+)
  | (?P<superscript>[⁺⁻]?[⁰¹²³⁴-⁹]+|ⁿ)
  | (?P<vulgar>[½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅐⅛⅜⅝⅞⅑⅒])
  | (?P<command>\\(?:[A-Za-z]+|.))
  | (?P<word>[^\W\d_ℝℤℕℚℂ]+)
  | (?P<dots>\.\.\.+)
  | (?P<sign>\*\*|\+/-|\+-|-\+|!=|<=|>=|=<|:=|==|=>|->|\|\||&&
        |[-+*/^=(){}\[\]|,;:<>.&!%'?"#@≠≤≥≈≡≅±∓√∛∅ℝℤℕℚℂ∞∈∉∪∩∖∨∧⇒→∴×÷−°º⌊⌋⌈⌉⟨⟩€£¥₹′])
    """,
    re.VERBOSE,
)
_OPENED, _CLOSED = "\ue000", "\ue001"


def tokenize(text: str, thousands: bool = True) -> list[Part]:
    """The tokens of an answer; with `thousands` "1,234" is one number, else it is two.

    Raises ParseError for a character that has no place in an answer, LimitError for over-long text or
    numbers.
    """
    if len(text) > MAX_TEXT:
        raise LimitError(f"the answer has {len(text):,} characters, over the limit of {MAX_TEXT:,}")
    is_latex = "\\" in text
    whole_is_maths = is_latex and re.search(r"(?<!\\)\$|\\\(|\\\[", text) is None
    return _Tokens(_plain(text), whole_is_maths, is_latex, thousands).read()


def _plain(text: str) -> str:
    text = _HALF_DAY.sub(r"\1m", text)
    text = plain_characters(text.replace("∠", " ").replace("⟨", r"\langle ").replace("⟩", r"\rangle "))
    text = _MARKED.sub(lambda found: f"⟪{found[1][::2]}⟫", text)
    if "\\" in text or "{,}" in text:
        text = LATEX_REPEATING.sub(lambda found: f"⟪{found[1] or found[2]}⟫", text)
        text = _DECIMAL_COMMA.sub(".", LATEX_THOUSANDS.sub("", _ZERO_COMMA.sub("0.", text)))
        text = _ALIGNED.sub(" ", _DROPPED.sub(" ", text))
        text = _DEGREES.sub("°", text)
        text = _FUSED.sub(r"\\\1 ", text)
        text = _BLACK.sub(lambda found: f" {_BLACKBOARD.get(found[1] or found[2], 'Ξ')} ", text)
        for _ in range(4):
            changed = _BARE_STYLE.sub(r"{\1}", _BAR.sub(_barred, text))
            changed = _STYLED.sub(r"{\1}", changed)
            changed = _ROMAN.sub(_roman, changed)
            changed = _PROSE.sub(f"{_OPENED}\\1{_CLOSED}", changed)
            if changed == text:
                break
            text = changed
        text = _OVER.sub(_over, text)
    else:
        text = _DEGREES.sub("°", text)
    text = _IN_BASE.sub(lambda found: f"{found[1]}_{_BASE_WORDS.get(found[2].lower(), found[2])}", text)
    return _SPACED_THOUSANDS.sub(lambda found: re.sub(r"[^0-9.]", "", found.group()), text)


def _barred(found: re.Match[str]) -> str:
    """A segment's bar is style; a bar over one letter makes another name of it."""
    inside = found[2] or found[3]
    return inside if len(inside) > 1 else f"{inside}_{_OPENED}{found[1]}{_CLOSED}"


def _over(found: re.Match[str]) -> str:
    command = r"\frac" if found[2] == "over" else r"\binom"
    return f"{command}{{{found[1]}}}{{{found[3]}}}"


def _roman(found: re.Match[str]) -> str:
    inside = found[1].strip()
    return f" {inside} " if inside in ("e", "i", "d", "\\pi") else f"{_OPENED}{inside}{_CLOSED}"


class _Tokens:
    """Walks over a text once."""

    def __init__(self, text: str, is_maths: bool, is_latex: bool, thousands: bool) -> None:
        self.text, self.is_latex, self.thousands = text, is_latex, thousands
        self.always_maths = self.maths = is_maths
        self.prose = self.spaced = self.joined = False
        self.parts: list[Part] = []
        self.place = 0

    def read(self) -> list[Part]:
        """All tokens."""
        while self.place < len(self.text):
            self._step()
        return self.parts

    def _add(self, kind: str, text: str = "") -> None:
        self.parts.append(Part(kind, text or kind, self.spaced, self.prose))
        self.spaced = False

    def _step(self) -> None:
        character = self.text[self.place]
        if character in (_OPENED, _CLOSED):
            self.prose = character == _OPENED
            self.spaced = self.spaced or self.prose
            self.place += 1
            return
        if character == "$":
            self._dollar()
            return
        match = _TOKEN.match(self.text, self.place)
        if match is None:
            raise ParseError(f"unexpected character {character!r}")
        kind, found = str(match.lastgroup), match.group()
        if kind == "thousands" and not self.thousands:
            kind, found = "number", found.partition(",")[0]
        self.place += len(found)
        if kind == "space":
            self.spaced = True
        elif kind == "newline":
            self._add("\n")
            self.spaced = True
        elif kind in ("thousands", "number", "scientific", "repeating"):
            self._number(kind, found.replace(",", ""))
        elif kind == "letters":
            self._letters(found)
        elif kind == "greek":
            self._add("name", GREEK_LETTERS[found])
        elif kind == "command":
            self._command(found[1:])
        elif kind == "sub":
            self._add("_", found)
        elif kind in ("superscript", "vulgar", "word"):
            self._add(kind, found)
        elif kind == "dots":
            self._add("...")
        else:
            self._sign(found)

    def _dollar(self) -> None:
        """A mark of mathematics, or money."""
        self.place += 1
        if self.text.startswith("$", self.place):
            self.place += 1
            self.maths, self.spaced = not self.maths, True
            return
        if self.maths and not self.always_maths:
            self.maths, self.spaced = False, True
            return
        closing = self.text.find("$", self.place)
        inside = self.text[self.place : closing] if closing >= 0 else ""
        is_money = re.match(r"\s*[0-9.,]*[0-9]", self.text[self.place :]) is not None and (
            closing < 0
            or (inside != inside.rstrip() and self.text[closing + 1 : closing + 2].isdigit())
            or (re.search(r"[a-z]{3}", inside) is not None and not {"\\", _OPENED} & set(inside))
        )
        if is_money:
            self._add("money", "$")
        else:
            self.maths = self.spaced = True

    def _number(self, kind: str, found: str) -> None:
        if len(found) > MAX_DIGITS:
            raise LimitError(f"a number of {len(found):,} digits is over the limit of {MAX_DIGITS}")
        if kind == "scientific":
            power = int(re.split("[eE]", found)[1][:8])
            if abs(power) > MAX_DIGITS:
                raise LimitError(f"{found} is over the limit of {MAX_DIGITS} digits")
        self._add("repeating" if kind == "repeating" else "number", found)

    def _letters(self, found: str) -> None:
        lower = found.lower()
        if lower in ("or", "and", "mod"):
            self._add(lower)
        elif self._is_element_sign(found):
            self._add("∈")
        elif lower in _SCALES and self.parts and self.parts[-1].kind == "number":
            self._add("*")
            self._add("number", str(_SCALES[lower]))
        elif self._is_unit(found, lower):
            self._add("word", found)
        elif found in _INFINITY:
            self._add("∞")
        elif self.prose:
            known = lower in FUNCTIONS and len(found) > 2
            self._add("function" if known else "word", _SAME_FUNCTION.get(lower, lower) if known else found)
        elif found in FUNCTIONS or (lower in FUNCTIONS and not found.isupper() and lower not in ("re", "im")):
            self._add("function", _SAME_FUNCTION.get(lower, lower) if found not in ("Re", "Im") else found)
        elif lower in GREEK:
            self._add("name", _SAME_LETTER.get(found, found))
        elif len(found) == 1:
            self._add("name", found)
        elif self.maths or (len(found) == 2 and lower not in _SHORT_WORDS):
            self._product(found)
        else:
            self._add("word", found)

    def _is_unit(self, found: str, lower: str) -> bool:
        """Whether letters that could be a function's name or a product are a unit behind a value."""
        if found == "rad":
            return bool(self.parts) and self.parts[-1].kind != "name"
        return lower in ("min", "sec") and self._ends_a_number()

    def _ends_a_number(self) -> bool:
        """Whether letters behind a number are its unit: "150 min", and not "2 min(1, 3)"."""
        before = self.parts[-1].kind if self.parts else ""
        return before == "number" and not re.match(r"\s*[\w({\\^]", self.text[self.place :])

    def _is_element_sign(self, found: str) -> bool:
        """ "x in [1, 3]"."""
        before = self.parts[-1].kind if self.parts else ""
        return (
            found == "in"
            and before == "name"
            and self.text[self.place :].lstrip()[:1] in ("(", "[", "{", "]")
        )

    def _product(self, found: str) -> None:
        """Letters side by side, with a function's name at their end: "xsin", "ab"."""
        for length in range(len(found) - 2, 1, -1):
            if found[-length:] in FUNCTIONS:
                for letter in found[:-length]:
                    self._add("name", letter)
                self._add("function", _SAME_FUNCTION.get(found[-length:], found[-length:]))
                return
        if len(found) > 3 and not found.isupper():
            self._add("word", found)
            return
        for letter in found:
            self._add("name", letter)

    def _command(self, name: str) -> None:
        if name in ("(", ")", "[", "]"):
            self.maths = self.always_maths or name in "(["
            self.spaced = True
        elif name in ("begin", "end"):
            self._environment(name)
        elif name in _COMMANDS:
            kind = _COMMANDS[name]
            if kind in ("gap", "money"):
                self._add(kind, _MONEY.get(name, kind))
            elif kind == "\n" and self.joined:
                self._add("and")
            elif kind in ("or", "and", "i"):
                self._add("name" if kind == "i" else kind, kind)
            else:
                self._add(kind)
        elif name in _IGNORED:
            self.spaced = self.spaced or name in (" ", ",", ";", ":")
        elif name.lower() in GREEK:
            self._add("name", _SAME_LETTER.get(name, name))
        elif name in FUNCTIONS or name in _SAME_FUNCTION:
            self._add("function", _SAME_FUNCTION.get(name, name))
        else:
            raise ParseError(f"unknown command \\{name}")

    def _environment(self, name: str) -> None:
        match = _ENVIRONMENT.match(self.text, self.place - len(name) - 1)
        if match is None:
            raise ParseError(f"\\{name} without a name")
        self.place = match.end()
        inside = self._environment_of(match)
        if match[2] in _CASES and _CONDITION.search(inside):
            self._add(match[1], "cases")
        elif match[2] in _CASES and _ORDER.search(inside):
            # Inequalities in one brace hold together.
            self.joined = match[1] == "begin"
        elif match[2] in _MATRICES:
            self._add(match[1], match[2])
        elif match[1] == "begin" and self.parts:
            self._add("\n")

    def _environment_of(self, match: re.Match[str]) -> str:
        """What stands in an environment that begins or ends at a match."""
        begin = match.end() if match[1] == "begin" else self.text.rfind(r"\begin", 0, match.start())
        end = self.text.find(r"\end", begin) if match[1] == "begin" else match.start()
        return self.text[begin : max(begin, end)]

    def _sign(self, found: str) -> None:
        if found in "{}" and not self.is_latex:  # a group is LaTeX's, and else a set
            self._add(found * 2)
        else:
            self._add(_SIGNS.get(found, found), found if _SIGNS.get(found) == "money" else "")


_SHORT_WORDS = word_set(
    """cm mm km kg mg ml dl cl ft in yd mi lb oz hr am pm no is it so we to of if be he me my by at as an on
    us go up do th st nd rd cc gb mb ms or mb kw mw hz pa kj ok dm nm hp kb tb"""
)

__all__ = ["VULGAR", "Part", "tokenize"]
