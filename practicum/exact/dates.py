"""Calendar dates as answers write them: "July 4, 2020", "4 July 2020", "July 4th", "2020-07-04"."""

from __future__ import annotations

import re
from typing import NamedTuple

_MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
    "november", "december",
)  # fmt: skip
_MONTH = r"(?P<month>[a-z]{3,9})\.?"
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
_YEAR = r"(?P<year>\d{4})"
_FORMS = (
    re.compile(rf"{_MONTH} {_DAY}(?:,? {_YEAR})?"),
    re.compile(rf"(?:the )?{_DAY} (?:of )?{_MONTH}(?:,? {_YEAR})?"),
    re.compile(rf"{_YEAR}-(?P<month>\d{{2}})-(?P<day>\d{{2}})"),
)


class Date(NamedTuple):
    """A day; the year is 0 where none is named."""

    year: int
    month: int
    day: int


def read_date(text: str) -> Date | None:
    """The date that a text is, None where it is none."""
    plain = " ".join(text.lower().split())
    for form in _FORMS:
        found = form.fullmatch(plain)
        month = _month(found["month"]) if found else 0
        if found and month and 0 < int(found["day"]) <= 31:
            return Date(int(found["year"] or 0), month, int(found["day"]))
    return None


_CLOCK = re.compile(
    r"(?:it is |it's |at |(?:the |its )?[a-z]+ (?:leaves|arrives|starts|begins|ends|opens|closes) at )?"
    r"(?P<hour>\d{1,2}):(?P<minute>\d{2})(?: ?(?P<half>[ap])\.?m\.?)?(?: o'?clock)?"
)


def read_clock(text: str) -> int | None:
    """The minutes since midnight of "15:45", "3:45 p.m."; None where it is no time of day."""
    found = _CLOCK.fullmatch(" ".join(text.lower().split()).rstrip("."))
    if found is None or int(found["minute"]) > 59 or int(found["hour"]) > (12 if found["half"] else 23):
        return None
    hour = int(found["hour"]) % 12 + 12 * (found["half"] == "p") if found["half"] else int(found["hour"])
    return 60 * hour + int(found["minute"])


def _month(written: str) -> int:
    """The number of a month by its name, its first three letters or its number; 0 for none."""
    if written.isdigit():
        return int(written) if 0 < int(written) <= 12 else 0
    names = [place for place, name in enumerate(_MONTHS, 1) if written in (name, name[:3])]
    return names[0] if names else 0
