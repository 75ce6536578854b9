"""Texts that a regular expression matches: the shortest plain ones, a few, without matching anything."""

from __future__ import annotations

import re

MOST = 8
GROUP = re.compile(r"\?(?:P?<\w+>|[a-zA-Z-]*:|>)")
LOOK = re.compile(r"\?<?[!=]")
FLAGS = re.compile(r"\?[a-zA-Z]+(?=\))")
SET = re.compile(r"\[(\^?)(\]?(?:\\.|[^\]\\])*)\]")
REPEAT = re.compile(r"(?:[*?]|(\+)|\{(\d*),?\d*\})[?+]?")
ESCAPES = {"d": "7", "w": "a", "s": " ", "S": "x", "D": "x", "W": " ", "n": "\n", "t": "\t", "r": "\r"}
NOTHING = "bBAZzG0123456789"
"""Escapes that stand for a place, or for what a group matched."""


def examples(pattern: str) -> list[str]:
    """At most `MOST` texts, one for each alternative. Approximate: look-arounds and back-references are left
    out, and what is no pattern gives what it looks like."""
    texts, _ = _branches(pattern, 0)
    return list(dict.fromkeys(texts))[:MOST]


def _branches(pattern: str, place: int) -> tuple[list[str], int]:
    """The texts of a group's inside that begins at `place`, and where it ends."""
    done: list[str] = []
    texts = [""]
    while place < len(pattern) and pattern[place] != ")":
        if pattern[place] == "|":
            done += texts
            texts, place = [""], place + 1
            continue
        atom, place = _atom(pattern, place)
        repeat = REPEAT.match(pattern, place)
        if repeat:
            place = repeat.end()
            times = 1 if repeat[1] else min(int(repeat[2] or 0), 20)
            atom = [one * times for one in atom]
        texts = [one + more for one in texts for more in atom][:MOST]
    return [*done, *texts], place


def _atom(pattern: str, place: int) -> tuple[list[str], int]:
    """The texts of one letter, set or group, and where it ends."""
    sign = pattern[place]
    if sign == "(":
        flags, look = FLAGS.match(pattern, place + 1), LOOK.match(pattern, place + 1)
        if flags:
            return [""], flags.end() + 1
        opened = look or GROUP.match(pattern, place + 1)
        texts, end = _branches(pattern, opened.end() if opened else place + 1)
        return [""] if look else texts, end + 1
    found = SET.match(pattern, place)
    if found:
        return [_first(found[2]) if not found[1] else "x"], found.end()
    if sign == "\\" and place + 1 < len(pattern):
        return [_escaped(pattern[place + 1])], place + 2
    return [{".": "x", "^": "", "$": ""}.get(sign, sign)], place + 1


def _first(members: str) -> str:
    return _escaped(members[1]) if members.startswith("\\") and len(members) > 1 else members[:1]


def _escaped(letter: str) -> str:
    return "" if letter in NOTHING else ESCAPES.get(letter, letter)
