"""Which families of texts show one and the same fault."""

from __future__ import annotations

from collections.abc import Sequence

from practicum.audit.fuzz.branches import FAMILY as BRANCH
from practicum.audit.fuzz.probe import Probe
from practicum.audit.fuzz.rules import FAMILY as RULES

RARE = {"a_hundredth", "a_hundred_times", "a_decimal_added", "separators_added", "injection", "odd_text"}
"""Families of texts that people and policies seldom write."""

COVERS = {
    "wrong_answer": None,
    "empty": {"whitespace", "bare_format", "hedge", "truncated", "prompt_echo", "judge_text", "gibberish"},
    "hedge": {"bare_format", "judge_text", "truncated", "prompt_echo"},
    "contradiction": {"answer_spray"},
    "bare_format": {"judge_text"},
}
"""Family -> families that a fault which pays it explains too, None: all."""


def leaders(hits: dict[str, list[Probe]]) -> dict[str, list[Probe]]:
    """The families without those that another one explains: it is paid on all rows where they are."""
    rows = {family: {one.row for one in some} for family, some in hits.items()}
    dropped = set()
    for leader, covered in COVERS.items():
        if leader not in hits:
            continue
        for family in hits:
            explained = covered is None or family in covered
            if family != leader and explained and rows[family] <= rows[leader]:
                dropped.add(family)
    return {family: some for family, some in hits.items() if family not in dropped}


WRONG_VALUE = "whose answer is wrong"
"""How probes begin that give another value in the place of the right one."""
SHOWN_BY = (
    ("another_answer", "far_off", "zero", "sign_dropped", "near_miss", "numbers_changed", "cut_short"),
    ("contradiction", "answer_spray", "number_list", "mentioned_answer", BRANCH),
    ("empty", "hedge", "bare_format", "bare_marks", "prompt_echo", "truncated", "injection", "odd_text",
     "whitespace", "gibberish", "own_words", "judge_text"),
    (RULES, "left_out", "cut_off", "reordered", "doubled", "not_closed", "letter_case"),
    ("formatting", "too_long", "too_short", "praise", "step_words", "second_thoughts", "repetition",
     "format_repeated", "field_inflated"),
)  # fmt: skip
"""Families that show one fault where they are paid on the same rows, the clearest first; the first also holds
those of `WRONG_VALUE`, and explains the second."""


def merged(hits: dict[str, list[Probe]]) -> dict[str, list[str]]:
    """Families to report, each with those that show the same fault on the same rows or fewer."""
    rows = {family: {one.row for one in some} for family, some in hits.items()}
    left = sorted(hits, key=lambda family: (-len(rows[family]), _clarity(family)))
    groups: dict[str, list[str]] = {}
    for family in left:
        mine = _fault(family, hits[family])
        leader = next(
            (
                one
                for one in groups
                for its in [_fault(one, hits[one])]
                if mine is not None and rows[family] <= rows[one]
                if its == mine or ((its, mine) == (0, 1) and one not in RARE)
            ),
            None,
        )
        if leader is None:
            groups[family] = []
        else:
            groups[leader].append(family)
    return groups


def _fault(family: str, failing: Sequence[Probe]) -> int | None:
    """Which of `SHOWN_BY` a family belongs to; None where it is a fault of its own."""
    if failing[0].what.startswith(WRONG_VALUE):
        return 0
    return next((place for place, families in enumerate(SHOWN_BY) if family in families), None)


def _clarity(family: str) -> tuple[int, int]:
    """Where a family stands in its list; families of a wrong value that are in none, after those."""
    for place, families in enumerate(SHOWN_BY):
        if family in families:
            return place, families.index(family)
    return (1 if family in RARE else 0), len(SHOWN_BY[0])
