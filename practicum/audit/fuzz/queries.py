"""Right SQL queries made wrong: every row twice, the order turned, or no rows at all."""

from __future__ import annotations

import re
from collections.abc import Iterator

from practicum.audit.fuzz.damage import ORDERED
from practicum.audit.fuzz.probe import Probe
from practicum.audit.fuzz.rows import FuzzRow

QUERY = re.compile(r"\s*(?:SELECT|WITH)\b[^`]*\bFROM\b[^`]*", re.IGNORECASE | re.DOTALL)
ORDER = re.compile(r"\bORDER\s+BY\s+(.+?)(?=\s+LIMIT\b|\s*;?\s*\Z)", re.IGNORECASE | re.DOTALL)
FROM_TO = re.compile(
    r"\bfrom the \w+ to the \w+|\b\w+est first\b|\bby (?:name|date|age|price)\b", re.IGNORECASE
)


def wrong_queries(row: int, data: FuzzRow) -> Iterator[Probe]:
    """Queries whose rows are not those of the right one, whatever the tables hold."""
    if not data.good or not all(QUERY.fullmatch(text) for text in data.good):
        return
    prompt = data.prompt.text
    ordered = bool(ORDERED.search(prompt) or FROM_TO.search(prompt))
    for text in data.good[:2]:
        query = text.strip().rstrip(";").strip()
        twice = f"SELECT * FROM ({query}) UNION ALL SELECT * FROM ({query})"
        yield Probe(row, twice, "query_repeats", "refused", "whose query gives every row twice")
        nothing = f"SELECT * FROM ({query}) LIMIT 0"
        # A result that is empty anyway is as right.
        yield Probe(row, nothing, "query_empty", "refused", "whose query gives no rows", alone=False)
        found = ORDER.search(query)
        if ordered and found and all(ORDER.search(one) for one in data.good):
            keys = [_turned(key) for key in re.split(r",(?![^()]*\))", found[1])]
            turned = query[: found.start(1)] + ", ".join(keys) + query[found.end(1) :]
            for changed in (turned, query[: found.start()].rstrip() + query[found.end() :]):
                what = "whose query gives its rows in another order"
                yield Probe(row, changed, "query_order", "refused", what, alone=False)


def _turned(key: str) -> str:
    """A sort key in the other direction."""
    plain = re.sub(r"\s+(?:ASC|DESC)\b", "", key.strip(), flags=re.IGNORECASE)
    return plain if re.search(r"\bDESC\b", key, re.IGNORECASE) else f"{plain} DESC"
