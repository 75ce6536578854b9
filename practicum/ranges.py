"""The range of a numeric setting, declared once, at its field, for parser, TOML, library and help page.

@dataclass(frozen=True)
class UpdateConfig(Ranged):
    clip_low: Share = 0.2
    rounds: Annotated[int, Range(at_least=1, at_most=100)] = 2
    seed: Common[Seed] = 0

`Common` marks the settings that most people change: the short help page shows these.
"""

from __future__ import annotations

import math
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from numbers import Integral, Real
from operator import getitem
from typing import Annotated, Any, ClassVar, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from practicum.errors import InputError

LARGEST_INTEGER = 2**63 - 1
"""What TOML, SQLite and the random generators hold."""
LARGEST_FLOAT = 1e30
"""Well inside float32, in which most settings end; products of a few of them are still finite there."""
MOST_HELD = 1_000_000
"""Most of anything that is held in memory at a time, as the prompts of an examination."""
DIGITS_SHOWN = 25
Function = TypeVar("Function", bound=Callable[..., Any])


def remembered(function: Function) -> Function:
    """`functools.cache` for a function of a class, which mypy does not take for hashable."""
    return cast(Function, cache(function))


@dataclass(frozen=True)
class Range:
    """The values that a number may have; None is no bound. Every number must be finite.

    A whole number always lies within +-LARGEST_INTEGER, any other within +-LARGEST_FLOAT.
    """

    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None
    below: float | None = None

    def admits(self, value: float) -> bool:
        """Whether a number lies in the range; NaN never does."""
        largest = _largest(value)
        return (
            -largest <= value <= largest
            and (self.at_least is None or value >= self.at_least)
            and (self.above is None or value > self.above)
            and (self.at_most is None or value <= self.at_most)
            and (self.below is None or value < self.below)
        )

    def words(self) -> str:
        """The range as a person would say it, to follow "it must be"."""
        bounds = {
            "at least": self.at_least,
            "above": self.above,
            "at most": self.at_most,
            "below": self.below,
        }
        parts = [f"{word} {_bound(bound)}" for word, bound in bounds.items() if bound is not None]
        return " and ".join(parts) or "finite"

    def check(self, value: float, name: str) -> None:
        """Raise InputError, naming the setting, its value and its range, for a value outside it."""
        if not self.admits(value):
            raise InputError(f"{name} is {shown(value)}; it must be {self._words_against(value)}")

    def _words_against(self, value: float) -> str:
        """The range, with the limit that this value breaks even where it goes without saying."""
        largest = _largest(value)
        if not (isinstance(value, Integral) or math.isfinite(value)):
            return "finite and " + self.words() if self != Range() else self.words()
        if value > largest and self.at_most is None and self.below is None:
            return replace(self, at_most=largest).words()
        if value < -largest and self.at_least is None and self.above is None:
            return replace(self, at_least=-largest).words()
        return self.words()


PositiveInt = Annotated[int, Range(at_least=1)]
NonNegativeInt = Annotated[int, Range(at_least=0)]
Count = Annotated[int, Range(at_least=1, at_most=MOST_HELD)]
"""How many of something that is held in memory at a time."""
CountOrNone = Annotated[int, Range(at_least=0, at_most=MOST_HELD)]
"""The same, where 0 has a meaning of its own."""
Seed = Annotated[int, Range(at_least=0)]
Threads = Annotated[int, Range(at_least=0, at_most=1024)]
Width = Annotated[int, Range(at_least=1, at_most=65_536)]
FiniteFloat = Annotated[float, Range()]
PositiveFloat = Annotated[float, Range(above=0)]
NonNegativeFloat = Annotated[float, Range(at_least=0)]
Share = Annotated[float, Range(at_least=0, at_most=1)]
ShareBelowOne = Annotated[float, Range(at_least=0, below=1)]
OpenShare = Annotated[float, Range(above=0, below=1)]
Rate = Annotated[float, Range(at_least=0, at_most=10)]
"""A learning rate; 0 changes no weight."""
Price = Annotated[float, Range(at_least=0, at_most=10_000)]
"""In dollars."""


Setting = TypeVar("Setting")
COMMON = "common"
Common = Annotated[Setting, COMMON]
"""Marks a setting that most people change."""


class Ranged:
    """A dataclass of settings whose numbers are checked when it is built.

    A class with a `__post_init__` of its own begins it with `super().__post_init__()`. `section` is the
    dotted name under which its fields are usually set. Raises InputError for a number outside the range of
    its field, or for what is no number at all.
    """

    section: ClassVar[str] = ""

    def __init_subclass__(cls, section: str = "") -> None:
        cls.section = section or cls.section

    def __post_init__(self) -> None:
        prefix = f"{self.section}." if self.section else ""
        for name, annotation in _ranged_fields(type(self)):
            _check(annotation, getattr(self, name), f"{prefix}{name}")


def range_of(annotation: Any) -> Range | None:
    """The range that an annotation `Annotated[int, Range(...)]`, or such or None, declares."""
    if get_origin(annotation) in (Union, types.UnionType):
        return next((found for found in map(range_of, get_args(annotation)) if found), None)
    marks = get_args(annotation)[1:] if get_origin(annotation) is Annotated else ()
    return next((mark for mark in marks if isinstance(mark, Range)), None)


def is_common(annotation: Any) -> bool:
    """Whether a field is marked as one that most people change."""
    return get_origin(annotation) is Annotated and COMMON in get_args(annotation)[1:]


def unmarked(annotation: Any) -> Any:
    """An annotation without the mark `Common`; its range stays."""
    if not is_common(annotation):
        return annotation
    inner, *marks = get_args(annotation)
    marks = [mark for mark in marks if mark != COMMON]
    return getitem(Annotated, (inner, *marks)) if marks else inner


def as_float(value: float) -> float:
    """A number as a float, infinite where it is a whole number too large for one."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def shown(value: Any) -> str:
    """A value for an error line, short whatever it is."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10**DIGITS_SHOWN:
        size = math.floor(abs(value).bit_length() * math.log10(2))
        return f"{'-' if value < 0 else ''}10^{size} or so"
    return str(value)


@remembered
def _ranged_fields(config_class: type[Any]) -> list[tuple[str, Any]]:
    """Name and annotation of the fields that hold numbers with a range."""
    hints = get_type_hints(config_class, include_extras=True)
    plain = {name: unmarked(hint) for name, hint in hints.items()}
    return [(name, hint) for name, hint in plain.items() if _holds_range(hint)]


def _holds_range(annotation: Any) -> bool:
    return range_of(annotation) is not None or any(map(_holds_range, get_args(annotation)))


def _check(annotation: Any, value: Any, name: str) -> None:
    """Check a number, or each number of a tuple or a mapping."""
    kind, members = get_origin(annotation), get_args(annotation)
    if kind in (Union, types.UnionType):
        if value is not None:
            _check(next(member for member in members if member is not type(None)), value, name)
    elif kind is Annotated:
        _check_number(members[0], range_of(annotation) or Range(), value, name)
    elif kind in (dict, Mapping):
        for key, item in value.items():
            _check(members[1], item, f"{name}.{key}")
    elif kind is tuple:
        for index, item in enumerate(value):
            _check(members[0 if members[-1] is Ellipsis else index], item, f"{name}[{index}]")


def _check_number(kind: type, limits: Range, value: Any, name: str) -> None:
    expected, words = (Integral, "a whole number") if kind is int else (Real, "a number")
    if isinstance(value, bool) or not isinstance(value, expected):
        raise InputError(f"{name}: expected {words}, got {value!r}")
    limits.check(as_float(value) if kind is float else value, name)  # type: ignore[arg-type]


def _largest(value: float) -> float:
    return LARGEST_INTEGER if isinstance(value, Integral) else LARGEST_FLOAT


def _bound(bound: float) -> str:
    return f"{bound:,}" if isinstance(bound, int) else f"{bound:g}"
