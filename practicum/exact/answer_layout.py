r"""How an answer is laid out: bullets, list marks, and what programs put around numbers.

A mark is taken away only where it can be nothing else: "- 1" on each of several lines is a list, "-1" is a
negative number, and where both stand together the answer is unreadable.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from practicum.exact.expression import ParseError

# U+2212 is a minus sign and never a bullet.
_DASH = re.compile(r"[ \t]*[-–—][ \t]+(?=\S)")
_TOUCHING_DASH = re.compile(r"[ \t]*[-–—−](?=\S)")
_BEGINS_NUMBER = re.compile(r"[0-9.(√\\/$*`+−-]")


def without_dash_bullets(text: str) -> str:
    """The text without the dashes of a list of two or more lines; a single "- 1" stays minus one.

    Raises ParseError where a dash at the start of a line may be a bullet or a minus sign.
    """
    if "\n" not in text:
        return text
    lines = text.split("\n")
    marks = [_DASH.match(line) for line in lines]
    listed = [place for place, mark in enumerate(marks) if mark]
    if not any(
        mark and _BEGINS_NUMBER.match(line, mark.end()) for mark, line in zip(marks, lines, strict=True)
    ):
        return text
    before = next((line for line in reversed(lines[: listed[0]]) if line.strip()), "")
    goes_on = before.strip()[-1:] != ":" and re.search(r"[0-9]", before) is not None
    if len(listed) < 2 or goes_on or any(_TOUCHING_DASH.match(line) for line in lines):
        raise ParseError("a dash before a number may be a bullet or a minus sign")
    return "\n".join(line[mark.end() :] if mark else line for mark, line in zip(marks, lines, strict=True))


# -- (1) (2), (a) (b), i) ii), ① ② --------------------------------------------------------------------------

_CIRCLED = "①②③④⑤⑥⑦⑧⑨⑩"
_SEQUENCES: tuple[Sequence[str], ...] = (
    [str(number) for number in range(1, 33)],
    "abcdefgh",
    ["i", "ii", "iii", "iv", "v", "vi", "vii", "viii"],
    _CIRCLED,
)
_MARK = re.compile(
    rf"(?:(?<=[\s,;.:])|\A)(?:\(([0-9]{{1,2}}|[a-h]|[ivx]{{1,4}})\)|([a-h]|[ivx]{{1,4}})\)|([{_CIRCLED}]))"
    r"[ \t]*(?=[^\s,;.:)])"
)
_LABELLED = re.compile(r"[$*`\s]*[^\W\d_]\w*(?:_\{?\w+\}?)?\s*(?:=|\\in|∈)")


def without_list_marks(text: str) -> str:
    """The text with line breaks in place of "(1) ... (2) ...", in order, all on lines or before labels."""
    marks = list(_MARK.finditer(text))
    said = [mark[1] or mark[2] or mark[3] for mark in marks]
    if len(marks) < 2 or not any(said == list(names[: len(said)]) for names in _SEQUENCES):
        return text
    opening = text[: marks[0].start()].rstrip(" \t")
    if opening[-1:] not in ("", "\n", ":"):
        return text
    on_lines = all(not _line_before(text, mark.start()) for mark in marks[1:])
    labelled = all(_LABELLED.match(text, mark.end()) for mark in marks)
    if not (on_lines or labelled or said[0] in _CIRCLED):
        return text
    return opening + _MARK.sub("\n", text[marks[0].start() :]).lstrip()


def _line_before(text: str, place: int) -> str:
    return text[text.rfind("\n", 0, place) + 1 : place].strip()


# -- what programs write ------------------------------------------------------------------------------------

_HTML_SPACE = re.compile(r"&(?:nbsp|ensp|emsp|thinsp);")
_FINITE_SET = re.compile(r"\b(?:FiniteSet|Set)\(")
_RATIONAL = re.compile(r"\bRational\((-?[0-9]+), ?([0-9]+)\)")
_EMPTY_SET = re.compile(r"\b(?:S\.)?EmptySet\b")
_PLURAL = re.compile(r"\b(answer|solution|root|value|zero)\(s\)", re.IGNORECASE)
_SOLUTION_SET = re.compile(r"\bS\.? ?S\.?(?=\s*[=:]\s*\\?\{)")
_PRIMED = re.compile(r"(?<![\w'])([A-Za-z])('{1,2})(?=\s*=)")
_QUOTED = re.compile(r"^[ \t]*>[ \t]+(?=[A-Za-z]\w*[ \t]*=)", re.MULTILINE)
_NOTE = re.compile("\uff08(?=[^\uff08\uff09()]*[=\u2260\u3040-\u30ff\u3400-\u9fff])")
_CHEERS = re.compile(
    "[\U0001f389\U0001f38a\u2728\U0001f44d\U0001f642\U0001f60a\U0001f600\U0001f603\U0001f604\U0001f4af\u2b50"
    "\U0001f31f\U0001f525\U0001f44f\U0001f64c\U0001f3af\U0001f4dd\U0001f4cc\U0001f4a1\U0001f449]\ufe0f?"
)
_NEAR_COMMA = re.compile(r"(\u2248\s*[-\u2212]?[0-9]+),([0-9]+)(?![0-9,])")
_ONE_SOLUTION = re.compile(
    r"\b(?:lösung|antwort|solution|réponse|solución|respuesta|solução|resposta|soluzione|risposta|oplossing)\s+"
    r"(?:ist|lautet|est|es|é|è)\b|\brozwiązaniem jest\b",
    re.IGNORECASE,
)
_COMMA = re.compile(r"(?<![0-9,;])([0-9]+),([0-9]+)(?![0-9,])")
_PROVED = re.compile(r"[\s.,;]+\(?q\.?\s?e\.?\s?d\.?\)?\s*\Z", re.IGNORECASE)


def without_wrappings(text: str) -> str:
    """Plain spellings of FiniteSet(1, 3), Rational(1, 2), solution(s), x' and x'', "> x = 1", Q.E.D."""
    if "Set" in text:
        text = _EMPTY_SET.sub("∅", text)
        text = _as_braces(text)
    if "&" in text:
        text = _HTML_SPACE.sub(" ", text)
    if "Rational(" in text:
        text = _RATIONAL.sub(r"(\1/\2)", text)
    if "(s)" in text:
        text = _PLURAL.sub(r"\1s", text)
    if "S" in text:
        text = _SOLUTION_SET.sub("S", text)
    if not text.isascii():
        # Where a decimal comma is usual: behind "about", and where one solution is named in such a language.
        text = _NEAR_COMMA.sub(r"\1.\2", text)
        # A full-width bracket with a sentence or an equation in it is a note, and no factor.
        text = _CHEERS.sub("", _NOTE.sub(" (", text))
    if "," in text and len(_COMMA.findall(text)) == 1 and _ONE_SOLUTION.search(text):
        text = _COMMA.sub(r"\1.\2", text)
    if "''" in text:
        text = _PRIMED.sub(lambda found: f"{found[1]}_{len(found[2])}", text)
    if ">" in text:
        text = _QUOTED.sub("", text)
    return _PROVED.sub("", text) if text[-8:].rstrip(" .)\n")[-1:] in ("d", "D") else text


def _as_braces(text: str) -> str:
    """FiniteSet(1, 3) as {1, 3}."""
    while (found := _FINITE_SET.search(text)) is not None:
        depth, place = 1, found.end()
        while place < len(text) and depth:
            depth += (text[place] == "(") - (text[place] == ")")
            place += 1
        if depth:
            break
        text = f"{text[: found.start()]}{{{text[found.end() : place - 1]}}}{text[place:]}"
    return text
