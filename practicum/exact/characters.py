r"""Bring text to the characters that the grammar knows, without changing what it says.

Full-width and mathematical letters and digits become plain ones, invisible characters go, marks of Markdown,
LaTeX and HTML that only change how a text looks go. Superscripts stay what they are: powers.
"""

from __future__ import annotations

import re
import unicodedata

_INVISIBLE = dict.fromkeys([0xAD, *range(0x200B, 0x2010), *range(0x2060, 0x2065), 0xFEFF, 0xFE0F, 0xFE0E])
_PLAIN = str.maketrans(
    {
        **dict.fromkeys("−–—﹣‐‑‒", "-"),
        **dict.fromkeys("×·⋅∙∗⨯✕", "*"),
        **dict.fromkeys("÷∕⁄", "/"),
        **dict.fromkeys("，、﹐،", ","),
        **dict.fromkeys("；؛", ";"),
        **dict.fromkeys("。｡．", "."),
        **dict.fromkeys("∣｜❘", "|"),
        **dict.fromkeys("≤⩽≦", "≤"),
        **dict.fromkeys("≥⩾≧", "≥"),
        **dict.fromkeys("∅⌀Øø", "∅"),
        **dict.fromkeys("’‘ʼ", "'"),
        **dict.fromkeys("“”„«»", '"'),
        **dict.fromkeys("⟹⟶⇒→⇨➜⟾↦⇔⟺", "⇒"),
        **dict.fromkeys("≈≃≅∼≒", "≈"),
        **dict.fromkeys("∖＼⧵", "∖"),
        **dict.fromkeys("✓✔✅☑", "✓"),
        **dict.fromkeys("❌✗✘✖", "❌"),
        **dict.fromkeys("⟨〈", "<"),
        **dict.fromkeys("⟩〉", ">"),
        "∶": ":",
        "∈": "∈",
        "ℎ": "h",
        "ℓ": "l",
        "⅟": "1/",
        "↉": "0",
        "∀": " ∀ ",
        "≔": "=",
        "…": "...",
    }
)


def plain_characters(text: str) -> str:
    """The text with full-width and mathematical letters, digits and signs as plain ones."""
    if text.isascii():
        return text
    text = "".join(map(_plain_character, text)).translate(_INVISIBLE)
    return text.translate(_PLAIN)


def _plain_character(character: str) -> str:
    code = ord(character)
    if 0x1D400 <= code <= 0x1D7FF or 0xFF01 <= code <= 0xFF5E or character in "ℂℍℕℙℚℤ":
        return unicodedata.normalize("NFKC", character)
    return character


# -- numbers -----------------------------------------------------------------------------------------------

_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻₀₁₂₃₄₅₆₇₈₉", "0123456789+-0123456789")
_SMALL_FRACTION = re.compile(r"(?<![\w)\]}])(⁻?)([⁰¹²³⁴-⁹]+)/([₀-₉]+|[0-9]+)")
LATEX_REPEATING = re.compile(r"(?<=[.0-9])\s*\\(?:overline|bar|dot)\s*(?:\{([0-9]+)\}|([0-9]))")
_TWO_DOTS = re.compile(r"(?<=[.0-9])\\dot\{?([0-9])\}?([0-9]*)\\dot\{?([0-9])\}?")
_MARKED_DIGITS = re.compile(r"(?:[0-9][\u0305\u0304])+")
_DOTTED_DIGITS = re.compile(r"[0-9]\u0307(?:[0-9]*[0-9]\u0307)?")
# A comma before three digits is sure where LaTeX marks it as no list; a gap or ' is sure between such groups.
LATEX_THOUSANDS = re.compile(r"(?<=[0-9])(?:\{,\}|,\\!|\\,|\\;|\\ |\{\\,\})(?=[0-9]{3}(?![0-9]))")
_SPACED_THOUSANDS = re.compile(
    r"(?<![\w.,')/^-])-?[1-9][0-9]{0,2}(?:[ \u00a0\u2009\u202f'][0-9]{3})+(?![\w/])"
)
AMBIGUOUS_THOUSANDS = re.compile(r"(?<![0-9.,])[1-9][0-9]{0,2}(?:,[0-9]{3})+(?![0-9]|,[0-9]|\.[0-9]*,)")


def _plain_numbers(text: str) -> str:
    if not text.isascii():
        text = _SMALL_FRACTION.sub(lambda found: found.group().translate(_SUPERSCRIPTS), text)
        text = _MARKED_DIGITS.sub(lambda found: f"({found.group()[::2]})", text)
        text = _DOTTED_DIGITS.sub(lambda found: "(" + found.group().replace("\u0307", "") + ")", text)
    if "\\" in text or "{,}" in text:
        text = _TWO_DOTS.sub(r"(\1\2\3)", text)
        text = LATEX_REPEATING.sub(lambda found: f"({found[1] or found[2]})", text)
        text = LATEX_THOUSANDS.sub("", text)
    if " " not in text and "'" not in text and text.isascii():
        return text
    return _SPACED_THOUSANDS.sub(lambda found: re.sub(r"[^0-9-]", "", found.group()), text)


def without_thousands_commas(text: str) -> str:
    """ "12,345" read as one number."""
    return AMBIGUOUS_THOUSANDS.sub(lambda found: found.group().replace(",", ""), text)


_DECIMAL_COMMA = re.compile(r"(?<![0-9.,])(0|[1-9][0-9]*),([0-9]+)(?![0-9]|[.,][0-9])")
_JOINED_ABROAD = re.compile(r";|\b(?:oder|und|ou|et|y|o|e|или|и|en|of)\b")


def with_decimal_points(text: str) -> str:
    """ "0,5; 3" and "0,5 oder 3" with points: where commas join no members, they may be decimal commas."""
    if _JOINED_ABROAD.search(text) is None or text.count(",") != len(_DECIMAL_COMMA.findall(text)):
        return text
    return _DECIMAL_COMMA.sub(r"\1.\2", text)


# -- how a text looks --------------------------------------------------------------------------------------

_STYLES = (
    r"text|textrm|textbf|textit|textsf|texttt|textnormal|mathrm|mathbf|mathit|mathsf|mathnormal|boldsymbol|bm|"
    r"operatorname|operatorname\*|mbox|hbox|underline|uline|emph|ensuremath|displaystyle|"
    r"bf|it|rm|em|bfseries|large|Large|underbrace|overbrace|mathop|mathord|phantom|vphantom|hphantom"
)
_STYLED = re.compile(rf"\\(?:{_STYLES})\s*\{{([^{{}}]*)\}}")
_STYLE_SWITCH = re.compile(
    r"\\(?:bf|it|rm|em|bfseries|large|Large|displaystyle|textstyle|scriptstyle)(?![A-Za-z])"
)
_DROPPED = re.compile(
    r"\\(?:color|textcolor)\s*\{[A-Za-z]+\}|\\(?:tag|label|hspace|vspace)\*?\s*\{[^{}]*\}"
    r"|\\(?:begin|end)\s*\{(?:cases|aligned|align|align\*|gather|gathered|gather\*|split|array|equation|equation\*)\}"
    r"(?:\{[lcr| ]*\})?|\\(?:qed|blacksquare|square|Box)(?![A-Za-z])"
)
_NAMED = {
    r"\mathbb{R}": "ℝ", r"\mathbb R": "ℝ", r"\mathbf{R}": "ℝ", r"\Reals": "ℝ", r"\R": "ℝ", r"\left\{": r"\{",
    r"\right\}": r"\}", r"\left|": "⦗", r"\right|": "⦘", r"\left.": " ", r"\right.": " ", r"\not=": "≠",
    r"\not\in": "∉", r"\notin": "∉", r"\checkmark": "✓", r"\ldots": "...", r"\dots": "...", r"\cdots": "...",
    r"\mathbb{L}": "L", r"\mathcal{L}": "L", r"\mathcal{S}": "S", r"\mathbb{S}": "S",
    r"\sum": "∑", r"\forall": " ∀ ", r"\because": " because ", r"\therefore": " therefore ",
    r"\bullet": "•", r"\sim": "≈", r"\to": "⇒", r"\Delta": "Δ",
}  # fmt: skip
_NAMED_PATTERN = re.compile(
    "|".join(
        re.escape(name) + (r"(?![A-Za-z])" if name[-1].isalpha() else "")
        for name in sorted(_NAMED, key=len, reverse=True)
    )
)
_SET_MINUS = re.compile(r"(?:(?<=ℝ)|(?<=\bR)|(?<=\\mathbb\{R\})|(?<=[})\]] ))\s*\\\s*(?=\\?\{)")
_HTML = re.compile(r"</?(?:b|strong|i|em|p|span|code|u|div|center)>|<br\s*/?>", re.IGNORECASE)
_STRUCK = re.compile(r"~~([^~\n]+)~~")
_BOLD = re.compile(r"(?<![\w)\]}*])\*\*(?=[^\s*])([^*\n]+?)(?<=[^\s*])\*\*(?![\w(*])")
_STARRED = re.compile(r"(?<![\w)\]}*])\*(?=[^\s*])([^*\n]+?)(?<=[^\s*])\*(?![\w(*])")
_SCORED = re.compile(r"(?<![\w)\]}])(_{1,2})(?=[^\s_{])([^_\n]+)(?<=[^\s_])\1(?![\w{])")
_HEADING = re.compile(r"^[ \t]*#{1,6}[ \t]+", re.MULTILINE)
_BULLET = re.compile(r"^[ \t]*(?:[•‣▪◦●○▸►]|\*(?=[ \t]))[ \t]*", re.MULTILINE)
_DASH_LINES = re.compile(r"^[ \t]*[-+][ \t]+(?=[^\s0-9.(√\\/-])", re.MULTILINE)
_PART_OF_REALS = re.compile(
    r"(?:ℝ|(?<![\w])R)_\{?\s*(\\(?:geq?|leq?|neq?|gt|lt)(?:slant)?|[<>≤≥≠]=?)\s*0\s*\}?"
)
_ENDING = re.compile(r"[\s∎□■◻◼▢]+\Z")
_ABBREVIATIONS = (  # what a text must hold to be searched, the pattern, what it stands for
    ("D", re.compile(r"\bD\.?\s?N\.?\s?E\b\.?"), "DNE"),
    (".", re.compile(r"\bi\.e\.(?:,)?", re.IGNORECASE), "ie"),
    (".", re.compile(r"\b(approx|mult|soln|sol|ans|resp)\.(?!\w)", re.IGNORECASE), r"\1"),
    (".", re.compile(r"\b(?:math|np|numpy|cmath|sympy|sp)\.(?=sqrt)"), ""),
    ("on", re.compile(r"\bnon[- ](zero|negative|positive|real|extraneous)", re.IGNORECASE), r"non\1"),
    ("real-", re.compile(r"\breal-valued\b", re.IGNORECASE), "real"),
    ("x-", re.compile(r"\bx-(values?)\b", re.IGNORECASE), r"\1"),
    ("t-", re.compile(r"\b(left|right)-(hand)\b", re.IGNORECASE), r"\1 \2"),
)


def plain_text(text: str) -> str:
    """An answer with nothing left that only changes how it looks."""
    text = plain_characters(text)
    text = re.sub(r"\A[\s\"'`]+|[\s\"'`]+\Z", "", text)
    if "\\" in text:
        text = _without_latex_styles(text)
    if "<" in text:
        text = _HTML.sub(lambda found: "\n" if found.group().lower().startswith("<br") else "", text)
    if "~~" in text:
        text = _STRUCK.sub(r" \1 ❌ ", text)
    text = text.replace("`", "")
    if "*" in text or "_" in text:
        for pattern, kept in ((_BOLD, r"\1"), (_STARRED, r"\1"), (_SCORED, r"\2")):
            text = pattern.sub(kept, text)
        text = re.sub(r"\A[*_\s]+(?=[\w\\{(])|(?<=[\w.)}])(?<![ℝR])[*\s]+\Z", "", text)
    if "||" in text or "&&" in text:
        text = text.replace(" || ", " or ").replace(" && ", " and ")
    if "#" in text:
        text = _HEADING.sub("", text)
    if "\n" in text or not text.isascii() or text[:1] in "*-+":
        text = _BULLET.sub("", text)
        text = _DASH_LINES.sub("", text)
    for mark, pattern, kept in _ABBREVIATIONS:
        if mark in text:
            text = pattern.sub(kept, text)
    if "_" in text:
        text = _PART_OF_REALS.sub(r"ℝ\1 0", text)
    text = _plain_numbers(text)
    return text if text.isascii() else _ENDING.sub("", text)


def _without_latex_styles(text: str) -> str:
    text = re.sub(r"\\[nt](?![A-Za-z])", "\n", text)
    text = re.sub(r"&\s*(?==|\\)", " ", text)
    text = _SET_MINUS.sub(" ∖ ", text)
    text = _NAMED_PATTERN.sub(lambda found: _NAMED[found.group()], text)
    text = _DROPPED.sub(" ", text)
    for _ in range(4):
        changed = _STYLED.sub(_unstyled, text)
        if changed == text:
            break
        text = changed
    return _STYLE_SWITCH.sub(" ", text)


def _unstyled(found: re.Match[str]) -> str:
    return f" {found[1]} "
