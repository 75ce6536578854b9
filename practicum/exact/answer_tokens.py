r"""Split an answer into tokens: mathematics as in equations, and words of a closed vocabulary.

Beside what an equation may hold, an answer may hold mixed numbers (2 1/2, 2½), 1e3, repeating decimals
(0.(3), 0.\overline{3}), numbers in words, ±. A word that no rule knows is refused here, by name.
"""

from __future__ import annotations

import re

from practicum.exact import phrases
from practicum.exact.answer_layout import without_dash_bullets, without_list_marks, without_wrappings
from practicum.exact.characters import plain_text
from practicum.exact.expression import (
    FUNCTIONS,
    GREEK,
    GREEK_LETTERS,
    MAX_CHARACTERS,
    MAX_DIGITS,
    SUBSCRIPTS,
    VULGAR,
    LimitError,
    ParseError,
    Token,
    append_command,
    word_set,
)

_TOKEN = re.compile(
    r"""
    (?P<newline>\n|\\\\)
  | (?P<space>[^\S\n]+|[$"]|~(?![0-9.])|\\(?:[,;:!>\ ]|q?quad(?![A-Za-z])))
  | (?P<recurring>[0-9]*\.[0-9]*?(?P<period>[0-9]{1,6})(?P=period){2,}\.\.\.(?=\s*=))
  | (?P<dots>\.\.+|\.\s+\.)
  | (?P<repeating>[0-9]*\.[0-9]*\([0-9]+\))
  | (?P<scientific>(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)[eE][+-]?[0-9]+(?![0-9A-Za-z.]))
  | (?P<number>[0-9]+(?:\.[0-9]+)?|\.[0-9]+)
  | (?P<unspaced>[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+)
  | (?P<letters>(?:(?![∅ℝ∑∞α-ωϑϕϵΓΔΘΛΞΠΣΦΨΩ])[^\W\d_²³¹¼-¾⁰-₎⅐-⅞\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af])+
        (?:'[^\W\d_]+)*(?:'(?=\s))?)
  | (?P<greek>[α-ωϑϕϵΓΔΘΛΞΠΣΦΨΩ])
  | (?P<subscript>_(?:\{[A-Za-z0-9,;/\ +±-]{1,12}\}|\{\\pm\}|\\pm|[A-Za-z0-9+±-])|[₀-₉]+(?:[,/][₀-₉]+)*|[₊₋])
  | (?P<superscript>[⁺⁻]?[⁰¹²³⁴-⁹]+)
  | (?P<mark>[⁺⁻])
  | (?P<vulgar>[½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅐⅛⅜⅝⅞⅑⅒])
  | (?P<command>\\(?:[A-Za-z]+|[^A-Za-z]))
  | (?P<operator>\*\*|\+/-|\+-|-\+|=/=|!=|<>|<=|>=|=<|:=|==|<->|<=>|=>|->|<-|←|[-+*/^=(){}\[\]|,;:<>.&?!%]
        |[≠≤≥≈±∓√∛∜∅ℝ∞∈∉∪∩∖∨∧⇒⦗⦘≡∑✓❌∀∴∵])
    """,
    re.VERBOSE,
)
_RECURRING = re.compile(r"([0-9]*\.[0-9]*?)([0-9]{1,6})\2{2,}\.\.\.")
"""0.333... = 1/3: a period that is written three times or more. Alone, the dots leave the number open."""
_SPELLINGS = {
    "**": "^", "<=": "≤", "=<": "≤", ">=": "≥", "!=": "≠", "=/=": "≠", "<>": "≠", "√": "sqrt", "∛": "cbrt",
    "∜": "root4", ":=": "=", "==": "=", "≡": "=", "∨": "or", "∧": "and", "&": ",", "->": "⇒", "<->": "⇒",
    "<=>": "⇒", "=>": "⇒", "<-": "←", "⦗": "|(", "⦘": "|)", "+-": "±", "+/-": "±", "-+": "∓",
}  # fmt: skip
_WORD_SIGNS = {"✓": "✓", "❌": "❌", "∀": "all", "∴": "therefore", "∵": "because"}
_ANSWER_COMMANDS = {
    "lor": "or", "vee": "or", "or": "or", "land": "and", "wedge": "and", "and": "and", "over": "over",
    "nicefrac": "frac", "sfrac": "frac", "flatfrac": "frac", "Rightarrow": "⇒", "rightarrow": "⇒",
    "Longrightarrow": "⇒", "longrightarrow": "⇒", "implies": "⇒", "iff": "⇒", "Leftrightarrow": "⇒",
    "leftarrow": "←", "gets": "←", "equiv": "=", "colon": ":", "simeq": "≈", "thickapprox": "≈", "cong": "≈",
    "cap": "∩", "mid": "|", "union": "∪", "infin": "∞", "empty": "∅", "O": "∅", "lbrack": "[", "rbrack": "]",
}  # fmt: skip
_JOINED = {"or": "or", "and": "and"}
_ARTICLE_BEFORE = word_set(
    """half third quarter fourth fifth solution root real double unique valid single repeated square
    contradiction negative zero value set number sum multiplicity perfect true correct genuine triple
    complex division constant factor total algebraic equação solução soma nonnegative nonpositive positive
    candidate smaller larger first second decimal"""
)
_ENDS_VALUE = frozenset(("number", "vulgar", "fraction", ")", "}", "]", "name", "superscript", "|", "|)"))


def tokenize_answer(text: str, names: frozenset[str]) -> list[Token]:
    """The tokens of an answer to an equation in `names`.

    Raises ParseError for a character, a word or an ellipsis that no answer may hold; LimitError over a limit.
    """
    if len(text) > MAX_CHARACTERS:
        raise LimitError(f"the answer has {len(text):,} characters, over the limit of {MAX_CHARACTERS:,}")
    text = plain_text(without_wrappings(without_dash_bullets(text.strip())))
    if ")" in text or not text.isascii():
        text = without_list_marks(text)
    tokens: list[Token] = []
    position, spaced = 0, False
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise ParseError(f"unexpected character {text[position]!r}")
        kind, found = match.lastgroup, match.group()
        position = match.end()
        if kind == "space":
            spaced = spaced or found not in ('"', "$")
            continue
        before = len(tokens)
        if kind in ("letters", "unspaced"):
            _append_letters(tokens, found, match.start(), names, text[position:])
        else:
            _append(tokens, str(kind), found, match.start(), names)
        if spaced and len(tokens) > before:
            tokens[before] = tokens[before]._replace(spaced=True)
        spaced = False
    kinds = {token.kind for token in tokens}
    if "|" in kinds:
        tokens = with_bars_as_or(tokens)
        kinds.add("word")
    if tokens and len(names) < 2:
        tokens = with_gaps_as_commas(tokens, names)
    if "word" in kinds:
        tokens = with_spelled_numbers(tokens)
    if kinds & {"vulgar", "frac", "/"} or "word" in kinds:
        tokens = with_mixed_numbers(tokens)
    return with_products(tokens, names) if "(" in kinds or "[" in kinds else tokens


def _append(tokens: list[Token], kind: str, found: str, at: int, names: frozenset[str]) -> None:
    if kind == "dots":
        raise ParseError("an ellipsis leaves the answer open")
    if kind == "recurring":
        kind, found = "repeating", _RECURRING.sub(r"\1(\2)", found)
    if kind == "newline":
        tokens.append(Token("\n", "\n", at))
    elif kind == "number":
        _append_number(tokens, found, at)
    elif kind in ("scientific", "repeating"):
        if kind == "scientific" and names & {"e", "E"}:
            raise ParseError(f"{found} may be a power of ten or hold the letter e")
        _check_digits(found)
        tokens.append(Token("fraction", found, at))
    elif kind == "greek":
        tokens.append(Token("name", GREEK_LETTERS[found], at))
    elif kind == "subscript":
        _append_subscript(tokens, found, at)
    elif kind in ("superscript", "vulgar", "mark"):
        tokens.append(Token(kind, found, at))
    elif kind == "command":
        name = found[1:]
        if name in _ANSWER_COMMANDS:
            _append_kind(tokens, _ANSWER_COMMANDS[name], found, at)
        else:
            append_command(tokens, name, at)
    elif found in _WORD_SIGNS:
        tokens.append(Token("word", _WORD_SIGNS[found], at))
    else:
        _append_kind(tokens, _SPELLINGS.get(found, found), found, at)


def _append_kind(tokens: list[Token], kind: str, found: str, at: int) -> None:
    tokens.append(Token("word", kind, at) if kind in _JOINED else Token(kind, found, at))


def _check_digits(found: str) -> None:
    if len(found) > MAX_DIGITS:
        raise LimitError(f"a number of {len(found):,} digits is over the limit of {MAX_DIGITS}")
    power = re.search(r"[eE][+-]?([0-9]+)", found)
    if power and (len(power[1]) > 3 or int(power[1]) > MAX_DIGITS):
        raise LimitError(f"{found} is over the limit of {MAX_DIGITS} digits")


def _append_number(tokens: list[Token], found: str, at: int) -> None:
    _check_digits(found)
    if len(found) > 1 and found[0] == "0" and found[1] != ".":
        raise ParseError(f"the number {found} begins with a zero")
    last = tokens[-1] if tokens else None
    touches = last is not None and last.kind == "name" and last.position + len(last.text) == at
    if last and touches and (len(tokens) < 2 or tokens[-2].kind != "frac"):  # x1 = 3 is a label, not \frac x3
        tokens[-1] = last._replace(text=f"{last.text}_{found}")
        return
    tokens.append(Token("number", found, at))


def _append_subscript(tokens: list[Token], found: str, at: int) -> None:
    if not tokens or tokens[-1].kind not in ("name", "ℝ"):
        raise ParseError("a subscript follows no name")
    index = found.lstrip("_").strip("{}").replace(" ", "").replace("\\pm", "±").translate(SUBSCRIPTS)
    last = tokens[-1]
    tokens[-1] = last._replace(text=f"{last.text}_{index}")


def _append_letters(tokens: list[Token], found: str, at: int, names: frozenset[str], after: str) -> None:
    lower = found.lower()
    if found in names:
        is_article = (
            found == "a"
            and (following := re.match(r"\s+([a-z]+)", after))
            and (following[1] in _ARTICLE_BEFORE)
        )
        tokens.append(Token("word", "a", at) if is_article else Token("name", found, at))
    elif found == "R":
        tokens.append(Token("ℝ", "R", at))
    elif len(found) == 1 and found.isascii():
        _append_letter(tokens, found, at, after)
    elif lower in FUNCTIONS:
        tokens.append(Token(lower, lower, at))
    elif lower[-4:] in ("sqrt", "cbrt") and len(found) <= 6:
        tokens.extend(Token("name", letter, at) for letter in found[:-4])
        tokens.append(Token(lower[-4:], lower[-4:], at))
    elif lower in ("oo", "inf", "infinity", "infty"):
        tokens.append(Token("∞", "∞", at))
    elif lower in ("sum", "summe", "suma", "somma", "somme", "soma") and not names & {lower}:
        tokens.append(Token("word", "sum", at))
    elif lower in phrases.VOCABULARY:
        tokens.append(Token("word", lower, at))
    elif phrases.NO_SOLUTION_UNSPACED.fullmatch(found):
        tokens.append(Token("word", "none", at))
    elif phrases.LEAD_UNSPACED.fullmatch(found):
        tokens.append(Token("word", "答案", at))
    elif lower in GREEK:
        tokens.append(Token("name", found, at))
    elif len(found) == 2 and found.isascii() and set(found) <= {*names, "i", "x"}:
        tokens.extend(Token("name", letter, at + place) for place, letter in enumerate(found))
    else:
        raise ParseError(f"unknown word {found!r}")


def _append_letter(tokens: list[Token], found: str, at: int, after: str) -> None:
    """A single letter is a name, unless it stands as a word: "a half", "I get", "1 y 3", "1 e 3", "1 o 3"."""
    following = re.match(r"\s+([^\W\d_]+)", after)
    is_article = found in ("a", "A") and following and following[1].lower() in _ARTICLE_BEFORE
    # il n'y a pas; tutti i numeri
    if is_article or (tokens and (tokens[-1].text, found) in (("n'y", "a"), ("tutti", "i"))):
        tokens.append(Token("word", found.lower(), at))
    elif (
        found == "I"
        and following
        and following[1].lower() in ("get", "got", "have", "find", "found", "obtain", "hope")
    ):
        tokens.append(Token("word", "i", at))
    elif (
        found in "yeo"
        and tokens
        and after[:1].isspace()
        and tokens[-1].kind in _ENDS_VALUE
        and (re.match(r"\s+(?:[-+±√(\\0-9{]|[A-Za-z][\w]*\s*=)", after))
    ):
        tokens.append(Token("word", found, at))
    elif found == "U":
        tokens.append(Token("∪", found, at))
    else:
        tokens.append(Token("name", found, at))


def with_bars_as_or(tokens: list[Token]) -> list[Token]:
    """ "x = 1 | x = 3": a bar before a label, within no brackets, closes and opens no absolute value."""
    kept, depth = list(tokens), 0
    for place, token in enumerate(tokens):
        depth += (token.kind in _PAIRS) - (token.kind in _PAIRS.values())
        labelled = [one.kind for one in tokens[place + 1 : place + 4]]
        starts = labelled[:2] == ["name", "="] or labelled == ["(", "name", "="]
        if token.kind == "|" and place and depth == 0 and starts:
            kept[place] = Token("word", "or", token.position, token.spaced)
    return kept


_SEPARATES = frozenset((",", ";", "\n", ".", "word", ":", "⇒"))


def with_gaps_as_commas(tokens: list[Token], names: frozenset[str]) -> list[Token]:
    """ "x = 1   x = 3", with a comma: a labelled number and a gap before the next label."""
    kept: list[Token] = []
    begins, labelled = True, False
    for place, token in enumerate(tokens):
        is_label = (
            token.kind == "name"
            and (token.text in names or token.text.partition("_")[0] in names)
            and place + 1 < len(tokens)
            and tokens[place + 1].kind == "="
        )
        if is_label and token.spaced and labelled and tokens[place - 1].kind in _ENDS_VALUE:
            kept.append(Token(",", ",", token.position))
            begins = True
        labelled = is_label if begins else labelled
        begins = token.kind in _SEPARATES
        kept.append(token)
    return kept


# -- numbers -----------------------------------------------------------------------------------------------


_BEGINS_VALUE = frozenset(
    ("number", "fraction", "vulgar", "name", "(", "sqrt", "cbrt", "root4", "frac", "|", "{")
)


def with_spelled_numbers(tokens: list[Token]) -> list[Token]:
    """Words that are signs or numbers as such: "minus one half" -> -1/2. Counts ("two roots") stay words."""
    kept: list[Token] = []
    index = 0
    while index < len(tokens):
        taken = _spelled(tokens, index) if tokens[index].kind == "word" else None
        if taken is None:
            kept.append(tokens[index])
            index += 1
        else:
            spaced = tokens[index].spaced
            kept += [taken[0][0]._replace(spaced=spaced), *taken[0][1:]]
            index += taken[1]
    return kept


def _spelled(tokens: list[Token], index: int) -> tuple[list[Token], int] | None:
    words = [token.text if token.kind == "word" else "" for token in tokens[index : index + 5]]
    words += [""] * (5 - len(words))
    at = tokens[index].position
    for size in (3, 2, 1):
        if tuple(words[:size]) in phrases.SPELLED:
            kind, text = phrases.SPELLED[tuple(words[:size])]
            follows_sign = index + size < len(tokens) and (
                tokens[index + size].kind in _BEGINS_VALUE
                or words[size] in {*phrases.NUMBERS, *phrases.PARTS, "a", "the", "square", "cube"}
            )
            return ([Token(kind, text, at)], size) if follows_sign else None
    if words[0] == "the" and words[1] in ("square", "cube", "cubic") and words[2:4] == ["root", "of"]:
        kind = "sqrt" if words[1] == "square" else "cbrt"
        return [Token(kind, kind, at)], 4
    if words[0] == "half" and not words[1]:
        return [Token("number", "1", at), Token("/", "/", at), _digits(2, at)], 1
    number = 1 if words[0] in ("a", "an") and words[1] in phrases.PARTS else phrases.NUMBERS.get(words[0])
    if number is None:
        return None
    if words[1] in phrases.PARTS:
        return [
            Token("number", str(number), at),
            Token("/", "/", at),
            _digits(phrases.PARTS[words[1]], at),
        ], 2
    if words[1] == "and" and words[2] in ("a", "one") and words[3] in phrases.PARTS:
        part = _digits(phrases.PARTS[words[3]], at)
        inside = [_digits(number, at), Token("+", "+", at), _digits(1, at), Token("/", "/", at), part]
        return [Token("(", "(", at), *inside, Token(")", ")", at)], 4
    counts = words[1] and words[1] not in ("or", "and", "is", "as")
    return None if counts else ([_digits(number, at)], 1)


def _digits(number: int, at: int) -> Token:
    return Token("number", str(number), at)


def with_mixed_numbers(tokens: list[Token]) -> list[Token]:
    r"""An integer before a fraction below one is a mixed number: 2 1/2, 2½, 2\frac{1}{2} are 5/2.

    Raises ParseError where more stands beside it, so that it might be a product.
    """
    kept: list[Token] = []
    index = 0
    while index < len(tokens):
        size = _fraction_behind(tokens, index)
        if not size:
            kept.append(tokens[index])
            index += 1
            continue
        head, parts = tokens[index], tokens[index + 1 : index + 1 + size]
        behind = tokens[index + 1 + size].kind if index + 1 + size < len(tokens) else ""
        before = kept[-1].kind if kept else ""
        if before in ("*", "/", "^", "frac", "sqrt", "number") or behind in (
            "*", "/", "^", "sqrt", "cbrt", "number", "name", "frac", "superscript", "vulgar"
        ):  # fmt: skip
            raise ParseError(f"{head.text} beside a fraction and more is ambiguous: write one fraction")
        kept += [
            head._replace(kind="(", text="("),
            head._replace(spaced=False),
            Token("+", "+", head.position),
            *(part._replace(spaced=False) for part in parts),
            Token(")", ")", head.position),
        ]
        index += 1 + size
    return kept


def _fraction_behind(tokens: list[Token], index: int) -> int:
    """How many tokens after an integer make a proper fraction; 0 where none does."""
    if tokens[index].kind != "number" or not tokens[index].text.isdigit() or tokens[index].text == "0":
        return 0
    behind = tokens[index + 1 : index + 8]
    kinds = [token.kind for token in behind]
    if kinds[:1] == ["vulgar"]:
        return 1
    if kinds[:3] == ["number", "/", "number"] and behind[0].spaced:
        return 3 if _is_proper(behind[0], behind[2]) else 0
    if kinds[:7] == ["frac", "{", "number", "}", "{", "number", "}"]:
        return 7 if _is_proper(behind[2], behind[5]) else 0
    if kinds[:2] == ["frac", "number"] and len(behind[1].text) == 2 and behind[1].text.isdigit():
        return 2
    return 0


def _is_proper(top: Token, bottom: Token) -> bool:
    return top.text.isdigit() and bottom.text.isdigit() and 0 < int(top.text) < int(bottom.text)


# -- brackets ----------------------------------------------------------------------------------------------

_MATHS = frozenset(
    ("number", "fraction", "vulgar", "name", "+", "-", "±", "∓", "*", "/", "^", "superscript", "sqrt", "cbrt",
     "root4", "frac", "(", ")", "{", "}", "[", "]", "|")
)  # fmt: skip
_PAIRS = {"(": ")", "[": "]", "{": "}"}


def closing_bracket(tokens: list[Token], start: int) -> int | None:
    """The place of the bracket that closes the one at `start`; None where none does."""
    depth = 0
    for index in range(start, len(tokens)):
        if tokens[index].kind in _PAIRS:
            depth += 1
        elif tokens[index].kind in _PAIRS.values():
            depth -= 1
            if depth == 0:
                return index
    return None


def with_products(tokens: list[Token], names: frozenset[str]) -> list[Token]:
    """Mark which brackets after a space multiply: those around a sum with a root, a ± or a letter.

    1/2 (5 + sqrt(13)) is a product; 1/2 (0.5) and 4 (1 + 3) say the number again. A mark is a bracket that
    counts as not spaced.
    """
    kept = list(tokens)
    for index in range(1, len(tokens)):
        token = tokens[index]
        if token.kind not in ("(", "[") or not token.spaced or tokens[index - 1].kind not in _ENDS_VALUE:
            continue
        end = closing_bracket(tokens, index)
        if end is not None and _is_irrational_sum(tokens[index + 1 : end], names):
            kept[index] = token._replace(spaced=False)
    return kept


def _is_irrational_sum(inside: list[Token], names: frozenset[str]) -> bool:
    depth, is_sum = 0, False
    for place, token in enumerate(inside):
        if token.kind not in _MATHS:
            return False
        depth += (token.kind in _PAIRS) - (token.kind in _PAIRS.values())
        is_sum = is_sum or (place > 0 and depth == 0 and token.kind in ("+", "-", "±", "∓"))
    return is_sum and any(
        token.kind in ("sqrt", "cbrt", "root4", "±", "∓") or (token.kind == "name" and token.text in names)
        for token in inside
    )


__all__ = ["VULGAR", "closing_bracket", "tokenize_answer"]
