"""Distortion: how much of what people mean survives each step from a rater's mind to the policy's reward.

Four links, each the agreement of two orders of the same responses: a rater with themselves, raters with each
other, the reward model with raters, and the reward model with fresh raters on what the policy writes now.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.stats import rankdata

from practicum.errors import InputError
from practicum.preferences.comparisons import names
from practicum.reward.plain import PlainReward, checked
from practicum.stats import Estimate, Floats, Integers, bootstrap
from practicum.types import Ranking

LINKS: Mapping[str, str] = {
    "rater_self": "a rater, asked again",
    "rater_rater": "two raters",
    "model_raters": "reward model and raters",
    "model_fresh": "reward model and fresh raters, on the policy's answers",
}


@dataclass(frozen=True)
class Link:
    """One link. accuracy: share of pairs ordered alike, of those both order (0.5 is chance; a score that ties
    counts half); tau: mean Kendall tau-b. Both with 95% intervals, bootstrap over prompts. lost: how far
    accuracy has fallen since the link before (None for the first)."""

    name: str
    accuracy: Estimate
    tau: Estimate
    pairs: int
    lost: float | None = None


@dataclass(frozen=True)
class _Matched:
    """Two orders of the same responses to one prompt, lower is better in both."""

    prompt: str
    first: Floats
    second: Floats


def measure_links(
    rankings: Sequence[Ranking], reward: PlainReward, fresh: Sequence[Ranking] = (), seed: int = 0
) -> tuple[list[Link], list[str]]:
    """(links that can be measured, notes on those that cannot), in the order of LINKS.

    `rankings` are what the reward model learned from or, better, held-out ones; `fresh` rank the policy's new
    outputs. Raises InputError when the reward misbehaves or no link can be measured.
    """
    if not rankings:
        raise InputError("distortion needs rankings, got none")
    sources = {
        "rater_self": list(_same_rater(rankings)),
        "rater_rater": list(_two_raters(rankings)),
        "model_raters": list(_model(rankings, reward)),
        "model_fresh": list(_model(fresh, reward)),
    }
    wanting = {
        "rater_self": "let raters rank 2 prompts or more a second time",
        "rater_rater": "let a second rater rank 2 prompts or more",
        "model_raters": "rank 2 prompts or more",
        "model_fresh": "let people rank the policy's outputs on 2 prompts or more",
    }
    links: list[Link] = []
    notes = []
    for name, matched in sources.items():
        usable = [one for one in matched if _orders(one) > 0]
        if len({one.prompt for one in usable}) < 2:
            notes.append(f"{LINKS[name]}: not measured; {wanting[name]}")
            continue
        link = _link(name, usable, seed)
        lost = links[-1].accuracy.value - link.accuracy.value if links else None
        links.append(Link(name, link.accuracy, link.tau, link.pairs, lost))
    if not links:
        raise InputError(f"distortion: no link can be measured: {'; '.join(notes)}")
    return links, notes


def worst_link(links: Sequence[Link]) -> Link | None:
    """Where most of the message is lost; None for a single link or when nothing is lost."""
    losing = [link for link in links if link.lost is not None and link.lost > 0]
    return max(losing, key=lambda link: link.lost or 0.0) if losing else None


def kendall_tau(first: Floats, second: Floats) -> float:
    """Kendall's tau-b (Kendall 1945), ties allowed; 0 where one side is all tied."""
    left, right = np.triu_indices(len(first), 1)
    a, b = np.sign(first[left] - first[right]), np.sign(second[left] - second[right])
    norm = np.sqrt((a != 0).sum() * (b != 0).sum())
    return float((a * b).sum() / norm) if norm else 0.0


def _link(name: str, matched: Sequence[_Matched], seed: int) -> Link:
    prompts = {prompt: place for place, prompt in enumerate(dict.fromkeys(one.prompt for one in matched))}
    place_of = np.array([prompts[one.prompt] for one in matched])
    alike, total = np.array([_alike(one) for one in matched]), np.array([_orders(one) for one in matched])
    taus = np.array([kendall_tau(one.first, one.second) for one in matched])
    count = len(prompts)
    alike_P, total_P, tau_P, rows_P = (
        np.bincount(place_of, values, count) for values in (alike, total, taus, np.ones(len(matched)))
    )

    def accuracy(drawn: Integers) -> float:
        return float(alike_P[drawn].sum() / total_P[drawn].sum())

    def tau(drawn: Integers) -> float:
        return float(tau_P[drawn].sum() / rows_P[drawn].sum())

    return Link(name, bootstrap(accuracy, count, seed), bootstrap(tau, count, seed), int(total.sum()))


def _orders(matched: _Matched) -> float:
    """Pairs that the first (a person's) order tells apart, and the second as well where it is a person's."""
    return float(len(_signs(matched)))


def _alike(matched: _Matched) -> float:
    signs = _signs(matched)
    return float((signs > 0).sum() + 0.5 * (signs == 0).sum())


def _signs(matched: _Matched) -> Floats:
    """Per pair the first order tells apart: 1 alike, -1 opposed, 0 tied by the second."""
    left, right = np.triu_indices(len(matched.first), 1)
    first = np.sign(matched.first[left] - matched.first[right])
    second = np.sign(matched.second[left] - matched.second[right])
    return np.asarray((first * second)[first != 0])


def _same_rater(rankings: Sequence[Ranking]) -> Iterator[_Matched]:
    groups: dict[tuple[str, str], list[Ranking]] = defaultdict(list)
    for ranking in rankings:
        if ranking.rater:
            groups[ranking.rater, names(ranking)[0]].append(ranking)
    for (_, prompt), group in groups.items():
        for first, second in combinations(group, 2):
            yield from _match(prompt, first, second)


def _two_raters(rankings: Sequence[Ranking]) -> Iterator[_Matched]:
    groups: dict[str, list[Ranking]] = defaultdict(list)
    for ranking in rankings:
        groups[names(ranking)[0]].append(ranking)
    for prompt, group in groups.items():
        for first, second in combinations(group, 2):
            if first.rater != second.rater:
                yield from _match(prompt, first, second)


def _match(prompt: str, first: Ranking, second: Ranking) -> Iterator[_Matched]:
    """The ranks two rankings gave the responses they share; pairs that either ties are left to neither."""
    one = dict(zip(names(first)[1], rankdata(first.ranks).tolist(), strict=True))
    other = dict(zip(names(second)[1], rankdata(second.ranks).tolist(), strict=True))
    shared = [name for name in one if name in other]
    for left, right in combinations(shared, 2):
        if one[left] != one[right] and other[left] != other[right]:
            break
    else:
        return
    yield _Matched(
        prompt, np.array([one[name] for name in shared]), np.array([other[name] for name in shared])
    )


def _model(rankings: Sequence[Ranking], reward: PlainReward) -> Iterator[_Matched]:
    prompts = [ranking.prompt for ranking in rankings for _ in ranking.responses]
    texts = [response.text for ranking in rankings for response in ranking.responses]
    scores = checked(reward, prompts, texts, "reward model")
    start = 0
    for ranking in rankings:
        stop = start + len(ranking.responses)
        yield _Matched(names(ranking)[0], np.array(ranking.ranks, dtype=np.float64), -scores[start:stop])
        start = stop
