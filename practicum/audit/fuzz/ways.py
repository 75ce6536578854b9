"""What is as right as the reply of a row: another shortest way through a graph that the prompt lists, a ring
read the other way round."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from practicum.audit.fuzz.anatomy import Anatomy, Slot, marked
from practicum.audit.fuzz.probe import Probe

SHORTEST = re.compile(
    r"\b(?:short\w*|few\w*|least)\b[^.]{0,40}\b(?:paths?|routes?|ways?|edges|steps|stops|hops|moves|links)\b"
    r"|\b(?:paths?|routes?|ways?)\b[^.]{0,80}\b(?:few\w*|short\w*|least)\b",
    re.IGNORECASE,
)
"""How prompts ask for a way with as few links as can be."""
ANY_WAY = re.compile(
    r"\b(?:undirected|two-way|both (?:ways|directions)|either (?:way|direction))\b", re.IGNORECASE
)
"""How prompts say that links can be taken from either end."""
COSTS = re.compile(
    r"\b(?:cost|weigh|length|distance|minute|hour|km|alphabetical|lexicograph)\w*", re.IGNORECASE
)
"""What may make one of two ways with equally many links the better one."""
JOINT = re.compile(r"\s*(?:->|\u2192|[-\u2013,>])\s*|\s+")
"""What may stand between the names of a way."""
MOST_NODES = 40
MOST_WAYS = 1000
"""Names of a graph, and ways of one length, that are looked through at most."""


RING = re.compile(r"\b(?:round table|(?:in|round|around) (?:a|the) (?:circle|ring))\b", re.IGNORECASE)
TURNED = re.compile(
    r"\b(?:clockwise|left|right|direction|order given|starting with|alphabetical\w*|passed|sorted)\b",
    re.IGNORECASE,
)
"""How prompts say which way round a ring is read."""


def other_way_round(anatomy: Anatomy, row: int) -> Iterator[Probe]:
    """A ring read the other way round, where the prompt names no direction and the right replies to the row
    begin with different ones of it."""
    prompt = anatomy.rows[row].prompt.text
    if not RING.search(prompt) or TURNED.search(prompt):
        return
    slots = [marked(text) or Slot(text, 0, len(text)) for text in anatomy.rows[row].good]
    rings = [slot.value.strip().rstrip(". ").split(", ") for slot in slots]
    turned = [names for names in rings[1:] if names != rings[0] and sorted(names) == sorted(rings[0])]
    if not any(_follows(names, rings[0]) for names in turned) or len(rings[0]) < 4:
        return
    for text, slot, names in list(zip(anatomy.rows[row].good, slots, rings, strict=True))[:2]:
        value = slot.value.strip()
        end = value[len(value.rstrip(". ")) :]
        what = "that gives its ring the other way round"
        for other in (names[::-1], [names[0], *names[:0:-1]]):
            yield Probe(row, slot.filled(", ".join(other) + end), "other_way", "paid", what, base=text)


def _follows(names: list[str], ring: list[str]) -> bool:
    """Whether names are a ring from another place on."""
    return any(names == ring[place:] + ring[:place] for place in range(1, len(ring)))


def other_ways(anatomy: Anatomy, row: int) -> Iterator[Probe]:
    """A way between the same ends with as many links as the right one, over links that the prompt lists."""
    prompt = anatomy.rows[row].prompt.text
    if not (SHORTEST.search(prompt) and ANY_WAY.search(prompt)) or COSTS.search(prompt):
        return
    for text in anatomy.rows[row].good[:1]:
        slot = marked(text) or Slot(text, 0, len(text))
        joint = JOINT.search(slot.value)
        way = [one.strip() for one in slot.value.split(joint[0])] if joint else []
        links = links_of(prompt, way)
        if joint is None or any(frozenset(pair) not in links for pair in pairwise(way)):
            return
        other = _other_way(way, links)
        if other:
            what = "that gives another way, as short as the row's own"
            yield Probe(row, slot.filled(joint[0].join(other)), "other_way", "paid", what, base=text)


def links_of(prompt: str, way: list[str]) -> set[frozenset[str]]:
    """The pairs of names that a prompt lists, as "A-B", "A B", "(A, B)" or, for single letters, "AB"."""
    letters = all(len(one) == 1 for one in way)
    name = r"[A-Za-z]" if letters else r"[A-Z][\w']*"
    between = r"(?:\s?[-\u2013\u2014]+\s?)?" if letters else r"\s?[-\u2013\u2014]+\s?"
    found = re.findall(rf"(?<![\w'])({name}){between}({name})(?![\w'])", prompt)
    found += re.findall(rf"\(({name}), ?({name})\)", prompt)
    return {frozenset(pair) for pair in found if pair[0] != pair[1]}


def _other_way(way: list[str], links: set[frozenset[str]]) -> list[str]:
    names = sorted(set().union(*links))
    ways = [[way[0]]]
    for _ in way[1:] if len(names) <= MOST_NODES else ():
        ways = [
            [*one, name]
            for one in ways
            for name in names
            if name not in one and frozenset((one[-1], name)) in links
        ][:MOST_WAYS]
    return next((one for one in ways if one[-1] == way[-1] and one != way), [])
