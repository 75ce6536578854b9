"""Read lists of numbers, with their labels and brackets, and say whether two are the same.

Numbers under different names belong to their names ("x = 1, y = 2"); a tuple in brackets keeps its order;
a set, and values of one unknown ("x = 1, x = 2"), have none.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from fractions import Fraction

from practicum.exact.expression import ParseError
from practicum.exact.gold_numbers import NUMBER, single_number

_NAME = r"[A-Za-z]\w{0,9}(?:_\{\w{1,4}\})?(?:\([a-z]\))?"
_LABEL = re.compile(rf"\s*(?P<name>{_NAME})\s*[=:]\s*(?=\S)")
_NAMES = re.compile(rf"\s*\((?P<names>{_NAME}(?:\s*,\s*{_NAME})+)\)\s*=\s*(?=\()")
_ONE_NAME = re.compile(rf"\s*(?P<name>{_NAME})\s*(?:=|:|∈|\\in\b)\s*(?=[\[{{(])")
_SEPARATOR = re.compile(r"\s*(?:,\s*(?:and\s+|or\s+)?|;\s*|\band\s+|\bor\s+)\s*", re.IGNORECASE)
_CLOSING = {"(": ")", "[": "]", "{": "}"}


@dataclass(frozen=True)
class NumberList:
    """Two or more numbers as they are written: the opening bracket ("" for none), names ("" for none)."""

    bracket: str
    names: tuple[str, ...]
    values: tuple[Fraction, ...]

    @property
    def is_named(self) -> bool:
        """Whether the numbers belong to different names."""
        return len(set(self.names)) > 1


def read_list(text: str) -> NumberList:
    """The list that a text is. Raises ParseError where it is none, or a name is given twice over."""
    text = text.replace(r"\{", "{").replace(r"\}", "}").strip()
    names = _NAMES.match(text)
    one = _ONE_NAME.match(text)
    behind = text[names.end() if names else one.end() if one else 0 :].strip()
    bracket = behind[:1] if behind[:1] in _CLOSING else ""
    if bracket:
        if behind[-1] != _CLOSING[bracket]:
            raise ParseError(f"{behind!r:.40} begins and ends with brackets that are no pair")
        behind = behind[1:-1].strip()
    parts = _SEPARATOR.split(behind)
    if len(parts) < 2:
        raise ParseError("one number is no list")
    read = [_labelled_number(part) for part in parts]
    values = tuple(value for _, value in read)
    if names is None:
        return NumberList(bracket, _inherited(one["name"] if one else "", [name for name, _ in read]), values)
    given = tuple(name.strip() for name in names["names"].split(","))
    if len(given) != len(values) or any(name for name, _ in read):
        raise ParseError(f"{len(given)} names for {len(values)} numbers")
    return NumberList(bracket, given, values)


def _inherited(name: str, names: list[str]) -> tuple[str, ...]:
    """The name of each number; one without its own has that of the number before: "x = 1 or 2"."""
    found = list[str]()
    for own in names:
        name = own or name
        found.append(name)
    return tuple(found)


def _labelled_number(text: str) -> tuple[str, Fraction]:
    label = _LABEL.match(text)
    bare = text[label.end() if label else 0 :].strip()
    if NUMBER.fullmatch(bare) is None:
        raise ParseError(f"{bare!r:.40} is no number")
    return label["name"] if label else "", single_number(bare)


def is_same_list(gold: NumberList, given: NumberList) -> bool:
    """Whether a list is the gold one: by name, else in order for a tuple, else in any order."""
    if gold.is_named:
        return Counter(zip(gold.names, gold.values, strict=True)) == Counter(
            zip(given.names, given.values, strict=True)
        )
    if gold.bracket in ("(", "["):
        in_order = not given.is_named or list(given.names) == sorted(given.names)
        return given.bracket in ("", gold.bracket) and in_order and gold.values == given.values
    unknowns = {re.sub(r"_?\{?\d+\}?$", "", name) for name in given.names}
    one_unknown = not any(gold.names) or len(unknowns) == 1
    return one_unknown and Counter(gold.values) == Counter(given.values)
