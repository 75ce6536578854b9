"""Rankings as a reward model reads them: by prompt, every response once, however many raters placed it."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from random import Random
from typing import TypeVar

from practicum.errors import InputError
from practicum.preferences import formats
from practicum.types import Prompt, Ranking, Response

Item = TypeVar("Item")


@dataclass(frozen=True)
class Order:
    """One ranking of some of a prompt's responses.

    members: which of `Judged.responses` it ranks, as indices. ranks: theirs; 1 is best.
    """

    members: tuple[int, ...]
    ranks: tuple[int, ...]
    rater: str
    weight: float


@dataclass(frozen=True)
class Judged:
    """A prompt, its different responses, and all that raters said about them."""

    prompt: Prompt
    responses: tuple[Response, ...]
    orders: tuple[Order, ...]


def by_prompt(rankings: Sequence[Ranking], weights: Mapping[str, float] | None = None) -> list[Judged]:
    """Rankings gathered by the text of their prompt, in order of appearance.

    Responses of equal text are one response. `weights` gives raters' weights (1 where it has none); a rater
    of weight 0 or below is left out.
    """
    gathered: dict[str, list[Ranking]] = defaultdict(list)
    for ranking in rankings:
        gathered[ranking.prompt.text].append(ranking)
    judged = []
    for same in gathered.values():
        responses: dict[str, Response] = {}
        for ranking in same:
            for response in ranking.responses:
                responses.setdefault(response.text, response)
        place = {text: index for index, text in enumerate(responses)}
        orders = tuple(
            Order(
                tuple(place[response.text] for response in ranking.responses),
                ranking.ranks,
                ranking.rater,
                (weights or {}).get(ranking.rater, 1.0),
            )
            for ranking in same
        )
        orders = tuple(order for order in orders if order.weight > 0)
        if orders:
            judged.append(Judged(same[0].prompt, tuple(responses.values()), orders))
    return judged


@dataclass(frozen=True)
class Alike:
    """How many pairs of ranked responses a model reads as one and the same, by the cause.

    pairs: all pairs of all rankings. same_text: with equal texts; cut: equal once cut at `limit` tokens;
    same_tokens: other texts that the tokenizer writes alike, as where it lacks letters.
    """

    pairs: int
    same_text: int
    cut: int
    same_tokens: int
    limit: int

    @property
    def total(self) -> int:
        """Pairs that teach nothing."""
        return self.same_text + self.cut + self.same_tokens

    def plus(self, other: Alike) -> Alike:
        """The counts of both."""
        sums = {name: getattr(self, name) + getattr(other, name) for name in ("pairs", "same_text", "cut")}
        return Alike(**sums, same_tokens=self.same_tokens + other.same_tokens, limit=self.limit)

    def sentence(self) -> str:
        """The counts in words, causes that do not occur left out."""
        causes = {
            f"alike once cut at {self.limit} tokens": self.cut,
            "equal texts": self.same_text,
            "the same tokens for different texts": self.same_tokens,
        }
        why = ", ".join(f"{count} {cause}" for cause, count in causes.items() if count)
        return f"{self.total} of {self.pairs} pairs read alike ({why}) and teach nothing"

    def json(self) -> dict[str, int]:
        """Plain values."""
        return {
            "pairs": self.pairs,
            "same_text": self.same_text,
            "cut": self.cut,
            "same_tokens": self.same_tokens,
            "limit": self.limit,
        }


def told_apart(
    judged: Sequence[Judged], sequences: Sequence[Sequence[int]], limit: int
) -> tuple[list[Judged], Alike]:
    """What is left when responses that a model reads alike are one response, and how many pairs that cost.

    `sequences` are the tokens it reads of the items' responses one after another, `limit` its longest. A
    ranking holds such a response once, at the mean of its ranks. Rankings of a single response and prompts
    without rankings are left out.
    """
    counts = dict.fromkeys(("pairs", "same_text", "cut", "same_tokens"), 0)
    left, start = [], 0
    for item in judged:
        read = [tuple(ids) for ids in sequences[start : start + len(item.responses)]]
        start += len(item.responses)
        place_of = {ids: place for place, ids in enumerate(dict.fromkeys(read))}
        responses = tuple(item.responses[read.index(ids)] for ids in place_of)
        for order in item.orders:
            for first, second in combinations(order.members, 2):
                counts["pairs"] += 1
                if read[first] == read[second]:
                    counts[_cause(item, read, first, second, limit)] += 1
        merged = [_merged(order, [place_of[read[old]] for old in order.members]) for order in item.orders]
        orders = tuple(order for order in merged if len(order.members) > 1)
        if orders:
            left.append(Judged(item.prompt, responses, orders))
    return left, Alike(**counts, limit=limit)


def _cause(item: Judged, read: Sequence[tuple[int, ...]], first: int, second: int, limit: int) -> str:
    if item.responses[first].text == item.responses[second].text:
        return "same_text"
    return "cut" if len(read[first]) >= limit else "same_tokens"


def _merged(order: Order, members: Sequence[int]) -> Order:
    """The ranking over other members; one that occurs several times occurs once, at its mean rank."""
    if len(set(members)) == len(members):
        return replace(order, members=tuple(members))
    ranks: dict[int, list[int]] = defaultdict(list)
    for place, rank in zip(members, order.ranks, strict=True):
        ranks[place].append(rank)
    mean = {place: sum(some) / len(some) for place, some in ranks.items()}
    dense = {value: rank for rank, value in enumerate(sorted(set(mean.values())), start=1)}
    return replace(order, members=tuple(mean), ranks=tuple(dense[value] for value in mean.values()))


def split_by_hash(judged: Sequence[Judged], held_out: float) -> tuple[list[Judged], list[Judged]]:
    """(to learn from, held out): a prompt is held out when the hash of its text lies in the lowest share.

    It stays so in every round, run and file. Raises InputError when one side would be empty.
    """

    parts = (
        [item for item in judged if lot(item.prompt) >= held_out],
        [item for item in judged if lot(item.prompt) < held_out],
    )
    if not parts[0] or (held_out > 0 and not parts[1]):
        raise InputError(
            f"held_out {held_out}: of {len(judged)} prompts {len(parts[1])} would be held out and "
            f"{len(parts[0])} be learned from: rank more prompts, or change --held_out (--data.test_share)"
        )
    return parts


def lot(prompt: Prompt) -> float:
    """A prompt's place between 0 and 1 by the hash of its text: below `held_out` it is held out."""
    digest = hashlib.sha256(prompt.text.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def as_pairs(judged: Sequence[Judged]) -> list[Judged]:
    """Every pair of every ranking as an item of its own, weighing 1 over the ranking's pairs."""
    items = []
    for item in judged:
        for order in item.orders:
            size = len(order.members)
            weight = order.weight * 2 / (size * (size - 1))
            items += [
                Judged(
                    item.prompt,
                    (item.responses[order.members[first]], item.responses[order.members[second]]),
                    (Order((0, 1), (order.ranks[first], order.ranks[second]), order.rater, weight),),
                )
                for first in range(size)
                for second in range(first + 1, size)
            ]
    return items


def contrasted(item: Judged, others: Sequence[Judged], random: Random) -> Judged:
    """A prompt's answers, each above a spoiled one, in place of what people said of them.

    Spoiled is the answer to another prompt (Liu et al. 2024, 2409.13156), the answer with another's end, with
    its own end again, or cut. That such an answer is worse needs no rating; how much it matters beside what
    people like does, so this comes before their rankings and not among them (Askell et al. 2021, 2112.00861,
    section 4: preference model pretraining).
    """
    spoiled = []
    for response in item.responses:
        other = random.choice(others)
        while other is item and len(others) > 1:
            other = random.choice(others)
        foreign = random.choice(other.responses).text
        start, end = _halves(response.text, random)
        worse = random.choice(
            (
                foreign,
                foreign,
                f"{start} {_halves(foreign, random)[1]}",
                f"{response.text} {end}",
                start,
            )
        )
        # A single word can be neither cut nor continued.
        spoiled.append(Response(worse if worse.strip() != response.text.strip() else foreign))
    size = len(item.responses)
    orders = tuple(Order((place, size + place), (1, 2), "", 1 / size) for place in range(size))
    return Judged(item.prompt, (*item.responses, *spoiled), orders)


def _halves(text: str, random: Random) -> tuple[str, str]:
    """A text cut behind one of its sentences but the last, or, with one sentence alone, at any word."""
    words = text.split(" ")
    ends = [place for place, word in enumerate(words[:-1], 1) if word.endswith((".", "?", "!", ":"))]
    cut = random.choice(ends or range(1, max(2, len(words))))
    return " ".join(words[:cut]), " ".join(words[cut:])


def batch_of(items: Sequence[Item], size: int, step: int, seed: int) -> list[Item]:
    """The items of update `step` (from 0): epoch after epoch, each in a new order, its last batch short."""
    batches = -(-len(items) // size)
    epoch, place = divmod(step, batches)
    order = list(range(len(items)))
    Random(f"rankings {seed} {epoch}").shuffle(order)
    return [items[index] for index in order[place * size : (place + 1) * size]]


def read_rankings(places: Sequence[str], project: str = "") -> list[Ranking]:
    """The rankings of files and databases, in order. Raises InputError for none and for an unreadable one."""
    rankings: list[Ranking] = []
    for place in places:
        if not _is_database(place):
            rankings += formats.read(Path(place))
            continue
        from practicum.preferences.store import Store

        with Store.open(place, create=False) as store:
            names = [project] if project else [found.name for found in store.projects()]
            for name in names:
                rankings += store.rankings(name)
    if not rankings:
        raise InputError(f"{', '.join(places) or '--preferences'}: no rankings; collect some first")
    return rankings


def _is_database(place: str) -> bool:
    if "://" in place:
        return True
    path = Path(place)
    if not path.is_file():
        raise InputError(f"{place}: no such file; give rankings (JSONL, Parquet) or a preference database")
    with open(path, "rb") as stream:
        return stream.read(15) == b"SQLite format 3"
