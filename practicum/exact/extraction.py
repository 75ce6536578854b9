r"""Find the answer in a whole solution: behind thinking, in tags, behind "answer:", in boxes.

What is found is read by the grammar of `answers.py` as it stands, so a box in a sentence is judged with its
sentence ("it is not \boxed{3}" is unreadable). What follows the answer may be left aside where it claims
nothing: checks, explanations, closing words. Anything else that follows stays part of the answer.
"""

from __future__ import annotations

import re

from practicum.exact.expression import MAX_CHARACTERS, LimitError, ParseError, word_set
from practicum.exact.phrases import HEDGES_AND_RETRACTIONS

MAX_TEXT = 100_000
"""Longest answer that is searched for tags and boxes; of a longer solution its end is searched."""

_END_TOKEN = re.compile(
    r"</s>|<\|(?:im_end|endoftext|eot_id|end_of_text|end|eom_id|endofprompt|return)\|>|<eos>|<end_of_turn>|<EOS>|<\|/s\|>"
    r"|<｜end▁of▁sentence｜>|<\|END_OF_TURN_TOKEN\|>|<pad>|\[EOS\]|</assistant>|<\|assistant_end\|>"
)
_THOUGHT = re.compile(r"</(?:think|thinking|thought|reasoning|scratchpad)>", re.IGNORECASE)
_THINKING = re.compile(r"<(?:think|thinking|thought|reasoning|scratchpad)>", re.IGNORECASE)
_TAG = re.compile(r"<(answer|final_answer|solution|response|output)>", re.IGNORECASE)
_LABEL = re.compile(
    r"\b(?:answers?|ans|antwort|antworten|réponse|respuesta|resposta|risposta|ответ)\b"
    r"(?:[ \t]*\((?:final|exact|solve|sum|s)\))?"
    r"(?:[ \t]+(?:to|for|of)[ \t]+(?:the|this)[ \t]+(?:equation|problem|question|quadratic))?"
    r"[ \t]*(?:[*_`\"']{1,3}[ \t]*)?(?::|：|=(?!=)"
    r"|(?:is|are|lautet|ist|est|es|è|é)(?:\b|(?=[0-9]|(?-i:[A-Z]\b)))"
    r"[ \t]*:?(?![ \t]*(?:not|wrong|incorrect)\b))"
    r"|(?:答案|答え|答|解答)(?:是|为|は)?[：:]|(?:^|\n)####(?!#)"
    r"|(?:^|\n)[ \t]*(?:\#{1,6}[ \t]+\**|\*\*[ \t]*)(?:(?:the|my|our)[ \t]+)?(?:final[ \t]+)?"
    r"(?:answers?|antwort(?:en)?|réponses?|respuestas?|respostas?|rispost[ae]|ответ)[ \t]*\**[ \t]*(?=\n)",
    re.IGNORECASE,
)
_BEFORE_LABEL = word_set(
    """so thus therefore hence and the my our your final correct finally short complete exact overall
    conclusion in simplified is here here's this numerical full step die meine
    la le ma mi el il los las les"""
)
_MOST_BEFORE = 60
BOX = re.compile(r"\\(?:boxed|fbox|framebox|boxd)\s*(?=\{)")
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_MARKS = " \t*_`\"'#>•·-,("
_BLANK = " \t\r\n*_`"


def extract_answer(completion: str) -> str | None:
    r"""The answer of a solution: in <answer> tags, after the last "answer:", in the last boxes, whichever is
    last; with what follows it, unless that claims nothing.

    None when the solution names no answer: a format error, which a score counts as unparseable.
    """
    text = visible_text(completion)
    if text is None:
        return None
    text = text[-MAX_TEXT:]
    tagged = _tagged(text)
    if tagged is not None:
        return tagged.strip(_BLANK)
    label = last_label(text)
    boxes = _last_boxes(text)
    if boxes is None and label is None:
        return None
    if label is not None and (boxes is None or boxes[0] < label):
        return _behind_label(text, label)
    assert boxes is not None
    if label is not None and boxes[0] < end_of_block(text, label):
        return _behind_label(text, label)
    return _around_boxes(text, boxes)


def answer_text(text: str) -> str:
    r"""An answer as it was given, without thinking, tags, end tokens, fences, and with its boxes opened.

    Raises ParseError for an open box, LimitError for a text that is too long.
    """
    if len(text) > MAX_TEXT:
        raise LimitError(f"the answer has {len(text):,} characters, over the limit of {MAX_TEXT:,}")
    visible = visible_text(text)
    if visible is None:
        raise ParseError("thinking that does not end")
    tagged = _tagged(visible)
    if tagged is not None:
        visible = tagged
    boxes = _last_boxes(visible)
    if boxes is not None:
        if (boxes[0], boxes[1]) != (0, len(visible)):
            visible = _around_boxes(visible, boxes)
    elif "\n" in visible.strip():
        visible = _without_afterword_lines(visible)
    return without_boxes(without_fences(visible))


def visible_text(text: str) -> str | None:
    """What is behind the thinking and before the end of the turn; None while the thinking goes on."""
    thoughts = list(_THOUGHT.finditer(text)) if "</" in text else []
    if thoughts:
        text = text[thoughts[-1].end() :]
    elif "<" in text and _THINKING.search(text):
        return None
    if "<" in text or "[" in text:
        ended = _END_TOKEN.search(text)
        if ended:
            text = text[: ended.start()]
    return text


def _tagged(text: str) -> str | None:
    """What stands in the last <answer> ... </answer>, if it comes last."""
    tags = list(_TAG.finditer(text)) if "<" in text else []
    if not tags:
        return None
    name = tags[-1][1]
    inside, closing, rest = _partition(text[tags[-1].end() :], f"</{name}>")
    return _with_rest(inside, rest) if closing else inside


def _partition(text: str, closing: str) -> tuple[str, bool, str]:
    place = text.lower().find(closing.lower())
    return (text, False, "") if place < 0 else (text[:place], True, text[place + len(closing) :])


# -- labels ------------------------------------------------------------------------------------------------


def last_label(text: str) -> int | None:
    """Where the last label ends that nothing stands before on its line but what may."""
    for match in reversed(list(_LABEL.finditer(text))):
        if _is_label(text, match):
            return match.end()
    return None


def labels(text: str) -> list[tuple[int, int]]:
    """Where each label of an answer starts and ends."""
    return [(match.start(), match.end()) for match in _LABEL.finditer(text) if _is_label(text, match)]


def _is_label(text: str, match: re.Match[str]) -> bool:
    before = text[max(0, match.start() - _MOST_BEFORE) : match.start()]
    return match.group().lstrip()[:1] in ("#", "*") or _may_stand_before(
        before, match.start() <= _MOST_BEFORE
    )


def _may_stand_before(before: str, is_all: bool) -> bool:
    """Whether only words that belong to a label stand before it in its sentence or line."""
    while True:
        before = before.rstrip(_MARKS + "0123456789)")
        if not before:
            return is_all
        if before[-1] in "\n.!?;。|$]}:":
            return True
        word = re.search(r"[^\W\d_]+(?:'s)?\Z", before)
        if word is None or word.group().lower() not in _BEFORE_LABEL:
            return False
        before = before[: word.start()]


def _behind_label(text: str, end: int) -> str:
    block = text[end : end_of_block(text, end)]
    return _with_rest(block, text[end_of_block(text, end) :])


def end_of_block(text: str, start: int) -> int:
    """The end of the answer behind a label: of its line; of what stands behind an empty one."""
    lines = re.compile(r"[^\n]*\n?")
    place, opened = start, ""
    while place < len(text):
        line = lines.match(text, place)
        assert line is not None
        bare = line.group().strip(_BLANK + ":")
        mark = line.group().strip()
        place = line.end()
        if opened:
            if mark.endswith(opened):
                return place
        elif mark in ("$$", r"\[", r"\(") or mark.startswith("```"):
            opened = {"$$": "$$", r"\[": r"\]", r"\(": r"\)"}.get(mark, "```")
        elif bare or not line.group():
            return place
    return place


# -- boxes -------------------------------------------------------------------------------------------------


def _last_boxes(text: str) -> tuple[int, int] | None:
    r"""Where the last group of boxes starts and ends; boxes with only a few words of one sentence between
    them are one group. Raises ParseError for a last box that is never closed.
    """
    if "\\" not in text:
        return None
    found = list(BOX.finditer(text))
    if not found:
        return None
    end = end_of_box(text, found[-1].end())
    if end is None:
        return found[-1].start(), len(text)
    start = found[-1].start()
    for match in reversed(found[:-1]):
        closed = end_of_box(text, match.end())
        if closed is None or closed > start or not joins_boxes(text[closed:start]):
            break
        start = match.start()
    return start, end


_JOINING = re.compile(
    r"(?:[\s,;$&]|\\[,;: ()\[\]]|\\(?:quad|qquad|text\s*\{\s*(?:or|and)?\s*\})(?![A-Za-z])|\\\\"
    r"|\b(?:or|and|x|y|z|t|und|oder|ou|et)\b"
    r"|[A-Za-z](?:_\{?\d\}?)?\s*=|[-*•]\s)*"
)


def joins_boxes(between: str) -> bool:
    """Whether the text between two boxes makes them one list."""
    return len(between) < 60 and _JOINING.fullmatch(between) is not None and between.count("\n\n") == 0


def end_of_box(text: str, opening: int) -> int | None:
    """Where the box whose brace opens here ends, None where it does not end near."""
    depth = 0
    for position in range(opening, min(len(text), opening + 2 * MAX_CHARACTERS)):
        if text[position] == "{":
            depth += 1
        elif text[position] == "}":
            depth -= 1
            if depth == 0:
                return position + 1
    return None


def without_boxes(text: str) -> str:
    """The text with what is in its boxes in place of them."""
    if "\\" not in text:
        return text
    for _ in range(MAX_CHARACTERS):
        match = BOX.search(text)
        if match is None:
            return text
        end = end_of_box(text, match.end())
        if end is None:
            raise ParseError("a \\boxed{ is never closed")
        text = f"{text[: match.start()]} {text[match.end() + 1 : end - 1]} {text[end:]}"
    raise LimitError("too many boxes")


_SENTENCE_END = re.compile(r"[.!?。]\s|\n|[.!?。]\Z")


def _sentence_start(text: str, place: int) -> int:
    window = text[max(0, place - 2 * MAX_CHARACTERS) : place]
    ends = list(_SENTENCE_END.finditer(window))
    return max(0, place - 2 * MAX_CHARACTERS) + ends[-1].end() if ends else max(0, place - 2 * MAX_CHARACTERS)


def _around_boxes(text: str, boxes: tuple[int, int]) -> str:
    """The sentence that the boxes stand in, with what follows it unless that claims nothing."""
    start, end = boxes
    begin = _sentence_start(text, start)
    line = text.rfind("\n", 0, start)
    if line >= 0 and begin <= line + 1 and not text[line + 1 : start].strip(_BLANK + "$\\[(") and line > 0:
        begin = line + 1  # a box on a line of its own
    before = _clause(text[begin:start])
    stop = _SENTENCE_END.search(text, end)
    behind = len(text) if stop is None else stop.end()
    return _with_rest(before + text[start:behind], text[behind:])


_CONSEQUENCE = re.compile(
    r"(?:.*(?:[,;:]|\band))?\s*\b(?=(?:so|thus|therefore|hence|we (?:get|have|find|obtain|conclude)|"
    r"(?:the|our) (?:final |correct |only |real |exact |complete )*"
    r"(?:answers?|solutions?|roots?|solution set)\b)[\s,:])",
    re.IGNORECASE | re.DOTALL,
)


def _clause(before: str) -> str:
    """The last clause before a box, where the rest of its sentence is working without doubt or denial."""
    match = _CONSEQUENCE.match(before)
    if match is None or _has_cue(before[: match.end()]):
        return before
    return before[match.end() :]


# -- what follows ------------------------------------------------------------------------------------------

_CLOSINGS = re.compile(
    r"(?:please )?let me know (?:if|whether) you (?:have|need|want|would like)[^.\n]*[.!]?|"
    r"(?:i )?hope (?:this|that|it) (?:helps|is correct|is right)[.!]?|"
    r"feel free to [^.\n]*[.!]?|is there anything else[^.\n?]*\?|would you like[^.\n?]*\?|"
    r"do you (?:want|need)[^.\n?]*\?|"
    r"if you have (?:any )?(?:other |more |further )?questions[^.\n]*[.!]?|"
    r"(?:and )?(?:this|that|it) is (?:the|our|my) (?:final )?answer[.!]?|"
    r"we are done[.!]?|q\.?e\.?d\.?|done[.!]?",
    re.IGNORECASE,
)
_CHECKING = re.compile(
    r"\s*(?:[-*•>#\s]|\*\*)*(?:check|checks|checking|verif\w*|proof|test|substitut\w*|plug\w*|"
    r"both (?:values|solutions|roots)|"
    r"explanation|reason\w*|justification|working|confirm\w*)\b",
    re.IGNORECASE,
)
_CHECKING_ON = re.compile(
    r"\s*(?:[-*•>#\s]|\*\*)*(?:for|when|with|at|lhs|rhs|left|right|both|[-+0-9(.$\\√]+.*=)", re.IGNORECASE
)
_MATHS = re.compile(r"[0-9=<>≤≥≠≈±√∞ℝ∅∈\\^+*/|]|\b[a-z]\b", re.IGNORECASE)
_CLAIM = re.compile(
    r"\b(?:answers?|solutions?|roots?|result|should|must|conclu\w*|final\w*|therefore|thus|hence|so|actually|real|correct\w*)\b",
    re.IGNORECASE,
)


def _with_rest(block: str, rest: str) -> str:
    block = _trimmed(block)
    return block if claims_nothing(rest) else f"{block}\n{_trimmed(rest)}"


def _trimmed(text: str) -> str:
    stripped = text.strip(" \t\r\n")
    while len(stripped) > 1 and stripped[0] in "*_`" and stripped[-1] in "*_`":
        stripped = stripped.strip("*_`").strip()
    return stripped.strip("*`").strip() if stripped.count("**") != 2 else stripped


def claims_nothing(rest: str) -> bool:
    """Whether what follows an answer leaves it as it is: no doubt, no denial, no other claim."""
    if not rest.strip(_BLANK + "$.!])}✓✅∎□■\\"):
        return True
    if len(rest) > MAX_TEXT:
        return False
    rest = _CLOSINGS.sub(" ", rest)
    checking = False
    for part in re.split(r"(?<=[.!?。])\s+|\n", rest):
        if not part.strip(_BLANK + "$.!])}✓✅∎□■\\"):
            continue
        if _has_cue(part) or "..." in part or "≠" in part or "≈" in part:
            return False
        checking = checking or _CHECKING.match(part) is not None
        if _MATHS.search(re.sub(r"\b[aAI]\b", "", part)):
            goes_on = checking and (_CHECKING.match(part) or _CHECKING_ON.match(part))
            if not goes_on or _CLAIM.search(part):
                return False
    return True


def _has_cue(text: str) -> bool:
    words = (word.lower().replace("’", "'") for word in _WORD.findall(text))
    return "?" in text or any(word in HEDGES_AND_RETRACTIONS or word.endswith("n't") for word in words)


def _without_afterword_lines(text: str) -> str:
    """An answer without lines behind it that check or explain."""
    lines = text.strip().split("\n")
    for place, line in enumerate(lines[1:], start=1):
        if _CHECKING.match(line) and claims_nothing("\n".join(lines[place:])):
            return "\n".join(lines[:place])
    return text


def without_fences(text: str) -> str:
    """The text without code fences, display marks and a heading "answer" on a line of its own."""
    if "```" in text:
        text = re.sub(r"^[ \t]*```[a-z]*[ \t]*$", "", text, flags=re.MULTILINE | re.IGNORECASE)
    if "\\" in text or "$$" in text:
        text = re.sub(r"\$\$|\\[\[\]()]", " ", text)
    return re.sub(r"\n[ \t]*(?=\n)", "", text).strip()
