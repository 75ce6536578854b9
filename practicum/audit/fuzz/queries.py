"""Right SQL queries made wrong: every row twice, the order turned, or no rows at all."""

from __future__ import annotations

import re
from collections.abc import Iterator

from practicum.audit.fuzz.damage import ONCE, ORDERED
from practicum.audit.fuzz.probe import Probe
from practicum.audit.fuzz.programs import BLOCK
from practicum.audit.fuzz.rows import FuzzRow

QUERY = re.compile(r"\s*(?:SELECT|WITH)\b[^`]*\bFROM\b[^`]*", re.IGNORECASE | re.DOTALL)
ORDER = re.compile(r"\bORDER\s+BY\s+(.+?)(?=\s+LIMIT\b|\s*;?\s*\Z)", re.IGNORECASE | re.DOTALL)
FROM_TO = re.compile(
    r"\bfrom the \w+ to the \w+|\b\w+est first\b|\bby (?:name|date|age|price)\b", re.IGNORECASE
)


def wrong_queries(row: int, data: FuzzRow) -> Iterator[Probe]:
    """Queries whose rows are not those of the right one, whatever the tables hold."""
    whole = [query_of(text) for text in data.good]
    found_in = [one for one in whole if one is not None]
    if not found_in or len(found_in) < len(whole):
        return
    prompt = data.prompt.text
    ordered = bool(ORDERED.search(prompt) or FROM_TO.search(prompt))
    for head, text, tail in found_in[:2]:
        query = text.strip().rstrip(";").strip()
        twice = f"{head}SELECT * FROM ({query}) UNION ALL SELECT * FROM ({query}){tail}"
        yield Probe(row, twice, "query_repeats", "refused", "whose query gives every row twice")
        nothing = f"{head}SELECT * FROM ({query}) LIMIT 0{tail}"
        # A result that is empty anyway is as right.
        yield Probe(row, nothing, "query_empty", "refused", "whose query gives no rows", alone=False)
        if ONCE.search(prompt) and re.search(r"\bSELECT\s+DISTINCT\b", query, re.IGNORECASE):
            # Where no row comes twice anyway, the query is as right.
            several = re.sub(r"\bSELECT\s+DISTINCT\b", "SELECT", query, flags=re.IGNORECASE)
            what = "whose query may give a row several times"
            yield Probe(row, head + several + tail, "query_repeats", "refused", what, alone=False)
        found = ORDER.search(query)
        if ordered and found and all(ORDER.search(one) for _, one, _ in found_in):
            keys = [_turned(key) for key in re.split(r",(?![^()]*\))", found[1])]
            turned = query[: found.start(1)] + ", ".join(keys) + query[found.end(1) :]
            for changed in (turned, query[: found.start()].rstrip() + query[found.end() :]):
                what = "whose query gives its rows in another order"
                yield Probe(row, head + changed + tail, "query_order", "refused", what, alone=False)


def query_of(text: str) -> tuple[str, str, str] | None:
    """The query that a reply is, or that its only code block holds, with what stands before and after it."""
    if QUERY.fullmatch(text):
        return "", text, ""
    blocks = list(BLOCK.finditer(text))
    if len(blocks) != 1 or not QUERY.fullmatch(blocks[0][2]):
        return None
    query = blocks[0][2]
    end = blocks[0].start(2) + len(query.rstrip())
    return text[: blocks[0].start(2)], query.rstrip(), text[end:]


def _turned(key: str) -> str:
    """A sort key in the other direction."""
    plain = re.sub(r"\s+(?:ASC|DESC)\b", "", key.strip(), flags=re.IGNORECASE)
    return plain if re.search(r"\bDESC\b", key, re.IGNORECASE) else f"{plain} DESC"
