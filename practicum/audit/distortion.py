"""Distortion: how much of what people mean survives each step from a rater's mind to the policy's reward.
`practicum audit distortion`.

Four links, each the agreement of two orders of the same responses: a rater with themselves, raters with each
other, the reward model with raters, and the reward model with fresh raters on what the policy writes now.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import isnan
from pathlib import Path
from textwrap import fill
from typing import Any

import numpy as np
from scipy.stats import kendalltau, rankdata

from practicum.audit.instruments import Instrument, named
from practicum.audit.judge import judge_in
from practicum.audit.linear_reward import fit_linear
from practicum.errors import InputError
from practicum.preferences import formats
from practicum.preferences.comparisons import names
from practicum.ranges import Ranged, Seed
from practicum.report.figures import WIDE
from practicum.report.plots import estimates_picture
from practicum.report.sections import Section, Verdict, as_sentence, estimate_row
from practicum.reward.plain import PlainReward, checked
from practicum.stats import Estimate, Floats, Integers, bootstrap
from practicum.types import Ranking, RewardFormat

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
    found = float(kendalltau(first, second).statistic)
    return 0.0 if isnan(found) else found


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


# ------------------------------------------------------------------------------------------ the instrument


@dataclass(frozen=True)
class Config(Ranged):
    """How much of what people mean survives from rater to rater to reward model to the policy's outputs."""

    preferences: Path
    """Rankings, best ones that the reward model was not trained on."""
    reward_model: tuple[Path, ...] = ()
    """Folders of reward models (or their runs), all heads averaged. None: a linear one, trained on the even
    prompts and measured on the odd ones."""
    reward_format: RewardFormat = "auto"
    """How reward models of other trainers read: chat (messages through the chat template), text (prompt and
    completion as one text), auto (chat where the tokenizer has a template)."""
    device: str = "auto"
    """Where the reward models are: auto, cpu, cuda, cuda:N or mps. auto is the first CUDA device, else
    Apple's mps, else the CPU."""
    fresh: Path | None = None
    """Rankings by fresh raters of what the policy writes now."""
    report: Path | None = None
    """Folder to write audit.html and audit.json to."""
    seed: Seed = 0
    """Fixes the bootstrap."""


@dataclass(frozen=True)
class Result:
    """The links that could be measured, and notes on the others."""

    config: Config
    links: Sequence[Link]
    notes: Sequence[str]


def run(config: Config) -> Result:
    """Measure the links of reward models, or of a linear one that learns from half of the prompts."""
    rankings = formats.read(config.preferences)
    fresh = formats.read(config.fresh) if config.fresh is not None else []
    if config.reward_model:
        reward = judge_in(config.reward_model, config.reward_format, config.device)
    else:
        place = {text: index for index, text in enumerate(dict.fromkeys(one.prompt.text for one in rankings))}
        reward = fit_linear([one for one in rankings if not place[one.prompt.text] % 2])
        rankings = [one for one in rankings if place[one.prompt.text] % 2]
    return Result(config, *measure_links(rankings, reward, fresh, config.seed))


def lines(result: Result) -> list[str]:
    """A line for each link, then the notes."""
    said = [
        f"{LINKS[one.name]}: {one.accuracy.value:.1%} of pairs alike [{one.accuracy.low:.1%}, "
        f"{one.accuracy.high:.1%}], tau {one.tau.value:.2f}"
        for one in result.links
    ]
    return said + [f"note: {note}" for note in result.notes]


def as_json(result: Result) -> dict[str, Any]:
    """Links, notes, and the name of the link where most is lost."""
    worst = worst_link(result.links)
    return {**_values(result.links, result.notes), "worst": worst.name if worst else None}


def page(result: Result) -> tuple[str, list[Section]]:
    """The reward models' folders, and the section."""
    return named(result.config.reward_model), [section(result.links, result.notes)]


audit = Instrument(run, lines, as_json, page)


# ---------------------------------------------------------------------------------------------- on the page


def section(links: Sequence[Link], notes: Sequence[str] = ()) -> Section:
    """Where the message gets lost."""
    worst = worst_link(links)
    sentence = (
        f"Most is lost at '{LINKS[worst.name]}': agreement falls by {worst.lost:.1%}."
        if worst is not None
        else "No link loses agreement over the one before it."
    )
    verdict: Verdict = "bad" if links[-1].accuracy.low <= 0.5 else "unmeasured" if notes else "good"
    return Section(
        "distortion",
        "Where is people's message lost?",
        verdict,
        sentence,
        _values(links, notes),
        [(picture(links), "Pairs ordered alike; dotted: chance.")],
        ("link", "pairs alike", "95% interval", "Kendall's tau"),
        [(*estimate_row(LINKS[one.name], one.accuracy), f"{one.tau.value:.2f}") for one in links],
        notes=[as_sentence(note) for note in notes],
    )


def _values(links: Sequence[Link], notes: Sequence[str]) -> dict[str, Any]:
    rows = [
        {
            "name": one.name,
            "accuracy": one.accuracy.json(),
            "tau": one.tau.json(),
            "pairs": one.pairs,
            "lost": one.lost,
        }
        for one in links
    ]
    return {"links": rows, "notes": list(notes)}


def picture(links: Sequence[Link]) -> str:
    """Agreement link by link: where the line falls, the message is lost."""
    parts = [(fill(LINKS[link.name], 20), link.accuracy) for link in links]
    return estimates_picture("audit-distortion", parts, "pairs ordered alike", 0.5, WIDE)
