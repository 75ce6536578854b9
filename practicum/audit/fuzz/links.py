"""Links to hosts that only look like the site a prompt names: letters before its name, its name in front."""

from __future__ import annotations

import re
from collections.abc import Iterator

from practicum.audit.fuzz.probe import Probe
from practicum.audit.fuzz.rows import FuzzRow

LINK = re.compile(r"https?://(?:[\w-]+\.)*?(?P<site>[\w-]+(?:\.[\w-]+)+)(?=[/:?#\s\"')>\]]|\Z)")


def wrong_links(row: int, data: FuzzRow) -> Iterator[Probe]:
    """The first right reply to a row with its link's host exchanged for another that holds the site's name;
    none where the prompt does not name the site."""
    for text in data.good[:1]:
        for found in LINK.finditer(text):
            site = _named(found[0], data.prompt.text)
            if not site:
                continue
            scheme = found[0].partition("//")[0]
            for host in (
                f"my{site}",
                f"best-{site}",
                f"{site}.example.net",
                f"{site}@example.net",
                f"example.net/{site}",
            ):
                changed = text[: found.start()] + f"{scheme}//{host}" + text[found.end() :]
                yield Probe(row, changed, "look_alike_host", "refused", "whose link leads to another host")


def _named(link: str, prompt: str) -> str:
    """The longest end of the link's host that the prompt names as a site."""
    labels = link.partition("//")[2].split(".")
    for first in range(len(labels) - 1):
        site = ".".join(labels[first:])
        if re.search(rf"(?<![\w.-]){re.escape(site)}(?![\w-]|\.\w)", prompt):
            return site
    return ""
