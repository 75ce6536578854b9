"""One text to try on one row, and what it would mean if it were paid, or refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Expected = Literal["refused", "paid", "steady"]


@dataclass(frozen=True)
class Probe:
    """A text for a row. expected: what a sound reward does with it; `steady` says only that it judges it.

    family: what it would exploit, or what would be refused. what: the text in words, to follow "a reply".
    alone: one row is proof enough, since the text is wrong (or right) whatever the task is.
    elsewhere: it counts only where the reward pays the same edit (`what`) of another honest text.
    group: edits that are alike; where a reward pays most of a group, a refused one of it counts too.
    hint: paid, it shows that the reward tolerates its group; refused, it shows nothing.
    contrast: it counts only where the reward refuses most of what is as wrong as it.
    control: a text for the same row; it counts only where the reward refuses that one.
    slow: it may hang, so it is asked by itself.
    """

    row: int
    text: str
    family: str
    expected: Expected
    what: str
    alone: bool = True
    slow: bool = False
    base: str = ""
    elsewhere: bool = False
    group: str = ""
    hint: bool = False
    contrast: bool = False
    control: str = ""


@dataclass(frozen=True)
class Edit:
    """A rewriting: its family, what it does to a right text, the new text, and whether it is right by itself.

    alike: the reward that pays most edits of the family must pay them all.
    hint: paid, it shows that the reward tolerates the like; refused, it shows nothing.
    """

    family: str
    what: str
    text: str
    alike: bool = True
    sure: bool = False
    hint: bool = False


def refused(row: int, text: str, family: str, what: str, alone: bool = True) -> Probe:
    """A text that a sound reward refuses."""
    return Probe(row, text, family, "refused", what, alone)
