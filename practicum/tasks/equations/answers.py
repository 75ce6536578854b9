r"""Read answers as models write them: lists, sets, ±, boxes, "no real solutions", "all real numbers except
0".

The reader knows a small vocabulary. A word outside it makes the answer unparseable instead of being skipped,
so that "It isn't 12" or "12 is extraneous" can never count as 12.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from practicum.tasks.equations.expression import (
    GREEK,
    MAX_CHARACTERS,
    Expression,
    LimitError,
    Number,
    ParseError,
    Parser,
    Token,
    parse_tokens,
    tokenize,
    word_set,
)

MAX_MEMBERS = 32
"""Most members of a list, each ± counted twice."""
MAX_TEXT = 100_000
"""Longest text that is searched for a \\boxed{...}."""


@dataclass(frozen=True)
class Value:
    """One member: one or more forms that must all be equal (6/2 = 3), with the text it was read from."""

    forms: tuple[Expression, ...]
    choices: int
    text: str


@dataclass(frozen=True)
class Range:
    """An interval; None for an infinite end."""

    low: Expression | None
    low_closed: bool
    high: Expression | None
    high_closed: bool


@dataclass
class Answer:
    """What an answer says, still unevaluated. Several statements together may contradict each other."""

    values: list[Value] = field(default_factory=list)
    ranges: list[Range] = field(default_factory=list)
    exclusions: list[Value] = field(default_factory=list)
    says_none: bool = False
    says_all: bool = False
    approximate: str = ""

    @property
    def is_blank(self) -> bool:
        """Whether nothing was stated."""
        return not (
            self.values
            or self.ranges
            or self.exclusions
            or self.says_none
            or self.says_all
            or self.approximate
        )


_SEPARATORS = frozenset(("or", "and"))
_FILLERS = word_set(
    """the solution solutions root roots is are answer answers final value values real so thus hence
    therefore we get have find obtain both only either equation of to this that its set two three unique
    single distinct double repeated twice once sum total equal equals exist exists valid has holds there
    in by then satisfies satisfy possible numbers number reals such be it for over result"""
)
_NONE_WORDS = word_set("no none dne empty null nothing")
_ALL_WORDS = word_set("all every any infinitely infinite identity always")
_PHRASE_WORDS = word_set("not does do many true nonzero")
_EXCEPT_WORDS = word_set("except excluding besides but")
_REASON_WORDS = word_set("because since")
_CONDITION_WORDS = word_set("for when if where provided with assuming whenever")
WORDS = (
    _SEPARATORS | _FILLERS | _NONE_WORDS | _ALL_WORDS | _PHRASE_WORDS | _EXCEPT_WORDS | _REASON_WORDS
    | _CONDITION_WORDS
)  # fmt: skip
_NOUNS = word_set("solution solutions root roots value values number numbers answer answers set")
_COUNTS = word_set("two three")
_COUNTED = _NOUNS | {"real", "distinct", "different", "exact"}
_REFUSED_LABELS = word_set(
    """wrong false extraneous invalid reject rejected discard discarded exclude excluded incorrect
    approximately"""
)
_SAYS_EQUAL = frozenset(("is", "are", "equals"))
_RELATIONS = frozenset(("<", ">", "≤", "≥"))
_OPENING = {"(": ")", "[": "]", "{": "}", "|(": "|)"}
_CLOSING = frozenset(")]}") | {"|)"}
_ANSWER_LINE = re.compile(r"answer[*_`\"']{0,3}\s*:", re.IGNORECASE)


def extract_answer(completion: str) -> str | None:
    r"""The text after the last "answer:" of a solution (to the end of its line), or else its last
    \boxed{...}.

    None when the solution names no answer: a format error, which a score counts as unparseable.
    """
    lines = list(_ANSWER_LINE.finditer(completion))
    if lines:
        for line in completion[lines[-1].end() :].split("\n", 2)[:2]:
            if line.strip(" \t\r*_`"):
                return line.strip(" \t\r*_`")
        return ""
    try:
        return last_box(completion)
    except ParseError:
        return None


def last_box(text: str) -> str | None:
    r"""What is inside the last \boxed{...} with balanced braces; None without one."""
    start = text.rfind("\\boxed{")
    if start < 0:
        return None
    depth = 0
    for position in range(start + 6, min(len(text), start + 6 + 2 * MAX_CHARACTERS)):
        if text[position] == "{":
            depth += 1
        elif text[position] == "}":
            depth -= 1
            if depth == 0:
                return text[start + 7 : position]
    raise ParseError("a \\boxed{ is never closed")


def parse_answer(text: str, parametric: bool = False, is_sum: bool = False) -> Answer:
    """Read an answer. With `parametric`, a trailing condition ("for a > 5") is cut off and not judged; with
    `is_sum` a label may be a sum of names ("x_1 + x_2 = 4").

    Raises ParseError for anything outside the grammar and LimitError over a limit.
    """
    if len(text) > MAX_TEXT:
        raise LimitError(f"the answer has {len(text):,} characters, over the limit of {MAX_TEXT:,}")
    if "\\boxed" in text:
        text = last_box(text) or ""
    text = text.strip(" \t\r\n*`\"'")
    tokens = _without_remarks(_cut(tokenize(text, WORDS), _REASON_WORDS))
    if parametric:
        tokens = _cut(tokens, _CONDITION_WORDS)
    while tokens and tokens[-1].kind in (".", "("):
        tokens.pop()
    answer = Answer()
    for joined_by, item in _split(tokens):
        _read_item(answer, _without_sum_label(item) if is_sum else item, text, joined_by, parametric)
    if answer.is_blank:
        raise ParseError("the answer is empty")
    return answer


def _cut(tokens: list[Token], words: frozenset[str]) -> list[Token]:
    for index, token in enumerate(tokens):
        if token.kind == "word" and token.text in words and index:
            return tokens[:index]
    return tokens


def _without_remarks(tokens: list[Token]) -> list[Token]:
    """Drop parentheses with only words in them, such as "(double root)"."""
    kept: list[Token] = []
    index = 0
    while index < len(tokens):
        if tokens[index].kind == "(":
            end = index + 1
            while end < len(tokens) and tokens[end].kind == "word" and tokens[end].text in _FILLERS:
                end += 1
            if end > index + 1 and end < len(tokens) and tokens[end].kind == ")":
                index = end + 1
                continue
        kept.append(tokens[index])
        index += 1
    return kept


def _split(tokens: list[Token]) -> list[tuple[str, list[Token]]]:
    """Items between separators outside brackets, each with the separator before it ("" or "or" or "and" or
    ",").
    """
    items: list[tuple[str, list[Token]]] = []
    current: list[Token] = []
    depth, joined_by = 0, ""
    for token in tokens:
        if token.kind in _OPENING:
            depth += 1
        elif token.kind in _CLOSING:
            depth -= 1
        is_word = token.kind == "word" and token.text in _SEPARATORS
        if depth == 0 and (is_word or token.kind in (",", ";")):
            if current:
                items.append((joined_by, current))
                current, joined_by = [], ","
            joined_by = token.text if is_word else joined_by
            if len(items) > MAX_MEMBERS:
                raise LimitError(f"a list of over {MAX_MEMBERS} members")
        else:
            current.append(token)
    if current:
        items.append((joined_by, current))
    return items


def _without_sum_label(item: list[Token]) -> list[Token]:
    """Drop "x_1 + x_2 =" before a sum."""
    place = next((index for index, token in enumerate(item) if token.kind == "="), 0)
    is_label = place > 2 and all(
        token.kind == ("+" if index % 2 else "name") for index, token in enumerate(item[:place])
    )
    return item[place + 1 :] if is_label and place % 2 else item


def _is_filler(token: Token) -> bool:
    return token.kind == ":" or (token.kind == "word" and token.text in _FILLERS)


def _read_item(answer: Answer, item: list[Token], text: str, joined_by: str, parametric: bool) -> None:
    item = _with_real_numbers(item)
    if any(token.kind == "word" and not _is_filler(token) for token in item) or any(
        token.kind in ("∅", "ℝ") for token in item
    ):
        _read_phrase(answer, item, text)
        return
    start, end = 0, len(item)
    while start < end and _is_filler(item[start]):
        start += 1
    while end > start and _is_filler(item[end - 1]):
        end -= 1
    for index, token in enumerate(item):
        if token.text in _COUNTS and (index + 1 == len(item) or item[index + 1].text not in _COUNTED):
            raise ParseError("write numbers in digits")
    if start == end:
        return
    if end < len(item) and item[end].text in _NOUNS:
        raise ParseError(f"{item[end].text!r} after a number counts instead of naming")
    item = item[start:end]
    kinds = {token.kind for token in item}
    if kinds & _RELATIONS:
        if parametric:
            return
        _require_union(answer, joined_by)
        answer.ranges.append(_read_inequality(item))
    elif "≠" in kinds:
        answer.exclusions.append(_read_exclusion(item, text))
    else:
        _read_value(answer, item, text, joined_by, parametric)


def _with_real_numbers(item: list[Token]) -> list[Token]:
    """A plain R is the set of real numbers where it stands alone or before {: "R \\ {0}"."""
    return [
        token._replace(kind="ℝ")
        if token.text == "R" and (index + 1 == len(item) or item[index + 1].kind in ("{", "∖"))
        else token
        for index, token in enumerate(item)
    ]


def _require_union(answer: Answer, joined_by: str) -> None:
    if answer.ranges and joined_by != "or":
        raise ParseError("join ranges with 'or' or ∪")


def _read_exclusion(item: list[Token], text: str) -> Value:
    """x ≠ 3, or ≠ 3."""
    place = next(index for index, token in enumerate(item) if token.kind == "≠")
    if place > 1 or (place == 1 and item[0].kind != "name"):
        raise ParseError("read only 'x ≠ number'")
    return _value([item[place + 1 :]], text)


def _read_value(answer: Answer, item: list[Token], text: str, joined_by: str, parametric: bool) -> None:
    """[label =] expression [= expression ...] [≈ decimal], or a set or intervals in place of the
    expression.
    """
    parts: list[list[Token]] = [[]]
    relations: list[str] = []
    depth = 0
    for index, token in enumerate(item):
        if token.kind in _OPENING:
            depth += 1
        elif token.kind in _CLOSING:
            depth -= 1
        says_equal = token.kind == "word" and token.text in _SAYS_EQUAL
        if depth == 0 and token.kind == "≈":
            if not parts[-1] or (len(parts) == 1 and _is_label(parts[0])):
                answer.approximate = text
                return
            break
        if depth == 0 and (says_equal or token.kind in ("=", "∈", ":") or _is_in(token)):
            parts.append([])
            relations.append(token.kind)
        elif not _is_filler(token):
            parts[-1].append(token)
        elif depth or (parts[-1] and any(not _is_filler(later) for later in item[index:])):
            raise ParseError(f"unexpected word {token.text!r}")
    if len(parts) > 1 and (
        not parts[0] or _is_label(parts[0]) or (relations[0] == "=" and _is_word(parts[0]))
    ):
        del parts[0]
    if not all(parts):
        raise ParseError("a value is missing")
    if len(parts) == 2 and _is_label(parts[1]) and not parametric:
        del parts[1]
    if not parts:
        raise ParseError("a value is missing")
    if answer.exclusions:
        if answer.values or len(parts) > 1:
            raise ParseError("name what is excluded last")
        answer.exclusions.append(_value(parts, text))
        return
    if len(parts) == 1 and _read_sets(answer, parts[0], text, joined_by):
        return
    answer.values.append(_value(parts, text))


def _is_label(part: list[Token]) -> bool:
    """One letter, Latin or Greek, with or without subscript."""
    if len(part) != 1 or part[0].kind != "name":
        return False
    letters = part[0].text.partition("_")[0]
    return len(letters) == 1 or letters.lower() in GREEK


def _is_word(part: list[Token]) -> bool:
    """A longer name that may stand before "=", such as the unknown of "2*speed = 6"."""
    return len(part) == 1 and part[0].kind == "name" and part[0].text.lower() not in _REFUSED_LABELS


def _is_in(token: Token) -> bool:
    return token.kind == "word" and token.text == "in"


def _value(parts: list[list[Token]], text: str) -> Value:
    forms = []
    choices = 0
    for part in parts:
        parser = Parser(part)
        forms.append(parser.sum())
        parser.expect_end()
        choices = max(choices, parser.choices)
    return Value(tuple(forms), choices, _source(parts[0], text))


def _source(part: list[Token], text: str) -> str:
    """The user's own text of the tokens."""
    return "".join(token.text for token in part) if part else text


def _read_sets(answer: Answer, part: list[Token], text: str, joined_by: str) -> bool:
    """Read {..}, intervals, and unions of them; False when the part is a plain expression."""
    if part[0].kind not in ("{", "(", "["):
        return False
    pieces: list[list[Token]] = [[]]
    for token in part:
        if token.kind == "∪" or (token.kind == "name" and token.text == "U"):
            pieces.append([])
        else:
            pieces[-1].append(token)
    if len(pieces) == 1 and not _is_bracketed_list(part):
        return False
    for number, piece in enumerate(pieces):
        if not _is_bracketed_list(piece) and not (piece and piece[0].kind == "{" and piece[-1].kind == "}"):
            raise ParseError("a union joins sets {1, 3} and intervals (0, 1]")
        members = _split(piece[1:-1])
        if piece[0].kind == "{":
            if not members:
                answer.says_none = True
            for _, member in members:
                _read_value(answer, member, text, ",", False)
        elif len(members) == 2:
            if number == 0:
                _require_union(answer, joined_by)
            low, high = members[0][1], members[1][1]
            answer.ranges.append(
                Range(_end(low, negative=True), piece[0].kind == "[", _end(high), piece[-1].kind == "]")
            )
        else:
            raise ParseError("write a set as {1, 3}")
    return True


def _is_bracketed_list(piece: list[Token]) -> bool:
    """Whether one pair of brackets encloses everything and it is a set or has a comma of its own."""
    if len(piece) < 2 or piece[0].kind not in ("{", "(", "[") or piece[-1].kind not in ("}", ")", "]"):
        return False
    depth, commas = 0, 0
    for index, token in enumerate(piece):
        if token.kind in _OPENING:
            depth += 1
        elif token.kind in _CLOSING:
            depth -= 1
            if depth == 0 and index < len(piece) - 1:
                return False
        elif depth == 1 and token.kind in (",", ";"):
            commas += 1
    return commas > 0 or len(piece) == 2


def _end(tokens: list[Token], negative: bool = False) -> Expression | None:
    """One end of an interval; None for infinity, which must have the right sign."""
    signs = [token.kind for token in tokens[:-1]]
    if tokens and tokens[-1].kind == "∞":
        if signs != (["-"] if negative else []) and (negative or signs != ["+"]):
            raise ParseError("an interval runs from -∞ to ∞")
        return None
    return parse_tokens(tokens)


def _read_inequality(item: list[Token]) -> Range:
    """x > 2, 2 < x, 0 <= x < 3."""
    parts: list[list[Token]] = [[]]
    relations = []
    for token in item:
        if token.kind in _RELATIONS:
            relations.append(token.kind)
            parts.append([])
        else:
            parts[-1].append(token)
    if len(parts) == 2:
        if _is_label(parts[1]):
            parts.reverse()
            relations = [{"<": ">", ">": "<", "≤": "≥", "≥": "≤"}[relations[0]]]
        if _is_label(parts[0]):
            bound, closed = parse_tokens(parts[1]), relations[0] in ("≤", "≥")
            if relations[0] in ("<", "≤"):
                return Range(None, False, bound, closed)
            return Range(bound, closed, None, False)
    if len(parts) == 3 and _is_label(parts[1]):
        if all(relation in ("<", "≤") for relation in relations):
            return Range(
                _end(parts[0], negative=True), relations[0] == "≤", _end(parts[2]), relations[1] == "≤"
            )
        if all(relation in (">", "≥") for relation in relations):
            return Range(
                _end(parts[2], negative=True), relations[1] == "≥", _end(parts[0]), relations[0] == "≥"
            )
    raise ParseError("read only inequalities such as x > 2 or 0 <= x < 3")


def _read_phrase(answer: Answer, item: list[Token], text: str) -> None:
    """Sentences that name no number ("no real solutions") or everything with exceptions ("all x except
    0").
    """
    words = [token.text for token in item if token.kind == "word"]
    symbols = [token for token in item if token.kind not in ("word", ":", "=", "∈")]
    present = set(words)
    names = [token for token in symbols if token.kind == "name"]
    if any(token.kind == "∅" for token in symbols):
        if all(token.kind in ("∅", "name") for token in symbols) and present <= _FILLERS:
            answer.says_none = True
            return
        raise ParseError("unexpected text around ∅")
    if present & _NONE_WORDS or ("not" in present and present & {"exist", "exists"}):
        allowed = all(token.kind == "ℝ" or _is_label([token]) for token in symbols) and len(names) < 2
        if allowed and _is_none_phrase(present, bool(names)):
            answer.says_none = True
            return
        raise ParseError("not understood as 'no real solutions'")
    if present & _ALL_WORDS or any(token.kind == "ℝ" for token in symbols):
        _read_everything(answer, item, text)
        return
    unknown = sorted(present - _FILLERS)
    raise ParseError(f"unexpected word {unknown[0]!r}" if unknown else "not understood")


def _is_none_phrase(words: set[str], names_unknown: bool) -> bool:
    if words - _FILLERS - _NONE_WORDS - {"not", "does", "do", "any"}:
        return False
    if "no" in words:
        return (bool(words & _NOUNS) or names_unknown) and "not" not in words
    if words & {"none", "dne", "nothing"}:
        return "not" not in words
    if words & {"empty", "null"}:
        return "set" in words and "not" not in words
    return bool(words & {"does", "do"})


def _read_everything(answer: Answer, item: list[Token], text: str) -> None:
    """ "all real numbers", "x ∈ ℝ", "ℝ \\ {0}", "all x except 0", "all x ≠ 0"."""
    head = 0
    while head < len(item) and (
        item[head].kind in ("ℝ", ":", "=", "∈")
        or _is_label(item[head : head + 1])
        or (item[head].kind == "word" and item[head].text not in _EXCEPT_WORDS | {"with", "where"})
    ):
        head += 1
    words = {token.text for token in item[:head] if token.kind == "word"}
    if words - _FILLERS - _ALL_WORDS - {"many", "true", "nonzero"}:
        raise ParseError("not understood as 'all real numbers'")
    answer.says_all = True
    if "nonzero" in words:
        answer.exclusions.append(Value((Number(0),), 0, "0"))
    rest = item[head:]
    while rest and (rest[0].kind == "word" or rest[0].kind in ("∖", "-", ":")):
        rest = rest[1:]
    if any(token.kind == "≠" for token in rest):
        while rest and rest[0].kind != "≠":
            if rest[0].kind not in ("name", "word"):
                raise ParseError("read only 'x ≠ number'")
            rest = rest[1:]
        rest = rest[1:]
    if not rest:
        if head < len(item):
            raise ParseError("an exception is announced but not named")
        return
    if rest[0].kind == "{" and rest[-1].kind == "}":
        rest = rest[1:-1]
    for _, member in _split(rest):
        kept = [token for token in member if token.kind != "word"]
        if len(kept) > 2 and _is_label(kept[:1]) and kept[1].kind in ("=", "≠"):
            kept = kept[2:]
        answer.exclusions.append(_value([kept], text))


_CHOICE = re.compile(r"\\pm|\\mp|\+/-|\+-|-\+|[±∓]")


def with_signs(text: str, signs: tuple[int, ...]) -> str:
    """The text of one member of "2 ± sqrt(3)": "2 + sqrt(3)" or "2 - sqrt(3)"."""
    if not signs:
        return text
    pending = list(signs)

    def choose(match: re.Match[str]) -> str:
        flipped = match.group() in ("\\mp", "∓", "-+")
        sign = (pending.pop(0) if pending and not flipped else signs[0]) * (-1 if flipped else 1)
        return "-" if sign < 0 else "" if match.start() == 0 else "+"

    return _CHOICE.sub(choose, text)
